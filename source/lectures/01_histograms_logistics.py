# ---
# jupyter:
#   course:
#     title: "01 Histograms and mixtures of logistics"
#     summary: "Give every outcome a probability: count, fit by maximum likelihood, and check it by compressing files"
#     minutes: 90
# ---

# %% [markdown]
# # 01 Histograms and mixtures of logistics
#
# **The question.** You have read a sensor eight thousand times. What probability should you give to each value it
# could show next, including the values it has never shown? Every model in this course answers a question of this
# kind, most of them for images or text. Here we ask it about a single whole number, because then nothing has to be
# taken on trust: the truth is known, every sum can be carried out, and a model's promise can be checked against the
# size of a file on disk.
#
# **After this lecture you can**
# 1. fit a histogram and a mixture of discretised logistics by maximum likelihood, and say which of the two a given
#    amount of data deserves;
# 2. compute log-probabilities that stay finite, and keep a useful gradient, a hundred widths away from the data;
# 3. read a likelihood in three ways (nats, distance from the truth, bytes of a file) and say what it cannot tell you.
#
# **It needs** derivatives and logarithms, and Python with a little NumPy or PyTorch. No machine learning. **It
# takes** about 90 minutes to read and play with, and about a minute to run. Everything here is so small that a GPU
# would have nothing to do: all tensors stay on the CPU.

# %% [markdown]
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $x_i$ | `x` | (n,) | observations, whole numbers from 0 to $K-1$ |
# | $K$ | `K` | | number of possible values: 100 for the sensor, 256 for pixels |
# | $n_k$ | `counts` | (K,) | how many of the $n$ observations equal $k$ |
# | $p^\ast_k$ | `p_true` | (K,) | the true probabilities; known here, never in real life |
# | $\hat p_k$ | `p_hat` | (K,) | a histogram's probabilities |
# | $q_k$ | `q`, `log_q` | (K,) | a model's probabilities and their logarithms |
# | $F_k$ | `cdf` | (K,) | $p_0 + \dots + p_k$ |
# | $M$ | `M` | | number of components in a mixture |
# | $\pi_m, \mu_m, s_m$ | `theta` | 3 tensors (M,) | weights, means and scales, held as `logits, mu, log_s` |
# | $\sigma$ | `torch.sigmoid` | | the logistic function $\sigma(a) = 1/(1+e^{-a})$ |
# | $\mathcal L$ | `nll` | | mean negative log-likelihood, in nats per observation |
#
# A **nat** is a bit to the base $e$: 1 nat = $1/\ln 2 \approx 1.443$ bits. Differences between good models are small,
# so we give them in thousandths of a nat, **mnat**.

# %%
import gzip
import lzma
import math
import time
from decimal import Decimal, localcontext

import constriction
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import logsigmoid

from utils.data import digits, natural_images
from utils.plot import DATA, MODEL, plot_pmf, show_images, use_style
from utils.train import budget, budget_name, fit, progress, record
from utils.widgets import explore, sketch

use_style()
torch.set_num_threads(1)  # tensors of a hundred numbers: threads would spend their time waiting for each other
print(f"budget: {budget_name()}")

# %% [markdown]
# ## 1 Why model a distribution?
#
# A list of probabilities, one for each thing that could happen, is the most complete description of uncertainty there
# is. With it you can *query* ("how often does the sensor read above 80?"), *sample* (make new readings that look like
# the old ones), *compress* (short codes for what is common), and *notice* (this reading does not belong). A
# classifier that only names a label can do none of these.
#
# Our subject is a light sensor with $K = 100$ levels, 0 to 99, looking at a wall half in shadow and half in the sun.
# Each reading is a brightness $z$ from one of two bell curves, rounded to a level. What lies above the scale reads 99
# and what lies below reads 0: the sensor saturates. Let $G$ be the cumulative distribution of $z$, that is
# $G(z) = 0.55\,\Phi\big(\tfrac{z-34}{9}\big) + 0.45\,\Phi\big(\tfrac{z-88}{7}\big)$. Then level $k$ has the
# probability that $z$ falls within half a level of $k$, and the two end levels take everything beyond:
# $$p^\ast_k = G(k+\tfrac12) - G(k-\tfrac12), \qquad G(-\tfrac12) := 0, \quad G(K-\tfrac12) := 1 \tag{1}$$

# %%
K = 100
WEIGHTS, MEANS, SDS = (0.55, 0.45), (34.0, 88.0), (9.0, 7.0)


def sensor_pmf():
    """The true probability of every level, eq. (1). Returns (K,) float64, sums to 1."""
    edges = torch.arange(K - 1, dtype=torch.float64) + 0.5  # (K-1,) the borders between levels
    G = sum(w * torch.special.ndtr((edges - mean) / sd) for w, mean, sd in zip(WEIGHTS, MEANS, SDS, strict=True))
    return torch.cat([torch.zeros(1), G, torch.ones(1)]).diff()                                   # (1)


def read_sensor(n, *, generator):
    """Act the physics out: choose shadow or sun, draw a brightness, round it, saturate. Returns (n,) int64."""
    sunlit = (torch.rand(n, generator=generator) < WEIGHTS[1]).long()
    z = torch.tensor(MEANS)[sunlit] + torch.tensor(SDS)[sunlit] * torch.randn(n, generator=generator)
    return z.round().clamp(0, K - 1).long()


p_true = sensor_pmf()
entropy = -(p_true * p_true.log()).sum()  # what the best possible model scores, in nats

# %% [markdown]
# We take 8,000 readings to learn from, 10,000 to make decisions with (the *validation* set) and 10,000 that no
# decision ever sees (the *test* set). **Check.** The simulation and eq. (1) were written separately; they have to
# agree.

# %%
generator = torch.Generator().manual_seed(1)
x_train, x_val, x_test = (read_sensor(n, generator=generator) for n in (8_000, 10_000, 10_000))


def count(x, K=K):
    """How often each value occurs. x: int64 in [0, K). Returns (K,) float64."""
    return torch.bincount(x.flatten(), minlength=K).double()


counts = count(x_train)
z_score = (counts / 8_000 - p_true) / (p_true * (1 - p_true) / 8_000).sqrt()
assert z_score.abs().max() < 6
print(f"8,000 readings: the frequencies are off by {z_score.square().mean().sqrt():.2f} standard errors (1 expected)")
print(f"entropy of the truth: {entropy:.4f} nats = {entropy / math.log(2):.4f} bits a reading")

fig, ax = plt.subplots(figsize=(8, 2.8))
plot_pmf(ax, counts / 8_000, fill=True, label="8,000 readings")
plot_pmf(ax, p_true, color="black", linewidth=1.2, label="truth $p^*$")
ax.set(xlabel="sensor level $k$", ylabel="probability", title="A wall half in shadow, half in the sun")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# Two hills, a valley that is nearly empty, and a tower at 99 where the sensor runs out of levels. Real data has such
# edges: the pixel values in section 11 pile up at 0 and 255 for the same reason.

# %% [markdown]
# ## 2 A histogram is the maximum-likelihood model
#
# Give every level its own free probability $q_k$. Which $q$ should we choose? The principle behind nearly every model
# of this course: *the one under which the data we saw is most probable*. The readings are independent, so the
# probability of all of them is a product; we take the logarithm to make it a sum, divide by $n$ so that it does not
# depend on how much data there is, and change the sign so that smaller is better. This is the **mean negative
# log-likelihood**:
# $$\mathcal L(q) = -\frac1n \sum_{i=1}^n \log q_{x_i} \tag{2}$$
# Readings of the same level contribute the same term. Collect them:
# $$\mathcal L(q) = -\sum_{k=0}^{K-1} \frac{n_k}{n} \log q_k \tag{3}$$
# So the 8,000 readings matter only through 100 counts. The counts are a **sufficient statistic**; section 8 lives on
# this.
#
# To minimise (3) with the $q_k$ tied to sum to one, use a Lagrange multiplier $\lambda$: the derivative of
# $-\sum_k \frac{n_k}{n}\log q_k + \lambda\,(\sum_k q_k - 1)$ by $q_k$ is $-\frac{n_k}{n q_k} + \lambda$, and it
# vanishes at $q_k = n_k / (n\lambda)$. Summing over $k$ gives $\lambda = 1$. The answer is the thing you would have
# drawn anyway:
# $$\hat p_k = \frac{n_k}{n} \tag{4}$$

# %%
def nll(log_q, x):
    """Mean negative log-likelihood, eq. (2). log_q: (K,), x: (n,) int64 in [0, K). Nats per observation."""
    return -log_q[x].mean()                                                                       # (2)


def nll_counts(log_q, counts):
    """The same from counts (or any weights), eq. (3). Levels never seen cost nothing, even where log_q is -inf."""
    seen = counts > 0
    return -(counts[seen] * log_q[seen]).sum() / counts.sum()                                     # (3)


def fit_histogram(counts):
    """Maximum-likelihood probabilities, eq. (4). counts: (K,). Returns (K,), sums to 1."""
    return counts / counts.sum()                                                                  # (4)


p_hat = fit_histogram(counts)
assert torch.allclose(nll(p_hat.log(), x_train), nll_counts(p_hat.log(), counts), rtol=1e-12)
print(f"training NLL in nats: histogram {nll(p_hat.log(), x_train):.4f}, truth {nll(p_true.log(), x_train):.4f}")

# %% [markdown]
# On its own training data the histogram looks better than the truth itself. That is no mistake in the code. It is
# what maximising a likelihood means, and the beginning of the trouble in section 4.
#
# **Check.** If (4) is the minimum, then moving probability from any level to any other can only hurt.

# %%
def move(p, i, j, t):
    """A copy of p with probability t moved from level i to level j."""
    q = p.clone()
    q[i], q[j] = p[i] - t, p[j] + t
    return q


generator = torch.Generator().manual_seed(2)
tried = 0
for i, j in torch.randint(0, K, (2_000, 2), generator=generator).tolist():
    t = 0.5 * p_hat[i] * torch.rand((), generator=generator, dtype=torch.float64)
    if i != j and t > 0:
        assert nll_counts(move(p_hat, i, j, t).log(), counts) > nll_counts(p_hat.log(), counts)
        tried += 1
print(f"{tried:,} moves between random pairs of levels, none beats the histogram on the training set")

