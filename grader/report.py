"""Writes what a run found: grades.json, grades.csv, index.html and a page a student.

index = report.write(grades, "grades/03_made", master)

Everything that comes from a submission, its file's name too, is data: escaped and bounded in the pages, harmless in a
spreadsheet. The pages load nothing, and a browser runs nothing in them but the one script whose hash they state.
index.html is the instructor's: it holds the solution. A student's page holds nothing of it, nor of the fresh inputs.
"""

import base64
import csv
import hashlib
import io
import json
import os
import re
import statistics
from collections import Counter
from datetime import datetime
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from grader import similarity
from grader.gradebook import by_hand, by_task, plural, remarks

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 2_000  # characters of one text on a page
LONGEST_LINE = 300  # of code that is coloured: the lexer's time grows with the square of a line
MESSAGES, GROUPS = 5, 5  # of a check, on the class page
LEXER, FORMAT = PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)  # made once: each takes as long as a function
RTOL = 1e-3  # two wrong values this close are the same mistake
# Control characters, surrogates, and what reorders or hides text. The joiners that Persian and emoji need stay.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
NUMBER = re.compile(r"0x[0-9a-fA-F]+|(?<![\w.])[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?!\w)")
# What only a gradebook knows:
OPTIONAL = {"attempts": None, "late": None, "manual": [], "raw_points": None, "handed_in": None}
NOT_ATTEMPTED = "not attempted"
FORMULA = tuple("=+-@\t\r")  # what a spreadsheet takes a cell for that starts with it
VERDICTS = {
    "pass": "✓ right",
    "partial": "◐ partly right",
    "fail": "✗ wrong values",
    "error": "✗ stopped with an error",
    "missing": "✗ nothing to check",
    "timeout": "✗ took too long",
    "died": "✗ the kernel died",
    "memory": "✗ too much memory",
    "flood": "✗ too much output",
}


def write(grades, out, master=None):
    """Write all reports of one run into the folder `out`. Returns the path of index.html.

    master: grader.master.Master, for likeness to its solution. Every file appears whole or not at all.
    """
    out = Path(out)
    (out / "students").mkdir(parents=True, exist_ok=True)
    _put(out / "grades.json", json.dumps(grades, indent=1) + "\n")
    _put(out / "grades.csv", as_csv(grades))
    pages = _pages()
    for entry in grades["submissions"]:
        tasks = {"tasks": _student_tasks(entry), "by_hand": by_hand(entry)}
        values = {"entry": {**OPTIONAL, **entry}, "lab": grades["lab"], **tasks}
        text = pages.get_template("student.html").render(values)
        _put(out / "students" / page_name(entry["student"]), text)
    _put(out / "index.html", pages.get_template("class.html").render(class_page(grades, master)))
    return out / "index.html"


def _put(path, text):
    """Write a file at once: a reader, or a grader killed here, never leaves half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, path)


def _pages():
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js"))
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, finalize=shown
    )
    pages.filters.update(
        short=_short,
        page=page_name,
        told=_told,
        percent=lambda share: f"{100 * share:.0f}%",
        plural=plural,
        remarks=remarks,
        when=_when,
    )
    allowed = f"style-src '{_sha256(style)}'; script-src '{_sha256(script)}'"
    pages.globals.update(
        policy=Markup(f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"),
        style=Markup(style),
        script=Markup(script),
        beside=_beside,
        shortest=similarity.MIN_TOKENS,
    )
    return pages


def _sha256(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def shown(value):
    """A value as a page shows it: text is bounded, and a character that hides or reorders others stands as its code."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", _short(value, LONGEST))


def _short(text, most=80):
    return text if len(text) <= most else f"{text[:most]}…"


def page_name(student):
    """A file name for a student's page: readable, and different for different students whatever their names hold."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", student).strip("._")[:60]
    if plain and plain == student == student.lower():  # some file systems take Ada for ada
        return f"{plain}.html"
    return f"{plain or 'student'}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:8]}.html"


def coloured(code, label, unlike=None):
    """Code as HTML, highlighted where it is of a kind that a person typed.

    unlike: another code; lines that it does not have are marked, whatever the names in them.
    """
    code = "\n".join(line.rstrip() for line in code.splitlines())
    code = HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", code)
    lines = code.split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        inner = escape(code)
    else:
        FORMAT.hl_lines = set() if unlike is None else _only_in(lines, unlike.splitlines())
        inner = Markup(highlight(code, LEXER, FORMAT))
    return Markup('<pre tabindex="0" role="region" aria-label="{}"><code>{}</code></pre>').format(shown(label), inner)


def _only_in(lines, others):
    """The numbers of the lines that `others` lack, comments aside and whatever their names."""

    def tokens(line):
        return tuple(similarity.logical_lines(line.strip()))

    theirs = {(), *map(tokens, others)}
    return {n for n, line in enumerate(lines, 1) if tokens(line) not in theirs}


def _beside(member, first):
    label = f"code of {_short(member.student)}" if member.student is not None else "code of the solution"
    start = "\n".join(member.code[:6_000].splitlines()[:150])
    return coloured(start, label, None if member is first else first.code)


def _when(time):
    """An ISO 8601 time as a person reads it: 2026-12-01 10:00 UTC+01:00."""
    time = datetime.fromisoformat(time)
    return time.strftime(f"%Y-%m-%d %H:%M{':%S' if time.second else ''} %Z").rstrip()


def not_attempted(entry, row):
    """Did the student leave this check's task as the lab gave it, or its NotImplementedError in it?"""
    code = entry.get("code", {}).get(row["task"])
    return row["message"].startswith("NotImplementedError") and (not code or "NotImplementedError" in code)


