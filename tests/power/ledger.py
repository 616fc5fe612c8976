"""What clients were promised: the state of each key after its last acknowledged change, and what was on its way at the cut."""

import hashlib
import json
import threading
import time


class Lost(AssertionError):
    """The store broke a promise."""


class Value:
    """A whole object as a client knows it."""

    def __init__(self, sha256, size, etag):
        self.sha256, self.size, self.etag = sha256, size, etag

    @classmethod
    def of(cls, body):
        return cls(hashlib.sha256(body).hexdigest(), len(body), f'"{hashlib.md5(body).hexdigest()}"')

    @classmethod
    def of_parts(cls, parts):
        """The object that these bodies make, as multipart uploads name it."""
        whole, tags = hashlib.sha256(), hashlib.md5()
        for part in parts:
            whole.update(part)
            tags.update(hashlib.md5(part).digest())
        return cls(whole.hexdigest(), sum(map(len, parts)), f'"{tags.hexdigest()}-{len(parts)}"')

    def __eq__(self, other):
        return isinstance(other, Value) and vars(self) == vars(other)

    def __repr__(self):
        return f"{self.size} bytes, etag {self.etag}"


class Upload:
    """An upload in progress: its acknowledged parts, a part on its way, and whether its end is."""

    def __init__(self, key):
        self.key = key
        self.parts = {}
        self.open_part = None
        self.ending = False


class Ledger:
    """One writer's keys. A key is here from its first change on; its value is none when it was deleted.

    Everything is also written to a file, so that a failed run can be read afterwards.
    """

    def __init__(self, path):
        self.acknowledged = {}
        self.open = {}
        self.uploads = {}
        self.creating = 0
        self.acks = 0
        self.file = open(path, "a")

    def note(self, what, **facts):
        self.file.write(json.dumps({"at": time.monotonic(), "what": what, **facts}, default=repr) + "\n")
        self.file.flush()

    def value(self, key):
        return self.acknowledged.get(key)

    def begin(self, changes):
        self.open.update(changes)
        self.note("begin", changes=changes)

    def acknowledge(self, keys):
        for key in keys:
            self.acknowledged[key] = self.open.pop(key)
        self.acks += 1
        self.note("acknowledged", keys=list(keys))

    def allowed(self, key):
        known = [self.acknowledged.get(key)]
        return known + [self.open[key]] if key in self.open else known

    def settle(self, key, found):
        """After a cut: which of the allowed states it was."""
        self.acknowledged[key] = found
        self.open.pop(key, None)

    def present(self):
        return {key: value for key, value in self.acknowledged.items() if value is not None}


class Counter:
    """A number that every writer raises by If-Match: each acknowledged step happened once, and what was read stays."""

    KEY = "counter"

    def __init__(self):
        self.lock = threading.Lock()
        self.least = 0
        self.acknowledged = set()
        self.open = set()

    def saw(self, number):
        with self.lock:
            self.least = max(self.least, number)

    def begin(self, number):
        with self.lock:
            self.open.add(number)

    def acknowledge(self, number):
        with self.lock:
            if number in self.acknowledged:
                raise Lost(f"two writers were told that they made the counter {number}")
            self.acknowledged.add(number)
            self.least = max(self.least, number)

    def settle(self, found):
        if found < self.least or found not in self.acknowledged | self.open | {0}:
            raise Lost(f"the counter is {found}; {self.least} was acknowledged or read")
        self.least = found
        self.acknowledged.add(found)
        self.open.clear()
