"""How a runner is set up: arguments, then variables, then defaults; what is out of range names its origin."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloacina import AsyncRunner, InvalidOption, Runner
from cloacina.configuration import Configuration

_VARIABLES = {
    "CLOACINA_DATABASE": "sqlite:///of_the_variable.db",
    "CLOACINA_MAX_CONCURRENT_TASKS": "7",
    "CLOACINA_MAX_BLOCKING_WAITS": " 70 ",
    "CLOACINA_DURABILITY": "fast",
    "CLOACINA_ON_EXIT": "leave",
    "CLOACINA_GRACE": "2.5",
    "CLOACINA_RETENTION": "30d",
}


def test_the_defaults() -> None:
    assert Configuration.read(environment={}) == Configuration("sqlite:///cloacina.db", 4, 1_000, "full", "wait", 10.0)


def test_variables_come_before_defaults() -> None:
    assert Configuration.read(environment=_VARIABLES) == Configuration(
        "sqlite:///of_the_variable.db", 7, 70, "fast", "leave", 2.5, 30 * 86_400
    )


def test_arguments_come_before_variables() -> None:
    path = Path("runs.db")
    read = Configuration.read(path, 1, 2, "full", _VARIABLES, on_exit="cancel", grace=timedelta(minutes=1), retention=3)
    assert read == Configuration(path, 1, 2, "full", "cancel", 60.0, 3)


def test_empty_variables_are_none() -> None:
    assert Configuration.read(environment=dict.fromkeys(_VARIABLES, "")) == Configuration.read(environment={})


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACINA_MAX_CONCURRENT_TASKS", "9")
    assert Configuration.read().max_concurrent_tasks == 9


@pytest.mark.parametrize("name", ["max_concurrent_tasks", "max_blocking_waits"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "4", True])
def test_a_count_that_is_no_whole_number_of_at_least_1_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=name):
        Configuration.read(**{name: value}, environment={})


@pytest.mark.parametrize("name", ["CLOACINA_MAX_CONCURRENT_TASKS", "CLOACINA_MAX_BLOCKING_WAITS"])
@pytest.mark.parametrize("text", ["0", "-1", "four", "1.5", "1e3", "²"])
def test_a_variable_that_is_no_whole_number_of_at_least_1_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidOption, match=name):
        Configuration.read(environment={name: text})


@pytest.mark.parametrize("value", ["normal", "", "FULL", 1])
def test_an_unknown_durability_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="durability"):
        Configuration.read(durability=value, environment={})
    if value and isinstance(value, str):
        with pytest.raises(InvalidOption, match="CLOACINA_DURABILITY"):
            Configuration.read(environment={"CLOACINA_DURABILITY": value})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("on_exit", "stay", "stay"), ("on_exit", "", "LEAVE"), ("grace", -1, "-1"), ("grace", "soon", "soon")],
)
def test_a_way_of_leaving_that_there_is_not_is_refused(name: str, value: Any, text: str) -> None:
    with pytest.raises(InvalidOption, match=name):
        Configuration.read(environment={}, **{name: value})
    with pytest.raises(InvalidOption, match=f"CLOACINA_{name.upper()}"):
        Configuration.read(environment={f"CLOACINA_{name.upper()}": text})


@pytest.mark.parametrize("value", [1, b"runs.db", ["runs.db"]])
def test_a_database_that_is_neither_address_nor_path_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="database"):
        Configuration.read(value, environment={})


@pytest.mark.parametrize("face", [Runner, AsyncRunner])
def test_a_runner_refuses_what_is_out_of_range_when_it_is_made(face: Any) -> None:
    with pytest.raises(InvalidOption):
        face("sqlite://", max_concurrent_tasks=0)


def test_a_retention_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"^retention is -1\."):
        Configuration.read(retention=-1, environment={})
    for text in ("30", "for ever", "9999w"):
        with pytest.raises(InvalidOption, match="CLOACINA_RETENTION"):
            Configuration.read(environment={"CLOACINA_RETENTION": text})
