"""What of an environment is carried to a command, and which values are masked."""

from __future__ import annotations

import json

import pytest

from jobdeck import carried_environment, is_secret, mask_arguments, mask_arguments_json, mask_value, restore_arguments

ARGS = {
    "command": ["x"],
    "env": {"A_TOKEN": "one", "PLAIN": "two"},
    "base_env": {"DB_PASSWORD": "three", "URL": "https://ann:four@host/x", "HOME": "/h"},
}
SHOWN = {
    "command": ["x"],
    "env": {"A_TOKEN": "***", "PLAIN": "two"},
    "base_env": {"DB_PASSWORD": "***", "URL": "https://ann:***@host/x", "HOME": "/h"},
}


def test_the_session_of_the_caller_is_not_carried() -> None:
    own = {"PATH": "/bin", "HOME": "/h", "LANG": "C", "VIRTUAL_ENV": "/v", "MY_TERM": "x"}
    session = {"TERM": "x", "TERM_PROGRAM": "x", "PWD": "/x", "DISPLAY": ":0", "SSH_AUTH_SOCK": "/s", "XDG_SESSION_ID": "1"}
    assert carried_environment({**own, **session, "JOBDECK_JOB_ID": "7"}) == own
    assert carried_environment(own, minimal=True) == {"PATH": "/bin", "HOME": "/h", "LANG": "C"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "API_TOKEN",
            "token",
            "CLIENT_SECRET",
            "DB_PASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
            "DB_PASS",
            "SSH_KEY",
            "AWS_ACCESS_KEY_ID",
        ),
        *("GOOGLE_APPLICATION_CREDENTIALS", "NPM_AUTH", "COOKIE", "GITHUB_PAT", "SENTRY_DSN", "SIGNING_PASSPHRASE"),
    ],
)
def test_a_name_tells_a_secret(name: str) -> None:
    assert is_secret(name)
    assert mask_value(name, "x") == "***"


@pytest.mark.parametrize("name", ["PATH", "HOME", "GIT_AUTHOR_NAME", "PASSENGER", "COMPASS_URL", "PATTERN", "DSN_FORMAT"])
def test_other_names_are_shown(name: str) -> None:
    assert mask_value(name, "x") == "x"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://ann:pw@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("host=x password=pw user=y", "host=x password=*** user=y"),
        ("https://host/a:b@c", "https://host/a:b@c"),
        ("ann@example.org:pw@x", "ann@example.org:pw@x"),
        ("", ""),
    ],
)
def test_passwords_in_addresses_are_masked(value: str, shown: str) -> None:
    assert mask_value("WHERE", value) == shown


def test_secrets_in_the_environment_of_a_command_are_masked_and_those_of_other_kinds_are_not_variables() -> None:
    assert mask_arguments("shell:x", ARGS) == SHOWN
    assert mask_arguments("shell", {"command": ["x"], "env": {"A_KEY": 3}, "base_env": "text"})["base_env"] == "***"
    assert json.loads(mask_arguments_json("shell:x", json.dumps(ARGS))) == SHOWN
    assert mask_arguments("mail.send", {"env": {"A_TOKEN": "x"}}) == {"env": {"A_TOKEN": "x"}}


def test_masks_that_an_edit_leaves_are_the_secrets_again() -> None:
    edited = SHOWN | {"command": ["y"], "env": {"A_TOKEN": "***", "B_TOKEN": "new", "PLAIN": "***"}}
    assert restore_arguments(edited, ARGS) == ARGS | {
        "command": ["y"],
        "env": {"A_TOKEN": "one", "B_TOKEN": "new", "PLAIN": "***"},
    }
