"""Fixtures: the real binary as one node, or as the two nodes of `tandem testbed`, and stock clients for them."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.parse

import boto3
import pytest
from botocore.config import Config
from vastpy import VASTClient

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import canaries  # noqa: E402

ACCESS_KEY = "AKIATANDEMTESTS00001"
SECRET_KEY = "the-secret-key-of-the-client-tests-0001"
REGION = "us-east-1"
canaries.keep(SECRET_KEY, "the administrator's secret key")
DEADLINE_SECONDS = 60


def binary():
    path = os.environ.get("TANDEM_BIN")
    if not path:
        pytest.exit("TANDEM_BIN is not set; run these tests with `cargo xtask clients`", returncode=2)
    return path


def wait_until(what, check, deadline_seconds=DEADLINE_SECONDS):
    """Polls until `check` gives something true, and returns it."""
    end = time.monotonic() + deadline_seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_seconds} s: {what}")
        time.sleep(0.05)


def address(url):
    """host:port"""
    return urllib.parse.urlsplit(url).netloc


class Node:
    """One `tandem server` process on loopback. When it stops, nothing that it answered, logged or stored holds a secret."""

    def __init__(self, directory, extra=(), environment=None, data=None, start=True, by_files=False):
        self.directory = pathlib.Path(directory)
        self.data = data or self.directory / "data"
        self.ready = self.directory / "ready.json"
        self.extra = list(extra)
        self.environment = environment or {}
        self.by_files = by_files
        self.process = None
        if start:
            self.start()

    def launch(self):
        """Starts the process, and does not wait for it."""
        self.ready.unlink(missing_ok=True)
        command = [
            binary(), "server", "--data-dir", str(self.data), "--ready-file", str(self.ready),
            "--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--replication-listen", "127.0.0.1:0",
            *self.extra,
        ]
        environment = {
            **os.environ,
            "TANDEM_ROOT_ACCESS_KEY": ACCESS_KEY,
            "TANDEM_REGION": REGION,
            **self.environment,
        }
        if not self.by_files:
            environment.setdefault("TANDEM_ROOT_SECRET_KEY", SECRET_KEY)
        self.log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def start(self):
        self.launch()

        def started():
            assert self.process.poll() is None, (self.directory / "log").read_text(errors="replace")[-4000:]
            return self.ready.exists() and self.ready.read_text().strip()

        self.addresses = json.loads(wait_until("the node is ready", started))
        self.s3 = self.addresses["s3"]
        return self

    def kill(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self):
        if self.process.poll() is None:
            canaries.check_process(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=DEADLINE_SECONDS)
        self.log.close()
        canaries.check_files(pathlib.Path(self.data), *self.directory.glob("*log"))
        canaries.none()
        return self.process.returncode


def s3_client(endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, token=None, **config):
    settings = {"retries": {"max_attempts": 1}, "connect_timeout": 5, "read_timeout": 60, **config}
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        aws_session_token=token, region_name=region, config=Config(**settings),
    )


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("node"))
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="session")
def s3(node):
    return s3_client(node.s3)


_buckets = iter(range(10**6))


@pytest.fixture
def bucket(s3):
    """A new, empty bucket."""
    name = f"bucket-{next(_buckets)}"
    s3.create_bucket(Bucket=name)
    return name


class Testbed:
    """The two nodes of `tandem testbed --json`."""

    __test__ = False

    def __init__(self, directory, *extra):
        self.directory = directory
        self.restarted = []
        self.process = subprocess.Popen(
            [binary(), "testbed", "--json", "--dir", str(directory), "--interval", "1", *extra],
            stdout=subprocess.PIPE, stderr=open(directory / "testbed.log", "ab"), text=True,
        )
        line = self.process.stdout.readline()
        assert line, (directory / "testbed.log").read_text(errors="replace")[-4000:]
        self.facts = json.loads(line)
        canaries.keep(self.facts["secret_key"], "the testbed's secret key")
        canaries.keep_password(self.facts["admin_password"])
        self.a, self.b = self.facts["a"], self.facts["b"]

    def s3(self, side, **config):
        facts = self.facts
        return s3_client(facts[side]["s3"], facts["access_key"], facts["secret_key"], facts["region"], **config)

    def vms(self, side):
        """vastpy as the administrator of one node."""
        facts = self.facts
        return VASTClient(
            user=facts["admin_user"], password=facts["admin_password"], address=address(facts[side]["admin"]),
            cert_file=facts["admin_ca"], cert_server_name="localhost",
        )

    def tandem(self, side, *words, check=True):
        """Runs an operator's command against one node's admin port."""
        facts = self.facts
        environment = {**os.environ, "TANDEM_PASSWORD": facts["admin_password"]}
        command = [
            binary(), *words, "--admin", facts[side]["admin"], "--user", facts["admin_user"], "--ca", facts["admin_ca"],
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        canaries.told(done.stdout + done.stderr)
        return done

    def status(self, side):
        return json.loads(self.tandem(side, "status", "--json").stdout)

    def path(self, side):
        return self.status(side)["paths"][0]

    def stop(self):
        for process in self.restarted:
            process.terminate()
            process.wait(timeout=DEADLINE_SECONDS)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=DEADLINE_SECONDS)
        finally:
            self.process.kill()
        canaries.check_files(*(self.directory / name for name in ("a", "b", "a.log", "b.log", "testbed.log")))
        canaries.none()
        return self.process.returncode


@pytest.fixture
def testbed(tmp_path):
    bed = Testbed(tmp_path)
    yield bed
    bed.stop()
