"""`grade mutate`: which bugs it plants, and what it says of those that the checks miss."""

import json

import nbformat
import pytest
from conftest import ROOT, TINY, grade

from grader.course import CourseError
from grader.mutate import mutants

STUB = '''# task: f
LIMIT = 3  # given


def f(x, y, *, dim=0):
    """Not 2 numbers, but x + 1."""
    raise NotImplementedError("f")
'''


def solution(body):
    return STUB.replace('raise NotImplementedError("f")', body.replace("\n", "\n    "))


def planted(body, operator=None):
    """What the mutants of one operator, or of all, have in the place of `body`."""
    before, after = solution("BODY").split("BODY")
    made = [m for m in mutants("f", solution(body), STUB) if operator in (None, m.operator)]
    assert all(m.source.startswith(before) and m.source.endswith(after) for m in made)
    return [m.source.removeprefix(before).removesuffix(after).replace("\n    ", "\n") for m in made]


@pytest.mark.parametrize(
    ("operator", "body", "expected"),
    [
        ("wrong axis", "return x.sum(dim=0)", ["return x.sum(dim=1)", "return x.sum(dim=-1)"]),
        ("wrong axis", "return torch.softmax(x, -1)", ["return torch.softmax(x, 0)", "return torch.softmax(x, 1)"]),
        ("wrong axis", "return x[:, None]", ["return x[None, :]"]),
        ("wrong axis", "return x.view(0)", []),
        (
            "off by one",
            "return range(y)",
            ["return range(y - 1)", "return range(y + 1)", "return range(1, y)"],
        ),
        ("off by one", "return y / len(x)", ["return y / (len(x) - 1)", "return y / (len(x) + 1)"]),
        ("off by one", "return x[:y]", ["return x[:y - 1]", "return x[:y + 1]"]),
        ("changed constant", "return x[0]", ["return x[1]"]),
        ("changed constant", "return x[2]", ["return x[3]", "return x[1]"]),
        ("changed constant", "return x * 0.5", ["return x * 1.0"]),
        ("changed constant", "return x.clamp(1e-6)", ["return x.clamp(2e-06)", "return x.clamp(0.0)"]),
        ("changed constant", "return g(x, keepdim=True)", ["return g(x, keepdim=False)"]),
        ("swapped operands", "return x - y * 2", ["return (y * 2) - x"]),
        ("swapped operands", "return x + y", []),
        ("swapped operands", "return g(x, y, 4)", ["return g(y, x, 4)", "return g(x, 4, y)"]),
        ("swapped operands", "return g(x, *y)", []),
        (
            "dropped term",
            "return (x * y + 2).sum()",
            ["return (x * y).sum()", "return (x + 2).sum()", "return (y + 2).sum()"],
        ),
        ("dropped term", "return x / y", ["return x"]),
        ("dropped term", "return -x", ["return x"]),
        (
            "dropped term",
            "return -torch.where(c, x + 1, y)",
            [
                "return torch.where(c, x + 1, y)",
                "return -(x + 1)",
                "return -y",
                "return -torch.where(c, x, y)",
                "return -torch.where(c, 1, y)",
            ],
        ),
        ("dropped term", "return x if y else 5", ["return x", "return 5"]),
        ("wrong operator", "return x + y", ["return x - y"]),
        ("wrong operator", "return x and y", ["return x or y"]),
        ("wrong operator", "x += y\nreturn x", ["x -= y\nreturn x"]),
        ("wrong comparison", "return x < y", ["return x <= y", "return x > y"]),
        ("wrong comparison", "return x == y", ["return x != y"]),
        ("wrong function", "return x.mean()", ["return x.sum()"]),
        ("wrong function", "return min(x, y)", ["return max(x, y)"]),
        ("wrong function", "return torch.log(x)", ["return torch.log2(x)"]),
        ("dropped call", "return x.detach() * y", ["return x * y"]),
        ("dropped call", "return torch.exp(-x) ** 2", ["return (-x) ** 2"]),
        ("dropped call", "with torch.no_grad():\n    y = x\nreturn y", ["y = x\nreturn y"]),
        ("dropped keyword", "return g(x, a=1, b=y)", ["return g(x, b=y)", "return g(x, a=1)"]),
        ("dropped statement", "x = x + y\nreturn x", ["pass\nreturn x"]),
        ("dropped statement", "z = x + y\nreturn z", []),
        ("dropped statement", "x[0] = y\nreturn x", ["pass\nreturn x"]),
        ("dropped statement", "x.add_(y)\nreturn x", ["pass\nreturn x"]),
        ("dropped statement", "x -= y\nreturn x", ["pass\nreturn x"]),
        ("wrong name", "z = x\nreturn z", ["z = x\nreturn x", "z = x\nreturn y", "z = x\nreturn dim"]),
        ("wrong name", "return x + y", []),
    ],
)
def test_an_operator_plants_exactly_these_bugs(operator, body, expected):
    assert planted(body, operator) == expected


def test_what_the_lab_gives_and_what_is_only_said_stays_as_it_is():
    assert planted('"""2 + 3"""\nif x:\n    raise ValueError(f"{x - 1}" + "2")\nassert y > 0, y\nz: "2 - x" = x') == []


def test_every_mutant_is_another_program():
    made = planted("y = x.sum(0) + y * 2\nreturn y.clamp(min=0) / len(x)")
    assert len({"".join(text.split()) for text in made}) == len(made) == 20
    for text in made:
        compile(solution(text), "mutant", "exec")


