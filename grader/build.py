"""`grade build`: source -> executed lecture, lab, executed solution, expected values, sample class, map of topics.

The same source gives the same bytes, outputs aside. `stale()` says what is missing, out of date or edited by hand.
"""

import copy
import hashlib
import json
import os
import re
import shutil
import tempfile

import nbformat

from grader import answers
from grader.course import ROOT, CourseError, settings, topics
from grader.source import BEGIN, END, assemble, expected_path, neighbours, read_source

PAGES = ("README.md", "RESULTS.md")  # they have built parts


def outputs_of(stem):
    """The built notebooks of a topic: [(kind, source path, notebook path, executed)]."""
    source, found = ROOT / "source", []
    if (path := source / "lectures" / f"{stem}.py").is_file():
        found.append(("lectures", path, ROOT / "lectures" / f"{stem}.ipynb", True))
    if (path := source / "labs" / f"{stem}.py").is_file():
        found.append(("labs", path, ROOT / "labs" / f"{stem}.ipynb", False))
        found.append(("solutions", path, ROOT / "solutions" / f"{stem}.ipynb", True))
    return found


def build(stems, say=print, run=None):
    """Build all notebooks of the topics and what is derived from them. CourseError names source file and line.

    run: (notebook, source, path) -> the notebook with its outputs; `execute` if None.
    """
    run = run or execute
    for stem in stems:
        for kind, source, path, executed in outputs_of(stem):
            notebook = assemble(source, kind)
            say(f"{path.relative_to(ROOT)}{' ...' if executed else ''}")
            if executed:
                notebook = run(notebook, source, path)
            if kind == "solutions":  # now that the expectations are known: run again, and every check has to pass
                _write(expected_path(stem), expected_text(notebook))
                notebook = run(assemble(source, kind), source, path)
                _must_pass(notebook, source)
            if executed and run is execute and os.environ.get("COURSE_BUDGET", "").strip() == "smoke":
                notebook.metadata["course"]["budget"] = "smoke"
            _write(path, dump(notebook))
        for path, text in answers.sample_class(stem).items():
            _write(path, text)
        _link_neighbours(stem)
    for path, text in derived().items():
        _write(path, text)


def _link_neighbours(stem):
    """Renew the title cells of the lectures before and after this one, which link to it. They are not run again."""
    source = ROOT / "source" / "lectures"
    for other in neighbours(stem) if (source / f"{stem}.py").is_file() else ():
        path = ROOT / "lectures" / f"{other}.ipynb"
        if other and path.is_file():
            notebook = nbformat.read(path, as_version=4)
            notebook.cells[0] = assemble(source / f"{other}.py", "lectures").cells[0]
            _write(path, dump(notebook))


