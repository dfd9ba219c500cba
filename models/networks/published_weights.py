"""Published weights: from the cache of the Hugging Face hub, or fetched into it when they were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # not an OSError, unlike the rest
from safetensors import SafetensorError, safe_open

from curation.errors import ConfigurationProblem, RemoteUnavailable

FILE: Final = "model.safetensors"
"""The only file that is ever taken: other formats can carry code."""
ANSWER_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where weights are published: a repository of the hub, at a branch or a commit."""

    repository: str
    revision: str = "main"

    @property
    def folder(self) -> Path:
        """Return the folder of the repository in the cache, whether it is there or not."""
        return Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"


def weights_file(published: Published) -> Path:
    """Return the safetensors file of published weights, whole, fetching it when the cache lacks it.

    Raises RemoteUnavailable within seconds where there is no internet, saying how to put the file in place, and
    ConfigurationProblem for a file that is damaged.
    """
    cached = try_to_load_from_cache(published.repository, FILE, revision=published.revision)
    file = Path(cached) if isinstance(cached, str) else fetched(published)
    try:
        with safe_open(file, framework="pt"):
            return file
    except (OSError, SafetensorError) as error:
        raise ConfigurationProblem(
            f"the ImageNet weights cannot be read: {error}",
            where=file,
            remedy=f"delete {published.folder}, so that they are fetched again",
        ) from error


def fetched(published: Published) -> Path:
    """Fetch published weights into the cache and give the file."""
    where = hf_hub_url(published.repository, FILE, revision=published.revision)
    try:
        # The loader itself would try for half a minute before it gives up, so it is asked only behind an answer.
        get_hf_file_metadata(where, timeout=ANSWER_TIMEOUT_S, token=False)
        return Path(hf_hub_download(published.repository, FILE, revision=published.revision, token=False))
    except (OSError, HTTPError) as error:
        command = f"hf download {published.repository} {FILE} --revision {published.revision}"
        raise RemoteUnavailable(
            f"the ImageNet weights cannot be fetched: {str(error).splitlines()[0]}",
            where=where,
            remedy=f"where there is internet run `{command}`, and copy the folder {published.folder.name} from its "
            f"cache to {published.folder}; or train without --weights imagenet",
        ) from error
