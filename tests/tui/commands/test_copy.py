"""`jobdeck copy`: the queue in another database."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_a_queue_is_copied_and_commands_on_the_old_file_say_where_it_went(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    target = deck.folder / "new.db"
    dry = deck.done("copy", "--from", str(deck.database), "--to", str(target), "--dry-run")
    assert dry == f"Would copy 2 rows, 1 of them jobs, to {target}.\n"
    assert not target.exists()
    done = deck.done("copy", "--to", str(target))
    assert done.startswith(f"Copied 2 rows, 1 of them jobs, to {target} in ")
    assert "every table is equal. The source is marked as moved." in done
    for words in (("list",), ("run", "--", "true"), ("worker", "--threads", "1"), ("stats",)):
        refused = deck(*words)
        assert refused.exit_code == 1
        assert refused.output == (
            f"jobdeck: {deck.database} was moved to {target}; use that address,"
            " or `jobdeck copy --unmark` to use this one again.\n"
        )
    with Queue(target) as queue:
        assert [job.kind for job in queue.list("")] == ["shell:true"]
    assert deck.done("copy", "--unmark") == "The database can be used again.\n"
    assert deck.done("copy", "--unmark") == "The database was not marked.\n"
    deck.done("run", "--", "true")


def test_a_copy_is_a_json_document(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    (found,) = deck.json("copy", "--to", str(deck.folder / "new.db"))
    assert found["rows"]["jobdeck_jobs"] == 1
    assert found["dry_run"] is False
    assert deck.json("copy", "--unmark") == [{"unmarked": True}]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "name the database to copy to with --to"),
        (("--unmark", "--to", "x.db"), "--unmark goes with --from alone"),
        (("--to", "x.db", "--readonly"), "readonly"),
    ],
)
def test_wrong_usage(deck: CommandLine, words: tuple[str, ...], text: str) -> None:
    refused = deck("copy", *words)
    assert refused.exit_code == 2
    assert text in refused.output


def test_a_missing_source_is_not_created(deck: CommandLine) -> None:
    refused = deck("copy", "--to", str(deck.folder / "new.db"))
    assert refused.exit_code == 1
    assert "is not there" in refused.output
    assert not deck.database.exists()
    assert not (deck.folder / "new.db").exists()
