"""Every error of jobdeck has a status, and no problem document says more than the caller may know."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

import pytest

import jobdeck.model.errors as errors
from jobdeck import ArgumentProblem, InvalidArguments, InvalidFilter, JobdeckError, StoreBusy, UniqueKeyConflict
from jobdeck.http.problems import RULES, pointer, problem_of
from jobdeck.model.states import State


def every_error(base: type[JobdeckError] = JobdeckError) -> Iterator[type[JobdeckError]]:
    yield base
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from every_error(each)


@pytest.mark.parametrize("error", [*dict.fromkeys(every_error())], ids=lambda error: error.__name__)
def test_every_error_is_in_the_table_and_names_no_path_or_address(error: type[JobdeckError]) -> None:
    rule = RULES[error]
    assert 400 <= rule.status < 600
    parameters = set(inspect.signature(error.__init__).parameters) if "__init__" in vars(error) else set()
    if parameters & {"where", "path", "value", "first", "second"} or rule.status >= 500:
        assert rule.detail is not None or error is errors.WorkerUnreachable


def test_an_error_of_a_program_is_reported_as_its_base() -> None:
    class Ours(StoreBusy):
        pass

    response = problem_of(Ours("/srv/secret/jobs.db", 5))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert b"secret" not in bytes(response.body)


def test_members_of_the_document_carry_what_a_program_needs() -> None:
    taken = json.loads(bytes(problem_of(UniqueKeyConflict("nightly", 7, State.RUNNING)).body))
    assert (taken["status"], taken["holder"], taken["key"], taken["state"]) == (409, 7, "nightly", "running")
    assert json.loads(bytes(problem_of(InvalidFilter("x:", 2, "a value is missing")).body))["column"] == 2
    wrong = InvalidArguments("k", "a.b", "is missing", (ArgumentProblem(("a/~", "0"), "is missing"),))
    (found,) = json.loads(bytes(problem_of(wrong).body))["errors"]
    assert found == {"pointer": "/args/a~1~0/0", "detail": "is missing"}


def test_a_pointer_escapes_what_has_a_meaning_in_it() -> None:
    assert pointer(["a/b", "~", 0]) == "/a~1b/~0/0"
    assert pointer([]) == ""
