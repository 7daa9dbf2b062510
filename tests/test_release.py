"""`grade release`: the students' folder; and the README's page for instructors, followed from the top."""

import json
import re
import shutil
import stat
import zipfile

import nbformat
import pytest
from conftest import ROOT, TINY, entries, grade
from pages import blocks, copy_of, shell
from test_notebooks import links

from grader.release import FILES, FOLDERS
from grader.source import assemble

LAB = "01_histograms_logistics"
CLASS = sorted(path.stem for path in (ROOT / "samples" / LAB).glob("*.ipynb"))
SOLVED = {
    "double": "def double(x):\n    return x + x",
    "total": "def total(x):\n    return 2 * x.sum()",
    "draw": "def draw(n, *, generator=None):\n    return torch.rand(n, generator=generator)",
}


@pytest.fixture(scope="module")
def course(tiny, tmp_path_factory):
    """The tiny course with all that a course has beside its notebooks. Read only."""
    folder = copy_of([*FILES, *FOLDERS, "Makefile", "README.md"], tmp_path_factory.mktemp("course") / "course")
    shutil.copytree(tiny, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def own_course(course, tmp_path):
    return shutil.copytree(course, tmp_path / "own")


@pytest.fixture(scope="module")
def students(course, tmp_path_factory):
    """The students' folder of the tiny course, with its zip beside it. Read only."""
    out = tmp_path_factory.mktemp("release") / "students"
    done = grade("release", "--out", out, "--zip", root=course, check=0)
    assert "0 lectures, 1 labs" in done.stdout
    assert "students.zip" in done.stdout
    return out


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def solve(path):
    """Do a lab's tasks in its file, as a student does."""
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if cell["id"] in SOLVED:
            cell["source"] = f"# task: {cell['id']}\n{SOLVED[cell['id']]}"
    path.write_text(json.dumps(notebook))


def test_students_get_what_is_named_and_nothing_else(students):
    top = {*FILES, "README.md", "Makefile", ".release", f"labs/{TINY}.ipynb", f"labs/expected/{TINY}.json"}
    for name in set(files(students)) - top:
        assert name.split("/")[0] in FOLDERS, name
        assert not re.search(r"__pycache__|/\.|\.pyc$", name), name
    assert top <= set(files(students))
    assert set(files(students)) == {".release", *(students / ".release").read_text().split("\n")} - {""}


def strings(value):
    """All texts in a JSON value, keys too."""
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def lines_of(path):
    """The lines of a text file; of a notebook or JSON those of every text in it."""
    data = path.read_bytes()
    if path.suffix in (".safetensors", ".npz", ".png"):
        return set()
    texts = strings(json.loads(data)) if path.suffix in (".ipynb", ".json") else [data.decode()]
    return {line.strip() for text in texts for line in text.splitlines()}


def secrets_of(course):
    """{stem: the lines of its solution that nothing public shows: no lab, no lecture, no code that is given out}."""
    public = [path for folder in ("utils", "grader", "source/lectures") for path in (course / folder).rglob("*.py")]
    shown = {line.strip() for path in public for line in path.read_text().splitlines()}
    solved = {}
    for path in sorted((course / "source" / "labs").glob("*.py")):
        lab, solution = (assemble(path, kind).cells for kind in ("labs", "solutions"))
        shown |= {line.strip() for cell in lab for line in cell.source.splitlines()}
        solved[path.stem] = {line.strip() for cell in solution for line in cell.source.splitlines()}
    return {stem: {line for line in lines - shown if len(line) > 6} for stem, lines in solved.items()}


def test_what_else_lies_in_the_course_stays_at_home(own_course, students, tmp_path):
    (own_course / "utils" / "exam_notes.txt").write_text("question 1")
    (own_course / "grader" / "gradebook.db").write_text("ada: 24")
    (own_course / "utils" / "link.py").symlink_to("/etc/hostname")
    grade("release", "--out", tmp_path / "students", root=own_course, check=0)
    assert files(tmp_path / "students").keys() == files(students).keys()


def test_a_folder_that_cannot_be_written_is_named(course):
    done = grade("release", "--out", "/proc/students", root=course, check=2)
    assert "cannot write to --out /proc/students" in done.stderr


def test_no_line_of_a_solution_is_in_any_file_that_students_get(students, course):
    secrets = secrets_of(course)[TINY]
    assert {"answer = SCALE * x", "return double(x).sum()"} <= secrets
    for name, path in files(students).items():
        assert not lines_of(path) & secrets, name


def test_no_line_of_a_real_solution_is_in_the_real_release(tmp_path):
    grade("release", "--out", tmp_path / "students", check=0)
    given = files(tmp_path / "students")
    secrets = secrets_of(ROOT)
    assert len(secrets) == sum(name.startswith("labs/") and name.endswith(".ipynb") for name in given)
    lines = {name: lines_of(path) for name, path in given.items()}
    for stem in secrets:
        assert len(secrets[stem]) > 20, stem
        assert {name: found for name in given if (found := lines[name] & secrets[stem])} == {}, stem
    assert [name for name in given if re.match(r"(solutions|source|tests|samples|docs)/", name)] == []
    for name in given:
        if name.startswith("labs/expected/"):
            for check in json.loads(given[name].read_text())["checks"].values():
                assert set(check) == {"task", "points", "values"}
                for value in check["values"].values():
                    assert set(value) == {"shape", "data", "rtol", "atol", "hint"}
        if name.endswith((".ipynb", ".md")) and not name.startswith("grader/"):
            for text, target in links(given[name]):
                there = (given[name].parent / target.partition("#")[0]).resolve()
                assert there.exists() or there.name == "START.md", f"{name}: [{text}]({target})"


def test_the_same_course_gives_the_same_bytes(course, students, tmp_path):
    command = f"umask 077; .venv/bin/grade release --out {tmp_path}/students --zip"
    assert "students.zip" in shell(course, command, COURSE_ROOT=str(course))
    assert (tmp_path / "students.zip").read_bytes() == students.with_name("students.zip").read_bytes()
    for name, path in files(students).items():
        assert (tmp_path / "students" / name).read_bytes() == path.read_bytes(), name


def test_a_program_stays_one_in_folder_and_zip(own_course, tmp_path):
    (own_course / "utils" / "run.py").write_text("#!/usr/bin/env python3\n")
    (own_course / "utils" / "run.py").chmod(0o700)
    grade("release", "--out", tmp_path / "out", "--zip", root=own_course, check=0)
    assert stat.S_IMODE((tmp_path / "out" / "utils" / "run.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out" / "Makefile").stat().st_mode) == 0o644
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.getinfo("out/utils/run.py").external_attr >> 16 == stat.S_IFREG | 0o755


def test_a_folder_of_somebody_elses_is_left_alone(course, tmp_path):
    (tmp_path / "thesis.tex").write_text("two years of work")
    done = grade("release", "--out", tmp_path, root=course, check=2)
    assert "is not empty and no release" in done.stderr
    assert set(files(tmp_path)) == {"thesis.tex"}


def test_a_release_is_brought_up_to_date_and_what_is_not_ours_stays(course, students, tmp_path):
    out = shutil.copytree(students, tmp_path / "out")
    for name in (".git/HEAD", "notes.md"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    (out / "utils" / "old.py").write_text("of the last release")
    with (out / ".release").open("a") as file:
        file.write("utils/old.py\n")
    (out / "Makefile").write_text("broken")
    grade("release", "--out", out, root=course, check=0)
    assert set(files(out)) - set(files(students)) == {".git/HEAD", "notes.md"}
    assert (out / "Makefile").read_bytes() == (students / "Makefile").read_bytes()


def test_a_lab_that_somebody_solved_in_its_place_does_not_go_out(own_course, tmp_path):
    solve(own_course / "labs" / f"{TINY}.ipynb")
    done = grade("release", "--out", tmp_path / "out", root=own_course, check=2)
    assert f"labs/{TINY}.ipynb: edited by hand" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_link_to_what_is_not_given_out_goes_and_its_words_stay(own_course, tmp_path):
    source = own_course / "source" / "labs" / f"{TINY}.py"
    old = "A lab that runs in a moment."
    new = f"{old} See [the answer](../solutions/{TINY}.ipynb#total), [terms](../GLOSSARY.md) and [torch](https://pytorch.org)."
    source.write_text(source.read_text().replace(old, new))
    grade("build", root=own_course, check=0)
    grade("release", "--out", tmp_path / "out", root=own_course, check=0)
    title = nbformat.read(tmp_path / "out" / "labs" / f"{TINY}.ipynb", as_version=4).cells[0].source
    assert "See the answer, [terms](../GLOSSARY.md) and [torch](https://pytorch.org)." in title
    assert "solutions" not in title
    assert "colab.research.google.com" in title


def test_make_has_the_targets_that_work_in_the_students_folder(students):
    lab = shell(students, "make -n lab NO_BROWSER=1 PYTHON=python3")
    assert "grader/install.py" in lab
    assert "jupyter lab" in lab
    for target in ("test", "grade", "notebooks", "site"):
        assert "No rule to make target" in shell(students, f"make -n {target}")
        assert f"# make {target}" not in (students / "Makefile").read_text()
    assert "make clean" in (students / "Makefile").read_text()


def test_the_packages_files_are_all_there(students):
    """What `pip install -e .` reads in the real release, whose pyproject.toml is the course's."""
    project = (ROOT / "pyproject.toml").read_text()
    for name in re.findall(r'"(README\.md|LICENSE[\w-]*|NOTICE|(?:grader|utils)/[\w./-]+)"', project):
        assert (students / name).exists(), name


def test_the_front_page_is_for_students(students):
    text = (students / "README.md").read_text()
    assert f"[do](labs/{TINY}.ipynb), 3 min, 6 points" in text
    assert "## For students" in text
    assert "instructor" not in text.lower()


def test_a_check_in_the_students_folder_says_the_same_as_in_the_course(students, course, tmp_path):
    """The folder's own grader, without solutions and sources; and `grade run` says there what it lacks."""
    out = shutil.copytree(students, tmp_path / "mine")
    solve(out / "labs" / f"{TINY}.ipynb")
    here = {"COURSE_ROOT": "", "PYTHONPATH": str(out)}
    mine = grade("check", f"labs/{TINY}.ipynb", root=out, check=0, **here)
    assert mine.stdout == grade("check", out / "labs" / f"{TINY}.ipynb", root=course, check=0).stdout
    assert mine.stdout.endswith("6 of 6 points\n")
    done = grade("run", "90", "labs", root=out, check=2, **here)
    assert f"there is no solutions/{TINY}.ipynb" in done.stderr
    assert "the full course" in done.stderr


def repository(students, folder, *others):
    """A student's repository, made from the template: the release, with `others` as the notebooks of more topics."""
    shutil.copytree(students, folder, ignore=shutil.ignore_patterns("data", "grader"))
    for kind, topic in others:
        (folder / kind).mkdir(exist_ok=True)
        notebook = nbformat.v4.new_notebook(metadata={"course": {"kind": kind, "topic": topic}})
        notebook.cells = [nbformat.v4.new_code_cell('print(\'{"kind": "labs", "topic": "90_tiny"}\')')]
        nbformat.write(notebook, folder / kind / f"{topic}.ipynb")
    return folder


@pytest.fixture(scope="module")
def classroom(students, tmp_path_factory):
    """A class as `gh classroom clone student-repos` leaves it: SLUG-submissions/SLUG-USER, each a repository."""
    folder = tmp_path_factory.mktemp("classroom") / "lab-90-submissions"
    course = [(kind, f"{n:02}_topic") for n in range(14) for kind in ("lectures", "labs")]
    ada = repository(students, folder / "lab-90-ada", *course, ("lectures", TINY))
    solve(ada / "labs" / f"{TINY}.ipynb")
    bo = repository(students, folder / "lab-90-bo", ("lectures", TINY))
    path = bo / "labs" / f"{TINY}.ipynb"
    solve(path)
    notebook = json.loads(path.read_text())
    del notebook["metadata"]["course"]  # as Colab saves
    path.write_text(json.dumps(notebook))
    (bo / "helpers.py").write_text("x = 1\n")
    cy = repository(students, folder / "lab-90-cy", *course[:6])
    (cy / "labs" / f"{TINY}.ipynb").unlink()
    return folder


def test_students_repositories_are_graded_by_the_course_that_has_the_solutions(classroom, course, tmp_path):
    grade("run", "90", classroom, "--out", tmp_path, root=course, check=1)
    found = entries(tmp_path)
    assert {name: entry["points"] for name, entry in found.items()} == {"ada": 6, "bo": 6, "cy": 0}
    assert found["ada"]["notes"] == []
    assert found["bo"]["notes"] == ["left out beside the notebook: lab-90-bo/helpers.py"]
    assert "6 notebooks of this course, none of them lab 90_tiny" in found["cy"]["notes"][-1]


def instructors_page():
    text = (ROOT / "README.md").read_text()
    return re.search(r"^## For instructors\n(.*?)^## ", text, re.M | re.S)[1]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """(the course's folder, [(command, what it said)]) of the README's page for instructors, with topic 01 only."""
    parts = [f"{kind}/{LAB}.{end}" for kind, end in (("source/lectures", "py"), ("source/labs", "py"))]
    parts += [f"{kind}/{LAB}.ipynb" for kind in ("lectures", "labs", "solutions")]
    parts += [
        f"labs/expected/{LAB}.json",
        f"samples/{LAB}",
        "samples/roster.csv",
        f"tests/answers/{LAB}",
        "Makefile",
        "README.md",
    ]
    course = copy_of([*FILES, *FOLDERS, *parts], tmp_path_factory.mktemp("instructor") / "course")
    lecture = course / "lectures" / f"{LAB}.ipynb"  # the only one here has no next one
    lecture.write_text(re.sub(r" · \[Next lecture\]\([^)]*\)", "", lecture.read_text()))
    commands = [line for about, body in blocks(instructors_page()) if not about for line in body.splitlines()]
    assert len(commands) >= 6
    said = [(command, shell(course, command, OMP_NUM_THREADS="1")) for command in commands]
    if any("cannot be isolated" in text for _, text in said):
        pytest.skip("submissions cannot be isolated here (no bubblewrap?), so the page's `grade run` refuses")
    return course, said


def test_every_command_of_the_instructors_page_works(followed):
    for command, said in followed[1]:
        assert not re.search(r"^(grade: |usage: |Traceback|bash: )", said, re.M), f"{command}\n{said}"


def test_at_the_end_of_the_page_there_is_a_graded_class(followed):
    course, _ = followed
    assert set(entries(course / "grades" / "01")) == set(CLASS)
    pages = {path.stem for path in (course / "grades" / "01" / "students").glob("*.html")}
    assert pages == set(CLASS)
    for name in ("canvas.csv", "points.csv"):
        text = (course / "grades" / "01" / name).read_text()
        assert all(student in text for student in CLASS), name
    (change,) = entries(course / "grades" / "01")["bruno"]["manual"]
    assert (change["task"], change["points"]) == ("kl_bits", 2)


def test_the_stamp_is_in_what_students_get(followed):
    given = followed[0].parent / "students-course"
    for name in (f"labs/{LAB}.ipynb", f"lectures/{LAB}.ipynb"):
        text = (given / name).read_text()
        assert "github/your-name/students-course/blob/main" in text
        assert "deep-generative-course" not in text
    assert given.with_name("students-course.zip").is_file()
