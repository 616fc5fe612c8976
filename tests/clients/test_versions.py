"""boto3 and aws-cli: versioning, on both engines."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, s3_client

ENGINES = ["redb", "sled"]


@pytest.fixture(scope="module", params=ENGINES)
def node(request, tmp_path_factory):
    node = Node(tmp_path_factory.mktemp(f"versions-{request.param}"), extra=["--engine", request.param])
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def s3(node):
    return s3_client(node.s3)


@pytest.fixture
def versioned(s3, bucket):
    set_versioning(s3, bucket, "Enabled")
    return bucket


def set_versioning(s3, bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


def put(s3, bucket, key, body):
    """The new version's id; a null version is not told."""
    return s3.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId", "null")


def read(s3, bucket, key, **arguments):
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response


def code(response):
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def listing(s3, bucket, page=1000, **arguments):
    """Versions and markers in the order of the document, which boto3 splits: merged again by key and age."""
    versions, prefixes = [], []
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": page}, **arguments)
    for found in pages:
        assert len(found.get("Versions", [])) + len(found.get("DeleteMarkers", [])) + len(found.get("CommonPrefixes", [])) <= page
        versions += [("version", v["Key"], v["VersionId"], v["IsLatest"]) for v in found.get("Versions", [])]
        versions += [("marker", v["Key"], v["VersionId"], v["IsLatest"]) for v in found.get("DeleteMarkers", [])]
        prefixes += [entry["Prefix"] for entry in found.get("CommonPrefixes", [])]
    return sorted(versions, key=lambda row: (row[1].encode(), row[0], row[2])), prefixes


def test_the_state_is_set_and_told(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    set_versioning(s3, bucket, "Enabled")
    set_versioning(s3, bucket, "Suspended")
    for configuration, expected in [
        ({}, ("IllegalVersioningConfigurationException", 400)),
        ({"Status": "Unversioned"}, ("MalformedXML", 400)),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, ("NotImplemented", 501)),
    ]:
        response = refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=configuration)
        assert code(response) == expected
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"


def test_versions_pile_up_and_are_read_by_id(s3, versioned):
    bodies = [os.urandom(size) for size in (0, 10, 70_000, 9 * 2**20)]
    ids = [put(s3, versioned, "k", body) for body in bodies]
    assert len(set(ids)) == 4
    for version, body in zip(ids, bodies):
        got = s3.get_object(Bucket=versioned, Key="k", VersionId=version)
        assert (got["Body"].read(), got["VersionId"]) == (body, version)
        assert s3.head_object(Bucket=versioned, Key="k", VersionId=version)["ContentLength"] == len(body)
    found = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [entry["VersionId"] for entry in found] == ids[::-1]
    assert [entry["IsLatest"] for entry in found] == [True, False, False, False]
    assert [entry["Size"] for entry in found] == [len(body) for body in bodies[::-1]]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[3])
    assert read(s3, versioned, "k") == bodies[2]
    assert code(refused(s3.get_object, Bucket=versioned, Key="k", VersionId=ids[3])) == ("NoSuchVersion", 404)
    assert code(refused(s3.get_object, Bucket=versioned, Key="k", VersionId="nonsense")) == ("InvalidArgument", 400)
    assert code(refused(s3.delete_bucket, Bucket=versioned)) == ("BucketNotEmpty", 409)


