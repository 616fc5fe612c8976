"""Requests byte by byte: an own SigV4 signer with every screw loose, and a socket. For what stock clients refuse to send."""

import datetime
import hashlib
import hmac
import socket
import urllib.parse
import xml.etree.ElementTree as ElementTree

EMPTY = hashlib.sha256(b"").hexdigest()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        try:
            return ElementTree.fromstring(self.body).findtext("Code")
        except ElementTree.ParseError:
            return None

    def __repr__(self):
        return f"{self.status} {self.code} {self.body[:300]!r}"


def send(host, port, data, method="GET", timeout=20, half_close=False):
    """Sends raw bytes on a new connection and reads one answer (interim ones are kept in `interim`)."""
    with socket.create_connection((host, port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_answer(connection.makefile("rb"), method)


def read_answer(stream, method="GET"):
    interim = []
    while True:
        line = stream.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if status >= 200:
            break
        interim.append(status)
    if method == "HEAD" or status in (204, 304):
        body = b""
    elif "content-length" in headers:
        body = stream.read(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = b""
        while (size := int(stream.readline().split(b";")[0], 16)) > 0:
            body += stream.read(size)
            stream.readline()
        stream.readline()
    else:
        body = stream.read()
    answer = Answer(status, headers, body)
    answer.interim = interim
    return answer


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def quote_path(text):
    return urllib.parse.quote(text, safe="-_.~/")


def hmac_sha256(key, text):
    return hmac.new(key, text.encode() if isinstance(text, str) else text, hashlib.sha256).digest()


def signing_key(secret, date, region, service="s3"):
    key = hmac_sha256(b"AWS4" + secret.encode(), date)
    for part in (region, service, "aws4_request"):
        key = hmac_sha256(key, part)
    return key


def canonical_query(pairs):
    return "&".join(f"{name}={value}" for name, value in sorted((quote(n), quote(v)) for n, v in pairs))


def canonical_request(method, path, pairs, headers, signed, payload_hash):
    lower = {name.lower(): " ".join(str(value).split()) for name, value in headers}
    lines = [method, path, canonical_query(pairs)]
    lines += [f"{name}:{lower.get(name, '')}" for name in signed]
    return "\n".join([*lines, "", ";".join(signed), payload_hash])


def string_to_sign(stamp, scope, request, algorithm="AWS4-HMAC-SHA256"):
    return "\n".join([algorithm, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])


def stamp_of(now):
    return now.strftime("%Y%m%dT%H%M%SZ")


def utc_now(offset_seconds=0):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_seconds)


def http_bytes(method, target, headers, body=b""):
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + body
