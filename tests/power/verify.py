"""After a cut: everything that was promised is there, and nothing else."""

import hashlib

from botocore.exceptions import BotoCoreError, ClientError

from ledger import Counter, Lost, Value
from load import BUCKET, code_of


def verify(s3, ledgers, counter, buckets):
    try:
        found_buckets = {entry["Name"] for entry in s3.list_buckets()["Buckets"]}
        if found_buckets != buckets:
            raise Lost(f"the buckets are {sorted(found_buckets)}, not {sorted(buckets)}")
        counter.settle(int(s3.get_object(Bucket=BUCKET, Key=Counter.KEY)["Body"].read()))
        wrong = [
            line for ledger in ledgers for key in sorted(set(ledger.acknowledged) | set(ledger.open))
            if (line := verify_key(s3, ledger, key))
        ]
        if wrong:
            raise Lost("\n".join(wrong))
        verify_uploads(s3, ledgers)
        verify_listing(s3, ledgers)
    except (ClientError, BotoCoreError) as error:
        raise Lost(f"a read failed: {error}") from error


def verify_key(s3, ledger, key):
    found = read(s3, key)
    if found not in ledger.allowed(key):
        return f"{key} is {found}, and may be {ledger.allowed(key)}"
    ledger.settle(key, found)
    return None


def read(s3, key):
    try:
        answer = s3.get_object(Bucket=BUCKET, Key=key)
        body = answer["Body"].read()
    except ClientError as error:
        if code_of(error) == "NoSuchKey":
            return None
        raise
    return Value(hashlib.sha256(body).hexdigest(), len(body), answer["ETag"])


def verify_listing(s3, ledgers):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 50})
    listed = {
        entry["Key"]: (entry["Size"], entry["ETag"])
        for page in pages for entry in page.get("Contents", []) if entry["Key"] != Counter.KEY
    }
    present = {
        key: (value.size, value.etag) for ledger in ledgers for key, value in ledger.present().items()
    }
    if listed != present:
        raise Lost(f"listed and not there: {listed.items() - present.items()}; there and not listed: {present.items() - listed.items()}")


def verify_uploads(s3, ledgers):
    """Acknowledged uploads and parts are there. One whose end was on its way may be; one whose begin was, too: it is aborted."""
    listed = {entry["UploadId"]: entry["Key"] for entry in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])}
    unknown = dict(listed)
    for ledger in ledgers:
        for upload_id, upload in list(ledger.uploads.items()):
            if unknown.pop(upload_id, None) is None:
                if not upload.ending:
                    raise Lost(f"the upload {upload_id} of {upload.key} is gone")
                del ledger.uploads[upload_id]
                continue
            upload.ending = False
            verify_parts(s3, upload_id, upload)
    if len(unknown) > sum(ledger.creating for ledger in ledgers):
        raise Lost(f"uploads that nobody began, or that had ended: {unknown}")
    for upload_id, key in unknown.items():
        s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)
    for ledger in ledgers:
        ledger.creating = 0


def verify_parts(s3, upload_id, upload):
    parts = s3.list_parts(Bucket=BUCKET, Key=upload.key, UploadId=upload_id).get("Parts", [])
    found = {part["PartNumber"]: part["ETag"] for part in parts}
    if upload.open_part is not None:
        number, body = upload.open_part
        if found.get(number) == Value.of(body).etag:
            upload.parts[number] = body
        upload.open_part = None
    wanted = {number: Value.of(body).etag for number, body in upload.parts.items()}
    if found != wanted:
        raise Lost(f"the parts of upload {upload_id} are {found}, not {wanted}")
