"""boto3: buckets, objects, metadata, ranges, conditions, copies."""

import hashlib
import urllib.request

import pytest
from botocore.exceptions import ClientError
from conftest import s3_client


def code_of(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_bucket_is_made_listed_found_and_deleted(s3):
    s3.create_bucket(Bucket="life-of-a-bucket")
    assert "life-of-a-bucket" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket="life-of-a-bucket")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket="life-of-a-bucket")["LocationConstraint"] is None
    s3.delete_bucket(Bucket="life-of-a-bucket")
    with pytest.raises(ClientError) as error:
        s3.head_bucket(Bucket="life-of-a-bucket")
    assert code_of(error) == ("404", 404)


def test_a_bucket_with_objects_is_not_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=bucket)
    assert code_of(error) == ("BucketNotEmpty", 409)


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 65537, 8 * 2**20 - 1, 8 * 2**20, 8 * 2**20 + 1, 20 * 2**20 + 7])
def test_an_object_reads_back_byte_for_byte_with_its_md5_as_etag(s3, bucket, size):
    body = hashlib.shake_256(str(size).encode()).digest(size)
    put = s3.put_object(Bucket=bucket, Key="object", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="object")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size
    assert got["ETag"] == put["ETag"]


@pytest.mark.parametrize("size", [100, 70_000, 9 * 2**20])
def test_ranges_give_exactly_their_bytes(s3, bucket, size):
    body = hashlib.shake_256(b"ranges").digest(size)
    s3.put_object(Bucket=bucket, Key="object", Body=body)
    for header, expected in [
        ("bytes=0-0", body[:1]),
        ("bytes=10-19", body[10:20]),
        (f"bytes={size - 5}-", body[-5:]),
        ("bytes=-7", body[-7:]),
        (f"bytes=50-{size * 2}", body[50:]),
        (f"bytes={size // 2 - 3}-{size // 2 + 65600}", body[size // 2 - 3:size // 2 + 65601]),
    ]:
        got = s3.get_object(Bucket=bucket, Key="object", Range=header)
        assert got["Body"].read() == expected, header
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"].endswith(f"/{size}")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="object", Range=f"bytes={size}-")
    assert code_of(error) == ("InvalidRange", 416)


def test_metadata_and_standard_headers_come_back(s3, bucket):
    s3.put_object(
        Bucket=bucket, Key="k", Body=b"body", Metadata={"colour": "blue", "name": "value with spaces"},
        ContentType="text/x-test", CacheControl="max-age=3", ContentDisposition='attachment; filename="a"',
        ContentEncoding="identity", ContentLanguage="en",
    )
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"colour": "blue", "name": "value with spaces"}
    assert (head["ContentType"], head["CacheControl"], head["ContentLanguage"]) == ("text/x-test", "max-age=3", "en")
    assert head["ContentDisposition"] == 'attachment; filename="a"'
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/other", ResponseCacheControl="no-store")
    assert (got["ContentType"], got["CacheControl"]) == ("text/other", "no-store")


@pytest.mark.parametrize("key", ["a b", "a+b", "caf\u00e9/\u2603", "a/../b", "//", "..", "x" * 1024, "%41", "a?b=c&d", "<k>&'\""])
def test_keys_are_opaque(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_conditional_reads(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"one"
    for arguments, status in [
        ({"IfMatch": '"other"'}, 412), ({"IfNoneMatch": etag}, 304),
        ({"IfModifiedSince": modified}, 304), ({"IfUnmodifiedSince": modified.replace(year=2001)}, 412),
    ]:
        for call in (s3.get_object, s3.head_object):
            with pytest.raises(ClientError) as error:
                call(Bucket=bucket, Key="k", **arguments)
            assert code_of(error)[1] == status, arguments


def test_a_resumed_download_never_mixes_two_versions(node, s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first version")["ETag"]
    signer = s3_client(node.s3, signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})

    def resume(validator):
        request = urllib.request.Request(url, headers={"Range": "bytes=6-", "If-Range": validator})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()

    assert resume(first) == (206, b"version")
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"other content")["ETag"]
    assert resume(first) == (200, b"other content")
    assert resume(second) == (206, b"content")
    assert resume("Tue, 15 Nov 1994 08:12:31 GMT") == (200, b"other content")


def test_conditional_writes(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfNoneMatch="*")
    assert code_of(error) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch='"nope"')
    assert code_of(error) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="absent", Body=b"two", IfMatch=etag)
    assert code_of(error) == ("NoSuchKey", 404)
    s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"


def test_a_conditional_write_is_judged_at_its_commit(s3, bucket):
    """Of many writers that all say If-None-Match: *, exactly one wins."""
    from concurrent.futures import ThreadPoolExecutor

    def attempt(number):
        try:
            s3.put_object(Bucket=bucket, Key="race", Body=str(number).encode(), IfNoneMatch="*")
            return number
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(attempt, range(32)) if number is not None]
    assert len(winners) == 1
    assert s3.get_object(Bucket=bucket, Key="race")["Body"].read() == str(winners[0]).encode()


def test_a_copy_keeps_or_replaces_metadata(s3, bucket):
    body = b"c" * 70_000
    etag = s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"a": "1"}, ContentType="text/a")["ETag"]
    copied = s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "from"})
    assert copied["CopyObjectResult"]["ETag"] == etag
    kept = s3.get_object(Bucket=bucket, Key="kept")
    assert (kept["Body"].read(), kept["Metadata"], kept["ContentType"]) == (body, {"a": "1"}, "text/a")
    s3.copy_object(
        Bucket=bucket, Key="replaced", CopySource={"Bucket": bucket, "Key": "from"},
        MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/b",
    )
    replaced = s3.head_object(Bucket=bucket, Key="replaced")
    assert (replaced["Metadata"], replaced["ContentType"]) == ({"b": "2"}, "text/b")
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket=bucket, Key="from", CopySource={"Bucket": bucket, "Key": "from"})
    assert code_of(error) == ("InvalidRequest", 400)
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "from"}, CopySourceIfMatch='"no"')
    assert code_of(error) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "absent"})
    assert code_of(error) == ("NoSuchKey", 404)


def test_many_deletes_in_one_request(s3, bucket):
    for number in range(20):
        s3.put_object(Bucket=bucket, Key=f"k{number:02}", Body=b"x")
    keys = [{"Key": f"k{number:02}"} for number in range(10)] + [{"Key": "never-was"}]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert sorted(entry["Key"] for entry in deleted["Deleted"]) == sorted(entry["Key"] for entry in keys)
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k10"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    left = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == [f"k{number:02}" for number in range(11, 20)]


def test_what_is_absent_says_so(s3, bucket):
    for call, expected in [
        (lambda: s3.get_object(Bucket=bucket, Key="none"), ("NoSuchKey", 404)),
        (lambda: s3.get_object(Bucket="no-such-bucket-here", Key="none"), ("NoSuchBucket", 404)),
        (lambda: s3.put_object(Bucket="no-such-bucket-here", Key="none", Body=b""), ("NoSuchBucket", 404)),
        (lambda: s3.list_parts(Bucket=bucket, Key="none", UploadId="0" * 32), ("NoSuchUpload", 404)),
    ]:
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == expected
    s3.delete_object(Bucket=bucket, Key="none")


def test_an_operation_that_is_not_there_is_not_implemented(s3, bucket):
    for call in (
        lambda: s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"}),
        lambda: s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"}),
        lambda: s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == ("NotImplemented", 501)
