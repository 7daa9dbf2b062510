"""Grading a class of 40 in lab 01 with this, with nbgrader and with otter-grader, one core each; and 300 in one run.

BENCH_CLASS=3 takes the first of the class only, BENCH_RUN=30 shortens the long run. The peers' environments are made
once, in `$XDG_CACHE_HOME/dgm-course-bench` (1.8 GB each). The class takes about 20 minutes, most of it the peers'.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from common import ROOT, row
from peers.hand_ins import hand_ins
from peers.measure import one_thread, watched
from peers.tools import Nbgrader, Otter

STEM = "01_histograms_logistics"
CLASS = int(os.environ.get("BENCH_CLASS", 40))
RUN = int(os.environ.get("BENCH_RUN", 300))
SETTLED = RUN // 6  # submissions after which the grader's memory has to stay as it is: 50 of 300


def rows():
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield from _long_run(Path(folder))
        yield from _class(Path(folder))


# ---------------------------------------------------------------- a class, beside the peers


def _class(folder):
    members = hand_ins(STEM, CLASS)
    (folder / "class").mkdir()
    for member in members:
        nbformat.write(member.notebook, folder / "class" / f"{member.student}.ipynb")
    ours = _grade(STEM, folder / "class", folder / "ours", timeout=60 * (1 + CLASS), label="this")
    grades = json.loads((folder / "ours" / "grades.json").read_text())
    graded = {entry["student"]: entry for entry in grades["submissions"]}
    wrong = {m.student: (graded[m.student]["points"], m.points) for m in members}
    wrong = {student: pair for student, pair in wrong.items() if abs(pair[0] - pair[1]) > 0.05}  # rows are rounded
    assert not wrong, f"(points, what the answers are worth): {wrong}"
    n, about = len(members), f"lab 01, {CLASS} hand-ins, one core"
    limit = f"{sum(process.cpu for process in _kernels(ours)) / n:.2f} s of it in kernels, the reference's too"
    for tool, faster in ((Nbgrader, 8), (Otter, 12)):
        peer = tool(folder / tool.name, STEM)
        peer.write(members)
        theirs = peer.grade(folder / f"{tool.name}.log")
        _compare(graded, peer.passed(), tool.name)
        id, what, target = f"grading-{tool.name}", f"{about}: this / {tool.name}", f">= {faster} times faster"
        yield row(id, f"{what}, a submission", ours.seconds / n, theirs.seconds / n, target=target, limit=limit)
        yield row(f"{id}-cpu", f"{what}, CPU a submission", ours.cpu / n, theirs.cpu / n, target="", limit=limit)
        yield row(f"{id}-memory", f"{what}, peak PSS of all processes", ours.peak, theirs.peak, target="", unit="MB")
    yield _memory(ours, about)


def _memory(ours, about):
    """What one more kernel takes: the median, because the largest is what one student's answer asked for."""
    own = sorted(process.own for process in _kernels(ours))
    kernels = own[len(own) // 2 :]  # the other half are the inits of their namespaces, a few MB each
    what = f"{about}: memory that one more kernel takes, the median of {len(kernels)}"
    limit = f"the largest: {own[-1]:.0f} MB, with its student's tensors"
    return row(
        "grading-kernel", what, statistics.median(kernels) + own[0], None, target="<= 60 MB", limit=limit, unit="MB"
    )


def _grade(lab, hand_ins, out, *, timeout, label, root=ROOT):
    command = [sys.executable, "-m", "grader.cli", "run", lab, str(hand_ins), "--out", str(out), "--jobs", "1"]
    env = one_thread(COURSE_ROOT=str(root), PYTHONPATH=str(ROOT))
    return watched([*command, "--seed", "1"], cwd=root, env=env, timeout=timeout, log=f"{out}.log", label=label)


def _kernels(usage):
    """The kernels of a run: forked from the nursery, which is the first of its name."""
    return [p for p in usage.processes if "grader.nursery" in p.command and not p.command.startswith("bwrap")][1:]


def _compare(graded, passed, name):
    """Which checks are right in full: the same for right and untouched hand-ins; where others differ it is printed.

    A peer knows no run with the solution in place of the other tasks: there, an early mistake costs later checks.
    """
    same = 0
    for student, entry in graded.items():
        ours = {check["check"]: check["graded"] for check in entry["checks"] if check["verdict"] == "pass"}
        same += sum((check["check"] in ours) == (check["check"] in passed[student]) for check in entry["checks"])
        if differ := set(ours) ^ passed[student]:
            told = [f"{check} (here: {ours.get(check, 'not')})" for check in sorted(differ)]
            print(f"  {student}, otherwise in {name}: {', '.join(told)}", flush=True)
            assert student.split("-")[0] not in ("right", "untouched"), f"{student}: {name} disagrees"
    print(f"  {name}: {same} of {sum(len(e['checks']) for e in graded.values())} checks judged alike", flush=True)


# ---------------------------------------------------------------- a long run


def _long_run(folder):
    """Many hand-ins of the tests' tiny lab, right, untouched and wrong ones: the resident memory of `grade run`."""
    root, lab = folder / "course", "90_tiny"
    shutil.copytree(ROOT / "tests" / "grader" / "course", root)
    shutil.copytree(ROOT / "utils", root / "utils", ignore=shutil.ignore_patterns("__pycache__"))
    env = one_thread(COURSE_ROOT=str(root), PYTHONPATH=str(ROOT))
    subprocess.run([sys.executable, "-m", "grader.cli", "build"], cwd=root, env=env, check=True, capture_output=True)
    right, untouched = ((root / kind / f"{lab}.ipynb").read_text() for kind in ("solutions", "labs"))
    wrong = right.replace("SCALE * x", "3 * x")
    (folder / "long").mkdir()
    for n in range(RUN):
        (folder / "long" / f"s{n:03}.ipynb").write_text((right, untouched, wrong)[n % 3] + "\n" * n)
    timeout, label = 60 + 10 * RUN, f"{RUN} in one run"
    usage = _grade(lab, folder / "long", folder / "long-out", timeout=timeout, label=label, root=root)
    assert len(_kernels(usage)) >= RUN, f"{RUN} hand-ins, and only {len(_kernels(usage))} kernels"
    times = [t for kernel in _kernels(usage) for t, _ in kernel.resident]
    settled = min(times) + (max(times) - min(times)) * SETTLED / RUN  # one submission takes as long as the next
    total = {}
    for process in usage.processes:
        if "grader.nursery" not in process.command:
            for t, mb in process.resident:
                total[t] = total.get(t, 0.0) + mb
    held = [mb for t, mb in sorted(total.items()) if settled <= t <= max(times)]
    change = 100 * max(abs(mb - held[0]) for mb in held) / held[0]
    what = f"{RUN} hand-ins of a tiny lab in one run: change of the grader's {held[0]:.0f} MB after the {SETTLED}th"
    yield row("grading-long-run", what, change, None, target="<= 10 %", unit="%")
