"""The kinds of a queue: what may be enqueued, and with which arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .kinds.definition import Handler
from .kinds.registry import Entry, Registry
from .model.jobs import Kind
from .model.kind_names import SHELL


class KindCatalog:
    """`Queue.kinds`: lists and describes the kinds that may be enqueued. `shell` is always one of them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def list(self) -> Sequence[Kind]:
        """Return the kinds by name, with their arguments."""
        self._register_shell()
        return [self._registry.get(kind).describe() for kind in self._registry.kinds]

    def get(self, name: str) -> Kind:
        """Return a kind. Raises `UnknownKind`."""
        return self.find(name).describe()

    def argument_schema(self, name: str) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of a kind's arguments. Raises `UnknownKind`."""
        return self.find(name).arguments.json_schema()

    def find(self, kind: str | Handler) -> Entry:
        """Return the registry's entry of a kind, or of a handler. Raises `UnknownKind`."""
        if isinstance(kind, str) and kind not in self._registry:
            self._register_shell()
        return self._registry.get(kind if isinstance(kind, str) else self._registry.kind_of(kind))

    def _register_shell(self) -> None:
        if SHELL not in self._registry:
            from .execution.shell import add_shell  # imported late: a process that only inspects jobs needs no subprocesses

            add_shell(self._registry)
