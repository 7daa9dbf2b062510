"""Grading the sample class of lab 01: ours warm and cold, beside plain `pytest --nbval-lax` on the same notebooks.

Plain nbval executes a notebook and grades nothing; it is the floor of a tool that starts a kernel a submission.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, row

STEM = "01_histograms_logistics"


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, capture_output=True)
    return time.perf_counter() - start


def rows():
    with tempfile.TemporaryDirectory() as folder:
        hand_ins = Path(folder) / "class"
        hand_ins.mkdir()
        for n in range(8):
            shutil.copy(ROOT / "samples" / STEM / "ada.ipynb", hand_ins / f"ada{n}.ipynb")
        command = [sys.executable, "-m", "grader.cli", "run", STEM, hand_ins, "--out", f"{folder}/out", "--jobs", "1"]
        warm = seconds([*command, "--kernel", "warm"]) / 8
        cold = seconds([*command, "--kernel", "cold"]) / 8
        one = seconds([*command[:5], hand_ins / "ada0.ipynb", *command[6:]])
        pytest = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider"]
        plain = sum(seconds([*pytest, hand_ins / f"ada{n}.ipynb"]) for n in range(3)) / 3
    peer = "a right submission of lab 01, one core, start-up shared by 8"
    yield row("grading-warm", f"{peer}: warm kernels / pytest --nbval-lax", warm, plain, target="<= 6 s", unit="s")
    yield row("grading-cold", f"{peer}: cold kernels / pytest --nbval-lax", cold, plain, target="<= 6 s", unit="s")
    yield row("grading-one", "one submission alone, start-up and reference included", one, None, target="", unit="s")
