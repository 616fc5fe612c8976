"""The admin port's rows of the security table: every route of its own document, for every kind of caller who may not."""

import base64
import json
import pathlib
import sys

import pytest
import urllib3

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import canaries  # noqa: E402
from conftest import ACCESS_KEY, SECRET_KEY, Node, s3_client, wait_until  # noqa: E402

PASSWORD = "the-password-of-the-security-tests"
CANARY = "canary-secret-key-4f1c0d7e"
canaries.keep(CANARY, "the provided secret")
canaries.keep_password(PASSWORD)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


ADMIN = {"Authorization": basic("admin", PASSWORD)}


class Port:
    def __init__(self, directory):
        self.node = Node(directory, environment={"TANDEM_PASSWORD": PASSWORD})
        self.url = self.node.addresses["admin"]
        self.pool = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)
        urllib3.disable_warnings()

    def ask(self, method, path, headers=None, body=None, pool=None):
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        return (pool or self.pool).request(method, self.url + path, headers=headers, body=body)

    def admin(self, method, path, **body):
        answer = self.ask(method, path, ADMIN, json.dumps(body) if body else None)
        assert answer.status < 300, answer.data
        return json.loads(answer.data) if answer.data else None


@pytest.fixture
def port(tmp_path):
    port = Port(tmp_path)
    yield port
    assert port.node.stop() == 0


OLD_ROUTES = [
    ("get", "/api/status"), ("get", "/api/peers"), ("post", "/api/peers"), ("delete", "/api/peers"), ("post", "/api/pairing-token"),
    ("get", "/api/paths"), ("post", "/api/paths"), ("delete", "/api/paths"), ("post", "/api/paths/failover"),
    ("post", "/api/paths/abort"), ("post", "/api/paths/reattach"), ("post", "/api/paths/replicate-now"), ("get", "/api/diverged"),
    ("delete", "/api/diverged"), ("get", "/api/check"), ("post", "/api/check"), ("get", "/metrics"),
]


def callers(port):
    """Who may not: nobody, an S3 user, a revoked token, a forged one, a refresh token."""
    user = port.admin("POST", "/api/users/", name="s3-user", s3_superuser=True)
    pair = port.admin("POST", f"/api/users/{user['id']}/access_keys/", access_key="AKIACANARY0000000001", secret_key=CANARY)
    token = port.admin("POST", "/api/apitokens/", name="revoked")
    port.admin("PATCH", f"/api/apitokens/{token['id']}/revoke/")
    login = port.admin("POST", "/api/token/", username="admin", password=PASSWORD)
    head, signature = login["access"].rsplit(".", 1)
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return {
        "nobody": None,
        "an S3 user": basic(pair["access_key"], CANARY),
        "the S3 administrator": basic(ACCESS_KEY, SECRET_KEY),
        "a revoked token": f"Api-Token {token['token']}",
        "a forged bearer": f"Bearer {head}.{'A' * len(signature)}",
        "an unsigned bearer": f"Bearer {none}.{head.split('.')[1]}.",
        "a refresh token": f"Bearer {login['refresh']}",
    }


def test_i1_every_route_is_closed_to_everybody_but_managers(tmp_path):
    """Guesses are counted by address, so those who make them come from a new one before the door shuts."""
    port = Port(tmp_path)
    document = port.admin("GET", "/api/openapi.json")
    routes = [
        (verb, "/api" + path.replace("{id}", "1").replace("{", "").replace("}", ""))
        for path, place in document["paths"].items() for verb, operation in place.items() if operation.get("security") != []
    ]
    assert len(routes) > 50
    kinds = callers(port)
    for verb, path in routes + OLD_ROUTES:
        answer = port.ask(verb.upper(), path)
        assert answer.status == 401, f"{verb} {path}: {answer.status}"
    guesses = [(name, verb, path) for name, value in kinds.items() if value for verb, path in routes + OLD_ROUTES]
    for start in range(0, len(guesses), 9):
        source = (f"127.0.1.{1 + start // 9}", 0)
        with urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False, source_address=source) as pool:
            for name, verb, path in guesses[start:start + 9]:
                answer = port.ask(verb.upper(), path, {"Authorization": kinds[name]}, pool=pool)
                assert answer.status == 401, f"{name}: {verb} {path}: {answer.status}"
    assert port.node.stop() == 0


def test_i2_guesses_are_slowed_down_at_every_door(port):
    def guess(number):
        if number % 3 == 0:
            return port.ask("GET", "/api/users/", {"Authorization": basic("admin", f"guess-{number}")})
        if number % 3 == 1:
            return port.ask("GET", "/api/users/", {"Authorization": f"Api-Token guess.{number}"})
        return port.ask("POST", "/api/token/", body=json.dumps({"username": "admin", "password": f"guess-{number}"}))

    # An unknown user and a wrong password look the same.
    unknown = port.ask("GET", "/api/users/", {"Authorization": basic("nobody", PASSWORD)})
    answers = [guess(number) for number in range(9)]
    assert unknown.status == 401 and unknown.data == answers[0].data
    assert {answer.status for answer in answers} == {401}
    # From now on guesses of this client are looked at one by one.
    slowed = [guess(number) for number in range(9, 15)]
    assert {answer.status for answer in slowed} == {429} and int(slowed[0].headers["Retry-After"]) >= 1
    # What is right opens all the same: nobody shuts anybody out.
    assert port.ask("GET", "/api/users/", ADMIN).status == 200
    assert port.ask("POST", "/api/token/", body=json.dumps({"username": "admin", "password": PASSWORD})).status == 200


