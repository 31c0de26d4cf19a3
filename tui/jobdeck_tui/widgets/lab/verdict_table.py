"""The verdicts of an experiment: counted while it runs, each with the query that counts it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from ...lab.audit import Verdict
from ..table.keyed_table import KeyedTable, Row, TableColumn


class VerdictTable(KeyedTable):
    """A row for each verdict."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "query", "query", tooltip="Show the query that counted this verdict"),
    ]

    class QueryAsked(Message):
        """The viewer asks how a verdict was counted."""

        def __init__(self, verdict: Verdict) -> None:
            super().__init__()
            self.verdict = verdict

    def __init__(self, *, id: str | None = None) -> None:
        columns = (
            TableColumn("lane", "LANE"),
            TableColumn("value", "COUNTED", right=True),
            TableColumn("claim", "", least=16, grow=True),
            TableColumn("limit", "MUST BE", right=True, drop=1),
        )
        super().__init__("verdicts", columns, empty=[[("Nothing has been counted yet.", "quiet")]], id=id)
        self._loading = False
        self.verdicts: Sequence[Verdict] = ()
        """The verdicts that are shown."""

    def show_verdicts(self, verdicts: Sequence[Verdict], undecided: Collection[str] = ()) -> None:
        """Show the verdicts.

        Args:
            verdicts: what was counted.
            undecided: the lanes that are still played: what holds at the end only is not judged there.
        """
        if verdicts == self.verdicts and not undecided:
            return
        self.verdicts = verdicts
        self.show([_row(each, decided=each.lane not in undecided) for each in verdicts])

    def action_query(self) -> None:
        """Show the query of the verdict under the cursor."""
        found = next((each for each in self.verdicts if (each.lane, each.claim) == self.key), None)
        if found is not None:
            self.post_message(self.QueryAsked(found))


def _row(verdict: Verdict, *, decided: bool) -> Row:
    if verdict.holds:
        is_open = verdict.at_end and not decided
        mark, meaning = ("…", "quiet") if is_open else ("✓", "good")
    else:
        mark, meaning = ("✗", "error") if decided or not verdict.at_end else ("…", "quiet")
    return Row(
        (verdict.lane, verdict.claim),
        (
            [(f"{mark} {verdict.lane}", meaning)],
            [(f"{verdict.value:g}", meaning if meaning != "good" else "strong")],
            [(verdict.claim, "")],
            [(verdict.limit, "quiet")],
        ),
    )
