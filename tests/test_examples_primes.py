"""The primes and factors of the examples: right by independent references, and the same wherever they run."""

import importlib
import os
import pickle
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import log, prod
from pathlib import Path
from typing import Any

import flint
import gmpy2
import pytest
import sympy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))
primes, factoring = importlib.import_module("primes"), importlib.import_module("factoring")
fermat = importlib.import_module("fermat")

Window, Target, digest = primes.Window, primes.Target, primes.digest
search, search_items, default_width = primes.search, primes.search_items, primes.default_width
find, find_items = primes.find, primes.find_items
factor, factor_items = factoring.factor, factoring.factor_items


def primes_by_gmp(window: primes.Window) -> list[int]:
    """Return the primes of a window by GMP's test of every number, without a sieve."""
    return [n for n in range(window.start, window.start + window.width) if gmpy2.is_prime(n)]


@settings(max_examples=300)
@given(start=st.integers(0, 5000), width=st.integers(1, 3000))
@example(start=0, width=1)
@example(start=1, width=1)
@example(start=2, width=1)
def test_windows_of_small_numbers_are_complete(start: int, width: int) -> None:
    """A window that starts at 0, 1, 2 or inside the sieve's own primes loses no prime and gains none."""
    assert search(Window(start, width)) == list(sympy.primerange(start, start + width))


@settings(max_examples=150)
@given(
    start=st.one_of(st.integers(0, 2**26), st.integers(0, 2**90), st.integers(0, 2**300)),
    width=st.integers(1, 600),
)
def test_windows_of_any_size_are_complete(start: int, width: int) -> None:
    """A window anywhere, even or odd, aligned or not, gives what a test of every number gives."""
    window = Window(start, width)
    assert search(window) == primes_by_gmp(window)


def test_all_windows_of_16_bits_give_all_primes_of_16_bits() -> None:
    """The windows of 16-bit numbers together give exactly the 16-bit primes of a brute-force sieve."""
    tasks = search_items(16, default_width(16), 8, seed=1)
    found = sorted(prime for window in tasks for prime in search(window))
    assert found == list(sympy.primerange(1 << 15, 1 << 16))


@pytest.mark.parametrize(("bits", "width"), [(41, 1 << 17), (64, 1 << 15), (65, 1 << 15), (22, 1 << 17)])
def test_wide_windows_are_complete(bits: int, width: int) -> None:
    """Where sparse primes, dense primes and the end of the sieve meet, nothing is lost."""
    (window,) = search_items(bits, width, 1, seed=3)
    assert search(window) == primes_by_gmp(window)


@pytest.mark.parametrize(
    ("bits", "width"), [(128, 8192), (255, 4096), (256, 4096), (512, 2048), (1024, 1024), (2048, 64)]
)
def test_windows_of_large_numbers_are_complete(bits: int, width: int) -> None:
    """At the sizes of the experiments, both primality tests agree with GMP's on every number of a window."""
    for window in search_items(bits, width, 2, seed=5):
        assert search(window) == primes_by_gmp(window)


@pytest.mark.parametrize("shift", [-2, -1, 0, 1])
def test_first_multiples_are_exact_at_the_edge_of_float64(shift: int) -> None:
    """The residues of the largest sieve primes are exact where rounding is most tempting: next to 0 and p."""
    every_prime = primes._odd_primes()
    half = prod(every_prime[-400:].tolist()) + shift
    positions = primes._first_multiples(half, every_prime).astype(int).tolist()
    for prime, position in zip(every_prime.tolist(), positions, strict=True):
        assert 0 <= position < prime
        assert (2 * half + 1 + 2 * position) % prime == 0


def test_a_prime_of_4096_bits_is_found_in_its_window() -> None:
    """The limbs of a very large start are read right: the window around a known prime holds it."""
    prime = int(gmpy2.next_prime(1 << 4095))
    assert search(Window(prime - 20, 22)) == [prime]


def test_the_count_of_primes_is_what_the_density_says() -> None:
    """A task at 128 bits finds width / log(2^128) primes, within five standard deviations."""
    windows = search_items(128, 1 << 16, 3, seed=9)
    found = sum(len(search(window)) for window in windows)
    expected = sum(window.width / log(window.start) for window in windows)
    assert abs(found - expected) < 5 * expected**0.5


