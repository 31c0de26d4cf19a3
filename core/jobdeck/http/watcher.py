"""Follow the queue for everyone who waits: one thread reads, whatever the number of open streams and long polls.

Each waiting request is a probe. The thread reads for a probe only if the database has changed since it last did, and hands
over what it found to the event loop. Without a probe it sleeps.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from ..logs import get_logger
from ..model.errors import JobdeckError, JobNotFound
from ..model.events import MAX_EVENTS, Event
from ..model.jobs import LogLine
from ..model.record_class import record
from ..model.states import FINAL, State
from ..queue import Queue

T = TypeVar("T")

logger = get_logger("jobdeck.http")

_EVERY = 0.1
"""Seconds between two looks at the database."""
_PAUSE = 3.0
"""The pause after a look, as a multiple of its duration: however busy the queue, the thread takes a quarter of a core."""
_OVERLAP = 5.0
"""Seconds that are read again to find events that were stored late."""
_BUFFERED = 2 * MAX_EVENTS
"""Items that a stream may lag behind before it is ended."""
_LINGER = 60.0
"""Seconds for which events are still read after the last stream ended, so that it can be resumed without a gap."""
_PRIMED_WITHIN = 10.0
"""Seconds within which the database must answer for a stream to begin."""
_LINES = 1_000
"""Log lines read at once."""

MAX_STREAMS = 1_000
"""The number of open streams and long polls."""


class Probe(ABC):
    """Something to read whenever the database has changed."""

    version: object = None
    """The version of the database when it was last read."""
    fresh = True
    """`True` if it has never been read."""

    @abstractmethod
    def poll(self, queue: Queue) -> bool:
        """Read, on the watcher's thread, and hand over what is new; return whether to read again without waiting."""


class Watcher:
    """Reads the queue on one thread for all probes. Its methods are called on the event loop."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._probes: set[Probe] = set()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channels: set[Channel[Any]] = set()
        self.events = EventHub(self)
        self._failed = False

    @property
    def open(self) -> int:
        """The number of open streams and long polls."""
        return len(self._channels)

    def start(self) -> None:
        """Start the thread. Called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="jobdeck-http-watch", daemon=True)
        self._thread.start()

    def end_streams(self) -> None:
        """End all streams and long polls, now and from now on: the server shuts down."""
        self._closing = True
        for channel in [*self._channels]:
            channel.end()

    def close(self) -> None:
        """Stop the thread."""
        self.end_streams()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(5)

    def open_channel(self) -> Channel[Any]:
        """Return a channel for a stream or a long poll; it has ended already if the server shuts down."""
        channel = Channel[Any](self)
        if self._closing:
            channel.end()
        return channel

    def register(self, channel: Channel[Any]) -> None:
        """Count a channel."""
        self._channels.add(channel)

    def forget(self, channel: Channel[Any]) -> None:
        """Count a channel no longer."""
        self._channels.discard(channel)

    def add(self, probe: Probe) -> None:
        """Read for the probe from now on."""
        with self._changed:
            self._probes.add(probe)
            self._changed.notify_all()

    def remove(self, probe: Probe) -> None:
        """Read for the probe no longer."""
        with self._changed:
            self._probes.discard(probe)

    def on_loop(self, call: Callable[..., object], *args: object) -> None:
        """Call a function on the event loop, from the thread."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop has ended
            self._closing = True

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                while not self._probes and not self._closing:
                    self._changed.wait()
                probes = [*self._probes]
            started = time.monotonic()
            if not self._poll(probes):
                time.sleep(max(_EVERY, _PAUSE * (time.monotonic() - started)))

    def _poll(self, probes: Iterable[Probe]) -> bool:
        again = False
        try:
            version = self._queue.version()
            for probe in probes:
                if probe.fresh or version is None or probe.version != version:
                    probe.fresh, probe.version = False, version
                    if probe.poll(self._queue):
                        probe.fresh = again = True
            self._failed = False
        except JobdeckError as error:
            for probe in probes:
                probe.fresh = True
            if not self._failed:
                logger.warning("Streams wait for the database: %s", error)
            self._failed = True
        except Exception:
            logger.exception("A stream could not be served")
        return again


class Channel(Generic[T]):
    """The source that a stream reads from. Used on the event loop only."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._items: deque[T] = deque()
        self._ready = asyncio.Event()
        self.ended = False
        watcher.register(self)

    def put(self, items: Iterable[T]) -> None:
        """Add items; a stream whose reader lags too far behind is ended."""
        if not self.ended:
            self._items.extend(items)
            if len(self._items) > _BUFFERED:
                self._items.clear()
                self.end()
            self._ready.set()

    def end(self) -> None:
        """End the stream, after what is in it."""
        self.ended = True
        self._ready.set()

    def close(self) -> None:
        """Forget the channel: its reader has gone."""
        self.ended = True
        self._watcher.forget(self)

    @property
    def waiting(self) -> int:
        """The number of items that were not read."""
        return len(self._items)

    async def take(self, timeout: float) -> list[T] | None:
        """Return the items, at least one; none after `timeout` seconds; `None` at the end of the stream."""
        if not self._items and not self.ended:
            self._ready.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._ready.wait()
            except TimeoutError:
                return []
        if self._items:
            items = [*self._items]
            self._items.clear()
            return items
        return None


