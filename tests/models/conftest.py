"""Torch with one thread: tests run beside each other, and idle threads only stand in each other's way."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
