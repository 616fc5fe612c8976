"""What rows of the table wait for, and how to see that it is there now. A probe must turn as soon as the thing exists."""

import base64
import ssl
import urllib.error
import urllib.request

import wire
from builders import signed

PASSWORD = "the-password-of-the-security-tests"


def answers_not_implemented(target, **request):
    data, method = signed(target, **request)
    return wire.send(target.host, target.port, data, method).code == "NotImplemented"


def admin_answer(node, path):
    """Status and type of what the administrator, logged in, is answered; none if nothing is there."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(node.addresses["admin"] + path)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode())
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, answer.headers.get("Content-Type", "")
    except urllib.error.HTTPError as error:
        assert error.code not in (401, 403, 429), "the probe itself may not enter: it would never turn"
        return None


def admin_has_page(node, path):
    return "html" in (admin_answer(node, path) or (None, ""))[1]


FORM = "Content-Type", "multipart/form-data; boundary=b"
PROBES = {
    "POST object form": lambda node, target: not answers_not_implemented(
        target, method="POST", path="/{bucket}", headers=[FORM], body="--b--\r\n"),
    "object lock": lambda node, target: not answers_not_implemented(target, method="PUT", path="/{bucket}", query="object-lock"),
    "bucket CORS": lambda node, target: not answers_not_implemented(target, method="PUT", path="/{bucket}", query="cors"),
    "bucket replication": lambda node, target: not answers_not_implemented(
        target, method="PUT", path="/{bucket}", query="replication"),
    "console": lambda node, target: admin_has_page(node, "/"),
    "encryption": lambda node, target: not answers_not_implemented(target, method="PUT", path="/{bucket}", query="encryption"),
}


def exists(what, node, target):
    return PROBES[what](node, target)
