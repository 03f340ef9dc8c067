"""Tests of lab.profiles: a run bears a profile's name only where it has that profile's values."""

import dataclasses

import pytest
import yaml
from fakes import tiny

from lab.parameters import SingleNode, parameters_from
from lab.profiles import PROFILES, with_true_profile


@pytest.mark.parametrize("name", ["quick", "full", "reference"])
def test_the_name_stays_while_the_values_do(name: str) -> None:
    """Parameters with all values of a profile keep its name; one that differs makes the run a custom one."""
    given = dataclasses.asdict(tiny()) | yaml.safe_load((PROFILES / f"{name}.yaml").read_text())
    parameters = parameters_from(SingleNode, given)
    assert with_true_profile(parameters).profile == name
    changed = dataclasses.replace(parameters, workers=(7,))
    assert with_true_profile(changed) == dataclasses.replace(changed, profile="custom")


def test_what_a_profile_leaves_open_does_not_count() -> None:
    """Another seed, which no profile sets, leaves the name as it is."""
    given = dataclasses.asdict(tiny()) | yaml.safe_load((PROFILES / "quick.yaml").read_text())
    parameters = parameters_from(SingleNode, given | {"seed": 1})
    assert with_true_profile(parameters).profile == "quick"
