"""What a task forbids is found under every name it goes by, in the task and in its helpers, and nowhere else."""

import ast
import json
from types import SimpleNamespace

import pytest
from conftest import TINY, copy_of_tiny, entries, grade, verdicts
from test_run import FULL, solved

from grader.forbid import defined, findings, uses
from grader.source import assemble
from grader.submission import Cell

GIVEN = "import torch\nimport torch.nn.functional as F\nimport numpy as np"
STUB = "# task: soft\ndef soft(x):\n    raise NotImplementedError('soft')"
FORBIDDEN = ["torch.softmax", "torch.nn.functional.softmax", "torch.linalg", "sorted", ".logsumexp"]
SAYS = "uses torch.softmax (line 2), which this task asks you to write"


def message(*sources, forbidden=FORBIDDEN):
    """What is told of a student's cells; those that define `soft` are the task's."""
    cells = [Cell(text, "task", "soft") if "def soft(" in text else Cell(text) for text in sources]
    master = SimpleNamespace(
        forbidden={"soft": forbidden},
        given=[SimpleNamespace(source=GIVEN)],
        stubs={"soft": STUB, "other": "def other(x):\n    raise NotImplementedError('other')"},
    )
    return findings(cells, master, "soft")


@pytest.mark.parametrize(
    "sources",
    [
        ("def soft(x):\n    return torch.softmax(x, 0)",),
        ("import torch as t", "def soft(x):\n    return t.softmax(x, 0)"),
        ("from torch import softmax", "def soft(x):\n    return softmax(x, 0)"),
        ("from torch import softmax as s", "def soft(x):\n    return s(x, 0)"),
        ("from torch import *", "def soft(x):\n    return softmax(x, 0)"),
        ("def soft(x):\n    return getattr(torch, 'softmax')(x, 0)",),
        ("def soft(x):\n    return __import__('torch').softmax(x, 0)",),
        ("import importlib as i", "def soft(x):\n    return i.import_module('torch').softmax(x, 0)"),
        ("def soft(x, how=None):\n    return (how or torch.softmax)(x, 0)",),
        ("def soft(x):\n    return (lambda y: torch.softmax(y, 0))(x)",),
        ("%matplotlib inline\ndef soft(x): return torch.softmax(x, 0)",),
        ("@torch.no_grad()\ndef soft(x): return torch.softmax(x, 0)",),
    ],
)
def test_a_forbidden_function_is_found_under_every_name_it_goes_by(sources):
    assert message(*sources) == SAYS


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (("def soft(x):\n    return F.softmax(x, 0)",), "uses torch.nn.functional.softmax (line 2)"),
        (
            ("from torch.nn import functional as G\ndef soft(x):\n    return G.softmax(x)",),
            "functional.softmax (line 3)",
        ),
        (
            ("def soft(x):\n    import torch.nn.functional as H\n    return H.softmax(x)",),
            "functional.softmax (line 3)",
        ),
        (("def soft(x):\n    f = torch.softmax\n    return f(x, 0)",), "uses torch.softmax (line 2)"),
        (("f, g = torch.softmax, 3\ndef soft(x):\n    return f(x, 0)",), "uses torch.softmax (line 1)"),
        (("def soft(x):\n    return torch.linalg.solve(x, x)",), "uses torch.linalg (line 2)"),
        (("def soft(x):\n    return sorted(x)",), "uses sorted (line 2)"),
        (("def soft(x):\n    return (x - x.logsumexp(0)).exp()",), "uses .logsumexp (line 2)"),
        (("def soft(x):\n    return x - torch.logsumexp(x, 0)",), "uses .logsumexp (line 2)"),
        (
            ("class A:\n    s = torch.softmax", "def soft(x):\n    return A.s(x)"),
            "torch.softmax (line 2 of another cell)",
        ),
        (
            ("def h(x):\n    return g(x)", "def g(x):\n\n    return F.softmax(x)", "def soft(x):\n    return h(x)"),
            "functional.softmax (line 3 of another cell)",
        ),
        (("def soft(x):\n    return 0", "def soft(x):\n    return torch.softmax(x)"), "uses torch.softmax (line 2)"),
        (("def soft(x):\n    return torch.softmax(x)\nsoft = torch.compile(soft)",), "uses torch.softmax (line 2)"),
    ],
)
def test_it_is_followed_through_aliases_and_helpers(sources, told):
    assert told in message(*sources)


