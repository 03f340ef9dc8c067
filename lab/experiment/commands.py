"""A command as own work: read, refused where it cannot be run, and prepared for trials."""

import hashlib
import os
import shlex
import shutil
import sys
from pathlib import Path

from lab.engines.command import Command
from lab.errors import ParameterError, WorkError
from lab.experiment.own_parameters import Own
from lab.workload import Prepared

OF_A_SHELL = ("&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1")
TOLD = b"lab: units="
HERE = ("embedded", "local", "slurm")
"""The kinds of cluster on which the command runs on this machine, in this folder."""


def prepared_command(parameters: Own) -> tuple[str, Prepared]:
    """Return the name of a command, and its one item; raises `LabError` where it cannot be run."""
    words = _words(parameters.command)
    folder, script = Path.cwd(), _script(words)
    _refuse_missing(words[0], script, parameters.cluster)
    text = b"" if script is None else Path(script).read_bytes()
    name = Path(script or words[0]).stem
    facts = {
        "unit": parameters.unit or ("units" if TOLD in text else "runs"),
        "words": parameters.words,
        "same_results": False,
        "source": " ".join((Path(words[0]).name, *(_shown(one) for one in words[1:]))),
        "digest": hashlib.sha256(text or parameters.command.encode()).hexdigest()[:16],
        "items": 1,
        "command": True,
    }
    return name, Prepared(
        None,
        [Command(words, str(folder) if parameters.cluster in HERE else None)],
        facts=facts,
        same_results=False,
        fail_fast=parameters.fail_fast,
        folder=str(folder),
        rows=False,
        command=True,
    )


def in_words(name: str, trials: int, prepared: Prepared, deadline_seconds: float) -> str:
    """Return what a run of a command will do."""
    return (
        f"{name}: {prepared.facts['source']}, once in each of {trials} trials, each on a Ray of its own with "
        f"as many nodes and workers as its size says, and killed after {deadline_seconds:g} s"
    )


def _words(command: str) -> tuple[str, ...]:
    """Return the words of a command line."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise ParameterError(
            f"command is {command!r}: a quote is not closed, or the like ({error})"
        ) from None
    found = [one for one in words if one in OF_A_SHELL]
    if found:
        raise ParameterError(
            f"command is {command!r}, and {found[0]} is for a shell, without which it is run: put it into a "
            f"script, or have a shell read it: bash -c {shlex.quote(command)}"
        )
    return words


def _script(words: tuple[str, ...]) -> str | None:
    """Return the file of Python that a command runs, None where it runs something else."""
    if not Path(words[0]).name.startswith("python"):
        return words[0] if words[0].endswith(".py") else None
    for one in words[1:]:
        if one in ("-m", "-c"):
            return None
        if not one.startswith("-"):
            return one
    raise ParameterError(f"command is {' '.join(words)!r}: Python alone waits for ever; name a script")


def _refuse_missing(program: str, script: str | None, cluster: str) -> None:
    """Raise `WorkError` where the script is not here, or the program that reads it, where that runs here."""
    if script is not None and not Path(script).is_file():
        raise WorkError(
            f"there is no file {script}: you are in {Path.cwd().name or '/'}, name the file from here"
        )
    if script is not None and cluster not in HERE and not Path(script).resolve().is_relative_to(Path.cwd()):
        raise WorkError(
            f"{script} is not in the folder that you are in, which is what a cluster gets: go to its folder"
        )
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    if cluster in HERE and shutil.which(program, path=path) is None:
        more = f"; to run it with Python: python {program}" if script == program else ""
        raise WorkError(f"there is no program {program}, or it may not be run{more}")


def _shown(word: str) -> str:
    """Return a word as a run keeps it: of a path that begins at the root or a home, the file's name."""
    return Path(word).name if word.startswith((os.sep, "~")) else word
