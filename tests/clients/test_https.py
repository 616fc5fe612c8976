"""The S3 port over TLS: stock clients, verified against a certificate authority."""

import http.client
import ssl
import urllib.parse

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, address


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A node with HTTPS on its S3 port, and the authority's PEM file. The admin port's own certificate serves both."""
    directory = tmp_path_factory.mktemp("https")
    node = Node(directory)
    assert node.stop() == 0
    data = directory / "data"
    node.extra = ["--s3-tls-cert", str(data / "admin.pem"), "--s3-tls-key", str(data / "admin.key")]
    node.start()
    yield node, str(data / "admin-ca.pem")
    assert node.stop() == 0


def client(node, verify):
    return boto3.client(
        "s3", endpoint_url=node.s3, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION,
        verify=verify, config=Config(signature_version="s3v4", retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30),
    )


def test_objects_go_both_ways_over_tls(secure):
    node, authority = secure
    assert node.s3.startswith("https://")
    s3 = client(node, authority)
    s3.create_bucket(Bucket="over-tls")
    for size in (0, 4096, 20 << 20):
        body = bytes(size % 251 for _ in range(size)) if size < 10_000 else b"tandem!!" * (size // 8)
        s3.put_object(Bucket="over-tls", Key=f"k{size}", Body=body)
        assert s3.get_object(Bucket="over-tls", Key=f"k{size}")["Body"].read() == body


def test_a_presigned_url_works_over_tls(secure):
    node, authority = secure
    s3 = client(node, authority)
    s3.create_bucket(Bucket="presigned-tls")
    s3.put_object(Bucket="presigned-tls", Key="k", Body=b"bytes")
    url = urllib.parse.urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "presigned-tls", "Key": "k"}))
    connection = http.client.HTTPSConnection(url.netloc, context=ssl.create_default_context(cafile=authority), timeout=30)
    connection.request("GET", f"{url.path}?{url.query}")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"bytes")


def test_a_client_that_does_not_trust_the_authority_does_not_talk(secure):
    node, _ = secure
    with pytest.raises(botocore.exceptions.SSLError):
        client(node, True).list_buckets()


def test_plain_http_to_the_https_port_gets_nothing(secure):
    node, _ = secure
    connection = http.client.HTTPConnection(address(node.s3), timeout=30)
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.request("GET", "/")
        connection.getresponse().read()
