"""Datasets of fused samples: what is in them, where it comes from, and that no photograph leaks."""

from __future__ import annotations

import io
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import PIL.Image
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.errors import ConfigurationProblem, InputRefused
from curation.fusion.fuse import FusionRules
from curation.fusion.plan_fusion import FusionSettings, plan_fusion
from curation.images.pixels import decode_image, decode_mask, decode_matte
from curation.operations.leaks import groups_across_splits
from curation.operations.merge import plan_merge
from curation.operations.split import SplitShares, split_dataset
from curation.quarantine import Code
from tests.curation.fusion.fusion_data import SIZE, grounds, persons, write_png

QUICK = FusionRules(estimate=False)
PLAIN = FusionRules(place=False, match_light=False, soften=False, estimate=False)


def build(plan: Any, out: Path, *, workers: int = 0) -> Card:
    return build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=workers)))


def fused(fronts: Dataset, backs: Dataset, out: Path, *, workers: int = 0, **settings: Any) -> Dataset:
    told = FusionSettings(**({"rules": QUICK} | settings))
    build(plan_fusion([fronts], backgrounds=[backs], settings=told), out, workers=workers)
    return read_dataset(out)


def rows(dataset: Dataset) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.table.to_pylist()
    return found


def quarantined(dataset: Dataset) -> list[Code]:
    return [record.code for record in read_quarantine(dataset.folder)]


def test_a_fused_sample_tells_where_everything_comes_from(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", ["a"], rows={"a": {"split": "val"}})
    backs = grounds(tmp_path / "g", ["b"])
    result = fused(fronts, backs, tmp_path / "f", seed=7)
    (row,) = rows(result)
    front, back = rows(fronts)[0], rows(backs)[0]
    assert (row["id"], row["source"], row["source_id"]) == ("a-fused-1", "fused", "a.src")
    assert (row["split"], row["group"], row["background_group"]) == ("val", "p/a", "g/b")
    for name in ("id", "source", "source_id", "license", "sha256"):
        assert (row[f"foreground_{name}"], row[f"background_{name}"]) == (front[name], back[name])
    assert row["license"] == "p licence + g licence"
    assert (row["fusion_seed"], row["fusion_number"], row["alpha_from"]) == (7, 1, "alpha")
    assert set(msgspec.json.decode(row["recipe"])) >= {"placement", "light", "blur_px", "quality"}
    assert result.card.parents == ["p@run of p", "g@run of g"]


def test_pictures_and_labels_fit_together(tmp_path: Path) -> None:
    result = fused(
        persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["b"]), tmp_path / "f", trimap_kernel="3", rules=PLAIN
    )
    (row,) = rows(result)
    files = {name: (tmp_path / "f" / row[name]).read_bytes() for name in ("image", "mask", "alpha", "trimap")}
    image, mask = decode_image(files["image"], file=""), decode_mask(files["mask"], file="")
    alpha = decode_matte(files["alpha"], file="")
    assert files["image"].startswith(b"\xff\xd8")
    assert image.shape[:2] == mask.shape == alpha.shape == SIZE
    assert np.array_equal(mask > 0, alpha > 50)
    assert np.array_equal(alpha, decode_matte((tmp_path / "p/alphas/a.png").read_bytes(), file=""))
    assert row["person_area"] == np.count_nonzero(mask) / mask.size
    person = decode_image((tmp_path / "p/images/a.png").read_bytes(), file="")
    sure = cv2.erode(alpha, np.ones((9, 9), np.uint8)) == 255
    assert np.abs(image[sure].astype(int) - person[sure]).mean() < 12  # it went through a JPEG


