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
from utils.train import budget, budget_name, checkpoint, fit, record
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
    for _ in range(steps):
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
runs = {"ISTA": energies(ista, steps), "ISTA, Frobenius": energies(ista, steps, L=frobenius)}
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
for name, color in (("ISTA", MODEL), ("FISTA", "C2"), ("coordinate descent", "C3")):
    k, seen = runs[name]
    left.loglog(k, gaps(seen), color=color, label=name)
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
ax.loglog(k, certified.mean(1), color="C3", label="duality gap: what can be promised")
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
# PART B GOES HERE

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
#
# ## References
#
# - T. Kohonen (1982). Self-organized formation of topologically correct feature maps. *Biological Cybernetics* 43,
#   59-69.
# - S. P. Luttrell (1990). Derivation of a class of training algorithms. *IEEE Transactions on Neural Networks* 1(2),
#   229-232.
# - B. K. Natarajan (1995). Sparse approximate solutions to linear systems. *SIAM Journal on Computing* 24(2), 227-234.
# - B. A. Olshausen, D. J. Field (1996). Emergence of simple-cell receptive field properties by learning a sparse code
#   for natural images. *Nature* 381, 607-609.
# - B. A. Olshausen, D. J. Field (1997). Sparse coding with an overcomplete basis set: a strategy employed by V1?
#   *Vision Research* 37(23), 3311-3325.
# - M. R. Osborne, B. Presnell, B. A. Turlach (2000). A new approach to variable selection in least squares problems.
#   *IMA Journal of Numerical Analysis* 20(3), 389-403.
# - P. O. Hoyer (2002). Non-negative sparse coding. *NNSP*. arXiv:cs/0202009.
# - B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004). Least angle regression. *Annals of Statistics* 32(2),
#   407-499. arXiv:math/0406456.
# - I. Daubechies, M. Defrise, C. De Mol (2004). An iterative thresholding algorithm for linear inverse problems with a
#   sparsity constraint. *Communications on Pure and Applied Mathematics* 57(11), 1413-1457. arXiv:math/0307152.
# - Y. LeCun, S. Chopra, R. Hadsell, M. Ranzato, F. J. Huang (2006). A tutorial on energy-based learning. In
#   *Predicting Structured Data*. MIT Press.
# - M. Ranzato, Y.-L. Boureau, Y. LeCun (2007). Sparse feature learning for deep belief networks. *NeurIPS*.
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun (2008). Fast inference in sparse coding algorithms with applications to object
#   recognition. Technical report CBLL-TR-2008-12-01, New York University. arXiv:1010.3467.
# - A. Beck, M. Teboulle (2009). A fast iterative shrinkage-thresholding algorithm for linear inverse problems. *SIAM
#   Journal on Imaging Sciences* 2(1), 183-202.
# - Y. Li, S. Osher (2009). Coordinate descent optimization for l1 minimization with application to compressed sensing;
#   a greedy algorithm. *Inverse Problems and Imaging* 3(3), 487-503.
# - J. Mairal, F. Bach, J. Ponce, G. Sapiro (2009). Online dictionary learning for sparse coding. *ICML*. Longer:
#   Online learning for matrix factorization and sparse coding, *JMLR* 11, 19-60. arXiv:0908.0050.
# - L. El Ghaoui, V. Viallon, T. Rabbani (2010). Safe feature elimination for the LASSO and sparse supervised learning
#   problems. arXiv:1009.4219.
# - K. Gregor, Y. LeCun (2010). Learning fast approximations of sparse coding. *ICML*.
# - K. Kavukcuoglu, P. Sermanet, Y.-L. Boureau, K. Gregor, M. Mathieu, Y. LeCun (2010). Learning convolutional feature
#   hierarchies for visual recognition. *NeurIPS*.
# - M. D. Zeiler, D. Krishnan, G. W. Taylor, R. Fergus (2010). Deconvolutional networks. *CVPR*.
# - A. Coates, A. Y. Ng (2011). The importance of encoding versus training with sparse coding and vector quantization.
#   *ICML*.
# - O. Fercoq, A. Gramfort, J. Salmon (2015). Mind the duality gap: safer rules for the Lasso. *ICML*.
#   arXiv:1505.03410.
# - B. O'Donoghue, E. J. Candès (2015). Adaptive restart for accelerated gradient schemes. *Foundations of
#   Computational Mathematics* 15(3), 715-732. arXiv:1204.3982.
# - S. Arora, N. Cohen, W. Hu, Y. Luo (2019). Implicit regularization in deep matrix factorization. *NeurIPS*.
#   arXiv:1905.13655.
# - L. Jing, J. Zbontar, Y. LeCun (2020). Implicit rank-minimizing autoencoder. *NeurIPS*. arXiv:2010.00679.
