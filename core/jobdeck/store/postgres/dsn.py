"""Parses the address of a PostgreSQL database: `postgresql://user@host/database?options=-csearch_path%3Dqueue`."""

from __future__ import annotations

from dataclasses import field

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ...model.address import DatabaseAddress
from ...model.errors import StoreRefused
from ...model.record_class import record

_DEFAULTS: dict[str, str | int | None] = {
    "application_name": "jobdeck",
    "connect_timeout": 10,
    # A server that stopped responding is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "client_encoding": "UTF8",
}


@record
class Address:
    """The address of a database."""

    conninfo: str = field(repr=False)
    """The address for libpq."""
    shown: str
    """The address without the password."""

    @classmethod
    def read(cls, where: str) -> Address:
        """Parse an address.

        Raises:
            StoreRefused: it cannot be parsed.
        """
        address = DatabaseAddress.parse(where)
        try:
            parsed = conninfo_to_dict(address.text)
        except (psycopg.Error, ValueError):  # its message quotes what may be a part of the password
            raise StoreRefused(
                address.shown,
                "is not a valid database address: it has an option that PostgreSQL's client library does not know",
            ) from None
        return cls(make_conninfo("", **(_DEFAULTS | parsed)), address.shown)
