"""Pure rules: backoff, states, histograms, the filter language."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.helpers import FakeClock, open_queue

from jobdeck import FINAL, QUEUED, InvalidFilter, Operation, State, allows, parse_duration, parse_filter
from jobdeck.model.backoff import CAP, FLOOR, compute_delay, parse_bounds, read_bounds, write_bounds
from jobdeck.model.states import TRANSITIONS
from jobdeck.store.metrics.histogram import bucket, percentiles


@given(attempt=st.integers(1, 5000), seed=st.integers())
def test_a_delay_is_between_the_floor_and_its_step_and_never_exceeds_the_cap(attempt: int, seed: int) -> None:
    step = min(CAP, 2.0 * 2.0 ** min(attempt - 1, 100))
    assert FLOOR <= compute_delay(attempt, Random(seed)) <= step


@pytest.mark.parametrize(("attempt", "step"), [(1, 8.0), (2, 16.0), (3, 32.0), (4, 60.0), (40, 60.0)])
def test_delays_are_distributed_evenly_over_their_whole_step(attempt: int, step: float) -> None:
    random = Random(3)
    drawn = [compute_delay(attempt, random, 8.0, 60.0) for _ in range(4000)]
    for part in range(4):
        share = sum(part * step / 4 <= each < (part + 1) * step / 4 for each in drawn) / len(drawn)
        assert abs(share - 0.25) < 0.03


@given(first=st.floats(0, FLOOR), seed=st.integers())
def test_a_step_below_the_floor_is_kept(first: float, seed: int) -> None:
    assert compute_delay(1, Random(seed), first, FLOOR) == first


@given(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)))
def test_bounds_survive_their_stored_form(pair: tuple[float, float]) -> None:
    first, cap = sorted(pair)
    assert read_bounds(write_bounds((first, cap))) == (first, cap)


@pytest.mark.parametrize("pair", [(), (1,), (1, 2, 3), "12", (5, 1), (-1, 5), (1, math.inf), (math.nan, 5), ("a", "b"), 7])
def test_invalid_bounds_are_refused_and_stored_ones_count_as_none(pair: Any) -> None:
    with pytest.raises(ValueError, match="seconds"):
        parse_bounds(pair)
    assert read_bounds(json.dumps(pair)) is None


@pytest.mark.parametrize("text", ["", "{", "[[[", "nonsense"])
def test_unreadable_bounds_count_as_none(text: str) -> None:
    assert read_bounds(text) is None


def test_every_operation_has_its_transitions() -> None:
    assert set(TRANSITIONS) == set(Operation)


def test_only_a_person_or_pruning_changes_a_final_state() -> None:
    leaving = {
        operation for operation, moves in TRANSITIONS.items() for state in FINAL if state in moves and moves[state] != {state}
    }
    assert leaving == {Operation.RETRY, Operation.UNDO, Operation.DELETE, Operation.PRUNE}


def test_every_state_is_queued_running_or_final() -> None:
    assert QUEUED | FINAL | {State.RUNNING} == set(State)
    assert not QUEUED & FINAL
    assert not allows(Operation.CLAIM, State.SCHEDULED)


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=200))
def test_a_percentile_is_at_most_ten_percent_off(values: list[float]) -> None:
    histogram: dict[int, int] = {}
    for value in values:
        histogram[bucket(value)] = histogram.get(bucket(value), 0) + 1
    told = percentiles(histogram)
    assert told.count == len(values)
    for share, found in ((0.5, told.p50), (0.95, told.p95), (0.99, told.p99)):
        exact = sorted(values)[math.ceil(share * len(values)) - 1]
        assert found is not None
        assert abs(found - exact) <= 0.1 * exact


def test_a_histogram_of_nothing_has_no_percentiles() -> None:
    assert percentiles({}).p50 is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172800), ("1w", 604800), ("250ms", 0.25), ("7", 7)]
)
def test_durations_take_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5y", "-3s", "1h!"])
def test_an_invalid_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="90s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("queue:mail ags:3", 11, "unknown field 'ags'; did you mean args.<name>[?]$"),
        ("-stat:failed", 1, "unknown field 'stat'; did you mean state[?]$"),
        ("color:red", 0, "fields are state, queue, .* and args.<name>"),
        ("state:fialed", 6, "unknown state 'fialed'; did you mean failed[?]$"),
        ("age>soon", 4, "duration"),
        ("id:x", 3, "takes a number"),
        ("queue:", 6, "value is missing"),
        ("queue>3", 5, "takes ':'"),
        ('kind:"never closed', 5, "is not closed"),
        ("state:failed reason:bored", 20, "unknown reason 'bored'; reasons are attempts-exhausted, "),
        ("reason:crahed", 7, "unknown reason 'crahed'; did you mean crashed[?]$"),
        ("waitd>3", 0, "unknown field 'waitd'; did you mean wait[?]$"),
        ("state:odd", 6, "unknown state 'odd'; states are scheduled, "),
        ("-reason:exp,e", 12, "unknown reason 'e'"),
        ("wait>soon", 5, "duration"),
        ("crashes>many", 8, "takes a number"),
        ("batch:first", 6, "takes a number"),
        ("unique>3", 6, "takes ':'"),
        ("reason<3", 6, "takes ':'"),
    ],
)
def test_an_error_in_a_filter_has_its_column(text: str, column: int, problem: str) -> None:
    with pytest.raises(InvalidFilter, match=problem) as caught:
        parse_filter(text)
    assert caught.value.column == column


WORDS = st.sampled_from(
    [
        "state:",
        "queue:",
        "kind:",
        "tag:",
        "age>",
        "run<=",
        "attempt>=",
        "args.",
        "error:",
        "reason:",
        "unique:",
        "batch:",
        "crashes>",
        "wait<",
        "id:",
        "-",
        '"',
        ",",
        "*",
        "?",
        ":",
        "<",
    ]
)


@settings(max_examples=300, deadline=None)
@given(text=st.lists(st.one_of(WORDS, st.text(max_size=4), st.just(" ")), max_size=8).map("".join))
def test_any_text_is_a_filter_or_is_refused_at_a_position_inside_it(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    column = None
    try:
        condition = parse_filter(text)
    except InvalidFilter as error:
        column = error.column
    if column is not None:
        assert 0 <= column <= len(text)
        return
    queue = _empty_queue(tmp_path_factory)
    assert queue.count(condition) == 0
    assert len(queue.ids(condition)) == 0


_QUEUES: list[object] = []


def _empty_queue(factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    if not _QUEUES:
        _QUEUES.append(open_queue(factory.mktemp("filters") / "jobs.db"))
    return _QUEUES[0]


def test_the_clock_of_the_machine_counts_from_its_boot(tmp_path: Path) -> None:
    from jobdeck import SystemClock

    clock = SystemClock()
    assert clock.boot() == SystemClock().boot() != ""
    assert clock.monotonic() <= clock.monotonic()
    assert isinstance(FakeClock().boot(), str)
