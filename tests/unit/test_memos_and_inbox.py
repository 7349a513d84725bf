"""What a body is answered when it is run again, and who gets a signal."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cloacina.errors import ReplayMismatch
from cloacina.execution.inbox import Inbox, Signal
from cloacina.execution.memos import Memo, Memos


def memo(kind: str, name: str, ordinal: int, value: str | None = "1", outcome: str | None = "met") -> Memo:
    signal_id = "sent" if kind in {"signal", "question"} else None
    return Memo(kind, name, ordinal, 1, outcome, value, f"{kind}-{name}-{ordinal}", 1.0, None, None, signal_id)


QUESTIONS = st.lists(st.tuples(st.sampled_from(["signal", "condition"]), st.sampled_from(["", "a", "b"])), max_size=12)


@given(questions=QUESTIONS, data=st.data())
def test_body_that_asks_in_another_order_is_answered_by_name(
    questions: list[tuple[str, str]], data: st.DataObject
) -> None:
    # A name belongs to one kind; which one is the body's business.
    questions = [(f"{kind}", f"{kind[:1]}{name}" if name else "") for kind, name in questions]
    first = Memos("load")
    answered: dict[tuple[str, str], list[str | None]] = {}
    stored: list[Memo] = []
    for number, (kind, name) in enumerate(questions):
        ordinal, before = first.ask(kind, name)
        assert before is None
        stored.append(memo(kind, name, ordinal, str(number)))
        answered.setdefault((kind, name), []).append(str(number))
    again = Memos("load", stored)

    for kind, name in data.draw(st.permutations(questions)):
        _, found = again.ask(kind, name)
        assert found is not None
        assert found.value == answered[kind, name].pop(0)
    assert list(again.unasked()) == []


def test_another_kind_under_a_name_is_refused_with_both_named() -> None:
    memos = Memos("load", [memo("signal", "paid", 1)])

    with pytest.raises(ReplayMismatch, match="condition 'paid', which was a signal"):
        memos.ask("condition", "paid")


def test_unnamed_questions_of_several_kinds_do_not_mix() -> None:
    memos = Memos("load", [memo("time", "", 1), memo("condition", "", 1)])

    assert memos.ask("condition", "")[1] == memo("condition", "", 1)
    assert memos.ask("time", "")[1] == memo("time", "", 1)


def test_another_attempt_is_given_signals_and_answers_but_asks_conditions_and_times_anew() -> None:
    kinds = ["signal", "question", "condition", "time"]
    timed_out = [memo("signal", "late", 1, None, "timeout"), memo("question", "nobody", 1, None, "timeout")]
    memos = Memos("load", [*(memo(kind, kind, 1) for kind in kinds), *timed_out])
    for kind in kinds:
        memos.ask(kind, kind)

    memos.start_anew()

    assert [kind for kind in kinds if memos.ask(kind, kind)[1] is not None] == ["signal", "question"]
    assert memos.ask("signal", "late")[1] is None
    assert memos.ask("question", "nobody")[1] is None


def test_what_was_open_and_is_not_come_to_again_is_left_open() -> None:
    memos = Memos(
        "load", [memo("signal", "a", 1), memo("signal", "a", 2, None, None), memo("time", "b", 1, None, None)]
    )
    memos.ask("signal", "a")
    assert [(left.kind, left.ordinal) for left in memos.left_open()] == [("signal", 2), ("time", 1)]

    memos.ask("signal", "a")
    assert [left.kind for left in memos.left_open()] == ["time"]


def test_answers_that_nobody_asks_for_any_more_are_told() -> None:
    memos = Memos("load", [memo("signal", "a", 1), memo("signal", "a", 2), memo("signal", "b", 1, None, None)])
    memos.ask("signal", "a")

    assert list(memos.unasked()) == [memo("signal", "a", 2)], "an open one has no answer that could be lost"


class Waiter:
    def __init__(self) -> None:
        self.got: list[str] = []

    def signalled(self, signal: Signal) -> None:
        self.got.append(signal.id)


def signal(number: int, name: str = "go") -> Signal:
    return Signal(f"s{number}", name, None, None)


def test_signals_are_delivered_once_in_their_order_to_the_first_who_waits() -> None:
    inbox, first, second = Inbox(), Waiter(), Waiter()
    inbox.wait("go", first)
    inbox.wait("go", second)
    inbox.wait("other", first)

    inbox.deliver([signal(1), signal(2), signal(1), signal(3), signal(4)])

    assert (first.got, second.got) == (["s1"], ["s2"])
    assert [inbox.take("go"), inbox.take("go"), inbox.take("go")] == [signal(3), signal(4), None]


def test_signal_that_was_put_back_is_the_next() -> None:
    inbox, waiter = Inbox(), Waiter()
    inbox.deliver([signal(1), signal(2)])
    taken = inbox.take("go")
    assert taken is not None
    assert taken == signal(1)

    inbox.put_back(taken)
    inbox.wait("later", waiter)
    inbox.give_up("later", waiter)
    inbox.deliver([signal(3, "later")])

    assert [inbox.take("go"), inbox.take("go"), inbox.take("later")] == [signal(1), signal(2), signal(3, "later")]
    assert waiter.got == []

    inbox.wait("go", waiter)
    inbox.put_back(signal(1))
    assert waiter.got == ["s1"]
