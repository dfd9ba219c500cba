from __future__ import annotations

import os
from pathlib import Path

import pytest

from curation.errors import InputRefused
from models.card import ModelCard, card_text, read_card

GIVEN = """\
input_size: [320, 240]
channels: BGR
layout: NCHW
mean: [102.9, 111.3, 126.9]
std: [1, 2, 3]
output: logits
person_index: 1
"""


def card_file(folder: Path, text: str) -> Path:
    path = folder / "model.yaml"
    path.write_text(text)
    return path


def test_a_card_is_read_as_it_stands(tmp_path: Path) -> None:
    card = read_card(card_file(tmp_path, GIVEN))
    assert (card.input_size, card.channels, card.std, card.person_index) == ((320, 240), "BGR", (1.0, 2.0, 3.0), 1)
    assert (card.sha256, card.probe, card.network) == (None, (), None)


def test_a_card_written_is_the_card_read(tmp_path: Path) -> None:
    card = ModelCard(
        input_size=(8, 9),
        channels="RGB",
        layout="NHWC",
        mean=(0.1, 1.5, 2.0),
        std=(1.0, 1.0, 255.0),
        output="probability",
        network="unet",
        classes=3,
        sha256="ab",
        probe=(0.25, -3.5),
        training={"epochs": 3},
    )
    path = tmp_path / "model.yaml"
    path.write_bytes(card_text(card))
    assert read_card(path) == card


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("std: [1, 2, 3]", "std: [1, 0, 3]"), "std must be above 0"),
        (("std: [1, 2, 3]", "std: [1, .nan, 3]"), "finite"),
        (("mean: [102.9, 111.3, 126.9]", "mean: [.inf, 1, 1]"), "finite"),
        (("mean: [102.9, 111.3, 126.9]", "mean: [1, 1]"), "mean"),
        (("[320, 240]", "[0, 240]"), "input_size"),
        (("[320, 240]", "[320, 9000]"), "input_size"),
        (("person_index: 1", "person_index: -1"), "person_index"),
        (("channels: BGR", "channels: GBR"), "channels"),
        (("layout: NCHW", "layout: HWC"), "layout"),
        (("output: logits", "output: sigmoid"), "output"),
        (("output: logits\n", ""), "output"),
        (("person_index: 1", "person: 1"), "person"),
        (("channels: BGR", "channels: ["), "not YAML"),
        (("channels: BGR", "channels: &a [x]\nlayout: *a"), "aliases"),
    ],
)
def test_a_wrong_card_is_refused_naming_file_and_field(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = card_file(tmp_path, GIVEN.replace(*change))
    with pytest.raises(InputRefused, match=said) as refused:
        read_card(path)
    assert refused.value.where == str(path)


def test_a_card_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no card beside it"):
        read_card(tmp_path / "model.yaml")


def test_a_card_that_is_a_pipe_or_huge_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputRefused, match="not a regular file"):
        read_card(tmp_path / "pipe.yaml")
    with pytest.raises(InputRefused, match="bytes; the limit is"):
        read_card(card_file(tmp_path, "#" * 1_000_001))
