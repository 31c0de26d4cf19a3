r"""The words of a command line as bash, zsh and fish read them, and quoting for bash. Pure.

Values come from jobs, so they may hold anything that a shell executes. zsh and fish quote a completion themselves; bash
inserts it as it is. Bytes that are no text are surrogates, as in `sys.argv`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from jobdeck import record

UNQUOTED, SINGLE, DOUBLE, ANSI = "", "'", '"', "$'"
"""What a part of a word is quoted with."""

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
_NUMBERS = re.compile(r"(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9A-Fa-f]{1,2})|u(?P<u>[0-9A-Fa-f]{1,4})|U(?P<U>[0-9A-Fa-f]{1,8})")
_SAFE = re.compile(r"[A-Za-z0-9_./:@%+=,-]")


@record
class Word:
    """A word of a command line."""

    text: str
    """The word without its quotes."""
    start: int
    """The index of its first character in the line."""
    after_redirection: bool = False
    """`True` if it names the file of a redirection such as `> out`."""


def split(line: str) -> list[Word]:
    """Split a line of bash or zsh; the last word is the one at the end of the line, empty after a blank."""
    words: list[Word] = []
    text, start, quote, redirection = "", -1, UNQUOTED, False

    def finish() -> None:
        nonlocal text, start, redirection
        if start >= 0:
            words.append(Word(_joined(text), start, redirection))
            redirection = False
        text, start = "", -1

    at = 0
    while at < len(line):
        if quote == UNQUOTED and line[at] in " \t\n":
            finish()
            at += 1
        elif quote == UNQUOTED and line[at] in "<>|&;()":
            finish()
            redirection = line[at] in "<>" or (redirection and line[at] in "&|")
            at += 1
        else:
            start = at if start < 0 else start
            part, quote, at = _step(line, at, quote)
            text += part
    start = len(line) if start < 0 else start
    finish()
    return words


def unquote(raw: str) -> str:
    """Return a word of bash or zsh without its quotes, even if one is still open."""
    text, quote, at = "", UNQUOTED, 0
    while at < len(raw):
        part, quote, at = _step(raw, at, quote)
        text += part
    return _joined(text)


def open_quote(raw: str) -> str:
    """Return the quote that is open at the end of a part of a word: one of `UNQUOTED`, `SINGLE`, `DOUBLE` and `ANSI`."""
    quote, at = UNQUOTED, 0
    while at < len(raw):
        _, quote, at = _step(raw, at, quote)
    return quote


def _step(line: str, at: int, quote: str) -> tuple[str, str, int]:
    """Read one character, escape or quotation mark; return its text, the quote that is open after it, and its end."""
    sign, following = line[at], line[at + 1 : at + 2]
    if quote == UNQUOTED:
        if sign in (SINGLE, DOUBLE):
            return "", sign, at + 1
        if sign == "$" and following in (SINGLE, DOUBLE):  # $"…" is a text to translate
            return "", ANSI if following == SINGLE else DOUBLE, at + 2
        if sign == "\\":
            return "" if following == "\n" else following, quote, at + 2
    elif sign == quote[-1]:
        return "", UNQUOTED, at + 1
    elif sign == "\\" and quote == DOUBLE and following in ("\\", '"', "$", "`", "\n"):
        return "" if following == "\n" else following, quote, at + 2
    elif sign == "\\" and quote == ANSI:
        part, end = _read_escape(line, at + 1)
        return part, quote, end
    return sign, quote, at + 1


def _read_escape(line: str, at: int) -> tuple[str, int]:
    """Return what the escape whose backslash is before `at` stands for, and its end."""
    number = _NUMBERS.match(line, at)
    if number is not None:
        byte = int(number["octal"], 8) & 0xFF if number["octal"] else int(number["hex"], 16) if number["hex"] else None
        code = int(number["u"] or number["U"] or "0", 16)
        return os.fsdecode(bytes([byte])) if byte is not None else chr(min(code, 0x10FFFF)), number.end()
    return _ESCAPES.get(line[at : at + 1], line[at : at + 1]), at + 1


def _joined(text: str) -> str:
    """Decode the bytes of the text that were written one by one."""
    return text if text.isascii() else os.fsdecode(os.fsencode(text))


def unquote_fish(raw: str) -> str:
    """Return a word of fish without its quotes, even if one is still open."""
    text, quote, at = "", UNQUOTED, 0
    while at < len(raw):
        sign, following = raw[at], raw[at + 1 : at + 2]
        if sign == quote or (quote == UNQUOTED and sign in (SINGLE, DOUBLE)):
            quote = UNQUOTED if quote else sign
        elif sign == "\\" and quote == UNQUOTED:
            part, at = _read_escape(raw, at + 1)
            text += part
            continue
        elif sign == "\\" and following in ("\\", quote, *(["$"] if quote == DOUBLE else [])):
            text += following
            at += 1
        else:
            text += sign
        at += 1
    return _joined(text)


def quote_for_bash(text: str, quote: str = UNQUOTED) -> str:
    """Quote a text so that bash reads it as it is, history expansion included.

    Args:
        text: any text.
        quote: the quote that is open before the text. It is still open after it, for bash to close it, unless the result
            ends with the sign that closes it: bash adds no second one.
    """
    quoted = "".join(_quote_sign(sign, quote) for sign in text)
    return quoted + quote[-1] if quote and quoted.endswith(quote[-1]) else quoted


def join(words: Iterable[str]) -> str:
    """Return words as a line for a shell, as `shlex.join` does; bytes that are no UTF-8 survive, too."""
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    if any("\udc80" <= sign <= "\udcff" for sign in word):
        return f"$'{quote_for_bash(word, ANSI)}'"
    return shlex.quote(word)


def _quote_sign(sign: str, quote: str) -> str:
    if not sign.isprintable():
        code = "".join(f"\\{byte:03o}" for byte in os.fsencode(sign))
        return code if quote == ANSI else _outside(f"$'{code}'", quote)
    if quote == UNQUOTED:
        return sign if not sign.isascii() or _SAFE.match(sign) else f"\\{sign}"
    if sign == "!" and quote != SINGLE:
        return "\\041" if quote == ANSI else _outside("\\!", quote)
    if quote == SINGLE:
        return _outside("\\'", quote) if sign == "'" else sign
    special = "\\'" if quote == ANSI else '\\"$`'
    return f"\\{sign}" if sign in special else sign


def _outside(text: str, quote: str) -> str:
    return f"{quote}{text}{quote}" if quote else text
