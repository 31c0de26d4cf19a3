"""The bindings of the main screen, which the key hints, the help and the command palette show."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from .view_screen import screen_bindings

KEYS: list[BindingType] = [
    Binding("r", "retry", "retry", tooltip="Retry finished jobs; run scheduled and retrying jobs now"),
    Binding("x", "cancel", "cancel", tooltip="Cancel queued jobs; asks before it stops running ones"),
    Binding("plus", "priority(1)", "priority", key_display="+ -", tooltip="Raise the priority by one"),
    Binding("minus", "priority(-1)", "lower the priority", show=False, tooltip="Lower the priority by one"),
    Binding(
        "equals_sign", "set_priority", "set the priority", show=False, tooltip="Set the priority to a number, or add to it"
    ),
    Binding("n", "new", "new", tooltip="Enqueue a job with a form"),
    Binding("slash", "filter", "filter", tooltip="Filter as you type; enter keeps the filter, esc clears it"),
    Binding("p", "pause", "pause", tooltip="Pause or resume the queue of the selected job"),
    Binding("z", "undo", "undo", tooltip="Undo your last action"),
    Binding("Z", "redo", "redo", show=False, tooltip="Redo the last undone action"),
    Binding("s", "sort", "sort", show=False, tooltip="Sort by the next column"),
    Binding("S", "reverse", "reverse the order", show=False),
    Binding("o", "order", "pick the order", show=False, tooltip="Pick the sort order from a list"),
    Binding("C", "columns", "pick the columns", show=False, tooltip="Pick and arrange the columns"),
    Binding("F", "filters", "saved filters", show=False, tooltip="Use, save or delete named filters"),
    Binding("left,h", "tab(-1)", "previous tab", show=False),
    Binding("right,l", "tab(1)", "next tab", show=False),
    Binding("d", "duplicate", "duplicate and edit", show=False),
    Binding("delete,D", "delete", "delete", show=False, tooltip="Delete jobs that are not running; z undoes it"),
    Binding("f", "freeze", "freeze the view", show=False, tooltip="Freeze the view and show its age"),
    Binding("w", "why", "why", show=False, tooltip="Explain why the job is not running"),
    Binding("y", "copy_id", "copy the id", show=False),
    Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command that enqueues the job"),
    Binding("less_than_sign", "resize(-1)", "fewer threads", show=False, tooltip="Remove a worker thread from this cockpit"),
    Binding("greater_than_sign", "resize(1)", "more threads", show=False, tooltip="Add a worker thread to this cockpit"),
    Binding("1", "panel('throughput')", "throughput", show=False, tooltip="Focus the throughput panel; again for its screen"),
    Binding("2", "panel('latency')", "latency", show=False, tooltip="Focus the latency panel; again for its screen"),
    Binding("3", "panel('queues')", "queues", show=False, tooltip="Focus the queues panel; again for its screen"),
    Binding("4", "panel('workers')", "workers", show=False, tooltip="Focus the workers panel; again for its screen"),
    Binding("5", "panel('table')", "jobs", show=False),
    *screen_bindings(above="5"),
    Binding(
        "escape",
        "back",
        "back to live",
        show=False,
        tooltip="Stop a bulk action; then clear marks, filter and cursor",
    ),
    Binding("q", "app.request_quit", "quit"),
]
