"""Deleted and unreadable folders, no home, no user name, no temporary folder: commands work, or say why in a sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.tui.cli_runner import eventually

import jobdeck
import jobdeck_tui
from jobdeck import Queue, State, StoreRefused, Worker
from jobdeck_tui.demo.sandbox import demo_queue
from jobdeck_tui.preferences import Preferences, config_file

NOBODY = 12345
"""A user that the system has no name for."""

APP = """
from jobdeck import job

@job
def plain(n: int) -> int:
    return n

@job(isolate=True)
def isolated(n: int) -> int:
    return n
"""

DELETED = "mkdir gone; cd gone; rmdir ../gone"
"""Shell commands that lead into a folder that does not exist."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")


@dataclass
class Place:
    """Runs `jobdeck` in a folder and an environment of its own."""

    base: Path
    user: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base.chmod(0o777)
        self.folder = self.base / "folder"
        self.folder.mkdir()
        (self.base / "app.py").write_text(APP)

    def start(self, *words: str, before: str = "") -> subprocess.Popen[str]:
        """Start a command line in the folder, after a command of the shell."""
        sources = [str(Path(package.__file__ or "").parents[1]) for package in (jobdeck, jobdeck_tui)]
        sources += [path for path in sys.path if path.endswith("site-packages")]
        return subprocess.Popen(
            ["sh", "-c", f'{before or ":"}; exec "$@"', "sh", python_of(self.user), "-P", "-m", "jobdeck_tui", *words],
            cwd=self.folder, env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sources), **self.environ},
            user=self.user, group=self.user, extra_groups=None if self.user is None else [],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str, before: str = "") -> tuple[int, str]:
        """Run a command line; return its exit code and its errors."""
        program = self.start(*words, before=before)
        _, errors = program.communicate(timeout=60)
        return program.returncode, errors

    def says(self, *words: str, before: str = "") -> str:
        """Return the sentence that a command fails with."""
        code, errors = self.run(*words, before=before)
        assert code in (1, 2), errors
        assert "bug in jobdeck" not in errors
        (line,) = errors.splitlines()
        return line.removeprefix("jobdeck: ")

    def work(self, *words: str, before: str = "") -> None:
        """Enqueue a job of each kind and run a worker until all have completed."""
        where = str(self.base / "jobs.db")
        app = ("--db", where, "--app", str(self.base / "app.py"))
        lines = "".join(f'{{"kind": "app.{kind}", "args": {{"n": 1}}}}\n' for kind in ("plain", "isolated"))
        (self.base / "jobs.jsonl").write_text(lines)
        assert self.run(*app, "enqueue", "--file", str(self.base / "jobs.jsonl"), before=before) == (0, "")
        worker = self.start(*app, "worker", *words, before=before)
        try:
            with Queue(where) as queue:
                eventually(lambda: queue.count("state:completed") == 2 or worker.poll() is not None)
                states = [job.state for job in queue.list()]
        finally:
            worker.terminate()
            _, errors = worker.communicate(timeout=30)
        assert (states, worker.returncode) == ([State.COMPLETED] * 2, 0), errors


def python_of(user: int | None) -> str:
    """Return an interpreter of this version that the user can run."""
    if user is None:
        return sys.executable
    for each in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            if not subprocess.run([each, "-c", ""], user=user, group=user, extra_groups=[], cwd="/").returncode:
                return each
        except OSError:
            continue
    pytest.skip("no interpreter of this version is readable by other users")


@pytest.fixture
def base() -> Iterator[Path]:
    """Return an empty folder that every user can write to; the test's own can be entered by its user only."""
    folder = Path(tempfile.mkdtemp(prefix="jdodd"))
    yield folder
    shutil.rmtree(folder)


# -- the current folder ----------------------------------------------------------------------------


def test_a_worker_runs_in_a_folder_that_was_deleted(base: Path) -> None:
    Place(base).work(before=DELETED)


