"""The lab as the grader knows it, and the notebooks it runs: a student's cells with the master's checks put back.

master = Master.load("01_histograms_logistics")
notebook = own(master, cells, seed=7)                      # the student's notebook
notebook = alone(master, cells, "fit_histogram", seed=7)   # one task, the solution in place of the others
"""

import ast
import hashlib
import itertools
import json
import re
import symtable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from grader.course import ROOT, CourseError, find_topic
from grader.source import KERNELSPEC
from utils import checks

MAX_PARSED = 20_000  # characters of a cell whose names are looked up; a longer one is taken to use every word in it
IMPORTS = "from utils.checks import begin_check, check, fresh, fresh_generator"


@dataclass(frozen=True)
class Given:
    """A code cell that the lab gives: set-up, imports, plots."""

    id: str
    source: str
    setup: bool


@dataclass(frozen=True)
class Check:
    """A check cell: its id, task, points, and source less its first line."""

    id: str
    task: str
    points: float
    source: str

    @property
    def about(self):
        """What it tests, in the words of the comment at its top."""
        lines = itertools.takewhile(lambda line: line.startswith("#"), self.source.splitlines())
        return " ".join(line.lstrip("# ") for line in lines)


@dataclass
class Master:
    """A lab with its solution. order: what its code cells are, [(role, name or id)], top to bottom."""

    stem: str
    order: list
    tasks: dict  # task -> the solution's source
    stubs: dict  # task -> the source that the student got
    checks: dict  # check -> Check
    given: list
    forbidden: dict = field(default_factory=dict)  # task -> names that it may not use

    @classmethod
    def load(cls, wanted, folder="solutions"):
        """From `solutions/NN_topic.ipynb`; folder="labs" is the lab without its solution, for a student's own check.

        CourseError where there is no such lab, or its notebooks are not built.
        """
        stem = find_topic(wanted, sorted(path.stem for path in (ROOT / "labs").glob("*.ipynb")))
        self = cls(stem, [], {}, {}, {}, [])
        for cell in _code_cells(ROOT / folder / f"{stem}.ipynb"):
            self._add(cell)
        for cell in _code_cells(ROOT / "labs" / f"{stem}.ipynb"):
            if cell.metadata.get("course", {}).get("role") == "task":
                self.stubs[cell.metadata.course.task] = cell.source
        if set(self.stubs) != set(self.tasks):
            raise CourseError(f"{folder}/{stem}.ipynb does not belong to labs/{stem}.ipynb: run `grade build {stem}`")
        return self

    def _add(self, cell):
        facts = cell.metadata.get("course", {})
        role = facts.get("role", "given")
        if role == "task":
            self.order.append(("task", facts["task"]))
            self.tasks[facts["task"]] = cell.source
            self.forbidden[facts["task"]] = list(facts.get("forbid", ()))
        elif role == "check":
            self.order.append(("check", facts["check"]))
            source = cell.source.split("\n", 1)[1]
            self.checks[facts["check"]] = Check(cell.id, facts["task"], float(facts["points"]), source)
        else:
            self.order.append(("given", cell.id))
            self.given.append(Given(cell.id, cell.source, role == "setup"))

    @property
    def digest(self):
        """SHA-256 of all that decides a grade."""
        text = json.dumps([asdict(self), Path(checks.__file__).read_text(encoding="utf-8")], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def checks_of(self, task):
        return [name for name, check in self.checks.items() if check.task == task]

    def points_of(self, task):
        return sum(self.checks[name].points for name in self.checks_of(task))


def _code_cells(path):
    if not path.is_file():
        told = f"there is no {path.relative_to(ROOT)}: `grade build {path.stem}` makes it in the full course"
        raise CourseError(told)
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def check_seed(seed, check):
    """The seed of one check in a run with `seed`: knowing one tells nothing of the next. None: as in the lab, 0."""
    if seed is None:
        return 0
    return int.from_bytes(hashlib.sha256(f"{seed}/{check}".encode()).digest()[:8], "big") >> 1


class _Notebook:
    """Collects the cells of an assembled notebook; the metadata of each says what it is, for whoever reads results."""

    def __init__(self, master, seed):
        self.master, self.seed, self.cells = master, seed, []

    def add(self, source, **facts):
        self.cells.append(new_code_cell(source, id=f"cell-{len(self.cells)}", metadata={"grade": facts}))

    def setup(self):
        for given in self.master.given:
            if given.setup:
                self.add(given.source)

    def check(self, name):
        seeded = f'{IMPORTS}\nbegin_check("{name}", seed={check_seed(self.seed, name)})'
        self.add(f"{seeded}\n{self.master.checks[name].source}", check=name)

    def notebook(self):
        return new_notebook(cells=self.cells, metadata={"kernelspec": KERNELSPEC})


def _names(source):
    """(bound, used): the global names that a cell binds and those it reads; every word of it where it is not Python."""
    try:
        if len(source) > MAX_PARSED:
            raise ValueError("takes the parser too long")
        scopes = [symtable.symtable(source, "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        words = set(re.findall(r"[^\W\d]\w*", source))
        return words, words
    bound = {s.get_name() for s in scopes[0].get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    used = {s.get_name() for s in scopes[0].get_symbols() if s.is_referenced()}
    scopes = scopes[0].get_children()  # in the outermost one every name that is bound counts as global
    while scopes:
        scopes += scopes[0].get_children()
        used |= {s.get_name() for s in scopes.pop(0).get_symbols() if s.is_global()}
    return bound, used


@cache
def _free(source):
    """The global names that a cell of ours reads before it binds them: those that another cell has to bind."""
    free, known = set(), set()
    for statement in ast.parse(source).body:
        bound, used = _names(ast.unparse(statement))
        free |= used - known - (set() if isinstance(statement, (ast.Assign, ast.AugAssign)) else bound)
        known |= bound
    return free


def needed(master, sources):
    """Ids of the lab's given cells that grading has to run: those that bind a name which `sources` or a check reads.

    The others are there to look at (a plot of the student's own histogram), and take most of a lab's time.
    """
    wanted = set().union(*(_names(source)[1] for source in sources))
    wanted |= set().union(*(_free(check.source) for check in master.checks.values()))
    kept = {given.id for given in master.given if given.setup}
    todo = [(given, _names(given.source)[0], _free(given.source)) for given in master.given if not given.setup]
    while more := [(given, used) for given, bound, used in todo if given.id not in kept and bound & wanted]:
        for given, used in more:
            kept.add(given.id)
            wanted |= used
    return kept


def leans_on_others(master, cells, task):
    """Does a task, as the student wrote it, read a name that another task's cell binds?"""
    mine = [cell.source for cell in cells if cell.role == "extra" or (cell.role, cell.name) == ("task", task)]
    mine += [master.checks[name].source for name in master.checks_of(task)]
    others = [source for name, source in master.tasks.items() if name != task]
    others += [cell.source for cell in cells if cell.role == "task" and cell.name != task]
    used = set().union(*(_names(source)[1] for source in mine))
    return not used.isdisjoint(set().union(*(_names(source)[0] for source in others)))


def reference(master, seed):
    """The solution, with the checks of this seed."""
    made = _Notebook(master, seed)
    kept = needed(master, master.tasks.values())
    sources = {given.id: given.source for given in master.given}
    for role, name in master.order:
        if role == "check":
            made.check(name)
        elif role == "task" or name in kept:
            made.add(master.tasks[name] if role == "task" else sources[name])
    return made.notebook()


def own(master, cells, seed, *, less=(), without=()):
    """The student's code cells in their order, the master's set-up first and its checks put back; see `needed`.

    A check stands where the student's copy of it stands, if that is below the task; else before the next task; at the
    end if there is no cell for the task.
    less: indices of cells to leave out; without: names of checks to leave out.
    """
    last = {cell.name: n for n, cell in enumerate(cells) if cell.role == "task"}
    stands = {cell.name: n for n, cell in reversed(list(enumerate(cells))) if cell.role == "check"}
    after = {}  # cell index -> checks that follow it
    for name, check in master.checks.items():
        task = last.get(check.task, -1)
        following = [n for n in last.values() if n > task >= 0]
        place = min(following, default=len(cells)) - 1
        if stands.get(name, -1) > task >= 0:
            place = stands[name]
        after.setdefault(place, []).append(name)
    given = {given.id: given.source.strip() for given in master.given}
    untouched = [cell.role == "given" and cell.source.strip() == given[cell.name] for cell in cells]
    theirs = [
        c.source for c, same in zip(cells, untouched, strict=True) if c.role not in ("setup", "check") and not same
    ]
    kept = needed(master, theirs)
    made = _Notebook(master, seed)
    made.setup()
    for n in range(-1, len(cells)):
        idle = n < 0 or n in less or cells[n].role in ("setup", "check")
        if not idle and not (untouched[n] and cells[n].name not in kept):
            made.add(cells[n].source, cell=n, task=cells[n].name if cells[n].role == "task" else None)
        for name in after.get(n, []):
            if name not in without:
                made.check(name)
    return made.notebook()


def alone(master, cells, task, seed, *, less=(), without=()):
    """One task of the student's with the solution standing in for every other, and the lab's own given cells.

    Cells that the student added come along in their place above the task's checks: they may hold its helpers.
    """
    end = max((n for n, cell in enumerate(cells) if cell.role == "task" and cell.name == task), default=len(cells) - 1)
    while end + 1 < len(cells) and cells[end + 1].role == "extra":
        end += 1
    mine = [
        n
        for n, cell in enumerate(cells[: end + 1])
        if n not in less and (cell.role == "extra" or (cell.role == "task" and cell.name == task))
    ]
    made = _Notebook(master, seed)
    kept = needed(master, [*master.tasks.values(), *(cells[n].source for n in mine)])
    sources = {given.id: given.source for given in master.given if given.id in kept}
    first = min(n for n, (_, name) in enumerate(master.order) if name == task)
    stop = max(n for n, (role, name) in enumerate(master.order) if role == "check" and master.checks[name].task == task)
    for n, (role, name) in enumerate(master.order[: stop + 1]):
        if n == first:
            for index in mine:
                made.add(cells[index].source, cell=index, task=task if cells[index].role == "task" else None)
        elif role == "check" and master.checks[name].task == task and name not in without:
            made.check(name)
        elif role == "task":
            made.add(master.tasks[name])
        elif role == "given" and name in kept:
            made.add(sources[name])
    return made.notebook()
