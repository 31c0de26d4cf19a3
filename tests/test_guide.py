"""What README.md and the guide say is so: their examples run, their tables are current, and nothing is left out."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from tests.guide_tables import updated

from jobdeck import FIELDS, Settings
from jobdeck_tui.app import Cockpit
from jobdeck_tui.cli import COMMANDS, cli
from jobdeck_tui.guide import ORDER, find_topic, read_page, read_pages, suggest_topics
from jobdeck_tui.keymap import actions, short_name

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "tui" / "jobdeck_tui" / "guide"
PAGES = [ROOT / "README.md", *(GUIDE / f"{topic}.md" for topic in ORDER)]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FAILS = re.compile(r"#.*\bexit (?:code )?([12])\b")
_WAITS = re.compile(r"jobdeck (?:wait|batch .*--wait|run .*--wait|logs .*-f)\b|--wait")
_OUTSIDE = {"JOBDECK_JOB_ID", "JOBDECK_ATTEMPT", "JOBDECK_WORKER", "JOBDECK_THEME", "JOBDECK_ASCII", "JOBDECK_TEST_POOLER"}
"""Variables that are no settings: those of commands, those of the cockpit, and one of the tests."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(page, text[: found.start()].count("\n") + 1, found[1], found[2]) for found in _FENCE.finditer(text)]


# -- the examples ---------------------------------------------------------------------------------


