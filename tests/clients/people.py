"""Users with policies, by the IAM face; accounts and local users, by the admin port."""

import base64
import itertools
import json
import ssl
import urllib.request

import boto3
import canaries
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import ACCESS_KEY, REGION, SECRET_KEY, s3_client

PASSWORD = "the-password-of-the-access-tests"
ACCOUNT = "000000000000"
canaries.keep_password(PASSWORD)
_numbers = itertools.count(1)


def unique(stem):
    return f"{stem}-{next(_numbers)}"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect, actions, resource="*", **more):
    return {"Effect": effect, "Action": actions, "Resource": resource, **more}


def arn(bucket, key=None):
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"


def code(call, **arguments):
    """The code of the error that the call is answered with; none: it succeeded."""
    try:
        call(**arguments)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]


def iam_client(node, access_key=ACCESS_KEY, secret_key=SECRET_KEY):
    return boto3.client(
        "iam", endpoint_url=node.s3, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=REGION,
        config=Config(retries={"max_attempts": 1}),
    )


class Person:
    """An IAM user of the default account."""

    def __init__(self, node, text=None, name=None):
        self.node, self.iam, self.name = node, iam_client(node), name or unique("person")
        self.arn = self.iam.create_user(UserName=self.name)["User"]["Arn"]
        key = self.iam.create_access_key(UserName=self.name)["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        self.s3 = s3_client(node.s3, self.access_key, self.secret_key)
        if text:
            self.hold(text)

    def hold(self, text):
        self.iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=text)
        return self


def admin(node, method, path, **body):
    """Asks the admin port; it was started with PASSWORD."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(node.addresses["admin"] + path, data=data, method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, context=context) as answer:
        text = answer.read()
        return json.loads(text) if text else None


class Local:
    """A local user (VMS), of the default account or of a new one."""

    def __init__(self, node, tenant=None, **fields):
        self.node, self.tenant = node, tenant or {"id": 1, "account_id": ACCOUNT}
        uid = 30_000 + next(_numbers)
        fields = {"allow_create_bucket": True, "allow_delete_bucket": True, **fields}
        self.user = admin(
            node, "POST", "/api/users/", name=unique("local"), uid=uid, tenant_id=self.tenant["id"], **fields)
        key = admin(node, "POST", f"/api/users/{self.user['id']}/access_keys/", tenant_id=self.tenant["id"])
        self.account, self.name = self.tenant["account_id"], self.user["name"]
        self.access_key, self.secret_key = key["access_key"], key["secret_key"]
        self.s3 = s3_client(node.s3, self.access_key, self.secret_key)


def new_account(node):
    return admin(node, "POST", "/api/tenants/", name=unique("account"))
