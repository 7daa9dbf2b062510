"""What several tests need: the command, as its users call it, and a tiny course in a folder of its own."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TINY = "90_tiny"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

os.environ["COURSE_OFFLINE"] = "1"  # no test asks a mirror of a data set; those of `fetch` have their own, on loopback


def grade(*arguments, root=ROOT, check=None, **environment):
    """Run the `grade` command in a process of its own; check: the exit status it must have.

    Where submissions cannot be isolated (no bubblewrap here) the tests' own ones run as they are.
    """
    if arguments[0] == "run":
        arguments += ("--allow-unsandboxed",)
    done = subprocess.run(
        [sys.executable, "-m", "grader.cli", *map(str, arguments)],
        cwd=root,
        env={**os.environ, "COURSE_ROOT": str(root), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if check is not None:
        assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def entries(out):
    """{student: entry} of the grades.json in a folder."""
    return {entry["student"]: entry for entry in json.loads((Path(out) / "grades.json").read_text())["submissions"]}


def verdicts(entry):
    return {row["check"]: row["verdict"] for row in entry["checks"]}


def copy_of_tiny(folder):
    """The tiny course with the real `utils`, not built."""
    shutil.copytree(ROOT / "tests" / "grader" / "course", folder)
    shutil.copytree(ROOT / "utils", folder / "utils", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def stop(process):
    """End a server that was started in a session of its own, and all that it started."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """once(name, make): the folder that make(folder) filled, made by one of the test workers for all of them."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def get(name, make):
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (shared / f"{name}.done").exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                (shared / f"{name}.done").touch()
        return folder

    return get


@pytest.fixture(scope="session")
def tiny(once):
    """The tiny course, built. Read only: copy it to change it."""
    return once("tiny-course", lambda folder: grade("build", root=copy_of_tiny(folder), check=0))


@pytest.fixture
def own_tiny(tiny, tmp_path):
    """A copy of the built tiny course that a test may change."""
    return Path(shutil.copytree(tiny, tmp_path / "course"))


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, without a window. Of a module: while it is open no other test may run an asyncio loop."""
    if not CHROMIUM:
        pytest.skip("no Chromium here: apt install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield chromium
        chromium.close()


def keep_picture(page, name, **options):
    """Keep what the page shows, for people to look at: `name`.png in $COURSE_ARTEFACTS, by default tests/artefacts."""
    folder = Path(os.environ.get("COURSE_ARTEFACTS") or ROOT / "tests" / "artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", **options)
