"""boto3: listings, their pages, prefixes and delimiters, against a plain model."""

import pytest
from botocore.exceptions import ClientError

KEYS = sorted(
    [f"a/{number:03}" for number in range(25)] + [f"b/{x}/{y}" for x in "xyz" for y in "123"]
    + ["b", "b/", "c", "caf\u00e9", "z z", "z+z", "\u2603"],
    key=lambda key: key.encode(),
)


@pytest.fixture(scope="module")
def listed(s3):
    s3.create_bucket(Bucket="listing")
    for key in KEYS:
        s3.put_object(Bucket="listing", Key=key, Body=key.encode())
    return "listing"


def expected(prefix="", delimiter="", after=""):
    contents, prefixes = [], []
    for key in KEYS:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        rest = key[len(prefix):]
        if delimiter and delimiter in rest:
            common = prefix + rest.split(delimiter)[0] + delimiter
            if common not in prefixes:
                prefixes.append(common)
        else:
            contents.append(key)
    return contents, prefixes


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("page", [1, 2, 7, 1000])
@pytest.mark.parametrize("prefix,delimiter", [("", ""), ("", "/"), ("b/", "/"), ("a/0", ""), ("b", "/"), ("none", "/"), ("", "z")])
def test_pages_add_up_to_what_is_there(s3, listed, version, page, prefix, delimiter):
    contents, prefixes, pages = [], [], 0
    paginator = s3.get_paginator(version)
    for answer in paginator.paginate(Bucket=listed, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": page}):
        contents += [entry["Key"] for entry in answer.get("Contents", [])]
        prefixes += [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]
        assert len(answer.get("Contents", [])) + len(answer.get("CommonPrefixes", [])) <= page
        pages += 1
    assert (contents, prefixes) == expected(prefix, delimiter)


def test_start_after_and_marker_begin_behind_their_key(s3, listed):
    assert [e["Key"] for e in s3.list_objects_v2(Bucket=listed, StartAfter="b/y/2")["Contents"]] == expected(after="b/y/2")[0]
    assert [e["Key"] for e in s3.list_objects(Bucket=listed, Marker="b/y/2")["Contents"]] == expected(after="b/y/2")[0]


def test_entries_tell_size_etag_and_time(s3, listed):
    entry = s3.list_objects_v2(Bucket=listed, Prefix="c", MaxKeys=1, FetchOwner=True)["Contents"][0]
    head = s3.head_object(Bucket=listed, Key="c")
    assert (entry["Size"], entry["ETag"], entry["StorageClass"]) == (1, head["ETag"], "STANDARD")
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"]


def test_limits_of_max_keys_and_tokens(s3, listed):
    assert s3.list_objects_v2(Bucket=listed, MaxKeys=0).get("Contents", []) == []
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket=listed, ContinuationToken="forged token")
    assert error.value.response["Error"]["Code"] == "InvalidArgument"


def test_a_listing_sees_a_write_as_soon_as_it_is_acknowledged(s3, bucket):
    for number in range(30):
        s3.put_object(Bucket=bucket, Key=f"{number:03}", Body=b"")
        assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == number + 1
    for number in range(30):
        s3.delete_object(Bucket=bucket, Key=f"{number:03}")
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 29 - number
