# ---
# jupyter:
#   course:
#     title: "09 GANs"
#     summary: "play the game of two networks move by move, calm it, and measure what came out"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 09: Two networks play a game
# A generator $G$ turns noise into points. A discriminator $D$ says which points are real and which are not. Each learns
# from the other's mistakes, and no likelihood is ever written down. That is the whole idea of a generative adversarial
# network, and nearly everything that goes wrong with it goes wrong in a few lines: which loss, who learns from whose
# gradient, and how one judges samples without a density. You write those lines.
#
# **Afterwards you can** write both losses from logits and say why two exist for the generator; compute the best
# possible discriminator and what the game is worth to it; take alternating steps in which nobody moves the other
# player; calm the game by a gradient penalty and by averaging weights; walk between two latent codes; and judge a
# generator by its modes and by a distance between features.
#
# **Needs** lecture 09, `autograd`, a little linear algebra. No GPU. About two hours, 8 tasks, 24 points. Tasks 1, 2, 4,
# 5, 6, 7 and 8 stand alone; 3 uses 1. The pictures after 4, 5, 6 and 8 use what came before.
#
# **How it works.** Replace the line `raise NotImplementedError(...)` of a task, run the cell, then run the check below
# it. Keep the names and the arguments: the checks call them. A check draws inputs with `fresh`, feeds your function
# with them and shows at once, for each value that it compares, pass or fail, the shape and a hint. Points are shared
# equally by the values of a check. That badge is help; the grade is computed later in the same way with *other* inputs.
# A task you left out or got wrong does not cost you the later ones in the grade: there the solution stands in for it.
# Here it does, so mend the tasks in their order. To go on at a later section, put the cursor there and choose *Run >
# Run All Above Selected Cell*: that does not stop at a task that is not done. In Colab, save a copy in Drive first
# (*File* menu); *Runtime > Run before* does it there. Add cells wherever you like; edits to a check cell are ignored.

# %%
import copy
import itertools
import math
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from utils.data import digits
from utils.plot import DATA, MODEL, plot_pmf, use_style
from utils.train import progress

use_style()

# %% [markdown]
# ## The data and the players
# The data are points in the plane: eight narrow Gaussians on a ring, here wider than the lecture's so that seconds of
# training are enough. In the plane everything can be seen, a lost mode as well as a bad sample. Both players are small
# networks with two hidden layers. $D$ returns **logits**: $\sigma(D(x))$ is the probability that it gives to "$x$ is
# real".


# %%
SIGMA = 0.1  # standard deviation of each mode
angles = torch.arange(8) * (2 * math.pi / 8)
CENTRES = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)  # (8, 2)


def ring(n, *, generator=None):
    """n points of the eight Gaussians on the ring: (n, 2) float32."""
    mode = torch.randint(8, (n,), generator=generator)
    return CENTRES[mode] + SIGMA * torch.randn(n, 2, generator=generator)


def mlp(*sizes):
    """Linear layers of the given sizes with leaky ReLUs between them: (B, sizes[0]) -> (B, sizes[-1])."""
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers[:-1])


torch.manual_seed(0)
G, x = mlp(2, 64, 64, 2), ring(1000)
with torch.no_grad():
    fake = G(torch.randn(1000, 2))
fig, ax = plt.subplots(figsize=(3.6, 3.6))
ax.scatter(*x.T, s=5, color=DATA, label="data")
ax.scatter(*fake.T, s=5, color=MODEL, label="G, untrained")
ax.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, markerscale=3)
plt.show()

# %% [markdown]
# ## 1 The losses
# **3 points · 12 minutes · easy**
#
# The discriminator is a classifier of two classes and pays the usual price, in nats: for a real $x$ the surprise at
# "real", for a fake one the surprise at "fake". Each class is averaged by itself:
# $$L_D = -\,\mathbb E_{x}\bigl[\ln \sigma(D(x))\bigr] - \mathbb E_{z}\bigl[\ln\bigl(1 - \sigma(D(G(z)))\bigr)\bigr]
# \tag{1}$$
# The generator wants the opposite. Taken literally, it minimises the part of $-L_D$ that it can change, the
# **saturating** loss. In practice it maximises the probability of "real" instead, the **non-saturating** loss:
# $$L_G^{\mathrm{sat}} = \mathbb E_{z}\bigl[\ln\bigl(1 - \sigma(D(G(z)))\bigr)\bigr], \qquad
# L_G = -\,\mathbb E_{z}\bigl[\ln \sigma(D(G(z)))\bigr] \tag{2}$$
# Both go down when fakes look more real. They differ in *where* they are steep, and you see it below.
#
# A discriminator that wins returns logits of some hundreds. There $\sigma$ is 0 or 1 in floating point, its logarithm
# is lost, and with it the gradient. So never compute $\sigma$ first.
#
# <details><summary>Hint 1: the idea</summary>
#
# Write $-\ln \sigma(\ell)$ as a function of the logit: it is $\ln(1 + e^{-\ell})$. And $1 - \sigma(\ell) =
# \sigma(-\ell)$. PyTorch has $\ln(1 + e^{a})$ in a form that is right for every $a$.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `F.softplus(a)` is $\ln(1 + e^a)$. Two of them, each with its own `.mean()`, make $L_D$; one each makes the others.
# Watch the signs: one of the three losses is never positive.
#
# </details>


# %% task="losses" points=3 minutes=12
def d_loss(real, fake):
    """The discriminator's loss of eq. (1) in nats, from logits.

    real, fake: float tensors of any shape, the logits of real and of generated data, not necessarily equally many.
    Returns a tensor with a single number, through which gradients flow. The check tries logits of some hundreds.
    """
    # BEGIN SOLUTION
    return F.softplus(-real).mean() + F.softplus(fake).mean()  # (1)
    # END SOLUTION


def g_loss_saturating(fake):
    """The generator's loss as the game has it, left of eq. (2). fake: logits, any shape. Returns one number."""
    # BEGIN SOLUTION
    return -F.softplus(fake).mean()  # (2)
    # END SOLUTION


def g_loss(fake):
    """The generator's non-saturating loss, right of eq. (2). fake: logits, any shape. Returns one number."""
    # BEGIN SOLUTION
    return F.softplus(-fake).mean()  # (2)
    # END SOLUTION


# %% check="losses" points=2
# The three losses at moderate logits, and all of them at logits of some hundreds.


def number(value):
    return torch.as_tensor(value).detach().item()


real, fake = 2 * fresh(3, 6), 2 * fresh(3, 4, 2)
check(
    discriminator=[number(d_loss(r, f)) for r, f in zip(real, fake, strict=True)],
    hint="Six real logits, and 4 x 2 fake ones. Half of it: real and fake are averaged separately and then added. Much "
    "too large: a sum in place of a mean. Signs: real logits should be large, fake ones small.",
)
check(
    saturating=[number(g_loss_saturating(f)) for f in fake],
    hint="ln(1 - sigma(l)) is negative everywhere. Positive numbers: the sign is missing, and G would help D to win.",
)
check(
    non_saturating=[number(g_loss(f)) for f in fake],
    hint="-ln sigma(l) is positive everywhere, small where the logit is large: G wants its fakes to be called real.",
)
far = 100 * torch.tensor([1.0, -1, 1, -1, 1, -1]) * (1.5 + fresh(6).abs())
check(
    far=[number(d_loss(far[:3], far[3:])), number(g_loss_saturating(far)), number(g_loss(far))],
    hint="If the values above fail, mend them first. Logits beyond 150, of both signs. inf or nan: the sigmoid was 0 "
    "or 1. Too low, near 50 or 100: binary_cross_entropy cuts the logarithm off at -100. A small number added inside "
    "the logarithm cuts it off too. Use the logits.",
)

# %% check="losses" points=1
# The slopes of the losses: what the networks learn from.
logits = torch.cat([2 * fresh(4), 150 + 50 * fresh(1).abs(), -150 - 50 * fresh(1).abs()])


