"""A page of the guide: Textual's Markdown viewer, with the keys of the other scrolling panels."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Markdown, MarkdownViewer


class GuidePage(MarkdownViewer, can_focus=True, can_focus_children=False, inherit_bindings=False):
    """Shows one page. A link is reported, never opened here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", "scroll", key_display="j k", system=True),
        Binding("k,up", "scroll_up", "up", show=False, system=True),
        Binding("pagedown,ctrl+d,space", "page_down", "page down", show=False, system=True),
        Binding("pageup,ctrl+u", "page_up", "page up", show=False, system=True),
        Binding("g,home", "scroll_home", "top", show=False, system=True),
        Binding("G,end", "scroll_end", "end", show=False, system=True),
    ]
    label = "page"

    class Followed(Message):
        """A link was clicked."""

        def __init__(self, link: str) -> None:
            super().__init__()
            self.link = link

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(show_table_of_contents=False, open_links=False, id=id)

    async def show(self, text: str, *, anchor: str = "") -> list[tuple[int, str, str]]:
        """Show a page from its top, or from a heading.

        Args:
            text: the page as Markdown.
            anchor: the heading, as links name it.

        Returns:
            The table of contents: level, title and id of each heading.
        """
        await self.document.update(text)
        headings = [(level, title, block) for level, title, block in self.document.table_of_contents if block is not None]
        self.scroll_home(animate=False, immediate=True)
        if anchor:
            self.call_after_refresh(self.document.goto_anchor, anchor)
        return headings

    def go_to(self, block: str) -> None:
        """Scroll to the heading with this id."""
        found = self.document.query(f"#{block}")
        if found:
            self.scroll_to_widget(found.first(), top=True, animate=False)

    async def _on_markdown_link_clicked(self, message: Markdown.LinkClicked) -> None:
        message.prevent_default()  # the viewer would read a file beside the working folder
        message.stop()
        self.post_message(self.Followed(message.href))
