"""Tests of lab.parameters, of the notebook's parameters cell and of the profiles."""

import ast
import dataclasses
import io
import math
import tokenize

import nbformat
import pytest
import yaml
from fakes import TINY, tiny
from hypothesis import given
from hypothesis import strategies as st

from lab import paths
from lab.errors import ParameterError
from lab.parameters import MODES, MOST_WORKERS, PROFILES, SCHEDULES, SingleNode, parameters_from

FIELDS = {field.name: field for field in dataclasses.fields(SingleNode)}
NOTEBOOK = paths.ROOT / "notebooks" / "single_node.ipynb"
PROFILE_FILES = sorted((paths.ROOT / "notebooks" / "profiles").glob("*.yaml"))


def parameters_cell() -> str:
    """Return the source of the notebook's parameters cell."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (cell,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    return cell.source


def notebook_defaults() -> dict:
    """Return what the parameters cell sets, read without running it."""
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(parameters_cell()).body
    }


def test_tiny_is_accepted():
    """Lists become tuples, and every value arrives."""
    parameters = tiny()
    assert parameters.workers == (1, 2)
    assert parameters.seed == 7
    assert parameters.deadline_seconds == 120.0


def test_unknown_is_refused_with_a_suggestion():
    """A misspelt name, which papermill lets pass, is refused, and the right one is suggested."""
    with pytest.raises(ParameterError, match=r"unknown parameter worker; did you mean workers\?"):
        tiny(worker=[1, 2])


def test_unknown_without_a_close_name_lists_all():
    """A name like none of the parameters gets the list of them."""
    with pytest.raises(ParameterError, match=r"unknown parameter zzz.*find_bits") as caught:
        tiny(zzz=1)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", FIELDS)
def test_each_missing_one_is_named(name):
    """A parameters cell that lost a line is told which."""
    rest = {key: value for key, value in TINY.items() if key != name}
    with pytest.raises(ParameterError, match=f"parameter {name} is missing"):
        parameters_from(SingleNode, rest)


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 0},
        {"workers": [0]},
        {"workers": [1, -2]},
        {"workers": [MOST_WORKERS + 1]},
        {"workers": [10**30]},
        {"workers": []},
        {"workers": [1, 1]},
        {"workers": [1.0]},
        {"workers": [True]},
        {"workers": True},
        {"workers": [[1]]},
        {"workers": None},
        {"workers": {"1": 2}},
        {"workers": "[1, 2"},
        {"workers": "1, 2"},
        {"workers": "many"},
        {"workers": "[]"},
        {"workers": "[" * 5000},
        {"workers": "[{[]: 1}]"},
        {"workers": "[__import__('os').getpid()]"},
        {"search_bits": 15},
        {"search_bits": 16385},
        {"search_bits": "512 bits"},
        {"search_bits": True},
        {"search_bits": 512.0},
        {"search_bits": None},
        {"search_width": 255},
        {"search_width": -1},
        {"search_width": 2**26 + 1},
        {"search_tasks": 0},
        {"find_bits": [15]},
        {"find_bits": [16, 16385]},
        {"factor_bits": 201},
        {"repeats": 0},
        {"repeats": "three"},
        {"seed": -1},
        {"seed": 2**63},
        {"seed": 1.5},
        {"schedules": ["random"]},
        {"schedules": "Dynamic"},
        {"schedules": []},
        {"schedules": ["static", "static"]},
        {"profile": "fast"},
        {"profile": ["quick"]},
        {"profile": ""},
        {"modes": ["seek"]},
        {"modes": 3},
        {"sample_seconds": 0},
        {"sample_seconds": 0.01},
        {"sample_seconds": math.nan},
        {"sample_seconds": True},
        {"deadline_seconds": math.inf},
        {"deadline_seconds": 10**400},
        {"deadline_seconds": "soon"},
        {"object_store_megabytes": 79},
        {"dashboard_port": 65536},
        {"dashboard_port": -1},
        {"run_id": "../x"},
        {"run_id": "/tmp/x"},
        {"run_id": "a/b"},
        {"run_id": "a\\b"},
        {"run_id": ".."},
        {"run_id": ".hidden"},
        {"run_id": "-rf"},
        {"run_id": "a\n"},
        {"run_id": "a b"},
        {"run_id": "a" * 65},
        {"run_id": "naïve"},
        {"run_id": 7},
        {"run_id": None},
    ],
    ids=repr,
)
def test_impossible_values_are_refused(changes):
    """The message names the parameter, the value and what is accepted."""
    (name,) = changes
    with pytest.raises(ParameterError) as caught:
        tiny(**changes)
    assert str(caught.value).startswith(f"{name} is ")
    assert "accepted" in str(caught.value)


def test_the_whole_rule_is_told():
    """A wrong item of a list gets the rule of the list, not only that of an item."""
    with pytest.raises(ParameterError, match="a list without repetitions of which each is a whole number"):
        tiny(workers=[0])


def test_sizes_and_counts_of_find_belong_together():
    """find_tasks has one count for each size of find_bits; counts may repeat, sizes may not."""
    with pytest.raises(ParameterError, match="find_bits has 2 sizes and find_tasks 1 counts"):
        tiny(find_bits=[32, 48], find_tasks=[3])
    with pytest.raises(ParameterError, match="find_bits"):
        tiny(find_bits=[32, 32], find_tasks=[3, 3])
    assert tiny(find_bits=[32, 48], find_tasks=[3, 3]).find_tasks == (3, 3)


@pytest.mark.parametrize(
    ("given_text", "name", "value"),
    [
        ("[1,2,4]", "workers", (1, 2, 4)),
        (" [1, 2]", "workers", (1, 2)),
        ("3", "workers", (3,)),
        (3, "workers", (3,)),
        ((1, 2), "workers", (1, 2)),
        ("['find']", "modes", ("find",)),
        ("find", "modes", ("find",)),
        ("512", "search_bits", 512),
        ("0.5", "sample_seconds", 0.5),
        (1, "sample_seconds", 1.0),
        ("", "run_id", ""),
        ("2026.01-a_b", "run_id", "2026.01-a_b"),
        ("7", "run_id", "7"),
    ],
)
def test_text_of_the_command_line_is_read(given_text, name, value):
    """Papermill's -p and -r hand over text: lists and numbers in it are read."""
    found = getattr(tiny(**{name: given_text}), name)
    assert found == value
    assert type(found) is type(value)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_any_value_is_accepted_or_refused_clearly(value):
    """No value of any parameter, however odd, raises anything but ParameterError."""
    for name in FIELDS:
        message = f"{name} is accepted"
        try:
            tiny(**{name: value})
        except ParameterError as error:
            message = str(error)
        assert name in message


