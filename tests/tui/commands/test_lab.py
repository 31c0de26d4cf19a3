"""`jobdeck lab`: lists, runs, reports, and its exit code."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import apsw
import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck_tui.lab.audit import Verdict
from jobdeck_tui.lab.catalog import EXPERIMENTS
from jobdeck_tui.lab.experiments import race
from jobdeck_tui.lab.stage import ExperimentStuck, Figure, Findings, Stage


def verdict(lane: str, value: float, *, is_own: bool) -> Verdict:
    return Verdict(lane, "jobs that ran twice", value, "0", value == 0, is_own, "SELECT count(*) FROM ledger WHERE at < 1 & 2")


def plant(monkeypatch: pytest.MonkeyPatch, *, naive: float, own: float) -> None:
    """Let the race find this, at once."""

    def run(stage: Stage) -> Findings:
        stage.report("naive", f"a <b> of {stage.random.random():.6f}")
        verdicts = [verdict("naive", naive, is_own=False), verdict("jobdeck", own, is_own=True)]
        return Findings(verdicts, [Figure("jobdeck", "runs", 1000)], ["It is what it is."], ["  1  SELECT"])

    monkeypatch.setattr(race, "run", run)


@pytest.fixture
def jobdeck(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.mark.parametrize("words", [(), ("list",)])
def test_without_a_name_the_experiments_are_listed(jobdeck: CommandLine, words: tuple[str, ...]) -> None:
    assert [line.split()[0] for line in jobdeck.done("lab", *words).splitlines()] == [*EXPERIMENTS]
    assert [each["claim"] for each in jobdeck.json("lab", *words)] == [each.claim for each in EXPERIMENTS.values()]


@pytest.mark.parametrize(("naive", "own", "code"), [(3, 0, 0), (0, 0, 0), (3, 1, 1)])
def test_the_exit_code_is_1_only_if_jobdeck_broke_a_promise(
    jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch, naive: float, own: float, code: int
) -> None:
    plant(monkeypatch, naive=naive, own=own)
    ran = jobdeck("lab", "race")
    assert ran.exit_code == code
    assert ("naive was to fail, and did not in this run" in ran.stdout) == (not naive)
    assert ("jobdeck broke a promise" in ran.stdout) == bool(own)
    assert not jobdeck.database.exists()


def test_the_same_seed_gives_the_same_choices(jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, naive=1, own=0)
    told = [jobdeck.json("lab", "race", "--seed", seed)[0]["timeline"][0]["text"] for seed in (7, 7, 8)]
    assert told[0] == told[1] != told[2]


def test_json_has_the_verdicts_with_their_queries(jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, naive=3, own=0)
    (found,) = jobdeck.json("lab", "race", "--seed", 7)
    assert [(each["lane"], each["value"], each["holds"]) for each in found["verdicts"]] == [
        ("naive", 3, False),
        ("jobdeck", 0, True),
    ]
    assert (found["seed"], found["broken"], found["verdicts"][0]["query"][:6]) == (7, False, "SELECT")
    assert {"jobdeck", "Python", "SQLite", "cores", "durability"} <= found["machine"].keys()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "action")]
        if tag not in ("meta", "br", "line", "circle") or tag == "circle":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_loads_nothing_and_shows_texts_as_they_are(
    jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, naive=3, own=0)
    jobdeck.done("lab", "race", "--seed", 7, "--report", tmp_path / "out.html")
    page = _Page()
    page.feed((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert (page.open, page.loads) == ([], [])
    for words in (
        "a <b> of",
        "WHERE at < 1 & 2",
        "jobdeck lab race --seed 7",
        "It is what it is.",
        "SELECT",
        "durability",
        "jobdeck/store/sqlite/claim.py:",
    ):
        assert words in page.text


def test_what_cannot_be_run_or_written_is_said_before_anything_runs(
    jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(race, "run", lambda stage: pytest.fail("it ran"))
    unknown = jobdeck("lab", "rase")
    assert (unknown.exit_code, "did you mean race?" in unknown.output) == (2, True)
    nowhere = jobdeck("lab", "race", "--report", tmp_path / "none" / "out.html")
    assert (nowhere.exit_code, "does not exist; the experiment was not run" in nowhere.output) == (1, True)
    assert jobdeck("lab", "--seed", 7).exit_code == 2


def test_an_experiment_that_gets_stuck_decides_nothing(jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(stage: Stage) -> Findings:
        raise ExperimentStuck("The experiment waited 60 s for a job to start")

    monkeypatch.setattr(race, "run", run)
    ran = jobdeck("lab", "race")
    assert (ran.exit_code, "nothing was decided" in ran.output) == (1, True)
    assert json.dumps(ran.output).count("Traceback") == 0


@pytest.mark.parametrize("error", [apsw.FullError("database or disk is full"), OSError(28, "No space left on device")])
def test_a_full_disk_decides_nothing_and_is_no_bug(
    jobdeck: CommandLine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(stage: Stage) -> Findings:
        raise error

    monkeypatch.setattr(race, "run", run)
    ran = jobdeck("lab", "race")
    assert (ran.exit_code, "nothing was decided" in ran.output, "bug" in ran.output) == (1, True, False)
