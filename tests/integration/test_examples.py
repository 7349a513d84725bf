"""The examples do what their pages say: as programs, and on both async backends."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, Client
from cloacina.observe import Stretch, StretchKind, read_stretches
from cloacina.store import Database, queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from tests.integration.conftest import Until, UntilWait

    Load = Callable[[str], ModuleType]

EXAMPLES = Path(__file__).parents[2] / "examples"
DEFERRED = ["deferred_tasks", "deferred_tasks_blocking"]
WAITING = {"wait_for_offices", "lock_reports", "wait_for_checksum", "fetch_leap_seconds"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import an example as its own folder sees it."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


@pytest.mark.parametrize("name", DEFERRED)
def test_deferred_tasks_runs_as_a_program(name: str) -> None:
    program = [sys.executable, str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(program, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The total is 42\n", "")


@pytest.mark.parametrize("name", DEFERRED)
def test_deferred_tasks_fits_on_a_screen(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 30


@pytest.mark.parametrize("name", DEFERRED)
async def test_data_that_comes_later_is_waited_for_without_a_slot(
    name: str, load: Load, tmp_path: Path, until_wait: UntilWait
) -> None:
    workflow = getattr(load(name), name)
    (draft := tmp_path / "draft.txt").write_text("1 2 3\n4")
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(workflow, {"folder": str(tmp_path)})
        await until_wait(runner, execution)
        draft.rename(tmp_path / "data.txt")
        result = (await execution.wait()).raise_for_status()
        kinds = [stretch.kind for stretch in read_stretches(await runner.events(result.id))]
    assert result.context["total"] == 10
    assert kinds[:2] == [StretchKind.HELD, StretchKind.WAITED]


@pytest.fixture
def is_time(load: Load, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let nothing come to the inbox before this event is set, however long its tasks take to ask for it."""
    is_time = threading.Event()
    world = load("inbox_world")

    class Timer(threading.Thread):
        def __init__(self, interval: float, function: Callable[..., object], args: Sequence[object] = ()) -> None:
            super().__init__(target=lambda: (is_time.wait(), function(*args)))

        cancel = staticmethod(is_time.set)

    class Jobs(list[tuple[str, int]]):
        def __getitem__(self, key: Any) -> Any:
            return super().__getitem__(key)[0], 0 if is_time.is_set() else 1

    class Bucket:
        def __init__(self) -> None:
            self._free = iter([0.0, 0.0])

        def take(self) -> float:
            return 0.0 if is_time.is_set() else next(self._free, 1.0)

    class Service(world._Service):  # type: ignore[misc, name-defined] # loaded when the test runs
        def __init__(self) -> None:
            super().__init__()
            self.jobs, self.bucket = Jobs(), Bucket()

    monkeypatch.setattr(threading, "Timer", Timer)
    monkeypatch.setattr(world, "_Service", Service)
    return is_time


async def test_inbox_waits_for_four_things_while_four_slots_serve_the_rest(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_time: threading.Event, until: Until
) -> None:
    def somebody_works_while_each_waits() -> bool:
        stretches = [
            stretch
            for execution in database.read(queries.executions)
            for stretch in read_stretches(database.read(queries.events, execution.id))
        ]
        return all(waits_while_another_works(task, stretches) for task in WAITING)

    database = Database.open(tmp_path / "inbox.db")
    async with anyio.create_task_group() as group:
        group.start_soon(load("inbox").main, tmp_path)
        await until(somebody_works_while_each_waits)
        is_time.set()
    database.close()
    out = capsys.readouterr().out

    async with AsyncRunner(f"sqlite:///{tmp_path}/inbox.db") as runner:
        (execution,) = await runner.executions()
        result = await runner.wait(execution.id)
        stretches = read_stretches(await runner.events(execution.id))
    assert_report_is_right(out, result.context)
    assert not (tmp_path / "reports" / ".lock").exists()

    assert {stretch.task_id for stretch in stretches if stretch.kind is StretchKind.WAITED} == WAITING
    assert {stretch.slot for stretch in stretches if stretch.kind is StretchKind.HELD} == {0, 1, 2, 3}
    for task in WAITING:
        assert waits_while_another_works(task, stretches), f"nobody worked while {task} waited"

    rows = out.splitlines()
    assert sum(bool(re.match(r"slot \d  ", row)) for row in rows) == 4
    for task in WAITING:
        assert any(re.match(rf"[a-z] {task} .*-.* waited ", row) for row in rows), f"no row shows that {task} waited"
    assert max(len(row) for row in rows[rows.index(next(row for row in rows if "|0 s" in row)) :]) <= 100


