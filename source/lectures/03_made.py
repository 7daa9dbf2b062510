# ---
# jupyter:
#   course:
#     title: "03 MADE: one network, every conditional"
#     summary: "Chain rule, Bayes nets, and masks that turn an autoencoder into an exact model of images"
#     minutes: 100
# ---

# %% [markdown]
# # 03 MADE: one network, every conditional
#
# **The question.** Lecture 01 could give a probability to one number. How do you give a probability to a whole picture,
# 784 pixels that all depend on each other, so that the probabilities of all $2^{784}$ pictures add up to exactly one?
# The chain rule says that it is enough to predict each pixel from the ones before it. The rest of this lecture is about
# who does the predicting: a table, a formula, and at last a single neural network whose wires are cut so cleverly that
# one pass through it makes all 784 predictions at once.
#
# **After this lecture you can**
# 1. factor any distribution in any order, read the assumptions off a Bayes net, and say what tables cost;
# 2. derive the masks of MADE from an ordering, and prove that they are right with a Jacobian and with a sum over all
#    inputs;
# 3. train, sample and compare such models, combine several orderings without cheating, and say when a likelihood
#    does not notice what you would notice.
#
# **It needs** lecture 01 (maximum likelihood, nats) and a little PyTorch: modules, autograd. **It takes** about 100
# minutes to read and play with, two minutes to run on a laptop's CPU, and a few more at the `gpu` budget, where the
# network is sixteen times as wide and sees all 60,000 digits.

# %% [markdown]
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | (B, D) | binary inputs, 0 or 1 |
# | $D$ | `D` | | number of variables: 5, 10, 196 or 784 |
# | $o$ | `order` | (D,) | an ordering: variable $o_1$ comes first, then $o_2$, and so on |
# | $r_d$ | `rank` | (D,) | the place of variable $d$ in the ordering, from 1 to $D$; $r_{o_i} = i$ |
# | $\mathrm{pa}(d)$ | `PARENTS` | | the variables that variable $d$ is predicted from |
# | $m_k$ | `degrees` | (H,) | the degree of hidden unit $k$: how many variables of the ordering it may see |
# | $M^W, M^V, M^A$ | `M_W, M_V, M_A` | (H, D), (D, H), (D, D) | masks: 1 where a wire may be, 0 where it is cut |
# | $W, b, V, c, A$ | the same | | weights into and out of the hidden layer, biases, direct weights |
# | $\ell_d$ | `logits` | (B, D) | the network's outputs; $p(x_d = 1 \mid \dots) = \sigma(\ell_d)$ |
# | $u$ | `u` | (n, D) | uniform random numbers that decide a sample |
# | $\mathcal L$ | `nll` | | mean negative log-likelihood, in nats per image |
#
# **Binarisation.** Our digits have 256 grey levels and this lecture models black and white. All pictures here are
# binarised *dynamically* (Burda et al. 2016): each pixel is drawn to be 1 with probability grey/255, anew whenever the
# picture is used, and once, with a fixed seed, for the test set. Likelihoods under other binarisations (a threshold, or
# one fixed draw for training too) are different numbers that must not be compared with these.

# %%
import copy
import itertools
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from utils.data import binarise, digits, digits_split, fashion_mnist
from utils.device import pick_device, pick_dtype
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import budget, budget_name, checkpoint, measured, progress, record
from utils.widgets import explore

use_style()
torch.set_num_threads(budget(smoke=1, cpu=1, gpu=4))
device, why = pick_device()
print(f"budget: {budget_name()}; computing on {device}: {why}")

(train_images, train_labels), (test_images, test_labels), where = digits_split()
if budget_name() == "gpu":
    train_images, train_labels = digits("full")
train_images = train_images[: budget(smoke=500, cpu=10_000, gpu=60_000)]
test_images, test_labels = (t[: budget(smoke=300, cpu=10_000, gpu=10_000)] for t in (test_images, test_labels))
train_x = binarise(train_images, generator=torch.Generator().manual_seed(1)).flatten(1)  # (n, 784)
test_x = binarise(test_images, generator=torch.Generator().manual_seed(2)).flatten(1)  # one draw, kept for all models
print(f"{len(train_x):,} digits to learn from; tested on {len(test_x):,} of {where}")

# %% [markdown]
# ## 1 The chain rule, in any order
#
# A joint distribution of $D$ binary variables is a list of $2^D$ probabilities. Nobody thinks that way. We think one
# thing at a time: first the weather, then, knowing the weather, the traffic. That this loses nothing is the definition
# of conditional probability, used $D-1$ times; and nothing in the definition prefers one order of telling to another:
# $$p(x) = \prod_{i=1}^{D} p\big(x_{o_i} \mid x_{o_1}, \dots, x_{o_{i-1}}\big)
# \qquad\text{for every ordering } o \tag{1}$$
# Each factor is a quotient of two sums of the joint table, the probability of the first $i$ variables over that of
# the first $i-1$:
# $$p\big(x_{o_i} \mid x_{o_1}, \dots, x_{o_{i-1}}\big) =
# \frac{p(x_{o_1}, \dots, x_{o_i})}{\sum_{x_{o_i}} p(x_{o_1}, \dots, x_{o_i})} \tag{2}$$

# %%
def conditionals(joint, order):
    """The D factors of a joint table in an ordering. joint: (2,)*D. Returns tables of shapes (2,), (2, 2), ..."""
    told, tables = joint.permute(*order), []
    for i in range(1, joint.ndim + 1):
        first = told.sum(dim=tuple(range(i, joint.ndim))) if i < joint.ndim else told  # p of the first i variables
        tables.append(first / first.sum(-1, keepdim=True))                                        # (2)
    return tables


def multiply(tables, order):
    """The joint table (2,)*D back from its factors."""
    told = tables[0]
    for table in tables[1:]:
        told = told[..., None] * table                                                            # (1)
    return told.permute(*np.argsort(order).tolist())

# %% [markdown]
# **Check.** A random joint of four variables, taken apart and put together again in all 24 orders. The picture
# follows one outcome, $x = (1,0,1,1)$: the bar for each order shows the surprise $-\log p$ of each of its four
# factors.

# %%
generator = torch.Generator().manual_seed(3)
joint4 = torch.rand(2, 2, 2, 2, generator=generator, dtype=torch.float64).pow(3)
joint4 /= joint4.sum()
orders4 = list(itertools.permutations(range(4)))
worst = max((multiply(conditionals(joint4, o), o) - joint4).abs().max().item() for o in orders4)
assert worst < 1e-15
print(f"24 orders, 16 outcomes each: the product of the factors is the joint, to {worst:.0e}")

outcome = (1, 0, 1, 1)
fig, ax = plt.subplots(figsize=(8, 4))
for row, o in enumerate(orders4):
    left = 0.0
    for i, table in enumerate(conditionals(joint4, o)):
        surprise = -table[tuple(outcome[d] for d in o[: i + 1])].log().item()
        ax.barh(row, surprise, left=left, height=0.8, color=f"C{(0, 1, 2, 4)[o[i]]}")
        left += surprise
ax.set_yticks(range(24), ["".join(str(d + 1) for d in o) for o in orders4], fontsize=8)
ax.set(xlabel="nats", title="Twenty-four ways to be surprised by the same outcome", ylabel="order")
for d in range(4):
    ax.barh(0, 0, color=f"C{(0, 1, 2, 4)[d]}", label=f"$x_{d + 1}$")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
ax.invert_yaxis()
ax.grid(False)
plt.show()

# %% [markdown]
# The same length, cut differently. A variable that is told late is often less of a surprise, because the others have
# given it away; whoever is told first has to be predicted from nothing. All orders are *exact*. But they are not
# equally easy to learn, as we shall see.
#
# They also cost the same. The table for the $i$-th variable has one free number for each of the $2^{i-1}$ outcomes of
# those before it:
# $$\sum_{i=1}^{D} 2^{\,i-1} = 2^D - 1 \tag{3}$$
# exactly the size of the joint table. The chain rule rearranges the problem; it does not make it smaller. To make it
# smaller we have to *assume* something.

# %% [markdown]
# ## 2 Bayes nets: leaving arrows out
#
# Here is the most quoted burglary of computer science (Pearl 1988; we use the numbers that most textbooks print). You
# have an alarm. Burglars set it off, and sometimes earthquakes do. Your neighbours John and Mary call you at work
# when they hear it; John now and then confuses it with the telephone, Mary likes loud music. Five variables, told in
# the order of causes: $B, E, A, J, M$. By (3) that takes 31 numbers. But John does not know whether there was an
# earthquake; all he has is the sound. So in place of *all* predecessors each variable keeps only its **parents**:
# $$p(x) = \prod_{d} p\big(x_d \mid x_{\mathrm{pa}(d)}\big) \tag{4}$$

# %%
NAMES = "BEAJM"  # burglary, earthquake, alarm, John calls, Mary calls
PARENTS = {"B": "", "E": "", "A": "BE", "J": "A", "M": "A"}
TABLES = {  # probability of 1, indexed by the values of the parents
    "B": torch.tensor(0.001, dtype=torch.float64),
    "E": torch.tensor(0.002, dtype=torch.float64),
    "A": torch.tensor([[0.001, 0.29], [0.94, 0.95]], dtype=torch.float64),
    "J": torch.tensor([0.05, 0.90], dtype=torch.float64),
    "M": torch.tensor([0.01, 0.70], dtype=torch.float64),
}


def prob_one(name, values):
    """Probability that a variable is 1. values: name -> (n,) int64 of its parents (and others). Returns (n,) or ()."""
    return TABLES[name][tuple(values[parent] for parent in PARENTS[name])]


def alarm_joint():
    """All 32 probabilities, by multiplying five table entries. Returns (2, 2, 2, 2, 2), axes in the order of NAMES."""
    states = torch.cartesian_prod(*[torch.arange(2)] * 5)  # (32, 5)
    values = dict(zip(NAMES, states.T, strict=True))
    p = torch.ones(32, dtype=torch.float64)
    for name in NAMES:
        p = p * torch.where(values[name] == 1, prob_one(name, values), 1 - prob_one(name, values))  # (4)
    return p.view(2, 2, 2, 2, 2)


alarm = alarm_joint()
without_net = sum(2 ** (i - 1) for i in range(1, 6))                                              # (3)
assert without_net == 2**5 - 1
print(f"32 probabilities from 10 numbers instead of {without_net}; they sum to {alarm.sum():.15f}")

# %% [markdown]
# With the joint in hand every question is a quotient of two sums, as in lecture 01:
# $$p(x_q \mid \text{evidence}) = \frac{p(x_q, \text{evidence})}{p(\text{evidence})} \tag{5}$$
# Both neighbours call. How worried should you be?

# %%
def ask(joint, query, **evidence):
    """Exact probability that the variable `query` is 1, given values of others: ask(alarm, "B", J=1, M=1)."""
    def total(**fixed):
        return joint[tuple(fixed.get(name, slice(None)) for name in NAMES)].sum()

    if query in evidence:
        return float(evidence[query])
    return (total(**evidence, **{query: 1}) / total(**evidence)).item()                           # (5)


