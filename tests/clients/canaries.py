"""Secrets under watch: whatever a node answers, logs, tells of itself or stores is searched for every secret that the tests know.

Every answer is seen, of whichever client: all of them read their sockets through `socket.SocketIO`. A secret that an answer shows
because it was just made (`SHOWN_ONCE`) is known from then on, and may never be seen again.
"""

import base64
import pathlib
import re
import socket
import types

# The answers that show a secret, once: CreateAccessKey, AssumeRole and GetSessionToken; keys, tokens and logins of the admin port.
SHOWN_ONCE = re.compile(
    rb"<SecretAccessKey>([^<]+)</SecretAccessKey>"
    rb'|"(?:secret_key|token|access|refresh)": ?"([^"\\]{20,})"')
# Secrets that the tests hand to a node in its environment are in its environment.
HANDED_OVER = (b"TANDEM_ROOT_SECRET_KEY=", b"TANDEM_PASSWORD=", b"TANDEM_PAIRING_SECRET=")
# The files that are there to hold a secret, for their owner only.
KEY_FILES = ("identity.key", "admin-token.key", "credentials.toml")

secrets, found = {}, []


def keep(secret, what):
    """Watches for a secret from now on, and for how a login sends it."""
    if isinstance(secret, str):
        secret = secret.encode()
    secrets[secret] = what
    return secret


def keep_password(password, user="admin"):
    keep(password, "a password")
    keep(base64.b64encode(f"{user}:{password}".encode()), "a password, as Basic sends it")


def search(content, where, but=()):
    for secret, what in list(secrets.items()):
        if secret in content and secret not in but:
            at = content.index(secret)
            start = content[max(0, at - 60):at]
            found.append(f"{what} ({secret[:4]!r}...) in {where}, behind {start!r}")


def see(stream, content):
    """The next bytes of an answer. What it is the first to show it may show on; a secret may begin in one piece and end in the next."""
    tail, shown = getattr(stream, "canaries", (b"", frozenset()))
    content = tail + content
    for match in SHOWN_ONCE.finditer(content):
        secret = match[1] or match[2]
        if secret not in secrets:
            keep(secret, "a secret that was shown once")
            shown |= {secret}
    search(content, "an answer", shown)
    stream.canaries = (content[-512:], shown)


def told(text):
    """What a command says is an answer, too."""
    see(types.SimpleNamespace(), text.encode())


def install():
    read = socket.SocketIO.readinto

    def readinto(self, buffer):
        count = read(self, buffer)
        if count:
            see(self, bytes(memoryview(buffer)[:count]))
        return count

    socket.SocketIO.readinto = readinto


def check_process(pid):
    """What anybody on the machine may see of a process, and what its owner may."""
    here = pathlib.Path("/proc") / str(pid)
    search((here / "cmdline").read_bytes(), "its command line")
    lines = (here / "environ").read_bytes().split(b"\0")
    search(b"\0".join(line for line in lines if not line.startswith(HANDED_OVER)), "its environment")


def check_files(*places):
    """Everything in these files and directories but the key files, whose keys are in no other file."""
    files = [path for place in places for path in ([place] if place.is_file() else place.rglob("*")) if path.is_file()]
    for path in files:
        if path.name in KEY_FILES:
            assert path.stat().st_mode & 0o077 == 0, f"others may read {path}"
        if path.name == "identity.key":
            for line in path.read_bytes().splitlines():
                keep(line.split()[-1], "a key of identity.key")
                keep(bytes.fromhex(line.split()[-1].decode()), "a key of identity.key, decoded")
    for path in files:
        if path.name not in KEY_FILES:
            search_file(path)


def search_file(path):
    with open(path, "rb") as file:
        tail = b""
        while piece := file.read(1 << 20):
            search(tail + piece, path)
            tail = piece[-512:]


def none():
    """Fails if any secret was seen where it must not be."""
    seen, found[:] = list(found), []
    assert not seen, "\n".join(seen[:20])


install()
