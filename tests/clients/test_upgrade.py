"""Directories of the build before are opened by this one: served at once, counted meanwhile, and proved by one cycle.

The directories are golden files (`golden/make.py` made them). Where the older program itself is needed, `TANDEM_OLD_BIN`
names it; without it those tests are skipped.
"""

import os
import subprocess

import pytest
from conftest import wait_until
from golden_nodes import Golden, content, names, unpack

OLD = os.environ.get("TANDEM_OLD_BIN")
needs_old = pytest.mark.skipif(not OLD, reason="TANDEM_OLD_BIN does not name a program of the build before")


@pytest.fixture
def nodes(tmp_path):
    """Starts nodes on golden directories, and stops them."""
    started = []

    def start(name, program=None):
        started.append(Golden(tmp_path, name, program))
        return started[-1].start()

    yield start
    for node in started:
        node.stop()


def proved(node):
    """The restore point that a node reports, if it is proved."""
    point = node.path()["restore_point"]
    return point if point and point.get("proved") else None


def alarm(node):
    path = node.path()
    return path.get("alarm") or path.get("discrepancy")


def is_counted(node):
    """Whether the node has counted all rows that it had when it was opened."""
    return node.status()["totals"]["whole"]


def settled(a, b):
    points = proved(a), proved(b)
    states = [node.path()["state"] for node in (a, b)]
    return all(points) and points[0]["guid"] == points[1]["guid"] and states == ["Active", "Active"] and points[0]


def test_a_pair_of_the_build_before_is_served_at_once_and_proved_by_a_cycle(tmp_path, nodes):
    told = unpack("pair", tmp_path)
    a, b = nodes("a"), nodes("b")
    assert content(a.s3()) == told["content"]
    assert content(b.s3()) == told["content"]

    # Nobody writes, and a cycle runs: the point from before is counted, or a new one is proved.
    point = wait_until("the restore point is proved on both nodes", lambda: settled(a, b))
    assert is_counted(a) and is_counted(b)
    assert not alarm(a) and not alarm(b)
    assert content(a.s3()) == content(b.s3()) == told["content"]
    assert point["digest"]

    # And it goes on as before: writes, the upload that was begun, a switch and a switch back.
    s3 = a.s3()
    s3.put_object(Bucket="plain", Key="after", Body=b"after the upgrade")
    (key, upload, [(number, etag, _)]), = told["content"]["kept"]["uploads"]
    s3.complete_multipart_upload(
        Bucket="kept", Key=key, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etag}]},
    )
    wait_until("b follows", lambda: content(b.s3()) == content(s3))
    for node, other in ((b, a), (a, b)):
        node.tandem("failover", "--graceful", "--yes")
        node.s3().put_object(Bucket="plain", Key=f"by-{node.name}", Body=b"x")
        wait_until(f"{other.name} follows", lambda node=node, other=other: content(other.s3()) == content(node.s3()))
    for node in (a, b):
        assert node.stop() == 0
        checked = subprocess.run([node.program, "check", "--data-dir", str(node.data)], capture_output=True, text=True, timeout=120)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_writes_meet_the_first_count_and_the_result_is_right(tmp_path, nodes):
    unpack("lacking", tmp_path)
    a = nodes("a")
    s3 = a.s3()
    before = names(s3, "burst")
    for number in range(200):
        s3.put_object(Bucket="burst", Key=f"meanwhile/{number:03}", Body=b"x")
    for key in sorted(before)[:100]:
        s3.delete_object(Bucket="burst", Key=key)
    for key in sorted(before)[100:200]:
        s3.put_object(Bucket="burst", Key=key, Body=b"another")
    listed = names(s3, "burst")
    assert len(listed) == len(before) + 200 - 100
    wait_until("all rows are counted", lambda: is_counted(a), 120)
    assert a.stop() == 0
    checked = subprocess.run([a.program, "check", "--data-dir", str(a.data)], capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_destination_that_lacks_rows_is_mended_unasked(tmp_path, nodes):
    told = unpack("lacking", tmp_path)
    b = nodes("b")
    shown = names(b.s3(), "burst")
    assert told["missing"] and len(shown) == told["keys"] - len(told["missing"]) and not set(told["missing"]) & set(shown)
    a = nodes("a")
    wanted = names(a.s3(), "burst")
    assert len(wanted) == told["keys"]
    # Nobody writes and nobody gives an order.
    wait_until("b has what it lacked", lambda: names(b.s3(), "burst") == wanted, 120)
    wait_until("the restore point is proved on both nodes", lambda: settled(a, b), 120)
    wait_until("the alarms have ended", lambda: not alarm(a) and not alarm(b))
    for node in (a, b):
        assert node.stop() == 0
        text = node.log.read_text(errors="replace")
        checked = subprocess.run([node.program, "check", "--data-dir", str(node.data)], capture_output=True, text=True, timeout=120)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "panicked" not in text
    logs = a.log.read_text(errors="replace") + b.log.read_text(errors="replace")
    assert "the replica may differ from its source" in logs, "nothing was said of what b lacked"


@needs_old
def test_a_directory_that_was_opened_by_this_build_is_refused_by_the_one_before(tmp_path, nodes):
    unpack("pair", tmp_path)
    assert nodes("a").stop() == 0
    older = Golden(tmp_path, "a", OLD)
    done = subprocess.run(older.command(), env=older.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "newer" in done.stderr and "format" in done.stderr


@needs_old
def test_a_peer_of_the_build_before_is_refused_by_name_and_the_source_goes_on(tmp_path, nodes):
    told = unpack("pair", tmp_path)
    a, b = nodes("a"), nodes("b", OLD)

    def error():
        peer, = a.status()["peers"]
        return peer["error"]

    said = wait_until("a says why it does not speak to b", error)
    assert "older" in said and "upgrade" in said, said
    s3 = a.s3()
    for number in range(50):
        s3.put_object(Bucket="plain", Key=f"alone/{number:02}", Body=b"x")
    assert len(names(s3, "plain")) == len(names(b.s3(), "plain")) + 50
    assert content(b.s3()) == told["content"]
    assert a.path()["writable"] and a.path()["role"] == "Source"

    # When the peer has been upgraded, it follows.
    assert b.stop() == 0
    b = nodes("b")
    wait_until("b follows", lambda: names(b.s3(), "plain") == names(s3, "plain"), 120)
    wait_until("the restore point is proved on both nodes", lambda: settled(a, b), 120)
