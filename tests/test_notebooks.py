"""Every built notebook: complete, current, clean, and runnable in the smoke budget."""

import itertools
import json
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from conftest import CHROMIUM, ROOT, copy_of_tiny, grade

from grader.build import execute
from grader.course import topics
from grader.source import assemble, read_source, without_solution

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
    assert len(tags) >= 10, f"{len(tags)} numbered equations, a lecture has at least 10"
    assert tags == [str(n) for n in range(1, len(tags) + 1)], "equations are numbered in order, each once"
    assert set(tags) == marks


@pytest.mark.parametrize("path", LECTURES, **ids)
def test_a_lecture_has_the_rhythm_of_the_style_guide(path):
    kinds = [cell.cell_type for cell in assemble(path, "lectures").cells if cell.id != "setup"]
    assert all(kinds[n : n + 3] != ["code"] * 3 for n in range(len(kinds))), "three code cells in a row"
    built = read(ROOT / "lectures" / path.with_suffix(".ipynb").name)
    outputs = [output for cell in built.cells if cell.cell_type == "code" for output in cell.outputs]
    least = {"figures": ("image/png", 8), "widgets": ("application/vnd.jupyter.widget-view+json", 3)}
    least["records"] = ("application/vnd.course.record+json", 3)
    there = {what: sum(mime in output.get("data", {}) for output in outputs) for what, (mime, _) in least.items()}
    short = [f"{there[what]} {what}, a lecture has at least {n}" for what, (_, n) in least.items() if there[what] < n]
    assert not short, "; ".join(short)


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
def test_an_untouched_lab_runs_to_its_end_and_every_check_names_a_task_that_is_not_done(path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = execute(assemble(path, "labs"), path, ROOT / "labs" / path.name)  # it stops at errors, but for the tag
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)
    checks = [cell for cell in notebook.cells if cell.metadata.get("course", {}).get("role") == "check"]
    for cell in checks:
        shown = [output.data["text/plain"] for output in cell.outputs if output.output_type == "display_data"]
        facts = cell.metadata.course
        assert shown, cell.id
        said, points = shown[-1].split("\n")
        own = f"not done yet: task {facts.task}"
        assert said == own or re.fullmatch(r"this check needs task \w+, which is not done", said), said
        assert points.startswith(f"{facts.check}: 0 of {facts.points:g} points · 0 of ")


@pytest.mark.parametrize("path", LABS, **ids)
def test_run_all_goes_on_past_a_gap_in_labs_and_nowhere_else(path):
    def tags(kind):
        cells = [cell for cell in assemble(path, kind).cells if cell.cell_type == "code"]
        return {cell.id: cell.metadata.get("tags", []) for cell in cells}

    assert {"setup", "open-lab"} == {i for i, tag in tags("labs").items() if tag != ["raises-exception"]}
    assert not any(tags("solutions").values())


@pytest.mark.parametrize("path", LABS, **ids)
def test_every_task_has_hints_that_are_folded_and_come_in_steps(path):
    cells, _ = read_source(path)
    for at, cell in enumerate(cells):
        if "task" in cell.options:
            start = max(n for n in range(at) if cells[n].kind == "code")  # the task's text is what stands between
            text = "\n".join(before.text for before in cells[start:at] if before.kind == "markdown")
            steps = re.findall(r"^<details><summary>(Hint.*)</summary>\n\n(?!</details>)", text, re.M)
            if steps != ["Hint"]:  # one for a small task, else "Hint 1: the idea", "Hint 2: ..."
                assert [step.split(": ")[0] for step in steps] == [f"Hint {n + 1}" for n in range(len(steps))]
            assert 1 <= len(steps) == text.count("<details") == len(re.findall(r"\n\n</details>$", text, re.M))


@pytest.mark.skipif(bool(CHROMIUM and find_spec("playwright")), reason="runs in the browser: tests/browser")
@pytest.mark.parametrize("path", LECTURES, **ids)
def test_a_lecture_runs_from_top_to_bottom_in_the_smoke_budget(path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the workers of pytest share the cores: more threads only wait
    monkeypatch.setenv("COURSE_BUDGET", "smoke")
    notebook = execute(assemble(path, "lectures"), path, ROOT / "lectures" / path.name)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)


