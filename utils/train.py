"""Train, and say what came out: `budget` sizes a run, `fit` is the training loop, `record` shows a result and keeps it.
`progress` shows how far any other loop is.

history = fit(lambda x: nll(model, x), model, images, steps=budget(smoke=20, cpu=600, gpu=20_000), batch_size=64)
record(test_nll=evaluate()["test"], unit="nats/image", paper=88.0, source="Germain et al. 2015, table 4")
"""

import base64
import html
import io
import json
import math
import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch

from utils import COURSE
from utils.device import describe, pick_device, pick_dtype
from utils.plot import alt_text

# ---------------------------------------------------------------- how long: budgets

BUDGETS = ("smoke", "cpu", "gpu")


def budget_name():
    """$COURSE_BUDGET: "smoke" (seconds), "cpu" (minutes) or "gpu" (the paper's scale); by default what fits here."""
    name = os.environ.get("COURSE_BUDGET", "").strip() or ("gpu" if pick_device()[0].type == "cuda" else "cpu")
    if name not in BUDGETS:
        raise ValueError(f"$COURSE_BUDGET is {name!r}; expected one of 'smoke', 'cpu', 'gpu'")
    return name


def budget(*, smoke, cpu, gpu):
    """The one of three values that the budget asks for: steps = budget(smoke=20, cpu=600, gpu=20_000)."""
    return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[budget_name()]


# ---------------------------------------------------------------- the loop


@dataclass
class History:
    """What a run went through.  loss[i] is the loss of step[i]'s batch before that step's update."""

    unit: str = "nats"
    loss: list = field(default_factory=list)  # floats, one a step
    eval_step: list = field(default_factory=list)
    evals: dict = field(default_factory=dict)  # name -> floats, each as long as eval_step
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def step(self):
        """[1, 2, ...], as long as loss."""
        return list(range(1, len(self.loss) + 1))

    def __repr__(self):
        went = f", loss {self.loss[0]:.4g} -> {self.loss[-1]:.4g} {self.unit}" if self.loss else ""
        stopped = ", interrupted" if self.interrupted else ""
        return f"History({len(self.loss):,} steps in {self.seconds:.1f} s{went}{stopped})"


def fit(
    loss_fn,
    params,
    data,
    *,
    steps,
    batch_size=None,
    lr=1e-2,
    optimizer=torch.optim.Adam,
    generator=None,
    evaluate=None,
    every=None,
    live=False,
    device=None,
    unit="nats",
):
    """Minimise the mean of loss_fn over the data by stochastic gradient descent.  Returns the History of the run.

    loss_fn: batch -> scalar tensor, in `unit`.           params: a Module, a tensor or a list of tensors.
    data: a tensor (n, ...) or a tuple of such tensors; it is taken to `device`, or by default left where it is.
    batch_size: rows of data in a step, each once before any comes again; None takes all of them in every step.
    optimizer: called as optimizer(params, lr=lr).        generator: draws the batches; same seed, same run.
    evaluate: () -> dict of numbers, called without gradients every `every` steps (default: steps // 20) and at the end.
    live: redraw one picture of the curve while it runs (in a notebook).

    An interrupt ends the run early and returns what is there; fit again with the same params goes on from them, with
    a new optimizer.  A loss that is not finite raises FloatingPointError with its step and value.
    """
    params, data, device, every = _checked(params, data, steps, batch_size, evaluate, every, device)
    dtype, _ = pick_dtype(device)
    mixed = nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)  # does nothing where it is not needed
    opt = optimizer(params, lr=lr)
    batches = _batches(data, batch_size, generator)
    log = _Log(History(unit=unit), steps, live=live, device=device)
    try:
        for step in range(1, steps + 1):
            with mixed:
                loss = loss_fn(next(batches))
            log.loss(loss)  # keeps it; raises if it is not finite
            opt.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(opt)
            scaler.update()
            if evaluate and (step % every == 0 or step == steps):
                with torch.no_grad():
                    log.evaluation(step, evaluate())
    except KeyboardInterrupt:
        log.history.interrupted = True
    finally:
        log.close()
    return log.history