@given(
    bits=st.integers(16, 600),
    exponent=st.integers(3, 10),
    count=st.integers(1, 8),
    seed=st.integers(0, 2**64),
)
def test_tasks_are_aligned_disjoint_windows_of_the_asked_size(
    bits: int, exponent: int, count: int, seed: int
) -> None:
    """Windows lie on multiples of their width, inside the numbers of that many bits, and never overlap."""
    width = 1 << exponent
    tasks = search_items(bits, width, count, seed)
    assert len({window.start for window in tasks}) == count
    for window in tasks:
        assert window.width == width
        assert window.start % width == 0
        assert window.start.bit_length() == (window.start + width - 1).bit_length() == bits


def test_tasks_are_pinned() -> None:
    """The same seed gives the same work on every machine and Python version: the numbers are written here."""
    assert search_items(16, 1024, 3, seed=7) == (
        Window(53248, 1024),
        Window(41984, 1024),
        Window(58368, 1024),
    )
    assert digest(window.start for window in search_items(512, 1 << 15, 20, seed=7)) == "7fee94caf8c66ea3"
    assert digest(find(target) for target in find_items(128, 20, seed=7)) == "70caa124926eb6eb"
    assert digest(factor_items(80, 20, seed=7)) == "7e0ae639274946ff"
    assert search_items(512, 64, 20, seed=7) != search_items(512, 64, 20, seed=8)


def test_a_width_that_is_no_power_of_two_keeps_inside() -> None:
    """Windows of width 1000 at 16 bits: those 32 that fit whole, and no more."""
    tasks = search_items(16, 1000, 32, seed=0)
    assert sorted(window.start for window in tasks) == list(range(33_000, 65_000, 1000))


@pytest.mark.parametrize(("bits", "width", "count"), [(16, 4096, 9), (16, 1 << 16, 1), (1, 8, 1), (16, 0, 1)])
def test_impossible_searches_are_refused(bits: int, width: int, count: int) -> None:
    """Too many, too wide, too small: the message names the limit instead of looping for ever."""
    with pytest.raises(ValueError, match=r"hold \d+: lower the count|search needs bits >= 2"):
        search_items(bits, width, count, seed=1)


@pytest.mark.parametrize(("start", "width"), [(-1, 10), (10, 0)])
def test_impossible_windows_are_refused(start: int, width: int) -> None:
    """A window of negative or of no numbers cannot be made."""
    with pytest.raises(ValueError, match="a window needs"):
        Window(start, width)


def test_other_impossible_tasks_are_refused() -> None:
    """A target of two bits has no odd choice; a semiprime of 300 bits would run for days."""
    with pytest.raises(ValueError, match="find needs bits >= 3"):
        find_items(2, 1, seed=1)
    with pytest.raises(ValueError, match="factor needs bits from 16 to 200"):
        factor_items(300, 1, seed=1)


@pytest.mark.parametrize("bits", [3, 5, 16, 64, 300])
def test_found_primes_have_exactly_the_asked_bits(bits: int) -> None:
    """Every number found is a prime of the asked size."""
    for target in find_items(bits, 10, seed=2):
        prime = find(target)
        assert prime.bit_length() == bits
        assert gmpy2.is_prime(prime)


def test_found_primes_are_uniform() -> None:
    """Each of the 13 primes of 7 bits comes equally often: chi-square below its 99.99 % point, 39.1."""
    counts = dict.fromkeys(sympy.primerange(64, 128), 0)
    for target in find_items(7, 2600, seed=4):
        counts[find(target)] += 1
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 39.1


