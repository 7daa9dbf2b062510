"""Pictures a reader can play with, that are still pictures on paper.

    explore(draw, n=(50, 5000), bins=[5, 10, 20, 50, 100])     # draw(n=..., bins=...) -> matplotlib Figure
    sketch(draw, heights, presets={"flat": ...})               # draw(heights) -> (Figure, curve, note)

The picture is an ordinary output that the controls replace, not a part of the widget: where nobody can move a slider
(GitHub, paper, a web page) it shows the default state, and the saved widget state stays a few kilobytes.
Only what ipywidgets 7.7 and 8 share is used.
"""

import base64
import functools
import inspect
import math

import numpy as np

from utils.plot import alt_text, png

LAYOUT = {"width": "520px", "max_width": "100%"}


def explore(draw, /, *, continuous=True, **controls):
    """Show sliders and one picture, `draw(**values)`, drawn again whenever a slider moves. Returns an `Explorer`.

    Each control is an abbreviation or a ready widget with a `value`:
    (low, high) or (low, high, step): a slider, over integers if all are integers;
    a list: a slider over these values if they are numbers, a menu otherwise; True or False: a box to tick.
    A control starts at draw's default for that argument, else in the middle. continuous=False waits until the slider
    is let go: for drawings that take more than about 0.2 s.
    """
    parameters = inspect.signature(draw).parameters
    if unknown := [name for name in controls if name not in parameters]:
        raise TypeError(f"draw takes {list(parameters)}, but there are controls for {unknown}")
    made = {}
    for name, spec in controls.items():
        default = parameters[name].default
        made[name] = _control(name, spec, None if default is inspect.Parameter.empty else default, continuous)
    return Explorer(draw, made)


class Explorer:
    """What `explore` shows: `.controls` are the widgets by name, `.values` their values, `.draws` counts pictures."""

    def __init__(self, draw, controls):
        import ipywidgets

        self.draw, self.controls, self.draws = draw, controls, 0
        self._picture = _Picture()
        state = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        box = ipywidgets.VBox(list(controls.values()))
        self._redraw(first=True)
        _show_widget(box, f"[controls: {state}; run this notebook to move them]")
        for control in controls.values():
            control.observe(self._redraw, names="value")

    @property
    def values(self):
        return {name: control.value for name, control in self.controls.items()}

    def _redraw(self, change=None, *, first=False):
        self.draws += 1
        try:
            self._picture.show(self.draw(**self.values))
        except Exception as error:
            if first:
                raise
            self._picture.fail(error)  # a callback's traceback is lost in the log: say it where the reader looks

    def _ipython_display_(self):
        """Nothing: as the last line of a cell it has already shown itself."""


def _control(name, spec, default, continuous):
    """The widget that an abbreviation stands for."""
    import ipywidgets

    shared = {
        "description": name.replace("_", " "),
        "layout": ipywidgets.Layout(**LAYOUT),
        "style": {"description_width": "130px"},
    }
    if isinstance(spec, ipywidgets.Widget):
        return spec
    if isinstance(spec, bool):
        return ipywidgets.Checkbox(value=spec if default is None else default, indent=False, **shared)
    if isinstance(spec, list) and spec:
        menu = not all(isinstance(option, (int, float)) for option in spec)
        value = default if default is not None else spec[0 if menu else len(spec) // 2]
        if value not in spec:
            raise ValueError(f"{name}: draw's default {value!r} is not among the options {spec}")
        if menu:
            return ipywidgets.Dropdown(options=spec, value=value, **shared)
        options = [(f"{option:,}", option) for option in spec]
        return ipywidgets.SelectionSlider(options=options, value=value, continuous_update=continuous, **shared)
    if isinstance(spec, tuple) and len(spec) in (2, 3) and all(isinstance(x, (int, float)) for x in spec):
        low, high, *step = spec
        if low >= high:
            raise ValueError(f"{name}: a slider needs low < high, got {spec}")
        if default is not None and not low <= default <= high:
            raise ValueError(f"{name}: draw's default {default} lies outside {spec}")
        whole = all(isinstance(x, int) for x in spec) and isinstance(default, (int, type(None)))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        step = step[0] if step else (1 if whole else _round_step((high - low) / 100))
        value = default if default is not None else low + round((high - low) / step / 2) * step
        return kind(value=value, min=low, max=high, step=step, continuous_update=continuous, **shared)
    raise TypeError(f"{name}: expected (low, high), (low, high, step), a list, a bool or a widget, got {spec!r}")


def _round_step(step):
    """The nearest of 1, 2, 5 times a power of ten below `step`."""
    power = 10 ** math.floor(math.log10(step))
    return max(m * power for m in (1, 2, 5) if m * power <= step * (1 + 1e-9))


class _Picture:
    """One display output that is replaced in place."""

    def __init__(self):
        self._handle = None

    def show(self, figure):
        from IPython.display import display

        alt = alt_text(figure)
        bundle = {"image/png": base64.b64encode(_png(figure)).decode(), "text/plain": f"[picture: {alt}]"}
        metadata = {"image/png": {"alt": alt}}
        if self._handle is None:
            self._handle = display(bundle, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(bundle, metadata=metadata, raw=True)

    def fail(self, error):
        self._handle.update({"text/plain": f"{type(error).__name__}: {error}"}, raw=True)


def _png(figure):
    """The figure as PNG bytes of a fixed size (no tight cropping, or the picture would jump), and closed."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        raise TypeError(f"draw must return a matplotlib Figure, got {type(figure).__name__}")
    data = png(figure)
    plt.close(figure)  # or the notebook would show it a second time
    return data


def _show_widget(widget, text):
    """Display a widget; `text` is what stands there where widgets cannot be shown."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": text}, raw=True)


