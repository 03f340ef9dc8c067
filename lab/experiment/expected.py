"""What the results of one kind of work come to, on every engine and cluster size."""

from collections.abc import Mapping

from lab.errors import EngineError
from lab.measure.task import Outcome


class Expected:
    """What the trials of one kind of work come to: the digest of all results, and those of single tasks."""

    def __init__(self, digest: str | None = None) -> None:
        self.digest, self._outcomes = digest, dict[int, Outcome]()

    def check(self, digest: str, outcomes: Mapping[int, Outcome]) -> None:
        """Keep what the first trial came to; raise `EngineError` where another comes to something else."""
        if self.digest is None:
            self.digest, self._outcomes = digest, dict(outcomes)
        elif digest != self.digest:
            found = _difference(self._outcomes, outcomes)
            raise EngineError(
                f"its results differ: digest {digest}, where earlier trials of this work have "
                f"{self.digest}{found}"
            )


def _difference(before: Mapping[int, Outcome], now: Mapping[int, Outcome]) -> str:
    """Name the first task whose outcome is another one, with both."""
    for task in sorted(before.keys() | now.keys() if before else ()):
        told = [_told(side.get(task)) for side in (before, now)]
        if told[0] != told[1]:
            return f"; item {task} came to {told[0]} before and to {told[1]} now"
    return ""


def _told(outcome: Outcome | None) -> str:
    return "an error" if outcome is None else f"{outcome.shown or outcome.digest} ({outcome.units} units)"
