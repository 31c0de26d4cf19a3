"""Which kind of file system a path lies on, and whether several processes can share a database there.

SQLite's write-ahead log needs memory and locks that all processes of one machine share. Network file systems have
neither (https://sqlite.org/wal.html, "All processes using a database must be on the same host computer").
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
"""Where Linux lists what is mounted."""

# fmt: off
NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "gfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "pvfs2", "smb2", "smb3",
    "smbfs",
})
# fmt: on
"""Kinds that reach another machine or the host of a virtual one: locks may not hold."""
UNSURE = frozenset({"prl_fs", "vboxsf", "virtiofs", "vmhgfs"})
"""Kinds that share a folder with the host of a virtual machine. Those that begin with `fuse` are like them."""
FORGETFUL = frozenset({"ramfs", "tmpfs"})
"""Kinds that live in memory."""


def kind_of(path: Path, mounts: str) -> str | None:
    """The kind of file system that holds `path`.

    Args:
        path: absolute, links resolved.
        mounts: lines of `device mount-point kind options …`, the later ones on top, as in `/proc/self/mounts`.
    """
    best, found = -1, None
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        # Blanks and the like are written as octal codes: fstab(5).
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[1])
        if path.is_relative_to(point) and len(point) >= best:
            best, found = len(point), words[2]
    return found


def file_system_of(path: Path) -> str | None:
    """The kind of file system that holds `path`; `None` where the system does not say."""
    try:
        return kind_of(path.resolve(), MOUNTS.read_text(errors="replace"))
    except OSError:
        return None
