# ---
# jupyter:
#   course:
#     title: "01 Histograms and mixtures of logistics"
#     summary: "count, sample, smooth and score; then a mixture of logistics trained by gradient descent"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 01: How much ink does a digit use?
# One number is measured on every image: how many of its pixels are bright. You model the distribution of that number,
# first by counting, then by a curve with nine parameters, and you find out which of the two has understood the data.
#
# **Afterwards you can** fit a distribution by maximum likelihood and say in bits what a wrong one costs; draw from any
# distribution over $K$ values; write log-probabilities that are right even a thousand scales from the mean; train a
# mixture by gradient descent; turn one model per class into a classifier.
#
# **Needs** lecture 01, calculus, a little PyTorch: indexing, broadcasting, `backward()`. No GPU.
# About two hours, 8 tasks, 24 points. Tasks 1 to 4 stand alone; 6 uses 5, 7 uses 6, 8 uses 4.
#
# **How it works.** Replace the line `raise NotImplementedError(...)` of a task, run the cell, then run the check below
# it. Keep the names and the arguments of the functions: the checks call them. A check draws inputs with `fresh`, feeds
# your function with them and shows at once, for each value that it compares, pass or fail, the shape and a hint. Points
# are shared equally by the values of a check, so half an answer earns its half. That badge is help; the grade is
# computed later in the same way with *other* inputs, so only code that computes the answer earns points. A task you
# left out or got wrong does not cost you the later ones in the grade: there the solution stands in for it. Here it does
# (task 6 needs your task 5), so mend the tasks in their order. To go on at a later section, put the cursor there and
# choose *Run > Run All Above Selected Cell*: that does not stop at a task that is not done. In Colab save a copy in
# Drive first (*File* menu); *Runtime > Run before* does it there. Add cells wherever you like; edits to a check cell
# are ignored.

# %%
import math

import matplotlib.pyplot as plt
import torch

from utils.data import digits
from utils.plot import DATA, MODEL, plot_pmf, show_images, use_style

use_style()

# %% [markdown]
# ## The data
# $x$ = the number of pixels above 127 of a 28 x 28 digit, in units of four pixels: a whole number from 0 to 79.
# You have 200 digits to learn from and 200 more for choosing between models. Another 5,000 are held out: no fitting and
# no choosing on them, only judging.

# %%
BINS = 80
images, labels = digits()
ink = (images > 127).flatten(1).sum(1) // 4  # (10000,) int64, in 0..79
train, valid, held_out = ink[:200], ink[200:400], ink[5000:]
values = torch.arange(BINS)

fig, (left, right) = plt.subplots(1, 2, gridspec_kw={"width_ratios": [1, 2]})
show_images(images[ink.argsort()[::1249]], columns=3, ax=left, title="least to most ink")
edges = (torch.arange(BINS + 1) - 0.5).numpy()
right.hist(train.numpy(), bins=edges, density=True, alpha=0.45, color=DATA, label="200 digits")
right.hist(held_out.numpy(), bins=edges, density=True, histtype="step", color="k", label="5,000 held out")
right.set(xlabel="ink x (4 pixels)", ylabel="relative frequency")
right.legend()
plt.show()

# %% [markdown]
# ## 1 Fit a histogram
# **2 points · 8 minutes · easy**
#
# The simplest model gives each of the $K$ values a probability of its own and assumes nothing else. Of all such models
# one makes the data most likely, and it is found by counting:
# $$\hat p_k = \frac{1}{n}\sum_{i=1}^{n} \mathbb 1[x_i = k], \qquad k = 0, \dots, K-1 \tag{1}$$
#
# <details><summary>Hint 1: the idea</summary>
#
# Two steps: how often does each value occur, and what share of all $n$ observations is that? A value that never occurs
# still has a place in the answer.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `torch.bincount` counts. Its argument `minlength` says how many values there are; without it the answer ends at the
# largest value that happened to be in the data.
#
# </details>


# %% task="fit_histogram" points=2 minutes=8
def fit_histogram(x, K):
    """Maximum-likelihood probabilities of the values 0..K-1, eq. (1).

    x: (n,) int64, each in 0..K-1, n >= 1.
    Returns (K,) float, non-negative, sums to 1; a value that never occurs gets 0.
    The check tries several n and K, data with gaps, and data that do not reach K-1.
    """
    # BEGIN SOLUTION
    return torch.bincount(x, minlength=K) / len(x)  # (1)
    # END SOLUTION


# %% check="fit_histogram" points=2
# Shares of all K values, also of those that nobody observed.
observed = (2 * fresh(400)).abs().long().clamp(max=7)
observed = observed + 2 * (observed > 1)  # 2 and 3 never occur, nor anything above 9
check(
    cumulative=torch.as_tensor(fit_histogram(observed, 12)).cumsum(0),
    hint="Added up from left to right, K = 12 probabilities end at 1. Shape (10,) or less: values that nobody "
    "observed are missing. Ends at 400: counts, not yet shares. Ends elsewhere: divided by something other than n?",
)
check(
    probabilities=fit_histogram(3 * observed[:7], 31),
    hint="Seven observations with gaps between them. Entry k belongs to the value k, not to the k-th value that "
    "occurs.",
)

# %% [markdown]
# **Look.** Where the histogram of 200 digits has a hole, it calls that amount of ink impossible.

# %%
p_train = fit_histogram(train, BINS)
fig, ax = plt.subplots()
plot_pmf(ax, p_train, color=MODEL, label="fitted to 200 digits")
plot_pmf(ax, fit_histogram(held_out, BINS), fill=True, label="held out")
ax.set(xlabel="ink x", ylabel="probability")
ax.legend()
print(f"never seen in training: {(p_train[held_out] == 0).sum()} of the {len(held_out)} held-out digits")

