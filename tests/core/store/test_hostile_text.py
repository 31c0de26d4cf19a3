"""No text of a handler or a person breaks the store: P11."""

from __future__ import annotations

import json

import pytest
from tests.core.helpers import Bench, new

from jobdeck import InvalidPayload, StoreError, Term
from jobdeck.model.attempt_result import Completed
from jobdeck.model.filter import Condition

TEXTS = {
    "quotes": "'; DROP TABLE jobdeck_jobs; --",
    "NUL": "a\0b",
    "control sequences": "\x1b]0;title\x07\x1b[2J\x9b31m",
    "markup": "[bold red]hi[/] [link=x]",
    "lone surrogate": "a\ud800b",
    "right to left": "\u202egnp.exe",
    "other planes": "😀𝔘𝔫𝔦",
    "line ends": "a\r\nb\u2028c\x85d",
    "long": "x" * 1_000_000,
    "empty": "",
    "not characters": "\ufffe\uffff\U0010ffff",
}


def stored(text: str) -> str:
    """Return the text with lone surrogates escaped and everything else unchanged."""
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("name", TEXTS)
def test_errors_and_tracebacks_are_read_unchanged(bench: Bench, name: str) -> None:
    text = TEXTS[name]
    job = bench.running()
    bench.fail(job, message=text)
    (attempt,) = bench.store.reader.attempts(job.id)
    assert attempt.message == stored(text)
    error = bench.get(job).error
    assert error is not None
    assert len(error) <= 500
    assert "\n" not in error


@pytest.mark.parametrize("name", TEXTS)
def test_results_and_logs_are_read_unchanged(bench: Bench, name: str) -> None:
    text = TEXTS[name]
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "info", text)], 1 << 23)
    now = bench.clock.now()
    bench.store.completer.complete([Completed(job, now, now, json.dumps(text, ensure_ascii=False))])
    assert [line.text for line in bench.store.reader.logs(job.id)] == [stored(text)]
    assert bench.get(job).result == text


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"lone surrogate"}))
def test_arguments_and_tags_are_read_unchanged(bench: Bench, name: str) -> None:
    text = TEXTS[name]
    (job,) = bench.enqueue(new(args_json=json.dumps({"x": text}), tags=(text,)))
    assert bench.get(job).args == {"x": text}
    assert bench.get(job).tags == (text,)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("field", ["text", "queue", "kind", "tag", "error", "worker", "args.x"])
def test_a_search_for_hostile_text_is_answered_or_refused_with_a_named_error(bench: Bench, field: str, name: str) -> None:
    bench.enqueue()
    condition = Condition((Term(field, ":", (TEXTS[name],)),))
    try:
        told = str(bench.store.queries.count(condition))
    except StoreError as error:
        told = str(error)
    assert told == ("1" if (field, name) == ("text", "empty") else "0") or bench.address in told
    assert bench.store.queries.count(Condition()) == 1


@pytest.mark.parametrize("name", TEXTS)
def test_a_queue_with_a_hostile_name_can_be_paused_or_is_refused(bench: Bench, name: str) -> None:
    text = TEXTS[name]
    try:
        bench.store.queues.pause(text)
    except StoreError:
        assert name == "lone surrogate" or (name == "long" and "postgres" in type(bench.store).__module__)
        assert bench.store.queries.queues() == []
    else:
        assert [info.name for info in bench.store.queries.queues()] == [text]


@pytest.mark.parametrize(
    "wrong",
    [{"priority": 2**70}, {"max_attempts": 0}, {"timeout": "soon"}, {"args_json": None}, {"args_json": "\ud800"}],
    ids=str,
)
def test_an_unstorable_job_is_refused_and_leaves_no_trace(bench: Bench, wrong: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        bench.enqueue(new(**wrong))  # type: ignore[arg-type]
    assert bench.counts() == {}
    bench.check_counters()


def test_a_row_nested_too_deeply_to_be_read_blocks_no_other_job(bench: Bench) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    bad, other = bench.enqueue(new(), new())
    bench.change(
        "UPDATE jobdeck_jobs SET args = ?, tags = ?, result = ?, backoff = ? WHERE id = ?", deep, deep, deep, deep, bad.id
    )
    read = bench.get(bad)
    assert (read.tags, read.result, read.backoff) == ((), deep, None)
    with pytest.raises(InvalidPayload):
        _ = read.args
    assert {job.id for job in bench.claim(2)} == {bad.id, other.id}