def slope(loss, *arguments):
    leaves = [a.clone().requires_grad_() for a in arguments]
    return torch.stack(torch.autograd.grad(loss(*leaves), leaves))


check(
    slopes_of_G=torch.cat([slope(g_loss_saturating, logits), slope(g_loss, logits)]),
    hint="Derivatives with respect to six fake logits, saturating and not. An error: the loss has no gradient (a "
    "float, or .item(), .detach(), no_grad). Zero where it should not be: the sigmoid has eaten the gradient.",
)
check(
    slopes_of_D=slope(d_loss, logits, logits.flip(0)),
    hint="Derivatives of D's loss with respect to real and to fake logits: down with the one, up with the other.",
)

# %% [markdown]
# **Look.** To the left of zero $D$ has recognised the fake. Early in training that is the rule, and it is exactly where
# the saturating loss is flat: the generator is told least when it is worst. The other loss is steepest there.

# %%
fake = torch.linspace(-8, 8, 161)
fig, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for loss, color, name in ((g_loss_saturating, DATA, "saturating"), (g_loss, MODEL, "non-saturating")):
    axes[0].plot(fake, [loss(f) for f in fake], color=color, label=name)
    axes[1].plot(fake, [-slope(loss, f)[0] for f in fake], color=color)
axes[0].set(xlabel="logit of a fake, $D(G(z))$", ylabel="loss (nats)")
axes[1].set(xlabel="logit of a fake, $D(G(z))$", ylabel="pull towards more real", ylim=(-0.05, 1.05))
axes[0].legend()
plt.show()

# %% [markdown]
# ## 2 The best discriminator, and what the game is worth
# **3 points · 16 minutes · medium**
#
# Let the data take only $K$ values, with probabilities $p_k$, and the generator produce them with probabilities $q_k$.
# Then a discriminator is a list of $K$ logits, expectations are sums, and the whole theory fits into three short
# functions. For any logits the loss (1) is
# $$L_D(\ell) = \sum_k \Bigl(-p_k \ln \sigma(\ell_k) - q_k \ln\bigl(1 - \sigma(\ell_k)\bigr)\Bigr) \tag{3}$$
# Each $k$ can be minimised by itself, and the best answer is the probability that a value $k$ came from the data:
# $$\sigma(\ell^*_k) = \frac{p_k}{p_k + q_k}, \qquad \ell^*_k = \ln p_k - \ln q_k \tag{4}$$
# Put it back into (3) and the game has a value. With $m = (p + q)/2$,
# $$L_D(\ell^*) = \ln 4 - 2\,\mathrm{JSD}(p, q), \qquad \mathrm{JSD}(p, q) = \tfrac12 \sum_k p_k \ln\frac{p_k}{m_k}
# + \tfrac12 \sum_k q_k \ln\frac{q_k}{m_k} \tag{5}$$
# so a generator that plays against the best discriminator minimises the Jensen-Shannon divergence, which is 0 where
# $p = q$ and $\ln 2$ where the two never produce the same value.
#
# Zeros are the rule here, not the exception: **a value of probability zero costs nothing**, $0 \cdot \ln(\dots) = 0$,
# whatever stands in the logarithm. Where only one of $p_k$, $q_k$ is zero the best logit is $\pm\infty$; where both
# are, any logit is as good as another, and yours is 0.
#
# <details><summary>Hint 1: the idea</summary>
#
# In floating point $0 \cdot \infty$ is nan, and one nan spoils the sum. Either choose by `torch.where` what enters the
# sum, or use a function that knows that $0 \ln 0 = 0$.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `torch.xlogy(a, b)` is $a \ln b$, and 0 where $a = 0$. For the divergence write $p \ln (p/m)$ as $p\ln p - p \ln m$.
# In (3), `torch.where(p > 0, p * F.softplus(-logits), 0.0)` is the first half.
#
# </details>


# %% task="optimal_discriminator" points=3 minutes=16
def optimal_logits(p, q):
    """The logits of the best discriminator, eq. (4).

    p, q: (K,) float, probabilities of the data and of the generator; zeros may occur. Returns (K,): inf where only q is
    zero, -inf where only p is, 0 where both are.
    """
    # BEGIN SOLUTION
    return torch.where(p == q, 0.0, p.log() - q.log())  # (4)
    # END SOLUTION


def game_loss(logits, p, q):
    """The discriminator's expected loss in nats, eq. (3). logits: (K,), infinite where optimal_logits says so.

    Returns one number, finite wherever an infinite logit is a right one.
    """
    # BEGIN SOLUTION
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    on_fake = torch.where(q > 0, q * F.softplus(logits), 0.0)
    return (on_real + on_fake).sum()  # (3)
    # END SOLUTION


def js_divergence(p, q):
    """The Jensen-Shannon divergence of eq. (5) in nats, from 0 to ln 2. p, q: (K,). Returns one number."""
    # BEGIN SOLUTION
    m = (p + q) / 2
    return (torch.xlogy(p, p) - torch.xlogy(p, m) + torch.xlogy(q, q) - torch.xlogy(q, m)).sum() / 2  # (5)
    # END SOLUTION


# %% check="optimal_discriminator" points=2
# The best logits, and the loss of good and bad discriminators, with and without values that never occur.
p, q = (2 * fresh(7)).softmax(0), (2 * fresh(7)).softmax(0)
p_gaps = p * torch.tensor([1.0, 0, 1, 0, 1, 0, 1])
q_gaps = q * torch.tensor([1.0, 1, 0, 0, 1, 1, 0])
p_gaps, q_gaps = p_gaps / p_gaps.sum(), q_gaps / q_gaps.sum()
check(
    best_logits=optimal_logits(p, q),
    hint="ln p - ln q. All signs wrong: p is the data, and a value that is mostly real has a positive logit. Numbers "
    "between 0 and 1: probabilities, not yet logits.",
)
check(
    best_logits_with_gaps=optimal_logits(p_gaps, q_gaps),
    atol=1e-5,
    hint="Only real: inf. Only fake: -inf. Neither: 0, where your function probably says nan. Large but finite "
    "numbers: something small was added to p or q.",
)
logits = 3 * fresh(7)
check(
    any_discriminator=[float(game_loss(logits, p, q)), float(game_loss(-20 * logits, p, q))],
    rtol=1e-4,
    hint="The loss of two discriminators that are not the best: the logits given, weighted with p for real and q for "
    "fake values. A sum over k, no mean: p and q already weigh.",
)
best, best_gaps = torch.log(p / q), torch.tensor([0.0, -math.inf, math.inf, 0, 0, -math.inf, math.inf])
best_gaps[[0, 4]] = torch.log(p_gaps / q_gaps)[[0, 4]]
check(
    best_discriminator=[float(game_loss(best, p, q)), float(game_loss(best_gaps, p_gaps, q_gaps))],
    rtol=1e-4,
    hint="The loss of the best discriminators, the second with infinite logits: ln 4 - 2 JSD, below 1.39. nan: 0 times "
    "infinity. It should count as 0.",
)

# %% check="optimal_discriminator" points=1
# The Jensen-Shannon divergence of many pairs, near and far.
pairs = [((2 * fresh(6)).softmax(0), (2 * fresh(6)).softmax(0)) for _ in range(3)]
check(
    divergence=[float(js_divergence(p, q)) for p, q in pairs],
    rtol=1e-4,
    hint="Nats, half of each of two Kullback-Leibler divergences to the mean m, in that direction. Twice or four times "
    "as large: a half is missing. 1.44 times as large: bits.",
)
front = torch.tensor([1.0, 1, 1, 0, 0, 0])
p, q, both = fresh(6).softmax(0), fresh(6).softmax(0), (fresh(6).abs() + 0.1) * front.roll(1)
p_front, q_front, q_back = (a / a.sum() for a in (p * front, q * front, q * front.flip(0)))
both = both / both.sum()
check(
    with_zeros=[float(js_divergence(a, b)) for a, b in ((p_front, q_back), (p_front, both), (p_front, q_front))],
    rtol=1e-4,
    atol=1e-5,
    hint="The first pair never produces the same value: ln 2. The others have zeros in places that differ or agree. "
    "nan: 0 ln 0, or 0/0 where both are zero; it should count as 0.",
)

