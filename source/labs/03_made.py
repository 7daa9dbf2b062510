# ---
# jupyter:
#   course:
#     title: "03 MADE"
#     summary: "a network that is an exact distribution in any order: derive its masks, sample, fill in what is missing"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 03: One network, any order
# Cover any part of a digit and ask for the rest. To answer, a model has to know the distribution of the missing pixels
# given the others, whichever they are. You build one that does: a plain network with some of its weights switched off,
# so that its output is an exact probability, for every order in which the pixels may be asked for.
#
# **Afterwards you can** compute with a Bayes net; derive masks from an order and prove that they do what they should;
# state a likelihood in nats and in bits per dimension; average models without cheating; draw from an autoregressive
# model, fill in given pixels of any set, and do it at a small part of the obvious cost.
#
# **Needs** lecture 03, `nn.Module`, broadcasting, indexing with a tensor. No GPU.
# About two hours, 9 tasks, 24 points. Tasks 1, 2, 3, 5, 6 and 8 stand alone; 4 uses 2 and 3, 7 uses 5, 9 uses 2 and 4.
#
# **How it works.** Replace the line `raise NotImplementedError(...)` of a task, run the cell, then run the check below
# it. A check draws inputs with `fresh`, calls your function and shows for each value that it compares pass or fail, the
# shape and a hint. Points are shared equally by the values of a check. That badge is help; the grade is computed later
# in the same way with *other* inputs. A task you left out or got wrong does not cost you the later ones in the grade:
# there the solution stands in for it. Here it does, so mend the tasks in their order. To go on at a later section, put
# the cursor there and choose *Run > Run All Above Selected Cell*: that does not stop at a task that is not done. In
# Colab save a copy in Drive first (*File* menu); *Runtime > Run before* does it there. Add cells wherever you like;
# edits to a check cell are ignored.

# %%
import math
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from utils.data import binarise, digits
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import progress

use_style()

# %% [markdown]
# ## The data
# The shipped digits at half their size: every second row and column, so an image has $D = 14 \cdot 14 = 196$ pixels,
# and training takes seconds. A pixel of grey level $v$ is made 1 with probability $v/255$, anew each time the image is
# used (*dynamic binarisation*). All likelihoods below are of such images; they cannot be compared with those of 28 x 28
# images, nor with those of another binarisation, nor with the 14 x 14 digits of lecture 03 and lab 04, which are means
# of 2 x 2 pixels. Learn from 9,000 digits, judge by 1,000 others.

# %%
images, labels = digits()
small = images[:, ::2, ::2].flatten(1)  # (10000, 196), in 0..255
train, held_out = small[:9000], binarise(small[9000:], generator=torch.Generator().manual_seed(0))
both = torch.stack([small[9000:9012] / 255, held_out[:12]]).flatten(0, 1)
show_images(both.unflatten(1, (14, 14)), columns=12, zoom=3, title="grey, and one binarisation of each")
plt.show()

# %% [markdown]
# ## 1 The chain rule in a Bayes net
# **3 points · 15 minutes · easy**
#
# Any distribution is a product of conditionals, one variable after the other. A Bayes net is the special case in which
# each variable looks at a few others only, its *parents* (never in a circle):
# $$P(x) = \prod_{i=0}^{D-1} P(x_i \mid x_{\mathrm{pa}(i)}) \tag{1}$$
# For binary variables each factor is a small table: a number $P(x_i = 1 \mid \cdot)$ for each way the parents can
# stand. With the joint probability every question has an answer, by adding up all states that agree with what is known:
# $$P(x_i = 1 \mid \text{given}) = \frac{\sum_{x:\, x_i = 1,\ x \text{ agrees}} P(x)}{\sum_{x:\, x \text{ agrees}} P(x)}
# \tag{2}$$
# That is exact and, with its $2^D$ terms, hopeless for an image. Task 8 asks the same kind of question of 196 pixels.
#
# <details><summary>Hint 1: the idea</summary>
#
# For each variable look up one number for each row of `x`, the probability of a 1. If the row has a 0 there, the
# factor is one minus that number. Sum the logarithms of the factors over the variables.
#
# </details>
#
# <details><summary>Hint 2: the look-up</summary>
#
# `table[(a, b)]` with index tensors `a` and `b` of shape (n,) picks n entries at once: `table[tuple(...)]` with one
# column of `x` for each parent. With no parents the tuple is empty, and `table[()]` is the table itself.
#
# </details>
#
# <details><summary>Hint 3: all states</summary>
#
# `torch.cartesian_prod(*[torch.arange(2)] * D)` is the (2^D, D) table of all states. Multiply the probability of
# a state by 0 where it disagrees with what is given.
#
# </details>


# %% task="net_log_prob" points=3 minutes=15
def net_log_prob(x, parents, tables):
    """ln P(x) of a Bayes net over D binary variables, eq. (1).

    x: (n, D) int64, in {0, 1}.
    parents: D tuples of variable numbers. A tuple may be empty; a parent may have a higher number than its child.
    tables: D float tensors, tables[i] = P(x_i = 1 | parents), with an axis of length 2 for each parent in the order of
    parents[i]: tables[i][1, 0] holds if the first parent is 1 and the second 0. No parents: a 0-d tensor.
    Returns (n,) float, in nats; -inf for a state that cannot occur. The check tries probabilities of 0 and 1, too.
    """
    # BEGIN SOLUTION
    total = 0
    for i, table in enumerate(tables):
        p_one = table[tuple(x[:, j] for j in parents[i])]  # (n,), or 0-d without parents
        total = total + torch.where(x[:, i] == 1, p_one, 1 - p_one).log()  # (1)
    return total
    # END SOLUTION


def net_query(i, given, parents, tables):
    """P(x_i = 1 | given), eq. (2), by going through all 2^D states.

    i: the variable asked for. given: {variable: 0 or 1}, possible, maybe empty, never with i in it.
    parents, tables: as above, D from 2 to 12. Returns one number (a 0-d tensor or a float).
    """
    # BEGIN SOLUTION
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))  # (2^D, D)
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()  # (2)
    # END SOLUTION


# %% check="net_log_prob" points=2
# The joint probability of every state of a net, and a net with certainties in it.
parents = [(3,), (), (0, 1), (1,), (2, 0, 5), ()]
tables = [fresh(*(2,) * len(p)).mul(1.5).sigmoid() for p in parents]
states = torch.cartesian_prod(*[torch.arange(2)] * 6)
check(
    cumulative=torch.as_tensor(net_log_prob(states, parents, tables)).exp().cumsum(0),
    hint="Summed over all 64 states the probabilities end at 1. They do not: is the factor of a 0 one minus the "
    "table's number? They do, but the values differ: are the axes of a table in the order of parents[i]?",
)
sure = [table.clone() for table in tables]
sure[3][1], sure[2][:, 0], sure[5] = 0, 1, torch.tensor(0.0)
check(
    log_prob=net_log_prob(states[fresh(64).argsort()], parents, sure),
    rtol=1e-4,
    atol=1e-5,
    hint="In nats, for states in any order. Some are impossible: their value is -inf, not nan and not a large finite "
    "number. Positive: sign.",
)

