"""What the commands of clients make of their arguments, and how they show what strangers have written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloacina import QuestionRecord
from cloacina.cli.clients import execution_named
from cloacina.cli.messages import question_lines
from cloacina.configuration import read_age


def test_execution_is_named_by_its_id_or_by_workflow_and_key() -> None:
    assert execution_named("01a1fc37-f993-7567-94ac-d4ad72cff07e") == "01a1fc37-f993-7567-94ac-d4ad72cff07e"
    assert execution_named("order/order-17") == ("order", "order-17")
    assert execution_named("order/2026/17") == ("order", "2026/17"), "no workflow's name has a slash, and a key may"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        (" 12h ", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_age_is_a_number_and_its_unit(text: str, expected: timedelta) -> None:
    assert read_age(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1.5d", "30 d", "1d12h", "30D", "٣d", "9999999999w", "1" * 99 + "s"]
)
def test_other_ages_are_none(text: str) -> None:
    assert read_age(text) is None


def test_question_is_shown_below_its_id_and_commands_no_terminal() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    forged = "\x1b]0;owned\x07Ship it?\r\n01a1fc37-f993\u2028\u202e"
    question = QuestionRecord("q\nq3\x9b", "e", "ask", forged, {"title": forged}, ("ada\nq2", "grace"), at, at)
    first, *rest = question_lines(question)
    assert first == r"q q3\x9b"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert rest[0].strip() == r"\x1b]0;owned\x07Ship it?\r"
    assert rest[-2].strip() == (
        "task ask of execution e, asked 2026-03-01 12:00:00 UTC, until 2026-03-01 12:00:00 UTC, for ada q2, grace"
    )
    assert r"\u202e" in rest[-1]
