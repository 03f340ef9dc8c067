"""Which step comes next until every number is split: curves by rising bounds, the sieve, and the check.

Numbers are taken in order: all workers are on the first that has something to do. Once a factor is found,
steps on what was split are needed no more, and its parts go on at the level that was reached. Which factor
comes first depends on the workers' times, the primes that a number comes to do not.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from lab.engines import Step
from lab.errors import EngineError, ParameterError
from lab.factoring.levels import (
    LARGEST,
    LEVELS,
    curve_seconds,
    levels_before_sieve,
    sigma_of,
    worst_case,
)
from lab.measure.task import Measurement

SHORTEST_SECONDS, LONGEST_SECONDS = 0.02, 0.2
"""What a step of curves is to last: for so long a worker stays on a number that another has just split."""
STEP_PART = 0.05
"""Of the time that a number has had, a step takes so much: what is wasted in the end stays in proportion."""
MISSING = (
    "GMP-ECM's library, which is optional, is missing where the steps run: pip install passagemath-libecm, "
    "or on Debian and Ubuntu apt-get install libecm1; without it numbers of up to "
    f"{LARGEST} bits are split, by the sieve alone"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Discovery:
    """A factor of a number, and how it can be found again; method is curves, whole (sieve) or division."""

    factor: int
    method: str
    bound: int = 0
    sigma: int = 0
    curves: int = 0
    """Curves that had ended on what it was a factor of, this one included."""


@dataclasses.dataclass(slots=True)
class Part:
    """A composite factor of a number, and what was tried on it."""

    number: int
    level: int = 0
    begun: int = 0
    """Curves of this level that were given out."""
    flying: int = 0
    """Steps that were given out and have not ended."""
    ended: int = 0
    """Curves of all levels that ended."""
    spent_seconds: float = 0.0
    """On the curves that ended, over all workers."""
    whole: bool = False
    """Whether the sieve was given out."""
    open: bool = True


@dataclasses.dataclass(slots=True)
class Number:
    """A number, the primes and parts that it was split into, and how far it is."""

    number: int
    begun: bool = False
    primes: list[int] = dataclasses.field(default_factory=list)
    parts: list[Part] = dataclasses.field(default_factory=list)
    discoveries: list[Discovery] = dataclasses.field(default_factory=list)
    waiting: bool = False
    """Whether a step must end before there is another: the first, or the last."""
    done: bool = False


class Splitting:
    """The steps of some numbers; `items` are their first, ("begin", n)."""

    def __init__(
        self,
        items: Sequence[tuple[str, int]],
        seed: int = 0,
        most_bits: int = LARGEST,
        lose_after: int = 0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begin with nothing done; a worker is to be lost once so many numbers are done, 0 for never."""
        self.numbers = [Number(number) for _, number in items]
        self._seed, self._most_bits, self._lose_after, self._tell = seed, most_bits, lose_after, tell
        self._first, self._beyond, self._done = 0, len(self.numbers), 0
        self._given: dict[int, tuple[Number, Part | None]] = {}
        self._slowness = 1.0

    # --- what comes next ------------------------------------------------------------------------------------

    def next(self) -> Step | None:
        """Return a step of the first number that has one."""
        while self._first < len(self.numbers) and self.numbers[self._first].done:
            self._first += 1
        for index in range(self._first, len(self.numbers)):
            found = self._next_of(index, self.numbers[index])
            if found is not None:
                return found
        return None

    def _next_of(self, index: int, number: Number) -> Step | None:
        if number.done or number.waiting:
            return None
        if not number.begun:
            number.begun = number.waiting = True
            return self._give(number, None, ("begin", number.number))
        alive = [one for one in number.parts if one.open]
        if not alive:
            number.waiting = True
            return self._give(number, None, ("finish", number.number, tuple(number.primes)), index)
        payloads = ((one, payload) for one in alive if (payload := self._payload(one)) is not None)
        part, payload = next(payloads, (None, None))
        return None if payload is None else self._give(number, part, payload)

    def _payload(self, part: Part) -> tuple[Any, ...] | None:
        """Return the next step of a part; None while it waits for those under way."""
        bits = part.number.bit_length()
        most = levels_before_sieve(bits)
        if part.level < most:
            level = LEVELS[part.level]
            expected = curve_seconds(bits, level.bound) * self._slowness
            lasting = min(max(SHORTEST_SECONDS, STEP_PART * part.spent_seconds), LONGEST_SECONDS)
            count = min(max(1, round(lasting / expected)), level.curves - part.begun)
            sigma = sigma_of(self._seed, part.number, level, part.begun)
            part.begun += count
            if part.begun >= level.curves:
                part.level, part.begun = part.level + 1, 0
            return "curves", part.number, level.bound, sigma, count
        if part.flying or part.whole:
            return None
        if bits > LARGEST:
            raise EngineError(
                f"no factor of {part.number} was found by {part.ended:,} curves up to B1 = "
                f"{LEVELS[-1].bound:,}: its factors have more than {LEVELS[-1].digits} digits, most probably"
            )
        part.whole = True
        self._tell(f"the quadratic sieve on {bits} bits, one task")
        return "whole", part.number

    def _give(
        self, number: Number, part: Part | None, payload: tuple[Any, ...], task: int | None = None
    ) -> Step:
        if part is not None:
            part.flying += 1
        if task is None:
            task, self._beyond = self._beyond, self._beyond + 1
        self._given[task] = number, part
        return Step(task, payload)

    # --- what ended -----------------------------------------------------------------------------------------

    def is_needed(self, step: Step) -> bool:
        """Tell whether what the step works on is still to be split."""
        _, part = self._given[step.task]
        return part is None or part.open

    def ended(self, step: Step, measurement: Measurement) -> str:
        """Take in a result; returns number, kind, bound, curves, and whether a factor was found."""
        number, part = self._given.pop(step.task)
        kind = step.payload[0]
        told = f"{self.numbers.index(number)} {kind}"
        if part is None:
            number.waiting = False
            (self._begin if kind == "begin" else self._finish)(number, measurement.result)
            return told
        part.flying -= 1
        curves = measurement.result[2]
        if kind == "curves":
            told += f" {step.payload[2]} {curves}"
            self._keep_pace(step, measurement, curves)
        if not part.open:
            return f"{told} late"
        part.ended += curves
        part.spent_seconds += measurement.finished - measurement.started
        return told + " found" * self._split(number, part, step.payload, measurement.result)

    def _keep_pace(self, step: Step, measurement: Measurement, curves: int) -> None:
        """Learn how much longer curves take here than on the core that their times were measured on."""
        _, number, bound, *_ = step.payload
        expected = curves * curve_seconds(number.bit_length(), bound)
        self._slowness = (self._slowness + (measurement.finished - measurement.started) / expected) / 2

    def _split(self, number: Number, part: Part, payload: tuple[Any, ...], result: Any) -> bool:
        """Put the parts in the place of what was split; tells whether it was."""
        primes, composites, _, sigma = result
        if composites == [part.number]:
            return False
        part.open = False
        number.primes += primes
        number.parts += [dataclasses.replace(part, number=one, open=True, flying=0) for one in composites]
        bound = payload[2] if payload[0] == "curves" else 0
        # of two parts the curve found the smaller
        found = min((*primes, *composites))
        number.discoveries.append(Discovery(found, payload[0], bound, sigma, part.ended))
        how = f"B1 = {bound:,}, sigma 1:{sigma}, curve {part.ended}" if bound else "the sieve"
        self._tell(f"factor {found} of {part.number.bit_length()} bits, by {how}")
        return True

    def _begin(self, number: Number, result: Any) -> None:
        primes, composites, _, has_curves = result
        number.primes = list(primes)
        number.parts = [Part(one) for one in composites]
        number.discoveries = [Discovery(one, "division") for one in dict.fromkeys(primes)]
        for one in number.parts:
            bits = one.number.bit_length()
            refuse_large(one.number, self._most_bits)
            if not has_curves:
                if bits > LARGEST:
                    raise EngineError(f"{one.number} has {bits} bits. {MISSING}")
                if levels_before_sieve(bits):
                    self._tell(MISSING)
                one.level = len(LEVELS)

    def _finish(self, number: Number, result: Any) -> None:
        number.primes, number.done = list(result[0]), True
        self._done += 1

    def loses_worker(self) -> bool:
        """Tell once, when so many numbers are done, that a worker is to be killed."""
        now = 0 < self._lose_after <= self._done
        self._lose_after = 0 if now else self._lose_after
        return now


def refuse_large(number: int, most_bits: int) -> None:
    """Raise `ParameterError` for a composite number without small factors that is beyond the limit."""
    bits = number.bit_length()
    if bits > most_bits:
        raise ParameterError(
            f"what remains without its small factors is a composite number of {bits} bits, and at most "
            f"{most_bits} are begun: with two prime factors of equal size it would take {worst_case(bits)} "
            "on one core. If you know that it has a factor of few digits, raise the limit (--most-bits)"
        )
