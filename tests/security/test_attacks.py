"""Attacks that got through once, against the real binary: several inputs of each kind. Their rows are section L of the table."""

import base64
import json
import os
import pathlib
import resource
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.parse

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import canaries  # noqa: E402
import wire  # noqa: E402
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, Testbed, binary, s3_client, wait_until  # noqa: E402

PASSWORD = "the-password-of-the-attacked-node"
canaries.keep_password(PASSWORD)


def address(url):
    place = urllib.parse.urlsplit(url)
    return place.hostname, place.port


def basic(password, user="admin"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def admin_pool(source=None):
    urllib3.disable_warnings()
    extra = {"source_address": (source, 0)} if source else {}
    return urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False, timeout=urllib3.Timeout(30), **extra)


def iam(node, access_key=ACCESS_KEY, secret_key=SECRET_KEY):
    return boto3.client(
        "iam", endpoint_url=node.s3, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=REGION,
        config=Config(retries={"max_attempts": 1}),
    )


@pytest.fixture
def guarded(tmp_path):
    """A node with a password, and an audit log in a file."""
    node = Node(
        tmp_path, ["--audit-log", str(tmp_path / "audit.log"), "--audit-refusals-per-day", "4MiB"],
        environment={"TANDEM_PASSWORD": PASSWORD},
    )
    yield node
    assert node.stop() == 0


def audit_lines(node):
    return [json.loads(line) for line in (node.directory / "audit.log").read_text().splitlines()]


# Each makes one reader see another end than the other, where a bare line feed ends a line for one of them.
FRAMES = [
    b"0\r\n\n", b"0\r\na: b\n\r\n", b"0\n\r\n", b"0\n\n", b"1\r\nx\n0\r\n\r\n", b"1;y\n\r\nx\r\n0\r\n\r\n", b"0\r\na: b\r\r\n\r\n",
]


