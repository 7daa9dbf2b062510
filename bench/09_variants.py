"""GANs on digits, the variants: DCGAN's rules taken away one by one, and the nets that the lecture's figures rest on.

Conditional, style-based, growing and cycle-consistent generators are trained by `checkpoints()`.
"""

import copy
import itertools
import statistics
import time
from importlib import import_module

import torch
import torch.nn.functional as F
from common import from_lecture, row
from torch import nn

from utils.train import checkpoint, save_checkpoint

STEM = "09_gans"
gans = import_module("09_gans")
data, features = gans.data, gans.features
NAMES = """RULES player Classifier frechet_distance d_loss g_loss gan_step train_dcgan average_ DCDiscriminator
StyleGenerator ConditionalGenerator ProjectionDiscriminator GrowingGenerator GrowingDiscriminator Translator outlines
cycle_loss"""
(
    RULES,
    player,
    Classifier,
    frechet_distance,
    d_loss,
    g_loss,
    gan_step,
    train_dcgan,
    average_,
    DCDiscriminator,
    StyleGenerator,
    ConditionalGenerator,
    ProjectionDiscriminator,
    GrowingGenerator,
    GrowingDiscriminator,
    Translator,
    outlines,
    cycle_loss,
) = from_lecture(STEM, *NAMES.split())
RULE_SECONDS, RULE_SEEDS = 40, (0, 1)
STYLE_SECONDS, CONDITIONAL_SECONDS, GROWING_SECONDS, CYCLE_SECONDS = 240, 35, (15, 40, 120), 100

HALF = torch.bfloat16  # the convolutions: about twice the steps in the same time where the CPU has it, slower elsewhere


def clock(seconds):
    """The share of so many seconds of CPU time that is used up, again and again, until it is 1."""
    begun = time.process_time()
    while (used := (time.process_time() - begun) / seconds) < 1:
        yield used


