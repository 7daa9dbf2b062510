"""Submissions that attack the grader, in one class: none gains, none costs others, none leaves anything behind.

An attack is one or more cells of the files beside this one. The first is `# %% attack="name" lost="double-1 fail, ..."`
and begins with a comment that says what it tries. Each cell takes the place of a task, `task="double"`, or is put
before a cell of the tiny lab, `before="total"`. All else in the notebook is right, and what is not in `lost` has to
pass. Verdicts that may differ from run to run stand as `memory/died`; `partial 1` says the points. What attacks aim at
is held by the test itself, on loopback and in the file system.
"""

import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT, TINY, entries, verdicts

from grader.course import CourseError
from grader.kernels import Kernels
from grader.source import read_cells

FULL_TIER = "bwrap+userns+landlock+seccomp"
POINTS = {"double-1": 1.0, "double-2": 2.0, "total-1": 2.0, "draw-1": 1.0}
RIGHT = {
    "double": "def double(x):\n    return x + x",
    "total": "def total(x):\n    return sum(2 * float(v) for v in x)",
    "draw": "def draw(n, *, generator=None):\n    return torch.rand(n, generator=generator)",
}
GRADER_MEMORY = 1_500_000_000  # bytes that a process of the grader may ever hold


@dataclass
class Attack:
    """cells: [(options, text)]; lost: {check: (verdicts that it may get, points that it keeps)}."""

    name: str
    cells: list = field(default_factory=list)
    lost: dict = field(default_factory=dict)


def read_attacks():
    attacks = {}
    for path in sorted(Path(__file__).parent.glob("[!t]*.py")):
        for cell in read_cells(path)[0]:
            if cell.kind != "code":
                continue
            if "attack" in cell.options:
                name = cell.options["attack"]
                assert name not in attacks, f"{path.name}: {name} stands twice"
                assert cell.text.startswith("# "), f"{path.name}: {name} does not say what it tries"
                lost = [part.split() for part in cell.options["lost"].split(",") if part]
                attacks[name] = Attack(name, lost={c: (v.split("/"), float("".join(p) or 0)) for c, v, *p in lost})
            attacks[name].cells.append((cell.options, cell.text))
    return attacks


ATTACKS = read_attacks()


def notebook(course, cells=(), **changes):
    """The lab with right answers, less the changes {task: text}, and cells [(options, text)] put in."""
    made = json.loads((course / "labs" / f"{TINY}.ipynb").read_text())
    at = {cell["id"]: cell for cell in made["cells"]}
    for task, text in {**RIGHT, **changes}.items():
        at[task]["source"] = f"# task: {task}\n{text}"
    for options, text in cells:
        if "task" in options:
            at[options["task"]]["source"] = f"# task: {options['task']}\n{text}"
        else:
            extra = {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
            made["cells"].insert(made["cells"].index(at[options["before"]]), {**extra, "id": f"x-{options['before']}"})
    return made


def claims(course):
    """Metadata, outputs and ids that claim points, roles and verdicts."""
    made = notebook(course, double="def double(x):\n    return 3 * x")
    made["metadata"] |= {"points": 6, "grade": {"check": "double-1", "points": 6}, "kernelspec": {"name": "bash"}}
    values = {"doubled": {"shape": [5], "data": [0.0] * 5}}
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"application/vnd.course.check+json": {"values": values}},
    }
    for cell in made["cells"]:
        cell["metadata"] |= {"points": 99, "tags": ["nbval-skip", "raises-exception"], "grade": {"check": "double-1"}}
        if cell["cell_type"] == "code":
            cell["outputs"] = [output]
    return made


def mistaken(course):
    """The student's cells under the ids and with the metadata of checks and of the set-up cell."""
    made = notebook(course)
    text = 'begin_check("double-1")\ncheck(doubled=[0.0] * 5)\nimport os\nos._exit(0)'
    for cell_id, check in (("double-check-1", "double-1"), ("setup", "x"), ("evil", "total-1"), ("double-check-1", "")):
        facts = {"course": {"role": "check", "check": check, "task": "double", "points": 1e9}}
        cell = {"cell_type": "code", "id": cell_id, "metadata": facts, "source": text, "outputs": []}
        made["cells"].insert(2, {**cell, "execution_count": 1})
    return made


