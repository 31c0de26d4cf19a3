"""Which queues are in use, for commands on a queue that need none: a mistyped name would be one more queue without jobs."""

from __future__ import annotations

from jobdeck import Queue, did_you_mean

from ..text.sanitize import safe
from .common import print_error


def queue_is_new(queue: Queue, name: str, *, only_if_similar: bool = False) -> str:
    """Return a sentence about a queue that nothing uses, with the name that may be meant; an empty text if something does.

    Call it before the queue is paused or limited, since it is listed from then on.

    Args:
        queue: the open database.
        name: the name of the queue.
        only_if_similar: whether a new name is usual, and worth a sentence only if it looks like one in use.
    """
    known = {each.name for each in queue.queues()}
    if name not in known:
        known.update(used for worker in queue.workers.list() for used in worker.queues or ())
        known.update(schedule.queue for schedule in queue.schedules.list())
    meant = did_you_mean(name, known)
    if name in known or (only_if_similar and not meant):
        return ""
    return f"No job, worker or schedule uses queue {safe(name)!r} yet{meant or '.'}"


def warn_if_new(sentence: str) -> None:
    """Print the sentence of `queue_is_new`, if there is one, on standard error: the command has done what it was told."""
    if sentence:
        print_error(sentence)
