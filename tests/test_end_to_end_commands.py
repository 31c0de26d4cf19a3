"""Test the command line end to end, with the processes a user would start."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, command, eventually

from jobdeck import State, load_apps

NOBODY = 65534


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def _working(deck: CommandLine) -> bool:
    return deck.database.exists() and any(worker["alive"] for worker in deck.json("workers"))


def _leftovers(deck: CommandLine) -> int:
    with deck.queue() as queue:
        return queue.count("state:running")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_running_jobs_finish_and_starts_no_others(deck: CommandLine, number: signal.Signals) -> None:
    for _ in range(5):
        deck.done("run", "--shell", "echo started; while [ ! -e go ]; do sleep 0.02; done")
    worker = deck.start("worker", "--threads", 2, "--grace", "20s")
    with deck.queue() as queue:
        # A claimed job may not have started: jobs that no thread has started are released.
        eventually(lambda: len([job for job in queue.list("state:running") if queue.logs(job.id)]) == 2)
        worker.send_signal(number)
        eventually(lambda: queue.workers.list()[0].draining)
        (deck.folder / "go").touch()
        _, log = worker.communicate(timeout=20)
        states = [job.state for job in queue.list(descending=False)]
    assert worker.returncode == 0, log
    assert states == [State.COMPLETED] * 2 + [State.PENDING] * 3
    assert number.name in log
    assert "Traceback" not in log
    assert deck.json("workers") == []


def test_jobs_that_outlast_the_grace_period_are_released(deck: CommandLine) -> None:
    deck.tasks()
    (deck.folder / "deaf.py").write_text(
        "import time\nfrom jobdeck import job\n\n@job\ndef sleep(seconds: float) -> None:\n    time.sleep(seconds)\n"
    )
    env = {"JOBDECK_APP": "deaf"}
    deck.done("--app", "deaf.py", "enqueue", "deaf.sleep", "seconds=100")
    deck.done("run", "--", "sleep", "100")
    worker = deck.start("worker", "--threads", 2, "--grace", "1s", env=env)
    eventually(lambda: deck.database.exists() and _leftovers(deck) == 2)
    begin = time.monotonic()
    worker.terminate()
    _, log = worker.communicate(timeout=20)
    assert time.monotonic() - begin < 5
    assert worker.returncode == 0, log
    jobs = deck.json("list")
    assert [(job["state"], job["attempt"]) for job in jobs] == [("pending", 0)] * 2
    assert {attempt["outcome"] for job in deck.json("list") for attempt in job["attempts"]} <= {"released"}


def test_a_second_signal_stops_the_worker_at_once(deck: CommandLine) -> None:
    deck.done("run", "--", "sleep", "100")
    worker = deck.start("worker", "--threads", 1, "--grace", "60s")
    eventually(lambda: _leftovers(deck) == 1)
    worker.terminate()
    assert worker.stderr is not None
    while "no longer claiming" not in worker.stderr.readline():  # from now on, a signal counts as another request
        pass
    begin = time.monotonic()
    worker.terminate()
    _, log = worker.communicate(timeout=20)
    assert time.monotonic() - begin < 5
    assert (worker.returncode, _leftovers(deck)) == (0, 0), log


def test_a_worker_started_with_nohup_ignores_the_end_of_its_terminal(deck: CommandLine) -> None:
    worker = deck.start("worker", hangup=signal.SIG_IGN)
    eventually(lambda: _working(deck))
    worker.send_signal(signal.SIGHUP)
    deck.done("run", "--wait", "--", "true")
    worker.terminate()
    _, log = worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert "SIGHUP" not in log


def test_a_command_that_is_waited_for_exits_as_it_does_in_a_shell(deck: CommandLine) -> None:
    (deck.folder / "text").write_text("not a program\n")
    worker = deck.start("worker")
    codes = {
        words: deck("run", "--wait", "--max-attempts", 1, *words).exit_code
        for words in (
            ("--", "sh", "-c", "exit 7"),
            ("--", "sh", "-c", "kill -9 $$"),
            ("--timeout", "0.2s", "--", "sleep", "20"),
            ("--", "no-such-program"),
            ("--", "./text"),
            ("--cwd", "nowhere", "--", "true"),
        )
    }
    worker.terminate()
    worker.communicate(timeout=20)
    assert [*codes.values()] == [7, 137, 124, 127, 126, 1]


def test_the_job_of_a_killed_worker_is_rerun_and_its_first_attempt_is_crashed(deck: CommandLine) -> None:
    env = {"JOBDECK_LEASE": "0.5"}
    deck.done("run", "--shell", "echo run $JOBDECK_ATTEMPT >> runs; [ $JOBDECK_ATTEMPT = 2 ] || exec sleep 2")
    first = deck.start("worker", env=env)
    eventually(lambda: (deck.folder / "runs").exists())
    first.kill()
    first.communicate()
    second = deck.start("worker", env=env)
    waited = deck("wait", 1, "--timeout", "20s")
    second.terminate()
    second.communicate(timeout=20)
    assert waited.exit_code == 0
    assert (deck.folder / "runs").read_text() == "run 1\nrun 2\n"
    (job,) = deck.json("list")
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["crashed", "completed"]
    assert "crashed" in deck.done("show", 1)


def test_kinds_of_a_user_module_run_and_a_wrong_argument_is_refused(deck: CommandLine) -> None:
    deck.tasks()
    env = {**os.environ, "JOBDECK_APP": "tasks", "JOBDECK_DATABASE": "jobs.db"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*words), cwd=deck.folder, env=env, capture_output=True, text=True, timeout=30)

    worker = subprocess.Popen(command("worker", "--threads", "4"), cwd=deck.folder, env=env, stderr=subprocess.PIPE, text=True)
    try:
        ids = [run("enqueue", "tasks.add", f"numbers=[{n},{n}]").stdout.strip() for n in range(3)]
        ids.append(run("enqueue", "tasks.send", "to=ann@example.org").stdout.strip())
        refused = run("enqueue", "tasks.send", "to=ann@example.org", "count=many")
        waited = run("wait", *ids, "--timeout", "20s", "--json")
    finally:
        worker.terminate()
        _, log = worker.communicate(timeout=20)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith("jobdeck: tasks.send: argument 'count' ")
    assert waited.returncode == 0, waited.stderr
    results = {str(job["id"]): job["result"] for job in map(json.loads, waited.stdout.splitlines())}
    assert results == dict(zip(ids, [0, 2, 4, {"to": "ann@example.org", "count": 1}], strict=True))
    assert worker.returncode == 0
    assert "sending to ann@example.org" in log


def test_forty_commands_run_and_three_of_them_fail_with_their_output(deck: CommandLine) -> None:
    for n in range(40):
        (deck.folder / f"{n}.txt").write_text("text " * 1000)
    script = 'if [ $(($1 % 13)) = 5 ]; then echo "no such luck $1" >&2; exit 4; fi; gzip -k $1.txt && ls $1.txt.gz'
    for n in range(40):
        deck.done("run", "--max-attempts", "1", "--", "sh", "-c", script, "sh", n)
    worker = deck.start("worker", "--threads", 4)
    assert deck("wait", *range(1, 41), "--timeout", "60s").exit_code == 1
    worker.terminate()
    worker.communicate(timeout=20)
    jobs = {int(job["args"]["command"][-1]): job for job in deck.json("list", "--limit", 0)}
    assert len(jobs) == 40
    for n, job in jobs.items():
        if n in (5, 18, 31):
            assert (job["state"], job["exit_code"], job["stderr"]) == ("failed", 4, f"no such luck {n}")
        else:
            assert (job["state"], job["exit_code"], job["stdout"]) == ("completed", 0, f"{n}.txt.gz")
            assert (deck.folder / f"{n}.txt.gz").exists()
    assert "no such luck 18" in deck.done("list", "state:failed")


def test_a_worker_whose_log_nobody_reads_goes_on_and_says_later_what_is_lost(deck: CommandLine) -> None:
    (deck.folder / "noops.py").write_text(
        "from jobdeck import job\n\n\n@job(name='noop')\ndef noop(n: int) -> None:\n    pass\n"
    )
    app = str(deck.folder / "noops.py")
    with deck.queue() as queue:
        load_apps([app])
        queue.enqueue_bulk("noop", [{"n": n} for n in range(1500)])
        worker = deck.start("--app", app, "worker", "--threads", "2")  # its log takes more than a pipe holds
        eventually(lambda: queue.count("state:completed") == 1500)
        lines = []
        assert worker.stderr is not None
        reader = threading.Thread(target=lambda: lines.extend(worker.stderr or ()))
        reader.start()
        queue.enqueue("noop", {"n": 0})
        eventually(lambda: any(" lines of this log are lost: nobody read it" in line for line in lines))
        worker.terminate()
        assert worker.wait(20) == 0
        reader.join(20)


def test_a_worker_logs_json_or_text_and_escapes_what_jobs_log(deck: CommandLine) -> None:
    deck.tasks()
    deck.done("--app", "tasks.py", "enqueue", "tasks.send", "--args", json.dumps({"to": "\x1b[2J\u202e"}))
    for format_ in ("text", "json"):
        worker = deck.start("worker", env={"JOBDECK_APP": "tasks", "JOBDECK_LOG_FORMAT": format_})
        eventually(lambda: _working(deck))
        with deck.queue() as queue:
            eventually(lambda: queue.get(1).state is State.COMPLETED)
            queue.retry(1)
            eventually(lambda: queue.get(1).state is State.COMPLETED)
        worker.terminate()
        _, log = worker.communicate(timeout=20)
        assert "\x1b" not in log
        assert "\u202e" not in log
        if format_ == "json":
            documents = [json.loads(line) for line in log.splitlines()]
            assert {"at", "level", "logger", "message"} <= set(documents[0])
            named = {document["message"]: document for document in documents if document.get("kind") == "tasks.send"}
            assert {(document["job"], document["max_attempts"]) for document in named.values()} <= {(1, 2), (1, 3)}
            assert [*named] == ["started", "sending to \x1b[2J\u202e", "finished"]
            assert named["finished"]["outcome"] == "completed"
            assert named["finished"]["took"] >= 0
        else:
            assert r"sending to \x1b[2J\u202e job=1 kind=tasks.send attempt=1/2" in log
            assert re.search(r"finished job=1 kind=tasks.send attempt=1/2 outcome=completed took=\d+\.\d+s\n", log)


def test_a_worker_warns_that_it_serves_shell_jobs_only_and_of_a_queue_that_looks_mistyped(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    worker = deck.start("worker", "--queues", "new,defualt")
    assert worker.stderr is not None
    log = ""
    for line in worker.stderr:  # a worker that is terminated while it starts ends before it has warned of anything
        log += line
        if "serves shell jobs only" in line:
            break
    worker.terminate()
    log += worker.communicate(timeout=20)[1]
    assert "serves shell jobs only" in log
    assert "with 4 threads, for queues new, defualt only\n" in log
    assert "WARNING jobdeck.worker: No job, worker or schedule uses queue 'defualt' yet; did you mean default?\n" in log
    assert "'new'" not in log
    assert worker.returncode == 0


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


COMMANDS = [("list",), ("run", "--", "true"), ("show", "1"), ("health",), ("worker",), ("cancel", "1"), ("stats",)]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_file_that_is_not_a_database_is_refused_and_unchanged(deck: CommandLine, words: tuple[str, ...]) -> None:
    deck.database.write_text("Dear diary, today I was mistaken for a database.\n" * 200)
    before = _bytes(deck.folder)
    result = deck(*words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith(f"jobdeck: {deck.database} ")
    assert _bytes(deck.folder) == before


@pytest.mark.parametrize("words", COMMANDS)
def test_a_database_of_a_newer_jobdeck_is_refused_and_unchanged(deck: CommandLine, words: tuple[str, ...]) -> None:
    import apsw

    deck.done("run", "--", "true")
    connection = apsw.Connection(str(deck.database))
    connection.execute("UPDATE jobdeck_meta SET value = '999' WHERE key = 'schema'")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = _bytes(deck.folder)
    result = deck(*words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "newer" in result.stderr
    assert _bytes(deck.folder) == before


def test_a_database_of_another_program_is_refused_and_unchanged(deck: CommandLine) -> None:
    import apsw

    connection = apsw.Connection(str(deck.database))
    connection.execute("CREATE TABLE songs (name); INSERT INTO songs VALUES ('one')")
    connection.close()
    before = _bytes(deck.folder)
    result = deck("run", "--", "true")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "another program" in result.stderr
    assert _bytes(deck.folder) == before


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Create a folder that unprivileged users can read: pytest's own folders are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    shutil.rmtree(folder)


#: Root may write everywhere, so the command switches to an unprivileged user. That user may not be able to read this
#: Python installation, so import everything first.
AS_NOBODY = f"""
import os, pkgutil, sys, tempfile, unicodedata
import jobdeck, jobdeck_tui.commands
from jobdeck_tui.cli import cli, main
for name in jobdeck.__all__:
    getattr(jobdeck, name)
