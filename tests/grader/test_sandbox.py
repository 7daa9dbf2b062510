"""Where submissions run: the tiers, who may start them, what is told where there is none. See tests/hostile too."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, entries, grade, verdicts
from test_run import RIGHT, answer, lab

from grader import harden, sandbox

HERE = not sandbox.missing()
needs_sandbox = pytest.mark.skipif(not HERE, reason=f"no sandbox here: {sandbox.missing()}")
FULL = "bwrap+userns+landlock+seccomp"

WRONG = "def double(x):\n    return 3 * x"
LOOP = "def total(x):\n    while True:\n        pass"


@pytest.fixture(scope="module")
def class_of_five(tiny, once):
    return once("class-of-five", lambda folder: write_class(tiny, folder))


def write_class(course, folder):

    folder.mkdir()
    for student, changes in {
        "ada": {},
        "ben": {"double": WRONG},
        "cleo": {"total": LOOP},
        "dan": {"draw": "import os\nos._exit(1)"},
        "eve": {"double": WRONG, "total": "def total(x):\n    return double(x).sum() + 1"},
    }.items():
        notebook = lab(course)
        for task, text in {**RIGHT, **changes}.items():
            answer(notebook, task, text)
        (folder / f"{student}.ipynb").write_text(json.dumps(notebook))


WAYS = {
    "warm, serial": ("--kernel", "warm", "--jobs", 1),
    "cold, serial": ("--kernel", "cold", "--jobs", 1),
    "warm, parallel": ("--jobs", 3),
}


@pytest.fixture(scope="module")
def ways(tiny, class_of_five, once):
    """{way: entries}, all with the same seed."""

    def run(out, arguments):
        grade("run", "90", class_of_five, "--out", out, "--seed", 5, "--timeout", 3, *arguments, root=tiny, check=0)

    names = {way: "".join(c for c in way if c.isalpha()) for way in WAYS}
    return {way: entries(once(f"way-{names[way]}", lambda out, a=a: run(out, a))) for way, a in WAYS.items()}


@pytest.mark.parametrize("way", WAYS)
def test_cold_warm_serial_and_parallel_give_identical_points_and_verdicts(ways, way):
    first = ways["warm, serial"]
    assert {s: e["points"] for s, e in first.items()} == {"ada": 6, "ben": 3, "cleo": 4, "dan": 5, "eve": 1}
    for student, entry in ways[way].items():
        assert entry["points"] == first[student]["points"]
        assert verdicts(entry) == verdicts(first[student])


@needs_sandbox
@pytest.mark.parametrize("way", WAYS)
def test_every_result_names_its_tier(ways, way):
    assert {entry["sandbox"] for entry in ways[way].values()} == {FULL}


@pytest.fixture
def open_folder():
    """A folder that every user may read and write, unlike pytest's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@needs_sandbox
@pytest.mark.skipif(os.getuid() != 0, reason="every other test here runs as an ordinary user already")
def test_an_ordinary_user_grades_in_the_same_sandbox(tiny, class_of_five, open_folder):
    out = open_folder / "out"
    shutil.copytree(tiny, open_folder / "course")
    shutil.copytree(class_of_five, open_folder / "class")
    program = "import test_sandbox; test_sandbox.as_ordinary_user()"
    arguments = ["run", "90", open_folder / "class", "--out", out, "--jobs", "1", "--timeout", "3"]
    path = os.pathsep.join(str(ROOT / folder) for folder in ("", "tests", "tests/grader"))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "COURSE_ROOT": str(open_folder / "course"), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert {s: e["points"] for s, e in entries(out).items()} == {"ada": 6, "ben": 3, "cleo": 4, "dan": 5, "eve": 1}
    assert {entry["sandbox"] for entry in entries(out).values()} == {FULL}
    assert (out / "index.html").stat().st_uid == 23456


