"""Section L of the security table, what is about policies and identities: attacks that once worked. Names begin with the row's."""

import json
import pathlib
import sys

import boto3
import pytest
import urllib3
from botocore.config import Config

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, s3_client  # noqa: E402
from people import ACCOUNT, PASSWORD, Local, Person, arn, code, iam_client, policy, statement, unique  # noqa: E402

HTTP = urllib3.PoolManager()
OWN = "arn:aws:iam::" + ACCOUNT


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("attacks"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def root(node):
    return s3_client(node.s3)


@pytest.fixture(scope="module")
def iam(node):
    return iam_client(node)


@pytest.fixture
def data(root):
    name = unique("section-l")
    root.create_bucket(Bucket=name)
    root.put_object(Bucket=name, Key="k", Body=b"x")
    return name


def sts_client(node, access_key=ACCESS_KEY, secret_key=SECRET_KEY, token=None, **more):
    return boto3.client(
        more.get("service", "sts"), endpoint_url=node.s3, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        aws_session_token=token, region_name=REGION, config=Config(retries={"max_attempts": 1}),
    )


def of_session(node, credentials, service="s3"):
    key, secret, token = (credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    if service == "s3":
        return s3_client(node.s3, key, secret, token=token, signature_version="s3v4")
    return sts_client(node, key, secret, token, service=service)


def trust(principal="*"):
    return policy({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"]})


# ---- 2. The public access block and the user id of nobody ----

SWITCHES = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
NOBODYS = [
    {"StringEquals": {"aws:userid": "anonymous"}},
    {"StringEqualsIgnoreCase": {"aws:userid": "Anonymous"}},
    {"ForAnyValue:StringEquals": {"aws:userid": "anonymous"}},
    {"StringLike": {"aws:userid": "anonymous"}},
    {"StringEquals": {"aws:userid": ["AIDAAAAAAAAAAAAAAAAA", "anonymous"]}},
    {"StringEquals": {"aws:PrincipalType": "Anonymous"}},
    {"IpAddress": {"aws:SourceIp": [f"{n}.0.0.0/8" for n in range(256)]}},
]


@pytest.mark.parametrize("condition", NOBODYS, ids=range(len(NOBODYS)))
def test_l2_a_policy_that_lets_nobody_in_is_public(node, root, data, condition):
    text = policy(statement("Allow", "s3:GetObject", arn(data, "*"), Principal="*", Condition=condition))
    url = f"{node.s3}/{data}/k"
    root.put_public_access_block(Bucket=data, PublicAccessBlockConfiguration=SWITCHES)
    assert code(root.put_bucket_policy, Bucket=data, Policy=text) == "AccessDenied", "BlockPublicPolicy"
    assert HTTP.request("GET", url).status == 403
    root.delete_public_access_block(Bucket=data)
    root.put_bucket_policy(Bucket=data, Policy=text)
    assert root.get_bucket_policy_status(Bucket=data)["PolicyStatus"]["IsPublic"] is True
    assert HTTP.request("GET", url).status == 200
    root.put_public_access_block(Bucket=data, PublicAccessBlockConfiguration={**SWITCHES, "BlockPublicPolicy": False})
    assert HTTP.request("GET", url).status == 403, "RestrictPublicBuckets"


# ---- 3. Sessions end at every face, and no face lacks a key ----

REVOKED = statement("Deny", "*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2090-01-01T00:00:00Z"}})


def role_session(node, iam, **more):
    name = unique("revoked-role")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust())
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(statement("Allow", "*")))
    made = sts_client(node).assume_role(RoleArn=f"{OWN}:role/{name}", RoleSessionName="me", **more)
    return name, made["Credentials"]


