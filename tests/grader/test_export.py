"""What leaves the grader for Canvas, Moodle, Gradescope and CI, held against the field lists that they publish."""

import csv
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
from conftest import TINY, grade
from hypothesis import given
from hypothesis import strategies as st

from grader import export, gradescope
from grader.course import CourseError
from grader.gradebook import Gradebook

# Typed from https://github.com/instructure/canvas-lms/blob/master/lib/gradebook_importer.rb, header? in it
CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
# Typed from https://github.com/moodle/moodle/blob/main/mod/assign/gradingtable.php and lang/en/assign.php
MOODLE = ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
          "Last modified (submission)", "Last modified (grade)", "Feedback comments"]  # fmt: skip
# Typed from https://gradescope-autograders.readthedocs.io/en/latest/specs/: field -> types
RESULTS = {"score": (int, float), "execution_time": (int, float), "output": str, "output_format": str,
           "test_output_format": str, "test_name_format": str, "visibility": str, "stdout_visibility": str,
           "extra_data": dict, "tests": list, "leaderboard": list}  # fmt: skip
TEST = {"score": (int, float), "max_score": (int, float), "status": str, "name": str, "name_format": str,
        "number": str, "output": str, "output_format": str, "tags": list, "visibility": str,
        "extra_data": dict}  # fmt: skip
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBLE = {"hidden", "after_due_date", "after_published", "visible"}
# Typed from junit-10.xsd of https://github.com/jenkinsci/xunit-plugin: element -> (required, optional, children)
JUNIT = {
    "testsuites": ("", "name time tests failures errors", "testsuite"),
    "testsuite": ("name tests failures errors", "group time skipped timestamp hostname id package file log url",
                  "testsuite properties testcase system-out system-err"),
    "properties": ("", "", "property"),
    "property": ("name value", "", ""),
    "testcase": ("name", "time classname group", "skipped error failure system-out system-err"),
    "failure": ("", "type message", ""),
    "error": ("", "type message", ""),
    "skipped": ("", "type message", ""),
}  # fmt: skip
HOSTILE = '=HYPERLINK("http://x","y")\x00\x1b[31m\r\n</testcase>&]]>\u202e\ud800\ufffe;=1+1'


def row(task, number, points, verdict, message="", graded="own"):
    value = {"name": "y", "right": not message, "message": "shape (3,), expected (3, 4)", "hint": "transposed?",
             "got": [3], "expected": [3, 4], "sample": [0.125, "nan"]}  # fmt: skip
    return {"task": task, "check": f"{task}-{number}", "points": points, "max": 2.0, "verdict": verdict,
            "graded": graded, "message": message, "seconds": 0.25, "values": [value]}  # fmt: skip


def entry(student, points=2.0, status="graded", **more):
    verdict = "pass" if points == 2 else "fail"
    checks = [row("mask", 1, points, verdict, "" if points == 2 else "it broke"), row("draw", 1, 0.5, "partial", "x")]
    return {"student": student, "file": f"{student}.ipynb", "status": status, "points": points + 0.5, "max": 4.0,
            "seconds": 1.5, "notes": [], "seed": 7, "sandbox": "none", "handed_in": None,
            "digest": ascii(student), "master": "m", "code": {}, "checks": checks, **more}  # fmt: skip


def grades(*entries):
    return {"schema": 1, "lab": "90_tiny", "seed": 7, "sandbox": "none", "submissions": list(entries)}


def table(text):
    return list(csv.reader(io.StringIO(text)))


def roster(tmp_path, text, system):
    path = tmp_path / f"{system}.csv"
    path.write_text(text, encoding="utf-8")
    return export.read_roster(path, system)


FROM_CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Old lab (77),90_tiny (4711),Final Score
    Points Possible,,,,,10,4,(read only)
