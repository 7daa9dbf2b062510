"""utils.train: the budget, the loop, what it shows in a notebook and out of one, and the records."""

import base64
import json
import math
import signal

import pytest
import torch
from torch import nn

from utils import train
from utils.train import RECORD, History, budget, budget_name, fit, progress, record


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.delenv("COURSE_BUDGET", raising=False)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def line(n=60):
    """Data on a line and a parameter to find it by: (x, y), w, loss_fn."""
    x = torch.randn(n, 3, generator=seeded())
    y = x @ torch.tensor([1.0, -2.0, 0.5])
    w = torch.zeros(3, requires_grad=True)
    return (x, y), w, lambda batch: (batch[0] @ w - batch[1]).square().mean()


# ---------------------------------------------------------------- budget


@pytest.mark.parametrize("name", ["smoke", "cpu", "gpu"])
def test_the_environment_picks_the_budget(monkeypatch, name):
    monkeypatch.setenv("COURSE_BUDGET", name)
    assert budget_name() == name == budget(smoke="smoke", cpu="cpu", gpu="gpu")


def test_by_default_the_budget_is_what_fits_the_machine(monkeypatch):
    assert budget(smoke=1, cpu=2, gpu=3) == 2
    monkeypatch.setattr(train, "pick_device", lambda: (torch.device("cuda"), "a GPU"))
    assert budget(smoke=1, cpu=2, gpu=3) == 3


def test_an_unknown_budget_is_quoted_with_the_choices(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "huge")
    with pytest.raises(ValueError, match=r"\$COURSE_BUDGET is 'huge'; expected one of 'smoke', 'cpu', 'gpu'"):
        budget(smoke=1, cpu=2, gpu=3)


# ---------------------------------------------------------------- fit


def test_fit_is_the_loop_it_looks_like():
    data, w, loss_fn = line()
    history = fit(loss_fn, [w], data, steps=30, lr=0.1)
    by_hand, v = [], torch.zeros(3, requires_grad=True)
    opt = torch.optim.Adam([v], lr=0.1)
    for _ in range(30):
        loss = (data[0] @ v - data[1]).square().mean()
        by_hand.append(loss.item())
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert history.loss == by_hand
    assert torch.equal(w, v)


def test_the_loss_of_a_module_falls_on_minibatches_of_one_tensor():
    x = torch.rand(200, 8, generator=seeded()) < 0.2
    model = nn.Linear(1, 8, bias=False)

    def nll(batch):
        return nn.functional.binary_cross_entropy_with_logits(model(torch.ones(len(batch), 1)), batch.float())

    history = fit(nll, model, x, steps=200, batch_size=20, lr=0.1, generator=seeded(), unit="nats/bit")
    assert history.loss[0] > 0.6
    assert sum(history.loss[-10:]) / 10 < 0.55
    assert history.step == list(range(1, 201))
    assert history.unit == "nats/bit"
    assert not history.interrupted


def test_the_same_seed_gives_the_same_losses_and_another_seed_others():
    losses = []
    for seed in (0, 0, 1):
        data, w, loss_fn = line()
        losses.append(fit(loss_fn, w, data, steps=20, batch_size=7, generator=seeded(seed)).loss)
    assert losses[0] == losses[1] != losses[2]


def test_every_row_is_seen_once_an_epoch_and_rows_of_a_tuple_stay_together():
    x, seen = torch.arange(10), []
    w = torch.zeros(1, requires_grad=True)

    def look(batch):
        a, b = batch
        assert torch.equal(a + 100, b)
        seen.append(a.tolist())
        return w.sum()

    fit(look, [w], (x, x + 100), steps=9, batch_size=3)
    for epoch in (seen[:3], seen[3:6], seen[6:]):
        rows = [row for batch in epoch for row in batch]
        assert len(set(rows)) == 9  # 10 = 3 * 3 + 1: one row, another one each time, sits out
    assert sorted(seen[0] + seen[1] + seen[2]) != seen[0] + seen[1] + seen[2]


def test_full_batches_are_the_data_itself():
    data, w, loss_fn = line()
    fit(lambda batch: loss_fn(batch) + 0 * (batch[0] is not data[0]), w, data, steps=2)
    x, got = torch.ones(4, 2), []
    fit(lambda batch: (got.append(batch), w.sum())[1], w, x, steps=2)
    assert all(batch is x for batch in got)


