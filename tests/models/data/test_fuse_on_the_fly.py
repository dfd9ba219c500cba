"""Fusion on the fly: which backgrounds may train, and that draws depend on seed, epoch and sample alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputRefused
from curation.fusion.fuse import FusionRules
from curation.quarantine import BadRecord
from models.data.batches import BatchLoader, Share
from models.data.choose_samples import SampleChoice, choose_samples
from models.data.fuse_on_the_fly import TrainingFusion, choose_backgrounds
from models.data.images import ImageOptions, LabelledImages
from tests.curation.fusion.fusion_data import grounds, persons, write_png

SIZE = (32, 32)


def images(folder: Path, *, ratio: float) -> LabelledImages:
    training, judging = persons(folder / "p", ["a", "b", "c", "d"]), persons(folder / "v", ["e"])
    back = grounds(folder / "g", ["x", "y"])
    chosen = choose_samples([training], validation=[judging], choice=SampleChoice())
    free = choose_backgrounds([back], training=[training], validation=[judging])
    fusion = TrainingFusion(backgrounds=free, ratio=ratio)
    options = ImageOptions(classes=1, input_size=SIZE, policy="modern", seed=3, fuse=fusion)
    return LabelledImages(chosen.training, validation=chosen.validation, options=options)


def batches(source: LabelledImages, *, workers: int, epochs: range, first: int = 0) -> list[np.ndarray]:
    loader = BatchLoader(source, batch_size=2, workers=workers, share=Share())
    found = [batch for epoch in epochs for batch in loader.epoch(epoch, first=first)]
    return [array for batch in found for array in (batch.image.numpy(), batch.label.numpy())]


def test_worker_processes_and_kept_persons_change_no_batch(tmp_path: Path) -> None:
    alone = batches(images(tmp_path, ratio=0.6), workers=0, epochs=range(3))
    workers = batches(images(tmp_path, ratio=0.6), workers=1, epochs=range(3))
    late = batches(images(tmp_path, ratio=0.6), workers=0, epochs=range(2, 3), first=1)
    assert all(np.array_equal(one, other) for one, other in zip(alone, workers, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(alone[-2:], late, strict=True))


def test_every_epoch_shows_another_picture_and_the_label_fits_it(tmp_path: Path) -> None:
    fusion = images(tmp_path, ratio=1.0).options.fuse
    assert fusion is not None
    image, mask = np.full((*SIZE, 3), 250, np.uint8), np.zeros(SIZE, np.uint8)
    mask[10:, 8:24] = 255
    colours, alpha = fusion.cut_out(image, mask, is_alpha=False)
    rules = FusionRules(estimate=False, match_light=False)
    plain = TrainingFusion(backgrounds=_dark(tmp_path), ratio=1.0, rules=rules)
    pictures = [plain.lay(colours, alpha, np.random.default_rng(seed)) for seed in range(5)]
    assert len({picture.tobytes() for picture, _ in pictures}) == 5
    for picture, label in pictures:
        bright = picture.mean(axis=2) > 125
        assert np.mean(bright == (label > 127)) > 0.97


def _dark(folder: Path) -> tuple[Path, ...]:
    dataset = grounds(folder / "dark", ["k"])
    path = folder / "dark/images/k.png"
    write_png(path, np.zeros((40, 40, 3), np.uint8))
    assert len(dataset) == 1
    return (path,)


def names(paths: tuple[Path, ...]) -> list[str]:
    return sorted(path.stem for path in paths)


def test_backgrounds_of_val_and_test_never_train_nor_do_those_that_show_a_person(tmp_path: Path) -> None:
    rows: dict[str, dict[str, object]] = {
        "v": {"split": "val"},
        "t": {"split": "test"},
        "r": {"split": "train"},
        "p": {"persons": 1},
    }
    rows |= {"twin": {"group": "g/t"}, "judge": {"group": "v/e"}}
    back = grounds(tmp_path / "g", ["v", "t", "r", "n", "p", "twin", "judge"], rows=rows)
    training, judging = persons(tmp_path / "p", ["a"]), persons(tmp_path / "v", ["e"])
    assert names(choose_backgrounds([back], training=[training], validation=[judging])) == ["n", "r"]


def test_a_background_that_lies_behind_a_judging_sample_does_not_train(tmp_path: Path) -> None:
    judging = persons(tmp_path / "v", ["e"], rows={"e": {"split": "val", "background_group": "g/x"}})
    back = grounds(tmp_path / "g", ["x", "y"])
    assert names(choose_backgrounds([back], training=[persons(tmp_path / "p", ["a"])], validation=[judging])) == ["y"]


def test_a_sample_on_the_background_of_a_judging_one_does_not_train(tmp_path: Path) -> None:
    rows = {"a": {"background_group": "g/x"}, "b": {"background_group": "g/y"}}
    training = persons(tmp_path / "p", ["a", "b"], rows=rows)
    judging = persons(tmp_path / "v", ["e"], rows={"e": {"background_group": "g/x"}})
    chosen = choose_samples([training], validation=[judging], choice=SampleChoice())
    assert [sample.key for sample in chosen.training] == ["p/b"]


def test_no_background_that_may_train_is_refused(tmp_path: Path) -> None:
    back = grounds(tmp_path / "g", ["x"], rows={"x": {"split": "test"}})
    with pytest.raises(InputRefused, match="no background is left that may train"):
        choose_backgrounds([back], training=[persons(tmp_path / "p", ["a"])], validation=[])


def test_a_background_that_does_not_fill_the_frame_is_passed_over_and_none_at_all_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "small.png", np.full((40, 40, 3), 255, np.uint8))
    write_png(tmp_path / "large.png", np.zeros((90, 90, 3), np.uint8))
    alpha = np.zeros((120, 120), np.uint8)
    rules = FusionRules(estimate=False, match_light=False)
    both = TrainingFusion(backgrounds=(tmp_path / "small.png", tmp_path / "large.png"), ratio=1.0, rules=rules)
    image = np.zeros((120, 120, 3), np.uint8)
    assert all(both.lay(image, alpha, np.random.default_rng(seed))[0].max() == 0 for seed in range(6))
    small = TrainingFusion(backgrounds=(tmp_path / "small.png",), ratio=1.0, rules=rules)
    with pytest.raises(BadRecord, match="none of 1 backgrounds fills a frame of 120 x 120"):
        small.lay(image, alpha, np.random.default_rng(0))