def dump(notebook):
    """A notebook as text, always in the same form; the hash of its outputs stands in its metadata."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata["language_info"] = {"name": "python"}  # the kernel that ran it adds its version
    notebook.metadata["course"]["outputs"] = hash_outputs(notebook)
    return nbformat.writes(notebook) + "\n"


def hash_outputs(notebook):
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest() if any(outputs) else ""


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def execute(notebook, source, path):
    """Run all cells in a fresh kernel, in the notebook's folder. CourseError with the source's file and line."""
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbclient.util import run_sync

    path.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    manager, sockets = AsyncKernelManager(kernel_name="python3"), tempfile.mkdtemp(prefix="b-")
    if os.name == "posix":
        manager.transport, manager.ip = "ipc", f"{sockets}/s"
    client = NotebookClient(
        notebook,
        timeout=600,
        km=manager,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=CRITICAL"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    reached = []
    client.on_cell_execute = lambda cell, cell_index: reached.append(cell)
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        cell = reached[-1]
        row = re.findall(r"Cell In\[\d+\], line (\d+)", _plain(str(error)))
        raise CourseError(f"{_place(source, cell, int(row[0]) if row else 1)}: {_last_line(error)}") from None
    finally:
        if manager.has_kernel:  # nbclient leaves a kernel that it was given, and all that it holds, until we exit
            run_sync(manager.shutdown_kernel)(now=True)
        shutil.rmtree(sockets, ignore_errors=True)
    return notebook


def _place(source, cell, row):
    """file:line in the source for row `row` of a built cell."""
    cells, _ = read_source(source)
    for made in cells:
        if made.id == cell.id:
            stamped = {"task", "check"} & made.options.keys()  # the builder's own first line
            kept = [n for n, text in enumerate(made.text.splitlines(), 1) if text.strip() not in (BEGIN, END)]
            line = made.line + kept[max(0, min(row - 1 - len(stamped), len(kept) - 1))]
            return f"{source.relative_to(ROOT)}:{line} (cell {cell.id})"
    return f"{source.relative_to(ROOT)}:1 (cell {cell.id})"


def _plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _last_line(error):
    lines = [line for line in _plain(str(error)).strip().splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def expected_text(notebook):
    """What a solution published, as JSON: {"lab", "source", "checks": {check: {"task", "points", "values"}}}."""
    from grader.compare import published

    checks = {}
    for cell in notebook.cells:
        facts = cell.metadata.get("course", {})
        if facts.get("role") != "check":
            continue
        values = published(cell.outputs)
        where = f"source/labs/{notebook.metadata.course.topic}.py (check {facts['check']})"
        if not values:
            raise CourseError(f"{where}: nothing was published")
        for name, value in values.items():
            if "error" in value:
                raise CourseError(f"{where}: value {name!r} is not numbers: {value['error']}")
        checks[facts["check"]] = {"task": facts["task"], "points": facts["points"], "values": values}
    course = notebook.metadata.course
    content = {"lab": course.topic, "source": course.source, "checks": checks}
    return json.dumps(content) + "\n"


def _must_pass(notebook, source):
    """The second run of a solution has to agree with the first: a check that its own solution fails is no check."""
    for cell in notebook.cells:
        if cell.metadata.get("course", {}).get("role") == "check":
            shown = "\n".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
            if found := re.search(r"^FAIL  (\w+)", shown, re.M):
                told = f"value {found[1]!r} differs between two runs of the solution, or is published twice"
                raise CourseError(f"{_place(source, cell, 2)}: {told}")


def derived():
    """README.md and RESULTS.md with their built parts, the map of topics and the tables of results: {path: text}."""
    made = {}
    for name in PAGES:
        path = ROOT / name
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for part, rows in PARTS.items():
                first, last = f"<!-- {part}: built by `grade build` -->", f"<!-- /{part} -->"
                if first in text and last in text:
                    before, after = text.split(first, 1)[0], text.split(last, 1)[1]
                    text = f"{before}{first}\n{rows()}\n{last}{after}"
            made[path] = text
    return made


def map_of_topics(stems=None):
    """A Markdown table with a row a topic; stems: of these only."""
    rows = ["| topic | lecture | lab | what it is about |", "|---|---|---|---|"]
    for stem in topics() if stems is None else stems:
        facts, links = {}, {"lectures": "", "labs": ""}
        for kind in links:
            path = ROOT / "source" / kind / f"{stem}.py"
            if path.is_file():
                cells, course = read_source(path)
                facts = facts or course
                points = sum(cell.options["points"] for cell in cells if "task" in cell.options)
                extra = f", {points:g} points" if kind == "labs" else ""
                verb = "read" if kind == "lectures" else "do"
                links[kind] = f"[{verb}]({kind}/{stem}.ipynb), {course['minutes']} min{extra}"
        rows.append(f"| {facts['title']} | {links['lectures']} | {links['labs']} | {facts['summary']} |")
    return "\n".join(rows)


def table_of_results():
    """A Markdown table of what the built lectures recorded."""
    rows = ["| lecture | result | value | unit | paper | budget, device |", "|---|---|---|---|---|---|"]
    for stem in topics():
        path = ROOT / "lectures" / f"{stem}.ipynb"
        cells = nbformat.read(path, as_version=4).cells if path.is_file() else []
        for output in (output for cell in cells for output in cell.get("outputs", [])):
            if r := output.get("data", {}).get("application/vnd.course.record+json"):
                paper = "" if r["paper"] is None else f"{r['paper']:g}"
                if r["source"]:
                    paper = f"{paper} ({r['source']})".strip()
                shown = (r["name"], f"{r['value']:.4g}", r["unit"], paper, f"{r['budget']}, {r['device']}")
                rows.append(_table_row(f"[{stem.split('_')[0]}](lectures/{stem}.ipynb)", *shown))
    return "\n".join(rows)


def table_of_benchmarks():
    """A Markdown table of what `make bench` measured last, without rows of which nothing was asked (ablations)."""
    rows = ["| measured | ours | peer | ratio | asked for | at most possible |", "|---|---|---|---|---|---|"]
    path = ROOT / "bench" / "results.json"
    for r in json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []:
        if not r["target"]:
            continue
        ours, peer = (f"{r[who]:.4g} {r['unit']}" if r[who] is not None else "" for who in ("ours", "peer"))
        ratio = "" if r["ratio"] is None else f"{r['ratio']:.3g}"
        limit = f"{r['limit']:.4g}" if isinstance(r["limit"], float) else r["limit"]
        rows.append(_table_row(r["what"], ours, peer, ratio, r["target"], limit))
    return "\n".join(rows)


def ways_to_open():
    """Where the notebooks open without anything installed."""
    s = settings()
    return (
        f"[Colab](https://colab.research.google.com/github/{s.repo}/blob/{s.branch}/) · "
        f"[Binder](https://mybinder.org/v2/gh/{s.repo}/{s.branch}?urlpath=lab/tree/START.md) · "
        f"[Codespaces](https://codespaces.new/{s.repo}/tree/{s.branch})"
    )


PARTS = {"open": ways_to_open, "topics": map_of_topics, "results": table_of_results, "bench": table_of_benchmarks}


def _table_row(*cells):
    """One row of a Markdown table; a bar inside a cell would begin the next one."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def stale(stems):
    """What `grade build` would have to mend: one line each; empty when everything is as its source says."""
    problems = []
    for stem in stems:
        for kind, source, path, executed in outputs_of(stem):
            found = stale_notebook(kind, source, path, executed)
            problems += [f"{path.relative_to(ROOT)}: {why}" for why in found]
            if kind == "solutions" and not found:
                problems += _stale_values(expected_path(stem), nbformat.read(path, as_version=4))
        for path, text in answers.sample_class(stem).items():
            problems += _stale_text(path, text)
    for path, text in derived().items():
        problems += _stale_text(path, text)
    known = {path for stem in topics() for *_, path, _ in outputs_of(stem)}
    for folder in ("lectures", "labs", "solutions"):
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            if path not in known:
                problems.append(f"{path.relative_to(ROOT)}: has no source")
    return problems


