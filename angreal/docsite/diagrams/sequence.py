"""The sequence of a wait: who is told what, and when the task holds a slot."""

from __future__ import annotations

from docsite.diagrams.drawing import Drawing

_BODY, _HANDLE, _SLOTS, _STORE = 52, 172, 296, 408
_TOP, _ROW, _PAUSE = 62, 34, 26
_BAR = 12
_RELEASE = 3
"""The row after which time passes."""

_LABELS = ((_BODY, "task body", 104), (_HANDLE, "handle", 84), (_SLOTS, "slots", 84), (_STORE, "database", 84))
_LEGEND = (("active", "holds a slot"), ("deferred", "waits, holds none"), ("resuming", "queues for one"))


def draw_sequence() -> str:
    """Return the sequence of a wait whose condition is not met at once."""
    drawing = Drawing(
        460,
        476,
        title="The ten steps of a wait",
        description=(
            "Four columns: task body, handle, slots and database. 1: the body calls defer_until with a condition; it "
            "holds a slot. 2: the handle calls the condition, which is not met. 3: the handle writes Deferred to the "
            "database and does not wait for it. 4: it releases the slot, which serves other tasks from now on. "
            "5: every interval the condition is called, until it is met. 6: the handle writes resuming. "
            "7: it queues for a slot. 8: the slot is granted. 9: the handle writes Active. 10: defer_until returns the "
            "value to the body. The body holds a slot until step 4 and from step 8 on."
        ),
    )
    rows = [_TOP + _ROW * step + (_PAUSE if step > _RELEASE else 0) for step in range(10)]
    for x, text, width in _LABELS:
        drawing.line((x, 34), (x, rows[9] + 16), kind="faint")
        drawing.box(x - width / 2, 4, width, 30, "plain", text)
    _body_bar(drawing, "active", 40, rows[3])
    _body_bar(drawing, "deferred", rows[3], rows[4] + 4)
    _body_bar(drawing, "resuming", rows[4] + 4, rows[7])
    _body_bar(drawing, "active", rows[7], rows[9] + 12)
    _call(drawing, rows[0], _BODY, _HANDLE, "1 defer_until")
    _own_call(drawing, rows[1], "2 condition(): not met")
    _call(drawing, rows[2], _HANDLE, _STORE, "3 Deferred", kind="later")
    _call(drawing, rows[3], _HANDLE, _SLOTS, "4 release")
    drawing.text(_SLOTS + 8, rows[3] + 22, "serves other tasks", kind="soft")
    _own_call(drawing, rows[4] + 4, "5 condition() … condition(): met")
    _call(drawing, rows[5] + 4, _HANDLE, _STORE, "6 resuming", kind="later")
    _call(drawing, rows[6], _HANDLE, _SLOTS, "7 queue")
    _call(drawing, rows[7], _SLOTS, _HANDLE, "8 granted")
    _call(drawing, rows[8], _HANDLE, _STORE, "9 Active", kind="later")
    _call(drawing, rows[9], _HANDLE, _BODY, "10 value")
    left = 0.0
    for kind, text in _LEGEND:
        drawing.box(left, 452, 22, 12, kind)
        drawing.text(left + 28, 463, text, kind="soft")
        left += 42 + len(text) * 6.6
    return drawing.svg()


def _body_bar(drawing: Drawing, kind: str, top: float, bottom: float) -> None:
    drawing.box(_BODY - _BAR / 2, top, _BAR, bottom - top, kind)


def _call(drawing: Drawing, y: float, start: float, end: float, text: str, kind: str = "") -> None:
    edge = _BAR / 2 if _BODY in (start, end) else 0
    drawing.arrow((start + (edge if start == _BODY else 0), y), (end + (edge if end == _BODY else 0), y), kind=kind)
    drawing.text(min(start, end) + 10 + edge / 2, y - 5, text, kind="soft")


def _own_call(drawing: Drawing, y: float, text: str) -> None:
    drawing.arrow((_HANDLE, y - 9), (_HANDLE + 18, y - 9), (_HANDLE + 18, y + 3), (_HANDLE + 1, y + 3))
    drawing.text(_HANDLE + 26, y + 2, text, kind="soft")
