"""Clients that take their time, and clients that only hold connections."""

import pathlib
import socket
import sys
import time
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import wire  # noqa: E402
from builders import Target, signed  # noqa: E402
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, s3_client  # noqa: E402


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A node with short timeouts and few connections, so that limits are met soon."""
    node = Node(
        tmp_path_factory.mktemp("slow"),
        extra=["--header-timeout-seconds", "1", "--idle-timeout-seconds", "2", "--body-idle-timeout-seconds", "1", "--connections-max", "40"],
    )
    s3_client(node.s3).create_bucket(Bucket="attacked")
    address = urllib.parse.urlsplit(node.s3)
    yield node, Target(address.hostname, address.port, ACCESS_KEY, SECRET_KEY, REGION, "attacked")
    assert node.stop() == 0


def connect(target):
    connection = socket.create_connection((target.host, target.port), timeout=30)
    return connection


def test_headers_that_never_end_are_ended_by_the_server(patient):
    _, target = patient
    with connect(target) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        while connection.recv(4096):
            pass
        assert time.monotonic() - began < 15


def test_a_body_that_stops_is_a_request_timeout_and_stores_nothing(patient):
    node, target = patient
    data, _ = signed(target, method="PUT", path="/{bucket}/victim", payload_hash="UNSIGNED-PAYLOAD", length=100_000)
    with connect(target) as connection:
        connection.sendall(data.replace(b"Connection: close\r\n", b"") + b"begun")
        answer = wire.read_answer(connection.makefile("rb"), "PUT")
    assert answer is None or (answer.status, answer.code) == (400, "RequestTimeout")
    assert "Contents" not in s3_client(node.s3).list_objects_v2(Bucket="attacked")


def test_idle_connections_do_not_keep_new_clients_out_for_long(patient):
    node, target = patient
    idle = [connect(target) for _ in range(60)]
    try:
        end = time.monotonic() + 30
        while True:
            try:
                assert "attacked" in [bucket["Name"] for bucket in s3_client(node.s3).list_buckets()["Buckets"]]
                break
            except Exception:
                assert time.monotonic() < end, "idle connections shut everybody out"
    finally:
        for connection in idle:
            connection.close()


def test_one_address_cannot_take_every_place(tmp_path):
    """Connections of one client address are bounded apart from all: the surplus is told to slow down, others are served."""
    node = Node(tmp_path, extra=["--connections-max", "64", "--connections-per-address-max", "8"])
    port = urllib.parse.urlsplit(node.s3).port
    held = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(8)]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as surplus:
            answer = wire.read_answer(surplus.makefile("rb"), "GET")
            assert (answer.status, answer.code) == (503, "SlowDown")
        other = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=("127.0.0.2", 0))
        with other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert wire.read_answer(other.makefile("rb"), "GET").status == 403
    finally:
        for connection in held:
            connection.close()
    assert node.stop() == 0