def _batches(data, batch_size, generator):
    """Batches for ever: the rows in a fresh order every epoch, cut in pieces, an incomplete last piece left out."""
    tensors = data if isinstance(data, tuple) else (data,)
    n, device = len(tensors[0]), tensors[0].device
    while batch_size is None:
        yield data
    while True:
        order = torch.randperm(n, generator=generator, device=generator.device if generator else device).to(device)
        for rows in order[: n - n % batch_size].split(batch_size):
            batch = tuple(x[rows] for x in tensors)
            yield batch if isinstance(data, tuple) else batch[0]


def _checked(params, data, steps, batch_size, evaluate, every, device):
    """fit's arguments in one form, (list of tensors, data, device, every), or an error that quotes the wrong one."""
    if isinstance(params, torch.nn.Module):
        params = [p for p in params.parameters() if p.requires_grad]  # frozen layers stay frozen
    params = [params] if isinstance(params, torch.Tensor) else list(params)
    data = tuple(data) if isinstance(data, (tuple, list)) else data
    tensors = data if isinstance(data, tuple) else (data,)
    for name, group in (("params", params), ("data", tensors)):
        if not group:
            raise ValueError(f"{name} holds no tensor")
        for i, x in enumerate(group):
            if not isinstance(x, torch.Tensor):
                raise TypeError(f"{name}[{i}] is a {type(x).__name__}, expected a torch.Tensor")
    if device is not None:
        tensors = tuple(x.to(device) for x in tensors)
        data = tensors if isinstance(data, tuple) else tensors[0]
    devices = sorted({str(x.device) for x in (*params, *tensors)})
    if len(devices) > 1:
        raise ValueError(f"params and data must be on one device, got {' and '.join(devices)}")
    for i, p in enumerate(params):
        if not (p.requires_grad and p.is_leaf):
            raise ValueError(
                f"params[{i}] of shape {tuple(p.shape)} must be a leaf that requires a gradient: "
                "make it with requires_grad=True, after all arithmetic"
            )
    sizes = [len(x) if x.ndim else 0 for x in tensors]
    if len(set(sizes)) > 1 or sizes[0] < 1:
        raise ValueError(f"every tensor in data needs the same number of rows, at least 1; got {sizes}")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number, at least 1; got {steps!r}")
    if batch_size is not None and not (isinstance(batch_size, int) and 1 <= batch_size <= sizes[0]):
        raise ValueError(f"batch_size must be None or in 1..{sizes[0]}, the number of rows in data; got {batch_size!r}")
    if every is not None and (every < 1 or evaluate is None):
        raise ValueError(f"every must be at least 1 and come with evaluate=; got every={every!r}, evaluate={evaluate}")
    return params, data, tensors[0].device, every or max(1, steps // 20)


# ---------------------------------------------------------------- what one sees of it

SHOW_AFTER = 1.0  # seconds; a shorter run needs no progress bar


class _Log:
    """Keeps a run's losses and shows how far it is, by a tqdm bar or the live curve."""

    def __init__(self, history, steps, *, live, device):
        self.history, self.start = history, time.perf_counter()
        self.every_step = device.type == "cpu"
        self.waiting, self.read_at = [], self.start  # losses that are still on the device; when it was last asked
        self.curve = _Curve(steps) if live and _in_notebook() else None
        self.bar = None if self.curve else _Bar(steps)

    def loss(self, loss):
        if not isinstance(loss, torch.Tensor) or loss.ndim:
            got = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
            raise ValueError(f"loss_fn must return a scalar tensor, got {got}; is a .mean() missing?")
        self.waiting.append(loss.detach())
        if self.every_step or time.perf_counter() - self.read_at > 0.3:  # reading a loss makes the CPU wait for the GPU
            self.read()

    def read(self):
        """Bring the waiting losses over, look at each, show them."""
        history, values = self.history, torch.stack(self.waiting).tolist() if self.waiting else []
        self.waiting = []
        for value in values:
            if not math.isfinite(value):
                before = f"{history.loss[-1]:.4g} a step before" if history.loss else "the first one"
                raise FloatingPointError(
                    f"the loss is {value} at step {len(history.loss) + 1} ({before}): lower lr, "
                    "or look in loss_fn for the log of 0, 0/0 or an overflowing exp"
                )
            history.loss.append(value)
        self.read_at = time.perf_counter()
        history.seconds = self.read_at - self.start
        if self.curve:
            self.curve.update(history)
        else:
            self.bar.update(len(history.loss))

    def evaluation(self, step, values):
        if not isinstance(values, dict) or (self.history.evals and values.keys() != self.history.evals.keys()):
            raise TypeError(f"evaluate() must return a dict with the same names every time, got {values!r}")
        values = {name: float(value) for name, value in values.items()}
        self.history.eval_step.append(step)
        for name, value in values.items():
            self.history.evals.setdefault(name, []).append(value)

    def close(self):
        try:
            self.read()
        finally:
            if self.curve:
                self.curve.close(self.history)
            else:
                self.bar.close(repr(self.history))


class _Bar:
    """tqdm's bar, for what takes longer than SHOW_AFTER.

    A notebook would store every frame of the text bar, or the state of the widget bar: there it is one output that
    is written anew each time, the last time with the summary of the run. A bar within another is not shown; it only
    keeps the clock of the other one going.
    """

    outermost = None

    def __init__(self, total, unit="steps", label=""):
        from tqdm import tqdm

        self.inner = _Bar.outermost is not None
        if self.inner:
            self.bar = _Bar.outermost.bar
            return
        _Bar.outermost = self
        self.line = _Line() if _in_notebook() else None
        self.bar = tqdm(
            total=total,
            desc=label or None,
            delay=SHOW_AFTER,
            mininterval=0.3,
            miniters=0,
            leave=False,
            unit=f" {unit}",
            file=self.line or sys.stderr,
            ncols=80 if self.line else None,
        )

    def update(self, done):
        self.bar.update(0 if self.inner else done - self.bar.n)

    def close(self, summary):
        """Put the summary in the bar's place, where a notebook shows one. Was it?"""
        if self.inner:
            return False
        _Bar.outermost = None
        self.bar.close()
        if self.line and self.line.shown:
            self.line.write(summary)
            return True
        return False


def progress(things, *, unit="steps", label="", stoppable=False):
    """Go through `things` with a bar that says how far it is, from SHOW_AFTER seconds on: for x in progress(xs): ...

    stoppable: in a notebook an interrupt lets the step that is running end and then ends the loop, so that what comes
    after it works with what is there. A second one stops the cell, as the first does otherwise.
    """
    total = len(things) if hasattr(things, "__len__") else None
    bar, start, done, stop, ending = _Bar(total, unit, label), time.perf_counter(), 0, False, ""

    def interrupted(number, frame):
        nonlocal stop
        if stop:
            raise KeyboardInterrupt
        stop = True

    stoppable = stoppable and _in_notebook() and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, interrupted) if stoppable else None
    try:
        for thing in things:
            yield thing
            done += 1
            bar.update(done)
            if stop and done != total:
                ending = ", interrupted"
                break
    finally:
        if stoppable:
            signal.signal(signal.SIGINT, before)
        name, of = f"{label}: " if label else "", f" of {total:,}" if total is not None and done < total else ""
        summary = f"{name}{done:,}{of} {unit} in {time.perf_counter() - start:.1f} s{ending}"
        if not bar.close(summary) and ending:
            print(summary)


