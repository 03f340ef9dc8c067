"""How every engine of the table is started; its module is loaded when it is."""

import contextlib
import importlib
from collections.abc import Callable

from lab.data.engines import TABLE
from lab.engines import Team

Engine = Callable[[int, int], contextlib.AbstractContextManager[Team]]
"""Takes the workers in all, and the nodes that they are spread over."""


def _engine(module: str) -> Engine:
    def team(workers: int, nodes: int = 1) -> contextlib.AbstractContextManager[Team]:
        found: Engine = importlib.import_module(f"lab.engines.{module}").team
        return found(workers, nodes)

    return team


TEAMS: dict[str, Engine] = {name: _engine(one.module) for name, one in TABLE.items()}

ON_RAY = frozenset(name for name, one in TABLE.items() if one.on_ray)
"""Those that need a Ray which runs."""
