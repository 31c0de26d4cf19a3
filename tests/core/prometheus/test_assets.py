"""The dashboard and the alert rules ask for what exists. `tests.soak.promtool` checks their syntax."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.core.prometheus.test_collector import Scraped

from jobdeck import Queue, QueueCollector, State, read_alert_rules, read_dashboard

_SELECTOR = re.compile(r"\b(jobdeck_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    """Scrape a queue with a job of each final state's counter."""
    with Queue(tmp_path_factory.mktemp("assets") / "jobs.db") as queue:
        queue.cancel(queue.enqueue("shell", {"command": ["true"]}).id)
        return Scraped(QueueCollector(queue).text().decode())


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read_dashboard())["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (target["expr"] for panel in panels() for target in panel.get("targets", ()))
    for variable in json.loads(read_dashboard())["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"].removeprefix("label_values")
    yield read_alert_rules()


def test_every_metric_label_and_value_that_is_asked_for_exists(scraped: Scraped) -> None:
    known: dict[str, dict[str, set[str]]] = {}
    for name, labels in scraped.samples:
        for label, value in labels:
            known.setdefault(name, {}).setdefault(label, set()).add(value)
        known.setdefault(name, {})
    asked = 0
    for text in expressions():
        for name, matchers in _SELECTOR.findall(text):
            assert name in known, name
            for label, _, wanted in _MATCHER.findall(matchers):
                if label in ("instance", "job") or "$" in wanted:
                    assert label in ("instance", "job", *known[name])
                    continue
                assert set(wanted.split("|")) <= known[name][label], (name, label, wanted)
                asked += 1
    assert asked > 15


def test_every_metric_is_on_the_dashboard_or_in_the_rules(scraped: Scraped) -> None:
    text = " ".join(expressions())
    unused = {name for name in scraped.types if name not in text}
    assert unused == set()


def test_the_dashboard_can_be_imported_and_its_panels_do_not_overlap() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken = set[tuple[int, int]]()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["datasource"]["uid"] == "${datasource}")


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    rules = read_alert_rules().split("- alert: ")[1:]
    assert len(rules) > 8
    for rule in rules:
        assert re.search(r"severity: (critical|warning|info)\b", rule)
        assert "summary: " in rule
        assert "description: " in rule


def test_a_state_that_is_named_is_one_of_a_job_or_a_worker() -> None:
    named = {value for text in expressions() for value in re.findall(r'jobdeck_jobs\{[^}]*state!?[=~]+"([^"]*)"', text)}
    assert {state for value in named for state in value.split("|")} <= set(State)
