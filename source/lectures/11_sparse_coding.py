# ---
# jupyter:
#   course:
#     title: "11 Sparse coding"
#     summary: "Explain a signal by as few causes as possible: why a latent must be limited, how to find it, and fast"
#     minutes: 120
# ---

# %% [markdown]
# # 11 Sparse coding
#
# **The question.** Somebody shows you a patch of a photograph and asks what it is made of. You own a collection of
# small patterns, more than you need, and may add up any of them in any amount. The trouble is not to find an answer,
# it is that there are too many: with enough patterns *everything* can be explained, noise as well as edges, and an
# explanation that would fit anything says nothing. So we ask for the explanation with the fewest causes. What does
# that do to a model, how is such an explanation found, how does one know that it is the best there is, and where do
# the patterns come from?
#
# **After this lecture you can**
# 1. say why a latent variable must be limited, and limit it in four ways: to a choice, to a noisy choice, to one
#    value, to a small sum;
# 2. derive ISTA and FISTA, choose their step, hold them against their bounds, and *prove* by a certificate that an
#    answer is optimal;
# 3. learn a dictionary of strokes or of edges, train a network that guesses its codes, and test with a control what
#    the codes are good for.
#
# **It needs** linear algebra (eigenvalues, least squares) and gradients. The energies are those of energy-based
# models: low where the data are. **It takes** about two hours to read and play with, and two to three minutes to run
# on a CPU.

# %% [markdown]
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | (B, n) | signals, one a row: points of the plane, patches of $n$ pixels |
# | $D$, $d_j$ | `D` | (n, m) | the dictionary and its columns, the **atoms**, of length 1 |
# | $z$ | `z` | (B, m) | codes: how much of each atom; $\hat x = Dz$ is the reconstruction |
# | $r$ | `r` | (B, n) | the residual $x - Dz$, what is left unexplained |
# | $\lambda$ | `lam` | | the price of one unit of code |
# | $E(x, z)$ | `energy` | (B,) | energy of a signal with an explanation; no unit, half a squared distance |
# | $F(x)$ | | (B,) | energy of the signal alone, $\min_z E(x, z)$; its minimiser is $z^\ast$ |
# | $h_\theta$ | `soft_threshold` | | pulls towards 0 by $\theta$, stops there |
# | $c_{j\mid k}$ | `channel` | (m, m) | probability that the chosen column $k$ arrives as $j$ (section 1) |
# | $p$ | `p` | | exponent in $\sum_j \lvert z_j\rvert^p$ (section 2) |
# | $q(z)$, $\nabla q$ | | (B,), (B, m) | smooth part of the energy, $\frac12\lVert x - Dz\rVert^2$, and its gradient |
# | $\nu$ | `nu` | (B, n) | a dual point: any signal with $\lvert d_j^\top \nu\rvert \le \lambda$ for all $j$ |
# | $L$, $\hat L$ | `L` | | largest eigenvalue of $D^\top D$, an estimate of it; steps have size $1/L$ |
# | $S$ | `S` | (m, m) | $I - D^\top D / L$, by which a step of ISTA multiplies codes; learned in section 10 |
# | $J$, $s$ | `active` | | the **active set**, all $j$ with $z^\ast_j \ne 0$, and the signs there |
# | $D_J$, $z_J$ | `D_J` | | the active columns and their coefficients only |
# | $\lambda_{\max}$ | `lam_max` | (B,) | the price below which explaining starts |
# | $k$ | `k` | | iteration, from 1; a chosen column (section 1), a layer (10), a filter (11) |
# | $y, t_k$ | `y, t` | (B, m), number | FISTA's extrapolated code and its momentum sequence |
#
# These belong to one later section each:
#
# | symbol | code | section | meaning |
# |---|---|---|---|
# | $F_D$, $N$, $c$ | | 7 | $F$ with its dictionary named; number of signals; a factor that stretches columns |
# | $A$, $B$ | `A, B` | 7 | $\sum_i z_i z_i^\top$, (m, m), and $\sum_i x_i z_i^\top$, (n, m); columns $a_j$, $b_j$ |
# | $u$ | `u` | 7, 8 | a new column before it is pulled back (7); the threshold's argument, as in (6) |
# | $g$, $f$, $a$, $b$ | `gabor_pair` | 9 | a Gabor function, its frequency (cycles a pixel) and its two amplitudes |
# | $u, v$, $\sigma_u, \sigma_v$ | `u, v` | 9 | a pixel's place, shifted and turned, and the widths (pixels) |
# | $R^2$ | `R2` | 9 | the share of an atom's variance that its best Gabor function explains |
# | $W_e$, $\theta_j$, $T$ | `We, theta, layers` | 10 | a learned network's weights (m, n), thresholds and layers |
# | $z^{(k)}$ | `all_layers` | 10 | its codes after layer $k$ |
# | $f(x)$, $W$, $b$, $g$, $\alpha$ | `PSD` | 10 | prediction, its weights, offsets, gains; price of straying |
# | $d_k$, $z_k$, $K$ | `filters, maps` | 11 | filters and their maps, and how many |
# | $\hat d_k(\omega)$ | `transfer` | 11 | a filter's Fourier transform at frequency $\omega$ |
# | $c(d)$, $\bar d$ | `colour_share` | 12 | share of colour of an atom; the mean of its three channels |
# | $N$, $\sigma$, $\mathcal L$ | `N, sigma` | 14 | number of factors, a singular value of their product, the loss |
#
# $\lVert z \rVert_1$ is the sum of absolute values, $\lVert z \rVert_0$ the number of non-zero entries,
# $\lVert\cdot\rVert$ the usual length. In the code `F` is `torch.nn.functional`.

# %%
import itertools
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import hsv_to_rgb
from torch import nn

from utils.data import digits_split, natural_images
from utils.device import pick_device
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import budget, budget_name, checkpoint, fit, measured, progress, record
from utils.widgets import explore

use_style()
torch.set_num_threads(1)  # batches of small products: threads would spend their time waiting for each other
device, why = pick_device()
print(f"budget: {budget_name()}; device: {device} ({why})")

# %% [markdown]
# ## 1 A latent that may not say too much
#
# An **energy** $F(x)$ should be low where data lie and high elsewhere (LeCun et al. 2006). One way to build it is to
# explain. Take a decoder that turns a latent $z$ into a signal, let $E(x, z)$ be the error of the explanation, and
# keep the best one:
# $$F(x) = \min_z E(x, z) \tag{1}$$
# Now count what $z$ is allowed to say. If $x = Dz$ with a square, invertible $D$, there is a perfect $z$ for *every*
# $x$. Then $F = 0$ everywhere: the model explains the data and everything else. Learning cannot help, since it only
# ever pushes down at the data, and there it is already as low as it gets. Something has to keep the energy *up*
# elsewhere. Contrastive methods push it up at chosen points (next lecture). The other way is to limit how much
# information $z$ carries: then only few signals can have a low energy, and learning has to choose which (Ranzato,
# Boureau and LeCun 2007). Four limits, from the strictest on:
#
# *A choice.* $z$ is one-hot: it names a column of $D$. This is k-means, and with $m$ columns $z$ carries
# $\log_2 m$ bits:
# $$F(x) = \tfrac12 \min_k \lVert x - d_k \rVert^2 \tag{2}$$
# *A noisy choice.* The index goes through a channel that turns $k$ into $j$ with probability $c_{j|k}$, here a bell
# around $k$, and the explanation has to be good on average:
# $$E(x, k) = \tfrac12 \sum_j c_{j|k}\, \lVert x - d_j \rVert^2 \tag{3}$$
# *One value.* Only one entry of $z$ may differ from zero, but it may have any size ($\lVert z\rVert_0 \le 1$). The
# best one belongs to the atom that points most nearly along $x$:
# $$F(x) = \tfrac12 \Big( \lVert x \rVert^2 - \max_j\, (d_j^\top x)^2 \Big) \tag{4}$$
# *A small sum.* All entries may be used, and each unit costs $\lambda$. That is sparse coding, the subject of this
# lecture:
# $$E(x, z) = \tfrac12 \lVert x - Dz \rVert^2 + \lambda \lVert z \rVert_1 \tag{5}$$
# Each comes as a function that returns the code. All are trained by the same alternation: best codes for the columns,
# best columns for the codes. (For a choice, the best column is the mean of what it stands for; otherwise it is a least
# squares problem, after which the columns get their length 1 back.)

# %%
def anything(x, D):
    """The code without any limit: least squares.  x: (B, n), D: (n, m).  Returns (B, m)."""
    return x @ torch.linalg.pinv(D).T


def one_hot(x, D):
    """The nearest column, eq. (2).  Returns (B, m) with a single 1 in each row."""
    return F.one_hot(torch.cdist(x, D.T).argmin(1), D.shape[1]).to(x)                             # (2)


def noisy_choice(x, D, width):
    """The choice that is best after the channel, eq. (3): (its row of c(j|k), (B, m); its energy, (B,))."""
    k = torch.arange(D.shape[1]).to(x)
    channel = (-(((k[:, None] - k) / width) ** 2) / 2).softmax(1)  # (m, m): c(j|k), a bell of this width
    E = torch.cdist(x, D.T).square() @ channel.T / 2                                              # (3)
    return channel[E.argmin(1)], E.amin(1)


def one_value(x, D):
    """The best code with a single non-zero entry, for unit columns, eq. (4).  Returns (B, m)."""
    pull = x @ D
    j = pull.abs().argmax(1, keepdim=True)
    return torch.zeros_like(pull).scatter(1, j, pull.gather(1, j))


def alternate_fit(x, D, infer, *, steps, means=False):
    """z <- infer(x, D), then the best D for these z, over and over.  Returns D (n, m); unused columns stay.

    means: column j is the z-weighted mean of the x (k-means); otherwise least squares, then columns of length 1.
    """
    for _ in progress(range(steps), stoppable=True):
        z = infer(x, D)
        gram = z.sum(0).diag() if means else z.T @ z
        new = torch.linalg.solve(gram + 1e-6 * torch.eye(len(gram)).to(x), z.T @ x).T
        D = torch.where((z != 0).any(0), new, D)
        D = D if means else D / D.norm(dim=0)
    return D


def auroc(odd, normal):
    """Probability that a draw from odd exceeds a draw from normal; ties, to 6 decimals, count half."""
    odd, normal = odd.round(decimals=6), normal.round(decimals=6)
    return ((odd[:, None] > normal).double() + 0.5 * (odd[:, None] == normal)).mean().item()

# %% [markdown]
# Sparse coding's own functions complete the set. Its energy is (5), and one small function does most of the work:
# $$h_\theta(u) = \operatorname{sign}(u)\,\max(\lvert u\rvert - \theta,\, 0)
# = \arg\min_z\; \tfrac12 (u - z)^2 + \theta \lvert z \rvert \tag{6}$$
# the **soft threshold**. Where $z \ne 0$ the derivative of the right-hand side, $z - u \pm \theta$, has to vanish, so
# the answer is $u$ pulled towards zero by $\theta$; where that would cross zero, the kink of $\lvert z\rvert$ holds it
# there. For orthonormal atoms this is already the whole of inference, because each coefficient then has a parabola of
# its own: $z^\ast = h_\lambda(D^\top x)$. **Check**: a fine grid for (6), and for (5) 2,000 nudges away from that code.

# %%
def energy(x, D, z, lam):
    """Sparse coding's energy, eq. (5).  x: (B, n), D: (n, m), z: (B, m), lam >= 0.  Returns (B,)."""
    return (x - z @ D.T).square().sum(1) / 2 + lam * z.abs().sum(1)                               # (5)


def soft_threshold(u, theta):
    """Pull u towards 0 by theta, and to 0 what is nearer, eq. (6).  theta >= 0: a number, or a tensor that fits."""
    return u - u.clamp(-theta, theta)                                                             # (6)


grid = torch.linspace(-3, 3, 6_001, dtype=torch.float64)
u = torch.linspace(-2.5, 2.5, 101, dtype=torch.float64)
brute = grid[((u[:, None] - grid).square() / 2 + 0.8 * grid.abs()).argmin(1)]
assert (soft_threshold(u, 0.8) - brute).abs().max() < 1e-3
turned = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)).double()).Q
points = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)).double()
best = soft_threshold(points @ turned, 0.5)
shaken = best + 0.1 * torch.randn(2_000, 50, 6, generator=torch.Generator().manual_seed(2)).double()
worse = torch.stack([energy(points, turned, z, 0.5) for z in shaken]) - energy(points, turned, best, 0.5)
assert worse.min() > 0
print(f"(6) is the minimiser to the grid's spacing, {grid[1] - grid[0]:.3f}")
print(f"orthonormal D: none of {worse.numel():,} codes near h(D^T x) has less energy than it; "
      f"the nearest try is {worse.min():.1e} worse")

# %% [markdown]
# Two sets of points in the plane, since there an energy can be looked at whole: a spiral, and a star of three lines,
# each point of which has one cause of varying size. For L1 we need $z^\ast$ for atoms that are not orthogonal, with
# the function `fista` that section 4 derives; read it there. (It is defined here because the plane comes first.)
# **Check.** (2) and (4) against the codes, the unlimited code's energy on the whole plane, and that the alternation of
# k-means never goes uphill.

# %%
def fista(x, D, lam, *, steps, L=None, z=None, watch=None):
    """ISTA with momentum, eqs. (12) and (13), Beck & Teboulle 2009.  Arguments and result as in `ista`."""
    L = lipschitz(D) if L is None else L
    S = torch.eye(D.shape[1], dtype=D.dtype, device=D.device) - D.T @ D / L
    b = x @ D / L
    z = torch.zeros_like(b) if z is None else z
    y, t = z, 1.0
    for k in range(1, steps + 1):
        z_before, t_before = z, t
        z = F.softshrink(torch.addmm(b, y, S), lam / L)                                          # (10) from y
        t = (1 + math.sqrt(1 + 4 * t * t)) / 2                                                    # (12)
        y = torch.lerp(z_before, z, 1 + (t_before - 1) / t)                                       # (13)
        if watch is not None:
            watch(k, z)
    return z


def lipschitz(D):
    """L of eq. (11), the largest eigenvalue of the smaller of D^T D and D D^T.  D: (n, m).  Returns a float."""
    n, m = D.shape
    gram = D.T @ D if m <= n else D @ D.T
    return torch.linalg.eigvalsh(gram.cpu().double())[-1].item()                                  # (11)


def spiral(n, *, generator):
    """n points of a spiral of a turn and a half, reaching about 1 from the origin, with a little noise.  (n, 2)"""
    turn = 3 * math.pi * torch.rand(n, generator=generator).sqrt() + 0.6
    curve = torch.stack([turn.cos(), turn.sin()], 1) * turn[:, None] / (3 * math.pi + 0.6)
    return (curve + 0.015 * torch.randn(n, 2, generator=generator)).double()


def star(n, *, generator):
    """n points on three lines through the origin, uniform from -1 to 1 along each, with a little noise.  (n, 2)"""
    angle = torch.tensor([0.35, 1.2, 2.45])[torch.randint(3, (n,), generator=generator)]
    along = 2 * torch.rand(n, 1, generator=generator) - 1
    lines = torch.stack([angle.cos(), angle.sin()], 1) * along
    return (lines + 0.02 * torch.randn(n, 2, generator=generator)).double()


def limited_energies(x, atoms, generator, lam=0.1):
    """Fit all five models to x (n, 2).  Returns {name: (energy of points (B, 2), D)}, eqs. (1) to (5)."""
    start = torch.randn(2, atoms, generator=generator).double()
    start /= start.norm(dim=0)
    code = lambda x, D: fista(x, D, lam, steps=60)  # noqa: E731
    free, picks = torch.randn(2, 2, generator=generator).double(), x[:24].T.clone()
    picks = alternate_fit(x, picks, one_hot, steps=30, means=True)
    string = x.mean(0)[:, None] + 0.05 * torch.randn(2, 40, generator=generator).double()
    for width in np.geomspace(12, 1, 80):  # a noisy channel at first, so that neighbours must mean similar things
        string = alternate_fit(x, string, lambda x, D, w=width: noisy_choice(x, D, w)[0], steps=1, means=True)
    single, sparse = (alternate_fit(x, start, infer, steps=30) for infer in (one_value, code))
    return {
        "no limit": (lambda x: energy(x, free, anything(x, free), 0), free),                      # (1)
        "a choice of 24": (lambda x: energy(x, picks, one_hot(x, picks), 0), picks),
        "a noisy choice of 40": (lambda x: noisy_choice(x, string, 1.0)[1], string),
        f"one value, {atoms} atoms": (lambda x: energy(x, single, one_value(x, single), 0), single),
        f"small sum, {atoms} atoms": (lambda x: energy(x, sparse, code(x, sparse), lam), sparse),
    }


generator = torch.Generator().manual_seed(0)
plane = {"spiral": spiral(1_500, generator=generator), "star": star(1_500, generator=generator)}
models = {name: limited_energies(x, atoms, generator) for (name, x), atoms in zip(plane.items(), (12, 3), strict=True)}
anywhere = 2.4 * torch.rand(1_500, 2, generator=generator).double() - 1.2
for name, x in plane.items():
    (free_energy, _), (choice_energy, picks), _, (value_energy, single), _ = models[name].values()
    assert free_energy(anywhere).max() < 1e-12
    assert torch.allclose(choice_energy(x), torch.cdist(x, picks.T).square().amin(1) / 2)
    assert torch.allclose(value_energy(x), (x.square().sum(1) - (x @ single).square().amax(1)) / 2)  # (4)
    stages = [alternate_fit(x, x[:24].T.clone(), one_hot, steps=n, means=True) for n in range(10)]
    falls = [energy(x, D, one_hot(x, D), 0).mean().item() for D in stages]
    assert all(after <= before for before, after in itertools.pairwise(falls))
    print(f"{name}: without a limit F < 1e-12 everywhere; "
          f"k-means falls from {falls[0]:.5f} to {falls[-1]:.5f} in 9 rounds")

# %% [markdown]
# Now look at the five energies on the plane: dark is low. White points are data; orange are the columns of $D$, as
# points where a column *is* an explanation, as lines where it is a direction. The number in each title is the
# probability that a point drawn anywhere in the square has more energy than a fresh data point (the AUROC of lecture
# 01): 0.5 is a model that has learned nothing, 1 one that is never fooled.

# %%
side = torch.linspace(-1.2, 1.2, 81, dtype=torch.float64)
mesh = torch.cartesian_prod(side, side)
fig, axes = plt.subplots(2, 5, figsize=(11.5, 4.9))
told_apart = {}
for row, (name, make) in zip(axes, (("spiral", spiral), ("star", star)), strict=True):
    fresh = make(1_500, generator=torch.Generator().manual_seed(3))
    for ax, (limit, (value, D)) in zip(row, models[name].items(), strict=True):
        told_apart[name, limit] = auroc(value(anywhere), value(fresh))
        top = 0.15 if "sum" in limit else 0.05
        ax.imshow(value(mesh).view(81, 81).T, origin="lower", extent=(-1.2, 1.2, -1.2, 1.2), cmap="viridis", vmin=0,
                  vmax=top)
        ax.plot(*plane[name][:250].T, ".", color="white", markersize=1.5)
        if "choice" in limit:
            ax.plot(*D, ".-" if "noisy" in limit else ".", color=MODEL, markersize=4, linewidth=0.8)
        elif "atoms" in limit:
            for d in D.T:
                ax.plot([-d[0], d[0]], [-d[1], d[1]], color=MODEL, linewidth=0.8)
        ax.set_title(f"{limit}: {told_apart[name, limit]:.2f}", fontsize=10)
        ax.set_axis_off()
