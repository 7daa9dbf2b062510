"""How the course looks as web pages. `make site` gathers the pages (grader/site.py) and runs Sphinx with this file.

Nothing is asked of another server when a page is read: MathJax, fonts and search come with the pages.
"""

import json
import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util import logging

from grader.course import ROOT, settings

HOME = f"https://github.com/{settings().repo}"

project = "Deep generative models"
author = "the authors of the course"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_dmath_double_inline = True  # $$...$$ within a paragraph, as Jupyter reads it
myst_heading_anchors = 3  # [links](#to-a-heading), as GitHub makes them
nb_execution_mode = "off"  # the notebooks were executed by `grade build`
nb_ipywidgets_js = {}  # or pages would load them from a CDN
nb_mime_priority_overrides = [("html", "text/html", 1)]

smartquotes = False  # docstrings quote Python
autodoc_inherit_docstrings = False

html_theme = "sphinx_book_theme"
html_title = project
html_logo = html_favicon = "static/logo.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = True  # the notebooks that the download buttons give
html_show_sphinx = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "repository_url": HOME,
    "repository_branch": settings().branch,
    "use_repository_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "logo": {"text": project, "alt_text": "The front page"},
    "navbar_persistent": [],  # the search stands in the side bar
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

logger = logging.getLogger(__name__)


def setup(app):
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("doctree-read", mend)


def mend(app, document):
    """What the notebooks' and pages' trees need to be a site's; says which figures have no alt text."""
    name = app.env.docname
    for cell in list(document.findall(nodes.container)):
        if cell.get("cell_metadata", {}).get("course", {}).get("role") == "setup":
            cell.parent.remove(cell)
    for text in document.findall(nodes.literal_block):
        if re.fullmatch(r"\[.*; run this notebook to .*\]\s*", text.astext()):  # where a widget would be
            text["classes"].append("controls")
    for equation in document.findall(nodes.math_block):  # as it is: within Sphinx's \split it could have no \tag
        equation["nowrap"] = equation["no-wrap"] = True
        equation[:] = [nodes.Text(f"\\[{equation.astext()}\\]")]
    for link in list(document.findall(pending_xref)):
        point_home(app, name, link)
    for picture in list(document.findall(nodes.image)):
        if not picture.get("alt", "").strip():
            logger.warning("a figure without alt text, in %s", where(app, name, picture), location=picture)


def point_home(app, name, link):
    """A link to a file of the repository that is no page goes to the repository's home."""
    target = os.path.normpath(os.path.join(os.path.dirname(name), link["reftarget"].partition("#")[0]))
    if link["reftype"] == "myst" and not (Path(app.srcdir) / target).exists() and (ROOT / target).exists():
        link.replace_self(nodes.reference("", "", *link.children, refuri=f"{HOME}/blob/{settings().branch}/{target}"))


def where(app, name, node):
    """The notebook and the id of the cell in which a node stands; of a text cell, only the notebook."""
    while node is not None and node.get("nb_element") != "cell_code":
        node = node.parent
    path = Path(app.env.doc2path(name))
    if node is None:
        return path.name
    return f"{path.parent.name}/{path.name}, cell {json.loads(path.read_text())['cells'][node['cell_index']]['id']}"


def plain_docstring(app, what, name, obj, options, lines):
    """Our docstrings are plain text. Paragraphs flow, `x: (n, D)` begins a line, what is indented stays as it is."""
    made = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        rows = paragraph.strip("\n").splitlines()
        if any(re.match(r" {4}|\w+(, \w+)* = |with \w|for \w+ in |\w+\(.*\)  ", row) for row in rows):
            made += ["::", "", *(f"   {row}" for row in rows), ""]
            continue
        flowing = []
        for row in rows:
            if not flowing or re.match(r"[\w*]+(, [\w*]+)*: |Returns |Raises ", row):
                flowing.append(row.strip())
            else:
                flowing[-1] += " " + row.strip()
        made += [*(f"| {literal(row)}" for row in flowing), ""]
    lines[:] = made


def literal(row):
    """A row as reStructuredText that shows its every character; `names` as code."""
    parts = re.split(r"`([^`]+)`", row)
    return "".join(
        f"``{part}``\\ " if n % 2 else re.sub(r"([\\*`_|<>])", r"\\\1", part) for n, part in enumerate(parts)
    )
