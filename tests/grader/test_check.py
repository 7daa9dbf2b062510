"""`grade check`: a student's own check in a terminal says what the badges say."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from conftest import ROOT, TINY, grade

HALF = "91_half"
SOURCE = '''\
# ---
# jupyter:
#   course:
#     title: "91 Half done"
#     summary: one task of each fate
#     minutes: 5
# ---

# %% [markdown]
# # 91 Half done

# %% task="square" points=1 minutes=1
def square(x):
    """x squared, element by element."""
    # BEGIN SOLUTION
    return x * x
    # END SOLUTION

# %% check="square" points=1
check(squares=square(fresh(4)))

# %% task="left_out" points=2 minutes=1
def left_out(x):
    """x and one."""
    # BEGIN SOLUTION
    return x + 1
    # END SOLUTION

# %% check="left_out" points=2
check(more=left_out(fresh(4)), hint="one more")

# %% task="double" points=1 minutes=1
def double(x):
    """Twice x."""
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION

# %% check="double" points=1
x = fresh(4)
check(both=double(x), positive=double(x.abs()), negative=double(-x.abs()), hint="which sign?")

# %% task="root" points=2 minutes=1
def root(x):
    """The square root of |x|."""
    # BEGIN SOLUTION
    return x.abs().sqrt()
    # END SOLUTION

# %% check="root" points=2
check(of_positive=root(fresh(4).abs()))
check(of_negative=root(-fresh(4).abs()), hint="the root of what?")

# %% task="total" points=2 minutes=1
def total(x):
    """The sum of the doubled numbers; calls double."""
    # BEGIN SOLUTION
    return double(x).sum()
    # END SOLUTION

# %% check="total" points=1
check(total=total(-fresh(4).abs()), hint="is double right?")

# %% check="total" points=1
check(positive=total(fresh(4).abs()))
check(after_left_out=total(left_out(fresh(4))))
'''
WRITTEN = {
    "square": "def square(x):\n    return x ** 2",
    "double": "def double(x):\n    return 2 * x.abs()",  # wrong
    "root": "def root(x):\n    if (x < 0).any():\n        raise ValueError('negative')\n    return x.sqrt()",
    "total": "def total(x):\n    return double(x).sum()",  # right, but double is not
}


def write_answers(notebook):
    for cell in notebook.cells:
        if cell.metadata.get("course", {}).get("role") == "task" and cell.metadata.course.task in WRITTEN:
            cell.source = f"# task: {cell.metadata.course.task}\n{WRITTEN[cell.metadata.course.task]}"


@pytest.fixture(scope="module")
def half_done(tiny, tmp_path_factory):
    """A lab with a right, a wrong, an absent, a failing and a dependent task: as a notebook saves it, and checked."""
    course = tmp_path_factory.mktemp("half") / "course"
    shutil.copytree(tiny, course)
    (course / "source" / "labs" / f"{HALF}.py").write_text(SOURCE)
    grade("build", "91", root=course, check=0)
    from grader.build import execute

    path = course / "labs" / f"{HALF}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    write_answers(notebook)
    nbformat.write(execute(notebook, course / "source" / "labs" / f"{HALF}.py", path), path)
    return SimpleNamespace(course=course, path=path, told=grade("check", path, root=course, check=1).stdout)


def of_badges(path):
    """{check: (points, {value: message} of those that are not right)} as a saved lab's badges say; and the total."""
    found, total = {}, ""
    for cell in nbformat.read(path, as_version=4).cells:
        shown = [output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]
        text = "\n".join(shown)
        for name, points in re.findall(r"^([\w-]+): (\S+) of \S+ points · ", text, re.M):
            found[name] = (points, dict(re.findall(r"^FAIL  (\w+): (.*)$", text, re.M)))
        total = (re.findall(r"(\S+ of \S+ points) so far$", text, re.M) or [total])[-1]
    return found, total


def of_check(told):
    """The same as `grade check` printed it, and its verdicts: {check: verdict}."""
    found, verdicts, name = {}, {}, ""
    for line in told.splitlines():
        if row := re.match(r"(\w+) +([\d.]+)/[\d.]+  ([\w-]+)", line):
            name = row[3]
            found[name], verdicts[name] = (row[2], {}), row[1]
        elif value := re.match(r" +(\w+): (.*)\.(?: |$)", line):
            found[name][1][value[1]] = value[2]
    return found, told.splitlines()[-1], verdicts


