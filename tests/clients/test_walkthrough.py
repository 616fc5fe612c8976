"""The vendor's walkthrough by its own commands, on two real nodes: policy by aws-cli, user by vastpy, work by boto3, failover."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError
from conftest import s3_client, wait_until
from people import code

BUCKET = "managed-by-b-policy"
ALLOW_ALL_S3 = {
    "Version": "2012-10-17",
    "Statement": [{
        "Sid": "allow-all-s3", "Effect": "Allow", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }],
}


@pytest.fixture
def aws(testbed, tmp_path):
    """aws-cli as the administrator, at the source."""
    facts = testbed.facts
    tool = pathlib.Path(sys.executable).parent / "aws"
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": facts["access_key"], "AWS_SECRET_ACCESS_KEY": facts["secret_key"],
        "AWS_REGION": facts["region"], "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }

    def run(*words):
        command = [tool, "s3api", *words, "--endpoint-url", facts["a"]["s3"]]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def provide(testbed, name, pair):
    """The walkthrough's user on the other node: the same name and uid, and the known pair typed in."""
    vms = testbed.vms(name)
    user = vms.users.post(name="s3user", uid=10001, local_provider_id=1, allow_create_bucket=True)
    vms.users[user["id"]].access_keys.post(**pair)


def versions(s3):
    listed = s3.list_object_versions(Bucket="versioned", Prefix="k")
    shown = [(entry["VersionId"], entry["IsLatest"]) for entry in listed.get("Versions", [])]
    return shown, [(marker["VersionId"], marker["IsLatest"]) for marker in listed.get("DeleteMarkers", [])]


def write_versions(s3):
    """Two versions with tags, and a delete marker over them."""
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="versioned", Key="k", Body=b"1", Tagging="stage=one")["VersionId"]
    s3.put_object(Bucket="versioned", Key="k", Body=b"2")
    s3.delete_object(Bucket="versioned", Key="k")
    return first


def answer(call, **words):
    try:
        return call(**words)
    except ClientError:
        return None


def test_policy_user_and_versions_hold_on_both_nodes_through_a_failover(testbed, aws, tmp_path):
    (tmp_path / "allow-all-s3.json").write_text(json.dumps(ALLOW_ALL_S3, indent=2))
    aws("create-bucket", "--bucket", BUCKET)
    aws("put-bucket-policy", "--bucket", BUCKET, "--policy", "file://allow-all-s3.json")
    assert json.loads(aws("get-bucket-policy", "--bucket", BUCKET)["Policy"]) == ALLOW_ALL_S3

    source = testbed.vms("a")
    user = source.users.post(name="s3user", uid=10001, local_provider_id=1, allow_create_bucket=True)
    pair = source.users[user["id"]].access_keys.post()
    wait_until("b is the destination", lambda: testbed.path("b")["role"] == "Destination")
    provide(testbed, "b", pair)
    a, b = (s3_client(testbed.facts[side]["s3"], pair["access_key"], pair["secret_key"]) for side in "ab")

    a.put_object(Bucket=BUCKET, Key="k", Body=b"by the policy")
    first = write_versions(a)
    # The policy allows s3:* to everybody, and yet it is not everybody's to change.
    words = {"Bucket": BUCKET, "Policy": json.dumps(ALLOW_ALL_S3)}
    assert code(a.put_bucket_policy, **words) == "AccessDenied"

    arrived = lambda: answer(b.list_object_versions, Bucket="versioned") and versions(b) == versions(a)
    wait_until("the versions are at the destination", arrived)
    assert b.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"by the policy"
    assert code(b.put_object, Bucket=BUCKET, Key="k", Body=b"refused") == "AccessDenied"
    assert b.get_object(Bucket="versioned", Key="k", VersionId=first)["Body"].read() == b"1"
    assert b.get_object_tagging(Bucket="versioned", Key="k", VersionId=first)["TagSet"] == [{"Key": "stage", "Value": "one"}]

    before = versions(a)
    testbed.tandem("b", "failover", "--graceful", "--yes")
    assert versions(b) == before
    b.put_object(Bucket=BUCKET, Key="k", Body=b"after the failover")
    b.put_object(Bucket="versioned", Key="k", Body=b"3")
    assert code(b.put_bucket_policy, **words) == "AccessDenied"
    # Between handing over and hearing that it was taken, the old source is busy (503) and takes nothing either.
    wait_until("a is the destination", lambda: testbed.path("a")["role"] == "Destination")
    assert code(a.put_object, Bucket=BUCKET, Key="k", Body=b"refused") == "AccessDenied"
    wait_until("the old source follows", lambda: versions(a) == versions(b))
    assert a.get_object(Bucket="versioned", Key="k")["Body"].read() == b"3"
