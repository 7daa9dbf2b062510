"""Where to compute and how precisely, each choice with its reason; timing and memory that can be trusted.

device, why = pick_device()          # print both: a reader should see what ran where
"""

import os
import re
import statistics
import sys
import time

import torch


def pick_device(name=None):
    """The device to compute on, and why: `name`, else $COURSE_DEVICE, else the first of cuda, mps, cpu that is there.

    name: "cpu", "cuda", "cuda:1", "mps" or None.  Returns (torch.device, str).
    Raises ValueError for a name that is none of these, or for a device that this machine has not got.
    """
    asked, by = (name, "pick_device()") if name else (os.environ.get("COURSE_DEVICE", "").strip(), "$COURSE_DEVICE")
    if not asked:
        if torch.cuda.is_available():
            return torch.device("cuda"), f"{torch.cuda.get_device_name()} found"
        if torch.backends.mps.is_available():
            return torch.device("mps"), "Apple GPU found"
        return torch.device("cpu"), f"torch {torch.__version__} sees no GPU"
    asked = str(asked)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", asked):
        raise ValueError(f"{by} asks for {asked!r}; expected 'cpu', 'cuda', 'cuda:N' or 'mps'")
    device = torch.device(asked)
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= there:
        raise ValueError(f"{by} asks for {asked!r}, but torch {torch.__version__} sees {there} {device.type} device(s)")
    return device, f"{by} asks for {asked!r}"


def pick_dtype(device):
    """The dtype for torch.autocast on this device, and the reason.  Returns (torch.dtype, str).

    bfloat16 has the range of float32, so it needs no care; float16 overflows beyond 65504 and loses gradients
    below 6e-8, so it needs a gradient scaler; float32 means: no autocast.
    """
    device = torch.device(device)
    if device.type != "cuda":
        return torch.float32, f"{device.type}: full precision, no autocast"
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return torch.bfloat16, f"compute capability {major}.{minor} >= 8.0 has bfloat16 in hardware"
    return torch.float16, f"compute capability {major}.{minor} < 8.0 has no bfloat16; float16 needs a gradient scaler"


def describe(device):
    """The device as a results table names it: "cpu", "mps" or the GPU's model."""
    device = torch.device(device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def synchronize(device):
    """Wait until the device has done what was asked of it: a GPU only queues work, so a clock read before this lies."""
    kind = torch.device(device).type
    if kind != "cpu":
        {"cuda": torch.cuda, "mps": torch.mps}[kind].synchronize()


def timed(fn, *, device, repeats=5):
    """Median seconds of fn(), over `repeats` synchronised calls after one call that only warms up."""
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    seconds = []
    for _ in range(1 + repeats):
        synchronize(device)
        start = time.perf_counter()
        fn()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def peak_memory(device):
    """Most bytes held at once: by torch on a CUDA device (since torch.cuda.reset_peak_memory_stats), by the process
    on the CPU (since it started).  Apple's GPUs keep no peak: there it is what torch holds now."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if kind == "mps":
        return torch.mps.driver_allocated_memory()
    try:
        import resource
    except ImportError:
        raise NotImplementedError("peak_memory('cpu') reads getrusage, which Windows has not got") from None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts KiB, macOS bytes
