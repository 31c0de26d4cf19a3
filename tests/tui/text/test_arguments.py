"""Arguments on screens and in editors: secrets are masked, and what was hidden is kept."""

from __future__ import annotations

import json

import pytest
from tests.core.helpers import NOON

from jobdeck import Job, State
from jobdeck_tui.feed.filter_completion import vocabulary_of
from jobdeck_tui.forms.cli_command import enqueue_command
from jobdeck_tui.forms.job_editing import arguments_of
from jobdeck_tui.text.arguments import shown_json
from jobdeck_tui.widgets.details.job_details import arguments
from jobdeck_tui.widgets.table.cells import format_arguments

ARGS = {"command": ["x"], "env": {"A_TOKEN": "hidden", "B": "2"}, "base_env": {"DB_PASSWORD": "hidden", "HOME": "/h"}}


@pytest.fixture
def job() -> Job:
    return Job(
        id=1, kind="shell:x", args_json=json.dumps(ARGS), queue="q", priority=0, state=State.PENDING, attempt=0,
        max_attempts=3, created_at=NOON, scheduled_at=NOON,
    )  # fmt: skip


def test_no_screen_shows_a_secret(job: Job) -> None:
    assert json.loads(shown_json(job.kind, job.args_json)) == {
        "command": ["x"], "env": {"A_TOKEN": "***", "B": "2"}, "base_env": "2 variables of the caller",
    }  # fmt: skip
    large = json.dumps({"command": [], "env": ARGS["env"], "pad": "x" * 30_000})
    shown = [str(arguments(job)), enqueue_command(job), str(vocabulary_of([job])), arguments_of(job).text]
    shown += [format_arguments("shell", large), format_arguments("shell", json.dumps(ARGS | {"command": 3}))]
    for text in shown:
        assert "hidden" not in text
    assert "--env A_TOKEN --env B=2" in enqueue_command(job)


def test_an_edit_keeps_what_the_editor_does_not_show(job: Job) -> None:
    document = arguments_of(job)
    assert json.loads(document.text) == {"command": ["x"], "env": {"A_TOKEN": "***", "B": "2"}}
    assert document.read(document.text) == {}
    assert document.read(document.text.replace('"2"', '"3"')) == {
        "args": ARGS | {"env": {"A_TOKEN": "hidden", "B": "3"}},
    }