stories = {"nothing": {}, "John calls": {"J": 1}, "both call": {"J": 1, "M": 1}, "alarm rings": {"A": 1},
           "alarm, earthquake": {"A": 1, "E": 1}}
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), width_ratios=(3, 2))
place = {"B": (0, 2), "E": (4, 2), "A": (2, 1), "J": (0.6, 0), "M": (3.4, 0)}
for child, parents in PARENTS.items():
    for parent in parents:
        left.annotate("", place[child], place[parent],
                      arrowprops={"arrowstyle": "-|>", "color": "gray", "shrinkA": 16, "shrinkB": 16})
    left.plot(*place[child], "o", markersize=30, color=DATA)
    left.text(*place[child], child, color="white", ha="center", va="center", fontsize=14)
left.text(0.5, 2, ".001", va="center")
left.text(4.5, 2, ".002", va="center")
left.text(2.6, 1.02, "none .001,  E .29\nB .94,  both .95", va="center", fontsize=10)
left.text(-0.1, 0, "silence .05\nalarm .90", va="center", ha="right", fontsize=10)
left.text(4.0, 0, "silence .01\nalarm .70", va="center", fontsize=10)
left.set(xlim=(-2.2, 6), ylim=(-0.5, 2.4), title="Five nodes, ten numbers (the probability of yes)")
left.set_axis_off()
for row, evidence in enumerate(stories.values()):
    answer = ask(alarm, "B", **evidence)
    right.barh(row, answer, color=MODEL)
    right.text(answer * 1.15, row, f"{answer:.3f}", va="center")
right.set_yticks(range(len(stories)), stories)
right.set(xscale="log", xlim=(5e-4, 1.9), xlabel="$p(B = 1 \\mid$ evidence$)$", title="Was it a burglar?")
right.invert_yaxis()
plt.show()
assert round(ask(alarm, "B", J=1, M=1), 3) == 0.284

# %% [markdown]
# John alone is weak evidence: he errs too often. Both calls together make a burglary likely but still not probable,
# 0.284. The last two bars are the famous part: the alarm rings and you suspect a burglar; then the radio reports an
# earthquake, and the suspicion is gone although nothing about burglars was said. The earthquake **explains away** the
# alarm.
#
# **Sampling** follows the arrows: parents first, then the child with the table row that the parents select. Each
# variable costs one uniform number:
# $$x_d = \mathbb 1\big[u_d < p(x_d = 1 \mid x_{\mathrm{pa}(d)})\big] \tag{6}$$
# This is **ancestral sampling**. It is exact, needs no iteration, and every model of this lecture is sampled this way.

# %%
def sample_net(n, *, generator):
    """Ancestral samples of the alarm network. Returns (n, 5) int64, columns in the order of NAMES."""
    values = {}
    for name in NAMES:  # parents come before children
        u = torch.rand(n, generator=generator, dtype=torch.float64)
        values[name] = (u < prob_one(name, values)).long()                                        # (6)
    return torch.stack([values[name] for name in NAMES], dim=1)

# %% [markdown]
# **Check.** Half a million days, counted, against the 32 exact probabilities. States that should occur fewer than
# five times are pooled.

# %%
days = sample_net(500_000, generator=torch.Generator().manual_seed(4))
code = (days * 2 ** torch.arange(4, -1, -1)).sum(1)
seen, expected = torch.bincount(code, minlength=32).double(), len(days) * alarm.flatten()
rare = expected < 5
seen, expected = (torch.cat([t[~rare], t[rare].sum()[None]]) for t in (seen, expected))
chi2, freedom = ((seen - expected).square() / expected).sum(), len(seen) - 1
print(f"chi2 = {chi2:.0f}; expected {freedom} +- {math.sqrt(2 * freedom):.0f}")
assert chi2 < freedom + 6 * math.sqrt(2 * freedom)
both = (days[:, 3] == 1) & (days[:, 4] == 1)
print(f"p(B | both call): exact {ask(alarm, 'B', J=1, M=1):.3f}, "
      f"{days[both, 0].double().mean():.3f} among the {both.sum():,} of {len(days):,} days on which both called")

# %% [markdown]
# Sampling *forward* is cheap. Answering a question by sampling throws away every day on which the evidence did not
# happen, here all but a few in a thousand. Keep this in mind for images: drawing one is easy, and completing a given
# half of one will be easy only if the given half comes *first* in the ordering.
#
# **Play.** Set what you know and watch all five beliefs. Find a second case of explaining away, and a case where a
# call by Mary makes no difference at all.

# %%
def beliefs(burglary="unknown", earthquake="unknown", alarm_rings="yes", john="unknown", mary="unknown"):
    chosen = zip(NAMES, (burglary, earthquake, alarm_rings, john, mary), strict=True)
    evidence = {name: int(value == "yes") for name, value in chosen if value != "unknown"}
    fig, ax = plt.subplots(figsize=(8, 2.8))
    for row, name in enumerate(NAMES):
        before, after = ask(alarm, name), ask(alarm, name, **evidence)
        ax.barh(row, after, color="C6" if name in evidence else MODEL)
        ax.plot([before] * 2, [row - 0.4, row + 0.4], color="black", linewidth=2)
        ax.text(1.02, row, f"{after:.4f}", va="center")
    ax.set_yticks(range(5), ["burglary", "earthquake", "alarm", "John calls", "Mary calls"])
    ax.set(xlim=(0, 1), xlabel="probability; black line: before any evidence")
    ax.set_title("given " + (", ".join(f"{k} = {v}" for k, v in evidence.items()) or "nothing"))
    ax.invert_yaxis()
    return fig


answers = ["unknown", "yes", "no"]
explore(beliefs, burglary=answers, earthquake=answers, alarm_rings=answers, john=answers, mary=answers)

# %% [markdown]
# ## 3 What a missing arrow says, and what tables cost
#
# A Bayes net speaks through the arrows that are *not* there. No arrow from $J$ to $M$: once you know about the alarm,
# John's call tells you nothing about Mary's. A number for "tells you nothing" is the **conditional mutual
# information**, the average of the log-ratio between predicting two variables together and separately:
# $$I(X;Y\mid Z) = \sum_{x,y,z} p(x,y,z)\,\log\frac{p(x,y \mid z)}{p(x\mid z)\,p(y\mid z)} \ \ge 0 \tag{7}$$
# It is zero exactly when $X$ and $Y$ are independent given $Z$. It can be computed from the joint, and estimated from
# samples: with independent variables $2n\hat I$ is distributed like a $\chi^2$, so it stays near the number of values
# of $Z$ instead of growing with $n$.

# %%
def keep_only(joint, names):
    """Sum out every variable that is not in names; axes stay (size 1), so that tables of different sets multiply."""
    out = tuple(i for i, name in enumerate(NAMES) if name not in names)
    return joint.sum(dim=out, keepdim=True) if out else joint


def mutual_information(joint, x, y, given=""):
    """I(x; y | given) in nats. joint: (2,)*5, a table of probabilities."""
    xyz, xz, yz, z = (keep_only(joint, names + given) for names in (x + y, x, y, ""))
    ratio = xyz * z / (xz * yz)
    return torch.where(xyz > 0, xyz * ratio.log(), 0.0).sum().item()                              # (7)


counted = torch.bincount(code, minlength=32).double().view(2, 2, 2, 2, 2) / len(days)
claims = [("J", "M", "A", True), ("J", "M", "", False), ("B", "E", "", True), ("B", "E", "A", False),
          ("B", "J", "A", True), ("B", "J", "", False)]
for one, other, given, absent in claims:
    exact = mutual_information(alarm, one, other, given)
    statistic = 2 * len(days) * mutual_information(counted, one, other, given)
    bar = f" | {given}" if given else ""
    print(f"I({one}; {other}{bar:4}) = {exact:9.2e} nats; 2n x estimate from {len(days):,} days = {statistic:8.1f}")
    assert (abs(exact) < 1e-15) == absent
    assert (statistic < 20) == absent

# %% [markdown]
# The three missing arrows that we asked about hold to the last digit, and the sampled days agree: single figures where
# the net claims independence, hundreds or thousands where it does not. Note the pair $B, E$: independent as long as
# nothing is known, dependent as soon as the alarm rings. *Conditioning can create dependence*, which is what explaining
# away is.
#
# Now the price. A variable with $|\mathrm{pa}(d)|$ parents needs
# $$\text{numbers} = \sum_d 2^{|\mathrm{pa}(d)|} \tag{8}$$
# Ten for the alarm network. Does the order matter after all? Take the *same* joint, tell it in each of the 120 orders
# and give each variable the smallest set of predecessors that predicts it as well as all of them.

# %%
def minimal_parents(joint, child, before):
    """The smallest subset of `before` that predicts child exactly as well as all of it. Returns a string of names."""
    def predict(parents):
        return keep_only(joint, child + parents) / keep_only(joint, parents)  # p(child | parents)

    for size in range(len(before) + 1):
        for parents in map("".join, itertools.combinations(before, size)):
            if torch.allclose(predict(parents).expand_as(joint), predict(before).expand_as(joint), rtol=1e-9, atol=0):
                return parents


found = {(child, frozenset(before)): minimal_parents(alarm, child, "".join(before))
         for child in NAMES for size in range(5)
         for before in itertools.combinations(NAMES.replace(child, ""), size)}
cost = {}
for told in map("".join, itertools.permutations(NAMES)):
    sizes = [len(found[child, frozenset(told[:i])]) for i, child in enumerate(told)]
    cost[told] = sum(2**size for size in sizes)                                                   # (8)
assert cost["BEAJM"] == 10 == min(cost.values())
print(f"causes first {cost['BEAJM']}, effects first (MJABE) {cost['MJABE']}, dearest {max(cost.values())}, of 31")

fig, ax = plt.subplots(figsize=(8, 2.4))
values, times = np.unique(list(cost.values()), return_counts=True)
ax.bar(values, times, color=DATA)
ax.set(xlabel="numbers needed", ylabel="orders", xlim=(8.5, 31.5), title="One joint distribution, told in 120 orders")
plt.show()

# %% [markdown]
# In the direction of the causes ten numbers are enough; effects first it takes a few more, and with the alarm told last
# the same distribution needs 30 or all 31. The chain rule holds in every order, and simplicity does not. (Found by
# testing numerically which predecessors matter; in life one guesses them.)
#
# **Tables for pixels.** Pixels have a natural order (raster: left to right, top to bottom) and natural parents: their
# neighbours that came before. Give every pixel its own table with the $k$ nearest earlier pixels as parents. Fitting
# is counting, as in lecture 01, with half an imaginary count added to each outcome.

# %%
OFFSETS = sorted(((dy, dx) for dy in range(-4, 1) for dx in range(-4, 5) if (dy, dx) < (0, 0)),
                 key=lambda o: (o[0] ** 2 + o[1] ** 2, -o[0]))  # earlier pixels, nearest first


def contexts(x, k):
    """The k nearest earlier pixels of each pixel, as one number. x: (n, 784) in {0, 1}. Returns (n, 784) int32."""
    padded = F.pad(x.view(-1, 28, 28).to(torch.int32), (4, 4, 4, 0))  # (n, 32, 36) outside the picture all is 0
    code = torch.zeros(len(x), 28, 28, dtype=torch.int32)
    for bit, (dy, dx) in enumerate(OFFSETS[:k]):
        code += padded[:, 4 + dy : 32 + dy, 4 + dx : 32 + dx] << bit
    return code.flatten(1)


