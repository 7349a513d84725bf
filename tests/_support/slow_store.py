"""A plugin of pytest: a database as slow as that of a busy machine, which finds tests that depend on its speed."""

from __future__ import annotations

import time
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take how slow the database is to be."""
    parser.addoption(
        "--slow-store", type=float, default=0.0, metavar="MS", help="delay each read and each commit by milliseconds"
    )


@pytest.fixture(scope="session", autouse=True)
def _slow_store(pytestconfig: pytest.Config) -> Iterator[None]:
    """Delay reads and commits of this process."""
    seconds = cast("float", pytestconfig.getoption("slow_store")) / 1_000
    if not seconds:
        yield
        return
    from cloacina.store import database, group_commit, writer

    def slow(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def delayed(*args: P.args, **kwargs: P.kwargs) -> T:
            time.sleep(seconds)
            return function(*args, **kwargs)

        return delayed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.Database, "read", slow(database.Database.read))
        patch.setattr(database.Database, "transact", slow(database.Database.transact))
        patch.setattr(group_commit.GroupCommit, "commit", slow(group_commit.GroupCommit.commit))
        # A database in memory is read in the writer's thread.
        patch.setattr(writer._Job, "run", slow(writer._Job.run))
        yield
