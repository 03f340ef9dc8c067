"""How every engine of the table is started; its module is loaded when it is."""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.data.engines import TABLE
from lab.data.engines import Engine as Row
from lab.engines import Observer, Team, Work
from lab.engines.mapped import told_of
from lab.errors import EngineError, WorkError
from lab.finding import find

Engine = Callable[[int, int], contextlib.AbstractContextManager[Team]]
"""Takes the workers in all, and the nodes that they are spread over."""


def _engine(module: str) -> Engine:
    def team(workers: int, nodes: int = 1) -> contextlib.AbstractContextManager[Team]:
        found: Engine = importlib.import_module(f"lab.engines.{module}").team
        return found(workers, nodes)

    return team


TEAMS: dict[str, Engine] = {name: _engine(one.module) for name, one in TABLE.items()}
COMMAND: Mapping[str, Engine] = {"command": _engine("ray_of_command")}
"""No engine of its own: it is Ray as a command uses it, and its trials are Ray's."""

ON_RAY = {name for name, one in TABLE.items() if one.on_ray}
"""Those that need a Ray which runs."""


def known_engine(named: str) -> str:
    """Return the name of an engine; one of the user's, `my_engine.py:team`, is found, and in the table then.

    It is a function as in `lab.engines`; where its attribute `on_ray` is true it needs a Ray which runs.
    Raises `WorkError` where there is none.
    """
    if named in TABLE:
        return named
    _, found = find(named)
    if not callable(found):
        raise WorkError(f"{named} is no engine: a function team(workers, nodes) is needed, see lab.engines")
    place, _, function = named.rpartition(":")
    name = f"{Path(place).name}:{function}"
    on_ray = bool(getattr(found, "on_ray", False))
    TABLE[name] = Row(label=name, framework=name, module=place, on_ray=on_ray)
    TEAMS[name] = _brought(name, found)
    if on_ray:
        ON_RAY.add(name)
    return name


class Brought:
    """A team of somebody's own: what it raises while it runs is a fault of its engine, and of no other's."""

    def __init__(self, name: str, team: Any) -> None:
        self._name, self._team = name, team
        missing = [one for one in ("places", "node_watches", "lost_workers", "run") if not hasattr(team, one)]
        if missing:
            raise EngineError(f"what {name} yields has no {', '.join(missing)}: see lab.engines.Team")

    def run(self, work: Work, schedule: str, observer: Observer) -> None:
        """Run all tasks."""
        with told_of(self._name):
            self._team.run(work, schedule, observer)

    def __getattr__(self, name: str) -> Any:
        """Return what the team itself says."""
        return getattr(self._team, name)


def _brought(name: str, found: Callable[[int, int], Any]) -> Engine:
    """Return an engine of somebody's own, whose faults fail its own trials alone."""

    @contextlib.contextmanager
    def team(workers: int, nodes: int = 1) -> Iterator[Team]:
        stack = contextlib.ExitStack()
        try:
            with told_of(name):
                started = Brought(name, stack.enter_context(found(workers, nodes)))
            yield started
        finally:
            with told_of(name):
                stack.close()

    return team
