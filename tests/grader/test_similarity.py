"""Likeness of code: a copy is found in whatever clothes, and what everybody writes alike is nobody's copy."""

import random
import statistics
from itertools import combinations, pairwise

import pytest
from rapidfuzz.distance import Indel

from grader import similarity
from grader.similarity import alike, tokens_of

STUB = 'def fit(x, K):\n    """Fit it.\n\n    x: (n,).\n    """\n    raise NotImplementedError("fit")\n'
ORIGINAL = '''def fit(x, K):
    """Fit it.

    x: (n,).
    """
    counts = torch.zeros(K)
    for value in x:
        counts[value] += 1  # one more
    smooth = counts + 0.5
    total = smooth.sum()
    if total == 0:
        raise ValueError("nothing to fit")
    logits = (smooth / total).log()
    return logits - logits.logsumexp(0)
'''
DISGUISED = """def fit(x, K):
    c = torch.zeros(K)

    for v in x: c[v] += 1
    s = c + .5 ; t = s.sum()
    # never empty
    if (t == 0):
        raise ValueError('empty data!')
    return_value = (s / t).log()
    return return_value - return_value.logsumexp( 0 )
"""


def own_way(seed):
    """A function of thirty statements drawn by lot."""
    draw = random.Random(seed)
    parts = ["y = x.{}({})", "x[{1}] += y.{0}()", "if y.{} > {}: y = -y", "z = torch.{}(y, dim={})", "return y.{} / {}"]
    names = ["mean", "sum", "exp", "log", "cumsum", "sort", "where", "clamp"]
    lines = [draw.choice(parts).format(draw.choice(names), draw.randrange(20)) for _ in range(30)]
    return "\n    ".join(["def fit(x, K):", *lines])


def handed_in(*sources, task="fit"):
    return [{"student": f"s{n}", "code": {task: source}} for n, source in enumerate(sources)]


def groups(*sources, **lab):
    found = alike(handed_in(*sources), **lab)
    return [[member.student for member in group] for task in found for group in task.groups]


OTHERS = [own_way(seed) for seed in range(20)]


@pytest.mark.parametrize("copy", [ORIGINAL, DISGUISED], ids=["plain", "disguised"])
def test_a_copy_is_found_whatever_its_names_comments_and_layout(copy):
    assert groups(*OTHERS, ORIGINAL, copy) == [["s20", "s21"]]


def test_those_who_wrote_it_themselves_are_in_no_group():
    assert groups(*OTHERS) == []


def test_a_short_function_that_everybody_writes_alike_is_not_compared():
    assert alike(handed_in(*["def fit(x, K):\n    p = x.bincount(minlength=K)\n    return p / len(x)"] * 30)) == []


def test_what_most_of_a_class_wrote_is_common_and_not_listed():
    [task] = alike(handed_in(*[ORIGINAL] * 30, *OTHERS))
    assert (task.groups, task.common) == ([], [30])


def test_the_usual_likeness_of_a_class_decides_how_much_is_listed():
    [task] = alike(handed_in(*OTHERS, ORIGINAL))
    pairs = combinations([tokens_of(source) for source in (*OTHERS, ORIGINAL)], 2)
    assert task.median == pytest.approx(statistics.median(Indel.normalized_similarity(a, b) for a, b in pairs))
    nearly = [ORIGINAL.replace("0.5", str(n)) for n in range(20)]  # one number apart
    [alike_by_nature] = alike(handed_in(*nearly))
    assert alike_by_nature.threshold > max(0.98, task.threshold)


def test_the_less_code_the_more_likeness_it_takes():
    long, short = ("def fit(x):\n" + "    x = x.mean() + 1\n" * n for n in (40, 4))
    assert alike(handed_in(long))[0].threshold == pytest.approx(0.9)
    assert alike(handed_in(short))[0].threshold > 0.95


def test_a_copy_of_the_solution_stands_below_the_solution():
    lab = {"solutions": {"fit": ORIGINAL}, "stubs": {"fit": STUB}}
    assert groups(*OTHERS, DISGUISED, **lab) == [[None, "s20"]]
    assert groups(*OTHERS, DISGUISED) == []


def test_the_stub_and_what_of_it_is_left_say_nothing():
    assert tokens_of(STUB, set(similarity.logical_lines(STUB))) == []
    long = (
        "def fit(x):\n    "
        + "\n    ".join(f"a{n} = x.m{n}() + {n}" for n in range(20))
        + "\n    raise NotImplementedError"
    )
    lab = {"stubs": {"fit": long}}
    assert alike(handed_in(long, f"# mine\n{long}", ""), **lab) == []
    assert alike(handed_in(long, long), **lab) == []
    [task] = alike(handed_in(STUB, ORIGINAL), stubs={"fit": STUB})
    assert (task.compared, task.left_out) == (1, 1)


def test_code_that_is_no_python_is_compared_too():
    broken = ORIGINAL.replace("(smooth / total)", "((smooth / total)")
    assert groups(*OTHERS, broken, broken.replace("counts", "c")) == [["s20", "s21"]]


def test_what_is_called_and_computed_tells_codes_apart():
    assert (
        tokens_of("y = x.sum(1)")
        == tokens_of("total = data.sum( 1 )  # sum")
        == ["N", "=", "N", ".", "sum", "(", "1", ")"]
    )
    for other in ("y = x.mean(1)", "y = x.sum(2)", "y = x.sum(1) + 1", "y = sum(x)"):
        assert tokens_of(other) != tokens_of("y = x.sum(1)")
    assert tokens_of("y = sum(x)") != tokens_of("y = len(x)") != tokens_of("y = mine(x)") == tokens_of("y = yours(x)")
    assert tokens_of("x = len('a')\n'''a docstring'''") == tokens_of("y = len('b')")


def test_what_is_listed_is_bounded_and_the_smallest_groups_come_first():
    copies = [source for n in range(20) for source in [own_way(n)] * (2 + n % 3)]
    [task] = alike(handed_in(*copies))
    assert len(task.groups) == similarity.MAX_GROUPS
    assert task.more == 20 - similarity.MAX_GROUPS
    assert all(len(a) <= len(b) for a, b in pairwise(task.groups))
    assert len(tokens_of("x = y.z + 1\n" * 5_000)) == similarity.MAX_TOKENS


@pytest.mark.parametrize(
    "source", ["\0\ud800" * 99, "'" * 20_000, "(" * 20_000, '"\\' * 9_999, "'''\n" * 5_000, "é\f\t\\\n"]
)
def test_no_text_is_too_odd_to_be_read(source):
    assert all(isinstance(token, str) for token in tokens_of(source))
