"""Fresh inputs, published values, the comparison, and the badge that a student sees."""

import json
import math

import nbformat
import numpy as np
import pytest
import torch
from conftest import TINY
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from utils import checks
from utils.checks import begin_check, check, compare, decode, encode, fresh, fresh_generator


def reference(value, rtol=1e-5, atol=1e-6):
    return {**encode(value), "rtol": rtol, "atol": atol, "hint": ""}


def test_the_same_check_and_seed_give_the_same_inputs_whatever_ran_before():
    begin_check("a-1")
    first = fresh(3, 4), torch.rand(2, generator=fresh_generator()), torch.rand(2), np.random.rand(2)
    fresh(100)
    begin_check("a-1")
    again = fresh(3, 4), torch.rand(2, generator=fresh_generator()), torch.rand(2), np.random.rand(2)
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(first, again, strict=True))
    assert first[0].dtype == torch.float32
    for name, seed in (("a-1", 7), ("a-2", 0)):
        begin_check(name, seed=seed)
        assert (fresh(3, 4) != first[0]).all()


def test_fresh_is_what_it_was_on_every_machine():
    begin_check("fixed-1")
    assert fresh(3).tolist() == pytest.approx([-0.49482235, 2.1151161, 1.4603151], abs=1e-6)


def test_two_generators_of_one_check_differ():
    begin_check("a-1")
    assert (torch.rand(5, generator=fresh_generator()) != torch.rand(5, generator=fresh_generator())).all()


def test_inputs_outside_a_check_are_refused(monkeypatch):
    monkeypatch.setattr(checks, "_now", checks._Check())
    for call in (lambda: fresh(2), fresh_generator, lambda: check(a=1)):
        with pytest.raises(RuntimeError, match="works inside a check"):
            call()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "NoneType of object where numbers were expected"),
        (True, "bool of bool where numbers were expected"),
        ("0.5", "where numbers were expected"),
        ([1, [2]], "list could not be read as numbers: ValueError"),
        (torch.zeros(20_001), "20001 elements, at most 20000 can be published"),
        (torch.tensor(1j), "Tensor of complex64 where numbers were expected"),
        (lambda: 3, "function of object where numbers were expected"),
    ],
)
def test_what_is_not_numbers_is_published_as_such(value, told):
    assert told in encode(value)["error"]
    right, message = compare(encode(value), reference(1.0))
    assert not right
    assert told in message


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([1, 2]),
        torch.tensor([1.0, 2.0], requires_grad=True),
        np.array([1.0, 2.0]),
        [1, 2],
        (1.0, np.float32(2)),
    ],
)
def test_numbers_of_every_kind_are_the_same_numbers(value):
    assert decode(encode(value)).tolist() == [1.0, 2.0]


@given(st.lists(st.floats(width=64), max_size=20))
def test_every_float_survives_json(numbers):
    back = decode(json.loads(json.dumps(encode(np.array(numbers, dtype=np.float64)))))
    assert np.array_equal(back, np.array(numbers, dtype=np.float64), equal_nan=True)


@pytest.mark.parametrize(
    ("got", "expected", "right"),
    [
        (1.0, 1.0 + 5e-6, True),
        (1.0, 1.1, False),
        ([1.0, 2.0], [1.0, 2.0], True),
        ([[1.0, 2.0]], [1.0, 2.0], False),
        ([1.0], 1.0, False),
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (-math.inf, math.inf, False),
        (math.inf, 1.0, False),
        (1.0, math.inf, False),
        (math.nan, 1.0, False),
        ([], [], True),
    ],
)
def test_right_means_same_shape_and_near_enough(got, expected, right):
    assert compare(encode(got), reference(expected))[0] is right


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"shape": [2], "data": [1.0]},
        {"shape": [-1], "data": []},
        {"shape": [True], "data": [1.0]},
        {"shape": [10**9, 0], "data": []},
        {"shape": [1] * 9, "data": [1.0]},
        {"shape": [1], "data": ["1.0"]},
        {"shape": [1], "data": [True]},
        {"shape": [1], "data": [None]},
        {"shape": [1], "data": [10**400]},
        {"shape": "1", "data": [1.0]},
        {"shape": [1], "data": {"0": 1.0}},
        [],
        None,
    ],
)
def test_junk_in_place_of_a_value_is_wrong_and_nothing_else(junk):
    right, message = compare(junk, reference([1.0]))
    assert (right, bool(message)) == (False, True)


def test_the_tolerances_of_a_submission_do_not_count():
    forged = {**encode(5.0), "rtol": 1e9, "atol": 1e9}
    assert compare(forged, reference(1.0))[0] is False


