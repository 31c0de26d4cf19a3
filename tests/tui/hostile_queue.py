"""A queue in which every user-supplied text contains control sequences or markup."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

from tests.core.helpers import new

from jobdeck import Interrupted, NewJob, Queue, Registry, Settings, StoreError, WorkerInfo
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.store.claim_capacity import ClaimRequest

MARK = "h0stile"
"""Part of every text, to check that the text was shown."""
BIG = 10_000_000
FAMILY = "👩\u200d👩\u200d👧\u200d👦"

TEXTS = {
    "escape": f"{MARK}\x1b[31;5m\x1b[2J\x1b[1;1H\x1b]0;{MARK}\x07\x1bc",
    "link": f"\x1b]8;;https://evil.example\x1b\\{MARK}\x1b]8;;\x1b\\",
    "clipboard": f"{MARK}\x1b]52;c;ZXZpbA==\x07",
    "C1": f"{MARK}\x9b31m\x90q\x9c\x9d0;title\x9c\x85",
    "bidi": f"{MARK}\u202egnp.exe\u202c\u2066x\u2069\u200f\u061c",
    "NUL": f"{MARK}\x00a\x00b",
    "surrogate": f"{MARK}\ud800\udfff",
    "closing tag": f"{MARK}[/][/red][/]",
    "markup": f"{MARK}[red]x[blink]y[@click=app.exit]z[/]",
    "brackets": f"{MARK}[[[[\\[",
    "backspaces": f"{MARK}\b\b\b\x7f\x7f\r\n\v\f\t",
    "zero width": f"\u200b\u2060\ufeff{MARK}\u00ad\u034f",
    "emoji": f"{MARK}{FAMILY * 25}",
    "zalgo": MARK + "e" + "\u0301" * 500,
    "separators": f"{MARK}\u2028\u2029\x1c\x1d\x1e",
    "private": f"{MARK}\ue000\uffff\U000e0041\U0010ffff",
}


def fill(path: Path, *, big: bool = True) -> None:
    """Create the queue."""
    with Queue(path, registry=Registry(), settings=Settings(synchronous="OFF", max_args_bytes=BIG * 2)) as queue:
        for text in TEXTS.values():
            with contextlib.suppress(StoreError):  # the store rejects it, so it cannot occur
                queue.store.queues.pause(text)
            with contextlib.suppress(Exception):
                queue.schedules.add(text[:40], "0 4 * * *", "shell", {"command": [text]})
            _jobs(queue, text)
            _worker(queue, text)
        if big:
            _big(queue)


def _big(queue: Queue) -> None:
    """Create jobs with ten megabytes of arguments, of an error, of a log and of a result."""
    text = f"{MARK}\x1b[31m漢" * (BIG // 16)
    store, now = queue.store, queue.clock.now()
    store.enqueuer.enqueue([new(kind="big", args_json=json.dumps({"text": text}, ensure_ascii=False))])
    store.enqueuer.enqueue([new(kind="big", priority=9 - n) for n in range(3)])
    failed, logged, done = store.claimer.claim(ClaimRequest("worker", 3, kinds={"big"}, queues=(), lease=600.0))
    store.completer.fail([Failed(failed, now, now, None, "Big", text, text)])
    store.logs.append([(logged.id, 1, now, "out", text), (logged.id, 1, now, "out", "line\n" * 1000)], 1 << 25)
    store.completer.complete([Completed(done, now, now, json.dumps({"result": text}, ensure_ascii=False))])


def _jobs(queue: Queue, text: str) -> None:
    """Create a pending, a failed, a completed and a running job."""
    args = json.dumps({"text": text, text[:100]: [text[:1000], {"deep": text[:1000]}]})
    plain = new(kind="shell", args_json=json.dumps({"command": [text]}), priority=9)
    drafts = [new(args_json=args, priority=9) for _ in range(3)] + [plain]
    for at in range(3):
        drafts[at] = _dressed(queue, drafts[at], text, f"{text}{at}")
    store = queue.store
    for draft in drafts:
        with contextlib.suppress(StoreError):
            store.enqueuer.enqueue([draft])
    with contextlib.suppress(StoreError):
        store.enqueuer.enqueue_batch(text, [new(), new()])
    kinds = {job.kind for job in queue.list(limit=1000)}
    claimed = []
    for worker in (text[:1000], "worker"):
        with contextlib.suppress(StoreError):
            claimed += store.claimer.claim(ClaimRequest(worker, 3, kinds=kinds, queues=(), lease=600.0))
            break
    now = queue.clock.now()
    for n, job in enumerate(claimed):
        with contextlib.suppress(StoreError):
            store.logs.append([(job.id, job.attempt, now, "info", text), (job.id, job.attempt, now, "out", text)], 1 << 25)
        trace = f'Traceback (most recent call last):\n  File "{text[:1000]}", line 1, in {text[:1000]}\n    {text}\n{text}'
        if n == 0:
            with contextlib.suppress(StoreError):
                store.completer.fail([Failed(job, now, now, None, text[:1000], text, trace)])
        elif n == 1:
            with contextlib.suppress(StoreError):
                store.completer.complete([Completed(job, now, now, json.dumps({"result": text}))])


def _dressed(queue: Queue, draft: NewJob, text: str, key: str) -> NewJob:
    """Return a new job with the text in every field that the store accepts."""
    for field, value in (("kind", text), ("queue", text), ("tags", (text,)), ("unique_key", key)):
        tried = replace(draft, **{field: value})
        try:
            with queue.store.transaction():
                queue.store.enqueuer.enqueue([tried])
                raise Interrupted  # it was only a trial
        except Interrupted:
            draft = tried
        except StoreError:
            pass  # the store rejects it, so it cannot occur
    return draft


def _worker(queue: Queue, text: str) -> None:
    info = WorkerInfo(
        id=text, host=text, pid=1, threads=4, queues=(text,), started_at=queue.clock.now(), heartbeat_at=0.0, draining=False,
        running=0, alive=True, kinds=(text,),
    )  # fmt: skip
    with contextlib.suppress(StoreError):
        queue.store.workers.report(info)