# %% check="net_log_prob" points=1
# Questions answered by summing over the joint: of causes, of effects, with and without evidence.
tables = [fresh(*(2,) * len(p)).mul(1.5).sigmoid() for p in parents]
check(
    nothing_given=[float(net_query(i, {}, parents, tables)) for i in range(6)],
    hint="With nothing given, the sum over all states in which x_i is 1.",
)
evidence = [(0, {4: 1}), (1, {2: 0, 4: 1}), (4, {0: 0, 5: 1}), (3, {0: 1, 1: 0, 2: 1, 4: 0, 5: 0}), (5, {4: 0, 3: 1})]
check(
    with_evidence=[float(net_query(i, given, parents, tables)) for i, given in evidence],
    hint="Right without evidence but not with it: divide by the probability of what is given. A given 0 is as much "
    "evidence as a given 1.",
)

# %% [markdown]
# **Look.** The alarm network (the example of Pearl, with the numbers of Russell and Norvig): a burglary or an
# earthquake may set off the alarm, and when it rings John or Mary may call. Watch the belief in a burglary. The last
# line is *explaining away*: an earthquake accounts for the calls just as well.

# %%
BURGLARY, EARTHQUAKE, ALARM, JOHN, MARY = range(5)
alarm_parents = [(), (), (BURGLARY, EARTHQUAKE), (ALARM,), (ALARM,)]
alarm_entries = [0.001, 0.002, [[0.001, 0.29], [0.94, 0.95]], [0.05, 0.90], [0.01, 0.70]]
alarm_tables = [torch.tensor(entries) for entries in alarm_entries]
for words, known in {
    "nothing is known": {},
    "John calls": {JOHN: 1},
    "both call": {JOHN: 1, MARY: 1},
    "both call, the earth shook": {JOHN: 1, MARY: 1, EARTHQUAKE: 1},
}.items():
    print(f"P(burglary | {words}) = {net_query(BURGLARY, known, alarm_parents, alarm_tables):.4f}")
entries = sum(table.numel() for table in alarm_tables)
print(f"{entries} numbers in the tables, {2**5 - 1} for a table of all states; for 196 pixels {2.0**196:.0e}")

# %% [markdown]
# ## 2 From an order to masks
# **3 points · 16 minutes · medium**
#
# Give up the idea of missing edges: let every pixel depend on *all* pixels before it, but let one network compute all
# $D$ conditionals. "Before" needs an order. In this lab
#
# > `order` is a permutation of $0, \dots, D-1$, and **`order[i]` is the place of pixel $i$**: 0 if it comes first,
# > $D-1$ if it comes last.
#
# So `order.argsort()` lists the pixels from first to last, which is another permutation; mixing up the two is the
# mistake of this lab. (Careful, the lecture uses the name differently: its `order` *is* that list of pixels, and it
# calls the places `rank` and, like the paper, counts them from 1. So the lab's `order` is the lecture's `rank - 1`, and
# the degrees are lower by one, too. Only comparisons matter: the masks are the same.)
#
# Every hidden unit $k$ of layer $l$ carries a *degree* $m^l(k)$ from 0 to $D-2$: it may know the pixels at places up to
# $m^l(k)$. Write $m^0(i) = $ `order[i]` for the inputs. Then a connection is allowed if the receiver may know at
# least what the sender knows, and at the output pixel $i$ may listen only to units that know nothing but *earlier*
# pixels:
# $$M^{W^l}_{k'k} = \mathbb 1\big[m^l(k') \ge m^{l-1}(k)\big], \qquad M^V_{ik} = \mathbb 1\big[m^0(i) > m^L(k)\big]
# \tag{3}$$
# A mask has the shape of the weight matrix it belongs to, (outputs, inputs).
#
# <details><summary>Hint 1: the idea</summary>
#
# All masks are tables of comparisons between the degrees of two neighbouring layers. Start with the list
# `[order, *degrees]` and walk through its neighbours.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `receiver[:, None] >= sender[None, :]` has shape (receivers, senders). The last mask goes back to the pixels, whose
# degrees are `order` once more, and it is the only one with a strict inequality.
#
# </details>


# %% task="made_masks" points=3 minutes=16
def made_masks(order, degrees):
    """The masks of a MADE with L hidden layers, eq. (3).

    order: (D,) int64, a permutation; order[i] is the place of pixel i, 0 for the first.
    degrees: a list of L >= 1 tensors (H_l,) int64, each entry in 0..D-2.
    Returns a list of L + 1 float32 tensors of 0 and 1: (H_1, D), then (H_l, H_{l-1}) for l = 2..L, and last (D, H_L).
    The check tries L = 1 and 3, with D, H_1, ..., H_L all different.
    """
    # BEGIN SOLUTION
    m = [order, *degrees]
    inner = [(receiver[:, None] >= sender).float() for sender, receiver in pairwise(m)]
    return [*inner, (order[:, None] > m[-1]).float()]  # (3)
    # END SOLUTION


# %% check="made_masks" points=1
# One hidden layer: who may listen to whom, read off a layer that has the mask for its weights.
cycle = fresh(9).argsort()
order = cycle.roll(1)[cycle.argsort()]  # a permutation that is far from its own inverse
degrees = torch.arange(14)[fresh(14).argsort()] % 8
masks = made_masks(order, [degrees])
check(
    input_mask=F.linear(torch.eye(9), masks[0]).T,
    hint="(14, 9): unit k listens to pixel i if order[i] <= m(k). (9, 14): transposed. The right number of ones in a "
    "row, at wrong pixels: order taken for the list of pixels (that is order.argsort()). One too few: strict.",
)
check(
    output_mask=F.linear(torch.eye(14), masks[-1]).T,
    hint="(9, 14): pixel i listens to unit k if order[i] > m(k), strictly, or it would see itself. The first pixel "
    "listens to nobody. Pixel rows in another sequence: order is not the list of pixels.",
)

