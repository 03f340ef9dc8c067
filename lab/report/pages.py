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
from lab.report.book import EVERY, Book
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
            book.asked.clear()
            told = self.env.temp_data.setdefault("lab_told", set())
            text = section(book, self.arguments, "if-any" in self.options, told).text
        except LabError as error:
            # Sphinx would call any other error a bug of its own
            raise SphinxError(f"{type(error).__name__}: {error}") from error
        uses_of(self.env).setdefault(self.env.docname, set()).update(book.asked)
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


CODE = "lab"
"""Stands for the lab's own code."""

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
    app.connect("env-get-outdated", after_a_change)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def uses_of(environment: Any) -> dict[str, set[str]]:
    """Return what of the data each page shows, as the last builds noted it."""
    if not hasattr(environment, "lab_uses"):
        environment.lab_uses = {}
    found: dict[str, set[str]] = environment.lab_uses
    return found


def after_a_change(_app: Any, environment: Any, *_changes: set[str]) -> list[str]:
    """Return the pages whose data have changed since the last build, or all where the lab has."""
    now, before = digests(the_book().data), getattr(environment, "lab_digests", {})
    environment.lab_digests = now
    changed = {name for name in {*now, *before} if now.get(name) != before.get(name)}
    if CODE in changed:
        return sorted(environment.all_docs)
    uses = uses_of(environment)
    pages = (name for name, shown in uses.items() if changed and (EVERY in shown or shown & changed))
    return sorted(set(pages) & set(environment.all_docs))


def digests(data: Path) -> dict[str, str]:
    """Return what tells the lab's code, and the files of every experiment, from those of another build."""
    code = hashlib.sha256()
    # an example that was changed makes its runs stale
    for path in sorted([*(paths.ROOT / "lab").rglob("*.py"), *paths.ROOT.glob("examples/*.py")]):
        code.update(path.read_bytes())
    found = {CODE: code.hexdigest()}
    for folder in sorted(data.glob("*")):
        files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        told = [(str(one), one.lstat().st_mtime_ns, one.lstat().st_size) for one in files]
        found[folder.name] = hashlib.sha256(repr(told).encode()).hexdigest()
    return found
