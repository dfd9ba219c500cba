"""Engines beside each other in one process: whichever ends first, signals still arrive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.prediction.engines import has_openvino
from tests.models.prediction.drawn_models import red_model, write_onnx

PROGRAM = """
import faulthandler, os, signal, sys
from pathlib import Path
from models.card import read_card
from models.prediction.engines import open_openvino

faulthandler.enable()  # it takes signals on a stack of its own, as other libraries do
file = Path(sys.argv[1])
first, second = (
    open_openvino(file.read_bytes(), card=read_card(file.with_suffix(".yaml")), threads=1) for _ in range(2)
)
signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
del first
del second
os.kill(os.getpid(), signal.SIGUSR1)
print("alive")
"""


@pytest.mark.skipif(not has_openvino(), reason="the extra openvino is not installed")
def test_a_signal_arrives_after_engines_ended_in_the_order_of_their_beginning(tmp_path: Path) -> None:
    file = write_onnx(tmp_path, red_model())
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["heard", "alive"]), done.stderr
