"""ACLs of buckets and objects, ownership, and owners in answers."""

import pytest
import urllib3
from conftest import Node, s3_client
from people import PASSWORD, Local, admin, code, new_account, policy, statement, unique

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
HTTP = urllib3.PoolManager()


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("listed"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def root(listed):
    return s3_client(listed.s3)


@pytest.fixture(scope="module")
def other(listed):
    return Local(listed, new_account(listed))


@pytest.fixture(scope="module")
def owner(root):
    return root.list_buckets()["Owner"]


@pytest.fixture
def writers(root):
    """A bucket where ACLs count."""
    name = unique("writers")
    root.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    return name


def anonymous(node, bucket, key="", method="GET", **arguments):
    return HTTP.request(method, f"{node.s3}/{bucket}/{key}", **arguments).status


def grants(answer):
    return sorted(
        (grant["Grantee"].get("ID") or grant["Grantee"].get("URI"), grant["Permission"]) for grant in answer["Grants"])


def administrator(node, tenant):
    """An IAM user of the tenant who may everything that is its account's."""
    policy_id = admin(node, "GET", "/api/s3policies/?name=AdministratorAccess")[0]["id"]
    fields = {"name": unique("administrator"), "tenant_id": tenant["id"], "iam": True}
    user = admin(node, "POST", "/api/users/", **fields, s3_policies_ids=[policy_id])
    pair = admin(node, "POST", f"/api/users/{user['id']}/access_keys/", tenant_id=tenant["id"])
    return user, s3_client(node.s3, pair["access_key"], pair["secret_key"])


def test_who_began_an_upload_lists_its_parts_and_aborts_it_in_anothers_bucket(listed, root, writers):
    user, beginner = administrator(listed, new_account(listed))
    _, stranger = administrator(listed, new_account(listed))
    root.put_bucket_acl(Bucket=writers, ACL="public-read-write")
    upload = beginner.create_multipart_upload(Bucket=writers, Key="k")["UploadId"]
    named = {"Bucket": writers, "Key": "k", "UploadId": upload}
    shown = root.list_multipart_uploads(Bucket=writers)["Uploads"][0]["Initiator"]
    assert shown == {"ID": user["arn"], "DisplayName": user["name"]}
    for call in (stranger.list_parts, stranger.abort_multipart_upload):
        assert code(call, **named) == "AccessDenied"
    assert beginner.list_parts(**named)["Initiator"] == shown
    beginner.abort_multipart_upload(**named)
    assert code(beginner.abort_multipart_upload, **named) in ("AccessDenied", "NoSuchUpload")


def test_a_bucket_has_no_acls_unless_it_is_asked_for(listed, root, owner):
    name = unique("plain")
    root.create_bucket(Bucket=name)
    rules = root.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert grants(root.get_bucket_acl(Bucket=name)) == [(owner["ID"], "FULL_CONTROL")]
    root.put_object(Bucket=name, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    assert code(root.put_object, Bucket=name, Key="k", ACL="public-read") == "AccessControlListNotSupported"
    refused = code(root.create_bucket, Bucket=unique("open"), ACL="public-read")
    assert refused == "InvalidBucketAclWithObjectOwnership"
    root.delete_bucket_ownership_controls(Bucket=name)
    assert code(root.get_bucket_ownership_controls, Bucket=name) == "OwnershipControlsNotFoundError"
    root.put_bucket_acl(Bucket=name, ACL="public-read")
    enforce = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused = code(root.put_bucket_ownership_controls, Bucket=name, OwnershipControls=enforce)
    assert refused == "InvalidBucketAclWithObjectOwnership"
    root.put_bucket_acl(Bucket=name, ACL="private")
    root.put_bucket_ownership_controls(Bucket=name, OwnershipControls=enforce)


def test_canned_acls_let_everybody_in(listed, root, writers):
    root.put_object(Bucket=writers, Key="closed", Body=b"x")
    root.put_object(Bucket=writers, Key="open", Body=b"x", ACL="public-read")
    assert anonymous(listed, writers, "open") == 200
    assert anonymous(listed, writers, "closed") == 403
    assert anonymous(listed, writers, "absent") == 403
    assert anonymous(listed, writers) == 403
    root.put_bucket_acl(Bucket=writers, ACL="public-read")
    assert anonymous(listed, writers) == 200
    assert anonymous(listed, writers, "absent") == 404
    assert anonymous(listed, writers, "new", method="PUT", body=b"x") == 403
    root.put_bucket_acl(Bucket=writers, ACL="public-read-write")
    assert anonymous(listed, writers, "new", method="PUT", body=b"x") == 200
    root.put_object_acl(Bucket=writers, Key="open", ACL="private")
    assert anonymous(listed, writers, "open") == 403


def test_a_copy_and_an_upload_have_acls_of_their_own(listed, root, writers):
    root.put_object(Bucket=writers, Key="open", Body=b"x", ACL="public-read")
    root.copy_object(Bucket=writers, Key="copy", CopySource={"Bucket": writers, "Key": "open"})
    assert anonymous(listed, writers, "copy") == 403
    root.copy_object(Bucket=writers, Key="copy", CopySource={"Bucket": writers, "Key": "open"}, ACL="public-read")
    assert anonymous(listed, writers, "copy") == 200
    upload = root.create_multipart_upload(Bucket=writers, Key="parts", ACL="public-read")["UploadId"]
    part = root.upload_part(Bucket=writers, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    root.complete_multipart_upload(
        Bucket=writers, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert anonymous(listed, writers, "parts") == 200


def test_grants_by_header_and_by_document_come_back(listed, root, other, writers, owner):
    friend = other.s3.list_buckets()["Owner"]
    root.put_object(Bucket=writers, Key="k", Body=b"x", GrantRead=f'id="{friend["ID"]}", uri="{ALL_USERS}"')
    held = root.get_object_acl(Bucket=writers, Key="k")
    assert grants(held) == sorted([(friend["ID"], "READ"), (ALL_USERS, "READ")])
    assert held["Owner"] == owner
    acl = {"Owner": owner, "Grants": [
        {"Grantee": {"Type": "CanonicalUser", "ID": owner["ID"]}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"Type": "CanonicalUser", "ID": friend["ID"]}, "Permission": "WRITE_ACP"},
    ]}
    root.put_object_acl(Bucket=writers, Key="k", AccessControlPolicy=acl)
    assert grants(root.get_object_acl(Bucket=writers, Key="k")) == sorted(
        [(owner["ID"], "FULL_CONTROL"), (friend["ID"], "WRITE_ACP")])
    assert anonymous(listed, writers, "k") == 403
    root.put_bucket_acl(Bucket=writers, AccessControlPolicy=acl)
    assert grants(root.get_bucket_acl(Bucket=writers)) == sorted(
        [(owner["ID"], "FULL_CONTROL"), (friend["ID"], "WRITE_ACP")])
    bad = {**acl, "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "0" * 64}, "Permission": "READ"}]}
    assert code(root.put_bucket_acl, Bucket=writers, AccessControlPolicy=bad) == "InvalidArgument"
    stolen = {**acl, "Owner": friend}
    assert code(root.put_bucket_acl, Bucket=writers, AccessControlPolicy=stolen) == "AccessDenied"
    unknown = {**acl, "Grants": [{"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@b.c"}, "Permission": "READ"}]}
    assert code(root.put_bucket_acl, Bucket=writers, AccessControlPolicy=unknown) == "UnresolvableGrantByEmailAddress"
    both = code(root.put_object, Bucket=writers, Key="k", ACL="private", GrantRead=f'id="{friend["ID"]}"')
    assert both == "InvalidRequest"


def test_the_writer_owns_where_the_bucket_says_so(listed, root, other, writers, owner):
    friend = other.s3.list_buckets()["Owner"]
    # A local user needs an identity policy of its own to go to another account.
    root.put_bucket_policy(Bucket=writers, Policy=policy(statement(
        "Allow", "s3:*", [f"arn:aws:s3:::{writers}", f"arn:aws:s3:::{writers}/*"], Principal="*")))
    anonymous(listed, writers, "guest", method="PUT", body=b"x")
    entries = root.list_objects_v2(Bucket=writers, FetchOwner=True)["Contents"]
    assert [entry["Owner"] for entry in entries] == [owner], "what nobody in particular writes is the bucket owner's"
    assert root.list_objects(Bucket=writers)["Contents"][0]["Owner"] == owner
    assert root.list_object_versions(Bucket=writers)["Versions"][0]["Owner"] == owner
    upload = root.create_multipart_upload(Bucket=writers, Key="u")
    listed_upload = root.list_multipart_uploads(Bucket=writers)["Uploads"][0]
    assert (listed_upload["Owner"], listed_upload["Initiator"]) == (owner, owner)
    parts = root.list_parts(Bucket=writers, Key="u", UploadId=upload["UploadId"])
    assert (parts["Owner"], parts["Initiator"]) == (owner, owner)
    assert friend != owner


def test_versions_have_acls_of_their_own(listed, root, writers):
    root.put_bucket_versioning(Bucket=writers, VersioningConfiguration={"Status": "Enabled"})
    first = root.put_object(Bucket=writers, Key="v", Body=b"1")["VersionId"]
    root.put_object(Bucket=writers, Key="v", Body=b"2", ACL="public-read")
    assert len(root.get_object_acl(Bucket=writers, Key="v")["Grants"]) == 2
    assert len(root.get_object_acl(Bucket=writers, Key="v", VersionId=first)["Grants"]) == 1
    root.put_object_acl(Bucket=writers, Key="v", VersionId=first, ACL="public-read")
    assert len(root.get_object_acl(Bucket=writers, Key="v", VersionId=first)["Grants"]) == 2
    marker = root.delete_object(Bucket=writers, Key="v")["VersionId"]
    assert code(root.get_object_acl, Bucket=writers, Key="v") == "NoSuchKey"
    assert code(root.get_object_acl, Bucket=writers, Key="v", VersionId=marker) == "MethodNotAllowed"


def test_the_default_ownership_is_a_setting(tmp_path):
    node = Node(tmp_path, extra=["--default-object-ownership", "BucketOwnerPreferred"])
    try:
        s3 = s3_client(node.s3)
        s3.create_bucket(Bucket="preferred", ACL="public-read")
        rules = s3.get_bucket_ownership_controls(Bucket="preferred")["OwnershipControls"]["Rules"]
        assert rules == [{"ObjectOwnership": "BucketOwnerPreferred"}]
        assert anonymous(node, "preferred") == 200
    finally:
        assert node.stop() == 0
