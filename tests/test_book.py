"""The book as it is built: without Ray, without a network, from whatever run is the newest."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import docker_run, multi_node_run, own_run, synthetic_run
from test_foreign_runs import KEYS, free_columns, planted, planted_facts
from timed import break_even_run, race_run
from written import write_run

from lab.data.records import FILES, columns
from lab.report import finish, made_up, terms
from lab.report.book import Book

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "index",
    "why",
    "how_many",
    "pays",
    "containers",
    "other_reports",
    "single_node",
    "multi_node",
    "docker",
    "own",
    "compare",
    "mechanisms",
    "placement",
    "recovery",
    "ray_vs_multiprocessing",
    "break_even",
    "factoring",
    "clusters",
    "kubernetes",
    "many_machines",
    "history",
    "validation",
    "terms",
    "method",
    "run_it_yourself",
)
ANSWERS = ("index", "why", "how_many", "pays", "containers")
NUMBERS = ("single_node", "multi_node", "docker", "own", "ray_vs_multiprocessing", "break_even")
DRAWN = (*ANSWERS, "compare", "other_reports", *NUMBERS)
"""Pages with figures."""
NAME = "<b onclick=x>_a_ | *b* `c` [d](e) $f$"
"""Of somebody's work: no character of it may be read as anything but itself."""
STRICT = ("-W", "-n")
"""As in the Makefile: warnings are errors."""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def project(folder: Path, *pages: str) -> Path:
    """Return a copy of what the book is built from, without data, and with Ray that cannot be imported.

    Where pages are named, the book has these alone.
    """
    for name in ("lab", "book"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pins.yaml"))
    (folder / "notebooks").mkdir()
    notebooks = [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    for name in ("_config.yml", "_toc.yml", *notebooks):
        shutil.copy(ROOT / name, folder / name)
    for name in ("ray", "gmpy2", "flint", "docker"):
        blocked = folder / "blocked" / f"{name}.py"
        blocked.parent.mkdir(exist_ok=True)
        blocked.write_text(f"raise ImportError('{name} is not installed here')\n")
    if pages:
        first, *others = (f"book/{name}" for name in pages)
        chapters = [{"file": name} for name in others]
        (folder / "_toc.yml").write_text(
            json.dumps({"format": "jb-book", "root": first, "chapters": chapters})
        )
    return folder


def prove(data: Path) -> None:
    """Have the proofs of the published runs stand for those of these, which take a minute to compute."""
    runs = [one.name for one in made_up.noisy(Book(data, data / "no-pins.yaml"))]
    proofs = pd.read_csv(ROOT / "data" / made_up.FILE).assign(key=made_up._key(runs))
    proofs.to_csv(data / made_up.FILE, index=False)


def build(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Build the book, with the options of the Makefile and more of them."""
    path = os.pathsep.join(map(str, (folder, folder / "blocked")))
    environment = {**os.environ, "PYTHONPATH": path, "JUPYTER_PREFER_ENV_PATH": "1"}
    jupyter_book = Path(sys.executable).parent / "jupyter-book"
    command = [jupyter_book, "build", ".", "--keep-going", "-q", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built book of a run over nodes, one of Docker, two that compare engines, two of one node.

    The newer of those has a failed trial.
    """
    folder = project(tmp_path_factory.mktemp("book"))
    older, newer = (synthetic_run(workers=(1, 2, 6), blocks=2, seed=seed) for seed in (0, 1))
    write_run(folder / "data" / "single_node" / "the-older", older, cpu_model="Older processor")
    trials = newer[0]
    chosen = (trials["engine"] == "ray") & (trials["arm"] == "experiment") & (trials["workers"] == 2)
    place = trials.index[chosen][0]
    trials.loc[place, ["status", "error_kind", "error_message"]] = ["failed", "EngineError", "a lost worker"]
    write_run(
        folder / "data" / "single_node" / "the-newer",
        newer,
        started_at="2026-03-01T00:00:00.000+00:00",
        cpu_model="Newer processor",
    )
    write_run(folder / "data" / "multi_node" / "over-nodes", multi_node_run(blocks=2))
    write_run(folder / "data" / "docker" / "contained", docker_run(blocks=3))
    hostile = {"works": {NAME: {"unit": NAME, "words": NAME, "source": NAME}}}
    write_run(
        folder / "data" / "own" / "mine", own_run(NAME, workers=(1, 2), blocks=2, raising=(1,)), **hostile
    )
    write_run(folder / "data" / "own" / "nodes", multi_node_run(blocks=2, modes=("over nodes",)))
    write_run(folder / "data" / "ray_vs_multiprocessing" / "raced", [race_run(blocks=2)])
    write_run(folder / "data" / "break_even" / "evened", [break_even_run(blocks=2)])
    prove(folder / "data")
    done = build(folder, *STRICT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "_build" / "html"


class Addresses(HTMLParser):
    """Collects what a page loads by itself, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an address of a script, style, image, font or frame, or of a link to be followed."""
        found = dict(attrs)
        if tag == "a":
            self.linked.append(found.get("href") or "")
        elif tag != "link" or found.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon"):
            self.loaded += [found[key] or "" for key in ("src", "href", "data", "srcset") if key in found]


def addresses(path: Path) -> Addresses:
    """Return the addresses in a page."""
    parser = Addresses()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def words(path: Path) -> str:
    """Return the visible words of a page, tags taken out."""
    text = re.sub(
        r"<(script|style|desc|svg)\b.*?</\1>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_first_page_is_there(book: Path) -> None:
    """The book opens at index.html, which leads to the page with the answer."""
    assert "book/index.html" in (book / "index.html").read_text()
    assert "How far does it scale?" in words(book / "book" / "index.html")


@pytest.mark.parametrize("page", PAGES)
def test_no_page_loads_anything_from_elsewhere(book: Path, page: str) -> None:
    """Scripts, styles, images and fonts come from the book's own folder, and are there."""
    path = book / "book" / f"{page}.html"
    for address in addresses(path).loaded:
        if not address.startswith(("#", "data:")):
            assert "//" not in address, address
            assert (path.parent / address.split("?")[0].split("#")[0]).exists(), address


def test_no_style_loads_anything_from_elsewhere(book: Path) -> None:
    """No stylesheet of the book imports or draws from another address."""
    for path in book.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text(errors="replace")), path


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_book_lead_somewhere(book: Path, page: str) -> None:
    """Every link to another page or a CSV file leads to a file of the book."""
    path = book / "book" / f"{page}.html"
    for address in addresses(path).linked:
        target = address.split("#")[0]
        if target and not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), address


def test_the_newer_run_took_the_older_one_s_place(book: Path) -> None:
    """Pages name the newer run and its machine; the older one is in the list of other runs."""
    assert "the-newer : search, find; Newer processor" in words(book / "book" / "how_many.html")
    assert "Older" not in words(book / "book" / "how_many.html")
    page = words(book / "book" / "single_node.html")
    assert page.index("Newer processor") < page.index("Other runs") < page.index("the-older")


def test_the_csv_files_are_in_the_book(book: Path) -> None:
    """Every file of the run that is shown can be had from the page, byte for byte."""
    linked = addresses(book / "book" / "single_node.html").linked
    run = book.parent.parent / "data" / "single_node" / "the-newer"
    for name in FILES:
        offered = [(book / "book" / one).read_bytes() for one in linked if one.endswith(f"/{name}")]
        assert (run / name).read_bytes() in offered


def test_the_failed_trial_is_on_the_page(book: Path) -> None:
    """The failed trial is listed with its reason, and is a cross in a figure."""
    assert "EngineError: a lost worker" in words(book / "book" / "single_node.html")
    assert ">failed trial<" in (book / "book" / "single_node.html").read_text()


def test_every_own_work_is_in_full_and_its_name_is_text(book: Path) -> None:
    """Each of two works has its heading, its answer and its folded sections; a hostile name stays text."""
    text = html.unescape(words(book / "book" / "own.html"))
    for heading in (NAME, "over nodes"):
        assert heading in text
    assert text.count("How far does it scale?") == 2
    assert text.count("Where the time went") == text.count("How it was measured") == 2
    assert "<b onclick" not in (book / "book" / "own.html").read_text()


def test_the_first_page_answers_every_question(book: Path) -> None:
    """Each experiment that has a run has its line on the first page, and its numbers on their own."""
    first = words(book / "book" / "index.html")
    for question in (
        *("How far does it scale?", "Why no further?", "How many", "Over nodes?"),
        *("From which task length?", "Memory and start-up?", "What do containers cost?"),
    ):
        assert question in first
    assert "Your run" in first
    assert "Published run" not in first
    for run, page in (
        *(("over-nodes", "multi_node"), ("contained", "docker"), ("raced", "ray_vs_multiprocessing")),
        ("evened", "break_even"),
    ):
        assert run in words(book / "book" / f"{page}.html")


def authors() -> Iterator[str]:
    """Return the names of the published runs, and the processors that they were made on."""
    for run_id in (ROOT / "data" / "published.txt").read_text().split():
        yield run_id
        for path in (ROOT / "data").glob(f"*/{run_id}/environment.json"):
            yield str(json.loads(path.read_text()).get("machine", {}).get("cpu_model") or run_id)


@pytest.mark.parametrize("page", PAGES)
def test_a_fork_says_nothing_of_the_authors_machine(book: Path, page: str) -> None:
    """Where only a newcomer's runs are, no page names a published run, or the machine of one."""
    text = words(book / "book" / f"{page}.html")
    assert "Published run" not in text
    assert [one for one in set(authors()) if one in text] == []


def test_a_book_of_no_known_address_names_none(book: Path) -> None:
    """Where the address of the book is not set, nothing is said of it."""
    text = (book / "book" / "index.html").read_text()
    assert "canonical" not in text
    assert "og:" not in text
    assert not (book / "sitemap.xml").exists()


@pytest.fixture(scope="module")
def two_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a book of two pages and one run, built with its address set."""
    folder = project(tmp_path_factory.mktemp("two"), "index", "single_node")
    write_run(folder / "data" / "single_node" / "the-first", synthetic_run(workers=(1, 2), blocks=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_BOOK_URL", "https://lab.example/book")
        # not strictly: the pages link to others, which are left out
        done = build(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def test_a_published_book_says_where_it_is(two_pages: Path) -> None:
    """With its address set, pages have it and a card with the finding, and a sitemap lists them."""
    html_folder = two_pages / "_build" / "html"
    text = (html_folder / "book" / "index.html").read_text()
    assert '<link rel="canonical" href="https://lab.example/book/book/index.html"' in text
    assert '<meta property="og:image" content="https://lab.example/book/_static/card.png" />' in text
    assert re.search(r'og:description" content="2 workers do the work', text)
    assert (html_folder / "_static" / "card.png").read_bytes().startswith(b"\x89PNG")
    listed = (html_folder / "sitemap.xml").read_text()
    assert "<loc>https://lab.example/book/book/single_node.html</loc>" in listed


@pytest.mark.parametrize("page", ANSWERS)
def test_an_answer_is_short(book: Path, page: str) -> None:
    """A page that answers has at most 800 words, three figures and two open tables; the rest is folded."""
    text = (book / "book" / f"{page}.html").read_text()
    body = text[text.index("<article") : text.index("</article>")]
    shown = re.sub(r"<details.*?</details>", " ", body, flags=re.DOTALL)
    plain = re.sub(r"<(script|style|desc|svg)\b.*?</\1>|<[^>]+>", " ", shown, flags=re.DOTALL)
    assert len(plain.split()) <= 800
    assert shown.count("<figure") <= 3
    assert shown.count("<table") <= 2


@pytest.mark.parametrize("file", FILES)
def test_the_method_page_explains_every_column(book: Path, file: str) -> None:
    """Each column of each file stands on the Method page, under the file's name."""
    text = (book / "book" / "method.html").read_text()
    section = text.split(f'<section id="{file.replace(".", "-")}">')[1].split("</section>")[0]
    section = section.replace("<wbr>", "")
    names = re.findall(r"<tr[^>]*><td[^>]*><p><code[^>]*><span class=\"pre[^>]*>(\w+)</span>", section)
    assert names == [column.name for column in columns(FILES[file])]


@pytest.mark.parametrize("page", PAGES)
def test_a_term_leads_to_the_glossary_once(book: Path, page: str) -> None:
    """The first use of a term on a page, and no other, is a link that tells its meaning."""
    text = (book / "book" / f"{page}.html").read_text()
    found = re.findall(r'<a class="lab-term[^"]*" href="terms\.html#([^"]+)" title="[^"]+">', text)
    assert len(found) == len(set(found))
    assert bool(found) == (page != "terms")
    glossary = (book / "book" / "terms.html").read_text()
    assert all(f'id="{one}"' in glossary for one in found)


@pytest.mark.parametrize(
    ("text", "before", "linked"),
    [
        ("a power cut, and power", "", ["power"]),
        ("HEAD, Windows and macOS; numbers in a window", "", []),
        ("windows", "", []),
        ("Power is. Windows are; heads", "", ["Power", "Windows", "heads"]),
        (" Power", "Measured.", ["Power"]),
        ("Power", "of ", []),
    ],
)
def test_a_term_is_no_other_word(text: str, before: str, linked: list[str]) -> None:
    """A term has a capital where a sentence begins, and nowhere else; words of another meaning are left."""
    left = dict.fromkeys(("power", "window", "head"), ("#", "meaning"))
    found = terms._linked(text, before, left, terms.pattern(left))
    assert [one.astext() for one in found if "refuri" in getattr(one, "attributes", ())] == linked
    assert "".join(one.astext() for one in found) == text


def test_a_number_and_its_unit_are_on_one_line() -> None:
    """No line ends before a %, or within n = 5; code, drawings and attributes stay as they are."""
    kept = '<code>5 %</code> <svg>n = 5</svg> <a title="5 %">x</a> between = 5'
    assert finish.unbroken(kept) == kept
    assert finish.unbroken("<p><b>5</b> % (n = 5)") == "<p><b>5</b>\u00a0% (n\u00a0=\u00a05)"


def test_a_long_name_in_a_table_is_parted_after_a_sign() -> None:
    """A short name stays whole; a long one may be parted where it has a sign."""
    short, long = (
        f'<tr ><td><span class="pre">{one}</span>' for one in ("node_cores", "examples/first.py:" * 2)
    )
    found = finish.with_labels(f'<table class="table"><tr ></tr>{short}{long}</table>')
    assert '<span class="pre">node_cores</span>' in found
    assert '<span class="pre lab-long">examples/<wbr>first.py:<wbr>' in found


def test_no_code_and_no_error_is_shown(book: Path) -> None:
    """Pages show results only: no source of a cell, no traceback."""
    for page in PAGES:
        text = (book / "book" / f"{page}.html").read_text()
        assert "cell_input" not in text
        assert "Traceback" not in text
        assert "Markdown(text=" not in text
        # the source of a page's own cells; a script may well do so
        assert "from lab.report" not in words(book / "book" / f"{page}.html")


def test_pages_hold_no_logic() -> None:
    """A page is text and names of sections: it starts no kernel."""
    for page in PAGES:
        text = (ROOT / "book" / f"{page}.md").read_text()
        assert "code-cell" not in text
        assert "kernelspec" not in text


def test_a_book_without_a_run_says_so(tmp_path: Path) -> None:
    """Without data the book builds and says how to make a run."""
    folder = project(tmp_path)
    done = build(folder, *STRICT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for page in DRAWN:
        text = words(folder / "_build" / "html" / "book" / f"{page}.html")
        none = "There are no two runs here" if page == "compare" else "There is no complete run"
        assert none in text
    first = words(folder / "_build" / "html" / "book" / "index.html")
    assert first.count("There is no complete run") == 1


def test_a_book_built_again_stops_at_new_data_that_contradict_a_claim(
    two_pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is built again reads a run that came since; where that contradicts a claim, both are named."""
    monkeypatch.setenv("LAB_BOOK_URL", "https://lab.example/book")
    folder = two_pages
    for page in ("index", "single_node"):
        assert "the-first" in words(folder / "_build" / "html" / "book" / f"{page}.html")
    frames = synthetic_run(workers=(1, 2), blocks=2, modes=("search",))
    frames[0].loc[0, "digest"] = "another"
    write_run(
        folder / "data" / "single_node" / "contradicting", frames, started_at="2026-03-01T00:00:00.000+00:00"
    )
    done = build(folder)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "returned the same results" in said
    assert "contradicting" in said


# --- as a browser shows it ------------------------------------------------------------------------------

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TOO_WIDE = """
[...document.querySelectorAll("table")]
  .filter(one => one.scrollWidth > one.parentElement.clientWidth)
  .map(one => one.querySelector("tr").textContent)
"""
BROKEN = """
[...document.querySelectorAll("td code .pre:not(.lab-long)")].flatMap(({ firstChild: text }) =>
  [...(text?.data ?? "").matchAll(/\\w+/g)].filter(word => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return new Set([...range.getClientRects()].map(one => Math.round(one.top))).size > 1;
  }).map(String))
"""
"""The names in tables that a line ends in."""
ABREAST = """
Math.max(0, ...[...document.querySelectorAll("table tbody tr")].map(
  row => new Set([...row.cells].map(one => one.offsetLeft)).size))
"""
"""How many cells of a row stand beside each other."""
CLIPPED = """
[...document.querySelectorAll("svg.lab-figure")].filter(one => one.checkVisibility()).flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 2
      || box.bottom > frame.bottom + 2;
  }).map(one => one.textContent);
})
"""
SERIOUS = """
axe.run({ resultTypes: ["violations"] }).then(found => found.violations
  .filter(one => ["serious", "critical"].includes(one.impact))
  .map(one => `${one.id}: ${one.nodes.map(node => node.html).slice(0, 3)}`))
