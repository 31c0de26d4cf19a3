"""Conditions as text: a condition that is written is parsed as itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobdeck.model.filter import EVERY_JOB, Condition, Term, parse_filter, write_filter
from jobdeck.model.filter_text import Pattern, Wildcard

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
PATTERN = st.tuples(TEXT.filter(bool), TEXT.filter(bool)).map(lambda two: Pattern((two[0], Wildcard.ANY_TEXT, two[1])))
NUMBER = st.one_of(st.integers(0, 2**53).map(float), st.floats(0, 1e9).map(lambda each: round(each, 3)))
TERMS = st.one_of(
    st.builds(Term, st.just("text"), st.just(":"), st.tuples(st.one_of(TEXT, PATTERN)), st.booleans()),
    st.builds(
        Term,
        st.sampled_from(["queue", "kind", "tag", "args.user.id", "error"]),
        st.just(":"),
        st.lists(st.one_of(TEXT, PATTERN), min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(Term, st.sampled_from(["id", "age", "priority"]), st.sampled_from([":", "<", ">="]), st.tuples(NUMBER)),
    st.builds(Term, st.just("state"), st.just(":"), st.just(("failed", "running")), st.booleans()),
    st.builds(Term, st.just("reason"), st.just(":"), st.just(("timed out",)), st.booleans()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TERMS, max_size=4).map(lambda terms: Condition(tuple(terms))))
def test_a_written_condition_is_parsed_as_itself(condition: Condition) -> None:
    assert parse_filter(write_filter(condition)) == condition


@pytest.mark.parametrize("text", ['state:failed -queue:"a b",c* age>1h30m args.x.y:"1,2" "free: text" -word', r"a\*b \"x"])
def test_a_parsed_filter_is_written_so_that_it_means_the_same(text: str) -> None:
    condition = parse_filter(text)
    assert parse_filter(write_filter(condition)) == condition
    assert write_filter(EVERY_JOB) == ""