fig, ax = plt.subplots(figsize=(8, 2.8))
for i, j in [(34, 35), (99, 98), (45, 15)]:
    t = torch.linspace(-0.8 * p_hat[j], 0.8 * p_hat[i], 101)
    rise = [1e3 * (nll_counts(move(p_hat, i, j, s).log(), counts) - nll_counts(p_hat.log(), counts)) for s in t]
    ax.plot(t, rise, label=f"from level {i} to {j}")
ax.set(xlabel="probability moved", ylabel="rise of $\\mathcal{L}$ (mnat)", ylim=(-0.5, 15))
ax.set_title("Every direction leads uphill")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# Three of the 4,950 ways to pair two levels: each gives a bowl whose lowest point, zero, is the histogram itself.
# (The function $-\log$ is convex, so $\mathcal L$ has one minimum and no traps. The mixtures of section 5 will not be
# so kind.)
#
# **Query.** With probabilities in hand a question about a range of levels is a sum, and a question about a
# *condition* is a quotient of two sums:
# $$P(a \le x \le b) = \sum_{k=a}^{b} p_k, \qquad P(A \mid B) = \frac{P(A \cap B)}{P(B)} \tag{5}$$

# %%
def query(p, a, b):
    """Probability that a <= x <= b, the left half of eq. (5)."""
    return p[a : b + 1].sum()                                                                     # (5)


saturated = query(p_hat, 99, 99)
saturated_if_sunny = saturated / query(p_hat, 60, 99)
sunny = x_test[x_test >= 60]
print(f"P(x = 99)           histogram {saturated:.3f}   test set {(x_test == 99).double().mean():.3f}")
print(f"P(x = 99 | x >= 60) histogram {saturated_if_sunny:.3f}   test set {(sunny == 99).double().mean():.3f}")
assert abs(saturated_if_sunny - (sunny == 99).double().mean()) < 0.03

# %% [markdown]
# ## 3 Drawing samples: a dart thrown at a staircase
#
# How do you draw a level with the right probabilities when all the computer offers is a uniform random number $u$
# between 0 and 1? Stack the probabilities on top of each other:
# $$F_k = \sum_{j \le k} p_j \tag{6}$$
# $F$ climbs from 0 to 1 like a staircase, and step $k$ is exactly $p_k$ high. Throw a dart at height $u$ and see
# which step it hits:
# $$x = \min\{k : F_k > u\} \tag{7}$$
# The dart hits step $k$ when $F_{k-1} \le u < F_k$. That range is $p_k$ long, so it happens with probability $p_k$.
# This is **inverse-CDF sampling**; every model of this course that ends in a table of probabilities is sampled this
# way.

# %%
def sample(p, n, *, generator):
    """Draw n levels by inverting the cumulative distribution, eqs. (6) and (7). p: (K,). Returns (n,) int64."""
    cdf = p.cumsum(0)                                                                             # (6)
    u = torch.rand(n, 1, generator=generator, dtype=p.dtype)
    return (u >= cdf[:-1]).sum(1)  # the steps below the dart, counted                            # (7)

# %% [markdown]
# (The last step is left out of the comparison: a dart above all the others must have hit it, even where rounding
# leaves $F_{K-1}$ at 0.9999999.)
#
# **Check.** Over many draws, Pearson's $\chi^2$ compares frequencies with probabilities. For a right sampler it is
# about $K-1$, give or take $\sqrt{2(K-1)}$.

# %%
n = 50_000
draws = sample(p_true, n, generator=torch.Generator().manual_seed(3))
chi2 = ((count(draws) - n * p_true).square() / (n * p_true)).sum()
print(f"chi2 = {chi2:.0f}; expected {K - 1} +- {math.sqrt(2 * (K - 1)):.0f}")
assert abs(chi2 - (K - 1)) < 6 * math.sqrt(2 * (K - 1))

darts = torch.tensor([0.06, 0.2, 0.42, 0.56, 0.7, 0.86, 0.985], dtype=torch.float64)
cdf = p_hat.cumsum(0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
left.stairs(cdf, torch.arange(K + 1) - 0.5, color=DATA, linewidth=1.8)
for u in darts:
    level = (u >= cdf[:-1]).sum().item()
    left.plot([-4, level], [u, u], color=MODEL, linewidth=1)
    left.annotate("", (level, 0), (level, u), arrowprops={"arrowstyle": "->", "color": MODEL})
left.plot([-4] * len(darts), darts, ">", color=MODEL, clip_on=False)
left.set(xlim=(-4, 99.5), ylim=(0, 1), xlabel="level $k$", ylabel="$F_k$")
left.set(title="From a dart across to its step, then down")
plot_pmf(right, p_hat, fill=True, label="histogram")
drawn = sample(p_hat, 20_000, generator=torch.Generator().manual_seed(4))
plot_pmf(right, fit_histogram(count(drawn)), color=MODEL, linewidth=1.2, label="20,000 draws")
right.set(xlabel="level $k$", ylabel="probability", ylim=(0, 0.042))
right.legend(loc="upper center")
plt.show()

# %% [markdown]
# Follow one dart: across until it meets the staircase, then down to a level. Steep parts of the staircase catch many
# darts, the flat valley around 60 almost none, and the tall last step collects all darts above 0.97 or so: those are
# the saturated readings.

# %% [markdown]
# ## 4 Why it does not generalise
#
# The histogram is the best model of the data it has seen. How good is it for data it has not seen? Look first at what
# it learns from 50, 500 and 5,000 readings.

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.7), sharey=True)
for ax, n in zip(axes, (50, 500, 5_000), strict=True):
    few = fit_histogram(count(x_train[:n]))
    plot_pmf(ax, few, fill=True)
    plot_pmf(ax, p_true, color="black", linewidth=1.2)
    ax.set(xlabel="level $k$", title=f"{n:,} readings, {(few == 0).sum()} levels never seen", ylim=(0, 0.06))
axes[0].set_ylabel("probability")
plt.show()

# %% [markdown]
# With 50 readings the histogram is a comb. It gives most levels probability exactly zero, and a single test reading
# on one of them makes the loss infinite, since $-\log 0 = \infty$. The model said "never" and was wrong once. (The
# axis is cut: at 50 readings some teeth are taller.) Nothing that level 41 taught it about itself is passed on to
# level 42. *A histogram does not know that 41 and 42 are neighbours.*
#
# The usual repair is to pretend that each level had been seen a fraction $\alpha$ of a time more than it was:
# $$\hat p_k = \frac{n_k + \alpha}{n + \alpha K} \tag{8}$$
# We take $\alpha = \tfrac12$ throughout (Krichevsky and Trofimov 1981). Now every loss is finite and we can ask how
# fast the histogram learns. A short calculation predicts it. When every count is large, $\hat p$ is close to $p^\ast$
# and the loss in excess of the entropy is about $\tfrac12\sum_k (\hat p_k - p^\ast_k)^2 / p^\ast_k$ (expand the
# logarithm to second order). A count of $n$ readings has variance $n\,p^\ast_k(1-p^\ast_k)$, so each term is
# $(1-p^\ast_k)/(2n)$ on average, and the sum over levels is $(K-1)/(2n)$. On the training set the same amount is
# *gained*:
# $$\mathbb E\,\mathcal L_\text{test} \approx H + \frac{K-1}{2n}, \qquad
# \mathbb E\,\mathcal L_\text{train} \approx H - \frac{K-1}{2n} \tag{9}$$
# where $H = -\sum_k p^\ast_k\log p^\ast_k$ is the entropy of the truth. One parameter costs half a nat, shared by all
# $n$ readings. To measure this without noise we use two luxuries of knowing $p^\ast$. The test set can be infinitely
# large, because eq. (3) accepts $p^\ast$ in place of counts. And since some sets of readings are luckier than others,
# we subtract from each loss what the truth scores on the same readings.

# %%
def log_histogram(counts, alpha=0.5):
    """Logarithm of the smoothed histogram, eq. (8). Returns (K,)."""
    return ((counts + alpha) / (counts.sum() + alpha * len(counts))).log()                        # (8)


def learning_curve(fit_log_q, p, sizes, *, seeds):
    """Excess loss of fit_log_q(counts) -> (K,) over the truth p, on its training draws and on p. (2, sizes, seeds)."""
    curve = torch.zeros(2, len(sizes), seeds, dtype=torch.float64)
    for i, n in enumerate(sizes):
        for seed in range(seeds):
            counts = count(sample(p, n, generator=torch.Generator().manual_seed(seed)), len(p))
            log_q = fit_log_q(counts)
            for row, weights in enumerate((counts, p)):  # eq. (3) takes p as it takes counts: an infinite test set
                curve[row, i, seed] = nll_counts(log_q, weights) - nll_counts(p.log(), weights)
    return curve


sizes = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000]
seeds = budget(smoke=3, cpu=20, gpu=20)
curve = learning_curve(log_histogram, p_true, sizes, seeds=seeds)
half_gap = (K - 1) / (2 * torch.tensor(sizes, dtype=torch.float64))                               # (9)

# %% [markdown]
# **Check.** At 50,000 readings the gap between test and training loss has to be the $(K-1)/n$ of (9), within a few
# percent.

# %%
gap = curve[1] - curve[0]  # (sizes, seeds)
print(f"gap at 50,000 readings: measured {1e3 * gap[-1].mean():.3f} mnat, predicted {2e3 * half_gap[-1]:.3f} mnat")
assert abs(gap[-1].mean() / (2 * half_gap[-1]) - 1) < 0.25

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
for row, color, name in [(1, MODEL, "test"), (0, DATA, "training")]:
    left.plot(sizes, curve[row], color=color, linewidth=0.5, alpha=0.5)
    left.plot(sizes, curve[row].mean(1), color=color, marker=".", label=name)
left.plot(sizes, half_gap, "k--", linewidth=1, label="theory (9)")
left.plot(sizes, -half_gap, "k--", linewidth=1)
left.axhline(0, color="gray", linewidth=1)
left.set(xscale="log", ylim=(-0.75, 0.75), xlabel="readings $n$", ylabel="loss above the truth's (nats)")
left.set_title(f"Smoothed histogram, {seeds} data sets for each $n$")
left.legend()
right.plot(sizes, gap, ".", color="gray", markersize=4)
right.plot(sizes, gap.mean(1), color=MODEL, label="test minus training")
right.plot(sizes, 2 * half_gap, "k--", linewidth=1, label="$(K-1)/n$")
right.set(xscale="log", yscale="log", xlabel="readings $n$", ylabel="gap (nats)", title="The price of 99 parameters")
right.legend()
plt.show()