# %% check="made_masks" points=2
# Three hidden layers: a mask between two of them, and the number of paths from each pixel to each output.
cycle = fresh(8).argsort()
order = cycle.roll(1)[cycle.argsort()]
degrees = [torch.arange(H)[fresh(H).argsort()] % 7 for H in (15, 11, 13)]
masks = made_masks(order, degrees)
check(
    between_first_and_second=F.linear(torch.eye(15), masks[1]).T,
    hint="(11, 15): equal degrees may talk to each other between hidden layers. Too few ones: strict. (15, 11): "
    "transposed. Other shapes: is every mask made from its own two neighbouring layers?",
)
sequence = order.argsort()
check(
    paths=torch.linalg.multi_dot(masks[::-1])[sequence][:, sequence],
    hint="The product of all masks counts the paths from pixel j to output i. Sorted by place it is strictly lower "
    "triangular: ones on the diagonal mean that a pixel sees itself, numbers above it that it sees later ones.",
)

# %% [markdown]
# Which degrees should the hidden units have? Any will do; spread evenly, each pixel may listen to about $H/(D-1)$ units
# more than the pixel before it, the first to none and the last to all.


# %%
def even_degrees(H, D):
    """Degrees for H hidden units: 0, 1, ..., D-2, over and over. Returns (H,) int64."""
    return torch.arange(H) % (D - 1)


# %% [markdown]
# **Look.** $D = 6$, twelve hidden units, two orders. The product of the two masks on the right shows who reaches whom.
# In the raster order it is strictly lower triangular as it stands. For another order the same triangle is there with
# its rows and columns shuffled.

# %%
fig, axes = plt.subplots(2, 3, figsize=(8, 4.6), gridspec_kw={"width_ratios": [1, 1.9, 1.3]})
for row, places in zip(axes, (torch.arange(6), torch.tensor([2, 5, 0, 3, 1, 4])), strict=True):
    into, out = made_masks(places, [even_degrees(12, 6).sort().values])
    for ax, table in zip(row, (into, out, out @ into), strict=True):
        ax.imshow(table, cmap="Blues", vmax=1.4 * float(table.max()))
        ax.set(xticks=[], yticks=[])
    row[0].set(title="input mask", xlabel="6 pixels", ylabel=f"order {places.tolist()}\n12 units")
    row[1].set(title="output mask", xlabel="12 units", ylabel="6 pixels")
    row[2].set(title="paths", xlabel="from pixel", ylabel="to output")
    for i in range(6):
        for j in range(6):
            row[2].text(j, i, f"{(out @ into)[i, j]:.0f}", ha="center", va="center", fontsize=9)
plt.show()

# %% [markdown]
# ## 3 A layer with a mask
# **2 points · 8 minutes · easy**
#
# The masked layer is a linear layer with some of its weights taken for zero:
# $$y = (W \odot M)\,x + b \tag{4}$$
# The mask comes as an argument, because the same weights will serve many orders. That is the trap: what
# one order switches off another one needs, so $W$ itself has to stay as it is.
#
# `nn.Linear` already makes `weight` (H_out, H_in) and `bias` (H_out,) with a good start. Only the forward pass is new.
#
# <details><summary>Hint</summary>
#
# `F.linear(x, weight, bias)` computes $x W^\top + b$ for any weight that you hand it.
#
# </details>


# %% task="masked_linear" points=2 minutes=8
class MaskedLinear(nn.Linear):
    """y = (W * M) x + b, eq. (4). Made as nn.Linear(H_in, H_out), with its parameters weight and bias."""

    def forward(self, x, mask):
        """x: (n, H_in) float. mask: (H_out, H_in) float of 0 and 1. Returns (n, H_out).

        Changes neither weight nor mask. The check calls one layer with several masks, and looks at gradients.
        """
        # BEGIN SOLUTION
        return F.linear(x, self.weight * mask, self.bias)  # (4)
        # END SOLUTION


# %% check="masked_linear" points=1
# The output with one mask, then with another one.
layer = MaskedLinear(7, 5)
layer.weight.data, layer.bias.data = fresh(5, 7), fresh(5)
x, first, second = fresh(4, 7), (fresh(5, 7) > 0).float(), (fresh(5, 7) > 0).float()
check(
    output=layer(x, first),
    hint="(4, 5). The mask belongs to the weights: neither to the inputs, nor to the outputs, nor to the bias. A unit "
    "whose row of the mask is all 0 gives its bias.",
)
layer.weight.data = fresh(5, 7)
check(
    other_masks=torch.stack([layer(x, mask) for mask in (first, second, first)]),
    hint="The same layer with other weights, and three masks one after the other. Too many zeros: did a call switch "
    "weights off for good (weight.data *= mask), or change the mask? Is something of the first call kept?",
)

# %% check="masked_linear" points=1
# What training would do: gradients of the weights and of the input.
layer = MaskedLinear(6, 4)
layer.weight.data, layer.bias.data = fresh(4, 6), fresh(4)
x, mask = fresh(9, 6).requires_grad_(), (fresh(4, 6) > 0).float()
slopes = torch.autograd.grad((fresh(9, 4) * layer(x, mask)).sum(), [layer.weight, layer.bias, x], allow_unused=True)
slopes = [fresh(1) if slope is None else slope for slope in slopes]
check(
    gradient_in_weight=slopes[0],
    hint="Where the mask is 0 the gradient is 0: such a weight has no influence. Everywhere 0 or missing: the layer "
    "computes with a detached copy (.data, torch.tensor).",
)
check(gradient_in_bias_and_input=torch.cat([s.flatten() for s in slopes[1:]]), hint="The bias has no mask.")

# %% [markdown]
# ## 4 MADE
# **3 points · 14 minutes · medium**
#
# Now put it together. Hidden layers with a ReLU, an output layer without, each with its mask:
# $$h^0 = x, \qquad h^l = \max\big(0,\ (W^l \odot M^{W^l})\,h^{l-1} + b^l\big), \qquad
# \ell = (V \odot M^V)\,h^L + c \tag{5}$$
# The output is one logit for each pixel, $P(x_i = 1 \mid \text{pixels before } i) = \sigma(\ell_i)$. The order is an
# argument of the forward pass, so that one network serves them all; the degrees of the hidden units stay fixed and
# come from `even_degrees` above.
#
# Two facts make it a distribution, and the check looks for both: output $i$ has no derivative with respect to pixel
# $i$ or any later pixel, and therefore the probabilities of all $2^D$ images add up to 1, for any weights.
#
# <details><summary>Hint 1: the constructor</summary>
#
# The sizes are `[D, *hidden, D]`; `pairwise` gives the neighbours. Layers in a plain list are invisible to
# `parameters()`; use `nn.ModuleList`.
#
# </details>
#
# <details><summary>Hint 2: the forward pass</summary>
#
# Ask `made_masks` for the masks of this order, then go through layers and masks together. No ReLU after the last one:
# a logit may be negative.
#
# </details>


