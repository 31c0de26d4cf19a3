"""Completion in shells: what is offered, and that no shell runs or changes a value that comes from a job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.tui.cli_runner import CommandLine
from tests.tui.interactive_shell import InteractiveShell

from jobdeck import Queue, Registry, job
from jobdeck_tui.cli import cli
from jobdeck_tui.commands.shells.answer import SHELLS, answer
from jobdeck_tui.text.shell_words import open_quote, quote_for_bash, split, unquote, unquote_fish

HOSTILE = (
    "a;touch pwn", "b$(touch pwn)", "c`touch pwn`", 'd"q"', "e'q'", "f\\q\\", "g$HOME", "h  h", "i*", "j?[x]", "k!!", "l~m",
    "m#", "n{a,b}", "o&p", "p|x", "q:r=s@t", "r^<>s", "-rf", "tü🙂", "u%s", "~v", "=w", "#x", "$(touch pwn)y", "!z",
)  # fmt: skip
UNPRINTABLE = ("new\nline", "tab\tbed", "\x1b[31m", "bad\udce9byte", "\u202etxt", "'\n'", '"\n"')


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def offered(deck: CommandLine, line: str, **environ: str) -> list[str]:
    """Return what bash offers at the end of a line: the whole last word, without quotes."""
    environ = {"JOBDECK_DATABASE": deck.where, **environ}
    tail = line[max(line.rfind(sign) for sign in " '\":=") + 1 :]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        what, *rest = answer(cli, "bash", [line, tail]).decode().splitlines()
    head = line[split(line)[-1].start : len(line) - len(tail)]
    return [unquote(head + each) for each in rest] if what in ("values", "nospace") else [f"<{what}>"]


# -- words and quotes ------------------------------------------------------------------------------


def test_bash_reads_every_quoted_text_as_it_is_in_every_kind_of_quotes() -> None:
    texts = [each + end for each in (*HOSTILE, *UNPRINTABLE) for end in ("", "'", '"', "!", "\\")]
    lines = []
    for text in texts:
        for quote in ("", "'", '"', "$'"):
            quoted = quote + quote_for_bash(text, quote)
            if open_quote(quoted):  # as bash does for the only completion
                quoted += quote[-1]
            assert "\n" not in quoted
            assert unquote(quoted) == text
            lines.append(f"printf '%s\\0' {quoted}")
    done = subprocess.run(["bash", "-c", "\n".join(map(os.fsdecode, map(os.fsencode, lines)))], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(text) for text in texts for _ in range(4)]


def test_the_words_of_a_half_typed_line() -> None:
    line = r"""jobdeck --db ~/a\ b list 'state:failed x' "y $z"w q:r > out'put"""
    words = split(line)
    assert [word.text for word in words] == ["jobdeck", "--db", "~/a b", "list", "state:failed x", "y $zw", "q:r", "output"]
    assert [word.after_redirection for word in words] == [False] * 7 + [True]
    assert [word.text for word in split("jobdeck pause ")] == ["jobdeck", "pause", ""]
    assert unquote(r"$'caf\303\251\x21\n'\;") == "café!\n;"
    assert unquote_fish(r"""caf\Xc3\Xa9\;'it\'s $x'"\$y" """.strip()) == "café;it's $x$y"


# -- what is offered -------------------------------------------------------------------------------


def test_filters_complete_with_and_without_quotes(deck: CommandLine) -> None:
    with deck.queue() as queue:
        queue.enqueue("shell", {"command": ["true"]}, queue="a b", tags=["urgent"])
    assert offered(deck, "jobdeck list state:fa") == ["state:failed"]
    assert offered(deck, "jobdeck list 'state:fa") == ["state:failed"]
    assert set(offered(deck, "jobdeck list state:")) >= {"state:failed", "state:pending"}
    assert offered(deck, "jobdeck list state:failed queue:") == ['queue:"a b"']
    assert offered(deck, "jobdeck list 'state:failed,canc") == ["state:failed,cancelled"]
    assert offered(deck, "jobdeck list 'state:failed tag:u") == ["state:failed tag:urgent"]
    assert offered(deck, "jobdeck retry --where=state:fa") == ["--where=state:failed"]
    assert "state:" in offered(deck, "jobdeck list ")


