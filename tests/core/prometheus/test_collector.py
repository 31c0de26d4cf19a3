"""What a queue tells Prometheus, on every store: the names, the numbers, and what no label may hold."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.core.helpers import ADDRESSES, CLOSES, EVERY_STORE, Bench, FakeClock, new

from jobdeck import Queue, QueueCollector, Settings, WorkerInfo
from jobdeck.model.attempt_result import Completed
from jobdeck.model.journal import Actor
from jobdeck.model.overview import StalledThread

ANN = Actor("ann", None)
Labels = tuple[tuple[str, str], ...]


class Scraped:
    """The samples of a scrape."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.types = {family.name: family.type for family in families}
        self.samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }
        assert len(self.samples) == sum(len(family.samples) for family in families), "a sample comes twice"

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(sorted(labels.items()))]

    def of(self, name: str) -> dict[Labels, float]:
        return {labels: value for (each, labels), value in self.samples.items() if each == name}


class Scrapes(Bench):
    """A queue whose metrics are scraped."""

    def __init__(self, queue: Queue, clock: FakeClock, path: Path) -> None:
        super().__init__(queue.store, clock, path)
        self.queue = queue

    def text(self, **caps: int) -> str:
        return QueueCollector(self.queue, **caps).text().decode()

    def scrape(self, **caps: int) -> Scraped:
        return Scraped(self.text(**caps))


@pytest.fixture(params=EVERY_STORE)
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Scrapes]:
    """Open a queue of each store."""
    path = tmp_path / "jobs.db"
    with Queue(ADDRESSES[request.param](path), settings=Settings(synchronous="OFF"), clock=clock) as queue:
        yield Scrapes(queue, clock, path)
    CLOSES[request.param](path)


def test_every_metric_has_its_type(bench: Scrapes) -> None:
    bench.complete(bench.running())
    found = bench.scrape()
    assert found.types == {
        "jobdeck_jobs": "gauge",
        "jobdeck_queue_oldest_ready_seconds": "gauge",
        "jobdeck_queue_paused": "gauge",
        "jobdeck_queues_left_out": "gauge",
        "jobdeck_jobs_finished": "counter",
        "jobdeck_job_run_seconds": "histogram",
        "jobdeck_job_wait_seconds": "histogram",
        "jobdeck_kinds_left_out": "gauge",
        "jobdeck_retries": "counter",
        "jobdeck_crashes": "counter",
        "jobdeck_late_results": "counter",
        "jobdeck_workers": "gauge",
        "jobdeck_worker_threads": "gauge",
        "jobdeck_build_info": "gauge",
    }
    (build,) = found.of("jobdeck_build_info")
    assert dict(build)["database"] in ("sqlite", "postgresql")


def test_the_sum_of_the_jobs_is_the_number_of_rows_after_a_thousand_random_acts(bench: Scrapes) -> None:
    rng = random.Random(7)
    store, queues = bench.store, ["mail", "img", "web", "slow"]
    ids: list[int] = []
    for act in range(1000):
        if act % 10 == 0:
            ids = [row[0] for row in bench.rows("SELECT id FROM jobdeck_jobs ORDER BY id")]
        some = rng.sample(ids, min(3, len(ids)))
        match rng.randrange(12):
            case 0 | 1 | 2 | 3:
                bench.enqueue(*(new(queue=rng.choice(queues), kind=rng.choice("ab")) for _ in range(rng.randint(1, 3))))
            case 4 | 5:
                for job in bench.claim(3, kinds=("a", "b")):
                    result = rng.choice([bench.complete, bench.fail, bench.snooze, bench.release, bench.stop])
                    if rng.random() < 0.8:  # the others crash
                        result(job)
            case 6:
                bench.clock.advance(40)
                store.transitions.rescue()
                store.transitions.stage()
            case 7:
                store.jobs.cancel(some, by=ANN)
            case 8:
                store.jobs.retry(some, by=ANN)
            case 9:
                store.jobs.delete(some[:1], by=ANN)
            case 10:
                bench.enqueue(new(queue=rng.choice(queues), kind="a", scheduled_at=bench.clock.now() + 60))
            case 11:
                store.maintenance.prune_metrics()
    rows = {tuple(row[:2]): row[2] for row in bench.rows("SELECT queue, state, count(*) FROM jobdeck_jobs GROUP BY 1, 2")}
    assert sum(rows.values()) > 100
    assert len({state for _, state in rows}) >= 5
    for caps in ({}, {"max_queues": 2}):
        found = bench.scrape(**caps)
        shown = {(dict(labels)["queue"], dict(labels)["state"]): n for labels, n in found.of("jobdeck_jobs").items()}
        assert sum(shown.values()) == sum(rows.values())
        by_state = Counter[str]()
        for (queue, state), n in shown.items():
            by_state[state] += int(n)
            if queue:
                assert n == rows.get((queue, state), 0)
        assert +by_state == Counter(row[0] for row in bench.rows("SELECT state FROM jobdeck_jobs"))


