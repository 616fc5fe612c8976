"""aws-cli against the real binary."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY


@pytest.fixture
def aws(node, tmp_path):
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    (tmp_path / "config").write_text("[default]\ns3 =\n    signature_version = s3v4\n")
    program = [sys.executable, str(pathlib.Path(sys.executable).parent / "aws")]

    def run(*words):
        done = subprocess.run(
            [*program, "--endpoint-url", node.s3, *words], env=environment, capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    return run


def test_s3_commands_make_copy_sync_list_and_remove(aws, tmp_path):
    aws("s3", "mb", "s3://cli-bucket")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "one").write_bytes(b"one")
    (tree / "sub" / "large").write_bytes(os.urandom(18 * 2**20))
    aws("s3", "sync", str(tree), "s3://cli-bucket/tree")
    assert "tree/sub/large" in aws("s3", "ls", "--recursive", "s3://cli-bucket")
    aws("s3", "cp", "s3://cli-bucket/tree/one", "s3://cli-bucket/copied")
    aws("s3", "cp", "s3://cli-bucket/tree/sub/large", "s3://cli-bucket/large-copied")
    back = tmp_path / "back"
    aws("s3", "sync", "s3://cli-bucket", str(back))
    assert (back / "copied").read_bytes() == b"one"
    assert (back / "large-copied").read_bytes() == (tree / "sub" / "large").read_bytes()
    aws("s3", "mv", "s3://cli-bucket/copied", "s3://cli-bucket/moved")
    aws("s3", "rb", "--force", "s3://cli-bucket")
    assert "cli-bucket" not in aws("s3", "ls")


def test_s3api_commands_speak_the_same_language(aws, tmp_path):
    aws("s3api", "create-bucket", "--bucket", "cli-api")
    (tmp_path / "body").write_bytes(b"body")
    put = json.loads(aws(
        "s3api", "put-object", "--bucket", "cli-api", "--key", "k", "--body", str(tmp_path / "body"),
        "--checksum-algorithm", "SHA256", "--metadata", "a=b", "--output", "json",
    ))
    assert put["ChecksumSHA256"]
    head = json.loads(aws("s3api", "head-object", "--bucket", "cli-api", "--key", "k", "--output", "json"))
    assert head["Metadata"] == {"a": "b"} and head["ContentLength"] == 4
    listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", "cli-api", "--output", "json"))
    assert [entry["Key"] for entry in listed["Contents"]] == ["k"]
    url = aws("s3", "presign", "s3://cli-api/k").strip()
    import urllib.request
    assert urllib.request.urlopen(url).read() == b"body"
