# ---
# jupyter:
#   course:
#     title: "05 Transformers"
#     summary: "attention, heads, rotary positions, the block, its cache, byte-pair merges and truncated sampling"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 05: A transformer that writes manuals
# You build every moving part of a small language model: the look-up that it is made of, the mask that keeps it honest,
# the block that is stacked, the cache that makes it fast, the tokens it can read, and the dice that choose its
# next word. At the end your parts are put together, trained for half a minute on the Python manual, and asked to write
# some more of it.
#
# **Afterwards you can** write attention with any mask, also where a query may look at nothing; split a width into
# heads; give a model a sense of distance by rotation; assemble a pre-norm block and prove that it does not see the
# future; decode with a cache that gives the very numbers of the full pass; learn byte-pair merges and undo them;
# truncate a distribution to its $k$ best values or to its nucleus.
#
# **Needs** lecture 05, matrix products and broadcasting in PyTorch. No GPU.
# About two hours, 9 tasks, 24 points. Tasks 1, 2, 3, 7 and 9 stand alone (the check of 2 uses 1); 4 uses 1 and 3,
# 5 uses 2 and 4, 6 uses 1 and 3 to 5, 8 uses 7.
#
# **How it works.** Replace the line `raise NotImplementedError(...)` of a task, run the cell, then run the check below
# it. Keep the names and the arguments of the functions: the checks call them. A check draws inputs with `fresh`, feeds
# your function with them and shows at once, for each value that it compares, pass or fail, the shape and a hint. Points
# are shared equally by the values of a check, so half an answer earns its half. That badge is help; the grade is
# computed later in the same way with *other* inputs, so only code that computes the answer earns points. A task you
# left out or got wrong does not cost you the later ones in the grade: there the solution stands in for it. Here it does
# (task 5 needs your task 4), so mend the tasks in their order. To go on at a later section, put the cursor there and
# choose *Run > Run All Above Selected Cell*: that does not stop at a task that is not done. In Colab save a copy in
# Drive first (*File* menu); *Runtime > Run before* does it there. Add cells wherever you like; edits to a check cell
# are ignored.

# %%
import math
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from einops import rearrange

from utils.data import digits, manual_text
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import progress

use_style()

# %% [markdown]
# ## 1 Attention, with any mask
# **4 points · 20 minutes · medium**
#
# A dictionary answers a query with the value of the one key that is equal to it. Attention answers with an average of
# *all* values, weighted by how well their keys fit. How well a key fits is an inner product, and a softmax
# makes the $m$ inner products of one query into $m$ weights that add up to 1:
# $$w_{ij} = \frac{M_{ij}\, e^{s_{ij}}}{\sum_{l=1}^{m} M_{il}\, e^{s_{il}}}, \qquad
# s_{ij} = \frac{q_i \cdot k_j}{\sqrt d}, \qquad o_i = \sum_{j=1}^{m} w_{ij} v_j \tag{1}$$
# The mask $M_{ij}$ is 1 (`True`) where query $i$ may look at key $j$ and 0 where it must not. A forbidden key gets the
# weight 0, exactly 0, and the others share the 1 among them.
#
# One case is easily forgotten. Some rows of a mask may be `False` everywhere: the first pixel of a picture may look at
# no pixel at all. Then (1) reads 0/0, and a `nan` there spreads through a whole network in two layers. Define it
# away: **who may look at nothing gets weights 0 and the output 0**, and finite gradients.
#
# <details><summary>Hint 1: the idea</summary>
#
# Fill the forbidden scores with a very negative number before the softmax, and their exponentials vanish. For a row
# that is forbidden everywhere this is not enough: all scores are then the same very negative number, and the softmax
# turns them into $1/m$ each (or, for $-\infty$, into `nan`).
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `q @ k.transpose(-2, -1)` multiplies the last two axes and leaves the ones before alone, however many there are.
# `scores.masked_fill(~mask, value)` broadcasts. The most negative number of a dtype is `torch.finfo(scores.dtype).min`.
# After the softmax, multiply by the mask: 1 for what was allowed, 0 for what was not.
#
# </details>


# %% task="attention" points=4 minutes=20
def attention(q, k, v, mask=None):
    """Scaled dot-product attention, eq. (1): every query averages the values of the keys that it may look at.

    q: (..., n, d), k: (..., m, d), v: (..., m, e), float; any number of leading axes, also none. They stay as they are.
    mask: None (all may be seen) or bool, broadcastable to (..., n, m), True = may look. A row may be False throughout.
    Returns (output (..., n, e), weights (..., n, m)), both with the dtype of q and in torch operations. Each row of
    weights sums to 1, or is 0 where nothing may be seen.
    The check tries d unlike e, scores of several hundred, masks (n, m) and (B, 1, n, m), gradients beside empty rows.
    """
    # BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (..., n, m)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)  # (1)
    if mask is not None:
        weights = weights * mask  # changes only the rows in which nothing may be seen
    return weights @ v, weights
    # END SOLUTION


# %% check="attention" points=2
# Without a mask: weights that add up to 1 over the keys, values averaged with them, also for scores in the hundreds.
q, k, v = fresh(2, 3, 4, 6), fresh(2, 3, 5, 6), fresh(2, 3, 5, 7)
output, weights = attention(q, k, v)
check(
    weights=weights,
    atol=1e-5,
    hint="(2, 3, 4, 5), each row of 5 adds up to 1. Columns that do: softmax over the queries. Too sharp or too flat: "
    "the scale is 1 / sqrt(d) with the width d of q and k, not 1 / d, not the width of v, not the number of keys.",
)
check(output=output, atol=1e-5, hint="(2, 3, 4, 7): the weights times the values. Shape or numbers of k: mixed up v?")
check(
    one_matrix_each=attention(q[0, 0], k[0, 0], v[0, 0])[0],
    atol=1e-5,
    hint="No leading axes at all: transpose the last two axes by -2 and -1, and sum over the last, whatever their "
    "number.",
)
check(
    large_scores=attention(q, 200 * fresh(2, 3, 1, 6) + k, v)[0],
    atol=3e-3,
    hint="Scores of several hundred, whose differences are small. nan or inf, or rows of 0: exponentiated without "
    "taking the largest off first; softmax does that.",
)

# %% check="attention" points=2
# With masks: what is forbidden has weight 0, the rest adds up to 1, and empty rows give zeros and finite gradients.
q, k, v = fresh(2, 3, 4, 6), fresh(2, 3, 5, 6), fresh(2, 3, 5, 7)
mask = (fresh(4, 5) > 0) | (torch.arange(5) == torch.tensor([0, 3, 1, 4])[:, None])  # no row is empty
output, weights = attention(q, k, v, mask)
check(
    masked_weights=weights,
    atol=1e-5,
    hint="A mask (4, 5), True = may look. The wrong ones are 0: read the other way round. Rows that add up to less "
    "than 1: masked after the softmax only. Small weights where 0 should be: a fill that is not negative enough.",
)
holes = fresh(2, 1, 4, 5) > 0
holes[:, :, 1] = False
holes[0, :, 3] = False
output, weights = attention(q, k, v, holes)
check(
    some_rows_empty=torch.cat([weights, output], -1),
    atol=1e-5,
    hint="A mask (2, 1, 4, 5) in which query 1, and once query 3, may look at nothing: weights and output 0 there. "
    "nan: a softmax over -inf only. Equal numbers: a softmax over one and the same fill.",
)
leaves = [x.clone().requires_grad_() for x in (q, k, v)]
output, _ = attention(*leaves, holes)
(output * fresh(2, 3, 4, 7)).sum().backward()
check(
    gradients=torch.cat([x.grad.flatten() for x in leaves]),
    atol=1e-5,
    hint="Gradients in q, k and v with empty rows. nan only here: a nan was replaced afterwards, and its gradient was "
    "not. Give the softmax finite numbers. All 0 or none: detached, or not written in torch.",
)
check(
    empty_without_axes=torch.cat(attention(q[1, 2], k[1, 2], v[1, 2], torch.arange(4)[:, None] > torch.arange(5)), 1),
    atol=1e-5,
    hint="Query i may look at the keys before i, and query 0 at none; no leading axes; output beside weights.",
)

