"""The recorded runs that pages draw are what the pages say of them, and their program still makes such runs."""

from __future__ import annotations

import pytest

from cloacina import EventType
from cloacina.observe import Stretch, StretchKind, read_stretches
from docsite.recordings import from_rows, recorded, waiting


def assert_slept(stretches: list[Stretch]) -> None:
    assert {stretch.kind for stretch in stretches} == {StretchKind.HELD}


def assert_deferred(stretches: list[Stretch]) -> None:
    assert {stretch.task_id for stretch in stretches if stretch.kind is StretchKind.WAITED} == set(waiting.ARRIVALS)


def test_recorded_sleepers_kept_both_slots_and_took_longer() -> None:
    sleeping, deferring = (read_stretches(recorded(run)) for run in ("sleeping", "deferring"))
    assert_slept(sleeping)
    assert_deferred(deferring)
    assert {stretch.slot for stretch in sleeping} == set(range(waiting.SLOTS))
    assert {stretch.task_id for stretch in sleeping} == {stretch.task_id for stretch in deferring}
    # "For two seconds nothing else runs."
    until_the_first_file = [stretch.task_id for stretch in sleeping if stretch.start < waiting.ARRIVALS["export"]]
    assert until_the_first_file == ["export", "reply"]
    assert max(stretch.end for stretch in deferring) < max(stretch.end for stretch in sleeping)


def test_program_still_makes_such_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ARRIVALS", {"export": 0.0, "reply": 0.2})
    monkeypatch.setattr(waiting, "WORK_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "REPORT_SECONDS", 0.01)
    sleeping, deferring = waiting.workflow("sleeping", waiting.sleeper), waiting.workflow("deferring", waiting.deferrer)
    assert_slept(read_stretches(from_rows(waiting.run(sleeping, EventType.TASK_STARTED))))
    assert_deferred(read_stretches(from_rows(waiting.run(deferring, EventType.TASK_DEFERRED))))
