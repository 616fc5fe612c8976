"""Writers: each changes keys of its own, one request after the other, until the power goes."""

import random
import threading

from botocore.exceptions import BotoCoreError, ClientError
from conftest import s3_client

from ledger import Counter, Lost, Upload, Value

BUCKET = "power"
KEYS = 24
MIB = 1 << 20
PART_BYTES = 5 * MIB


class Unanswered(Exception):
    """A part of a request was not carried out, or its answer came when the power had gone."""


def code_of(error):
    return error.response.get("Error", {}).get("Code")


class Writer(threading.Thread):
    """Stops at the first request that is not answered, or refused; before the cut that is a failure of the test.

    An answer counts when it came before `dark` was set. A real power cut leaves nobody to answer later; this one leaves the
    process alive for a moment, and the kernel tells some fdatasync that was on its way that it was done, which it was not.
    """

    def __init__(self, endpoint, number, ledger, counter, seed, acked, dark):
        super().__init__()
        self.s3 = s3_client(endpoint, max_pool_connections=1)
        self.number, self.ledger, self.counter, self.acked = number, ledger, counter, acked
        self.random = random.Random(seed)
        self.dark = dark
        self.error = None
        self.lost = None

    def run(self):
        try:
            while True:
                self.step()
                self.acked.release()
        except (BotoCoreError, ClientError, Unanswered) as error:
            self.error = error
        except Lost as lost:
            self.lost = lost

    def step(self):
        steps = [self.put, self.put_conditionally, self.delete, self.delete_some, self.copy, self.multipart, self.raise_counter]
        self.random.choices(steps, weights=[50, 12, 12, 4, 6, 8, 8])[0]()

    def key(self):
        return f"w{self.number}/{self.random.randrange(KEYS)}"

    def body(self):
        small = self.random.choice([0, 10, 4096, 30_000, 70_000, 300_000])
        large = self.random.randrange(MIB, 18 * MIB)
        return self.random.randbytes(large if self.random.random() < 0.05 else small)

    def ask(self, request, **words):
        answer = request(Bucket=BUCKET, **words)
        if self.dark.is_set():
            raise Unanswered("the power had gone")
        return answer

    def change(self, changes, request):
        """Makes a request that makes these changes; if it is not answered they stay open."""
        self.ledger.begin(changes)
        request()
        self.ledger.acknowledge(changes)

    def put(self):
        key, body = self.key(), self.body()
        self.change({key: Value.of(body)}, lambda: self.ask(self.s3.put_object, Key=key, Body=body))

    def put_conditionally(self):
        """The writer knows the key's state, so it knows what the condition must give."""
        key, body = self.key(), self.body()
        known = self.ledger.value(key)
        condition, holds = self.random.choice([
            ({"IfNoneMatch": "*"}, known is None),
            ({"IfMatch": known.etag if known else '"0"'}, known is not None),
            ({"IfMatch": '"00000000000000000000000000000000"'}, False),
        ])
        request = lambda: self.ask(self.s3.put_object, Key=key, Body=body, **condition)
        if holds:
            return self.change({key: Value.of(body)}, request)
        try:
            request()
        except ClientError as error:
            if code_of(error) in ("PreconditionFailed", "NoSuchKey"):
                return None
            raise
        raise Lost(f"{key} is {known}, and a write with {condition} went through")

    def delete(self):
        key = self.key()
        self.change({key: None}, lambda: self.ask(self.s3.delete_object, Key=key))

    def delete_some(self):
        keys = sorted({self.key() for _ in range(4)})
        wanted = {"Objects": [{"Key": key} for key in keys]}
        self.ledger.begin(dict.fromkeys(keys))
        answer = self.ask(self.s3.delete_objects, Delete=wanted)
        refused = answer.get("Errors", [])
        self.ledger.acknowledge(set(keys) - {entry["Key"] for entry in refused})
        if refused:
            raise Unanswered(refused)

    def copy(self):
        source, key = self.key(), self.key()
        value = self.ledger.value(source)
        if value is None or source == key:
            return
        # A copy is one piece: its ETag is that of its bytes, which a multipart source's is not.
        if "-" in value.etag:
            return
        request = lambda: self.ask(self.s3.copy_object, Key=key, CopySource={"Bucket": BUCKET, "Key": source})
        self.change({key: value}, request)

    def multipart(self):
        """Begins an upload, goes on with one, or ends one."""
        ledger = self.ledger
        if len(ledger.uploads) < 2:
            return self.begin_upload()
        upload_id = self.random.choice(list(ledger.uploads))
        upload = ledger.uploads[upload_id]
        if len(upload.parts) < 2:
            return self.put_part(upload_id, upload)
        return self.end_upload(upload_id, upload)

    def begin_upload(self):
        key = self.key()
        self.ledger.creating += 1
        answer = self.ask(self.s3.create_multipart_upload, Key=key)
        self.ledger.creating -= 1
        self.ledger.uploads[answer["UploadId"]] = Upload(key)
        self.ledger.note("upload", id=answer["UploadId"], key=key)

    def put_part(self, upload_id, upload):
        number = len(upload.parts) + 1
        body = self.random.randbytes(PART_BYTES if number == 1 else self.random.randrange(1, MIB))
        upload.open_part = (number, body)
        self.ask(self.s3.upload_part, Key=upload.key, UploadId=upload_id, PartNumber=number, Body=body)
        upload.parts[number], upload.open_part = body, None
        self.ledger.note("part", id=upload_id, number=number)

    def end_upload(self, upload_id, upload):
        upload.ending = True
        named = {"Key": upload.key, "UploadId": upload_id}
        if self.random.random() < 0.2:
            self.ask(self.s3.abort_multipart_upload, **named)
        else:
            parts = [upload.parts[number] for number in sorted(upload.parts)]
            value = Value.of_parts(parts)
            listed = [
                {"PartNumber": number, "ETag": Value.of(part).etag} for number, part in enumerate(parts, 1)
            ]
            request = lambda: self.ask(self.s3.complete_multipart_upload, **named, MultipartUpload={"Parts": listed})
            self.change({upload.key: value}, request)
        del self.ledger.uploads[upload_id]
        self.ledger.note("ended", id=upload_id)

    def raise_counter(self):
        found = self.ask(self.s3.get_object, Key=Counter.KEY)
        number = int(found["Body"].read())
        self.counter.saw(number)
        self.counter.begin(number + 1)
        try:
            self.ask(self.s3.put_object, Key=Counter.KEY, Body=str(number + 1).encode(), IfMatch=found["ETag"])
        except ClientError as error:
            if code_of(error) == "PreconditionFailed":
                return
            raise
        self.counter.acknowledge(number + 1)
