"""Parquet data sets of others: whichever columns and ids they have, every row is a sample, or told with its reason."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.dataset.dataset import Dataset, read_quarantine
from curation.errors import ConfigurationProblem, InputRefused
from curation.sources.parquet_data_set import HfSettings, plan_hf
from tests.curation.exchange.drawn_set import encoded, person, photo
from tests.curation.exchange.other_readers import quietly
from tests.curation.sources.test_image_label_folders import build

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(data: bytes | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def write(path: Path, rows: list[dict[str, Any]], *, group: int = 2, **types: pa.DataType) -> Path:
    schema = pa.schema({"image": PICTURE, "mask": PICTURE, **types})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=group)
    return path.parent


def pair(seed: int, name: str | None = None, mask: np.ndarray | None = None) -> dict[str, Any]:
    label = person() if mask is None else mask
    return {"image": picture(encoded(photo(seed), "JPEG"), name), "mask": picture(encoded(label))}


def taken(root: Path, out: Path, **settings: Any) -> tuple[Dataset, Any]:
    return build(plan_hf(HfSettings(root=root, **settings)), out)


def test_rows_are_samples_of_the_split_of_their_file(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root / "data/train-00000-of-00001.parquet", [pair(n, f"a/{n}.jpg") for n in range(5)])
    write(root / "data/validation-00000-of-00001.parquet", [pair(9, "b/9.jpg")])
    dataset, card = taken(root, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == [*(f"a__{n}" for n in range(5)), "b__9"]
    assert dataset.table["split"].to_pylist() == ["train"] * 5 + ["val"]
    assert card.counts.considered == 6
    for number, sample in enumerate(list(dataset)[:5]):
        assert dataset.path(sample.row["image"]).read_bytes() == encoded(photo(number), "JPEG")
        assert np.array_equal(sample.mask, person())


def test_a_data_set_that_the_library_of_hugging_face_wrote(tmp_path: Path) -> None:
    written = library_writes(tmp_path / "set")
    dataset, _ = taken(written, tmp_path / "D", image_column="photo", mask_column="matte")
    assert dataset.table["id"].to_pylist() == ["train-000000", "train-000001"]
    assert np.array_equal(dataset[1].mask, person(with_hole=True))


@quietly  # type: ignore[arg-type]
def library_writes(folder: Path) -> Path:
    import datasets

    folder.mkdir()
    features = datasets.Features(
        {"photo": datasets.Image(), "matte": datasets.Image(), "text": datasets.Value("string")}
    )
    rows = {"photo": [photo(1), photo(2)], "matte": [person(), person(with_hole=True)], "text": ["a", "b"]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(folder / "train.parquet"))
    return folder


def test_ids_come_from_their_column_and_none_is_taken_twice(tmp_path: Path) -> None:
    rows = [pair(n) | {"id": f"{n // 2}"} for n in range(3)] + [pair(3) | {"id": "../out"}]
    root = write(tmp_path / "set/x.parquet", rows, id=pa.string())
    dataset, card = taken(root, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["..__out", "1"]
    assert card.counts.quarantined == {"DUP_ID": 2}
    assert not (tmp_path / "out").exists()
    assert card.counts.considered == 4


def test_one_name_in_two_files_gives_two_samples(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / f"set/{split}.parquet", [pair(len(split), "0001.jpg")])
    dataset, _ = taken(tmp_path / "set", tmp_path / "D")
    assert len(dataset) == 2
    assert set(dataset.table["split"].to_pylist()) == {"train", "test"}


def test_every_defect_has_its_code_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = {
        "good": pair(0),
        "no_label": pair(1) | {"mask": None},
        "no_image": {"image": None, "mask": picture(encoded(person()))},
        "path_alone": {"image": picture(None, "elsewhere.jpg"), "mask": picture(encoded(person()))},
        "leads_out": {"image": picture(None, "../../secret.jpg"), "mask": picture(encoded(person()))},
        "cut": {"image": picture(encoded(photo(2), "JPEG")[:200]), "mask": picture(encoded(person()))},
        "size": pair(3, mask=person(size=(20, 20))),
        "values": pair(4, mask=np.where(person() > 0, np.uint8(7), np.uint8(3))),
    }
    root = write(tmp_path / "set/x.parquet", [row | {"id": name} for name, row in rows.items()], id=pa.string())
    dataset, card = taken(root, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["good"]
    codes = {record.record_id: str(record.code) for record in read_quarantine(tmp_path / "D")}
    assert codes == {
        "no_label": "NO_MASK",
        "no_image": "MISSING_FILE",
        "path_alone": "MISSING_FILE",
        "leads_out": "PATH_ESCAPE",
        "cut": "TRUNCATED",
        "size": "SIZE_MISMATCH",
        "values": "MASK_VALUES",
    }
    assert card.counts.considered == 8


def test_files_that_rows_name_are_read_beside_them(tmp_path: Path) -> None:
    root = write(tmp_path / "set/x.parquet", [{"image": picture(None, "a.png"), "mask": picture(encoded(person()))}])
    (root / "a.png").write_bytes(encoded(photo(1)))
    dataset, _ = taken(root, tmp_path / "D")
    assert np.array_equal(dataset["a"].image, photo(1))


def test_class_numbers_and_alphas_are_read_as_they_are_said_to_be(tmp_path: Path) -> None:
    classes = np.where(person() > 0, np.uint8(15), np.uint8(0))
    classes[0, :5] = 255
    root = write(tmp_path / "voc/x.parquet", [pair(1, "a.jpg", mask=classes)])
    dataset, _ = taken(root, tmp_path / "D", person_value="15")
    assert np.array_equal(dataset["a"].mask, person())
    assert dataset["a"].row["ignore"] == "ignores/a.png"
    with pytest.raises(InputRefused, match=r"holds the person's value, 12; they hold .*15 \(in 1\)"):
        plan_hf(HfSettings(root=root, person_value="12"))
    alpha = np.where(person() > 0, np.arange(24, dtype=np.uint8)[:, None] * 2 + 200, np.uint8(0)).astype(np.uint8)
    root = write(tmp_path / "alpha/x.parquet", [pair(1, "a.jpg", mask=alpha)])
    dataset, _ = taken(root, tmp_path / "E", alpha_column="mask")
    assert np.array_equal(dataset["a"].alpha, alpha)


def test_what_rows_say_counts_however_texts_are_stored(tmp_path: Path) -> None:
    """Polars writes large strings, pandas' categories are dictionaries; `testing` in a file `train` is no `train`."""
    said = {"train": "train", "Validation": "val", "testing": "test", "dev": "val", "holdout": None, "": "train"}
    rows = [pair(n) | {"id": f"{n}", "split": word, "license": "CC BY"} for n, word in enumerate(said)]
    kinds = (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.string_view())
    for number, kind in enumerate(kinds):
        root = write(tmp_path / f"{number}/train.parquet", rows, id=pa.large_string(), split=kind, license=kind)
        dataset, card = taken(root, tmp_path / f"D{number}")
        assert dataset.table["split"].to_pylist() == list(said.values()), kind
        assert set(dataset.table["license"].to_pylist()) == {"CC BY"}
        assert [line for line in card.notes["told"] if "'holdout' 1" in line and "no split" in line]


