"""What a person does in Label Studio's page: signs in, sees the mask, submits it; paints on the next one, submits that.

Or (`shapes` is told) draws with the other tools; where the mouse was, in shares of the picture, is told on stdout.
Or (`answers` is told) looks at the first task as it opens, submits it without an answer, paints a stroke and undoes it,
and then takes the other mask by its key; what the page showed is told on stdout.

Runs in a process of its own, since the browser's library and pytest both want the main loop.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

PATIENCE_MS = 180_000
SETTLE_MS = 4_000
DIALOG = ".lsf-modal-ls__content"


def main(browser: str, folder: Path, told: dict[str, Any]) -> None:
    with sync_playwright() as library:
        opened = library.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        sign_in(page, told)
        if told.get("shapes"):
            draw_shapes(page, told)
            opened.close()
            return
        if told.get("answers"):
            answer(page, told, folder=folder)
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
    read_instructions(page)
    page.screenshot(path=picture)


def read_instructions(page: Page) -> str:
    """Return what the dialog says that opens before the first task, and close it."""
    page.wait_for_selector(DIALOG)
    said = page.locator(DIALOG).inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector(DIALOG, state="hidden")
    return said


def answer(page: Page, told: dict[str, Any], *, folder: Path) -> None:
    """See the start, the outline and the answers of a tall picture; submit without an answer; take the other mask."""
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto(f"{told['url']}/projects/{told['project']}/data?labeling=1")
    page.wait_for_selector("button:has-text('Submit')")
    page.wait_for_selector("[class*=outliner-item]")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=folder / "instructions.png")
    pictures = page.locator(f"{DIALOG} table table").count()
    seen: dict[str, Any] = {"instructions": read_instructions(page), "pictures": pictures}
    page.screenshot(path=folder / "opened.png")
    choices = page.locator(".lsf-choice").all()
    seen["answers"] = [[choice.inner_text(), choice.bounding_box()] for choice in choices]
    seen["picture"] = page.locator("img").nth(1).bounding_box()
    seen["regions"] = page.locator(".lsf-outliner-item__title").all_inner_texts()
    page.keyboard.press("Alt+.")
    page.wait_for_timeout(SETTLE_MS / 4)
    seen["selected"] = page.locator(".lsf-tree__node.lsf-tree-treenode-selected").all_inner_texts()
    posted: list[str] = []
    page.on(
        "request", lambda one: posted.append(one.url) if one.method == "POST" and "/annotations" in one.url else None
    )
    page.click("button:has-text('Submit')")
    page.wait_for_timeout(SETTLE_MS / 2)
    page.screenshot(path=folder / "refused.png")
    seen["refused"] = page.locator("text=Choose one of the answers").count()
    seen["posted"] = len(posted)
    page.keyboard.press("Enter")
    page.wait_for_timeout(SETTLE_MS / 4)
    paint(page)
    page.screenshot(path=folder / "stroke.png")
    page.keyboard.press("Control+z")
    page.wait_for_timeout(SETTLE_MS / 4)
    page.keyboard.press("Escape")
    page.keyboard.press(told["key"])
    page.wait_for_timeout(SETTLE_MS / 4)
    page.screenshot(path=folder / "answered.png")
    with page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST") as answered:
        page.keyboard.press("Control+Enter")
    assert answered.value.status == 201, answered.value.status
    print(json.dumps(seen))


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
    """Draw a triangle, an ellipse, a rectangle and a line of the bitmask's brush: keys 8, 9, 0 and q."""
    page.goto(f"{told['url']}/projects/{told['project']}/data?labeling=1")
    page.wait_for_selector("button:has-text('Submit')")
    page.wait_for_timeout(SETTLE_MS)
    read_instructions(page)
    picture, canvas = page.locator("img").nth(1).bounding_box(), page.locator("canvas").nth(1).bounding_box()
    assert picture is not None and canvas is not None
    shares = {
        "8": [(0.1, 0.1), (0.4, 0.15), (0.3, 0.4)],
        "9": [(0.6, 0.2), (0.7, 0.3)],
        "0": [(0.1, 0.6), (0.3, 0.8)],
        "q": [(0.6, 0.7), (0.8, 0.75)],
    }
    seen = {}
    for key, points in shares.items():
        places = [(canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"]) for x, y in points]
        places = [(round(x), round(y)) for x, y in places]
        seen[key] = [((x - picture["x"]) / picture["width"], (y - picture["y"]) / picture["height"]) for x, y in places]
        page.keyboard.press(key)
        if key == "8":
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
