"""Tests of the table of kinds and queues on the metrics screen: names are cut last."""

from __future__ import annotations

import pytest

from jobdeck import TimeSlice
from jobdeck_tui.widgets.charts.metric_groups import heads, row, spark_width
from jobdeck_tui.widgets.table.keyed_table import KeyedTable

NAMES = ("mail.send_receipt", "billing.charge_subscription", "search.index_document")


@pytest.mark.parametrize("width", [78, 98, 118, 198])
def test_columns_are_dropped_before_a_kind_is_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyedTable, "_width", property(lambda _: width))
    table = KeyedTable("kinds", heads("kind", spark_width(width)))
    slot = TimeSlice(at=0.0, seconds=60.0, completed=12_000, failed=3)
    table._rows = [row(name, slot, "", narrowed=False) for name in NAMES]
    table._lay_out()
    shown = {table.heads[at].key: size for at, size in table._layout}
    assert shown["name"] >= max(map(len, NAMES))
    assert sum(shown.values()) + 2 * len(shown) <= width
    assert {"name", "jobs", "rate", "failing", "p95"} <= shown.keys()
