"""A node's own manners: credentials, its directory, its formats, its end."""

import json
import os
import signal
import subprocess

import canaries
import pytest
from botocore.exceptions import ClientError
from conftest import ACCESS_KEY, SECRET_KEY, Node, binary, s3_client, wait_until


def try_to_start(directory, *extra, **environment):
    command = [
        binary(), "server", "--data-dir", str(directory), "--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
        "--replication-listen", "127.0.0.1:0", *extra,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    return subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("secret", ["short", "minioadmin", "password"])
def test_default_or_short_credentials_are_refused_at_the_start(tmp_path, secret):
    done = try_to_start(tmp_path / "data", TANDEM_ROOT_ACCESS_KEY="minioadmin", TANDEM_ROOT_SECRET_KEY=secret)
    assert done.returncode != 0 and secret not in done.stderr.split()


def test_generated_credentials_are_printed_once_and_work_again(tmp_path):
    first = start_without_credentials(tmp_path)
    assert "secret" in first.lower()
    second = start_without_credentials(tmp_path)
    assert len(second) < len(first)


def start_without_credentials(directory):
    """What a node says until it is ready and has been asked to stop."""
    ready = directory / "ready.json"
    ready.unlink(missing_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_ROOT")}
    process = subprocess.Popen(
        [binary(), "server", "--data-dir", str(directory / "data"), "--ready-file", str(ready), "--s3-listen", "127.0.0.1:0",
         "--admin-listen", "127.0.0.1:0", "--replication-listen", "127.0.0.1:0", "--log", "error"],
        env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    wait_until("the node is ready", lambda: ready.exists() and ready.read_text().strip())
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said


def test_a_data_directory_is_locked_against_a_second_process(node):
    done = try_to_start(node.directory / "data", TANDEM_ROOT_ACCESS_KEY=ACCESS_KEY, TANDEM_ROOT_SECRET_KEY=SECRET_KEY)
    assert done.returncode != 0
    assert "another process" in done.stderr


def test_a_restart_keeps_everything(tmp_path):
    node = Node(tmp_path)
    s3 = s3_client(node.s3)
    s3.create_bucket(Bucket="kept")
    for size in (0, 10, 70_000, 9 * 2**20):
        s3.put_object(Bucket="kept", Key=f"k{size}", Body=b"k" * size)
    upload = s3.create_multipart_upload(Bucket="kept", Key="open")["UploadId"]
    part = s3.upload_part(Bucket="kept", Key="open", UploadId=upload, PartNumber=1, Body=b"part")
    assert node.stop() == 0
    node.start()
    s3 = s3_client(node.s3)
    for size in (0, 10, 70_000, 9 * 2**20):
        assert s3.get_object(Bucket="kept", Key=f"k{size}")["Body"].read() == b"k" * size
    s3.complete_multipart_upload(
        Bucket="kept", Key="open", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert s3.get_object(Bucket="kept", Key="open")["Body"].read() == b"part"
    assert node.stop() == 0


def test_a_check_of_a_stopped_node_finds_nothing_wrong_and_finds_a_flipped_byte(tmp_path):
    node = Node(tmp_path)
    s3 = s3_client(node.s3)
    s3.create_bucket(Bucket="checked")
    s3.put_object(Bucket="checked", Key="large", Body=os.urandom(9 * 2**20))
    node.stop()
    check = [binary(), "check", "--data-dir", str(tmp_path / "data"), "--json"]
    assert subprocess.run(check, capture_output=True, timeout=120).returncode == 0
    piece = max((tmp_path / "data" / "pieces").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    flip_a_byte(piece, 1_000_000)
    assert subprocess.run(check, capture_output=True, timeout=120).returncode != 0
    node.start()
    s3 = s3_client(node.s3, retries={"max_attempts": 0})
    with pytest.raises(Exception) as error:
        s3.get_object(Bucket="checked", Key="large")["Body"].read()
    assert not isinstance(error.value, ClientError) or error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    node.stop()


def flip_a_byte(file, offset):
    with open(file, "r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte[0] ^ 1]))
        os.fsync(opened.fileno())


def test_the_scrub_of_a_running_node_names_what_a_flipped_byte_spoils(tmp_path):
    password = "a password for the scrub"
    canaries.keep_password(password)
    node = Node(tmp_path, ["--scrub-every-seconds", "1", "--scrub-rate", "1GiB"], {"TANDEM_PASSWORD": password})
    s3 = s3_client(node.s3, retries={"max_attempts": 0})
    s3.create_bucket(Bucket="scrubbed")
    s3.put_bucket_versioning(Bucket="scrubbed", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="scrubbed", Key="good", Body=os.urandom(2**20))
    body = os.urandom(3 * 2**20)
    version = s3.put_object(Bucket="scrubbed", Key="to be/spoilt", Body=body)["VersionId"]

    def status():
        command = [binary(), "status", "--json", "--admin", node.addresses["admin"], "--ca", node.addresses["admin_ca"]]
        environment = {**os.environ, "TANDEM_PASSWORD": password}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def scrub():
        return status()["scrub"]

    seen = wait_until("a round has seen both", lambda: (now := scrub())["ended"] and now["blobs"] >= 2 and now)
    assert seen["findings"] == []
    piece = max((tmp_path / "data" / "pieces").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    flip_a_byte(piece, 2_000_000)
    [finding] = wait_until("the scrub finds it", lambda: scrub()["findings"])
    assert finding["kind"] == "blob" and piece.name in finding["subject"]
    [referent] = finding["referents"]
    assert (referent["bucket"], referent["key"], referent["version"]) == ("scrubbed", "to be/spoilt", version)
    with pytest.raises(Exception) as error:
        s3.get_object(Bucket="scrubbed", Key="to be/spoilt")["Body"].read()
    assert not isinstance(error.value, ClientError) or error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    [waiting] = wait_until("it is told that nobody else has it", lambda: status()["repair"]["waiting"])
    assert waiting["blob"] in finding["subject"]
    wait_until("and what to do", lambda: "no protected path has a peer" in status()["repair"]["waiting"][0]["why"])
    s3.put_object(Bucket="scrubbed", Key="again", Body=body)
    assert s3.get_object(Bucket="scrubbed", Key="to be/spoilt")["Body"].read() == body, "the new bytes took their place"
    wait_until("the scrub finds nothing any more", lambda: scrub()["findings"] == [])
    wait_until("nothing is to be repaired any more", lambda: status()["repair"]["waiting"] == [])
    assert node.stop() == 0
    log = (tmp_path / "log").read_text(errors="replace")
    assert "scrub: stored bytes are damaged" in log and "scrubbed/to be/spoilt" in log


def arenas(node):
    """How many arenas of malloc the running process was told to have."""
    with open(f"/proc/{node.process.pid}/environ", "rb") as file:
        words = [word.split(b"=", 1) for word in file.read().split(b"\0")]
    return [int(word[1]) for word in words if word[0] == b"MALLOC_ARENA_MAX"]


def test_a_node_has_few_arenas_of_malloc_unless_the_operator_chose_how_many(node, tmp_path):
    [few] = arenas(node)
    assert 2 <= few <= max(2, len(os.sched_getaffinity(0)) // 2)
    chosen = Node(tmp_path, environment={"MALLOC_ARENA_MAX": "7"})
    try:
        assert arenas(chosen) == [7]
    finally:
        chosen.stop()
