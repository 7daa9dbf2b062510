"""`grade run` through its own door: hand-ins of every kind, in one class, on a course of three tasks."""

import json
import os
import stat
import zipfile

import pytest
from conftest import TINY, entries, grade, verdicts

RIGHT = {
    "double": "def double(x):\n    return x + x",
    "total": "def total(x):\n    return sum(2 * float(v) for v in x)",
    "draw": "def draw(n, *, generator=None):\n    return torch.rand(n + 1, generator=generator)[1:]",
}
FULL = {"double-1": "pass", "double-2": "pass", "total-1": "pass", "draw-1": "pass"}


def lab(course):
    return json.loads((course / "labs" / f"{TINY}.ipynb").read_text())


def cell(notebook, cell_id):
    return next(c for c in notebook["cells"] if c["id"] == cell_id)


def answer(notebook, task, text):
    cell(notebook, task)["source"] = f"# task: {task}\n{text}"
    return notebook


def solved(course, **changes):
    """The lab with right answers, less the changes."""
    notebook = lab(course)
    for task, text in {**RIGHT, **changes}.items():
        answer(notebook, task, text)
    return notebook


def without_ids(notebook):
    for c in notebook["cells"]:
        del c["id"]
        c["metadata"] = {}
    notebook["nbformat_minor"] = 0
    return notebook


def nbformat_3(notebook):
    cells = []
    for c in notebook["cells"]:
        code = {"cell_type": "code", "language": "python", "collapsed": False, "outputs": [], "metadata": {}}
        text = {"cell_type": "markdown", "metadata": {}, "source": c["source"]}
        cells.append({**code, "input": c["source"]} if c["cell_type"] == "code" else text)
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


def as_markdown(notebook, task):
    c = cell(notebook, task)
    c["cell_type"] = "markdown"
    del c["outputs"], c["execution_count"]
    return notebook


def deleted(notebook, *ids):
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] not in ids]
    return notebook


