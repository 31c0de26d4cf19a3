"""Tests of the form of a new job: fields, JSON, shell commands, and the effect of each key."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for
from textual.pilot import Pilot

from jobdeck import Kind, Queue, Registry
from jobdeck.kinds.registry import job
from jobdeck_tui.forms.cli_command import new_job_command
from jobdeck_tui.forms.options import JOB_OPTIONS, read_option
from jobdeck_tui.forms.shell_line import format_line, needs_shell, read_line
from jobdeck_tui.forms.values import fits_fields, format_value, read_value
from jobdeck_tui.preferences import Preferences
from jobdeck_tui.screens.new_job import LAST_KIND, NewJobScreen
from jobdeck_tui.text.times import parse_time
from jobdeck_tui.widgets.forms.arguments import ArgumentsForm
from jobdeck_tui.widgets.forms.field import Field
from jobdeck_tui.widgets.forms.json_area import JsonArea, JsonProblem, parse_object, place_of

SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
Scene = Callable[[Pilot[Any]], Awaitable[None]]
HOSTILE = "\x1b]52;c;aGk=\x07[red]‮x\x00"


def play(still: FrozenQueue, scene: Scene, *, size: tuple[int, int] = (120, 40), remembered: Preferences | None = None) -> None:
    """Open the cockpit and play the scene."""
    app = still.app()
    app.preferences = remembered or app.preferences

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


async def form(pilot: Pilot[Any], kind: str = "") -> None:
    """Open the form of a kind."""
    await pilot.press("n")
    await opened(pilot)
    if kind and pilot.app.screen.query_one("#kind").value != kind:  # type: ignore[attr-defined]
        pilot.app.screen.query_one("#kind").value = kind  # type: ignore[attr-defined]
        await wait_for(
            pilot, lambda: f" {kind}" in screen(pilot).command or (kind == "shell" and "jobdeck run" in screen(pilot).command)
        )
        await pilot.pause()


async def opened(pilot: Pilot[Any]) -> None:
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen) and screen(pilot).command)


def screen(pilot: Pilot[Any]) -> NewJobScreen:
    assert isinstance(pilot.app.screen, NewJobScreen)
    return pilot.app.screen


def entry(pilot: Pilot[Any], name: str) -> Any:
    """Return the text of a field of the form."""
    return next(field.entry for field in pilot.app.screen.query(Field) if field.key == name)


def area(pilot: Pilot[Any]) -> JsonArea:
    return pilot.app.screen.query_one(JsonArea)


def as_json(pilot: Pilot[Any]) -> bool:
    return pilot.app.screen.query_one(ArgumentsForm).as_json


def complaints(pilot: Pilot[Any]) -> list[str]:
    shown = [*pilot.app.screen.query(".field-problem"), *pilot.app.screen.query("#form-problem")]
    return [str(note.render()) for note in shown if note.display]


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ctrl+j", "f4"])
def test_switching_to_json_and_back_keeps_the_input(still: FrozenQueue, key: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "mail.send_receipt")
        entry(pilot, "order_id").value = "7"
        entry(pilot, "to").value = '"7" ü'
        entry(pilot, "attach_pdf").focus()
        await pilot.press("space", key)
        await wait_for(pilot, lambda: as_json(pilot))
        assert parse_object(area(pilot).text) == {"order_id": 7, "to": '"7" ü', "attach_pdf": True}
        assert pilot.app.focused is area(pilot)
        area(pilot).text = '{"order_id": 8, "to": "x", "language": "es"}'
        await pilot.press(key)
        await wait_for(pilot, lambda: not as_json(pilot))
        assert [entry(pilot, name).value for name in ("order_id", "to", "language", "attach_pdf")] == ["8", "x", "es", False]
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: still.queue.count() == 1)

    play(still, scene)
    assert still.queue.get(1).args == {"order_id": 8, "to": "x", "language": "es"}


def test_json_is_enqueued_as_typed_and_enter_starts_a_line(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post")
        await pilot.press("ctrl+j")
        await wait_for(pilot, lambda: as_json(pilot))
        area(pilot).text = ""
        await pilot.press("{", "enter", *'"url":"u","event":"e"}')
        assert isinstance(pilot.app.screen, NewJobScreen)
        await wait_for(pilot, lambda: "url=u event=e" in screen(pilot).command)
        await pilot.press("f2")
        await wait_for(pilot, lambda: still.queue.count() == 1)

    play(still, scene)
    assert still.queue.get(1).args == {"url": "u", "event": "e"}


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ('{"url": "u",\n "event" 3}', "line 2, column 10: expecting ':' delimiter", (2, 10)),
        ("[1]", "line 1, column 1: the arguments must be an object", (1, 1)),
        ('{"url": "u",\n "url": "v"}', "line 2, column 2: duplicate name url", (2, 2)),
        ('{"url": "u",\n "event": 3}', "line 2: event is invalid", (2, 2)),
        ('{"url": "u",\n "event": "e", "more": 1}', "line 2: more is unknown to this kind", (2, 16)),
        ('{"url": "u"}', "event is missing", None),
    ],
)
def test_an_error_in_json_is_shown_with_its_position_and_keeps_the_form_open(
    still: FrozenQueue, text: str, problem: str, place: tuple[int, int] | None
) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post")
        await pilot.press("ctrl+j")
        area(pilot).text = text
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: any(problem in each for each in complaints(pilot)))
        assert area(pilot).error_position == place
        if place is not None:
            marked = area(pilot).get_line(place[0] - 1)
            assert any(span.start == place[1] - 1 and "underline" in str(span.style) for span in marked.spans)

    play(still, scene)
    assert still.queue.count() == 0


def test_json_that_does_not_fit_the_form_stays_json_and_says_why(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "mail.send_receipt")
        await pilot.press("ctrl+j")
        for text, why in (
            ('{"language": "xx"}', "language must be one of en, de, es"),
            ('{"attach_pdf": 1}', "attach_pdf must be true or false"),
            ('{"to": "a\\nb"}', "to has characters that do not fit on one line"),
            ('{"to": ', "line 1, column 8: expecting value"),
        ):
            area(pilot).text = text
            await pilot.press("ctrl+j")
            await wait_for(pilot, lambda why=why: any(why in each for each in toasts(pilot)))
            assert as_json(pilot)
            assert area(pilot).text == text

    play(still, scene)


def test_json_is_highlighted_without_control_characters(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post")
        await pilot.press("ctrl+j")
        area(pilot).text = f'{{"url": "{HOSTILE}", "n": 1, "t": true}}'
        line = area(pilot).get_line(0)
        assert "\x1b" not in line.plain
        assert len(line.plain) == len(area(pilot).text)
        styles = {line.plain[span.start : span.end]: str(span.style) for span in line.spans}
        assert len({styles['"url"'], styles["1"], styles["true"], styles["{"]}) == 4
        await pilot.pause()
        drawn = "".join(area(pilot).render_line(y).text for y in range(area(pilot).size.height))
        assert "\x1b" not in drawn

    play(still, scene)


# -- the command and the options --------------------------------------------------------------------


def test_the_equivalent_command_line_is_shown_and_copied(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "mail.send_receipt")
        told = {"order_id": "7", "to": "ann b", "queue": "slow", "when": "10m", "after": "1, 2", "tags": "x y"}
        for name, text in told.items():
            entry(pilot, name).value = text
        expected = (
            "jobdeck enqueue mail.send_receipt order_id=7 'to=ann b' --queue slow --in 10m --after 1 --after 2 --tag x --tag y"
        )
        await wait_for(pilot, lambda: screen(pilot).command == expected)
        await pilot.press("f3")
        assert pilot.app.clipboard == expected
        pilot.app.copy_to_clipboard("")
        await pilot.click("#form-command")
        assert pilot.app.clipboard == expected
        entry(pilot, "when").value = "18:30"
        await wait_for(pilot, lambda: "--at 18:30" in screen(pilot).command)

    play(still, scene)


def test_a_job_is_scheduled_by_delay_or_time_of_day(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        for when in ("90s", "18:30", "2026-01-31T09:00"):
            await form(pilot, "report.daily")
            entry(pilot, "day").value = "d"
            entry(pilot, "when").value = when
            count = still.queue.count()
            await pilot.press("enter")
            await wait_for(pilot, lambda count=count: still.queue.count() == count + 1)
        await form(pilot, "report.daily")
        entry(pilot, "when").value = "someday"
        await wait_for(pilot, lambda: any("neither a duration such as 90s" in each for each in complaints(pilot)))

    play(still, scene)
    now = still.clock.now()
    assert [still.queue.get(n).scheduled_at for n in (1, 2, 3)] == [
        *(now + 90, parse_time("18:30", now), parse_time("2026-01-31T09:00")),
    ]


def test_the_form_starts_with_the_kind_of_the_last_job(still: FrozenQueue, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "webhook.post")
        entry(pilot, "url").value = "u"
        entry(pilot, "event").value = "e"
        await pilot.press("enter")
        await wait_for(pilot, lambda: still.queue.count() == 1)
        await form(pilot)
        assert pilot.app.screen.query_one("#kind").value == "webhook.post"  # type: ignore[attr-defined]

    play(still, scene, remembered=Preferences(tmp_path / "r.json"))
    assert Preferences(tmp_path / "r.json").get(LAST_KIND, "") == "webhook.post"


def test_the_mouse_fills_in_the_form_and_presses_its_keys(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "mail.send_receipt")
        await pilot.click(entry(pilot, "attach_pdf"))
        assert entry(pilot, "attach_pdf").value is True
        await pilot.click("#form-modes", offset=(20, 0))
        await wait_for(pilot, lambda: as_json(pilot))
        await pilot.click("#form-modes", offset=(14, 0))
        await wait_for(pilot, lambda: not as_json(pilot))
        entry(pilot, "order_id").value = "1"
        entry(pilot, "to").value = "x"
        await pilot.click("#form-keys", offset=(1, 0))
        await wait_for(pilot, lambda: still.queue.count() == 1)
        await form(pilot)
        keys = pilot.app.screen.query_one("#form-keys")
        begin = next(begin for begin, _, action in keys._places if action == "cancel")  # type: ignore[attr-defined]
        await pilot.click("#form-keys", offset=(begin, 0))
        await wait_for(pilot, lambda: not isinstance(pilot.app.screen, NewJobScreen))

    play(still, scene)
    assert still.queue.get(1).args["attach_pdf"] is True


def test_tab_shift_tab_and_the_arrows_move_between_fields_and_y_and_n_set_a_checkbox(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "mail.send_receipt")
        for keys, name in (
            (("tab",), "to"),
            (("down", "tab"), "attach_pdf"),
            (("shift+tab",), "language"),
            (("tab", "down"), "queue"),
            (("up",), "attach_pdf"),
        ):
            for key in keys:
                await pilot.press(key)
            assert pilot.app.focused is entry(pilot, name), name
        for key, value in (("y", True), ("n", False), ("space", True)):
            await pilot.press(key)
            assert entry(pilot, "attach_pdf").value is value

    play(still, scene)


def test_the_queue_is_completed(still: FrozenQueue) -> None:
    still.queue.enqueue("report.daily", {"day": "d"}, queue="nightly")

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "report.daily")
        entry(pilot, "queue").focus()
        await pilot.press(*"nig")
        await wait_for(pilot, lambda: entry(pilot, "queue")._suggestion == "nightly")
        await pilot.press("right")
        assert entry(pilot, "queue").value == "nightly"

    play(still, scene)


# -- a command -------------------------------------------------------------------------------------


def test_a_command_is_typed_as_in_a_shell_and_goes_to_one_only_if_it_must(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "shell")
        entry(pilot, "command").focus()
        await pilot.press(*"gzip -9 'a b'")
        await wait_for(pilot, lambda: screen(pilot).command == "jobdeck run -- gzip -9 'a b'")
        await pilot.press(*" | wc")
        await wait_for(pilot, lambda: entry(pilot, "shell").value)
        assert screen(pilot).command == "jobdeck run --shell -- " + shlex.quote("gzip -9 'a b' | wc")
        entry(pilot, "shell").focus()
        await pilot.press("space")
        await wait_for(pilot, lambda: screen(pilot).command == "jobdeck run -- gzip -9 'a b' '|' wc")
        entry(pilot, "command").value = "echo *"  # the user has decided
        entry(pilot, "cwd").value = "/tmp"
        await pilot.pause()
        assert not entry(pilot, "shell").value
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: still.queue.count() == 1)

    play(still, scene)
    args = still.queue.get(1).args
    assert (args["command"], args["cwd"]) == (["echo", "*"], "/tmp")


def test_an_unclosed_quotation_mark_is_shown_at_the_command(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "shell")
        await pilot.press(*"echo 'a")
        await wait_for(pilot, lambda: complaints(pilot) == ["✗ cannot be parsed: no closing quotation"])
        await pilot.press("ctrl+j")
        await wait_for(pilot, lambda: any("no closing quotation" in each for each in toasts(pilot)))
        assert not as_json(pilot)
        await pilot.press("'", "ctrl+j")
        await wait_for(pilot, lambda: as_json(pilot))
        assert parse_object(area(pilot).text) == {"command": ["echo", "a"]}

    play(still, scene)


def test_the_environment_of_a_command_is_kept_and_edited_as_json(still: FrozenQueue) -> None:
    still.queue.enqueue("shell", {"command": ["env"], "env": {"A": "1"}})

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "d")
        await opened(pilot)
        entry(pilot, "command").value = "env -0"
        await pilot.press("ctrl+j")
        await wait_for(pilot, lambda: as_json(pilot))
        assert parse_object(area(pilot).text)["env"] == {"A": "1"}
        area(pilot).text = '{"command": ["env", "-0"], "env": {"A": "2"}}'
        await pilot.press("ctrl+j")
        await wait_for(pilot, lambda: not as_json(pilot))
        assert "--env A=2" in screen(pilot).command
        await pilot.press("enter")
        await wait_for(pilot, lambda: still.queue.count() == 2)

    play(still, scene)
    assert still.queue.get(2).args["env"] == {"A": "2"}


# -- duplicate and edit ----------------------------------------------------------------------------


def test_a_duplicate_keeps_the_options_but_not_the_schedule(still: FrozenQueue) -> None:
    still.queue.schedules.add("s", "@daily", "report.daily", {"day": "d"}, tags=["x"], timeout=90, queue="slow")
    still.queue.schedules.run("s")

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "d")
        await opened(pilot)
        assert "like job 1" in str(pilot.app.screen.query_one("#new-job").border_title)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: still.queue.count() == 2)

    play(still, scene)
    made = still.queue.get(2)
    assert (made.tags, made.timeout, made.queue, made.priority, made.args) == (("x",), 90.0, "slow", -5, {"day": "d"})


@pytest.mark.parametrize("size", [(60, 15), (120, 40)])
def test_a_job_with_hostile_arguments_is_duplicated_as_json_and_byte_for_byte(
    still: FrozenQueue, size: tuple[int, int]
) -> None:
    still.queue.enqueue("webhook.post", {"url": HOSTILE, "event": "line\nline"})

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "d")
        await opened(pilot)
        assert as_json(pilot)
        assert area(pilot).text.replace("\n", "").isprintable()
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: still.queue.count() == 2)

    play(still, scene, size=size)
    assert still.queue.get(2).args == still.queue.get(1).args


def test_a_kind_without_arguments_says_so(still: FrozenQueue) -> None:
    job(name="a.beat", registry=still.queue.registry)(_beat)

    async def scene(pilot: Pilot[Any]) -> None:
        await form(pilot, "a.beat")
        assert pilot.app.focused is entry(pilot, "queue")
        assert "no arguments" in str(pilot.app.screen.query_one(".form-note").render())
        await pilot.press("ctrl+j")
        await wait_for(pilot, lambda: as_json(pilot))
        assert area(pilot).text == "{}"
        await pilot.press("ctrl+j", "ctrl+s")
        await wait_for(pilot, lambda: still.queue.count() == 1)

    play(still, scene)


def _beat() -> None:
    pass


def test_escape_closes_the_form_even_from_a_checkbox_or_json(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        for keys in ((), ("tab", "tab", "tab"), ("ctrl+j",)):
            await form(pilot, "mail.send_receipt")
            await pilot.press(*keys, "escape")
            await wait_for(pilot, lambda: not isinstance(pilot.app.screen, NewJobScreen))

    play(still, scene)
    assert still.queue.count() == 0


# -- functions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("gzip -9 a.log", False),
        ("echo 'a | b' \"c > d\" e\\;f", False),
        ("ls *.jpg", True),
        ('echo "$HOME"', True),
        ("A=1 env", True),
        ("env A=1", False),
        ("a && b", True),
    ],
)
def test_shell_syntax_needs_a_shell(line: str, needed: bool) -> None:
    assert needs_shell(line) is needed


@pytest.mark.parametrize(
    "args", [{"command": ["a b", "'c'", ""]}, {"command": ["ls | wc"], "shell": True}, {"command": ["x"], "shell": False}]
)
def test_a_command_line_is_parsed_back_to_the_command(args: Mapping[str, Any]) -> None:
    line = format_line(args)
    assert line is not None
    assert {"shell": False, **read_line(line, shell=args.get("shell", False))} == {"shell": False, **args}
    assert format_line({"command": ["a\nb"], "shell": True}) is None
    assert format_line({"command": "a"}) is None


@pytest.mark.parametrize("value", ["x", "7", 7, 1.5, True, [1, "a"], {"a": None}, "null", '"q"', ""])
@pytest.mark.parametrize("type_name", ["str", "int | str", "typing.Any"])
def test_a_typed_value_is_parsed_back_to_the_value(value: Any, type_name: str) -> None:
    if type_name == "str" and not isinstance(value, str):
        return
    assert read_value(format_value(value, type_name), type_name) == value


def test_a_json_object_is_read_with_the_position_of_its_error() -> None:
    assert parse_object("  ") == {}
    assert place_of('{\n  "a": {"b": 1}\n}', "b") == (2, 9)
    assert place_of("{}", "b") == (1, 1)
    with pytest.raises(JsonProblem, match=r"nested too deeply|recursion"):
        parse_object('{"a":' + "[" * 100_000)


def test_options_are_read_or_say_what_they_take() -> None:
    assert read_option("priority", "1,000", 0.0) == ("priority", 1000)
    assert read_option("when", "1h30m", 0.0) == ("delay", 5400.0)
    assert read_option("tags", "a  b", 0.0) == ("tags", ["a", "b"])
    assert read_option("unique", "a b", 0.0) == ("unique", "a b")
    for name in ("priority", "after", "timeout", "expires", "when"):
        with pytest.raises(ValueError, match=r"."):
            read_option(name, "x y", 0.0)


def test_the_command_shown_enqueues_the_same_job(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from jobdeck_tui.cli import cli

    kinds = Registry()

    @job(name="a.mix", registry=kinds)
    def mix(
        text: str, either: int | str, many: list[str], mode: Literal["x", "y"] = "x", note: Annotated[str, "n"] = ""
    ) -> None:
        pass

    module = tmp_path / "mixtasks.py"
    module.write_text(
        "from jobdeck import job\n@job(name='a.mix')\ndef mix(text: str, either: int | str, many: list[str],"
        " mode: str = 'x', note: str = '') -> None: ...\n"
    )
    with Queue(tmp_path / "jobs.db", registry=kinds) as queue:
        (kind,) = [each for each in queue.kinds.list() if each.name == "a.mix"]
        args = {"text": "7", "either": "8", "many": ["a b", "'"], "mode": "y", "note": "-x=1"}
        typed = {"queue": "q q", "priority": "-3", "unique": "k", "timeout": "90s", "max_attempts": "2", "tags": "a b"}
        told = new_job_command(kind, args, [(option, typed.get(option.name, "")) for option in JOB_OPTIONS])
        assert told.startswith("jobdeck enqueue a.mix text=7 'either=\"8\"'")
        words = ["--db", str(tmp_path / "jobs.db"), "--app", f"{module}", *shlex.split(told)[1:]]
        done = CliRunner().invoke(cli, words, standalone_mode=False)
        assert done.exception is None, done.output
        made = queue.get(1)
        assert made.args == args
        assert (made.queue, made.priority, made.unique_key, made.timeout, made.max_attempts, made.tags) == (
            *("q q", -3, "k", 90.0, 2, ("a", "b")),
        )


def test_arguments_without_a_field_are_named() -> None:
    def sized(n: int, on: bool = True, mode: Literal["a", "b"] = "a") -> None:
        pass

    kinds = Registry()
    job(name="k", registry=kinds)(sized)
    kind: Kind = kinds.get("k").describe()
    assert fits_fields(kind.parameters, {"n": 1, "on": False, "mode": "b"}) is None
    assert "on must be" in (fits_fields(kind.parameters, {"on": 1}) or "")
    assert "mode must be" in (fits_fields(kind.parameters, {"mode": "c"}) or "")
    assert "null" in (fits_fields(kind.parameters, {"mode": "a", "on": True, "n": None}) or "null")


# -- snapshots -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60, 15), *SIZES], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_form_with_json(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    async def fill(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await form(pilot, "mail.send_receipt")
        area(pilot).cursor_blink = False
        await pilot.press("ctrl+j")
        area(pilot).text = '{\n  "order_id": "seventy",\n  "to": "ann@example.org",\n  "attach_pdf": true\n}'
        await wait_for(pilot, lambda: any("order_id is invalid" in each for each in complaints(pilot)))

    assert snap_compare(still.app(), terminal_size=size, run_before=fill)


@pytest.mark.parametrize("size", [(60, 15), *SIZES], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_form_of_a_command(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    async def fill(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await form(pilot, "shell")
        entry(pilot, "command").value = "pg_dump shop | gzip > shop.sql.gz"
        entry(pilot, "when").value = "02:30"
        await wait_for(pilot, lambda: "--at" in screen(pilot).command)
        for each in pilot.app.screen.query("Input"):
            each.cursor_blink = False  # type: ignore[attr-defined]

    assert snap_compare(still.app(), terminal_size=size, run_before=fill)