# %% [markdown]
# ## 2 Sample by inverting the cumulative distribution
# **3 points · 18 minutes · medium**
#
# Lay the probabilities end to end: they tile the interval from 0 to 1. A uniform random number $u$ falls into tile $k$
# with probability $p_k$, so the tile it falls into *is* a sample. With the right ends of the tiles
# $F_k = p_0 + \dots + p_k$,
# $$x(u) = \min\{k : u < F_k\}, \qquad u \sim \mathrm{Uniform}[0, 1) \tag{2}$$
# Mind the strict inequality: tile $k$ holds its left end, not its right one, and an empty tile holds nothing at all.
# Mind the far end as well. Rounding can make $F_{K-1}$ a little less than 1, and a $u$ above it must still give a value
# that the distribution can produce.
#
# Write the inversion first, as a function of given $u$, then the sampler that feeds it.
#
# <details><summary>Hint 1: the idea</summary>
#
# The $F_k$ are sorted, so finding the tile of $u$ is a search in a sorted list, the same for all $u$ at once.
#
# </details>
#
# <details><summary>Hint 2: which side, and the far end</summary>
#
# $\min\{k: u < F_k\}$ is the number of $F_k$ that are $\le u$. A search that stops at $F_k < u$ differs from it exactly
# where $u$ is equal to some $F_k$, for instance where $u = 0$ and $p_0 = 0$.
#
# If the $F_k$ end at 0.9999990 and $u$ = 0.9999999, no $F_k$ is above $u$. Cutting the index off at $K-1$ is safe
# only if $p_{K-1} > 0$. What can you do to the $F_k$ so that the last of them is exactly 1?
#
# </details>
#
# <details><summary>Hint 3: the shape of the code</summary>
#
# `cumsum`, then `torch.searchsorted(sorted_sequence, values, right=...)`: its documentation has a table of what `right`
# means. For the sampler: `torch.rand(n, generator=generator)`.
#
# </details>


# %% task="sample_histogram" points=3 minutes=18
def inverse_cdf(probs, u):
    """The value x(u) of eq. (2) for each u.

    probs: (K,) float, non-negative, sums to 1 but for rounding (1e-5). u: (n,) float, in [0, 1).
    Returns (n,) int64, each in 0..K-1 and never a value whose probability is 0. Leaves probs as it is.
    The check tries u between and exactly at the ends of tiles, u as near to 1 as float32 can be, and zero
    probabilities at the beginning, inside and at the end.
    """
    # BEGIN SOLUTION
    cdf = probs.cumsum(0)
    return torch.searchsorted(cdf / cdf[-1], u, right=True)  # (2)
    # END SOLUTION


def sample_histogram(probs, n, *, generator=None):
    """n independent draws from probs, (n,) int64. All randomness comes from `generator`, which moves on with each call.

    The check looks at the frequencies of 20,000 draws, and at whether draws repeat: they must from a generator set
    back to the same state, and must not when the generator goes on.
    """
    # BEGIN SOLUTION
    return inverse_cdf(probs, torch.rand(n, generator=generator))
    # END SOLUTION


# %% check="sample_histogram" points=2
# The inverse of the cumulative distribution: inside its steps, at their ends, close to 1, and where p is 0.
ones = torch.tensor([0, 1, 1, 1, 1, 1, 1, 0])
parts = ones + torch.bincount((1.5 * fresh(58) + 3).round().clamp(1, 6).long(), minlength=8)  # (8,), sums to 64
tiles, grid = parts / 64, torch.arange(64) / 64
almost_one = torch.cat([grid + 1 / 128, 1 - torch.arange(1, 9) / 2**24])
check(
    inside_tiles=inverse_cdf(tiles, grid + 1 / 128),
    hint="All u lie well inside their tiles. One too high or too low everywhere? Count the right ends at or below u.",
)
check(
    at_ends_of_tiles=inverse_cdf(tiles, grid),
    hint="u exactly at the end of a tile belongs to the next tile that is not empty, and u = 0 to the first that is "
    "not empty. Right inside the tiles but not here: the wrong side of the search (< against <=).",
)
check(
    beyond_the_last_end=inverse_cdf(tiles[:7] * (1 - 2**-18), almost_one),
    hint="These probabilities add up to a little less than 1, and some u lie above their sum. Such a u must not "
    "become the value K.",
)
check(
    beyond_and_last_tile_empty=inverse_cdf(tiles * (1 - 2**-18), almost_one),
    hint="The last probability is 0, and some u lie above the sum. Cutting off at K-1 returns a value that cannot "
    "occur: stretch the cumulative sums so that they end at 1 instead.",
)

# %% check="sample_histogram" points=1
# Draws have the right frequencies and follow the generator that was handed in.
uneven = torch.tensor([1, 3, 6, 0, 5, 5]) * (0.2 * fresh(6)).exp()
uneven = uneven / uneven.sum()
coin = fresh_generator()
before = coin.get_state()
first = sample_histogram(uneven, 20_000, generator=coin)
second = sample_histogram(uneven, 20_000, generator=coin)
coin.set_state(before)
again = sample_histogram(uneven, 20_000, generator=coin)
check(
    share_of_equal_draws=[float((first == other).sum()) / 20_000 for other in (again, second)],
    atol=0.03,
    hint="First number: set back to the same state, the generator must give the same draws (is it passed on to "
    "torch.rand?). Second: a generator that goes on must give new draws (no seeding inside the function).",
)
check(
    frequencies=[float((first == value).sum()) / 20_000 for value in range(6)],
    atol=0.03,
    hint="Frequencies of the six values. Far off, or one value only: is there a new u for every draw?",
)

# %% [markdown]
# **Look.** Five uniform numbers on the left axis walk to the curve and fall onto five samples.

# %%
p_all = fit_histogram(ink, BINS)
u = torch.rand(5, generator=torch.Generator().manual_seed(1))
fig, (left, right) = plt.subplots(1, 2)
left.stairs(p_all.cumsum(0), edges, baseline=None, color=DATA)
for height, k in zip(u.tolist(), inverse_cdf(p_all, u).tolist(), strict=True):
    left.plot([0, k, k], [height, height, 0], color=MODEL, lw=1)
left.set(xlabel="ink x", ylabel="u, cumulative probability")
draws = sample_histogram(p_all, 2000, generator=torch.Generator().manual_seed(2))
plot_pmf(right, p_all, fill=True, label="model")
plot_pmf(right, fit_histogram(draws, BINS), color=MODEL, label="2,000 draws from it")
right.set(xlabel="ink x", ylabel="probability")
right.legend()
plt.show()

