"""How often a task is attempted, how long it waits in between, and how durations are read."""

from __future__ import annotations

import pickle
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cloacina import (
    CloacinaError,
    ConcurrentWait,
    ConditionError,
    ContextError,
    ContextSealed,
    HandleConsumed,
    InvalidOption,
    InvalidTaskResult,
    NotJSONSerializable,
    RetryPolicy,
    StoreUnavailable,
    TaskCancelled,
    TaskTimeout,
    WaitTimeout,
)
from cloacina.retry import LONGEST, delay_before_next, seconds

YEAR = 365 * 86_400.0


async def ask_elsewhere(error: Exception) -> bool:
    return True


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0.0), (1.5, 1.5), (2, 2.0), (timedelta(milliseconds=250), 0.25), (LONGEST, LONGEST)]
)
def test_durations_are_seconds_or_timedeltas(value: float | timedelta, expected: float) -> None:
    read = seconds(value, "timeout")
    assert read == expected
    assert type(read) is float


@pytest.mark.parametrize(
    "value",
    [
        True,
        "1",
        None,
        float("nan"),
        float("inf"),
        -0.1,
        timedelta(seconds=-1),
        LONGEST * 1.01,
        10**400,
        timedelta.max,
        1j,
    ],
    ids=repr,
)
def test_other_durations_are_refused_by_the_name_of_the_argument(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^poll_interval is .*Expected"):
        seconds(value, "poll_interval")


def test_a_minimum_is_held() -> None:
    assert seconds(0.001, "interval", minimum=0.001) == 0.001
    with pytest.raises(InvalidOption, match=r"interval is 0\. Expected 0\.001 seconds or more"):
        seconds(0, "interval", minimum=0.001)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", -1),
        ("attempts", True),
        ("attempts", 2.0),
        ("delay", -1),
        ("delay", float("nan")),
        ("backoff", "linear"),
        ("multiplier", 0.5),
        ("multiplier", float("nan")),
        ("multiplier", float("inf")),
        ("multiplier", True),
        ("max_delay", -1),
        ("jitter", -0.1),
        ("jitter", 1.1),
        ("jitter", float("nan")),
        ("jitter", "0.5"),
        ("retry_on", ()),
        ("retry_on", None),
        ("retry_on", int),
        ("retry_on", ask_elsewhere),
        ("retry_on", KeyboardInterrupt),
        ("retry_on", (ValueError, "OSError")),
        ("retry_on", "ValueError"),
    ],
)
def test_a_policy_is_checked(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(InvalidOption, match=rf"^{name} is .*Expected"):
        RetryPolicy(**options)


def test_attempts_counts_all_attempts() -> None:
    policy = RetryPolicy(attempts=3)
    error = ValueError("again")
    assert [policy.should_retry(error, attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]
    assert RetryPolicy(attempts=1).should_retry(error, 1) is False


def test_retry_on_chooses_exceptions_by_class() -> None:
    policy = RetryPolicy(attempts=2, retry_on=OSError)
    assert policy.should_retry(ConnectionError(), 1) is True
    assert policy.should_retry(ValueError(), 1) is False
    policy = RetryPolicy(attempts=2, retry_on=(OSError, KeyError))
    assert policy.should_retry(KeyError(), 1) is True
    assert policy.should_retry(ValueError(), 1) is False


def test_retry_on_chooses_exceptions_by_predicate() -> None:
    policy = RetryPolicy(attempts=2, retry_on=lambda error: "429" in str(error))
    assert policy.should_retry(RuntimeError("status 429"), 1) is True
    assert policy.should_retry(RuntimeError("status 404"), 1) is False


LOST, WRONG = ConnectionError("lost"), KeyError("price")
NOT_JSON = NotJSONSerializable("found a set")


@pytest.mark.parametrize(
    ("retry_on", "error", "follows"),
    [
        (ConnectionError, ExceptionGroup("", [LOST, LOST]), True),
        (ConnectionError, ExceptionGroup("", [LOST, WRONG]), False),
        (ConnectionError, ExceptionGroup("", [LOST, ExceptionGroup("", [LOST])]), True),
        (ConnectionError, ExceptionGroup("", [LOST, ExceptionGroup("", [WRONG])]), False),
        ((KeyError, ConnectionError), ExceptionGroup("", [LOST, WRONG]), True),
        (Exception, ExceptionGroup("", [LOST, WRONG]), True),
        (Exception, BaseExceptionGroup("", [LOST, SystemExit()]), False),
        (ExceptionGroup, ExceptionGroup("", [WRONG]), True),
        (ExceptionGroup, LOST, False),
        (lambda error: isinstance(error, ExceptionGroup), ExceptionGroup("", [WRONG]), True),
        (Exception, NOT_JSON, False),
        (CloacinaError, NOT_JSON, False),
        (lambda _: True, NOT_JSON, False),
        (lambda _: True, ExceptionGroup("", [LOST, NOT_JSON]), False),
        (Exception, ExceptionGroup("", [LOST, NOT_JSON]), False),
        (NotJSONSerializable, NOT_JSON, True),
        ((ContextError, ConnectionError), ExceptionGroup("", [LOST, NOT_JSON]), True),
        (Exception, ContextSealed("written late"), False),
        (Exception, HandleConsumed("used again"), False),
        (Exception, ConcurrentWait("two at once"), False),
        (Exception, InvalidTaskResult("returned 5"), False),
        (Exception, InvalidOption("attempts is 0"), False),
        (Exception, TaskTimeout("too long"), True),
        (Exception, WaitTimeout("not met"), True),
        (Exception, ConditionError("it raised"), True),
        (Exception, StoreUnavailable("locked"), True),
    ],
)
def test_what_is_worth_another_attempt(retry_on: Any, error: BaseException, follows: bool) -> None:
    assert RetryPolicy(attempts=2, retry_on=retry_on).should_retry(error, 1) is follows


class Patient(RetryPolicy):
    """A policy of a class of the user's."""

    def delay_after(self, attempt: int, random: Random) -> float:
        return float("nan")


def test_a_policy_that_is_derived_and_wrong_retries_nothing_and_says_so() -> None:
    error = ConnectionError("lost")
    assert delay_before_next(Patient(attempts=2), error, 1) is None
    assert error.__notes__[0].startswith(
        "Not retried: the retry policy of the task raised InvalidOption: the delay is nan"
    )


def test_a_predicate_that_raises_means_no_and_says_so_on_the_error() -> None:
    policy = RetryPolicy(attempts=2, retry_on=lambda error: error.status == 429)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    error = RuntimeError("refused")
    assert policy.should_retry(error, 1) is False
    assert any("retry_on function of the task raised AttributeError" in note for note in error.__notes__)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), TaskCancelled()], ids=repr)
