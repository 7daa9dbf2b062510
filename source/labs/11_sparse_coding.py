# ---
# jupyter:
#   course:
#     title: "11 Sparse coding"
#     summary: "explain a digit by few atoms, prove that it is the best explanation, then learn to guess it"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 11: Explain with few atoms
# A signal $x$ is to be the sum of a few atoms out of many: $x \approx D z$ with a code $z$ that is mostly zero. The
# code is not computed by a network. It is *searched*, by minimising an energy, and the price on $z$ is what keeps the
# search honest. The search is five lines long, and nearly everything that goes wrong with it goes wrong in them: a step
# that is too long, a threshold without the step in it, a momentum taken at the wrong point, a dictionary that grows
# until the price means nothing. You write those lines, and the test that says whether an answer is the answer.
#
# **Afterwards you can** shrink and say why; find the right step for any linear model without writing its matrix; infer
# codes by ISTA and by FISTA; certify a code by its optimality conditions; renew a dictionary atom by atom without
# letting it cheat; unroll the search into a network and train it; and do all this with filters that move over an image.
#
# **Needs** lecture 11, a little linear algebra and `autograd`. No GPU. About two hours, 9 tasks, 24 points. Tasks 1, 2,
# 4, 5, 6 and 8 stand alone; 3, 7 and 9 use 1. The pictures after 3, 4, 5, 6, 8 and 9 use what came before.
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
import math
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from utils.data import digits
from utils.plot import DATA, MODEL, show_images, use_style

use_style()

# %% [markdown]
# ## The data and the convention
# **Signals are columns here**, so that the code reads like the formulas (the lecture keeps them in rows, so its code
# has everything transposed):
#
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | (n, B) | B signals, one a column |
# | $D$ | `D` | (n, m) | dictionary: m atoms, one a column, none longer than 1 |
# | $z$ | `z` | (m, B) | codes; $\hat x = Dz$ |
# | $\lambda$ | `lam` | a number, (m, 1) or (1, B) | the price of a code: one for all, one an atom, or one a signal |
# | $L$ | `L` | a number | the largest eigenvalue of $D^\top D$ |
#
# The first dictionary is not learned at all: 200 digits, each scaled to length 1. How well can another digit be written
# as a sum of a few of them?

# %%
images, labels = digits()
pixels = images.flatten(1).T.float() / 255  # (784, 10000), in 0..1
atoms = pixels[:, :200] / pixels[:, :200].norm(dim=0)  # (784, 200)
seen = pixels[:, 5000:5100]  # (784, 100): signals that are no atoms
LAM = 0.6
fig, axes = plt.subplots(1, 2, figsize=(8, 2.4), gridspec_kw={"width_ratios": [3, 1]})
show_images(4 * atoms.T[:36].view(-1, 28, 28), columns=12, ax=axes[0], title="36 of the 200 atoms")
show_images(seen.T[:9].view(-1, 28, 28), columns=3, ax=axes[1], title="signals")
plt.show()

# %% [markdown]
# ## 1 The energy and its threshold
# **3 points · 10 minutes · easy**
#
# The energy of a signal and a code is half the squared error plus the price of the code,
# $$E(x, z) = \tfrac12 \|x - D z\|^2 + \sum_{j=1}^m \lambda_j\, |z_j| \tag{1}$$
# and a signal is as good as its best explanation, $F(x) = \min_z E(x, z)$. Everything is inferred by solving the
# smallest version of this problem again and again: one number $u$, one code $z$, and a price $\theta \ge 0$,
# $$h_\theta(u) = \arg\min_z\; \tfrac12 (z - u)^2 + \theta\, |z|
# = \operatorname{sign}(u)\, \max(|u| - \theta,\, 0) \tag{2}$$
# Whatever is smaller than the price is not worth it and becomes **exactly** zero; whatever is larger pays, and comes
# out smaller by $\theta$. Derive it: for $z > 0$ the slope is $z - u + \theta$, and at $z = 0$ the energy has a kink.
#
# Later a network will contain this function and learn its thresholds. So gradients have to flow through it, to $u$ and
# to $\theta$, and the arguments must stay as they are.
#
# <details><summary>Hint 1: the shape of the threshold</summary>
#
# Four roads: the sign times what is left of the size; a `where` with three cases; the difference of two ReLUs, one for
# each side; or $u$ minus $u$ clamped to $\pm\theta$. `clamp(min=0)` is $\max(\cdot, 0)$.
#
# </details>
#
# <details><summary>Hint 2: the shape of the energy</summary>
#
# Both terms are sums over one axis, the one that is not the batch. Multiply each $|z_j|$ by its price *before* you sum.
#
# </details>


# %% task="soft_threshold" points=3 minutes=10
def soft_threshold(u, theta):
    """The soft threshold h of eq. (2), elementwise.

    u: float tensor of any shape. theta: >= 0, a float or a tensor that broadcasts against u, zeros may occur.
    Returns the shape of u. Gradients flow to u and theta; neither is changed.
    """
    # BEGIN SOLUTION
    return u.sign() * (u.abs() - theta).clamp(min=0)  # (2)
    # END SOLUTION


def energy(x, D, z, lam):
    """The energy of eq. (1) of each signal. x: (n, B), D: (n, m), z: (m, B), lam: a float, (m, 1) or (1, B).

    Returns (B,).
    """
    # BEGIN SOLUTION
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)  # (1)
    # END SOLUTION


# %% check="soft_threshold" points=2
# The threshold with one price and with many, its slopes, and that its arguments are left alone.
u, theta = 2 * fresh(5, 7), 0.3 + float(fresh(1).abs())
prices = fresh(5, 1).abs() * torch.tensor([1.0, 0, 1, 2, 1])[:, None]
check(
    shrunk=soft_threshold(u.clone(), theta),
    hint="Zero up to the threshold, and beyond it closer to zero by theta. Unchanged beyond it: that is the hard "
    "threshold. Negative numbers lost: a ReLU alone. Large numbers cut off: that is what you have to subtract.",
)
check(
    many_prices=torch.stack(
        [torch.as_tensor(soft_threshold(u.clone(), price)) for price in (prices, fresh(1, 7).abs())]
    ),
    hint="theta of shape (5, 1), with a zero in it, then (1, 7). nan: something was divided by theta or by |u|.",
)


def slopes(u, theta):
    u, theta = u.clone().requires_grad_(), theta.clone().requires_grad_()
    weighted = (fresh(5, 7) * soft_threshold(1 * u, 1 * theta)).sum() + 0 * (u.sum() + theta.sum())
    return torch.cat([slope.flatten() for slope in torch.autograd.grad(weighted, (u, theta))])


check(
    slopes=slopes(u, prices + 0.1),
    hint="Derivatives with respect to u and theta: 1 and -sign(u) where something is left, else 0. All 0: "
    "something was detached, or left torch.",
)
check(
    arguments_kept=torch.stack([u, torch.as_tensor(soft_threshold(u, theta)), u]),
    hint="u before and after the call, and the result between them: an operation with an underscore, or u[...] = 0, "
    "has changed the argument.",
)

# %% check="soft_threshold" points=1
# The energy of each signal, with one price for all, one an atom, one a signal.
x, D, z = fresh(6, 4), fresh(6, 9), fresh(9, 4)
check(
    energies=torch.stack([torch.as_tensor(energy(x, D, code, lam)) for code in (z, 0 * z) for lam in (0.7, 0)]),
    rtol=1e-4,
    hint="Four signals, so (4,): a sum over the 6 numbers of each, and half of it. The price is added, not subtracted, "
    "and not halved. The second code is 0: half the squared length of x.",
)
check(
    prices=torch.stack([torch.as_tensor(energy(x, D, z, lam.abs())) for lam in (fresh(9, 1), fresh(1, 4))]),
    rtol=1e-4,
    hint="lam of shape (9, 1), then (1, 4); (4,) comes out both times. Each |z_j| times its own price, then the sum.",
)

