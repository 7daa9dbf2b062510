"""What is handed in, in every form that a class's folder, a zip, Canvas, Moodle and the tools give it."""

import io
import json
import os
import pickle
import stat
import struct
import zipfile
from types import SimpleNamespace

import jupytext
import nbformat
import pytest
from conftest import TINY, entries, grade, verdicts
from test_run import FULL, answer, cell, deleted, doubled, extra, lab, lab_stub, nbformat_3, solved, without_ids

from grader import intake
from grader.course import CourseError
from grader.intake import Corrupt, find_submissions, left_out
from grader.submission import student_cells


def text(notebook):
    return json.dumps(notebook).encode()


def unmarked(notebook):
    """Without ids, metadata and markers: nothing but the source says what a cell is."""
    for c in without_ids(notebook)["cells"]:
        c["source"] = "\n".join(line for line in "".join(c["source"]).split("\n") if not line.startswith("# task:"))
    return notebook


def colab(notebook):
    """As Colab saves: nbformat 4.0, its own ids in the metadata, none of the cells'."""
    for n, c in enumerate(without_ids(notebook)["cells"]):
        c["metadata"] = {"id": f"AbC{n}", "colab": {"base_uri": "https://localhost:8080/"}}
    notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return notebook


def vscode(notebook):
    for n, c in enumerate(notebook["cells"]):
        c["id"], c["metadata"] = f"#VSC-{n:08x}", {"vscode": {"languageId": "python"}}
    return notebook


def jupyterlab(notebook):
    for c in notebook["cells"]:
        c["source"] = "".join(c["source"]).splitlines(keepends=True)
    return notebook


def crlf(notebook):
    for c in notebook["cells"]:
        c["source"] = "".join(c["source"]).replace("\n", "\r\n")
    return json.dumps(notebook, indent=1).replace("\n", "\r\n").encode()


def python(notebook, form):
    node = nbformat.reads(json.dumps(notebook), as_version=4)
    node.metadata.pop("course")
    return jupytext.writes(node, fmt=form).encode()


def bare_python(notebook):
    """The code alone, as somebody types it who knows no notebooks."""
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code" and "-check-" not in c["id"]]
    return "\n\n\n".join(s.split("\n", 1)[1] if s.startswith("# task") else s for s in cells).encode()


def split(notebook, task):
    """The task's cell cut in two below its marker: the second half has an id that nobody knows."""
    source = cell(notebook, task)["source"]
    answer(notebook, task, "FACTOR = 2")
    after = [c["id"] for c in notebook["cells"]].index(task) + 1
    return extra(notebook, notebook["cells"][after]["id"], source.split("\n", 1)[1].replace("x + x", "FACTOR * x"))


def set_up_edited(notebook):
    cell(notebook, "setup")["source"] += "\nHELP = 2"
    return answer(notebook, "double", "def double(x):\n    return HELP * x")


