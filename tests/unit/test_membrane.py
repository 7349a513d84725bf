"""The membrane: whatever an exception or a log handler does, what comes through is bounded text, and nothing raises."""

from __future__ import annotations

import ast
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

import cloacina
from cloacina import CloacinaError, ErrorRecord, NotJSONSerializable
from cloacina.membrane import (
    LONGEST_LINE,
    LONGEST_MESSAGE,
    Log,
    describe,
    name_of,
    shown,
    text_of,
    traceback_of,
    type_name,
)
from cloacina.membrane.tracebacks import LONGEST_TRACEBACK
from cloacina.retry import RetryPolicy, delay_before_next
from cloacina.scheduling.failure import error_record
from cloacina.store.records import in_a_line
from odd_exceptions import (
    HUGE,
    UNDECODABLE,
    Carried,
    SaysNothing,
    branching_group,
    circle,
    deep_group,
    deep_recursion,
    long_chain,
    odd_exceptions,
    wide_group,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def assert_storable(text: object, longest: int) -> None:
    """Assert that something is a plain text that a database and a terminal can hold, and no longer than it may be."""
    assert type(text) is str
    assert len(text) <= longest
    assert "\0" not in text
    text.encode()


def assert_told(error: BaseException) -> ErrorRecord:
    """Assert that an exception can be told in every way that the engine has; return its record."""
    assert_storable(text_of(error), LONGEST_MESSAGE)
    assert_storable(describe(error), LONGEST_LINE)
    assert_storable(type_name(type(error)), LONGEST_LINE)
    assert_storable(traceback_of(error), LONGEST_TRACEBACK)
    record = error_record(error, "task", 1)
    assert_storable(in_a_line(record), LONGEST_LINE)
    assert ErrorRecord.from_json(record.to_json()) == record
    return record


@given(odd_exceptions)
def test_every_exception_can_be_told_and_judged(carried: Carried) -> None:
    error = carried.error
    assert_told(error)

    def retry_by_name(error: BaseException) -> bool:
        raise KeyError(error)

    policies: list[Any] = [Exception, (OSError, CloacinaError), ExceptionGroup, retry_by_name]
    for retry_on in policies:
        delay_before_next(RetryPolicy(attempts=2, retry_on=retry_on), error, 1)


@pytest.mark.parametrize(
    "make",
    [long_chain, circle, deep_group, branching_group, wide_group, deep_recursion],
    ids=lambda make: make.__name__,
)
def test_an_exception_without_an_end_is_told_in_bounds(make: Callable[[], BaseException]) -> None:
    record = assert_told(make())
    assert len(record.traceback) < 20_000


def test_of_a_long_chain_both_ends_are_told() -> None:
    told = error_record(long_chain(999), None, None).traceback
    assert told.count("direct cause") == 16
    assert told.startswith("ValueError: the first\n")
    assert "…: 984 more exceptions" in told
    assert told.endswith("ValueError: link 998\n")


def test_of_a_deep_stack_both_ends_are_told() -> None:
    told = error_record(deep_recursion(), None, None)
    assert told.traceback.count("in ping") + told.traceback.count("in pong") == 99
    assert "in deep_recursion" in told.traceback
    assert "frames in the middle of this traceback are left out" in told.traceback


def test_a_huge_text_is_cut_once_and_kept_once() -> None:
    record = error_record(ValueError("begin" + HUGE + "end"), "task", 1)
    assert record.message.startswith("begin")
    assert record.message.endswith("end")
    assert "more characters" in record.message
    assert len(record.traceback) < 2 * LONGEST_LINE
    assert len(in_a_line(record)) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("plain"), "plain"),
        (ValueError(), ""),
        (FileNotFoundError(UNDECODABLE), "caf\\udce9.csv"),
        (ValueError("a\0b"), "a\\x00b"),
        (SaysNothing(), "<its text cannot be shown: RuntimeError>"),
        (NotJSONSerializable("found a set"), "found a set"),
        (CloacinaError(KeyError("order")), "'order'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (CloacinaError.__new__(CloacinaError, 7), "7"),
        (
            ExceptionGroup("two", [ConnectionError("down"), ExceptionGroup("one", [ValueError()])]),
            "2 errors: ConnectionError: down; ValueError (two)",
        ),
        (
            ExceptionGroup("many", [KeyError(number) for number in range(12)]),
            f"12 errors: {'; '.join(f'KeyError: {number}' for number in range(10))}; … 2 more (many)",
        ),
    ],
)
def test_what_an_exception_says(error: BaseException, told: str) -> None:
    assert text_of(error) == told


def _wrong_syntax() -> None:
    compile("a = = 1", "x.py", "exec")


def _mistyped_name() -> None:
    contxt = 1
    print(context, contxt)  # type: ignore[name-defined]  # noqa: F821, T201  # pyright: ignore[reportUndefinedVariable]


def _mistyped_attribute() -> None:
    [].apend(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def _missing_name() -> None:
    from json import load_s  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue]


def _noted() -> None:
    error = NotJSONSerializable("found a set")
    error.add_note("in two lines,\nof which this is one")
    raise error


