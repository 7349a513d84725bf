"""Fixtures for pytest, which finds them by itself: a runner in memory and in virtual time, and its clock.

Nothing else is imported before a test asks for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloacina import Runner
    from cloacina.testing import VirtualClock


@pytest.fixture
def cloacina_clock() -> VirtualClock:
    """Return the virtual time of `cloacina_runner`, or of a runner that the test opens with `clock=cloacina_clock`."""
    from cloacina.testing import VirtualClock  # noqa: PLC0415 - pytest starts with this module

    return VirtualClock()


@pytest.fixture
def cloacina_runner(cloacina_clock: VirtualClock) -> Iterator[Runner]:
    """Return an open `Runner` in memory and in virtual time; after the test, no slot may be lost."""
    from cloacina import Runner  # noqa: PLC0415 - as above
    from cloacina.testing import assert_no_slot_leak  # noqa: PLC0415 - as above

    with Runner("sqlite://", clock=cloacina_clock) as runner:
        yield runner
        assert_no_slot_leak(runner)