# %% [markdown]
# **Look.** A look-up needs no training. The queries below are upper halves of digits, the keys are the upper halves
# of 3,000 *other* digits, the values their lower halves: your `attention` completes what it has never seen. The factor
# on the query is how picky it is. With a small one everybody's lower half is averaged, with a large one the nearest
# neighbour's is copied.

# %%
images, labels = digits(4000)
pixels = (images > 127).flatten(1).float()  # (4000, 784), in {0, 1}
upper = pixels[:, :392] - pixels[:3000, :392].mean(0)
upper = upper / upper.norm(dim=1, keepdim=True) * math.sqrt(392)
shown = [pixels[3000:3012]]
for factor in (0.03, 1.0, 10.0):
    lower, memory = attention(factor * upper[3000:3012], upper[:3000], pixels[:3000, 392:])
    print(f"factor {factor:5.2f}: the largest weight is {memory.max(1).values.mean():.3f} on average")
    shown.append(torch.cat([pixels[3000:3012, :392], lower], 1))
ax = show_images(torch.cat(shown).reshape(-1, 28, 28), columns=12, zoom=2)
ax.set_title("the digits; then completed with factor 0.03, 1 and 10")
plt.show()

# %% [markdown]
# ## 2 A mask for any order
# **2 points · 9 minutes · easy**
#
# A model of $n$ numbers may generate them in any order. Let $\pi_0, \pi_1, \dots, \pi_{n-1}$ be the positions in the
# order of their generation: position $\pi_0$ comes first. Position $i$ may look at $j$ only if $j$ is there already:
# $$M_{ij} = 1 \iff r_j \le r_i, \qquad \text{where } r_{\pi_t} = t \tag{2}$$
# is the *rank* of a position, its time of birth. With $\le$ a position sees itself, which is right in a language model,
# where the vector at $i$ is the token $i$ and the output is about the next one. With $<$ it does not, which is right
# where the output of the layer at $i$ is about $x_i$ itself (and no residual carries $x_i$ past the mask). For the
# order $0, 1, \dots, n-1$ this is the causal mask.
#
# <details><summary>Hint 1: the idea</summary>
#
# The order lists positions by time. The mask needs times by position. One is the inverse permutation of the other, and
# they are equal only by accident: try $\pi = (2, 0, 1)$ by hand.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `order.argsort()` is the inverse of a permutation. Then one comparison, `rank[None, :]` against `rank[:, None]`.
# Which of the two runs along a row?
#
# </details>


# %% task="order_mask" points=2 minutes=9
def order_mask(order, *, itself=True):
    """Who may look at whom when the positions are generated in this order, eq. (2).

    order: (n,) int64, a permutation of 0..n-1: order[t] is the position that is generated at time t.
    Returns (n, n) bool: entry [i, j] is True where i may look at j; the diagonal is True if `itself`, else False.
    The check tries the natural order, the reversed one and random ones.
    """
    # BEGIN SOLUTION
    rank = order.argsort()  # (n,): when each position is generated
    earlier, now = rank[None, :], rank[:, None]
    return earlier <= now if itself else earlier < now  # (2)
    # END SOLUTION


# %% check="order_mask" points=2
# What is forbidden, and what attention makes of it, for natural, reversed and random orders.
plain = [torch.arange(9), torch.arange(9).flip(0)]
mixed = [fresh(9).argsort() for _ in range(4)]
check(
    forbidden_in_a_row=[(~torch.as_tensor(order_mask(order))).float().tolist() for order in plain],
    hint="0, 1, ..., 8 and 8, ..., 1, 0. The first is the causal mask: False above the diagonal. Transposed: i and j "
    "swapped. All 0, or an error: it must be bool.",
)
check(
    forbidden_in_random_order=[(~torch.as_tensor(order_mask(order))).float().tolist() for order in mixed],
    hint="Four random orders. Right above and wrong here: the order was compared in place of the ranks, its inverse.",
)
check(
    forbidden_without_itself=[
        (~torch.as_tensor(order_mask(order, itself=False))).float().tolist() for order in plain + mixed
    ],
    hint="itself=False: < in place of <=, so that no position sees itself and the first sees nothing.",
)
x = fresh(9, 4).requires_grad_()
seen = torch.stack([attention(x.detach(), x.detach(), x, order_mask(order, itself=False))[0] for order in mixed], 1)
felt = [torch.autograd.grad(seen[i, :, 0].sum(), x, retain_graph=True)[0][:, 0] for i in range(9)]
check(
    who_feels_whom=torch.stack(felt),
    atol=1e-5,
    hint="Row i: the gradient of output i, added up over four orders, in all nine inputs. It is 0 for i itself and, in "
    "each order, for all that is born later.",
)

# %% [markdown]
# **Look.** What one pixel of an 8 x 8 picture may see (orange; itself in blue), in raster order, along a snake, and
# in a random order. All three are valid factorisations of $p(x)$. In a random order the same pixel stands amid
# scattered context, and a model trained on many orders can complete any part of a picture from any other.

# %%
side, pixel = 8, 28
raster = torch.arange(side**2)
snake = raster.reshape(side, side).clone()
snake[1::2] = snake[1::2].flip(1)
shuffled = torch.randperm(side**2, generator=torch.Generator().manual_seed(5))
fig, axes = plt.subplots(2, 3, figsize=(8, 5.4))
for (name, order), (top, bottom) in zip(
    {"raster": raster, "snake": snake.flatten(), "random": shuffled}.items(), axes.T, strict=True
):
    seen = torch.tensor([1.0, 1.0, 1.0]).repeat(side**2, 1)
    seen[order_mask(order, itself=False)[pixel]] = torch.tensor([0.84, 0.37, 0.0])
    seen[pixel] = torch.tensor([0.0, 0.45, 0.70])
    top.imshow(seen.reshape(side, side, 3))
    top.set_title(f"{name}: seen by pixel {pixel}")
    bottom.imshow(order_mask(order), cmap="Greys")
    bottom.set(xlabel="j", ylabel="i" if name == "raster" else "")
    top.set(xticks=[], yticks=[])
    top.spines[:].set_visible(True)
    bottom.grid(False)
    top.grid(False)
plt.show()

# %% [markdown]
# ## 3 Positions by rotation
# **2 points · 12 minutes · medium**
#
# Shuffle keys and values together and attention answers the same: it looks at a set, not at a sequence. The
# order has to be put into the vectors. Rotary embedding (Su et al. 2021) cuts a vector of width $d$ into $d/2$ pairs,
# here $(x_c, x_{c+d/2})$, one number from the first half and one from the second, and turns each, as an arrow in its
# plane, by an angle in proportion to the position $t$:
# $$\begin{pmatrix} y_c \\ y_{c+d/2} \end{pmatrix} = \begin{pmatrix} \cos t\omega_c & -\sin t\omega_c \\
# \sin t\omega_c & \cos t\omega_c \end{pmatrix} \begin{pmatrix} x_c \\ x_{c+d/2} \end{pmatrix}, \qquad
# \omega_c = 10000^{-2c/d}, \quad c = 0, \dots, \tfrac d2 - 1 \tag{3}$$
# Turn a query by its position and a key by its own: their inner product then depends on the two angles only through
# their *difference*. So "three places back" looks the same at the beginning of a text and at its end. The first pair is
# a fast hand of a clock, the last a slow one. (Other programs pair neighbours, $x_{2c}$ with $x_{2c+1}$. That is as
# good, but weights trained with the one are useless with the other, so a convention has to be kept.)
#
# <details><summary>Hint 1: the idea</summary>
#
# The first half of the columns holds all first components, the second half all second ones; both are (..., n, d/2).
# The angles are a table (n, d/2): positions down, speeds across.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `first, second = x.chunk(2, dim=-1)`. The speeds come from `torch.arange(0, d, 2)`, which is $2c$. The angles
# broadcast over all leading axes. At the end `torch.cat([...], dim=-1)` puts the two halves side by side again.
#
# </details>


