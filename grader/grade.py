"""Grades one submission: `prepare` runs the solution, `grade_one` returns what `grades.json` holds.

    lab = prepare(master, seed, limits, kernels)
    entry = grade_one(submission, lab, kernels)

A submission is run as its student would run it, with fresh inputs. A cell that breaks its kernel is left out of a
second run, so that it costs its own task only; a task that failed is graded again alone, with the solution standing in
for the others, and the better of the two counts. grader/pool.py does it for a class.
"""

import re
import time
from dataclasses import dataclass, field

from grader import master as notebooks
from grader.compare import score
from grader.course import CourseError
from grader.execute import Limits, run_notebook
from grader.forbid import findings
from grader.intake import Corrupt
from grader.master import Master
from grader.submission import is_stub, student_cells

REVIVALS = 4
MAX_CODE = 20_000  # characters of a task's source that an entry keeps


@dataclass
class Lab:
    """What grading a submission needs: the master, this run's seed, and what the solution published with it."""

    master: Master
    seed: int
    expected: dict = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def prepare(master, seed, limits, kernels):
    """Run the solution once with this seed. CourseError where it fails: nobody can be graded against it."""
    notebook = notebooks.reference(master, seed)
    results = run_notebook(notebook, kernels=kernels, limits=limits)
    expected = {}
    for cell, result in zip(notebook.cells, results, strict=True):
        name = cell.metadata["grade"].get("check")
        bad = [v for v in result.values.values() if "error" in v]
        if result.outcome != "ok" or (name and (bad or not result.values)):
            why = result.error or (bad[0]["error"] if bad else "nothing was published")
            raise CourseError(f"the solution of {master.stem} fails with seed {seed}: {result.outcome}, {why}")
        if name:
            check = master.checks[name]
            expected[name] = {"task": check.task, "points": check.points, "values": result.values}
    return Lab(master, seed, expected, limits)


def grade_one(submission, lab, kernels):
    """One submission's entry in grades.json. Never raises for anything that a submission can hold."""
    start = time.monotonic()
    entry = ungraded(submission, lab)
    entry |= {"status": "graded", "sandbox": kernels.tier}
    try:
        if submission.refused:
            raise Corrupt(submission.refused)
        cells, notes = student_cells(submission.data, lab.master)
        entry["notes"] += notes
        entry["code"] = _code(cells, lab.master)
        rows = _Run(lab, kernels, cells).grade()
        entry["checks"] = [rows[name] for name in lab.master.checks]
    except Corrupt as problem:
        entry["status"] = "corrupt"
        entry["notes"].append(str(problem))
    except Exception as error:  # ours, not the student's: told as such, and the others are graded
        entry["status"] = "failed"
        entry["notes"].append(f"the grader failed: {type(error).__name__}: {error}"[:2000])
    entry["points"] = round(sum(row["points"] for row in entry["checks"]), 2)
    entry["seconds"] = round(time.monotonic() - start, 2)
    return entry


def ungraded(submission, lab, why=""):
    """The entry of a submission that could not be graded, through no fault of its own."""
    master = lab.master
    return {
        "student": submission.student,
        "file": submission.file,
        "status": "failed",
        "points": 0.0,
        "max": sum(check.points for check in master.checks.values()),
        "seconds": 0.0,
        "notes": [*submission.notes, *([why] if why else [])],
        "seed": lab.seed,
        "sandbox": "none",
        "digest": submission.digest,
        "master": master.digest,
        "handed_in": submission.handed_in,
        "ids": submission.ids,
        "code": {},
        "checks": [_row(lab, name, "missing", "own") for name in master.checks],
    }


def _code(cells, master):
    """{task: what the student wrote for it}, for readers and for the comparison of code."""
    written = {}
    for task in master.tasks:
        mine = [cell for cell in cells if (cell.role, cell.name) == ("task", task) and not is_stub(cell, master)]
        if mine:
            written[task] = "\n\n".join(cell.source for cell in mine)[:MAX_CODE]
    return written


def _row(lab, name, verdict, graded, *, points=0.0, message="", values=(), seconds=0.0):
    check = lab.master.checks[name]
    return {
        "task": check.task,
        "check": name,
        "points": round(points, 2),
        "max": check.points,
        "verdict": verdict,
        "graded": graded,
        "about": check.about,
        "message": message,
        "values": list(values),
        "seconds": seconds,
    }


def own_rows(lab, kernels, cells, running):
    """The row of every check from the student's own notebook alone: {check: row}; running: see `run_notebook`."""
    run = _Run(lab, kernels, cells, running)
    return run.less_forbidden(run.own())