@dataclass
class Reader:
    """Somebody who tries everything that a page shows, in a folder of their own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        paths = [str(ROOT / "core"), str(ROOT / "tui"), str(self.folder), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "JOBDECK_DATABASE": str(self.folder / "jobs.db"),
        }

    def install(self) -> None:
        """Put `jobdeck` on the PATH."""
        (self.folder / "bin").mkdir()
        program = self.folder / "bin" / "jobdeck"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m jobdeck_tui "$@"\n')
        program.chmod(0o755)

    def read(self, page: list[Block]) -> None:
        """Try a whole page: its blocks in order, then its modules of tests."""
        for block in page:
            if block.language == "sh":
                self.shell(block)
            elif block.language == "python":
                self.python(block)
        self.tests()

    def run(self, *words: str, what: object, **variables: str) -> None:
        environment = self.environment | variables
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{what}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{what}\n{done.stderr}"

    def shell(self, block: Block) -> None:
        """Run a block line by line as one script that ends at the first command that fails unannounced."""
        lines = []
        for line in block.code.splitlines():
            if failing := _FAILS.search(line):
                lines.append(f"set +e; {line}\ncode=$?; set -e; [ $code -eq {failing[1]} ] || exit 90")
            else:
                lines.append(line)
        with self.working(needed=bool(_WAITS.search(block.code))):
            self.run("bash", "-e", "-o", "pipefail", "-c", "\n".join(lines), what=block)

    def python(self, block: Block) -> None:
        """Write the file that the first line names; run it, unless it is a module of tests."""
        named = re.match(r"# (\w+\.py)\n", block.code)
        name = named[1] if named else f"program_{block.line}.py"
        (self.folder / name).write_text(block.code)
        if not name.startswith("test_"):
            self.run(sys.executable, name, what=block)

    def tests(self) -> None:
        """Run the modules of tests, if there are any."""
        if modules := sorted(each.name for each in self.folder.glob("test_*.py")):
            # Plugins would take longer to load than the tests take to run.
            command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules)
            self.run(*command, what=modules, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")

    @contextmanager
    def working(self, *, needed: bool) -> Iterator[None]:
        """A worker in the background, for a block that waits for its jobs."""
        if not needed:
            yield
            return
        app = {"JOBDECK_APP": "tasks"} if (self.folder / "tasks.py").exists() else {}
        command = [sys.executable, "-m", "jobdeck_tui", "worker", "--threads", "2"]
        worker = subprocess.Popen(command, cwd=self.folder, env=self.environment | app, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.install()
    reader.read(blocks(page))


def command_lines(code: str) -> list[list[str]]:
    """The words of each `jobdeck` command of a block, without its comment, its prompt, and what it is piped into."""
    found = []
    for line in code.splitlines():
        for part in re.findall(r"(?<![\w/.-])jobdeck(?= |$)[^|;>\n)]*", line.removeprefix("$ ").split("  #")[0]):
            words = shlex.split(part.split(" # ")[0].removesuffix('"').strip())
            found.append(words[1:])
    return found


def refuse_unknown(words: list[str]) -> None:
    """Parse a command line without running it. Raises `click.UsageError` if it has a mistake."""
    context = cli.make_context("jobdeck", list(words), resilient_parsing=False)
    command: click.Command = cli
    # What a group has not parsed is the subcommand and its words.
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context, resilient_parsing=False)


@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks(page) if block.language == "console"], ids=str)
def test_the_command_lines_of_a_session_parse(block: Block) -> None:
    for words in command_lines(block.code):
        try:
            refuse_unknown(words)
        except click.exceptions.Exit:  # of --version and --help, which end the program when they are read
            pass
        except click.UsageError as mistake:
            pytest.fail(f"{block}: jobdeck {shlex.join(words)}: {mistake.format_message()}")


@pytest.mark.parametrize(
    "line", ["jobdeck lst", "jobdeck list --color", "jobdeck schedule at", "jobdeck worker --threads many"]
)
def test_a_mistake_in_a_command_line_is_found(line: str) -> None:
    (words,) = command_lines(f"$ {line}   # with a comment")
    with pytest.raises(click.UsageError):
        refuse_unknown(words)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("sh", "jobdeck nothing\ntrue"),
        ("sh", "jobdeck kinds   # exit 1"),
        ("python", "import jobdeck\njobdeck.Queue.nothing"),
        ("python", "# test_it.py\ndef test_it():\n    assert False"),
    ],
)
def test_an_example_that_does_not_work_is_found(language: str, code: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.install()
    with pytest.raises(AssertionError, match="exit code"):
        reader.read([Block(tmp_path / "page.md", 1, language, code)])


def test_a_block_says_in_which_language_it_is() -> None:
    known = {"sh", "python", "console", "ini", "dockerfile", "toml", "json", "sql", "text"}
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)
        assert set(fences[::2]) <= known, page.name
        assert set(fences[1::2]) <= {""}, page.name


# -- what the pages must hold ---------------------------------------------------------------------

ALL = "\n".join(page.read_text() for page in PAGES)


def test_every_page_is_in_the_list_of_topics() -> None:
    assert {page.stem for page in GUIDE.glob("*.md")} == set(ORDER)


@pytest.mark.parametrize("topic", ORDER)
def test_a_page_has_a_title_a_summary_that_fits_and_a_readable_length(topic: str) -> None:
    page = read_page(topic)
    source = (GUIDE / f"{topic}.md").read_text()
    assert source.startswith(f"# {page.title}\n\n")
    assert 30 <= len(page.summary) <= 50  # beside its topic, in 80 columns
    assert page.summary.endswith(".")
    assert "`" not in page.summary
    assert 60 <= source.count("\n") <= 200
    assert "<!--" not in page.text


@pytest.mark.parametrize("topic", ORDER)
def test_every_link_of_a_page_leads_somewhere(topic: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", read_page(topic).text):
        if target.startswith("https://"):
            continue
        found = find_topic(target)
        assert found is not None, target
        headings = re.findall(r"^#+ (.+)$", read_page(found[0]).text, re.MULTILINE)
        assert not found[1] or found[1] in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described_on_some_page(name: str) -> None:
    assert re.search(rf"\bjobdeck {name}\b", ALL)


def test_every_setting_is_described_and_no_other() -> None:
    page = (GUIDE / "settings.md").read_text()
    known = {name for name, _, _ in Settings.describe()}
    assert {name for name in known if f"| `{name}` |" not in page} == set()
    assert set(re.findall(r"JOBDECK_[A-Z_]+", ALL)) <= known | _OUTSIDE


def test_every_key_of_the_keymap_is_described() -> None:
    page = (GUIDE / "keys.md").read_text()
    for action in actions(Cockpit):
        for key in action.keys:
            assert f"`{short_name(key)}`" in page, action.id


def test_every_field_of_the_filter_language_is_described() -> None:
    page = (GUIDE / "filters.md").read_text()
    assert [name for name in FIELDS if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("topic", ["settings", "keys", "filters"])
def test_the_tables_that_are_made_from_the_code_are_current(topic: str) -> None:
    source = (GUIDE / f"{topic}.md").read_text()
    assert "<!-- generated: " in source
    assert updated(source) == source, "run: python tests/guide_tables.py --write"


def test_a_table_that_is_not_current_is_found() -> None:
    source = (GUIDE / "settings.md").read_text()
    stale = source.replace("| `JOBDECK_THREADS` | `4` |", "| `JOBDECK_THREADS` | `5` |")
    assert stale != source
    assert updated(stale) == updated(source)


# -- how the pages are read -----------------------------------------------------------------------


def test_pages_are_read_in_reading_order() -> None:
    assert [page.topic for page in read_pages()] == [*ORDER]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("retri", "retries"),
        ("Retry", "retries"),
        ("postgres", "postgresql"),
        ("jobs and kinds", "jobs-and-kinds"),
        ("keys.md", "keys"),
    ],
)
def test_a_mistyped_topic_is_understood(name: str, meant: str) -> None:
    assert suggest_topics(name)[0] == meant


def test_a_name_like_no_topic_suggests_nothing() -> None:
    assert suggest_topics("zzz") == []
    assert suggest_topics("") == []


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("retries.md", ("retries", "")),
        ("retries.md#backoff", ("retries", "backoff")),
        ("https://example.org/retries.md", None),
        ("../../README.md", None),
        ("retries", None),
    ],
)
def test_a_link_leads_to_a_page_of_the_guide_or_out_of_it(link: str, found: tuple[str, str] | None) -> None:
    assert find_topic(link) == found