# %% task="made" points=3 minutes=14
class MADE(nn.Module):
    """Masked autoencoder for distribution estimation (Germain et al. 2015), eq. (5), with the order as an argument.

    MADE(D, hidden): hidden is a tuple of L >= 1 widths.
    self.degrees: a list of L tensors, even_degrees(H, D) for each width.
    self.layers: an nn.ModuleList of L + 1 MaskedLinear, from the first hidden layer to the output.
    """

    def __init__(self, D, hidden):
        super().__init__()
        # BEGIN SOLUTION
        self.degrees = [even_degrees(H, D) for H in hidden]
        self.layers = nn.ModuleList(MaskedLinear(n_in, n_out) for n_in, n_out in pairwise([D, *hidden, D]))
        # END SOLUTION

    def forward(self, x, order):
        """x: (n, D) float, in {0, 1}. order: (D,) int64, the place of each pixel. Returns logits (n, D).

        The check sets the weights, differentiates the logits, and calls one network with several orders.
        """
        # BEGIN SOLUTION
        masks = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers[:-1], masks[:-1], strict=True):
            x = layer(x, mask).relu()
        return self.layers[-1](x, masks[-1])  # (5)
        # END SOLUTION


# %% check="made" points=2
# Which pixels does each logit see? The Jacobian, sorted by place, is strictly lower triangular.
for D, hidden, name in ((9, (16,), "one_hidden_layer"), (7, (12, 15), "two_hidden_layers")):
    model = MADE(D, hidden)
    for layer in model.layers:
        layer.weight.data, layer.bias.data = fresh(*layer.weight.shape), fresh(*layer.bias.shape)
    cycle = fresh(D).argsort()
    order = cycle.roll(1)[cycle.argsort()]
    x = (fresh(D) > 0).float()
    jacobian = torch.autograd.functional.jacobian(lambda v, f=model, o=order: f(v[None], o)[0], x)
    sequence = order.argsort()
    check(
        **{name: torch.cat([jacobian[sequence][:, sequence], model(x[None], order)[0, sequence, None]], dim=1)},
        rtol=1e-4,
        atol=1e-5,
        hint="Row p: the derivatives of the logit at place p, then the logit. Numbers on the diagonal: a pixel sees "
        "itself. Above it: it sees later pixels. The triangle is right but the numbers differ: a ReLU after every "
        "hidden layer and none after the last? Zeros only: are the masks of another order?",
    )

# %% check="made" points=1
# A distribution over all 2^7 images, another one for each order, and the parameters an optimiser would find.
model = MADE(7, (20,))
for layer in model.layers:
    layer.weight.data, layer.bias.data = fresh(*layer.weight.shape), fresh(*layer.bias.shape)
everything = torch.cartesian_prod(*[torch.arange(2.0)] * 7)
cycle = fresh(7).argsort()
cumulative = []
for order in (torch.arange(7), cycle.roll(1)[cycle.argsort()], torch.arange(6, -1, -1), torch.arange(7)):
    log_p = F.logsigmoid((2 * everything - 1) * model(everything, order)).sum(1)
    cumulative.append(log_p.exp().cumsum(0))
check(
    cumulative=torch.stack(cumulative),
    rtol=1e-4,
    atol=1e-5,
    hint="Four orders, the last one is the first again; every row ends at 1. Rows that end elsewhere: some logit sees "
    "its own pixel. Four equal rows: the order is ignored. The last row is unlike the first: a call left traces.",
)
for p in model.parameters():
    p.data = torch.full_like(p, 0.25) + 0.01 * fresh(1)
check(
    found_by_parameters=model(everything[::16], torch.arange(7)),
    rtol=1e-4,
    atol=1e-5,
    hint="Every weight and bias is set through model.parameters(), as an optimiser does. Different: layers in a plain "
    "list, or parameters beyond those of the layers?",
)

# %% [markdown]
# **Look.** What the logit of one pixel (marked) sees in a network with random weights: the size of its derivative with
# respect to each pixel. In raster order it sees everything above and to the left, in a random order some random
# set, and never itself.

# %%
untrained = MADE(196, (500,))
fig, panels = plt.subplots(1, 3, figsize=(8, 2.8))
shuffled = torch.randperm(196, generator=torch.Generator().manual_seed(3))
for ax, (words, places) in zip(
    panels, {"raster": torch.arange(196), "bottom up": 195 - torch.arange(196), "random": shuffled}.items(), strict=True
):
    probe = torch.full((1, 196), 0.5, requires_grad=True)
    untrained(probe, places)[0, 7 * 14 + 7].backward()
    ax.imshow((probe.grad[0].abs() > 0).unflatten(0, (14, 14)), cmap="Blues", vmax=1.5)
    ax.plot(7, 7, "s", color=MODEL)
    ax.set(title=f"{words}: place {places[7 * 14 + 7]}", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## 5 The likelihood, in two units
# **2 points · 8 minutes · easy**
#
# The chain rule turns $D$ logits into the probability of the image, and training minimises
# $$-\ln P(x) = -\sum_{i=0}^{D-1} \Big( x_i \ln \sigma(\ell_i) + (1 - x_i) \ln \sigma(-\ell_i) \Big)
# \quad \text{nats per image} \tag{6}$$
# Papers on binary digits state this sum. Papers on colour images divide by the number of dimensions and by $\ln 2$:
# $$\text{bits per dimension} = \frac{-\ln P(x)}{D \ln 2} \tag{7}$$
# A result without its unit is worth nothing; 784 pixels and a factor $\ln 2$ lie between the two.
#
# <details><summary>Hint</summary>
#
# `torch.sigmoid(100.)` is exactly 1 in float32, and $\ln(1 - 1)$ is not what you want. `F.logsigmoid`, `F.softplus` or
# `F.binary_cross_entropy_with_logits` stay exact; mind their default `reduction`. What does the sum run over?
#
# </details>


# %% task="nll" points=2 minutes=8
def nll_nats(logits, x):
    """Negative log-likelihood of each image in nats, eq. (6).

    logits: (n, D) float, any real numbers. x: (n, D) float, in {0, 1}.
    Returns (n,) float, finite and with a gradient in logits, also where a logit is 500 and x is 0.
    """
    # BEGIN SOLUTION
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)  # (6)
    # END SOLUTION


def bits_per_dim(logits, x):
    """The same in bits per dimension, eq. (7). Returns (n,) float."""
    # BEGIN SOLUTION
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))  # (7)
    # END SOLUTION


