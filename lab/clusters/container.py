"""A run in one container under fixed limits: started, stopped, brought home, removed by Docker alone.

Nothing of the host is mounted: the request goes in through standard input, the run's files come out as an
archive, so that they belong to whoever asked, and whoever works in the container is not root.
"""

import contextlib
import dataclasses
import io
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

from lab.clusters.docker import ASK_SECONDS, ask, said
from lab.errors import ClusterError, DataError

STOP_SECONDS = 20
"""From the signal that ends a run, as Ctrl-C does, to the one that kills it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """The cgroup that all engines share: cores, and memory as Docker reads it, such as 3g."""

    cores: float
    memory: str

    def options(self) -> list[str]:
        """Return Docker's options; without swap, and with shared memory bounded by the memory alone."""
        memory = [f"--{name}={self.memory}" for name in ("memory", "memory-swap", "shm-size")]
        return [f"--cpus={self.cores:g}", *memory]


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """A container of one run, by name."""

    experiment: str
    run_id: str
    files: Sequence[str]
    """The files of a run; without the last one a folder is no run yet."""

    @property
    def name(self) -> str:
        """Return the name that Docker knows it by."""
        return f"ray-scaling-lab-{self.experiment}-{self.run_id}"

    def create(self, image: str, limits: Limits, command: Sequence[str]) -> None:
        """Make it of an image, with loopback as its only network and without a right to more."""
        apart = ["--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        life = ["--interactive", "--init", "--stop-signal=SIGINT", "--entrypoint=python"]
        options = [f"--name={self.name}", *life, *apart, *limits.options()]
        done = ask(["docker", "create", *options, image, *command])
        if done.returncode != 0:
            raise ClusterError(f"Docker made no container: {said(done)}")

    def attend(self, request: str) -> int:
        """Start it, hand the request over, show what it says, and return its exit code when it has ended."""
        # a session of its own: Ctrl-C is for this process, which then stops the container
        process = subprocess.Popen(
            ["docker", "start", "--attach", "--interactive", self.name],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            process.communicate(request)
        except KeyboardInterrupt:
            with _undisturbed():
                ask(["docker", "stop", f"--time={STOP_SECONDS}", self.name])
                process.wait(ASK_SECONDS)
            raise
        return process.returncode

    def state(self) -> tuple[bool, bool] | None:
        """Return whether it runs, and whether the kernel killed for memory in it; None if there is none."""
        shown = self._fact("{{.State.Running}} {{.State.OOMKilled}}").split()
        return (shown[0] == "true", shown[1] == "true") if shown else None

    def _fact(self, shown: str) -> str:
        """Return what Docker knows about it; empty where there is no such container."""
        done = ask(["docker", "container", "inspect", "--format", shown, self.name])
        return done.stdout.strip() if done.returncode == 0 else ""

    def bring_home(self, data: Path) -> bool:
        """Write what was measured to `data`, and remove the container; tells whether there is a run."""
        with _undisturbed():
            there = self._save(data)
            ask(["docker", "rm", "--force", "--volumes", self.name])
        return there

    def _save(self, data: Path) -> bool:
        # where the image's user works: the run is in `data` there
        home = PurePosixPath(self._fact("{{.Config.WorkingDir}}"))
        kept = f"the container {self.name} keeps it: docker cp {self.name}:{home}/data ."
        done = subprocess.run(["docker", "cp", f"{self.name}:{home}", "-"], capture_output=True)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise ClusterError(f"what was measured did not come out ({said}); {kept}")
        folder = PurePosixPath(home.name) / "data" / self.experiment / self.run_id
        found = {name: content for name in self.files if (content := _member(done.stdout, folder / name))}
        if self.files[-1] in found:
            try:
                _write(data / self.experiment / self.run_id, found)
            except OSError as error:
                raise DataError(f"cannot write to {data}: {error.strerror}; {kept}") from error
        return self.files[-1] in found


def _member(archive: bytes, path: PurePosixPath) -> bytes | None:
    """Return a file of an archive, where it is a file."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        try:
            file = content.extractfile(str(path))
        except KeyError:
            return None
        return None if file is None else file.read()


def _write(directory: Path, files: dict[str, bytes]) -> None:
    """Put files into a folder, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        draft = directory / f"{name}.new"
        draft.write_bytes(content)
        draft.replace(directory / name)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Have every signal that asks to end do as Ctrl-C does."""
    with _handled(signal.default_int_handler):
        yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C wait: nothing that was measured may get lost."""
    with _handled(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)
