"""What enters a dataset: only images that decode, and no word is lost about colours that cannot be read."""

import dataclasses
import os
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import read_quarantine
from curation.images.pixels import decode_image
from curation.labels.source_images import check_original
from curation.operations.find_colours import dataset_colours
from curation.operations.verify import verify
from curation.quarantine import BadRecord
from curation.sources.image_label_folders import plan_pairs
from curation.storage.files import read_file
from pipelines.command_line.options import RunOptions
from pipelines.command_line.verbs import VERBS
from pipelines.datasets.stats import StatsFlags, stats
from pipelines.sources.make_dataset import make_dataset
from tests.curation.images.test_pixels import picture, saved
from tests.curation.sources.test_image_label_folders import build, person, png, put, settings
from tests.icc_profiles import ADOBE_FILE, P3_FILE, SRGB_FILE

MUTATIONS = int(os.environ.get("CURATE_MUTATIONS", "2000")) // 5


def mutated(data: bytes, *, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(2, len(data), rng.integers(1, 4)):
        changed[at] = rng.integers(256)
    return bytes(changed)


def accepts(path: Path, **options: object) -> bool:
    try:
        check_original(path, below=path.parent, **options)  # type: ignore[arg-type]
    except BadRecord:
        return False
    return True


def test_every_damaged_image_that_is_taken_decodes(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    wholes = [
        saved(picture(), "JPEG", quality=90),
        saved(picture(), "JPEG", progressive=True),
        saved(picture(), "PNG"),
        saved(picture(), "WEBP"),
        saved(picture(), "WEBP", lossless=True),
    ]
    taken = by_structure = 0
    for number in range(MUTATIONS):
        path = tmp_path / "image"
        path.write_bytes(mutated(wholes[number % len(wholes)], rng=rng))
        by_structure += accepts(path, verify="structure")
        if accepts(path):
            decode_image(path.read_bytes(), file="a")  # raises, if it does not
            taken += 1
    print(f"{by_structure} of {MUTATIONS} have a sound structure, {taken} of them decode")
    assert MUTATIONS / 10 < taken < 0.9 * by_structure


@pytest.mark.parametrize("verb", ["coco-person", "coco-background", "aifenge", "celebamask", "portrait2000", "pairs"])
def test_every_command_that_takes_images_decodes_them_unless_told_otherwise(verb: str) -> None:
    entry = VERBS[verb]
    flags = get_type_hints(entry.load())["settings"]
    assert {field.name: field.default for field in dataclasses.fields(flags)}["verify"] == "full"


def draw_pairs(folder: Path) -> dict[str, bytes]:
    """Write four pairs: an image without a profile, one with sRGB's, one with that of P3, one with a broken one."""
    profiles = {"none": None, "srgb": SRGB_FILE, "wide": P3_FILE, "broken": b"junk" * 50}
    size = picture().shape[:2]
    images = {f"{name}_jpg": saved(picture(), "JPEG", icc_profile=data) for name, data in profiles.items()}
    put(folder / "images", **images)
    put(folder / "masks", **{f"{name}_png": png(person(size=size)) for name in profiles})
    return images


def test_a_profile_that_cannot_be_used_is_counted_and_told_and_images_go_on_as_they_are(tmp_path: Path) -> None:
    images = draw_pairs(tmp_path)
    dataset, card = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    assert {f"{row['id']}_jpg": dataset.path(row["image"]).read_bytes() for row in dataset.table.to_pylist()} == images
    (line,) = read_quarantine(dataset.folder)
    assert (line.code, line.record_id, Path(line.file).name) == ("COLOUR_PROFILE", "broken", "broken.jpg")
    assert line.reason == "200 bytes that are no ICC profile; the picture is read as sRGB"
    assert (card.counts.selected, card.counts.quarantined, card.records) == (4, {}, {"COLOUR_PROFILE": 1})
    again = make_dataset(plan_pairs(settings(tmp_path)), out=tmp_path / "D", run=RunOptions(workers=0, quiet=True))
    assert again.exit_code == 3


def test_a_dataset_tells_which_of_its_images_are_not_srgb(tmp_path: Path) -> None:
    draw_pairs(tmp_path)
    put(tmp_path / "images", other_png=saved(picture(), icc_profile=ADOBE_FILE), wider_jpg=saved(
        picture(), "JPEG", icc_profile=P3_FILE))  # fmt: skip
    put(tmp_path / "masks", other_png=png(person(size=(48, 64))), wider_png=png(person(size=(48, 64))))
    dataset, _ = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    dataset.path("images/none.jpg").write_bytes(b"<html>")
    found = dataset_colours(dataset, runner=RunnerOptions(workers=0))
    assert found.converted == {"Display P3": 2, "Adobe RGB (1998)": 1}
    assert (found.number_converted, found.broken) == (3, 1)
    assert [record.record_id for record in found.unused] == ["broken"]
    told = stats(StatsFlags(datasets=(tmp_path / "D",), verify=True), run=RunOptions(workers=0, quiet=True))
    assert "3 images are brought to sRGB by their profile: Display P3 (2), Adobe RGB (1998) (1)" in told.summary
    assert "1 images are read as sRGB: their profile cannot be used" in told.summary
    dataset.path("masks/wider.png").unlink()  # the colours of its image are told all the same
    verified = verify(dataset, runner=RunnerOptions(workers=2))
    assert verified.colours == found
    assert [(one.code, one.record_id) for one in verified.problems] == [("CHECKSUM", "none"), ("MISSING_FILE", "wider")]


def test_to_verify_reads_every_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_pairs(tmp_path)
    dataset, _ = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    read: list[Path] = []

    def noting(path: Path, **more: Any) -> bytes:
        read.append(path)
        return read_file(path, **more)

    for module in ("curation.operations.verify", "curation.operations.find_colours"):
        monkeypatch.setattr(f"{module}.read_file", noting)
    assert stats(StatsFlags(datasets=(dataset.folder,), verify=True), run=RunOptions(workers=0)).exit_code == 0
    names = [dataset.path(row[column]) for row in dataset.table.to_pylist() for column in ("image", "mask")]
    assert sorted(read) == sorted(names)