# %% check="nll" points=1
# Nats per image: for ordinary logits, and for a model that is sure and wrong.
logits, x = 2 * fresh(6, 11), (fresh(6, 11) > 0).float()
check(
    nats=nll_nats(logits, x),
    rtol=1e-4,
    hint="(6,), one number an image. () or 11 times too small: the mean in place of the sum over pixels. Negative: "
    "sign. By a factor 0.69: bits.",
)
sure = (300 * fresh(6, 11)).requires_grad_()
nats = nll_nats(sure, x)
check(
    sure_and_wrong=torch.cat([nats, torch.autograd.grad(nats.sum(), sure)[0].flatten()]),
    rtol=1e-4,
    atol=1e-4,
    hint="Logits of hundreds: the NLL, and its gradient. inf or nan: log(sigmoid(z)). The same number again and again, "
    "or no gradient: clamped, as F.binary_cross_entropy does at 100.",
)

# %% check="nll" points=1
# Bits per dimension, for images of two sizes.
logits, x = 2 * fresh(5, 12), (fresh(5, 12) > 0).float()
check(
    twelve_pixels=bits_per_dim(logits, x),
    rtol=1e-4,
    hint="(5,). A coin toss costs exactly 1 bit a pixel (logits 0). Multiplied by ln 2 in place of divided? Divided by "
    "the number of images?",
)
x = torch.cartesian_prod(*[torch.arange(2.0)] * 3)
check(three_pixels=bits_per_dim(fresh(8, 3), x), rtol=1e-4, hint="D = 3, n = 8. A fixed D, or n in its place?")

# %% [markdown]
# **Look: train one order.** The loop is the usual one; its loss is your `nll_nats`, its data are binarised anew in
# each step. It takes some seconds. The model to beat gives each pixel a probability of its own and knows nothing of
# the others. Being told the pixels before should save a good dozen nats an image.

# %%
RASTER = torch.arange(196)


def train_made(network, draw_order, *, steps, lr=5e-3, batch_size=100, seed=0):
    """Adam with a one-cycle learning rate; draw_order(generator) gives the order of each step. Returns the losses."""
    dice, losses = torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, steps)
    for _ in progress(range(steps), stoppable=True):
        rows = torch.randint(len(train), (batch_size,), generator=dice)
        batch = binarise(train[rows], generator=dice)
        loss = nll_nats(network(batch, draw_order(dice)), batch).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses


torch.manual_seed(0)
raster_made = MADE(196, (500,))
losses = train_made(raster_made, lambda dice: RASTER, steps=1500)
pixel_logits = ((train / 255).mean(0) * 0.998 + 0.001).logit().expand(1000, -1)
with torch.no_grad():
    raster_logits = raster_made(held_out, RASTER)
fig, ax = plt.subplots(figsize=(8, 2.6))
ax.plot(losses, color=MODEL, lw=0.8, label="MADE in raster order, training batches")
ax.axhline(float(nll_nats(pixel_logits, held_out).mean()), color=DATA, label="independent pixels, held out")
ax.set(xlabel="step", ylabel="NLL (nats an image)", ylim=(30, 80))
ax.legend()
plt.show()
for words, logits in {"independent pixels": pixel_logits, "MADE, raster order": raster_logits}.items():
    nats, bits = nll_nats(logits, held_out).mean(), bits_per_dim(logits, held_out).mean()
    print(f"{words}: {nats:.1f} nats a held-out image (14 x 14, dynamic binarisation), {bits:.3f} bits a dimension")

# %% [markdown]
# ## 6 Ancestral sampling
# **3 points · 14 minutes · medium**
#
# To draw an image, draw its first pixel; then, knowing it, the second; and so on. The pixels have to be taken in their
# order, and before each of them the network has to be asked anew. With one uniform random number for each pixel,
# $$x_i = \mathbb 1\big[u_i < \sigma(\ell_i(x))\big] \qquad \text{for the pixels } i \text{ from first to last}
# \tag{8}$$
# Here `u[:, i]` belongs to pixel $i$, wherever it stands in the order. Given $u$, the sample is determined, so it
# can be compared pixel for pixel.
#
# `model` is any function that takes `(x, order)` and returns logits, as your `MADE` does. It is autoregressive,
# so what you put in for pixels that are not drawn yet does not matter. The smallest such model has no hidden layer: a
# logistic regression of each pixel on the pixels before it. The checks below use it, and it is good for trying out.


# %%
def regressions(A, b):
    """The model whose logits are A x + b, with A masked so that each pixel sees earlier ones. A: (D, D), b: (D,)."""
    return lambda x, order: x @ (A * (order[:, None] > order)).T + b


# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Start with zeros and fill in one column of `x` after the other: $D$ calls of the model, of which each uses one column
# of the answer.
#
# </details>
#
# <details><summary>Hint 2: in which sequence</summary>
#
# `for i in range(D)` is right for one order only. `for i in order` is wrong for most. Which tensor lists the pixels
# by their places?
#
# </details>


# %% task="sample" points=3 minutes=14
def sample(model, order, u):
    """Ancestral samples, eq. (8).

    model: a function (x (n, D) float, order) -> logits (n, D), autoregressive in the order that it is given.
    order: (D,) int64, the place of each pixel. u: (n, D) float, in (0, 1): u[:, i] decides about pixel i.
    Returns (n, D) float, in {0, 1}. Leaves u as it is.
    The check compares samples for given u, then the frequencies of 20,000 of them.
    """
    # BEGIN SOLUTION
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = u[:, i] < model(x, order)[:, i].sigmoid()  # (8)
    return x
    # END SOLUTION


# %% check="sample" points=2
# The image that belongs to u: raster order first, then another one.
A, b = (3 * fresh(9, 9)).round() / 4, (2 * fresh(9)).round() / 4
u = (((27 * fresh(60, 9)).floor() + 0.5) / 16).sigmoid()  # about uniform, never within rounding error of a probability
check(
    raster_order=sample(regressions(A, b), torch.arange(9), u),
    hint="Pixel i is 1 where u[:, i] < sigmoid(logit i), 0 elsewhere. Every pixel needs a new call of the model, with "
    "the pixels drawn so far in their columns.",
)
cycle = fresh(9).argsort()
order = cycle.roll(1)[cycle.argsort()]
check(
    another_order=sample(regressions(A, b), order, u),
    hint="Right in raster order only: the pixels are not taken from place 0 on (order.argsort() lists them), the "
    "model is not told the order, or u[:, place] is used where u[:, pixel] should be.",
)

# %% check="sample" points=1
# 20,000 images of four pixels: how often each of the 16 occurs.
A = (2.5 + 0.3 * fresh(4, 4)) * torch.tensor([[1.0, 1, -1, 1], [1, 1, 1, -1], [-1, 1, 1, 1], [1, -1, 1, 1]])
b = 0.5 * fresh(4)
u = torch.rand(20_000, 4, generator=fresh_generator())
drawn = sample(regressions(A, b), torch.tensor([2, 0, 3, 1]), u)
which = torch.as_tensor(drawn).long() @ torch.tensor([8, 4, 2, 1])
check(
    frequencies=which.bincount(minlength=16) / 20_000,
    atol=0.02,
    hint="The distribution itself is wrong, not only the use of u. Are all pixels drawn after one single call? Rounded "
    "in place of drawn? Drawn against the order?",
)

