"""Waiting for a condition on a page whose content security policy forbids `eval`."""

from __future__ import annotations

import time
from typing import Any

import pytest


def wait_until(page: Any, condition: str, *, seconds: float = 30) -> None:
    """Return as soon as the JavaScript expression `condition` is true on the page; fail the test after `seconds`.

    Playwright's `wait_for_function` evaluates a condition that is false at first by `eval` inside of the page, which
    the policy of our pages forbids: it works only where the condition is true at once.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > end:
            pytest.fail(f"after {seconds:g} seconds it does not hold on the page: {condition}")
        page.wait_for_timeout(50)
