"""The two nodes of the golden directories: the settings they were made with, and what clients see of them."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tarfile

from conftest import DEADLINE_SECONDS, ACCESS_KEY, SECRET_KEY, binary, s3_client, wait_until

GOLDEN = pathlib.Path(__file__).parent / "golden"
PASSWORD = "the-admin-password-of-golden-nodes-01"
#: Peers are known by their addresses, so the directories are opened where they were made. Nothing else listens there.
REPLICATION = {"a": "127.77.6.1:39600", "b": "127.77.6.2:39600"}
TEN_YEARS = "315360000"


class Golden:
    """One node on a directory named `a` or `b` below `directory`. `program`: the build that opens it. `extra`: of its
    environment."""

    def __init__(self, directory, name, program=None, extra=None):
        self.directory, self.name, self.program = pathlib.Path(directory), name, program or binary()
        self.extra = extra or {}
        self.data, self.ready = self.directory / name, self.directory / f"{name}.ready.json"
        self.log = self.directory / f"{name}.log"
        self.process = None

    def command(self):
        return [
            self.program, "server", "--data-dir", str(self.data), "--name", self.name, "--ready-file", str(self.ready),
            "--s3-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
            "--replication-listen", REPLICATION[self.name], "--reserve", "1MiB", "--checkpoint-every", "1MiB",
            # The directories lie for years before they are opened: nothing of them is due.
            "--retention-cap-seconds", TEN_YEARS,
        ]

    def environment(self):
        return {
            **os.environ, "TANDEM_ROOT_ACCESS_KEY": ACCESS_KEY, "TANDEM_ROOT_SECRET_KEY": SECRET_KEY,
            "TANDEM_PASSWORD": PASSWORD,
        }

    def start(self):
        self.ready.unlink(missing_ok=True)
        log = open(self.log, "ab")
        environment = {**self.environment(), **self.extra}
        self.process = subprocess.Popen(self.command(), env=environment, stdout=log, stderr=log)

        def started():
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
            return self.ready.exists() and self.ready.read_text().strip()

        self.addresses = json.loads(wait_until(f"{self.name} is ready", started))
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=DEADLINE_SECONDS)
        return self.process.returncode if self.process else 0

    def s3(self, **config):
        return s3_client(self.addresses["s3"], **config)

    def tandem(self, *words, check=True):
        command = [self.program, *words, "--admin", self.addresses["admin"], "--ca", str(self.data / "admin-ca.pem")]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done

    def status(self):
        return json.loads(self.tandem("status", "--json").stdout)

    def path(self):
        return self.status()["paths"][0]


def unpack(name, directory):
    with tarfile.open(GOLDEN / f"{name}.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return json.loads((GOLDEN / f"{name}.json").read_text())


def content(s3):
    """Everything that clients can see, as JSON has it: versions, tags, metadata, bytes, uploads, settings."""
    seen = {}
    for bucket in (row["Name"] for row in s3.list_buckets()["Buckets"]):
        versions = []
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions += [("marker", row["Key"], row["VersionId"], row["IsLatest"]) for row in page.get("DeleteMarkers", [])]
            for row in page.get("Versions", []):
                which = {"Bucket": bucket, "Key": row["Key"], "VersionId": row["VersionId"]}
                got = s3.get_object(**which)
                tags = sorted((tag["Key"], tag["Value"]) for tag in s3.get_object_tagging(**which)["TagSet"])
                versions.append((
                    "object", row["Key"], row["VersionId"], row["IsLatest"], row["ETag"], row["LastModified"].isoformat(),
                    got["Metadata"], got["ContentType"], tags, hashlib.sha256(got["Body"].read()).hexdigest(),
                ))
        uploads = [
            (row["Key"], row["UploadId"], [
                (part["PartNumber"], part["ETag"], part["Size"])
                for part in s3.list_parts(Bucket=bucket, Key=row["Key"], UploadId=row["UploadId"]).get("Parts", [])
            ])
            for row in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        ]
        status = s3.get_bucket_versioning(Bucket=bucket).get("Status")
        seen[bucket] = {"versioning": status, "versions": sorted(versions, key=str), "uploads": uploads}
    return json.loads(json.dumps(seen))


def names(s3, bucket):
    """Every key with its ETag, from the listing alone."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {row["Key"]: row["ETag"] for page in pages for row in page.get("Contents", [])}
