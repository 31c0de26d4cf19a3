"""`jobdeck metrics`."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.tui.cli_runner import CommandLine


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    deck = CommandLine(tmp_path)
    deck.done("run", "--queue", "mail", "--", "true")
    return deck


def test_the_metrics_are_printed_for_prometheus(deck: CommandLine) -> None:
    printed = deck.done("metrics")
    assert 'jobdeck_jobs{queue="mail",state="pending"} 1\n' in printed
    assert len([*text_string_to_metric_families(printed)]) > 10


def test_a_textfile_is_replaced_at_once_and_others_may_read_it(deck: CommandLine) -> None:
    path = deck.folder / "collector" / "jobdeck.prom"
    path.parent.mkdir()
    path.write_text("old")
    before = path.stat().st_ino
    assert deck.done("metrics", "--output", path) == ""
    assert path.read_text().startswith("# HELP jobdeck_jobs ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.stat().st_ino != before
    assert [each.name for each in path.parent.iterdir()] == ["jobdeck.prom"]


def test_a_textfile_that_cannot_be_written_is_one_sentence(deck: CommandLine) -> None:
    refused = deck("metrics", "--output", deck.folder / "missing" / "jobdeck.prom")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.endswith("jobdeck.prom cannot be written: No such file or directory.\n")


def test_without_the_library_one_sentence_says_what_to_install(deck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jobdeck.prometheus.scrape", None)
    monkeypatch.delattr("jobdeck.prometheus.scrape", raising=False)
    refused = deck("metrics")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert (
        refused.stderr == "jobdeck: jobdeck metrics needs prometheus_client; install it with: pip install 'jobdeck[metrics]'\n"
    )


def test_a_queue_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    deck = CommandLine(tmp_path)
    assert deck("metrics").exit_code == 1
    assert not deck.database.exists()


def test_the_dashboard_and_the_alert_rules_are_printed_without_a_queue(tmp_path: Path) -> None:
    deck = CommandLine(tmp_path)
    assert json.loads(deck.done("metrics", "--dashboard"))["title"] == "jobdeck"
    assert "- alert: JobdeckNoWorker" in deck.done("metrics", "--alerts")
    assert not deck.database.exists()