def extra(notebook, before, source):
    at = [c["id"] for c in notebook["cells"]].index(before)
    new = {
        "cell_type": "code",
        "id": f"x{at}",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    notebook["cells"].insert(at, new)
    return notebook


def doubled(notebook):
    """Every task's cell copied below itself, ids and all."""
    notebook["cells"] = [c for c in notebook["cells"] for _ in range(2 if "task" in str(c["metadata"]) else 1)]
    return notebook


def forged(notebook):
    """Publishes under every check's names what it likes, and edits the checks to pass."""
    for c in notebook["cells"]:
        if c["metadata"].get("course", {}).get("role") == "check":
            c["source"] = 'begin_check("double-1")\ncheck(doubled=[2.0] * 5, total=0.0)'
    return answer(notebook, "double", "def double(x):\n    return x * 0 + 2")


LOOP = "def double(x):\n    while True:\n        pass"
EXIT = "import os\nos._exit(3)"
PRINT = "for _ in range(200):\n    print('x' * 1_000_000)\ndef draw(n, *, generator=None):\n    return torch.rand(n)"
HOG = "hog = bytearray(2**36)\ndef total(x):\n    return 2 * x.sum()"
BROKEN_DOUBLE = {"double-1": "fail", "double-2": "fail", "total-1": "pass", "draw-1": "pass"}
NONE = dict.fromkeys(FULL, "missing")
JUNK = {"status": "corrupt", "points": 0}

# student: (what is handed in, points, verdicts)
CLASS = {
    "untouched": (lab, 0, dict.fromkeys(FULL, "error")),
    "right": (solved, 6, FULL),
    "wrong-double": (lambda c: solved(c, double="def double(x):\n    return 3 * x"), 3, BROKEN_DOUBLE),
    "half-double": (
        lambda c: solved(c, double="def double(x):\n    return 2 * x + 1"),
        4,
        {**BROKEN_DOUBLE, "double-2": "partial"},
    ),
    "uses-double": (
        lambda c: solved(c, double="def double(x):\n    return x", total="def total(x):\n    return double(x).sum()"),
        3,
        BROKEN_DOUBLE,
    ),
    "syntax-error": (lambda c: solved(c, total="def total(x:"), 4, {**FULL, "total-1": "error"}),
    "raises": (lambda c: solved(c, total="def total(x):\n    raise KeyError('no')"), 4, {**FULL, "total-1": "error"}),
    "none": (lambda c: solved(c, total="def total(x):\n    return None"), 4, {**FULL, "total-1": "fail"}),
    "wrong-shape": (
        lambda c: solved(c, total="def total(x):\n    return double(x).sum().repeat(2)"),
        4,
        {**FULL, "total-1": "fail"},
    ),
    "no-ids": (lambda c: without_ids(solved(c)), 6, FULL),
    "nbformat-3": (lambda c: nbformat_3(solved(c)), 6, FULL),
    "duplicated": (lambda c: doubled(solved(c)), 6, FULL),
    "stub-copied-below": (lambda c: extra(solved(c), "total", lab_stub(c, "double")), 6, FULL),
    "deleted-task": (
        lambda c: deleted(solved(c), "double"),
        3,
        {**BROKEN_DOUBLE, "double-1": "missing", "double-2": "missing"},
    ),
    "deleted-checks": (lambda c: deleted(solved(c), "double-check-1", "total-check-1", "setup", "open-lab"), 6, FULL),
    "deleted-imports": (lambda c: deleted(solved(c), "tiny-code-1"), 6, FULL),
    "own-cell": (lambda c: extra(deleted(solved(c), "double"), "total", RIGHT["double"]), 6, FULL),
    "helper": (
        lambda c: extra(
            solved(c, double="def double(x):\n    return twice(x)"), "double", "def twice(x):\n    return x * 2"
        ),
        6,
        FULL,
    ),
    "shadows": (lambda c: extra(solved(c), "double-check-1", "check = fresh = begin_check = 3"), 6, FULL),
    "markdown-task": (
        lambda c: as_markdown(solved(c), "double"),
        3,
        {**BROKEN_DOUBLE, "double-1": "missing", "double-2": "missing"},
    ),
    "endless-call": (
        lambda c: solved(c, double=LOOP),
        3,
        {**BROKEN_DOUBLE, "double-1": "timeout", "double-2": "timeout"},
    ),
    "leans-on-endless": (
        lambda c: solved(c, double=LOOP, total="def total(x):\n    return double(x).sum()"),
        3,
        {**BROKEN_DOUBLE, "double-1": "timeout", "double-2": "timeout"},
    ),
    "endless-cell": (lambda c: extra(solved(c), "double", "while True:\n    pass"), 6, FULL),
    "exits": (lambda c: solved(c, double=EXIT), 3, {**BROKEN_DOUBLE, "double-1": "died", "double-2": "died"}),
    "prints-200-mb": (lambda c: solved(c, draw=PRINT), 5, {**FULL, "draw-1": "flood"}),
    "wants-64-gib": (lambda c: solved(c, total=HOG), 4, {**FULL, "total-1": "memory"}),
    "forged": (lambda c: forged(solved(c)), 3, BROKEN_DOUBLE),
    "replaces-isclose": (
        lambda c: extra(solved(c, total="def total(x):\n    return 0.0"), "total-check-1", CHEAT),
        4,
        {**FULL, "total-1": "fail"},
    ),
}
CHEAT = (
    "import numpy, utils.checks\nutils.checks._now.seed = 0\n"
    "numpy.isclose = utils.checks.compare = lambda *a, **k: (True, '')"
)
CORRUPT = {
    "empty": b"",
    "not-json": b"{'cells': []}",
    "not-a-notebook": b'{"worksheet": 3}',
    "a-list": b"[1, 2]",
    "a-lecture": b'{"cells": [], "metadata": {"course": {"kind": "lectures", "topic": "90_tiny"}}}',
    "another-lab": b'{"cells": [], "metadata": {"course": {"kind": "labs", "topic": "91_other"}}}',
    "latin-1": '{"cells": "\xe4"}'.encode("latin-1"),
    "deep": b"[" * 100_000,
}


def lab_stub(course, task):
    return "".join(cell(lab(course), task)["source"])


@pytest.fixture(scope="module")
def folder(tiny, once):
    """The class as a folder of notebooks, one with a folder of its own."""
    return once("class", lambda path: write_class(tiny, path))


def write_class(course, path):
    path.mkdir()
    for student, (make, *_) in CLASS.items():
        (path / f"{student}.ipynb").write_text(json.dumps(make(course)))
    for student, data in CORRUPT.items():
        (path / f"{student}.ipynb").write_bytes(data)
    (path / "right").mkdir()
    (path / "right.ipynb").rename(path / "right" / "whatever.ipynb")


@pytest.fixture(scope="module")
def out(tiny, folder, once):
    return once("class-out", lambda out: grade_folder(tiny, folder, out))


def grade_folder(course, folder, out):
    done = grade("run", "90", folder, "--out", out, "--timeout", "8", root=course, check=1)
    assert f"report: {out}/index.html" in done.stdout


@pytest.mark.parametrize("student", CLASS)
def test_every_hand_in_gets_its_verdicts_and_points(out, student):
    entry = entries(out)[student]
    _, points, expected = CLASS[student]
    assert (verdicts(entry), entry["points"]) == (expected, points)
    assert (entry["status"], entry["max"]) == ("graded", 6)


@pytest.mark.parametrize("student", CORRUPT)
def test_what_is_no_notebook_is_told_and_costs_nobody_else(out, student):
    entry = entries(out)[student]
    assert entry["status"] == "corrupt"
    assert entry["points"] == 0
    assert len(entry["checks"]) == 4
    assert entry["notes"]


def test_grades_json_has_the_fields_that_were_promised(out):
    grades = json.loads((out / "grades.json").read_text())
    assert grades["schema"] == 1
    assert grades["lab"] == TINY
    assert isinstance(grades["seed"], int)
    assert grades["sandbox"]
    assert len(grades["submissions"]) == len(CLASS) + len(CORRUPT)
    entry = next(e for e in grades["submissions"] if e["student"] == "uses-double")
    assert {"student", "file", "status", "points", "max", "seconds", "notes", "checks", "sandbox", "seed"} <= set(entry)
    rows = {row["check"]: row for row in entry["checks"]}
    assert {"task", "check", "points", "max", "verdict", "graded", "message", "seconds"} <= set(rows["total-1"])
    assert (rows["double-1"]["graded"], rows["total-1"]["graded"]) == ("own", "alone")


def test_partial_credit_is_the_share_of_right_values(out):
    rows = {row["check"]: row for row in entries(out)["half-double"]["checks"]}
    assert (rows["double-2"]["points"], rows["double-2"]["max"]) == (1, 2)
    assert [value["right"] for value in rows["double-2"]["values"]] == [False, True]


def test_a_run_with_the_solution_in_it_shows_nothing_of_what_it_printed(out):
    for entry in entries(out).values():
        assert all(row["message"] == "" for row in entry["checks"] if row["graded"] == "alone")


def test_csv_has_a_line_a_student(out):
    lines = (out / "grades.csv").read_text().splitlines()
    assert lines[0] == "student,points,max,double,total,draw,status,file,attempts,late,penalty,by_hand"
    assert len(lines) == 1 + len(CLASS) + len(CORRUPT)
    assert "half-double,4.0,6.0,1.0,2.0,1.0,graded,half-double.ipynb,1,0,0.0," in lines


def test_pages_name_every_student_and_every_hint(out):
    index = (out / "index.html").read_text()
    for student in [*CLASS, *CORRUPT]:
        assert f'<a href="students/{student}.html"><bdi>{student}</bdi></a>' in index
        assert (out / "students" / f"{student}.html").is_file()
    assert "half or double?" in (out / "students" / "wrong-double.html").read_text()
    assert "KeyError: &#39;no&#39;" in (out / "students" / "raises.html").read_text()


def test_nothing_is_left_behind(tiny, tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "eve.ipynb").write_text(json.dumps(solved(tiny, double=LOOP, draw=EXIT)))
    arguments = ("--out", tmp_path / "out", "--timeout", "2", "--jobs", 2)
    grade("run", "90", tmp_path / "eve.ipynb", *arguments, root=tiny, check=0, TMPDIR=str(tmp_path / "tmp"))
    assert os.listdir(tmp_path / "tmp") == []
    assert [pid for pid in os.listdir("/proc") if pid.isdigit() and str(tmp_path) in _environment(pid)] == []


def _environment(pid):
    try:
        with open(f"/proc/{pid}/environ") as file:
            return file.read()
    except OSError:
        return ""


def test_same_seed_same_points_cold_or_warm_from_a_zip(tiny, tmp_path):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(
            "ben.ipynb", json.dumps(solved(tiny, draw="def draw(n, *, generator=None):\n    return torch.rand(n)"))
        )
        archive.writestr("cleo/lab.ipynb", json.dumps(solved(tiny, total="def total(x):\n    return x.sum()")))
        archive.writestr("../../evil/x.ipynb", "{}")
        archive.writestr("__MACOSX/._ben.ipynb", "junk")
    seen = []
    for kernel in ("warm", "cold"):
        arguments = ("--out", tmp_path / kernel, "--seed", 11, "--kernel", kernel, "--jobs", 1)
        grade("run", "90", tmp_path / "class.zip", *arguments, root=tiny, check=1)
        seen.append({name: (entry["points"], verdicts(entry)) for name, entry in entries(tmp_path / kernel).items()})
    assert seen[0] == seen[1]
    graded = {
        name: points for name, (points, _) in seen[0].items() if entries(tmp_path / "warm")[name]["status"] == "graded"
    }
    assert graded == {"ben": 6, "cleo": 4}
    (refused,) = (entry for entry in entries(tmp_path / "warm").values() if entry["status"] == "corrupt")
    assert "leads out" in refused["notes"][-1] or ".." in refused["notes"][-1]
    assert not (tmp_path.parent.parent / "evil").exists()


def test_a_new_seed_is_drawn_for_each_run(tiny, tmp_path):
    (tmp_path / "ada.ipynb").write_text(json.dumps(lab(tiny)))
    seeds = set()
    for n in range(2):
        grade("run", "90", tmp_path / "ada.ipynb", "--out", tmp_path / str(n), root=tiny, check=0)
        seeds.add(json.loads((tmp_path / str(n) / "grades.json").read_text())["seed"])
    assert len(seeds) == 2


def test_typed_in_answers_of_seed_0_score_nothing(tiny, tmp_path):
    expected = json.loads((tiny / "labs" / "expected" / f"{TINY}.json").read_text())["checks"]
    typed = expected["total-1"]["values"]["total"]["data"][0]
    (tmp_path / "eve.ipynb").write_text(json.dumps(solved(tiny, total=f"def total(x):\n    return {typed}")))
    grade("run", "90", tmp_path / "eve.ipynb", "--out", tmp_path, root=tiny, check=0)
    assert entries(tmp_path)["eve"]["points"] == 4


HAS_GPU = any(name.startswith("nvidia") for name in os.listdir("/dev"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("17", "{folder}"), "there is no topic '17'; expected one of 90_tiny"),
        (("90", "{folder}/none"), "there is no {folder}/none; expected a notebook, a folder of notebooks, or a zip"),
        (("90", "{empty}"), "no .ipynb in {empty}"),
        (("90", "{folder}", "--out", "{file}/out"), "cannot write to --out {file}/out: Not a directory"),
        (("90", "{folder}", "--timeout", "-3"), "expected seconds above 0, got '-3'"),
        (("90", "{folder}", "--jobs", "0"), "expected a whole number above 0, got '0'"),
        pytest.param(
            ("90", "{folder}", "--gpu", "--out", "{file}-out"),
            "--gpu: there is no /dev/nvidia* on this machine",
            marks=pytest.mark.skipif(HAS_GPU, reason="there is a GPU"),
        ),
    ],
)
def test_wrong_usage_is_one_clear_line_and_exit_2(tiny, folder, tmp_path, arguments, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    names = {"folder": folder, "empty": tmp_path / "empty", "file": tmp_path / "file"}
    done = grade("run", *(a.format(**names) for a in arguments), root=tiny, check=2)
    assert told.format(**names) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tiny / "grades").exists()


