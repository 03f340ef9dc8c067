"""A Sphinx extension: the first use of a term on a page leads to the glossary, and tells what it means."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from docutils import nodes

from lab.report.markdown import capital

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

OTHERWISE = ("power cut", "numbers in a window", "^windows$", "slot and attempt")
"""Words, as patterns, in which a term has another meaning; `windows` alone are those of numbers."""


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
    left = {name: (f"{place}#{place_of(name)}", meaning) for name, meaning in meanings.items()}
    terms = pattern(meanings)
    for text in list(tree.findall(nodes.Text)):
        if left and not _within(text):
            # two texts may be equal
            place = [*map(id, text.parent)].index(id(text))
            before = "".join(one.astext() for one in text.parent[:place])
            found = _linked(str(text), before, left, terms)
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


def pattern(terms: Collection[str]) -> re.Pattern[str]:
    """Return what finds terms, as written or with a capital; its group is empty for what is OTHERWISE."""
    names = sorted((*terms, *map(capital, terms)), key=len, reverse=True)
    either = "|".join(map(re.escape, names))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(OTHERWISE)}|({either})s?)(?![\w-])")


def _linked(
    text: str, before: str, left: dict[str, tuple[str, str]], terms: re.Pattern[str]
) -> list[nodes.Node]:
    """Return a text with links in place of the terms that are left, which those are then no more.

    A term is written as in the glossary; it has a capital only where a sentence begins. `before` is what
    stands before the text.
    """
    found: list[nodes.Node] = []
    done = 0
    for match in terms.finditer(text):
        name = match[1] or ""
        if name not in left and re.search(r"(^|[.!?:])\s*$", before + text[: match.start()]):
            name = name[:1].lower() + name[1:]
        if name in left:
            address, meaning = left.pop(name)
            facts = {"refuri": address, "reftitle": meaning, "internal": True, "classes": ["lab-term"]}
            found += [nodes.Text(text[done : match.start()]), nodes.reference("", match[0], **facts)]
            done = match.end()
    return [*found, nodes.Text(text[done:])]
