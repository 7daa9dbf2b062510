# ---
# jupyter:
#   course:
#     title: "08 Autoencoders and VAEs"
#     summary: "From points to bubbles: codes that can be drawn from, and a bound that says how good the model is"
#     minutes: 110
# ---

# %% [markdown]
# # 08 Autoencoders and VAEs
#
# **The question.** The models so far spelt an image out pixel by pixel, and none of them could say in a few numbers
# *what* it had drawn. Suppose that you may keep twenty numbers of each digit and have to redraw it from them. Which
# twenty would you keep? And if somebody handed you twenty numbers that belong to no digit anyone ever wrote, would your
# drawing still be one? The first question leads to the autoencoder, the second to the variational autoencoder, the
# first model of this course whose *hidden* cause is too rich to be summed out (a mixture of lecture 01 had a handful of
# components).
#
# **After this lecture you can**
# 1. say what an autoencoder learns (a subspace, a curved surface, a vector field) and why drawing a random code from it
#    gives rubbish;
# 2. derive the bound that a VAE maximises, name the force that each of its terms exerts on a code, and check the bound
#    against a model small enough to be summed;
# 3. measure how loose the bound is, see when a latent unit has stopped working, and read a likelihood claimed for grey
#    pixels with suspicion.
#
# **It needs** lectures 01 (likelihood, nats) and 03 (binarised digits), and Gaussians in a few dimensions. **It takes**
# about 110 minutes to read and play with, and about two minutes to run on a CPU. The convolutional VAE of section 13
# was trained for five CPU-minutes beforehand (`checkpoints/08_conv_vae`), and the numbers that are marked "bench" come
# from longer runs; everything else is trained before your eyes.

# %% [markdown]
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | (B, D) | images as rows of $D = 784$ pixels: 0 or 1, or grey in [0, 1] where the text says so |
# | $z$ | `z` | (B, K) | codes, also called latent variables |
# | $\mu, \log\sigma^2$ | `mu, logvar` | (B, K) | centre and size of the bubble $q(z \mid x)$ of an image |
# | $\varepsilon$ | `eps` | (B, K) | standard normal noise |
# | $q(z\mid x)$ | `encode` | | the encoder's guess at the code of $x$ |
# | $p(x\mid z)$ | `decode` | | the decoder: the probability of every pixel, given a code |
# | $p(z)$ | | | the prior, $\mathcal N(0, I)$: where codes are drawn from |
# | $\beta$ | `beta` | | price of a nat of code in nats of reconstruction; 1 for a likelihood |
# | $k$ | `k` | | draws from $q$ in an importance-weighted bound |
# | ELBO | `elbo` | (B,) | the lower bound on $\log p(x)$, in **nats per image** |
#
# Digits are binarised **dynamically** wherever a likelihood is printed: a pixel of brightness $b$ is 1 with probability
# $b/255$, drawn anew each time. Sections 1, 2 and 4 use grey pixels and squared error, which is no likelihood.

# %%
import math
import textwrap
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Ellipse
from sklearn.manifold import TSNE
from torch import nn

from utils.data import binarise, digits_split
from utils.device import pick_device
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import budget, budget_name, checkpoint, fit, measured, progress, record
from utils.widgets import explore

use_style()
device, why = pick_device()
(train_images, train_labels), (test_images, test_labels), where = digits_split()
n_test = budget(smoke=100, cpu=1_000, gpu=len(test_images))
train_images, test_images = train_images.flatten(1).to(device), test_images[:n_test].flatten(1).to(device)
test_labels = test_labels[:n_test]
grey, test_grey = train_images / 255, test_images / 255  # (n, 784), in [0, 1]
test_x = binarise(test_images, generator=torch.Generator().manual_seed(9))  # (n_test, 784), in {0, 1}
print(f"budget: {budget_name()}; device: {device} ({why}); {len(train_images):,} digits to learn from")
print(f"test: {n_test:,} of {where}; where a likelihood is printed, binarised dynamically once")


def say(row):
    """Print what `make bench` measured: what it was, and the number."""
    beside = "" if row["peer"] is None else f", beside {row['peer']:.2f}"
    print(textwrap.fill(f"bench, {row['what']}: {row['ours']:.2f} {row['unit']}{beside}", 110))

# %% [markdown]
# ## 1 Predict yourself through a bottleneck
#
# An **encoder** $e$ turns an image into $K$ numbers, a **decoder** $d$ turns the numbers into an image, and the only
# teacher is the image itself:
# $$\mathcal L(e, d) = \frac1n \sum_{i=1}^n \big\| x_i - d(e(x_i)) \big\|^2 \tag{1}$$
# If $K$ is small this cannot be won by copying. Something has to be left out, and the loss decides what. To see what it
# decides, take the smallest case first, in which both maps are matrices: $e(x) = V(x - \bar x)$ with $V$ of size
# $K \times D$, and $d(z) = \bar x + W z$. Then (1) depends on the data through its covariance $C$ alone,
# $$\mathcal L(V, W) = \operatorname{tr}\big[(I - WV)\, C\, (I - WV)^\top\big] \tag{2}$$
# and its minimum is known. With the eigenvalues $\lambda_1 \ge \lambda_2 \ge \dots$ of $C$ and its first $K$
# eigenvectors in $U_K$,
# $$\min \mathcal L = \sum_{k > K} \lambda_k \qquad\text{where}\qquad WVC = U_K U_K^\top C \tag{3}$$
# On the data the product $WV$ is the projection of principal component analysis; every other stationary point is a
# saddle (Baldi & Hornik 1989, for an invertible $C$ with distinct eigenvalues). Note what (3) does *not* say: $W$
# itself is free, up to any invertible change of the code. (Ours is not invertible, which is why $C$ stands on both
# sides: some pixels are black in every digit, and what the maps would do with ink there no data can tell.)

# %%
def linear_loss(V, W, C):
    """Mean squared error of a linear autoencoder, eq. (2), from the covariance.  V: (K, D), W: (D, K), C: (D, D)."""
    VC = V @ C  # (K, D)
    return C.trace() - 2 * (VC * W.T).sum() + ((W.T @ W) * (VC @ V.T)).sum()                      # (2)


def fit_linear(C, K, *, steps, generator):
    """Minimise linear_loss from random matrices by L-BFGS.  Returns V (K, D), W (D, K)."""
    V, W = (torch.randn(shape, generator=generator, dtype=C.dtype) / 28 for shape in ((K, len(C)), (len(C), K)))
    optimizer = torch.optim.LBFGS([V.requires_grad_(), W.requires_grad_()], max_iter=steps, history_size=20,
                                  line_search_fn="strong_wolfe", tolerance_grad=1e-10, tolerance_change=1e-15)

    def closure():
        optimizer.zero_grad()
        loss = linear_loss(V, W, C)
        loss.backward()
        return loss

    optimizer.step(closure)
    return V.detach(), W.detach()


mean = grey.mean(0)
C = torch.cov(grey.T, correction=0).cpu().double()  # (784, 784)
eigenvalues, U = (part.flip(-1) for part in torch.linalg.eigh(C))  # largest first
K = 6
V, W = fit_linear(C, K, steps=budget(smoke=300, cpu=500, gpu=500), generator=torch.Generator().manual_seed(0))

# %% [markdown]
# **Check.** L-BFGS knew nothing of eigenvectors. Its loss must be the sum in (3), and the plane into which it projects
# must be the one that the first eigenvectors span (all cosines between the two planes equal to 1), although its basis
# need not be.

# %%
projection = U[:, :K] @ U[:, :K].T
left_over = eigenvalues[K:].sum()                                                                 # (3)
cosines = torch.linalg.svdvals(torch.linalg.qr(W).Q.T @ U[:, :K])
assert abs(linear_loss(V, W, C) - left_over) < 1e-4 * left_over
assert abs(linear_loss(U[:, :K].T, U[:, :K], C) - left_over) < 1e-9
off = ((W @ V - projection) @ C).norm() / (projection @ C).norm()
assert cosines.min() > 0.999
assert off < 0.01
residual = (grey.cpu().double() - mean.cpu()) @ (torch.eye(784) - W @ V).T  # (n, 784)
assert abs(residual.square().sum(1).mean() - left_over) < 1e-3
print(f"loss per image: autoencoder {linear_loss(V, W, C):.6f}, sum of the eigenvalues left out {left_over:.6f}")
print(f"the two planes: smallest cosine {cosines.min():.6f}; WVC off by {off:.1e} of its length")
aligned = (F.normalize(W, dim=0).T @ U[:, :K]).abs().amax(1)
print("cosine of each column of W with the nearest eigenvector: " + ", ".join(f"{c:.2f}" for c in aligned))

# %% [markdown]
# Same plane, same error, another basis in it. A linear autoencoder *is* PCA without the order and without the right
# angles. Now let both maps bend: one hidden layer of ReLUs on each side of the bottleneck.

# %%
class Autoencoder(nn.Module):
    """A plain autoencoder, 784-256-K-256-784.  x: (B, 784), in [0, 1]; returns the same."""

    def __init__(self, K, H=256):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, H), nn.ReLU(), nn.Linear(H, K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def squared_error(net, x):
    """Mean over images of the squared distance between x and its reconstruction, eq. (1)."""
    return (x - net(x)).square().sum(1).mean()                                                    # (1)


def train(loss, net, data, steps, *, batch_size=100, lr=2e-3, seed=1, **watched):
    """`fit` with fused Adam, the last quarter of the steps with a fifth of the step size.  Returns both histories."""
    adam = partial(torch.optim.Adam, fused=True)
    return [
        fit(loss, net, data, steps=max(1, round(share * steps)), batch_size=batch_size, lr=rate, optimizer=adam,
            generator=torch.Generator().manual_seed(seed + i), **watched)
        for i, (share, rate) in enumerate([(3 / 4, lr), (1 / 4, lr / 5)])
    ]


ae_steps = budget(smoke=5, cpu=500, gpu=20_000)
autoencoders, ae_error = {}, {}
for size in (2, 8, 20):
    torch.manual_seed(0)
    autoencoders[size] = Autoencoder(size).to(device)
    train(partial(squared_error, autoencoders[size]), autoencoders[size], grey, ae_steps)
    with torch.no_grad():
        ae_error[size] = squared_error(autoencoders[size], test_grey).item()
U_device = U.float().to(device)
centred = test_grey - mean
pca_error = (centred.square().sum(1)[:, None] - (centred @ U_device).square().cumsum(1)).mean(0).cpu()
for size, error in ae_error.items():
    print(f"squared error per test image, K={size}: PCA {pca_error[size - 1]:.1f}, autoencoder {error:.1f}")

# %%
fig, (ax, strip) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=(3, 4))
ax.plot(range(1, 65), pca_error[:64], color=DATA, label="PCA, the best linear code")
ax.plot(list(ae_error), list(ae_error.values()), "o", color=MODEL, label="autoencoder with ReLUs")
ax.set(xlabel="numbers in the code, K", ylabel="squared error per test image", ylim=(0, None))
ax.set_title("What K numbers cannot say")
ax.legend()
with torch.no_grad():
    shown = test_grey[:8]
    linear = [mean + (shown - mean) @ U_device[:, :s] @ U_device[:, :s].T for s in (2, 8, 20)]
    bent = [autoencoders[s](shown) for s in (2, 8, 20)]
