"""Tests of the causes: planted ones are found and no others, noise is none, and the examples show theirs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from planted import changed

import lab.analysis.causes as module
from lab.analysis.causes import LEAST, NAMES, Cause, bounded, causes, main
from lab.analysis.losses import TERMS, account, share_estimate, shares
from lab.analysis.measures import measures
from lab.data.store import Run
from lab.synthetic.losses import POINT, planted_run, truth
from lab.synthetic.runs import Node

PLANTED = {
    "nothing": ((Node(), Node()), {"cores"}),
    "a stall": ((Node(), Node(stall=0.2)), set()),
    "a slow node": ((Node(), Node(slower=0.3)), {"slow_node"}),
    "slower everywhere": ((Node(slower=0.3), Node(slower=0.3)), {"slower"}),
    "a cold start": ((Node(startup=0.25), Node(startup=0.1)), {"startup"}),
    "waiting": ((Node(waiting=0.3), Node(waiting=0.3)), {"waiting"}),
    "gaps": ((Node(gaps=0.2), Node(gaps=0.2)), {"short"}),
    "a long tail": ((Node(), Node(tail=0.4)), {"tail"}),
    "cores without workers": ((Node(cores=2.0), Node(cores=1.5)), {"unused"}),
    "threads": ((Node(cores=2.0, upkeep_cores=0.9),) * 2, {"threads", "unused"}),
    "more workers than cores": ((Node(cores=0.25, workers=3), Node(cores=2.0, workers=6)), {"cores"}),
    "several at once": (
        (Node(cores=0.25, workers=3, stall=0.1, gaps=0.1, tail=0.1, startup=0.05),) * 3,
        {"short", "tail", "startup"},
    ),
}
"""Clusters with planted causes, and the names that have to come out."""


def found_in(run: Run) -> dict[str, Cause]:
    """Return the causes of the run's largest configuration by name."""
    made = account(run)
    rows = measures(run.trials, run.tasks, run.samples, run.windows, run.nodes)
    ray = made.trials[(made.trials["engine"] == "ray") & (made.trials["arm"] != "copy")]
    largest = ray[ray["workers"] == ray["workers"].max()]
    found = causes(run, made, rows, largest[largest["sound"]].index)
    return {cause.name: cause for cause in found}


def named(run: Run) -> set[str]:
    """Return the names of the causes that hold."""
    return {cause.name for cause in main(tuple(found_in(run).values())).causes}


@pytest.mark.parametrize("scenario", PLANTED)
def test_a_planted_cause_is_found_and_no_other(scenario: str) -> None:
    """With 1 % noise of a trial, five blocks name what was planted, in each of ten runs, and nothing else."""
    nodes, expected = PLANTED[scenario]
    for seed in range(10):
        assert named(planted_run(nodes, blocks=5, seed=seed, noise=0.01)) == expected, seed
