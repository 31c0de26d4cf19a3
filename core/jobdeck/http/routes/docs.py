"""The documentation of the API as a page that loads nothing: no script, no font, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from ..routing import make_router

router = make_router("docs")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; text-transform: capitalize }
summary { cursor: pointer; padding: .3rem 0 }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { background: #f4f4f4; padding: .6rem; overflow-x: auto }
table { border-collapse: collapse }
td, th { text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top }
b { display: inline-block; min-width: 4.5rem }
.dim { color: #666 }
@media (prefers-color-scheme: dark) {
body { color: #ddd; background: #16181c }
pre { background: #22252b }
.dim { color: #999 }
}
"""


@router.get("/docs", include_in_schema=False)
async def read_docs(request: Request) -> Response:
    """Return the page."""
    schema = request.app.openapi()
    return HTMLResponse("".join(_page(schema)))


def _page(schema: dict[str, Any]) -> Iterator[str]:
    info = schema["info"]
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title><style>{_STYLE}</style>'
    yield f"<h1>{escape(info['title'])} <span class=dim>{escape(info['version'])}</span></h1>"
    yield f'<p>{escape(info["description"])} Machine-readable: <a href="openapi.json">openapi.json</a>.</p>'
    by_tag: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append("".join(_operation(path, method, operation, schema)))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"
    yield "<h2>documents</h2>"
    for name, each in schema["components"]["schemas"].items():
        text = json.dumps(each, indent=2)
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary><pre>{escape(text)}</pre></details>'


def _operation(path: str, method: str, operation: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    yield f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
    yield f'<span class="dim">{escape(operation.get("summary", ""))}</span></summary>'
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>parameter<th>in<th>"
        for each in parameters:
            text = each.get("description", "")
            yield f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}<td>{escape(text)}"
        yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(media)}</code> {_link(content.get('schema', {}))}</p>"
        if examples := _examples(content.get("schema", {}), schema):
            yield f"<pre>{escape(json.dumps(examples[0], indent=2))}</pre>"
    yield "<table><tr><th>status<th>"
    for status, response in operation["responses"].items():
        returned: dict[str, Any] = next(iter(response.get("content", {}).values()), {})
        yield f"<tr><td>{escape(status)}<td>{escape(response.get('description', ''))} {_link(returned.get('schema', {}))}"
    yield "</table></details>"


def _link(schema: dict[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>' if name else ""


def _examples(schema: dict[str, Any], whole: dict[str, Any]) -> list[Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: list[Any] = whole["components"]["schemas"].get(name, {}).get("examples", [])
    return found
