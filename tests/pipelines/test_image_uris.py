"""A data set whose images stay where they are, named by URI, is the one with the images in it, to every command."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

import pipelines as curate
from curation.dataset.card import KEPT
from curation.dataset.dataset import Dataset, read_dataset, write_dataset
from curation.errors import ConfigurationProblem, InputRefused, SecurityRefused
from curation.operations.set_aside import set_aside_samples
from curation.quarantine import BadRecord, Code
from curation.storage.files import named_file, read_file
from curation.storage.image_places import VARIABLE
from labeling.browsing.pictures import pictures_of
from labeling.label_tools.label_studio.push.push import push
from tests.drawn_pictures import jpeg, picture
from tests.labeling.label_tools.label_studio.drawn import client_of, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.pipelines.commands import difference, draw_aifenge, tree

SAMPLES = 8
QUIET: dict[str, Any] = {"workers": 0, "quiet": True}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The root of the photographs, and the same samples with images of their own and by URI, in folders of one name."""
    base = tmp_path_factory.mktemp("both")
    root = draw_aifenge(base / "photos é 100%", samples=SAMPLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"/nowhere, {root}")
        for name, by_uri in (("plain", False), ("uris", True)):
            curate.aifenge(root=root, out=base / name / "people", image_uris=by_uri, **QUIET)
            curate.split(base / name / "people", val=0.25, test=0.25, **QUIET)
    return root, base / "plain/people", base / "uris/people"