# %% [markdown]
# ## 3 What a wrong model costs
# **2 points · 10 minutes · easy**
#
# A code built for the distribution $q$ spends $-\log_2 q_k$ bits on the value $k$. If the data come from $p$, the
# shortest possible average is that of a code built for $p$ itself. What $q$ spends on top of it is the
# Kullback-Leibler divergence
# $$\mathrm{KL}(p\,\|\,q) = \sum_{k} p_k \log_2 \frac{p_k}{q_k} \quad \text{bits per value} \tag{3}$$
# Maximising likelihood and minimising this number are the same thing. Two cases need care. A value with $p_k = 0$ is
# never sent, so it costs nothing, whatever $q_k$ is. A value with $p_k > 0$ and $q_k = 0$ has no code word at all:
# the cost is infinite.
#
# <details><summary>Hint 1: the idea</summary>
#
# Computed blindly, $0 \cdot \log_2 0$ is `nan` in floating point, and one `nan` spoils the sum. The infinite case
# comes out right by itself: $p \log_2 (p / 0)$ is `inf` for $p > 0$. So only one of the two cases needs work. Adding
# a small number inside the logarithm would hide the other.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# Either keep only the terms with $p_k > 0$, or replace the others by 0 with `torch.where(condition, this, that)`.
#
# </details>


# %% task="kl_bits" points=2 minutes=10
def kl_bits(p, q):
    """Kullback-Leibler divergence KL(p || q) in bits, eq. (3).

    p, q: (K,) float, non-negative, each sums to 1. Leaves both as they are.
    Returns one number (a 0-d tensor or a float): 0 where p equals q, never nan, inf where some q_k = 0 < p_k.
    The check tries zeros in p, in q and in both at the same place.
    """
    # BEGIN SOLUTION
    return torch.where(p > 0, p * (p / q).log2(), 0).sum()  # (3)
    # END SOLUTION


# %% check="kl_bits" points=2
# KL(p || q) in bits, also where p or q is 0.
first, second = fresh(6, 9).softmax(1), (2 * fresh(6, 9)).softmax(1)
check(
    positive=[float(kl_bits(a, b)) for a, b in zip(first, second, strict=True)],
    atol=1e-5,
    hint="No zeros here. Too small by a factor of 0.69: natural logarithm. By a factor of K: the mean in place of the "
    "sum. Otherwise: is it KL(p || q), the average over p? Is the cost of the best code taken off?",
)
check(
    certain=[
        float(kl_bits(torch.eye(4)[1], torch.tensor([0.9, 0.0, 0.03, 0.07]) * (1 - odds) + torch.eye(4)[1] * odds))
        for odds in (1 / 2, 1 / 8, 1 / 64)
    ],
    atol=1e-5,
    hint="p is certain of a value to which q gives 1/2, 1/8 and 1/64: the cost is 1, 3 and 6 bits. nan: the terms 0 * "
    "log 0.",
)
gap = torch.tensor([1, 0, 1, 1, 0, 1, 1, 1, 1])
p_gap, q_gap = first[0] * gap / (first[0] * gap).sum(), second[0] * gap / (second[0] * gap).sum()
check(
    zeros_in_p=[float(kl_bits(p_gap, second[0])), float(kl_bits(p_gap, p_gap)), float(kl_bits(p_gap, q_gap))],
    atol=1e-5,
    hint="A value that p never sends costs nothing, also where q is 0 as well. inf: KL(q || p) in place of KL(p || q).",
)
q_hole = second[1].index_fill(0, torch.tensor([3]), 0)
q_hole = q_hole / q_hole.sum()
check(
    zeros_in_q=[float(kl_bits(first[0], q_hole)), float(kl_bits(q_hole, first[0]))],
    atol=1e-5,
    hint="A value that p sends and q calls impossible costs infinitely many bits: do not add a small number to q, do "
    "not leave the term out.",
)

# %% [markdown]
# **Look.** Send the held-out digits with the code that the histogram of 200 digits gives.

# %%
p_held_out = fit_histogram(held_out, BINS)
print(f"uniform code:             {kl_bits(p_held_out, torch.ones(BINS) / BINS):.3f} bits a digit too many")
print(f"histogram of 200 digits:  {kl_bits(p_held_out, p_train):.3f} bits a digit too many")

# %% [markdown]
# ## 4 Smooth, and let held-out data say how much
# **3 points · 14 minutes · easy**
#
# One impossible digit makes the whole message impossible. The cure is old: pretend that every value has been seen
# $\alpha$ times before the data came in (Laplace took $\alpha = 1$),
# $$p_k = \frac{n_k + \alpha}{n + \alpha K}, \qquad n_k = \sum_{i=1}^n \mathbb 1[x_i = k] \tag{4}$$
# How large should $\alpha$ be? The training data cannot say: they like $\alpha = 0$ best. Data that were not used for
# fitting can. Score each $\alpha$ by the mean negative log-likelihood of the validation set, in nats,
# $$L(\alpha) = -\frac{1}{n'} \sum_{i=1}^{n'} \ln p_{x'_i} \tag{5}$$
# where $p$ is fitted to the training data $x$ with strength $\alpha$, and judged on $x'_1, \dots, x'_{n'}$.
#
# <details><summary>Hint 1: the idea</summary>
#
# $\alpha$ is added to the *counts*, to all $K$ of them. What do the new counts add up to?
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `smooth_histogram`: counts as floats, one line for (4). `heldout_nll`: for every `alpha`, fit on `x_train`, look up
# the probabilities of `x_valid` by indexing (`p[x_valid]`), then logarithm first, mean second. `torch.stack` or
# `torch.tensor` makes one tensor of the results. Start from fresh counts for each `alpha`.
#
# </details>


# %% task="smooth_histogram" points=3 minutes=14
def smooth_histogram(x, K, alpha):
    """Histogram probabilities with alpha pretended observations of every value, eq. (4).

    x: (n,) int64, each in 0..K-1; n may be 0 if alpha > 0. alpha: float >= 0.
    Returns (K,) float, sums to 1. The check tries alpha = 0, small and large alpha, and no data at all.
    """
    # BEGIN SOLUTION
    counts = torch.bincount(x, minlength=K) + alpha
    return counts / counts.sum()  # (4)
    # END SOLUTION


def heldout_nll(x_train, x_valid, K, alphas):
    """Mean negative log-likelihood of x_valid, in nats, for each alpha, eq. (5): the model is fitted on x_train alone.

    x_train: (n,) int64, x_valid: (n',) int64, all in 0..K-1. alphas: a sequence of A floats >= 0, in any order.
    Returns (A,) float, in the order of alphas; inf where the model calls some value of x_valid impossible.
    """
    # BEGIN SOLUTION
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])  # (5)
    # END SOLUTION