def both_refuse(node, data, credentials):
    s3, iam = of_session(node, credentials), of_session(node, credentials, "iam")
    assert code(s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": data, "Key": "k"})
    assert HTTP.request("GET", url).status == 403, "presigned"
    return code(iam.list_users) == "AccessDenied"


def test_l3_sessions_that_a_policy_of_their_role_revokes_end_for_s3(node, iam, data):
    name, credentials = role_session(node, iam)
    assert code(of_session(node, credentials).get_object, Bucket=data, Key="k") is None
    iam.put_role_policy(RoleName=name, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy(REVOKED))
    assert both_refuse(node, data, credentials)


def test_l3_sessions_of_a_user_end_by_its_policy_and_its_keys_do_not(node, root, data):
    person = Person(node, policy(statement("Allow", "*")))
    credentials = sts_client(node, person.access_key, person.secret_key).get_session_token()["Credentials"]
    assert code(of_session(node, credentials).get_object, Bucket=data, Key="k") is None
    person.iam.put_user_policy(UserName=person.name, PolicyName="revoke", PolicyDocument=policy(REVOKED))
    assert both_refuse(node, data, credentials)
    assert code(person.s3.get_object, Bucket=data, Key="k") is None, "a key has no time of issue"


def test_l3_sessions_that_a_buckets_policy_refuses_end_for_that_bucket(node, root, iam, data):
    _, credentials = role_session(node, iam)
    s3 = of_session(node, credentials)
    deny = {**REVOKED, "Principal": "*", "Action": "s3:*", "Resource": [arn(data), arn(data, "*")]}
    root.put_bucket_policy(Bucket=data, Policy=policy(deny))
    assert code(s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    assert code(s3.list_objects_v2, Bucket=data) == "AccessDenied"
    assert code(root.get_object, Bucket=data, Key="k") is None


@pytest.mark.parametrize("condition", [
    {"StringNotEquals": {"aws:RequestedRegion": "mars-north-1"}},
    {"Bool": {"aws:ViaAWSService": "false"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
    {"StringLike": {"aws:Referer": "http://evil/*"}},
    {"StringLike": {"aws:UserAgent": "*"}},
    {"Null": {"aws:TokenIssueTime": "false"}},
    {"StringLike": {"aws:ResourceOrgID": "o-*"}},
    {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    {"NumericGreaterThan": {"aws:MultiFactorAuthAge": "3600"}},
], ids=lambda condition: next(iter(next(iter(condition.values())))))
def test_l3_a_deny_holds_at_every_face(node, iam, data, condition):
    """Those that a face cannot know deny there: a Deny that cannot be judged is not passed over."""
    name, credentials = role_session(node, iam)
    iam.put_role_policy(RoleName=name, PolicyName="deny", PolicyDocument=policy(statement("Deny", "*", Condition=condition)))
    clients = [of_session(node, credentials, service) for service in ("s3", "iam", "sts")]
    for client in clients:
        client.meta.events.register("before-sign", lambda request, **_: request.headers.__setitem__("Referer", "http://evil/x"))
    s3, own_iam, sts = clients
    assert code(s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    assert code(own_iam.list_users) == "AccessDenied"
    assert code(sts.get_access_key_info, AccessKeyId=ACCESS_KEY) == "AccessDenied"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": data, "Key": "k"})
    assert HTTP.request("GET", url, headers={"Referer": "http://evil/x"}).status == 403


# ---- 4. Names of tags have no case ----

def test_l4_a_tag_by_another_case_gets_round_no_deny(node, root, iam, data):
    only = {"StringEquals": {"aws:RequestTag/team": "admins"}}
    person = Person(node, policy(
        statement("Allow", ["iam:TagUser", "iam:CreateUser", "iam:CreateAccessKey", "sts:*"]),
        statement("Deny", ["iam:TagUser", "iam:CreateUser", "sts:TagSession"], Condition=only)))
    root.put_bucket_policy(Bucket=data, Policy=policy(statement(
        "Allow", "s3:GetObject", arn(data, "*"), Principal="*", Condition={"StringEquals": {"aws:PrincipalTag/team": "admins"}})))
    own = iam_client(node, person.access_key, person.secret_key)
    for name in ("team", "Team", "TEAM"):
        tags = [{"Key": name, "Value": "admins"}]
        assert code(own.tag_user, UserName=person.name, Tags=tags) == "AccessDenied", name
        assert code(own.create_user, UserName=unique("tagged"), Tags=tags) == "AccessDenied", name
    assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"
    assert code(own.tag_user, UserName=person.name, Tags=[{"Key": "Team", "Value": "others"}]) is None
    role = unique("tag-role")
    denies = {"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession", "Condition": only}
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(json.loads(trust())["Statement"][0], denies))
    sts = sts_client(node)
    for name in ("team", "Team"):
        assert code(
            sts.assume_role, RoleArn=f"{OWN}:role/{role}", RoleSessionName="me", Tags=[{"Key": name, "Value": "admins"}],
        ) == "AccessDenied", name


def test_l4_what_is_guarded_by_a_tag_is_guarded_whatever_its_case(node, root, iam, data):
    guarded = unique("guarded")
    iam.create_user(UserName=guarded, Tags=[{"Key": "Protected", "Value": "yes"}])
    for key in ("aws:ResourceTag/protected", "iam:ResourceTag/PROTECTED"):
        person = Person(node, policy(
            statement("Allow", "iam:*"), statement("Deny", "iam:*", Condition={"StringEquals": {key: "yes"}})))
        own = iam_client(node, person.access_key, person.secret_key)
        assert code(own.create_access_key, UserName=guarded) == "AccessDenied", key
        assert code(own.delete_user, UserName=guarded) == "AccessDenied", key
    root.put_object(Bucket=data, Key="tagged", Body=b"x", Tagging="Class=secret")
    person = Person(node)
    for key in ("s3:ExistingObjectTag/class", "s3:ExistingObjectTag/CLASS"):
        person.hold(policy(
            statement("Allow", "s3:*"), statement("Deny", "s3:GetObject", Condition={"StringEquals": {key: "secret"}})))
        assert code(person.s3.get_object, Bucket=data, Key="tagged") == "AccessDenied", key
        assert code(person.s3.get_object, Bucket=data, Key="k") is None
    root.put_bucket_tagging(Bucket=data, Tagging={"TagSet": [{"Key": "Stage", "Value": "prod"}]})
    person.hold(policy(
        statement("Allow", "s3:*"), statement("Deny", "s3:*", Condition={"StringEquals": {"aws:ResourceTag/stage": "prod"}})))
    assert code(person.s3.get_object, Bucket=data, Key="k") == "AccessDenied"


# ---- NotPrincipal, as AWS's guide tells people to write it ----

def test_a_deny_with_not_principal_spares_only_who_is_named_with_the_account(node, root, iam, data):
    named, other = Person(node, policy(statement("Allow", "s3:*"))), Person(node, policy(statement("Allow", "s3:*")))
    name, credentials = role_session(node, iam)
    session = of_session(node, credentials)

    def spare(*principals):
        deny = {"Effect": "Deny", "NotPrincipal": {"AWS": list(principals)}, "Action": "s3:*", "Resource": [arn(data), arn(data, "*")]}
        root.put_bucket_policy(Bucket=data, Policy=policy(deny))
        return [code(client.get_object, Bucket=data, Key="k") is None for client in (named.s3, other.s3, session, root)]

    account, role = f"{OWN}:root", f"{OWN}:role/{name}"
    assert spare(named.arn, account) == [True, False, False, True]
    assert spare(account) == [False, False, False, True]
    assert spare(role, account) == [False, False, False, True]
    assert spare(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me", role, account) == [False, False, True, True]


# ---- 5. Decisions that are made to be long ----

def test_l5_a_hostile_policy_is_denied_and_told_and_can_be_replaced(node, root, data):
    hostile = statement(
        "Deny", "s3:*", [arn(data), arn(data, "*")], Principal="*",
        Condition={"StringLike": {"aws:UserAgent": "*" + "a?" * 9_500 + "b*"}})
    open_to_all = statement("Allow", ["s3:GetObject", "s3:DeleteObject"], arn(data, "*"), Principal="*")
    root.put_bucket_policy(Bucket=data, Policy=policy(open_to_all, hostile))
    agent = {"User-Agent": "a" * 6_800}
    url = f"{node.s3}/{data}/k"
    assert HTTP.request("GET", url, headers={"User-Agent": "b"}).status == 200, "a short header is compared to its end"
    assert HTTP.request("GET", url, headers=agent).status == 403, "who is not compared to the end is not let in"
    slow = s3_client(node.s3)
    slow.meta.events.register("before-sign", lambda request, **_: request.headers.__setitem__("User-Agent", agent["User-Agent"]))
    assert code(slow.get_object, Bucket=data, Key="k") == "AccessDenied"
    objects = [{"Key": f"{n:04}" + "a" * 1_000} for n in range(1_000)]
    answer = slow.delete_objects(Bucket=data, Delete={"Objects": objects})
    assert len(answer["Deleted"]) == 1_000, "what is one for all keys is compared once, and to its end"
    by_key = statement("Deny", "s3:DeleteObject", arn(data, "*" + "a?" * 9_500 + "b*"), Principal="*")
    slow.put_bucket_policy(Bucket=data, Policy=policy(open_to_all, by_key))
    answer = slow.delete_objects(Bucket=data, Delete={"Objects": objects})
    assert len(answer["Deleted"]) < 200 and {entry["Code"] for entry in answer["Errors"]} == {"AccessDenied"}
    assert len(answer["Deleted"]) + len(answer["Errors"]) == 1_000
    slow.put_bucket_policy(Bucket=data, Policy=policy(open_to_all, hostile))
    slow.delete_bucket_policy(Bucket=data)
    assert code(slow.get_object, Bucket=data, Key="k") is None
    log = (node.directory / "log").read_text(errors="replace")
    assert "comparing the policies takes more steps than a request may take" in log


# ---- 17. Superusers, by way of their groups ----

def test_l17_a_superuser_is_not_denied_by_way_of_a_group(node, iam, data):
    chief = Local(node, s3_superuser=True)
    delegate = Person(node, policy(statement("Allow", "iam:*")))
    own = iam_client(node, delegate.access_key, delegate.secret_key)
    group = unique("group")
    own.create_group(GroupName=group)
    deny = policy(statement("Deny", "*"))
    own.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=deny)
    assert code(own.add_user_to_group, GroupName=group, UserName=chief.name) == "AccessDenied"
    assert code(chief.s3.get_object, Bucket=data, Key="k") is None
    own.delete_group_policy(GroupName=group, PolicyName="p")
    iam.add_user_to_group(GroupName=group, UserName=chief.name)
    made = own.create_policy(PolicyName=unique("policy"), PolicyDocument=deny)["Policy"]["Arn"]
    assert code(own.put_group_policy, GroupName=group, PolicyName="p", PolicyDocument=deny) == "AccessDenied"
    assert code(own.attach_group_policy, GroupName=group, PolicyArn=made) == "AccessDenied"
    assert code(own.remove_user_from_group, GroupName=group, UserName=chief.name) == "AccessDenied"
    assert code(chief.s3.get_object, Bucket=data, Key="k") is None
    iam.remove_user_from_group(GroupName=group, UserName=chief.name)
    own.delete_group(GroupName=group)


# ---- 18. Which roles there are ----

def test_l18_absent_and_forbidden_roles_have_one_answer(node, iam):
    name = unique("closed")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("111111111111"))
    person = Person(node, policy(statement("Allow", "*")))
    sts = sts_client(node, person.access_key, person.secret_key)

    def answer(role):
        try:
            sts.assume_role(RoleArn=f"{OWN}:role/{role}", RoleSessionName="me")
        except sts.exceptions.ClientError as error:
            return error.response["Error"]["Code"], error.response["Error"]["Message"].replace(role, "ROLE")

    assert answer(name) == answer(unique("absent")) and answer(name)[0] == "AccessDenied"


# ---- What a bucket's policy is of, and what a writer needs ----

def test_a_buckets_policy_says_of_which_bucket_it_is(root, data):
    for field in ("Resource", "NotResource"):
        refused = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", field: "*"}
        try:
            root.put_bucket_policy(Bucket=data, Policy=policy(refused))
            raise AssertionError("taken")
        except root.exceptions.ClientError as error:
            found = error.response
        assert found["Error"]["Code"] == "MalformedPolicy" and found["Error"]["Message"] == "Policy has invalid resource"
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert code(root.get_bucket_policy, Bucket=data) == "NoSuchBucketPolicy"


def test_who_gives_the_buckets_owner_full_control_needs_only_to_write(node, root, data):
    """As AWS's examples of policies for ACLs have it: s3:PutObject, with the demand that the owner gets full control."""
    root.put_bucket_ownership_controls(Bucket=data, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    owner = root.list_buckets()["Owner"]["ID"]
    writer = Person(node, policy(statement("Allow", ["s3:PutObject", "s3:GetObject"])))
    theirs = [{"ACL": "bucket-owner-full-control"}, {"GrantFullControl": f'id="{owner}"'}, {"GrantFullControl": f"id={owner}"}]
    source = {"Bucket": data, "Key": "k"}
    for acl in theirs:
        assert code(writer.s3.put_object, Bucket=data, Key="w", Body=b"x", **acl) is None, acl
        assert code(writer.s3.copy_object, Bucket=data, Key="c", CopySource=source, **acl) is None, acl
        assert code(writer.s3.create_multipart_upload, Bucket=data, Key="m", **acl) is None, acl
    others = [
        {"ACL": "public-read"}, {"ACL": "bucket-owner-read"}, {"GrantRead": f'id="{owner}"'},
        {"GrantFullControl": f'id="{owner}",uri="http://acs.amazonaws.com/groups/global/AllUsers"'},
        {"GrantFullControl": f'id="{"0" * 64}"'},
    ]
    for acl in others:
        assert code(writer.s3.put_object, Bucket=data, Key="w", Body=b"x", **acl) == "AccessDenied", acl
        assert code(writer.s3.copy_object, Bucket=data, Key="c", CopySource=source, **acl) == "AccessDenied", acl
        assert code(writer.s3.create_multipart_upload, Bucket=data, Key="m", **acl) == "AccessDenied", acl
