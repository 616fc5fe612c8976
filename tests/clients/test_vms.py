"""The walkthrough's steps about users, by vastpy and vastpy-cli against the real admin port."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import urllib3
from botocore.exceptions import ClientError
from conftest import ACCESS_KEY, Node, address, s3_client, wait_until
from vastpy import RESTFailure, VASTClient

PASSWORD = "the-password-of-the-vms-tests"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Sid": "all", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def vms_node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("vms"), environment={"TANDEM_PASSWORD": PASSWORD})
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def vms(vms_node):
    return VASTClient(user="admin", password=PASSWORD, address=address(vms_node.addresses["admin"]))


def failed(call):
    with pytest.raises(RESTFailure) as error:
        call()
    return error.value.status, json.loads(error.value.data)


def test_a_user_of_the_source_works_on_the_destination_with_the_pair_provided_there(testbed):
    source, destination = testbed.vms("a"), testbed.vms("b")
    source.clusters[1].patch(enable_bucket_replication=True)
    user = source.users.post(name="s3user", uid=10001, local_provider_id=1, allow_create_bucket=True)
    pair = source.users[user["id"]].access_keys.post()
    client = lambda name: s3_client(testbed.facts[name]["s3"], pair["access_key"], pair["secret_key"])
    at_source = client("a")
    at_source.create_bucket(Bucket="managed-by-b-policy")
    at_source.put_object(Bucket="managed-by-b-policy", Key="k", Body=b"from the source")

    # The other node is a destination: its users are its own all the same, and the user has to have the same pair there.
    wait_until("b is the destination", lambda: testbed.path("b")["role"] == "Destination")
    with pytest.raises(ClientError) as error:
        client("b").get_object(Bucket="managed-by-b-policy", Key="k")
    assert error.value.response["Error"]["Code"] == "InvalidAccessKeyId"
    twin = destination.users.post(name="s3user", uid=10001, local_provider_id=1)
    provided = destination.users[twin["id"]].access_keys.post(**pair)
    assert provided == {"access_key": pair["access_key"]}
    assert destination.locals3keys.get(user_id=twin["id"])[0]["access_key"] == pair["access_key"]

    def arrived():
        views = destination.views.get(bucket="managed-by-b-policy")
        return views and views[0]

    view = wait_until("the bucket is a view of the destination", arrived)
    assert view["protocols"] == ["S3"] and view["is_remote"]
    # The same uid: the bucket is its own here too, and needs no policy.
    assert view["bucket_owner"] == "s3user"

    def reads():
        try:
            return client("b").get_object(Bucket="managed-by-b-policy", Key="k")["Body"].read() == b"from the source"
        except ClientError:
            return False

    wait_until("the user reads on the destination", reads)
    with pytest.raises(ClientError) as error:
        client("b").put_object(Bucket="managed-by-b-policy", Key="k", Body=b"refused")
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    status, refused = failed(lambda: destination.views.post(path="/refused", policy_id=1, protocols=["S3"]))
    assert status == 403 and "destination" in refused["detail"]
    status, refused = failed(lambda: destination.views[view["id"]].delete())
    assert status == 403


def test_a_key_that_is_disabled_or_deleted_fails_on_the_next_request(vms_node, vms):
    user = vms.users.post(name="keys", uid=20001, allow_create_bucket=True)
    pair = vms.users[user["id"]].access_keys.post()
    client = s3_client(vms_node.s3, pair["access_key"], pair["secret_key"])
    client.create_bucket(Bucket="bucket-of-keys")

    def code():
        try:
            client.list_objects_v2(Bucket="bucket-of-keys")
            return None
        except ClientError as error:
            return error.response["Error"]["Code"]

    assert code() is None
    assert vms.users[user["id"]].access_keys.patch(access_key=pair["access_key"], enabled=False) == b""
    assert code() == "InvalidAccessKeyId"
    assert vms.users.get(name="keys")[0]["access_keys"][0]["enabled"] is False
    vms.users[user["id"]].access_keys.patch(access_key=pair["access_key"], enabled=True)
    assert code() is None
    vms.users[user["id"]].access_keys.delete(access_key=pair["access_key"])
    assert code() == "InvalidAccessKeyId"
    assert pair["secret_key"] not in (vms_node.directory / "log").read_text(errors="replace")


def test_a_view_is_a_bucket(vms_node, vms):
    user = vms.users.post(name="owner-of-view", uid=20002)
    pair = vms.users[user["id"]].access_keys.post()
    view = vms.views.post(path="/viewed", bucket="viewed", bucket_owner="owner-of-view", policy_id=1, protocols=["S3"], s3_versioning=True)
    client = s3_client(vms_node.s3, pair["access_key"], pair["secret_key"])
    assert client.get_bucket_versioning(Bucket="viewed")["Status"] == "Enabled"
    client.put_object(Bucket="viewed", Key="k", Body=b"x")
    status, refused = failed(lambda: vms.views[view["id"]].delete())
    assert (status, refused["code"]) == (409, "bucket_not_empty")
    for version in client.list_object_versions(Bucket="viewed")["Versions"]:
        client.delete_object(Bucket="viewed", Key="k", VersionId=version["VersionId"])
    assert vms.views[view["id"]].delete() == b""
    assert vms.views.get(bucket="viewed") == []


def test_filters_pages_and_fields(vms):
    for number in range(5):
        vms.groups.post(name=f"page-{number}", gid=30000 + number)
    assert [group["name"] for group in vms.groups.get(name__startswith="page-", ordering="-gid")] == [
        "page-4", "page-3", "page-2", "page-1", "page-0"]
    assert vms.groups.get(name="page-3", fields=["gid", "name"]) == [{"gid": 30003, "name": "page-3"}]
    assert vms.groups.get(gid__gte=30003, gid__lte=30003)[0]["name"] == "page-3"
    page = vms.groups.get(page=2, page_size=2, name__contains="page-", ordering="gid")
    assert page["count"] == 5 and [group["gid"] for group in page["results"]] == [30002, 30003]
    assert page["next"].endswith("page=3") and page["previous"].endswith("page=1")
    assert vms.users.get(s3_superuser=True) == []
    status, refused = failed(lambda: vms.groups.get(nmae="page-3"))
    assert status == 400 and "nmae" in refused


def test_errors_say_what_is_wrong(vms):
    assert failed(lambda: vms.users.post(uid=1)) == (400, {"name": ["This field is required."]})
    assert failed(lambda: vms.users[987654].get()) == (404, {"detail": "Not found."})
    status, refused = failed(lambda: vms.s3policies.post(name="bad", policy="{}"))
    assert status == 400 and "policy" in refused
    assert failed(lambda: vms.cnodes.get())[0] == 501
    assert failed(lambda: vms.nothing.get())[0] == 404
    assert failed(lambda: vms.users.delete())[0] == 405
    vms.users.post(name="twice")
    status, refused = failed(lambda: vms.users.post(name="twice"))
    assert (status, refused["code"]) == (409, "already_exists")


def test_tokens_log_in_until_they_are_revoked(vms_node, vms):
    place = address(vms_node.addresses["admin"])
    made = vms.apitokens.post(name="ci", owner="admin", expiry_date="1d")
    by_token = VASTClient(token=made["token"], address=place, version="v5", tenant="default")
    assert by_token.tenants.get()[0]["id"] == 1
    assert isinstance(vms.apitokens[made["id"]].patch(name="renamed"), str)
    assert vms.apitokens[made["id"]].get()["name"] == "renamed"
    vms.apitokens[made["id"]].revoke.patch()
    assert failed(lambda: by_token.tenants.get())[0] == 401
    pool = urllib3.PoolManager(cert_reqs="CERT_NONE")
    login = pool.request("POST", f"https://{place}/api/token/", json={"username": "admin", "password": PASSWORD}).json()
    bearer = {"Authorization": f"Bearer {login['access']}"}
    assert pool.request("GET", f"https://{place}/api/v5/users", headers=bearer).status == 200
    fresh = pool.request("POST", f"https://{place}/api/token/refresh/", json={"refresh": login["refresh"]}).json()
    assert fresh["access"].count(".") == 2
    forged = {"Authorization": f"Bearer {login['access'][:-4]}AAAA"}
    assert pool.request("GET", f"https://{place}/api/users/", headers=forged).status == 401


def test_the_document_names_what_is_shown(vms):
    document = vms["openapi.json"].get()
    for collection in ["users", "groups", "s3policies", "tenants", "views", "vippools", "clusters", "viewpolicies"]:
        listed = document["paths"][f"/{collection}/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][listed["items"]["$ref"].rsplit("/", 1)[1]]
        for shown in vms[collection].get():
            assert set(shown) == set(schema["properties"]), collection
    assert {pool["role"] for pool in vms.vippools.get()} == {"PROTOCOLS", "REPLICATION"}
    cluster = vms.clusters.get()[0]
    assert vms.versions.get()[0]["sys_version"] == cluster["sw_version"]
    # What the vendor's Ansible collection asks before it does anything: 5.4.0 <= version < 5.6.0.
    assert (5, 4, 0) <= tuple(int(part) for part in cluster["sw_version"].split(".")[:3]) < (5, 6, 0)
    assert cluster["tandem_version"] != cluster["sw_version"]


def cli(node, *words):
    program = pathlib.Path(sys.executable).parent / "vastpy-cli"
    environment = {**os.environ, "VMS_USER": "admin", "VMS_PASSWORD": PASSWORD, "VMS_ADDRESS": address(node.addresses["admin"])}
    done = subprocess.run([str(program), *words], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_vastpy_cli_makes_shows_and_deletes(vms_node):
    code, out, err = cli(vms_node, "post", "s3policies", "name=by-cli", f"policy={json.dumps(ALLOW_ALL)}")
    assert code == 0, err
    code, out, err = cli(vms_node, "post", "users", "name=by-cli", "uid=40001", "allow_create_bucket=true")
    assert code == 0 and "by-cli" in out, err
    code, out, err = cli(vms_node, "get", "users", "fields=id,name,uid", "name=by-cli")
    header, _, row, *_ = out.splitlines()
    assert [cell.strip() for cell in header.split("|")] == ["id", "name", "uid"]
    number, name, uid = [cell.strip() for cell in row.split("|")]
    assert (name, uid) == ("by-cli", "40001")
    code, out, err = cli(vms_node, "get", "users", "page_size=1", "name=by-cli")
    assert code == 0 and "by-cli" in out
    code, out, err = cli(vms_node, "--json", "get", f"users/{number}")
    assert json.loads(out)["uid"] == 40001
    code, out, err = cli(vms_node, "delete", f"users/{number}")
    assert code == 0, err
    code, out, err = cli(vms_node, "get", f"users/{number}")
    assert code == 2 and "Not found." in err
