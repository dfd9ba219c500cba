"""Strides and rates of dilated convolutions: as the papers have them, as a card says, and as they were before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import onnxruntime
import pytest
import segmentation_models_pytorch as smp
import torch
import yaml
from torch import nn

from curation.errors import ConfigurationProblem, InputRefused
from models.card import ModelCard, card_text, read_card
from models.networks.catalogue import build_network, structure_of
from models.networks.shufflenet import ShuffleUnit
from models.networks.smp_networks import mend
from models.prediction.onnx_files.to_onnx import onnx_of
from models.prediction.weights import load_network, save_model
from models.structure import Structure
from tests.models.small_card import CARD

SMALL = "smp:deeplabv3plus:resnet18"
TOLERANCE = 1e-4
"""Of the largest logit."""


def rates_of(network: Any) -> set[tuple[int, int]]:
    """Return the dilations of the pyramid, which alone lie above 4."""
    found = {module.dilation for module in network.decoder.modules() if isinstance(module, nn.Conv2d)}
    return {rate for rate in found if rate[0] > 4}


@pytest.mark.parametrize(
    ("given", "stride", "rates"),
    [
        (Structure(), 16, (6, 12, 18)),
        (Structure(output_stride=8), 8, (12, 24, 36)),
        (Structure(atrous_rates=(5, 9, 13)), 16, (5, 9, 13)),
    ],
)
def test_deeplab_has_the_rates_of_its_stride(given: Structure, stride: int, rates: tuple[int, int, int]) -> None:
    network: Any = build_network(SMALL, structure=given)
    assert rates_of(network) == {(rate, rate) for rate in rates}
    assert network.encoder(torch.zeros(1, 3, 64, 64))[-1].shape[-1] == 64 // stride
    whole = structure_of(SMALL, given=given)
    assert (whole.output_stride, whole.atrous_rates) == (stride, rates)


def test_a_card_from_before_keeps_the_rates_that_its_weights_learnt_with(tmp_path: Path) -> None:
    """The library's own network, with its own defaults and mended, is what was built then."""
    torch.manual_seed(0)
    before = smp.DeepLabV3Plus("resnet18", encoder_weights=None).eval()
    mend(before.decoder)
    assert rates_of(before) == {(12, 12), (24, 24), (36, 36)}
    old = build_network(SMALL, structure=Structure(output_stride=16, atrous_rates=(12, 24, 36)))
    old.load_state_dict({name.replace("segmentation_head", "head"): t for name, t in before.state_dict().items()})
    card = msgspec.structs.replace(CARD, network=SMALL, structure=Structure())
    save_model(old, folder=tmp_path, card=card)
    assert b"structure" not in (tmp_path / "model.yaml").read_bytes()
    loaded, _ = load_network(tmp_path)
    image = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        assert torch.equal(loaded(image), before(image))


def test_a_card_tells_of_rates_and_they_are_built_again(tmp_path: Path) -> None:
    structure = structure_of(SMALL, given=Structure(output_stride=8))
    network = build_network(SMALL, structure=structure)
    save_model(network, folder=tmp_path, card=msgspec.structs.replace(CARD, network=SMALL, structure=structure))
    card = read_card(tmp_path / "model.yaml")
    assert card.structure == Structure(output_stride=8, atrous_rates=(12, 24, 36))
    assert rates_of(load_network(tmp_path)[0]) == {(12, 12), (24, 24), (36, 36)}
    told = yaml.safe_load(card_text(card))
    told["structure"]["atrous_rates"] = [0, 24, 36]
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(InputRefused, match="three numbers of 1 or more"):
        read_card(tmp_path / "bad.yaml")


def test_hybrid_rates_of_a_stage_leave_no_pixel_out() -> None:
    network: Any = build_network("fcn_dilated", structure=Structure(dilation="hybrid"))

    def rates(stage: nn.Module) -> list[int]:
        units = [unit for unit in stage if isinstance(unit, ShuffleUnit)]  # type: ignore[attr-defined]
        return [max(m.dilation[0] for m in unit.modules() if isinstance(m, nn.Conv2d)) for unit in units]

    assert rates(network.encoder.stage3) == [1, 2, 3, 1, 2, 3, 2, 2]
    assert rates(network.encoder.stage4) == [3, 4, 5, 4]
    constant: Any = build_network("fcn_dilated")
    assert rates(constant.encoder.stage3) == [1, *[2] * 7]
    assert rates(constant.encoder.stage4) == [2, 4, 4, 4]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("enet", Structure(atrous_rates=(1, 2, 3)), "enet has no atrous_rates"),
        ("pspnet", Structure(output_stride=8), "pspnet has no output_stride"),
        (SMALL, Structure(dilation="hybrid"), "has no dilation"),
    ],
)
def test_what_a_network_has_not_is_refused(name: str, given: Structure, said: str) -> None:
    with pytest.raises(ConfigurationProblem, match=said):
        build_network(name, structure=given)


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("deeplabv3plus", Structure()),
        ("deeplabv3plus", Structure(output_stride=8)),
        ("fcn_dilated", Structure(dilation="hybrid")),
    ],
)
def test_exports_give_the_logits_of_torch_as_far_as_their_size_allows(name: str, structure: Structure) -> None:
    torch.manual_seed(0)
    network = build_network(name, structure=structure).eval()
    card = ModelCard(input_size=(64, 96), channels="RGB", layout="NCHW", mean=(0, 0, 0), std=(1, 1, 1), output="logit")
    session = onnxruntime.InferenceSession(onnx_of(network, card=card), providers=["CPUExecutionProvider"])
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = network(image)
    (found,) = session.run(None, {"image": image.numpy()})
    assert float((torch.from_numpy(found) - wanted).abs().max()) < TOLERANCE * float(wanted.abs().max())
