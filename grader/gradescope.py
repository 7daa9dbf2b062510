"""A lab as an autograder of Gradescope: `grade gradescope NN` writes the zip; `run_autograder` in it comes back here.

write("01_histograms_logistics", Path("autograder.zip"))

The zip's files, the folders of the container and results.json: https://gradescope-autograders.readthedocs.io/en/latest/specs/;
submission_metadata.json: https://gradescope-autograders.readthedocs.io/en/latest/submission_metadata/.

Gradescope runs one submission a container, as root, beside the solution that grading compares with. `grade run` shuts
the submission's code in a sandbox; where the container allows none, it refuses, and so does the autograder: no score,
and a result that says what is missing. `allow_unsandboxed` grades there all the same. Then a submission's code can read
the solution and write its own results.json: right for a class that you trust, or where you look at every full mark.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from datetime import datetime
from pathlib import Path

from grader import export
from grader.course import ROOT, CourseError

CODE = Path(__file__).resolve().parent.parent  # where `grader` and its requirements lie
NOT_FOR_GRADING = ("jupyterlab",)
SECONDS = 540  # Gradescope's own limit is 10 minutes unless you raise it, and leaves no result
SUFFIXES = (".ipynb", ".py")

SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, as root, to build the image: bubblewrap, Python 3.11, CPU torch, the rest.
set -euo pipefail
source="${AUTOGRADER_ROOT:-/autograder}/source"
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends bubblewrap ca-certificates python3-venv
# Ubuntu 22.04, Gradescope's default, has Python 3.10: uv brings the one that the constraints were made with.
python3 -m venv /opt/uv
/opt/uv/bin/pip install uv
export UV_PYTHON_INSTALL_DIR=/opt/python
/opt/uv/bin/uv venv --seed --python 3.11 /opt/course
pip() { /opt/course/bin/python -m pip install --no-cache-dir -c "$source/constraints.txt" "$@"; }
pip --extra-index-url https://download.pytorch.org/whl/cpu torch
pip --extra-index-url https://download.pytorch.org/whl/cpu -r "$source/requirements.txt"
chmod -R go= "$source/course/solutions"
"""

RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for every submission, as root, in a container of its own.
root="${AUTOGRADER_ROOT:-/autograder}"
results="$root/results/results.json"
mkdir -p "$root/results"
rm -f "$results"
export COURSE_ROOT="$root/source/course" PYTHONPATH="$root/source/course"
"${AUTOGRADER_PYTHON:-/opt/course/bin/python}" -m grader.gradescope @OPTIONS@
if [ ! -s "$results" ]; then
    printf '%s' '{"output": "The autograder could not start. Please tell your instructor.", ' \\
        '"output_format": "text", "visibility": "visible", "stdout_visibility": "hidden", "tests": []}' > "$results"
fi
"""


def write(stem, out, *, allow_unsandboxed=False):
    """Write the zip to the file `out`: the same course gives the same bytes."""
    files = {path: (data.encode(), False) for path, data in _requirements().items()}
    options = f"{stem} --allow-unsandboxed" if allow_unsandboxed else stem
    files["setup.sh"] = (SETUP.encode(), True)
    files["run_autograder"] = (RUN.replace("@OPTIONS@", options).encode(), True)
    for folder, name in ((CODE, "grader"), (ROOT, "utils")):
        for path in sorted((folder / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"course/{path.relative_to(folder).as_posix()}"] = (path.read_bytes(), False)
    for name in (f"labs/{stem}.ipynb", f"solutions/{stem}.ipynb", "pyproject.toml"):
        files[f"course/{name}"] = ((ROOT / name).read_bytes(), False)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(zipped(files))
    except OSError as error:
        raise CourseError(f"cannot write to --out {out}: {error.strerror}") from None


def zipped(files):
    """A zip's bytes, the same for the same files {path: (bytes, is it a program)}."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, program) in sorted(files.items()):
            item = zipfile.ZipInfo(name)  # dated 1980
            item.create_system, item.compress_type = 3, zipfile.ZIP_DEFLATED  # Unix: the mode below counts
            item.external_attr = (stat.S_IFREG | (0o755 if program else 0o644)) << 16
            archive.writestr(item, data)
    return made.getvalue()