both = [row for pair in zip(linear, bent, strict=True) for row in pair]
show_images(torch.cat([shown, *both]).view(-1, 28, 28).cpu(), columns=8, ax=strip,
            title="digits; then PCA and autoencoder for K = 2, 8, 20")
plt.show()

# %% [markdown]
# With two numbers PCA draws nearly the same smudge for everybody; a bent surface of the same two dimensions already
# passes near most kinds of digit. With eight and with twenty numbers the bent surface saves a larger share of the
# error, and at twenty this short training does not show all of it (try six times the steps).
#
# ## 2 A code wider than the image, and the identity
#
# What if the code may be *larger* than the image? Then (1) has perfect solutions, and they are worthless. Take any
# matrix $E$ with $K \ge D$ rows whose columns are independent, and
# $$d = E^{+}: \qquad E^{+} E = I, \qquad d(e(x)) = x \ \text{ for every } x \tag{4}$$
# No data is needed to find it, so nothing about data is in it. The cure is to make copying a bad answer: **corrupt**
# the input and ask for the clean image (Vincent et al. 2008). With Gaussian noise of standard deviation $s$ on each
# pixel the best linear answer is known too. It goes through each eigenvector of $C$ with a gain between 0 and 1,
# $$A^\ast = C\,(C + s^2 I)^{-1} = \sum_k \frac{\lambda_k}{\lambda_k + s^2}\; u_k u_k^\top \tag{5}$$
# so that directions with much variance pass and directions with little are blocked, however wide the code.

# %%
def denoising_loss(A, C, s):
    """Expected squared error of x -> mean + A (x + noise - mean), noise of standard deviation s.  A, C: (D, D)."""
    return ((torch.eye(len(C)) - A) @ C * (torch.eye(len(C)) - A)).sum() + s**2 * A.square().sum()


noise_level = 0.5
gains = eigenvalues.clamp(min=0) / (eigenvalues.clamp(min=0) + noise_level**2)
A = (U * gains) @ U.T                                                                             # (5)
generator = torch.Generator().manual_seed(0)
E = torch.randn(1_000, 784, generator=generator, dtype=torch.float64) / 28
identity = torch.linalg.pinv(E) @ E                                                               # (4)

free = A.clone().requires_grad_()
(slope,) = torch.autograd.grad(denoising_loss(free, C, noise_level), free)
assert (identity - torch.eye(784)).abs().max() < 1e-8
assert slope.abs().max() < 1e-10, "A is where the denoising loss is flat"
losses = [denoising_loss(M, C, noise_level).item() for M in (A, projection, identity)]
assert losses[0] < losses[1] < losses[2]
print(f"a random code of 1,000 numbers copies every pixel up to {(identity - torch.eye(784)).abs().max():.0e}")
print(f"squared error with noise {noise_level}: identity {losses[2]:.1f} (that is 784 s^2), best linear denoiser "
      f"{losses[0]:.1f}, PCA of section 1 {losses[1]:.1f}")
print(f"the gains of the denoiser add up to {gains.sum():.0f} of 784")

# %% [markdown]
# Feed both of them a digit, a digit whose pixels have been shuffled, and noise. The copier returns all three. What does
# the denoiser do with things that are not digits?

# %%
shuffled = test_grey[1].cpu()[torch.randperm(784, generator=generator)]
things = torch.stack([test_grey[1].cpu(), shuffled, torch.rand(784, generator=generator)]).double()
through = [things, *((things - mean.cpu()) @ M.T + mean.cpu() for M in (identity, A))]
fig, (ax, right) = plt.subplots(1, 2, figsize=(8.5, 3.0), width_ratios=(5, 3))
ax.semilogx(range(1, 785), gains, color=MODEL, label=f"denoiser, noise {noise_level}")
ax.axhline(1, color="C2", label="identity")
ax.set(xlabel="eigenvector of C, by variance", ylabel="gain", ylim=(0, 1.1), title="What passes")
ax.legend(loc="lower left")
show_images(torch.stack(through, 1).flatten(0, 1).view(-1, 28, 28), columns=3, ax=right, title="in, copier, denoiser")
plt.show()
kept = [(row[2] - mean.cpu()).norm() / (row[0] - mean.cpu()).norm() for row in torch.stack(through, 1)]
print("length of what the denoiser returns, as a share of what it was given (both from the mean digit): "
      + ", ".join(f"{name} {k:.2f}" for name, k in zip(("digit", "shuffled", "noise"), kept, strict=True)))

# %% [markdown]
# The denoiser gives most of the digit back and takes most of the other two away: without any bottleneck it has learned
# where digits are. A curved denoiser can say so more sharply, and what it learns has a picture.
#
# ## 3 A denoiser is a vector field
#
# In two dimensions we can look at all of it. Points lie on a spiral; corrupt them by noise of size $s$ and train a
# small net $r$ to undo it:
# $$\mathcal L(r) = \mathbb E_{x_0}\, \mathbb E_{\varepsilon}\, \big\| x_0 - r(x_0 + s\,\varepsilon) \big\|^2 \tag{6}$$
# A noisy point $x$ could have come from many places on the curve. Squared error asks for their mean, so the best answer
# is $r^\ast(x) = \mathbb E[x_0 \mid x]$. Let $p_s$ be the density of the noisy points. Differentiating it brings down a
# factor $(x_0 - x)/s^2$ under the integral, and dividing by $p_s$ gives
# $$r^\ast(x) - x = s^2\, \nabla_x \log p_s(x) \tag{7}$$
# The arrow from a point to its reconstruction points uphill in log-density. A denoising autoencoder learns the slope of
# the log-density of the data as the noise has smoothed it (Vincent 2011; Alain & Bengio 2014). For points on a curve
# (7) can be computed: each of the $n$ points is the origin with a probability proportional to $e^{-\|x -
# x_0\|^2/2s^2}$.

# %%
turn = torch.linspace(0.25, 1, 400)
curve = 3 * turn[:, None] * torch.stack([(4 * math.pi * turn).cos(), (4 * math.pi * turn).sin()], 1)  # (400, 2)


def posterior_mean(x, points, s):
    """E[x0 | x] when x is one of the points plus noise of size s.  x: (B, 2), points: (n, 2) -> (B, 2)."""
    return (-torch.cdist(x, points).square() / (2 * s**2)).softmax(1) @ points


class Denoiser(nn.Module):
    """A point plus an arrow, which a net 2-64-64-2 chooses.  (B, 2) -> (B, 2)."""

    def __init__(self):
        super().__init__()
        self.arrow = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, x):
        return x + self.arrow(x)


def denoising_error(net, s, x0, *, generator):
    """The loss of eq. (6) for a batch of clean points (B, 2) and one draw of the noise."""
    return (x0 - net(x0 + s * torch.randn(x0.shape, generator=generator))).square().sum(1).mean()  # (6)


field_steps, denoisers = budget(smoke=20, cpu=1_500, gpu=10_000), {}
for s in (0.25, 0.9):
    torch.manual_seed(0)
    denoisers[s] = Denoiser()
    train(partial(denoising_error, denoisers[s], s, generator=torch.Generator().manual_seed(0)), denoisers[s],
          curve.repeat(2, 1), field_steps, batch_size=400, lr=5e-3)

# %% [markdown]
# **Check.** First (7) itself, by automatic differentiation of $\log p_s$; then the nets against it, where the data is.

# %%
for s, net in denoisers.items():
    noisy = curve + s * torch.randn(curve.shape, generator=generator)
    x = noisy.clone().requires_grad_()
    log_p = (-torch.cdist(x, curve).square() / (2 * s**2)).logsumexp(1)
    (score,) = torch.autograd.grad(log_p.sum(), x)
    exact = posterior_mean(noisy, curve, s)
    assert torch.allclose(exact - noisy, s**2 * score, atol=1e-4)                                 # (7)
    with torch.no_grad():
        explained = 1 - (net(noisy) - exact).square().sum() / (exact - noisy).square().sum()
    assert explained > budget(smoke=-10, cpu=0.8, gpu=0.9)
    print(f"noise {s}: the exact arrows are s^2 times the slope; the net's explain {100 * explained:.0f}% of them")

# %%
ticks = torch.linspace(-3.9, 3.9, 23)
plane = torch.cartesian_prod(ticks, ticks)
fig, axes = plt.subplots(1, 3, figsize=(10, 3.5), sharex=True, sharey=True)
for ax, (s, net) in zip(axes, denoisers.items(), strict=False):
    with torch.no_grad():
        arrows = net(plane) - plane
    arrows = arrows * (0.42 / arrows.norm(dim=1, keepdim=True)).clamp(max=1)
    ax.quiver(*plane.T, *arrows.T, color=MODEL, angles="xy", scale_units="xy", scale=1, width=0.005)
    ax.set_title(f"the net's arrows, noise {s}")
walk = [7.2 * torch.rand(40, 2, generator=generator) - 3.6]
for _ in range(15):
    with torch.no_grad():
        walk.append(denoisers[0.25](walk[-1]))
paths = torch.stack(walk)  # (16, 40, 2)
axes[2].plot(*paths.permute(2, 0, 1), color=MODEL, linewidth=0.8)
axes[2].plot(*paths[-1].T, ".", color="black", markersize=5)
axes[2].set_title("15 reconstructions in a row, noise 0.25")
for ax in axes:
    ax.plot(*curve.T, color=DATA, linewidth=1.2, zorder=0)
    ax.set(aspect="equal", xticks=[], yticks=[], xlim=(-4, 4), ylim=(-4, 4))
plt.show()

# %% [markdown]
# (Long arrows are cut, so that the short ones can be seen.) With little noise the arrows lead straight to the nearest
# arm of the curve. With much noise a point between two arms cannot tell which of them it came from, and the arrows lead
# to their average, where no data is. Small noise gives a sharp picture near the data and says little about the places
# far from it, which were never seen in training; that dilemma, and noise of all sizes at once as its solution, is where
# diffusion models begin. Reconstructing again and again (right) walks points onto the curve, though not with the right
# frequencies: they climb to the nearest ridge and gather in clumps. For honest draws the noise has to be put back in
# after each step, as diffusion models do. There is a more direct idea, which fails instructively.
#
# ## 4 Draw a random code, and get rubbish
#
# The decoder turns codes into images. So draw a code at random and decode it? Nobody told the encoder how codes should
# be distributed. Give the idea its best chance: measure mean and covariance of the codes of all training digits, draw
# from the Gaussian that has the same ones, and decode.

# %%
@torch.no_grad()
def gaussian_like(codes, n, *, generator):
    """n draws from the Gaussian with the mean and covariance of codes (m, K).  Returns (n, K)."""
    factor = torch.linalg.cholesky(torch.cov(codes.T))
    return codes.mean(0) + torch.randn(n, codes.shape[1], generator=generator).to(codes) @ factor.T


@torch.no_grad()
def emptiness(codes, points):
    """Median distance of each of points (n, K) to the nearest of codes (m, K)."""
    return torch.cdist(points, codes).amin(1).median().item()


with torch.no_grad():
    codes = {size: net.encoder(grey) for size, net in autoencoders.items()}
    test_codes = autoencoders[20].encoder(test_grey)