def _student_tasks(entry):
    """The tasks of a student's page, each with the rows of its checks and the code as HTML."""
    tasks, got = {}, by_task(entry)
    for row in entry["checks"]:
        new = {"name": row["task"], "rows": [], "max": 0.0, "checked": 0.0, "by_hand": row["task"] in by_hand(entry)}
        task = tasks.setdefault(row["task"], new)
        told = f"○ {NOT_ATTEMPTED}" if not_attempted(entry, row) else VERDICTS.get(row["verdict"], row["verdict"])
        task["rows"].append(
            {**row, "told": told, "grade": _grade(row["points"], row["max"]), "about": row.get("about")}
        )
        task["max"] += row["max"]
        task["checked"] += row["points"]
    for name, task in tasks.items():
        code = entry.get("code", {}).get(name)
        task.update(points=got[name], grade=_grade(got[name], task["max"]))
        task["code"] = coloured(code, f"your code for {name}") if code else None
    return list(tasks.values())


def _grade(points, most):
    return "pass" if points >= most else "partial" if points > 0 else "fail"


def _told(value):
    """What to say about a published value: shapes, and what was compared."""
    got, expected = value.get("got"), value.get("expected")
    if expected is None or got is None:
        return value["message"]
    if got != expected:
        return f"{_shape(got)}, expected {_shape(expected)}"
    return _shape(got) if value["right"] else f"{_shape(got)} as expected, but {value['message']}"


def _shape(shape):
    return f"shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})" if shape else "one number"


def _checks(grades):
    """{check: its row in each submission}. Submissions graded with an older version of the lab may lack some."""
    found = {}
    for entry in grades["submissions"]:
        for row in entry["checks"]:
            found.setdefault(row["check"], []).append((entry, row))
    return found


def points_to_reach(grades):
    """{task: points} of the lab."""
    tasks = {}
    for rows in _checks(grades).values():
        row = rows[0][1]
        tasks[row["task"]] = tasks.get(row["task"], 0.0) + row["max"]
    return tasks


def overview(grades):
    """The run in numbers, and the share of students with all points of each task; less what the grader failed on."""
    entries = grades["submissions"]
    graded = [entry for entry in entries if entry["status"] != "failed"]
    points = [entry["points"] for entry in graded] or [0.0]
    tasks = points_to_reach(grades)
    return {
        "students": len(entries),
        "max": max((entry["max"] for entry in entries), default=0.0),
        "median": statistics.median(points),
        "mean": statistics.mean(points),
        "lowest": min(points),
        "highest": max(points),
        "corrupt": sum(entry["status"] == "corrupt" for entry in entries),
        "failed": len(entries) - len(graded),
        "seconds": statistics.mean([entry["seconds"] for entry in entries] or [0.0]),
        "passed": {
            task: statistics.mean([by_task(entry).get(task, 0.0) >= most for entry in graded] or [0.0])
            for task, most in tasks.items()
        },
    }


def class_page(grades, master=None):
    """The values of the class page's template."""
    entries, most = grades["submissions"], points_to_reach(grades)
    rows = []
    for entry in sorted(entries, key=lambda entry: entry["student"].casefold()):
        tasks = {**dict.fromkeys(most, 0.0), **by_task(entry)}
        grade = {task: _grade(tasks[task], most[task]) for task in most}
        rows.append({**OPTIONAL, **entry, "tasks": tasks, "grade": grade, "by_hand": by_hand(entry)})
    all_ = overview(grades)
    solutions, stubs = (master.tasks, master.stubs) if master else (None, None)
    return {
        **{key: grades[key] for key in ("lab", "seed", "sandbox")},
        "rows": rows,
        "tasks": most,
        "attempts": any(row["attempts"] for row in rows),
        "all": all_,
        "points": distribution([entry["points"] for entry in entries], all_["max"]),
        "checks": [_check(n, rows) for n, rows in enumerate(_checks(grades).values(), 1)],
        "alike": similarity.alike(entries, solutions, stubs),
        "solution": bool(solutions),
    }


