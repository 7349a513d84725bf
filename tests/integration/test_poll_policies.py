"""What a `PollPolicy` promises: when the condition is called again, how often, and what follows the last call."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cloacina import (
    After,
    AsyncRunner,
    Context,
    InvalidOption,
    InvalidWait,
    PollPolicy,
    Signal,
    WaitTimeout,
    Workflow,
)
from cloacina.testing import FakeBlockingTaskHandle, VirtualClock

if TYPE_CHECKING:
    from tests.integration.conftest import Call, Scripted

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

Script = Generator["Call", Any, None]


@_BOTH_KINDS
@pytest.mark.parametrize(
    ("policy", "moments"),
    [
        (PollPolicy(2), [0, 2, 4, 6, 8]),
        (PollPolicy(1, backoff="exponential"), [0, 1, 3, 7, 15]),
        (
            PollPolicy(timedelta(minutes=1), backoff="exponential", multiplier=3, max_interval=600),
            [0, 60, 240, 780, 1380],
        ),
    ],
)
async def test_condition_is_called_when_the_policy_says_and_the_wait_still_has_its_time_limit(
    scripted: Scripted, kind: str, policy: PollPolicy, moments: list[int]
) -> None:
    clock = VirtualClock()
    called: list[int] = []

    def condition() -> bool:
        called.append(round(clock.elapsed.total_seconds()))
        return len(called) == len(moments)

    def waits(context: Context) -> Script:
        context["met"] = yield "defer_until", condition, {"poll": policy}
        context["late"] = yield "defer_until", lambda: False, {"poll": policy, "timeout": 1, "default": "late"}

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = (await runner.execute(Workflow("w", tasks=[scripted(kind, waits)]))).raise_for_status()

    assert called == moments
    assert result.context == {"met": True, "late": "late"}
    assert clock.elapsed == timedelta(seconds=moments[-1] + 1)


@_BOTH_KINDS
@pytest.mark.parametrize("max_polls", [1, 3])
async def test_wait_is_out_of_time_when_the_last_of_its_calls_does_not_hold(
    scripted: Scripted, kind: str, max_polls: int
) -> None:
    clock = VirtualClock()
    policy = PollPolicy(10, max_polls=max_polls)
    calls: list[str] = []

    def asks(what: str) -> Any:
        def condition() -> bool:
            calls.append(what)
            if what == "raises":
                raise OSError(what)
            return False

        return condition

    def waits(context: Context) -> Script:
        context["default"] = yield "defer_until", asks("default"), {"poll": policy, "default": "gone"}
        options: dict[str, Any] = {"poll": policy, "tolerate_errors": 9}
        try:
            yield "defer_until", asks("raises"), options
        except WaitTimeout as error:
            context["error"] = error.message
        several = [asks("several"), Signal("never"), After(3600)]
        context["several"] = yield "wait_any", several, {"poll": policy, "default": None}
        context["holds a slot"] = yield ("is_slot_held",)

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = (await runner.execute(Workflow("w", tasks=[scripted(kind, waits)]))).raise_for_status()
        recorded = [(wait.outcome, wait.polls) for wait in await runner.waits(result.id)]

    assert calls == [each for each in ("default", "raises", "several") for _ in range(max_polls)]
    assert clock.elapsed == timedelta(seconds=3 * 10 * (max_polls - 1))
    polls = "1 poll" if max_polls == 1 else "3 polls"
    assert result.context.pop("error").endswith(f" was not met in {polls}; last error: OSError: raises")
    assert result.context == {"default": "gone", "several": None, "holds a slot": True}
    assert recorded == ([] if max_polls == 1 else [("timeout", max_polls)] * 3)


@_BOTH_KINDS
async def test_policy_beside_an_interval_and_what_is_no_policy_are_refused(scripted: Scripted, kind: str) -> None:
    refusals: list[str] = []

    def refused(*call: Any) -> Generator[Call, Any, None]:
        try:
            yield call
        except InvalidWait as error:
            refusals.append(error.message)

    def waits(context: Context) -> Script:
        for awaited in ("defer_until", bool), ("wait_any", [Signal("paid")]), ("wait_all", [bool]):
            yield from refused(*awaited, {"poll": PollPolicy(1), "poll_interval_ms": 1000})
        yield from refused("defer_until", bool, {"poll": 5})

    async with AsyncRunner("sqlite://") as runner:
        (await runner.execute(Workflow("w", tasks=[scripted(kind, waits)]))).raise_for_status()

    assert ["not both" in each for each in refusals] == [True, True, True, False]
    assert refusals[3].startswith("poll= is a PollPolicy")


def test_jitter_shortens_intervals_and_stand_ins_let_that_time_pass() -> None:
    policy = PollPolicy(8, jitter=0.25)
    random = Random(7)
    intervals = [policy.interval_after(poll, random) for poll in range(1, 200)]
    assert (round(min(intervals), 1), round(max(intervals), 1)) == (6.0, 8.0)

    handle = FakeBlockingTaskHandle()
    assert handle.defer_until(bool, poll=PollPolicy(8, jitter=0.25, max_polls=5), default="gone") == "gone"
    assert (handle.waits[0].polls, handle.waits[0].poll_policy) == (5, PollPolicy(8, jitter=0.25, max_polls=5))
    assert timedelta(seconds=4 * 6) <= handle.clock.elapsed <= timedelta(seconds=4 * 8)


@pytest.mark.parametrize(
    "options",
    [
        {"interval": 0},
        {"interval": "1"},
        {"backoff": "linear"},
        {"multiplier": 0.5},
        {"max_interval": 0},
        {"jitter": 1.5},
        {"max_polls": 0},
        {"max_polls": True},
        {"max_polls": 2.5},
    ],
)
def test_policy_refuses_what_is_out_of_its_range(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(options))):
        PollPolicy(**options)


def test_interval_that_grows_for_ever_stays_within_a_year() -> None:
    policy = PollPolicy(1, backoff="exponential", multiplier=1e6)
    assert policy.interval_after(1000, Random(0)) == 365 * 86_400