def _in_front_of_a_context() -> None:
    try:
        _mistyped_attribute()
    except AttributeError:
        raise KeyError("key")  # noqa: B904 - its context is what is told


def _without_its_context() -> None:
    try:
        _mistyped_attribute()
    except AttributeError:
        raise KeyError("key") from None


def _grouped() -> None:
    members: list[Exception] = []
    for fail in (_in_front_of_a_context, _wrong_syntax, _noted):
        try:
            fail()
        except Exception as error:  # noqa: BLE001 - of any kind
            members.append(error)
    raise ExceptionGroup("several", [*members, ExceptionGroup("in it", [ValueError(1)])]) from KeyError("a")


@pytest.mark.parametrize(
    "fail",
    [
        _wrong_syntax,
        _mistyped_name,
        _mistyped_attribute,
        _missing_name,
        _noted,
        _in_front_of_a_context,
        _without_its_context,
        _grouped,
    ],
)
def test_the_traceback_of_an_ordinary_exception_is_python_s_own(fail: Callable[[], None]) -> None:
    with pytest.raises(Exception) as raised:
        fail()
    assert traceback_of(raised.value) == "".join(traceback.format_exception(raised.value))


def test_a_traceback_without_sources_has_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ValueError("not now")

    with pytest.raises(KeyError) as raised:
        raise KeyError("key")
    monkeypatch.setattr("linecache.checkcache", refuse)
    told = traceback_of(raised.value)
    assert f'File "{__file__}", line' in told
    assert "in test_a_traceback_without_sources_has_its_frames" in told
    assert "KeyError: 'key'" in told


@pytest.mark.parametrize(
    ("function", "name"),
    [(shown, "shown"), (SaysNothing(), "SaysNothing"), (type("Odd", (), {"__repr__": lambda _: HUGE})(), HUGE[:100])],
)
def test_the_name_of_a_condition_cannot_fail(function: Any, name: str) -> None:
    assert name_of(function).startswith(name)
    assert_storable(name_of(function), LONGEST_LINE)


# ── Logging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Yield a logger that logs to nobody else."""
    logger = logging.Logger.manager.getLogger("cloacina.tests")
    logger.propagate = False
    yield logger
    logger.handlers.clear()
    logger.filters.clear()
    logger.propagate = True


def raising(error: BaseException) -> Callable[..., Any]:
    def misbehave(*args: Any, **kwargs: Any) -> None:
        raise error

    return misbehave


@pytest.mark.parametrize(
    "error",
    [ConnectionError("down"), SystemExit(3), KeyboardInterrupt(), SaysNothing()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("place", ["handler", "filter", "record factory", "level", "stderr"])
def test_what_logging_raises_costs_a_line_on_stderr_at_most(
    place: str,
    error: BaseException,
    logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", raising(error))
    logger.addHandler(handler)
    if place == "filter":
        logger.addFilter(raising(error))
    elif place == "record factory":
        monkeypatch.setattr(logging, "_logRecordFactory", raising(error))
    elif place == "level":
        monkeypatch.setattr(logger, "isEnabledFor", raising(error))
    elif place == "stderr":
        monkeypatch.setattr("sys.stderr.write", raising(error))
    log = Log("cloacina.tests")
    log.warning("task %r is late", "a", exc_info=error, extra={"task_id": "a"})
    told = capsys.readouterr().err
    assert told.count("\n") == (place != "stderr")
    assert f"cloacina: logging 'task %r is late' raised '{type(error).__name__}" in told or place == "stderr"
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.warning("task %r is late", "a")
    assert capsys.readouterr().err == ""


def test_a_record_has_its_place_its_ids_and_the_traceback(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a record factory sets the ids to something first: a recipe for formats that name them."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    logger.addHandler(handler)
    make = logging.getLogRecordFactory()

    def make_with_ids(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.task_id = "-"
        return record

    monkeypatch.setattr(logging, "_logRecordFactory", make_with_ids)
    log = Log("cloacina.tests")
    error = SaysNothing()
    log.info("not asked for")
    log.error("task %(task)r is late", {"task": "a"}, exc_info=error, extra={"task_id": "a"})
    try:
        raise KeyError("key")
    except KeyError:
        log.exception("failed")
    (late, failed) = records
    assert (late.getMessage(), late.levelno, late.name) == ("task 'a' is late", logging.ERROR, "cloacina.tests")
    assert (late.pathname, late.funcName) == (__file__, "test_a_record_has_its_place_its_ids_and_the_traceback")
    assert vars(late)["task_id"] == "a"
    assert late.exc_info is not None
    assert late.exc_info[1] is error
    assert "SaysNothing: <its text cannot be shown: RuntimeError>" in logging.Formatter().format(late)
    assert "KeyError: 'key'" in logging.Formatter().format(failed)


def test_nobody_logs_past_the_membrane() -> None:
    root = Path(cloacina.__file__).parent
    # The command line sets a level, and logs nothing.
    allowed = {root / "membrane" / "log.py", root / "cli" / "execute.py"}
    for path in set(root.rglob("*.py")) - allowed:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "logging" for name in names), path
