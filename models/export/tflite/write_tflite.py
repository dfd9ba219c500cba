"""A program for the environment of TFLite: it writes a network that torch exported as a TFLite file.

It belongs to no package and imports nothing of ours. Channels lie last in what the file takes and gives.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Read a network from the first path, and write the file to the second; the others are height and width."""
    import litert_torch  # type: ignore[import-not-found]
    import torch

    source, target, height, width = sys.argv[1:5]
    network = torch.export.load(source).module()
    last = litert_torch.to_channel_last_io(network, args=[0], outputs=[0])
    litert_torch.convert(last, (torch.zeros(1, int(height), int(width), 3),)).export(target)


if __name__ == "__main__":
    main()