def test_l1_no_framing_holds_a_connection_for_ever(tmp_path):
    node = Node(tmp_path, [
        "--header-timeout-seconds", "1s", "--idle-timeout-seconds", "2s", "--body-idle-timeout-seconds", "1s",
    ])
    host, port = address(node.s3)
    form = (
        f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"x-amz-date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=UNKNOWN/20260101/us-east-1/iam/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    second = f"PUT /b/k HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 99999999999\r\n\r\n".encode()
    held = []
    for frame in FRAMES * 4:
        connection = socket.create_connection((host, port), timeout=30)
        connection.sendall(form + frame + second)
        held.append(connection)
    began = time.monotonic()
    for connection in held:
        with connection:
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    assert time.monotonic() - began < 20, "connections are held without a byte"
    assert node.stop() == 0


def test_l6_no_flood_of_refusals_takes_the_line_of_a_change_or_fills_the_disk(guarded):
    root = iam(guarded)
    root.create_user(UserName="nobody-much")
    pair = root.create_access_key(UserName="nobody-much")["AccessKey"]
    s3_client(guarded.s3).create_bucket(Bucket="private")
    stop = threading.Event()
    asked = []

    def flood():
        with urllib3.PoolManager(retries=False) as pool:
            count = 0
            while not stop.is_set() and count < 20_000:
                pool.request("GET", f"{guarded.s3}/private/{'k' * 900}")
                count += 1
            asked.append(count)

    floods = [threading.Thread(target=flood) for _ in range(4)]
    for thread in floods:
        thread.start()
    names = [f"made-{number}" for number in range(60)]
    for name in names:
        root.create_user(UserName=name)
    while len(audit_lines(guarded)) == 0:
        time.sleep(0.05)
    stop.set()
    for thread in floods:
        thread.join()
    # What was answered is on record, without waiting.
    lines = audit_lines(guarded)
    told = [line["resource"] for line in lines if line["event"] == "identity-changed" and line["operation"] == "CreateUser"]
    assert told == ["nobody-much", *names]
    refused = [len(json.dumps(line)) for line in lines if line["event"] == "denied"]
    assert sum(refused) <= 4 * 2**20 / 16 + 2**16, "refusals fill the disk"
    assert sum(asked) > len(refused), "the flood was no flood"
    # One line for many keys.
    own = s3_client(guarded.s3, pair["AccessKeyId"], pair["SecretAccessKey"])
    may_delete_others(root)
    own.delete_objects(Bucket="private", Delete={"Objects": [{"Key": f"k{number}"} for number in range(500)]})
    assert guarded.process.poll() is None


def may_delete_others(root):
    """A caller who can delete no key at all is refused before the list of keys is read: this one can delete some."""
    statement = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::private/others/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    root.put_user_policy(UserName="nobody-much", PolicyName="p", PolicyDocument=policy)


def test_l6_a_request_about_many_keys_is_a_line_for_each_reason(guarded):
    root = iam(guarded)
    root.create_user(UserName="nobody-much")
    pair = root.create_access_key(UserName="nobody-much")["AccessKey"]
    s3_client(guarded.s3).create_bucket(Bucket="private")
    own = s3_client(guarded.s3, pair["AccessKeyId"], pair["SecretAccessKey"])
    may_delete_others(root)
    answer = own.delete_objects(Bucket="private", Delete={"Objects": [{"Key": f"k{number}"} for number in range(500)]})
    assert {error["Code"] for error in answer["Errors"]} == {"AccessDenied"} and len(answer["Errors"]) == 500

    def denied():
        return [line for line in audit_lines(guarded) if line["event"] == "denied" and line["operation"] == "DeleteObjects"]

    wait_until("the refusal is told", denied)
    assert [line.get("count") for line in denied()] == [500]
    assert denied()[0]["resource"].endswith(":private/k0")


def test_l7_and_l8_and_l24_nobody_shuts_an_operator_out(guarded):
    host, port = address(guarded.addresses["admin"])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    health = f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    token = json.loads(admin_pool().request(
        "POST", f"{guarded.addresses['admin']}/api/apitokens/", headers=basic(PASSWORD), json={"name": "script"}).data)["token"]
    held = []
    try:
        for number in range(300):
            source = ("127.0.0.1", 0) if number % 2 else (f"127.0.7.{1 + number % 7}", 0)
            plain = socket.create_connection((host, port), timeout=30, source_address=source)
            held.append(plain)
            if number % 4 == 1:
                try:
                    secure = context.wrap_socket(plain)
                    secure.sendall(health)
                    held.append(secure)
                except OSError:
                    pass
        # From the address that holds most, too.
        for source in ["127.0.0.1", "127.0.0.9"]:
            for number in range(14):
                wrong = admin_pool(source).request(
                    "GET", f"{guarded.addresses['admin']}/api/status", headers=basic(f"wrong-password-{number}"))
                assert wrong.status == (401 if number < 10 else 429), f"{source} {number}: {wrong.status}"
            assert int(wrong.headers["Retry-After"]) >= 1
            for headers in [basic(PASSWORD), {"Authorization": f"Api-Token {token}"}]:
                began = time.monotonic()
                right = admin_pool(source).request("GET", f"{guarded.addresses['admin']}/api/status", headers=headers)
                assert right.status == 200 and time.monotonic() - began < 20, source
            assert admin_pool(source).request("GET", f"{guarded.addresses['admin']}/health").status == 200
    finally:
        for connection in held:
            connection.close()


def test_l7_a_connection_that_has_logged_in_is_kept(guarded):
    host, port = address(guarded.addresses["admin"])
    pool = urllib3.HTTPSConnectionPool(host, port, cert_reqs="CERT_NONE", retries=False, maxsize=1)
    assert pool.request("GET", "/api/status", headers=basic(PASSWORD)).status == 200
    opened = pool.num_connections
    held = [socket.create_connection((host, port), timeout=30) for _ in range(400)]
    try:
        for _ in range(3):
            assert pool.request("GET", "/api/status", headers=basic(PASSWORD)).status == 200
        assert pool.num_connections == opened, "the operator's connection gave way"
    finally:
        for connection in held:
            connection.close()


def test_l7_slow_heads_and_silence_are_ended(guarded):
    host, port = address(guarded.addresses["admin"])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for begun in [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\nHost: x\r\n\r\n"]:
        with context.wrap_socket(socket.create_connection((host, port), timeout=60)) as connection:
            connection.sendall(begun)
            began = time.monotonic()
            while connection.recv(4096):
                pass
            assert time.monotonic() - began < 30, begun


PUBLIC = {"admin-ca.pem", "admin.pem", "admin.names", "node.pem"}


def modes(directory):
    found = {}
    for path in pathlib.Path(directory).rglob("*"):
        found[str(path.relative_to(directory))] = stat.S_IMODE(path.lstat().st_mode)
    return found


def test_l15_files_are_private_on_a_mount_point_under_any_umask(tmp_path):
    data = tmp_path / "data"
    (data / "lost+found").mkdir(parents=True)
    data.chmod(0o755)
    before = os.umask(0)
    try:
        node = Node(tmp_path, data=data)
    finally:
        os.umask(before)
    s3 = s3_client(node.s3)
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="k", Body=b"x" * 3_000_000)
    assert node.stop() == 0
    found = modes(data)
    assert len(found) > 260
    for name, mode in found.items():
        if name == "lost+found":
            continue
        path = data / name
        wanted = 0o700 if path.is_dir() else 0o644 if path.name in PUBLIC else 0o600
        assert mode == wanted, f"{name}: {mode:o}"
    assert stat.S_IMODE(data.stat().st_mode) == 0o755


def refuses_to_start(tmp_path, *extra, environment=None):
    node = Node(tmp_path, extra, environment=environment, start=False)
    node.launch()
    assert node.process.wait(timeout=60) != 0
    node.log.close()
    return (tmp_path / "log").read_text(errors="replace")


@pytest.mark.parametrize("name", ["pieces", "journal", "meta.redb"])
def test_l15_no_symbolic_link_in_the_data_directory_is_followed(tmp_path, name):
    node = Node(tmp_path)
    assert node.stop() == 0
    elsewhere = tmp_path / "elsewhere"
    (node.data / name).rename(elsewhere)
    (node.data / name).symlink_to(elsewhere)
    assert "symbolic link" in refuses_to_start(tmp_path)


def test_l16_few_descriptors_are_shared_out(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    class Poor(Node):
        def launch(self):
            popen = subprocess.Popen

            def limited(*words, **options):
                return popen(["sh", "-c", 'ulimit -n 256; exec "$0" "$@"', *words[0]], *words[1:], **options)

            subprocess.Popen = limited
            try:
                super().launch()
            finally:
                subprocess.Popen = popen

    node = Poor(tmp_path, environment={"TANDEM_PASSWORD": PASSWORD})
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    limits = pathlib.Path(f"/proc/{node.process.pid}/limits").read_text()
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["256", "256"]]
    s3 = s3_client(node.s3, max_pool_connections=1)
    s3.create_bucket(Bucket="data")
    held = [socket.create_connection(address(node.s3), timeout=30) for _ in range(400)]
    held += [socket.create_connection(address("//" + node.addresses["replication"]), timeout=30) for _ in range(300)]
    try:
        for number in range(10):
            s3.put_object(Bucket="data", Key=f"k{number}", Body=b"x" * 200_000)
            assert s3.get_object(Bucket="data", Key=f"k{number}")["Body"].read() == b"x" * 200_000
        for _ in range(10):
            answer = admin_pool().request("GET", f"{node.addresses['admin']}/api/status", headers=basic(PASSWORD))
            assert answer.status == 200
        assert len(os.listdir(f"/proc/{node.process.pid}/fd")) < 250
    finally:
        for connection in held:
            connection.close()
    assert "connections_max" in (tmp_path / "log").read_text()
    assert node.stop() == 0


def test_l16_the_soft_limit_is_raised(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        node = Node(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limits = pathlib.Path(f"/proc/{node.process.pid}/limits").read_text()
    now = [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")][0]
    assert now[0] == now[1]
    assert node.stop() == 0


def test_l20_load_balancers_learn_no_names(tmp_path):
    bed = Testbed(tmp_path, "--protect", "secret-bucket")
    login = basic(bed.facts["admin_password"])
    pool = admin_pool()

    def ask(side, path, headers=None):
        answer = pool.request("GET", bed.facts[side]["admin"] + path, headers=headers or {})
        return answer.status, answer.data

    for side in "ab":
        for route in ["/primary", "/replica", "/health"]:
            plain = ask(side, route)
            assert b"secret-bucket" not in plain[1] and b"reason" not in plain[1], plain
            for query in ["?path=/secret-bucket", "?path=/absent", "?path=/", "?path=%2Fsecret-bucket"]:
                assert ask(side, route + query) == plain, f"{side} {route}{query}"
    assert (ask("a", "/primary")[0], ask("b", "/primary")[0]) == (200, 503)
    assert ask("a", "/replica")[0] == 503
    wait_until("b is a replica", lambda: ask("b", "/replica")[0] == 200)
    # Who has logged in is told.
    status, reason = ask("b", "/primary?path=/secret-bucket", login)
    assert status == 503 and b"/secret-bucket is Destination here" in reason
    assert ask("b", "/primary?path=/absent", login)[0] == 404
    assert ask("b", "/primary", basic("a wrong password"))[0] == 401
    bed.stop()


def test_l23_secrets_that_others_may_read_are_refused_everywhere(tmp_path):
    node = Node(tmp_path, by_files=False)
    assert node.stop() == 0
    for name in ["identity.key", "node.key", "admin.key", "admin-token.key"]:
        secret = node.data / name
        for mode in [0o644, 0o666, 0o604]:
            secret.chmod(mode)
            log = refuses_to_start(tmp_path)
            assert "others may read it" in log[-2000:] and name in log[-2000:], name
        secret.chmod(0o600)
    for setting in ["admin-password-file", "pairing-secret-file"]:
        secret = tmp_path / setting
        secret.write_text("a secret of many characters\n")
        secret.chmod(0o644)
        assert "others may read it" in refuses_to_start(tmp_path, f"--{setting}", str(secret))[-2000:]
    key, chain = tmp_path / "tls.key", node.data / "admin.pem"
    key.write_bytes((node.data / "admin.key").read_bytes())
    for face in ["s3", "admin"]:
        extra = [f"--{face}-tls-cert", str(chain), f"--{face}-tls-key", str(key)]
        key.chmod(0o644)
        assert "others may read it" in refuses_to_start(tmp_path, *extra)[-2000:]
        key.chmod(0o640)
        again = Node(tmp_path, extra)
        assert again.stop() == 0
    assert Node(tmp_path).stop() == 0