def zipped(*members):
    """A zip's bytes; members are (name or ZipInfo, bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


WRONG = "def double(x):\n    return 3 * x"
LIKE = "by likeness, not by id: {}"

# student: (file, its bytes, what a note says of it)
FORMS = {
    "plain": ("plain.ipynb", lambda c: text(solved(c)), ""),
    "folder": ("folder/deep/er/anything.ipynb", lambda c: text(solved(c)), ""),
    "archive": ("archive.zip", lambda c: zipped(("archive/lab.ipynb", text(solved(c)))), ""),
    "lovelaceada": ("lovelaceada_LATE_12345_67890_lab.ipynb", lambda c: text(solved(c)), "handed in late, as Canvas"),
    "Ada Lovelace": ("Ada Lovelace_123456_assignsubmission_file_/lab.ipynb", lambda c: text(solved(c)), ""),
    "Ben Öztürk": ("Ben Öztürk_77_assignsubmission_file/sub/lab.ipynb", lambda c: text(solved(c)), ""),
    "Cleo": ("Cleo_78_assignsubmission_file_lab.ipynb", lambda c: text(solved(c)), ""),
    "percent": ("percent.py", lambda c: python(solved(c), "py:percent"), "read as Python text"),
    "light": ("light.py", lambda c: python(solved(c), "py:light"), "read as Python text"),
    "bare": ("bare.py", lambda c: bare_python(solved(c)), LIKE.format("double, total, draw")),
    "colab": ("colab.ipynb", lambda c: text(colab(solved(c))), "found by marker, not by id: double, total, draw"),
    "vscode": ("vscode.ipynb", lambda c: text(vscode(solved(c))), "by marker"),
    "jupyterlab": ("jupyterlab.ipynb", lambda c: text(jupyterlab(solved(c))), ""),
    "metadata": ("metadata.ipynb", lambda c: text(no_marker(solved(c))), "found by metadata, not by id: total"),
    "nbformat 3": ("nbformat 3.ipynb", lambda c: text(nbformat_3(solved(c))), "nbformat 3"),
    "bom": ("bom.ipynb", lambda c: b"\xef\xbb\xbf" + text(solved(c)), ""),
    "utf-16": ("utf-16.ipynb", lambda c: text(solved(c)).decode().encode("utf-16"), ""),
    "crlf": ("crlf.ipynb", lambda c: crlf(solved(c)), ""),
    "unmarked": ("unmarked.ipynb", lambda c: text(unmarked(solved(c))), LIKE.format("double, total, draw")),
    "stub-stays": (
        "stub-stays.ipynb",
        lambda c: text(extra(solved(c, double=lab_stub(c, "double")), "double", "def double(x):\n    return x + x")),
        "an untouched copy of task double was left out",
    ),
    "helper-of-the-same-name": (
        "helper-of-the-same-name.ipynb",
        lambda c: text(extra(solved(c), "double", WRONG)),
        "",
    ),
    "split": ("split.ipynb", lambda c: text(split(solved(c), "double")), ""),
    "doubled": ("doubled.ipynb", lambda c: text(doubled(solved(c))), "task double stands 2 times: the last counts"),
    "set-up": ("set-up.ipynb", lambda c: text(set_up_edited(solved(c))), "the set-up cell is not as the lab gave it"),
    "all-in-one": (
        "all-in-one.ipynb",
        lambda c: text(extra(deleted(solved(c), "double", "total"), "draw", ALL)),
        "",
    ),
    "raw\x1b[31m": ("raw\x1b[31m.ipynb", lambda c: text(solved(c)), ""),
}
ALL = "def double(x):\n    return x + x\ndef total(x):\n    return double(x).sum()"
SHOWN = {"raw\x1b[31m": "raw%1B[31m"}
IDS = {
    "lovelaceada": {"canvas": "12345"},
    "Ada Lovelace": {"moodle": "123456"},
    "Ben Öztürk": {"moodle": "77"},
    "Cleo": {"moodle": "78"},
}


def no_marker(notebook):
    c = cell(notebook, "total")
    c["id"], c["source"] = "x1", c["source"].split("\n", 1)[1]
    return notebook


def write_forms(course, path):
    for name, make, _ in FORMS.values():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(make(course))
    (path / "fifth.ipynb").symlink_to(path / "plain.ipynb")
    (path / "page.ipynb").write_text("<!DOCTYPE html><title>GitHub</title>")
    (path / "notes.txt").write_text("not a notebook")
    (path / "empty").mkdir()


@pytest.fixture(scope="module")
def forms(tiny, once):
    return once("forms", lambda path: write_forms(tiny, path))


@pytest.fixture(scope="module")
def out(tiny, forms, once):
    return once("forms-out", lambda out: run_forms(tiny, forms, out))


def run_forms(course, forms, out):
    done = grade("run", "90", forms, "--out", out, "--timeout", "20", root=course, check=1)
    (out / "told.txt").write_text(done.stderr)


@pytest.mark.parametrize("student", FORMS)
def test_right_answers_get_full_marks_in_every_form(out, student):
    entry = entries(out)[SHOWN.get(student, student)]
    assert (verdicts(entry), entry["points"]) == (FULL, 6)
    assert FORMS[student][2] in "; ".join(entry["notes"])
    assert FORMS[student][2] or not entry["notes"]


def test_python_text_is_not_told_that_it_has_no_ids(out):
    assert [entries(out)[form]["notes"] for form in ("percent", "light")] == [["read as Python text"]] * 2


def test_what_is_refused_is_in_the_report_with_its_reason(out):
    found = {name: entries(out)[name] for name in ("fifth", "page")}
    assert {entry["status"] for entry in found.values()} == {"corrupt"}
    assert "it is a link" in found["fifth"]["notes"][-1]
    assert "a web page" in found["page"]["notes"][-1]
    assert len(entries(out)) == len(FORMS) + 2


def test_what_is_no_submission_is_named(out):
    told = [line for line in (out / "told.txt").read_text().splitlines() if line.startswith("left out")]
    assert [line.split(":")[1].split("(")[0].strip() for line in told] == ["empty", "notes.txt"]


def test_ids_and_times_say_who_and_when(forms):
    os.utime(forms / "plain.ipynb", (1e9, 1e9))
    found = {s.student: s for s in find_submissions(forms)}
    assert {name: s.ids for name, s in found.items() if s.ids} == IDS
    assert found["plain"].handed_in[:8] == "2001-09-"
    assert found["plain"].handed_in[-6] in "+-"
    assert all(found[name].handed_in is None for name in IDS), "a bulk download has the times of the download"


def test_a_submission_holds_no_bytes_until_it_is_loaded(forms):
    small = next(s for s in find_submissions(forms) if s.student == "archive")
    assert len(pickle.dumps(small)) < 1000
    loaded = pickle.loads(pickle.dumps(small.loaded()))
    assert loaded.data == small.data
    assert loaded.digest == small.digest
    assert len(loaded.digest) == 64


def test_a_file_that_has_gone_is_corrupt(tmp_path):
    (tmp_path / "ada.ipynb").write_text("{}")
    (submission,) = find_submissions(tmp_path)
    before = submission.digest
    (tmp_path / "ada.ipynb").unlink()
    with pytest.raises(Corrupt, match="has gone"):
        _ = submission.data
    assert submission.digest not in ("", before)
    assert "has gone" in submission.loaded().refused


def test_a_link_put_in_place_after_the_class_was_listed_is_not_followed(tmp_path):
    folder = tmp_path / "class"
    (folder / "ada").mkdir(parents=True)
    (folder / "ben.ipynb").write_text("{}")
    (folder / "ada" / "lab.ipynb").write_text("{}")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "lab.ipynb").write_text("secret")
    ada, ben = find_submissions(folder)
    (folder / "ben.ipynb").unlink()
    (folder / "ben.ipynb").symlink_to(secret / "lab.ipynb")
    (folder / "ada").rename(folder / "gone")
    (folder / "ada").symlink_to(secret)
    for submission in (ada, ben):
        with pytest.raises(Corrupt, match="link"):
            _ = submission.data


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_only_plain_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "elsewhere").symlink_to("/etc")
    (tmp_path / "device.ipynb").symlink_to("/dev/zero")
    with open(tmp_path / "long.ipynb", "wb") as file:
        file.truncate(intake.MAX_BYTES + 1)
    found = {s.student: s.refused for s in find_submissions(tmp_path)}
    assert found["pipe"] == "it is not a plain file"
    assert found["long"] == "50,000,001 bytes, at most 50,000,000 are read"
    assert "link" in found["elsewhere"]
    assert "link" in found["device"]


def test_a_file_that_may_not_be_read_is_corrupt(tmp_path, monkeypatch):
    (tmp_path / "ada.ipynb").write_text("{}")
    (submission,) = find_submissions(tmp_path)
    monkeypatch.setattr(os, "open", refuse)  # root may read anything, so a mode would not do
    with pytest.raises(Corrupt, match="the file cannot be read: Permission denied"):
        _ = submission.data


def refuse(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_names_of_any_bytes_can_be_printed_and_stay_apart(tmp_path):
    for name in (b"\xff.ipynb", b"\xfe.ipynb", b"a\nb.ipynb", b"\xe2\x80\xae.ipynb", b" .ipynb", b"%DCFF.ipynb"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"{}")
    found = find_submissions(tmp_path)
    names = [s.student for s in found]
    assert len(set(names)) == 6
    assert all(name.isprintable() and json.dumps(name).encode() for name in names)
    assert {s.data for s in found} == {b"{}"}


def link(name):
    item = zipfile.ZipInfo(name)
    item.create_system, item.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return item


def in_zip(tmp_path, *members, name="class.zip"):
    (tmp_path / name).write_bytes(zipped(*members))
    return {s.student: s for s in find_submissions(tmp_path / name)}


@pytest.mark.parametrize(
    ("name", "student", "why"),
    [
        ("../../evil.ipynb", "evil", "its path leads out of the zip"),
        ("ada/../../evil.ipynb", "evil", "its path leads out of the zip"),
        ("/etc/evil.ipynb", "evil", "the zip gives it an absolute path"),
        ("C:/evil.ipynb", "evil", "the zip gives it an absolute path"),
        ("..\\evil.ipynb", "evil", "its path in the zip has backslashes"),
        (link("evil.ipynb"), "evil", "it is a link"),
    ],
)
def test_a_zip_cannot_lead_out_of_itself(tmp_path, name, student, why):
    found = in_zip(tmp_path, (name, b"/etc/passwd"), ("ben.ipynb", b"{}"))
    assert {s.student: s.refused for s in found.values()} == {student: why, "ben": ""}
    inside = in_zip(tmp_path, ("eve.zip", zipped((name, b"/etc/passwd"))))
    assert inside["eve"].refused == why


def patched(data, offset, field):
    """A zip's bytes with four bytes of its first central entry changed."""
    at = data.index(b"PK\x01\x02") + offset
    return data[:at] + field + data[at + len(field) :]


