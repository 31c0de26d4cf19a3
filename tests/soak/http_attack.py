"""Attack `jobdeck serve` from this machine while another client uses it: it must stay up, and keep answering that client.

    python -m tests.soak.http_attack
    python -m tests.soak.http_attack --only slow_bodies --connections 600 --seconds 60
    python -m tests.soak.http_attack --only sigterm --rounds 20

Each attack prints what the bystander saw: its requests, how many were answered with 429 or 503 (try again), and the longest
wait. An attack fails if a request of the bystander gets no answer or a wrong one, if the server dies, or if it grows beyond a
gigabyte. `sigterm` stops a server under 200 requests a second: every job that was acknowledged must be there, and no request
that was sent may go without an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobdeck import Queue, TokenFile

ROOT = Path(__file__).parents[2]
JOB = json.dumps({"kind": "shell", "args": {"command": ["true"]}, "delay": 3600}).encode()
MEMORY = 1 << 30
_LONGEST = 20.0
"""Seconds after which a request of the bystander counts as unanswered."""


@dataclass
class Server:
    """A server as a process, with a token."""

    folder: Path
    process: subprocess.Popen[str] = field(init=False)
    port: int = field(init=False)
    token: str = field(init=False)

    def __post_init__(self) -> None:
        tokens = self.folder / "tokens.json"
        name = f"t{time.time_ns()}"
        self.token = TokenFile(tokens).add(name, ["read", "enqueue", "operate", "shell"])
        words = [sys.executable, "-m", "jobdeck_tui", "--db", str(self.folder / "jobs.db")]
        words += ["serve", "--port", "0", "--tokens", str(tokens)]
        paths = [str(ROOT / "core"), str(ROOT / "tui"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        self.log: list[str] = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr or ()), daemon=True).start()

    def request(self, method: str, path: str, body: bytes = b"", *, token: bool = True, **headers: str) -> bytes:
        """Return the bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {len(body)}"]
        lines += [f"Authorization: Bearer {self.token}"] * token
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    @property
    def memory(self) -> int:
        """The resident memory in bytes."""
        with contextlib.suppress(OSError):
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
        return 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


async def ask(port: int, data: bytes, within: float = _LONGEST) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return the status and the whole answer. Raises `OSError`."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), within)
    try:
        writer.write(data)
        with contextlib.suppress(ConnectionError):  # it may have been answered before the end
            await writer.drain()
        return await asyncio.wait_for(_answer(reader), within)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    body = await reader.readexactly(int(length[1])) if length else b""
    return int(head.split(b" ", 2)[1]), head + body


class Bystander:
    """A client that enqueues and reads jobs during an attack."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.seen: Counter[str] = Counter()
        self.longest = 0.0
        self.memory = 0

    async def run(self) -> None:
        """Use the server until it is cancelled, on a thread of its own: the attackers keep theirs busy."""
        stop = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._use(stop)))
        thread.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            stop.set()
            thread.join()

    async def _use(self, stop: threading.Event) -> None:
        requests = (
            self._server.request("GET", "/healthz", token=False, Connection="close"),
            self._server.request("POST", "/api/v1/jobs", JOB, Content_Type="application/json", Connection="close"),
            self._server.request("GET", "/api/v1/jobs?limit=5", Connection="close"),
        )
        while not stop.is_set():
            for each in requests:
                started = time.monotonic()
                try:
                    status, _ = await ask(self._server.port, each)
                    self.seen["answered" if status in (200, 201) else str(status)] += 1
                except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                    self.seen[f"no answer: {type(error).__name__}"] += 1
                self.longest = max(self.longest, time.monotonic() - started)
            self.memory = max(self.memory, self._server.memory)
            await asyncio.sleep(0.1)

    def problems(self) -> list[str]:
        found = [f"{n} × {what}" for what, n in self.seen.items() if what not in ("answered", "429", "503")]
        if not self.seen["answered"]:
            found.append("nothing was answered")
        if self.seen["429"] + self.seen["503"] > self.seen["answered"]:
            found.append("most requests were refused")
        if self.memory > MEMORY:
            found.append(f"{self.memory / 1e6:,.0f} MB")
        if self._server.process.poll() is not None:
            found.append(f"the server has exited: {self._server.process.returncode}")
        return found


# -- attacks --------------------------------------------------------------------------------------


async def _many(number: int, one: Callable[[int], Awaitable[None]], seconds: float, pause: float = 0.05) -> None:
    """Do the same on many connections, again and again, for some seconds. They begin one after another."""

    async def again(which: int) -> None:
        await asyncio.sleep(seconds / 2 * which / number)
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await one(which)
            await asyncio.sleep(pause)

    tasks = [asyncio.create_task(again(which)) for which in range(number)]
    await asyncio.sleep(seconds)
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _drip(port: int, head: bytes, more: bytes, every: float) -> None:
    """Send a beginning, then a little now and then, until the server has had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        answered = asyncio.create_task(reader.read(1))
        while not answered.done():
            writer.write(more)
            await writer.drain()
            await asyncio.wait([answered], timeout=every)
    finally:
        writer.close()


