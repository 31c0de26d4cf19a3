"""The public API: settings, kinds and their arguments, the queue, and a cheap import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from tests.core.helpers import open_queue

import jobdeck
from jobdeck import (
    AppImportError,
    ArgumentsTooLarge,
    DatabaseAddress,
    InvalidArguments,
    InvalidHandler,
    InvalidOption,
    InvalidSetting,
    JobNotFound,
    NothingToUndo,
    Queue,
    Registry,
    Settings,
    State,
    StoreRefused,
    TimedOut,
    UnknownKind,
    WrongState,
    load_apps,
)
from jobdeck.kinds.arguments import SAFE_DEPTH
from jobdeck.kinds.registry import job

# -- settings ------------------------------------------------------------------------------------------


def test_the_environment_overrides_the_file_and_arguments_override_both(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JOBDECK_THREADS=7\nJOBDECK_LEASE=12\nOTHER=1\n")
    read = Settings.load({"JOBDECK_LEASE": "9", "JOBDECK_QUEUES": "a, b"}, folder=tmp_path, max_attempts=2)
    assert (read.threads, read.lease, read.queues, read.max_attempts) == (7, 9.0, ("a", "b"), 2)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("JOBDECK_THREADS", "many", "whole number"),
        ("JOBDECK_THREADS", "-1", "from 0 to"),
        ("JOBDECK_LEASE", "nan", "from 0.2"),
        ("JOBDECK_SYNCHRONOUS", "MAYBE", "FULL"),
        ("JOBDECK_LOG_FORMAT", "xml", "text, json"),
    ],
)
def test_an_invalid_setting_is_named_with_the_reason(name: str, value: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=reason) as caught:
        Settings.load({name: value}, folder=tmp_path)
    assert (caught.value.name, caught.value.value) == (name, value)
    assert name in str(caught.value)


def test_an_unreadable_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"JOBDECK_APP=caf\xe9\n")
    with pytest.raises(InvalidSetting, match=r"Invalid setting \.env='.*/\.env': the file is not UTF-8 text"):
        Settings.load({}, folder=tmp_path)


def test_a_lease_spans_at_least_three_heartbeats() -> None:
    assert Settings(lease=30).heartbeat_every == 10
    assert Settings(lease=30, heartbeat=25).heartbeat_every == 10
    assert Settings(lease=30, heartbeat=2).heartbeat_every == 2


# -- kinds -----------------------------------------------------------------------------------------------


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.fixture
def kinds() -> Registry:
    known = Registry()

    @job(name="mail", registry=known)
    def mail(
        to: str,
        order_id: int,
        copy: bool = False,
        language: Literal["en", "de"] = "en",
        color: Color = Color.RED,
        at: datetime | None = None,
        lines: Annotated[list[str], "one a line"] = [],  # noqa: B006
        model_config: float = 1.0,
    ) -> None:
        """Mail something.

        And more.
        """

    return known


def check(kinds: Registry, args: dict[str, Any], limit: int = 10_000) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(kinds.get("mail").check(args, limit))
    return read


@pytest.mark.parametrize(
    ("args", "field", "problem"),
    [
        ({"to": "a"}, "order_id", "is missing"),
        ({"to": "a", "order_id": "x"}, "order_id", "valid integer"),
        ({"to": 5, "order_id": 1}, "to", "valid string"),
        ({"to": "a", "order_id": 1, "cc": "b"}, "cc", "is unknown to this kind"),
        ({"to": "a", "order_id": 1, "language": "fr"}, "language", "'en' or 'de'"),
        ({"to": "a", "order_id": 1, "lines": ["x", 4]}, "lines.1", "valid string"),
    ],
)
def test_an_invalid_argument_is_named(kinds: Registry, args: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidArguments, match=problem) as caught:
        check(kinds, args)
    assert caught.value.field == field


def test_arguments_reach_the_handler_as_their_types(kinds: Registry) -> None:
    args = {"to": "a", "order_id": 1, "color": "blue", "at": "2026-01-02T03:04:05Z", "copy": True, "model_config": 2}
    loaded = kinds.get("mail").load(kinds.get("mail").check(args, 10_000))
    assert loaded["color"] is Color.BLUE
    assert loaded["at"].year == 2026
    assert (loaded["copy"], loaded["model_config"], loaded["lines"]) == (True, 2.0, [])


def test_arguments_that_the_worker_could_not_decode_are_refused() -> None:
    known = Registry()

    @job(name="tree", registry=known)
    def tree(top: list[Any]) -> None:
        pass

    def can_decode(depth: int) -> bool:
        top: list[Any] = []
        for _ in range(depth):
            top = [top]
        try:
            text = known.get("tree").check({"top": top}, 10_000)
        except InvalidArguments:
            return False
        assert known.get("tree").load(text) == {"top": top}
        return True

    taken = [depth for depth in range(150, 260, 5) if can_decode(depth)]
    assert taken[0] == 150
    assert SAFE_DEPTH - 10 <= taken[-1] < 205


def test_arguments_that_are_too_large_are_refused_with_their_size(kinds: Registry) -> None:
    with pytest.raises(ArgumentsTooLarge) as caught:
        check(kinds, {"to": "a" * 500, "order_id": 1}, limit=200)
    assert caught.value.size > 500


def test_a_kind_describes_itself_for_a_form(kinds: Registry) -> None:
    told = kinds.get("mail").describe()
    assert told.doc == "Mail something."
    by_name = {each.name: each for each in told.parameters}
    assert (by_name["to"].required, by_name["copy"].default) == (True, False)
    assert (by_name["language"].choices, by_name["color"].choices) == (("en", "de"), ("red", "blue"))
    assert by_name["lines"].doc == "one a line"


def test_a_kind_describes_which_failures_are_retried_and_when(kinds: Registry) -> None:
    policy: dict[str, Any] = {"retry_on": (ConnectionError, TimedOut), "give_up_on": json.JSONDecodeError}
    job(name="some", registry=kinds, backoff=(1, 60), concurrency=3, **policy)(lambda: None)
    job(name="own", registry=kinds, backoff=lambda attempt, error: 1.0)(lambda: None)
    some, own, usual = (kinds.get(name).describe() for name in ("some", "own", "mail"))
    assert (some.backoff, some.concurrency) == ((1.0, 60.0), 3)
    assert (some.retry_on, some.give_up_on) == (("ConnectionError", "TimedOut"), ("json.decoder.JSONDecodeError",))
    assert (own.backoff, usual.backoff, usual.retry_on, usual.give_up_on) == (None, (2.0, 3600.0), None, ())


def test_a_handler_takes_named_arguments_only(kinds: Registry) -> None:
    with pytest.raises(InvalidHandler, match="args"):
        job(registry=kinds)(lambda *args: None)


def test_a_generator_is_refused_as_a_handler_because_it_would_never_run(kinds: Registry) -> None:
    with pytest.raises(InvalidHandler, match="generator"):

        @job(registry=kinds)
        def plain() -> Iterator[int]:
            yield 1

    with pytest.raises(InvalidHandler, match="generator"):

        @job(registry=kinds)
        async def later() -> AsyncIterator[int]:
            yield 1


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"backoff": (5, 1)}, "backoff must have a first step"),
        ({"backoff": 7}, "backoff must be two numbers of seconds"),
        ({"retry_on": (ValueError("x"),)}, "retry_on must be exception types"),
        ({"give_up_on": int}, "give_up_on must be exception types"),
    ],
)
def test_an_invalid_policy_is_refused_by_name(kinds: Registry, policy: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidHandler, match=problem):
        job(name="x", registry=kinds, **policy)(lambda: None)


def test_a_kind_is_named_by_its_module_and_function(kinds: Registry) -> None:
    def work() -> None: ...

    job(registry=kinds)(work)
    assert kinds.kind_of(work) == f"{__name__}.test_a_kind_is_named_by_its_module_and_function.work"
    with pytest.raises(UnknownKind, match="mail"):
        kinds.get("nope")


@pytest.mark.parametrize(
    ("source", "app", "problem"),
    [
        (None, "no_such_app", "no module 'no_such_app'"),
        ("import not_installed_at_all", "app_a", "'not_installed_at_all', which is not installed"),
        ("1 / 0", "app_b", "ZeroDivisionError"),
        (None, "missing.py", "the file does not exist"),
        ("import sys; sys.exit(3)", "app_c", r"importing it exits the program \(SystemExit: 3\)"),
    ],
)
def test_an_app_that_cannot_be_loaded_reports_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, app: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    if source:
        (tmp_path / f"{app}.py").write_text(source)
    with pytest.raises(AppImportError, match=problem):
        load_apps([app])


# -- the queue -------------------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry) -> Any:
    with open_queue(tmp_path / "jobs.db", kinds) as opened:
        yield opened


ARGS = {"to": "a", "order_id": 1}


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"queue": ""}, "queue"),
        ({"queue": "a\nb"}, "queue"),
        ({"priority": 10**9}, "priority"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"timeout": -1}, "timeout"),
        ({"delay": -1}, "delay"),
        ({"delay": 1, "at": 5}, "delay"),
        ({"tags": [""]}, "tag"),
        ({"backoff": (5, 1)}, "backoff"),
        ({"expires": 0}, "expiry"),
        ({"expires": 10, "delay": 20}, "expiry"),
        ({"unique": ""}, "unique key"),
        ({"unique": "k", "unique_until": "running"}, "unique_until"),
        ({"after": ["x"]}, "after"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(queue: Queue, options: dict[str, Any], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        queue.enqueue("mail", ARGS, **options)
    assert caught.value.option == option
    assert queue.count() == 0


def test_one_id_returns_the_job_or_raises_and_several_report_refusals(queue: Queue) -> None:
    made = queue.enqueue("mail", ARGS)
    assert queue.cancel(made.id).state is State.CANCELLED
    with pytest.raises(WrongState, match="it has already been cancelled"):
        queue.cancel(made.id)
    with pytest.raises(JobNotFound):
        queue.retry(999)
    changes = queue.retry_many([made.id, 999])
    assert changes.done == (made.id,)
    assert isinstance(changes.refused[999], JobNotFound)
    assert queue.reprioritize(made.id, 5).priority == 5
    assert queue.reprioritize(made.id, -2, relative=True).priority == 3
    queue.delete(made.id)
    with pytest.raises(JobNotFound):
        queue.get(made.id)


def test_the_dependencies_of_a_job_are_found_by_its_id(queue: Queue) -> None:
    first = queue.enqueue("mail", ARGS)
    second = queue.enqueue("mail", ARGS, after=[first.id])
    assert queue.dependencies(first.id).children == {second.id: State.WAITING}
    assert queue.dependencies(second.id).waits_for == (first.id,)
    with pytest.raises(JobNotFound):
        queue.dependencies(999)


def test_a_batch_has_a_printable_name_of_bounded_length(queue: Queue) -> None:
    drafts = [queue.new_job("mail", ARGS)]
    assert queue.batches.enqueue(drafts).name == ""
    for name in ("a\nb", "x" * 201):
        with pytest.raises(InvalidOption, match="batch name"):
            queue.batches.enqueue(drafts, name=name)
    assert queue.count() == 1


def test_a_transaction_is_atomic(queue: Queue) -> None:
    def half() -> None:
        with queue.transaction():
            queue.enqueue("mail", ARGS)
            raise KeyError("changed my mind")

    with pytest.raises(KeyError):
        half()
    assert queue.count() == 0


def test_operations_are_journaled_and_can_be_undone_and_redone(queue: Queue) -> None:
    made = queue.enqueue("mail", ARGS)
    queue.cancel(made.id)
    queue.reprioritize(queue.enqueue("mail", ARGS).id, 7, actor="ben")
    assert [(act.actor, act.summary) for act in queue.journal.entries()] == [
        ("ben", f"changed the priority of job {made.id + 1} to 7"),
        (queue.actor, f"cancelled job {made.id}"),
    ]
    assert queue.journal.undo(of=queue.actor).done == (made.id,)
    assert queue.get(made.id) == made
    assert queue.journal.redo().done == (made.id,)
    assert queue.journal.undo(2, actor="ann").entry.undone_by == "ann"
    with pytest.raises(NothingToUndo):
        queue.journal.undo(of="nobody")


def test_the_default_actor_is_the_user_at_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann\n")
    with Queue(tmp_path / "jobs.db", registry=Registry()) as queue:
        assert queue.actor == f"ann?@{os.uname().nodename}"
    with Queue(tmp_path / "jobs.db", registry=Registry(), actor="shop") as queue:
        assert queue.actor == "shop"
        with pytest.raises(InvalidOption, match="actor"):
            queue.pause("mail", actor="a\nb")
    with pytest.raises(InvalidOption, match="actor"):
        Queue(tmp_path / "jobs.db", actor="")


def test_a_user_without_a_name_is_recorded_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    with Queue(tmp_path / "jobs.db", registry=Registry()) as queue:
        assert queue.actor.startswith("uid ")


def test_waiting_ends_with_the_timeout_and_returns_the_job_as_it_is(queue: Queue) -> None:
    assert queue.wait(queue.enqueue("mail", ARGS).id, timeout=0.02, every=0.005).state is State.PENDING


def test_another_kind_of_database_is_refused_in_one_sentence() -> None:
    with pytest.raises(StoreRefused, match="names a mysql database, and this jobdeck works on SQLite and PostgreSQL"):
        Queue("mysql://localhost/jobs")


def test_a_missing_queue_that_must_exist_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"jobs\.db is not there"):
        Queue(tmp_path / "jobs.db", create=False)
    assert not list(tmp_path.iterdir())


def test_a_url_is_shown_without_its_password() -> None:
    address = DatabaseAddress.parse("postgresql://me:secret@db.example.org:5432/jobs?sslmode=require")
    assert address.shown == "postgresql://me@db.example.org:5432/jobs?sslmode=require"
    assert "secret" not in repr(address)
    odd = DatabaseAddress.parse("./odd:name@here/jobs.db")  # a file may have any name, after ./
    assert (odd.shown, odd.file) == ("./odd:name@here/jobs.db", Path("odd:name@here/jobs.db"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_an_unreachable_server_is_refused_in_one_sentence(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as refusal:
        Queue(f"{scheme}:///jobs?host={tmp_path}")
    assert str(refusal.value) == (
        f"{scheme}:///jobs?host={tmp_path} cannot be reached: connection to server on socket"
        f' "{tmp_path}/.s.PGSQL.5432" failed: No such file or directory.'
    )


# -- the package -----------------------------------------------------------------------------------------


def test_the_testing_module_is_loaded_on_first_use() -> None:
    program = "import sys, jobdeck; print('jobdeck.testing' in sys.modules, jobdeck.testing.drain.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False drain"


def test_importing_jobdeck_loads_nothing_heavy() -> None:
    heavy = ("textual", "pydantic", "apsw", "click", "asyncio")
    program = f"import sys, jobdeck; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_exported_name_loads_and_has_a_docstring() -> None:
    for name in jobdeck.__all__:
        assert getattr(jobdeck, name).__doc__ or not callable(getattr(jobdeck, name)), name
    with pytest.raises(AttributeError):
        _ = jobdeck.nothing_of_this_name


def test_without_the_driver_a_server_is_refused_with_the_package_to_install() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from jobdeck import Queue, StoreRefused
try:
    Queue("postgresql://me:secret@host/jobs")
except StoreRefused as refusal:
    print(refusal)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "the driver for it is not installed; pip install 'jobdeck[postgres]'" in told
    assert "secret" not in told
