"""`jobdeck --web`: serve the cockpit to browsers on this machine, through textual-serve.

A cockpit can enqueue commands, so anyone who reaches it can run programs as you. The server listens on the loopback
address only, rejects requests for any other host name (which stops DNS rebinding) and those that a browser sends for pages
of other sites, and serves everything below a secret path, unknown to other users of this machine and to other pages in your
browser.
"""

from __future__ import annotations

import os
import secrets
import shlex
import socket
import sys
from typing import TYPE_CHECKING

import click

from .common import CliContext, CommandError, read_token

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

HOST = "127.0.0.1"
PORT = 8000


def serve(front: CliContext, *, demo: bool = False, tour: str = "") -> None:
    """Serve until SIGINT or SIGTERM. Each open page has its own cockpit, with its own worker threads."""
    try:
        from aiohttp import web
        from textual_serve.server import Server
    except ImportError:
        raise CommandError("--web needs textual-serve; install it with: pip install 'jobdeck[web]'") from None

    port = _free_port(PORT if front.port is None else front.port)
    key = secrets.token_urlsafe(18)

    class Loopback(Server):
        """Serve textual-serve's application below a secret path, without its log."""

        def initialize_logging(self) -> None:
            """Keep jobdeck's logging: errors only, on standard error."""

        async def _make_app(self) -> web.Application:
            outer = web.Application(middlewares=[_guard(port, key)])
            outer.add_subapp(f"/{key}/", await super()._make_app())
            return outer

        async def on_startup(self, app: web.Application) -> None:
            click.echo(f"Serving the cockpit on {self.public_url}/{key}/")
            click.echo("Keep this address secret: anyone who has it can run commands as you. Press ctrl+c to stop.")

    front.settings  # report an invalid setting here, not in the browser  # noqa: B018
    os.environ.update(environment(front))
    try:
        Loopback(command_line(front, demo=demo, tour=tour), host=HOST, port=port, title="jobdeck").serve()
    except OSError as problem:
        raise CommandError(f"Port {port} is not available: {problem.strerror}; choose another with --port.") from None


def command_line(front: CliContext, *, demo: bool, tour: str = "") -> str:
    """Return the command that opens the cockpit of one page."""
    words = [sys.executable, "-P", "-m", "jobdeck_tui"]  # -P: modules in the current folder must not shadow ours
    database = None if "JOBDECK_DATABASE" in environment(front) else front.db
    for name, value in (("--db", database), ("--app", front.app), ("--threads", front.threads), ("--theme", front.theme)):
        if value is not None:
            words += [name, str(value)]
    words += ["--readonly"] * front.readonly + ["--ascii"] * front.ascii + ["demo"] * demo
    words += ["--tour", tour] if tour else []
    return shlex.join(words)


def environment(front: CliContext) -> dict[str, str]:
    """Return the variables for the cockpits. Everyone on this machine can read command lines, so no password is in theirs."""
    from jobdeck import DatabaseAddress

    token = {} if front.api_token_file is None else {"JOBDECK_TOKEN": read_token(front.api_token_file)}
    if front.db is None or DatabaseAddress.parse(front.db).file is not None:
        return token
    return {"JOBDECK_DATABASE": front.db, **token}


def _free_port(port: int) -> int:
    """Return the port if it is free, or any free port for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            raise CommandError(f"Port {port} is not available ({problem.strerror}); choose another with --port.") from None
        return int(probe.getsockname()[1])


def _guard(port: int, key: str) -> Middleware:
    """Reject requests meant for other hosts, from other sites or without the key, and restrict what the pages may load."""
    from aiohttp import web

    from jobdeck import is_cross_site

    own = f"{HOST}:{port}"
    policy = (
        f"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws://{own}; frame-ancestors 'none'"
    )
    security = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host") != own or request.headers.get("Origin", f"http://{own}") != f"http://{own}":
            return web.Response(status=403, text=f"jobdeck serves http://{own} only.\n")
        if is_cross_site(request.method, request.headers):
            return web.Response(status=403, text="Pages of other sites may not use this cockpit.\n")
        given = request.path.lstrip("/").partition("/")[0]
        if not secrets.compare_digest(given.encode("utf-8", "surrogateescape"), key.encode()):
            return web.Response(status=404, text="404: Not Found")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(security)
        return response

    return guard
