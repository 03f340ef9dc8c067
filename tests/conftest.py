"""What all tests share: the clusters that are started once, and the order in which tests run side by side."""

from collections.abc import Iterator

import pytest
from containers import Compose, own_project
from hypothesis import settings

settings.register_profile("lab", deadline=None)  # a machine that stalls for a moment fails nothing
settings.load_profile("lab")

FIRST = ("test_contained", "test_compose", "test_clusters_page", "test_jobs", "test_compose_runs")
"""Modules with tests on Docker, in their order: what harms the shared cluster most is last."""
LAST = ("test_clusters", "test_notebooks", "test_book")
"""Modules that take longest of those without Docker."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have each module, and all tests on one cluster, run in one process; fast modules before slow ones.

    What needs Docker begins first: it waits most of the time, while other processes do the rest.
    """
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=place)


def group(item: pytest.Item) -> str:
    """Return the name of what runs in one process, one after the other."""
    module = item.path.stem
    if item.get_closest_marker("docker") and module != "test_contained":
        return "compose"
    return f"{module}-docker" if item.get_closest_marker("docker") else module


def place(item: pytest.Item) -> tuple[int, int]:
    """Return where a test stands: on Docker, plain, on Ray, and those modules that take longest."""
    module = item.path.stem
    if item.get_closest_marker("docker"):
        return 0, FIRST.index(module) if module in FIRST else 0
    if module in LAST:
        return 3, LAST.index(module)
    return (2 if item.get_closest_marker("ray") else 1), 0


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
