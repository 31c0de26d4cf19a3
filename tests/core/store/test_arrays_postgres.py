"""Lists that are bound as arrays reach the server as they are, whatever they hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.core.postgres import server

from jobdeck.store.postgres.type_adapters import adapt

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server().url("postgres"), autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        adapt(connection)
        yield connection


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint[]", [1, -5, 2**63 - 1, -(2**63)]),
        ("bigint[]", []),
        ("integer[]", [3, 1, 2]),
        ("double precision[]", [1.5, math.inf, 1e-300, 0.1 + 0.2]),
        ("double precision[]", [1, 2]),
        ("double precision[]", [1.5, None]),
        ("boolean[]", [True, False]),
        ("text[]", []),
        ("text[]", [None]),
        ("text[]", ["plain", "null", None, "NULL", "", " ", "{}", ",", "1"]),
        ("text[]", ['"', "\\", '\\"', '","', "\n\t", "é\u2003", None]),
        ("text[]", ["\0", "\x01", "\x010", "a\0b"]),
    ],
)
@pytest.mark.parametrize("binary", [False, True])
def test_a_list_reaches_the_server_as_it_is(
    connection: psycopg.Connection[Any], kind: str, values: list[object], binary: bool
) -> None:
    query: Any = f"SELECT each FROM unnest($1::{kind}) WITH ORDINALITY AS found (each, place) ORDER BY place"

    assert [each for (each,) in connection.execute(query, [values], binary=binary)] == values


def test_a_number_that_no_column_holds_is_refused_by_the_server(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        connection.execute("SELECT $1::bigint[]", [[1, 2**63]])