def test_all_regions_of_a_task_are_changed_and_nothing_between_them():
    stub = STUB + '\n\ndef g(x):\n    y = x - 1\n    raise NotImplementedError("f")\n'
    text = stub.replace('raise NotImplementedError("f")', "return -x")
    assert [m.source for m in mutants("f", text, stub)] == [
        text.replace("return -x", "return x", 1),
        "return x".join(text.rsplit("return -x", 1)),
    ]


def test_a_solution_of_another_stub_is_told():
    with pytest.raises(CourseError, match="'f' does not belong to its stub"):
        mutants("f", solution("return -x").replace("LIMIT = 3", "LIMIT = 4"), STUB)


def test_an_id_stays_with_the_code_and_not_with_its_comments():
    first = mutants("f", solution("return -x"), STUB)
    told = mutants("f", solution("return -x  # the sign!").replace("Not 2", "Not 3"), STUB.replace("Not 2", "Not 3"))
    moved = mutants("f", solution("return -y"), STUB)
    assert [m.id for m in first] == [m.id for m in told] == ["a9c6e8c0"]
    assert [m.id for m in moved] != ["a9c6e8c0"]


def edit(course, old, new):
    """Change the built solution, which is all that `grade mutate` reads beside the lab."""
    path = course / "solutions" / f"{TINY}.ipynb"
    old, new = json.dumps(old)[1:-1], json.dumps(new)[1:-1]
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


LOOP = "    answer = None\n    while answer is None:\n        answer = SCALE * x\n"


def test_what_a_weak_check_misses_is_shown_and_what_never_ends_is_killed(own_tiny, tmp_path):
    edit(own_tiny, "total=total(fresh(10))", "total=0 * total(fresh(10))")
    edit(own_tiny, "    answer = SCALE * x\n", LOOP)
    done = grade("mutate", 90, "--seed", 5, "--jobs", 1, "--out", tmp_path / "m.json", root=own_tiny, check=1)
    result = json.loads((tmp_path / "m.json").read_text())
    assert (result["lab"], result["seed"], result["stale"]) == (TINY, 5, [])
    missed = [m for m in result["mutants"] if m["status"] == "survived"]
    assert [m["diff"].splitlines()[-2:] for m in missed] == [
        ["-    return double(x).sum()", "+    return double(x).mean()"],
        ["-    return double(x).sum()", "+    return x.sum()"],
        ["-    return torch.rand(n, generator=generator)", "+    return torch.rand(n)"],
    ]
    for m in missed:
        assert f"survived: {m['id']}\n{m['diff']}" in done.stdout
    killed = [m for m in result["mutants"] if m["status"] == "killed"]
    assert len(killed) + len(missed) == len(result["mutants"])
    assert f"killed {len(killed) / len(result['mutants']):.1%}" in done.stdout
    endless = [m for m in result["mutants"] if m["operator"] == "dropped statement"]
    assert [m["status"] for m in endless] == ["killed"]
    assert "while answer is None:\n        pass" in endless[0]["source"]


def test_marks_that_are_right_stale_or_wrong_are_told(own_tiny, tmp_path):
    notebooks = [nbformat.read(own_tiny / kind / f"{TINY}.ipynb", as_version=4) for kind in ("solutions", "labs")]
    killed, survives = mutants("draw", *(c.source for nb in notebooks for c in nb.cells if c.id == "draw"))
    folder = own_tiny / "tests" / "answers" / TINY
    folder.mkdir(parents=True)
    marks = folder / "equivalent.toml"
    marks.write_text("".join(f'["{i}"]\nwhy = "same numbers"\n' for i in (survives.id, killed.id, "00000000")))
    arguments = ["--task", "draw", "--jobs", 2, "--out", tmp_path / "m.json"]
    done = grade("mutate", 90, *arguments, root=own_tiny, check=0)
    result = json.loads((tmp_path / "m.json").read_text())
    assert {m["id"]: m["status"] for m in result["mutants"]} == {killed.id: "wrong", survives.id: "equivalent"}
    assert result["stale"] == ["00000000"]
    assert f"wrong: {killed.id} is marked as equivalent (same numbers) and is killed" in done.stdout
    assert "stale: 00000000 is marked" in done.stdout
    assert "killed 100.0%" in done.stdout
    marks.write_text(f'["{survives.id}"]\ntask = "draw"\n')
    assert "must say why" in grade("mutate", 90, root=own_tiny, check=2).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["91"], "there is no topic '91'"),
        (["90", "--task", "halve"], "has no task 'halve' to change; expected one of double, total, draw"),
        (["90", "--sample", "0"], "expected a whole number above 0, got '0'"),
        (["90", "--out", "/nowhere/m.json"], "cannot write to --out /nowhere/m.json"),
    ],
)
def test_wrong_usage_is_told_before_the_work(tiny, arguments, told):
    done = grade("mutate", *arguments, root=tiny, check=2)
    assert told in done.stderr
    assert done.stdout == ""


def test_the_checks_of_lab_01_kill_a_sample_of_its_mutants(tmp_path):
    out = tmp_path / "m.json"
    done = grade("mutate", "01", "--sample", 6, "--seed", 1, "--jobs", 1, "--out", out, root=ROOT, check=0)
    result = json.loads(out.read_text())
    assert len(result["mutants"]) == 6
    assert result["stale"] == []
    assert "wrong: " not in done.stdout
