"""Fermat's test of several large numbers at once, in the vector registers of the processor: see `fermat.c`.

`python fermat.py` compiles it, where there is a C compiler, and `make setup` does so. What was compiled lies
beside this file, and goes with it to the nodes of a cluster; a copy in the virtual environment serves other
versions of this folder. Without it numbers are tested one by one.
"""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = Path(sys.prefix) / "lib" / "ray-scaling-lab"
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
    """Return where the test for vectors of a kind is, once this very source of it is compiled."""
    name = f"fermat-{kind}-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]}.so"
    return next((folder / name for folder in (HERE, ENVIRONMENT) if (folder / name).exists()), HERE / name)


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
    """Compile the test for each kind of vectors; OSError or CalledProcessError where the compiler cannot."""
    for old in HERE.glob("fermat-*"):
        old.unlink()
    for kind, flags in reversed(KINDS.items()):
        made = HERE / compiled(kind).name
        # whoever looks meanwhile finds all of it or none
        begun = made.with_suffix(f".{os.getpid()}")
        compiler = shlex.split(os.environ.get("CC") or "cc")
        command = [*compiler, "-O3", "-shared", "-fPIC", *flags, "-o", str(begun), str(SOURCE)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        begun.replace(made)
        if sys.prefix != sys.base_prefix:
            ENVIRONMENT.mkdir(exist_ok=True)
            shutil.copy(made, ENVIRONMENT)


if __name__ == "__main__":
    try:
        compile_all()
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        sys.exit(
            f"Primes are tested one at a time, more slowly, since the C compiler could not be used: {said}\n"
            "Once it can: .venv/bin/python examples/fermat.py"
        )
