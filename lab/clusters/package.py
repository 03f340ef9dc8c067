"""The files that a job needs on a cluster, as one archive: the request, and the folder of one's own work."""

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.errors import WorkError

LARGEST_BYTES = 100_000_000
"""Of an upload: Ray's address for jobs refuses one of more than 100 MiB."""
LEFT_OUT = ("__pycache__", "node_modules", "_build", "data", "out", "build", "dist", "venv")
"""Folders that hold no code; those that begin with a dot, and egg-infos, are left out too."""
SHOWN = 5


def packed(folder: Path | None, files: Mapping[str, bytes] | None = None) -> bytes:
    """Return a zip of the folder's files and of those given by name; raises `WorkError` for too many bytes.

    Times are left out, so that equal files make equal archives.
    """
    found = [] if folder is None else files_to_send(folder)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in found:
            _add(archive, path.relative_to(folder).as_posix() if folder else path.name, path.read_bytes())
        for name, data in (files or {}).items():
            _add(archive, name, data)
    size = len(content.getbuffer())
    if size > LARGEST_BYTES:
        raise WorkError(
            f"the work, its items and the files beside it are {size / 1e6:.0f} MB, packed, and at most "
            f"{LARGEST_BYTES / 1e6:.0f} are sent to a cluster: let items be seeds, names or paths, and make "
            "or load what is large in the work"
        )
    return content.getvalue()


def files_to_send(folder: Path) -> list[Path]:
    """Return the files of a folder that a cluster gets; raises `WorkError` for too many bytes."""
    found = sorted(_files(folder))
    total = sum(path.stat().st_size for path in found)
    if total > LARGEST_BYTES:
        largest = sorted(found, key=lambda path: -path.stat().st_size)[:SHOWN]
        told = ", ".join(f"{one.relative_to(folder)} ({one.stat().st_size / 1e6:.0f} MB)" for one in largest)
        raise WorkError(
            f"the folder of the work is sent to the cluster, and holds {total / 1e6:.0f} MB, more than "
            f"{LARGEST_BYTES / 1e6:.0f}: the largest files are {told}. Move them, or the work, elsewhere"
        )
    return found


def unpack(archive: bytes, folder: Path) -> None:
    """Write an archive's files into a folder."""
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        content.extractall(folder)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if _is_kept(one)]
        yield from (path for name in names if _is_kept(name) and (path := Path(root, name)).is_file())


def _is_kept(name: str) -> bool:
    return not (name.startswith(".") or name in LEFT_OUT or name.endswith((".egg-info", ".pyc")))
