"""A real Label Studio; a browser for our own pages, which notes what a page does that one on the disk should not."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.server.access import Access
from labeling.label_tools.label_studio.server.client import Client
from tests.real.label_studio_server import serving

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]

OpenPage = Callable[..., tuple[Any, list[str]]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Open Chromium, or leave the test out where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[OpenPage]:
    """Yield a function that opens a file and gives the page, and a list that whatever it should not do goes to.

    `options` are those of a context: `color_scheme`, for one.
    """
    contexts = []

    def opened(file: Path, **options: Any) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        seen: list[str] = []

        def dismiss(dialog: Any) -> None:
            seen.append(f"dialog {dialog.message}")
            dialog.dismiss()

        def note(address: str) -> None:
            if not address.startswith(("file:", "data:")):
                seen.append(address)

        page.on("dialog", dismiss)
        page.on("request", lambda request: note(request.url))
        page.on("console", lambda message: seen.append(f"console {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error {error}"))
        page.goto(file.as_uri())
        page.wait_for_selector(".card")
        return page, seen

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    with serving(tmp_path_factory.mktemp("label-studio") / "server") as found:
        yield found


@pytest.fixture
def client(access: Access) -> Iterator[Client]:
    with Client(access) as found:
        yield found


@pytest.fixture
def title(client: Client) -> Iterator[str]:
    """Yield the name of a project that is gone after the test."""
    name = f"test {uuid.uuid4().hex[:8]}"
    yield name
    client.delete(f"/api/projects/{the_project(client, title=name).id}/")
