"""The world that `inbox.py` waits for: a courier, another program with a lock, and a web service on loopback."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import time_zones

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

OFFICES = """city,zone
Lisbon,Europe/Lisbon
Kraków,Europe/Warsaw
Nairobi,Africa/Nairobi
Kathmandu,Asia/Kathmandu
São Paulo,America/Sao_Paulo
"""


@contextmanager
def late_world(folder: Path) -> Generator[str]:
    """Start everything that comes late, and yield the address (host:port) of the service.

    Args:
        folder: Gets an `inbox`, into which a CSV file comes after 1.5 s, and a `reports` folder, which a lock file
            reserves for another program for 0.8 s.
    """
    inbox, reports = folder / "inbox", folder / "reports"
    for place in (inbox, reports):
        place.mkdir(parents=True, exist_ok=True)
    draft, lock = folder / "offices.draft", reports / ".lock"
    (inbox / "offices.csv").unlink(missing_ok=True)  # of an earlier run
    draft.write_text(OFFICES, encoding="utf-8")
    lock.touch()
    # The rename makes the file appear whole: nobody sees half of it.
    timers = [threading.Timer(1.5, draft.rename, [inbox / "offices.csv"]), threading.Timer(0.8, lock.unlink)]
    with _Service() as service:
        threads = [*timers, threading.Thread(target=service.serve_forever, args=[0.02])]
        for thread in threads:
            thread.start()
        try:
            yield f"127.0.0.1:{service.server_port}"
        finally:
            for timer in timers:
                timer.cancel()
            service.shutdown()
            for thread in threads:
                thread.join()


def ask(service: str, method: str, path: str, body: bytes | None = None) -> tuple[Any, float]:
    """Return a web service's answer, and how many seconds to stay away when it refused."""
    with closing(HTTPConnection(service, timeout=10)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        return json.load(response), float(response.headers.get("Retry-After", 0))


class _Service(ThreadingHTTPServer):
    """Computes checksums as jobs that take their time, and serves leap seconds to those who don't ask too often."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: list[tuple[str, int]] = []
        self.bucket = _TokenBucket(capacity=2, tokens_per_second=1.0)


class _TokenBucket:
    """Lets `capacity` requests pass at once, and `tokens_per_second` in the long run."""

    def __init__(self, capacity: int, tokens_per_second: float) -> None:
        self._capacity, self._rate = capacity, tokens_per_second
        self._tokens, self._filled_at = float(capacity), time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a token and return 0, or return in how many seconds there will be one."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
            self._filled_at = now
            if self._tokens < 1:
                return (1 - self._tokens) / self._rate
            self._tokens -= 1
            return 0


class _Handler(BaseHTTPRequestHandler):
    @property
    def service(self) -> _Service:
        return cast("_Service", self.server)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.service.jobs.append((hashlib.sha256(body).hexdigest(), 4))
        self._answer({"job": f"/checksums/{len(self.service.jobs) - 1}"}, HTTPStatus.ACCEPTED)

    def do_GET(self) -> None:
        _, collection, key = self.path.split("/")
        if collection == "checksums":
            digest, polls_left = self.service.jobs[int(key)]
            self.service.jobs[int(key)] = digest, polls_left - 1
            self._answer({"sha256": digest if polls_left <= 0 else None})
        elif seconds := self.service.bucket.take():
            self._answer({}, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(math.ceil(seconds))})
        else:
            self._answer({"days": time_zones.leap_seconds(int(key))})

    def _answer(self, answer: object, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base class calls it so
        """Write no log: the example's output is the report."""
