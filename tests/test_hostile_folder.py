"""A current folder that holds a module of every name that jobdeck imports, and a `.env`, runs none of them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from tests.tui.cli_runner import eventually

import jobdeck
import jobdeck_tui
from jobdeck import Queue
from jobdeck.kinds.app_folder import OPTIONAL_MODULES
from jobdeck_tui.commands import common
from jobdeck_tui.commands.web import command_line

SOURCES = [str(Path(package.__file__ or "").parents[1]) for package in (jobdeck, jobdeck_tui)]

SPY = """
import sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        if path is None:
            print(name, file=sys.__stderr__)
sys.meta_path.insert(0, Spy())
"""

APP = """
from pathlib import Path
from jobdeck import context, job

@job(isolate=True)
def isolated(to: Path) -> str:
    return str(to)

@job
def plain(to: Path) -> str:
    context().log.info("hello")
    return str(to)

@job
async def waits(to: Path) -> str:
    return str(to)
"""

KINDS = ("isolated", "plain", "waits")


def imported(folder: Path, program: str) -> set[str]:
    """Return the top-level names that a program tries to import."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SPY + program], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return {line.partition(".")[0] for line in done.stderr.splitlines() if line.isidentifier() or "." in line}


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JOBDECK_", "PYTHON"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(SOURCES), "TERM": "xterm-256color", **more}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every top-level module that Python, jobdeck and the installed libraries have, and those that they look for in vain."""
    folder = tmp_path_factory.mktemp("names")
    # What Python itself imports for `-m`, before any of our code runs, is out of our hands.
    (folder / "empty.py").write_text("import sys\nprint(*{name.partition('.')[0] for name in sys.modules})\n")
    before = subprocess.run([sys.executable, "-m", "empty"], cwd=folder, capture_output=True, text=True, check=True).stdout
    found = {*sys.stdlib_module_names, *packages_distributions(), *OPTIONAL_MODULES, *common.OPTIONAL_MODULES}
    return {name for name in found if name.isidentifier()} - {"jobdeck", "jobdeck_tui", *before.split()}


