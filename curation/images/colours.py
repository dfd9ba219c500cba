"""What the values of a picture mean as colours, and how they become sRGB: the one door to littlecms.

The rules, for every picture, and for no label:
- an embedded ICC profile says what the values mean: they are brought to sRGB by it, relative colorimetric with black
  point compensation, as Adobe's programs do by default. Profiles of cameras and displays are a matrix and curves, for
  which the perceptual intent of the browsers is the same thing; colours that sRGB lacks are cut at its border;
- a profile that is sRGB, whatever its name, changes nothing: values stay as they are stored, to the bit;
- a profile that cannot be used is reported, and the values are read as sRGB. So are those of files without a profile,
  also where EXIF says Adobe RGB (DCF option files) or a PNG has gAMA, cHRM or cICP.
Source: ICC.1:2022, section 6.2.3 (intents); Adobe, "Adobe Systems' Implementation of Black Point Compensation" (2006);
IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curation.images.colour_profiles import embedded_profile, profile_problem
from curation.images.file_kinds import heif_kind
from curation.images.header import ImageHeader, inspect
from curation.quarantine import BadRecord, Code, printable

if TYPE_CHECKING:
    import PIL.ImageCms

SAME_WITHIN: Final = 2
"""Of 255. Profiles of sRGB by a dozen makers give the values of a grid back within 1; of 50 others none is under 9."""
LEAST_SPREAD: Final = 64
"""Of 255. A profile that makes nearly one colour of all is damaged, or meant to do harm."""
GRID: Final[dict[str, int]] = {"L": 256, "RGB": 17, "CMYK": 5}
"""So many values of each channel are looked at to tell what a profile does."""
PROFILES_KEPT: Final = 32
"""A photograph by a camera shares its profile with thousands; to make a transform takes some 10 ms, from inks 150."""
PIXELS_AT_ONCE: Final = 1 << 18
"""Pillow keeps 4 bytes a pixel: a strip of them stays in the processor's cache."""
NAME_LENGTH: Final = 80

Space = Literal["L", "RGB", "CMYK"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Colours:
    """What the values of one picture mean.

    `name` is that of the profile, empty if there is none. `problem` says why it cannot be used. `is_converted` tells
    that `to_srgb` changes values of this picture.
    """

    name: str = ""
    problem: str = ""
    space: Space = "RGB"
    transform: PIL.ImageCms.ImageCmsTransform | None = None

    @property
    def is_converted(self) -> bool:
        """Tell whether the values are others in sRGB than they are stored."""
        return self.transform is not None

    def to_srgb(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return values as sRGB, (height, width, 3) uint8.

        `values` are (height, width, 3) RGB, of a gray picture with three equal channels, or (height, width, 4) ink,
        255 = full.
        """
        if self.transform is None:
            return values
        if (
            self.space == "L"
        ):  # made without shortcuts: those of littlecms are 9 levels off in the dark of a linear curve
            table = _applied(self.transform, _grid("L"), space="L")[0]
            return np.asarray(table[values[..., 0]], np.uint8)
        height, width = values.shape[:2]
        converted = np.empty((height, width, 3), np.uint8)
        rows = max(1, PIXELS_AT_ONCE // width)
        for y in range(0, height, rows):
            converted[y : y + rows] = _applied(self.transform, values[y : y + rows], space=self.space)
        return converted


SRGB: Final = Colours()


def colours_of(data: bytes, *, header: ImageHeader, file: str) -> Colours:
    """Return what the values of an image file mean that `inspect` found whole."""
    profile = embedded_profile(data, header=header, file=file)
    if profile.problem:
        return Colours(problem=profile.problem)
    return _colours(profile.data) if profile.data else SRGB


def profile_colours(profile: bytes) -> Colours:
    """Return what the RGB values of a picture mean by an ICC profile."""
    problem = profile_problem(profile, mode="RGB")
    return Colours(problem=problem) if problem else _colours(profile)


def file_colours(data: bytes, *, file: str) -> Colours:
    """Return what the values of any image file mean, of those that are decoded to sRGB nothing more.

    Raises BadRecord as `inspect`.
    """
    if heif_kind(data) is not None:
        return SRGB
    return colours_of(data, header=inspect(data, file=file), file=file)


def colour_warning(colours: Colours, *, file: object) -> BadRecord | None:
    """Return the warning about a picture whose profile cannot be used; the picture itself is sound."""
    if not colours.problem:
        return None
    return BadRecord(Code.COLOUR_PROFILE, f"{colours.problem}; the picture is read as sRGB", file=file)


@lru_cache(maxsize=PROFILES_KEPT)
def _colours(profile: bytes) -> Colours:
    """Return how a profile is used: a transform, or none where it is sRGB or cannot be used."""
    import PIL.ImageCms  # only here: most files have no profile

    spaces: dict[bytes, Space] = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
    space = spaces[profile[16:20]]
    try:
        opened = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = PIL.ImageCms.buildTransform(
            opened,
            PIL.ImageCms.createProfile("sRGB"),
            space,
            "RGB",
            PIL.ImageCms.Intent.RELATIVE_COLORIMETRIC,
            PIL.ImageCms.Flags.BLACKPOINTCOMPENSATION | (PIL.ImageCms.Flags.NOOPTIMIZE if space == "L" else 0),
        )
        name = printable(opened.profile.profile_description or "unnamed")[:NAME_LENGTH].strip()
        values = _grid(space)
        seen = _applied(transform, values, space=space)
    except (
        OSError,
        ValueError,
        ImportError,
        PIL.ImageCms.PyCMSError,
    ) as error:  # ImportError: Pillow without littlecms
        return Colours(problem=f"littlecms cannot use the profile: {error}")
    if int(np.ptp(seen)) < LEAST_SPREAD:
        return Colours(name=name, problem=f"the profile {name!r} makes nearly one colour of all")
    if space != "CMYK" and int(np.abs(seen.astype(int) - values.reshape(*seen.shape[:2], -1)).max()) <= SAME_WITHIN:
        return Colours(name=name)
    return Colours(name=name, space=space, transform=transform)


def _grid(space: Space) -> NDArray[np.uint8]:
    """Return one row of values that cover a space evenly, (1, n) for gray, else (1, n, channels)."""
    steps = np.linspace(0, 255, GRID[space]).round().astype(np.uint8)
    if space == "L":
        return steps[None]
    axes = np.meshgrid(*[steps] * len(space), indexing="ij")
    return np.stack(axes, axis=-1).reshape(1, -1, len(space))


def _applied(
    transform: PIL.ImageCms.ImageCmsTransform, values: NDArray[np.uint8], *, space: Space
) -> NDArray[np.uint8]:
    import PIL.Image

    size = (values.shape[1], values.shape[0])
    picture = PIL.Image.frombuffer(space, size, np.ascontiguousarray(values).tobytes(), "raw", space, 0, 1)
    return np.asarray(transform.apply(picture), np.uint8)