def test_a_heic_becomes_png(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(PIL.Image.fromarray(photo(1))).save(stream, quality=-1)
    root = write(tmp_path / "set/x.parquet", [pair(1, "a.heic") | {"image": picture(stream.getvalue(), "a.heic")}])
    dataset, _ = taken(root, tmp_path / "D")
    assert dataset["a"].row["image"] == "images/a.png"
    assert np.abs(dataset["a"].image.astype(int) - photo(1)).mean() < 8


def test_a_label_that_lies_as_the_image_is_stored_is_found(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:30, 6:20] = 255
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # half a turn: the sizes do not tell
    stream = io.BytesIO()
    PIL.Image.fromarray(np.repeat(mask[..., None], 3, axis=2)).save(stream, "JPEG", quality=95, exif=exif)
    turned = {"image": picture(stream.getvalue(), "a.jpg"), "mask": picture(encoded(mask))}
    root = write(tmp_path / "set/x.parquet", [turned])
    _, card = taken(root, tmp_path / "D")
    assert card.counts.quarantined == {"LABEL_FRAME": 1}
    dataset, _ = taken(root, tmp_path / "E", label_frame="stored")
    assert np.array_equal(dataset["a"].mask, mask[::-1, ::-1])


def test_a_matte_of_nobody_is_a_mask_that_says_so(tmp_path: Path) -> None:
    root = write(tmp_path / "set/x.parquet", [pair(1, "a.jpg", mask=np.zeros_like(person()))])
    dataset, _ = taken(root, tmp_path / "D", alpha_column="mask")
    assert dataset["a"].row["persons"] == 0


def test_what_is_no_such_data_set_is_refused_with_what_there_is(tmp_path: Path) -> None:
    root = tmp_path / "set"
    with pytest.raises(InputRefused, match="no such folder"):
        plan_hf(HfSettings(root=root))
    root.mkdir()
    with pytest.raises(InputRefused, match=r"no \.parquet file"):
        plan_hf(HfSettings(root=root))
    (root / "x.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(InputRefused, match="damaged"):
        plan_hf(HfSettings(root=root))
    pq.write_table(pa.table({"text": ["a"], "number": [1]}), root / "x.parquet")
    with pytest.raises(InputRefused, match=r"there are text \(string\), number"):
        plan_hf(HfSettings(root=root))
    write(root / "x.parquet", [pair(1)])
    with pytest.raises(InputRefused, match="'other' is not there"):
        plan_hf(HfSettings(root=root, mask_column="other"))
    with pytest.raises(ConfigurationProblem):
        plan_hf(HfSettings(root=root, mask_column="mask", alpha_column="mask"))
    with pytest.raises(ConfigurationProblem):
        plan_hf(HfSettings(root=root, alpha_column="mask", person_value="1"))
    pq.write_table(pa.table({"image": [b"x"]}), root / "y.parquet")
    with pytest.raises(InputRefused, match="has not the columns"):
        plan_hf(HfSettings(root=root))