def test_delete_markers_hide_and_are_removed(s3, versioned):
    version = put(s3, versioned, "k", b"one")
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] is True
    for call in (s3.get_object, s3.head_object):
        hidden = refused(call, Bucket=versioned, Key="k")
        assert hidden["ResponseMetadata"]["HTTPStatusCode"] == 404
        assert hidden["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
        by_id = refused(call, Bucket=versioned, Key="k", VersionId=marker["VersionId"])["ResponseMetadata"]
        assert by_id["HTTPStatusCode"] == 405
        assert by_id["HTTPHeaders"]["x-amz-delete-marker"] == "true"
        assert by_id["HTTPHeaders"]["last-modified"]
    assert "Contents" not in s3.list_objects_v2(Bucket=versioned)
    assert read(s3, versioned, "k", VersionId=version) == b"one"
    again = s3.delete_object(Bucket=versioned, Key="k")
    assert again["VersionId"] != marker["VersionId"]
    for entry in (marker, again):
        gone = s3.delete_object(Bucket=versioned, Key="k", VersionId=entry["VersionId"])
        assert (gone["DeleteMarker"], gone["VersionId"]) == (True, entry["VersionId"])
    assert read(s3, versioned, "k") == b"one"


def test_suspension_keeps_one_null_version(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    set_versioning(s3, bucket, "Enabled")
    version = put(s3, bucket, "k", b"version")
    assert read(s3, bucket, "k", VersionId="null") == b"before"
    set_versioning(s3, bucket, "Suspended")
    for body in (b"one", b"two"):
        assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=body)
        assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert read(s3, bucket, "k") == read(s3, bucket, "k", VersionId="null") == b"two"
    assert read(s3, bucket, "k", VersionId=version) == b"version"
    assert len(listing(s3, bucket)[0]) == 2
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert listing(s3, bucket)[0] == [("marker", "k", "null", True), ("version", "k", version, False)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert read(s3, bucket, "k") == b"version"


KEYS = ["a/1", "a/2", "a/b/3", "b", "b/", "c d", "caf\u00e9"]


@pytest.mark.parametrize("page", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("prefix,delimiter", [("", ""), ("", "/"), ("a/", "/"), ("a", ""), ("b", "/"), ("none", "/")])
def test_pages_of_versions_add_up(s3, filled, page, prefix, delimiter):
    bucket, model = filled
    versions = [row for row in model if row[1].startswith(prefix)]
    prefixes = []
    if delimiter:
        rolled = [row for row in versions if delimiter in row[1][len(prefix):]]
        versions = [row for row in versions if row not in rolled]
        prefixes = sorted({prefix + row[1][len(prefix):].split(delimiter)[0] + delimiter for row in rolled})
    assert listing(s3, bucket, page, Prefix=prefix, Delimiter=delimiter) == (versions, prefixes)


@pytest.fixture(scope="module")
def filled(s3):
    bucket = "filled-with-versions"
    s3.create_bucket(Bucket=bucket)
    set_versioning(s3, bucket, "Enabled")
    model = []
    for turn in range(4):
        set_versioning(s3, bucket, "Suspended" if turn == 2 else "Enabled")
        for number, key in enumerate(KEYS):
            if (turn + number) % 4 == 1:
                model.append(["marker", key, s3.delete_object(Bucket=bucket, Key=key)["VersionId"], turn == 3])
            else:
                model.append(["version", key, put(s3, bucket, key, b"x"), turn == 3])
    return bucket, sorted(map(tuple, model), key=lambda row: (row[1].encode(), row[0], row[2]))


def test_all_versions_are_deleted_page_by_page(s3, versioned):
    for number in range(40):
        put(s3, versioned, f"k{number % 7}", b"x")
        if number % 5 == 0:
            s3.delete_object(Bucket=versioned, Key=f"k{number % 7}")
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    for number in range(7):
        put(s3, versioned, f"k{number}", b"null")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 3}):
        entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
        objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        deleted = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})
        assert "Errors" not in deleted
        markers = {entry["VersionId"] for entry in page.get("DeleteMarkers", [])}
        assert {entry["VersionId"] for entry in deleted["Deleted"] if entry.get("DeleteMarker")} == markers
    s3.delete_bucket(Bucket=versioned)


def test_many_deletes_make_markers(s3, versioned):
    put(s3, versioned, "k", b"x")
    deleted = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "k"}, {"Key": "never"}]})["Deleted"]
    assert all(entry["DeleteMarker"] and entry["DeleteMarkerVersionId"] for entry in deleted)
    assert len(s3.list_object_versions(Bucket=versioned)["DeleteMarkers"]) == 2


