"""Body, handle, token and slot: what stays, and what moves, when a task waits."""

from __future__ import annotations

from docsite.diagrams.drawing import Drawing

_PANEL = 216
_MOVE = 108
"""How far the slot goes; the animation in diagrams.css goes as far."""

_ROWS = {"body": 40, "handle": 64, "token": 128, "slot": 190}


def draw_token() -> str:
    """Return a task and its token before and in a wait; the slot is what moves."""
    drawing = Drawing(
        460,
        264,
        title="A wait moves the slot, and nothing else",
        description=(
            "Two panels. In the first, task A is running: its body with its local variables has a handle, the handle "
            "has a token, and the token holds slot 0. The token of task B holds nothing: B queues. In the second, A "
            "waits: its body, its local variables, its handle and its token are as before, but the token holds "
            "nothing, and the token of B holds slot 0."
        ),
    )
    _panel(drawing, 0, "A runs, B queues", a_runs=True)
    _panel(drawing, 244, "A waits, B runs", a_runs=False)
    return drawing.svg()


def _panel(drawing: Drawing, left: float, title: str, *, a_runs: bool) -> None:
    drawing.text(left + _PANEL / 2, 18, title, anchor="middle")
    _task(drawing, left, "A", "active" if a_runs else "deferred", is_handled=True)
    _task(drawing, left + _MOVE, "B", "idle" if a_runs else "active", is_handled=False)
    holder = left if a_runs else left + _MOVE
    if not a_runs:
        drawing.begin_group("cl-hand-on")
    drawing.line((holder + 50, _ROWS["token"] + 28), (holder + 50, _ROWS["slot"]))
    drawing.box(holder + 14, _ROWS["slot"], 72, 30, "active", "slot 0")
    if not a_runs:
        drawing.end_group()
    empty = left + _MOVE if a_runs else left
    drawing.text(empty + 50, _ROWS["slot"] + 19, "none", anchor="middle", kind="soft")
    drawing.line((left, 240), (left + _PANEL - 8, 240), kind="faint")
    drawing.text(left + (_PANEL - 8) / 2, 257, "the pool", anchor="middle", kind="soft")


def _task(drawing: Drawing, left: float, name: str, kind: str, *, is_handled: bool) -> None:
    drawing.box(left, 30, 100, 78, kind)
    drawing.box(left + 4, 34, 92, 70, "plain")
    drawing.text(left + 50, 52, f"{name}: body", anchor="middle", kind="over")
    drawing.text(left + 50, 69, "its locals", anchor="middle", kind="soft over")
    drawing.text(left + 50, 94, "handle" if is_handled else "no handle", anchor="middle", kind="code over")
    drawing.line((left + 50, 108), (left + 50, _ROWS["token"]))
    drawing.box(left + 10, _ROWS["token"], 80, 28, "plain", "token")
