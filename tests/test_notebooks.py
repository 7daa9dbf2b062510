"""Every built notebook: complete, current, clean, and runnable in the smoke budget."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, grade

from grader.build import execute
from grader.course import topics
from grader.source import assemble

SOURCES = sorted((ROOT / "source").glob("*/*.py"))
BUILT = sorted(path for kind in ("lectures", "labs", "solutions") for path in (ROOT / kind).glob("*.ipynb"))
LECTURES = [path for path in SOURCES if path.parent.name == "lectures"]
LABS = [path for path in SOURCES if path.parent.name == "labs"]
ids = {"ids": lambda path: f"{path.parent.name}/{path.stem}"}


def read(path):
    return nbformat.read(path, as_version=4)


def test_every_notebook_is_what_its_source_gives():
    done = grade("build", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("stem", topics())
def test_a_topic_has_all_its_parts(stem):
    parts = [f"source/lectures/{stem}.py", f"source/labs/{stem}.py", f"lectures/{stem}.ipynb", f"labs/{stem}.ipynb"]
    parts += [f"solutions/{stem}.ipynb", f"labs/expected/{stem}.json", f"tests/answers/{stem}"]
    assert [part for part in parts if not (ROOT / part).exists()] == []


def test_sources_and_notebooks_are_clean_to_ruff():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", LECTURES, **ids)
def test_every_equation_has_its_mark_in_the_code(path):
    cells = [(cell.cell_type, cell.source) for cell in assemble(path, "lectures").cells]
    tags = [tag for kind, text in cells if kind == "markdown" for tag in re.findall(r"\\tag\{(\d+)\}", text)]
    marks = {mark for kind, text in cells if kind == "code" for mark in re.findall(r"# \((\d+)\)", text)}
    assert len(tags) >= 10
    assert tags == [str(n) for n in range(1, len(tags) + 1)], "equations are numbered in order, each once"
    assert set(tags) == marks


@pytest.mark.parametrize("path", LECTURES, **ids)
def test_a_lecture_has_the_rhythm_of_the_style_guide(path):
    kinds = [cell.cell_type for cell in assemble(path, "lectures").cells if cell.id != "setup"]
    assert all(kinds[n : n + 3] != ["code"] * 3 for n in range(len(kinds))), "three code cells in a row"
    built = read(ROOT / "lectures" / path.with_suffix(".ipynb").name)
    outputs = [output for cell in built.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 8
    assert sum("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs) >= 3
    assert sum("application/vnd.course.record+json" in output.get("data", {}) for output in outputs) >= 3


@pytest.mark.parametrize("path", BUILT, **ids)
def test_a_built_notebook_is_small_and_its_outputs_are_clean(path):
    assert path.stat().st_size < 1_500_000
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", f"{cell.id}: {output.text[:300]}"


@pytest.mark.parametrize("path", LABS, **ids)
def test_no_line_of_the_solution_stands_in_the_lab(path):
    lab = assemble(path, "labs")
    given = {line.strip() for cell in lab.cells for line in cell.source.splitlines()}
    text = (ROOT / "labs" / path.with_suffix(".ipynb").name).read_text()
    solution = [
        cell for cell in assemble(path, "solutions").cells if cell.metadata.get("course", {}).get("role") == "task"
    ]
    hidden = {line.strip() for cell in solution for line in cell.source.splitlines()} - given
    assert len(hidden) >= len(solution)
    leaked = [line for line in hidden if len(line) > 12 and json.dumps(line)[1:-1] in text]
    assert leaked == []


@pytest.mark.parametrize("path", LABS, **ids)
def test_a_lab_runs_to_its_first_gap(path, tmp_path):
    notebook = assemble(path, "labs")
    first = next(cell for cell in notebook.cells if cell.metadata.get("course", {}).get("role") == "check")
    with pytest.raises(Exception, match="NotImplementedError") as problem:
        execute(notebook, path, ROOT / "labs" / path.name)
    assert f"(cell {first.id})" in str(problem.value)


@pytest.mark.parametrize("path", LECTURES, **ids)
def test_a_lecture_runs_from_top_to_bottom_in_the_smoke_budget(path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the workers of pytest share the cores: more threads only wait
    monkeypatch.setenv("COURSE_BUDGET", "smoke")
    notebook = execute(assemble(path, "lectures"), path, ROOT / "lectures" / path.name)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)


def links(path):
    """Local links of a Markdown or notebook file: [(text, target)]."""
    if path.suffix == ".ipynb":
        text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    found = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", text)
    return [(name, target) for name, target in found if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("path", [*BUILT, *sorted(ROOT.glob("*.md"))], **ids)
def test_local_links_lead_somewhere(path):
    for name, target in links(path):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name}: [{name}]({target})"
        if anchor:
            text = Path(there).read_text(encoding="utf-8")
            headings = re.findall(r"^#+\s+(.+?)\s*$", text.replace("\\n", "\n"), re.M)
            slugs = {re.sub(r"[^a-z0-9 -]", "", h.lower()).strip().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{path.name}: [{name}]({target})"


@pytest.mark.parametrize("path", [path for path in BUILT if path.parent.name == "lectures"], **ids)
def test_arxiv_ids_have_the_form_of_one(path):
    text = "\n".join(cell.source for cell in read(path).cells)
    ids = [found.rstrip(".") for found in re.findall(r"arxiv(?:\.org/abs/|:\s*)([\w./-]+)", text, re.I)]
    assert ids, "a lecture without one reference that can be followed"
    for found in ids:
        assert re.fullmatch(r"\d{4}\.\d{4,5}(v\d+)?|[a-z-]+/\d{7}", found), found
