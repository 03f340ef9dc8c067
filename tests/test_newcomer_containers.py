"""A file that was not written for the lab, on containers whose image knows nothing of it."""

import re
from pathlib import Path

import pytest
from containers import CORES, Compose
from newcomers import Newcomer, arrived

from lab.report.own import own_page

pytestmark = pytest.mark.docker

NEEDS = """
import only_here


def work(item):
    return only_here.double(item)
"""


@pytest.fixture
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Return somebody with a clone and a file."""
    return arrived(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("empty"))


def test_containers(compose_cluster: Compose, newcomer: Newcomer) -> None:
    """No image is built for the file; its page has what each size did a second."""
    sizes = ("--workers", "1", "--nodes", "1,2", "--node-cores", str(CORES))
    newcomer.measure("repeated", *sizes, "--cluster", "compose", **compose_cluster.settings)
    assert newcomer.failed == {}
    rates = newcomer.rates("repeated")
    assert set(rates) == {("ray", 1, 1), ("ray", 2, 2)}
    text = own_page(newcomer.clone / "data").works().text
    assert "How far does it scale?" in text
    for size, rate in rates.items():
        assert re.search(rf"\b{re.escape(f'{rate:.3g}')}\b", text), (size, rate)


def test_a_module_that_the_nodes_lack(compose_cluster: Compose, newcomer: Newcomer, tmp_path: Path) -> None:
    """A module that only this machine has is named, with the way to ship it."""
    (tmp_path / "only_here.py").write_text("def double(item):\n    return 2 * item\n")
    (newcomer.folder / "needs.py").write_text(NEEDS)
    sizes = ("--workers", "1", "--nodes", "1", "--node-cores", str(CORES), "--repeats", "1")
    asked = ("run", "needs.py:work", "--items", "4", "--cluster", "compose", *sizes)
    done = newcomer.run(*asked, "--data", str(tmp_path), path=tmp_path, **compose_cluster.settings)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("EngineError: no trial of ")
    assert done.stderr.endswith(
        "the module only_here is missing where the work runs: put it beside the file of the work, whose "
        "folder is sent along, or install it there (pip install only_here)\n"
    )
