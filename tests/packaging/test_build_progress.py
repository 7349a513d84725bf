"""What is seen of a build while it runs: a line a step in a log, and the current step in place on a terminal."""

from __future__ import annotations

from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from cloacina.cli.build_progress import LineBuildProgress, LiveBuildProgress, progress_for
from cloacina.errors import ImportCheckFailed


def terminal(encoding: str = "utf-8", width: int = 80) -> tuple[Console, BytesIO]:
    written = BytesIO()
    stream = TextIOWrapper(written, encoding=encoding, write_through=True)
    # Escape sequences are left out of a dumb terminal; what is drawn stays in the order of drawing.
    return Console(file=stream, force_terminal=True, width=width, color_system=None, legacy_windows=False), written


def test_a_log_has_a_line_for_each_step_that_is_done() -> None:
    log = StringIO()

    with LineBuildProgress(log) as progress:
        progress.begin("vendor")
        progress.advance("vendor", 1, 2)
        progress.detail("vendor", "linux-x86_64-cp311")
        progress.end("vendor", "2 targets")
        progress.note("something was left out")
        progress.begin("pack")

    assert log.getvalue() == "vendor      2 targets\nnote        something was left out\n"


def test_what_is_no_terminal_gets_lines() -> None:
    assert isinstance(progress_for(StringIO()), LineBuildProgress)


@pytest.mark.parametrize(("encoding", "symbol"), [("utf-8", "✓"), ("ascii", "+")])
def test_a_terminal_keeps_the_steps_that_are_done(encoding: str, symbol: str) -> None:
    console, written = terminal(encoding)

    with LiveBuildProgress(console) as progress:
        progress.begin("vendor")
        progress.detail("vendor", "linux-x86_64-cp311")
        progress.advance("vendor", 1, 2)
        progress.end("vendor", "2 targets")
        progress.note("something was left out")

    drawn = written.getvalue().decode(encoding)
    assert f"{symbol} vendor    2 targets" in drawn
    assert "! note      something was left out" in drawn
    assert "linux-x86_64-cp311" in drawn


def test_the_step_that_fails_is_marked() -> None:
    console, written = terminal()

    with pytest.raises(ImportCheckFailed), LiveBuildProgress(console) as progress:
        progress.begin("import")
        raise ImportCheckFailed("it does not import")

    assert "✗ import" in written.getvalue().decode()


def test_nothing_is_drawn_before_the_first_step_so_that_a_passphrase_can_be_typed() -> None:
    console, written = terminal()

    with LiveBuildProgress(console):
        assert written.getvalue() == b""