# %% [markdown]
# **Look.** One number a digit, the number of bright pixels, for ones and for eights. The curve is the best
# probability of "it is a one", and no discriminator that sees only this number can beat its loss.

# %%
images, labels = digits()
ink = ((images > 127).flatten(1).sum(1) // 8).clamp(max=30)  # (10000,), in units of 8 pixels
p, q = (torch.bincount(ink[labels == digit], minlength=31) / (labels == digit).sum() for digit in (1, 8))
best = optimal_logits(p, q)
fig, ax = plt.subplots(figsize=(8, 2.8))
plot_pmf(ax, p, fill=True, label="ones, as the data")
plot_pmf(ax, q, fill=True, color=MODEL, label="eights, as the fakes")
curve = ax.twinx()
seen = (p + q) > 0
curve.plot(torch.arange(31)[seen], best.sigmoid()[seen], color="k", lw=1.5, marker=".")
curve.set(ylabel="best D: probability of real", ylim=(-0.03, 1.03))
curve.grid(False)
curve.spines["right"].set_visible(True)
ax.set(xlabel="bright pixels / 8", ylabel="probability")
ax.legend(loc="center right", bbox_to_anchor=(1, 0.6))
plt.show()
print(f"loss of the best D    {game_loss(best, p, q):.4f} nats")
jsd = js_divergence(p, q)
print(f"ln 4 - 2 JSD          {math.log(4) - 2 * jsd:.4f} nats;  JSD {jsd:.4f} nats, at most {math.log(2):.4f}")
print(f"loss of a blind D     {game_loss(torch.zeros(31), p, q):.4f} nats = ln 4")

# %% [markdown]
# ## 3 One move each
# **4 points · 24 minutes · medium**
#
# Training alternates. In its move the discriminator changes its weights $\phi$ to lower $L_D$; the generator produces
# the fakes but must not learn from it. In its move the generator changes its weights $\theta$ to lower the
# non-saturating $L_G$; now the gradient has to pass *through* $D$, but $D$ must not move:
# $$\phi \leftarrow \phi - \eta\,\nabla_\phi \bigl(L_D + \text{penalty}\bigr), \qquad
# \theta \leftarrow \theta - \eta\,\nabla_\theta L_G \tag{6}$$
# where the minus sign stands for whatever the optimiser makes of the gradient. Two rules keep the moves apart:
#
# 1. **A D step leaves $G$ alone**: its weights and also what stands in their `.grad`. Fakes enter $D$ as data.
# 2. **Only this step's gradient counts.** `backward()` *adds* to `.grad`. Whatever an earlier step, or the other
#    player's step, has left there must have no effect. (The G step may leave something in the `.grad` of $D$'s weights,
#    for the gradient went through them. The next D step starts by throwing it away.)
#
# The `penalty` is for task 4: a function of $D$ and the real batch, added to the discriminator's loss.
#
# <details><summary>Hint 1: who needs which gradient</summary>
#
# `G(z).detach()` has the numbers of `G(z)` and no history: behind it, backward stops. In which of the two steps do you
# want that?
#
# </details>
#
# <details><summary>Hint 2: the order</summary>
#
# The loss, then `zero_grad` of the optimiser, `backward` of the loss, `step` of the optimiser. Each optimiser knows the
# weights of one player only, so `step()` cannot move the other.
#
# </details>


# %% task="alternating_step" points=4 minutes=24
def d_step(G, D, optimiser, x, z, penalty=None):
    """One step of the discriminator, left of eq. (6), with `d_loss` of task 1.

    G: (B, d_z) -> (B, d_x). D: (B, d_x) -> (B, 1) logits. optimiser: of D's parameters. x: (B, d_x) real. z: (B, d_z).
    penalty: None, or a function (D, x) -> one number, added to the loss before the step.
    Returns the loss (with the penalty) before the step, a float. Changes D's parameters and nothing of G, neither
    parameters nor their .grad. What stands in .grad of D's parameters before the call has no effect.
    """
    # BEGIN SOLUTION
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()  # (6)
    return loss.item()
    # END SOLUTION


def g_step(G, D, optimiser, z):
    """One step of the generator, right of eq. (6), with the non-saturating `g_loss` of task 1.

    optimiser: of G's parameters. Returns the loss before the step, a float. Changes G's parameters and none of D's, and
    leaves D so that its next step works. What stands in .grad of G's parameters before the call has no effect.
    """
    # BEGIN SOLUTION
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()  # (6)
    return loss.item()
    # END SOLUTION


# %% check="alternating_step" points=2
# One step of D by plain gradient descent: where D went, and that G is as it was.


def flat(network, of=lambda parameter: parameter):
    return torch.cat([of(parameter).detach().flatten() for parameter in network.parameters()])


def players():
    G = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    D = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    for parameter in [*G.parameters(), *D.parameters()]:
        parameter.data.copy_(0.7 * fresh(*parameter.shape))
    return G, D


def with_old_gradients(network):
    for parameter in network.parameters():
        parameter.grad = fresh(*parameter.shape)
    return network


x, z = 1 + fresh(6, 2), fresh(6, 3)
G, D = players()
loss = d_step(G, D, torch.optim.SGD(D.parameters(), lr=0.2), x, z)
check(
    loss=float(loss),
    D_moved=flat(D),
    rtol=1e-4,
    hint="The loss before the step, and D's 21 parameters after it. Parameters wrong: d_loss of D(x) and D(G(z)) in "
    "this order? downhill? zero_grad before backward, backward before step?",
)
G, D = players()
d_step(G, D, torch.optim.SGD(with_old_gradients(D).parameters(), lr=0.2), x, z)
check(
    old_gradients=flat(D),
    rtol=1e-4,
    hint="Before the step something was already standing in the .grad of D's parameters. It has been added to the new "
    "gradient: throw it away before backward.",
)
G, D = players()
with_old_gradients(G)
d_step(G, D, torch.optim.SGD(D.parameters(), lr=0.2), x, z)
check(
    G_untouched=torch.cat([flat(G), flat(G, lambda parameter: parameter.grad), flat(D)]),
    rtol=1e-4,
    hint="After a D step: G's parameters, what stands in their .grad, and D's parameters. D right and this wrong: the "
    "gradient ran on into G (detach what G made), or G's gradients were cleared, which is not D's business.",
)
G, D = players()
loss = d_step(G, D, torch.optim.SGD(D.parameters(), lr=0.2), x, z, lambda D, x: 0.3 * D(x + 1).square().sum())
check(
    penalty=torch.cat([torch.tensor([float(loss)]), flat(D)]),
    rtol=1e-4,
    hint="Loss and parameters with a penalty, a function that is called with D and the real batch x and whose value is "
    "added to the loss before backward.",
)

# %% check="alternating_step" points=2
# One step of G, and three rounds of the game with momentum.


def flat(network, of=lambda parameter: parameter):
    return torch.cat([of(parameter).detach().flatten() for parameter in network.parameters()])


def players():
    G = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    D = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    for parameter in [*G.parameters(), *D.parameters()]:
        parameter.data.copy_(0.7 * fresh(*parameter.shape))
    return G, D


def with_old_gradients(network):
    for parameter in network.parameters():
        parameter.grad = fresh(*parameter.shape)
    return network


z = fresh(6, 3)
G, D = players()
loss = g_step(G, D, torch.optim.SGD(G.parameters(), lr=0.2), z)
check(
    loss=float(loss),
    G_moved=torch.cat([flat(G), flat(D)]),
    rtol=1e-4,
    hint="The loss before the step, and after it G's 26 and D's 21 parameters. G has not moved: something was "
    "detached, here nothing may be. Moved elsewhere: the non-saturating loss? D moved: it must not.",
)
G, D = players()
g_step(G, D, torch.optim.SGD(with_old_gradients(G).parameters(), lr=0.2), z)
check(
    old_gradients=flat(G),
    rtol=1e-4,
    hint="Before the step something was already standing in the .grad of G's parameters: throw it away before "
    "backward.",
)
G, D = players()
optimisers = [torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.6) for network in (D, G)]
for x, z in zip(1 + fresh(3, 6, 2), fresh(3, 6, 3), strict=True):
    d_step(G, D, optimisers[0], x, z)
    g_step(G, D, optimisers[1], z.flip(0))
