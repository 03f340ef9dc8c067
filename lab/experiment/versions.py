"""The other version that a run is measured with in turns: of the work's code, Ray, the lab, or the image.

It lies in a folder for the time of the session: the files of a commit as `git archive` gives them, which
leaves the repository alone, or a Ray that uv installs there, with all else as it is here. A process finds it
before what is installed, by PYTHONPATH, which Ray hands on to workers.
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import paths
from lab.clusters.embedded import OLDEST_RAY, PINNED_RAY, in_range
from lab.errors import ClusterError, LabError, ParameterError

SIDE = "lab/experiment/side.py"
"""What a version of the lab must have: the module that measures a side, block by block."""
NAMED = ("work", "items", "units", "digest", "set_up")
"""Parameters that name something of the user's, as in my_job.py:work."""
INSTALL_SECONDS = 900.0
GIT_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """How the process of a side is started, and what it is called."""

    told: str
    """As `--against` may be given again, with a commit in place of a branch, which moves."""
    folder: Path
    variables: Mapping[str, str]
    named: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What NAMED are for this side, where they are given with a whole path."""
    session: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    root: Path | None = None
    """The folder of which this side has the files of another commit, so that no module may come from it."""

    @property
    def name(self) -> str:
        """Return what it is called in messages: a commit by twelve digits."""
        return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}$", r"\1", self.told)


def as_it_is() -> Version:
    """Return the version that is here: this folder, this lab, this Python."""
    return Version("as it is", Path.cwd(), found_first(paths.ROOT))


def other(against: str, given: Mapping[str, Any], folder: Path) -> Version:
    """Return the version that `against` names, made in `folder`; `given` are NAMED as the user gave them.

    Raises `LabError` where there is no such version, or it cannot be installed.
    """
    if against.startswith("ray=="):
        return _of_ray(against, folder)
    if against.startswith("lab@"):
        return _of_lab(against.removeprefix("lab@"), given, folder)
    if against.startswith("image="):
        tag = against.removeprefix("image=").removeprefix("ray-scaling-lab:")
        return Version(against, Path.cwd(), {**found_first(paths.ROOT), "LAB_IMAGE_TAG": tag})
    return _of_work(against, given, folder)


def found_first(*folders: Path) -> dict[str, str]:
    """Return the environment in which Python finds modules in these folders before all others."""
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*map(str, folders), *([known] if known else [])])}


# --- Ray --------------------------------------------------------------------------------------------------


def _of_ray(against: str, folder: Path) -> Version:
    version = against.removeprefix("ray==")
    if not in_range(version):
        raise ParameterError(
            f"against is {against!r}: the lab measures Ray {OLDEST_RAY} to {PINNED_RAY}, written as in "
            f"ray=={PINNED_RAY}"
        )
    if importlib.util.find_spec("uv") is None:
        raise ClusterError("another Ray is installed by uv, which is not here: pip install uv")
    target, kept = folder / "ray", folder / "constraints.txt"
    kept.write_text("\n".join(_installed()) + "\n")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    # compiled, as what is installed here: else every process of Ray would compile it at each start
    command += ["--compile-bytecode", "--target", str(target), "--constraint", str(kept)]
    command += [f"ray[default]=={version}"]
    done = _carried_out(command, INSTALL_SECONDS)
    if done.returncode != 0:
        raise ClusterError(
            f"Ray {version} cannot be installed, and nothing was measured; uv says: "
            f"{_last_words(done.stderr)} Is there such a version for this Python and system, and does the "
            "network reach the package index?"
        )
    return Version(against, Path.cwd(), found_first(paths.ROOT, target))


def _installed() -> list[str]:
    """Return every package here with its version, but for Ray: what Ray needs is to be the same as here."""
    lines = {f"{one.name}=={one.version}" for one in importlib.metadata.distributions() if one.name != "ray"}
    return sorted(line for line in lines if re.fullmatch(r"[\w.-]+==[\w.!+-]+", line))


# --- the lab ----------------------------------------------------------------------------------------------


def _of_lab(ref: str, given: Mapping[str, Any], folder: Path) -> Version:
    commit = _commit(paths.ROOT, ref, f"lab@{ref}")
    if _git(paths.ROOT, "cat-file", "-e", f"{commit}:{SIDE}").returncode != 0:
        raise ParameterError(
            f"the lab at {ref} ({commit[:12]}) is too old: it has no --against yet. Name a later commit"
        )
    tree, here = _unpacked(paths.ROOT, commit, folder), Path.cwd().resolve()
    start = here
    if here.is_relative_to(paths.ROOT.resolve()):
        # from this folder workers would import this lab: they start in that one, with the work of this one
        start = tree / here.relative_to(paths.ROOT.resolve())
        start.mkdir(parents=True, exist_ok=True)
        for file in filter(None, map(_file_of, given.values())):
            _link(start, file)
    session = {"commit": commit, "uncommitted_changes": False}
    return Version(f"lab@{commit}", start, found_first(tree), session=session)


# --- the work's code --------------------------------------------------------------------------------------


def _of_work(ref: str, given: Mapping[str, Any], folder: Path) -> Version:
    file = _file_of(given["work"])
    if file is None:
        raise ParameterError(
            f"against is {ref!r}, and {given['work']} names no file: name it, as in my_job.py:work"
        )
    done = _git(file.resolve().parent, "rev-parse", "--show-toplevel")
    if done.returncode != 0:
        raise ParameterError(
            f"against is {ref!r}, and {file.name} lies in no git repository, which would have another "
            "version of it: git init, and commit it; or compare Ray (ray==2.59.0) or the lab (lab@REF)"
        )
    root, here = Path(done.stdout.strip()).resolve(), Path.cwd().resolve()
    commit = _commit(root, ref, ref)
    place = file.resolve().relative_to(root).as_posix()
    if _git(root, "cat-file", "-e", f"{commit}:{place}").returncode != 0:
        raise ParameterError(
            f"{place} is not there at {ref} ({commit[:12]}): commit it, or name a commit that has it "
            f"(git log -- {place})"
        )
    if not here.is_relative_to(root):
        raise ParameterError(
            f"against is {ref!r}: go to the folder of the repository {root.name} from which the work is run, "
            "since the other version runs from the same folder of its own files"
        )
    tree = _unpacked(root, commit, folder)
    if root == paths.ROOT.resolve():
        # of an example only its own code is compared: workers find the lab that is here
        shutil.rmtree(tree / "lab")
    start = tree / here.relative_to(root)
    start.mkdir(parents=True, exist_ok=True)
    items = _file_of(given.get("items"))
    if items is not None and ":" not in str(given["items"]):
        # a file of items is data, and the same for both
        _link(start, items)
    named = {name: moved for name in NAMED if (moved := _moved(given.get(name), root, tree))}
    found = (Path(one).resolve() for one in sys.path if one)
    packages = (tree / one.relative_to(root) for one in found if one.is_relative_to(root))
    return Version(commit, start, found_first(paths.ROOT, *filter(Path.is_dir, packages)), named, root=root)


def _file_of(named: Any) -> Path | None:
    """Return the file that a parameter names, with or without a function in it; None where it is no file."""
    place = (named.rpartition(":")[0] or named) if isinstance(named, str) else ""
    places = Path(place).expanduser(), Path(f"{place.replace('.', os.sep)}.py")
    return next((one for one in places if one.is_file()), None)


def _moved(named: Any, root: Path, tree: Path) -> str | None:
    """Return what names the same function in another tree; None where a path from the folder says it."""
    file = _file_of(named)
    if file is None or not file.is_absolute() or not file.resolve().is_relative_to(root):
        return None
    return f"{tree / file.resolve().relative_to(root)}:{named.rpartition(':')[2]}"


def _link(start: Path, file: Path) -> None:
    """Have a file of this folder at the same place of another."""
    if not file.is_absolute():
        (start / file).parent.mkdir(parents=True, exist_ok=True)
        (start / file).unlink(missing_ok=True)
        (start / file).symlink_to(file.resolve())


# --- git --------------------------------------------------------------------------------------------------


def _commit(root: Path, ref: str, told: str) -> str:
    """Return the commit that a branch, tag or commit names."""
    done = _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if done.returncode != 0:
        raise ParameterError(
            f"against is {told!r}, and {root.name} has no such commit, branch or tag, or is no git clone: "
            "git log --oneline and git tag list them"
        )
    return done.stdout.strip()


def _unpacked(root: Path, commit: str, folder: Path) -> Path:
    """Return a folder with the files of a commit."""
    archive, tree = folder / "code.tar", folder / "code"
    done = _git(root, "archive", "--format=tar", f"--output={archive}", commit)
    if done.returncode != 0:
        raise LabError(f"git cannot give the files of {commit[:12]}: {_last_words(done.stderr)}")
    shutil.unpack_archive(archive, tree)
    archive.unlink()
    return tree


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _carried_out(["git", "-C", str(folder), *arguments], GIT_SECONDS)


def _carried_out(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Return a command that ended, well or not."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed here, and --against needs it") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{command[0]} took longer than {seconds:.0f} s: see to network and disk") from None


def _last_words(text: str) -> str:
    return " ".join(text.split())[-600:] or "nothing"
