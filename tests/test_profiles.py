"""Tests of lab.experiment.profiles: a run bears a profile's name only where it has that profile's values."""

import dataclasses

import pytest
import yaml
from fakes import (
    tiny,
    tiny_break_even,
    tiny_docker,
    tiny_factoring,
    tiny_mechanisms,
    tiny_nodes,
    tiny_versus,
)

from lab.experiment.parameters import MultiNode, SingleNode, parameters_from
from lab.experiment.profiles import PROFILES, notebook_parameters, profile_file, with_true_profile

EXPERIMENTS = {
    "single_node": tiny(),
    "multi_node": tiny_nodes(),
    "docker": tiny_docker(),
    "ray_vs_multiprocessing": tiny_versus(),
    "break_even": tiny_break_even(),
    "mechanisms": tiny_mechanisms(),
    "factoring": tiny_factoring(),
}
FILES = [
    (experiment, name)
    for experiment in EXPERIMENTS
    for name in ("quick", "full", "reference")
    if profile_file(experiment, name).exists()
]


@pytest.mark.parametrize(("experiment", "name"), FILES)
def test_the_name_stays_while_the_values_do(experiment: str, name: str) -> None:
    """Parameters with all values of a profile keep its name; one that differs makes the run a custom one."""
    other = EXPERIMENTS[experiment]
    given = dataclasses.asdict(other) | yaml.safe_load(profile_file(experiment, name).read_text())
    parameters = parameters_from(type(other), given)
    assert with_true_profile(experiment, parameters).profile == name
    changed = dataclasses.replace(parameters, repeats=77)
    assert with_true_profile(experiment, changed) == dataclasses.replace(changed, profile="custom")


def test_a_profile_can_be_run_at_an_address() -> None:
    """A cluster's address beside a profile that names another kind of cluster makes the run a custom one."""
    given = dataclasses.asdict(tiny_nodes()) | yaml.safe_load(profile_file("multi_node", "quick").read_text())
    given |= {"cluster": "address", "address": "http://127.0.0.1:8265"}
    parameters = parameters_from(MultiNode, given)
    assert with_true_profile("multi_node", parameters) == dataclasses.replace(parameters, profile="custom")


def test_the_parameters_cell_can_be_read() -> None:
    """What a notebook's parameters cell sets are all the parameters of its experiment."""
    for experiment, parameters in EXPERIMENTS.items():
        assert parameters_from(type(parameters), notebook_parameters(experiment)).profile == "custom"


def test_every_file_is_some_experiments_profile() -> None:
    """No file in the folder is a profile that nothing would find."""
    found = {profile_file(*one) for one in FILES}
    assert {(one, name) for one in EXPERIMENTS for name in ("quick", "full")} <= set(FILES)
    assert {path for path in PROFILES.glob("*") if path not in found} == set()


def test_what_a_profile_leaves_open_does_not_count() -> None:
    """Another seed, which no profile sets, leaves the name as it is."""
    given = dataclasses.asdict(tiny()) | yaml.safe_load((PROFILES / "quick.yaml").read_text())
    parameters = parameters_from(SingleNode, given | {"seed": 1})
    assert with_true_profile("single_node", parameters).profile == "quick"
