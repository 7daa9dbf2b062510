"""Writes what a run found: grades.json, grades.csv, index.html and a page a student.

Everything that comes from a submission, its file's name too, is data: escaped in the pages, harmless in a spreadsheet.
"""

import csv
import hashlib
import io
import json
import re
import statistics
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def write(grades, out):
    """Write all reports of one run into the folder `out`. Returns the path of index.html."""
    out = Path(out)
    (out / "students").mkdir(parents=True, exist_ok=True)
    (out / "grades.json").write_text(json.dumps(grades, indent=1) + "\n", encoding="utf-8")
    (out / "grades.csv").write_text(as_csv(grades), encoding="utf-8")
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    for entry in grades["submissions"]:
        text = pages.get_template("student.html").render(entry=entry, lab=grades["lab"])
        (out / "students" / page_name(entry["student"])).write_text(text, encoding="utf-8", errors="replace")
    (out / "index.html").write_text(
        pages.get_template("class.html").render(class_page(grades)), encoding="utf-8", errors="replace"
    )
    return out / "index.html"


def page_name(student):
    """A file name for a student's page: readable, and different for different students whatever their names hold."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", student).strip("._")[:60]
    if plain and plain == student == student.lower():  # some file systems take Ada for ada
        return f"{plain}.html"
    return f"{plain or 'student'}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:8]}.html"


def by_task(entry):
    """{task: points reached} of one entry."""
    tasks = {}
    for row in entry["checks"]:
        tasks[row["task"]] = tasks.get(row["task"], 0.0) + row["points"]
    return {task: round(points, 2) for task, points in tasks.items()}


def points_to_reach(grades):
    """{task: points}, from any entry: all have the same checks."""
    tasks = {}
    for row in grades["submissions"][0]["checks"]:
        tasks[row["task"]] = tasks.get(row["task"], 0.0) + row["max"]
    return tasks


def class_page(grades):
    """The values of the class page's template."""
    entries, most = grades["submissions"], points_to_reach(grades)
    rows = []
    for entry in entries:
        tasks = by_task(entry)
        grade = {t: "pass" if tasks[t] == most[t] else "partial" if tasks[t] else "fail" for t in most}
        rows.append({**entry, "tasks": tasks, "grade": grade, "page": page_name(entry["student"])})
    checks = [
        {
            "name": row["check"],
            "max": row["max"],
            "passed": sum(e["checks"][n]["points"] == row["max"] for e in entries),
        }
        for n, row in enumerate(entries[0]["checks"])
    ]
    return {
        **{key: grades[key] for key in ("lab", "seed", "sandbox")},
        "rows": rows,
        "tasks": most,
        "max": entries[0]["max"],
        "median": statistics.median(entry["points"] for entry in entries),
        "checks": checks,
    }


def as_csv(grades):
    """A line a student: points, the points of every task, status. A cell can't become a formula."""
    most = points_to_reach(grades)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", "points", "max", *most, "status", "file"])
    for entry in grades["submissions"]:
        tasks = by_task(entry)
        row = [
            entry["student"],
            entry["points"],
            entry["max"],
            *(tasks[t] for t in most),
            entry["status"],
            entry["file"],
        ]
        table.writerow([f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell for cell in row])
    return text.getvalue()
