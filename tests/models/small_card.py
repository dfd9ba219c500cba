"""The card of a network so small that tests can afford it."""

from __future__ import annotations

from models.card import ModelCard

CARD = ModelCard(
    input_size=(64, 48),
    channels="RGB",
    layout="NCHW",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    output="logit",
    network="unet_shufflenet",
)
