"""Bands of laws: how often they hold the truth of made-up sweeps, and what they make of published ones."""

import numpy as np
import pandas as pd
import pytest

from lab.analysis.configurations import CONFIGURATION
from lab.analysis.extrapolation import Fitted, fit
from lab.analysis.intervals import proportion_estimate
from lab.analysis.laws import AMDAHL, GUSTAFSON, LAWS, LINEAR
from lab.analysis.sweeps import Refusal, Sweep
from lab.synthetic.bands import of_curves, of_laws
from lab.synthetic.sweeps import Noise, disturbed, drawn_truth, recorded_noise, true_throughput

DRAWN = np.random.default_rng(2)
NORMAL = Noise(
    shapes=tuple(DRAWN.standard_normal(2000)), spreads=(0.02,), levels=tuple(DRAWN.normal(0.0, 0.01, 2000))
)
"""Normal noise: 2 % of a trial and 1 % of a block."""

SWEEPS, SURE = 120, 0.999

PUBLISHED = {
    "ray-project/ray#13907 one init": ((1, 2, 4, 6, 8), (1005.5, 1429.3, 1830.1, 981.7, 740.6)),
    "ray-project/ray#13907 new init": ((1, 2, 4, 6, 8), (1088.8, 1486.7, 1889.7, 2193.0, 2230.1)),
    "reference report, 1 worker a node": ((1, 2, 3, 4, 5, 6), (3.6, 5.5, 8.0, 9.6, 10.5, 9.2)),
}
"""Throughput over CPUs or nodes as others published it, by its source: one run a size; only ratios matter."""


def draw(law, truth, sizes, blocks, noise, rng) -> Sweep:
    """Return a sweep that follows a law, but for noise."""
    throughputs = [true_throughput(law, truth, size) for size in sizes]
    return disturbed(throughputs, sizes, blocks, noise, rng, law is GUSTAFSON)


# --- made-up sweeps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [*LAWS, GUSTAFSON], ids=lambda one: one.name)
def test_true_throughput_is_that_of_the_formula(law) -> None:
    """A sweep drawn without noise has the true throughput at every size, within the bounds of its law."""
    sizes = (1, 2, 4, 8)
    truth = drawn_truth(law, sizes, np.random.default_rng(1))
    silent = Noise((0.0,), (0.0,), (0.0,))
    found = draw(law, truth, sizes, 3, silent, np.random.default_rng(1))
    assert len(truth) == len(law.parameters)
    assert found.throughputs == pytest.approx(
        np.tile([true_throughput(law, truth, size) for size in sizes], (3, 1))
    )
    assert found.work == ("grows" if law is GUSTAFSON else "fixed")


def test_recorded_noise_is_found_again() -> None:
    """Spreads of trials and of blocks that a run was made with are those of its noise."""
    rng = np.random.default_rng(4)
    blocks, workers = 40, 30
    logs = rng.normal(0.0, 0.05, (blocks, 1)) + rng.normal(0.0, 0.02, (blocks, workers))
    rows = [
        {**dict.fromkeys(CONFIGURATION, "x"), "workers": worker, "block": block, "throughput": np.exp(value)}
        for (block, worker), value in np.ndenumerate(logs)
    ]
    found = recorded_noise([pd.DataFrame(rows)])
    assert found is not None
    assert np.median(found.spreads) == pytest.approx(0.02, rel=0.1)
    assert np.std(found.shapes) == pytest.approx(1.0, rel=0.01)
    assert np.std(found.levels) == pytest.approx(0.05, rel=0.3)


def test_without_blocks_there_is_no_noise() -> None:
    """A run of one block tells no noise, nor does none."""
    one = pd.DataFrame([{**dict.fromkeys(CONFIGURATION, "x"), "block": 0, "throughput": 5.0}])
    assert recorded_noise([one]) is None
    assert recorded_noise([]) is None


# --- coverage -------------------------------------------------------------------------------------------


def test_bands_hold_the_truth_as_often_as_they_promise() -> None:
    """Of all laws together, the exact interval of coverage at 1.5 times the largest size meets 90 ± 3 %."""
    rng, sizes, held = np.random.default_rng(6), (1, 2, 3, 4, 6), []
    for law in [*LAWS, GUSTAFSON] * SWEEPS:
        truth = drawn_truth(law, sizes, rng)
        found = fit(draw(law, truth, sizes, 5, NORMAL, rng))
        band = found.predict(9) if isinstance(found, Fitted) else found
        if not isinstance(band, Refusal):
            held.append((band.low or 0) <= true_throughput(law, truth, 9) <= (band.high or 0))
    coverage = proportion_estimate(sum(held), len(held), SURE)
    assert len(held) > 0.75 * 5 * SWEEPS
    assert (coverage.low or 0) <= 0.93
    assert (coverage.high or 0) >= 0.87