def test_i4_pages_of_other_sites_change_nothing(port):
    host = port.url.removeprefix("https://")
    for headers in [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]:
        for path in ["/api/users/", "/api/pairing-token", "/api/s3keys/"]:
            answer = port.ask("POST", path, {**ADMIN, **headers})
            assert answer.status == 403, f"{headers} {path}: {answer.status}"
    plain = port.ask("POST", "/api/users/", {**ADMIN, "Content-Type": "text/plain"}, '{"name": "csrf"}')
    assert plain.status == 415
    assert port.admin("GET", "/api/users/") == []
    own = port.ask("POST", "/api/users/", {**ADMIN, "Origin": f"https://{host}"}, '{"name": "own"}')
    assert own.status == 201


def test_i9_and_i10_what_anybody_sees_tells_no_secret(port):
    user = port.admin("POST", "/api/users/", name="canary", s3_superuser=True)
    keys = f"/api/users/{user['id']}/access_keys/"
    port.admin("POST", keys, access_key="AKIACANARY0000000002", secret_key=CANARY)
    assert s3_client(port.node.s3, "AKIACANARY0000000002", CANARY).list_buckets()["Buckets"] == []
    seen = [port.ask("GET", path, ADMIN).data for path in ["/metrics", "/api/status", "/health", "/primary", "/replica"]]
    document = port.admin("GET", "/api/openapi.json")
    for path, place in document["paths"].items():
        if "get" in place and "{" not in path:
            seen.append(port.ask("GET", "/api" + path, ADMIN).data)
    # A pair that is somebody else's, one that is half, one that is malformed.
    for body in [{"access_key": ACCESS_KEY, "secret_key": CANARY}, {"secret_key": CANARY}, {"access_key": "a b", "secret_key": CANARY}]:
        answer = port.ask("POST", keys, ADMIN, json.dumps(body))
        assert answer.status in (400, 409), answer.data
        seen.append(answer.data)
    seen.append(port.ask("POST", keys, ADMIN, f'{{"secret_key": "{CANARY}"').data)
    assert all(CANARY.encode() not in data and PASSWORD.encode() not in data for data in seen)
    assert port.ask("GET", "/metrics").status == 401
    log = (port.node.directory / "log").read_bytes()
    assert CANARY.encode() not in log and PASSWORD.encode() not in log
    files = [path for path in (port.node.directory / "data").rglob("*") if path.is_file()]
    assert all(CANARY.encode() not in path.read_bytes() for path in files)
    token_key = port.node.directory / "data" / "admin-token.key"
    assert token_key.stat().st_mode & 0o777 == 0o600


def test_i11_imports_reach_nothing_that_their_maker_may_not_name(port):
    for tenants in [
        [{"name": "root", "account_id": "000000000000"}],
        [{"name": "default"}],
        [{"name": "x", "organizational_unit_id": "ou-nowhere"}],
        [{"name": "x", "account_id": "../../1"}],
        ["x"],
        [{"name": "x" * 10_000}],
    ]:
        answer = port.ask("POST", "/api/tenants/bulk/", ADMIN, json.dumps({"tenants": [{"name": "good"}, *tenants]}))
        assert answer.status in (400, 404, 409), f"{str(tenants)[:80]}: {answer.status} {answer.data}"
    assert [tenant["name"] for tenant in port.admin("GET", "/api/tenants/")] == ["default"]


def test_every_change_and_every_failed_login_is_a_line_of_the_audit_log(port):
    user = port.admin("POST", "/api/users/", name="audited")
    port.admin("PATCH", "/api/users/query/", username="audited", s3_superuser=True)
    port.ask("GET", "/api/users/", {"Authorization": basic("admin", "a-wrong-password")})

    def told():
        lines = [line for line in (port.node.directory / "log").read_text().splitlines() if line.startswith('{"time"')]
        events = [json.loads(line) for line in lines]
        changed = [event for event in events if event["event"] == "identity-changed" and event.get("resource") == "audited"]
        failed = [event for event in events if event["event"] == "unauthenticated" and event["face"] == "admin"]
        raised = [event for event in events if event["operation"] == f"PATCH users/{user['id']}"]
        return changed and raised and failed and (changed[0], failed[0])

    changed, failed = wait_until("the audit log tells of both", told)
    assert changed["operation"] == "POST users" and changed["who"]["arn"] == "admin" and changed["from"] == "127.0.0.1"
    assert failed["operation"] == "GET /api/users/"