def test_the_oldest_wait_pauses_and_states_of_a_queue_are_shown(bench: Scrapes) -> None:
    bench.enqueue(new(queue="mail"), new(queue="later", scheduled_at=bench.clock.now() + 999))
    bench.queue.pause("mail")
    bench.clock.advance(90)
    found = bench.scrape()
    assert found("jobdeck_queue_oldest_ready_seconds", queue="mail") == pytest.approx(90, abs=1)
    assert found("jobdeck_queue_oldest_ready_seconds", queue="later") == 0
    assert [found("jobdeck_queue_paused", queue=name) for name in ("mail", "later")] == [1, 0]
    assert found("jobdeck_jobs", queue="later", state="scheduled") == 1
    assert found("jobdeck_jobs", queue="later", state="failed") == 0


def test_finished_jobs_and_histograms_are_shown_by_queue_and_kind(bench: Scrapes) -> None:
    for took in (0.0005, 0.5, 2.0, 9000.0):
        job = bench.running(queue="mail")
        started = bench.clock.now()
        bench.store.completer.complete([Completed(job, started, started + took)])
    bench.fail(bench.running(queue="mail"))
    bench.fail(bench.running(queue="mail"), retry_in=5)
    bench.crash(bench.running(queue="img"))
    found = bench.scrape()
    kind = {"queue": "mail", "kind": "demo.work"}
    finished = [found("jobdeck_jobs_finished_total", **kind, outcome=each) for each in ("completed", "failed", "cancelled")]
    assert finished == [4, 1, 0]
    buckets = {
        float(dict(labels)["le"]): n
        for labels, n in found.of("jobdeck_job_run_seconds_bucket").items()
        if dict(labels)["queue"] == "mail"
    }
    counts = [buckets[bound] for bound in sorted(buckets)]
    assert counts == sorted(counts)
    assert buckets[float("inf")] == found("jobdeck_job_run_seconds_count", **kind) == 6
    assert [buckets[bound] for bound in (0.001024, 0.262144, 0.524288, 1.048576, 2.097152, 4294.967296)] == [3, 3, 4, 4, 5, 5]
    assert found("jobdeck_job_run_seconds_sum", **kind) == pytest.approx(9002.5005)
    assert found("jobdeck_job_wait_seconds_count", **kind) == 6
    totals = [found(f"jobdeck_{name}_total") for name in ("retries", "crashes", "late_results")]
    assert totals == [2, 1, 0]


def test_workers_and_their_threads_are_shown_by_state(bench: Scrapes) -> None:
    stalled = (StalledThread(thread="claimer", since=bench.clock.now()),)
    for name, more in (
        ("dead", {}),
        ("busy", {"stuck": 1}),
        ("leaving", {"draining": True}),
        ("hung", {"stalled": stalled}),
    ):
        info = {"host": "h", "pid": 1, "threads": 4, "queues": (), "started_at": 0.0, "heartbeat_at": 0.0, "running": 0}
        bench.store.workers.report(WorkerInfo(id=name, alive=True, **({"draining": False} | info | more)))  # type: ignore[arg-type]
        if name == "dead":
            bench.clock.advance(31)
    for _ in range(6):
        bench.enqueue()
    bench.claim(6, worker="busy")
    found = bench.scrape()
    states = {dict(labels)["state"]: n for labels, n in found.of("jobdeck_workers").items()}
    if states["silent"] == 0:  # the server's clock has not moved
        states |= {"silent": 1, "alive": states["alive"] - 1}
    assert states == {"alive": 1, "draining": 1, "stalled": 1, "silent": 1}
    threads = {dict(labels)["state"]: n for labels, n in found.of("jobdeck_worker_threads").items()}
    assert (threads["busy"], threads["stuck"]) == (4, 1)
    assert threads["idle"] in (8, 12)