@pytest.mark.parametrize("bits", [16, 17, 33, 64, 101, 128])
def test_factors_are_the_primes_that_made_the_number(bits: int) -> None:
    """A task is a product of two different primes of half the size, and both come back in ascending order."""
    for task in factor_items(bits, 3, seed=6):
        small, large = factor(task)
        assert small < large
        assert small * large == task
        assert task.bit_length() == bits
        assert {small.bit_length(), large.bit_length()} == {bits // 2, bits - bits // 2}
        assert gmpy2.is_prime(small)
        assert gmpy2.is_prime(large)


@given(factors=st.lists(st.sampled_from([2, 3, 5, 7, 65537, 1_000_003]), min_size=1, max_size=8))
def test_any_number_is_factored_with_multiplicity(factors: list[int]) -> None:
    """Repeated, even and single factors come back exactly as they were multiplied."""
    assert factor(prod(factors)) == sorted(factors)


def test_pari_and_flint_give_the_same_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PARI, also from several threads at once, or without it, every size has the same factors."""
    numbers = [one for bits in (60, 64, 65, 90, 120) for one in factor_items(bits, 3, seed=8)]
    numbers += [2**70, 3**50, (2**61 - 1) ** 2, 2**7 * (10**20 + 39) ** 2]
    assert factoring.pari() is not None
    with ThreadPoolExecutor(4) as threads:
        by_pari = list(threads.map(lambda _: [factor(one) for one in numbers], range(4)))
    monkeypatch.setattr(factoring, "pari", lambda: None)
    assert by_pari == [[factor(one) for one in numbers]] * 4


def test_pari_takes_no_signals() -> None:
    """Loading PARI leaves the handlers of signals as they were."""
    code = """
from pathlib import Path
def caught(): return [line for line in Path("/proc/self/status").read_text().splitlines() if "SigCgt" in line]
from factoring import factor, pari
before = caught()
assert factor((2**61 - 1) * (2**89 - 1)) == [2**61 - 1, 2**89 - 1]
assert caught() == before
"""
    subprocess.run([sys.executable, "-c", code], cwd=EXAMPLES, check=True)


def test_the_jobs_count_and_compare_their_results() -> None:
    """Throughput counts the primes of a window, and the digest is over the numbers in their order."""
    window = Window(10, 10)
    assert search(window) == [11, 13, 17, 19]
    assert primes.work.units(search(window)) == 4
    assert primes.work.digest([11, 13]) != primes.work.digest([13, 11])
    assert factoring.work.digest(factor(15)) == digest([3, 5]) != digest([5, 3])
    assert len(digest([])) == 16


def test_results_are_plain_integers() -> None:
    """What travels home is of Python's own types: no number of NumPy, FLINT or GMP is among them."""
    results = [*search(Window(1 << 300, 4096)), find(Target(300, 1, 2)), *factor(15)]
    assert {type(number) for number in results} == {int}


def test_a_digest_takes_numbers_too_long_for_decimal_text() -> None:
    """Primes of 16384 bits have more decimal digits than Python prints, and are digested all the same."""
    assert digest([1 << 16383]) != digest([1 << 16382])


@pytest.mark.parametrize(
    ("function", "item"),
    [
        (search, search_items(256, 4096, 1, seed=1)[0]),
        (find, find_items(256, 1, seed=1)[0]),
        (factor, factor_items(64, 1, seed=1)[0]),
    ],
    ids=["search", "find", "factor"],
)
def test_results_are_equal_in_another_process(function: Callable[[Any], Any], item: Any) -> None:
    """Function and item travel by pickle, and another process gets the result of this one, twice."""
    parcel = pickle.dumps((function, item)).hex()
    program = f"import pickle; f, item = pickle.loads(bytes.fromhex('{parcel}')); print(f(item))"
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=EXAMPLES
    )
    assert function(item) == function(item)
    assert process.stdout.strip() == str(function(item))


def test_importing_the_jobs_does_no_work() -> None:
    """No table of primes is computed before the first window asks for it, and Ray is never imported."""
    program = (
        "import sys, factoring, primes;print(primes._odd_primes.cache_info().currsize, 'ray' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=EXAMPLES
    )
    assert process.stdout.split() == ["0", "False"]


@pytest.mark.parametrize("bits", [16, 24, 64, 128, 512, 2048, 16384])
def test_default_widths_are_powers_of_two_that_leave_windows(bits: int) -> None:
    """The default leaves at least eight windows at every size."""
    width = default_width(bits)
    assert width & (width - 1) == 0
    assert len(search_items(bits, width, 8, seed=1)) == 8


@pytest.fixture(params=fermat.KINDS)
def vectors(request: pytest.FixtureRequest) -> Any:
    """The test of several numbers at once, compiled as `make setup` does, for one kind of vectors."""
    try:
        return fermat.Fermat(request.param)
    except OSError as error:
        lacks = f"no {request.param}" in str(error) or shutil.which("cc") is None
        if lacks or platform.machine() not in ("x86_64", "AMD64"):
            pytest.skip(str(error))
        raise


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    bits=st.integers(2, 1116),
    seeds=st.lists(st.integers(0, 2**1116 - 1), max_size=8),
    edges=st.lists(st.sampled_from([341, 561, 2047, 3, 2**89 - 1, 2**521 - 1, 2**1087 - 1, 2**1116 - 1])),
)
@example(bits=1116, seeds=[2**1116 - 1] * 8, edges=[])
@example(bits=1116, seeds=[], edges=[])
def test_vectors_and_python_pass_the_same_numbers(
    vectors: Any, bits: int, seeds: list[int], edges: list[int]
) -> None:
    """Of any size and mixture, prime or not, with limbs full of ones, pseudoprimes among them."""
    numbers = [max(3, one % 2**bits | 1) for one in seeds] + edges
    numbers = (numbers or [2**bits - 1])[: vectors.width]
    assert vectors.passed(numbers) == [one for one in numbers if pow(2, one - 1, one) == 1]