def test_any_optimizer_of_torch_is_taken():
    data, w, loss_fn = line()
    history = fit(loss_fn, w, data, steps=50, lr=0.1, optimizer=lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9))
    assert history.loss[-1] < 0.1 * history.loss[0]


def test_frozen_layers_stay_frozen():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    before = [p.clone() for p in model.parameters()]
    (x, y), _, _ = line()
    fit(lambda b: (model(b[0])[:, 0] - b[1]).square().mean(), model, (x, y), steps=3)
    assert [torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)] == [True, True, False, False]


def test_evaluation_happens_on_time_at_the_end_and_without_gradients():
    data, w, loss_fn = line()

    def evaluate():
        assert not torch.is_grad_enabled()
        return {"all": loss_fn(data), "one": 1}

    history = fit(loss_fn, w, data, steps=7, evaluate=evaluate, every=3)
    assert history.eval_step == [3, 6, 7]
    assert history.evals["one"] == [1.0, 1.0, 1.0]
    assert history.evals["all"][0] == pytest.approx(history.loss[3])  # after step 3 = before the update of step 4
    assert fit(loss_fn, w, data, steps=100, evaluate=evaluate).eval_step == list(range(5, 101, 5))


def test_an_interrupt_returns_what_is_there_and_fit_goes_on_from_it():
    data, w, loss_fn = line()
    calls = iter(range(100))

    def interrupted(batch):
        if next(calls) == 12:
            signal.raise_signal(signal.SIGINT)  # what the stop button sends
        return loss_fn(batch)

    first = fit(interrupted, w, data, steps=100, lr=0.1)
    assert first.interrupted
    assert len(first.loss) == len(first.step) == 12
    assert repr(first).endswith("interrupted)")
    second = fit(interrupted, w, data, steps=10, lr=0.1)
    assert not second.interrupted
    assert second.loss[0] < first.loss[-1] < first.loss[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_it_spoils_the_parameters(bad):
    data, w, loss_fn = line()
    calls = iter(range(100))
    with pytest.raises(FloatingPointError, match=f"the loss is {bad} at step 6 .*a step before.*lower lr"):
        fit(lambda batch: loss_fn(batch) * (bad if next(calls) == 5 else 1), w, data, steps=100)
    assert w.isfinite().all()


def test_losses_read_late_as_on_a_gpu_are_the_same_losses(monkeypatch):
    data, w, loss_fn = line()
    at_once = fit(loss_fn, w, data, steps=50).loss
    start = train._Log.__init__

    def late(self, *args, **kwargs):
        start(self, *args, **kwargs)
        self.every_step = False

    monkeypatch.setattr(train._Log, "__init__", late)
    data, w, loss_fn = line()
    assert fit(loss_fn, w, data, steps=50).loss == at_once
    calls = iter(range(100))
    with pytest.raises(FloatingPointError, match="nan at step 4 "):
        fit(lambda batch: loss_fn(batch) * (math.nan if next(calls) == 3 else 1), w, data, steps=9)


def dtype_inside(monkeypatch, dtype):
    """The dtype of a matmul within fit where pick_dtype says `dtype`, and whether a scaler was at work."""
    scaled, got = [], []
    scale = torch.amp.GradScaler.scale

    def spy(self, loss):
        scaled.append(self.is_enabled())
        return scale(self, loss)

    monkeypatch.setattr(torch.amp.GradScaler, "scale", spy)
    if dtype:
        monkeypatch.setattr(train, "pick_dtype", lambda device: (dtype, "because"))
    (x, y), _, _ = line()
    v = torch.zeros(3, 1, requires_grad=True)

    def loss_fn(batch):
        out = batch[0] @ v
        got.append(out.dtype)
        return (out[:, 0].float() - batch[1]).square().mean()

    history = fit(loss_fn, v, (x, y), steps=20, lr=0.1)
    assert history.loss[-1] < history.loss[0]
    assert v.dtype == torch.float32
    return got[0], scaled[0]


@pytest.mark.parametrize(("dtype", "scaler"), [(None, False), (torch.bfloat16, False), (torch.float16, True)])
def test_precision_follows_pick_dtype_and_only_float16_is_scaled(monkeypatch, dtype, scaler):
    assert dtype_inside(monkeypatch, dtype) == (dtype or torch.float32, scaler)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_learns_too(monkeypatch):
    model = nn.Linear(3, 1).cuda()
    (x, y), _, _ = line(1000)
    history = fit(
        lambda b: (model(b[0])[:, 0] - b[1]).square().mean(),
        model,
        (x, y),
        steps=300,
        batch_size=100,
        device="cuda",
        generator=seeded(),
    )
    assert history.loss[-1] < 0.1 * history.loss[0]
    assert len(history.loss) == 300


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"steps": 0}, ValueError, "steps must be a whole number, at least 1; got 0"),
        ({"steps": 1e3}, ValueError, "got 1000.0"),
        ({"batch_size": 61}, ValueError, r"batch_size must be None or in 1..60, the number of rows in data; got 61"),
        ({"batch_size": 0}, ValueError, "got 0"),
        ({"every": 5}, ValueError, "come with evaluate=; got every=5"),
        ({"evaluate": lambda: 1.0}, TypeError, "must return a dict .* got 1.0"),
        ({"params": []}, ValueError, "params holds no tensor"),
        ({"params": [torch.zeros(4)]}, ValueError, r"params\[0\] of shape \(4,\) must be a leaf"),
        (
            {"params": [torch.zeros(4, requires_grad=True) * 2]},
            ValueError,
            r"params\[0\] of shape \(4,\) must be a leaf",
        ),
        ({"params": ["w"]}, TypeError, r"params\[0\] is a str"),
        ({"params": torch.zeros(3, device="meta", requires_grad=True)}, ValueError, "one device, got cpu and meta"),
        ({"data": torch.zeros(60).numpy()}, TypeError, r"data\[0\] is a ndarray"),
        (
            {"data": (torch.zeros(60, 3), torch.zeros(59))},
            ValueError,
            r"same number of rows, at least 1; got \[60, 59\]",
        ),
        ({"loss_fn": lambda batch: batch[0]}, ValueError, r"must return a scalar tensor, got shape \(60, 3\); is a"),
        ({"loss_fn": lambda batch: 1.0}, ValueError, "must return a scalar tensor, got 1.0"),
    ],
)
def test_a_wrong_argument_is_quoted(change, error, says):
    data, w, loss_fn = line()
    args = {"loss_fn": loss_fn, "params": [w], "data": data, "steps": 5, **change}
    with pytest.raises(error, match=says):
        fit(args.pop("loss_fn"), args.pop("params"), args.pop("data"), **args)


