"""Checks access: the caller of a request, the scope of an endpoint, and the hosts and pages that may call."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from ..model.kind_names import SHELL, handler_kind
from ..model.record_class import record
from .tokens import Scope, TokenFile

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

F = TypeVar("F", bound=Callable[..., object])

ANONYMOUS = frozenset({Scope.READ, Scope.ENQUEUE, Scope.OPERATE})
"""The scopes of a caller without a token, if none is required. Running commands always takes one: any user of the machine
can reach a port on its loopback address."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@record
class Caller:
    """The sender of a request."""

    name: str
    """The actor of its operations in the journal."""
    scopes: frozenset[Scope]


class Denied(Exception):
    """The request is refused; `status` is 401, 403 or 421."""

    def __init__(self, status: int, title: str, detail: str, *, scope: Scope | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.scope = scope


@dataclass(frozen=True)
class AccessPolicy:
    """Decides which requests are served."""

    tokens: TokenFile
    must_authenticate: bool
    """`True` if a token is required even if the file has none."""
    hosts: Collection[str] | None = LOOPBACK_NAMES
    """The names by which the server may be called; `None` for a Unix socket, which no browser can reach."""
    readonly: bool = False
    _lowered: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lowered", frozenset(host.lower() for host in self.hosts or ()))

    def check_origin(self, method: str, headers: Headers) -> None:
        """Refuse requests that a browser sends for a page of another site, or for another host name (DNS rebinding).

        Raises:
            Denied: with 421 or 403.
        """
        if self.hosts is None:
            return
        if not self._is_known(_host_of(headers.get("host", ""))):
            problem = "The Host header names another server; serve under that name with --allow-host."
            raise Denied(421, "Misdirected request", problem)
        if "origin" in headers and not self._is_known(_host_of(urlsplit(headers["origin"]).netloc)):
            raise Denied(403, "Cross-site request", "Pages of other sites may not use this API.")
        if is_cross_site(method, headers):
            raise Denied(403, "Cross-site request", "Pages of other sites may not use this API.")

    def authenticate(self, headers: Headers) -> Caller:
        """Return the sender of a request.

        Raises:
            Denied: with 401.
            TokenFileRefused: the token file cannot be used.
        """
        required = bool(self.tokens.tokens()) or self.must_authenticate
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if not kind:
            if required:
                raise Denied(401, "Token required", "Send a token in the header Authorization: Bearer TOKEN.")
            return Caller("http", ANONYMOUS)
        token = self.tokens.find(secret.strip()) if kind.lower() == "bearer" else None
        if token is None:
            raise Denied(401, "Token not accepted", "The token is unknown; `jobdeck token add` makes one.")
        return Caller(token.name, token.scopes)

    def _is_known(self, host: str) -> bool:
        return host in self._lowered


def is_cross_site(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a browser sends the request for a page of another site, unless its user follows a link to here.

    Args:
        method: the method of the request.
        headers: its headers, whose names are read in any case.
    """
    navigates = method in ("GET", "HEAD") and headers.get("Sec-Fetch-Mode") == "navigate"
    return headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not navigates


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def scope(needed: Scope) -> Callable[[F], F]:
    """Mark an endpoint with the scope that it needs. An endpoint without a mark is open to everyone."""

    def mark(endpoint: F) -> F:
        endpoint.__scope__ = needed  # type: ignore[attr-defined]
        return endpoint

    return mark


def scope_of(endpoint: object) -> Scope | None:
    """Return the scope that an endpoint needs."""
    found: Scope | None = getattr(endpoint, "__scope__", None)
    return found


def caller_of(request: Request) -> Caller:
    """Return the sender of a request that has been admitted."""
    caller: Caller = request.scope["jobdeck.caller"]
    return caller


def allow_kind(request: Request, kind: str) -> None:
    """Refuse the kind `shell` to callers without its scope. Raises `Denied` with 403."""
    if handler_kind(kind) == SHELL and Scope.SHELL not in caller_of(request).scopes:
        raise Denied(403, "Scope missing", "Jobs of the kind shell need a token with the scope shell.", scope=Scope.SHELL)


def _host_of(netloc: str) -> str:
    """Return the host of `host:port`, in lower case; empty if it is malformed."""
    if any(sign in netloc for sign in "@/?# \\"):
        return ""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
