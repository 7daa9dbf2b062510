"""NT-Xent and the views beside their usual forms; SimCLR, MoCo and PIRL after three CPU-minutes; fine-tuning."""

import statistics
import time

import torch
from common import cpu_seconds, from_lecture, peer_packages, row

from utils.data import digits, digits_split, digits_test, fashion_mnist
from utils.device import describe, pick_device
from utils.train import checkpoint, save_checkpoint

NAMES = """nt_xent augment Encoder SimCLR MoCo PIRL train_contrast features knn linear_probe label_subsets fine_tune
accuracy"""
(
    nt_xent,
    augment,
    Encoder,
    SimCLR,
    MoCo,
    PIRL,
    train_contrast,
    features,
    knn,
    linear_probe,
    label_subsets,
    fine_tune,
    accuracy,
) = from_lecture("12_contrastive", *NAMES.split())
CPU_SECONDS, SEEDS, SHARES = 180, (0, 1), (1, 10, 100)
TARGETS = {1: 90.5, 10: 96.5, 100: 98.0}  # % right
MORE = 7  # points over the random network, with 1 % of the labels
TUNING = {1: 60, 10: 100}  # steps of fine-tuning, by % of the labels


def data():
    """(images (n, 1, 28, 28) uint8, labels), the same of the test set, the name of the test set."""
    train_set, test_set, where = digits_split()
    return *((images[:, None], labels) for images, labels in (train_set, test_set)), where


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- the loss, and the views


def with_gradient(loss, z1, z2):
    """The loss of two leaves (B, d), and both gradients."""
    z1, z2 = (z.detach().requires_grad_() for z in (z1, z2))
    value = loss(z1, z2)
    return value.item(), torch.cat(torch.autograd.grad(value, (z1, z2)))


def ntxent_row(B, *, d=64, tau=0.2, repeats=5):
    """The lecture's NT-Xent and pytorch-metric-learning's: the same numbers, forwards and backwards."""
    peer_packages()
    from pytorch_metric_learning.losses import NTXentLoss

    theirs, pairs = NTXentLoss(temperature=tau), torch.arange(B).repeat(2)
    z1, z2 = torch.randn(2, B, d, generator=seeded(0)).unbind()

    def ours():
        return with_gradient(lambda a, b: nt_xent(a, b, tau), z1, z2)

    def peer():
        return with_gradient(lambda a, b: theirs(torch.cat([a, b]), pairs), z1, z2)

    cpu_seconds(ours, repeats=2)  # warm
    mine, (value, slope) = cpu_seconds(ours, repeats=20)
    other, (their_value, their_slope) = cpu_seconds(peer, repeats=repeats)
    gaps = abs(value / their_value - 1), ((slope - their_slope).norm() / their_slope.norm()).item()
    assert max(gaps) < 1e-6, f"the same loss and gradient, got relative differences of {gaps}"
    what = (
        f"NT-Xent, forward and backward, {B} pairs of {d} floats, tau {tau}, float32: the lecture's / "
        f"pytorch-metric-learning {_version('pytorch-metric-learning')}, CPU time of one thread, median of 20 and of "
        f"{repeats}; relative difference of the losses {gaps[0]:.0e}, of the gradients {gaps[1]:.0e}"
    )
    return row(f"12-ntxent-{B}", what, mine, other, target=">= 100x, same value and gradient to 1e-6")


def _version(package):
    from importlib.metadata import version

    return version(package)


def augment_row(images, B=256):
    """Views of a batch at once / of one image after the other, the same function, per image."""
    x = images[:B].float() / 255
    still = dict.fromkeys(("angle", "scale", "shear", "shift", "elastic", "weight", "erase"), 0)
    for views in (augment(x, **still), torch.cat([augment(one, **still) for one in x.split(1)])):
        assert torch.allclose(views, x, atol=1e-4), "with every part switched off a view is the image"
    ours, views = cpu_seconds(lambda: augment(x, generator=seeded(0)))
    peer, singly = cpu_seconds(lambda: torch.cat([augment(one, generator=seeded(0)) for one in x.split(1)]), repeats=3)
    assert views.shape == singly.shape == x.shape
    what = f"random views of {B} digits, seconds per image: one batch / one image at a time, the same function"
    return row("12-augment", what, ours / B, peer / B, target=">= 5x")


# ---------------------------------------------------------------- three CPU-minutes of each method


def trained(name, seed, images, *, seconds=CPU_SECONDS):
    """One run of "simclr", "moco" or "pirl" with the lecture's settings: (method, its facts)."""
    torch.manual_seed(seed)
    encoder = Encoder()
    method = PIRL(encoder, len(images)) if name == "pirl" else {"simclr": SimCLR, "moco": MoCo}[name](encoder)
    losses, taken = train_contrast(method, images, seconds=seconds, generator=seeded(seed))
    method.eval()
    return method, {"seed": seed, "steps": len(losses), "cpu_seconds": round(taken), "loss": f"{losses[-1]:.3f}"}