check(
    three_rounds=torch.cat([flat(G), flat(D)]),
    rtol=1e-3,
    atol=1e-4,
    hint="Both players after three rounds. Single steps right and this wrong: gradients leak from one step into the "
    "next, D was frozen for G's step and not thawed, or a step does not use the optimiser it was given.",
)

# %% [markdown]
# **Look.** The game on the ring with your steps, twice, from the same weights. First the discriminator takes steps 25
# times smaller than the generator: $G$ runs to whatever $D$ believes in, $D$ notices slowly, $G$ runs on. Then both are
# equally fast. Each snapshot shows the same thousand codes.


# %%
def play(G, D, steps, *, lr_d, lr_g, average=None, seed=0, every=25):
    """Alternate d_step and g_step on the ring with Adam. Returns {step: samples (1000, 2) of always the same codes}.

    average: None, or a copy of G that follows it by `update_ema` of task 5; then the samples are the average's.
    """
    coin, snapshots = torch.Generator().manual_seed(seed), {}
    d_optimiser = torch.optim.Adam(D.parameters(), lr_d, betas=(0.5, 0.9))
    g_optimiser = torch.optim.Adam(G.parameters(), lr_g, betas=(0.5, 0.9))
    codes = torch.randn(1000, 2, generator=coin)
    for step in progress(range(1, steps + 1)):
        d_step(G, D, d_optimiser, ring(128, generator=coin), torch.randn(128, 2, generator=coin))
        g_step(G, D, g_optimiser, torch.randn(128, 2, generator=coin))
        if average is not None:
            update_ema(average, G, 0.99)
        if step % every == 0:
            with torch.no_grad():
                snapshots[step] = (G if average is None else average)(codes)
    return snapshots


def new_players():
    torch.manual_seed(1)
    return mlp(2, 64, 64, 2), mlp(2, 64, 64, 1)


def show_plane(ax, size=2.7):
    """Circles of three standard deviations around the modes."""
    for centre in CENTRES:
        ax.add_patch(plt.Circle(centre, 3 * SIGMA, fill=False, color=DATA, lw=0.8))
    ax.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")
    ax.grid(False)


runs, start = {}, time.perf_counter()
runs["slow D"] = play(*new_players(), 1500, lr_d=2e-4, lr_g=5e-3)
runs["equally fast"] = play(*new_players(), 1500, lr_d=5e-3, lr_g=5e-3)
fig, axes = plt.subplots(2, 5, figsize=(9, 4.2))
for row, (name, snapshots) in zip(axes, runs.items(), strict=True):
    for ax, step in zip(row, (100, 300, 600, 1000, 1500), strict=True):
        show_plane(ax)
        ax.scatter(*snapshots[step].T, s=2, color=MODEL)
        ax.set(xticks=[], yticks=[], title=f"round {step}")
    row[0].set_ylabel(name)
plt.show()
print(f"two games of 1,500 rounds: {time.perf_counter() - start:.0f} s")

# %% [markdown]
# ## 4 A penalty on steepness
# **3 points · 14 minutes · medium**
#
# Close to the end of training $D$ should have nothing left to say: where $p = q$ the best logits are flat. A
# discriminator that stays steep at the data pushes the generator past its target, and the two circle. The **R1
# penalty** takes the steepness at real points away (Mescheder et al. 2018):
# $$R_1 = \tfrac12\, \mathbb E_{x \sim \mathrm{data}} \bigl\| \nabla_x D(x) \bigr\|^2 \tag{7}$$
# Read it slowly. The gradient is with respect to the *data*, each point has its own, its squared length is a sum over
# all coordinates of the point (two here, 784 for a digit), and the expectation is a mean over points. Then $D$'s
# weights are moved to make it small, so the result is differentiated once more.
#
# <details><summary>Hint 1: one gradient for each point, in one pass</summary>
#
# $D(x_1)$ does not depend on $x_2$. So the gradient of the *sum* $\sum_b D(x_b)$ with respect to the batch holds in row
# $b$ the gradient of $D(x_b)$ alone.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `torch.autograd.grad(outputs, inputs, create_graph=True)` returns a tuple with one gradient for each input, and
# `create_graph` makes them differentiable. The input has to require a gradient: `x.detach().requires_grad_()`.
#
# </details>


# %% task="r1_penalty" points=3 minutes=14
def r1_penalty(D, x):
    """The R1 penalty of eq. (7), a tensor with one number that can be differentiated with respect to D's parameters.

    D: (B, ...) -> (B,) or (B, 1) logits, each sample by itself. x: (B, ...) real data, of any number of axes.
    Leaves the .grad of D's parameters as it is. The check tries points, images, and the gradient of the penalty.
    """
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)  # (B, ...)
    return gradient.flatten(1).square().sum(1).mean() / 2  # (7)
    # END SOLUTION


# %% check="r1_penalty" points=2
# The penalty of a network on points, of a convolution on images, and of functions whose gradient is known.


def number(value):
    return torch.as_tensor(value).detach().item()


def filled(network):
    for parameter in network.parameters():
        parameter.data.copy_(fresh(*parameter.shape))
    return network


D, x = filled(nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))), fresh(9, 2)
check(
    points=number(r1_penalty(D, x)),
    rtol=1e-4,
    hint="Nine points in the plane, D returns (9, 1). Twice as large: the half is missing. Nine or eighty-one times "
    "too small: D was averaged over the batch before its gradient was taken. Twice too small: a mean over coordinates.",
)
image_D = filled(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 1), nn.Flatten(0)))
check(
    images=number(r1_penalty(image_D, fresh(5, 2, 4, 5))),
    rtol=1e-4,
    hint="Five images of 2 channels and 4 x 5 pixels, D returns (5,). The squares are added over all axes but the "
    "first.",
)
bowl = fresh(3, 3)
check(
    known=[
        number(r1_penalty(lambda x: (x @ bowl * x).sum(1), fresh(4, 3))),
        number(r1_penalty(lambda x: 5 - x.sum(1), fresh(4, 3))),
    ],
    rtol=1e-4,
    hint="A quadratic function, and a plane of slope (-1, -1, -1), whose penalty is 1.5 everywhere: the squared "
    "length of the gradient itself, not of its distance from 1, and not of its mean over the batch.",
)
junk = [fresh(*parameter.shape) for parameter in D.parameters()]
for parameter, old in zip(D.parameters(), junk, strict=True):
    parameter.grad = old.clone()
penalty = number(r1_penalty(D, 2 * x))
check(
    gradients_kept=torch.cat([(parameter.grad * penalty).flatten() for parameter in D.parameters()]),
    rtol=1e-4,
    atol=1e-5,
    hint="The .grad of D's parameters, times the penalty. They change if the gradient is taken by backward(): "
    "torch.autograd.grad returns it and touches nothing.",
)

# %% check="r1_penalty" points=1
# The gradient of the penalty with respect to D's parameters.
D, x = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1)), fresh(8, 2)
for parameter in D.parameters():
    parameter.data.copy_(fresh(*parameter.shape))