drawn = gaussian_like(codes[20], 500, generator=generator)
plain_ratio = emptiness(codes[20], drawn) / emptiness(codes[20], test_codes)
fig, (ax, middle, right) = plt.subplots(1, 3, figsize=(10, 3.6), width_ratios=(4, 3, 3))
few = slice(0, 2_000)
dots = ax.scatter(*codes[2][few].T.cpu(), c=train_labels[few], cmap="tab10", vmin=-0.5, vmax=9.5, s=3)
ax.set(xlabel="$z_1$", ylabel="$z_2$", title="codes of a plain autoencoder, K = 2")
fig.colorbar(dots, ax=ax, ticks=range(10), label="digit")
with torch.no_grad():
    pictures = autoencoders[20].decoder(torch.cat([test_codes[:25], drawn[:25]])).view(-1, 28, 28).cpu()
show_images(pictures[:25], columns=5, ax=middle, title="codes of test digits, decoded")
show_images(pictures[25:], columns=5, ax=right, title="random codes, decoded")
plt.show()
print(f"K=20, distance to the nearest training code: random codes / codes of test digits = {plain_ratio:.2f}")

# %% [markdown]
# The same decoder, the same mean and covariance of the codes: strokes that belong together for the digits of the test
# set; for random codes mostly blots and fragments, and a digit now and then. The left picture shows why. The codes have
# taken whatever shape suited the reconstruction, with rays and gaps, and between them lies land that the decoder was
# never asked about. Much of a Gaussian falls into it. The decoder has learned *points*. We need it to learn *regions*,
# and the regions have to fill the space that we draw from.
#
# ## 5 From points to bubbles
#
# Let the encoder answer not with a point but with a **bubble**: a centre $\mu$ and a size $\sigma$ in each of the $K$
# directions. The code that the decoder gets is drawn from the bubble,
# $$z = \mu(x) + \sigma(x) \odot \varepsilon, \qquad \varepsilon \sim \mathcal N(0, I) \tag{8}$$
# Now two forces appear. *Reconstruction pushes apart*: where the bubbles of two different images overlap, the decoder
# cannot tell which is meant, and pays for it. If that were all, the bubbles would flee from each other or shrink to
# points, and we would be back in section 4. So we add a force that *pulls together and keeps the size up*: the
# Kullback-Leibler divergence between the bubble and a standard normal cloud, the **prior** from which we want to draw
# later. For Gaussians it is elementary, and in each direction it is a sum of three terms:
# $$\mathrm{KL}\big(\mathcal N(\mu, \sigma^2)\,\big\|\,\mathcal N(0, 1)\big) =
# \underbrace{\tfrac12\mu^2}_{\text{spring}} + \underbrace{\tfrac12(\sigma^2 - 1)}_{\text{price of being large}}
# \; \underbrace{-\; \tfrac12\log\sigma^2}_{\text{price of being small}} \tag{9}$$

# %%
def noise_like(a, generator=None):
    """Standard normal numbers of the shape, type and device of `a`, drawn where the generator lives."""
    drawn_on = a.device if generator is None else generator.device
    return torch.randn(a.shape, generator=generator, dtype=a.dtype, device=drawn_on).to(a.device)


def reparameterise(mu, logvar, *, generator=None):
    """Draw z from N(mu, diag(exp(logvar))), eq. (8), differentiable in both.  Any shape; returns that shape."""
    return mu + (0.5 * logvar).exp() * noise_like(mu, generator)                                  # (8)


def kl_terms(mu, logvar):
    """The three terms of eq. (9), summed over the last axis: (B, K) twice -> spring, large, small, each (B,), nats."""
    spring = 0.5 * mu.square().sum(-1)
    large = 0.5 * (logvar.exp() - 1).sum(-1)
    small = -0.5 * logvar.sum(-1)
    return spring, large, small                                                                   # (9)


def kl_to_prior(mu, logvar):
    """KL(N(mu, diag(exp(logvar))) || N(0, I)), the sum of kl_terms.  (B, K) twice -> (B,), in nats, never negative."""
    spring, large, small = kl_terms(mu, logvar)
    return spring + large + small


def log_normal(z, mu, logvar):
    """log N(z; mu, diag(exp(logvar))), summed over the last axis, in nats.  (..., K) -> (...)."""
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu).square() / logvar.exp()).sum(-1)

# %% [markdown]
# **Check** (9) in two ways that share nothing with it: against `torch.distributions`, and against the definition, the
# mean of $\log q(z) - \log p(z)$ over draws from the bubble.

# %%
mu, logvar = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
reference = torch.distributions.kl_divergence(torch.distributions.Normal(mu, (0.5 * logvar).exp()),
                                              torch.distributions.Normal(torch.zeros(()).double(), 1.0)).sum(-1)
assert torch.allclose(kl_to_prior(mu, logvar), reference, atol=1e-12)
z = reparameterise(mu.expand(20_000, -1, -1), logvar.expand(20_000, -1, -1), generator=generator)  # (20000, 50, 3)
difference = log_normal(z, mu, logvar) - log_normal(z, torch.zeros_like(mu), torch.zeros_like(mu))
z_score = (difference.mean(0) - kl_to_prior(mu, logvar)) / (difference.std(0) / math.sqrt(len(z)))
assert z_score.abs().max() < 5
assert 0.7 < z_score.std() < 1.4
print(f"50 bubbles in 3-D: equal to torch.distributions up to {(kl_to_prior(mu, logvar) - reference).abs().max():.0e};")
print(f"20,000 draws each: off by {z_score.square().mean().sqrt():.2f} standard errors (1 expected)")

# %% [markdown]
# One by one: the spring, the two prices of size and the well that they make together, and the whole landscape in which
# a single bubble moves when no image holds it.

# %%
m, sigma = torch.linspace(-3, 3, 121), torch.linspace(0.08, 2.5, 121)
spring = kl_terms(m[:, None], torch.zeros(121, 1))[0]
_, large, small = kl_terms(torch.zeros(121, 1), 2 * sigma.log()[:, None])
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.3))
left.plot(m, spring, color="C2")
left.set(xlabel="$\\mu$", ylabel="nats", ylim=(-1.2, 4.5), title="spring: $\\mu^2/2$")
middle.plot(sigma, large, "--", color="C3", label="large: $(\\sigma^2 - 1)/2$")
middle.plot(sigma, small, "--", color="C5", label="small: $-\\log\\sigma^2/2$")
middle.plot(sigma, large + small, color="black", label="their sum")
middle.set(xlabel="$\\sigma$", ylim=(-1.2, 4.5), title="well: zero at $\\sigma = 1$")
middle.legend()
landscape = kl_to_prior(m[None, :, None].expand(121, -1, -1), 2 * sigma.log()[:, None, None].expand(-1, 121, -1))
lines = right.contour(m, sigma, landscape, levels=[0.1, 0.5, 1, 2, 3, 4, 5], cmap="viridis")
right.clabel(lines, fontsize=8)
right.plot(0, 1, "k*", markersize=10)
right.set(xlabel="$\\mu$", ylabel="$\\sigma$", title="all three, in nats")
plt.show()

# %% [markdown]
# The spring pulls weakly near the middle and hard far out. The well is lopsided: the price of being small grows with
# the logarithm, the price of being large with the square, so a bubble ten times too small pays less than two nats
# and one ten times too large nearly fifty.
#
# **Play.** Move one bubble (it has two directions, and only the horizontal one is moved) and watch the bars. Can you
# pay one nat by position alone? By size alone, on either side?

# %%
def bubble(mean=1.5, log2_size=-1.0):
    size = 2.0**log2_size
    terms = [t.item() for t in kl_terms(torch.tensor([[mean]]), torch.tensor([[2 * math.log(size)]]))]
    fig, (plane, bars) = plt.subplots(1, 2, figsize=(8.5, 3.3), width_ratios=(5, 4))
    for centre, width, colour, name in ((0, 1, "C6", "prior"), (mean, size, MODEL, "q(z | x)")):
        for times in (1, 2):
            plane.add_patch(Ellipse((centre, 0), 2 * times * width, 2 * times, color=colour, alpha=0.22,
                                    label=name if times == 1 else None))
    plane.set(xlim=(-5, 5), ylim=(-3, 3), aspect="equal", title="rings at one and two standard deviations")
    plane.legend(loc="upper left")
    bars.barh(["spring", "large", "small", "KL"], [*terms, sum(terms)], color=["C2", "C3", "C5", "black"])
    bars.invert_yaxis()
    bars.axvline(0, color="black", linewidth=0.8)
    bars.set(xlim=(-3, 6), xlabel="nats", title=f"KL = {sum(terms):.2f} nats")
    return fig


explore(bubble, mean=(-3.0, 3.0, 0.1), log2_size=(-3.0, 1.5, 0.1))

# %% [markdown]
# ## 6 Both forces, in the smallest world
#
# Now both forces together, in the smallest world that has them. There are two images: all $D$ pixels black, or all
# white, each half of the time. Their bubbles sit at $-m$ and $+m$ on a line and have the same size $\sigma$. The best
# decoder gives each pixel the probability of its colour given the code, $\operatorname{sigmoid}(2mz/\sigma^2)$, and the
# price of an image, reconstruction plus KL, is
# $$J(m, \sigma) = D\;\mathbb E_{z \sim \mathcal N(m, \sigma^2)}\Big[\log\big(1 + e^{-2mz/\sigma^2}\big)\Big]
# + \tfrac12\big(m^2 + \sigma^2 - 1 - \log\sigma^2\big) \tag{10}$$

# %%
nodes, weights = (torch.tensor(part) for part in np.polynomial.hermite_e.hermegauss(80))
weights = weights / weights.sum()


def two_bubbles(m, sigma, D):
    """The price of eq. (10) in nats, by Gauss-Hermite quadrature.  m, sigma: float64, of one shape, which returns."""
    z = m[..., None] + sigma[..., None] * nodes
    reconstruction = (weights * F.softplus(-2 * m[..., None] * z / sigma[..., None] ** 2)).sum(-1)
    return D * reconstruction + kl_to_prior(m[..., None], 2 * sigma.log()[..., None])             # (10)


m_grid, s_grid = torch.meshgrid(torch.linspace(0, 2.5, 501, dtype=torch.float64),
                                torch.linspace(0.1, 1.4, 131, dtype=torch.float64), indexing="ij")
fig, axes = plt.subplots(1, 4, figsize=(11, 3.0))
for ax, D in zip(axes, (1, 2, 8), strict=False):
    price = two_bubbles(m_grid, s_grid, D)
    assert price.min() > math.log(2) - 1e-9, "no price below the entropy of the two images"
    best = price.argmin()
    ax.contour(m_grid, s_grid, price - price.min(), levels=[0.02, 0.1, 0.3, 0.6, 1, 2, 4], cmap="viridis")
    ax.plot(m_grid.flatten()[best], s_grid.flatten()[best], "k*", markersize=11, clip_on=False)
    ax.set(xlabel="distance m from the middle", title=f"{D} pixel{'s' * (D > 1)}")
axes[0].set_ylabel("size $\\sigma$")
pixels = np.geomspace(0.25, 64, 33)
best = [two_bubbles(m_grid, s_grid, D).argmin() for D in progress(pixels, unit="sizes")]
axes[3].semilogx(pixels, m_grid.flatten()[best], color="C2", label="best m")
axes[3].semilogx(pixels, s_grid.flatten()[best], color="black", label="best $\\sigma$")
axes[3].axvline(1, color="#AAAAAA", linestyle=":")
axes[3].set(xlabel="D (or D / $\\beta$)", title="where they rest")
axes[3].legend()
plt.show()
collapsed = m_grid.flatten()[best].numpy() < 0.03
assert collapsed[pixels < 0.9].all()
assert not collapsed[pixels > 1.2].any()
print(f"two bubbles merge into the prior up to D = {pixels[collapsed].max():.2f} pixels and part above")