# %% [markdown]
# **Look.** Left: the one-dimensional energy of (2) for three values of $u$, with your answer marked on it. The kink at
# zero holds the minimum until $u$ is larger than the threshold. Right: your function.

# %%
line = torch.linspace(-3, 3, 301)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
for u, color in zip((0.6, 1.4, 2.4), ("C2", "C3", MODEL), strict=True):
    u = torch.tensor(u)
    left.plot(line, (line - u).square() / 2 + line.abs(), color=color, label=f"u = {u:.1f}")
    best = soft_threshold(u, 1.0)
    left.plot(best, (best - u).square() / 2 + best.abs(), "o", color=color)
left.set(xlabel="z", ylabel="energy, $\\theta = 1$", ylim=(0, 6))
left.legend(loc="upper center")
right.plot(line, line, color="0.7", lw=1, label="no price")
right.plot(line, soft_threshold(line, 1.0), color=MODEL, label="$h_1(u)$")
right.set(xlabel="u", ylabel="best z")
right.legend()
plt.show()

# %% [markdown]
# ## 2 The largest eigenvalue, without the matrix
# **2 points · 10 minutes · easy**
#
# How long may a step be? The gradient of half the squared error, $D^\top(Dz - x)$, changes by at most $L$ times the
# change of $z$, where $L$ is the largest eigenvalue of $M = D^\top D$. Steps of $1/L$ are safe. For a convolution
# nobody writes $M$ down, but everybody can apply it, and that is enough. Start anywhere, apply $M$ and scale back to
# length 1, again and again; the direction of the largest eigenvalue outgrows the others. Then ask how much $M$
# stretches in it:
# $$v_{k+1} = \frac{M v_k}{\|M v_k\|}, \qquad \hat L_k = \frac{\langle v_k, M v_k \rangle}{\langle v_k, v_k \rangle}
# \tag{3}$$
# The estimate $\hat L_k$ comes from **below**: it is an average of eigenvalues and never above the largest. So the step
# $1/\hat L$ is a little too long, and whoever uses it makes $\hat L$ some percent larger first (not in your function).
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# A loop of two lines and a return. `v` may have any number of axes: `v.norm()` and `(v * w).sum()` do not care. With
# no steps at all the start has not been scaled yet, so the denominator in (3) is needed.
#
# </details>


# %% task="power_iteration" points=2 minutes=10
def power_iteration(apply, v, steps):
    """The estimate of eq. (3) after `steps` products from v: the largest eigenvalue of what `apply` multiplies with.

    apply: v -> M v, of the same shape, for a symmetric M without negative eigenvalues; M v is never 0 here.
    v: float tensor of any shape, of any length but 0; it is left as it is. steps: >= 0.
    Returns one number (a float, or a tensor without axes). The check tries large M, and 400 steps.
    """
    # BEGIN SOLUTION
    for _ in range(steps):
        v = apply(v)
        v = v / v.norm()  # (3)
    return (v * apply(v)).sum() / v.square().sum()
    # END SOLUTION


# %% check="power_iteration" points=2
# After few steps and after many, with other shapes than a vector, and that the start is left alone.
half = fresh(6, 8)
M, v = half @ half.T, 3 * fresh(6)
check(
    few_steps=[float(power_iteration(lambda v: M @ v, v, steps)) for steps in (0, 1, 2, 5)],
    rtol=1e-4,
    hint="The estimates after 0, 1, 2 and 5 steps. Only the first wrong: v is not of length 1 at the start. Too high: "
    "|M v| where (3) has <v, M v>. Otherwise: one step too many or too few?",
)


def converged(n):
    D = torch.linspace(60, 20, n)[:, None] * torch.linalg.qr(fresh(n, n)).Q * (1 + fresh(1).abs())
    return float(power_iteration(lambda v: D.T @ (D @ v), fresh(n), 400))


check(
    many_steps=[converged(n) for n in (5, 9, 20)],
    rtol=1e-4,
    hint="Three matrices with eigenvalues of some thousands, 400 steps. nan or inf: v grows with each step, so scale "
    "it back in each. The square root: that is the largest singular value of D, not the eigenvalue.",
)


def neighbours(v):
    return weight * v - v.roll(1, 3) - v.roll(-1, 3)


weight = 2 + fresh(2, 3, 4, 5).abs()
check(
    any_shape=[float(power_iteration(neighbours, weight, steps)) for steps in (0, 3, 9)],
    rtol=1e-4,
    hint="v of shape (2, 3, 4, 5): the length is taken over all numbers, not along one axis. Or |M v| once more.",
)
rest = torch.tensor([float(power_iteration(apply, v, 1)) for apply in (lambda v: v, lambda v: M @ v)])
check(
    start_kept=torch.cat([v, rest]),
    rtol=1e-4,
    hint="If the others pass: v /= ... changes what was given. The start after two calls, and the two results.",
)

# %% [markdown]
# **Look.** The dictionary of digits. Digits resemble one another, so one direction, roughly the mean digit, has by far
# the largest eigenvalue, and few steps find it. The other line is a dictionary of random atoms of the same size. Its
# large eigenvalues lie close together and are told apart slowly, but ten steps bring the estimate within some percent.
# The last line keeps 1.02 times the first one's estimate as `L`, for the pictures below.

# %%
coin = torch.Generator().manual_seed(0)
random_atoms = F.normalize(torch.randn(784, 200, generator=coin), dim=0)
fig, ax = plt.subplots(figsize=(8, 2.6))
for D, color, name in ((atoms, MODEL, "digits as atoms"), (random_atoms, "C2", "random atoms")):
    D = D.double()
    exact = torch.linalg.eigvalsh(D.T @ D)[-1].item()
    start = torch.randn(200, generator=coin, dtype=torch.float64)
    found = [float(power_iteration(lambda v, D=D: D.T @ (D @ v), start, k)) for k in range(31)]
    ax.semilogy([max(1 - value / exact, 1e-12) for value in found], color=color, marker=".", label=name)
    frobenius = D.square().sum().item()
    print(f"{name:16s} L = {exact:6.2f}, after 10 steps {found[10]:6.2f}; sum of all eigenvalues {frobenius:.0f}")
ax.set(xlabel="steps", ylabel="relative error, from below")
ax.legend()
plt.show()
L = 1.02 * float(power_iteration(lambda v: atoms.T @ (atoms @ v), torch.ones(200), 30))

# %% [markdown]
# ## 3 ISTA
# **3 points · 14 minutes · medium**
#
# Around the present code $z_k$ half the squared error lies *below* a parabola of curvature $L$. Minimise that parabola
# plus the price, and the real energy cannot have risen. The minimum is a gradient step followed by the threshold of
# task 1, which has to be scaled by the same step:
# $$z_{k+1} = h_{\lambda / L}\Bigl(z_k - \tfrac1L\, D^\top (D z_k - x)\Bigr) \tag{4}$$
# That is the iterative shrinkage-thresholding algorithm. All signals of a batch are solved at once; they do not know of
# each other.
#
# <details><summary>Hint 1: the mistake of most people</summary>
#
# Threshold by $\lambda$ and you solve another problem, one with the price $\lambda L$. Everything looks fine: it
# converges, the codes are sparse, and they are wrong.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# Without a start the codes are zeros of shape (m, B), in the type of `x`. Then one line, `steps` times. Do not change
# the start that was given: make new tensors.
#
# </details>


# %% task="ista" points=3 minutes=14
def ista(x, D, lam, *, L, steps, z=None):
    """The codes after `steps` steps of eq. (4).

    x: (n, B), D: (n, m), float. lam: a float, (m, 1) or (1, B). L: float. z: (m, B), the start, or None for zeros.
    Returns (m, B). The start is not changed; with steps=0 it is returned.
    """
    # BEGIN SOLUTION
    z = x.new_zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam / L)  # (4)
    return z
    # END SOLUTION


