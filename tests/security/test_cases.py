"""The security table, asked of the real binary. `cases.toml` is the test; this file only walks it."""

import pathlib
import re
import sys
import tomllib
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import waits  # noqa: E402
import wire  # noqa: E402
from builders import BUILDERS, Target  # noqa: E402
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, s3_client  # noqa: E402

CASES = tomllib.loads((HERE / "cases.toml").read_text())["case"]
SECTIONS = {"A": 22, "B": 13, "C": 18, "D": 14, "E": 25, "F": 15, "G": 10, "H": 12, "I": 13, "J": 15, "K": 6}
# Section L has the numbers of the attacks that it is about.
ATTACKS = [2, 3, 4, 5, 10, 17, 18]
INPUTS = [
    pytest.param(case, given, id=f"{case['id']}-{number}")
    for case in CASES for number, given in enumerate(case.get("inputs", []), 1)
]
WAITING = [pytest.param(case, id=case["id"]) for case in CASES if "waits_for" in case]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("attacked"), environment={"TANDEM_PASSWORD": waits.PASSWORD})
    s3 = s3_client(node.s3)
    s3.create_bucket(Bucket="attacked")
    s3.put_object(Bucket="attacked", Key="present", Body=b"present")
    address = urllib.parse.urlsplit(node.s3)
    target = Target(address.hostname, address.port, ACCESS_KEY, SECRET_KEY, REGION, "attacked")
    yield node, s3, target
    log = (node.directory / "log").read_text(errors="replace")
    assert SECRET_KEY not in log
    assert node.stop() == 0


def test_the_table_has_every_row():
    ids = [case["id"] for case in CASES]
    wanted = [f"{letter}{n}" for letter, count in SECTIONS.items() for n in range(1, count + 1)]
    assert sorted(ids) == sorted([*wanted, *(f"L{n}" for n in ATTACKS)])
    for case in CASES:
        assert case.get("inputs") or case.get("waits_for") or case.get("shown_by"), f"{case['id']} proves nothing"
        for place in case.get("shown_by", "").split("; "):
            file, _, test = place.partition(" ")
            path = HERE.parent.parent / file.rstrip(":,")
            assert "/" not in file or path.exists(), f"{case['id']}: there is no {file}"
            named = re.fullmatch(r"[a-z][a-z0-9_]+", test) and path.is_file()
            assert not named or f" {test}(" in path.read_text(), f"{case['id']}: {file} has no {test}"


def contents(s3):
    return {entry["Key"] for entry in s3.list_objects_v2(Bucket="attacked").get("Contents", [])}


@pytest.mark.parametrize("case,given", INPUTS)
def test_case(attacked, case, given):
    node, s3, target = attacked
    given = dict(given)
    statuses, codes = given.pop("status"), given.pop("code", None)
    stores, lacks = given.pop("stores", None), given.pop("answer_lacks", None)
    half_close, contains = given.pop("half_close", False), given.pop("answer_has", None)
    no_interim, setup = given.pop("no_interim", False), given.pop("upload", False)
    before = contents(s3)
    if setup:
        upload = s3.create_multipart_upload(Bucket="attacked", Key="victim")["UploadId"]
        given = {name: value.replace("{upload}", upload) if isinstance(value, str) else value for name, value in given.items()}
    data, method = BUILDERS[given.pop("build")](target, **given)
    answer = wire.send(target.host, target.port, data, method, half_close=half_close)
    assert answer is not None, "the connection was closed without an answer"
    statuses = statuses if isinstance(statuses, list) else [statuses]
    codes = codes if isinstance(codes, list) else [codes]
    assert answer.status in statuses, answer
    if codes != [None] and method != "HEAD":
        assert answer.code in codes, answer
        assert answer.headers.get("x-amz-request-id"), "an error without a request id"
        assert answer.headers.get("content-type") == "application/xml"
    assert not (no_interim and answer.interim), "100 Continue was sent before the refusal"
    assert lacks is None or lacks.encode() not in answer.body, answer
    assert contains is None or contains.encode() in answer.body, answer
    assert SECRET_KEY.encode() not in answer.body
    stored = contents(s3) - before
    assert stored == ({stores} if stores else set()), "what is stored differs from what the row says"
    if stores:
        s3.delete_object(Bucket="attacked", Key=stores)
    assert node.process.poll() is None, "the node died"


@pytest.mark.parametrize("case", WAITING)
def test_a_waiting_row_waits_for_something_that_is_not_there(attacked, case):
    node, s3, target = attacked
    assert not waits.exists(case["waits_for"], node, target), f"{case['waits_for']} exists now: give {case['id']} its inputs"


def test_every_probe_is_waited_for_and_can_turn(attacked):
    """What is asked of a thing that is not there is asked of one that is, and the answers differ."""
    node, _, target = attacked
    assert sorted(waits.PROBES) == sorted({case["waits_for"] for case in CASES if "waits_for" in case})
    for there in ["acl", "policy", "publicAccessBlock", "tagging", "versioning"]:
        assert not waits.answers_not_implemented(target, path="/{bucket}", query=there), there
    assert waits.answers_not_implemented(target, path="/{bucket}", query="website")
    assert waits.admin_answer(node, "/api/users/") == (200, "application/json")
    assert waits.admin_answer(node, "/nothing-is-here/") is None