plt.show()

# %% [markdown]
# Without a limit (left) there is nothing to see, which is the point. The choice digs a pit around each of its 24
# columns. The noisy choice does something subtler: because $k$ may arrive as $k \pm 1$ or a little further off, it
# pays if columns with neighbouring numbers are neighbours in the plane, and they string themselves along the spiral in
# order. (This is Kohonen's (1982) self-organising map, which Luttrell (1990) derived in this way, from noise in the
# code.) On the star no single string can do it, and it jumps.
#
# The last two limits speak of directions, not of places. For the spiral that is the wrong language. Twelve lines
# through the origin are low along all their length and do little better than a coin; the small sum has learned no more
# than that the spiral stays near the origin. For the star it is the right one: three atoms, found without being told,
# say with one value what 24 prototypes say less well. And the last column should surprise you. The small sum (drawn on
# a wider scale) makes *no valleys along the data*. $E$ is convex in $x$ and $z$ together, so $F$ is convex: a bowl,
# round if there are many atoms, with corners along the atoms if there are few. It does not say where data are, it says
# what they *cost*, and along the atoms they are cheapest. In two dimensions that is a weak statement. In a hundred,
# where almost every direction is far from every atom, it is a strong one, and convexity is what makes the minimum in
# (1) something one can find and certify. A limit is a claim about the data; it pays where the claim is true.
#
# ## 2 Corners: what a price on the sum does
#
# Why the sum of absolute values? What we want is *few* causes, $\lVert z\rVert_0$ small, and finding the best few
# of $m$ atoms is a search among all subsets (for 16 of 100 atoms there are more than $10^{18}$; in general the problem
# is NP-hard, Natarajan 1995). Any $\sum_j \lvert z_j\rvert^p$ with $p > 0$ can be paid instead. Spend a fixed amount,
# and the codes one can afford fill a ball, round for $p = 2$, a square on its corner for $p = 1$, a star with hollow
# sides for $p < 1$. The best code in the ball is where the smallest ellipse of equal error touches it. Corners are
# touched often, and *in a corner a coefficient is exactly zero*. **Check**, for 2,000 random pairs of atoms and random
# $x$, without those whose own code is affordable: how often does the best affordable code have a zero? It lies on the
# ball's rim, where we can try all codes, or 1,440 of them. (One in 360 of these is a corner, so a few zeros per
# thousand are chance.)

# %%
def rim(p, count=1_440):
    """Codes (z_1, z_2) with |z_1|^p + |z_2|^p = 1, the four corners among them.  Returns (count, 2) float64."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    corner = torch.stack([angle.cos(), angle.sin()], 1)
    corner[corner.abs() < 1e-12] = 0
    return corner.sign() * corner.abs() ** (2 / p)


generator = torch.Generator().manual_seed(4)
pairs_of_atoms = torch.randn(2_000, 2, 2, generator=generator).double()
pairs_of_atoms /= pairs_of_atoms.norm(dim=1, keepdim=True)
wanted = 1.5 * torch.randn(2_000, 2, generator=generator).double()  # the code each x was made of
too_dear = wanted.norm(dim=1) > 1  # outside the ball of p = 2, and so outside the other two
wanted, pairs_of_atoms = wanted[too_dear], pairs_of_atoms[too_dear]
zero_share = {}
for p in (2, 1, 0.5):
    miss = torch.einsum("bij,bcj->bci", pairs_of_atoms, wanted[:, None] - rim(p))  # D (z wanted - z on the rim)
    touched = rim(p)[miss.square().sum(2).argmin(1)]
    zero_share[p] = (touched == 0).any(1).double().mean().item()
    print(f"p = {p}: the best affordable code has an exact zero in {zero_share[p]:.1%} of {len(touched):,} problems")
assert zero_share[2] < 0.01 < zero_share[1] < zero_share[0.5]

fig, axes = plt.subplots(1, 4, figsize=(11.5, 3.0), width_ratios=(1.25, 1, 1, 1))
u = torch.linspace(-2.5, 2.5, 501)
axes[0].plot(u, u / 2, color="#777777", label="$z^2/2$: scaled")
axes[0].plot(u, soft_threshold(u, 1.0), color=MODEL, label="$|z|$: soft, (6)")
axes[0].plot(u, torch.where(u.abs() > 1, u, torch.nan), color="C2", linestyle="--", label="$\\|z\\|_0/2$: hard")
axes[0].plot([-1, 1], [0, 0], color="C2", linestyle="--")
axes[0].set(xlabel="$u$", ylabel="best $z$", title="One coefficient, three prices", ylim=(-2.6, 3.6))
axes[0].legend(loc="upper left", fontsize=8.5)
D = torch.tensor([[1.0, 0.45], [0.0, 0.893]], dtype=torch.float64)
aim = torch.tensor([0.2, 1.4], dtype=torch.float64)
z_1, z_2 = torch.meshgrid(*[torch.linspace(-1.4, 1.6, 121, dtype=torch.float64)] * 2, indexing="xy")
error = (torch.stack([z_1, z_2], 2) - aim) @ D.T
for ax, p in zip(axes[1:], zero_share, strict=True):
    edge = rim(p)
    size = ((edge - aim) @ D.T).square().sum(1)
    ax.contour(z_1, z_2, error.square().sum(2), levels=sorted([*(size.min() * torch.tensor([0.25, 1, 2.5]))]),
               colors="#AAAAAA", linewidths=0.9)
    ax.fill(*edge.T, color=DATA, alpha=0.25, linewidth=0)
    ax.plot(*aim, "+", color="#333333", markersize=8)
    ax.plot(*edge[size.argmin()], "o", color=MODEL, markersize=6)
    ax.set(title=f"$p$ = {p}: a zero in {zero_share[p]:.0%}", aspect="equal", xlabel="$z_1$", xticks=[-1, 0, 1],
           ylabel="$z_2$" if p == 2 else "", yticks=[-1, 0, 1])
plt.show()

# %% [markdown]
# The cross is the code that $x$ was made of, the shaded ball what can be afforded, the orange point the best buy. The
# square ($p = 1$) is the *only* one that has corners and is convex: $p = 2$ makes everything smaller and nothing zero,
# $p < 1$ makes more zeros but has hollows, in which a search gets stuck. Left, what each price does to one
# coefficient. The soft threshold pays for its convexity by pulling the survivors in as well, by $\lambda$, a bias one
# has to know of.
#
# ### The plane cut into pieces
#
# What kind of function is $x \mapsto z^\ast(x)$? If we knew the active set $J$ and the signs $s$ there, (5) would be a
# parabola in the active coefficients, with its minimum where $D_J^\top(D_J z_J - x) + \lambda s = 0$:
# $$z_J = (D_J^\top D_J)^{-1}\,(D_J^\top x - \lambda s) \tag{7}$$
# As long as $J$ and $s$ do not change, $z^\ast$ is a straight function of $x$. So inference cuts the space of signals
# into pieces and is linear on each. The pieces have a beautiful shape, which one sees by looking at what is *left
# over*: the residual of the best code is the point nearest to $x$ in a polytope,
# $$x - Dz^\ast = \arg\min_{\nu}\, \lVert x - \nu\rVert \quad\text{subject to}\quad
# \lvert d_j^\top \nu\rvert \le \lambda \;\text{ for all } j \tag{8}$$
# the set of all signals that no atom finds worth its price. (Section 5 proves it.) **Check**, with three atoms in the
# plane: (7) at every point of a grid, and for (8) that the residual lies in the polygon and that the way from it to
# $x$ leads away from every corner, which is what makes it the nearest point.

# %%
def polygon(D, lam):
    """Corners of {nu: |d_j^T nu| <= lam for all j} in the plane, in order round the origin.  D: (2, m).  (c, 2)"""
    walls, rows = torch.cat([D.T, -D.T]), []
    for i in range(len(walls)):
        for j in range(i):
            pair = walls[[i, j]]
            if abs(torch.linalg.det(pair)) > 1e-9:
                rows.append(torch.linalg.solve(pair, lam * torch.ones(2, dtype=D.dtype)))
    corners = torch.stack([row for row in rows if (walls @ row).max() <= lam + 1e-9])
    return corners[torch.atan2(corners[:, 1], corners[:, 0]).argsort()]


def fan(m, tilt=0.0):
    """m unit atoms in the plane, evenly spread over half a turn, the last one turned by tilt (radians).  (2, m)"""
    angle = torch.arange(m, dtype=torch.float64) * (math.pi / m) + 0.2
    angle[-1] += tilt
    return torch.stack([angle.cos(), angle.sin()])


def draw_pieces(ax, D, lam, reach=2.0, count=121):
    """Colour the plane by active set and signs, with the polygon of eq. (8).  Returns the grid's x and z."""
    axis = torch.linspace(-reach, reach, count, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    z = fista(x, D, lam, steps=400)  # 150 leave a third atom active where two are nearly parallel
    z[z.abs() < 1e-6] = 0
    signs = z.sign()
    _, piece = torch.unique(signs, dim=0, return_inverse=True)
    middle = torch.zeros(int(piece.max()) + 1, 2, dtype=torch.float64).index_add_(0, piece, x)[piece]
    hue = torch.atan2(middle[:, 1], middle[:, 0]) / (2 * math.pi) % 1  # a piece's colour: the direction it lies in
    strength = 0.18 + 0.32 * (signs.abs().sum(1) > 1)  # pale: one active atom
    shade = hsv_to_rgb(torch.stack([hue, strength, torch.full_like(hue, 0.92)], 1).numpy())
    ax.imshow(shade.reshape(count, count, 3).swapaxes(0, 1), origin="lower", extent=(-reach, reach, -reach, reach))
    corners = polygon(D, lam)
    ax.fill(*corners.T, facecolor="white", edgecolor="#333333", linewidth=1.2)
    for d in D.T:
        ax.plot([-d[0], d[0]], [-d[1], d[1]], color="#333333", linewidth=1, linestyle=":")
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="$x_1$", ylabel="$x_2$")
    ax.grid(False)
    return x, z


fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
D, lam = fan(3, tilt=0.25), 0.6
x, z = draw_pieces(left, D, lam)
x_fit = x[::7]
z_fit = fista(x_fit, D, lam, steps=3_000)
z_fit[z_fit.abs() < 1e-9] = 0
for pattern in torch.unique(z_fit.sign(), dim=0):
    rows, active = (z_fit.sign() == pattern).all(1), pattern != 0
    D_J, s = D[:, active], pattern[active]
    expected = torch.linalg.solve(D_J.T @ D_J, D_J.T @ x_fit[rows].T - lam * s[:, None]).T         # (7)
    assert torch.allclose(z_fit[rows][:, active], expected, atol=1e-6)
residual = x_fit - z_fit @ D.T
assert (residual @ D).abs().max() < lam + 1e-6                                                    # (8)
assert ((x_fit - residual)[:, None] * (polygon(D, lam) - residual[:, None])).sum(2).max() < 1e-6
pieces, most = len(torch.unique(z_fit.sign(), dim=0)), (z_fit != 0).sum(1).max()
print(f"{len(x_fit):,} points in {pieces} pieces, on each of which (7) holds; at most {most} of 3 atoms active; "
      "every residual is the nearest point of the polygon")
for point in ((1.6, 0.95), (1.2, 1.65), (-1.5, 1.1), (-1.6, -0.8), (0.35, -1.75)):
    point = torch.tensor([point], dtype=torch.float64)
    rest = point - fista(point, D, lam, steps=500) @ D.T
    left.annotate("", rest[0].tolist(), point[0].tolist(), arrowprops={"arrowstyle": "->", "color": "black"})
left.set_title("One colour: one active set and signs")
value = energy(x, D, z, lam).view(121, 121).T
axis = np.linspace(-2, 2, 121)
right.contour(axis, axis, value, levels=np.arange(0.1, 2.2, 0.2), cmap="viridis", linewidths=1.2)
hull = torch.cat([D.T, -D.T])
hull = hull[torch.atan2(hull[:, 1], hull[:, 0]).argsort()]
right.fill(*hull.T, facecolor="none", edgecolor="#333333", linestyle="--", linewidth=1.2)
for d in D.T:
    right.plot([-d[0], d[0]], [-d[1], d[1]], color="#333333", linewidth=1, linestyle=":")
right.set(title="$F(x)$; dashed: signals of $\\|z\\|_1 \\leq 1$", xlabel="$x_1$", aspect="equal")
plt.show()

# %% [markdown]
# Left, the white polygon holds what is too weak to be explained: there $z^\ast = 0$. Every other signal sends its
# residual to the polygon (arrows). From the pale strips it arrives on an *edge*, and only the atom at right angles to
# that edge is active, so all signals of a strip are explained on one line. From the wedges it arrives in a *corner*,
# with two atoms active. No signal of the plane needs three. This is the manifold that sparse coding believes in: not
# one plane but a fan of low-dimensional flats, one for each active set. Right, far from the origin the levels of $F$
# take the shape of the dashed hull, all signals that one unit of code can buy; nearby they are rounder.
#
# **Play.** Turn the last atom, add atoms, raise the price. Which piece closes when an atom is turned towards its
# neighbour, and what becomes of the pieces on its other side? With eight atoms, which pairs are ever active together?

# %%
def pieces_of_the_plane(atoms=4, tilt=0.0, lam=0.6):
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 4.0))
    D = fan(atoms, tilt)
    x, z = draw_pieces(left, D, lam, count=81)
    left.set_title(f"{len(torch.unique(z.sign(), dim=0))} pieces")
    axis = np.linspace(-2, 2, 81)
    right.contour(axis, axis, energy(x, D, z, lam).view(81, 81).T, levels=np.arange(0.1, 2.2, 0.2), cmap="viridis")
    for d in D.T:
        right.plot([-d[0], d[0]], [-d[1], d[1]], color="#333333", linewidth=1, linestyle=":")
    right.set(title="$F(x)$, from 0.1 in steps of 0.2", xlabel="$x_1$", aspect="equal")
    return fig


explore(pieces_of_the_plane, atoms=(2, 8), tilt=(-0.3, 0.3, 0.05), lam=(0.1, 1.2, 0.05))

# %% [markdown]
# ## 3 Inference by iterated thresholding
#
# From here on signals are patches of two photographs, 10 by 10 pixels, so $n = 100$. Neighbouring pixels of a
# photograph are nearly equal, and a dictionary would spend itself on that. So the photographs first go through the
# filter of Olshausen and Field (1997), which makes all spatial frequencies about equally strong and removes the very
# highest, where there is mostly noise. For a dictionary we run the alternation of section 1, with sparse codes, for a
# few rounds. (Section 7 does it properly.) We learn on the left three quarters of each photograph and test on the
# rest.

# %%
def whitened_images(split="train", colour=False):
    """The two photographs through Olshausen and Field's (1997) filter |f| exp(-(f/f0)^4), f0 = 0.45 cycles a pixel.

    (2, H, W) grey, or (2, 3, H, W), of mean 0 and standard deviation 1/2.  split: "train" is the left three quarters of
    each, "test" the right quarter, and each is filtered by itself.
    """
    x = torch.stack(natural_images()).float().movedim(-1, 1)  # (2, 3, H, W)
    edge, pad, wide = x.shape[-1] * 3 // 4, 16, x.shape[-1]
    x = x[..., :edge] if split == "train" else x[..., edge:wide]
    x = F.pad(x if colour else x.mean(1, keepdim=True), (pad,) * 4, mode="reflect")
    shape = x.shape[-2:]
    f = torch.hypot(torch.fft.fftfreq(shape[0])[:, None], torch.fft.rfftfreq(shape[1]))  # cycles a pixel
    x = torch.fft.irfft2(torch.fft.rfft2(x) * f * torch.exp(-((f / 0.45) ** 4)), s=shape)[..., pad:-pad, pad:-pad]
    x = x - x.mean((-2, -1), keepdim=True)
    x = x * (0.5 / x.std((1, 2, 3), keepdim=True))  # colour: one scale for the three channels
    return x if colour else x[:, 0]


def whitened_patches(n, size, *, split="train", colour=False, generator=None):
    """n random patches of `whitened_images` as rows: (n, size*size), or in colour (n, 3*size*size), float32."""
    images = whitened_images(split, colour)
    *_, H, W = images.shape
    which = torch.randint(2, (n,), generator=generator)
    top = torch.randint(H - size + 1, (n,), generator=generator)
    left = torch.randint(W - size + 1, (n,), generator=generator)
    inside = torch.arange(size)
    rows, columns = (top[:, None] + inside)[:, :, None], (left[:, None] + inside)[:, None, :]
    images = images.movedim(1, -1) if colour else images
    patches = images[which[:, None, None], rows, columns]
    return (patches.movedim(-1, 1) if colour else patches).flatten(1)


generator = torch.Generator().manual_seed(5)
x_patches = whitened_patches(budget(smoke=2_000, cpu=10_000, gpu=50_000), 10, generator=generator).to(device)
x_held = whitened_patches(2_000, 10, split="test", generator=generator).to(device)
lam = 0.5
D100 = x_patches[:100].T / x_patches[:100].norm(dim=1)  # the first atoms are patches
D100 = alternate_fit(x_patches, D100, lambda x, D: fista(x, D, lam, steps=30), steps=budget(smoke=3, cpu=30, gpu=100))
z_held = fista(x_held, D100, lam, steps=300)
assert torch.allclose(D100.norm(dim=0), torch.ones(100, device=device), atol=1e-5)
print(f"lambda = {lam}: {(z_held != 0).sum(1).float().mean():.1f} of 100 coefficients are not zero, and "
      f"{1 - (x_held - z_held @ D100.T).square().sum() / x_held.square().sum():.0%} of the power of held-out patches "
      "is explained")


def tiles(rows, size=10):
    """Rows (B, size*size) as pictures in [0, 1], grey for 0, each with its own contrast."""
    rows = rows.detach().float().cpu()
    return (rows / (2 * rows.abs().amax(1, keepdim=True).clamp(min=1e-9)) + 0.5).view(-1, size, size)


fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
show_images(tiles(x_held[:100]), columns=10, ax=left, title="held-out patches, whitened")
show_images(tiles(D100.T), columns=10, ax=right, title="100 atoms")
plt.show()

