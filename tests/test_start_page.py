"""The start page: `grade start` writes it, `make lab`'s server opens it, and a saved lab's points stand in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from conftest import ROOT, TINY, grade, stop

LAB = f"labs/{TINY}.ipynb"


def show(notebook, **points):
    """Put into the notebook's checks what a badge would show: double_1="1 of 1" for the check double-1."""
    for cell in notebook["cells"]:
        name = cell["metadata"].get("course", {}).get("check", "")
        if said := points.get(name.replace("-", "_")):
            text = [f"pass  {name}: shape (5,)\n", f"{name}: {said} points · 1 of 6 points so far"]
            cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {"text/plain": text}}]
    return notebook


def page(course):
    grade("start", root=course, check=0)
    return (course / "START.md").read_text()


def read(course):
    return json.loads((course / LAB).read_text())


def write(course, name, notebook):
    (course / "labs" / name).write_text(json.dumps(notebook))


def test_the_page_has_a_row_a_topic_with_links_minutes_and_points_and_a_total(own_tiny):
    done = grade("start", root=own_tiny, check=0)
    assert done.stdout == "START.md: 0 of 6 points so far\n"
    text = (own_tiny / "START.md").read_text()
    assert f"| **90 Tiny**<br>three one-line tasks for the tests of the grader |  | [Lab 90]({LAB})," in text
    assert "3&nbsp;min | 0 of 6 |" in text
    assert "| **all together** | | | **0 of 6** |" in text


def test_the_course_s_own_page_links_every_lecture_and_lab_and_the_glossary(tmp_path):
    for folder in ("lectures", "labs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("checkpoints", "images"))
    shutil.copy(tmp_path / "lectures" / "03_made.ipynb", tmp_path / "lectures" / "03_made-Copy1.ipynb")
    text = page(tmp_path)
    assert "Copy1" not in text
    for kind in ("lectures", "labs"):
        for path in (ROOT / kind).glob("*.ipynb"):
            assert f"({kind}/{path.name})" in text
    for path in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / path).is_file(), path


def test_points_are_added_check_by_check_in_whatever_order_the_cells_ran(own_tiny):
    write(own_tiny, f"{TINY}.ipynb", show(read(own_tiny), double_1="0.5 of 1", total_1="2 of 2"))
    assert "| 2.5 of 6 |" in page(own_tiny)


def test_of_several_copies_the_best_one_counts_and_is_linked_whatever_its_name(own_tiny):
    write(own_tiny, "my [best] try.ipynb", show(read(own_tiny), total_1="2 of 2", double_2="1 of 2"))
    write(own_tiny, f"{TINY}-Copy1.ipynb", read(own_tiny))
    write(own_tiny, f"{TINY}.ipynb", show(read(own_tiny), draw_1="1 of 1"))
    text = page(own_tiny)
    assert "[Lab 90](labs/my%20%5Bbest%5D%20try.ipynb)" in text
    assert "| 3 of 6 |" in text


def test_a_saved_lab_claims_no_more_than_its_checks_give(own_tiny):
    notebook = show(read(own_tiny), double_1="999999 of 1", double_2="-5 of 2", total_1="1e9 of 2", draw_1="nan of 1")
    plain = {"text/plain": "lottery-1: 5 of 5 points\n" + "double-2: 2 of 2 points" + "x" * 5_000_000}
    notebook["cells"][1]["outputs"] = [{"output_type": "display_data", "data": plain}]
    write(own_tiny, f"{TINY}.ipynb", notebook)
    assert "| 1 of 6 |" in page(own_tiny)


def test_what_a_notebook_says_about_itself_is_text_on_the_page(own_tiny):
    notebook = read(own_tiny)
    notebook["metadata"]["course"]["title"] = (
        "<script>alert(1)</script> | [x](javascript:alert(1))\n# `a` " + "y" * 9_999
    )
    notebook["metadata"]["course"]["minutes"] = {"a": 1}
    write(own_tiny, f"{TINY}.ipynb", notebook)
    [row] = [line for line in page(own_tiny).splitlines() if "alert" in line]
    assert r"\<script\>" in row
    assert r"\[x\](javascript" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert len(row) < 1_000


STRANGE = {
    "half.ipynb": b'{"cells": [{"cell_type": "code", "outp',
    "empty.ipynb": b"",
    "list.ipynb": b"[1, 2]",
    "binary.ipynb": bytes(range(256)),
    "deep.ipynb": b"[" * 100_000,
    "number.ipynb": b'{"metadata": ' + b"9" * 5_000 + b"}",
    "shapes.ipynb": b'{"metadata": {"course": {"topic": ["90_tiny"]}}, "cells": {"a": 1}}',
    "odd.ipynb": b'{"metadata": {"course": {"topic": "90_tiny"}}, "cells": [1, {"outputs": 2}, {"outputs": [3,'
    b' {"data": 4}, {"data": {"text/plain": [5, "double-1: 1 of 1 points"]}}]}]}',
    "foreign.ipynb": b'{"metadata": {}, "cells": []}',
}


