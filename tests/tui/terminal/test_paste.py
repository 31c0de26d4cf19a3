"""Pasted text is text, however it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, Paste
from textual.message import Message

from jobdeck_tui.terminal.paste import END, START, PasteParser, plain_text

TEXT = st.text(alphabet="jqDx \n\r\t\x1b[]0123mé;~\x07\\A\x9b", max_size=40).filter(lambda text: END not in text)


def parsed(pieces: Sequence[str]) -> list[str]:
    parser = PasteParser()
    return [named(message) for piece in pieces for message in parser.feed(piece)]


def named(message: Message) -> str:
    return (
        f"paste {message.text!r}" if isinstance(message, Paste) else message.key if isinstance(message, Key) else repr(message)
    )


@pytest.mark.parametrize(
    ("pasted", "text"),
    [
        ("gzip -9 access.log", "gzip -9 access.log"),
        ("\x1b[31mDq\x1b[0m", "Dq"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        ("a\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x07 b", "alink b"),
        ("tab\tand\x00nul, \x9b31m, \x1b", "tab\tandnul, 31m, "),
        ("\x1b[200~inside", "inside"),
        ("", ""),
    ],
)
def test_escape_sequences_in_a_paste_press_no_key(pasted: str, text: str) -> None:
    assert parsed([f"j{START}{pasted}{END}k"]) == ["j", f"paste {text!r}", "k"]


@given(before=st.sampled_from(["", "j", "\x1b[A"]), pasted=TEXT, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_a_paste_may_arrive_in_any_pieces(before: str, pasted: str, cuts: list[int]) -> None:
    data = f"{before}{START}{pasted}{END}k"
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(bounds) if start < end]
    whole = parsed([data])
    assert parsed(pieces) == whole
    assert whole[-2:] == [f"paste {plain_text(pasted)!r}", "k"]