"Lovelace, Ada",101,S1,ada@uni.edu,A,9,,80
"Núñez, José",102,S2,jn2,A,9,,80
"Doe, Jane",103,S3,jd3,A,9,,80
"Doe, Jane",104,S4,jd4,B,9,,80
"Student, Test",105,,x9,B,,,
"""

FROM_MOODLE = """\
\ufeffIdentifier,"Full name","Email address",Status,Group,Grade,"Maximum Grade","Grade can be changed",\
"Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 900001","Ada Lovelace",ada@uni.edu,"Submitted for grading",G1,,4.00,Yes,\
"Monday, 2 November 2026, 9:15 AM",-,
"Participant 900002","José Núñez",jn@uni.edu,"Submitted for grading",G1,1.00,4.00,Yes,-,"3 November 2026","well, done
he said"
"Participant 900003","Grace Hopper",gh@uni.edu,"No submission",G2,,4.00,Yes,-,-,"90_tiny: mask: 0 of 2"
"""


def test_canvas_gets_its_columns_and_a_row_of_points():
    done = export.canvas(grades(entry("ada"), entry("Doe Jane", 0.0, ids={"canvas": "103"})))
    assert table(done.text) == [
        [*CANVAS, "90_tiny"],
        ["    Points Possible", "", "", "", "", "4"],
        ["ada", "", "", "ada", "", "2.5"],
        ["Doe Jane", "103", "", "", "", "0.5"],
    ]
    assert done.left_out == []


def test_canvas_roster_gives_ids_and_the_assignments_own_column(tmp_path):
    rows = roster(tmp_path, FROM_CANVAS, "canvas")
    done = export.canvas(
        grades(entry("ADA@uni.edu"), entry("Jose Nunez", 1.0), entry("x", ids={"canvas": "104"})), rows
    )
    assert table(done.text) == [
        [*CANVAS, "90_tiny (4711)"],
        ["    Points Possible", "", "", "", "", "4"],
        ["Lovelace, Ada", "101", "S1", "ada@uni.edu", "A", "2.5"],
        ["Núñez, José", "102", "S2", "jn2", "A", "1.5"],
        ["Doe, Jane", "104", "S4", "jd4", "B", "2.5"],
    ]
    assert done.left_out == []
    assert done.notes == ["1 of 4 in the roster have no grade here and are left as they are"]  # Canvas's test student


def test_points_are_scaled_to_the_maximum_that_the_assignment_has(tmp_path):
    rows = roster(tmp_path, FROM_CANVAS, "canvas")
    done = export.canvas(grades(entry("ada@uni.edu")), rows, column="Old lab")
    assert [line[-1] for line in table(done.text)] == ["Old lab (77)", "10", "6.25"]
    assert any("scaled" in note for note in done.notes)
    with pytest.raises(CourseError, match="has no column 'Lab 9'; expected one of: Old lab, 90_tiny"):
        export.canvas(grades(entry("ada")), rows, column="Lab 9")


@pytest.mark.parametrize(
    ("students", "why"),
    [
        ([entry("nobody")], "nobody in the roster has this name or login"),
        ([entry("Jane Doe")], "2 in the roster fit: Doe, Jane 103; Doe, Jane 104"),
        ([entry("jd3"), entry("S3")], "one of 2 for the same student"),
        (
            [entry("jn2", ids={"canvas": "999"})],
            "no ID 999 in the roster",
        ),  # Canvas says who it is: no name counts
        ([entry("jd3", status="failed", notes=["the grader failed"])], "not graded, the grader failed"),
    ],
)
def test_who_fits_nobody_in_the_roster_is_told_and_not_written(tmp_path, students, why):
    done = export.canvas(grades(*students), roster(tmp_path, FROM_CANVAS, "canvas"))
    assert len(done.left_out) == len(students)
    assert all(why in line and student["file"] in line for line, student in zip(done.left_out, students, strict=True))
    assert len(table(done.text)) == 2


def test_moodle_gets_its_worksheet():
    done = export.moodle(grades(entry("Ada", ids={"moodle": "900001"}), entry("bob")))
    head, *rows = table(done.text)
    assert head == MOODLE
    feedback = "90_tiny: mask: 2 of 2; draw: 0.5 of 2"
    assert rows == [["Participant 900001", "Ada", "", "", "2.5", "4", "Yes", "", "", feedback]]
    assert len(done.left_out) == 1
    assert "bob" in done.left_out[0]


def test_moodle_roster_comes_back_with_grades_and_a_teachers_comment_stays(tmp_path):
    late = {
        "late": {"days": 2, "penalty": 1.5},
        "manual": [{"task": "draw", "points": 2.0, "comment": "fine", "author": "t"}],
    }
    rows = roster(tmp_path, FROM_MOODLE, "moodle")
    done = export.moodle(
        grades(entry("ada@uni.edu", **late), entry("joseNUNEZ"), entry("g", ids={"moodle": "900003"})), rows
    )
    head, *written = table(done.text)
    assert head == [*MOODLE[:4], "Group", *MOODLE[4:]]
    ada, jose, grace = (dict(zip(head, line, strict=True)) for line in written)
    before = {line["Identifier"]: line for line in rows}
    assert [line["Grade"] for line in (ada, jose, grace)] == ["2.5", "2.5", "2.5"]
    assert (
        "mask: 2 of 2; draw: 2 of 2; 1.5 points off: 2 days late; draw set to 2 points by hand: fine"
        in (ada["Feedback comments"])
    )
    assert jose["Feedback comments"] == before["Participant 900002"]["Feedback comments"]
    assert grace["Feedback comments"].startswith("90_tiny: mask: 2 of 2")
    for line in (ada, jose, grace):
        same = before[line["Identifier"]]
        assert all(line[name] == same[name] for name in head if name not in ("Grade", "Feedback comments"))


@pytest.mark.parametrize("text", ["", "Name;Points\nada;3\n", "Student,ID,Section\n"])
def test_a_roster_of_another_kind_is_refused(tmp_path, text):
    with pytest.raises(CourseError, match="expected the gradebook that Canvas exports"):
        roster(tmp_path, text, "canvas")


def test_a_roster_with_semicolons_is_read(tmp_path):
    rows = roster(tmp_path, "Student;ID;SIS Login ID;Section\nLovelace, Ada;101;ada;A\n", "canvas")
    done = export.canvas(grades(entry("ada")), rows)
    assert table(done.text)[::2] == [["Student", "ID", "SIS Login ID", "Section", "90_tiny"],
                                     ["Lovelace, Ada", "101", "ada", "A", "2.5"]]  # fmt: skip


def must_fit_gradescope(results):
    """Hold results.json against the published fields and values."""
    for fields, found in [(RESULTS, results), *((TEST, test) for test in results.get("tests", []))]:
        assert found.keys() <= fields.keys()
        assert all(isinstance(value, fields[name]) for name, value in found.items())
        assert found.get("output_format", "text") in FORMATS
        assert found.get("visibility", "visible") in VISIBLE
        assert found.get("status", "passed") in ("passed", "failed")
    assert results["stdout_visibility"] in VISIBLE
    return results


def test_gradescope_gets_a_score_and_a_test_a_check():
    results = must_fit_gradescope(json.loads(export.gradescope(grades(entry("ada", 0.0), entry("bob")), "ada").text))
    assert results["score"] == 0.5
    assert results["output_format"] == "text"
    assert results["stdout_visibility"] == "hidden"
    assert [(t["name"], t["number"], t["score"], t["max_score"], t["status"]) for t in results["tests"]] == [
        ("mask-1", "1.1", 0.0, 2.0, "failed"),
        ("draw-1", "2.1", 0.5, 2.0, "failed"),
    ]
    assert "it broke" in results["tests"][0]["output"]
    assert "hint: transposed?" in results["tests"][0]["output"]
    assert "0.125" not in json.dumps(results)  # a sample of published numbers is for the instructor
    with pytest.raises(CourseError, match=r"name one with --student \(ada, bob\)"):
        export.gradescope(grades(entry("ada"), entry("bob")))


def test_gradescope_shows_our_own_failure_as_one():
    broken = entry("ada", 0.0, "failed", notes=["the grader failed: OSError: disk full"])
    results = must_fit_gradescope(json.loads(export.gradescope(grades(broken)).text))
    assert "score" not in results
    assert results["tests"] == []
    assert "disk full" in results["output"]


def must_fit_junit(text):
    """Hold XML against the schema's elements, attributes and counts."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = (words.split() for words in JUNIT[element.tag])
        assert set(required) <= set(element.keys()) <= {*required, *optional}
        assert {child.tag for child in element} <= set(children)
        assert re.fullmatch(r"[0-9]*(\.[0-9]*)?", element.get("time", ""))
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        for kind in ("failure", "error", "skipped"):
            assert int(suite.get({"skipped": "skipped"}.get(kind, f"{kind}s"))) == len(
                suite.findall(f"testcase/{kind}")
            )
    for count in ("tests", "failures", "errors"):
        assert int(root.get(count)) == sum(int(suite.get(count)) for suite in root)
    return root