def many_cells(course):
    made = notebook(course)
    empty = {"cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
    made["cells"] += [{**empty, "id": f"c{n}", "source": "-" * (n % 7)} for n in range(300)] + [3, None, [], {}] * 300
    return made


def odd_text(course):
    made = notebook(course)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    for text in (
        "\ud800 = 1",
        "\x00",
        "%%html\n<script>alert(5)</script>",
        "!" * 9,
        "x = '\u202e \x1b[2J'",
        {"a": 1},
        ["a", 3],
    ):
        made["cells"].insert(3, {**cell, "source": text})
    return made


ODD = dict.fromkeys(("double-1", "double-2"), (["fail"], 0.0))
# name of a hand-in: (what makes its notebook from the course, what is lost)
NOTEBOOKS = {
    "claims": (claims, ODD),
    "mistaken-identity": (mistaken, {}),
    "many-cells": (many_cells, {}),
    "odd-text": (odd_text, {}),
    "source_too_deep": (lambda c: notebook(c, [({"before": "total"}, "-" * 100_000 + "1")]), {}),
    "<img src=x onerror=alert(6)>": (notebook, {}),
    "=cmd|' calc'!A0": (notebook, {}),
    "new\nline \x1b[31mred \u202eltr": (notebook, {}),
    "a\\..\\..\\%2e%2e": (notebook, {}),
    "{{7*7}}{%raw%}": (notebook, {}),
}
FILES = {
    "sparse-60-mb": lambda path: os.truncate(_touched(path), 60_000_000),
    "sparse-20-mb": lambda path: os.truncate(_touched(path), 20_000_000),
    "deep": lambda path: path.write_text('{"cells": ' + "[" * 200_000),
    "deep-in-metadata": lambda path: path.write_text(
        '{"cells": [], "metadata": ' + '{"a":' * 5_000 + "1" + "}" * 5_001
    ),
    "same-key-twice": lambda path: path.write_text('{"cells": [], "cells": 3, "cells": {}, "nbformat": NaN}'),
    "broken-bytes": lambda path: path.write_bytes(bytes(range(256)) * 100),
    "digits": lambda path: path.write_text('{"cells": ' + "9" * 1_000_000 + ', "nbformat": 1e999999999}'),
    "many-lists": lambda path: path.write_text("[" + "[]," * 1_000_000 + "[]]"),
    "link-to-passwd": lambda path: path.symlink_to("/etc/passwd"),
    "link-to-another": lambda path: path.symlink_to("isclose.ipynb"),
    "link-to-nothing": lambda path: path.symlink_to(path.name),
    "fifo": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder-that-is-a-link": lambda path: path.with_suffix("").symlink_to("/etc"),
}


def _touched(path):
    path.touch()
    return path


class Listeners:
    """What attacks aim at: TCP, UDP and Unix sockets that note who calls."""

    def __init__(self, folder):
        unix, self.stop, self.calls = socket.AF_UNIX, False, []
        self.path, self.abstract = f"{folder}/s", f"hostile-{os.getpid()}"
        self.held = [socket.socket(family, kind) for family, kind in (
            (socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
            (unix, socket.SOCK_STREAM), (unix, socket.SOCK_STREAM))]  # fmt: skip
        for listener, address in zip(
            self.held, [("127.0.0.1", 0), ("127.0.0.1", 0), self.path, f"\0{self.abstract}"], strict=True
        ):
            listener.bind(address)
            if listener.type == socket.SOCK_STREAM:
                listener.listen()
        os.chmod(self.path, 0o777)
        self.names = {
            "TCP_PORT": str(self.held[0].getsockname()[1]),
            "UDP_PORT": str(self.held[1].getsockname()[1]),
            "UNIX_PATH": self.path,
            "ABSTRACT": self.abstract,
        }
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        with selectors.DefaultSelector() as selector:
            for listener in self.held:
                selector.register(listener, selectors.EVENT_READ)
            while not self.stop:
                for key, _ in selector.select(0.2):
                    if key.fileobj.type == socket.SOCK_STREAM:
                        key.fileobj.accept()[0].close()
                    else:
                        key.fileobj.recvfrom(1000)
                    self.calls.append(str(key.fileobj.getsockname()))

    def close(self):
        self.stop = True
        self.thread.join()
        for listener in self.held:
            listener.close()


def run(course, folder, names, *options):
    """Hand in `names` and grade them in `folder`; what was seen meanwhile and after goes to facts.json there."""
    handed_in, tmp, out = folder / "in", folder / "tmp", folder / "out"
    for path in (handed_in, tmp):
        path.mkdir(parents=True)
    own = Path(shutil.copytree(course, folder / "course"))  # its path marks our processes
    canary = f"k-{os.urandom(16).hex()}"
    (handed_in / "CANARY-FILE").write_text(canary)
    listeners = Listeners(folder)
    known = {**listeners.names, "COURSE": str(own), "SUBMISSIONS": str(handed_in), "OUT": str(out)}
    for name in names:
        write(name, own, handed_in, known)
    before = snapshot(own), snapshot(handed_in)
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "grader.cli", "run", "90", str(handed_in), "--out", str(out), "--jobs", "2", *options],
        env={
            **os.environ,
            "COURSE_ROOT": str(own),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(tmp),
            "COURSE_CANARY": canary,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=own,
    )
    peaks = {}
    sampler = threading.Thread(target=sample, args=(process, peaks), daemon=True)
    sampler.start()
    try:
        said = process.communicate(timeout=540)[0].decode()
    finally:
        process.kill()
        listeners.close()
    until = time.monotonic() + 10
    while (left := processes(str(own))) and time.monotonic() < until:
        time.sleep(0.2)
    facts = {
        "seconds": time.monotonic() - start, "status": process.returncode, "said": said, "canary": canary,
        "calls": listeners.calls, "processes": left, "tmp": os.listdir(tmp), "peak": max(peaks.values(), default=0),
        "untouched": before == (snapshot(own), snapshot(handed_in)), "shared": shared_files(),
    }  # fmt: skip
    (folder / "facts.json").write_text(json.dumps(facts))


def write(name, course, folder, known):
    if name in FILES:
        return FILES[name](folder / f"{name}.ipynb")
    make, _ = NOTEBOOKS.get(name) or (lambda course: notebook(course, ATTACKS[name].cells), None)
    text = json.dumps(make(course))
    for word, value in known.items():
        text = re.sub(rf"(?<![A-Z_]){word}(?![A-Z_])", value, text)
    (folder / f"{name}.ipynb").write_text(text)


def snapshot(folder):
    """{path: what would change with it}; caches of Python's left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if "__pycache__" not in path.parts:
            facts = path.lstat()
            found[str(path)] = (facts.st_size, facts.st_mtime_ns, facts.st_mode, facts.st_uid)
    return found


def sample(process, peaks):
    """Note the most memory that each of the grader's own processes ever held, while the run lasts."""
    while process.poll() is None:
        with suppress(OSError, ValueError):
            threads = Path(f"/proc/{process.pid}/task").glob("*/children")
            children = [int(pid) for path in threads for pid in path.read_text().split()]
            for pid in (process.pid, *children):
                if re.search(b"grader.cli|multiprocessing", Path(f"/proc/{pid}/cmdline").read_bytes()):
                    told = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(errors="replace"))
                    peaks[pid] = max(peaks.get(pid, 0), 1024 * int(told[1]) if told else 0)
        time.sleep(0.2)