# %% task="rotary" points=2 minutes=12
def rotary(x, positions):
    """Turn the pair (x[c], x[c + d/2]) of each row by the angle positions * 10000^(-2c/d), counterclockwise, eq. (3).

    x: (..., n, d) float, d even; it stays as it is. positions: (n,), whole or not, in any order, also negative.
    Returns (..., n, d): each row keeps its length, and position 0 leaves it as it is.
    The check tries other positions than 0, 1, 2, ..., and inner products of rows moved together.
    """
    # BEGIN SOLUTION
    d = x.shape[-1]
    speed = 10000 ** (-torch.arange(0, d, 2) / d)  # (d / 2,)
    angle = positions[:, None] * speed  # (n, d / 2)
    first, second = x.chunk(2, dim=-1)  # (..., n, d / 2) each
    turned = first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()  # (3)
    return torch.cat(turned, dim=-1)  # (..., n, d)
    # END SOLUTION


# %% check="rotary" points=2
# The right pairs turned by the right angles, so that inner products know the difference of positions only.
x, y = fresh(2, 3, 5, 8), fresh(2, 3, 7, 8)
check(
    turned=rotary(x, torch.arange(5)),
    atol=1e-4,
    hint="Position 0 stays as it is. Wrong from 1 on: does x[c] go with x[c + d/2], not with its neighbour? Is the "
    "sense of turning that of (3)? The last pair's speed is 10000^(-(d-2)/d).",
)
check(
    other_positions=rotary(x, torch.tensor([3.5, -2.0, 400.0, 0.0, 7.0]) + fresh(5)),
    atol=1e-4,
    hint="Positions that are not 0, 1, 2, ... and not whole. Numbers of the first value: positions is not used.",
)
moved = [rotary(x, torch.arange(5) + by) @ rotary(y, torch.arange(7) + by).transpose(-2, -1) for by in (0, 90, -25)]
check(
    inner_products_moved_together=torch.stack(moved),
    atol=1e-3,
    hint="Inner products of 5 with 7 rows, at positions all moved by 0, 90 and -25: three times the same. Different: a "
    "rotation needs -sin in one place and +sin in the other, with one angle for both members of a pair.",
)
check(
    one_matrix=rotary(fresh(3, 2), torch.tensor([1, 0, 2])),
    atol=1e-4,
    hint="(3, 2), no leading axes: one pair, speed 1.",
)

# %% [markdown]
# **Look.** One random vector of width 32, as query and as key at a growing distance. Left, the score: largest at
# distance 0, and the same curve wherever the query stands. Right, the hands of the clock: fast ones tell neighbours
# apart, slow ones pages.

# %%
vector = torch.randn(1, 32, generator=torch.Generator().manual_seed(0)).expand(200, 32)
fig, (left, right) = plt.subplots(1, 2)
for start, style in ((0, "-"), (50, "--")):
    at = start + torch.arange(100)
    score = rotary(vector[:1], at[:1]) @ rotary(vector[:100], at).T / math.sqrt(32)
    left.plot(score[0], style, color=MODEL if start else DATA, label=f"query at {start}")
left.set(xlabel="distance", ylabel="score")
left.legend()
for pair in (0, 2, 4, 6, 8):
    clock = torch.eye(32)[pair].expand(100, 32)
    right.plot(rotary(clock, torch.arange(100))[:, pair], label=f"pair {pair}")
right.set(xlabel="position", ylabel="cosine of its angle")
right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## 4 Many heads
# **3 points · 15 minutes · medium**
#
# One softmax can point at one thing. Language wants several at a time: the subject of this verb, the bracket that is
# still open. So the width $D$ is cut into $H$ heads of width $d = D/H$, each with queries, keys and values of its
# own, and what they found is laid side by side and mixed:
# $$\text{head}_h = \mathrm{attention}(R\,(xW_q)_h,\; R\,(xW_k)_h,\; (xW_v)_h,\; M), \qquad
# y = [\,\text{head}_1, \dots, \text{head}_H\,]\, W_o \tag{4}$$
# where $(\cdot)_h$ are the columns $(h-1)d, \dots, hd - 1$, and $R$ turns queries and keys (never the values) by their
# positions as in (3), if positions are given. Note that $H$ changes neither the number of parameters nor that of
# multiplications by much: many narrow look-ups cost what a wide one costs.
#
# The classic mistake is a `reshape` that has the right shape and the wrong contents: (B, n, D) reshaped straight to
# (B, H, n, d) mixes positions with heads, runs, even trains, and learns little.
#
# <details><summary>Hint 1: the idea</summary>
#
# Cut the last axis in two, head first, then *move* the head axis before the positions. Only moving exchanges
# axes; reshaping never does.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `rearrange(x, "b n (h d) -> b h n d", h=heads)` and the same backwards for the merge. In `multi_head` the mask (n, n)
# broadcasts over batch and heads; the width in the scale of (1) is now $d$, which `attention` sees by itself.
#
# </details>


# %% task="multi_head" points=3 minutes=15
def split_heads(x, heads):
    """(B, n, D) -> (B, heads, n, D / heads): head h gets the columns from h D / heads on, h counted from 0."""
    # BEGIN SOLUTION
    return rearrange(x, "b n (h d) -> b h n d", h=heads)
    # END SOLUTION


def merge_heads(x):
    """(B, heads, n, d) -> (B, n, heads d), the inverse of split_heads."""
    # BEGIN SOLUTION
    return rearrange(x, "b h n d -> b n (h d)")
    # END SOLUTION


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    """Multi-head self-attention, eq. (4).

    x: (B, n, D). Wq, Wk, Wv, Wo: (D, D), applied as x @ W. heads: divides D, and D / heads is even.
    mask: None or (n, n) bool, for `attention`. positions: None or (n,), for `rotary` of queries and keys in every head.
    Returns (B, n, D). The check tries several numbers of heads, and the same rows of x in another order.
    """
    # BEGIN SOLUTION
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))  # (B, heads, n, d) each
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    found, _ = attention(q, k, v, mask)
    return merge_heads(found) @ Wo  # (4)
    # END SOLUTION


# %% check="multi_head" points=1
# Heads are columns: cut and put back.
x = fresh(2, 3, 12)
check(
    split=split_heads(x, 3),
    hint="(2, 3, 3, 4): head 0 has columns 0 to 3 of every position. Right shape, wrong numbers: reshaped in place of "
    "moved, or every third column taken.",
)
check(
    merged=merge_heads(fresh(2, 4, 3, 6)),
    hint="(2, 3, 24): the heads of one position side by side, head 0 first.",
)

# %% check="multi_head" points=2
# The whole of (4), for several numbers of heads, with mask, with positions, and without knowing the order.
x, matrices = fresh(2, 5, 8), [fresh(8, 8) / 2 for _ in range(4)]
check(
    heads=torch.stack([multi_head(x, *matrices, heads) for heads in (1, 2, 4)]),
    atol=1e-4,
    hint="1, 2 and 4 heads. Only the first right: the split, or a scale by sqrt(D) where it is sqrt(D / heads). "
    "None right: x @ W without a transpose, and Wo at the end.",
)
mask = fresh(5, 5) > 0
mask[2] = False
check(
    masked=multi_head(x, *matrices, 2, mask=mask),
    atol=1e-4,
    hint="A mask of any pattern, row 2 empty. Numbers of no mask: it is not passed on.",
)
check(
    with_positions=multi_head(x, *matrices, 2, positions=torch.tensor([9, 2, 3, 4, 31]), mask=mask),
    atol=1e-4,
    hint="Queries and keys are turned, values are not, after the split: every head has its own fast and slow pairs.",
)
shuffled = fresh(5).argsort()
check(
    shuffled=multi_head(x[:, shuffled], *matrices, 4),
    atol=1e-4,
    hint="Without positions and mask, the rows of x in another order give the same rows of y in that order. If not: "
    "positions have slipped in, or other rows and columns are mixed.",
)

# %% [markdown]
# **Look.** Is it true that attention without positions sees a bag of words? Here are four one-hot tokens in all
# their 24 orders, and what the last token gets as its answer. Without positions it depends on which token that is,
# and on nothing else; with them every order has an answer of its own.

# %%
dice = torch.Generator().manual_seed(3)
matrices = [torch.randn(4, 4, generator=dice) for _ in range(4)]
orders = torch.cartesian_prod(*[torch.arange(4)] * 4)
orders = orders[[len(set(row.tolist())) == 4 for row in orders]]
orders = orders[orders[:, -1].argsort(stable=True)]
fig, ax = plt.subplots(figsize=(8, 2.6))
for positions, color, name in ((None, DATA, "without positions"), (torch.arange(4), MODEL, "with positions")):
    answer = multi_head(torch.eye(4)[orders], *matrices, 2, positions=positions)[:, -1, 0]
    ax.plot(answer, "o", color=color, label=name, ms=5)
    print(f"{name}: {len(answer.mul(1e4).round().unique())} different answers")
ax.set(xlabel="order of the four tokens (sorted by the last one)", ylabel="first number of y")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## 5 The block
# **3 points · 16 minutes · medium**
#
# A transformer is one block, stacked. The block has two halves. In the first, positions talk to each other; in the
# second, every position thinks alone. Both *add* something to what is there, and both look at a normalised copy of
# it (pre-norm): the sum itself runs through the whole stack untouched, and so does its gradient.
# $$x' = x + \mathrm{multihead}(\mathrm{norm}_1(x)), \qquad
# x'' = x' + W_2^\top\,\mathrm{gelu}\big(W_1^\top\, \mathrm{norm}_2(x') + b_1\big) + b_2 \tag{5}$$
# The attention is causal, with the rotary positions $0, \dots, n-1$. $\mathrm{norm}$ is layer normalisation over the
# width: mean 0 and variance 1 over the $D$ numbers of one position, then times a gain, plus a bias. $\mathrm{gelu}(z) =
# z\,\Phi(z)$ with the normal distribution function $\Phi$ is a rounded ReLU.
#
# The parameters of a block stand in a dictionary `p`; the next cell makes one.


# %%
def init_block(D, *, generator=None):
    """The parameters of one block of width D, as `block` takes them: a dictionary of tensors."""

    def matrix(rows, columns):
        return torch.randn(rows, columns, generator=generator) / math.sqrt(rows)

    return {
        "gain1": torch.ones(D), "bias1": torch.zeros(D),  # the first norm
        "Wq": matrix(D, D), "Wk": matrix(D, D), "Wv": matrix(D, D), "Wo": matrix(D, D) / 4,
        "gain2": torch.ones(D), "bias2": torch.zeros(D),  # the second norm
        "W1": matrix(D, 4 * D), "b1": torch.zeros(4 * D), "W2": matrix(4 * D, D) / 4, "b2": torch.zeros(D),
    }  # fmt: skip


# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Two statements of the form `x = x + something(norm(x))`. What the second half normalises is the sum that the first
# half has made, not the input of the block.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `F.layer_norm(x, (D,), gain, bias)` and `F.gelu`. You have written the mask (`order_mask`) and the rest
# (`multi_head` with `mask=` and `positions=`). In code, vectors are rows: `norm @ W1 + b1`.
#
# </details>


# %% task="block" points=3 minutes=16
def feed_forward(x, p):
    """The second half of the block, eq. (5): x + gelu(norm2(x) @ W1 + b1) @ W2 + b2, for each position alone.

    x: (..., D). p: see `block`. Returns (..., D).
    """
    # BEGIN SOLUTION
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]  # (5)
    # END SOLUTION


def block(x, p, heads):
    """A causal pre-norm transformer block, eq. (5), with rotary positions 0, ..., n-1.

    x: (B, n, D), n >= 1; it stays as it is. p: a dictionary of tensors: gain1, bias1, gain2, bias2, b2: (D,);
    Wq, Wk, Wv, Wo: (D, D); W1: (D, F); b1: (F,); W2: (F, D). The norms add 1e-5 to the variance; gelu is z Phi(z).
    Returns (B, n, D). The check switches the halves off in turn and looks at the gradient of each output in each input.
    """
    # BEGIN SOLUTION
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)  # (5)
    return feed_forward(x, p)
    # END SOLUTION


# %% check="block" points=1
# The halves, one at a time: with Wo = 0 positions stay alone, with W2 = 0 they only talk.
sizes = dict.fromkeys(["Wq", "Wk", "Wv", "Wo"], (8, 8)) | {"W1": (8, 20), "W2": (20, 8), "b1": (20,)}
sizes |= dict.fromkeys(["gain1", "bias1", "gain2", "bias2", "b2"], (8,))
p = {name: fresh(*size) / len(size) for name, size in sizes.items()}
x = 2 * fresh(2, 6, 8) + 1
check(
    alone=torch.stack([feed_forward(x, p), block(x, p | {"Wo": 0 * p["Wo"]}, 2)]),
    atol=2e-3,
    hint="feed_forward, and the block with Wo = 0: twice the same numbers. Small where x is large: no residual. Wrong: "
    "is norm2 before W1 (not after), with its gain and bias, over the last axis? gelu between the two, b1 inside "
    "it?",
)
silent = p | {"W2": 0 * p["W2"], "b2": 0 * p["b2"]}
check(
    talking=torch.stack([block(x, silent, heads) for heads in (1, 2, 4)]),
    atol=1e-3,
    hint="The MLP switched off, 1, 2 and 4 heads: x plus the attention of norm1(x), causal, rotary positions 0 to n-1.",
)

# %% check="block" points=2
# The whole block: values, and who feels whom.
sizes = dict.fromkeys(["Wq", "Wk", "Wv", "Wo"], (8, 8)) | {"W1": (8, 20), "W2": (20, 8), "b1": (20,)}
sizes |= dict.fromkeys(["gain1", "bias1", "gain2", "bias2", "b2"], (8,))
p = {name: fresh(*size) / len(size) for name, size in sizes.items()}
x = 2 * fresh(2, 6, 8) + 1
check(
    values=block(x, p, 2),
    atol=5e-3,
    hint="Both halves right and this wrong: the second half normalises the sum x', not the block's input, and adds to "
    "it.",
)
check(
    beginnings=torch.cat([block(x[:1, :n], p, 4) for n in (2, 4, 5)], 1),
    atol=5e-3,
    hint="The first 2, 4 and 5 positions alone give what they give in the whole sequence: they do not see the future.",
)
check(
    one_position=block(x[:, :1], p, 2),
    atol=5e-3,
    hint="A sequence of length 1 looks at itself only: its attention is the value, whatever query and key are.",
)
leaf = x[:1].clone().requires_grad_()
out = (block(leaf, p, 2) * fresh(8)).sum(2)[0]  # (6,)
felt = torch.stack([torch.autograd.grad(out[i], leaf, retain_graph=True)[0][0] for i in range(6)])  # (6, 6, 8)
check(
    who_feels_whom=felt.abs().sum(2),
    rtol=1e-2,
    atol=5e-3,
    hint="Entry [i, j]: how much output i moves with input j. Above the diagonal it is exactly 0. Transposed mask: "
    "zeros below. No mask: none at all. Zeros on the diagonal: a position must see itself.",
)

# %% [markdown]
# **Look.** Two blocks with random weights, at start: what does each output feel? Nothing of the future, most of itself
# (that is the residual path), a little of everything before.

# %%
dice = torch.Generator().manual_seed(0)
stack = [init_block(32, generator=dice) for _ in range(2)]
leaf = torch.randn(1, 24, 32, generator=dice, requires_grad=True)
out = leaf
for p in stack:
    out = block(out, p, 4)
probe = torch.randn(32, generator=dice)
felt = torch.stack([torch.autograd.grad((out[0, i] * probe).sum(), leaf, retain_graph=True)[0][0] for i in range(24)])
fig, ax = plt.subplots(figsize=(4.6, 3.6))
picture = ax.imshow(felt.norm(dim=2).log10().clamp(min=-4), cmap="viridis")
ax.set(xlabel="input j", ylabel="output i", title="two blocks, log10 of the gradient's length")
ax.grid(False)
fig.colorbar(picture)
plt.show()