def as_ordinary_user():
    """Become user 23456 in a mount namespace where it can read this Python, then be the `grade` command."""
    from grader.cli import main

    kept = [path for path in {sys.base_prefix, sys.prefix} if path.startswith("/root/")]
    harden._call("unshare", harden.NEWNS)
    harden._mount("none", "/", "", harden._REC | harden._PRIVATE)
    opened = {path: os.open(path, os.O_PATH) for path in kept}
    if kept:
        harden._mount("none", "/root", "tmpfs", 0, "mode=755")
    for path, fd in opened.items():
        os.makedirs(path, exist_ok=True)
        harden._mount(f"/proc/self/fd/{fd}", path, "", harden._BIND | harden._REC)
    os.setgroups([])
    os.setresgid(23456, 23456, 23456)
    os.setresuid(23456, 23456, 23456)
    os.environ |= {"HOME": "/nonexistent", "TMPDIR": "/tmp"}
    sys.exit(main(sys.argv[1:]))


def run_without(tools, tiny, folder, out, *arguments):
    """`grade run` where bubblewrap is what `tools` holds: no conftest.grade, which allows to go on."""
    return subprocess.run(
        [sys.executable, "-m", "grader.cli", "run", "90", str(folder), "--out", str(out), *arguments],
        env={**os.environ, "COURSE_ROOT": str(tiny), "PYTHONPATH": str(ROOT), "PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_without_bubblewrap_grading_is_refused_with_what_is_missing(tiny, class_of_five, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    done = run_without(tools, tiny, class_of_five, tmp_path / "out")
    assert done.returncode == 2
    assert "cannot be isolated here" in done.stderr
    assert "--allow-unsandboxed" in done.stderr
    assert "Traceback" not in done.stderr
    if sys.platform == "linux":
        assert "apt install bubblewrap" in done.stderr
    assert not list((tmp_path / "out").glob("students/*"))


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux")
def test_where_namespaces_are_forbidden_the_message_says_how_to_allow_them(tiny, class_of_five, tmp_path, open_folder):
    tools = open_folder / "tools"
    tools.mkdir()
    forbidden = "#!/bin/sh\n[ $1 = --version ] && echo bubblewrap 0.8.0 && exit\n"
    forbidden += "echo 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n"
    (tools / "bwrap").write_text(forbidden)
    (tools / "bwrap").chmod(0o755)
    (tools / "sh").symlink_to(shutil.which("sh"))
    done = run_without(tools, tiny, class_of_five, tmp_path / "out")
    assert done.returncode == 2
    assert "setting up uid map: Permission denied" in done.stderr
    assert "apparmor_restrict_unprivileged_userns" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_the_flag_it_goes_on_and_says_that_nothing_is_isolated(tiny, class_of_five, tmp_path):
    (tmp_path / "tools").mkdir()
    out = tmp_path / "out"
    done = run_without(tmp_path / "tools", tiny, class_of_five, out, "--allow-unsandboxed", "--timeout", "3")
    assert done.returncode == 0, done.stderr
    assert {s: e["points"] for s, e in entries(out).items()} == {"ada": 6, "ben": 3, "cleo": 4, "dan": 5, "eve": 1}
    assert {entry["sandbox"] for entry in entries(out).values()} == {"none"}


@needs_sandbox
def test_a_weaker_sandbox_is_named_and_gives_the_same_points(tiny, class_of_five, tmp_path, open_folder):
    """With nested user namespaces forbidden each kernel has a bubblewrap of its own, and starts cold."""
    tools = open_folder / "tools"
    tools.mkdir()
    real = shutil.which("bwrap")
    script = f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\nexec {real} --disable-userns "$@"\n'
    (tools / "bwrap").write_text(script)
    (tools / "bwrap").chmod(0o755)
    if subprocess.run([tools / "bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"]).returncode:
        pytest.skip("this bubblewrap has no --disable-userns (it came with 0.8)")
    (tools / "sh").symlink_to(shutil.which("sh"))
    out = tmp_path / "out"
    done = run_without(tools, tiny, class_of_five / "ben.ipynb", out)
    assert done.returncode == 0, done.stderr
    assert entries(out)["ben"]["points"] == 3
    assert entries(out)["ben"]["sandbox"] == "bwrap+landlock+seccomp"
