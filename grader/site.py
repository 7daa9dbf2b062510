"""`grade site`: the course as web pages, made by Sphinx from the built notebooks; docs/conf.py says how they look.

build("site")                    # then open site/index.html, or serve the folder
"""

import base64
import pkgutil
import re
import shutil
import tempfile
from pathlib import Path

import nbformat

from grader.course import KINDS, ROOT, CourseError, topics
from grader.source import without_solution

PAGES = ("README.md", "GLOSSARY.md", "RESULTS.md", "CONTRIBUTING.md", "docs/*.md", "docs/images/*", "lectures/images/*")
MARKER = "<!-- topics -->"


def build(out):
    """Write the site into the folder `out`; returns Sphinx's exit status, 0 where all went well.

    A warning is an error, and leaves `out` as it was: a dead link, a figure without alt text, a table that is none.
    """
    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        raise CourseError("Sphinx is not installed: `make site` installs what the site needs") from None
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not (out / "searchindex.js").is_file():
        raise CourseError(f"--out {out} holds something else than a site; expected a new or empty folder")
    with tempfile.TemporaryDirectory(prefix="site-") as work:
        source, made = Path(work) / "source", Path(work) / "site"
        gather(source)
        told = ["--quiet", "--fail-on-warning", "--keep-going", "--doctree-dir", f"{work}/doctrees"]
        failed = build_main([*told, "--conf-dir", str(ROOT / "docs"), str(source), str(made)])
        if not failed:
            shutil.rmtree(out, ignore_errors=True)
            shutil.move(made, out)
    return failed


def gather(folder):
    """Copy what becomes a page into `folder`, each at its place in the repository, so that relative links hold."""
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    cards = [_card(folder, stem) for stem in topics()]
    front = (folder / "docs" / "index.md").read_text(encoding="utf-8")
    (folder / "docs" / "index.md").unlink()
    (folder / "index.md").write_text(front.replace(MARKER, "\n\n".join(cards)), encoding="utf-8")
    for package in ("utils", "grader"):
        for module in pkgutil.iter_modules([str(ROOT / package)]):
            _write_api(folder / "api", f"{package}.{module.name}")


def _card(folder, stem):
    """Copy a topic's notebooks. Returns its card on the front page: figure, title, summary, links."""
    facts, picture, links = None, [], []
    for kind in KINDS:
        path = ROOT / kind / f"{stem}.ipynb"
        if path.is_file():
            notebook = nbformat.read(path, as_version=4)
            notebook.cells[0].source = without_solution(notebook.cells[0].source, stem)
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    cell.source = _equations_on_a_line(cell.source)
            (folder / kind).mkdir(exist_ok=True, parents=True)
            nbformat.write(notebook, folder / kind / path.name)
            points = _points(notebook)
            facts = facts or notebook.metadata.course
            links.append(
                f"[{kind[:-1].capitalize()}]({kind}/{path.name}), {notebook.metadata.course.minutes} min{points}"
            )
            if picture or not (png := _richest_figure(notebook)):
                continue
            (folder / "figures").mkdir(exist_ok=True)
            (folder / "figures" / f"{stem}.png").write_bytes(base64.b64decode(png))
            picture = [f"[![A figure of lecture {stem[:2]}](figures/{stem}.png)]({kind}/{path.name})"]
    rows = [":::{container} lesson", *picture, f"### {facts.title}", f"{facts.summary}.", " · ".join(links), ":::"]
    return "\n\n".join(rows)


def _equations_on_a_line(text):
    """Markdown whose $$equations$$ have no line breaks: a line that begins with + would begin a list."""
    return re.sub(r"\$\$.+?\$\$", lambda found: found[0].replace("\n", " "), text, flags=re.DOTALL)


def _points(notebook):
    """The text ", 24 points" for a lab, nothing for a lecture."""
    tasks = [cell.metadata.course for cell in notebook.cells if cell.metadata.get("course", {}).get("role") == "task"]
    return f", {sum(task.points for task in tasks):g} points" if tasks else ""


def _richest_figure(notebook):
    """The largest PNG among a notebook's figures, base64; None where it has none. (Live curves are no figures.)"""
    bundles = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [data["image/png"] for data in bundles if "image/png" in data and "Figure" in data.get("text/plain", "")]
    return max(figures, key=len, default=None)


def _write_api(folder, module):
    """A page with what a module and its public names say of themselves."""
    folder.mkdir(exist_ok=True)
    text = f"{module}\n{'=' * len(module)}\n\n.. automodule:: {module}\n   :members:\n   :member-order: bysource\n"
    (folder / f"{module}.rst").write_text(text, encoding="utf-8")


class Output:
    """How myst-nb shows what it does not know, or shows without alt text. pyproject.toml names it (entry points)."""

    mime_priority_overrides = ()

    @staticmethod
    def handle_mime(renderer, data, inline):
        """The nodes of one form of an output; [] to leave it to its other forms, None to leave it to myst-nb."""
        if data.mime_type.startswith("application/"):  # a widget, a recorded result: their text or table is shown
            return []
        if data.mime_type == "image/png":
            [picture] = renderer.render_image(data)
            picture["alt"] = data.output_metadata.get("image/png", {}).get("alt", "")
            return [picture]
        return None