def test_vectors_take_the_largest_numbers(vectors: Any) -> None:
    """Where all limbs are full sums of products are the largest: primes pass, and no other."""
    sizes = [one for one in range(30, 1200) if vectors.limbs_for(one) < vectors.limbs_for(one + 1)]
    for bits in [*(one for one in sizes if one < vectors.most_bits), vectors.most_bits]:
        low = 2**bits - 2**bits // 64
        found = [int(gmpy2.next_prime(low))]
        numbers = [*found, *(2**bits - one for one in range(1, 2 * (vectors.width - len(found)), 2))]
        assert vectors.passed(numbers) == [one for one in numbers if pow(2, one - 1, one) == 1]
    with pytest.raises(ValueError, match=f"of at most {vectors.most_bits} bits"):
        vectors.passed([2**vectors.most_bits + 1])


@pytest.mark.parametrize("bits", [256, 513, 1100])
def test_the_same_primes_come_with_vectors_and_without(
    vectors: Any, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search and a draw give what they give where nothing could be compiled."""
    (window,) = search_items(bits, 2048, 1, seed=9)
    targets = find_items(bits, 2, seed=9)

    def found_with(test: Any) -> list[int]:
        monkeypatch.setattr(primes, "fastest", lambda: test)
        return [*search(window), *map(find, targets)]

    assert found_with(vectors) == found_with(None) != []


def test_without_a_compiler_or_vectors_numbers_are_tested_one_by_one(tmp_path: Path) -> None:
    """What is missing is said, nothing is left behind, and the primes are found all the same."""
    for name in ("fermat.py", "fermat.c", "primes.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    refuses = f"{sys.executable} -c \"import sys; sys.exit('no such option')\""
    for compiler, reason in (("no-such-compiler", "No such file"), (refuses, "used: no such option\nOnce")):
        made = subprocess.run(
            [sys.executable, "fermat.py"],
            cwd=tmp_path,
            env={**os.environ, "CC": compiler},
            capture_output=True,
            text=True,
        )
        assert (made.returncode, reason in made.stderr) == (1, True)
    code = (
        "import fermat, primes; fermat.ENVIRONMENT = fermat.HERE; "
        "print(fermat.fastest(), len(primes.search(primes.Window(2**300, 4096))))"
    )
    searched = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = len(search(Window(2**300, 4096)))
    assert searched.stdout.split() == ["None", str(found)]
    assert not [*tmp_path.glob("fermat-*")]


@pytest.mark.usefixtures("vectors")
def test_what_was_compiled_serves_its_own_source_alone(tmp_path: Path) -> None:
    """A copy of the folder, such as an older commit's, finds it in the environment, if it is the same."""
    for name in ("fermat.py", "fermat.c"):
        shutil.copy(EXAMPLES / name, tmp_path)
    code = "import fermat; print(fermat.fastest() is not None, fermat.compiled('avx2').exists())"
    ask = [sys.executable, "-c", code]
    assert subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True).stdout == "True True\n"
    with (tmp_path / "fermat.c").open("a") as source:
        source.write("/* changed */\n")
    assert subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True).stdout == "False False\n"


@pytest.mark.parametrize("bits", [1024, 1031])
def test_openssl_and_flint_accept_the_same_numbers(bits: int) -> None:
    """The test of large numbers, by OpenSSL where Python has that library, takes what FLINT's takes."""
    (window,) = primes.search_items(bits, 2048, 1, seed=3)
    numbers = [flint.fmpz(window.start | 1) + 2 * place for place in range(300)]
    numbers += [flint.fmpz(prime) for prime in primes.search(window)]
    # a product of two primes, and a Fermat pseudoprime to base 2 of that size: 2^p - 1 for a prime p
    numbers += [flint.fmpz(sympy.nextprime(1 << 511) * sympy.nextprime(1 << 520)), flint.fmpz(2**bits - 1)]
    found = [primes._fastest_test(bits)(one) for one in numbers]
    assert found == [bool(one.is_probable_prime()) for one in numbers]
    assert {*found} == {True, False}