def batches(n, size, generator):
    """Rows for ever, each once before any comes again."""
    while True:
        yield from torch.randperm(n, generator=generator)[: n // size * size].split(size)


def small(net):
    """The net in float16: half the bytes, and no difference to see."""
    return copy.deepcopy(net).half()


@torch.no_grad()
def distance(judge, draw, real, n=10_000):
    """Frechet distance in the judge's features of n images that draw(n) makes to `real`'s."""
    return frechet_distance(features(judge, real), features(judge, torch.cat([draw(500) for _ in range(n // 500)])))


def the_judge():
    judge = Classifier()
    checkpoint("09_classifier", judge)
    return judge


# ---------------------------------------------------------------- DCGAN's rules


def train_by_rules(images, without, seed, *, seconds=RULE_SECONDS, lr=1e-3):
    """The published recipe: three passes of D in a step, no penalty, no average of weights.  Returns (G, steps)."""
    torch.manual_seed(seed)
    G, D = (player(kind, without).to(memory_format=torch.channels_last) for kind in "GD")
    beta1 = 0.9 if without == "beta1 = 0.5" else 0.5
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=lr, betas=(beta1, 0.999), fused=True) for net in (G, D))
    generator = torch.Generator().manual_seed(seed)
    steps = 0
    for used, rows in zip(clock(seconds), batches(len(images), 64, generator), strict=False):
        steps += 1
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = lr * min(1, 4 * (1 - used))
        fake = G(torch.randn(64, 64, generator=generator))
        opt_d.zero_grad()
        d_loss(D(images[rows]), D(fake.detach())).backward()  # two batches: batch norm must not mix real and fake
        opt_d.step()
        D.requires_grad_(False)
        opt_g.zero_grad()
        g_loss(D(fake)).backward()
        opt_g.step()
        D.requires_grad_(True)
    return G, steps


def rules():
    """{rule taken away, or "": ([Frechet distance of each seed], [steps of each seed])}."""
    (images, _), (test_images, _), _ = data()
    judge, found = the_judge(), {}
    for without in ("", *RULES):
        found[without] = [], []
        for seed in RULE_SEEDS:
            G, steps = train_by_rules(images, without, seed)
            noise = torch.Generator().manual_seed(seed)
            G.eval()
            draw = lambda n, G=G, noise=noise: G(torch.randn(n, 64, generator=noise)).clamp(-1, 1)  # noqa: E731
            away = distance(judge, draw, test_images)
            found[without][0].append(away)
            found[without][1].append(steps)
            print(f"without {without or 'nothing'}, seed {seed}: {away:.1f}, {steps} steps", flush=True)
    return found


# ---------------------------------------------------------------- what the lecture loads


def train_style(images, test_images, seconds=STYLE_SECONDS):
    torch.manual_seed(0)
    G, D = (net.to(memory_format=torch.channels_last) for net in (StyleGenerator(), DCDiscriminator()))
    generator = torch.Generator().manual_seed(1)
    ema, steps = train_dcgan(G, D, images, seconds=seconds, lr=2e-3, dtype=HALF, generator=generator)
    ema.eval()
    away = distance(the_judge(), lambda n: ema(torch.randn(n, ema.z_dim, generator=generator)), test_images)
    save_checkpoint("09_style", small(ema), steps=steps, cpu_seconds=seconds, frechet=f"{away:.1f}")
    print(f"style: {steps} steps, {away:.1f}", flush=True)


def train_conditional(images, labels, test_images, seconds=CONDITIONAL_SECONDS, lr=2e-3):
    torch.manual_seed(0)
    G, D = (n.to(memory_format=torch.channels_last) for n in (ConditionalGenerator(), ProjectionDiscriminator()))
    ema = copy.deepcopy(G).requires_grad_(False)
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=lr, betas=(0.0, 0.99), fused=True) for net in (G, D))
    generator = torch.Generator().manual_seed(1)
    for step, (used, rows) in enumerate(zip(clock(seconds), batches(len(images), 64, generator), strict=False), 1):
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = lr * min(1, step / 100, 4 * (1 - used))
        y, z = labels[rows], torch.randn(64, G.z_dim, generator=generator)
        draw, judge = lambda z, y=y: G(z, y), lambda x, y=y: D(x, torch.cat([y, y])[: len(x)])  # real and fake share y
        gan_step(draw, judge, opt_g, opt_d, images[rows], z, r1=8.0 if step % 16 == 1 else 0.0, dtype=HALF)
        average_(ema, G, step)
    ema.eval()
    any_y = lambda n: ema(torch.randn(n, ema.z_dim, generator=generator), torch.arange(n) % 10)  # noqa: E731
    away = distance(the_judge(), any_y, test_images)
    save_checkpoint("09_conditional", small(ema), steps=step, cpu_seconds=seconds, frechet=f"{away:.1f}")
    print(f"conditional: {step} steps, {away:.1f}", flush=True)


def train_growing(images, test_images, seconds=GROWING_SECONDS):
    """One net that grows twice; its average is kept at the end of each stage."""
    torch.manual_seed(0)
    G, D = (net.to(memory_format=torch.channels_last) for net in (GrowingGenerator(), GrowingDiscriminator()))
    generator, kept, steps = torch.Generator().manual_seed(1), nn.ModuleList(), []
    for stage, share in enumerate(seconds):
        G.stage = D.stage = stage

        def fade(step, used, ema, losses):
            G.alpha = D.alpha = min(1.0, 0.05 + 3 * used) if G.stage else 1.0

        fade(0, 0, None, None)
        small_images = F.avg_pool2d(images, 2 ** (2 - stage)) if stage < 2 else images
        ema, done = train_dcgan(G, D, small_images, seconds=share, lr=2e-3, dtype=HALF, generator=generator, each=fade)
        ema.alpha = 1.0
        kept.append(ema.eval())
        steps.append(done)
        G.load_state_dict(ema.state_dict())
        G.train()
    away = distance(the_judge(), lambda n: kept[2](torch.randn(n, G.z_dim, generator=generator)), test_images)
    seconds = " + ".join(map(str, seconds))
    save_checkpoint("09_progressive", small(kept), steps=steps, cpu_seconds=seconds, frechet=f"{away:.1f}")
    print(f"growing: {steps} steps, {away:.1f}", flush=True)


def train_cycle(images, weight, seconds=CYCLE_SECONDS, lr=1e-3):
    """Translators (digits to outlines, outlines to digits) from unpaired halves of the images.  Returns (pair, steps).

    weight: of the cycle loss; 0 leaves the two games alone.
    """
    torch.manual_seed(0)
    there, back, D_y, D_x = nets = [Translator(), Translator(), DCDiscriminator(16), DCDiscriminator(16)]
    for net in nets:
        net.to(memory_format=torch.channels_last)
    pair = nn.ModuleList([there, back])
    opt_g = torch.optim.Adam(pair.parameters(), lr=lr, betas=(0.5, 0.99), fused=True)
    opt_d = torch.optim.Adam(itertools.chain(D_x.parameters(), D_y.parameters()), lr=lr, betas=(0.5, 0.99), fused=True)
    generator, half = torch.Generator().manual_seed(1), len(images) // 2
    X, Y = images[:half], outlines(images[half:])  # no image is in both
    rows = zip(clock(seconds), batches(half, 32, generator), batches(len(Y), 32, generator), strict=False)
    for step, (used, rows_x, rows_y) in enumerate(rows, 1):
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = lr * min(1, step / 100, 4 * (1 - used))
        x, y = X[rows_x], Y[rows_y]
        fake_y, fake_x = there(x), back(y)
        opt_d.zero_grad()
        loss = d_loss(D_y(y), D_y(fake_y.detach())) + d_loss(D_x(x), D_x(fake_x.detach()))
        loss.backward()
        opt_d.step()
        D_x.requires_grad_(False), D_y.requires_grad_(False)
        loss = g_loss(D_y(fake_y)) + g_loss(D_x(fake_x))
        if weight:
            loss = loss + weight * cycle_loss(x, back(fake_y), y, there(fake_x))
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
        D_x.requires_grad_(True), D_y.requires_grad_(True)
    return pair.eval(), step


def cycles(images):
    with_cycle, steps = train_cycle(images, 10.0)
    without, steps_too = train_cycle(images, 0.0)
    both = nn.ModuleList([with_cycle, without])
    save_checkpoint("09_cycle", small(both), steps=f"{steps} with, {steps_too} without", cpu_seconds=CYCLE_SECONDS)
    print(f"cycle: {steps} and {steps_too} steps", flush=True)


def checkpoints(which=("conditional", "cycle", "style", "progressive")):
    torch.set_num_threads(1)
    (images, labels), (test_images, _), _ = data()
    if "conditional" in which:
        train_conditional(images, labels, test_images)
    if "cycle" in which:
        cycles(images)
    if "style" in which:
        train_style(images, test_images)
    if "progressive" in which:
        train_growing(images, test_images)


# ---------------------------------------------------------------- rows


def rows():
    torch.set_num_threads(1)
    found = rules()
    with_all, _ = found.pop("")
    for number, (without, (away, steps)) in enumerate(found.items(), 1):
        seeds = ", ".join(f"{a:.0f}" for a in away)
        all_seeds = ", ".join(f"{a:.0f}" for a in with_all)
        what = (
            f"DCGAN without: {without} ({seeds}) / with all rules ({all_seeds}), Frechet distance, mean of "
            f"{len(RULE_SEEDS)} seeds, {RULE_SECONDS} CPU-seconds each, {steps[0]:,} steps of 64"
        )
        ours, peer = statistics.mean(away), statistics.mean(with_all)
        yield row(f"09-rule-{number}", what, ours, peer, target="", unit="Frechet distance")
