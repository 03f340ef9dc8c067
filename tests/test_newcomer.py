"""A file that was not written for the lab, in an empty folder: three commands to its numbers in the book."""

import re

import pytest
from newcomers import Newcomer, arrived

from lab.formats import count


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Return somebody with a clone and a file."""
    return arrived(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def page(newcomer: Newcomer, request: pytest.FixtureRequest) -> str:
    """Return the page of own work after a run on each kind of cluster that is asked for: one book for all."""
    asked = {item.name for item in request.session.items if item.path == request.path}
    if "test_embedded" in asked:
        newcomer.measure("anagrams", "--workers", "2")
    if "test_several_raylets" in asked:
        newcomer.measure("rhymes", "--workers", "1", "--nodes", "1,2", "--cluster", "local")
    return newcomer.book()


def check(page: str, newcomer: Newcomer, function: str, wanted: set[tuple[str, int, int]]) -> None:
    """The page has the function by its name and source, and what each size of each engine did a second."""
    assert function not in newcomer.failed, newcomer.failed[function]
    rates = newcomer.rates(function)
    assert set(rates) == wanted
    parts = re.split(r"(?=From texts\.py:)", page)
    (part,) = (one for one in parts if one.startswith(f"From texts.py:{function} ."))
    assert "How far does it scale?" in part
    for size, rate in rates.items():
        assert re.search(rf"\b{re.escape(f'{rate:.3g}')}\b", part), (size, rate)


@pytest.mark.ray
def test_embedded(page: str, newcomer: Newcomer) -> None:
    """On Ray in one process: the loop, plain processes and Ray, on one page."""
    check(page, newcomer, "anagrams", {("serial", 1, 1), ("processes", 1, 2), ("ray", 1, 2)})


@pytest.mark.ray
def test_several_raylets(page: str, newcomer: Newcomer) -> None:
    """On several raylets of this host, with nothing but Ray installed."""
    check(page, newcomer, "rhymes", {("ray", 1, 1), ("ray", 2, 2)})
    assert f"{count(2, 'raylet')} on one host" in page
