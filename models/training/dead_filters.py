"""How many filters of a network have died in training: they give the same for every image, and are paid for.

A filter has died where the norm of its weights is under a thousandth of the median of its layer, and a scale of a batch
norm where its size is. Weight decay and gradients that stay 0 behind a ReLU bring it about.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

DEAD_SHARE: Final = 1e-3
"""Of the median of the layer."""


def dead_filters(network: nn.Module) -> dict[str, Any]:
    """Return how many filters and scales there are, how many of them have died, and both for each layer by its name."""
    filters = {name: _counted(sizes) for name, sizes in _sizes(network, of_norms=False)}
    scales = {name: _counted(sizes) for name, sizes in _sizes(network, of_norms=True)}
    return {
        "filters": sum(layer["all"] for layer in filters.values()),
        "dead_filters": sum(layer["dead"] for layer in filters.values()),
        "scales": sum(layer["all"] for layer in scales.values()),
        "dead_scales": sum(layer["dead"] for layer in scales.values()),
        "filters_of_layers": filters,
        "scales_of_layers": scales,
    }


def _sizes(network: nn.Module, *, of_norms: bool) -> list[tuple[str, Tensor]]:
    """Return for each convolution the norms of its filters, or for each batch norm the sizes of its scales."""
    if of_norms:
        norms = ((name, m) for name, m in network.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
        return [(name, norm.weight.detach().abs()) for name, norm in norms if norm.weight is not None]
    found = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight.detach()
            if isinstance(module, nn.ConvTranspose2d):  # (in, out / groups, h, w): as (out, in / groups, h, w)
                weight = torch.unflatten(weight, 0, (module.groups, -1)).transpose(1, 2).flatten(0, 1)
            found.append((name, torch.linalg.vector_norm(weight.flatten(1), dim=1)))
    return found


def _counted(sizes: Tensor) -> dict[str, int]:
    """Return how many sizes of a layer there are, and how many of these are dead; where most are 0, those are."""
    middle = sizes.quantile(0.5) if len(sizes) > 1 else sizes[0]
    is_dead = (sizes < DEAD_SHARE * middle) | (sizes == 0)
    return {"all": len(sizes), "dead": int(is_dead.sum())}
