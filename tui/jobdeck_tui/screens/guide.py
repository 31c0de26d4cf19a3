"""The guide: its topics, the page that is open, and the contents of that page."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer

from ..guide import Page, find_topic, read_pages
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.guide_page import GuidePage
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .base import CockpitScreen, TooSmall

WIDE = 100
"""The minimum number of columns to show the topics beside the page; below it, only one of the two is shown."""
TALL = 34
"""The minimum number of lines to show the contents of the page below the topics."""
_PAUSE = 0.08
"""Seconds that the cursor must rest on a topic before its page is drawn, so that holding a key does not draw every page."""


class GuideScreen(CockpitScreen):
    """The guide. Escape leads back to the topics where they are hidden, then out of it."""

    HELP_TITLE = "guide"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next", "switch", tooltip="From the page to the topics, and back"),
        Binding("t", "contents", "contents", tooltip="The contents of this page: go to a heading"),
        Binding("n", "page(1)", "next page", tooltip="The next page of the guide"),
        Binding("N", "page(-1)", "page before", show=False, tooltip="The page before this one"),
        Binding("backspace", "earlier", "last page read", show=False, tooltip="Back to the page that you came from"),
        Binding("escape", "back", "back", key_display="esc", tooltip="Back to the topics, then out of the guide"),
        Binding("q", "close", "close", show=False, tooltip="Close the guide"),
    ]

    def __init__(self, topic: str | None = None) -> None:
        """Open the guide.

        Args:
            topic: the page to open; `None` opens the list of topics.
        """
        super().__init__()
        self._pages = {page.topic: page for page in read_pages()}
        self._wanted = topic
        self._shown = ""
        self._visited: list[str] = []
        self._soon: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="guide"):
            with Vertical(id="guide-side"):
                yield KeyedTable(
                    "guide",
                    (TableColumn("topic", "TOPIC"), TableColumn("about", "ABOUT", least=20, drop=1, grow=True)),
                    id="topics",
                )
                yield KeyedTable("on this page", (TableColumn("heading", "HEADING", grow=True),), id="headings")
            yield GuidePage(id="page")
        yield KeyHints(id="hints")
        yield TooSmall()

    async def on_mount(self) -> None:
        """List the topics and open the page."""
        self.topics.show([_row(page) for page in self._pages.values()])
        first = self._wanted or next(iter(self._pages))
        self.topics.choose(first)
        await self._open(first)
        (self.topics if self._wanted is None else self.page).focus()

    @property
    def topics(self) -> KeyedTable:
        """The list of topics."""
        return self.query_one("#topics", KeyedTable)

    @property
    def headings(self) -> KeyedTable:
        """The contents of the page."""
        return self.query_one("#headings", KeyedTable)

    @property
    def page(self) -> GuidePage:
        """The page that is open."""
        return self.query_one(GuidePage)

    @property
    def topic(self) -> str:
        """The topic of the page that is open."""
        return self._shown

    # -- opening pages ----------------------------------------------------------------------------

    async def _open(self, topic: str, anchor: str = "") -> None:
        if self._soon is not None:
            self._soon.stop()
            self._soon = None
        if topic == self._shown:
            if anchor:
                self.page.document.goto_anchor(anchor)
            return
        self._shown = topic
        found = self._pages[topic]
        headings = await self.page.show(found.text, anchor=anchor)
        place = [*self._pages].index(topic) + 1
        self.page.border_title = Content.assemble((found.title, "bold"), (f" · {place} of {len(self._pages)}", "$quiet"))
        rows = [Row(block, ([("  " * (level - 2) + title, "")],)) for level, title, block in headings if level > 1]
        self.headings.show(rows)
        self.headings.action_edge(-1)

    async def _go(self, topic: str, anchor: str = "") -> None:
        """Open a page that was asked for by name, and remember where the reader came from."""
        if topic != self._shown:
            self._visited.append(self._shown)
        self.topics.choose(topic)
        await self._open(topic, anchor)
        self.page.focus()

    def on_keyed_table_moved(self, event: KeyedTable.Moved) -> None:
        """Show the topic under the cursor if topics and page are both visible."""
        if event.table is self.topics and self.has_class("-wide"):
            if self._soon is not None:
                self._soon.stop()
            self._soon = self.set_timer(_PAUSE, self._open_chosen)
        elif event.table is self.headings and self.headings.has_focus:
            self.page.go_to(str(self.headings.key))

    async def _open_chosen(self) -> None:
        self._soon = None
        await self._open(str(self.topics.key))

    async def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Read the page."""
        if event.table is self.topics:
            await self._go(str(event.key))
        else:
            self.page.focus()
            self.page.go_to(str(event.key))

    async def on_guide_page_followed(self, event: GuidePage.Followed) -> None:
        """Open the page that a link leads to; a web page in the browser."""
        link = f"{self._shown}.md{event.link}" if event.link.startswith("#") else event.link
        if (found := find_topic(link)) is not None:
            await self._go(*found)
        elif link.startswith("https://"):
            self.app.open_url(link)

    # -- keys -------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        """If there is no room for both, show the one that has the focus."""
        self.set_class(self.page.has_focus, "-reading")
        self.set_class(self.headings.has_focus, "-contents")

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.width >= WIDE, "-wide")
        self.set_class(event.size.height >= TALL, "-tall")

    def action_next(self) -> None:
        """From the page to the topics, and back."""
        (self.topics if self.page.has_focus else self.page).focus()

    def action_contents(self) -> None:
        """Go to the contents of the page, or back to it."""
        (self.page if self.headings.has_focus else self.headings).focus()

    async def action_page(self, by: int) -> None:
        """Read the next page, or the one before."""
        topics = [*self._pages]
        await self._go(topics[(topics.index(self._shown) + by) % len(topics)])

    async def action_earlier(self) -> None:
        """Go back to the page that the reader came from."""
        if self._visited:
            topic = self._visited.pop()
            self.topics.choose(topic)
            await self._open(topic)

    def action_back(self) -> None:
        """Go back to the page, to the topics where they are hidden, or out of the guide."""
        if self.headings.has_focus:
            self.page.focus()
        elif self.page.has_focus and not self.has_class("-wide"):
            self.topics.focus()
        else:
            self.action_close()

    def action_close(self) -> None:
        """Leave the guide; where nothing is behind it, end the program."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()
        else:
            self.app.exit(0)


def _row(page: Page) -> Row:
    return Row(page.topic, ([(page.topic, "")], [(page.summary, "quiet")]))
