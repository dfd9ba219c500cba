"""What may differ between two networks of one name beside their classes: strides and rates of dilated convolutions, and
where a prior lies."""

from __future__ import annotations

from typing import Literal

import msgspec


class Structure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a network is built; None is what its name stands for.

    `output_stride` is that of the deepest features of DeepLabV3 and DeepLabV3+, `atrous_rates` those of the three
    dilated convolutions of their pyramid. `dilation` is of `fcn_dilated`: one rate for all units of a stage, or rates
    that differ from unit to unit. `prior` is of `portrait_fcn`: it lies over the frame, or over the face,
    whose place the network then takes beside the image.
    """

    output_stride: Literal[8, 16] | None = None
    atrous_rates: tuple[int, int, int] | None = None
    dilation: Literal["constant", "hybrid"] | None = None
    prior: Literal["frame", "face"] | None = None

    def __post_init__(self) -> None:
        """Refuse rates with which nothing can be convolved."""
        if self.atrous_rates is not None and min(self.atrous_rates) < 1:
            raise ValueError(f"atrous_rates must be three numbers of 1 or more - got {list(self.atrous_rates)}")

    @property
    def takes_place(self) -> bool:
        """Tell whether the network takes the place of a face beside the image, see `models.faces.places`."""
        return self.prior == "face"

    def __or__(self, other: Structure) -> Structure:
        """Return this structure, and what the other says where this one says nothing."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(other, **own)
