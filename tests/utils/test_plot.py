"""utils.plot: one look, honest bars, grids of images, and small PNG files."""

import io
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from utils import COURSE
from utils.plot import DATA, MODEL, PALETTE, alt_text, plot_pmf, png, show_images, use_style


@pytest.fixture(autouse=True)
def _style():
    with matplotlib.rc_context():
        use_style()
        yield
        plt.close("all")


def luminance(color):
    """Relative luminance as WCAG 2 defines it."""
    rgb = np.array(matplotlib.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def seen_with_deuteranopia(color):
    """What is left without green cones, the commonest deficiency (Machado, Oliveira and Fernandes 2009)."""
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    return np.array(matrix) @ np.array(matplotlib.colors.to_rgb(color))


def test_importing_plot_and_widgets_loads_neither_matplotlib_nor_ipywidgets():
    code = "import sys, utils.plot, utils.widgets; print({'matplotlib', 'ipywidgets', 'IPython'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=COURSE, check=True)
    assert run.stdout.strip() == "set()"


def test_data_and_model_are_the_first_two_colours_and_differ_for_every_eye():
    cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert cycle == PALETTE
    data, model = matplotlib.colors.to_rgb(DATA), matplotlib.colors.to_rgb(MODEL)
    assert (data, model) == (matplotlib.colors.to_rgb(PALETTE[0]), matplotlib.colors.to_rgb(PALETTE[1]))
    assert np.abs(seen_with_deuteranopia(DATA) - seen_with_deuteranopia(MODEL)).max() > 0.3


def test_data_and_model_can_be_read_on_white():
    for color in (DATA, MODEL):
        assert 1.05 / (luminance(color) + 0.05) > 3  # WCAG's minimum for graphics


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