# %% check="smooth_histogram" points=1
# alpha is added to the count of every value, and the result still adds up to 1.
observed = (2 * fresh(60)).abs().long().clamp(max=9)
check(
    cumulative=torch.stack([torch.as_tensor(smooth_histogram(observed, 13, a)).cumsum(0) for a in (0.0, 0.5, 4.0)]),
    hint="From left to right the probabilities must add up to 1 for alpha = 0, 0.5 and 4. They do not: the "
    "denominator has to grow by alpha for every value, by alpha K in all. They do, but are wrong: is alpha added to "
    "counts or to shares?",
)
check(
    few_data=torch.stack([torch.as_tensor(smooth_histogram(observed[:n], 13, 0.7)) for n in (0, 1, 5)]),
    hint="0, 1 and 5 observations. Without data all values are equally likely. alpha belongs to every value, also to "
    "those that were seen.",
)

# %% check="smooth_histogram" points=2
# Held-out negative log-likelihood of each strength, infinite where the data are impossible.
observed = (2 * fresh(2060)).abs().long().clamp(max=9)
check(
    nll=heldout_nll(observed[:60], observed[60:], 13, (3.0, 0.1, 1.0, 10.0, 0.3)),
    rtol=1e-4,
    hint="Five strengths, in this order. Negative: sign. Hundreds: the sum in place of the mean. Slightly low: fitted "
    "on the validation data too, or the logarithm of the mean in place of the mean of the logarithms. By 1/0.69: "
    "bits, not nats.",
)
check(
    impossible_value=heldout_nll(observed[:60], torch.cat([observed[60:], torch.tensor([12])]), 13, (0.0, 5.0, 20.0)),
    rtol=1e-4,
    hint="The value 12 occurs in the validation data only: with alpha = 0 the likelihood is 0 and its negative "
    "logarithm infinite. Finite: scored on the training data, or cut off? The others wrong: did the counts remember "
    "an alpha?",
)

# %% [markdown]
# **Look.** Too little smoothing trusts 200 digits too much, too much of it forgets them.

# %%
alphas = torch.logspace(-3, 2, 41)
scores = heldout_nll(train, valid, BINS, alphas.tolist())
best = float(alphas[scores.argmin()])
p_smooth = smooth_histogram(train, BINS, best)
fig, ax = plt.subplots()
ax.semilogx(alphas, scores, color=MODEL, label="validation")
ax.semilogx(alphas, heldout_nll(train, train, BINS, alphas.tolist()), color=DATA, label="training")
ax.axvline(best, color="k", lw=1, ls=":")
ax.set(xlabel="strength alpha", ylabel="NLL (nats a digit)")
ax.legend()
print(f"best alpha {best:.2f}, now {kl_bits(p_held_out, p_smooth):.3f} bits a held-out digit too many")

# %% [markdown]
# ## 5 A logistic, cut into bins
# **4 points · 25 minutes · hard**
#
# A histogram does not know that 30 lies next to 31. A smooth curve does. Take the logistic distribution with mean $\mu$
# and scale $s$, whose cumulative distribution is $\sigma((x-\mu)/s)$ with $\sigma(z) = 1/(1+e^{-z})$, and give the
# value $k$ all the mass between $k - \frac12$ and $k + \frac12$. The two end bins are open: they take the rest, to
# $-\infty$ and to $+\infty$, so that the $K$ probabilities add up to 1 wherever the curve stands. With
# $a = (k + \frac12 - \mu)/s$ and $b = (k - \frac12 - \mu)/s$,
# $$P(k) = \begin{cases} \sigma(a) & k = 0\\ \sigma(a) - \sigma(b) & 0 < k < K-1\\ 1 - \sigma(b) & k = K-1
# \end{cases} \tag{6}$$
# You need $\ln P(k)$, and that is where it gets hard. Thirty scales above the mean, $\sigma(a)$ and $\sigma(b)$ are
# the same float32 number, their difference is 0 and its logarithm $-\infty$; training would stop with `nan`. Yet the
# true value is harmless, about $-30$. Do not clamp: a clamped probability has no gradient, and it is those far-away
# data that should pull hardest. Rearrange instead.
#
# The scale enters as $\ell = \ln s$ (`log_s`), so that any real number is allowed.
#
# <details><summary>Hint 1: the idea</summary>
#
# Subtracting two nearly equal numbers is what hurts. Write the difference as a *product*; its logarithm is a sum of
# logarithms, and each can be computed well. Two facts to use: $1 - \sigma(z) = \sigma(-z)$, and `F.logsigmoid(z)` of
# `torch.nn.functional` is exact for every $z$, which `torch.sigmoid(z).log()` is not.
#
# </details>
#
# <details><summary>Hint 2: the equation</summary>
#
# Put $\sigma(a) - \sigma(b)$ over the common denominator $(1 + e^{-a})(1 + e^{-b})$ and factor: you find
# $\sigma(a)\,\sigma(-b)$ times a factor that depends on $a - b$ only. What is $a - b$?
#
# </details>
#
# <details><summary>Hint 3: that factor</summary>
#
# It is $1 - e^{-(a-b)}$, and $a - b = 1/s$. For a wide curve $1/s$ is tiny and $1 - e^{-1/s}$ loses its digits;
# `torch.expm1(z)` is $e^z - 1$ without that loss. Test it: print your result for `log_s = 10`.
#
# </details>
#
# <details><summary>Hint 4: the shape of the code</summary>
#
# Compute the three lines of (6) for all $x$, then choose with
# `torch.where(x == 0, ..., torch.where(x == K - 1, ..., ...))`. All three must be finite everywhere, even where they
# are not chosen, or the gradient becomes `nan`.
#
# </details>


# %% task="logistic_log_prob" points=4 minutes=25
def logistic_log_prob(x, mu, log_s, K):
    """Log-probability, in nats, of a logistic cut into the bins 0..K-1, the first and last open-ended, eq. (6).

    x: int64, in 0..K-1. mu, log_s: float32, any real number; the scale is s = exp(log_s). K >= 3.
    The three broadcast: x (n, 1) with mu and log_s (M,) gives (n, M). Returns float of the broadcast shape.
    Finite, with finite gradients in mu and log_s (so: torch operations), and accurate to 1e-5, relative or absolute.
    The check tries 0.03 < s < 60,000, and x up to 1,200 scales from mu on both sides.
    """
    # BEGIN SOLUTION
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    first = torch.nn.functional.logsigmoid(a)
    last = torch.nn.functional.logsigmoid(-b)
    between = first + last + torch.log(-torch.expm1(-inverse_s))
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))  # (6)
    # END SOLUTION


