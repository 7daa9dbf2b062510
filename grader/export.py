"""Grades in the forms that other systems read: Canvas, Moodle, Gradescope, JUnit XML and our own CSV.

done = canvas(grades, read_roster("from_canvas.csv", "canvas"))     # grades: what grades.json holds
print(done.text, done.left_out)                                     # left_out: one line for each grade not in the text

Names, file names and messages are a student's: they are cleaned of what a spreadsheet, XML or a terminal would obey.
"""

import csv
import io
import json
import re
import sys
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from grader import report
from grader.course import CourseError
from grader.gradebook import books, by_hand, by_task, plural, remarks

# What each system names its students by: the column of its own number, those that are exact, the name.
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
CANVAS_MORE = ("Integration ID", "Root Account")  # some institutions export them, between the login and the section
MOODLE = (
    "Identifier",
    "Full name",
    "Email address",
    "Status",
    "Grade",
    "Maximum Grade",
    "Grade can be changed",
    "Last modified (submission)",
    "Last modified (grade)",
    "Feedback comments",
)
KEYS = {
    "canvas": ("ID", ("SIS User ID", "SIS Login ID"), "Student"),
    "moodle": ("Identifier", ("Email address", "Username", "ID number"), "Full name"),
}
NEEDED = {"canvas": ("Student", "ID", "Section"), "moodle": ("Identifier", "Grade", "Last modified (grade)")}
POINTS_POSSIBLE = "Points Possible"
TEST_STUDENT = "Student, Test"  # nobody: what a teacher sees a course as
UNWANTED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
WORDS = {
    "missing": "nothing was written for it",
    "timeout": "it took too long",
    "died": "it ended the kernel",
    "memory": "it took too much memory",
    "flood": "it printed too much",
}


@dataclass
class Export:
    """A file's text, the grades that could not go into it (a line each), and what else an instructor should know."""

    text: str = ""
    left_out: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def plain(text, limit=2000, lines=False):
    """Text without control, surrogate and direction-changing characters; in one line unless `lines`.

    What is left is legal in XML 1.0: https://www.w3.org/TR/xml/#charsets
    """
    kept = (c if ord(c) > 31 else "\n" if c == "\n" and lines else " " for c in str(text)[: 2 * limit])
    clean = UNWANTED.sub("", "".join(kept)).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def cell(value, limit=500, lines=False):
    """A value for a spreadsheet: text that would be read as a formula gets an apostrophe in front.

    https://owasp.org/www-community/attacks/CSV_Injection; a lone "-" is what Moodle writes for no date.
    """
    text = plain(value, limit, lines)
    return f"'{text}" if re.match("[=+@＝＋－＠-].", text) else text


