"""GANs: the ring in every seed, digits by Frechet distance after five CPU-minutes, and the price of a training step."""

import copy
import math
import statistics
import time

import torch
import torch.nn.functional as F
from common import cpu_seconds, from_lecture, row
from torch import nn

from utils.data import digits_split
from utils.train import checkpoint, save_checkpoint

STEM = "09_gans"
CPU_SECONDS, SEEDS, WIDTH = 300, (0, 1, 2), 32
NAMES = """DCGenerator DCDiscriminator Classifier frechet_distance precision_recall gan_step train_dcgan average_
ring_recipe ring_centres count_modes optimal_logit judge_value jsd bell"""
(
    DCGenerator,
    DCDiscriminator,
    Classifier,
    frechet_distance,
    precision_recall,
    gan_step,
    train_dcgan,
    average_,
    ring_recipe,
    ring_centres,
    count_modes,
    optimal_logit,
    judge_value,
    jsd,
    bell,
) = from_lecture(STEM, *NAMES.split())


def data():
    """Digits in [-1, 1], (n, 1, 28, 28): (images, labels), (test images, test labels), the name of the second."""
    train, test, where = digits_split()
    return *((images[:, None].float() / 127.5 - 1, labels) for images, labels in (train, test)), where


# ---------------------------------------------------------------- the judge


