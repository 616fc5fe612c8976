"""A file system that loses power on command: ext4 on a loop device, shut down by EXT4_IOC_SHUTDOWN without its journal being flushed."""

import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import time

# _IOR('X', 125, __u32), and EXT4_GOING_FLAGS_NOLOGFLUSH of the kernel's ext4.
EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2
IMAGE_BYTES = 4 << 30


def missing():
    """What this machine lacks for power cuts, as one line; none if it can."""
    if os.geteuid() != 0:
        return "power cuts need root: they mount a file system"
    if not os.path.exists("/dev/loop-control"):
        return "power cuts need loop devices: there is no /dev/loop-control"
    lacking = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
    return f"power cuts need {', '.join(lacking)}" if lacking else None


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")


class Medium:
    def __init__(self, directory):
        self.image = pathlib.Path(directory) / "image"
        self.root = pathlib.Path(directory) / "mounted"
        self.root.mkdir()
        self.mounted = False
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        run("mount", "-t", "ext4", "-o", "loop", self.image, self.root)
        self.mounted = True

    def cut(self):
        """The power goes: from here on nothing more reaches the device, and what was not synced is gone."""
        handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(handle)

    def unmount(self):
        if not self.mounted:
            return
        for attempt in range(100):
            try:
                run("umount", self.root)
                break
            except RuntimeError:
                if attempt == 99:
                    raise
                time.sleep(0.1)
        self.mounted = False

    def power_on(self):
        """After a cut, and after whoever used it has died: mounts again, which replays the file system's journal."""
        self.unmount()
        self.mount()

    def remove(self):
        self.unmount()
        self.image.unlink()