def table_nll(fit_x, x, k):
    """Fit 784 tables with 2^k rows each on fit_x and score x. Returns nats per image."""
    rows = torch.arange(784) << k
    on = torch.bincount((contexts(fit_x, k) + rows)[fit_x == 1], minlength=784 << k).float()
    times = torch.bincount((contexts(fit_x, k) + rows).flatten(), minlength=784 << k).float()
    p = ((on + 0.5) / (times + 1))[contexts(x, k) + rows]  # (n, 784)
    return -torch.where(x == 1, p, 1 - p).log().sum(1).mean().item()


parents = budget(smoke=[0, 2, 4], cpu=[0, 1, 2, 3, 4, 6, 8, 10, 12], gpu=[0, 1, 2, 3, 4, 6, 8, 10, 12])
table_train = [table_nll(train_x[:10_000], train_x[:2_000], k) for k in progress(parents, unit="fits")]
table_test = [table_nll(train_x[:10_000], test_x[:2_000], k) for k in progress(parents, unit="fits")]
best_table = min(table_test)
best_k = parents[table_test.index(best_table)]

# %% [markdown]
# What to look for: where the test curve turns, and how many numbers the model has there.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2))
left.plot(parents, table_train, marker=".", color=DATA, label="training digits")
left.plot(parents, table_test, marker=".", color=MODEL, label="test digits")
left.set(xlabel="parents of each pixel", ylabel="$\\mathcal{L}$ (nats per image)", title="Tables of pixels")
left.legend()
right.plot(parents, [784 * 2**k for k in parents], marker=".", color="gray")
right.axhline(784 * len(train_x), color=DATA, linewidth=1, linestyle="--")
right.text(0, 784 * len(train_x) * 0.8, "pixels in the training set", va="top", fontsize=10)
right.set(yscale="log", xlabel="parents of each pixel", ylabel="numbers in the tables, eq. (8)", title="Their price")
plt.show()
print(f"best on the test set: {best_k} parents, {784 * 2**best_k:,} numbers, {best_table:.1f} nats per image (dynamic)")

# %% [markdown]
# Neighbours are worth a great deal: the first few parents cut the loss of independent pixels (the left end) by almost
# half. Then the tables run out of data. Each new parent doubles the number of rows, most rows are never visited, and
# the test loss turns up while the training loss goes on falling. A pixel that could see all its predecessors would
# need $2^{783}$ rows at the end. The flaw is that of the histogram in lecture 01: *rows do not share*. A context that
# differs in one irrelevant pixel is a new row, and starts from nothing.

# %% [markdown]
# ## 4 From a denoising autoencoder to a model of pictures
#
# So replace the rows by a formula. The simplest gives each earlier pixel a weight and adds them up, a logistic
# regression for each pixel (the *fully visible sigmoid belief network*, Neal 1992):
# $$\ell_d = c_d + \sum_{j\,:\,r_j < r_d} A_{dj}\,x_j, \qquad
# p(x_d = 1\mid x_{\text{before } d}) = \sigma(\ell_d) \tag{9}$$
# About $D^2/2$ numbers instead of $2^D$. But it is only a weighted vote: no pixel can react to a *combination* of
# others. For that we want hidden units, features that all 784 predictions can share.
#
# A network that computes shared features of a picture and predicts all its pixels is an old friend, the
# **autoencoder**:
# $$h = \max(0,\ b + W x), \qquad \ell = c + V h \tag{10}$$
# Trained to repeat its input it could cheat by learning to copy, so one damages the input and asks for the clean
# picture: the *denoising* autoencoder (Vincent et al. 2008).

# %%
class Autoencoder(nn.Module):
    """One hidden layer. x: (B, D) in {0, 1} -> logits (B, D)."""

    def __init__(self, D, H, *, generator=None):
        super().__init__()
        self.W = nn.Parameter((2 * torch.rand(H, D, generator=generator) - 1) / math.sqrt(D))
        self.V = nn.Parameter((2 * torch.rand(D, H, generator=generator) - 1) / math.sqrt(H))
        self.b, self.c = nn.Parameter(torch.zeros(H)), nn.Parameter(torch.zeros(D))

    def forward(self, x):
        h = F.relu(F.linear(x, self.W, self.b))                                                   # (10)
        return F.linear(h, self.V, self.c)


