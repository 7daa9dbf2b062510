"""How good are the checks? Small bugs planted in a lab's solution, one at a time, each graded as a student's answer.

    for mutant in mutants("kl_bits", solution, stub):
        print(mutant.id, mutant.operator, mutant.diff)

A mutant that keeps all points of its task survives: a mistake that the checks cannot see. One that is no mistake is
marked as equivalent, with the reason, in `tests/answers/NN_topic/equivalent.toml`.
"""

import ast
import difflib
import hashlib
import json
import random
import re
import secrets
import sys
import tomllib
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from grader.answers import folder
from grader.compare import score
from grader.course import CourseError
from grader.execute import Limits, run_notebook
from grader.grade import prepare
from grader.master import Master, alone
from grader.pool import Pool, Processes, kernels_of
from grader.submission import Cell

WANTED = 0.9  # share of the mutants that are not equivalent


@dataclass(frozen=True)
class Mutant:
    """One bug: the task's source with it, and how that differs from the solution."""

    id: str
    task: str
    operator: str
    source: str
    diff: str


# Operators: each gives what may stand in a node's place. names: what the function has bound above the node.

MODULES = {"torch", "nn", "F", "np", "numpy", "math", "scipy"}
OPERATION = (cst.BinaryOperation, cst.UnaryOperation, cst.BooleanOperation, cst.Comparison, cst.IfExp, cst.Lambda)
ONE = cst.Integer("1")


def _instead(node, new):
    """`new` in the place of an expression that it was part of: with the parentheses that held the expression."""
    return new.with_changes(lpar=node.lpar, rpar=node.rpar) if isinstance(new, OPERATION) and not new.lpar else new


def _tight(node):
    """An expression that can stand anywhere: in parentheses if it is an operation."""
    held = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]}
    return node.with_changes(**held) if isinstance(node, OPERATION) and not node.lpar else node


def _called(node):
    """The last name of what a call calls: "sum" for both x.sum() and torch.sum(x); "" where there is none."""
    name = getattr(node.func, "attr", node.func) if isinstance(node, cst.Call) else None
    return name.value if isinstance(name, cst.Name) else ""


def _positional(node):
    """Indices of the arguments that a call passes by position."""
    return [n for n, arg in enumerate(node.args) if arg.keyword is None and not arg.star]


def _with_argument(call, index, value):
    args = list(call.args)
    args[index] = args[index].with_changes(value=value)
    return call.with_changes(args=args)


def _plus(node, operator):
    return cst.BinaryOperation(_tight(node), operator, ONE)


def wrong_axis(node, names):
    """dim=0 <-> 1 <-> -1, also where the axis is passed by position; x[:, None] -> x[None, :]."""
    if isinstance(node, cst.Subscript) and len(node.slice) == 2:
        first, second = node.slice
        yield node.with_changes(slice=[first.with_changes(slice=second.slice), second.with_changes(slice=first.slice)])
    for n, arg in enumerate(node.args if isinstance(node, cst.Call) else ()):
        text = cst.Module([]).code_for_node(arg.value)
        is_axis = arg.keyword.value in ("dim", "axis") if arg.keyword else _called(node) in TAKE_AXIS
        if is_axis and re.fullmatch(r"-?\d", text):
            for axis in {"0": ("1", "-1"), "1": ("0", "-1")}.get(text, ("0", "1")):
                yield _with_argument(node, n, cst.parse_expression(axis))


TAKE_AXIS = {
    "sum", "mean", "prod", "std", "var", "max", "min", "amax", "amin", "argmax", "argmin", "sort", "argsort",
    "any", "all", "cumsum", "cumprod", "softmax", "log_softmax", "logsumexp", "stack", "cat", "squeeze",
    "unsqueeze", "flip", "unbind", "norm",
}  # fmt: skip