@pytest.mark.parametrize(
    "sources",
    [
        ("def soft(x):\n    return x.exp() / x.exp().sum()",),
        ("def soft(x):\n    return x.exp()\nassert torch.allclose(soft(x), torch.softmax(x, 0))",),
        ("def soft(x):\n    return x.exp()", "print(torch.softmax(torch.ones(3), 0) - soft(torch.ones(3)))"),
        ("def compare(x):\n    return torch.softmax(x, 0)", "def soft(x):\n    return x.exp()"),
        ("def softmax(x):\n    return x.exp()", "def soft(x):\n    return softmax(x)"),
        ("from torch import softmax\ndef softmax(x):\n    return x\ndef soft(x):\n    return softmax(x)",),
        ("def sorted(x):\n    return x", "def soft(x):\n    return sorted(x)"),
        ("def soft(torch):\n    return torch.softmax(0)",),
        ("def soft(x):\n    'torch.softmax(x)'  # torch.softmax(x)\n    return x",),
        ("def soft(x):\n    return torch.softmax(x, 0)", "def soft(x):\n    return x.exp()"),
        ("def other(x):\n    return torch.softmax(x, 0)", "def soft(x):\n    return other(x)"),
        ("def soft(x:\n    return torch.softmax(x, 0)",),
        ("def soft(x):\n    return np.linalg.solve(x, x)",),
        ("def soft(x):\n    return " + "-" * 50_000 + "1",),
        ("def soft(x):\n    return 1" + ".real" * 2_000,),
        (),
    ],
)
def test_what_does_not_use_it_is_left_alone(sources):
    assert message(*sources) == ""


def test_a_task_that_forbids_nothing_has_no_finding():
    assert message("def soft(x):\n    return torch.softmax(x, 0)", forbidden=[]) == ""


def test_nothing_is_executed(tmp_path):
    touched = tmp_path / "touched"
    source = f"open({str(touched)!r}, 'w')\nimport torch as t\nt.softmax({{}}[0])"
    assert uses([source], ["torch.softmax"]) == [("torch.softmax", 3, 0)]
    assert not touched.exists()


def test_a_thousand_cells_that_lead_to_one_another_are_read_once():
    chain = [f"def f{n}(x):\n    return f{n + 1}(x) + f{n + 2}(x) + f0(x)" for n in range(1000)]
    found = uses([*chain, "f1001 = sorted"], ["sorted"], roots={"f0"})
    assert found == [("sorted", 2, 999), ("sorted", 1, 1000)]


def test_names_that_a_source_defines_are_read_from_valid_python_only():
    assert defined("class A:\n    def b(self): pass\nasync def c(): pass") == {"A", "c"}
    assert defined("def f(") == set()


def change(course, old, new):
    path = course / "source" / "labs" / f"{TINY}.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    ast.parse(path.read_text())
    return path


def test_lab_and_solution_say_what_a_task_forbids(tmp_path):
    path = change(copy_of_tiny(tmp_path / "course"), "points=3 minutes=1", 'points=3 minutes=1 forbid=["torch.mul"]')
    for kind in ("labs", "solutions"):
        facts = {cell.id: cell.metadata.get("course", {}) for cell in assemble(path, kind).cells}
        assert facts["double"]["forbid"] == ["torch.mul"]
        assert "forbid" not in facts["total"]


@pytest.mark.parametrize(
    ("forbid", "told"),
    [
        ('"torch.mul"', "90_tiny.py:22: forbid= is a list of names"),
        ('["torch mul"]', "got ['torch mul']"),
        ('[".sum"]', "90_tiny.py:44: the solution of 'total' uses .sum, which the task forbids"),
    ],
)
def test_a_build_refuses_what_cannot_be_forbidden(tmp_path, forbid, told):
    course = copy_of_tiny(tmp_path / "course")
    task = 'task="total" points=2' if ".sum" in forbid else 'task="double" points=3'
    change(course, f"{task} minutes=1", f"{task} minutes=1 forbid={forbid}")
    done = grade("build", root=course, check=2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_forbidden_name_costs_the_task_and_no_other(tmp_path):
    course = copy_of_tiny(tmp_path / "course")
    change(course, "points=2 minutes=1", 'points=2 minutes=1 forbid=["torch.sum"]')
    change(course, "return double(x).sum()", "return double(x) @ torch.ones(len(x))")
    grade("build", root=course, check=0)
    (tmp_path / "in").mkdir()
    answers = {"ada": "return double(x).sum()", "eve": "import torch as t\n    return t.sum(double(x))"}
    for student, text in answers.items():
        notebook = solved(course, total=f"def total(x):\n    {text}")
        (tmp_path / "in" / f"{student}.ipynb").write_text(json.dumps(notebook))
    grade("run", "90", tmp_path / "in", "--out", tmp_path / "out", root=course, check=0)
    found = entries(tmp_path / "out")
    assert {name: entry["points"] for name, entry in found.items()} == {"ada": 6, "eve": 4}
    assert verdicts(found["eve"]) == {**FULL, "total-1": "fail"}
    row = next(row for row in found["eve"]["checks"] if row["check"] == "total-1")
    assert row["message"] == "uses torch.sum (line 4), which this task asks you to write"
