"""PublicAccessBlock: four switches, each of which does what it says."""

import pytest
import urllib3
from conftest import Node, s3_client
from people import PASSWORD, Person, arn, code, policy, statement, unique

HTTP = urllib3.PoolManager()
OFF = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}


@pytest.fixture(scope="module")
def open_node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("open"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def root(open_node):
    return s3_client(open_node.s3)


@pytest.fixture
def data(root):
    name = unique("public")
    root.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    root.put_object(Bucket=name, Key="k", Body=b"x")
    return name


def status(node, bucket, key="k", **arguments):
    return HTTP.request("GET", f"{node.s3}/{bucket}/{key}", **arguments).status


def switch(root, bucket, **on):
    root.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OFF, **on})


def everybody(bucket):
    return policy(statement("Allow", "s3:GetObject", arn(bucket, "*"), Principal="*"))


def test_a_new_bucket_has_none_and_what_is_put_comes_back(root, data):
    assert code(root.get_public_access_block, Bucket=data) == "NoSuchPublicAccessBlockConfiguration"
    switch(root, data, BlockPublicPolicy=True)
    held = root.get_public_access_block(Bucket=data)["PublicAccessBlockConfiguration"]
    assert held == {**OFF, "BlockPublicPolicy": True}
    root.delete_public_access_block(Bucket=data)
    root.delete_public_access_block(Bucket=data)
    assert code(root.get_public_access_block, Bucket=data) == "NoSuchPublicAccessBlockConfiguration"


def test_block_public_acls_refuses_new_ones_and_leaves_old_ones(open_node, root, data):
    root.put_object_acl(Bucket=data, Key="k", ACL="public-read")
    switch(root, data, BlockPublicAcls=True)
    assert status(open_node, data) == 200
    for acl in ("public-read", "public-read-write", "authenticated-read"):
        assert code(root.put_object, Bucket=data, Key="n", ACL=acl) == "AccessDenied"
        assert code(root.put_object_acl, Bucket=data, Key="k", ACL=acl) == "AccessDenied"
        assert code(root.put_bucket_acl, Bucket=data, ACL=acl) == "AccessDenied"
    root.put_object(Bucket=data, Key="n", ACL="private")


def test_ignore_public_acls_takes_their_effect(open_node, root, data):
    root.put_object_acl(Bucket=data, Key="k", ACL="public-read")
    switch(root, data, IgnorePublicAcls=True)
    assert status(open_node, data) == 403
    root.put_object_acl(Bucket=data, Key="k", ACL="public-read")
    switch(root, data)
    assert status(open_node, data) == 200


def test_block_public_policy_refuses_public_ones(open_node, root, data):
    switch(root, data, BlockPublicPolicy=True)
    assert code(root.put_bucket_policy, Bucket=data, Policy=everybody(data)) == "AccessDenied"
    narrow = statement(
        "Allow", "s3:GetObject", arn(data, "*"), Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a"}})
    root.put_bucket_policy(Bucket=data, Policy=policy(narrow))
    assert root.get_bucket_policy_status(Bucket=data)["PolicyStatus"]["IsPublic"] is False
    switch(root, data)
    root.put_bucket_policy(Bucket=data, Policy=everybody(data))
    assert root.get_bucket_policy_status(Bucket=data)["PolicyStatus"]["IsPublic"] is True
    assert status(open_node, data) == 200


def test_restrict_public_buckets_keeps_a_public_policy_in_the_account(open_node, root, data):
    person = Person(open_node)
    root.put_bucket_policy(Bucket=data, Policy=everybody(data))
    switch(root, data, RestrictPublicBuckets=True)
    assert status(open_node, data) == 403
    assert person.s3.get_object(Bucket=data, Key="k")["Body"].read() == b"x", "the account's own"
    assert root.get_bucket_policy_status(Bucket=data)["PolicyStatus"]["IsPublic"] is True


def test_nobody_lists_versions_uploads_or_attributes_under_it(open_node, root, data):
    actions = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:GetObject*"]
    root.put_bucket_policy(Bucket=data, Policy=policy(
        statement("Allow", actions, [arn(data), arn(data, "*")], Principal="*")))
    paths = [("", {}), ("?versions", {}), ("?uploads", {}), ("k", {}),
             ("k?attributes", {"headers": {"x-amz-object-attributes": "ETag"}})]
    asked = lambda: [status(open_node, data, path, **arguments) for path, arguments in paths]
    assert asked() == [200] * 5
    switch(root, data, RestrictPublicBuckets=True)
    assert asked() == [403] * 5