def test_files_folders_and_commands_are_left_to_the_shell(deck: CommandLine) -> None:
    for line in ("jobdeck --db ", "jobdeck list --db=x", "jobdeck enqueue --file x", "jobdeck backup x", "jobdeck list > x"):
        assert offered(deck, line) == ["<files>"]
    assert offered(deck, "jobdeck run --cwd ") == ["<folders>"]
    assert offered(deck, "jobdeck run --cwd=/tm") == ["<folders>"]
    assert offered(deck, "jobdeck run -- gz") == ["<programs>"]
    for line in ("jobdeck run -- gzip ", "jobdeck run gzip -", "jobdeck run -- gzip -9 x"):
        assert offered(deck, line) == [f"<command {line.index('gzip')}>"]


def test_arguments_of_a_kind_are_offered_without_running_its_module(deck: CommandLine) -> None:
    app = deck.tasks()
    Path(app).write_text(Path(app).read_text() + "\nraise SystemExit('was run')\n")
    assert offered(deck, f"jobdeck --app {app} enqueue tasks.se") == ["tasks.send"]
    assert offered(deck, f"jobdeck --app {app} enqueue tasks.send ") == ["to=", "count=", "mode=", "attach="]
    assert offered(deck, f"jobdeck --app {app} enqueue tasks.send to=x co") == ["count="]
    assert offered(deck, f"jobdeck --app {app} enqueue tasks.send mode=") == ["mode=plain", "mode=html"]
    assert offered(deck, f"jobdeck --app {app} enqueue tasks.add exact=t") == ["exact=true"]
    assert offered(deck, f"jobdeck --app {app} enqueue tasks.send attach=x") == ["<files>"]
    with deck.queue() as queue:
        job = queue.enqueue("shell", {"command": ["true"], "cwd": "/"})
    assert offered(deck, "jobdeck enqueue shell cw") == ["cwd="]
    assert offered(deck, f"jobdeck edit {job.id} com") == ["command="]


def test_the_arguments_of_jobs_are_offered_where_no_app_is_known(deck: CommandLine) -> None:
    def resize(path: str, size: int = 1) -> None: ...

    registry = Registry()
    job(name="resize", registry=registry)(resize)
    with Queue(deck.where, registry=registry) as queue:
        queue.enqueue("resize", {"path": "x", "size": 2})
    assert offered(deck, "jobdeck enqueue resize pa") == ["path="]


def test_names_that_look_like_options_are_offered_after_two_dashes_only(deck: CommandLine) -> None:
    with deck.queue() as queue:
        for name in ("-rf", "mail"):
            queue.enqueue("shell", {"command": ["true"]}, queue=name)
    assert offered(deck, "jobdeck pause ") == ["mail"]
    assert offered(deck, "jobdeck pause -- ") == ["-rf", "mail"]
    assert offered(deck, "jobdeck worker --queues mail,-") == ["mail,-rf"]


def test_nothing_is_said_where_nothing_can_be_offered(deck: CommandLine) -> None:
    (deck.folder / "jobs.db").write_bytes(b"no database")
    assert offered(deck, "jobdeck pause ") == []
    assert answer(cli, "tcsh", ["jobdeck", ""]) == b""
    result = CliRunner().invoke(
        cli, [], env={"_JOBDECK_COMPLETE": "bash_complete", "COMP_WORDS": "jobdeck l", "COMP_CWORD": "1"}
    )
    assert (result.exit_code, result.output) == (0, "")  # a script of an earlier version


def test_the_shell_completes_commands_kinds_queues_ids_and_filters(deck: CommandLine) -> None:
    deck.tasks()
    deck.done("run", "--queue", "mail", "--", "true")
    deck.done("run", "--queue", "img", "--", "true")
    assert offered(deck, "jobdeck pr") == ["priority", "prune"]
    assert offered(deck, "jobdeck pause m") == ["mail"]
    assert offered(deck, "jobdeck show ") == ["2", "1"]
    assert offered(deck, "jobdeck list state:c") == ["state:completed", "state:cancelled"]
    assert offered(deck, "jobdeck list queue:i") == ["queue:img"]
    assert offered(deck, "jobdeck cancel --whe") == ["--where"]
    assert offered(deck, "jobdeck limit i") == ["img"]
    assert offered(deck, "jobdeck run --after ") == ["2", "1"]
    assert offered(deck, "jobdeck run --unique-until completed,f") == ["completed,failed"]
    assert offered(deck, "jobdeck run --on-conflict re") == ["return", "replace", "refuse"]
    assert offered(deck, "jobdeck run --if-parent-fails w") == ["wait"]
    deck.done("--app", str(deck.folder / "tasks.py"), "enqueue", "tasks.boom", "text=x", "--in", "1h")
    assert offered(deck, "jobdeck enqueue tasks.b", JOBDECK_APP=str(deck.folder / "tasks.py")) == ["tasks.boom"]


