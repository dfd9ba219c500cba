"""A program for the environment of TFLite: it runs a file on arrays that come through its input.

It belongs to no package, imports nothing of ours, and ends when its input does.
"""

from __future__ import annotations

import io
import sys

import numpy as np

LENGTH = 8
"""Bytes before each array that tell its length; a pipe does not tell it."""


def main() -> None:
    """Read arrays, each as a .npy behind its length, and write for each what the model gives, likewise."""
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]

    interpreter = Interpreter(model_path=sys.argv[1], num_threads=int(sys.argv[2]))
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(LENGTH):
        image = np.load(io.BytesIO(source.read(int.from_bytes(head, "little"))))
        interpreter.set_tensor(taken, image)
        interpreter.invoke()
        stream = io.BytesIO()
        np.lib.format.write_array(stream, interpreter.get_tensor(given))  # type: ignore[no-untyped-call]
        target.write(len(stream.getvalue()).to_bytes(LENGTH, "little") + stream.getvalue())
        target.flush()


if __name__ == "__main__":
    main()