# %% [markdown]
# At the `cpu` budget many atoms have become little edges, bars and gratings, each at its own place, of its own
# direction and width; some are still on their way. Nobody told them to be edges; we come back to that. Now to
# inference. The energy (5) has a smooth part, $q(z) = \frac12\lVert x - Dz\rVert^2$ with gradient
# $\nabla q = D^\top(Dz - x)$, and a part with kinks. If it were smooth we would go down the gradient; if its parabola
# were round ($D^\top D \propto I$) the soft threshold would solve it at once. So put a *round* parabola over $q$, one
# that touches it at $z$:
# $$q(z') \;\le\; q(z) + \nabla q(z)^\top (z' - z) + \tfrac{L}{2}\, \lVert z' - z \rVert^2 \tag{9}$$
# Add $\lambda \lVert z'\rVert_1$ on both sides. The right-hand side now falls apart into one problem (6) per
# coefficient, with $u = z - \nabla q / L$ and $\theta = \lambda/L$. Its minimiser is the next $z$:
# $$z \leftarrow h_{\lambda/L}\Big( z - \tfrac1L\, D^\top (Dz - x) \Big) \tag{10}$$
# a gradient step, then a soft threshold: the **iterative shrinkage-thresholding algorithm**, ISTA (Daubechies et al.
# 2004). Because the right-hand side, with its price, lies above the energy and touches it at $z$, going to its minimum
# can only lower the energy. No step size to tune, provided that (9) holds. The difference of the two sides is $\frac12
# (z'-z)^\top (L I - D^\top D)(z'-z)$, so it holds for all $z'$ exactly if
# $$L \ge \max_{\lVert v \rVert = 1} \lVert Dv \rVert^2 \tag{11}$$
# which is the largest eigenvalue of $D^\top D$; from now on $L$ is that number. Larger is safe and slow. One safe
# value is tempting, because it needs no eigenvalue: the sum of all squared entries, $\lVert D \rVert_F^2$, which is
# the sum of *all* eigenvalues. For unit atoms it is $m$. But the largest eigenvalue is cheap, and `lipschitz` above
# computes it; for a large $D$ one multiplies a random vector by $D^\top D$ over and over and looks at how long $Dv$
# has become (power iteration). That comes from *below*: by (11) no unit vector gives more than $L$.
#
# What if the estimate is a little too small? A step of $1/\hat L$ cannot raise ISTA's energy as long as $\hat L > L/2$,
# so a few per cent are harmless there. With the momentum of the next section the margin is smaller, a quarter
# (exercise 4), and the bounds are proved for $\hat L \ge L$ only. Some thirty power iterations and five per cent on
# top are a sound habit. Now ISTA itself. With $S = I - D^\top D / L$ and $D^\top x / L$ prepared once, a step is $z
# \leftarrow h_{\lambda/L}(Sz + D^\top x / L)$: one matrix product and one threshold. Remember its shape, it is a layer
# of a recurrent network, and section 10 will train it. **Check.** (9) at random pairs of codes, that it fails for a
# smaller $L$, and that the energy of not one of 500 held-out patches ever rises.
# %%
def power_iteration(D, *, steps, generator=None):
    """L from below, by eq. (11) at v -> D^T D v / |D^T D v|.  D: (n, m).  Returns a float."""
    v = torch.randn(D.shape[1], generator=generator).to(D)
    for _ in range(steps):
        v = D.T @ (D @ v)
        v = v / v.norm()
    return (D @ (v / v.norm())).square().sum().item()


L = lipschitz(D100)
assert abs(L - torch.linalg.matrix_norm(D100.cpu().double(), 2).item() ** 2) < 1e-4 * L
assert abs(lipschitz(D100[:, :30]) / torch.linalg.matrix_norm(D100[:, :30].cpu(), 2).item() ** 2 - 1) < 1e-4
below = {n: power_iteration(D100, steps=n, generator=torch.Generator().manual_seed(6)) / L for n in (1, 3, 10, 30, 100)}
assert all(0 < share < 1 + 1e-5 for share in below.values())
frobenius = D100.square().sum().item()
print(f"L = {L:.3f}; Frobenius: {frobenius:.1f}, {frobenius / L:.1f} times too large")
print("power iteration after n steps, as a share of L:", ", ".join(f"{n}: {share:.4f}" for n, share in below.items()))


def ista(x, D, lam, *, steps, L=None, z=None, watch=None):
    """Minimise the energy (5) over z by eq. (10), from z (zeros if None).  x: (B, n), D: (n, m).  Returns z (B, m).

    L: the inverse step, `lipschitz(D)` if None.  watch(k, z) is called after step k = 1..steps.
    """
    L = lipschitz(D) if L is None else L
    S = torch.eye(D.shape[1], dtype=D.dtype, device=D.device) - D.T @ D / L
    b = x @ D / L
    z = torch.zeros_like(b) if z is None else z
    for k in range(1, steps + 1):
        z = F.softshrink(torch.addmm(b, z, S), lam / L)  # softshrink: soft_threshold in one pass  # (10)
        if watch is not None:
            watch(k, z)
    return z


x_few, D64 = x_held[:500].cpu().double(), D100.cpu().double()
L, frobenius = lipschitz(D64), D64.square().sum().item()
z_star = fista(x_few, D64, lam, steps=5_000)
F_star = energy(x_few, D64, z_star, lam)


def energies(method, steps, every=1, **options):
    """Energies of x_few along a run: the iterations looked at, and (looks, 500)."""
    seen = []
    method(x_few, D64, lam, steps=steps, **options,
           watch=lambda k, z: k % every == 0 and seen.append(energy(x_few, D64, z, lam)))
    return np.arange(every, steps + 1, every), torch.stack(seen)


def gaps(seen):
    """Total energy above the minimum, as a share of the minimum.  seen: (looks, 500).  Returns (looks,)."""
    return (seen.sum(1) / F_star.sum() - 1).clamp(min=1e-12)


here, there = (torch.randn(500, 100, generator=torch.Generator().manual_seed(s)).double() for s in (7, 8))
top_direction = torch.linalg.eigh(D64.T @ D64).eigenvectors[:, -1]


def over(there, L):
    """Right side of eq. (9) minus its left side, at `here`."""
    step, q = there - here, lambda z: energy(x_few, D64, z, 0)
    return q(here) + (step * ((here @ D64.T - x_few) @ D64)).sum(1) + L / 2 * step.square().sum(1) - q(there)  # (9)


assert over(there, L).min() > 0
assert over(here + top_direction, 1.0001 * L).min() > 0
assert over(here + top_direction, 0.99 * L).max() < 0
steps = budget(smoke=300, cpu=1_500, gpu=1_500)
runs = {name: energies(ista, steps, L=slope)
        for name, slope in progress([("ISTA", L), ("ISTA, Frobenius", frobenius)], unit="runs")}
for name, (_, seen) in runs.items():
    rises = seen.diff(dim=0).max().item()
    assert rises < 1e-10
    print(f"{name}: largest rise of any patch's energy in any of {steps:,} steps: {rises:.1e}")

# %% [markdown]
# The figure shows both sides of (9) along a line, and what a step that is too careful costs.

# %%
def first_below(k, gap, level=1e-3):
    """The first of the iterations k whose gap is below level, as text, or None."""
    return next((f"{i:.4g}" for i, value in zip(k, gap, strict=True) if value < level), None)


fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
line = torch.linspace(-2.2, 2.2, 221, dtype=torch.float64)
z0, x0 = 0.8 * top_direction, x_few[:1] * 0
path = z0 + line[:, None] * top_direction
slope = (D64 @ top_direction) @ (D64 @ z0)
touch = energy(x0, D64, z0[None], 0)
for scale, name, style in ((L, "$L$", "-"), (4 * L, "$4L$", "--"), (L / 2, "$L/2$: no bound", ":")):
    bound = touch + line * slope + scale / 2 * line.square() + lam * path.abs().sum(1)
    left.plot(line, bound, style, color=MODEL, linewidth=1.3, label=name)
left.plot(line, energy(x0, D64, path, lam), color=DATA, linewidth=6, alpha=0.3, label="energy", zorder=1)
left.plot(0, touch + lam * z0.abs().sum(), "o", color="#333333")
left.set(xlabel="way along the steepest direction", ylabel="energy", ylim=(0, 7.5 * L),
         title="The parabola has to lie above")
left.legend(fontsize=8.5, loc="upper center")
for (name, (k, seen)), style in zip(runs.items(), ("-", "--"), strict=True):
    gap = gaps(seen)
    right.loglog(k, gap, style, color=MODEL, label=name)
    print(f"{name}: {first_below(k, gap) or f'more than {steps:,}'} iterations to 1e-3 of the optimum; "
          f"after {steps:,} the gap is {gap[-1]:.1e}")
k_lag = np.arange(1, int(steps * L / frobenius))
lag = [math.log(gaps(runs["ISTA, Frobenius"][1])[round(k * frobenius / L) - 1] / gaps(runs["ISTA"][1])[k - 1])
       for k in k_lag]
print(f"Frobenius after {frobenius / L:.1f} k steps against L after k: the gaps differ by a factor of "
      f"{math.exp(min(lag)):.2f} to {math.exp(max(lag)):.2f}, for k up to {k_lag[-1]}")
right.set(xlabel="iteration $k$", ylabel="gap / minimum", title="The step matters", ylim=(1e-9, 30))
right.legend()
plt.show()

# %% [markdown]
# Left, with the price added to each: a parabola of curvature $L$ lies exactly on the energy in the steepest direction
# (and above it in all others), one of $4L$ is a bound as well but its minimum is a timid step away, and one of $L/2$
# is none: it dips below. Right, the Frobenius curve is roughly the other one moved sideways: it needs about $\lVert
# D\rVert_F^2 / L$ times as many steps to get as far, as the last line of the print-out says, and the patience buys
# nothing. If you inherit a program that is slow, look at its step first.
#
# ## 4 Momentum, and one coefficient at a time
#
# ISTA forgets where it came from. If the last two steps went the same way, the next one probably should too. FISTA
# (Beck and Teboulle 2009) takes its ISTA step not from $z_k$ but from a point further along, with a momentum that
# grows towards 1:
# $$t_1 = 1, \qquad t_{k+1} = \tfrac12\Big(1 + \sqrt{1 + 4 t_k^2}\Big) \tag{12}$$
# $$y_{k+1} = z_k + \frac{t_k - 1}{t_{k+1}}\, (z_k - z_{k-1}) \tag{13}$$
# (with $z_0 = y_1$ the start). The cost is a few additions a step, the one line of `fista` in section 1 that is not in
# `ista`. The gain is a theorem. From a start $z_0$, ISTA has
# $$E(x, z_k) - F(x) \;\le\; \frac{L\, \lVert z_0 - z^\ast \rVert^2}{2k} \tag{14}$$
# and FISTA
# $$E(x, z_k) - F(x) \;\le\; \frac{2 L\, \lVert z_0 - z^\ast \rVert^2}{(k+1)^2} \tag{15}$$
# To get a hundred times closer, the guarantee of (14) asks for a hundred times the steps, that of (15) for ten times.
# The price: FISTA does not descend all the time. **Check.** Both bounds, for each of the 500 patches and at every
# step. We also let FISTA run with an $\hat L$ that is too small, without a price and with it.

# %%
runs["FISTA"] = energies(fista, budget(smoke=200, cpu=400, gpu=400))
runs["FISTA, Frobenius"] = energies(fista, budget(smoke=200, cpu=400, gpu=400), L=frobenius)
way = z_star.square().sum(1)  # |z_0 - z*|^2: all runs start at 0
bounds = {
    "ISTA": lambda k, L: L * way / (2 * k),                                                       # (14)
    "FISTA": lambda k, L: 2 * L * way / (k + 1) ** 2,                                             # (15)
}
for name, (k, seen) in runs.items():
    bound = bounds[name.split(",")[0]](torch.from_numpy(k)[:, None], frobenius if "Frob" in name else L)
    assert (seen - F_star <= bound + 1e-9).all()
    used = ((seen - F_star) / bound)[:, way > 0]
    rises = (seen.diff(dim=0) > 1e-10).double().mean()
    print(f"{name:17} uses at most {used.max():.1%} of what its bound allows; "
          f"the energy rises in {rises:.1%} of its steps")
grown = {}  # energy after 200 steps over that of z = 0
for share, price in ((0.8, 0.0), (0.7, 0.0), (0.7, lam)):
    z = fista(x_few, D64, price, steps=200, L=share * L)
    grown[share, price] = (energy(x_few, D64, z, price).sum() / x_few.square().sum() * 2).item()
    print(f"FISTA with {share} L, lambda = {price}: 200 steps take the energy of z = 0 times {grown[share, price]:.1e}")
assert grown[0.8, 0.0] < 1 < 100 < grown[0.7, 0.0]

# %% [markdown]
# The bounds hold with room to spare. Below three quarters of $L$ and without a price FISTA explodes, as exercise 4
# predicts. With the price it may get away with it, because only the *active* columns count in the end, and the largest
# eigenvalue of $D_J^\top D_J$ is often much smaller than $L$. One cannot know that before, so take $L$.
#
# A third way turns to the coefficients themselves. With all others fixed, the energy is a parabola in $z_j$ with a
# kink, and (6) solves it outright: for unit atoms,
# $$z_j \leftarrow h_\lambda\Big( d_j^\top \big(x - \textstyle\sum_{i \ne j} z_i d_i\big) \Big) \tag{16}$$
# **Coordinate descent** does one at a time. Which one? Li and Osher (2009) take the one that would move most. If the
# numbers that go into (16) are kept for all $j$, a change of $z_j$ updates them with one column of $D^\top D$. So a
# step costs about $m$ multiplications, and $m$ such steps are as dear as one step of ISTA. That is how we shall count
# them.

# %%
def coordinate_descent(x, D, lam, *, steps, watch=None):
    """Each step sets the one coefficient of each row that moves most to its best value, eq. (16), Li & Osher 2009.

    x: (B, n), D: (n, m) with no zero column, from z = 0.  watch(k, z) after step k = 1..steps (z is changed in place).
    Returns z (B, m).
    """
    gram = D.T @ D
    scale = gram.diagonal().clone()
    gram.fill_diagonal_(0)
    pull = x @ D  # (B, m): each atom's product with what the other atoms leave over
    z, rows = torch.zeros_like(pull), torch.arange(len(x), device=x.device)
    for k in range(1, steps + 1):
        change = soft_threshold(pull, lam) / scale - z                                            # (16)
        j = change.abs().argmax(1)  # (B,)
        step = change[rows, j]
        z[rows, j] += step
        pull -= step[:, None] * gram[j]
        if watch is not None:
            watch(k, z)
    return z


sweeps = budget(smoke=5, cpu=40, gpu=40)
k, seen = energies(coordinate_descent, 100 * sweeps, every=20)
assert seen.diff(dim=0).max() < 1e-10
runs["coordinate descent"] = k / 100, seen

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=(1.3, 1))
for name, color, style in (("ISTA", MODEL, "-"), ("FISTA", "C2", "-"), ("coordinate descent", "C3", "-.")):
    k, seen = runs[name]
    left.loglog(k, gaps(seen), style, color=color, label=name)
    if name in bounds:
        ceiling = [bounds[name](i, L).sum() / F_star.sum() for i in k]
        left.loglog(k, ceiling, color=color, linewidth=1, linestyle=":", label=f"{name}, bound")
    print(f"{name}: {first_below(k, gaps(seen))} to 1e-3 of the optimum, in iterations of ISTA")
for method, name, cost in ((fista, "FISTA", 1), (coordinate_descent, "coordinate descent", 0.01)):
    count, start = round(float(first_below(runs[name][0], gaps(runs[name][1]))) / cost), time.process_time()
    method(x_few, D64, lam, steps=count)
    print(f"{name}, {count} steps for 500 patches: {1e3 * (time.process_time() - start):.0f} ms of one core")
left.set(xlabel="work, in iterations of ISTA", ylabel="gap / minimum", ylim=(1e-9, 100), xlim=(0.2, 1_500),
         title="Three methods, two guarantees")
left.legend(fontsize=8.5, loc="lower left")
worst = (runs["FISTA"][1].diff(dim=0) > 1e-8).sum(0).argmax()
for name, color in (("ISTA", MODEL), ("FISTA", "C2")):
    k, seen = runs[name]
    right.semilogy(k[:150], (seen[:150, worst] - F_star[worst]).clamp(min=1e-12), color=color, label=name)
right.set(xlabel="iteration $k$", ylabel="$E - F$", title="One patch: FISTA ripples", ylim=(1e-10, 30))
right.legend(fontsize=8.5)
plt.show()

# %% [markdown]
# ISTA and FISTA stay far below their bounds, which are for the worst problem of their kind. FISTA falls faster than
# ISTA and then ripples: its momentum carries it over the minimum and back, as the right panel shows for the patch with
# the most rises. (Throwing the momentum away whenever the energy rises keeps the speed without the ripples, O'Donoghue
# and Candès 2015.) Greedy coordinate descent needs the least work of the three by far: most coefficients are zero at
# the end and it hardly touches them, while a matrix product moves them all. Counting work is not timing, though. A
# hundred small steps, each of which has to wait for the one before, take a computer much longer than one product of
# large matrices, and where this page was made the last lines of the print-out have the order turned round.
#
# ## 5 How do you know that you are done?
#
# The gaps above needed $z^\ast$, from a long run that we simply believed. A convex problem can do better: it can hand
# out a **certificate**. First, the conditions. At the minimum no coefficient may want to move. With the residual
# $r = x - Dz$ (Karush, Kuhn and Tucker's conditions for this problem),
# $$d_j^\top r = \lambda \operatorname{sign}(z_j) \;\text{ where } z_j \ne 0, \qquad
# \lvert d_j^\top r \rvert \le \lambda \;\text{ where } z_j = 0 \tag{17}$$
# In words: at the end every active atom is equally worthwhile, each worth exactly its price, and no idle atom is worth
# more. Because the energy is convex these conditions are sufficient too.
#
# Second, a lower bound. For every $\nu$ with $\lvert d_j^\top\nu\rvert \le \lambda$ for all $j$ and every $z$
# whatsoever, $\lambda\lVert z\rVert_1 \ge \nu^\top D z$. Put this into (5), and minimise what remains over $Dz$, now
# free to be any signal: it is smallest at $x - Dz = \nu$. So
# $$F(x) \;\ge\; \nu^\top x - \tfrac12 \lVert \nu \rVert^2
# = \tfrac12 \lVert x \rVert^2 - \tfrac12 \lVert x - \nu \rVert^2 \tag{18}$$
# The best such bound comes from the allowed $\nu$ nearest to $x$. At $z^\ast$ the residual is allowed by (17), and put
# into (18) it gives exactly $E(x, z^\ast)$. So it *is* that nearest point, which was the claim (8). On the way, shrink
# the residual until it is allowed, and the energy minus (18), the **duality gap**, is an upper limit for
# how much is still to be gained. It needs no $z^\ast$. **Check**: the gap is never below the true distance, both
# certificates vanish at the end, and each notices one coefficient in a hundred that is off.

# %%
def kkt_residual(x, D, z, lam):
    """How far z is from satisfying the optimality conditions (17), its worst coefficient.  Returns (B,), 0 at z*."""
    pull = (x - z @ D.T) @ D
    violated = torch.where(z == 0, (pull.abs() - lam).clamp(min=0), (pull - lam * z.sign()).abs())  # (17)
    return violated.amax(1)


