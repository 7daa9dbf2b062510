# ---
# jupyter:
#   course:
#     title: "05 Attention and transformers"
#     summary: "Let every place ask all the others: soft look-up, masks, positions, a GPT on text, and what it costs"
#     minutes: 120
# ---

# %% [markdown]
# # 05 Attention and transformers
#
# **The question.** To predict the next letter of a play you may need the letter just before, the first letter of the
# word, or the name of the speaker forty letters ago. A convolution looks at fixed distances; a recurrent network
# carries everything it might need later through one state. Is there a layer that *decides, for each place, where to
# look*, that learns this by gradient descent, and that treats all places of a text at once? There is, it is a page of
# code, and most large models of today are made of nothing else.
#
# **After this lecture you can**
# 1. write attention, its masks for any ordering, and a transformer block from the equations, and prove with a
#    gradient that no place sees what it must not see;
# 2. choose positions, widths and lengths knowing what each costs in operations, seconds and bytes;
# 3. train a small GPT on text, apply the same model to images, generate with a cache that changes no token, and say
#    honestly how good it is beside a baseline;
# 4. learn byte-pair tokens and compare models across tokenizers, thin out attention, read cross-attention, and hold
#    in-context learning against Bayes' rule.
#
# **It needs** lecture 03 (the chain rule in any order) and the softmax. **It takes** about two hours to read and play
# with and two to three minutes to run on one core of a CPU. With a GPU the model of text has nanoGPT's size, and other
# runs are longer.

# %% [markdown]
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $n$, $m$ | `n`, `m` | | places that ask (queries), places that answer (keys); in self-attention $n=m$ |
# | $D$, $d$, $H$ | `D`, `d`, `heads` | | width of a place's vector; width of one head, $d = D/H$; number of heads |
# | $X$ | `x` | (B, n, D) | one vector for each place, a batch of $B$ sequences |
# | $q_i, k_j, v_j$ | `q`, `k`, `v` | (..., n, d), (..., m, d) | query, key and value; a row of $Q$, $K$, $V$ each |
# | $s_{ij}$ | `scores` | (..., n, m) | how well key $j$ answers query $i$ |
# | $w_{ij}$ | `weights` | (..., n, m) | their softmax: where place $i$ looks, sums to 1 over $j$ |
# | $M$ | `mask` | (n, m) bool | `True`: place $i$ may look at place $j$ |
# | $r_i$ | `rank` | (n,) | when place $i$ comes in the order of generation |
# | $x_1,\dots,x_n$ | `tokens` | (B, n) int64 | the symbols of a text or the pixels of an image |
# | $L$ | `L_new` | | number of tokens to generate, eq. (19) |
# | $\mathcal L$ | `nll` | | negative log-likelihood, in nats per symbol |
# | $c(a,b)$ | `counts` | dict | how often tokens $a, b$ stand side by side |
# | $\mu_k$, $z$ | `palette`, `nearest_colour` | (K, 3), (n,) | colours of the palette, number of the nearest |
# | $R_k$ | `reach` | (n, n) | who can know of whom after $k$ layers (eq. (30); $R_i$ in (14) is a rotation) |
# | $C$ | `context` | (B, m, D) | what an encoder hands to a decoder |

# %%
import functools
import heapq
import itertools
import json
import math
import re
import time
from collections import Counter, defaultdict

import matplotlib.pyplot as plt
import torch
from einops import rearrange
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from utils.data import course_text, digits_split, natural_images, natural_patches
from utils.device import pick_device, timed
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import budget, budget_name, checkpoint, fit, measured, progress, record
from utils.widgets import explore

use_style()
torch.set_num_threads(1)  # small matrices: a second thread would mostly wait
device, why = pick_device()
print(f"budget: {budget_name()}; device: {device} ({why})")

# %% [markdown]
# ## 1 A soft look-up
#
# A dictionary in Python is a list of pairs, key and value. Ask it with a query: it compares the query with the keys,
# finds the one that is *equal*, and returns that key's value. Two things make this useless inside a network. If no
# key is equal there is no answer, and nothing about it has a derivative.
#
# Soften it. Give every key a score $s_j$ that says how well it fits the query, turn the scores into positive weights
# that sum to one, and return the weighted mean of all values:
# $$w_j = \frac{e^{s_j}}{\sum_{l=1}^m e^{s_l}} \tag{1}$$
# $$y = \sum_{j=1}^m w_j\, v_j \tag{2}$$
# A natural first score is nearness, $s_j = -\lVert q-k_j\rVert^2 / 2\tau^2$ with a width $\tau$. Statisticians have
# used exactly this since 1964 to draw a smooth curve through points (Nadaraya; Watson): the keys are where something
# was measured, the values what was measured there, the query is where one would like to know.

# %%
def look_up(q, k, v, tau):
    """Soft look-up by nearness, eqs. (1) and (2). q: (n, d), k: (m, d), v: (m, e). Returns (n, e), weights (n, m)."""
    scores = -(q[:, None] - k).square().sum(-1) / (2 * tau**2)  # (n, m)
    weights = scores.softmax(-1)                                                                  # (1)
    return weights @ v, weights                                                                   # (2)


generator = torch.Generator().manual_seed(1)
key_at = 10 * torch.rand(24, 1, generator=generator).sort(0).values  # keys: 24 places where we measured
value_at = key_at.sin() + 0.15 * torch.randn(24, 1, generator=generator)  # values: what we measured there
queries = torch.linspace(0, 10, 400)[:, None]  # 400 places to ask about

# %% [markdown]
# **Check.** The two limits of the width. When $\tau$ is tiny, only the nearest key counts and the soft look-up is a
# hard one; when $\tau$ is huge, every key counts the same and every query gets the mean.

# %%
nearest = value_at[(queries - key_at.T).abs().argmin(1)]
sharp, flat = look_up(queries, key_at, value_at, 1e-4)[0], look_up(queries, key_at, value_at, 1e4)[0]
assert torch.equal(sharp, nearest)
assert torch.allclose(flat, value_at.mean().expand_as(flat), atol=1e-4)
print("tau = 0.0001: all 400 answers are the nearest key's value; tau = 10,000: all are the mean")

fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.0), sharey=True)
for ax, tau in zip(axes, (0.02, 0.4, 5.0), strict=True):
    ax.plot(queries, queries.sin(), color="gray", linewidth=1, label="truth")
    ax.plot(key_at, value_at, "o", color=DATA, markersize=4, label="keys and values")
    ax.plot(queries, look_up(queries, key_at, value_at, tau)[0], color=MODEL, label="soft look-up")
    ax.set(xlabel="query $q$", title=f"width $\\tau$ = {tau:g}")
axes[0].set_ylabel("answer $y$")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# Left: a staircase that jumps from one value to the next. Right: nearly one answer for every question. Between the
# two lies a curve that follows the truth better than any single measurement does, and whose width we could *learn*,
# because (1) and (2) are smooth in $q$, $k$, $v$ and $\tau$.
#
# Attention replaces nearness by something cheaper. Write the square out,
# $-\lVert q-k_j\rVert^2 = 2\,q\cdot k_j - \lVert q\rVert^2 - \lVert k_j\rVert^2$. The softmax does not care about
# anything that is the same for all $j$, so $\lVert q\rVert^2$ drops out, and if all keys are equally long, so does
# the last term:
# $$\operatorname{softmax}_j\!\Big(-\frac{\lVert q-k_j\rVert^2}{2\tau^2}\Big) =
# \operatorname{softmax}_j\!\Big(\frac{q\cdot k_j}{\tau^2}\Big)
# \qquad\text{if } \lVert k_1\rVert = \dots = \lVert k_m\rVert \tag{3}$$
# A dot product for every pair is a single product of two matrices, which is what computers do best. **Check** (3) on
# keys that lie on a circle.

# %%
angles = 2 * math.pi * torch.rand(50, generator=generator)
on_circle = torch.stack([angles.cos(), angles.sin()], -1)  # (50, 2), all of length 1
somewhere = torch.randn(8, 2, generator=generator)
by_nearness = look_up(somewhere, on_circle, torch.eye(50), 0.5)[1]
by_product = (somewhere @ on_circle.T / 0.5**2).softmax(-1)                                       # (3)
assert torch.allclose(by_nearness, by_product, atol=1e-6)
print(f"largest difference between nearness and dot product: {(by_nearness - by_product).abs().max():.0e}")


def width_and_query(query=4.0, tau=0.4):
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 2.9), width_ratios=(3, 2))
    y, weights = look_up(torch.tensor([[query]]), key_at, value_at, tau)
    left.plot(queries, look_up(queries, key_at, value_at, tau)[0], color=MODEL, linewidth=1.2)
    left.scatter(key_at, value_at, s=8 + 300 * weights[0], color=DATA, alpha=0.6)
    left.plot(query, y[0], "*", color=MODEL, markersize=15)
    left.axvline(query, color="gray", linewidth=1)
    left.set(xlabel="query $q$", ylabel="answer $y$", title="The larger a dot, the more it is listened to")
    right.bar(key_at[:, 0], weights[0], width=0.15, color=DATA)
    listened = (-(weights * weights.clamp(min=1e-12).log()).sum()).exp()
    right.set(xlabel="key $k_j$", ylabel="weight $w_j$", xlim=(0, 10), title=f"as if {listened:.1f} keys of 24 spoke")
    return fig


explore(width_and_query, query=(0.0, 10.0, 0.1), tau=[0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0])

# %% [markdown]
# Move the query into one of the gaps between the dots: the look-up leans on the two shores. (The number of keys
# "spoke" is $e$ to the entropy of the weights, a fair way to count votes of unequal size.)

# %% [markdown]
# ## 2 The scale, and why it stands there
#
# Now let queries and keys have $d$ entries each and let the network produce them. At the start of training their
# entries are about independent, with mean 0 and variance 1. A dot product adds $d$ such products, each of variance 1:
# $$\operatorname{Var}(q\cdot k) = \sum_{a=1}^d \operatorname{Var}(q_a k_a) = d \tag{4}$$
# So scores grow like $\sqrt d$: with $d=64$ they spread over $\pm8$, and $e^{8}$ against $e^{-8}$ leaves one key in
# charge of everything before anything has been learned. Worse, such a softmax hardly *can* be taught. Its derivative
# is
# $$\frac{\partial w_i}{\partial s_j} = w_i\,(\mathbb 1[i=j] - w_j) \tag{5}$$
# and when one weight is nearly 1 and the others nearly 0, every one of these products is nearly 0. The remedy of
# Vaswani et al. (2017) is to divide by the standard deviation that (4) predicts. With one row for each query and key,
# $$\operatorname{attention}(Q,K,V) = \operatorname{softmax}\!\Big(\frac{QK^\top}{\sqrt d}\Big)\,V \tag{6}$$
# This is the whole layer. (The last argument of the function below is for section 3.)

# %%
def attention(q, k, v, mask=None):
    """Soft look-up by scaled dot products, eqs. (6) and (7). q: (..., n, d), k: (..., m, d), v: (..., m, e).

    mask: bool, broadcastable to (..., n, m), True = may look; a query that may look nowhere gets zeros.
    Returns (output (..., n, e), weights (..., n, m)); a row of weights sums to 1, or to 0 if it may see nothing.
    """
    scores = q @ k.mT / math.sqrt(q.shape[-1])                                                    # (6)
    if mask is None:
        weights = scores.softmax(-1)
    else:
        weights = scores.masked_fill(~mask, -math.inf).softmax(-1).masked_fill(~mask, 0.0)        # (7)
    return weights @ v, weights


def softmax_jacobian(weights):
    """Derivative of the weights by the scores, eq. (5). weights: (..., m). Returns (..., m, m)."""
    return weights.diag_embed() - weights[..., :, None] * weights[..., None, :]                   # (5)

# %% [markdown]
# **Check** eq. (5) against automatic differentiation, then measure for many widths what (4) and (5) say: the spread
# of the scores, the largest weight, and the size of the softmax's derivative, with and without the division.

# %%
generator = torch.Generator().manual_seed(2)
ten_scores = 2 * torch.randn(10, generator=generator)
by_autograd = torch.autograd.functional.jacobian(lambda scores: scores.softmax(-1), ten_scores)
assert torch.allclose(by_autograd, softmax_jacobian(ten_scores.softmax(-1)), atol=1e-6)

head_widths = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
spread, largest, slope = ({True: [], False: []} for _ in range(3))
for d in head_widths:
    asking, answering = torch.randn(20, 30, d, generator=generator), torch.randn(20, 64, d, generator=generator)
    raw = asking @ answering.mT  # (20, 30, 64): twenty times 30 queries and 64 keys
    for scaled in (True, False):
        scores = raw / math.sqrt(d) if scaled else raw
        spread[scaled].append(scores.std().item())
        largest[scaled].append(scores.softmax(-1).amax(-1).mean().item())
        slope[scaled].append(softmax_jacobian(scores.softmax(-1)).square().sum((-2, -1)).sqrt().mean().item())
assert all(abs(s / math.sqrt(d) - 1) < 0.12 for s, d in zip(spread[False], head_widths, strict=True))  # (4)
scale_gain = slope[True][-1] / slope[False][-1]
print(f"spread of the scores at d = 1024: {spread[False][-1]:.1f} without the scale, {spread[True][-1]:.2f} with it")

# %% [markdown]
# Every measured spread is the $\sqrt d$ of (4), to within the noise of the draw. Now the consequences.

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.8, 3))
curves = (("spread of the scores", spread), ("mean largest weight of 64", largest), ("size of the derivative", slope))
for ax, (name, values) in zip(axes, curves, strict=True):
    ax.plot(head_widths, values[False], color=DATA, marker=".", label="$q\\cdot k$")
    ax.plot(head_widths, values[True], color=MODEL, marker=".", label="$q\\cdot k/\\sqrt{d}$")
    ax.set(xscale="log", xlabel="width $d$ of queries and keys", title=name)
axes[0].plot(head_widths, [math.sqrt(d) for d in head_widths], "k--", linewidth=1, label="$\\sqrt{d}$, eq. (4)")
axes[0].set(yscale="log")
axes[0].legend(fontsize=9)
plt.show()

# %% [markdown]
# Without the scale the spread follows the dashed line, the largest of 64 weights creeps towards 1 (while nothing is
# known yet it should be small), and the derivative of the softmax melts away after a short hump. With the scale all
# three stay where they are, whatever the width. The division costs nothing and is the difference between a layer that
# starts undecided and one that starts stubborn.

# %% [markdown]
# ## 3 Masks: any order you like
#
# Let the places of one sequence be keys, values and queries at once: **self-attention**. Every place asks, every
# place answers. For a likelihood we need the chain rule, $p(x) = \prod_i p(x_i \mid \text{what came before})$, so a
# place must not hear from those that come later. A mask takes their scores away before the softmax:
# $$s_{ij} \leftarrow -\infty \quad\text{wherever}\quad M_{ij} = 0 \tag{7}$$
# so that $e^{-\infty}=0$ and the remaining weights still sum to one. Lecture 03 derived masks for a network's
# *weights* from an ordering. Here the same idea needs one comparison. If place $i$ comes at step $r_i$, then
# $$M_{ij} = \mathbb 1[\,r_j \le r_i\,] \tag{8}$$
# with $<$ in place of $\le$ where a place must not even see itself. A language model uses $\le$ and *shifts* instead:
# what stands at step $t$ of its input is the token of step $t$, and its output there is about step $t+1$.

# %%
def order_mask(order, *, strict=False):
    """Who may look at whom, eq. (8). order: (n,), order[t] is the place that comes at step t. Returns (n, n) bool."""
    rank = order.argsort()  # rank[i]: the step at which place i comes
    return rank < rank[:, None] if strict else rank <= rank[:, None]                              # (8)


def causal_mask(n, device=None):
    """The mask of the order 0, 1, 2, ...: the raster order of a text or of an image's rows. Returns (n, n) bool."""
    return torch.ones(n, n, dtype=torch.bool, device=device).tril()


assert torch.equal(causal_mask(9), order_mask(torch.arange(9)))

# %% [markdown]
# **Check.** Two statements about any order $\sigma$, here a random one of 12 places. First, the derivative of output
# $i$ by value $j$ is zero exactly where the mask says so: nothing leaks. Second, masking by $\sigma$ is the same as
# sorting the places into the order $\sigma$, using the plain triangle, and sorting back. So *one* causal network can
# model every order: permute its input.

