"""What rows of the table wait for, and how to see that it is there now."""

import base64
import ssl
import urllib.error
import urllib.request

import wire
from builders import signed


def answers_not_implemented(target, **request):
    data, method = signed(target, **request)
    return wire.send(target.host, target.port, data, method).code == "NotImplemented"


def admin_has(node, path):
    """Whether the admin port knows a path (anything but 404)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(node.addresses["admin"] + path)
    request.add_header("Authorization", "Basic " + base64.b64encode(b"admin:not-the-password").decode())
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return "html" in answer.headers.get("Content-Type", "") if path == "/" else True
    except urllib.error.HTTPError as error:
        return error.code not in (401, 403, 404, 405, 429)


FORM = 'Content-Type', 'multipart/form-data; boundary=b'
PROBES = {
    "POST object form": lambda node, target: not answers_not_implemented(
        target, method="POST", path="/{bucket}", headers=[FORM], body="--b--\r\n"),
    "bucket policies": lambda node, target: not answers_not_implemented(
        target, method="PUT", path="/{bucket}", query="policy", body="{}"),
    "object ACLs": lambda node, target: not answers_not_implemented(target, path="/{bucket}/present", query="acl"),
    "object lock": lambda node, target: not answers_not_implemented(target, path="/{bucket}", query="object-lock"),
    "public access block": lambda node, target: not answers_not_implemented(target, path="/{bucket}", query="publicAccessBlock"),
    "bucket CORS": lambda node, target: not answers_not_implemented(target, path="/{bucket}", query="cors"),
    "bucket replication": lambda node, target: not answers_not_implemented(target, path="/{bucket}", query="replication"),
    "session tokens": lambda node, target: not answers_not_implemented(
        target, method="POST", path="/", body="Action=GetSessionToken&Version=2011-06-15",
        headers=[("Content-Type", "application/x-www-form-urlencoded")]),
    "users": lambda node, target: admin_has(node, "/api/users/"),
    "console": lambda node, target: admin_has(node, "/"),
    "encryption": lambda node, target: not answers_not_implemented(target, path="/{bucket}", query="encryption"),
}


def exists(what, node, target):
    return PROBES[what](node, target)