# %% [markdown]
# Test loss above the truth, training loss below it, both closing in on zero. Once most levels have been seen a few
# times the theory is exact enough to be drawn through the dots: ten times the data, a tenth of the gap. With fewer
# readings it promises a larger gap than there is, because there smoothing, not the data, decides most of the
# probabilities. Nothing in (9) mentions the *shape* of the truth. The histogram pays for 99 parameters whether the
# world needs them or not. For 256 grey levels that may be bearable; for a colour image of $32\times32$ pixels it
# would take $256^{3072}$ bins.
#
# **Play.** Merging neighbouring levels into wider bins is the crudest way to make levels share. Fewer bins: less to
# learn, but less can be said. Find the best number of bins for 100 readings, then for 10,000.

# %%
x_play = sample(p_true, 50_000, generator=torch.Generator().manual_seed(5))
BINS = [2, 4, 5, 10, 20, 25, 50, 100]  # divisors of K


def log_wide_bins(counts, bins):
    """Smoothed histogram with `bins` equal bins; the levels inside a bin share its probability evenly."""
    width = len(counts) // bins
    return (log_histogram(counts.view(bins, width).sum(1)) - math.log(width)).repeat_interleave(width)


def bins_and_size(readings=200, bins=100):
    counts = count(x_play[:readings])
    losses = torch.tensor([[nll_counts(log_wide_bins(counts, b), on) for b in BINS] for on in (counts, p_true)])
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3))
    plot_pmf(left, log_wide_bins(counts, bins).exp(), color=MODEL, fill=True, label="model")
    plot_pmf(left, p_true, color="black", linewidth=1.2, label="truth")
    left.set(xlabel="level $k$", ylabel="probability", title=f"{readings:,} readings, {bins} bins", ylim=(0, 0.06))
    left.legend(loc="upper center")
    right.plot(BINS, losses[0], color=DATA, marker=".", label="training")
    right.plot(BINS, losses[1], color=MODEL, marker=".", label="test")
    right.plot(bins, losses[1, BINS.index(bins)], "o", color=MODEL, markersize=10, fillstyle="none")
    right.axhline(entropy, color="gray", linewidth=1)
    excess = 1e3 * (losses[1, BINS.index(bins)] - entropy)
    right.set(xscale="log", xlabel="bins", ylabel="$\\mathcal{L}$ (nats)")
    right.set_title(f"test loss {excess:.0f} mnat above the entropy")
    right.set_xticks(BINS, [str(b) for b in BINS])
    right.minorticks_off()
    right.legend()
    return fig


explore(bins_and_size, readings=[50, 100, 200, 500, 1_000, 5_000, 10_000, 50_000], bins=BINS)

# %% [markdown]
# With 200 readings, 100 bins fit the training data best and the test data badly; 10 bins are best for the test data.
# The two curves part where bins begin to memorise: from there on, more bins are **overfitting**.

# %% [markdown]
# ## 5 Neighbours share: the mixture of discretised logistics
#
# We want a model that knows that 41 lies beside 42, has few parameters, and yet can take many shapes. Take a smooth
# bell curve on the real line, cut it at the borders between levels, and let each level have the area of its slice.
# For this we need areas, so the best bell is one whose cumulative distribution is simple. The logistic distribution
# with mean $\mu$ and scale $s$ has the simplest of all: $\sigma\big(\tfrac{x-\mu}{s}\big)$. The slice for level $k$
# reaches from $k-\tfrac12$ to $k+\tfrac12$; the first slice is open to the left and the last to the right, exactly as
# the sensor's end levels take everything beyond the scale:
# $$P(k \mid \mu, s) = \sigma\Big(\frac{k+\frac12-\mu}{s}\Big) - \sigma\Big(\frac{k-\frac12-\mu}{s}\Big), \qquad
# \text{with the edges } {-\tfrac12} \to -\infty \text{ and } K-\tfrac12 \to +\infty \tag{10}$$
# The sum over all $k$ telescopes to $\sigma(\infty) - \sigma(-\infty) = 1$: normalised for *every* $\mu$ and $s$,
# with no integral to compute. One bell has one hill, so add several, with weights $\pi_m$ that sum to one:
# $$q_k = \sum_{m=1}^{M} \pi_m\, P(k \mid \mu_m, s_m) \tag{11}$$
# This is the **mixture of discretised logistics**. It has $3M-1$ free parameters, whatever $K$ is. PixelCNN++
# (Salimans et al. 2017) put it at the end of a network for images in place of a 256-way softmax.

# %%
def logistic_probs(mu, s, K, *, open_ends=True):
    """Slices of M logistic bells, eq. (10). mu, s: (M,). Returns (K, M); each column sums to 1."""
    edges = torch.arange(K + 1, dtype=mu.dtype) - 0.5  # (K+1,)
    if open_ends:
        edges[0], edges[-1] = -math.inf, math.inf
    return torch.sigmoid((edges[:, None] - mu) / s).diff(dim=0)                                   # (10)  (K, M)


def mixture_probs(pi, mu, s, K, *, open_ends=True):
    """Mixture of discretised logistics, eq. (11). pi, mu, s: (M,). Returns (K,), sums to 1."""
    return logistic_probs(mu, s, K, open_ends=open_ends) @ pi                                     # (11)

# %% [markdown]
# **Check.** A thousand random mixtures, many of them centred far off the scale: how far are their sums from 1, with
# the open end slices and with end slices of ordinary width?

# %%
generator = torch.Generator().manual_seed(6)
normaliser_error, lost = 0.0, []
for _ in range(1_000):
    pi = torch.rand(4, generator=generator, dtype=torch.float64)
    mu = 200 * torch.rand(4, generator=generator, dtype=torch.float64) - 50
    s = torch.exp(3 * torch.randn(4, generator=generator, dtype=torch.float64))
    pi = pi / pi.sum()
    normaliser_error = max(normaliser_error, abs(mixture_probs(pi, mu, s, K).sum().item() - 1))
    lost.append(1 - mixture_probs(pi, mu, s, K, open_ends=False).sum().item())
print(f"open ends: largest |sum - 1| = {normaliser_error:.1e}; closed ends lose {100 * np.mean(lost):.0f}% on average")
assert normaliser_error <= 1e-12

z = torch.linspace(78, 112, 500)
density = torch.sigmoid((z - 93) / 4) * torch.sigmoid(-(z - 93) / 4) / 4
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2), width_ratios=(3, 2))
left.plot(z, density, color=MODEL)
for k, color in [(90, "C2"), (99, "C4")]:
    inside = (z >= k - 0.5) & ((z <= k + 0.5) | (k == 99))
    left.fill_between(z[inside], density[inside], color=color, alpha=0.6)
for edge in range(21):
    z_edge = torch.tensor(78.5 + edge)
    height = torch.sigmoid((z_edge - 93) / 4) * torch.sigmoid(-(z_edge - 93) / 4) / 4
    left.plot([z_edge, z_edge], [0, height], color="gray", linewidth=0.6)
pointer = {"arrowstyle": "-", "color": "gray"}
left.annotate("$P(90)$", (90, 0.02), (80, 0.045), arrowprops=pointer)
left.annotate("$P(99)$: all that lies\nabove 98.5", (100.5, 0.015), (103, 0.04), arrowprops=pointer)
left.set(xlabel="brightness $z$", ylabel="density", ylim=(0, None))
left.set_title("A bell cut at $k \\pm 1/2$, the last slice open")
pi, mu, s = torch.tensor([0.55, 0.45]), torch.tensor([34.0, 88.0]), torch.tensor([5.0, 4.2])
for m in range(2):
    plot_pmf(right, pi[m] * logistic_probs(mu[m : m + 1], s[m : m + 1], K)[:, 0], color=["C2", "C4"][m], fill=True)
plot_pmf(right, mixture_probs(pi, mu, s, K), color=MODEL, label="their sum $q$")
right.set(xlabel="level $k$", ylabel="probability", title="Two weighted components")
right.legend(loc="upper center")
plt.show()

# %% [markdown]
# On the left, ordinary slices are one level wide and the last one is as wide as it needs to be: a bell centred at 93
# puts a fifth of its probability on level 99. On the right two such bells, chosen by eye, already have the tower at
# 99, which no bell-shaped *density* could produce.

# %% [markdown]
# ## 6 Logarithms that survive
#
# Training needs $\log P(k)$ and its gradient, also where the model is badly wrong: at the start of training it always
# is. Coded as written, eq. (10) fails there. In float32, $\sigma(17)$ is exactly 1, so for a reading more than 17
# scales above the mean the difference of the two sigmoids is $1 - 1 = 0$, its logarithm $-\infty$ and its gradient
# not a number. The common patch, clamping the difference at $10^{-12}$ before the logarithm, trades the crash for
# something quieter: the loss goes flat, the gradient is *zero*, and a component that starts far away never learns
# where the data is.
#
# The cure is algebra. Put $a = (k+\tfrac12-\mu)/s$ and $b = (k-\tfrac12-\mu)/s$, write both fractions over a common
# denominator, and use $1-\sigma(b)=\sigma(-b)$:
# $$\sigma(a)-\sigma(b) = \frac{e^{-b}-e^{-a}}{(1+e^{-a})(1+e^{-b})} = \sigma(a)\,\sigma(-b)\,\big(1-e^{\,b-a}\big)$$
# A product instead of a difference, so the logarithm is a sum of three harmless terms. And $b - a = -1/s$ whatever
# $k$ is, so it need not be computed as a difference of two large numbers:
# $$\log P(k \mid \mu, s) = \log\sigma(a) + \log\sigma(-b) + \log\big(1-e^{-1/s}\big) \tag{12}$$
# with only the first term for $k=0$ and only the second for $k=K-1$. The mixture is a sum inside a logarithm, which
# `logsumexp` computes by pulling out the largest term:
# $$\log q_k = \log\sum_m \exp\big(\log\pi_m + \log P(k\mid\mu_m,s_m)\big) \tag{13}$$
# The free parameters are real numbers without constraints: $\pi = \operatorname{softmax}(\texttt{logits})$ and
# $s = e^{\texttt{log\_s}}$.