r1 = r1_penalty(D, x)
slopes = torch.autograd.grad(r1, list(D.parameters()), retain_graph=True, materialize_grads=True)
check(
    second_derivative=torch.cat([slope.flatten() for slope in slopes]),
    rtol=1e-3,
    atol=1e-4,
    hint="An error about requires_grad or grad_fn: without create_graph=True the gradient is a plain number, and the "
    "penalty changes nothing. A factor: compare with the other check.",
)
optimiser = torch.optim.SGD(D.parameters(), lr=0.01)
(r1 + D(x).square().mean()).backward()
optimiser.step()
check(
    after_a_step=D(x).flatten(),
    rtol=1e-3,
    atol=1e-4,
    hint="D(x) after a step down the penalty plus the mean of D(x) squared. Are parts of the graph freed or detached?",
)

# %% [markdown]
# **Look.** The smallest game there is, the lecture's Dirac-GAN, with the non-saturating loss. The data are a single
# point, 0. The generator is a single number $\theta$, the point that it makes, and the discriminator is a straight line
# $D(x) = \psi x$. Both losses are yours, both steps are plain gradient descent, and the solution is $\theta = \psi =
# 0$. Without the penalty the two chase each other in circles that shrink only slowly: whenever $G$ arrives at the data,
# $D$ is steep there and sends it past.


# %%
def smallest_game(weight, rounds=400, lr=0.2):
    """The path (rounds + 1, 2) of (theta, psi) with R1 times `weight`."""
    G, D = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
    G.bias.data.fill_(1.0)
    D.weight.data.fill_(0.0)
    optimisers = [torch.optim.SGD(network.parameters(), lr) for network in (D, G)]
    x, z, path = torch.zeros(1, 1), torch.zeros(1, 1), [(1.0, 0.0)]
    for _ in range(rounds):
        d_step(G, D, optimisers[0], x, z, lambda D, x: weight * r1_penalty(D, x))
        g_step(G, D, optimisers[1], z)
        path.append((G.bias.item(), D.weight.item()))
    return torch.tensor(path)


fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3), gridspec_kw={"width_ratios": [1, 1.5]})
for weight, color, name in ((0.0, "C3", "no penalty"), (0.3, MODEL, "0.3 R1"), (3.0, "C2", "3 R1")):
    path = smallest_game(weight)
    left.plot(*path.T, color=color, lw=1)
    right.plot(path[:, 0], color=color, label=name)
left.scatter([0], [0], color="k", s=15, zorder=3)
left.set(xlabel="generator $\\theta$", ylabel="discriminator $\\psi$", aspect="equal")
right.set(xlabel="round", ylabel="$\\theta$ (the data are at 0)")
right.legend(loc="upper right")
plt.show()

# %% [markdown]
# A little penalty damps the circle, more of it stops the circling but slows the approach. What it does for real data is
# not as plain as here. What it does on the ring you can try at the end (question 3).
#
# ## 5 The generator's average
# **2 points · 9 minutes · easy**
#
# Even a calm game trembles: each step of $G$ answers a single batch. So keep a second generator that never plays. After
# each step it moves a small part of the way towards the player,
# $$\bar\theta \leftarrow \beta\, \bar\theta + (1 - \beta)\, \theta \tag{8}$$
# which is an exponential moving average over about the last $1/(1-\beta)$ steps. Samples are drawn from the average.
# Everything in the state of the model that is a floating number is averaged, the running means of normalisation
# layers too; whole numbers, such as their count of batches, are copied. (The lecture's average weights the past in
# another way: there weight $i$ has a share that grows like a power of $i$, so that one setting fits a run of any
# length.) In the code $\beta$ is `decay`.
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# `model.state_dict()` names all parameters and buffers, and its tensors are the model's own storage, detached: what you
# write into them with an in-place method such as `lerp_`, `mul_` or `copy_` arrives in the model.
#
# </details>


# %% task="update_ema" points=2 minutes=9
def update_ema(average, model, decay):
    """One step of the exponential moving average, eq. (8), in place.

    average, model: modules of the same class; the parameters of both may require gradients. decay: float, 0..1.
    Changes the parameters and buffers of `average`: floating ones averaged, others copied. Leaves `model` as it is.
    """
    # BEGIN SOLUTION
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(new, 1 - decay)  # (8)
        else:
            mean.copy_(new)
    # END SOLUTION


# %% check="update_ema" points=2
# The average after one and after three updates, its buffers, and the model beside it.


def network():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    for parameter in module.parameters():
        parameter.data.copy_(fresh(*parameter.shape))
    return module


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


average, model = network(), network()
update_ema(average, model, 0.9)
check(
    one_update=flat(average),
    hint="decay 0.9: nine tenths of the average stay. Nearly the model: the two weights are swapped. Unchanged: does "
    "the in-place operation reach the parameters, or only a new tensor?",
)
for decay in (0.5, 0.75):
    for parameter in model.parameters():
        parameter.data.add_(fresh(*parameter.shape))
    update_ema(average, model, decay)
check(
    three_updates=flat(average),
    model_kept=torch.cat([flat(model), flat(average)]),
    hint="Between the updates the model moved, in place. One update right and this wrong: the average shares its "
    "storage with the model, or the model has been changed.",
)
for _ in range(3):
    model(1 + 2 * fresh(8, 3))
    update_ema(average, model, 0.6)
check(
    buffers=torch.cat([buffer.double().flatten() for buffer in average.buffers()]),
    hint="Running mean and variance of the normalisation layer, averaged like the weights, and its count of batches, "
    "copied. parameters() does not name them; state_dict() does.",
)

# %% [markdown]
# **Look.** The second game of task 3 once more, with the same random numbers, and now an average follows the player.
# Lines show where 24 codes $z$ land during the last 400 rounds.

# %%
G, D = new_players()
G_average = copy.deepcopy(G)
runs["its average"] = play(G, D, 1500, lr_d=5e-3, lr_g=5e-3, average=G_average)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.8))
for ax, (title, name) in zip(axes, (("the player", "equally fast"), ("its average", "its average")), strict=True):
    show_plane(ax)
    late = torch.stack([samples[:24] for step, samples in runs[name].items() if step > 1100])  # (16, 24, 2)
    for path in late.unbind(1):
        ax.plot(*path.T, color=MODEL, lw=0.8, marker=".", ms=4)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
plt.show()

# %% [markdown]
# ## 6 From one code to another
# **3 points · 15 minutes · medium**
#
# What lies between two samples? Walk from $z_0$ to $z_1$ and look at $G$ on the way. The straight line leaves the
# country. Gaussian codes in $d$ dimensions nearly all have a length close to $\sqrt d$: they live in a thin shell. The
# middle of the straight line between two of them is shorter by a factor of about $\sqrt 2$, and $G$ has hardly ever
# seen such a code. (Whether that hurts can be measured; for the lecture's net it hardly did.) So turn instead. With
# lengths $r_i = \|z_i\|$, directions $u_i = z_i / r_i$ and the angle $\omega$ between them,
# $$z(t) = \bigl((1-t)\, r_0 + t\, r_1\bigr) \left( \frac{\sin((1-t)\,\omega)}{\sin \omega}\, u_0
# + \frac{\sin(t\,\omega)}{\sin \omega}\, u_1 \right), \qquad \omega = \angle(u_0, u_1) \tag{9}$$
# The direction turns at constant speed along the great circle, and the length changes evenly from $r_0$ to $r_1$.
# (The lecture walks between codes of equal length: the first factor is new, and so is the care for small angles.)
#
# The trap: where $u_0$ and $u_1$ agree, $\sin \omega$ is 0. The limit is harmless, the two weights become $1 - t$ and
# $t$, but the computer does not take limits. And rounding makes the cosine of two equal directions now and then a
# little larger than 1.
#
# <details><summary>Hint 1: the idea</summary>
#
# Either decide, for each pair by itself, whether the angle is so small that the limit is accurate enough
# (`torch.where`, with a safe denominator in the branch that is not taken), or find a function that contains the limit.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `torch.sinc(a)` is $\sin(\pi a)/(\pi a)$ and 1 at 0; a ratio of sines is $t$ times a ratio of two sincs. The angle
# is $2 \arctan(\|u_0 - u_1\| / \|u_0 + u_1\|)$, accurate everywhere, or `acos` of the clamped cosine. The times become
# an axis of their own in front: `t[:, None, None]`.
#
# </details>


