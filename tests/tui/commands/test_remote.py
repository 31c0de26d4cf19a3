"""Commands on a queue behind an HTTP API: the same words, exit codes and documents as on its file."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import click
import pytest
from click.testing import Result
from tests.tui.cli_runner import CommandLine

from jobdeck import FINAL, REGISTRY, HttpServer, Queue, Registry, Settings, TokenFile, Worker, add_shell, load_apps
from jobdeck_tui.cli import cli

QUIET = Settings(synchronous="OFF")
APP = '''
from jobdeck import job


@job(name="send", queue="mail", max_attempts=2)
def send(to: str, count: int = 1) -> dict[str, object]:
    """Send a mail."""
    return {"to": to, "count": count}


@job(name="boom", max_attempts=1)
def boom(text: str) -> None:
    raise ValueError(text)
'''


@dataclass
class Twins:
    """Two queues with the same jobs, one of them behind a server."""

    file: CommandLine
    served: CommandLine
    queues: tuple[Queue, Queue]
    server: HttpServer
    token: str
    app: str

    def both(self, words: str, input: str | None = None) -> tuple[Result, Result]:
        """Run a command line on the file, and over HTTP; `JOB` stands for a new pending job."""
        if "JOB" in words:
            jobs = [queue.enqueue("send", {"to": "twin"}) for queue in self.queues]
            assert jobs[0].id == jobs[1].id
            words = words.replace("JOB", str(jobs[0].id))
        given = [word.replace("~", " ") for word in words.split()]
        return (
            self.file("--app", self.app, *given, input=input, env={"JOBDECK_TOKEN": ""}),
            self.over_http(*given, input=input),
        )

    def over_http(self, *words: str, input: str | None = None, token: str | None = None) -> Result:
        """Run a command line over HTTP, with the token of all scopes or another one."""
        return self.served(*words, input=input, env={"JOBDECK_TOKEN": self.token if token is None else token})


def prepare(queue: Queue) -> None:
    """Enqueue jobs, run some of them, and leave others in every state."""
    done = [queue.enqueue("send", {"to": "ann"}, tags=["first"]).id, queue.enqueue("boom", {"text": "no"}).id]
    done.append(queue.enqueue("shell", {"command": ["sh", "-c", "echo out; echo err >&2"], "env": {"API_TOKEN": "s3cret"}}).id)
    queue.batches.enqueue([queue.new_job("send", {"to": "batch"}) for _ in range(2)], name="night")
    with Worker(queue, threads=1):
        for job_id in done:
            assert queue.wait(job_id, timeout=20).state in FINAL
        queue.batches.wait(1, timeout=20)
    later = queue.enqueue("send", {"to": "bob", "count": 3}, delay=9000, priority=4, unique="bob").id
    queue.enqueue("send", {"to": "eve"}, after=[later])
    queue.cancel(queue.enqueue("send", {"to": "gone"}).id)
    queue.schedules.add("nightly", "0 3 * * *", "send", {"to": "all"})
    queue.pause("slow")
    queue.limits.set("mail", running=2, rate=100, period=60)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    folders = [tmp_path_factory.mktemp(name) for name in ("file", "served")]
    tokens = TokenFile(folders[1] / "tokens.json")
    app = folders[0] / "twin_kinds.py"
    app.write_text(APP)
    load_apps([str(app)])
    kinds = Registry(REGISTRY.get(kind) for kind in ("send", "boom"))
    add_shell(kinds)
    first, second = (Queue(folder / "jobs.db", registry=kinds, settings=QUIET) for folder in folders)
    token = tokens.add(first.actor, ["read", "enqueue", "operate", "shell"])
    with first, second, HttpServer(second, port=0, tokens=tokens) as server:
        prepare(first)
        prepare(second)
        yield Twins(CommandLine(folders[0]), CommandLine(folders[1], server.url), (first, second), server, token, str(app))


@pytest.fixture(autouse=True)
def _kinds_of_the_app_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command on the file know no kinds of other tests, which the server does not know either."""
    for known in ("_entries", "_definitions"):
        kinds = {kind: each for kind, each in getattr(REGISTRY, known).items() if kind in ("send", "boom", "shell")}
        monkeypatch.setattr(REGISTRY, known, kinds)


