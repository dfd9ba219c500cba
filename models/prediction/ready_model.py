"""A model that was checked, and how it is best run here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.images.pixels import Image
from curation.short_repr import short_repr
from models.card import ModelCard
from models.faces.packaged import faces_of
from models.prediction import engines
from models.prediction.engines import Engine, EngineName
from models.prediction.outputs import Scores
from models.prediction.predictor import EnginePredictor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyModel:
    """A model that was checked, and the engine chosen for it.

    `sha256` is that of the weights or ONNX file, `file` that file. `data` is the model as checked ONNX; it is empty
    where torch runs the run folder. With `constants` it is a graph of OpenVINO, of which these are the numbers.
    `notes` say why a faster engine was not taken. `has_unit_alpha` says that its
    alphas are shares of 1, so that the card, which calls them so, is read as that of a probability.
    """

    name: str
    file: Path
    sha256: str
    card: ModelCard
    data: bytes
    engine: EngineName
    constants: bytes | None = None
    device: str = "cpu"
    with_bfloat16: bool = False
    has_unit_alpha: bool = False
    notes: tuple[str, ...] = ()

    __repr__ = short_repr

    @property
    def precision(self) -> str:
        """Return what the engine computes with: `fp32` or `bf16`."""
        return "bf16" if self.with_bfloat16 else "fp32"

    @property
    def gives_alpha(self) -> bool:
        """Tell whether what it gives is an alpha, which is taken as it is."""
        return self.card.output == "alpha" or self.has_unit_alpha

    @property
    def batch(self) -> int:
        """Return how many images at once keep the engine busy, or fill what it takes."""
        return engines.CUDA_BATCH if self.engine == "torch" and self.device != "cpu" else self.card.batch or 1

    @property
    def size(self) -> int:
        """Return the bytes of what an engine opens."""
        return len(self.data) + len(self.constants or b"")

    def predictor(
        self, *, threads: int, with_flips: bool = False, with_scales: bool = False, with_windows: bool = False
    ) -> EnginePredictor:
        """Open the engine in this process, and give the model on it, which finds faces where it takes their places."""
        return EnginePredictor(
            self._open(threads=threads),
            card=self.card,
            name=self.name,
            with_flips=with_flips,
            with_scales=with_scales,
            with_windows=with_windows,
            faces_of=faces_of(self.card),
        )

    def answer(self, image: Image, *, threads: int) -> Scores:
        """Return the log-odds (h, w) of an image as `outputs.person_scores`, told of no face in it."""
        found: Scores = EnginePredictor(self._open(threads=threads), card=self.card, name=self.name).scores([image])[0]
        return found

    def _open(self, *, threads: int) -> Engine:
        if self.engine == "openvino":
            return engines.open_openvino(
                self.data,
                card=self.card,
                threads=threads,
                with_bfloat16=self.with_bfloat16,
                constants=self.constants,
            )
        if self.engine == "onnxruntime":
            return engines.open_onnxruntime(self.data, card=self.card, threads=threads, device=self.device)
        from models.prediction.weights import load_network

        network, _ = load_network(self.file.parent)
        return engines.open_torch(network, threads=threads, device=self.device, with_bfloat16=self.with_bfloat16)
