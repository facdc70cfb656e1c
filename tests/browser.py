"""A browser and a server for the tests: headless Chromium that reaches nothing but 127.0.0.1, uvicorn in a thread.

Playwright's sync API keeps an event loop running in the calling thread for as long as the browser is open, so
open it for one test at a time: beside it, ``asyncio.run`` would refuse to start.
"""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Page, Route, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name resolves: what page routing does not see cannot leave the machine either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LOCAL_SCHEMES = {"data", "blob", "about"}

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  reportViolation(`${event.effectiveDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@dataclass(slots=True)
class Browser:
    """An open page and what went wrong on it, in order of appearance."""

    page: Page
    requests: list[str] = field(default_factory=list)  # every address asked for, blocked ones included
    blocked: list[str] = field(default_factory=list)  # those that would have left 127.0.0.1
    errors: list[str] = field(default_factory=list)  # console errors and uncaught exceptions
    violations: list[str] = field(default_factory=list)  # of the content security policy

    def assert_clean(self) -> None:
        """Fails with all that went wrong; call it at the end of a test."""
        assert (self.errors, self.violations, self.blocked) == ([], [], [])


def find_chromium() -> str:
    """The path of an installed Chromium; skips the calling test where there is none."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip(f"no Chromium here: none of {', '.join(CHROMIUM_NAMES)} is installed")


@contextmanager
def chromium(width_px: int = 1400, height_px: int = 900, color_scheme: Any = "light") -> Iterator[Browser]:
    """A fresh page with empty storage; leaving the block closes the browser."""
    executable = find_chromium()
    with sync_playwright() as playwright:
        process = playwright.chromium.launch(executable_path=executable, args=[*CHROMIUM_FLAGS])
        try:
            page = process.new_page(viewport={"width": width_px, "height": height_px}, color_scheme=color_scheme)
            page.set_default_timeout(20_000)
            yield _watch(Browser(page))
        finally:
            process.close()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of 127.0.0.1; gives its base URL, without a slash at the end.

    Raises ``RuntimeError`` when it has not started within ten seconds.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def _watch(browser: Browser) -> Browser:
    page = browser.page
    page.on("request", lambda request: browser.requests.append(request.url))
    page.on("console", lambda message: browser.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: browser.errors.append(str(error)))
    page.expose_function("reportViolation", lambda violation: browser.violations.append(violation))
    page.add_init_script(REPORT_VIOLATIONS)

    def let_pass_or_block(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in LOCAL_SCHEMES or address.hostname == "127.0.0.1":
            route.continue_()
        else:
            browser.blocked.append(route.request.url)
            route.abort()

    page.context.route("**/*", let_pass_or_block)
    return browser


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server under test did not start")
        time.sleep(0.01)
