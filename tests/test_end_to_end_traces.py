"""A trace across processes: a program that enqueues, and a worker that it did not start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.core.tracing.spans import Spans, parent_id, span_id, spans, trace_id
from tests.tui.cli_runner import command

from jobdeck import Job, Queue, add_shell, load_apps
from jobdeck.kinds.registry import REGISTRY

__all__ = ["spans"]

TASKS = Path(__file__).parent / "core" / "traced_kinds.py"


def hexadecimal(text: str) -> str:
    return f"0x{text}"


def test_a_trace_leads_from_a_program_through_the_attempts_in_a_worker_to_the_commands_and_jobs_of_these(
    tmp_path: Path, spans: Spans
) -> None:
    load_apps([str(TASKS)])
    if "shell" not in REGISTRY:
        add_shell(REGISTRY)
    database, file = tmp_path / "jobs.db", tmp_path / "spans.jsonl"
    enqueue = " ".join(f"'{word}'" for word in command("--db", str(database), "run", "--", "true"))
    with Queue(database) as queue:
        with spans.request() as request:
            twice = queue.enqueue("traced.see", {"fail": True}, backoff=(0.01, 0.01))
            follow = queue.enqueue("traced.follow", {"database": str(database)})
            shell = queue.enqueue("shell", {"command": ["sh", "-c", f"echo $TRACEPARENT; {enqueue}"], "env": _path()})
        environment = {**os.environ, "TRACED_SPANS": str(file), "TRACEPARENT": "00-" + "1" * 32 + "-" + "1" * 16 + "-01"}
        worker = subprocess.Popen(
            command("--db", str(database), "--app", str(TASKS), "worker", "--threads", "2"),
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            for each in (twice, follow, shell):
                assert queue.wait(each.id, timeout=30, every=0.01).state == "completed", queue.attempts(each.id)
            (followed,) = queue.list("kind:traced.see id>3")
            (inner,) = queue.list("kind:shell:true")
            queue.wait(followed.id, timeout=30, every=0.01)
            queue.wait(inner.id, timeout=30, every=0.01)
        finally:
            worker.terminate()
            _, log = worker.communicate(timeout=20)
        assert "Traceback" not in log
        found = [json.loads(line) for line in file.read_text().splitlines()]
        attempts = _attempts(found, twice)
        sent = {span.attributes["messaging.message.id"]: span for span in spans.named("send default") if span.attributes}
        assert [each["attributes"]["jobdeck.job.outcome"] for each in attempts] == ["failed", "completed"]
        assert {each["parent_id"] for each in attempts} == {hexadecimal(span_id(sent[str(twice.id)]))}
        assert [link["context"]["span_id"] for each in attempts for link in each["links"]] == [
            hexadecimal(span_id(sent[str(twice.id)]))
        ] * 2
        assert [parent_id(span) for span in sent.values()] == [span_id(request)] * 3

        # The job of the handler descends from its attempt; the command, and the job that it enqueues, from theirs.
        (attempt,) = _attempts(found, follow)
        (sending,) = [each for each in found if each["name"].startswith("send")]
        assert sending["parent_id"] == attempt["context"]["span_id"]
        assert followed.traceparent is not None
        assert hexadecimal(followed.traceparent.split("-")[2]) == sending["context"]["span_id"]
        (attempt,) = _attempts(found, shell)
        in_command = queue.logs(shell.id)[0].text
        assert inner.traceparent == in_command
        assert hexadecimal(in_command.split("-")[2]) == attempt["context"]["span_id"]
        assert {each["context"]["trace_id"] for each in found} == {hexadecimal(trace_id(request))}
        assert {each.trace_id for each in queue.list("id>0")} == {trace_id(request)}


def _path() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(sys.path)}


def _attempts(found: list[dict[str, Any]], job: Job) -> list[dict[str, Any]]:
    own = [
        each
        for each in found
        if each["name"].startswith("process") and each["attributes"]["messaging.message.id"] == str(job.id)
    ]
    return sorted(own, key=lambda each: str(each["start_time"]))
