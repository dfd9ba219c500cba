"""A key that occurs twice in a file that people write is refused: a reader would silently keep the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import CurateError
from models.card import read_card
from models.training.settings import settings_from
from models.yaml_files.text import refuse_repeated_keys
from pipelines.command_line.license_rules import read_license_rules

CARD = "input_size: [4, 4]\nchannels: RGB\nlayout: NCHW\nmean: [0, 0, 0]\nstd: [1, 1, 1]\noutput: probability\n"


def test_no_reader_of_yaml_keeps_the_last_of_two_keys(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("allow: [MIT]\nallow: ['*']\nunknown: true\n")
    with pytest.raises(CurateError, match=r"'allow' occurs twice.*line 2"):
        read_license_rules(file)
    file.write_text(CARD + "person_index: 0\nmean: [1, 1, 1]\n")
    with pytest.raises(CurateError, match=r"'mean' occurs twice.*line 8"):
        read_card(file)
    with pytest.raises(CurateError, match=r"'epochs' occurs twice.*line 2"):
        settings_from(b"network: sinet\nstages: [{name: a, data: [d], epochs: 3, epochs: 30}]\n", where=file)


def test_one_key_in_two_places_is_fine() -> None:
    refuse_repeated_keys(b"a: {x: 1}\nb: [{x: 1}, {x: 2}]\nx: 3")
    refuse_repeated_keys(b"")


def test_aliases_are_looked_at_once() -> None:
    refuse_repeated_keys(
        b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 60))
    )
    with pytest.raises(ValueError, match="nested too deep"):
        refuse_repeated_keys(b"[" * 5000)