@cache
def written(path, kind):
    """The Markdown of a notebook as its source gives it now."""
    return "\n\n".join(cell.source for cell in assemble(path, kind).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", SOURCES, **ids)
def test_the_table_of_contents_is_a_tree_with_sections_that_count_up(path):
    text = re.sub(r"```.*?```", "", written(path, path.parent.name), flags=re.S)
    headings = re.findall(r"^(#+) (.+)$", text, re.M)
    levels = [len(marks) for marks, _ in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    assert len({words for _, words in headings}) == len(headings)
    numbers = [int(words.split()[0]) for marks, words in headings if marks == "##" and words[0].isdigit()]
    assert numbers == list(range(1, len(numbers) + 1))


def title_links(path, kind):
    """{text: target} of the one line of links under a notebook's title."""
    title, _, line, *_ = written(path, kind).split("\n")
    assert title.startswith("# ")
    return dict(re.findall(r"\[([^\]]+)\]\((\S+?)\)", line))


@pytest.mark.parametrize("path", LABS, **ids)
def test_lecture_lab_and_solution_lead_to_one_another(path):
    stem, lecture = path.stem, ROOT / "source" / "lectures" / path.name
    of = {"lectures": title_links(lecture, "lectures"), "labs": title_links(path, "labs")}
    of["solutions"] = title_links(path, "solutions")
    assert [kind for kind in of if not of[kind]["Open in Colab"].endswith(f"/{kind}/{stem}.ipynb")] == []
    assert of["lectures"]["Lab"] == of["solutions"]["Lab"] == f"../labs/{stem}.ipynb"
    assert of["labs"]["Lecture"] == of["solutions"]["Lecture"] == f"../lectures/{stem}.ipynb"
    assert of["labs"]["Solution"] == f"../solutions/{stem}.ipynb"
    assert of["lectures"]["Glossary"] == "../GLOSSARY.md"


def test_the_lectures_are_a_chain():
    chain = [{**title_links(path, "lectures"), "": path.with_suffix(".ipynb").name} for path in LECTURES]
    assert [found.get("Next lecture") for found in chain] == [*(found[""] for found in chain[1:]), None]
    assert [found.get("Previous lecture") for found in chain] == [None, *(found[""] for found in chain[:-1])]


def test_a_new_lecture_is_linked_from_the_one_before_it_which_is_not_run_again(tmp_path):
    root = copy_of_tiny(tmp_path / "course")
    for stem in ("91_old", "92_new"):
        header = (
            f'# ---\n# jupyter:\n#   course:\n#     title: "{stem}"\n#     summary: words\n#     minutes: 1\n# ---\n\n'
        )
        (root / "source" / "lectures").mkdir(exist_ok=True)
        (root / "source" / "lectures" / f"{stem}.py").write_text(
            f"{header}# %% [markdown]\n# # {stem}\n\n# %%\nprint(1)\n"
        )
        grade("build", stem, root=root, check=0)
    old = read(root / "lectures" / "91_old.ipynb")
    assert "[Next lecture](92_new.ipynb)" in old.cells[0].source
    assert old.cells[-1].outputs[0].text == "1\n"
    assert "91_old" not in grade("build", "91_old", "--check", root=root).stdout


@pytest.mark.parametrize("path", LABS, **ids)
def test_the_link_to_the_solution_can_be_taken_out_of_a_lab(path):
    text = assemble(path, "labs").cells[0].source
    without = without_solution(text, path.stem)
    assert "solutions/" in text
    assert "solutions/" not in without
    assert without.split("\n")[2] == re.sub(r" · \[Solution\]\S+, after you have tried", "", text.split("\n")[2])
    assert without.split("\n")[3:] == text.split("\n")[3:]


@pytest.mark.parametrize("path", SOURCES, **ids)
def test_a_notebook_shows_no_picture_from_the_network(path):
    assert not re.search(r"!\[[^\]]*\]\(\w+:|<img[^>]+src=.\w+:", written(path, path.parent.name))


def links(path):
    """Local links of a Markdown or notebook file: [(text, target)]."""
    if path.suffix == ".ipynb":
        text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    found = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", text)
    return [(name, target) for name, target in found if not re.match(r"[a-z]+:", target)]


PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", [*BUILT, *PAGES], **ids)
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


ARXIV = r"\d{4}\.\d{4,5}(v\d+)?|[a-z-]+/\d{7}"


@pytest.mark.parametrize("path", [*SOURCES, *PAGES, *sorted((ROOT / "utils").glob("*.py"))], **ids)
def test_arxiv_ids_and_dois_have_the_form_of_one(path):
    text = path.read_text(encoding="utf-8")
    for found in re.findall(r"arxiv(?:\.org/(?:abs|pdf)/|:\s*)([\w./-]+)", text, re.I):
        assert re.fullmatch(ARXIV, found.rstrip(".")), found
    for found in re.findall(r"doi(?:\.org/|:\s*)([^\s\])]+)", text, re.I):
        assert re.fullmatch(r"10\.\d{4,9}/\S+", found), found


@pytest.mark.parametrize("path", LECTURES, **ids)
def test_every_reference_of_a_lecture_is_a_link_to_what_it_names(path):
    listed = re.split(r"^- ", written(path, "lectures").split("## References\n")[1], flags=re.M)[1:]
    assert len(listed) >= 5, f"{len(listed)} references, a lecture has at least 5"
    for entry in (" ".join(entry.split()) for entry in listed):
        found = re.findall(r"\[(?:(arXiv|doi):)?([^\[]+?)\]\((https?://\S+?)\)", entry)
        assert found, entry
        for form, name, target in found:
            to = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}.get(form)
            assert to is None or unquote(target) == to + name, entry
        assert len(re.findall("arxiv:", entry, re.I)) == sum(form == "arXiv" for form, *_ in found), entry


@pytest.mark.parametrize("path", LECTURES, **ids)
def test_every_paper_that_a_lecture_cites_is_among_its_references(path):
    text = "\n".join(cell.text for cell in read_source(path)[0])
    body, listed = text.split("## References\n")
    listed, body = re.split(r"^- ", listed, flags=re.M)[1:], " ".join(body.replace("\n# ", "\n").split())
    name = r"([A-Z][\w-]+?)(?:'s)?"
    cited = set(re.findall(rf"{name}(?: et al\.?| (?:and|&) {name})?,? \(?((?:19|20)\d\d[a-z]?)\b", body))
    assert len(cited) >= 3, f"{len(cited)} papers cited by name and year, a lecture has at least 3"
    for first, second, year in cited:
        there = [entry for entry in listed if f"({year})" in entry and first in entry and second in entry]
        assert there, f"{first} {second} {year}"
