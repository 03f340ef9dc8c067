"""Laws of scaling: fitted on logs, compared, and refused where the data do not support them."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from lab.analysis.extrapolation import Fitted, fit
from lab.analysis.intervals import mean_estimate
from lab.analysis.laws import AMDAHL, CEILING, GUSTAFSON, LINEAR, ROUNDED, UNIVERSAL, Law, Numbers
from lab.analysis.sweeps import Means, Refusal, Sweep, means, resampled
from lab.errors import DataError

SIZES = (1, 2, 3, 4, 6, 8)
TRUTHS = {
    LINEAR: (100.0,),
    AMDAHL: (100.0, 0.1),
    UNIVERSAL: (100.0, 0.05, 0.02),
    CEILING: (100.0, 350.0),
    ROUNDED: (100.0, 350.0, 4.0),
    GUSTAFSON: (100.0, 0.3),
}


def sweep(
    law: Law,
    parameters: tuple[float, ...],
    sizes: tuple[int, ...] = SIZES,
    spread: float = 0.0,
    blocks: int = 5,
) -> Sweep:
    """Return a sweep that follows a law, with normal noise of that spread."""
    exact = law.formula(np.array(sizes, dtype=float), np.array([parameters]))
    noise = np.exp(np.random.default_rng(3).normal(0.0, spread, (blocks, len(sizes))))
    work: Literal["fixed", "grows"] = "grows" if law is GUSTAFSON else "fixed"
    return Sweep(sizes, exact * noise, work)


def fitted(given: Sweep) -> Fitted:
    """Return the fit of a sweep that is not refused."""
    found = fit(given)
    assert isinstance(found, Fitted)
    return found


def refused(given: Sweep) -> Refusal:
    """Return the refusal of a sweep."""
    found = fit(given)
    assert isinstance(found, Refusal)
    return found


@pytest.mark.parametrize(
    ("law", "parameters", "expected"),
    [
        (LINEAR, (5.0,), (5, 10, 20)),
        (AMDAHL, (10.0, 0.5), (10, 40 / 3, 16)),
        (UNIVERSAL, (10.0, 0.5, 0.25), (10, 10, 40 / 5.5)),
        (CEILING, (10.0, 25.0), (10, 20, 25)),
        (ROUNDED, (10.0, 20.0, 2.0), (20 / 5**0.5, 20 / 2**0.5, 40 / 5**0.5)),
        (GUSTAFSON, (10.0, 0.5), (10, 15, 25)),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_formulas(law: Law, parameters: tuple[float, ...], expected: tuple[float, ...]) -> None:
    """Each law gives at sizes 1, 2 and 4 what its formula gives by hand."""
    assert law.formula(np.array([1.0, 2.0, 4.0]), np.array([parameters]))[0] == pytest.approx(expected)


@pytest.mark.parametrize("law", TRUTHS, ids=lambda one: one.name)
def test_data_without_noise_give_the_parameters_back(law: Law) -> None:
    """On data that follow a law to the digit, the search finds its parameters."""
    given = sweep(law, TRUTHS[law])
    sizes = np.array(SIZES, dtype=float)
    found = law.search(sizes, np.log(given.throughputs[:1]), np.ones(len(SIZES)))[0]
    assert found == pytest.approx(TRUTHS[law], rel=0.005)


@pytest.mark.parametrize("law", TRUTHS, ids=lambda one: one.name)
def test_the_law_of_the_data_remains(law: Law) -> None:
    """With noise of 2 % the true law remains, and predicts twice the largest size."""
    found = fitted(sweep(law, TRUTHS[law], spread=0.02))
    assert law in [one.law for one in found.remaining]
    there = found.predict(16)
    truth = law.formula(np.array([16.0]), np.array([TRUTHS[law]]))[0, 0]
    assert not isinstance(there, Refusal)
    assert (there.low or 0) <= truth <= (there.high or 0)
    assert sum(found.weights) == pytest.approx(1)


def test_parameters_stay_within_what_is_physical() -> None:
    """On data that grow faster than linear or fall from the start, no parameter leaves its bounds."""
    sizes = np.array([1.0, 2.0, 3.0, 4.0])
    logs: Numbers = np.log(np.array([[1.0, 2.3, 3.6, 5.0], [4.0, 3.0, 2.0, 1.0]]))
    for law in (AMDAHL, UNIVERSAL, GUSTAFSON):
        found = law.search(sizes, logs, np.ones(4))
        assert (found >= 0).all()
        assert (found[:, 1] <= 1).all()
        assert (found[:, 0] > 0).all()
    for law in (CEILING, ROUNDED):
        ceilings = law.search(sizes, logs, np.ones(4))
        assert (ceilings[:, 1] <= 4 * ceilings[:, 0] * (1 + 1e-9)).all()


def test_a_lock_that_some_wait_for_early_is_no_fall() -> None:
    """Throughput of a shared lock on 1 to 4 nodes, as measured: the band of 6 has what 3 and 4 have."""
    measured = np.array([25.6, 43.9, 47.4, 47.7])
    noise = np.exp(np.random.default_rng(5).normal(0.0, 0.01, (5, 4)))
    beyond = fitted(Sweep((1, 2, 3, 4), measured * noise)).predict(6)
    assert not isinstance(beyond, Refusal)
    assert (beyond.low or 0) <= 47.5 <= (beyond.high or 0)


@pytest.mark.parametrize(
    ("given", "reason", "sizes"),
    [
        (replace(sweep(AMDAHL, (9, 0.1)), own_processors=False), "shared host", SIZES),
        (sweep(AMDAHL, (9, 0.1), blocks=1), "few blocks", SIZES),
        (sweep(AMDAHL, (9, 0.1), blocks=2), "few blocks", SIZES),
        (sweep(AMDAHL, (9, 0.1), (1, 2, 4)), "few sizes", (6,)),
        (Sweep((1, 2, 4, 8), np.tile([9.0, 17.0, 32.0, np.nan], (5, 1))), "few sizes", (8,)),
        (sweep(AMDAHL, (9, 0.1), (2,)), "few sizes", (4, 6, 8)),
        (Sweep((1, 2), np.array([[0.0, np.nan], [np.nan, 0.0]])), "nothing measured", (1, 2)),
        (
            Sweep((1, 2, 3, 4), np.array([[8.0, 15.9, 4.0, 31.7], [8.1, 16.2, 4.1, 32.4], [8.1, 16, 4, 32]])),
            "no law fits",
            (2, 3, 4),
        ),
    ],
    ids=["shared", "block", "two blocks", "three", "failed", "one", "nothing", "misfit"],
)
def test_refusals(given: Sweep, reason: str, sizes: tuple[int, ...]) -> None:
    """Data that do not support a law are refused, each with its reason and the sizes to measure."""
    found = refused(given)
    assert (found.reason, found.sizes) == (reason, sizes)


def test_a_bend_that_only_the_largest_size_shows_ends_the_predictions() -> None:
    """Where the other sizes foretell another throughput of the largest, nothing is said of larger ones."""
    steady = np.random.default_rng(7).normal(0.0, 0.01, (5, 4))
    found = fitted(Sweep((1, 2, 4, 8), np.array([100.0, 200.0, 400.0, 480.0]) * np.exp(steady)))
    beyond = found.predict(9)
    assert isinstance(beyond, Refusal)
    assert (beyond.reason, beyond.sizes) == ("bends at the end", (12,))
    assert beyond.found > beyond.limit
    assert not isinstance(found.predict(6), Refusal)


def test_only_growing_work_follows_gustafson() -> None:
    """Weak scaling has one more law than strong scaling; taken for strong scaling, no law fits it."""
    given = sweep(GUSTAFSON, (100.0, 0.3), spread=0.01)
    assert fitted(given).laws[0].law is GUSTAFSON
    assert refused(replace(given, work="fixed")).reason == "no law fits"
    assert GUSTAFSON not in [one.law for one in fitted(sweep(AMDAHL, (100.0, 0.1), spread=0.01)).laws]


@pytest.mark.parametrize(
    ("law", "parameters", "knee"),
    [(LINEAR, (100.0,), None), (CEILING, (100.0, 350.0), 4), (UNIVERSAL, (100.0, 0.0, 0.04), 4)],
    ids=["linear", "ceiling", "maximum"],
)
def test_knees(law: Law, parameters: tuple[float, ...], knee: int | None) -> None:
    """A ceiling of 3.5 is reached by 4; the fifth brings 277.8 after 270.3, 2.8 %; linear has no knee."""
    found = fitted(sweep(law, parameters, spread=0.002)).knee()
    if knee is None:
        assert found is None
    else:
        assert found is not None
        assert found.value == knee
        assert (found.low or 0) <= knee <= (found.high or 0)


def test_missing_trials_are_allowed_for() -> None:
    """Where trials are a size's mean times a block's level, a missing one changes no mean."""
    sizes, levels = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.1, -0.1, 0.2])
    rates = np.exp(sizes + levels[:, None])
    whole = means(Sweep((1, 2, 4), rates.copy()))
    rates[1, 2], rates[3, 0] = np.nan, 0.0
    part = means(Sweep((1, 2, 4), rates))
    assert isinstance(whole, Means)
    assert isinstance(part, Means)
    assert whole.logs == pytest.approx(sizes + 0.05)
    assert part.logs == pytest.approx(sizes + 0.05)
    assert part.counts.tolist() == [3, 4, 3]


def test_resamples_have_the_spread_of_student_over_blocks() -> None:
    """The 90 % interval of a mean over resamples is Student's interval over blocks."""
    logs = np.array([[1.0, 2.0], [1.3, 2.1], [1.1, 2.4], [0.9, 1.8]])
    found = means(Sweep((1, 2), np.exp(logs)))
    assert isinstance(found, Means)
    drawn = resampled(found, 40_000, 1)
    expected = mean_estimate(logs[:, 0].tolist(), 0.9)
    low, high = np.quantile(drawn[:, 0], (0.05, 0.95))
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert found.errors == pytest.approx(logs.std(axis=0, ddof=1) / 2)