def test_what_needs_a_deleted_folder_says_so(base: Path) -> None:
    place, db = Place(base), ("--db", str(base / "jobs.db"))
    Queue(base / "jobs.db").close()
    assert "The current folder was deleted" in place.says(*db, "run", "--", "true", before=DELETED)
    assert place.run(*db, "run", "--cwd", "/", "--", "true", before=DELETED) == (0, "")
    assert "the current folder was deleted" in place.says(*db, "backup", "copy.db", before=DELETED)
    assert "the current folder was deleted" in place.says("--db", "jobs.db", "worker", before=DELETED)
    assert "The current folder was deleted" in place.says("--db", "jobs.db", "list", before=DELETED)
    assert "no module 'tasks' on the Python path" in place.says(*db, "--app", "tasks", "kinds", before=DELETED)


def test_python_m_keeps_the_whole_python_path_in_a_deleted_folder(base: Path) -> None:
    place = Place(base)
    paths = os.pathsep.join([str(base), *(str(Path(package.__file__ or "").parents[1]) for package in (jobdeck, jobdeck_tui))])
    line = f"{DELETED}; PYTHONPATH={paths} exec {sys.executable} -m jobdeck_tui --db {base}/jobs.db --app app kinds"
    done = subprocess.run(["sh", "-c", line], cwd=place.folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "app.plain" in done.stdout


@as_root
def test_a_folder_that_the_user_cannot_read(base: Path) -> None:
    place = Place(base, NOBODY)
    place.folder.chmod(0o700)  # root's: not even a `.env` can be looked for
    place.work()
    assert "(which cannot be read)" in place.says("--db", "../jobs.db", "--app", "tasks", "kinds")


@as_root
def test_an_app_that_the_user_cannot_read_is_reported_in_a_sentence(base: Path) -> None:
    place = Place(base, NOBODY)
    (base / "app.py").chmod(0o600)
    assert "Permission denied" in place.says("--db", str(base / "jobs.db"), "--app", "../app.py", "worker")


# -- the user --------------------------------------------------------------------------------------


@as_root
def test_a_user_without_a_name_and_a_home_works_on_a_given_database(base: Path) -> None:
    place = Place(base, NOBODY)
    place.work("--processes", "1")
    assert "this user has no home folder for the default" in place.says("list")


@as_root
@pytest.mark.soak
def test_a_user_without_a_name_and_a_home_sees_the_cockpit(base: Path) -> None:
    place = Place(base, NOBODY)
    for words in (["run", "--", "true"], ["keys"], ["--snapshot"]):
        assert place.run("--db", str(base / "jobs.db"), *words) == (0, "")


@as_root
@pytest.mark.soak
def test_a_home_that_the_user_cannot_read_only_loses_preferences(base: Path) -> None:
    (base / "home").mkdir(mode=0o700)
    place = Place(base, NOBODY, {"HOME": str(base / "home")})
    assert "cannot be reached (Permission denied)" in place.says("worker")
    assert place.run("--db", str(base / "jobs.db"), "run", "--", "true") == (0, "")
    code, errors = place.run("--db", str(base / "jobs.db"), "--snapshot")
    assert code == 0
    assert "using the defaults" in errors


def test_without_a_home_preferences_last_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("jobdeck_tui.preferences.user_config_path", refuse)
    preferences = Preferences(config_file("cockpit.json"))
    preferences.put("theme", "light")
    assert preferences.get("theme", "dark") == "light"


# -- temporary files -------------------------------------------------------------------------------


def test_without_a_temporary_folder_jobs_run_and_the_demo_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    with Queue(tmp_path / "jobs.db") as queue:
        job = queue.enqueue("shell", {"command": ["true"]})
        with Worker(queue, threads=1):
            assert queue.wait(job.id, timeout=20).state is State.COMPLETED
    with pytest.raises(StoreRefused, match=r"^The demo needs a folder for temporary files; set TMPDIR"), demo_queue():
        pass