# %% task="slerp" points=3 minutes=15
def slerp(z0, z1, t):
    """Spherical interpolation of eq. (9) for each pair of codes and each time.

    z0, z1: (B, d) float, no zero vectors, no two of a pair in opposite directions. t: (T,) float in 0..1.
    Returns (T, B, d): z0 at t = 0, z1 at t = 1. The check tries angles from 0 to almost pi in the same batch.
    """
    # BEGIN SOLUTION
    r0, r1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)  # (B, 1)
    u0, u1 = z0 / r0, z1 / r1
    omega = 2 * torch.atan2((u0 - u1).norm(dim=1, keepdim=True), (u0 + u1).norm(dim=1, keepdim=True))  # (B, 1)
    t = t[:, None, None]
    w0, w1 = ((s * torch.sinc(s * omega / math.pi)) / torch.sinc(omega / math.pi) for s in (1 - t, t))  # (T, B, 1)
    return ((1 - t) * r0 + t * r1) * (w0 * u0 + w1 * u1)  # (9)
    # END SOLUTION


# %% check="slerp" points=2
# Points on the way: at the ends, in between, their lengths, and the angles that have been turned.
z0, z1 = fresh(12, 4), 2 * fresh(12, 4)
t = torch.rand(6, generator=fresh_generator()).sort().values
path, even = torch.as_tensor(slerp(z0, z1, t)), torch.linspace(0, 1, 9)
check(
    on_the_way=path,
    rtol=1e-4,
    atol=1e-5,
    hint="Shape (6, 12, 4): times, pairs, coordinates. Right where the lengths agree only: the angle is the one "
    "between the directions, and the length has its own factor.",
)
check(
    ends=slerp(z0, z1, torch.tensor([0.0, 1.0])),
    rtol=1e-4,
    atol=1e-5,
    hint="t = 0 gives z0 and t = 1 gives z1, with their own lengths. Swapped? All of length 1?",
)
straight = torch.as_tensor(slerp(z0, z1, even)).double()
check(
    lengths=straight.norm(dim=2),
    rtol=1e-4,
    atol=1e-5,
    hint="At nine even times: the length changes evenly from |z0| to |z1|. It sags in the middle: a straight line.",
)
units = F.normalize(straight, dim=2)
check(
    angles_turned=2 * torch.atan2((units - units[:1]).norm(dim=2), (units + units[:1]).norm(dim=2)),
    rtol=1e-3,
    atol=1e-3,
    hint="The angle from z0 grows in proportion to t. Slow at the ends and fast in the middle: a straight line, "
    "stretched afterwards to the right length.",
)

# %% check="slerp" points=1
# Directions that agree, almost agree, and are almost opposite, in one batch.
z0, aside = fresh(12, 8), fresh(12, 8)
aside = aside - (aside * z0).sum(1, keepdim=True) / z0.square().sum(1, keepdim=True) * z0  # at right angles to z0
aside = aside / aside.norm(dim=1, keepdim=True) * z0.norm(dim=1, keepdim=True)
angle = torch.tensor([0.0, 0, 0, 0, 1e-7, 1e-7, 1e-5, 1e-5, 1e-4, 1e-3, 1.5, 3.0])[:, None]
z1 = (1.5 + 0.5 * fresh(12, 1).tanh()) * (angle.cos() * z0 + angle.sin() * aside)
t = torch.tensor([0.0, 0.25, 0.5, 1.0])
check(
    mixed_angles=slerp(z0, z1, t),
    rtol=1e-4,
    atol=1e-4,
    hint="Twelve pairs, with angles from 0 over 1e-7 and 1e-3 to 3. nan: 0/0, or the acos of something above 1. "
    "Others of the batch wrong: the decision must be made for each pair by itself. A small number added to the sine "
    "spoils small angles.",
)
same = 0.5 * fresh(40, 3)
itself = torch.cat([torch.as_tensor(slerp(code[None], code[None], t)) for code in same], dim=1)  # (4, 40, 3)
check(
    no_angle=torch.stack([itself, torch.as_tensor(slerp(same, 3 * same, t))]),
    rtol=1e-4,
    atol=1e-5,
    hint="Forty codes, each with itself in a batch of one, then with three times themselves: no nan, and the length "
    "still changes evenly.",
)

# %% [markdown]
# **Look.** Left: the lengths of the codes on the way between two codes of 64 dimensions, for thirty pairs. The band
# holds 99 of 100 Gaussian codes. Right: the plane of the two-dimensional codes of task 5. Each colour is a mode that
# the averaged generator makes of them, white are codes that give no good sample. Both ways lead from one code to
# another.

# %%
coin, t = torch.Generator().manual_seed(3), torch.linspace(0, 1, 41)
z0, z1 = torch.randn(30, 64, generator=coin), torch.randn(30, 64, generator=coin)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), gridspec_kw={"width_ratios": [1.2, 1]})
typical = torch.randn(20_000, 64, generator=coin).norm(dim=1).quantile(torch.tensor([0.005, 0.995]))
left.axhspan(*typical.tolist(), color="0.88", label="99% of all codes")
straight, turned = (1 - t)[:, None, None] * z0 + t[:, None, None] * z1, slerp(z0, z1, t)
for path, color, name in ((straight, "C3", "straight"), (turned, MODEL, "turned")):
    left.plot(t, path.norm(dim=2), color=color, lw=0.7)
    left.plot([], [], color=color, label=name)
left.set(xlabel="t", ylabel="length of the code", ylim=(0, None))
left.legend(loc="lower left")

line = torch.linspace(-3, 3, 240)
with torch.no_grad():
    distance, mode = torch.cdist(G_average(torch.cartesian_prod(line, line)), CENTRES).min(dim=1)
