"""Every route, asked by everybody: what is allowed is exactly what the declared table of permissions says."""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import boto3  # noqa: E402
import wire  # noqa: E402
from botocore.config import Config  # noqa: E402
from builders import Target, signed  # noqa: E402
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, binary, s3_client  # noqa: E402
from people import PASSWORD, admin, arn, new_account  # noqa: E402

ROUTES = [
    # A form carries its credentials in its fields; it is refused before anybody is asked who sent it.
    route for route in json.loads(subprocess.check_output([binary(), "routes"])) if route["operation"] != "PostObject"
]
SAMPLES = {
    "x-amz-tagging": "k=v", "x-amz-object-ownership": "BucketOwnerEnforced", "if-match": "*",
    "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z", "x-amz-object-lock-legal-hold": "ON",
}
# What is the owning account's alone, whatever the bucket's policy gives away.
OWNERS = {
    "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketOwnershipControls",
    "s3:PutBucketPublicAccessBlock",
}
# What is asked of the caller's own account: nobody else's policies have a say.
OWN = {"ListBuckets", "CreateBucket", "ListDirectoryBuckets"}
DELETE = "<Delete><Object><Key>present</Key></Object></Delete>"
DELETE_ETAG = "<Delete><Object><Key>present</Key><ETag>*</ETag></Object></Delete>"
DELETE_VERSION = "<Delete><Object><Key>present</Key><VersionId>null</VersionId></Object></Delete>"


def client(node, service, access_key=ACCESS_KEY, secret_key=SECRET_KEY):
    return boto3.client(
        service, endpoint_url=node.s3, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=REGION,
        config=Config(retries={"max_attempts": 1}),
    )


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


NOTHING = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::nothing"}]})


def statement(effect, actions, negated=False):
    return {"Effect": effect, "NotAction" if negated else "Action": actions, "Resource": "*"}


class Stranger:
    """A user of another account, whose policy changes from request to request."""

    def __init__(self, node):
        self.node, account = node, new_account(node)
        self.arn = f"arn:aws:iam::{account['account_id']}:user/stranger"
        self.policy = admin(node, "POST", "/api/s3policies/", name="held", policy=NOTHING, tenant_id=account["id"])["id"]
        user = admin(
            node, "POST", "/api/users/", name="stranger", iam=True, tenant_id=account["id"], s3_policies_ids=[self.policy])
        pair = admin(node, "POST", f"/api/users/{user['id']}/access_keys/", tenant_id=account["id"])
        self.pair = {"access_key": pair["access_key"], "secret": pair["secret_key"]}

    def hold(self, text):
        admin(self.node, "PATCH", f"/api/s3policies/{self.policy}/", policy=text)


class World:
    """A node with a bucket, and a user whose policy changes from request to request."""

    def __init__(self, directory):
        self.node = Node(directory, environment={"TANDEM_PASSWORD": PASSWORD})
        self.s3, self.iam = s3_client(self.node.s3), client(self.node, "iam")
        self.s3.create_bucket(Bucket="walk")
        self.iam.create_user(UserName="walker")
        self.key = self.iam.create_access_key(UserName="walker")["AccessKey"]
        address = urllib.parse.urlsplit(self.node.s3)
        self.target = Target(
            address.hostname, address.port, self.key["AccessKeyId"], self.key["SecretAccessKey"], REGION, "walk")
        self.held = None
        sts = client(self.node, "sts", self.key["AccessKeyId"], self.key["SecretAccessKey"])
        self.session = sts.get_session_token(DurationSeconds=3600)["Credentials"]
        self.stranger = Stranger(self.node)

    def by_session(self, request):
        token = ["x-amz-security-token", self.session["SessionToken"]]
        return {
            **request, "headers": [*request["headers"], token], "access_key": self.session["AccessKeyId"],
            "secret": self.session["SecretAccessKey"],
        }

    def grant(self, *statements):
        """Makes the bucket's policy of statements about the stranger."""
        about = {"Principal": {"AWS": self.stranger.arn}, "Resource": [arn("walk"), arn("walk", "*")]}
        self.s3.put_bucket_policy(Bucket="walk", Policy=policy(*({**one, **about} for one in statements)))

    def reset(self):
        """What an allowed request may have changed."""
        for key, tags in [("present", ""), ("source", ""), ("tagged", "k=v")]:
            self.s3.put_object(Bucket="walk", Key=key, Body=b"x", Tagging=tags)
        for undo in (self.s3.delete_bucket_policy, self.s3.delete_public_access_block):
            undo(Bucket="walk")
        rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        self.s3.put_bucket_ownership_controls(Bucket="walk", OwnershipControls=rules)

    def hold(self, text):
        if text == self.held:
            return
        if text is None:
            self.iam.delete_user_policy(UserName="walker", PolicyName="p")
        else:
            self.iam.put_user_policy(UserName="walker", PolicyName="p", PolicyDocument=text)
        self.held = text

    def is_denied(self, request, anonymous=False):
        answer = self.ask(request, anonymous)
        return answer.status == 403 or b"<Code>AccessDenied</Code>" in answer.body

    def ask(self, request, anonymous=False):
        data, method = signed(self.target, **request)
        if anonymous:
            head, body = data.split(b"\r\n\r\n", 1)
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"authorization", b"x-amz-date"))]
            data = b"\r\n".join(lines) + b"\r\n\r\n" + body
        answer = wire.send(self.target.host, self.target.port, data, method)
        assert answer is not None and answer.status != 500, answer
        return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("walk"))
    yield world
    assert world.node.stop() == 0


