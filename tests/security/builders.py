"""Builds the requests that `cases.toml` names. Each builder gives bytes to send and the method; a row's other words are its arguments."""

import base64
import hashlib
import re
import struct
import zlib

import wire
from wire import EMPTY

BUILDERS = {}


def builder(function):
    BUILDERS[function.__name__] = function
    return function


class Target:
    """The node under attack, and a bucket with one object of known content."""

    def __init__(self, host, port, access_key, secret_key, region, bucket):
        self.host, self.port = host, port
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        self.bucket = bucket

    @property
    def authority(self):
        return f"{self.host}:{self.port}"

    def fill(self, value):
        if isinstance(value, str):
            value = re.sub(r"\{repeat:(.+?):(\d+)\}", lambda found: found[1] * int(found[2]), value)
            for name, text in [("{bucket}", self.bucket), ("{host}", self.authority), ("{access_key}", self.access_key)]:
                value = value.replace(name, text)
            return value
        if isinstance(value, list):
            return [self.fill(entry) for entry in value]
        if isinstance(value, dict):
            return {name: self.fill(entry) for name, entry in value.items()}
        return value


def pairs_of(query):
    return [tuple((part.split("=", 1) + [""])[:2]) for part in query.split("&")] if query else []


def change_signature(signature, how):
    return {
        None: lambda: signature,
        "flip-first": lambda: ("0" if signature[0] != "0" else "1") + signature[1:],
        "flip-last": lambda: signature[:-1] + ("0" if signature[-1] != "0" else "1"),
        "truncate": lambda: signature[:-1],
        "upper": lambda: signature.upper() if signature.upper() != signature else "A" * 64,
        "empty": lambda: "",
    }[how]()


@builder
def signed(
    target, method="GET", path="/{bucket}/present", query="", headers=None, body="", payload_hash="auto", skew=0, region=None,
    service="s3", terminal="aws4_request", scope_date=None, access_key=None, secret=None, algorithm="AWS4-HMAC-SHA256",
    signature=None, unsign=(), sign_also=(), authorization=None, drop=None, date="auto", sent_method=None, sent_path=None,
    sent_query=None, add_headers=None, change_headers=None, scope=None, length="auto", seed_hash=None, host=None,
    drop_headers=(), expect_100=False,
):
    """A header-signed request, then bent as asked: `sent_*`, `add_headers` and `change_headers` come after signing."""
    fill, body = target.fill, body_bytes(target, body)
    now = wire.utc_now(skew)
    stamp = wire.stamp_of(now) if date == "auto" else date
    given_hash = hashlib.sha256(body).hexdigest() if payload_hash == "auto" else payload_hash
    day = scope_date or (stamp if re.match(r"\d{8}T", stamp) else wire.stamp_of(now))[:8]
    sent = [("Host", host or target.authority), ("x-amz-date", stamp)]
    if given_hash is not None:
        sent.append(("x-amz-content-sha256", given_hash))
    sent += [tuple(pair) for pair in fill(headers or [])]
    names = sorted({name.lower() for name, _ in sent} - set(unsign) | set(sign_also))
    scope_text = scope if scope is not None else "/".join(
        [day, region or target.region, service, terminal])
    request = wire.canonical_request(
        method, wire.quote_path(fill(path)), pairs_of(fill(query)), sent, names, seed_hash or given_hash or EMPTY)
    key = wire.signing_key(secret or target.secret_key, day, region or target.region, service)
    made = wire.hmac_sha256(key, wire.string_to_sign(stamp, scope_text, request)).hex()
    parts = {
        "Credential": f"{target.access_key if access_key is None else access_key}/{scope_text}",
        "SignedHeaders": ";".join(names), "Signature": change_signature(made, signature),
    }
    parts.pop(drop, None)
    credentials = f"{algorithm} " + ", ".join(f"{name}={value}" for name, value in parts.items())
    sent.append(("Authorization", fill(authorization) if authorization is not None else credentials))
    sent = [(name, value) for name, value in sent if name.lower() not in drop_headers]
    for name, value in fill(change_headers or []):
        sent = [(n, value if n.lower() == name.lower() else v) for n, v in sent]
    sent += [tuple(pair) for pair in fill(add_headers or [])]
    method = sent_method or method
    if length == "auto":
        if body or method in ("PUT", "POST"):
            sent.append(("Content-Length", str(len(body))))
    elif length is not None:
        sent.append(("Content-Length", str(length)))
    if expect_100:
        sent.append(("Expect", "100-continue"))
        body = b""
    sent.append(("Connection", "close"))
    text = fill(query if sent_query is None else sent_query)
    address = (fill(sent_path) if sent_path is not None else wire.quote_path(fill(path))) + (f"?{text}" if text else "")
    return wire.http_bytes(method, address, sent, body), method


def body_bytes(target, body):
    if isinstance(body, str) and body.startswith("gen:"):
        return GENERATED[body[4:]]()
    return target.fill(body).encode("utf-8", "surrogateescape")