def judged(h, h_test, labels, test_labels, *, neighbours=True):
    """Accuracies in %: {1: of each subset, 10: of each subset, 100: [one], "knn": [one]}."""
    found = {}
    for share in SHARES:
        subsets = label_subsets(labels, share / 100) if share < 100 else [torch.arange(len(labels))]
        found[share] = [100 * linear_probe(h[rows], labels[rows], h_test, test_labels, scale_by=h) for rows in subsets]
    if neighbours:
        found["knn"] = [100 * knn(h, labels, h_test, test_labels)]
    return found


def judge(encoder, sets, **how):
    """`judged` by an encoder's features; how: what `features` gets."""
    (images, labels), (test_images, test_labels) = sets
    return judged(features(encoder, images, **how), features(encoder, test_images, **how), labels, test_labels)


def random_net(sets):
    """The untrained network by its better read-out, the last map's mean or its 3 x 3 cells: (accuracies, cells)."""
    torch.manual_seed(0)
    encoder = Encoder().eval()
    both = {cells: judge(encoder, sets, cells=cells) for cells in (1, 3)}
    return {share: max((statistics.mean(found[share]), cells) for cells, found in both.items()) for share in SHARES}


def keep(name, method, facts, found, where):
    """Write the lecture's checkpoint: the encoder with its head, PIRL with both heads and without its memory."""
    facts = facts | {f"right_{share}": f"{statistics.mean(found[share]):.2f}% of {where}" for share in SHARES}
    if name == "simclr":
        save_checkpoint("12_simclr", method.encoder, **facts)
    elif name == "moco":
        save_checkpoint("12_moco", method.encoder, **facts)
    else:
        method.bank = method.bank[:0]
        save_checkpoint("12_pirl", method, **facts)


def _spread(values):
    return f"{statistics.mean(values):.2f} +- {statistics.pstdev(values):.2f}"


def _count(things, name="subset"):
    return f"{len(things)} {name}{'s' * (len(things) > 1)}"


def _settings(name, runs):
    steps = ", ".join(f"{facts['steps']:,}" for facts, _ in runs)
    return (
        f"{name}, 10,000 digits without labels, encoder of 92,896 parameters (head apart), {CPU_SECONDS // 60} "
        f"CPU-minutes on one thread, batch 256 ({steps} steps; seed {' and '.join(str(f['seed']) for f, _ in runs)})"
    )


def simclr_rows(runs, random, where):
    """runs: [(facts, accuracies)]; random: what random_net found.  A row for each share of the labels."""
    for share in SHARES:
        right = [statistics.mean(found[share]) for _, found in runs]
        each = ", ".join(_spread(found[share]) for _, found in runs)
        baseline, cells = random[share]
        what = (
            f"{_settings('SimCLR', runs)}; linear probe on {share} % of the labels, % of {where} that it gets "
            f"wrong, mean of {_count(runs[0][1][share])} and {_count(runs, 'seed')} / the same of the "
            f"untrained network by its better read-out (last map averaged over {cells} x {cells} cells). "
            f"Right: {each} %, untrained {baseline:.2f} %, {statistics.mean(right) - baseline:+.1f} points"
        )
        target = f">= {TARGETS[share]} % right" + (f", >= {MORE} points over the random network" if share == 1 else "")
        ours = 100 - statistics.mean(right)
        yield row(f"12-simclr-{share}", what, ours, 100 - baseline, target=target, unit="% wrong")


def other_row(name, run, random, where):
    """MoCo or PIRL: 1 % of the labels as the number, the rest in words."""
    found = run[1]
    title = {"moco": "MoCo (queue of 4,096, momentum 0.99)", "pirl": "PIRL (memory of all, 1,024 negatives)"}[name]
    what = (
        f"{_settings(title, [run])}; linear probe on 1 % of the labels, % of {where} that it gets wrong, mean of "
        f"{len(found[1])} subsets / the untrained network's better read-out. Right with 1, 10, 100 %: "
        f"{_spread(found[1])}, {_spread(found[10])}, {found[100][0]:.2f}; 20 nearest neighbours {found['knn'][0]:.2f} %"
    )
    return row(
        f"12-{name}", what, 100 - statistics.mean(found[1]), 100 - random[1][0], target="reported", unit="% wrong"
    )


# ---------------------------------------------------------------- fine-tuning


def tuned(encoder, share, sets):
    """[(% right of the linear probe, % right fine-tuned)] of five subsets."""
    (images, labels), (test_images, test_labels) = sets
    h, test = features(encoder, images), test_images.float() / 255
    pairs = []
    for seed, rows in enumerate(label_subsets(labels, share / 100)):
        x, y = images[rows], labels[rows]
        nets = [
            fine_tune(encoder, x, y, steps=steps, scale_by=h, generator=seeded(seed)) for steps in (0, TUNING[share])
        ]
        pairs.append([100 * accuracy(net, test, test_labels) for net in nets])
    return pairs


