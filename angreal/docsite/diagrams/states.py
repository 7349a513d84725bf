"""The states of a task execution, with what `Running` is made of."""

from __future__ import annotations

from docsite.diagrams.drawing import Drawing

_BOX = 106
_TALL = 32


def draw_states() -> str:
    """Return the states of a task execution."""
    drawing = Drawing(
        460,
        412,
        title="The states of a task execution",
        description=(
            "A task execution is Pending until all its dependencies have completed, and then Ready; when one of them "
            "failed, it is Skipped. Ready, it queues for a slot. With the slot it is Running, with the sub-status "
            "Active. A wait whose condition is not met makes it Deferred, phase waiting. When the condition is met, or "
            "the wait fails or runs out of time, the phase is resuming. When a slot is granted, it is Active again. "
            "From Running it goes to Completed, Failed or Cancelled, or back to Pending when it is tried again. "
            "It holds a slot only while it is Active."
        ),
    )
    drawing.box(0, 4, _BOX, _TALL, "plain", "Pending")
    drawing.box(354, 4, _BOX, _TALL, "plain", "Skipped")
    drawing.arrow((_BOX, 10), (354, 10))
    drawing.text(230, 24, "a dependency did not complete", anchor="middle", kind="soft")
    drawing.arrow((40, 36), (40, 80))
    drawing.text(48, 67, "all have completed", kind="soft")
    drawing.box(0, 80, _BOX, _TALL, "plain", "Ready")
    drawing.arrow((53, 112), (53, 190))
    drawing.text(62, 133, "slot granted", kind="soft")
    drawing.box(0, 146, 460, 180, "idle")
    drawing.line((53, 146), (53, 180))
    drawing.arrow((53, 178), (53, 190))
    drawing.text(448, 166, "Running", anchor="end", kind="over")
    drawing.box(14, 190, 88, 116, "active", "Active")
    drawing.box(312, 190, 134, 46, "deferred", "Deferred,\nwaiting")
    drawing.box(312, 260, 134, 46, "resuming", "Deferred,\nresuming")
    drawing.arrow((102, 213), (312, 213))
    drawing.text(207, 207, "condition not met", anchor="middle", kind="soft over")
    drawing.arrow((379, 236), (379, 260))
    drawing.text(372, 253, "met, failed, or out of time", anchor="end", kind="soft over")
    drawing.arrow((312, 283), (102, 283))
    drawing.text(207, 277, "slot granted", anchor="middle", kind="soft over")
    drawing.arrow((268, 146), (268, 46), (90, 46), (90, 36))
    drawing.text(276, 100, "failed, tried again later", kind="soft")
    for x, text in ((0, "Completed"), (177, "Failed"), (354, "Cancelled")):
        drawing.arrow((x + _BOX / 2, 326), (x + _BOX / 2, 370))
        drawing.box(x, 370, _BOX, _TALL, "plain", text)
    return drawing.svg()