def number(value):
    """Points as a person writes them: 11, 10.5."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def as_csv(grades):
    """A line a student, as in the grades.csv of a report."""
    clean = [{**e, "student": cell(e["student"]), "file": cell(e["file"])} for e in grades["submissions"]]
    return Export(report.as_csv({**grades, "submissions": clean}))


def canvas(grades, roster=None, *, column=None):
    """The CSV that a Canvas gradebook imports: who the student is, then the column of one assignment, "Name (id)".

    A row is found by ID, else SIS User ID or SIS Login ID, else name; a header other than these, or "Section" not last
    of them, is refused; "Points Possible" stands in its own row, which any row is whose first cell holds these words:
    https://github.com/instructure/canvas-lms/blob/master/lib/gradebook_importer.rb (and gradebook_exporter.rb);
    https://teaching.resources.osu.edu/toolsets/carmencanvas/guides/calculating-final-grades/import-csv-file-carmen-grades
    roster: the rows of the gradebook as Canvas exported it. column: the assignment's name there; default: the lab's.
    """
    done = Export()
    entries = _judged(grades, done)
    possible = None
    if roster is None:
        heads, name = CANVAS, column or grades["lab"]
        pairs = [(entry, _canvas_row(entry)) for entry in entries]
    else:
        heads = [head for head in roster[0] if head in CANVAS + CANVAS_MORE]
        name = _assignment(roster, column, grades["lab"])
        header = [row for row in roster if POINTS_POSSIBLE in row["Student"] and not row["ID"].strip()]
        possible = _float(header[0].get(name)) if header else None
        students = [row for row in roster if row["Student"].strip() and row not in header]
        pairs = _match(entries, students, "canvas", done)
    possible = possible or _max(grades)
    rows = [[*heads, cell(name)], [f"    {POINTS_POSSIBLE}", *[""] * (len(heads) - 1), number(possible)]]
    for entry, row in pairs:
        who = [cell(row.get(head) or "").replace(POINTS_POSSIBLE, POINTS_POSSIBLE.replace(" ", "_")) for head in heads]
        rows.append([*who, _points(entry, possible, done)])
    done.text = _table(rows)
    return done


def moodle(grades, roster=None):
    """The offline grading worksheet of a Moodle assignment: the columns of MOODLE, more where the course has more.

    Moodle reads Identifier ("Participant 123456"), Grade, Last modified (grade) and the columns of its feedback; it
    passes over what was graded there after that date, and over a grade above the maximum:
    https://github.com/moodle/moodle/blob/main/mod/assign/feedback/offline/importgradeslib.php (and locallib.php there);
    https://github.com/moodle/moodle/blob/main/mod/assign/gradingtable.php writes it;
    https://docs.moodle.org/en/Assignment_settings: turn on the feedback type "Offline grading worksheet".
    roster: the worksheet's rows, whose other cells are handed back as they came; without it only students whose files
    bear Moodle's number (a bulk download's do) have a row.
    """
    done = Export()
    entries = _judged(grades, done)
    if roster is None:
        heads, pairs = MOODLE, []
        for entry in entries:
            if known := _number_of(entry, "moodle"):
                row = dict.fromkeys(MOODLE, "") | {"Identifier": f"Participant {known}", "Full name": entry["student"]}
                pairs.append((entry, row | {"Maximum Grade": number(entry["max"]), "Grade can be changed": "Yes"}))
            else:
                done.left_out.append(
                    f"{_who(entry)}: Moodle knows students by a number: give its worksheet as --roster"
                )
    else:
        heads = list(roster[0])
        pairs = _match(entries, roster, "moodle", done)
    rows = [heads]
    for entry, row in pairs:
        possible = _float(row.get("Maximum Grade")) or entry["max"]
        row = row | {"Grade": _points(entry, possible, done)}
        ours = f"{grades['lab']}: "
        if not (row.get("Feedback comments") or "").strip() or row["Feedback comments"].startswith(ours):
            row["Feedback comments"] = ours + _summary(entry)  # a teacher's own comment stays
        rows.append([cell(row[head] or "", 50_000, lines=True) for head in heads])
    done.text = _table(rows)
    return done


def gradescope(grades, student=None):
    """One student's results.json; `student` names whose where the grades are of several."""
    entries = [entry for entry in grades["submissions"] if student in (None, entry["student"])]
    if len(entries) != 1:
        names = ", ".join(sorted(plain(entry["student"], 60) for entry in grades["submissions"])[:20])
        raise CourseError(f"a results.json is of one student: name one with --student ({names or 'none was graded'})")
    return Export(json.dumps(gradescope_results(entries[0], grades), indent=1) + "\n")


