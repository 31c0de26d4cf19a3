"""Counts the round trips between jobdeck and a PostgreSQL server, as a relay between them sees them."""

from __future__ import annotations

import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

_NAME = ".s.PGSQL.5432"


class RoundTrips:
    """A relay to a server, which counts how often a client speaks after the server did."""

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jdrt"))  # socket paths must be short
        self.total = 0
        """The number of round trips of all connections so far, those of connecting included.

        Notifications are not counted: nobody waits for the server's answer to them.
        """
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.folder / _NAME))
        self._listener.listen(20)
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """Yield a list that gets the number of round trips of the block at its end."""
        before, found = self.total, list[int]()
        yield found
        found.append(self.total - before)

    def close(self) -> None:
        """Break all connections, and remove the socket."""
        self._ours.close()
        self._thread.join(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _relay(self) -> None:
        others: dict[socket.socket, socket.socket] = {}
        clients, answered = set[socket.socket](), set[socket.socket]()
        while True:
            ready, _, _ = select.select([self._theirs, self._listener, *others], [], [])
            if self._theirs in ready:
                break
            for source in ready:
                if source is self._listener:
                    client, _ = self._listener.accept()
                    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    server.connect(str(self._server / _NAME))
                    others |= {client: server, server: client}
                    clients.add(client)
                    answered.add(client)
                elif source in others:
                    data = b""
                    with suppress(OSError):
                        data = source.recv(1 << 20)
                    target = others[source]
                    if not data:
                        for each in (source, target):
                            del others[each]
                            each.close()
                            clients.discard(each)
                        continue
                    if source in clients:
                        self.total += source in answered and b"pg_notify" not in data
                        answered.discard(source)
                    else:
                        answered.add(target)
                    with suppress(OSError):
                        target.sendall(data)
        for each in (*others, self._listener, self._theirs):
            each.close()


@contextmanager
def counting(address: str) -> Iterator[tuple[RoundTrips, str]]:
    """Yield a relay to the server of this URL, and the URL of the same database through it."""
    found = conninfo_to_dict(address)
    relay = RoundTrips(Path(str(found["host"])))
    try:
        yield relay, f"postgresql://jobdeck@/{found['dbname']}?host={relay.folder}"
    finally:
        relay.close()
