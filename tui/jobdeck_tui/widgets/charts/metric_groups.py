"""The table of the metrics screen: queues or kinds, with rates and percentiles."""

from __future__ import annotations

from jobdeck import TimeSlice

from ...text.format import duration, number, rate_text
from ...text.sanitize import safe
from ..details.job_details import StyledLine
from ..table.keyed_table import Row, TableColumn

SORTS = ("jobs", "failing", "p95", "wait95", "name")
SORT_NAMES = {"jobs": "jobs", "failing": "failure rate", "p95": "run p95", "wait95": "wait p95", "name": "name"}
_SPARK = (12, 60)
"""The minimum and maximum width of a sparkline; its column takes what the others leave."""
_OTHERS = 108
"""The width of the other columns in cells."""


def spark_width(width: int) -> int:
    """Return the width of a sparkline on a screen of a given width."""
    return max(_SPARK[0], min(_SPARK[1], width - _OTHERS))


def heads(by: str, spark: int) -> tuple[TableColumn, ...]:
    """Return the columns; `spark` is the width of the sparkline."""
    return (
        TableColumn("name", by.upper(), least=10, most=40, grow=True, keep=30, sort=True),
        TableColumn("jobs", "JOBS", least=6, right=True, sort=True),
        TableColumn("rate", "RATE", least=6, right=True),
        TableColumn("failing", "FAILING", least=9, right=True, sort=True),
        TableColumn("p50", "RUN P50", right=True, drop=2),
        TableColumn("p95", "P95", least=6, right=True, sort=True, alone="RUN P95"),
        TableColumn("p99", "P99", least=6, right=True, drop=1),
        TableColumn("wait50", "WAIT P50", right=True, drop=5),
        TableColumn("wait95", "P95", least=6, right=True, drop=4, sort=True, alone="WAIT P95"),
        TableColumn("wait99", "P99", least=6, right=True, drop=6, alone="WAIT P99"),
        TableColumn("spark", "OVER TIME", least=spark, most=spark, drop=3),
    )


def order(sort: str, name: str, slot: TimeSlice) -> tuple[float, str]:
    """Return the sort key of a group: largest first, names from A to Z."""
    value: float = 0.0
    if sort == "jobs":
        value = slot.completed + slot.failed
    elif sort == "failing":
        value = slot.failure_rate or 0.0
    elif sort in ("p95", "wait95"):
        value = (slot.run if sort == "p95" else slot.wait).p95 or 0.0
    return (-value, name)


def row(name: str, slot: TimeSlice, spark: str, *, narrowed: bool) -> Row:
    """Return the row of a group.

    Args:
        name: the queue or kind.
        slot: its metrics.
        spark: its sparkline.
        narrowed: whether the charts show only this group.
    """
    failing: StyledLine = [("—", "quiet")]
    if slot.failure_rate is not None:
        failing = [(f"{slot.failure_rate:.1%}", "error" if slot.failed else "quiet")]
    times = (slot.run.p50, slot.run.p95, slot.run.p99, slot.wait.p50, slot.wait.p95, slot.wait.p99)
    return Row(
        name,
        (
            [(safe(name), "accent" if narrowed else ""), *[(" ◂", "accent")] * narrowed],
            [(number(slot.completed + slot.failed), "")],
            [(rate_text(slot.throughput), "accent" if slot.completed else "quiet")],
            failing,
            *([("—", "quiet") if each is None else (duration(each), "")] for each in times),
            [(spark, "accent")],
        ),
    )
