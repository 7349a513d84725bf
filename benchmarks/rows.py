"""What is measured, how often, and what it must reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = 4


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        text: What is measured; names of options in braces are filled in.
        figure: The name of the workload's figure.
        unit: `x` for a multiple of the floor's figure of the same name, `of its own` for one of another figure of the
            same run; otherwise what the figure is in.
        target: The worst value that is good enough, in that unit; None for what is only worth knowing.
        more_is_better: Whether a target is a least value and not a most.
    """

    text: str
    figure: str
    unit: Literal["x", "of its own", "s", "/s", "B", "%", ""]
    target: float | None = None
    more_is_better: bool = False

    def is_met(self, value: float) -> bool:
        """Return whether a value is good enough."""
        if self.target is None:
            return True
        return value >= self.target if self.more_is_better else value <= self.target


@dataclass(frozen=True)
class Measurement:
    """A workload, how it is run, and the rows that come of it.

    Attributes:
        name: What `--only` takes.
        workload: The module in `benchmarks.workloads`.
        rows: What is made of its figures.
        options: The arguments of the module's `measure`.
        quick: Those that differ in a quick run.
        rounds: How often each contestant runs; the median counts.
        floor: The function of `benchmarks.floor` that runs in each round too, if any.
        contestants: The event loops it is run on.
        is_large: Whether it is run on request only.
    """

    name: str
    workload: str
    rows: tuple[Row, ...]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    quick: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rounds: int = 3
    floor: str | None = None
    contestants: tuple[str, ...] = ("asyncio", "trio")
    is_large: bool = False


def _bytes_of_a_wait(*, is_large: bool) -> int | None:
    # Of fewer, the database's cache counts for as much as a fourth.
    return 8_000 if is_large else None