# %% [markdown]
# With one pixel the bubbles lie on top of each other and on the prior: to know the image is worth at most $\log 2$
# nats, the decoder can pay that without a code just as well, and the code is not used. Beyond one pixel the same bit
# explains several pixels, the reconstruction force wins, and the two bubbles part and shrink. So a direction of the
# code comes to life only if it explains enough. Keep this **threshold** in mind: multiply the KL by a factor $\beta$
# and it moves to $D = \beta$. It returns in section 12 as posterior collapse.
#
# ## 7 The bound, step by step
#
# Why this KL, and why with exactly this weight? Because the sum of the two forces is a bound on a likelihood. Here is
# the model behind the decoder: draw a code from the prior, then draw the pixels from $p(x \mid z)$. An image can come
# from any code, so its probability is a sum (for continuous codes an integral) over all of them.
#
# **Step 1.** Write it down:
# $$\log p(x) = \log \sum_z p(z)\, p(x \mid z) \tag{11}$$
# **Step 2.** The sum is hopeless for twenty dimensions, and nearly all of its terms are nearly zero. Bring in a
# distribution $q(z)$ that knows where to look, and that is zero nowhere where $p(z \mid x)$ is not, by multiplying and
# dividing:
# $$\log p(x) = \log\, \mathbb E_{z \sim q}\!\left[\frac{p(z)\, p(x \mid z)}{q(z)}\right] \tag{12}$$
# **Step 3.** The logarithm is concave, so by Jensen's inequality it may move inside if we accept "at least":
# $$\log p(x) \;\ge\; \mathbb E_{z \sim q}\!\left[\log \frac{p(z)\, p(x \mid z)}{q(z)}\right]
# =: \mathrm{ELBO}(q) \tag{13}$$
# (A $q$ with zeros loses some of the sum in (12); the inequality stays.)
#
# **Step 4.** What was lost? Insert $p(z)\,p(x\mid z) = p(x)\, p(z\mid x)$ into (13) and $\log p(x)$ comes out of the
# mean:
# $$\log p(x) - \mathrm{ELBO}(q) = \mathrm{KL}\big(q(z)\,\big\|\,p(z \mid x)\big) \ge 0 \tag{14}$$
# so the bound is an equality exactly where $q$ is the true posterior.
#
# **Step 5.** Sort the terms of (13) the other way and the two forces of section 5 appear, with weight one:
# $$\mathrm{ELBO}(q) = \underbrace{\mathbb E_{z\sim q}\big[\log p(x \mid z)\big]}_{\text{reconstruction}}
# - \underbrace{\mathrm{KL}\big(q(z)\,\big\|\,p(z)\big)}_{\text{price of the code}} \tag{15}$$
#
# All of this can be **checked**, without any Gaussian, on a model that fits on the back of an envelope: a code with
# eight values and images of five pixels, 32 in all.

# %%
prior = torch.randn(8, generator=generator, dtype=torch.float64).log_softmax(0)  # log p(z), (8,)
all_x = (torch.arange(32)[:, None] >> torch.arange(5) & 1).double()  # (32, 5), every image there is
pixel_logits = 2 * torch.randn(8, 5, generator=generator, dtype=torch.float64)
log_x_given_z = (all_x @ F.logsigmoid(pixel_logits).T + (1 - all_x) @ F.logsigmoid(-pixel_logits).T)  # (32, 8)
log_joint = prior + log_x_given_z
log_px = log_joint.logsumexp(1)                                                                   # (11)
posterior = (log_joint - log_px[:, None]).exp()  # p(z | x), (32, 8)


def discrete_elbo(q, log_joint):
    """The bound of eq. (13) for a discrete code.  q: (..., 8), sums to 1; log_joint: (..., 8) -> (...)."""
    return (q * log_joint + torch.special.entr(q)).sum(-1)                                        # (13)


def divergence(q, log_p):
    """KL(q || p) of discrete distributions, 0 log 0 = 0."""
    return -(torch.special.entr(q) + q * log_p).sum(-1)


q = (3 * torch.randn(500, 32, 8, generator=generator, dtype=torch.float64)).softmax(-1)
bound = discrete_elbo(q, log_joint)  # (500, 32)
assert abs(log_px.exp().sum() - 1) < 1e-12
assert torch.allclose((q * (log_joint - q.log()).exp()).sum(-1).log(), log_px.expand(500, -1))    # (12)
assert (bound <= log_px + 1e-12).all()
assert (discrete_elbo(posterior, log_joint) - log_px).abs().max() < 1e-12
assert torch.allclose(log_px - bound, divergence(q, posterior.log()), atol=1e-10)                 # (14)
assert torch.allclose(bound, (q * log_x_given_z).sum(-1) - divergence(q, prior), atol=1e-10)      # (15)
print(f"{bound.numel():,} pairs of an image and a q: ELBO <= log p(x) in all (nearest {(log_px - bound).min():.4f})")
print(f"at the true posterior the difference is {(discrete_elbo(posterior, log_joint) - log_px).abs().max():.0e} nats")

# %% [markdown]
# For one image, five guesses at its code, from careless to perfect. Reconstruction plus price, less the gap, must
# always end at the same line, $-\log p(x)$.

# %%
which = (posterior.amax(1) - 0.6).abs().argmin()  # an image whose code is neither obvious nor hopeless
one_point = F.one_hot(posterior[which].argmax(), 8).double()
guesses = {"prior": prior.exp(), "uniform": torch.full((8,), 1 / 8).double(), "best single code": one_point,
           "halfway": (one_point + posterior[which]) / 2, "true posterior": posterior[which]}
fig, ax = plt.subplots(figsize=(8.5, 3.2))
for row, guess in enumerate(guesses.values()):
    cost = -(guess * log_x_given_z[which]).sum(), divergence(guess, prior), divergence(guess, posterior[which].log())
    ax.barh(row, cost[0], color=DATA, label="reconstruction" if row == 0 else None)
    ax.barh(row, cost[1], left=cost[0], color=MODEL, label="price of the code" if row == 0 else None)
    ax.barh(row, cost[2], left=cost[0] + cost[1] - cost[2], height=0.3, color="white", edgecolor="black", hatch="////",
            label="gap" if row == 0 else None)
    assert abs(cost[0] + cost[1] - cost[2] + log_px[which]) < 1e-9
ax.axvline(-log_px[which], color="black", linewidth=1, label="$-\\log p(x)$")
ax.set(yticks=range(len(guesses)), yticklabels=guesses, xlabel="nats", title="What a guess at the code costs")
ax.invert_yaxis()
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# The prior as a guess pays nothing for the code and dearly for the reconstruction; the uniform guess knows as little of
# the image and pays for the code as well. A single code reconstructs best and is expensive to name. The posterior
# balances the two, and only there does the hatched gap close. A VAE looks for that balance by gradient, with a Gaussian
# for $q$ whose parameters a neural net guesses from the image.

# %%
def log_bernoulli(logits, x):
    """log p(x | logits) of independent black and white pixels, in nats.  (..., D), x in {0, 1}, -> (...)."""
    return -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)


class VAE(nn.Module):
    """Kingma & Welling 2014 on rows of pixels, one hidden layer on each side.  x: (B, D) in {0, 1}; z: (B, K)."""

    def __init__(self, D=784, H=400, K=20, activation=nn.ReLU):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), activation(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), activation(), nn.Linear(H, D))

    def encode(self, x):
        """The bubble of each image: (B, D) -> mu (B, K), logvar (B, K)."""
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        """The logits of the pixels: (..., K) -> (..., D)."""
        return self.decoder(z)


def elbo_parts(model, x, *, generator=None):
    """The two terms of eq. (15), log p(x|z) for one z from the bubble, and the KL.  x: (B, D) -> (B,), (B,), nats."""
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, generator=generator)
    return log_bernoulli(model.decode(z), x), kl_to_prior(mu, logvar)


def elbo(model, x, *, beta=1.0, generator=None):
    """One-sample estimate of E_q[log p(x|z)] - beta KL(q(z|x) || p(z)), eqs. (15) and (20).  (B, D) -> (B,), nats."""
    reconstruction, kl = elbo_parts(model, x, generator=generator)
    return reconstruction - beta * kl


def on_digits(bound, model, seed=1):
    """The loss of a batch of grey digits (B, 784) uint8, binarised anew each time: minus the mean of `bound`."""
    noise = torch.Generator().manual_seed(seed)

    def loss(images):
        return -bound(model, binarise(images, generator=noise), generator=noise).mean()

    return loss

# %% [markdown]
# ## 8 The gradient through a random draw
#
# One difficulty is hidden in `reparameterise`. The reconstruction is a mean over *random* codes whose distribution
# depends on what we want to learn. How does one differentiate $\mathbb E_{z\sim q_\phi}[f(z)]$ with respect to $\phi$?
# The general answer is the **score-function** estimator, also known as REINFORCE (Williams 1992): draw, and make the
# draws that did well more probable,
# $$\nabla_\phi\, \mathbb E_{q_\phi}[f(z)] = \mathbb E_{q_\phi}\big[f(z)\, \nabla_\phi \log q_\phi(z)\big] \tag{16}$$
# It needs only the value of $f$. A bubble allows more: by (8) the randomness is in $\varepsilon$, which does not depend
# on $\phi$, so we may differentiate *through* the draw and use the slope of $f$. This is the **reparameterisation** of
# Kingma & Welling (2014) and Rezende et al. (2014),
# $$\nabla_\mu\, \mathbb E_{q}[f(z)] = \mathbb E_\varepsilon\big[\nabla_z f(\mu + \sigma\varepsilon)\big], \qquad
# \nabla_\sigma\, \mathbb E_{q}[f(z)]
# = \mathbb E_\varepsilon\big[\varepsilon\, \nabla_z f(\mu + \sigma\varepsilon)\big] \tag{17}$$
# Both are right on average. How many draws does each need?

# %%
def gradients(f, mu, logvar, draws, *, generator=None):
    """Single-draw estimates of the gradient of E_q[f(z)] by mu: through the draw, by the score, and with a baseline.

    f: (draws, K) -> (draws,); mu, logvar: (K,).  Returns three tensors (draws, K).
    """
    z = reparameterise(mu.expand(draws, -1), logvar.expand(draws, -1), generator=generator).requires_grad_()
    value = f(z)
    (through,) = torch.autograd.grad(value.sum(), z)                                              # (17)
    value, direction = value.detach()[:, None], ((z - mu) / logvar.exp()).detach()
    others = (value.sum() - value) / (draws - 1)  # the mean of the other draws: subtracting it changes no average
    return through, value * direction, (value - others) * direction                               # (16)


