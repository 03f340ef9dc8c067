"""Tests of lab.analysis.choice: the fewest near the best, or the sizes that remain possible."""

import numpy as np
import pytest

from lab.analysis.choice import choose, pooled_spread, ratios


def sweep(throughputs, noise=0.003, blocks=5, seed=1):
    """Return logs of throughput, blocks by sizes, with normal noise and a drift from block to block."""
    generator = np.random.default_rng(seed)
    drift = generator.normal(0, 0.05, (blocks, 1))
    return np.log(throughputs) + drift + generator.normal(0, noise, (blocks, len(throughputs)))


def test_the_knee_is_chosen():
    """Where 3 workers bring what 4 to 6 bring, 3 are enough, and drift between blocks does not matter."""
    found = choose((1, 2, 3, 4, 5, 6), sweep([100, 190, 270, 271, 270, 272]))
    assert (found.size, found.possible, found.largest) == (3, (3,), False)
    assert found.blocks is None
    assert found.loss < 0.03


def test_a_flat_curve_needs_one():
    """Where more workers bring nothing, one is enough."""
    assert choose((1, 2, 3), sweep([100, 100, 100])).size == 1


def test_the_largest_size_may_not_be_enough():
    """Where throughput still grows, the largest is best of those measured, and it is said that it is one."""
    found = choose((1, 2, 4), sweep([100, 200, 400]))
    assert (found.size, found.largest) == (4, True)


def test_noise_leaves_sizes_open_and_says_what_would_decide():
    """With noise of 3 % several sizes remain; so many blocks in all would tell, on paper and in fact."""
    truth = [100, 190, 202, 202]
    found = choose((1, 2, 3, 4), sweep(truth, 0.03, seed=3))
    assert found.size is None
    assert found.possible[:2] == (2, 3)
    assert found.blocks > 5
    decided = [choose((1, 2, 3, 4), sweep(truth, 0.03, 2 * found.blocks, seed)).size for seed in range(20)]
    assert decided.count(3) > 10


def test_a_size_far_from_the_best_does_not_blur_the_others():
    """One worker that scatters widely, and is far below the rest for certain, leaves their noise as it is."""
    logs = sweep([100, 190, 202, 202], 0.003)
    logs[:, 0] += np.linspace(-0.2, 0.2, len(logs))
    assert pooled_spread(logs)[0] > 0.04
    found = choose((1, 2, 3, 4), logs)
    assert (found.size, found.possible) == (3, (3,))
    # of two that are near the best, the one that scatters stays open: it is not far for certain
    logs = sweep([100, 190, 202, 202], 0.003)
    logs[:, 2] += np.linspace(-0.2, 0.2, len(logs))
    assert choose((1, 2, 3, 4), logs).size is None


def test_one_block_decides_nothing():
    """From one block nothing is chosen, and every size remains."""
    found = choose((1, 2, 3), sweep([100, 190, 200], blocks=1))
    assert (found.size, found.possible, found.loss, found.blocks) == (None, (1, 2, 3), None, None)


def test_one_size_is_no_choice():
    """One size is best of one; that says nothing."""
    found = choose((2,), sweep([100]))
    assert (found.size, found.possible) == (None, (2,))


def test_a_size_that_always_failed_is_no_candidate():
    """A size without any trial that ended well is left out; one failed trial costs its pair only."""
    logs = sweep([100, 190, 270, 271])
    logs[:, 2], logs[0, 1] = np.nan, np.nan
    assert choose((1, 2, 3, 4), logs).size == 4
    assert ratios(logs[:, [0, 1, 3]])[1][0].n == 4


def test_the_spread_by_hand():
    """Of two sizes the pooled spread is that of their differences over the square root of 2."""
    logs = np.array([[0.0, 0.1], [0.0, 0.3], [0.5, 0.7]])
    spread, freedom = pooled_spread(logs)
    assert freedom == 2
    assert spread == pytest.approx(np.std([0.1, 0.3, 0.2], ddof=1) / np.sqrt(2))
    found = ratios(logs)[1][0]
    assert found.value == pytest.approx(np.exp(0.2))
    assert found.high / found.value == pytest.approx(np.exp(4.302653 * 0.1 / np.sqrt(3)), rel=1e-4)


@pytest.mark.parametrize("heavy", [1, 4])
def test_a_wrong_size_is_hardly_ever_chosen(heavy):
    """Of 300 flat, bent and growing curves each, a wrong size is chosen in 2 % at most, noisy or not."""
    generator = np.random.default_rng(7)
    scale = np.array([1, 1, heavy, 1, heavy])
    for truth, right in (([100] * 5, 1), ([100, 150, 153, 152, 153], 2), ([100, 195, 285, 370, 450], 5)):
        wrong = 0
        for _ in range(300):
            noise = generator.standard_t(4, (5, 5)) / np.sqrt(2) * 0.01 * scale
            wrong += choose(range(1, 6), np.log(truth) + noise).size not in (None, right)
        assert wrong <= 6