def _waits(name: str, *, waits: int, as_file: bool = False, is_large: bool = False) -> Measurement:
    condition = "Path.exists" if as_file else "a lambda"
    text = f"{{waits:,}} async tasks deferring behind {{slots}} slots ({condition})"
    return Measurement(
        name,
        "waits",
        (
            Row(f"{text}: memory a wait", "bytes", "B", _bytes_of_a_wait(is_large=is_large)),
            # The price of asking for a file is the file system's; the floor shows it.
            Row("… CPU of one core at a poll a second", "cpu", "%", None if is_large or as_file else 5),
            Row(
                f"… CPU of polling ({condition}), to that of the calls in a bare loop", "cpu", "x", 3 if as_file else 6
            ),
            Row(
                "… all resumed, after the last poll that saw it",
                "resumed_after",
                "s",
                None if is_large else 0.5,
            ),
            Row("… all stored and the runner left, after the flip", "stored_after", "s"),
            Row("… submitted and parked", "parked_rate", "/s", 5_000, more_is_better=True),
        ),
        {"waits": waits, "slots": SLOTS, "seconds": 6.0, "as_file": as_file},
        {"waits": waits // 5, "seconds": 5.0},
        floor="polls",
        rounds=1 if is_large else 2,
        is_large=is_large,
    )


def _signals(name: str, *, waits: int, is_large: bool = False) -> Measurement:
    return Measurement(
        name,
        "signals",
        (
            Row(
                "{waits:,} async tasks waiting for a signal behind {slots} slots: memory a wait",
                "bytes",
                "B",
                _bytes_of_a_wait(is_large=is_large),
            ),
            Row("… CPU of one core while none is sent", "cpu", "%", 1),
            Row("… submitted and parked", "parked_rate", "/s", 5_000, more_is_better=True),
            Row("… a signal sent in the same process: its task goes on after", "here", "s", 0.001),
            Row("… the slowest of a hundred", "here_slow", "s", 0.005),
            Row("… a signal sent in another process: its task goes on after", "there", "s", 0.003),
            Row("… the slowest of a hundred", "there_slow", "s", 0.025),
            Row("… all others cancelled, and that stored", "cancelled_after", "s", 10),
        ),
        {"waits": waits, "slots": SLOTS, "seconds": 3.0, "sent": 300},
        {"waits": waits // 5, "seconds": 2.0, "sent": 100},
        floor="signals",
        rounds=1 if is_large else 2,
        is_large=is_large,
    )


def _cancelled(name: str, *, waits: int, is_large: bool = False) -> Measurement:
    text = "{waits:,} such waits cancelled by leaving the runner, all stored"
    return Measurement(
        name,
        "waits",
        (Row(text, "cancelled_after", "s", 10),),
        {"waits": waits, "slots": SLOTS, "cancel": True},
        {"waits": waits // 5},
        rounds=1 if is_large else 2,
        is_large=is_large,
    )


def _blocking_waits(name: str, *, waits: int) -> Measurement:
    return Measurement(
        name,
        "waits",
        (
            Row(
                "{waits:,} def tasks deferring behind {slots} slots: so many went on",
                "finished",
                "",
                waits,
                more_is_better=True,
            ),
            Row("… memory a wait, its thread with it", "bytes", "B"),
            Row("… all resumed, after the last poll that saw it", "resumed_after", "s"),
            Row("… submitted and parked", "parked_rate", "/s", more_is_better=True),
        ),
        {"waits": waits, "slots": SLOTS, "blocking": True},
        rounds=2,
    )


def _build(name: str, *, targets: tuple[str, ...]) -> Measurement:
    dependencies = ("numpy", "pydantic", "httpx")
    return Measurement(
        name,
        "building",
        (
            Row(f"build for {len(targets)} targets with {', '.join(dependencies)}, warm cache", "build", "s", 20),
            Row("… its package, MB", "size", "", 50),
            Row("… verify it", "verify", "s", 1.5),
        ),
        {"targets": targets, "dependencies": dependencies},
        {"targets": targets[:1]},
        rounds=3,
        floor="build",
        contestants=("asyncio",),
        # What fills uv's cache at first takes the network.
        is_large=True,
    )


MEASUREMENTS = (
    Measurement(
        "one-by-one",
        "one_by_one",
        (
            Row("one no-op workflow after another, median", "seconds", "x", 2),
            Row("… the same in seconds", "seconds", "s"),
            Row("… the slowest of a hundred, to the median", "tail", "of its own", 5),
        ),
        {"executions": 1_000, "slots": SLOTS},
        floor="one_by_one",
    ),
    Measurement(
        "at-once",
        "at_once",
        (
            Row(
                "{executions:,} single-task workflows at once, {slots} slots, one submit_many",
                "rate",
                "x",
                0.6,
                more_is_better=True,
            ),
            Row("… workflows a second", "rate", "/s", more_is_better=True),
            Row("… processor time of one", "processor", "x"),
        ),
        {"executions": 2_000, "slots": SLOTS},
        floor="at_once",
    ),
    Measurement(
        "at-once-each",
        "at_once",
        (
            Row(
                "{executions:,} of them at once, each submitted by a task of its own",
                "rate",
                "x",
                0.6,
                more_is_better=True,
            ),
            Row("… workflows a second", "rate", "/s", more_is_better=True),
            Row("… processor time of one", "processor", "x"),
        ),
        {"executions": 2_000, "slots": SLOTS, "each_by_itself": True},
        floor="at_once",
    ),
    Measurement(
        "one-by-one-full",
        "one_by_one",
        (
            Row("one after another, on the disk before anybody is told (durability full)", "seconds", "x", 1.3),
            Row("… the same in seconds", "seconds", "s"),
        ),
        {"executions": 100, "slots": SLOTS, "durability": "full"},
        floor="one_by_one",
    ),
    Measurement(
        "at-once-full",
        "at_once",
        (
            Row("{executions:,} at once, one submit_many, durability full", "rate", "x", 0.6, more_is_better=True),
            Row("… workflows a second", "rate", "/s", more_is_better=True),
        ),
        {"executions": 2_000, "slots": SLOTS, "durability": "full"},
        floor="at_once",
    ),
    Measurement(
        "def-tasks",
        "at_once",
        (
            Row("{executions:,} single-task workflows at once, their tasks def", "rate", "x", more_is_better=True),
            Row("… workflows a second", "rate", "/s", more_is_better=True),
            Row("… processor time of one", "processor", "x"),
        ),
        {"executions": 2_000, "slots": SLOTS, "blocking": True},
        floor="at_once",
    ),
    Measurement(
        "chain",
        "chain",
        (Row("chain of {tasks} tasks", "seconds", "s", 0.06),),
        {"tasks": 50, "executions": 10, "slots": SLOTS},
    ),
    Measurement(
        "fan-out",
        "fan_out",
        (Row("fan-out 1 → {width} → 1", "seconds", "s", 0.06),),
        {"width": 200, "executions": 10, "slots": SLOTS},
    ),
    Measurement(
        "freed-slots",
        "freed_slots",
        (
            Row(
                "{slots} tasks deferring + 1 real task, {slots} slots: the real one starts after",
                "seconds",
                "s",
                0.01,
            ),
        ),
        {"executions": 20, "slots": SLOTS},
    ),
    Measurement(
        "loading",
        "loading",
        (
            Row("import cloacina, in percent of import sqlalchemy, anyio", "import", "%", 100),
            Row("… a Runner opened on a file that exists, imports included", "open_existing", "%", 150),
            Row("… on a new file", "open_new", "%", 150),
            Row("… the same in seconds", "seconds", "s"),
            Row("… after the imports", "open", "s"),
        ),
        contestants=("asyncio",),
    ),
    Measurement(
        "starting",
        "starting",
        (
            Row("a process from its start to its first result and its end, file exists", "first_result", "s", 0.2),
            Row("… cloacina signal as a whole process", "signal", "s", 0.15),
            Row("… a Python that does nothing", "python", "s"),
        ),
        rounds=3,
        contestants=("asyncio",),
    ),
    Measurement(
        "discovery",
        "discovery",
        (
            Row("discovery of {modules} modules, 3 tasks in each", "seconds", "s", 0.2),
            Row("… the first time in a process", "first", "s"),
            Row("… ast.parse of the same files, nothing else", "parse", "s"),
            Row("… their lines", "lines", ""),
        ),
        {"modules": 100},
        contestants=("asyncio",),
    ),
    Measurement(
        "checkpoints",
        "checkpoints",
        (
            Row("a checkpoint, of single-row commits one after another", "seconds", "x", 2),
            Row("… the same in seconds", "seconds", "s"),
        ),
        {"commits": 1_000, "slots": SLOTS},
        floor="commits",
    ),
    Measurement(
        "recovery",
        "recovery",
        (
            Row("SIGKILL with {waiting:,} waiting and {running:,} running executions: the first body", "first", "s", 2),
            Row("… all taken up", "all", "s", 6),
        ),
        {"waiting": 10_000, "running": 1_000},
        {"waiting": 1_000, "running": 100},
        rounds=2,
    ),
    _signals("signals", waits=10_000),
    _waits("waits", waits=10_000),
    _waits("waits-file", waits=10_000, as_file=True),
    _cancelled("cancel", waits=10_000),
    _blocking_waits("blocking-waits-500", waits=500),
    _blocking_waits("blocking-waits-1000", waits=1_000),
    _build("build-large", targets=("linux-arm64", "linux-x86_64", "macos-arm64", "macos-x86_64")),
    _waits("waits-large", waits=100_000, is_large=True),
    _waits("waits-file-large", waits=100_000, is_large=True, as_file=True),
    _cancelled("cancel-large", waits=100_000, is_large=True),
    _signals("signals-large", waits=100_000, is_large=True),
)
