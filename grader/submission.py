"""What the cells of a submission are, read as untrusted data: a notebook of any tool, or jupytext's Python text.

    cells, notes = student_cells(submission.data, master)

A task's cell is found by its id, by its metadata, by the marker in its source, and at last by what it defines or by
its likeness to the stub; a note says which way it was, where it was not the id.
"""

import json
import re
from dataclasses import dataclass

import jupytext
from rapidfuzz import fuzz, process

from grader.intake import Corrupt
from grader.source import slug

__all__ = ["Cell", "Corrupt", "is_stub", "student_cells"]

MAX_CELLS = 1_000
MAX_SOURCE = 500_000
MAX_LINES = 10_000  # of Python text: jupytext takes a second for as many
LIKE = 60  # per cent of likeness to a stub from which a cell is taken for its task's
PYTHON = r"^(# (%%|\+|---|task: |In\[)|(def|class|import|from) )"  # a line that Python text has
WAYS = ("metadata", "marker", "likeness")


@dataclass
class Cell:
    """A code cell. role: "setup", "given", "task", "check" or "extra"; name: of the task, the check, the given cell."""

    source: str
    role: str = "extra"
    name: str = ""


def student_cells(data, master):
    """The code cells of a notebook with their roles, and notes on what was odd. Raises Corrupt if it is no notebook.

    master: the lab's `Master`.
    """
    content, notes = _content(data)
    raw = content.get("cells")
    if raw is None and isinstance(content.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in content["worksheets"] if isinstance(sheet, dict)]
        raw = [cell for cells in sheets if isinstance(cells, list) for cell in cells]
        notes.append("nbformat 3: read as it is")
    if not isinstance(raw, list):
        raise Corrupt("not a notebook: it has no list of cells")
    cells, ways, who = [], {}, _Identity(master)
    for number, item in enumerate(raw[:MAX_CELLS]):
        if not isinstance(item, dict) or item.get("cell_type") not in ("code", "markdown", "raw", "heading"):
            notes.append(f"cell {number} is not a cell and was left out")
            continue
        source = _source(item)
        if source is None:
            notes.append(f"cell {number} has no readable source and was left out")
            continue
        role, name, way = who.of(item, source)
        if item["cell_type"] == "code":
            cells.append(Cell(source, role, name))
            if role == "task" and way:
                ways.setdefault(way, {})[name] = True
            if way == "set-up":
                notes.append("the set-up cell is not as the lab gave it: it runs as a cell of the student's")
        elif role == "task":
            notes.append(f"the cell of task {name} is {item['cell_type']}, not code")
    if len(raw) > MAX_CELLS:
        notes.append(f"{len(raw)} cells, the first {MAX_CELLS} were read")
    _must_be_this_lab(content, cells, master)  # before likeness: a lecture defines what its lab asks for
    ways["likeness"] = _find_by_likeness(cells, master)
    notes += [f"found by {way}, not by id: {', '.join(ways[way])}" for way in WAYS if ways.get(way)]
    return _without_copies(cells, master, notes), notes


def _content(data):
    """The notebook as JSON has it, and notes; JSON in any encoding that JSON allows, or Python text."""
    if not data.strip():
        raise Corrupt("the file is empty")
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass").lstrip("\ufeff")
    except ValueError as error:
        raise Corrupt(f"not JSON: {str(error)[:100]}") from None
    if re.match(r"\s*<(!|html)", text, re.I):
        raise Corrupt("not JSON but a web page: the file itself has to be downloaded")
    if not re.match(r"\s*[{\[]", text) and re.search(PYTHON, text, re.M):
        return _python(text), ["read as Python text"]
    try:
        content = json.loads(text, parse_int=str)  # no number is needed, and one of 5000 digits is an error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Corrupt(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(content, dict):
        raise Corrupt(f"not a notebook: the file holds a {type(content).__name__}")
    return content, []


def _python(text):
    """A notebook from Python text with `# %%`, or in jupytext's light form."""
    if len(text) > MAX_SOURCE or text.count("\n") > MAX_LINES:
        raise Corrupt(f"Python text is read up to {MAX_SOURCE:,} characters and {MAX_LINES:,} lines")
    text = re.sub(r"\A# ---\n(?:#.*\n)*?# ---\n", "", text.replace("\r\n", "\n"))  # YAML can grow without bound
    text = re.sub(r"^(# ?(?:%%|\+).{300}).*", r"\1", text, flags=re.M)  # what a long marker says takes minutes to read
    try:
        notebook = jupytext.reads(text, fmt="py")
    except Exception as error:  # a header that is no YAML, and whatever else its readers raise
        raise Corrupt(f"Python text that jupytext cannot read: {type(error).__name__}") from None
    cells = [{"cell_type": c.cell_type, "source": c.source, "metadata": c.metadata} for c in notebook.cells]
    return {"cells": cells, "metadata": notebook.metadata}


def _source(item):
    """A raw cell's source with plain line ends, fit to be stored as UTF-8; None where it has none that can be read."""
    source = item.get("source", item.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str) or len(source) > MAX_SOURCE or "\x00" in source:
        return None
    return re.sub("[\ud800-\udfff]", "\ufffd", re.sub("\r\n?", "\n", source))