def cross_entropy(logits, x):
    """Summed over pixels, averaged over pictures, in nats per picture."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def flip(x, share, *, generator):
    """Turn a share of the pixels over: the damage that a denoising autoencoder learns to repair."""
    return torch.where(torch.rand(x.shape, generator=generator) < share, 1 - x, x)


generator = torch.Generator().manual_seed(5)
denoiser = Autoencoder(784, budget(smoke=50, cpu=300, gpu=1_000), generator=generator)
adam = torch.optim.Adam(denoiser.parameters(), lr=2e-3)
for _ in progress(range(budget(smoke=1, cpu=4, gpu=20)), unit="epochs", stoppable=True):
    for rows in torch.randperm(len(train_x), generator=generator).split(100):
        adam.zero_grad()
        cross_entropy(denoiser(flip(train_x[rows], 0.2, generator=generator)), train_x[rows]).backward()
        adam.step()

# %% [markdown]
# Look at what it makes of damaged test digits, and then of a picture that contains no digit at all.

# %%
clean = torch.cat([test_x[:9], (torch.rand(1, 784, generator=torch.Generator().manual_seed(6)) < 0.2).float()])
damaged = torch.cat([flip(clean[:9], 0.2, generator=torch.Generator().manual_seed(7)), clean[9:]])
with torch.no_grad():
    restored = denoiser(damaged).sigmoid()
    damaged_test = flip(test_x[:1_000], 0.2, generator=torch.Generator().manual_seed(7))
    repair_loss = cross_entropy(denoiser(damaged_test), test_x[:1_000]).item()
show_images(torch.cat([clean, damaged, restored]).view(-1, 28, 28), columns=10, zoom=2.6,
            title="clean, damaged, restored (the last column is noise)")
plt.show()
print(f"cross-entropy of 1,000 test digits, given their damaged copies: {repair_loss:.0f} nats per image")

# %% [markdown]
# It repairs digits well, and it sees strokes in noise. It clearly knows something about what digits look like. Is the
# number below the picture a likelihood, then? No: each output has *seen the pixel that it predicts*, damaged in one
# case out of five but undamaged in four. The number is an answer to an easier question, and it depends on the damage
# that we chose: with none at all the network may copy, and the loss can fall to zero.
#
# There is a test that no impostor passes: *the probabilities of all possible pictures must sum to one*. For 784
# pixels nobody can carry out the sum. For ten we can. Our toy for the rest of this lecture is a strip of ten
# neighbouring pixels from the middle of each digit; there are $2^{10} = 1024$ strips.

# %%
strips = train_x.view(-1, 28, 28)[:, 14, 9:19].contiguous()  # (n, 10)
every_strip = torch.cartesian_prod(*[torch.arange(2.0)] * 10)  # (1024, 10)
powers = 2 ** torch.arange(9, -1, -1)
p_strip = torch.bincount((strips.long() * powers).sum(1), minlength=1024).double() / len(strips)


def log_prob(logits, x):
    """Sum over pixels of log Bernoulli(x_d; sigmoid(logit_d)). logits, x: (B, D). Returns (B,)."""
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


copier = Autoencoder(10, 32, generator=torch.Generator().manual_seed(8))
adam = torch.optim.Adam(copier.parameters(), lr=1e-2)
sums = []
for _ in range(budget(smoke=60, cpu=600, gpu=600)):
    rows = torch.randint(len(strips), (100,), generator=generator)
    adam.zero_grad()
    cross_entropy(copier(strips[rows]), strips[rows]).backward()
    adam.step()
    with torch.no_grad():
        sums.append(log_prob(copier(every_strip), every_strip).exp().sum().item())
with torch.no_grad():
    copy_loss = cross_entropy(copier(strips), strips).item()
print(f"an autoencoder of strips: its 1,024 'probabilities' sum to {sums[0]:.2f} untrained, {sums[-1]:.0f} trained, "
      f"when its loss is {copy_loss:.2f} nats")
assert sums[-1] > 1.5

# %% [markdown]
# The better it copies, the more probability it hands out to everyone. What would make its outputs honest? Output $d$
# may depend only on inputs that come *before* $d$. We could blank out pixel $d$ and all later ones, run the network,
# and read off output $d$: 784 runs for one picture, each a denoising problem with the bottom of the picture missing.
# Or we can cut wires, once and for all, such that no signal can travel from an input to an output that must not know
# it. Then *one* run does all 784.

# %% [markdown]
# ## 5 Masks
#
# How to cut? Give every unit a number that says how much of the ordering it may know (Germain et al. 2015). Input $d$
# carries its place $r_d$. Hidden unit $k$ gets a **degree** $m_k$ between 1 and $D-1$, drawn at random: it may see the
# first $m_k$ variables and no others. Output $d$ may use only hidden units that know less than $r_d$. And a direct
# wire from input $j$ to output $d$ is allowed if $j$ comes before $d$:
# $$M^W_{kd} = \mathbb 1[m_k \ge r_d], \qquad M^V_{dk} = \mathbb 1[r_d > m_k], \qquad
# M^A_{dj} = \mathbb 1[r_d > r_j] \tag{11}$$
# A path from input $j$ through hidden unit $k$ to output $d$ exists only if $r_d > m_k \ge r_j$, hence only if
# $r_d > r_j$. That is the whole proof. (Why $\ge$ on one side and $>$ on the other? One of the two has to be strict,
# or a pixel would see itself. Degree $D$ would be a unit that nobody may read, degree 0 one that sees nothing.)

# %%
def made_masks(order, degrees):
    """The masks of eq. (11). order: (D,) permutation; degrees: (H,) in 1..D-1. Float (H, D), (D, H), (D, D)."""
    rank = torch.empty_like(order)
    rank[order] = torch.arange(1, len(order) + 1, device=order.device)  # rank[d]: the place of variable d, from 1
    M_W = degrees[:, None] >= rank[None, :]                                                       # (11)
    M_V = rank[:, None] > degrees[None, :]
    M_A = rank[:, None] > rank[None, :]
    return M_W.float(), M_V.float(), M_A.float()


def draw_degrees(D, H, *, generator):
    """Degrees of H hidden units, uniform over 1..D-1 and sorted. Returns (H,) int64."""
    return torch.randint(1, D, (H,), generator=generator).sort().values

# %% [markdown]
# The masks for ten pixels and sixteen hidden units, in raster order and in a shuffled one, and what they make of the
# connections as a whole: entry $(d, j)$ of $M^V M^W + M^A$ counts the paths from input $j$ to output $d$.

# %%
generator = torch.Generator().manual_seed(9)
toy_orders = {"raster order": torch.arange(10), "shuffled order": torch.randperm(10, generator=generator)}
toy_degrees = draw_degrees(10, 16, generator=generator)
fig, axes = plt.subplots(2, 4, figsize=(9.5, 5.6), width_ratios=(10, 16, 10, 11.5))
for row, (name, toy_order) in zip(axes, toy_orders.items(), strict=True):
    toy_masks = made_masks(toy_order, toy_degrees)
    paths = toy_masks[1] @ toy_masks[0] + toy_masks[2]
    assert paths.diagonal().sum() == 0, "no pixel sees itself"
    assert (paths[toy_order][:, toy_order].triu() == 0).all(), "nor anything later in its order"
    for ax, mask, title in zip(row[:3], toy_masks, ("$M^W$", "$M^V$", "$M^A$"), strict=True):
        ax.imshow(1 - mask, vmin=0, vmax=1)
        ax.set_title(title)
    shown = row[3].imshow(paths, cmap="Blues")
    fig.colorbar(shown, ax=row[3], label="paths")
    row[3].set_title("$M^V M^W + M^A$")
    row[0].set_ylabel(f"{name}\nhidden unit")
    for ax, label in zip(row[1:], ("output", "output", "output"), strict=True):
        ax.set_ylabel(label)
for ax, label in zip(axes[1], ("input", "hidden unit", "input", "input"), strict=True):
    ax.set_xlabel(label)
for ax in axes.flat:
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
plt.show()

# %% [markdown]
# Black is a wire. In raster order everything is a staircase and the last picture is empty on and above the diagonal.
# In the shuffled order the staircases are scrambled, but each row of the last picture still has its own number of
# entries, from 0 for the variable that comes first to 9 for the one that comes last. Sort it by the ordering and the
# triangle is back (the code has just asserted that).
#
# Masks in place, eq. (10) becomes
# $$h = \max\big(0,\ b + (M^W\!\odot W)\,x\big), \qquad
# \ell = c + (M^V\!\odot V)\,h + (M^A\!\odot A)\,x \tag{12}$$
# the **masked autoencoder for distribution estimation**. We start the direct weights $A$ at zero, so that the network
# begins without them and (9) is what remains if you take the hidden units away.
#
# One trick saves time. Multiplying three big matrices by their masks in every step is waste: a weight that *starts* at
# zero and whose gradient is *always* multiplied by zero stays zero for ever. So we mask the weights once, and after
# that only their gradients, by a hook that autograd calls.

# %%
class MADE(nn.Module):
    """Masked autoencoder with one hidden layer and direct connections, eq. (12). x: (B, D) in {0, 1} -> logits (B, D).

    order: (D,) permutation. degrees: (H,) in 1..D-1. ink: (D,) frequency of a 1, where the output biases start.
    Cut weights are zero from the start and their gradients are masked, so they are zero always.
    """

    def __init__(self, order, degrees, *, ink=None, generator=None):
        super().__init__()
        D, H = len(order), len(degrees)
        self.register_buffer("order", order)
        for name, mask in zip(("M_W", "M_V", "M_A"), made_masks(order, degrees), strict=True):
            self.register_buffer(name, mask)
        self.W = nn.Parameter((2 * torch.rand(H, D, generator=generator) - 1) / math.sqrt(D) * self.M_W)
        self.V = nn.Parameter((2 * torch.rand(D, H, generator=generator) - 1) / math.sqrt(max(H, 1)) * self.M_V)
        self.A = nn.Parameter(torch.zeros(D, D))
        self.b = nn.Parameter(torch.zeros(H))
        self.c = nn.Parameter(torch.zeros(D) if ink is None else torch.logit(ink.float(), eps=1e-3))
        for weight, mask in (("W", "M_W"), ("V", "M_V"), ("A", "M_A")):
            getattr(self, weight).register_hook(lambda g, mask=mask: g * getattr(self, mask))

    def forward(self, x):
        h = F.relu(F.linear(x, self.W, self.b))
        return F.linear(h, self.V, self.c) + F.linear(x, self.A)                                  # (12)

    def nll(self, x):
        """Mean negative log-likelihood of x, in nats per image."""
        return cross_entropy(self(x).float(), x)

# %% [markdown]
# **Check.** Gradients against a network that multiplies by its masks in every pass, as the paper writes it: they must
# be the same, and a step of gradient descent must leave every cut wire at zero.

# %%
def scramble(model, *, generator):
    """Give a MADE large random weights, direct ones included: a worst case for every test of its masks."""
    masks = {"W": model.M_W, "V": model.M_V, "A": model.M_A}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mask = masks.get(name, 1)
            parameter.copy_(2 * torch.randn(parameter.shape, generator=generator) * mask)
    return model


generator = torch.Generator().manual_seed(10)
toy = scramble(MADE(toy_orders["shuffled order"], toy_degrees), generator=generator)
toy.nll(every_strip).backward()
plain = {name: p.detach().clone().requires_grad_() for name, p in toy.named_parameters()}
as_written = F.linear(F.relu(F.linear(every_strip, plain["W"] * toy.M_W, plain["b"])), plain["V"] * toy.M_V, plain["c"])
cross_entropy(as_written + F.linear(every_strip, plain["A"] * toy.M_A), every_strip).backward()
for name, p in toy.named_parameters():
    assert torch.allclose(p.grad, plain[name].grad, atol=1e-5), name
torch.optim.Adam(toy.parameters(), lr=0.1).step()
cut = sum((getattr(toy, name)[getattr(toy, f"M_{name}") == 0] != 0).sum().item() for name in "WVA")
print(f"five gradients equal to those of masks in the forward pass; {cut} cut wires came back after a step")
assert cut == 0

# %% [markdown]
# **Play.** Pick an output and see what it is allowed to know. Which output has no wires at all, and why must there be
# one? What happens to the others when there are only two hidden units?

# %%
def wires(output=6, hidden_units=8, shuffle=False, seed=1):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(10, generator=generator) if shuffle else torch.arange(10)
    degrees = draw_degrees(10, hidden_units, generator=generator)
    M_W, M_V, M_A = made_masks(order, degrees)
    rank = order.argsort() + 1
    fig, ax = plt.subplots(figsize=(8, 3.6))
    at = np.linspace(0, 9, hidden_units + 2)[1:-1]
    used = M_V[output].bool()  # hidden units that the output reads
    for k in range(hidden_units):
        for d in range(10):
            if M_W[k, d]:
                ax.plot([d, at[k]], [0, 1], color=MODEL if used[k] else "#DDDDDD", linewidth=1.2, zorder=2 * used[k])
            if M_V[d, k]:
                ax.plot([at[k], d], [1, 2], color=MODEL if d == output else "#DDDDDD", linewidth=1.2,
                        zorder=2 * (d == output))
    known = [d for d in range(10) if M_A[output, d]]
    through = [d for d in known if (M_V[output] @ M_W)[d] > 0]
    for d in range(10):
        ax.plot(d, 0, "o", markersize=17, color=MODEL if d in known else "#BBBBBB", zorder=5)
        ax.plot(d, 2, "o", markersize=17, color=MODEL if d == output else "#BBBBBB", zorder=5)
        ax.text(d, 0, f"{rank[d]}", ha="center", va="center", color="white", zorder=6)
        ax.text(d, 2, f"{rank[d]}", ha="center", va="center", color="white", zorder=6)
    for k in range(hidden_units):
        ax.plot(at[k], 1, "o", markersize=17, color=DATA if used[k] else "#BBBBBB", zorder=5)
        ax.text(at[k], 1, f"{degrees[k]}", ha="center", va="center", color="white", zorder=6)
    ax.set_yticks([0, 1, 2], ["inputs\n(place)", "hidden\n(degree)", "outputs\n(place)"])
    ax.set(xticks=range(10), xlabel="variable", ylim=(-0.3, 2.3))
    ax.set_title(f"output {output}, place {rank[output]}: may know {len(known)} inputs, {len(through)} by hidden units")
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


explore(wires, output=(0, 9), hidden_units=(1, 14), shuffle=False, seed=(1, 20))

# %% [markdown]
# ## 6 Two proofs that need no trust
#
# The argument about degrees is short, and code can still be wrong: transpose a mask, or mix up order and rank in one of
# the three, and the loss looks *better* than before, because the network has started to copy. Two tests catch every
# such leak.
#
# **The Jacobian.** Output $d$ must not react to input $j$ unless $j$ comes before $d$:
# $$\frac{\partial \ell_d}{\partial x_j} = 0 \quad\text{for all } x, \text{ unless } r_j < r_d \tag{13}$$
# Autograd computes this matrix for any network, whatever is inside. Sorted by the ordering it has to be strictly
# lower triangular, with zeros that are exact.

# %%
def jacobian(model, x):
    """|d logit_d / d x_j|, the largest over a batch. x: (B, D). Returns (D, D)."""
    per_input = torch.func.vmap(torch.func.jacrev(lambda one: model(one[None])[0]))(x)  # (B, D, D)
    return per_input.abs().amax(0)                                                                # (13)


generator = torch.Generator().manual_seed(11)
probes = every_strip[torch.randperm(1024, generator=generator)[:64]]
shuffled = toy_orders["shuffled order"]
toys = {"autoencoder": copier}
toys |= {name: scramble(MADE(o, toy_degrees), generator=generator) for name, o in toy_orders.items()}
tables = {name: jacobian(model, probes).detach() for name, model in toys.items()}
tables["shuffled, sorted"] = tables["shuffled order"][shuffled][:, shuffled]
assert (tables["raster order"].triu() == 0).all()
assert (tables["shuffled, sorted"].triu() == 0).all()
assert (tables["autoencoder"].diagonal() > 0).all()

fig, axes = plt.subplots(1, 4, figsize=(9.5, 2.8))
for ax, (name, table) in zip(axes, tables.items(), strict=True):
    ax.imshow(torch.where(table > 0, (table / table.max()).sqrt(), torch.nan), cmap="Blues", vmin=0)
    ax.set(title=name, xticks=[], yticks=[], xlabel="input")
    ax.grid(False)
axes[0].set_ylabel("output")
plt.show()
print("strictly lower triangular for both orders, zeros exact; the autoencoder sees every pixel it predicts")

# %% [markdown]
# White is exactly zero. The autoencoder is blue everywhere, on the diagonal too. The two MADEs with random weights
# know only what came before.
#
# **The sum.** Each output is the probability of a 1 given the earlier variables, so by (1) the products must sum to
# one over all inputs, for every mask and whatever the weights:
# $$\sum_{x\in\{0,1\}^D}\ \prod_{d=1}^{D} \sigma(\ell_d)^{x_d}\,\big(1-\sigma(\ell_d)\big)^{1-x_d} = 1 \tag{14}$$

# %%
def total_probability(model, D=10):
    """Sum of the model's probabilities over all 2^D inputs, in double precision."""
    x = torch.cartesian_prod(*[torch.arange(2, dtype=torch.float64)] * D)
    with torch.no_grad():
        return log_prob(copy.deepcopy(model).double()(x), x).exp().sum().item()                   # (14)


generator = torch.Generator().manual_seed(12)
totals, leaky = [], []
for _ in range(budget(smoke=20, cpu=200, gpu=200)):
    o, m = torch.randperm(10, generator=generator), draw_degrees(10, 16, generator=generator)
    totals.append(total_probability(scramble(MADE(o, m), generator=generator)))
    transposed = scramble(MADE(o, m), generator=generator)
    with torch.no_grad():
        transposed.A.copy_(transposed.A.T.clone())  # the slip: one mask the wrong way round
    leaky.append(total_probability(transposed))
worst = max(abs(total - 1) for total in totals)
print(f"{len(totals)} orders and sets of degrees: largest |sum - 1| = {worst:.0e}")
print(f"the same with one mask transposed: sums from {min(leaky):.2g} to {max(leaky):.2g}")
assert worst < 1e-12
assert min(abs(total - 1) for total in leaky) > 1e-6

# %% [markdown]
# A sum of 1 to the last digit for every mask, and one transposed mask is found at once. Run these two checks on every
# autoregressive model you write. They cost milliseconds, and a likelihood without them is a rumour. (What they do not
# notice is a mask that cuts too *much*: for that, see whether the Jacobian has zeros below its diagonal.)