def test_junit_says_what_failed_what_broke_and_what_was_not_judged():
    ada = entry("ada")
    ada["checks"] += [row("mask", 2, 0.0, "missing"), row("mask", 3, 0.0, "timeout"), row("mask", 4, 2.0, "pass")]
    corrupt, failed = entry("bob", 0.0, "corrupt", notes=["not JSON"]), entry("cy", 0.0, "failed", notes=["disk full"])
    root = must_fit_junit(export.junit(grades(ada, corrupt, failed)).text)
    kinds = [[child.tag for case in suite.findall("testcase") for child in case] for suite in root]
    assert kinds == [["failure", "failure", "error"], ["error"] * 2, ["skipped"] * 2]
    assert "not JSON" in root[1].find("testcase/error").text
    properties = {p.get("name"): p.get("value") for p in root[0].find("properties")}
    assert (properties["points"], properties["max"]) == ("2.5", "4")


def test_csv_is_the_reports_table():
    text = export.as_csv(grades(entry("ada"))).text
    assert table(text) == [["student", "points", "max", "mask", "draw", "status", "file"],
                           ["ada", "2.5", "4.0", "2.0", "0.5", "graded", "ada.ipynb"]]  # fmt: skip


def hostile():
    bad = entry(HOSTILE, 0.0, ids={"canvas": "1) OR 1=1", "moodle": HOSTILE}, notes=[HOSTILE])
    bad["checks"][0] |= {"message": HOSTILE, "values": [{**bad["checks"][0]["values"][0], "name": HOSTILE}]}
    return bad


