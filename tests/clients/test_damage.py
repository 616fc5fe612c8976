"""Bytes that decay: those that both nodes had are fetched back from the other one; those that the peer never had are never shipped, and the path goes on
once the same bytes are put again."""

import os
import pathlib
import signal

import pytest
from conftest import wait_until
from test_node import flip_a_byte


@pytest.mark.parametrize("way_out", ["put again", "deleted"])
def test_damaged_bytes_are_never_shipped_and_the_path_goes_on_when_they_are_put_again_or_given_up(testbed, way_out):
    a, b = testbed.s3("a"), testbed.s3("b", retries={"max_attempts": 0})

    def shown(key):
        found = b.list_objects_v2(Bucket="decay", Prefix=key).get("Contents", [])
        return b.get_object(Bucket="decay", Key=key)["Body"].read() if found else None

    a.create_bucket(Bucket="decay")
    a.put_object(Bucket="decay", Key="first", Body=b"first")
    wait_until("b has the bucket", lambda: any(bucket["Name"] == "decay" for bucket in b.list_buckets()["Buckets"]))
    wait_until("b has the first object", lambda: shown("first"))
    pid = testbed.facts["b"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        body = os.urandom(3 * 2**20)
        a.put_object(Bucket="decay", Key="spoilt", Body=body)
        pieces = [path for path in pathlib.Path(testbed.facts["a"]["dir"]).rglob("pieces/*/*") if path.is_file()]
        flip_a_byte(max(pieces, key=lambda path: path.stat().st_size), 100_000)
    finally:
        os.kill(pid, signal.SIGCONT)
    held_up = wait_until("the path says what holds it up", lambda: testbed.path("a")["last_error"])
    assert "damaged" in held_up
    a.put_object(Bucket="decay", Key="after", Body=b"after")
    assert shown("spoilt") is None and shown("after") is None
    if way_out == "put again":
        a.put_object(Bucket="decay", Key="spoilt", Body=body)
    else:
        a.delete_object(Bucket="decay", Key="spoilt")
        testbed.tandem("a", "path", "replicate-now", "/")
    wait_until("b has what came after", lambda: shown("after"))
    assert shown("spoilt") == (body if way_out == "put again" else None)


def read(s3, key):
    """The object's bytes; none while they cannot be read."""
    try:
        return s3.get_object(Bucket="decay", Key=key)["Body"].read()
    except Exception:
        return None


@pytest.mark.parametrize("side, peer", [("a", "b"), ("b", "a")])
def test_bytes_that_decay_on_one_node_are_fetched_back_from_the_other(testbed, side, peer):
    body = os.urandom(9 * 2**20)
    testbed.s3("a").create_bucket(Bucket="decay")
    testbed.s3("a").put_object(Bucket="decay", Key="spoilt", Body=body)
    node = testbed.s3(side, retries={"max_attempts": 0})
    wait_until("both have it", lambda: read(testbed.s3("b"), "spoilt") == body)
    wait_until("both know it", lambda: testbed.path("a")["restore_point"] == testbed.path("b")["restore_point"])
    pieces = [path for path in pathlib.Path(testbed.facts[side]["dir"]).rglob("pieces/*/*") if path.is_file()]
    for piece in pieces:
        flip_a_byte(piece, 100_000)
    assert read(node, "spoilt") != body, "what is damaged is not given out"
    wait_until("the peer's bytes are there", lambda: read(node, "spoilt") == body)
    wait_until("all are counted", lambda: sum(one["blobs"] for one in testbed.status(side)["repair"]["repaired"]) == len(pieces))
    repair = testbed.status(side)["repair"]
    assert [one["peer"] for one in repair["repaired"]] == [testbed.path(side)["peer"]] and repair["waiting"] == []
    assert f"{len(pieces)} blobs" in testbed.tandem(side, "status").stdout
    assert testbed.status(peer)["repair"] == {"waiting": [], "further": 0, "repaired": []}
    assert "Nothing wrong" in testbed.tandem(side, "check").stdout