"""
COLOURS = SERIOUS.replace(" }).then", ', runOnly: ["color-contrast"] }).then')
ALL_BUT_COLOURS = SERIOUS.replace(" }).then", ', rules: { "color-contrast": { enabled: false } } }).then')
CONTRAST = """
() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue]
    .map(one => one / 255)
    .map(one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const found = channels(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('svg.lab-figure text')].map(text => {
    const pair = [channels(getComputedStyle(text).fill), behind(text)].map(light).sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  });
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium; without one, skip, or fail where LAB_REQUIRE_BROWSER is set."""
    if CHROMIUM is None:
        if os.environ.get("LAB_REQUIRE_BROWSER"):
            pytest.fail("LAB_REQUIRE_BROWSER is set and there is no Chromium on the PATH")
        pytest.skip("there is no Chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_with_the_network_cut(book: Path, browser: Any, page: str) -> None:
    """From disk, offline, light or dark, wide or narrow: all fits, no error, nothing serious for axe."""
    context = browser.new_context(offline=True)
    errors: list[str] = []
    asked: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    opened.on("pageerror", lambda one: errors.append(str(one)))
    opened.on("request", lambda one: asked.append(one.url))
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text()
    for scheme, widths in (("light", (1280, 390)), ("dark", (390, 1280))):
        opened.set_viewport_size({"width": widths[0], "height": 900})
        opened.emulate_media(color_scheme=scheme)
        opened.goto((book / "book" / f"{page}.html").as_uri())
        opened.evaluate(axe)
        # what is folded is to fit as well
        opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        for width in widths:
            opened.set_viewport_size({"width": width, "height": 900})
            check_view(opened, page, scheme, width)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert errors == []
    context.close()


def check_view(opened: Any, page: str, scheme: str, width: int) -> None:
    """Check what a browser shows of a page at one width and in one scheme of colours."""
    assert opened.evaluate(OVERFLOW) <= 0
    assert opened.evaluate(TOO_WIDE) == []
    assert opened.evaluate(CLIPPED) == []
    assert width > 390 or opened.evaluate(ABREAST) <= 2
    assert width == 390 or opened.evaluate(BROKEN) == []
    contrasts = opened.evaluate(CONTRAST)
    assert bool(contrasts) == (page in DRAWN)
    assert min(contrasts, default=21) >= 4.5
    assert opened.evaluate("document.documentElement.dataset.theme") == scheme
    # colours do not depend on the width, but for what is there on narrow screens only, the same on all pages
    if width > 390 or page == "index":
        assert opened.evaluate(SERIOUS if scheme == "light" else COLOURS) == []
    elif scheme == "dark":
        assert opened.evaluate(ALL_BUT_COLOURS) == []


CONTROLS = """
() => {
  const all = [...document.querySelectorAll(
    "a[href], button, summary, input, select, textarea, [tabindex='0']")];
  const shown = all.filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.disabled
    && one.type !== "hidden");
  window.reached = new Set();
  document.addEventListener("focusin", event => window.reached.add(event.target));
  window.missed = () => shown.filter(one => one.tabIndex >= 0 && !window.reached.has(one))
    .map(one => one.outerHTML.slice(0, 200));
  return shown.map(one => one.tabIndex);
}
"""
"""Notes which of the controls that are shown have the keyboard's focus from now on."""