def sketch(draw, heights, *, presets=None, label="Draw a distribution"):
    """Let the reader draw a distribution with mouse, finger or keys, and answer while they draw. Returns a `Sketch`.

    heights: (K,) non-negative, where the drawing starts. draw(heights) -> (Figure, curve (K,), note): the figure is
    shown as an ordinary picture below, the curve is drawn over the reader's bars, the note stands beneath them.
    presets: {button label: (K,) heights}. Without anywidget only the picture of the start is shown, and a line says so.
    """
    return Sketch(draw, heights, presets or {}, label)


class Sketch:
    """What `sketch` shows: `.pad` is the canvas (None without anywidget); set `.pad.heights` to draw from Python."""

    def __init__(self, draw, heights, presets, label):
        self.draw, self.draws, self.pad = draw, 0, None
        self._picture = _Picture()
        heights = _heights(heights)
        figure, curve, note = self._answer(heights)
        try:
            pad_class = _pad_class()
        except ImportError:
            print("Drawing needs the package anywidget (pip install anywidget); here is the picture it starts with.")
        else:
            self.pad = pad_class(
                heights=heights,
                curve=curve,
                note=note,
                label=label,
                presets={name: _heights(shape, len(heights)) for name, shape in presets.items()},
            )
            if _in_colab():  # anywidget turns Colab's third-party widgets on when it displays itself
                from IPython.display import display

                display(self.pad)
            else:
                _show_widget(self.pad, "[a canvas to draw on; run this notebook to use it]")
            self.pad.observe(self._redraw, names="heights")
        self._picture.show(figure)

    def _answer(self, heights):
        self.draws += 1
        figure, curve, note = self.draw(np.asarray(heights, dtype=float))
        return figure, [round(float(value), 6) for value in curve], str(note)

    def _redraw(self, change):
        try:
            figure, curve, note = self._answer(_heights(change["new"], len(self.pad.curve)))
            with self.pad.hold_sync():  # one message for both
                self.pad.curve, self.pad.note = curve, note
            self._picture.show(figure)
        except Exception as error:
            self.pad.note = f"{type(error).__name__}: {error}"

    def _ipython_display_(self):
        """Nothing: as the last line of a cell it has already shown itself."""


def _heights(heights, K=None):
    """Heights as a list of K finite non-negative numbers, rounded so that messages stay short."""
    heights = np.asarray(heights, dtype=float)
    if heights.ndim != 1 or not np.isfinite(heights).all() or (heights < 0).any() or K not in (None, len(heights)):
        wanted = "(K,)" if K is None else f"({K},)"
        raise ValueError(f"heights must be {wanted}, finite and non-negative, got shape {heights.shape}")
    return [round(float(value), 4) for value in heights]


def _in_colab():
    import sys

    return "google.colab" in sys.modules


@functools.cache
def _pad_class():
    """The canvas, defined on first use because anywidget is optional and takes a moment to import."""
    import anywidget
    import traitlets

    class Pad(anywidget.AnyWidget):
        _esm = PAD_JS
        heights = traitlets.List(traitlets.Float()).tag(sync=True)  # what the reader draws
        curve = traitlets.List(traitlets.Float()).tag(sync=True)  # what the model says, on the scale of heights
        note = traitlets.Unicode().tag(sync=True)
        label = traitlets.Unicode().tag(sync=True)
        presets = traitlets.Dict().tag(sync=True)

    return Pad