class _Line:
    """A text file that shows the last thing written to it, in one output of the notebook."""

    encoding = "utf-8"  # tqdm asks, before it draws with blocks

    def __init__(self):
        self.shown = None

    def write(self, text):
        if text.strip():
            self.shown = _display({"text/plain": text.strip()}, self.shown)

    def flush(self):
        pass


class _Curve:
    """The losses so far as one picture, redrawn in place: at most three times a second and a tenth of the time."""

    def __init__(self, steps):
        self.steps, self.shown, self.next = steps, None, 0.0

    def update(self, history):
        start = time.perf_counter()
        if history.loss and start >= self.next:
            self.draw(history)
            now = time.perf_counter()
            self.next = now + max(0.3, 9 * (now - start))

    def close(self, history):
        if history.loss:
            self.draw(history)

    def draw(self, history):
        from matplotlib.figure import Figure  # not pyplot: a figure that nobody else knows of needs no closing

        figure = Figure(figsize=(5, 2.6), layout="constrained")
        axes = figure.subplots()
        thin = max(1, len(history.loss) // 1000)
        axes.plot(history.step[::thin], history.loss[::thin], color="C1", linewidth=1, label="training")
        for i, (name, values) in enumerate(history.evals.items(), start=2):
            axes.plot(history.eval_step, values, color=f"C{i}", linewidth=1, marker=".", markersize=4, label=name)
        axes.set(xlabel="step", ylabel=f"loss ({history.unit})", xlim=(0, self.steps))
        axes.legend(loc="upper right")
        png = io.BytesIO()
        figure.savefig(png, format="png")
        text = f"loss {history.loss[-1]:.4g} {history.unit} at step {len(history.loss):,} of {self.steps:,}"
        picture = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": text}
        self.shown = _display(picture, self.shown, {"image/png": {"alt": f"{alt_text(figure)}; {text}"}})


# ---------------------------------------------------------------- results

RECORD = "application/vnd.course.record+json"


def record(*, unit, paper=None, source=None, **value):
    """Show one result beside the paper's and publish it, so that the course's results are collected, not typed.

        record(test_nll=88.2, unit="nats/image", paper=88.0, source="Germain et al. 2015, table 4")

    One finite number under its name; unit: what it is counted in; paper: the number that `source` reports, if any.
    """
    if len(value) != 1:
        names = ", ".join(value) or "none"
        raise TypeError(f"record() takes one named value beside unit, paper and source, got {names}")
    if paper is not None and not source:
        raise ValueError(f"paper={paper!r} needs its source: where does the paper say so?")
    [(name, ours)] = value.items()
    row = {
        "name": name,
        "value": _finite(name, ours),
        "unit": unit,
        "paper": None if paper is None else _finite("paper", paper),
        "source": source,
        "budget": budget_name(),
        "device": describe(pick_device()[0]),
    }
    beside = ("" if paper is None else f"paper: {row['paper']:.5g}") + (f" ({source})" if source else "")
    cells = [name, f"{row['value']:.5g} {unit}", beside.strip(), f"{row['budget']} budget, {row['device']}"]
    cells = [cell for cell in cells if cell]
    text = f"{name} = {'   '.join(cells[1:])}"
    if _ipython() is None:
        print(text)
        return
    columns = "".join(f'<td style="text-align: left">{html.escape(cell)}</td>' for cell in cells)
    _display({RECORD: row, "text/html": f"<table><tr>{columns}</tr></table>", "text/plain": text})


def _finite(name, value):
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"record() takes one finite number, got {name}={value!r}")
    return number