def test_sizes_that_lie_and_bombs_are_refused(tmp_path):
    honest = zipped(("ada.ipynb", b"[" * 1000))
    lies = {
        "encrypted": (patched(honest, 8, b"\x01\x00"), "it is encrypted"),
        "bzip2": (patched(honest, 10, b"\x0c\x00"), "compressed by method 12"),
        "short": (patched(honest, 24, struct.pack("<L", 10)), "it cannot be unpacked: BadZipFile"),
        "checksum": (patched(honest, 16, b"\x00\x00\x00\x00"), "it cannot be unpacked: BadZipFile"),
        "bomb": (zipped(("ada.ipynb", bytes(20_000_000))), "a bomb"),
        "long": (patched(honest, 24, struct.pack("<L", 2**31)), "2,147,483,648 bytes, at most 50,000,000"),
    }
    for name, (data, why) in lies.items():
        (tmp_path / f"{name}.zip").write_bytes(data)
        (submission,) = find_submissions(tmp_path / f"{name}.zip")
        with pytest.raises(Corrupt) as problem:
            _ = submission.data
        assert why in str(problem.value)


def test_a_members_bytes_are_counted_as_they_come(tmp_path, monkeypatch):
    found = in_zip(tmp_path, ("ada.ipynb", b"x" * 5000))
    monkeypatch.setattr(intake, "MAX_BYTES", 4999)
    monkeypatch.setattr(intake, "_member_refused", lambda item: "")
    with pytest.raises(Corrupt, match="more than 4,999 bytes"):
        _ = found["ada"].data


