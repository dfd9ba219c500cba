from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import EnvironmentProblem
from curation.quarantine import Code
from models.card import ModelCard
from models.data.batches import Batch, BatchLoader, Share, epoch_order
from models.data.choose_samples import SampleChoice, choose_samples
from models.data.images import ImageOptions, LabelledImages
from models.preprocessing import normalised
from models.training.validate import network_input
from tests.models.data.discs import disc_dataset, write_png

IDS = [f"s{number}" for number in range(7)]
SIZE = (24, 20)


def images(folder: Path, *, ids: list[str] = IDS, seed: int = 0) -> LabelledImages:
    chosen = choose_samples(
        [disc_dataset(folder / "data", ids)],
        validation=[disc_dataset(folder / "judge", ["v1", "v2"], size=(60, 50))],
        choice=SampleChoice(),
    )
    options = ImageOptions(classes=1, input_size=SIZE, policy="modern", seed=seed)
    return LabelledImages(chosen.training, validation=chosen.validation, options=options)


def loader(source: LabelledImages, *, workers: int = 0, share: Share = Share(), batch_size: int = 3) -> BatchLoader:  # noqa: B008 - frozen
    return BatchLoader(source, batch_size=batch_size, workers=workers, share=share)


def equal(one: Batch, other: Batch) -> bool:
    return one.keys == other.keys and torch.equal(one.image, other.image) and torch.equal(one.label, other.label)


def test_an_epoch_has_each_sample_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    batches = loader(images(tmp_path))
    assert len(batches) == 3
    epochs = [[key for batch in batches.epoch(number) for key in batch.keys] for number in range(3)]
    for keys in epochs:
        assert Counter(keys) == Counter(f"data/{id_}" for id_ in IDS)
    assert len({tuple(keys) for keys in epochs}) == 3
    assert sorted(epoch_order(100, seed=0, epoch=0)) == list(range(100))
    assert epoch_order(100, seed=0, epoch=0) != epoch_order(100, seed=1, epoch=0)


def test_an_epoch_goes_on_at_any_batch_with_the_same_pictures(tmp_path: Path) -> None:
    source = images(tmp_path)
    whole = list(loader(source).epoch(2))
    for first in range(4):
        rest = list(loader(source).epoch(2, first=first))
        assert len(rest) == 3 - first
        assert all(equal(one, other) for one, other in zip(rest, whole[first:], strict=True))


def test_any_number_of_workers_gives_the_same_batches_and_the_same_validation(tmp_path: Path) -> None:
    source = images(tmp_path)
    here, elsewhere = loader(source), loader(source, workers=2)
    for number in (0, 1):
        pairs = zip(here.epoch(number), elsewhere.epoch(number), strict=True)
        assert all(equal(one, other) for one, other in pairs)
        (one,), (other,) = list(here.validation()), list(elsewhere.validation())
        assert equal(one, other)
        assert [tuple(truth.shape) for truth in other.truths] == [(60, 50), (60, 50)]
        assert one.keys == ["judge/v1", "judge/v2"]


def test_pictures_hang_on_the_seed(tmp_path: Path) -> None:
    source = images(tmp_path)
    first = next(loader(source).epoch(0))
    other = LabelledImages(
        source.training, validation=[], options=ImageOptions(classes=1, input_size=SIZE, policy="modern", seed=1)
    )
    assert not equal(first, next(loader(other).epoch(0)))


def test_a_batch_is_what_the_preprocessing_of_the_card_makes_of_its_images(tmp_path: Path) -> None:
    card = ModelCard(
        input_size=SIZE,
        channels="RGB",
        layout="NCHW",
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        output="logit",
    )
    batch = next(loader(images(tmp_path)).epoch(0))
    assert batch.image.shape == (3, *SIZE, 3)
    assert batch.label.shape == (3, *SIZE)
    for picture, values in zip(batch.image, network_input(batch.image, card=card), strict=True):
        assert np.array_equal(values.numpy(), normalised(picture.numpy(), card=card))


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_a_batch_and_each_has_something_to_do(tmp_path: Path, processes: int) -> None:
    """Seven samples in batches of three: the last holds one, which every process gets."""
    source = images(tmp_path)
    whole = list(loader(source).epoch(0))
    parts = [list(loader(source, share=Share(rank=rank, processes=processes)).epoch(0)) for rank in range(processes)]
    for number, batch in enumerate(whole[:2]):
        keys = [key for part in parts for key in part[number].keys]
        assert sorted(keys) == sorted(batch.keys)
    assert [part[2].keys for part in parts] == [whole[2].keys] * processes
    judged = [
        key
        for rank in range(processes)
        for batch in loader(source, share=Share(rank=rank, processes=processes)).validation()
        for key in batch.keys
    ]
    assert sorted(judged) == ["judge/v1", "judge/v2"]


def test_a_sample_that_trains_alone_is_there_twice_and_can_be_normalised(tmp_path: Path) -> None:
    (batch,) = loader(images(tmp_path, ids=["only"])).epoch(0)
    assert batch.keys == ["data/only"]
    assert torch.equal(batch.image[0], batch.image[1])
    pooled = batch.image.float().mean(dim=(1, 2), keepdim=True).permute(0, 3, 1, 2)
    assert torch.isfinite(torch.nn.BatchNorm2d(3)(pooled)).all()
    (judged,) = loader(images(tmp_path / "more", ids=["only"])).validation()
    assert len(judged.image) == len(judged.truths) == 2


def test_labels_of_background_alone_are_a_batch_like_any_other(tmp_path: Path) -> None:
    source = images(tmp_path, ids=["a", "b"])
    for id_ in "ab":
        write_png(tmp_path / f"data/masks/{id_}.png", np.zeros((48, 40), np.uint8))
    (batch,) = loader(source).epoch(0)
    assert set(batch.label.unique().tolist()) <= {0, 255}


def test_a_broken_sample_stands_for_its_batch(tmp_path: Path) -> None:
    source = images(tmp_path)
    write_png(tmp_path / "data/masks/s3.png", np.full((48, 40), 9, np.uint8))
    broken = [batch.broken for batch in loader(source).epoch(0) if batch.broken is not None]
    assert [problem.code for problem in broken] == [Code.MASK_VALUES]
    assert broken[0].file.endswith("data/masks/s3.png")


def test_a_worker_that_dies_is_told_with_a_remedy(tmp_path: Path) -> None:
    source = images(tmp_path)
    batches = loader(source)

    class Dying:
        def __iter__(self) -> None:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    batches._loader = Dying()  # type: ignore[assignment]
    with pytest.raises(EnvironmentProblem, match="a process that loads images died") as caught:
        next(batches.epoch(0))
    assert "--workers 0" in caught.value.remedy
