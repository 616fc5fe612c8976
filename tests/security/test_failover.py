"""Orders that change which node writes: who may give them, what confirms them, and that they are on record first."""

import base64
import json
import pathlib
import sys
import urllib.parse

import pytest
import urllib3

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

from conftest import Testbed, wait_until  # noqa: E402


class Bed(Testbed):
    """Two real nodes, whose audit logs go to their standard errors."""

    def __init__(self, directory, *extra):
        super().__init__(directory, *extra)
        self.pool = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)
        urllib3.disable_warnings()

    def ask(self, side, method, path, body=None, **headers):
        login = f"{self.facts['admin_user']}:{self.facts['admin_password']}"
        headers.setdefault("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        if headers["Authorization"] is None:
            del headers["Authorization"]
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        # A refused request's body stays unread, and its connection is of no use afterwards.
        headers["Connection"] = "close"
        url = self.facts[side]["admin"] + path
        return self.pool.request(method, url, headers=headers, body=json.dumps(body) if body is not None else None)

    def orders(self):
        """What the audit log says that operators ordered. It is read once: what counts must be there already."""
        logs = [line for side in "ab" for line in (self.directory / f"{side}.log").read_text().splitlines()]
        lines = sorted((json.loads(line) for line in logs if line.startswith('{"time"')), key=lambda line: line["time"])
        return [(line["operation"], line.get("resource")) for line in lines if line["event"] == "replication-ordered"]

    def states(self):
        return [(self.path(side)["role"], self.path(side)["epoch"]) for side in "ab"]


@pytest.fixture
def bed(tmp_path):
    bed = Bed(tmp_path)
    bed.s3("a").create_bucket(Bucket="story")
    wait_until("b has a restore point", lambda: bed.path("b")["restore_point"])
    yield bed
    bed.stop()


def orders_of(path, epoch, guid):
    """Every order that needs a confirmation, and the confirmation."""
    modes = ["graceful", "stand-alone", "force"]
    posts = [("/api/paths/failover", {"path": path, "mode": mode}, f"{mode} {path} {epoch} {guid}") for mode in modes]
    posts.append(("/api/paths/reattach", {"path": path}, f"reattach {path} {epoch} {guid}"))
    return [("POST", *post) for post in posts] + [
        ("DELETE", "/api/paths", {"path": path}, f"remove {path} {epoch} {guid}"),
        ("DELETE", "/api/diverged", {"path": path, "epoch": epoch}, f"discard {path} {epoch} {guid}"),
    ]


def send(bed, side, method, place, words, **headers):
    if method == "DELETE":
        return bed.ask(side, method, f"{place}?{urllib.parse.urlencode(words)}", **headers)
    return bed.ask(side, method, place, words, **headers)


def test_j12_orders_need_a_login_and_a_confirmation_that_fits_and_are_on_record_first(bed):
    path, epoch, guid = (bed.path("b")[name] for name in ("path", "epoch", "guid"))
    before, told = bed.states(), bed.orders()
    root = "Basic " + base64.b64encode(f"{bed.facts['access_key']}:{bed.facts['secret_key']}".encode()).decode()
    for method, place, words, confirm in orders_of(path, epoch, guid):
        full = {**words, "confirm": confirm}
        what = f"{method} {place} {words}"
        # Nobody, the S3 administrator, and a page of another site: whatever they confirm.
        assert send(bed, "b", method, place, full, Authorization=None).status == 401, what
        assert send(bed, "b", method, place, full, Origin="https://evil.example").status == 403, what
        # The operator, without confirming, or confirming something else.
        assert send(bed, "b", method, place, words).status == 428, what
        order = confirm.split()[0]
        others = [f"{order} /other {epoch} {guid}", f"abort {path} {epoch} {guid}", f"{order} {path} {epoch}", f"{order} {path} {epoch} {'0' * 32}"]
        for other in ["", "yes", confirm + "0", *others]:
            assert send(bed, "b", method, place, {**words, "confirm": other}).status == 409, f"{what}: {other}"
    assert send(bed, "b", *orders_of(path, epoch, guid)[2][:2], {"path": path, "mode": "force"}, Authorization=root).status == 401
    assert (bed.states(), bed.orders()) == (before, told), "something happened"

    # One that the path refuses is on record all the same: the record comes first.
    refused = bed.ask("a", "POST", "/api/paths/failover", {"path": path, "mode": "force", "confirm": f"force {path} {epoch} {guid}"})
    assert refused.status == 400 and b"Source" in refused.data
    assert bed.orders()[len(told):] == [("POST paths/failover force", path)]
    forced = {"path": path, "mode": "force", "confirm": f"force {path} {epoch} {guid}"}
    assert bed.ask("b", "POST", "/api/paths/failover", forced).status == 200
    assert bed.orders()[len(told):] == [("POST paths/failover force", path)] * 2
    # The very same request again, and one for the other direction from the same time, come too late.
    after = wait_until("b writes", lambda: bed.path("b")["writable"] and bed.path("b")["epoch"])
    assert after > epoch
    assert bed.ask("b", "POST", "/api/paths/failover", forced).status == 409
    stale = {"path": path, "mode": "graceful", "confirm": f"graceful {path} {epoch} {guid}"}
    assert bed.ask("b", "POST", "/api/paths/failover", stale).status == 409
    assert (bed.path("b")["role"], bed.path("b")["epoch"]) == ("Source", after)


def test_a_confirmation_does_not_fit_a_path_that_was_made_anew(tmp_path):
    bed = Bed(tmp_path, "--protect", "story")
    try:
        old = wait_until("a has a restore point", lambda: bed.path("a")["restore_point"] and bed.path("a"))
        bed.tandem("a", "path", "remove", "/story", "--yes")
        wait_until("b knows", lambda: bed.status("b")["paths"] == [])
        bed.tandem("a", "path", "create", "/story", "--peer", "b", "--interval", "1")
        new = wait_until("it is protected again", lambda: bed.path("a")["restore_point"] and bed.path("a"))
        assert (old["path"], old["epoch"]) == (new["path"], new["epoch"]) and old["guid"] != new["guid"]
        for method, place, words, confirm in orders_of("/story", old["epoch"], old["guid"]):
            assert send(bed, "a", method, place, {**words, "confirm": confirm}).status == 409, f"{method} {place} {words}"
        assert bed.path("a")["guid"] == new["guid"]
    finally:
        bed.stop()


def test_the_command_line_confirms_what_it_showed(bed):
    assert bed.tandem("b", "failover", "--graceful", check=False).returncode != 0, "without a terminal and without --yes"
    assert bed.path("b")["role"] == "Destination"
    bed.tandem("b", "failover", "--graceful", "--yes")
    assert bed.path("b")["role"] == "Source"
    wait_until("a follows", lambda: bed.path("a")["role"] == "Destination" and bed.path("a")["state"] == "Active")
    bed.tandem("a", "failover", "--stand-alone", "--yes")
    wait_until("both stand alone", lambda: [bed.path(side)["role"] for side in "ab"] == ["Standalone"] * 2)
    bed.tandem("b", "path", "reattach", "/")
    wait_until("b is the source", lambda: [bed.path(side)["role"] for side in "ab"] == ["Destination", "Source"])
    wait_until("a follows again", lambda: bed.path("b")["state"] == "Active")
    bed.tandem("b", "path", "replicate-now", "/")
    bed.tandem("b", "path", "remove", "/", "--yes")
    assert bed.status("b")["paths"] == []
    ordered = [operation for operation, _ in bed.orders()]
    expected = [
        "POST paths/failover graceful", "POST paths/failover stand-alone", "POST paths/reattach", "POST paths/replicate-now",
        "DELETE paths",
    ]
    assert [operation for operation in ordered if operation in expected] == expected