def gradescope_results(entry, grades, about=()):
    """What results.json holds for an entry: the score, and a test a check, all as plain text.

    A task whose points were set by hand is a test of its own, and its checks have no score.

    Fields, and their values: https://gradescope-autograders.readthedocs.io/en/latest/specs/. A result without score and
    tests is shown as a failure of the autograder: such is one where ours failed. Standard output is the instructor's.
    about: lines on top of the output.
    """
    judged = entry["status"] != "failed"
    tasks = list(dict.fromkeys(row["task"] for row in entry["checks"]))
    tests, seen, set_by_hand = [], dict.fromkeys(tasks, 0), by_hand(entry)
    reached, most = by_task(entry), report.points_to_reach({"submissions": [entry]})
    for row in entry["checks"] if judged else ():
        task = row["task"]
        if task in set_by_hand and not seen[task]:
            tests.append(_set_by_hand(entry, task, reached[task], most[task]) | {"number": str(tasks.index(task) + 1)})
        seen[task] += 1
        test = {
            **({} if task in set_by_hand else {"score": row["points"], "max_score": row["max"]}),
            "status": "passed" if row["points"] == row["max"] else "failed",
            "name": plain(row["check"], 200),
            "name_format": "text",
            "number": f"{tasks.index(task) + 1}.{seen[task]}",
            "output": explain(row) if entry["status"] == "graded" else "",
            "output_format": "text",
            "tags": [plain(task, 200)],
            "visibility": "visible",
        }
        tests.append(test)
    results = {"score": entry["points"]} if judged else {}
    return results | {
        "execution_time": entry["seconds"],
        "output": plain("\n".join([*about, *remarks(entry), *entry["notes"]]), 5000, lines=True),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {key: grades[key] for key in ("lab", "seed", "sandbox")} | {"status": entry["status"]},
    }


def _set_by_hand(entry, task, points, most):
    """The test of a task whose points an instructor set."""
    said = [remark for remark in remarks(entry) if remark.startswith(f"{task} set to ")]
    return {
        "score": points,
        "max_score": most,
        "status": "passed" if points == most else "failed",
        "name": plain(task, 200),
        "name_format": "text",
        "output": plain("\n".join(said), lines=True),
        "output_format": "text",
        "tags": [plain(task, 200)],
        "visibility": "visible",
    }


def junit(grades):
    """JUnit XML: a suite a student, a case a check.

    A partial, wrong or missing answer is a failure; one that broke, and a file that is no notebook, an error; where the
    grader itself failed nothing was judged, and its checks are skipped. Elements and attributes:
    https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
    """
    suites = ET.Element("testsuites", name=plain(grades["lab"], 200))
    for entry in grades["submissions"]:
        suite = ET.SubElement(suites, "testsuite", name=plain(entry["student"], 200), time=f"{entry['seconds']:.3f}")
        facts = {key: number(entry[key]) for key in ("points", "max")} | {key: entry[key] for key in ("status", "file")}
        properties = ET.SubElement(suite, "properties")
        more = {"remarks": "; ".join(said)} if (said := remarks(entry)) else {}
        for name, value in (facts | {key: grades[key] for key in ("seed", "sandbox")} | more).items():
            ET.SubElement(properties, "property", name=name, value=plain(value, 500))
        for row in entry["checks"]:
            _case(suite, entry, row, grades["lab"])
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    for element in suites.iter():
        if element.tag in ("testsuites", "testsuite"):
            for count, kind in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
                element.set(count, str(sum(1 for _ in element.iter(kind))))
    ET.indent(suites)
    return Export('<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n")


def _case(suite, entry, row, lab):
    """Add a check to its suite."""
    about = {"name": row["check"], "classname": f"{lab}.{row['task']}", "time": f"{row['seconds']:.3f}"}
    case = ET.SubElement(suite, "testcase", {key: plain(text, 200) for key, text in about.items()})
    if entry["status"] == "graded":
        verdict, why = row["verdict"], explain(row)
        kind = {"partial": "failure", "fail": "failure", "missing": "failure"}.get(verdict, "error")
    else:
        verdict, why = entry["status"], "; ".join(entry["notes"])
        kind = "skipped" if verdict == "failed" else "error"
    if verdict != "pass":
        summary = f"{number(row['points'])} of {plural(row['max'], 'point')}: {why}"
        told = ET.SubElement(case, kind, type=plain(verdict, 50), message=plain(summary, 500))
        told.text = plain(why, lines=True)


def explain(row):
    """What a student may read of a check: the error, which values are wrong and how, the hint; never an input."""
    said = [row["message"]] if row["message"] else []
    if row["verdict"] in WORDS:
        said.append(WORDS[row["verdict"]])
    for value in row["values"]:
        if not value["right"]:
            said.append(f"{value['name']}: {value['message']}")
    hints = {value["hint"]: None for value in row["values"] if not value["right"] and value["hint"]}
    said += [f"hint: {hint}" for hint in hints]
    if row["graded"] == "alone" and said:
        said.append("(graded with the solution in place of the other tasks)")
    return plain("\n".join(said), lines=True)


def read_roster(path, system):
    """The rows of the CSV that Canvas ("canvas") or Moodle ("moodle") exported: [{column: cell}]."""
    try:
        text = path.read_text(encoding="utf-8-sig").replace("\0", "")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"cannot read --roster {path}: {error}; expected CSV in UTF-8") from None
    csv.field_size_limit(10_000_000)  # a worksheet holds what students typed online
    first = text.partition("\n")[0]
    table = csv.DictReader(io.StringIO(text), restval="", delimiter=";" if first.count(";") > first.count(",") else ",")
    heads = table.fieldnames or []
    lacking = [head for head in NEEDED[system] if head not in heads]
    rows = [{head: row[head] for head in heads} for row in table] if not lacking else []
    if lacking or not rows:
        what = "the gradebook that Canvas exports" if system == "canvas" else "the assignment's grading worksheet"
        why = f"has no column {', '.join(lacking)}" if lacking else "has no rows"
        raise CourseError(f"--roster {path} {why}; expected {what}, in English, got {plain(', '.join(heads), 200)!r}")
    return rows