# %%
def logistic_log_probs(mu, log_s, K):
    """Logarithms of eq. (10) by eq. (12): finite, with a gradient, wherever mu is. mu, log_s: (M,). Returns (K, M)."""
    s = log_s.clamp(min=-3).exp()  # below e^-3 all of a bell lies in one slice: narrower changes nothing but overflows
    k = torch.arange(K, dtype=mu.dtype)[:, None]  # (K, 1)
    below, above = logsigmoid((k + 0.5 - mu) / s), logsigmoid((mu - k + 0.5) / s)  # (K, M) log sigma(a), log sigma(-b)
    inside = below + above + torch.log(-torch.expm1(-1 / s))                                      # (12)
    return torch.where(k == 0, below, torch.where(k == K - 1, above, inside))


def mixture_log_probs(theta, K):
    """Log-probability of every level, eq. (13). theta: logits, mu, log_s, each (M,). Returns (K,)."""
    logits, mu, log_s = theta
    return torch.logsumexp(logits.log_softmax(0) + logistic_log_probs(mu, log_s, K), dim=1)       # (13)

# %% [markdown]
# **Check.** A reference that shares no code with ours: Python's `decimal` with 80 digits, straight from eq. (10). We
# compare at distances of up to 100 scales. `expm1` and `log(-expm1)` matter when $s$ is large: $1 - e^{-1/s}$ would
# cancel.

# %%
def exact_log_prob(k, mu, s):
    """log P(k) of an inner level from eq. (10) with 80 digits; mu and s are the exact binary numbers they are."""
    with localcontext() as context:
        context.prec = 80
        mu, s, half = Decimal(mu), Decimal(s), Decimal("0.5")
        upper, lower = (1 / (1 + (-(edge - mu) / s).exp()) for edge in (k + half, k - half))
        return float((upper - lower).ln())


worst = {}
for dtype in (torch.float32, torch.float64):
    worst[dtype] = 0.0
    for s in (0.0625, 0.25, 1.0, 4.0, 64.0, 1024.0):  # powers of two: the same number in both precisions
        for distance in (0, 1, 17, 40, -40, 100, -100):
            mu = torch.tensor([50 - distance * s], dtype=dtype)
            ours = logistic_log_probs(mu, torch.tensor([s], dtype=dtype).log(), K)[50].item()
            exact = exact_log_prob(50, mu.item(), torch.tensor([s], dtype=dtype).log().exp().item())
            worst[dtype] = max(worst[dtype], abs(ours - exact) / max(1, abs(exact)))
far = torch.tensor([-50.0])  # level 50 lies 100 scales away if the scale is 1
naive = logistic_probs(far, torch.ones(1), K)[50].log().item()
stable = logistic_log_probs(far, torch.zeros(1), K)[50].item()
print(f"100 scales away, float32: as written {naive}, by eq. (12) {stable:.4f}, exact {exact_log_prob(50, -50, 1):.4f}")
print(f"largest relative error: float32 {worst[torch.float32]:.0e}, float64 {worst[torch.float64]:.0e}")
assert naive == -math.inf
assert worst[torch.float32] < 1e-5
assert worst[torch.float64] < 1e-13

# %% [markdown]
# The same three formulas drawn as a function of distance, with the gradient that training would receive.

# %%
def clamped(mu):
    return logistic_probs(mu, torch.ones_like(mu), K)[50].clamp(min=1e-12).log()


ways = {
    "as written": (lambda mu: logistic_probs(mu, torch.ones_like(mu), K)[50].log(), "C3", "-", 5),
    "clamped at $10^{-12}$": (clamped, "C4", "--", 2.5),
    "eq. (12)": (lambda mu: logistic_log_probs(mu, torch.zeros_like(mu), K)[50], MODEL, "-", 1.8),
}
distance = torch.linspace(0, 60, 241)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2))
for name, (log_prob, color, style, width) in ways.items():
    mu = (50 - distance).requires_grad_()
    value = log_prob(mu)
    (gradient,) = torch.autograd.grad(value.sum(), mu)
    left.plot(distance, value.detach(), style, color=color, linewidth=width, label=name)
    right.plot(distance, gradient, style, color=color, linewidth=width, label=name)
left.plot(range(0, 61, 10), [exact_log_prob(50, 50 - d, 1) for d in range(0, 61, 10)], "k.", label="80 digits")
left.set(xlabel="distance from the mean, in scales", ylabel="$\\log P$ (nats)", title="log-probability, float32")
right.set(xlabel="distance from the mean, in scales", ylabel="d log $P$ / d $\\mu$", ylim=(-0.15, 1.4))
right.set_title("its gradient")
left.legend()
plt.show()

# %% [markdown]
# As written (pink), the curve turns ragged and breaks off at 17 scales; beyond, it is $-\infty$ and its gradient is
# not a number. Clamping (brown) leaves a plateau where the gradient is zero. Eq. (12) goes through the dots and
# keeps pulling with a steady gradient of $1/s$ at any distance: *you are too far to the left, come this way*.

# %% [markdown]
# ## 7 Fitting by gradient descent
#
# For the histogram we could solve for the minimum. For the mixture the equations have no closed solution, so we walk
# downhill. Computing the gradient over all data before each step is wasteful: a random handful of readings, a
# **batch** $B$, points in nearly the same direction. **Stochastic gradient descent** repeats, with step size $\eta$,
# $$\theta \leftarrow \theta - \eta\, \nabla_\theta \frac{1}{|B|}\sum_{i\in B} -\log q_{x_i}(\theta) \tag{14}$$
# We use the variant Adam (Kingma and Ba 2015), which gives each parameter its own step size from the recent history
# of its gradient: useful here, where a mean has to travel tens of levels and a weight only a few tenths. This is the
# whole training loop:

