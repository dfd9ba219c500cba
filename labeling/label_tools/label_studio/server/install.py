"""The server's own environment: Label Studio needs other versions of packages than we do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from curation.storage.own_environment import OwnEnvironment

VERSION: Final = "1.23.2"
SERVER: Final = OwnEnvironment(
    name=f"Label Studio {VERSION}",
    folder_name=f"label-studio-{VERSION}",
    requirements=Path(__file__).with_name("requirements.lock"),
    cost="about 800 MB, a minute or a few",
    remedy="it needs the package index and 1 GB. Or use a server of your own: set LABEL_STUDIO_URL and "
    "LABEL_STUDIO_API_KEY",
)
PROGRAM: Final = "label-studio"