# ---------------------------------------------------------------- what was trained or measured before


def checkpoint(name, model):
    """Load lectures/checkpoints/<name>.safetensors into model, in place; returns what is known of it: {str: str}.

    `make checkpoints` trains and writes it again.  FileNotFoundError where it is missing, RuntimeError, from torch,
    where its tensors are not the model's.
    """
    from safetensors import safe_open

    path = COURSE / "lectures" / "checkpoints" / f"{name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: `make checkpoints` trains it again")
    with safe_open(path, framework="pt") as file:
        model.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118  not a dict
        return dict(file.metadata() or {})


def save_checkpoint(name, model, **facts):
    """Write what `checkpoint` reads.  facts: how it was trained, how good it is.  Above 1 MB it raises ValueError."""
    from safetensors.torch import save

    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    data = save(state, metadata={key: str(value) for key, value in facts.items()})
    if len(data) > 1_000_000:
        raise ValueError(f"checkpoint {name!r} has {len(data):,} bytes; at most 1,000,000 go into the repository")
    path = COURSE / "lectures" / "checkpoints" / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def measured(id):
    """What `make bench` measured last under this id: {"what", "ours", "peer", "ratio", "unit", "device", "date", ...}.

    For results that take longer than a reader waits.  KeyError names the ids there are.
    """
    rows = {row["id"]: row for row in json.loads((COURSE / "bench" / "results.json").read_text())}
    if id not in rows:
        raise KeyError(f"bench/results.json has no {id!r}; it has {', '.join(rows)}")
    return rows[id]


# ---------------------------------------------------------------- talking to the notebook


def _in_notebook():
    return getattr(_ipython(), "kernel", None) is not None


def _ipython():
    """The running IPython shell, or None.  Outside IPython this imports nothing."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _display(bundle, shown=None, metadata=None):
    """Show a MIME bundle as a new output, or in the place of `shown`.  Returns the handle to replace it by."""
    from IPython.display import display

    if shown is None:
        return display(bundle, metadata=metadata, raw=True, display_id=True)
    shown.update(bundle, metadata=metadata, raw=True)
    return shown
