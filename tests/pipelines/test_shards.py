"""A data set with its labels in shards is the one without: to every command, in every form, after every kill."""

from __future__ import annotations

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

import pipelines as curate
from curation.dataset.card import KEPT
from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import ConfigurationProblem
from curation.images.pixels import decode_mask
from curation.operations.set_aside import set_aside_samples
from curation.quarantine import BadRecord, Code
from curation.storage.files import read_file
from labeling.browsing.fiftyone_dataset import browsed
from labeling.browsing.pictures import pictures_of
from labeling.label_tools.label_studio.project.golden import choose_golden
from labeling.label_tools.label_studio.push.push import push
from pipelines.command_line.cli import curate as cli
from pipelines.command_line.verbs import FUNCTIONS
from tests.labeling.label_tools.label_studio.drawn import client_of, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.pipelines.commands import aifenge_command, count_changes, difference, draw_aifenge, run, tree
from tests.places import REPOSITORY

SAMPLES = 8
LABELS = ("mask", "alpha", "trimap")
KILLED = -9
LEAVES_OPEN = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
"""WebDataset leaves it to the garbage collector to close a tar file."""
QUIET = {"workers": 0, "quiet": True}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """The same samples, their labels in files of their own, and in shards; in folders of one name."""
    base = tmp_path_factory.mktemp("both")
    root = draw_aifenge(base / "aifenge", samples=SAMPLES)
    for name, shards in (("plain", False), ("packed", True)):
        curate.aifenge(root=root, out=base / name / "people", shards=shards, **QUIET)
        curate.split(base / name / "people", val=0.25, test=0.25, **QUIET)
    return read_dataset(base / "plain/people"), read_dataset(base / "packed/people")


def labels_of(dataset: Dataset) -> dict[tuple[str, str], bytes]:
    return {
        (row["id"], column): read_file(dataset.path(row[column]), below=dataset.folder)
        for row in dataset.table.to_pylist()
        for column in LABELS
        if row[column] is not None
    }


def rows_of(dataset: Dataset) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in LABELS} for row in dataset.table.to_pylist()]


def told(folder: Path) -> str:
    """Return a card without what names the parents, the run and the manifest."""
    own = {"run", "parents", "settings", "manifest_sha256"}
    return json.dumps(
        {name: value for name, value in json.loads((folder / "dataset.json").read_bytes()).items() if name not in own}
    )


def test_the_data_sets_are_the_same_but_for_where_labels_lie(both: tuple[Dataset, Dataset]) -> None:
    plain, packed = both
    assert len(labels_of(plain)) == 3 * SAMPLES
    assert labels_of(plain) == labels_of(packed)
    assert rows_of(plain) == rows_of(packed)
    assert len(list(packed.path("labels").iterdir())) == 1
    assert {path.name for path in packed.folder.iterdir() if path.is_dir()} == {"images", "labels"}
    for one, other in zip(plain, packed, strict=True):
        assert all((getattr(one, name) == getattr(other, name)).all() for name in LABELS)


def test_stats_and_verify_say_the_same(both: tuple[Dataset, Dataset]) -> None:
    plain, packed = (curate.stats(one, verify=True, **QUIET) for one in both)
    assert plain.summary.replace("/plain/", "/packed/") == packed.summary
    assert "all files sound" in packed.summary


@pytest.mark.parametrize("prefix", [False, True])
def test_a_merge_or_a_selection_is_the_same_and_can_be_packed_again(
    both: tuple[Dataset, Dataset], tmp_path: Path, prefix: bool
) -> None:
    where = {"where": "split != 'test'", "prefix": prefix}
    made = [curate.merge(one, out=tmp_path / one.folder.parent.name / "M", **where, **QUIET).dataset for one in both]
    assert made[0].table.equals(made[1].table)
    assert difference(*({name: data for name, data in tree(one.folder).items() if "/" in name} for one in made)) == []
    assert told(made[0].folder) == told(made[1].folder)
    again = [
        curate.merge(one, out=tmp_path / one.folder.parent.name / "S", shards=True, **where, **QUIET).dataset
        for one in both
    ]
    assert again[0].table.equals(again[1].table)
    assert tree(again[0].folder)["labels/part-00000.tar"] == tree(again[1].folder)["labels/part-00000.tar"]
    assert labels_of(again[0]) == labels_of(made[0])