# %% [markdown]
# ## 6 The cache
# **3 points · 18 minutes · hard**
#
# To write $n$ tokens one after the other, `block` would be run on 1, 2, ..., $n$ positions, and nearly all of it
# would be done again and again. Causality makes it unnecessary. What a position has computed depends on nothing that
# comes later, so it never changes; and a later position asks it for two things only, its key and its value. Keep
# those two, and a new token costs one row of everything:
# $$K_t = [K_{t-1};\; R_t k_t], \qquad V_t = [V_{t-1};\; v_t], \qquad
# o_t = \mathrm{attention}(R_t q_t, K_t, V_t) \tag{6}$$
# No mask is needed any more: what is not there cannot be seen. The new token's position $t$ is the number of
# tokens that are in the cache already. This is no approximation: up to rounding, it is what the full pass computes.
#
# Do not write into the cache that you are given: return a longer one. Somebody may want to continue the same
# beginning in two ways.
#
# <details><summary>Hint 1: the idea</summary>
#
# It is the block for a sequence of length one, with three differences: its position is $t$, not 0; keys and values
# of the past are put before its own; and the mask is gone. The second half of the block needs no change at all.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `x[:, None]` is a sequence of length one. `split_heads(normed @ p["Wq"], heads)` is (B, heads, 1, d). Turn q and k
# with `positions=torch.tensor([t])`, then `torch.cat([old, new], dim=2)`. At the end `merge_heads(...)` gives (B, 1,
# D).
#
# </details>


# %% task="decode_step" points=3 minutes=18
def decode_step(x, cache, p, heads):
    """One position of `block`, from that position's vector and the keys and values of all before it, eq. (6).

    x: (B, D), the next position's input. p, heads: as for `block`.
    cache: None for the first position, else (keys, values), each (B, heads, t, D / heads): those of the t positions so
    far, keys already turned by `rotary`. It stays as it is.
    Returns (y (B, D), the new cache (keys, values), each (B, heads, t + 1, D / heads)): y is what `block` gives there.
    The check runs whole sequences, begins with a cache of its own, and continues one cache in two ways.
    """
    # BEGIN SOLUTION
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]  # (B, 1, D)
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))  # (B, heads, 1, d)
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)  # (B, heads, t + 1, d)
    found, _ = attention(q, k, v)  # (6)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)
    # END SOLUTION


# %% check="decode_step" points=2
# One token at a time gives what the full pass gives, and a cache that grows by one.
sizes = dict.fromkeys(["Wq", "Wk", "Wv", "Wo"], (8, 8)) | {"W1": (8, 20), "W2": (20, 8), "b1": (20,)}
sizes |= dict.fromkeys(["gain1", "bias1", "gain2", "bias2", "b2"], (8,))
p = {name: fresh(*size) / len(size) for name, size in sizes.items()}
x, cache, steps = fresh(2, 6, 8) + 0.5, None, []
for t in range(6):
    y, cache = decode_step(x[:, t], cache, p, 2)
    steps.append(y)
check(
    first_token=steps[0],
    atol=2e-3,
    hint="Without a cache: the block for a sequence of one. Wrong: has a norm, a residual or the MLP been left out?",
)
check(
    step_by_step=torch.stack(steps, 1),
    atol=5e-3,
    hint="Six tokens, one at a time, must be the full pass. Only the first right: the position of the new token is the "
    "length of the cache; its own key and value belong to what it looks at.",
)
check(
    keys=cache[0],
    atol=1e-3,
    hint="(2, 2, 6, 4) after six tokens, the oldest first, each turned by its own position, once.",
)
check(
    values=cache[1],
    atol=1e-3,
    hint="(2, 2, 6, 4), never turned. Numbers of the keys: the cache is (keys, values), in this order.",
)

# %% check="decode_step" points=1
# A cache from elsewhere, and two ways on from one cache.
sizes = dict.fromkeys(["Wq", "Wk", "Wv", "Wo"], (8, 8)) | {"W1": (8, 20), "W2": (20, 8), "b1": (20,)}
sizes |= dict.fromkeys(["gain1", "bias1", "gain2", "bias2", "b2"], (8,))
p = {name: fresh(*size) / len(size) for name, size in sizes.items()}
cache = (fresh(3, 4, 5, 2), fresh(3, 4, 5, 2))
kept = torch.cat(cache).clone()
x = fresh(4, 3, 8)
first, longer = decode_step(x[0], cache, p, 4)
other, _ = decode_step(x[1], cache, p, 4)
after, longest = decode_step(x[2], longer, p, 4)
check(
    given_cache=torch.stack([first, other]),
    atol=5e-3,
    hint="Five positions in a cache that the check has made, 4 heads: the new token is position 5. Second output "
    "wrong: the cache that was given has been written into.",
)
check(
    two_ways_on=torch.cat(
        [after, longest[0].flatten(1), longest[1].flatten(1), (torch.cat(cache) - kept).reshape(3, -1)], 1
    ),
    atol=5e-3,
    hint="After the second way was tried, the first goes on: neither cache may have been changed by the other's token.",
)

# %% [markdown]
# **Look.** The seconds for $n$ tokens with and without the cache, one block of width 64. What was computed is the
# same to the last digits; the time is not. Twice the tokens take about twice as long with the cache, and without it
# soon about four times.

# %%
p = init_block(64, generator=torch.Generator().manual_seed(0))
x = torch.randn(1, 400, 64, generator=torch.Generator().manual_seed(1))
lengths, full, cached, cache = [50, 100, 200, 400], [], [], None
for n in lengths:
    start, cache = time.perf_counter(), None
    for t in range(n):
        y, cache = decode_step(x[:, t], cache, p, 4)
    cached.append(time.perf_counter() - start)
    start = time.perf_counter()
    for t in range(n):
        z = block(x[:, : t + 1], p, 4)[:, -1]
    full.append(time.perf_counter() - start)
fig, ax = plt.subplots(figsize=(5, 3))
ax.loglog(lengths, full, "o-", color=DATA, label="full pass for each token")
ax.loglog(lengths, cached, "o-", color=MODEL, label="with the cache")
ax.set(xlabel="tokens", ylabel="seconds")
ax.set_xticks(lengths, lengths, minor=False)
ax.minorticks_off()
ax.legend()
print(f"largest difference of the last output: {(y - z).abs().max():.1e}")
print(f"{lengths[-1]} tokens: {full[-1] / cached[-1]:.1f} times faster, on this machine, now")
plt.show()

# %% [markdown]
# ## 7 Merge a pair
# **2 points · 11 minutes · easy**
#
# What is a token? Characters make long sequences, words make vocabularies without end. Byte-pair encoding (Gage 1994,
# *C Users Journal* 12(2), for translation Sennrich et al. 2016) starts with characters and again and again glues the
# most frequent pair of neighbours into one new token. You need two tools: one counts neighbours, one glues.
#
# *Counting* looks at every place: in `a a a` the pair `(a, a)` stands at two places. *Merging* goes from left to
# right, and a token that was glued is used up: `a a a` becomes `X a`, and `a a a a` becomes `X X`.
#
# <details><summary>Hint 1: the idea</summary>
#
# For counting, `pairwise(tokens)` of `itertools` walks along all neighbours. For merging, an index that goes on by 2
# after a hit and by 1 otherwise; a `for` loop over fixed places cannot skip. Mind the last token, which has no right
# neighbour.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `collections.Counter` is a dictionary that counts. A `while` loop over the index, with a look at
# `tuple(tokens[i : i + 2])`, which is shorter than a pair at the end and so never equal to one.
#
# </details>


# %% task="merge_pair" points=2 minutes=11
def count_pairs(tokens):
    """How often each pair of neighbours occurs: a dictionary {(left, right): count}, overlaps counted each.

    tokens: a list of ints, maybe empty. The check reads the counts with .get((left, right), 0).
    """
    # BEGIN SOLUTION
    counts = {}
    for pair in pairwise(tokens):
        counts[pair] = counts.get(pair, 0) + 1
    return counts
    # END SOLUTION