# %% check="logistic_log_prob" points=1
# A distribution over K values, and the integral of the logistic density over each inner bin.
mu = torch.tensor([4.0, 7.0, 9.0, 13.0]) + 0.8 * fresh(4)
log_s = torch.tensor([-0.5, 0.2, 0.9, 1.6]) + 0.1 * fresh(4)
mass = logistic_log_prob(torch.arange(16)[:, None], mu, log_s, 16).exp()  # (16, 4)
check(
    cumulative=mass.cumsum(0),
    atol=1e-5,
    hint="The probabilities of one curve add up to 1 over the K = 16 values. Less than 1: the end bins are not open. "
    "Otherwise: bin edges at k - 0.5 and k + 0.5? s = exp(log_s), and divided by s?",
)
fine = (torch.arange(1, 15)[:, None] - 0.5 + (torch.arange(200) + 0.5) / 200)[:, :, None]  # 200 points a bin
density = 1 / (4 * log_s.exp() * ((fine - mu) / (2 * log_s.exp())).cosh() ** 2)  # (14, 200, 4)
check(
    minus_integral_of_density=mass[1:-1] - density.mean(1),
    atol=1e-4,
    hint="Between the ends, the mass of a bin is the integral of the logistic density over it. Nearly right: the "
    "density at the middle in place of the mass? Shifted by half a bin: edges at k and k + 1?",
)

# %% check="logistic_log_prob" points=2
# Finite and exact up to 1,000 scales away from the mean.
mu, log_s = 40 + fresh(3), torch.tensor([-3.3, -1.5, 0.0]) + 0.03 * fresh(3)
check(
    left_tail=logistic_log_prob(torch.arange(1, 31)[:, None], mu, log_s, 80),
    rtol=1e-5,
    atol=1e-5,
    hint="Up to 1,000 scales to the left of mu. -inf: two equal sigmoids subtracted. The same number again and again: "
    "clamped. float64 only moves the cliff further out.",
)
check(
    right_tail=logistic_log_prob(torch.arange(50, 79)[:, None], mu, log_s, 80),
    rtol=1e-5,
    atol=1e-5,
    hint="Up to 1,000 scales to the right of mu, where both sigmoids are 1. Left is right and this is wrong: use 1 - "
    "sigmoid(z) = sigmoid(-z) before the subtraction, not after.",
)
check(
    wide_curves=logistic_log_prob(
        torch.arange(1, 63)[:, None], 32 + 30 * fresh(8), torch.linspace(9.6, 10.8, 8) + 0.03 * fresh(8), 64
    ),
    rtol=1e-5,
    atol=1e-5,
    hint="Scales of thousands of bins: a bin holds 1/(4s). Nearly right but noisy: 1 - exp(-1/s) or the difference of "
    "sigmoids loses digits; expm1 does not.",
)
check(
    far_end_bins=logistic_log_prob(torch.tensor([[0], [79]]), mu, log_s, 80),
    rtol=1e-5,
    atol=1e-5,
    hint="The open bins 0 and K-1, far from mu: one sigmoid each and no difference. -inf: log(sigmoid(z)) in place of "
    "logsigmoid(z). A little too small: the formula of the inner bins.",
)

# %% check="logistic_log_prob" points=1
# Gradients in mu and log s that are finite and right, tails included.
mu = (torch.tensor([12.0, 40.0, 76.0]) + 0.5 * fresh(3)).requires_grad_()
log_s = (torch.tensor([-3.3, -1.5, 1.1]) + 0.03 * fresh(3)).requires_grad_()
weight = (1 + 0.5 * fresh(80, 1)).index_fill(0, torch.tensor([0, 79]), 3.0)
total = (weight * logistic_log_prob(torch.arange(80)[:, None], mu, log_s, 80)).sum()
slope_mu, slope_log_s = torch.autograd.grad(total, [mu, log_s])
check(
    gradient_in_mu=slope_mu,
    rtol=3e-4,
    atol=1e-2,
    hint="The derivative of a weighted sum of all 80 log-probabilities. nan: some branch of torch.where is infinite "
    "or nan although not chosen. Too small: a clamp lets no gradient through.",
)
check(
    gradient_in_log_s=slope_log_s,
    rtol=3e-4,
    atol=1e-2,
    hint="As for mu. Wrong only here: is every s computed from log_s by torch operations?",
)

# %% [markdown]
# **Look.** Left: the same curve at three places; the open end bins collect what falls off. Right: a good
# log-probability falls along straight lines as far as you look.

# %%
fig, (left, right) = plt.subplots(1, 2)
for mean, color in ((25.0, DATA), (60.0, MODEL), (78.0, "C2")):
    log_prob = logistic_log_prob(values, torch.tensor(mean), torch.tensor(3.0).log(), BINS)
    plot_pmf(left, log_prob.exp(), color=color, label=f"mu = {mean:.0f}")
    right.plot(values, logistic_log_prob(values, torch.tensor(mean), torch.tensor(0.3).log(), BINS), color=color)
left.set(xlabel="x", ylabel="P(x), s = 3")
right.set(xlabel="x", ylabel="ln P(x), s = 0.3")
left.legend()
plt.show()

# %% [markdown]
# ## 6 A mixture of them
# **3 points · 10 minutes · medium**
#
# One logistic has one hump. A weighted sum of $M$ of them can take almost any shape:
# $$\ln P(x) = \ln \sum_{m=1}^{M} \pi_m\, P(x \mid \mu_m, s_m), \qquad \pi = \mathrm{softmax}(\text{logits}) \tag{7}$$
# The softmax makes any $M$ real numbers into weights, so that gradient descent may move them freely. The trap is
# the outer logarithm: you have the $\ln P(x \mid \mu_m, s_m)$, and to exponentiate them would undo all the care of
# task 5.
#
# <details><summary>Hint 1: the idea</summary>
#
# Bring the weight into the exponent: $\pi_m P_m = e^{\ln \pi_m + \ln P_m}$. The logarithm of a sum of exponentials is
# one function in PyTorch, and it subtracts the largest exponent first.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `log_softmax` gives $\ln \pi$, shape $(M,)$. Task 5 gives $(n, M)$ if `x` comes as $(n, 1)$: `x[:, None]`. Add the
# two (they broadcast) and sum over the components with `torch.logsumexp(..., dim=...)`, so that $(n,)$ is left.
#
# </details>


