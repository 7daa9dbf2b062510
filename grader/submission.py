"""What a student handed in, read as untrusted data: which files there are, and what their cells are.

for submission in find_submissions("class/"):
    cells, notes = read_cells(submission.data, master)
"""

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.course import CourseError
from grader.source import slug

MAX_BYTES = 50_000_000
MAX_CELLS = 1_000
MAX_SOURCE = 500_000


class Corrupt(Exception):
    """The file is not a notebook; the message says in which way."""


@dataclass(frozen=True)
class Submission:
    """One student's notebook: its name as shown, and its bytes."""

    student: str
    file: str
    data: bytes
    notes: tuple = ()


@dataclass
class Cell:
    """A code cell. role: "setup", "given", "task", "check" or "extra"; name: of the task, the check, the given cell."""

    source: str
    role: str = "extra"
    name: str = ""


def find_submissions(path):
    """All submissions in a notebook, a folder or a zip, in order of the students' names; CourseError where none is."""
    path = Path(path)
    if not path.exists():
        raise CourseError(f"there is no {path}; expected a notebook, a folder of notebooks, or a zip")
    if path.is_dir():
        files = [
            (p.relative_to(path).as_posix(), p.stat().st_size, p.read_bytes) for p in sorted(path.rglob("*.ipynb"))
        ]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = _in_zip(archive)
    else:
        files = [(path.name, path.stat().st_size, path.read_bytes)]
    found, students = [], set()
    for name, size, read in files:
        parts = PurePosixPath(name)
        if any(part.startswith((".", "__MACOSX")) for part in parts.parts):
            continue
        student = parts.parts[0] if len(parts.parts) > 1 else parts.stem
        notes = ()
        if student in students:
            notes = (f"{student} handed in more than one notebook; each is graded",)
            student = f"{student}/{parts.stem}"
        students.add(student)
        if size > MAX_BYTES:
            found.append(Submission(student, name, b"", (f"{size} bytes, at most {MAX_BYTES} are read",)))
        else:
            found.append(Submission(student, name, read(), notes))
    if not found:
        raise CourseError(f"no .ipynb in {path}")
    return sorted(found, key=lambda s: s.student)


def left_out(path):
    """Names of what lies beside the notebooks in a folder and may be somebody's hand-in under another name."""
    folder = Path(path)
    beside = [p for p in sorted(folder.iterdir()) if p.is_file() and p.suffix != ".ipynb"] if folder.is_dir() else []
    return [p.name for p in beside if not p.name.startswith(".")]


def _in_zip(archive):
    """Names, sizes and readers of a zip's notebooks. Everything stays in memory: no path of theirs is ever written."""
    files, total = [], 0
    for item in archive.infolist():
        if item.filename.endswith(".ipynb") and not item.is_dir():
            total += item.file_size
            if total > 20 * MAX_BYTES:
                raise CourseError(f"the zip unpacks to more than {20 * MAX_BYTES} bytes")
            data = archive.open(item).read(MAX_BYTES) if item.file_size <= MAX_BYTES else b""
            files.append((item.filename, item.file_size, lambda data=data: data))
    return files


def read_cells(data, master):
    """The code cells of a notebook with their roles, and notes on what was odd. Raises Corrupt if it is no notebook.

    master: the lab's `Master`. A cell is found by its id, else by its metadata, else by the marker in its first lines.
    """
    if not data.strip():
        raise Corrupt("the file is empty")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(content, dict):
        raise Corrupt(f"not a notebook: the file holds a {type(content).__name__}")
    raw, notes = content.get("cells"), []
    if raw is None and isinstance(content.get("worksheets"), list):
        raw = [c for sheet in content["worksheets"] if isinstance(sheet, dict) for c in sheet.get("cells") or []]
        notes.append("nbformat 3: read as it is")
    if not isinstance(raw, list):
        raise Corrupt("not a notebook: it has no list of cells")
    cells = []
    for number, item in enumerate(raw[:MAX_CELLS]):
        if not isinstance(item, dict) or item.get("cell_type") not in ("code", "markdown", "raw", "heading"):
            notes.append(f"cell {number} is not a cell and was left out")
            continue
        source = item.get("source", item.get("input", ""))
        if isinstance(source, list):
            source = "".join(line for line in source if isinstance(line, str))
        if not isinstance(source, str) or len(source) > MAX_SOURCE or "\x00" in source:
            notes.append(f"cell {number} has no readable source and was left out")
            continue
        role, name = _identify(item, source, master)
        if item["cell_type"] == "code":
            cells.append(Cell(source, role, name))
        elif role == "task":
            notes.append(f"the cell of task {name} is {item['cell_type']}, not code")
    if len(raw) > MAX_CELLS:
        notes.append(f"{len(raw)} cells, the first {MAX_CELLS} were read")
    _must_be_this_lab(content, cells, master)
    return _without_copies(cells, master, notes), notes


def _must_be_this_lab(content, cells, master):
    """Raise Corrupt for a notebook of this course that is another one: running it would only waste a minute."""
    metadata = content.get("metadata")
    facts = metadata.get("course") if isinstance(metadata, dict) else None
    if not isinstance(facts, dict) or any(cell.role == "task" for cell in cells):
        return
    if facts.get("kind") == "lectures" or facts.get("topic") != master.stem:
        raise Corrupt(f"this is {str(facts.get('kind'))[:40]}/{str(facts.get('topic'))[:60]}, not lab {master.stem}")


def _identify(item, source, master):
    """(role, name) of a raw cell."""
    known = {"": ("extra", "")}
    known |= {slug(task): ("task", task) for task in master.tasks}
    known |= {check.id: ("check", name) for name, check in master.checks.items()}
    known |= {cell.id: ("setup" if cell.setup else "given", cell.id) for cell in master.given}
    cell_id = item.get("id")
    if isinstance(cell_id, str) and cell_id in known:
        set_up = [given.source.strip() for given in master.given if given.setup]
        if known[cell_id][0] == "setup" and source.strip() not in set_up:  # something was typed into it
            return "extra", ""
        return known[cell_id]
    metadata = item.get("metadata")
    facts = metadata.get("course") if isinstance(metadata, dict) else None
    facts = facts if isinstance(facts, dict) else {}
    if facts.get("role") == "task" and facts.get("task") in master.tasks:
        return "task", facts["task"]
    if facts.get("role") == "check" and facts.get("check") in master.checks:
        return "check", facts["check"]
    if (found := re.search(r"^# task: (\w+)\s*$", source, re.M)) and found[1] in master.tasks:
        return "task", found[1]
    if (found := re.match(r'\s*begin_check\("([\w-]+)"\)', source)) and found[1] in master.checks:
        return "check", found[1]
    for cell in master.given:
        if cell.source.strip() == source.strip():
            return known[cell.id]
    return "extra", ""


def _without_copies(cells, master, notes):
    """Less the untouched stubs that stand beside a worked copy of the same task."""
    kept = []
    for cell in cells:
        same = [c for c in cells if c.role == "task" and c.name == cell.name] if cell.role == "task" else []
        if len(same) > 1 and is_stub(cell, master) and not all(is_stub(c, master) for c in same):
            notes.append(f"an untouched copy of task {cell.name} was left out")
        else:
            kept.append(cell)
    return kept


def is_stub(cell, master):
    """Is a task's cell as the lab gave it, but for white space and comments?"""
    return _bare(cell.source) == _bare(master.stubs[cell.name])


def _bare(text):
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
