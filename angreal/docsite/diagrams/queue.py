"""The slots, the one queue for them, and the tasks that wait outside of both."""

from __future__ import annotations

from docsite.diagrams.drawing import Drawing

_SLOTS = ("resize", "index", "report", "encode")
_QUEUE = (("new", "plain"), ("back", "resuming"), ("back", "resuming"), ("new", "plain"))
_WAITING_ROWS, _WAITING_COLUMNS = 3, 15


def draw_queue() -> str:
    """Return the slots, the queue and the waits, with what moves a task from one to the other."""
    drawing = Drawing(
        460,
        372,
        title="One queue for new tasks and for those that come back",
        description=(
            "At the top four slots, each with a task in it. Below them a queue of four: a new task, two that come back "
            "from a wait, and a new one. The first in the queue gets the next slot. Below the queue, outside of it, "
            "any number of tasks that wait, without a slot. By defer_until a task goes from a slot to them, and "
            "its slot goes to the first in the queue. When its condition is met, it goes to the end of the queue, "
            "where new tasks come in too."
        ),
    )
    drawing.text(0, 16, "slots: N = 4")
    for at, name in enumerate(_SLOTS):
        drawing.box(at * 88, 24, 80, 34, "active", name)
    drawing.text(0, 128, "queue, first come first served")
    for at, (text, kind) in enumerate(_QUEUE):
        drawing.box(at * 88, 136, 80, 34, kind, text)
    drawing.arrow((40, 108), (40, 60))
    drawing.text(48, 92, "the first gets the next slot", kind="soft")
    drawing.text(0, 262, "waits: any number, without a slot")
    places = [(column * 25, 274 + row * 25) for row in range(_WAITING_ROWS) for column in range(_WAITING_COLUMNS)]
    drawing.boxes(places, 19, "deferred")
    drawing.arrow((344, 41), (436, 41), (436, 308), (376, 308))
    drawing.text(428, 92, "defer_until", anchor="end", kind="code")
    drawing.arrow((302, 270), (302, 174))
    drawing.text(294, 218, "condition met", anchor="end", kind="soft")
    drawing.arrow((404, 153), (348, 153))
    drawing.text(408, 190, "became ready", anchor="end", kind="soft")
    return drawing.svg()
