"""The networks by name: where each is built, from which paper, and at which size it is usually trained."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from curation.errors import ConfigurationProblem
from models.structure import Structure

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Where a network is built, and what a user should know to choose it.

    `builder` names a function `(*, classes: int, with_imagenet: bool, **arguments: str) -> nn.Module` in `module`.
    `input_size` is (height, width) in pixels, as in the source. One that `may_jump` puts values where a maximum lay:
    between equal ones rounding decides, and two runtimes may then differ in a part of a picture. `tapped` is the part
    among whose features an auxiliary head finds those at stride 8; one that `has_heads` has auxiliary heads of its own.
    `encoder` are the parts that can learn to classify.
    One that `is_alpha` is an `AlphaNetwork`: it gives no logits but an alpha of 0..255, and learns from alphas.
    """

    module: str
    builder: str
    meaning: str
    source: str
    input_size: tuple[int, int]
    arguments: dict[str, str] = field(default_factory=dict)
    may_jump: bool = False
    tapped: str = "encoder"
    encoder: tuple[str, ...] = ("encoder",)
    has_heads: bool = False
    is_alpha: bool = False


LIBRARY: Final = "smp"
DEEPLAB_PLUS: Final = "deeplabv3plus"
STRIDES: Final[dict[str, Literal[8, 16]]] = {DEEPLAB_PLUS: 16, "deeplabv3": 8}
"""Output strides of the architectures that have rates."""
RATES: Final = {16: (6, 12, 18), 8: (12, 24, 36)}
"""By output stride: the same distance in the image."""
OF_NETWORKS: Final = {
    "output_stride": "it is of DeepLabV3 and DeepLabV3+",
    "atrous_rates": "they are of DeepLabV3 and DeepLabV3+",
    "dilation": "it is of fcn_dilated",
    "prior": "it is of portrait_fcn",
}
NETWORKS: Final[dict[str, Network]] = {
    "unet_shufflenet": Network(
        module="models.networks.unet_shufflenet",
        builder="unet_shufflenet",
        meaning="real-time U-Net with a narrow ShuffleNet V2 encoder and a thin decoder at stride 4",
        source="Ronneberger et al. 2015; Ma et al. 2018",
        input_size=(224, 224),
        tapped="decoder.1",
    ),
    "deeplab_shufflenet": Network(
        module="models.networks.deeplab_shufflenet",
        builder="deeplab_shufflenet",
        meaning="DeepLabV3+ on ShuffleNet V2 dilated to stride 8, with a simple decoder at stride 2",
        source="Chen et al. 2018; Ma et al. 2018",
        input_size=(224, 224),
    ),
    "enet": Network(
        module="models.networks.enet",
        builder="enet",
        meaning="bottlenecks with dilated and asymmetric convolutions, unpooling by the places of the maxima",
        source="Paszke et al. 2016",
        input_size=(512, 512),
        may_jump=True,
        tapped="context",
        encoder=("initial", "first", "early", "second", "context"),
    ),
    "fcn": Network(
        module="models.networks.fcn",
        builder="fcn",
        meaning="fully convolutional with skips down to stride 8, on ShuffleNet V2 1.0x",
        source="Long et al. 2015; Ma et al. 2018",
        input_size=(224, 224),
    ),
    "fcn_dilated": Network(
        module="models.networks.fcn",
        builder="fcn_dilated",
        meaning="fully convolutional on ShuffleNet V2 1.0x, dilated to stride 8 instead of skips, by constant rates or "
        "by hybrid ones",
        source="Long et al. 2015; Yu and Koltun 2016; Wang et al. 2018; Ma et al. 2018",
        input_size=(224, 224),
    ),
    "portrait_fcn": Network(
        module="models.networks.portrait_fcn",
        builder="portrait_fcn",
        meaning="PortraitFCN+: fcn that also sees x, y and the mean mask of the training set, laid over the frame or "
        "over the face",
        source="Shen et al. 2016; Ma et al. 2018",
        input_size=(800, 600),
        tapped="fcn.encoder",
        encoder=("fcn.encoder",),
    ),
    "sinet": Network(
        module="models.networks.sinet",
        builder="sinet",
        meaning="extremely light: spatial squeeze modules, and a decoder that adds detail only where it is unsure",
        source="Park et al. 2020",
        input_size=(224, 224),
    ),
    "bisenet": Network(
        module="models.networks.bisenet",
        builder="bisenet",
        meaning="a spatial path beside a ResNet-101 context path with attention, and two auxiliary heads",
        source="Yu et al. 2018",
        input_size=(640, 640),
        has_heads=True,
    ),
    "unet": Network(
        module="models.networks.smp_networks",
        builder="library_network",
        arguments={"architecture": "unet", "encoder": "resnet34"},
        meaning="U-Net on ResNet-34",
        source="Ronneberger et al. 2015; He et al. 2016",
        input_size=(512, 512),
    ),
    "deeplabv3plus": Network(
        module="models.networks.smp_networks",
        builder="library_network",
        arguments={"architecture": "deeplabv3plus", "encoder": "mobilenet_v2"},
        meaning="DeepLabV3+ on MobileNetV2, at stride 16 with rates 6, 12, 18 or at stride 8 with 12, 24, 36",
        source="Chen et al. 2018; Sandler et al. 2018",
        input_size=(400, 400),
    ),
    "deeplabv3plus_xception65": Network(
        module="models.networks.smp_networks",
        builder="library_network",
        arguments={"architecture": "deeplabv3plus", "encoder": "tu-xception65"},
        meaning="DeepLabV3+ on Xception-65, strides and rates alike",
        source="Chen et al. 2018",
        input_size=(512, 512),
    ),
    "pspnet": Network(
        module="models.networks.smp_networks",
        builder="library_network",
        arguments={"architecture": "pspnet", "encoder": "resnet50"},
        meaning="pyramid pooling on ResNet-50 dilated to stride 8",
        source="Zhao et al. 2017",
        input_size=(472, 472),
    ),
    "segformer": Network(
        module="models.networks.smp_networks",
        builder="library_network",
        arguments={"architecture": "segformer", "encoder": "mit_b0"},
        meaning="a transformer at four scales (MiT-B0) with a light decoder",
        source="Xie et al. 2021",
        input_size=(512, 512),
    ),
    "shm": Network(
        module="models.networks.alpha.shm",
        builder="shm",
        arguments={"t_net": "pspnet", "width": "64"},
        meaning="alpha: PSPNet finds a trimap, a VGG-16 shaped network mattes it; trained in three stages",
        source="Chen et al. 2018, Semantic Human Matting",
        input_size=(320, 320),
        is_alpha=True,
    ),
    "shm_light": Network(
        module="models.networks.alpha.shm",
        builder="shm",
        arguments={"t_net": "unet_shufflenet", "width": "8"},
        meaning="alpha: shm on unet_shufflenet, with an eighth of the channels, for processors",
        source="Chen et al. 2018, Semantic Human Matting",
        input_size=(320, 320),
        is_alpha=True,
    ),
    "modnet": Network(
        module="models.networks.alpha.modnet",
        builder="modnet",
        meaning="alpha without a trimap: semantic, detail and fusion branch on MobileNetV2",
        source="Ke et al. 2022",
        input_size=(512, 512),
        is_alpha=True,
    ),
}