def test_two_data_sets_whose_shards_have_the_same_places_are_joined(tmp_path: Path) -> None:
    """The drawn pictures of one number have labels of one size: names of byte ranges are equal, and no collision."""
    folders = []
    for name, prefix in (("one", "1803151818"), ("other", "1803151819")):
        root = draw_aifenge(tmp_path / name, samples=3)
        for path in sorted(root.rglob("*"), reverse=True):
            path.rename(path.with_name(path.name.replace("1803151818", prefix)))
        folders.append(curate.aifenge(root=root, out=tmp_path / f"D-{name}", shards=True, **QUIET).dataset)
    assert folders[0].table["mask"].equals(folders[1].table["mask"])
    joined = curate.merge(folders, out=tmp_path / "M", **QUIET).dataset
    assert labels_of(joined) == labels_of(folders[0]) | labels_of(folders[1])


@pytest.mark.parametrize("form", ["folders", "coco", "voc", "webdataset", "tfrecord"])
def test_a_form_of_another_tool_is_the_same(both: tuple[Dataset, Dataset], tmp_path: Path, form: str) -> None:
    trees = []
    for one in both:
        out = tmp_path / one.folder.parent.name / "F"
        curate.convert(one, to=form, out=out, **QUIET)
        trees.append(tree(out))
        kept = pq.read_table(out / KEPT).replace_schema_metadata(None)
        trees[-1][KEPT] = str(kept.to_pylist()).encode()
    assert difference(*trees) == []


