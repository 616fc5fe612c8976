"""Makes the golden directories, with the build whose directories they shall be. They are made once and kept.

    TANDEM_BIN=/path/to/that/tandem python tests/clients/golden/make.py pair
    TANDEM_BIN=/path/to/that/tandem python tests/clients/golden/make.py lacking

`pair` is a source and a destination that have everything: versions, tags, an upload. `lacking` needs a build that has the
fault of deltas that end inside a commit: it writes until the destination lacks keys while every report is green. A disk
whose syncs take long helps: commits are larger then. `LD_PRELOAD_OF_SOURCE` names a library that slows them down.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from conftest import ACCESS_KEY, SECRET_KEY, binary, wait_until  # noqa: E402
from golden_nodes import GOLDEN, TEN_YEARS, Golden, content, names  # noqa: E402


def start(directory, interval):
    slow = {"LD_PRELOAD": os.environ["LD_PRELOAD_OF_SOURCE"]} if "LD_PRELOAD_OF_SOURCE" in os.environ else {}
    a, b = Golden(directory, "a", extra=slow).start(), Golden(directory, "b").start()
    token = json.loads(b.tandem("peer", "token", "--json").stdout)["token"]
    (directory / "token").write_text(token)
    a.tandem("peer", "add", "b", "--token-file", str(directory / "token"))
    keep = ["--keep-local", TEN_YEARS, "--keep-remote", TEN_YEARS]
    a.tandem("path", "create", "/", "--peer", "b", "--interval", str(interval), *keep)
    return a, b


def is_caught_up(a, b):
    one, two = a.path(), b.path()
    points = one["restore_point"], two["restore_point"]
    return all(points) and points[0]["guid"] == points[1]["guid"] and one["state"] == two["state"] == "Active"


def fill(s3):
    s3.create_bucket(Bucket="plain")
    for number in range(12):
        s3.put_object(
            Bucket="plain", Key=f"key/{number:02}", Body=b"x" * number * 100, Metadata={"number": str(number)},
            ContentType="text/golden", Tagging=f"number={number}",
        )
    s3.put_object(Bucket="plain", Key="large", Body=bytes(range(256)) * 400)
    s3.delete_object(Bucket="plain", Key="key/03")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    for number in range(4):
        s3.put_object(Bucket="kept", Key="many", Body=f"version {number}".encode(), Tagging=f"v={number}")
    s3.put_object(Bucket="kept", Key="gone", Body=b"gone")
    s3.delete_object(Bucket="kept", Key="gone")
    upload = s3.create_multipart_upload(Bucket="kept", Key="begun", Metadata={"is": "begun"})["UploadId"]
    s3.upload_part(Bucket="kept", Key="begun", UploadId=upload, PartNumber=1, Body=b"part one")


def keep(directory, name, told):
    """Packs the directories of stopped nodes without what every start makes."""
    with tarfile.open(GOLDEN / f"{name}.tar.xz", "w:xz", preset=9) as archive:
        for node in "ab":
            (directory / node / "reserve").unlink(missing_ok=True)
            archive.add(directory / node, arcname=node)
    (GOLDEN / f"{name}.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


def pair(directory):
    a, b = start(directory, 1)
    fill(a.s3())
    expected = content(a.s3())
    wait_until("b has everything", lambda: content(b.s3()) == expected and is_caught_up(a, b))
    told = {"content": expected, "restore_point": a.path()["restore_point"]["guid"]}
    assert (a.stop(), b.stop()) == (0, 0)
    keep(directory, "pair", told)


def lacking(directory):
    """One burst of small objects with snapshots in its middle; whether b lacks some of them."""
    a, b = start(directory, 2)
    a.s3().create_bucket(Bucket="burst")
    wait_until("b has the bucket", lambda: is_caught_up(a, b) and b.s3().list_buckets()["Buckets"])
    environment = {**a.environment(), "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    burst = subprocess.Popen([
        binary(), "bench", "s3", "--endpoint", a.addresses["s3"], "--access-key", ACCESS_KEY, "--bucket", "burst",
        "--op", "put", "--size", "16", "--concurrency", "200", "--count", "2500", "--threads", "2",
    ], env=environment, stdout=subprocess.DEVNULL)
    assert burst.wait() == 0
    over = time.monotonic()

    def has_everything():
        """Whether b says that it is complete up to a moment after the burst."""
        since = time.monotonic() - over
        return b.path()["rpo_lag_seconds"] < since and is_caught_up(a, b)

    wait_until("b says that it has everything", has_everything)
    there, here = names(a.s3(), "burst"), names(b.s3(), "burst")
    missing = sorted(set(there) - set(here))
    print(f"{len(there)} keys, b lacks {len(missing)}")
    told = {"keys": len(there), "missing": missing, "restore_point": a.path()["restore_point"]["guid"]}
    assert (a.stop(), b.stop()) == (0, 0)
    if missing:
        keep(directory, "lacking", told)
    return bool(missing)


def main():
    for _ in range(200):
        directory = pathlib.Path(tempfile.mkdtemp())
        try:
            if {"pair": pair, "lacking": lacking}[sys.argv[1]](directory) is not False:
                return
        finally:
            shutil.rmtree(directory)
    sys.exit("b has lacked nothing: try again")


main()
