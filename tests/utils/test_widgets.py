"""utils.widgets: sliders redraw one ordinary picture, also where ipywidgets is old or nobody is there to move them."""

import base64
import json
import os
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from utils import COURSE
from utils.widgets import PAD_JS, _control, _heights, explore

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
NO_SCREEN = {**os.environ, "MPLBACKEND": "Agg"}

DRAW = """
import matplotlib.pyplot as plt
from utils.widgets import explore, sketch

def draw(n=200, shape="round", on=True, width=0.5):
    if n == 13:
        raise ValueError("thirteen is unlucky")
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.set_title(f"n = {n}")
    return figure
"""


def run(*cells, env=None):
    """Execute cells in a fresh kernel, as `grade build` does. Returns the notebook, widget state included."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path = f"import sys; sys.path[:0] = {[*(env or []), str(COURSE)]!r}"
    notebook.cells[0].source = path + "\n" + notebook.cells[0].source
    NotebookClient(notebook, timeout=120).execute()
    return notebook


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream").splitlines()


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


@pytest.fixture(scope="module")
def explored():
    """One notebook that explores, moves a slider from Python, and makes draw fail."""
    return run(
        DRAW,
        'seen = explore(draw, n=(1, 5_000), shape=["round", "square"], on=True, width=(0.0, 1.0))\nseen',
        "seen.controls['n'].value = 1_000\nprint(seen.draws, seen.values)",
        "other = explore(draw, n=(1, 5_000))",
        "other.controls['n'].value = 13",
        "sorted(plt.get_fignums())",
    )


def test_the_default_is_one_ordinary_picture_with_a_text_for_those_who_hear_it(explored):
    [picture] = pictures(explored.cells[1])
    assert picture.output_type == "display_data"
    assert base64.b64decode(picture.data["image/png"]).startswith(b"\x89PNG")
    assert picture.metadata["image/png"]["alt"]
    assert picture.data["text/plain"].startswith("[picture: n = ")


def test_the_controls_are_a_widget_that_reads_as_text_where_widgets_are_not_shown(explored):
    [view] = [o for o in explored.cells[1].outputs if VIEW in o.get("data", {})]
    state = explored.metadata.widgets[STATE]["state"]
    assert view.data[VIEW]["model_id"] in state
    assert view.data["text/plain"].startswith("[controls: n = 200, shape = round")
    kinds = {model["model_name"] for model in state.values()}
    assert {"IntSliderModel", "DropdownModel", "CheckboxModel", "FloatSliderModel"} <= kinds


def test_the_last_line_of_a_cell_shows_nothing_twice(explored):
    assert [o.output_type for o in explored.cells[1].outputs] == ["display_data", "display_data"]


def test_moving_a_slider_draws_again_and_replaces_the_picture_where_it_stands(explored):
    assert printed(explored.cells[2]) == ["2 {'n': 1000, 'shape': 'round', 'on': True, 'width': 0.5}"]
    assert pictures(explored.cells[2]) == []
    assert pictures(explored.cells[1])[0].metadata["image/png"]["alt"] == "n = 1000"


def test_a_drawing_that_fails_says_so_in_place_of_the_picture(explored):
    assert explored.cells[3].outputs[0].data == {"text/plain": "ValueError: thirteen is unlucky"}


def test_no_figure_stays_open(explored):
    assert explored.cells[5].outputs[0].data["text/plain"] == "[]"


def test_the_saved_widget_state_is_small_and_holds_no_picture(explored):
    state = json.dumps(explored.metadata.widgets)
    assert len(state) < 20_000
    assert "iVBOR" not in state  # how a PNG begins in base64


SKETCH = """
import numpy as np

def answer(heights):
    if heights.sum() == 0:
        raise ValueError("nothing drawn")
    figure, ax = plt.subplots(figsize=(2, 1))
    return figure, np.full(len(heights), heights.mean()), f"mean {heights.mean():.2f}"

