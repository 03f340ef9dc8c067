"""Tables of the Method page: every column of every file, from the records themselves."""

from lab.data.records import CHECKS, FILES, columns
from lab.report.markdown import Markdown, table

KINDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def columns_of(file: str) -> Markdown:
    """Return the columns of a file with unit, kind and meaning."""
    rows = [
        (
            f"`{one.name}`",
            one.unit or "–",
            KINDS[one.kind] + (", may be empty" if one.optional else ""),
            one.meaning,
        )
        for one in columns({**FILES, **CHECKS}[file])
    ]
    return Markdown(table(("column", "unit", "kind", "meaning"), rows))
