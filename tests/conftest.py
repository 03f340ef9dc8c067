"""What all tests share: the clusters that are started once, and the order in which tests run side by side."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers import Compose, own_project
from hypothesis import settings
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

import lab.experiment.sites
from lab.clusters.embedded import embedded, set_up

# Ray reads its settings when it is imported, by whichever test comes first in a process
set_up()
settings.register_profile("lab", deadline=None)  # a machine that stalls for a moment fails nothing
settings.load_profile("lab")

ON_COMPOSE = (
    "test_compose",
    "test_ports",
    "test_compose_check",
    "test_validate",
    "test_jobs",
    "test_compose_runs",
    "test_newcomer_containers",
    "test_clusters_page",
)
"""Modules on the shared compose cluster, which one process runs in this order; the last takes it down."""
OWN_CONTAINERS = ("test_compose_control", "test_slurm", "test_contained")
"""Modules with containers of their own, which another process runs: no more than two start some at once."""
LONG = (
    "test_newcomer",
    "test_book",
    "test_chaos",
    "test_situations",
    "test_own",
    "test_notebooks",
    "test_clusters",
    "test_mechanisms",
    "test_engine_contract",
    "test_scripts",
    "test_check",
)
"""Modules without Docker that take longest: they begin before short ones on Ray, which fill the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the modules with Docker begin, which wait most of the time, then those that start nothing."""
    on_ray = {item.path for item in items if item.get_closest_marker("ray")}

    def place(item: pytest.Item) -> tuple[int, int]:
        module = item.path.stem
        if module in ON_COMPOSE:
            return 0, ON_COMPOSE.index(module)
        if module in OWN_CONTAINERS:
            return 1, OWN_CONTAINERS.index(module)
        return (3, LONG.index(module)) if module in LONG else (4 if item.path in on_ray else 2, 0)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have one process run all tests of a module, and one each all modules of both kinds of containers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = Path(nodeid.split("::")[0]).stem
            return next((str(one[0]) for one in (ON_COMPOSE, OWN_CONTAINERS) if module in one), module)

    return ByModule(config, log)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have figures made, but not drawn: that takes most of a page's time, and has tests of its own."""
    monkeypatch.setattr(Figure, "get_layout_engine", lambda _: None)
    monkeypatch.setattr(FigureCanvasSVG, "print_svg", lambda _, text, **__: text.write("<svg></svg>"))


@pytest.fixture(scope="session")
def project() -> Iterator[Compose]:
    """Yield the compose project that tests share, in whatever state the last of them left it."""
    with own_project("shared") as compose:
        yield compose


@pytest.fixture
def compose_cluster(project: Compose) -> Compose:
    """Return the shared cluster, with all of its nodes there, whatever the last test did to it."""
    project.mend()
    return project


@pytest.fixture(scope="module")
def kept_ray() -> Iterator[None]:
    """Have a module's runs of up to two CPUs share one embedded Ray: a start takes 7 CPU-seconds.

    It starts before them, since a run ends all that was started within it.
    """
    with embedded(2, 200, 0) as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab.experiment.sites, "embedded", lambda *_: contextlib.nullcontext(cluster))
        yield
