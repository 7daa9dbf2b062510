"""Whatever is handed in there is a result and never a traceback; what keeps the code keeps what is graded."""

import json
import random

import nbformat
import pytest
from conftest import TINY, entries, grade
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_intake import colab, crlf, jupyterlab, unmarked, vscode, zipped
from test_run import cell, lab, lab_stub, solved, without_ids

from grader.compare import published, score
from grader.course import CourseError
from grader.intake import Corrupt, find_submissions
from grader.master import Master, alone, own
from grader.submission import student_cells
from utils.checks import MIME

# derandomised: the suite tries the same examples each time, whoever runs it
settings.register_profile(
    "suite", derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
ANY = settings(settings.get_profile("suite"), max_examples=200)
FEW = settings(ANY, max_examples=50)

HUGE, DEEP = "@a number of 5000 digits@", "@lists in lists@"
WORDS = ["", "x", "code", "markdown", "\ud800", "a\x00b", "\r\n\r", "# task: double", "double", "setup", HUGE, DEEP]
KEYS = ["cells", "cell_type", "source", "input", "id", "metadata", "outputs", "course", "role", "task", "check", "kind"]
KEYS += ["topic", "worksheets", "nbformat", "shape", "data", "error", "values", MIME]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=4)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def master(tiny):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grader.master.ROOT", tiny)
        return Master.load("90")


def written(content):
    """A notebook's bytes, with what Python's own writer does not write put in where the words for it stand."""
    text = json.dumps(content)
    return text.replace(f'"{HUGE}"', "9" * 5000).replace(f'"{DEEP}"', "[" * 50_000 + "]" * 50_000).encode()


@st.composite
def notebooks(draw, original):
    """A notebook with some of its parts replaced by anything, left away, doubled or in another order."""
    notebook = json.loads(json.dumps(original))
    cells = draw(st.lists(st.sampled_from(notebook["cells"]), max_size=len(notebook["cells"]) + 2))
    cells = json.loads(json.dumps(cells))
    for part in draw(st.lists(st.sampled_from([notebook, *cells]), max_size=6)) if cells else ():
        key = draw(st.sampled_from(sorted(part) or KEYS) | st.sampled_from(KEYS))
        if draw(st.booleans()):
            part[key] = draw(JSON)
        else:
            part.pop(key, None)
    cells[draw(st.integers(0, len(cells))) :] = draw(st.lists(JSON, max_size=2))
    if isinstance(notebook.get("cells"), list):
        notebook["cells"] = cells
    if draw(st.booleans()):
        notebook["metadata"] = draw(JSON)
    return notebook


def assembled(data, master):
    """All notebooks that a submission leads to, each checked to be one; none where it is corrupt."""
    try:
        cells, notes = student_cells(data, master)
    except Corrupt:
        return []
    assert all(isinstance(note, str) for note in notes)
    made = [own(master, cells, 7)] + [alone(master, cells, task, 7) for task in master.tasks]
    for notebook in made:
        nbformat.validate(notebook)
        json.dumps(notebook, ensure_ascii=False).encode()
        checks = [c.metadata["grade"]["check"] for c in notebook.cells if "check" in c.metadata["grade"]]
        assert len(checks) == len(set(checks)) > 0
    return made


@ANY
@given(data=st.data())
def test_any_notebook_shaped_json_gives_a_notebook_to_run_or_is_corrupt(tiny, master, data):
    assembled(written(data.draw(notebooks(solved(tiny)))), master)


@ANY
@given(content=JSON)
def test_any_json_at_all_gives_a_notebook_to_run_or_is_corrupt(master, content):
    assembled(written(content), master)


@FEW
@given(data=st.binary(max_size=60) | st.text().map(str.encode))
@pytest.mark.parametrize("start", [b"", b"{", b"# %%\n", b"# +\n", b"# ---\n# jupyter:\n", b"def f():\n", b"\xff\xfe"])
def test_any_bytes_give_a_notebook_to_run_or_are_corrupt(master, start, data):
    assembled(start + data, master)


@FEW
@given(data=st.data())
def test_any_damage_to_a_zip_is_told(tiny, tmp_path_factory, data):
    members = {"ada.ipynb": json.dumps(lab(tiny)), "ben/lab.py": "# %%\nx = 1", "cleo.zip": zipped(("a.py", b""))}
    whole = zipped(*members.items())
    broken = bytearray(whole)
    tail = len(broken) - 400  # where the directory is, mostly
    for at, byte in data.draw(st.lists(st.tuples(st.integers(tail, len(broken) - 1), st.integers(0, 255)), max_size=8)):
        broken[at] = byte
    folder = tmp_path_factory.mktemp("damage")
    (folder / "eve.zip").write_bytes(broken)
    for path in (folder, folder / "eve.zip"):
        try:
            found = find_submissions(path)
        except CourseError:
            assert path.suffix == ".zip", "a student's zip is the student's matter"
            continue
        assert len({submission.student for submission in found}) == len(found) > 0
        for submission in found:
            loaded = submission.loaded()
            assert loaded.refused or isinstance(loaded.data, bytes)