def processes(marker):
    """Processes with the marker in their environment or the number of our sleepers in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (path / "cmdline").read_bytes()
            if int(path.name) != os.getpid() and (
                marker.encode() in (path / "environ").read_bytes() or b".4242" in command
            ):
                found.append(f"{path.name}: {command[:200]!r}")
    return found


def shared_files():
    """Files of an attack in folders that everybody writes to: by their name, or by a user who is nobody else."""
    found = []
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/mnt", "/"):
        for path in Path(folder).iterdir():
            with suppress(OSError):
                if (
                    "4242" in path.name
                    or path.name == "fill0"
                    or (os.getuid() == 0 and 61184 <= path.lstat().st_uid < 65184)
                ):
                    found.append(str(path))
    return found


@cache
def tier():
    try:
        with Kernels("cold") as kernels:
            return kernels.tier
    except CourseError as error:
        return str(error)


def needs_the_sandbox():
    if tier() != FULL_TIER:
        pytest.skip(f"attacks are run in the full sandbox only, here: {tier()}")


@pytest.fixture(scope="module")
def ran(tiny, once):
    """The folder of the whole corpus's run."""
    needs_the_sandbox()
    return once("hostile", lambda folder: run(tiny, folder, [*ATTACKS, *NOTEBOOKS, *FILES], "--timeout", "5"))


@pytest.fixture(scope="module")
def facts(ran):
    return json.loads((ran / "facts.json").read_text())


def entry_of(folder, name):
    file = "".join(c if c.isprintable() else f"%{ord(c):X}" for c in f"{name}.ipynb")
    found = [e for e in entries(folder / "out").values() if e["file"] in (file, file[:-6])]
    assert len(found) == 1, f"{len(found)} entries for {file}"
    return found[0]