def duality_gap(x, D, z, lam):
    """Energy of z minus the best bound (18) of a multiple of its residual: E(x, z) - F(x) is at most this.  (B,)"""
    r = x - z @ D.T
    most = lam / (r @ D).abs().amax(1).clamp(min=1e-30)  # a larger multiple of r is not allowed
    best = (x * r).sum(1) / r.square().sum(1).clamp(min=1e-30)
    nu = r * best.clamp(-most, most)[:, None]
    return energy(x, D, z, lam) - (x.square().sum(1) - (x - nu).square().sum(1)) / 2              # (18)


track = []
fista(x_few, D64, lam, steps=budget(smoke=300, cpu=600, gpu=600), watch=lambda k, z: track.append(
    (energy(x_few, D64, z, lam) - F_star, duality_gap(x_few, D64, z, lam), kkt_residual(x_few, D64, z, lam))))
true_gap, certified, violation = (torch.stack(column) for column in zip(*track, strict=True))
assert (certified - true_gap).min() > -1e-9
at_star = kkt_residual(x_few, D64, z_star, lam), duality_gap(x_few, D64, z_star, lam)
assert max(at_star[0].max(), at_star[1].max()) < 1e-6
wrong = z_star.clone()
wrong[:, 17] += 1e-3
assert kkt_residual(x_few, D64, wrong, lam).min() > 1e-4
assert duality_gap(x_few, D64, wrong, lam).min() > 1e-7
print(f"at z*: KKT residual {at_star[0].max():.1e}, duality gap {at_star[1].max():.1e} (the worst of 500 patches)")
print(f"so the total of F is known to a relative {at_star[1].sum() / F_star.sum():.0e}, whatever one believes")

fig, ax = plt.subplots(figsize=(8, 3.3))
k = np.arange(1, len(track) + 1)
ax.loglog(k, certified.mean(1), "-.", color="C3", label="duality gap: what can be promised")
ax.loglog(k, true_gap.mean(1).clamp(min=1e-12), color="C2", label="$E - F$: what is true, known only afterwards")
ax.loglog(k, violation.mean(1), color="#777777", linestyle="--", label="KKT residual")
ax.set(xlabel="FISTA iteration $k$", ylabel="mean of 500 patches", ylim=(1e-11, 50),
       title="Two certificates on the way")
ax.legend(fontsize=9, loc="lower left")
plt.show()

# %% [markdown]
# The promise stays above the truth at every step, and falls more slowly. To be allowed, the residual has to be shrunk
# by as much as (17) is violated, so what can be promised goes down like the KKT residual, whereas the truth, near a
# minimum, goes like its square. Certificates are pessimists, and they are never wrong. From now on "converged" means
# that one of them is small, not that somebody got tired. A certificate also does work. An atom for which $\lvert
# d_j^\top \nu\rvert$ lies further below $\lambda$ than the gap can account for is not active in $z^\ast$, and can be
# dropped before the problem is solved (El Ghaoui et al. 2010, Fercoq et al. 2015, exercise 6).
#
# ## 6 The price and the active set
#
# What does $\lambda$ do to a code? From above: by (17) $z = 0$ is optimal exactly as long as no atom is worth its
# price at $r = x$, so explaining starts at
# $$\lambda_{\max} = \max_j\, \lvert d_j^\top x \rvert \tag{19}$$
# Below that, (7) shows that between two changes of the active set the code moves on a straight line in $\lambda$:
# $$\frac{\partial z_J}{\partial \lambda} = -\,(D_J^\top D_J)^{-1} s \tag{20}$$
# The whole path is therefore made of straight pieces (Osborne et al. 2000; the LARS algorithm of Efron et al. 2004
# walks it from corner to corner). We get it in one batch, by a trick: measured in units of $\lambda$ the problem has
# price 1, so $z^\ast(x; \lambda) = \lambda\, z^\ast(x/\lambda; 1)$, and a hundred prices are a hundred rows.
# **Check**: (19) from both sides, the trick against the plain call, and (20) on every piece. (To look at, we choose
# among the patches with eight to twenty active atoms, none of them dominant, those that are explained best. Many of
# the others are leaves and grain, to which one cannot put a name.)

# %%
def path_of(x, D, lams, *, steps):
    """z* of one signal for many prices, by z*(x; lam) = lam z*(x / lam; 1).  x: (n,), lams: (K,).  Returns (K, m)."""
    return lams[:, None] * fista(x / lams[:, None], D, 1.0, steps=steps)


lam_max = (x_few @ D64).abs().amax(1)                                                             # (19)
just_above, just_below = (fista(x_few / (share * lam_max[:, None]), D64, 1.0, steps=300) for share in (1.001, 0.999))
first = (x_few @ D64).abs().argmax(1, keepdim=True)
assert (just_above == 0).all()
assert (just_below.gather(1, first) != 0).all()
rest = (x_few - z_star @ D64.T).square().sum(1) / x_few.square().sum(1)
count = (z_star != 0).sum(1)
shared = (count >= 8) & (count <= 20) & (z_star.abs().amax(1) ** 2 < 0.3 * x_few.square().sum(1))
clear = torch.where(shared, rest, 2.0).argsort()[:41]  # the best explained of those that no single atom explains
chosen = x_few[clear[1]]
start = (chosen @ D64).abs().max().item()
lams = torch.linspace(start, 0.02 * start, 160, dtype=torch.float64)
way_down = path_of(chosen, D64, lams, steps=4_000)
way_down[way_down.abs() < 1e-7] = 0
assert torch.allclose(way_down[60], fista(chosen[None], D64, lams[60].item(), steps=4_000)[0], atol=1e-5)
straight = 0
for i in range(len(lams) - 1):
    now, after = way_down[i], way_down[i + 1]
    if torch.equal(now.sign(), after.sign()) and (now != 0).any():
        active = now != 0
        slope = -torch.linalg.solve(D64[:, active].T @ D64[:, active], now[active].sign())        # (20)
        assert torch.allclose(after[active] - now[active], slope * (lams[i + 1] - lams[i]), atol=1e-4)
        straight += 1
print(f"at 1.001 lambda_max no atom is active, at 0.999 the one of (19) is, for all {len(x_few)} patches")
print(f"this patch: lambda_max = {start:.2f}; {straight} of {len(lams) - 1} steps keep the active set, all obey (20)")

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
order = way_down.abs().sum(0).argsort(descending=True)
left.plot(lams, way_down[:, order[7:]], color="#CCCCCC", linewidth=0.8)
left.plot(lams, way_down[:, order[:7]], linewidth=1.6)
left.set(xlabel="price $\\lambda$", ylabel="coefficients of $z^*$", title="One patch, all prices", xlim=(start, 0))
active_count = (way_down != 0).sum(1)
explained = 1 - (chosen - way_down @ D64.T).square().sum(1) / chosen.square().sum()
right.plot(active_count, explained, ".-", color=MODEL, markersize=4, linewidth=1, label="along the path")
kept = [torch.linalg.lstsq(D64[:, z != 0], chosen[:, None]).solution if (z != 0).any() else None for z in way_down]
refitted = [0.0 if best is None else 1 - (chosen - (D64[:, z != 0] @ best)[:, 0]).square().sum() / chosen.square().sum()
            for best, z in zip(kept, way_down, strict=True)]
right.plot(active_count, refitted, ".", color="C2", markersize=4, label="same atoms, refitted without a price")
right.set(xlabel="active atoms", ylabel="share of the power explained", title="What the atoms buy", ylim=(0, 1.03))
right.legend(fontsize=9)
plt.show()

# %% [markdown]
# Read the left panel from left to right as the price falls: one atom wakes, then another (coloured: the seven that get
# largest), each bends the lines of those that are awake already, and now and then one goes back to sleep. On the
# right, the gap between the two curves is the bias of the soft threshold: with the *same* atoms, least squares
# explains more. Whoever wants the best reconstruction refits; whoever wants a code that changes steadily
# with the signal does not, since the refitted one jumps whenever an atom wakes.
#
# **Play.** Move the price for several patches. Low prices buy detail with many atoms, high prices keep one or two
# edges. At which price does the reconstruction begin to look like the patch to *you*, and how many atoms is that?

# %%
def in_cells(rows, count):
    """`tiles` of the rows (B, n), and white ones up to `count`."""
    return torch.cat([tiles(rows), torch.ones(count - len(rows), 10, 10)])


def price_and_atoms(lam=0.5, patch=1):
    x = x_few[clear[patch]][None]
    z = fista(x, D64, lam, steps=400)[0]
    order = z.abs().argsort(descending=True)
    on = order[: int((z != 0).sum())]
    fig = plt.figure(figsize=(9, 3.6))
    panels = fig.subplot_mosaic([["patch", "sum", "rest", "bars"], ["atoms"] * 4], height_ratios=(2, 1),
                                width_ratios=(1, 1, 1, 2))
    scale = x.abs().max()
    for name, row, title in (("patch", x[0], "patch"), ("sum", D64 @ z, "sum"), ("rest", x[0] - D64 @ z, "rest")):
        panels[name].imshow(row.view(10, 10), vmin=-scale, vmax=scale)
        panels[name].set_title(title)
        panels[name].set_axis_off()
    panels["bars"].vlines(range(100), 0, z, color=MODEL)
    cost = energy(x, D64, z[None], lam).item()
    panels["bars"].set(title=f"{len(on)} of 100 active, energy {cost:.2f}", xlabel="atom $j$", ylabel="$z_j$")
    show_images(in_cells(D64[:, on[:16]].T * z[on[:16]].sign()[:, None], 16), columns=16, ax=panels["atoms"],
                title="the active atoms with their signs, largest first (at most 16)")
    return fig


explore(price_and_atoms, lam=[0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0], patch=(0, 40))

# %% [markdown]
# Last, one explanation in slow motion. The code at $\lambda = 0.5$ names its atoms, largest first. Take the first few,
# refit them, and see how much of the patch is there. For comparison take the same number of principal components,
# chosen for this very patch by the size of *their* coefficients, which is the best that so many of them can do.

# %%
components = torch.linalg.eigh((x_patches.T @ x_patches).cpu().double()).eigenvectors  # (100, 100), orthonormal


def explained_by(x, D, order, most):
    """Share of the power of one signal that its first 0..most atoms explain, refitted.  Returns (most + 1,)."""
    shares = [0.0]
    for count in range(1, most + 1):
        D_J = D[:, order[:count]]
        guess = D_J @ torch.linalg.solve(D_J.T @ D_J, D_J.T @ x)
        shares.append(1 - ((x - guess).square().sum() / x.square().sum()).item())
    return np.array(shares)


def in_order(z):
    """Atoms by the size of their coefficients, largest first."""
    return z.abs().argsort(descending=True)


wordy = ((z_star != 0).sum(1) >= 10).nonzero()[:60, 0]  # patches that need ten atoms or more
by_atoms, by_components = (
    np.mean([explained_by(x_few[i], D, in_order(z[i]), 10) for i in wordy], 0)
    for D, z in ((D64, z_star), (components, x_few @ components)))
print(f"10 atoms explain {by_atoms[10]:.1%} of a held-out patch's power, 10 components {by_components[10]:.1%} "
      f"(means of {len(wordy)} patches with ten active atoms or more)")


def atom_by_atom(atoms_used=4, patch=1):
    x, z = x_few[clear[patch]], z_star[clear[patch]]
    order = in_order(z)
    shares = [explained_by(x, D, o, 12) for D, o in ((D64, order), (components, in_order(x @ components)))]
    D_J = D64[:, order[:atoms_used]]
    amounts = torch.linalg.solve(D_J.T @ D_J, D_J.T @ x)
    fig = plt.figure(figsize=(9.5, 3.6))
    panels = fig.subplot_mosaic([["patch", "sum", "rest", "curve"], ["atoms", "atoms", "atoms", "curve"]],
                                height_ratios=(2, 1.2), width_ratios=(1, 1, 1, 1.7))
    scale = x.abs().max()
    shown = (("patch", x, "patch"), ("sum", D_J @ amounts, f"sum of {atoms_used}"), ("rest", x - D_J @ amounts, "rest"))
    for name, row, title in shown:
        panels[name].imshow(row.view(10, 10), vmin=-scale, vmax=scale)
        panels[name].set_title(title)
        panels[name].set_axis_off()
    show_images(in_cells(D_J.T * amounts.sign()[:, None], 12), columns=6, ax=panels["atoms"], title="the atoms so far")
    for share, color, name in zip(shares, (MODEL, "#777777"), ("atoms", "principal components"), strict=True):
        panels["curve"].plot(share, ".-", color=color, label=name)
        panels["curve"].plot(atoms_used, share[atoms_used], "o", color=color)
    panels["curve"].set(xlabel="how many", ylabel="share of the power", ylim=(0, 1.02), xticks=range(0, 13, 2),
                        title=f"{shares[0][atoms_used]:.0%} explained")
    panels["curve"].legend(loc="lower right", fontsize=9)
    return fig


explore(atom_by_atom, atoms_used=(0, 12), patch=(0, 40))

# %% [markdown]
# ## 7 Learning the dictionary
#
# The second half needs more letters than there are. These are new, or mean something new from here on:
#
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $A$, $B$ | `A`, `B` | (m, m), (n, m) | the two sums of (23), columns $a_j$, $b_j$; no longer the active set |
# | $\psi$, $\omega$ | | | a Gabor function (section 9); a frequency, in cycles a pixel (sections 9 and 11) |
# | $W_e, S, \theta$; $T$ | `We, S, theta`; `layers` | (m, n), (m, m), (m,) | LISTA's weights; its layers (section 10) |
# | $\hat z(x)$ | `predicted` | (B, m) | what PSD's encoder says; $W, b$ and the gains $\gamma$ (`g`) are its weights |
# | $d_k$, $z_k$, $K$ | `filters`, `maps` | (K, s, s), (B, K, H, W) | filters, their maps, how many (section 11) |
# | $\sigma$, $N$ | `sigma`, `N` | | a singular value of a product of $N$ matrices (section 14) |
#
# So far $D$ was given. Where does it come from? From the same energy. The code of a signal is the $z$ that makes its
# energy least; the dictionary is the $D$ that makes these least energies small *on average*:
# $$\min_D\ \operatorname*{mean}_i\, F_D(x_i), \qquad F_D(x) = \min_z\ \tfrac12\lVert x - D z\rVert^2
# + \lambda \lVert z\rVert_1, \qquad \lVert d_j\rVert \le 1 \tag{21}$$
# The constraint on the columns is not decoration. For any $c > 1$ the pair $(cD,\ z/c)$ reconstructs exactly what
# $(D, z)$ does, and pays less:
# $$E(x,\ z/c;\ c D) = \tfrac12\lVert x - D z\rVert^2 + \frac{\lambda}{c}\,\lVert z\rVert_1 \tag{22}$$
# Nothing in the first term objects to a large $c$. A dictionary that may grow makes the price of information
# meaningless, and we are back at section 1: an energy that is low everywhere.
#
# With the constraint, alternate. Given a batch, find the codes by FISTA; given the codes, improve $D$. The second step
# needs neither the signals nor the codes of the past, only two sums over them (Mairal et al. 2009):
# $$A = \textstyle\sum_i z_i z_i^\top, \qquad B = \sum_i x_i z_i^\top, \qquad
# \sum_i \tfrac12 \lVert x_i - D z_i\rVert^2
# = \tfrac12 \operatorname{tr}(D^\top D A) - \operatorname{tr}(D^\top B) + \text{const}
# \tag{23}$$
# and in one column, the others held still, this is a parabola with the same curvature $A_{jj}$ in every direction. So
# the best column in the unit ball is the best column, pulled back to the ball:
# $$u = d_j + \frac{b_j - D a_j}{A_{jj}}, \qquad d_j \leftarrow \frac{u}{\max(1, \lVert u\rVert)} \tag{24}$$
# One sweep over the columns costs less than the codes did. Old batches were coded with an older, worse dictionary; the
# sums forget them slowly. An atom that no code uses would stay for ever, so it starts again as a signal of the batch.

# %%
def update_dictionary(D, A, B, *, unit=True, positive=False):
    """One sweep of block coordinate descent over the columns, Mairal et al. 2009, algorithm 2.  D is changed in place.

    D: (n, m); A: (m, m) sum of z z^T; B: (n, m) sum of x z^T.  unit=False leaves the projection out;
    positive=True keeps every entry of D from becoming negative.
    """
    for j in range(D.shape[1]):
        if A[j, j] > 1e-6:  # else no code has used this atom
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            u = u.clamp(min=0) if positive else u
            D[:, j] = u / u.norm().clamp(min=1) if unit else u                                    # (24)
    return D


@torch.no_grad()
def learn_dictionary(x, m, lam, *, steps, batch_size, generator, unit=True, positive=False, iterations=30,
                     infer=fista, D=None, watch=None):
    """Online dictionary learning, Mairal et al. 2009: D (n, m), columns of norm <= 1, from rows x (N, n).

    infer(x, D, lam, steps=iterations): the codes.  D: where to start (m random rows of x if None).
    watch(step, D, z) is called after each step.
    """
    if D is None:
        D = x[torch.randperm(len(x), generator=generator)[:m]].T.clone()
        D = D + 1e-3 * torch.randn(D.shape, generator=generator).to(D)
        D /= D.norm(dim=0)
    D = D.clone()  # the caller's start stays as it is
    A, B = x.new_zeros(m, m), x.new_zeros(len(D), m)
    for step in progress(range(steps), unit="batches", stoppable=True):
        rows = torch.randint(len(x), (batch_size,), generator=generator)
        batch = x[rows.to(x.device)]
        z = infer(batch, D, lam, steps=iterations)
        keep = (step / (step + 1)) ** 3  # section 3.4 of the paper: what older batches still count
        A.mul_(keep).addmm_(z.T, z, alpha=1 / batch_size)                                         # (23)
        B.mul_(keep).addmm_(batch.T, z, alpha=1 / batch_size)
        update_dictionary(D, A, B, unit=unit, positive=positive)
        if unit and step % 10 == 9 and step < 0.8 * steps:
            for j in (A.diagonal() < 1e-3 * A.diagonal().mean()).nonzero().flatten().tolist():
                D[:, j] = batch[j % batch_size] / batch[j % batch_size].norm().clamp(min=1e-6)
                A[j], A[:, j], B[:, j] = 0, 0, 0
        if watch is not None:
            watch(step, D, z)
    return D

# %% [markdown]
# **Check** the three formulas on patches: the cheat (22); that the two sums know the error of every $D$ up to a
# constant (23); and that no column step (24) raises that error, though each has to end in the unit ball.

# %%
sample = x_patches[:400].double()
D_start = torch.randn(100, 100, generator=torch.Generator().manual_seed(5)).to(sample)
D_start /= D_start.norm(dim=0)
z = fista(sample, D_start, lam, steps=50)
A, B, D_down = z.T @ z, sample.T @ z, D_start.clone()


def missed(D):
    """Sum over the 400 patches of the squared error, halved."""
    return (sample - z @ D.T).square().sum() / 2


for c in (2, 10):
    cheat = energy(sample, c * D_start, z / c, lam)
    assert torch.allclose(cheat, energy(sample, D_start, z, lam) - lam * (1 - 1 / c) * z.abs().sum(1))           # (22)
