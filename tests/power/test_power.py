"""Power cuts of the real binary: every acknowledged change is there afterwards, and a sync that is left out is found.

Run by `cargo xtask campaign power`: needs root, loop devices and ext4, and gcc for the positive controls.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

from conftest import Node, binary, s3_client  # noqa: E402
from ledger import Counter, Ledger, Lost  # noqa: E402
from load import BUCKET, Writer  # noqa: E402
from medium import Medium, missing  # noqa: E402
from verify import verify  # noqa: E402

CUTS = int(os.environ.get("TANDEM_POWER_CUTS", "5"))
FIRST = int(os.environ.get("TANDEM_POWER_SEED", "0"))
ENGINES = os.environ.get("TANDEM_POWER_ENGINES", "redb,sled").split(",")
WRITERS = 4
# A control that is not caught by then is a failure of this test. One or two cuts are enough as a rule; where the kernel writes
# by itself what was not synced before the power goes, more.
CONTROL_CUTS = 40
# Small, so that cuts fall into checkpoints and collections too.
SETTINGS = [
    "--checkpoint-every", "1MiB", "--collect-every-seconds", "1", "--low-watermark", "64MiB", "--reserve", "1MiB",
]


class Trial:
    """One data directory, its promises, and cut after cut."""

    def __init__(self, directory, engine):
        self.directory, self.engine = directory, engine
        self.medium = Medium(directory)
        self.data = self.medium.root / "data"
        self.ledgers = [Ledger(directory / f"ledger-{writer}") for writer in range(WRITERS)]
        self.counter = Counter()
        self.buckets = set()
        settings = ["--engine", engine, *SETTINGS]
        self.node = Node(directory, extra=settings, data=self.data, start=False)

    def cut(self, seed):
        choice = random.Random(seed)
        if not self.buckets or choice.random() < 0.3:
            self.cut_a_start(choice)
        self.start()
        self.prepare(s3_client(self.node.s3), seed)
        self.load_until_cut(choice, seed)
        self.node.kill()
        self.medium.power_on()
        self.check_copy()
        self.start()
        verify(s3_client(self.node.s3), self.ledgers, self.counter, self.buckets)
        if choice.random() < 0.5:
            self.node.kill()
        else:
            assert self.node.stop() == 0

    def start(self):
        try:
            self.node.start()
        except AssertionError as error:
            raise Lost(f"the node does not start: {error}") from error

    def cut_a_start(self, choice):
        """The power goes while the node starts: the very first time, or while it recovers."""
        self.node.launch()
        threading.Event().wait(choice.uniform(0.0, 0.3))
        self.medium.cut()
        self.node.kill()
        self.medium.power_on()

    def prepare(self, s3, seed):
        """Buckets come and go as well."""
        if BUCKET not in self.buckets:
            self.create(s3)
        for name in sorted(self.buckets - {BUCKET})[:-1]:
            s3.delete_bucket(Bucket=name)
            self.buckets.discard(name)
        s3.create_bucket(Bucket=f"cut-{seed:06}")
        self.buckets.add(f"cut-{seed:06}")

    def create(self, s3):
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=Counter.KEY, Body=b"0")
        self.buckets.add(BUCKET)

    def load_until_cut(self, choice, seed):
        acked, dark = threading.Semaphore(0), threading.Event()
        writers = [
            Writer(self.node.s3, number, ledger, self.counter, seed * WRITERS + number, acked, dark)
            for number, ledger in enumerate(self.ledgers)
        ]
        for writer in writers:
            writer.start()
        for _ in range(choice.randrange(20, 300)):
            assert acked.acquire(timeout=60), f"writers made no progress: {[writer.error for writer in writers]}"
        errors = [writer.error for writer in writers if writer.error]
        dark.set()
        self.medium.cut()
        self.node.kill()
        for writer in writers:
            writer.join()
        lost = [writer.lost for writer in writers if writer.lost]
        if lost:
            raise lost[0]
        assert not errors, f"refused before the cut: {errors}"

    def check_copy(self):
        """`tandem check` recovers a copy, apart from the node that recovers the original."""
        if not self.data.exists():
            raise Lost("the data directory is gone")
        copy = self.directory / "copy"
        shutil.copytree(self.data, copy)
        self.check(copy)
        shutil.rmtree(copy)

    def check(self, directory):
        command = [binary(), "check", "--data-dir", directory, "--engine", self.engine]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Lost(f"tandem check: {done.stdout}{done.stderr}")

    def acks(self):
        return sum(ledger.acks for ledger in self.ledgers)

    def end(self):
        self.node.kill()
        self.medium.remove()


@pytest.fixture
def trial_of(tmp_path):
    lacking = missing()
    if lacking:
        pytest.exit(lacking, returncode=2)
    trials = []

    def make(engine):
        trials.append(Trial(tmp_path, engine))
        return trials[-1]

    yield make
    for trial in trials:
        trial.end()


@pytest.mark.parametrize("engine", ENGINES)
def test_acknowledged_changes_survive_power_cuts(trial_of, engine):
    trial = trial_of(engine)
    for seed in range(FIRST, FIRST + CUTS):
        before = trial.acks()
        try:
            trial.cut(seed)
        except Lost as lost:
            raise Lost(f"TANDEM_POWER_SEED={FIRST}, cut {seed} on {engine}: {lost}") from lost
        print(f"cut {seed} on {engine}: {trial.acks() - before} changes acknowledged, none lost", flush=True)
    trial.start()
    assert trial.node.stop() == 0
    trial.check(trial.data)


@pytest.fixture(scope="session")
def skip_sync(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.exit("the positive controls of power cuts need gcc", returncode=2)
    library = tmp_path_factory.mktemp("shim") / "skip_sync.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "skip_sync.c", "-ldl"], check=True)
    return library


@pytest.mark.parametrize("files", ["", "/journal/", "/pieces/", "/meta."])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_sync_that_is_left_out_is_found(trial_of, skip_sync, engine, files):
    trial = trial_of(engine)
    # A sound store first, so that it is not the making of it that is caught.
    trial.start()
    trial.create(s3_client(trial.node.s3))
    assert trial.node.stop() == 0
    trial.node.environment = {"LD_PRELOAD": str(skip_sync), "SKIP_SYNC_OF": files}
    with pytest.raises(Lost) as caught:
        for seed in range(CONTROL_CUTS):
            trial.cut(seed)
    print(f"without syncs of {files or 'anything'} on {engine}: {str(caught.value)[:300]}", flush=True)