# %% check="ista" points=2
# One step, many, prices for each atom or signal, and that the start is left alone.
x, D, z = 2 * fresh(6, 4), fresh(6, 9), fresh(9, 4)
L_exact = float(torch.linalg.eigvalsh(D.T @ D)[-1])
check(
    one_step=ista(x, D, 0.8, L=L_exact, steps=1, z=z.clone()),
    rtol=1e-4,
    atol=1e-5,
    hint="One step from a code that is given. Codes too small nearly everywhere, or zero: the threshold is lam / L, "
    "not lam. Of the wrong sign, or huge: the direction of the gradient, its 1/L, or a start that was ignored.",
)
check(
    from_zero=torch.stack([torch.as_tensor(ista(x, D, 0.8, L=L_exact, steps=k)) for k in (0, 1, 25)]),
    rtol=1e-4,
    atol=1e-5,
    hint="After 0, 1 and 25 steps without a start: from zeros, not from the image of x, not from random numbers.",
)
check(
    many_prices=torch.stack(
        [torch.as_tensor(ista(x, D, 2 * lam.abs(), L=L_exact, steps=10)) for lam in (fresh(9, 1), fresh(1, 4))]
    ),
    rtol=1e-4,
    atol=1e-5,
    hint="lam of shape (9, 1), then (1, 4): it may stand wherever a number could.",
)
later, same = (ista(x, D, 0.8, L=9.0, steps=steps, z=z) for steps in (3, 0))
check(
    start_kept=torch.stack([z, torch.as_tensor(later), torch.as_tensor(same)]),
    rtol=1e-4,
    atol=1e-5,
    hint="If the others pass: an operation in place changes what was given. The start after the call, then three steps "
    "from it, then none.",
)

# %% check="ista" points=1
# The energy step by step, and a dictionary with which one step is enough.
x, D = 2 * fresh(6, 4), fresh(6, 9)
L_exact = float(torch.linalg.eigvalsh(D.T @ D)[-1])


def mean_energy(z):
    z = torch.as_tensor(z).float()
    return ((x - D @ z) ** 2).sum().item() / 8 + 0.5 * z.abs().sum().item() / 4


check(
    downhill=[mean_energy(ista(x, D, 0.5, L=factor * L_exact, steps=k)) for factor in (1, 3) for k in range(10)],
    rtol=1e-4,
    hint="The mean energy after 0 to 9 steps, with L and with 3 L; it never rises. Does your step use the L given?",
)
square = torch.linalg.qr(fresh(6, 6)).Q
check(
    at_right_angles=ista(x, square, 0.5, L=1.0, steps=1, z=fresh(6, 4)),
    rtol=1e-4,
    atol=1e-5,
    hint="Atoms at right angles, L = 1: a single step from anywhere is the solution, the threshold of D^T x.",
)

# %% [markdown]
# **Look.** A hundred digits, the dictionary of 200 digits, and four lengths of the step. The sum of all eigenvalues,
# which is the squared Frobenius norm of $D$ and easy to compute (here 200), is a popular, safe and slow $L$. (On the
# lecture's patches it is slower by far.) Steps a little longer than $1/L$ are no longer covered by the parabola, but
# the energy still falls as long as they are shorter than $2/L$; here 1.5 of them even gain a little, which no theorem
# of this lab promises. Longer ones may blow up, and the last one here does.

# %%
fig, ax = plt.subplots(figsize=(8, 2.8))
choices = (("1 / 200", 200.0, "C2"), ("1 / L", L, MODEL), ("1.5 / L", L / 1.5, DATA), ("2.5 / L", L / 2.5, "C3"))
for name, curvature, color in choices:
    z, values = torch.zeros(200, 100), []
    for _ in range(31):
        values.append(energy(seen, atoms, z, LAM).mean().item())
        z = ista(seen, atoms, LAM, L=curvature, steps=1, z=z)
    ax.plot(values, color=color, marker=".", label=f"step {name}")
ax.set(xlabel="steps of ISTA", ylabel="mean energy", ylim=(15, 62))
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# ## 4 FISTA, for any gradient and any price
# **3 points · 14 minutes · medium**
#
# Momentum makes it faster, and the order of things decides whether it does. Take the step of ISTA not at $z_k$, where
# you are, but at $y_k$, a point a little further along the way that you came:
# $$z_{k+1} = \mathrm{shrink}\Bigl(y_k - \tfrac1L \nabla f(y_k),\; \tfrac1L\Bigr), \qquad
# t_{k+1} = \tfrac12\Bigl(1 + \sqrt{1 + 4 t_k^2}\Bigr), \qquad
# y_{k+1} = z_{k+1} + \frac{t_k - 1}{t_{k+1}}\,(z_{k+1} - z_k) \tag{5}$$
# from $y_0 = z_0$ and $t_0 = 1$ (Beck and Teboulle 2009). Nothing in it knows of dictionaries. So write it for **any**
# smooth $f$, given by its gradient, and **any** price $g$, given by its shrinkage: `shrink(u, s)` is the minimum over
# $z$ of $\frac12 \|z - u\|^2 + s\, g(z)$. For the price $\lambda |z|$ that is `soft_threshold(u, s * lam)`; for codes
# that may not be negative it is another one line. The pictures of tasks 5, 6 and 8 use it, and task 9's for images.
# (The lecture counts from 1 what is counted from 0 here.)
#
# <details><summary>Hint 1: what is remembered</summary>
#
# Three things go from step to step: `z`, `y` and `t`. The difference in (5) is that of the new and the old `z`, so do
# not overwrite the old one too early. The first two steps are ISTA's, since $y_0 = z_0$ and $t_0 - 1 = 0$.
#
# </details>
#
# <details><summary>Hint 2: what is returned</summary>
#
# The code $z$, after the shrinkage. The point $y$ is not sparse, since it mixes two codes.
#
# </details>


# %% task="fista" points=3 minutes=14
def fista(gradient, shrink, z, *, L, steps):
    """The code after `steps` steps of eq. (5).

    gradient: z -> the gradient of f at z. shrink: (u, s) -> the best z for the price s * g. Both keep the shape.
    z: the start, a float tensor of any shape, not changed. L: float. Returns the shape of z; with steps=0 the start.
    """
    # BEGIN SOLUTION
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)  # (5)
        z, t = z_new, t_new
    return z
    # END SOLUTION


# %% check="fista" points=2
# A quadratic function with three prices: one step, several, the steps given to the shrinkage, the start.
half, b, z = fresh(7, 9), fresh(7, 3), fresh(7, 3)
M = half @ half.T / 3
L_exact = float(torch.linalg.eigvalsh(M)[-1])


def gradient(z):
    return M @ z - b


def positive(u, s):
    return (u - 0.3 * s).clamp(min=0)


check(
    first_step=fista(gradient, positive, z.clone(), L=L_exact, steps=1),
    rtol=1e-4,
    atol=1e-5,
    hint="One step, without momentum yet: the gradient at the start, 1/L of it, then shrink with s = 1/L.",
)
check(
    more_steps=torch.stack(
        [torch.as_tensor(fista(gradient, positive, z.clone(), L=L_exact, steps=k)) for k in (2, 3, 6, 15)]
    ),
    rtol=1e-4,
    atol=1e-5,
    hint="2, 3, 6 and 15 steps. Look at two of them first. Two are wrong already: t_{k+1} - 1 in the numerator, where "
    "t_k - 1 belongs (it is 0 the first time), or y returned. From three on: t_k in the denominator, z_k overwritten "
    "before the difference, or the gradient at z where it should be at y.",
)
check(
    other_prices=torch.stack(
        [
            torch.as_tensor(fista(gradient, shrink, z.clone(), L=2 * L_exact, steps=8))
            for shrink in (lambda u, s: u, lambda u, s: u / (1 + 2 * s))
        ]
    ),
    rtol=1e-4,
    atol=1e-5,
    hint="No price at all, and the price |z|^2, with an L twice as large as needed. The second argument of shrink is "
    "the step 1/L, whatever the price is.",
)
check(
    start_kept=torch.stack([z, *(torch.as_tensor(fista(gradient, positive, z, L=9.0, steps=k)) for k in (0, 4))]),
    rtol=1e-4,
    atol=1e-5,
    hint="If the others pass: something was changed in place, or aliased (z and y are the same tensor at the start). "
    "The start after the calls, then no step, then four.",
)