def _stale_values(path, solution):
    """The expected values beside what the built solution published, whatever their order."""
    if not path.is_file():
        return [f"{path.relative_to(ROOT)}: missing"]
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == json.loads(expected_text(solution))
    except ValueError:
        same = False
    return [] if same else [f"{path.relative_to(ROOT)}: not what the solution published"]


def _stale_text(path, text):
    if not path.is_file():
        return [f"{path.relative_to(ROOT)}: missing"]
    return [] if path.read_text(encoding="utf-8") == text else [f"{path.relative_to(ROOT)}: not what the sources give"]


def stale_notebook(kind, source, path, executed):
    """Why a built notebook is not what its source gives: [] or one reason."""
    if not path.is_file():
        return ["missing"]
    try:
        built = nbformat.read(path, as_version=4)
    except Exception as error:
        return [f"cannot be read: {error}"]
    fresh = assemble(source, kind)
    facts = built.metadata.get("course", {})
    if facts.get("source") != fresh.metadata.course.source:
        return ["out of date: its source changed"]
    if facts.get("outputs") != hash_outputs(built):
        return ["its outputs were edited by hand"]
    if facts.get("budget") == "smoke":
        return ["built in the smoke budget, which is for a look: build it without COURSE_BUDGET"]
    if executed and any(c.cell_type == "code" and c.source and c.execution_count is None for c in built.cells):
        return ["not executed"]
    bare = built.copy()
    bare.cells = [dict(cell, **_cleared(cell)) for cell in built.cells]
    bare.metadata = dict(bare.metadata, course={k: v for k, v in facts.items() if k != "outputs"})
    if json.dumps(bare, sort_keys=True) != json.dumps(fresh, sort_keys=True):
        return ["edited by hand: it is not what its source gives"]
    return []


def _cleared(cell):
    return {"outputs": [], "execution_count": None} if cell.cell_type == "code" else {}


def restamp(repo, branch, say=print):
    """Name another repository or branch in all that is built, and run nothing. Returns the topics that were not
    current before: they are as they were, and have to be built."""
    current = [stem for stem in topics() if not any(stale_notebook(*built) for built in outputs_of(stem))]
    _stamp(repo, branch)
    build(current, say, run=_as_it_ran)
    return [stem for stem in topics() if stem not in current]


def _as_it_ran(notebook, source, path):
    """The notebook with the outputs of the built one at `path`, whose cells are the same but for what is stamped."""
    for cell, ran in zip(notebook.cells, nbformat.read(path, as_version=4).cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    return notebook


STAMPED = {
    "repo": (r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", "OWNER/NAME as on GitHub"),
    "branch": (r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}", "the name of a branch"),
}


def _stamp(repo, branch):
    """Write them into pyproject.toml, from where links and set-up cells take them; None leaves one as it is."""
    path = ROOT / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    for name, value in {"repo": repo, "branch": branch}.items():
        if value is None:
            continue
        form, told = STAMPED[name]
        if not re.fullmatch(form, value):
            raise CourseError(f"--{name} must be {told}, got {value!r}")
        text, n = re.subn(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', text)
        if n != 1:
            raise CourseError(f'pyproject.toml must have one line {name} = "..." under [tool.course]')
    path.write_text(text, encoding="utf-8")
    settings.cache_clear()
