"""What can be checked without trust: the factors, how each was found again, and proofs that PARI accepts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lab.errors import ParameterError
from lab.experiment.examples import example
from lab.factoring.answer import Factored
from lab.factoring.splitting import Discovery
from lab.finding import find


def as_json(found: Factored) -> dict[str, Any]:
    """Return the certificate: every factor with how it was found and why it is prime, and PARI's check."""
    proof, is_proven = (find(example(f"splitting.py:{name}"))[1] for name in ("proof", "is_proven"))
    factors, pari = [], []
    for prime, exponent in sorted(Counter(found.primes).items()):
        shown_by = proof(prime)
        if not is_proven(prime):
            raise ParameterError(f"{prime} passes BPSW, and FLINT does not prove it prime: report it")
        factors.append(
            {
                "prime": str(prime),
                "exponent": exponent,
                "bits": prime.bit_length(),
                "proven_by": _proven_by(prime, shown_by),
                "proof": _texts(shown_by),
            }
        )
        pari.append(f"isprime({prime})" if shown_by is None else f"primecertisvalid({shown_by})")
    product = "*".join(f"{prime}^{exponent}" for prime, exponent in sorted(Counter(found.primes).items()))
    return {
        "expression": found.expression,
        "number": str(found.number),
        "bits": found.number.bit_length(),
        "is_prime": len(found.primes) == 1,
        "factors": factors,
        "discoveries": [_discovery(one) for one in found.discoveries if one.method],
        "seconds": round(found.seconds, 3),
        "pari": " && ".join((f"{product} == {found.number}", *pari)),
    }


def _proven_by(prime: int, shown_by: Any) -> str:
    if prime < 2**64:
        return "BPSW, a proof below 2^64"
    return (
        "FLINT, Pocklington or APR-CL"
        if shown_by is None
        else "Pocklington and Lehmer, from factors of p - 1"
    )


def _texts(proof: Any) -> Any:
    """Return a proof with its numbers as texts: JSON elsewhere keeps 53 bits of a number."""
    return (
        [_texts(one) for one in proof] if isinstance(proof, list) else None if proof is None else str(proof)
    )


METHODS = {
    "division": "division by small primes, or as a power",
    "whole": "FLINT or PARI, as one task",
    "curves": "an elliptic curve, GMP-ECM",
}


def _discovery(one: Discovery) -> dict[str, Any]:
    """Return how a factor was found; with sigma and B1, `ecm -sigma 1:SIGMA B1` finds it again."""
    told: dict[str, Any] = {"factor": str(one.factor), "method": METHODS[one.method]}
    if one.bound:
        told |= {"B1": one.bound, "sigma": f"1:{one.sigma}", "curves": one.curves}
    return told


def in_words(certificate: Mapping[str, Any]) -> str:
    """Return a certificate as text: the product, a line for each factor, and what PARI is to be asked."""
    factors: Sequence[Mapping[str, Any]] = certificate["factors"]
    if certificate["is_prime"]:
        lines = [f"{certificate['number']} is prime: there is nothing to split"]
    else:
        told = (one["prime"] + f"^{one['exponent']}" * (one["exponent"] > 1) for one in factors)
        lines = [f"{certificate['number']} = {' * '.join(told)}"]
    for one in factors:
        lines.append(f"  {one['prime']}: {one['bits']} bits, proven prime ({one['proven_by']})")
    for one in certificate["discoveries"]:
        how = f", B1 = {one['B1']:,}, sigma {one['sigma']}, curve {one['curves']:,}" if "B1" in one else ""
        lines.append(f"  found {one['factor']}: {one['method']}{how}")
    return "\n".join(
        [*lines, f"{certificate['seconds']:.1f} s. To check it in PARI (it prints 1):", certificate["pari"]]
    )
