"""Very many multipart uploads in progress: one user is stopped, nobody else is, and the node stays small."""

import concurrent.futures
import json
import pathlib
import sys

import pytest
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

from conftest import Node, s3_client  # noqa: E402
from people import PASSWORD, Local, Person, arn, iam_client, policy, statement, unique  # noqa: E402
from test_walk import client  # noqa: E402

MOST = 300


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path, extra=["--uploads-max", str(MOST)], environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


def begin(s3, bucket, key):
    return s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]


def is_stopped(s3, bucket):
    with pytest.raises(ClientError) as error:
        begin(s3, bucket, "one-more")
    answer = error.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (503, "SlowDown")
    assert "Complete or abort" in answer["Error"]["Message"]


def fill(s3, buckets):
    """As many as there may be, over several buckets: the limit is one user's, not a bucket's."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: begin(s3, buckets[n % len(buckets)], f"k{n:05}"), range(MOST))
        assert len(set(made)) == MOST
    is_stopped(s3, buckets[0])


def uploads(s3, bucket):
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 70})
    return [(upload["Key"], upload["UploadId"]) for page in pages for upload in page.get("Uploads", [])]


def resident_mib(node):
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def test_g6_uploads_in_progress_are_limited_for_everybody_and_listed(node):
    root = s3_client(node.s3)
    buckets = [unique("uploads") for _ in range(2)]
    for bucket in buckets:
        root.create_bucket(Bucket=bucket)
    everything = [arn(name) for name in buckets] + [arn(name, "*") for name in buckets]
    person = Person(node, policy(statement("Allow", "s3:*", everything)))
    local = Local(node)
    own = unique("own")
    local.s3.create_bucket(Bucket=own)
    before = resident_mib(node)
    fill(person.s3, buckets)
    # Nobody else is stopped by it: not the administrator, not a local user; then each by its own.
    fill(root, buckets)
    fill(local.s3, [own])
    assert resident_mib(node) < before + 64
    listed = [entry for bucket in buckets for entry in uploads(root, bucket)]
    assert len(listed) == len(set(listed)) == 2 * MOST and len(uploads(local.s3, own)) == MOST
    # What is aborted, or completed, makes room for as many.
    mine = [upload for upload in uploads(local.s3, own)][:2]
    local.s3.abort_multipart_upload(Bucket=own, Key=mine[0][0], UploadId=mine[0][1])
    part = local.s3.upload_part(Bucket=own, Key=mine[1][0], UploadId=mine[1][1], PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    local.s3.complete_multipart_upload(Bucket=own, Key=mine[1][0], UploadId=mine[1][1], MultipartUpload=parts)
    for key in ["a", "b"]:
        begin(local.s3, own, key)
    is_stopped(local.s3, own)
    # Other requests of a stopped user are served, and a restart forgets nothing.
    person.s3.put_object(Bucket=buckets[0], Key="plain", Body=b"x")
    assert node.stop() == 0
    node.start()
    for s3, bucket in [(person, buckets[0]), (local, own)]:
        is_stopped(s3_client(node.s3, s3.access_key, s3.secret_key), bucket)
    root = s3_client(node.s3)
    is_stopped(root, buckets[1])
    for key, upload in uploads(root, buckets[0])[:10]:
        root.abort_multipart_upload(Bucket=buckets[0], Key=key, UploadId=upload)


def test_g6_a_role_is_one_user_whatever_its_sessions_are_called(node):
    person, bucket = Person(node, policy(statement("Allow", "sts:AssumeRole"))), unique("uploads")
    s3_client(node.s3).create_bucket(Bucket=bucket)
    trust = {"Effect": "Allow", "Principal": {"AWS": person.arn}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam_client(node).create_role(RoleName="uploader", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam_client(node).put_role_policy(
        RoleName="uploader", PolicyName="p", PolicyDocument=policy(statement("Allow", "s3:*", [arn(bucket), arn(bucket, "*")])))
    sts = client(node, "sts", person.access_key, person.secret_key)

    def session(name):
        held = sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
        return s3_client(node.s3, held["AccessKeyId"], held["SecretAccessKey"], token=held["SessionToken"])

    one, two = session("one"), session("two")
    fill(one, [bucket])
    is_stopped(two, bucket)
    is_stopped(session("three"), bucket)
    # What any of them aborts makes room for one more, of any of them.
    key, upload = uploads(two, bucket)[0]
    two.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    begin(two, bucket, "more")
    is_stopped(one, bucket)
