"""`grade check NOTEBOOK`: what the badges in a lab say, in a terminal; needs no solution, only the expected values."""

import json

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
        raise CourseError(f"there is no {path}; expected a lab's notebook")
    data = path.read_bytes()
    master = Master.load(_topic(path, data), "labs")
    expected = json.loads(expected_path(master.stem).read_text(encoding="utf-8"))["checks"]
    try:
        cells, notes = student_cells(data, master)
    except Corrupt as problem:
        raise CourseError(f"{path}: {problem}") from None
    with Kernels("cold", sandboxed=False) as kernels:
        rows = own_rows(Lab(master, None, expected, Limits()), kernels, cells)
    for note in notes:
        print(f"note: {note}")
    for row in rows.values():
        print(f"{row['verdict']:8} {row['points']:g}/{row['max']:g}  {row['check']}  {row['message']}".rstrip())
        for value in row["values"]:
            if not value["right"]:
                print(f"              {value['name']}: {value['message']}. {value['hint']}")
    reached, most = (sum(row[key] for row in rows.values()) for key in ("points", "max"))
    print(f"{reached:g} of {most:g} points")
    return 0 if reached == most else 1


def _topic(path, data):
    """Which lab a notebook is of: its metadata says it, else its file name."""
    try:
        return str(json.loads(data)["metadata"]["course"]["topic"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return path.stem
