"""What every test relies on: both async backends, and reproducible random examples."""

from __future__ import annotations

import os
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

# What a developer has configured for a runner of their own must not change what is tested.
for _name in [name for name in os.environ if name.startswith("CLOACINA_")]:
    del os.environ[_name]

# Random examples are derived from the test itself, so a failure is the same on every machine. No test has a deadline:
# a busy machine is no defect. `--hypothesis-profile=search` looks for new examples instead.
hypothesis.settings.register_profile(
    "reproducible",
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("reproducible")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to make the database as slow as a busy machine's, which finds what depends on how fast it is."""
    parser.addoption(
        "--slow-store", type=float, default=0.0, metavar="MS", help="delay each read and each commit by milliseconds"
    )


@pytest.fixture(scope="session", autouse=True)
def _slow_store(pytestconfig: pytest.Config) -> Iterator[None]:
    """Delay reads and commits of this process as `--slow-store` asks."""
    seconds = pytestconfig.getoption("slow_store") / 1_000
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
        patch.setattr(group_commit.GroupCommit, "commit", slow(group_commit.GroupCommit.commit))
        # A database in memory is read in the writer's thread.
        patch.setattr(writer._Job, "run", slow(writer._Job.run))
        yield


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every async test on both backends."""
    return cast("str", request.param)


# Quick ones first. The browser last: it keeps an event loop in this thread, beside which no other may run.
_ORDER = ("unit", "integration", "packaging", "docs", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the suites in their order, whatever order they are named in."""
    folder = Path(__file__).parent
    items.sort(key=lambda item: _ORDER.index(item.path.relative_to(folder).parts[0]))
