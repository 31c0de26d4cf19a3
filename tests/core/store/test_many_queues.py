"""Claims from many queues: the order across them, and the number of rows that a claim reads."""

from __future__ import annotations

from random import Random

import pytest
from tests.core.helpers import Bench, new, steps_of

from jobdeck.store.lane_merge import Head, first_of_lanes


def enqueue_everywhere(bench: Bench, queues: int, each: int = 1) -> None:
    """Put the same number of jobs into each queue, one after the other."""
    bench.enqueue(*[new(queue=f"q{number:04}") for _ in range(each) for number in range(queues)])


@pytest.mark.parametrize("n", [1, 5, 37, 200])
def test_the_order_holds_across_many_queues_of_different_lengths(bench: Bench, n: int) -> None:
    random = Random(n)
    names = [f"q{number}" for number in range(20)]
    weights = [1 + number**2 for number in range(20)]
    queues = random.choices(names, weights, k=150)
    jobs = bench.enqueue(
        *[
            new(
                queue=queue,
                priority=random.choice((0, 0, 3)),
                kind=random.choice(("a", "b")),
                max_attempts=random.choice((1, 3)),
            )
            for queue in queues
        ]
    )
    expected = [job.id for job in sorted(jobs, key=lambda job: (-job.priority, job.id))]
    claimed: list[int] = []
    while found := bench.claim(n):
        claimed += [job.id for job in found]
    assert claimed == expected


def test_expired_paused_and_suspect_jobs_are_passed_over_in_many_queues(bench: Bench) -> None:
    enqueue_everywhere(bench, 10, 3)
    crashed = bench.claim(1)[0]
    bench.crash(crashed)
    expired = bench.enqueue(new(queue="q0003", priority=9, expires_at=bench.clock.now() + 1))[0]
    bench.clock.advance(2)
    bench.store.queues.pause("q0004")
    found = {job.id for job in bench.claim(100, suspects=False)}
    assert not found & {expired.id, crashed.id}
    assert len(found) == 10 * 3 - 3 - 1
    assert {job.id for job in bench.claim(100)} == {crashed.id}


@pytest.mark.sqlite
def test_the_steps_of_a_claim_grow_with_queues_and_jobs_but_not_with_their_product(bench: Bench) -> None:
    def cost(jobs: int) -> int:
        return steps_of(lambda: bench.claim(jobs, kinds=("demo.work",)))

    enqueue_everywhere(bench, 300, 20)
    few, many = cost(1), cost(200)
    assert few < 300 * 100  # one row of each queue
    assert many - few < 200 * 500  # a job costs the same, from however many queues it may come


# -- the merge itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_merge_finds_the_first_of_all_and_reads_few_others(seed: int) -> None:
    random = Random(seed)
    lanes = [("q", str(number)) for number in range(random.choice((5, 30, 300)))]
    rows = {
        number: [(number, random.choice((0, 0, 0, 5)), random.getrandbits(40)) for _ in range(20)]
        for number, _ in enumerate(lanes)
    }
    for each in rows.values():
        each.sort(key=lambda head: (-head[1], head[2]))
    limit = random.choice((1, 7, 64, 5000))
    read = 0

    def heads(numbers: object, depth: int) -> list[Head]:
        nonlocal read
        found = [head for number in numbers for head in rows[number][:depth]]  # type: ignore[attr-defined]
        read += len(found)
        return found

    expected = sorted((head for each in rows.values() for head in each), key=lambda head: (-head[1], head[2]))[:limit]
    assert first_of_lanes(lanes, limit, heads) == expected
    assert read <= 2 * len(lanes) + 8 * min(limit, len(lanes) * 20)


def test_a_lane_with_all_of_the_first_jobs_takes_few_rounds() -> None:
    lanes = [("q", str(number)) for number in range(100)]
    rounds: list[int] = []

    def heads(numbers: object, depth: int) -> list[Head]:
        rounds.append(depth)
        return [
            (number, 9 if number == 0 else 0, number * 1_000_000 + n)
            for number in numbers  # type: ignore[attr-defined]
            for n in range(depth)
        ]

    found = first_of_lanes(lanes, 512, heads)
    assert [head[0] for head in found] == [0] * 512
    assert len(rounds) <= 5
