"""A Sphinx extension: what is done to every page's HTML once it is made."""

import html
import itertools
import re
from pathlib import Path
from typing import Any

from lab.figures.card import card
from lab.report import address, front
from lab.report.pages import the_book
from lab.report.whole import article, one_file, search_text

TABLE = re.compile(r'<table class="table">.*?</table>', re.DOTALL)
HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
INTERVAL = re.compile(r"(<p>(?:<strong>)?[-+−]?[\d.,]+)( %)? (\([^()<]* to [^()<]*\))([^<\d(]*)(?=<)")
"""A number, its unit, its interval in brackets, and a unit that stands behind that."""
CODE = re.compile(r'<span class="pre">([^<]*)</span>')
WHOLE = 22
"""Letters of a name in a table that no line parts; a longer one is parted, where it can be after a sign."""
TOGETHER = re.compile(
    r"<(pre|code|svg|script|style)\b.*?</\1>|<[^>]*>|\d(?:</\w+>)?\s%|\bn\s=\s\d", re.DOTALL
)
"""What stays as it is, code and tags, or else a number and its unit, which no line parts."""
CARDS_FROM = 3
"""Columns from which on a narrow screen shows the rows of a table as cards, with two columns at most."""


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx; called by it."""
    app.connect("config-inited", set_address)
    app.connect("html-page-context", finish_page)
    app.connect("build-finished", finish_book)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def set_address(_app: Any, config: Any) -> None:
    """Give every page its canonical address, where it is set."""
    config.html_baseurl = address.published_at()


def finish_page(app: Any, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Make the tables of a page fit for narrow screens, numbers whole, and say what a link to it shows."""
    if "body" in context:
        context["body"] = unbroken(with_labels(context["body"]))
    if where := app.config.html_baseurl:
        title = html.unescape(re.sub(r"<[^>]+>", "", context.get("title", app.config.html_title)))
        context["metatags"] = context.get("metatags", "") + address.tags(where, page, title, found_in_short())


def found_in_short() -> str:
    """Return the finding of the book's first page; empty where there is no run."""
    return html.unescape(front.finding(the_book()))


PRELOAD = re.compile(r'<link rel="preload" as="font"[^>]*>\s*')
"""Browsers refuse it from disk; the stylesheet loads the fonts in any case."""


def finish_book(app: Any, error: Exception | None) -> None:
    """Write the report as one file and the text that the search reads, from the pages as they are built."""
    if error is not None or app.builder.name != "html":
        return
    built, root = Path(app.outdir), app.config.root_doc
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if (fewer := PRELOAD.sub("", text)) != text:
            path.write_text(fewer, encoding="utf-8")
    order = dict.fromkeys((root, *app.env.toctree_includes.get(root, ())))
    found = {page: article((built / f"{page}.html").read_text(encoding="utf-8")) for page in order}
    texts = search_text({f"{page}.html": body for page, body in found.items()})
    (built / "_static" / "search_text.js").write_text(texts, encoding="utf-8")
    if where := app.config.html_baseurl:
        (built / "sitemap.xml").write_text(address.sitemap(where, order), encoding="utf-8")
        (built / address.CARD).write_bytes(card(app.config.html_title, found_in_short()))
    by_name = {page.rpartition("/")[2]: body for page, body in found.items()}
    (built / ONE_FILE).write_text(
        one_file(app.config.html_title, by_name, built / "_static"), encoding="utf-8"
    )


ONE_FILE = "ray-scaling-report.html"


def with_labels(body: str) -> str:
    """Return HTML in which each cell of a table knows the head of its column, and intervals stand apart.

    The roles are those that the elements have anyway; a browser forgets them where they are shown as cards.
    """
    return TABLE.sub(lambda found: _labelled(found[0]), body)


def unbroken(body: str) -> str:
    """Return HTML in which no line ends between a number and its %, or within `n = 5`; code stays."""
    return TOGETHER.sub(lambda one: one[0] if one[0][0] == "<" else re.sub(r"\s", "\u00a0", one[0]), body)


def _labelled(table: str) -> str:
    head = [html.escape(_plain(one)) for one in HEAD.findall(table)]
    first, *rows = re.split(r"(?=<tr\b)", table)
    lines = [_row(INTERVAL.sub(r'\1\2\4 <span class="lab-interval">\3</span>', row), head) for row in rows]
    kind = f"table lab-columns-{len(head)}" + " lab-cards" * (len(head) >= CARDS_FROM)
    lines = [CODE.sub(_parted, line) for line in lines]
    first = first.replace('class="table"', f'class="{kind}" role="table"')
    return first + "".join(lines).replace("<th ", '<th role="columnheader" ')


def _parted(name: re.Match[str]) -> str:
    if len(html.unescape(name[1])) <= WHOLE:
        return name[0]
    parted = re.sub("(?<=[_/:])", "<wbr>", name[1])
    return f'<span class="pre lab-long">{parted}</span>'


def _row(row: str, head: list[str]) -> str:
    labels = itertools.chain(head, itertools.repeat(""))
    row = re.sub(r"<td\b", lambda _: f'<td role="cell" data-label="{next(labels)}"', row)
    return row.replace("<tr ", '<tr role="row" ')


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())
