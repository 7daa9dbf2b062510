"""`grade build` through its own door, on a course of three tasks."""

import json

import nbformat
import pytest
from conftest import TINY, copy_of_tiny, grade


def source_of(course):
    return course / "source" / "labs" / f"{TINY}.py"


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_lab_and_solution_come_from_one_source(tiny):
    lab = nbformat.read(tiny / "labs" / f"{TINY}.ipynb", as_version=4)
    solution = nbformat.read(tiny / "solutions" / f"{TINY}.ipynb", as_version=4)
    assert [cell.id for cell in lab.cells] == [cell.id for cell in solution.cells]
    assert {"double", "double-check-1", "double-check-2", "total", "draw-check-1"} <= {cell.id for cell in lab.cells}
    for notebook in (lab, solution):
        nbformat.validate(notebook)


def test_lab_holds_nothing_of_the_solution_and_is_valid_python(tiny):
    text = (tiny / "labs" / f"{TINY}.ipynb").read_text()
    for secret in ("SCALE * x", "answer", "double(x).sum()", "torch.rand(n", "BEGIN SOLUTION", "END SOLUTION"):
        assert secret not in text
    lab = nbformat.reads(text, as_version=4)
    stubs = {cell.metadata.course.task: cell.source for cell in lab.cells if "task" in cell.id or cell.id == "double"}
    assert 'raise NotImplementedError("double")' in stubs["double"]
    assert '"""Two times x.' in stubs["double"]
    for cell in lab.cells:
        if cell.cell_type == "code":
            compile(cell.source, cell.id, "exec")
            assert cell.outputs == []
            assert cell.execution_count is None


def test_same_source_same_bytes(own_tiny):
    path = own_tiny / "labs" / f"{TINY}.ipynb"
    before, solution = path.read_bytes(), json.loads((own_tiny / "solutions" / f"{TINY}.ipynb").read_text())
    grade("build", root=own_tiny, check=0)
    assert path.read_bytes() == before
    again = json.loads((own_tiny / "solutions" / f"{TINY}.ipynb").read_text())
    for notebook in (solution, again):
        del notebook["metadata"]["course"]["outputs"]
        for cell in notebook["cells"]:
            cell.pop("outputs", None)
    assert solution == again


def test_check_is_content_with_what_build_made(tiny):
    assert "up to date" in grade("build", "--check", root=tiny, check=0).stdout


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda c: change(source_of(c), "Two times every number", "Twice every number"), "out of date"),
        (lambda c: change(c / "labs" / f"{TINY}.ipynb", "runs in a moment", "runs in an hour"), "edited by hand"),
        (lambda c: change(c / "solutions" / f"{TINY}.ipynb", "SCALE * x", "SCALE + x"), "edited by hand"),
        (lambda c: change(c / "solutions" / f"{TINY}.ipynb", "of 6 points", "of 7 points"), "outputs were edited"),
        (lambda c: (c / "labs" / f"{TINY}.ipynb").unlink(), "missing"),
        (lambda c: (c / "solutions" / f"{TINY}.ipynb").write_text("{"), "cannot be read"),
        (lambda c: change(c / "labs" / "expected" / f"{TINY}.json", '"points": 1', '"points": 9'), "expected"),
        (lambda c: (c / "labs" / "91_left.ipynb").write_text("{}"), "has no source"),
        (lambda c: change(c / "pyproject.toml", "example/", "elsewhere/"), "out of date"),
    ],
)
def test_check_tells_what_is_stale(own_tiny, what, told):
    what(own_tiny)
    done = grade("build", "--check", root=own_tiny, check=1)
    assert told in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    return answer\n", "    return answers\n", "90_tiny.py:31 (cell double-check-1): NameError"),
        ("    answer = SCALE * x\n", "    answer = SCALE *\n", "90_tiny.py:26: not valid Python"),
        ('check="double" points=1', 'check="doubel" points=1', "90_tiny.py:30: a check of 'doubel'"),
        (
            'task="total" points=2',
            'task="total" points=5',
            "90_tiny.py:40: task 'total' has 5 points, its checks give 2",
        ),
        ("    # END SOLUTION\n", "", "90_tiny.py:22: task 'double': # BEGIN SOLUTION without"),
        ('task="draw"', 'task="double"', "task 'double' stands twice"),
        ('    title: "90 Tiny"\n', "    title: 90\n", "90_tiny.py:1: the header needs jupyter: course: title"),
        ("check(total=total(fresh(10))", "print(total=total(fresh(10))", "a check cell must call check"),
        ("total=total(fresh(10))", "total=torch.rand(1), fresh=fresh(1), atol=0, rtol=0", ""),
        ("total=total(fresh(10))", "total=total(torch.ones(3))", "90_tiny.py:47: a check draws its inputs with fresh"),
        ('task="total" points=2', 'task="total" points="2"', "both numbers without quotes"),
        ("SCALE = 2.0", "SCALE = 2.0\nwrong = 1 / 0", "90_tiny.py:17 (cell tiny-code-1): ZeroDivisionError"),
        (
            "total=total(fresh(10))",
            "total=True, x=fresh(1)",
            "90_tiny.py (check total-1): value 'total' is not numbers",
        ),
    ],
)
def test_a_build_that_fails_names_file_and_line(tmp_path, old, new, told):
    course = copy_of_tiny(tmp_path / "course")
    change(source_of(course), old, new)
    done = grade("build", root=course)
    if told:
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    else:  # seeded by begin_check, so even an unseeded draw repeats
        assert done.returncode == 0, done.stderr


