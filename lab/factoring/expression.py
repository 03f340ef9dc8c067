"""A number as people write it: `2**251-9`, `10^40 + 121`; nothing is computed before its size is known."""

import ast
import operator
from collections.abc import Callable

from lab.errors import ParameterError

MOST_LETTERS = 10_000
MOST_BITS = 4096
"""A number of more bits is refused, wherever in the expression it comes up."""
FORM = "write a whole number, or an expression of them with + - * // % ** and brackets, as in 2**251-9"
OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def number_of(text: str) -> int:
    """Return the whole number from 2 on that an expression stands for; raises `ParameterError`."""
    value = _value_of(text.strip())
    if value < 0:
        raise ParameterError(f"{shown(text)} is negative: give it without its sign, the factors are the same")
    if value == 0:
        raise ParameterError(f"{shown(text)} is 0, which every number divides: give a whole number from 2 on")
    if value == 1:
        raise ParameterError(f"{shown(text)} is 1, which has no prime factor: give a whole number from 2 on")
    return value


def shown(text: str) -> str:
    """Return an expression as a message has it."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:57]}...")


def _value_of(text: str) -> int:
    if len(text) > MOST_LETTERS:
        raise ParameterError(f"the expression has {len(text)} letters: at most {MOST_LETTERS} are read")
    try:
        return _value(ast.parse(text.replace("^", "**"), mode="eval").body, text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ParameterError(f"{shown(text)} is no number: {FORM}") from None


def _value(node: ast.expr, text: str) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return _limited(node.value, text)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, text)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return _applied(type(node.op), _value(node.left, text), _value(node.right, text), text)
    raise ParameterError(f"{shown(text)} is no number: {FORM}")


def _applied(operation: type[ast.operator], left: int, right: int, text: str) -> int:
    if operation is ast.Pow and right < 0:
        raise ParameterError(f"{shown(text)} has a negative exponent, which makes no whole number: {FORM}")
    # of a power that is refused only the size is known
    if operation is ast.Pow and (abs(left).bit_length() - 1) * right > MOST_BITS:
        raise _too_large(text)
    if operation in (ast.FloorDiv, ast.Mod) and right == 0:
        raise ParameterError(f"{shown(text)} divides by 0: {FORM}")
    return _limited(OPERATORS[operation](left, right), text)


def _limited(value: int, text: str) -> int:
    if value.bit_length() > MOST_BITS:
        raise _too_large(text)
    return value


def _too_large(text: str) -> ParameterError:
    return ParameterError(
        f"{shown(text)} comes to a number of more than {MOST_BITS:,} bits, and no number of that size is "
        "read: even the fastest methods known would not split its large factors in the age of the universe"
    )