def test_it_says_what_the_badges_say_check_by_check(half_done):
    badges, total = of_badges(half_done.path)
    checked, last, verdicts = of_check(half_done.told)
    assert {name: points for name, (points, _) in badges.items()} == {
        "square-1": "1", "left_out-1": "0", "double-1": "0.33", "root-1": "1", "total-1": "0", "total-2": "0.5"
    }  # fmt: skip
    assert verdicts == {
        "square-1": "pass", "left_out-1": "error", "double-1": "partial", "root-1": "partial",
        "total-1": "fail", "total-2": "partial",
    }  # fmt: skip
    assert {name: points for name, (points, _) in checked.items()} == {n: points for n, (points, _) in badges.items()}
    for name, (_, wrong) in badges.items():
        assert set(wrong) <= set(checked[name][1]), name
        not_reached = {checked[name][1][value] for value in set(checked[name][1]) - set(wrong)}
        assert not_reached <= {"was not published"}  # the badge names the task that is not done instead
    compared = {"double-1": ("both", "negative"), "total-1": ("total",)}
    for name, values in compared.items():
        for value in values:
            assert checked[name][1][value] == badges[name][1][value]
    assert last == total == "2.83 of 8 points"


def test_a_saved_lab_holds_no_path_no_seed_and_no_expected_value(half_done):
    text = half_done.path.read_text()
    saved = json.loads(text)
    for path in (half_done.course, ROOT, os.path.expanduser("~")):
        assert str(path) not in text or str(path) == "/"
    assert set(saved["metadata"]) <= {"colab", "course", "kernelspec", "language_info"}
    assert {key for cell in saved["cells"] for key in cell["metadata"]} <= {"course", "tags"}
    outputs = json.dumps([cell.get("outputs", []) for cell in saved["cells"]])
    assert "seed" not in outputs
    expected = json.loads((half_done.course / "labs" / "expected" / f"{HALF}.json").read_text())["checks"]
    failed = {"left_out-1": "more", "double-1": "negative", "root-1": "of_negative", "total-1": "total"}
    for check, value in failed.items():
        for number in expected[check]["values"][value]["data"]:
            assert repr(number) not in outputs, (check, value)


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


def test_a_terminal_is_told_which_check_runs_and_a_pipe_gets_the_lines_only(tiny):
    command = [sys.executable, "-m", "grader.cli", "check", f"labs/{TINY}.ipynb"]
    environment = {**os.environ, "COURSE_ROOT": str(tiny), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=tiny, env=environment, stdout=theirs, stderr=subprocess.STDOUT)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    assert process.wait(60) == 1
    assert re.search(rb"running \w+(-\d)?", shown)
    assert shown.rstrip().endswith(b"0 of 6 points")
    piped = grade("check", f"labs/{TINY}.ipynb", root=tiny, check=1).stdout
    assert "running" not in piped
    assert "\x1b" not in piped


def test_bad_files_are_one_line_that_says_what_was_expected(own_tiny):
    (own_tiny / "x.ipynb").write_text("{")
    (own_tiny / f"{TINY}.ipynb").write_text("{")
    lecture = json.loads((own_tiny / "labs" / f"{TINY}.ipynb").read_text())
    lecture["metadata"]["course"]["kind"] = "lectures"
    (own_tiny / "lecture.ipynb").write_text(json.dumps(lecture))
    told = {
        "none.ipynb": "there is no none.ipynb; expected a lab's notebook",
        "labs": "there is no labs; expected a lab's notebook",
        "x.ipynb": f"x.ipynb is no lab: neither its metadata nor its name is one of {TINY}",
        f"{TINY}.ipynb": f"{TINY}.ipynb: not JSON",
        "lecture.ipynb": f"lecture.ipynb is the lecture; the lab is labs/{TINY}.ipynb",
    }
    for path, message in told.items():
        done = grade("check", path, root=own_tiny, check=2)
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_command_imports_where_the_system_has_no_resource_limits():
    """As on Windows, where students check their labs too."""
    program = "import sys; sys.modules.update(fcntl=None, resource=None); import grader.check, grader.pool"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
