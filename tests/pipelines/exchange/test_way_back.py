"""What `curate convert` wrote comes back as the rows and bytes that it was; what another tool changed, as changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import InputRefused, SecurityRefused
from curation.exchange.restore import Reading, label_beside, restored
from curation.sources.image_label_folders import PairsSettings, plan_pairs
from pipelines.command_line.options import Result, RunOptions
from pipelines.exchange.convert import ConvertFlags, convert
from pipelines.exchange.hf import HfFlags, hf
from pipelines.sources.coco_person import CocoPersonFlags, coco_person
from pipelines.sources.pairs import PairsFlags, pairs
from tests.curation.exchange.drawn_set import draw_set, encoded, photo
from tests.places import REAL_DATA

RUN = RunOptions(workers=0, quiet=True)
ENCODED_ANEW = {"turned", "ink", "deep"}
REAL = REAL_DATA / "data"


def back_from_coco(folder: Path, out: Path) -> Result:
    files = tuple(sorted((folder / "annotations").glob("instances*.json")))
    images = (folder / "images",) * len(files)
    flags = CocoPersonFlags(annotations=files, images=images, min_area=0, crowd="ignore", out=out)
    return coco_person(flags, run=RUN)


def back_from_voc(folder: Path, out: Path) -> Result:
    flags = PairsFlags(images=folder / "JPEGImages", masks=folder / "SegmentationClass", person_value="15", out=out)
    return pairs(flags, run=RUN)


def back_from_folders(folder: Path, out: Path) -> Result:
    return pairs(PairsFlags(images=folder / "img", masks=folder / "mask", out=out), run=RUN)


def back_from_hf(folder: Path, out: Path) -> Result:
    return hf(HfFlags(root=folder, out=out), run=RUN)


BACK: dict[str, Callable[[Path, Path], Result]] = {
    "coco": back_from_coco,
    "voc": back_from_voc,
    "folders": back_from_folders,
    "hf": back_from_hf,
}


def converted(dataset: Dataset, form: str, out: Path) -> Path:
    result = convert(ConvertFlags(dataset=dataset.folder, to=form, out=out), run=RUN)  # type: ignore[arg-type]
    assert result.exit_code == 0
    return out


def test_what_is_done_says_so_and_names_the_way_back(dataset: Dataset, tmp_path: Path) -> None:
    """Who repaired a broken sample, and runs the command again, sees that nothing was done."""
    for form, way in (("hf", "curate hf --root"), ("webdataset", "no command reads this form")):
        flags = ConvertFlags(dataset=dataset.folder, to=form, out=tmp_path / form)  # type: ignore[arg-type]
        first, again = (convert(flags, run=RUN) for _ in range(2))
        told = [line for line in again.summary.splitlines() if line not in first.summary]
        assert told == ["  nothing to do: this was converted before; --overwrite does it again"]
        assert (first.data["is_new"], again.data["is_new"]) == (True, False)
        assert first.summary.splitlines()[-1].startswith(f"  back in: {way}")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_set(tmp_path_factory.mktemp("drawn") / "D")


@pytest.mark.parametrize("form", BACK)
def test_rows_and_bytes_come_back_as_they_were(form: str, dataset: Dataset, tmp_path: Path) -> None:
    result = BACK[form](converted(dataset, form, tmp_path / "there"), tmp_path / "back")
    assert result.exit_code == 0, result.summary
    back = result.dataset
    lost = {"coco": {"nobody", "unlabelled é"}, "hf": set()}.get(form, {"unlabelled é"})
    assert set(dataset.table["id"].to_pylist()) - set(back.table["id"].to_pylist()) == lost
    assert result.data["counts"]["filtered"] == {"coco": {"no_person": 1}, "hf": {}}.get(form, {"unlabelled": 1})
    assert back.card.notes["classes"] == dataset.card.notes["classes"]
    for sample in back:
        was = dataset[sample.id]
        names = {"image", "sha256"} if sample.id in ENCODED_ANEW else set()
        assert {n: v for n, v in sample.row.items() if n not in names} == {
            n: v for n, v in was.row.items() if n not in names
        }
        for column in ("mask", "alpha", "trimap", "ignore", "classes", *(() if names else ("image",))):
            if was.row[column] is not None:
                there, here = back.path(sample.row[column]), dataset.path(was.row[column])
                assert there.read_bytes() == here.read_bytes(), (sample.id, column)
        assert np.array_equal(sample.image, was.image), sample.id
    assert {str(kind) for kind in back.table.schema.types} == {str(kind) for kind in dataset.table.schema.types}


@pytest.mark.parametrize("form", ["voc", "folders", "coco"])
def test_a_mask_that_another_tool_changed_is_the_next_label_version(
    form: str, dataset: Dataset, tmp_path: Path
) -> None:
    there = converted(dataset, form, tmp_path / "there")
    drawn = np.zeros((24, 32), np.uint8)
    drawn[2:20, 2:30] = 1
    if form == "coco":
        file = there / "annotations/instances_test.json"  # "soft" is the one sample of the split test
        told = json.loads(file.read_text())
        told["annotations"][0]["segmentation"] = [[2, 2, 30, 2, 30, 20, 2, 20]]
        file.write_text(json.dumps(told))
    elif form == "voc":
        (there / "SegmentationClass/soft.png").write_bytes(encoded(drawn * 15))
    else:
        (there / "mask/soft.png").write_bytes(encoded(drawn * 255))
    back = BACK[form](there, tmp_path / "back").dataset
    row, was = back["soft"].row, dataset["soft"].row
    assert np.array_equal(back["soft"].mask, drawn * 255)
    assert row["label_version"] == was["label_version"] + 1
    assert row["person_area"] == pytest.approx(drawn.sum() / drawn.size)
    assert row["alpha"] is None and row["trimap"] is None  # they show the old outline
    kept = ("split", "group", "license", "source", "source_id", "miou", "parts", "is_hard", "note")
    assert {name: row[name] for name in kept} == {name: was[name] for name in kept}
    other = back["holes"].row
    assert {name: other[name] for name in dataset.table.column_names} == dataset["holes"].row


@pytest.mark.parametrize("form", ["folders", "hf"])
def test_masks_that_another_program_encoded_keep_their_bytes(form: str, tmp_path: Path) -> None:
    dataset = draw_set(tmp_path / "D", encode=encoded)
    back = BACK[form](converted(dataset, form, tmp_path / "there"), tmp_path / "back").dataset
    assert back["holes"].row == dataset["holes"].row
    path = dataset["holes"].row["mask"]
    assert back.path(path).read_bytes() == dataset.path(path).read_bytes()


def test_what_a_person_asks_for_stands_in_every_row(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "folders", tmp_path / "there")
    flags = PairsFlags(images=there / "img", masks=there / "mask", split="test", license="CC0", out=tmp_path / "back")
    back = pairs(flags, run=RUN).dataset
    assert set(back.table["split"].to_pylist()) == {"test"}
    assert set(back.table["license"].to_pylist()) == {"CC0"}
    assert back["holes"].row["note"] == dataset["holes"].row["note"]


def test_alphas_are_read_as_alphas_where_that_is_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "folders", tmp_path / "there")
    flags = PairsFlags(images=there / "img", alphas=there / "alpha", out=tmp_path / "back")
    back = pairs(flags, run=RUN).dataset
    assert np.array_equal(back["soft"].alpha, dataset["soft"].alpha)
    kept = ("split", "group", "license", "note", "label_version")
    assert {name: back["soft"].row[name] for name in kept} == {name: dataset["soft"].row[name] for name in kept}


def test_an_image_that_is_another_is_imported_as_any_and_said_so(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "folders", tmp_path / "there")
    (there / "img/holes.jpg").unlink()
    (there / "img/holes.jpg").write_bytes(encoded(photo(99), "JPEG"))
    result = back_from_folders(there, tmp_path / "back")
    assert result.exit_code == 3
    assert result.data["records"] == {"CHECKSUM": 1}
    assert result.dataset["holes"].row["note"] is None
    assert result.dataset["x.1"].row["note"] == dataset["x.1"].row["note"]


def test_a_label_beside_that_is_not_what_it_was_sets_its_sample_aside(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "voc", tmp_path / "there")
    (there / "alphas/soft.png").write_bytes(encoded(np.zeros((24, 32), np.uint8)))
    (there / "classes/parts.png").unlink()
    result = back_from_voc(there, tmp_path / "back")
    assert result.exit_code == 3
    assert result.data["counts"]["quarantined"] == {"CHECKSUM": 1, "MISSING_FILE": 1}


def test_kept_rows_whose_paths_lead_out_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "folders", tmp_path / "there")
    table = pq.read_table(there / "curate.parquet")
    paths = ["../../out.png" if path else None for path in table["origin_mask"].to_pylist()]
    place = table.column_names.index("origin_mask")
    pq.write_table(table.set_column(place, "origin_mask", [paths]), there / "curate.parquet")
    with pytest.raises(SecurityRefused):
        back_from_folders(there, tmp_path / "back")


def test_kept_rows_that_are_damaged_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "folders", tmp_path / "there")
    data = (there / "curate.parquet").read_bytes()
    (there / "curate.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputRefused, match="damaged, or not written by `curate convert`"):
        back_from_folders(there, tmp_path / "back")
    pq.write_table(dataset.table, there / "curate.parquet")
    with pytest.raises(InputRefused, match="not written by `curate convert`"):
        back_from_folders(there, tmp_path / "back")


def test_two_files_that_claim_one_kept_row_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "folders", tmp_path / "there")
    plan = plan_pairs(PairsSettings(images=there / "img", masks=there / "mask"))
    reading = Reading(image=lambda _: b"", mask=lambda _: None, label=label_beside)
    with pytest.raises(InputRefused, match="two files claim the id 'holes'"):
        restored(plan, folders=[there], reading=reading, find=lambda item, kept: "holes")


@pytest.mark.real
@pytest.mark.nightly
@pytest.mark.skipif(not (REAL / "portraits").is_dir(), reason=f"no real portraits in {REAL}")
@pytest.mark.parametrize("form", BACK)
def test_real_persons_and_portraits_come_back_as_they_were(form: str, tmp_path: Path) -> None:
    coco = REAL / "coco"
    annotations, images = (coco / "annotations/instances_train2017.json",), (coco / "train2017",)
    coco_person(CocoPersonFlags(annotations=annotations, images=images, out=tmp_path / "persons"), run=RUN)
    portraits = REAL / "portraits"
    flags = PairsFlags(images=portraits / "images", masks=portraits / "masks", fit=True, out=tmp_path / "portraits")
    pairs(flags, run=RUN)
    for name, number in (("persons", 78), ("portraits", 200)):
        dataset = read_dataset(tmp_path / name)
        assert len(dataset) == number
        back = BACK[form](converted(dataset, form, tmp_path / f"{name}-there"), tmp_path / f"{name}-back").dataset
        assert back.table.equals(dataset.table)
        for column in ("image", "mask"):
            assert all(
                back.path(path).read_bytes() == dataset.path(path).read_bytes()
                for path in dataset.table[column].to_pylist()
            )


def test_a_picture_of_a_palette_is_what_voc_tools_open(dataset: Dataset, tmp_path: Path) -> None:
    there = converted(dataset, "voc", tmp_path / "there")
    with PIL.Image.open(there / "SegmentationClass/holes.png") as opened:
        colours = np.asarray(opened.convert("RGB")).reshape(-1, 3)
    assert {tuple(colour) for colour in colours.tolist()} == {(0, 0, 0), (192, 128, 128)}