mode = torch.where(distance < 3 * SIGMA, mode.double(), math.nan).view(240, 240)  # rows are the first coordinate
right.imshow(mode.T, origin="lower", extent=(-3, 3, -3, 3), cmap="Pastel1", vmin=0, vmax=8)
a, b = torch.tensor([[1.6, -0.6]]), torch.tensor([[-1.2, 1.4]])
right.plot(*((1 - t)[:, None] * a + t[:, None] * b).T, color="C3", marker=".", ms=4, lw=1)
right.plot(*slerp(a, b, t)[:, 0].T, color=MODEL, marker=".", ms=4, lw=1)
right.set(xlabel="$z_1$", ylabel="$z_2$", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
right.grid(False)
plt.show()

# %% [markdown]
# In two dimensions there is no thin shell, and yet the two ways are not the same: the straight one passes close to the
# middle, where the sectors meet and neighbouring codes belong to different modes. White seams lie between the sectors.
# The generator is continuous, so on the way from one mode to the next it has to pass through places where no data are.
#
# ## 7 How far apart are two sets of samples?
# **3 points · 18 minutes · medium**
#
# Without a density there is no likelihood to report. The usual answer compares *features*, for instance the last hidden
# layer of a classifier: fit a Gaussian to the features of real data and another to those of the samples, and measure
# how far one must be carried to become the other. That is the squared Frechet distance (Heusel et al. 2017),
# $$d^2 = \|m_1 - m_2\|^2 + \operatorname{tr} C_1 + \operatorname{tr} C_2
# - 2 \operatorname{tr}\bigl(C_1^{1/2}\, C_2\, C_1^{1/2}\bigr)^{1/2} \tag{10}$$
# with means and covariances
# $$m = \frac1n \sum_{i=1}^n f_i, \qquad C = \frac{1}{n-1} \sum_{i=1}^n (f_i - m)(f_i - m)^\top \tag{11}$$
# In one dimension it is $(m_1 - m_2)^2 + (\sigma_1 - \sigma_2)^2$. The square root of a symmetric matrix with
# eigenvalues $\lambda_i \ge 0$ has the same eigenvectors and the eigenvalues $\sqrt{\lambda_i}$. The matrix in the last
# trace is symmetric too, so that its trace of the root is just the sum of the roots of its eigenvalues. (The lecture
# writes $C_1 C_2$ there: another matrix with the same eigenvalues.)
#
# With fewer samples than features the covariances are **singular**: some eigenvalues are 0, and rounding makes them now
# and then a little negative. Compute in float64: small differences of large numbers, and roots of numbers near 0, ask
# for it.
#
# <details><summary>Hint 1: the root</summary>
#
# `values, vectors = torch.linalg.eigh(C)` gives $C = V \operatorname{diag}(\lambda) V^\top$. Scaling the columns of `V`
# by the roots of the clamped eigenvalues and multiplying by `V.T` gives $C^{1/2}$.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `torch.linalg.eigvalsh(root @ C2 @ root)`, clamped, rooted, summed, is the last trace. `torch.cov` wants one *row* for
# each variable, so it takes `f.T`.
#
# </details>


# %% task="frechet_distance" points=3 minutes=18
def gaussian_frechet(m1, C1, m2, C2):
    """The squared Frechet distance of two Gaussians, eq. (10), computed in float64.

    m1, m2: (d,) means. C1, C2: (d, d) covariances, symmetric, no negative eigenvalues, perhaps singular; float32 or
    float64. Returns one number. The check compares with the closed form for d = 1 and swaps the two Gaussians.
    """
    # BEGIN SOLUTION
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross  # (10)
    # END SOLUTION


def frechet_distance(f_real, f_fake):
    """The squared Frechet distance of two sets of features, eqs. (10) and (11), computed in float64.

    f_real: (n, d), f_fake: (m, d) float32, with n, m >= 2, not necessarily equal, perhaps fewer than d.
    """
    # BEGIN SOLUTION
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())  # (11)
    # END SOLUTION


# %% check="frechet_distance" points=2
# The distance of two Gaussians: in one dimension, in several, both ways round, and with singular covariances.


def covariance(d, rank):
    half = fresh(d, rank).double()
    return half @ half.T


m1, m2 = 2 * fresh(2, 4, 1).double()
s1, s2 = fresh(2, 4, 1, 1).double().abs() + 0.2
check(
    one_dimension=[float(gaussian_frechet(*gauss)) for gauss in zip(m1, s1**2, m2, s2**2, strict=True)],
    rtol=1e-4,
    hint="d = 1: the squared difference of the means plus the squared difference of the standard deviations. The "
    "covariances that come in are squares of those.",
)
m1, m2, C1, C2 = fresh(5), fresh(5), covariance(5, 7), covariance(5, 7)
check(
    both_ways=[float(gaussian_frechet(m1, C1, m2, C2)), float(gaussian_frechet(m2, C2, m1, C1))],
    rtol=1e-4,
    hint="Five dimensions, then the two Gaussians exchanged: the same number twice. Roots of matrices, not of their "
    "entries? The factor 2 of the last trace? No root over the whole?",
)
spread = covariance(5, 7)
stretched = (100 * spread).float()
check(
    same_covariance=float(gaussian_frechet(m1, stretched, m2, stretched)),
    rtol=1e-6,
    hint="Equal covariances, large ones and in float32: only the means count, |m1 - m2|^2. Nearly right: convert all "
    "four to float64 first.",
)
check(
    diagonal=float(gaussian_frechet(m1, C1.diag().diag(), m1, C2.diag().diag())),
    rtol=1e-4,
    atol=1e-5,
    hint="Diagonal covariances and equal means: the sum of the squared differences of the standard deviations.",
)
zero = torch.zeros(6)
flat_pairs = [(covariance(6, 1), covariance(6, 2)), (covariance(6, 3), covariance(6, 6)), (0 * spread, 0 * spread)]
check(
    singular=[float(gaussian_frechet(zero[: len(a)], a, zero[: len(a)], b)) for a, b in flat_pairs]
    + [float(gaussian_frechet(zero, a, zero, a)) for a in (covariance(6, 2), covariance(6, 4))],
    rtol=1e-4,
    atol=1e-4,
    hint="Covariances of rank 1, 2, 3 and 0, then two against themselves, which gives 0. nan: the root of a number a "
    "little below zero. Not 0 in the end: a small matrix was added, or the computation is in float32.",
)

# %% check="frechet_distance" points=1
# The distance of two sets of features, many, few, and the same.
f_real, f_fake = fresh(40, 4) @ fresh(4, 4), 0.5 + fresh(23, 4) @ fresh(4, 4)
check(
    sets=float(frechet_distance(f_real, f_fake)),
    rtol=1e-4,
    hint="40 and 23 samples of 4 features. A few percent off: divide by n - 1. Far off, or an error: the covariance is "
    "(d, d), one row a sample in f and one row a variable for torch.cov.",
)
check(
    few=[float(frechet_distance(f_real[k : k + 2], f_fake[k : k + 3])) for k in range(0, 20, 3)],
    rtol=1e-6,
    hint="Seven times 2 and 3 samples of 4 features. Sets right and this wrong: n - 1, or float32, or a nan from the "
    "roots.",
)
wide = fresh(6, 15)
check(
    moved=[float(frechet_distance(wide, wide + 0.5)), float(frechet_distance(wide, -2 * wide))],
    rtol=1e-6,
    atol=1e-5,
    hint="6 samples of 15 features, moved by 0.5 in each, which gives 15/4; then the same samples scaled by -2. nan, "
    "or an error that eigh did not converge: a root of a negative eigenvalue went in. Clamp the eigenvalues.",
)
check(
    far_from_zero=[float(frechet_distance(c + f_real, c + f_fake)) for c in (500, 1000, 2000, 3000)],
    rtol=1e-6,
    hint="The same sets, moved by 500 to 3,000: float32 loses what matters. Convert the features before you take "
    "means.",
)

# %% [markdown]
# **Look.** The features are the first 32 principal components of digits, in units in which a pixel goes from 0 to 1.
# Left: two sets of *real* digits. The distance between them should be 0; it is not, it falls with the number of
# samples, and so a distance means nothing without that number. Right: five sets of 4,000 images against 4,000 digits.

# %%
images, labels = digits()
digit_x = images.flatten(1).float() / 255  # (10000, 784)
middle, basis = digit_x.mean(0), torch.linalg.eigh(digit_x.T.cov())[1][:, -32:]


def components(x):
    """(n, 784) in 0..1 -> (n, 32)."""
    return (x - middle) @ basis


sizes = (50, 100, 200, 500, 1000, 2000, 4000)
floor = [float(frechet_distance(components(digit_x[:n]), components(digit_x[5000 : 5000 + n]))) for n in sizes]
real, others = digit_x[:4000], digit_x[4000:8000]
square = others.view(-1, 1, 28, 28)
tries = {
    "other digits": others,
    "without sevens": digit_x[4000:][labels[4000:] != 7][:4000],
    "blurred": F.avg_pool2d(square, 3, 1, 1, count_include_pad=False).flatten(1),
    "one pixel to the right": square.roll(1, dims=3).flatten(1),
    "noise of 0.3 added": others + 0.3 * torch.randn(others.shape, generator=torch.Generator().manual_seed(0)),
}
distances = {name: float(frechet_distance(components(real), components(x))) for name, x in tries.items()}
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
left.loglog(sizes, floor, color=DATA, marker="o")
left.set(xlabel="samples in each set", ylabel="squared distance", title="real against real")
right.barh(list(distances), list(distances.values()), color=[DATA, *[MODEL] * 4])
right.set(xlabel="squared distance", title="4,000 against 4,000")
right.invert_yaxis()
plt.show()
for name, distance in distances.items():
    print(f"{name:24s}{distance:8.3f}")

