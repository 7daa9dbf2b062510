"""Checks of the labs: fresh inputs, published values, and instant help.

    begin_check("sample_histogram-1")
    p = fresh(5).softmax(0)
    check(frequencies=sample_histogram(p, 20_000).bincount(minlength=5) / 20_000, atol=0.02)

A check publishes values and judges nothing. In a student's notebook `check` compares them with what the solution
published for the same inputs (seed 0, stored beside the lab) and shows a badge: help, not the grade. The grade is
decided outside this process, with a seed drawn for that run; see `grader`.
"""

import hashlib
import html
import json
import math
import random
from dataclasses import dataclass, field

import numpy as np

from utils import COURSE

MIME = "application/vnd.course.check+json"
MAX_ELEMENTS = 20_000
MAX_VALUES = 50


@dataclass
class _Lab:
    """What this kernel knows of the lab that is open: expectations at seed 0, and the best points a check so far."""

    stem: str = ""
    checks: dict = field(default_factory=dict)  # check -> {"points": float, "values": {name: {...}}}
    best: dict = field(default_factory=dict)  # check -> points


@dataclass
class _Check:
    """The check that is running: its name, its random streams, and which of its values were right so far."""

    name: str = ""
    seed: int = 0
    numpy: np.random.Generator | None = None
    generators: int = 0
    right: dict = field(default_factory=dict)  # value -> bool


_lab, _now = _Lab(), _Check()


def open_lab(stem):
    """Load what lab `stem` ("01_histograms_logistics") expects, for instant help; shows the points to reach."""
    global _lab
    _lab = _Lab(stem)
    path = COURSE / "labs" / "expected" / f"{stem}.json"
    if path.is_file():
        _lab.checks = json.loads(path.read_text())["checks"]
    _show(*_progress())


def _stream(label):
    """A 63-bit seed for one named stream of the running check."""
    return int.from_bytes(hashlib.sha256(f"{_now.seed}:{_now.name}:{label}".encode()).digest()[:8], "big") >> 1


def begin_check(name, *, seed=0):
    """Start the check `name`: `fresh` starts over, and torch's, numpy's and Python's own generators are seeded.

    The same name and seed give the same inputs, so a check can be repeated; the grader draws a new seed for each run.
    """
    global _now
    import torch

    _now = _Check(name, seed)
    _now.numpy = np.random.Generator(np.random.PCG64(_stream("fresh")))
    torch.manual_seed(_stream("torch"))
    np.random.seed(_stream("numpy") % 2**32)
    random.seed(_stream("python"))
    if seed == 0 and name in _lab.checks:
        from IPython import get_ipython

        if get_ipython() is not None:
            get_ipython().events.register("post_run_cell", _after_cell)


def _after_cell(result):
    """Of a check whose cell raised before all was compared: the task that is not done, else what is missing and why."""
    from IPython import get_ipython

    get_ipython().events.unregister("post_run_cell", _after_cell)
    error = result.error_in_exec
    missing = {name: v["hint"] for name, v in _lab.checks[_now.name]["values"].items() if name not in _now.right}
    if error is None or not missing:
        return
    if task := _not_done(error):
        own = task == _lab.checks[_now.name]["task"]
        lines = [f"not done yet: task {task}" if own else f"this check needs task {task}, which is not done"]
        rows = [_bordered(NEUTRAL, html.escape(lines[0]))]
    else:
        message = f"not compared: the cell stopped with {type(error).__name__}"
        lines = [f"FAIL  {name}: {message}\n      hint: {hint}" for name, hint in missing.items()]
        rows = [_row(False, name, message, hint) for name, hint in missing.items()]
    _now.right |= dict.fromkeys(missing, False)  # what passed before the error counts, here as in the grade
    summary, bar = _completed()
    _show("\n".join([*lines, summary]), f'<div style="font-size:90%;line-height:1.5">{"".join(rows)}{bar}</div>')


