"""From the part masks of one face to its person mask, its class map, and the person on white."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.dataset.sample import Item, Outcome, Sample
from curation.images.pixels import Image, Mask, decode_image, decode_mask, encode_gray, encode_image, encode_mask
from curation.labels.label_files import place_labels
from curation.labels.masks import check_mask, person_area
from curation.labels.source_images import Verify, check_original, place_original
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import digest_column
from curation.storage.followed_links import read_followed

ClassMap = NDArray[np.uint8]
"""(height, width): 0 = background, i = the i-th of `PARTS`, counted from 1."""

PARTS: Final = (
    "skin",
    "nose",
    "eye_g",
    "l_eye",
    "r_eye",
    "l_brow",
    "r_brow",
    "l_ear",
    "r_ear",
    "mouth",
    "u_lip",
    "l_lip",
    "hair",
    "hat",
    "ear_r",
    "neck_l",
    "neck",
    "cloth",
)
"""In the order in which they are painted, later ones over earlier ones; part i is class i + 1.

Source: CelebAMask-HQ, face_parsing/Data_preprocessing/g_mask.py; the map depends on this order.
"""


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """An image and the paths of its part masks, all below `root`, or where `links` may lead.

    Without pixels in every `doubtful` part it gets no class map.
    """

    root: str
    image: str
    parts: dict[str, str]
    doubtful: tuple[str, ...] = ()
    group: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceRules:
    """What every row of the source says, and whether pictures of the person on white are made."""

    source: str
    license: str
    with_white: bool
    verify: Verify
    by_uri: bool = False


def take_face(item: Item, folder: Path, *, rules: FaceRules) -> Outcome:
    """Merge the part masks of one face at the size of its image, and link the image.

    Raises BadRecord: whatever is wrong with the image or any part; a face with a broken part has no known outline.
    """
    face: Face = item.payload
    root = Path(face.root)
    parts = {
        part: decode_mask(read_followed(Path(path), below=root, links=face.links), file=path)
        for part, path in face.parts.items()
    }
    small = painted(parts, file=face.image)
    check_mask(person_of(small), file=face.image)
    original = check_original(Path(face.image), below=root, verify=rules.verify, links=face.links)
    classes = enlarged(small, size=(original.header.height, original.header.width), file=face.image)
    mask = person_of(classes)
    empty_parts = [part for part, pixels in parts.items() if not pixels.any()]
    has_classes = not any(part not in parts or part in empty_parts for part in face.doubtful)
    pictures = {"mask": encode_mask(mask)}
    if has_classes:
        pictures["classes"] = encode_gray(classes)
    if rules.with_white:
        pictures["white"] = encode_image(on_white(decode_image(original.data, file=face.image), mask))
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    no_classes = {"classes": None, digest_column("classes"): None}
    paths = dict(placed.paths)
    mask_path = paths.pop("mask")
    extra: dict[str, Any] = {**no_classes, **paths, **placed.digests, "empty_parts": len(empty_parts)}
    sample = Sample(
        id=item.id,
        image=place_original(original, folder=folder, sample_id=item.id, by_uri=rules.by_uri),
        mask=mask_path,
        width=original.header.width,
        height=original.header.height,
        source=rules.source,
        source_id=item.id,
        person_area=person_area(mask),
        group=face.group,
        license=rules.license,
        sha256=original.sha256,
        extra=extra,
    )
    return Outcome(id=item.id, sample=sample, records=original.lines(record_id=item.id))


def painted(parts: Mapping[str, Mask], *, file: str) -> ClassMap:
    """Return the class map that the parts make when they are painted one over the other in the order of `PARTS`.

    Raises BadRecord: SIZE_MISMATCH when the parts have different sizes.

    >>> skin, nose = np.array([[255, 255, 0]], dtype=np.uint8), np.array([[0, 255, 0]], dtype=np.uint8)
    >>> painted({"nose": nose, "skin": skin}, file="0.jpg").tolist()
    [[1, 2, 0]]
    """
    sizes = sorted({part.shape for part in parts.values()})
    if len(sizes) > 1:
        raise BadRecord(Code.SIZE_MISMATCH, f"the part masks have sizes {sizes} (height, width)", file=file)
    classes: ClassMap = np.zeros(sizes[0], dtype=np.uint8)
    for value, part in enumerate(PARTS, start=1):
        if part in parts:
            classes[parts[part] > 0] = value
    return classes


def person_of(classes: ClassMap) -> Mask:
    """Return the person mask: all parts together, hair, hat, jewellery and clothes included.

    >>> person_of(np.array([[0, 1, 18]], dtype=np.uint8)).tolist()
    [[0, 255, 255]]
    """
    return (classes > 0).view(np.uint8) * np.uint8(255)


def enlarged(classes: ClassMap, *, size: tuple[int, int], file: str) -> ClassMap:
    """Return the class map at (height, width) `size`: each pixel takes the class of the nearest one, none is invented.

    At twice the size, as in CelebAMask-HQ, every pixel becomes a block of 2 x 2.
    Raises BadRecord: SIZE_MISMATCH when the proportions differ.

    >>> enlarged(np.array([[0, 7]], dtype=np.uint8), size=(2, 4), file="0.jpg").tolist()
    [[0, 0, 7, 7], [0, 0, 7, 7]]
    """
    (height, width), (small_height, small_width) = size, classes.shape
    if height * small_width != width * small_height:
        reason = f"the image is {width} x {height}, its part masks {small_width} x {small_height} (width x height)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=file)
    rows = (2 * np.arange(height) + 1) * small_height // (2 * height)  # the source pixel under the target's centre
    columns = (2 * np.arange(width) + 1) * small_width // (2 * width)
    return np.ascontiguousarray(classes[rows][:, columns])


def on_white(image: Image, mask: Mask) -> Image:
    """Return the image with white wherever the mask is not the person.

    >>> on_white(np.zeros((1, 2, 3), dtype=np.uint8), np.array([[0, 255]], dtype=np.uint8)).tolist()
    [[[255, 255, 255], [0, 0, 0]]]
    """
    return np.where(mask[..., np.newaxis] > 0, image, np.uint8(255))
