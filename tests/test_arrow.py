"""Tests of the one arrow of the house: which part of lab/ may import which, read from the source."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lab import paths
from lab.data.code import READERS

LAB = paths.ROOT / "lab"

RUN_SIDE = (
    "check",
    "clusters",
    "engines",
    "experiment",
    "factoring",
    "measure",
    "mechanisms",
    "validation",
    "data.ledger",
    "data.table",
    "api",
    "finding",
    "items",
    "loading",
    "workload",
)
READER_SIDE = ("analysis", "figures", "invariants", "report", "trace", "published", "synthetic")
SHARED = (
    "data.code",
    "data.columns",
    "data.earlier",
    "data.environment",
    "data.engines",
    "data.node_records",
    "data.reading",
    "data.records",
    "data.store",
    "data.trial_records",
    "data.listing",
    "data.mechanism_records",
    "errors",
    "formats",
    "paths",
    "experiment.rules",
    "experiment.factoring_parameters",
    "experiment.own_parameters",
    "experiment.mechanism_parameters",
    "experiment.parameters",
)
FRONT = ("cli", "__main__")
"""The command line calls both sides, and nothing calls it."""
SETTINGS = ("experiment.profiles", "experiment.plan")
"""What a page may ask of the run side: names of parameters and profiles."""
ON_THE_HEAD = (
    *(
        "experiment.job",
        "experiment.session",
        "experiment.setting",
        "experiment.trial",
        "experiment.recorder",
    ),
    *("validation.job", "validation.times", "validation.windows"),
    *("clusters", "engines", "measure"),
)
"""What runs on a cluster's head and nodes: none of it needs a disk to write to, nor the client's packages."""
FOUNDATION = {
    "errors": set(),
    "paths": set(),
    "data.engines": set(),
    "data.code": {"paths"},
    "data.columns": set(),
    "data.trial_records": {"data.columns"},
    "data.node_records": {"data.columns"},
    "data.mechanism_records": {"data.columns"},
    "data.records": {"data.columns", "data.mechanism_records", "data.trial_records", "data.node_records"},
    "data.earlier": {"data.trial_records"},
    "experiment.rules": set(),
    "experiment.parameters": {"errors", "data.engines", "experiment.rules"},
    "experiment.own_parameters": {"errors", "data.engines", "experiment.rules", "experiment.parameters"},
    "experiment.mechanism_parameters": {
        "errors",
        "data.mechanism_records",
        "experiment.rules",
        "experiment.parameters",
    },
    "experiment.factoring_parameters": {"errors", "experiment.rules", "experiment.parameters"},
    "experiment.plan": {
        "experiment.parameters",
        "experiment.factoring_parameters",
        "experiment.own_parameters",
    },
    "data.environment": {"errors", "data.columns", "data.records"},
    "data.reading": {"errors", "data.columns", "data.records", "data.earlier", "data.environment"},
    "data.store": {"errors", "data.records", "data.earlier", "data.environment", "data.reading"},
    "data.listing": {
        "errors",
        "data.earlier",
        "data.records",
        "data.environment",
        "data.reading",
        "data.store",
    },
}
"""Modules that stand alone, or lean on the few that are named."""
SPLIT = ("data", "experiment", "validation")
"""Rooms whose modules lie on different sides: each counts by itself."""


def sources() -> list[Path]:
    """Return every source file of the lab."""
    return sorted(LAB.rglob("*.py"))


def part_of(path: Path) -> str:
    """Return the part of the house that a file belongs to: lab/engines/serial.py is of `engines`."""
    return part_named(".".join(path.relative_to(LAB).with_suffix("").parts))


def part_named(name: str) -> str:
    """Return the part of a dotted name below `lab`: `engines` of engines.serial, but data.ledger itself."""
    room, _, rest = name.partition(".")
    return f"{room}.{rest.partition('.')[0]}" if room in SPLIT and rest else room


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the full name of everything that a file imports, wherever in it the import stands."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they point"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


def importers(package: str) -> set[str]:
    """Return the parts of the house that import a package from outside."""
    return {part_of(path) for path in sources() for name in imports(path) if name.split(".")[0] == package}


def parts_imported(part: str) -> set[str]:
    """Return the parts of the house that a part imports, itself left out."""
    return {
        imported
        for path in sources()
        if part_of(path) == part or part_of(path).startswith(f"{part}.")
        for name in imports(path)
        if name.startswith("lab.")
        and (imported := part_named(name.removeprefix("lab."))) not in (part, *SPLIT)
        and not imported.startswith(f"{part}.")
    }


def test_every_part_is_on_a_side():
    """A new module of lab/ is put on one side of the arrow, here too."""
    known = {*RUN_SIDE, *READER_SIDE, *SHARED, *FRONT, "__init__", "data.__init__"}
    assert {one for path in sources() if (one := part_of(path)).split(".")[0] not in known} <= known


def test_the_digest_of_the_code_leaves_out_what_does_not_measure():
    """A run goes on when the reader side or the command line changes, and only then."""
    assert {name.removesuffix(".py") for name in READERS} == {*READER_SIDE, *FRONT}


def test_no_module_is_long():
    """A module of lab/ has at most 250 lines: one that grows beyond has two subjects."""
    assert {str(path): lines for path in sources() if (lines := path.read_text().count("\n")) > 250} == {}


def test_nothing_leans_on_the_command_line():
    """Whatever the command line can do, a notebook and a script can do without it."""
    everything = {part_of(path) for path in sources()} - set(FRONT)
    assert {part for part in everything if parts_imported(part) & set(FRONT)} == set()


@pytest.mark.parametrize("part", RUN_SIDE)
def test_the_run_side_never_looks_at_results(part):
    """What measures imports nothing of what analyses, draws, claims or reports."""
    assert parts_imported(part) & set(READER_SIDE) == set()


@pytest.mark.parametrize("part", READER_SIDE)
def test_the_reader_side_never_runs_anything(part):
    """What reads data/ imports nothing of what makes it."""
    allowed = {*SHARED, *SETTINGS, *READER_SIDE}
    assert {one for one in parts_imported(part) if one not in allowed} == set()


@pytest.mark.parametrize("part", FOUNDATION)
def test_the_foundation_leans_on_nothing_above(part):
    """Errors, paths, records, parameters, plan and store import only what lies below them."""
    assert parts_imported(part) <= FOUNDATION[part]


@pytest.mark.parametrize(
    ("package", "parts"),
    [
        ("ray", {"clusters", "engines", "mechanisms"}),
        ("matplotlib", {"figures"}),
        ("gmpy2", {"measure"}),
        ("flint", set()),
        ("psutil", {"clusters", "engines", "experiment.apart", "experiment.turns", "measure", "mechanisms"}),
        ("pynvml", {"measure"}),
        ("joblib", {"engines"}),
        ("distributed", {"engines"}),
        ("dask", set()),
        ("tqdm", {"experiment.run", "experiment.turns"}),
        ("papermill", set()),
        ("IPython", set()),
    ],
)
def test_each_dependency_has_its_place(package, parts):
    """Ray is known to clusters and engines alone, matplotlib to figures alone, and so on."""
    assert importers(package) <= parts


@pytest.mark.parametrize("part", ON_THE_HEAD)
def test_what_runs_on_a_cluster_writes_no_files(part):
    """A job has no ledger and no store: its rows go to its log, from which the client writes them."""
    apart = {"data.ledger", "data.table", "data.reading", "data.store", "experiment.run", "experiment.sites"}
    assert parts_imported(part) & apart == set()


def test_a_job_loads_no_heavy_packages():
    """The job and the node watches start fast: neither pandas nor matplotlib comes with them."""
    heavy = "{'pandas', 'matplotlib', 'ray', 'scipy'}"
    script = f"import sys, lab.experiment.job; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_examples_know_nothing_of_the_lab():
    """An example is a file that a user would copy: a plain function that imports nothing of the lab."""
    files = sorted((paths.ROOT / "examples").glob("*.py"))
    assert len(files) > 10
    for path in files:
        assert [name for name in imports(path) if name.split(".")[0] == "lab"] in ([], ["lab.Workload"]), path


def test_ray_is_never_imported_with_a_module():
    """Ray is imported within the functions that use it, so that the lab's modules load without it."""
    for path in sources():
        top = {
            name.split(".")[0]
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
        }
        assert "ray" not in top, path


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]
