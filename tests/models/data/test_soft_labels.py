"""Alphas on their way to a network: nothing cuts them at a threshold, and what is ignored stays ignored."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.errors import InputRefused
from curation.images.pixels import Alpha, Image, Mask, decode_gray
from models.data.augmentation import POLICIES, Policy, augmented, flipped_vertically
from models.data.choose_samples import SampleChoice, choose_samples
from models.data.images import Draw, Example, Fuse, ImageOptions, LabelledImages
from models.data.read_labels import read_soft_label, warnings_of_alphas
from models.data.soft_labels import fitted_soft
from models.losses.targets import IGNORED
from tests.curation.fusion.fusion_data import persons, write_png
from tests.models.data.discs import disc_dataset

SIZE = (24, 20)


def images(folder: Path, *, policy: Policy = "none", fuse: Fuse | None = None) -> LabelledImages:
    training, judging = persons(folder / "p", ["a", "b"]), persons(folder / "v", ["e"])
    chosen = choose_samples([training], validation=[judging], choice=SampleChoice(labels="alpha"))
    options = ImageOptions(classes=1, input_size=SIZE, policy=policy, seed=0, fuse=fuse, labels="alpha")
    return LabelledImages(chosen.training, validation=chosen.validation, options=options)


def example(source: LabelledImages, *, epoch: int | None = 0, index: int = 0) -> Example:
    found = source[Draw(epoch=epoch, index=index)]
    assert isinstance(found, Example)
    return found


def alpha_in(folder: Path, id_: str) -> np.ndarray:
    return decode_gray((folder / f"alphas/{id_}.png").read_bytes(), file="").astype(np.float32) / 255


def test_a_label_is_the_alpha_averaged_to_the_size_of_the_network(tmp_path: Path) -> None:
    source = images(tmp_path)
    for _ in range(2):  # decoded, then kept
        found = example(source)
        assert found.label.dtype == np.float32
        blocks = alpha_in(tmp_path / "p", "a").reshape(24, 2, 20, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(found.label, blocks, atol=1e-6)


def test_a_judging_sample_is_scored_by_its_mask_and_its_loss_is_of_its_alpha(tmp_path: Path) -> None:
    found = example(images(tmp_path), epoch=None)
    assert found.truth is not None
    assert set(np.unique(found.truth)) == {0, 1}
    assert len(np.unique(found.label)) > 20


def test_without_an_alpha_the_mask_is_one(tmp_path: Path) -> None:
    discs = disc_dataset(tmp_path / "d", ["x"])
    chosen = choose_samples([persons(tmp_path / "p", ["a"])], validation=[discs], choice=SampleChoice(labels="alpha"))
    label = read_soft_label(chosen.validation[0], size=(48, 40))
    assert set(np.unique(label)) == {0.0, 1.0}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_keeps_alphas_soft_and_of_the_size_of_the_network(tmp_path: Path, policy: Policy) -> None:
    source = images(tmp_path, policy=policy)
    for epoch in range(6):
        label = example(source, epoch=epoch).label
        counted = label[label != IGNORED]
        assert label.shape == SIZE
        assert counted.min() >= 0
        assert counted.max() <= 1
        assert np.mean((counted > 0.02) & (counted < 0.98)) > 0.02


def test_a_turned_alpha_is_the_bilinear_one_of_opencv() -> None:
    """A plane that rises evenly is turned and shifted into another: at every inner pixel it is known what it is."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    image = np.repeat(np.full((64, 64, 1), 90, np.uint8), 3, axis=2)
    seen = 0
    for seed in range(10):
        _, across = augmented(image, x / 63, policy="source", rng=np.random.default_rng(seed))
        _, down = augmented(image, y / 63, policy="source", rng=np.random.default_rng(seed))
        inside = cv2.erode((across != IGNORED).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        steps = np.diff(np.where(inside, across, np.nan), axis=1)
        # the nearest pixels would repeat or skip a whole step here and there
        assert np.nanmax(np.abs(steps - np.nanmedian(steps))) < 0.5 / 63
        seen += bool(np.any(np.abs(np.diff(np.where(inside, down, np.nan), axis=1)) > 1e-3))
    assert seen  # some were turned


def test_ignored_pixels_stay_ignored_and_colour_no_neighbour() -> None:
    label = np.full((40, 40), 0.25, np.float32)
    label[:, :20] = IGNORED
    small = fitted_soft(label, size=(20, 20))
    assert set(np.unique(small)) == {np.float32(0.25), np.float32(IGNORED)}
    image = np.zeros((40, 40, 3), np.uint8)
    for seed in range(12):
        _, moved = augmented(image, label, policy="modern", rng=np.random.default_rng(seed))
        counted = moved[moved != IGNORED]
        np.testing.assert_allclose(counted, 0.25, atol=1e-5)


class OnWhite:
    """Lays every person on white with an alpha that is known."""

    alpha = np.linspace(0, 255, SIZE[0] * SIZE[1]).astype(np.uint8).reshape(SIZE)

    def is_wanted(self, rng: np.random.Generator) -> bool:
        return True

    def cut_out(self, image: Image, label: Mask | Alpha, *, is_alpha: bool) -> tuple[Image, Alpha]:
        assert is_alpha
        assert len(np.unique(label)) > 20
        return image, label

    def lay(self, colours: Image, alpha: Alpha, rng: np.random.Generator) -> tuple[Image, Alpha]:
        return colours, self.alpha


def test_what_is_fused_is_learnt_with_the_very_alpha_it_was_laid_with(tmp_path: Path) -> None:
    found = example(images(tmp_path, fuse=OnWhite()))
    assert np.array_equal(found.label, OnWhite.alpha.astype(np.float32) / np.float32(255))


def test_a_dataset_without_alphas_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no alphas: no sample has one") as caught:
        choose_samples(
            [persons(tmp_path / "p", ["a"]), disc_dataset(tmp_path / "discs", ["x"])],
            validation=[persons(tmp_path / "v", ["e"])],
            choice=SampleChoice(labels="alpha"),
        )
    assert str(caught.value.where) == str(tmp_path / "discs")
    assert "--labels mask" in caught.value.remedy


def test_rows_without_an_alpha_are_left_out(tmp_path: Path) -> None:
    training = persons(tmp_path / "p", ["a", "b"], rows={"b": {"alpha": None}})
    chosen = choose_samples(
        [training], validation=[persons(tmp_path / "v", ["e"])], choice=SampleChoice(labels="alpha")
    )
    assert [sample.key for sample in chosen.training] == ["p/a"]
    assert chosen.left_out["without_alpha"] == 1


def test_alphas_without_soft_values_are_told_of(tmp_path: Path) -> None:
    chosen = choose_samples(
        [persons(tmp_path / "p", ["a", "b"])], validation=[persons(tmp_path / "v", ["e"])], choice=SampleChoice()
    )
    assert warnings_of_alphas(chosen.training) == []
    for id_ in "ab":
        write_png(tmp_path / f"p/alphas/{id_}.png", np.full((48, 40), 255, np.uint8))
    bare = [type(s)(**{n: getattr(s, n) for n in s.__slots__} | {"digests": {}}) for s in chosen.training]
    (said,) = warnings_of_alphas(bare)
    assert str(tmp_path / "p") in said
    assert "0 and 255 alone (2 of 2 looked at)" in said


def test_half_of_the_samples_are_turned_upside_down() -> None:
    image, label = np.arange(24, dtype=np.uint8).reshape(4, 2, 3), np.arange(8, dtype=np.uint8).reshape(4, 2)
    turned = 0
    for seed in range(200):
        new, new_label = flipped_vertically(image, label, rng=np.random.default_rng(seed))
        is_turned = np.array_equal(new, image[::-1])
        assert np.array_equal(new_label, label[::-1] if is_turned else label)
        turned += is_turned
    assert 70 < turned < 130
