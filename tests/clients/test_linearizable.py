"""Reads after writes, listings after writes and conditional writes are linearizable for each key, under concurrent clients."""

import hashlib
import math
import os
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import s3_client
from linearizable import Operation, is_linearizable

KEYS = ["a", "b", "c"]
CLIENTS = 6
OPERATIONS = int(os.environ.get("TANDEM_HISTORY_OPERATIONS", "100"))
SEED = int(os.environ.get("TANDEM_HISTORY_SEED", "0"))


def op(kind, begun, ended, value=None, **more):
    return Operation(kind, begun, ended, value, **more)


GOOD = {
    "a read during a write sees either": [op("write", 0, 10, 1), op("read", 1, 2, None), op("read", 3, 4, 1), op("read", 11, 12, 1)],
    "a write without an answer may have happened": [op("write", 0, math.inf, 1), op("read", 5, 6, 1)],
    "or not": [op("write", 0, math.inf, 1), op("read", 5, 6, None), op("read", 7, 8, None)],
    "or late": [op("write", 0, math.inf, 1), op("read", 5, 6, None), op("read", 7, 8, 1)],
    "one of two conditional writes wins": [
        op("write", 0, 5, 1, expects=None), op("write", 1, 6, 2, expects=None, done=False), op("read", 7, 8, 1)],
    "a swap follows its value": [op("write", 0, 1, 1), op("write", 2, 3, 2, expects=1), op("read", 4, 5, 2)],
    "a delete and a write at once": [op("write", 0, 1, 1), op("delete", 2, 9), op("write", 2, 9, 2), op("read", 10, 11, 2)],
}
BAD = {
    "a stale read": [op("write", 0, 1, 1), op("write", 2, 3, 2), op("read", 4, 5, 1)],
    "a read of what was never written": [op("write", 0, 1, 1), op("read", 2, 3, 9)],
    "a read from the future": [op("read", 0, 1, 1), op("write", 2, 3, 1)],
    "a lost write": [op("write", 0, 1, 1), op("read", 2, 3, None)],
    "a value that comes back": [op("write", 0, 10, 1), op("read", 1, 2, 1), op("read", 3, 4, None)],
    "two readers who disagree about the order": [
        op("write", 0, 20, 1), op("write", 0, 20, 2), op("read", 1, 2, 1), op("read", 3, 4, 2), op("read", 5, 6, 1)],
    "two winners of If-None-Match": [op("write", 0, 5, 1, expects=None), op("write", 1, 6, 2, expects=None)],
    "two swaps of one value": [
        op("write", 0, 1, 1), op("write", 2, 6, 2, expects=1), op("write", 3, 7, 3, expects=1)],
    "a swap refused although its value was there": [op("write", 0, 1, 1), op("write", 2, 3, 2, expects=1, done=False)],
    "a deleted key that is still read": [op("write", 0, 1, 1), op("delete", 2, 3), op("read", 4, 5, 1)],
}


@pytest.mark.parametrize("name", GOOD)
def test_the_checker_takes_what_can_have_happened(name):
    assert is_linearizable(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_the_checker_refuses_what_cannot_have_happened(name):
    assert not is_linearizable(BAD[name])


def etag(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


class Client(threading.Thread):
    """Asks random things of a few keys and writes down what it asked, when, and what it was told. A value is known by its ETag."""

    def __init__(self, endpoint, bucket, number):
        super().__init__()
        # Each request is sent once: one that is sent again could meet what it did itself.
        once = {"max_pool_connections": 1, "retries": {"max_attempts": 0}}
        self.s3, self.bucket, self.number = s3_client(endpoint, **once), bucket, number
        self.choice = random.Random(SEED * 1000 + number)
        self.known = {key: None for key in KEYS}
        self.told = {key: [] for key in KEYS}
        self.failure = None

    def run(self):
        try:
            for count in range(OPERATIONS):
                key = self.choice.choice(KEYS)
                body = f"{SEED}-{self.number}-{count}".encode() * self.choice.choice([1, 1, 20_000])
                self.choice.choice([self.put, self.put, self.swap, self.create, self.get, self.get, self.head, self.delete, self.list])(key, body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must hear of it
            self.failure = error

    def ask(self, key, kind, call, value=None, expects="ANY", **words):
        """One write or delete. A condition that did not hold is an answer; no answer is none."""
        begun = time.monotonic()
        ended, done = math.inf, True
        try:
            call(Bucket=self.bucket, Key=key, **words)
            ended = time.monotonic()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert expects != "ANY" and (code in ("PreconditionFailed", "NoSuchKey") or status == 412), error
            ended, done = time.monotonic(), False
        except BotoCoreError:
            pass
        self.told[key].append(Operation(kind, begun, ended, value, expects, done))
        if done and ended < math.inf:
            self.known[key] = value

    def put(self, key, body):
        self.ask(key, "write", self.s3.put_object, etag(body), Body=body)

    def create(self, key, body):
        self.ask(key, "write", self.s3.put_object, etag(body), expects=None, Body=body, IfNoneMatch="*")

    def swap(self, key, body):
        if self.known[key] is None:
            return self.get(key, body)
        self.ask(key, "write", self.s3.put_object, etag(body), expects=self.known[key], Body=body, IfMatch=self.known[key])

    def delete(self, key, _):
        self.ask(key, "delete", self.s3.delete_object)

    def read(self, keys, call):
        begun = time.monotonic()
        try:
            found = call()
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404, error
            found = {}
        ended = time.monotonic()
        for key in keys:
            self.told[key].append(Operation("read", begun, ended, found.get(key)))
            self.known[key] = found.get(key)

    def get(self, key, _):
        def call():
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
            assert etag(answer["Body"].read()) == answer["ETag"], "the bytes are not the ETag's"
            return {key: answer["ETag"]}

        self.read([key], call)

    def head(self, key, _):
        self.read([key], lambda: {key: self.s3.head_object(Bucket=self.bucket, Key=key)["ETag"]})

    def list(self, *_):
        """A listing is a read of every key."""
        listed = lambda: self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        self.read(KEYS, lambda: {entry["Key"]: entry["ETag"] for entry in listed()})


def test_what_concurrent_clients_see_of_a_key_happened_in_one_order(node, bucket):
    clients = [Client(node.s3, bucket, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        assert client.failure is None, repr(client.failure)
    for key in KEYS:
        history = [operation for client in clients for operation in client.told[key]]
        assert len(history) > OPERATIONS // len(KEYS)
        assert any(not operation.done for operation in history), "no condition ever failed: too little happened at once"
        assert is_linearizable(history), sorted(history, key=lambda operation: operation.begun)