def network_named(name: str) -> Network:
    """Return what is known of a network, or of `smp:ARCHITECTURE:ENCODER`; whether the library has both, building
    tells.

    Raises ConfigurationProblem that lists the names when there is none.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    library, _, parts = name.partition(":")
    architecture, _, encoder = parts.partition(":")
    if library != LIBRARY or not architecture or not encoder:
        raise ConfigurationProblem(
            f"there is no network {name!r}",
            remedy=f"choose one of: {', '.join(NETWORKS)}; or any of segmentation_models_pytorch as "
            f"{LIBRARY}:ARCHITECTURE:ENCODER, such as {LIBRARY}:unetplusplus:resnet18",
        )
    return Network(
        module="models.networks.smp_networks",
        builder="library_network",
        arguments={"architecture": architecture, "encoder": encoder},
        meaning=f"{architecture} on {encoder}",
        source="segmentation_models_pytorch",
        input_size=(512, 512),
    )


def structure_of(name: str, *, given: Structure) -> Structure:
    """Return the whole structure of a network, where `given` leaves it open as new models have it.

    DeepLabV3+ stands at stride 16 and DeepLabV3 at 8, with rates 6, 12, 18 at stride 16 and 12, 24, 36 at 8, as in the
    source; the dilation is constant, and a prior lies over the frame. Raises ConfigurationProblem for what the network
    has not.
    Source: Chen et al. 2017, Rethinking Atrous Convolution for Semantic Image Segmentation, section 4.1, for the rates.
    """
    usual = _usual(network_named(name))
    for key, value in msgspec.structs.asdict(given).items():
        if value is not None and getattr(usual, key) is None:
            raise ConfigurationProblem(f"{name} has no {key}", remedy=f"leave {key} out; {OF_NETWORKS[key]}")
    if given.output_stride is not None and usual.atrous_rates is not None:
        usual = msgspec.structs.replace(usual, atrous_rates=RATES[given.output_stride])
    return given | usual


def structure_before(name: str, *, told: Structure) -> Structure:
    """Return the structure of a model whose card tells of it, or of a time when cards did not: DeepLabV3+ then had the
    rates of stride 8 at stride 16.
    """
    is_old = told == Structure() and network_named(name).arguments.get("architecture") == DEEPLAB_PLUS
    return Structure(output_stride=16, atrous_rates=RATES[8]) if is_old else told


def _usual(network: Network) -> Structure:
    stride = STRIDES.get(network.arguments.get("architecture", ""))
    if stride is not None:
        return Structure(output_stride=stride, atrous_rates=RATES[stride])
    return {"fcn_dilated": Structure(dilation="constant"), "portrait_fcn": Structure(prior="frame")}.get(
        network.builder, Structure()
    )


def build_network(
    name: str, *, classes: int = 1, with_imagenet: bool = False, structure: Structure | None = None
) -> nn.Module:
    """Return a network with random weights, or with a backbone that was trained on ImageNet where one is published.

    What `structure` leaves open is as `structure_of` says.

    Its contract: `forward(image)` takes (n, 3, h, w) float32, normalised, of any h and w from 32 pixels on, and gives
    logits (n, classes, h, w); with 1 class the logit of person, with 3 those of background, unknown and foreground.
    One whose structure `takes_place` takes the place of the face, (n, 2, 3) float32, as a second argument.
    That of an alpha network is in `models.networks.alpha.alpha_network`.
    A network with auxiliary heads also has `forward_with_auxiliary(image) -> tuple[Tensor, ...]`: the same logits
    first, then those of each head at the size of the image.
    Raises ConfigurationProblem: no such network, no such weights, no way to fetch them, or no such structure of it.
    """
    network = network_named(name)
    whole = structure_of(name, given=structure or Structure())
    own = {name: value for name, value in msgspec.structs.asdict(whole).items() if value is not None}
    module: nn.Module = getattr(importlib.import_module(network.module), network.builder)(
        classes=classes, with_imagenet=with_imagenet, **network.arguments, **own
    )
    return module
