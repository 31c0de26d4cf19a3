"""Marks of the job table, without a screen."""

from __future__ import annotations

from jobdeck_tui.widgets.table.marks import Marks


def test_all_matching_jobs_are_marked_without_listing_them() -> None:
    marks = Marks()
    marks.add([1, 2])
    marks.add_all()
    assert 10**12 in marks
    assert (marks.count(1_000_000), len(marks.ids)) == (1_000_000, 0)
    marks.toggle(7)
    assert (7 in marks, marks.count(1_000_000)) == (False, 999_999)
    marks.add([7])
    assert 7 in marks
    chosen = marks.selection("queue:mail", "failed")
    assert (chosen.everything, chosen.ids) == (True, ())
    assert chosen.description == "all jobs that match queue:mail state:failed"
    marks.clear()
    assert not marks
    assert marks.selection("", "all").ids == ()


def test_marks_of_missing_jobs_are_dropped() -> None:
    marks = Marks()
    marks.add([1, 2, 3])
    marks.keep({2, 9})
    assert marks.selection("", "all").ids == (2,)
