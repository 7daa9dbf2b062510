"""One text source, three notebooks: reads `source/lectures/NN.py` and `source/labs/NN.py` (jupytext py:percent).

    cells, course = read_source(path)
    notebook = assemble(path, kind="solutions")

Cells get stable, meaningful ids and a role in their metadata: setup, task, check, or none.
"""

import ast
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader import forbid
from grader.course import KINDS, ROOT, CourseError, settings

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass
class SourceCell:
    """A cell of a source file: its line there, kind ("code" or "markdown"), text, and the options of its marker."""

    line: int
    kind: str
    text: str
    options: dict = field(default_factory=dict)
    id: str = ""


def source_error(path, line, message):
    return CourseError(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{line}: {message}")


def read_cells(path):
    """The cells of a py:percent file and its notebook metadata. CourseError with file and line for bad input."""
    text = path.read_text(encoding="utf-8")
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise source_error(path, error.lineno, f"not valid Python: {error.msg}") from None
    notebook = jupytext.reads(text, fmt="py:percent")
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%($|\s)", line)]
    if len(lines) != len(notebook.cells):
        raise source_error(path, 1, f"{len(lines)} '# %%' lines make {len(notebook.cells)} cells: text outside a cell?")
    cells = []
    for line, cell in zip(lines, notebook.cells, strict=True):
        options = {k: v for k, v in cell.metadata.items() if k != "lines_to_next_cell"}
        cells.append(SourceCell(line, cell.cell_type, cell.source.strip("\n"), options))
    return cells, notebook.metadata


def read_source(path):
    """The checked cells of a lecture or lab with ids, and its facts {"title", "summary", "minutes"}."""
    cells, metadata = read_cells(path)
    course = dict(metadata.get("course") or {})
    for name, kind in {"title": str, "summary": str, "minutes": int}.items():
        if not isinstance(course.get(name), kind):
            raise source_error(path, 1, f"the header needs jupyter: course: {name} ({kind.__name__})")
    if not cells or cells[0].kind != "markdown" or not cells[0].text.startswith("# "):
        raise source_error(path, cells[0].line if cells else 1, "the first cell must be Markdown with the '# title'")
    _check_tasks(path, cells)
    _name_cells(path, cells)
    return cells, course


def _check_tasks(path, cells):
    """Every task has one cell, a solution region, checks after it, and points that add up."""
    tasks, reached = {}, {}
    for cell in cells:
        if unknown := set(cell.options) - {"task", "check", "points", "minutes", "id", "tags", "title", "forbid"}:
            raise source_error(path, cell.line, f"unknown option {', '.join(sorted(unknown))}")
        if name := cell.options.get("task"):
            if name in tasks:
                raise source_error(path, cell.line, f"task {name!r} stands twice")
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise source_error(path, cell.line, f"a task is named like a function, got {name!r}")
            tasks[name], reached[name] = cell, 0
            make_stub(cell.text, name, path=path, line=cell.line)
            points, minutes = cell.options.get("points"), cell.options.get("minutes")
            if not isinstance(minutes, int) or not isinstance(points, (int, float)):
                told = f"task {name!r} needs points= and minutes=, both numbers without quotes or commas"
                raise source_error(path, cell.line, f"{told}, got {points!r} and {minutes!r}")
            _check_forbidden(path, cells, cell)
        elif name := cell.options.get("check"):
            if name not in tasks:
                raise source_error(
                    path, cell.line, f"a check of {name!r} stands before its task, or there is no such task"
                )
            if not isinstance(cell.options.get("points"), (int, float)) or cell.options["points"] <= 0:
                raise source_error(path, cell.line, "a check needs points= above 0")
            if "fresh" not in cell.text:
                raise source_error(path, cell.line, "a check draws its inputs with fresh(...) or fresh_generator()")
            if not any(
                isinstance(n, ast.Call) and getattr(n.func, "id", "") == "check" for n in ast.walk(ast.parse(cell.text))
            ):
                raise source_error(path, cell.line, "a check cell must call check(...)")
            reached[name] += cell.options["points"]
        elif BEGIN in cell.text or END in cell.text:
            raise source_error(path, cell.line, "a solution region outside a task")
    for name, cell in tasks.items():
        if reached[name] != cell.options["points"]:
            raise source_error(
                path, cell.line, f"task {name!r} has {cell.options['points']} points, its checks give {reached[name]}"
            )


def _check_forbidden(path, cells, task):
    """What a task forbids is a list of names, and its solution uses none of them."""
    names = task.options.get("forbid", [])
    if not isinstance(names, list) or not all(isinstance(n, str) and re.fullmatch(forbid.NAME, n) for n in names):
        told = 'forbid= is a list of names, as in forbid=["torch.softmax", ".softmax"]'
        raise source_error(path, task.line, f"{told}, got {names!r}")
    sources = [cell.text if cell.kind == "code" and "check" not in cell.options else "" for cell in cells]
    start = [n for n, cell in enumerate(cells) if cell is task]
    found = forbid.uses(sources, names, cells=start, roots=forbid.defined(task.text)) if names else []
    for name, line, cell in found:
        told = f"the solution of {task.options['task']!r} uses {name}, which the task forbids"
        raise source_error(path, cells[cell].line + line, told)


def _name_cells(path, cells):
    """Ids from tasks, checks, and headings with a count: stable when another section changes."""
    section, seen, counts = "start", {}, {}
    tasks = {slug(cell.options["task"]) for cell in cells if "task" in cell.options}
    for cell in cells:
        heading = re.search(r"^#{1,4}\s+(.+)$", cell.text, re.M) if cell.kind == "markdown" else None
        if heading:
            words = re.sub(r"\$[^$]*\$|[^a-z0-9]+", "-", re.sub(r"^[\d.]+\s+", "", heading[1].lower())).strip("-")
            section = words[:40].rstrip("-") or "section"
            section += "-section" if section in tasks else ""
        if "id" in cell.options:
            cell.id = cell.options["id"]
        elif "task" in cell.options:
            cell.id = slug(cell.options["task"])
        elif "check" in cell.options:
            stem = slug(cell.options["check"]) + "-check"
            counts[stem] = counts.get(stem, 0) + 1
            cell.id = f"{stem}-{counts[stem]}"
        elif heading:
            cell.id = section
        else:
            stem = f"{section}-{'text' if cell.kind == 'markdown' else 'code'}"
            counts[stem] = counts.get(stem, 0) + 1
            cell.id = f"{stem}-{counts[stem]}"
        if cell.id in seen:
            raise source_error(
                path, cell.line, f"id {cell.id!r} is taken by line {seen[cell.id]}: rename the heading or give id="
            )
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell.id):
            raise source_error(path, cell.line, f"{cell.id!r} is not a cell id (1 to 64 letters, digits, - or _)")
        seen[cell.id] = cell.line