def merge_pair(tokens, pair, new):
    """Replace `pair` by the token `new`, from left to right, each token used once.

    tokens: a list of ints, maybe empty; it stays as it is. pair: (left, right), maybe left == right. new: int.
    Returns a new list of ints. The check tries runs of equal tokens, and pairs at the end.
    """
    # BEGIN SOLUTION
    merged, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged
    # END SOLUTION


# %% check="merge_pair" points=1
# Neighbours counted at every place.
letters = [max(0, min(4, round(1.2 * z + 2))) for z in fresh(300).tolist()]
runs = [max(0, min(2, round(z + 1))) for z in fresh(40).tolist() for _ in range(3)]


def table(tokens, size):
    counts = count_pairs(tokens)
    return [[counts.get((left, right), 0) for right in range(size)] for left in range(size)]


check(
    counts=table(letters, 5),
    hint="300 letters have 299 pairs of neighbours. 150: every other place only. Transposed: (left, right) in this "
    "order.",
)
check(
    runs_and_short=[table(runs, 5)] + [table(letters[i : i + n], 5) for n in (0, 1, 2, 3) for i in range(0, 250, 25)],
    hint="Every letter three times: (a, a) in a a a stands at two places, and both count. Then 0, 1, 2 and 3 letters: "
    "there are no pairs in the first two.",
)

# %% check="merge_pair" points=1
# Merged from left to right, without overlap.
letters = [max(0, min(4, round(1.2 * z + 2))) for z in fresh(300).tolist()]
runs = [max(0, min(2, round(z + 1))) for z in fresh(40).tolist() for _ in range(3)]
left, right = letters[10], (letters[10] + 1) % 5
written = [left, right, right, *letters, left, right]
check(
    merged=merge_pair(written, (left, right), 9),
    hint="A pair of different letters, also at the very beginning and end. Longer than the solution's: one was missed. "
    "The last letter lost: it has no right neighbour and stays.",
)
check(
    equal_letters=merge_pair([*runs, 1, 1, 1, 1, 1, *runs, 0], (1, 1), 7),
    hint="Runs of one letter: 1 1 1 1 1 becomes 7 7 1. One letter may not be in two pairs; begin at the left.",
)
check(
    twice=merge_pair(merge_pair(written, (left, right), 9), (9, right), 10) + merge_pair(written, (right, left), 8),
    hint="Merged twice, with a pair that contains a merged token, and the same list merged otherwise: is the list that "
    "was given still what it was?",
)
check(
    short=[len(merge_pair(letters[:n], (letters[0], letters[1]), 6)) for n in (0, 1, 2)]
    + merge_pair(letters[:1], (0, 1), 6),
    hint="Lists of 0, 1 and 2 tokens become lists of 0, 1 and 1.",
)

# %% [markdown]
# ## 8 Learn the merges, use them, undo them
# **2 points · 14 minutes · medium**
#
# Training repeats one step: count, take the best pair, merge it everywhere, remember it. The $k$-th merge ($k = 0,
# 1, \dots$) creates the token `first + k`. So that everybody's tokenizer is the same, ties are broken: among the
# most frequent pairs the *smallest* wins, by its left token, then by its right (as Python compares tuples). Stop
# early when no pair occurs twice.
#
# Encoding a new text repeats the merges in the order in which they were learnt, whatever is frequent *there*. Decoding
# opens the tokens again until only characters are left. No text is lost on the way.
#
# <details><summary>Hint 1: the best pair</summary>
#
# The largest count, then the smallest pair: that is the minimum of `(-count, pair)`.
#
# </details>
#
# <details><summary>Hint 2: decoding</summary>
#
# A merged token can contain merged tokens, but only older ones. So open the youngest kind first, everywhere, and go
# back to the oldest; or build the spelling of each token from the spellings of its two parts.
#
# </details>


# %% task="bpe" points=2 minutes=14
def bpe_train(tokens, merges, first):
    """Learn up to `merges` byte-pair merges; merge k makes the token first + k. Fewer where no pair occurs twice.

    tokens: a list of ints below `first`; it stays as it is. Best is the most frequent pair, among those the smallest.
    Returns the list of merged pairs, in order: [(left, right), ...].
    """
    # BEGIN SOLUTION
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs
    # END SOLUTION


def bpe_encode(tokens, pairs, first):
    """Apply the merges in the order in which they were learnt. tokens: a list of ints below `first`. Returns a list."""
    # BEGIN SOLUTION
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens
    # END SOLUTION


def bpe_decode(tokens, pairs, first):
    """Open every merged token until all are below `first`. tokens: a list of ints, any that the merges can make."""
    # BEGIN SOLUTION
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]
    # END SOLUTION


# %% check="bpe" points=1
# The merges: most frequent first, ties to the smallest pair, and an end when no pair occurs twice.
letters = [max(0, min(5, round(1.5 * z + 2.5))) for z in fresh(500).tolist()]
check(
    long_text=bpe_train(letters, 25, 6),
    hint="25 pairs learnt on 500 letters. The first ones right, later ones not: ties go to the smallest pair, not to "
    "the one that came first; token numbers are first + 0, first + 1, ... All wrong: count again after every "
    "merge.",
)
check(
    many_ties=[pair for n in range(0, 240, 40) for pair in bpe_train(letters[n : n + 40], 100, 10)],
    hint="Short texts, 40 letters each, until no pair occurs twice; new tokens from 10 on. Longer than the solution's: "
    "do not merge a pair that occurs once. Shorter: a pair that occurs twice is merged.",
)
check(
    again=bpe_train(letters, 25, 6),
    hint="The same 500 letters once more must give the same pairs. Others: the text has been changed.",
)
check(
    nothing_to_merge=[len(bpe_train(some, 5, 10)) for some in ([], letters[:1], list(range(9)), [letters[3]] * 4)],
    hint="An empty text, one letter, nine different ones: no merges, and no error. Four equal letters: how many?",
)

# %% check="bpe" points=1
# Encoding by the order of learning, decoding to where it came from.
new_text = [max(0, min(5, round(1.2 * z + 2.5))) for z in fresh(400).tolist()]
pairs = [(3, 2), (2, 3)]  # in 2 3 2 they compete
for k, (left, right) in enumerate((1000 * fresh(40, 2)).abs().long().tolist()):
    pair = (left % (6 + len(pairs)), right % (6 + len(pairs) * (k % 2)))
    pairs += [pair] if pair not in pairs else []
check(
    encoded=bpe_encode(new_text, pairs, 6),
    hint="These merges come from somewhere else. They are applied in their order, whatever is frequent in this text; "
    "none is learnt anew. Longest match first is another tokenizer.",
)
check(
    decoded=bpe_decode([int(1000 * z) % (6 + len(pairs)) for z in fresh(60).abs().tolist()], pairs, 6),
    hint="Random tokens, merges of merges among them. Numbers of 6 and more left over: opened once only.",
)
check(
    shortest_texts=[t for i in range(20) for t in [*bpe_encode(new_text[i : i + i % 2], pairs, 6), -1]],
    hint="Texts of no letter and of one, their tokens in a row with -1 after each text. Nothing can be merged in them.",
)
check(
    round_trip=bpe_decode(bpe_encode(new_text, pairs, 6), pairs, 6) + bpe_decode([], pairs, 6),
    hint="Encoded and decoded: the letters that went in, and nothing for nothing.",
)

# %% [markdown]
# **Look.** Your merges, learnt on the first part of the Python manual, and how many characters a token then has on a
# part that was not used for learning. The first merges are blanks, the indentation of a manual, and letters that stand
# together in any English text; the last ones are pieces of the manual's own words.

# %%
text = manual_text()
alphabet = sorted(set(text))
code = {letter: i for i, letter in enumerate(alphabet)}
corpus = [code[letter] for letter in text]
pairs = bpe_train(corpus[:60_000], 150, len(alphabet))
made = [bpe_decode([len(alphabet) + k], pairs, len(alphabet)) for k in range(len(pairs))]
spelled = ["".join(alphabet[i] for i in token) for token in made]
print("first: ", spelled[:16])
print("last:  ", spelled[-12:])
held_out = corpus[200_000:220_000]
sizes = [0, 10, 25, 50, 100, 150]
lengths = [len(bpe_encode(held_out, pairs[:n], len(alphabet))) for n in sizes]
fig, ax = plt.subplots(figsize=(5, 2.8))
ax.plot(sizes, [len(held_out) / n for n in lengths], "o-", color=MODEL)
ax.set(xlabel="merges", ylabel="characters a token")
plt.show()