# %%
generator = torch.Generator().manual_seed(3)
shuffled = torch.randperm(12, generator=generator)
asked, keyed, valued = torch.randn(3, 12, 6, generator=generator).unbind()
for strict in (False, True):
    allowed = order_mask(shuffled, strict=strict)
    influence = torch.autograd.functional.jacobian(lambda v, m=allowed: attention(asked, keyed, v, m)[0], valued)
    assert torch.equal(influence.abs().sum((1, 3)) > 0, allowed)  # (12, 6, 12, 6) -> (12, 12)
unsorted = attention(asked, keyed, valued, order_mask(shuffled))[0]
in_order = attention(asked[shuffled], keyed[shuffled], valued[shuffled], causal_mask(12))[0]
assert torch.allclose(unsorted[shuffled], in_order, atol=1e-6)
print("random order of 12: the gradient is non-zero exactly on the mask; permuting in and out gives the same output")

# %% [markdown]
# For an image the order is a path through a plane. Below, each $64\times64$ mask belongs to an image of $8\times8$
# pixels, and the picture under it shows what the pixel with the star may look at.

# %%
def image_order(name, size=8):
    """A path through size x size pixels: (size * size,) int64, the pixel that comes at each step."""
    row, column = torch.arange(size * size) // size, torch.arange(size * size) % size
    ring = torch.maximum((row - (size - 1) / 2).abs(), (column - (size - 1) / 2).abs())  # distance from the middle
    keys = {
        "raster": row * size + column,
        "columns": column * size + row,
        "from the middle": ring * size**2 + row * size + column,
        "coarse to fine": (row % 2 + 2 * (column % 2)) * size**2 + row * size + column,
        "random": torch.rand(size * size, generator=torch.Generator().manual_seed(4)),
    }
    return keys[name].argsort()


def draw_order(name, pixel, mask_ax, seen_ax, size=8):
    """The mask of an order, and beneath it what one pixel may look at, coloured by when it came."""
    path = image_order(name, size)
    mask_ax.imshow(order_mask(path, strict=True), cmap="gray", vmin=0, vmax=1)
    mask_ax.set(title=name, xticks=[], yticks=[])
    step = path.argsort().float()
    step[step >= step[pixel]] = math.nan
    seen_ax.imshow(torch.full((size, size), 0.85), cmap="gray", vmin=0, vmax=1)
    seen_ax.imshow(step.view(size, size), cmap="viridis", vmin=0, vmax=size * size)
    seen_ax.plot(pixel % size, pixel // size, "*", color=MODEL, markersize=13)
    seen_ax.set(xticks=[], yticks=[])
    for ax in (mask_ax, seen_ax):
        ax.grid(visible=False)


fig, axes = plt.subplots(2, 4, figsize=(9.5, 5))
for name, (top, bottom) in zip(("raster", "coarse to fine", "from the middle", "random"), axes.T, strict=True):
    draw_order(name, 45, top, bottom)
axes[0, 0].set_ylabel("pixel that looks")
axes[1, 0].set_ylabel("what ★ may see")
plt.show()

# %% [markdown]
# The raster's mask is the triangle: row $i$ is white left of the diagonal, black on it. The other masks look wild, yet
# each is that triangle with rows and columns shuffled alike. In the raster the star sees everything above and to its
# left; in the order from coarse to fine it sees a complete small image first; in the random one its neighbours on all
# sides, some of them. The same weights could serve all four: nothing in (6) knows which order was meant.

# %%
def choose_order(order="from the middle", pixel=45):
    fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.6))
    draw_order(order, pixel, *axes)
    seen = order_mask(image_order(order), strict=True)[pixel].sum()
    axes[1].set_title(f"pixel {pixel} comes at step {seen}: it may see {seen} of 63")
    return fig


explore(choose_order, order=["raster", "columns", "from the middle", "coarse to fine", "random"], pixel=(0, 63))

# %% [markdown]
# One trap remains when layers are stacked. With the strict mask, a place's *own* value must not enter the layer on
# any other road either, and a residual connection (next section) would be such a road. That is why language models
# prefer $\le$ and the shift, and why a model for random orders must tell each place which place it should predict.

# %% [markdown]
# ## 4 Several heads, and a block
#
# One softmax makes one choice. A place that needs both the previous letter *and* the start of the word would have to
# blend them into one weighted mean. So give it several look-ups side by side. Cut the width $D$ into $H$ **heads** of
# width $d = D/H$, each with its own maps $W_q, W_k, W_v$ from $D$ to $d$ entries, and join their answers by one more
# linear map:
# $$\operatorname{head}_h = \operatorname{attention}(XW_q^h,\, CW_k^h,\, CW_v^h), \qquad
# \operatorname{MultiHead}(X, C) = [\operatorname{head}_1, \dots, \operatorname{head}_H]\,W_o \tag{9}$$
# $C$ is the **context** that is asked: $X$ itself in self-attention, another sequence in cross-attention (a
# translation asking the original). The number of parameters, $4D^2$, does not depend on $H$: heads are a way to
# *share* the width.
#
# The class below uses two more things. `scaled_dot_product_attention` is PyTorch's own version of (6), which never
# writes the $n\times m$ weights to memory (section 7 measures what this is worth); our `attention` is called when we
# want to look at the weights. And `rotary` and `cache` belong to sections 5 and 7.

# %%
class MultiHead(nn.Module):
    """Multi-head attention, eq. (9): `heads` look-ups of width D / heads side by side, then one linear map."""

    def __init__(self, D, heads, *, rotary=False):
        super().__init__()
        if D % heads:
            raise ValueError(f"D = {D} cannot be shared by {heads} heads")
        self.heads, self.rotary, self.weights = heads, rotary, None
        self.query = nn.Linear(D, D, bias=False)
        self.key_value = nn.Linear(D, 2 * D, bias=False)  # one product instead of two
        self.out = nn.Linear(D, D, bias=False)

    def forward(self, x, context=None, mask=None, keep=False, cache=None):
        """x: (B, n, D) asks; context: (B, m, D) answers, x itself where none is given. Returns (B, n, D).

        mask: bool, broadcastable to (B, heads, n, m). keep=True: .weights (B, heads, n, m) are kept to be looked at.
        cache: a Cache; the keys and values of x are added to it, and the queries see all that it holds.
        """
        q = rearrange(self.query(x), "b n (h d) -> b h n d", h=self.heads)
        k, v = self.key_value(x if context is None else context).chunk(2, -1)
        k, v = (rearrange(y, "b m (h d) -> b h m d", h=self.heads) for y in (k, v))
        if self.rotary:
            start = 0 if cache is None else cache.n
            q, k = rotate(q, start), rotate(k, start)
        if cache is not None:
            k, v = cache.add(k, v)
        if keep:
            y, self.weights = attention(q, k, v, mask)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(rearrange(y, "b h n d -> b n (h d)"))                                     # (9)

# %% [markdown]
# **Check.** The class against eq. (9) written as a loop over heads; PyTorch's fused version against ours; and the
# number of parameters for 1 to 16 heads.

# %%
torch.manual_seed(5)
four_heads, sequence = MultiHead(32, 4), torch.randn(2, 10, 32)
W_q, W_k, W_v = four_heads.query.weight, *four_heads.key_value.weight.chunk(2)
answers = []
for rows in torch.arange(32).chunk(4):  # the rows of the three maps that belong to one head
    one_head = (sequence @ W[rows].T for W in (W_q, W_k, W_v))
    answers.append(attention(*one_head, causal_mask(10))[0])
by_loop = torch.cat(answers, -1) @ four_heads.out.weight.T
kept, fused = (four_heads(sequence, mask=causal_mask(10), keep=keep) for keep in (True, False))
assert torch.allclose(kept, by_loop, atol=1e-6)
assert torch.allclose(kept, fused, atol=1e-6)
assert {sum(p.numel() for p in MultiHead(32, heads).parameters()) for heads in (1, 2, 4, 8, 16)} == {4 * 32**2}
print(f"loop, ours and PyTorch's agree to {(kept - fused).abs().max():.0e}; 4 D^2 parameters with 1 to 16 heads")

# %% [markdown]
# Attention moves information between places but treats what it moves linearly: each output is a weighted mean of
# linear images of the input. The thinking *within* a place is left to a small network, the **MLP**, the same at every
# place. A **block** is one of each, and both are wrapped in the same way:
# $$x \leftarrow x + \operatorname{MultiHead}(\operatorname{norm}(x)) \tag{10}$$
# $$x \leftarrow x + W_2\,\phi\big(W_1 \operatorname{norm}(x)\big) \tag{11}$$
# The "$x\;+$" is the residual connection: a block *adds* to what is there instead of replacing it. The norm (layer
# norm: subtract the mean of the $D$ entries, divide by their standard deviation, scale) keeps what the inner layers
# see at one size. Today it stands *inside* the branch, so that the road along the $x$'s is never touched; in the
# first transformer it stood on the road, after each sum. $\phi$ is a soft ReLU (GELU), and $W_1$ makes the vector
# four times as wide.

# %%
class Block(nn.Module):
    """Pre-norm transformer block, eqs. (10) and (11): x + attention, (x + cross-attention,) x + MLP."""

    def __init__(self, D, heads, cross=False, *, rotary=False):
        super().__init__()
        self.norm_attend, self.attend = nn.LayerNorm(D), MultiHead(D, heads, rotary=rotary)
        if cross:
            self.norm_cross, self.cross = nn.LayerNorm(D), MultiHead(D, heads)
        self.norm_mlp = nn.LayerNorm(D)
        self.mlp = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

    def forward(self, x, mask=None, context=None, keep=False, cache=None):
        """x: (B, n, D); context: (B, m, D) for a block with cross=True. Returns (B, n, D)."""
        x = x + self.attend(self.norm_attend(x), mask=mask, keep=keep, cache=cache)               # (10)
        if context is not None:
            x = x + self.cross(self.norm_cross(x), context, keep=keep)
        return x + self.mlp(self.norm_mlp(x))                                                     # (11)

# %% [markdown]
# Why this wrapping? Stack 32 blocks and watch two things. On the way *down*, for the first layers to learn anything,
# a gradient must arrive there in about the size it had at the top. On the way *up*, the numbers must keep a size that
# a softmax can live with, also later in training, when the weights have grown; to play this through we double all
# weights. We compare the block above with two ablations (no residual, no norm) and with the first transformer's
# order, norm after the sum.

# %%
def through_depth(wiring, gain, *, depth=32, D=64):
    """Size of x after each block, and of the gradient before each, over that at the top. Lists, depth + 1 each."""
    torch.manual_seed(6)
    x, direction = torch.randn(2, 1, 32, D)
    states, norm = [x.requires_grad_()], nn.LayerNorm(D)
    for block in (Block(D, 4) for _ in range(depth)):
        for matrix in (p for p in block.parameters() if p.ndim == 2):
            matrix.data *= gain
        for branch in (block.attend, block.mlp):
            x = wiring(x.view(1, 32, D), branch, norm)
        states.append(x)
    gradients = torch.autograd.grad((x * direction).sum(), states)
    return [x.std().item() for x in states], [(g.norm() / gradients[-1].norm()).item() for g in gradients]


wirings = {
    "neither: f(x)": lambda x, f, norm: f(x),
    "residual only: x + f(x)": lambda x, f, norm: x + f(x),
    "norm after: norm(x + f(x))": lambda x, f, norm: norm(x + f(x)),
    "norm before: x + f(norm(x))": lambda x, f, norm: x + f(norm(x)),
}
arriving = {name: through_depth(wiring, 1)[1] for name, wiring in wirings.items()}
growing = {name: through_depth(wiring, 2)[0] for name, wiring in wirings.items()}
for name in wirings:
    print(f"{name:28} gradient at the bottom {arriving[name][0]:8.2g}, doubled weights: top {growing[name][-1]:8.2g}")
assert arriving["neither: f(x)"][0] < 1e-6 < 0.1 < arriving["norm before: x + f(norm(x))"][0] < 10
assert growing["norm before: x + f(norm(x))"][-1] < 100 < 1e6 < growing["residual only: x + f(x)"][-1]

# %% [markdown]
# The same as pictures: the gradient on its way down (read from right to left), the numbers on their way up.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.3))
for name, color, style in zip(wirings, ("C6", "C2", "C3", MODEL), ("-", "--", "-.", "-"), strict=True):
    left.plot([max(size, 1e-40) for size in arriving[name]], style, color=color, label=name)
    right.plot(growing[name], style, color=color)
left.set(yscale="log", ylim=(1e-15, 1e2), xlabel="block", ylabel="gradient over that at the top")
left.set_title("Initial weights: the gradient, going down")
right.set(yscale="log", xlabel="block", ylabel="standard deviation of $x$")
right.set_title("Doubled weights: the numbers, going up")
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
plt.show()

# %% [markdown]
# Left: without a residual connection the gradient loses a constant *factor* at every block, and after a dozen blocks
# there is nothing to learn from. Any of the three residual wirings cures that. Right: with doubled weights the sum
# without a norm multiplies itself at every block and ends far beyond anything a softmax can use, while the normed
# wirings stay tame. So the residual is for the gradient and the norm for the numbers. Where the norm stands matters
# later: on the road, it rescales every gradient that passes, and such transformers needed a careful warm-up of the
# step size; inside the branch, little of it is needed (Xiong et al. 2020).

# %% [markdown]
# ## 5 Where am I? Positions
#
# Nothing in (6) or (9) mentions *where* a place is. Let $P$ be a matrix that shuffles the rows of $X$. Without a
# mask,
# $$\operatorname{MultiHead}(PX) = P\,\operatorname{MultiHead}(X) \tag{12}$$
# Attention sees a *set*: "dog bites man" and "man bites dog" are the same to it. Order has to be written into the
# vectors. Three ways:
#
# **Learned**: a free vector for each place, added to the token's vector. Simple, and silent about places beyond those
# that were trained.
#
# **Sinusoidal** (Vaswani et al. 2017): add to place $i$ the readings of $D/2$ clocks of different speeds $\omega_a$,
# from one turn in about six places to one in sixty thousand:
# $$\operatorname{place}_i = \big(\sin \omega_a i,\ \cos \omega_a i\big)_{a=0,\dots,D/2-1},
# \qquad \omega_a = 10000^{-2a/D} \tag{13}$$
#
# **Rotary** (Su et al. 2021): add nothing. Take the entries of every query and key in pairs and *turn* pair $a$ by
# the angle $\omega_a i$, with $\omega_a$ as in (13) but the head's width $d$ in place of $D$:
# $$R_i \binom{u}{v} = \binom{u\cos\omega_a i - v\sin\omega_a i}{u\sin\omega_a i + v\cos\omega_a i} \tag{14}$$
# A rotation by $i$ undone by a rotation by $j$ is a rotation by $i-j$. So the score depends on the content of both
# places and on their *distance*, and on nothing else:
# $$(R_i q)\cdot(R_j k) = q\cdot R_{j-i}\,k \tag{15}$$

# %%
def sinusoids(n, D, device=None):
    """Fixed positions, eq. (13): D / 2 clocks read at n places. Returns (n, D), sines first, then cosines."""
    omega = 10_000.0 ** (-torch.arange(0, D, 2, device=device) / D)  # (D/2,)
    angle = torch.arange(n, device=device)[:, None] * omega  # (n, D/2)
    return torch.cat([angle.sin(), angle.cos()], -1)                                              # (13)


@functools.lru_cache(maxsize=8)
def turns(n, d, device):
    """The sines and cosines that `rotate` needs, kept from one call to the next: (n, d/2) each."""
    return sinusoids(n, d, device).chunk(2, -1)


def rotate(x, start=0):
    """Rotary positions, eq. (14): turn pair (a, a + d/2) of place start + i by its angle. x: (..., n, d), same out."""
    n, d = x.shape[-2:]
    sin, cos = (t[start : start + n] for t in turns(1 << (start + n - 1).bit_length(), d, x.device))
    u, v = x.chunk(2, -1)
    return torch.cat([u * cos - v * sin, u * sin + v * cos], -1)                                  # (14)

# %% [markdown]
# **Check.** Shuffling in is shuffling out (12), exactly the blindness we have to cure; and rotary scores do not
# change when both places move by the same amount (15).

