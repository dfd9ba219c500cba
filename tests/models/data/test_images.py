from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from curation.images.pixels import Alpha, Image, Mask, decode_image, decode_mask
from curation.quarantine import BadRecord, Code
from models.data.augmentation import POLICIES, Policy
from models.data.choose_samples import SampleChoice, choose_samples
from models.data.images import Draw, Example, Fuse, ImageOptions, LabelledImages, generator_of
from models.losses.targets import IGNORED
from models.preprocessing import resized, resized_mask
from tests.models.data.discs import disc_dataset, write_png

SIZE = (24, 20)


def images(
    folder: Path, *, policy: Policy = "none", classes: int = 1, seed: int = 0, fuse: Fuse | None = None
) -> LabelledImages:
    data, judge = folder / "data", folder / "judge"
    chosen = choose_samples(
        [disc_dataset(data, ["a", "b", "c"])],
        validation=[disc_dataset(judge, ["v"], size=(60, 50))],
        choice=SampleChoice(classes=classes),
    )
    options = ImageOptions(classes=classes, input_size=SIZE, policy=policy, seed=seed, fuse=fuse)
    return LabelledImages(chosen.training, validation=chosen.validation, options=options)


def example(source: LabelledImages, *, epoch: int | None, index: int) -> Example:
    found = source[Draw(epoch=epoch, index=index)]
    assert isinstance(found, Example)
    return found


def test_a_sample_is_decoded_and_resized_by_the_doors_of_the_project(tmp_path: Path) -> None:
    found = example(images(tmp_path), epoch=0, index=1)
    image = decode_image((tmp_path / "data/images/b.png").read_bytes(), file="")
    mask = decode_mask((tmp_path / "data/masks/b.png").read_bytes(), file="")
    assert found.key == "data/b"
    assert np.array_equal(found.image, resized(image, size=SIZE))
    assert np.array_equal(found.label * 255, resized_mask(mask, size=SIZE))
    assert found.truth is None


def test_a_judging_sample_has_its_label_in_full_size_and_is_never_augmented(tmp_path: Path) -> None:
    source = images(tmp_path, policy="modern")
    found = example(source, epoch=None, index=0)
    mask = decode_mask((tmp_path / "judge/masks/v.png").read_bytes(), file="")
    assert found.truth is not None
    assert np.array_equal(found.truth * 255, mask)
    assert np.array_equal(found.label * 255, resized_mask(mask, size=SIZE))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("classes", [1, 3])
def test_every_policy_gives_pictures_of_the_size_of_the_network(tmp_path: Path, policy: Policy, classes: int) -> None:
    source = images(tmp_path, policy=policy, classes=classes)
    for epoch in range(3):
        found = example(source, epoch=epoch, index=0)
        assert found.image.shape == (*SIZE, 3)
        assert found.label.shape == SIZE
        assert set(np.unique(found.label)) <= {*range(max(2, classes)), IGNORED}


def test_a_draw_hangs_on_seed_epoch_and_sample_alone(tmp_path: Path) -> None:
    source = images(tmp_path, policy="modern", seed=5)
    pictures = {(epoch, index): example(source, epoch=epoch, index=index).image for epoch in (0, 1) for index in (0, 1)}
    for (epoch, index), picture in reversed(pictures.items()):
        assert np.array_equal(example(source, epoch=epoch, index=index).image, picture)
    assert not np.array_equal(pictures[0, 0], pictures[1, 0])
    first = [generator_of(key, seed=seed, epoch=epoch).random() for key in "ab" for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(first)) == 8


def test_a_broken_label_comes_back_as_its_problem(tmp_path: Path) -> None:
    source = images(tmp_path)
    write_png(tmp_path / "data/masks/a.png", np.full((48, 40), 7, np.uint8))
    problem = source[Draw(epoch=0, index=0)]
    assert isinstance(problem, BadRecord)
    assert problem.code == Code.MASK_VALUES
    assert problem.file.endswith("data/masks/a.png")


@dataclass
class WhiteGround:
    """Lays the person on white, every time or for some share of the draws, and counts how often it is cut out."""

    share: float = 1.0
    cut_outs: int = 0

    def is_wanted(self, rng: np.random.Generator) -> bool:
        return bool(rng.random() < self.share)

    def cut_out(self, image: Image, label: Mask | Alpha, *, is_alpha: bool) -> tuple[Image, Alpha]:
        self.cut_outs += 1
        return image, label

    def lay(self, colours: Image, alpha: Alpha, rng: np.random.Generator) -> tuple[Image, Alpha]:
        return np.where(alpha[..., None] > 0, colours, np.uint8(rng.integers(250, 256))), alpha


@pytest.mark.parametrize("policy", ["none", "crop"])
def test_a_new_background_is_laid_under_before_the_augmentation(tmp_path: Path, policy: Policy) -> None:
    plain = example(images(tmp_path, policy="none"), epoch=0, index=0)
    assert plain.image[0, 0].max() < 100
    fused = example(images(tmp_path, policy=policy, fuse=WhiteGround()), epoch=0, index=0)
    outside = (fused.label == 0) & (np.roll(fused.label, 2, axis=1) == 0) & (np.roll(fused.label, -2, axis=1) == 0)
    assert np.median(fused.image[outside]) >= 250
    if policy == "none":
        assert np.array_equal(fused.label, plain.label)
        assert np.array_equal(fused.image[fused.label == 1], plain.image[fused.label == 1])


def test_pixels_that_were_ignored_lie_behind_a_new_background(tmp_path: Path) -> None:
    source = images(tmp_path, policy="none", fuse=WhiteGround())
    write_png(tmp_path / "data/ignores/a.png", np.pad(np.full((24, 40), 128, np.uint8), ((0, 24), (0, 0))))
    sample = source.training[0]
    with_ignored = type(sample)(
        key=sample.key, folder=sample.folder, image=sample.image, label=sample.label, ignore="ignores/a.png"
    )
    source.training = [with_ignored]
    label = example(source, epoch=0, index=0).label
    assert set(np.unique(label)) == {0, 1}


def test_a_share_of_the_draws_is_fused_and_the_same_ones_every_time(tmp_path: Path) -> None:
    fuse = WhiteGround(share=0.3)
    source = images(tmp_path, fuse=fuse)
    first, second = ([example(source, epoch=e, index=0).image[0, 0].max() >= 250 for e in range(200)] for _ in range(2))
    assert first == second
    assert 0.2 < np.mean(first) < 0.4
    assert fuse.cut_outs == 1
