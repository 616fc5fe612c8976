"""IAM and STS on the S3 port: boto3 and aws-cli against the real binary."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import ACCESS_KEY, REGION, SECRET_KEY, Node, binary, s3_client

ACCOUNT = "000000000000"
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def allow(*actions, resource="*", **more):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal, *actions, **more):
    actions = list(actions) or ["sts:AssumeRole"]
    statement = {"Effect": "Allow", "Principal": principal, "Action": actions, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def client(node, service, access_key=ACCESS_KEY, secret_key=SECRET_KEY, token=None):
    return boto3.client(
        service, endpoint_url=node.s3, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        aws_session_token=token, region_name=REGION, config=Config(retries={"max_attempts": 1}),
    )


def by_session(node, service, credentials):
    return client(node, service, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])


def code(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]["Code"]


def refused(request):
    """The answer to what is answered 403."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)
    assert raised.value.code == 403
    return raised.value.read()


@pytest.fixture(scope="module")
def iam(node):
    return client(node, "iam")


@pytest.fixture(scope="module")
def sts(node):
    return client(node, "sts")


def keys_of(iam, name, policy=None):
    """A new user with a key, and a policy if one is given."""
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def test_users_are_made_listed_in_pages_renamed_and_deleted(iam):
    made = iam.create_user(UserName="page-1", Path="/a/", Tags=[{"Key": "team", "Value": "x y"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/a/page-1" and made["UserId"].startswith("AIDA")
    assert made["Tags"] == [{"Key": "team", "Value": "x y"}]
    for number in range(2, 6):
        iam.create_user(UserName=f"page-{number}", Path="/a/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/a/", PaginationConfig={"PageSize": 2}))
    assert [user["UserName"] for page in pages for user in page["Users"]] == [f"page-{n}" for n in range(1, 6)]
    assert len(pages) == 3
    assert code(iam.create_user, UserName="PAGE-1") == "EntityAlreadyExists"
    assert code(iam.create_user, UserName="no spaces") == "ValidationError"
    iam.update_user(UserName="page-1", NewUserName="page-one", NewPath="/b/")
    assert code(iam.get_user, UserName="page-1") == "NoSuchEntity"
    got = iam.get_user(UserName="page-one")["User"]
    assert got["UserId"] == made["UserId"] and got["Path"] == "/b/"
    iam.tag_user(UserName="page-one", Tags=[{"Key": "team", "Value": "z"}, {"Key": "other", "Value": ""}])
    iam.untag_user(UserName="page-one", TagKeys=["other"])
    assert iam.list_user_tags(UserName="page-one")["Tags"] == [{"Key": "team", "Value": "z"}]
    iam.create_access_key(UserName="page-one")
    assert code(iam.delete_user, UserName="page-one") == "DeleteConflict"
    key = iam.list_access_keys(UserName="page-one")["AccessKeyMetadata"][0]
    assert key["Status"] == "Active" and "SecretAccessKey" not in key
    iam.delete_access_key(UserName="page-one", AccessKeyId=key["AccessKeyId"])
    for name in ["page-one", *(f"page-{n}" for n in range(2, 6))]:
        iam.delete_user(UserName=name)
    assert iam.list_users(PathPrefix="/a/")["Users"] == []
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert iam.get_account_summary()["SummaryMap"]["Users"] >= 0
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_a_revoked_key_fails_on_the_next_request_of_a_live_connection(node, iam):
    access, secret = keys_of(iam, "revoked")
    sts = client(node, "sts", access, secret)
    s3 = s3_client(node.s3, access, secret)
    me = sts.get_caller_identity()
    assert me["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/revoked" and me["Account"] == ACCOUNT
    assert code(s3.create_bucket, Bucket="nobodys-bucket") == "AccessDenied"
    url = s3_client(node.s3, access, secret, signature_version="s3v4").generate_presigned_url("list_buckets")
    assert b"<Code>AccessDenied<" in refused(url)
    iam.update_access_key(UserName="revoked", AccessKeyId=access, Status="Inactive")
    assert b"<Code>InvalidAccessKeyId<" in refused(url)
    assert code(sts.get_caller_identity) == "InvalidClientTokenId"
    assert code(s3.list_buckets) == "InvalidAccessKeyId"
    iam.update_access_key(UserName="revoked", AccessKeyId=access, Status="Active")
    assert sts.get_caller_identity()["UserId"] == me["UserId"]
    iam.delete_access_key(UserName="revoked", AccessKeyId=access)
    assert code(sts.get_caller_identity) == "InvalidClientTokenId"
    assert code(s3.list_buckets) == "InvalidAccessKeyId"
    wrong = client(node, "sts", ACCESS_KEY, "not-the-secret-key-of-anybody")
    assert code(wrong.get_caller_identity) == "SignatureDoesNotMatch"


def test_iam_itself_is_guarded_by_policies(node, iam):
    access, secret = keys_of(iam, "plain")
    plain = client(node, "iam", access, secret)
    assert code(plain.list_users) == "AccessDenied"
    assert code(plain.create_access_key) == "AccessDenied"
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"
    iam.put_user_policy(
        UserName="plain", PolicyName="inline", PolicyDocument=allow("iam:*AccessKey*", "iam:GetUser", resource=own),
    )
    assert plain.get_user()["User"]["UserName"] == "plain"
    made = plain.create_access_key()["AccessKey"]
    assert len(plain.list_access_keys()["AccessKeyMetadata"]) == 2
    plain.delete_access_key(AccessKeyId=made["AccessKeyId"])
    assert code(plain.create_access_key, UserName="revoked") == "AccessDenied"
    assert code(plain.put_user_policy, UserName="plain", PolicyName="all", PolicyDocument=ALLOW_ALL) == "AccessDenied"
    iam.put_user_policy(UserName="plain", PolicyName="deny", PolicyDocument=ALLOW_ALL.replace("Allow", "Deny"))
    assert code(plain.get_user) == "AccessDenied"


def test_groups_hold_users_and_policies(node, iam):
    access, secret = keys_of(iam, "member")
    iam.create_group(GroupName="readers", Path="/teams/")
    assert code(iam.create_group, GroupName="Readers") == "EntityAlreadyExists"
    iam.add_user_to_group(GroupName="readers", UserName="member")
    assert [user["UserName"] for user in iam.get_group(GroupName="readers")["Users"]] == ["member"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="member")["Groups"]] == ["readers"]
    member = client(node, "iam", access, secret)
    assert code(member.list_groups) == "AccessDenied"
    iam.put_group_policy(GroupName="readers", PolicyName="list", PolicyDocument=allow("iam:ListGroups"))
    assert [group["Path"] for group in member.list_groups()["Groups"]] == ["/teams/"]
    assert iam.list_group_policies(GroupName="readers")["PolicyNames"] == ["list"]
    assert code(iam.delete_group, GroupName="readers") == "DeleteConflict"
    iam.remove_user_from_group(GroupName="readers", UserName="member")
    assert code(member.list_groups) == "AccessDenied"
    iam.delete_group_policy(GroupName="readers", PolicyName="list")
    iam.delete_group(GroupName="readers")
    assert iam.list_groups()["Groups"] == []


def test_inline_and_managed_policies_and_their_versions(iam):
    iam.create_user(UserName="holder")
    iam.put_user_policy(UserName="holder", PolicyName="p/1".replace("/", "-"), PolicyDocument=ALLOW_ALL)
    got = iam.get_user_policy(UserName="holder", PolicyName="p-1")
    assert got["PolicyDocument"] == json.loads(ALLOW_ALL)
    assert code(iam.put_user_policy, UserName="holder", PolicyName="bad", PolicyDocument="{") == "MalformedPolicyDocument"
    assert code(
        iam.put_user_policy, UserName="holder", PolicyName="bad", PolicyDocument=trust("*"),
    ) == "MalformedPolicyDocument"
    policy = iam.create_policy(PolicyName="managed", PolicyDocument=allow("s3:GetObject"), Description="d")["Policy"]
    arn = policy["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/managed" and policy["DefaultVersionId"] == "v1"
    iam.attach_user_policy(UserName="holder", PolicyArn=arn)
    assert iam.list_attached_user_policies(UserName="holder")["AttachedPolicies"] == [
        {"PolicyName": "managed", "PolicyArn": arn},
    ]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert [user["UserName"] for user in iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == ["holder"]
    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW_ALL, SetAsDefault=True)["PolicyVersion"]
    assert second["VersionId"] == "v2" and second["IsDefaultVersion"]
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW_ALL)
    assert code(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW_ALL) == "LimitExceeded"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in versions] == ["v5", "v4", "v3", "v2", "v1"]
    first = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert first["Document"] == json.loads(allow("s3:GetObject"))
    assert code(iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == "DeleteConflict"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    for version in ["v2", "v3", "v4", "v5"]:
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    assert code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.detach_user_policy(UserName="holder", PolicyArn=arn)
    assert code(iam.detach_user_policy, UserName="holder", PolicyArn=arn) == "NoSuchEntity"
    iam.put_user_permissions_boundary(UserName="holder", PermissionsBoundary=arn)
    boundary = iam.get_user(UserName="holder")["User"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == arn
    assert code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.delete_user_permissions_boundary(UserName="holder")
    iam.delete_policy(PolicyArn=arn)
    assert [held["PolicyName"] for held in iam.list_policies(Scope="Local")["Policies"]] == []


def test_policies_of_aws_are_attached_and_not_changed(node, iam):
    access, secret = keys_of(iam, "reader")
    reader = client(node, "iam", access, secret)
    arn = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    assert code(reader.list_users) == "AccessDenied"
    iam.attach_user_policy(UserName="reader", PolicyArn=arn)
    reader.list_users()
    assert code(reader.create_group, GroupName="g") == "AccessDenied"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert {policy["PolicyName"] for policy in iam.list_policies(Scope="AWS")["Policies"]} >= {"AmazonS3FullAccess"}
    assert code(iam.delete_policy, PolicyArn=arn) == "AccessDenied"
    assert code(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW_ALL) == "AccessDenied"


def test_a_boundary_narrows_what_policies_give(node, iam):
    access, secret = keys_of(iam, "bounded", ALLOW_ALL)
    bounded = client(node, "iam", access, secret)
    assert bounded.list_users()["Users"]
    arn = iam.create_policy(PolicyName="bound", PolicyDocument=allow("iam:ListRoles"))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=arn)
    assert code(bounded.list_users) == "AccessDenied"
    bounded.list_roles()


def test_a_role_is_assumed_by_whom_its_trust_policy_lets_in(node, iam, sts):
    access, secret = keys_of(iam, "assumer")
    assumer = client(node, "sts", access, secret)
    condition = {"StringEquals": {"sts:ExternalId": "agreed"}}
    user = f"arn:aws:iam::{ACCOUNT}:user/assumer"
    role = iam.create_role(
        RoleName="worker", Path="/r/", AssumeRolePolicyDocument=trust({"AWS": user}, Condition=condition),
        MaxSessionDuration=7200, Description="works", Tags=[{"Key": "team", "Value": "a"}],
    )["Role"]
    arn = role["Arn"]
    assert role["RoleId"].startswith("AROA") and role["MaxSessionDuration"] == 7200
    assert iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": user}
    iam.put_role_policy(RoleName="worker", PolicyName="list", PolicyDocument=allow("iam:ListUsers", "iam:ListRoles"))
    ask = {"RoleArn": arn, "RoleSessionName": "me@work"}
    assert code(assumer.assume_role, **ask) == "AccessDenied"
    assert code(assumer.assume_role, **ask, ExternalId="another") == "AccessDenied"
    assert code(assumer.assume_role, RoleArn=arn + "x", RoleSessionName="me") == "AccessDenied"
    assert code(assumer.assume_role, **ask, ExternalId="agreed", DurationSeconds=7201) == "ValidationError"
    assumed = assumer.assume_role(**ask, ExternalId="agreed", DurationSeconds=900)
    assert assumed["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/me@work"
    session = assumed["Credentials"]
    assert session["AccessKeyId"].startswith("ASIA")
    assert by_session(node, "sts", session).get_caller_identity()["Arn"] == assumed["AssumedRoleUser"]["Arn"]
    as_role = by_session(node, "iam", session)
    as_role.list_roles()
    assert code(as_role.list_groups) == "AccessDenied"
    # The session's key is nothing without its token, nor with another's.
    bare = client(node, "sts", session["AccessKeyId"], session["SecretAccessKey"])
    assert code(bare.get_caller_identity) == "InvalidClientTokenId"
    mixed = client(node, "sts", access, secret, session["SessionToken"])
    assert code(mixed.get_caller_identity) == "InvalidClientTokenId"
    assert code(by_session(node, "s3", {**session, "SessionToken": "x" * 400}).list_buckets) == "InvalidToken"
    narrowed = assumer.assume_role(**ask, ExternalId="agreed", Policy=allow("iam:ListRoles"))["Credentials"]
    by_session(node, "iam", narrowed).list_roles()
    assert code(by_session(node, "iam", narrowed).list_users) == "AccessDenied"
    managed = iam.create_policy(PolicyName="users-only", PolicyDocument=allow("iam:ListUsers"))["Policy"]["Arn"]
    narrowed = assumer.assume_role(**ask, ExternalId="agreed", PolicyArns=[{"arn": managed}])["Credentials"]
    by_session(node, "iam", narrowed).list_users()
    assert code(by_session(node, "iam", narrowed).list_roles) == "AccessDenied"
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust({"AWS": ACCOUNT}))
    assert code(assumer.assume_role, **ask) == "AccessDenied"
    iam.put_user_policy(UserName="assumer", PolicyName="assume", PolicyDocument=allow("sts:AssumeRole", resource=arn))
    assumer.assume_role(**ask)
    iam.delete_role_policy(RoleName="worker", PolicyName="list")
    assert code(as_role.list_roles) == "AccessDenied"
    iam.delete_role(RoleName="worker")
    assert code(by_session(node, "sts", session).get_caller_identity) == "InvalidClientTokenId"


def test_a_narrowed_session_makes_nothing_stronger(node, iam):
    access, secret = keys_of(iam, "narrow", ALLOW_ALL)
    arn = iam.create_role(RoleName="strong", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="strong", PolicyName="all", PolicyDocument=ALLOW_ALL)
    sts = client(node, "sts", access, secret)
    whole = sts.assume_role(RoleArn=arn, RoleSessionName="whole")["Credentials"]
    by_session(node, "sts", whole).assume_role(RoleArn=arn, RoleSessionName="again")
    only = allow("iam:ListRoles")
    denied = json.loads(ALLOW_ALL)
    denied["Statement"].append({"Effect": "Deny", "Action": ["iam:Create*", "sts:*"], "Resource": "*"})
    for policy in [only, json.dumps(denied)]:
        session = sts.assume_role(RoleArn=arn, RoleSessionName="narrowed", Policy=policy)["Credentials"]
        by_session(node, "iam", session).list_roles()
        assert code(by_session(node, "iam", session).create_user, UserName="child") == "AccessDenied"
        assert code(by_session(node, "iam", session).create_access_key, UserName="narrow") == "AccessDenied"
        for chained in [{}, {"Policy": ALLOW_ALL}]:
            ask = {"RoleArn": arn, "RoleSessionName": "more", **chained}
            assert code(by_session(node, "sts", session).assume_role, **ask) == "AccessDenied"


def test_session_tags_are_the_sessions(node, iam):
    access, secret = keys_of(iam, "tagger")
    user = f"arn:aws:iam::{ACCOUNT}:user/tagger"
    iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=trust({"AWS": user}))
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:PrincipalTag/who}}"
    iam.put_role_policy(RoleName="tagged", PolicyName="own", PolicyDocument=allow("iam:GetUser", resource=own))
    tagger = client(node, "sts", access, secret)
    ask = {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/tagged", "RoleSessionName": "tags",
        "Tags": [{"Key": "who", "Value": "tagger"}],
    }
    assert code(tagger.assume_role, **ask) == "AccessDenied"
    iam.update_assume_role_policy(
        RoleName="tagged", PolicyDocument=trust({"AWS": user}, "sts:AssumeRole", "sts:TagSession"),
    )
    as_role = by_session(node, "iam", tagger.assume_role(**ask, TransitiveTagKeys=["who"])["Credentials"])
    assert as_role.get_user(UserName="tagger")["User"]["UserName"] == "tagger"
    assert code(as_role.get_user, UserName="assumer") == "AccessDenied"


