"""One experiment as a self-contained web page: verdicts, figures, ladder, timeline, machine. No scripts, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .catalog import LabReport
from .inside import Section
from .stage import TimelineEvent

_STYLE = """
:root { color-scheme: light dark; --bg: #fdfdfb; --text: #22252c; --quiet: #6a7080; --line: #dcd9d0; --good: #297034;
        --bad: #bb2840; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #0f1117; --text: #d8dbe4; --quiet: #8b93a7; --line: #2b303d; --good: #7fb685; --bad: #f7768e; }
}
body { background: var(--bg); color: var(--text); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2rem; font-size: 1.1rem; } p.claim { font-size: 1.15rem; color: var(--quiet); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top;
       border-bottom: 1px solid var(--line); } th { color: var(--quiet); font-weight: normal; }
td.n { text-align: right; font-variant-numeric: tabular-nums; font-weight: bold; }
.good { color: var(--good); } .bad { color: var(--bad); }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { overflow-x: auto; } summary, .quiet { color: var(--quiet); }
svg { width: 100%; height: auto; }
svg text { fill: var(--quiet); font: 12px system-ui, sans-serif; } svg line { stroke: var(--line); }
"""


def report_page(report: LabReport) -> str:
    """Return the page."""
    findings = report.findings
    state = "broken" if report.is_broken else "kept"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>jobdeck lab: {escape(report.experiment.name)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(report.experiment.name)}</h1><p class=claim>{escape(report.experiment.claim)}.</p>",
        f"<p>jobdeck's promises in this run: <b class={'bad' if report.is_broken else 'good'}>{state}</b>.",
        *(f" The lane <b>{escape(lane)}</b> was to fail, and did not in this run; run it again." for lane in report.harmless),
        "</p>",
        "<h2>Verdicts</h2>",
        _verdicts(report),
    ]
    if findings.notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in findings.notes) + "</ul>")
    if findings.ladder:
        parts.append(f"<h2>The shortest counterexample</h2><pre>{escape(chr(10).join(findings.ladder))}</pre>")
    parts += [_inside(section) for section in report.inside]
    if findings.figures:
        rows = [(each.lane, each.name, f"{each.value:g} {each.unit}".strip()) for each in findings.figures]
        parts += ["<h2>Figures</h2>", _table(("lane", "figure", "value"), rows)]
    if report.timeline:
        parts += ["<h2>Timeline</h2>", timeline_picture(report.timeline, report.seconds)]
        events = [(f"{each.at:.2f} s", each.lane, each.text) for each in report.timeline]
        parts.append(f"<details><summary>{len(events)} events</summary>{_table(('at', 'lane', 'event'), events)}</details>")
    parts += ["<h2>How to repeat it</h2>", f"<pre>{escape(report.command)}</pre>"]
    machine = [*report.machine.items(), ("seed", str(report.seed)), ("took", f"{report.seconds:.1f} s")]
    parts += ["<h2>Machine and versions</h2>", _table(("what", "value"), machine), "</body></html>"]
    return "\n".join(parts) + "\n"


def _inside(section: Section) -> str:
    rows = []
    for each in section.statements:
        plan = "".join(f"<br><span class=quiet>{escape(step)}</span>" for step in each.plan)
        rows.append(f"<tr><td><code>{escape(each.place)}</code></td><td><code>{escape(each.sql)}{plan}</code></td></tr>")
    table = f"<table>{''.join(rows)}</table>"
    return (
        f"<h2>Inside: {escape(section.title)}</h2><p>{escape(section.why)}</p><details><summary>SQL</summary>{table}</details>"
    )


def _verdicts(report: LabReport) -> str:
    rows = []
    for each in report.findings.verdicts:
        mark = "✓" if each.holds else "✗"
        rows.append(
            f"<tr><td class={'good' if each.holds else 'bad'}>{mark}</td><td>{escape(each.lane)}</td>"
            f"<td class=n>{each.value:g}</td><td>{escape(each.claim)}"
            f"<details><summary>must be {escape(each.limit)} · how it was counted</summary>"
            f"<code>{escape(each.query)}</code></details></td></tr>"
        )
    return f"<table><tr><th></th><th>lane</th><th>counted</th><th></th></tr>{''.join(rows)}</table>"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def timeline_picture(events: tuple[TimelineEvent, ...], seconds: float) -> str:
    """Return the timeline as a picture (SVG): a line for each lane, a mark for each event, with its text as a tooltip."""
    lanes = [*dict.fromkeys(each.lane for each in events)]
    width, left, height = 900, 120, 34
    end = max(seconds, 0.001)

    def x(at: float) -> float:
        return left + (width - left - 20) * min(1.0, at / end)

    drawn = []
    for row, lane in enumerate(lanes):
        y = 20 + row * height
        drawn.append(f'<text x="0" y="{y + 4}">{escape(lane)}</text><line x1="{left}" y1="{y}" x2="{width - 20}" y2="{y}"/>')
        for each in events:
            if each.lane == lane:
                bad = each.text.startswith(("kill", "SIGTERM")) or "stopped" in each.text
                color = "var(--bad)" if bad else "var(--good)"
                drawn.append(
                    f'<circle cx="{x(each.at):.1f}" cy="{y}" r="5" fill="{color}">'
                    f"<title>{each.at:.2f} s: {escape(each.text)}</title></circle>"
                )
    bottom = 20 + len(lanes) * height
    drawn.append(f'<text x="{left}" y="{bottom}">0 s</text><text x="{width - 60}" y="{bottom}">{end:.1f} s</text>')
    return f'<svg viewBox="0 0 {width} {bottom + 10}" role="img" aria-label="timeline">{"".join(drawn)}</svg>'
