"""`GET /metrics` of the HTTP API."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.core.http.api import Api, problem, served

from jobdeck import QueueCollector


def test_the_metrics_are_served_in_the_text_format(api: Api) -> None:
    api.enqueue(queue="scraped")
    response = api.client("read").get("/metrics")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    jobs = next(each for each in text_string_to_metric_families(response.text) if each.name == "jobdeck_jobs")
    labels = {"queue": "scraped", "state": "pending"}
    assert [sample.value for sample in jobs.samples if sample.labels == labels] == [1]
    # What the program itself and the command print, but for what waits meanwhile.
    again = QueueCollector(api.queue).text().decode().splitlines()
    assert set(response.text.splitlines()) ^ {*again} <= {
        line for line in (*again, *response.text.splitlines()) if "oldest_ready_seconds{" in line
    }


def test_without_tokens_this_machine_may_scrape(tmp_path: Path) -> None:
    with served(tmp_path, protected=False) as api:
        assert httpx.get(f"{api.server.url}/metrics", verify=False).text.startswith("# HELP jobdeck_jobs ")


def test_without_the_library_the_answer_says_what_to_install(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jobdeck.prometheus.scrape", None)
    monkeypatch.delattr("jobdeck.prometheus.scrape", raising=False)
    missing = problem(api.client("read").get("/metrics"), 404)
    assert "pip install 'jobdeck[metrics]'" in missing["detail"]