# %% check="fista" points=1
# Four axes, and energies on the way.
target, stiffness = fresh(2, 3, 4, 5), torch.rand(2, 3, 4, 5, generator=fresh_generator())
check(
    images=torch.stack(
        [
            torch.as_tensor(fista(lambda z: stiffness * (z - target), lambda u, s: u, 0 * target, L=1.5, steps=k))
            for k in (1, 4, 12)
        ]
    ),
    rtol=1e-4,
    atol=1e-5,
    hint="A start of shape (2, 3, 4, 5) and no price, 1, 4 and 12 steps. Nothing in (5) needs a matrix.",
)
half, b = fresh(7, 7), fresh(7, 3)
M = half @ half.T / 3
L_exact = float(torch.linalg.eigvalsh(M)[-1])


def after(steps):
    z = fista(lambda z: M @ z - b, lambda u, s: (u - 0.1 * s).clamp(min=0), 0 * b, L=L_exact, steps=steps)
    z = torch.as_tensor(z).float()
    return (z * (M @ z) / 2 - z * b + 0.1 * z).sum().item()


check(
    energies=[after(steps) for steps in (3, 6, 12, 30)],
    rtol=1e-4,
    atol=1e-5,
    hint="The energy after 3 to 30 steps. Too high early on: no momentum, which is ISTA, or too little of it. Rising, "
    "or huge: too much of it.",
)

# %% [markdown]
# **Look.** The same problem as after task 3: how far the mean energy of a hundred digits is above its minimum. The
# dotted lines are the theorems, $L \|z_0 - z^*\|^2 / 2k$ for ISTA and $2 L \|z_0 - z^*\|^2 / (k+1)^2$ for FISTA. They
# promise little, and hold.

# %%
gram, back = (atoms.T @ atoms).double(), (atoms.T @ seen).double()


def lasso(z):
    return gram @ z - back


def pay(u, s):
    return soft_threshold(u, s * LAM)


zeros = torch.zeros(200, 100, dtype=torch.float64)
best = fista(lasso, pay, zeros, L=L, steps=3000)
lowest = energy(seen.double(), atoms.double(), best, LAM).mean()
counts = [1, 2, 4, 7, 12, 20, 35, 60, 100, 170, 300]
gaps = {"ISTA": [], "FISTA": []}
for k in counts:
    runs = {
        "ISTA": ista(seen.double(), atoms.double(), LAM, L=L, steps=k),
        "FISTA": fista(lasso, pay, zeros, L=L, steps=k),
    }
    for name, z in runs.items():
        gaps[name].append((energy(seen.double(), atoms.double(), z, LAM).mean() - lowest).item())
size = L * best.square().sum(0).mean()
fig, ax = plt.subplots(figsize=(8, 3))
for (name, gap), color in zip(gaps.items(), (DATA, MODEL), strict=True):
    bound = [size / (2 * k) if name == "ISTA" else 2 * size / (k + 1) ** 2 for k in counts]
    ax.loglog(counts, gap, color=color, marker=".", label=name)
    ax.loglog(counts, bound, color=color, ls=":", lw=1.2, label=f"bound of {name}")
ax.set(xlabel="steps", ylabel="mean energy above its minimum")
ax.legend(loc="lower left")
plt.show()
first = {}
for name, gap in gaps.items():
    first[name] = next((k for k, g in zip(counts, gap, strict=True) if g < 1e-2 * lowest), f"more than {counts[-1]}")
print(f"steps (of those drawn) until 1% above the minimum: ISTA {first['ISTA']}, FISTA {first['FISTA']}")

# %% [markdown]
# ## 5 Is it the minimum?
# **3 points · 14 minutes · medium**
#
# An energy that hardly falls any more proves nothing: a slow method looks just so. The problem is convex, and its
# minimum can be *recognised*. Let $c = D^\top (x - D z)$ say how much each atom could still explain. Then $z$ is a
# minimum if and only if
# $$c_j = \lambda_j \operatorname{sign}(z_j) \ \text{ where } z_j \ne 0, \qquad |c_j| \le \lambda_j \ \text{ where }
# z_j = 0 \tag{6}$$
# An atom in use explains the residual exactly as much as it costs, and one that is not in use would not earn its price.
# These are the conditions of Karush, Kuhn and Tucker. The **residual** of a code is its worst violation: the largest
# over $j$ of $|c_j - \lambda_j \operatorname{sign}(z_j)|$ for atoms in use, and of $\max(|c_j| - \lambda_j, 0)$ for the
# others. In use means *not exactly zero*, however small: (2) makes true zeros.
#
# And when is the price so high that nothing is bought? Put $z = 0$ into (6):
# $$\lambda_{\max}(x) = \max_j\, |d_j^\top x| \tag{7}$$
# From there on $z = 0$ is the best code, and below it never is. So prices are best quoted as shares of it.
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# Compute both kinds of violation for all atoms, choose by `torch.where(z == 0, ..., ...)`, take the largest of each
# column. `amax(0)` gives the values alone, `max(0)` a pair.
#
# </details>


# %% task="kkt_residual" points=3 minutes=14
def kkt_residual(x, D, z, lam):
    """The worst violation of eq. (6) in each code: 0 for a minimum.

    x: (n, B), D: (n, m), z: (m, B), float32 or float64. lam: a float >= 0, or (m, 1), or (1, B). Returns (B,), >= 0.
    """
    # BEGIN SOLUTION
    c = D.T @ (x - D @ z)
    in_use = (c - lam * z.sign()).abs()
    others = (c.abs() - lam).clamp(min=0)
    return torch.where(z == 0, others, in_use).amax(0)  # (6)
    # END SOLUTION


def lambda_max(x, D):
    """The price of eq. (7) from which on the best code of a signal is 0. x: (n, B), D: (n, m). Returns (B,)."""
    # BEGIN SOLUTION
    return (D.T @ x).abs().amax(0)  # (7)
    # END SOLUTION


# %% check="kkt_residual" points=2
# Codes that are no minimum, codes of zeros, many prices, and minima that were made by hand.


def some_code(m, B, least):
    z = fresh(m, B)
    z[1:] = z[1:] * (z[1:].abs() > least)  # the first atom is always in use
    return z


x, D, z = fresh(6, 30), fresh(6, 9), some_code(9, 30, 1.2)
check(
    any_code=torch.stack([torch.as_tensor(kkt_residual(x, D, z, lam)) for lam in (0.4, 3.0, 0.0)]),
    rtol=1e-4,
    atol=1e-5,
    hint="30 codes, three prices: (30,) each. The worst violation of a column, not the sum or the mean. Signs: c is "
    "how the residual x - D z is explained, and an atom with z_j > 0 should have c_j = +lam.",
)
check(
    nothing_in_use=torch.stack([torch.as_tensor(kkt_residual(x, D, 0 * z, lam)) for lam in (0.4, 3.0, 50.0)]),
    rtol=1e-4,
    atol=1e-5,
    hint="Codes of zeros: max(|c_j| - lam, 0), so exactly 0 with a high price. Negative, or lam - |c_j|: the zero "
    "atoms only have to stay below the price.",
)
check(
    many_prices=torch.stack([torch.as_tensor(kkt_residual(x, D, z, lam.abs())) for lam in (fresh(9, 1), fresh(1, 30))]),
    rtol=1e-4,
    atol=1e-5,
    hint="lam of shape (9, 1), then (1, 30). Each atom, or each signal, has its own price.",
)
square, codes = torch.linalg.qr(fresh(7, 7)).Q.double(), some_code(7, 5, 0.7).double()
square = square * (1 + 0.2 * fresh(1, 7).abs())
certificate = torch.where(codes == 0, fresh(7, 5).tanh(), codes.sign()).double()
residue = torch.linalg.solve(square.T, 0.6 * certificate)
near = (1.0, 1.0), (1e-5, 1e-5), (1.0, 0.9), (1.0, 1.1), (-1e-5, -1e-5)
violations = [kkt_residual(square @ (a * codes) + residue, square, b * codes, 0.6) for a, b in near]
check(
    minima=torch.stack([torch.as_tensor(violation) for violation in violations]),
    rtol=1e-4,
    atol=1e-5,
    hint="Five minima: 0. Five minima with codes of size 1e-5: 0 too. Codes that are 10% too small, then too large. "
    "Codes of size 1e-5 and of the wrong sign: in use means not exactly zero, and the sign counts.",
)

