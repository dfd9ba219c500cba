"""Three ways in which the pictures of a project reach the annotator's browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import quote

import msgspec

from curation.errors import ConfigurationProblem
from curation.storage.files import make_folder, write_bytes
from labeling.label_tools.label_studio.project.project import Project
from labeling.label_tools.label_studio.server.client import Client, Outage, OutcomeUnknown
from labeling.label_tools.label_studio.server.responses import Storage, Upload, Uploaded

Images = Literal["auto", "local", "upload", "url"]
UPLOADED_AT_ONCE: Final = 50
"""Label Studio takes no more than 100 files in one request."""


class Delivery(Protocol):
    """Makes pictures reachable. Pictures come by name; the addresses are given by the same names."""

    def deliver(self, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Return the address of each picture, as the browser of the annotator must ask for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ByFolder:
    """Our own server shows a folder of this machine: nothing travels."""

    client: Client
    project: Project
    folder: Path

    def deliver(self, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Put the pictures into the project's folder."""
        place = self.folder / self.project.identity
        make_folder(place)
        for name, data in pictures.items():
            if not (place / name).exists():
                write_bytes(place / name, data)
        return {name: f"/data/local-files/?d={quote(f'{place.name}/{name}')}" for name in pictures}

    def open(self) -> None:
        """Let the server show the folder to who may see the project."""
        place = self.folder / self.project.identity
        make_folder(place)
        body = {"project": self.project.id, "path": str(place), "title": "curate", "use_blob_urls": True}

        def make(outage: Outage) -> None:
            self.client.post("/api/storages/localfiles/", kind=msgspec.Raw, outage=outage, json=body)

        self.client.make_sure(lambda: self._is_open(place), make=make, what=f"the storage of {place}")

    def _is_open(self, place: Path) -> bool | None:
        storages = self.client.get("/api/storages/localfiles/", kind=list[Storage], project=self.project.id)
        return any(storage.path == str(place) for storage in storages) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ByUpload:
    """The pictures are uploaded into the project."""

    client: Client
    project: Project

    def deliver(self, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Upload the pictures; one that may have arrived already is looked for before it is sent again."""
        addresses: dict[str, str] = {}
        names = list(pictures)
        for start in range(0, len(names), UPLOADED_AT_ONCE):
            part = {name: pictures[name] for name in names[start : start + UPLOADED_AT_ONCE]}
            addresses |= self._upload(part)
        return addresses

    def _upload(self, pictures: dict[str, bytes]) -> dict[str, str]:
        outage = self.client.outage()
        path = f"/api/projects/{self.project.id}/import"
        found: dict[str, str] = {}
        while left := {name: data for name, data in pictures.items() if name not in found}:
            files = [(f"file{number}", (name, data)) for number, (name, data) in enumerate(left.items())]
            try:
                params = {"commit_to_project": "false"}
                answer = self.client.post(path, kind=Uploaded, outage=outage, params=params, files=files)
                query = {"ids": json.dumps(answer.file_upload_ids)}
            except OutcomeUnknown as error:
                outage.wait(error)
                query = {"all": "true"}
            place = f"/api/projects/{self.project.id}/file-uploads"
            uploads = self.client.get(place, kind=list[Upload], **query)
            # the server puts eight digits of its own and a hyphen before the name
            listed = {upload.file.rpartition("/")[2].partition("-")[2]: upload.file for upload in uploads}
            arrived = {name: f"/data/{listed[name]}" for name in left if name in listed}
            if not arrived:
                outage.wait("the pictures were taken, and are not there")
            found |= arrived
        return found


def delivery_for(client: Client, *, project: Project, images: Images) -> Delivery:
    """Return the way that was asked for; `auto` is the folder on our own server, and the upload on any other.

    Raises ConfigurationProblem for `local` on a server that is not ours.
    """
    folder = client.access.files
    if images == "local" and folder is None:
        raise ConfigurationProblem(
            "--images local needs the server of `curate label serve`",
            remedy="give --images upload, or --images url with --image-url",
        )
    if folder is None or images == "upload":
        return ByUpload(client=client, project=project)
    by_folder = ByFolder(client=client, project=project, folder=folder)
    by_folder.open()
    return by_folder
