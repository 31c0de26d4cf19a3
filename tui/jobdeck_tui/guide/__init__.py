"""The pages of the guide: Markdown files in this package, read by `jobdeck guide` and by the cockpit."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib.resources import files

from jobdeck import record

ORDER = (
    "getting-started",
    "jobs-and-kinds",
    "commands",
    "retries",
    "filters",
    "schedules",
    "limits",
    "workers-and-deployment",
    "postgresql",
    "http-api",
    "metrics",
    "traces",
    "testing",
    "settings",
    "keys",
    "promises",
    "demo",
    "lab",
    "troubleshooting",
    "contributing",
)
"""The topics, in reading order. A topic is the name of its file without `.md`."""

_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)
_ENDING = ".md"


@record
class Page:
    """One page of the guide."""

    topic: str
    title: str
    """Its first heading."""
    summary: str
    """Its first paragraph, on one line."""
    text: str
    """The whole page as Markdown."""


def read_page(topic: str) -> Page:
    """Read a page.

    Raises:
        KeyError: no page has this topic.
    """
    if topic not in ORDER:
        raise KeyError(topic)
    source = files(__name__).joinpath(topic + _ENDING).read_text("utf-8")
    text = _COMMENT.sub("", source)  # marks for the generator of tables, not for readers
    heading, paragraph, *_ = text.split("\n\n", 2)
    return Page(topic, heading.removeprefix("# ").strip(), " ".join(paragraph.split()), text)


def read_pages() -> list[Page]:
    """Read every page, in reading order."""
    return [read_page(topic) for topic in ORDER]


def suggest_topics(name: str) -> list[str]:
    """Return the topics that a mistyped or shortened name may mean, the likeliest first; empty if none is close."""
    wanted = name.strip().lower().removesuffix(_ENDING).replace(" ", "-").replace("_", "-")
    within = [topic for topic in ORDER if wanted and wanted in topic]
    return [*dict.fromkeys([*within, *get_close_matches(wanted, ORDER, n=3, cutoff=0.65)])][:3]


def find_topic(link: str) -> tuple[str, str] | None:
    """Return the topic and the anchor that a link of a page leads to; `None` if it leads out of the guide.

    Args:
        link: the target as it is written in the page, such as `retries.md#backoff`.
    """
    path, _, anchor = link.partition("#")
    topic = path.removesuffix(_ENDING)
    return (topic, anchor) if path.endswith(_ENDING) and topic in ORDER else None