# %% [markdown]
# ## 7 Training
#
# Maximum likelihood, as always: the loss is minus the logarithm of the product in (14), averaged over the data: one
# binary cross-entropy per pixel, all of them from a single pass:
# $$\mathcal L = -\frac1n\sum_{i=1}^n \sum_{d=1}^D \Big[x_{id}\log\sigma(\ell_{id})
# + (1-x_{id})\log\big(1-\sigma(\ell_{id})\big)\Big] \tag{15}$$
# The loop below is the plain one with four additions, each for a reason. The pictures are binarised anew in every
# epoch, so that no two epochs are the same. The step size warms up and then falls to zero along a cosine, which is
# worth more here than most tricks. The direct weights $A$ start at zero and have an easy task, so they take steps five
# times as long. And `wobble` bends the pictures a little in the first four fifths of the run, because 10,000 digits are
# few for 0.7 million weights; the end of the run sees the digits as they are. (At the `cpu` budget the run below is too
# short to profit and leaves `wobble` at 0; the five-minute run that we quote beside it uses it.)

# %%
def bent(images, wobble, *, generator):
    """Stretch, shear and bend pictures at random. images: (n, S, S) uint8. wobble: typical shift in pixels."""
    n, S, _ = images.shape
    def normal(*shape):
        return torch.randn(*shape, generator=generator, device=generator.device).to(images.device)

    theta = torch.eye(2, 3, device=images.device) + wobble / 10 * F.pad(normal(n, 2, 2), (0, 1))  # (n, 2, 3)
    grid = F.affine_grid(theta, (n, 1, S, S), align_corners=False)
    bend = F.interpolate(2 / S * wobble * normal(n, 2, 5, 5), size=(S, S), mode="bicubic", align_corners=True)
    moved = F.grid_sample(images[:, None].float(), grid + bend.permute(0, 2, 3, 1), align_corners=False)
    return moved[:, 0].round().to(torch.uint8)  # (n, S, S)


def train(model, images, *, epochs=None, seconds=None, batch_size=100, lr=4e-3, wobble=0.0, dtype=torch.float32,
          generator, each_epoch=None):
    """Fit by Adam on eq. (15), with warm-up, cosine and dynamic binarisation. images: (n, S, S) uint8.
    dtype: of the matrix products (torch.autocast).

    Runs for `epochs`, or until `seconds` of CPU time are used up. generator: on the images' device; draws everything.
    each_epoch(epoch, share): called before the first and after every epoch. Returns the losses, one a step.
    """
    named = list(model.named_parameters())
    groups = [{"params": [p for name, p in named if name not in "AT"], "boost": 1},
              {"params": [p for name, p in named if name in "AT"], "boost": 5}]  # direct wires
    optimizer = torch.optim.Adam(groups, lr=lr, betas=(0.9, 0.99), fused=True)
    scaler = torch.amp.GradScaler(images.device.type, enabled=dtype == torch.float16)  # else it does nothing
    begun, losses, share, epoch = time.process_time(), [], 0.0, 0
    total = epochs * math.ceil(len(images) / batch_size) if epochs else None
    for _ in progress(range(epochs) if epochs else itertools.count(), unit="epochs", stoppable=True):
        if share >= 1:
            break
        if each_epoch:
            each_epoch(epoch, share)
        pictures = images
        if wobble and share < 0.8:
            pictures = torch.cat([bent(some, wobble, generator=generator) for some in images.split(500)])
        x = binarise(pictures, generator=generator).flatten(1)  # (n, D) a new draw every epoch
        for rows in torch.randperm(len(x), generator=generator, device=generator.device).to(x.device).split(batch_size):
            share = len(losses) / total if epochs else (time.process_time() - begun) / seconds
            if share >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = group["boost"] * lr * min(10 * share + 0.01, math.cos(math.pi / 2 * share) ** 2)
            with torch.autocast(x.device.type, dtype=dtype, enabled=dtype != torch.float32):
                nll = model.nll(x[rows])                                                          # (15)
            optimizer.zero_grad()
            scaler.scale(nll).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(nll.detach())
        epoch += 1
        share = len(losses) / total if epochs else share
    if each_epoch:
        each_epoch(epoch, 1.0)
    return torch.stack(losses).tolist()

# %% [markdown]
# First the smallest test with a known answer. On strips of ten pixels everything can be enumerated, so we know the
# entropy of the data, and by lecture 01 the training loss is that entropy plus the divergence from data to model.
# (The strips are binary already: grey 0 and 255 binarise to themselves.)

# %%
strip_images = (255 * strips).to(torch.uint8)[:, None]  # (n, 1, 10)
generator = torch.Generator().manual_seed(13)
toy = MADE(torch.arange(10), draw_degrees(10, 64, generator=generator), ink=strips.mean(0), generator=generator)
train(toy, strip_images, epochs=budget(smoke=60, cpu=20, gpu=20), generator=generator)
with torch.no_grad():
    q_strip = log_prob(toy(every_strip), every_strip).double().exp()
entropy = -(p_strip[p_strip > 0] * p_strip[p_strip > 0].log()).sum().item()
loss = -(p_strip * q_strip.log()).sum().item()
print(f"entropy of the strips {entropy:.3f} nats, MADE's loss {loss:.3f}, sum of its probabilities {q_strip.sum():.6f}")
assert loss > entropy
assert abs(q_strip.sum() - 1) < 1e-5

fig, ax = plt.subplots(figsize=(8, 2.8))
top = p_strip.argsort(descending=True)[:300]
ax.plot(range(1, 301), p_strip[top].clamp(min=1e-6), color=DATA, label=f"{len(strips):,} strips, counted")
ax.plot(range(1, 301), q_strip[top], ".", color=MODEL, markersize=4, label="MADE")
ax.set(xscale="log", yscale="log", xlabel="strip, by rank", ylabel="probability", title="A distribution seen whole",
       ylim=(5e-6, 1))
ax.legend()
plt.show()

# %% [markdown]
# From the commonest strips (all ink, and empty) to those seen a few times, the model follows the counts over more than
# two powers of ten, with fewer weights than the table's 1,023 free numbers. Where the counts become few it is smoother
# than they are: it shares what it learns between strips that look alike.
#
# Now the digits. Two networks with the same ordering, loop and data: eq. (9), which is MADE without hidden units, and
# the full network. Along the way we keep the losses and a few samples from fixed random numbers, drawn with the
# function below, which section 8 explains.

# %%
@torch.no_grad()
def sample(model, u, *, known=0, start=None):
    """Ancestral samples by updating the hidden units' inputs, eq. (17). u: (n, D) uniforms. Returns (n, D) in {0, 1}.

    known: so many variables, the first of the model's ordering, are copied from start (n, D) instead of drawn.
    """
    columns = model.W.T.contiguous()  # (D, H): column d of W as a row, side by side in memory
    x, a = torch.zeros_like(u), model.b.repeat(len(u), 1)  # a: (n, H), what the hidden units have heard so far
    for i, d in enumerate(model.order.tolist()):
        if i < known:
            x[:, d] = start[:, d]
        else:
            logit = model.c[d] + F.relu(a) @ model.V[d] + x @ model.A[d]  # (n,)
            x[:, d] = (u[:, d] < torch.sigmoid(logit)).to(x.dtype)                                # (16)
        a.addr_(x[:, d], columns[d])                                                              # (17)
    return x


def evaluate(model, x):
    """Mean negative log-likelihood of x: (n, D), in nats per image."""
    with torch.no_grad():
        return sum(model.nll(rows).item() * len(rows) for rows in x.split(2_000)) / len(x)


epochs = budget(smoke=1, cpu=28, gpu=200)
H = budget(smoke=50, cpu=500, gpu=8_000)
generator = torch.Generator().manual_seed(14)
raster, pixel_ink = torch.arange(784), train_images.float().mean(0).flatten() / 255
logistic = MADE(raster, torch.empty(0, dtype=torch.int64), ink=pixel_ink).to(device)  # (9)
made = MADE(raster, draw_degrees(784, H, generator=generator), ink=pixel_ink, generator=generator).to(device)
train_pictures, held_out = train_images.to(device), test_x.to(device)
seen_x = train_x[:2_000].to(device)
u_film = torch.rand(8, 784, generator=torch.Generator().manual_seed(15)).to(device)
u_film = u_film.clamp(1e-4, 1 - 1e-4)
curve, film = [], {}


def watch(epoch, share):
    """Keep the losses, and samples at epochs 0, 1, 3, 10 and the last."""
    if epoch in (0, 1, 3, 10) or share == 1:
        film[epoch] = sample(made, u_film).cpu()
    if epoch % max(1, epochs // 14) == 0 or share == 1:
        curve.append((epoch, evaluate(made, seen_x), evaluate(made, held_out[:2_000])))


dtype, _ = pick_dtype(device)
began = time.process_time()
train(logistic, train_pictures, epochs=budget(smoke=1, cpu=8, gpu=30), dtype=dtype,
      generator=torch.Generator(device).manual_seed(16))
middle = time.process_time()
train(made, train_pictures, epochs=epochs, wobble=budget(smoke=0.2, cpu=0.0, gpu=0.2), dtype=dtype, each_epoch=watch,
      generator=torch.Generator(device).manual_seed(17))
print(f"CPU time: {middle - began:.0f} s for eq. (9), {time.process_time() - middle:.0f} s for MADE with {H} units")

# %% [markdown]
# Every model so far on one scale. The horizontal lines are the table model of section 3 and the logistic regressions.

# %%
test_nll = {"independent pixels": table_test[0], f"tables, {best_k} parents": best_table,
            "logistic regressions": evaluate(logistic, held_out), "MADE": evaluate(made, held_out)}
long_run = measured("03-nll")
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3), width_ratios=(2, 3))
at, on_train, on_test = zip(*curve, strict=True)
left.plot(at, on_train, marker=".", color=DATA, label="training digits")
left.plot(at, on_test, marker=".", color=MODEL, label="test digits")
left.axhline(best_table, color="gray", linewidth=1, linestyle="--", label="tables")
left.axhline(test_nll["logistic regressions"], color="black", linewidth=1, linestyle=":", label="eq. (9)")
left.set(xlabel="epoch", ylabel="$\\mathcal{L}$ (nats per image)", ylim=(min(on_train) - 4, min(on_train) + 60))
left.set_title("Learning")
left.legend()
bars = test_nll | {"MADE, five CPU-minutes": long_run["ours"]}
for row, (name, value) in enumerate(bars.items()):
    right.barh(row, value, color="C6" if row < 3 else MODEL, alpha=0.6 if "minutes" in name else 1)
    right.text(value + 2, row, f"{value:.1f}", va="center")
right.set_yticks(range(len(bars)), bars)
right.set(xlabel="nats per image, test set, dynamic binarisation", xlim=(0, 240), title="The models so far")
right.invert_yaxis()
plt.show()
print(f"five CPU-minutes: {long_run['what']}: {long_run['ours']:.1f} {long_run['unit']}")
assert test_nll["MADE"] < test_nll["independent pixels"]