def outputs_changed(notebook, chance):
    for c in notebook["cells"]:
        if c["cell_type"] == "code":
            c["outputs"] = chance.choice(
                [[], [{"output_type": "stream", "name": "stdout", "text": "6 of 6 points"}], None]
            )
            c["execution_count"] = chance.choice([None, 1, 10**30, -1])
    return notebook


def prose_moved(notebook, chance):
    for c in [c for c in notebook["cells"] if c["cell_type"] == "markdown"]:
        notebook["cells"].remove(c)
        notebook["cells"].insert(chance.randrange(len(notebook["cells"]) + 1), c)
    return notebook


def metadata_added(notebook, chance):
    for c in notebook["cells"]:
        c["metadata"] = {**c["metadata"], "collapsed": True, "tags": ["remove-cell"], "id": str(chance.random())}
    return notebook


def empty_cells_added(notebook, chance):
    empty = {"cell_type": "code", "metadata": {}, "source": chance.choice(["", [], "\n", "# "]), "outputs": []}
    for _ in range(3):
        notebook["cells"].insert(chance.randrange(len(notebook["cells"]) + 1), dict(empty))
    return notebook


def checks_removed(notebook, chance):
    notebook["cells"] = [c for c in notebook["cells"] if "begin_check" not in c["source"][:12]]
    return notebook


EDITS = {
    "outputs": outputs_changed,
    "prose": prose_moved,
    "metadata": metadata_added,
    "empty cells": empty_cells_added,
    "no ids": lambda n, _: without_ids(n),
    "no marks": lambda n, _: unmarked(n),
    "colab": lambda n, _: colab(n),
    "vscode": lambda n, _: vscode(n),
    "jupyterlab": lambda n, _: jupyterlab(n),
    "crlf": lambda n, _: json.loads(crlf(n)),
    "checks removed": checks_removed,
}


def graded_code(data, master):
    """The code of tasks and checks in every notebook that a submission leads to, less the markers."""
    return [
        [
            "\n".join(line for line in c.source.split("\n") if not line.startswith("# task:"))
            for c in notebook.cells
            if c.metadata["grade"].get("task") or c.metadata["grade"].get("check")
        ]
        for notebook in assembled(data, master)
    ]


def with_ids(notebook):
    for n, c in enumerate(notebook["cells"]):
        c.setdefault("id", f"new-{n}")
        c["source"] = "".join(c["source"]).replace("\r\n", "\n")
    return notebook


@FEW
@given(
    edits=st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=5), stub=st.booleans(), seed=st.integers(0, 99)
)
def test_edits_that_keep_the_code_keep_what_is_graded(tiny, master, edits, stub, seed):
    chance = random.Random(seed)
    notebook = solved(tiny, total="def total(x):\n    return float(double(x).sum())")
    before = graded_code(json.dumps(notebook).encode(), master)
    if stub:
        copy = {**cell(notebook, "double"), "id": "copy", "metadata": {}, "source": lab_stub(tiny, "double")}
        notebook["cells"].insert(chance.randrange(len(notebook["cells"]) + 1), copy)
    for edit in edits:
        notebook = EDITS[edit](with_ids(notebook), chance)
    assert len(before) == 4
    assert graded_code(json.dumps(notebook).encode(), master) == before


PUBLISHED = st.fixed_dictionaries(
    {},
    optional={
        "shape": JSON | st.just([7]),
        "data": JSON | st.lists(st.floats(), min_size=7, max_size=7),
        "error": JSON,
    },
)
OUTPUTS = st.lists(
    JSON
    | st.dictionaries(st.sampled_from(["ratio", "linear"]), JSON | PUBLISHED).map(
        lambda values: {"output_type": "display_data", "data": {MIME: {"check": "double-2", "values": values}}}
    ),
    max_size=4,
)


@ANY
@given(outputs=OUTPUTS)
def test_whatever_a_cell_publishes_is_right_or_wrong(tiny, outputs):
    expected = json.loads((tiny / "labs" / "expected" / f"{TINY}.json").read_text())["checks"]["double-2"]["values"]
    share, rows = score(published(outputs), expected)
    assert 0 <= share <= 1
    assert len(rows) == len(expected) == 2
    right = [json.loads(json.dumps({MIME: {"values": expected}}))]
    assert score(published([{"data": right[0]}, *outputs]), expected)[0] == 1, "the first value of a name counts"


def made(original, number):
    """`number` of hypothesis' notebooks, as the properties above see them."""
    found = []

    @settings(ANY, max_examples=number)
    @given(notebook=notebooks(original))
    def collect(notebook):
        found.append(written(notebook))

    collect()
    return found


def test_a_class_of_such_notebooks_goes_through_the_real_door(tiny, tmp_path):
    (tmp_path / "in").mkdir()
    for n, data in enumerate(made(solved(tiny), 6)):
        (tmp_path / "in" / f"s{n}.ipynb").write_bytes(data)
    done = grade("run", "90", tmp_path / "in", "--out", tmp_path, "--timeout", "20", root=tiny)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    found = entries(tmp_path)
    assert len(found) == len(list((tmp_path / "in").iterdir())) > 5
    for entry in found.values():
        assert entry["status"] in ("graded", "corrupt"), entry["notes"]
        assert len(entry["checks"]) == 4
        assert 0 <= entry["points"] <= entry["max"]