def slug(name):
    return name.replace("_", "-")


def make_stub(text, name, *, path=Path("source"), line=1):
    """The student's version of a task: each solution region becomes one `raise`, in the region's indentation."""
    out, inside = [], False
    for row in text.splitlines():
        if row.strip() == BEGIN:
            if inside:
                raise source_error(path, line, f"task {name!r}: a solution region inside a solution region")
            inside = True
            out.append(f'{row[: row.index("#")]}raise NotImplementedError("{name}")')
        elif row.strip() == END:
            if not inside:
                raise source_error(path, line, f"task {name!r}: {END} without {BEGIN}")
            inside = False
        elif not inside:
            out.append(row)
    if inside:
        raise source_error(path, line, f"task {name!r}: {BEGIN} without {END}")
    if len(out) == len(text.splitlines()):
        raise source_error(path, line, f"task {name!r} needs a region from {BEGIN} to {END}")
    return "\n".join(out)


def without_markers(text):
    """The solution's version of a task: the same text less the region's two comment lines."""
    return "\n".join(row for row in text.splitlines() if row.strip() not in (BEGIN, END))


def expected_path(stem):
    """Where the values are that a lab's solution published at seed 0."""
    return ROOT / "labs" / "expected" / f"{stem}.json"


def source_hash(path):
    """SHA-256 of the source with what is stamped into it: any change of either makes a notebook stale."""
    s = settings()
    return hashlib.sha256(f"{s.repo}@{s.branch}\n{SETUP}\n".encode() + path.read_bytes()).hexdigest()


SETUP = '''\
# Set-up: finds the course's `utils`; on Colab it fetches the course once. Safe to run again.
import os
import pathlib
import subprocess
import sys

REPO, BRANCH = "{repo}", "{branch}"


def find_course():
    """The first folder at or above this one, or on the import path, that holds the course; None where there is none."""
    here = pathlib.Path.cwd()
    for folder in (here, *here.parents, here / REPO.split("/")[1], *map(pathlib.Path, sys.path)):
        if (folder / "utils" / "checks.py").is_file():
            return folder


if find_course() is None:
    if not (os.environ.get("COLAB_RELEASE_TAG") or "google.colab" in sys.modules):
        raise ModuleNotFoundError(f"no course at or above {{pathlib.Path.cwd()}}: open this in a clone of {{REPO}}")
    git = ["git", "clone", "-q", "--depth=1", "-b", BRANCH, f"https://github.com/{{REPO}}.git"]
    if (done := subprocess.run(git, capture_output=True, text=True)).returncode:
        raise RuntimeError(f"{{REPO}} ({{BRANCH}}) could not be fetched. git says: {{done.stderr.strip()}}")
course = str(find_course())
if sys.path[0] != course:
    sys.path.insert(0, course)
if not getattr(sys.modules.get("utils"), "__file__", course).startswith(course):  # somebody else's module of that name
    for name in [name for name in sys.modules if name.split(".")[0] == "utils"]:
        del sys.modules[name]

import utils.colab

print(utils.colab.ready())'''

