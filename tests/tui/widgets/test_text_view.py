"""Wrapping of long lines: between words if one ends near, without losing text."""

from __future__ import annotations

from rich.cells import cell_len

from jobdeck_tui.widgets.base.text_view import wrap
from jobdeck_tui.widgets.details.job_details import StyledLine


def rows(pieces: StyledLine, width: int) -> list[str]:
    """Return the wrapped lines, after checking that none is wider than the panel."""
    lines = ["".join(text for text, _ in line) for line in wrap(pieces, width)]
    assert all(cell_len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def test_a_line_is_wrapped_between_words() -> None:
    assert rows([("550 the recipient's address was rejected: no such domain", "error")], 41) == [
        "550 the recipient's address was rejected:",
        "  no such domain",
    ]
    assert rows([("550 the recipient's address was rejected: no such domain", "error")], 38) == [
        "550 the recipient's address was",
        "  rejected: no such domain",
    ]


def test_a_log_line_continues_below_its_text() -> None:
    pieces = [("00:11:17 ", "quiet"), ("debug ", "quiet"), ("sending 'Your order 424242' to ada@typo.invalid", "quiet")]
    assert rows(pieces, 45) == ["00:11:17 debug sending 'Your order 424242' to", " " * 15 + "ada@typo.invalid"]


def test_a_fact_continues_below_its_value() -> None:
    pieces = [("started   ", "quiet"), ("2026-11-24 23:59:49  after a wait of 4.6s", "")]
    assert rows(pieces, 40) == ["started   2026-11-24 23:59:49  after a", " " * 10 + "wait of 4.6s"]


def test_a_separate_quiet_piece_moves_to_the_next_line_whole() -> None:
    pieces = [("attempt 1  ", "strong"), ("completed", "completed"), ("  by vm:10351:d4e28f", "quiet")]
    assert rows(pieces, 40) == ["attempt 1  completed  by vm:10351:d4e28f"]
    assert rows(pieces, 36) == ["attempt 1  completed", "  by vm:10351:d4e28f"]
    assert rows(pieces, 21) == ["attempt 1  completed", "  by vm:10351:d4e28f"]


def test_a_word_longer_than_a_line_is_broken_at_the_end_of_the_line() -> None:
    assert rows([("x" * 25, "")], 10) == ["x" * 10, "  " + "x" * 8, "  " + "x" * 7]
    assert rows([("to https://events.example.org/hooks", "")], 20) == ["to https://events.ex", "  ample.org/hooks"]


def test_double_width_text_is_wrapped_by_its_cells() -> None:
    assert rows([("漢字 " * 6, "")], 13) == ["漢字 漢字", "  漢字 漢字", "  漢字 漢字"]


def test_the_indentation_of_code_is_kept() -> None:
    assert rows([("        return a", "")], 20) == ["        return a"]
    assert rows([("a" * 10 + "      b", "")], 12)[1:] == ["  " + " " * 3 + "b"]


def test_an_indented_line_continues_below_its_start() -> None:
    pieces = [("      raise SMTPServerDisconnected(the_reason)", "")]
    assert rows([("      return render(order, the_reason)", "")], 36) == ["      return render(order,", "        the_reason)"]
    assert rows(pieces, 30) == ["      raise SMTPServerDisconne", "        cted(the_reason)"]


def test_every_word_is_there_at_any_width() -> None:
    text = "GiveUp: 550 5.1.1 <ada@typo.invalid>: the recipient's address was rejected: no such domain 日本語 "
    for width in range(4, 90):
        shown = "".join("".join(row.split()) for row in rows([("x ", "strong"), (text, "error")], width))
        assert shown == "x" + "".join(text.split())


def test_a_command_moves_to_the_next_line_whole() -> None:
    pieces = [
        ("  stack  ", "strong"),
        ("It runs on web-1: ", "quiet"),
        ("jobdeck stack 780", "accent"),
        (" tells it.", "quiet"),
    ]
    assert rows(pieces, 40) == ["  stack  It runs on web-1:", "    jobdeck stack 780 tells it."]


def test_a_path_is_broken_between_its_parts() -> None:
    pieces = [("  now at ", "quiet"), ("/usr/lib/python3/dist-packages/PIL/Image.py:2350 in resize", "accent")]
    assert rows(pieces, 52) == ["  now at /usr/lib/python3/dist-packages/PIL/", " " * 9 + "Image.py:2350 in resize"]