def test_what_was_converted_comes_back_with_its_labels(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    _, packed = both
    curate.convert(packed, to="folders", out=tmp_path / "F", **QUIET)
    flags = {"images": tmp_path / "F/img", "masks": tmp_path / "F/mask"}
    back = curate.pairs(**flags, out=tmp_path / "B", **QUIET).dataset
    assert labels_of(back) == labels_of(packed)
    again = curate.pairs(**flags, out=tmp_path / "S", shards=True, **QUIET).dataset
    assert tree(again.folder)["labels/part-00000.tar"] == tree(packed.folder)["labels/part-00000.tar"]


@pytest.mark.nightly  # it imports torch
def test_a_training_and_its_evaluation_are_the_same_bit_for_bit(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    size = {"network": "unet_shufflenet", "input_size": "32x32", "epochs": 1, "batch_size": 2, "workers": 0}
    weights, scores, metrics = [], [], []
    for one in both:
        place = tmp_path / one.folder.parent.name
        curate.train(data=one, out=place / "run", **size)
        weights.append(load_file(place / "run/model.safetensors"))
        curate.evaluate(model=place / "run", data=one, split="test", out=place / "scores", workers=0)
        scores.append(pq.read_table(place / "scores/scores.parquet").replace_schema_metadata(None))
        metrics.append(json.loads((place / "scores/metrics.json").read_bytes())["all"])
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert scores[0].equals(scores[1])
    assert metrics[0] == metrics[1]


def test_annotators_get_the_same_tasks_and_known_masks(both: tuple[Dataset, Dataset]) -> None:
    pushed = []
    for one in both:
        with running(FakeServer()) as server, client_of(server.url) as client:
            push(push_of(one), client=client)
            pushed.append([{**task, "created_at": ""} for _, task in sorted(server.tasks.items())])
    assert len(pushed[0]) == SAMPLES
    assert json.dumps(pushed[0]).replace("/plain/", "/packed/") == json.dumps(pushed[1])
    golden = [[read_file(known.mask) for known in choose_golden(one, number=3, besides=[], seed=0)] for one in both]
    assert golden[0] == golden[1]


def test_browsing_shows_the_same_pictures_and_makes_them_again_where_the_shard_changed(
    both: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    shown = []
    for one in both:
        pictures, broken = pictures_of(one, folder=tmp_path / "own", workers=2, progress=lambda _: None)
        assert broken == []
        fields = browsed([one], pictures=[pictures]).fields
        shown.append([[Path(name).read_bytes() for name in fields[of].values] for of in ("ground_truth", "alpha")])
        assert all(Path(name).suffix == ".png" for name in fields["alpha"].values)
    assert shown[0] == shown[1]
    made = sorted((tmp_path / "own").rglob("*.png"))
    assert len(made) == 2 * SAMPLES
    times = [path.stat().st_ino for path in made]
    pictures_of(both[1], folder=tmp_path / "own", workers=0, progress=lambda _: None)
    assert [path.stat().st_ino for path in made] == times, "nothing changed"


def test_samples_are_set_aside_with_their_labels(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    trees = []
    for one in both:
        copy = curate.merge(one, out=tmp_path / one.folder.parent.name / "M", shards=one is both[1], **QUIET).dataset
        first = copy[0].id
        problem = BadRecord(Code.PERSON_SEEN, "somebody is there", file="x")
        set_aside_samples(copy.folder, {first: problem}, stage="test")
        set_aside_samples(copy.folder, {first: problem}, stage="test")  # once more changes nothing
        assert curate.stats(copy.folder, verify=True, **QUIET).exit_code == 0
        trees.append({name: data for name, data in tree(copy.folder).items() if name.startswith("set_aside/")})
    assert len(trees[0]) == 4
    assert trees[0] == trees[1]


def test_an_alpha_of_one_image_has_no_shards(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(ConfigurationProblem, match="for a dataset"):
        curate.matte(tmp_path / "photo.jpg", trimap=tmp_path / "t.png", out=tmp_path / "a.png", shards=True)


def test_after_a_kill_while_it_packs_or_tidies_the_next_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    root = draw_aifenge(tmp_path / "R", samples=3)
    command = [*aifenge_command(root, tmp_path / "whole/D", workers=0), "--shards"]
    changes = count_changes(command, process="main", below=tmp_path / "whole/D", counts=tmp_path / "counts")
    whole = tree(tmp_path / "whole/D")
    assert {"labels/part-00000.tar", "manifest.parquet"} <= whole.keys()

    def kill_and_go_on(number: int) -> str:
        out = tmp_path / str(number) / "D"
        killed = run(*aifenge_command(root, out, workers=0), "--shards", plan=f"main:kill:{number}", below=out)
        assert killed.returncode == KILLED, number
        left = "packed" if (out / "labels/part-00000.tar").exists() else "unpacked"
        left = "published" if (out / "manifest.parquet").exists() else left
        curate.aifenge(root=root, out=out, shards=True, **QUIET)
        assert difference(tree(out), whole) == [], number
        return left

    last = range(changes - 29, changes + 1, 4)  # to tidy up takes 9 files, 3 folders, the journal and the lock
    with ThreadPoolExecutor(2) as pool:
        assert {*pool.map(kill_and_go_on, last)} == {"unpacked", "packed", "published"}


@pytest.mark.parametrize("with_webdataset", [False, pytest.param(True, marks=[pytest.mark.nightly, LEAVES_OPEN])])
def test_what_the_page_says_of_shards_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_webdataset: bool
) -> None:
    page = (REPOSITORY / "docs/scale.md").read_text()
    section = page[page.index("## Labels in shards") : page.index("## What is held in memory")]
    draw_aifenge(tmp_path / "aifenge", samples=3)
    monkeypatch.chdir(tmp_path)
    for line in re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL):
        assert cli.main([*shlex.split(line)[1:], "--workers", "0"], standalone_mode=False) == 0
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL):
        if "webdataset" not in block:
            exec(block, found)
        elif with_webdataset:
            exec(block, found)
            first, *_ = [one["mask.png"] for one in found["labels"]]
            assert first == found["mask"]
    sample = read_dataset("portraits")[0]
    assert (decode_mask(found["mask"], file="mask") == sample.mask).all()


def test_the_page_names_every_command_that_has_the_flag() -> None:
    page = (REPOSITORY / "docs/scale.md").read_text()
    said = re.search(r"((?:`[a-z0-9-]+`,?\s(?:and\s)?)+)have the flag", page)
    assert said is not None
    takes = {name for verb, name in FUNCTIONS.items() if "shards" in signature(getattr(curate, verb)).parameters}
    assert set(re.findall(r"`(.*?)`", said[1])) == takes