# %% check="kkt_residual" points=1
# The price at which everything becomes zero, and the residual on both sides of it.
x, D = 2 * fresh(6, 8), fresh(6, 9)
check(
    highest_price=lambda_max(x, D),
    rtol=1e-4,
    hint="(8,): for each signal the largest |d_j . x| of all atoms, no sum, and with the absolute value.",
)
edge = torch.as_tensor(lambda_max(x, D)).reshape(1, -1)
check(
    around_it=torch.stack(
        [torch.as_tensor(kkt_residual(x, D, torch.zeros(9, 8), share * edge)) for share in (0.5, 0.9, 1.01)]
    ),
    rtol=1e-3,
    atol=1e-4,
    hint="The residual of z = 0 at 50%, 90% and 101% of lambda_max, which goes in as (1, 8), one price a signal: half "
    "of it, a tenth of it, and 0.",
)

# %% [markdown]
# **Look.** One digit, 60 prices from $\lambda_{\max}$ down to 1% of it, all solved in one batch with
# `lam` of shape (1, 60). Each line is one atom: it enters when the price has fallen far enough, and some leave again.
# Below, the digit as it is explained at three of the prices, and the atoms with the largest codes at the highest of
# these.

# %%
one = seen[:, 3:4].double()
shares = torch.logspace(0, -2, 60, dtype=torch.float64)
prices = (shares * lambda_max(one, atoms.double()))[None]  # (1, 60)
start, begin = torch.zeros(200, 60, dtype=torch.float64), time.perf_counter()
path = fista(
    lambda z: gram @ z - (atoms.double().T @ one), lambda u, s: soft_threshold(u, s * prices), start, L=L, steps=2000
)
worst = kkt_residual(one, atoms.double(), path, prices)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
left.semilogx(shares, path.T, lw=1)
left.set(xlabel="price / $\\lambda_{\\max}$", ylabel="code")
right.semilogx(shares, (path != 0).sum(0), color=MODEL)
right.set(xlabel="price / $\\lambda_{\\max}$", ylabel="atoms in use")
for ax in (left, right):
    ax.invert_xaxis()
plt.show()
print(f"KKT residual of 60 codes at once, relative to the price: at most {(worst / prices).max():.1e}")

chosen = [15, 30, 55]
pictures = [one, *(atoms.double() @ path[:, k : k + 1] for k in chosen)]
fig, axes = plt.subplots(1, 2, figsize=(8, 1.9), gridspec_kw={"width_ratios": [4, 5]})
names = ", ".join(f"{shares[k]:.2f}" for k in chosen)
show_images(torch.cat(pictures, 1).T.view(-1, 28, 28), columns=4, ax=axes[0], title=f"the digit; share {names}")
first_atoms = path[:, 15].abs().topk(5).indices
show_images(4 * atoms.T[first_atoms].view(-1, 28, 28), columns=5, ax=axes[1], title=f"main atoms at {shares[15]:.2f}")
plt.show()

# %% [markdown]
# At the highest of the three prices the digit is grey, mostly because every atom in use has paid and its code is too
# small. At the lowest price it is nearly back, and explained by so many atoms that the code says little about the
# digit.
#
# ## 6 Renew the dictionary
# **3 points · 16 minutes · medium**
#
# Now the codes are fixed and the atoms may move. Two rules. An atom may not be **longer than 1**: otherwise the
# dictionary doubles, the codes halve, the error stays and the price is gone. And the atoms are renewed **one after
# another**, each with the others as they are at that moment, since two atoms that both repair the same error at the
# same time repair it twice. With $A = z z^\top$ and $B = x z^\top$, both summed over the batch, the best atom $j$ for
# fixed others, and then its projection on what is allowed, are
# $$u = d_j + \frac{1}{A_{jj}} \bigl( B_{:,j} - D\, A_{:,j} \bigr), \qquad d_j \leftarrow \frac{u}{\max(\|u\|, 1)}
# \tag{8}$$
# (Mairal et al. 2009). The signals are gone from it: once $A$ and $B$ are known, a pass over all atoms costs the same
# for a hundred signals as for a million. An atom that no code uses has $A_{jj} = 0$, and stays as it is.
#
# For strokes one wants more: no ink that is taken away again, atoms without negative pixels. Then the allowed set is
# the part of the ball with $d \ge 0$. Its nearest point to $u$ is found in two moves, of which the order matters:
# first set the negative pixels to zero, then shorten what is left if it is longer than 1.
#
# <details><summary>Hint 1: why not divide by the length always</summary>
#
# An atom shorter than 1 is allowed, and if the best one is short, stretching it makes the error larger.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `D = D.clone()` first, then a loop over `j` that writes `D[:, j]`. Inside, `D @ A[:, j]` sees the atoms that have been
# renewed already. `u.norm().clamp(min=1)` is the denominator.
#
# </details>


# %% task="dictionary_step" points=3 minutes=16
def dictionary_step(x, D, z, *, nonnegative=False):
    """The dictionary after one pass of eq. (8) over the atoms, from the first to the last.

    x: (n, B), z: (m, B). D: (n, m), atoms of length <= 1, without negative numbers if nonnegative is set.
    Returns (n, m), a new tensor. Atoms that no code uses stay as they are.
    """
    # BEGIN SOLUTION
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)  # (8)
    return D
    # END SOLUTION


# %% check="dictionary_step" points=2
# One pass: with long and with short atoms, with atoms that nobody uses, and that the arguments are left alone.


def dictionary(n, m):
    return F.normalize(fresh(n, m), dim=0)


D, z = dictionary(8, 5), fresh(5, 60)
truth = dictionary(8, 5) * torch.tensor([2.0, 0.4, 1.6, 0.7, 2.0])
x = truth.roll(-1, 1) @ z + 0.1 * fresh(8, 60)  # the first best atom is a short one
check(
    one_pass=dictionary_step(x, D.clone(), z),
    rtol=1e-4,
    atol=1e-5,
    hint="Five atoms. The first one right and the others wrong: each atom sees the atoms renewed before it. All wrong: "
    "the best first atom is short and must not be stretched to 1; or is something else than A_jj the denominator?",
)
check(
    short_atoms=dictionary_step(0.2 * x, 0.1 * D, z),
    rtol=1e-4,
    atol=1e-5,
    hint="Faint signals: the best atoms are shorter than 1, and stay so.",
)
lazy = z * torch.tensor([1.0, 0, 0.05, 0, 1])[:, None]
check(
    unused=dictionary_step(truth @ lazy, 0.5 * D, lazy),
    rtol=1e-4,
    atol=1e-5,
    hint="Atoms 1 and 3 are used by no code: they stay, at half length. nan: division by A_jj = 0. Gone or moved: they "
    "were projected too. Atom 2 is used little, and is renewed all the same: nothing may be added to A_jj.",
)
check(
    arguments_kept=torch.stack([D, torch.as_tensor(dictionary_step(x, D, z)), D]),
    rtol=1e-4,
    atol=1e-5,
    hint="If the others pass: clone D before you write into it. D before the call, the result, D after it.",
)

