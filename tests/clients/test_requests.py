"""Requests that other servers were reported to answer wrongly: each answer is AWS's, with its source beside it."""

import base64
import hashlib
import pathlib
import sys
import urllib.parse

import botocore.session
import pytest
import wire
from botocore.exceptions import ClientError
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, s3_client, wait_until
from people import PASSWORD, Local, Person, arn, code, new_account, policy, statement, unique

sys.path.append(str(pathlib.Path(__file__).parents[1] / "security"))
from builders import Target, presigned, signed  # noqa: E402


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("asked"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def root(asked):
    return s3_client(asked.s3)


@pytest.fixture
def data(root):
    name = unique("data")
    root.create_bucket(Bucket=name)
    return name


def target(node, bucket="data"):
    address = urllib.parse.urlsplit(node.s3)
    return Target(address.hostname, address.port, ACCESS_KEY, SECRET_KEY, REGION, bucket)


def send(node, builder, **request):
    at = target(node)
    bytes_, method = builder(at, **request)
    return wire.send(at.host, at.port, bytes_, method)


def raw(node, method, path, headers=(), body=b""):
    at = target(node)
    pairs = [("Host", at.authority), *headers, ("Connection", "close")]
    return wire.send(at.host, at.port, wire.http_bytes(method, path, pairs, body), method)


def told(call, **arguments):
    """The whole error of a call that fails."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return {**answer["Error"], "Status": answer["ResponseMetadata"]["HTTPStatusCode"]}


def test_f01_headers_in_a_presigned_query_count_as_headers(asked, root, data):
    """floci#3608 and aws-sdk-js-v3#4694, measured on AWS."""
    query = (
        "x-amz-tagging=a=b&x-amz-meta-color=blue&X-Amz-Storage-Class=REDUCED_REDUNDANCY&x-id=PutObject"
        "&x-amz-checksum-crc32=AAAAAA==&x-amz-sdk-checksum-algorithm=CRC32"
    )
    made = send(asked, presigned, method="PUT", path=f"/{data}/k", body="some bytes", query=query)
    assert made.status == 200, made
    assert root.get_object_tagging(Bucket=data, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
    got = root.get_object(Bucket=data, Key="k")
    assert (got["Body"].read(), got["Metadata"], got["StorageClass"]) == (b"some bytes", {"color": "blue"}, "REDUCED_REDUNDANCY")
    begun = send(asked, presigned, method="POST", path=f"/{data}/up", query="uploads=&x-amz-meta-color=red")
    assert begun.status == 200, begun
    read = send(asked, presigned, path=f"/{data}/k", query="x-amz-checksum-mode=ENABLED")
    assert "x-amz-checksum-crc64nvme" in read.headers


def test_f01_a_presigned_copy_copies(asked, root, data):
    root.put_object(Bucket=data, Key="src", Body=b"precious", Metadata={"m": "1"})
    root.put_object(Bucket=data, Key="dst", Body=b"old")
    for source in (f"/{data}/src", f"{data}/src"):
        query = f"x-amz-copy-source={source}&x-amz-metadata-directive=REPLACE&x-amz-meta-n=2"
        copied = send(asked, presigned, method="PUT", path=f"/{data}/dst", query=query)
        assert copied.status == 200 and b"<CopyObjectResult" in copied.body, copied
        got = root.get_object(Bucket=data, Key="dst")
        assert (got["Body"].read(), got["Metadata"]) == (b"precious", {"n": "2"})
    upload = root.create_multipart_upload(Bucket=data, Key="parts")["UploadId"]
    query = f"partNumber=1&uploadId={upload}&x-amz-copy-source=/{data}/src&x-amz-copy-source-range=bytes=0-2"
    part = send(asked, presigned, method="PUT", path=f"/{data}/parts", query=query)
    assert part.status == 200 and b"<CopyPartResult" in part.body, part
    assert root.list_parts(Bucket=data, Key="parts", UploadId=upload)["Parts"][0]["Size"] == 3


def test_f01_permissions_are_asked_for_headers_in_the_query(asked, root, data):
    person = Person(asked, policy(statement("Allow", ["s3:PutObject", "s3:GetObject"], arn(data, "*"))))
    root.put_object(Bucket=data, Key="src", Body=b"x")
    mine = {"access_key": person.access_key, "secret": person.secret_key}
    plain = send(asked, presigned, method="PUT", path=f"/{data}/k", body="x", **mine)
    assert plain.status == 200, plain
    for query in ("x-amz-tagging=a=b", "x-amz-acl=public-read", "x-amz-object-lock-legal-hold=ON"):
        refused = send(asked, presigned, method="PUT", path=f"/{data}/k", body="x", query=query, **mine)
        assert (refused.status, refused.code) == (403, "AccessDenied"), query
    deny = statement("Deny", "s3:PutObject", arn(data, "*"), Principal="*", Condition={
        "StringEquals": {"s3:x-amz-copy-source": f"{data}/src"}})
    unsigned = statement("Deny", "s3:PutObject", arn(data, "unsigned"), Principal="*", Condition={
        "StringEquals": {"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}})
    root.put_bucket_policy(Bucket=data, Policy=policy(deny, unsigned))
    copied = send(asked, presigned, method="PUT", path=f"/{data}/dst", query=f"x-amz-copy-source=/{data}/src", **mine)
    assert (copied.status, copied.code) == (403, "AccessDenied")
    refused = send(asked, presigned, method="PUT", path=f"/{data}/unsigned", body="x", **mine)
    assert (refused.status, refused.code) == (403, "AccessDenied"), "a URL says that its body is not signed"


def test_f02_every_subresource_of_the_api_is_known(asked, root, data):
    """What a client library of today can ask for is answered or refused, and never taken for the object or the bucket itself."""
    root.put_object(Bucket=data, Key="kept", Body=b"kept")
    model = botocore.session.get_session().get_service_model("s3")
    tried = set()
    for name in model.operation_names:
        method, uri = (model.operation_model(name).http[part] for part in ("method", "requestUri"))
        path, _, query = uri.partition("?")
        if not query or method not in ("PUT", "DELETE", "POST") or query == "uploads":
            continue
        # Those that are about the object's own bytes, or take the bucket away, are what must not happen.
        key = "/kept" if "{Key+}" in path else ""
        answer = send(asked, signed, method=method, path=f"/{data}{key}", query=query, body="<x/>" if method != "DELETE" else "")
        assert answer.status in (200, 204, 400, 404, 405, 411, 501), (name, answer)
        assert root.get_object(Bucket=data, Key="kept")["Body"].read() == b"kept", name
        tried.add(query)
    assert len(tried) > 25 and "annotation" in tried


def test_f02_parameters_that_mean_nothing_are_ignored(asked, root, data):
    """localstack#4133, measured on AWS; s3proxy#189."""
    root.put_object(Bucket=data, Key="app.js", Body=b"js")
    root.put_bucket_policy(Bucket=data, Policy=policy(statement("Allow", "s3:GetObject", arn(data, "*"), Principal="*")))
    for query in ("v=3", "prefix=a", "v=1&v=2", "max-keys=x", "%C3%A9=1", "list-type=3"):
        got = raw(asked, "GET", f"/{data}/app.js?{query}")
        assert (got.status, got.body) == (200, b"js"), query
    assert send(asked, signed, path=f"/{data}/app.js", query="cache=1").status == 200
    tampered = send(asked, signed, path=f"/{data}/app.js", query="cache=1", sent_query="cache=2")
    assert (tampered.status, tampered.code) == (403, "SignatureDoesNotMatch")


def test_f03_a_bucket_made_with_private_has_acls_that_count(asked, root):
    """versitygw#1869, measured on AWS: else every write of rclone, which says `private` again, would be refused."""
    ownership = lambda name: root.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
    private, enforced = unique("rclone"), unique("rclone")
    root.create_bucket(Bucket=private, ACL="private")
    assert ownership(private) == "BucketOwnerPreferred"
    root.put_object(Bucket=private, Key="k", Body=b"x", ACL="private")
    root.put_object(Bucket=private, Key="open", Body=b"x", ACL="public-read")
    root.create_bucket(Bucket=enforced, ACL="private", ObjectOwnership="BucketOwnerEnforced")
    assert ownership(enforced) == "BucketOwnerEnforced"
    root.create_bucket(Bucket=private, ACL="private")
    assert code(root.create_bucket, Bucket=unique("open"), ACL="public-read") == "InvalidBucketAclWithObjectOwnership"


def test_f04_a_failed_conditional_write_names_its_condition(root, data):
    etag = root.put_object(Bucket=data, Key="k", Body=b"x")["ETag"]
    upload = root.create_multipart_upload(Bucket=data, Key="k")["UploadId"]
    part = root.upload_part(Bucket=data, Key="k", UploadId=upload, PartNumber=1, Body=b"y")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    wrong = '"' + "0" * 32 + '"'
    copy = {"Bucket": data, "Key": "k", "CopySource": {"Bucket": data, "Key": "k"}, "MetadataDirective": "REPLACE"}
    complete = {"Bucket": data, "Key": "k", "UploadId": upload, "MultipartUpload": parts}
    for call, arguments, condition in [
        (root.put_object, {"Bucket": data, "Key": "k", "Body": b"z", "IfNoneMatch": "*"}, "If-None-Match"),
        (root.put_object, {"Bucket": data, "Key": "k", "Body": b"z", "IfMatch": wrong}, "If-Match"),
        (root.copy_object, {**copy, "IfNoneMatch": "*"}, "If-None-Match"),
        (root.copy_object, {**copy, "IfMatch": wrong}, "If-Match"),
        (root.complete_multipart_upload, {**complete, "IfNoneMatch": "*"}, "If-None-Match"),
        (root.complete_multipart_upload, {**complete, "IfMatch": wrong}, "If-Match"),
        (root.delete_object, {"Bucket": data, "Key": "k", "IfMatch": wrong}, "If-Match"),
        (root.get_object, {"Bucket": data, "Key": "k", "IfMatch": wrong}, "If-Match"),
    ]:
        error = told(call, **arguments)
        assert (error["Code"], error["Status"], error["Condition"]) == ("PreconditionFailed", 412, condition), arguments
    assert root.head_object(Bucket=data, Key="k")["ETag"] == etag


def test_f06_the_last_bytes_of_an_empty_object(asked, root, data):
    """Measured on AWS."""
    root.put_object(Bucket=data, Key="empty", Body=b"")
    for method in ("GET", "HEAD"):
        answer = send(asked, signed, method=method, path=f"/{data}/empty", headers=[["Range", "bytes=-5"]])
        assert (answer.status, answer.headers["content-length"]) == (200, "0") and "content-range" not in answer.headers
    assert code(root.get_object, Bucket=data, Key="empty", Range="bytes=0-") == "InvalidRange"


def test_f07_a_range_beyond_a_copied_part(root, data):
    """versitygw#610, measured on AWS."""
    root.put_object(Bucket=data, Key="src", Body=b"x" * 12)
    upload = root.create_multipart_upload(Bucket=data, Key="k")["UploadId"]
    named = {"Bucket": data, "Key": "k", "UploadId": upload, "PartNumber": 1, "CopySource": {"Bucket": data, "Key": "src"}}
    error = told(root.upload_part_copy, **named, CopySourceRange="bytes=0-999")
    assert (error["Status"], error["Code"]) == (400, "InvalidArgument")
    assert error["Message"] == "Range specified is not valid for source object of size: 12"


def test_f08_a_tagging_header_that_is_no_query_string(root, data):
    """versitygw#1215, measured on AWS."""
    root.put_object(Bucket=data, Key="src", Body=b"x")
    for tagging in ("=", "=v", "a=1&a=2", "a=%zz"):
        for call, more in [
            (root.put_object, {}), (root.create_multipart_upload, {}),
            (root.copy_object, {"CopySource": {"Bucket": data, "Key": "src"}, "TaggingDirective": "REPLACE"}),
        ]:
            error = told(call, Bucket=data, Key="k", Tagging=tagging, **more)
            assert (error["Status"], error["Code"]) == (400, "InvalidArgument"), (tagging, call)
    document = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert code(root.put_object_tagging, Bucket=data, Key="src", Tagging=document) == "InvalidTag"


def test_f09_a_version_that_cannot_be_in_a_list_of_deletes(root, data):
    """versitygw#2119, measured on AWS."""
    root.put_object(Bucket=data, Key="k", Body=b"x")
    objects = [{"Key": "k", "VersionId": "abc"}, {"Key": "other"}]
    answer = root.delete_objects(Bucket=data, Delete={"Objects": objects})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["other"]
    (error,) = answer["Errors"]
    assert (error["Key"], error["VersionId"], error["Code"]) == ("k", "abc", "NoSuchVersion")
    root.head_object(Bucket=data, Key="k")
    assert code(root.delete_object, Bucket=data, Key="k", VersionId="abc") == "InvalidArgument"


def test_f10_a_bucket_of_ones_own_again(asked, root, data, tmp_path):
    """The API reference of CreateBucket: 200 in us-east-1, 409 elsewhere."""
    root.put_object(Bucket=data, Key="k", Body=b"x")
    assert root.create_bucket(Bucket=data)["Location"] == f"/{data}"
    root.head_object(Bucket=data, Key="k")
    stranger = Local(asked, new_account(asked))
    assert code(stranger.s3.create_bucket, Bucket=data) == "BucketAlreadyExists"
    node = Node(tmp_path, environment={"TANDEM_REGION": "eu-central-1"})
    s3 = s3_client(node.s3, region="eu-central-1")
    make = {"Bucket": "mine", "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    s3.create_bucket(**make)
    assert code(s3.create_bucket, **make) == "BucketAlreadyOwnedByYou"
    assert node.stop() == 0


def test_f11_nobody_is_told_that_a_bucket_is_not_there(asked, data):
    """minio#11293, measured on AWS."""
    for method, path in [("GET", "/no-such-bucket/k"), ("GET", "/no-such-bucket"), ("DELETE", "/no-such-bucket/k"), ("HEAD", "/no-such-bucket")]:
        answer = raw(asked, method, path)
        assert answer.status == 404 and (method == "HEAD" or answer.code == "NoSuchBucket"), answer
    assert raw(asked, "GET", f"/{data}/k").status == 403


def test_f12_a_preflight_without_origin(asked, data):
    answer = raw(asked, "OPTIONS", f"/{data}/k")
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert b"Insufficient information. Origin request header needed." in answer.body
    origin = ("Origin", "https://example.org")
    assert raw(asked, "OPTIONS", f"/{data}/k", [origin]).status == 400
    answer = raw(asked, "OPTIONS", f"/{data}/k", [origin, ("Access-Control-Request-Method", "GET")])
    assert (answer.status, answer.code) == (403, "AccessForbidden")


def test_f14_whether_a_key_is_absent_is_told_as_far_as_one_may_list(asked, root, data):
    """ceph#68577: to whom a policy lets list a prefix, a key is its own prefix."""
    listing = statement("Allow", "s3:ListBucket", arn(data), Condition={"StringLike": {"s3:prefix": "public/*"}})
    person = Person(asked, policy(listing, statement("Allow", ["s3:GetObject", "s3:PutObject"], arn(data, "*"))))
    root.put_object(Bucket=data, Key="public/there", Body=b"x")
    status = lambda key, **more: told(person.s3.head_object, Bucket=data, Key=key, **more)["Status"]
    assert status("public/absent") == 404
    assert status("private/absent") == 403
    for key, expected in [("public/absent", "NoSuchKey"), ("private/absent", "AccessDenied")]:
        copy = {"Bucket": data, "Key": "k", "CopySource": {"Bucket": data, "Key": key}}
        assert code(person.s3.get_object, Bucket=data, Key=key) == expected
        assert code(person.s3.put_object, Bucket=data, Key=key, Body=b"", IfMatch="*") == expected
        assert code(person.s3.copy_object, **copy) in (expected, "AccessDenied")
    # A parameter that means nothing to a read has no say.
    mine = {"access_key": person.access_key, "secret": person.secret_key}
    assert send(asked, signed, path=f"/{data}/private/absent", query="prefix=public/", **mine).status == 403


def test_f14_where_acls_count_the_key_is_the_prefix_too(asked, root):
    name = unique("writers")
    root.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    allow = statement("Allow", "s3:ListBucket", arn(name), Principal="*", Condition={"StringLike": {"s3:prefix": "public/*"}})
    root.put_bucket_policy(Bucket=name, Policy=policy(allow))
    anonymous = lambda key: raw(asked, "GET", f"/{name}/{key}").status
    assert (anonymous("public/absent"), anonymous("private/absent")) == (404, 403)


def test_f15_a_body_without_a_length(asked, data):
    """eclipse-edc#1643, irods#2301."""
    chunked = send(
        asked, signed, method="PUT", path=f"/{data}/k", length=None, payload_hash="UNSIGNED-PAYLOAD",
        add_headers=[["Transfer-Encoding", "chunked"]])
    assert (chunked.status, chunked.code) == (501, "NotImplemented")
    assert b"<Header>Transfer-Encoding</Header>" in chunked.body
    neither = send(asked, signed, method="PUT", path=f"/{data}/k", length=None, payload_hash="UNSIGNED-PAYLOAD")
    assert (neither.status, neither.code) == (411, "MissingContentLength")


def test_f16_a_condition_on_a_version_to_delete_is_judged(root, data):
    """AWS answers 501 (localstack#13894); here the condition is judged, and never skipped."""
    root.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    made = root.put_object(Bucket=data, Key="k", Body=b"x")
    named = {"Bucket": data, "Key": "k", "VersionId": made["VersionId"]}
    assert told(root.delete_object, **named, IfMatch='"' + "0" * 32 + '"')["Status"] == 412
    root.head_object(**named)
    root.delete_object(**named, IfMatch=made["ETag"])
    assert code(root.get_object, **named) == "NoSuchVersion"


def test_f17_content_encodings_come_back_as_sent(asked, root, data):
    for sent, kept in [("gzip,br", "gzip,br"), ("gzip, br", "gzip, br"), ("aws-chunked,gzip,br", "gzip,br"), ("AWS-Chunked", None)]:
        answer = send(asked, signed, method="PUT", path=f"/{data}/k", body="x", headers=[["Content-Encoding", sent]])
        assert answer.status == 200, answer
        assert root.head_object(Bucket=data, Key="k").get("ContentEncoding") == kept, sent


def test_f27_private_is_what_holds_where_acls_do_not_count(asked, root, data):
    """distribution#3862, rain#388, amazon.aws#863: what clients send by default with each write of their own account's."""
    root.put_object(Bucket=data, Key="k", Body=b"x", ACL="private")
    root.copy_object(Bucket=data, Key="copy", CopySource={"Bucket": data, "Key": "k"}, ACL="private")
    root.create_multipart_upload(Bucket=data, Key="up", ACL="private")
    assert code(root.put_object, Bucket=data, Key="k", Body=b"x", ACL="public-read") == "AccessControlListNotSupported"
    root.put_bucket_policy(Bucket=data, Policy=policy(statement("Allow", "s3:*", [arn(data), arn(data, "*")], Principal="*")))
    other = Local(asked, new_account(asked))
    assert code(other.s3.put_object, Bucket=data, Key="k", Body=b"x", ACL="private") in (
        "AccessControlListNotSupported", "AccessDenied")
    # Nothing is set where nothing can be set.
    held = root.get_bucket_acl(Bucket=data)
    whole = {"Owner": held["Owner"], "Grants": held["Grants"]}
    for given in ({"ACL": "private"}, {"ACL": "bucket-owner-full-control"}, {"AccessControlPolicy": whole}):
        assert code(root.put_object_acl, Bucket=data, Key="k", **given) == "AccessControlListNotSupported", given
        assert code(root.put_bucket_acl, Bucket=data, **given) == "AccessControlListNotSupported", given


NOT_FOUND = {
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError", "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration", "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
}
EMPTY = {
    "get_bucket_logging": {}, "get_bucket_notification_configuration": {}, "get_bucket_accelerate_configuration": {},
    "get_bucket_request_payment": {"Payer": "BucketOwner"}, "get_bucket_abac": {"AbacStatus": {"Status": "Disabled"}},
    "list_bucket_analytics_configurations": {"IsTruncated": False}, "list_bucket_inventory_configurations": {"IsTruncated": False},
    "list_bucket_intelligent_tiering_configurations": {"IsTruncated": False},
    "list_bucket_metrics_configurations": {"IsTruncated": False},
}
DELETED = ["cors", "encryption", "lifecycle", "replication", "website"]


def test_f28_configurations_that_were_never_set(root, data):
    for name, expected in NOT_FOUND.items():
        error = told(getattr(root, name), Bucket=data)
        assert (error["Status"], error["Code"], error["BucketName"]) == (404, expected, data), name
    for name, expected in EMPTY.items():
        answer = getattr(root, name)(Bucket=data)
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        assert answer == expected, name
    for name in DELETED:
        answer = getattr(root, f"delete_bucket_{name}")(Bucket=data)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204, name
    for name in ("analytics", "intelligent_tiering", "inventory", "metrics"):
        for verb in ("get", "delete"):
            assert code(getattr(root, f"{verb}_bucket_{name}_configuration"), Bucket=data, Id="x") == "NoSuchConfiguration"
    root.put_object(Bucket=data, Key="k", Body=b"x")
    for call in (root.get_object_retention, root.get_object_legal_hold):
        assert code(call, Bucket=data, Key="k") == "InvalidRequest"
        assert code(call, Bucket=data, Key="absent") == "NoSuchKey"
    assert told(root.get_bucket_cors, Bucket="no-such-bucket-here")["Code"] == "NoSuchBucket"
    assert told(root.get_bucket_cors, Bucket=data, ExpectedBucketOwner="123456789012")["Code"] == "AccessDenied"


def test_f28_a_bucket_with_object_lock_says_so(root):
    name = unique("locked")
    root.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    lock = root.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    assert lock == {"ObjectLockEnabled": "Enabled"}
    root.put_object(Bucket=name, Key="k", Body=b"x")
    for call in (root.get_object_retention, root.get_object_legal_hold):
        assert code(call, Bucket=name, Key="k") == "NoSuchObjectLockConfiguration"


def test_f29_a_storage_class_is_kept_and_shown_everywhere(root, data):
    reduced = "REDUCED_REDUNDANCY"
    root.put_object(Bucket=data, Key="k", Body=b"x", StorageClass=reduced)
    assert root.head_object(Bucket=data, Key="k")["StorageClass"] == reduced
    assert root.get_object(Bucket=data, Key="k")["StorageClass"] == reduced
    for listing in (root.list_objects_v2, root.list_objects):
        assert [entry["StorageClass"] for entry in listing(Bucket=data)["Contents"]] == [reduced]
    assert root.list_object_versions(Bucket=data)["Versions"][0]["StorageClass"] == reduced
    told_of = root.get_object_attributes(Bucket=data, Key="k", ObjectAttributes=["StorageClass"])
    assert told_of["StorageClass"] == reduced
    root.put_object_tagging(Bucket=data, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert root.head_object(Bucket=data, Key="k")["StorageClass"] == reduced, "and with other tags"
    upload = root.create_multipart_upload(Bucket=data, Key="up", StorageClass=reduced)["UploadId"]
    assert root.list_multipart_uploads(Bucket=data)["Uploads"][0]["StorageClass"] == reduced
    assert root.list_parts(Bucket=data, Key="up", UploadId=upload)["StorageClass"] == reduced
    part = root.upload_part(Bucket=data, Key="up", UploadId=upload, PartNumber=1, Body=b"y")
    root.complete_multipart_upload(
        Bucket=data, Key="up", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert root.head_object(Bucket=data, Key="up")["StorageClass"] == reduced
    # A class is of the place: a copy has the one that it is given.
    copy = {"Bucket": data, "CopySource": {"Bucket": data, "Key": "k"}}
    root.copy_object(**copy, Key="plain")
    root.copy_object(**copy, Key="reduced", StorageClass=reduced)
    root.copy_object(**copy, Key="k", StorageClass="STANDARD")
    assert "StorageClass" not in root.head_object(Bucket=data, Key="plain")
    assert root.head_object(Bucket=data, Key="reduced")["StorageClass"] == reduced
    assert "StorageClass" not in root.head_object(Bucket=data, Key="k"), "AWS does not name the usual class"


def test_f29_a_storage_class_travels(testbed):
    a, b = testbed.s3("a"), testbed.s3("b")
    a.create_bucket(Bucket="classes")
    a.put_object(Bucket="classes", Key="k", Body=b"x", StorageClass="REDUCED_REDUNDANCY")
    arrived = lambda: code(b.head_object, Bucket="classes", Key="k") is None
    wait_until("the object has arrived", arrived)
    assert b.head_object(Bucket="classes", Key="k")["StorageClass"] == "REDUCED_REDUNDANCY"


def test_f30_an_upload_is_aborted_twice(root, data):
    upload = root.create_multipart_upload(Bucket=data, Key="k")["UploadId"]
    for _ in range(2):
        answer = root.abort_multipart_upload(Bucket=data, Key="k", UploadId=upload)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert code(root.abort_multipart_upload, Bucket=data, Key="k", UploadId="56788") == "NoSuchUpload"


def test_l9_who_may_delete_something_is_not_held_up(asked, root, data):
    """The early refusal is for those alone whom nothing can allow anything."""
    for key in ("mine", "other"):
        root.put_object(Bucket=data, Key=key, Body=b"x")
    person = Person(asked, policy(statement("Allow", "s3:DeleteObject", arn(data, "mine"))))
    answer = person.s3.delete_objects(Bucket=data, Delete={"Objects": [{"Key": "mine"}, {"Key": "other"}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["mine"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("other", "AccessDenied")]
    nobody = Person(asked, policy(statement("Allow", "s3:GetObject", arn(data, "*"))))
    assert code(nobody.s3.delete_objects, Bucket=data, Delete={"Objects": [{"Key": "other"}]}) == "AccessDenied"
    root.put_bucket_policy(Bucket=data, Policy=policy(statement("Allow", "s3:DeleteObject", arn(data, "other"), Principal="*")))
    document = b"<Delete><Object><Key>other</Key></Object></Delete>"
    digest = base64.b64encode(hashlib.md5(document).digest()).decode()
    headers = [("Content-MD5", digest), ("Content-Length", str(len(document)))]
    answer = raw(asked, "POST", f"/{data}?delete", headers, document)
    assert answer.status == 200 and b"<Deleted><Key>other</Key>" in answer.body, answer
