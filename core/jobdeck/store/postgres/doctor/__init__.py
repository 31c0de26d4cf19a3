"""A checkup of a queue on a server, which changes nothing there: how it is reached, and in which order it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from ....clock import Clock
from ....model.errors import StoreError
from ....model.findings import Finding, Severity
from ....settings import Settings
from ..dsn import Address
from ..errors import ErrorTranslator, error_text
from ..raw_connection import connect
from ..schema import check_server, newest_schema, schema_of
from .context import Check, CheckContext
from .data_checks import CONTENTS
from .server_checks import AROUND, SERVER


def run_checks(where: str, settings: Settings, clock: Clock | None, *, full: bool) -> Sequence[Finding]:
    """Look the queue over. Whatever is wrong with it is a finding, never an error; but for an address that is none.

    Args:
        where: the address.
        settings: how jobdeck is set up here.
        clock: by which the queue's times are told; the server's when `None`.
        full: compare indexes with their tables, where the server can.

    Raises:
        StoreRefused: it is no address.
    """
    address = Address.read(where)
    try:
        raw = connect(address, settings.synchronous)
    except psycopg.OperationalError as error:
        text = f"{address.shown} cannot be reached: {error_text(error)}."
        return [Finding("database", Severity.PROBLEM, text, "See that the server runs, and that the address is right.")]
    try:
        return [*_Examination(address.shown, CheckContext(raw, settings, clock, full)).findings()]
    finally:
        raw.close()


@dataclass
class _Examination:
    where: str
    context: CheckContext

    def findings(self) -> Iterator[Finding]:
        """All of them."""
        try:
            with ErrorTranslator(self.where):
                self.context.raw.execute("SET default_transaction_read_only = on")
                check_server(self.context.raw, self.where)
                schema = schema_of(self.context.raw, self.where)
        except StoreError as error:
            yield Finding("database", Severity.PROBLEM, str(error), _MEND)
            return
        yield from self._each(SERVER)
        if schema == 0:
            told = f"{self.where} holds no queue."
            yield Finding("database", Severity.PROBLEM, told, "The first job makes one; or the address names another database.")
        elif schema == newest_schema():
            yield Finding("schema", Severity.OK, f"Schema {schema}, the newest that this jobdeck knows.", "")
            yield from self._each(AROUND)
            yield from self._each(CONTENTS)
        else:
            told = f"Schema {schema}, and this jobdeck writes {newest_schema()}."
            yield Finding("schema", Severity.WARNING, told, "Opening the queue brings it up to date; make a copy first.")

    def _each(self, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
        """What the checks find. One that cannot be made is a finding, and stops no other."""
        for name, check in checks:
            try:
                with ErrorTranslator(self.where), self.context.raw.transaction():
                    self.context.begin()
                    found = [*check(self.context)]
            except StoreError as error:
                yield Finding(name, Severity.PROBLEM, f"This could not be looked at. {error}", _MEND)
                continue
            for severity, text, advice in found:
                yield Finding(name, severity, text, advice)


_MEND = "Mend that first; nothing was changed."