def changed_constant(node, names):
    """n -> n + 1 and n - 1 (so 0 <-> 1), x -> 2 x, a tiny number -> 0, True <-> False."""
    if isinstance(node, cst.Integer):
        yield from (cst.Integer(str(n)) for n in (node.evaluated_value + 1, node.evaluated_value - 1) if n >= 0)
    elif isinstance(node, cst.Float):
        yield cst.Float(repr(2 * node.evaluated_value or 1.0))
        if 0 < node.evaluated_value <= 1e-3:
            yield cst.Float("0.0")
    elif isinstance(node, cst.Name) and node.value in ("True", "False"):
        yield cst.Name(str(node.value == "False"))


def off_by_one(node, names):
    """One more or less in range(n), arange(n), len(x) and the bounds of slices; a range that begins at 1."""
    if _called(node) in ("range", "arange"):
        for n in _positional(node):
            if not isinstance(node.args[n].value, cst.Integer):
                yield from (
                    _with_argument(node, n, _plus(node.args[n].value, by)) for by in (cst.Subtract(), cst.Add())
                )
        if len(_positional(node)) == 1 and not isinstance(node.args[0].value, cst.Integer):
            yield node.with_changes(args=[cst.Arg(ONE), *node.args])
    elif _called(node) == "len":
        yield from (_tight(_plus(node, by)) for by in (cst.Subtract(), cst.Add()))
    elif isinstance(node, cst.Slice):
        for side in ("lower", "upper"):
            bound = getattr(node, side)
            if bound is not None and not isinstance(bound, cst.Integer):
                yield from (node.with_changes(**{side: _plus(bound, by)}) for by in (cst.Subtract(), cst.Add()))


def swapped_operands(node, names):
    """a - b -> b - a, and so for / // % ** @; f(a, b) -> f(b, a) for neighbours passed by position."""
    fixed = (cst.Add, cst.Multiply, cst.BitAnd, cst.BitOr, cst.BitXor)
    if isinstance(node, cst.BinaryOperation) and not isinstance(node.operator, fixed):
        yield node.with_changes(left=_tight(node.right), right=_tight(node.left))
    elif isinstance(node, cst.Call):
        for n in _positional(node):
            if n + 1 in _positional(node):
                there = _with_argument(node, n, node.args[n + 1].value)
                yield _with_argument(there, n + 1, node.args[n].value)


def dropped_term(node, names):
    """a + b -> a or b, a * b -> a or b, a / b -> a, -a -> a, where(c, a, b) -> a or b, `a and b` -> a or b, ..."""
    if isinstance(node, cst.BinaryOperation):
        yield _instead(node, node.left)
        if isinstance(node.operator, (cst.Add, cst.Multiply, cst.BitAnd, cst.BitOr)):
            yield _instead(node, node.right)
    elif isinstance(node, cst.UnaryOperation) and not isinstance(node.operator, cst.Plus):
        yield _instead(node, node.expression)
    elif isinstance(node, cst.BooleanOperation):
        yield from (_instead(node, node.left), _instead(node, node.right))
    elif isinstance(node, cst.IfExp):
        yield from (_instead(node, node.body), _instead(node, node.orelse))
    elif _called(node) == "where" and len(_positional(node)) == 3:
        yield from (_tight(arg.value) for arg in node.args[1:])


def wrong_operator(node, names):
    """+ <-> -, * <-> /, // -> /, ** -> *, @ -> *, & <-> |, `and` <-> `or`; in an augmented assignment too."""
    other = OTHER_OPERATOR.get(type(getattr(node, "operator", None)))
    if other:
        yield node.with_changes(operator=other())


OTHER_OPERATOR = {
    cst.Add: cst.Subtract, cst.Subtract: cst.Add, cst.Multiply: cst.Divide, cst.Divide: cst.Multiply,
    cst.FloorDivide: cst.Divide, cst.Power: cst.Multiply, cst.MatrixMultiply: cst.Multiply,
    cst.BitAnd: cst.BitOr, cst.BitOr: cst.BitAnd, cst.And: cst.Or, cst.Or: cst.And,
    cst.AddAssign: cst.SubtractAssign, cst.SubtractAssign: cst.AddAssign,
    cst.MultiplyAssign: cst.DivideAssign, cst.DivideAssign: cst.MultiplyAssign,
}  # fmt: skip


