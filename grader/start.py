"""`grade start`: writes START.md, the course's start page with the points that the saved labs show.

The page is made from what a student has: built notebooks and `labs/expected/`, read as plain JSON. What is saved in
labs is the student's own and is trusted with nothing: a check has between 0 points and what it gives.
"""

import json
import os
import re
from pathlib import Path
from urllib.parse import quote

from grader.course import ROOT

PAGE = "START.md"
TEMPLATE = Path(__file__).parent / "templates" / "start.md"
MAX_BYTES = 50_000_000  # of a file that is read
MAX_TEXT = 300  # characters of a fact that is shown


def write():
    """Write START.md where it would change. Returns (points reached, points to reach)."""
    text, reached, most = page()
    path = ROOT / PAGE
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        part = path.with_name(f".{PAGE}.{os.getpid()}")  # two servers may write at once
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    return reached, most


def page():
    """The start page as Markdown, the points reached, and those to reach."""
    rows, reached, most = ["| topic | lecture | lab | points so far |", "|---|---|---|---|"], 0.0, 0.0
    lectures = {path.stem: _course(_read(path)) for path in (ROOT / "lectures").glob("*.ipynb")}
    lectures = {stem: facts for stem, facts in lectures.items() if facts["topic"] == stem}  # no copies, nothing else
    expected = {path.stem: _points(path) for path in (ROOT / "labs" / "expected").glob("*.json")}
    tries = {stem: [] for stem in {*lectures, *expected}}  # stem -> [(points, is it the lab's own file, path, facts)]
    for path in (ROOT / "labs").glob("*.ipynb"):
        notebook = _read(path)
        facts = _course(notebook)
        if (stem := facts["topic"]) in tries:
            tries[stem].append((reached_in(notebook, expected.get(stem, {})), path.stem == stem, path, facts))
    for stem in sorted(tries):
        to_reach = sum(expected.get(stem, {}).values())
        best, _, path, lab = max(tries[stem], key=lambda one: one[:3], default=(0.0, True, None, {}))
        lecture = lectures.get(stem, {})
        about = lecture or lab
        number = stem.split("_")[0]
        cells = [f"**{about['title'] or stem}**<br>{about['summary']}" if about else stem]
        cells.append(f"[Lecture {number}](lectures/{stem}.ipynb), {lecture['minutes']}&nbsp;min" if lecture else "")
        cells.append(f"[Lab {number}](labs/{quote(os.fsencode(path.name))}), {lab['minutes']}&nbsp;min" if lab else "")
        cells.append(f"{best:g} of {to_reach:g}" if to_reach else "")
        rows.append(f"| {' | '.join(cells)} |")
        reached, most = reached + best, most + to_reach
    rows.append(f"| **all together** | | | **{reached:g} of {most:g}** |")
    return TEMPLATE.read_text(encoding="utf-8").replace("<!-- map -->", "\n".join(rows)), reached, most


def reached_in(notebook, points):
    """The points that a saved lab shows, check by check; points: {check: points} of the lab."""
    best = dict.fromkeys(points, 0.0)
    for text in _shown(notebook):
        for name, number in re.findall(r"^([\w-]{1,80}): (\d{1,6}(?:\.\d{1,6})?) of \d", text[-1_000:], re.M | re.A):
            if name in best:
                best[name] = max(best[name], min(float(number), points[name]))
    return round(sum(best.values()), 2)


def _shown(notebook):
    """The plain text of all displays in a saved notebook, whatever else it holds."""
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else []:
            data = output.get("data") if isinstance(output, dict) else None
            text = data.get("text/plain") if isinstance(data, dict) else None
            if isinstance(text, list):
                text = "".join(line for line in text if isinstance(line, str))
            if isinstance(text, str):
                yield text


def _read(path):
    """A file's JSON object; {} for what is missing, half-written, far too long, or none."""
    try:
        content = json.loads(path.read_bytes()) if path.stat().st_size <= MAX_BYTES else {}
    except (OSError, ValueError, RecursionError):
        content = {}
    return content if isinstance(content, dict) else {}


def _points(path):
    """{check: points} of a lab, from what the course ships beside it."""
    return {name: check["points"] for name, check in _read(path).get("checks", {}).items()}


def _course(notebook):
    """What the course wrote into a notebook's metadata: topic, title, summary, minutes; "" for what is not there."""
    metadata = notebook.get("metadata")
    facts = metadata.get("course") if isinstance(metadata, dict) else None
    facts = facts if isinstance(facts, dict) else {}
    return {name: _escaped(facts.get(name, "")) for name in ("topic", "title", "summary", "minutes")}


def _escaped(value):
    """A fact as one line of text inside a Markdown table."""
    text = " ".join(str(value).split()) if isinstance(value, str | int) else ""
    text = text.encode(errors="replace").decode()  # JSON can hold half a character
    return re.sub(r"([\\`*\[\]<>|$&~])", r"\\\1", text[:MAX_TEXT])