# %% [markdown]
# ## 9 Which token next?
# **3 points · 15 minutes · medium**
#
# A language model gives every token some probability, and thousands of absurd ones add up: sample from the whole
# distribution, and every few words one of them comes. Take always the best, and the text runs in circles. Between the
# two lie three knobs, applied in this order.
#
# *Temperature* $T$ divides the logits: below 1 sharpens, above 1 flattens; $T = 0$ stands for the largest logit, taken
# for certain. *Top-k* keeps the $k$ most probable tokens. *Top-p*, the nucleus ([Holtzman et al.
# 2019](https://arxiv.org/abs/1904.09751)), keeps as few as it takes to reach a share $p$ of the probability: sorted as
# $p_{(1)} \ge p_{(2)} \ge \dots$, it keeps
# $$n = \min\Big\{ j : \sum_{i=1}^{j} p_{(i)} \ge p \Big\} \quad\text{tokens} \tag{7}$$
# What is kept is divided by its sum. Among equally probable tokens the one with the lower index counts as more
# probable. So the token that takes the sum over $p$ is still kept, and at least one always is.
#
# Then the token is drawn with a given uniform number $u$ as in lab 01: $\min\{j: u < F_j\}$, in the order of the
# indices.
#
# <details><summary>Hint 1: which tokens to keep</summary>
#
# In sorted order: token $j$ is kept if the sum of those *before* it is still less than $p$. (If the sum including
# itself were asked, the token that crosses $p$ would be lost.) `sort(dim=-1, descending=True, stable=True)` leaves
# equal ones in the order of their indices.
#
# </details>
#
# <details><summary>Hint 2: back from the sorted order</summary>
#
# `torch.zeros_like(probs).scatter(-1, order, kept)` puts the number `kept[j]` at the place `order[j]`.
#
# </details>
#
# <details><summary>Hint 3: the draw</summary>
#
# `torch.searchsorted(cdf, u[:, None], right=True)[:, 0]`, with cumulative sums that end at exactly 1: divide them by
# their last.
#
# </details>


# %% task="sampling" points=3 minutes=15
def truncate(probs, *, k=None, p=None):
    """Keep the k most probable tokens, of these the nucleus of share p, eq. (7), and divide by the sum that is left.

    probs: (..., V) float, non-negative, each row sums to 1; they stay as they are. Equal ones: lower index first.
    k: None (all) or int >= 1, maybe above V. p: None (all) or float in (0, 1]; a share of what top-k has left,
    divided by its sum. Returns (..., V), each row sums to 1, what was not kept is exactly 0.
    The check tries equal probabilities, and a sum that is exactly p.
    """
    # BEGIN SOLUTION
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)  # (7)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)
    # END SOLUTION


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    """Draw one token a row: temperature, then `truncate`, then the inverse of the cumulative distribution.

    logits: (n, V) float, any real numbers. u: (n,) float, in [0, 1). temperature: float >= 0; at 0 the token of the
    largest logit is returned, of equal ones the first. Returns (n,) int64, never a token that was not kept.
    The check tries u between the ends of the tiles, and as near to 1 as float32 can be.
    """
    # BEGIN SOLUTION
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]
    # END SOLUTION


# %% check="sampling" points=2
# What is kept, and what it is worth then.
def keep(*given, **how):
    return torch.as_tensor(truncate(*given, **how))


probs = (1.5 * fresh(6, 9)).softmax(1)
check(
    top_k=torch.stack([keep(probs, k=k) for k in (1, 3, 8, 20)]),
    atol=1e-5,
    hint="The 1, 3, 8 and (more than there are) 20 best of 9, divided by their sum. In sorted order: put back where "
    "they came from. Rows that add up to less than 1: divide by what is left.",
)
nucleus = [keep(probs, p=p) for p in (0.05, 0.5, 0.9, 1.0)]
check(
    top_p=torch.stack(nucleus),
    atol=1e-5,
    hint="Shares 0.05, 0.5, 0.9 and 1. One token too few in each: the one that crosses p belongs to it. nan for 0.05: "
    "at least one is always kept. Keeps the wrong ones: sort with the largest first.",
)
check(
    mass_of_the_nucleus=torch.stack([(probs * (kept > 0)).sum(1) for kept in nucleus]),
    atol=1e-5,
    hint="The probability of what was kept, before it was divided: never below p, and below p without its last token.",
)
equal = torch.tensor([4] * 2 + [2] * 20 + [1] * 16 + [0] * 2)[fresh(40).argsort()] / 64
equal = torch.stack([equal.roll(places) for places in range(4)])
how = [{"k": k} for k in (1, 3, 8, 30, 39)] + [{"p": share / 64} for share in (4, 8, 9, 10, 31, 48, 49, 64)]
check(
    equal_probabilities=torch.stack([keep(equal, **given) for given in how]),
    hint="40 tokens, many of them equally probable, and sums that are exact. More than k kept: compared with the k-th "
    "largest. The wrong ones: of equal ones the lower index comes first, so the sort must be stable. One too many "
    "where the sum is p exactly: that is enough.",
)
check(
    both=truncate(probs.reshape(2, 3, 9), k=4, p=0.7),
    atol=1e-5,
    hint="(2, 3, 9), first k = 4, then p = 0.7 of what is left, divided by its sum. The other order, or p of the "
    "undivided, keeps more.",
)

# %% check="sampling" points=1
# Tokens from logits and given uniform numbers.
logits, u = 2 * fresh(120, 9), torch.rand(120, generator=fresh_generator())
check(
    plain_and_temperatures=torch.stack(
        [torch.as_tensor(sample_next(logits, u, temperature=T)) for T in (1.0, 0.3, 2.0)]
    ),
    hint="Temperatures 1, 0.3 and 2. First row wrong: min{j: u < F_j}, by index, not in sorted order. The others: the "
    "logits are divided by T, before the softmax.",
)
check(
    truncated=torch.stack(
        [
            torch.as_tensor(sample_next(logits, 1 - u / 20, **given))
            for given in ({"k": 2}, {"p": 0.6}, {"temperature": 2.0, "p": 0.6}, {"k": 4, "p": 0.8})
        ]
    ),
    hint="With k and p, and u near 1. Third row only: the temperature comes before the nucleus, which it changes.",
)
tied = torch.tensor([1.0, 3.0, 3.0, 0.0]) + fresh(120, 1)
check(
    coldest=torch.cat([torch.as_tensor(sample_next(z, u, temperature=0)) for z in (logits, tied)]),
    hint="temperature = 0: the largest logit, of equal ones the first. nan or an error: division by 0.",
)
flat, ends = fresh(8, 1).expand(8, 8), fresh(8).argsort() / 8
check(
    at_ends_of_tiles=torch.stack([torch.as_tensor(sample_next(flat, ends, k=k)) for k in (None, 4)]),
    hint="Eight equal logits, and u exactly where two tiles meet: it belongs to the second. The wrong side of the "
    "search?",
)
check(
    nearly_one=sample_next(logits, torch.full((120,), 1 - 2**-24), k=3),
    hint="u as near to 1 as can be: the last token that was kept. V, or a token that was not kept: cumulative sums "
    "that end below 1.",
)

# %% [markdown]
# ## All of it together
# A character model of the Python manual out of your parts: an embedding, two of your blocks, a norm, a matrix to the
# logits. Below it are the two ways through it, the whole sequence at once (for training) and one token at a
# time with a cache for each block (for writing). The yardsticks beside its likelihood know less: a unigram model
# knows how frequent each character is, a bigram model what follows each character.