# %%
shuffle = torch.randperm(10, generator=torch.Generator().manual_seed(8))
moved = four_heads(sequence[:, shuffle])
assert torch.allclose(moved, four_heads(sequence)[:, shuffle], atol=1e-6)                         # (12)
one_q, one_k = torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(9)).double().unbind()
scores_at = {start: (rotate(one_q, start + 5) @ rotate(one_k, start).T).item() for start in (0, 7, 100, 1000)}
assert all(abs(score - scores_at[0]) < 1e-3 for score in scores_at.values())                      # (15)
print("q at place i + 5, k at place i:", ", ".join(f"i = {start}: {score:.4f}" for start, score in scores_at.items()))

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3))
picture = left.imshow(sinusoids(96, 64).T, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
left.set(xlabel="place $i$", ylabel="entry of the vector", title="Sinusoids: fast clocks and slow clocks")
left.grid(visible=False)
fig.colorbar(picture, ax=left)
for d, color in ((16, "C2"), (64, MODEL)):
    same = torch.ones(1, d) / math.sqrt(d)  # a query that equals the key
    scores = rotate(same.expand(128, d)) @ same.T
    right.plot(scores[:, 0], color=color, label=f"$d$ = {d}")
right.set(xlabel="distance $i-j$", ylabel="$(R_i q)\\cdot(R_j k)$ for $q=k$", title="Rotary: score and distance")
right.legend()
plt.show()

# %% [markdown]
# Each column on the left is a different pattern, so a place can be told from its vector; near columns resemble each
# other. On the right, a query and a key of equal content agree best at distance 0 and less far away: rotary positions
# come with a mild preference for what is near, which training can overrule.
#
# ### A task that cannot be done without them
#
# Sixteen symbols in random order; at every place, name the symbol that stood **three places before**. Content is of
# no help here. Four small transformers train on sequences of 32; then we test on sequences of 96. First the model.

# %%
class GPT(nn.Module):
    """Decoder-only transformer: p(x_{i+1} | x_1..x_i) for every i at once (Radford et al. 2018; pre-norm as in 2019).

    positions: "none", "learned", "sinusoidal" or "rotary". length: the longest context it can take.
    """

    def __init__(self, vocab, D, layers, heads, length, positions="learned"):
        super().__init__()
        if positions not in ("none", "learned", "sinusoidal", "rotary"):
            raise ValueError(f"positions must be none, learned, sinusoidal or rotary, got {positions!r}")
        self.length, self.positions = length, positions
        self.embed = nn.Embedding(vocab, D)
        nn.init.normal_(self.embed.weight, std=0.3)
        if positions == "learned":
            self.place = nn.Parameter(0.3 * torch.randn(length, D))
        elif positions == "sinusoidal":
            self.register_buffer("place", 0.3 * sinusoids(length, D), persistent=False)
        self.blocks = nn.ModuleList(Block(D, heads, rotary=positions == "rotary") for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, vocab, bias=False)
        nn.init.zeros_(self.head.weight)  # before training every symbol is equally likely: a loss of log(vocab)
        for block in self.blocks:  # 2 * layers branches are added up: keep the sum at the size of one
            for last in (block.attend.out, block.mlp[2]):
                last.weight.data /= math.sqrt(2 * layers)

    def hidden(self, tokens, *, keep=False, caches=None):
        """What stands between the layers. tokens: (B, n) int64. Returns a list of (B, n, D): embedding, block 1, ..."""
        n, start = tokens.shape[1], caches[0].n if caches else 0
        if start + n > self.length:
            raise ValueError(f"a context of {start + n} tokens, but this GPT was made for at most {self.length}")
        x = self.embed(tokens)
        if self.positions in ("learned", "sinusoidal"):
            x = x + self.place[start : start + n]
        mask = causal_mask(start + n, tokens.device)[start:] if n > 1 else None  # one query may see all keys
        states = [x]
        for i, block in enumerate(self.blocks):
            states.append(block(states[-1], mask=mask, keep=keep, cache=caches[i] if caches else None))
        return states

    def forward(self, tokens, *, keep=False, caches=None):
        """tokens: (B, n) int64, n <= length. Returns logits (B, n, vocab): logits[:, i] speak of token i + 1."""
        return self.head(self.norm(self.hidden(tokens, keep=keep, caches=caches)[-1]))

# %% [markdown]
# (Rotary positions live inside the attention layers, so the GPT adds nothing for them. With "none" there is still the
# causal mask, and a mask is *some* information: place 1 sees one key, place 2 sees two.) Watch the accuracy place by
# place.

# %%
def symbols_back(model, tokens, back=3):
    """What the model says stood `back` places before, and what did. (B, n) -> (B, n - back, vocab), (B, n - back)."""
    return model(tokens)[:, back:], tokens[:, :-back]


def learn_to_look_back(positions, *, steps, generator):
    """Train a two-layer GPT on the task, sequences of 32; returns its accuracy at places 3..95 of sequences of 96."""
    torch.manual_seed(10)
    model = GPT(16, 32, 2, 2, 96, positions).to(device)

    def loss(tokens):
        logits, target = symbols_back(model, tokens)
        return F.cross_entropy(logits.flatten(0, 1), target.flatten())

    data = torch.randint(16, (32 * steps, 32), generator=generator).to(device)
    fit(loss, model, data, steps=steps, batch_size=32, lr=3e-3, generator=generator)
    with torch.no_grad():
        logits, target = symbols_back(model, torch.randint(16, (300, 96), generator=generator).to(device))
    return (logits.argmax(-1) == target).float().mean(0).cpu()


look_back_steps = budget(smoke=5, cpu=300, gpu=2000)
by_place = {
    kind: learn_to_look_back(kind, steps=look_back_steps, generator=torch.Generator().manual_seed(11))
    for kind in progress(("none", "learned", "sinusoidal", "rotary"), unit="models")
}
fig, ax = plt.subplots(figsize=(8, 3))
ax.axvspan(3, 31, color="gray", alpha=0.15)
styles = (("C6", ":"), ("C2", "-"), ("C3", "-."), (MODEL, "-"))
for (kind, accuracy), (color, style) in zip(by_place.items(), styles, strict=True):
    ax.plot(range(3, 96), accuracy, style, color=color, label=kind)
    print(f"{kind:11} accuracy at trained places {accuracy[:29].mean():.3f}, beyond them {accuracy[29:].mean():.3f}")
ax.axhline(1 / 16, color="black", linewidth=1, linestyle="--")
ax.set(xlabel="place in the sequence (trained on the shaded ones)", ylabel="accuracy", ylim=(0, 1.05))
ax.set_title("Naming the symbol three places back (dashed: guessing)")
ax.legend(loc="center right", fontsize=9)
plt.show()

# %% [markdown]
# Without positions the accuracy stays at about a quarter, never near 1. That is still more than guessing: the mask
# alone tells a place roughly how many others it can see (Haviv et al. 2022), but not precisely enough to count three
# back. With any kind of position the task is easy at the places that were trained. Beyond them, the learned vectors
# were never touched and the model falls to guessing; sinusoids are known there in principle, but the network has never
# met these readings and soon fares no better. The rotary model has learned "three back" as a *distance*, and distances
# do not end at place 31: it carries on to three times the length it was trained on. (A task that needs exact long
# distances would be harder on it, and stretching rotary positions is a field of its own. This is why the GPTs on text
# in section 6 and on prompts in section 12 take them. Where the length is fixed learned vectors do as well.)

# %% [markdown]
# ## 6 A small GPT on text
#
# Everything is ready. The text is cut into characters; the model gives the probability of each from those before it,
# and the loss is the mean negative log-likelihood, in nats per character:
# $$\mathcal L = -\frac{1}{n-1}\sum_{i=1}^{n-1} \log p(x_{i+1} \mid x_1,\dots,x_i) \tag{16}$$
# One pass gives all $n-1$ terms at once, since the mask lets place $i$ know only $x_1\dots x_i$. That is the reason
# for the whole construction: a recurrent network would need $n-1$ steps one after the other.
#
# How we score: the last tenth of the text is held out and never trained on. *Every* one of its characters is scored
# once, and each with at least half a context of true text before it, by windows that overlap by half. (Scoring whole
# windows would charge the model for characters at a window's beginning, where it knows nothing.)

# %%
def nll(logits, tokens):
    """Eq. (16), nats per predicted token. logits: (B, n, vocab), what GPT(tokens) returns; tokens: (B, n) int64.

    The logits of the last place speak of a token that is not there and are left out.
    """
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())                 # (16)


@torch.no_grad()
def score(model, text, first, last):
    """Mean nats per character of text[first:last], each given at least length / 2 before it. text: (N,) int64."""
    half, total = model.length // 2, 0.0
    for starts in progress(torch.arange(first, last, half, device=text.device).split(64), unit="batches"):
        places = starts[:, None] - half - 1 + torch.arange(model.length + 1, device=text.device)  # (b, length + 1)
        window = text[places.clamp(max=len(text) - 1)]
        log_p = model(window[:, :-1])[:, half:].log_softmax(-1)  # of window[:, half + 1 :]
        nats = -log_p.gather(-1, window[:, half + 1 :, None])[..., 0]
        total += nats[places[:, half + 1 :] < last].sum().item()
    return total / (last - first)


writing, source = course_text()
characters = sorted(set(writing))
code_of = {letter: code for code, letter in enumerate(characters)}
codes = torch.tensor([code_of[letter] for letter in writing], device=device)
held_out = int(0.9 * len(codes))  # from here on it is validation
print(f"{source}: {len(codes):,} characters, {len(characters)} different ones; {len(codes) - held_out:,} held out")

# %% [markdown]
# **Check** the scoring with a model whose answer is known: one that gives each character its training frequency,
# whatever came before. By (16) its score must be the cross-entropy of the held-out counts with those frequencies. For
# orientation we also score the pair model $p(x_{i+1}\mid x_i)$ from counted pairs.

# %%
class Frequencies(nn.Module):
    """Not a network: the same log-probabilities everywhere. For testing `score`."""

    def __init__(self, log_p, length):
        super().__init__()
        self.log_p, self.length = log_p, length

    def forward(self, tokens):
        return self.log_p.expand(*tokens.shape, -1)


past, future = codes[:held_out], codes[held_out:]
singles = torch.bincount(past, minlength=len(characters)) + 0.5
pairs = torch.bincount(past[:-1] * len(characters) + past[1:], minlength=len(characters) ** 2) + 0.5
pairs = pairs.view(len(characters), -1)  # (before, after)
log_single, log_pair = (singles / singles.sum()).log(), (pairs / pairs.sum(1, keepdim=True)).log()
single_nll = -log_single[future].mean().item()
pair_nll = -log_pair[codes[held_out - 1 : -1], future].mean().item()
assert abs(score(Frequencies(log_single, 64), codes, held_out, len(codes)) - single_nll) < 1e-4
print(f"nats held out: all equal {math.log(len(characters)):.3f}, single ones {single_nll:.3f}, pairs {pair_nll:.3f}")

# %% [markdown]
# ### The optimiser sees a matrix
#
# Adam treats a weight matrix as a bag of numbers. But a matrix maps vectors to vectors, and its gradient has a shape
# that a bag cannot show: a few directions are huge and most are tiny, so most of what could be learned waits.
# **Muon** (Jordan et al. 2024) takes the averaged gradient $G = U\Sigma V^\top$ and steps along $UV^\top$: the same
# directions, all with the same weight. The singular value decomposition is not needed. Scale $G$ so that its singular
# values lie below 1 and apply, five times, an odd polynomial that pushes each of them towards 1:
# $$X \leftarrow aX + b\,(XX^\top)X + c\,(XX^\top)^2X, \qquad (a,b,c) = (3.4445,\,-4.7750,\,2.0315) \tag{17}$$
# It is meant for the matrices inside the blocks; embeddings, norms and the output layer stay with Adam. Both follow
# the same schedule: a short warm-up, then a straight line down to zero.

# %%
def orthogonalise(G, dtype=torch.float32):
    """All singular values towards 1, by five steps of eq. (17). G: (..., a, b), the same out."""
    tall = G.shape[-2] > G.shape[-1]
    X = (G.mT if tall else G).to(dtype)
    X = X / (X.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        A = X @ X.mT
        X = 3.4445 * X + (-4.7750 * A + 2.0315 * A @ A) @ X                                       # (17)
    return (X.mT if tall else X).to(G.dtype)


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for the matrices in model.blocks, Adam for the rest (Jordan et al. 2024), one cycle.

    share: how much of the run is over, 0 to 1; it sets the step size and grows by 1 / steps at every step.
    orthogonal=False gives everything to Adam. dtype: of the products in eq. (17).
    """

    def __init__(self, model, *, lr=0.04, adam_lr=6e-3, steps=math.inf, orthogonal=True, dtype=torch.float32):
        by_shape, rest = {}, []
        inner = {id(p) for p in model.blocks.parameters() if orthogonal and p.ndim == 2}
        for p in model.parameters():
            (by_shape.setdefault(p.shape, []) if id(p) in inner else rest).append(p)
        super().__init__([{"params": rest}, *({"params": group} for group in by_shape.values())], {})
        self.adam = torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.99), weight_decay=0.0)
        self.lr, self.adam_lr, self.steps, self.dtype, self.share = lr, adam_lr, steps, dtype, 0.0

    @torch.no_grad()
    def step(self, closure=None):
        speed = min(1.0, 0.01 + self.share / 0.03) * max(0.0, 1 - self.share)
        self.adam.param_groups[0]["lr"] = self.adam_lr * speed
        self.adam.step()
        for group in self.param_groups[1:]:  # all matrices of one shape at once
            G = torch.stack([p.grad for p in group["params"]])  # (matrices, a, b)
            mean = self.state[group["params"][0]].setdefault("mean", torch.zeros_like(G))
            mean.lerp_(G, 0.05)
            U = orthogonalise(G.lerp(mean, 0.95), self.dtype) * max(1.0, G.shape[1] / G.shape[2]) ** 0.5
            for p, u in zip(group["params"], U, strict=True):
                p.sub_(u, alpha=self.lr * speed)
        self.share += 1 / self.steps

# %% [markdown]
# Two identical GPTs, the same batches in the same order, the same number of steps; one with Adam for everything, one
# with Muon inside the blocks, each with step sizes of its own. This is the live training of this lecture; it takes a
# good part of its running time.

# %%
size = budget(
    smoke={"D": 32, "layers": 2, "heads": 4, "length": 32},
    cpu={"D": 96, "layers": 3, "heads": 4, "length": 128},
    gpu={"D": 384, "layers": 6, "heads": 6, "length": 256},  # nanoGPT's size for this text
)
text_steps, text_batch = budget(smoke=5, cpu=140, gpu=5_000), budget(smoke=4, cpu=8, gpu=64)
judged = held_out + budget(smoke=1_000, cpu=10_000, gpu=100_000)  # while training: a part of the held-out text
windows = past.unfold(0, size["length"], 7)  # (number, length), a view: every seventh place starts one


def train_gpt(**how):
    """Train a GPT of the budget's size on the text. how: for Muon. Returns the model and the History of the run."""
    torch.manual_seed(12)
    model = GPT(len(characters), **size, positions="rotary").to(device)
    return model, fit(
        lambda tokens: nll(model(tokens), tokens),
        model,
        windows,
        steps=text_steps,
        batch_size=text_batch,
        optimizer=lambda params, lr: Muon(model, steps=text_steps, **how),
        generator=torch.Generator().manual_seed(13),
        evaluate=lambda: {"held out": score(model, codes, held_out, judged)},
        every=max(1, text_steps // 5),
    )


adam_gpt, with_adam = train_gpt(orthogonal=False, adam_lr=3e-3)
live_gpt, with_muon = train_gpt()
live = {"Adam": with_adam, "Muon": with_muon}
for name, history in live.items():
    print(
        f"{name}: {text_steps} steps of {text_batch} x {size['length']} characters, "
        f"{1e3 * history.seconds / text_steps:.0f} ms a step, held out {history.evals['held out'][-1]:.3f} nats each"
    )

# %% [markdown]
# **Check** that (17) does to a real gradient what was promised, and look at both runs.

# %%
some_windows = windows[: 8 * 500 : 500]
nll(live_gpt(some_windows), some_windows).backward()
gradient = live_gpt.blocks[0].mlp[0].weight.grad
before = torch.linalg.svdvals(gradient.cpu())
after = torch.linalg.svdvals(orthogonalise(gradient).cpu())
live_gpt.zero_grad()
uneven = [(values[0] / values.median()).item() for values in (before, after)]
print(f"singular values of a gradient, largest / median: {uneven[0]:.1f} before, {uneven[1]:.2f} after")
assert uneven[1] < 2 < uneven[0]

fig, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.3), width_ratios=(2, 3))
left.plot(before / before[0], color=DATA, label="gradient $G$")
left.plot(after, color=MODEL, label="after eq. (17)")
left.set(yscale="log", xlabel="index", ylabel="singular value", title="One weight matrix's gradient", ylim=(1e-3, 3))
left.legend()
for (name, history), color in zip(live.items(), ("C2", MODEL), strict=True):
    right.plot(history.step, history.loss, color=color, linewidth=0.6, alpha=0.5)
    right.plot(history.eval_step, history.evals["held out"], "o-", color=color, markersize=4, label=f"{name}, held out")
