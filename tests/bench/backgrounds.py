"""Which models find small persons in backgrounds: the self-test of `check-backgrounds`, with real persons and images.

The clean images are those of COCO in which nobody is annotated; in a few there is somebody. The windows and the
statistic were chosen with selfie_general on these images, with other persons at other places.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.bench.measuring import CURATE, run_curate, say
from tests.places import REAL_DATA

MODELS: Final = {"selfie_general": 151, "pphumanseg_lite": 40, "sinet": 40, "deeplabv3_mnv2_dm05": 20}
"""With so many clean images: half of them are tested, twice, and a slow model takes half a minute for each."""
SUPERCATEGORIES: Final = "indoor,outdoor,vehicle,animal,accessory,sports,kitchen,food,furniture,electronic,appliance"
AUC: Final = re.compile(r"AUC [^)]*\)")


def bench(folder: Path) -> None:
    """Print the AUC of each model with portraits and with full-length persons."""
    data = REAL_DATA / "data"
    if not (data / "coco").is_dir():
        say("\nSmall persons in backgrounds: no real data here")
        return
    say("\nSmall persons in backgrounds: AUC on persons of 1 to 10 % of the frame; 0.9 is asked for")
    for kind in ("portraits", "street_fashion"):
        source = data / kind
        run_curate("pairs", "--images", source / "images", "--masks", source / "masks", "--fit", "--out", folder / kind)
    for model, images in MODELS.items():
        clean = folder / f"clean-{images}"
        if not clean.is_dir():
            coco = ("--annotations", data / "coco/annotations/instances_train2017.json", "--images")
            chosen = ("--supercategories", SUPERCATEGORIES, "--limit", images)
            run_curate("coco-background", *coco, data / "coco/train2017", *chosen, "--out", clean)
        for kind in ("portraits", "street_fashion"):
            say(f"  {model}, {kind}: {_tested(model, clean=clean, persons=folder / kind)}")


def _tested(model: str, *, clean: Path, persons: Path) -> str:
    """Return the result of the self-test, which a model that fails has in its refusal."""
    chosen = ("--model", REAL_DATA / "models" / f"{model}.onnx", "--clean", clean, "--persons", persons, "--limit", 1)
    command = [str(CURATE), "check-backgrounds", str(clean), *map(str, chosen), "--out", f"{clean}-{model}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = AUC.search(done.stdout + done.stderr)
    assert found and done.returncode in {0, 4}, done.stderr[-2000:]
    return f"{found[0]}, {'refused' if done.returncode == 4 else 'passed'}"