def _not_done(error):
    """The task whose stub raised this error, "" where it is another error: torch raises NotImplementedError, too."""
    name = str(error) if isinstance(error, NotImplementedError) else ""
    return name if any(name == known["task"] for known in _lab.checks.values()) else ""


def fresh(*shape):
    """Standard normal inputs of the running check, (*shape) float32: the same on every machine for the same seed."""
    import torch

    _started("fresh")
    return torch.from_numpy(np.asarray(_now.numpy.standard_normal(shape), dtype=np.float32))


def fresh_generator():
    """A torch.Generator on the CPU, seeded from the running check; each call gives another stream."""
    import torch

    _started("fresh_generator")
    _now.generators += 1
    return torch.Generator().manual_seed(_stream(f"generator {_now.generators}"))


def _started(name):
    if _now.numpy is None:
        raise RuntimeError(f"{name}() works inside a check: run a cell that begins with begin_check(...)")


def encode(value):
    """A value as JSON: {"shape": [...], "data": [flat float64; NaN, inf as strings]}, or {"error": why not}."""
    kind = type(value).__name__
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().resolve_conj().numpy()
        array = np.asarray(value)
        if array.dtype == bool or array.dtype.kind not in "iuf":
            return {"error": f"{kind} of {array.dtype} where numbers were expected"}
        if array.size > MAX_ELEMENTS:
            return {"error": f"{array.size} elements, at most {MAX_ELEMENTS} can be published"}
        flat = array.astype(np.float64).ravel().tolist()
    except Exception as error:  # a list of unequal rows, a tensor of a strange layout, an object that misbehaves
        return {"error": f"{kind} could not be read as numbers: {type(error).__name__}"}
    return {"shape": list(array.shape), "data": [x if math.isfinite(x) else str(x) for x in flat]}


def decode(item):
    """The float64 array that `encode` wrote; ValueError on anything else: this is where untrusted data enters."""
    if not isinstance(item, dict):
        raise ValueError(f"a value must be an object, got {type(item).__name__}")
    if "error" in item:
        raise ValueError(item["error"][:200] if isinstance(item["error"], str) else "an error that is no text")
    shape, data = item.get("shape"), item.get("data")
    if (
        not isinstance(shape, list)
        or not all(type(n) is int and 0 <= n <= MAX_ELEMENTS for n in shape)
        or len(shape) > 8
    ):
        raise ValueError("the shape is not a short list of sizes")
    if not isinstance(data, list) or len(data) != math.prod(shape) or len(data) > MAX_ELEMENTS:
        raise ValueError("the data do not fill the shape")
    special = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    numbers = [special.get(x) if isinstance(x, str) else x for x in data]
    if not all(type(x) in (int, float) for x in numbers):
        raise ValueError("the data are not all numbers")
    try:
        return np.array(numbers, dtype=np.float64).reshape(shape)
    except OverflowError:
        raise ValueError("a number is too large for float64") from None


def compare(got, expected):
    """Is the published value `got` right? Returns (right, message); both are as `encode` writes them.

    Right: the same shape and |got - expected| <= atol + rtol |expected| in every element, with the tolerances of
    `expected`; NaN equals NaN, an infinity the one of the same sign. The message never shows an expected number.
    """
    want = decode(expected)
    try:
        have = decode(got)
    except ValueError as error:
        return False, str(error)
    if have.shape != want.shape:
        return False, f"shape {have.shape}, expected {want.shape}"
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.isclose(have, want, rtol=expected["rtol"], atol=expected["atol"], equal_nan=True)
        if close.all():
            return True, f"shape {have.shape}"
        gap = np.abs(have - want)
    wrong, many = int((~close).sum()), close.size
    count = f"{wrong} of {many} numbers differ" if many > 1 else "the number differs"
    if not np.isfinite(have[~close]).all():
        return False, f"{count}; some are not finite"
    if not np.isfinite(want[~close]).all():
        return False, f"{count}; some are finite and should not be"
    above = have[~close] > want[~close]
    side = ", too high" if above.all() else "" if above.any() else ", too low"
    return False, f"{count}, by up to {np.nanmax(np.where(close, 0.0, gap)):.2g}{side}"


