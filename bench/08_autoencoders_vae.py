"""VAEs: the likelihood of five CPU-minutes, with one sample in the bound or more, a step, and what 100 labels gain."""

import math
import statistics
import time

import torch
import torch.nn.functional as F
from common import from_lecture, row
from torch import nn

from utils.data import binarise, digits, digits_split
from utils.train import checkpoint, save_checkpoint

STEM = "08_autoencoders_vae"
SECONDS = 300
NAMES = "VAE ConvVAE elbo importance_bound kl_terms kl_to_prior log_bernoulli active_units"
VAE, ConvVAE, elbo, importance_bound, kl_terms, kl_to_prior, log_bernoulli, active_units = from_lecture(
    STEM, *NAMES.split()
)
(bent,) = from_lecture("03_made", "bent")


def _seed(n):
    return torch.Generator().manual_seed(n)


# ---------------------------------------------------------------- training and judging


def train(model, images, *, seconds, k=1, lr=4e-3, wobble=0.25, until=0.85, batch_size=100, seed=0):
    """Maximise the ELBO (k = 1) or the importance-weighted bound for `seconds` of CPU time.  Returns the steps taken.

    images: (n, 28, 28) uint8, binarised anew in every epoch, and before the share `until` bent a little, as in lecture
    03.  The decoder starts from the pixels' frequencies.  The step size rises and falls with the share of the time.
    """
    ink = (images.float().mean(0).flatten() / 255).clamp(1e-3, 1 - 1e-3)
    last = [m for m in model.decoder.modules() if isinstance(m, (nn.Linear, nn.ConvTranspose2d))][-1]
    with torch.no_grad():
        last.bias.copy_(ink.logit() if len(last.bias) == len(ink) else ink.mean().logit())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.99), fused=True)
    generator, begun, share, steps = _seed(seed), time.process_time(), 0.0, 0
    while share < 1:
        pictures = images
        if wobble and share < until:
            pictures = torch.cat([bent(some, wobble, generator=generator) for some in images.split(500)])
        x = binarise(pictures, generator=generator).flatten(1)
        for rows_ in torch.randperm(len(x), generator=generator).split(batch_size):
            share = (time.process_time() - begun) / seconds
            if share >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = lr * min(10 * share + 0.01, math.cos(math.pi / 2 * share) ** 2)
            if k == 1:
                objective = elbo(model, x[rows_], generator=generator)
            else:
                objective = importance_bound(model, x[rows_], k, generator=generator)
            optimizer.zero_grad()
            (-objective.mean()).backward()
            optimizer.step()
            steps += 1
    return steps


