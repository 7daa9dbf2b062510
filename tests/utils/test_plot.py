"""utils.plot: one look, honest bars, grids of images, and small PNG files."""

import ast
import io
import itertools
import re
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from utils import COURSE, checks
from utils.plot import DATA, MODEL, PALETTE, alt_text, plot_pmf, png, show_images, use_style


@pytest.fixture(autouse=True)
def _style():
    with matplotlib.rc_context():
        use_style()
        yield
        plt.close("all")


# Machado, Oliveira and Fernandes 2009, table 1: linear RGB without the cones for long, middle and short waves.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(color):
    rgb = np.array(matplotlib.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(color, behind="white"):
    """The contrast ratio as WCAG 2 defines it."""
    dark, light = sorted(linear(each) @ [0.2126, 0.7152, 0.0722] for each in (color, behind))
    return (light + 0.05) / (dark + 0.05)


def seen(color, eye):
    """The colour in CIE L*a*b* as an eye sees it: a distance of 2 is just noticed side by side."""
    rgb = np.clip(np.array(EYES[eye]) @ linear(color), 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    x, y, z = (np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_importing_plot_and_widgets_loads_neither_matplotlib_nor_ipywidgets():
    code = "import sys, utils.plot, utils.widgets; print({'matplotlib', 'ipywidgets', 'IPython'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=COURSE, check=True)
    assert run.stdout.strip() == "set()"


def test_data_and_model_are_the_first_two_colours():
    assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"] == PALETTE
    assert [matplotlib.colors.to_hex(color).upper() for color in (DATA, MODEL)] == PALETTE[:2]


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_colours_apart(eye):
    for a, b in itertools.combinations(PALETTE, 2):
        assert np.linalg.norm(seen(a, eye) - seen(b, eye)) > 15, (a, b)
    assert np.linalg.norm(seen(DATA, eye) - seen(MODEL, eye)) > 60


def test_red_and_green_would_fail_that_test():
    assert np.linalg.norm(seen("#B04030", "deuteranopia") - seen("#607020", "deuteranopia")) < 15


@pytest.mark.parametrize("color", PALETTE)
def test_a_line_of_any_colour_can_be_seen_on_white(color):
    assert contrast(color) >= 3  # WCAG 2.2, 1.4.11


@pytest.mark.parametrize("right", [True, False])
def test_a_badge_can_be_read_on_its_own_paper(right):
    badge = checks._row(right, "x", "shape (2,)", "")
    color, behind = re.search(r"color:(#\w+);background:(#\w+)", badge).groups()
    assert contrast(color, behind) >= 4.5  # WCAG 2.2, 1.4.3
    assert re.search(r">(✓ pass|✗ not yet)<", badge), "the verdict is a word and a sign, not only a colour"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_the_reports_can_be_read_on_all_their_papers(scheme):
    css = (COURSE / "grader" / "templates" / "style.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S))
    colors = light | dark if scheme == "dark" else light
    texts = set(re.findall(r"(?<![\w-])color: var\(--(\w+)\)", css))
    assert {"ink", "quiet", "good", "part", "bad", "link"} <= texts
    papers = set(re.findall(r"background: var\(--(\w+)\)", css))
    assert papers == {"paper", "soft", "mark"}
    for paper in papers:
        low = {text: round(contrast(colors[text], colors[paper]), 2) for text in texts}
        assert {text: ratio for text, ratio in low.items() if ratio < 4.5} == {}, paper
    assert contrast(colors["bar"], colors["soft"]) >= 3
    assert re.search(r":focus-visible \{ outline: 3px solid var\(--link\)", css)


NEUTRAL = {"black", "white", "gray", "k", "none"}
MAPS = {"gray", "Greys", "Blues", "Oranges", "viridis", "viridis_r", "magma", "inferno", "RdBu_r"}
CLASSES = {
    "tab10",
    "Pastel1",
}  # ten digits, nine modes: no ten colours can be told apart, so something else says it too
COLOURED = {"color", "c", "colors", "edgecolor", "edgecolors", "facecolor", "facecolors", "ecolor", "markerfacecolor"}


def strange_colours(code):
    """What a source says about colours beside the palette, greys and the maps that every eye can read."""
    nodes = list(ast.walk(ast.parse(code)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    maps = [call for call in calls if re.search(r"Colormap", ast.unparse(call.func))]
    mapped = {id(node) for call in maps for node in ast.walk(call)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in mapped:
            text = node.value
            if re.fullmatch(r"#[0-9A-Fa-f]{6}", text) and len({text[1:3], text[3:5], text[5:7]}) > 1:
                yield text
            if re.fullmatch(r"[rgbcmy][-.:o+*^]+|[-.:o+*^]+[rgbcmy]", text):
                yield text
    for keyword in (keyword for call in calls for keyword in call.keywords):
        for value in ast.walk(keyword.value) if keyword.arg in COLOURED | {"cmap"} else ():
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and id(value) not in mapped:
                text, grey = value.value, r"0\.\d+|#([0-9A-Fa-f]{2})\1\1|C[0-6]"
                if keyword.arg == "cmap" and text not in MAPS | CLASSES:
                    yield f"cmap={text}"
                named = matplotlib.colors.is_color_like(text) and not re.fullmatch(grey, text)
                if keyword.arg in COLOURED and named and text not in NEUTRAL:
                    yield text


@pytest.mark.parametrize(
    "path", sorted((COURSE / "source").glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_figures_use_the_palette_greys_and_readable_maps(path):
    assert list(strange_colours(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        'ax.plot(x, y, color="red")',
        'ax.plot(x, y, "r--")',
        'ax.plot(x, color="C7")',
        'colour = "#12AB34"',
        'ax.imshow(x, cmap="jet")',
        'ax.scatter(x, y, c=["C0", "orange"])',
    ],
)
def test_a_colour_of_ones_own_is_noticed(code):
    assert list(strange_colours(code))
    assert not list(strange_colours('ax.plot(x, "k--", color="C3"); ax.bar(x, color="#AAAAAA"); f("x", "0.5", "blue")'))


def test_a_bar_lies_half_a_value_to_each_side_and_is_as_high_as_its_probability():
    _, ax = plt.subplots()
    bars = plot_pmf(ax, torch.tensor([0.2, 0.5, 0.3]), color=MODEL, label="q")
    values, edges, baseline = bars.get_data()
    assert values.tolist() == pytest.approx([0.2, 0.5, 0.3])
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert baseline == 0
    assert ax.get_legend_handles_labels()[1] == ["q"]


def test_bars_refuse_a_table_and_name_its_shape():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"one-dimensional, got shape \(3, 2\)"):
        plot_pmf(ax, np.zeros((3, 2)))


@pytest.mark.parametrize(
    "images",
    [
        torch.arange(6 * 20).reshape(6, 4, 5).to(torch.uint8),
        torch.arange(6 * 20).reshape(6, 1, 4, 5).to(torch.uint8),
        np.arange(6 * 20, dtype=np.uint8).reshape(6, 4, 5, 1),
        (torch.arange(6 * 20).reshape(6, 4, 5) / 255),
    ],
    ids=["uint8", "channel first", "channel last", "float"],
)
def test_grey_images_keep_their_pixels_in_reading_order(images):
    sheet = show_images(images, columns=4).images[0].get_array()
    assert sheet.shape == (2 * 5 - 1, 4 * 6 - 1)  # a line of one pixel between images
    for i in range(6):
        top, left = i // 4 * 5, i % 4 * 6
        expected = np.arange(i * 20, (i + 1) * 20).reshape(4, 5) / 255
        assert np.allclose(sheet[top : top + 4, left : left + 5], expected)


@pytest.mark.parametrize("channels_first", [True, False])
def test_colour_images_keep_their_channels(channels_first):
    images = torch.rand(3, 8, 6, 3)
    sheet = show_images(images.movedim(-1, 1) if channels_first else images, columns=3).images[0].get_array()
    assert sheet.shape == (8, 3 * 7 - 1, 3)
    assert np.allclose(sheet[:, 7:13], images[1])


def test_images_that_are_none_are_refused_with_their_shape():
    for shape in [(28, 28), (0, 28, 28), (2, 4, 5, 7), (1, 2, 3, 4, 5)]:
        with pytest.raises(ValueError, match="images must be"):
            show_images(np.zeros(shape))


def test_values_outside_the_range_are_clipped_and_an_axis_is_used_when_given():
    _, ax = plt.subplots()
    images = np.stack([np.full((2, 2), -1.0), np.full((2, 2), 7.0)])
    assert show_images(images, ax=ax, title="two") is ax
    assert ax.get_title() == "two"
    assert ax.images[0].get_array().min() == 0
    assert ax.images[0].get_array().max() == 1


def chart():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    for ax in axes:
        for i in range(5):
            ax.plot(np.sin(np.arange(50) / (3 + i)), label=f"curve {i}")
        ax.legend()
    return figure


def test_a_chart_is_stored_in_less_than_half_the_bytes_and_looks_the_same():
    figure = chart()
    plain = io.BytesIO()
    figure.savefig(plain, format="png")
    small = png(figure)
    assert len(small) < 0.5 * len(plain.getvalue())
    a, b = (np.asarray(Image.open(f).convert("RGB"), dtype=int) for f in (plain, io.BytesIO(small)))
    assert a.shape == b.shape
    assert (b[(a == 255).all(-1)] == 255).all()  # white stays white
    assert (np.abs(a - b).max(-1) > 24).mean() < 1e-3


def test_the_paper_stays_white_beside_pale_colours():
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.8))
    for ax in axes:
        ax.imshow(np.random.default_rng(3).random((14, 14)) > 0.5, cmap="Blues", vmax=1.5)
        ax.plot(7, 7, "s", color=MODEL)
        ax.set(title="raster", xticks=[], yticks=[])
    assert Image.open(io.BytesIO(png(figure))).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_photograph_keeps_all_its_colours():
    generator = np.random.default_rng(0)
    smooth = np.linspace(0, 1, 200)[:, None, None] * np.ones((200, 200, 3)) * np.linspace(0.2, 1, 200)[:, None]
    photo = np.clip(smooth * [1.0, 0.7, 0.4] + 0.2 * generator.random((200, 200, 3)), 0, 1)
    figure, ax = plt.subplots(figsize=(4, 4))
    ax.imshow(photo)
    assert Image.open(io.BytesIO(png(figure))).mode != "P"


def test_the_text_for_those_who_hear_a_picture_has_titles_axes_images_and_legends():
    figure, axes = plt.subplots(1, 3)
    axes[0].set(title="left\npicture", xlabel="step", ylabel="loss, in nats")
    axes[0].plot([1, 2], label="train")
    axes[0].plot([2, 3], label="test")
    axes[0].legend()
    axes[1].set_title("at the edge", loc="left")
    show_images(np.zeros((6, 4, 4)), columns=3, ax=axes[2])
    figure.suptitle("both")
    said = "both; left picture: loss, in nats over step, (train, test); at the edge; 6 images in 2 rows"
    assert alt_text(figure) == said


def test_what_many_axes_share_is_said_once():
    figure, axes = plt.subplots(2, 2)
    for ax in axes.flat:
        ax.set(xlabel="value", ylabel="probability")
    assert alt_text(figure) == "probability over value"


def test_a_picture_without_any_name_still_has_a_text():
    assert alt_text(show_images(np.zeros((20, 4, 4)), columns=20).figure) == "20 images in 1 row"
    figure, (ax, _) = plt.subplots(1, 2)
    assert alt_text(figure) == "picture with 2 panels"
    ax.text(0, 0, "burglary")
    ax.text(0, 1, "alarm")
    assert alt_text(figure) == "drawing with the words burglary; alarm"
    figure, ax = plt.subplots()
    figure.colorbar(ax.imshow(np.eye(2)), label="nats")
    assert alt_text(figure) == "colour is nats"


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (r"$\lambda_{\max}$", "lambda_max"),
        (r"error at $10^{-3}$, $n \times n$", "error at 10^-3, n x n"),
        (r"$\mathrm{KL}(q\,\|\,p) \leq \frac{1}{2}$", "KL(q | p) ≤ 1/2"),
        (r"$\hat\mu$ in $\mathcal{L}_\text{test}$", "hat mu in L_test"),
    ],
)
def test_formulas_are_read_as_plain_text(label, said):
    figure, ax = plt.subplots()
    ax.set_title(label)
    assert alt_text(figure) == said


def test_a_text_that_would_be_too_long_loses_legends_then_axes_then_its_end():
    figure, ax = plt.subplots()
    ax.set(title="title", xlabel="step", ylabel="loss")
    ax.plot([1], label="curve " * 50)
    ax.legend()
    assert alt_text(figure) == "title: loss over step"
    ax.set(xlabel="step " * 60)
    assert alt_text(figure) == "title"
    ax.set(title="word " * 100)
    assert len(alt_text(figure)) <= 250
    assert alt_text(figure).endswith("word…")
