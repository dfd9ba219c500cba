"""What a person does in Label Studio's page: signs in, sees the mask, submits it; paints on the next one, submits that.

Runs in a process of its own, since the browser's library and pytest both want the main loop.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PATIENCE_MS = 180_000
SETTLE_MS = 4_000


def main(browser: str, folder: Path, told: dict[str, str]) -> None:
    with sync_playwright() as library:
        opened = library.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        sign_in(page, told)
        page.goto(f"{told['url']}/projects/{told['project']}/data?labeling=1")
        see_mask(page, folder / "seen.png")
        submit(page, choice="right")
        page.goto(f"{told['url']}/projects/{told['project']}/data?labeling=1")
        see_mask(page, folder / "second.png")
        paint(page)
        page.screenshot(path=folder / "painted.png")
        submit(page, choice="fixed")
        opened.close()


def sign_in(page: Page, told: dict[str, str]) -> None:
    page.goto(f"{told['url']}/user/login/")
    page.fill("input[name=email]", told["email"])
    page.fill("input[name=password]", told["password"])
    page.click("button[type=submit]")
    page.wait_for_load_state("load")


def see_mask(page: Page, picture: Path) -> None:
    """Wait for the picture with its region, which the outliner lists."""
    page.wait_for_selector("button:has-text('Submit')")
    page.wait_for_selector(".lsf-outliner-item, [class*=outliner-item]")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=picture)


def paint(page: Page) -> None:
    """Take the brush for a person and draw a line over the picture."""
    page.keyboard.press("1")
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(box["x"] + (0.8 + 0.01 * step) * box["width"], box["y"] + (0.1 + 0.02 * step) * box["height"])
    page.mouse.up()
    page.wait_for_timeout(SETTLE_MS)


def submit(page: Page, *, choice: str) -> None:
    page.get_by_text(choice, exact=False).first.click()
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as answered:
        page.click("button:has-text('Submit')")
    assert answered.value.status == 201, answered.value.status


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), json.load(sys.stdin))
