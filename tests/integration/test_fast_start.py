"""What a process does first imports nothing that takes longer than it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloacina import Client
from cloacina.cli import app
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.plain_signal import PlainSignal, read_plain_signal

SLOW = ("alembic", "pydantic", "rich", "sqlalchemy", "typer")
LOADED = f"print([name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)"
RUN = f"""
import sys, anyio
from cloacina import AsyncRunner, Workflow, task

@task
async def nothing(context): ...

async def main():
    async with AsyncRunner(sys.argv[1]) as runner:
        runner.register(workflow := Workflow("nothing", tasks=[nothing]))
        print((await runner.execute(workflow)).status)

anyio.run(main, backend=sys.argv[2])
{LOADED}
"""
SIGNAL = f"import sys; from cloacina.cli import main; main(); {LOADED}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    with Client(path) as client:
        client.submit("order", key="order-17")
    return path


@pytest.mark.parametrize(
    ("program", "arguments", "printed"),
    [
        (RUN, ["{}", "asyncio"], "Completed"),
        (RUN, ["{}", "trio"], "Completed"),
        (SIGNAL, ["signal", "order/order-17", "paid", "3", "--database", "{}"], "sent"),
    ],
    ids=["asyncio", "trio", "signal"],
)
def test_first_result_of_a_process_needs_nothing_slow(
    path: Path, program: str, arguments: list[str], printed: str
) -> None:
    command = [sys.executable, "-c", program, *(word.format(path) for word in arguments)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == (f"{printed}\n", "[]\n")


@pytest.mark.parametrize(
    "words",
    [
        "e paid",
        "e paid 3 --key=k",
        "e paid @file --by ada --database other.db",
        "--key k e --by=a=b paid",
        "w/k paid --database=sqlite:///other.db",
    ],
)
def test_plain_signal_is_what_the_command_reads(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[PlainSignal] = []
    monkeypatch.setattr(PlainSignal, "send", lambda plain: read.append(plain))
    monkeypatch.setenv("CLOACINA_DATABASE", "of the variable.db")

    plain = read_plain_signal(["signal", *words.split()])

    assert app.run_command(["signal", *words.split()]) == ExitCode.OK
    assert read == [plain]


@pytest.mark.skipif(os.name == "nt", reason="nothing is plain there")
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["questions"],
        ["signal", "--help"],
        ["signal", "e"],
        ["signal", "e", "paid", "3", "more"],
        ["signal", "e", "paid", "-1"],
        ["signal", "e", "paid", "-"],
        ["signal", "e", "paid", "--", "-1"],
        ["signal", "e", "paid", "--key"],
        ["signal", "e", "paid", "--key", "--by"],
        ["signal", "e", "paid", "--key=a", "--key=b"],
        ["signal", "e", "paid", "--dat", "other.db"],
        ["signal", "e", "", "3"],
        ["signal", "e", "paid", "\udce4"],
    ],
)
def test_words_that_are_not_plain_are_left_to_the_command(words: list[str]) -> None:
    assert read_plain_signal(words) is None