# %% [markdown]
# Noise that anyone can see costs less than a missing class, because 32 principal components hardly see it. A shift by
# one pixel, which one has to look for, costs nearly as much as a blur. A distance looks through its features: what they
# leave out, it forgives, and what they hold on to, it does not.
#
# ## 8 Count the modes
# **3 points · 12 minutes · easy**
#
# On the ring one can do better than compare two moments, because the truth is known. Give every sample to its
# **nearest** centre, and call it **good** if it lies within three standard deviations $\sigma$ of it. A mode is
# **found** if at least one good sample belongs to it. Of the good samples the share $q_k$ belongs to mode $k$; it
# should be $1/K$ for all:
# $$\mathrm{KL}(q \,\|\, \text{uniform}) = \sum_{k=1}^K q_k \ln (K\, q_k) \quad \text{nats} \tag{12}$$
# So three numbers: how many modes are found, which share of all samples is good, and how unevenly the good ones are
# spread. One alone is easily had: a generator with a single perfect point has 100% good samples, and one that fills the
# whole plane finds every mode.
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# `torch.cdist(samples, centres)` is the (n, K) table of distances, and `.min(dim=1)` gives the distance to the nearest
# centre and which one it is. `torch.bincount` counts. In (12) again $0 \ln 0 = 0$.
#
# </details>


# %% task="count_modes" points=3 minutes=12
def count_modes(samples, centres, sigma):
    """How many modes were found, which share of the samples is good, and the KL of eq. (12).

    samples: (n, d) float. centres: (K, d) float, perhaps so close that a sample is near two of them. sigma: float.
    Returns (modes, share, kl): a whole number 0..K; good samples / all samples, 0..1; nats, from 0 to ln K, and inf
    where no sample is good. No sample lies exactly three sigma from a centre.
    """
    # BEGIN SOLUTION
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good])  # a mode that nobody reached is 0 or missing at the end
    q = counts / counts.sum()
    kl = torch.xlogy(q, q * len(centres)).sum()  # (12)
    return (counts > 0).sum().item(), good.float().mean().item(), kl.item()
    # END SOLUTION


# %% check="count_modes" points=2
# Nine sets of samples around random centres, some of them close together, some never visited.


def sets_of_samples(n=40):
    for centres, scale in zip(2 * fresh(8, 6, 3), 0.3 + 0.3 * fresh(8).abs(), strict=True):
        visited = (torch.rand(n, generator=fresh_generator()) ** 2 * 6).long()  # the first centres more often
        visited = visited.clamp(max=int(torch.randint(2, 5, (1,), generator=fresh_generator())))
        yield centres[visited] + 2.5 * scale * fresh(n, 3), centres, float(scale)
    away, centres = fresh(2, 3), 5 * torch.eye(3) + 0.1 * fresh(3, 3)  # two samples, two and five sigma away
    away = away / away.norm(dim=1, keepdim=True)
    yield centres[:2] + torch.tensor([[0.1], [0.25]]) * away, centres, 0.05


results = torch.tensor([[float(number) for number in count_modes(*one)] for one in sets_of_samples()])  # (9, 3)
check(
    modes=results[:, 0],
    hint="How many centres were found in each of nine sets. Too many: samples further than three sigma count, "
    "or one sample counts for two centres. A mode needs one good sample, not a good share.",
)
check(
    share=results[:, 1],
    hint="Good samples divided by all samples. Too small: within one sigma? Above 1: a sample near two centres "
    "belongs to the nearer one only. Distances, or squared distances?",
)
check(
    kl=results[:, 2],
    rtol=1e-4,
    hint="In nats, of the shares among the good samples only, and q_k in front. nan or inf: a mode without samples "
    "counts 0. Too low: bad samples are in it, or K counts only the modes found.",
)
check(
    together=results @ torch.tensor([1, 7, 3], dtype=results.dtype),
    rtol=1e-4,
    hint="A weighted sum of the three numbers of each set: right where all three are, in this order.",
)

# %% check="count_modes" points=1
# Extremes: everything in one mode, perfectly even, nothing good, one sample, one centre.
centres, many = 10 * torch.eye(5) + 0.1 * fresh(5, 5), int(16 + 10 * torch.rand(1, generator=fresh_generator()))
one_mode = centres[3] + 0.2 * fresh(30, 5)
uneven = centres[torch.arange(many) % 5] + 0.02 * fresh(many, 5)
numbers = [
    count_modes(one_mode, centres, 0.15),
    count_modes(uneven, centres, 0.15),
    count_modes(centres[:1], centres, 0.1),
    count_modes(one_mode, centres[3:4], 0.14),
]
check(
    collapsed=[float(number) for one in numbers for number in one],
    rtol=1e-4,
    atol=1e-5,
    hint="All samples near one of five centres (KL = ln 5), nearly the same number at each, one sample, one centre "
    "(KL = 0). Centres that nobody visits count too: K is the number of centres.",
)
stray = torch.cat([centres[3] + 0.2 * fresh(60, 5), centres[:2] + 0.02 * fresh(2, 5)])
numbers = [count_modes(one_mode, 3 + centres, 0.2), count_modes(stray, centres, 0.15)]
check(
    nothing_good=[float(number) for one in numbers for number in one],
    rtol=1e-4,
    hint="First a set without a good sample: 0 modes, share 0, and a KL of inf. A division by zero? nan? Then many "
    "samples at one of five centres and a single one at each of two others, which are found by that.",
)

# %% [markdown]
# **Look.** The games of tasks 3 and 5, judged every 25 rounds. Where the line of the KL has a gap, no sample is good.

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 2.7))
last = {}
for (name, snapshots), color in zip(runs.items(), ("C3", MODEL, "C2"), strict=False):
    scores = torch.tensor([count_modes(samples, CENTRES, SIGMA) for samples in snapshots.values()])  # (steps, 3)
    last[name] = scores[-1]
    for ax, score in zip(axes, scores.T, strict=True):
        ax.plot(list(snapshots), score, color=color, lw=1.3, label=name)
for ax, title in zip(axes, ("modes found", "share of good samples", "KL to uniform (nats)"), strict=True):
    ax.set(xlabel="round", title=title)
axes[0].set(ylim=(0, 8.4))
axes[1].set(ylim=(0, 1))
axes[2].set(yscale="log")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()
for name, (modes, share, kl) in last.items():
    print(f"{name:14s}{modes:3.0f} of 8 modes, {share:4.0%} good, KL {kl:.3f} nats")

# %% [markdown]
# The first number tells the slow discriminator's game from the others, most of the time and with this seed: its
# generator finds a mode, leaves it and finds another. The second tells the player from its average, in the end. Both
# come from the same training, and only the trembling is left out. Neither is near 100%: some seconds of training, and a
# continuous generator that has to cross the gaps. The third says how evenly the modes are served; it need not fall with
# training, since an even ring without gaps serves all modes alike, and when it tears some get more than others.
#
# ## What next
# The progress line under the last check shows your points; `grade check labs/09_gans.ipynb` in a terminal runs the
# notebook from top to bottom and lists what the badges would say.
#
# **Beyond, without points**
# 1. Train on the ring with `g_loss_saturating`. Print the size of the generator's gradient in the first 50 rounds,
#    beside that of `g_loss`. Does the theory of task 1 show?
# 2. A relativistic pair of losses compares a real with a fake logit: $\mathbb E \ln(1 + e^{-(D(x) - D(G(z)))})$ for
#    $D$, the same with the sign of the difference turned round for $G$. Only differences count, so what happens to
#    $D$'s last bias?
# 3. Add R1 to the games on the ring, with weights from 0.01 to 10. Which of the three numbers of task 8 responds?
# 4. Repeat the game with a slow $D$ for five seeds. Is it always the same number of modes? What does the lecture do to
#    reach eight in every seed?
# 5. The floor of task 7 falls with the number of samples $n$. Plot it against $1/n$ and read off where the line would
#    end for infinitely many.
