"""`python -m tests.pictures`: draws the pictures of the documentation anew, from the demo and its real servers.

Needs chromium, FiftyOne and Label Studio. `--demo DIR` is made when it is not there (about five minutes).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.places import REPOSITORY
from tests.real.label_studio_page import see_mask, sign_in
from tests.real.label_studio_server import CURATE, serving

IMAGES: Final = REPOSITORY / "docs" / "images"
COLOURS: Final = 128
"""Enough for pages, and a third of the bytes."""
WIDTH: Final = 1000
SETTLE_MS: Final = 3_000
PATIENCE_MS: Final = 180_000
DRAWN: Final = 20
"""Of 36 or more hard cases, which fill the window."""


def main() -> None:
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path("demo"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}; all when left out")
    told = parser.parse_args()
    if not (told.demo / "loop.yaml").exists():
        subprocess.run([CURATE, "demo", "--out", told.demo], check=True)
    with sync_playwright() as library:
        browser = library.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name in told.names or PICTURES:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(PATIENCE_MS)
            PICTURES[name](page, told.demo.resolve())
        browser.close()


def keep(page: Page, *, name: str) -> None:
    """Keep what a page shows, small."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    file = IMAGES / f"{name}.png"
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size // 1000} KB")


def wait_until_still(page: Page) -> None:
    """Wait until a page looks the same twice, `SETTLE_MS` apart."""
    before = b""
    for _ in range(PATIENCE_MS // SETTLE_MS):
        if (now := page.screenshot()) == before:
            return
        before = now
        page.wait_for_timeout(SETTLE_MS)
    raise TimeoutError(f"{page.url} never stands still")


def hard_cases(demo: Path) -> Path:
    """Return the hard cases of the first round."""
    return demo / "loop" / "rounds" / "0001" / "hard-cases"


def gallery(page: Page, demo: Path) -> None:
    """Open the contact sheet of the demo."""
    page.goto((demo / "gallery.html").as_uri())
    page.wait_for_timeout(SETTLE_MS)
    keep(page, name="gallery")


def report(page: Page, demo: Path) -> None:
    """Open the page of the last round."""
    page.goto(sorted(demo.glob("loop/rounds/*/report.html"))[-1].as_uri())
    page.wait_for_timeout(SETTLE_MS)
    keep(page, name="report")


def fiftyone(page: Page, demo: Path) -> None:
    """Open the hard cases in FiftyOne."""
    command = [str(CURATE), "browse", str(hard_cases(demo)), "--no-open", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        page.goto(next(line.strip() for line in process.stderr if "http://127.0.0.1" in line))
        page.locator("[data-cy=tag-verdict]").nth(DRAWN).wait_for(state="attached")
        wait_until_still(page)  # until all samples are drawn, squares move over the grid in their place
        keep(page, name="fiftyone")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def label_studio(page: Page, demo: Path) -> None:
    """Push the hard cases to a server of their own, and open the first task."""
    with tempfile.TemporaryDirectory(prefix="curate-pictures-") as name:
        folder = Path(name)
        hard = folder / "hard"
        shutil.copytree(hard_cases(demo), hard)
        with serving(folder / "server") as access:
            own = os.environ | {"LABEL_STUDIO_URL": access.url, "LABEL_STUDIO_API_KEY": access.token}
            push = [CURATE, "label", "push", hard, "--project", "hard", "--folder", folder / "server", "--budget", "6"]
            subprocess.run(push, env=own, check=True)
            secrets: dict[str, Any] = {"url": access.url, **login(folder / "server")}
            sign_in(page, secrets)
            page.goto(f"{access.url}/projects/1/data?labeling=1")
            see_mask(page, folder / "task.png")
            keep(page, name="label-studio")


def login(folder: Path) -> dict[str, str]:
    """Return who may sign in to a server that `curate label serve` started."""
    told = json.loads((folder / "secrets.json").read_text())
    return {"email": told["email"], "password": told["password"]}


PICTURES: Final[dict[str, Callable[[Page, Path], None]]] = {
    "gallery": gallery,
    "report": report,
    "fiftyone": fiftyone,
    "label-studio": label_studio,
}

if __name__ == "__main__":
    main()