# %% task="mixture_log_prob" points=3 minutes=10
def mixture_log_prob(x, logits, mu, log_s, K):
    """Log-probability, in nats, of a mixture of M logistics cut into the bins 0..K-1, eq. (7).

    x: (n,) int64, in 0..K-1. logits, mu, log_s: (M,) float32, any real numbers; adding one constant to all logits
    changes nothing. Returns (n,) float, one number for each x, finite also where every component is far away.
    The check tries x a thousand scales and more from every component, and components whose weight is below e^-100.
    """
    # BEGIN SOLUTION
    log_weights = logits.log_softmax(0)  # (M,)
    return torch.logsumexp(log_weights + logistic_log_prob(x[:, None], mu, log_s, K), dim=1)  # (7)
    # END SOLUTION


# %% check="mixture_log_prob" points=1
# A distribution over K values for any logits: only their differences matter.
logits = torch.tensor([-1.0, 0.0, 0.5, 1.5]) + 0.2 * fresh(4)
mu, log_s = torch.tensor([4.0, 24.0, 14.0, 30.0]) + fresh(4), torch.tensor([0.0, 0.3, 0.8, 0.1]) + 0.2 * fresh(4)
check(
    cumulative=mixture_log_prob(torch.arange(32), logits, mu, log_s, 32).exp().cumsum(0),
    atol=1e-5,
    hint="Over all K = 32 values the probabilities add up to 1. More: are the weights normalised (softmax)? Less: was "
    "the mean of the log-probabilities taken, not the log of the mean? Shape (4,): summed over x.",
)
some = (16 + 6 * fresh(11)).round().long().clamp(0, 31)
check(
    log_prob=mixture_log_prob(some, logits - 30, mu, log_s, 32),
    rtol=1e-4,
    hint="Eleven values, in any order, all logits lowered by 30, which must not matter. exp(logit) is not a weight "
    "before it is normalised; a weight is added as a logarithm.",
)

# %% check="mixture_log_prob" points=2
# Exact where every component, or a weight, is too small to exponentiate.
logits = torch.tensor([2.0, 1.0, 0.5]) + 0.3 * fresh(3)
mu, log_s = torch.tensor([20.0, 25.0, 25.0]) + fresh(1), torch.tensor([-2.0, -1.5, -1.5]) + 0.1 * fresh(1)
check(
    far_from_all=mixture_log_prob(torch.arange(60, 300, 4), logits, mu, log_s, 300),
    rtol=1e-5,
    hint="-inf: the components were exponentiated one by one before they were added. Stay in logarithms: logsumexp.",
)
rare = torch.tensor([1.5, -130.0, -130.5]) + 0.3 * fresh(3)
mu, log_s = torch.tensor([40.0, 250.0, 250.0]) + fresh(1), torch.tensor([-1.0, 0.3, 0.3]) + 0.1 * fresh(1)
check(
    rare_component=mixture_log_prob(torch.arange(230, 270), rare, mu, log_s, 300),
    rtol=1e-5,
    hint="The weights of two components are near e^-130, and these x are theirs. softmax(...).log() turns such a "
    "weight into 0 and its logarithm into -inf; log_softmax keeps it.",
)

# %% [markdown]
# **Look, and play.** Change the nine numbers until the curve fits the bars. What is the smallest NLL that you reach?

# %%
weights, mu, s = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([15.0, 20.0, 40.0]), torch.tensor([2.0, 3.0, 5.0])
by_hand = (weights.log(), mu, s.log())

fig, ax = plt.subplots()
plot_pmf(ax, fit_histogram(train, BINS), fill=True, label="200 digits")
plot_pmf(ax, mixture_log_prob(values, *by_hand, BINS).exp(), color=MODEL, label="mixture, by hand")
ax.set(xlabel="ink x", ylabel="probability")
ax.legend()
print(f"by hand: {-mixture_log_prob(train, *by_hand, BINS).mean():.3f} nats a digit on the training data")

# %% [markdown]
# ## 7 Let gradient descent find the nine numbers
# **4 points · 22 minutes · hard**
#
# No formula gives the best mixture, but its likelihood has a gradient. Minimise the mean negative log-likelihood
# $$L(\text{logits}, \mu, \log s) = -\frac{1}{n}\sum_{i=1}^n \ln P(x_i) = -\sum_{k=0}^{K-1} \hat p_k \ln P(k) \tag{8}$$
# The second form says that the histogram $\hat p$ of (1) is all you need to know about the data: a step costs the
# same for 200 and for 200 million digits.
#
# Two things decide whether it works. **The start:** components that start at the same place have the same gradient
# and stay together for ever; components that start far from all data may never find any. Spread the means over the
# data (quantiles, for example) and take a scale of the size of the distance between them. **The step:** the means
# have to travel several units, so an Adam step of 0.001 would need thousands of steps; 0.05 to 0.2 is sensible here.
#
# **The mark to reach.** The check fits your function to 2,000 draws of mixtures of its own, with one, two and three
# well separated humps, and takes the NLL of 4,000 further draws. It has to agree with the solution's (300 full
# steps of Adam) to 0.02 nats. The number of steps and the optimiser are yours; keep a fit within a few seconds.
#
# <details><summary>Hint 1: the idea</summary>
#
# It is the ordinary loop: loss, gradient, step. The data enter only through a tensor of $K$ relative frequencies, and
# `mixture_log_prob(torch.arange(K), ...)` gives the $K$ log-probabilities to weight with them.
#
# </details>
#
# <details><summary>Hint 2: the start</summary>
#
# `x.float().quantile(q)` with $M$ values of `q` evenly spaced inside (0, 1), such as 1/6, 3/6, 5/6 for $M = 3$. For
# the scales, the standard deviation of the data divided by $M$ is good enough; store its logarithm. All logits 0.
# Call `requires_grad_()` on the three tensors *after* they are computed: the optimiser wants leaves.
#
# </details>
#
# <details><summary>Hint 3: the shape of the code</summary>
#
# `optimiser = torch.optim.Adam([logits, mu, log_s], lr=0.1)`, then a few hundred times: `zero_grad()`, the loss (8),
# `backward()`, `step()`. Print the loss every 50 steps while you try. At the end return the three tensors
# `.detach()`ed.
#
# </details>