async def slow_headers(server: Server, given: argparse.Namespace) -> None:
    """Slowloris: headers that never end."""
    head = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
    await _many(given.connections, lambda _: _drip(server.port, head, b"X: y\r\n", 1.0), given.seconds)


async def slow_bodies(server: Server, given: argparse.Namespace) -> None:
    """Bodies of which a byte arrives now and then, with a token and without."""
    head = server.request("POST", "/api/v1/jobs", Content_Type="application/json").replace(b"Length: 0", b"Length: 90000")
    foreign = server.request("POST", "/api/v1/jobs", token=False).replace(b"Length: 0", b"Length: 90000")
    await _many(given.connections, lambda n: _drip(server.port, foreign if n % 2 else head, b" ", 1.0), given.seconds)


async def huge_bodies(server: Server, given: argparse.Namespace) -> None:
    """Bodies of gigabytes, endless ones, and many of the largest size that is allowed, which then never end."""
    bulk = server.request("POST", "/api/v1/jobs:bulk", Content_Type="application/x-ndjson")
    heads = (
        server.request("POST", "/api/v1/jobs").replace(b"Length: 0", b"Length: 9000000000"),
        server.request("POST", "/api/v1/jobs").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        bulk.replace(b"Length: 0", b"Length: 33000000"),
        bulk.replace(b"Length: 0", b"Length: 33000000"),
    )

    async def one(which: int) -> None:
        head = heads[which % len(heads)]
        part = b"100000\r\n" + b" " * (1 << 20) + b"\r\n" if b"chunked" in head else b" " * (1 << 20)
        await _drip(server.port, head, part, 0.05)

    await _many(min(100, given.connections), one, given.seconds)