def test_a_source_identity_stays_through_further_roles(node, iam):
    access, secret = keys_of(iam, "sourced", ALLOW_ALL)
    document = trust({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:SetSourceIdentity")
    arn = iam.create_role(RoleName="sourced", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:SourceIdentity}}"
    both = json.loads(allow("sts:*"))
    both["Statement"].extend(json.loads(allow("iam:GetUser", resource=own))["Statement"])
    iam.put_role_policy(RoleName="sourced", PolicyName="own", PolicyDocument=json.dumps(both))
    ask = {"RoleArn": arn, "RoleSessionName": "sourced"}
    first = client(node, "sts", access, secret).assume_role(**ask, SourceIdentity="sourced")
    assert first["SourceIdentity"] == "sourced"
    chained = by_session(node, "sts", first["Credentials"])
    assert code(chained.assume_role, **ask, SourceIdentity="another") == "AccessDenied"
    second = chained.assume_role(**ask)
    assert second["SourceIdentity"] == "sourced"
    by_session(node, "iam", second["Credentials"]).get_user(UserName="sourced")


def test_session_tokens_stand_for_their_makers(node, iam, sts):
    access, secret = keys_of(iam, "tokens", allow("iam:ListUsers"))
    mine = client(node, "sts", access, secret).get_session_token(DurationSeconds=900)["Credentials"]
    assert by_session(node, "sts", mine).get_caller_identity()["Arn"].endswith("user/tokens")
    by_session(node, "iam", mine).list_users()
    assert code(by_session(node, "sts", mine).get_session_token) == "AccessDenied"
    roots = sts.get_session_token()["Credentials"]
    assert by_session(node, "sts", roots).get_caller_identity()["Arn"].endswith(":root")
    s3 = s3_client(
        node.s3, roots["AccessKeyId"], roots["SecretAccessKey"], token=roots["SessionToken"], signature_version="s3v4",
    )
    s3.create_bucket(Bucket="by-session")
    s3.put_object(Bucket="by-session", Key="k", Body=b"body")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "by-session", "Key": "k"})
    assert urllib.request.urlopen(url).read() == b"body"
    iam.delete_user_policy(UserName="tokens", PolicyName="inline")
    assert code(by_session(node, "iam", mine).list_users) == "AccessDenied"