def no_kernel(folder):
    """An environment in which every kernel dies at once: what works in it executes nothing."""
    spec = {"argv": ["false"], "display_name": "none", "language": "python"}
    (folder / "kernels" / "python3").mkdir(parents=True)
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    return {"JUPYTER_PATH": str(folder)}


def test_repository_and_branch_are_stamped_everywhere_and_nothing_is_executed(own_tiny, tmp_path):
    built = [own_tiny / kind / f"{TINY}.ipynb" for kind in ("labs", "solutions")]
    before = [[cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells] for path in built]
    grade("build", "--repo", "ada/her-course", "--branch", "2026", root=own_tiny, check=0, **no_kernel(tmp_path / "j"))
    for path, outputs in zip(built, before, strict=True):
        notebook = nbformat.read(path, as_version=4)
        kind = path.parent.name
        title, setup = (cell.source for cell in notebook.cells[:2])
        assert f"colab.research.google.com/github/ada/her-course/blob/2026/{kind}/{TINY}.ipynb" in title
        assert 'REPO, BRANCH = "ada/her-course", "2026"' in setup
        assert [cell.get("outputs") for cell in notebook.cells] == outputs
        assert "tiny-course" not in path.read_text()
    assert any(before[1]), "the solution has outputs"
    assert "up to date" in grade("build", "--check", root=own_tiny, check=0).stdout


def test_a_build_for_a_look_is_not_what_is_committed(own_tiny):
    grade("build", "90", root=own_tiny, check=0, COURSE_BUDGET="smoke")
    done = grade("build", "--check", root=own_tiny, check=1)
    assert "solutions/90_tiny.ipynb: built in the smoke budget" in done.stdout


def test_a_stamp_builds_what_was_not_current(own_tiny, tmp_path):
    change(source_of(own_tiny), "Two times every number", "Twice every number")
    done = grade("build", "--branch", "2026", root=own_tiny, **no_kernel(tmp_path / "j"))
    assert done.returncode != 0, "it had to execute the solution"
    grade("build", "--branch", "2027", root=own_tiny, check=0)
    assert "up to date" in grade("build", "--check", root=own_tiny, check=0).stdout


@pytest.mark.parametrize(("option", "value"), [("--repo", "no slash"), ("--branch", 'a"b'), ("--branch", "-x")])
def test_what_cannot_be_a_repository_or_branch_is_refused_and_changes_nothing(own_tiny, option, value):
    before = (own_tiny / "pyproject.toml").read_text()
    done = grade("build", f"{option}={value}", root=own_tiny, check=2)
    assert f"got {value!r}" in done.stderr
    assert (own_tiny / "pyproject.toml").read_text() == before


def test_unknown_topic_is_one_line(tiny):
    done = grade("build", "17", root=tiny, check=2)
    assert done.stderr == "grade: there is no topic '17'; expected one of 90_tiny\n"