class Wait(Probe):
    """Waits until something holds."""

    def __init__(self, watcher: Watcher, holds: Callable[[Queue], bool]) -> None:
        self._watcher = watcher
        self._holds = holds
        self._channel: Channel[bool] = watcher.open_channel()

    def poll(self, queue: Queue) -> bool:
        if self._holds(queue):
            self._watcher.on_loop(self._channel.put, (True,))
        return False

    async def until(self, timeout: float) -> None:
        """Return when it holds, after `timeout` seconds, or when the server shuts down."""
        self._watcher.add(self)
        try:
            await self._channel.take(timeout)
        finally:
            self._watcher.remove(self)
            self._channel.close()


class LogTail(Probe):
    """Follows the log of a job."""

    def __init__(self, watcher: Watcher, job_id: int, after: int, attempt: int | None) -> None:
        self._watcher = watcher
        self._job_id = job_id
        self._after = after
        self._attempt = attempt
        self.channel: Channel[LogLine | State] = watcher.open_channel()

    def poll(self, queue: Queue) -> bool:
        if self.channel.waiting > 2 * _LINES:  # the reader is slow: what is stored waits for it
            self.fresh = True
            return False
        try:
            # The state first: a final job has stored its whole log.
            state = queue.get(self._job_id).state
            lines = queue.logs(self._job_id, attempt=self._attempt, after=self._after, limit=_LINES, oldest=True)
        except JobNotFound:
            self._watcher.on_loop(self.channel.end)
            return False
        if lines:
            self._after = lines[-1].id
            self._watcher.on_loop(self.channel.put, lines)
        if len(lines) >= _LINES:
            return True
        if state in FINAL:
            self._watcher.on_loop(self.channel.put, (state,))
            self._watcher.on_loop(self.channel.end)
        return False


@record
class Gap:
    """In place of events that came faster than they could be read."""


class EventHub(Probe):
    """Reads events once for all streams."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._channels: set[Channel[Event | Gap]] = set()
        self._recent: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._known: set[str] = set()
        self._newest: float | None = None
        self._idle_since: float | None = None
        self._watching = False
        self._primed = asyncio.Event()

    async def subscribe(self) -> Channel[Event | Gap]:
        """Return a channel for the events from now on.

        Raises:
            TimeoutError: the database did not answer in time.
        """
        channel: Channel[Event | Gap] = self._watcher.open_channel()
        self._channels.add(channel)
        self._idle_since = None
        if not self._watching:
            self._watching = True
            self._recent.clear()
            self._newest = None
            self.fresh = True
            self._primed.clear()
            self._watcher.add(self)
        try:
            async with asyncio.timeout(_PRIMED_WITHIN):
                await self._primed.wait()
        except BaseException:
            self.unsubscribe(channel)
            raise
        return channel

    def unsubscribe(self, channel: Channel[Event | Gap]) -> None:
        """Close the channel."""
        channel.close()
        self._channels.discard(channel)
        if not self._channels:
            self._idle_since = time.monotonic()

    def since(self, key: str) -> list[Event] | None:
        """Return the events after the one with this key, in the order in which they were found; `None` if it is unknown."""
        found: list[Event] = []
        for event in reversed(self._recent):
            if event.key == key:
                return found[::-1]
            found.append(event)
        return None

    def poll(self, queue: Queue) -> bool:
        if self._idle_since is not None and time.monotonic() - self._idle_since > _LINGER:
            self._watcher.on_loop(self._rest)
            return False
        if self._newest is None:
            newest = queue.history.events(limit=1)
            self._newest = newest[0].at if newest else 0.0
            self._known = {event.key for event in queue.history.events(after=self._newest - _OVERLAP, limit=MAX_EVENTS)}
            self._watcher.on_loop(self._primed.set)
            return False
        events = queue.history.events(after=self._newest - _OVERLAP, limit=MAX_EVENTS)
        new = [event for event in events if event.key not in self._known]
        if len(new) >= MAX_EVENTS:
            self._watcher.on_loop(self._report_gap)
        self._known = {event.key for event in events}
        if new:
            self._newest = max(self._newest, new[-1].at)
            self._watcher.on_loop(self._deliver, new)
        return False

    def _report_gap(self) -> None:
        self._recent.clear()
        for channel in self._channels:
            channel.put([Gap()])

    def _deliver(self, events: list[Event]) -> None:
        self._recent.extend(events)
        for channel in self._channels:
            channel.put(events)

    def _rest(self) -> None:
        if not self._channels:
            self._watching = False
            self._watcher.remove(self)
