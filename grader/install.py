"""`python3 grader/install.py [EXTRA ...]`: makes `.venv`, installs the course into it. Standard library only.

torch comes as the CPU build on a machine without an NVIDIA GPU (on Linux the plain package is the CUDA build, several
gigabytes). COURSE_TORCH_INDEX names another index to take it from, "" none; COURSE_CONSTRAINTS="" takes the newest.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def torch_options():
    """Where pip shall look for torch beside its usual places, and why."""
    if (index := os.environ.get("COURSE_TORCH_INDEX")) is not None:
        return (["--extra-index-url", index] if index else []), "as COURSE_TORCH_INDEX says"
    if shutil.which("nvidia-smi") and subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode == 0:
        return [], "CUDA build, because nvidia-smi lists a GPU"
    if sys.platform != "linux":
        return [], "the plain package, which has no CUDA on this platform"
    if _has_local_wheels():
        return [], "CPU build, from the wheels that pip is set up to find here"
    return ["--extra-index-url", CPU_INDEX], "CPU build, because nvidia-smi lists no GPU"


def _has_local_wheels():
    """Does a local index or folder that this machine's pip is set up with offer torch? Then no other is needed."""
    listing = [sys.executable, "-m", "pip", "config", "list"]
    for line in subprocess.run(listing, capture_output=True, text=True).stdout.splitlines():
        for place in line.partition("=")[2].strip("'\"").split():
            folder = Path(place.removeprefix("file://"))
            if folder.is_dir() and ((folder / "torch").is_dir() or any(folder.glob("torch-*.whl"))):
                return True
    return False


def pip(*arguments):
    print("pip install", *arguments, flush=True)
    command = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit("install: pip failed; its message stands above. Run the same command again once it is mended.")


def main():
    if sys.version_info < (3, 11):  # noqa: UP036 - an older one may well be what runs this file
        sys.exit(f"install: the course needs Python 3.11 or newer, this is {sys.version.split()[0]}")
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        try:
            import ensurepip  # noqa: F401
        except ImportError:
            sys.exit("install: this Python has no venv module; on Debian and Ubuntu: apt install python3-venv")
        venv.create(VENV, with_pip=True)
    pins = os.environ.get("COURSE_CONSTRAINTS", "constraints.txt")
    constraints = ["-c", pins] if pins else []
    options, why = torch_options()
    extras = sys.argv[1:]
    if not (VENV / ".ready").exists():
        print(f"installing into .venv (2 GB; a minute where pip has it all, else several). torch: {why}", flush=True)
        pip(*constraints, *options, "torch")
    pip(*constraints, *options, "-e", f".[{','.join(['course', *extras])}]")
    (VENV / "-".join([".ready", *extras])).touch()


if __name__ == "__main__":
    main()
