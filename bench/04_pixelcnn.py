"""PixelCNN and WaveNet: the likelihood of ten CPU-minutes, samplers that compute nothing twice, and what is seen."""

import copy
import math
import time

import torch
import torch.nn.functional as F
from common import alternate, cpu_seconds, from_lecture, row
from torch import nn

from utils.data import binarise, digits, digits_split
from utils.train import checkpoint, save_checkpoint

STEM = "04_pixelcnn"
CPU_SECONDS = 600
NAMES = """GatedPixelCNN MaskedPixelCNN WaveNet sample_queue sample_windowed sample_naive sample_cached sees coverage
conditional_nll gate"""
(
    GatedPixelCNN,
    MaskedPixelCNN,
    WaveNet,
    sample_queue,
    sample_windowed,
    sample_naive,
    sample_cached,
    sees,
    coverage,
    conditional_nll,
    gate,
) = from_lecture(STEM, *NAMES.split())


# ---------------------------------------------------------------- the likelihood of ten CPU-minutes


def train_pixelcnn(images, seconds=CPU_SECONDS, *, batch_size=16, lr=1e-2, seed=0):
    """The lecture's gated PixelCNN on grey digits, binarised anew in each step.  Returns (net, steps).

    The step size rises and falls with the share of the CPU time that is used up, so the run ends well wherever it runs.
    """
    torch.manual_seed(seed)
    net, generator = GatedPixelCNN(), torch.Generator().manual_seed(seed + 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, betas=(0.9, 0.99), fused=True)
    begun, used, steps = time.process_time(), 0.0, 0
    while used < 1:
        for rows in torch.randperm(len(images), generator=generator).split(batch_size):
            used = (time.process_time() - begun) / seconds
            if used >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = lr * (used / 0.1 if used < 0.1 else 0.5 + 0.5 * math.cos(math.pi * (used - 0.1) / 0.9))
            x = binarise(images[rows], generator=generator)[:, None]
            loss = conditional_nll(net(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    return net, steps


@torch.no_grad()
def test_nll(net, images):
    """Nats per image, dynamic binarisation: one draw of each test image."""
    x = binarise(images, generator=torch.Generator().manual_seed(9))[:, None]
    return sum(conditional_nll(net(part), part).item() * len(part) for part in x.split(100)) / len(x)


def likelihood():
    """Train for ten CPU-minutes, judge by the official test set, keep the net.  Returns (nats, what)."""
    torch.set_num_threads(1)
    (images, _), (test_images, _), where = digits_split()
    net, steps = train_pixelcnn(images)
    nats, parameters = test_nll(net, test_images), sum(p.numel() for p in net.parameters())
    save_checkpoint(
        "04_pixelcnn",
        net,
        nll=f"{nats:.2f} nats/image, {where}",
        binarisation="dynamic",
        cpu_seconds=CPU_SECONDS,
        parameters=parameters,
        steps=steps,
    )
    about = f"gated PixelCNN, {parameters:,} parameters, {len(images):,} digits, dynamic binarisation"
    return nats, f"{about}, {CPU_SECONDS // 60} CPU-minutes on one core ({steps:,} steps of 16), all of {where}"


def checkpoints():
    print(likelihood())


# ---------------------------------------------------------------- the same net as it is commonly written


class Masked(nn.Conv2d):
    """A square window whose weights are multiplied by a mask in each forward pass."""

    def __init__(self, like, kernel, dilation, top, left):
        """Holds the weights of the cropped convolution `like` at (top, left) of a kernel of the size `kernel`."""
        c_out, c_in, h, w = like.weight.shape
        pad = tuple(d * (k // 2) for k, d in zip(kernel, dilation, strict=True))
        super().__init__(c_in, c_out, kernel, padding=pad, dilation=dilation, bias=like.bias is not None)
        self.register_buffer("mask", torch.zeros(kernel))
        self.mask[top : top + h, left : left + w] = 1
        with torch.no_grad():
            self.weight[:, :, top : top + h, left : left + w] = like.weight
            self.bias.copy_(like.bias)

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class CommonPixelCNN(nn.Module):
    """The same function as GatedPixelCNN, with masked square windows on images padded on all sides."""

    def __init__(self, net):
        super().__init__()
        net = copy.deepcopy(net)
        self.first_v = Masked(net.first_v, (5, 7), (1, 1), 0, 0)
        self.first_h = Masked(net.first_h, (1, 7), (1, 1), 0, 0)
        self.place_v, self.place_h, self.head, self.blocks = net.place_v, net.place_h, net.head, net.blocks
        for block in self.blocks:
            d = block.dilation
            block.vertical = Masked(block.vertical, (3, 3), (d, d), 0, 0)
            block.horizontal = Masked(block.horizontal, (1, 3), (1, d), 0, 0)

    def forward(self, x):
        v, h = self.first_v(x) + self.place_v(), self.first_h(x) + self.place_h()
        for block in self.blocks:
            v = v + gate(block.vertical(v))
            above = F.pad(v, (0, 0, 1, 0))[:, :, :-1]
            h = h + block.out(gate(block.horizontal(h) + block.down(above)))
        return self.head(h)


def steps_a_second(net, images, optimizer):
    """A function that takes five training steps of 16 images."""
    opt, generator = optimizer(net.parameters(), lr=1e-4), torch.Generator().manual_seed(1)

    def run():
        for rows in torch.randperm(len(images), generator=generator).split(16)[:5]:
            x = binarise(images[rows], generator=generator)[:, None]
            opt.zero_grad()
            conditional_nll(net(x), x).backward()
            opt.step()

    return run


# ---------------------------------------------------------------- rows


def rows():
    torch.set_num_threads(1)
    images, generator = digits(1_000)[0], torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    net = GatedPixelCNN()
    plain = MaskedPixelCNN(8, 24)
    seen = [sees(which, 28, range(28)) for which in (net, plain)]
    (ours, ahead), (theirs, ahead_too) = (coverage(s, 28, range(28)) for s in seen)
    assert ahead == ahead_too == 0, "neither sees anything it must not"
    assert ours == 1 > theirs
    what = "pixels seen / allowed, by gradient, all 784 of 28x28: two stacks, 4 blocks / masked 7x7 and 24 of 3x3"
    yield row("04-coverage", what, ours, theirs, target="ours 1.000, peer < 1", unit="of the pixels allowed")

    common, x = CommonPixelCNN(net), binarise(images[:16], generator=generator)[:, None]
    assert abs(conditional_nll(common(x), x) / conditional_nll(net(x), x) - 1) < 1e-5, "the same loss"
    fused = lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, fused=True)  # noqa: E731
    both = steps_a_second(net, images, fused), steps_a_second(common, images, torch.optim.Adam)
    seconds = [s / 80 for s in alternate(*both, repeats=15)]
    what = f"training, an image ({1 / seconds[0]:.0f} images/s): cropped kernels, fused Adam / masked, NCHW, Adam"
    yield row("04-train-step", what, *seconds, target=">= 1.3")

    torch.manual_seed(0)
    wavenet = WaveNet(64)
    for p in (wavenet.place.row, wavenet.place.column):
        nn.init.normal_(p)
    u = torch.rand(16, 28, 28, generator=torch.Generator().manual_seed(2))
    slow, windowed = cpu_seconds(lambda: sample_windowed(wavenet, u), repeats=1)
    quick, queued = cpu_seconds(lambda: sample_queue(wavenet, u))
    assert torch.equal(queued, windowed), "identical samples"
    what = "WaveNet, width 64, 9 layers, 512 inputs, 16 images: queue / windowed (784 steps, once), identical, CPU time"
    yield row("04-wavenet-queue", what, quick, slow, target=100, limit=wavenet.reach)

    checkpoint(STEM, net)
    for n, target in ((16, 90), (64, 300)):
        u = torch.rand(n, 28, 28, generator=torch.Generator().manual_seed(n))
        slow, naive = cpu_seconds(lambda u=u: sample_naive(net, u), repeats=1)
        quick, cached = cpu_seconds(lambda u=u: sample_cached(net, u))
        assert torch.equal(cached, naive), "identical samples"
        what = f"PixelCNN, {n} images: every feature once / 784 full passes (all timed, once), identical, CPU time"
        yield row(f"04-sampling-{n}", what, quick, slow, target=target, limit=784)

    nats, what = likelihood()
    yield row("04-nll", what, nats, None, target="<= 88", unit="nats/image")
