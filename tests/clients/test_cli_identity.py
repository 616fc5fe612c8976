"""Identities by `tandem user|group|role|key|policy|account`: what is made works with S3, and tables are for people."""

import json
import os
import subprocess

import canaries
import pytest
from botocore.exceptions import ClientError
from conftest import Node, binary, s3_client

PASSWORD = "the-password-of-the-cli-tests"
canaries.keep_password(PASSWORD)
ALLOW = {"Version": "2012-10-17", "Statement": [{"Sid": "read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]}


class Cli:
    def __init__(self, node):
        self.node = node

    def run(self, *words, stdin="", check=True, **environment):
        addresses = self.node.addresses
        environment = {
            **os.environ, "TANDEM_PASSWORD": PASSWORD, "TANDEM_ADMIN": addresses["admin"], "TANDEM_CA": addresses["admin_ca"],
            **environment,
        }
        done = subprocess.run([binary(), *words], env=environment, input=stdin, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        canaries.told(done.stdout + done.stderr)
        return done

    def json(self, *words, **more):
        return json.loads(self.run(*words, "--json", **more).stdout)

    def fails(self, *words, **more):
        done = self.run(*words, check=False, **more)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="module")
def cli_node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("cli"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture
def cli(cli_node):
    return Cli(cli_node)


def test_a_local_user_with_a_key_makes_its_own_bucket(cli):
    shown = cli.run("user", "create", "alice", "--uid", "1001", "--allow-create-bucket").stdout
    assert "alice" in shown and "1001" in shown
    pair = cli.json("key", "create", "alice")
    client = s3_client(cli.node.s3, pair["access_key"], pair["secret_key"])
    client.create_bucket(Bucket="alices")
    client.put_object(Bucket="alices", Key="k", Body=b"x")
    cli.run("key", "disable", pair["access_key"])
    with pytest.raises(ClientError):
        client.get_object(Bucket="alices", Key="k")
    cli.run("key", "enable", pair["access_key"])
    client.get_object(Bucket="alices", Key="k")
    table = cli.run("key", "list", "--of", "alice").stdout
    assert table.startswith("ACCESS KEY") and pair["access_key"] in table and pair["secret_key"] not in table
    cli.run("key", "delete", pair["access_key"], "--yes")
    assert "there is no access key" in cli.fails("key", "delete", pair["access_key"], "--yes")
    assert cli.json("user", "set", "alice", "--allow-create-bucket", "false", "--uid", "1002")["uid"] == 1002


@pytest.mark.parametrize("way", ["file", "environment", "stdin"])
def test_a_known_pair_is_provided_and_its_secret_is_no_flag(cli, tmp_path, way):
    secret, access_key = f"a-secret-that-came-by-{way}", f"AKIAKNOWN{way.upper()}"
    canaries.keep(secret, "the provided secret")
    cli.run("user", "create", f"known-{way}", "--superuser")
    words = ["key", "provide", f"known-{way}", access_key]
    if way == "file":
        (tmp_path / "secret").write_text(secret + "\n")
        (tmp_path / "secret").chmod(0o600)
        cli.run(*words, "--secret-key-file", str(tmp_path / "secret"))
    elif way == "environment":
        cli.run(*words, TANDEM_SECRET_KEY=secret)
    else:
        cli.run(*words, stdin=secret + "\n")
    assert s3_client(cli.node.s3, access_key, secret).list_buckets()["Buckets"] is not None
    assert "already exists" in cli.fails(*words, stdin="another-secret-of-that-key\n")


def test_policies_are_attached_explained_and_detached(cli, tmp_path):
    document = tmp_path / "read.json"
    document.write_text(json.dumps(ALLOW))
    cli.run("policy", "create", "readers", str(document))
    cli.run("user", "create", "carol", "--iam")
    cli.run("group", "create", "staff", "--gid", "100", "--policy", "readers")
    explain = ["policy", "explain", "carol", "s3:GetObject", "photos/cat.jpg"]
    assert cli.json(*explain)["decision"] == "implicitDeny"
    cli.run("group", "add-member", "staff", "carol")
    verdict = cli.json(*explain)
    assert cli.json("policy", "explain", "user/carol", *explain[3:])["decision"] == verdict["decision"]
    assert verdict["allowed"] and verdict["sid"] == "read" and "readers" in verdict["why"]
    assert "readers" in cli.run(*explain).stdout
    cli.run("group", "remove-member", "staff", "carol")
    assert not cli.json(*explain)["allowed"]
    cli.run("policy", "attach", "readers", "user/carol")
    assert cli.json(*explain)["allowed"]
    cli.run("policy", "disable", "readers")
    assert not cli.json(*explain)["allowed"]
    cli.run("policy", "enable", "readers")
    assert cli.json("policy", "show", "readers")["users"] == ["carol"]
    cli.run("user", "detach", "carol", "readers")
    assert not cli.json(*explain)["allowed"]
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}]}
    (tmp_path / "trust.json").write_text(json.dumps(trust))
    role = cli.json("role", "create", "reader", "--trust", str(tmp_path / "trust.json"), "--policy", "readers")
    for principal in (role["arn"], f"role/{role['name']}"):
        assert cli.json("policy", "explain", principal, "s3:GetObject", "photos/cat.jpg")["allowed"]
    cli.run("user", "attach", "carol", "AmazonS3ReadOnlyAccess")
    assert "AmazonS3ReadOnlyAccess" in cli.json(*explain)["why"]
    cli.run("user", "detach", "carol", "AmazonS3ReadOnlyAccess")
    cli.run("policy", "delete", "readers", "--yes")
    assert not cli.json("policy", "explain", role["arn"], "s3:GetObject", "photos/cat.jpg")["allowed"]
    cli.run("role", "delete", "reader", "--yes")
    cli.run("group", "delete", "staff", "--yes")
    assert "there is no role" in cli.fails("role", "show", "reader")
    assert "policy" in cli.fails("policy", "create", "bad", "-", stdin="{}")


def test_cases_of_a_file_are_simulated_without_a_node_and_against_one(cli, tmp_path):
    alice = "arn:aws:iam::000000000000:user/simulated"
    (tmp_path / "read.json").write_text(json.dumps(ALLOW))
    cases = [
        {"principal": alice, "action": "s3:GetObject", "resource": "photos/cat.jpg", "expect": "allow"},
        {"principal": alice, "action": "s3:PutObject", "resource": "photos/cat.jpg", "expect": "deny"},
    ]
    (tmp_path / "cases.json").write_text(json.dumps({"identity_policies": ["read.json", ALLOW], "cases": cases}))
    table = cli.run("policy", "simulate", str(tmp_path / "cases.json"), TANDEM_ADMIN="https://127.0.0.1:1").stdout
    assert table.count("yes ") == 2 and "given 0, statement 0 (Sid read)" in table
    cli.run("user", "create", "simulated", "--iam")
    node = cli.json("policy", "simulate", str(tmp_path / "read.json"), "--node", "--principal", alice, "--action", "s3:GetObject", "--resource", "photos/a")
    assert node[0]["allowed"]
    cases[1]["expect"] = "allow"
    (tmp_path / "cases.json").write_text(json.dumps({"identity_policies": ["read.json"], "cases": cases}))
    assert "1 of 2 cases" in cli.fails("policy", "simulate", str(tmp_path / "cases.json"))


def test_accounts_come_one_by_one_and_in_bulk(cli):
    made = cli.json("account", "create", "backup", "--id", "123456789012", "--email", "backup@example.com")
    assert made["account_id"] == "123456789012" and len(made["canonical_id"]) == 64
    unit = cli.json("account", "create-unit", "research")
    lines = "".join(f"bulk-{number}, bulk-{number}@example.com,,{unit['id']}\n" for number in range(1200))
    assert len(cli.json("account", "create", "--from", "-", stdin="# many\n" + lines)) == 1200
    assert "bulk-1199" in cli.run("account", "list").stdout
    cli.run("user", "create", "dora", "--iam", "--account", "backup")
    assert cli.json("user", "show", "dora", "--account", "123456789012")["arn"] == "arn:aws:iam::123456789012:user/dora"
    assert "there is no user dora" in cli.fails("user", "show", "dora")
    assert cli.run("account", "delete", "backup", "--yes", check=False).returncode == 1
    cli.run("user", "delete", "dora", "--yes", "--account", "backup")
    cli.run("account", "delete", "backup", "--yes")
    assert "no terminal" in cli.fails("account", "delete", "bulk-0")
