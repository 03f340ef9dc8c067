"""How many for a purpose: the fewest that meet a target, and costs, with numbers worked out by hand."""

from math import exp, log

import numpy as np
import pytest
from scipy import stats

from lab.analysis.extrapolation import Fitted, fit
from lab.analysis.laws import AMDAHL, CEILING, Law
from lab.analysis.purposes import Cost, Costs, Smallest, costs, smallest
from lab.analysis.sweeps import Refusal, Sweep
from lab.errors import ParameterError

SIZES = (1, 2, 4, 8)


def of_law(
    law: Law, parameters: tuple[float, ...], sizes: tuple[int, ...] = SIZES, spread: float = 0.01
) -> Sweep:
    """Return a sweep of five blocks that follows a law, with normal noise."""
    exact = law.formula(np.array(sizes, dtype=float), np.array([parameters]))
    return Sweep(sizes, exact * np.exp(np.random.default_rng(5).normal(0.0, spread, (5, len(sizes)))))


def answer(sweep: Sweep, target: float) -> Smallest | Refusal:
    """Return the fewest for a target, by the sweep's own fit."""
    return smallest(sweep, fit(sweep), target)


def test_a_measured_size_is_judged_by_its_own_trials() -> None:
    """The end of Student's one-sided interval over blocks decides, worked out by hand."""
    rates = np.array([[100.0, 190.0], [104.0, 202.0], [96.0, 195.0]])
    logs = np.log(rates[:, 1])
    low = exp(logs.mean() - stats.t.ppf(0.9, 2) * logs.std(ddof=1) / 3**0.5)
    sweep = Sweep((1, 2), rates)
    found = answer(sweep, low * 0.999)
    assert isinstance(found, Smallest)
    assert (found.size, found.source) == (2, "measured")
    assert found.throughput.low == pytest.approx(low)
    assert isinstance(answer(sweep, low * 1.001), Refusal)


def test_a_size_between_is_judged_by_the_laws() -> None:
    """Where four do not reach a target and eight do, the law says whether six are enough."""
    found = answer(of_law(AMDAHL, (100.0, 0.05)), 450.0)
    assert isinstance(found, Smallest)
    truth = {n: 100 * n / (1 + 0.05 * (n - 1)) for n in (5, 6)}
    assert truth[5] < 450 < truth[6]
    assert (found.size, found.source) == (6, "law")


def test_what_refuses_the_fit_refuses_what_was_not_measured() -> None:
    """With three sizes a measured one may be the answer; a target beyond them needs a fourth size."""
    sweep = of_law(AMDAHL, (100.0, 0.05), (1, 2, 4))
    assert isinstance(answer(sweep, 150.0), Smallest)
    beyond = answer(sweep, 500.0)
    assert isinstance(beyond, Refusal)
    assert (beyond.reason, beyond.sizes) == ("few sizes", (6,))


def test_refused_targets() -> None:
    """A target below the smallest size, beyond reach, too far, or not sure is told from the others."""
    below = answer(of_law(AMDAHL, (100.0, 0.05), (4, 6, 8, 10)), 100.0)
    assert isinstance(below, Refusal)
    assert (below.reason, below.sizes) == ("below the smallest", (2,))
    ceiling = answer(of_law(CEILING, (100.0, 250.0)), 400.0)
    assert isinstance(ceiling, Refusal)
    assert ceiling.reason == "beyond reach"
    assert ceiling.limit == pytest.approx(250, rel=0.1)
    far = answer(of_law(AMDAHL, (100.0, 0.01)), 1900.0)
    assert isinstance(far, Refusal)
    assert (far.reason, far.sizes) == ("too far", (12,))
    unsure = answer(of_law(AMDAHL, (100.0, 0.05), spread=0.03), 880.0)
    assert isinstance(unsure, Refusal)
    assert unsure.reason == "not sure"


