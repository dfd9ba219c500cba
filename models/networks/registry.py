"""The networks by name: where each is built, from which paper, and at which size it is usually trained."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from curation.errors import ConfigurationProblem

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Where a network is built, and what a user should know to choose it.

    `builder` names a function `(*, classes: int, with_imagenet: bool, **arguments: str) -> nn.Module` in `module`.
    `input_size` is (height, width) in pixels, as in the source. One that `may_jump` puts values where a maximum lay:
    between equal ones rounding decides, and two runtimes may then differ in a part of a picture.
    """

    module: str
    builder: str
    meaning: str
    source: str
    input_size: tuple[int, int]
    arguments: dict[str, str] = field(default_factory=dict)
    may_jump: bool = False


LIBRARY: Final = "smp"
NETWORKS: Final[dict[str, Network]] = {
    "unet_shufflenet": Network(
        module="models.networks.unet_shufflenet",
        builder="unet_shufflenet",
        meaning="real-time U-Net with a narrow ShuffleNet V2 encoder and a thin decoder at stride 4",
        source="Ronneberger et al. 2015; Ma et al. 2018",
        input_size=(224, 224),
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
        meaning="fully convolutional on ShuffleNet V2 1.0x, dilated to stride 8 instead of skips",
        source="Long et al. 2015; Yu and Koltun 2016; Ma et al. 2018",
        input_size=(224, 224),
    ),
    "portrait_fcn": Network(
        module="models.networks.portrait_fcn",
        builder="portrait_fcn",
        meaning="PortraitFCN+: fcn that also sees x, y and the mean mask of the training set",
        source="Shen et al. 2016; Ma et al. 2018",
        input_size=(800, 600),
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
    ),
    "unet": Network(
        module="models.networks.library",
        builder="library_network",
        arguments={"architecture": "unet", "encoder": "resnet34"},
        meaning="U-Net on ResNet-34",
        source="Ronneberger et al. 2015; He et al. 2016",
        input_size=(512, 512),
    ),
    "deeplabv3plus": Network(
        module="models.networks.library",
        builder="library_network",
        arguments={"architecture": "deeplabv3plus", "encoder": "mobilenet_v2"},
        meaning="DeepLabV3+ on MobileNetV2 dilated to stride 16",
        source="Chen et al. 2018; Sandler et al. 2018",
        input_size=(400, 400),
    ),
    "deeplabv3plus_xception65": Network(
        module="models.networks.library",
        builder="library_network",
        arguments={"architecture": "deeplabv3plus", "encoder": "tu-xception65"},
        meaning="DeepLabV3+ on Xception-65 dilated to stride 16",
        source="Chen et al. 2018",
        input_size=(512, 512),
    ),
    "pspnet": Network(
        module="models.networks.library",
        builder="library_network",
        arguments={"architecture": "pspnet", "encoder": "resnet50"},
        meaning="pyramid pooling on ResNet-50 dilated to stride 8",
        source="Zhao et al. 2017",
        input_size=(472, 472),
    ),
    "segformer": Network(
        module="models.networks.library",
        builder="library_network",
        arguments={"architecture": "segformer", "encoder": "mit_b0"},
        meaning="a transformer at four scales (MiT-B0) with a light decoder",
        source="Xie et al. 2021",
        input_size=(512, 512),
    ),
}


def network_named(name: str) -> Network:
    """Give what is known of a network, or of `smp:ARCHITECTURE:ENCODER`; whether the library has both, building tells.

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
        module="models.networks.library",
        builder="library_network",
        arguments={"architecture": architecture, "encoder": encoder},
        meaning=f"{architecture} on {encoder}",
        source="segmentation_models_pytorch",
        input_size=(512, 512),
    )


def build_network(name: str, *, classes: int = 1, with_imagenet: bool = False) -> nn.Module:
    """Give a network with random weights, or with a backbone that was trained on ImageNet where one is published.

    Its contract: `forward(image)` takes (n, 3, h, w) float32, normalised, of any h and w from 32 pixels on, and gives
    logits (n, classes, h, w); with 1 class the logit of person, with 3 those of background, unknown and foreground.
    A network with auxiliary heads also has `forward_with_auxiliary(image) -> tuple[Tensor, ...]`: the same logits
    first, then those of each head at the size of the image.
    Raises ConfigurationProblem: no such network, no such weights, or no way to fetch them.
    """
    network = network_named(name)
    module: nn.Module = getattr(importlib.import_module(network.module), network.builder)(
        classes=classes, with_imagenet=with_imagenet, **network.arguments
    )
    return module