pad = sketch(answer, [0, 1, 2, 3], presets={"flat": [1, 1, 1, 1]})
"""


def test_a_sketch_answers_every_change_of_the_drawing():
    notebook = run(
        DRAW,
        SKETCH,
        "p = pad.pad\nprint(p.note, p.curve)\np.heights = [4.0] * 4\nprint(p.note, p.curve)\npad.draws",
        "pad.pad.heights = [0.0] * 4\nprint(pad.pad.note)\npad.pad.heights = [1.0] * 3\nprint(pad.pad.note)",
    )
    assert len(pictures(notebook.cells[1])) == 1
    assert printed(notebook.cells[2]) == ["mean 1.50 [1.5, 1.5, 1.5, 1.5]", "mean 4.00 [4.0, 4.0, 4.0, 4.0]"]
    assert notebook.cells[2].outputs[-1].data["text/plain"] == "2"
    assert printed(notebook.cells[3]) == [
        "ValueError: nothing drawn",
        "ValueError: heights must be (4,), finite and non-negative, got shape (3,)",
    ]
    assert len(json.dumps(notebook.metadata.widgets)) < 20_000


def test_without_anywidget_a_sketch_is_its_picture_and_one_line():
    notebook = run(DRAW, "sys.modules['anywidget'] = None", SKETCH)
    assert "pip install anywidget" in notebook.cells[2].outputs[0].text
    assert len(pictures(notebook.cells[2])) == 1


def test_the_canvas_needs_no_network_and_can_be_used_by_keyboard():
    assert "http" not in PAD_JS
    assert "import " not in PAD_JS
    for needed in ("ArrowUp", "ArrowLeft", "tabIndex", "aria-label", "pointerdown", "touch-action:none"):
        assert needed in PAD_JS


def test_outside_a_notebook_nothing_breaks():
    code = DRAW + SKETCH + "\nseen = explore(draw, n=(50, 500)); seen.controls['n'].value = 60; print(seen.draws)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=COURSE, env=NO_SCREEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("2")


def made(spec, default=None, **kwargs):
    return _control("some_name", spec, default, kwargs.get("continuous", True))


def test_an_abbreviation_becomes_the_control_it_stands_for():
    integers, floats = made((1, 10)), made((0.0, 1.0))
    assert (type(integers).__name__, integers.value, integers.step) == ("IntSlider", 5, 1)
    assert (type(floats).__name__, floats.value, floats.step) == ("FloatSlider", 0.5, 0.01)
    assert made((0, 100, 20)).step == 20
    assert type(made((1, 10), default=2.5)).__name__ == "FloatSlider"
    numbers = made([50, 500, 5_000])
    assert (type(numbers).__name__, numbers.value) == ("SelectionSlider", 500)
    assert [label for label, _ in numbers.options] == ["50", "500", "5,000"]
    assert (type(made(["a", "b"])).__name__, made(["a", "b"]).value) == ("Dropdown", "a")
    assert (type(made(True)).__name__, made(True).value) == ("Checkbox", True)
    ready = made((1, 2))
    assert made(ready) is ready
    assert integers.description == "some name"
    assert not made((1, 10), continuous=False).continuous_update


@pytest.mark.parametrize(
    ("spec", "default", "message"),
    [
        ((5, 1), None, r"some_name: a slider needs low < high, got \(5, 1\)"),
        ((1, 5), 9, "some_name: draw's default 9 lies outside"),
        ([1, 2], 3, "some_name: draw's default 3 is not among the options"),
    ],
)
def test_a_control_that_cannot_be_quotes_what_it_was_given(spec, default, message):
    with pytest.raises(ValueError, match=message):
        made(spec, default)


def test_a_control_of_no_known_kind_or_no_argument_is_refused():
    with pytest.raises(TypeError, match="some_name: expected"):
        made({1, 2})
    with pytest.raises(TypeError, match=r"draw takes \['n'\], but there are controls for \['m'\]"):
        explore(lambda n: None, m=(1, 2))


def test_heights_refuse_what_is_no_drawing():
    for bad in ([1.0, -1.0], [float("nan")], [[1.0]]):
        with pytest.raises(ValueError, match="heights must be"):
            _heights(bad)