OPEN_LAB = """\
from utils.checks import begin_check, check, fresh, fresh_generator, open_lab

open_lab("{stem}")"""


def assemble(path, kind):
    """The notebook of a source, not executed. kind: "lectures", "labs" (stubs) or "solutions"."""
    cells, course = read_source(path)
    stem, s = path.stem, settings()
    notebook = new_notebook(
        metadata={
            "kernelspec": KERNELSPEC,
            "language_info": {"name": "python"},
            "colab": {"provenance": [], "toc_visible": True},
            "course": {"topic": stem, "kind": kind, **course, "source": source_hash(path)},
        }
    )
    for n, cell in enumerate(cells):
        notebook.cells.append(_cell(cell, kind))
        if n == 0:
            notebook.cells[0].source = _with_links(cell.text, kind, stem)
            text = SETUP.format(repo=s.repo, branch=s.branch)
            notebook.cells.append(_code(text, "setup", {"role": "setup"}))
            if kind != "lectures":
                notebook.cells.append(_code(OPEN_LAB.format(stem=stem), "open-lab", {"role": "setup"}))
        elif kind == "labs" and cell.kind == "code":  # Run All goes on past a task that is not done
            notebook.cells[-1].metadata["tags"] = ["raises-exception"]
    ids = [cell.id for cell in notebook.cells]
    if taken := {i for i in ids if ids.count(i) > 1}:
        raise source_error(path, 1, f"the ids {', '.join(sorted(taken))} belong to the set-up cells")
    nbformat.validate(notebook)
    return notebook


def _code(text, cell_id, course=None):
    return new_code_cell(text, id=cell_id, metadata={"course": course} if course else {})


def _cell(cell, kind):
    if cell.kind == "markdown":
        return new_markdown_cell(cell.text, id=cell.id)
    if cell.kind == "raw":
        raise CourseError(f"line {cell.line}: raw cells are not used in this course")
    if name := cell.options.get("task"):
        text = make_stub(cell.text, name) if kind == "labs" else without_markers(cell.text)
        facts = {"role": "task", "task": name, "points": cell.options["points"], "minutes": cell.options["minutes"]}
        if cell.options.get("forbid"):
            facts["forbid"] = cell.options["forbid"]
        return _code(f"# task: {name}\n{text}", cell.id, facts)
    if name := cell.options.get("check"):
        number = cell.id.rsplit("-", 1)[1]
        check = f"{name}-{number}"
        facts = {"role": "check", "task": name, "check": check, "points": cell.options["points"]}
        return _code(f'begin_check("{check}")\n{cell.text}', cell.id, facts)
    return _code(cell.text, cell.id)


def neighbours(stem):
    """The stems of the lectures before and after this one, "" where there is none."""
    stems = ["", *sorted(path.stem for path in (ROOT / "source" / "lectures").glob("*.py")), ""]
    here = stems.index(stem, 1)
    return stems[here - 1], stems[here + 1]


def _with_links(text, kind, stem):
    """The title cell with one line of links under its title: Colab, and the way to what belongs to the notebook."""
    s = settings()
    colab = f"https://colab.research.google.com/github/{s.repo}/blob/{s.branch}/{kind}/{stem}.ipynb"
    links = [f"[Open in Colab]({colab})"]
    has = {k: (ROOT / "source" / k / f"{stem}.py").is_file() for k in KINDS}
    if kind != "lectures" and has["lectures"]:
        links.append(f"[Lecture](../lectures/{stem}.ipynb)")
    if kind != "labs" and has["labs"]:
        links.append(f"[Lab](../labs/{stem}.ipynb)")
    if kind == "labs":
        links.append(SOLUTION.format(stem=stem))
    if kind == "lectures":
        beside = zip(("Previous lecture", "Next lecture"), neighbours(stem), strict=True)
        links += [f"[{name}]({other}.ipynb)" for name, other in beside if other]
    if kind != "solutions":
        links.append("[Glossary](../GLOSSARY.md)")
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{' · '.join(links)}\n\n{rest.lstrip()}"


SOLUTION = "[Solution](../solutions/{stem}.ipynb), after you have tried"


def without_solution(text, stem):
    """The title cell of a lab less its link to the solution, for where there are none: a student's folder, the site."""
    return text.replace(f" · {SOLUTION.format(stem=stem)}", "")
