"""The course in JupyterLab: `make lab` in a copy of the course, and what a student sees and does there, in Chromium."""

import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from conftest import ROOT, keep_picture, stop

from grader.course import topics
from grader.source import assemble

MINUTES = 60_000  # Playwright counts in milliseconds
LAB, TASK = "01_histograms_logistics", "fit_histogram"
# Every cell has run, or, where an error `stops` the rest, none runs any more.
ENDED = """([stops, errors]) => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(each => each.textContent)
    if (stops && document.querySelector(errors)) return !prompts.includes("[*]:")
    return prompts.every(prompt => /\\d/.test(prompt))
}"""
ERRORS = '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]'
RESUMABLE = """\
w = torch.full((1,), 100.0, requires_grad=True)
data = torch.zeros(8, 1)
def run():
    history = fit(lambda x: (w - x).square().mean(), w, data, steps=1_000_000, lr=1e-3, live=True)
    print(f"interrupted: {history.interrupted}, from {history.loss[0]:.6f} to {history.loss[-1]:.6f}")"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course in a folder that a test may write to, with a notebook more."""
    folder = tmp_path_factory.mktemp("jupyterlab") / "course"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "grades", "samples", "site", "tests", "START.md")
    shutil.copytree(ROOT, folder, ignore=left_out)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(os.path.join(sys.prefix, "bin"))
    cells = ["import torch\nfrom utils.train import fit", RESUMABLE]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in [*cells, "run()", "run()"]])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(notebook, folder / "long_run.ipynb")
    return folder


@pytest.fixture(scope="module")
def server(browser, course, tmp_path_factory):
    """(address, token) of the server that `make lab` starts there, in the smoke budget."""
    home = tmp_path_factory.mktemp("home")
    log = home / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {"HOME": str(home), "NO_BROWSER": "1", "JUPYTER_PORT": "0", "COURSE_ROOT": str(course)}
    environment |= {"COURSE_BUDGET": "smoke", "OMP_NUM_THREADS": "1"}  # workers of pytest share the cores
    command = ["make", "lab", "--assume-old=.venv/.ready"]  # what is installed here is what these tests run in
    with log.open("w") as out:
        started = subprocess.Popen(command, cwd=course, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"(http://(?:localhost|127\.0\.0\.1):\d+)/lab\S*token=(\w+)", log.read_text())):
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield found[1], found[2]
    finally:
        stop(started)


@pytest.fixture(scope="module")
def context(browser, server):
    """A student's browser, with what it has cached of JupyterLab; `asked`: what it wanted from elsewhere, in vain."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(5 * MINUTES)
    context.asked = []
    elsewhere = re.compile(r"^(?!http://(localhost|127\.0\.0\.1):|data:|blob:)")
    context.route(elsewhere, lambda route: (context.asked.append(route.request.url), route.abort()))
    yield context
    context.close()


@pytest.fixture
def opened(context, server):
    """opened(path): a page with JupyterLab as it opens that file; its kernels end with the test."""
    address, token = server

    def goto(path):
        page.goto(f"{address}/lab/tree/{path}?token={token}&reset")
        page.wait_for_selector("#jupyterlab-splash", state="detached")
        if path.endswith(".ipynb"):
            kernel_is_idle(page)
        return page

    page = context.new_page()
    context.asked.clear()
    yield goto
    page.close()
    headers = {"Authorization": f"token {token}"}
    for kernel in context.request.get(f"{address}/api/kernels", headers=headers).json():
        context.request.delete(f"{address}/api/kernels/{kernel['id']}", headers=headers)


def kernel_is_idle(page):
    page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def run_all(page, *, stops=True):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    page.wait_for_function(ENDED, arg=[stops, ERRORS])
    kernel_is_idle(page)


def cell_with(page, line):
    """The code cell whose first line this is."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-line:first-child", has_text=line))