@torch.no_grad()
def bounds(model, x, ks=(1, 5, 50, 500)):
    """The bound with each number of samples, averaged over the images: {k: nats}; k = 1 is the ELBO.  x: (n, 784).

    Asserts that it rises with k up to 0 at most.  The ELBO of an image is a mean of 20 draws.
    """
    generator, found = _seed(8), {}
    for k in ks:
        if k == 1:
            each = torch.stack([elbo(model, x, generator=generator) for _ in range(20)]).mean(0)
        else:
            parts = x.split(max(1, 10_000 // k))
            each = torch.cat([importance_bound(model, part, k, generator=generator) for part in parts])
        assert (each < 0).all(), "no image of 784 pixels is certain"
        found[k] = each
    below = (found[1] <= found[ks[-1]]).float().mean().item()
    assert below > 0.99, f"ELBO below the bound in {below:.1%} of the images: both are random, yet nats apart"
    means = {k: each.mean().item() for k, each in found.items()}
    assert sorted(means.values()) == list(means.values()), f"the bound rises with k: {means}"
    return means


def _net(activation=nn.GELU):
    """The lecture's 784-400-20.  In 35 CPU-seconds GELU came half a nat further than ReLU; tanh lagged after eight."""
    torch.manual_seed(0)
    return VAE(784, 400, 20, activation)


def _test_x(images):
    return binarise(images, generator=_seed(7)).flatten(1)


def likelihood(k=1):
    """Train 784-400-20 with k samples in the bound for SECONDS of CPU time.  Returns (net, nats, what)."""
    (images, _), (test_images, _), where = digits_split()
    net = _net()
    steps = train(net, images, seconds=SECONDS, k=k, seed=1)
    x = _test_x(test_images)
    nats = bounds(net, x)
    with torch.no_grad():
        mu, logvar = net.encode(x)
    kl, active = kl_to_prior(mu, logvar).mean().item(), int(active_units(mu).sum())
    what = (
        f"{'VAE' if k == 1 else f'IWAE, {k} samples in training,'} 784-400-20, GELU "
        f"({sum(p.numel() for p in net.parameters()):,} parameters), {len(images):,} digits bent a little for most of "
        f"the run, dynamic binarisation, {SECONDS // 60} CPU-minutes on one core ({steps:,} steps of 100), 500-sample "
        f"bound on all of {where} (ELBO {nats[1]:.2f}, of it KL {kl:.1f}; 5 samples {nats[5]:.2f}, 50 samples "
        f"{nats[50]:.2f}; {active} of 20 units active)"
    )
    return net, -nats[500], what


def convolutional(seconds=SECONDS):
    """The convolutional net that the lecture loads, trained anew and stored with what is known of it."""
    (images, _), _, _ = digits_split()
    torch.manual_seed(0)
    net = ConvVAE()
    steps = train(net, images, seconds=seconds, lr=3e-3, seed=2)
    save_checkpoint(
        "08_conv_vae",
        net,
        data=f"{len(images):,} digits, bent a little for most of the run, dynamic binarisation",
        cpu_seconds=seconds,
        steps=f"{steps:,} steps of 100",
        parameters=sum(p.numel() for p in net.parameters()),
    )
    return net


def checkpoints():
    torch.set_num_threads(1)
    convolutional()


# ---------------------------------------------------------------- what can be enumerated


def enumerable():
    """The largest difference between the lecture's formulas and plain sums: all images of six pixels, z on a grid."""
    mu, logvar = torch.randn(2, 200, 1, generator=_seed(1), dtype=torch.float64)
    t = torch.linspace(-12, 12, 4001, dtype=torch.float64)  # in units of sigma: the sums below are exact to rounding
    sigma = (0.5 * logvar).exp()
    z, step = mu + sigma * t, t[1] - t[0]
    log_q = -0.5 * (math.log(2 * math.pi) + logvar + t.square())
    log_prior = -0.5 * (math.log(2 * math.pi) + z.square())
    worst = ((log_q.exp() * sigma * step * (log_q - log_prior)).sum(1) - kl_to_prior(mu, logvar)).abs().max().item()
    assert torch.allclose(kl_terms(mu, logvar)[0], mu.square().sum(-1) / 2), "the spring is the first of the terms"

    torch.manual_seed(2)
    net = VAE(6, 16, 2).double()
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(3)  # an encoder and a decoder that are far from each other's best answer
    x = torch.cartesian_prod(*[torch.arange(2, dtype=torch.float64)] * 6)  # (64, 6)
    t = torch.linspace(-8, 8, 201, dtype=torch.float64)
    z = torch.cartesian_prod(t, t)  # (G, 2)
    log_cell = 2 * (t[1] - t[0]).log()
    log_prior = -math.log(2 * math.pi) - 0.5 * z.square().sum(1)
    with torch.no_grad():
        log_lik = log_bernoulli(net.decode(z)[:, None].expand(-1, 64, -1), x)  # (G, 64)
        log_joint = log_lik + log_prior[:, None]
        log_p = (log_joint + log_cell).logsumexp(0)  # (64,)
        assert abs(log_p.exp().sum() - 1) < 1e-9, "the probabilities of all 64 images sum to one"
        mu, logvar = net.encode(x)
        mu, logvar = mu.clamp(-2, 2), logvar.clamp(-2, 0)  # bubbles that the grid resolves and holds
        net.encode = lambda _: (mu, logvar)
        log_q = torch.distributions.Normal(mu, (0.5 * logvar).exp()).log_prob(z[:, None]).sum(-1)  # (G, 64)
        weight = (log_q + log_cell).exp()
        by_parts = (weight * log_lik).sum(0) - kl_to_prior(mu, logvar)  # the ELBO
        gap = (weight * (log_q - (log_joint - log_p))).sum(0)  # KL(q(z|x) || p(z|x))
        worst = max(worst, (log_p - gap - by_parts).abs().max().item())
        assert (by_parts <= log_p + 1e-9).all(), "the ELBO is nowhere above log p"
        posterior = log_joint.softmax(0)  # a probability for each cell of the grid
        at_posterior = (posterior * (log_joint + log_cell - posterior.log())).sum(0)  # the ELBO with q = p(z|x)
        worst = max(worst, (at_posterior - log_p).abs().max().item())
        drawn = torch.stack([elbo(net, x, generator=_seed(s)) for s in range(2000)])  # the lecture's own estimate
        error = (drawn.mean(0) - by_parts) / (drawn.std(0) / 2000**0.5)
        assert error.abs().max() < 5, "the lecture's estimate is unbiased"
        means = [importance_bound(net, x, k, generator=_seed(3)).mean().item() for k in (10, 100, 1000)]
        assert means == sorted(means), "more samples, a higher bound"
        assert means[-1] < log_p.mean() + 0.01
    what = (
        f"closed KL against a sum over a grid (200 bubbles); all 64 images of 6 pixels: ELBO + KL(q || posterior) = "
        f"log p, equal at the true posterior, ELBO <= log p in all 64 (mean gap {gap.mean():.2f} nats)"
    )
    return row("08-enumerable", what, worst, None, target="<= 1e-6", limit=0, unit="nats, largest difference")


# ---------------------------------------------------------------- a step


class CommonVAE(nn.Module):
    """The VAE of the usual example: five Linear layers, the pixels' probabilities instead of their logits."""

    def __init__(self, net):
        """Holds copies of the weights of the lecture's net."""
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)
        first, heads, back, last = net.encoder[0], net.encoder[2], net.decoder[0], net.decoder[2]
        with torch.no_grad():
            for mine, weight, bias in (
                (self.fc1, first.weight, first.bias),
                (self.fc21, heads.weight[:20], heads.bias[:20]),
                (self.fc22, heads.weight[20:], heads.bias[20:]),
                (self.fc3, back.weight, back.bias),
                (self.fc4, last.weight, last.bias),
            ):
                mine.weight.copy_(weight)
                mine.bias.copy_(bias)

    def forward(self, x):
        hidden = F.relu(self.fc1(x))
        mu, logvar = self.fc21(hidden), self.fc22(hidden)
        std = torch.exp(0.5 * logvar)
        z = mu + torch.randn_like(std) * std
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


def common_loss(probs, x, mu, logvar):
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return F.binary_cross_entropy(probs, x, reduction="sum") + kl


def quick_loss(net, x, noise):
    """The lecture's negative ELBO of a batch, summed, at the cost of the matrix products and little else."""
    mu, logvar = net.encode(x)
    logits = net.decode(torch.addcmul(mu, (0.5 * logvar).exp(), noise)).float()  # float32 already, without autocast
    kl = 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum()
    return F.softplus(logits).sum() - torch.dot(logits.flatten(), x.flatten()) + kl


class Stored(torch.utils.data.Dataset):
    """Grey digits one by one as floats in 0..1, as the usual example's data set gives them."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i][None].float().div(255)


def _step(B=128, batches=10):
    """From stored grey digits to updated weights, in CPU time: ours, and the usual example's loop with a DataLoader."""
    images = digits()[0][: B * batches]
    flat, u = images.flatten(1), torch.empty(B, 784)
    net = _net(nn.ReLU)
    common = CommonVAE(net)
    x = binarise(images[:B], generator=_seed(3)).flatten(1)
    torch.manual_seed(1)
    probs, mu, logvar = common(x)
    theirs = common_loss(probs, x, mu, logvar)
    torch.manual_seed(1)
    noise = torch.randn(B, 20)
    torch.manual_seed(1)
    assert abs(-elbo(net, x).sum() / theirs - 1) < 1e-5, "the same loss at the same weights and noise"
    assert abs(quick_loss(net, x, noise) / theirs - 1) < 1e-5

    generator, fused = _seed(4), torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    plain, loader = torch.optim.Adam(common.parameters(), lr=1e-3), torch.utils.data.DataLoader(Stored(images), B, True)

    def our_update(x, bf16=False):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = quick_loss(net, x, noise.normal_(generator=generator))
        fused.zero_grad()
        loss.backward()
        fused.step()

    def common_update(x):
        plain.zero_grad()
        loss = common_loss(*(lambda out: (out[0], x, *out[1:]))(common(x)))
        loss.backward()
        loss.item()  # the example adds it up in every step
        plain.step()

    def ours():
        for rows_ in torch.randperm(len(flat), generator=generator).split(B):
            torch.lt(u.uniform_(0, 255, generator=generator), flat[rows_], out=u)  # binarised in place
            our_update(u)

    def usual():
        for grey in loader:
            common_update(torch.bernoulli(grey).view(-1, 784))

    def repeated(update, **how):
        def run():
            for _ in range(batches):
                update(x, **how)

        return run

    runs = [ours, usual, repeated(our_update), repeated(common_update), repeated(our_update, bf16=True)]
    taken = [[] for _ in runs]
    for _ in range(15):
        for kept, run in zip(taken, runs, strict=True):
            begun = time.process_time()
            run()
            kept.append((time.process_time() - begun) / batches)
    ours, usual, our_sums, common_sums, halved = [statistics.median(kept) for kept in taken]
    what = (
        f"VAE 784-400-20, a step of {B} digits from stored bytes to updated weights, CPU time: logits, one product for "
        f"mu and logvar, binarised in place, fused Adam / the usual example (DataLoader, sigmoid and "
        f"binary_cross_entropy, five layers, Adam), same loss; without the feeding {our_sums * 1e3:.1f} / "
        f"{common_sums * 1e3:.1f} ms, ratio {common_sums / our_sums:.2f}, with bfloat16 {common_sums / halved:.2f}"
    )
    return row("08-step", what, ours, usual, target=">= 1.43")


# ---------------------------------------------------------------- 100 labels


def classify(net, x, y, *, lr, steps, generator):
    """Fine-tune a classifier on all of (x, y) by Adam with a step size that falls to zero; x binarised in each step."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * math.cos(math.pi / 2 * step / steps) ** 2
        loss = F.cross_entropy(net(binarise(x, generator=generator).flatten(1)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def _hundred_labels(seconds=25, steps=150, rates=(3e-4, 1e-3, 3e-3)):
    """Ten labels a class, five times: error of a classifier whose hidden layer comes from a VAE, and from chance."""
    (images, labels), (test_images, test_labels), where = digits_split()
    vae = _net()
    train(vae, images, seconds=seconds, seed=5)
    start = {name: value.clone() for name, value in vae.encoder.state_dict().items()}

    def classifier(learned, seed):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(784, 400), nn.GELU(), nn.Linear(400, 40))
        if learned:
            net.load_state_dict(start)
        net[2] = nn.Linear(400, 10)
        return net

    def error(net, grey, y):
        with torch.no_grad():
            return 100 * (net(grey.flatten(1).float() / 255).argmax(1) != y).float().mean().item()

    def subset(seed):
        order = torch.randperm(len(labels) - 1000, generator=_seed(seed))
        return torch.cat([order[labels[order] == c][:10] for c in range(10)])

    def trial(learned, seed, lr, judge):
        chosen = subset(seed)
        net = classify(
            classifier(learned, seed), images[chosen], labels[chosen], lr=lr, steps=steps, generator=_seed(seed)
        )
        return error(net, *judge)

    held = images[-1000:], labels[-1000:]  # none of these is ever among the hundred
    rate = {
        learned: min(rates, key=lambda lr: statistics.mean(trial(learned, s, lr, held) for s in (100, 101)))
        for learned in (True, False)
    }
    ours, chance = (
        [trial(learned, s, rate[learned], (test_images, test_labels)) for s in range(5)] for learned in (True, False)
    )
    better = sum(a < b for a, b in zip(ours, chance, strict=True))
    what = (
        f"error with 100 labels (10 a class, 5 subsets), all of {where}: 784-400-10, hidden layer from a VAE trained "
        f"{seconds} CPU-s on {len(images):,} digits without labels {statistics.mean(ours):.1f} +- "
        f"{statistics.stdev(ours):.1f} / random {statistics.mean(chance):.1f} +- {statistics.stdev(chance):.1f} "
        f"(standard deviation over subsets; lower in {better} of 5; {steps} steps, step size of each chosen on two "
        f"other subsets from {rates}: {rate[True]}, {rate[False]})"
    )
    mean = statistics.mean
    return row("08-init-100", what, mean(ours), mean(chance), target="mean and spread beside random", unit="% wrong")


# ---------------------------------------------------------------- rows


def rows():
    torch.set_num_threads(1)
    yield enumerable()
    yield _step()
    yield _hundred_labels()
    net, nats, what = likelihood()
    yield row("08-bound", what, nats, None, target="<= 96", unit="nats/image")
    yield _conv_bound(net)
    _, weighted, what = likelihood(k=5)
    yield row("08-iwae", what, weighted, nats, target="beside the VAE's", unit="nats/image")


def _conv_bound(dense, n=2_000, k=500):
    """The stored convolutional net beside the fully connected one, on a random part of the test set: it costs more."""
    net = ConvVAE()
    facts = checkpoint("08_conv_vae", net)
    _, (test_images, _), where = digits_split()
    x = _test_x(test_images)[torch.randperm(len(test_images), generator=_seed(10))[:n]]
    ours, peer = (bounds(model, x, ks=(1, k)) for model in (net, dense))
    what = (
        f"VAE, {k}-sample bound on {len(x):,} images of {where}, drawn at random, {SECONDS // 60} CPU-minutes on one "
        f"core each: the lecture's checkpoint, convolutional ({facts['parameters']} parameters, {facts['data']}, "
        f"{facts['steps']}, ELBO {ours[1]:.2f}) / the fully connected one of 08-bound (ELBO {peer[1]:.2f})"
    )
    return row("08-conv-bound", what, -ours[k], -peer[k], target="beside 08-bound", unit="nats/image")
