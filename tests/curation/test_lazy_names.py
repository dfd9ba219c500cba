"""Packages that import what they offer only when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import curation
import models
from curation.lazy_names import lazy_names


def test_a_name_is_imported_when_it_is_asked_for_and_not_before() -> None:
    script = (
        "import sys, curation\n"
        "before = 'curation.dataset.dataset' in sys.modules\n"
        "print(before, curation.read_dataset.__module__)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "curation.dataset.dataset"]


def test_a_name_that_is_not_offered_is_an_attribute_error_as_of_any_module() -> None:
    named, names = lazy_names("some.package", {"join": "posixpath", "basename": "posixpath"})
    assert named("basename")("a/b") == "b"  # type: ignore[operator]
    assert names() == ["basename", "join"]
    with pytest.raises(AttributeError, match=r"module 'some\.package' has no attribute 'split'"):
        named("split")
    assert (dir(curation), dir(models)) == (["read_dataset"], ["load_model"])