def _must_be_this_lab(content, cells, master):
    """Raise Corrupt for a notebook of this course that is another one: running it would only waste a minute."""
    metadata = content.get("metadata")
    facts = metadata.get("course") if isinstance(metadata, dict) else None
    if not isinstance(facts, dict) or any(cell.role == "task" for cell in cells):
        return
    if facts.get("kind") == "lectures" or facts.get("topic") != master.stem:
        raise Corrupt(f"this is {str(facts.get('kind'))[:40]}/{str(facts.get('topic'))[:60]}, not lab {master.stem}")


class _Identity:
    """Which of the lab's cells a raw one is."""

    def __init__(self, master):
        self.master = master
        self.known = {slug(task): ("task", task) for task in master.tasks}
        self.known |= {check.id: ("check", name) for name, check in master.checks.items()}
        self.known |= {given.id: ("setup" if given.setup else "given", given.id) for given in master.given}
        self.given = {given.source.strip(): self.known[given.id] for given in master.given}

    def of(self, item, source):
        """(role, name, way): way is how it was found, "" by its id; "set-up" for a set-up cell with other code."""
        cell_id, metadata = item.get("id"), item.get("metadata")
        if isinstance(cell_id, str) and cell_id in self.known:
            role, name = self.known[cell_id]
            if role == "setup" and self.given.get(source.strip(), ("",))[0] != "setup":
                return "extra", "", "set-up"
            return role, name, ""
        facts = metadata.get("course") if isinstance(metadata, dict) else None
        facts = facts if isinstance(facts, dict) else {}
        for role, names in (("task", self.master.tasks), ("check", self.master.checks)):
            if facts.get("role") == role and isinstance(facts.get(role), str) and facts[role] in names:
                return role, facts[role], "metadata" if cell_id else ""  # Python text has no ids to be found by
        if (found := re.search(r"^# task: (\w+)[ \t]*$", source, re.M)) and found[1] in self.master.tasks:
            return "task", found[1], "marker"
        if (found := re.match(r'\s*begin_check\("([\w-]+)"\)', source)) and found[1] in self.master.checks:
            return "check", found[1], "marker"
        return (*self.given.get(source.strip(), ("extra", "")), "")


def _find_by_likeness(cells, master):
    """Give the tasks that stand nowhere, or only as a stub, the student's own cells that hold them; their names.

    A cell holds the task whose function or class it alone defines. A task that stands nowhere is also given the one
    cell that is like its stub, if no other task's stub is more so.
    """
    worked = {cell.name for cell in cells if cell.role == "task" and not is_stub(cell, master)}
    stands = {cell.name for cell in cells if cell.role == "task"}
    wanted = {task: _defined(stub) for task, stub in master.stubs.items()}
    found = {}
    for cell in cells:
        if cell.role == "extra":
            names = _defined(cell.source)
            holds = [task for task in wanted if names & wanted[task]]
            if len(holds) == 1 and holds[0] not in worked:
                found.setdefault(holds[0], []).append(cell)
    lost = [task for task in master.tasks if task not in stands and task not in found]
    held = {id(cell) for cells in found.values() for cell in cells}
    extra = [cell for cell in cells if cell.role == "extra" and id(cell) not in held]
    if lost and extra:
        tasks, stubs = zip(*((task, "\n".join(_bare(stub))) for task, stub in master.stubs.items()), strict=True)
        texts = ["\n".join(_bare(cell.source[:20_000])) for cell in extra]
        scores = process.cdist(texts, stubs, scorer=fuzz.ratio, score_cutoff=LIKE)
        best = [tasks[row.argmax()] if row.max() else "" for row in scores]
        found |= {task: [extra[best.index(task)]] for task in lost if best.count(task) == 1}
    for task in found:
        for cell in found[task]:
            cell.role, cell.name = "task", task
    return [task for task in master.tasks if task in found]


def _defined(source):
    """Names of the functions and classes that a cell defines, also where it is not valid Python."""
    return set(re.findall(r"^(?:async +)?(?:def|class) +(\w+)", source, re.M))


def _without_copies(cells, master, notes):
    """Less the untouched stubs that stand beside a worked copy of the same task."""
    stubs = {id(cell) for cell in cells if cell.role == "task" and is_stub(cell, master)}
    copies = {}  # task -> its worked cells
    for cell in cells:
        if cell.role == "task" and id(cell) not in stubs:
            copies.setdefault(cell.name, []).append(cell)
    kept = [cell for cell in cells if id(cell) not in stubs or cell.name not in copies]
    left = {cell.name: True for cell in cells if id(cell) in stubs and cell.name in copies}
    notes += [f"an untouched copy of task {task} was left out" for task in left]
    notes += [f"task {task} stands {len(same)} times: the last counts" for task, same in copies.items() if same[1:]]
    return kept


def is_stub(cell, master):
    """Is a task's cell as the lab gave it, but for white space and comments?"""
    return _bare(cell.source) == _bare(master.stubs[cell.name])


def _bare(text):
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