def train_classifier(images, labels, *, epochs=8, batch_size=100, lr=3e-3, seed=0):
    """Cross-entropy, Adam, the step size falling to 0.  Returns the Classifier."""
    torch.manual_seed(seed)
    net, generator = Classifier(), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    steps, done = epochs * (len(images) // batch_size), 0
    for _ in range(epochs):
        for rows in torch.randperm(len(images), generator=generator).split(batch_size):
            optimizer.param_groups[0]["lr"] = lr * (1 - done / steps)
            done += 1
            loss = F.cross_entropy(net(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


@torch.no_grad()
def features(net, images):
    """(n, 1, 28, 28) -> (n, 64)."""
    return torch.cat([net.features(part) for part in images.split(500)])


def scale(net, images, test_images):
    """What a Frechet distance in the net's features can be: (training set, uniform noise) against the test set."""
    noise = torch.rand(test_images.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    seen, test, noise = (features(net, x) for x in (images, test_images, noise))
    return frechet_distance(test, seen), frechet_distance(test, noise)


def classifier():
    """Train and keep the judge: (net, its facts)."""
    (images, labels), (test_images, test_labels), where = data()
    begun = time.process_time()
    net = train_classifier(images, labels)
    seconds = time.process_time() - begun
    with torch.no_grad():
        right = (net.head(features(net, test_images)).argmax(1) == test_labels).double().mean().item()
    floor, noise = scale(net, images, test_images)
    facts = dict(accuracy=f"{100 * right:.2f}% of {where}", floor=f"{floor:.2f}", noise=f"{noise:.0f}")
    save_checkpoint("09_classifier", net, **facts, digits=f"{len(images):,}", cpu_seconds=f"{seconds:.0f}")
    return net, facts


# ---------------------------------------------------------------- digits after five CPU-minutes


@torch.no_grad()
def draw(G, n=10_000, seed=5):
    """n samples of a generator in its evaluation mode, (n, 1, 28, 28)."""
    z = torch.randn(n, G.z_dim, generator=torch.Generator().manual_seed(seed))
    return torch.cat([G.eval()(part) for part in z.split(500)])


def train_digits(images, seed, *, width=WIDTH, seconds=CPU_SECONDS, **settings):
    """The lecture's DCGAN on digits, one thread.  Returns (the averaged generator, steps, parameters of G and D)."""
    torch.manual_seed(seed)
    nets = [net(width).to(memory_format=torch.channels_last) for net in (DCGenerator, DCDiscriminator)]
    generator = torch.Generator().manual_seed(seed + 1)
    ema, steps = train_dcgan(*nets, images, seconds=seconds, generator=generator, **settings)
    return ema, steps, [sum(p.numel() for p in net.parameters()) for net in nets]


def digits_seed(seed):
    """One seed, judged by all of the official test set: a dict of numbers, with the averaged generator under "G"."""
    (images, _), (test_images, _), where = data()
    judge = Classifier()
    checkpoint("09_classifier", judge)
    ema, steps, parameters = train_digits(images, seed)
    real, fake = features(judge, test_images), features(judge, draw(ema))
    precision, recall = precision_recall(real[:2_000], fake[:2_000])
    with torch.no_grad():
        share = torch.bincount(judge.head(fake).argmax(1), minlength=10) / len(fake)
    floor, noise = scale(judge, images, test_images)
    return {
        "seed": seed,
        "fd": frechet_distance(real, fake),
        "precision": precision,
        "recall": recall,
        "least": share.min().item(),
        "most": share.max().item(),
        "steps": steps,
        "parameters": parameters,
        "floor": floor,
        "noise": noise,
        "digits": len(images),
        "where": where,
        "G": ema,
    }


def digits_row(runs):
    """The row of several seeds, and the checkpoint from the median one."""
    runs = sorted(runs, key=lambda run: run["fd"])
    kept, worst = runs[len(runs) // 2], runs[-1]
    facts = {name: kept[name] for name in ("seed", "steps", "digits", "where")}
    save_checkpoint("09_dcgan", kept["G"], frechet=f"{kept['fd']:.1f}", cpu_seconds=CPU_SECONDS, **facts)
    each = ", ".join(f"{run['fd']:.1f}" for run in runs)
    what = (
        f"DCGAN of width {WIDTH} ({worst['parameters'][0]:,} + {worst['parameters'][1]:,} parameters), float32, "
        f"{worst['digits']:,} digits without labels, {CPU_SECONDS // 60} CPU-minutes on one thread ({worst['steps']:,} "
        f"steps of 64); {len(runs)} seeds: {each}; 64 features of a small classifier, 10,000 samples of the averaged "
        f"generator against {worst['where']}; training digits against it {worst['floor']:.2f}, noise "
        f"{worst['noise']:,.0f}; precision {min(run['precision'] for run in runs):.2f}, recall "
        f"{min(run['recall'] for run in runs):.2f} (2,000 each, the least of the seeds); a class has "
        f"{100 * min(run['least'] for run in runs):.1f}-{100 * max(run['most'] for run in runs):.1f} % of the samples"
    )
    return row("09-frechet", what, worst["fd"], None, target="<= 100", limit=worst["floor"], unit="(the worst seed)")


def checkpoints():
    torch.set_num_threads(1)
    print(classifier()[1])
    print(digits_row([digits_seed(seed) for seed in SEEDS])["what"])


# ---------------------------------------------------------------- the common training step


class NormalisedDiscriminator(nn.Module):
    """The lecture's discriminator with batch normalisation after its second convolution, as DCGAN has it."""

    def __init__(self, D):
        super().__init__()
        self.D, self.norm = D, nn.BatchNorm2d(D.down7.out_channels)

    def forward(self, x):
        h = F.leaky_relu(self.D.down14(x), 0.2)
        h = F.leaky_relu(self.norm(self.D.down7(h)), 0.2)
        return self.D.logit(h.flatten(1)).squeeze(1)


class Common:
    """The training step of PyTorch's DCGAN example: D on real, D on fake, D again for G, binary cross-entropy."""

    def __init__(self, G, D, *, lr=2e-4):
        self.G, self.D, self.criterion = G, D, nn.BCELoss()
        self.opt_g, self.opt_d = (
            torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.999), foreach=True) for net in (G, D)
        )

    def __call__(self, real, z):
        """Returns (loss of D, loss of G), the second under the discriminator of after its step."""
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.D.zero_grad()
        on_real = self.criterion(self.D(real).sigmoid(), ones)
        on_real.backward()
        fake = self.G(z)
        on_fake = self.criterion(self.D(fake.detach()).sigmoid(), zeros)
        on_fake.backward()
        self.opt_d.step()
        self.G.zero_grad()
        loss_g = self.criterion(self.D(fake).sigmoid(), ones)
        loss_g.backward()
        self.opt_g.step()
        return on_real.item() + on_fake.item(), loss_g.item()


class Ours:
    """The lecture's step as train_dcgan takes it: lazy R1 and the average of G's weights are part of it."""

    def __init__(self, G, D, *, lr=2e-4, dtype=torch.float32, r1=0.5, r1_every=16):
        self.G, self.D = (net.to(memory_format=torch.channels_last) for net in (G, D))
        self.ema, self.dtype, self.r1, self.r1_every, self.step = copy.deepcopy(G), dtype, r1, r1_every, 0
        self.opt_g, self.opt_d = (
            torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.999), fused=True) for net in (G, D)
        )

    def __call__(self, real, z):
        r1 = self.r1 * self.r1_every if self.r1 and self.step % self.r1_every == 0 else 0.0
        losses = gan_step(self.G, self.D, self.opt_g, self.opt_d, real, z, r1=r1, dtype=self.dtype)
        self.step += 1
        average_(self.ema, self.G, self.step)
        return losses


def largest_difference(ours, common, real, z):
    """Both take their first step, with step size 0: the largest relative difference of a loss, and of a gradient.

    The gradients are read from Adam's first moments: the example's third backward pass leaves a trace in D's `grad`.
    """
    losses = [abs(a.item() / b - 1) for a, b in zip(ours(real, z), common(real, z), strict=True)]
    pairs = [
        (mine.state[p]["exp_avg"], other.state[q]["exp_avg"])
        for mine, other in ((ours.opt_g, common.opt_g), (ours.opt_d, common.opt_d))
        for p, q in zip(mine.param_groups[0]["params"], other.param_groups[0]["params"], strict=True)
    ]
    return max(losses), max(((a - b).norm() / b.norm()).item() for a, b in pairs)


def step_rows(batch_size=64, repeats=5, steps=16):
    """Seconds an image, of CPU time, taken in turns."""
    (images, _), _, _ = data()
    torch.manual_seed(0)
    G, D = DCGenerator(WIDTH), DCDiscriminator(WIDTH)
    real, z = images[:batch_size], torch.randn(batch_size, G.z_dim)

    def nets():
        return copy.deepcopy(G), copy.deepcopy(D)

    pair = Ours(*nets(), lr=0.0, r1=0.0), Common(*nets(), lr=0.0)
    losses, slopes = largest_difference(*pair, real, z)
    assert max(losses, slopes) < 1e-4, f"the same losses and gradients, got {losses:.1e} and {slopes:.1e}"

    same, example = Common(*nets()), Common(G=copy.deepcopy(G), D=NormalisedDiscriminator(copy.deepcopy(D)))
    runs = {"plain": Ours(*nets()), "bfloat16": Ours(*nets(), dtype=torch.bfloat16), "same": same, "example": example}
    taken = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            seconds, _ = cpu_seconds(lambda run=run: [run(real, z) for _ in range(steps)], repeats=1)
            if repeat:  # the first round warms up
                taken[name].append(seconds / steps / batch_size)
    seconds = {name: statistics.median(kept) for name, kept in taken.items()}
    about = (
        f"training, an image, width {WIDTH}, {batch_size} a step, CPU time of one thread; same losses ({losses:.0e}) "
        f"and gradients ({slopes:.0e}) in float32 at step size 0 (ours lets G learn from the D of before its step, the "
        f"example from that of after it)"
    )
    beside = f"PyTorch's DCGAN example ({1 / seconds['example']:,.0f} images/s; without its batch-norm in D "
    beside += f"{1 / seconds['same']:,.0f})"
    for id, name, how in (
        ("09-step-float32", "plain", "float32"),
        ("09-step", "bfloat16", "bfloat16 convolutions, which not every laptop has in hardware"),
    ):
        what = (
            f"{about}: one pass of D for both nets, channels_last, fused Adam, {how}, with lazy R1 and averaging "
            f"({1 / seconds[name]:,.0f} images/s) / {beside}: three passes of D, foreach Adam, float32"
        )
        yield row(id, what, seconds[name], seconds["example"], target=">= 1.5" if id == "09-step" else "none")


# ---------------------------------------------------------------- in one and two dimensions


def optimal_row():
    """The value of the optimal discriminator against log 4 - 2 JSD, on pairs of bells."""
    x = torch.linspace(-20, 20, 40_001, dtype=torch.float64)
    dx, off, pairs = (x[1] - x[0]).item(), [], [(d, s) for d in (0.0, 0.5, 1.0, 2.0, 4.0) for s in (0.5, 1.0, 2.0)]
    for distance, sd in pairs:
        p, q = bell(x, -distance / 2, 1.0), bell(x, distance / 2, sd)
        off.append(abs(judge_value(optimal_logit(p, q), p, q, dx) - (math.log(4) - 2 * jsd(p, q, dx))))
    what = f"value at the optimal discriminator less log 4 - 2 JSD, {len(pairs)} pairs of normal densities on a grid"
    return row("09-optimal-d", what, max(off), None, target="<= 1e-6", unit="nats")


def ring_seed(seed):
    """One seed on the ring of 8: (modes, share of good samples, KL, CPU-seconds)."""
    begun = time.process_time()
    G = ring_recipe(seed)
    seconds = time.process_time() - begun
    with torch.no_grad():
        samples = G(torch.randn(2_500, 2, generator=torch.Generator().manual_seed(100 + seed)))
    return *count_modes(samples, ring_centres(), 0.02), seconds


def ring_row(runs):
    """The row of several seeds' `ring_seed`: modes of the worst, share, KL."""
    modes, shares, kls, seconds = zip(*runs, strict=True)
    what = (
        f"ring of 8 (radius 2, sigma 0.02), {len(runs)} seeds, modes {', '.join(map(str, modes))} of 8; good samples "
        f"(within 3 sigma, 2,500 drawn) {', '.join(f'{100 * share:.1f}' for share in shares)} %; KL to uniform at most "
        f"{max(kls):.3f} nats; {', '.join(f'{s:.0f}' for s in seconds)} CPU-seconds on one thread"
    )
    limit = 100 * (1 - math.exp(-4.5))  # the data's own share within 3 sigma
    target = "8 of 8 modes, >= 90 %, <= 60 CPU-s in each"
    return row("09-ring-modes", what, 100 * min(shares), None, target=target, limit=limit, unit="% in the worst seed")


# ---------------------------------------------------------------- one yardstick for three families


@torch.no_grad()
def map_rows(n=5_000):
    """Samples of the checkpoints of lectures 04, 08 and 09 by one Frechet distance, and training digits by the same.

    Everything is black and white, since two of the models draw such images: what is grey, of the data and of the GAN,
    is drawn as black or white once, with its brightness as the probability of white.
    """
    (images, _), (test_images, _), where = data()
    judge, noise = Classifier(), torch.Generator().manual_seed(21)
    checkpoint("09_classifier", judge)
    GatedPixelCNN, sample_cached = from_lecture("04_pixelcnn", "GatedPixelCNN", "sample_cached")
    (ConvVAE,) = from_lecture("08_autoencoders_vae", "ConvVAE")
    pixelcnn, vae, gan = GatedPixelCNN(), ConvVAE(), DCGenerator(WIDTH)
    known = [checkpoint(*pair) for pair in (("04_pixelcnn", pixelcnn), ("08_conv_vae", vae), ("09_dcgan", gan))]
    codes = vae.decoder[0].in_features

    def binary(brightness):
        """From [0, 1], drawn, to -1 and 1: what the classifier takes."""
        return (torch.rand(brightness.shape, generator=noise) < brightness).float() * 2 - 1

    def by_pixelcnn():
        return torch.cat([sample_cached(pixelcnn, torch.rand(250, 28, 28, generator=noise)) for _ in range(n // 250)])

    def by_vae():
        return binary(vae.decode(torch.randn(n, codes, generator=noise)).sigmoid()).view(n, 1, 28, 28)

    real = features(judge, binary((test_images + 1) / 2))
    held = f"{n:,} images, all black and white by one draw, 64 features of a small classifier, against {where}"
    some = images[torch.randperm(len(images), generator=noise)[:n]]
    floor = frechet_distance(real, features(judge, binary((some + 1) / 2)))
    yield row("09-map-floor", f"training digits: {held}", floor, None, target="the floor", unit="Frechet distance")
    for (name, made), facts in zip(
        {
            "pixelcnn": lambda: by_pixelcnn() * 2 - 1,
            "vae": by_vae,
            "gan": lambda: binary((draw(gan, n) + 1) / 2),
        }.items(),
        known,
        strict=True,
    ):
        seconds, samples = cpu_seconds(made, repeats=1)
        what = f"samples, {1e3 * seconds / n:.2g} CPU-ms each, of {facts['cpu_seconds']} CPU-seconds' training: {held}"
        distance = frechet_distance(real, features(judge, samples))
        yield row(f"09-map-{name}", what, distance, None, target="side by side", limit=floor, unit="Frechet distance")


# ---------------------------------------------------------------- rows


def rows():
    torch.set_num_threads(1)
    yield optimal_row()
    yield from step_rows()
    yield ring_row([ring_seed(seed) for seed in range(5)])
    yield digits_row([digits_seed(seed) for seed in SEEDS])
    yield from map_rows()