for height, name in ((single_nll, "single characters"), (pair_nll, "pairs of characters")):
    right.axhline(height, color="gray", linewidth=1, linestyle="--")
    right.text(1, height + 0.03, name, transform=right.get_yaxis_transform(), color="gray", fontsize=9, ha="right")
right.set(xlabel="step", ylabel="nats per character", title=f"Two short runs on {source.split(' (')[0]}")
right.legend(loc="upper right")
plt.show()

# %% [markdown]
# Left: the gradient's singular values fall by orders of magnitude along the index. After five steps they lie in one
# band, around 1 and not at 1: the polynomial trades exactness for speed. (The very last direction is the one that
# layer norm takes out of the input, and nothing is not made into something.) Right: at the same number of steps Muon
# is clearly ahead. Its step does more work (the milliseconds above tell, where no other program disturbed them), so the
# comparison that counts is at equal time: hold the right end of Adam's curve against Muon's at the share of the steps
# that fits into Adam's time.
#
# ### How good is it, and where does it look?
#
# Half a minute is short. The next model was trained for 180 seconds of one core (`make checkpoints` does it again),
# beside nanoGPT's recipe for CPUs with the same 180 seconds.

# %%
gpt_row = measured("05-gpt-nll")
print(gpt_row["what"])
print(f"ours {gpt_row['ours']:.3f}, nanoGPT's recipe {gpt_row['peer']:.3f} nats/character ({gpt_row['date']})")
CHECKPOINT = {"D": 96, "layers": 4, "heads": 4, "length": 128}
stored = source == "Tiny Shakespeare" and budget_name() != "gpu"
gpt = live_gpt
if stored:
    gpt = GPT(len(characters), **CHECKPOINT, positions="rotary").to(device)
    print("from the checkpoint 05_gpt:", checkpoint("05_gpt", gpt))
judged = held_out + budget(smoke=2_000, cpu=len(codes) - held_out, gpu=len(codes) - held_out)
gpt_nll = score(gpt, codes, held_out, judged)
print(f"{'stored' if stored else 'live'} model, {judged - held_out:,} held-out characters: {gpt_nll:.3f} nats each")
assert gpt_nll < (pair_nll if stored else math.log(len(characters)) + 0.1)

# %% [markdown]
# The sample, the two pictures of attention and the widget below rest on this model. How does one write with it? Take
# the logits of the last place, divide them by a *temperature* (below 1: play safe), draw a character, append it,
# repeat.

# %%
@torch.no_grad()
def generate(model, tokens, n, *, cached=True, temperature=0.0, generator=None):
    """Append n tokens to each row. tokens: (B, n0) int64, returns (B, n0 + n). Temperature 0: always the most probable.

    cached=False runs the whole context through the model for every token, the last `length` of it if it grows longer.
    """
    caches = new_caches(model, len(tokens), tokens.shape[1] + n) if cached else None
    for _ in range(n):
        new = tokens[:, caches[0].n :] if cached else tokens[:, -model.length :]
        logits = model(new, caches=caches)[:, -1]  # (B, vocab)
        if temperature > 0:
            drawn = torch.multinomial((logits / temperature).softmax(-1).cpu(), 1, generator=generator)
        else:
            drawn = logits.argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, drawn.to(tokens.device)], 1)
    return tokens


prompt, n_written = codes[held_out : held_out + 40][None], budget(smoke=20, cpu=350, gpu=1_000)
generator = torch.Generator().manual_seed(14)
written = generate(gpt, prompt, n_written, cached=False, temperature=0.8, generator=generator)
print("".join(characters[code] for code in written[0].tolist()))

# %% [markdown]
# Words, most of them English; speakers' names in capitals with a colon; lines of about the right length. The sense
# rarely reaches beyond a line, which is about what a loss of this size buys. Where does such a model look?

# %%
passage = codes[held_out + 2000 : held_out + 2000 + min(128, gpt.length)][None]
with torch.no_grad():
    gpt(passage, keep=True)
maps = torch.stack([block.attend.weights[0] for block in gpt.blocks]).cpu()  # (layers, heads, n, n)
assert torch.allclose(maps.sum(-1), torch.ones(maps.shape[:-1]), atol=1e-5)
assert maps.triu(1).abs().max() == 0
layers_shown, heads_shown, n_shown = maps.shape[:3]
mean_weight = torch.stack([maps.diagonal(-back, 2, 3).mean(-1) for back in range(16)], -1)  # (layers, heads, 16)

fig, axes = plt.subplots(layers_shown, heads_shown, figsize=(9.5, 1.3 * layers_shown + 0.7), sharex=True, sharey=True)
for ax, (layer, head) in zip(axes.flat, torch.cartesian_prod(*map(torch.arange, axes.shape)).tolist(), strict=True):
    ax.bar(range(16), mean_weight[layer, head], color=MODEL, width=0.9)
    ax.set_title(f"block {layer + 1}, head {head + 1}", fontsize=9, pad=2)
fig.supxlabel("how many places back", fontsize=10)
fig.supylabel("mean weight", fontsize=10)
plt.show()
pointer_layer, pointer_head = divmod(mean_weight[..., 1].argmax().item(), heads_shown)
print(f"the head that looks most at the letter just before: block {pointer_layer + 1}, head {pointer_head + 1}, "
      f"weight {mean_weight[pointer_layer, pointer_head, 1]:.2f}")

# %% [markdown]
# Nobody told the heads what to do, and they share the work: some stay with the letter itself, some lean on one, two
# or three places before, others spread over the whole line. Averages hide *which* place is chosen when. To see that,
# look at single maps: each row is a place that asks (its letter on the left), each column a letter that may be looked
# at.

# %%
def attention_map(layer=pointer_layer + 1, head=pointer_head + 1, start=0):
    shown = slice(start, start + min(40, n_shown))
    marks = [characters[code].replace("\n", "↵").replace(" ", "␣") for code in passage[0, shown].tolist()]
    fig, ax = plt.subplots(figsize=(6.6, 6.2))
    ax.imshow(maps[layer - 1, head - 1, shown, shown], cmap="Oranges", vmin=0, vmax=0.6)
    ax.set_xticks(range(len(marks)), marks, fontsize=8, family="DejaVu Sans Mono")
    ax.set_yticks(range(len(marks)), marks, fontsize=8, family="DejaVu Sans Mono")
    ax.set(xlabel="is looked at", ylabel="looks", title=f"block {layer}, head {head}: where each letter looks")
    ax.grid(visible=False)
    return fig


explore(attention_map, layer=(1, layers_shown), head=(1, heads_shown), start=(0, max(1, n_shown - min(40, n_shown)), 8))

# %% [markdown]
# The map it opens with is nearly all or nothing (weights above 0.6 are drawn alike): this head makes hard choices, most
# of them within the last two or three letters. The choice is no fixed distance: several rows in succession point to the
# same letter, then all move on to the next. Heads with broad bars above look less decided and farther. A map shows
# where information *was taken from*, not what was done with it, and a large weight on a small value moves little. It is
# a hint, not an explanation.

# %% [markdown]
# ## 7 What it costs
#
# Count multiplications and additions, one each, in one block for $n$ places of width $D$. The four maps of attention
# take $4\cdot 2nD^2$, the MLP $2\cdot 2n\cdot 4D^2$: together $24nD^2$. Scores and weighted means take $2n^2D$ each,
# whatever the number of heads:
# $$\text{operations of a block} = 24\,n D^2 + 4\,n^2 D \tag{18}$$
# The first term is the price of thinking, linear in length; the second the price of looking, quadratic. They are
# equal at $n = 6D$. So it is a mistake to fear the square at once: for the GPT above ($n = 128$, $D = 96$) looking is
# less than a fifth of the whole. For an image of $64\times64$ pixels with three
# colour values each ($n = 12{,}288$) it would be nearly everything.
#
# **Check.** PyTorch can count the operations it runs.

# %%
def block_flops(n, D):
    """Operations in the forward pass of one block, eq. (18); norms, softmax and GELU not counted."""
    return 24 * n * D**2 + 4 * n**2 * D                                                           # (18)


for n, D in ((32, 64), (384, 64), (500, 128)):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Block(D, 4)(torch.randn(1, n, D), keep=True)
    assert counter.get_total_flops() == block_flops(n, D)
    print(f"n = {n}, D = {D}: {counter.get_total_flops():,} operations counted, as eq. (18) says; "
          f"looking is {4 * n**2 * D / block_flops(n, D):.0%} of them")

# %% [markdown]
# Operations are not seconds. We time a block's forward pass for growing length and growing width, with our
# `attention`, which writes all weights down, and with PyTorch's fused one, beside what eq. (18) promises at the speed
# of one large matrix product. (Always the shortest of several runs: whatever else the machine does can only add to
# it.)

# %%
def shortest(run, repeats=7):
    """Seconds of the fastest of several runs."""
    return min(timed(run, device=device, repeats=1) for _ in range(repeats))


@torch.no_grad()
def block_seconds(n, D, *, keep):
    """Seconds of one block's forward pass on one sequence."""
    torch.manual_seed(15)
    block, one_sequence = Block(D, 4).to(device), torch.randn(1, n, D, device=device)
    return shortest(lambda: block(one_sequence, keep=keep))


square = torch.randn(768, 768, device=device)
rate = 2 * 768**3 / shortest(lambda: square @ square, 15)  # operations a second
lengths = budget(smoke=[64, 256], cpu=[64, 128, 256, 512, 1024, 2048], gpu=[64, 128, 256, 512, 1024, 2048, 4096, 8192])
widths = budget(smoke=[32, 64], cpu=[32, 64, 128, 256, 512], gpu=[32, 64, 128, 256, 512, 1024, 2048])
by_length = {keep: [block_seconds(n, 64, keep=keep) for n in progress(lengths, unit="lengths")]
             for keep in (True, False)}
by_width = {keep: [block_seconds(256, D, keep=keep) for D in widths] for keep in (True, False)}

fig, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.4), sharey=True)
for ax, sizes, times in ((left, lengths, by_length), (right, widths, by_width)):
    ax.plot(sizes, [1e3 * t for t in times[True]], color=DATA, marker=".", label="weights written down")
    ax.plot(sizes, [1e3 * t for t in times[False]], color=MODEL, marker=".", label="fused")
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(sizes, [str(s) for s in sizes], fontsize=9)
    ax.minorticks_off()
promised = [1e3 * block_flops(n, 64) / rate for n in lengths]
left.plot(lengths, promised, "k--", linewidth=1, label="eq. (18) at full speed")
right.plot(widths, [1e3 * block_flops(256, D) / rate for D in widths], "k--", linewidth=1)
left.set(xlabel="length $n$ (width 64)", ylabel="milliseconds a block", title="Cost in length")
right.set(xlabel="width $D$ (length 256)", title="Cost in width")
left.legend(fontsize=9)
plt.show()
print(f"large matrix product: {rate / 1e9:.0f} billion operations a second; at n = {lengths[-1]} the block reaches "
      f"{block_flops(lengths[-1], 64) / by_length[True][-1] / rate:.0%} of it with the weights written down, "
      f"{block_flops(lengths[-1], 64) / by_length[False][-1] / rate:.0%} fused")
sdpa_row = measured("05-sdpa")
print(f"make bench: {sdpa_row['what']}: {sdpa_row['ratio']:.1f} times faster")

# %% [markdown]
# Short and narrow blocks lie far above the dashed line: there the time goes into starting operations, not into doing
# them. With growing width the block approaches the formula, since products of large matrices are what the machine is
# built for. With growing length the blue line leaves it again: a matrix of $n\times n$ weights for each head is
# written to memory, read, written again for the softmax, and it is this traffic that takes the time, and $4Hn^2$
# bytes of space. The fused version computes the weights piece by piece and never stores them (the idea of
# FlashAttention, Dao et al. 2022). It does the *same* operations.
#
# ### Generating: keep the keys
#
# Training handles all places at once. Generation cannot: token $t+1$ is not known before token $t$ is drawn. Run the
# model on the whole context for every token and the $L$-th token costs $L$ times as much as the first. Yet nearly all
# of it is repetition: by the mask, the keys and values of old places do not depend on what comes later. Keep them
# (the **KV cache**) and a new token costs one place's work. Counting only the work in proportion to places, the whole
# saving is
# $$\frac{1+2+\dots+L}{L} = \frac{L+1}{2} \tag{19}$$
# and what it costs is memory: a key and a value for every layer, place and sequence, four bytes an entry,
# $$\text{bytes} = 2 \cdot 4 \cdot \text{layers} \cdot B\, n D \tag{20}$$

# %%
class Cache:
    """Room for the keys and values of `length` places in one layer; the first n of them are filled."""

    def __init__(self, B, heads, length, d, device=None):
        self.k, self.v = torch.empty(2, B, heads, length, d, device=device)
        self.n = 0

    def add(self, k, v):
        """Take in k, v of shape (B, heads, new, d). Returns all keys and values so far, (B, heads, n, d) each."""
        first, self.n = self.n, self.n + k.shape[2]
        self.k[:, :, first : self.n], self.v[:, :, first : self.n] = k, v
        return self.k[:, :, : self.n], self.v[:, :, : self.n]


def new_caches(model, B, length):
    """An empty Cache for each block of a GPT."""
    heads, D = model.blocks[0].attend.heads, model.embed.embedding_dim
    return [Cache(B, heads, length, D // heads, model.embed.weight.device) for _ in model.blocks]

# %% [markdown]
# **Check.** The same tokens, one by one, with and without the cache; the bytes it holds; and the seconds of both.

# %%
torch.manual_seed(16)
writer = GPT(65, 128, 4, 4, 1024).to(device)  # nanoGPT's size for CPUs; the weights do not matter for time
nn.init.normal_(writer.head.weight, std=0.5)
L_new, spent, made = budget(smoke=24, cpu=256, gpu=784), {}, {}
first_token = torch.zeros(1, 1, dtype=torch.long, device=device)
for cached in (True, False):
    write = lambda c=cached: made.update({c: generate(writer, first_token, L_new, cached=c)})  # noqa: E731
    spent[cached] = timed(write, device=device, repeats=1)
assert torch.equal(made[True], made[False])
limit = sum(range(1, L_new + 1)) / L_new                                                          # (19)
assert limit == (L_new + 1) / 2
held = new_caches(writer, 1, 1024)
cache_bytes = sum(c.k.nbytes + c.v.nbytes for c in held)
assert cache_bytes == 2 * 4 * len(writer.blocks) * 1024 * 128                                     # (20)
kv_gain = spent[False] / spent[True]
print(f"{L_new} tokens, all identical: {spent[False]:.2f} s without, {spent[True]:.2f} s with the cache: "
      f"{kv_gain:.1f} times faster (limit by operations {limit:.0f})")
for row in (measured("05-kv-1"), measured("05-kv-8")):
    print(f"make bench: {row['what']}: {row['ratio']:.1f} times faster")

# %% [markdown]
# Where does the rest of the limit go? Look at the price of *one* more token as the context grows.

# %%
@torch.no_grad()
def next_token_seconds(n, *, cached):
    """Seconds for one more token after a context of n."""
    context = torch.zeros(1, n + 1, dtype=torch.long, device=device)
    if not cached:
        return shortest(lambda: writer(context), 3)
    for cache in held:
        cache.n = n  # what they hold does not matter for the time

    def one_more():
        writer(context[:, -1:], caches=held)
        for cache in held:
            cache.n = n

    return shortest(one_more, 15)


contexts = budget(smoke=[16, 64], cpu=[16, 32, 64, 128, 256, 512, 1000], gpu=[16, 32, 64, 128, 256, 512, 1000])
fig, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.2))
for cached, color, name in ((False, DATA, "whole context again"), (True, MODEL, "with the cache")):
    times = [1e3 * next_token_seconds(n, cached=cached) for n in contexts]
    left.plot(contexts, times, color=color, marker=".", label=name)
left.set(xscale="log", yscale="log", xlabel="tokens already there", ylabel="milliseconds for one more", title="Time")
left.set_xticks(contexts, [str(n) for n in contexts])
left.minorticks_off()
left.legend(fontsize=9)
weight_bytes = sum(p.nbytes for p in writer.parameters())
for B, color in ((1, MODEL), (8, "C3")):
    kept_bytes = [2 * 4 * len(writer.blocks) * B * n * 128 / 1e6 for n in contexts]
    right.plot(contexts, kept_bytes, color=color, marker=".", label=f"cache, {B} sequence{'s' * (B > 1)}")
