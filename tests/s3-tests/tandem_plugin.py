"""A pytest plugin for ceph/s3-tests. It sets the signing region and writes the outcomes for `cargo xtask s3-tests`.

The suites make their IAM and STS clients with `region_name=''`, which Ceph accepts. AWS and Tandem refuse such a
signature: a credential scope names a region. The plugin gives every client without a region the one of
`TANDEM_S3_TESTS_REGION`. It changes nothing else.

`TANDEM_S3_TESTS_OUTCOMES` names a file. Each line is one JSON object: first a line for each collected test, then a
line for each phase of each test that ran.
"""

import json
import os

import boto3

REGION = os.environ.get("TANDEM_S3_TESTS_REGION", "us-east-1")


def with_region(make):
    def made(*words, **named):
        named["region_name"] = named.get("region_name") or REGION
        return make(*words, **named)

    return made


boto3.client = with_region(boto3.client)
boto3.resource = with_region(boto3.resource)


def write(line):
    with open(os.environ["TANDEM_S3_TESTS_OUTCOMES"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def pytest_collection_finish(session):
    for item in session.items:
        write({"collected": item.nodeid})


def pytest_runtest_logreport(report):
    write({"test": report.nodeid, "phase": report.when, "outcome": report.outcome})
