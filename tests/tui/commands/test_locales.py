"""Commands work in every locale: what jobdeck reads of its own is UTF-8, and JSON is valid wherever it goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobdeck import Queue

TEXT = "ünï ошибка 测试 🙂"
LOCALES = ["C", "zh_CN.GBK", "ja_JP.EUC-JP", "zh_TW.BIG5", "C.UTF-8"]
"""If one is not installed, Python falls back to ASCII, as for C."""


def jobdeck(database: Path, locale: str, *words: str) -> bytes:
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment.pop("PYTHONIOENCODING", None)
    done = subprocess.run(
        [sys.executable, "-m", "jobdeck_tui", "--db", str(database), *words], env=environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@pytest.mark.parametrize("locale", LOCALES)
def test_commands_work_in_every_locale_and_their_json_is_utf8(tmp_path: Path, locale: str) -> None:
    database = tmp_path / "jobs.db"
    jobdeck(database, locale, "run", "--", "true")  # creates the database
    with Queue(database) as queue:
        job = queue.enqueue("shell", {"command": ["echo", TEXT]})
    jobdeck(database, locale, "list")
    jobdeck(database, locale, "show", str(job.id))
    (document,) = [
        each
        for line in jobdeck(database, locale, "list", "--json").decode("utf-8").splitlines()
        if (each := json.loads(line))["id"] == job.id
    ]
    assert document["args"]["command"] == ["echo", TEXT]