@builder
def presigned(
    target, method="GET", path="/{bucket}/present", query="", expires="60", skew=0, headers=None, body="", drop=(), add="",
    sent_method=None, add_headers=None, region=None, service="s3", terminal="aws4_request", scope_date=None, signature=None,
    secret=None, access_key=None, payload_hash="UNSIGNED-PAYLOAD", send_hash=None, replace=None,
):
    fill, body = target.fill, body_bytes(target, body)
    stamp = wire.stamp_of(wire.utc_now(skew))
    day = scope_date or stamp[:8]
    scope = "/".join([day, region or target.region, service, terminal])
    sent = [("Host", target.authority)] + [tuple(pair) for pair in fill(headers or [])]
    names = sorted(name.lower() for name, _ in sent)
    pairs = pairs_of(fill(query)) + [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{access_key or target.access_key}/{scope}"),
        ("X-Amz-Date", stamp), ("X-Amz-SignedHeaders", ";".join(names)),
    ]
    if expires is not None:
        pairs.append(("X-Amz-Expires", expires))
    request = wire.canonical_request(method, wire.quote_path(fill(path)), pairs, sent, names, payload_hash)
    key = wire.signing_key(secret or target.secret_key, day, region or target.region, service)
    made = wire.hmac_sha256(key, wire.string_to_sign(stamp, scope, request)).hex()
    pairs.append(("X-Amz-Signature", change_signature(made, signature)))
    pairs = [(name, value) for name, value in pairs if name not in drop]
    text = "&".join(f"{wire.quote(name)}={wire.quote(value)}" for name, value in pairs) + fill(add)
    for old, new in replace or []:
        text = text.replace(old, new)
    method = sent_method or method
    if send_hash:
        sent.append(("x-amz-content-sha256", send_hash))
    sent += [tuple(pair) for pair in fill(add_headers or [])]
    if body or method == "PUT":
        sent.append(("Content-Length", str(len(body))))
    sent.append(("Connection", "close"))
    return wire.http_bytes(method, f"{wire.quote_path(fill(path))}?{text}", sent, body), method


@builder
def raw(target, text, method="GET"):
    """Bytes as written; `\\n` stands for CRLF unless the row says otherwise with `{lf}`."""
    text = target.fill(text).replace("\n", "\r\n").replace("{lf}", "\n").replace("{nul}", "\0")
    return text.encode("utf-8", "surrogateescape"), method


def crc32_b64(data):
    return base64.b64encode(struct.pack(">I", zlib.crc32(data))).decode()


