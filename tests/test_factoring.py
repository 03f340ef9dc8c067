"""Factoring: numbers as people write them, the steps that split them, and the certificate."""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from math import prod
from types import ModuleType

import pytest
from cypari import pari

from lab import paths
from lab.cli import main
from lab.engines import Step
from lab.errors import EngineError, ParameterError
from lab.factoring.answer import Place, factored
from lab.factoring.certificate import as_json, in_words
from lab.factoring.expression import MOST_BITS, number_of
from lab.factoring.levels import LARGEST, LEVELS, sigma_of
from lab.factoring.splitting import Splitting
from lab.measure.task import Measurement, Outcome

SEMIPRIME = (2**61 - 1) * (2**89 - 1)


@pytest.fixture
def splitting(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the example's module, which is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(paths.ROOT / "examples"))
    names = ("splitting", "curves", "factoring", "primes")
    before = {name: sys.modules.pop(name, None) for name in names}
    yield importlib.import_module("splitting")
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def carried_out(steps: Splitting, module: ModuleType, waiting: int = 1, order: int = 0) -> list[str]:
    """Run steps here with so many in hand at once, of which that in place `order` ends first."""
    hand: list[Step] = []
    told = []
    while True:
        while len(hand) < waiting and (step := steps.next()) is not None:
            hand.append(step)
        if not hand:
            return told
        step = hand.pop(min(order, len(hand) - 1))
        if steps.is_needed(step):
            result = module.step(step.payload)
            told.append(steps.ended(step, Measurement(0.0, 0.01, 0.01, Outcome(1, ""), 1, result=result)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2**251-9", 2**251 - 9),
        ("10^20 + 39", 10**20 + 39),
        ("(2**67-1)//193707721", 761838257287),
        ("12_345 * 7 % 100", 15),
        ("+(3)", 3),
    ],
)
def test_expressions_are_whole_numbers(text: str, number: int) -> None:
    """Python's operators for whole numbers, and ^ for powers, make the number that is meant."""
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "is 0, which every number divides"),
        ("7-7", "is 0, which every number divides"),
        ("1", "is 1, which has no prime factor"),
        ("-15", "is negative: give it without its sign"),
        ("", "is no number: write a whole number"),
        ("hello", "is no number: write a whole number"),
        ("1.5", "is no number: write a whole number"),
        ("10/5", "is no number: write a whole number"),
        ("__import__('os')", "is no number: write a whole number"),
        ("(" * 500, "is no number: write a whole number"),
        ("2**-1", "has a negative exponent"),
        ("5 % 0", "divides by 0"),
        ("9**9**9**9", f"more than {MOST_BITS:,} bits"),
        ("7" * 3000, f"more than {MOST_BITS:,} bits"),
        ("2**4000*2**4000", f"more than {MOST_BITS:,} bits"),
        ("1+" * 6000 + "1", "12001 letters: at most 10000 are read"),
    ],
)
def test_bad_numbers_have_a_sentence_each(text: str, words: str) -> None:
    """What cannot be factored, or is no number, or explodes, is told in words, and at once."""
    with pytest.raises(ParameterError) as told:
        number_of(text)
    assert words in str(told.value)


def test_a_size_beyond_the_limit_is_refused_with_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    """A large remainder without small factors is not begun; its small factors do not count."""
    assert main(["factor", f"({2**521 - 1}) * ({2**127 - 1})"]) == 1
    said = capsys.readouterr().err
    assert "composite number of 648 bits" in said
    assert f"at most {LARGEST} are begun" in said
    assert re.search("take about [0-9,]+ years on one core", said)
    assert main(["factor", f"({2**521 - 1}) * 2**100 * 3"]) == 0


def test_primes_powers_and_repeated_factors_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """A prime says that it is one; powers and repeated factors come with their exponents."""
    assert main(["factor", "2**251-9"]) == 0
    assert "is prime: there is nothing to split" in capsys.readouterr().out
    assert main(["factor", "(2**89-1)**3"]) == 0
    assert f"= {2**89 - 1}^3\n" in capsys.readouterr().out
    assert main(["factor", "2**5 * 9 * 65537**2"]) == 0
    assert "= 2^5 * 3^2 * 65537^2\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["2**67-1", "2**128+1", "(10**20+39)**2 * 2**7", "2**251-9", "2**137-1"])
def test_pari_accepts_the_certificate(text: str) -> None:
    """PARI finds the product equal and every proof valid; of a wrong factor it does not."""
    certificate = as_json(factored(text, Place(), 1, LARGEST, print))
    assert str(pari(certificate["pari"])) == "1"
    assert str(pari(certificate["pari"].replace(f"== {number_of(text)}", "== 15"))) == "0"
    assert prod(int(one["prime"]) ** one["exponent"] for one in certificate["factors"]) == number_of(text)
    assert all(one["proven_by"] for one in certificate["factors"])
    assert json.loads(json.dumps(certificate)) == certificate
    assert certificate["number"] in in_words(certificate)


