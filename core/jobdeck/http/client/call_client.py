"""Makes calls on a server, and turns its answers into records and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from ...clock import time
from ...model.errors import JobdeckError, StoreBusy, StoreFailed, StoreRefused, StoreUnreachable
from ..calls.about import PROTOCOL, About
from ..wire import encode, reader_of
from .connection import Answer, ServerConnections

_PATH = "/api/v1/calls/"
_NO_SERVER = "is no HTTP API of jobdeck that this version knows; check the address"


class CallClient:
    """Makes calls on a server. Use it from any thread."""

    def __init__(self, address: str, token: str) -> None:
        """Connect, and check that the server is one of this version.

        Raises:
            StoreUnreachable: the server cannot be reached.
            StoreRefused: it is no server of jobdeck, of another version, or does not accept the token.
            InvalidOption: the token cannot be one.
        """
        self.address = address
        self._has_token = bool(token)
        self._connections = ServerConnections(address, token)
        started = time.time()
        try:
            self.about = self._ask_about()
        except JobdeckError:
            self.close()
            raise
        self.ahead = self.about.now - (started + time.time()) / 2
        """Seconds by which the clock of the server is ahead of that of this machine."""

    def call(self, name: str, expected: Any, arguments: Mapping[str, Any], *, changes: bool) -> Any:
        """Make a call, and return its answer as the expected type.

        Args:
            name: the call.
            expected: the type of its answer.
            arguments: its arguments.
            changes: whether it changes something, so that it must not be sent twice.

        Raises:
            JobdeckError: as the same method of a queue that is open here.
            StoreUnreachable: the server cannot be reached.
            StoreRefused: it does not accept the token, or answers what this version does not understand.
            StoreBusy: it has too much to do.
        """
        return self._read(expected, self._document(name, arguments, changes=changes))

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _ask_about(self) -> About:
        document = self._document("about", {}, changes=False)
        if isinstance(document, dict) and document.get("protocol") not in (None, PROTOCOL):
            ours = f"this is version {PROTOCOL}"
            problem = f"runs jobdeck {document.get('version')}, whose calls have version {document['protocol']}, and {ours}"
            raise StoreRefused(self.address, f"{problem}; install the same jobdeck on both sides")
        about: About = self._read(About, document)
        return about

    def _document(self, name: str, arguments: Mapping[str, Any], *, changes: bool) -> Any:
        body = json.dumps(encode(arguments), separators=(",", ":")).encode()
        answer = self._connections.post(_PATH + name, body, changes=changes)
        if answer.status != 200:
            self._fail(answer)
        if answer.media_type != "application/json":
            raise StoreRefused(self.address, _NO_SERVER)
        return self._parsed(answer)

    def _parsed(self, answer: Answer) -> Any:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise StoreRefused(self.address, _NO_SERVER) from None

    def _read(self, expected: Any, document: Any) -> Any:
        try:
            return reader_of(expected)(document)
        except (ValueError, TypeError, KeyError, AttributeError):
            problem = "answers what this version of jobdeck does not understand; install the same jobdeck on both sides"
            raise StoreRefused(self.address, problem) from None

    def _fail(self, answer: Answer) -> NoReturn:
        if answer.media_type != "application/problem+json":
            self._fail_without_reason(answer)
        problem = self._parsed(answer)
        if not isinstance(problem, dict):
            raise StoreRefused(self.address, _NO_SERVER)
        if (cause := problem.get("cause")) is not None:
            raise self._error(cause)
        detail = str(problem.get("detail", "")).rstrip(".")
        match answer.status:
            case 401 if self._has_token:
                does = "does not accept the token; `jobdeck token add` on its machine makes one"
            case 401:
                does = "requires a token; set JOBDECK_TOKEN, or give --token-file"
            case 403 if "scope" in problem and not self._has_token:
                does = f"refuses this: {_lowered(detail)}; set JOBDECK_TOKEN, or give --token-file"
            case 403 | 421:
                does = f"refuses this: {_lowered(detail)}"
            case 404:
                does = _NO_SERVER
            case 429 | 503:
                raise StoreFailed(self.address, f"{_lowered(detail)}")
            case _:
                does = f"could not do this: {_lowered(detail)}" if detail else f"answers with the status {answer.status}"
        raise StoreRefused(self.address, does)

    def _error(self, cause: Any) -> JobdeckError:
        error: JobdeckError = self._read(JobdeckError, cause)
        if isinstance(error, (StoreBusy, StoreFailed, StoreRefused)):
            error.where = self.address
        return error

    def _fail_without_reason(self, answer: Answer) -> NoReturn:
        if 300 <= answer.status < 400 and answer.location is not None:
            to = answer.location.partition(_PATH)[0]
            raise StoreRefused(self.address, f"redirects to {to}; use that address")
        if answer.status in (502, 503, 504):
            raise StoreUnreachable(
                self.address, f"a proxy answers with the status {answer.status}; see whether the server runs"
            )
        if answer.status in (401, 403):
            raise StoreRefused(self.address, f"answers with the status {answer.status}, and is no server of jobdeck; check it")
        raise StoreRefused(self.address, _NO_SERVER)


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