names = ("through the draw", "score", "score, baseline")
mu, logvar = torch.tensor([1.5]), torch.tensor([0.0])
exact = 2 * (mu - 2)  # of E[(z - 2)^2] = (mu - 2)^2 + sigma^2, by mu
estimates = gradients(lambda z: (z[:, 0] - 2) ** 2, mu, logvar, 100_000, generator=generator)
for name, estimate in zip(names, estimates, strict=True):
    error = estimate.std() / math.sqrt(len(estimate))
    assert abs(estimate.mean() - exact) < 5 * error
    print(f"{name:17} {estimate.mean():.3f} +- {error:.3f} (exact {exact.item():.3f}), variance {estimate.var():.1f}")

# %% [markdown]
# Already with one dimension and a parabola the difference is visible. Now the case that matters: a VAE that has seen a
# few hundred batches, one digit, its $K = 20$ numbers $\mu$, and $f(z) = \log p(x\mid z)$.

# %%
torch.manual_seed(0)
young = VAE(H=200).to(device)
train(on_digits(elbo, young), young, train_images, budget(smoke=5, cpu=200, gpu=200))
with torch.no_grad():
    young_mu, young_logvar = (part[0] for part in young.encode(test_x[:1]))
draws = budget(smoke=400, cpu=8_000, gpu=50_000)
estimates = gradients(lambda z: log_bernoulli(young.decode(z), test_x[0]), young_mu, young_logvar, draws,
                      generator=generator)
variance = {name: estimate.var(0).mean().item() for name, estimate in zip(names, estimates, strict=True)}
for estimate in estimates[1:]:
    gap = (estimate.mean(0) - estimates[0].mean(0)) / ((estimate.var(0) + estimates[0].var(0)) / draws).sqrt()
    assert gap.abs().max() < 6, "all three agree on average"
