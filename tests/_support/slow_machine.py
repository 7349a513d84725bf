"""A plugin of pytest that plays a busy machine, which finds tests that depend on how fast it is."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import wraps
from random import Random
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

import pytest
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take in which way the machine is slow."""
    parser.addoption("--slow-store", type=float, metavar="MS", help="delay each read and each commit by milliseconds")
    parser.addoption(
        "--slow-turns", type=int, metavar="SEED", help="delay, at random, threads that start and turns of event loops"
    )


@pytest.fixture(scope="session", autouse=True)
def _slow_machine(pytestconfig: pytest.Config) -> Iterator[None]:
    """Slow this process down; what it starts is not affected."""
    milliseconds = cast("float | None", pytestconfig.getoption("slow_store"))
    seed = cast("int | None", pytestconfig.getoption("slow_turns"))
    with pytest.MonkeyPatch.context() as patch:
        if milliseconds is not None:
            _slow_store(patch, milliseconds / 1_000)
        if seed is not None:
            _slow_turns(patch, Random(seed))
        yield


def _after(delay: Callable[[], object], function: Callable[P, T]) -> Callable[P, T]:
    @wraps(function)
    def delayed(*args: P.args, **kwargs: P.kwargs) -> T:
        delay()
        return function(*args, **kwargs)

    return delayed


def _slow_store(patch: pytest.MonkeyPatch, seconds: float) -> None:
    from cloacina.store import database, group_commit, writer

    # A database in memory is read in the writer's thread, by a job.
    for owner, name in ((database.Database, "read"), (group_commit.GroupCommit, "commit"), (writer._Job, "run")):
        patch.setattr(owner, name, _after(lambda: time.sleep(seconds), getattr(owner, name)))


def _slow_turns(patch: pytest.MonkeyPatch, chance: Random) -> None:
    def now_and_then() -> None:
        if chance.random() < 0.15:
            time.sleep(chance.expovariate(100))

    class Instrument(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            now_and_then()

    run = trio.lowlevel.start_guest_run

    def start_guest_run(*args: object, **kwargs: object) -> None:
        run(*args, **kwargs, instruments=[Instrument()])  # type: ignore[arg-type] # handed on as they come

    patch.setattr(trio.lowlevel, "start_guest_run", start_guest_run)
    for owner, name, delay in (
        (asyncio.BaseEventLoop, "_run_once", now_and_then),
        (threading.Thread, "run", lambda: time.sleep(chance.expovariate(30))),
    ):
        patch.setattr(owner, name, _after(delay, getattr(owner, name)))