# %% [markdown]
# The best table sees a few neighbours and every combination of them; the logistic regressions see the whole past and
# no combinations. They come out close to each other. MADE's hidden units see combinations *and* the whole past, and
# share what they find between pixels: that is worth several nats more. The last bar is not from this notebook but from
# the course's benchmark, which trains the same class for five minutes of CPU time, bending the digits as described;
# the line above says how. In the left picture training and test loss have come apart by the end: what a longer run
# gains from here depends on how well it is kept from memorising.
#
# (How does this compare with the literature? Karpathy's `pytorch-made` reports 94.5 nats for one hidden layer of 500
# units, trained on 50,000 digits. But there each training picture was binarised *once*, for ever, and the test set
# is a different draw. The numbers are neighbours, not competitors.)
#
# What did it learn along the way? The same eight sets of uniform numbers, at five moments of the training:

# %%
show_images(torch.cat([film[e] for e in sorted(film)]).view(-1, 28, 28), columns=8, zoom=2.2,
            title="samples after epochs " + ", ".join(str(e) for e in sorted(film)) + " (rows)")
plt.show()

# %% [markdown]
# Each column is the same sequence of dice. Before training the biases alone give fog in the middle of the picture.
# Then come blobs, then strokes, then strokes that know how to end. The digits are not perfect: a mistake in an upper
# row is never corrected, since the model moves only forward, and has to make the best of it.

# %% [markdown]
# ## 8 Sampling without doing everything again
#
# Sampling is (6) with a network in place of the table:
# $$x_{o_i} = \mathbb 1\big[u_{o_i} < \sigma(\ell_{o_i})\big], \qquad i = 1, \dots, D \tag{16}$$
# The straightforward program runs the whole network 784 times and uses one output of each run. Evaluating a
# likelihood is one pass, sampling 784: that is the price of all autoregressive models. But most of the work is
# repeated. Between two steps a *single* input has changed, so the input $a = b + Wx$ of the hidden layer changes by
# one column of $W$:
# $$a \leftarrow a + x_d\, W_{:,d}, \qquad \ell_{d'} = c_{d'} + V_{d',:}\max(0, a) + A_{d',:}\,x \tag{17}$$
# and of the outputs only the next one is needed, a row of $V$ and a row of $A$. A step costs about $2H + D$
# multiplications instead of $2HD + D^2$, and all steps together about as much as *one* pass: in the limit the gain is
# $D = 784$. `sample` in the last section does this. (It goes back to NADE, MADE's predecessor, which also trains that
# way: Larochelle and Murray 2011, Uria et al. 2016.)

# %%
@torch.no_grad()
def sample_naive(model, u):
    """Ancestral samples by one full pass for every variable, eq. (16). u: (n, D) uniforms. Returns (n, D) in {0, 1}."""
    x = torch.zeros_like(u)
    for d in model.order.tolist():
        x[:, d] = (u[:, d] < torch.sigmoid(model(x)[:, d])).to(x.dtype)
    return x

# %% [markdown]
# **Check.** The same uniforms must give the same pictures, bit for bit. We compare in double precision, where
# rounding has no say, and time both in single.

# %%
u_check = torch.rand(budget(smoke=2, cpu=16, gpu=100), 784, dtype=torch.float64,
                     generator=torch.Generator().manual_seed(18))
exact = copy.deepcopy(made).cpu().double()
assert torch.equal(sample(exact, u_check[:4]), sample_naive(exact, u_check[:4]))
seconds = {}
single, u_single = copy.deepcopy(made).cpu(), u_check.float()
for name, draw in {"784 passes": sample_naive, "incremental": sample}.items():
    begun = time.perf_counter()
    draw(single, u_single)
    seconds[name] = time.perf_counter() - begun
ratio = seconds["784 passes"] / seconds["incremental"]
bench = measured("03-sampling")
print(f"identical pictures; {len(u_check)} of them in {1e3 * seconds['incremental']:.0f} ms instead of "
      f"{1e3 * seconds['784 passes']:.0f} ms: {ratio:.0f} times as fast here")
print(f"measured on its own with n = 100: {bench['ratio']:.0f} times as fast, of 784 possible")

fig, ax = plt.subplots(figsize=(8, 2.2))
steps = np.arange(1, 785)
ax.plot(steps, steps * (2 * 784 * H + 784**2) / 1e6, color="C6", label="a full pass for every pixel")
ax.plot(steps, steps * (2 * H + 784) / 1e6, color=MODEL, label="incremental")
ax.axhline((2 * 784 * H + 784**2) / 1e6, color="gray", linewidth=1, linestyle="--", label="one pass")
ax.set(yscale="log", xlabel="pixels drawn", ylabel="million multiplications", title="Work to draw one picture")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# At the last pixel the incremental sampler has done about as much arithmetic as one evaluation. The clock does not
# quite follow, because each little step has a fixed overhead. The trick needs a network whose first layer is linear in
# $x$; the caches of lectures 04 and 05 are the same idea for convolutions and attention.
#
# **Play.** What comes *first* in the ordering can be given. Hand the model the top of a test digit and let it finish,
# twelve times with different dice. How many rows does it need before it is sure of the digit?

# %%
u_finish = torch.rand(12, 784, generator=torch.Generator().manual_seed(19))


def finish(picture=3, rows_given=12):
    given = test_x[picture].expand(12, 784)
    drawn = sample(single, u_finish, known=28 * rows_given, start=given).view(12, 28, 28)
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.9), width_ratios=(1, 3))
    shown = test_x[picture].view(28, 28).clone()
    shown[rows_given:] = 0.35 * shown[rows_given:] + 0.25  # dim what the model is not told
    left.imshow(shown, vmin=0, vmax=1)
    left.set_title(f"a test digit, {rows_given} rows given")
    left.set_axis_off()
    show_images(drawn, ax=right, columns=6, title="twelve endings")
    right.axhline(rows_given - 0.5, xmin=0, xmax=1, color=MODEL, linewidth=0.8)
    right.axhline(29 + rows_given - 0.5, xmin=0, xmax=1, color=MODEL, linewidth=0.8)
    return fig


explore(finish, picture=(0, 50), rows_given=(0, 28), continuous=False)

# %% [markdown]
# ## 9 Has it memorised?
#
# A sampler that returned training pictures would produce beautiful digits. The usual check is to lay each sample
# beside its **nearest neighbour** in the training set, here by the number of pixels in which they differ. One caveat:
# pixel distance is a crude judge, two pictures of the same stroke shifted by a pixel are far apart. It finds copies;
# it does not prove that there is no subtler borrowing. So compare with an honest yardstick: how far are *test* digits,
# which certainly were not copied, from their nearest training digit?

# %%
def nearest(x, among):
    """Hamming distance to the nearest row of `among`, and its index. x: (n, D), among: (N, D), in {0, 1}."""
    distance = x.sum(1)[:, None] + among.sum(1)[None] - 2 * x @ among.T  # |x - y| = x + y - 2xy for bits
    return distance.min(1)


u_many = torch.rand(budget(smoke=20, cpu=400, gpu=2_000), 784, generator=torch.Generator().manual_seed(20))
fresh_digits = sample(single, u_many)
sample_gap, sample_twin = nearest(fresh_digits, train_x)
test_gap = nearest(test_x[: len(fresh_digits)], train_x)[0]
assert sample_gap.min() > 0
difference = sample_gap[:, None] - test_gap[None]
farther = ((difference > 0).float() + 0.5 * (difference == 0)).mean()

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=(5, 4))
pairs = torch.cat([fresh_digits[:10], train_x[sample_twin[:10]], (fresh_digits[:10] - train_x[sample_twin[:10]]).abs()])
show_images(pairs.view(-1, 28, 28), columns=10, ax=left, title="samples, nearest training digits, where they differ")
edges = np.arange(0, 200, 8)
right.hist(test_gap, edges, color=DATA, alpha=0.6, label="test digits")
right.hist(sample_gap, edges, histtype="step", color=MODEL, linewidth=2, label="samples")
right.set(xlabel="pixels that differ from the nearest training digit", ylabel="pictures")
right.legend()
plt.show()
print(f"pixels to the nearest training digit, median: {sample_gap.median():.0f} from a sample, {test_gap.median():.0f} "
      f"from a test digit; a sample is farther away with probability {farther:.2f}")

# %% [markdown]
# The samples keep at least the distance that new digits keep. No copies, and if anything too far out: some samples
# are far from every training digit because they are not digits at all.

# %% [markdown]
# ## 10 Every ordering at once
#
# The widget above could finish a digit from its top. Could it do so from its *bottom*, or repair a hole in the
# middle? Not with raster order: the given pixels have to come first. We would need a model for another ordering, and
# there are $784!$ of them. Can one set of weights serve them all?
#
# Draw a new ordering, with new degrees and masks, for every batch (Uria et al. 2014, Germain et al. 2015). The loss
# is then an average over orderings:
# $$\mathcal L_\text{any} = \mathbb E_{o}\ \mathbb E_{x}\Big[-\sum_{i=1}^{D}\log p_o\big(x_{o_i}\mid x_{o_1},\dots,
# x_{o_{i-1}}\big)\Big] \tag{18}$$
# One thing must be added. To a hidden unit a missing input and a 0 look the same: both add nothing. In a fixed
# ordering that is harmless, since it always misses the same ones. Here it is not, so the network gets a second set of
# weights that act on the *masks*: a unit is told which inputs it can see.

# %%
class AnyOrder(nn.Module):
    """MADE for all orderings: masks are an argument of every pass. x: (B, D) in {0, 1} -> logits (B, D).

    U, T: like W and A, but they act on "this input is visible" instead of on its value.
    """

    def __init__(self, D, H, *, ink=None, generator=None):
        super().__init__()
        self.W = nn.Parameter((2 * torch.rand(H, D, generator=generator) - 1) / math.sqrt(D))
        self.V = nn.Parameter((2 * torch.rand(D, H, generator=generator) - 1) / math.sqrt(H))
        self.A, self.U, self.T = (nn.Parameter(torch.zeros(n, D)) for n in (D, H, D))
        self.b = nn.Parameter(torch.zeros(H))
        self.c = nn.Parameter(torch.zeros(D) if ink is None else torch.logit(ink.float(), eps=1e-3))
        self.generator = torch.Generator().manual_seed(0)  # of the orderings met in training

    def draw(self, generator, order=None):
        """An ordering (a random one unless given) and degrees. Returns order (D,), masks."""
        H, D = self.W.shape
        order = torch.randperm(D, generator=generator) if order is None else order
        masks = made_masks(order, draw_degrees(D, H, generator=generator)[torch.randperm(H, generator=generator)])
        return order, [mask.to(self.W.device) for mask in masks]

    def forward(self, x, masks):
        M_W, M_V, M_A = masks
        h = F.relu(F.linear(x, self.W * M_W, self.b + (self.U * M_W).sum(1)))
        return F.linear(h, self.V * M_V, self.c + (self.T * M_A).sum(1)) + F.linear(x, self.A * M_A)

    def nll(self, x):
        """The loss of one batch under one fresh ordering."""
        return cross_entropy(self(x, self.draw(self.generator)[1]).float(), x)                    # (18)

    def fix(self, order, masks):
        """The MADE that this network is for one ordering: same logits, ready for `sample`."""
        M_W, M_V, M_A = masks
        frozen = MADE(order, torch.ones(len(self.b), dtype=torch.int64))
        frozen.M_W, frozen.M_V, frozen.M_A = (mask.cpu() for mask in masks)
        with torch.no_grad():
            for name, value in (("W", self.W * M_W), ("V", self.V * M_V), ("A", self.A * M_A),
                                ("b", self.b + (self.U * M_W).sum(1)), ("c", self.c + (self.T * M_A).sum(1))):
                getattr(frozen, name).copy_(value)
        return frozen

