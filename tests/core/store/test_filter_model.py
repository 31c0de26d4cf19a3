"""Compare the SQL of random filters with a plain evaluation over random jobs: the same jobs in the same order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.helpers import CLOSES, EVERY_STORE, NOON, STORES, Bench, FakeClock

from jobdeck import FINAL, Condition, Job, Reason, State, Term, parse_filter

# -- the plain evaluation of a term -----------------------------------------------------------


def holds(condition: Condition, job: Job, now: float) -> bool:
    return all(_meets(term, job, now) is not term.negated for term in condition.terms)


def _meets(term: Term, job: Job, now: float) -> bool:
    if term.op != ":":
        value = _number(term.field, job, now)
        limit = float(term.values[0])
        if value is None:
            return False
        return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[term.op]
    return any(_is(term.field, wanted, job, now) for wanted in term.values)


def _is(field: str, wanted: str | float, job: Job, now: float) -> bool:
    match field:
        case "text":
            found = [job.kind, job.queue, job.args_json, job.error or "", json.dumps(job.tags)]
            return any(_within(str(wanted), text) for text in found)
        case "error":
            return _within(str(wanted), job.error or "")
        case "tag":
            return any(_like(str(wanted), tag) for tag in job.tags)
        case "age" | "run" | "wait":
            value = _number(field, job, now)
            return value is not None and abs(value - float(wanted)) < 1
        case "id" | "priority" | "attempt" | "batch" | "crashes":
            return _number(field, job, now) == wanted
        case "unique":
            return job.unique_key is not None and _like(str(wanted), job.unique_key)
        case field if field.startswith("args."):
            return _argument_is(field.split(".")[1:], str(wanted), job.args)
        case _:
            value = getattr(job, field)
            return value is not None and _like(str(wanted), str(value))


def _argument_is(path: list[str], wanted: str, value: Any) -> bool:
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False
    return _like(wanted, value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))


def _number(field: str, job: Job, now: float) -> float | None:
    match field:
        case "age":
            return now - job.created_at
        case "run":
            end = job.finished_at if job.finished_at is not None else now if job.state is State.RUNNING else None
            return None if end is None or job.started_at is None else end - job.started_at
        case "wait":
            if job.state is State.PENDING:
                return now - job.scheduled_at
            begun = job.state is State.RUNNING or job.state in FINAL
            if not begun or job.started_at is None or job.started_at < job.scheduled_at:
                return None
            return job.started_at - job.scheduled_at
        case "id" | "priority" | "attempt" | "batch" | "crashes":
            return getattr(job, field)  # type: ignore[no-any-return]
    raise AssertionError(field)


def _like(pattern: str, text: str) -> bool:
    return _matches(pattern, text, re.DOTALL)


def _within(part: str, text: str) -> bool:
    return _matches(f"*{part}*", text, re.DOTALL | re.IGNORECASE)


def _matches(pattern: str, text: str, flags: int) -> bool:
    made = "".join({"*": ".*", "?": "."}.get(sign) or re.escape(sign) for sign in pattern)
    return re.fullmatch(made, text, flags) is not None


# -- random jobs and filters ----------------------------------------------------------------------

KINDS = st.sampled_from(["mail.send", "mail.sort", "img.resize", "a[1]"])
QUEUES = st.sampled_from(["mail", "img", "m_1"])
TAGS = st.sampled_from(["vip", "eu", "e*"])
SECONDS = st.sampled_from([0.0, 0.5, 5.0, 30.0, 90.0, 4000.0])
VALUES = st.sampled_from(["x", "ann@example.org", 42, 1.5, True, None, "a b", "100%"])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Generate a row that is valid in the table."""
    state = draw(st.sampled_from([*State]))
    final = state in FINAL
    begun = draw(st.booleans()) or state is State.RUNNING
    created = NOON - draw(SECONDS)
    started = NOON - draw(SECONDS) if begun else None
    return {
        "kind": draw(KINDS),
        "queue": draw(QUEUES),
        "state": state.value,
        "priority": draw(st.integers(-1, 2)),
        "args": json.dumps(
            draw(st.dictionaries(st.sampled_from(["to", "user"]), st.one_of(VALUES, st.fixed_dictionaries({"id": VALUES}))))
        ),
        "attempt": draw(st.integers(1 if state in (State.RUNNING, State.COMPLETED) else 0, 2)),
        "max_attempts": 3,
        "created_at": created,
        "scheduled_at": created + draw(SECONDS),
        "started_at": started,
        "finished_at": (started or NOON) + draw(SECONDS) if final else None,
        "worker": "host:1:ab" if begun else None,
        "lease": 5 if state is State.RUNNING else None,
        "lease_until": 1.0 if state is State.RUNNING else None,
        "tags": json.dumps(draw(st.lists(TAGS, max_size=2))),
        "error": draw(st.sampled_from([None, "TimeoutError: took 100% too_long", "ValueError: no"])),
        "reason": draw(st.sampled_from([None, *Reason])) if state in (State.FAILED, State.CANCELLED) else None,
        "crashes": draw(st.integers(0, 2)),
        "batch": draw(st.sampled_from([None, 1, 2])),
        "unique_key": draw(st.sampled_from([None, "k"])) if final else None,
    }