def test_completion_of_a_queue_that_cannot_be_read_is_silent(deck: CommandLine) -> None:
    deck.database.write_text("not a database at all, but long enough to be one")
    assert offered(deck, "jobdeck show ") == []
    assert offered(deck, "jobdeck enqueue nosuch") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    script = CliRunner().invoke(cli, ["completion", shell]).stdout
    assert "_JOBDECK_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


# -- in real shells --------------------------------------------------------------------------------


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InteractiveShell]:
    with Queue(tmp_path / "jobs.db") as queue:
        for name in HOSTILE:
            queue.enqueue("shell", {"command": ["true"]}, queue=name)
    made = InteractiveShell(request.param, tmp_path, {"JOBDECK_DATABASE": str(tmp_path / "jobs.db")})
    yield made
    made.end()
    assert not (made.work / "pwn").exists()


def test_a_shell_runs_nothing_of_a_completed_value_and_completes_files(terminal: InteractiveShell) -> None:
    assert terminal.complete("jobdeck pause b") == [b"pause", b"b$(touch pwn)"]
    assert terminal.complete('jobdeck pause "c') == [b"pause", b"c`touch pwn`"]
    assert terminal.complete("jobdeck list state:fa") == [b"list", b"state:failed"]
    (terminal.work / "big $(touch pwn);x").mkdir()
    assert terminal.complete("jobdeck run --cwd bi", then=" -- true")[2].rstrip(b"/") == b"big $(touch pwn);x"


@pytest.mark.soak
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_every_hostile_value_arrives_as_it_is_in_every_kind_of_quotes(terminal: InteractiveShell, quote: str) -> None:
    for name in HOSTILE:
        first = name[0]
        if first == "-":
            assert terminal.complete(f"jobdeck pause -- {quote}-") == [b"pause", b"--", b"-rf"]
        elif not quote:
            start = f"\\{first}" if first in "~=#$!" else first
            assert terminal.complete(f"jobdeck pause {start}") == [b"pause", os.fsencode(name)]
        elif first not in "$!~":
            assert terminal.complete(f"jobdeck pause {quote}{first}") == [b"pause", os.fsencode(name)]


@pytest.mark.soak
def test_values_complete_in_the_middle_of_a_word(terminal: InteractiveShell) -> None:
    for line in (r"jobdeck pause a\;t", "jobdeck pause 'a;t", 'jobdeck pause "a;t'):
        assert terminal.complete(line) == [b"pause", b"a;touch pwn"]
    assert terminal.complete("jobdeck run --queue=b", then=" -- true")[1] == b"--queue=b$(touch pwn)"
    assert terminal.complete("jobdeck list queue:b")[1:] == [b'queue:b"$(touch pwn)"']
    assert terminal.complete("jobdeck list 'state:failed queue:b") == [b"list", b'state:failed queue:b"$(touch pwn)"']


@pytest.mark.soak
@pytest.mark.parametrize(
    "name", ["plain", "a;touch pwn", "b$(touch pwn)", "c`touch pwn`", "d'q\"", "f\\q", "h h", "i*", b"caf\xe9"]
)
def test_files_complete_wherever_a_command_takes_one(terminal: InteractiveShell, name: str | bytes) -> None:
    file = os.fsencode(name)
    first = chr(file[0])
    (terminal.work / os.fsdecode(file)).touch()
    assert terminal.complete(f"jobdeck list --db {first}") == [b"list", b"--db", file]
    assert terminal.complete(f"jobdeck list --db={first}") == [b"list", b"--db=" + file]
    assert terminal.complete(f"jobdeck run -- gzip {first}") == [b"run", b"--", b"gzip", file]
    assert terminal.complete(f"jobdeck run gzip -9 {first}") == [b"run", b"gzip", b"-9", file]
    assert terminal.complete(f"jobdeck enqueue x path={first}") == [b"enqueue", b"x", b"path=" + file]
    assert terminal.complete("jobdeck run -- print", then="")[2].startswith(b"print")