async def idle_connections(server: Server, given: argparse.Namespace) -> None:
    """Connections on which one request is answered, and which then stay open."""

    async def one(_: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(server.request("GET", "/healthz", token=False))
            await asyncio.wait_for(_answer(reader), 10)
            await reader.read(1)
        finally:
            writer.close()

    await _many(given.idle, one, given.seconds, 5.0)


HOSTILE = (
    *(
        b"\xff\xfe",
        b"%ff%fe",
        b"%00",
        b"..%2f..%2fetc%2fpasswd",
        b"../../../../etc/passwd",
        b"//evil.example",
        b"%2e%2e/",
        b";x=1",
    ),
    *(
        b"\\..\\..",
        b"jobs/1%0d%0aSet-Cookie:%20a=b",
        b"jobs/%F0%9F%92%A9",
        b"jobs/99999999999999999999",
        b"jobs/-1",
        b"jobs/1e3",
    ),
    *(
        b"jobs/" + b"1" * 5000,
        b"schedules/a%0d%0ab",
        b"queues/%ed%a0%80",
        b"jobs?filter=%ff",
        b"jobs?cursor=%00",
        b"jobs?sort=;--",
    ),
    *(b"jobs?filter=" + b"(" * 5000, b"jobs?filter=" + b"-" * 9000, b"jobs?limit=1&limit=" + b"9" * 400),
)
BODIES = (
    *(
        b"\xff\xfe\x00",
        b'{"kind": "\xff"}',
        b'{"kind": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 100_000,
        b"null",
        b"",
    ),
    *(
        b'{"kind": "shell", "args": {"command": ["\\u0000"]}}',
        b'{"kind": "shell", "queue": "a\\r\\nb", "args": {"command": ["x"]}}',
    ),
    *(b'{"kind": "shell", "kind": "x"}', b'{"kind": "shell", "args": {"command": ["a"]}, "priority": 1e999}'),
)


async def malformed(server: Server, given: argparse.Namespace) -> None:
    """Invalid UTF-8, path tricks, header injection, odd JSON and random bytes: answered, and never with 5xx."""
    rng = random.Random(7)
    wrong: Counter[str] = Counter()

    def requests() -> list[bytes]:
        made = []
        for path in HOSTILE:
            for method in (b"GET", b"POST", b"DELETE", b"PATCH"):
                made.append(server.request("GET", "/api/v1/X").replace(b"GET", method, 1).replace(b"X", path, 1))
        for body in BODIES:
            for path in ("jobs", "jobs:bulk", "batches", "schedules", "jobs/cancel", "undo"):
                kind = "application/x-ndjson" if path == "jobs:bulk" else "application/json"
                made.append(server.request("POST", f"/api/v1/{path}", body, Content_Type=kind))
        for header in (
            b"X: \xff",
            b"Idempotency-Key: a\x0bb",
            b"traceparent: \xff",
            b"Host: evil",
            b"Origin: \xff",
            b"Cookie: " + b"a" * 9000,
        ):
            made.append(
                server.request("POST", "/api/v1/jobs", JOB, Content_Type="application/json").replace(
                    b"\r\n", b"\r\n" + header + b"\r\n", 1
                )
            )
        made += [rng.randbytes(rng.randrange(1, 2000)) + b"\r\n\r\n" for _ in range(200)]
        return made

    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        batch = requests()
        rng.shuffle(batch)
        for start in range(0, len(batch), 40):
            answers = await asyncio.gather(
                *(ask(server.port, each) for each in batch[start : start + 40]), return_exceptions=True
            )
            for sent, answer in zip(batch[start : start + 40], answers, strict=True):
                if isinstance(answer, BaseException):
                    wrong[f"{type(answer).__name__} for {sent[:60]!r}"] += 1
                elif answer[0] >= 500 and answer[0] != 503:
                    wrong[f"{answer[0]} for {sent[:60]!r}"] += 1
                elif (
                    b"Traceback" in answer[1]
                    or b"Set-Cookie" in answer[1].partition(b"\r\n\r\n")[0]
                    or b"site-packages" in answer[1]
                ):
                    wrong[f"says too much for {sent[:60]!r}"] += 1
    if wrong:
        raise AssertionError("; ".join(f"{n} × {what}" for what, n in wrong.most_common(5)))


class Producer:
    """A client that enqueues at a steady rate until the server ends."""

    def __init__(self, server: Server, pause: float) -> None:
        self._server = server
        self._pause = pause
        self.acknowledged: list[int] = []
        self.lost: list[str] = []

    async def run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
            except OSError:
                return  # it listens no more
            try:
                while await self._enqueue(reader, writer):
                    await asyncio.sleep(self._pause)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.lost.append(f"{type(error).__name__} after {len(self.acknowledged)} jobs")
                return
            finally:
                writer.close()

    async def _enqueue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Enqueue one job; return whether the connection stays open."""
        writer.write(self._server.request("POST", "/api/v1/jobs", JOB, Content_Type="application/json"))
        status, answer = await asyncio.wait_for(_answer(reader), _LONGEST)
        if status == 201:
            self.acknowledged.append(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
        elif status not in (429, 503):
            self.lost.append(f"status {status}")
        return b"connection: close" not in answer.lower()


async def sigterm(folder: Path, rounds: int, rate: int) -> str:
    """Stop a server under load, again and again."""
    kept = 0
    for number in range(rounds):
        server = Server(folder)
        producers = [Producer(server, 40 / rate) for _ in range(40)]
        running = [asyncio.create_task(each.run()) for each in producers]
        await asyncio.sleep(random.uniform(1.0, 3.0))
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*running)
        code = await asyncio.to_thread(server.process.wait, 60)
        acknowledged = [job_id for each in producers for job_id in each.acknowledged]
        lost = [text for each in producers for text in each.lost]
        with Queue(folder / "jobs.db") as queue:
            missing = len(acknowledged) - len(queue.get_many(acknowledged))
        if lost or missing or code:
            raise AssertionError(f"round {number}: exit {code}; {missing} acknowledged jobs are missing; {lost[:5]}")
        kept += len(acknowledged)
    return f"{kept:,} acknowledged jobs are there after {rounds} ends; no request went without its answer"


async def attack(server: Server, name: str, given: argparse.Namespace) -> list[str]:
    """Run one attack, print what the bystander saw, and return what was wrong."""
    bystander = Bystander(server)
    watching = asyncio.create_task(bystander.run())
    problems = []
    try:
        await ATTACKS[name](server, given)
    except AssertionError as error:
        problems.append(str(error))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    problems += bystander.problems()
    seen = ", ".join(f"{n} {what}" for what, n in bystander.seen.most_common())
    print(f"{name:17} {seen}; longest wait {bystander.longest:.1f} s; {bystander.memory / 1e6:,.0f} MB", flush=True)
    return [f"{name}: {each}" for each in problems]


ATTACKS: dict[str, Callable[[Server, argparse.Namespace], Awaitable[None]]] = {
    each.__name__: each for each in (slow_headers, slow_bodies, huge_bodies, idle_connections, malformed)
}


async def run(given: argparse.Namespace, folder: Path) -> list[str]:
    problems: list[str] = []
    names = [name for name in ATTACKS if given.only in (None, name)]
    if names:
        server = Server(folder)
        for name in names:
            problems += await attack(server, name, given)
        server.stop()
        found = [at for at, line in enumerate(server.log) if "Traceback" in line]
        if found:
            problems.append(f"{len(found)} tracebacks are in the log: {''.join(server.log[found[0] - 1 :][:30])}")
    if given.only in (None, "sigterm"):
        try:
            print(f"{'sigterm':17} {await sigterm(folder, given.rounds, given.rate)}", flush=True)
        except AssertionError as error:
            problems.append(f"sigterm: {error}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*ATTACKS, "sigterm"])
    parser.add_argument("--seconds", type=float, default=45.0, help="of each attack")
    parser.add_argument("--connections", type=int, default=600)
    parser.add_argument("--idle", type=int, default=10_000, help="connections that stay open")
    parser.add_argument("--rounds", type=int, default=5, help="of sigterm")
    parser.add_argument("--rate", type=int, default=200, help="requests a second, of sigterm")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server's, too, which inherits it
    with tempfile.TemporaryDirectory(prefix="jobdeck-attack-") as folder:
        problems = asyncio.run(run(given, Path(folder)))
    for each in problems:
        print("WRONG", each)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