def _terms() -> st.SearchStrategy[str]:
    def of(field: str, *values: str) -> st.SearchStrategy[str]:
        return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(lambda chosen: f"{field}:{','.join(chosen)}")

    def compared(field: str, *values: str) -> st.SearchStrategy[str]:
        signs = st.sampled_from([":", "<", "<=", ">", ">="])
        return st.builds(lambda sign, value: f"{field}{sign}{value}", signs, st.sampled_from(values))

    spans = ("0", "500ms", "5s", "30s", "1h")
    plain = st.one_of(
        of("state", *State),
        of("queue", "mail", "img", "m*", "m_1", "none", "?mg"),
        of("kind", "mail.send", "mail.*", "img.resize", "a[1]", "a[?]", "none"),
        of("tag", "vip", "e*", "?u"),
        of("worker", "host:1:ab", "host*"),
        of("reason", "exhausted", "given-up", "timed-out", "crashed", "*e*"),
        of("unique", "k", "?", "x"),
        of("error", "timeout", "100%", "o_l", "took*long", "no"),
        of("args.to", "x", "42", "1.5", "true", "null", "*n*", "?", '"a b"', "100%"),
        of("args.user.id", "42", "ann@example.org", "1*"),
        of("batch", "1", "2", "9"),
        compared("id", "1", "2", "4"),
        compared("priority", "-1", "0", "1"),
        compared("attempt", "0", "1", "2"),
        compared("crashes", "0", "1"),
        compared("batch", "1", "2"),
        compared("age", *spans),
        compared("run", *spans),
        compared("wait", *spans),
        st.sampled_from(["mail", "VIP", "x", "100%", "o_l", '"too_long"', "ann*org", "send"]),
    )
    return st.builds(lambda negated, term: f"-{term}" if negated else term, st.booleans(), plain)


FILTERS = st.lists(_terms(), min_size=0, max_size=4).map(" ".join)


@pytest.fixture(scope="module", params=EVERY_STORE)
def empty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path, clock = tmp_path_factory.mktemp("filters") / "jobs.db", FakeClock()
    store = STORES[request.param](path, clock)
    yield Bench(store, clock, path)
    store.close()
    CLOSES[request.param](path)


def fill(bench: Bench, made: list[dict[str, Any]]) -> list[Job]:
    """Replace all jobs by these, with ids from 1."""
    counts = "jobdeck_stripes" if "postgres" in type(bench.store).__module__ else "jobdeck_counts"
    bench.change("DELETE FROM jobdeck_jobs")
    bench.change(f"DELETE FROM {counts}")
    for job_id, row in enumerate(made, 1):
        names = ", ".join(["id", *row])
        bench.change(f"INSERT INTO jobdeck_jobs ({names}) VALUES ({', '.join('?' * (len(row) + 1))})", job_id, *row.values())
    counted = "queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY queue, kind, state"
    bench.change(f"INSERT INTO {counts} SELECT {'-1, ' if counts == 'jobdeck_stripes' else ''}{counted}")
    return bench.store.reader.get_many(range(1, len(made) + 1))


@settings(max_examples=60, deadline=None)
@given(made=st.lists(rows(), min_size=1, max_size=6), texts=st.lists(FILTERS, min_size=1, max_size=8), descending=st.booleans())
def test_the_sql_of_a_filter_finds_the_jobs_that_match_it(
    empty: Bench, made: list[dict[str, Any]], texts: list[str], descending: bool
) -> None:
    jobs = fill(empty, made)
    assert len(jobs) == len(made)
    now = empty.clock.now()
    for text in texts:
        condition = parse_filter(text)
        expected = sorted((job.id for job in jobs if holds(condition, job, now)), reverse=descending)
        assert list(empty.store.queries.list_ids(condition, descending=descending)) == expected, text
        assert [job.id for job in empty.store.queries.list(condition, limit=2, descending=descending)] == expected[:2], text
        assert empty.store.queries.count(condition) == len(expected), text
