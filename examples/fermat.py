"""Fermat's test of several large numbers at once, in the vector registers of the processor: see `fermat.c`.

`python fermat.py` compiles it, where there is a C compiler, and `make setup` does so. What was compiled lies
beside this file, and goes with it to the nodes of a cluster. Elsewhere numbers are tested one by one.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "fermat.c"
KINDS = {"avx512ifma": ("-mavx512f", "-mavx512ifma"), "avx2": ("-mavx2",)}
"""Kinds of vectors, the fastest first, and what makes a compiler use them."""


class Fermat:
    """The test for vectors of one kind; OSError where they were not compiled, or the processor has none."""

    def __init__(self, kind: str) -> None:
        library = ctypes.CDLL(str(compiled(kind)))
        if not library.supported():
            raise OSError(f"this processor has no {kind}")
        self.width = int(library.width())
        """How many numbers are tested in the time of one."""
        self.most_bits = int(library.most_bits())
        self._limb_bits, self.limbs_for = int(library.limb_bits()), library.limbs_for
        self._test = library.fermat
        self._test.argtypes = (ctypes.c_char_p,) * 2 + (ctypes.c_long,) * 3 + (ctypes.c_char_p,)

    def passed(self, numbers: Sequence[int]) -> list[int]:
        """Return those n of at most `width` odd numbers above 1 for which 2^(n-1) = 1 modulo n.

        Raises ValueError for numbers of more than `most_bits`.
        """
        bits = max(numbers).bit_length()
        if bits > self.most_bits:
            raise ValueError(f"numbers of at most {self.most_bits} bits are tested, not of {bits}")
        limbs = self.limbs_for(bits)
        stride = (limbs - 1) * self._limb_bits // 8 + 8
        radix = 1 << limbs * self._limb_bits
        lanes = [*numbers, *numbers[-1:] * (self.width - len(numbers))]
        packed = b"".join([one.to_bytes(stride, "little") for one in lanes])
        ones = b"".join([(radix % one).to_bytes(stride, "little") for one in lanes])
        passes = ctypes.create_string_buffer(self.width)
        self._test(packed, ones, stride, limbs, bits, passes)
        return [one for one, passed in zip(numbers, passes.raw, strict=False) if passed]


def compiled(kind: str) -> Path:
    """Return where the test for vectors of a kind is, once it is compiled."""
    return HERE / f"fermat-{kind}.so"


@cache
def fastest() -> Fermat | None:
    """Return the test for the fastest vectors of this processor, or None."""
    for kind in KINDS:
        try:
            return Fermat(kind)
        except OSError:
            continue
    return None


def compile_all() -> None:
    """Compile the test for each kind of vectors.

    Raises FileNotFoundError where there is no compiler, CalledProcessError where it knows no such vectors.
    """
    for kind, flags in KINDS.items():
        # a process that runs the old one keeps it
        made = compiled(kind).with_suffix(f".{os.getpid()}")
        compiler = [os.environ.get("CC", "cc"), "-O3", "-shared", "-fPIC", *flags]
        subprocess.run([*compiler, "-o", made, SOURCE], check=True, capture_output=True)
        made.replace(compiled(kind))


if __name__ == "__main__":
    try:
        compile_all()
    except FileNotFoundError:
        sys.exit("There is no C compiler (cc): primes are tested one at a time, at half the speed.")
    except subprocess.CalledProcessError:
        sys.exit("The C compiler has no vectors for this processor: primes are tested one at a time.")