def test_a_mask_is_used_where_there_is_no_alpha_and_that_is_told(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", ["a", "b"], rows={"a": {"alpha": None}})
    plan = plan_fusion([fronts], backgrounds=[grounds(tmp_path / "g", ["b"])], settings=FusionSettings(rules=PLAIN))
    build(plan, tmp_path / "f")
    first, second = rows(read_dataset(tmp_path / "f"))
    assert (first["alpha_from"], first["alpha"]) == ("mask", None)
    assert (second["alpha_from"], second["alpha"]) == ("alpha", "alphas/b-fused-1.png")
    assert plan.notes["alpha_from_mask"] == 1
    mask = decode_mask((tmp_path / "f" / first["mask"]).read_bytes(), file="")
    drawn = decode_mask((tmp_path / "p/masks/a.png").read_bytes(), file="")
    assert np.count_nonzero(mask != drawn) <= 0.01 * mask.size


def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c"]), grounds(tmp_path / "g", ["x", "y"])
    for workers in (0, 2):
        fused(fronts, backs, tmp_path / str(workers) / "f", workers=workers, per_foreground=3)
    first, second = (
        {
            str(path.relative_to(tmp_path / workers)): path.read_bytes()
            for path in sorted((tmp_path / workers).rglob("*"))
            if path.is_file()
        }
        for workers in ("0", "2")
    )
    assert first == second


def test_a_count_goes_round_through_the_foregrounds(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c"]), grounds(tmp_path / "g", ["x"])
    result = fused(fronts, backs, tmp_path / "f", count=7)
    copies = sorted(row["id"].partition("-")[0] for row in rows(result))
    assert sorted(copies.count(name) for name in "abc") == [2, 2, 3]


def test_a_background_is_never_on_two_sides(tmp_path: Path) -> None:
    ids = [f"p{number}" for number in range(12)]
    splits = {id_: {"split": ("train", "val", "test")[number % 3]} for number, id_ in enumerate(ids)}
    fronts = persons(tmp_path / "p", ids, rows=splits)
    result = fused(fronts, grounds(tmp_path / "g", [f"b{n}" for n in range(6)]), tmp_path / "f", per_foreground=4)
    assert groups_across_splits(result.table) == {}
    sides: dict[str, set[str]] = {}
    for row in rows(result):
        sides.setdefault(row["background_id"], set()).add(row["split"])
        assert row["split"] == splits[row["foreground_id"]]["split"]
    assert all(len(side) == 1 for side in sides.values())


def test_a_later_split_keeps_one_background_and_one_foreground_on_one_side(tmp_path: Path) -> None:
    backs = grounds(tmp_path / "g", ["x", "y", "z"])
    fronts = persons(tmp_path / "p", [f"p{number}" for number in range(6)])
    fused(fronts, backs, tmp_path / "f", per_foreground=1)
    build(plan_merge([fronts, read_dataset(tmp_path / "f")], drop_splits=True), tmp_path / "all")
    split_dataset(tmp_path / "all", shares=SplitShares(val=0.3, test=0.3), seed=1, keep=False)
    shown: dict[str, set[str]] = {}
    for row in rows(read_dataset(tmp_path / "all")):
        for name in (row["group"], row["background_group"]):
            shown.setdefault(name, set()).add(row["split"])
    shown.pop(None, None)  # type: ignore[call-overload]
    assert all(len(sides) == 1 for sides in shown.values())


def test_a_merge_refuses_fused_samples_that_leak_through_their_background(tmp_path: Path) -> None:
    back = grounds(tmp_path / "g", ["x"])
    for name, split in (("one", "train"), ("two", "val")):
        fused(persons(tmp_path / name, [name], rows={name: {"split": split}}), back, tmp_path / f"f{name}")
    with pytest.raises(InputRefused, match="more than one split"):
        plan_merge([read_dataset(tmp_path / "fone"), read_dataset(tmp_path / "ftwo")])


def test_what_cannot_be_fused_is_told_apart(tmp_path: Path) -> None:
    fronts = persons(
        tmp_path / "p",
        ["a", "b", "c"],
        rows={"a": {"alpha": None, "mask": None}, "b": {"background_id": "x"}},
    )
    backs = grounds(tmp_path / "g", ["x", "y"], rows={"x": {"persons": 1}})
    plan = plan_fusion([fronts], backgrounds=[backs], settings=FusionSettings(rules=QUICK))
    card = build(plan, tmp_path / "f")
    assert (card.counts.considered, card.counts.selected) == (3, 1)
    assert card.counts.filtered == {"fused": 1}
    assert card.counts.quarantined == {"NO_MASK": 1}
    assert card.notes["backgrounds_with_person"] == 1
    assert rows(read_dataset(tmp_path / "f"))[0]["background_id"] == "y"


@pytest.mark.parametrize("label", ["alpha", "mask"])
def test_an_empty_alpha_or_mask_is_quarantined_and_the_others_are_made(tmp_path: Path, label: str) -> None:
    gone = {"alpha": None} if label == "mask" else {}
    fronts = persons(tmp_path / "p", ["a", "b"], rows={"a": gone})
    write_png(tmp_path / f"p/{label}s/a.png", np.zeros(SIZE, np.uint8))
    result = fused(fronts, grounds(tmp_path / "g", ["x"]), tmp_path / "f")
    assert [row["id"] for row in rows(result)] == ["b-fused-1"]
    assert quarantined(result) == [Code.EMPTY_ALPHA]


@pytest.mark.parametrize(
    ("file", "code"), [("p/images/a.png", Code.CHECKSUM), ("g/images/x.png", Code.CHECKSUM), ("p/alphas/a.png", None)]
)
def test_a_photograph_that_changed_or_has_another_size_is_quarantined(
    tmp_path: Path, file: str, code: Code | None
) -> None:
    fronts, backs = persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["x"])
    write_png(tmp_path / file, np.pad(np.full((20, 20), 255, np.uint8), 5))
    result = fused(fronts, backs, tmp_path / "f")
    assert quarantined(result) == [code or Code.SIZE_MISMATCH]
    assert read_quarantine(tmp_path / "f")[0].file == str((tmp_path / file).resolve())


def test_turned_and_cmyk_photographs_are_fused_as_displayed(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["x"])
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    stored = PIL.Image.fromarray(np.full((SIZE[1], SIZE[0], 3), 200, np.uint8))
    ink = PIL.Image.new("CMYK", (60, 50), (0, 255, 255, 0))
    found = {}
    for name, picture, options in (("p/images/a.png", stored, {"exif": exif}), ("g/images/x.png", ink, {})):
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=95, **options)
        (tmp_path / name).write_bytes(stream.getvalue())
        found[name] = stream.getvalue()
    fronts, backs = _with_hashes(fronts, found), _with_hashes(backs, found)
    (row,) = rows(fused(fronts, backs, tmp_path / "f", rules=PLAIN))
    image = decode_image((tmp_path / "f" / row["image"]).read_bytes(), file="")
    assert image.shape[:2] == SIZE
    assert np.abs(image[2, 2].astype(int) - [255, 0, 0]).max() < 40


