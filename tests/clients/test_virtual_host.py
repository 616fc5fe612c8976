"""boto3 by virtual-host style, under two domains that do not resolve anywhere else."""

import socket
import urllib.parse

import boto3
import pytest
from botocore.config import Config
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node

DOMAINS = ["s3.tandem.test", "objects.test"]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("virtual"), extra=["--domains", ",".join(DOMAINS)])
    yield node
    assert node.stop() == 0


@pytest.fixture
def resolved(monkeypatch):
    """Names below the domains are this machine."""
    known = socket.getaddrinfo

    def getaddrinfo(host, *rest, **more):
        return known("127.0.0.1" if isinstance(host, str) and host.endswith(".test") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_bucket_is_a_host(node, resolved, domain):
    port = urllib.parse.urlsplit(node.s3).port
    s3 = boto3.client(
        "s3", endpoint_url=f"http://{domain}:{port}", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        region_name=REGION, config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}, retries={"max_attempts": 1}),
    )
    bucket = "in-" + domain.split(".")[0]
    hosts = []
    s3.meta.events.register("before-send.s3", lambda request, **_: hosts.append(urllib.parse.urlsplit(request.url).hostname))
    s3.create_bucket(Bucket=bucket)
    for key in ("k", "a b/c+d", "caf\u00e9", f"{bucket}/k"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/c+d"})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"a b/c+d"
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 5
    assert set(hosts) == {f"{bucket}.{domain}"}
    assert bucket in [found["Name"] for found in s3.list_buckets()["Buckets"]]