right.axhline(weight_bytes / 1e6, color="gray", linestyle="--", linewidth=1, label="all weights")
right.set(xlabel="tokens already there", ylabel="megabytes", title="Memory, eq. (20)")
right.legend(fontsize=9)
plt.show()

# %% [markdown]
# Without a cache the price of a token rises in proportion to the context. With it the line is almost level: a token
# costs the forty-odd small operations of one pass, whose starting times hardly depend on what they do, and only from
# hundreds of places on does reading the old keys show. That starting time is where the rest of the limit went, and it
# is why eight sequences at once gain more than one. On the right the bill: at eight sequences of a thousand tokens
# the cache is already many times as large as the model. For large models and long contexts this memory, not
# arithmetic, decides how many readers can be served, and much of today's engineering (fewer keys than queries,
# Shazeer 2019) is about making it smaller.

# %% [markdown]
# ## 8 What is a token? Byte-pair encoding
#
# Our GPT reads characters, and most of its steps are wasted: after "Rom" in Shakespeare, "e" and "o" are hardly news,
# yet each costs a full pass and a place in the context. Whole words would be the other extreme, with a vocabulary that
# never ends and nothing to say about a word that was not in it. **Byte-pair encoding** (Sennrich et al. 2016) lets the
# data choose a middle way. Start with characters. Find the pair of neighbours that occurs most often, make it a new
# token, replace it everywhere, and repeat. Pairs never reach across words, so a word of the text matters only through
# how often it occurs: let $n_w$ be the frequency of word $w$ and $w_i$ its $i$-th token so far. Then
# $$c(a,b) = \sum_w n_w\,\big|\{i : w_i = a,\ w_{i+1} = b\}\big|, \qquad
# (a,b)^\ast = \operatorname*{arg\,max}_{a,b}\, c(a,b) \tag{21}$$
# Counting everything again after every merge costs (merges) $\times$ (length of the text). But a merge changes only the
# words that contain the pair. So we count once, remember *where* each pair occurs, and after a merge correct the counts
# of those words alone, with $w$ the word before and $w'$ after it:
# $$c(a,b) \leftarrow c(a,b) + n_w\,\big(\big|\{i : w'_i = a,\ w'_{i+1} = b\}\big|
# - \big|\{i : w_i = a,\ w_{i+1} = b\}\big|\big) \tag{22}$$
# The largest count comes from a heap that is lazy: an entry whose count has changed since it was pushed is put back
# with its new count when it surfaces. Of two equally frequent pairs the one with the smaller token numbers wins.

# %%
PATTERN = r" ?[A-Za-z]+| ?[^A-Za-z \n]+|[ \n]+"  # a word with the space before it, or other signs, or white space


def merge(word, pair, new):
    """Replace each `pair` in a word by the token `new`, from left to right. word: tuple of ids. Returns a tuple."""
    out, i = [], 0
    while i < len(word):
        hit = word[i : i + 2] == pair
        out.append(new if hit else word[i])
        i += 2 if hit else 1
    return tuple(out)


def train_bpe(text, merges, alphabet=""):
    """Learn merges by eqs. (21) and (22). Returns (vocab, rules): strings by id, and {(a, b): new id} in order."""
    frequency = Counter(re.findall(PATTERN, text))
    vocab = sorted(set(text) | set(alphabet))
    ids = {token: i for i, token in enumerate(vocab)}
    words, n_w = [tuple(ids[c] for c in word) for word in frequency], list(frequency.values())
    counts, where, rules = defaultdict(int), defaultdict(set), {}
    for w, word in enumerate(words):
        for pair in itertools.pairwise(word):
            counts[pair] += n_w[w]                                                                # (21)
            where[pair].add(w)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapq.heapify(heap)
    while heap and len(rules) < merges:
        n, pair = heapq.heappop(heap)
        if -n != counts[pair]:  # out of date: push it again as it is now, unless nothing is left of it
            if counts[pair]:
                heapq.heappush(heap, (-counts[pair], pair))
            continue
        token = vocab[pair[0]] + vocab[pair[1]]
        rules[pair] = new = ids.setdefault(token, len(vocab))  # two ways to spell a token share its id
        vocab += [token] * (new == len(vocab))
        grown = set()
        for w in where.pop(pair):
            spelt = words[w]
            respelt = words[w] = merge(spelt, pair, new)
            if respelt == spelt:  # an earlier merge has already taken this pair away
                continue
            for old in itertools.pairwise(spelt):
                counts[old] -= n_w[w]
            for fresh in itertools.pairwise(respelt):
                counts[fresh] += n_w[w]                                                           # (22)
                if new in fresh:
                    where[fresh].add(w)
                    grown.add(fresh)
        for pair in grown:
            heapq.heappush(heap, (-counts[pair], pair))
    return vocab, rules

# %% [markdown]
# **Check.** The library `tokenizers` does this in Rust. It is given the same split into words and the same alphabet,
# and has to find the same merges, all of them, in the same order. (The tokenizer learns from the first nine tenths of
# the text; the last tenth stays unseen until we measure.)

# %%
corpus, corpus_name = course_text()
corpus_train, corpus_test = corpus[: len(corpus) * 9 // 10], corpus[len(corpus) * 9 // 10 :]
begun = time.perf_counter()
vocabulary, learned = train_bpe(corpus_train, budget(smoke=64, cpu=1024, gpu=1024), alphabet=corpus)
taken_seconds = time.perf_counter() - begun
library = Tokenizer(models.BPE())
library.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
trainer = trainers.BpeTrainer(vocab_size=len(vocabulary), initial_alphabet=sorted(set(corpus)), show_progress=False)
library.train_from_iterator([corpus_train], trainer)
library_merges = [tuple(pair) for pair in json.loads(library.to_str())["model"]["merges"]]
assert library_merges == [(vocabulary[a], vocabulary[b]) for a, b in learned]
print(f"{corpus_name}: {len(learned):,} merges, the same as the library's; ours took {taken_seconds:.2f} s")
for at in (0, len(learned) // 8, len(learned) // 2, len(learned) - 8):
    print(f"merges {at + 1}-{at + 8}:", ", ".join(repr(vocabulary[t]) for t in list(learned.values())[at : at + 8]))

# %% [markdown]
# First the commonest pairs of letters, then syllables and small words with their space, in the end whole words and
# pieces of the names of a play's speakers. Apart from the cut before each space nobody told it what a word or a name
# is.
#
# To **encode** a new word, cut it into characters and apply the merges in the order in which they were learned: among
# the pairs that are present, the one with the lowest number first. To **decode**, join the strings.

# %%
def encode(text, vocab, rules):
    """Text to token ids by the merges in `rules`, earliest first. Returns a list of ids."""
    ids, rank = {token: i for i, token in enumerate(vocab)}, {pair: r for r, pair in enumerate(rules)}
    words, known = re.findall(PATTERN, text), {}
    for word in set(words):
        piece = tuple(ids[c] for c in word)
        while len(piece) > 1:
            pair = min(itertools.pairwise(piece), key=lambda pair: rank.get(pair, len(rank)))
            if pair not in rank:
                break
            piece = merge(piece, pair, rules[pair])
        known[word] = piece
    return [token for word in words for token in known[word]]


def decode(tokens, vocab):
    """Token ids to text."""
    return "".join(vocab[token] for token in tokens)


def first_rules(m):
    """The tokenizer as it was after m merges."""
    return dict(list(learned.items())[:m])


levels = [m for m in (0, 16, 64, 256, 1024) if m <= len(learned)]
coded = {m: encode(corpus_test, vocabulary, first_rules(m)) for m in levels}
assert all(decode(some, vocabulary) == corpus_test for some in coded.values())
assert coded[levels[-1]] == library.encode(corpus_test).ids
per_token = [len(corpus_test) / len(some) for some in coded.values()]
print(f"round trip exact after {levels} merges; with all of them {len(coded[levels[-1]]):,} tokens, the library's too")
print("characters per token:", ", ".join(f"{m}: {c:.2f}" for m, c in zip(levels, per_token, strict=True)))
record(bpe_characters_per_token=per_token[-1], unit=f"characters, {levels[-1]:,} merges, held-out {corpus_name}")

# %% [markdown]
# Fewer tokens, but each is harder to guess: one of a thousand instead of one of a few dozen. So **nats per token cannot
# be compared** between vocabularies. The text is the same, so the nats *in all* can, and we divide by its characters:
# $$\mathcal L_\text{char}
# = \frac{\sum_t -\log p(\text{token}_t \mid \text{tokens before})}{\text{number of characters}}
# = \frac{\mathcal L_\text{token}}{\text{characters per token}} \tag{23}$$
# (Strictly this is an upper bound: another segmentation could spell the same characters, and its probability is thrown
# away.) Two models for three vocabularies: frequencies alone, which need no training, and a two-layer GPT that gets the
# same number of tokens to train on whatever the vocabulary. All are scored on the same stretch of held-out text, in
# windows of 64 tokens that each begin without a context. So these numbers can be compared with each other, and not with
# those of section 6.

# %%
def score_tokenizer(m, *, steps, part_scored=9_000, length=64):
    """Nats per token and per character on held-out text, eq. (23), for (frequencies, GPT) after m merges: (2, 2)."""
    some = first_rules(m)
    size = max(some.values(), default=len(set(corpus)) - 1) + 1
    train, test = (torch.tensor(encode(part, vocabulary, some)) for part in (corpus_train, corpus_test[:part_scored]))
    test = test[: len(test) // length * length].view(-1, length)  # the same characters for every vocabulary
    characters = sum(len(vocabulary[t]) for t in test[:, 1:].flatten().tolist())
    log_q = ((torch.bincount(train, minlength=size) + 0.5) / (len(train) + 0.5 * size)).log()
    torch.manual_seed(8)
    gpt = GPT(size, 64, 2, 4, length).to(device)
    rows = train[: len(train) // length * length].view(-1, length).to(device)
    order = torch.Generator().manual_seed(8)
    fit(lambda x: nll(gpt(x), x), gpt, rows, steps=steps, batch_size=24, lr=3e-3, generator=order)
    with torch.no_grad():
        of_gpt = nll(gpt(test.to(device)), test.to(device)).item()
    a_token = torch.tensor([-log_q[test[:, 1:]].mean().item(), of_gpt])
    return torch.stack([a_token, a_token * test[:, 1:].numel() / characters], 1)                  # (23)


bpe_steps = budget(smoke=4, cpu=110, gpu=3000)
bpe_scores = {m: score_tokenizer(m, steps=bpe_steps) for m in (levels[0], levels[-2], levels[-1])}

# %% [markdown]
# Left: what a token costs. Right: what the text costs.

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.1), width_ratios=(3, 3, 3))
axes[0].plot(levels, per_token, color=DATA, marker=".")
axes[0].set(xscale="symlog", xlabel="merges", ylabel="characters per token", title="Longer tokens", ylim=(0, None))
axes[0].set_xticks(levels[:1] + levels[1::2] + levels[-1:], [str(m) for m in levels[:1] + levels[1::2] + levels[-1:]])
axes[0].minorticks_off()
for unit, (ax, name) in enumerate(zip(axes[1:], ("token", "character"), strict=True)):
    for shift, which, color, label in ((-0.2, 0, "C6", "frequencies"), (0.2, 1, MODEL, "small GPT")):
        heights = [scores[which, unit].item() for scores in bpe_scores.values()]
        bars = ax.bar([x + shift for x in range(3)], heights, 0.38, color=color, alpha=0.8, label=label)
        ax.bar_label(bars, fmt="%.2f", fontsize=9)
    ax.set_xticks(range(3), [f"{m:,}" for m in bpe_scores])
    ax.set(xlabel="merges", ylabel=f"nats per {name}", title=f"Held-out loss per {name}")
    ax.margins(y=0.15)
axes[2].legend(fontsize=9, loc="lower center", framealpha=0.9, frameon=True)
plt.show()
record(bpe_gpt_nll=bpe_scores[levels[-1]][1, 1], unit=f"nats/character, GPT on {levels[-1]:,} merges, {corpus_name}")
record(character_gpt_nll=bpe_scores[0][1, 1], unit=f"nats/character, the same GPT on characters, {corpus_name}")

# %% [markdown]
# Judged per token, merging looks like a disaster; judged per character it is a gain for both models. The table of
# frequencies gains most, because the merges have done its learning for it: every merged pair is a bit of context.
# The GPT gains too at this budget; one reason is that its steps and its context of 64 tokens now hold about twice as
# much text. Do not read more into it than that. With long training a model of characters can learn by itself what
# merges know; this run does not show how far the gap then closes.

# %%
def cut_up(merges_used=64):
    """A sentence as the tokenizer sees it after so many merges; each box is one token."""
    sentence = "Good morrow, neighbours: what news of the Capulets?"
    sentence = sentence if set(sentence) <= set(corpus) else " ".join(re.findall("[a-z]+", corpus)[:9])
    tokens = encode(sentence, vocabulary, first_rules(merges_used))
    fig, ax = plt.subplots(figsize=(9.5, 1.3))
    left = 0
    for i, token in enumerate(tokens):
        width = len(vocabulary[token])
        ax.barh(0, width, left=left, height=0.9, color=f"C{i % 6}", alpha=0.3, edgecolor="white", linewidth=2)
        for at, sign in enumerate(vocabulary[token]):
            ax.text(left + at + 0.5, 0, "␣" if sign == " " else sign, ha="center", va="center", family="monospace")
        left += width
    ax.set_axis_off()
    ax.set(xlim=(0, left), title=f"{merges_used:,} merges: {left} characters, {len(tokens)} tokens")
    return fig


explore(cut_up, merges_used=[m for m in (0, 8, 16, 32, 64, 128, 256, 512, 1024) if m <= len(learned)])

# %% [markdown]
# Move the slider and watch words grow together: "the" is one token almost from the start, a rare name stays in pieces.
# What the model gets is the numbers of the boxes. It cannot see the letters in them, which is why large language models
# find it hard to spell. The systems you use start from the 256 *bytes* instead of from characters, so that no text on
# earth is outside their alphabet.

# %% [markdown]
# ## 9 Images as text: colour clusters and an image GPT
#
# A transformer reads a sequence of tokens and does not care what they stand for. Chen et al. (2020) asked how far one
# gets with images by reading their pixels, row by row, as if they were text, and called the result **iGPT**. One thing
# has to be settled first: a pixel of three bytes is one of 16.7 million colours, too many for a softmax, and three
# tokens a pixel would make the sequence three times as long. So choose $K$ colours that serve the images best, and
# replace each pixel $c \in [0,1]^3$ by the number of the nearest:
# $$z(c) = \operatorname*{arg\,min}_{k}\ \lVert c - \mu_k\rVert^2 \tag{24}$$
# The best palette minimises the mean squared error $E$ of this replacement. **k-means** alternates: given the palette,
# (24) is the best assignment; given the assignment, the best colour for a group is its mean,
# $$\mu_k \leftarrow \frac{1}{|\{i: z_i = k\}|}\sum_{i:\, z_i = k} c_i, \qquad
# E = \frac1n\sum_{i=1}^{n} \lVert c_i - \mu_{z_i}\rVert^2 \tag{25}$$
# Neither step can raise $E$. We start from pixels of the data, each drawn in proportion to its squared distance from
# those already chosen.

# %%
def nearest_colour(colours, palette):
    """Number of the nearest palette colour, eq. (24). colours: (..., 3), palette: (K, 3). Returns (...) int64."""
    return (palette.square().sum(-1) - 2 * colours @ palette.T).argmin(-1)                        # (24)


def kmeans(x, K, *, steps=30, generator):
    """K-means of x: (n, d), eq. (25). Returns the centres (K, d) and the error E before each step (steps,)."""
    centres = x[torch.randint(len(x), (1,), generator=generator)]
    while len(centres) < K:
        squared = torch.cdist(x, centres).amin(-1).square()
        centres = torch.cat([centres, x[torch.multinomial(squared, 1, generator=generator)]])  # (k, d)
    errors = []
    while len(errors) < steps:
        z = nearest_colour(x, centres)
        errors.append((x - centres[z]).square().sum(-1).mean().item())
        count = torch.bincount(z, minlength=K)[:, None]
        means = torch.zeros_like(centres).index_add_(0, z, x) / count.clamp(min=1)                # (25)
        centres = torch.where(count > 0, means, centres)  # a colour that nobody chose stays where it is
    return centres, errors


dice = torch.Generator().manual_seed(9)
photo_colours = natural_patches(2_000, 4, generator=dice).flatten(0, 2).float() / 255  # (32000, 3)
palettes, rmse = {}, {}
for K in (1, 2, 4, 8, 16, 32, 64):
    palettes[K], falling = kmeans(photo_colours, K, generator=dice)
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(falling))
    rmse[K] = math.sqrt(falling[-1] / 3)
assert list(rmse.values()) == sorted(rmse.values(), reverse=True)
print("E never rose in 30 steps;", "root mean square error per channel:", {K: round(e, 3) for K, e in rmse.items()})

# %% [markdown]
# The two photographs of lecture 01, repainted with palettes that were fitted to 32,000 of their pixels.

# %%
photos = [photo[::4, ::4].float() / 255 for photo in natural_images()]
fig, axes = plt.subplots(2, 5, figsize=(10, 3.3), width_ratios=(1, 1, 1, 1, 1.1))
for column, K in enumerate((2, 4, 16, 64)):
    for ax, photo in zip(axes[:, column], photos, strict=True):
        ax.imshow(palettes[K][nearest_colour(photo, palettes[K])])
        ax.set_axis_off()
    axes[0, column].set_title(f"{K} colours")
for ax in axes[:, 4]:
    ax.remove()
right = fig.add_subplot(axes[0, 4].get_gridspec()[:, 4])
right.plot(list(rmse), list(rmse.values()), color=MODEL, marker=".")
right.set(xscale="log", yscale="log", xlabel="colours $K$", title="error per channel\n(0 to 1)")
right.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
right.set_yticks([0.05, 0.1, 0.2], ["0.05", "0.1", "0.2"])
right.minorticks_off()
plt.show()
record(palette16_error=rmse[16], unit="root mean square error per channel (0 to 1), 16 colours, photographs")

# %% [markdown]
# Sixteen colours already make a decent poster, and the error falls slowly from there: each halving asks for several
# times as many colours. iGPT took 512. We take 16 and something to learn that fits on one core: digits of $14\times14$
# pixels, each painted in two colours that were picked from the photographs. Nothing in the digits is black and white
# any more, so a model has to find out from the pixels so far which paper and, once the first stroke has begun, which
# ink this image has, and stay with them.

# %%
def tint(images, colours, *, generator):
    """Digits in two colours of nature: images (n, 28, 28) uint8. Returns (n, 14, 14, 3) in [0, 1].

    The paper is a random row of colours; the ink is, of eight others, the one that differs most from it.
    """
    n = len(images)
    ink_share = F.avg_pool2d(images.float() / 255, 2)[..., None]  # (n, 14, 14, 1)
    paper = colours[torch.randint(len(colours), (n,), generator=generator)]
    inks = colours[torch.randint(len(colours), (n, 8), generator=generator)]  # (n, 8, 3)
    ink = inks[torch.arange(n), (inks - paper[:, None]).square().sum(-1).argmax(1)]
    return paper[:, None, None] + ink_share * (ink - paper)[:, None, None]


def image_tokens(pictures, palette):
    """Pictures (n, H, W, 3) as rows of tokens: first the token K for "begin", then the pixels. (n, 1 + H W) int64."""
    return F.pad(nearest_colour(pictures.flatten(1, 2), palette), (1, 0), value=len(palette))


def paint(tokens, palette):
    """The inverse of image_tokens, as far as it goes: (n, 197) -> (n, 14, 14, 3)."""
    return palette[tokens[:, 1:]].unflatten(1, (14, 14))


(train_images, train_labels), (test_images, test_labels), digits_where = digits_split()
igpt = GPT(17, 64, 4, 4, 197)
facts = checkpoint("05_igpt", igpt)
igpt = igpt.to(device).eval()
sixteen = torch.tensor(json.loads(facts["palette"]))  # the very colours it was trained with
tinted = tint(test_images[:1000], photo_colours, generator=torch.Generator().manual_seed(10))
test_pixels = image_tokens(tinted, sixteen)  # (1000, 197)
digit_rmse = (paint(test_pixels, sixteen) - tinted).square().mean().sqrt()
print(f"{digits_where}; quantised to 16 colours with an error of {digit_rmse:.3f} per channel")

show_images(torch.cat([tinted[:16], paint(test_pixels[:16], sixteen)]), columns=16, zoom=3.6)
plt.title("Tinted digits, and below as the model sees them: 196 tokens out of 16")
plt.show()

# %% [markdown]
# The model is the GPT of section 5, unchanged: four layers of width 64, 197 places, 17 tokens. With
# $x_0$ the token for "begin",
# $$\log p(x) = \sum_{i=1}^{196} \log p(x_i \mid x_0, \dots, x_{i-1}), \qquad
# \text{bits per pixel} = \frac{-\log p(x)}{196\,\ln 2} \tag{26}$$
# Training took several minutes on one core, longer than you want to wait, so the weights come from a checkpoint that
# `make checkpoints` can train again. Beside it stand two tables that were counted on the 10,000 training digits: how
# often each colour occurs, and how often it occurs given the pixel to the left and the pixel above.

# %%
def table_bits(train, test, K=16):
    """Bits per pixel of a table p(pixel | left, above), and of plain frequencies. train, test: (n, 197) tokens."""
    def contexts(tokens):
        grid = tokens[:, 1:].unflatten(1, (14, 14))
        left, above = F.pad(grid, (1, 0), value=K)[..., :-1], F.pad(grid, (0, 0, 1, 0), value=K)[:, :-1]
        return (left * (K + 1) + above).flatten(), grid.flatten()

    where, what = contexts(train)
    counts = torch.bincount(where * K + what, minlength=(K + 1) ** 2 * K).view(-1, K) + 0.1
    frequency = torch.bincount(what, minlength=K) + 0.1
    where, what = contexts(test)
    by_context, plain = counts / counts.sum(1, keepdim=True), frequency / frequency.sum()
    return -by_context[where, what].log2().mean().item(), -plain[what].log2().mean().item()


def surprise(model, tokens):
    """Nats at every pixel under the model, the terms of eq. (26). tokens: (n, 197). Returns (n, 196)."""
    with torch.no_grad():
        parts = [F.cross_entropy(model(part).mT[..., :-1], part[:, 1:], reduction="none") for part in tokens.split(100)]
    return torch.cat(parts)                                                                       # (26)


train_pixels = image_tokens(tint(train_images, photo_colours, generator=torch.Generator().manual_seed(11)), sixteen)
table, frequencies = table_bits(train_pixels, test_pixels)
scored = test_pixels[: budget(smoke=60, cpu=300, gpu=1000)].to(device)
igpt_bits = (surprise(igpt, scored) / math.log(2)).cpu()  # (n, 196)
print(f"bits a pixel: frequencies {frequencies:.3f}, table of left and above {table:.3f}, iGPT {igpt_bits.mean():.3f}")
assert igpt_bits.mean() < table < frequencies
record(igpt_bits=igpt_bits.mean(), unit=f"bits/pixel, digits 14x14 in 16 colours (not binarised), {digits_where}")
record(igpt_table_bits=table, unit="bits/pixel, the same images, table of left and above")

# %% [markdown]
# Where in the image does it pay those bits? And how did training go? (The curve was kept when the checkpoint was made.)

# %%
seen, curve = zip(*json.loads(facts["curve"]), strict=True)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.1), width_ratios=(3, 2))
left.plot(seen, curve, color=MODEL, label="iGPT, training images")
left.axhline(frequencies, color="C6", linewidth=1, label="colour frequencies")
left.axhline(table, color=DATA, linewidth=1, label="table of left and above")
left.plot(seen[-1], igpt_bits.mean(), "*", color=MODEL, markersize=12, label="iGPT, test images")
left.set(xlabel="training images seen", ylabel="bits per pixel", ylim=(0, None), title="Checkpoint 05_igpt")
left.legend(fontsize=9)
picture = right.imshow(igpt_bits.mean(0).view(14, 14), cmap="magma", vmax=2.5)
right.set_title("mean surprise of each pixel (bits)")
right.set_axis_off()
fig.colorbar(picture, ax=right, shrink=0.85, extend="max")
plt.show()
print(f"the first pixel costs {igpt_bits[:, 0].mean():.2f} bits, the second {igpt_bits[:, 1].mean():.2f}, "
      f"the dearest later one {igpt_bits[:, 2:].mean(0).max():.2f}")

