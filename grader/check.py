"""`grade check NOTEBOOK`: what the badges in a lab say, in a terminal; needs no solution, only the expected values."""

import json
import sys
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from grader.course import CourseError
from grader.execute import Limits
from grader.grade import Lab, own_rows
from grader.kernels import Kernels
from grader.master import Master
from grader.source import expected_path
from grader.submission import Corrupt, student_cells


def check_notebook(path):
    """Run a lab as its student would, and print each check. Exit status: 0 at full marks, else 1."""
    if not path.is_file():
        raise CourseError(f"there is no {path}; expected a lab's notebook: labs/NN_topic.ipynb")
    data = path.read_bytes()
    master = Master.load(_topic(path, data), "labs")
    expected = json.loads(expected_path(master.stem).read_text(encoding="utf-8"))["checks"]
    try:
        cells, notes = student_cells(data, master)
    except Corrupt as problem:
        raise CourseError(f"{path}: {problem}") from None
    with Kernels("cold", sandboxed=False) as kernels, _progress(len(master.checks)) as running:
        rows = own_rows(Lab(master, None, expected, Limits()), kernels, cells, running)
    for note in notes:
        print(f"note: {note}")
    for row in rows.values():
        print(f"{row['verdict']:8} {row['points']:g}/{row['max']:g}  {row['check']}  {row['message']}".rstrip())
        for value in row["values"]:
            if not value["right"]:
                print(f"              {value['name']}: {value['message']}. {value['hint']}".rstrip())
    reached, most = (round(sum(row[key] for row in rows.values()), 2) for key in ("points", "max"))
    print(f"{reached:g} of {most:g} points")
    return 0 if reached == most else 1


def _topic(path, data):
    """Which lab a notebook is of: its metadata says it, else its file name. CourseError where it is of none."""
    try:
        course = json.loads(data)["metadata"]["course"]
        topic, kind = str(course["topic"]), course["kind"]
    except (ValueError, KeyError, TypeError, RecursionError):
        topic, kind = path.stem, "labs"
    if topic not in _labs():
        raise CourseError(f"{path} is no lab: neither its metadata nor its name is one of {', '.join(_labs())}")
    if kind == "lectures":
        raise CourseError(f"{path} is the lecture; the lab is labs/{topic}.ipynb")
    return topic


def _labs():
    """The stems of the labs that this course has expected values of."""
    return sorted(path.stem for path in expected_path("").parent.glob("*.json"))


@contextmanager
def _progress(checks):
    """In a terminal a line that says which cell runs, gone at the end; nothing in a pipe. Gives what to tell it to."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(file=sys.stdout)
    with Progress(*columns, console=console, disable=not sys.stdout.isatty(), transient=True) as bar:
        task, begun = bar.add_task("starting", total=checks), set()

        def running(facts):
            """facts: of the cell that runs now, as `run_notebook` tells them."""
            if name := facts.get("check"):
                bar.update(task, completed=len(begun))
                begun.add(name)
            bar.update(task, description=f"running {name or facts.get('task') or 'the lab'}")

        yield running
