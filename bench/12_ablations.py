"""What lecture 12 quotes: the table of section 11, and SimCLR with one thing changed (sections 7 and 8), in equal time.

The table judges pixels, a random net and the checkpoints. In the ablations every run has the same CPU seconds.
"""

import math
import re
import statistics
from functools import partial

import torch
from common import from_lecture, row
from torch import nn

from utils.data import digits_split
from utils.train import checkpoint

NAMES = ("Encoder", "PIRL", "augment", "train_simclr", "features", "label_subsets", "linear_probe")
Encoder, PIRL, augment, train_simclr, features, label_subsets, linear_probe = from_lecture("12_contrastive", *NAMES)
SECONDS, SEEDS, FRACTION = 30, (0, 1), 0.01
PARTS = ("angle", "scale", "shear", "shift", "elastic", "weight", "erase")  # augment's, each off at 0
CHANGES = {  # group -> {name of the change: what `train` gets}
    "view": {f"without {part}": {"view": {part: 0}} for part in PARTS}
    | {"no augmentation": {"view": dict.fromkeys(PARTS, 0)}},
    "head": {"no head": {"head": "none"}, "linear head": {"head": "linear"}},
    "tau": {f"tau {tau}": {"tau": tau} for tau in (0.1, 0.5)},
    "batch": {f"batch {size}": {"batch_size": size} for size in (64, 512)},
}


def train(images, seed, *, view=None, head="mlp", tau=0.2, batch_size=256, lr=3e-3, seconds=SECONDS):
    """The lecture's SimCLR with these settings, step size as root of batch size.  Returns (encoder, steps)."""
    torch.manual_seed(seed)
    encoder = Encoder()
    if head != "mlp":
        encoder.project = nn.Identity() if head == "none" else nn.Sequential(nn.Linear(128, 64))
    losses, _ = train_simclr(
        encoder,
        images,
        tau=tau,
        view=partial(augment, **(view or {})),
        seconds=seconds,
        batch_size=batch_size,
        lr=lr * math.sqrt(batch_size / 256),
        generator=torch.Generator().manual_seed(seed),
    )
    return encoder, len(losses)


def wrong(encoder, data):
    """% of the official test set that a linear probe gets wrong, mean over 5 subsets of 1 % of the labels."""
    (images, labels), (test_images, test_labels) = data
    h_test, scale = features(encoder, test_images), features(encoder, images[:2_000])
    right = [
        linear_probe(features(encoder, images[rows]), labels[rows], h_test, test_labels, scale_by=scale)
        for rows in label_subsets(labels, FRACTION)
    ]
    return 100 * (1 - statistics.mean(right))


def data():
    """(images (n, 1, 28, 28) uint8, labels), the same of the test set, and the name of the test set."""
    train_set, test_set, where = digits_split()
    return [(images[:, None], labels) for images, labels in (train_set, test_set)], where


def run(change, seed, sets):
    """(% wrong, steps) of one run."""
    encoder, steps = train(sets[0][0], seed, **change)
    return wrong(encoder, sets), steps


def make_row(id, name, found, base, where):
    """found, base: [(% wrong, steps) of each seed]."""
    ours, peer = ([w for w, _ in runs] for runs in (found, base))
    seeds = [", ".join(f"{w:.2f}" for w in each) for each in (ours, peer)]
    which = ", ".join(map(str, SEEDS[: len(found)]))
    what = (
        f"SimCLR {name} ({seeds[0]}) / all views, MLP head, tau 0.2, batch 256 ({seeds[1]}): % of {where} that a "
        f"probe on {FRACTION:.0%} of the labels gets wrong, mean of 5 subsets; seeds {which}; "
        f"10,000 digits, 92,896 parameters, {SECONDS} CPU-seconds of training on one thread, "
        f"{min(n for _, n in found + base)} to {max(n for _, n in found + base)} steps"
    )
    return row(id, what, statistics.mean(ours), statistics.mean(peer), target="", unit="% wrong")


def representations(sets):
    """name -> (features of the training images, of the test images), what each row of the table reads."""
    images = [part for part, _ in sets]
    found = {"pixels": [part.flatten(1).float() / 255 for part in images]}
    torch.manual_seed(0)
    random, simclr, moco, pirl = Encoder().eval(), Encoder(), Encoder(), PIRL(Encoder(), 0)
    for name, net in (("simclr", simclr), ("moco", moco), ("pirl", pirl)):
        checkpoint(f"12_{name}", net)
    nets = {"random": random, "SimCLR": simclr, "MoCo": moco, "PIRL": pirl.encoder}
    found |= {name: [features(net, part) for part in images] for name, net in nets.items()}
    with torch.no_grad():
        found["SimCLR z"] = [simclr.project(h) for h in found["SimCLR"]]
    return found | {"random, 3x3 cells": [features(random, part, cells=3) for part in images]}


def table_rows(sets, where):
    """12-table-<representation>-<share of the labels in %>: what a linear probe gets wrong."""
    labels, test_labels = (part for _, part in sets)
    for name, (h, h_test) in representations(sets).items():
        for share in (1, 10, 100):
            subsets = label_subsets(labels, share / 100) if share < 100 else [torch.arange(len(labels))]
            right = [linear_probe(h[rows], labels[rows], h_test, test_labels, scale_by=h) for rows in subsets]
            what = (
                f"linear probe on {name} ({h.shape[1]} features), {share} % of 10,000 labels, % of {where} "
                f"that it gets wrong, mean of {len(subsets)} subsets, spread {100 * statistics.pstdev(right):.2f}"
            )
            key = re.sub(r"\W+", "-", name.lower())
            wrong_share = 100 * (1 - statistics.mean(right))
            yield row(f"12-table-{key}-{share}", what, wrong_share, None, target="", unit="% wrong")


def rows():
    torch.set_num_threads(1)
    sets, where = data()
    yield from table_rows(sets, where)
    base = [run({}, seed, sets) for seed in SEEDS]
    for group, changes in CHANGES.items():
        for number, (name, change) in enumerate(changes.items(), 1):
            found = [run(change, seed, sets) for seed in SEEDS]
            yield make_row(f"12-ablate-{group}-{number}", name, found, base, where)
