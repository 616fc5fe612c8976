"""boto3: the multipart family, and checksums of every kind."""

import base64
import hashlib
import os
import zlib

import boto3.s3.transfer
import pytest
from botocore.exceptions import ClientError

MIB = 2**20


def code_of(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def multipart_etag(parts):
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f'"{digest}-{len(parts)}"'


def upload_parts(s3, bucket, key, upload, parts):
    done = []
    for number, part in enumerate(parts, 1):
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        assert etag == f'"{hashlib.md5(part).hexdigest()}"'
        done.append({"PartNumber": number, "ETag": etag})
    return done


def test_parts_become_one_object(s3, bucket):
    parts = [os.urandom(5 * MIB), os.urandom(6 * MIB + 3), os.urandom(10)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"m": "1"}, ContentType="text/m")["UploadId"]
    done = upload_parts(s3, bucket, "k", upload, parts)
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 5 * MIB), (2, 6 * MIB + 3), (3, 10)]
    assert [entry["Key"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
    completed = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert completed["ETag"] == multipart_etag(parts)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(parts)
    assert (got["Metadata"], got["ContentType"]) == ({"m": "1"}, "text/m")
    second = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert second["Body"].read() == parts[1] and second["PartsCount"] == 3
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    again = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert again["ETag"] == completed["ETag"]


def test_wrong_completions_are_refused_and_leave_the_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = upload_parts(s3, bucket, "k", upload, [b"a" * 100, b"b" * 100])
    wrong = [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]
    for given, expected in [
        (parts, ("EntityTooSmall", 400)), (parts[::-1], ("InvalidPartOrder", 400)), (wrong, ("InvalidPart", 400)),
        ([{"PartNumber": 9, "ETag": parts[0]["ETag"]}], ("InvalidPart", 400)),
    ]:
        with pytest.raises(ClientError) as error:
            s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": given})
        assert code_of(error) == expected
    assert len(s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"]) == 2


def test_an_aborted_upload_is_gone(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    upload_parts(s3, bucket, "k", upload, [b"a"])
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    for call in (
        lambda: s3.list_parts(Bucket=bucket, Key="k", UploadId=upload),
        lambda: s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b""),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == ("NoSuchUpload", 404)


def test_parts_copied_from_objects(s3, bucket):
    source = os.urandom(12 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    done = []
    for number, (first, last) in enumerate([(0, 6 * MIB - 1), (6 * MIB, 12 * MIB - 1)], 1):
        copied = s3.upload_part_copy(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number,
            CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange=f"bytes={first}-{last}",
        )
        done.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == source


def test_the_transfer_manager_uploads_and_downloads(s3, bucket, tmp_path):
    (tmp_path / "up").write_bytes(os.urandom(21 * MIB))
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_file(str(tmp_path / "up"), bucket, "k", Config=config)
    s3.download_file(bucket, "k", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


def test_uploads_are_listed_in_pages(s3, bucket):
    keys = [f"u/{number}" for number in range(5)] + ["v"]
    for key in keys:
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    found, marker = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **marker)
        found += [entry["Key"] for entry in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert found == keys
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["u/"]


def b64(value):
    return base64.b64encode(value).decode()


def plain_checksum(algorithm, body):
    if algorithm == "CRC32":
        return b64(zlib.crc32(body).to_bytes(4, "big"))
    if algorithm in ("SHA1", "SHA256"):
        return b64(hashlib.new(algorithm.lower(), body).digest())
    return None


# CRC32C and CRC64NVME of b"123456789", from their published check values.
KNOWN = {"CRC32C": b64(0xE3069283.to_bytes(4, "big")), "CRC64NVME": b64(0xAE8B14860A799888.to_bytes(8, "big"))}


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_every_checksum_is_verified_stored_and_told(s3, bucket, algorithm):
    body = b"123456789"
    value = plain_checksum(algorithm, body) or KNOWN[algorithm]
    field = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="given", Body=body, **{field: value})
    assert put[field] == value
    assert s3.head_object(Bucket=bucket, Key="given", ChecksumMode="ENABLED")[field] == value
    assert s3.get_object(Bucket=bucket, Key="given", ChecksumMode="ENABLED")[field] == value
    size = len(base64.b64decode(value))
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="wrong", Body=body, **{field: b64(b"\1" * size)})
    assert code_of(error) == ("BadDigest", 400)
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="wrong")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_the_client_computes_travel_as_trailers(s3, bucket, algorithm):
    body = os.urandom(300_000)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"] == plain_checksum(algorithm, body)
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == body


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_composite_checksum_is_that_of_the_parts_checksums(s3, bucket, algorithm):
    parts = [os.urandom(5 * MIB), os.urandom(1000)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType="COMPOSITE")["UploadId"]
    done, sums = [], b""
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm=algorithm)
        value = answer[f"Checksum{algorithm}"]
        assert value == plain_checksum(algorithm, part)
        sums += base64.b64decode(value)
        done.append({"PartNumber": number, "ETag": answer["ETag"], f"Checksum{algorithm}": value})
    completed = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert completed[f"Checksum{algorithm}"] == plain_checksum(algorithm, sums) + "-2"
    assert completed["ChecksumType"] == "COMPOSITE"


def test_a_full_object_checksum_is_that_of_the_whole(s3, bucket):
    parts = [os.urandom(5 * MIB), os.urandom(1000)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32")
        done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    completed = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert completed["ChecksumCRC32"] == plain_checksum("CRC32", b"".join(parts))
    assert completed["ChecksumType"] == "FULL_OBJECT"