# %% check="dictionary_step" points=1
# Atoms without negative numbers, and the error pass by pass.


def dictionary(n, m):
    return F.normalize(fresh(n, m), dim=0)


D, z = dictionary(8, 5).abs(), fresh(5, 400)
x = dictionary(8, 5) * torch.tensor([0.4, 4.0, 3.0, 4.0, 5.0]) @ z
check(
    nonnegative=dictionary_step(x, D.clone(), z, nonnegative=True),
    rtol=1e-4,
    atol=1e-5,
    hint="No negative numbers. Nearly right: first the zeros, then the length; the other way round the atom comes out "
    "too short. Absolute values are not the nearest point.",
)


def errors(D, z, passes):
    x = dictionary(8, 5) * torch.tensor([1.5, 0.3, 1.2, 0.5, 0.8]) @ z
    for _ in range(passes):
        D = torch.as_tensor(dictionary_step(x, D, z)).float()
        yield (x - D @ z).square().sum().item()


check(
    error_falls=list(errors(D, z[:, :40], 12)),
    rtol=1e-4,
    hint="The squared error after 1 to 12 passes; each pass lowers it. It rises now and then: all atoms at once, from "
    "the old dictionary, overshoot together.",
)

# %% [markdown]
# **Look.** The search of task 4 and your step take turns: 100 atoms, 2,000 digits, codes and atoms both without
# negative numbers, three prices. At the start each atom is noise. What an atom becomes is decided by the price: where
# atoms are dear, one has to do the work of many and is nearly a whole digit; where they cost little, a digit is put
# together from spots. In between many are short strokes.


# %%
def learn_atoms(x, price, rounds=60, m=100):
    """Codes and atoms in turn, from noise. Returns D (784, m), the codes (m, B), and the mean energy of each round."""
    D = F.normalize(torch.rand(len(x), m, generator=torch.Generator().manual_seed(0)), dim=0)
    z, course = torch.zeros(m, x.shape[1]), []
    for _ in range(rounds):
        M, b = D.T @ D, D.T @ x
        top = 1.02 * float(power_iteration(lambda v, M=M: M @ v, torch.ones(m), 20))
        z = fista(lambda z, M=M, b=b: M @ z - b, lambda u, s: (u - s * price).clamp(min=0), z, L=top, steps=10)
        course.append(energy(x, D, z, price).mean().item())
        D = dictionary_step(x, D, z, nonnegative=True)
    return D, z, course


begin, learned = time.perf_counter(), {price: learn_atoms(pixels[:, :2000], price) for price in (0.6, 0.1, 0.03)}
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2))
for (price, (D, z, course)), ax in zip(learned.items(), axes, strict=True):
    order = z.sum(1).argsort(descending=True)
    tiles = (D / D.amax(0).clamp(min=1e-6)).T[order].view(-1, 28, 28)
    show_images(tiles, columns=10, ax=ax, title=f"price {price}")
    in_use = (z > 0).sum(0).float().mean()
    print(
        f"price {price:4}: energy {course[0]:5.1f} -> {course[-1]:5.2f}, {in_use:4.1f} of 100 atoms in use on average"
    )
plt.show()
print(f"{time.perf_counter() - begin:.0f} s")
strokes = learned[0.1][0]

# %% [markdown]
# ## 7 ISTA as a network
# **2 points · 12 minutes · medium**
#
# Write (4) with the matrices multiplied out: $z_{k+1} = h_{\lambda/L}\bigl( \frac1L D^\top x + (I - \frac1L D^\top D)\,
# z_k \bigr)$. A linear map of the input, a linear map of the last code, a nonlinearity: that is a recurrent network
# whose weights happen to be known. Cut it after a few steps and *learn* the weights (Gregor and LeCun 2010). With its
# matrices shared and the threshold of each step, and of each atom, its own:
# $$z_0 = h_{\theta_0}(W x), \qquad z_t = h_{\theta_t}(W x + S z_{t-1}), \quad t = 1, \dots, T \tag{9}$$
# It starts as ISTA, with $W = \frac1L D^\top$, $S = I - \frac1L D^\top D$, and all thresholds $\lambda / L$. With $T$
# layers and before any training the network returns exactly what $T + 1$ steps of ISTA from zero return. (In
# the lecture $W$ is called `We`, and the layers share either everything or nothing.)
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# `nn.Parameter(tensor)` registers a weight. $Wx$ is needed in each layer: compute it once. The thresholds of a layer,
# `theta[t]` of shape (m,), belong to the rows of an (m, B) code.
#
# </details>


# %% task="lista_network" points=2 minutes=12
class LISTA(nn.Module):
    """The network of eq. (9): (n, B) signals to (m, B) codes.

    D: (n, m). lam, L: floats. layers: T >= 0. Parameters, float32: `W` (m, n), `S` (m, m), `theta` (T + 1, m), with
    the values of ISTA at the start; they share no memory with D. Gradients flow to all of them (to S if T > 0).
    """

    def __init__(self, D, lam, L, layers):
        super().__init__()
        # BEGIN SOLUTION
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))
        # END SOLUTION

    def forward(self, x):
        # BEGIN SOLUTION
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])  # (9)
        return z
        # END SOLUTION


# %% check="lista_network" points=2
# The codes before training, the weights at the start, codes with other weights, and their gradients.
D, x = F.normalize(fresh(6, 9), dim=0), 3 * fresh(6, 9)
L_exact = float(torch.linalg.eigvalsh(D.T @ D)[-1])
check(
    untrained=torch.stack([torch.as_tensor(LISTA(D, 0.4, L_exact, layers)(x)) for layers in (0, 1, 4)]),
    rtol=1e-4,
    atol=1e-5,
    hint="0, 1 and 4 layers, the codes after 1, 2 and 5 steps of ISTA. The first right only: S = I - D^T D / L, and "
    "W x enters every layer. None right: W = D^T / L and thresholds of lam / L.",
)
given, shared = LISTA(D, 0.4, L_exact, 2), LISTA(D, 0.4, 1.0, 2)
D.mul_(3)  # what happens to D later is no concern of the network
check(
    weights=torch.cat([getattr(net, k).flatten() for net in (given, shared) for k in ("W", "S", "theta")]),
    rtol=1e-4,
    atol=1e-5,
    hint="W, S and theta of two networks, after D has been changed. Shapes (m, n), (m, m), (T + 1, m). Three times too "
    "large: the network holds D itself. The second was made with L = 1: a weight that is D.T, not a copy, shows here.",
)
net = LISTA(D, 0.4, L_exact, layers=3)
for name, parameter in net.named_parameters():
    parameter.data.copy_(0.4 * fresh(*parameter.shape).abs() if name == "theta" else 0.3 * fresh(*parameter.shape))
for parameter in (net.W, net.S, net.theta):
    parameter.requires_grad_()
codes = net(x)
check(
    other_weights=codes,
    rtol=1e-4,
    atol=1e-5,
    hint="Three layers with random weights, and other thresholds for each layer and atom. Is theta[0] the first one's? "
    "Is each of W, S, theta an nn.Parameter? Are thresholds along the atoms, not along the batch?",
)
wanted = fresh(9, 9)
distance = (codes - wanted).square().sum() + 0 * (net.W.sum() + net.S.sum() + net.theta.sum())
slopes = torch.autograd.grad(distance, [net.W, net.S, net.theta])
check(
    slopes=torch.cat([slope.flatten() for slope in slopes]),
    rtol=1e-3,
    atol=1e-3,
    hint="If other_weights passes: derivatives with respect to W, S and theta. Zeros: a tensor was detached, or copied "
    "when it was used. Only those of S wrong: has something been detached between the layers?",
)

