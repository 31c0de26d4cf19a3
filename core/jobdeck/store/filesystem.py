"""Creates files that belong to the user alone; detects a path's file system, and whether processes can share a database on it.

SQLite's write-ahead log needs memory and locks that all processes of one machine share. Network file systems have
neither (https://sqlite.org/wal.html, "All processes using a database must be on the same host computer").
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
"""The file in which Linux lists mounted file systems."""

# fmt: off
NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "gfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "pvfs2", "smb2", "smb3",
    "smbfs",
})
# fmt: on
"""Types that reach another machine, or the host of a virtual one: locks may not work."""
UNSURE = frozenset({"prl_fs", "vboxsf", "virtiofs", "vmhgfs"})
"""Types that share a folder with the host of a virtual machine. Types that start with `fuse` are similar."""
FORGETFUL = frozenset({"ramfs", "tmpfs"})
"""Types that are in memory."""


def kind_of(path: Path, mounts: str) -> str | None:
    """Return the type of the file system that holds `path`.

    Args:
        path: absolute, links resolved.
        mounts: lines of `device mount-point kind options …`, the later ones on top, as in `/proc/self/mounts`.
    """
    best, found = -1, None
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        # Spaces and similar characters are written as octal codes: fstab(5).
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[1])
        if path.is_relative_to(point) and len(point) >= best:
            best, found = len(point), words[2]
    return found


def file_system_of(path: Path) -> str | None:
    """Return the type of the file system that holds `path`; `None` if it is unknown."""
    try:
        return kind_of(Path(os.path.realpath(path)), MOUNTS.read_text(errors="replace"))
    except OSError:
        return None


def create_private_file(path: Path) -> None:
    """Create an empty file that only its owner may read and write, whatever the umask; leave an existing one as it is.

    Does not open it, where the system can do that: a process that closes a file loses all of its locks on it.

    Raises:
        OSError: it cannot be created.
    """
    target = os.path.realpath(path)  # the file itself, if the path is a link
    with suppress(FileExistsError):
        try:
            os.mknod(target, 0o600 | stat.S_IFREG)
        except (AttributeError, PermissionError, NotImplementedError):  # elsewhere, only root makes files that way
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def create_private_folders(path: Path) -> None:
    """Create a folder, and those above it, that only its owner may enter; leave existing ones as they are.

    Raises:
        OSError: one cannot be created.
    """
    for each in reversed((path, *path.parents)):
        if not each.is_dir():
            each.mkdir(0o700, exist_ok=True)
