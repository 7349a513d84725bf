"""A browser that reads the built site, served on this machine, and notices what a reader's would complain of."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "angreal"))

# It bounds a hang: on a busy machine the browser may take long.
PATIENCE_MS = 120_000

# Debian's own; a browser that a test tool downloads would be another one on each machine.
CHROMIUM = "/usr/bin/chromium"
# No process of the browser calls home: every request that a test sees is one that the site makes.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class SiteHandler(SimpleHTTPRequestHandler):
    """Serves the built site as a web server would: with its own page for what is not there, and in silence."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        if code != HTTPStatus.NOT_FOUND:
            super().send_error(code, message, explain)
            return
        body = Path(self.directory, "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is theirs
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site: that in `DOCS_SITE`, or one that is built now."""
    if built := os.environ.get("DOCS_SITE"):
        return Path(built)
    from docsite.build import build

    folder = tmp_path_factory.mktemp("site")
    assert build(ROOT, folder) == []
    return folder


@pytest.fixture(scope="session")
def base_url(site: Path) -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SiteHandler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What a browser noticed while it showed a page."""

    host: str
    found: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"script error: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", self._request_failed)

    def turn_over(self) -> None:
        """Forget what was noticed of one page, before the next is shown in the same tab."""
        self.found.clear()
        self.requests.clear()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.found.append(f"console {message.type}: {message.text} ({message.location})")

    def _request(self, request: Request) -> None:
        self.requests.append(request)
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.netloc != self.host:
            self.found.append(f"request to another host: {request.url}")

    def _request_failed(self, request: Request) -> None:
        # What the page before was still loading is given up when the tab goes on.
        if request in self.requests:
            self.found.append(f"failed: {request.url}: {request.failure}")


@dataclass
class Visit:
    """A page that is open in a tab of its own."""

    page: Page
    complaints: Complaints


@pytest.fixture(scope="module")
def tab(browser: Browser, base_url: str) -> Generator[Visit]:
    """A tab that goes from page to page, as a reader's does, which takes half as long as a new one for each.

    A page remembers nothing of the one before.
    """
    context = browser.new_context(base_url=base_url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script("localStorage.clear()")
    page = context.new_page()
    complaints = Complaints(urlsplit(base_url).netloc)
    complaints.watch(page)
    yield Visit(page, complaints)
    context.close()


@pytest.fixture
def visit(browser: Browser, base_url: str) -> Callable[..., Any]:
    """Return a context manager that opens a page of the site: `with visit("/", scheme="dark", width=390) as seen:`."""

    @contextmanager
    def open_page(path: str, *, scheme: str = "light", width: int = 1280) -> Generator[Visit]:
        context = browser.new_context(
            base_url=base_url,
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
            # What fades in is measured once it is there.
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        complaints = Complaints(urlsplit(base_url).netloc)
        complaints.watch(page)
        page.goto(path, wait_until="load")
        page.evaluate("document.fonts.ready.then(() => null)")
        try:
            yield Visit(page, complaints)
        finally:
            context.close()

    return open_page