def run(page, cell, text=None):
    """Run a cell by the keyboard, with another text in it if there is one, and wait until it is through."""
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    if text is not None:
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([prompt, before]) => /\\d/.test(prompt.textContent) && prompt.textContent !== before",
        arg=[prompt.element_handle(), before],
    )
    kernel_is_idle(page)


def pictures(cell):
    return cell.locator(".jp-OutputArea-output img").evaluate_all("all => all.map(each => each.src)")


def another_picture(page, cell, before):
    """Wait until the pictures of a cell are not those from before, and whole."""
    page.wait_for_function(
        """([cell, before]) => {
            const now = [...cell.querySelectorAll(".jp-OutputArea-output img")]
            return now.length === before.length && now.every(each => each.naturalWidth > 0)
                && now.some((each, n) => each.src !== before[n])
        }""",
        arg=[cell.element_handle(), before],
    )


def test_jupyterlab_opens_on_the_start_page(opened, context):
    page = opened("START.md")
    shown = page.locator(".jp-MarkdownViewer")
    shown.get_by_role("heading", level=1).wait_for()
    assert shown.get_by_role("row").count() >= 1 + len(topics())
    for stem in topics():
        for kind in ("lectures", "labs"):
            assert shown.locator(f'a[href*="{kind}/{stem}.ipynb"]').count() == 1, f"{kind}/{stem}"
    page.locator("#table-of-contents").wait_for()
    assert page.locator(".jp-Dialog, .jp-toast, .Toastify__toast").count() == 0
    assert context.asked == []
    keep_picture(page, "start-page")


def test_the_links_lead_from_the_start_page_to_a_lecture_and_its_lab(opened):
    page = opened("START.md")
    page.locator(f'.jp-MarkdownViewer a[href*="lectures/{LAB}.ipynb"]').click()
    lecture = page.locator(".jp-NotebookPanel:visible")
    lecture.locator(".jp-CodeCell").first.wait_for()
    lecture.get_by_role("link", name="Lab", exact=True).click()
    page.locator(f'.lm-TabBar-tab[title*="labs/{LAB}.ipynb"].lm-mod-current').wait_for()
    cell_with(page, f"# task: {TASK}").wait_for()


@pytest.mark.parametrize("stem", topics())
def test_a_lecture_runs_from_top_to_bottom_and_its_sliders_move(opened, context, stem):
    page = opened(f"lectures/{stem}.ipynb")
    run_all(page)
    assert page.locator(".jp-CodeCell").locator(ERRORS).all_inner_texts() == []
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert [prompt for prompt in prompts if not re.fullmatch(r"\[\d+\]:", prompt)] == []
    shown = page.locator(".jp-NotebookPanel img").count()
    assert shown >= 8, f"{shown} pictures, a lecture has at least 8"
    broken = "all => all.filter(each => !each.naturalWidth).map(each => each.alt)"
    assert page.locator(".jp-NotebookPanel img").evaluate_all(broken) == []
    assert page.locator("mjx-merror").count() == 0
    cells = assemble(ROOT / "source" / "lectures" / f"{stem}.py", "lectures").cells
    tags = sum(cell.source.count(r"\tag{") for cell in cells if cell.cell_type == "markdown")
    assert page.locator('mjx-container[display="true"]').count() >= tags
    prose = page.locator(".jp-MarkdownCell .jp-RenderedMarkdown").evaluate_all("all => all.map(each => each.innerText)")
    assert [text for text in prose if "$$" in text or r"\tag" in text] == []
    keep_picture(page, f"lecture-{stem[:2]}-end")
    playable = page.locator(".jp-CodeCell").filter(has=page.locator("[role=slider]"))
    assert playable.count() >= 2
    for cell in playable.all():
        before, handle = pictures(cell), cell.locator("[role=slider]").first
        at_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        handle.press("ArrowLeft" if at_end else "ArrowRight")
        another_picture(page, cell, before)
    keep_picture(page, f"lecture-{stem[:2]}-slider")
    page.locator(".jp-Cell").first.evaluate("cell => cell.scrollIntoView()")
    keep_picture(page, f"lecture-{stem[:2]}-top")
    assert context.asked == []