# %%
def train(theta, x, *, epochs, batch_size=250, lr=0.1, generator):
    """Fit a mixture to observations by eq. (14), moving theta. Returns losses (steps,) and the film of q (steps, K)."""
    optimizer = torch.optim.Adam(theta, lr=lr)
    losses, film = [], []
    for _ in range(epochs):  # an epoch: every observation once, in a new random order
        for rows in torch.randperm(len(x), generator=generator).split(batch_size):
            log_q = mixture_log_probs(theta, K)
            loss = nll(log_q, x[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()                                                                      # (14)
            losses.append(loss.item())
            film.append(log_q.detach().exp())
    return losses, torch.stack(film)


def start(counts, M):
    """A good start: equal weights, means at the quantiles of the square-root histogram, scales that just overlap.

    The square root lets hills have components and keeps a single tall bar from taking them all."""
    k = torch.arange(len(counts), dtype=torch.float64)
    mass = counts.sqrt() / counts.sqrt().sum()
    mu = torch.searchsorted(mass.cumsum(0), (torch.arange(M, dtype=torch.float64) + 0.5) / M).double()
    spread = (mass * (k - (mass * k).sum()).square()).sum().sqrt()
    log_s = torch.full((M,), math.log(max(spread / M, 0.5)), dtype=torch.float64)
    return [torch.zeros_like(mu), mu, log_s]


def trainable(theta, dtype=torch.float32):
    """A copy of theta that gradients can move."""
    return [t.detach().to(dtype).clone().requires_grad_() for t in theta]

# %% [markdown]
# Where does the walk begin? We try two places. The **good start** spreads four components over the data. The **bad
# start** puts all four side by side near level 5, where there is hardly any data. Both see the same batches.

# %%
bad = [torch.zeros(4), torch.tensor([2.0, 4.0, 6.0, 8.0]), torch.zeros(4)]
epochs = budget(smoke=2, cpu=50, gpu=50)
runs = {}
for name, begin in [("good start", start(counts, 4)), ("bad start", bad)]:
    theta = trainable(begin)
    losses, film = train(theta, x_train, epochs=epochs, generator=torch.Generator().manual_seed(7))
    runs[name] = (theta, losses, film)
    shares = [f"{100 * w:.1f}% at {m:.0f}" for w, m in zip(theta[0].softmax(0), theta[1], strict=True)]
    print(f"{name}: in the end {', '.join(shares)}")

steps = len(losses)
frames = [0, steps // 100, steps // 20, steps - 1]
fig = plt.figure(figsize=(10.5, 3.8))
films, curves = fig.subfigures(1, 2, width_ratios=(5, 2))
axes = films.subplots(2, len(frames), sharex=True, sharey=True)
curve_ax = curves.subplots()
for row, (name, (_, _, film)), color in zip(axes, runs.items(), (MODEL, "C3"), strict=True):
    excess = [nll_counts(q.double().log(), p_true) - entropy for q in film]  # on an infinite test set
    for ax, frame in zip(row, frames, strict=True):
        plot_pmf(ax, p_hat, fill=True)
        plot_pmf(ax, film[frame], color=color)
        ax.set(ylim=(0, 0.07), yticks=[], title=f"step {frame + 1}: +{excess[frame]:.2g}")
    row[0].set_ylabel(name)
    curve_ax.plot(np.arange(1, steps + 1), excess, color=color, linewidth=1, label=name)
    assert all(math.isfinite(loss) for loss in excess)
films.supxlabel("level $k$", fontsize=11)
curve_ax.set(xlabel="step", xscale="log", yscale="log", title="loss above the truth's (nats)")
curve_ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# The number above each picture is the loss above the truth's, in nats, on an infinite test set. Above, the good start
# is close after a few dozen steps; the rest is polish. Below, the story is instructive. Growing wide is quicker than
# travelling, so within a few dozen steps the components become broad enough to reach the data; one of them takes over
# nearly all the weight and slides to the middle of the valley. The pull on a component is proportional to its share
# of the readings: the other three are left with none and stay where they are. The bad start ends where a *single*
# logistic would.
#
# Both runs stayed finite, thanks to section 6, from a start at which the formula as written gives $-\infty$ on the
# first batch. But finite is not good: a likelihood of this kind has many resting places, and gradient descent finds
# one downhill from where it began. Note also that the good run does not settle but jitters, because each batch points
# in a slightly different direction.
#
# From now on the loop comes from `utils.train.fit`, which is this loop with a progress display, timing and a guard
# against losses that are not finite. **Check.** The same seed gives the same run, number for number. Below it, the
# same function fits *two* components with a live curve.

# %%
theta = trainable(start(counts, 4))
history = fit(lambda x: nll(mixture_log_probs(theta, K), x), theta, x_train, steps=steps, batch_size=250, lr=0.1,
              generator=torch.Generator().manual_seed(7))
assert history.loss == runs["good start"][1]
print(f"{steps} losses, all equal to those of the loop above; {1e3 * history.seconds / steps:.2f} ms a step")

theta2 = trainable(start(counts, 2))
history2 = fit(lambda x: nll(mixture_log_probs(theta2, K), x), theta2, x_train, steps=steps, batch_size=250, lr=0.1,
               generator=torch.Generator().manual_seed(7), live=True)

# %% [markdown]
# The curve is the batch loss, so it is noisy even when the model stands still: 250 readings are not a precise
# measurement of a mean. **Play.** Be the optimiser: move two components by hand and compare with the fitted
# likelihood. The right picture shows how the loss would change if you moved only the first mean; its slope at your
# dot is the gradient that training follows.

# %%
by_fit = nll_counts(mixture_log_probs(theta2, K).detach(), counts)


def by_hand(mean_1=45.0, scale_1=7.0, mean_2=80.0, scale_2=7.0, weight_1=0.5):
    mu, log_s = torch.tensor([mean_1, mean_2]), torch.tensor([scale_1, scale_2]).log()
    logits = torch.tensor([weight_1, 1 - weight_1]).log()
    log_q = mixture_log_probs([logits, mu, log_s], K)
    yours = nll_counts(log_q, counts)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3), width_ratios=(3, 2))
    plot_pmf(left, p_hat, fill=True, label="8,000 readings")
    for m, part in enumerate((logits + logistic_log_probs(mu, log_s, K)).exp().T):
        plot_pmf(left, part, color=f"C{2 + m}")
    plot_pmf(left, log_q.exp(), color=MODEL, linewidth=2.2, label="your mixture")
    left.set(xlabel="level $k$", ylabel="probability", ylim=(0, 0.05))
    left.set_title(f"yours {yours:.3f} nats, fitted {by_fit:.3f}: {1e3 * (yours - by_fit):.0f} mnat to go")
    left.legend(loc="upper center")
    means = torch.linspace(0, 99, 100)
    moved = [nll_counts(mixture_log_probs([logits, torch.stack([m, mu[1]]), log_s], K), counts) for m in means]
    right.plot(means, moved, color=MODEL)
    right.plot(mean_1, yours, "o", color=MODEL, markersize=9)
    right.axhline(by_fit, color="gray", linewidth=1)
    right.set(xlabel="mean 1", ylabel="$\\mathcal{L}$ (nats)", title="if only mean 1 moved", ylim=(4.0, 6.5))
    return fig


mean, scale = (0.0, 99.0, 1.0), (1.0, 20.0, 0.5)
explore(by_hand, mean_1=mean, scale_1=scale, mean_2=mean, scale_2=scale, weight_1=(0.05, 0.95, 0.05))

# %% [markdown]
# At its default the mixture has both bells in the wrong places; moving all five sliders brings it within a mnat of
# the fit. Then exchange the two components, means, scales and weights: the loss is the same. Every mixture of $M$
# components has $M!$ equally good minima that differ only in the names of the components.

# %% [markdown]
# ## 8 Sufficient statistics: fit a hundred numbers, not eight thousand
#
# Eq. (3) said that the data enters only through its counts. So there is no need for batches: 100 weighted terms give
# the *exact* gradient of the whole data set, and its cost does not depend on $n$. An exact gradient also permits a
# better walker. L-BFGS estimates the curvature from successive gradients and takes steps of the right length by
# itself; with noisy batches it would be lost.

# %%
def fit_counts(counts, M, *, iterations=100, begin=None, trace=None):
    """Maximum-likelihood mixture from counts or weights (K,), eq. (3), by L-BFGS. Returns theta, three tensors (M,)."""
    theta = trainable(begin or start(counts, M), dtype=torch.float64)
    optimizer = torch.optim.LBFGS(theta, max_iter=iterations, history_size=20, tolerance_change=1e-11,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = nll_counts(mixture_log_probs(theta, len(counts)), counts)
        loss.backward()
        if trace is not None:
            trace.append((time.perf_counter(), loss.item()))
        return loss

    optimizer.step(closure)
    return [t.detach() for t in theta]

# %% [markdown]
# **Check.** Loss and gradient from 100 counts equal those from 8,000 readings, to the last digits. Then a race from
# the same good start: Adam on batches of readings, Adam on counts, L-BFGS on counts.

# %%
theta = trainable(start(counts, 4), dtype=torch.float64)
from_readings = torch.autograd.grad(nll(mixture_log_probs(theta, K), x_train), theta)
from_counts = torch.autograd.grad(nll_counts(mixture_log_probs(theta, K), counts), theta)
difference = max((a - b).abs().max().item() for a, b in zip(from_readings, from_counts, strict=True))
assert difference < 1e-12
print(f"largest difference between the two gradients: {difference:.0e}")

adam = fit(lambda w: nll_counts(mixture_log_probs(theta, K), w[0]), theta, counts[None], steps=steps, lr=0.1)
trace, begun = [], time.perf_counter()
theta4 = fit_counts(counts, 4, trace=trace)
best = nll_counts(mixture_log_probs(fit_counts(counts, 4, begin=theta4), K), counts).item()  # a second run, for polish
step = np.arange(1, steps + 1)
race = {  # name: (milliseconds, training loss, colour)
    "Adam, batches of 250": (1e3 * history.seconds / steps * step,
                             [nll_counts(q.double().log(), counts) for q in runs["good start"][2]], "C3"),
    "Adam, counts": (1e3 * adam.seconds / steps * step, adam.loss, "C2"),
    "L-BFGS, counts": ([1e3 * (t - begun) for t, _ in trace],
                       np.minimum.accumulate([loss for _, loss in trace]), MODEL),  # less the trial steps it took back
}

fig, ax = plt.subplots(figsize=(8, 3))
for name, (when, losses, color) in race.items():
    above = 1e3 * np.maximum(np.array(losses, dtype=float) - best, 1e-8)
    ax.plot(when, above, color=color, label=name, linewidth=0.7 if "batches" in name else 1.8)
    reached = next((f"after {t:.0f} ms" for t, e in zip(when, above, strict=True) if e < 0.1), "not in this run")
    print(f"{name}: within 0.1 mnat of the minimum {reached}")
ax.set(xscale="log", yscale="log", xlabel="milliseconds", ylabel="mnat above the minimum")
ax.set_title("Training loss of the whole set above its minimum")
ax.legend()
plt.show()

# %% [markdown]
# The sampled run gets near the minimum quickly and then stays a few mnat above it: that is the noise of its batches.
# On counts both methods keep falling, and L-BFGS reaches any precision you like in a fraction of the time. Batches
# are not a virtue, they are what you do when there are no small sufficient statistics; for the networks of later
# lectures there are none.
#
# Fitting is now so fast that it can follow your hand. **Play.** Draw any distribution (mouse, finger, or arrow keys)
# and four logistics are fitted to it while you draw, from weights that were never readings at all. Where does the
# mixture do well, and what can it not do?

# %%
def answer_drawing(heights, M=4):
    """Fit M logistics to drawn heights (K,). Returns a figure with the components, the fitted curve, and a note."""
    weights = torch.tensor(heights) + 1e-9
    theta = fit_counts(weights, M, iterations=60)
    log_q = mixture_log_probs(theta, len(weights))
    p = weights / weights.sum()
    kl = nll_counts(log_q, p) - nll_counts(p.log(), p)
    fig, ax = plt.subplots(figsize=(8, 2.6))
    plot_pmf(ax, p, fill=True, label="drawn")
    parts = (theta[0].log_softmax(0) + logistic_log_probs(theta[1], theta[2], len(weights))).exp()  # (K, M)
    for m in range(M):
        plot_pmf(ax, parts[:, m], color=f"C{2 + m}", linewidth=1)
    plot_pmf(ax, log_q.exp(), color=MODEL, linewidth=2, label=f"{M} logistics")
    ax.set(xlabel="level $k$", ylabel="probability", title=f"{1e3 * kl:.1f} mnat from your drawing")
    ax.legend()
    return fig, log_q.exp() * weights.sum(), f"{M} logistics, {1e3 * kl:.1f} mnat from your drawing"


k = np.arange(K)
castle = np.where((k > 15) & (k < 45), 1.0, 0.0) + 0.8 * np.exp(-np.abs(k - 75) / 6)
presets = {
    "castle and tent": castle,
    "the sensor": p_true.numpy() / p_true.max().item(),
    "ramp": k / K,
    "a comb": 1.0 * (k % 20 == 10),
    "empty": np.full(K, 0.01),
}
sketch(answer_drawing, castle, presets=presets, label="Draw a distribution over 100 levels")

# %% [markdown]
# The tent's tip is too sharp for a smooth bell and the castle's walls are too steep for two. Try the comb: four
# components, five teeth. Two teeth get a component each, and the three in the middle have to share. With enough
# components any shape can be reached, and that is the next question.

# %% [markdown]
# ## 9 How many components?
#
# More components always fit the training set at least as well, so the training loss cannot choose their number. Data
# that the fit has not seen can. We fit one to eight components to several training sets of 200 and of 8,000 readings
# and look at the loss on the 10,000 validation readings.

# %%
components = budget(smoke=[1, 2, 4], cpu=[1, 2, 3, 4, 5, 6, 8], gpu=[1, 2, 3, 4, 5, 6, 8])
repeats = budget(smoke=1, cpu=6, gpu=20)
scores = {n: torch.zeros(len(components), repeats, 3) for n in (200, 8_000)}  # training, validation and true excess
for seed in progress(range(repeats), unit="training sets of each size"):
    for n in scores:
        some = count(sample(p_true, n, generator=torch.Generator().manual_seed(100 + seed)))
        sets = [some, count(x_val), p_true]
        for i, M in enumerate(components):
            log_q = mixture_log_probs(fit_counts(some, M), K)
            scores[n][i, seed] = torch.stack([nll_counts(log_q, on) - nll_counts(p_true.log(), on) for on in sets])

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.2))
for ax, (n, score), limit in zip(axes, scores.items(), (90, 10), strict=True):
    for which, (color, name) in enumerate([(DATA, "training"), (MODEL, "validation"), ("black", "all future data")]):
        if which < 2:
            ax.plot(components, 1e3 * score[:, :, which], color=color, linewidth=0.5, alpha=0.5)
        ax.plot(components, 1e3 * score[:, :, which].mean(1), ":" if which == 2 else ".-", color=color, label=name)
    ax.axhline(0, color="gray", linewidth=0.8)
    ax.set(xlabel="components $M$", ylabel="loss above the truth's (mnat)", ylim=(-limit, limit))
    ax.set_title(f"{n:,} readings, {repeats} training sets")