def _judged(grades, done):
    """The entries to hand on; where the grader failed there is no grade, which is not one of 0."""
    for entry in grades["submissions"]:
        if entry["status"] == "failed":
            done.left_out.append(f"{_who(entry)}: not graded, {plain('; '.join(entry['notes']), 200)}")
    return [entry for entry in grades["submissions"] if entry["status"] != "failed"]


def _who(entry):
    return f"{plain(entry['student'], 100)} ({plain(entry['file'], 100)})"


def _max(grades):
    return grades["submissions"][0]["max"] if grades["submissions"] else 0.0


def _float(text):
    """A number above 0 of the roster's, None where there is none."""
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < 1e6 else None


def _points(entry, possible, done):
    """An entry's points, on the scale of the assignment there."""
    if possible != entry["max"]:
        note = f"the assignment there has {plural(possible, 'point')}, the lab {number(entry['max'])}: they are scaled"
        if note not in done.notes:
            done.notes.append(note)
    return number(entry["points"] * possible / entry["max"] if entry["max"] else 0.0)


def _summary(entry):
    """Points of every task, and the remarks, in one line."""
    reached, most = by_task(entry), report.points_to_reach({"submissions": [entry]})
    return "; ".join([*(f"{task}: {number(reached[task])} of {number(most[task])}" for task in most), *remarks(entry)])


def _table(rows):
    """CSV with every cell in quotes: no separator, of whatever locale, can start a cell inside one."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _canvas_row(entry):
    """A row without a roster: Canvas's own number where the file's name bore it, else a login or name to try."""
    known = _number_of(entry, "canvas")
    return {"Student": entry["student"], "ID": known, "SIS Login ID": "" if known else entry["student"]}


def _number_of(entry, system):
    """The system's own number of a student, "" where it is not known."""
    known = str((entry.get("ids") or {}).get(system, ""))
    return known if re.fullmatch(r"[0-9]{1,20}", known) else ""


def _assignment(roster, wanted, lab):
    """The roster's column of an assignment, "Name (id)"; the lab's name, for a new one, where none is wanted."""
    titles = {head: re.sub(r"\s*\(\d+\)$", "", head) for head in roster[0] if head not in CANVAS + CANVAS_MORE}
    same = [head for head, title in titles.items() if (wanted or lab) in (head, title)]
    if len(same) == 1:
        return same[0]
    if wanted or same:
        found = plain(", ".join(titles.values()), 300)
        many = f"{len(same)} columns" if same else "no column"
        raise CourseError(f"the roster has {many} {wanted or lab!r}; expected one of: {found}")
    return lab


