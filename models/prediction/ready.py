"""A model that was checked, and how it is best run here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.card import ModelCard
from models.prediction import engines
from models.prediction.engines import Engine, EngineName
from models.prediction.predictor import EnginePredictor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyModel:
    """A model that was checked, and the engine chosen for it.

    `sha256` is that of the weights or ONNX file, `file` that file. `data` is the model as checked ONNX; it is empty
    where torch runs the run folder. `notes` say why a faster engine was not taken.
    """

    name: str
    file: Path
    sha256: str
    card: ModelCard
    data: bytes
    engine: EngineName
    device: str = "cpu"
    with_bfloat16: bool = False
    notes: tuple[str, ...] = ()

    @property
    def precision(self) -> str:
        """Give what the engine computes with: `fp32` or `bf16`."""
        return "bf16" if self.with_bfloat16 else "fp32"

    @property
    def batch(self) -> int:
        """Return how many images at once keep the engine busy, or fill what it takes."""
        return engines.CUDA_BATCH if self.engine == "torch" and self.device != "cpu" else self.card.batch or 1

    def predictor(
        self, *, threads: int, with_flips: bool = False, with_scales: bool = False, with_windows: bool = False
    ) -> EnginePredictor:
        """Open the engine in this process, and give the model on it."""
        return EnginePredictor(
            self._open(threads=threads),
            card=self.card,
            name=self.name,
            with_flips=with_flips,
            with_scales=with_scales,
            with_windows=with_windows,
        )

    def _open(self, *, threads: int) -> Engine:
        if self.engine == "openvino":
            return engines.open_openvino(self.data, card=self.card, threads=threads, with_bfloat16=self.with_bfloat16)
        if self.engine == "onnxruntime":
            return engines.open_onnxruntime(self.data, card=self.card, threads=threads, device=self.device)
        from models.weights import load_network

        network, _ = load_network(self.file.parent)
        return engines.open_torch(network, threads=threads, device=self.device, with_bfloat16=self.with_bfloat16)
