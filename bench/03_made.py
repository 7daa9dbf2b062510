"""MADE: sampling incrementally, averaging over orderings validly, and what five CPU-minutes reach on 10,000 digits."""

import copy
import math
import time

import torch
from common import alternate, from_lecture, row

from utils.data import binarise, digits, digits_test
from utils.train import save_checkpoint

STEM = "03_made"
NAMES = "MADE AnyOrder draw_degrees train sample sample_naive evaluate log_prob log_mean_exp committee scramble shrink"
PEER_SECONDS, SECONDS = 60, 300


def _lecture():
    torch.set_num_threads(1)
    return dict(zip(NAMES.split(), from_lecture(STEM, *NAMES.split()), strict=True))


def _data():
    """10,000 shipped digits (uint8), their pixels' frequencies, the official test set binarised once (10000, 784)."""
    images, test = digits()[0], digits_test()[0]
    return images, images.float().mean(0).flatten() / 255, binarise(test, generator=_seed(1)).flatten(1)


def _seed(n):
    return torch.Generator().manual_seed(n)


def _raster(lecture, ink, seed, H=500):
    generator = _seed(seed)
    return lecture["MADE"](
        torch.arange(784), lecture["draw_degrees"](784, H, generator=generator), ink=ink, generator=generator
    )


def _faster(lecture, ink, images):
    """The faster dtype in twenty steps of either: processors with matrix units for bfloat16 gain, others lose."""
    model, spent = _raster(lecture, ink, 0), {}
    for dtype in (torch.float32, torch.bfloat16) * 2:
        begun = time.process_time()
        lecture["train"](model, images[:2000], epochs=1, dtype=dtype, generator=_seed(0))
        spent[dtype] = time.process_time() - begun
    return min(spent, key=spent.get)


def rows():
    lecture = _lecture()
    images, ink, test_x = _data()
    yield _sampling(lecture, ink, images)
    yield _ensemble(lecture, ink, images, test_x)
    yield _peer(lecture, ink, images, test_x)
    yield _nll(lecture, ink, images, test_x)


def _sampling(lecture, ink, images):
    sample, naive = lecture["sample"], lecture["sample_naive"]
    model = _raster(lecture, ink, 2)
    lecture["train"](model, images, epochs=1, generator=_seed(3))
    u = torch.rand(100, 784, generator=_seed(4))
    double = copy.deepcopy(model).double()
    assert torch.equal(sample(double, u[:10].double()), naive(double, u[:10].double())), (
        "the same pictures, bit for bit"
    )
    same = (sample(model, u) == naive(model, u)).all(1).sum().item()
    assert same >= 99, (
        "in single precision a uniform may fall between two roundings, in one picture of a hundred at most"
    )
    what = (
        f"MADE 1x500, n = 100, 784 pixels: incremental / one pass a pixel; {same} of 100 pictures identical (float32)"
    )
    times = alternate(lambda: sample(model, u), lambda: naive(model, u), repeats=5)
    return row("03-sampling", what, *times, target=30, limit=784)


def _ensemble(lecture, ink, images, test_x):
    """One network for all orderings of 28x28; eight of them as a committee."""
    AnyOrder, committee, log_mean_exp = (lecture[name] for name in ("AnyOrder", "committee", "log_mean_exp"))
    every = torch.cartesian_prod(*[torch.arange(2, dtype=torch.float64)] * 10)
    small = AnyOrder(10, 32, generator=_seed(5)).double()
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=_seed(6), dtype=torch.float64))
    members, wrong = committee(small, every, 8, generator=_seed(7))
    assert abs(log_mean_exp(members).exp().sum() - 1) < 1e-9, "the mixture sums to one over all 2^10 inputs"
    wrong_sum = wrong.exp().sum().item()
    assert abs(wrong_sum - 1) > 1e-3, "the mean of the logits does not"

    M, seconds = 8, 120
    model = AnyOrder(784, 500, ink=ink, generator=_seed(8))
    lecture["train"](model, images, seconds=seconds, dtype=_faster(lecture, ink, images), generator=_seed(9))
    log_p, wrong = [], []
    for some in test_x.split(2000):  # the same orderings for every part
        part, fake = committee(model, some, M, generator=_seed(10))
        log_p.append(part)
        wrong.append(fake)
    log_p, wrong = torch.cat(log_p, 1), torch.cat(wrong)
    ours, best = log_mean_exp(log_p), log_p.max(0).values
    assert (ours >= best - math.log(M) - 1e-3).all(), "within log(M) of the best member, picture by picture"
    assert (ours <= best + 1e-3).all()
    what = (
        f"{M} orderings of one network 1x500, log-mean-exp / mean single ordering (official test set, dynamic "
        f"binarisation, 10k digits, {seconds} CPU-s; invalid mean of logits {-wrong.mean():.1f}, which sums to "
        f"{wrong_sum:.3g} over 2^10 inputs of a small one; best member of each picture {-best.mean():.1f})"
    )
    return row(
        "03-ensemble",
        what,
        -ours.mean().item(),
        -log_p.mean().item(),
        target="<= peer, sums to 1",
        limit=-best.mean().item(),
        unit="nats",
    )