def test_costs_by_hand() -> None:
    """Without noise a unit costs price * nodes / throughput, and the step what both differ by."""
    found = costs(Sweep((1, 2, 4), np.array([[100.0, 160.0, 200.0]] * 2)), 0.36)
    assert isinstance(found, Costs)
    assert [one.unit.value for one in found.sizes] == pytest.approx([1e-6, 1.25e-6, 2e-6])
    steps = [one.next_unit.value for one in found.sizes if one.next_unit is not None]
    assert steps == pytest.approx([1e-4 / 60, 2e-4 / 40])
    assert found.cheapest == (1,)


def test_workers_of_one_node_cost_the_same() -> None:
    """Where the node is paid for, whatever runs on it, the fastest size is cheapest, and no step costs."""
    found = costs(Sweep((1, 2, 4), np.array([[100.0, 160.0, 200.0]] * 2)), 0.36, nodes=False)
    assert isinstance(found, Costs)
    assert [one.unit.value for one in found.sizes] == pytest.approx([1e-6, 1e-6 / 1.6, 5e-7])
    assert found.cheapest == (4,)
    assert {one.next_unit for one in found.sizes} == {None}


def test_a_step_that_brings_nothing_has_no_cost() -> None:
    """Where more nodes bring less, the cost of what they add is unknown, and never below 0."""
    found = costs(Sweep((1, 2), np.array([[100.0, 90.0], [101.0, 92.0], [99.0, 91.0]])), 1.0)
    assert isinstance(found, Costs)
    step = found.sizes[0].next_unit
    assert step is not None
    assert (step.value, step.high) == (None, None)


def test_sizes_that_cannot_be_told_apart_are_all_the_cheapest() -> None:
    """On a sweep that scales linearly but for noise, every size may be the cheapest."""
    rates = np.array([[100.0, 201.0, 397.0], [101.0, 199.0, 405.0], [99.0, 200.0, 400.0]])
    found = costs(Sweep((1, 2, 4), rates), 1.0)
    assert isinstance(found, Costs)
    assert found.cheapest == (1, 2, 4)


def test_cost_intervals_hold_the_truth() -> None:
    """The interval of a cost has the spread of Student's t over blocks."""
    rates = np.array([[100.0, 190.0], [104.0, 202.0], [96.0, 195.0], [99.0, 205.0]])
    found = costs(Sweep((1, 2), rates), 3600.0)
    assert isinstance(found, Costs)
    one: Cost = found.sizes[0]
    logs = np.log(rates[:, 0])
    half = stats.t.ppf(0.95, 3) * logs.std(ddof=1) / 2
    assert one.unit.value == pytest.approx(exp(-logs.mean()))
    assert log(one.unit.high or 0) == pytest.approx(-logs.mean() + half, abs=half / 4)
    assert log(one.unit.low or 0) == pytest.approx(-logs.mean() - half, abs=half / 4)


def test_bad_targets_and_prices_are_refused() -> None:
    """A target of 0 or less, a chance that is none, and a negative price are errors with a sentence each."""
    sweep = of_law(AMDAHL, (100.0, 0.05))
    fitted = fit(sweep)
    assert isinstance(fitted, Fitted)
    for target in (0.0, -1.0, float("nan")):
        with pytest.raises(ParameterError, match="target must be above 0"):
            smallest(sweep, fitted, target)
    with pytest.raises(ParameterError, match="chance to meet a target"):
        smallest(sweep, fitted, 10.0, 1.0)
    with pytest.raises(ParameterError, match="price per node-hour must be 0 or more"):
        costs(sweep, -0.1)


def test_one_block_has_neither() -> None:
    """One block tells no interval: targets and costs are refused with the sizes to measure again."""
    single = Sweep(SIZES, np.array([[1.0, 2.0, 4.0, 8.0]]))
    assert answer(single, 3.0) == costs(single, 1.0) == Refusal("few blocks", 1.0, 5, SIZES)
