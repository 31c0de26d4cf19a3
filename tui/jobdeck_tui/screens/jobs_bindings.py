"""The keys of the main screen. The hints, the help and the palette are made from them."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from .view_screen import goings

KEYS: list[BindingType] = [
    Binding("r", "retry", "retry", tooltip="Run final jobs again; scheduled and retrying jobs now"),
    Binding("x", "cancel", "cancel", tooltip="Cancel queued jobs; ask running ones to stop"),
    Binding("plus", "priority(1)", "priority", key_display="+ -", tooltip="Raise the priority by one"),
    Binding("minus", "priority(-1)", "lower the priority", show=False),
    Binding(
        "equals_sign", "set_priority", "set the priority", show=False, tooltip="Set the priority to a number, or add one to it"
    ),
    Binding("n", "new", "new", tooltip="Enqueue a job with a form made from its kind"),
    Binding("slash", "filter", "filter", tooltip="Filter as you type; enter keeps, esc clears"),
    Binding("p", "pause", "pause", tooltip="Pause or resume the queue of the chosen job"),
    Binding("z", "undo", "undo", tooltip="Take back what you did last: an act on jobs, or a pause"),
    Binding("Z", "redo", "redo", show=False, tooltip="Do again what you have undone last"),
    Binding("s", "sort", "sort", show=False, tooltip="Sort by the next column"),
    Binding("S", "reverse", "turn the order round", show=False),
    Binding("o", "order", "choose the order", show=False, tooltip="Choose the order from a list of all there are"),
    Binding("C", "columns", "choose the columns", show=False, tooltip="Choose the columns, and their places; it is remembered"),
    Binding("F", "filters", "saved filters", show=False, tooltip="Filters saved under a name: use, save, forget"),
    Binding("left,h", "tab(-1)", "tab to the left", show=False),
    Binding("right,l", "tab(1)", "tab to the right", show=False),
    Binding("d", "duplicate", "duplicate and edit", show=False),
    Binding("delete,D", "delete", "delete", show=False, tooltip="Remove jobs that are not running; z brings them back"),
    Binding("f", "freeze", "freeze the view", show=False, tooltip="Hold the view still, its age shown"),
    Binding("w", "why", "why", show=False, tooltip="Why is this job not running? Every condition, checked now"),
    Binding("y", "copy_id", "copy the id", show=False),
    Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command line that enqueues it again"),
    Binding("less_than_sign", "resize(-1)", "fewer threads", show=False, tooltip="One worker thread less in here"),
    Binding("greater_than_sign", "resize(1)", "more threads", show=False, tooltip="One worker thread more in here"),
    Binding("1", "panel('throughput')", "throughput", show=False, tooltip="The panel of throughput; once more for its screen"),
    Binding("2", "panel('latency')", "latency", show=False, tooltip="The panel of latency; once more for its screen"),
    Binding("3", "panel('queues')", "queues", show=False, tooltip="The panel of queues; once more for its screen"),
    Binding("4", "panel('workers')", "workers", show=False, tooltip="The panel of workers; once more for its screen"),
    Binding("5", "panel('table')", "jobs", show=False),
    *goings(above="5"),
    Binding(
        "escape",
        "back",
        "back to live",
        show=False,
        tooltip="Stop a long act; then let go of marks, filter and cursor",
    ),
    Binding("q", "app.leave", "quit"),
]