class _Run:
    """The runs that one submission takes, and the row of each check so far."""

    def __init__(self, lab, kernels, cells, running=lambda facts: None):
        self.lab, self.kernels, self.cells, self.running = lab, kernels, cells, running
        self.master = lab.master
        self.less, self.broken = set(), {}  # cell indices left out; task or check -> (outcome, message)
        self.until = time.monotonic() + lab.limits.submission

    def grade(self):
        rows = self.own()
        for task in self.master.tasks:
            if self._reached(rows, task) < self.master.points_of(task) and self._worth_another_run(rows, task):
                again = self._alone(task)
                if self._reached(again, task) > self._reached(rows, task):
                    names = self.master.checks_of(task)
                    rows.update({name: again[name] for name in names})
        return self.less_forbidden(rows)

    def less_forbidden(self, rows):
        """The rows, without points for a task that uses what it may not."""
        for task in self.master.tasks:
            if found := findings(self.cells, self.master, task):
                for name in self.master.checks_of(task):
                    rows[name] = _row(self.lab, name, "fail", "own", message=found)
        return rows

    def _reached(self, rows, task):
        return sum(rows[name]["points"] for name in self.master.checks_of(task))

    def own(self):
        """The student's notebook; again without the cell that broke its kernel, as long as there is one."""
        rows = {}
        for _ in range(REVIVALS):
            without = set(rows)
            notebook = notebooks.own(self.master, self.cells, self.lab.seed, less=self.less, without=without)
            if not self._run(notebook, rows, "own"):
                break
        late = f"all cells together took longer than {self.lab.limits.submission:g} s"
        verdict, why = ("missing", "was not reached") if time.monotonic() < self.until else ("timeout", late)
        for name in self.master.checks:
            rows.setdefault(name, _row(self.lab, name, verdict, "own", message=why))
        return rows

    def _alone(self, task):
        rows, others = {}, set(self.master.checks) - set(self.master.checks_of(task))
        known = {}
        if not notebooks.leans_on_others(self.master, self.cells, task):  # then what took too long was its own
            slow = {name: why for name, why in self.broken.items() if why[0] == "timeout"}
            known = {name: slow[name] for name in self.master.checks_of(task) if name in slow}
        for _ in range(REVIVALS):
            without = set(rows) | others | set(known)
            notebook = notebooks.alone(self.master, self.cells, task, self.lab.seed, less=self.less, without=without)
            if not self._run(notebook, rows, "alone"):
                break
        for name in self.master.checks_of(task):
            rows.setdefault(name, _row(self.lab, name, known.get(name, ("missing", ""))[0], "alone"))
        return rows

    def _run(self, notebook, rows, graded):
        """Run a notebook and add the rows of the checks it reached. True where a cell broke the kernel."""
        results = run_notebook(
            notebook,
            kernels=self.kernels,
            limits=self.lab.limits,
            expected=self.lab.expected,
            until=self.until,
            running=self.running,
        )
        errors = {}
        for cell, result in zip(notebook.cells, results, strict=True):
            facts = cell.metadata["grade"]
            if result.broke:
                self._blame(facts, result)
            if facts.get("task") and result.error:
                errors[facts["task"]] = result.error
            if facts.get("check") and result.outcome != "not_reached":
                rows[facts["check"]] = self._judge(facts["check"], result, graded, errors)
        return any(result.broke for result in results)

    def _blame(self, facts, result):
        """Remember what broke the kernel, and leave it out from now on."""
        if "cell" in facts:
            self.less.add(facts["cell"])
            if facts.get("task"):
                self.broken[facts["task"]] = (result.outcome, result.error)
        elif facts.get("check"):
            self.broken[facts["check"]] = (result.outcome, result.error)

    def _judge(self, name, result, graded, errors):
        """The row of a check from what its cell published and how it ended.

        Nothing that a run with the solution's code in it printed, raised or published is shown: such a row has no
        message, and its values neither shape nor message of what was published.
        """
        check, expected = self.master.checks[name], self.lab.expected[name]["values"]
        share, values = score(result.values, expected)
        written = any(cell.role == "task" and cell.name == check.task for cell in self.cells)
        message = errors.get(check.task, "") or result.error
        if not result.values:
            values = []  # it never came to that: the error says why, and hints would guess
        if result.outcome == "ok" or share == 1:
            verdict = "pass" if share == 1 else "partial" if share else "fail"
        elif check.task in self.broken:
            verdict, message = self.broken[check.task]
        elif result.outcome == "error" and not written and re.match("NameError|NotImplementedError", result.error):
            verdict = "missing"
        else:
            verdict = "partial" if share else result.outcome
        if graded == "alone":
            message, values = "", [{**value, "message": "", "got": None} for value in values]
        return _row(
            self.lab, name, verdict, graded, points=share * check.points, message=message, values=values,
            seconds=result.seconds,
        )  # fmt: skip

    def _worth_another_run(self, rows, task):
        """Could the solution in place of the other tasks change anything for this one?

        Not where the student wrote nothing for it, and not where all else was right and in its place.
        """
        mine = [cell for cell in self.cells if cell.role == "task" and cell.name == task]
        extra = any(re.search(rf"\b{task}\b", cell.source) for cell in self.cells if cell.role == "extra")
        if time.monotonic() > self.until or (not extra and all(is_stub(cell, self.master) for cell in mine)):
            return False
        others = (t for t in self.master.tasks if t != task)
        all_right = all(self._reached(rows, other) == self.master.points_of(other) for other in others)
        here = {cell.name: cell.source.strip() for cell in self.cells if cell.role == "given"}
        given = all(here.get(g.id) == g.source.strip() for g in self.master.given if not g.setup)
        return not (all_right and given and not self.less)
