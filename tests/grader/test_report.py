"""The report as an instructor opens it: in a browser, from the disk, with nothing else to load."""

import re
import shutil
import subprocess

import pytest

from grader import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"
)


def row(check, points, message=""):
    value = {"name": "total", "right": bool(points), "message": "shape (3,)", "hint": "is it <the> sum?"}
    verdict = "pass" if points else "fail"
    return {"task": check[:-2], "check": check, "points": points, "max": 2.0, "verdict": verdict, "graded": "own",
            "message": message, "values": [value], "seconds": 0.1}  # fmt: skip


def entry(student, points, message=""):
    rows = [row("add_up-1", points, message), row("divide-1", 2.0)]
    return {"student": student, "file": f"{student}.ipynb", "status": "graded", "points": points + 2.0, "max": 4.0,
            "seconds": 1.0, "notes": [], "checks": rows}  # fmt: skip


@pytest.fixture
def pages(tmp_path):
    hostile = "<script>document.title='owned'</script><b>"
    entries = [entry("ada", 2.0), entry(f"eve {hostile}", 0.0, hostile)]
    report.write({"schema": 1, "lab": "90_x", "seed": 1, "sandbox": "none", "submissions": entries}, tmp_path)
    return tmp_path


def test_pages_load_nothing_and_run_nothing(pages):
    for page in pages.rglob("*.html"):
        text = page.read_text()
        assert "default-src 'none'" in text
        assert re.findall(r'(?:src|href)="(?!students/)[^"]*"', text) == []
        assert "<script" not in text


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt install chromium")
def test_a_browser_shows_the_class_and_runs_no_script_of_a_student(pages, tmp_path):
    for page in (pages / "index.html", next((pages / "students").glob("eve*.html"))):
        command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        assert "<title>owned</title>" not in shown
        assert "eve &lt;script&gt;" in shown
    assert "is it &lt;the&gt; sum?" in shown


def test_different_names_never_share_a_page():
    names = ["ada", "Ada", "Ada.", "a/b", "a_b", "a:b", "", "..", "é", "x" * 300, "x" * 301]
    assert len({report.page_name(name).lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,90}\.html", report.page_name(name)) for name in names)
