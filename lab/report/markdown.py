"""Markdown that a notebook cell shows: prose, tables and figures in one text."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence

MOST_LETTERS = 60
"""Letters of the name of somebody's work, or of its unit, that a page shows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Markdown:
    """Text that Jupyter and the book render as Markdown."""

    text: str

    def _repr_markdown_(self) -> str:
        # of an empty text Jupyter would show the object's own representation
        return self.text or "<!-- nothing to show -->"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[int] = ()) -> str:
    """Return a Markdown table; `right` are the places of the columns of numbers."""
    rules = ("--:" if place in right else ":--" for place in range(len(head)))
    lines = [head, tuple(rules), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def figure(svg: str, caption: str, source: str = "") -> str:
    """Return a figure and its caption as HTML, which a blank line would end, and below it the source."""
    drawn = "\n".join(line for line in svg.splitlines() if line.strip())
    shown = f'<figure class="lab-chart">\n{drawn}\n<figcaption>{caption}</figcaption>\n</figure>'
    return f'{shown}\n\n<div class="lab-source">\n\n{source}\n\n</div>' if source else shown


def folded(summary: str, content: str) -> str:
    """Return content that opens on a click, below a line that says what it is."""
    return f'<details class="lab-details"><summary>{summary}</summary>\n\n{content}\n\n</details>'


def paragraphs(*texts: str | None) -> Markdown:
    """Return the texts that there are as paragraphs."""
    return Markdown("\n\n".join(text for text in texts if text))


def literal(text: str) -> str:
    """Return foreign text, such as an error message, so that no character of it is read as Markdown."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def safe(text: object) -> str:
    """Return foreign text for prose, cells, captions and summaries: none of it is read as Markdown or HTML.

    Both read a reference to a character as that character. What cannot be printed, such as a character that
    turns the direction of writing, is shown as missing.
    """
    line = " ".join(str(text).split())
    return "".join(
        one if one.isalnum() or one in " .,/()-" else f"&#{ord(one)};" if one.isprintable() else "\ufffd"
        for one in line
    )


def shortened(text: str) -> str:
    """Return foreign text on one line, of MOST_LETTERS at most."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 1] + "…"


def capital(text: str) -> str:
    """Return a sentence with a capital letter at its begin."""
    return text[:1].upper() + text[1:]


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
