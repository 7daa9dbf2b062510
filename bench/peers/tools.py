"""nbgrader and otter-grader on a lab of this course: their environments, their form of its notebooks, their verdicts.

tool = Nbgrader(folder, stem)           # the lab in nbgrader's form; makes its environment where there is none
tool.write(hand_ins(stem, 40))
usage = tool.grade(log)
passed = tool.passed()                  # {student: the checks whose values are all right}

A check of the lab becomes a test cell (nbgrader) or a test file (otter) of the same code, whose `check` asserts that
values are what the solution published for seed 0. Everything else is as the lab gives it.
"""

import ast
import copy
import hashlib
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import nbformat
from common import cache_folder
from nbformat.v4 import new_code_cell
from peers.measure import Usage, one_thread, watched

from grader.answers import hand_in
from grader.install import torch_options

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
IMPORTS = "from peer_check import begin_check, check, fresh, fresh_generator"
TIMEOUT = 120  # seconds a submission may take a peer


def environment(name):
    """The folder of a peer's virtual environment: made where it is not there, brought up to changed requirements."""
    folder, wanted, pins = cache_folder() / name, HERE / f"{name}.txt", ROOT / "constraints.txt"
    stamp = hashlib.sha256(wanted.read_bytes() + pins.read_bytes() + sys.version.encode()).hexdigest()
    if (folder / "stamp").is_file() and (folder / "stamp").read_text() == stamp:
        return folder
    print(f"  {name}: installing into {folder}", flush=True)
    if not (folder / "bin" / "pip").exists():
        venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", *torch_options()[0], "-c", str(pins), "-r", str(wanted)]
    subprocess.run([python, "-m", "pip", "install", *options], check=True, timeout=1800)
    fonts = {**os.environ, "MPLCONFIGDIR": str(folder / "matplotlib")}  # its list of fonts takes seconds: once for all
    subprocess.run([python, "-c", "import matplotlib.pyplot"], env=fonts, check=True, timeout=300)
    (folder / "stamp").write_text(stamp)
    return folder


def _role(cell):
    return cell.metadata.get("course", {}).get("role")


class _Tool:
    """What both have in common. folder: where the tool's files go; it is filled anew."""

    name = ""

    def __init__(self, folder, stem):
        self.folder, self.home = Path(folder), environment(self.name)
        self.folder.mkdir(parents=True)
        self.env = one_thread(
            HOME=str(self.folder),
            MPLCONFIGDIR=str(self.home / "matplotlib"),
            PATH=f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            PYTHONPATH=f"{ROOT}{os.pathsep}{HERE}",
        )
        solution = hand_in(stem, solution=True)
        self.checks = {c.id: c.metadata.course.check for c in solution.cells if _role(c) == "check"}
        self._prepare(solution)

    def _command(self, *arguments):
        return [str(self.home / "bin" / "python"), str(self.home / "bin" / arguments[0]), *map(str, arguments[1:])]

    def passed(self):
        return {student: {self.checks[i] for i in self._passed(student)} for student in self.students}

    def _run(self, *arguments, **options):
        return watched(self._command(*arguments), cwd=self.folder, env=self.env, **options)


class Nbgrader(_Tool):
    """One `nbgrader autograde` grades them all, one after the other."""

    name = "nbgrader"

    def _prepare(self, solution):
        (self.folder / "nbgrader_config.py").write_text("c = get_config()\nc.Execute.timeout = 60\n")
        self._write("source", solution)
        done = subprocess.run(
            self._command("nbgrader", "generate_assignment", "lab"), cwd=self.folder, env=self.env, capture_output=True
        )
        if done.returncode:
            raise RuntimeError(f"nbgrader generate_assignment: {done.stderr.decode()[-2000:]}")

    def _write(self, place, notebook):
        for cell in notebook.cells:
            role = _role(cell)
            if role in ("task", "check"):
                cell.metadata["nbgrader"] = {
                    "schema_version": 3,
                    "grade_id": cell.id,
                    "grade": role == "check",
                    "solution": role == "task",
                    "locked": role == "check",
                    "task": False,
                    **({"points": cell.metadata.course.points} if role == "check" else {}),
                }
            if role == "check":
                cell.source = f"{IMPORTS}\n{cell.source}"
        path = self.folder / place / "lab" / "lab.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)

    def write(self, members):
        for member in members:
            self._write(f"submitted/{member.student}", copy.deepcopy(member.notebook))
        self.students = [member.student for member in members]

    def grade(self, log):
        timeout = TIMEOUT * (1 + len(self.students))
        return self._run("nbgrader", "autograde", "lab", timeout=timeout, log=log, label=self.name)

    def _passed(self, student):
        path = self.folder / "autograded" / student / "lab" / "lab.ipynb"
        if not path.is_file():
            return []
        cells = [c for c in nbformat.read(path, 4).cells if c.metadata.get("nbgrader", {}).get("grade")]
        return [c.metadata.nbgrader.grade_id for c in cells if all(o.output_type != "error" for o in c.outputs)]


class Otter(_Tool):
    """One `otter run` a submission: the command without containers grades one."""

    name = "otter"

    def _prepare(self, solution):
        with zipfile.ZipFile(self.folder / "autograder.zip", "w") as archive:
            archive.writestr("otter_config.json", "{}")
            for cell in solution.cells:
                if _role(cell) == "check":
                    case = {"code": _as_doctest(f"{IMPORTS}\n{cell.source}"), "hidden": False, "locked": False}
                    test = {"name": cell.id, "points": 1, "suites": [{"cases": [case], "type": "doctest"}]}
                    archive.writestr(f"tests/{cell.id}.py", f"OK_FORMAT = True\n\ntest = {test!r}\n")

    def write(self, members):
        for member in members:
            notebook = copy.deepcopy(member.notebook)
            for cell in notebook.cells:
                if _role(cell) == "check":
                    cell.source = f'grader.check("{cell.id}")'
            notebook.cells.insert(0, new_code_cell("import otter\ngrader = otter.Notebook()", id="otter"))
            (self.folder / member.student).mkdir()
            nbformat.write(notebook, self.folder / member.student / "lab.ipynb")
        self.students = [member.student for member in members]

    def grade(self, log):
        usage = Usage()
        for n, student in enumerate(self.students):
            arguments = ("run", "-a", "autograder.zip", "-o", student, f"{student}/lab.ipynb")
            usage += self._run("otter", *arguments, timeout=TIMEOUT, log=log, label=self.name)
            if n % 5 == 4:
                print(f"  {self.name}: {n + 1} of {len(self.students)}, {usage.seconds:.0f} s", flush=True)
        return usage

    def _passed(self, student):
        path = self.folder / student / "results.json"
        tests = json.loads(path.read_text())["tests"] if path.is_file() else []
        return [t["name"] for t in tests if t["name"] in self.checks and t["score"] == t["max_score"]]


def _as_doctest(source):
    """Python as a doctest that prints nothing: each statement behind a prompt, the value of an expression put away."""
    lines, made = source.splitlines(), []
    for node in ast.parse(source).body:
        text = lines[node.lineno - 1 : node.end_lineno]
        if isinstance(node, ast.Expr):
            text[0] = f"_ = {text[0]}"
        made += [f"{'...' if n else '>>>'} {line}" for n, line in enumerate(text)]
    return "\n".join(made)