def check(*, hint="", rtol=1e-5, atol=1e-6, **values):
    """Publish the named values of the running check: numbers, or tensors, arrays, lists of numbers.

    hint: what it would mean if they were wrong. rtol, atol: how near to the solution's they have to be. The points of
    a check are shared equally by the values that the solution publishes in it.
    """
    _started("check")
    if not values:
        raise ValueError("check() needs at least one value by name, as in check(probabilities=p)")
    published = {name: {**encode(value), "rtol": rtol, "atol": atol, "hint": hint} for name, value in values.items()}
    data = {MIME: {"check": _now.name, "values": published}}
    text, rich = _badge(published)
    _show(text, rich, data)


def _badge(published):
    """Pass or fail of the values just published, and the points once the check is complete: as text and as HTML."""
    known = _lab.checks.get(_now.name) if _now.seed == 0 else None
    if known is None:
        names = ", ".join(f"{name} {tuple(v.get('shape', ()))}" for name, v in published.items())
        return (
            f"{_now.name}: {names} published",
            f"<code>{html.escape(_now.name)}</code>: {html.escape(names)} published",
        )
    lines, rich = [], []
    for name, value in published.items():
        if name not in known["values"]:
            continue
        right, message = compare(value, known["values"][name])
        _now.right.setdefault(name, right)
        hint = "" if right else value["hint"]
        lines.append(f"{'pass' if right else 'FAIL'}  {name}: {message}" + (f"\n      hint: {hint}" if hint else ""))
        rich.append(_row(right, name, message, hint))
    text, rich = "\n".join(lines), "".join(rich)
    if len(_now.right) == len(known["values"]):  # the last value of this check
        summary, bar = _completed()
        text, rich = f"{text}\n{summary}", rich + bar
    return text, f'<div style="font-size:90%;line-height:1.5">{rich}</div>'


def _completed():
    """The points of the check that is through: kept, and shown with the line of points so far."""
    most = _lab.checks[_now.name]["points"]
    points = round(most * sum(_now.right.values()) / len(_now.right), 2)  # as the grade has it
    _lab.best[_now.name] = max(points, _lab.best.get(_now.name, 0.0))
    return _progress(f"{_now.name}: {points:g} of {most:g} points")


def _row(right, name, message, hint):
    mark, colour = ("✓ pass", "#1a6b3c") if right else ("✗ not yet", "#a32020")
    extra = f'<div style="margin-left:5.5em">{html.escape(hint)}</div>' if hint else ""
    return _bordered(
        colour,
        f'<b style="color:{colour};background:#fff;padding:0 .3em;border-radius:3px">{mark}</b> '
        f"<code>{html.escape(name)}</code>: {html.escape(message)}{extra}",
    )


NEUTRAL = "#767676"  # of what is neither right nor wrong


def _bordered(colour, content):
    return f'<div style="border-left:4px solid {colour};padding-left:.6em;margin:.15em 0">{content}</div>'


def _progress(done=""):
    """The line of points so far, as text and as HTML with a thin bar."""
    if not _lab.checks:
        text = f"No expected values beside the lab {_lab.stem!r}: checks publish, and nothing is compared here."
        return text, html.escape(text)
    total = sum(c["points"] for c in _lab.checks.values())
    reached = round(sum(_lab.best.values()), 2)
    text = f"{done + ' · ' if done else ''}{reached:g} of {total:g} points so far"
    rich = (
        f'<div style="margin-top:.3em">{html.escape(text)} <span style="display:inline-block;width:8em;height:.5em;'
        f'background:#8884;border-radius:.25em;vertical-align:middle"><span style="display:block;height:100%;'
        f'border-radius:.25em;background:#1a6b3c;width:{100 * reached / total:.0f}%"></span></span></div>'
    )
    return text, rich


def _show(text, rich, data=None):
    """Display text and HTML, with `data` published beside them; outside a notebook print the text."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(text)
    else:
        display({"text/plain": text, "text/html": rich, **(data or {})}, raw=True)
