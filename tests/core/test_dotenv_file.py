"""A `.env` file is read only if nobody else can have written it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobdeck import InvalidSetting, Settings


def threads(folder: Path) -> int:
    return Settings.load({}, folder=folder).threads


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text("JOBDECK_THREADS=7\n")
    path.chmod(0o644)
    return path


def test_the_users_own_file_is_read(env: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert threads(env.parent) == 7
    assert not caplog.records


@pytest.mark.parametrize(("mode", "reason"), [(0o646, "every user can write to it"), (0o664, "its group can write to it")])
def test_a_file_that_others_can_write_to_is_ignored_with_one_warning(
    env: Path, mode: int, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck.dotenv_file._is_private_group", lambda group, user: False)
    env.chmod(mode)
    assert threads(env.parent) == 4
    assert threads(env.parent) == 4
    (said,) = caplog.messages
    assert said.startswith(f"Ignoring {env}, because {reason}; own it and chmod go-w it")


def test_a_file_that_the_users_private_group_can_write_to_is_read(env: Path) -> None:
    grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")
    me = pwd.getpwuid(os.geteuid())
    if grp.getgrgid(me.pw_gid).gr_name != me.pw_name or grp.getgrgid(me.pw_gid).gr_mem:
        pytest.skip("the user has no group of the same name")
    os.chown(env, -1, me.pw_gid)
    env.chmod(0o664)
    assert threads(env.parent) == 7


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@as_root
def test_a_file_of_another_user_is_ignored(env: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(env, 12345, -1)
    assert threads(env.parent) == 4
    assert "it belongs to another user" in caplog.text


@as_root
def test_a_link_of_another_user_is_not_followed(env: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / ".env").symlink_to(env)
    assert threads(shared) == 7
    os.chown(shared / ".env", 12345, -1, follow_symlinks=False)
    assert threads(shared) == 4
    assert "it is a link of another user" in caplog.text


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")  # opening it must not wait for a writer
    assert threads(tmp_path) == 4
    (tmp_path / "folder" / ".env").mkdir(parents=True)
    assert threads(tmp_path / "folder") == 4
    assert threads(tmp_path / "nowhere") == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_that_cannot_be_read_is_an_error(env: Path) -> None:
    env.chmod(0)
    with pytest.raises(InvalidSetting, match="the file cannot be read"):
        threads(env.parent)
