"""`grade new`: a topic laid out by one command builds, is graded, and its tests say what is left to write."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, grade

NEW = ("new", "97_scratch", "--title", 'Scratch: "a" try')


@pytest.fixture
def empty(tmp_path):
    """A course without topics."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def make_scratch(folder):
    """The course with the new topic as its only one, built."""
    skip = shutil.ignore_patterns("__pycache__", "artefacts", "answers")
    for part in ("utils", "grader", "tests", "bench"):
        shutil.copytree(ROOT / part, folder / part, ignore=skip)
    for path in [*ROOT.glob("*.md"), ROOT / "pyproject.toml"]:
        shutil.copy(path, folder)
    grade(*NEW, root=folder, check=0)
    grade("build", "97", root=folder, check=0)


@pytest.fixture(scope="session")
def scratch(once):
    return once("scratch-course", make_scratch)


def test_a_new_topic_builds_as_it_is(scratch):
    for path in ("lectures", "labs", "solutions"):
        assert (scratch / path / "97_scratch.ipynb").is_file()
    assert {path.stem for path in (scratch / "samples" / "97_scratch").iterdir()} == {"ada", "bruno", "dilara"}
    assert '| 97 Scratch: "a" try |' in (scratch / "README.md").read_text()


def test_the_tests_that_every_topic_must_pass_say_what_is_left_of_a_new_one(scratch):
    files = [f"tests/test_{name}.py" for name in ("notebooks", "answers", "course", "language")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "97_", *files],
        cwd=scratch,
        env=grade_environment(scratch),
        capture_output=True,
        text=True,
        timeout=600,
    )
    failed = re.findall(r"^FAILED .*", done.stdout, re.M)
    assert failed
    assert [line for line in failed if "a lecture has at least" not in line and "FILL IN" not in line] == [], (
        done.stdout
    )
    for count in ("1 numbered equations, a lecture has at least 10", "2 figures, a lecture has at least 8"):
        assert count in done.stdout
    assert "source/lectures/97_scratch.py:12: FILL IN: one paragraph" in done.stdout
    assert re.search(r"\d\d passed", done.stdout), done.stdout


def grade_environment(root):
    """The environment in which everything comes from the course in `root`, and in no worker of pytest-xdist."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"COURSE_ROOT": str(root), "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.mark.parametrize(
    ("stem", "title", "message"),
    [
        ("7_scratch", "S", "two digits"),
        ("97_Scratch", "S", "got '97_Scratch'"),
        ("97-scratch", "S", "two digits"),
        ("97_scratch", " ", "--title must be one line"),
        ("97_scratch", "two\nlines", "--title must be one line"),
    ],
)
def test_a_name_or_title_that_cannot_be_is_refused(empty, stem, title, message):
    done = grade("new", stem, "--title", title, root=empty, check=2)
    assert message in done.stderr
    assert sorted(path.name for path in empty.iterdir()) == ["pyproject.toml"]


def test_a_number_that_is_taken_is_refused_and_a_free_one_named(empty):
    grade(*NEW, root=empty, check=0)
    done = grade("new", "97_other", "--title", "Other", root=empty, check=2)
    assert "number 97 is taken by 97_scratch; free is 00" in done.stderr


def test_nothing_is_overwritten(empty):
    (empty / "bench").mkdir()
    (empty / "bench" / "97_scratch.py").write_text("mine")
    done = grade(*NEW, root=empty, check=2)
    assert "bench/97_scratch.py is there already; nothing was written" in done.stderr
    assert not (empty / "source").exists()