for module in pkgutil.iter_modules(jobdeck_tui.commands.__path__):
    __import__("jobdeck_tui.commands." + module.name)
with tempfile.TemporaryDirectory() as folder:
    jobdeck.Queue(folder + "/jobs.db").close()
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
main()
"""


@pytest.mark.parametrize(
    ("words", "code", "out", "said"),
    [
        (("list", "--json"), 0, 1, ""),
        (("run", "--", "true"), 1, 0, "cannot be written to"),
        (("worker",), 1, 0, "cannot be written to"),
    ],
)
def test_a_read_only_database_is_read_but_not_changed(
    shared_folder: Path, words: tuple[str, ...], code: int, out: int, said: str
) -> None:
    deck = CommandLine(shared_folder)
    deck.done("run", "--", "true")
    for path in shared_folder.iterdir():
        path.chmod(0o444)
    shared_folder.chmod(0o555)
    before = _bytes(shared_folder)
    result = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "--db", str(deck.database), *words],
        cwd=shared_folder,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (result.returncode, result.stdout.count("\n"), result.stderr.count("\n")) == (code, out, code)
    assert said in result.stderr
    assert _bytes(shared_folder) == before


def test_a_folder_and_an_unreachable_server_are_refused_as_databases(deck: CommandLine) -> None:
    for database in (str(deck.folder), "postgresql://localhost/jobs", "/proc/nosuch/jobs.db"):
        result = deck("list", "--db", database)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)


def test_ctrl_c_lets_child_processes_finish_their_jobs(deck: CommandLine) -> None:
    deck.tasks()
    env = {"JOBDECK_APP": "tasks"}
    for _ in range(3):
        deck.done("--app", "tasks.py", "enqueue", "tasks.nap", "seconds=0.7")
    deck.done("run", "--", "true")
    worker = deck.start("worker", "--threads", 1, "--processes", 2, "--grace", "20s", env=env, process_group=0)
    with deck.queue() as queue:
        eventually(lambda: queue.count("state:running") == 2)
        (told,) = deck.json("workers")
        assert (told["processes"], told["threads"], told["running"]) == (2, 2, 2)
        assert " 2/2 " in deck.done("workers")
        os.killpg(worker.pid, signal.SIGINT)  # as a terminal does
        _, log = worker.communicate(timeout=20)
        states = sorted(job.state for job in queue.list("kind:tasks.nap"))
    assert worker.returncode == 0, log
    assert states == [State.COMPLETED] * 2 + [State.PENDING]
    assert "2 threads in 2 processes" in log
    assert "Traceback" not in log


def test_an_app_that_fails_only_in_child_processes_exits_with_1_and_one_sentence(deck: CommandLine) -> None:
    (deck.folder / "half.py").write_text(
        "import sys\nif sys.argv[0].endswith('child_main.py'):\n    raise OSError('no seat')\n"
    )
    worker = deck.start("worker", "--processes", 2, env={"JOBDECK_APP": "half"})
    _, log = worker.communicate(timeout=20)
    assert worker.returncode == 1
    assert log == (
        "jobdeck: A child process could not start: "
        "The app 'half' could not be imported: importing it raised OSError: no seat (half.py, line 3).\n"
    )
    assert deck.json("workers") == []


def test_kinds_shows_which_kinds_are_isolated(deck: CommandLine) -> None:
    (deck.folder / "apart.py").write_text("from jobdeck import job\n@job(isolate=True)\ndef go() -> None: ...\n")
    (kind,) = deck.json("--app", str(deck.folder / "apart.py"), "kinds", "apart.go")
    assert kind["isolate"] is True
    assert "isolated" in deck.done("--app", str(deck.folder / "apart.py"), "kinds", "apart.go")