assert variance["through the draw"] < variance["score, baseline"] < variance["score"]
print("variance of one draw, mean over the 20 coordinates: " + ", ".join(f"{n} {v:.3g}" for n, v in variance.items()))

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.1))
widest = 3 * estimates[1][:, 0].std().item()
counts = np.unique(np.geomspace(1, draws // 20, 12).astype(int))
for name, estimate, (colour, mark) in zip(names, estimates, ((MODEL, "o"), ("C2", "s"), ("C3", "^")), strict=True):
    left.hist(estimate[:, 0].cpu(), bins=np.linspace(-widest, widest, 121), color=colour, alpha=0.6, density=True)
    averaged = [estimate[: draws // n * n].unflatten(0, (-1, n)).mean(1) for n in counts.tolist()]
    rms = [mean_of_n.var(0).mean().sqrt().item() for mean_of_n in averaged]
    right.loglog(counts, rms, f"{mark}-", color=colour, markersize=4, label=name)
left.set(yscale="log", xlabel="estimate from one draw", ylabel="density", title="gradient by $\\mu_1$ of one digit")
right.set(xlabel="draws averaged", ylabel="standard error (nats per unit)", title="all twenty coordinates")
right.set_ylim(top=5_000)
right.legend(ncols=2)
plt.show()
worth = {name: variance[name] / variance["through the draw"] for name in names}
print(f"one draw through the bubble is worth {worth['score']:,.0f} draws by the score, "
      f"or {worth['score, baseline']:,.0f} with the baseline")

# %% [markdown]
# Three parallel lines: all errors fall as one over the square root of the number of draws, from very different heights.
# The score estimator multiplies a random direction by a log-likelihood of a hundred nats or more, so that its sign is
# that of the noise. Subtracting a baseline removes most of that, and still the slope of $f$ is worth more. One draw
# through the bubble is enough to train on, which is why every VAE does it this way. (Discrete codes have no
# $\varepsilon$ to differentiate through; they must do with (16) or with the detours of other lectures.)
#
# ## 9 The VAE on digits
#
# Everything is in place. We keep the means of some test digits after every epoch, for later.

# %%
epochs = budget(smoke=10, cpu=20, gpu=400)
epoch_steps = budget(smoke=1, cpu=len(train_images) // 100, gpu=len(train_images) // 100)
n_kept = budget(smoke=60, cpu=1_000, gpu=1_000)
torch.manual_seed(0)
vae = VAE().to(device)
with torch.no_grad():
    kept_means = [vae.encode(test_x[:n_kept])[0].cpu()]


def watch():
    """Both terms of the bound on 500 test digits; keeps the means of the test digits."""
    kept_means.append(vae.encode(test_x[:n_kept])[0].cpu())
    reconstruction, kl = elbo_parts(vae, test_x[:500], generator=torch.Generator().manual_seed(2))
    return {"reconstruction": -reconstruction.mean(), "price of the code": kl.mean()}


histories = train(on_digits(elbo, vae), vae, train_images, epochs * epoch_steps, evaluate=watch, every=epoch_steps)
watched = {name: [value for history in histories for value in history.evals[name]] for name in histories[0].evals}
with torch.no_grad():
    vae_elbo = elbo(vae, test_x, generator=torch.Generator().manual_seed(2)).mean().item()
print(f"{epochs} epochs, {sum(h.seconds for h in histories):.0f} s: ELBO {vae_elbo:.1f} nats/image "
      f"(dynamic, {n_test:,} test digits)")
say(measured("08-bound"))
say(measured("04-nll"))

# %% [markdown]
# The two terms during training; then digits, their reconstructions from one draw of the bubble, and the test that the
# plain autoencoder failed: codes drawn from the prior.

# %%
with torch.no_grad():
    mu, logvar = vae.encode(test_x)
    rebuilt = vae.decode(reparameterise(mu[:18], logvar[:18], generator=generator)).sigmoid()
    prior_z = torch.randn(500, 20, generator=generator).to(device)
    samples = vae.decode(prior_z[:36]).sigmoid()
    trained_on = torch.cat([
        reparameterise(*vae.encode(binarise(part, generator=generator)), generator=generator)
        for part in train_images.split(2_000)
    ])
vae_ratio = emptiness(trained_on, prior_z) / emptiness(trained_on, reparameterise(mu, logvar, generator=generator))
fig, (ax, middle, right) = plt.subplots(1, 3, figsize=(11, 3.5), width_ratios=(4, 3, 3))
for (name, values), colour in zip(watched.items(), (DATA, MODEL), strict=True):
    ax.plot(range(1, len(values) + 1), values, color=colour, label=name)
ax.plot(range(1, len(values) + 1), np.sum(list(watched.values()), axis=0), color="black", label="sum = - ELBO")
ax.set(xlabel="epoch", ylabel="nats per test image", ylim=(0, None), title="the two forces")
ax.xaxis.get_major_locator().set_params(integer=True)
ax.legend()
echoes = torch.stack([test_x[:18].view(3, 6, 784), rebuilt.view(3, 6, 784)], 1).flatten(0, 2)
show_images(echoes.view(-1, 28, 28).cpu(), columns=6, ax=middle, title="digits, and below each its echo")
show_images(samples.view(-1, 28, 28).cpu(), columns=6, ax=right, title="codes drawn from the prior")
plt.show()
print(f"distance to the nearest code of a training digit: prior draws / test digits' codes = {vae_ratio:.2f}")
print(f"(plain autoencoder of section 4, with the best Gaussian: {plain_ratio:.2f})")

# %% [markdown]
# Many of the drawn codes give digits now, others something between two digits or, after so brief a training, a blot.
# The bubbles have filled the cloud, though not evenly, as the printed ratio says. The decoder is of the same kind as
# before (wider, trained longer, on black and white pixels). What matters is what its training asked about: regions
# instead of points, and the region that we draw from. Section 12 makes the fair comparison, the same net and the same
# steps with and without the price. The pictures show *probabilities* of pixels, which is why they look smooth: a
# factorised decoder has no other way to say that it is unsure where an edge runs.
#
# The price of the code *rises* while the sum falls. Before the first mark of this figure the net has learned the mean
# digit, for which no code is needed; then it buys information nat by nat, as long as each nat saves more than one in
# reconstruction: the threshold of section 6 at work.
#
# ## 10 How loose is the bound?
#
# The ELBO is a bound, so a bad ELBO can mean a bad model or a bad guess $q$. To know which, use more draws (Burda et
# al. 2016). Each draw $z_i$ from $q$ gives an unbiased estimate $w_i$ of $p(x)$, by (12): this is **importance
# sampling**. Average $k$ of them *before* taking the logarithm:
# $$\mathcal L_k = \mathbb E\left[\log \frac1k \sum_{i=1}^k w_i\right], \qquad
# w_i = \frac{p(z_i)\, p(x \mid z_i)}{q(z_i \mid x)}, \qquad
# \mathrm{ELBO} = \mathcal L_1 \le \mathcal L_2 \le \dots \le \log p(x) \tag{18}$$
# The average of $k$ is the average of averages of any fewer, so by Jensen's inequality more draws can only help; and as
# the average settles on $p(x)$, the bound closes, even if $q$ has the wrong shape, as long as it is nowhere zero where
# the posterior is not. Minus its mean is also a loss: a VAE trained on it is called **IWAE**.

# %%
def log_weights(model, x, k, *, generator=None):
    """log w of k draws from each image's bubble, eq. (18), and the draws.  x: (B, D) -> (k, B), (k, B, K)."""
    mu, logvar = model.encode(x)
    z = reparameterise(mu.expand(k, -1, -1), logvar.expand(k, -1, -1), generator=generator)  # (k, B, K)
    prior = log_normal(z, torch.zeros_like(mu), torch.zeros_like(mu))
    return log_bernoulli(model.decode(z), x) + prior - log_normal(z, mu, logvar), z


def importance_bound(model, x, k, *, generator=None):
    """One estimate of L_k, eq. (18), Burda et al. 2016, nats per image.  x: (B, D) -> (B,); differentiable."""
    log_w, _ = log_weights(model, x, k, generator=generator)
    return log_w.logsumexp(0) - math.log(k)                                                       # (18)


class Folded(nn.Module):
    """A VAE on a line whose five pixels see only |z|, so that the true posterior has two humps and q has one."""

    def encode(self, x):
        return x.new_zeros(len(x), 1), x.new_full((len(x), 1), math.log(1.2))

    def decode(self, z):
        return 4 * (z.abs() - z.new_tensor([0.4, 0.8, 1.2, 1.6, 2.0]))  # (..., 5)


folded, z_line = Folded(), torch.linspace(-9, 9, 18_001, dtype=torch.float64)[:, None]  # (18001, 1)
toy_x = torch.tensor([[1, 1, 1, 0, 0]], dtype=torch.float64)
zero = torch.zeros(1, dtype=torch.float64)
log_line = log_bernoulli(folded.decode(z_line), toy_x) + log_normal(z_line, zero, zero)  # log p(x, z) on the line
toy_log_px = (log_line.logsumexp(0) + math.log(1e-3)).item()

# %% [markdown]
# **Check**, where the integral can be done on a grid: a line of codes, five pixels, and a decoder that sees only $|z|$.
# The true posterior has two humps, our bubble has one. The bound must grow with $k$, stay below, and close.

# %%
ks = (1, 2, 5, 20, 100, 500)
toy_bound, toy_error = [], []
for k in ks:
    runs = importance_bound(folded, toy_x.expand(100_000 // k, -1), k, generator=generator)
    toy_bound.append(runs.mean().item())
    toy_error.append(runs.std().item() / math.sqrt(len(runs)))
q_line = log_normal(z_line, zero, zero + math.log(1.2)).exp()
toy_elbo = (1e-3 * q_line * (log_line - q_line.log())).sum().item()  # eq. (13) on the grid
direct = elbo(folded, toy_x.expand(100_000, -1), generator=generator)
assert abs(direct.mean() - toy_elbo) < 5 * direct.std() / math.sqrt(len(direct)), "elbo() and eq. (13) on the grid"
assert abs(toy_bound[0] - toy_elbo) < 5 * toy_error[0]
assert all(b < toy_log_px + 4 * e for b, e in zip(toy_bound, toy_error, strict=True))
assert all(after > before - 4 * e for before, after, e in zip(toy_bound, toy_bound[1:], toy_error, strict=False))
assert toy_log_px - toy_bound[-1] < 0.02
print(f"log p(x) = {toy_log_px:.3f}, ELBO on the grid {toy_elbo:.3f}; "
      + ", ".join(f"k={k}: {b:.3f}" for k, b in zip(ks, toy_bound, strict=True)))


@torch.no_grad()
def tightened(model, x, k, *, generator, rows=8_000):
    """importance_bound over all of x, `rows` decoded images at a time.  Returns (n,)."""
    return torch.cat([importance_bound(model, part, k, generator=generator) for part in x.split(max(1, rows // k))])


n_bound = budget(smoke=20, cpu=200, gpu=n_test)
digit_bound = {k: tightened(vae, test_x[:n_bound], k, generator=generator).mean().item() for k in ks}
print(f"digits ({n_bound} of the test set, dynamic): " + ", ".join(f"k={k}: {b:.2f}" for k, b in digit_bound.items()))

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.0))
axes[0].semilogx(ks, toy_bound, "o-", color=MODEL, label="$\\mathcal{L}_k$")
axes[0].axhline(toy_log_px, color="black", linewidth=1, label="$\\log p(x)$, by integration")
axes[0].set(xlabel="k", ylabel="nats", title="on the line")
axes[0].legend()
axes[1].semilogx(list(digit_bound), list(digit_bound.values()), "o-", color=MODEL)
axes[1].set(xlabel="k", ylabel="nats per image", title="the VAE of section 9 on test digits")
plt.show()
say(measured("08-iwae"))

# %% [markdown]
# On the line the bound climbs to the truth. On digits it climbs by several nats: so much, at least, the ELBO had
# charged to the model for the bubbles' fault. It has not come to rest at $k = 500$, because in twenty dimensions few
# draws from the bubble fall where the true posterior is; even this number is a bound. Comparisons between models need a
# large $k$, and the same one.
#
# As a loss the tighter bound is no free gift. A step with five draws costs about twice a step with one, and with equal
# CPU-minutes the two end close together (bench line above, with the VAE's number beside it). The gains that Burda et
# al. report are those of much longer training.
#
# **Play.** Draw $k$ candidates from the bubble and keep one, with probability proportional to its $w_i$: what is kept
# follows a new distribution, which the larger $k$ bends towards the true posterior.

# %%
def resampled(k=1):
    seed = torch.Generator().manual_seed(3)
    log_w, z = log_weights(folded, toy_x.expand(4_000, -1), k, generator=seed)  # (k, 4000), (k, 4000, 1)
    kept = z[..., 0].T.gather(1, torch.multinomial(log_w.T.softmax(1), 1, generator=seed))
    fig, ax = plt.subplots(figsize=(8, 2.8))
    ax.hist(kept[:, 0], bins=80, range=(-4, 4), density=True, color=MODEL, alpha=0.5, label="kept draws")
    ax.plot(z_line, q_line, color=MODEL, label="bubble q")
    ax.plot(z_line, (log_line - toy_log_px).exp(), color="black", label="true posterior")
    ax.set(xlim=(-4, 4), ylim=(0, 1), xlabel="z", ylabel="density")
    ax.set_title(f"k = {k}: bound {(log_w.logsumexp(0) - math.log(k)).mean():.3f}, log p(x) = {toy_log_px:.3f} nats")
    ax.legend()
    return fig


explore(resampled, k=[1, 2, 3, 5, 10, 20, 50, 100])

# %% [markdown]
# ## 11 A number that is not a likelihood
#
# Many programs feed *grey* pixels $x \in [0, 1]$ to the cross-entropy $-x\log\lambda - (1-x)\log(1-\lambda)$ and print
# the sum as if it were $-\log p(x)$. For $x \in \{0, 1\}$ it is. For grey $x$ the would-be density
# $\lambda^x (1-\lambda)^{1-x}$ has to integrate to one, and it does not:
# $$c(\lambda) = \int_0^1 \lambda^x (1-\lambda)^{1-x}\,dx
# = \frac{2\lambda - 1}{a} = \frac{\tanh(a/2)}{a} \;\le\; \tfrac12,
# \qquad a = \log\lambda - \log(1-\lambda) \tag{19}$$
# Divided by $c(\lambda)$ it becomes a distribution, the **continuous Bernoulli** (Loaiza-Ganem & Cunningham 2019). How
# much is missing over 784 pixels?

# %%
def log_mass(logits):
    """log of c(lambda), eq. (19), what the grey-level cross-entropy integrates to.  logits of lambda, any shape."""
    a = logits.double()
    return ((a / 2).tanh() / a).log().where(a.abs() > 1e-4, math.log(0.5))                        # (19)


lam = torch.linspace(0.003, 0.997, 200, dtype=torch.float64)
middles = ((torch.arange(20_000) + 0.5) / 20_000).double()
numeric = torch.stack([(v**middles * (1 - v) ** (1 - middles)).mean() for v in lam])
assert (numeric.log() - log_mass(lam.logit())).abs().max() < 1e-6
reference = torch.distributions.ContinuousBernoulli(lam).log_prob(torch.full_like(lam, 0.3))
assert torch.allclose(0.3 * lam.log() + 0.7 * (-lam).log1p() - log_mass(lam.logit()), reference, atol=1e-4)
with torch.no_grad():
    grey_z = reparameterise(*vae.encode(test_grey), generator=generator)
    grey_logits = vae.decode(grey_z).double().cpu()  # (n_test, 784)
missing = log_mass(grey_logits).sum(1).mean().item()
originals = test_grey.double().cpu()
grey_cost = -log_bernoulli(grey_logits, originals).mean().item()
copy_cost = F.binary_cross_entropy(originals, originals, reduction="sum").item() / n_test
print(f"grey cross-entropy, per image: reconstructions {grey_cost:.1f}; perfect copies {copy_cost:.1f}")
print(f"the 784 factors together integrate to e^({missing:.0f}); divided by that, as a density, the reconstructions "
      f"cost {grey_cost + missing:.0f} nats")
fig, ax = plt.subplots(figsize=(7, 2.4))
ax.plot(lam, log_mass(lam.logit()).exp(), color=MODEL, label="eq. (19)")
ax.plot(lam[::8], numeric[::8], "k.", label="numerical integral")
ax.axhline(1, color="#AAAAAA", linestyle=":")
ax.set(xlabel="$\\lambda$", ylabel="mass $c(\\lambda)$", ylim=(0, 1.05))
ax.set_title("What a grey pixel's cross-entropy integrates to")
ax.legend()
plt.show()

# %% [markdown]
# No pixel's factor has more than half of the mass of a density, and the surer the decoder is the less it has; 784 such
# factors multiply. For a plain autoencoder the cross-entropy will do as a loss: its minimum is at $\lambda = x$. In a
# VAE reconstruction is weighed against the KL, and the missing factor, which depends on $\lambda$, tips the scales;
# Loaiza-Ganem & Cunningham show that it matters. Even a *perfect* copy pays tens of nats for its grey edges, and the
# printed sum compares with nothing: neither with a density nor with the nats of binarised digits that happen to have
# the same size.
#
# ## 12 Beta, from nothing to everything
#
# Change the price of the code (Higgins et al. 2017):
# $$\mathcal L_\beta = \mathbb E_{q}\big[\log p(x\mid z)\big]
# - \beta\;\mathrm{KL}\big(q(z\mid x)\,\big\|\,p(z)\big) \tag{20}$$
# For $\beta > 1$ this is still a bound on $\log p(x)$, a looser one; for $\beta < 1$ it is none. The whole family is
# instructive, because it leads from one failure to another. At $\beta = 0$ nobody pays for the code, bubbles shrink to
# points, and we have the plain autoencoder. At large $\beta$ no code is worth its price and all bubbles *become* the
# prior. Between them units die one after the other, as the pair of section 6 did at $D = \beta$. A unit is dead if the
# centre of its bubble does not move with the image (Burda et al. 2016):
# $$A_j = \operatorname{Var}_x\big[\mu_j(x)\big], \qquad \text{unit } j \text{ is active where } A_j > 0.01 \tag{21}$$

# %%
def active_units(mu, *, threshold=0.01):
    """Which latent units are active, eq. (21): their posterior means vary over the data.  mu: (n, K) -> (K,) bool."""
    return mu.var(dim=0) > threshold                                                              # (21)


betas, beta_steps = (0.0, 0.1, 1.0, 4.0, 16.0, 64.0), budget(smoke=4, cpu=800, gpu=40_000)
family, facts = {}, {}
for beta in betas:
    torch.manual_seed(0)
    family[beta] = VAE(H=200).to(device)
    train(on_digits(partial(elbo, beta=beta), family[beta]), family[beta], train_images, beta_steps)  # (20)
    with torch.no_grad():
        reconstruction, kl = elbo_parts(family[beta], test_x, generator=torch.Generator().manual_seed(2))
        mu, logvar = family[beta].encode(test_x)
    facts[beta] = {"distortion": -reconstruction.mean().item(), "rate": kl.mean().item(),
                   "active": active_units(mu).sum().item(), "size": (0.5 * logvar).exp().median().item()}
    print(f"beta {beta:5}: distortion {facts[beta]['distortion']:6.1f} + rate {facts[beta]['rate']:6.1f} = "
          f"{facts[beta]['distortion'] + facts[beta]['rate']:6.1f} nats; {facts[beta]['active']:2} active units; "
          f"median sigma {facts[beta]['size']:.3f}")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3))
for total in range(50, 400, 50):
    left.plot([0, total], [total, 0], color="#CCCCCC", linewidth=1)
left.plot([f["rate"] for f in facts.values()], [f["distortion"] for f in facts.values()], "o-", color=MODEL)
for beta in betas[1:]:
    left.annotate(f"$\\beta$={beta:g}", (facts[beta]["rate"], facts[beta]["distortion"]), fontsize=9,
                  xytext=(7, -9 if beta == 16 else 3), textcoords="offset points")
left.set(xlabel="rate: KL to the prior (nats)", ylabel="distortion (nats)", xlim=(-4, 100), ylim=(0, 240))
left.set_title("grey: equal sums; $\\beta=0$ lies far to the right")
right.plot(range(len(betas)), [f["active"] for f in facts.values()], "o-", color="C2", label="active units of 20")
sizes = [20 * f["size"] for f in facts.values()]
right.plot(range(len(betas)), sizes, "o--", color="C3", label="20 x median $\\sigma$")
right.set(xticks=range(len(betas)), xticklabels=[f"{beta:g}" for beta in betas], xlabel="$\\beta$", ylim=(0, None),
          title="units and bubbles")
right.legend()
plt.show()

# %% [markdown]
# To the left of the elbow each nat of code saves several nats of reconstruction, to its right less than one; $\beta$ is
# the slope at which the trade stops (Alemi et al. 2018). The sum is best at $\beta = 1$, as it must be if training has
# done its work. Both ends fail, each in its own way. At 0 the code says everything and cannot be drawn from; at the
# other end it can be drawn from and says nothing. This second failure, **posterior collapse**, also happens at
# $\beta = 1$, wherever a decoder is so strong that it needs no code (an autoregressive one explains by itself what the
# code would; Bowman et al. 2016). The ELBO does not complain then. Active units do, so count them; and look at their
# nats as well, for the count is lenient, and units can pass the threshold that together carry less than one nat.
#
# **Play.** Where are the echoes best and the samples rubbish? Where are samples and echoes all the same picture? The
# bars show the nats in each unit, sorted.

# %%
def beta_view(beta=1.0):
    model, seed = family[beta], torch.Generator().manual_seed(4)
    with torch.no_grad():
        mu, logvar = model.encode(test_x)
        echo = model.decode(reparameterise(mu[:12], logvar[:12], generator=seed)).sigmoid()
        drawn = model.decode(torch.randn(24, 20, generator=seed).to(device)).sigmoid()
        unit_kl = torch.stack(kl_terms(mu[..., None], logvar[..., None])).sum(0).mean(0)  # (20,)
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.1), width_ratios=(3, 3, 3))
    sheet = torch.stack([test_x[:12].view(2, 6, 784), echo.view(2, 6, 784)], 1).flatten(0, 2)
    show_images(sheet.view(-1, 28, 28).cpu(), columns=6, ax=left, title="digits and echoes")
    show_images(drawn.view(-1, 28, 28).cpu(), columns=6, ax=middle, title=f"beta = {beta:g}: drawn from the prior")
    order = unit_kl.argsort(descending=True).cpu()
    on = active_units(mu).cpu()[order].numpy()
    right.bar(range(20), unit_kl.cpu()[order].clamp(min=1e-4), color=np.where(on, "C2", "#BBBBBB"))
    right.set(yscale="log", ylim=(1e-4, 100), xlabel="unit", ylabel="nats", title=f"{on.sum()} active (green)")
    return fig


explore(beta_view, beta=list(betas))

# %% [markdown]
# ## 13 A convolutional VAE, and walks in its space
#
# The codes do not care how encoder and decoder are built. Strides of two take 28 x 28 down to 7 x 7 and back, and
# weights are shared between places, so fewer of them are needed:

# %%
class ConvVAE(nn.Module):
    """The same interface on rows of 28 x 28 pixels, with convolutions of stride 2 inside."""

    encode = VAE.encode  # asks for nothing but self.encoder

    def __init__(self, K=20, C=24):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, C, 4, stride=2, padding=1), nn.ReLU(),  # (B, C, 14, 14)
            nn.Conv2d(C, 2 * C, 4, stride=2, padding=1), nn.ReLU(),  # (B, 2C, 7, 7)
            nn.Flatten(), nn.Linear(2 * C * 49, 2 * K),
        )
        self.decoder = nn.Sequential(
            nn.Linear(K, 2 * C * 49), nn.ReLU(), nn.Unflatten(1, (2 * C, 7, 7)),
            nn.ConvTranspose2d(2 * C, C, 4, stride=2, padding=1), nn.ReLU(),  # (B, C, 14, 14)
            nn.ConvTranspose2d(C, 1, 4, stride=2, padding=1), nn.Flatten(),  # (B, 784)
        )

    def decode(self, z):
        return self.decoder(z.reshape(-1, z.shape[-1])).view(*z.shape[:-1], -1)


conv = ConvVAE().to(device)
known = checkpoint("08_conv_vae", conv)
n_conv, k_conv = budget(smoke=10, cpu=100, gpu=1_000), budget(smoke=5, cpu=50, gpu=500)
compared = {}
for name, model in (("convolutional, checkpoint", conv), ("fully connected, section 9", vae)):
    compared[name] = tightened(model, test_x[:n_conv], k_conv, generator=generator, rows=2_000).mean().item()
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{name}: {parameters:,} parameters, k={k_conv}: {compared[name]:.1f} nats/image (dynamic, {n_conv} digits)")
print(f"the checkpoint: {known['cpu_seconds']} CPU-seconds, {known['steps']}, {known['data']}")
say(measured("08-conv-bound"))

# %% [markdown]
# The two lines compare minutes of training with seconds. The fair comparison is in the bench line: five CPU-minutes
# each, the same test digits, and the fully connected net's bound beside it. Sharing weights between places pays twice,
# in fewer of them and in nats.
#
# Now walk from a 3 to an 8. In pixel space the straight path is a double exposure. In code space we mix the centres of
# the two bubbles and decode:
# $$z_t = (1-t)\,\mu(x_a) + t\,\mu(x_b), \qquad t \in [0, 1] \tag{22}$$
# (The ends go in grey, as means of all their binarisations.) Which path stays among digits? An outside judge can be
# asked, the net of section 9, which drew none of these pictures: binarise every picture on the way and take its bound.
# (On the left, codes drawn from the prior: the test of section 4 once more, for a net with minutes of training.)

# %%
def walk_between(a, b, steps):
    """Codes on the straight line from a to b, eq. (22).  a, b: (..., K) -> (steps, ..., K)."""
    t = torch.linspace(0, 1, steps, device=a.device).view(-1, *[1] * a.ndim)
    return (1 - t) * a + t * b                                                                    # (22)


n_pairs, stops = budget(smoke=2, cpu=12, gpu=100), 9
threes, eights = ((test_labels == digit).nonzero()[:n_pairs, 0] for digit in (3, 8))
pairs = min(len(threes), len(eights))
with torch.no_grad():
    ends = [test_grey[index[:pairs]] for index in (threes, eights)]
    in_pixels = walk_between(*ends, stops)  # (9, pairs, 784)
    in_codes = conv.decode(walk_between(*(conv.encode(end)[0] for end in ends), stops)).sigmoid()
    conv_samples = conv.decode(torch.randn(36, 20, generator=generator).to(device)).sigmoid()
assert torch.allclose(in_pixels[[0, -1]], torch.stack(ends))
path_nats = {}
for name, path in (("pixels", in_pixels), ("codes", in_codes)):
    x = (torch.rand(path.shape, generator=generator).to(device) < path).float().flatten(0, 1)
    each = tightened(vae, x, k_conv // 5, generator=generator, rows=2_000)
    path_nats[name] = each.view(stops, pairs).mean(1).cpu()
fig, (first, left, right) = plt.subplots(1, 3, figsize=(11.5, 3.1), width_ratios=(6, 9, 7))
show_images(conv_samples.view(-1, 28, 28).cpu(), columns=6, ax=first, title="drawn from the prior")
rows = [path[:, i] for i in range(2) for path in (in_pixels, in_codes)]
show_images(torch.cat(rows).view(-1, 28, 28).cpu(), columns=stops, ax=left, title="mixed pixels, mixed codes, twice")
for (name, nats), colour in zip(path_nats.items(), (DATA, MODEL), strict=True):
    right.plot(torch.linspace(0, 1, stops), nats, "o-", color=colour, label=f"mixed {name}")
right.set(xlabel="t", ylabel="bound on log p (nats)", title=f"k = {k_conv // 5}, mean of {pairs} pairs")
right.legend()
plt.show()
halfway = {name: nats[stops // 2].item() for name, nats in path_nats.items()}
print("halfway, in nats: " + ", ".join(f"mixed {name} {nats:.0f}" for name, nats in halfway.items()))

# %% [markdown]
# The strokes of the drawn codes are sharper than in section 9, and still not all of them are digits: a better bound
# does not by itself fill every corner of the prior. On the walks the double exposure is noticed at once: halfway it is
# far less probable than either end. The walk through codes bends a stroke until it closes. It dips too, for few digits
# lie halfway between a 3 and an 8, but by much less. (This section's pictures rest on the checkpoint.)
#
# ## 14 A map of all digits
#
# With $K = 2$ the whole space of codes fits on paper. Take a grid of the unit square and send it through the inverse of
# the normal distribution function,
# $$z = \big(\Phi^{-1}(u_1),\, \Phi^{-1}(u_2)\big), \qquad u \in (0, 1)^2 \tag{23}$$
# so that every tile stands for the same share of the prior.

# %%
torch.manual_seed(0)
flat = VAE(K=2).to(device)
train(on_digits(elbo, flat), flat, train_images, budget(smoke=4, cpu=1_000, gpu=60_000), lr=4e-3)
tiles = 14
u = (torch.arange(tiles) + 0.5) / tiles
grid = torch.special.ndtri(torch.stack(torch.meshgrid(u, u.flip(0), indexing="xy"), -1))          # (23)  (14, 14, 2)
with torch.no_grad():
    flat_map = flat.decode(grid.to(device)).sigmoid().view(-1, 28, 28).cpu()
    flat_mu = flat.encode(test_x)[0].cpu()
    flat_elbo = elbo(flat, test_x, generator=torch.Generator().manual_seed(2)).mean().item()
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
show_images(flat_map, columns=tiles, ax=left, title="what each place is decoded to")
dots = right.scatter(*torch.special.ndtr(flat_mu).T, c=test_labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=8)
right.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="$\\Phi(\\mu_1)$", ylabel="$\\Phi(\\mu_2)$")
right.set_title("where test digits live")
fig.colorbar(dots, ax=right, ticks=range(10), label="digit")
plt.show()
print(f"K=2: ELBO {flat_elbo:.1f} nats/image (dynamic), against {vae_elbo:.1f} for K=20 with more steps")

# %% [markdown]
# Ones and zeros crowd at the edges, far from the middle of the prior, where the map has few tiles: the bubbles together
# do not have the shape of the prior. No label was used, and still the kinds of digit have moved apart: a code that has
# to be reconstructed from a noisy position puts neighbours where confusion is cheap, and a 4 is cheaply confused with a
# 9. Two numbers cost many nats against twenty. **Play.** Move through the map; the left picture is the decoder's answer
# at the cross.

# %%
def at_place(u1=0.3, u2=0.7):
    z = torch.special.ndtri(torch.tensor([u1, u2]))
    with torch.no_grad():
        picture = flat.decode(z.to(device)).sigmoid().view(28, 28).cpu()
    fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
    show_images(picture[None], ax=left, title=f"z = ({z[0]:.2f}, {z[1]:.2f})")
    right.scatter(*torch.special.ndtr(flat_mu).T, c=test_labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=5, alpha=0.6)
    right.plot(u1, u2, "k+", markersize=18, markeredgewidth=2.5)
    right.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title="test digits, by class")
    return fig


explore(at_place, u1=(0.02, 0.98, 0.02), u2=(0.02, 0.98, 0.02))

# %% [markdown]
# ## 15 Watching the classes part
#
# The code of section 9 has twenty dimensions. To look at it we need a map again: **t-SNE** (van der Maaten & Hinton
# 2008) places one dot for each digit so that near neighbours stay neighbours. Here are the means of the same test
# digits before training, and after five and ten epochs. For a number that does not depend on the map, ask in all twenty
# dimensions: how often has a digit's nearest neighbour the same class?

# %%
kept_labels = test_labels[:n_kept]


def near_their_own(codes):
    """Share of the kept test digits whose nearest neighbour by codes (n_kept, K) has the same class."""
    nearest = (torch.cdist(codes, codes) + 1e9 * torch.eye(n_kept)).argmin(1)
    return (kept_labels[nearest] == kept_labels).float().mean().item()


fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.5))
agreement = {}
for ax, stage in progress(list(zip(axes, (0, 5, 10), strict=True)), unit="maps"):
    means = kept_means[stage]
    agreement[stage] = near_their_own(means)
    dots = TSNE(perplexity=min(30, n_kept // 4), max_iter=500, init="pca", random_state=0).fit_transform(means.numpy())
    points = ax.scatter(*dots.T, c=kept_labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=5)
    ax.set(xticks=[], yticks=[], title=f"epoch {stage}: {100 * agreement[stage]:.0f}% near their own")
    ax.grid(False)
fig.colorbar(points, ax=axes, ticks=range(10), label="digit")
plt.show()
pixels_alone = near_their_own(test_grey[:n_kept].cpu())
by_pca = near_their_own(((test_x[:n_kept] - mean) @ U_device[:, :20]).cpu())
print(f"nearest neighbours of the same class: 784 grey pixels {100 * pixels_alone:.0f}%, 20 principal components "
      f"{100 * by_pca:.0f}%, the 20 means " + ", ".join(f"{100 * a:.0f}% (epoch {e})" for e, a in agreement.items()))

# %% [markdown]
# Even random weights keep neighbours near, since similar images get similar codes. After five epochs the classes have
# become islands, and after ten not much more happens. Look at the printed baselines before praising the net: the pixels
# alone come about as far, and so do twenty principal components. What was learned is to keep that neighbourhood in
# twenty numbers that can be drawn from. (Do not read distances *between* islands, or their sizes, off a t-SNE map.)
#
# ## 16 The encoder as a start for a classifier
#
# If the code knows the classes without labels, few labels should do. Take 100 labelled digits, the first layer of the
# encoder, and a fresh linear layer on top; train both on the 100. Beside it the same net from random weights. Five
# different hundreds, because one hundred digits is a lottery.

# %%
label_steps = budget(smoke=3, cpu=60, gpu=200)


def classify(first, x, y, *, seed, lr=3e-3):
    """Train a copy of `first` (784 -> 400, None: random), ReLU, a new linear layer on few digits.  Returns the net."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 10)).to(device)
    if first is not None:
        net[0].load_state_dict(first.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    for _ in range(label_steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net


accuracy = {"random start": [], "the VAE's encoder": []}
for seed in range(5):
    chosen = torch.randperm(len(grey), generator=torch.Generator().manual_seed(seed))[:100]
    for name, first in zip(accuracy, (None, vae.encoder[0]), strict=True):
        net = classify(first, grey[chosen], train_labels[chosen].to(device), seed=seed)
        with torch.no_grad():
            accuracy[name].append((net(test_grey).argmax(1).cpu() == test_labels).float().mean().item())
for name, values in accuracy.items():
    print(f"{name}: {100 * np.mean(values):.1f}% of {n_test:,} test digits right, standard deviation "
          f"{100 * np.std(values, ddof=1):.1f} over five hundreds of labels")
say(measured("08-init-100"))
fig, ax = plt.subplots(figsize=(6.5, 2.2))
for row, values in enumerate(accuracy.values()):
    ax.plot(100 * np.array(values), [row] * 5, "o", color=(DATA, MODEL)[row])
    ax.plot(100 * np.mean(values), row, "k|", markersize=26)
for pair in zip(*accuracy.values(), strict=True):
    ax.plot(100 * np.array(pair), [0, 1], color="#BBBBBB", linewidth=0.8, zorder=0)
ax.set(yticks=[0, 1], yticklabels=accuracy, ylim=(-0.5, 1.5), xlabel="test digits right (%)")
ax.set_title("100 labels, five times")
plt.show()

# %% [markdown]
# Grey lines join the same hundred digits. The encoder's start gains, but not much, and the choice of the hundred
# matters as much. That is worth a thought. The code spends more than twenty nats on a digit; which of the ten it is
# makes up at most $\log 10 \approx 2.3$ of them. The rest is slant, thickness and place, which a classifier has to
# ignore: features that rebuild a digit are not yet features that name it. Lectures 12 and 13 train encoders for that
# purpose.
#
# ## Results
#
# What this notebook measured. No paper's number stands beside ours, because none that we could open compares: the
# library pythae reproduces the IWAE of Burda et al. with $k = 50$ at 86.8 nats against the paper's 87.1, but on the
# full set, binarised once and for all. The PixelCNN of lecture 04, on our digits, is ahead by some ten nats after twice
# the training time: it draws each pixel knowing its neighbours, while our decoder, once it has the code, draws every
# pixel by itself.

# %%
record(linear_ae_minus_pca=(linear_loss(V, W, C) - left_over).item(), unit="squared error per image")
record(plain_code_emptiness=plain_ratio, unit="times the distance of test codes, random codes of an AE")
record(vae_code_emptiness=vae_ratio, unit="times the distance of test codes, random codes of a VAE")
record(gradient_variance_ratio=variance["score"] / variance["through the draw"], unit="score / through the draw")
record(vae_elbo_brief=-vae_elbo, unit=f"nats/image, dynamic, {n_test:,} test digits, brief training")
record(vae_bound_brief=-digit_bound[500], unit=f"nats/image, dynamic, k=500, {n_bound} test digits, brief training")
record(vae_bound=measured("08-bound")["ours"], unit="nats/image, dynamic, k=500, 5 CPU-minutes (bench)")
record(iwae_bound=measured("08-iwae")["ours"], unit="nats/image, dynamic, k=500, 5 CPU-minutes (bench)")
record(conv_vae_bound=-compared["convolutional, checkpoint"],
       unit=f"nats/image, dynamic, k={k_conv}, {n_conv} test digits, checkpoint")
record(grey_mass=missing, unit="log of the integral of the grey 'likelihood', per image")
for beta in (betas[0], betas[-1]):
    record(**{f"active_units_beta_{beta:g}": facts[beta]["active"]}, unit="of 20")
record(pixelcnn_of_lecture_04=measured("04-nll")["ours"], unit="nats/image, dynamic, exact, 10 CPU-minutes (bench)")
record(accuracy_100_labels_encoder=100 * np.mean(accuracy["the VAE's encoder"]), unit="% of test digits, mean of 5")
record(accuracy_100_labels_random=100 * np.mean(accuracy["random start"]), unit="% of test digits, mean of 5")

# %% [markdown]
# ## Takeaways
#
# - An autoencoder keeps what lowers its reconstruction error. If it is linear that is the plane of PCA; if it is wide
#   enough it is everything, and nothing is learned. Corrupting the input makes even a wide one learn, namely the slope
#   of the log-density of the noisy data.
# - A plain decoder knows points. Random codes fall between them.
# - A VAE replaces points by bubbles. Reconstruction pushes them apart, a spring and a well pull them into the prior,
#   and with weight one the two forces are a bound on $\log p(x)$ whose gap is $\mathrm{KL}(q\,\|\,p(z\mid x))$.
# - Differentiate through the draw where you can; the score works anywhere and pays for it in variance.
# - A bound is not the likelihood. Report $\mathcal L_k$ with its $k$, and the binarisation; grey cross-entropy is
#   neither a bound nor a likelihood.
# - A unit of the code lives only if it earns its price. Both ends of $\beta$ are failures that the loss alone does not
#   show.
# - A PixelCNN needs fewer nats an image, a VAE has a code. Which of the two matters depends on what you want to do.
#
# ## Exercises
#
# 1. Draw the eigenvectors of $C$ and the columns of $W$ as images. Which of the two change with the seed, and what do
#    the two sets have in common?
# 2. In (10), let the prior have width 2. Where does the threshold move?
# 3. Show that $\mathcal L_k \le \mathcal L_{k+1}$: write the average over $k + 1$ draws as the mean over which draw is
#    left out.
# 4. Give each bubble a full covariance, $z = \mu + L\varepsilon$. Which of the three terms of (9) change? Does the
#    bound of the VAE of section 9 get better?
# 5. Warm-up: raise $\beta$ from 0 to 1 during the first half of the training at $K = 50$, and count active units with
#    and without.
# 6. Walk from a 3 to an 8 along a great circle instead of (22). In how many dimensions does it begin to matter?
# 7. Fit a Gaussian to *all* draws of $z$ from the bubbles of the test digits. How far is it from the prior, in nats,
#    and what would you gain by drawing from it?
# 8. Section 16 with 10, 30, 1,000 and 10,000 labels: where do the two starts meet?
#
# ## References
#
# - P. Baldi, K. Hornik (1989). Neural networks and principal component analysis: learning from examples without local
#   minima. *Neural Networks* 2, 53-58.
#   [doi:10.1016/0893-6080(89)90014-2](https://doi.org/10.1016/0893-6080%2889%2990014-2).
# - R. J. Williams (1992). Simple statistical gradient-following algorithms for connectionist reinforcement learning.
#   *Machine Learning* 8, 229-256. [doi:10.1007/BF00992696](https://doi.org/10.1007/BF00992696).
# - L. van der Maaten, G. Hinton (2008). Visualizing data using t-SNE. *JMLR* 9, 2579-2605.
#   [jmlr.org](https://jmlr.org/papers/v9/vandermaaten08a.html).
# - P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol (2008). Extracting and composing robust features with denoising
#   autoencoders. *ICML*. [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - P. Vincent (2011). A connection between score matching and denoising autoencoders. *Neural Computation* 23,
#   1661-1674. [doi:10.1162/NECO_a_00142](https://doi.org/10.1162/NECO_a_00142).
# - G. Alain, Y. Bengio (2014). What regularized auto-encoders learn from the data-generating distribution. *JMLR* 15,
#   3743-3773. [arXiv:1211.4246](https://arxiv.org/abs/1211.4246).
# - D. P. Kingma, M. Welling (2014). Auto-encoding variational Bayes. *ICLR*.
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114).
# - D. J. Rezende, S. Mohamed, D. Wierstra (2014). Stochastic backpropagation and approximate inference in deep
#   generative models. *ICML*. [arXiv:1401.4082](https://arxiv.org/abs/1401.4082).
# - Y. Burda, R. Grosse, R. Salakhutdinov (2016). Importance weighted autoencoders. *ICLR*.
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519).
# - S. R. Bowman, L. Vilnis, O. Vinyals, A. M. Dai, R. Jozefowicz, S. Bengio (2016). Generating sentences from a
#   continuous space. *CoNLL*. [arXiv:1511.06349](https://arxiv.org/abs/1511.06349).
# - I. Higgins, L. Matthey, A. Pal, C. Burgess, X. Glorot, M. Botvinick, S. Mohamed, A. Lerchner (2017). beta-VAE:
#   learning basic visual concepts with a constrained variational framework. *ICLR*.
#   [openreview.net](https://openreview.net/forum?id=Sy2fzU9gl).
# - A. A. Alemi, B. Poole, I. Fischer, J. V. Dillon, R. A. Saurous, K. Murphy (2018). Fixing a broken ELBO. *ICML*.
#   [arXiv:1711.00464](https://arxiv.org/abs/1711.00464).
# - G. Loaiza-Ganem, J. P. Cunningham (2019). The continuous Bernoulli: fixing a pervasive error in variational
#   autoencoders. *NeurIPS*. [arXiv:1907.06845](https://arxiv.org/abs/1907.06845).
