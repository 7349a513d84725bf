"""`cloacina explain` knows every code, in any spelling, and helps with those that it does not know."""

from __future__ import annotations

import pytest

from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.errors import ConditionError, errors_by_code


@pytest.mark.parametrize("spelling", ["CLO-1203", "clo-1203", "clo1203", "1203", "ConditionError", "conditionerror"])
def test_code_is_explained_in_any_spelling(spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", spelling]) == ExitCode.OK
    lines = capsys.readouterr().out
    assert lines.startswith("CLO-1203  ConditionError\n")
    text = " ".join(lines.split())
    assert ConditionError.cause in text
    assert ConditionError.mend in text
    assert text.endswith("/reference/errors/#clo-1203")


def test_without_a_code_every_one_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == ExitCode.OK
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("CLO-")]
    assert listed == list(errors_by_code())


@pytest.mark.parametrize("code", errors_by_code())
def test_every_code_has_an_explanation(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "Cause:  " in out
    assert "Mend:   " in out


@pytest.mark.parametrize("columns", ["40", "80", "300"])
def test_lines_fit_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    main(["explain", "CLO-1004"])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("More:")]
    assert max(len(line) for line in lines) <= min(int(columns), 100)


@pytest.mark.parametrize(
    ("wrong", "suggestion"), [("CLO-1230", "CLO-1203 (ConditionError)"), ("WaitTimout", "CLO-1204 (WaitTimeout)")]
)
def test_unknown_code_suggests_close_ones(wrong: str, suggestion: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", wrong]) == ExitCode.USAGE
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "did you mean" in streams.err
    assert suggestion in streams.err
    assert "[CLO-1504]" in streams.err


def test_code_unlike_any_other_points_to_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "???"]) == ExitCode.USAGE
    assert "`cloacina explain` lists all codes" in capsys.readouterr().err
