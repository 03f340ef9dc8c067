"""A Sphinx extension: the first use of a term on a page leads to the glossary, and tells what it means."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes

PAGE = "book/terms"
NOT_IN = (
    nodes.title,
    nodes.strong,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.thead,
    nodes.term,
    nodes.raw,
)
"""Where a word is a heading, a question, a link, or code."""


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx; called by it."""
    app.connect("doctree-read", depend)
    app.connect("doctree-resolved", link_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def depend(app: Any, _tree: nodes.document) -> None:
    """Have every page built anew where the terms change."""
    app.env.note_dependency(str(Path(app.srcdir) / f"{PAGE}.md"))


def link_terms(app: Any, tree: nodes.document, page: str) -> None:
    """Link the first use of each term on a page; its meaning is the link's title."""
    if page == PAGE or PAGE not in app.env.all_docs:
        return
    meanings = meanings_of(app.env.get_doctree(PAGE))
    place = app.builder.get_relative_uri(page, PAGE)
    left = {name.lower(): (f"{place}#{place_of(name)}", meaning) for name, meaning in meanings.items()}
    for text in list(tree.findall(nodes.Text)):
        if left and not _within(text):
            found = _linked(str(text), left)
            if len(found) > 1:
                text.parent.replace(text, found)


def meanings_of(glossary: nodes.document) -> Mapping[str, str]:
    """Return the terms of the glossary's page, each with its meaning."""
    return {
        item[0].astext(): " ".join(item[-1].astext().split())
        for item in glossary.findall(nodes.definition_list_item)
    }


def place_of(term: str) -> str:
    """Return the id that Sphinx gives a term."""
    return f"term-{re.sub(r'[^A-Za-z0-9]+', '-', term).strip('-')}"


def _within(text: nodes.Text) -> bool:
    one = text.parent
    while one is not None:
        if isinstance(one, NOT_IN):
            return True
        one = one.parent
    return False


def _linked(text: str, left: dict[str, tuple[str, str]]) -> list[nodes.Node]:
    """Return a text with links in place of the terms that are left, which those are then no more."""
    found: list[nodes.Node] = []
    while left:
        names = "|".join(map(re.escape, sorted(left, key=len, reverse=True)))
        match = re.search(rf"(?<![\w-])({names})s?(?![\w-])", text, re.IGNORECASE)
        if match is None:
            break
        address, meaning = left.pop(match[1].lower())
        link = nodes.reference(
            "", match[0], refuri=address, reftitle=meaning, internal=True, classes=["lab-term"]
        )
        found += [nodes.Text(text[: match.start()]), link]
        text = text[match.end() :]
    return [*found, nodes.Text(text)]
