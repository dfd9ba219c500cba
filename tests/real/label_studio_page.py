"""What a person does in Label Studio's page: signs in, sees the mask, submits it; paints on the next one, submits that.

Or (`shapes` is told) draws with the other tools; where the mouse was, in shares of the picture, is told on stdout.

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
        if told.get("shapes"):
            draw_shapes(page, told)
            opened.close()
            return
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


def draw_shapes(page: Page, told: dict[str, str]) -> None:
    """Draw a triangle, an ellipse, a rectangle and a line of the bitmask's brush: keys 7, 8, 9 and 0."""
    page.goto(f"{told['url']}/projects/{told['project']}/data?labeling=1")
    page.wait_for_selector("button:has-text('Submit')")
    page.wait_for_timeout(SETTLE_MS)
    picture, canvas = page.locator("img").nth(1).bounding_box(), page.locator("canvas").nth(1).bounding_box()
    assert picture is not None and canvas is not None
    shares = {
        "7": [(0.1, 0.1), (0.4, 0.15), (0.3, 0.4)],
        "8": [(0.6, 0.2), (0.7, 0.3)],
        "9": [(0.1, 0.6), (0.3, 0.8)],
        "0": [(0.6, 0.7), (0.8, 0.75)],
    }
    seen = {}
    for key, points in shares.items():
        places = [(canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"]) for x, y in points]
        places = [(round(x), round(y)) for x, y in places]
        seen[key] = [((x - picture["x"]) / picture["width"], (y - picture["y"]) / picture["height"]) for x, y in places]
        page.keyboard.press(key)
        if key == "7":
            for place in [*places, places[0]]:  # the first corner again closes it
                page.mouse.click(*place)
                page.wait_for_timeout(SETTLE_MS / 8)
        else:
            page.mouse.move(*places[0])
            page.mouse.down()
            page.mouse.move(*places[1], steps=9)
            page.mouse.up()
            page.wait_for_timeout(SETTLE_MS / 4)
        page.keyboard.press("Escape")
    submit(page, choice="fixed")
    print(json.dumps(seen))


def submit(page: Page, *, choice: str) -> None:
    page.get_by_text(choice, exact=False).first.click()
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as answered:
        page.click("button:has-text('Submit')")
    assert answered.value.status == 201, answered.value.status


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), json.load(sys.stdin))
