"""Detects the type of a path's file system, and whether several processes can share a database on it.

SQLite's write-ahead log needs memory and locks that all processes of one machine share. Network file systems have
neither (https://sqlite.org/wal.html, "All processes using a database must be on the same host computer").
"""

from __future__ import annotations

import os
import re
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
