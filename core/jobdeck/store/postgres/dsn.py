"""The address of a PostgreSQL database: `postgresql://user@host/database?options=-csearch_path%3Dqueue`."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ...model.errors import StoreRefused
from ..redact import without_password

_DEFAULTS: dict[str, str | int | None] = {
    "application_name": "jobdeck",
    "connect_timeout": 10,
    # A server that has gone without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "client_encoding": "UTF8",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is."""

    conninfo: str
    """As libpq reads it."""
    shown: str
    """For people: without the password."""

    @classmethod
    def read(cls, where: str) -> Address:
        """Read an address.

        Raises:
            StoreRefused: it cannot be read.
        """
        try:
            told = conninfo_to_dict(where)
        except psycopg.Error as error:
            problem = " ".join(str(error).split())
            raise StoreRefused(without_password(where), f"is not an address of a database ({problem})") from None
        return cls(make_conninfo("", **(_DEFAULTS | told)), without_password(where))
