"""Prepares a node for the measurements of access and versions: prints the key pair of a user whom two policies of its
own and a bucket policy let work, as one JSON line."""

import json
import sys

import boto3

endpoint, policed, versioned = sys.argv[1:]
words = {"endpoint_url": endpoint, "region_name": "us-east-1"}
iam, s3 = boto3.client("iam", **words), boto3.client("s3", **words)


def statements(effect, action, principal=None):
    """Five statements that name the bucket: the last decides, the others have to be asked first."""
    arns = [f"arn:aws:s3:::{policed}", f"arn:aws:s3:::{policed}/*"]
    asked = [{
        "Effect": "Deny",
        "Action": action,
        "Resource": [f"arn:aws:s3:::{policed}/closed-{number}/*"],
        "Condition": {"StringLike": {"aws:UserAgent": f"*agent-{number}*"}},
    } for number in range(4)]
    asked.append({"Effect": effect, "Action": action, "Resource": arns})
    return [statement | ({"Principal": principal} if principal else {}) for statement in asked]


def document(*of):
    return json.dumps({"Version": "2012-10-17", "Statement": of})


for bucket in (policed, versioned):
    s3.create_bucket(Bucket=bucket)
s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})

user = iam.create_user(UserName="reader")["User"]["Arn"]
iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=document(*statements("Allow", "s3:Get*")))
iam.put_user_policy(UserName="reader", PolicyName="writes", PolicyDocument=document(
    *statements("Allow", ["s3:PutObject", "s3:CreateBucket"])))
s3.put_bucket_policy(Bucket=policed, Policy=document(*statements("Allow", "s3:Get*", {"AWS": user})))
key = iam.create_access_key(UserName="reader")["AccessKey"]
print(json.dumps({"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}))