def assert_report_is_right(out: str, context: dict[str, Any]) -> None:
    assert "| Europe     |    38 |        50 |" in out
    assert "| America    |   121 |" in out
    assert "Leap seconds: 27, the first on 1972-06-30, the last on 2016-12-31." in out
    assert "Lisbon, Kraków, Nairobi, Kathmandu, São Paulo" in out
    digest = hashlib.sha256((EXAMPLES / "data" / "tzdata.zi").read_bytes()).hexdigest()
    assert context["sha256"] == digest
    assert digest[:16] in out
    report = Path(context["folder"], "reports", "time-zones.md").read_text(encoding="utf-8")
    assert report in out


def waits_while_another_works(task: str, stretches: list[Stretch]) -> bool:
    waits = [stretch for stretch in stretches if stretch.task_id == task and stretch.kind is StretchKind.WAITED]
    held = [stretch for stretch in stretches if stretch.kind is StretchKind.HELD]
    return any(overlaps(wait, other) for wait in waits for other in held)


def overlaps(wait: Stretch, other: Stretch) -> bool:
    return other.task_id != wait.task_id and other.start < wait.end and wait.start < other.end


class Model(ThreadingHTTPServer):
    """A model that charges once for each key, and holds back an answer until it is told to give it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.requests: list[str] = []
        self.charged: dict[str, str] = {}
        self.has_come = threading.Semaphore(0)
        self.may_answer = threading.Semaphore(0)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Asked(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        model = self.server
        assert isinstance(model, Model)
        key = self.headers["Idempotency-Key"]
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
        model.requests.append(key)
        answer = model.charged.setdefault(key, f"<{prompt.split()[0]}>")
        model.has_come.release()
        model.may_answer.acquire(timeout=60)
        body = json.dumps({"answer": answer}).encode()
        with suppress(OSError):  # Who asked may have been killed.
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name above
        """Print nothing."""


def test_agent_that_is_killed_twice_pays_for_no_answer_twice(tmp_path: Path) -> None:
    database, model = tmp_path / "essays.db", Model()
    program = [sys.executable, str(EXAMPLES / "agent.py"), str(database), "tea", model.url]

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")

    with begin() as agent:
        assert model.has_come.acquire(timeout=60)
        model.may_answer.release()
        assert model.has_come.acquire(timeout=60)  # The draft is paid for, and its answer is on its way.
        agent.kill()
    model.may_answer.release()
    with begin() as agent, Client(database) as client:
        assert model.has_come.acquire(timeout=60)
        model.may_answer.release()
        while not (questions := client.questions()):
            assert agent.poll() is None
            time.sleep(0.01)
        agent.kill()
        client.answer(questions[0].id, "Shorten", by="ada")
    with begin() as agent:
        assert model.has_come.acquire(timeout=60)
        model.may_answer.release()
        output, errors = agent.communicate(timeout=60)

    assert (agent.returncode, output, errors) == (0, "goes on\n<Shorten>\n", "")
    names = [key.rpartition(":")[2] for key in model.requests]
    assert names == ["outline", "draft", "draft", "revision"]
    assert model.requests[1] == model.requests[2]
    assert [key.rpartition(":")[2] for key in model.charged] == ["outline", "draft", "revision"]
    model.shutdown()
    model.server_close()


def test_inbox_program_is_short() -> None:
    assert len((EXAMPLES / "inbox.py").read_text(encoding="utf-8").splitlines()) < 150


def test_inbox_runs_as_a_program_in_a_folder_that_it_has_used_before(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "offices.csv").write_text("city,zone\n")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / ".lock").touch()
    program = [sys.executable, str(EXAMPLES / "inbox.py"), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "São Paulo" in done.stdout
    assert "slot 3" in done.stdout


@pytest.mark.parametrize(
    ("zone", "seconds_since_1970", "offset"),
    [
        ("Europe/Berlin", 1_774_745_999, 3600),  # the last second of winter 2026
        ("Europe/Berlin", 1_774_746_000, 7200),
        ("Asia/Kathmandu", 1_774_746_000, 20_700),
        ("America/Argentina/Buenos_Aires", 938_919_600, -10_800),  # two changes at one moment, 3 October 1999
        ("Pacific/Apia", 1_325_239_199, -36_000),  # the last second before a day was left out
        ("Pacific/Apia", 1_325_239_200, 50_400),
        ("Europe/Dublin", 1_774_746_000, 3600),  # negative daylight saving: its standard time is that of summer
    ],
)
def test_time_zone_tables_are_read_right(load: Load, zone: str, seconds_since_1970: int, offset: int) -> None:
    time_zones = load("time_zones")
    changes = time_zones.transitions(zone, time_zones.history())
    assert [after for at, after in changes if at <= seconds_since_1970][-1] == offset


def test_data_set_is_small_and_says_where_it_comes_from() -> None:
    files = [file for file in (EXAMPLES / "data").iterdir() if file.name != "README.md"]
    assert sum(file.stat().st_size for file in files) < 500_000
    readme = (EXAMPLES / "data" / "README.md").read_text(encoding="utf-8")
    assert "public domain" in readme
    assert all(f"`{file.name}`" in readme for file in files)
