"""One look for every figure of the course: `use_style()` once, then data in `DATA`, the model in `MODEL`.

    from utils.plot import DATA, MODEL, plot_pmf, show_images, use_style
    use_style()

matplotlib is imported inside the functions, so that importing this module costs nothing.
"""

import io
import math
import re
import sys

import numpy as np

DATA, MODEL = "C0", "C1"
"""What was observed is always the first colour of the cycle, what a model says always the second."""

# Blue, vermilion, green, pink of Okabe and Ito, and a brown, a violet and a grey of ours in place of their orange, sky
# blue and black: all have a contrast of 3:1 on white, as lines need. With a colour deficiency green and pink are the
# pair that is hardest to tell apart: give one of two such lines another style or marker.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#692D00", "#A020F0", "#555555"]

STYLE = {
    "figure.figsize": (8.0, 3.2),
    "figure.dpi": 100,  # wide enough for a notebook column, small enough for a repository
    "savefig.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}


# What TeX's commands are in plain text; those that are not here are read by their names.
SIGNS = {r"\,": " ", r"\;": " ", r"\!": "", r"\|": "|", r"\mid": "|", r"\times": "x", r"\cdot": "·", r"\pm": "±"}
SIGNS |= {r"\le": " ≤", r"\leq": " ≤", r"\ge": " ≥", r"\geq": " ≥", r"\to": " →", r"\dots": "...", r"\ldots": "..."}


def use_style():
    """Set matplotlib's defaults to the course's style; call it once, after the imports.

    In a notebook with inline figures it also has them stored as small PNG files with a text for those who hear them.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(STYLE)
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=PALETTE)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and "inline" in mpl.get_backend():
        import matplotlib_inline.backend_inline  # noqa: F401  it sets its own formatter when loaded: let it do so first

        as_png = shell.display_formatter.formatters["image/png"]
        as_png.for_type(Figure, lambda figure: (png(figure, bbox_inches="tight"), {"alt": alt_text(figure)}))


def png(figure, **savefig):
    """The figure as PNG bytes with a palette of 256 colours: under a third of the size, no difference to see.

    Where a palette would show (photographs, smooth colour maps) the full colours stay.
    """
    from PIL import Image

    buffer, small = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", **savefig)
    full = Image.open(buffer).convert("RGB")
    palette = full.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) > 246] = 255  # averaging with pale colours dulls the white
    palette.putpalette(colours.ravel().tolist())
    palette.save(small, format="png", optimize=True)
    error = np.abs(np.asarray(full, dtype=np.int16) - np.asarray(palette.convert("RGB"))).max(axis=-1)
    return small.getvalue() if (error > 16).mean() < 0.02 else buffer.getvalue()


def alt_text(figure, most=250):
    """The figure in words, for readers who hear it: titles, axes as "y over x", number of images, legends.

    Plain text of at most `most` characters: what does not fit is left out, legends first, then the names of the axes.
    """
    axes = [ax for ax in figure.axes if ax.get_visible()]
    legends = [_legend(legend) for legend in figure.legends]
    everything = [_in_words(ax, _labels(ax), _images(ax), _legend(ax.get_legend())) for ax in axes] + legends
    shorter = [_in_words(ax, _labels(ax), _images(ax)) for ax in axes]
    titles = [_in_words(ax) for ax in axes]
    said = [_joined([figure.get_suptitle(), *parts]) for parts in (everything, shorter, titles)]
    said = [text for text in said if text]
    if not said:
        written = _joined([text.get_text() for ax in axes for text in ax.texts])
        said = [f"drawing with the words {written}" if written else f"picture with {_count(len(axes), 'panel')}"]
    return next((text for text in said if len(text) <= most), said[-1][: most - 1].rsplit(" ", 1)[0] + "…")


def _joined(parts):
    """Plain parts in a row, each once, without those that say nothing."""
    return "; ".join(dict.fromkeys(plain for part in parts if (plain := _plain(part))))


def _in_words(ax, *facts):
    """An axes' titles, and after a colon the facts that there are."""
    titles = [ax.get_title(loc) for loc in ("left", "center", "right")]
    return ": ".join(part for part in (", ".join(filter(None, titles)), ", ".join(filter(None, facts))) if part)


def _labels(ax):
    x, y = ax.get_xlabel(), ax.get_ylabel()
    return f"{y} over {x}" if x and y else f"colour is {x or y}" if ax.get_label() == "<colorbar>" and x + y else x or y


def _images(ax):
    return ", ".join(image.get_label() for image in ax.images if not image.get_label().startswith("_"))


def _legend(legend):
    return f"({', '.join(text.get_text() for text in legend.get_texts())})" if legend else ""


def _count(n, thing):
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _plain(text):
    """A label without its TeX: Greek letters by name, no dollars, braces or commands of layout."""
    text = re.sub(r"\\[td]?frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", text)
    text = re.sub(r"\\(?:math\w+|text\w*|operatorname|left|right|displaystyle)\b ?", "", text)
    for mark, sign in SIGNS.items():
        text = re.sub(re.escape(mark) + (r"(?![a-z])" if mark[-1].isalpha() else ""), sign, text)
    return " ".join(re.sub(r"[${}\\]", "", re.sub(r"(?<=\w)\\(?=[a-z])", " ", text)).split())


def plot_pmf(ax, probs, *, color=DATA, label=None, fill=False, **line):
    """Draw probabilities as bars of width one, value k over [k - 1/2, k + 1/2]. probs: (K,). Returns the artist.

    fill=True for what was counted, the plain outline for what a model says. `line` goes to `Axes.stairs`.
    """
    probs = np.asarray(probs, dtype=float)
    if probs.ndim != 1:
        raise ValueError(f"probs must be one-dimensional, got shape {probs.shape}")
    line = {"linewidth": 1.6} | ({"alpha": 0.45, "linewidth": 0} if fill else {}) | line
    return ax.stairs(probs, np.arange(len(probs) + 1) - 0.5, baseline=0, fill=fill, color=color, label=label, **line)


def show_images(images, *, columns=None, title=None, ax=None, zoom=1.5):
    """Lay images out in one grid, row by row. images: (n, H, W), with colour (n, H, W, 3) or (n, 3, H, W). Returns ax.

    uint8 in 0..255, anything else in 0..1 (values outside are clipped). One picture, not n axes: hundreds draw at once.
    Without `ax` a figure of `zoom` screen pixels an image pixel is made.
    """
    import matplotlib.pyplot as plt

    images = np.asarray(images)
    images = images.astype(float) / 255 if images.dtype == np.uint8 else images.astype(float)
    if images.ndim == 4 and images.shape[-1] not in (1, 3) and images.shape[1] in (1, 3):
        images = np.moveaxis(images, 1, -1)  # (n, C, H, W) -> (n, H, W, C)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3) or not len(images):
        raise ValueError(f"images must be (n, H, W) or (n, H, W, 3) with n >= 1, got shape {images.shape}")
    n, H, W = images.shape[:3]
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    sheet = np.ones((rows * (H + 1) - 1, columns * (W + 1) - 1, *images.shape[3:]))  # a white line between images
    for i, image in enumerate(images.clip(0, 1)):
        top, left = i // columns * (H + 1), i % columns * (W + 1)
        sheet[top : top + H, left : left + W] = image
    if ax is None:
        height, width = sheet.shape[:2]
        _, ax = plt.subplots(figsize=(zoom * width / 100, zoom * height / 100 + (0.3 if title else 0)))
    ax.imshow(sheet, vmin=0, vmax=1, label=f"{_count(n, 'image')} in {_count(rows, 'row')}")
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax
