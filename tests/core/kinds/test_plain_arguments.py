"""Arguments of plain types are accepted without the validation library, with the same result as the library's."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pydantic  # noqa: F401  # imported here, so that its import does not count against the deadline of a test
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck import Registry, job

ANNOTATIONS: list[Any] = [str, int, float, bool, None, str | None, int | None, int | bool, float | int, str | int | None]
ANNOTATIONS += [list[str], list[int | None], dict[str, str], dict[str, list[float]], Literal["a", "b"], Annotated[str, "x"]]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])) | st.just("a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def _arguments(annotation: Any) -> Any:
    def handler(value):  # type: ignore[no-untyped-def]
        return value

    handler.__annotations__ = {"value": annotation}
    registry = Registry()
    job(name="kind", registry=registry)(handler)
    return registry.get("kind").arguments


KINDS = [_arguments(annotation) for annotation in ANNOTATIONS]


@given(st.sampled_from(KINDS), anything)
def test_plain_arguments_are_stored_as_by_the_validation_library(arguments: Any, value: Any) -> None:
    text = arguments.plain_json({"value": value})
    if text is not None:
        checked = arguments.validate({"value": value}, from_json=False).model_dump_json(by_alias=True)
        assert repr(json.loads(text)) == repr(json.loads(checked))


@given(st.sampled_from(KINDS), anything)
def test_plain_arguments_are_loaded_as_by_the_validation_library(arguments: Any, value: Any) -> None:
    text = json.dumps({"value": value})
    read = arguments.plain_values(text)
    if read is not None:
        assert repr(read["value"]) == repr(arguments.validate(text, from_json=True).arg_value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"value":"a","more":1}', '{"value":"a"} ', '{"value":"\\ud800"}', '{"value":NaN}', "[" * 9999],
)
def test_any_other_stored_text_is_left_to_the_validation_library(text: str) -> None:
    assert _arguments(str).plain_values(text) is None
    assert _arguments(float).plain_values(text) is None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(str, "a"), (int, 3), (float, 0.5), (bool, True), (str | None, None), (list[str], ["a"])],
)
def test_plain_values_are_accepted_without_the_validation_library(annotation: Any, value: Any) -> None:
    assert _arguments(annotation).plain_json({"value": value}) is not None


@pytest.mark.parametrize(
    ("annotation", "value"), [(str, 3), (int, True), (int, 1.0), (float, 1), (bool, 1), (str, "\ud800"), (Any, "a")]
)
def test_all_other_values_are_left_to_the_validation_library(annotation: Any, value: Any) -> None:
    assert _arguments(annotation).plain_json({"value": value}) is None