def test_a_seed_gives_the_same_fit_again() -> None:
    """Two fits of one sweep agree to the digit."""
    given = sweep(AMDAHL, (100.0, 0.1), spread=0.03)
    assert fitted(given).predict(12) == fitted(given).predict(12)


@pytest.mark.filterwarnings("error")
def test_any_sweep_is_fitted_or_refused() -> None:
    """Steep, flat, falling or wild, with failed trials: no sweep is an error, and bands have two ends."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        sizes = tuple(np.sort(rng.choice(np.arange(1, 30), rng.integers(1, 8), replace=False)).tolist())
        shape = int(rng.integers(1, 7)), len(sizes)
        rates = np.array(sizes) ** rng.uniform(-1, 1.5) * np.exp(
            rng.normal(0, 10 ** rng.uniform(-4, 0.3), shape)
        )
        rates[rng.random(shape) < rng.choice([0.0, 0.2])] = rng.choice([0.0, np.nan])
        found = fit(Sweep(sizes, rates))
        if isinstance(found, Fitted):
            band = found.band(np.array([*sizes, 2.0 * sizes[-1]]))
            assert (band[1] <= band[2]).all()


def test_hardly_any_trials_are_fitted_or_refused_without_an_error() -> None:
    """Where each size is known in two of many blocks only, all laws have too many parameters."""
    rates = np.full((5, 4), np.nan)
    for size in range(4):
        rates[size, size], rates[size + 1, size] = 100.0 * (size + 1), 103.0 * (size + 1)
    assert isinstance(fit(Sweep((1, 2, 3, 4), rates)), Fitted | Refusal)


def test_beyond_twice_the_largest_size() -> None:
    """A prediction beyond twice the largest size is refused with the size that would support it."""
    found = fitted(sweep(AMDAHL, (9.0, 0.1), spread=0.01))
    assert found.predict(17) == Refusal("too far", 17, 16, (9,))


def test_sizes_out_of_order() -> None:
    """Sizes that do not ascend, and throughputs of another shape, are an error with its own sentence."""
    with pytest.raises(DataError, match="must ascend"):
        Sweep((2, 1), np.ones((2, 2)))
    with pytest.raises(DataError, match="a column for each"):
        Sweep((1, 2), np.ones((2, 3)))