# %% [markdown]
# **Look.** Forty samples of the network that you trained, beside digits. Strokes hold together over many pixels; whole
# digits often do not, for the network is small and has seen nine thousand digits for a few seconds.

# %%
u_look = torch.rand(40, 196, generator=torch.Generator().manual_seed(1))
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
show_images(held_out[:40].unflatten(1, (14, 14)), columns=8, ax=left, title="binarised digits")
show_images(sample(raster_made, RASTER, u_look).unflatten(1, (14, 14)), columns=8, ax=right, title="samples of MADE")
plt.show()

# %% [markdown]
# ## 7 Many orders, one ensemble
# **2 points · 12 minutes · medium**
#
# One network, asked in $M$ orders, gives $M$ distributions $P_m$ over images. Their *mixture* is a distribution, too,
# and never much worse than the best of them:
# $$\ln P(x) = \ln \frac1M \sum_{m=1}^{M} P_m(x) \ \ge\ \max_m \ln P_m(x) - \ln M \tag{9}$$
# Averaged are probabilities of *whole images*. It is tempting, and has been done, to average the logits pixel by
# pixel instead. Then of two pixels each is predicted with the help of networks that have already seen the other one:
# the product is no distribution, and its "likelihood" comes out too good.
#
# For these digits $P_m(x)$ is near $e^{-40}$, but for larger or unlikely images, as in the check, it is $e^{-2000}$ and
# less, which is 0 as a float: stay in logarithms.
#
# <details><summary>Hint</summary>
#
# Stack the $-$NLLs of all orders into (M, n). What is the logarithm of a mean of exponentials? `torch.logsumexp` does
# most of it; the rest is $\ln M$.
#
# </details>


# %% task="ensemble_log_prob" points=2 minutes=12
def ensemble_log_prob(model, x, orders):
    """ln of the average probability of each image over several orders, eq. (9).

    model: a function (x, order) -> logits, as before. x: (n, D) float, in {0, 1}. orders: (M, D) int64, M >= 1.
    Returns (n,) float, in nats; finite also where each P_m(x) is below e^-1000.
    """
    # BEGIN SOLUTION
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders])  # (M, n)
    return log_p.logsumexp(0) - math.log(len(orders))  # (9)
    # END SOLUTION


# %% check="ensemble_log_prob" points=1
# A distribution over all 2^7 images, for five orders and for one.
A, b = 2.5 * fresh(7, 7), 0.5 * fresh(7)
everything = torch.cartesian_prod(*[torch.arange(2.0)] * 7)
orders = torch.stack([torch.arange(7), torch.arange(7).flip(0), *(fresh(7).argsort() for _ in range(3))])
check(
    cumulative=torch.stack(
        [
            torch.as_tensor(ensemble_log_prob(regressions(A, b), everything, chosen)).exp().cumsum(0)
            for chosen in (orders, orders[1:2])
        ]
    ),
    rtol=1e-4,
    atol=1e-5,
    hint="Both rows end at 1. Above 1: the sum in place of the mean, or logits averaged. Below 1: log-probabilities "
    "averaged (a geometric mean). Right for one order only: an average of the wrong thing, or over the images.",
)

# %% check="ensemble_log_prob" points=1
# Images so unlikely that their probability is no float.
A, b = 0.05 * fresh(50, 50), 60 * fresh(50).sign()
likely = torch.arange(50) < 3 * torch.arange(8)[:, None]  # (8, 50): in image k all pixels but 3k are all but impossible
x = (likely == (b > 0)).float()
orders = torch.stack([torch.arange(50), *(fresh(50).argsort() for _ in range(3))])
check(
    far_from_all=ensemble_log_prob(regressions(A, b), x, orders),
    rtol=1e-5,
    hint="Near -3000 nats. -inf: exponentiated on the way. Too low: the mean of the logarithms. Too high by ln 4: not "
    "divided by M. Only the largest: that is a bound, not the average.",
)

# %% [markdown]
# **Look: train for all orders.** The same loop, with a new random order in each step. One network then has to know far
# more, 196 conditionals in each of the $196!$ orders, so in any one order it is less good than a network that knows
# only that one. The ensemble wins part of it back. The last line is what averaging logits would claim; compare it with
# the bound that no mixture can beat.

# %%
torch.manual_seed(0)
any_made = MADE(196, (500,))
train_made(any_made, lambda dice: torch.randperm(196, generator=dice), steps=2500)
dice = torch.Generator().manual_seed(5)
many = torch.stack([torch.randperm(196, generator=dice) for _ in range(16)])
with torch.no_grad():
    all_logits = torch.stack([any_made(held_out, places) for places in many])  # (16, 1000, 196)
    each = torch.stack([nll_nats(logits, held_out) for logits in all_logits])  # (16, 1000)
    curve = [-ensemble_log_prob(any_made, held_out, many[:M]).mean() for M in (1, 2, 4, 8, 16)]
    cheat = nll_nats(all_logits.mean(0), held_out).mean()
fig, ax = plt.subplots(figsize=(8, 2.8))
ax.semilogx((1, 2, 4, 8, 16), curve, "o-", color=MODEL, label="ensemble of M orders", base=2)
ax.axhline(float(each.min(0).values.mean()), color="k", lw=1, ls=":", label="bound: each image by its best order")
ax.axhline(float(cheat), color="C3", lw=1, ls="--", label="logits averaged: no likelihood")
ax.set(xlabel="M", ylabel="NLL (nats an image)")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
print(f"one order: {each.mean():.1f} on average, {each.mean(1).min():.1f} the best of 16 (nats, dynamic binarisation)")
print(f"ensemble of 16: {curve[-1]:.1f}; no mixture of these 16 can get below {each.min(0).values.mean():.1f}")
print(f"16 logits averaged: {cheat:.1f}")