def wrong_comparison(node, names):
    """< -> <= and >, and so for the others; == <-> !=, `in` <-> `not in`, `is` <-> `is not`."""
    if isinstance(node, cst.ComparisonTarget):
        yield from (node.with_changes(operator=other()) for other in OTHER_COMPARISON[type(node.operator)])


OTHER_COMPARISON = {
    cst.LessThan: [cst.LessThanEqual, cst.GreaterThan], cst.LessThanEqual: [cst.LessThan, cst.GreaterThanEqual],
    cst.GreaterThan: [cst.GreaterThanEqual, cst.LessThan], cst.GreaterThanEqual: [cst.GreaterThan, cst.LessThanEqual],
    cst.Equal: [cst.NotEqual], cst.NotEqual: [cst.Equal],
    cst.In: [cst.NotIn], cst.NotIn: [cst.In], cst.Is: [cst.IsNot], cst.IsNot: [cst.Is],
}  # fmt: skip


def wrong_function(node, names):
    """sum <-> mean, min <-> max, log <-> log2, softmax <-> log_softmax, expm1 -> exp, ..."""
    for other in OTHER_FUNCTION.get(_called(node), ()):
        named = cst.Name(other)
        func = node.func.with_changes(attr=named) if isinstance(node.func, cst.Attribute) else named
        yield node.with_changes(func=func)


PAIRS = """sum mean, min max, amin amax, argmin argmax, minimum maximum, any all, zeros ones, rand randn, floor ceil,
log log2, softmax log_softmax, sigmoid logsigmoid, std var, stack cat, zeros_like ones_like, tril triu"""
OTHER_FUNCTION = {a: [b] for pair in PAIRS.split(",") for a, b in (pair.split(), pair.split()[::-1])}
OTHER_FUNCTION |= {"expm1": ["exp"], "log1p": ["log"], "logsumexp": ["sum"], "cumsum": ["cumprod"]}


def dropped_call(node, names):
    """x.detach() -> x, torch.exp(x) -> x, and so for clamp, cumsum, log, ...; `with no_grad():` -> its body."""
    if _called(node) in DROPPED:
        owner = node.func.value if isinstance(node.func, cst.Attribute) else None
        if owner and cst.Module([]).code_for_node(owner).split(".")[0] not in MODULES:
            yield _tight(owner)
        elif 0 in _positional(node):
            yield _tight(node.args[0].value)
    elif isinstance(node, cst.With) and {_called(i.item) for i in node.items} <= {"no_grad", "inference_mode"}:
        yield cst.FlattenSentinel(node.body.body)


DROPPED = {
    "detach", "clone", "copy", "clamp", "clip", "exp", "log", "log2", "log10", "log1p", "expm1", "sqrt",
    "square", "abs", "cumsum", "cumprod", "softmax", "log_softmax", "sigmoid", "logsigmoid", "tanh", "relu",
    "normalize", "round", "floor", "ceil", "float", "double", "long", "int", "sort", "sorted", "flip",
    "reversed", "contiguous", "squeeze", "unsqueeze", "requires_grad_",
}  # fmt: skip


def dropped_keyword(node, names):
    """f(x, dim=1) -> f(x), for every argument that is passed by name."""
    for n, arg in enumerate(node.args if isinstance(node, cst.Call) else ()):
        if arg.keyword is not None:
            args = [*node.args[:n], *node.args[n + 1 :]]
            if args:
                args[-1] = args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            yield node.with_changes(args=args)


def dropped_statement(node, names):
    """A call whose value nobody keeps, an augmented assignment, or an assignment to what exists, becomes `pass`."""
    call = isinstance(node, cst.Expr) and isinstance(node.value, cst.Call)
    again = isinstance(node, cst.Assign) and all(
        t.target.value in names if isinstance(t.target, cst.Name) else not isinstance(t.target, cst.Tuple)
        for t in node.targets
    )
    if call or again or isinstance(node, cst.AugAssign):
        yield cst.Pass()


def wrong_name(node, names):
    """return a -> return b, for every other name that the function has bound."""
    if isinstance(node, cst.Return) and isinstance(node.value, cst.Name):
        yield from (node.with_changes(value=cst.Name(name)) for name in names if name != node.value.value)


