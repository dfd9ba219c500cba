from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.dataset import read_dataset
from curation.dataset.sample import Item, Outcome
from curation.errors import ConfigurationProblem, InputRefused
from curation.labels.masks import mask_of
from curation.matting.from_probability import alpha_of, trimap_of, trimap_of_classes
from pipelines.command_line.options import Result, RunOptions
from pipelines.datasets.matte import MatteFlags, matte
from tests.models.drawn import Sample, drawn_dataset, person, photo, png
from tests.models.tiny_onnx import write_tiny_onnx

SIZE = (80, 60)


def made(folder: Path, **trimaps: np.ndarray) -> Path:
    mask = person(left=16, right=44, top=20, size=SIZE)
    files = {name: {"trimap": trimap} for name, trimap in trimaps.items()}
    samples = [
        Sample(id=name, prediction=np.where(mask > 0, 255, 20).astype(np.uint8), mask=mask, files=files.get(name, {}))
        for name in ("a", "b", *trimaps)
    ]
    return drawn_dataset(folder, samples).folder


def matted(source: Path, out: Path, **options: Any) -> Result:
    run = RunOptions(workers=0, overwrite=bool(options.pop("overwrite", False)))
    return matte(MatteFlags(source=source, out=out, **options), run=run)


def test_a_dataset_gets_alphas_and_keeps_its_masks(tmp_path: Path) -> None:
    source = made(tmp_path / "d")
    assert matted(source, tmp_path / "m", cutouts=True).exit_code == 0
    rows = read_dataset(tmp_path / "m").table.to_pylist()
    assert [row["id"] for row in rows] == ["a", "b"]
    for row in rows:
        assert (tmp_path / "m" / row["mask"]).read_bytes() == (source / "masks" / f"{row['id']}.png").read_bytes()
        alpha, trimap = (cv2.imread(str(tmp_path / "m" / row[name]), -1) for name in ("alpha", "trimap"))
        assert np.array_equal(alpha[trimap != 128], trimap[trimap != 128]) and (trimap == 128).any()
        assert np.array_equal(cv2.imread(str(tmp_path / "m" / row["cutout"]), -1)[..., 3], alpha)
    again = matted(source, tmp_path / "m", cutouts=True)
    assert again.data["run"] == read_dataset(tmp_path / "m").card.run


def test_a_trimap_that_lacks_something_is_quarantined_and_the_run_goes_on(tmp_path: Path) -> None:
    no_person, no_band = np.full(SIZE, 128, np.uint8), np.full(SIZE, 255, np.uint8)
    no_person[:20] = no_band[:20] = 0
    result = matted(made(tmp_path / "d", no_person=no_person, no_band=no_band), tmp_path / "m")
    assert result.exit_code == 3 and result.data["counts"]["quarantined"] == {"TRIMAP": 2}
    lines = (tmp_path / "m" / "quarantine.jsonl").read_text()
    assert "no pixel is certain person" in lines and "no pixel is unknown" in lines


def test_masks_are_made_anew_and_trimaps_come_from_a_model_where_asked(tmp_path: Path) -> None:
    model = write_tiny_onnx(tmp_path / "tiny.onnx")
    assert matted(made(tmp_path / "d"), tmp_path / "m", model=model, masks=True).exit_code == 0
    row = read_dataset(tmp_path / "m").table.to_pylist()[0]
    alpha, mask = (cv2.imread(str(tmp_path / "m" / row[name]), -1) for name in ("alpha", "mask"))
    assert np.array_equal(mask, np.where(alpha > 127, 255, 0)) and row["person_area"] == (mask > 0).mean()


def test_one_image_and_its_trimap_give_an_alpha_once(tmp_path: Path) -> None:
    mask = person(left=16, right=44, top=20, size=SIZE)
    (tmp_path / "i.png").write_bytes(photo(np.where(mask > 0, 255, 20).astype(np.uint8)))
    trimap = np.where(
        cv2.erode(mask, np.ones((5, 5))) > 0, 255, np.where(cv2.dilate(mask, np.ones((5, 5))) > 0, 128, 0)
    )
    (tmp_path / "t.png").write_bytes(png(trimap.astype(np.uint8)))
    out = tmp_path / "alpha.png"
    matted(tmp_path / "i.png", out, trimap=tmp_path / "t.png")
    assert np.array_equal(cv2.imread(str(out), -1)[trimap != 128], trimap[trimap != 128])
    with pytest.raises(InputRefused, match="exists already"):
        matted(tmp_path / "i.png", out, trimap=tmp_path / "t.png")
    (tmp_path / "t.png").write_bytes(png(mask))
    with pytest.raises(InputRefused, match="nothing to matte"):
        matted(tmp_path / "i.png", out, trimap=tmp_path / "t.png", overwrite=True)


def test_contradicting_settings_are_refused(tmp_path: Path) -> None:
    source = made(tmp_path / "d")
    with pytest.raises(ConfigurationProblem, match="both say"):
        matted(source, tmp_path / "m", model=tmp_path / "x.onnx", from_masks=True)
    with pytest.raises(ConfigurationProblem, match="for one image"):
        matted(source, tmp_path / "m", trimap=tmp_path / "t.png")
    for flag, value in {"from_masks": True, "band": 9, "masks": True, "shards": True}.items():
        with pytest.raises(ConfigurationProblem, match=f"--{flag.replace('_', '-')} is for a dataset"):
            matted(tmp_path / "i.png", tmp_path / "o.png", trimap=tmp_path / "t.png", **{flag: value})
    with pytest.raises(ConfigurationProblem, match="needs a trimap"):
        matted(source / "images" / "a.png", tmp_path / "a.png")


def test_heads_are_for_bands_in_proportion_from_masks(tmp_path: Path) -> None:
    for given in ({"heads": True}, {"heads": True, "from_masks": True, "band": 9}):
        with pytest.raises(click.UsageError, match="--heads is for trimaps from masks"):
            MatteFlags(source=tmp_path, out=tmp_path / "m", **given)


def sleep(item: Item, folder: Path) -> Outcome:
    if item.id == "slow":
        time.sleep(60)
    return Outcome(id=item.id, filtered="done")


def test_what_takes_too_long_is_set_aside_and_the_rest_is_done(tmp_path: Path) -> None:
    items = [Item(id=name, payload=None) for name in ("slow", "quick")]
    options = RunnerOptions(workers=1, item_timeout_s=0.5)
    found = {one.id: one for one in run_items(items, work=sleep, folder=tmp_path, stage="matte", options=options)}
    assert found["quick"].filtered == "done" and found["slow"].broken == "WORKER_DIED"


def test_predictions_become_alphas_and_trimaps() -> None:
    probability = np.zeros((60, 60), np.float32)
    probability[20:50, 20:40] = 0.99
    probability[19, 20:40] = 0.5
    probability[2:4, 2:4] = 0.9  # a speck
    assert mask_of(probability, specks=False)[3, 3] == 0
    alpha, trimap = alpha_of(probability), trimap_of(probability, input_size=(60, 60))
    assert alpha[30, 30] == 255 and alpha[3, 3] == 0 and alpha[19, 30] in {127, 128}
    assert trimap[35, 30] == 255 and trimap[19, 30] == 128 and trimap[3, 3] == 0
    assert not alpha_of(np.zeros((9, 9), np.float32)).any()
    three = trimap_of_classes(1 - probability - 0.005, person=probability)
    assert three[35, 30] == 255 and three[0, 0] == 0