# %% [markdown]
# The first pixel names the paper and costs about as much as a colour picked at random. From then on the border is
# nearly free, and the bits are spent in the middle, where a stroke may or may not begin. The model was never told that
# pixel 15 lies below pixel 1: it had to learn the grid from the sequence. A table that knows the grid but only two
# neighbours pays more, mostly because it forgets which two colours this image has.
#
# Sampling is what you know, with the cache of section 7: one softmax, one draw, 196 times. We draw 16 images from
# nothing, and let the model complete the lower half of 8 digits it has never seen.

# %%
def draw_pixels(model, start, *, generator):
    """Continue rows of tokens, start: (n, m) with m >= 1, to 197 tokens, one pixel at a time. Returns (n, 197)."""
    tokens, caches = start, new_caches(model, len(start), 197)
    with torch.no_grad():
        while tokens.shape[1] < 197:
            logits = model(tokens[:, caches[0].n :], caches=caches)  # only what the caches have not seen
            p = logits[:, -1, :16].softmax(-1)  # (n, 16); "begin" never comes again
            tokens = torch.cat([tokens, torch.multinomial(p.cpu(), 1, generator=generator).to(tokens)], 1)
    return tokens


dice = torch.Generator().manual_seed(12)
free = draw_pixels(igpt, test_pixels[:16, :1].to(device), generator=dice).cpu()
halves = draw_pixels(igpt, test_pixels[:8, : 1 + 7 * 14].repeat(2, 1).to(device), generator=dice).cpu()
assert torch.equal(halves[:, :99], test_pixels[:8, :99].repeat(2, 1))
given = paint(test_pixels[:8], sixteen)
asked = given.clone()
asked[:, 7:] = 1
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.1), width_ratios=(1, 2))
show_images(paint(free, sixteen), ax=axes[0], columns=4, title="16 samples")
show_images(torch.cat([asked, paint(halves, sixteen), given]), ax=axes[1], columns=8)
axes[1].set_title("Given the upper half: two completions each, and the original")
plt.show()
shares = [((some - some[:, :1, :1]).square().sum(-1) > 0.05).float().mean() for some in (paint(free, sixteen), tinted)]
print(f"pixels that differ clearly from the first: {shares[0]:.0%} in samples, {shares[1]:.0%} in test images")

# %% [markdown]
# Every sample keeps its two colours over 196 steps, with soft edges of in-between colours, although nothing but
# attention carries them from the first row to the last. The strokes have the right thickness and bend as pens do, but
# only some samples are clear digits: a small model and a few minutes of training go so far and no further. The
# completions keep what was given and disagree with each other where the upper half leaves a choice.

# %% [markdown]
# ### What has it learned? A linear probe, layer by layer
#
# To predict the rest of a digit it helps to know which digit it is. So has the model, which never saw a label, a place
# where that can be read off? Freeze it, average the hidden vectors $h^\ell_{rc}$ of layer $\ell$ over the columns of
# each image row, and fit nothing but a softmax regression from these averages $\bar h^\ell$ to labels:
# $$p(y \mid x) = \operatorname{softmax}\big(A\,\bar h^{\ell}(x) + b\big), \qquad
# \bar h^{\ell}_r(x) = \tfrac{1}{14}\textstyle\sum_{c} h^{\ell}_{rc}(x), \quad r = 1, \dots, 14 \tag{27}$$
# (The paper averages over all places at once. With four small layers and colours that change from image to image this
# throws nearly everything away; in `features` take `h[:, 1:].mean(1)` instead and see.) Beside it, two baselines that
# any such claim owes: the same probe on the raw pixel colours, and on the same network with *random* weights.

# %%
def features(model, tokens):
    """Row averages of every layer, eq. (27). tokens: (n, 197). Returns a list of (n, 14 D), embedding first."""
    parts = []
    with torch.no_grad():
        for part in tokens.to(device).split(100):
            rows = [h[:, 1:].unflatten(1, (14, 14)).mean(2) for h in model.hidden(part)]          # (27)  (n, 14, D)
            parts.append([h.flatten(1).cpu() for h in rows])
    return [torch.cat(layer) for layer in zip(*parts, strict=True)]