def finetune_row(share, pairs, where):
    probe, fine = (list(column) for column in zip(*pairs, strict=True))
    what = (
        f"SimCLR's network (checkpoint 12_simclr) fine-tuned on {share} % of the labels from its own linear probe, "
        f"{TUNING[share]} steps of 100, Adam 3e-4, no augmentation, % of {where} that it gets wrong, mean of "
        f"{len(pairs)} subsets / that probe. Right: {_spread(fine)} %, probe {_spread(probe)} %; subset by subset "
        f"{', '.join(f'{b - a:+.2f}' for a, b in pairs)} points"
    )
    wrong, peer = (100 - statistics.mean(column) for column in (fine, probe))
    return row(f"12-finetune-{share}", what, wrong, peer, target=">= its own linear probe", unit="% wrong")


# ---------------------------------------------------------------- clothes, and a GPU


def fashion():
    """(images (n, 1, 28, 28) uint8, labels), the same of the test set, the name of the test set: Fashion-MNIST."""
    train_set, test_set = fashion_mnist("train"), fashion_mnist("test")
    return *((images[:, None], labels) for images, labels in (train_set, test_set)), "Fashion-MNIST's test set"


def fashion_row():
    """The digits' recipe on 10,000 clothes, nothing tuned: what a probe on 1 % of the labels gets wrong."""
    *sets, where = fashion()
    sets[0] = tuple(part[:10_000] for part in sets[0])
    method, facts = trained("simclr", SEEDS[0], sets[0][0])
    found, random = judge(method.encoder, sets), random_net(sets)
    pixels = judged(*(images.flatten(1).float() / 255 for images, _ in sets), sets[0][1], sets[1][1])
    what = (
        f"SimCLR with the digits' recipe and views on 10,000 images of Fashion-MNIST, {CPU_SECONDS // 60} CPU-minutes "
        f"on one thread ({facts['steps']:,} steps, seed {facts['seed']}); linear probe on 1 % of the labels, % of "
        f"{where} that it gets wrong, mean of {len(found[1])} subsets / the untrained network's better read-out. Right "
        f"with 1, 10, 100 %, and 20-NN: {_four(found)}; untrained "
        f"{', '.join(f'{random[share][0]:.2f}' for share in SHARES)}; pixels {_four(pixels)}"
    )
    wrong = 100 - statistics.mean(found[1])
    return row("12-fashion", what, wrong, 100 - random[1][0], target="reported", unit="% wrong")


def _four(found):
    return ", ".join(f"{statistics.mean(found[key]):.2f}" for key in (*SHARES, "knn"))


def gpu_rows(device, *, epochs=100, most=None):
    """Where CUDA is: SimCLR on all digits and all clothes, images a second by the clock.  most: images, for a trial."""
    for name, (train_set, test_set, where) in (("digits", whole_mnist()), ("fashion", fashion())):
        sets = [tuple(part[:most].to(device) for part in one) for one in (train_set, test_set)]
        torch.manual_seed(0)
        method, steps = SimCLR(Encoder().to(device)), max(1, epochs * len(sets[0][0]) // 256)
        begun = time.perf_counter()  # the loop asks for each loss, so that it does not run ahead of the device
        losses, _ = train_contrast(method, sets[0][0], steps=steps)
        rate = 256 * len(losses) / (time.perf_counter() - begun)
        found = judge(method.encoder, sets)
        what = (
            f"SimCLR on {len(sets[0][0]):,} images ({name}), {epochs} epochs of batch 256, {describe(device)}: images "
            f"a second, two views each; right with 1, 10, 100 % of the labels and 20-NN, {where}: {_four(found)}"
        )
        yield row(f"12-gpu-{name}", what, rate, None, target="reported", unit="images/s")


def whole_mnist():
    """All 60,000 digits where they are at hand, else those that ship; the official test set."""
    return *((images[:, None], labels) for images, labels in (digits("full"), digits_test())), "MNIST's test set"


# ---------------------------------------------------------------- all of it


def contrast(name, seeds, sets, where):
    """Train with every seed and judge; the first seed's network becomes the checkpoint.  [(facts, accuracies)]."""
    runs = []
    for seed in seeds:
        begun = time.perf_counter()
        method, facts = trained(name, seed, sets[0][0])
        runs.append((facts, judge(method.encoder, sets)))
        if seed == seeds[0]:
            keep(name, method, *runs[0], where)
        print(f"  {name}, seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)
    return runs


def checkpoints():
    torch.set_num_threads(1)
    *sets, where = data()
    for name in ("simclr", "moco", "pirl"):
        contrast(name, SEEDS[:1], sets, where)


def rows():
    torch.set_num_threads(1)
    *sets, where = data()
    yield ntxent_row(128)
    yield augment_row(sets[0][0])
    yield ntxent_row(512, repeats=1)
    random = random_net(sets)
    yield from simclr_rows(contrast("simclr", SEEDS, sets, where), random, where)
    for name in ("moco", "pirl"):
        yield other_row(name, *contrast(name, SEEDS[:1], sets, where), random, where)
    encoder = Encoder()
    checkpoint("12_simclr", encoder)
    for share in TUNING:
        yield finetune_row(share, tuned(encoder.eval(), share, sets), where)
    try:
        yield fashion_row()
    except FileNotFoundError as error:
        print(f"  12-fashion is left out: {error}")
    device, _ = pick_device()
    if device.type == "cuda":
        yield from gpu_rows(device)