def plain(text: str) -> str:
    """Return output without what differs between two runs: times, durations and the ids of workers."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "CLOCK", text)
    text = re.sub(re.escape(socket.gethostname()) + r":[\w:]+", "WORKER", text)
    text = re.sub(r"\b(start|end|unrun):(\d+):[\d.]+", r"\1:\2", text)
    text = re.sub(r"  peak \d+.*", "", text)
    text = re.sub(
        r'"(depth|took|time_left|starts_in|oldest_wait|p50|p95|p99|lease|pid|seconds|throughput)":\s*"?[\d.e-]+"?',
        r'"\1":N',
        text,
    )
    return re.sub(r" *\b\d+(\.\d+)?(ms|s|m|h)(\d+[smh])?\b|\b0\.\d+ ?jobs/s", " N", text)


SAME = (
    # enqueue
    "enqueue send to=ann count=3",
    "enqueue send to=ann --json --queue x --priority 5 --in 2h --tag a --tag b --max-attempts 7 --timeout 5 --expires 9h",
    "enqueue send to=ann --unique bob",
    "enqueue send to=ann --unique bob --on-conflict refuse",
    "enqueue send to=ann --unique bob --on-conflict replace --json",
    "enqueue send to=ann --after JOB --if-parent-fails run",
    "enqueue send to=ann --after 99999",
    "enqueue send count=3",
    "enqueue send to=ann nosuch=1",
    "enqueue send to=ann count=many",
    "enqueue send to=ann --queue \a",
    "enqueue send to=ann --priority 99999999999",
    "enqueue shell command=[] ",
    'enqueue shell command=["true"] env={"API_TOKEN":"***"}',
    "run -- echo hi",
    "run --json --name my~job --clean-env --cwd /tmp -- sleep 0",
    "run --shell exit~3",
    # inspect
    "list",
    "list --json state:completed --limit 2",
    "list state:failed,cancelled --sort kind",
    'list tag:first -kind:shell* args.to:ann age<1h "text"',
    "list nosuch:1",
    "show 1",
    "show 3",
    "show 2 --json",
    "show 99999",
    "logs 3",
    "logs 3 -f",
    "why 6",
    "why 7",
    "stack 1",
    "wait 1 2",
    "wait 99999",
    "batch 1 --json --wait",
    "stats --json",
    "queues",
    "errors",
    "events --json",
    "timeline --json",
    "workers",
    "kinds",
    "kinds send --json",
    "health",
    # change
    "cancel JOB",
    "cancel 1",
    "cancel --where args.to:twin --dry-run",
    "cancel --where nosuch:1",
    "retry 2",
    "retry --where state:failed --dry-run --json",
    "delete JOB --json",
    "priority +3 JOB",
    "priority 99999999999 JOB",
    "edit JOB to=bob count=2",
    "edit JOB count=x",
    "edit 1 to=x",
    "undo",
    "redo",
    "undo 99999",
    "pause mail",
    "resume mail",
    "pause --all",
    "resume --all",
    "limit mail --running 4",
    "limit mail --none --rate 5/s --json",
    "limit mail --running 0",
    "limit",
    # schedules
    "schedule list",
    "schedule list --json",
    "schedule add daily @daily send to=x --timezone Europe/Berlin",
    "schedule add nightly @daily send to=x",
    "schedule add nightly @weekly send to=x --replace --json",
    "schedule add bad @daily send nosuch=1",
    "schedule add bad 61~*~*~*~* send to=x",
    "schedule edit nightly to=y --priority 3",
    "schedule resume nightly",
    "schedule run nightly",
    "schedule delete nightly",
    "journal",
)


def test_commands_print_over_http_what_they_print_on_the_file(twins: Twins) -> None:
    """One test, because each command finds what the ones before it have left."""
    different = []
    for words in SAME:
        on_file, over_http = twins.both(words)
        found = [(each.exit_code, plain(each.stdout), plain(each.stderr)) for each in (on_file, over_http)]
        if found[0] != found[1] or "Internal error" in found[0][2]:
            lines = unified_diff(*("\n".join(map(str, each)).splitlines() for each in found), "file", "http", n=0, lineterm="")
            different.append("\n".join((words, *lines)))
    assert not different, "\n".join(different)


def test_files_and_lines_of_jobs_are_enqueued_over_http(twins: Twins) -> None:
    lines = "".join(f'{{"kind": "send", "args": {{"to": "{name}"}}, "priority": {at}}}\n' for at, name in enumerate("abc"))
    for words, given in (
        ("enqueue --file -", lines),
        ("enqueue --file - --json", "\n\n" + lines),
        ("enqueue --file - --batch many", lines),
        ("enqueue --file - send", lines + '{"args": {"to": "d"}, "nosuch": 1}\n'),
        ("enqueue --file -", lines + '\n{"kind": "send", "args": {"count": "x"}}\n{"kind": "nosuch"}\n' + lines),
        ("enqueue --file -", lines + '{"kind": "nosuch", "args": {"count": "x"}}\nno JSON\n'),
        ("run --each --clean-env -- echo {}", "one\ntwo\n"),
        ("run --each --batch lines --json --clean-env -- echo {}", "one\ntwo\n"),
        ("run --each --clean-env --unique {} -- echo {}", "one\none\n"),
    ):
        on_file, over_http = twins.both(words, input=given)
        assert (on_file.exit_code, plain(on_file.stdout)) == (over_http.exit_code, plain(over_http.stdout)), words
        assert plain(on_file.stderr).partition("set JOB")[0] == plain(over_http.stderr).partition("start the")[0], words


@pytest.mark.parametrize("command", ["worker", "serve", "prune", "backup copy.db", "doctor", "doctor --repair"])
def test_what_needs_the_database_says_so(twins: Twins, command: str) -> None:
    result = twins.over_http(*command.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"jobdeck: `jobdeck {command.split()[0]}` needs the queue's database, and {twins.server.url} is its HTTP API;"
        " run it on the server's machine, with the database as --db.\n"
    )


def test_a_kind_that_the_server_does_not_know_is_named_with_those_that_it_knows(twins: Twins) -> None:
    assert twins.over_http("enqueue", "sned", "to=x").stderr == (
        "jobdeck: Unknown kind 'sned'; did you mean send?"
        " If not, start the server with JOBDECK_APP or --app set to its module.\n"
    )
    assert "(known: boom, send, shell); start the server with" in twins.over_http("schedule", "add", "a", "@daily", "zz").stderr


def test_a_missing_wrong_or_weak_token_is_one_sentence(twins: Twins, tmp_path: Path) -> None:
    url = twins.server.url
    for token, expected in (
        ("", f"{url} requires a token; set JOBDECK_TOKEN, or give --token-file."),
        ("jobdeck_x", f"{url} does not accept the token; `jobdeck token add` on its machine makes one."),
        ("a b", "The token must be what `jobdeck token add` printed: letters, digits, - and _."),
        ("a\r\nX: y", "The token must be what `jobdeck token add` printed: letters, digits, - and _."),
    ):
        result = twins.over_http("list", token=token)
        assert result.exit_code == (2 if " must " in expected else 1)
        assert result.stderr == f"jobdeck: {expected}\n"
    weak = TokenFile(twins.served.folder / "tokens.json").add("reader", ["read"])
    assert twins.over_http("list", token=weak).exit_code == 0
    for words in (["cancel", "1"], ["pause", "mail"]):
        result = twins.over_http(*words, token=weak)
        assert (result.exit_code, result.stderr) == (
            1,
            f"jobdeck: {url} refuses this: this needs a token with the scope operate.\n",
        )
    few = TokenFile(twins.served.folder / "tokens.json").add("web", ["read", "enqueue"])
    assert twins.over_http("enqueue", "send", "to=x", token=few).exit_code == 0
    assert "need a token with the scope shell" in twins.over_http("run", "--", "true", token=few).stderr


def test_no_command_has_two_options_of_one_name() -> None:
    """An option of a command would receive the value of a common one."""
    twice = []
    groups: list[tuple[str, click.Command]] = [("jobdeck", cli)]
    while groups:
        path, command = groups.pop()
        # Switches that set one option to different values share its name.
        names = [each.name for each in command.params if not isinstance(getattr(each, "flag_value", None), str)]
        twice += [f"{path} {name}" for name in {*names} if names.count(name) > 1]
        if isinstance(command, click.Group):
            context = click.Context(command)
            found = {name: command.get_command(context, name) for name in command.list_commands(context)}
            groups += [(f"{path} {name}", each) for name, each in found.items() if each is not None]
    assert not twice


def test_a_token_is_read_from_a_file_that_nobody_else_can_read(twins: Twins, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{twins.token}\n")
    file.chmod(0o644)
    assert twins.over_http("--token-file", str(file), "list", token="").stderr == (
        f"jobdeck: Other users can read the token file {file}; run chmod 600 on it.\n"
    )
    file.chmod(0o600)
    assert twins.over_http("--token-file", str(file), "list", token="").exit_code == 0
    assert twins.over_http("list", "--token-file", str(file), token="jobdeck_x").exit_code == 0
    file.write_text("two words")
    assert "must hold one token" in twins.over_http("--token-file", str(file), "list").stderr
    assert "cannot be read" in twins.over_http("--token-file", str(tmp_path / "nosuch"), "list").stderr


def test_secrets_are_masked_over_http_and_masks_are_not_stored(twins: Twins) -> None:
    job_id = twins.queues[1].enqueue("shell", {"command": ["true"], "env": {"API_TOKEN": "s3cret"}}, delay=60).id
    for words in (["show", str(job_id), "--json"], ["show", str(job_id)], ["list", "--json"]):
        assert "s3cret" not in twins.over_http(*words).stdout
    assert twins.over_http("edit", str(job_id), 'command=["false"]').exit_code == 0
    edited = twins.queues[1].get(job_id).args
    assert (edited["command"], edited["env"]) == (["false"], {"API_TOKEN": "s3cret"})


def test_a_token_is_not_carried_to_the_jobs_that_it_enqueues(twins: Twins) -> None:
    job_id = twins.over_http("run", "--", "true").stdout.strip()
    assert "JOBDECK_TOKEN" not in twins.queues[1].get(int(job_id)).args["base_env"]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://user:pw@host", "write http://host:port, and give the token in JOBDECK_TOKEN or with --token-file"),
        ("http://host/?token=jobdeck_x", "write http://host:port, and give the token in JOBDECK_TOKEN or with --token-file"),
        ("http://", "write http://host:port or https://host"),
        ("http://host:99999", "write http://host:port or https://host"),
        ("https://host name", "write http://host:port or https://host"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_without_its_secrets(twins: Twins, address: str, problem: str) -> None:
    result = CommandLine(twins.file.folder, address)("list")
    scheme = address.partition(":")[0]
    assert (result.exit_code, result.stderr) == (1, f"jobdeck: {scheme}://… is not a valid database address: {problem}.\n")
