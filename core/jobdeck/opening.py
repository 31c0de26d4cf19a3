"""Opens a queue wherever it is: its database, or the API of its server. The only place that chooses between both."""

from __future__ import annotations

from pathlib import Path

from .model.address import DatabaseAddress
from .queue import Queue
from .settings import Settings


def open_queue(
    database: str | Path | None = None, *, settings: Settings | None = None, create: bool = True, readonly: bool = False
) -> Queue:
    """Open the queue at an address: that of a database as `Queue` takes it, or `http://host:port` of an HTTP API.

    A queue behind an API has the same methods, and returns the same records. What needs its database raises `StoreRefused`.

    Args:
        database: the address; JOBDECK_DATABASE if `None`.
        settings: read from the environment and `.env` if `None`; `token` is that of the API.
        create: create the database if it does not exist.
        readonly: only read.

    Raises:
        StoreRefused: the database cannot be used, or the server does not accept the token, or is of another version.
        StoreUnreachable: the server cannot be reached.
        InvalidSetting: an environment variable cannot be used.
    """
    settings = settings or Settings.load()
    text = str(database or settings.database)
    address = DatabaseAddress.parse(text)
    if not address.is_api:
        return Queue(text, settings=settings, create=create, readonly=readonly)
    from .http.client.remote_queue import RemoteQueue

    return RemoteQueue(address.text, settings=settings, readonly=readonly)