OPERATORS = [
    wrong_axis, off_by_one, changed_constant, swapped_operands, dropped_term, wrong_operator, wrong_comparison,
    wrong_function, dropped_call, dropped_keyword, dropped_statement, wrong_name,
]  # fmt: skip


class _Nodes(cst.CSTVisitor):
    """Every node that may be changed, in order, with the names that its function has bound above it."""

    def __init__(self):
        self.found, self.names = [], []

    def on_visit(self, node):
        self.found.append((node, tuple(self.names)))
        if isinstance(node, cst.FunctionDef):
            self.names = []
        elif isinstance(node, cst.Param):
            self.names.append(node.name.value)
        return not isinstance(node, (cst.Annotation, cst.FormattedString, cst.Raise, cst.Assert))

    def on_leave(self, node):
        if isinstance(node, cst.AssignTarget):
            targets = [e.value for e in node.target.elements] if isinstance(node.target, cst.Tuple) else [node.target]
            self.names += [t.value for t in targets if isinstance(t, cst.Name) and t.value not in self.names]


def _regions(task, solution, stub):
    """The lines, counted from 1, that the solution has and the stub does not."""
    gaps = re.split(rf'[ \t]*raise NotImplementedError\("{task}"\)\n?', stub)
    found = re.fullmatch("(.*?)".join(map(re.escape, gaps)), solution, re.DOTALL)
    if found is None:
        raise CourseError(f"the solution of {task!r} does not belong to its stub: run `grade build`")
    lines = set()
    for n in range(1, len(gaps)):
        first = solution.count("\n", 0, found.start(n)) + 1
        lines |= set(range(first, first + found[n].count("\n") + 1))
    return lines


