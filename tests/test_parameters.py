"""Tests of lab.experiment.parameters, of the notebook's parameters cell and of the profiles."""

import ast
import dataclasses
import io
import math
import tokenize

import nbformat
import pytest
import yaml
from fakes import TINY, tiny, tiny_docker, tiny_nodes
from hypothesis import given
from hypothesis import strategies as st

from lab import paths
from lab.errors import ParameterError
from lab.experiment.factoring_parameters import Factoring
from lab.experiment.mechanism_parameters import Mechanisms
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import (
    MOST_WORKERS,
    SCHEDULES,
    BreakEven,
    Docker,
    MultiNode,
    RayVersusMultiprocessing,
    SingleNode,
    parameters_from,
)
from lab.experiment.profiles import profile_file
from lab.experiment.rules import Choice, Real, Several, Whole

FIELDS = {field.name: field for field in dataclasses.fields(SingleNode)}
KINDS = {
    "single_node": SingleNode,
    "multi_node": MultiNode,
    "docker": Docker,
    "ray_vs_multiprocessing": RayVersusMultiprocessing,
    "break_even": BreakEven,
    "factoring": Factoring,
    "own": Own,
    "mechanisms": Mechanisms,
}


def parameters_cell(experiment: str) -> str:
    """Return the source of a notebook's parameters cell."""
    cells = nbformat.read(paths.ROOT / "notebooks" / f"{experiment}.ipynb", as_version=4).cells
    (cell,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    return cell.source


def notebook_defaults(experiment: str = "single_node") -> dict:
    """Return what the parameters cell sets, read without running it."""
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(parameters_cell(experiment)).body
    }


def test_tiny_is_accepted():
    """Lists become tuples, and every value arrives."""
    parameters = tiny()
    assert parameters.workers == (1, 2)
    assert parameters.seed == 7
    assert parameters.deadline_seconds == 120.0


@pytest.mark.parametrize(
    "modes", ["[search, find]", "['search', 'find']", '["search","find"]', ["search", "find"]]
)
def test_a_list_of_words_needs_no_quotes(modes):
    """Papermill's -p and a shell leave a list of words without quotes: its meaning is clear."""
    assert tiny(modes=modes).modes == ("search", "find")


def test_a_run_id_of_digits_is_text():
    """Papermill's -p makes a number of digits: a run may be called by its date."""
    assert tiny(run_id=20261127).run_id == "20261127"


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


@pytest.mark.parametrize("experiment", KINDS)
def test_notebook_names_exactly_the_fields(experiment):
    """The notebook's parameters cell sets every field of its experiment by literals alone."""
    kind = KINDS[experiment]
    assert set(notebook_defaults(experiment)) == {field.name for field in dataclasses.fields(kind)}
    assert parameters_from(kind, notebook_defaults(experiment)).profile == "custom"


@pytest.mark.parametrize("experiment", KINDS)
def test_every_notebook_has_its_experiment(experiment):
    """A notebook asks lab.experiment.run for the experiment of its name, and no notebook is without one."""
    # that which compares two runs makes none
    assert {path.stem for path in (paths.ROOT / "notebooks").glob("*.ipynb")} == {*KINDS, "compare"}
    text = (paths.ROOT / "notebooks" / f"{experiment}.ipynb").read_text()
    assert f"_run = {experiment}(globals())" in text


@pytest.mark.parametrize("experiment", KINDS)
def test_notebook_comments_every_parameter(experiment):
    """Each line of the parameters cell says in a comment what it sets."""
    tokens = list(tokenize.generate_tokens(io.StringIO(parameters_cell(experiment)).readline))
    commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    for statement in ast.parse(parameters_cell(experiment)).body:
        assert statement.lineno in commented, ast.unparse(statement)


@pytest.mark.parametrize("experiment", KINDS)
def test_notebook_comments_tell_the_ranges(experiment):
    """The ranges and choices in the comments are those that are accepted."""
    comments = {
        line.split(" = ")[0]: line.split("#", 1)[1]
        for line in parameters_cell(experiment).splitlines()
        if " = " in line
    }
    for field in dataclasses.fields(KINDS[experiment]):
        rule = field.metadata["rule"]
        rule = getattr(rule, "of", rule) if isinstance(rule, Several) else rule
        # a lower end of 0 or 1 goes without saying; 0 where it stands for something is said in words
        if isinstance(rule, Whole | Real) and "0:" not in comments[field.name] and rule.low > 1:
            assert f"{rule.low:g}" in comments[field.name], field.name
        # the ten engines do not fit beside their list
        if isinstance(rule, Choice) and field.name != "engines":
            assert all(choice in comments[field.name] for choice in rule.names), field.name


@pytest.mark.parametrize(
    ("experiment", "name"),
    [
        ("single_node", "reference"),
        *((experiment, name) for experiment in KINDS if experiment != "own" for name in ("quick", "full")),
        ("ray_vs_multiprocessing", "reference"),
    ],
)
def test_profiles_are_accepted(experiment, name):
    """Each profile fits the parameters of its experiment, and bears its name as its label."""
    changes = yaml.safe_load(profile_file(experiment, name).read_text())
    assert parameters_from(KINDS[experiment], notebook_defaults(experiment) | changes).profile == name


def full(experiment):
    """Return the parameters of an experiment's full profile."""
    changes = yaml.safe_load(profile_file(experiment, "full").read_text())
    return parameters_from(KINDS[experiment], notebook_defaults(experiment) | changes)


def test_the_full_profiles_are_full():
    """1 to 6 workers, 1 to 6 nodes with 1 to 3 workers, 5 repeats or more: what is published."""
    single, nodes, docker = full("single_node"), full("multi_node"), full("docker")
    assert min(single.repeats, nodes.repeats, docker.repeats) >= 5
    assert single.workers == nodes.nodes == (1, 2, 3, 4, 5, 6)
    assert nodes.workers_per_node == (1, 2, 3)
    assert nodes.node_cores == 0.25
    assert set(single.schedules) == set(SCHEDULES)


# --- clusters ---


def test_an_embedded_ray_is_one_node():
    """More nodes than one in this process are refused, with the kinds that have them."""
    with pytest.raises(ParameterError, match=r"nodes is \[1, 2\], and an embedded Ray is one node: .* local"):
        tiny_nodes(cluster="embedded")
    assert tiny_nodes(cluster="embedded", nodes=1).nodes == (1,)


@pytest.mark.parametrize(("cluster", "address"), [("address", ""), ("local", "http://head:8265")])
def test_an_address_belongs_to_its_kind(cluster, address):
    """A cluster that is reached by its address needs one; the other kinds take none."""
    with pytest.raises(ParameterError, match="cluster 'address' needs the address of the jobs API"):
        tiny_nodes(cluster=cluster, address=address)
    assert tiny_nodes(cluster="address", address="http://head:8265").address == "http://head:8265"


@pytest.mark.parametrize(("given_value", "value"), [("True", True), ("False", False), (True, True)])
def test_flags_are_read(given_value, value):
    """True and False, or their text."""
    assert tiny_docker(may_scale=given_value).may_scale is value


@pytest.mark.parametrize("wrong", ["yes", 1, 0, None, "", []])
def test_what_is_no_flag_is_refused(wrong):
    """Anything else, a number too, is refused with the rule."""
    with pytest.raises(ParameterError, match=r"may_scale is .*: accepted is True or False"):
        tiny_docker(may_scale=wrong)
