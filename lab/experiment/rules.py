"""What a parameter accepts: rules that take a value as papermill hands it over, or say what they want."""

import ast
import dataclasses
import re
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Whole:
    """Accepts a whole number from `low` to `high`."""

    low: int
    high: int

    def accept(self, value: Any) -> int:
        """Return the number, or raise `ValueError` with the range."""
        if isinstance(value, str):
            value = _literal(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise ValueError(self.describe())
        return value

    def describe(self) -> str:
        """Return the accepted range in words."""
        return f"a whole number from {self.low} to {self.high}"


@dataclasses.dataclass(frozen=True, slots=True)
class Real:
    """Accepts a number from `low` to `high`; `of` names what is counted, such as seconds."""

    low: float
    high: float
    of: str = "seconds"

    def accept(self, value: Any) -> float:
        """Return the number, or raise `ValueError` with the range."""
        if isinstance(value, str):
            value = _literal(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            raise ValueError(self.describe())
        return float(value)

    def describe(self) -> str:
        """Return the accepted range in words."""
        return f"a number of {self.of} from {self.low:g} to {self.high:g}"


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """Accepts True or False, or their text."""

    def accept(self, value: Any) -> bool:
        """Return the truth value, or raise `ValueError` with the rule."""
        if isinstance(value, str):
            value = _literal(value)
        if not isinstance(value, bool):
            raise ValueError(self.describe())
        return value

    def describe(self) -> str:
        """Return the rule in words."""
        return "True or False"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Accepts one of the names; with `own`, an example, also the name of something of the user's."""

    names: tuple[str, ...]
    own: str = ""

    def accept(self, value: Any) -> str:
        """Return the name, or raise `ValueError` with the choices."""
        own = self.own and isinstance(value, str) and ":" in value.strip(":")
        if value not in self.names and not own:
            raise ValueError(self.describe())
        return str(value)

    def describe(self) -> str:
        """Return the choices in words."""
        own = f", or your own: {self.own}" if self.own else ""
        return "one of " + ", ".join(map(repr, self.names)) + own


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """Accepts text that fits a pattern."""

    pattern: str
    words: str

    def accept(self, value: Any) -> str:
        """Return the text, or raise `ValueError` with the rule; a whole number is text of its digits."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise ValueError(self.describe())
        return value

    def describe(self) -> str:
        """Return the rule in words."""
        return self.words


@dataclasses.dataclass(frozen=True, slots=True)
class Several:
    """Accepts a list, without repetitions unless said otherwise; a single value or its text is one, too."""

    of: "Whole | Real | Choice | Text"
    distinct: bool = True
    may_be_empty: bool = False

    def accept(self, value: Any) -> tuple[Any, ...]:
        """Return the values as a tuple, or raise `ValueError` with the rule."""
        if isinstance(value, str) and value.strip().startswith("["):
            literal = _literal(value)
            # a shell has eaten the quotes of ["search", "find"]
            bare = isinstance(literal, str) and value.strip().endswith("]")
            value = _words(value) if bare else literal
        items = tuple(value) if isinstance(value, list | tuple) else (value,)
        accepted = tuple(self.of.accept(item) for item in items)
        if (not accepted and not self.may_be_empty) or (
            self.distinct and len(set(accepted)) != len(accepted)
        ):
            raise ValueError(self.describe())
        return accepted

    def describe(self) -> str:
        """Return the rule in words."""
        return (
            f"a list{' without repetitions' if self.distinct else ''} of which each is {self.of.describe()}"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Items:
    """Accepts what names items: text, their number, or a list of them."""

    def accept(self, value: Any) -> Any:
        """Return the text, the number or the list, or raise `ValueError` with the rule."""
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = _literal(value)
        if isinstance(value, bool) or not isinstance(value, str | int | list | tuple):
            raise ValueError(self.describe())
        return list(value) if isinstance(value, tuple) else value

    def describe(self) -> str:
        """Return the rule in words."""
        return (
            "my_job.py:items, a file (items.jsonl or items.txt), a whole number N for 0 to N - 1, or a list"
        )


Rule = Whole | Real | Flag | Choice | Text | Several | Items


def parameter(rule: Rule, unit: str = "", meaning: str = "", **default: Any) -> Any:
    """Return a dataclass field that carries its rule, its unit and, for the command line, its meaning."""
    return dataclasses.field(metadata={"rule": rule, "unit": unit, "meaning": meaning}, **default)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip(" '\"") for part in text.strip().strip("[]").split(",") if part.strip())


def _literal(text: str) -> Any:
    """Read a number or list given as text, as papermill's -r and a quoted -p hand it over."""
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text