# %% task="fit_mixture" points=4 minutes=22
def fit_mixture(x, M, K):
    """Maximum-likelihood mixture of M logistics for the data x, by gradient descent on eq. (8).

    x: (n,) int64, in 0..K-1, with at least two distinct values. M >= 1.
    Returns (logits, mu, log_s), each (M,) float32, as mixture_log_prob takes them; the order of components is free.
    The check compares the NLL of held-out draws to 0.02 nats, the probabilities of all K values, and for M = 1
    also mu and log_s.
    """
    # BEGIN SOLUTION
    frequencies, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    logits = torch.zeros(M)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    log_s = torch.full((M,), math.log(x.float().std() / M))
    parameters = [p.requires_grad_() for p in (logits, mu, log_s)]
    optimiser = torch.optim.Adam(parameters, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(frequencies * mixture_log_prob(values, *parameters, K)).sum()  # (8)
        loss.backward()
        optimiser.step()
    return tuple(p.detach() for p in parameters)
    # END SOLUTION


# %% check="fit_mixture" points=1
# One component: the maximum-likelihood mean and scale.
source_mu, source_s = 30 + 4 * fresh(1), (1 + 0.2 * fresh(1)).exp()
noise = torch.rand(6000, generator=fresh_generator()).logit(eps=1e-6)
draws = (source_mu + source_s * noise).round().clamp(0, 63).long()
found = fit_mixture(draws[:2000], 1, 64)
check(
    one_logistic=[float(found[1]), float(found[2])],
    atol=0.1,
    hint="For one component mu and log_s have one best value. mu right, log_s wrong: is log_s trained, and returned "
    "as a logarithm? Both near their start: too few or too small steps. nan or huge: the sign of the loss, or no "
    "zero_grad().",
)
check(
    nll_one_hump=-mixture_log_prob(draws[2000:], *found, 64).mean(),
    atol=0.02,
    hint="NLL of held-out draws. Too high: not converged, or not minimised: is the loss the negative log-likelihood, "
    "weighted with the frequencies of the data?",
)


# %% check="fit_mixture" points=3
# Two and three humps of unequal weight: held-out likelihood close to the best.
def draw_humps(weights, mu, s):
    dice = fresh_generator()
    which = torch.multinomial(torch.tensor(weights), 6000, replacement=True, generator=dice)
    noise = torch.rand(6000, generator=dice).logit(eps=1e-6)
    mu, s = torch.tensor(mu) + 0.7 * fresh(len(mu)), torch.tensor(s) * (0.1 * fresh(len(s))).exp()
    return (mu[which] + s[which] * noise).round().clamp(0, 63).long()


draws = draw_humps([0.8, 0.2], [18.0, 44.0], [2.5, 3.5])
found = fit_mixture(draws[:2000], 2, 64)
check(
    nll_two_humps=-mixture_log_prob(draws[2000:], *found, 64).mean(),
    atol=0.02,
    hint="Two humps, 80 to 20. Too high by 0.3 or more: both components sit in the same place; do they start there? "
    "By less: too few steps, or weights returned where logits are asked for?",
)
check(
    cumulative_two_humps=mixture_log_prob(torch.arange(64), *found, 64).exp().cumsum(0),
    atol=0.03,
    hint="The probabilities of 0..k under your fit. Draw two humps of your own, fit them, and plot curve over "
    "histogram.",
)
draws = draw_humps([0.22, 0.58, 0.2], [12.0, 32.0, 52.0], [2.0, 2.5, 2.0])
check(
    nll_three_humps=-mixture_log_prob(draws[2000:], *fit_mixture(draws[:2000], 3, 64), 64).mean(),
    atol=0.02,
    hint="Three humps. Two are right and three are not: a component is stranded; spread the starting means over the "
    "data, or fit from several starts and keep the best.",
)

# %% [markdown]
# **Look.** Nine numbers, learnt from 200 digits, against 80 counts, smoothed as the validation digits like it best.

# %%
fitted = fit_mixture(train, 3, BINS)
fig, ax = plt.subplots()
plot_pmf(ax, p_held_out, fill=True, label="5,000 held out")
plot_pmf(ax, mixture_log_prob(values, *fitted, BINS).exp(), color=MODEL, label="mixture of 3, from 200 digits")
plot_pmf(ax, p_smooth, color="k", linewidth=0.8, label=f"histogram, alpha = {best:.2f}")
ax.set(xlabel="ink x", ylabel="probability")
ax.legend()
p_mixture = mixture_log_prob(values, *fitted, BINS).exp()
nll = {
    "smoothed histogram": heldout_nll(train, held_out, BINS, [best])[0],
    "mixture of 3 logistics": -mixture_log_prob(held_out, *fitted, BINS).mean(),
}
for (name, nats), q in zip(nll.items(), (p_smooth, p_mixture), strict=True):
    print(f"{name:24s}{nats:.3f} nats a held-out digit, {kl_bits(p_held_out, q):.3f} bits above the best code for them")

# %% [markdown]
# ## 8 One model a class, and Bayes' rule
# **3 points · 13 minutes · medium**
#
# A one uses less ink than an eight. Fit one model to each class, $P(x \mid y)$, and you can draw
# "the ink of a three"; and you can turn the question round:
# $$P(y \mid x) = \frac{P(x \mid y)\,P(y)}{\sum_{y'} P(x \mid y')\,P(y')} \tag{9}$$
# Write the second function so that it takes $\ln P(x \mid y)$ from *any* model. For a model of a whole image these are
# numbers like $-2000$, and $e^{-2000}$ is 0 in floating point: numerator and denominator both vanish although
# their ratio is perfectly ordinary.
#
# <details><summary>Hint 1: the idea</summary>
#
# First function: the digits of class $c$ are `x[y == c]`, and task 4 does the rest; every row is a distribution over
# $x$. Second: Bayes' rule is "multiply by the prior, then normalise over the *classes*", one row at a time.
#
# </details>
#
# <details><summary>Hint 2: the equation</summary>
#
# Take logarithms: $\ln P(x \mid y) + \ln P(y)$, then subtract the $\ln$ of the sum of exponentials over $y$. A function
# that exponentiates and normalises has a name; you used its logarithm in task 6.
#
# </details>


# %% task="class_posterior" points=3 minutes=13
def fit_conditional(x, y, K, C, alpha):
    """P(x | y): for each class its own histogram, smoothed as in eq. (4).

    x: (n,) int64, in 0..K-1. y: (n,) int64, the class of each, in 0..C-1. alpha: float > 0.
    Returns (C, K) float; every row sums to 1. The check tries a class without a single example, also the last one.
    """
    # BEGIN SOLUTION
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])
    # END SOLUTION


