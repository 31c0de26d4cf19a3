"""Packing of runs into swim lanes."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from random import Random

from jobdeck import Outcome, Run
from jobdeck_tui.feed.lane_packing import Lanes, pack


def run(job_id: int, begin: float, end: float | None, worker: str = "w") -> Run:
    outcome = None if end is None else Outcome.COMPLETED
    return Run(
        job_id=job_id, lease=job_id * 10, kind="k", queue="q", number=1, max_attempts=1, worker=worker,
        started_at=begin, finished_at=end, outcome=outcome,
    )  # fmt: skip


def jobs(lanes: list[list[object]] | object) -> list[list[int]]:
    return [[bar.run.job_id for bar in lane] for lane in lanes]  # type: ignore[attr-defined]


def test_consecutive_runs_share_a_lane() -> None:
    assert jobs(pack([run(2, 1, 2), run(1, 0, 1), run(3, 2, 3)])) == [[1, 2, 3]]


def test_simultaneous_runs_get_separate_lanes() -> None:
    assert jobs(pack([run(1, 0, 10), run(2, 1, 9), run(3, 2, 8)])) == [[1], [2], [3]]


def test_a_run_takes_the_lane_that_was_idle_longest() -> None:
    found = pack([run(1, 0, 5), run(2, 0, 3), run(3, 0, 4), run(4, 6, 7)])
    assert jobs(found) == [[1], [2, 4], [3]]


def test_an_unused_slot_counts_as_idle_longest() -> None:
    assert jobs(pack([run(1, 0, 1), run(2, 2, 3), run(3, 4, 5)], slots=2)) == [[1, 3], [2]]


def test_every_slot_has_a_lane_even_if_nothing_ran() -> None:
    assert jobs(pack([], slots=3)) == [[], [], []]


def test_there_are_never_more_lanes_than_simultaneous_runs() -> None:
    luck = Random(4)
    for _ in range(200):
        runs = [run(n, begin := luck.random() * 100, begin + luck.random() * 20) for n in range(1, 40)]
        times = [each.started_at for each in runs]
        most = max(sum(each.started_at <= at < (each.finished_at or inf) for each in runs) for at in times)
        lanes = pack(runs)
        assert len(lanes) == most
        for lane in lanes:
            for before, after in pairwise(lane):
                assert before.end <= after.start


def test_a_run_keeps_its_lane_when_older_runs_disappear() -> None:
    runs = [run(1, 0, 4), run(2, 1, 9), run(3, 5, 12), run(4, 10, 20)]
    before = pack(runs)
    assert jobs(before) == [[1, 3], [2, 4]]
    kept = {bar.run.key: at for at, lane in enumerate(before) for bar in lane}
    assert jobs(pack(runs[3:], kept=kept, slots=2)) == [[], [4]]
    assert jobs(pack(runs[3:], slots=2)) == [[4], []]  # without `kept` it would have moved


def test_lanes_are_repacked_if_keeping_them_needs_more_lanes() -> None:
    kept = {(1, 10): 0, (2, 20): 3}
    assert jobs(pack([run(1, 0, 1), run(2, 2, 3)], kept=kept)) == [[1, 2]]


def test_lanes_are_stable_as_time_passes() -> None:
    luck = Random(9)
    ends = [0.0] * 4
    everything: list[Run] = []
    for n in range(1, 300):
        slot = min(range(4), key=lambda at: ends[at])
        begin = ends[slot] + luck.random()
        ends[slot] = begin + luck.random() * 6
        everything.append(run(n, begin, ends[slot]))
    lanes = Lanes()
    where: dict[int, int] = {}
    for now in range(10, 200):
        seen = [
            each if (each.finished_at or 0) <= now else run(each.job_id, each.started_at, None)
            for each in everything
            if each.started_at <= now and (each.finished_at or 0) > now - 30
        ]
        (packed,) = lanes.pack(seen, [])
        for at, lane in enumerate(packed.lanes):
            for bar in lane:
                assert where.setdefault(bar.run.job_id, at) == at


def test_a_prefetched_run_is_placed_after_the_one_that_occupies_the_slot() -> None:
    found = pack([run(1, 0, 5), run(2, 0, None), run(3, 0, None), run(4, 0, None)], slots=2)
    assert jobs(found) == [[1, 3], [2]] or jobs(found) == [[1, 2], [3]]
    placed = {bar.run.job_id: (bar.start, bar.end) for lane in found for bar in lane}
    assert placed[1] == (0, 5)
    assert sorted(begin for job, (begin, _) in placed.items() if job != 1) == [0, 5]
    assert 4 not in placed  # no slot is free yet


def test_a_prefetched_run_with_an_early_start_takes_no_lane_from_a_finished_run() -> None:
    # Job 3 was claimed at 0 and started when 1 had finished; 2 used the other slot meanwhile.
    assert len(pack([run(1, 0, 5), run(2, 1, 4), run(3, 0, None)], slots=2)) == 2


def test_current_workers_keep_their_order_and_ended_ones_follow() -> None:
    from jobdeck import WorkerInfo

    infos = [
        WorkerInfo(
            id=name,
            host="h",
            pid=1,
            threads=2,
            queues=(),
            started_at=0.0,
            heartbeat_at=0.0,
            draining=False,
            running=0,
            alive=True,
        )
        for name in ("b", "a")
    ]
    packed = Lanes().pack([run(1, 0, None, "a"), run(2, 0, 1, "gone")], infos)
    assert [(each.worker, len(each.lanes), each.busy) for each in packed] == [("b", 2, 0), ("a", 2, 1), ("gone", 1, 0)]
    assert packed[2].info is None