for D in (D_start, 0.3 * D_start):
    by_sums = ((D.T @ D * A).sum() / 2 - (D * B).sum()) + sample.square().sum() / 2
    assert torch.allclose(by_sums, missed(D))
path = [missed(D_down).item()]
for j in range(100):
    only_j = torch.zeros_like(A)
    only_j[:, j], only_j[j, j] = A[:, j], A[j, j]
    update_dictionary(D_down, only_j, B)  # the others have A_jj = 0: they stay
    path.append(missed(D_down).item())
assert np.diff(path).max() < 1e-9
assert D_down.norm(dim=0).max() < 1 + 1e-12
print(f"one sweep over 100 columns: error {path[0]:.0f} -> {path[-1]:.0f}, no step raised it, no column left the ball")

# %% [markdown]
# Now learn, with the constraint and without it, from the same start and the same batches. Watch the length of the
# columns, the length of the codes, and the energy of patches from the part of the photographs that is held out.

# %%


def held_out(D):
    """Equation (21) on the held-out patches, with FISTA's codes.  D: (n, m).  Returns a float."""
    return energy(x_held, D, fista(x_held, D, lam, steps=100), lam).mean().item()                 # (21)


steps = budget(smoke=12, cpu=150, gpu=1_000)
watched, learned = {}, {}
for name, unit in (("columns in the unit ball", True), ("no constraint", False)):
    watched[name] = log = []
    learned[name] = learn_dictionary(
        x_patches, 100, lam, steps=steps, batch_size=256, generator=torch.Generator().manual_seed(0), unit=unit,
        watch=lambda k, D, z, log=log: log.append((D.norm(dim=0).mean().item(), z.abs().sum(1).mean().item(),
                                                   held_out(D) if k % 25 == 24 or k in (0, steps - 1) else math.nan)),
    )
fig, axes = plt.subplots(1, 3, figsize=(10, 3))
for color, (name, log) in zip(("C2", MODEL), watched.items(), strict=True):
    k = np.arange(1, len(log) + 1)
    for ax, values in zip(axes, np.array(log).T, strict=True):
        there = ~np.isnan(values)
        ax.plot(k[there], values[there], color=color, label=name, marker="." if there.sum() < len(k) / 2 else None)
titles = "mean length of a column", r"$\|z\|_1$ in the batch", "energy, held-out patches"
for ax, title in zip(axes, titles, strict=True):
    ax.set(title=title, xlabel="batches of 256", ylim=(0, None))
axes[0].legend()
plt.show()
D_unit, D_cheat = learned.values()
norms = D_cheat.norm(dim=0)
honest = held_out(D_cheat / norms)
print(f"energy on held-out patches: {held_out(D_unit):.2f} with the constraint, {held_out(D_cheat):.2f} without,")
print(f"    and {honest:.2f} when the cheat's columns are scaled back to length 1; no code at all costs "
      f"{x_held.square().sum(1).mean() / 2:.2f}")
print(f"non-zero coefficients of 100: {(fista(x_held, D_unit, lam, steps=100) != 0).float().sum(1).mean():.1f} and "
      f"{(fista(x_held, D_cheat, lam, steps=100) != 0).float().sum(1).mean():.1f}")
learner, its_time = measured("11-dictionary"), measured("11-dictionary-time")
print(f"from the benchmark: energy {learner['ours']:.2f}, scikit-learn's learner {learner['peer']:.2f}; it takes "
      f"{its_time['ratio']:.1f} times our CPU time")
record(dictionary_energy=held_out(D_unit), unit="mean energy of held-out 10x10 patches, 100 atoms, lambda 0.5")

# %% [markdown]
# Without the constraint the columns grow and grow, the codes shrink in return, and the energy falls far below what the
# honest dictionary reaches; it would go on falling. The printed lines say what that is worth. Scale the long columns
# back to 1 and the advantage is gone, and a code that costs next to nothing has no reason to be sparse: several times
# as many coefficients are in use. The low energy was counterfeit. The honest dictionary is about as good as that of a
# widely used program: from the same first atoms and the same batches scikit-learn's learner reaches about the same
# energy on held-out patches, and takes several times as long (the benchmark's line).
#
# ## 8 Two hundred and fifty-six strokes
#
# Now whole digits, 784 pixels in $[0, 1]$, and 256 atoms. The first attempt below is the recipe of section 7 as it
# stands, started from noise. What comes out are blurred *digits*: with plus and minus signs at hand, the cheapest
# explanation of a digit is a template of that digit and a few corrections that add ink here and take some away there.
#
# But ink does not cancel ink. If a digit is a sum of strokes that the pen has made, no coefficient and no pixel of an
# atom may be negative (Hoyer 2002). For the code that changes one line. Where the price is $\lambda \sum_j z_j$ and
# $z_j$ must not be negative, the threshold is one-sided, and it is an old acquaintance:
# $$\arg\min_{z \ge 0}\ \tfrac12 (z - u)^2 + \theta z = \max(0,\, u - \theta) \tag{25}$$
# a rectified linear unit with bias $-\theta$. For the dictionary, column step (24) is clipped at 0 before it is
# pulled back to the ball. The strokes on the right rest on the checkpoint `11_strokes`, made beforehand by the same
# program with these two changes, a start from positive noise and a lower price, $\lambda = 0.3$. Nobody told it what a
# stroke is. **Check** its codes by the one-sided version of (17): no slope may be negative, and none may be positive
# where $z_j > 0$.

# %%
@torch.no_grad()
def positive_fista(x, D, lam, *, steps, L=None):
    """FISTA under the constraint z >= 0: the threshold is one-sided, eq. (25).  As `fista`; returns z (B, m)."""
    L = lipschitz(D) if L is None else L
    S, b = torch.eye(D.shape[1]).to(D) - D.T @ D / L, (x @ D - lam) / L
    z = y = torch.zeros_like(b)
    t = 1.0
    for _ in range(steps):
        z_before, t_before = z, t
        z = torch.addmm(b, y, S).relu_()                                                          # (25)
        t = (1 + math.sqrt(1 + 4 * t * t)) / 2
        y = torch.lerp(z_before, z, 1 + (t_before - 1) / t)
    return z


class Dictionary(nn.Module):
    """A dictionary D (n, m) that a checkpoint can hold."""

    def __init__(self, n, m):
        super().__init__()
        self.D = nn.Parameter(torch.zeros(n, m), requires_grad=False)


def as_images(D, shape):
    """The atoms as pictures around grey, each scaled to its own extremes.  D: (n, m) -> (m, *shape) in [0, 1]."""
    atoms = D.detach().T.cpu()
    return (0.5 + 0.5 * atoms / atoms.abs().amax(1, keepdim=True).clamp(min=1e-9)).view(-1, *shape)


(train_images, train_labels), (test_images, test_labels), where = digits_split()
X, X_test = (images.flatten(1).float().div(255).to(device) for images in (train_images, test_images))
noise = torch.randn(784, 256, generator=torch.Generator().manual_seed(0)).to(device)
D_signed = learn_dictionary(X, 256, lam, steps=budget(smoke=3, cpu=120, gpu=1_500), batch_size=256,
                            generator=torch.Generator().manual_seed(0), D=noise / noise.norm(dim=0))
strokes = Dictionary(784, 256).to(device)
stroke_facts = checkpoint("11_strokes", strokes)
D_strokes, lam_strokes = strokes.D, 0.3

some_digits = X_test[: budget(smoke=30, cpu=100, gpu=100)].double()
z = positive_fista(some_digits, D_strokes.double(), lam_strokes, steps=budget(smoke=2_000, cpu=3_000, gpu=3_000))
slope = (z @ D_strokes.double().T - some_digits) @ D_strokes.double() + lam_strokes
assert z.min() >= 0
assert slope.min() > -1e-4
assert (slope * z).abs().max() < 1e-4
used = (z > 1e-6).float().sum(1).mean()
print(f"optimal: the least slope of the energy is {slope.min():.0e}, the largest product of slope and z "
      f"{(slope * z).abs().max():.0e}")
print(f"{used:.0f} of 256 strokes in a digit of {where}; checkpoint: {stroke_facts}")

fig, axes = plt.subplots(1, 2, figsize=(10, 5.3))
show_images(as_images(D_signed, (28, 28))[:144], columns=12, ax=axes[0], title="both signs (144 of 256)")
show_images(as_images(D_strokes, (28, 28))[:144], columns=12, ax=axes[1],
            title="codes and atoms not negative (144 of 256)")
plt.show()

# %% [markdown]
# Left templates, right the pen's work: bows, hooks, bars, with length and slant. (Grey is 0, white the atom's largest
# pixel. Left both signs of an atom mean the same, so black digits are digits too.) The sparse code of a digit names
# its strokes; raise the price and see which of them go first.

# %%
def explain_digit(digit=1, price=0.3):
    """A held-out digit, what the strokes make of it at this lambda, and the strokes by size."""
    x = X_test[digit : digit + 1]
    z = positive_fista(x, D_strokes, price, steps=150)[0]
    top = z.argsort(descending=True)[:12]
    fig = plt.figure(figsize=(9, 3.2))
    left, right = fig.subplots(1, 2, width_ratios=[1, 2.1])
    pictures = torch.stack([x[0], D_strokes @ z]).view(-1, 28, 28).cpu()
    show_images(pictures, columns=2, ax=left, title=f"digit, and the sum of {int((z > 1e-4).sum())} strokes")
    parts = (D_strokes.T[top] * z[top, None]).view(-1, 28, 28).cpu()
    show_images(parts / parts.max().clamp(min=1e-6), columns=6, ax=right, title="the 12 largest terms $z_j d_j$")
    for i, value in enumerate(z[top].tolist()):
        right.text(i % 6 * 29 + 1, i // 6 * 29 + 4, f"{value:.2f}", color="white", fontsize=8)
    missed = (x[0] - D_strokes @ z).square().sum() / x[0].square().sum()
    fig.suptitle(f"$\\lambda$ = {price}: {100 * (1 - missed):.0f}% of the digit's power explained")
    return fig


explore(explain_digit, digit=(0, 30), price=[0.03, 0.1, 0.3, 1.0, 3.0])

# %% [markdown]
# ## 9 Natural images: edges
#
# The same program, other data. Olshausen and Field (1996) gave it patches of photographs and asked what code the
# first visual area of the brain might have chosen. The whitening of section 3 matters here. In a raw photograph nearly
# all the power of a patch is in its slow changes, and the squared error would be spent on them. After the filter all
# frequencies in its band are about equally strong, so correlations between pixels, all that principal components can
# see, have little left to say about shape. Here are 144 atoms of 12 x 12 pixels, beside the two dictionaries that
# have learned less: the principal components of the same patches, and directions drawn at random.

# %%
size, n_patches = 12, budget(smoke=4_000, cpu=20_000, gpu=100_000)
x12 = whitened_patches(n_patches, size, generator=torch.Generator().manual_seed(2)).to(device)
steps = budget(smoke=8, cpu=400, gpu=2_000)
D12 = learn_dictionary(x12, 144, lam, steps=steps, batch_size=256, generator=torch.Generator().manual_seed(0))
pca = torch.linalg.eigh(torch.cov(x12.T))[1].flip(1)
chance = torch.randn(144, 144, generator=torch.Generator().manual_seed(3)).to(device)
atom_sets = {"learned": D12, "principal components": pca, "random": chance / chance.norm(dim=0)}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.7))
for ax, (name, D) in zip(axes, atom_sets.items(), strict=True):
    show_images(as_images(D, (size, size)), columns=12, ax=ax, title=name)
plt.show()
x12_held = whitened_patches(1_000, size, split="test", generator=torch.Generator().manual_seed(4)).to(device)
for name, D in atom_sets.items():
    z = fista(x12_held, D, lam, steps=100)
    print(f"{name + ':':22} energy of held-out patches {energy(x12_held, D, z, lam).mean():.2f}, "
          f"{(z != 0).float().sum(1).mean():.1f} of 144 coefficients")

# %% [markdown]
# At the `cpu` budget the atoms are short edges and bars, each in its place, with its direction and its width: the kind
# of shape to which cells of the primary visual cortex respond, and nobody told the program. The principal components
# are waves that fill the whole patch: second-order statistics know frequencies, not places. (The learned atoms also
# code held-out patches at the least energy, which is what they were trained for.)
#
# "They look like Gabor functions" can be measured. A Gabor function is a plane wave under a Gaussian envelope,
# $$\psi(u, v) = \exp\Big(\!-\frac{u^2}{2\sigma_u^2} - \frac{v^2}{2\sigma_v^2}\Big)\,
# \big(a \cos 2\pi \omega u + b \sin 2\pi \omega u\big) \tag{26}$$
# with $(u, v)$ the pixel's position, shifted and turned. For given centre, widths, angle and frequency the best $a$
# and $b$ follow from a 2 x 2 linear system, and the share $R^2$ of the atom's variance that is explained is a smooth
# function of six numbers. `fit_gabor` starts at the best points of a coarse grid and climbs, all atoms at once.

# %%
def gabor_pair(p, size):
    """The even and the odd Gabor function (26) of parameters p (..., 6): (..., 2, size*size).

    p: centre x and y in pixels from the middle, log widths along and across the wave, angle, frequency (cycles/pixel).
    """
    at = torch.arange(size, dtype=p.dtype, device=p.device) - (size - 1) / 2
    cx, cy, log_along, log_across, angle, frequency = (v[..., None] for v in p.unbind(-1))
    dx, dy = at.repeat(size) - cx, at.repeat_interleave(size) - cy  # (..., size*size)
    u, v = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
    envelope = torch.exp(-0.5 * ((u * torch.exp(-log_along)) ** 2 + (v * torch.exp(-log_across)) ** 2))
    wave = 2 * math.pi * frequency * u
    return torch.stack([envelope * wave.cos(), envelope * wave.sin()], -2)                        # (26)


def gabor_fit_share(pair, even, odd):
    """R^2 of the best a and b in (26): the 2 x 2 normal equations, solved.  pair: (..., 2, P).  Returns (...).

    even, odd: (..., ) inner products of a unit atom with the two functions.
    """
    (ee, eo), (_, oo) = ((pair @ pair.mT) + 1e-6 * torch.eye(2).to(pair)).movedim((-2, -1), (0, 1))
    return (even**2 * oo - 2 * even * odd * eo + odd**2 * ee) / (ee * oo - eo**2)


def fit_gabor(atoms, size, *, starts=4, steps=150):
    """The best Gabor function of each atom (K, size*size): parameters (K, 6) as in `gabor_pair`, and R^2 (K,)."""
    atoms = atoms - atoms.mean(1, keepdim=True)
    atoms = atoms / atoms.norm(dim=1, keepdim=True).clamp(min=1e-9)
    places = torch.linspace(-(size - 1) / 3, (size - 1) / 3, 5)
    widths, angles = torch.tensor([0.1, 0.2]).mul(size).log(), torch.arange(8) * math.pi / 8
    frequencies = torch.tensor([0.06, 0.12, 0.2, 0.3, 0.4])
    grid = torch.cartesian_prod(places, places, widths, widths, angles, frequencies).to(atoms)
    pair = gabor_pair(grid, size)
    score = gabor_fit_share(pair, atoms @ pair[:, 0].T, atoms @ pair[:, 1].T)  # (K, grid)
    first = grid[score.topk(starts).indices]  # (K, starts, 6)
    unit = torch.tensor([1.0, 1.0, 0.3, 0.3, 0.3, 0.03]).to(atoms)  # how far one step of Adam may go in each number
    move = torch.zeros_like(first, requires_grad=True)
    optimizer = torch.optim.Adam([move], lr=0.1)
    for step in progress(range(steps)):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
        pair = gabor_pair(first + unit * move, size)
        R2 = gabor_fit_share(pair, *(pair @ atoms[:, None, :, None])[..., 0].unbind(-1))
        optimizer.zero_grad()
        (-R2.sum()).backward()
        optimizer.step()
    R2, best = R2.detach().max(1)
    return (first + unit * move).detach()[torch.arange(len(best)), best], R2.clamp(0, 1)

# %% [markdown]
# **Check** the instrument first: Gabor functions with known parameters must come back with $R^2$ near 1, those that
# have at least a full wave under their envelope with their own frequency, and noise must not pass. Then count.

# %%
made = torch.tensor([[1.0, -2, 0.7, 0.9, 0.6, 0.17], [-2.5, 0.5, 0.6, 1.0, 2.0, 0.27], [0.0, 3.0, 0.9, 0.5, 1.2, 0.1]])
mixed = (torch.tensor([[[0.8], [0.6]], [[1.0], [0.0]], [[-0.3], [1.0]]]) * gabor_pair(made, size)).sum(1)
found, R2_made = fit_gabor(mixed, size)
assert R2_made.min() > 0.97
assert (found[:2, 5].abs() - made[:2, 5]).abs().max() < 0.02
climb = budget(smoke=10, cpu=150, gpu=150)
fits = {name: fit_gabor(D.T, size, steps=climb) for name, D in atom_sets.items()}
assert fits["random"][1].max() < 0.6
print(f"made of Gabor functions: R^2 = {', '.join(f'{r:.3f}' for r in R2_made)}")
for name, (_, R2) in fits.items():
    above = 100 * (R2 > 0.8).float().mean()
    print(f"{name + ':':22} median R^2 {R2.median():.2f}; above 0.8: {above:.0f}% of the atoms")
record(gabor_r2=fits["learned"][1].median(), unit="median R^2 of a Gabor fit, 144 learned atoms of 12x12")
record(gabor_r2_pca=fits["principal components"][1].median(), unit="the same, principal components")
record(gabor_r2_random=fits["random"][1].median(), unit="the same, random atoms")

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.4), width_ratios=[1.1, 1, 1])
p, R2 = fits["learned"]
order = R2.argsort(descending=True)[torch.linspace(0, 143, 12).long().to(R2.device)]
pair, atom = gabor_pair(p[order], size), D12.T[order] - D12.T[order].mean(1, keepdim=True)
ab = torch.linalg.solve(pair @ pair.mT + 1e-6 * torch.eye(2).to(pair), pair @ atom[..., None])
fitted = (ab * pair).sum(1)
rows_shown = torch.cat([torch.stack([atom[i : i + 4], fitted[i : i + 4]]).flatten(0, 1) for i in (0, 4, 8)])
show_images(as_images(rows_shown.T, (size, size)), columns=4, ax=left,
            title="atoms, best to worst;\nunder each row its fits")
for color, at, (name, (_, values)) in zip((MODEL, "C2", "#555555"), ((0.72, 0.34), (0.46, 0.76), (0.2, 0.92)),
                                          fits.items(), strict=True):
    middle.plot(values.sort().values.cpu(), np.arange(1, 145) / 144, color=color)
    side = "left" if name == "random" else "right"
    middle.text(*at, name.replace(" ", "\n"), color=color, fontsize=9, ha=side, va="top")
middle.set(xlabel="$R^2$ of the best Gabor function", ylabel="share of atoms below", xlim=(0, 1),
           title="How Gabor are they?")