# ---------------------------------------------------------------- progress


def test_progress_goes_through_anything_and_says_nothing_of_a_short_loop(capfd):
    assert list(progress([3, 1, 2])) == [3, 1, 2]
    assert dict(progress({"a": 1}.items())) == {"a": 1}
    assert list(progress(x * x for x in range(3))) == [0, 1, 4]  # of no known length
    assert capfd.readouterr() == ("", "")


def test_progress_shows_a_bar_in_a_terminal_and_clears_it(monkeypatch, capfd):
    monkeypatch.setattr(train, "SHOW_AFTER", 0)
    assert list(progress(range(3), unit="files", label="reading")) == [0, 1, 2]
    out, err = capfd.readouterr()
    assert "reading:" in err
    assert err.split("\r")[-1].strip() == ""
    assert out == ""


def test_a_bar_is_free_again_after_a_loop_that_was_left():
    for _ in progress(range(3)):
        break
    with pytest.raises(ZeroDivisionError):
        [1 // x for x in progress(range(3))]
    assert train._Bar.outermost is None


def test_out_of_a_notebook_an_interrupt_is_never_swallowed():
    def squares():
        return [x * x if x < 2 else signal.raise_signal(signal.SIGINT) for x in progress(range(9), stoppable=True)]

    with pytest.raises(KeyboardInterrupt):  # or `make checkpoints` would store what is half trained
        squares()


# ---------------------------------------------------------------- trained or measured before


@pytest.fixture
def course(tmp_path, monkeypatch):
    """An empty course folder."""
    (tmp_path / "lectures").mkdir()
    monkeypatch.setattr(train, "COURSE", tmp_path)
    return tmp_path


def test_a_checkpoint_comes_back_with_what_is_known_of_it(course):
    trained, model = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    train.save_checkpoint("90_tiny", trained, nll=1.5, binarisation="dynamic")
    assert train.checkpoint("90_tiny", model) == {"nll": "1.5", "binarisation": "dynamic"}
    assert torch.equal(model.weight, trained.weight)
    assert torch.equal(model.bias, trained.bias)


def test_a_checkpoint_that_is_missing_too_large_or_of_another_model_is_said(course):
    with pytest.raises(FileNotFoundError, match=r"90_tiny\.safetensors is missing: `make checkpoints`"):
        train.checkpoint("90_tiny", torch.nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"'90_tiny' has 1,\d\d\d,\d\d\d bytes; at most 1,000,000"):
        train.save_checkpoint("90_tiny", torch.nn.Linear(500, 501))
    assert list(course.rglob("*.safetensors")) == []
    train.save_checkpoint("90_tiny", torch.nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="size mismatch"):
        train.checkpoint("90_tiny", torch.nn.Linear(4, 2))


def test_what_was_measured_is_found_by_its_id(course):
    (course / "bench").mkdir()
    (course / "bench" / "results.json").write_text('[{"id": "90-a", "ours": 2.5}, {"id": "90-b", "ours": 3}]')
    assert train.measured("90-b") == {"id": "90-b", "ours": 3}
    with pytest.raises(KeyError, match="no '90-c'; it has 90-a, 90-b"):
        train.measured("90-c")


# ---------------------------------------------------------------- record


def test_a_record_is_printed_outside_ipython(capsys):
    record(test_nll=torch.tensor(88.25), unit="nats/image", paper=88.0, source="Germain et al. 2015, table 4")
    assert capsys.readouterr().out == (
        "test_nll = 88.25 nats/image   paper: 88 (Germain et al. 2015, table 4)   cpu budget, cpu\n"
    )


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({}, TypeError, "one named value .* got none"),
        ({"a": 1, "b": 2}, TypeError, "got a, b"),
        ({"a": math.nan}, ValueError, "one finite number, got a=nan"),
        ({"a": torch.ones(2)}, ValueError, "one finite number, got a=tensor"),
        ({"a": "low"}, ValueError, "one finite number, got a='low'"),
        ({"a": 1, "paper": 2}, ValueError, "paper=2 needs its source"),
    ],
)
def test_a_wrong_record_is_quoted(values, error, says):
    with pytest.raises(error, match=says):
        record(unit="nats", **values)


