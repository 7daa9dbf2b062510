"""`grade check`: a student's own check in a terminal says what the badges say."""

import json
import subprocess
import sys

from conftest import ROOT, TINY, grade


def test_an_untouched_lab_is_told_and_exits_1(tiny):
    done = grade("check", f"labs/{TINY}.ipynb", root=tiny, check=1)
    assert "NotImplementedError: double" in done.stdout
    assert done.stdout.endswith("0 of 6 points\n")


def test_it_works_without_any_solution_and_shows_hints(own_tiny):
    path = own_tiny / "labs" / f"{TINY}.ipynb"
    notebook = json.loads(path.read_text())
    right = {"double": "def double(x):\n    return 3 * x", "total": "def total(x):\n    return 2 * x.sum()"}
    for cell in notebook["cells"]:
        if cell["id"] in right:
            cell["source"] = f"# task: {cell['id']}\n{right[cell['id']]}"
    (own_tiny / "mine.ipynb").write_text(json.dumps(notebook))
    (own_tiny / "solutions" / f"{TINY}.ipynb").unlink()
    done = grade("check", "mine.ipynb", root=own_tiny, check=1)
    assert "fail     0/1  double-1" in done.stdout
    assert "doubled: 5 of 5 numbers differ" in done.stdout
    assert "half or double?" in done.stdout
    assert "pass     2/2  total-1" in done.stdout


def test_the_solution_reaches_all_points_and_exits_0(tiny):
    assert grade("check", f"solutions/{TINY}.ipynb", root=tiny, check=0).stdout.endswith("6 of 6 points\n")


def test_bad_files_are_one_line(tiny, tmp_path):
    (tmp_path / "x.ipynb").write_text("{")
    for path, told in ((tmp_path / "none.ipynb", "there is no"), (tmp_path / "x.ipynb", "no topic 'x'")):
        done = grade("check", path, root=tiny, check=2)
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_command_imports_where_the_system_has_no_resource_limits():
    """As on Windows, where students check their labs too."""
    program = "import sys; sys.modules.update(fcntl=None, resource=None); import grader.check, grader.pool"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
