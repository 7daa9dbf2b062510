"""utils.device: the choice and its reason, time and memory."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from utils.device import describe, peak_memory, pick_device, pick_dtype, timed


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)


def test_importing_utils_loads_nothing_heavy():
    heavy = ("matplotlib.pyplot", "IPython", "ipywidgets", "pooch", "requests", "sklearn", "PIL")
    code = (
        "import sys, utils, utils.device, utils.train, utils.data; "
        f"print(*(m for m in {heavy!r} if m in sys.modules), sep=',')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COURSE_DATA": "/no/such/folder"},
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_device_comes_with_its_reason():
    device, why = pick_device()
    assert device.type in ("cpu", "cuda", "mps")
    assert why


def test_the_argument_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "nonsense")
    assert pick_device("cpu") == (torch.device("cpu"), "pick_device() asks for 'cpu'")


def test_the_environment_wins_over_the_machine(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device() == (torch.device("cpu"), "$COURSE_DEVICE asks for 'cpu'")


def test_cuda_is_preferred_and_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla T4")
    assert pick_device() == (torch.device("cuda"), "Tesla T4 found")
    assert describe("cuda") == "Tesla T4"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:1", "CUDA", "cuda:-1"])
def test_an_unknown_device_is_quoted_with_the_choices(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("COURSE_DEVICE", name)
    with pytest.raises(ValueError, match=rf"\$COURSE_DEVICE asks for '{name}'; expected 'cpu', 'cuda', 'cuda:N' or"):
        pick_device()


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("COURSE_DEVICE", "cuda:1")
    with pytest.raises(ValueError, match=r"'cuda:1', but torch .* sees 1 cuda device"):
        pick_device()


@pytest.mark.parametrize(
    ("capability", "dtype", "says"),
    [
        ((7, 5), torch.float16, "needs a gradient scaler"),
        ((8, 0), torch.bfloat16, "8.0 has bfloat16"),
        ((9, 0), torch.bfloat16, "9.0"),
    ],
)
def test_the_autocast_dtype_follows_the_compute_capability(monkeypatch, capability, dtype, says):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    got, why = pick_dtype("cuda")
    assert got == dtype
    assert says in why


def test_the_cpu_gets_full_precision():
    assert pick_dtype(torch.device("cpu"))[0] == torch.float32


def test_timed_is_the_median_and_leaves_the_warm_up_out():
    naps = iter([0.2, 0.0, 0.02, 0.02, 0.02, 0.1])
    assert 0.019 < timed(lambda: time.sleep(next(naps)), device="cpu", repeats=5) < 0.09
    assert next(naps, None) is None
    with pytest.raises(ValueError, match="at least 1, got 0"):
        timed(lambda: None, device="cpu", repeats=0)


def test_peak_memory_counts_bytes():
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("only Linux tells the peak in another way")
    [kib] = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert peak_memory("cpu") == pytest.approx(1024 * int(kib), rel=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_waited_for():
    a = torch.randn(4096, 4096, device="cuda")
    assert timed(lambda: a @ a, device="cuda") > 1e-5
    assert peak_memory("cuda") >= a.nbytes
