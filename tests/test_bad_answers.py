"""Bad input of an answer: each kind has a sentence of its own, and no answer is made up from it."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from synthetic import FRAMES, multi_node_run, own_run
from written import write_run

from lab.cli import main
from lab.errors import ParameterError
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import parameters_from

Answered = Callable[..., str]
WORKERS = (1, 2, 3, 4)
ENGINES = ("ray", "processes", "serial")


def ray_run(workers: tuple[int, ...] = WORKERS, blocks: int = 3) -> FRAMES:
    """Return the frames of a made-up run of own work."""
    return own_run(engines=ENGINES, workers=workers, blocks=blocks)


@pytest.fixture
def answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Answered:
    """Return a function that writes a run and returns what `lab answer` says of it."""

    def answer(frames: FRAMES, *options: str, status: int = 0, folder: str = "own", **facts: object) -> str:
        name = f"run{len(list(tmp_path.glob('*/*')))}"
        write_run(tmp_path / folder / name, frames, **facts)
        assert main(["answer", name, "--data", str(tmp_path), *options]) == status
        told = capsys.readouterr()
        return told.out + told.err

    return answer


def test_one_size(answered: Answered) -> None:
    """Of one size neither scaling nor a choice is told."""
    told = answered(ray_run((2,)))
    assert "Only 2 was measured: it takes trials with 1 and with more." in told
    assert "How many workers? That takes a run with several sizes. (not decided)" in told


def test_one_repeat(answered: Answered) -> None:
    """One repeat has no interval, decides nothing, fits no law, and asks for five."""
    told = answered(ray_run(blocks=1), "--target", "10", "--price", "1")
    assert "One repeat tells nothing: run 5." in told
    assert told.count("Too few repeats to fit anything: repeat every size 5 times.") == 2
    assert "one block, no interval" in told


def test_zero_throughput(answered: Answered) -> None:
    """Trials that counted nothing are named with their size; the others are answered from."""
    trials, *others = ray_run()
    trials.loc[(trials["engine"] == "ray") & (trials["workers"] == 2), "units"] = 0
    told = answered((trials, *others))
    assert "3 trials (2 workers) counted no items at all: left out of all ratios." in told
    assert "Going from 3 to 4 brings" in told


def test_missing_throughput(answered: Answered) -> None:
    """Where no trial has a throughput there is no answer, no level and no cost, and that is why."""
    trials, *others = ray_run()
    trials["units"] = trials["units"].where(trials["engine"] != "ray")
    told = answered((trials, *others), "--price", "1")
    assert "No answer: no trial has a throughput." in told
    assert "The level is not known: no trial has a throughput." in told
    assert "had no known throughput: left out of all means." in told
    assert "No cost. No trial ended well." in told


def test_failed_rows(answered: Answered) -> None:
    """Failed trials are counted with their sizes, and in no mean; where all failed there is no answer."""
    trials, *others = ray_run()
    failed = ["failed", "EngineError", "lost"]
    mine = (trials["engine"] == "ray") & (trials["workers"] == 3)
    trials.loc[mine, ["status", "error_kind", "error_message"]] = failed
    told = answered((trials, *others), "--json")
    (values,) = json.loads(told)
    assert values["sizes"] == [1, 2, 4]
    assert values["caveats"] == [
        "3 trials (3 workers) did not end well, or not with all workers: left out of all means."
    ]
    trials[["status", "error_kind", "error_message"]] = failed
    assert "no trial of run1 ended well: `lab list` shows its state" in answered((trials, *others), status=1)


def test_targets_below_and_beyond(answered: Answered) -> None:
    """A target that the smallest size exceeds asks for fewer; one beyond all laws has no size."""
    frames = own_run(engines=("ray",), workers=(2, 3, 4, 5), blocks=5)
    assert "The smallest size measured does at least 151: fewer may do. Measure 1 worker." in answered(
        frames, "--target", "1"
    )
    assert "No size gets there: the laws that fit reach 304 at most." in answered(frames, "--target", "1e9")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--price", "-0.4"), "a price per node-hour must be 0 or more, but got -0.4"),
        (("--price", "nan"), "a price per node-hour must be 0 or more, but got nan"),
        (("--target", "nan"), "a target must be above 0 units/s, but got nan"),
        (("--work", "-5", "--hours", "1"), "--work must be above 0, but is -5"),
        (("--work", "5", "--hours", "-1"), "--hours must be above 0, but is -1"),
    ],
)
def test_impossible_wishes_come_before_answers(
    answered: Answered, options: tuple[str, ...], said: str
) -> None:
    """A price, target or amount that cannot be is refused before anything is told."""
    told = answered(ray_run((1, 2)), *options, status=1)
    assert said in told
    assert "How far" not in told


def test_mixed_machines(answered: Answered) -> None:
    """A run whose sessions were on two hosts is answered with the warning that machines may differ."""
    moments = ("2026-01-01", "2026-01-02")
    sessions = [{"started_at": f"{one}T00:00:00.000+00:00", "host_id": one} for one in moments]
    told = answered(ray_run((1, 2)), sessions=sessions)
    assert "The run was driven from 2 machines, or from one that was started anew: " in told
    assert "driven from" not in answered(ray_run((1, 2)), sessions=sessions[:1])


@pytest.mark.parametrize(
    "other", [{"quota_cores": 2.0}, {"cpu_model": "Another processor"}], ids=["cores", "processor"]
)
def test_unequal_nodes(answered: Answered, other: dict[str, object]) -> None:
    """On nodes with different cores or processors no law is fitted: what a size does depends on which."""
    *frames, nodes = multi_node_run(nodes=(1, 2, 3, 4), workers_per_node=(1,), cluster="address")
    alike = nodes.assign(cpu_model="A processor")
    assert "unequal" not in answered((*frames, alike), folder="multi_node")
    unequal = alike.copy()
    for name, value in other.items():
        unequal.loc[unequal.index[-1], name] = value
    told = answered((*frames, unequal), "--target", "1e6", folder="multi_node")
    assert "The nodes are unequal (" in told
    assert "no answer. The nodes are not alike: which of them a size has decides its throughput." in told


def test_sizes_out_of_order(answered: Answered) -> None:
    """Sizes may be named, and rows may stand, in any order: the answer is the same."""
    trials, *others = ray_run()
    turned: pd.DataFrame = trials.iloc[::-1].reset_index(drop=True)
    first, second = (json.loads(answered((one, *others), "--json"))[0] for one in (trials, turned))
    assert [first[name] for name in ("sizes", "use", "possible", "speed_up_over")] == [
        second[name] for name in ("sizes", "use", "possible", "speed_up_over")
    ]
    assert parameters_from(Own, {"workers": [4, 1, 2]}).workers == (4, 1, 2)


@pytest.mark.parametrize("workers", [[], [0], [-1], [2, 2], [1.5], [10**6], "two"])
def test_sizes_that_are_none(workers: object) -> None:
    """No sizes, sizes below 1, the same one twice, parts and words are refused with what is accepted."""
    with pytest.raises(ParameterError, match=r"workers is .*: accepted is "):
        parameters_from(Own, {"workers": workers})


@pytest.mark.parametrize("repeats", [0, -1, 2.5])
def test_repeats_that_are_none(repeats: object) -> None:
    """Fewer than one repeat, and a part of one, are refused with what is accepted."""
    with pytest.raises(ParameterError, match=r"repeats is .*: accepted is "):
        parameters_from(Own, {"repeats": repeats})