def probe(train, train_labels, test, test_labels, *, decay=1e-2):
    """Test accuracy of a softmax regression on standardised features, fitted by L-BFGS. train, test: (n, D)."""
    mean, sd = train.mean(0), train.std(0) + 1e-4
    train, test = (train - mean) / sd, (test - mean) / sd
    W = torch.zeros(train.shape[1] + 1, 10, requires_grad=True)
    optimizer = torch.optim.LBFGS([W], max_iter=40, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(train @ W[:-1] + W[-1], train_labels) + decay * W[:-1].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return ((test @ W[:-1] + W[-1]).argmax(1) == test_labels).float().mean().item()


n_train, n_test = budget(smoke=(100, 50), cpu=(1000, 500), gpu=(9000, 1000))
torch.manual_seed(13)
untrained = GPT(17, 64, 4, 4, 197).to(device).eval()
probe_train, probe_test = train_pixels[:n_train], test_pixels[:n_test]
accuracy = {}
for name, model in (("trained", igpt), ("random", untrained)):
    pairs = list(zip(features(model, probe_train), features(model, probe_test), strict=True))
    accuracy[name] = [probe(a, train_labels[:n_train], b, test_labels[:n_test])
                      for a, b in progress(pairs, unit="layers", label=name)]
on_pixels = [paint(some, sixteen).flatten(1) for some in (probe_train, probe_test)]
accuracy["pixels"] = probe(on_pixels[0], train_labels[:n_train], on_pixels[1], test_labels[:n_test])

# %% [markdown]
# Look where the curve of the trained network peaks.

# %%
fig, ax = plt.subplots(figsize=(7, 3))
for (name, color) in (("trained", MODEL), ("random", "C6")):
    ax.plot(range(5), accuracy[name], color=color, marker="o", label=f"{name} iGPT")
ax.axhline(accuracy["pixels"], color=DATA, label="pixel colours")
ax.axhline(0.1, color="black", linewidth=1, linestyle="--", label="guessing")
ax.set_xticks(range(5), ["embedding", "block 1", "block 2", "block 3", "block 4"])
ax.set(ylabel="test accuracy", ylim=(0, 1), title=f"Linear probe, {n_train:,} labelled digits")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
best = max(range(5), key=lambda layer: accuracy["trained"][layer])
for name in ("trained", "random"):
    print(f"{name:8} by layer:", ", ".join(f"{share:.3f}" for share in accuracy[name]))
print(f"pixels: {accuracy['pixels']:.3f}")
record(igpt_probe=accuracy["trained"][best], unit=f"accuracy, linear probe on layer {best} of 4, {n_train:,} labels")
record(igpt_probe_random=max(accuracy["random"]), unit="accuracy, best layer of a random network")
record(igpt_probe_pixels=accuracy["pixels"], unit="accuracy, linear probe on pixel colours")

# %% [markdown]
# The embeddings know only which colours occur in which row. A first block, which lets a pixel compare itself with those
# before it, makes the label much easier to read: *different from the paper* is what a stroke is, whatever the colours
# are. It stays so through the middle and no longer rises at the end, where a network that predicts pixels is busy with
# the next pixel. All this was learned without a label, and it is well ahead of the pixels and of the random network.
# Keep the measure, though: the colours make raw pixels a weak opponent, and on clean grey digits a linear classifier
# gets nine in ten right. In the paper a network thousands of times as large, trained on ImageNet, reached 96.3% on
# CIFAR-10 with a linear probe.

# %% [markdown]
# ## 10 Sparse masks: who needs to see whom?
#
# Section 7 found that attention's bill grows with the square of the length: a $64\times64$ image in three colour
# channels is 12,288 places, 75 million allowed pairs in every layer. Most of these pairs are never needed *directly*,
# because layers are stacked: what $j$ told $k$ in one layer, $k$ can tell $i$ in the next. So let each place look at
# few others, but choose them so that news travels fast. The Sparse Transformer (Child et al. 2019) uses two patterns.
# With a stride $l$, for instance the width of the image,
# $$\text{local:}\quad M_{ij} = [\,0 \le i-j < l\,] \tag{28}$$
# $$\text{strided:}\quad M_{ij} = [\,j \le i \ \text{ and } \ (i-j) \bmod l = 0\,] \tag{29}$$
# The first is "the last row's worth of pixels", the second "this column, above me". What can reach place $i$ through
# $k$ layers is a question about paths, and paths are counted by matrix products. With Boolean entries,
# $$R_1 = M, \qquad R_{k+1} = [\,R_k M > 0\,] \tag{30}$$

# %%
def local_mask(n, stride):
    """Each place sees the last `stride` places, itself included, eq. (28). Returns (n, n) bool."""
    distance = torch.arange(n)[:, None] - torch.arange(n)
    return (distance >= 0) & (distance < stride)                                                       # (28)


def strided_mask(n, stride):
    """Each place sees every `stride`-th place before it, and itself, eq. (29). Returns (n, n) bool."""
    distance = torch.arange(n)[:, None] - torch.arange(n)
    return (distance >= 0) & (distance % stride == 0)                                                  # (29)


def reach(mask, layers):
    """What each place can know after each number of layers, eq. (30). Returns (layers, n, n) bool."""
    R = [mask]
    for _ in range(layers - 1):
        R.append(R[-1].float() @ mask.float() > 0)                                                # (30)
    return torch.stack(R)

# %% [markdown]
# **Check.** Any distance $i-j$ is $q\,l + r$ with $r < l$: one strided look and one local look. So with both patterns
# (one head each) *two* layers reach everything; local looks alone need $\lceil (n-1)/(l-1)\rceil$ layers, and strided
# looks alone never get out of their column.

# %%
past, patterns = causal_mask(196), {"local": local_mask(196, 14), "strided": strided_mask(196, 14)}
patterns["both"] = patterns["local"] | patterns["strided"]
needed = math.ceil((196 - 1) / (14 - 1))
local_reach = reach(patterns["local"], needed)
assert torch.equal(reach(patterns["both"], 2)[1], past)
assert torch.equal(local_reach[-1], past)
assert not torch.equal(local_reach[-2], past)
assert torch.equal(reach(patterns["strided"], 5)[-1], patterns["strided"])
for name, mask in patterns.items():
    shares = [f"{(R.sum() / past.sum()).item():.1%}" for R in reach(mask, 3)]
    print(f"{name:8} {mask.sum():6,} of {past.sum():,} pairs; reached in 1, 2, 3 layers: {', '.join(shares)}")
print(f"local looks alone need {needed} layers to reach everything; one fewer is not enough")

# %% [markdown]
# The masks as matrices, and what one pixel of a $14\times14$ image can know, coloured by the number of layers it takes.

# %%
def draw_reach(ax, mask, pixel, layers, size=14):
    """The first layer at which each pixel's value can have arrived at `pixel`, up to `layers`."""
    R = reach(mask, layers)[:, pixel].float()  # (layers, n)
    first = layers + 1 - R.sum(0)  # R only grows: every place sees itself
    first[R[-1] == 0] = math.nan
    ax.imshow(torch.full((size, size), 0.88), cmap="gray", vmin=0, vmax=1)
    picture = ax.imshow(first.view(size, size), cmap="viridis_r", vmin=1, vmax=max(layers, 3))
    ax.plot(pixel % size, pixel // size, "*", color=MODEL, markersize=12)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    return picture


fig, axes = plt.subplots(2, 3, figsize=(8.5, 5.8))
for (name, mask), (top, bottom) in zip(patterns.items(), axes.T, strict=True):
    top.imshow(mask, cmap="gray", vmin=0, vmax=1)
    top.set(title=f"{name}: {mask.sum() / past.sum():.0%} of the pairs", xticks=[], yticks=[])
    top.grid(visible=False)
    picture = draw_reach(bottom, mask, 131, 3)
axes[0, 0].set_ylabel("place that looks")
axes[1, 0].set_ylabel("what ★ can know")
bar = fig.colorbar(picture, ax=axes[1], shrink=0.8, ticks=[1, 2, 3])
bar.set_label("after layers")
plt.show()

# %% [markdown]
# Local looks creep backwards row by row; strided ones see the whole column at once and then nothing new, ever. Together
# they see the column and the last row's worth of pixels in the first layer and the entire past in the second, for about
# a fifth of the pairs at this small size.
#
# What is saved when images grow? A place looks at $l$ and about $i/l$ others, in all
# $$\text{pairs}(n, l) \approx n\,l + \frac{n^2}{2\,l}, \qquad \text{smallest at } l = \sqrt{n/2}, \text{ where it is }
# \sqrt2\,n^{3/2} \tag{31}$$
# instead of $n^2/2$. One caution: handing a sparse *mask* to ordinary attention saves nothing, because all scores are
# computed and most then thrown away. To gain, most of the forbidden scores must never exist. Both patterns allow that
# by reshaping: cut the sequence into rows of $l$; "strided" is ordinary causal attention *down the columns*, "local" is
# attention from each row to itself and the row before.

# %%
def strided_attention(q, k, v, stride):
    """Attention with strided_mask, column by column. q, k, v: (B, n, d), n a multiple of stride. Returns (B, n, d)."""
    q, k, v = (rearrange(x, "b (r c) d -> b c r d", c=stride) for x in (q, k, v))
    return rearrange(F.scaled_dot_product_attention(q, k, v, is_causal=True), "b c r d -> b (r c) d")


def local_attention(q, k, v, stride):
    """Attention with local_mask, row by row, each with the row before it. q, k, v: (B, n, d). Returns (B, n, d)."""
    q, k, v = (rearrange(x, "b (r c) d -> b r c d", c=stride) for x in (q, k, v))
    k, v = (torch.cat([F.pad(x, (0, 0, 0, 0, 1, 0))[:, :-1], x], 2) for x in (k, v))  # (B, r, 2 stride, d)
    window = local_mask(2 * stride, stride)[stride:].repeat(q.shape[1], 1, 1).to(q.device)  # (r, stride, 2 stride)
    window[0, :, :stride] = False  # there is no row before the first
    return rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=window), "b r c d -> b (r c) d")


qkv = torch.randn(3, 2, 196, 16, generator=torch.Generator().manual_seed(14))
for sparse, pattern in ((strided_attention, "strided"), (local_attention, "local")):
    assert torch.allclose(sparse(*qkv, 14), attention(*qkv, patterns[pattern])[0], atol=1e-5)
print("both give what masked attention gives, with at most about two scores computed for each allowed one")

sparse_lengths, seconds = budget(smoke=[64, 256], cpu=[64, 256, 1024, 4096], gpu=[64, 256, 1024, 4096, 16384]), {}
for places in sparse_lengths:
    qkv = torch.randn(3, 4, places, 32, generator=torch.Generator().manual_seed(15)).to(device)
    stride = 1 << round(math.log2(math.sqrt(places / 2)))  # the power of two nearest to the best stride
    dense = functools.partial(F.scaled_dot_product_attention, *qkv[:, None], is_causal=True)  # (1, 4, n, 32)
    local, strided = (functools.partial(sparse, *qkv, stride) for sparse in (local_attention, strided_attention))
    seconds[places] = timed(dense, device=device), (timed(local, device=device) + timed(strided, device=device)) / 2

# %% [markdown]
# Pairs by the formula and by counting, then seconds.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.1))
sizes = [2**e for e in range(6, 15)]
left.plot(sizes, [size * (size + 1) / 2 for size in sizes], color="C6", label="dense: $n(n+1)/2$")
by_formula = [math.sqrt(2) * size**1.5 for size in sizes]                                         # (31)
left.plot(sizes, by_formula, color=MODEL, label="sparse: eq. (31)")
for places in (64, 256, 1024):
    stride = round(math.sqrt(places / 2))
    left.plot(places, local_mask(places, stride).sum() + strided_mask(places, stride).sum(), "o", color=MODEL)
left.set(xscale="log", yscale="log", xlabel="length $n$", ylabel="pairs", title="Pairs a layer (dots: counted)")
left.legend()
for which, color, label in ((0, "C6", "dense"), (1, MODEL, "2 local + 2 strided")):
    taken = [1e3 * seconds[places][which] for places in sparse_lengths]
    right.plot(sparse_lengths, taken, ".-", color=color, label=label)
right.set(xscale="log", yscale="log", xlabel="length $n$", ylabel="milliseconds")
right.set_title(f"Measured, 4 heads of width 32, {device.type}")
right.legend()
plt.show()
dense_seconds, sparse_seconds = seconds[sparse_lengths[-1]]
record(sparse_speedup=dense_seconds / sparse_seconds, unit=f"times dense attention's speed, n = {sparse_lengths[-1]:,}")

# %% [markdown]
# At short lengths the reshaping costs more than it saves; at thousands of places the sparse pair of heads pulls away,
# with roughly the slope that (31) predicts. What the picture does not show is quality: a sparse layer can know less
# per layer, and whether the missing direct looks hurt is a question for the data. For images and audio, whose structure
# is local and periodic, they did not; the Sparse Transformer held the record on CIFAR-10 with 2.80 bits per colour
# value.

# %%
def who_knows(pattern="both", row=9, column=5, stride=14, layers=2):
    size = 196
    local, strided = local_mask(size, stride), strided_mask(size, stride)
    mask = {"local": local, "strided": strided, "both": local | strided}[pattern]
    pixel = 14 * row + column
    fig, ax = plt.subplots(figsize=(4.2, 4))
    picture = draw_reach(ax, mask, pixel, layers)
    known = reach(mask, layers)[-1, pixel].sum()
    ax.set_title(f"{known} of {pixel + 1} places in {layers} layer{'s' * (layers > 1)}", fontsize=10)
    fig.colorbar(picture, ax=ax, shrink=0.8, ticks=range(1, max(layers, 3) + 1), label="after layers")
    return fig


explore(who_knows, pattern=["local", "strided", "both"], row=(0, 13), column=(0, 13), stride=(2, 28), layers=(1, 6))

# %% [markdown]
# Try a stride of 13 or 15: the "column" becomes a diagonal, and nothing else changes. The pattern knows nothing of
# images; that the stride should be the width is ours to say.

# %% [markdown]
# ## 11 Two sequences: encoder, decoder, cross-attention
#
# Translation, summaries, speech to text: often the thing to generate, $y$, is an answer to another sequence, $x$, that
# is there from the start. Then nothing forbids the reader of $x$ to look in both directions. The first transformer
# (Vaswani et al. 2017) has an **encoder** without a mask for $x$, and a causal **decoder** for $y$ that after each
# self-attention asks the encoder's vectors $C$:
# $$C = \operatorname{encoder}(x), \qquad \log p(y \mid x) = \sum_t \log p(y_t \mid y_{<t}, C) \tag{32}$$
# $$h \leftarrow h + \operatorname{MultiHead}\big(\operatorname{norm}(h),\ C\big) \tag{33}$$
# In (33) the queries come from the answer so far, keys and values from the source: **cross-attention**. Everything is
# in the `Block` of section 4. We give it a task where we know where it *should* look: write a string of 4 to 12 letters
# backwards. To write letter $t$ of the answer, letter $n-1-t$ of the source is needed (both counted from 0), and how
# long the source is only the encoder can know.

# %%
class EncoderDecoder(nn.Module):
    """Encoder block, decoder block, one cross-attention head: p(y | x) of eq. (32). Token `vocab - 1` is "begin"."""

    def __init__(self, vocab, D, heads, length):
        super().__init__()
        self.embed = nn.Embedding(vocab, D)
        self.source_place, self.target_place = (nn.Parameter(0.3 * torch.randn(length, D)) for _ in range(2))
        self.encoder, self.decoder = Block(D, heads), Block(D, 1, cross=True)
        self.norm_source, self.norm, self.head = nn.LayerNorm(D), nn.LayerNorm(D), nn.Linear(D, vocab)

    def encode(self, source):
        """source: (B, m) int64. Returns C: (B, m, D), every place informed by every other: no mask."""
        return self.norm_source(self.encoder(self.embed(source) + self.source_place[: source.shape[1]]))  # (32)

    def forward(self, source, target, keep=False):
        """target: (B, n), begins with "begin". Returns logits (B, n, vocab); logits[:, t] speak of target[:, t + 1]."""
        h, mask = self.embed(target) + self.target_place[: target.shape[1]], causal_mask(target.shape[1], target.device)
        return self.head(self.norm(self.decoder(h, mask=mask, context=self.encode(source), keep=keep)))  # (33)


def reversal_batch(n, length, *, generator):
    """n random strings of letters 0..25 and their reversals behind "begin" (26): (n, length), (n, 1 + length)."""
    source = torch.randint(26, (n, length), generator=generator)
    return source, F.pad(source.flip(1), (1, 0), value=26)


def train_reversal(model, *, steps, generator):
    """Adam on eq. (32), a fresh batch of one random length in 4..12 at each step. Returns the losses."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps, pct_start=0.05)
    losses = []
    for _ in progress(range(steps), stoppable=True):
        length = int(torch.randint(4, 13, (), generator=generator))
        source, target = (x.to(device) for x in reversal_batch(32, length, generator=generator))
        loss = nll(model(source, target), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


torch.manual_seed(16)
reverser = EncoderDecoder(27, 64, 4, 13).to(device)
dice = torch.Generator().manual_seed(16)
reversal_losses = train_reversal(reverser, steps=budget(smoke=10, cpu=750, gpu=2000), generator=dice)
print(f"{sum(p.numel() for p in reverser.parameters()):,} parameters, loss {reversal_losses[0]:.2f} -> "
      f"{sum(reversal_losses[-20:]) / 20:.3f} nats a letter")

# %% [markdown]
# **Check.** What may an answer's letter see? By the gradient: nothing of the answer's own future, and *every* letter of
# the source, the last as well as the first.

# %%
eight, backwards = (part.to(device) for part in reversal_batch(1, 8, generator=torch.Generator().manual_seed(17)))
vectors = {}


def remember(module, inputs, output):
    output.retain_grad()
    vectors[inputs[0].shape[1]] = output


hook = reverser.embed.register_forward_hook(remember)
reverser(eight, backwards)[0, 3].logsumexp(-1).backward()  # the logits of answer letter 4
hook.remove()
reverser.zero_grad()
of_source, of_target = (vectors[m].grad[0].abs().sum(-1) for m in (8, 9))
assert (of_source > 0).all()
assert (of_target[:4] > 0).all()
assert (of_target[4:] == 0).all()
print("logits of letter 4 depend on all 8 letters of the source, on the answer's first 3, on no later one")

# %% [markdown]
# Now test it: greedy writing, letter by letter, on new random strings and on English words, which it has never seen;
# and once with the source exchanged for that of a neighbour in the batch, to see how much of the skill comes through
# cross-attention.

# %%
def write_backwards(model, source):
    """Greedy decoding. source: (B, n). Returns (B, n) int64."""
    target = torch.full((len(source), 1), 26, device=source.device)
    with torch.no_grad():
        for _ in range(source.shape[1]):
            target = torch.cat([target, model(source, target)[:, -1, :26].argmax(-1, keepdim=True)], 1)
    return target[:, 1:]


def letters(word):
    return torch.tensor([[ord(c) - ord("a") for c in word]], device=device)


strings = reversal_batch(500, 10, generator=torch.Generator().manual_seed(18))[0].to(device)
written = write_backwards(reverser, strings)
exact = (written == strings.flip(1)).all(1).float().mean().item()
exchanged = (write_backwards(reverser, strings.roll(1, 0)) == strings.flip(1)).float().mean().item()
print(f"strings of 10 letters: {exact:.1%} without error; with a stranger's source {exchanged:.1%} of letters right")
for word in ("tragedy", "deliver", "shakespeare"):
    answer = write_backwards(reverser, letters(word))[0].tolist()
    print(f"{word:>12} -> " + "".join(chr(ord("a") + letter) for letter in answer))
record(reversal_exact=exact, unit="share of 500 unseen strings of 10 letters written backwards without an error")

# %% [markdown]
# With a stranger's source it does no better than one letter in twenty-six: the decoder by itself knows nothing. Where
# did it look? These are the cross-attention weights, one row for each letter while it is being written.

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), width_ratios=(7, 7, 11))
for ax, word in zip(axes, ("tragedy", "deliver", "shakespeare"), strict=True):
    with torch.no_grad():
        reverser(letters(word), F.pad(letters(word).flip(1), (1, 0), value=26), keep=True)
    weights = reverser.decoder.cross.weights[0, 0, :-1].cpu()  # (n, n)
    picture = ax.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(word)), list(word))
    ax.set_yticks(range(len(word)), list(word[::-1]))
    ax.grid(visible=False)
    ax.set_xlabel("source")
axes[0].set_ylabel("being written")
fig.colorbar(picture, ax=axes, label="weight", shrink=0.8)
plt.show()
with torch.no_grad():
    reverser(strings, F.pad(strings.flip(1), (1, 0), value=26), keep=True)
looks = reverser.decoder.cross.weights[:, 0, :-1].argmax(-1).cpu()
aligned = (looks == torch.arange(9, -1, -1)).float().mean().item()
print(f"on 500 strings of 10 letters the largest weight lies on the letter that is needed {aligned:.0%} of the time")
assert exact > budget(smoke=-1, cpu=0.9, gpu=0.9)
assert aligned > budget(smoke=-1, cpu=0.8, gpu=0.8)
record(reversal_alignment=aligned, unit="share of steps that look at the right letter, cross-attention")

# %% [markdown]
# The antidiagonal: the model found the alignment although only right and wrong letters were ever rewarded. In
# translation such maps show which word was rendered by which, roughly the diagonal with knots where the two languages
# order things differently. One warning that we can check here because we know the truth: where a map is *not* sharp,
# the answer can still be right, because a neighbour's vector may carry the same news. A map of attention is evidence,
# not proof.

# %% [markdown]
# ## 12 Learning without training: examples in the prompt
#
# A large language model that is shown "sea: mer, sky: ciel, bread:" goes on with "pain". No weight was changed. Is this
# learning? In a toy world we can hold it against the best that any learner could do. The world has six symbols and
# six values, and in each prompt a *secret* one-to-one map $f$ from symbols to values, drawn anew:
# $$x_1\,f(x_1)\;\; x_2\,f(x_2)\;\; \dots\;\; x_{16}\,f(x_{16}), \qquad x_k \text{ drawn at random, with repeats}$$
# There are $6! = 720$ maps, all equally likely, so the weights cannot hold the answer; it has to be found in the
# prompt. Given the examples so far, **Bayes' rule** keeps all maps that agree with them, and counts. If symbol $x$ has
# been shown, its value is certain. If not, every value that no shown symbol has taken is equally likely:
# $$p(f(x) = y \mid \text{examples}) = \begin{cases} [\,y = f(x)\,] & x \text{ was shown} \\[2pt]
# \dfrac{[\,y \text{ not yet taken}\,]}{6 - \text{number of different symbols shown}} & \text{otherwise}
# \end{cases} \tag{34}$$
# No predictor can have a smaller expected loss, whatever it is made of.

# %%
SYMBOLS, SHOTS = 6, 16


def prompts(n, *, symbols=SYMBOLS, generator):
    """n prompts x_1 f(x_1) ... x_16 f(x_16), each with its own map f. (n, 32) int64: symbols 0..5, values 6..11."""
    f = torch.rand(n, symbols, generator=generator).argsort(1)  # (n, 6) a permutation in each row
    x = torch.randint(symbols, (n, SHOTS), generator=generator)
    return torch.stack([x, symbols + f.gather(1, x)], -1).flatten(1)


def bayes(tokens, *, symbols=SYMBOLS):
    """The exact predictive probabilities, eq. (34). tokens: (n, 32). Returns (n, 16, 6): before each value."""
    x, y = tokens[:, ::2], F.one_hot(tokens[:, 1::2] - symbols, symbols).float()  # (n, 16), (n, 16, 6)
    earlier = torch.ones(SHOTS, SHOTS).tril(-1)  # (16, 16): strictly before
    taken = (earlier @ y).clamp(max=1)  # (n, 16, 6) values that a shown symbol has
    shown = (x[:, :, None] == x[:, None, :]) * earlier  # (n, 16, 16) the same symbol, before
    known = (shown @ y).clamp(max=1)  # (n, 16, 6) its value, if it was shown
    guess = (1 - taken) / (1 - taken).sum(-1, keepdim=True).clamp(min=1)
    return torch.where(known.sum(-1, keepdim=True) > 0, known, guess)                             # (34)


def value_logits(model, tokens):
    """The model's logits for each value, asked at the symbol before it. tokens: (n, 32). Returns (n, 16, 6)."""
    return model(tokens)[:, ::2, SYMBOLS:]