def assert_earns(entry, lost):
    got, points = verdicts(entry), 6.0
    for check, worth in POINTS.items():
        allowed, kept = lost.get(check, (["pass"], 0.0))
        assert got[check] in allowed, (
            f"{check}: {got[check]}, expected {'/'.join(allowed)} in {json.dumps(entry, indent=1)}"
        )
        points -= 0 if got[check] == "pass" else worth - kept
    assert (entry["status"], entry["points"]) == ("graded", points)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_and_the_other_tasks_keep_their_points(ran, name):
    assert_earns(entry_of(ran, name), ATTACKS[name].lost)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_of_an_odd_kind_earns_what_its_answers_do(ran, name):
    assert_earns(entry_of(ran, name), NOTEBOOKS[name][1])


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_notebook_is_told_and_earns_nothing(ran, name):
    entry = entry_of(ran, name)
    assert (entry["status"], entry["points"]) == ("corrupt", 0)
    assert entry["notes"]


def test_the_corpus_has_sixty_attacks_and_more():
    assert len(ATTACKS) + len(NOTEBOOKS) + len(FILES) >= 60


def test_everybody_was_graded(facts, ran):
    assert facts["status"] == (1 if FILES else 0), facts["said"]
    assert "Traceback" not in facts["said"]
    grades = json.loads((ran / "out" / "grades.json").read_text())
    assert len(grades["submissions"]) == len(ATTACKS) + len(NOTEBOOKS) + len(FILES)
    assert grades["sandbox"] == FULL_TIER
    assert (ran / "out" / "grades.json").stat().st_size < 5_000_000


def test_nobody_ever_called_the_listeners(facts):
    assert facts["calls"] == []


def test_no_process_is_left(facts):
    assert facts["processes"] == []


def test_no_file_is_left_and_none_was_changed(facts):
    assert facts["tmp"] == []
    assert facts["shared"] == []
    assert facts["untouched"]


def test_the_grader_itself_stayed_small(facts):
    assert facts["peak"] < GRADER_MEMORY


def test_the_canary_is_nowhere_in_the_results(facts, ran):
    for path in (ran / "out").rglob("*"):
        assert path.is_dir() or facts["canary"].encode() not in path.read_bytes(), path


def test_no_page_of_a_student_and_no_grade_holds_the_solution(ran):
    pages = [*(ran / "out" / "students").glob("*.html"), ran / "out" / "grades.json", ran / "out" / "grades.csv"]
    assert len(pages) > 60
    for path in pages:
        assert "answer = SCALE" not in re.sub("<[^>]*>", "", path.read_text()), path


def test_pages_hold_no_markup_and_no_control_character_of_a_submission(ran):
    for path in (ran / "out").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script>alert|<img|<b>Long|[\x00-\x08\x0b-\x1f\x7f\u202e\u2066]", text), path


def test_no_cell_of_the_table_is_a_formula(ran):
    for line in (ran / "out" / "grades.csv").read_text().splitlines():
        assert line[0] not in "=+-@", line
        assert not line.startswith('"='), line


def test_listeners_and_looks_for_what_is_left_do_find_something(tmp_path):
    listeners = Listeners(tmp_path)
    try:
        for listener in listeners.held:
            with socket.socket(listener.family, listener.type) as caller:
                caller.connect(listener.getsockname())
                caller.send(b"x") if listener.type == socket.SOCK_DGRAM else None
        until = time.monotonic() + 10
        while len(listeners.calls) < 4 and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        listeners.close()
    assert len(listeners.calls) == 4
    with subprocess.Popen(["sleep", "60"], env={"MARK": str(tmp_path)}) as left:
        until = time.monotonic() + 10  # a process that was only just started may not show its environment yet
        while not (found := processes(str(tmp_path))) and time.monotonic() < until:
            time.sleep(0.05)
        left.kill()
    assert found
    before = snapshot(tmp_path)
    (tmp_path / "new").touch()
    assert snapshot(tmp_path) != before


COLD = (
    "isclose",
    "forged_from_a_thread",
    "exit_in_a_check",
    "system_calls",
    "environment",
    "left_in_the_network",
    "tcp",
)


@pytest.fixture(scope="module")
def ran_cold(tiny, once):
    needs_the_sandbox()
    return once("hostile-cold", lambda folder: run(tiny, folder, COLD, "--timeout", "30", "--kernel", "cold"))


@pytest.mark.parametrize("name", COLD)
def test_cold_kernels_withstand_the_same(ran_cold, name):
    assert_earns(entry_of(ran_cold, name), ATTACKS[name].lost)


def test_cold_kernels_leave_nothing_and_call_nobody(ran_cold):
    facts = json.loads((ran_cold / "facts.json").read_text())
    assert (facts["calls"], facts["processes"], facts["tmp"], facts["shared"], facts["untouched"]) == (
        [],
        [],
        [],
        [],
        True,
    )
