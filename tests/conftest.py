"""What every test relies on: both async backends, and reproducible random examples."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import cast

import hypothesis
import pytest

pytest_plugins = ("hanging_tests", "slow_machine")

# What a developer has configured for a runner of their own must not change what is tested.
for _name in [name for name in os.environ if name.startswith("CLOACINA_")]:
    del os.environ[_name]

# Waiting for the disk takes most of the time of a commit, and tells nothing about what is tested. What it is about
# asks for "full".
os.environ["CLOACINA_DURABILITY"] = "fast"

# A shell that starts the tests in the background lets them ignore Ctrl+C, and with them the programs that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every async test on both backends."""
    return cast("str", request.param)


# Quick ones first. The browser last: it keeps an event loop in this thread, beside which no other may run.
_ORDER = ("unit", "integration", "chaos", "packaging", "docs", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the suites in their order, whatever order they are named in."""
    folder = Path(__file__).parent
    items.sort(key=lambda item: _ORDER.index(item.path.relative_to(folder).parts[0]))
