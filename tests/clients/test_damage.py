"""Bytes that decay at the source before the peer has them: they are never shipped, and the path goes on once the same bytes are put again."""

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
