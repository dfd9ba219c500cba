"""What editors and mypy know of the verbs as functions is what they are."""

from __future__ import annotations

from tests.house.python_stub import stub
from tests.places import REPOSITORY


def test_the_stub_is_that_of_the_settings() -> None:
    assert (REPOSITORY / "pipelines/__init__.pyi").read_text() == stub(), "run `make stub`"


def test_every_room_says_that_it_is_typed() -> None:
    assert all(
        (REPOSITORY / room / "py.typed").exists() for room in ("curation", "models", "labeling", "reports", "pipelines")
    )
