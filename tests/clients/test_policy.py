"""Bucket policies and identity policies, as boto3 and aws-cli work with them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import urllib3
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, s3_client, wait_until
from people import ACCOUNT, PASSWORD, Local, Person, arn, code, new_account, policy, statement, unique

ALLOW_ALL_S3 = """{
  "Version": "2012-10-17",
  "Statement": [
    { "Sid": "AllowAllS3",  "Effect": "Allow",
      "Principal": {"AWS": ["*"]},
      "Action": ["s3:*"],
      "Resource": ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"] }
  ]
}
"""


@pytest.fixture(scope="module")
def peopled(tmp_path_factory):
    directory = tmp_path_factory.mktemp("peopled")
    node = Node(
        directory, environment={"TANDEM_PASSWORD": PASSWORD}, extra=["--audit-log", str(directory / "audit.log")])
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def root(peopled):
    return s3_client(peopled.s3)


@pytest.fixture
def data(root):
    name = unique("policies")
    root.create_bucket(Bucket=name)
    root.put_object(Bucket=name, Key="k", Body=b"content")
    return name


def audit_lines(node):
    return [json.loads(line) for line in (node.directory / "audit.log").read_text().splitlines()]


def test_aws_cli_attaches_reads_and_removes_a_policy_byte_by_byte(peopled, root, data, tmp_path):
    file = tmp_path / "allow-all-s3.json"
    file.write_text(ALLOW_ALL_S3.replace("BUCKET", data))
    tool = pathlib.Path(sys.executable).parent / "aws"
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }

    def aws(*words, check=True):
        command = [str(tool), "s3api", *words, "--bucket", data, "--endpoint-url", peopled.s3]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=check)

    aws("put-bucket-policy", "--policy", f"file://{file}")
    read = aws("get-bucket-policy", "--query", "Policy", "--output", "text").stdout
    assert read.rstrip("\n") == file.read_text().rstrip("\n")
    assert root.get_bucket_policy(Bucket=data)["Policy"] == file.read_text()
    assert json.loads(aws("get-bucket-policy-status").stdout)["PolicyStatus"]["IsPublic"] is True
    aws("delete-bucket-policy")
    gone = aws("get-bucket-policy", check=False)
    assert gone.returncode != 0 and "NoSuchBucketPolicy" in gone.stderr


def test_a_non_owner_attaches_no_policy(peopled, root, data):
    local = Local(peopled)
    text = ALLOW_ALL_S3.replace("BUCKET", data)
    assert code(local.s3.put_bucket_policy, Bucket=data, Policy=text) == "AccessDenied"
    root.put_bucket_policy(Bucket=data, Policy=text)
    # The policy allows it everything, but not what is the owner's.
    assert local.s3.get_object(Bucket=data, Key="k")["Body"].read() == b"content"
    assert code(local.s3.put_bucket_policy, Bucket=data, Policy=text) == "AccessDenied"
    assert code(local.s3.delete_bucket_policy, Bucket=data) == "AccessDenied"
    assert code(local.s3.put_public_access_block, Bucket=data, PublicAccessBlockConfiguration={}) == "AccessDenied"
    own = unique("own")
    local.s3.create_bucket(Bucket=own)
    local.s3.put_bucket_policy(Bucket=own, Policy=text.replace(data, own))
    other = Local(peopled, new_account(peopled))
    assert code(other.s3.put_bucket_policy, Bucket=data, Policy=text) == "AccessDenied"


def test_a_local_user_needs_no_policy_for_its_own_buckets(peopled, root):
    one, two = Local(peopled), Local(peopled, allow_create_bucket=False)
    own = unique("own")
    one.s3.create_bucket(Bucket=own, ObjectOwnership="BucketOwnerPreferred")
    one.s3.put_object(Bucket=own, Key="k", Body=b"x")
    assert code(two.s3.get_object, Bucket=own, Key="k") == "AccessDenied"
    assert code(two.s3.create_bucket, Bucket=unique("none")) == "AccessDenied"
    assert code(two.s3.create_bucket, Bucket=own) == "AccessDenied"
    names = lambda who: [bucket["Name"] for bucket in who.s3.list_buckets()["Buckets"]]
    # Beside its own a local user sees what some policy lets it list.
    assert own in names(one) and own not in names(two)
    deny = statement("Deny", "s3:GetObject", arn(own, "*"), Principal="*")
    one.s3.put_bucket_policy(Bucket=own, Policy=policy(deny))
    assert code(one.s3.get_object, Bucket=own, Key="k") == "AccessDenied"
    one.s3.delete_bucket_policy(Bucket=own)
    one.s3.delete_object(Bucket=own, Key="k")
    one.s3.delete_bucket(Bucket=own)


def test_a_superuser_is_let_in_unless_denied_and_cannot_lock_himself_out(root, data):
    deny = statement("Deny", "s3:*", [arn(data), arn(data, "*")], Principal="*")
    root.put_bucket_policy(Bucket=data, Policy=policy(deny))
    assert code(root.get_object, Bucket=data, Key="k") == "AccessDenied"
    assert code(root.list_objects_v2, Bucket=data) == "AccessDenied"
    assert json.loads(root.get_bucket_policy(Bucket=data)["Policy"])["Statement"][0]["Effect"] == "Deny"
    root.delete_bucket_policy(Bucket=data)
    root.get_object(Bucket=data, Key="k")


def test_accounts_are_strangers_until_both_sides_allow(peopled, root, data):
    tenant = new_account(peopled)
    other = Local(peopled, tenant)
    everything = [arn(data), arn(data, "*")]
    assert code(other.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    # The bucket's side alone is not enough across accounts.
    root.put_bucket_policy(Bucket=data, Policy=policy(
        statement("Allow", "s3:*", everything, Principal={"AWS": tenant["account_id"]})))
    assert code(other.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    assert code(root.get_object, Bucket=data, Key="k", ExpectedBucketOwner=tenant["account_id"]) == "AccessDenied"
    root.get_object(Bucket=data, Key="k", ExpectedBucketOwner=ACCOUNT)
    assert code(other.s3.create_bucket, Bucket=data) == "BucketAlreadyExists"
    assert code(root.create_bucket, Bucket=data) is None, "one's own, in us-east-1"
    own = unique("foreign")
    other.s3.create_bucket(Bucket=own)
    owner = other.s3.list_buckets()["Owner"]
    assert owner["ID"] != root.list_buckets()["Owner"]["ID"] and owner["DisplayName"] == tenant["name"]
    assert own in [bucket["Name"] for bucket in root.list_buckets()["Buckets"]], "the administrator sees all"


def test_conditions_see_the_request(peopled, root, data):
    person = Person(peopled)
    resource = arn(data, "*")

    def allowed(condition, call, **arguments):
        person.hold(policy(statement("Allow", ["s3:*"], "*"), statement("Deny", "s3:*", "*", Condition=condition)))
        return code(call, Bucket=data, **arguments) is None

    get, put, lists = person.s3.get_object, person.s3.put_object, person.s3.list_objects_v2
    assert not allowed({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, get, Key="k")
    assert allowed({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, get, Key="k")
    assert not allowed({"Bool": {"aws:SecureTransport": "false"}}, get, Key="k")
    assert not allowed({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, get, Key="k")
    assert not allowed({"StringLike": {"aws:UserAgent": "*Boto3*"}}, get, Key="k")
    assert not allowed({"StringEquals": {"s3:authType": "REST-HEADER"}}, get, Key="k")
    assert not allowed({"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}, get, Key="k")
    assert allowed({"NumericGreaterThan": {"s3:signatureAge": "600000"}}, get, Key="k")
    assert not allowed({"StringEquals": {"aws:username": person.name}}, get, Key="k")
    assert not allowed({"StringEquals": {"s3:prefix": "a/"}}, lists, Prefix="a/")
    assert allowed({"StringEquals": {"s3:prefix": "a/"}}, lists, Prefix="b/")
    assert not allowed({"StringEquals": {"s3:delimiter": "/"}}, lists, Delimiter="/")
    assert not allowed({"NumericGreaterThan": {"s3:max-keys": "10"}}, lists, MaxKeys=11)
    assert allowed({"NumericGreaterThan": {"s3:max-keys": "10"}}, lists, MaxKeys=10)
    assert not allowed({"StringEquals": {"s3:x-amz-acl": "private"}}, put, Key="w", ACL="private")
    assert not allowed({"StringEquals": {"s3:x-amz-storage-class": "STANDARD"}}, put, Key="w", StorageClass="STANDARD")
    assert not allowed({"StringEquals": {"s3:RequestObjectTag/team": "red"}}, put, Key="w", Tagging="team=red")
    assert allowed({"StringEquals": {"s3:RequestObjectTag/team": "red"}}, put, Key="w", Tagging="team=blue")
    assert not allowed(
        {"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": ["secret"]}}, put, Key="w", Tagging="a=1&secret=1")
    tagging = person.s3.put_object_tagging
    tags = lambda value: {"TagSet": [{"Key": "team", "Value": value}]}
    assert not allowed({"StringEquals": {"s3:RequestObjectTag/team": "red"}}, tagging, Key="k", Tagging=tags("red"))
    assert allowed({"StringEquals": {"s3:RequestObjectTag/team": "red"}}, tagging, Key="k", Tagging=tags("blue"))
    assert not allowed({"StringEquals": {"s3:ExistingObjectTag/team": "blue"}}, get, Key="k")
    assert allowed({"StringEquals": {"s3:ExistingObjectTag/team": "red"}}, get, Key="k")
    assert root.get_object(Bucket=data, Key="k")["TagCount"] == 1
    person.hold(policy(statement("Allow", "s3:GetObject", resource)))
    assert "TagCount" not in get(Bucket=data, Key="k"), "tags are counted for those who may read them"


def test_a_changed_policy_holds_for_the_next_request_of_a_live_connection(peopled, root, data):
    person = Person(peopled)
    assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    grant = policy(statement("Allow", "s3:GetObject", arn(data, "*"), Principal={"AWS": person.arn}))
    for _ in range(20):
        root.put_bucket_policy(Bucket=data, Policy=grant)
        assert code(person.s3.get_object, Bucket=data, Key="k") is None
        root.delete_bucket_policy(Bucket=data)
        assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    root.put_bucket_policy(Bucket=data, Policy=grant)
    root.delete_object(Bucket=data, Key="k")
    root.delete_bucket(Bucket=data)
    root.create_bucket(Bucket=data)
    root.put_object(Bucket=data, Key="k", Body=b"another bucket of the same name")
    assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"


def test_versions_are_permissions_of_their_own(peopled, root, data):
    root.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    version = root.put_object(Bucket=data, Key="v", Body=b"1")["VersionId"]
    person = Person(peopled, policy(statement("Allow", ["s3:GetObject", "s3:DeleteObject"], arn(data, "*"))))
    assert person.s3.get_object(Bucket=data, Key="v")["Body"].read() == b"1"
    assert code(person.s3.get_object, Bucket=data, Key="v", VersionId=version) == "AccessDenied"
    assert code(person.s3.delete_object, Bucket=data, Key="v", VersionId=version) == "AccessDenied"
    person.hold(policy(statement(
        "Allow", ["s3:GetObjectVersion"], arn(data, "*"), Condition={"StringEquals": {"s3:VersionId": version}})))
    assert person.s3.get_object(Bucket=data, Key="v", VersionId=version)["Body"].read() == b"1"
    assert code(person.s3.get_object, Bucket=data, Key="v", VersionId="null") == "AccessDenied"


def test_the_audit_log_tells_refusals_and_changes_and_no_secret(peopled, root, data):
    person = Person(peopled)
    assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    deny = statement("Deny", "s3:*", arn(data, "*"), Sid="none", Principal="*")
    root.put_bucket_policy(Bucket=data, Policy=policy(deny))
    person.hold(policy(statement("Allow", "s3:*")))
    assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    wrong = s3_client(peopled.s3, person.access_key, "not-the-secret-key-of-anybody-at-all")
    assert code(wrong.list_buckets) == "SignatureDoesNotMatch"
    peopled.process.send_signal(1)
    lines = audit_lines(peopled)
    of = lambda **wanted: [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]
    denied = of(event="denied", resource=arn(data, "k"), action="s3:GetObject")
    assert [line["decided_by"] for line in denied] == [
        "default deny: nothing allows it", "bucket policy, statement 0 (Sid none)"]
    assert all(line["who"]["arn"] == person.arn and line["from"] == "127.0.0.1" for line in denied)
    changed = of(event="policy-changed", operation="PutBucketPolicy", resource=arn(data))
    assert [line["decided_by"] for line in changed] == ["superuser"]
    assert of(event="identity-changed"), "changes of users are told too"
    assert of(event="unauthenticated", decided_by="SignatureDoesNotMatch")
    text = (peopled.directory / "audit.log").read_text() + (peopled.directory / "log").read_text(errors="replace")
    for secret in (SECRET_KEY, person.secret_key, PASSWORD):
        assert secret not in text
    assert (peopled.directory / "audit.log").stat().st_mode & 0o777 == 0o600


def test_policies_and_acls_travel_and_hold_on_the_destination(testbed):
    a, name = testbed.s3("a"), "travelling"
    a.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    a.put_object(Bucket=name, Key="policy", Body=b"x")
    a.put_object(Bucket=name, Key="acl", Body=b"x", ACL="public-read")
    a.put_object(Bucket=name, Key="none", Body=b"x")
    a.put_bucket_policy(Bucket=name, Policy=policy(
        statement("Allow", ["s3:GetObject", "s3:PutObject"], arn(name, "policy"), Principal="*")))
    http = urllib3.PoolManager()
    ask = lambda key, method="GET", **more: http.request(method, f"{testbed.facts['b']['s3']}/{name}/{key}", **more)
    wait_until("the policy has arrived", lambda: ask("policy").status == 200)
    assert ask("acl").status == 200 and ask("none").status == 403
    # Who may write hears of the role; who may not, hears that.
    refused = ask("policy", "PUT", body=b"y")
    assert refused.status == 403 and refused.headers.get("x-tandem-role") == "destination"
    refused = ask("none", "PUT", body=b"y")
    assert refused.status == 403 and "x-tandem-role" not in refused.headers
    a.delete_bucket_policy(Bucket=name)
    wait_until("its end has arrived", lambda: ask("policy").status == 403)