def test_every_law_is_covered_and_seldom_refused() -> None:
    """For each law by itself, coverage within and beyond the sizes is near 90 %, and few are refused."""
    for one in of_laws(NORMAL, SWEEPS):
        refused = proportion_estimate(one.sweeps - len(one.inside), one.sweeps, SURE)
        assert (refused.low or 0) <= 0.03, one.name
        for parts in (one.inside, one.outside):
            assert 0.8 <= np.mean(parts) <= 0.98, one.name
        assert len(one.missed) == one.sweeps


def test_curves_that_no_law_comes_near_are_refused() -> None:
    """A cliff, a second slope and growth beyond linear get no band beyond the largest size, or a rare one."""
    found = {one.name: one for one in of_curves(NORMAL, 60)}
    for name in (
        "half is lost beyond the middle",
        "a fifth of the gain beyond the middle",
        "faster than linear, N^1.2",
    ):
        misled = proportion_estimate(round(sum(found[name].missed)), 60, SURE)
        assert (misled.low or 0) <= 0.1, name


# --- published sweeps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", PUBLISHED)
def test_a_published_sweep_has_no_interval(source: str) -> None:
    """One run a size is refused, and asks for the same sizes again."""
    sizes, rates = PUBLISHED[source]
    found = fit(Sweep(sizes, np.array([rates])))
    assert isinstance(found, Refusal)
    assert (found.reason, found.sizes) == ("few blocks", sizes)


@pytest.mark.parametrize("source", PUBLISHED)
@pytest.mark.parametrize("spread", [0.002, 0.01, 0.025, 0.05])
def test_the_first_three_sizes_of_a_published_sweep_ask_for_the_next(source: str, spread: float) -> None:
    """With noise added for blocks, three sizes foretell no rise and no fall: a larger size is asked for."""
    sizes, rates = PUBLISHED[source]
    noise = Noise((-1.0, 1.0), (spread,), (0.0, spread))
    found = fit(disturbed(rates[:3], sizes[:3], 5, noise, np.random.default_rng(8)))
    assert isinstance(found, Refusal)
    assert found.reason == "few sizes"
    assert found.sizes[0] > sizes[2]


@pytest.mark.parametrize("spread", [0.002, 0.01, 0.025])
@pytest.mark.parametrize("source", PUBLISHED)
def test_published_sweeps_get_no_confident_wrong_answer(source: str, spread: float) -> None:
    """Fitted on four sizes or more, with noise added for blocks, bands seldom miss the next one published."""
    (sizes, rates), rng = PUBLISHED[source], np.random.default_rng(9)
    noise = Noise(NORMAL.shapes, (spread,), (0.0,))
    missed, tried = 0, 0
    for known in list(range(4, len(sizes))) * 20:
        found = fit(disturbed(rates[:known], sizes[:known], 5, noise, rng))
        band = found.predict(sizes[known]) if isinstance(found, Fitted) else found
        tried += 1
        if not isinstance(band, Refusal):
            missed += not (band.low or 0) <= rates[known] <= (band.high or 0)
    assert (proportion_estimate(missed, tried, SURE).low or 0) <= 0.1


def test_linear_truth_is_not_refused_for_its_block_levels() -> None:
    """What all trials of a block share is no misfit: a sweep in blocks 10 % apart is fitted as any other."""
    rng = np.random.default_rng(3)
    apart = Noise(NORMAL.shapes, (0.01,), (-0.1, 0.1))
    kept = [isinstance(fit(draw(LINEAR, (9.0,), (1, 2, 3, 4), 5, apart, rng)), Fitted) for _ in range(60)]
    assert (proportion_estimate(60 - sum(kept), 60, SURE).low or 0) <= 0.03


def test_fits_of_amdahl_find_its_serial_part() -> None:
    """The interval of s holds the truth about as often as it promises."""
    rng, held = np.random.default_rng(5), []
    for _ in range(150):
        found = fit(draw(AMDAHL, (50.0, 0.1), (1, 2, 4, 8), 5, NORMAL, rng))
        for one in found.remaining if isinstance(found, Fitted) else ():
            if one.law is AMDAHL:
                s = one.estimates(5)["s"]
                held.append((s.low or 0) <= 0.1 <= (s.high or 0))
    coverage = proportion_estimate(sum(held), len(held), SURE)
    assert (coverage.low or 0) <= 0.9 <= (coverage.high or 0)