# %% [markdown]
# ## 8 Train it
# **2 points · 14 minutes · medium**
#
# The teacher is the search: $z^*$ are the codes that FISTA finds when it may run long. The loss of a batch is the mean
# over its signals of the squared distance to them, summed over the atoms:
# $$\ell = \frac1B \sum_{b=1}^B \bigl\| z_T(x_b) - z^*_b \bigr\|^2 \tag{10}$$
# Go through the signals in batches, in the order in which they come, a given number of times. The last batch of a
# round may be smaller. The learning rate falls to zero on a straight line: with $K$ batches in all, batch
# $k = 0, \dots, K - 1$ uses $1 - k/K$ times the rate that the optimiser came with. Thresholded networks jump when an
# atom enters or leaves, and small last steps let them settle.
#
# <details><summary>Hint 1: batches</summary>
#
# `x.split(batch_size, dim=1)` gives columns in groups, the last one smaller. `range(0, B, batch_size)` and slices
# do as well; a slice that ends beyond the last column ends at the last column.
#
# </details>
#
# <details><summary>Hint 2: learning rates</summary>
#
# `optimiser.param_groups` is a list of dictionaries, each with its `"lr"`. Note the rates before the first batch, since
# you will overwrite them. `torch.optim.lr_scheduler.LambdaLR` does the same if it is moved on after each batch.
#
# </details>


# %% task="train_lista" points=2 minutes=14
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    """Train a model (n, B) -> (m, B) by eq. (10). Returns the list of losses, floats, each before its step.

    optimiser: of the model's parameters, perhaps in several groups with rates of their own; its rates fall as described
    above, and what they are after the last batch is left to you. x: (n, N), z_star: (m, N), in their order, N not
    always a multiple of batch_size. What stands in .grad of the parameters before the call has no effect.
    """
    # BEGIN SOLUTION
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()  # (10)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses
    # END SOLUTION


# %% check="train_lista" points=2
# A small encoder of the check's own: losses, weights, several learning rates, gradients from before.


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.W, self.b = (nn.Parameter(0.5 * fresh(*shape)) for shape in ((4, 5), (4, 1)))

    def forward(self, x):
        return (self.W @ x).tanh() + self.b


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


x, z_star = fresh(5, 13), fresh(4, 13)
model = Encoder()
optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
losses = train_lista(model, optimiser, x, z_star, epochs=3, batch_size=4)
check(
    losses=losses,
    rtol=1e-3,
    hint="13 signals in batches of 4, three times: twelve losses, each before its step. The first right and the others "
    "wrong: look at the weights. Four times too small: a mean over the atoms too. Every fourth off: the last batch has "
    "one signal only. Nine of them: it was left out.",
)
check(
    weights=weights(model),
    rtol=1e-3,
    atol=1e-4,
    hint="The weights afterwards. If the losses are right at first and drift: the rate falls after every batch, not "
    "after every round, from the full one to 1/K of it, and always measured against the first.",
)
model = Encoder()
optimiser = torch.optim.SGD([{"params": [model.W], "lr": 0.2}, {"params": [model.b], "lr": 0.02}])
train_lista(model, optimiser, x, z_star, epochs=2, batch_size=5)
check(
    two_rates=weights(model),
    rtol=1e-3,
    atol=1e-4,
    hint="Two groups of parameters with rates of 0.2 and 0.02: each falls from its own.",
)
model = Encoder()
for parameter in model.parameters():
    parameter.grad = fresh(*parameter.shape)
train_lista(model, torch.optim.SGD(model.parameters(), lr=0.1), x, z_star, epochs=1, batch_size=20)
check(
    old_gradients=weights(model),
    rtol=1e-3,
    atol=1e-4,
    hint="One batch of all signals, and something stood in .grad before: throw it away before backward. Unchanged "
    "weights: a batch size larger than the number of signals is one batch.",
)

# %% [markdown]
# **Look.** The atoms that you have learned at price 0.1, here with codes of both signs, so that (9) fits, and at price
# 0.2. The error is the squared distance to $z^*$ on digits that were not trained on. A network with $T$ layers does the
# work of $T + 1$ steps, so it is drawn there.

# %%
begin, price = time.perf_counter(), 0.2
M = strokes.T @ strokes
top = 1.02 * float(power_iteration(lambda v: M @ v, torch.ones(100), 50))


def search(x, steps):
    """Codes of x by FISTA with the learned strokes."""
    b = strokes.T @ x
    return fista(lambda z: M @ z - b, lambda u, s: soft_threshold(u, s * price), 0 * b, L=top, steps=steps)


learn, held = pixels[:, :4000], pixels[:, 9000:]
z_learn, z_held = search(learn, 300), search(held, 600)


def code_error(z):
    return (z - z_held).square().sum(0).mean().item()


steps = list(range(1, 31))
fig, ax = plt.subplots(figsize=(8, 3))
by_ista = [code_error(ista(held, strokes, price, L=top, steps=k)) for k in steps]
by_fista = [code_error(search(held, k)) for k in steps]
ax.semilogy(steps, by_ista, color="C2", marker=".", label="ISTA")
ax.semilogy(steps, by_fista, color=DATA, marker=".", label="FISTA")
trained = {}
for layers in (0, 1, 3):
    model = LISTA(strokes, price, top, layers)
    train_lista(model, torch.optim.Adam(model.parameters(), 2e-3), learn, z_learn, epochs=20, batch_size=100)
    with torch.no_grad():
        trained[layers] = code_error(model(held))
ax.plot([layers + 1 for layers in trained], list(trained.values()), "s", color=MODEL, label="LISTA, trained")
ax.set(xlabel="steps, or layers + 1", ylabel="squared error of the code", xticks=[1, 5, 10, 15, 20, 25, 30])
ax.legend()
plt.show()
for layers, error in trained.items():
    same = next((k for k, e in zip(steps, by_fista, strict=True) if e <= error), None)
    told = f"FISTA needs {same} steps for that" if same else f"FISTA is not there after {steps[-1]} steps"
    print(f"LISTA with {layers} layer{'s' * (layers != 1)}: error {error:.2f}; {told}")
print(f"{time.perf_counter() - begin:.0f} s")

# %% [markdown]
# One threshold of a learned linear map does what takes the search about a dozen steps. In the lecture it did far less:
# there 100 atoms shared 25 pixels, and no linear map could undo $D$. Here 100 atoms have 784 pixels, and a linear map
# nearly can; training on digits does the rest, and more layers bring little. The network is not exact. The search
# arrives, if one waits.
#
# ## 9 Atoms that move over the image
# **3 points · 18 minutes · medium**
#
# A stroke at another place is another atom, and a dictionary of patches learns it again and again. In **convolutional**
# sparse coding a filter may stand anywhere, and its *map* says where and how strongly. A one in map $k$ at place
# $(i, j)$ puts a copy of filter $k$, upright, with its upper left corner at pixel $(i, j)$. So for $K$ filters of
# $h \times w$ pixels and $C$ colours,
# $$\hat x_c[p, q] = \sum_{k=1}^K \sum_{i, j} z_k[i, j]\; f_{k,c}[p - i,\, q - j] \tag{11}$$
# over all places where the filter has a pixel, and an image of $H \times W$ belongs to maps of
# $(H - h + 1) \times (W - w + 1)$. That is still $\hat x = Dz$, with a very large $D$, and the search needs $D^\top$
# too. The rows of $D^\top$ are the atoms, so it asks how much of each shifted filter is in an image:
# $$(D^\top x)_k[i, j] = \sum_c \sum_{a, b} f_{k,c}[a, b]\; x_c[i + a,\, j + b] \tag{12}$$
# One of the two turns the filter round, and the other does not; and what PyTorch calls a convolution does not. (The
# lecture's images are closed to a torus, its filters have their middle at the place, and its maps are as large as the
# image.) Find out with a single one in a map. With both the step of ISTA is (4) once more, over maps in place of codes.
#
# <details><summary>Hint 1: which is which</summary>
#
# Without turning the filter, `F.conv2d(x, f)` slides it over the image and multiplies, which is (12), with filters of
# shape (out, in, h, w). For (11) there are two ways. Either pad the maps by $h - 1$ and $w - 1$ on each side and slide
# the *flipped* filters, with the first two axes exchanged. Or take the transpose of the sliding as a function of its
# own: PyTorch has it.
#
# </details>
#
# <details><summary>Hint 2: the transpose</summary>
#
# `F.conv_transpose2d` is the transpose of `F.conv2d` with the *same* weights. Do not flip anything for it.
#
# </details>


