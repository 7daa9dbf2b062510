"""A class graded by several processes, here or on a cluster: one may die, nothing is lost or counted twice."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import ROOT, entries, grade
from test_run import lab, solved

SLOW = "import time\ntime.sleep(0.8)\ndef double(x):\n    return 2 * x"


@pytest.fixture(scope="module")
def class_of_eight(tiny, once):
    def write(folder):
        folder.mkdir()
        for n in range(8):
            changes = {"total": "def total(x):\n    return x.sum()"} if n % 2 else {}
            (folder / f"s{n}.ipynb").write_text(json.dumps(solved(tiny, double=SLOW, **changes)))

    return once("class-of-eight", write)


POINTS = {f"s{n}": 4 if n % 2 else 6 for n in range(8)}


def points(out):
    return {student: entry["points"] for student, entry in entries(out).items()}


def environment(course):
    return {**os.environ, "COURSE_ROOT": str(course), "PYTHONPATH": str(ROOT)}


def start(course, *command, **more):
    return subprocess.Popen([sys.executable, "-m", *map(str, command)], env=environment(course), text=True, **more)


@contextlib.contextmanager
def cluster(course, folder):
    """A Dask scheduler and two workers in processes of their own on loopback: (address, [worker, worker])."""
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    plain = ("--host", "127.0.0.1", "--no-dashboard")
    started = []
    with (folder / "dask.log").open("w") as log:
        try:
            command = ("distributed.cli.dask_scheduler", "--port", port, *plain)
            started.append(start(course, *command, stdout=log, stderr=log))
            for _ in range(2):
                command = ("distributed.cli.dask_worker", address, "--nthreads", 1, "--no-nanny", *plain)
                started.append(start(course, *command, stdout=log, stderr=log, cwd=folder))
            yield address, started[1:]
        finally:
            for process in started:
                process.kill()
                process.wait()


def test_a_cluster_grades_as_one_machine_does_and_a_killed_worker_costs_nothing(tiny, class_of_eight, tmp_path):
    with cluster(tiny, tmp_path) as (address, workers):
        arguments = ("grader.cli", "run", "90", class_of_eight, "--out", tmp_path / "out", "--scheduler", address)
        run = start(tiny, *arguments, "--allow-unsandboxed", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        told = [next(line for line in run.stdout if line.startswith("s")) for _ in range(2)]
        workers[0].send_signal(signal.SIGKILL)
        rest, problems = run.communicate(timeout=200)
    assert run.returncode == 0, problems
    assert points(tmp_path / "out") == POINTS
    lines = [*told, *(line for line in rest.splitlines() if "points, graded" in line)]
    assert sorted(line.split(":")[0] for line in lines) == sorted(POINTS)
    again = grade("run", "90", class_of_eight, "--out", tmp_path / "out", root=tiny, check=0)
    assert "points, graded" not in again.stdout
    assert {entry["attempts"] for entry in entries(tmp_path / "out").values()} == {1}


def test_an_address_that_is_none_is_told(tiny, class_of_eight, tmp_path):
    done = grade("run", "90", class_of_eight, "--out", tmp_path, "--scheduler", "nonsense", root=tiny, check=2)
    assert "--scheduler nonsense: expected an address such as tcp://10.0.0.1:8786" in done.stderr
    assert "Traceback" not in done.stderr


def children(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
    return []


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="finds the processes to kill in /proc")
def test_a_process_of_the_pool_that_dies_is_replaced(tiny, class_of_eight, tmp_path):
    arguments = ("grader.cli", "run", "90", class_of_eight, "--out", tmp_path / "out", "--jobs", 2)
    run = start(tiny, *arguments, "--allow-unsandboxed", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    next(line for line in run.stdout if line.startswith("s"))
    workers = [pid for pid in children(run.pid) if "spawn_main" in _command(pid)]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, problems = run.communicate(timeout=200)
    assert run.returncode == 0, problems
    assert points(tmp_path / "out") == POINTS
    assert _gone(workers)


def _gone(pids):
    for _ in range(50):
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return True
        time.sleep(0.1)
    return False


def _command(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read()


def test_an_untouched_lab_is_a_submission_like_any_other_on_every_pool(tiny, tmp_path):
    (tmp_path / "in").mkdir()
    for student in ("ada", "ben"):
        (tmp_path / "in" / f"{student}.ipynb").write_text(json.dumps(lab(tiny)))
    grade("run", "90", tmp_path / "in", "--out", tmp_path / "out", "--jobs", 2, root=tiny, check=0)
    assert points(tmp_path / "out") == {"ada": 0, "ben": 0}
