"""The table of networks: what it counts, what it says of this machine, and what it refuses."""

from __future__ import annotations

import json

import pytest
from torchvision.models import resnet18

from curation.errors import ConfigurationProblem
from models.networks import compare_networks as overview
from models.networks.catalogue import NETWORKS
from pipelines.command_line.options import Result, RunOptions
from pipelines.training.models import ModelsFlags, models, size_of
from tests.pipelines.commands import run

ONE = ("unet_shufflenet",)


def listed(**flags: object) -> Result:
    return models(ModelsFlags(**flags), run=RunOptions(quiet=True))  # type: ignore[arg-type]


def test_every_network_is_listed_with_its_meaning_and_source() -> None:
    result = listed(no_latency=True, size="32x32")
    assert [network["name"] for network in result.data["networks"]] == list(NETWORKS)
    for name, known in NETWORKS.items():
        assert f"  {name} " in result.summary
        assert f"{known.meaning} ({known.source})" in result.summary


def test_cost_grows_with_the_image_and_parameters_do_not() -> None:
    (small,) = listed(network=ONE, no_latency=True, size="64x64").data["networks"]
    (large,) = listed(network=ONE, no_latency=True, size="128x192").data["networks"]
    assert large["parameters"] == small["parameters"]
    assert large["multiply_adds"] == 6 * small["multiply_adds"]


def test_an_encoder_of_the_library_adds_what_torchvision_counts() -> None:
    (network,) = listed(network=("smp:unet:resnet18",), no_latency=True, size="64x64").data["networks"]
    encoder = sum(parameter.numel() for name, parameter in resnet18().named_parameters() if not name.startswith("fc."))
    assert encoder < network["parameters"] < 1.5 * encoder


def test_time_is_measured_and_its_machine_is_named() -> None:
    result = listed(network=ONE, size="32x32")
    (network,) = result.data["networks"]
    assert 0 < network["milliseconds"] < 10_000
    assert result.data["latency_on"].startswith("torch ")
    assert "1 thread of " in result.summary


def test_without_latency_none_is_said() -> None:
    result = listed(network=ONE, no_latency=True, size="32x32")
    assert result.data["networks"][0]["milliseconds"] is None
    assert result.data["latency_on"] is None
    assert "thread" not in result.summary


@pytest.mark.parametrize("busy", [True, False])
def test_a_busy_machine_is_told_of(monkeypatch: pytest.MonkeyPatch, busy: bool) -> None:
    monkeypatch.setattr(overview, "is_busy", lambda: busy)
    assert bool(listed(network=ONE, size="32x32").warnings) is busy
    assert listed(network=ONE, size="32x32", no_latency=True).warnings == ()


def test_encoders_are_listed_by_a_part_of_their_name() -> None:
    result = listed(encoders="mobilenet_v2")
    assert "mobilenet_v2" in result.data["encoders"]
    assert "unetplusplus" in result.summary


@pytest.mark.parametrize("text", ["", "224", "224x", "224 x 224", "31x64", "64x31", "-64x64", "64x64x3"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationProblem, match="is not a size"):
        size_of(text)


def test_height_comes_first() -> None:
    assert size_of("320x240") == (320, 240)


def test_an_unknown_network_ends_with_the_exit_code_of_a_configuration() -> None:
    done = run("models", "--network", "nosuch", "--json")
    assert done.returncode == 7
    told = json.loads(done.stdout)
    assert "nosuch" in told["error"] and "unet_shufflenet" in told["remedy"]
