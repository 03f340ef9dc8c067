"""The whole book out of its pages: one file to download, and the text that its search reads."""

import html
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

STYLES = (
    *("styles/bootstrap.css", "styles/pydata-sphinx-theme.css", "pygments.css"),
    *("styles/sphinx-book-theme.css", "book.css", "timeline.css"),
)
SCRIPTS = ("timeline.js", "explorer.js", "tables.js")
LOOK = """
body { margin: 0 auto; max-width: 52rem; padding: 1rem; }
article { border-top: 1px solid var(--pst-color-border); margin-top: 3rem; padding-top: 1rem; }
.admonition-title::after, .headerlink { display: none !important; }
"""
"""Without the theme's frame, and its icons, which are fonts."""
THEME = """
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.dataset.theme = dark ? "dark" : "light";
"""
SECTION = re.compile(r'<section[^>]* id="([^"]+)"[^>]*>')
UNSEEN = re.compile(r"<(script|style|svg|form)\b.*?</\1>|<[^>]+>", re.DOTALL)


def article(page: str) -> str:
    """Return what a page (HTML) says, without the frame that all pages share."""
    found = re.search(r'<article class="bd-article">(.*?)</article>', page, re.DOTALL)
    return "" if found is None else found[1].strip()


def search_text(articles: Mapping[str, str]) -> str:
    """Return a script with the sections of all pages (address -> article): title, address and words."""
    found = []
    for address, body in articles.items():
        parts = SECTION.split(body)
        page = _title(body)
        for place, text in zip(parts[1::2], parts[2::2], strict=True):
            found.append(
                {"page": page, "title": _title(text), "address": f"{address}#{place}", "text": _words(text)}
            )
    return f"const labSections = {json.dumps(found, ensure_ascii=False)};\n"


def one_file(title: str, articles: Mapping[str, str], static: Path) -> str:
    """Return all pages (name -> article) as one HTML file; `static` has styles and scripts.

    What the pages link to besides themselves, the CSV files, is named there and not linked.
    """
    names = frozenset(articles)
    styles = "\n".join(_style(static / name) for name in STYLES if (static / name).exists())
    scripts = "\n".join((static / name).read_text(encoding="utf-8") for name in SCRIPTS)
    contents = "\n".join(f'<li><a href="#{name}">{_title(body)}</a></li>' for name, body in articles.items())
    pages = "\n".join(
        f'<article class="bd-article" id="{name}">\n{_apart(body, name, names)}\n</article>'
        for name, body in articles.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n"
        f"<script>{THEME}</script>\n<style>\n{styles}\n{LOOK}</style>\n</head>\n<body>\n<main>\n"
        f'<nav aria-label="Contents"><ol>\n{contents}\n</ol></nav>\n{pages}\n</main>\n'
        f"<script>\n{scripts}</script>\n</body>\n</html>\n"
    )


def _style(path: Path) -> str:
    """Return a stylesheet without what it would load."""
    text = re.sub(r"@font-face\s*{[^}]*}|@charset[^;]*;|@import[^;]*;", "", path.read_text(encoding="utf-8"))
    return re.sub(r"/\*# sourceMappingURL=.*?\*/", "", text)


def _apart(body: str, name: str, names: Iterable[str]) -> str:
    """Return an article whose ids cannot meet those of another, and whose links stay in the file."""
    body = re.sub(r'(\s(?:id|for)=")', rf"\1{name}--", body)
    body = re.sub(r'(url\(|href=")#', rf"\1#{name}--", body)
    body = re.sub(
        r'(aria-\w+by=)"([^"]+)"',
        lambda found: f'{found[1]}"{" ".join(f"{name}--{one}" for one in found[2].split())}"',
        body,
    )
    for other in names:
        body = body.replace(f'href="{other}.html#', f'href="#{other}--')
        body = body.replace(f'href="{other}.html"', f'href="#{other}"')
    return re.sub(r'\shref="(?!#|https?:|mailto:)[^"]*"', "", body)


def _title(body: str) -> str:
    found = re.search(r"<h\d>(.*?)<a class=\"headerlink\"", body, re.DOTALL)
    return "" if found is None else _words(found[1])


def _words(text: str) -> str:
    return " ".join(html.unescape(UNSEEN.sub(" ", re.sub(r'<a class="headerlink".*?</a>', "", text))).split())