# %% [markdown]
# This takes long to learn: instead of one task there are astronomically many. So we shrink the digits to
# $14\times14$ pixels, and load a network that the course's benchmark has trained (`make checkpoints` does it again).
# **The pictures of this section and the next rest on that checkpoint**, except where they say "strips".

# %%
def shrink(images):
    """Half the size by averaging 2x2 blocks. images: (n, 28, 28) uint8. Returns (n, 14, 14) uint8."""
    return F.avg_pool2d(images[:, None].float(), 2)[:, 0].round().to(torch.uint8)


ANY_ORDER_HIDDEN = 400
any_order = AnyOrder(196, ANY_ORDER_HIDDEN)
facts = checkpoint("03_any_order", any_order)
small_x = binarise(shrink(test_images), generator=torch.Generator().manual_seed(21)).flatten(1)  # (n, 196)
print("; ".join(f"{key}: {value}" for key, value in facts.items()))

# %% [markdown]
# **Check.** For several orderings: the fixed network gives the same logits as the masked one, and its Jacobian is
# strictly lower triangular in that ordering.

# %%
generator = torch.Generator().manual_seed(22)
for _ in range(5):
    o, masks = any_order.draw(generator)
    fixed = any_order.fix(o, masks)
    with torch.no_grad():
        assert torch.allclose(fixed(small_x[:50]), any_order(small_x[:50], masks), atol=1e-4)
    table = jacobian(fixed, small_x[:8]).detach()[o][:, o]
    assert (table.triu() == 0).all()
    assert (table != 0).any()
print("five orderings of 196 pixels: the same network, each time with a strictly triangular Jacobian")

# %% [markdown]
# The same network now draws in any order we like. Grey marks pixels that have not been drawn yet.

# %%
rows_, columns_ = torch.arange(196) // 14, torch.arange(196) % 14
radius = (rows_ - 6.5).square() + (columns_ - 6.5).square()
drawing_orders = {"raster": torch.arange(196), "from below": torch.arange(195, -1, -1),
                  "columns": (columns_ * 14 + rows_).argsort(), "centre out": radius.argsort(stable=True),
                  "edge in": (-radius).argsort(stable=True),
                  "random": torch.randperm(196, generator=torch.Generator().manual_seed(23))}
fig, axes = plt.subplots(2, 3, figsize=(9.5, 3.4))
u_small = torch.rand(2, 196, generator=torch.Generator().manual_seed(24))
for ax, (name, o) in zip(axes.flat, drawing_orders.items(), strict=True):
    drawn = sample(any_order.fix(*any_order.draw(torch.Generator().manual_seed(25), o)), u_small)
    stages = torch.full((2, 5, 196), 0.5)
    for stage, share in enumerate((0.2, 0.4, 0.6, 0.8, 1.0)):
        done = o[: round(196 * share)]
        stages[:, stage, done] = drawn[:, done]
    show_images(stages.view(-1, 14, 14), columns=5, ax=ax, title=name)
plt.show()

# %% [markdown]
# Six ways to tell a picture, one network. The samples are rougher than those of section 7: the network has to spread
# its 400 hidden units over every ordering there is.
#
# **Play.** And so any set of pixels can be given: put them first. Choose what is hidden and let the network fill it
# in, eight times.

# %%
def hidden_part(kind):
    """Which of the 196 pixels are hidden. Returns (196,) bool."""
    parts = {"bottom half": rows_ >= 7, "top half": rows_ < 7, "left half": columns_ < 7, "right half": columns_ >= 7,
             "a hole": ((rows_ - 6.5).abs() < 3) & ((columns_ - 6.5).abs() < 3),
             "all but every fifth pixel": torch.rand(196, generator=torch.Generator().manual_seed(26)) > 0.2}
    return parts[kind]


HIDDEN = ["top half", "bottom half", "left half", "right half", "a hole", "all but every fifth pixel"]
u_fill = torch.rand(8, 196, generator=torch.Generator().manual_seed(27))


def fill_in(picture=3, hidden="top half"):
    gone = hidden_part(hidden)
    shuffled = torch.randperm(196, generator=torch.Generator().manual_seed(28))
    o = torch.cat([shuffled[~gone[shuffled]], shuffled[gone[shuffled]]])  # given pixels first
    network = any_order.fix(*any_order.draw(torch.Generator().manual_seed(29), o))
    drawn = sample(network, u_fill, known=int((~gone).sum()), start=small_x[picture].expand(8, 196))
    assert torch.equal(drawn[:, ~gone], small_x[picture].expand(8, 196)[:, ~gone])
    shown = torch.stack([small_x[picture], torch.where(gone, 0.5, small_x[picture])]).view(2, 14, 14)
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.6), width_ratios=(1, 2))
    show_images(shown, ax=left, columns=2, title="digit, and what is given")
    show_images(drawn.view(-1, 14, 14), ax=right, columns=8 // 2, title="eight ways to fill it in")
    return fig


explore(fill_in, picture=(0, 50), hidden=HIDDEN, continuous=False)

# %% [markdown]
# ## 11 Averaging over orderings, rightly and wrongly
#
# One network, many orderings: each gives its own likelihood $p_o(x)$, and each is a valid model. A committee should
# do better than its average member. How does one average? A mixture of models is a model, with the *probabilities*
# averaged:
# $$\log p_\text{ens}(x) = \log \frac1M\sum_{m=1}^M p_{o_m}(x)
# = \operatorname{logsumexp}_m \log p_{o_m}(x) - \log M \tag{19}$$
# Its sum over all $x$ is the average of $M$ ones. And the sum inside is at least its largest term and at most $M$
# times it, so for every single picture
# $$\max_m \log p_{o_m}(x) - \log M \ \le\ \log p_\text{ens}(x) \ \le\ \max_m \log p_{o_m}(x) \tag{20}$$
# The committee is never better than the member that happens to be best for the picture, and never more than $\log M$
# worse.
#
# There is a tempting shortcut: average the *logits* of each pixel over the orderings, and compute one cross-entropy.
# Published code has done it and reported far better numbers. But pixel $d$ sees $j$ in some of the orderings, and $j$
# sees $d$ in the others: with a few orderings every pixel helps to predict the pixels that help to predict it.

# %%
def log_mean_exp(log_p):
    """Log-likelihood of the mixture of M models, eq. (19). log_p: (M, n). Returns (n,)."""
    return torch.logsumexp(log_p, 0) - math.log(len(log_p))                                       # (19)


@torch.no_grad()
def committee(model, x, M, *, generator):
    """M orderings on x: their log-likelihoods (M, n), and what their mean logits give (n,), which is no likelihood."""
    log_p, mean_logits = [], 0.0
    for _ in range(M):
        logits = model(x, model.draw(generator)[1])
        log_p.append(log_prob(logits, x))
        mean_logits = mean_logits + logits / M
    return torch.stack(log_p), log_prob(mean_logits, x)

# %% [markdown]
# **Check.** On strips of ten pixels: train a small network on all orderings, then sum both "likelihoods" over all
# 1,024 inputs for committees of 1 to 32 orderings.

# %%
generator = torch.Generator().manual_seed(30)
strip_any = AnyOrder(10, 64, ink=strips.mean(0), generator=generator)
train(strip_any, strip_images, epochs=budget(smoke=60, cpu=15, gpu=15), generator=generator)
strip_any, all_strips = strip_any.double(), every_strip.double()
committees, valid_sums, invalid_sums = [1, 2, 4, 8, 16, 32], [], []
for M in committees:
    log_p, wrong = committee(strip_any, all_strips, M, generator=torch.Generator().manual_seed(31))
    right = log_mean_exp(log_p)
    valid_sums.append(right.exp().sum().item())
    invalid_sums.append(wrong.exp().sum().item())
    best = log_p.max(0).values
    assert (best - math.log(M) - 1e-9 <= right).all()                                             # (20)
    assert (right <= best + 1e-9).all()
    assert abs(valid_sums[-1] - 1) < 1e-9
print("orderings          ", "".join(f"{M:8}" for M in committees))
print("log-mean-exp sums to", "".join(f"{s:8.4f}" for s in valid_sums))
print("mean logits sum to  ", "".join(f"{s:8.4f}" for s in invalid_sums))
assert abs(invalid_sums[0] - 1) < 1e-9
assert all(abs(s - 1) > 1e-6 for s in invalid_sums[1:])

# %% [markdown]
# Now the digits, $14\times14$, with up to 32 orderings. Watch the dashed line: by (20) no committee of these members
# may lie below it.

# %%
log_p, wrong = [], []
judged = small_x[: budget(smoke=100, cpu=4_000, gpu=10_000)]
for M in committees:
    members, fake = committee(any_order, judged, M, generator=torch.Generator().manual_seed(32))
    wrong.append(-fake.mean().item())
log_p = members  # (32, n): the committees are nested, so the first M rows are the committee of M
single_nll = -log_p.mean().item()
ensemble = [-log_mean_exp(log_p[:M]).mean().item() for M in committees]
floor = [-log_p[:M].max(0).values.mean().item() for M in committees]
assert all(f - 1e-4 <= e <= f + math.log(M) + 1e-4 for e, f, M in zip(ensemble, floor, committees, strict=True))
assert wrong[-1] < floor[-1]  # what (20) forbids to every mixture

fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.3))
left.plot(committees, valid_sums, marker=".", color=MODEL, label="log-mean-exp, eq. (19)")
left.plot(committees, invalid_sums, marker=".", color="C3", label="mean of the logits")
left.set(xscale="log", xlabel="orderings $M$", ylabel="sum over all 1,024 strips", title="Strips: does it sum to one?")
right.plot(committees, ensemble, marker=".", color=MODEL, label="log-mean-exp")
right.plot(committees, wrong, marker=".", color="C3", label="mean of the logits")
right.plot(committees, floor, "--", color="gray", linewidth=1, label="best member for each picture")
right.axhline(single_nll, color="black", linewidth=1, linestyle=":", label="a single ordering")
right.set(xscale="log", xlabel="orderings $M$", ylabel="nats per image", title="Digits of 14 x 14, test set")
for ax in (left, right):
    ax.set_xticks(committees, [str(M) for M in committees])
    ax.minorticks_off()
left.legend(fontsize=9)
right.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
big = measured("03-ensemble")
print(f"14 x 14, dynamic: single ordering {single_nll:.2f}, 32 orderings {ensemble[-1]:.2f}, "
      f"mean logits {wrong[-1]:.2f} nats (not a likelihood), bound {floor[-1]:.2f}")
print(f"28 x 28: {big['what']}: {big['ours']:.1f}, a single ordering {big['peer']:.1f} nats")

# %% [markdown]
# The valid ensemble gains a little, more slowly with each doubling, and stays above the dashed line where (20)
# keeps it. The mean of the logits looks far better, and from two orderings on it lies below the line, where no mixture
# of these members could be. The left picture says why: it hands out more probability than there is. A number without
# that check on the left should not be believed, however good it looks on the right.
#
# Be fair to the single ordering too: this network spends its capacity on all orderings. On $28\times28$ digits the
# raster model of section 7, trained for a fraction of the time, beats the whole committee of the last line above. What
# order-agnostic training buys is not likelihood but freedom.

