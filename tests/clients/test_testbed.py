"""What operators and their scripts see of two nodes: exit codes, used directories, and where writes should go."""

import os
import signal
import subprocess

import pytest
from botocore.exceptions import ClientError
from conftest import Testbed, binary, wait_until


def settled(bed):
    return [bed.path(side)["state"] for side in "ab"] == ["Active", "Active"]


def test_a_write_at_the_destination_is_told_where_the_source_is(testbed):
    testbed.s3("a").create_bucket(Bucket="photos")
    b = testbed.s3("b")
    wait_until("b has the bucket", lambda: b.list_buckets()["Buckets"])
    with pytest.raises(ClientError) as refused:
        b.put_object(Bucket="photos", Key="k", Body=b"x")
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"], error["Source"]) == ("AccessDenied", "Access Denied", testbed.a["s3"])


def begin(bed, side, *words):
    """An order that is on its way: the node has taken it when this returns."""
    environment = {**os.environ, "TANDEM_PASSWORD": bed.facts["admin_password"]}
    command = [binary(), "failover", *words, "--admin", bed.facts[side]["admin"], "--ca", bed.facts["admin_ca"]]
    order = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert order.stderr.readline().startswith("/: "), order.communicate()
    return order


@pytest.mark.parametrize("asked, silent", [("a", "b"), ("b", "a")])
def test_a_failover_that_was_called_off_is_no_success_for_a_script(testbed, asked, silent):
    testbed.s3("a").create_bucket(Bucket="photos")
    wait_until("b follows", lambda: settled(testbed) and testbed.path("b")["restore_point"])
    os.kill(testbed.facts[silent]["pid"], signal.SIGSTOP)
    try:
        failover = begin(testbed, asked, "--graceful", "--yes", "--timeout", "60")
        abort = begin(testbed, asked, "--abort")
    finally:
        os.kill(testbed.facts[silent]["pid"], signal.SIGCONT)
    said = [order.communicate(timeout=60) for order in (failover, abort)]
    assert (failover.returncode, abort.returncode) == (1, 0), said
    wait_until("a writes on", lambda: testbed.path("a")["writable"] and testbed.path("a")["epoch"] == 2)
    wait_until("b follows", lambda: settled(testbed) and testbed.path("b")["epoch"] == 2)


def test_a_directory_that_is_used_again_keeps_its_interval_and_says_so(tmp_path):
    first = Testbed(tmp_path)
    first.tandem("b", "failover", "--graceful", "--yes")
    assert first.stop() == 0
    again = subprocess.Popen(
        [binary(), "testbed", "--dir", str(tmp_path), "--interval", "7"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        guide = ""
        while "lag" not in guide:
            line = again.stdout.readline()
            assert line, again.stderr.read()
            guide += line
    finally:
        again.send_signal(signal.SIGINT)
        _, told = again.communicate(timeout=60)
    assert again.returncode == 0
    assert "every 1 s" in guide and "keeps the interval of 1 s" in told
    # B writes since that failover.
    assert "Write on B, read on A" in guide and "b.create_bucket" in guide and "Fail over to A" in guide
