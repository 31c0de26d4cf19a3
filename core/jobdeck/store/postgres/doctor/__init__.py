"""Checks a queue on a server without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from ....clock import Clock
from ....model.errors import StoreError
from ....model.findings import Finding, Severity
from ....settings import Settings
from ...doctor import UNCHECKED, is_damaged
from ..dsn import Address
from ..errors import ErrorTranslator, error_text
from ..pooler import is_pooled
from ..raw_connection import connect
from ..schema import check_server, newest_schema, schema_of
from .context import Check, CheckContext
from .data_checks import CONTENTS, ROWS
from .server_checks import AROUND, SERVER


def run_checks(where: str, settings: Settings, clock: Clock | None, *, full: bool) -> Sequence[Finding]:
    """Check the queue. Every problem is a finding, never an error, except an invalid address.

    Args:
        where: the address.
        settings: the settings of jobdeck here.
        clock: the clock of the queue's times; the server's if `None`.
        full: compare indexes with their tables, if the server can.

    Raises:
        StoreRefused: the address is invalid.
    """
    address = Address.read(where)
    try:
        raw = connect(address, settings.synchronous)
    except psycopg.OperationalError as error:
        text = f"{address.shown} cannot be reached: {error_text(error)}."
        return [Finding("database", Severity.PROBLEM, text, "Check that the server runs, and that the address is right.")]
    try:
        context = CheckContext(raw, settings, clock, full, pooled=is_pooled(address.conninfo))
        return [*_Examination(address.shown, context).findings()]
    finally:
        raw.close()


@dataclass
class _Examination:
    where: str
    context: CheckContext

    def findings(self) -> Iterator[Finding]:
        """Run all checks."""
        try:
            with ErrorTranslator(self.where):
                self.context.raw.read_only = True
                check_server(self.context.raw, self.where)
                schema = schema_of(self.context.raw, self.where)
        except StoreError as error:
            yield Finding("database", Severity.PROBLEM, str(error), _MEND)
            return
        yield from self._each(SERVER)
        if schema == 0:
            text = f"{self.where} holds no queue."
            yield Finding(
                "database", Severity.PROBLEM, text, "The first job creates one; or the address names another database."
            )
        elif schema == newest_schema():
            yield Finding("schema", Severity.OK, f"Schema {schema}, the newest that this jobdeck knows.", "")
            yield from self._each(AROUND)
            rows = [*self._each(ROWS)]
            yield from rows
            if not is_damaged(rows):
                yield from self._each(CONTENTS)  # they compute with what the rows hold
        else:
            text = f"Schema {schema}, and this jobdeck writes {newest_schema()}."
            yield Finding("schema", Severity.WARNING, text, "Opening the queue migrates it; make a copy first.")

    def _each(self, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
        """Run the checks. A check that fails is a finding, and stops no other."""
        for name, check in checks:
            try:
                with ErrorTranslator(self.where), self.context.raw.transaction():
                    self.context.begin()
                    found = [*check(self.context)]
            except StoreError as error:
                yield Finding(name, Severity.PROBLEM, f"{UNCHECKED} {error}", _MEND)
                continue
            for severity, text, advice in found:
                yield Finding(name, severity, text, advice)


_MEND = "Fix that first; nothing was changed."