def _with_hashes(dataset: Dataset, found: dict[str, bytes]) -> Dataset:
    """Write the rows again with the hashes of files that were replaced."""
    draw = persons if dataset.folder.name == "p" else grounds
    (name,) = [name for name in found if name.startswith(f"{dataset.folder.name}/")]
    data = found[name]
    id_ = Path(name).stem
    made = draw(dataset.folder, [id_], rows={id_: {"sha256": sha256(data).hexdigest()}})
    (dataset.folder.parent / name).write_bytes(data)
    return made


def test_a_large_photograph_is_scaled_down_first(tmp_path: Path) -> None:
    result = fused(persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["x"]), tmp_path / "f", max_side=32)
    (row,) = rows(result)
    assert (row["height"], row["width"]) == (32, 27)


def test_a_photograph_of_64_megapixels_takes_bounded_memory(tmp_path: Path) -> None:
    script = (
        "import re, sys; from pathlib import Path; sys.path.insert(0, '.')\n"
        "from tests.curation.fusion import test_plan_fusion as t\n"
        "t.fuse_large(Path(sys.argv[1]))\n"
        # not ru_maxrss, which begins with the memory of the process that this one was forked from
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 1200


def fuse_large(folder: Path) -> None:
    """Fuse a photograph of 8000 x 8000 pixels, estimation included."""
    persons(folder / "p", ["a"])
    image = np.full((8000, 8000, 3), 120, np.uint8)
    alpha = cv2.blur(
        cv2.ellipse(np.zeros((8000, 8000), np.uint8), (4000, 6000), (1500, 4000), 0, 0, 360, 255, -1), (9, 9)
    )
    data = write_png(folder / "p/images/a.jpg", image)
    write_png(folder / "p/alphas/a.png", alpha)
    row = {"image": "images/a.jpg", "sha256": sha256(data).hexdigest(), "width": 8000, "height": 8000}
    del image, alpha
    changed = _dataset_with(folder / "p", row)
    data = write_png(folder / "g/images/x.png", np.zeros((1000, 1000, 3), np.uint8))
    size = {"width": 1000, "height": 1000, "sha256": sha256(data).hexdigest()}
    ground = grounds(folder / "g", ["x"], rows={"x": size})
    (folder / "g/images/x.png").write_bytes(data)
    result = fused(changed, ground, folder / "f", rules=FusionRules())
    assert [(row["width"], row["height"]) for row in rows(result)] == [(2048, 2048)]


def _dataset_with(folder: Path, row: dict[str, Any]) -> Dataset:
    kept = {path: path.read_bytes() for path in (folder / "alphas").iterdir()}
    made = persons(folder, ["a"], rows={"a": row})
    for path, data in kept.items():
        path.write_bytes(data)
    return made


def test_nothing_to_fuse_is_refused(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["x"])
    told = FusionSettings(rules=QUICK)
    with pytest.raises(InputRefused, match="no foreground"):
        plan_fusion([grounds(tmp_path / "h", ["y"])], backgrounds=[backs], settings=told)
    with pytest.raises(InputRefused, match="none of the 1 rows is known to show nobody"):
        plan_fusion([fronts], backgrounds=[persons(tmp_path / "q", ["b"])], settings=told)
    with pytest.raises(InputRefused, match="the datasets are empty"):
        plan_fusion([fronts], backgrounds=[grounds(tmp_path / "e", [])], settings=told)


@pytest.mark.parametrize("settings", [{"per_foreground": 0}, {"count": 0}, {"count": -1}, {"max_side": 5}])
def test_numbers_that_make_nothing_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigurationProblem, match="too little"):
        FusionSettings(**settings)  # type: ignore[arg-type]
