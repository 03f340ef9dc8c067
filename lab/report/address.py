"""What a published book says to others: its canonical address, a sitemap, and the card that a link shows."""

import html
import os
from collections.abc import Iterable, Mapping

SETTING = "LAB_BOOK_URL"
"""The environment variable with the address at which the book is published; without it nothing is said."""
CARD = "_static/card.png"


def published_at() -> str:
    """Return where the book is published, with a slash at its end; empty where it is not set."""
    found = os.environ.get(SETTING, "").strip().rstrip("/")
    return f"{found}/" if found.startswith(("https://", "http://")) else ""


def sitemap(address: str, pages: Iterable[str]) -> str:
    """Return the list of pages (names without .html) that search engines read."""
    lines = (f"<url><loc>{html.escape(address + page)}.html</loc></url>" for page in pages)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n' + "\n".join(lines) + "\n</urlset>\n"
    )


def tags(address: str, page: str, title: str, finding: str) -> str:
    """Return what a page says of itself where a link to it is shown."""
    told: Mapping[str, str] = {
        "og:type": "website",
        "og:title": title,
        "og:description": finding,
        "og:url": f"{address}{page}.html",
        "og:image": f"{address}{CARD}",
        "og:image:alt": finding,
        "twitter:card": "summary_large_image",
    }
    return "\n".join(
        f'<meta property="{name}" content="{html.escape(content)}" />' for name, content in told.items()
    )
