"""What the doctor says of packages that are installed apart, each in an environment of its own, when first needed."""

from __future__ import annotations

from models.export.tflite.environment import LITERT
from models.faces.network_files import LICENSES, NAME, SOURCE, is_installed
from pipelines.diagnosis.check import Check


def check_tflite() -> Check:
    """Look for the environment that `curate export --to tflite` makes for itself."""
    is_there = LITERT.is_installed()
    return Check(
        name="tflite",
        is_fine=is_there,
        found=str(LITERT.folder) if is_there else f"not yet installed in {LITERT.folder}",
        remedy="curate export --to tflite installs it there, about 6 GB, and runs what it writes",
    )


def check_faces() -> Check:
    """Look for the models of faces that `idphoto`, `group` and `matte --heads` take, and say whose they are."""
    told = f"{NAME}, of {SOURCE} ({LICENSES})"
    is_there = is_installed()
    return Check(
        name="faces",
        is_fine=is_there,
        found=told if is_there else f"not yet installed: {told}",
        remedy="curate idphoto installs them, 8 MB, once; or give --faces FILE.onnx with its card",
    )
