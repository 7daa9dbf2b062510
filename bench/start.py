"""How long a student waits for the start page: `make lab` in a fresh clone with pip's cache warm, and once again."""

import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from common import ROOT, row

ADDRESS = re.compile(r"(http://[\w.:]+)/lab/tree/START\.md\?token=(\w+)")


def rows():
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("first", "second"):  # the first one fills pip's cache
            clone, start = Path(scratch) / name, time.perf_counter()
            subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
            until_start_page(clone)
            fresh = time.perf_counter() - start
        yield row("start-fresh", "fresh clone to the start page, pip's cache warm", fresh, None, target="<= 180 s")
        start = time.perf_counter()
        until_start_page(clone)
        again = time.perf_counter() - start
        yield row("start-again", "the second `make lab` to the start page", again, None, target="<= 5 s")


def until_start_page(clone):
    """Run `make lab` until JupyterLab and the start page in it answer; then end the server."""
    environ = {name: value for name, value in os.environ.items() if not re.match("PYTHON|VIRTUAL_ENV|COURSE_", name)}
    server = subprocess.Popen(
        ["make", "lab", "NO_BROWSER=1"],
        cwd=clone,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    told = []
    try:
        for line in server.stdout:
            told.append(line)
            if found := ADDRESS.search(line):
                break
        else:
            raise RuntimeError(f"make lab ended without an address:\n{''.join(told)}")
        host, token = found.groups()
        answer(server, f"{host}/lab/tree/START.md?token={token}")
        page = answer(server, f"{host}/api/contents/START.md?token={token}")
        assert "lectures/" in page, "the start page has a map of the course"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answer(server, url):
    """What the server answers; it prints its address a moment before it listens."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as answered:
                return answered.read().decode()
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if server.poll() is not None:
                raise
            time.sleep(0.05)
