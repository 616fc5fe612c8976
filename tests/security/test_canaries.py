"""No secret in any answer, log, process or file: two nodes that have all their secrets by files, used in every way that a secret
takes part in. The searching is done by `canaries`, for these nodes as for those of all other tests."""

import json
import pathlib
import socket
import sys

import pytest
import urllib3

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import canaries  # noqa: E402
from conftest import SECRET_KEY, Node, address, s3_client, wait_until  # noqa: E402
from people import ACCOUNT, PASSWORD, Local, Person, admin, code, policy, statement  # noqa: E402
from test_walk import client  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
PAIRING = "the-pairing-secret-of-the-canary-tests"
PROVIDED = "the-provided-secret-of-the-canary-tests"


def by_files(directory, *extra):
    """A node in whose command line and environment is no secret."""
    directory.mkdir()
    flags = []
    for flag, secret in [("root-secret-key", SECRET_KEY), ("admin-password", PASSWORD), ("pairing-secret", PAIRING)]:
        path = directory / flag
        path.write_text(secret + "\n")
        path.chmod(0o600)
        flags += [f"--{flag}-file", str(path)]
    return Node(directory, extra=[*flags, *extra], by_files=True)


@pytest.fixture
def nodes(tmp_path):
    canaries.keep(PAIRING, "the pairing secret")
    canaries.keep(PROVIDED, "the provided secret")
    a = by_files(tmp_path / "a")
    b = by_files(tmp_path / "b", "--peer-address", address("//" + a.addresses["replication"].split("//")[-1]))
    yield a, b
    assert b.stop() == 0 and a.stop() == 0


def test_the_watch_sees_a_secret_in_whatever_pieces_it_comes():
    bait = canaries.keep("a-secret-that-is-shown-on-purpose", "bait")
    here, there = socket.socketpair()
    with here, there, here.makefile("rb", buffering=0) as answer:
        for piece in (b"HTTP/1.1 200 OK\r\n\r\n<a>" + bait[:9], bait[9:] + b"</a>"):
            there.sendall(piece)
            answer.read(1000)
    del canaries.secrets[bait]
    with pytest.raises(AssertionError, match="bait"):
        canaries.none()
    canaries.none()


def test_a_secret_is_shown_once_and_never_again():
    here, there = socket.socketpair()
    shown = b"<SecretAccessKey>shown-once-and-never-again-0001</SecretAccessKey>"
    with here, there:
        for times in range(2):
            with here.makefile("rb", buffering=0) as answer:
                there.sendall(shown)
                answer.read(1000)
            assert len(canaries.found) == times
    del canaries.secrets[b"shown-once-and-never-again-0001"]
    with pytest.raises(AssertionError, match="shown once"):
        canaries.none()


def test_no_secret_is_in_any_answer_log_process_or_file(nodes):
    a, b = nodes
    paired = lambda: any(peer["state"] == "CONNECTED" for peer in admin(a, "GET", "/api/peers"))
    wait_until("they are paired", paired)
    for node in nodes:
        tour(node)
        canaries.check_process(node.process.pid)
        canaries.none()


def tour(node):
    """Every call that makes, takes or shows a secret."""
    person, local = Person(node, policy(statement("Allow", ["s3:*", "sts:*", "iam:*"]))), Local(node)
    pair = {"access_key": "AKIACANARY0000000003", "secret_key": PROVIDED}
    admin(node, "POST", f"/api/users/{local.user['id']}/access_keys/", tenant_id=1, **pair)
    assert s3_client(node.s3, pair["access_key"], PROVIDED).list_buckets()["Buckets"] == []
    sts, iam = (client(node, service, person.access_key, person.secret_key) for service in ("sts", "iam"))
    trust = {"Effect": "Allow", "Principal": {"AWS": person.arn}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.list_access_keys(UserName=person.name)
    role = f"arn:aws:iam::{ACCOUNT}:role/role"
    for session in (sts.get_session_token(), sts.assume_role(RoleArn=role, RoleSessionName="canary")):
        held = session["Credentials"]
        for secret in (held["SecretAccessKey"], "not-the-secret-of-that-session-at-all"):
            code(s3_client(node.s3, held["AccessKeyId"], secret, token=held["SessionToken"]).list_buckets)
    admin(node, "POST", "/api/s3keys/")
    admin(node, "POST", "/api/pairing-token")
    token = admin(node, "POST", "/api/apitokens/", name="canary")["token"]
    login = admin(node, "POST", "/api/token/", username="admin", password=PASSWORD)
    logins(node, token, login)


def logins(node, token, login):
    """Everything that can be read with a token; and logins that fail, with secrets in them."""
    url, http = node.addresses["admin"], urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)
    routes = admin(node, "GET", "/api/openapi.json")["paths"]
    paths = ["/api" + path for path, place in routes.items() if "get" in place and "{" not in path]
    assert len(paths) > 10
    for path in [*paths, "/metrics", "/api/status", "/api/peers", "/api/paths", "/health"]:
        answer = http.request("GET", url + path, headers={"Authorization": f"Api-Token {token}"})
        assert answer.status in (200, 400), f"{path}: {answer.status}"
    failing = [f"Api-Token {token}x", f"Bearer {login['access']}x", f"Bearer {login['refresh']}", f"Basic {token}"]
    for authorization in failing:
        answer = http.request("GET", url + "/api/users/", headers={"Authorization": authorization})
        assert answer.status == 401