# ---------------------------------------------------------------- in a notebook

CELLS = [
    """
import time, torch, utils.train
from utils.train import fit, record
utils.train.SHOW_AFTER = 0.1
w = torch.ones(2, requires_grad=True)
def loss_fn(x):
    time.sleep(0.01)
    return (x * w).square().mean()
x = torch.ones(8, 2)
""",
    """history = fit(loss_fn, w, x, steps=40)""",
    """
def evaluate():
    return {"test": loss_fn(x)}
history = fit(loss_fn, w, x, steps=40, live=True, evaluate=evaluate)
""",
    """fit(lambda x: (x * w).square().mean(), w, x, steps=3);""",
    """
record(nll=history.loss[-1], unit="nats/<pixel>", source="us & them")
import sys
"matplotlib.pyplot" in sys.modules
""",
    """
from utils.train import progress
for run in progress(range(2), unit="runs", label="two"):
    fit(loss_fn, w, x, steps=20)
    for _ in progress(range(3)):
        time.sleep(0.01)
""",
]


@pytest.fixture(scope="module")
def outputs():
    """The outputs that a notebook of CELLS stores, one list a cell."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=60, kernel_name="python3", shutdown_kernel="immediate").execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_long_run_leaves_one_line_in_the_notebook(outputs):
    [output] = outputs[1]
    assert output.output_type == "display_data"
    assert output.data.keys() == {"text/plain"}
    assert output.data["text/plain"].startswith("History(40 steps in ")


def test_a_live_curve_leaves_one_picture_of_the_whole_run(outputs):
    [output] = outputs[2]
    assert output.data.keys() == {"image/png", "text/plain"}
    assert output.metadata["image/png"]["alt"].startswith("loss (nats")
    assert output.data["text/plain"].endswith(" at step 40 of 40")
    png = base64.b64decode(output.data["image/png"])
    assert png.startswith(b"\x89PNG")
    assert 5_000 < len(png) < 60_000


def test_a_short_run_leaves_nothing(outputs):
    assert outputs[3] == []


def test_of_loops_within_a_loop_only_the_outermost_has_a_line(outputs):
    [output] = outputs[5]
    assert output.data["text/plain"].startswith("two: 2 runs in ")


def test_a_record_is_published_as_data_and_as_a_row(outputs):
    shown, pyplot = outputs[4]
    row = dict(shown.data[RECORD])
    assert row.pop("value") > 0
    assert row == {
        "name": "nll",
        "unit": "nats/<pixel>",
        "paper": None,
        "source": "us & them",
        "budget": "cpu",
        "device": "cpu",
    }
    assert json.loads(json.dumps(row)) == row
    assert "nats/&lt;pixel&gt;" in shown.data["text/html"]
    assert "(us &amp; them)" in shown.data["text/html"]
    assert shown.data["text/plain"].startswith("nll = ")
    assert pyplot.data["text/plain"] == "False"  # drawing a curve needs no pyplot and leaves no figure open


def test_a_live_curve_is_not_redrawn_more_often_than_eyes_can_follow(monkeypatch):
    shown = []
    monkeypatch.setattr(train, "_display", lambda bundle, handle=None, metadata=None: shown.append(bundle) or "handle")
    curve, history = train._Curve(1000), History()
    for step in range(1000):
        history.loss.append(1 / (1 + step))
        curve.update(history)
    curve.close(history)
    assert 2 <= len(shown) <= 4
    assert shown[-1]["text/plain"] == "loss 0.001 nats at step 1,000 of 1,000"


# ---------------------------------------------------------------- interrupted in a notebook


@pytest.fixture(scope="module")
def kernel():
    """A kernel with CELLS[0] done: run(code, stop=True) interrupts it at the third thing shown; (status, outputs)."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")

    def run(code, *, stop=False):
        shown, waiting = [], stop

        def hook(message):
            nonlocal waiting
            kind, content = message["msg_type"], message["content"]
            if kind in ("display_data", "update_display_data"):
                shown.append(content["data"]["text/plain"])
            elif kind in ("stream", "execute_result"):
                shown.append(content.get("text") or content["data"]["text/plain"])
            if waiting and len(shown) == 3:
                waiting = False
                manager.interrupt_kernel()

        reply = client.execute_interactive(code, output_hook=hook, timeout=60, allow_stdin=False)
        return reply["content"].get("ename") or reply["content"]["status"], shown

    run(CELLS[0] + "\nfrom utils.train import progress")
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_the_stop_button_ends_a_stoppable_loop_after_a_whole_step(kernel):
    loop = """
begun = ended = 0
for _ in progress(range(9_000), unit="batches", stoppable=True):
    begun += 1
    time.sleep(0.01)
    ended += 1
"""
    status, shown = kernel(loop, stop=True)
    assert status == "ok"
    assert shown[-1].endswith(", interrupted")
    assert " of 9,000 batches in " in shown[-1]
    status, shown = kernel("(begun == ended, 0 < begun < 9_000)")
    assert shown == ["(True, True)"]


def test_the_stop_button_stops_every_other_loop_and_with_it_the_cell(kernel):
    status, _ = kernel("for _ in progress(range(9_000)):\n    time.sleep(0.01)", stop=True)
    assert status == "KeyboardInterrupt"
    assert kernel("list(progress(range(3)))") == ("ok", ["[0, 1, 2]"])


@pytest.mark.parametrize("live", [False, True])
def test_the_stop_button_ends_fit_and_running_the_cell_again_goes_on(kernel, live):
    cell = f"history = fit(loss_fn, w, x, steps=STEPS, live={live})\nhistory.interrupted, len(history.loss) < STEPS"
    status, shown = kernel("w.data.fill_(3.0)\n" + cell.replace("STEPS", "9_000"), stop=True)
    assert status == "ok"
    assert shown[-1] == "(True, True)"
    status, shown = kernel("before = history.loss\n" + cell.replace("STEPS", "20"))
    assert shown[-1] == "(False, False)"
    assert kernel("history.loss[0] < before[0]")[1] == ["True"]
