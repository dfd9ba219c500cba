"""Cut-outs at the scale of hair, beside the plain mask of the same model: sheets to look at.

`CURATE_BENCH_SHEET=FILE.png python -m tests.bench cutouts` writes FILE-p3m.png and FILE-eg1800.png. Neither is of
photographs that may be passed on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.images.pixels import Image, Mask, decode_image, encode_image
from curation.labels.masks import mask_of
from curation.photos.backdrop import Backdrop, laid_on
from models.prediction.edges import Predicted, edged_alpha
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from tests.bench.measuring import say
from tests.places import REAL_DATA

MODEL: Final = REAL_DATA / "models" / "selfie_general.onnx"
SHOWN: Final = 12
SIDE_PX: Final = 260
"""Of a tile, at the scale of the photograph."""
UPPER: Final = 0.4
"""Share of a person in which hair is looked for; a convention."""
BEHIND: Final = Backdrop(colour=(0, 177, 64))
GAP_PX: Final = 4


def bench() -> None:
    """Write a sheet of each set."""
    named = os.environ.get("CURATE_BENCH_SHEET")
    if named is None or not MODEL.exists():
        say("\nCut-outs: set CURATE_BENCH_SHEET=FILE.png, with real data in $CURATE_REAL_DATA")
        return
    for name in ("p3m", "eg1800"):
        file = Path(named).with_stem(f"{Path(named).stem}-{name}")
        file.write_bytes(encode_image(sheet(REAL_DATA / "data" / name / "images")))
        say(f"\n{file}: photograph, plain mask, cut-out with --edge matting")


def sheet(folder: Path) -> Image:
    """Return a row for two photographs of a folder: each with the plain mask and the cut-out beside it."""
    files = sorted(folder.iterdir())
    chosen = [files[int(index)] for index in np.linspace(0, len(files) - 1, min(SHOWN, len(files)))]
    model = prepare(MODEL, options=EngineOptions(workers=1))
    predictor = model.predictor(threads=1)
    rows = []
    for file in chosen:
        image = decode_image(file.read_bytes(), file=file.name)
        predicted = Predicted(probability=predictor.predict([image])[0])
        mask = mask_of(predicted.probability, specks=False)
        alpha, notes = edged_alpha(image, predicted, model=model, edge="matting", file=file.name)
        for note in notes:
            say(f"  {file.name}: {note}")
        tiles = [image, laid_on(image, alpha=mask, backdrop=BEHIND), laid_on(image, alpha=alpha, backdrop=BEHIND)]
        place = around_hair(mask)
        rows.append(np.hstack([np.pad(tile[place], ((0, GAP_PX), (0, GAP_PX), (0, 0))) for tile in tiles]))
    rows += [np.zeros_like(rows[0])] * (len(rows) % 2)
    return np.vstack([np.hstack(rows[start : start + 2]) for start in range(0, len(rows), 2)])


def around_hair(mask: Mask) -> tuple[slice, slice]:
    """Return the square that holds most of the outline in the upper part of the largest part of a mask (h, w)."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask)
    person = (labels == 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    rows = np.flatnonzero(person.any(axis=1))
    inner = cv2.erode(person, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    outline = (person - inner).astype(np.float32)
    outline[int(rows[0] + UPPER * len(rows)) :] = 0
    held: Any = cv2.boxFilter(outline, -1, (SIDE_PX, SIDE_PX), normalize=False, borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(held.argmax()), held.shape)
    return _within(int(y) - SIDE_PX // 2, size=mask.shape[0]), _within(int(x) - SIDE_PX // 2, size=mask.shape[1])


def _within(start: int, *, size: int) -> slice:
    first = max(0, min(start, size - SIDE_PX))
    return slice(first, first + SIDE_PX)