def class_posterior(log_likelihood, prior):
    """P(y | x) by Bayes' rule, eq. (9).

    log_likelihood: (n, C) float, ln P(x_i | y = c), any real numbers.
    prior: (C,) float, P(y), non-negative, sums to 1.
    Returns (n, C) float; every row sums to 1. The check tries a class with prior 0, and log-likelihoods of -7000.
    """
    # BEGIN SOLUTION
    return (log_likelihood + prior.log()).softmax(1)  # (9)
    # END SOLUTION


# %% check="class_posterior" points=1
# One smoothed histogram a class, also for a class without examples.
kind = torch.tensor([0, 2, 3, 3, 2, 0, 0]).repeat(20)  # classes 1 and 4 of 5 have no example
observed = (2 * fresh(140)).abs().long().clamp(max=5) + kind
check(
    cumulative=torch.as_tensor(fit_conditional(observed, kind, 11, 5, 0.5)).cumsum(1),
    hint="(5, 11): a row a class, each adding up to 1. Rows that end at other numbers: divided by n or normalised "
    "over the classes. nan or a missing row: the classes without examples.",
)
check(
    strong_smoothing=fit_conditional(observed, kind, 11, 5, 30.0),
    hint="alpha = 30. Wrong only here: alpha is added to each class's counts, and its denominator is n_c + alpha K "
    "with the number n_c of that class.",
)

# %% check="class_posterior" points=2
# Bayes' rule with the prior, also where every likelihood underflows.
log_likelihood = 2 * fresh(9, 4) - 3
prior = torch.tensor([0.55, 0.0, 0.15, 0.3])
check(
    posterior=class_posterior(log_likelihood, prior),
    hint="Each row adds up to 1, and a class with prior 0 has posterior 0. All classes weighted alike: the prior is "
    "missing. Columns that add up to 1: normalised over the data. Negative numbers: still in logarithms.",
)
check(
    unlikely_data=class_posterior(log_likelihood - 3000 - 500 * torch.arange(9)[:, None], prior),
    rtol=1e-3,
    atol=1e-3,
    hint="The log-likelihoods of each row lowered by thousands: the posterior stays as it was. nan: exponentiated "
    "before normalising. Subtract a row's largest first, or use a function that does.",
)

# %% [markdown]
# **Look.** Ink alone tells little about a digit, but not nothing.

# %%
y_train, y_held_out = labels[:5000], labels[5000:]
prior = fit_histogram(y_train, 10)
conditional = fit_conditional(ink[:5000], y_train, BINS, 10, 0.3)  # (10, 80)
posterior = class_posterior(conditional.log().T, prior)  # (80, 10): one row for each amount of ink
guess = posterior[held_out].argmax(1)

fig, (left, right) = plt.subplots(1, 2)
for digit, color in ((1, DATA), (4, "C2"), (0, MODEL)):
    plot_pmf(left, conditional[digit], color=color, label=f"P(x | {digit})")
left.set(xlabel="ink x", ylabel="probability")
left.legend()
right.stackplot(values, posterior.T, labels=range(10), colors=plt.get_cmap("tab10").colors)
right.set(xlabel="ink x", ylabel="P(y | x)", xlim=(6, 60), ylim=(0, 1))
right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
print(
    f"held-out digits named right: {(guess == y_held_out).float().mean():.1%} by ink, "
    f"{(y_held_out == prior.argmax()).float().mean():.1%} by always saying {prior.argmax()}"
)

# %% [markdown]
# **And now with histograms alone, a real classifier.** Take every second row and column of the image and give each of
# these 196 pixels a two-bin histogram per class, bright or not, from 2,000 digits. Pretend that pixels are
# independent given the class (that is called naive Bayes): the log-likelihood of an image is then a sum of 196 terms,
# and this is where your `class_posterior` needs its logarithms.

# %%
bright = (images[:, ::2, ::2] > 127).flatten(1).long()  # (10000, 196), in {0, 1}
pixels = torch.stack([fit_conditional(pixel, labels[:2000], 2, 10, 0.5) for pixel in bright[:2000].T])  # (196, 10, 2)
dark, lit = pixels.log().unbind(2)  # (196, 10) each
x_new = bright[5000:].float()
log_likelihood = x_new @ lit + (1 - x_new) @ dark  # (5000, 10)
right = class_posterior(log_likelihood, prior).argmax(1) == y_held_out
print(f"log-likelihoods from {log_likelihood.min():.0f} to {log_likelihood.max():.0f} nats")
print(f"held-out digits named right: {right.float().mean():.1%}")

# %% [markdown]
# ## What next
# The progress line under the last check shows your points; `grade check labs/01_histograms_logistics.ipynb` in a
# terminal runs the notebook from top to bottom and lists what the badges would say. If something passes here but not
# there, it depends on the order in which you ran the cells: restart the kernel and run all.
#
# Every later lecture models more than one number at a time. Lectures 03 and 04 write the distribution of
# an image as a product of conditionals, one pixel after the other; a mixture like yours can stand at their output and
# say how likely each of the 256 grey values is.
#
# **Beyond, without points**
# 1. Fit `fit_mixture(images[:5000, 14, 14].long(), 3, 256)`, the grey values of one pixel, and plot it. Nearly all
#    mass sits at the two ends: which components serve them, and where do their means stand? What would closed end
#    bins do?
# 2. Plot held-out NLL against $M$ = 1, ..., 12 for 50, 200 and 5,000 training digits. When does the mixture begin to
#    overfit, and when does the histogram catch up with it?
# 3. Fit one mixture to each class and feed `class_posterior` with them. Are 200 digits enough to beat the class
#    histograms?
# 4. Replace Adam by the EM algorithm: $P(m \mid x)$ by Bayes' rule, then new weights in closed form and a Newton step
#    for each $\mu_m, s_m$. How many rounds does it need?
# 5. Add up naive Bayes over the classes, $\ln P(x) = \ln \sum_y P(x \mid y) P(y)$. Which held-out digits are least
#    likely, and do they look odd to you?