good = R2 > 0.8
theta, f = p[good, 4].cpu(), p[good, 5].abs().cpu()
right.scatter(torch.rad2deg(theta) % 180, f, color=MODEL, s=14, clip_on=False)
right.set(xlabel="angle of the wave (degrees)", ylabel="frequency (cycles / pixel)", ylim=(0, 0.5), xlim=(0, 180),
          title=f"the {int(good.sum())} atoms with $R^2 > 0.8$")
right.set_xticks([0, 45, 90, 135, 180])
plt.show()

# %% [markdown]
# After the training of the `cpu` budget the curves are far apart: most learned atoms are Gabor functions to within a
# fifth of their variance; of the principal components only the few that happen to be plain waves are, and no random
# direction. Right, the good ones cover all angles, and frequencies from broad bars to the finest that the filter has
# left. One honest limit: two photographs made all of this. The temple's tiles and the flower's petals are in these
# atoms, and other photographs would change the cloud on the right.

# %% [markdown]
# ## 10 Inference by a network
#
# Every code so far cost an optimisation. An eye has no time for that, and neither has a phone. But inference can be
# **amortised**. Pay once, in training, for a network that maps $x$ straight to something near $z^\ast(x)$. Which
# network?
#
# Look at what an ISTA step does: a matrix, a sum, a threshold. ISTA *is* a network, one with a layer for each step,
# and with weights that nobody has trained. Gregor and LeCun (2010) train them:
# $$z^{(0)} = h_\theta(W_e\, x), \qquad z^{(k)} = h_\theta(W_e\, x + S\, z^{(k-1)}), \quad k = 1 \ldots T \tag{27}$$
# with $W_e = D^\top/L$, $S = I - D^\top D/L$ and $\theta = \lambda/L$ at the start, where $h_\theta$ is the soft
# threshold with one $\theta_j$ a coordinate. $S$ is a **lateral inhibition**: its entry $jk$ says by how much atom
# $k$, when active, talks atom $j$ out of claiming the same part of the signal ("explaining away"). ISTA's weights have
# to work for *every* $x$ and in the long run; the learned ones need only be good for patches of photographs, after $T$
# layers. They are trained on pairs $(x_i, z^\ast_i)$ from FISTA, and the loss is the mean of $\lVert z^{(T)}(x_i) -
# z_i^\ast\rVert^2$. (The paper's layers share one $W_e$, $S$ and $\theta$; with `tied=False` each layer has its own,
# as the stored nets below have.)

# %%
class LISTA(nn.Module):
    """Learned ISTA (Gregor & LeCun 2010), eq. (27): one threshold, then `layers` times z <- h(x We^T + z S^T).

    D: (n, m).  We (m, n), S (m, m), theta (m,) start as ISTA's, so that untrained it is ISTA after layers + 1 steps.
    They are shared by all layers; with tied=False each layer has its own.
    """

    def __init__(self, D, lam, layers, tied=True):
        super().__init__()
        L, m = lipschitz(D), D.shape[1]
        own = 1 if tied else layers + 1
        self.layers, self.tied = layers, tied
        self.We = nn.Parameter((D.T / L).repeat(own, 1, 1))
        self.S = nn.Parameter((torch.eye(m).to(D) - D.T @ D / L).repeat(1 if tied else layers, 1, 1))
        self.theta = nn.Parameter(torch.full((own, m), lam / L).to(D))

    def forward(self, x):
        """(B, n) -> codes (B, m)."""
        return self.all_layers(x)[-1]

    def all_layers(self, x):
        """The codes after the first threshold and after each layer: a list of layers + 1 tensors (B, m)."""
        b = x @ self.We[0].T
        codes = [soft_threshold(b, self.theta[0])]
        for k in range(self.layers):
            if not self.tied:
                b = x @ self.We[k + 1].T
            S, theta = (self.S[0], self.theta[0]) if self.tied else (self.S[k], self.theta[k + 1])
            codes.append(soft_threshold(torch.addmm(b, codes[-1], S.T), theta))                   # (27)
        return codes


def train_lista(net, x, z, *, steps, batch_size, generator, lr=1e-3):
    """Regress optimal codes z (N, m) of x (N, n): mean |net(x) - z|^2 by Adam, step size to 0 on a cosine.  Losses."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for step in progress(range(steps), stoppable=True):
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = torch.randint(len(x), (batch_size,), generator=generator).to(x.device)
        loss = (net(x[rows]) - z[rows]).square().sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).tolist()

# %% [markdown]
# The older idea needs no unrolling. **Predictive sparse decomposition** (Kavukcuoglu et al. 2008) takes one ordinary
# layer with a gain for each output, $\hat z(x) = \gamma \odot \tanh(W x + b)$, and lets the code and the prediction
# meet halfway, with a price $\alpha$ on their distance:
# $$\tilde z = \arg\min_z\ \tfrac12\lVert x - D z\rVert^2 + \lambda\lVert z\rVert_1
# + \tfrac{\alpha}{2}\lVert z - \hat z(x)\rVert^2 \tag{28}$$
# Then $\hat z(x)$ takes a gradient step towards $\tilde z$ (and $D$, where it is learned too, its column steps). The
# last term asks for codes that are *predictable*; at test time $\hat z(x)$ is used alone. Solving (28) needs nothing
# new: the prediction is $m$ more pixels, seen through $\sqrt\alpha\, I$.
#
# **Check** both claims: an untrained LISTA is ISTA, step for step, and (28) is an ordinary sparse coding problem.

# %%
class PSD(nn.Module):
    """The encoder of Kavukcuoglu et al. 2008, g * tanh(W x + b).  (B, n) -> predicted codes (B, m)."""

    def __init__(self, n, m):
        super().__init__()
        self.linear = nn.Linear(n, m)
        self.g = nn.Parameter(torch.ones(m))

    def forward(self, x):
        return self.g * self.linear(x).tanh()


@torch.no_grad()
def psd_codes(x, D, lam, predicted, alpha, *, steps):
    """The codes of eq. (28), that explain x (B, n) and stay near the prediction (B, m), by FISTA.  Returns (B, m)."""
    root = math.sqrt(alpha)
    taller = torch.cat([D, root * torch.eye(D.shape[1]).to(D)])                                   # (28)
    return fista(torch.cat([x, root * predicted], 1), taller, lam, steps=steps, z=predicted)


few = x_held[:200]
watch_ista = []
ista(few, D_unit, lam, steps=4, watch=lambda k, z: watch_ista.append(z.clone()))
with torch.no_grad():
    untrained = LISTA(D_unit, lam, 3).all_layers(few)
assert max((a - b).abs().max() for a, b in zip(untrained, watch_ista, strict=True)) < 1e-5
guess, alpha = torch.randn(200, 100, generator=torch.Generator().manual_seed(0)).to(device), 0.7
met = psd_codes(few, D_unit, lam, guess, alpha, steps=400)
both = energy(few, D_unit, met, lam) + alpha / 2 * (met - guess).square().sum(1)
for near in (met + 0.01 * torch.randn_like(met), 0.99 * met, met.where(met.abs() > 0.05, 0.0)):
    other = energy(few, D_unit, near, lam) + alpha / 2 * (near - guess).square().sum(1)
    assert (other >= both - 1e-4).all()
print("untrained LISTA, layers 0 to 3, and ISTA, steps 1 to 4: the same codes; none that we tried near the solution of "
      "eq. (28) beats it")

# %% [markdown]
# Now the race. The dictionary, the encoders (LISTA with $T$ = 0, 1, 3, 7 layers, and PSD's) and the data they were
# trained for rest on the checkpoint `11_lista`; the patches judged here come from the part of the photographs that no
# training saw. A short training of a one-layer LISTA, made before your eyes, stands beside the stored one. The
# yardstick is the squared distance of the code from the optimum, which FISTA finds in double precision and the
# duality gap certifies. LISTA with $T$ layers multiplies by $S$ as often as ISTA does in $T + 1$ steps, so it is
# drawn there.

# %%
lista_size, m_lista, DEPTHS = 5, 100, (0, 1, 3, 7)
n_lista = lista_size**2
start_D = torch.eye(n_lista, m_lista)
encoders = nn.ModuleDict({str(T): LISTA(start_D, lam, T, tied=False) for T in DEPTHS})
encoders["psd"], encoders["dictionary"] = PSD(n_lista, m_lista), Dictionary(n_lista, m_lista)
encoders = encoders.to(device)
lista_facts = checkpoint("11_lista", encoders)
D_l, lam_l = encoders["dictionary"].D, float(lista_facts["lam"])
n_judged = budget(smoke=200, cpu=2_000, gpu=10_000)
x_test = whitened_patches(n_judged, lista_size, split="test", generator=torch.Generator().manual_seed(7)).to(device)
z_best = fista(x_test.double(), D_l.double(), lam_l, steps=budget(smoke=1_000, cpu=3_000, gpu=3_000))
gap = duality_gap(x_test.double(), D_l.double(), z_best, lam_l).max()
z_best = z_best.float()


def code_error(z):
    """Mean squared distance of the codes z (B, m) of x_test from the optimal ones."""
    return (z - z_best).square().sum(1).mean().item()


curves = {"ISTA": [], "FISTA": []}
ista(x_test, D_l, lam_l, steps=60, watch=lambda k, z: curves["ISTA"].append(code_error(z)))
fista(x_test, D_l, lam_l, steps=60, watch=lambda k, z: curves["FISTA"].append(code_error(z)))
x_pairs = whitened_patches(budget(smoke=500, cpu=10_000, gpu=100_000), lista_size,
                           generator=torch.Generator().manual_seed(8)).to(device)
quick = LISTA(D_l.detach(), lam_l, 1).to(device)
losses = train_lista(quick, x_pairs, fista(x_pairs, D_l, lam_l, steps=200), steps=budget(smoke=20, cpu=600, gpu=5_000),
                     batch_size=256, generator=torch.Generator().manual_seed(0), lr=5e-3)
with torch.no_grad():
    lista_error = {T: code_error(encoders[str(T)](x_test)) for T in DEPTHS}
    psd_error, quick_error = code_error(encoders["psd"](x_test)), code_error(quick(x_test))
active, squared = (z_best != 0).float().sum(1).mean(), z_best.square().sum(1).mean()
print(f"{n_lista} pixels, {m_lista} atoms, lambda = {lam_l}; the yardstick's duality gap is at most {gap:.0e}; "
      f"optimal codes: {active:.1f} not zero, |z*|^2 = {squared:.2f}")
equals = {T: next((k for k, e in enumerate(curves["FISTA"], 1) if e <= lista_error[T]), math.inf) for T in DEPTHS}
for T in DEPTHS:
    print(f"LISTA, T = {T}: {lista_error[T]:.3f}, for which FISTA needs {equals[T]} steps; after {T + 1} steps ISTA "
          f"has {curves['ISTA'][T]:.3f}, FISTA {curves['FISTA'][T]:.3f}")
print(f"one layer, trained here for {len(losses)} batches: {quick_error:.3f} (untrained {curves['ISTA'][1]:.3f}); "
      f"PSD's encoder: {psd_error:.3f}")
fig, ax = plt.subplots(figsize=(7.5, 3.6))
for color, (name, curve) in zip(("#555555", DATA), curves.items(), strict=True):
    ax.plot(range(1, 61), curve, color=color, label=name)
ax.plot([T + 1 for T in DEPTHS], list(lista_error.values()), "o-", color=MODEL, label="LISTA, T = 0, 1, 3, 7 layers")
ax.plot(2, quick_error, "o", color=MODEL, fillstyle="none", markersize=9, label="one layer, trained here")
ax.axhline(psd_error, color="C2", linestyle="--", label="PSD's encoder")
ax.set(xscale="log", yscale="log", xlabel="steps (LISTA: layers + 1)", ylabel=r"$\|z - z^*\|^2$, held-out patches",
       title="What a step is worth")
ax.set_xticks([1, 2, 4, 8, 16, 32, 60], ["1", "2", "4", "8", "16", "32", "60"])
ax.minorticks_off()
ax.legend()
plt.show()
record(lista1_error=lista_error[1], unit="mean squared distance from the optimal code, 1 layer, held-out patches")
record(lista3_error=lista_error[3], unit="the same, 3 layers")
record(lista1_equals_fista=equals[1], unit="steps of FISTA for the error of one layer")

# %% [markdown]
# Read it horizontally: at the height of a LISTA point, how far right is FISTA's curve? One layer, with a single product
# with $S$, does what FISTA needs about ten steps for at the `cpu` budget, and three layers what it needs nearly twenty
# for. More layers bring less: seven are hardly better than three, after the training they had. And read it to the right
# end. FISTA overtakes, because nothing stops it, while the network has a fixed number of layers and an error that it
# cannot leave. Amortised inference is for those who can live with *nearly*.
#
# Two other points are instructive. LISTA without a layer ($T = 0$), one matrix and one threshold, is hardly better
# than one step of ISTA: it has no $S$, so nobody is talked out of anything. PSD's encoder, one matrix too, stays
# there as well. That is no disgrace. A tanh is exactly zero almost nowhere, and it was trained to meet codes that
# come to meet it, which is a weaker demand than hitting $z^\ast$. Its authors judged it by what a classifier could do
# with the features, and found it over a hundred times faster than exact inference.
#
# This dictionary was chosen to be hard: four times more atoms than pixels ($m = 100$ for 5 x 5 patches), hence
# strongly overlapping atoms, and a slow FISTA. With a complete dictionary there is little to explain away, FISTA is
# fast, and a learned encoder gains less.
#
# A mean hides something here. Strong patches have large codes and rule it. The cell prints the *relative* error after
# two steps of the typical strong patch, one with more than twice the mean power, and of the typical other one. LISTA
# wins on the first and loses on the second: for many of these it says nothing at all, as a mean of squares allows it.
# See it on single strong patches. The bars are the optimal code, the dots what the method says. FISTA's dots have
# hardly left zero after two steps, since with atoms that overlap so much a safe step is a short one. Then let FISTA run
# on.

# %%
strong = x_test.square().sum(1) > 2 * x_test.square().sum(1).mean()
shown, shown_best = x_test[strong][:40], z_best[strong][:40]
with torch.no_grad():
    after_two = {"LISTA": encoders["1"](x_test), "FISTA": fista(x_test, D_l, lam_l, steps=2)}
for name, z in after_two.items():
    share = (z - z_best).square().sum(1) / z_best.square().sum(1)
    typical = [share[rows & (z_best != 0).any(1)].median() for rows in (strong, ~strong)]
    print(f"{name}, two steps: |z - z*|^2 / |z*|^2 of the median strong patch {typical[0]:.2f}, of the others "
          f"{typical[1]:.2f}")


def one_code(patch=4, method="LISTA", steps=2):
    """The optimal code of a patch, and a method's code after so many steps (LISTA: of the depths that were trained)."""
    x = shown[patch : patch + 1]
    if method == "LISTA":
        T = min(DEPTHS, key=lambda T: abs(T + 1 - steps))
        with torch.no_grad():
            z, said = encoders[str(T)](x)[0], f"LISTA, T = {T}"
    else:
        z, said = (ista if method == "ISTA" else fista)(x, D_l, lam_l, steps=steps)[0], f"{method}, {steps} steps"
    best = shown_best[patch]
    order = best.abs().argsort(descending=True, stable=True)[:50]
    fig = plt.figure(figsize=(9, 3))
    left, right = fig.subplots(1, 2, width_ratios=[1, 3.4])
    pictures = torch.stack([x[0], D_l @ best, D_l @ z]).view(3, lista_size, lista_size).detach().cpu()
    show_images(0.5 + 0.5 * pictures / pictures.abs().max(), columns=1, ax=left, title="patch; best; ours")
    places = np.arange(len(order))
    right.bar(places, best[order].cpu(), color=DATA, label="optimal code")
    right.plot(places, z[order].cpu(), ".", color=MODEL, label=said)
    right.set(xlabel="50 atoms, by the size of their optimal coefficient", ylabel="coefficient",
              title=f"{said}: squared distance {(z - best).square().sum():.3f}, active atoms: {int((z != 0).sum())}")
    right.legend(loc="lower right")
    return fig


explore(one_code, patch=(0, len(shown) - 1), method=["LISTA", "FISTA", "ISTA"], steps=[1, 2, 4, 8, 16, 32])

# %% [markdown]
# ## 11 Convolutional sparse coding
#
# A patch dictionary spends its atoms badly. An edge may lie anywhere in the patch, so the dictionary must hold the
# same edge once for every place, and when the patches of an image are coded one by one, neighbours that overlap
# explain the same edge again and again. Let the *code* say where (Zeiler et al. 2010; Kavukcuoglu et al. 2010). The
# image $x$ is a sum of a few small filters, each placed wherever its **map** $z_k$, as large as the image, is not
# zero:
# $$E(x, z) = \tfrac12\Big\lVert x - \sum_{k=1}^K d_k * z_k\Big\rVert^2
# + \lambda \sum_{k=1}^K \lVert z_k\rVert_1 \tag{29}$$
# It is sparse coding with a dictionary of $K \cdot H \cdot W$ atoms, every filter at every place, and all of sections
# 3 to 5 holds. Only the matrices are too large to write down. But a circular convolution is a product in the Fourier
# domain, where $D$ falls apart into one row of $K$ numbers for each frequency $\omega$; and $D^\top D$ of one row has
# a single eigenvalue that is not zero. So the exact step size costs $K$ small transforms:
# $$L = \max_\omega \sum_{k=1}^K \lvert \hat d_k(\omega)\rvert^2 \tag{30}$$