def test_missing_half_written_and_foreign_notebooks_do_not_break_the_page(own_tiny):
    for name, data in STRANGE.items():
        (own_tiny / "labs" / name).write_bytes(data)
    (own_tiny / "labs" / "folder.ipynb").mkdir()
    (own_tiny / "labs" / "gone.ipynb").symlink_to("nowhere")
    assert "| 1 of 6 |" in page(own_tiny)
    (own_tiny / "labs" / "odd.ipynb").unlink()
    (own_tiny / LAB).unlink()
    half = json.dumps({"metadata": {"course": {"topic": TINY, "title": "half \ud83d of it"}}})
    (own_tiny / "labs" / os.fsdecode(b"\xff.ipynb")).write_text(half)
    assert "| **half ? of it**<br> |  | [Lab 90](labs/%FF.ipynb)" in page(own_tiny)
    (own_tiny / "labs" / os.fsdecode(b"\xff.ipynb")).unlink()
    assert "| 90_tiny |  |  | 0 of 6 |" in page(own_tiny)


def test_a_student_s_folder_without_sources_and_solutions_has_the_same_page(own_tiny):
    before = page(own_tiny)
    for name in ("source", "solutions", "samples", "START.md"):
        shutil.rmtree(own_tiny / name, ignore_errors=True)
    assert page(own_tiny) == before


def test_a_page_that_would_not_change_is_left_alone(own_tiny):
    page(own_tiny)
    before = (own_tiny / "START.md").stat().st_ino
    page(own_tiny)
    assert (own_tiny / "START.md").stat().st_ino == before


def test_neither_torch_nor_nbformat_is_imported_for_it():
    program = "import sys, grader.start, grader.jupyter; print({'torch', 'nbformat', 'jupytext'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@contextmanager
def server(command, folder, home, **environment):
    """The address that a Jupyter server prints; it runs as long as the context does."""
    home.mkdir(exist_ok=True)
    log = home / "log"
    theirs = home / "kernels" / "python3"  # somebody else's Python, in front of all
    theirs.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Not the course's", "language": "python"}
    (theirs / "kernel.json").write_text(json.dumps(spec))
    environment = {**os.environ, "HOME": str(home), "JUPYTER_PATH": str(home), **environment}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while not (found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/lab\S*", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield found[0]
    finally:
        stop(process)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address that `make lab` prints."""
    home = tmp_path_factory.mktemp("home")
    with server(["make", "lab"], ROOT, home, NO_BROWSER="1", JUPYTER_PORT="0") as found:
        yield found


def fetch(address, path, **request):
    """What the server at `address` answers for a path of its own."""
    base, token = address.split("/lab")[0], address.split("token=")[1]
    asked = urllib.request.Request(f"{base}/{path}", headers={"Authorization": f"token {token}"}, **request)
    for _ in range(50):
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:500]}") from None
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {base}/{path}")


def test_the_address_printed_opens_jupyterlab_on_the_start_page(address):
    assert "/lab/tree/START.md?token=" in address
    assert "JupyterLab" in fetch(address, "lab/tree/START.md")
    assert "Deep generative models" in fetch(address, "files/START.md")


DEFAULTS = [
    ("docmanager-extension:plugin", "defaultViewers", {"markdown": "Markdown Preview"}),
    ("apputils-extension:notification", "fetchNews", "false"),
    ("apputils-extension:notification", "checkForUpdates", False),
    ("notebook-extension:tracker", "autoStartDefaultKernel", True),
]


@pytest.mark.parametrize(("plugin", "name", "value"), DEFAULTS)
def test_jupyterlab_s_settings_come_with_the_course(address, plugin, name, value):
    settings = json.loads(fetch(address, f"lab/api/settings/@jupyterlab/{plugin}"))
    assert settings["schema"]["properties"][name]["default"] == value


def test_the_kernel_is_the_course_s_own_whatever_else_is_registered_as_python3(address):
    specs = json.loads(fetch(address, "api/kernelspecs"))
    assert specs["default"] == "python3"
    assert specs["kernelspecs"]["python3"]["spec"]["display_name"] == "Python 3 (ipykernel)"


def test_the_extension_that_shows_the_page_anew_is_loaded(address):
    config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', fetch(address, "lab"), re.S)[1])
    [ours] = [e for e in config["federated_extensions"] if e["name"] == "deep-generative-models-course"]
    script = fetch(address, f"lab/extensions/{ours['name']}/{ours['load']}")
    assert script == (ROOT / "grader" / "jupyter" / "labextension" / ours["load"]).read_text()


def test_a_lab_that_is_saved_renews_the_page_and_a_page_in_the_way_harms_no_save(own_tiny, tmp_path):
    program = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    with server(program, own_tiny, tmp_path / "home", COURSE_ROOT=str(own_tiny)) as address:
        assert "| 0 of 6 |" in (own_tiny / "START.md").read_text()

        def save(**points):
            model = {"type": "notebook", "format": "json", "content": show(read(own_tiny), **points)}
            fetch(address, f"api/contents/{LAB}", method="PUT", data=json.dumps(model).encode())

        save(total_1="2 of 2")
        assert "| 2 of 6 |" in (own_tiny / "START.md").read_text()
        (own_tiny / "START.md").unlink()
        (own_tiny / "START.md").mkdir()
        save(total_1="2 of 2", draw_1="1 of 1")
        assert "draw-1: 1 of 1 points" in (own_tiny / LAB).read_text()
