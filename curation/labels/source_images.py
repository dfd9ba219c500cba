"""Source images as they enter a dataset: checked, fingerprinted, linked; HEIC and AVIF alone are encoded anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from curation.images.colours import colour_warning, colours_of
from curation.images.file_kinds import heif_kind
from curation.images.header import ImageHeader, inspect
from curation.images.pixels import decode_image, encode_image
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.short_repr import short_repr
from curation.storage.files import link_or_copy, sha256_of, write_bytes
from curation.storage.followed_links import followed, read_followed
from curation.storage.image_places import uri_of

Verify = Literal["full", "structure"]
"""How closely an image is checked: every pixel is decoded, or its structure alone. A damaged file may have a sound
structure: of JPEG, PNG and WebP files with a few wrong bytes that pass this check, one in four does not decode."""
IMAGES: Final = "images"
STAGE: Final = "check_original"


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """A source image that passed its check: where it came from (see `read_file`), its bytes, header and SHA-256.

    `warning` is the warning about an image that is used nevertheless. With `is_file` the bytes are those of the file
    `source`; else they lay in another one, or were made of it: PNG of HEIC or AVIF.
    """

    source: Path
    below: Path | None
    data: bytes
    header: ImageHeader
    sha256: str
    warning: BadRecord | None = None
    is_file: bool = False

    __repr__ = short_repr

    def lines(self, *, record_id: object) -> tuple[QuarantineRecord, ...]:
        """Return the lines for `quarantine.jsonl` that stand beside the sample of this image."""
        return () if self.warning is None else (self.warning.record(stage=STAGE, record_id=record_id),)


def check_original(
    source: Path,
    *,
    below: Path,
    verify: Verify = "full",
    size: tuple[int, int] | None = None,
    links: Sequence[str] = (),
) -> Original:
    """Read a source image, `below` a folder, and check it: every pixel, or its structure alone.

    Links are followed into the folders `links`.
    `size` is the (height, width) in pixels as displayed that its label claims.
    Raises BadRecord: MISSING_FILE, UNREADABLE, TOO_LARGE, NOT_IMAGE, FORMAT, TRUNCATED, MODE, SIZE_MISMATCH.
    """
    data = read_followed(source, below=below, links=links)
    real, root = followed(source, below=below, links=links)
    found = check_bytes(data, file=str(source), verify=verify, size=size)
    return msgspec.structs.replace(found, source=real, below=root, is_file=found.data is data)


def check_bytes(data: bytes, *, file: str, verify: Verify = "full", size: tuple[int, int] | None = None) -> Original:
    """Check an image that was read, as `check_original` does; `file` is what a message names it by."""
    is_encoded_anew = heif_kind(data) is not None
    if is_encoded_anew:
        data = encode_image(decode_image(data, file=file))
    header = inspect(data, file=file)
    warning = colour_warning(colours_of(data, header=header, file=file), file=file)
    original = Original(
        source=Path(file), below=None, data=data, header=header, sha256=sha256_of(data), warning=warning
    )
    if size is not None:
        check_size(original, size=size)
    if verify == "full" and not is_encoded_anew:
        decode_image(data, file=file)
    return original


def check_size(original: Original, *, size: tuple[int, int]) -> None:
    """Raise BadRecord SIZE_MISMATCH where the image, as displayed, has not the (height, width) of its label."""
    header = original.header
    if size != (header.height, header.width):
        reason = _mismatch(header, size=size)
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=original.source, field="width,height", value=size)


def place_original(original: Original, *, folder: Path, sample_id: str, by_uri: bool = False) -> str:
    """Link, copy or write the checked image to `folder/images/<id><ext>` and give the path relative to `folder`.

    With `by_uri` an image whose file holds its very bytes stays where it is, and its URI is given.
    Raises SecurityRefused where what lies there may not be named (see `uri_of`).
    """
    if by_uri and original.is_file and original.below is not None:
        return uri_of(original.source, below=original.below)
    relative = f"{IMAGES}/{sample_id}{original.header.extension}"
    if original.is_file:
        link_or_copy(original.source, folder / relative, below=original.below, data=original.data)
    else:
        write_bytes(folder / relative, original.data)
    return relative


def _mismatch(header: ImageHeader, *, size: tuple[int, int]) -> str:
    height, width = size
    reason = f"the image is {header.width} x {header.height}, its label {width} x {height} (width x height)"
    if size == (header.stored_height, header.stored_width):
        reason += f"; EXIF orientation {header.orientation} turns the picture, the label is not turned"
    return reason
