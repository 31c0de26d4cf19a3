"""Tests of the preferences that are kept between sessions."""

from __future__ import annotations

from pathlib import Path

from jobdeck_tui.preferences import Preferences


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