@builder
def chunked(
    target, mode="signed", sizes=(65536, 65536, 100), path="/{bucket}/victim", method="PUT", query="", tamper=None, trailers=None,
    declared=None, seed_signature=None, decoded="auto", headers=None, half_close=False, anonymous=False, secret=None,
    change_hash=None, trailer_signature="auto", tail="",
):
    """An aws-chunked upload: `mode` is signed, signed-trailer or unsigned-trailer."""
    content = [bytes([65 + index % 26]) * size for index, size in enumerate(sizes)]
    whole = b"".join(content)
    payload = {
        "signed": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "signed-trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "unsigned-trailer": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }[mode]
    trailing = mode.endswith("trailer")
    if trailers is None:
        trailers = [["x-amz-checksum-crc32", crc32_b64(whole)]] if trailing else []
    announced = declared if declared is not None else ",".join(name for name, _ in trailers)
    extra = [["Content-Encoding", "aws-chunked"], *(headers or [])]
    if decoded is not None:
        extra.append(["x-amz-decoded-content-length", str(len(whole)) if decoded == "auto" else decoded])
    if trailing and announced:
        extra.append(["x-amz-trailer", announced])
    stamp = wire.stamp_of(wire.utc_now())
    head, _ = signed(
        target, method=method, path=path, query=query, headers=extra, payload_hash=payload, signature=seed_signature,
        secret=secret, length=None, date=stamp,
    )
    text = head.decode()
    seed = re.search(r"Signature=([0-9a-fA-F]*)", text)
    signer = ChunkSigner(target, stamp, seed[1] if seed else "", secret)
    frames = frames_of(content, signer, mode, tamper)
    end = trailer_bytes(trailers, signer, mode, trailer_signature) if trailing else b"\r\n"
    body = b"".join(frames) + bend_tail(end, tamper) + target.fill(tail).encode()
    if change_hash:
        text = text.replace(payload, change_hash)
    if anonymous:
        text = re.sub(r"Authorization: .*\r\n", "", text)
    text = text.replace("\r\n\r\n", f"\r\nContent-Length: {len(body)}\r\n\r\n")
    return text.encode() + body, method


class ChunkSigner:
    def __init__(self, target, stamp, seed, secret):
        self.stamp, self.previous = stamp, seed
        self.scope = f"{stamp[:8]}/{target.region}/s3/aws4_request"
        self.key = wire.signing_key(secret or target.secret_key, stamp[:8], target.region)

    def sign(self, kind, *parts):
        text = "\n".join([kind, self.stamp, self.scope, self.previous, *parts])
        self.previous = wire.hmac_sha256(self.key, text).hex()
        return self.previous


def frames_of(content, signer, mode, tamper):
    frames = []
    for chunk in [*content, b""]:
        extension = b""
        if mode != "unsigned-trailer":
            made = signer.sign("AWS4-HMAC-SHA256-PAYLOAD", EMPTY, hashlib.sha256(chunk).hexdigest())
            extension = b";chunk-signature=" + made.encode()
        line = b"%x" % len(chunk) + extension + b"\r\n"
        frames.append(line + (chunk + b"\r\n" if chunk else b""))
    return bend_frames(frames, tamper)


def flip(frame):
    at = frame.index(b"signature=") + 10
    return frame[:at] + (b"0" if frame[at:at + 1] != b"0" else b"1") + frame[at + 1:]


def bend_frames(frames, tamper):
    last = len(frames) - 1
    bends = {
        None: lambda: frames,
        "first-signature": lambda: [flip(frames[0]), *frames[1:]],
        "middle-signature": lambda: [frames[0], flip(frames[1]), *frames[2:]],
        "last-signature": lambda: [*frames[:last], flip(frames[last])],
        "swap": lambda: [frames[1], frames[0], *frames[2:]],
        "repeat": lambda: [frames[0], frames[0], *frames[2:]],
        "drop": lambda: [frames[0], *frames[2:]],
        "content": lambda: [frames[0].replace(b"AAAA", b"AAAB", 1), *frames[1:]],
        "no-last": lambda: frames[:last],
        "no-tail": lambda: frames,
        "bad-hex": lambda: [b"zz" + frames[0], *frames[1:]],
        "huge": lambda: [re.sub(rb"^[0-9a-f]+", b"ffffffffffffffff", frames[0]), *frames[1:]],
        "no-crlf": lambda: [frames[0][:-2] + b"xx", *frames[1:]],
        "long-extension": lambda: [frames[0].replace(b"\r\n", b";x=" + b"y" * 20000 + b"\r\n", 1), *frames[1:]],
        "long-size": lambda: [b"0" * 300 + frames[0], *frames[1:]],
    }
    return bends[tamper]()


def bend_tail(end, tamper):
    return b"" if tamper in ("no-last", "no-tail") else end


def trailer_bytes(trailers, signer, mode, trailer_signature):
    lines = "".join(f"{name}:{value}\n" for name, value in trailers)
    out = "".join(f"{name}:{value}\r\n" for name, value in trailers)
    if mode == "signed-trailer" and trailer_signature is not None:
        made = signer.sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines.encode()).hexdigest())
        out += f"x-amz-trailer-signature:{change_signature(made, None if trailer_signature == 'auto' else trailer_signature)}\r\n"
    return (out + "\r\n").encode()


def delete_xml(count, key="k"):
    entries = "".join(f"<Object><Key>{key}{number}</Key></Object>" for number in range(count))
    return f"<Delete>{entries}</Delete>".encode()


GENERATED = {
    "delete-1": lambda: delete_xml(1),
    "delete-1001": lambda: delete_xml(1001),
    "delete-3MiB": lambda: b"<Delete>" + b" " * (3 * 2**20) + b"</Delete>",
    "doctype": lambda: b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    "external": lambda: b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    "laughs": lambda: b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b"]><Delete><Object><Key>&j;</Key></Object></Delete>",
    "nested": lambda: b"<Delete>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</Delete>",
    "attribute": lambda: b'<Delete a="' + b"x" * 2**20 + b'"><Object><Key>k</Key></Object></Delete>',
    "namespace": lambda: b'<Delete xmlns="http://wrong.example/"><Object><Key>k</Key></Object></Delete>',
    "junk": lambda: delete_xml(1) + b"junk",
    "utf16": lambda: delete_xml(1).decode().encode("utf-16"),
    "bad-utf8": lambda: b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
    "empty": lambda: b"",
    "not-xml": lambda: b"{}",
    "no-parts": lambda: b"<CompleteMultipartUpload></CompleteMultipartUpload>",
    "complete-1MiB": lambda: b"<CompleteMultipartUpload>" + b" " * (4 * 2**20) + b"</CompleteMultipartUpload>",
    "5MiB": lambda: b"5" * (5 * 2**20),
    "10001-parts": lambda: b"<CompleteMultipartUpload>" + b"".join(
        b'<Part><PartNumber>%d</PartNumber><ETag>"%032x"</ETag></Part>' % (n + 1, n) for n in range(10_001)) + b"</CompleteMultipartUpload>",
}


@builder
def document(target, xml, method="POST", path="/{bucket}", query="delete", md5="auto", **others):
    """A signed request whose body is a generated document, with its Content-MD5."""
    content = GENERATED[xml]()
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    headers = others.pop("headers", [])
    if md5 is not None:
        headers = [*headers, ["Content-MD5", digest if md5 == "auto" else md5]]
    data, method = signed(target, method=method, path=path, query=query, body=f"gen:{xml}", headers=headers, **others)
    return data, method
