"""The guide in the cockpit: how it is opened, how its pages are read, and that escape always leads back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, wait_for
from tests.tui.screen_pilot import play
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Label, Markdown
from textual.widgets._markdown import MarkdownFence

from jobdeck_tui.frame_capture import screen_text
from jobdeck_tui.guide import ORDER, read_page
from jobdeck_tui.guide_app import GuideApp
from jobdeck_tui.screens.guide import GuideScreen
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.jobs import JobsScreen

WIDE, NARROW = (120, 40), (80, 24)


def guide_of(pilot: Pilot[Any]) -> GuideScreen:
    screen = pilot.app.screen
    assert isinstance(screen, GuideScreen), screen
    return screen


async def opened(pilot: Pilot[Any], topic: str | None = None) -> GuideScreen:
    """Open the guide, and wait until a page is there."""
    await pilot.app.run_action("guide") if topic is None else pilot.app.action_guide(topic)  # type: ignore[attr-defined]
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, GuideScreen) and pilot.app.screen.topic)
    await pilot.pause()
    return guide_of(pilot)


async def reads(pilot: Pilot[Any], topic: str) -> None:
    """Wait until the page of the topic is shown."""
    await wait_for(pilot, lambda: guide_of(pilot).page.document.source == read_page(topic).text)


def test_f1_opens_the_guide_and_escape_leads_back(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("f1")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, GuideScreen))
        await reads(pilot, ORDER[0])
        shown = screen_text(pilot.app)
        assert [topic for topic in ORDER if topic not in shown] == []
        assert f"Getting started · 1 of {len(ORDER)}" in shown
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))

    play(still.app(), scene, WIDE)


def test_the_help_leads_to_the_guide_and_the_guide_back_to_the_screen(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        assert "g guide" in screen_text(pilot.app)
        await pilot.press("g")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, GuideScreen))
        await pilot.press("q")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))

    play(still.app(), scene, WIDE)


def test_the_palette_has_a_command_for_the_guide(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        commands = {each.title: each for each in pilot.app.get_system_commands(pilot.app.screen)}
        assert commands["Guide"].help.startswith("f1")
        commands["Guide"].callback()
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, GuideScreen))

    play(still.app(), scene, WIDE)


def test_the_page_follows_the_cursor_in_the_list_of_topics(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        guide = await opened(pilot)
        await pilot.press("j", "j")
        await reads(pilot, ORDER[2])
        assert guide.topics.has_focus
        await pilot.press("G")
        await reads(pilot, ORDER[-1])

    play(still.app(), scene, WIDE)


def test_the_page_scrolls_by_lines_and_screenfuls_and_a_new_one_begins_at_its_top(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        guide = await opened(pilot, "retries")
        await reads(pilot, "retries")
        await pilot.press("j", "j")
        await wait_for(pilot, lambda: guide.page.scroll_offset.y == 2)
        await pilot.press("G")
        await wait_for(pilot, lambda: guide.page.is_vertical_scroll_end)
        await pilot.press("n")
        await reads(pilot, "filters")
        assert guide.page.scroll_offset.y == 0
        assert guide.topics.key == "filters"
        await pilot.press("N")
        await reads(pilot, "retries")

    play(still.app(), scene, WIDE)


def test_the_contents_lead_to_a_heading(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        guide = await opened(pilot, "retries")
        await reads(pilot, "retries")
        await pilot.press("t", "G", "enter")
        assert guide.page.has_focus
        await wait_for(pilot, lambda: guide.page.scroll_offset.y > 0)
        assert "At least once" in screen_text(pilot.app)

    play(still.app(), scene, WIDE)


def test_a_link_opens_its_page_and_backspace_goes_back(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        guide = await opened(pilot, "getting-started")
        await reads(pilot, "getting-started")
        document = guide.page.document
        document.post_message(Markdown.LinkClicked(document, "retries.md#backoff"))
        await reads(pilot, "retries")
        await wait_for(pilot, lambda: guide.page.scroll_offset.y > 0)
        assert guide.topics.key == "retries"
        await pilot.press("backspace")
        await reads(pilot, "getting-started")
        assert guide.topics.key == "getting-started"

    play(still.app(), scene, WIDE)


def test_a_link_out_of_the_guide_opens_the_browser_only_for_the_web(still: FrozenQueue) -> None:
    app = still.app()
    visited: list[str] = []
    app.open_url = lambda url, *, new_tab=True: visited.append(url)  # type: ignore[method-assign]

    async def scene(pilot: Pilot[Any]) -> None:
        guide = await opened(pilot, "contributing")
        await reads(pilot, "contributing")
        document = guide.page.document
        for link in ("https://docs.pydantic.dev", "file:///etc/passwd", "../../README.md", "nothing.md"):
            document.post_message(Markdown.LinkClicked(document, link))
        await wait_for(pilot, lambda: visited)
        await pilot.pause(0.1)
        assert visited == ["https://docs.pydantic.dev"]
        assert document.source == read_page("contributing").text

    play(app, scene, WIDE)


def test_in_a_narrow_terminal_either_the_topics_or_the_page_is_shown(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        guide = await opened(pilot)
        shown = screen_text(pilot.app)
        assert [topic for topic in ORDER if topic not in shown] == []
        assert read_page("retries").summary[:30] in shown
        assert not guide.page.display
        await pilot.press(*"j" * ORDER.index("retries"), "enter")
        await reads(pilot, "retries")
        shown = screen_text(pilot.app)
        assert f"Retries · {ORDER.index('retries') + 1} of {len(ORDER)}" in shown
        assert "getting-started" not in shown
        await pilot.press("t")
        assert "on this page" in screen_text(pilot.app)
        await pilot.press("escape")
        assert guide.page.has_focus
        await pilot.press("escape")
        assert guide.topics.has_focus
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))

    play(still.app(), scene, NARROW)


@pytest.mark.parametrize("topic", ["getting-started", "testing"])
def test_a_narrow_terminal_wraps_code_and_cuts_nothing(topic: str) -> None:
    async def run() -> None:
        async with GuideApp(topic).run_test(size=NARROW) as pilot:
            await reads(pilot, topic)
            await pilot.pause()
            fences = guide_of(pilot).page.document.query(MarkdownFence)
            assert any(max(map(len, fence.code.splitlines())) > NARROW[0] - 6 for fence in fences)
            for fence in fences:
                label = fence.query_one(Label)
                drawn = label.render_lines(Region(0, 0, label.size.width + 2, label.size.height))
                assert "".join("".join(strip.text for strip in drawn).split()) == "".join(fence.code.split())
                assert label.region.right <= guide_of(pilot).page.content_region.right

    asyncio.run(run())


def test_alone_the_guide_ends_with_its_program() -> None:
    async def run() -> None:
        app = GuideApp("limits")
        async with app.run_test(size=WIDE) as pilot:
            await reads(pilot, "limits")
            await pilot.press("question_mark", "g")  # the help of the guide leads nowhere else
            await wait_for(pilot, lambda: isinstance(app.screen, GuideScreen))
            await pilot.press("escape")
        assert app.return_code == 0

    asyncio.run(run())
