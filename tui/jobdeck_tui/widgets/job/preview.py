"""A summary of the selected job, docked beside the table on wide terminals."""

from __future__ import annotations

from textual.content import Content

from jobdeck import Job

from ...text.format import GLYPHS, newest_error, state_and_reason
from ...text.sanitize import safe
from ..base.styled_text import cut
from ..base.text_view import TextView
from ..details import job_details


class Preview(TextView, can_focus=False, inherit_bindings=False):
    """State, lifecycle, error and arguments of one job."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("preview", "", id=id)

    def show_job(self, job: Job | None, now: float, *, any_jobs: bool = True) -> None:
        """Show this job; without one, explain how to select a job if there are any."""
        if not self.display:
            return
        if job is None:
            self.border_title = Content.assemble(("preview", "bold"))
            self.show([[("j", "accent"), ("  selects a job to show here", "quiet")]] if any_jobs else [])
            return
        self.border_title = Content.assemble((f"{job.id} ", "bold"), (safe(job.kind), "bold"))
        lines: list[job_details.StyledLine] = [[(f"{GLYPHS[job.state]} {state_and_reason(job)}", job.state.value)], []]
        if error := newest_error(job):
            lines += [[(cut(error, multiline=False), "error")], []]
        lines += [*job_details.job_facts(job, now), [], [("arguments", "strong")], *job_details.arguments(job)]
        self.show(lines)
