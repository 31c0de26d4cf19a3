"""Addresses of databases: parsed strictly, and shown without their password."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from jobdeck import DatabaseAddress, StoreRefused, redact

CHUNKS = ("Zq7v", "Xw9k", "Vk3j")
"""The parts of a password, between characters that have a meaning in addresses."""

TEMPLATES = [
    "postgresql://me:{}@127.0.0.1:1/jobs",
    "postgres://me:{}@127.0.0.1:1,127.0.0.1:2/jobs?sslmode=disable",
    "postgresql://me:{}@/jobs?host=/nowhere",
    "postgresql://me@127.0.0.1:1/jobs?password={}",
    "postgresql://127.0.0.1:1/jobs?password={}&user=me",
    "postgresql://127.0.0.1:1?password={}",
    "postgresql://me%3A{}@127.0.0.1:1/jobs",
    "postgresql://me:{}127.0.0.1:1/jobs",
    "postgresql:///jobs?user=me:{}",
    "postgresql://me:{}",
    "postgresql:/me:{}@127.0.0.1:1/jobs",
    "postgresql:me:{}@127.0.0.1:1/jobs",
    "postgres//me:{}@127.0.0.1:1/jobs",
    "//me:{}@127.0.0.1:1/jobs",
    "me:{}@127.0.0.1:1/jobs",
    " postgresql://me:{}@127.0.0.1:1/jobs ",
    "POSTGRESQL://me:{}@127.0.0.1:1/jobs",
    "postgresql+psycopg://me:{}@127.0.0.1:1/jobs",
    "postgresql+asyncpg://me:{}@127.0.0.1:1/jobs",
    "jdbc:postgresql://127.0.0.1:1/jobs?user=me&password={}",
    "mysql+pymysql://me:{}@127.0.0.1/jobs",
    "redis://:{}@127.0.0.1:1/0",
    "sqlite://me:{}@127.0.0.1/jobs.db",
    "sqlite:///jobs.db?password={}",
    "sqlite+pysqlcipher://:{}@/jobs.db",
    "host=127.0.0.1 port=1 user=me password={}",
    "password={} host=127.0.0.1 port=1",
    "password = '{}' host = 127.0.0.1 port = 1",
    "host=127.0.0.1 port=1 password='{}",
    "hots=127.0.0.1 password={}",
    "passwort={}",
    "Server=127.0.0.1;User=me;Pwd={}",
    "dbname=postgresql://me:{}@127.0.0.1:1/jobs",
    "postgresql://127.0.0.1:1/password={}",
    "DATABASE_URL=postgresql://me:{}@127.0.0.1:1/jobs",
]

NO_SEPARATOR = ("postgresql://me:{}127.0.0.1:1/jobs", "postgresql://me:{}")

PASSWORDS = st.tuples(*[st.text("@:/?#%&= '\\+[],;\t\nä\udcff", min_size=0, max_size=2)] * 2).map(
    lambda signs: CHUNKS[0] + signs[0] + CHUNKS[1] + signs[1] + CHUNKS[2]
)


def parse(text: str) -> str:
    """Return what is shown of the address, or said of it."""
    try:
        return DatabaseAddress.parse(text).shown
    except StoreRefused as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEMPLATES), PASSWORDS)
def test_nothing_of_a_password_is_shown_and_no_server_is_taken_for_a_file(template: str, password: str) -> None:
    if template in NO_SEPARATOR:  # an @ in the password would be the one that separates it from a host
        password = password.replace("@", "")
    address = template.replace("{}", password)
    shown = parse(address)
    assert not [chunk for chunk in CHUNKS if chunk in shown]
    found: DatabaseAddress | StoreRefused
    try:
        found = DatabaseAddress.parse(address)
    except StoreRefused as error:
        found = error
    if isinstance(found, DatabaseAddress):
        assert found.file is None
    else:
        assert "\n" not in str(found)
        assert found.__cause__ is None
        assert found.__context__ is None or found.__suppress_context__


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEMPLATES[:6] + TEMPLATES[25:29]), PASSWORDS)
def test_an_accepted_address_has_the_parts_that_libpq_finds_in_it(template: str, password: str) -> None:
    try:
        address = DatabaseAddress.parse(template.replace("{}", password))
    except StoreRefused:
        return
    try:
        parsed = conninfo_to_dict(address.text)
    except ProgrammingError:
        return  # an option that it does not know: refused when it is opened
    assert str(parsed.get("password")).replace("'", "").startswith(CHUNKS[0])
    assert str(parsed.get("host", "127.0.0.1")).startswith(("127.0.0.1", "/nowhere"))
    assert parsed.get("user", "me") == "me"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@db.example.org:5432/jobs", "postgresql://me@db.example.org:5432/jobs"),
        ("postgres://me:p%40%25@[::1]:5432/jobs?sslmode=require", "postgres://me@[::1]:5432/jobs?sslmode=require"),
        ("postgresql://%2Fvar%2Frun/jobs", "postgresql:///var/run/jobs"),
        ("postgresql:///jobs?host=/tmp&password=hidden&passfile=/x&sslpassword=y", "postgresql:///jobs?host=/tmp"),
        ("postgresql://me%40org:x@a:1,b:2/jobs", "postgresql://me@org@a:1,b:2/jobs"),
        ("host=db.example.org user=me password=secret dbname=jobs", "postgresql://me@db.example.org/jobs"),
        ("host=/tmp dbname='my jobs' password='it''s'", "is not a valid database address"),
        ("host=/tmp port=5433 dbname='my jobs' password='it\\'s'", "postgresql:///my jobs?host=/tmp&port=5433"),
        ("user = me host = ::1 port = 5433", "postgresql://me@[::1]:5433/"),
        ("service=production", "postgresql:///?service=production"),
    ],
)
def test_the_address_of_a_server_is_shown_as_a_url_without_its_password(text: str, shown: str) -> None:
    assert shown in parse(text)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("jobs.db", "jobs.db"),
        ("/var/lib/jobs.db", "/var/lib/jobs.db"),
        ("sqlite:///jobs.db", "jobs.db"),
        ("sqlite:////var/jobs.db", "/var/jobs.db"),
        ("x=1.db", "x=1.db"),
        ("ann@home/jobs.db", "ann@home/jobs.db"),
        ("./host=db password=x", "host=db password=x"),
        ("./a:b@c/jobs.db", "a:b@c/jobs.db"),
        ("/a:b@c/jobs.db", "/a:b@c/jobs.db"),
    ],
)
def test_a_path_stays_a_path(text: str, file: str) -> None:
    assert DatabaseAddress.parse(text).file == Path(file)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("postgresql+psycopg://me:x@h/jobs", "it must start with postgresql://"),
        ("postgresql://me:1%2@h/jobs", "write %25 for a % in the password"),
        ("postgresql://me:1%ff@h/jobs", "write %25 for a % in the password"),
        ("postgresql://me:1@2@h/jobs", "write @ in a user name or password as %40"),
        ("postgresql://me:1/2@h/jobs", "/ as %2F"),
        ("postgresql://me:1:h/jobs", "its host or port is malformed"),
        ("postgresql://h/jobs?password=1&2", "write & in a value as %26"),
        ("host=h password=1 2", "put a value with blanks in single quotes"),
        ("me:x@h/jobs", "write postgresql://user:password@host/database"),
        ("sqlite:jobs.db", "write sqlite:///path"),
        ("sqlite+aiosqlite:///jobs.db", "it must start with sqlite:///"),
        ("mysql://h/jobs", "names a mysql database, and this jobdeck works on SQLite and PostgreSQL"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, advice: str) -> None:
    assert advice in parse(text)


def test_a_message_that_quotes_a_command_line_loses_its_passwords() -> None:
    assert redact("No such command 'postgresql://me:se@cret@h/jobs'.") == "No such command 'postgresql://me:…@h/jobs'."
    assert redact("postgresql:/me:secret@h is no folder") == "postgresql:/me:…@h is no folder"
    assert redact("host=h password='se cret' user=me") == "host=h password=… user=me"
    assert redact("Job 7 to ann@example.org: state:failed") == "Job 7 to ann@example.org: state:failed"
    assert redact("postgresql://me@h/jobs cannot be reached") == "postgresql://me@h/jobs cannot be reached"