def test_numbers_of_files_and_of_bytes_have_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "MAX_ENTRIES", 30)
    many = [(f"{n}.ipynb", b"{}") for n in range(31)]
    assert in_zip(tmp_path, ("eve.zip", zipped(*many)))["eve"].refused == "more than 30 files in a zip"
    assert in_zip(tmp_path, ("eve.zip", zipped(*many[:21])))["eve"].refused[:23] == "21 notebooks handed in,"
    with pytest.raises(CourseError, match="31 files in a zip"):
        in_zip(tmp_path, *many)
    monkeypatch.setattr(intake, "MAX_TOTAL_STUDENT", 50)
    assert "unpack to 60 bytes" in in_zip(tmp_path, ("eve.zip", zipped(*many[:30])))["eve"].refused
    with pytest.raises(CourseError, match="at most 10 are read"):
        list(intake._in_zip(zipfile.ZipFile(io.BytesIO(zipped(*many[:30]))), intake._Place("/", "x.zip"), 10))


def test_a_students_zip_is_opened_and_a_zip_in_that_is_not(tmp_path):
    inner = zipped(("lab.ipynb", b"{}"), ("more.zip", zipped(("x.ipynb", b"{}"))))
    found = in_zip(
        tmp_path,
        ("ada.zip", inner),
        ("ben.zip", zipped(("deep.zip", inner))),
        ("cleo.zip", zipped(("lab.pdf", b"%PDF"))),
        ("dan.zip", b"PK\x03\x04 broken"),
    )
    assert (found["ada"].data, found["ada"].file) == (b"{}", "ada.zip/lab.ipynb")
    assert found["ada"].notes == ("ada.zip/more.zip was not read: it is a zip in a student's zip",)
    assert found["ben"].refused == "it is a zip in a student's zip"
    assert found["cleo"].refused == "there is no notebook in this zip"
    assert "not a zip" in found["dan"].refused
    assert len(found) == 4


