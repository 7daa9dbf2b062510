"""The set-up cell of a notebook, run where its readers run it: in a clone, on Colab, and in neither."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT, TINY, copy_of_tiny
from environments import github, published

import grader.source

SETUP = grader.source.SETUP.format(repo="example/tiny-course", branch="main")


def run(folder, code=SETUP, before="", **environment):
    """Run the cell in a Python that knows nothing of the course, in `folder`."""
    keep = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    hide = f"import sys; sys.path = [p for p in sys.path if p != {str(ROOT)!r}]\n"
    return subprocess.run(
        [sys.executable, "-c", f"{hide}{before}\n{code}"],
        cwd=folder,
        env={**keep, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def remote(tmp_path):
    """The environment of Colab, where GitHub's address of the tiny course is a bare repository in a local folder."""
    bare = published(copy_of_tiny(tmp_path / "work"), tmp_path / "remote.git")
    return {**github(bare, "example/tiny-course"), "COLAB_RELEASE_TAG": "test"}


def test_in_a_clone_it_finds_utils_from_any_folder_below(tmp_path):
    course = copy_of_tiny(tmp_path / "course")
    done = run(course / "source" / "labs")
    assert done.stdout == f"utils from ..{os.sep}..\n", done.stderr


def test_on_colab_it_clones_once_from_an_empty_folder(tmp_path, remote):
    (tmp_path / "content").mkdir()
    for _ in range(2):
        done = run(tmp_path / "content", **remote)
        assert done.stdout == "utils from tiny-course\n", done.stderr
    assert os.listdir(tmp_path / "content") == ["tiny-course"]


def test_a_strangers_utils_does_not_stand_in_the_way(tmp_path, remote):
    (tmp_path / "content" / "utils").mkdir(parents=True)
    (tmp_path / "content" / "utils" / "__init__.py").write_text("stranger = True")
    before = "import sys; sys.path.insert(0, '.'); import utils; assert utils.stranger"
    check = f"{SETUP}\nimport utils.checks; assert not hasattr(utils, 'stranger')"
    done = run(tmp_path / "content", check, before, **remote)
    assert done.stdout == "utils from tiny-course\n", done.stderr


def test_where_the_course_cannot_be_fetched_it_says_why(tmp_path):
    content = tmp_path / "content"
    content.mkdir()
    done = run(content, **github(tmp_path / "nowhere.git", "example/tiny-course"), COLAB_RELEASE_TAG="test")
    assert "example/tiny-course (main) could not be fetched. git says: fatal: " in done.stderr


def test_elsewhere_it_says_what_to_do(tmp_path):
    done = run(tmp_path)
    assert f"no course at or above {tmp_path}: open this in a clone of example/tiny-course" in done.stderr


def test_on_colab_it_installs_only_what_is_missing_and_never_torch(tmp_path, monkeypatch):
    from utils import colab

    calls = []
    monkeypatch.setenv("COLAB_RELEASE_TAG", "test")
    monkeypatch.setattr(colab, "_installed", lambda name: name not in ("constriction", "torch", "numpy", "ipywidgets"))
    monkeypatch.setattr(colab.subprocess, "run", lambda command, check: calls.append(command))
    assert colab.ready().endswith("installed constriction")
    assert [call[-1] for call in calls] == ["constriction>=0.4"]
    monkeypatch.delenv("COLAB_RELEASE_TAG")
    assert "not installed: constriction, ipywidgets, numpy, torch (`make lab`" in colab.ready()
    assert len(calls) == 1


def test_every_notebook_has_the_same_set_up_cell():
    import nbformat

    notebooks = [nbformat.read(path, as_version=4) for path in ROOT.glob("l*/*.ipynb")]
    texts = {cell.source for notebook in notebooks for cell in notebook.cells if cell.id == "setup"}
    assert len(notebooks) >= 2
    assert len(texts) == 1
    assert TINY not in texts.pop()
