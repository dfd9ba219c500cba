"""What `curate` listens on, for whom, and what stands in front of it. SECURITY.md says the same in its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One server, or one command that has none: its address, for whom it is, and what protects it."""

    command: str
    address: str
    audience: str
    protection: str


LISTENERS: Final = (
    Listener(
        command="browse",
        address="127.0.0.1, port 5151 or the next free one, or --port",
        audience="who opens the address that it prints",
        protection="a random token; Host and Origin checked; only what browsing needs, and pictures of its datasets",
    ),
    Listener(
        command="browse (mongod)",
        address="a socket file, no port",
        audience="you",
        protection="a folder that only you can enter; no compressed messages, no JavaScript",
    ),
    Listener(
        command="label serve",
        address="127.0.0.1, port 8080 or the next free one, or --port",
        audience="who signs in",
        protection="a random password and token in secrets.json (0600); no sign-up; Host checked; own pictures only",
    ),
    Listener(
        command="train --devices N",
        address="127.0.0.1, random ports",
        audience="the processes of the training",
        protection="they meet by a file that only you can open; the links have no password",
    ),
    Listener(
        command="train --nodes N",
        address="every address of the machine, MASTER_PORT and random ports",
        audience="the other machines",
        protection="none: use a network of your own, or a firewall",
    ),
    Listener(
        command="--engine ray, without RAY_ADDRESS",
        address="the address of the machine, random ports; the dashboard 127.0.0.1, port 8265 or the next free one",
        audience="the processes of the command",
        protection="Ray's token in ~/.ray/auth_token, from Ray 2.52 on",
    ),
    Listener(
        command="retrain, schedule, registry",
        address="nothing",
        audience="nobody",
        protection="models lie in files, or on the server that MLFLOW_TRACKING_URI names; webhooks are only called",
    ),
    Listener(
        command="everything else",
        address="nothing",
        audience="nobody",
        protection="worker processes are spoken to through pipes, and sockets in folders that only you can enter",
    ),
)


def listening_lines() -> list[str]:
    """Return the table as lines of text."""
    lines = ["what listens, and who may use it:"]
    for one in LISTENERS:
        lines += [f"  {one.command}: {one.address}", f"      for {one.audience}; {one.protection}"]
    return lines