def _meaning(source):
    """What Python makes of a source: without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body[0].value.value = ""
    return ast.unparse(tree)


def mutants(task, solution, stub):
    """All mutants of a task, each once. An id stays as long as the code does; comments and docstrings may change."""
    wrapper = MetadataWrapper(cst.parse_module(solution))
    places, lines, nodes = wrapper.resolve(PositionProvider), _regions(task, solution, stub), _Nodes()
    wrapper.module.visit(nodes)
    seen, made = {_meaning(solution)}, []
    for operator in OPERATORS:
        for node, names in nodes.found:
            if node not in places or places[node].start.line not in lines:
                continue
            for new in operator(node, names):
                source = wrapper.module.deep_replace(node, new).code
                try:
                    meaning = _meaning(source)
                except SyntaxError:
                    continue
                if meaning not in seen:
                    seen.add(meaning)
                    made.append(_mutant(task, operator.__name__.replace("_", " "), source, meaning, solution))
    return made


def _mutant(task, operator, source, meaning, solution):
    digest = hashlib.sha256(f"{task}\n{operator}\n{meaning}".encode()).hexdigest()[:8]
    rows = difflib.unified_diff(solution.splitlines(), source.splitlines(), task, operator, n=1, lineterm="")
    return Mutant(digest, task, operator, source, "\n".join(rows))


# Grading


def loses(pool, lab, source, task):
    """Does the task lose points with this source, all others solved? Also the seconds of the slowest cell."""
    notebook = alone(lab.master, [Cell(source, "task", task)], task, lab.seed)
    results = run_notebook(notebook, kernels=kernels_of(pool), limits=lab.limits)
    names = [cell.metadata["grade"].get("check") for cell in notebook.cells]
    published = {name: result.values for name, result in zip(names, results, strict=True) if name}
    lost = any(score(values, lab.expected[name]["values"])[0] < 1 for name, values in published.items())
    return lost, max(result.seconds for result in results)


def grade_mutants(chosen, master, seed, jobs=1):
    """Grade mutants with one seed: (mutant, loses it points) of each. A cell may take ten times what the solution's do.

    CourseError where the solution itself loses points.
    """
    pool, labs = Pool(allow_unsandboxed=True), {}  # it is the course's own code
    lab = prepare(master, seed, Limits(), kernels_of(pool))
    for task in {mutant.task for mutant in chosen}:
        lost, slowest = loses(pool, lab, master.tasks[task], task)
        if lost:
            raise CourseError(f"the solution of {task!r} loses points when it is run again with seed {seed}")
        labs[task] = replace(lab, limits=Limits(timeout=max(5.0, 10 * slowest)))
    todo = [[labs[m.task] for m in chosen], [m.source for m in chosen], [m.task for m in chosen]]
    jobs = min(jobs, len(chosen))
    with Processes(pool, jobs) if jobs > 1 else nullcontext() as workers:
        found = (workers.executor.map if workers else map)(partial(loses, pool), *todo)
        yield from zip(chosen, (lost for lost, _ in found), strict=True)


def read_equivalent(stem):
    """The marked mutants of a topic: {id: reason}. CourseError for an entry without a reason."""
    path = folder(stem) / "equivalent.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path}: {error}") from None
    for name, entry in entries.items():
        if not (isinstance(entry, dict) and entry.get("why")):
            raise CourseError(f'{path}: ["{name}"] must say why no check can tell it from the solution: why = "..."')
    return {name: entry["why"] for name, entry in entries.items()}


def run(wanted, *, task=None, sample=None, seed=None, jobs=1, out=None):
    """What `grade mutate` does: grade a topic's mutants, tell which survive. Returns its exit status."""
    master = Master.load(wanted)
    known = [mutant for name in master.tasks for mutant in mutants(name, master.tasks[name], master.stubs[name])]
    marked = read_equivalent(master.stem)
    chosen = [mutant for mutant in known if task in (None, mutant.task)]
    if not chosen:
        raise CourseError(
            f"lab {master.stem} has no task {task!r} to change; expected one of {', '.join(master.tasks)}"
        )
    seed = secrets.randbelow(2**31) if seed is None else seed
    if sample is not None and sample < len(chosen):
        chosen = random.Random(seed).sample(chosen, sample)
    if out is not None:
        _write(out, "")  # what cannot be written is told before the work, not after it
    print(f"{master.stem}: {len(chosen)} of {len(known)} mutants, seed {seed}", flush=True)
    rows = []
    for mutant, lost in grade_mutants(chosen, master, seed, jobs):
        status = ("wrong" if lost else "equivalent") if mutant.id in marked else ("killed" if lost else "survived")
        rows.append({"status": status, **asdict(mutant)})
        print(f"{len(rows)}/{len(chosen)} {mutant.id} {status}", file=sys.stderr, flush=True)
    stale = sorted(set(marked) - {mutant.id for mutant in known})
    _print(rows, stale, marked)
    if out is not None:
        result = {"schema": 1, "lab": master.stem, "seed": seed, "stale": stale, "mutants": rows}
        _write(out, json.dumps(result, indent=1) + "\n")
    return 0 if _share(rows) >= WANTED else 1


def _write(path, text):
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"cannot write to --out {path}: {error.strerror}") from None


def _share(rows):
    """The share of killed mutants among those that are not equivalent."""
    count = Counter(row["status"] for row in rows)
    killed = count["killed"] + count["wrong"]
    return killed / (killed + count["survived"]) if killed + count["survived"] else 1.0


def _print(rows, stale, marked):
    for key in ("operator", "task"):
        width = max(len(row[key]) for row in rows) + 2
        print(f"\n{key:{width}}mutants  killed  equivalent  survived")
        for name in [*dict.fromkeys(row[key] for row in rows), "all"]:
            count = Counter(row["status"] for row in rows if name in (row[key], "all"))
            killed = count["killed"] + count["wrong"]
            print(f"{name:{width}}{count.total():7}{killed:8}{count['equivalent']:12}{count['survived']:10}")
    for row in rows:
        if row["status"] == "survived":
            print(f"\nsurvived: {row['id']}\n{row['diff']}")
        elif row["status"] == "wrong":
            print(f"\nwrong: {row['id']} is marked as equivalent ({marked[row['id']]}) and is killed\n{row['diff']}")
    for name in stale:
        print(f"\nstale: {name} is marked as equivalent and is no mutant of this lab any more")
    print(f"\nkilled {_share(rows):.1%} of those that are not equivalent, {WANTED:.0%} wanted")