@given(st.lists(st.integers(1, MOST_WORKERS), min_size=1, unique=True))
def test_every_sensible_list_of_workers_is_accepted(workers):
    """As a list and as its text, in the order given."""
    assert tiny(workers=workers).workers == tiny(workers=str(workers)).workers == tuple(workers)


def test_a_notebooks_own_names_do_not_count():
    """Modules, functions, classes, underscored names and IPython's In and Out are no parameters."""
    own = {"_private": 1, "math": math, "print": print, "Path": ast.AST, "In": [], "Out": {}}
    assert parameters_from(SingleNode, TINY | own) == tiny()


def test_the_parameters_are_frozen():
    """Nothing changes the parameters once they are checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny().seed = 8


def test_notebook_names_exactly_the_fields():
    """The notebook's parameters cell sets every field of SingleNode, in its order, by literals alone."""
    assert list(notebook_defaults()) == list(FIELDS)
    assert parameters_from(SingleNode, notebook_defaults()).profile == "custom"


def test_notebook_comments_every_parameter():
    """Each line of the parameters cell says in a comment what it sets."""
    tokens = list(tokenize.generate_tokens(io.StringIO(parameters_cell()).readline))
    commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    for statement in ast.parse(parameters_cell()).body:
        assert statement.lineno in commented, ast.unparse(statement)


def test_notebook_comments_tell_the_ranges():
    """The ranges and choices in the comments are those that are accepted."""
    comments = {
        line.split(" = ")[0]: line.split("#", 1)[1]
        for line in parameters_cell().splitlines()
        if " = " in line
    }
    for name in ("workers", "search_bits", "factor_bits", "repeats", "deadline_seconds", "sample_seconds"):
        rule = FIELDS[name].metadata["rule"]
        rule = getattr(rule, "of", rule)
        assert f"{rule.low:g} to {rule.high:g}" in comments[name], name
    for name, names in (("profile", PROFILES), ("modes", MODES), ("schedules", SCHEDULES)):
        assert all(choice in comments[name] for choice in names), name


@pytest.mark.parametrize("path", PROFILE_FILES, ids=lambda path: path.stem)
def test_profiles_are_accepted(path):
    """Each profile fits the parameters, and bears its file's name as its label."""
    changes = yaml.safe_load(path.read_text())
    assert parameters_from(SingleNode, notebook_defaults() | changes).profile == path.stem


def test_every_profile_has_a_file():
    """The labels other than `custom` are the files that are there."""
    assert {path.stem for path in PROFILE_FILES} == set(PROFILES) - {"custom"}


def test_the_full_profile_is_full():
    """1 to 6 workers and 5 repeats or more: what the published answer rests on."""
    full = parameters_from(
        SingleNode,
        notebook_defaults() | yaml.safe_load((paths.ROOT / "notebooks/profiles/full.yaml").read_text()),
    )
    assert full.repeats >= 5
    assert full.workers == (1, 2, 3, 4, 5, 6)
    assert set(full.schedules) == set(SCHEDULES)
