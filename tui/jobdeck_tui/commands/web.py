"""`jobdeck --web`: the cockpit in a browser on this machine, through textual-serve.

A cockpit can enqueue commands, so whoever reaches it can run programs as you. It listens on the loopback address only,
answers only to its own name (a page from elsewhere whose name is made to point here gets nothing), and keeps everything
below a path that cannot be guessed: other people on this machine and other pages in your browser do not know it.
"""

from __future__ import annotations

import secrets
import shlex
import socket
import sys
from typing import TYPE_CHECKING

import click

from .common import Front, Refused

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

HOST = "127.0.0.1"
PORT = 8000


def serve(front: Front, *, demo: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; each page that is opened has a cockpit, and so worker threads, of its own."""
    try:
        from aiohttp import web
        from textual_serve.server import Server
    except ImportError:
        raise Refused("--web needs textual-serve; install it with: pip install 'jobdeck[web]'") from None

    port = _free_port(PORT if front.port is None else front.port)
    key = secrets.token_urlsafe(18)

    class Loopback(Server):
        """textual-serve's server below a secret path, and quiet."""

        def initialize_logging(self) -> None:
            """Errors only, and on the standard error as everything of jobdeck."""

        async def _make_app(self) -> web.Application:
            outer = web.Application(middlewares=[_guard(port)])
            outer.add_subapp(f"/{key}/", await super()._make_app())
            return outer

        async def on_startup(self, app: web.Application) -> None:
            click.echo(f"The cockpit is served on {self.public_url}/{key}/")
            click.echo("Keep this address to yourself: who has it can run commands as you. ctrl+c ends it.")

    front.settings  # a setting that cannot be used is told here, not in the browser  # noqa: B018
    try:
        Loopback(command_line(front, demo=demo), host=HOST, port=port, title="jobdeck").serve()
    except OSError as problem:
        raise Refused(f"Port {port} cannot be used: {problem.strerror}; choose another with --port.") from None


def command_line(front: Front, *, demo: bool) -> str:
    """The command that opens the cockpit of one page."""
    words = [sys.executable, "-m", "jobdeck_tui"]
    for name, value in (("--db", front.db), ("--app", front.app), ("--threads", front.threads), ("--theme", front.theme)):
        if value is not None:
            words += [name, str(value)]
    words += ["--readonly"] * front.readonly + ["--ascii"] * front.ascii + ["demo"] * demo
    return shlex.join(words)


def _free_port(port: int) -> int:
    """The port, if nobody listens there; any free one for 0."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as problem:
            raise Refused(f"Port {port} cannot be used ({problem.strerror}); choose another with --port.") from None
        return int(tried.getsockname()[1])


def _guard(port: int) -> Middleware:
    """Refuse every request that was not meant for this server, and let its pages reach nothing else."""
    from aiohttp import web

    own = f"{HOST}:{port}"
    policy = (
        f"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws://{own}; frame-ancestors 'none'"
    )

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host") != own or request.headers.get("Origin", f"http://{own}") != f"http://{own}":
            return web.Response(status=403, text=f"jobdeck answers to http://{own} only.\n")
        response = await handler(request)
        if not response.prepared:
            response.headers.update({"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})
        return response

    return guard