# The front end in one string, so that it needs no network. Colours are DATA and MODEL of utils.plot.
PAD_JS = """
function render({ model, el }) {
  const W = 760, H = 240, data = "#0072B2", fit = "#D55E00";
  const canvas = document.createElement("canvas");
  const scale = window.devicePixelRatio || 1;
  canvas.width = W * scale; canvas.height = H * scale;
  canvas.style.cssText = `width:${W}px;max-width:100%;height:${H}px;border:1px solid #bbb;background:#fff;` +
    "touch-action:none;cursor:crosshair;display:block";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", model.get("label") +
    ". Drag to draw. Keys: left and right choose a value, up and down change its height, Shift for larger steps.");
  const g = canvas.getContext("2d");
  g.scale(scale, scale);
  const bar = document.createElement("div");
  bar.style.cssText = "margin:4px 0;display:flex;gap:6px;flex-wrap:wrap;align-items:center";
  const note = document.createElement("div");
  note.setAttribute("role", "status");
  note.style.cssText = "font-size:14px;min-height:1.4em";
  el.append(bar, canvas, note);

  let heights = model.get("heights").slice(), at = Math.floor(heights.length / 2);
  let keys = false, last = null, timer = null;
  const top = () => Math.max(1e-9, ...heights, ...model.get("curve"));
  let ceiling = 1.15 * top();

  function paint() {
    const K = heights.length, w = W / K, y = (h) => H - (H * h) / ceiling;
    g.clearRect(0, 0, W, H);
    g.fillStyle = data; g.globalAlpha = 0.5;
    heights.forEach((h, k) => g.fillRect(k * w, y(h), w - 0.5, H - y(h)));
    g.globalAlpha = 1; g.strokeStyle = fit; g.lineWidth = 2; g.beginPath();
    model.get("curve").forEach((h, k) => { g.lineTo(k * w, y(h)); g.lineTo((k + 1) * w, y(h)); });
    g.stroke();
    if (keys) { g.strokeStyle = "#000"; g.lineWidth = 1; g.strokeRect(at * w, 0.5, w, H - 1); }
    note.textContent = model.get("note");
  }
  function send() {           // at most ten messages a second, and always the last one
    if (timer) return;
    timer = setTimeout(() => { timer = null; model.set("heights", heights.slice()); model.save_changes(); }, 100);
  }
  function put(event) {
    const box = canvas.getBoundingClientRect(), K = heights.length;
    const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
    const k = clamp(Math.floor(((event.clientX - box.left) / box.width) * K), 0, K - 1);
    const h = ceiling * (1 - clamp((event.clientY - box.top) / box.height, 0, 1));
    const [k0, h0] = last || [k, h], n = Math.max(1, Math.abs(k - k0));
    for (let i = 0; i <= n; i++) heights[Math.round(k0 + ((k - k0) * i) / n)] = h0 + ((h - h0) * i) / n;
    last = [k, h]; at = k; keys = false;
    paint(); send();
  }
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); last = null; put(e); });
  canvas.addEventListener("pointermove", (e) => { if (last && e.buttons) put(e); });
  canvas.addEventListener("pointerup", () => { last = null; });
  canvas.addEventListener("pointercancel", () => { last = null; });
  canvas.addEventListener("blur", () => { keys = false; paint(); });
  canvas.addEventListener("keydown", (e) => {
    const step = e.shiftKey ? 10 : 1, rise = (ceiling / 50) * step, K = heights.length;
    if (e.key === "ArrowLeft") at = Math.max(0, at - step);
    else if (e.key === "ArrowRight") at = Math.min(K - 1, at + step);
    else if (e.key === "ArrowUp") heights[at] = Math.min(ceiling, heights[at] + rise);
    else if (e.key === "ArrowDown") heights[at] = Math.max(0, heights[at] - rise);
    else return;
    e.preventDefault(); e.stopPropagation();     // or the notebook would move to another cell
    keys = true; paint();
    if (e.key === "ArrowUp" || e.key === "ArrowDown") send();
  });
  for (const [name, shape] of Object.entries(model.get("presets"))) {
    const button = document.createElement("button");
    button.textContent = name; button.type = "button"; button.className = "jupyter-button";
    button.addEventListener("click", () => {
      heights = shape.slice(); ceiling = 1.15 * Math.max(1e-9, ...heights); paint(); send();
    });
    bar.append(button);
  }
  const changed = () => {
    if (!timer && last === null) heights = model.get("heights").slice();
    if (top() > ceiling) ceiling = 1.15 * top();
    paint();
  };
  for (const name of ["heights", "curve", "note"]) model.on(`change:${name}`, changed);
  paint();
  return () => { for (const name of ["heights", "curve", "note"]) model.off(`change:${name}`, changed); };
}
export default { render };
"""