def _match(entries, rows, system, done):
    """[(entry, row)] for the students that the roster names; the others, and those claimed twice, go to `left_out`."""
    own, exact, name = KEYS[system]
    by_number = _index(rows, lambda row: set(re.findall(r"[0-9]+$", row[own].strip())))
    by_login = _index(rows, lambda row: {(row.get(head) or "").strip().casefold() for head in exact})
    by_name = _index(rows, lambda row: _spellings(row.get(name) or ""))
    pairs, claims = [], {}
    for entry in entries:
        student, known = entry["student"], _number_of(entry, system)
        if known:  # the system itself said who it is: a name that fits another must not count
            found, why = by_number.get(known, []), f"no {own} {known} in the roster"
        else:
            login, names = student.strip().casefold(), sorted(_spellings(student))
            ways = [by_login.get(login), *map(by_name.get, names)]
            found = min(filter(None, ways), key=len, default=[])
            why = "nobody in the roster has this name or login"
        if len(found) != 1:
            several = "; ".join(plain(" ".join(row.get(head) or "" for head in (name, own)), 60) for row in found[:3])
            done.left_out.append(f"{_who(entry)}: {f'{len(found)} in the roster fit: {several}' if found else why}")
        else:
            pairs.append((entry, found[0]))
            claims.setdefault(id(found[0]), []).append(entry)
    twice = [same for same in claims.values() if len(same) > 1]
    done.left_out += [f"{_who(entry)}: one of {len(same)} for the same student" for same in twice for entry in same]
    people = [row for row in rows if not (system == "canvas" and row[name].strip() == TEST_STUDENT)]
    if missing := sum(id(row) not in claims for row in people):
        done.notes.append(f"{missing} of {len(people)} in the roster have no grade here and are left as they are")
    return [(entry, row) for entry, row in pairs if len(claims[id(row)]) == 1]


def _index(rows, keys):
    """{key: the rows that have it}."""
    found = {}
    for row in rows:
        for key in keys(row) - {""}:
            found.setdefault(key, []).append(row)
    return found


def _spellings(name):
    """What a name comes to without case, accents, spaces and order: "Doe, Jané" -> {"doejane"}."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", bare)
    return {"".join(words), "".join(sorted(words))}


def convert(grades, system, *, roster=None, column=None, student=None):
    """The Export of grades for "canvas", "moodle", "gradescope", "junit" or "csv"."""
    if system == "canvas":
        return canvas(grades, roster, column=column)
    if system == "moodle":
        return moodle(grades, roster)
    return gradescope(grades, student) if system == "gradescope" else {"junit": junit, "csv": as_csv}[system](grades)


def load(wanted=None, db=None, folder=None):
    """The grades of a lab, "01" or "01_topic", from the gradebook with the URL `db`, else in `folder`, else grades/."""
    found = books(wanted, db, folder)
    if len(found) != 1:
        raise CourseError(f"name a lab: there are grades of {', '.join(lab for _, lab, _ in found) or 'none'}")
    book, lab, _ = found[0]
    return book.grades(lab)


def run(wanted, system, *, db=None, folder=None, out=None, roster=None, column=None, student=None):
    """`grade export`: writes the text to the file `out`, or prints it; returns 1 where a grade could not go into it."""
    for option, value, systems in (
        ("--roster", roster, ("canvas", "moodle")),
        ("--column", column, ("canvas",)),
        ("--student", student, ("gradescope",)),
    ):
        if value is not None and system not in systems:
            raise CourseError(f"{option} is for --to {' or '.join(systems)}, not {system}")
    rows = read_roster(roster, system) if roster else None
    done = convert(load(wanted, db, folder), system, roster=rows, column=column, student=student)
    data = done.text.encode("utf-8", "replace")
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        try:
            out.write_bytes(data)
        except OSError as error:
            raise CourseError(f"cannot write to --out {out}: {error.strerror}") from None
    for line in [*done.notes, *(f"left out: {line}" for line in done.left_out)]:
        print(line.encode("utf-8", "replace").decode(), file=sys.stderr)
    return 1 if done.left_out else 0