@pytest.mark.soak
def test_no_other_module_is_looked_for(names: set[str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JOBDECK_THREADS=1\n")
    program = (
        "import pkgutil, importlib, jobdeck, jobdeck_tui, pydantic\n"
        "for package in (jobdeck, jobdeck_tui):\n"
        "    for each in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not each.name.endswith('__main__'):\n"
        "            importlib.import_module(each.name)\n"
        "class Model(pydantic.BaseModel): ...\n"
        "def handler(n: list[Model]) -> None: ...\n"
        "jobdeck.job(handler)\n"
        "with jobdeck.Queue('jobs.db') as queue:\n"
        "    queue.enqueue(handler, {'n': [{}]})\n"
        "    jobdeck.testing.drain(queue)\n"
        "from jobdeck_tui.cli import cli\n"
        "from click.testing import CliRunner\n"
        "for words in (['--snapshot'], ['doctor'], ['list'], ['guide', 'retries'], ['run', '--', 'true'], ['why', '1']):\n"
        "    CliRunner().invoke(cli, ['--db', 'jobs.db', *words])\n"
    )
    found = imported(tmp_path, program)
    assert {"click", "textual", "pydantic", "psycopg", "apsw", "dotenv", "rich"} <= found
    assert found - names - {"jobdeck", "jobdeck_tui", *sys.stdlib_module_names} == set()


@pytest.fixture
def hostile(tmp_path: Path, names: set[str]) -> Path:
    """Return a folder whose modules leave a file `ran-NAME` beside it when they are run."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in names | {"evil", "sitecustomize", "usercustomize"}:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / f'ran-{name}')!r}, 'w').close()\nraise SystemExit(66)\n")
    (tmp_path / "app.py").write_text(APP)
    return folder


def ran(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.parent.glob("ran-*"))


def jobdeck_in(folder: Path, *words: str, how: Sequence[str] = ("-m", "jobdeck_tui"), **more: str) -> str:
    """Run a command line in the folder; return its output."""
    done = subprocess.run(
        [sys.executable, *how, *words], cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_commands_run_none_of_its_modules(hostile: Path) -> None:
    jobdeck_in(hostile, "--db", "../jobs.db", "run", "--", "true")
    for words in (["kinds"], ["--snapshot"]):
        jobdeck_in(hostile, "--db", "../jobs.db", "--app", "../app.py", *words)
    assert not ran(hostile)


def test_the_cockpit_of_a_browser_runs_none_of_its_modules(hostile: Path) -> None:
    jobdeck_in(hostile, "--db", "../jobs.db", "run", "--", "true")
    (hostile / "runpy.py").write_text("raise SystemExit(66)\n")  # with -P not even Python itself looks here
    python, *words = shlex.split(command_line(common.CliContext(db="../jobs.db"), demo=False))
    assert python == sys.executable
    assert "1 job" in jobdeck_in(hostile, "--snapshot", how=words)
    assert not ran(hostile)


def test_a_worker_and_its_children_run_none_of_its_modules(hostile: Path) -> None:
    where = str(hostile.parent / "jobs.db")
    command = [sys.executable, "-m", "jobdeck_tui", "--db", where, "--app", "../app.py", "worker", "--processes", "1"]
    with Queue(where) as queue:
        (hostile / "jobs.jsonl").write_text("".join(f'{{"kind": "app.{kind}", "args": {{"to": "x"}}}}\n' for kind in KINDS))
        jobdeck_in(hostile, "--db", where, "--app", "../app.py", "enqueue", "--file", "jobs.jsonl")
        worker = subprocess.Popen(command, cwd=hostile, env=environment(), stderr=subprocess.PIPE, text=True)
        try:
            eventually(lambda: queue.count("state:completed") == 3 or worker.poll() is not None or queue.count("state:failed"))
            assert queue.count("state:completed") == 3, [queue.attempts(id) for id in (1, 2, 3)]
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=30)
    assert not ran(hostile)


def test_the_children_of_a_program_given_as_text_run_none_of_its_modules(hostile: Path) -> None:
    program = (
        "import sys; sys.path.pop(0)\n"
        "import jobdeck\n"
        "jobdeck.load_apps(['../app.py'])\n"
        "def run():\n"
        "    with jobdeck.Queue('../jobs.db') as queue, jobdeck.Worker(queue, threads=1):\n"
        "        print(queue.wait(queue.enqueue('app.isolated', {'to': 'x'}).id, timeout=30).state)\n"
        "run()  # imports all that this process needs, as the text of a program cannot keep its folder from being searched\n"
        "sys.path.insert(0, '')\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=hostile, env=environment(JOBDECK_APP="../app.py"), capture_output=True, text=True
    )
    assert done.stdout == "completed\ncompleted\n", done.stderr
    assert not ran(hostile)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_the_env_file_of_another_user_is_ignored_with_one_warning(hostile: Path) -> None:
    (hostile / ".env").write_text("JOBDECK_APP=evil\nJOBDECK_DATABASE=theirs.db\n")
    os.chown(hostile / ".env", 12345, 12345)
    done = subprocess.run(
        [sys.executable, "-m", "jobdeck_tui", "run", "--", "true"], cwd=hostile,
        env=environment(XDG_DATA_HOME=str(hostile.parent)), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.count("it belongs to another user") == 1
    assert (hostile.parent / "jobdeck" / "jobs.db").exists()
    assert not (hostile / "theirs.db").exists()
    assert not ran(hostile)


@pytest.mark.parametrize("app", ["evil", "evil.py"])
def test_completion_runs_no_app(hostile: Path, app: str) -> None:
    line = "jobdeck stats --kind "
    (hostile / ".env").write_text(f"JOBDECK_APP={app}\n")
    done = subprocess.run(
        [sys.executable, "-m", "jobdeck_tui", line, ""],
        cwd=hostile,
        env=environment(_JOBDECK_COMPLETE="bash"),
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("values\nshell\n", "")
    assert not ran(hostile)


def test_an_app_shadowed_by_an_installed_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "-m", "jobdeck_tui", "--db", "jobs.db", "--app", "colorsys", "kinds"], cwd=tmp_path,
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("jobdeck: The app 'colorsys' could not be imported: colorsys.py is shadowed by /")
    assert done.stderr.endswith("rename it, or give its path: --app ./colorsys.py.\n")
