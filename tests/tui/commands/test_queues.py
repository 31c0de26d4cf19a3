"""Test `jobdeck queues`, the queues and threads in the JSON of `stats` and `workers`, and the parsing of limits."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import Forecast, Limits, Registry, Settings, Trend, Worker
from jobdeck import Queue as OpenQueue
from jobdeck.kinds.registry import job
from jobdeck_tui.text.format import forecast_text, rough_duration, rough_rate
from jobdeck_tui.text.limits import explain_limits, format_limits, limits_problem, read_limits, read_rate


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def test_queues_shows_depth_waits_limits_and_forecast(deck: CommandLine) -> None:
    for queue in ("mail", "mail", "img"):
        deck.done("run", "--queue", queue, "--", "true")
    deck.done("run", "--queue", "mail", "--in", "1h", "--", "true")
    deck.done("limit", "mail", "--running", "2")
    deck.done("pause", "img")
    img, mail = deck.json("queues")
    assert (img["queue"], img["paused"], img["forecast"]["trend"]) == ("img", True, "paused")
    assert (mail["counts"]["pending"], mail["counts"]["scheduled"]) == (2, 1)
    assert mail["limits"]["running"] == 2
    assert 0 <= mail["oldest_wait"] < 60
    assert mail["forecast"] == {"trend": "stalled", "empty_in": None, "growth": None, "reason": "no worker serves it"}
    assert mail["kinds"] == {"shell:true": {"scheduled": 1, "pending": 2}}
    assert (mail["threads"], mail["workers"], mail["unserved"]) == (0, [], {"shell:true": 2})
    head, *lines = deck.done("queues").splitlines()
    assert head.split() == ["QUEUE", "READY", "LATER", "WAITING", "OLDEST", "RUNNING", "DONE", "FORECAST", "LIMITS"]
    assert [line.split()[0] for line in lines] == ["img", "mail"]
    assert lines[0].endswith("  paused")  # and no blanks for the limits that it does not have
    assert "stalled: no worker serves it" in lines[1]
    assert "2 at once" in lines[1]


@pytest.mark.parametrize(
    "words", [("pause", "QUEUE"), ("resume", "QUEUE"), ("limit", "QUEUE", "--running", "2"), ("limit", "QUEUE")], ids=" ".join
)
def test_a_queue_that_nothing_uses_is_reported_with_the_name_that_may_be_meant(
    deck: CommandLine, words: tuple[str, ...]
) -> None:
    deck.done("run", "--", "true")
    deck.done("schedule", "add", "nightly", "0 3 * * *", "--queue", "night", "--shell", "true")

    def errors(name: str) -> str:
        result = deck(*(name if word == "QUEUE" else word for word in words))
        assert result.exit_code == 0
        assert name in result.stdout
        return result.stderr

    assert errors("defualt") == "jobdeck: No job, worker or schedule uses queue 'defualt' yet; did you mean default?\n"
    assert errors("other") == "jobdeck: No job, worker or schedule uses queue 'other' yet.\n"
    assert errors("default") == errors("night") == ""


def test_processed_queues_are_empty_and_show_their_completion_rate(deck: CommandLine) -> None:
    for _ in range(3):
        deck.done("run", "--queue", "mail", "--", "true")
    deck.work()
    (mail,) = deck.json("queues")
    assert (mail["completed"], mail["started"], mail["oldest_wait"]) == (3, 3, None)
    assert mail["forecast"]["trend"] == "empty"
    assert mail["run"]["count"] == 3


def test_queues_is_empty_without_jobs_and_fails_without_a_database(deck: CommandLine) -> None:
    assert "jobs.db does not exist" in deck("queues").output
    assert deck("queues").exit_code == 1
    deck.queue().close()
    assert deck.done("queues") == ""
    assert deck.json("queues") == []


def test_stats_as_json_contains_the_oldest_wait_and_forecast_of_each_queue(deck: CommandLine) -> None:
    deck.done("run", "--queue", "mail", "--", "true")
    (mail,) = deck.json("stats")[0]["queues"]
    assert mail["forecast"]["trend"] == "stalled"
    assert mail["oldest_wait"] >= 0


def test_workers_as_json_contains_running_jobs_and_code_that_does_not_stop(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck.execution.context.STOP_GRACE", 0.1)
    enough = threading.Event()
    kinds = Registry()

    @job(name="deaf", registry=kinds)
    def deaf() -> None:
        enough.wait()

    with OpenQueue(settings=Settings(database=str(deck.database)), registry=kinds) as queue, Worker(queue, threads=2):
        made = queue.enqueue("deaf")
        try:
            eventually(lambda: deck.json("workers")[0]["jobs"])
            (worker,) = deck.json("workers")
            (running,) = worker["jobs"]
            assert (running["id"], running["kind"], running["attempt"], running["cancelling"]) == (made.id, "deaf", 1, False)
            assert running["lease_until"].endswith("Z")
            assert worker["kinds"] == ["deaf", "shell"]
            assert worker["stopping"] == []
            queue.cancel(made.id)
            eventually(lambda: deck.json("workers")[0]["stuck"] == 1)
            (told,) = deck.json("workers")[0]["stopping"]
            assert (told["job_id"], told["kind"], told["reason"]) == (made.id, "deaf", "cancelled")
            assert f"job {made.id} deaf, asked to stop 0s ago (cancelled)" in deck.done("workers").replace("1s ago", "0s ago")
        finally:
            enough.set()


# -- limits as they are typed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("4", Limits(running=4)),
        (" 4 at once ", Limits(running=4)),
        ("100/m", Limits(rate=100, period=60)),
        ("100 per 1m", Limits(rate=100, period=60)),
        ("5/s", Limits(rate=5, period=1)),
        ("4 at once, 100/1m", Limits(running=4, rate=100, period=60)),
        ("100/90s, 4", Limits(running=4, rate=100, period=90)),
        ("None", Limits()),
        ("", Limits()),
    ],
)
def test_limits_are_read_as_they_are_typed_and_written_as_they_are_read(text: str, limits: Limits) -> None:
    assert read_limits(text) == limits
    assert limits_problem(text) is None
    assert read_limits(format_limits(limits)) == limits


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lots", "'lots' is neither a number such as 4 nor a rate such as 100/1m"),
        ("-1", "'-1' is neither"),
        ("0", "a limit must be from 1 to 1,000,000,000"),
        ("0/1m", "a limit must be from 1"),
        ("5/", "'5/' is neither"),
        ("5/parsec", "'5/parsec' is not a rate such as 100/1m or 5/s"),
        ("5/0s", "the period of a rate must be from 0.001s to 31d"),
        ("5/32d", "the period of a rate must be from 0.001s to 31d"),
        ("4, 5", "the concurrency limit is given twice; remove one"),
        ("1/s, 5/m", "two rates; keep one"),
        ("none, 4", "none cannot be combined with other limits"),
        ("4,100/1m", "use a comma only between limits, followed by a blank, never inside a number"),
        ("1,200 at once", "use a comma only between limits, followed by a blank, never inside a number"),
    ],
)
def test_invalid_limits_are_explained(text: str, problem: str) -> None:
    assert (limits_problem(text) or "").startswith(problem)


def test_a_limit_of_no_running_jobs_is_refused_in_a_sentence(deck: CommandLine) -> None:
    deck.done("run", "--queue", "mail", "--", "true")
    refused = deck("limit", "mail", "--running", "0")
    assert refused.exit_code == 2
    assert "The number of running jobs must be a whole number from 1 on." in refused.stderr


def test_the_command_and_the_cockpit_read_rates_alike(deck: CommandLine) -> None:
    assert read_rate("100/m") == (100, 60.0)
    deck.done("limit", "mail", "--rate", "100/m")
    assert deck.json("limit", "mail")[0]["limits"] == {"running": None, "rate": 100, "period": 60.0}
    refused = deck("limit", "mail", "--rate", "soon")
    assert (refused.exit_code, "is not a rate such as 100/1m or 5/s" in refused.output) == (2, True)


def test_limits_are_described_in_words() -> None:
    assert explain_limits(Limits(), 3) == ["No limits: jobs run as soon as a thread is free."]
    assert explain_limits(Limits(running=4, rate=1, period=60), 4) == [
        "At most 4 run at once across all processes (limit reached).",
        "At most 1 job starts in any 1m.",
    ]


def test_forecasts_are_described_in_a_few_words() -> None:
    def told(outlook: Trend, **more: object) -> str:
        return forecast_text(Forecast(trend=outlook, **more))  # type: ignore[arg-type]

    assert told(Trend.DRAINING, empty_in=240.0) == "empty in 4m"
    assert told(Trend.GROWING, growth=0.2) == "growing 12/min"
    assert told(Trend.STALLED, reason="no worker serves it") == "stalled: no worker serves it"
    assert [told(each) for each in (Trend.EMPTY, Trend.KEEPS_UP, Trend.STEADY, Trend.PAUSED)] == [
        "empty",
        "keeps up",
        "steady",
        "paused",
    ]
    assert [rough_duration(each) for each in (0.1, 45, 89, 240, 5500, 200_000, 1e9)] == [
        "1s", "45s", "89s", "4m", "2h", "2d", "over a year",
    ]  # fmt: skip
    assert [rough_rate(each) for each in (0.0001, 0.002, 0.2, 9.9, 10, 1500)] == [
        "1/h", "7/h", "12/min", "594/min", "10/s", "1,500/s",
    ]  # fmt: skip
