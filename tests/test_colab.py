"""The same notebooks, no edits, with Colab's versions: from an empty folder, cloned by the set-up cell."""

import subprocess
from collections import Counter

import pytest
from conftest import ROOT
from environments import (
    COLAB,
    Missing,
    absent_on_colab,
    copy_of_the_working_tree,
    environment,
    faults,
    machine,
    notebooks,
    on_colab,
    published,
)
from nbformat import read

from grader.course import settings

SHOWN = ("image/png", "application/vnd.jupyter.widget-view+json", "application/vnd.course.record+json")


@pytest.fixture(scope="session")
def colab():
    """An environment with Colab's versions; it takes a minute or two to make, once for a machine."""
    try:
        return environment("colab")
    except Missing as why:
        pytest.skip(f"Colab's environment cannot be made here: {why}")


@pytest.fixture(scope="session")
def bare(once):
    """What GitHub would have of the course if it were pushed as it is, as a bare repository."""

    def make(folder):
        published(copy_of_the_working_tree(folder / "work"), folder / "course.git", settings().branch)

    return once("github", make) / "course.git"


@pytest.fixture(scope="session")
def used(once, colab):
    """The Python of a machine where a set-up cell has installed what Colab lacks."""

    def make(folder):
        pip = [machine(colab, folder), "-m", "pip", "install", "--quiet", "--no-index"]
        subprocess.run([*pip, "--find-links", colab / "wheels", *absent_on_colab()], check=True)

    return once("colab-machine", make) / "bin" / "python"


def shown(notebook):
    """How many pictures, widgets and results there are in a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return Counter(kind for output in outputs for kind in SHOWN if kind in output.get("data", {}))


def setup_of(notebook):
    return next(cell for cell in notebook.cells if cell.id == "setup").outputs[0].text


NAME = settings().repo.split("/")[1]


@pytest.mark.parametrize(("source", "kind"), notebooks(), ids=lambda x: getattr(x, "stem", x))
def test_a_notebook_runs_on_colab_as_it_is(colab, used, bare, tmp_path, source, kind):
    new = "import constriction" in source.read_text()  # what imports it starts on a machine that lacks it
    made = on_colab(colab, tmp_path, bare, source, kind, None if new else used)
    assert setup_of(made) == f"utils from {NAME}{'; installed constriction' if new else ''}\n"
    assert faults(made) == []
    built = read(ROOT / kind / f"{source.stem}.ipynb", as_version=4)
    assert shown(made) == shown(built), "as many pictures, widgets and results as in the built notebook"


def test_a_lab_finds_the_course_beside_a_strangers_utils(colab, bare, tmp_path):
    source = ROOT / "source" / "labs" / "01_histograms_logistics.py"
    (tmp_path / "content" / "utils").mkdir(parents=True)
    (tmp_path / "content" / "utils" / "__init__.py").write_text("raise ImportError('a stranger')")
    made = on_colab(colab, tmp_path, bare, source, "labs")
    assert setup_of(made).startswith(f"utils from {NAME};")
    checks = [cell for cell in made.cells if cell.metadata.get("course", {}).get("role") == "check"]
    assert all("not done yet" in str(cell.outputs) for cell in checks), "the course's own utils answer"


def test_the_pins_say_what_the_set_up_cell_never_installs():
    from utils.colab import NEVER

    assert {line.split("==")[0] for line in COLAB.splitlines() if "==" in line} >= NEVER
