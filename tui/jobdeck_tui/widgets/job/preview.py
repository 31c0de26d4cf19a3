"""The chosen job at a glance, docked beside the table where the terminal is wide."""

from __future__ import annotations

from textual.content import Content

from jobdeck import Job

from ...text.format import GLYPHS, state_and_reason
from ...text.sanitize import safe
from ..base.styled_text import cut
from ..base.text_view import LinesView
from ..details import job_details as telling


class Preview(LinesView, can_focus=False, inherit_bindings=False):
    """State, life, error and arguments of one job."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("preview", "", id=id)

    def show_job(self, job: Job | None, now: float, *, any_jobs: bool = True) -> None:
        """Show this job, or how to choose one of those there are."""
        if not self.display:
            return
        if job is None:
            self.border_title = Content.assemble(("preview", "bold"))
            self.show([[("j", "accent"), ("  chooses a job, and it is shown here", "quiet")]] if any_jobs else [])
            return
        self.border_title = Content.assemble((f"{job.id} ", "bold"), (safe(job.kind), "bold"))
        told: list[telling.Told] = [[(f"{GLYPHS[job.state]} {state_and_reason(job)}", job.state.value)], []]
        if job.error:
            told += [[(cut(job.error, multiline=False), "error")], []]
        told += [*telling.life(job, now), [], [("arguments", "strong")], *telling.arguments(job)]
        self.show(told)