# %% [markdown]
# ## 12 Does it notice what does not belong?
#
# We can now give any picture a probability. So let it guard the door: pictures with an unusually small likelihood under
# the digit model of section 7 should be strangers. (Should they? Nalisnick et al. 2019.) We try the same digits turned,
# mirrored, inverted and shuffled, noise with as much ink as a digit, pictures of clothes if Fashion-MNIST is at hand,
# and an empty page. The **AUROC** is again the probability that a random stranger surprises the model more than a
# random test digit.

# %%
generator = torch.Generator().manual_seed(33)
guests = test_x[: budget(smoke=100, cpu=2_000, gpu=10_000)].view(-1, 28, 28)
crowd = {
    "test digits": guests,
    "upside down": guests.flip(1),
    "turned by 90 degrees": guests.rot90(1, (1, 2)),
    "inverted": 1 - guests,
    "pixels shuffled": guests.flatten(1)[:, torch.randperm(784, generator=generator)].view(-1, 28, 28),
    "noise, same ink": (torch.rand(guests.shape, generator=generator) < guests.mean()).float(),
}
try:
    clothes, _ = fashion_mnist("test")
    crowd["clothes"] = binarise(clothes[: len(guests)], generator=generator)
except FileNotFoundError:
    print("Fashion-MNIST is not at hand: no clothes today")
crowd["empty page"] = torch.zeros(1, 28, 28)


@torch.no_grad()
def surprise_map(model, x):
    """-log p(x_d | earlier pixels), for every pixel. x: (n, 784). Returns (n, 784) in nats."""
    return F.binary_cross_entropy_with_logits(model(x), x, reduction="none")


def auroc(odd, normal):
    """Probability that a draw from odd exceeds a draw from normal, ties counted half."""
    return ((odd[:, None] > normal).double() + 0.5 * (odd[:, None] == normal)).mean().item()


scores = {name: surprise_map(single, group.flatten(1)).sum(1) for name, group in crowd.items()}
caught = {name: auroc(value, scores["test digits"]) for name, value in scores.items()}
usual = surprise_map(single, seen_x.cpu()).sum(1).mean()
unusual = {name: auroc((value - usual).abs(), (scores["test digits"] - usual).abs()) for name, value in scores.items()}

# %% [markdown]
# The boxes show the surprise of each group in nats; the two numbers beside a name are the AUROC of the surprise, and
# of its distance from the usual surprise of a training digit (the second idea of lecture 01).

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), width_ratios=(1, 9))
strip_of_guests = [group[len(group) // 3] for group in crowd.values()]
left.imshow(torch.cat([torch.cat([image, torch.ones(3, 28)]) for image in strip_of_guests]), vmin=0, vmax=1)
left.set_axis_off()
line = {"color": MODEL, "linewidth": 2}
right.boxplot(list(scores.values()), orientation="horizontal", whis=(0, 100), widths=0.5, medianprops=line)
names = [name if name == "test digits" else f"{name}   {caught[name]:.2f}  {unusual[name]:.2f}" for name in scores]
right.set_yticks(range(1, len(scores) + 1), names)
right.set(xscale="log", xlabel="surprise $-\\log p(x)$ (nats); box: middle half, whiskers: all")
right.set_xticks([20, 50, 100, 200, 500, 1000, 2000], ["20", "50", "100", "200", "500", "1,000", "2,000"])
right.minorticks_off()
right.axvspan(scores["test digits"].min(), scores["test digits"].max(), color=DATA, alpha=0.12)
right.set_title("Stranger, AUROC of the surprise, AUROC of its distance from the usual", loc="left", fontsize=10)
right.invert_yaxis()
plt.show()
blank, digit = scores["empty page"].item(), scores["test digits"]
less = (digit > blank).double().mean().item()
print(f"empty page {blank:.1f} nats, test digits {digit.mean():.1f} on average, {100 * less:.1f}% of them above it")

# %% [markdown]
# Inverted and shuffled digits, noise and clothes are all caught. What the fog model of lecture 01 missed were shuffled
# and upside-down digits, and there the gain is: this model knows strokes. Turned digits are harder, since a stroke is a
# stroke in any direction, and upside-down digits are the hardest: some of them (0, 1, 8) *are* digits. And the empty
# page, which appears nowhere in the training set, is less surprising than nearly every digit. *That is not a failure of
# training.* In the upper rows nothing is the right prediction, and further down each pixel is still 0 with high
# probability, so the page never pays much at any one place. Where does it pay?

# %%
cases = [crowd[name][4] for name in ("test digits", "turned by 90 degrees", "upside down")]
cases = torch.stack([torch.zeros(28, 28), *cases])
maps = surprise_map(single, cases.flatten(1)).view(-1, 28, 28)
with torch.no_grad():
    expected_ink = single(cases.flatten(1)).sigmoid().view(-1, 28, 28)
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=(2, 3))
show_images(torch.cat([cases, expected_ink]), columns=4, ax=axes[0], title="picture; ink the model expected")
sheet = torch.cat([F.pad(m, (0, 1), value=torch.nan) for m in maps], dim=1)
shown = axes[1].imshow(sheet, cmap="magma", vmin=0, vmax=4)
axes[1].set_title("surprise of each pixel: " + ", ".join(f"{m.sum():.0f}" for m in maps) + " nats")
axes[1].set_axis_off()
fig.colorbar(shown, ax=axes[1], label="nats", shrink=0.7)
plt.show()
assert torch.allclose(maps.sum((1, 2)), -log_prob(single(cases.flatten(1)), cases.flatten(1)).detach(), rtol=1e-4)

# %% [markdown]
# In the empty page a faint band of expectation glows where digits begin: row after row the model waits for ink, pays
# a little, and then gives up, as if to say that it must have missed the digit. For a real digit the surprise sits on
# the *edges* of strokes, where the exact pixel cannot be foreseen. An honest digit pays for its details; an empty page
# has none. So a small surprise means *easy to predict*, and not *belongs here*. Asking for the *usual* surprise
# (the second number) does catch the empty page, and gives away a little elsewhere.

# %% [markdown]
# ## Results
#
# All likelihoods in nats per image under dynamic binarisation, on the test set named at the top.

# %%
record(made_nll=test_nll["MADE"], unit="nats/image, dynamic binarisation, test set")
record(made_nll_five_cpu_minutes=long_run["ours"], unit="nats/image, dynamic binarisation, official test set",
       paper=94.5, source="pytorch-made README: 500 units, 50k digits, fixed binarisation")
record(logistic_nll=test_nll["logistic regressions"], unit="nats/image, dynamic binarisation, test set")
record(table_nll=best_table, unit=f"nats/image, dynamic binarisation, 2,000 test digits, {best_k} parents a pixel")
record(sum_error=worst, unit=f"largest |sum - 1| over {len(totals)} masks, 2^10 inputs, float64")
record(ensemble_nll=ensemble[-1], unit="nats/image, 14x14, dynamic, 32 orderings, log-mean-exp")
record(single_order_nll=single_nll, unit="nats/image, 14x14, dynamic, mean of 32 orderings")
record(logit_average_is_no_nll=wrong[-1], unit="nats/image, 14x14: not a likelihood, does not sum to 1")
record(sampling_speed_up=bench["ratio"], unit="times faster than 784 passes, n = 100", paper=784,
       source="the limit: D passes for one")
record(empty_page_less_surprising_than=100 * less, unit="% of test digits")

# %% [markdown]
# ## Takeaways
#
# - Every distribution factors in every order, exactly. Orders differ in how hard their factors are, and tables make
#   all of them hopeless beyond a few parents, because rows share nothing.
# - A missing arrow is an assumption that can be tested: a conditional mutual information that must vanish.
# - An autoencoder is not a distribution, because its outputs have seen what they predict. Three masks, made from one
#   ordering and random degrees, turn it into one: all conditionals in one pass.
# - Two checks for every autoregressive model: the Jacobian is strictly triangular, and for ten variables the
#   probabilities of all 1,024 inputs sum to one.
# - Evaluate in one pass, sample in $D$ steps; keep what does not change, and $D$ steps together do the arithmetic of
#   one pass.
# - One network can serve all orderings, and then any pixels can be given. Committees average probabilities, never
#   logits.
# - A high likelihood means easy to predict. The easiest picture of all is an empty page.
#
# MADE treats pixel 300 and pixel 301 as strangers: each has its own weights, and a stroke learnt in one corner must
# be learnt again in the other. The next lecture gives all pixels the same small network.
#
# ## Exercises
#
# 1. Prove (3) and then show: if every variable has at most $k$ parents, (8) needs at most $D\,2^k$ numbers.
# 2. Give MADE a second hidden layer. Which condition between degrees $m_k$ and $m'_{k'}$ makes the mask of the weights
#    between the layers right, and does it have to be strict? Check with both tests of section 6, and count the zeros
#    below the diagonal of the Jacobian.
# 3. A hidden unit of degree $m_k$ is finished once $m_k$ variables are known, and nobody reads it earlier. Write a
#    sampler that computes each unit once, when it is finished. How much faster is it than `sample`?
# 4. Train section 7's network with a random instead of the raster ordering. How many nats does it cost? Why does the
#    chain rule not forbid that?
# 5. In eq. (19) give the orderings weights that sum to one, and fit them on held-out digits. Does it help? Prove that
#    the result is still a model.
# 6. Fit ten MADEs, one for each digit, and classify test digits by Bayes' rule. How does it compare with the
#    histograms of exercise 5 in lecture 01?
# 7. Draw the degrees of section 7 so that units are spread evenly over the *ink* instead of over the pixels. What does
#    it gain, and why do units of degree below 100 do next to nothing in raster order?
#
# ## References
#
# - J. Pearl (1988). *Probabilistic Reasoning in Intelligent Systems*. Morgan Kaufmann.
#   [doi:10.1016/C2009-0-27609-4](https://doi.org/10.1016/C2009-0-27609-4).
# - R. M. Neal (1992). Connectionist learning of belief networks. *Artificial Intelligence* 56(1), 71-113.
#   [doi:10.1016/0004-3702(92)90065-6](https://doi.org/10.1016/0004-3702%2892%2990065-6).
# - P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol (2008). Extracting and composing robust features with denoising
#   autoencoders. *ICML*. [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - H. Larochelle, I. Murray (2011). The neural autoregressive distribution estimator. *AISTATS*, PMLR 15, 29-37.
#   [proceedings.mlr.press](https://proceedings.mlr.press/v15/larochelle11a.html).
# - B. Uria, I. Murray, H. Larochelle (2014). A deep and tractable density estimator. *ICML*.
#   [arXiv:1310.1757](https://arxiv.org/abs/1310.1757).
# - M. Germain, K. Gregor, I. Murray, H. Larochelle (2015). MADE: masked autoencoder for distribution estimation.
#   *ICML*, PMLR 37, 881-889. [arXiv:1502.03509](https://arxiv.org/abs/1502.03509).
# - Y. Burda, R. Grosse, R. Salakhutdinov (2016). Importance weighted autoencoders. *ICLR*.
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519). Section 5.1 for dynamic binarisation.
# - B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle (2016). Neural autoregressive distribution estimation.
#   *JMLR* 17(205), 1-37. [arXiv:1605.02226](https://arxiv.org/abs/1605.02226).
# - E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan (2019). Do deep generative models know what
#   they don't know? *ICLR*. [arXiv:1810.09136](https://arxiv.org/abs/1810.09136).
# - A. Karpathy (2018). `pytorch-made`, [github.com/karpathy/pytorch-made](https://github.com/karpathy/pytorch-made). A
#   short implementation; its averaging over orderings is the one section 11 warns of.