def test_the_primes_do_not_depend_on_the_order_in_which_steps_end(splitting: ModuleType) -> None:
    """One worker or five, and whichever step ends first: the same primes, of every number."""
    numbers = (2**3 * SEMIPRIME, splitting.products(240, 40, 1, 3)[0], 3**5 * (10**20 + 39) ** 2, 2**61 - 1)
    expected = [splitting.split(one) for one in numbers]
    for waiting, order in ((1, 0), (5, 0), (5, 3)):
        steps = Splitting([("begin", one) for one in numbers], seed=order)
        told = carried_out(steps, splitting, waiting, order)
        assert [one.primes for one in steps.numbers] == expected
        assert {one.split()[1] for one in told} == {"begin", "curves", "whole", "finish"}


def test_a_factor_is_found_again_by_its_sigma(splitting: ModuleType) -> None:
    """B1 and sigma of a discovery give its factor, by one curve."""
    curves = importlib.import_module("curves")
    (number,) = splitting.products(240, 40, 1, 3)
    steps = Splitting([("begin", number)], seed=1)
    carried_out(steps, splitting)
    (found,) = steps.numbers[0].discoveries
    assert found.method == "curves"
    assert curves.curve(curves.Curve(number, found.bound, found.sigma)) % found.factor == 0
    assert found.factor.bit_length() == 40


def test_steps_on_what_was_split_are_needed_no_more(splitting: ModuleType) -> None:
    """Once a number is split, the steps on it that were given out are pointless; one that ended is late."""
    number = splitting.products(288, 40, 1, 3)[0]
    steps = Splitting([("begin", number), ("begin", 2**200 + 235)])
    begun, other = steps.next(), steps.next()
    assert begun is not None
    assert other is not None
    end = Measurement(0.0, 0.01, 0.01, Outcome(1, ""), 1)
    steps.ended(begun, end._replace(result=([], [number], 0, 1)))
    one, two, three = (steps.next() for _ in range(3))
    assert one is not None
    assert two is not None
    assert three is not None
    assert all(map(steps.is_needed, (one, two, three)))
    assert steps.ended(two, end._replace(result=([7, number // 7], [], 3, 5))).endswith("found")
    assert not steps.is_needed(one)
    assert steps.ended(one, end._replace(result=([], [number], 3, 5))).endswith("late")


def test_without_the_library_the_sieve_splits_what_it_can() -> None:
    """Without GMP-ECM a number is one task as far as that goes, and both times it says how to install it."""
    said: list[str] = []
    number = (2**107 - 1) * (2**127 - 1)
    steps = Splitting([("begin", number)], tell=said.append)
    begun = steps.next()
    assert begun is not None
    end = Measurement(0.0, 0.01, 0.01, Outcome(1, ""), 1, result=([], [number], 0, 0))
    steps.ended(begun, end)
    step = steps.next()
    assert step is not None
    assert step.payload == ("whole", number)
    assert "pip install passagemath-libecm" in said[0]
    large = 2 ** (LARGEST + 1) + 1
    steps = Splitting([("begin", large)], most_bits=1024)
    begun = steps.next()
    assert begun is not None
    with pytest.raises(EngineError, match=r"GMP-ECM's library.*pip install passagemath-libecm"):
        steps.ended(begun, end._replace(result=([], [large], 0, 0)))


def test_an_item_tells_that_the_library_is_missing(
    splitting: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A curve where there is no GMP-ECM names the commands that install it."""
    curves = importlib.import_module("curves")
    monkeypatch.setattr(curves.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(curves.ctypes.util, "find_library", lambda _: None)
    curves.library.cache_clear()
    with pytest.raises(ImportError, match=r"pip install passagemath-libecm.*apt-get install libecm1"):
        curves.curve(curves.Curve(15, 100, 5))
    assert not splitting.has_curves()


def test_sigmas_follow_from_the_seed_and_fit() -> None:
    """Every curve of a level has a sigma of 32 bits of its own, and another seed has others."""
    for level in LEVELS:
        many = [sigma_of(7, SEMIPRIME, level, curve) for curve in range(level.curves)]
        assert len(set(many)) == level.curves
        assert 2 <= min(many) <= max(many) < 2**32
    assert sigma_of(7, SEMIPRIME, LEVELS[0], 0) != sigma_of(8, SEMIPRIME, LEVELS[0], 0)
