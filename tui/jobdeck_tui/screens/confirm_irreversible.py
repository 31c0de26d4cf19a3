"""Asks before an action on a few jobs that cannot be undone for some of them, such as stopping running ones."""

from __future__ import annotations

from collections.abc import Callable

from jobdeck import Operation

from ..app_base import CockpitBase
from ..feed.job_actions import ActionPreview, Selection
from .confirm import ConfirmScreen
from .confirm_bulk import BulkConfirmScreen

_STOPPING = "It is running: its code is asked to stop, and it ends as cancelled.\nThis cannot be undone."
_OTHER = "This cannot be undone."


def confirm_irreversible(cockpit: CockpitBase, preview: ActionPreview, confirmed: Callable[[], None]) -> None:
    """Ask the user, and apply the action if the answer is yes.

    Args:
        cockpit: the app.
        preview: what the action would do.
        confirmed: called when the action is applied.
    """
    ids = tuple(preview.ids)

    def apply(yes: object) -> None:
        if yes:
            cockpit.feed.run_action(preview.action, ids)
            confirmed()

    if len(ids) == 1:
        stops = preview.action.operation is Operation.CANCEL
        verb = "Stop" if stops else preview.action.verb
        cockpit.push_screen(
            ConfirmScreen(f"{verb} job {ids[0]}?", _STOPPING if stops else _OTHER, f"{verb} job {ids[0]}"), apply
        )
        return
    cockpit.push_screen(BulkConfirmScreen(preview.action, Selection(ids), preview), apply)