def test_a_stub_fails_a_wrong_answer_gets_a_hint_and_the_right_one_its_points(opened, course):
    page = opened("START.md")
    row = page.locator(".jp-MarkdownViewer tr").filter(has=page.locator(f'a[href*="labs/{LAB}.ipynb"]'))
    row.get_by_text("0 of 24").wait_for()
    row.locator('a[href*="labs/"]').click()
    kernel_is_idle(page)
    run_all(page, stops=False)
    task, check = cell_with(page, f"# task: {TASK}"), cell_with(page, f'begin_check("{TASK}-1")')
    output = check.locator(".jp-OutputArea")
    assert f"NotImplementedError: {TASK}" in output.inner_text()
    assert "✓ pass" not in output.inner_text()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert [prompt for prompt in prompts if not re.fullmatch(r"\[\d+\]:", prompt)] == []  # on past every stub
    output.scroll_into_view_if_needed()
    keep_picture(page, "lab-not-done")

    run(page, task, f"# task: {TASK}\ndef {TASK}(x, K):\n    return torch.bincount(x, minlength=K)")
    run(page, check)
    assert output.inner_text().count("✗ not yet") == 2
    assert "counts, not yet shares" in output.inner_text()
    assert "0 of 2 points" in output.inner_text()
    output.scroll_into_view_if_needed()
    keep_picture(page, "lab-hint")

    solution = assemble(ROOT / "source" / "labs" / f"{LAB}.py", "solutions")
    [answer] = [cell.source for cell in solution.cells if cell.source.startswith(f"# task: {TASK}\n")]
    run(page, task, answer)
    run(page, check)
    assert output.inner_text().count("✓ pass") == 2
    assert "2 of 24 points so far" in output.inner_text()
    output.scroll_into_view_if_needed()
    keep_picture(page, "lab-done")

    page.keyboard.press("Control+s")
    page.locator(f'.lm-TabBar-tab[title*="labs/{LAB}.ipynb"]:not(.jp-mod-dirty)').wait_for()
    assert "2 of 24 points so far" in (course / "labs" / f"{LAB}.ipynb").read_text(encoding="utf-8")
    page.locator('.lm-TabBar-tab[title*="START.md"]').click()
    row.get_by_text("2 of 24").wait_for()
    keep_picture(page, "start-page-with-points")


def test_a_hint_unfolds_and_its_equations_are_typeset(opened):
    page = opened(f"labs/{LAB}.ipynb")
    hints = page.locator(".jp-RenderedMarkdown details")
    assert hints.count() >= 8
    assert page.locator(".jp-RenderedMarkdown details[open]").count() == 0
    hint = hints.filter(has=page.locator("mjx-container")).first
    assert not hint.locator("mjx-container").first.is_visible()
    hint.locator("summary").click()
    hint.locator("mjx-container").first.wait_for()
    assert "$" not in hint.inner_text()
    keep_picture(page, "lab-hint-unfolded")


def test_a_long_run_can_be_interrupted_and_goes_on_from_there(opened):
    page = opened("long_run.ipynb")
    run(page, cell_with(page, "import torch"))
    run(page, cell_with(page, "w = torch.full"))
    losses = []
    for cell, way in zip(cell_with(page, "run()").all(), ("button", "keys"), strict=True):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        cell.locator(".jp-OutputArea-output img").wait_for()
        another_picture(page, cell, pictures(cell))  # it is redrawn while it runs
        if way == "button":
            page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
        else:
            page.keyboard.press("i")
            page.keyboard.press("i")
        cell.get_by_text("interrupted: True").wait_for()
        kernel_is_idle(page)
        assert cell.locator(".jp-OutputArea-output img").count() == 1
        losses += map(
            float, re.search(r"from ([\d.]+) to ([\d.]+)", cell.locator(".jp-OutputArea").inner_text()).groups()
        )
        keep_picture(page, f"interrupted-by-{way}")
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == 10_000