# %% task="convolutional" points=3 minutes=18
def conv_reconstruct(maps, filters):
    """The images of eq. (11). maps: (B, K, H - h + 1, W - w + 1), filters: (K, C, h, w). Returns (B, C, H, W)."""
    # BEGIN SOLUTION
    return F.conv_transpose2d(maps, filters)  # (11)
    # END SOLUTION


def conv_adjoint(images, filters):
    """The transpose, eq. (12). images: (B, C, H, W), filters: (K, C, h, w). Returns (B, K, H - h + 1, W - w + 1)."""
    # BEGIN SOLUTION
    return F.conv2d(images, filters)  # (12)
    # END SOLUTION


def conv_step(images, maps, filters, lam, L):
    """The maps after one step of ISTA, eq. (4), with one price lam for all places; L: float. Changes no argument."""
    # BEGIN SOLUTION
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)  # (4)
    # END SOLUTION


# %% check="convolutional" points=2
# Stamps, whole maps, the transpose, and both sides of <x, D z> = <D^T x, z>.
filters = fresh(3, 2, 3, 4)
stamp = torch.zeros(3, 3, 5, 6)
row, column = (int(torch.randint(n, (1,), generator=fresh_generator())) for n in (5, 6))
stamp[torch.arange(3), torch.arange(3), row, column] = 1.0
check(
    stamps=conv_reconstruct(stamp, filters),
    rtol=1e-4,
    atol=1e-5,
    hint="Three images, (3, 2, 7, 9), each with one filter, upright, its upper left corner where the one is. Standing "
    "on its head: flipped once too often or too seldom. At another place: padding.",
)
maps = fresh(2, 3, 5, 6)
check(
    images=conv_reconstruct(maps, filters),
    rtol=1e-4,
    atol=1e-4,
    hint="Full maps: the stamps of all filters and places add up. Stamps right and this wrong: something is not a sum.",
)
x = fresh(2, 2, 7, 9)
check(
    transpose=conv_adjoint(x, filters),
    rtol=1e-4,
    atol=1e-4,
    hint="(2, 3, 5, 6): at each place the sum over colours and filter pixels of filter times image, nothing flipped.",
)
check(
    products=[
        float((x * torch.as_tensor(conv_reconstruct(maps, filters))).sum()),
        float((torch.as_tensor(conv_adjoint(x, filters)) * maps).sum()),
    ],
    rtol=1e-3,
    atol=1e-3,
    hint="<x, D z> and <D^T x, z> are the same number, for any x and z, if one is the transpose of the other.",
)

# %% check="convolutional" points=1
# Steps of ISTA over maps.
filters, maps, x = fresh(3, 2, 3, 4), fresh(2, 3, 5, 6), 2 * fresh(2, 2, 7, 9)
check(
    one_step=torch.stack([torch.as_tensor(conv_step(x, maps.clone(), filters, lam, 80.0)) for lam in (0.0, 20.0)]),
    rtol=1e-4,
    atol=1e-4,
    hint="One step without a price, and one with. The first wrong: the gradient is D^T(D z - x), divided by L. The "
    "second only: the threshold is lam / L.",
)


def walk(maps, steps):
    yield maps
    for _ in range(steps):
        maps = torch.as_tensor(conv_step(x, maps, filters, 3.0, 120.0)).float()
        yield maps


check(
    maps_kept=torch.stack(list(walk(maps, 6))),
    rtol=1e-3,
    atol=1e-4,
    hint="If one_step passes: the maps that are given must not be changed. The maps at the start, and after six steps, "
    "each from the maps of the last.",
)

# %% [markdown]
# **Look.** Nothing is learned here: eight filters are strokes of eight directions. The step comes from task 2, with the
# filters' $D^\top D$ never written down, and the search is task 4's, with codes that may not be negative. Each map says
# where a digit has a stroke of that direction: a point is drawn where the stroke's middle is.

# %%
begin = time.perf_counter()
offset = torch.arange(9) - 4.0
across, down = torch.meshgrid(offset, offset, indexing="xy")
turn = (torch.arange(8) * math.pi / 8)[:, None, None]
along, beside = across * turn.cos() + down * turn.sin(), down * turn.cos() - across * turn.sin()
filters = (-(along**2) / 12 - beside**2 / 1.5).exp()  # (8, 9, 9)
filters = (filters / filters.flatten(1).norm(dim=1)[:, None, None])[:, None]  # (8, 1, 9, 9)
x = pixels[:, [9001, 9002]].T.view(-1, 1, 28, 28)
start = torch.zeros(2, 8, 20, 20)
top = 1.02 * float(power_iteration(lambda v: conv_adjoint(conv_reconstruct(v, filters), filters), start[:1] + 1, 50))
maps = fista(
    lambda z: conv_adjoint(conv_reconstruct(z, filters) - x, filters),
    lambda u, s: (u - 0.1 * s).clamp(min=0),
    start,
    L=top,
    steps=300,
)
again = conv_reconstruct(maps, filters)
fig, axes = plt.subplots(3, 10, figsize=(9, 2.9))
middles = F.pad(maps, (4, 4, 4, 4))  # a filter's middle is 4 pixels from its corner: maps as large as the digits
panels = [(None, None, *filters[:, 0]), (x[0, 0], again[0, 0], *middles[0]), (x[1, 0], again[1, 0], *middles[1])]
for line, row in zip(panels, axes, strict=True):
    for k, (picture, ax) in enumerate(zip(line, row, strict=True)):
        ax.axis("off")
        if picture is not None:
            scale = 1 if k < 2 else max(float(p.max()) for p in line[2:])
            ax.imshow(picture, vmin=0, vmax=scale)
axes[1, 0].set_title("digit", fontsize=9)
axes[1, 1].set_title("$\\hat x$", fontsize=9)
axes[0, 2].set_title("filters", fontsize=9)
axes[1, 2].set_title("maps", fontsize=9)
plt.show()
share = (x - again).square().sum() / x.square().sum()
used = (maps > 0).float().mean()
print(f"L = {top:.1f}; {used:.1%} of all places in use; squared error {share:.1%} of the images' squared length")
print(f"{time.perf_counter() - begin:.0f} s")

# %% [markdown]
# ## What next
# The progress line under the last check shows your points; `grade check labs/11_sparse_coding.ipynb` in a terminal runs
# the notebook from top to bottom and lists what the badges would say.
#
# **Beyond, without points**
# 1. Let the dictionary of task 6 cheat: leave out the projection. Plot the lengths of the atoms and the size of the
#    codes, round by round. Which term of the energy goes to zero?
# 2. Momentum overshoots: the energy of FISTA rises now and then. Set $t$ back to 1 whenever it does, and draw the gap
#    of task 4 again.
# 3. From any $z$, scale $x - Dz$ until (6) allows it, $\max_j |d_j^\top r| \le \lambda$. Then $\frac12\|x\|^2 -
#    \frac12 \|x - r\|^2$ is a lower bound on $F(x)$. Derive it, and print the gap beside the KKT residual.
# 4. Train the network of task 8 without a teacher, by the energy (1) of its own codes. Is the error of the code larger
#    or smaller? And the energy?
# 5. Learn the filters of task 9: the gradient of half the squared error with respect to a filter is once more a sliding
#    product. Remember the projection.
