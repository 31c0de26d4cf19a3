"""Tests of the preferences that are kept between sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobdeck import Queue, Settings
from jobdeck_tui import launch
from jobdeck_tui.launch_options import LaunchOptions
from jobdeck_tui.preferences import OF_TERMINAL, Preferences


def test_a_value_is_restored_in_the_next_session(tmp_path: Path) -> None:
    file = tmp_path / "config" / "cockpit.json"
    Preferences(file).put("theme", "jobdeck-light")
    assert Preferences(file).get("theme", "jobdeck-dark") == "jobdeck-light"
    assert [each.name for each in file.parent.iterdir()] == ["cockpit.json"]


def test_a_value_of_another_type_means_the_default(tmp_path: Path) -> None:
    remembered = Preferences(tmp_path / "cockpit.json")
    remembered.put("columns", "state,id")
    assert remembered.get("columns", ["state"]) == ["state"]


def test_a_damaged_file_means_the_defaults_and_can_be_written_again(tmp_path: Path) -> None:
    file = tmp_path / "cockpit.json"
    for damage in ("{", "[1, 2]", "\0\0\0"):
        file.write_text(damage)
        remembered = Preferences(file)
        assert remembered.get("theme", "jobdeck-dark") == "jobdeck-dark"
    remembered.put("theme", "x")
    assert Preferences(file).get("theme", "") == "x"


def test_without_a_writable_folder_values_last_for_the_session(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where the folder would be")
    remembered = Preferences(tmp_path / "config" / "cockpit.json")
    remembered.put("theme", "x")
    assert remembered.get("theme", "") == "x"


def test_what_is_set_in_the_demo_is_not_remembered_for_real_queues(tmp_path: Path) -> None:
    file = tmp_path / "cockpit.json"
    Preferences(file).put("table.sort", ["id", True])
    demo = Preferences(file, lasting=OF_TERMINAL)
    assert demo.get("table.sort", []) == ["id", True]
    demo.put("table.sort", ["took", False])
    demo.put("filters.history", ["state:failed"])
    demo.put("theme", "light")
    assert demo.get("table.sort", []) == ["took", False]
    later = Preferences(file)
    assert (later.get("table.sort", []), later.get("filters.history", [])) == (["id", True], [])
    assert later.get("theme", "dark") == "light"


def test_the_demo_keeps_only_the_preferences_of_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "config_file", lambda name: tmp_path / name)
    kept: list[Preferences] = []

    def run(queue: Queue, settings: Settings, wish: LaunchOptions, where: str, remembered: Preferences, *_: object) -> int:
        remembered.put("table.sort", ["took", False])
        kept.append(remembered)
        return 0

    monkeypatch.setattr("jobdeck_tui.session.run", run)
    monkeypatch.setenv("TEXTUAL_DRIVER", "none")  # no splash
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF")
    launch.run_cockpit(settings, LaunchOptions(demo=True))
    assert kept[0].get("table.sort", []) == ["took", False]
    assert Preferences(tmp_path / "cockpit.json").get("table.sort", []) == []
    launch.run_cockpit(settings, LaunchOptions())
    assert Preferences(tmp_path / "cockpit.json").get("table.sort", []) == ["took", False]
