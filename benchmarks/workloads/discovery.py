"""Finding the tasks of a project in its source, against parsing the same files and doing nothing with them."""

from __future__ import annotations

import ast
import statistics
import time
from typing import TYPE_CHECKING

from cloacina.packaging.discovery import discover

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUNDS = 5

_MODULE = '''"""Step {number} of the pipeline: fetch what the source has, clean it, and write it down."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloacina import Context, RetryPolicy, TaskHandle, task

from pipeline import settings
{imports}
if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

NAME: Final = "step-{number}"
LIMIT = 50 * 1024
PATIENT = RetryPolicy(attempts=5, delay=2.0, backoff="exponential", max_delay=60, jitter=0.5)
COLUMNS = ("id", "name", "price", "currency", "seen_at")


@dataclass(frozen=True)
class Row:
    """A row as the source has it."""

    id: int
    name: str
    price: float
    currency: str = "EUR"

    @classmethod
    def parse(cls, text: str) -> Row:
        """Read a row from a line."""
        parts = [part.strip() for part in text.split(",")]
        if len(parts) < len(COLUMNS) - 1:
            raise ValueError(f"a row has {{len(COLUMNS)}} columns, and this one {{len(parts)}}: {{text!r}}")
        return cls(int(parts[0]), parts[1], float(parts[2]), parts[3] or "EUR")


def rates(path: Path) -> dict[str, float]:
    """Return what a unit of each currency is worth."""
    with path.open(encoding="utf-8") as stream:
        return {{key.upper(): float(value) for key, value in json.load(stream).items() if value}}


@task(id=f"{{NAME}}.fetch", dependencies=[{needs}], retry=PATIENT, timeout=timedelta(minutes=2))
async def fetch(context: Context, handle: TaskHandle) -> None:
    """Wait until the export is there, and take its lines."""
    path = settings.FOLDER / f"{{NAME}}.csv"
    await handle.defer_until(path.exists, poll_interval_ms=500)
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > LIMIT:
        logger.warning("%s has %d lines, of which %d are taken", path, len(lines), LIMIT)
    context[f"{{NAME}}.lines"] = lines[:LIMIT]


@task(id=f"{{NAME}}.clean", dependencies=[fetch], retry=RetryPolicy(attempts=2))
def clean(context: Context) -> None:
    """Leave out what is no row."""
    rows, refused = [], 0
    for line in context[f"{{NAME}}.lines"]:
        try:
            row = Row.parse(line)
        except ValueError:
            refused += 1
            continue
        rows.append([row.id, row.name.title(), round(row.price, 2), row.currency])
    logger.info("%s: %d rows, %d refused", NAME, len(rows), refused)
    context[f"{{NAME}}.rows"] = sorted(rows)


@task(id=f"{{NAME}}.total", dependencies=[clean], timeout=30)
def total(context: Context) -> None:
    """Add up what is there, in euros."""
    known = rates(settings.FOLDER / "rates.json")
    amounts = [price * known.get(currency, 1.0) for _, _, price, currency in context[f"{{NAME}}.rows"]]
    context[f"{{NAME}}.total"] = round(sum(amounts), 2)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    print(json.dumps({{"name": NAME, "limit": LIMIT}}))
'''


async def measure(folder: Path, *, modules: int) -> dict[str, float]:
    """Write a project, and find its tasks.

    Returns:
        `seconds`, the median of a few discoveries, `first`, those of the first one, `parse`, the median of parsing the
        same files, and `lines`, how many they have.
    """
    files = _write(folder / "src", modules)
    began = time.perf_counter()
    found = discover(folder / "src", "pipeline.flow", project_root=folder)
    first = time.perf_counter() - began
    if len(found.tasks) != 3 * (modules - 3) or len(found.modules) != modules:
        raise RuntimeError(f"{len(found.tasks)} tasks in {len(found.modules)} modules, of {modules}")
    seconds: list[float] = []
    parse: list[float] = []
    for _ in range(_ROUNDS):
        seconds.append(_timed(lambda: discover(folder / "src", "pipeline.flow", project_root=folder)))
        parse.append(_timed(lambda: _parse(files)))
    return {
        "seconds": statistics.median(seconds),
        "first": first,
        "parse": statistics.median(parse),
        "lines": float(sum(path.read_text(encoding="utf-8").count("\n") for path in files)),
    }


def _write(root: Path, modules: int) -> list[Path]:
    """Write a package of modules of which each imports two of those before it."""
    package = root / "pipeline"
    package.mkdir(parents=True)
    texts = {"__init__": "", "settings": 'from pathlib import Path\n\nFOLDER = Path("data")\n'}
    steps = modules - len(texts) - 1
    for number in range(steps):
        before = sorted({max(number - 1, 0), number // 2} - {number})
        imports = "".join(f"from pipeline import step_{each}\n" for each in before)
        needs = ", ".join(f"step_{each}.total" for each in before)
        texts[f"step_{number}"] = _MODULE.format(number=number, imports=imports, needs=needs)
    texts["flow"] = "".join(f"from pipeline import step_{number}\n" for number in range(steps))
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return [package / f"{name}.py" for name in texts]


def _parse(files: list[Path]) -> None:
    for path in files:
        ast.parse(path.read_text(encoding="utf-8"))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
