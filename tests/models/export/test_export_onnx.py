from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import models.export.export_onnx
from curation.errors import ConfigurationProblem, InputRefused
from curation.storage.files import sha256_of
from models.card import read_card
from models.export.export_onnx import (
    Checked,
    Comparison,
    checked_export,
    compared,
    is_published,
    refuse_differences,
)
from models.export.forms import Made, publish
from models.export.pictures import drawn_pictures
from models.networks.catalogue import build_network
from models.prediction.engines import Torch
from models.prediction.onnx_files.to_onnx import onnx_of
from models.prediction.weights import load_network, save_model
from tests.models.small_card import CARD


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network("unet_shufflenet")
    with torch.no_grad():  # so that the batch norms know what is usual
        for _ in range(3):
            network(torch.randn(4, 3, 64, 48))
    folder = tmp_path_factory.mktemp("run")
    save_model(network, folder=folder, card=CARD)
    return folder


@pytest.fixture(scope="module")
def pictures() -> list[Checked]:
    return drawn_pictures(number=2, seed=0)


def perturbed(data: bytes, *, by: float) -> bytes:
    """Return an ONNX model whose last kernel is a little off."""
    model = onnx.load_model_from_string(data)
    kernel = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4][-1]
    kernel.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(kernel) * np.float32(1 + by), kernel.name))
    return model.SerializeToString()


def test_an_export_predicts_what_torch_predicts_for_any_number_of_images(run: Path) -> None:
    network, card = load_network(run)
    data = onnx_of(network, card=card)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for number in (1, 3):
        image = torch.randn(number, 3, 64, 48)
        with torch.no_grad():
            wanted = network(image).numpy()
        (found,) = session.run(None, {"image": image.numpy()})
        assert found.shape == (number, 1, 64, 48)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_an_export_is_one_file_of_standard_operators(run: Path) -> None:
    network, card = load_network(run)
    model = onnx.load_model_from_string(onnx_of(network, card=card))
    onnx.checker.check_model(model)
    assert [(opset.domain, opset.version >= 17) for opset in model.opset_import] == [("", True)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def with_large_logits(folder: Path) -> Path:
    """Write the run of a network whose log-odds are in the thousands, as after a step or two at a high rate."""
    torch.manual_seed(0)
    network = build_network("unet_shufflenet")
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 64, 48))
        network.head.weight.mul_(3e4)
    folder.mkdir()
    save_model(network, folder=folder, card=CARD)
    return folder


def test_log_odds_in_the_thousands_are_judged_by_their_size(pictures: list[Checked], tmp_path: Path) -> None:
    run = with_large_logits(tmp_path / "large")
    network, card = load_network(run)
    with torch.no_grad():
        assert network(torch.randn(1, 3, 64, 48)).abs().max() > 1000
    data, truth = onnx_of(network, card=card), Torch(network)
    for one in compared(data, card=card, reference=truth, pictures=pictures):
        assert one.close == one.images
    wrong = msgspec.structs.replace(card, probe=())
    for one in compared(perturbed(data, by=1e-3), card=wrong, reference=truth, pictures=pictures):
        assert one.close < one.images


def test_both_runtimes_are_compared_and_the_card_tells_the_file(
    run: Path, pictures: list[Checked], tmp_path: Path
) -> None:
    file = tmp_path / "deep" / "unet.onnx"
    made = checked_export(run, file=file, pictures=pictures)
    assert [one.runtime for one in made.comparisons] == ["ONNX Runtime", "OpenVINO"]
    assert all(one.images == 3 and one.probability_off <= 1e-4 and one.miou_off <= 1e-3 for one in made.comparisons)
    assert not file.parent.exists()
    publish(Made(files={".onnx": made.data}, card=made.card), stem=file.with_suffix(""))
    card = read_card(file.with_suffix(".yaml"))
    assert card.sha256 == sha256_of(file.read_bytes())
    assert msgspec.structs.replace(card, sha256=None) == msgspec.structs.replace(
        read_card(run / "model.yaml"), sha256=None
    )
    assert sorted(path.name for path in file.parent.iterdir()) == ["unet.onnx", "unet.yaml"]


@pytest.mark.parametrize(("by", "said"), [(0.5, "does not answer as it did"), (0.003, "does not predict what torch")])
def test_a_perturbed_export_is_refused(
    run: Path, pictures: list[Checked], monkeypatch: pytest.MonkeyPatch, by: float, said: str
) -> None:
    true_export = models.export.export_onnx.onnx_of
    monkeypatch.setattr(
        models.export.export_onnx, "onnx_of", lambda network, card: perturbed(true_export(network, card=card), by=by)
    )
    with pytest.raises(InputRefused, match=said):
        checked_export(run, file=Path("unet.onnx"), pictures=pictures)


@pytest.mark.parametrize(
    ("close", "may_jump", "is_refused"),
    [(8, False, True), (9, False, False), (4, True, True), (5, True, False), (9, True, False)],
)
def test_every_picture_must_be_close_and_most_where_a_network_may_jump(
    close: int, may_jump: bool, is_refused: bool
) -> None:
    one = Comparison(
        runtime="ONNX Runtime",
        images=9,
        close=close,
        probability_off=0.05,
        probability_worst="picture 6",
        miou_off=0.0,
        miou_worst="picture 6",
    )
    refused = pytest.raises(InputRefused, match=r"0\.05 .* on picture 6") if is_refused else contextlib.nullcontext()
    with refused:
        refuse_differences([one], file=Path("unet.onnx"), may_jump=may_jump)


def test_without_a_runtime_nothing_is_published() -> None:
    with pytest.raises(ConfigurationProblem, match="cannot be checked"):
        refuse_differences([], file=Path("unet.onnx"), may_jump=False)


def test_a_finished_export_is_known_an_unfinished_one_is_not_and_another_is_refused(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "unet.onnx"
    assert not is_published(run, file=file)
    made = checked_export(run, file=file, pictures=[])
    publish(Made(files={".onnx": made.data}, card=made.card), stem=file.with_suffix(""))
    assert is_published(run, file=file)
    card = file.with_suffix(".yaml").read_bytes()
    file.with_suffix(".yaml").unlink()
    assert not is_published(run, file=file)
    file.with_suffix(".yaml").write_bytes(card)
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(InputRefused, match="another model under this name"):
        is_published(run, file=file)


def test_a_network_that_onnx_cannot_say_is_refused() -> None:
    class Strange(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svdvals(image)[..., None].mean(dim=1, keepdim=True)

    with pytest.raises(ConfigurationProblem, match="cannot be written as ONNX"):
        onnx_of(Strange(), card=CARD)


def test_drawn_pictures_are_the_same_for_a_seed_and_have_their_person() -> None:
    first, again, other = (drawn_pictures(number=2, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(one.image, two.image) for one, two in zip(first, again))
    assert not np.array_equal(first[0].image, other[0].image)
    for picture in first:
        assert picture.label is not None and picture.label.shape == picture.image.shape[:2]
        assert 0.05 < (picture.label == 255).mean() < 0.9
