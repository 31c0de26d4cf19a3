"""Arguments that are right at first sight are taken without the validation library, and exactly as it would take them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

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


def _entry(annotation: Any) -> Any:
    def handler(value):  # type: ignore[no-untyped-def]
        return value

    handler.__annotations__ = {"value": annotation}
    registry = Registry()
    job(name="kind", registry=registry)(handler)
    return registry.get("kind")


ENTRIES = [_entry(annotation) for annotation in ANNOTATIONS]


@given(st.sampled_from(ENTRIES), anything)
def test_what_is_taken_at_first_sight_is_what_the_validation_library_makes_of_it(entry: Any, value: Any) -> None:
    text = entry._plain_json({"value": value})
    if text is not None:
        checked = entry._validate({"value": value}, from_json=False).model_dump_json(by_alias=True)
        assert repr(json.loads(text)) == repr(json.loads(checked))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(str, "a"), (int, 3), (float, 0.5), (bool, True), (str | None, None), (list[str], ["a"])],
)
def test_plain_values_are_taken_at_first_sight(annotation: Any, value: Any) -> None:
    assert _entry(annotation)._plain_json({"value": value}) is not None


@pytest.mark.parametrize(
    ("annotation", "value"), [(str, 3), (int, True), (int, 1.0), (float, 1), (bool, 1), (str, "\ud800"), (Any, "a")]
)
def test_everything_else_is_left_to_the_validation_library(annotation: Any, value: Any) -> None:
    assert _entry(annotation)._plain_json({"value": value}) is None
