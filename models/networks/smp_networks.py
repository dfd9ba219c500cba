"""Networks of segmentation_models_pytorch: any of its architectures, on any of its encoders or of timm's."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

import segmentation_models_pytorch as smp  # type: ignore[import-untyped]
import timm
import torch
from safetensors.torch import load_file
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPModule  # type: ignore[import-untyped]
from torch import Tensor, nn

from curation.errors import ConfigurationProblem
from models.networks.cells import MeanOfCells, PyramidLevel
from models.networks.padding import padded
from models.networks.published_weights import Published, weights_file

ARCHITECTURES: Final = tuple(smp.MODEL_ARCHITECTURES_MAPPING)
TIMM: Final = "tu-"
"""Before the name of a timm model that serves as an encoder."""
SUPERSEDED: Final = "timm-"
"""Before the names of encoders that the library will remove."""
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # As in the paper; the library's own default cuts the encoder off at stride 8 instead of dilating it.
    "pspnet": {"encoder_depth": 5, "output_stride": 8, "upsampling": 8},
    "dpt": {"dynamic_img_size": True},
}
FACTORS: Final = {"dpt": 2}
"""By how much an architecture divides the deepest features further, and needs them to be divisible."""
LEAST_SIDES: Final = {"pan": 256}
"""In pixels, where an architecture halves the deepest features three times more, and is to keep two pixels of them."""
TRIAL_SIZE: Final = (96, 160)
"""No encoder of a fixed size takes this one."""


class LibraryNetwork(nn.Module):
    """Encoder, decoder and head of the library, for images of any size; see `catalogue.build_network`."""

    def __init__(self, network: Any, *, architecture: str) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        self.head = network.segmentation_head
        self.multiple = int(network.encoder.output_stride) * FACTORS.get(architecture, 1)
        self.least = LEAST_SIDES.get(architecture, 1)
        mend(self.decoder)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        height, width = image.shape[-2:]
        features = self.encoder(padded(image, multiple=self.multiple, least=self.least))
        # The encoders of DPT give tokens of the whole image too.
        decoded = self.decoder(*features) if isinstance(features, tuple) else self.decoder(features)
        logits: Tensor = self.head(decoded)
        return logits[..., :height, :width]

    def deepest_features(self, image: Tensor) -> Tensor:
        """Return the deepest features (n, c, h / s, w / s) float of the encoder."""
        features = self.encoder(padded(image, multiple=self.multiple, least=self.least))
        deepest: Tensor = features[0][-1] if isinstance(features, tuple) else features[-1]
        return deepest


def mend(decoder: nn.Module) -> None:
    """Exchange, in a decoder of the library, the layers that cannot be exported or cannot take a batch of one image.

    Pools over uneven cells are not exported; and behind a pool to one pixel, a batch norm has a single value of a
    single image, which has no variance.
    """
    for part in list(decoder.modules()):
        if isinstance(part, PSPModule):
            levels = ((block.pool_size, block.pool[1]) for block in part.blocks)
            part.blocks = nn.ModuleList(PyramidLevel(cells, convolved=convolved) for cells, convolved in levels)
        if isinstance(part, nn.Sequential) and isinstance(part[0], nn.AdaptiveAvgPool2d):
            if part[0].output_size == 1:
                leave_out_norms(part)
            elif isinstance(part[0].output_size, int):
                part[0] = MeanOfCells(part[0].output_size)


def leave_out_norms(part: nn.Module) -> None:
    """Take every batch norm out of a part of a network."""
    for name, layer in list(part.named_children()):
        if isinstance(layer, nn.BatchNorm2d):
            setattr(part, name, nn.Identity())
        else:
            leave_out_norms(layer)


def library_network(
    *,
    architecture: str,
    encoder: str,
    classes: int,
    with_imagenet: bool,
    output_stride: int | None = None,
    atrous_rates: tuple[int, int, int] | None = None,
) -> nn.Module:
    """Return a network of the library, random or with an encoder that was trained on ImageNet.

    Raises ConfigurationProblem: no such architecture or encoder, they do not go together, the encoder takes images of
    one size only, or there are no such weights.
    """
    refuse_unknown(architecture, encoder=encoder)
    file = weights_file(published_encoder(encoder)) if with_imagenet else None
    options = {"encoder_weights": None, **OPTIONS.get(architecture, {})}  # left out, the library fetches weights
    if output_stride is not None:
        options |= {"encoder_output_stride": output_stride, "decoder_atrous_rates": atrous_rates}
    if file is not None and encoder.startswith(TIMM):
        options |= {"encoder_weights": True, "pretrained_cfg_overlay": {"file": str(file)}}
    try:
        made = smp.create_model(architecture, encoder, classes=classes, **options)
        if file is not None and not encoder.startswith(TIMM):
            made.encoder.load_state_dict(load_file(file))
        network = LibraryNetwork(made, architecture=architecture)
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, *TRIAL_SIZE))
    except (KeyError, ValueError, RuntimeError, NotImplementedError, TypeError, AssertionError) as error:
        raise ConfigurationProblem(
            f"{architecture} cannot be built on {encoder}: {error}",
            remedy="choose another encoder or architecture, such as smp:unet:resnet18",
        ) from error
    return network.train()


def refuse_unknown(architecture: str, *, encoder: str) -> None:
    """Raise ConfigurationProblem when the library has no such architecture or encoder, naming those that it has."""
    if architecture not in ARCHITECTURES:
        raise ConfigurationProblem(
            f"segmentation_models_pytorch has no architecture {architecture!r}",
            remedy=f"choose one of: {', '.join(ARCHITECTURES)}",
        )
    is_known = timm.is_model(encoder.removeprefix(TIMM)) if encoder.startswith(TIMM) else encoder in encoder_names()
    if not is_known:
        near = get_close_matches(encoder, encoder_names(), n=5) or encoder_names("resnet")[:3]
        raise ConfigurationProblem(
            f"there is no encoder {encoder!r}",
            remedy=f"such as {', '.join(near)}; `curate models --encoders TEXT` lists those whose name holds TEXT",
        )


def encoder_names(text: str = "") -> list[str]:
    """Return the encoders whose name holds a text: those of the library, then those of timm, which begin with `tu-`.

    >>> encoder_names("xception65")
    ['tu-xception65', 'tu-xception65p']
    """
    own = [name for name in smp.encoders.get_encoder_names() if not name.startswith(SUPERSEDED)]
    return [name for name in (*own, *(TIMM + model for model in timm.list_models())) if text in name]


def published_encoder(name: str) -> Published:
    """Return where the ImageNet weights of an encoder are published. Raises ConfigurationProblem where they are not."""
    if name.startswith(TIMM):
        repository = getattr(timm.get_pretrained_cfg(name.removeprefix(TIMM)), "hf_hub_id", None)
        published = Published(repository=repository) if repository else None
    else:
        settings = smp.encoders.encoders[name]["pretrained_settings"].get("imagenet")
        published = Published(repository=settings["repo_id"], revision=settings["revision"]) if settings else None
    if published is None:
        raise ConfigurationProblem(
            f"no ImageNet weights are published for {name}",
            remedy="choose another encoder, or train it without --weights imagenet",
        )
    return published
