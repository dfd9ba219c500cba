"""Trainings with a teacher whose answers are known: what is computed once, what goes on after a stop, what is told."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from curation.dataset.dataset import read_dataset, write_dataset
from curation.errors import ConfigurationProblem, InputRefused
from models.card import known_licenses, read_card
from models.data.batches import Batch
from models.networks.catalogue import build_network
from models.training.distillation import soft_targets
from models.training.settings import Stage, TrainSettings
from models.training.step_loss import shares_in_step, target_of, total_loss
from tests.models.data.discs import disc_dataset, write_png
from tests.models.tiny_onnx import CARD, write_tiny_onnx
from tests.models.training.test_train import Stopped, settings_for, stop_at, trained, weights

NOTHING = {"mask": None, "persons": None}


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return write_tiny_onnx(tmp_path / "red.onnx", card=f"{CARD}name: red\nlicense: CC BY-NC 4.0\n")


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    ids = [f"t{number}" for number in range(4)]
    disc_dataset(tmp_path / "discs", ids, rows={"t3": NOTHING})
    disc_dataset(tmp_path / "judge", ["v1", "v2"])
    return lit(tmp_path / "discs"), tmp_path / "judge"


def taught(data: tuple[Path, Path], teacher: Path, *, pool: tuple[Path, ...] = (), **keys: Any) -> TrainSettings:
    names = tuple(map(str, (data[0], *pool)))
    told = {"epochs": 2, "batch_size": 2, "learning_rate": 3e-3, "distill_temperature": 2.0, **keys}
    return settings_for(data, stages=(Stage(data=names, teacher=str(teacher), **told),))


def test_a_taught_training_that_is_stopped_anywhere_ends_with_the_same_bits(
    data: tuple[Path, Path], teacher: Path, tmp_path: Path
) -> None:
    settings = taught(data, teacher, accumulate=2, distill_boundary=3.0)
    trained(settings, tmp_path / "whole")
    for batch in (1, 3):
        out = tmp_path / f"stopped{batch}"
        with pytest.raises(Stopped):
            trained(settings, out, told=stop_at(batch))
        files = sorted(out.glob("teachers/*/*.png"))
        assert len(files) == 4
        before = [file.stat().st_mtime_ns for file in files]
        trained(settings, out, workers=1)
        assert [file.stat().st_mtime_ns for file in files] == before  # the teacher was asked once
        assert weights(out) == weights(tmp_path / "whole")


def test_a_teacher_changes_what_is_learnt_and_a_pool_alone_can_be_a_stage(
    data: tuple[Path, Path], teacher: Path, tmp_path: Path
) -> None:
    ids = ("p1", "p2", "p3")
    pool = lit(disc_dataset(tmp_path / "pool", ids, rows=dict.fromkeys(ids, NOTHING)).folder)
    stages = (
        Stage(name="pool", data=(str(pool),), epochs=1, batch_size=3, teacher=str(teacher), distill_confidence=0.5),
        Stage(name="labels", data=(str(data[0]),), epochs=1, batch_size=3),
    )
    report = trained(settings_for(data, stages=stages), tmp_path / "two")
    assert report.metrics["training"] == [3, 3] and report.metrics["unlabelled"] == [3, 0]
    assert report.metrics["teachers"][0]["images"] == 3
    alone = trained(settings_for(data, stages=stages[1:]), tmp_path / "one")
    assert "teachers" not in alone.metrics
    assert weights(tmp_path / "two") != weights(tmp_path / "one")


def test_the_card_of_the_student_tells_of_its_teacher_and_the_licence_goes_on_to_what_begins_with_it(
    data: tuple[Path, Path], teacher: Path, tmp_path: Path
) -> None:
    trained(taught(data, teacher, epochs=1), tmp_path / "student")
    card = read_card(tmp_path / "student" / "model.yaml")
    assert [(one["name"], one["licenses"]) for one in card.training["teachers"]] == [("red", ["CC BY-NC 4.0"])]
    assert known_licenses(card) == ("CC BY-NC 4.0",)
    stage = Stage(data=(str(data[0]),), epochs=1, batch_size=2)
    trained(settings_for(data, stages=(stage,), weights=str(tmp_path / "student")), tmp_path / "next")
    assert known_licenses(read_card(tmp_path / "next" / "model.yaml")) == ("CC BY-NC 4.0",)


def test_labels_of_models_stand_in_the_card(tmp_path: Path) -> None:
    made = {"label_source": "m", "label_license": "CC BY-NC 4.0"}
    data = disc_dataset(tmp_path / "d", ["a", "b"], rows={"a": made, "b": made}).folder
    judge = disc_dataset(tmp_path / "judge", ["v"]).folder
    trained(settings_for((data, judge), stages=(Stage(data=(str(data),), epochs=1, batch_size=2),)), tmp_path / "out")
    card = read_card(tmp_path / "out" / "model.yaml")
    assert card.training["label_sources"] == {"m (CC BY-NC 4.0)": 2}
    assert known_licenses(card) == ("CC BY-NC 4.0",)


def test_images_for_which_a_teacher_gives_nothing_finite_are_learnt_from_their_labels_and_told(
    data: tuple[Path, Path], teacher: Path, tmp_path: Path
) -> None:
    unlit(data[0], "t0")
    report = trained(taught(data, teacher), tmp_path / "out")
    assert report.metrics["teachers"][0]["unanswered"] == 1
    assert any("gives nothing that is finite for 1 of 4 images" in text for text in report.complaints)


def test_copies_of_images_that_judge_are_not_taught(data: tuple[Path, Path], teacher: Path, tmp_path: Path) -> None:
    lit(data[1])
    judge, copy = cv2.imread(str(data[1] / "images" / "v1.png")), data[0] / "images" / "t3.png"
    cv2.imwrite(str(copy), np.maximum(judge[:, ::-1], np.uint8(21)))  # mirrored, and of other pixels
    rehashed(data[0])
    report = trained(taught(data, teacher), tmp_path / "out")
    assert report.metrics["training"] == [3] and report.metrics["left_out"]["copies"] == 1
    assert report.metrics["teachers"][0]["images"] == 3
    assert any("1 images look like those that validate or test" in text for text in report.complaints)
    assert len(list((tmp_path / "out" / "looks").iterdir())) == 1


def test_a_teacher_that_sees_nobody_is_refused(data: tuple[Path, Path], tmp_path: Path) -> None:
    blind = write_tiny_onnx(tmp_path / "blind.onnx", lost=0.9)
    with pytest.raises(InputRefused, match="sees nobody in any of 4 images"):
        trained(taught(data, blind), tmp_path / "out")


def test_a_teacher_that_says_the_opposite_of_the_labels_is_told(
    data: tuple[Path, Path], teacher: Path, tmp_path: Path
) -> None:
    for file in (data[0] / "masks").iterdir():
        write_png(file, 255 - cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
    report = trained(taught(data, teacher), tmp_path / "out")
    assert report.metrics["teachers"][0]["miou_on_labels"] < 0.5
    assert any("on labels of this training" in text for text in report.complaints)


def test_a_student_is_its_own_teacher_only_of_what_it_is_sure_of(data: tuple[Path, Path], tmp_path: Path) -> None:
    stage = Stage(data=(str(data[0]),), epochs=1, batch_size=2)
    trained(settings_for(data, stages=(stage,)), tmp_path / "champion")
    champion = tmp_path / "champion"
    told = {"epochs": 1, "batch_size": 2}
    same = settings_for(data, stages=(Stage(data=stage.data, teacher=str(champion), **told),), weights=str(champion))
    with pytest.raises(ConfigurationProblem, match="imitates already"):
        trained(same, tmp_path / "out")
    with pytest.raises(ConfigurationProblem, match="run folder of its own student"):
        trained(taught(data, champion), champion, overwrite=True)
    sure = Stage(data=stage.data, teacher=str(champion), distill_confidence=0.9, **told)
    try:
        trained(settings_for(data, stages=(sure,), weights=str(champion)), tmp_path / "out")
    except InputRefused as error:  # what learnt for one epoch may see nobody, or only persons
        assert "this teacher" in str(error)


def test_a_teacher_that_was_changed_meanwhile_is_another_training(
    data: tuple[Path, Path], teacher: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        trained(taught(data, teacher), tmp_path / "out", told=stop_at(1))
    write_tiny_onnx(teacher, lost=0.1)
    with pytest.raises(InputRefused, match=r"the data changed since this training began: teacher .*red\.onnx"):
        trained(taught(data, teacher), tmp_path / "out")


def test_a_large_photograph_is_kept_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft_targets, "LONGEST_PX", 20)
    stored = soft_targets._stored(np.full((50, 40), 0.5, np.float32))
    assert stored.shape == (20, 16) and set(np.unique(stored)) == {128}


@pytest.mark.parametrize(
    "wrong",
    [
        {"distill": 2.0},
        {"teacher": "m", "distill": 0.0},
        {"teacher": "m", "distill_confidence": 0.2},
        {"teacher": "m", "kind": "classification", "data": ("d",)},
    ],
)
def test_a_stage_that_no_teacher_can_teach_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"distill|teacher"):
        Stage(**wrong)


def test_a_teacher_is_for_one_class() -> None:
    with pytest.raises(ValueError, match="for 1 class"):
        TrainSettings(network="enet", classes=3, stages=(Stage(teacher="m"),))


def test_several_batches_make_the_step_of_one_large_batch() -> None:
    """Whatever the teacher says nothing of, in whichever of them."""
    stage = Stage(teacher="m", distill=2.0, distill_boundary=3.0, distill_confidence=0.6, losses={"cross_entropy": 1.0})
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, 3, 32, 32, generator=generator)
    label = (torch.rand(6, 32, 32, generator=generator) > 0.6).to(torch.uint8)
    said = torch.rand(6, 32, 32, generator=generator)
    said[0], label[1] = 255, 255
    network = build_network("enet", classes=1).eval()

    def gradient(*cuts: slice) -> Tensor:
        network.zero_grad()
        batches = [
            Batch(
                keys=[str(n) for n in range(len(images[cut]))],
                image=images[cut],
                label=label[cut],
                truths=[],
                alphas=[],
                broken=None,
                taught=said[cut],
            )
            for cut in cuts
        ]
        for batch, share in zip(batches, shares_in_step(batches, stage=stage, classes=1), strict=True):
            outputs, target = (network(batch.image),), target_of(batch.label)
            total_loss(outputs, target, stage=stage, auxiliary_weight=0.0, shares=share, taught=batch.taught).backward()
        return torch.cat([one.grad.flatten() for one in network.parameters() if one.grad is not None])

    whole, parts = gradient(slice(0, 6)), gradient(slice(0, 1), slice(1, 4), slice(4, 6))
    assert float((whole - parts).norm()) < 1e-5 * float(whole.norm())


def lit(folder: Path) -> Path:
    """Give all images enough green for finite answers, and each a pattern of its own: discs look like copies."""
    for number, file in enumerate(sorted((folder / "images").iterdir())):
        picture = np.maximum(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), np.uint8(20))
        pattern = np.random.default_rng([number, len(folder.name)]).integers(20, 256, (6, 5, 2), dtype=np.uint8)
        picture[:, :, 1:] = cv2.resize(pattern, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        write_png(file, picture)
    return rehashed(folder)


def unlit(folder: Path, id_: str) -> None:
    write_png(folder / "images" / f"{id_}.png", np.zeros((48, 40, 3), np.uint8))
    rehashed(folder)


def rehashed(folder: Path) -> Path:
    dataset = read_dataset(folder)
    rows = [
        row | {"sha256": sha256((folder / row["image"]).read_bytes()).hexdigest()} for row in dataset.table.to_pylist()
    ]
    table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
    write_dataset(folder, card=dataset.card, table=table, quarantine=[])
    return folder