@pytest.mark.browser
@pytest.mark.parametrize("page", ["index", "why", "how_many"])
def test_the_keyboard_alone_reaches_everything(book: Path, browser: Any, page: str) -> None:
    """The Tab key comes by every link, button, field and fold of a page; none is left out."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, offline=True)
    opened.goto((book / "book" / f"{page}.html").as_uri())
    order = opened.evaluate(CONTROLS)
    assert len(order) > 20
    for _ in order:
        opened.keyboard.press("Tab")
    assert opened.evaluate("missed()") == []
    assert opened.evaluate("document.querySelectorAll('article [tabindex=\"-1\"]').length") == 0
    opened.close()


@pytest.mark.browser
def test_the_search_works_from_disk(book: Path, browser: Any) -> None:
    """From any page the keyboard alone gets to sections that hold the words, which are shown in excerpts."""
    opened = browser.new_page(offline=True)
    errors: list[str] = []
    opened.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    opened.goto((book / "book" / "why.html").as_uri())
    opened.keyboard.press("Control+k")
    opened.keyboard.type("A/A arm")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/search.html*")
    assert "sections have it" in opened.inner_text("#lab-search-count")
    assert "the A/A arm" in opened.inner_text("#lab-search-found li p >> nth=0")
    with opened.expect_navigation(wait_until="load"):
        opened.click("#lab-search-found a >> nth=0")
    assert opened.evaluate("document.querySelector(decodeURIComponent(location.hash)) !== null")
    assert errors == []
    opened.evaluate(resources.files("axe_core_python").joinpath("axe.min.js").read_text())
    assert opened.evaluate(SERIOUS) == []
    opened.close()


def test_the_whole_report_is_one_file(book: Path) -> None:
    """The file that the first page offers holds every page, loads nothing, and its links stay in it."""
    assert "../ray-scaling-report.html" in addresses(book / "book" / "index.html").linked
    text = (book / "ray-scaling-report.html").read_text()
    found = addresses(book / "ray-scaling-report.html")
    assert [one for one in found.loaded if not one.startswith(("#", "data:"))] == []
    places = re.findall(r'\sid="([^"]+)"', text)
    assert len(places) == len(set(places))
    assert set(PAGES) <= set(places)
    for address in found.linked:
        assert address.startswith(("http", "mailto:", "#")) or not address
        assert not address.startswith("#") or address[1:] in places, address


RUNS = "document.title = 'planted'; window.planted = 1; alert(1)"
HOSTILE = (
    f'<script>{RUNS}</script><script src="//planted.example/a.js"></script></script></style> '
    f'<img src="//planted.example/b" onerror="{RUNS}"><svg onload="{RUNS}"><b onmouseover="{RUNS}">b</b> '
    f'<iframe src="javascript:{RUNS}"></iframe> [a](javascript:{RUNS}) [b](//planted.example "c") '
    f"![d](//planted.example/e) {{raw}}`<b>` `` `f`_ $\\href{{javascript:{RUNS}}}{{g}}$ "
)
"""Text that, read as HTML, Markdown, a role or TeX, would run a script, or ask another host."""
LIVE = """() => [...document.querySelectorAll('*')].filter(one => [...one.attributes].some(each =>
  /^on/.test(each.name) && /planted/.test(each.value)
  || /^(href|xlink:href|src|srcset|action|formaction|data|poster|style)$/.test(each.name)
  && /javascript:|planted\\.example/.test(each.value)
)).length"""
"""How many elements have a planted attribute that acts, loads or leads somewhere."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built book of runs that hold that text in every field of text that a page may show."""
    folder = project(tmp_path_factory.mktemp("hostile"))
    runs = {
        "single_node": synthetic_run(workers=(1, 2), blocks=2, modes=("search",)),
        "own": own_run("work", workers=(1, 2), blocks=2, raising=(1,)),
        "break_even": [break_even_run(blocks=2)],
    }
    for experiment, tables in runs.items():
        directory = folder / "data" / experiment / "hostile"
        write_run(directory, tables, works={"work": {"unit": "u"}} if experiment == "own" else {})
        chosen = free_columns() - {*KEYS, "engine", "digest", *(() if experiment == "own" else ("mode",))}
        for path in directory.glob("*.csv"):
            path.write_bytes(planted(path.read_bytes(), *chosen, text=HOSTILE))
        facts = directory / "environment.json"
        facts.write_bytes(planted_facts(facts.read_bytes(), HOSTILE))
    prove(folder / "data")
    done = build(folder, *STRICT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "_build" / "html"


@pytest.mark.browser
def test_nothing_that_a_run_holds_runs_in_a_browser(hostile: Path, browser: Any) -> None:
    """Scripts, tags, links, roles and formulas in every field of text are shown, and nothing of them acts."""
    shown = 0
    acted: list[str] = []
    for path in sorted((hostile / "book").glob("*.html")):
        page, text = path.stem, path.read_text(encoding="utf-8")
        if "planted" not in text:
            continue
        context = browser.new_context()
        opened = context.new_page()
        opened.on("dialog", lambda one: (acted.append(one.message), one.dismiss()))
        opened.on("request", lambda one: acted.append(one.url))
        opened.goto(path.as_uri())
        opened.wait_for_timeout(500)
        opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert [one for one in acted if not one.startswith(("file:", "data:"))] == [], page
        assert opened.evaluate("window.planted") is None, page
        title = re.findall(r"<title>(.*?)</title>", text, re.DOTALL)[0]
        assert opened.title() == html.unescape(title).strip()
        assert opened.evaluate(LIVE) == 0, page
        shown += "<script>document.title" in opened.evaluate("document.body.innerText")
        context.close()
    # as text it is there to be read
    assert shown >= 3