def test_copies_of_versions(s3, versioned):
    old, new = put(s3, versioned, "k", b"old"), put(s3, versioned, "k", b"new")
    source = {"Bucket": versioned, "Key": "k"}
    copied = s3.copy_object(Bucket=versioned, Key="copy", CopySource={**source, "VersionId": old})
    assert copied["CopySourceVersionId"] == old
    assert read(s3, versioned, "copy", VersionId=copied["VersionId"]) == b"old"
    assert s3.copy_object(Bucket=versioned, Key="copy", CopySource=source)["CopySourceVersionId"] == new
    upload = s3.create_multipart_upload(Bucket=versioned, Key="parts")["UploadId"]
    part = s3.upload_part_copy(
        Bucket=versioned, Key="parts", UploadId=upload, PartNumber=1, CopySource={**source, "VersionId": old})
    assert part["CopySourceVersionId"] == old
    made = s3.complete_multipart_upload(
        Bucket=versioned, Key="parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]})
    assert read(s3, versioned, "parts", VersionId=made["VersionId"]) == b"old"
    s3.copy_object(Bucket=versioned, Key="k", CopySource={**source, "VersionId": old})
    assert read(s3, versioned, "k") == b"old"


def test_attributes_are_of_the_version_asked_for(s3, versioned):
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"old!", ChecksumAlgorithm="SHA256")
    put(s3, versioned, "k", b"new")
    names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    told = s3.get_object_attributes(Bucket=versioned, Key="k", VersionId=old["VersionId"], ObjectAttributes=names)
    assert (told["VersionId"], told["ObjectSize"], told["StorageClass"]) == (old["VersionId"], 4, "STANDARD")
    assert told["ETag"] == old["ETag"].strip('"')
    assert told["Checksum"] == {"ChecksumSHA256": old["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert "ObjectParts" not in told
    assert set(s3.get_object_attributes(Bucket=versioned, Key="k", ObjectAttributes=["ObjectSize"])) == {
        "ObjectSize", "LastModified", "VersionId", "ResponseMetadata"}
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    for version, status in [({}, 404), ({"VersionId": marker}, 405)]:
        response = refused(s3.get_object_attributes, Bucket=versioned, Key="k", ObjectAttributes=names, **version)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_parts_are_told_in_pages(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32")["UploadId"]
    parts = []
    for number, body in [(1, b"a" * 5 * 2**20), (3, b"b" * 5 * 2**20), (7, b"c")]:
        part = s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    told, marker = [], 0
    while True:
        page = s3.get_object_attributes(
            Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=2, PartNumberMarker=marker)["ObjectParts"]
        assert page["TotalPartsCount"] == 3
        told += [(part["PartNumber"], part["ChecksumCRC32"]) for part in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert told == [(part["PartNumber"], part["ChecksumCRC32"]) for part in parts]


def test_versions_survive_a_kill(tmp_path):
    node = Node(tmp_path)
    s3 = s3_client(node.s3)
    s3.create_bucket(Bucket="killed")
    set_versioning(s3, "killed", "Enabled")
    ids = [put(s3, "killed", "k", str(number).encode()) for number in range(20)]
    marker = s3.delete_object(Bucket="killed", Key="k")["VersionId"]
    node.kill()
    s3 = s3_client(node.start().s3)
    assert [read(s3, "killed", "k", VersionId=version) for version in ids] == [str(n).encode() for n in range(20)]
    assert s3.list_object_versions(Bucket="killed")["DeleteMarkers"][0]["VersionId"] == marker
    assert node.stop() == 0


def test_aws_cli_speaks_of_versions(node, s3, bucket, tmp_path):
    program = [sys.executable, str(pathlib.Path(sys.executable).parent / "aws"), "--endpoint-url", node.s3, "s3api"]
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }

    def aws(*words):
        done = subprocess.run(
            [*program, *words, "--output", "json"], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return json.loads(done.stdout or "{}")

    aws("put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    assert aws("get-bucket-versioning", "--bucket", bucket) == {"Status": "Enabled"}
    (tmp_path / "body").write_bytes(b"body")
    version = aws("put-object", "--bucket", bucket, "--key", "k", "--body", str(tmp_path / "body"))["VersionId"]
    marker = aws("delete-object", "--bucket", bucket, "--key", "k")["VersionId"]
    found = aws("list-object-versions", "--bucket", bucket)
    assert [entry["VersionId"] for entry in found["Versions"] + found["DeleteMarkers"]] == [version, marker]
    aws("get-object", "--bucket", bucket, "--key", "k", "--version-id", version, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"body"
