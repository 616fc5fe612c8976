"""kill -9 of the real binary under load: every acknowledged change is there afterwards, every other is old or new, never a mix."""

import os
import random
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Node, s3_client

ROUNDS = int(os.environ.get("TANDEM_KILLS", "30"))
FIRST = int(os.environ.get("TANDEM_KILL_SEED", "0"))
WRITERS = 4
ENGINES = os.environ.get("TANDEM_KILL_ENGINES", "redb,sled").split(",")


class Ledger:
    """What one writer knows of its keys: the last acknowledged value, and the one whose answer never came."""

    def __init__(self):
        self.acknowledged = {}
        self.open = {}

    def allowed(self, key):
        return {self.acknowledged.get(key), self.open.get(key, self.acknowledged.get(key))}

    def settle(self, key, found):
        self.acknowledged[key] = found
        self.open.pop(key, None)


def body_of(key, number, size):
    mark = f"{key}:{number};".encode()
    return (mark * (size // len(mark) + 1))[:max(size, len(mark))]


def write_until_dead(endpoint, writer, ledger, seed, stop, written):
    s3 = s3_client(endpoint, max_pool_connections=1)
    choice = random.Random(seed)
    number = seed * 1_000_000
    while not stop.is_set():
        number += 1
        key = f"w{writer}-{choice.randrange(12)}"
        size = choice.choice([0, 10, 4096, 70_000, 300_000])
        body = None if choice.random() < 0.2 else body_of(key, number, size)
        ledger.open[key] = body
        try:
            if body is None:
                s3.delete_object(Bucket="kill", Key=key)
            else:
                s3.put_object(Bucket="kill", Key=key, Body=body)
        except (BotoCoreError, ClientError):
            return
        ledger.settle(key, body)
        written.release()


def read(s3, key):
    try:
        return s3.get_object(Bucket="kill", Key=key)["Body"].read()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchKey"
        return None


@pytest.mark.parametrize("engine", ENGINES)
def test_acknowledged_changes_survive_kill_9(tmp_path, engine):
    node = Node(tmp_path, extra=["--engine", engine])
    s3_client(node.s3).create_bucket(Bucket="kill")
    ledgers = [Ledger() for _ in range(WRITERS)]
    for kill in range(FIRST, FIRST + ROUNDS):
        stop, written = threading.Event(), threading.Semaphore(0)
        threads = [
            threading.Thread(target=write_until_dead, args=(node.s3, writer, ledger, kill * WRITERS + writer, stop, written))
            for writer, ledger in enumerate(ledgers)
        ]
        for thread in threads:
            thread.start()
        for _ in range(random.Random(kill).randrange(5, 60)):
            assert written.acquire(timeout=30), "writers made no progress"
        node.kill()
        stop.set()
        for thread in threads:
            thread.join()
        node.start()
        s3 = s3_client(node.s3)
        for ledger in ledgers:
            for key in set(ledger.acknowledged) | set(ledger.open):
                found = read(s3, key)
                assert found in ledger.allowed(key), f"kill {kill}: {key} is neither its old nor its new value"
                ledger.settle(key, found)
        listed = {entry["Key"] for entry in s3.list_objects_v2(Bucket="kill").get("Contents", [])}
        assert listed == {key for ledger in ledgers for key, value in ledger.acknowledged.items() if value is not None}
    assert node.stop() == 0