axes[1].legend()
plt.show()

log_mixture, log_hist = mixture_log_probs(theta4, K), log_histogram(counts)
excess = {name: nll_counts(log_q, p_true) - entropy for name, log_q in
          [("histogram", log_hist), ("mixture of 4", log_mixture)]}
other_sets = 1e3 * scores[8_000][components.index(4), :, 2].mean()
for (name, value), log_q in zip(excess.items(), (log_hist, log_mixture), strict=True):
    on_test = nll(log_q, x_test) - nll(p_true.log(), x_test)
    print(f"{name:14}{1e3 * value:6.2f} mnat above the truth in the long run, {1e3 * on_test:6.2f} on the test set")
print(f"mixture of 4, mean over the {repeats} other training sets of 8,000: {other_sets:.2f} mnat")
assert excess["mixture of 4"] < excess["histogram"]

# %% [markdown]
# (As in section 4, each loss is shown above what the truth scores on the same readings; that moves whole curves and
# changes nothing about which $M$ is best. One component lies far above both pictures.) With 200 readings the training
# loss keeps falling while the validation loss turns up: two components, one per hill, are what so little data can pay
# for. With 8,000 readings the validation loss falls to about four components and then hardly moves; the differences
# are smaller than its own uncertainty, so we take the smallest number that is as good as any: $M = 4$. The dotted
# line, which only we can draw because we know the truth, agrees.
#
# The histogram pays about the $99/(2\cdot 8000) = 6.2$ mnat that (9) predicts. The mixture pays half of it or less,
# although it is *wrong*: the truth is made of Gaussians, and a logistic bell has heavier sides. Part of its excess is
# this mismatch, which no amount of data removes; the rest is the price of 11 parameters. (On the test set both
# numbers come out a mnat or two away: 10,000 readings are not enough to measure such differences exactly.)

# %% [markdown]
# ## 10 Likelihood is distance from the truth, and it is file size
#
# Why is the likelihood the right score? Because of what it converges to. Over endless data from $p^\ast$ the loss (3)
# becomes $-\sum_k p^\ast_k \log q_k$; add and subtract the entropy:
# $$-\sum_k p^\ast_k \log q_k = \underbrace{-\sum_k p^\ast_k\log p^\ast_k}_{H(p^\ast)}
# + \underbrace{\sum_k p^\ast_k\log\frac{p^\ast_k}{q_k}}_{\mathrm{KL}(p^\ast\,\|\,q)} \tag{15}$$
# The first term is not ours to change. The second, the **Kullback-Leibler divergence**, is never negative and zero
# only for $q = p^\ast$ (since $\log t \le t - 1$, we have
# $-\sum_k p^\ast_k\log\frac{q_k}{p^\ast_k} \ge -\sum_k (q_k - p^\ast_k) = 0$). *Maximising the likelihood is
# minimising the divergence from the truth to the model*, and the excess we have been printing since section 4 is that
# divergence.
#
# **Check.** Computed from its definition, the divergence is the excess of section 9.

# %%
def kl(p, log_q):
    """Kullback-Leibler divergence from p to q, the second term of eq. (15), in nats."""
    return (p * (p.log() - log_q)).sum()                                                          # (15)


for name, log_q in [("histogram", log_hist), ("mixture of 4", log_mixture)]:
    assert abs(kl(p_true, log_q) - excess[name]) < 1e-12
    print(f"KL from the truth to the {name}: {1e3 * kl(p_true, log_q):.2f} mnat, excess {1e3 * excess[name]:.2f} mnat")

# %% [markdown]
# There is a third reading, and it can be weighed on a scale. Shannon (1948): a code may spend $-\log_2 q_k$ bits on
# value $k$, and on data from $q$ no code does better on average. A model $q$ is therefore a promise about the size of
# a file:
# $$\text{bits} = \sum_{i=1}^n -\log_2 q_{x_i} = \frac{n\,\mathcal L(q)}{\ln 2} \tag{16}$$
# Fractions of bits cannot be spent symbol by symbol, but an **arithmetic coder** spends them on the whole message at
# once. It keeps an interval, first $[0,1)$, and for each value shrinks it to that value's step of the staircase (6):
# $$\text{low} \leftarrow \text{low} + \text{width}\cdot F_{x-1}, \qquad
# \text{width} \leftarrow \text{width}\cdot q_x \tag{17}$$
# At the end the width is $q_{x_1} q_{x_2}\cdots q_{x_n}$, and any number inside names the whole message. An interval
# of width $w$ contains a multiple of $2^{-b}$ as soon as $2^{-b} \le w$, so a binary fraction of
# $\lceil -\log_2 w \rceil$ digits will do: less than one bit is lost on the whole message. It is section 3 played
# backwards: there a uniform number was turned into data, here data is turned into a uniform number.

# %%
def arithmetic_code(message, q):
    """The ever narrower intervals of a message, eq. (17): [(low, width)], and a binary fraction inside the last."""
    low, width, intervals = 0.0, 1.0, []
    below = np.concatenate([[0], np.cumsum(q)])  # F_{x-1}
    for x in message:
        low, width = low + width * below[x], width * q[x]                                         # (17)
        intervals.append((low, width))
    digits = math.ceil(-math.log2(width))
    return intervals, f"{math.ceil(low * 2**digits):0{digits}b}"


names = ["shadow", "sunlit", "saturated"]
q = np.array([query(p_true, 0, 60), query(p_true, 61, 98), query(p_true, 99, 99)])
message = [0, 1, 1, 2, 0]
intervals, bits = arithmetic_code(message, q)
low, width = intervals[-1]
assert low <= int(bits, 2) / 2 ** len(bits) < low + width
assert -math.log2(width) <= len(bits) < -math.log2(width) + 1
print(" ".join(names[x] for x in message), f"-> 0.{bits}: {len(bits)} bits, promise {-math.log2(width):.2f}")

fig, ax = plt.subplots(figsize=(9, 3.2))
for row, x in enumerate(message):
    for symbol, (start_at, share) in enumerate(zip(np.cumsum(q) - q, q, strict=True)):
        color, alpha = ("C0", "C2", "C1")[symbol], 0.9 if symbol == x else 0.25
        ax.barh(-row, share, left=start_at, height=0.5, color=color, alpha=alpha)
        if symbol < 2:
            shade = "white" if symbol == x == 0 else "black"
            ax.text(start_at + share / 2, -row, names[symbol], ha="center", va="center", fontsize=9, color=shade)
    if row < len(message) - 1:
        ax.plot([q[:x].sum(), 0], [-row - 0.25, -row - 0.75], color="gray", linewidth=0.8)
        ax.plot([q[: x + 1].sum(), 1], [-row - 0.25, -row - 0.75], color="gray", linewidth=0.8)
    ax.text(1.01, -row, f"width {intervals[row][1]:.4f}", va="center", fontsize=10)
ax.set(xlim=(0, 1.14), xticks=[])
ax.set_title("Each value zooms into its own share of the interval (narrow, at the right: saturated)")
ax.set_yticks([-row for row in range(len(message))], [f"value {row + 1}" for row in range(len(message))])
ax.grid(False)
ax.spines[["left", "bottom"]].set_visible(False)
plt.show()

# %% [markdown]
# Each row is the highlighted part of the row above, magnified. A common value (*shadow*) hardly narrows the interval
# and costs less than a bit; the rare *saturated* narrows it thirtyfold and costs five.
#
# Floating-point numbers run out of digits after a few dozen values, so real coders rescale as they go. We use the
# range coder of the library `constriction` (Bamler 2022). A fair file must contain *everything* the decoder needs, so
# ours begins with the model's parameters in half precision, two bytes each; the coding model is the one rebuilt from
# those rounded parameters. **Check.** Every file is decoded, from its bytes alone, and must give back all 10,000 test
# readings.

# %%
def range_encode(x, q):
    """Compress x (n,) in [0, K) with probabilities q (K,). Returns bytes of about n times eq. (16) / 8."""
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(x.numpy().astype(np.int32), constriction.stream.model.Categorical(q.numpy(), perfect=False))
    return coder.get_compressed().tobytes()


def range_decode(data, n, q):
    coder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype=np.uint32))
    return torch.from_numpy(coder.decode(constriction.stream.model.Categorical(q.numpy(), perfect=False), n)).long()


def from_half(data, rows):
    """Parameters as a file holds them, half precision, back as (rows, ...) float64."""
    return torch.from_numpy(np.frombuffer(data, dtype=np.float16).astype(np.float64)).view(rows, -1)


unpack = {  # header bytes -> probabilities
    "truth (no header)": lambda header: p_true,
    "mixture of 4": lambda header: mixture_log_probs(list(from_half(header, 3)), K).exp(),
    "mixture of 1": lambda header: mixture_log_probs(list(from_half(header, 3)), K).exp(),
    "histogram": lambda header: from_half(header, 1)[0] / from_half(header, 1).sum(),
}
headers = {
    "truth (no header)": b"",
    "mixture of 4": torch.stack(theta4).half().numpy().tobytes(),
    "mixture of 1": torch.stack(fit_counts(counts, 1)).half().numpy().tobytes(),
    "histogram": log_histogram(counts).exp().half().numpy().tobytes(),
}
files, promises = {}, {}
for name, header in headers.items():
    q = unpack[name](header)
    files[name] = header + range_encode(x_test, q)
    promises[name] = (nll(q.log(), x_test) * len(x_test) / math.log(2) / 8).item()                # (16)  bytes
    header, body = files[name][: len(header)], files[name][len(header) :]
    assert torch.equal(range_decode(body, len(x_test), unpack[name](header)), x_test)
    assert -1 <= len(body) - promises[name] <= 8 + 1e-3 * promises[name]
