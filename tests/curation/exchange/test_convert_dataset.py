"""A conversion that was stopped goes on, what is broken is set aside and counted, and nothing foreign is touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.errors import InputRefused, SecurityRefused
from curation.exchange import convert_dataset as module
from curation.exchange.convert_dataset import ConvertOptions, convert_dataset
from curation.exchange.converted_folder import KEPT, Told, read_kept
from curation.exchange.form import Form
from pipelines.exchange.convert import ConvertFlags, _form_of
from tests.curation.exchange.drawn_set import draw_set, encoded, photo
from tests.pipelines.commands import count_changes, difference, run, spread, tree

FORMS = ("coco", "voc", "folders", "tfrecord", "webdataset", "hf")


def form_of(dataset: Dataset, name: str) -> Form:
    flags = ConvertFlags(dataset=dataset.folder, to=name, out=Path("x"), shard_samples=2)  # type: ignore[arg-type]
    return _form_of(flags, dataset=dataset)


def write(dataset: Dataset, form: str, out: Path, *, limit: int | None = None, **options: object) -> Told:
    how = ConvertOptions(runner=RunnerOptions(workers=0), **options)  # type: ignore[arg-type]
    return convert_dataset(dataset, form=form_of(dataset, form), limit=limit, out=out, options=how)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return draw_set(tmp_path / "D")


@pytest.mark.parametrize("form", FORMS)
def test_a_run_that_is_stopped_goes_on_behind_what_is_done(
    form: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dataset, form, tmp_path / "unbroken")
    looked_at: list[str] = []
    whole = module.read_travelling

    def stopping(row: dict[str, str], **more: object) -> object:
        if len(looked_at) == 7:
            looked_at.append("stopped")
            raise KeyboardInterrupt
        looked_at.append(row["id"])
        return whole(row, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_travelling", stopping)
    with pytest.raises(KeyboardInterrupt):
        write(dataset, form, tmp_path / "stopped")
    assert not (tmp_path / "stopped" / KEPT).exists()
    write(dataset, form, tmp_path / "stopped")
    assert difference(tree(tmp_path / "stopped"), tree(tmp_path / "unbroken")) == []
    assert len(looked_at) - 8 < len(dataset)
    looked_at.clear()
    write(dataset, form, tmp_path / "stopped")
    assert looked_at == []  # it is done


def test_broken_samples_are_set_aside_with_their_reason_and_the_rest_is_there(dataset: Dataset, tmp_path: Path) -> None:
    dataset.path("masks/x.1.png").write_bytes(encoded(photo(3)[..., 0]))
    dataset.path("images/web.webp").unlink()
    for form in FORMS:
        told = write(dataset, form, tmp_path / form)
        assert told.counts.considered == len(dataset)
        assert told.counts.selected == len(dataset) - 2
        assert told.counts.quarantined == {"CHECKSUM": 1, "MISSING_FILE": 1}
        records = {record.record_id: record for record in read_quarantine(tmp_path / form)}
        assert set(records) == {"x.1", "web"}
        assert records["x.1"].file == str(dataset.path("masks/x.1.png"))
        assert set(read_kept(tmp_path / form / KEPT)[1]["id"].to_pylist()).isdisjoint(records)


def test_more_broken_than_allowed_is_refused_and_what_was_repaired_is_taken(dataset: Dataset, tmp_path: Path) -> None:
    path = dataset.path("masks/x.1.png")
    sound = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(InputRefused, match="1 inputs are broken, 0 are allowed"):
        write(dataset, "hf", tmp_path / "out", max_quarantine="0")
    path.write_bytes(sound)
    assert write(dataset, "hf", tmp_path / "out", max_quarantine="0").counts.selected == len(dataset)


def test_what_is_there_already_is_kept_refused_or_replaced(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(dataset, "voc", out)
    before = tree(out)
    write(dataset, "voc", out)
    assert tree(out) == before
    with pytest.raises(InputRefused, match="holds drawn as voc"):
        write(dataset, "coco", out)
    write(dataset, "coco", out, overwrite=True)
    assert (out / "annotations").is_dir()
    assert not (out / "JPEGImages").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["D", "out"]
    with pytest.raises(InputRefused, match="is no data set that was converted"):
        write(dataset, "coco", foreign(tmp_path / "foreign"))
    with pytest.raises(InputRefused, match="inside the data set"):
        write(dataset, "coco", dataset.folder / "coco")
    with pytest.raises(InputRefused, match="is read"):
        write(dataset, "coco", dataset.folder, overwrite=True)


def foreign(folder: Path) -> Path:
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    return folder


def test_a_limit_is_counted(dataset: Dataset, tmp_path: Path) -> None:
    told = write(dataset, "coco", tmp_path / "out", limit=3)
    assert told.counts.filtered == {"limit": len(dataset) - 3}
    assert sum(told.sets.values()) == 3


def test_a_data_set_whose_ids_lead_out_is_never_converted(dataset: Dataset) -> None:
    tamper(dataset.folder)  # such an id would be the name of a member of a tar
    with pytest.raises(SecurityRefused):
        read_dataset(dataset.folder)


def test_a_data_set_whose_paths_lead_out_gives_nothing_from_outside(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(dataset.path("images/gray.png").read_bytes())
    tamper(dataset.folder, column="image", text="../secret.png")
    told = write(read_dataset(dataset.folder), "webdataset", tmp_path / "out")
    assert told.counts.quarantined == {"PATH_ESCAPE": 1}


def tamper(folder: Path, *, column: str = "id", text: str = "../../out") -> None:
    """Give one sample an id or a path that leads out of a folder, in a manifest that its card vouches for."""
    table = pq.read_table(folder / "manifest.parquet")
    values = pa.array([text, *table[column].to_pylist()[1:]])
    pq.write_table(table.set_column(table.column_names.index(column), column, values), folder / "manifest.parquet")
    card = json.loads((folder / "dataset.json").read_text())
    card["manifest_sha256"] = hashlib.sha256((folder / "manifest.parquet").read_bytes()).hexdigest()
    (folder / "dataset.json").write_text(json.dumps(card))


@pytest.mark.nightly
@pytest.mark.parametrize("form", ["coco", "hf"])
def test_after_a_kill_at_any_point_the_next_run_ends_with_the_same_bytes(
    form: str, dataset: Dataset, tmp_path: Path
) -> None:
    def command(out: Path) -> list[object]:
        return ["convert", dataset.folder, "--to", form, "--out", out, "--workers", 0, "--shard-samples", 2]

    unbroken = tmp_path / "unbroken" / "X"
    changes = count_changes(command(unbroken), process="main", below=unbroken, counts=tmp_path / "counts")
    for point in spread(changes, number=12):
        out = tmp_path / str(point) / "X"
        run(*command(out), plan=f"main:kill:{point}", below=out)
        assert run(*command(out)).returncode == 0
        assert difference(tree(out), tree(unbroken)) == [], point