def _requirements():
    """requirements.txt, what pyproject.toml says that grading needs, and constraints.txt."""
    project = tomllib.loads((CODE / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["course"]]
    wanted = [line for line in wanted if not line.startswith(NOT_FOR_GRADING)]
    return {
        "requirements.txt": "".join(f"{line}\n" for line in wanted),
        "constraints.txt": (CODE / "constraints.txt").read_text(),
    }


def make(wanted, out=None, *, allow_unsandboxed=False):
    """`grade gradescope`: the zip of a lab that is built and whole. Returns its path."""
    from grader.master import Master

    stem = Master.load(wanted).stem
    out = out or Path("grades") / f"{stem}-autograder.zip"
    write(stem, out, allow_unsandboxed=allow_unsandboxed)
    return out


def results(stem, root, *, allow_unsandboxed=False):
    """What results.json shall hold for the submission in root/submission."""
    about = _about(root / "submission_metadata.json")
    path, why = _hand_in(root / "submission", stem)
    if path is None:
        return _told("\n".join([*about, why]), score=0.0)
    with tempfile.TemporaryDirectory() as folder:
        # Under a name of ours: the student's own is no part of a command line or a report.
        copy = Path(folder) / f"submission{path.suffix}"
        shutil.copyfile(path, copy)
        command = [sys.executable, "-m", "grader.cli", "run", stem, str(copy), "--out", f"{folder}/out", "--jobs", "1"]
        status, said = _in_time([*command, *["--allow-unsandboxed"] * allow_unsandboxed], folder)
        print(said)
        if status is None:
            return _told(f"Grading took longer than {SECONDS} s and was stopped. Please tell your instructor.")
        if status == 2 and "cannot be isolated" in said:
            return _told(
                "Not graded: this container allows no sandbox, and without one a submission could read the solution.\n"
                f"{said.strip()}\nInstructor: `grade gradescope {stem} --allow-unsandboxed` makes an autograder that "
                "grades all the same."
            )
        found = Path(folder) / "out" / "grades.json"
        if status not in (0, 1) or not found.is_file():
            return _told("The autograder failed. Please tell your instructor.")
        grades = json.loads(found.read_text())
    (entry,) = grades["submissions"]
    return export.gradescope_results(entry, grades, about)


def _told(output, **score):
    """A results.json that holds a message; without score or tests Gradescope shows the autograder as failed."""
    shown = {"output_format": "text", "visibility": "visible", "stdout_visibility": "hidden", "tests": []}
    return {**score, "output": export.plain(output, 5000, lines=True), **shown}


def _in_time(command, folder):
    """(exit status, output) of a command; (None, output) where it took too long, then nothing of it goes on."""
    log = Path(folder) / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return status, log.read_bytes()[-20_000:].decode(errors="replace")


def _hand_in(folder, stem):
    """(path of the one notebook that was handed in, "") or (None, why there is none).

    A link is no hand-in: one to the solution, from a repository that Gradescope cloned, would earn full marks.
    """
    found = []
    for place, folders, names in os.walk(folder):  # follows no link
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        paths = [Path(place) / name for name in names if not name.startswith(".")]
        found += [path for path in paths if path.suffix in SUFFIXES and stat.S_ISREG(path.lstat().st_mode)]
    for same in (
        [path for path in found if path.suffix == ".ipynb" and path.stem == stem],
        [path for path in found if path.suffix == ".ipynb"],
        found,
    ):
        if len(same) == 1:
            return same[0], ""
    names = ", ".join(sorted(export.plain(path.name, 60) for path in found)[:10]) or "none"
    return None, f"Hand in one notebook, {stem}.ipynb, as a file and not as a link. Found: {names}."


def _about(path):
    """Lines on who handed in and how late, as Gradescope's submission_metadata.json tells; none where it does not."""
    try:
        data = json.loads(path.read_text())
        lines = ["Handed in by " + ", ".join(str(user["name"]) for user in data["users"])]
        due = data["assignment"]["due_date"]
        late = datetime.fromisoformat(data["created_at"]) - datetime.fromisoformat(due) if due else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"submission_metadata.json: {type(error).__name__}: {error}")
        return []
    if late and late.total_seconds() > 0:
        lines.append(f"{late.total_seconds() / 3600:.1f} hours after the due date; this autograder takes nothing off")
    return lines


def main(arguments=None):
    """What run_autograder runs: writes results.json whatever happens."""
    parser = argparse.ArgumentParser(prog="python -m grader.gradescope")
    parser.add_argument("stem")
    parser.add_argument("--allow-unsandboxed", action="store_true")
    options = parser.parse_args(arguments)
    root = Path(os.environ.get("AUTOGRADER_ROOT", "/autograder"))
    try:
        found = results(options.stem, root, allow_unsandboxed=options.allow_unsandboxed)
    except Exception as error:  # ours, not the student's: told without a score, so that it is seen
        print(f"{type(error).__name__}: {error}")
        found = _told("The autograder failed. Please tell your instructor.")
    (root / "results").mkdir(parents=True, exist_ok=True)
    (root / "results" / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
