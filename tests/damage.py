"""Damaged run folders for a fuzz test: the files of a whole run with fields, rows, bytes or files changed."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from lab.data.environment import ENVIRONMENT
from lab.report.book import Book
from lab.report.pages import section

ROOT = Path(__file__).resolve().parent.parent
PLANTED = "<img src=x onerror=alert(1)> [a](javascript:x) {raw}`html` | *b* $c$ &lt;"
"""What a browser, Markdown or a role would do something with."""

TEXTS = (
    *(
        PLANTED,
        "</script><script>x()</script>",
        "`" * 3 + "{eval-rst}",
        "_a_",
        "",
        " ",
        "x" * 5000,
        "\x1b[31m",
    ),
    *(
        "\u202egnp",
        "\x00",
        "\ud800",
        "é\u0301",
        "$\\frac{1}{",
        "nan",
        "-1",
        "0",
        "1e999",
        "99999999999999999999",
    ),
    *(
        "1e15",
        "-1e15",
        "0.5",
        "1_000",
        "0x10",
        " 7",
        "true",
        "ok",
        "2",
        "NULL",
        "2026-13-01",
        "9999-12-31",
        "\u0664",
    ),
    *("9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "../../x", "/etc/passwd", "ray", "serial", "000-1"),
)
VALUES = (*TEXTS, None, True, -1, 0, 2**70, 0.5, 1e308, float("nan"), [], {}, [[]], [None], {"a": 1}, ["<b>"])


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a run by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files anew as the only ones of a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@st.composite
def damaged(draw: st.DrawFn, runs: Sequence[Mapping[str, bytes]]) -> dict[str, bytes]:
    """Draw one of the runs with one to three kinds of damage."""
    files = dict(draw(st.sampled_from(runs)))
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        ways = (_fact, _fact, _fact) if name == ENVIRONMENT else (_cell, _cell, _row, _column)
        way = draw(st.sampled_from((*ways, *ways, *ways, _bytes)))
        files[name] = way(draw, files[name])
    return files


def _fact(draw: st.DrawFn, content: bytes) -> bytes:
    """Replace, remove or add one value anywhere in the environment."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return content
    places = list(_places(found))
    if not places:
        return content
    holder, key = draw(st.sampled_from(places))
    value = draw(st.sampled_from(VALUES) | st.text(max_size=20) | st.integers() | st.floats())
    change = draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename")))
    if change == "replace":
        holder[key] = value
    elif change == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from(TEXTS))] = holder.pop(key)
    return json.dumps(found).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _cell(draw: st.DrawFn, content: bytes) -> bytes:
    """Replace one field, also in the header or throughout its column."""
    value = draw(
        st.sampled_from(TEXTS) | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)
    )
    whole = draw(st.booleans())

    def change(rows: list[list[str]]) -> None:
        row = draw(st.integers(min(1, len(rows) - 1), len(rows) - 1))
        column = draw(st.integers(0, len(rows[row]) - 1)) if rows[row] else None
        for one in rows[1:] if whole else [rows[row]]:
            if column is not None and column < len(one):
                one[column] = value

    return _of_rows(content, change)


def _row(draw: st.DrawFn, content: bytes) -> bytes:
    """Remove a row, repeat it, or change its length."""

    def change(rows: list[list[str]]) -> None:
        place = draw(st.integers(0, len(rows) - 1))
        what = draw(st.sampled_from(("remove", "repeat", "shorten", "lengthen", "all")))
        if what == "remove":
            del rows[place]
        elif what == "repeat":
            rows.insert(place, list(rows[place]))
        elif what == "all":
            del rows[1:]
        else:
            rows[place] = rows[place][:-1] if what == "shorten" else [*rows[place], PLANTED]

    return _of_rows(content, change)


def _column(draw: st.DrawFn, content: bytes) -> bytes:
    """Remove a column, as in a file of an older version."""

    def change(rows: list[list[str]]) -> None:
        place = draw(st.integers(0, len(rows[0]) - 1)) if rows[0] else 0
        rows[:] = [row[:place] + row[place + 1 :] for row in rows]

    return _of_rows(content, change)


def _of_rows(content: bytes, change: Callable[[list[list[str]]], None]) -> bytes:
    rows = [line.split(",") for line in content.decode(errors="replace").splitlines()]
    if not rows:
        return content
    change(rows)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="surrogatepass")


def _bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut the file off, put bytes into it, write it in another encoding, or put another in its place."""
    what = draw(st.sampled_from(("cut", "insert", "encode", "other")))
    place = draw(st.integers(0, len(content)))
    if what == "cut":
        return content[:place]
    if what == "insert":
        return content[:place] + draw(st.binary(min_size=1, max_size=6)) + content[place:]
    if what == "encode":
        encoding = draw(st.sampled_from(("utf-16", "utf-8-sig", "utf-32")))
        return content.decode(errors="replace").encode(encoding, errors="replace")
    return draw(
        st.sampled_from((b"", b"{}", b"[]", b"null", b"[" * 100_000, b'"' * 200_000, b"\n\n", b"1" * 5000))
    )


def shown(page: str, data: Path) -> list[str]:
    """Return what the sections of a page of the book show of a data folder, as it asks for them."""
    book, told, texts = Book(data, data / "no-pins.yaml"), set[str](), []
    written = (ROOT / "book" / f"{page}.md").read_text()
    for words, options in re.findall(r"```\{lab\} ([^\n]*)\n(.*?)```", written, re.DOTALL):
        texts.append(section(book, words.split(), ":if-any:" in options, told).text)
    return texts
