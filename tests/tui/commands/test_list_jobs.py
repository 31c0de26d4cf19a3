"""Test `jobdeck list`, `show`, `logs` and `wait`."""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import Queue, State, Worker
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck_tui.commands.list_jobs import HEADS, row
from jobdeck_tui.commands.table import layout
from jobdeck_tui.text.sanitize import width


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\x7f \u202egnp.exe\u2066 \x00"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_a_listed_job_has_every_field_its_attempts_and_its_result(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.add", "numbers=[1,2,3]")
    deck.work()
    (job,) = deck.json("list")
    assert (job["state"], job["result"], job["error"], job["attempt"]) == ("completed", 6, None, 1)
    for name in ("created_at", "scheduled_at", "started_at", "finished_at"):
        assert job[name].endswith("Z")
        assert datetime.fromisoformat(job[name]).utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    (attempt,) = job["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["error_type"]) == (1, "completed", None)
    assert attempt["worker"] == job["worker"]


def test_a_shell_job_is_listed_with_its_exit_code_and_the_end_of_its_output(deck: CommandLine) -> None:
    deck.done("run", "--", "echo", "fine")
    deck.done("run", "--max-attempts", "1", "--", "sh", "-c", "echo out; echo no such thing >&2; exit 3")
    deck.done("run", "--max-attempts", "1", "--", "sh", "-c", "kill -9 $$")
    deck.work()
    killed, failed, fine = deck.json("list")
    assert (fine["exit_code"], fine["result"], fine["stdout"], fine["stderr"]) == (0, {"exit_code": 0}, "fine", "")
    assert (failed["state"], failed["exit_code"], failed["stdout"], failed["stderr"]) == ("failed", 3, "out", "no such thing")
    assert failed["attempts"][0]["exit_code"] == 3
    assert (killed["state"], killed["exit_code"]) == ("failed", None)
    assert "no such thing" in deck.done("list", "state:failed")


def test_filter_words_need_no_quotes_and_may_be_negative(deck: CommandLine) -> None:
    for queue in ("mail", "img", "mail"):
        deck.done("run", "--queue", queue, "--tag", f"for-{queue}", "--", "true")
    deck.done("cancel", 3)
    assert [job["id"] for job in deck.json("list", "state:pending", "queue:mail")] == [1]
    assert [job["id"] for job in deck.json("list", "-queue:mail")] == [2]
    assert [job["id"] for job in deck.json("list", "-tag:for-img", "-state:cancelled")] == [1]
    assert deck.json("list", "nothing-like-it") == []


def test_sorting_and_limits_page_through_everything(deck: CommandLine) -> None:
    line = json.dumps({"kind": "shell", "args": {"command": ["true"]}}) + "\n"
    deck.done("enqueue", "--file", "-", input=line * 1203)
    deck.done("priority", "7", "600")
    assert len(deck.done("list").splitlines()) == 51
    assert [job["id"] for job in deck.json("list", "--limit", 2)] == [1203, 1202]
    assert [job["id"] for job in deck.json("list", "--limit", 2, "--reverse")] == [1, 2]
    assert [job["id"] for job in deck.json("list", "--limit", 1, "--sort", "priority")] == [600]
    assert [job["id"] for job in deck.json("list", "--limit", 0)] == [*range(1203, 0, -1)]
    assert [job["id"] for job in deck.json("list", "--limit", 700, "--reverse")] == [*range(1, 701)]


def test_the_table_is_aligned_and_shows_the_command(deck: CommandLine) -> None:
    deck.done("run", "--queue", "a-much-longer-name", "--", "echo", "two words")
    deck.done("run", "--", "true")
    head, *rows = deck.done("list").splitlines()
    assert head.split()[:8] == ["STATE", "ID", "KIND", "QUEUE", "PRI", "TRY", "AGE", "TOOK"]
    at = head.index("DETAIL")
    assert [line[at:] for line in rows] == ["true", "echo 'two words'"]


@pytest.mark.parametrize("columns", [30, 45, 60, 80, 81, 100, 120, 200])
def test_the_table_fits_the_terminal_and_keeps_state_id_and_kind(deck: CommandLine, columns: int) -> None:
    deck.done("run", "--queue", "q" * 40, "--", "echo", "x" * 500)
    deck.done("run", "--", "echo", "日本語" * 50)
    with deck.queue() as queue:
        rows = [row(job, queue.clock.now()) for job in queue.list()]
    widths = layout(HEADS, [[width(each.text) for each in cells] for cells in rows], columns)
    kept = [size for size in widths if size is not None]
    assert sum(kept) + 2 * (len(kept) - 1) <= columns
    assert None not in widths[:3]
    if columns >= 80:
        assert widths[8] is not None


def test_show_prints_fields_attempts_and_traceback(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.boom", "text=went wrong", "--tag", "x", "--priority", "4", "--timeout", "2m")
    deck.work()
    shown = deck.done("show", 1)
    for told in (
        "Job 1",
        "failed (attempts exhausted)",
        "tasks.boom",
        "priority",
        "1 of 1",
        "2m00s",
        "went wrong",
        "ValueError",
        "Traceback",
        "tasks.py",
    ):
        assert told in shown
    (document,) = deck.json("show", 1)
    assert (document["reason"], document["crashes"], document["backoff"]) == ("attempts exhausted", 0, None)
    assert "raise ValueError(text)" in document["attempts"][0]["traceback"]
    assert document["log"] == []


def test_show_compares_the_job_with_others_of_its_kind(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    assert re.search(r"^same kind +no runs in the last 7 days$", deck.done("show", 1), re.MULTILINE)
    for _ in range(8):
        deck.done("run", "--", "true")
    deck.done("run", "--max-attempts", "1", "--name", "true", "--shell", "sleep 1; false")
    deck.work()
    shown = deck.done("show", 10)
    assert re.search(r"^same kind +10 runs in the last hour, 10.0% failed, p50 \S+, p95 \S+$", shown, re.MULTILINE)
    assert re.search(r"^this job +failed after 1\.\ds, longer than most$", shown, re.MULTILINE)
    (document,) = deck.json("show", 10)
    told = document["kind_history"]
    assert (told["kind"], told["completed"], told["failed_attempts"], told["newest_run"]) == (
        "shell:true",
        9,
        1,
        "longer than most",
    )
    assert sum(slot["completed"] for slot in told["slices"]) == 9
    assert deck.json("show", 1)[0]["kind_history"]["newest_run"] in ("like most", "longer than most")


def test_logs_are_printed_as_written_and_can_be_limited_to_an_attempt(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("run", "--max-attempts", "1", "--", "sh", "-c", "echo one; echo two; echo three $JOBDECK_ATTEMPT >&2; exit 1")
    deck.done("--app", app, "enqueue", "tasks.send", "to=ann")
    deck.work()
    assert sorted(deck.done("logs", 1).splitlines()) == ["one", "three 1", "two"]
    assert deck.done("logs", 2).split(maxsplit=1)[1] == "info     sending to ann\n"
    deck.done("retry", 1)
    deck.work(1)
    assert sorted(deck.done("logs", 1, "--attempt", 2).splitlines()) == ["one", "three 2", "two"]
    levels = {(line["attempt"], line["level"], line["text"]) for line in deck.json("logs", 1)}
    assert (2, "err", "three 2") in levels


def test_logs_follow_until_the_job_finishes(deck: CommandLine) -> None:
    deck.done("run", "--shell", "echo begin; while [ ! -e go ]; do sleep 0.02; done; echo end")
    process = deck.start("logs", 1, "--follow")
    assert process.stdout is not None
    with deck.queue() as queue, Worker(queue, threads=1):
        assert process.stdout.readline() == "begin\n"
        assert process.poll() is None
        (deck.folder / "go").touch()
        rest, _ = process.communicate(timeout=20)
    assert (rest, process.returncode) == ("end\n", 0)


def test_wait_succeeds_only_if_all_completed(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    deck.done("run", "--max-attempts", "1", "--", "false")
    deck.work()
    assert deck.done("wait", 1).startswith("1  completed")
    result = deck("wait", 1, 2, 1)
    assert result.exit_code == 1
    assert sorted(line.split()[:2] for line in result.stdout.splitlines()) == [["1", "completed"], ["2", "failed"]]
    assert deck("wait", 1, 99).exit_code == 1


def test_wait_stops_after_its_timeout(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    result = deck("wait", 1, "--timeout", "50ms")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "still pending" in result.stderr


@pytest.mark.parametrize("words", [("wait", 1), ("logs", 1, "-f")])
def test_waiting_commands_warn_if_no_worker_is_alive(deck: CommandLine, words: tuple[str | int, ...]) -> None:
    deck.done("run", "--", "true")
    process = deck.start(*words)
    assert process.stderr is not None
    assert process.stderr.readline() == "jobdeck: Job 1 waits for a worker; `jobdeck` or `jobdeck worker` starts one.\n"
    deck.work()
    _, err = process.communicate(timeout=20)
    assert (err, process.returncode) == ("", 0)
    assert deck(*words).stderr == ""


def test_wait_returns_when_the_job_finishes(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    ended = threading.Event()

    def work() -> None:
        with Queue(deck.database) as queue, Worker(queue, threads=1):
            ended.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        (job,) = deck.json("wait", 1)
    finally:
        ended.set()
        thread.join()
    assert (job["state"], job["exit_code"]) == ("completed", 0)


def test_progress_is_shown_with_the_time_left_and_the_message_of_the_handler(deck: CommandLine) -> None:
    deck.done("--app", deck.tasks(), "enqueue", "tasks.nap", "seconds=1")
    with deck.queue() as queue:
        (claimed,) = queue.store.claimer.claim(ClaimRequest("w:1:a", 1, kinds=["tasks.nap"], queues=(), lease=600))
        queue.store.transitions.report_progress(claimed.id, claimed.lease or 0, 0.4, f"frame 3 {HOSTILE}")
        monday = queue.clock.now() - 20
        with queue.store.transaction() as connection:
            connection.execute("UPDATE jobdeck_jobs SET started_at = ?", (monday,))
    (shown,) = deck.json("show", 1)
    assert (shown["progress"], shown["progress_message"]) == (0.4, f"frame 3 {' '.join(HOSTILE.split())}")
    assert 30 <= shown["time_left"] < 60
    assert deck.json("list")[0]["progress_message"] == shown["progress_message"]
    (line,) = [line for line in deck.done("show", 1).splitlines() if line.startswith("progress")]
    assert re.fullmatch(r"progress +40% · ~3\ds left · frame 3 \\x1b.*", line)
    assert re.search(r"40% · ~3\ds left · frame 3 \\x1b", deck.done("list"))


def test_run_and_wait_passes_on_output_whole_and_the_streams_apart_and_the_exit_code(deck: CommandLine) -> None:
    script = "seq 1 300000; echo complaint >&2; printf 'no newline'; exit 7"
    process = deck.start("run", "--wait", "--max-attempts", "1", "--", "sh", "-c", script)
    with deck.queue() as queue, Worker(queue, threads=1):
        out, err = process.communicate(timeout=20)
    assert process.returncode == 7
    assert out == "".join(f"{n}\n" for n in range(1, 300_001)) + "no newline"
    assert err.splitlines()[-1] == "complaint"
    assert err == "complaint\n" or err.startswith("jobdeck: Job 1 waits for a worker")


def test_following_a_log_says_on_standard_error_that_its_beginning_was_dropped_before_it_was_printed(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deck.queue() as queue:
        made = queue.enqueue("shell", {"command": ["true"]})
        add = partial(queue.store.logs.append, keep_bytes=8 << 20)
        add([(made.id, 1, 0.0, "out", "first")])

        def go_on(_: float) -> None:
            if queue.get(made.id).state is State.CANCELLED:
                pytest.fail("waits for a job that is final")
            add([(made.id, 1, 0.0, "out", "." * (1 << 20)) for _ in range(8)])
            add([(made.id, 1, 0.0, "out", "last")])
            queue.cancel(made.id)

        monkeypatch.setattr("jobdeck_tui.commands.logs.time", SimpleNamespace(sleep=go_on))  # this command's only
        result = deck("logs", made.id, "-f")
    assert result.stdout.startswith("first\n...")
    assert result.stdout.endswith("...\nlast\n")
    assert "Only the newest 8 MB of a log are kept: output that came before was not printed." in result.stderr


def test_a_log_whose_beginning_was_dropped_says_so_on_standard_error(deck: CommandLine) -> None:
    with deck.queue() as queue:
        made = queue.enqueue("shell", {"command": ["true"]})
        for _ in range(9):
            queue.store.logs.append([(made.id, 1, 0.0, "out", "." * (1 << 20))], 8 << 20)
    result = deck("logs", made.id)
    assert (result.exit_code, len(result.stdout)) == (0, 8 * ((1 << 20) + 1))
    assert result.stderr == "jobdeck: Only the newest 8 MB of a log are kept; this one may have been longer.\n"


def test_a_long_line_is_printed_as_one_and_a_missing_newline_stays_missing(deck: CommandLine) -> None:
    deck.done("run", "--shell", "head -c 1000000 /dev/zero | tr '\\0' x; echo; printf last")
    deck.work()
    assert deck.done("logs", 1) == "x" * 1_000_000 + "\nlast"
    (shown,) = deck.json("show", 1)
    assert shown["stdout"].endswith("xxx\nlast")
    assert "x\nx" not in shown["stdout"]
    assert [line["unfinished"] for line in deck.json("logs", 1)][-2:] == [False, True]


@pytest.mark.parametrize("words", [("show", 999999), ("logs", 999999), ("wait", 999999), ("cancel", 999999)])
def test_a_missing_job_is_reported_in_one_sentence(deck: CommandLine, words: tuple[str | int, ...]) -> None:
    deck.done("run", "--", "true")
    result = deck(*words, "--json" if words[0] != "cancel" else "--dry-run")
    assert (result.exit_code, result.stderr) == (1, "jobdeck: Job 999999 does not exist.\n")


@pytest.mark.parametrize(
    "words",
    [
        *[(command, "1") for command in ("show", "logs", "wait", "cancel", "retry", "delete")],
        *[
            (command,)
            for command in ("list", "stats", "queues", "workers", "errors", "events", "timeline", "journal", "health")
        ],
    ],
    ids=" ".join,
)
def test_read_commands_create_no_database(deck: CommandLine, words: tuple[str, ...]) -> None:
    result = deck(*words)
    assert result.exit_code == 1
    assert "jobs.db does not exist" in result.stderr
    assert not deck.database.exists()


def test_hostile_text_never_reaches_the_terminal_raw(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.boom", "--args", json.dumps({"text": HOSTILE}))
    deck.done("--app", app, "enqueue", "tasks.send", "--args", json.dumps({"to": HOSTILE + "\n" + HOSTILE}))
    deck.done("run", "--max-attempts", "1", "--shell", "printf '\\033[2Jx\\233y\\r\\n' >&2; exit 1")
    deck.done("run", "--max-attempts", "1", "--", "no\x1b[31msuch")
    deck.work()
    shown = {}
    for command in ("list", "stats", "workers", "kinds", "health"):
        for json_ in ((), ("--json",)):
            shown[command, json_] = deck(command, *json_).output
    for job_id in (1, 2, 3, 4):
        for command in ("show", "logs", "wait", "cancel"):
            for json_ in ((), ("--json",)):
                shown[command, job_id, json_] = deck(command, job_id, *json_).output
    for what, text in shown.items():
        assert not RAW.search(text), what
    assert r"\x1b]0;owned\x07" in shown["list", ()]
    assert r"\x1b]0;owned\x07" in shown["show", 1, ()]
    assert r"sending to \x1b]0;owned" in shown["logs", 2, ()]
    assert json.loads(shown["show", 1, ("--json",)])["args"]["text"] == HOSTILE


def test_hostile_names_in_errors_are_escaped(deck: CommandLine) -> None:
    for words in (
        ("enqueue", HOSTILE.replace("\x00", "")),
        ("list", "state:\x1b[31m"),
        ("pause", "\x1b[31m"),
        ("--\x1b[31m",),
    ):
        result = deck(*words)
        assert result.exit_code in (1, 2)
        assert not RAW.search(result.output)


def test_an_unreadable_stored_job_is_still_listed_and_shown(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    import apsw

    connection = apsw.Connection(str(deck.database))
    connection.execute("UPDATE jobdeck_jobs SET args = 'not json' || char(27), created_at = 1e17, tags = '{'")
    connection.close()
    (job,) = deck.json("list")
    assert job["args"] == "not json\x1b"
    assert r"not json\x1b" in deck.done("list")
    assert r"not json\x1b" in deck.done("show", 1)


def test_a_running_job_shows_its_attempt_and_lease(deck: CommandLine) -> None:
    deck.done("run", "--shell", "while [ ! -e go ]; do sleep 0.02; done")
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: queue.get(1).state == "running")
        (job,) = deck.json("list")
        assert (job["state"], job["finished_at"], job["attempts"][0]["outcome"]) == ("running", None, None)
        assert job["lease"].isdigit()
        assert "running" in deck.done("show", 1)
        (deck.folder / "go").touch()
        eventually(lambda: queue.get(1).state == "completed")