NO_START = [
    (("--deadline", "soon"), "--deadline 'soon'"),
    (("--late-penalty", "400"), "--late-penalty 400"),
    (("--seed", str(2**70)), "at most 63 bits"),
    (("--scheduler", "nowhere"), "expected an address"),
    (("--gpu", "--kernel", "warm"), "--gpu"),
]


@pytest.mark.parametrize(("arguments", "told"), NO_START)
def test_a_run_that_cannot_start_leaves_nothing(tiny, folder, tmp_path, arguments, told):
    out = tmp_path / "deep" / "out"
    done = grade("run", "90", folder, "--out", out, *arguments, root=tiny, check=2)
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_gradebook_beside_the_reports_may_be_named(tiny, tmp_path):
    (tmp_path / "ada.ipynb").write_text(json.dumps(solved(tiny)))
    out = tmp_path / "deep" / "out"
    grade("run", "90", tmp_path / "ada.ipynb", "--out", out, "--db", f"sqlite:///{out}/x.db", root=tiny, check=0)
    assert {path.name for path in out.iterdir()} >= {"x.db", "grades.csv", "students"}


def test_a_run_that_cannot_start_changes_no_rule(tiny, tmp_path):
    (tmp_path / "ada.ipynb").write_text(json.dumps(solved(tiny)))
    arguments = ("run", "90", tmp_path / "ada.ipynb", "--out", tmp_path / "out")
    grade(*arguments, root=tiny, check=0)
    answer(notebook := solved(tiny), "double", "def double(x):\n    return x")
    (tmp_path / "ada.ipynb").write_text(json.dumps(notebook))
    strict = ("--deadline", "2020-01-01T00:00", "--late-penalty", 100)
    grade(*arguments, *strict, "--scheduler", "nowhere", root=tiny, check=2)
    grade("report", "90", "--from", tmp_path / "out", root=tiny, check=0)
    assert entries(tmp_path / "out")["ada"]["points"] == 6


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_a_folder_without_write_permission_is_told(tiny, folder, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "cannot write" in grade("run", "90", folder, "--out", tmp_path / "out", root=tiny, check=2).stderr


def test_names_from_a_submission_are_escaped(tiny, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    notebook = solved(tiny, total="def total(x):\n    raise ValueError('<script>alert(2)</script>')")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "in" / "=cmd.ipynb").write_text("{}")
    grade("run", "90", tmp_path / "in", "--out", tmp_path / "out", root=tiny, check=1)
    pages = [page.read_text() for page in (tmp_path / "out").rglob("*.html")]
    assert len(pages) == 3
    assert not any("<img" in page or "<script>alert" in page for page in pages)
    assert any("&lt;script&gt;alert(2)" in page for page in pages)
    assert "\n'=cmd,0.0" in (tmp_path / "out" / "grades.csv").read_text()
