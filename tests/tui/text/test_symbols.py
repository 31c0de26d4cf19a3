"""The legend of the help explains every symbol that the cockpit draws."""

from __future__ import annotations

import ast
import re
import unicodedata
from pathlib import Path

import jobdeck_tui
from jobdeck_tui.text.symbols import legend

ROOT = Path(jobdeck_tui.__file__).parent
DRAWN = ("widgets", "screens", "text/format.py", "text/event_format.py", "text/worker_slots.py")
#: Parts of drawings (bars, axes, frames, dotted curves), keys, and punctuation that means what it does in every text.
EXPLAIN_THEMSELVES = set("↑↓←→⏎⇥µ’‘“”–−²³∙") | set("⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_drawing(sign: str) -> bool:
    code = ord(sign)
    return (0x2500 <= code < 0x25A0 and sign != "▌") or 0x2800 <= code < 0x2900


def symbols_of(file: Path) -> set[str]:
    """Return the symbols in the texts of a module, without its docstrings."""
    tree = ast.parse(file.read_text("utf-8"))
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone
    ]
    return {
        sign
        for sign in "".join(texts)
        if not sign.isascii()
        and unicodedata.category(sign)[0] in "SP"
        and sign not in EXPLAIN_THEMSELVES
        and not is_drawing(sign)
    }


def test_the_legend_explains_every_symbol_that_is_drawn() -> None:
    files = [file for part in DRAWN for file in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))]
    explained = {glyph for glyph, _ in legend()}
    missing = {f"{sign} in {file.relative_to(ROOT)}" for file in files for sign in symbols_of(file) - explained}
    assert not missing
    assert {"!", "≤", "▲", "▸", "○"} <= explained


def test_each_symbol_is_explained_once_and_shortly() -> None:
    glyphs = [glyph for glyph, _ in legend()]
    assert len(glyphs) == len(set(glyphs))
    assert [text for _, text in legend() if not text or len(text) > 110 or re.search(r"event: (\w+).*event: \1", text)] == []
