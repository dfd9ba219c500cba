"""A run folder whose network was not trained but built, so that what it predicts is known: person is what is red."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from models.card import ModelCard
from models.networks.catalogue import build_network
from models.prediction.weights import save_model

NETWORK = "unet_shufflenet"
STEEP = 20.0
UNKNOWN = 4.0
"""Above the logits of background and person where red is between 0.3 and 0.7 of the most."""


def write_red_run(folder: Path, *, classes: int, size: tuple[int, int]) -> Path:
    """Write a run folder; `size` is (height, width), which the network takes.

    Every weight is 0 but those on one way through the network: the stem takes the red of every second pixel, its pool
    the largest of those nearby, and the last skip carries that to the head.
    """
    network = build_network(NETWORK, classes=classes)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
        merge = network.decoder[-1]
        network.encoder.conv1[0].weight[0, 0, 1, 1] = 1  # the pixel itself
        merge.project[0].weight[0, 0] = 1
        carried = merge.fuse[0].in_channels - merge.project[0].out_channels  # after what comes from below
        merge.fuse[0].weight[carried, 0, 1, 1] = 1
        merge.fuse[3].weight[0, carried] = 1
        signs = [1.0] if classes == 1 else [-1.0, 0.0, 1.0]
        for index, sign in enumerate(signs):
            network.head.weight[index, 0] = STEEP * sign
            network.head.bias[index] = UNKNOWN if sign == 0 else -STEEP / 2 * sign
    card = ModelCard(
        input_size=size,
        channels="RGB",
        layout="NCHW",
        mean=(0.0, 0.0, 0.0),
        std=(255.0, 255.0, 255.0),
        output="logit" if classes == 1 else "logits",
        person_index=classes - 1,
        network=NETWORK,
        classes=classes,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_model(network, folder=folder, card=card)
    return folder