def test_the_folder_that_compress_makes_is_no_student(tmp_path):
    members = [("class/ada.ipynb", b"{}"), ("class/ben/lab.ipynb", b"{}"), ("__MACOSX/class/._ada.ipynb", b"")]
    assert set(in_zip(tmp_path, *members)) == {"ada", "ben"}


def test_names_in_a_zip_are_read_as_utf_8_also_where_it_does_not_say_so(tmp_path):
    data = zipped(("Zoë.ipynb", b"{}"))
    said = patched(data, 8, b"\x00\x00").replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00")
    dos = zipped(("Zoe.ipynb", b"{}")).replace(b"Zoe", b"Zo\x89")  # cp437
    for name, content in (("said", data), ("unsaid", said), ("dos", dos)):
        (tmp_path / f"{name}.zip").write_bytes(content)
        (submission,) = find_submissions(tmp_path / f"{name}.zip")
        assert (submission.student, submission.data) == ("Zoë", b"{}")


def test_two_files_of_one_name_in_a_zip_stay_apart(tmp_path):
    same = [("ada.ipynb", b"1"), ("ada.ipynb", b"2")] + [("a_1_2000_lab.ipynb", b"3")] * 2
    with pytest.warns(UserWarning, match="Duplicate name"):
        found = in_zip(tmp_path, *same)
    assert found.pop("a").notes == ("handed in 2 times; the newest counts, a_1_2000_lab.ipynb",)
    assert {s.data for s in found.values()} == {b"1", b"2"}
    assert all("more than one notebook" in s.notes[0] for s in found.values())


def test_a_broken_zip_is_one_clear_line(tmp_path):
    (tmp_path / "class.zip").write_bytes(zipped(("ada.ipynb", b"{}"))[:-10])
    (tmp_path / "cut.zip").write_bytes(zipped(("ada.ipynb", b"{}")).replace(b"PK\x01\x02", b"PKxx"))
    for name in ("class.zip", "cut.zip"):
        with pytest.raises(CourseError, match="zip"):
            find_submissions(tmp_path / name)


def test_the_newest_of_a_canvas_file_counts_and_a_note_says_so(tmp_path):
    for attachment, name in ((900, "lab-2"), (1000, "lab-10"), (800, "lab")):
        (tmp_path / f"smithbob_340934_{attachment}_{name}.ipynb").write_text(name)
    (submission,) = find_submissions(tmp_path)
    assert (submission.student, submission.data) == ("smithbob", b"lab-10")
    assert submission.notes == ("handed in 3 times; the newest counts, smithbob_340934_1000_lab-10.ipynb",)


def test_students_of_one_name_are_told_apart_by_their_ids(tmp_path):
    names = ["smithbob_1_5000_lab.ipynb", "smithbob_2_5001_lab.ipynb", "LATE_anon_x7Yz3_5002_lab.ipynb"]
    names += [f"Participant_{n}_assignsubmission_file_/lab.ipynb" for n in (8, 9)]
    found = in_zip(tmp_path, *((name, b"{}") for name in names))
    assert set(found) == {"smithbob (1)", "smithbob (2)", "anon_x7Yz3", "Participant (8)", "Participant (9)"}
    assert found["anon_x7Yz3"].ids == {}
    assert found["anon_x7Yz3"].notes == ("handed in late, as Canvas says",)