def test_what_is_no_exception_is_never_retried(error: BaseException) -> None:
    asked: list[BaseException] = []

    def ask(error: Exception) -> bool:
        asked.append(error)
        return True

    policy = RetryPolicy(attempts=9, retry_on=ask)
    assert policy.should_retry(error, 1) is False
    assert asked == []


def test_a_fixed_delay_stays() -> None:
    policy = RetryPolicy(attempts=9, delay=timedelta(seconds=3))
    assert {policy.delay_after(attempt, Random(0)) for attempt in range(1, 9)} == {3.0}


def test_an_exponential_delay_grows_up_to_the_maximum() -> None:
    policy = RetryPolicy(attempts=9, delay=0.5, backoff="exponential", multiplier=3, max_delay=10)
    assert [policy.delay_after(attempt, Random(0)) for attempt in range(1, 6)] == [0.5, 1.5, 4.5, 10.0, 10.0]


def test_an_exponential_delay_does_not_overflow() -> None:
    policy = RetryPolicy(attempts=10_000, delay=1, backoff="exponential", multiplier=10)
    assert policy.delay_after(5_000, Random(0)) == YEAR
    assert RetryPolicy(delay=0, backoff="exponential").delay_after(5_000, Random(0)) == 0.0
    assert RetryPolicy(delay=LONGEST, backoff="exponential", max_delay=7).delay_after(1_100, Random(0)) == 7.0


@given(
    st.floats(0, 1e6),
    st.floats(1, 100),
    st.floats(0, 1e6),
    st.floats(0, 1),
    st.integers(1, 10_000),
    st.integers(0, 2**32),
)
def test_jitter_only_shortens_a_delay_and_by_no_more_than_its_fraction(
    delay: float, multiplier: float, max_delay: float, jitter: float, attempt: int, seed: int
) -> None:
    options: dict[str, Any] = {
        "delay": delay,
        "backoff": "exponential",
        "multiplier": multiplier,
        "max_delay": max_delay,
    }
    whole = RetryPolicy(**options).delay_after(attempt, Random(seed))
    shortened = RetryPolicy(**options, jitter=jitter).delay_after(attempt, Random(seed))
    assert 0 <= whole * (1 - jitter) <= shortened <= whole <= max_delay


def test_jitter_is_drawn_from_the_given_source() -> None:
    policy = RetryPolicy(delay=8, jitter=0.25)
    drawn = [policy.delay_after(1, Random(seed)) for seed in range(200)]
    assert drawn == [policy.delay_after(1, Random(seed)) for seed in range(200)]
    assert len(set(drawn)) > 100


def test_a_policy_is_a_value() -> None:
    policy = RetryPolicy(attempts=3, delay=timedelta(seconds=1), retry_on=OSError)
    assert policy == RetryPolicy(attempts=3, delay=1.0, retry_on=OSError)
    assert hash(policy) == hash(RetryPolicy(attempts=3, delay=1.0, retry_on=OSError))
    assert pickle.loads(pickle.dumps(policy)) == policy
    with pytest.raises(AttributeError):
        policy.attempts = 4  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
