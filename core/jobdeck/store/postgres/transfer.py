"""Copies a queue out of a PostgreSQL database, or into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from ..backend import SqlConnection, retried
from ..moved import REFUSED
from ..records import Row
from ..transfer import NUMBERED, TABLES, Table, Transfer
from .session import Session
from .sharded_counters import UNOWNED_SHARD

MOVED_STATE = "JDMOV"
"""The SQLSTATE of a write that a moved queue refuses."""
_WRITE_TO = {"jobdeck_counts": "jobdeck_stripes"}
_GUARDED = (*(_WRITE_TO.get(table.name, table.name) for table in TABLES), "jobdeck_workers")
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION jobdeck_refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', tg_argv[0] USING ERRCODE = '{MOVED_STATE}';
END $$
"""
_SEQUENCES = {name: f"pg_get_serial_sequence('{name}', 'id')" for name in NUMBERED} | {"jobdeck_jobs": "'jobdeck_job_ids'"}


class PostgresTransfer(Transfer):
    """Reads and writes all rows of one queue on a server."""

    _READ_FROM: ClassVar[Mapping[str, str]] = {
        "jobdeck_metrics": "(SELECT width, slot, queue, kind, measure, bucket, sum(n)::bigint AS n FROM jobdeck_metrics"
        " GROUP BY width, slot, queue, kind, measure, bucket) AS metrics"
    }

    def _insert(self, connection: Any, table: Table, rows: Sequence[Row]) -> None:
        session = cast("Session", connection)
        session.flush()
        target, columns = table.name, table.columns
        more: tuple[int, ...] = ()
        if table.name in _WRITE_TO:
            target, columns, more = _WRITE_TO[table.name], ("stripe", *table.columns), (UNOWNED_SHARD,)
        statement: Any = f"COPY {target} ({', '.join(columns)}) FROM STDIN"
        with session.raw.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row((*more, *row))

    def _empty(self, connection: SqlConnection, table: Table) -> None:
        connection.execute(f"DELETE FROM {_WRITE_TO.get(table.name, table.name)}")

    def highest_ids(self) -> Mapping[str, int]:
        with self._backend.read_transaction() as connection:
            return {
                name: int(connection.execute(f"SELECT coalesce(pg_sequence_last_value({_SEQUENCES[name]}), 0)").get)
                for name in NUMBERED
            }

    @retried
    def set_highest_ids(self, ids: Mapping[str, int]) -> None:
        with self._backend.write_transaction() as connection:
            for name, highest in ids.items():
                connection.execute(f"SELECT setval({_SEQUENCES[name]}, ?::bigint, ?::boolean)", (max(1, highest), highest > 0))

    def _refuse_writes(self, connection: Any, text: str) -> None:
        connection.execute(_FUNCTION)
        said = f"'{(REFUSED + text).replace(chr(39), 2 * chr(39))}'"
        for table in _GUARDED:
            connection.execute(
                f"CREATE TRIGGER jobdeck_moved BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION jobdeck_refuse_write({said})"
            )

    def _allow_writes(self, connection: SqlConnection) -> None:
        for table in _GUARDED:
            connection.execute(f"DROP TRIGGER IF EXISTS jobdeck_moved ON {table}")