# %% [markdown]
# ## 8 Fill in what is missing
# **3 points · 16 minutes · medium**
#
# Some pixels are given, the rest is wanted. If the given ones come *first* in the order, nothing is left to derive:
# each missing pixel is drawn from its conditional, which sees all given pixels and the missing ones drawn before it. A
# model of a single order can do that for one kind of gap only. Yours takes any order, so move the given pixels to the
# front, whichever they are:
# $$\text{order}' = \text{given pixels in their order, then the missing pixels in theirs} \tag{10}$$
# Then sample as in (8), starting behind the given ones. `order'` is again a list of *places*, like `order`. The
# model has to be told the new order. Clamping the given pixels while sampling in the old order is the usual mistake:
# pixels before a given one never hear of it.
#
# <details><summary>Hint 1: the places</summary>
#
# Add $D$ to the place of each missing pixel. The numbers then sort as they should, but are no permutation of
# $0, \dots, D-1$ any more. What turns numbers into ranks?
#
# </details>
#
# <details><summary>Hint 2: ranks</summary>
#
# `z.argsort()` lists who comes first, second, ...; `z.argsort().argsort()` says for each one at which place.
#
# </details>
#
# <details><summary>Hint 3: the drawing</summary>
#
# Copy `x` first, or the caller's images change. Walk through the pixels of the new order as in `sample`, and leave the
# first `given.sum()` of them alone.
#
# </details>


# %% task="inpaint" points=3 minutes=16
def given_first(order, given):
    """The order in which the given pixels come first, eq. (10); within both groups the pixels stay in their order.

    order: (D,) int64, the place of each pixel. given: (D,) bool, maybe all or none.
    Returns (D,) int64, the new place of each pixel: a permutation of 0..D-1. Leaves order as it is.
    """
    # BEGIN SOLUTION
    return (order + len(order) * ~given).argsort().argsort()  # (10)
    # END SOLUTION


def inpaint(model, x, given, order, u):
    """Images completed: the given pixels kept, the missing ones drawn in the order given_first(order, given).

    model: a function (x, order) -> logits, as before. x: (n, D) float, in {0, 1}; what stands in its missing pixels
    must not matter. given: (D,) bool, the same set for all images. order: (D,) int64.
    u: (n, D) float, in (0, 1): a missing pixel i becomes 1 where u[:, i] < its probability; other entries are not used.
    Returns (n, D) float, in {0, 1}. Leaves x as it is.
    """
    # BEGIN SOLUTION
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = u[:, i] < model(x, order)[:, i].sigmoid()  # (8)
    return x
    # END SOLUTION


# %% check="inpaint" points=1
# Given pixels first, both groups in their old order.
cycle = fresh(11).argsort()
order = cycle.roll(1)[cycle.argsort()]
some = [(order, torch.arange(11)[fresh(11).argsort()] < size) for size in (2, 4, 5, 6, 9)]
some += [(places, places > 6) for places in (order, order.flip(0))]  # the last ones given
check(
    some_given=torch.stack([torch.as_tensor(given_first(places, given)) for places, given in some]),
    hint="Places of the 11 pixels, each row a permutation. Above 10: not ranks yet. The inverse permutation: one "
    "argsort too few, it lists pixels. The missing ones first: the wrong group moved.",
)
every = torch.ones(11, dtype=torch.bool)
check(
    all_or_none_given=torch.stack([torch.as_tensor(given_first(order, given)) for given in (every, ~every)]),
    hint="With all pixels given, or none, the order stays as it is.",
)

# %% check="inpaint" points=1
# Completions for given u, whatever stands in the gaps; nothing given, or everything.
A, b = (3 * fresh(9, 9)).round() / 4, (2 * fresh(9)).round() / 4
cycle = fresh(9).argsort()
new = cycle.roll(1)[cycle.argsort()]  # the places after the four given pixels came first, from places in between
order, given = torch.tensor([2, 5, 7, 8, 0, 1, 3, 4, 6])[new], new < 4
u = (((27 * fresh(60, 9)).floor() + 0.5) / 16).sigmoid()  # about uniform, never within rounding error of a probability
x = (fresh(60, 9) > 0).float()
done = inpaint(regressions(A, b), x, given, order, u)
check(
    changes=torch.as_tensor(done) - x,
    hint="The completed images minus x as it is after the call: 0 at given pixels, and not 0 everywhere (then x "
    "itself was changed). Wrong at missing pixels: is the model told the new order, are the pixels taken in it, "
    "and is u[:, i] that of pixel i?",
)
check(
    nothing_or_everything_given=torch.stack(
        [torch.as_tensor(inpaint(regressions(A, b), x, torch.full((9,), every), new, u)) for every in (False, True)]
    ),
    hint="With nothing given this is `sample`, with everything given it is x.",
)

# %% check="inpaint" points=1
# 20,000 completions of an image of five pixels, of which two are given: how often each occurs.
A = torch.tensor([[0.0, 2, 3, -2, 2], [0, 0, 0, 0, 0], [-3, 2, 0, 2, 2], [2, 2, -3, 0, 2], [0, 0, 0, 0, 0]])
A, b = A + 0.2 * fresh(5, 5), 0.2 * fresh(5) - 3.5
given = torch.tensor([False, True, False, False, True])
x = torch.where(given, 1.0, (fresh(5) > 0).float()).expand(20_000, 5)
u = torch.rand(20_000, 5, generator=fresh_generator())
done = inpaint(regressions(A, b), x, given, torch.tensor([1, 4, 0, 2, 3]), u)
check(
    frequencies=(torch.as_tensor(done).long() @ torch.tensor([16, 8, 4, 2, 1])).bincount(minlength=32) / 20_000,
    atol=0.02,
    hint="The distribution of the missing pixels is wrong. Do the first of them see the given pixels? In the old order "
    "the given ones may come last.",
)

# %% [markdown]
# **Look.** The network of all orders completes three kinds of gaps that nobody told it about. Left the digit, then what
# is given (missing pixels grey), then four completions. Where the given pixels decide, the completions agree; where
# they do not, each is another guess. The right panel is the easiest, for there nearly every missing pixel has given
# neighbours. Where a whole half is missing strokes fray: some seconds of training do not cover $196!$ orders.

# %%
line, column = torch.arange(196) // 14, torch.arange(196) % 14
scattered = torch.rand(196, generator=torch.Generator().manual_seed(4)) < 0.5
dice = torch.Generator().manual_seed(7)
places = torch.randperm(196, generator=dice)
sets = {"top half given": line < 7, "left half given": column < 7, "a random half given": scattered}
fig, panels = plt.subplots(1, 3, figsize=(9, 3.2))
for ax, (words, known) in zip(panels, sets.items(), strict=True):
    rows = []
    for digit in held_out[12:18]:
        u_look = torch.rand(4, 196, generator=dice)
        rows += [digit, torch.where(known, digit, 0.5), *inpaint(any_made, digit.expand(4, 196), known, places, u_look)]
    show_images(torch.stack(rows).unflatten(1, (14, 14)), columns=6, ax=ax, title=words)
plt.show()

