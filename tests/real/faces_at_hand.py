"""Whether tests may use the models of faces: they are installed, or it was said that tests may install them."""

from __future__ import annotations

import os
from typing import Final

from models.faces import network_files

HAS_FACES: Final = network_files.is_installed() or bool(os.environ.get("CURATE_INSTALL_FACES"))