# %%
def transfer(filters, shape):
    """Transfer functions of filters (K, s, s) on an (H, W) torus, their middle at the origin: (K, H, W // 2 + 1)."""
    s = filters.shape[-1]
    padded = F.pad(filters, (0, shape[1] - s, 0, shape[0] - s)).roll((-(s // 2), -(s // 2)), (1, 2))
    return torch.fft.rfft2(padded)


def conv_reconstruct(maps, filters):
    """sum_k filter_k * map_k, circular: maps (..., K, H, W), filters (K, s, s) -> (..., H, W)."""
    shape = maps.shape[-2:]
    return torch.fft.irfft2((transfer(filters, shape) * torch.fft.rfft2(maps)).sum(-3), s=shape)


def conv_energy(image, filters, maps, lam):
    """Eq. (29) of images (..., H, W) and maps (..., K, H, W), filters (K, s, s).  Returns (...)."""
    miss = image - conv_reconstruct(maps, filters)
    return 0.5 * miss.square().sum((-2, -1)) + lam * maps.abs().sum((-3, -2, -1))                 # (29)


def conv_lipschitz(filters, shape):
    """L of eq. (30) on an (H, W) torus.  Returns a float."""
    return transfer(filters, shape).abs().square().sum(0).max().item()                            # (30)


@torch.no_grad()
def conv_fista(image, filters, lam, *, steps, L=None, maps=None, watch=None):
    """Convolutional sparse codes by FISTA on a torus: image (..., H, W), filters (K, s, s) -> maps (..., K, H, W)."""
    shape = image.shape[-2:]
    L = conv_lipschitz(filters, shape) if L is None else L
    D = transfer(filters, shape)
    down = D.conj() / L
    target = torch.fft.rfft2(image)[..., None, :, :]
    z = image.new_zeros(*image.shape[:-2], len(filters), *shape) if maps is None else maps.clone()
    y, t = z, 1.0
    for k in range(1, steps + 1):
        z_before, t_before = z, t
        miss = target - torch.fft.rfft2(y).mul_(D).sum(-3, keepdim=True)
        z = F.softshrink(torch.fft.irfft2(down * miss, s=shape).add_(y), lam / L)
        t = (1 + math.sqrt(1 + 4 * t * t)) / 2
        y = torch.lerp(z_before, z, 1 + (t_before - 1) / t)
        if watch is not None:
            watch(k, z)
    return z

# %% [markdown]
# **Check** on a torus of 12 x 12 pixels, small enough to write the whole dictionary down: the reconstruction is
# torch's own circular convolution, (30) is the largest eigenvalue of the dense $D^\top D$, and the codes are those
# that plain FISTA finds with the dense matrix.

# %%
draw = torch.Generator().manual_seed(6)
little, picture = torch.randn(3, 5, 5, generator=draw).double(), torch.randn(12, 12, generator=draw).double()
impulses = torch.eye(3 * 144).double().view(-1, 3, 12, 12)  # one map pixel at a time
dense = conv_reconstruct(impulses, little).flatten(1).T  # (144, 432): every filter at every place
by_torch = F.conv2d(F.pad(impulses, (2, 2, 2, 2), mode="circular"), little.flip(1, 2)[None])[:, 0]
assert torch.allclose(dense.T, by_torch.flatten(1))
assert abs(conv_lipschitz(little, (12, 12)) - lipschitz(dense)) < 1e-8
maps = conv_fista(picture, little, 1.0, steps=50)
assert torch.allclose(maps.flatten(), fista(picture.view(1, -1), dense, 1.0, steps=50)[0])
flat = energy(picture.view(1, -1), dense, maps.view(1, -1), 1.0)
assert torch.allclose(conv_energy(picture, little, maps, 1.0), flat)
print(f"L = {lipschitz(dense):.4f} both ways; the sum of all |d_k|^2 times all places, Frobenius, is "
      f"{dense.square().sum() / lipschitz(dense):.0f} times larger")

# %% [markdown]
# An encoder can be convolutional too: correlate the image with $K$ filters of its own, threshold, scale. It is the
# first layer of LISTA (27) with weights shared over places, trained to predict the maps as PSD's was. The checkpoint
# `11_conv` holds six pairs of encoder and decoder, trained on crops of the whitened photographs by the recipe of
# sections 7 and 10 (codes, then one step of the decoder with its filters kept at length 1, one step of the encoder).

# %%
class ConvEncoder(nn.Module):
    """K encoder filters with thresholds and gains, and K decoder filters of norm 1, all (s, s).

    forward: (B, H, W) -> predicted maps (B, K, H, W), gain * soft threshold of the circular correlations.
    """

    def __init__(self, K, size):
        super().__init__()
        filters = torch.randn(K, size, size)
        filters = filters / filters.flatten(1).norm(dim=1)[:, None, None]
        self.decoder, self.encoder = nn.Parameter(filters), nn.Parameter(filters.clone())
        self.theta, self.gain = nn.Parameter(torch.full((K,), 0.5)), nn.Parameter(torch.full((K,), 0.2))

    def forward(self, image):
        s = self.encoder.shape[-1]
        padded = F.pad(image[:, None], (s // 2, s - 1 - s // 2) * 2, mode="circular")
        v = F.conv2d(padded, self.encoder[:, None])
        return self.gain[:, None, None] * soft_threshold(v, self.theta[:, None, None].abs())


COUNTS = (1, 2, 4, 8, 16, 64)
conv_nets = nn.ModuleDict({str(K): ConvEncoder(K, 9) for K in COUNTS}).to(device)
conv_facts = checkpoint("11_conv", conv_nets)
print(f"checkpoint: {conv_facts}")
sheets = [max(1, K // 4) for K in COUNTS]  # columns: at most four rows of filters each
fig, axes = plt.subplots(2, len(COUNTS), figsize=(10, 3.9), width_ratios=sheets)
for column, K, columns in zip(axes.T, COUNTS, sheets, strict=True):
    net = conv_nets[str(K)]
    for ax, filters in zip(column, (net.decoder, net.encoder), strict=True):
        show_images(as_images(filters.flatten(1).T, (9, 9)), columns=columns, ax=ax, title=str(K))
        ax.set_anchor("N")
axes[0, -1].set_title("64 filters: decoder")
axes[1, -1].set_title("64 filters: encoder")
plt.show()

# %% [markdown]
# One or two filters have to serve for everything and come out as small knots; from about eight on they specialise
# into edges, bars and gratings of different directions. Below each decoder filter is the encoder filter of the same
# map: what *draws* a feature above, what *detects* it below. They are relatives, not copies. The detector is rougher,
# since it must answer to its own feature and keep quiet at those of its neighbours, and with 64 neighbours little of
# the feature is left.
#
# What do more filters buy? Below, a view from the held-out part of the photographs, with more in it than nine tenths of
# all views (at the `cpu` budget it is mostly foliage), coded with each set: by FISTA, and by the encoder in one pass.
# As a control, 64 atoms learned on patches in the manner of section 9 serve as filters too. And because the argument
# for convolution was about *copies*, look for them: how much does each filter resemble another one, if that one may
# be shifted?

# %%
edge = budget(smoke=48, cpu=96, gpu=240)
windows = whitened_images("test").unfold(1, edge, 24).unfold(2, edge, 24).flatten(0, 2)  # all on a grid of 24 pixels
view = windows[windows.square().sum((1, 2)).argsort()[len(windows) * 9 // 10]].to(device)  # one with much to explain
x9 = whitened_patches(n_patches, 9, generator=torch.Generator().manual_seed(9)).to(device)
D9 = learn_dictionary(x9, 64, lam, steps=budget(smoke=5, cpu=200, gpu=1_000), batch_size=256,
                      generator=torch.Generator().manual_seed(0))
banks = {K: conv_nets[str(K)].decoder.detach() for K in COUNTS}
banks["patches"] = D9.T.reshape(64, 9, 9) / D9.norm(dim=0)[:, None, None].clamp(min=1e-6)
coded = {K: conv_fista(view, bank, lam, steps=budget(smoke=20, cpu=100, gpu=300)) for K, bank in banks.items()}
price = {K: conv_energy(view, banks[K], z, lam).item() / edge**2 for K, z in coded.items()}
with torch.no_grad():
    at_once = {K: conv_energy(view, banks[K], conv_nets[str(K)](view[None])[0], lam).item() / edge**2 for K in COUNTS}


def twins(filters):
    """For each filter the largest |correlation| with another one at any shift.  (K, s, s) of norm 1 -> (K,)."""
    s = filters.shape[-1]
    match = F.conv2d(filters[:, None], filters[:, None], padding=s - 1).abs().amax((2, 3))
    return match.fill_diagonal_(0).amax(1)


for K, z in coded.items():
    said = "64 atoms learned on patches" if K == "patches" else f"K = {K}; by the encoder alone {at_once[K]:.4f}"
    print(f"energy a pixel {price[K]:.4f}, {(z != 0).float().sum() / edge**2:.3f} coefficients a pixel: {said}")
alike = {K: twins(banks[K]).median().item() for K in (64, "patches")}
print(f"correlation with the most similar other filter at the best shift, median: {alike[64]:.2f} convolutional, "
      f"{alike['patches']:.2f} from patches")
empty = view.square().mean().item() / 2
print(f"energy a pixel of an empty code: {empty:.4f}")
record(conv_energy_64=price[64], unit="energy a pixel of a held-out view, 64 convolutional filters")
record(conv_energy_patches=price["patches"], unit="the same, 64 atoms learned on patches")
fig, axes = plt.subplots(1, 5, figsize=(10.5, 2.6), width_ratios=[1, 1, 1, 1, 1.25])
for ax, (title, picture) in zip(axes, {"held-out view": view, **{f"K = {K}": conv_reconstruct(coded[K], banks[K])
                                                                  for K in (1, 8, 64)}}.items(), strict=False):
    ax.imshow(picture.cpu(), vmin=-1.5, vmax=1.5)
    ax.set(title=title)
    ax.set_axis_off()
ax = axes[-1]
ax.plot(COUNTS, [price[K] for K in COUNTS], "o-", color=DATA, label="FISTA")
ax.plot(COUNTS, [at_once[K] for K in COUNTS], "o-", color=MODEL, label="encoder")
ax.plot(64, price["patches"], "x", color="#555555", label="patch atoms")
ax.set(xscale="log", xlabel="filters", title="energy a pixel", ylim=(0, None))
ax.set_xticks(COUNTS, COUNTS, fontsize=8)
ax.minorticks_off()
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# With FISTA's codes each larger set of filters reaches a lower energy. Learned on patches or convolutionally,
# 64 filters cost nearly the same here, so the claim that patch atoms are wasteful must be put with care: coded by one
# *joint* optimisation over the whole image, they serve well too. But, trained at the `cpu` budget, they do hold more
# copies: at the best shift the typical patch atom has a closer twin. The encoder tells another story. One pass is
# never as good as the optimum, and beyond eight filters it gets *worse*. (The 64 had fewer steps of training than the
# others, as the checkpoint's line says, but the 16 had as many as the 8.) The likely reason: the more filters overlap,
# the more of them answer to the same edge, and a single layer has no $S$ to settle the matter. That is the argument for
# the layers of section 10.

# %% [markdown]
# ## 12 Colour
#
# A colour patch is three grey ones stacked, so $n$ grows to $3 \cdot 12 \cdot 12$ and nothing else changes. One thing
# can be measured: what becomes of colour. Split each atom into its part in the grey direction (the mean of the three
# channels, $\bar d$, repeated) and the rest, which is pure hue. The share of colour is
# $$c(d) = 1 - \frac{3\,\lVert \bar d\rVert^2}{\lVert d \rVert^2} \in [0, 1] \tag{31}$$

# %%
def colour_share(D):
    """Eq. (31) of the columns of D (3 * s * s, m), channels first.  Returns (m,)."""
    d = D.view(3, -1, D.shape[1])
    return 1 - 3 * d.mean(0).square().sum(0) / d.square().sum((0, 1)).clamp(min=1e-12)           # (31)


x_colour = whitened_patches(n_patches, size, colour=True, generator=torch.Generator().manual_seed(10)).to(device)
D_colour = learn_dictionary(x_colour, 192, lam, steps=budget(smoke=5, cpu=200, gpu=2_000), batch_size=256,
                            generator=torch.Generator().manual_seed(0))
share = colour_share(D_colour)
grey_atom = torch.linspace(-1, 1, 144).repeat(3)[:, None].to(device)
assert colour_share(grey_atom).abs().max() < 1e-5                                   # an atom without hue
hue = torch.tensor([2.0, -1, -1]).repeat_interleave(144)[:, None].to(device)
assert (colour_share(grey_atom * hue) - 1).abs().max() < 1e-5                       # and one of nothing else
of_patches = colour_share(x_colour.T)
of_random = colour_share(torch.randn(432, 192, generator=torch.Generator().manual_seed(1)))
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), width_ratios=[1.6, 1])
show_images(as_images(D_colour[:, share.argsort()], (3, size, size)), columns=16, ax=left,
            title="192 colour atoms, least colour first")
bins = np.linspace(0, 1, 26)
right.hist(of_patches.cpu(), bins, weights=np.full(len(of_patches), 1 / len(of_patches)), color=DATA, alpha=0.45,
           label="patches")
right.hist(share.cpu(), bins, weights=np.full(192, 1 / 192), histtype="step", color=MODEL, linewidth=1.8, label="atoms")
right.set(xlabel="share of colour (31)", ylabel="share of patches, of atoms", title="How much colour")
right.legend()
plt.show()
print(f"share of colour, median: patches {of_patches.median():.2f}, atoms {share.median():.2f}, random atoms "
      f"{of_random.median():.2f}")
print(f"atoms below 0.1: {int((share < 0.1).sum())}; above 0.5: {int((share > 0.5).sum())}; between: "
      f"{int(((share >= 0.1) & (share <= 0.5)).sum())}")

# %% [markdown]
# A random atom is mostly hue, because two of three directions in the space of colours are. The photographs are not:
# the three channels rise and fall together, and most learned atoms are edges in *brightness*, greyer than the patches
# they explain. A few, in the last row or two, are where the colour goes, and they look different: broad edges between
# a hue and its opposite, with little fine detail. Fine detail in colour is rare in these photographs, and a
# dictionary with a limited number of atoms does not buy what is rarely used. (Picture formats often store colour at
# half the resolution for a further reason: the eye sees colour less sharply than brightness.)

# %% [markdown]
# ## 13 Codes as features
#
# Is a sparse code good for anything but reconstruction? The usual test asks how far a *linear* classifier gets with
# few labels when it reads the code instead of the pixels. The dictionary needed no labels, so it may use all training
# images; only the classifier is starved: 100 labels, or 1,000, five random subsets of each. `linear_probe` is
# multinomial logistic regression, the same for every kind of feature, its weight decay chosen by holding out a fifth
# of the labels it was given.
#
# Four ways to see a digit: its pixels; its code in the 256 strokes of section 8; and the codes of all its 7 x 7
# patches in a dictionary of 64 atoms, pooled over a 4 x 4 table (positive and negative parts apart, as in Coates and
# Ng 2011), where the dictionary is learned or, the control that any such claim needs, **random**. **Check** the
# pooling: over a table of one place, the positive parts less the negative ones are the mean code.

# %%
@torch.no_grad()
def patch_features(images, D, lam, size, *, stride=2, steps=15, grid=4):
    """Sparse codes of all patches of each image, pooled: images (N, H, W) -> (N, 2 * m * grid * grid).

    Patches of size x size every `stride` pixels lose their mean and are coded with D (size*size, m); the positive and
    the negative part of each coefficient are averaged over a grid x grid table of places.
    """
    made = []
    for part in images.split(100):
        patches = F.unfold(part[:, None], size, stride=stride)  # (b, size*size, places)
        b, n, places = patches.shape
        patches = (patches - patches.mean(1, keepdim=True)).transpose(1, 2).reshape(b * places, n)
        z = fista(patches, D, lam, steps=steps)
        side = math.isqrt(places)
        z = torch.cat([z.clamp(min=0), (-z).clamp(min=0)], 1).view(b, side, side, -1).permute(0, 3, 1, 2)
        made.append(F.adaptive_avg_pool2d(z, grid).flatten(1))
    return torch.cat(made)


def linear_probe(features, labels, test_features, test_labels, *, decay, steps=60):
    """Accuracy on the test set, in [0, 1], of multinomial logistic regression on frozen features (N, d).

    Features are shifted and scaled as one (not each by itself) to mean 0 and mean square norm 1; the loss adds
    decay / 2 * |W|^2; full-batch L-BFGS from 0.
    """
    mean = features.mean(0)
    scale = (features - mean).square().sum(1).mean().rsqrt()
    x, test_x = (features - mean) * scale, (test_features - mean) * scale
    W = torch.zeros(10, x.shape[1], device=x.device, requires_grad=True)
    b = torch.zeros(10, device=x.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([W, b], max_iter=steps, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = F.cross_entropy(x @ W.T + b, labels) + decay / 2 * W.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        return ((test_x @ W.T + b).argmax(1) == test_labels).double().mean().item()


def probe(features, test_features, n, subset):
    """Accuracy with n labels drawn by the seed `subset`; the decay is chosen on a fifth of them."""
    rows = torch.randperm(len(features), generator=torch.Generator().manual_seed(subset))[:n].to(device)
    fit_rows, choose_rows = rows[n // 5 :], rows[: n // 5]
    decays = (1e-4, 1e-3, 1e-2)
    y = train_labels.to(device)
    asked = features[fit_rows], y[fit_rows], features[choose_rows], y[choose_rows]
    trial = [linear_probe(*asked, decay=d) for d in decays]
    best = decays[max(range(len(decays)), key=lambda i: trial[i])]
    return linear_probe(features[rows], y[rows], test_features, y_test, decay=best)


def unit_atoms(n, m, seed):
    """m random directions as a dictionary (n, m)."""
    D = torch.randn(n, m, generator=torch.Generator().manual_seed(seed)).to(device)
    return D / D.norm(dim=0)


windows = X[:5].view(-1, 28, 28).unfold(1, 7, 2).unfold(2, 7, 2).reshape(5, 121, 49)  # all patches, another way
atoms = unit_atoms(49, 64, 1)
z = fista((windows - windows.mean(2, keepdim=True)).flatten(0, 1), atoms, 0.3, steps=15).view(5, 121, 64)
plus, minus = patch_features(X[:5].view(-1, 28, 28), atoms, 0.3, 7, grid=1).chunk(2, 1)
assert torch.allclose(plus - minus, z.mean(1), atol=1e-5)
assert torch.allclose(plus + minus, z.abs().mean(1), atol=1e-5)
print(f"features on a 1 x 1 table are the mean code of {windows.shape[1]} patches and the mean of its absolute value")

# %% [markdown]
# Now the comparison: the same digits, the same subsets of labels and the same classifier for all four.

# %%
n_train, n_test = budget(smoke=220, cpu=1_200, gpu=len(X)), budget(smoke=150, cpu=1_500, gpu=len(X_test))
pool, judged = X[:n_train].view(-1, 28, 28), X_test[:n_test].view(-1, 28, 28)
y_test = test_labels[:n_test].to(device)
corners = F.unfold(pool[: budget(smoke=100, cpu=500, gpu=2_500), None], 7, stride=2).transpose(1, 2).reshape(-1, 49)
corners = corners - corners.mean(1, keepdim=True)
D7 = learn_dictionary(corners[corners.norm(dim=1) > 0.5], 64, 0.3, steps=budget(smoke=5, cpu=150, gpu=500),
                      batch_size=512, generator=torch.Generator().manual_seed(0))
ways = {
    "pixels": lambda images: images.flatten(1),
    "256 strokes": lambda images: positive_fista(images.flatten(1), D_strokes, lam_strokes, steps=50),
    "patches, random atoms": lambda images: patch_features(images, unit_atoms(49, 64, 0), 0.3, 7),
    "patches, learned atoms": lambda images: patch_features(images, D7, 0.3, 7),
}
label_counts, subsets = (100, budget(smoke=200, cpu=1_000, gpu=1_000)), range(budget(smoke=1, cpu=5, gpu=5))
scores = {}
for name, way in ways.items():
    features, test_features = way(pool), way(judged)
    for n in label_counts:
        scores[name, n] = [100 * probe(features, test_features, n, s) for s in subsets]
    print(f"{name:24}" + "".join(f"{n:6,} labels: {np.mean(scores[name, n]):.1f}%" for n in label_counts)
          + f"   ({features.shape[1]:,} features)")
for n in label_counts:
    unit = f"% right of {n_test:,} test digits, mean of {len(subsets)} subsets of labels"
    record(**{f"pixels_{n}_labels": np.mean(scores["pixels", n])}, unit=unit)
    record(**{f"patch_codes_{n}_labels": np.mean(scores["patches, learned atoms", n])}, unit=unit)
fig, axes = plt.subplots(1, 2, figsize=(10, 2.7), sharey=True)
for ax, n in zip(axes, label_counts, strict=True):
    for place, (name, color) in enumerate(zip(ways, (DATA, "C2", "#555555", MODEL), strict=True)):
        values = scores[name, n]
        ax.plot(values, [place] * len(values), "o", color=color, markersize=5, alpha=0.7)
        ax.plot(np.mean(values), place, "|", color=color, markersize=22)
    ax.set(title=f"{n:,} labels", xlabel="test digits right (%)")
axes[0].set_yticks(range(len(ways)), ways)
axes[0].set_ylim(3.5, -0.5)
plt.show()

# %% [markdown]
# Each dot is one subset, the bar their mean. The code in whole strokes is a mixed success. It needs a third of the
# numbers that pixels need, and with 1,000 labels it beats them, but with 100 the two are about equal: a stroke that
# sits two pixels further left is another stroke, and only labels could tell that the two mean the same. Codes of
# *patches*, pooled over places, know it beforehand, and are far ahead with few labels and with more. (Each 1,000 come
# from the same small set of digits and share most of them, so those dots lie closer together than independent ones
# would.)
#
# Now the control. Most of that advantage belongs to random atoms as well; it comes from sparse coding, thresholding
# and pooling as such. Learning the atoms adds a few points when labels are few, and less when there are more. This is
# the finding of Coates and Ng (2011), who could fill the dictionary with random patches and lose little: the encoder
# matters more than the dictionary. A table without the random row would have told a nicer story, and a wrong one.

# %% [markdown]
# ## 14 Another way to limit a latent: factored layers
#
# All of this limited the information in $z$ by a *price*. There is a stranger way, with no price at all. Put a
# product of square linear layers between the encoder and the decoder of an autoencoder. A product of matrices is a
# matrix, so the net can express exactly what it could before. It does not *learn* the same. Jing, Zbontar and LeCun
# (2020) found that its codes keep to fewer dimensions, and one line shows where that comes from. Let a matrix be a
# product of $N$ balanced factors, so that a singular value $\sigma$ of the product is $\sigma^{1/N}$ in each. Gradient
# descent on the factors of a loss $\mathcal L$ moves it, for small steps, at the rate (Arora et al. 2019)
# $$\dot\sigma = -N\, \sigma^{\,2 - 2/N}\ \frac{\partial \mathcal L}{\partial \sigma} \tag{32}$$
# For $N = 1$ every direction learns at its own gradient's speed. For $N \ge 2$ a direction that is small learns slowly
# *because* it is small: large ones are served first, and those that the loss hardly needs never get started. Nobody
# chose the rank; the parametrisation did.
#
# The check takes one small gradient step on the factors and looks at the product. Then three autoencoders of digits
# with a code of 64 numbers, the same but for 0, 2 or 4 linear layers behind the encoder, are trained alike, and the
# spectrum of their codes' covariance on held-out digits is drawn.

# %%
class FactoredAE(nn.Module):
    """An autoencoder 784 -> 128 -> m -> 128 -> 784 with `factors` linear m x m layers after its encoder, eq. (32).

    x: (B, 784) in [0, 1] -> the same shape.  Jing, Zbontar & LeCun 2020.
    """

    def __init__(self, factors, m=64):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, m))
        self.product = nn.Sequential(*(nn.Linear(m, m, bias=False) for _ in range(factors)))
        for layer in self.product:
            nn.init.normal_(layer.weight, 0, m**-0.5)
        self.decoder = nn.Sequential(nn.Linear(m, 128), nn.ReLU(), nn.Linear(128, 784))

    def code(self, x):
        """(B, 784) -> (B, m)."""
        return self.product(self.encoder(x))

    def forward(self, x):
        return self.decoder(self.code(x))


for N in (1, 2, 4):
    sigma, slope = torch.tensor([2.0, 0.5, 0.01]).double(), torch.tensor([0.3, -1.0, 2.0]).double()
    factors = [torch.diag(sigma ** (1 / N)).requires_grad_() for _ in range(N)]
    (torch.linalg.multi_dot([*factors, torch.eye(3).double()]).diagonal() * slope).sum().backward()
    with torch.no_grad():
        after = torch.linalg.multi_dot([*(f - 1e-7 * f.grad for f in factors), torch.eye(3).double()]).diagonal()
    rate = (after - sigma) / 1e-7
    assert torch.allclose(rate, -N * sigma ** (2 - 2 / N) * slope, rtol=1e-3, atol=1e-4)                       # (32)
    print(f"N = {N}: singular values 2, 0.5, 0.01 move at {rate[0] / -slope[0]:.3f}, {rate[1] / -slope[1]:.3f}, "
          f"{rate[2] / -slope[2]:.5f} times their gradient")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3))
for color, factors in zip((DATA, "C2", MODEL), (0, 2, 4), strict=True):
    torch.manual_seed(0)
    net = FactoredAE(factors).to(device)
    fit(lambda x, net=net: (net(x) - x).square().sum(1).mean() / 2, net, X,
        steps=budget(smoke=30, cpu=800, gpu=10_000), batch_size=128, lr=1e-3,
        generator=torch.Generator().manual_seed(0), unit="squared error / 2")
    with torch.no_grad():
        code, error = net.code(X_test[:2_000]), (net(X_test) - X_test).square().sum(1).mean() / 2
    spectrum = torch.linalg.eigvalsh(torch.cov(code.T)).flip(0).clamp(min=1e-12)
    dims = int((spectrum > 1e-3 * spectrum[0]).sum())
    left.plot(range(1, 65), (spectrum / spectrum[0]).cpu(), color=color, label=f"{factors} linear layers")
    print(f"{factors} linear layers: {dims} of 64 directions above 0.1% of the largest; held-out error {error:.2f}")
    record(**{f"dimensions_{factors}_layers": dims}, unit="of 64 code directions above 0.1% of the largest variance")
left.axhline(1e-3, color="#555555", linewidth=1, linestyle="--")
left.set(yscale="log", xlabel="direction", ylabel="variance / largest", title="Spectrum of the code", ylim=(1e-9, 2))
left.legend()
deepest = encoders["3"]
same = torch.eye(m_lista, device=device)
ranks, cut_errors = (1, 2, 5, 10, 15, 20, 25, 30, 40, 60, 100), []
kept = deepest.S.detach().clone()
for r in ranks:
    U, s, V = torch.linalg.svd(same - kept)
    with torch.no_grad():
        deepest.S.copy_(same - (U[..., :r] * s[..., None, :r]) @ V[..., :r, :])
        cut_errors.append(code_error(deepest(x_test)))
        deepest.S.copy_(kept)
right.plot(ranks, cut_errors, "o-", color=MODEL)
right.axhline(lista_error[3], color=MODEL, linestyle="--", linewidth=1)
right.axvline(n_lista, color="#555555", linestyle="--", linewidth=1)
right.set(xscale="log", yscale="log", xlabel="rank $r$", ylabel=r"$\|z - z^*\|^2$",
          title="LISTA, 3 layers, $I - S$ cut to rank $r$")
right.set_xticks([1, 2, 5, 10, 25, 50, 100], ["1", "2", "5", "10", "25", "50", "100"])
right.minorticks_off()
right.text(n_lista * 1.05, 0.95, "rank of ISTA's", transform=right.get_xaxis_transform(), fontsize=9, va="top")
plt.show()
print("rank: error  " + ", ".join(f"{r}: {e:.3f}" for r, e in zip(ranks, cut_errors, strict=True)))

# %% [markdown]
# Left, the same net with the same loss and the same batches: the more linear layers it is given, the earlier its
# spectrum falls below a thousandth of its top (dashed). The price is in the printed lines too. After the same number
# of steps the factored nets reconstruct worse, so a part of the effect is that they have learned *less* so far, the
# small directions last, as (32) says. With Adam, which rescales every gradient, (32) is a guide and not a law. (One
# seed each.)
#
# Right, the same thought put to use, or tried. LISTA's $S$ has $m^2$ entries, and ISTA's has a simple form, since
# $I - S = D^\top D / L$ has rank $n$, a quarter of $m$ here (the grey line; the orange one is the error without a cut).
# Two thin factors in place of $I - S$ would save time if a rank well below $m/2$ were enough. The learned inhibition
# does not oblige: cut off after training at rank $n$ it loses a good part of what training had gained, and even at 60,
# above $m/2$, not all has come back. Freed from ISTA's form, training has used the freedom. Would a LISTA *trained* in
# factored form do better? Try it: replace `S` by two thin matrices.

# %% [markdown]
# ## Results
#
# What this notebook measured about energies and inference. (The later sections record theirs where they stand.) Ten
# atoms against ten principal components is a modest win at the `cpu` budget, a few per cent of the power: both are
# chosen for each patch anew, and the components, being orthogonal, never explain anything twice.

# %%
for (name, limit), value in told_apart.items():
    if limit != "no limit":
        label = limit.split(",")[0].split(" of")[0].removeprefix("a ").replace(" ", "_")
        record(**{f"{name}_{label}_auroc": value}, unit=f"AUROC against points anywhere, {limit}")
record(frobenius_over_L=frobenius / L, unit="times: the Frobenius step is this much smaller, 100 atoms")
record(ista_gap=gaps(runs["ISTA"][1])[99], unit="of the minimal energy, ISTA after 100 steps, 500 held-out patches")
record(fista_gap=gaps(runs["FISTA"][1])[99], unit="of the minimal energy, FISTA after 100 steps")
record(kkt_at_the_end=at_star[0].max(), unit="largest KKT residual of 500 patches, float64")
record(power_of_ten_atoms=100 * by_atoms[10], unit=f"% of the power of a held-out patch, mean of {len(wordy)}")
record(power_of_ten_components=100 * by_components[10], unit="% of the power, the best ten principal components")

# %% [markdown]
# ## Takeaways
#
# - A latent that can say anything makes an energy that says nothing. Limit it: to a choice, a noisy choice, one
#   value, a small sum. The limit is a claim about the data, and pays where the claim is true.
# - The sum of absolute values has corners and is convex. Corners give exact zeros; convexity gives inference that
#   cannot get stuck and an answer that can be certified. It also pulls the survivors in.
# - ISTA is a gradient step and a soft threshold, with step $1/L$ and $L$ the largest eigenvalue of $D^\top D$, not the
#   sum of all of them. Momentum makes the guarantee fall with $1/k^2$; greedy coordinate descent needs the
#   least arithmetic, in steps that wait for each other.
# - Do not believe that a run has converged: look at its KKT residual or its duality gap.
# - Columns need a length of 1, or the dictionary cheats. On strokes and natural patches the atoms that come out are
#   parts: pieces of pen, Gabor functions.
# - Inference is a recurrent network with fixed weights. Train a few of its layers, and they guess codes that the
#   iteration needs many more steps for.
# - Convolution lets the code say *where*; (9) to (15) hold as they stand, with $L$ read off the Fourier transforms.
# - Codes can be good features, but random atoms go most of the way: a claim for learning needs that control.
#
# ## Exercises
#
# 1. Give the one-hot model of section 1 a price per choice, $\lambda \log(1/\pi_k)$ with $\pi_k$ the share of data
#    that choose $k$. What happens to rare columns, and how many bits does a choice now carry on average?
# 2. Let the one-value model have an *offset*, $x \approx o + z_j d_j$ with one $o$ for all. Then one $o_j$ for each
#    atom. Which of the two can follow the spiral?
# 3. Prove (4) from (5) without the price, and derive the hard threshold of the figure in section 2 from the cost
#    $\frac12(u - z)^2 + \frac12\mathbb 1[z \ne 0]$.
# 4. For a pure parabola $q(z) = \frac12 \mu z^2$ write FISTA with a constant momentum $\beta$ and $\hat L$ as a
#    recursion of two terms. Show that it is stable for $\mu/\hat L < 1 + 1/(1 + 2\beta)$, which tends to $4/3$ for
#    $\beta \to 1$. Does the experiment in section 4 agree?
# 5. Restart FISTA ($t \leftarrow 1$, $y \leftarrow z$) for every patch whose energy has risen. How many iterations
#    does it take now to a gap of $10^{-9}$?
# 6. Show that the nearest allowed point $\nu^\ast$ of (8) lies within $\sqrt{2\,\text{gap}}$ of every allowed $\nu$
#    whose gap is `gap`. Conclude that $\lvert d_j^\top \nu\rvert + \sqrt{2\,\text{gap}} < \lambda$ rules atom $j$ out.
#    How many atoms are ruled out after 5, 10, 20 iterations?
# 7. Replace $\lambda\lVert z\rVert_1$ by $\lambda\sum_g \lVert z_g\rVert$ over pairs $g$ of atoms. What takes the
#    place of the soft threshold, and what do the atoms of a pair learn to share?
# 8. Replace $I - S$ in section 10's LISTA by a product of two thin factors and *train* it so. From which rank on is it
#    as good as the full one, and how many multiplications does that save?
# 9. Move an image of section 11 by one pixel. Do its maps move with it? Cut it into patches of section 9 before and
#    after: how much of a patch's code is still the same?
#
# ## References
#
# - T. Kohonen (1982). Self-organized formation of topologically correct feature maps. *Biological Cybernetics* 43,
#   59-69. [doi:10.1007/BF00337288](https://doi.org/10.1007/BF00337288).
# - S. P. Luttrell (1990). Derivation of a class of training algorithms. *IEEE Transactions on Neural Networks* 1(2),
#   229-232. [doi:10.1109/72.80234](https://doi.org/10.1109/72.80234).
# - B. K. Natarajan (1995). Sparse approximate solutions to linear systems. *SIAM Journal on Computing* 24(2), 227-234.
#   [doi:10.1137/S0097539792240406](https://doi.org/10.1137/S0097539792240406).
# - B. A. Olshausen, D. J. Field (1996). Emergence of simple-cell receptive field properties by learning a sparse code
#   for natural images. *Nature* 381, 607-609. [doi:10.1038/381607a0](https://doi.org/10.1038/381607a0).
# - B. A. Olshausen, D. J. Field (1997). Sparse coding with an overcomplete basis set: a strategy employed by V1?
#   *Vision Research* 37(23), 3311-3325.
#   [doi:10.1016/S0042-6989(97)00169-7](https://doi.org/10.1016/S0042-6989%2897%2900169-7).
# - M. R. Osborne, B. Presnell, B. A. Turlach (2000). A new approach to variable selection in least squares problems.
#   *IMA Journal of Numerical Analysis* 20(3), 389-403.
#   [doi:10.1093/imanum/20.3.389](https://doi.org/10.1093/imanum/20.3.389).
# - P. O. Hoyer (2002). Non-negative sparse coding. *NNSP*. [arXiv:cs/0202009](https://arxiv.org/abs/cs/0202009).
# - B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004). Least angle regression. *Annals of Statistics* 32(2),
#   407-499. [arXiv:math/0406456](https://arxiv.org/abs/math/0406456).
# - I. Daubechies, M. Defrise, C. De Mol (2004). An iterative thresholding algorithm for linear inverse problems with a
#   sparsity constraint. *Communications on Pure and Applied Mathematics* 57(11), 1413-1457.
#   [arXiv:math/0307152](https://arxiv.org/abs/math/0307152).
# - Y. LeCun, S. Chopra, R. Hadsell, M. Ranzato, F. J. Huang (2006). A tutorial on energy-based learning. In *Predicting
#   Structured Data*. MIT Press. [PDF](http://yann.lecun.com/exdb/publis/pdf/lecun-06.pdf).
# - M. Ranzato, Y.-L. Boureau, Y. LeCun (2007). Sparse feature learning for deep belief networks. *NeurIPS*.
#   [proceedings.neurips.cc](https://proceedings.neurips.cc/paper/2007/hash/c60d060b946d6dd6145dcbad5c4ccf6f-Abstract.html).
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun (2008). Fast inference in sparse coding algorithms with applications to object
#   recognition. Technical report CBLL-TR-2008-12-01, New York University.
#   [arXiv:1010.3467](https://arxiv.org/abs/1010.3467).
# - A. Beck, M. Teboulle (2009). A fast iterative shrinkage-thresholding algorithm for linear inverse problems. *SIAM
#   Journal on Imaging Sciences* 2(1), 183-202. [doi:10.1137/080716542](https://doi.org/10.1137/080716542).
# - Y. Li, S. Osher (2009). Coordinate descent optimization for l1 minimization with application to compressed sensing;
#   a greedy algorithm. *Inverse Problems and Imaging* 3(3), 487-503.
#   [doi:10.3934/ipi.2009.3.487](https://doi.org/10.3934/ipi.2009.3.487).
# - J. Mairal, F. Bach, J. Ponce, G. Sapiro (2009). Online dictionary learning for sparse coding. *ICML*. Longer: Online
#   learning for matrix factorization and sparse coding, *JMLR* 11, 19-60.
#   [arXiv:0908.0050](https://arxiv.org/abs/0908.0050).
# - L. El Ghaoui, V. Viallon, T. Rabbani (2010). Safe feature elimination for the LASSO and sparse supervised learning
#   problems. [arXiv:1009.4219](https://arxiv.org/abs/1009.4219).
# - K. Gregor, Y. LeCun (2010). Learning fast approximations of sparse coding. *ICML*.
#   [PDF](https://icml.cc/Conferences/2010/papers/449.pdf).
# - K. Kavukcuoglu, P. Sermanet, Y.-L. Boureau, K. Gregor, M. Mathieu, Y. LeCun (2010). Learning convolutional feature
#   hierarchies for visual recognition. *NeurIPS*.
#   [PDF](https://papers.nips.cc/paper/4133-learning-convolutional-feature-hierarchies-for-visual-recognition.pdf).
# - M. D. Zeiler, D. Krishnan, G. W. Taylor, R. Fergus (2010). Deconvolutional networks. *CVPR*.
#   [doi:10.1109/CVPR.2010.5539957](https://doi.org/10.1109/CVPR.2010.5539957).
# - A. Coates, A. Y. Ng (2011). The importance of encoding versus training with sparse coding and vector quantization.
#   *ICML*. [PDF](https://icml.cc/2011/papers/485_icmlpaper.pdf).
# - O. Fercoq, A. Gramfort, J. Salmon (2015). Mind the duality gap: safer rules for the Lasso. *ICML*.
#   [arXiv:1505.03410](https://arxiv.org/abs/1505.03410).
# - B. O'Donoghue, E. J. Candès (2015). Adaptive restart for accelerated gradient schemes. *Foundations of Computational
#   Mathematics* 15(3), 715-732. [arXiv:1204.3982](https://arxiv.org/abs/1204.3982).
# - S. Arora, N. Cohen, W. Hu, Y. Luo (2019). Implicit regularization in deep matrix factorization. *NeurIPS*.
#   [arXiv:1905.13655](https://arxiv.org/abs/1905.13655).
# - L. Jing, J. Zbontar, Y. LeCun (2020). Implicit rank-minimizing autoencoder. *NeurIPS*.
#   [arXiv:2010.00679](https://arxiv.org/abs/2010.00679).
