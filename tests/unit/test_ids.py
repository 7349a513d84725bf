"""Ids: they sort in the order of their making, whatever becomes of the clock."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from cloacina.execution import ids

_NOON = 1_750_000_000 * 10**9
_A_YEAR = 366 * 86_400 * 10**9
_LAST_UUID_7 = "ffffffff-ffff-7fff-bfff-ffffffffffff"


def _made_at(*moments: int) -> list[str]:
    """Return the ids that are made while the clock shows these moments, in nanoseconds since the epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "_newest", 0)
        clock = iter(moments)
        patch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: next(clock)))
        return [ids.new_id() for _ in moments]


@given(st.lists(st.integers(_NOON, _NOON + 5_000_000) | st.integers(0, 4 * _NOON), min_size=2, max_size=30))
def test_ids_sort_in_the_order_of_their_making_whatever_the_clock_shows(moments: list[int]) -> None:
    made = _made_at(*moments)
    assert made == sorted(set(made))
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(7, "specified in RFC 4122")}


def test_an_id_tells_the_time_of_its_making_again_once_the_clock_has_caught_up() -> None:
    first, ahead, _, after = _made_at(_NOON, _NOON + 10**9, _NOON + 10**6, _NOON + 2 * 10**9)
    assert [(UUID(one).int >> 80) - _NOON // 10**6 for one in (first, ahead, after)] == [0, 1_000, 2_000]


def test_ids_of_several_threads_have_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock stands still, as it does when it was set back: each id then depends on the one before.
    monkeypatch.setattr(ids, "_newest", _NOON)
    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: _NOON))
    made: list[list[str]] = []

    def make() -> None:
        made.append([ids.new_id() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len({one[:23] for own in made for one in own}) == 8_000  # told apart without their random bits


@pytest.mark.parametrize("ahead", [0, 1, 244, 10**6, 56 * _A_YEAR])
def test_ids_sort_behind_one_that_is_followed(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (known,) = _made_at(_NOON + ahead)
    known = known[:19] + "bfff-ffffffffffff"  # the last id of that moment
    monkeypatch.setattr(ids, "_newest", 0)
    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: _NOON))
    ids.follow(known)
    assert ids.new_id() > known


@pytest.mark.parametrize(
    "known",
    ["", "17", "mine", "zz", _made_at(_NOON + 150 * _A_YEAR)[0], _LAST_UUID_7, _LAST_UUID_7.replace("-7", "-4")],
)
def test_what_is_no_id_or_cannot_be_one_is_not_followed(known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_newest", 0)
    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: _NOON))
    ids.follow(known)
    assert UUID(ids.new_id()).int >> 80 == _NOON // 10**6