def distribution(points, most):
    """[(points in words, submissions)] of about ten equal steps; all points are a step of their own."""
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 50, 100) if most / s <= 12), most / 10)
    counts = Counter(max(0, int(p // step)) if p < most else None for p in points)
    starts = [n * step for n in range(int(-(-most // step)))]
    rows = [(f"{low:g} to <{min(low + step, most):g}", counts[n]) for n, low in enumerate(starts)]
    return [*rows, (f"all {most:g}", counts[None])]


def _check(number, rows):
    """One check of the class page. rows: (entry, its row)."""
    row = rows[0][1]
    passed = sum(r["points"] >= r["max"] for _, r in rows)
    messages = common_messages([(e, r) for e, r in rows if not not_attempted(e, r)])
    groups = same_wrong_values(rows)
    return {
        "number": number,
        "name": row["check"],
        "max": row["max"],
        "about": next((r["about"] for _, r in rows if r.get("about")), None),
        "passed": passed,
        "of": len(rows),
        "verdicts": Counter(
            NOT_ATTEMPTED if not_attempted(e, r) else r["verdict"] for e, r in rows if r["points"] < r["max"]
        ).most_common(),
        "not_attempted": [e["student"] for e, r in rows if not_attempted(e, r)],
        "messages": messages[:MESSAGES],
        "more_messages": len(messages[MESSAGES:]),
        "groups": groups[:GROUPS],
        "more_groups": len(groups[GROUPS:]),
    }


def common_messages(rows):
    """What one check said to the class: [{value, text, students}], the commonest first.

    value: the published value that was wrong, None for an error. Messages that differ in numbers only are one, with
    those that vary left out; shapes are told apart.
    """
    found = {}
    for entry, row in rows:
        said = [(None, row["message"])] if row["message"] and row["points"] < row["max"] else []
        said += [(value["name"], value["message"] or "wrong") for value in row["values"] if not value["right"]]
        for value, text in said:
            text = _short(text, 300)
            key = (text,) if text.startswith("shape (") else tuple(NUMBER.split(text))
            found.setdefault((value, key), []).append((entry["student"], text))
    messages = [
        {"value": value, "text": _merged([text for _, text in told]), "students": [student for student, _ in told]}
        for (value, _), told in found.items()
    ]
    return sorted(messages, key=lambda message: -len(message["students"]))


def _merged(texts):
    """Texts that differ in numbers only, as one: a number that varies is `…`."""
    numbers = zip(*(NUMBER.findall(text) for text in texts), strict=True)
    kept = iter([found[0] if len(set(found)) == 1 else "…" for found in numbers])
    return NUMBER.sub(lambda _: next(kept), texts[0])


def same_wrong_values(rows):
    """Submissions that published the same wrong numbers in one check: [{students, values}], the largest first."""
    published = {}  # what can be compared: the same value of the same inputs
    for n, (entry, row) in enumerate(rows):
        for value in row["values"]:
            if not value["right"] and value.get("sample"):
                key = (entry.get("seed"), value["name"], len(value["sample"]))
                published.setdefault(key, []).append((n, np.array(value["sample"], dtype=float), value))
    groups = {}
    for (_, name, _), found in published.items():
        for same in _same(found):
            shape = next((value["got"] for _, _, value in same if value["got"] is not None), None)
            some = ", ".join(f"{number:.4g}" for number in same[0][1][:8])
            numbers = some if len(same[0][1]) <= 8 else f"{some}, …"
            value = {
                "name": name,
                "shape": "" if shape is None else _shape(shape),
                "numbers": numbers,
                "hint": same[0][2]["hint"],
            }
            groups.setdefault(tuple(n for n, _, _ in same), []).append(value)
    groups = [{"students": [rows[n][0]["student"] for n in who], "values": values} for who, values in groups.items()]
    return sorted(groups, key=lambda group: -len(group["students"]))


def _same(found):
    """Split [(n, numbers, value)] into groups of two and more with close numbers and, where it is told, one shape."""
    while found:
        numbers = np.stack([row[1] for row in found])  # (submissions, numbers)
        finite = np.abs(numbers[0][np.isfinite(numbers[0])])
        atol = 1e-6 * finite.max() if finite.size else 0.0
        close = np.isclose(numbers, numbers[0], rtol=RTOL, atol=atol, equal_nan=True).all(1)
        shapes = [row[2]["got"] for row in found]
        close &= [None in (shape, shapes[0]) or shape == shapes[0] for shape in shapes]
        if close.sum() > 1:
            yield [row for row, near in zip(found, close, strict=True) if near]
        found = [row for row, near in zip(found, close, strict=True) if not near]


def as_csv(grades):
    """A line a student: points, the points of every task, status, and what a gradebook adds. No cell is a formula."""
    entries, most = grades["submissions"], points_to_reach(grades)
    extra = {
        "attempts": lambda entry: entry.get("attempts", 1),
        "late": lambda entry: (entry.get("late") or {"days": 0})["days"],
        "penalty": lambda entry: (entry.get("late") or {"penalty": 0.0})["penalty"],
        "by_hand": lambda entry: "; ".join(task or "the whole lab" for task in by_hand(entry)),
    }
    known = {"penalty": "late", "by_hand": "manual"}
    extra = {name: get for name, get in extra.items() if any(known.get(name, name) in entry for entry in entries)}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", "points", "max", *most, "status", "file", *extra])
    for entry in entries:
        tasks = by_task(entry)
        row = [
            entry["student"],
            entry["points"],
            entry["max"],
            *(tasks.get(task, 0.0) for task in most),
            entry["status"],
            entry["file"],
            *(get(entry) for get in extra.values()),
        ]
        table.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in row])
    return text.getvalue()