def test_what_policies_would_decide_is_simulated(iam):
    iam.create_user(UserName="simulated")
    deny = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/secret",
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]})
    iam.put_user_policy(UserName="simulated", PolicyName="p", PolicyDocument=deny)

    def decisions(resource, **more):
        found = iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/simulated", ActionNames=["s3:GetObject", "s3:PutObject"],
            ResourceArns=[resource], **more,
        )
        return [result["EvalDecision"] for result in found["EvaluationResults"]]

    insecure = [{"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["false"]}]
    assert decisions("arn:aws:s3:::b/k") == ["allowed", "implicitDeny"]
    assert decisions("arn:aws:s3:::b/secret", ContextEntries=insecure) == ["explicitDeny", "implicitDeny"]
    assert decisions("arn:aws:s3:::other/k") == ["implicitDeny", "implicitDeny"]
    custom = iam.simulate_custom_policy(PolicyInputList=[allow("s3:PutObject")], ActionNames=["s3:PutObject"])
    assert custom["EvaluationResults"][0]["EvalDecision"] == "allowed"
    assert custom["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"


def test_aws_cli_speaks_iam_and_sts(node, tmp_path):
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_EC2_METADATA_DISABLED": "true",
    }
    program = [sys.executable, str(pathlib.Path(sys.executable).parent / "aws")]

    def aws(*words):
        done = subprocess.run(
            [*program, "--endpoint-url", node.s3, "--output", "json", *words],
            env=environment, capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    assert aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    aws("iam", "create-user", "--user-name", "cli-user", "--tags", "Key=a,Value=b")
    (tmp_path / "policy.json").write_text(ALLOW_ALL)
    (tmp_path / "trust.json").write_text(trust({"AWS": "*"}))
    document = f"file://{tmp_path / 'policy.json'}"
    arn = aws("iam", "create-policy", "--policy-name", "cli-policy", "--policy-document", document)["Policy"]["Arn"]
    aws("iam", "attach-user-policy", "--user-name", "cli-user", "--policy-arn", arn)
    aws("iam", "create-role", "--role-name", "cli-role", "--assume-role-policy-document", f"file://{tmp_path / 'trust.json'}")
    key = aws("iam", "create-access-key", "--user-name", "cli-user")["AccessKey"]
    environment.update(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    role = f"arn:aws:iam::{ACCOUNT}:role/cli-role"
    session = aws("sts", "assume-role", "--role-arn", role, "--role-session-name", "cli")["Credentials"]
    environment.update(
        AWS_ACCESS_KEY_ID=session["AccessKeyId"], AWS_SECRET_ACCESS_KEY=session["SecretAccessKey"],
        AWS_SESSION_TOKEN=session["SessionToken"],
    )
    assert aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/cli-role/cli"


def test_what_is_not_there_says_so(node, sts, iam):
    assert code(sts.get_federation_token, Name="name") == "InvalidAction"
    assert code(iam.create_virtual_mfa_device, VirtualMFADeviceName="x") == "InvalidAction"
    unsigned = urllib.request.Request(
        node.s3, data=b"Action=GetCallerIdentity&Version=2011-06-15",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert b"MissingAuthenticationToken" in refused(unsigned)


def test_calls_and_refusals_are_in_the_audit_log(tmp_path):
    node = Node(tmp_path, ["--audit-log", str(tmp_path / "audit.log")])
    access, secret = keys_of(client(node, "iam"), "audited")
    assert code(client(node, "iam", access, secret).list_roles) == "AccessDenied"
    assert code(client(node, "sts", access, "a-wrong-secret-key").get_caller_identity) == "SignatureDoesNotMatch"
    assert node.stop() == 0
    text = (tmp_path / "audit.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    told = {(line["event"], line["face"], line["operation"]) for line in lines}
    assert told >= {
        ("identity-changed", "iam", "CreateUser"), ("identity-changed", "iam", "CreateAccessKey"),
        ("denied", "iam", "ListRoles"), ("unauthenticated", "sts", "Query"),
    }
    denied = next(line for line in lines if line["event"] == "denied")
    assert denied["who"]["arn"].endswith("user/audited") and denied["action"] == "iam:ListRoles"
    assert secret not in text


def test_no_secret_is_in_the_data_or_the_log(node, iam):
    access, secret = keys_of(iam, "canary")
    iam.list_access_keys(UserName="canary")
    found = 0
    for path in pathlib.Path(node.directory).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            found += access.encode() in content
            assert secret.encode() not in content, path
    assert found, "the access key itself is somewhere"
    key_file = pathlib.Path(node.directory) / "data" / "identity.key"
    assert key_file.stat().st_mode & 0o777 == 0o600


def test_identities_outlive_kills_and_need_their_key_file(tmp_path):
    node = Node(tmp_path)
    access, secret = keys_of(client(node, "iam"), "alice", ALLOW_ALL)
    node.kill()
    node = node.start()
    assert client(node, "iam", access, secret).get_user()["User"]["UserName"] == "alice"
    assert node.stop() == 0
    key_file = tmp_path / "data" / "identity.key"
    assert key_file.stat().st_mode & 0o777 == 0o600 and (tmp_path / "data").stat().st_mode & 0o777 == 0o700

    def refusal(*extra):
        command = [
            binary(), "server", "--data-dir", str(tmp_path / "data"), "--s3-listen", "127.0.0.1:0",
            "--admin-listen", "127.0.0.1:0", "--replication-listen", "127.0.0.1:0", *extra,
        ]
        environment = {**os.environ, "TANDEM_ROOT_ACCESS_KEY": ACCESS_KEY, "TANDEM_ROOT_SECRET_KEY": SECRET_KEY}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and secret not in done.stderr + done.stdout
        return done.stderr + done.stdout

    key_file.chmod(0o644)
    assert "others may read it" in refusal()
    elsewhere = tmp_path / "elsewhere.key"
    shutil.move(key_file, elsewhere)
    elsewhere.chmod(0o600)
    assert "is missing" in refusal() and not key_file.exists()
    again = Node(tmp_path, ["--identity-key-file", str(elsewhere)])
    assert client(again, "iam", access, secret).get_user()["User"]["UserName"] == "alice"
    assert again.stop() == 0