def _plain_made(images, test_x, H=500):
    """MADE as commonly written: masks multiplied in every pass, no direct wires, zero biases, Adam at a constant 1e-3.

    Binarised anew each epoch like ours. Trains for PEER_SECONDS. Returns (nats per test image, epochs).
    """
    generator = _seed(11)
    place, degree = torch.arange(1, 785), torch.randint(1, 784, (H,), generator=generator)
    into, out = torch.nn.Linear(784, H), torch.nn.Linear(H, 784)
    mask_in, mask_out = (degree[:, None] >= place).float(), (place[:, None] > degree).float()

    def nll(x):
        hidden = torch.relu(torch.nn.functional.linear(x, into.weight * mask_in, into.bias))
        logits = torch.nn.functional.linear(hidden, out.weight * mask_out, out.bias)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)

    adam = torch.optim.Adam([*into.parameters(), *out.parameters()], lr=1e-3)
    begun, steps = time.process_time(), 0
    while time.process_time() - begun < PEER_SECONDS:
        x = binarise(images, generator=generator).flatten(1)
        for rows_ in torch.randperm(len(x), generator=generator).split(100):
            adam.zero_grad()
            nll(x[rows_]).backward()
            adam.step()
            steps += 1
    with torch.no_grad():
        return nll(test_x).item(), steps * 100 // len(images)


def _peer(lecture, ink, images, test_x):
    """Same width, data and number of epochs: the number that the plain one gets through in its minute."""
    theirs, epochs = _plain_made(images, test_x)
    model = _raster(lecture, ink, 12)
    begun = time.process_time()
    lecture["train"](model, images, epochs=epochs, dtype=_faster(lecture, ink, images), generator=_seed(13))
    spent = time.process_time() - begun
    ours = lecture["evaluate"](model, test_x)
    what = (
        f"MADE 1x500 for {epochs} epochs, official test set, dynamic binarisation, 10k digits: ours in {spent:.0f} / "
        f"plain (masks in every pass, no direct wires, constant Adam) in {PEER_SECONDS} CPU-s"
    )
    return row("03-peer-nll", what, ours, theirs, target="< peer", unit="nats")


def _nll(lecture, ink, images, test_x):
    model = _raster(lecture, ink, 14)
    dtype, begun = _faster(lecture, ink, images), time.process_time()
    losses = lecture["train"](model, images, seconds=SECONDS, wobble=0.2, dtype=dtype, generator=_seed(15))
    spent = time.process_time() - begun
    parameters = sum(int(getattr(model, f"M_{name}").sum()) for name in "WVA") + len(model.b) + len(model.c)
    what = (
        f"MADE 1x500, official test set, dynamic binarisation, 10k digits bent a little for 4/5 of the run, "
        f"{spent / 60:.1f} CPU-minutes on one core ({parameters / 1e6:.2f}M free weights, {len(losses):,} steps of "
        f"100, {str(dtype).removeprefix('torch.')})"
    )
    return row("03-nll", what, lecture["evaluate"](model, test_x), None, target="<= 95", unit="nats")


def checkpoints(seconds=200):
    """The network for all orderings of 14x14 digits that the lecture completes and averages with."""
    lecture = _lecture()
    images = lecture["shrink"](digits()[0])
    model = lecture["AnyOrder"](196, 400, ink=images.float().mean(0).flatten() / 255, generator=_seed(16))
    losses = lecture["train"](model, images, seconds=seconds, generator=_seed(17))
    facts = {
        "data": "10,000 digits, 14x14, dynamic binarisation",
        "steps": f"{len(losses):,} of 100",
        "CPU seconds": seconds,
        "training loss at the end": f"{sum(losses[-500:]) / 500:.2f} nats",
    }
    save_checkpoint("03_any_order", model.half(), **facts)