print("four files decoded; each is as large as its model promised, to within 8 bytes and 0.1%")

# %% [markdown]
# One more competitor needs no training set and no header: an **adaptive histogram** starts with $\alpha = \tfrac12$
# everywhere, codes a value, counts it, and goes on with the improved histogram. The decoder sees the same values in
# the same order, so it can do the same. And there are two programs you have on your computer, gzip and xz, which look
# for repeated strings.

# %%
def adaptive_encode(x, K):
    """Range coder driven by eq. (8) with the counts of what came before. Returns bytes."""
    coder, seen = constriction.stream.queue.RangeEncoder(), np.full(K, 0.5)
    for value in x.tolist():
        coder.encode(value, constriction.stream.model.Categorical(seen, lazy=True))  # rescaled to sum to one
        seen[value] += 1
    return coder.get_compressed().tobytes()


def adaptive_decode(data, n, K):
    coder, seen = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype=np.uint32)), np.full(K, 0.5)
    x = np.zeros(n, dtype=np.int64)
    for i in range(n):
        x[i] = coder.decode(constriction.stream.model.Categorical(seen, lazy=True))
        seen[x[i]] += 1
    return torch.from_numpy(x)


raw = x_test.to(torch.uint8).numpy().tobytes()
files["adaptive histogram"] = adaptive_encode(x_test, K)
assert torch.equal(adaptive_decode(files["adaptive histogram"], len(x_test), K), x_test)
files["gzip -9"], files["xz -9e"] = gzip.compress(raw, 9, mtime=0), lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)

order = sorted(files, key=lambda name: len(files[name]))
fig, ax = plt.subplots(figsize=(9, 3.3))
for row, name in enumerate(order):
    header = len(headers.get(name, b""))
    ax.barh(row, len(files[name]) - header, color="C6" if "-9" in name else MODEL, alpha=0.75)
    ax.barh(row, header, left=len(files[name]) - header, color="C4")
    if name in promises:
        ax.plot([promises[name]] * 2, [row - 0.4, row + 0.4], color="black", linewidth=2)
    ax.text(len(files[name]) + 15, row, f"{len(files[name]):,} bytes", va="center", fontsize=10)
ax.set_yticks(range(len(order)), order)
ax.set(xlabel="bytes (the axis does not start at zero); brown: the parameters", xlim=(7_200, 8_750))
ax.set_title(f"{len(raw):,} test readings as files; black line: the model's promise")
ax.invert_yaxis()
plt.show()

# %% [markdown]
# The black lines stand where the coded readings end: *the loss of section 2 is the size of a file*. The file of the
# mixture of four, parameters included, is within a few dozen bytes of what knowing the truth would give; its eleven
# free parameters, stored as twelve numbers, cost 24 bytes. The histogram codes nearly as well but first has to ship
# 200 bytes of itself, and loses to gzip. The adaptive histogram ships nothing, yet it pays for its 99 parameters too,
# with clumsy codes while it learns. gzip does well here because independent readings have nothing to find but their
# frequencies, and its Huffman codes are a histogram rounded to whole bits. It would win by far on data with
# repetitions; section 11 has some.

# %% [markdown]
# ## 11 Real data: the values of pixels
#
# A grey level is a whole number from 0 to 255: our problem with $K = 256$. We take the pixels of 8,000 handwritten
# digits and of two photographs, and hold out 2,000 digits and half of the photographs' pixels.

# %%
images, labels = digits()  # (10000, 28, 28) uint8
digits_train, digits_test = images[:8_000].flatten(1).long(), images[8_000:].flatten(1).long()  # (n, 784)
photos = torch.cat([photo.flatten() for photo in natural_images()]).long()
photos = photos[torch.randperm(len(photos), generator=torch.Generator().manual_seed(8))]
pixels = {
    "digits": (count(digits_train, 256), count(digits_test, 256)),
    "photographs": (count(photos[: len(photos) // 2], 256), count(photos[len(photos) // 2 :], 256)),
}
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.2))
pixel_bits = {}
for ax, (name, (train_counts, test_counts)) in zip(axes, pixels.items(), strict=True):
    log_q = mixture_log_probs(fit_counts(train_counts, 10, iterations=300), 256)
    pixel_bits[name] = [nll_counts(q, test_counts) / math.log(2) for q in (log_histogram(train_counts), log_q)]
    plot_pmf(ax, fit_histogram(train_counts), fill=True, label="pixels")
    plot_pmf(ax, log_q.exp(), color=MODEL, linewidth=1.2, label="10 logistics")
    ax.set(xlabel="grey level", title=f"{name}: {train_counts.sum():,.0f} pixels")
    ax.legend(loc="upper center")
    histogram_bits, mixture_bits = pixel_bits[name]
    print(f"{name}: held-out bits a pixel: histogram {histogram_bits:.4f}, mixture of 10 {mixture_bits:.4f}")
axes[0].set(yscale="log", ylabel="probability")
plt.show()
temple, flower = (count(photo.long(), 256) for photo in natural_images())
own, other = (nll_counts(log_histogram(source), temple) / math.log(2) for source in (temple, flower))
print(f"bits a pixel of the temple: {own:.2f} by its own histogram, {other:.2f} by that of the flower")

# %% [markdown]
# (The left axis is logarithmic: four fifths of all digit pixels are exactly 0, and the ink saturates near 253.) With
# millions of pixels the histogram wins, as (9) says it must: $255/(2n)$ is nothing, and whatever shape is there, it
# follows. Ten logistics come close with 29 parameters instead of 255.
#
# So is the mixture useless on real data? It depends on $n$. Draw only $n$ pixels at random, fit both, and repeat the
# learning curve of section 4 for all three sources. (Ten components can fit fifty readings with ten needles, and then
# a reading elsewhere costs thousands of nats. So the mixture gets a smoothing too: one imaginary reading, spread
# evenly over all levels. With counts as input that is one addition.)

# %%
sources = {
    "sensor, 4 logistics": (p_true, 4),
    "photographs, 10 logistics": (fit_histogram(sum(pixels["photographs"])), 10),
    "digits, 10 logistics": (fit_histogram(sum(pixels["digits"])), 10),
}
few_sizes = budget(smoke=[50, 5_000], cpu=[50, 150, 500, 1_500, 5_000, 15_000, 50_000], gpu=sizes)
few_seeds = budget(smoke=1, cpu=3, gpu=10)


def log_mixture_of(M):
    """The fit to give to learning_curve: a mixture of M, from the counts and one imaginary reading spread evenly."""
    return lambda counts: mixture_log_probs(fit_counts(counts + 1 / len(counts), M), len(counts))


fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
for ax, (name, (p, M)) in progress(list(zip(axes, sources.items(), strict=True)), unit="sources"):
    for label, color, fit_log_q in [("histogram", DATA, log_histogram), ("mixture", MODEL, log_mixture_of(M))]:
        loss = 1e3 * learning_curve(fit_log_q, p, few_sizes, seeds=few_seeds)[1]  # (sizes, seeds)
        ax.plot(few_sizes, loss, ".", color=color, markersize=3)
        ax.plot(few_sizes, loss.mean(1), color=color, label=label)
    ax.set(xscale="log", yscale="log", xlabel="observations $n$", title=name)
axes[0].set_ylabel("excess over the source (mnat)")
axes[0].legend()
plt.show()

# %% [markdown]
# With enough data the histogram falls along a line of slope $-1$ in all three pictures. From a few hundred
# observations on the mixture lies well below it; then it flattens out at its own mismatch, and between ten and fifty
# thousand observations the lines cross. Now remember what PixelCNN++ uses the mixture for: the distribution of *one*
# pixel *given all the pixels before it*. Hardly any such context is ever seen twice, so $n$ is about one. That is why
# the sharing matters.
#
# (All of this is about pixels from the same pool. The line printed under the pixels' histograms is a warning: the
# histogram of the flower, asked about the temple, needs more than the eight bits that knowing nothing costs. No
# held-out pixel of the flower could have told.)
#
# One more thing about pixels before we believe these numbers. What does an *image* look like, if each pixel is drawn
# from our model?

# %%
def fit_positions(x, K, alpha=0.1):
    """One smoothed histogram for each pixel position, eq. (8). x: (n, D) int64. Returns (D, K) log-probabilities."""
    n, D = x.shape
    counts = torch.stack([count(x[:, j], K) for j in range(D)])  # (D, K)
    return ((counts + alpha) / (n + alpha * K)).log()


def surprise(log_q, x):
    """Mean surprise of images under independent positions, eq. (18). log_q: (D, K), x: (n, D). Bits per pixel (n,)."""
    return -log_q[torch.arange(x.shape[1]), x].mean(1) / math.log(2)                              # (18)


log_q_one = log_histogram(count(digits_train, 256)).expand(784, 256)
log_q_positions = fit_positions(digits_train, 256)
u = torch.rand(16, 784, 1, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.4))
show_images(images[8_000:8_016], ax=axes[0], title="digits")
names = ("one histogram for all pixels", "a histogram for each position")
for ax, log_q, name in zip(axes[1:], (log_q_one, log_q_positions), names, strict=True):
    drawn = (u >= log_q.exp().cumsum(1)[:, :-1]).sum(-1).view(16, 28, 28).to(torch.uint8)
    show_images(drawn, ax=ax, title=f"{name}\n{surprise(log_q, digits_test).mean():.2f} bits a pixel")
plt.show()
raw = digits_test.to(torch.uint8).numpy().tobytes()
packed = {"gzip": gzip.compress(raw, 9, mtime=0), "xz": lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)}
for name, data in packed.items():
    print(f"the same held-out digits with {name}: {8 * len(data) / len(raw):.2f} bits a pixel")

# %% [markdown]
# Snow, and fog in the shape of a digit. Knowing the position of a pixel saves a quarter of a bit, and still gzip and
# xz, which know nothing about digits, make smaller files: they see that a pixel resembles its neighbours, and our
# model draws each pixel as if the others did not exist. Likelihood has told us, in bytes, what is missing. *Modelling
# the dependence between pixels is the subject of the next lectures*; PixelCNN++ gets the colour photographs of
# CIFAR-10 down to 2.92 bits per colour value.

