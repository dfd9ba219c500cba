from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from curation.errors import ConfigurationProblem, InputRefused
from models.card import EXPORTED, read_card
from models.export.exported import exported_files
from models.export.forms import (
    Exported,
    Made,
    exported_as,
    is_published,
    publish,
    refuse_neighbours,
    refuse_strangers,
    stem_of,
    with_record,
)
from tests.models.small_card import CARD

WANTED = Exported(form="ncnn", of="a" * 64)
FILES = {".param": b"graph", ".bin": b"numbers"}


def published(stem: Path, *, wanted: Exported = WANTED) -> Path:
    files = dict(FILES)
    publish(Made(files=files, card=with_record(CARD, wanted=wanted, files=files, cost={"parameters": 7})), stem=stem)
    return stem


@pytest.mark.parametrize("out", ["unet", "unet.param", "unet.bin"])
def test_a_form_of_two_files_is_named_by_either_or_by_their_stem(out: str) -> None:
    assert stem_of(Path("phone") / out, form="ncnn") == Path("phone/unet")


@pytest.mark.parametrize(("out", "form"), [("unet", "onnx"), ("unet.tflite", "onnx"), ("unet.onnx", "tflite")])
def test_a_form_of_one_file_is_named_with_its_ending(out: str, form: str) -> None:
    with pytest.raises(ConfigurationProblem, match="does not end in"):
        stem_of(Path(out), form=form)  # type: ignore[arg-type]


def test_the_ending_of_another_form_is_refused() -> None:
    with pytest.raises(ConfigurationProblem, match="not the name of a file of --to openvino"):
        stem_of(Path("unet.param"), form="openvino")


def test_an_export_is_known_again_by_what_it_was_made_of(tmp_path: Path) -> None:
    stem = tmp_path / "deep" / "unet.v2"
    assert not is_published(WANTED, stem=stem)
    published(stem)
    assert sorted(path.name for path in stem.parent.iterdir()) == ["unet.v2.bin", "unet.v2.param", "unet.v2.yaml"]
    assert is_published(WANTED, stem=stem)
    for other in (Exported(form="ncnn", of="b" * 64), Exported(form="ncnn", of="a" * 64, calibrated_on="c" * 64)):
        with pytest.raises(InputRefused, match="another model under this name"):
            is_published(other, stem=stem)


def test_an_export_that_was_stopped_or_changed_is_not_taken_for_whole(tmp_path: Path) -> None:
    stem = published(tmp_path / "unet")
    card = tmp_path / "unet.yaml"
    text = card.read_bytes()
    card.unlink()
    assert not is_published(WANTED, stem=stem)  # the card is written last
    card.write_bytes(text)
    (tmp_path / "unet.bin").write_bytes(b"other numbers")
    with pytest.raises(InputRefused, match="another model under this name"):
        is_published(WANTED, stem=stem)
    with pytest.raises(InputRefused, match="not the file that the card was written for"):
        exported_files(tmp_path / "unet.param")


def test_no_card_is_replaced_by_that_of_another_form(tmp_path: Path) -> None:
    (tmp_path / "unet.onnx").touch()
    with pytest.raises(InputRefused, match="a model of another form has this name"):
        refuse_neighbours(tmp_path / "unet", form="ncnn")
    refuse_neighbours(tmp_path / "unet", form="onnx")
    (tmp_path / "frozen.pb").touch()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    for name in ("frozen", "saved"):
        with pytest.raises(InputRefused, match="a model of another form has this name"):
            refuse_neighbours(tmp_path / name, form="onnx")


def test_a_file_without_a_card_is_replaced_only_by_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "unet.param").write_bytes(FILES[".param"])
    refuse_strangers(FILES, stem=tmp_path / "unet")  # as an export leaves it that is stopped before its second file
    (tmp_path / "unet.bin").write_bytes(b"of somebody else")
    with pytest.raises(InputRefused, match="another file under this name, without a card") as refused:
        refuse_strangers(FILES, stem=tmp_path / "unet")
    assert refused.value.where == str(tmp_path / "unet.bin") and "--overwrite" in refused.value.remedy
    (tmp_path / "folder.param").mkdir()
    with pytest.raises(InputRefused, match="another file under this name"):
        refuse_strangers(FILES, stem=tmp_path / "folder")


def test_an_export_is_opened_by_any_of_its_files_and_tells_its_cost(tmp_path: Path) -> None:
    published(tmp_path / "unet")
    for name in ("unet.param", "unet.bin"):
        found = exported_files(tmp_path / name)
        assert found is not None and found.files == FILES and found.record.cost == {"parameters": 7}
        assert found.card.probe == () and found.card.sha256 == found.record.files[".param"]
        assert found.card.is_of_curate and not msgspec.structs.replace(found.card, sha256=None).is_of_curate
    assert exported_files(tmp_path / "unet.onnx") is None
    assert exported_files(tmp_path / "nothing.bin") is None


def test_a_card_that_no_export_wrote_is_told(tmp_path: Path) -> None:
    published(tmp_path / "unet")
    card = tmp_path / "unet.yaml"
    card.write_text("\n".join(line for line in card.read_text().splitlines() if "form: ncnn" not in line))
    assert exported_as(read_card(card)) is None and EXPORTED in read_card(card).training
    with pytest.raises(InputRefused, match="the card is not that of a ncnn file"):
        exported_files(tmp_path / "unet.param")