@pytest.mark.parametrize(
    ("got", "side"), [([1.0, 2.0, 2.5], ", too low"), ([1.0, 2e3, 9e2], ", too high"), ([1.0, 2.0, 2e3], "")]
)
def test_the_message_says_on_which_side_the_numbers_are_and_never_shows_an_expected_one(got, side):
    _, message = compare(encode(got), reference([1.0, 1234.5, 800.0]))
    assert message == f"2 of 3 numbers differ, by up to {max(abs(got[1] - 1234.5), abs(got[2] - 800)):.2g}{side}"


def run(course, **answers):
    """The lab as a student runs it, with these answers typed in: the text of each check's last output."""
    notebook = nbformat.read(course / "labs" / f"{TINY}.ipynb", as_version=4)
    for cell in notebook.cells:
        if (task := cell.metadata.get("course", {}).get("task")) in answers and cell.metadata.course.role == "task":
            cell.source = f"# task: {task}\n{answers[task]}"
    client = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(course / "labs")}})
    client.execute()
    shown = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                shown[cell.id] = output.data
            elif output.output_type == "error":
                shown[cell.id] = {"text/plain": f"{output.ename}: {output.evalue}"}
    return shown


@pytest.fixture(scope="module")
def shown(tiny):
    return run(
        tiny,
        double="def double(x):\n    return x + x",
        total="def total(x):\n    return x.sum()",
    )


def test_the_badge_says_pass_and_the_progress_line_adds_up(shown):
    assert "0 of 6 points so far" in shown["open-lab"]["text/plain"]
    assert "pass  doubled: shape (5,)" in shown["double-check-1"]["text/plain"]
    assert "double-1: 1 of 1 points · 1 of 6 points so far" in shown["double-check-1"]["text/plain"]
    assert "double-2: 2 of 2 points · 3 of 6 points so far" in shown["double-check-2"]["text/plain"]
    assert "✓ pass" in shown["double-check-1"]["text/html"]


def test_the_badge_says_what_is_wrong_and_the_hint(shown):
    text = shown["total-check-1"]["text/plain"]
    assert "FAIL  total: the number differs, by" in text
    assert "hint: is it the sum?" in text
    assert "total-1: 0 of 2 points · 3 of 6 points so far" in text
    assert "✗ not yet" in shown["total-check-1"]["text/html"]


def test_the_check_of_an_untouched_task_says_that_it_is_not_done(shown):
    text = shown["draw-check-1"]["text/plain"]
    assert text == "not done yet: task draw\ndraw-1: 0 of 1 points · 3 of 6 points so far"
    assert "not yet" not in shown["draw-check-1"]["text/html"]  # that is the badge of what is wrong


def test_a_check_that_needs_an_earlier_task_says_which(tiny):
    text = run(tiny, total="def total(x):\n    return double(x).sum()")["total-check-1"]["text/plain"]
    assert text == "this check needs task double, which is not done\ntotal-1: 0 of 2 points · 0 of 6 points so far"


def test_only_the_name_of_a_task_is_believed_to_be_one(tiny):
    stub = 'def total(x):\n    raise NotImplementedError("<b>aten::foo</b>")'
    text = run(tiny, total=stub)["total-check-1"]["text/plain"]
    assert "FAIL  total: not compared: the cell stopped with NotImplementedError" in text
    assert "aten" not in text


def test_a_check_that_stops_before_it_compares_still_gives_its_hint(tiny):
    text = run(tiny, total="def total(x):\n    return None + x")["total-check-1"]["text/plain"]
    assert "FAIL  total: not compared: the cell stopped with TypeError\n      hint: is it the sum?" in text
    assert "total-1: 0 of 2 points · 0 of 6 points so far" in text


def test_what_passed_before_a_check_stopped_counts(tiny):
    notebook = nbformat.read(tiny / "labs" / f"{TINY}.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["double"].source = "n = 2\ndef double(x):\n    global n\n    n -= 1\n    assert n > 0\n    return x + x"
    check, alone = cells["double-check-2"], "\ncheck(ratio=double(x) / x)\ncheck("
    check.source = check.source.replace("\ncheck(", alone, 1)
    notebook.cells = [cells[i] for i in ("setup", "open-lab", "double")] + [check]
    client = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(tiny / "labs")}})
    client.execute()
    text = [output.data["text/plain"] for output in check.outputs if "data" in output][-1]
    assert "FAIL  linear: not compared: the cell stopped with AssertionError" in text
    assert "double-2: 1 of 2 points · 1 of 6 points so far" in text


def test_a_check_that_is_run_twice_counts_once(tiny):
    notebook = nbformat.read(tiny / "labs" / f"{TINY}.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["double"].source = "def double(x):\n    return x + x"
    again = nbformat.v4.new_code_cell(cells["double-check-1"].source)
    notebook.cells = [cells[i] for i in ("setup", "open-lab", "double", "double-check-1")] + [again]
    NotebookClient(notebook, resources={"metadata": {"path": str(tiny / "labs")}}).execute()
    assert "1 of 6 points so far" in again.outputs[-1].data["text/plain"]