# %% [markdown]
# **Check.** Eq. (34) against brute force: go through all maps of a smaller world (4 symbols, 24 maps), keep those that
# agree with the examples, count.

# %%
small_world = prompts(50, symbols=4, generator=torch.Generator().manual_seed(19))
for prompt, predicted in zip(small_world.tolist(), bayes(small_world, symbols=4), strict=True):
    asked, answers = prompt[::2], [token - 4 for token in prompt[1::2]]
    for shot in range(SHOTS):
        seen_pairs = set(zip(asked[:shot], answers[:shot], strict=True))
        agreeing = [f for f in itertools.permutations(range(4)) if all(f[a] == b for a, b in seen_pairs)]
        votes = torch.tensor([f[asked[shot]] for f in agreeing]).bincount(minlength=4)
        assert torch.allclose(predicted[shot], votes / len(agreeing))
print("50 prompts of 16 examples: eq. (34) equals the count over all maps, every time")

# %% [markdown]
# Now a GPT: two layers, width 32, rotary positions, trained on fresh prompts with the loss at the values only. It was
# never told that a prompt hides a map, that symbols repeat, or that values are taken once. (The weights come from a
# checkpoint: a couple of minutes on one core.) We compare its probabilities with (34), shot by shot. (The
# accuracy of Bayes' rule is its expectation, that of the GPT is counted on the drawn prompts: by luck it can come out a
# little above.)

# %%
icl = GPT(2 * SYMBOLS, 32, 2, 4, 2 * SHOTS, "rotary")
icl_facts = checkpoint("05_icl", icl)
icl = icl.to(device).eval()
exam = prompts(budget(smoke=200, cpu=2000, gpu=10_000), generator=torch.Generator().manual_seed(20))
truth = exam[:, 1::2] - SYMBOLS  # (n, 16)
with torch.no_grad():
    p_model = value_logits(icl, exam.to(device)).softmax(-1).cpu()
p_bayes = bayes(exam)
predictions = {"GPT": p_model, "Bayes": p_bayes}
accuracy_by_shot = {"GPT": (p_model.argmax(-1) == truth).float().mean(0), "Bayes": p_bayes.amax(-1).mean(0)}
loss_by_shot = {name: -p.gather(-1, truth[..., None])[..., 0].log().mean(0) for name, p in predictions.items()}
kl_to_bayes = torch.xlogy(p_bayes, p_bayes / p_model).sum(-1).mean()
for name, shares in accuracy_by_shot.items():
    some = ", ".join(f"{shares[shot]:.3f}" for shot in (0, 4, 8, 15))
    print(f"{name:6} accuracy after 0, 4, 8, 15 examples: {some}; mean loss {loss_by_shot[name].mean():.3f} nats")
assert loss_by_shot["GPT"].mean() < loss_by_shot["Bayes"].mean() + 0.2
assert accuracy_by_shot["GPT"][0] < 0.3 < 0.8 < accuracy_by_shot["GPT"][-1]
record(icl_accuracy=accuracy_by_shot["GPT"][-1], unit="accuracy after 15 examples in the prompt",
       paper=accuracy_by_shot["Bayes"][-1], source="eq. (34), exact")
record(icl_kl=kl_to_bayes, unit="nats a prediction, KL from Bayes' rule to the GPT")

# %% [markdown]
# Left: accuracy against the number of examples. Middle: how training went. Right: where the second layer looks.

# %%
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.3), width_ratios=(3, 3, 3))
axes[0].plot(accuracy_by_shot["Bayes"], color="black", linestyle="--", label="Bayes' rule")
axes[0].plot(accuracy_by_shot["GPT"], color=MODEL, marker=".", label="GPT")
axes[0].axhline(1 / SYMBOLS, color="gray", linewidth=1)
axes[0].set(xlabel="examples before the question", ylabel="accuracy", ylim=(0, 1), title="Learning from the prompt")
axes[0].legend(loc="center right")
icl_steps, icl_curve = zip(*json.loads(icl_facts["curve"]), strict=True)
axes[1].plot(icl_steps, icl_curve, color=MODEL)
axes[1].axhline(loss_by_shot["Bayes"].mean(), color="black", linestyle="--")
axes[1].axhline(math.log(SYMBOLS), color="gray", linewidth=1)
axes[1].set(xlabel="training step", ylabel="nats a value", ylim=(0, None), title="A plateau, then a fall")
with torch.no_grad():
    icl(exam[:200].to(device), keep=True)
looking = icl.blocks[1].attend.weights[:, :, ::2].cpu()  # (200, 4, 16, 32): from each question
same = exam[:200, ::2, None] == exam[:200, None, ::2]  # (200, 16, 16) question k asks for the symbol of example j ...
wanted = (same & torch.ones(SHOTS, SHOTS).tril(-1).bool()).repeat_interleave(2, -1)  # ... and j came before k
wanted[..., ::2] = False  # (200, 16, 32) the places of the values behind earlier copies
on_value = torch.stack([(looking[:, h] * wanted).sum(-1)[wanted.any(-1)].mean() for h in range(4)])
best_head = int(on_value.argmax())
axes[2].imshow(looking[0, best_head], cmap="Blues", vmin=0, vmax=1, aspect="auto")
axes[2].plot(*wanted[0].nonzero().T.flip(0), "s", color=MODEL, markersize=5, fillstyle="none", linestyle="none")
axes[2].set(xlabel="place in the prompt", ylabel="question", title=f"Layer 2, head {best_head + 1}")
axes[2].grid(visible=False)
plt.show()
print(f"symbol shown before: head {best_head + 1} of layer 2 puts {on_value[best_head]:.0%} of its weight "
      "on the values behind the earlier copies")

# %% [markdown]
# With no example the GPT guesses, one in six; with fifteen it is nearly always right, and in between it follows
# Bayes' rule closely, including the part that is not copying: as values are used up, it guesses among the remaining
# ones. The weights were the same throughout. What they hold is not a map but a *procedure*.
#
# Part of the procedure can be seen on the right. The small squares mark the places that hold the answer: the value
# that stood behind an earlier copy of the symbol in question. Nearly all the weight lies on them, and where a row has
# no square, because the symbol is new, the head looks at the question itself. Finding these places takes two steps,
# "note at each value which symbol stands before it" in the first layer, "look for the value whose note matches" in the
# second, and neither step is of use without the other. Olsson et al. (2022) found such **induction heads** in language
# models of many sizes, and saw them appear together with a sudden improvement of in-context learning. The middle
# picture has the same look: a plateau at guessing, a slope, and then a steep fall, almost down to Bayes' rule.
#
# Garg et al. (2022) did the same with linear functions, where Bayes' rule is least squares, and found that a trained
# transformer comes close to it. Our world is easier and smaller; the lesson is the same. To predict well on average
# over many tasks, a model has to learn to *infer* the task, and next-token prediction on varied data asks for exactly
# that.

# %% [markdown]
# ## Results
#
# What this notebook measured, collected for the results table of the course.

# %%
record(softmax_derivative_kept_by_scale=scale_gain, unit="times larger with the scale, d = 1024, 64 keys")
record(rotary_beyond_training=by_place["rotary"][29:].mean(), unit="accuracy, three back, places 32 to 95")
record(learned_beyond_training=by_place["learned"][29:].mean(), unit="accuracy, three back, places 32 to 95")
record(text_pairs=pair_nll, unit=f"nats/character, held out, {source}")
record(text_gpt_live_adam=with_adam.evals["held out"][-1], unit=f"nats/character, held out, {text_steps} steps")
record(text_gpt_live_muon=with_muon.evals["held out"][-1], unit=f"nats/character, held out, {text_steps} steps")
record(text_gpt=gpt_nll, unit=f"nats/character, held out, {'180 CPU-s, stored' if stored else 'live'}, {source}")
record(kv_cache_gain=kv_gain, unit=f"times faster, {L_new} tokens, 1 sequence, same tokens")

# %% [markdown]
# ## Takeaways
#
# - Attention is a dictionary whose question, keys and answers are learned and whose answer is a weighted mean. Divide
#   by $\sqrt d$, or it starts stubborn.
# - A mask turns one layer into an autoregressive model for *any* order: one comparison, provable by the gradient.
# - Heads share the width, the residual road carries the gradient, the norm keeps the numbers in reach.
# - Without positions a transformer sees a set. Rotary positions make scores depend on distances, which reach beyond
#   what was trained.
# - $24nD^2 + 4n^2D$: width is the price up to $n = 6D$, length beyond. In practice memory traffic matters as much as
#   operations.
# - Generation repeats itself unless keys and values are kept; the tokens are identical, the price is memory.
# - A model trained on many tasks at once can learn to infer the task from its context, with its weights unchanged.
# - A likelihood says how good a text model is only with its unit, its held-out text and its context protocol.
#
# ## Exercises
#
# 1. Show that $\operatorname{softmax}(QK^\top/\sqrt d)$ with one query equal to one key need not put its largest
#    weight there. When must it?
# 2. Draw the weights of `attention` for queries and keys that are sinusoids (13), without any content. Which
#    distances are confused?
# 3. Change the task of section 5 to "the symbol that followed the last time this symbol occurred". Which positions
#    does it need, and how many layers? (Two, says the literature on induction heads. Look at the maps.)
# 4. Give `MultiHead` fewer key and value heads than query heads (Shazeer 2019 goes down to one). What happens to eq.
#    (20), and to the loss after 180 seconds?
# 5. The mask of eq. (8) wastes half of $4n^2D$. Cut the sequence in blocks and skip those above the diagonal. How
#    close do you come to half the time at $n = 2048$?
# 6. In `generate`, let the cached version slide: when the context is full, drop the oldest place. Why is this *not*
#    what the uncached version with cropping computes, even with rotary positions?
#
# ## References
#
# - E. A. Nadaraya (1964). On estimating regression. *Theory of Probability and its Applications* 9(1), 141-142.
#   [doi:10.1137/1109020](https://doi.org/10.1137/1109020).
# - G. S. Watson (1964). Smooth regression analysis. *Sankhya A* 26(4), 359-372.
#   [jstor.org](https://www.jstor.org/stable/25049340).
# - A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser, I. Polosukhin (2017). Attention
#   is all you need. [arXiv:1706.03762](https://arxiv.org/abs/1706.03762).
# - A. Radford, K. Narasimhan, T. Salimans, I. Sutskever (2018). Improving language understanding by generative
#   pre-training. OpenAI.
#   [PDF](https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf).
# - A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever (2019). Language models are unsupervised multitask
#   learners. OpenAI.
#   [PDF](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf).
# - R. Sennrich, B. Haddow, A. Birch (2016). Neural machine translation of rare words with subword units. ACL.
#   [arXiv:1508.07909](https://arxiv.org/abs/1508.07909).
# - R. Child, S. Gray, A. Radford, I. Sutskever (2019). Generating long sequences with sparse transformers.
#   [arXiv:1904.10509](https://arxiv.org/abs/1904.10509).
# - M. Chen, A. Radford, R. Child, J. Wu, H. Jun, D. Luan, I. Sutskever (2020). Generative pretraining from pixels.
#   ICML. [proceedings.mlr.press](https://proceedings.mlr.press/v119/chen20s.html).
# - C. Olsson et al. (2022). In-context learning and induction heads.
#   [arXiv:2209.11895](https://arxiv.org/abs/2209.11895).
# - S. Garg, D. Tsipras, P. Liang, G. Valiant (2022). What can transformers learn in-context? A case study of simple
#   function classes. *Advances in Neural Information Processing Systems* 35.
#   [arXiv:2208.01066](https://arxiv.org/abs/2208.01066).
# - N. Shazeer (2019). Fast transformer decoding: one write-head is all you need.
#   [arXiv:1911.02150](https://arxiv.org/abs/1911.02150).
# - R. Xiong et al. (2020). On layer normalization in the transformer architecture.
#   [arXiv:2002.04745](https://arxiv.org/abs/2002.04745).
# - J. Su, Y. Lu, S. Pan, A. Murtadha, B. Wen, Y. Liu (2021). RoFormer: enhanced transformer with rotary position
#   embedding. [arXiv:2104.09864](https://arxiv.org/abs/2104.09864).
# - T. Dao, D. Y. Fu, S. Ermon, A. Rudra, C. Re (2022). FlashAttention: fast and memory-efficient exact attention with
#   IO-awareness. [arXiv:2205.14135](https://arxiv.org/abs/2205.14135).
# - A. Haviv, O. Ram, O. Press, P. Izsak, O. Levy (2022). Transformer language models without positional encodings still
#   learn positional information. [arXiv:2203.16634](https://arxiv.org/abs/2203.16634).
# - A. Karpathy (2022). nanoGPT. [github.com/karpathy/nanoGPT](https://github.com/karpathy/nanoGPT). The recipe for
#   CPUs.
# - K. Jordan et al. (2024). Muon: an optimizer for hidden layers in neural networks.
#   [kellerjordan.github.io/posts/muon](https://kellerjordan.github.io/posts/muon).
