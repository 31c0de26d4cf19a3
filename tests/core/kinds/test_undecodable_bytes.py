"""Bytes that are no UTF-8 survive in arguments, as Python reads them (`surrogateescape`), whatever the types of the handler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel

from jobdeck import InvalidArguments, Registry, job

NAME = "caf\udce9 🙂 \\udce9 \U0001f4ff\udcff"


class Model(BaseModel):
    text: str


def text(value: str) -> None: ...
def texts(value: list[str], others: dict[str, str] | None = None) -> None: ...
def path(value: Path, n: int = 1) -> None: ...
def paths(value: dict[str, list[Path]], more: tuple[str, ...] = ()) -> None: ...
def anything(value: Any) -> None: ...
def model(value: Model) -> None: ...


HANDLERS = [text, texts, path, paths, anything, model]
registry = Registry()
for handler in HANDLERS:
    job(name=handler.__name__, registry=registry)(handler)


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("text", {"value": NAME}),
        ("texts", {"value": [NAME, "x"], "others": {NAME: NAME}}),
        ("path", {"value": Path(NAME), "n": 3}),
        ("paths", {"value": {NAME: [Path(NAME)]}, "more": (NAME,)}),
        ("anything", {"value": {"a": [NAME]}}),
    ],
)
def test_a_handler_gets_the_bytes_that_were_enqueued(kind: str, args: dict[str, Any]) -> None:
    entry = registry.get(kind)
    stored = entry.check(args, 10_000)
    stored.encode()  # every database can store it
    assert {name: entry.load(stored)[name] for name in args} == args
    assert json.loads(stored).keys() == args.keys()


def test_a_path_may_be_given_as_text() -> None:
    entry = registry.get("path")
    assert entry.load(entry.check({"value": NAME}, 10_000))["value"] == Path(NAME)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "\ud800"),  # stands for no byte
        ("path", "\ud800"),
        ("model", {"text": NAME}),
        ("path", NAME + "\U0010fe90"),
    ],
)
def test_what_would_not_come_back_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(InvalidArguments):
        registry.get(kind).check({"value": value}, 10_000)


@given(
    some.text(some.characters() | some.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]), max_size=20)
)
def test_a_text_comes_back_as_it_was_or_is_refused(value: str) -> None:
    for kind, given_value in (("text", value), ("anything", [value]), ("texts", [value])):
        entry = registry.get(kind)
        try:
            stored = entry.check({"value": given_value}, 10_000)
        except InvalidArguments:
            assert any("\ud800" <= sign <= "\udfff" for sign in value)
            continue
        assert entry.load(stored)["value"] == given_value
