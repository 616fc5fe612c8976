"""boto3: presigned URLs, used by a client that has no keys."""

import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from conftest import ACCESS_KEY, REGION, SECRET_KEY


@pytest.fixture
def signer(node):
    return boto3.client(
        "s3", endpoint_url=node.s3, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION,
        config=Config(signature_version="s3v4"),
    )


def ask(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_presigned_url_reads_and_writes(signer, s3, bucket):
    put = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert ask(put, "PUT", b"by url")[0] == 200
    get = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert ask(get) == (200, b"by url")
    assert ask(get, "DELETE")[0] == 403
    assert ask(get + "&versionId=null")[0] == 403
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by url"


def test_a_presigned_url_does_not_carry_unsigned_amz_headers(signer, s3, bucket):
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    put = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "mine"}, ExpiresIn=60)
    status, _ = ask(put, "PUT", b"", {"x-amz-copy-source": f"/{bucket}/secret"})
    assert status == 403
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="mine")


def test_a_presigned_url_expires(signer, bucket):
    get = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=1)
    import re
    past = re.sub(r"X-Amz-Date=\d{8}T\d{6}Z", "X-Amz-Date=20200101T000000Z", get)
    status, body = ask(past)
    assert status in (400, 403) and b"<Error>" in body


def test_a_version_2_presigned_url_is_refused_by_name(node, s3, bucket):
    """What boto3 and aws-cli make when nobody told them `signature_version = s3v4`: the answer says what to use."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    old = boto3.client(
        "s3", endpoint_url=node.s3, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION,
        config=Config(signature_version="s3"),
    )
    url = old.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in url
    status, body = ask(url)
    assert status == 400 and b"<Code>InvalidRequest</Code>" in body and b"AWS4-HMAC-SHA256" in body