HOSTILE = ['a"b', "back\\slash", "brace}{", "per%scent %% %d", "comma,x=1", "emoji 🦉", "LABELS", "état", '\\"', "#help"]


def test_hostile_names_of_queues_and_kinds_come_back_unchanged(bench: Scrapes) -> None:
    for name in HOSTILE:
        bench.complete(bench.running(queue=name, kind=name))
    found = bench.scrape()
    assert {dict(labels)["queue"] for labels in found.of("jobdeck_jobs")} == set(HOSTILE)
    assert {dict(labels)["kind"] for labels in found.of("jobdeck_job_run_seconds_count")} == set(HOSTILE)


def test_control_characters_that_another_program_stored_are_replaced(bench: Scrapes) -> None:
    bench.enqueue(new(queue="mail"))
    name = "x\x1b[31m\ny"
    table = "jobdeck_stripes" if "postgres" in type(bench.store).__module__ else "jobdeck_counts"
    bench.change(f"UPDATE {table} SET queue = ?", name)
    text = bench.text()
    assert "\x1b" not in text
    assert 'jobdeck_queue_paused{queue="x\ufffd[31m\\ny"} 0' in text.splitlines()


def test_too_many_queues_and_kinds_are_left_out_and_counted(bench: Scrapes) -> None:
    for n in range(4):
        bench.enqueue(*(new(queue=f"q{n}") for _ in range(n + 1)))
    for job in bench.claim(20, queues=("q0", "q1", "q2")):
        bench.complete(job)
    found = bench.scrape(max_queues=1, max_kinds=2)
    assert found("jobdeck_queues_left_out") == 3
    assert {dict(labels).get("queue") for labels in found.of("jobdeck_jobs")} == {"q3", ""}
    assert found("jobdeck_jobs", queue="", state="completed") == 6
    assert found("jobdeck_kinds_left_out") == 1
    assert {dict(labels)["queue"] for labels in found.of("jobdeck_jobs_finished_total")} == {"q1", "q2"}


def test_no_label_holds_an_id_or_an_argument(bench: Scrapes) -> None:
    bench.complete(bench.running(args_json='{"card": "4111"}', unique_key="u-4711", tags=("secret",)), '"result-99"')
    text = bench.text()
    assert not [word for word in ("4111", "4711", "secret", "result-99") if word in text]
    assert {name for _, labels in Scraped(text).samples for name, _ in labels} <= {
        *("queue", "kind", "state", "outcome", "le", "version", "database", "python"),
    }


def test_a_registry_collects_the_same(bench: Scrapes) -> None:
    for name in HOSTILE:
        bench.complete(bench.running(queue=name))
    collector = QueueCollector(bench.queue, max_queues=5)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(collector)
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert samples == Scraped(collector.text().decode()).samples
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(QueueCollector(bench.queue))


def test_without_the_library_the_collector_cannot_be_made(bench: Scrapes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["prometheus_client", *(name for name in sys.modules if name.startswith("prometheus_client."))]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("scrape", "families"):
        monkeypatch.delitem(sys.modules, f"jobdeck.prometheus.{name}", raising=False)
        monkeypatch.delattr(f"jobdeck.prometheus.{name}", raising=False)
    with pytest.raises(ImportError):
        QueueCollector(bench.queue)


def test_registering_reads_no_database(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "jobs.db")
    queue.close()
    CollectorRegistry(auto_describe=True).register(QueueCollector(queue))