def variants(route):
    """The plain request of a route, and one for each condition under which it needs more."""
    conditions = {json.dumps(need["when"]): need["when"] for need in route["needs"]}
    extra = [when for when in conditions.values() if when not in ("Always", "Newest", "SourceNewest")]
    return [None, *extra]


def request_of(route, when):
    query = [(route["subresource"], {"uploadId": "0" * 32, "list-type": "2"}.get(route["subresource"], ""))]
    query += [(route["parameter"], "1")]
    headers, body = [], ""
    if route["operation"] == "DeleteObjects":
        body = {"Version": DELETE_VERSION, "ETag": DELETE_ETAG}.get(when if isinstance(when, str) else None, DELETE)
    elif when == "Version":
        query.append(("versionId", "null"))
    if route["copies"]:
        source = "tagged" if when in ("SourceTags", "SourceVersionTags") else "source"
        version = "?versionId=null" if when in ("SourceVersion", "SourceVersionTags") else ""
        headers.append(["x-amz-copy-source", f"/walk/{source}{version}"])
        if when is None:
            headers.append(["x-amz-tagging-directive", "REPLACE"])
    if when in ("Acl", "BucketAcl"):
        headers.append(["x-amz-acl", "public-read" if when == "Acl" else "bucket-owner-full-control"])
    if isinstance(when, dict):
        (kind, name), = when.items()
        headers.append([name, "true" if kind == "True" else SAMPLES[name]])
    if route["method"] in ("PUT", "POST") and route["resource"] == "bucket":
        headers.append(["Content-MD5", base64.b64encode(hashlib.md5(body.encode()).digest()).decode()])
    path = {"service": "/", "bucket": "/walk", "object": "/walk/present"}[route["resource"]]
    text = "&".join(f"{name}={value}" if value else f"{name}=" for name, value in query if name)
    return {"method": route["method"], "path": path, "query": text, "headers": headers, "body": body}


def needed(route, when):
    """The actions that the request of a variant needs."""
    holds = {"Always", "Newest", "SourceNewest", json.dumps(when).strip('"')}
    if when == "Version":
        holds.discard("Newest")
    if when in ("SourceVersion", "SourceVersionTags"):
        holds |= {"SourceVersion"}
        holds.discard("SourceNewest")
    applies = lambda need: (need["when"] if isinstance(need["when"], str) else json.dumps(need["when"])) in holds
    return sorted({need["action"] for need in route["needs"] if applies(need)})


CASES = [
    pytest.param(route, when, id=f"{route['operation']}-{when if isinstance(when, str) or when is None else '-'.join(*when.items())}")
    for route in ROUTES for when in variants(route)
]


@pytest.mark.parametrize("route,when", CASES)
def test_another_account_gets_what_both_sides_give_and_nothing_that_is_the_owners(world, route, when):
    request, actions = {**request_of(route, when), **world.stranger.pair}, needed(route, when)
    own = route["operation"] in OWN
    world.reset()
    world.stranger.hold(policy(statement("Allow", ["*"])))
    assert world.is_denied(request) != own, "everything of its own side, and nothing of the bucket's"
    if own:
        world.stranger.hold(policy(statement("Allow", actions, negated=True)))
        assert world.is_denied(request), "its own side decides"
        return
    if not all(action.startswith("s3:") for action in actions):
        return  # of directory buckets, which have policies of another kind
    world.grant(statement("Allow", ["s3:*"]), statement("Deny", actions))
    assert world.is_denied(request), "an explicit deny of the bucket's"
    world.grant(statement("Allow", actions))
    world.stranger.hold(policy(statement("Allow", actions, negated=True)))
    assert world.is_denied(request), "the bucket's side alone"
    world.stranger.hold(policy(statement("Allow", actions)))
    assert world.is_denied(request) == bool(OWNERS & set(actions)), f"both sides give {actions}"


@pytest.mark.parametrize("route,when", CASES)
def test_a_route_takes_exactly_who_has_all_it_needs(world, route, when):
    request, actions = request_of(route, when), needed(route, when)
    world.reset()
    world.hold(None)
    assert world.is_denied(request, anonymous=True), "anonymous"
    assert world.is_denied(request), "no permission"
    world.hold(policy(statement("Allow", actions, negated=True)))
    assert world.is_denied(request), "every action but those"
    for action in actions:
        # Each is asked for: with all the world but this one, a request is refused.
        world.hold(policy(statement("Allow", [action], negated=True)))
        assert world.is_denied(request), f"without {action}"
        world.hold(policy(statement("Allow", ["*"]), statement("Deny", [action])))
        assert world.is_denied(request), f"an explicit deny of {action}"
    world.hold(policy(statement("Allow", actions)))
    forged = {**request, "headers": [*request["headers"], ["x-amz-security-token", "bm90IGEgdG9rZW4="]]}
    assert world.ask(forged).status in (400, 403), "a session of nobody's"
    assert not world.is_denied(world.by_session(request)), f"a session of who is allowed {actions}"
    world.reset()
    assert not world.is_denied(request), f"allowed {actions}"