# %% [markdown]
# ## 9 The same samples, much faster
# **3 points · 20 minutes · hard**
#
# `sample` asks the whole network $D$ times and uses one number of each answer. Look at what changes between two calls:
# one pixel $i$ got its value, so the hidden pre-activations $a = (W \odot M^W)\,x + b$ change by one column,
# $$a \leftarrow a + x_i\,(W \odot M^W)_{:,i} \tag{11}$$
# and of the output layer only the row of the next pixel is needed,
# $\ell_i = (V \odot M^V)_{i,:}\, \max(0, a) + c_i$. All $D$ steps together then cost about as much as *one* pass.
#
# Write it for a `MADE` with one hidden layer. The samples have to be those of `sample`, and the check counts: it adds
# up the multiplications in all matrix products and the numbers that all other tensor operations give out, and allows
# eight times what a single pass multiplies. So apply the masks once, before the loop.
#
# <details><summary>Hint 1: the idea</summary>
#
# Keep `a`, of shape (n, H). Before any pixel is drawn it is the bias. For each pixel in its order: logit from `a`,
# draw, update `a`.
#
# </details>
#
# <details><summary>Hint 2: the shapes</summary>
#
# `a.relu() @ V[i]` is (n, H) times (H,), one logit for each image. The update adds $x_i$, (n, 1), times a column of
# $W$, (H,). Start from a copy of the bias for each image (`.repeat(n, 1)`): an expanded view must not be changed in
# place.
#
# </details>


# %% task="sample_fast" points=3 minutes=20
def sample_fast(model, order, u):
    """The samples of `sample(model, order, u)` at about the cost of one forward pass, eq. (11).

    model: a MADE with one hidden layer of H units: model.layers[0] and [1] with weight and bias, model.degrees[0].
    order: (D,) int64. u: (n, D) float, in (0, 1). Returns (n, D) float, in {0, 1}. Leaves model and u as they are.
    The check allows 8 * 2 n D H operations, counted as above, with n = 16, D = 60, H = 24.
    """
    # BEGIN SOLUTION
    (hidden, out), (M_W, M_V) = model.layers, made_masks(order, model.degrees)
    x = torch.zeros_like(u)
    with torch.no_grad():
        W, V = hidden.weight * M_W, out.weight * M_V
        a = hidden.bias.repeat(len(u), 1)  # (n, H)
        for i in order.argsort():
            x[:, i] = u[:, i] < (a.relu() @ V[i] + out.bias[i]).sigmoid()  # (8)
            a += x[:, i, None] * W[:, i]  # (11)
    return x
    # END SOLUTION


# %% check="sample_fast" points=1
# The same samples as one pass a pixel would give.
model = MADE(13, (30,))
for layer in model.layers:
    layer.weight.data = (3 * fresh(*layer.weight.shape)).round() / 4
    layer.bias.data = fresh(len(layer.bias)).round() / 4
cycle = fresh(13).argsort()
order = cycle.roll(1)[cycle.argsort()]
u = (((27 * fresh(30, 13)).floor() + 0.5) / 16).sigmoid()
check(
    samples=sample_fast(model, order, u),
    hint="Pixel for pixel what `sample` gives. The first pixel right and later ones wrong: is `a` updated with the new "
    "pixel, by a column of the masked W, once? All wrong: bias of the hidden layer, ReLU, bias of the output?",
)


# %% check="sample_fast" points=2
# The same samples, and few operations: every one of these numbers is too large if there were too many.
class Operations(TorchDispatchMode):  # sees every tensor operation inside `with`
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.is_view or not isinstance(out, torch.Tensor):
            return out
        name, sizes = func.__name__, [a.numel() for a in args if isinstance(a, torch.Tensor)]
        product = name.startswith(("mm", "mv", "bmm", "dot", "addmm", "addmv", "baddbmm"))
        self.count += math.sqrt(sizes[-2] * sizes[-1] * out.numel()) if product else out.numel()
        return out


n, D, H = 16, 60, 24
model = MADE(D, (H,))
for layer in model.layers:
    layer.weight.data = (2 * fresh(*layer.weight.shape)).round() / 4
    layer.bias.data = fresh(len(layer.bias)).round() / 4
u = (((27 * fresh(n, D)).floor() + 0.5) / 16).sigmoid()
with Operations() as done:
    drawn = torch.as_tensor(sample_fast(model, fresh(D).argsort(), u))
check(
    samples_times_excess=drawn * max(1, done.count / (8 * 2 * n * D * H)),
    hint="0 and other numbers above 1: right or wrong, but too much work. Is a whole layer computed in the loop, or "
    "are the masks applied there? Ones at wrong places: the samples differ.",
)

# %% [markdown]
# **Look.** A hundred digits both ways, from the same uniform numbers. Rounding may turn a pixel whose $u$ is within
# $10^{-6}$ of its probability, so a rare difference is no mistake.

# %%
u_look = torch.rand(100, 196, generator=torch.Generator().manual_seed(2))
taken = {}
for words, sampler in {"a pass a pixel": sample, "one column a pixel": sample_fast}.items():
    start = time.perf_counter()
    taken[words] = sampler(any_made, places, u_look), time.perf_counter() - start
(slow, slow_seconds), (fast, fast_seconds) = taken.values()
print(f"{slow_seconds:.2f} s and {fast_seconds:.3f} s: {slow_seconds / fast_seconds:.0f} times faster")
print(f"equal pixels: {(slow == fast).float().mean():.2%}")
show_images(fast[:36].unflatten(1, (14, 14)), columns=12, zoom=3, title="samples in a random order")
plt.show()

# %% [markdown]
# ## What next
# The progress line under the last check shows your points; `grade check labs/03_made.ipynb` in a terminal runs the
# notebook from top to bottom and lists what the badges would say.
#
# Each pixel of a MADE has weights of its own, so a stroke learnt in one corner says nothing about the next. Lecture 04
# shares weights over the image, with masks on convolutions; lecture 05 puts the mask into attention, where any order is
# again a matter of one triangular table.
#
# **Beyond, without points**
# 1. Give the network a direct connection from input to output with the mask $\mathbb 1[m^0(i) > m^0(j)]$, starting at
#    zero (the paper does). How many nats does it gain in one order, how many in all of them?
# 2. Train with eight fixed orders in place of a new one at each step. Does the ensemble of those eight beat eight
#    random orders of `any_made`? Can the network still complete any gap?
# 3. A 0 in the input looks to the network like a pixel that is masked. Feed $2x - 1$ in place of $x$. Which of the
#    tasks has to change?
# 4. Let a MADE with $D = 5$ learn a net with the alarm's arrows and milder tables from samples of it. How many samples
#    until it knows that an earthquake explains away a burglary?
# 5. Compute the probability that the top half of a digit belongs to a seven: one MADE a class, and Bayes' rule.
