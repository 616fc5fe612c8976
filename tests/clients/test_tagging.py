"""boto3 and aws-cli: tags of objects, of their versions, and of buckets, on both engines."""

import pytest
from botocore.exceptions import ClientError
from conftest import Node, s3_client


@pytest.fixture(scope="module", params=["redb", "sled"])
def s3(request, tmp_path_factory):
    node = Node(tmp_path_factory.mktemp(f"tags-{request.param}"), extra=["--engine", request.param])
    yield s3_client(node.s3)
    assert node.stop() == 0


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags(s3, bucket, key, **version):
    return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key, **version)["TagSet"]}


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_tags_come_with_a_put_an_upload_and_a_copy(s3, bucket):
    s3.put_object(Bucket=bucket, Key="put", Body=b"x", Tagging="a=1&b=two%20words&c=")
    assert tags(s3, bucket, "put") == {"a": "1", "b": "two words", "c": ""}
    head = s3.head_object(Bucket=bucket, Key="put")
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "3"
    assert s3.get_object(Bucket=bucket, Key="put")["TagCount"] == 3
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", Tagging="p=q")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert tags(s3, bucket, "parts") == {"p": "q"}
    source = {"Bucket": bucket, "Key": "put"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    assert tags(s3, bucket, "kept") == tags(s3, bucket, "put")
    s3.copy_object(Bucket=bucket, Key="replaced", CopySource=source, TaggingDirective="REPLACE", Tagging="n=m")
    assert tags(s3, bucket, "replaced") == {"n": "m"}
    s3.copy_object(Bucket=bucket, Key="put", CopySource=source, TaggingDirective="REPLACE", Tagging="only=this")
    assert tags(s3, bucket, "put") == {"only": "this"}


def test_tags_are_replaced_and_removed_and_the_object_stays(s3, bucket):
    before = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert tags(s3, bucket, "k") == {}
    most = {"k" * 128 if n == 0 else f"key {n} +-=._:/@\u00e9": "v" * 256 for n in range(10)}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**most))
    assert tags(s3, bucket, "k") == most
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(one="1"))
    assert tags(s3, bucket, "k") == {"one": "1"}
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ETag"], head["LastModified"]) == (before["ETag"], modified)
    assert s3.delete_object_tagging(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(s3, bucket, "k") == {}
    assert "x-amz-tagging-count" not in s3.head_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize("wrong,expected", [
    ([{"Key": f"k{n}", "Value": "v"} for n in range(11)], "BadRequest"),
    ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "InvalidTag"),
    ([{"Key": "k" * 129, "Value": "v"}], "InvalidTag"),
    ([{"Key": "k", "Value": "v" * 257}], "InvalidTag"),
    ([{"Key": "aws:k", "Value": "v"}], "InvalidTag"),
    ([{"Key": "k?", "Value": "v"}], "InvalidTag"),
    ([{"Key": "k", "Value": "a&b"}], "InvalidTag"),
])
def test_wrong_tags_are_refused_and_the_old_ones_stay(s3, bucket, wrong, expected):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": wrong}) == (expected, 400)
    assert tags(s3, bucket, "k") == {"a": "1"}
    if len(wrong) < 11:
        assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": wrong}) == (expected, 400)


def test_tags_are_of_one_version(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old, new = (s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging=f"v={n}")["VersionId"] for n in "12")
    assert s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=old, Tagging=tag_set(v="old"))["VersionId"] == old
    assert (tags(s3, bucket, "k", VersionId=old), tags(s3, bucket, "k")) == ({"v": "old"}, {"v": "2"})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["VersionId"] == new
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert (tags(s3, bucket, "k", VersionId=old), tags(s3, bucket, "k", VersionId=new)) == ({"v": "old"}, {})
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    for call, more in [
        (s3.get_object_tagging, {}), (s3.delete_object_tagging, {}), (s3.put_object_tagging, {"Tagging": tag_set(a="b")}),
    ]:
        assert refused(call, Bucket=bucket, Key="k", **more) == ("NoSuchKey", 404)
        assert refused(call, Bucket=bucket, Key="k", VersionId=marker, **more) == ("MethodNotAllowed", 405)
        assert refused(call, Bucket=bucket, Key="k", VersionId="0" * 32, **more) == ("NoSuchVersion", 404)


def test_a_bucket_has_tags(s3, bucket):
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    fifty = {f"key{n:02}": "v" * 256 for n in range(50)}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(**fifty))
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tag_set(**fifty)["TagSet"]
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=tag_set(**fifty, more="x")) == ("BadRequest", 400)
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(only="<this>".strip("<>")))
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "only", "Value": "this"}]
    assert s3.delete_bucket_tagging(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    assert refused(s3.get_bucket_tagging, Bucket="no-such-bucket-here") == ("NoSuchBucket", 404)
