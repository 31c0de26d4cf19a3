"""Tracebacks, folded to the frame that raised, and unfolded."""

from __future__ import annotations

from jobdeck_tui.widgets.base.styled_text import StyledLine
from jobdeck_tui.widgets.base.tracebacks import fold, parse_traceback, unfold

TRUNCATED = """Traceback (most recent call last):
  File "/srv/app/worker.py", line 12, in run
    resize(path)
  File "/srv/app/img.py", line 71, in resize
    decode(path)
ValueError: bad marker

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app/img.py", line 80, in resize
    raise Truncated(path) from error
Truncated: uploads/7.jpg
"""


def plain(lines: list[StyledLine]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_folded_shows_the_frame_that_raised_and_the_number_of_others() -> None:
    shown = plain(fold(parse_traceback(TRUNCATED), unfolds="t"))
    assert [line.strip() for line in shown] == [
        "raised at /srv/app/img.py:80 in resize",
        "raise Truncated(path) from error",
        "▸ 2 more frames · t unfolds",
    ]


def test_unfolded_shows_everything_with_the_frame_that_raised_highlighted() -> None:
    lines = unfold(parse_traceback(TRUNCATED))
    shown = [line.strip() for line in plain(lines)]
    for part in ("/srv/app/worker.py:12 in run", "decode(path)", "ValueError: bad marker", "Truncated: uploads/7.jpg"):
        assert part in shown
    assert [line[0][0].strip() for line in lines if line[0][1] == "accent"] == ["/srv/app/img.py:80 in resize"]


def test_a_text_without_frames_is_shown_in_full() -> None:
    assert [line.strip() for line in plain(fold(parse_traceback("SyntaxError: no\nfile")))] == ["SyntaxError: no", "file"]


def test_the_frame_of_an_exception_group_is_found_behind_its_bars() -> None:
    text = '  + Exception Group Traceback:\n  |   File "a.py", line 3, in f\n  |     raise g\n  | Group: x\n'
    (frame,) = parse_traceback(text).frames
    assert frame.location == "a.py:3 in f"
