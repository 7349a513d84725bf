"""A plugin of pytest: a test that hangs fails, says where it hung, and the others run."""

from __future__ import annotations

import faulthandler
import inspect
import signal
import traceback
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, cast

import anyio
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

P = ParamSpec("P")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take how long a test may take.

    The default bounds hangs and times nothing: at a load of ten, the longest test took a minute and a half.
    """
    parser.addoption("--hangs-after", type=float, default=300.0, metavar="S", help="fail a test that takes so long")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Bound a test.

    An async one is cancelled, which ends all that it has opened. An alarm interrupts the others, and, later, an async
    one that blocks its event loop.
    """
    limit = cast("float", pyfuncitem.config.getoption("hangs_after"))
    is_async = inspect.iscoroutinefunction(pyfuncitem.obj)
    if is_async:
        pyfuncitem.obj = _bounded(pyfuncitem.obj, limit)
    if not hasattr(signal, "SIGALRM"):
        return (yield)

    def interrupt(*_: object) -> None:
        faulthandler.dump_traceback(2)
        pytest.fail(f"The test hung for {limit:g} s; below is where each thread was.")

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, limit * 1.25 if is_async else limit)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _bounded(test: Callable[P, Awaitable[None]], limit: float) -> Callable[P, Awaitable[None]]:
    @wraps(test)
    async def run(*args: P.args, **kwargs: P.kwargs) -> None:
        where = ""
        with anyio.move_on_after(limit) as scope:
            try:
                await test(*args, **kwargs)
            except anyio.get_cancelled_exc_class():
                where = traceback.format_exc()
                raise
        if scope.cancelled_caught:
            pytest.fail(f"The test hung for {limit:g} s:\n{where}", pytrace=False)

    return run
