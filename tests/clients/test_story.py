"""The whole story on two real nodes: replicate, refuse, fail over, fail back, lose a node, find what it had not shipped."""

import hashlib
import json
import os
import signal
import subprocess

import pytest
from botocore.exceptions import ClientError
from conftest import wait_until

MIB = 2**20


def objects(s3, bucket):
    """Every key with its bytes' hash, ETag, metadata and time: what must be equal on both sides."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            got = s3.get_object(Bucket=bucket, Key=entry["Key"])
            digest = hashlib.sha256(got["Body"].read()).hexdigest()
            found[entry["Key"]] = (digest, got["ETag"], got["Metadata"], got["ContentType"], got["LastModified"])
    return found


def follows(testbed, reader, expected, bucket="story"):
    def equal():
        try:
            return objects(testbed.s3(reader), bucket) == expected
        except ClientError:
            return False

    wait_until(f"{reader} shows a restore point with everything", equal)


def denied(call):
    with pytest.raises(ClientError) as error:
        call()
    response = error.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDenied", 403)
    assert "Access Denied" in response["Error"]["Message"]


def write_some(s3, mark):
    s3.put_object(Bucket="story", Key=f"{mark}/small", Body=mark.encode(), Metadata={"mark": mark}, ContentType="text/mark")
    s3.put_object(Bucket="story", Key=f"{mark}/empty", Body=b"")
    s3.put_object(Bucket="story", Key=f"{mark}/large", Body=os.urandom(17 * MIB))
    upload = s3.create_multipart_upload(Bucket="story", Key=f"{mark}/parts")["UploadId"]
    parts = []
    for number, body in enumerate([b"p" * 5 * MIB, b"q"], 1):
        etag = s3.upload_part(Bucket="story", Key=f"{mark}/parts", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(Bucket="story", Key=f"{mark}/parts", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.put_object(Bucket="story", Key="overwritten", Body=mark.encode())


def role(testbed, side):
    path = testbed.path(side)
    return path["role"], path["state"]


def test_replicate_fail_over_and_fail_back(testbed):
    a, b = testbed.s3("a"), testbed.s3("b")
    a.create_bucket(Bucket="story")
    write_some(a, "first")
    a.put_object(Bucket="story", Key="deleted", Body=b"x")
    follows(testbed, "b", objects(a, "story"))
    a.delete_object(Bucket="story", Key="deleted")
    a.copy_object(
        Bucket="story", Key="first/small", CopySource={"Bucket": "story", "Key": "first/small"},
        MetadataDirective="REPLACE", Metadata={"only": "metadata"},
    )
    follows(testbed, "b", objects(a, "story"))
    denied(lambda: b.put_object(Bucket="story", Key="refused", Body=b"x"))
    denied(lambda: b.delete_object(Bucket="story", Key="overwritten"))
    denied(lambda: b.create_bucket(Bucket="refused"))

    # An upload in progress travels, and completes on the new source.
    upload = a.create_multipart_upload(Bucket="story", Key="begun-on-a")["UploadId"]
    etag = a.upload_part(Bucket="story", Key="begun-on-a", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    last = a.put_object(Bucket="story", Key="last-before-the-switch", Body=b"must be there")

    testbed.tandem("b", "failover", "--graceful", "--yes")
    assert b.head_object(Bucket="story", Key="last-before-the-switch")["ETag"] == last["ETag"]
    b.complete_multipart_upload(
        Bucket="story", Key="begun-on-a", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]},
    )
    write_some(b, "second")
    wait_until("a is the destination", lambda: role(testbed, "a")[0] == "Destination")
    denied(lambda: a.put_object(Bucket="story", Key="refused", Body=b"x"))
    follows(testbed, "a", objects(b, "story"))
    assert role(testbed, "b")[0] == "Source" and role(testbed, "a")[0] == "Destination"

    testbed.tandem("a", "failover", "--graceful", "--yes")
    write_some(a, "third")
    wait_until("b is the destination", lambda: role(testbed, "b")[0] == "Destination")
    denied(lambda: b.put_object(Bucket="story", Key="refused", Body=b"x"))
    follows(testbed, "b", objects(a, "story"))


def test_a_killed_source_comes_back_as_destination_and_its_unshipped_writes_are_listed(testbed):
    a, b = testbed.s3("a"), testbed.s3("b")
    a.create_bucket(Bucket="story")
    write_some(a, "shipped")
    follows(testbed, "b", objects(a, "story"))

    # The destination is paused, so that what A acknowledges now is not shipped; then A dies.
    os.kill(testbed.b["pid"], signal.SIGSTOP)
    a.put_object(Bucket="story", Key="unshipped", Body=b"acknowledged, never shipped")
    a.delete_object(Bucket="story", Key="shipped/small")
    os.kill(testbed.a["pid"], signal.SIGKILL)
    os.kill(testbed.b["pid"], signal.SIGCONT)

    testbed.tandem("b", "failover", "--force", "--yes")
    assert "unshipped" not in objects(b, "story")
    assert "shipped/small" in objects(b, "story")
    b.put_object(Bucket="story", Key="after", Body=b"written on the new source")

    restart(testbed, "a")
    follows(testbed, "a", objects(b, "story"))
    assert role(testbed, "a")[0] == "Destination"
    denied(lambda: a.put_object(Bucket="story", Key="refused", Body=b"x"))
    diverged = wait_until("the diverged writes are listed", lambda: testbed.path("a")["diverged"])
    listing = json.loads(testbed.tandem("a", "diverged", "--json").stdout)
    text = json.dumps(listing)
    assert "unshipped" in text and "shipped/small" in text and diverged[0]["name"] in text

    testbed.tandem("a", "failover", "--graceful", "--yes")
    a.put_object(Bucket="story", Key="home-again", Body=b"x")
    follows(testbed, "b", objects(a, "story"))


def restart(testbed, side):
    """Starts a killed node of a testbed again, on its directory and addresses."""
    facts = testbed.facts[side]
    log = open(testbed.directory / f"restart-{side}.log", "ab")
    process = subprocess.Popen(facts["start"], stdout=log, stderr=log)
    facts["pid"] = process.pid
    testbed.restarted.append(process)

    def ready():
        assert process.poll() is None, "the restarted node stopped"
        return testbed.tandem(side, "status", "--json", check=False).returncode == 0

    wait_until(f"{side} is back", ready)


def test_standing_alone_keeps_both_sides_writable_until_reattached(testbed):
    a, b = testbed.s3("a"), testbed.s3("b")
    a.create_bucket(Bucket="story")
    a.put_object(Bucket="story", Key="k", Body=b"shared")
    follows(testbed, "b", objects(a, "story"))
    testbed.tandem("b", "failover", "--stand-alone", "--yes")
    b.put_object(Bucket="story", Key="only-b", Body=b"b")
    wait_until("a has heard of it", lambda: role(testbed, "a")[0] == "Standalone")
    a.put_object(Bucket="story", Key="only-a", Body=b"a")
    assert role(testbed, "b")[0] == "Standalone"
    assert "only-a" not in objects(b, "story") and "only-b" not in objects(a, "story")
