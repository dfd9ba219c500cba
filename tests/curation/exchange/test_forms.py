"""Every form holds every sample, to the pixel, as the library that others read it with shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from curation.dataset.dataset import Dataset
from curation.exchange.convert_dataset import ConvertOptions, convert_dataset
from curation.exchange.converted_folder import Told
from curation.sources.coco import PersonSelection, plan_persons
from curation.sources.image_label_folders import PairsSettings, plan_pairs
from pipelines.command_line.options import RunOptions
from pipelines.exchange.convert import ConvertFlags, _form_of
from tests.curation.exchange.drawn_set import SPLIT_SAMPLES, draw_set
from tests.curation.exchange.other_readers import READERS, Seen
from tests.curation.sources.test_image_label_folders import build
from tests.pipelines.commands import tree
from tests.places import REAL_DATA

ENCODED_ANEW = {"turned", "ink", "deep"}
"""Images that readers show in different ways; of WebP there are forms whose readers do not decode it."""
SHARD = 2
REAL = REAL_DATA / "data"


def written(dataset: Dataset, form: str, out: Path, *, workers: int = 0, png: bool = False) -> Told:
    flags = ConvertFlags(dataset=dataset.folder, to=form, out=out, shard_samples=SHARD, png=png)  # type: ignore[arg-type]
    options = ConvertOptions(runner=RunOptions(workers=workers).runner)
    return convert_dataset(dataset, form=_form_of(flags, dataset=dataset), limit=None, out=out, options=options)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_set(tmp_path_factory.mktemp("drawn") / "D")


@pytest.fixture(scope="module")
def seen(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Seen]]:
    base = tmp_path_factory.mktemp("forms")
    found = {}
    for form, read in READERS.items():
        told = written(dataset, form, base / form)
        assert told.counts.selected == len(dataset)
        assert told.turned == len(ENCODED_ANEW) + (form in {"tfrecord", "webdataset"})
        found[form] = read(base / form)
    return found


@pytest.mark.parametrize("form", READERS)
def test_another_library_sees_every_sample_with_its_mask_to_the_pixel(
    form: str, dataset: Dataset, seen: Mapping[str, dict[str, Seen]]
) -> None:
    assert set(seen[form]) == set(dataset.table["id"].to_pylist())
    for sample in dataset:
        found = seen[form][sample.id]
        assert (found.mask is None) == (sample.mask is None), sample.id
        assert sample.mask is None or np.array_equal(found.mask, sample.mask), sample.id
        assert found.image.shape == (*sample.image.shape[:2], 3), sample.id


@pytest.mark.parametrize("form", READERS)
def test_another_library_sees_the_image_as_it_is_shown(
    form: str, dataset: Dataset, seen: Mapping[str, dict[str, Seen]]
) -> None:
    for sample in dataset:  # none of them has a colour profile, so that every decoder shows the same
        difference = np.abs(seen[form][sample.id].image.astype(int) - sample.image)
        assert difference.max() <= 1, sample.id


@pytest.mark.parametrize("form", READERS)
def test_splits_are_kept_and_what_is_not_labelled_is_apart(
    form: str, dataset: Dataset, seen: Mapping[str, dict[str, Seen]]
) -> None:
    for id_, found in seen[form].items():
        expected = "unlabelled" if id_.startswith("unlabelled") else SPLIT_SAMPLES.get(id_, "unassigned")
        assert found.set == expected, id_


@pytest.mark.parametrize("form", ["coco", "voc", "tfrecord", "webdataset", "hf"])
def test_pixels_that_are_not_labelled_are_told_as_the_form_tells_them(
    form: str, seen: Mapping[str, dict[str, Seen]]
) -> None:
    expected = np.zeros((24, 32), bool)
    expected[:3, :4] = True
    ignored = seen[form]["crowded"].ignored
    assert ignored is not None
    assert np.array_equal(ignored > 0, expected)


@pytest.mark.parametrize("form", ["folders", "tfrecord", "webdataset", "hf"])
def test_soft_labels_travel(form: str, dataset: Dataset, seen: Mapping[str, dict[str, Seen]]) -> None:
    found = seen[form]["soft"].alpha
    assert found is not None
    assert np.array_equal(found, dataset["soft"].alpha)


@pytest.mark.parametrize("form", READERS)
def test_the_bytes_do_not_depend_on_the_number_of_workers(form: str, dataset: Dataset, tmp_path: Path) -> None:
    if form == "coco":  # starting processes takes seconds
        written(dataset, form, tmp_path / "a", workers=2)
    else:
        written(dataset, form, tmp_path / "a")
    written(dataset, form, tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_png_images_where_they_are_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    told = written(dataset, "folders", tmp_path / "a", png=True)
    assert told.turned == len(dataset) - 1  # one is a PNG already
    assert {path.suffix for path in (tmp_path / "a/img").iterdir()} == {".png"}
    found = READERS["folders"](tmp_path / "a")
    assert all(np.array_equal(found[sample.id].image, sample.image) for sample in dataset)


@pytest.mark.real
@pytest.mark.nightly
@pytest.mark.skipif(not (REAL / "portraits").is_dir(), reason=f"no real portraits in {REAL}")
@pytest.mark.parametrize("form", READERS)
def test_another_library_sees_real_persons_and_portraits_to_the_pixel(form: str, tmp_path: Path) -> None:
    coco = PersonSelection(
        annotations=(REAL / "coco/annotations/instances_train2017.json",), images=(REAL / "coco/train2017",)
    )
    masks = PairsSettings(images=REAL / "portraits/images", masks=REAL / "portraits/masks", fit=True)
    for name, plan, number in (("persons", plan_persons(coco), 78), ("portraits", plan_pairs(masks), 200)):
        dataset, _ = build(plan, tmp_path / name)
        written(dataset, form, tmp_path / f"{name}-there")
        found = READERS[form](tmp_path / f"{name}-there")
        assert len(found) == len(dataset) == number
        for sample in dataset:
            assert np.array_equal(found[sample.id].mask, sample.mask), sample.id
            with PIL.Image.open(dataset.path(sample.row["image"])) as stored:  # colours as they are stored
                assert np.array_equal(found[sample.id].image, np.asarray(stored.convert("RGB"))), sample.id