# %% [markdown]
# ## 12 Noticing what does not belong
#
# A model that knows what is probable should raise an alarm at what is not. Take the histogram-per-position model of
# digits and give every image its mean surprise, in bits per pixel:
# $$S(x) = -\frac1D\sum_{j=1}^{D}\log_2 q_j(x_j) \tag{18}$$
# We compare held-out digits with seven kinds of intruders. The **AUROC** is the probability that a random intruder
# surprises the model more than a random digit: 1 is a perfect alarm, 0.5 is a coin.

# %%
generator = torch.Generator().manual_seed(10)
greys = [photo.float().mean(2).round().long() for photo in natural_images()]
windows = [grey.unfold(0, 28, 14).unfold(1, 28, 14).flatten(0, 1) for grey in greys]  # (about 1,300, 28, 28) each
shuffle = torch.randperm(784, generator=generator)
crowd = {
    "test digits": digits_test,
    "upside down": digits_test.view(-1, 28, 28).flip(1).flatten(1),
    "half the ink": digits_test // 2,
    "pixels shuffled": digits_test[:, shuffle],
    "inverted": 255 - digits_test,
    "photograph": torch.cat(windows).flatten(1),
    "noise": torch.randint(0, 256, (400, 784), generator=generator),
    "blank": torch.zeros(1, 784, dtype=torch.long),
}


def auroc(odd, normal):
    """Probability that a draw from odd exceeds a draw from normal, ties counted half."""
    return ((odd[:, None] > normal).double() + 0.5 * (odd[:, None] == normal)).mean().item()


S = {name: surprise(log_q_positions, x) for name, x in crowd.items()}
alarm = {name: auroc(values, S["test digits"]) for name, values in S.items()}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), width_ratios=(1, 9))
strip = [x[len(x) // 3].view(28, 28) for x in crowd.values()]
left.imshow(torch.cat([torch.cat([image, torch.full((3, 28), 255)]) for image in strip]), vmin=0, vmax=255)
left.set_axis_off()
line = {"color": MODEL, "linewidth": 2}
right.boxplot(list(S.values()), orientation="horizontal", whis=(0, 100), widths=0.5, medianprops=line)
right.set(xscale="log", xlabel="surprise $S$ (bits per pixel); box: middle half, whiskers: all")
right.set_yticks(range(1, len(S) + 1), [f"{name}   {alarm[name]:.2f}" if name != "test digits" else name for name in S])
right.set_title("Name of the intruder and AUROC", loc="left")
right.axvspan(S["test digits"].min(), S["test digits"].max(), color=DATA, alpha=0.12)
right.set_xticks([0.5, 1, 2, 5, 10, 15], ["0.5", "1", "2", "5", "10", "15"])
right.minorticks_off()
right.invert_yaxis()
plt.show()

# %% [markdown]
# Inverted digits, photographs and noise are caught without exception. Then look at the rest. Upside-down digits are
# barely noticed: 0, 1, 3 and 8 look much the same that way, and a model of single pixels knows nothing of strokes.
# And the **blank** image, which is no digit at all, is *less* surprising than every real digit (AUROC 0): each of its
# pixels has the most common value. High probability is not the same as being typical. A coin that shows heads 6 times
# in 10, thrown 1,000 times, has "all heads" as its single most probable outcome, and it will never happen.
#
# What a typical image has is not a small surprise but the *usual* surprise. So measure the distance from it on both
# sides (Nalisnick et al. 2019b):
# $$T(x) = \big|\,S(x) - \overline{S}_\text{train}\,\big| \tag{19}$$

# %%
usual = surprise(log_q_positions, digits_train[:2_000]).mean()
T = {name: (values - usual).abs() for name, values in S.items()}                                  # (19)
print(f"{'AUROC':18}{'surprise S':>12}{'distance T':>12}")
for name in list(crowd)[1:]:
    print(f"{name:18}{alarm[name]:12.3f}{auroc(T[name], T['test digits']):12.3f}")
one = surprise(log_q_one, crowd["test digits"])
assert torch.allclose(one, surprise(log_q_one, crowd["pixels shuffled"]))
assert alarm["blank"] == 0 < 0.9 < auroc(T["blank"], T["test digits"])
print("one histogram for all pixels: shuffling does not change the surprise of any of the 2,000 test digits")

# %% [markdown]
# The blank image is now caught. The price is paid elsewhere: the subtler intruders are caught a little less often
# than before, because being *too* surprising was good evidence and half of it is given away. And the last line is the
# plainest warning of all. A model can only notice what it models: to the one-histogram model a digit with its pixels
# shuffled *is* a digit.
#
# Deep models do not escape this. Flows, VAEs and PixelCNNs trained on photographs of CIFAR-10 give *higher*
# likelihood to house numbers from SVHN than to photographs (Nalisnick et al. 2019a). Likelihood is an honest measure
# of how well a model predicts data like its own. It is not by itself a test of belonging.

# %% [markdown]
# ## Results
#
# What this notebook measured, collected for the results table of the course. The reference beside the histogram is
# the prediction of eq. (9), not a paper.

# %%
record(histogram_excess=1e3 * excess["histogram"], unit="mnat", paper=1e3 * 99 / 16_000, source="eq. (9): (K-1)/2n")
record(mixture4_excess=1e3 * excess["mixture of 4"], unit="mnat")
record(mixture4_excess_other_sets=other_sets, unit=f"mnat, mean of {repeats} other training sets")
record(normaliser_error=normaliser_error, unit="largest |sum - 1| of 1,000 mixtures, float64")
record(float32_log_prob_error=worst[torch.float32], unit="relative, up to 100 scales from the mean")
record(mixture4_file=len(files["mixture of 4"]), unit="bytes, parameters included")
record(histogram_file=len(files["histogram"]), unit="bytes, parameters included")
record(gzip_file=len(files["gzip -9"]), unit="bytes")
record(xz_file=len(files["xz -9e"]), unit="bytes")
record(digits_one_histogram=pixel_bits["digits"][0], unit="bits/pixel, held-out digits")
record(digits_histogram_per_position=surprise(log_q_positions, digits_test).mean(), unit="bits/pixel, held-out digits")
record(photographs_mixture10=pixel_bits["photographs"][1], unit="bits/pixel, held-out pixels")
record(upside_down_auroc=alarm["upside down"], unit="AUROC of the surprise S")

# %% [markdown]
# ## Takeaways
#
# - Maximum likelihood for a free table of probabilities is counting. Its test loss exceeds the entropy by
#   $(K-1)/(2n)$, whatever the truth looks like.
# - A mixture of discretised logistics shares what it learns between neighbours, is normalised by construction (open
#   end slices!), and needs $3M-1$ numbers. It pays for its mismatch instead of for its size.
# - Never subtract two nearly equal probabilities. Factor, then add logarithms: the loss stays finite and, more
#   important, the gradient stays useful.
# - Gradient descent finds the minimum downhill from its start. When counts suffice, use them: the exact gradient of
#   everything for the price of one small batch.
# - Negative log-likelihood is distance from the truth plus a constant, and it is file size. A promise of bits can be
#   kept to within a few bytes.
# - Likelihood judges how well data is predicted. It does not see what the model leaves out, and the most probable
#   image is not a typical one.
#
# ## Exercises
#
# 1. Let $q = \operatorname{softmax}(\ell)$ with free logits $\ell_k$. Show that the gradient of (3) is $q - \hat p$.
#    Fit the histogram by gradient descent and watch how long it takes for what eq. (4) does at once.
# 2. Repeat the learning curve with $\alpha = 0.01$, 1 and 5. Which wins at 50 readings, which at 50,000? Can you
#    choose $\alpha$ without knowing the truth?
# 3. The truth is made of Gaussians. Replace $\sigma$ by $\Phi$ in eq. (10). What is the excess with two components?
#    Which of the two bells needs more care in the tails, and why does eq. (12) have no simple analogue?
# 4. From the bad start, find *one* change (step size, batch size, initial scales, another optimiser) that lets
#    gradient descent reach the good solution.
# 5. Give each of the ten digit classes its own histogram per position, and classify the held-out digits with Bayes'
#    rule. How far does it get without any network?
# 6. Model *pairs*: a $256\times256$ histogram of a pixel and its left neighbour, used as $P(x_j \mid x_{j-1})$. Which
#    $\alpha$ does it need? Does it beat gzip? You have then built the model of the next lecture.
#
# ## References
#
# - C. E. Shannon (1948). A mathematical theory of communication. *Bell System Technical Journal* 27(3), 379-423.
#   [doi:10.1002/j.1538-7305.1948.tb01338.x](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x).
# - R. E. Krichevsky, V. K. Trofimov (1981). The performance of universal encoding. *IEEE Transactions on Information
#   Theory* 27(2), 199-207. [doi:10.1109/TIT.1981.1056331](https://doi.org/10.1109/TIT.1981.1056331).
# - L. Devroye (1986). *Non-Uniform Random Variate Generation*. Springer. Inversion and its alternatives.
#   [doi:10.1007/978-1-4613-8643-8](https://doi.org/10.1007/978-1-4613-8643-8).
# - D. P. Kingma, J. Ba (2015). Adam: a method for stochastic optimization.
#   [arXiv:1412.6980](https://arxiv.org/abs/1412.6980).
# - T. Salimans, A. Karpathy, X. Chen, D. P. Kingma (2017). PixelCNN++: improving the PixelCNN with discretized logistic
#   mixture likelihood and other modifications. [arXiv:1701.05517](https://arxiv.org/abs/1701.05517).
# - E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan (2019a). Do deep generative models know what
#   they don't know? [arXiv:1810.09136](https://arxiv.org/abs/1810.09136).
# - E. Nalisnick, A. Matsukawa, Y. W. Teh, B. Lakshminarayanan (2019b). Detecting out-of-distribution inputs to deep
#   generative models using typicality. [arXiv:1906.02994](https://arxiv.org/abs/1906.02994).
# - R. Bamler (2022). Understanding entropy coding with asymmetric numeral systems (ANS): a statistician's perspective.
#   [arXiv:2201.01741](https://arxiv.org/abs/2201.01741). The `constriction` library.
