"""The site as a reader meets it: built once from the real notebooks, served from this machine, opened in a browser."""

import functools
import itertools
import re
import shutil
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import nbformat
import pytest
from conftest import ROOT, grade, keep_picture

pytest.importorskip("sphinx_book_theme", reason="the site's tools are not installed: make site installs them")

LOADS = {("link", "href"), ("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("object", "data")}
WATCHED = ("index", "lectures/08_autoencoders_vae", "lectures/11_sparse_coding", "labs/08_autoencoders_vae", "RESULTS")
WATCHED += ("GLOSSARY", "api/utils.plot")


@pytest.fixture(scope="session")
def site(once):
    """The folder of the built site."""
    return once("site", lambda folder: grade("site", "--out", folder, check=0))


@pytest.fixture(scope="session")
def pages(site):
    """{name: what is in it} of all pages."""
    read = {}
    for path in sorted(path for path in site.rglob("*.html") if "_static" not in path.parts):
        read[str(path.relative_to(site).with_suffix(""))] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="session")
def address(site):
    """The site's address on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, address):
    """visit(name, **options): a page, its equations set. `page.elsewhere`: what it asked of others."""
    contexts = []

    def visit(name, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.elsewhere = []
        page.on("request", lambda r: None if r.url.startswith((address, "data:")) else page.elsewhere.append(r.url))
        page.goto(f"{address}/{name}.html")
        page.evaluate("() => window.MathJax?.startup?.promise")
        return page

    yield visit
    for context in contexts:
        context.close()


class Page(HTMLParser):
    """What a page loads, its pictures, headings and language."""

    def __init__(self):
        super().__init__()
        self.loads, self.alts, self.headings, self.language = [], [], [], None

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        self.loads += [facts[a] for t, a in LOADS if t == tag and facts.get(a) and facts.get("rel") != "canonical"]
        if tag == "img":
            self.alts.append(facts.get("alt", ""))
        if tag == "article":
            self.headings.clear()  # what stands before is the title of the printed page, hidden on a screen
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        if tag == "html":
            self.language = facts.get("lang")


def test_every_lecture_lab_and_module_has_a_page(site, pages):
    notebooks = [path for kind in ("lectures", "labs") for path in (ROOT / kind).glob("*.ipynb")]
    modules = [path for package in ("utils", "grader") for path in (ROOT / package).glob("*.py")]
    expected = {str(path.relative_to(ROOT).with_suffix("")) for path in notebooks}
    expected |= {f"api/{path.parent.name}.{path.stem}" for path in modules if path.stem != "__init__"}
    assert expected <= set(pages)
    assert not (site / "solutions").exists()


def test_no_solution_is_on_the_site(site):
    for path in (ROOT / "solutions").glob("*.ipynb"):
        page = (site / "labs" / f"{path.stem}.html").read_text(encoding="utf-8")
        roles = [cell.metadata.get("course", {}) for cell in nbformat.read(path, as_version=4).cells]
        tasks = [facts["task"] for facts in roles if facts.get("role") == "task"]
        assert page.count("NotImplementedError") >= len(tasks) > 0
        assert f"solutions/{path.stem}" not in page


def test_no_page_style_or_script_loads_anything_from_elsewhere(site, pages):
    for name, page in pages.items():
        assert page.loads, name
        assert not [url for url in page.loads if re.match(r"(https?:)?//", url)], name
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", path.read_text(encoding="utf-8")), path


def test_every_figure_says_in_words_what_it_shows(pages):
    figures = [(name, alt) for name, page in pages.items() for alt in page.alts]
    assert len(figures) > 100
    assert not [name for name, alt in figures if not alt.strip()]


def test_every_page_has_one_title_and_its_headings_in_order(pages):
    for name, page in pages.items():
        levels = [int(heading[1]) for heading in page.headings]
        assert levels.count(1) == 1, name
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), name
        assert page.language == "en", name


def test_every_equation_was_read_as_one(site):
    for path in [*site.glob("lectures/*.html"), *site.glob("labs/*.html")]:
        text = path.read_text(encoding="utf-8")
        article = text[text.index("<article") : text.index("</article>")]
        prose = re.sub(r'(?s)<(pre|code)\b.*?</\1>|<(span|div) class="math.*?</\2>|alt="[^"]*"', "", article)
        assert len(prose) > 1000
        assert re.findall(r"\$.{0,40}|\\[a-zA-Z]+.{0,40}", prose) == [], path.stem


def test_a_page_asks_nothing_of_another_machine_and_sets_its_equations(visit):
    for name in WATCHED:
        page = visit(name)
        assert page.elsewhere == [], name
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0, name
        if name.startswith("lectures"):
            cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
            numbers = sum(cell.source.count(r"\tag{") for cell in cells if cell.cell_type == "markdown")
            assert page.locator("mjx-container:has(mjx-labels)").count() == numbers > 5


def test_nothing_is_wider_than_a_phone(visit):
    for name in WATCHED:
        page = visit(name, viewport={"width": 360, "height": 740})
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{name} is {width} px wide"


@pytest.mark.parametrize(
    ("term", "found"), [("reparameterisation", "lectures/08_autoencoders_vae"), ("重参数化", "GLOSSARY")]
)
def test_the_search_finds(visit, term, found):
    page = visit("search")
    page.goto(f"{page.url}?q={term}")
    page.wait_for_selector(f"#search-results a[href*='{found}']")


def test_hints_fold_and_hold_equations_and_code(visit):
    page = visit("labs/08_autoencoders_vae")
    hint = page.locator("details:has(mjx-container)").first
    assert not hint.locator("p").first.is_visible()
    hint.locator("summary").click()
    assert hint.locator("mjx-container").first.is_visible()


def test_pictures_for_people_to_look_at(visit):
    for name in WATCHED:
        for scheme in ("light", "dark"):
            page = visit(name, viewport={"width": 1280, "height": 900}, color_scheme=scheme)
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
            keep_picture(page, f"site-{name.replace('/', '-')}-{scheme}")


def test_a_figure_without_alt_text_stops_the_build_and_is_named(tmp_path):
    course = tmp_path / "course"
    for name in ("docs", "pyproject.toml", "README.md", "GLOSSARY.md", "RESULTS.md", "CONTRIBUTING.md"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        course.mkdir(exist_ok=True)
        copy(ROOT / name, course / name)
    stem = "01_histograms_logistics"
    notebook = nbformat.read(ROOT / "lectures" / f"{stem}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if any("image/png" in o.get("data", {}) for o in c.get("outputs", [])))
    for output in cell.outputs:
        output.metadata = {}
    (course / "lectures").mkdir()
    nbformat.write(notebook, course / "lectures" / f"{stem}.ipynb")
    (course / "source" / "lectures").mkdir(parents=True)
    (course / "source" / "lectures" / f"{stem}.py").touch()
    done = grade("site", "--out", tmp_path / "site", root=course)
    assert done.returncode == 1
    assert f"a figure without alt text, in lectures/{stem}.ipynb, cell {cell.id}" in done.stderr
    assert not (tmp_path / "site").exists()
