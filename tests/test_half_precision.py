"""On a GPU without bfloat16, such as Colab's T4: float16 with a gradient scaler in every training loop."""

import ast
import sys

import pytest
import torch
from conftest import ROOT

from utils.device import pick_dtype

sys.path.insert(0, str(ROOT / "bench"))
import common

FILES = sorted([*(ROOT / "utils").rglob("*.py"), *(ROOT / "source").glob("*/*.py")])


@pytest.fixture
def t4(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 5))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)  # torch counts emulation
    return torch.device("cuda")


@pytest.fixture
def scaled(monkeypatch):
    """Of every loss that went through a gradient scaler: was it enabled?"""
    seen, scale = [], torch.amp.GradScaler.scale

    def spy(self, loss):
        seen.append(self.is_enabled())
        return scale(self, loss)

    monkeypatch.setattr(torch.amp.GradScaler, "scale", spy)
    return seen


def uses(tree, name):
    return [node for node in ast.walk(tree) if name in (getattr(node, "attr", None), getattr(node, "id", None))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_bfloat16_is_named_only_beside_pick_dtype(path):
    for node in ast.parse(path.read_text()).body:
        if uses(node, "bfloat16"):
            assert uses(node, "pick_dtype") or getattr(node, "name", "") == "pick_dtype", f"line {node.lineno}"


def test_the_lecture_on_contrastive_methods_takes_float16_on_a_t4(t4):
    [half] = common.from_lecture("12_contrastive", "half")
    assert half(t4) == pick_dtype(t4)[0] == torch.float16


def test_made_trains_in_float16_with_a_scaler(scaled):
    MADE, draw_degrees, train = common.from_lecture("03_made", "MADE", "draw_degrees", "train")

    def run(dtype):
        seed = torch.Generator().manual_seed(0)
        model = MADE(torch.arange(64), draw_degrees(64, 32, generator=seed), generator=seed)
        images = (torch.rand(200, 8, 8, generator=seed) * 255).to(torch.uint8)
        return torch.tensor(train(model, images, epochs=5, dtype=dtype, generator=seed))

    full = run(torch.float32)
    assert not any(scaled)
    scaled.clear()
    torch.testing.assert_close(run(torch.float16), full, rtol=0.01, atol=0)
    assert scaled
    assert all(scaled)


def test_contrastive_training_runs_in_float16_with_a_scaler(scaled):
    Encoder, SimCLR, train_contrast = common.from_lecture("12_contrastive", "Encoder", "SimCLR", "train_contrast")
    images = (torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)

    def run(dtype):
        torch.manual_seed(0)
        seed = torch.Generator().manual_seed(0)
        method = SimCLR(Encoder())
        losses, _ = train_contrast(method, images, steps=4, batch_size=8, dtype=dtype, generator=seed)
        return torch.tensor(losses)

    full = run(torch.float32)
    assert not any(scaled)
    scaled.clear()
    half = run(torch.float16)
    torch.testing.assert_close(half[0], full[0], rtol=0.01, atol=0)
    assert half.isfinite().all(), "the scaler leaves out a step that overflows"
    assert all(scaled)
    assert len(scaled) == 4
