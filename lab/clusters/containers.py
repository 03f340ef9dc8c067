"""The containers of a compose cluster as Docker sees them: whether each runs, and what it said last."""

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

from lab.clusters.docker import ask

SERVICE, NUMBER = "com.docker.compose.service", "com.docker.compose.container-number"
LAST_LINES = 60
TELLING = re.compile(r"(Version mismatch:|\w*Error:|^node:|Authentication)")
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+(:\d+)?")
MOST_LETTERS = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Contained:
    """A container: its service with its number, which Docker calls it, and its state, such as running."""

    name: str
    hostname: str
    """As its node tells Ray."""
    state: str
    said: str
    """What of its log tells why it may have failed; empty where nothing does. No address is in it."""


def contained(ids: Sequence[str]) -> tuple[Contained, ...]:
    """Return what Docker knows about containers."""
    found: list[Any] = json.loads(ask(["docker", "inspect", *ids]).stdout or "[]")
    return tuple(
        Contained(
            " ".join(one["Config"]["Labels"].get(label, "") for label in (SERVICE, NUMBER)),
            one["Config"]["Hostname"],
            "paused" if one["State"]["Paused"] else one["State"]["Status"],
            telling(ask(["docker", "logs", "--tail", f"{LAST_LINES}", one["Id"]]).stderr),
        )
        for one in found
    )


def telling(log: str) -> str:
    """Return what a log says last of a failure, on one line and without addresses."""
    starts = [found.start() for found in re.finditer(TELLING.pattern, log, re.MULTILINE)]
    last = " ".join(log[starts[-1] :].split()) if starts else ""
    return ADDRESS.sub("...", last)[:MOST_LETTERS]