def test_a_date_or_a_version_in_a_name_is_not_taken_for_canvas(tmp_path):
    names = ("ada_2026_11_22.ipynb", "Ada_1_2000_lab.ipynb", "ben/run_10_2000_lab.ipynb")
    found = in_zip(tmp_path, *((name, b"{}") for name in names))
    assert set(found) == {"ada_2026_11_22", "Ada_1_2000_lab", "ben"}
    assert not any(s.ids for s in found.values())


def test_a_student_of_moodle_without_a_notebook_is_told(tmp_path):
    found = in_zip(tmp_path, ("Eve_5_assignsubmission_file_/lab.pdf", b"%PDF"), ("ada.ipynb", b"{}"))
    assert found["Eve"].refused == "no notebook among Eve_5_assignsubmission_file_/lab.pdf"


def test_python_beside_a_notebook_is_left_out_with_a_note(tmp_path):
    names = ["ada/lab.ipynb", "ada/helpers.py", "ben.py", "readme.md"]
    found = in_zip(tmp_path, *((name, b"x = 1") for name in names))
    assert set(found) == {"ada", "ben"}
    assert found["ada"].notes == ("left out beside the notebook: ada/helpers.py",)
    assert left_out(tmp_path / "class.zip", found.values()) == ["readme.md"]


def test_checkpoints_and_hidden_files_are_no_submissions(tmp_path):
    names = ["ada.ipynb", ".ipynb_checkpoints/ada-checkpoint.ipynb", "ada/.ipynb_checkpoints/x.ipynb", ".b.ipynb"]
    assert set(in_zip(tmp_path, *((name, b"{}") for name in names))) == {"ada"}


def test_the_time_of_a_zips_member_is_local_and_the_zips_first_day_is_none(tmp_path):
    members = [(zipfile.ZipInfo("ada.ipynb", (2026, 11, 1, 12, 30, 0)), b"{}"), (zipfile.ZipInfo("ben.ipynb"), b"{}")]
    members.append((zipfile.ZipInfo("cleo.ipynb", (2026, 2, 31, 1, 1, 1)), b"{}"))
    found = in_zip(tmp_path, *members)
    assert found["ada"].handed_in[:19] == "2026-11-01T12:30:00"
    assert found["ben"].handed_in is found["cleo"].handed_in is None


STUB = """def {0}(x, *, generator=None):
    'The {0} of x, eq. (3). x: (n,) float32, in [0, 1]. Returns (n,), sums to 1.'
    raise NotImplementedError('{0}')"""


@pytest.mark.parametrize(
    ("cells", "roles"),
    [
        ([STUB.format("softmax").replace("def softmax", "def my_softmax")], ["task softmax"]),
        ([STUB.format("softmax").replace("def softmax", f"def my_{n}") for n in range(2)], ["extra ", "extra "]),
        (["def my_softmax(x):\n    return x"], ["extra "]),
        (["# task: softmax\nx = 1", STUB.format("softmax").replace("raise", "return")], ["task softmax", "extra "]),
        ([STUB.format("softmax"), STUB.format("entropy") + "\n" + STUB.format("softmax")], ["task softmax", "extra "]),
    ],
)
def test_likeness_finds_a_task_only_where_there_is_no_doubt(cells, roles):
    stubs = {task: f"# task: {task}\n{STUB.format(task)}" for task in ("softmax", "entropy")}
    master = SimpleNamespace(stem="91", tasks=stubs, stubs=stubs, checks={}, given=[])
    notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": source} for source in cells]}
    found, _ = student_cells(text(notebook), master)
    assert [f"{cell.role} {cell.name}" for cell in found] == roles


def test_a_lab_of_this_name_is_what_these_tests_hand_in(tiny):
    assert lab(tiny)["metadata"]["course"]["topic"] == TINY
