"""What a job is linked to: its parents and children, its batch, its schedule. Enter opens each."""

from __future__ import annotations

from collections.abc import Iterator

from jobdeck import Job, State

from ...feed.messages import Detail
from ...text.format import GLYPHS, age, schedule_name
from ...text.sanitize import safe
from ..base.styled_text import StyledLine
from ..table.keyed_table import KeyedTable, Row, TableColumn

HEADS = (
    TableColumn("bond", "LINK", least=6),
    TableColumn("id", "ID", right=True),
    TableColumn("state", "STATE", most=24),
    TableColumn("kind", "KIND", least=8, most=60, grow=True),
    TableColumn("age", "AGE", right=True, drop=2),
)
SHOWN = 100
"""The maximum number of parents, and of children, that are listed."""


class Related(KeyedTable):
    """One row per link. Its keys are ("job", id), ("batch", id), ("schedule", name) and ("gone", id)."""

    def __init__(self, *, digit: str, id: str | None = None) -> None:
        nothing: StyledLine = [("  no parents, children, batch or schedule", "quiet")]
        super().__init__("related", HEADS, digit=digit, empty=[nothing], id=id)

    def show_links(self, detail: Detail) -> None:
        """Show what the job is linked to."""
        rows = [*_rows(detail)]
        self.show(rows)
        dependencies = detail.dependencies
        waits = f"if one fails: {dependencies.if_parent_fails} " if dependencies.waits_for else ""
        more = max(0, len(dependencies.parents) - SHOWN) + max(0, len(dependencies.children) - SHOWN)
        self.set_titles([(str(len(rows)), "$quiet")], [(f" {more:,} more " if more else "", "$quiet"), (waits, "$quiet")])


def _rows(detail: Detail) -> Iterator[Row]:
    dependencies = detail.dependencies
    for job_id, state in [*dependencies.parents.items()][:SHOWN]:
        link = "waits for" if job_id in dependencies.waits_for else "after"
        yield _job_row(link, job_id, state, detail.related_jobs.get(job_id), detail.at)
    for child, state in [*dependencies.children.items()][:SHOWN]:
        yield _job_row("before", child, state, detail.related_jobs.get(child), detail.at)
    batch = detail.batch
    if batch is not None:
        done = f"{batch.total - batch.open:,} of {batch.total:,} finished"
        meaning = "failed" if batch.counts.get(State.FAILED) else "completed" if batch.finished else ""
        name: StyledLine = [(safe(batch.name), "")]
        yield Row(
            ("batch", batch.id),
            (
                [("batch", "quiet")],
                [(str(batch.id), "")],
                [(done, meaning)],
                name,
                [(age(detail.at - batch.created_at), "quiet")],
            ),
        )
    if detail.job is not None and (schedule := schedule_name(detail.job)) is not None:
        yield Row(("schedule", schedule), ([("schedule", "quiet")], [], [], [(safe(schedule), "")], []))


def _job_row(link: str, job_id: int, state: State | None, job: Job | None, now: float) -> Row:
    outcome: StyledLine = [("deleted", "quiet")] if state is None else [(f"{GLYPHS[state]} {state}", state.value)]
    kind: StyledLine = [(safe(job.kind), "")] if job is not None else []
    old: StyledLine = [(age(now - job.created_at), "quiet")] if job is not None else []
    return Row(("gone" if state is None else "job", job_id), ([(link, "quiet")], [(str(job_id), "")], outcome, kind, old))