@given(st.one_of(st.just(HOSTILE), st.text(max_size=40), st.text("=+-@\t\r\n \"',;0Points Possible", max_size=30)))
def test_no_name_breaks_a_format(name):
    mine = {**hostile(), "student": name, "file": name}
    every = grades(mine, entry("ada", ids={"moodle": "5"}))
    moodle = export.moodle(grades({**mine, "ids": {"moodle": "9"}}, every["submissions"][1]))
    for text in (export.as_csv(every).text, export.canvas(every).text, moodle.text):
        text.encode()
        cells = [cell for line in table(text) for cell in line]
        assert not any(re.match(r"\s*[=+@\t\r-].", cell) for cell in cells)
        assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", text)
        assert {len(line) for line in table(text)} == {len(table(text)[0])}
    assert [("Points Possible" in line[0]) for line in table(export.canvas(every).text)] == [False, True, False, False]
    assert [suite.get("tests") for suite in must_fit_junit(export.junit(every).text)] == ["2", "2"]
    results = must_fit_gradescope(json.loads(export.gradescope(grades(mine)).text))
    shown = [results["output"], *(test["output"] for test in results["tests"])]
    assert not any(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text) for text in shown)


@pytest.fixture
def book(tmp_path):
    """The URL of a gradebook with four hand-ins, one with a hostile name."""
    url = f"sqlite:///{tmp_path}/book.db"
    keeper = Gradebook(url)
    run = keeper.begin("90_tiny", "m", seed=7)
    for one in (entry("ada"), entry("bob", 0.0), entry("cy", 0.0, "corrupt", notes=["empty"]), entry(HOSTILE)):
        keeper.add(run, one)
    return url


@pytest.mark.parametrize("system", ["canvas", "moodle", "gradescope", "junit", "csv"])
def test_every_format_comes_out_of_the_command(tiny, book, tmp_path, system):
    out = tmp_path / "out"
    more = ["--student", "ada"] if system == "gradescope" else []
    expected = 1 if system == "moodle" else 0  # no worksheet, no numbers
    done = grade("export", "90", "--to", system, "--db", book, "--out", out, *more, root=tiny, check=expected)
    text = out.read_text(encoding="utf-8")
    if system in ("canvas", "csv"):
        assert len(table(text)) == {"canvas": 6, "csv": 5}[system]
    elif system == "moodle":
        assert table(text) == [MOODLE]
        assert done.stderr.count("left out: ") == 4
        assert "\x1b" not in done.stderr
    elif system == "gradescope":
        assert must_fit_gradescope(json.loads(text))["score"] == 2.5
    else:
        assert len(must_fit_junit(text)) == 4


