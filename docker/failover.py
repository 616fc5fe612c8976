"""Protects the endpoint of node a, fails over to b, then kills b and forces a; checks both sides with boto3. Run by docker/test."""

import os
import subprocess
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PROJECT = os.environ["COMPOSE_PROJECT"]


def container(service):
    for separator in "-_":
        name = f"{PROJECT}{separator}{service}{separator}1"
        if subprocess.run(["docker", "inspect", name], capture_output=True).returncode == 0:
            return name
    raise SystemExit(f"no container of {service}")


def tandem(service, *words):
    command = [
        "docker", "exec", container(service), "tandem", *words, "--admin", "https://localhost:9443", "--ca", "/data/admin-ca.pem",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    print(f"{service}$ tandem {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
    return done.returncode == 0


def inspect(service, form):
    return subprocess.run(["docker", "inspect", "-f", form, container(service)], capture_output=True, text=True, check=True).stdout.strip()


def address(service):
    return inspect(service, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")


def client(service):
    return boto3.client(
        "s3", endpoint_url=f"http://{address(service)}:9000", region_name="us-east-1",
        aws_access_key_id=os.environ["TANDEM_ROOT_ACCESS_KEY"], aws_secret_access_key=os.environ["TANDEM_ROOT_SECRET_KEY"],
        config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10),
    )


def wait_until(what, check):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            if check():
                return print(f"ok: {what}", flush=True)
        except (ClientError, BotoCoreError):
            pass
        time.sleep(0.5)
    raise SystemExit(f"not in time: {what}")


a, b = client("a"), client("b")
wait_until("both nodes answer", lambda: a.list_buckets() and b.list_buckets())
wait_until("both are healthy", lambda: [inspect(service, "{{.State.Health.Status}}") for service in "ab"] == ["healthy"] * 2)
wait_until("the endpoint is protected", lambda: tandem("a", "path", "create", "/", "--peer", "b", "--interval", "2"))
a.create_bucket(Bucket="prod-bucket")
a.put_object(Bucket="prod-bucket", Key="before", Body=b"written on a")
wait_until("b shows it", lambda: b.get_object(Bucket="prod-bucket", Key="before")["Body"].read() == b"written on a")
try:
    b.put_object(Bucket="prod-bucket", Key="refused", Body=b"x")
    raise SystemExit("b took a write while it is the destination")
except ClientError as error:
    assert error.response["Error"]["Code"] == "AccessDenied", error
assert tandem("b", "failover", "--graceful", "--yes")
b.put_object(Bucket="prod-bucket", Key="after", Body=b"written on b")
wait_until("a follows", lambda: a.get_object(Bucket="prod-bucket", Key="after")["Body"].read() == b"written on b")
print("failed over: b is the source, a follows", flush=True)

subprocess.run(["docker", "kill", container("b")], check=True, capture_output=True)
assert tandem("a", "failover", "--force", "--yes")
a.put_object(Bucket="prod-bucket", Key="forced", Body=b"written on a, with b gone")
subprocess.run(["docker", "start", container("b")], check=True, capture_output=True)
# It may have another address.
wait_until(
    "b comes back and follows",
    lambda: client("b").get_object(Bucket="prod-bucket", Key="forced")["Body"].read() == b"written on a, with b gone",
)
assert tandem("b", "diverged")
print("failed over by force: a is the source, b follows")
