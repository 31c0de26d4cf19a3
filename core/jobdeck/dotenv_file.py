"""Reads settings from a `.env` file, if nobody else can have written it.

Settings name modules to import and the database to use, so whoever writes them runs code as this user: a file in a folder that
others share, such as `/tmp`, is trusted as a shell trusts its start-up files.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from io import StringIO
from pathlib import Path

from .model.errors import InvalidSetting

_reported: set[str] = set()
"""The files that this process has warned about."""


def read_dotenv(path: Path, prefix: str) -> dict[str, str]:
    """Return the variables of the file whose names start with `prefix`; none, with one warning, if it is not trusted.

    Raises:
        InvalidSetting: the file cannot be read, or is not UTF-8 text.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # whatever it is: a pipe must not block
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        try:
            problem = _distrust(path.stat())
        except OSError:  # the folder cannot be searched either
            return {}
        if problem is None:
            raise _unreadable(path, error) from None
        _report(path, problem)
        return {}
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            return {}
        problem = _distrust(about) or _distrust_link(path)
        if problem is not None:
            _report(path, problem)
            return {}
        with open(file, "rb", closefd=False) as stream:
            text = stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidSetting(".env", str(path), "the file is not UTF-8 text") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(file)
    from dotenv import dotenv_values  # imported late: most folders have no `.env`

    found = dotenv_values(stream=StringIO(text))
    return {name: value for name, value in found.items() if value is not None and name.startswith(prefix)}


def _unreadable(path: Path, error: OSError) -> InvalidSetting:
    return InvalidSetting(".env", str(path), f"the file cannot be read ({error.strerror})")


def _distrust(about: os.stat_result) -> str | None:
    """Return why a file may hold what another user wrote; `None` if it cannot."""
    if not hasattr(os, "geteuid"):
        return None
    if about.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user"
    if about.st_mode & stat.S_IWOTH:
        return "every user can write to it"
    if about.st_mode & stat.S_IWGRP and not _is_private_group(about.st_gid, about.st_uid):
        return "its group can write to it"
    return None


def _distrust_link(path: Path) -> str | None:
    """Return why a link may lead where another user wants; `None` if the path is no link, or the user's own."""
    with suppress(OSError):
        about = path.lstat()
        if hasattr(os, "geteuid") and stat.S_ISLNK(about.st_mode) and about.st_uid not in (os.geteuid(), 0):
            return "it is a link of another user"
    return None


def _is_private_group(group: int, user: int) -> bool:
    """Return whether the group is the user's own, which many systems create for each user, and has no other member."""
    import grp
    import pwd

    try:
        owner, about = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    return owner.pw_gid == group and about.gr_name == owner.pw_name and not set(about.gr_mem) - {owner.pw_name}


def _report(path: Path, problem: str) -> None:
    shown = str(path.absolute())
    if shown not in _reported:
        import logging

        _reported.add(shown)
        logger = logging.getLogger("jobdeck.settings")
        logger.warning(
            "Ignoring %s, because %s; own it and chmod go-w it, or set the variables in the environment", shown, problem
        )