def test_the_command_takes_a_roster_and_prints(tiny, book, tmp_path):
    (tmp_path / "roster.csv").write_text(FROM_CANVAS.replace("jd3", "ada").replace("jd4", "BOB"))
    done = grade("export", "--to", "canvas", "--db", book, "--roster", tmp_path / "roster.csv", root=tiny, check=1)
    assert [line[1:] for line in table(done.stdout)[2:]] == [
        ["103", "S3", "ada", "A", "2.5"],
        ["104", "S4", "BOB", "B", "0.5"],
    ]
    assert done.stderr.count("nobody in the roster has this name or login") == 2
    assert "2 of 4 in the roster have no grade here" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "junit", "--roster", "r.csv"], "--roster is for --to canvas or moodle, not junit"),
        (["--to", "canvas", "--roster", "/nowhere/r.csv"], "cannot read --roster /nowhere/r.csv"),
        (["--to", "csv", "--out", "/nowhere/x.csv"], "cannot write to --out /nowhere/x.csv"),
        (["--to", "gradescope"], "name one with --student"),
    ],
)
def test_wrong_usage_is_told_in_one_line(tiny, book, arguments, message):
    done = grade("export", "90", "--db", book, *arguments, root=tiny, check=2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


# The autograder of Gradescope


@pytest.fixture(scope="session")
def autograder(tiny, once):
    """The zip of the tiny course's autograder, unpacked as in Gradescope's container."""

    def make(folder):
        (folder / "source").mkdir(parents=True)
        grade("gradescope", "90", "--out", folder / "made.zip", root=tiny, check=0)
        with zipfile.ZipFile(folder / "made.zip") as archive:
            for item in archive.infolist():
                path = archive.extract(item, folder / "source")
                os.chmod(path, stat.S_IMODE(item.external_attr >> 16))

    return once("gradescope-autograder", make)


@pytest.fixture
def container(autograder, tmp_path):
    """A container of its own: run(submission={name: bytes}, ...) gives what results.json holds then."""
    root = tmp_path / "autograder"
    shutil.copytree(autograder / "source", root / "source")
    (root / "submission").mkdir()

    def run(files=(), metadata=None, **environment):
        for name, data in dict(files).items():
            (root / "submission" / name).write_bytes(data)
        if metadata:
            (root / "submission_metadata.json").write_text(json.dumps(metadata))
        known = {key: value for key, value in os.environ.items() if not key.startswith(("COURSE", "PYTHONPATH"))}
        paths = {"AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": sys.executable}
        command = [root / "source" / "run_autograder"]
        done = subprocess.run(
            command, cwd=root, env=known | paths | environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return must_fit_gradescope(json.loads((root / "results" / "results.json").read_text()))

    run.root = root
    return run


@pytest.fixture
def no_bubblewrap(tmp_path):
    """A PATH with what run_autograder calls, and no bwrap."""
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "env", "mkdir", "rm"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return str(tmp_path / "bin")


def solution(course):
    return (course / "solutions" / f"{TINY}.ipynb").read_bytes()


def test_the_zip_holds_what_grading_needs_and_no_more(autograder, tiny):
    with zipfile.ZipFile(autograder / "made.zip") as archive:
        names = set(archive.namelist())
        programs = {item.filename for item in archive.infolist() if item.external_attr >> 16 & 0o111}
        texts = {name: archive.read(name).decode() for name in ("setup.sh", "run_autograder", "requirements.txt")}
    assert programs == {"setup.sh", "run_autograder"}
    top = {"setup.sh", "run_autograder", "requirements.txt", "constraints.txt", "course/pyproject.toml"}
    labs = {f"course/labs/{TINY}.ipynb", f"course/solutions/{TINY}.ipynb"}
    assert top | labs <= names
    assert all(name.startswith(("course/grader/", "course/utils/")) for name in names - top - labs)
    assert {"course/grader/cli.py", "course/grader/templates/class.html", "course/utils/checks.py"} <= names
    assert not any("__pycache__" in name for name in names)
    for name in ("setup.sh", "run_autograder"):
        assert texts[name].startswith("#!/usr/bin/env bash\n")
        assert "\r" not in texts[name]
        assert subprocess.run(["bash", "-n"], input=texts[name], text=True).returncode == 0
    assert "bubblewrap" in texts["setup.sh"]
    assert "https://download.pytorch.org/whl/cpu torch" in texts["setup.sh"]
    assert {"nbval", "torch", "sqlalchemy"} <= {re.split("[>=]", line)[0] for line in texts["requirements.txt"].split()}
    assert "jupyterlab" not in texts["requirements.txt"]


def test_the_same_course_gives_the_same_zip(autograder, tiny, tmp_path):
    grade("gradescope", "90", "--out", tmp_path / "again.zip", root=tiny, check=0)
    assert (tmp_path / "again.zip").read_bytes() == (autograder / "made.zip").read_bytes()


def test_a_right_submission_gets_all_points_there(container, tiny):
    people = {"users": [{"name": "Ada\x1b L.", "email": "a@x", "id": 1}], "created_at": "2026-11-02T10:00:00.5-07:00"}
    due = {"assignment": {"due_date": "2026-11-01T09:00:00.000000-07:00"}}
    results = container({"my lab.ipynb": solution(tiny), "notes.txt": b"hi"}, metadata=people | due)
    assert results["score"] == sum(test["max_score"] for test in results["tests"]) == 6
    assert {test["status"] for test in results["tests"]} == {"passed"}
    assert results["output"].startswith("Handed in by Ada  L.\n")
    assert "25.0 hours after the due date" in results["output"]


def test_a_wrong_submission_loses_points_there_and_sees_no_solution(container, tiny):
    notebook = json.loads(solution(tiny))
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if text.startswith("# task: double"):
            cell["source"] = text.replace("SCALE * x", "SCALE + x")
        elif text.startswith("# task: draw"):
            peek = f"print(open({str(container.root / 'source/course/solutions' / TINY)!r} + '.ipynb').read())"
            cell["source"] = f"{text}\n{peek}"
    results = container({f"{TINY}.ipynb": json.dumps(notebook).encode()})
    assert 0 < results["score"] < 6
    by_name = {test["name"]: test for test in results["tests"]}
    assert by_name["double-1"]["status"] == "failed"
    assert "half or double?" in by_name["double-1"]["output"]
    assert re.search("FileNotFoundError|PermissionError", by_name["draw-1"]["output"])


@pytest.mark.parametrize("files", [{f"{TINY}.ipynb": b"\x00 no notebook"}, {}, {"a.ipynb": b"{}", "b.ipynb": b"{}"}])
def test_what_is_no_notebook_scores_0_and_says_why(container, files):
    results = container(files, metadata={"users": 3})  # odd metadata does no harm
    assert results["score"] == 0
    assert re.search("not JSON|Hand in one notebook", results["output"])


def test_a_link_to_the_solution_is_no_submission(container):
    target = container.root / "source/course/solutions" / f"{TINY}.ipynb"
    (container.root / "submission" / f"{TINY}.ipynb").symlink_to(target)
    (container.root / "submission" / "folder").symlink_to(target.parent)
    results = container()
    assert results["score"] == 0
    assert "not as a link" in results["output"]


@pytest.mark.parametrize("how", ["no solution", "no python", "no sandbox"])
def test_a_failure_of_ours_gives_no_score_and_says_so(container, tiny, no_bubblewrap, how):
    more = {}
    if how == "no solution":
        (container.root / f"source/course/solutions/{TINY}.ipynb").unlink()
    elif how == "no python":
        more = {"AUTOGRADER_PYTHON": "/nowhere/python"}
    elif how == "no sandbox":
        more = {"PATH": no_bubblewrap}
    results = container({"a.ipynb": solution(tiny)}, **more)
    assert "score" not in results
    assert results["tests"] == []
    expected = {"no sandbox": "--allow-unsandboxed", "no python": "could not start"}.get(how, "The autograder failed")
    assert expected in results["output"]


def test_without_a_sandbox_it_grades_where_the_zip_was_made_to(container, tiny, tmp_path, no_bubblewrap):
    grade("gradescope", "90", "--allow-unsandboxed", "--out", tmp_path / "x.zip", root=tiny, check=0)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        (container.root / "source" / "run_autograder").write_bytes(archive.read("run_autograder"))
    results = container({"a.ipynb": solution(tiny)}, PATH=no_bubblewrap)
    assert results["score"] == 6
    assert results["extra_data"]["sandbox"] == "none"


def test_grading_that_takes_too_long_is_stopped_with_all_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(gradescope, "SECONDS", 2)
    child = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert gradescope._in_time([sys.executable, "-c", parent], tmp_path) == (None, "")
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    for _ in range(300):  # a busy machine takes a moment to end a process
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail(f"still there: {state}")


def test_a_lab_that_is_not_there_makes_no_zip(tiny, tmp_path):
    done = grade("gradescope", "77", "--out", tmp_path / "x.zip", root=tiny, check=2)
    assert "there is no topic '77'" in done.stderr
    assert not (tmp_path / "x.zip").exists()
