"""The real App in a real browser: it opens for any name, on the hard cases, and reaches nothing else."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from labeling.browsing.mongod import find_mongod
from tests.bench.measuring import CURATE
from tests.real.test_browse_real import (  # noqa: F401 - the database is that of each test
    PATIENCE_S,
    SAMPLES,
    _own_database,
    address_of,
    draw,
    in_fiftyone,
    listening,
)

pytest.importorskip("pymongo", reason="the extra browse is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_mongod() is None, reason="no mongod on this machine"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
BROWSER_MS = 180_000


def test_the_app_shows_masks_labels_and_verdicts_and_nothing_else_is_reached(tmp_path: Path) -> None:
    left, sights = [], []

    def note(page: Any, url: str) -> None:
        own = (url[: url.index("/datasets")], "data:", "blob:")
        page.on("requestfinished", lambda one: None if one.url.startswith(own) else left.append(one.url))
        page.on("requestfailed", lambda one: None if one.failure == "csp" else left.append(one.url))

    def look(page: Any) -> None:
        page.get_by_text("ground_truth").first.wait_for()
        page.get_by_text("label_doubt").first.wait_for()
        sights.append(page.url)
        page.get_by_text("model_error").first.wait_for()
        box = page.get_by_text("Accelerate your workflow")
        box.wait_for(state="attached")
        assert not box.is_visible()  # it advertises another edition, and would lie on the first pictures
        for _ in range(12):  # a click on a picture that is not drawn yet opens nothing
            page.mouse.click(430, 290)
            page.wait_for_timeout(5_000)
            if page.locator('[data-cy="explore"]').first.is_visible():
                break
        page.locator('[data-cy="explore"]').first.wait_for()
        tab = "document.querySelector('[data-cy=annotate]')"
        assert page.evaluate(f"getComputedStyle({tab}).pointerEvents") == "none"
        assert "Label Studio" in page.evaluate(f"getComputedStyle({tab}, '::after').content")

    opened(draw(tmp_path / "hard"), note=note, look=look)
    assert [one for one in left if "gpu-error" not in one] == []  # a picture that is cut off when the page closes
    assert urlsplit(sights[0]).query == "view=hard"


def test_the_address_opens_a_dataset_of_any_name_on_its_hard_cases(tmp_path: Path) -> None:
    names = ["50% off + #1?", "\u65e5\u672c"]  # FiftyOne has no short form for the second
    for name in names:
        ours = opened(draw(tmp_path / name), look=lambda page: page.get_by_text("model_error").first.wait_for())
        assert ours == name.replace("%", "-") or ours.startswith(f"{name} "), ours
    assert in_fiftyone("print(len(fo.list_datasets()), [len(fo.load_dataset(one)) for one in fo.list_datasets()])") == (
        f"{len(names)} {[SAMPLES] * len(names)}"
    )


def opened(
    folder: Path, *, look: Callable[[Any], None], note: Callable[[Any, str], None] = lambda page, url: None
) -> str:
    """Browse a dataset, open the address in Chromium, and look at the page; give the name in the address."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    command = [str(CURATE), "browse", str(folder), "--no-open", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = address_of(process)
        assert listening(process) == {"127.0.0.1"}
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1500, "height": 950})
            page.set_default_timeout(BROWSER_MS)
            note(page, url)
            page.goto(url)
            look(page)
            browser.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    return unquote(urlsplit(url).path.rpartition("/")[2])