@pytest.fixture
def both(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    monkeypatch.setenv(VARIABLE, str(places[0]))
    return read_dataset(places[1]), read_dataset(places[2])


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photographs that may be named."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture(number), quality=90))
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def but_images(dataset: Dataset) -> list[dict[str, Any]]:
    return [row | {"image": None} for row in dataset.table.to_pylist()]


def labels(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if "/" in name and not name.startswith("images/")}


def renamed(folder: Path, *, image: str) -> None:
    """Have the first row of a data set name another image, as whoever wrote it might have."""
    dataset = read_dataset(folder)
    rows = dataset.table.to_pylist()
    rows[0]["image"] = image
    table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
    write_dataset(folder, card=dataset.card, table=table, quarantine=[])


def test_no_image_is_in_it_and_the_rest_is_the_same(
    places: tuple[Path, Path, Path], both: tuple[Dataset, Dataset]
) -> None:
    plain, uris = both
    assert but_images(plain) == but_images(uris)
    assert labels(plain.folder) == labels(uris.folder)
    assert [name for name in tree(uris.folder) if name.startswith("images/")] == ["images/"]
    start = places[0].as_uri().replace("%C3%A9", "é")
    assert all(row["image"].startswith(f"{start}/clip_img/") for row in uris.table.to_pylist())
    for one, other in zip(plain, uris, strict=True):
        assert (one.image == other.image).all()
    found = [curate.stats(one, verify=True, **QUIET).summary for one in both]
    assert found[0].replace("/plain/", "/uris/") == found[1]
    assert "all files sound" in found[1]


def test_a_merge_names_what_its_parts_name_and_reads_no_image(
    both: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, uris = both
    joined = curate.merge(uris, out=tmp_path / "M", where="split == 'train'", **QUIET).dataset
    expected = [row for row in uris.table.to_pylist() if row["split"] == "train"]
    assert joined.table.to_pylist() == expected
    monkeypatch.setenv(VARIABLE, "")
    again = curate.merge(uris, out=tmp_path / "N", where="split == 'train'", **QUIET).dataset
    assert again.table.equals(joined.table)


@pytest.mark.parametrize("form", ["folders", "coco", "voc", "webdataset", "tfrecord"])
def test_a_form_of_another_tool_is_the_same(both: tuple[Dataset, Dataset], tmp_path: Path, form: str) -> None:
    trees = []
    for one in both:
        out = tmp_path / one.folder.parent.name / "F"
        curate.convert(one, to=form, out=out, **QUIET)
        trees.append(tree(out))
        kept = pq.read_table(out / KEPT).drop_columns("origin_image")
        trees[-1][KEPT] = str(kept.replace_schema_metadata(None).to_pylist()).encode()
    assert difference(*trees) == []


def test_what_was_converted_comes_back_with_images_of_its_own(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    plain, uris = both
    curate.convert(uris, to="folders", out=tmp_path / "F", **QUIET)
    back = curate.pairs(images=tmp_path / "F/img", masks=tmp_path / "F/mask", out=tmp_path / "B", **QUIET).dataset
    assert but_images(back) == but_images(plain)
    assert {row["image"] for row in back.table.to_pylist()} == {row["image"] for row in plain.table.to_pylist()}


@pytest.mark.nightly  # it imports torch
def test_a_training_and_its_evaluation_are_the_same_bit_for_bit(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    size = {"network": "unet_shufflenet", "input_size": "32x32", "epochs": 1, "batch_size": 2, "workers": 1}
    weights, metrics = [], []
    for one in both:
        place = tmp_path / one.folder.parent.name
        curate.train(data=one, out=place / "run", **size)
        weights.append(load_file(place / "run/model.safetensors"))
        curate.evaluate(model=place / "run", data=one, split="test", out=place / "scores", workers=0)
        metrics.append(json.loads((place / "scores/metrics.json").read_bytes())["all"])
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert metrics[0] == metrics[1]


def test_a_browser_elsewhere_cannot_open_a_file_of_this_machine(both: tuple[Dataset, Dataset]) -> None:
    refused = pytest.raises(ConfigurationProblem, match="no path behind --image-url")
    with running(FakeServer()) as server, client_of(server.url) as client, refused:
        push(push_of(both[1]), client=client)


def test_browsing_shows_the_photographs_themselves(
    places: tuple[Path, Path, Path], both: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    pictures, broken = pictures_of(both[1], folder=tmp_path / "own", workers=2, progress=lambda _: None)
    assert broken == []
    assert all(path.is_relative_to(places[0]) and path.is_file() for path in pictures.images)


def test_a_close_up_of_the_gallery_shows_the_photograph_itself(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    curate.gallery(both[1], out=tmp_path / "page.html", **QUIET)
    page = (tmp_path / "page.html").read_text()
    shown = {unquote(name) for name in re.findall(r'"image": ?"(\./[^"]*)"', page)}
    found = {(tmp_path / name).resolve() for name in shown}
    assert {path.read_bytes() for path in found} == {read_file(one.folder / one.row["image"]) for one in both[1]}
    assert len(found) == SAMPLES


def test_samples_are_set_aside_and_their_photographs_stay(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    copy = curate.merge(both[1], out=tmp_path / "M", **QUIET).dataset
    first = copy[0]
    problem = BadRecord(Code.PERSON_SEEN, "somebody is there", file="x")
    for _ in range(2):  # once more changes nothing
        set_aside_samples(copy.folder, {first.id: problem}, stage="test")
    assert curate.stats(copy.folder, verify=True, **QUIET).exit_code == 0
    assert read_dataset(copy.folder).table.num_rows == SAMPLES - 1
    assert first.image.ndim == 3


def test_a_photograph_that_changed_is_not_matted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = draw_aifenge(tmp_path / "photos", samples=2)
    monkeypatch.setenv(VARIABLE, str(root))
    made = curate.aifenge(root=root, out=tmp_path / "D", image_uris=True, **QUIET).dataset
    other = jpeg(np.ascontiguousarray(made[1].image[:, ::-1]), quality=90)
    Path(made[0].row["image"].removeprefix("file://")).write_bytes(other)
    found = curate.matte(made, from_masks=True, out=tmp_path / "M", max_quarantine="1", **QUIET)
    assert found.data["counts"]["quarantined"] == {"CHECKSUM": 1}


@pytest.mark.parametrize("name", ["photos, 100 %; é's", "$(id)"])
def test_what_the_refusal_says_to_do_can_be_pasted_into_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "0.jpg").write_bytes(jpeg(picture(0), quality=90))
    monkeypatch.setenv(VARIABLE, "/nowhere")
    with pytest.raises(SecurityRefused) as refused:
        curate.images(root=folder, out=tmp_path / "D", image_uris=True, **QUIET)
    line = refused.value.remedy[refused.value.remedy.index("export") :]
    told = subprocess.run(["bash", "-c", f"{line}; printenv {VARIABLE}"], capture_output=True, text=True, check=True)
    monkeypatch.setenv(VARIABLE, told.stdout.rstrip("\n"))
    assert len(curate.images(root=folder, out=tmp_path / "D", image_uris=True, **QUIET).dataset) == 1


@pytest.mark.parametrize("value", ["photos", "'/photos'", "s3://key:secret@bucket/photos"])
def test_a_place_that_is_none_is_told(photos: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(VARIABLE, f"{value},{photos}")
    with pytest.raises(ConfigurationProblem, match=VARIABLE) as told:
        curate.images(root=photos, out=photos.parent / "D", image_uris=True, **QUIET)
    assert "secret" not in str(told.value)


def test_folders_that_moved_behind_a_link_are_found(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = curate.images(root=photos, out=photos.parent / "D", image_uris=True, **QUIET).dataset
    photos.rename(photos.parent / "moved")
    photos.symlink_to(photos.parent / "moved")
    assert made[0].image.ndim == 3
    monkeypatch.setenv(VARIABLE, str(photos.parent))
    with pytest.raises(InputRefused, match="symbolic link") as told:
        _ = made[0].image
    assert "add the link itself" in told.value.remedy


def test_what_may_be_named_is_said_before_anything_is_made(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/elsewhere,s3://bucket")
    out = photos.parent / "D"
    with pytest.raises(SecurityRefused, match=VARIABLE) as refused:
        curate.images(root=photos, out=out, image_uris=True, **QUIET)
    assert refused.value.where == f"file://{photos}"
    with pytest.raises(SecurityRefused):
        curate.images(root=photos, out=out, image_uris=True, dry_run=True, **QUIET)
    assert f"export {VARIABLE}=/elsewhere,s3://bucket,{photos}" in refused.value.remedy
    assert not (out / "manifest.parquet").exists()
    monkeypatch.setenv(VARIABLE, f"/elsewhere,s3://bucket,{photos}")
    assert len(curate.images(root=photos, out=out, image_uris=True, **QUIET).dataset) == 3


def test_a_photograph_that_changed_or_went_is_named_by_its_uri(photos: Path) -> None:
    out = photos.parent / "D"
    curate.images(root=photos, out=out, image_uris=True, **QUIET)
    (photos / "0.jpg").unlink()
    (photos / "1.jpg").write_bytes(jpeg(picture(9), quality=90))
    found = curate.stats(out, verify=True, **QUIET)
    assert found.data["problems"] == 2
    assert f"MISSING_FILE  file://{photos}/0.jpg: the file does not exist" in found.summary
    assert f"CHECKSUM  file://{photos}/1.jpg: sha256 is" in found.summary


@pytest.mark.parametrize(
    ("image", "error"),
    [
        ("file:///etc/passwd", SecurityRefused),
        ("file:///PHOTOS-of-others/0.jpg", SecurityRefused),
        ("file:///PHOTOS/../secret.jpg", BadRecord),
        ("file:///PHOTOS/%2e%2e/secret.jpg", BadRecord),
        ("file:///PHOTOS/link.jpg", BadRecord),
        ("file:///PHOTOS/links/secret.jpg", BadRecord),
        ("s3://bucket/0.jpg", SecurityRefused),
        ("images/../file:///PHOTOS/0.jpg", BadRecord),
        ("/etc/file:///PHOTOS/0.jpg", BadRecord),
    ],
)
def test_a_manifest_of_a_stranger_reads_nothing_that_was_not_allowed(
    photos: Path, image: str, error: type[Exception]
) -> None:
    out = photos.parent / "D"
    curate.images(root=photos, out=out, image_uris=True, **QUIET)
    others = photos.parent / "photos-of-others"
    others.mkdir()
    for secret in (photos.parent / "secret.jpg", others / "0.jpg"):
        secret.write_bytes(jpeg(picture(0), quality=90))  # the very bytes that the row tells: nothing else refuses them
    (photos / "link.jpg").symlink_to(photos.parent / "secret.jpg")
    (photos / "links").symlink_to(photos.parent)
    renamed(out, image=image.replace("/PHOTOS", str(photos)))
    dataset = read_dataset(out)
    with pytest.raises(error):
        read_file(named_file(out, dataset[0].row["image"]), below=out)
    with pytest.raises(error):
        read_file(named_file(out, dataset[0].row["image"]))


def test_photographs_that_links_lead_to_are_named_where_they_lie(photos: Path) -> None:
    linked = photos.parent / "linked"
    linked.mkdir()
    (linked / "0.jpg").symlink_to(photos / "0.jpg")
    out = photos.parent / "D"
    made = curate.images(root=linked, out=out, image_uris=True, follow_links=[photos], **QUIET).dataset
    assert [row["image"] for row in made.table.to_pylist()] == [f"file://{photos}/0.jpg"]


def test_what_is_encoded_anew_is_a_file_of_the_data_set(photos: Path) -> None:
    from pillow_heif import from_bytes

    image = np.full((64, 64, 3), 90, np.uint8)
    from_bytes("RGB", (64, 64), image.tobytes()).save(photos / "3.heic")
    made = curate.images(root=photos, out=photos.parent / "D", image_uris=True, **QUIET).dataset
    assert [row["image"].partition(":")[0] for row in made.table.to_pylist()] == ["file"] * 3 + ["images/3.png"]
