"""Section E of the security table: what each row promises, by users made for it. Names begin with the row's."""

import base64
import hashlib
import json
import pathlib
import socket
import sys
import time
import urllib.parse

import pytest
import urllib3

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import wire  # noqa: E402
from builders import Target, signed  # noqa: E402
from conftest import REGION, Node, s3_client  # noqa: E402
from people import PASSWORD, Local, Person, arn, code, new_account, policy, statement, unique  # noqa: E402

HTTP = urllib3.PoolManager()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("policies"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def root(node):
    return s3_client(node.s3)


@pytest.fixture(scope="module")
def person(node):
    return Person(node)


@pytest.fixture
def data(root):
    name = unique("section-e")
    root.create_bucket(Bucket=name)
    root.put_object(Bucket=name, Key="public/k", Body=b"x")
    root.put_object(Bucket=name, Key="secret/k", Body=b"x")
    return name


def parts(person, data, source):
    upload = person.s3.create_multipart_upload(Bucket=data, Key="target")["UploadId"]
    return code(
        person.s3.upload_part_copy, Bucket=data, Key="target", UploadId=upload, PartNumber=1,
        CopySource={"Bucket": data, "Key": source})


def copy(person, data, source, **more):
    return code(person.s3.copy_object, Bucket=data, Key="target", CopySource={"Bucket": data, "Key": source, **more})


def test_e1_e2_a_copy_reads_its_source_and_writes_its_target(root, person, data):
    person.hold(policy(statement("Allow", "s3:PutObject", arn(data, "*"))))
    assert copy(person, data, "public/k") == "AccessDenied"
    assert parts(person, data, "public/k") == "AccessDenied"
    person.hold(policy(statement("Allow", ["s3:PutObject", "s3:GetObject"], arn(data, "*"))))
    assert copy(person, data, "public/k") is None
    assert parts(person, data, "public/k") is None
    person.hold(policy(statement("Allow", "s3:GetObject", arn(data, "*"))))
    assert copy(person, data, "public/k") == "AccessDenied"


def test_e3_a_version_is_read_by_its_own_permission(root, person, data):
    root.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    version = root.put_object(Bucket=data, Key="public/k", Body=b"y")["VersionId"]
    person.hold(policy(statement("Allow", ["s3:PutObject", "s3:GetObject"], arn(data, "*"))))
    assert copy(person, data, "public/k", VersionId=version) == "AccessDenied"
    person.hold(policy(statement("Allow", ["s3:PutObject", "s3:GetObjectVersion"], arn(data, "*"))))
    assert copy(person, data, "public/k", VersionId=version) is None


def test_e4_a_policy_on_the_source_holds_for_copies_of_both_kinds(root, person, data):
    person.hold(policy(
        statement("Allow", "s3:*"),
        statement("Deny", "s3:PutObject", arn(data, "*"),
                  Condition={"StringNotLike": {"s3:x-amz-copy-source": f"{data}/public/*"},
                             "Null": {"s3:x-amz-copy-source": "false"}}),
    ))
    assert copy(person, data, "public/k") is None and parts(person, data, "public/k") is None
    assert copy(person, data, "secret/k") == "AccessDenied" and parts(person, data, "secret/k") == "AccessDenied"
    assert code(
        person.s3.copy_object, Bucket=data, Key="t", CopySource=f"/{data}/%73ecret/k") == "AccessDenied", "however written"


def test_e6_settings_are_the_owners(root, person, data):
    person.hold(policy(statement("Allow", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])))
    text = policy(statement("Allow", "s3:*", arn(data), Principal="*"))
    owner = root.list_buckets()["Owner"]
    asked = [
        (person.s3.put_bucket_policy, {"Policy": text}), (person.s3.delete_bucket_policy, {}),
        (person.s3.put_bucket_acl, {"ACL": "private"}),
        (person.s3.put_public_access_block, {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}),
        (person.s3.delete_public_access_block, {}),
        (person.s3.put_bucket_ownership_controls, {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
        (person.s3.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Enabled"}}),
        (person.s3.put_bucket_cors, {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
    ]
    for call, arguments in asked:
        assert code(call, Bucket=data, **arguments) == "AccessDenied", call
    assert owner["ID"]


def test_e7_e8_what_a_write_carries_needs_its_own_permission(root, person, data):
    person.hold(policy(statement("Allow", "s3:PutObject")))
    more = {"ACL": "public-read"}, {"Tagging": "a=b"}
    assert code(person.s3.put_object, Bucket=data, Key="w", ACL="bucket-owner-full-control") is None, "this gives nothing more"
    for extra in more:
        assert code(person.s3.put_object, Bucket=data, Key="w", **extra) == "AccessDenied"
        assert code(person.s3.create_multipart_upload, Bucket=data, Key="w", **extra) == "AccessDenied"
    assert code(person.s3.put_object, Bucket=data, Key="w") is None
    person.hold(policy(statement("Allow", ["s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"])))
    assert code(person.s3.put_object, Bucket=data, Key="w", Tagging="a=b") is None
    assert code(person.s3.put_object, Bucket=data, Key="w", ACL="public-read") == "AccessControlListNotSupported"
    lock = {"ObjectLockLegalHoldStatus": "ON", "ChecksumAlgorithm": "CRC32"}
    assert code(person.s3.put_object, Bucket=data, Key="w", **lock) == "AccessDenied"


def test_e9_an_explicit_deny_beats_every_allow(node, root, person, data):
    allow, deny = statement("Allow", "s3:*"), statement("Deny", "s3:GetObject")
    person.hold(policy(allow, deny))
    assert code(person.s3.get_object, Bucket=data, Key="public/k") == "AccessDenied"
    person.hold(policy(allow))
    assert code(person.s3.get_object, Bucket=data, Key="public/k") is None
    root.put_bucket_policy(Bucket=data, Policy=policy(
        statement("Allow", "s3:*", arn(data, "*"), Principal="*"),
        statement("Deny", "s3:GetObject", arn(data, "public/*"), Principal={"AWS": person.arn})))
    assert code(person.s3.get_object, Bucket=data, Key="public/k") == "AccessDenied"
    assert code(person.s3.get_object, Bucket=data, Key="secret/k") is None


def test_e10_e11_e12_what_is_no_policy_is_refused_with_its_fault(root, data):
    def put(text):
        return code(root.put_bucket_policy, Bucket=data, Policy=text)

    good = statement("Allow", "s3:GetObject", arn(data, "*"), Principal="*")
    padded = policy(good)
    assert put(padded + " " * (20_480 - len(padded))) is None
    assert put(padded + " " * (20_481 - len(padded))) == "MalformedPolicy"
    bad = [
        "", "{", "[]", "{}", policy(), policy({**good, "Effect": "Perhaps"}), policy({**good, "Action": "s3:Nothing"}),
        policy({**good, "Condition": {"StringSortOf": {"aws:username": "x"}}}), policy({**good, "Resource": arn("another", "*")}),
        policy({**good, "Unknown": 1}), padded.replace("2012-10-17", "2013-01-01"),
        padded.replace('"Effect": "Allow"', '"Effect": "Allow", "Effect": "Deny"'),
        policy({**{name: value for name, value in good.items() if name != "Principal"}, "NotPrincipal": {"AWS": "*"}}),
    ]
    for text in bad:
        assert put(text) in ("MalformedPolicy", "MissingRequestBodyError", "InvalidRequest"), text
    assert root.get_bucket_policy(Bucket=data)["Policy"].strip() == padded


def ask(node, person, **request):
    address = urllib.parse.urlsplit(node.s3)
    target = Target(address.hostname, address.port, person.access_key, person.secret_key, REGION, "unused")
    data, method = signed(target, **request)
    return wire.send(target.host, target.port, data, method)


def test_e14_e15_what_a_client_says_of_itself_is_not_believed(node, root, person, data):
    only = {"IpAddress": {"aws:SourceIp": "203.0.113.7"}}
    person.hold(policy(statement("Allow", "s3:*", "*", Condition=only)))
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"):
        value = "for=203.0.113.7" if name == "Forwarded" else "203.0.113.7"
        assert ask(node, person, path=f"/{data}/public/k", add_headers=[[name, value]]).status == 403, name
    for name, value in [("aws:username", "admin"), ("userid", "admin"), ("s3:prefix", "public/"), ("aws:PrincipalTag/a", "b")]:
        condition = {"StringEquals": {name if ":" in name else f"aws:{name}": value}}
        person.hold(policy(statement("Allow", "s3:*", "*", Condition=condition)))
        header = name.replace(":", "-").replace("/", "-")
        assert ask(node, person, path=f"/{data}/public/k", add_headers=[[header, value], [header.lower(), value]]).status == 403
    # A parameter of lists has no say in a read, which ignores it.
    person.hold(policy(statement("Allow", "s3:*", "*", Condition={"StringEquals": {"s3:prefix": "public/"}})))
    assert ask(node, person, path=f"/{data}/public/k", query="prefix=public/").status == 403
    assert ask(node, person, path=f"/{data}", query="prefix=public/").status == 200


def test_a_condition_sees_what_the_write_takes(node, root, person, data):
    """Values that only the handler could read, or that it does not use, slip past no policy."""
    root.put_bucket_ownership_controls(Bucket=data, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})

    def put(*headers):
        return ask(node, person, method="PUT", path=f"/{data}/w", headers=[list(pair) for pair in headers]).status

    red = {"StringEquals": {"s3:RequestObjectTag/team": "red"}}
    person.hold(policy(statement("Allow", "s3:*"), statement("Deny", "s3:PutObject", Condition=red)))
    assert put(("x-amz-tagging", "team=blue&x=%C3%A9")) == put(("x-amz-tagging", "team=blue&x=\u00e9")) == 200
    assert put(("x-amz-tagging", "team=red&x=%C3%A9")) == put(("x-amz-tagging", "team=red&x=\u00e9")) == 403
    everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    public = {"StringLike": {"s3:x-amz-grant-read": "*AllUsers*"}}
    person.hold(policy(statement("Allow", "s3:*"), statement("Deny", "s3:PutObject", Condition=public)))
    assert put(("x-amz-grant-read", everybody)) == put(("x-amz-grant-read", everybody + "\u00a0")) == 403
    blue = {"StringEquals": {"s3:RequestObjectTag/team": "blue"}}
    person.hold(policy(
        statement("Allow", ["s3:Get*", "s3:PutObjectTagging"]), statement("Allow", "s3:PutObject", Condition=blue)))
    root.put_object(Bucket=data, Key="public/k", Body=b"x", Tagging="team=red")
    assert copy_tagged(person, data, "COPY") == "AccessDenied", "a copy takes its source's tags, whatever it says besides"
    assert copy_tagged(person, data, "REPLACE") is None


def copy_tagged(person, data, directive):
    return code(
        person.s3.copy_object, Bucket=data, Key="target", CopySource={"Bucket": data, "Key": "public/k"}, Tagging="team=blue",
        TaggingDirective=directive)


def test_a_version_is_the_same_however_it_is_written(root, person, data):
    root.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    version = root.put_object(Bucket=data, Key="v", Body=b"y")["VersionId"]
    kept = {"StringEquals": {"s3:VersionId": version}}
    person.hold(policy(statement("Allow", "s3:*"), statement("Deny", "s3:*", Condition=kept)))
    for written in (version, version.upper()):
        assert code(person.s3.get_object, Bucket=data, Key="v", VersionId=written) == "AccessDenied"
        assert code(person.s3.delete_object, Bucket=data, Key="v", VersionId=written) == "AccessDenied"
        answer = person.s3.delete_objects(Bucket=data, Delete={"Objects": [{"Key": "v", "VersionId": written}]})
        assert [entry["Code"] for entry in answer["Errors"]] == ["AccessDenied"]


def test_an_acl_is_not_put_on_what_came_meanwhile(node, root, person, data):
    """Who may change the ACL of one object may not, by a slow body, change that of the one which replaced it."""
    root.put_bucket_ownership_controls(Bucket=data, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    person.hold(policy(statement(
        "Allow", "s3:PutObjectAcl", arn(data, "*"), Condition={"StringEquals": {"s3:ExistingObjectTag/team": "red"}})))
    everybody = "<Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>"
    body = (f"<AccessControlPolicy><AccessControlList><Grant>{everybody}<Permission>READ</Permission></Grant>"
            "</AccessControlList></AccessControlPolicy>")
    checksum = base64.b64encode(hashlib.md5(body.encode()).digest()).decode()
    address = urllib.parse.urlsplit(node.s3)
    target = Target(address.hostname, address.port, person.access_key, person.secret_key, REGION, "unused")
    for came, status in (("red", 200), ("blue", 403)):
        root.put_object(Bucket=data, Key="k", Body=b"x", Tagging="team=red")
        head, method = signed(
            target, method="PUT", path=f"/{data}/k", query="acl=", headers=[["Content-MD5", checksum]], body=body, expect_100=True)
        with socket.create_connection((target.host, target.port), timeout=20) as connection, connection.makefile("rb") as stream:
            connection.sendall(head)
            # The body is asked for when the request has been allowed.
            assert stream.readline().startswith(b"HTTP/1.1 100") and stream.readline() == b"\r\n"
            root.put_object(Bucket=data, Key="k", Body=b"y", Tagging=f"team={came}")
            connection.sendall(body.encode())
            assert wire.read_answer(stream, method).status == status, came
        public = HTTP.request("GET", f"{node.s3}/{data}/k").status
        assert public == (200 if came == "red" else 403)


def test_an_etag_is_compared_for_who_may_read(root, person, data):
    """By a condition one learns what an object is: of a list of deletes and of a copy too."""
    tag = root.head_object(Bucket=data, Key="secret/k")["ETag"]
    acts = ["s3:PutObject", "s3:DeleteObject"]
    one = {"Objects": [{"Key": "secret/k", "ETag": tag}]}
    source = {"Bucket": data, "Key": "public/k"}
    person.hold(policy(statement("Allow", acts), statement("Allow", "s3:GetObject", arn(data, "public/*"))))
    assert [entry["Code"] for entry in person.s3.delete_objects(Bucket=data, Delete=one)["Errors"]] == ["AccessDenied"]
    assert code(person.s3.copy_object, Bucket=data, Key="secret/k", CopySource=source, IfMatch=tag) == "AccessDenied"
    person.hold(policy(statement("Allow", [*acts, "s3:GetObject"])))
    assert code(person.s3.copy_object, Bucket=data, Key="secret/k", CopySource=source, IfMatch=tag) is None
    assert "Errors" not in person.s3.delete_objects(Bucket=data, Delete=one)


def test_e16_a_users_name_is_no_pattern(node, root, data):
    own = policy(statement("Allow", "s3:GetObject", f"arn:aws:s3:::{data}/${{aws:username}}/*"))
    star = Person(node, own, name="public")
    assert code(star.s3.get_object, Bucket=data, Key="public/k") is None
    assert code(star.s3.get_object, Bucket=data, Key="secret/k") == "AccessDenied"


def test_e17_wildcards_do_not_backtrack(root, person, data):
    pattern = arn(data, "a*" * 500 + "b")
    root.put_bucket_policy(Bucket=data, Policy=policy(statement("Allow", "s3:GetObject", pattern, Principal="*")))
    person.hold(policy(statement("Allow", "s3:ListBucket")))
    began = time.monotonic()
    for _ in range(5):
        assert code(person.s3.get_object, Bucket=data, Key="a" * 1000) == "AccessDenied"
    assert time.monotonic() - began < 5


def test_e18_a_missing_key_is_told_only_to_who_may_list(root, person, data):
    acts = ["s3:GetObject", "s3:PutObject", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:GetObjectAttributes"]
    calls = [
        (person.s3.get_object, {}), (person.s3.head_object, {}), (person.s3.get_object_tagging, {}),
        (person.s3.get_object_attributes, {"ObjectAttributes": ["ETag"]}), (person.s3.get_object, {"IfNoneMatch": "x"}),
        (person.s3.get_object, {"Range": "bytes=0-1"}),
        (person.s3.put_object_tagging, {"Tagging": {"TagSet": []}}),
    ]
    for lists, answer in ([], {"AccessDenied", "403"}), (["s3:ListBucket"], {"NoSuchKey", "404"}):
        person.hold(policy(statement("Allow", acts + lists)))
        for call, arguments in calls:
            assert code(call, Bucket=data, Key="absent", **arguments) in answer, call
        assert copy(person, data, "absent") in answer
    bucket = unique("absent")
    assert code(person.s3.get_object, Bucket=bucket, Key="k") == "NoSuchBucket"
    assert HTTP.request("GET", f"{root.meta.endpoint_url}/{bucket}/k").status == 404, "names of buckets are not secret"


def test_e20_each_key_of_a_list_is_decided_alone(root, person, data):
    person.hold(policy(statement("Allow", "s3:DeleteObject", arn(data, "public/*"))))
    objects = [{"Key": "public/k"}, {"Key": "secret/k"}, {"Key": "public/absent"}]
    for quiet in (False, True):
        answer = person.s3.delete_objects(Bucket=data, Delete={"Objects": objects, "Quiet": quiet})
        assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("secret/k", "AccessDenied")]
        assert len(answer.get("Deleted", [])) == (0 if quiet else 2)
    assert [entry["Key"] for entry in root.list_objects_v2(Bucket=data)["Contents"]] == ["secret/k"]


def test_e23_e24_names_tell_nothing_and_are_not_taken_over(node, root, data):
    tenant = new_account(node)
    other = Local(node, tenant)
    assert other.s3.list_buckets()["Buckets"] == []
    assert code(other.s3.head_bucket, Bucket=data) == "403"
    assert code(other.s3.create_bucket, Bucket=data) == "BucketAlreadyExists"
    own = unique("taken")
    root.create_bucket(Bucket=own)
    root.put_bucket_policy(Bucket=own, Policy=policy(
        statement("Allow", "s3:*", [arn(own), arn(own, "*")], Principal="*")))
    upload = root.create_multipart_upload(Bucket=own, Key="k")["UploadId"]
    root.delete_bucket(Bucket=own)
    other.s3.create_bucket(Bucket=own)
    assert code(other.s3.get_bucket_policy, Bucket=own) == "NoSuchBucketPolicy"
    assert code(other.s3.list_parts, Bucket=own, Key="k", UploadId=upload) == "NoSuchUpload"
    assert HTTP.request("GET", f"{node.s3}/{own}").status == 403
    stranger = Person(node, policy(statement("Allow", "s3:*")))
    assert code(stranger.s3.list_objects_v2, Bucket=own) == "AccessDenied", "another account's, whatever its own policies say"