# %%
class TextModel(torch.nn.Module):
    """A decoder-only transformer over characters. forward: (B, n) int64 -> (B, n, V) logits of the next character."""

    def __init__(self, V, D, layers, heads, *, generator):
        super().__init__()
        self.heads = heads
        self.embed = torch.nn.Parameter(torch.randn(V, D, generator=generator) / math.sqrt(D))
        self.blocks = torch.nn.ModuleList(
            torch.nn.ParameterDict(init_block(D, generator=generator)) for _ in range(layers)
        )
        self.out = torch.nn.Parameter(torch.randn(D, V, generator=generator) / math.sqrt(D) / 4)

    def logits(self, x):
        return F.layer_norm(x, x.shape[-1:]) @ self.out

    def forward(self, tokens):
        x = self.embed[tokens]
        for p in self.blocks:
            x = block(x, p, self.heads)
        return self.logits(x)

    def step(self, token, caches):
        """One character (B,) and the blocks' caches -> (logits (B, V), new caches)."""
        x, grown = self.embed[token], []
        for p, cache in zip(self.blocks, caches, strict=True):
            x, cache = decode_step(x, cache, p, self.heads)
            grown.append(cache)
        return self.logits(x), grown


stream = torch.tensor(corpus)
cut = len(stream) * 9 // 10
train, held_out = stream[:cut], stream[cut:]
n, batch, V = 64, 8, len(alphabet)
unigram = torch.bincount(train, minlength=V) + 0.5
bigram = torch.bincount(train[:-1] * V + train[1:], minlength=V * V).reshape(V, V) + 0.05
unigram, bigram = unigram / unigram.sum(), bigram / bigram.sum(1, keepdim=True)
print(f"{cut:,} characters to learn from, {len(held_out):,} held out, {V} different ones")

# %% [markdown]
# Half a minute of training: 8 pieces of 64 characters a step, Adam, a learning rate that warms up and falls to 0.

# %%
dice = torch.Generator().manual_seed(0)
model = TextModel(V, 96, layers=2, heads=4, generator=dice)
windows = held_out.unfold(0, n + 1, n)[:: len(held_out) // n // 200][:200]  # (200, 65), spread over the held-out part


@torch.no_grad()
def held_out_nll():
    return F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten()).item()


steps, history, checked = 900, [], {}
optimiser = torch.optim.Adam(model.parameters(), lr=4e-3, betas=(0.9, 0.95))
start = time.process_time()
for step in progress(range(steps + 1), stoppable=True):
    if step % 100 == 0:
        checked[step] = held_out_nll()
    for group in optimiser.param_groups:
        group["lr"] = 4e-3 * min((step + 1) / 50, 0.5 + 0.5 * math.cos(math.pi * step / steps))
    at = torch.randint(len(train) - n - 1, (batch, 1), generator=dice) + torch.arange(n + 1)
    piece = train[at]  # (8, 65)
    loss = F.cross_entropy(model(piece[:, :-1]).flatten(0, 1), piece[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    history.append(loss.item())

fig, ax = plt.subplots()
ax.plot(history, color=DATA, lw=0.6, alpha=0.6, label="training, one batch")
ax.plot(list(checked), list(checked.values()), "o-", color=MODEL, label="held out")
after, before = windows[:, 1:], windows[:, :-1]
for name, nll, style in (
    ("unigram", -unigram[after].log().mean(), ":"),
    ("bigram", -bigram[before, after].log().mean(), "--"),
):
    ax.axhline(nll, color="k", lw=1, ls=style, label=name)
    print(f"{name:12s}{nll:.3f} nats a held-out character")
print(f"transformer {checked[max(checked)]:.3f} nats a held-out character")
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {time.process_time() - start:.0f} s of CPU time")
ax.set(xlabel="step", ylabel="nats a character", ylim=(1, 4))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# **Let it write.** Each line of this loop is one of your functions: `decode_step` inside `model.step`, then
# `sample_next`. One thing is added: training has never shown the model a distance of more than 63, so when a cache has
# 64 positions it begins anew with the last 32 characters. Compare the knobs. At $T = 0$ the text soon goes round in
# circles; at $T = 1$ without truncation it invents words; the nucleus gives up some of the inventions and keeps the
# variety.


# %%
@torch.no_grad()
def write(prompt, length, *, seed=0, most=n, **knobs):
    """Continue the prompt by `length` characters, one at a time, with caches of at most `most` positions."""
    u = torch.rand(length, 1, generator=torch.Generator().manual_seed(seed))
    text, waiting, seen = prompt, prompt, most
    for t in range(length):
        if seen + len(waiting) > most:  # the caches are full, or there are none yet
            caches, waiting, seen = [None] * len(model.blocks), text[-(most // 2) :], 0
        for letter in waiting:
            logits, caches = model.step(torch.tensor([code[letter]]), caches)
        seen += len(waiting)
        waiting = alphabet[int(sample_next(logits, u[t], **knobs))]
        text += waiting
    return text


for knobs in ({"temperature": 0}, {"temperature": 0.6}, {"temperature": 1.0}, {"temperature": 1.0, "p": 0.8}, {"k": 5}):
    print("-----", ", ".join(f"{name} = {value}" for name, value in knobs.items()))
    print(write("The function ", 260, **knobs))

# %% [markdown]
# **And look inside.** What one head of each block looks at while the model reads a line: a row for each character,
# brighter where it gives more weight. Shown is the head whose weights are sharpest. How far back each head looks on
# average is printed with the figure. The upper right is dark in all of them: that is task 2.

# %%
line = "If the object is a class instance"
fig, axes = plt.subplots(1, len(model.blocks), figsize=(9.6, 9.9 / len(model.blocks)))
with torch.no_grad():
    x = model.embed[torch.tensor([[code[letter] for letter in line]])]
    for number, (p, ax) in enumerate(zip(model.blocks, axes, strict=True), 1):
        normed, here = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"]), torch.arange(len(line))
        q, k, v = (split_heads(normed @ p[name], model.heads) for name in ("Wq", "Wk", "Wv"))
        _, weights = attention(rotary(q, here), rotary(k, here), v, order_mask(here))  # (1, heads, n, n)
        back = (weights[0] * (here[:, None] - here)).sum(2).mean(1)
        print(f"block {number}: heads look {', '.join(f'{b:.1f}' for b in back)} characters back on average")
        head = int(weights[0].max(2).values.mean(1).argmax())
        ax.imshow(weights[0, head].sqrt(), cmap="magma", vmin=0, vmax=1)
        ax.set_title(f"block {number}, head {head + 1}")
        ax.set_xticks(here, line, fontsize=7, family="monospace")
        ax.set_yticks(here, line, fontsize=7, family="monospace")
        ax.tick_params(length=0, pad=1)
        ax.grid(False)
        x = block(x, p, model.heads)
plt.show()

# %% [markdown]
# ## What next
# The progress line under the last check shows your points; `grade check labs/05_transformers.ipynb` in a
# terminal runs the notebook from top to bottom and lists what the badges would say. If something passes here but not
# there, it depends on the order in which you ran the cells: restart the kernel and run all.
#
# Your model's cache grows by a row for every token, and every token looks through all of it. Lecture 06 asks what
# happens if the past is squeezed into a state of fixed size instead. Lecture 07 makes pictures into tokens, so that
# the very same blocks can write them.
#
# **Beyond, without points**
# 1. Train on your byte-pair tokens in place of characters, for the same time. Compare in nats a *character*, that
#    is, nats a token times tokens a character. Who wins, and does the answer change with the number of merges?
# 2. Replace `positions=here` in your block by zeros and train again. By how much does the held-out likelihood
#    suffer, and why is it not a catastrophe? (Does the causal mask say something about positions?)
# 3. Put the norms after the sums (post-norm), stack six blocks, and try the same learning rate.
# 4. Write far more than 64 characters, the length of the training pieces. When does the text fall apart? Rotary
#    positions know distances only; has the model ever seen a distance of 100?
# 5. Make a picture model of it: 14 x 14 black and white pixels as tokens, in raster order, moved by one place (place i
#    holds pixel i - 1, place 0 a start token, or the residual would show each pixel its own value), and the mask with
#    `itself=False`. What is the first pixel's context, and what did you have to define in task 1 for it?
