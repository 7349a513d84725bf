"""Group commit: what is decided on the loop, and when it is on disk."""

from __future__ import annotations

from docsite.diagrams.drawing import Drawing

_UNITS = ("A ends", "B starts", "C waits", "D ends")


def draw_commits() -> str:
    """Return the way of changes from the loop to the disk and back."""
    drawing = Drawing(
        376,
        322,
        title="Many changes, one transaction, one wake-up",
        description=(
            "Four changes are made on the event loop: A ends, B starts, C waits, D ends. They queue for the writer's "
            "thread, which writes all that has gathered in one transaction. After the commit it posts back to the loop "
            "once. Only then do the tasks start that depend on A and on D. The changes of B and C are waited for by "
            "nobody."
        ),
    )
    drawing.text(0, 16, "event loop")
    for at, text in enumerate(_UNITS):
        drawing.box(at * 94, 24, 86, 32, "plain", text)
        drawing.arrow((at * 94 + 43, 56), (at * 94 + 43, 104), kind="" if text.endswith("ends") else "later")
    drawing.box(0, 104, 368, 76, "idle")
    drawing.text(12, 126, "writer thread", kind="over")
    drawing.text(12, 146, "BEGIN, last states, events, COMMIT", kind="soft over")
    drawing.text(12, 167, "all that has gathered, in one transaction", kind="soft over")
    drawing.arrow((184, 180), (184, 228))
    drawing.text(192, 209, "one hand-back to the loop", kind="soft")
    drawing.text(0, 250, "event loop")
    drawing.box(0, 258, 180, 32, "active", "what needs A starts")
    drawing.box(188, 258, 180, 32, "active", "what needs D starts")
    drawing.line((0, 310), (28, 310))
    drawing.text(34, 314, "somebody waits for it", kind="soft")
    drawing.line((190, 310), (218, 310), kind="later")
    drawing.text(224, 314, "nobody does", kind="soft")
    return drawing.svg()
