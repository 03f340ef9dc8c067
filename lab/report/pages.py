"""A Sphinx extension: the directive by which a page shows a section, computed from the data as it is built.

    ```{lab} scaling.throughput single_node
    ```

shows `lab.report.scaling.throughput` of the run of that experiment. A section of the whole book takes no
experiment, and one that takes text gets the words that follow its name. All sections of one build are
computed in one process; no page starts a kernel.
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils.nodes import Node
from docutils.parsers.rst.directives import flag
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective

from lab import paths
from lab.errors import LabError
from lab.report.book import Book
from lab.report.markdown import Markdown


class Section(SphinxDirective):
    """Shows a section; with `if-any`, nothing at all where there is no run or nothing to show."""

    required_arguments = 1
    optional_arguments = 9
    option_spec: ClassVar[dict[str, Any]] = {"if-any": flag}

    def run(self) -> list[Node]:
        """Return the section, parsed as the page is."""
        book = the_book()
        try:
            told = self.env.temp_data.setdefault("lab_told", set())
            text = section(book, self.arguments, "if-any" in self.options, told).text
        except LabError as error:
            # Sphinx would call any other error a bug of its own
            raise SphinxError(f"{type(error).__name__}: {error}") from error
        for folder in (book.data, *book.data.glob("*"), *book.data.glob("*/*"), *book.data.glob("*/*/*")):
            self.env.note_dependency(str(folder))
        found: list[Node] = self.parse_text_to_nodes(text) if text else []
        return found


def section(book: Book, words: list[str], if_any: bool, told: set[str]) -> Markdown:
    """Return what a directive with these words shows; `told` are experiments said to have no run."""
    shown = _function(words[0])
    first = next(iter(inspect.signature(shown).parameters), "")
    if first == "study":
        page, before = book.page(words[1]), words[1] in told
        told |= set() if if_any else {words[1]}
        return page.mention(shown) if if_any else page.show(shown, before)
    found: Markdown = shown(book) if first == "book" else shown(*words[1:])
    return found


def _function(name: str) -> Callable[..., Markdown]:
    module, _, function = name.rpartition(".")
    found: Callable[..., Markdown] = getattr(importlib.import_module(f"lab.report.{module}"), function)
    return found


the_book = cache(Book)
"""The book of this process, which is built once in it."""


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx; called by it. Refuses to build a book of one clone with the lab of another."""
    if Path(app.confdir).resolve() != paths.ROOT:
        raise LabError(
            f"this book lies in {app.confdir}, but the lab that is installed reads the data of {paths.ROOT}: "
            'install this clone\'s lab (pip install -c requirements.lock -e ".[report]")'
        )
    the_book.cache_clear()
    app.add_directive("lab", Section)
    app.connect("env-get-outdated", after_a_change_of_the_lab)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def after_a_change_of_the_lab(_app: Any, environment: Any, *_changes: set[str]) -> list[str]:
    """Return all pages as outdated where the lab's own code is another than at the last build."""
    code = hashlib.sha256()
    for path in sorted((paths.ROOT / "lab").rglob("*.py")):
        code.update(path.read_bytes())
    before, environment.lab_code = getattr(environment, "lab_code", ""), code.hexdigest()
    return [] if before == code.hexdigest() else sorted(environment.all_docs)
