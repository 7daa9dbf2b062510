# ---
# jupyter:
#   course:
#     title: "08 Autoencoders and VAEs"
#     summary: "build a variational autoencoder, bound its likelihood, train it, and find which of its units are alive"
#     minutes: 120
# ---

# %% [markdown]
# # Lab 08: From points to bubbles
# An autoencoder squeezes an image through a few numbers and gets it back. It gives every image a point, and what lies
# between the points is nobody's business, so a random code decodes to rubbish. A variational autoencoder gives every
# image a bubble instead, and pays for every bubble that is too small or too far out. What it maximises, the ELBO, is a
# lower bound of the likelihood. You build it piece by piece, train it on digits in under a minute, tighten the bound,
# walk through its latent space, and count how many of its dimensions carry anything at all.
#
# **Afterwards you can** write an encoder that returns a distribution; send gradients through a random draw; compute the
# KL divergence to the prior and check it against an integral; say in nats what an ELBO bounds, and tighten it with
# importance weights that never overflow; interpolate between images; recognise a collapsed posterior.
#
# **Needs** lecture 08, `nn.Module`, `autograd`, the normal distribution. No GPU. About two hours, 8 tasks, 24 points.
# Tasks 1, 2, 3, 7 and 8 stand alone; 4 uses 2 and 3, 5 uses 4, 6 uses 2 and 4. The figures use what stands above them.
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
import itertools
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.patches import Ellipse
from torch import nn

from utils.data import binarise, digits
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import fit

use_style()

# %% [markdown]
# ## The data
# The course's 10,000 digits, 9,000 to learn from and 1,000 held out. A grey value is read as a probability: whenever an
# image is used, its 784 pixels are drawn black or white anew (dynamic binarisation). Every likelihood in this lab is
# for such images. For grey pixels the same formula still gives a number, but not the logarithm of a probability.

# %%
images, labels = digits()
grey = images.flatten(1)  # (10000, 784) uint8 in 0..255
train, held_out, held_out_labels = grey[:9000], grey[9000:], labels[9000:]
x_held_out = binarise(held_out, generator=torch.Generator().manual_seed(0))  # (1000, 784) in {0, 1}

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.3))
show_images(images[9000:9024], columns=8, ax=left, title="grey")
show_images(x_held_out[:24].view(-1, 28, 28), columns=8, ax=right, title="drawn black or white")
plt.show()

# %% [markdown]
# ## 1 Encoder and decoder
# **3 points · 14 minutes · easy**
#
# Two small networks. The **encoder** looks at an image $x$ of $D$ pixels and answers with two vectors of $K$ numbers,
# the mean and the logarithm of the variance of a normal distribution over codes. The **decoder** takes a code $z$ and
# answers with one logit a pixel. Each has one hidden layer of $H$ ReLU units:
# $$[\,\mu(x)\,;\,\ell(x)\,] = W_2\,\mathrm{relu}(W_1 x + b_1) + b_2, \qquad q(z \mid x) = \mathcal N\bigl(z;\,\mu(x),
# \mathrm{diag}\, e^{\ell(x)}\bigr) \tag{1}$$
# $$a(z) = W_4\,\mathrm{relu}(W_3 z + b_3) + b_4, \qquad p(x_d = 1 \mid z) = \sigma(a_d(z)) \tag{2}$$
# Why the logarithm $\ell = \ln \sigma^2$? A network's output can be any real number. A variance cannot; its logarithm
# can. **The first $K$ outputs of the encoder are $\mu$, the last $K$ are $\ell$.**
#
# <details><summary>Hint 1: the idea</summary>
#
# `nn.Sequential` chains layers. The last layer of the encoder is twice as wide as the code; cutting its output in two
# halves along the last axis gives the two vectors.
#
# </details>
#
# <details><summary>Hint 2: the shape of the code</summary>
#
# `self.encoder = nn.Sequential(a linear layer, nn.ReLU(), another linear layer)`, and the same for `self.decoder`.
# `tensor.chunk(2, dim=-1)` returns both halves. `nn.Linear` acts on the last axis and leaves any axes before it
# alone, so `decode` needs no reshaping.
#
# </details>


# %% task="vae" points=3 minutes=14
class VAE(nn.Module):
    """The two networks of eqs. (1) and (2). D: pixels. H: hidden units. K: numbers in a code.

    self.encoder and self.decoder: an nn.Sequential each, of linear layer, ReLU, linear layer, so the parameters are
    encoder.0.weight (H, D), encoder.0.bias (H,), encoder.2.weight (2K, H), encoder.2.bias (2K,),
    decoder.0.weight (H, K), decoder.0.bias (H,), decoder.2.weight (D, H), decoder.2.bias (D,).
    The check fills them with numbers of its own, calls encode and decode, and asks all of them for gradients.
    """

    def __init__(self, D=784, H=400, K=20):
        # BEGIN SOLUTION
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))  # (1)
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))  # (2)
        # END SOLUTION

    def encode(self, x):
        """x: (B, D) float in [0, 1]. Returns (mu, logvar), (B, K) each, any real numbers."""
        # BEGIN SOLUTION
        return self.encoder(x).chunk(2, dim=-1)  # (1)
        # END SOLUTION

    def decode(self, z):
        """z: (..., K) float, with any axes before the last. Returns logits (..., D), not probabilities."""
        # BEGIN SOLUTION
        return self.decoder(z)  # (2)
        # END SOLUTION


# %% check="vae" points=1
# The encoder's two outputs, with given parameters.


def filled_vae(*sizes):
    """The student's VAE with parameters of the check."""
    model = VAE(*sizes)
    D, H, K = sizes or (784, 400, 20)
    shapes = {"encoder.0": (H, D), "encoder.2": (2 * K, H), "decoder.0": (H, K), "decoder.2": (D, H)}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, (n_out, n_in) in shapes.items():
            parameters[f"{name}.weight"].copy_(2 * fresh(n_out, n_in) / math.sqrt(n_in))
            parameters[f"{name}.bias"].copy_(0.3 * fresh(n_out))
    return model


mu, logvar = filled_vae(7, 9, 4).encode((fresh(16, 7) > 0).float())
check(
    mu=mu,
    atol=1e-5,
    hint="Sixteen images of 7 pixels, H = 9, K = 4. Shape (16, 8): encode returns two vectors, not one. Right shape, "
    "wrong numbers: the first K outputs are mu; is there a ReLU between the two layers, and none after the second?",
)
check(
    logvar=logvar,
    atol=1e-5,
    hint="The last K outputs, as they are: any real number. All positive: an exp, softplus or ReLU too many.",
)

# %% check="vae" points=2
# The decoder's logits, with given parameters, and the gradients of all parameters.


def filled_vae(*sizes):
    """The student's VAE with parameters of the check."""
    model = VAE(*sizes)
    D, H, K = sizes or (784, 400, 20)
    shapes = {"encoder.0": (H, D), "encoder.2": (2 * K, H), "decoder.0": (H, K), "decoder.2": (D, H)}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, (n_out, n_in) in shapes.items():
            parameters[f"{name}.weight"].copy_(2 * fresh(n_out, n_in) / math.sqrt(n_in))
            parameters[f"{name}.bias"].copy_(0.3 * fresh(n_out))
    return model


network = filled_vae(7, 9, 4)
check(
    logits=network.decode(fresh(5, 4)),
    atol=1e-5,
    hint="Five codes of 4 numbers. Shape (5, 7), one logit a pixel. All between 0 and 1: these are "
    "probabilities; leave the sigmoid to whoever needs it. None negative: a ReLU after the last layer.",
)
check(
    many_codes=network.decode(fresh(2, 5, 4)),
    atol=1e-5,
    hint="Codes of shape (2, 5, 4), two for each of five images: the logits have shape (2, 5, 7).",
)
whole = filled_vae()
check(
    defaults=torch.cat([whole.encode(fresh(2, 784).sigmoid())[1], whole.decode(fresh(2, 20))], dim=1),
    atol=1e-4,
    hint="VAE() without arguments: 784 pixels, 400 hidden units, codes of 20 numbers. Wrong numbers and the right "
    "shape: mend the check above first.",
)
mu, logvar = network.encode((fresh(6, 7) > 0).float())
target = (network.decode(mu + logvar).tanh() * fresh(6, 7)).sum()
slopes = torch.autograd.grad(target, [p for _, p in sorted(network.named_parameters())], materialize_grads=True)
check(
    gradients=torch.cat([slope.flatten() for slope in slopes]),
    rtol=1e-4,
    atol=1e-5,
    hint="Gradients of all eight parameters, encoder and decoder together. All zero: a detach, a .data or a no_grad "
    "stands in the way.",
)

# %% [markdown]
# **Look.** First without any probability: a plain autoencoder. Your two networks are trained to give back the images
# that they see, with codes of two numbers so that one can look at them; the log-variances are ignored. Left, the codes
# of the held-out digits, in colours for their classes that the network never saw. Right, what it makes of random
# points of the standard normal distribution, whose 2-sigma circle is drawn on the left.


# %%
def reconstruction(model, x):
    """Cross-entropy of a plain autoencoder, codes without noise: nats an image (x are black and white)."""
    return F.binary_cross_entropy_with_logits(model.decode(model.encode(x)[0]), x, reduction="sum") / len(x)


torch.manual_seed(0)
plain, coin = VAE(784, 200, 2), torch.Generator().manual_seed(0)
fit(
    lambda batch: reconstruction(plain, binarise(batch, generator=coin)),
    plain,
    train,
    steps=600,
    batch_size=100,
    lr=2e-3,
    generator=torch.Generator().manual_seed(1),
)
with torch.no_grad():
    codes = plain.encode(x_held_out)[0]
    guesses = plain.decode(torch.randn(32, 2, generator=torch.Generator().manual_seed(2))).sigmoid()
    print(f"held out: {reconstruction(plain, x_held_out):.0f} nats an image to give back what it sees")
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), width_ratios=[1.1, 1])
dots = left.scatter(*codes.T, c=held_out_labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=6)
left.add_patch(plt.Circle((0, 0), 2, fill=False, color="k", lw=1.5))
left.set(xlabel="code, first number", ylabel="second number", title="a point for every image", aspect="equal")
fig.colorbar(dots, ax=left, ticks=range(10), label="digit")
show_images(guesses.view(-1, 28, 28), columns=8, ax=right, title="decoded from random points")
plt.show()

# %% [markdown]
# The images fill a region of their own making, on a scale of its own. Random points hit a small part of it, where many
# classes are crowded together, and otherwise places to which no image was ever sent: a few blurred shapes come again
# and again, and whole classes never. The cure has two halves. Every image gets a bubble, so that its neighbourhood
# decodes to it as well (task 2), and all bubbles together are pulled to the place that we shall sample from (task 3).
#
# ## 2 A draw that gradients can pass
# **2 points · 8 minutes · easy**
#
# The decoder is trained on codes drawn from $q(z \mid x)$. To draw is not a differentiable operation, at least not with
# respect to $\mu$ and $\ell$, if somebody else does the drawing. So separate the chance from the parameters. Draw
# $\varepsilon$ from the standard normal distribution, which has no parameters, then move and scale it:
# $$z = \mu + \sigma \odot \varepsilon, \qquad \sigma = e^{\ell/2}, \quad \varepsilon \sim \mathcal N(0, I) \tag{3}$$
# For a fixed $\varepsilon$ this is an ordinary function of $\mu$ and $\ell$, with ordinary gradients:
# $\partial z/\partial \mu = 1$ and $\partial z/\partial \ell = \tfrac12 \sigma\varepsilon$. (In the lecture the
# function draws $\varepsilon$ itself. Here it is given, so that your result can be compared.)
#
# <details><summary>Hint 1: the idea</summary>
#
# Half of the log-variance is the logarithm of the standard deviation. Everything else is an addition and a product.
#
# </details>
#
# <details><summary>Hint 2: what breaks the gradient</summary>
#
# Anything that leaves PyTorch (`.numpy()`, `.item()`), `.detach()`, `.data`, and `torch.normal(mu, sigma)`, which draws
# its own noise and passes nothing on.
#
# </details>


# %% task="reparameterise" points=2 minutes=8
def reparameterise(mu, logvar, eps):
    """Codes drawn from q(z|x) with given noise, eq. (3).

    mu, logvar: (B, K) float. eps: (B, K), or (k, B, K) for k draws an image. Returns the shape of eps, the dtype of mu.
    Leaves its arguments as they are. The check also asks for the gradients with respect to mu and logvar.
    """
    # BEGIN SOLUTION
    return mu + torch.exp(logvar / 2) * eps  # (3)
    # END SOLUTION


# %% check="reparameterise" points=2
# Codes for given noise, one and several an image, and the gradients that come through.
mu, logvar, eps = fresh(5, 3), 2 * fresh(5, 3), fresh(5, 3)
check(
    z=reparameterise(mu, logvar, eps),
    hint="mu + sigma * eps. Too spread out where logvar > 0 and too narrow where it is negative: that was the "
    "variance, not the standard deviation. Other numbers at every run: use the eps that is given.",
)
check(
    several_draws=reparameterise(mu, logvar, fresh(4, 5, 3)),
    hint="Four draws for each of five images, shape (4, 5, 3), with the same mu and logvar as before. An error: let "
    "broadcasting do it. Right for one draw and wrong here: did the first call change mu or logvar?",
)
for what in (mu, logvar):
    what.requires_grad_()
z, pull = reparameterise(mu, logvar, eps), fresh(5, 3)
through_mu, through_logvar = torch.autograd.grad((z * pull).sum(), (mu, logvar), allow_unused=True)
check(
    gradient_mu=torch.zeros(1) if through_mu is None else through_mu,
    hint="dz/dmu = 1: what pulls at z pulls at mu. Shape (1,): nothing arrives. An error: z does not depend on mu or "
    "logvar in autograd's eyes.",
)
check(
    gradient_logvar=torch.zeros(1) if through_logvar is None else through_logvar,
    hint="dz/dlogvar = sigma eps / 2. Shape (1,): nothing arrives at logvar, because of detach, data or no_grad.",
)

# %% [markdown]
# **Look.** Three bubbles, 400 draws from each, and the circles of one and two standard deviations that belong to them.

# %%
mu_three = torch.tensor([[-2.0, 0.0], [0.8, 0.9], [2.2, -1.0]])
logvar_three = torch.tensor([[0.0, 0.0], [-3.0, -1.0], [-1.0, -4.0]])
bubbles = reparameterise(mu_three, logvar_three, torch.randn(400, 3, 2, generator=torch.Generator().manual_seed(0)))
fig, ax = plt.subplots(figsize=(6, 3.6))
for n, colour in enumerate((DATA, MODEL, "C2")):
    ax.plot(*bubbles[:, n].T, ".", color=colour, ms=3, alpha=0.5)
    for times in (1, 2):
        width, height = (2 * times * torch.exp(logvar_three[n] / 2)).tolist()
        ax.add_patch(Ellipse(mu_three[n].tolist(), width, height, fill=False, edgecolor="k", lw=1.2))
ax.set(xlabel="first number of the code", ylabel="second number", aspect="equal", title="400 draws from three bubbles")
plt.show()

# %% [markdown]
# ## 3 What a bubble costs
# **3 points · 14 minutes · medium**
#
# Left alone, the bubbles shrink to points and run away from each other: that makes reconstruction easiest. So every
# bubble pays for how far its distribution is from the prior $p(z) = \mathcal N(0, I)$, by the Kullback-Leibler
# divergence. Between normal distributions the integral can be done once and for all, and it falls into two parts:
# $$\mathrm{KL}(q \,\|\, p) = \int q(z) \ln \frac{q(z)}{p(z)}\, dz
# = \underbrace{\sum_{j=1}^K \tfrac12 \mu_j^2}_{\text{spring}}
# + \underbrace{\sum_{j=1}^K \tfrac12\bigl(e^{\ell_j} - 1 - \ell_j\bigr)}_{\text{well}} \tag{4}$$
# The **spring** pulls the mean to the origin, as a spring does, with a force that grows with the distance. The **well**
# is a valley with its floor at $\sigma^2 = 1$: towards small bubbles it rises without end, though only in a straight
# line in $\ell$, towards large ones exponentially. (The lecture draws it as two terms, the price of being large and the
# price of being small, so its `kl_terms` returns three.) Spring and well are zero together exactly where $q$ is the
# prior. The unit is the nat.
#
# <details><summary>Hint 1: the idea</summary>
#
# Nothing to integrate: (4) is the result. Everything is per image, so the sum runs over the last axis and no other.
#
# </details>
#
# <details><summary>Hint 2: the signs</summary>
#
# Both parts are never negative, whatever goes in. If yours is, look at the three terms of the well.
#
# </details>


# %% task="kl_to_prior" points=3 minutes=14
def kl_terms(mu, logvar):
    """The two parts of KL(q || p) of eq. (4), (spring, well).

    mu, logvar: (..., K) float, any axes before the last. Returns two tensors (...), in nats, neither ever negative.
    """
    # BEGIN SOLUTION
    spring = mu.square().sum(-1) / 2
    well = (logvar.exp() - 1 - logvar).sum(-1) / 2
    return spring, well  # (4)
    # END SOLUTION


def kl_to_prior(mu, logvar):
    """KL(q || p) of each bubble in nats, eq. (4): spring and well together. (..., K) twice -> (...).

    The check compares it with a numeric integral, and asks for its gradients.
    """
    # BEGIN SOLUTION
    return sum(kl_terms(mu, logvar))  # (4)
    # END SOLUTION


# %% check="kl_to_prior" points=1
# Spring and well one by one.
mu, logvar = fresh(6, 4), 2 * fresh(6, 4)
spring, well = kl_terms(mu, logvar)
check(
    spring=spring,
    hint="Half the sum of the squares of mu. Shape (6,), one number an image. Shape (4,): summed over the images. A "
    "quarter of it, or an eighth: a mean in place of the sum.",
)
check(
    well=well,
    hint="Half the sum of exp(logvar) - 1 - logvar: logvar is the logarithm of the variance, not of the standard "
    "deviation. Negative numbers: a sign, or the 1, is wrong.",
)

# %% check="kl_to_prior" points=2
# The divergence against a numeric integral, for several axes, and its gradients.
mu, logvar = fresh(8, 1), fresh(8, 1)
z = torch.linspace(-16, 16, 8001, dtype=torch.float64)
log_q = torch.distributions.Normal(mu.double(), (logvar.double() / 2).exp()).log_prob(z)  # (8, 8001)
log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z)
integral = (log_q.exp() * (log_q - log_p)).sum(1) * (z[1] - z[0])
check(
    minus_the_integral=torch.as_tensor(kl_to_prior(mu, logvar)) - integral,
    atol=1e-4,
    hint="Eight bubbles in one dimension: your KL minus the integral of q ln(q / p), done numerically. All of it "
    "should be zero. Shape (8,) is expected: one number a bubble. Is it KL(q || p), and not KL(p || q)?",
)
check(
    kl=kl_to_prior(fresh(3, 5), 2 * fresh(3, 5)),
    hint="Three bubbles in five dimensions: the sum of spring and well, over the five.",
)
check(
    more_axes=kl_to_prior(fresh(2, 3, 4), fresh(2, 3, 4)),
    hint="Bubbles of shape (2, 3, 4): K is the last axis, so shape (2, 3) comes back.",
)
mu, logvar = fresh(4, 3).requires_grad_(), fresh(4, 3).requires_grad_()
slopes = torch.autograd.grad(kl_to_prior(mu, logvar).sum(), (mu, logvar))
check(
    gradients=torch.stack(slopes),
    hint="The forces on mu and on logvar: mu itself, and (exp(logvar) - 1) / 2.",
)

# %% [markdown]
# **Look.** The spring and the well, and a test that needs no formula: the average of $\ln q(z) - \ln p(z)$ over draws
# from $q$ is a Monte Carlo estimate of the same number. It comes closer with the square root of the number of draws;
# (4) is there at once.

# %%
axis = torch.linspace(-4, 4, 161)[:, None]
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
left.plot(axis, kl_terms(axis, torch.zeros_like(axis))[0], color=DATA, label="spring, over $\\mu$")
left.plot(axis, kl_terms(torch.zeros_like(axis), axis)[1], color=MODEL, label="well, over $\\ell = \\ln\\sigma^2$")
left.set(xlabel="$\\mu$ or $\\ell$", ylabel="nats", ylim=(-0.3, 9), title="what one dimension costs")
left.legend(loc="upper center")

mu_one, logvar_one = torch.tensor([[1.0, -0.5]]), torch.tensor([[-2.0, 0.5]])
counts = torch.tensor([2**n for n in range(2, 16)])
for colour, seed in (("C4", 0), ("C5", 1), ("C6", 2)):
    noise = torch.randn(int(counts[-1]), 1, 2, generator=torch.Generator().manual_seed(seed))
    q = torch.distributions.Normal(mu_one, torch.exp(logvar_one / 2))
    draws = reparameterise(mu_one, logvar_one, noise)
    log_ratio = (q.log_prob(draws) + draws**2 / 2 + math.log(2 * math.pi) / 2).sum((1, 2))
    right.semilogx(counts, (log_ratio.cumsum(0) / torch.arange(1, len(noise) + 1))[counts - 1], color=colour, lw=1.2)
right.axhline(kl_to_prior(mu_one, logvar_one).item(), color="k", lw=1.2, ls=":", label="eq. (4)")
right.set(xlabel="draws", ylabel="nats", title="three Monte Carlo estimates of one KL")
right.legend()
plt.show()

# %% [markdown]
# ## 4 The bound
# **5 points · 24 minutes · medium**
#
# The probability of an image is an integral over all codes, $p(x) = \int p(x \mid z)\, p(z)\, dz$, and cannot be had.
# What can be had is a number that is never above it:
# $$\ln p(x) \;\ge\; \underbrace{\mathbb E_{q(z \mid x)}\bigl[\ln p(x \mid z)\bigr]}_{\text{reconstruction}}
# - \mathrm{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr) = \mathrm{ELBO}(x) \tag{5}$$
# and what is missing is exactly $\mathrm{KL}(q(z \mid x) \,\|\, p(z \mid x))$: how far the bubble is from the true
# posterior. The pixels are black or white, with logits $a(z)$, so that
# $$\ln p(x \mid z) = \sum_{d=1}^D \bigl(x_d \ln \sigma(a_d) + (1 - x_d) \ln(1 - \sigma(a_d))\bigr) \tag{6}$$
# It is a **sum** over the pixels. With the mean, the reconstruction would be divided by 784 and the KL would not, and
# the network would find it best to ignore its codes. The expectation in (5) is estimated by a single draw (3), the KL
# is exact (4), and a factor $\beta$ can weigh the two against each other:
# $$\mathrm{ELBO}_\beta(x) \approx \ln p(x \mid z) - \beta\, \mathrm{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr), \qquad
# z = \mu(x) + e^{\ell(x)/2} \odot \varepsilon \tag{7}$$
# With $\beta > 1$ it is still a lower bound on $\ln p(x)$, a looser one; with $\beta < 1$ it is no bound any more.
#
# <details><summary>Hint 1: the idea</summary>
#
# Three steps in the order in which the data flow: encode, draw, decode. Then (6) for the result, minus $\beta$ times
# your `kl_to_prior`.
#
# </details>
#
# <details><summary>Hint 2: the logarithm of a sigmoid</summary>
#
# `torch.sigmoid` of a logit of 150 is exactly 1, and the logarithm of 1 - 1 is minus infinity. `F.logsigmoid` takes the
# logit itself, and $1 - \sigma(a) = \sigma(-a)$. Or use that (6) is $\sum_d x_d a_d - \ln(1 + e^{a_d})$, whose last
# term is `F.softplus`.
#
# </details>
#
# <details><summary>Hint 3: several codes for one image</summary>
#
# In task 6 logits of shape (k, B, D) meet images of shape (B, D). Arithmetic broadcasts by itself;
# `F.binary_cross_entropy_with_logits` does not and wants `x.expand_as(logits)`.
#
# </details>


# %% task="elbo" points=5 minutes=24
def log_bernoulli(logits, x):
    """ln p(x|z) of black and white images in nats, eq. (6), summed over the last axis.

    logits: (..., D) float, any real numbers. x: (..., D) float, 0 or 1; the axes before the last broadcast against each
    other, as in logits (k, B, D) and x (B, D). Returns (...), all finite. The check tries logits up to 300.
    """
    # BEGIN SOLUTION
    return (x * logits - F.softplus(logits)).sum(-1)  # (6)
    # END SOLUTION


def elbo(model, x, eps, beta=1.0):
    """The evidence lower bound of each image in nats, estimated with one draw, eq. (7).

    model: has encode: (B, D) -> (mu, logvar), (B, K) each, and decode: (B, K) -> logits (B, D); eqs. (1) and (2).
    x: (B, D) float, 0 or 1. eps: (B, K), standard normal noise. beta: float, the weight of the KL.
    Returns (B,), differentiable. The check compares it with ln p(x) for all images of four pixels.
    """
    # BEGIN SOLUTION
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)  # (7)
    # END SOLUTION


# %% check="elbo" points=2
# The probabilities of all images of 6 pixels, extreme logits, gradients, several codes an image.
every = ((torch.arange(64)[:, None] >> torch.arange(6)) % 2).float()  # (64, 6): all of them
check(
    cumulative=torch.as_tensor(log_bernoulli(fresh(6).expand(64, 6), every)).exp().cumsum(0),
    rtol=1e-4,
    hint="Shape (64,), and the probabilities add up to 1. More: a mean over the pixels, or the sign? Less: is the term "
    "of the black pixels, (1 - x) ln(1 - p), there?",
)
x = (fresh(5, 8) > 0).float()
check(
    far=log_bernoulli(300 * fresh(5, 8).tanh(), x),
    rtol=1e-4,
    atol=1e-3,
    hint="Logits up to 300. inf or nan: the sigmoid was 0 or 1. Stops near 100 a pixel: PyTorch's binary_cross_entropy "
    "cuts logarithms off there. Use the logits.",
)
logits = (20 * fresh(5, 8)).requires_grad_()
check(
    gradient=torch.autograd.grad(log_bernoulli(logits, x).sum(), logits)[0],
    rtol=1e-4,
    atol=1e-5,
    hint="The gradient in the logits is x - sigmoid(logits). nan: somewhere 0 times infinity. Zero: something was "
    "rounded, clamped or detached.",
)
check(
    several_codes=log_bernoulli(fresh(3, 5, 8), x),
    rtol=1e-4,
    hint="Logits of shape (3, 5, 8), images of shape (5, 8): shape (3, 5) comes back.",
)

# %% check="elbo" points=3
# The bound of single images, with other weights, its gradients, and ln p(x) beside it.


class Toy:
    """A small model with the interface of task 1."""

    def __init__(self, D, K, scale=0.6):
        shapes = [(D, K), (K,), (D, K), (K,), (K, D), (D,)]
        self.parameters = [(scale * fresh(*shape)).requires_grad_() for shape in shapes]

    def encode(self, x):
        a, b, c, d, _, _ = self.parameters
        return torch.tanh(x @ a + b), x @ c + d - 0.5

    def decode(self, z):
        _, _, _, _, e, f = self.parameters
        return 3 * torch.tanh(z) @ e + f


network, x, eps = Toy(9, 3), (fresh(5, 9) > 0).float(), fresh(5, 3)
check(
    per_image=elbo(network, x, eps),
    rtol=1e-4,
    atol=1e-5,
    hint="Five images of 9 pixels: shape (5,). One number: averaged or summed over the images. Too near zero: a mean "
    "over the pixels. Too high: is the KL subtracted, and the noise used?",
)
check(
    one_image=elbo(network, x[:1], eps[:1]),
    rtol=1e-4,
    atol=1e-5,
    hint="A batch of a single image: shape (1,).",
)
check(
    other_beta=torch.stack([torch.as_tensor(elbo(network, x, eps, beta)) for beta in (0.0, 0.3, 4.0)]),
    rtol=1e-4,
    atol=1e-5,
    hint="beta = 0, 0.3 and 4: it multiplies the KL and nothing else. Right for beta = 1 only: is beta used?",
)
pull = torch.autograd.grad(elbo(network, x, eps, 0.7).sum(), network.parameters, materialize_grads=True)
check(
    gradients=torch.cat([slope.flatten() for slope in pull]),
    rtol=1e-3,
    atol=1e-4,
    hint="Gradients of all parameters of a model. The encoder's are wrong and the values are right: the draw or the KL "
    "is cut off from mu or logvar, by detach or no_grad.",
)
every = ((torch.arange(16)[:, None] >> torch.arange(4)) % 2).float()  # all images of 4 pixels
table = fresh(4)
blind = type(
    "Blind",
    (),
    {
        "encode": lambda self, x: (torch.zeros(len(x), 2), torch.zeros(len(x), 2)),
        "decode": lambda self, z: table.expand(*z.shape[:-1], 4),
    },
)()
check(
    nothing_to_tell=torch.as_tensor(elbo(blind, every, fresh(16, 2))).exp().cumsum(0),
    rtol=1e-4,
    hint="A decoder that ignores its code and an encoder that always answers with the prior: then the KL is 0, the "
    "bound is the likelihood, and the probabilities of all 16 images add up to 1.",
)
network = Toy(4, 1)
grid = torch.linspace(-9, 9, 1801)[:, None]  # codes of one number: ln p(x) is a sum over a fine grid
terms = torch.distributions.Bernoulli(logits=network.decode(grid)[:, None]).log_prob(every).sum(-1)  # (1801, 16)
log_p = (terms - grid**2 / 2 - math.log(2 * math.pi) / 2).logsumexp(0) + math.log(0.01)
even = torch.special.ndtri((torch.arange(128) + 0.5) / 128)  # evenly spread noise
bounds = elbo(network, every.repeat(128, 1), even.repeat_interleave(16)[:, None])  # (2048,)
check(
    gap=log_p - torch.as_tensor(bounds).view(128, 16).mean(0),
    rtol=1e-3,
    atol=1e-3,
    hint="ln p(x) minus the bound, averaged over evenly spread noise, for all 16 images of 4 pixels: how far each "
    "bubble is from the true posterior. Negative: that was no lower bound.",
)

# %% [markdown]
# **Look.** How tight can the bound be? One image of six pixels, one number as its code, a decoder that is given. The
# bubble's two parameters are moved uphill on your ELBO until it stops rising. The true posterior, from a fine grid, has
# two hills, since two kinds of codes explain this image equally well or nearly so. A bubble has only one.


# %%
class OneBubble:
    """A decoder of one number for 6 pixels, and in place of the encoder the two parameters of a single bubble."""

    def __init__(self):
        self.mu, self.logvar = torch.full((1, 1), -0.3, requires_grad=True), torch.zeros(1, 1, requires_grad=True)

    def encode(self, x):
        return self.mu.expand(len(x), 1), self.logvar.expand(len(x), 1)

    def decode(self, z):
        bends, slopes = torch.tensor([4.0, 3, -5, 2, -1, 1]), torch.tensor([0.2, -0.4, -0.1, 0, 0.5, 0.3])
        return bends * (z.square() - 1) + slopes * z


bubble, one = OneBubble(), torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0, 1.0]])
noise = torch.special.ndtri((torch.arange(64) + 0.5) / 64)[:, None]
climb = fit(lambda x: -elbo(bubble, x.expand(64, 6), noise).mean(), [bubble.mu, bubble.logvar], one, steps=400, lr=0.03)
codes = torch.linspace(-4, 4, 801)[:, None]
with torch.no_grad():
    joint = log_bernoulli(bubble.decode(codes), one) - codes[:, 0] ** 2 / 2 - math.log(2 * math.pi) / 2  # ln p(x, z)
    log_p_one = torch.logsumexp(joint, 0) + math.log(0.01)
    posterior = (joint - log_p_one).exp()
    best = torch.distributions.Normal(bubble.mu[0, 0], torch.exp(bubble.logvar[0, 0] / 2)).log_prob(codes[:, 0]).exp()
print(f"ln p(x) = {log_p_one:.4f} nats, ELBO {-climb.loss[0]:.4f} at first, {-climb.loss[-1]:.4f} at the end")
fig, ax = plt.subplots(figsize=(6, 2.8))
ax.plot(codes, posterior, color=DATA, label="true posterior $p(z \\mid x)$")
ax.plot(codes, best, color=MODEL, label="best bubble $q(z \\mid x)$")
ax.plot(codes, torch.distributions.Normal(0, 1).log_prob(codes).exp(), color="C6", lw=1, label="prior $p(z)$")
ax.set(xlabel="$z$", ylabel="density", xlim=(-4, 4))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# The bubble settles on the larger hill and leaves the other empty: $\mathrm{KL}(q \,\|\, p(z \mid x))$ is large where
# $q$ puts weight and the posterior has none, so bridging the valley would be dearer. What it cannot cover, a little
# less than half of the posterior, costs a little less than $\ln 2 = 0.69$ nats of the bound, and the lopsided shape of
# the hill a little more. No encoder, however large, would get them back. (Start `mu` at $+0.3$: the climb ends on the
# smaller hill, a little lower. The bound has local optima.)
#
# ## 5 Let it start gently
# **2 points · 10 minutes · easy**
#
# At the beginning of training the codes tell the decoder nothing, and the KL punishes every bubble that tries to say
# something. The cheapest way out is $q(z \mid x) = p(z)$ for all images: a collapsed posterior, from which some
# dimensions never come back. A common remedy (Bowman et al. 2016) raises $\beta$ in a straight line over the first $T$
# steps and keeps it there,
# $$\beta_t = \beta \cdot \min(1,\; t/T), \qquad t = 0, 1, 2, \dots \tag{8}$$
# so that reconstruction comes first and the price is raised slowly. $T = 0$ means no warm-up: full price at once. The
# loss that is minimised is the negative bound, averaged over the images of a batch:
# $$L(x) = -\frac1B \sum_{b=1}^B \mathrm{ELBO}_{\beta}(x_b) \tag{9}$$
#
# <details><summary>Hint 1: the ends</summary>
#
# Step 0 has $\beta_0 = 0$, step $T$ is the first with the full $\beta$. For $T = 0$ nothing may be divided by zero.
#
# </details>


# %% task="beta_loss" points=2 minutes=10
def beta_warmup(step, warmup, beta=1.0):
    """The weight of the KL at a step, eq. (8). step: int >= 0. warmup: int >= 0, T. beta: float. Returns a float."""
    # BEGIN SOLUTION
    return beta * min(1.0, step / warmup) if warmup else beta  # (8)
    # END SOLUTION


def vae_loss(model, x, eps, beta=1.0):
    """The loss of a batch in nats an image, eq. (9): a scalar tensor. Arguments as those of `elbo`."""
    # BEGIN SOLUTION
    return -elbo(model, x, eps, beta).mean()  # (9)
    # END SOLUTION


# %% check="beta_loss" points=1
# The weight during the first steps.
target = 2 + fresh(1).abs().item()
length, longer = (5 + 20 * torch.rand(2, generator=fresh_generator())).int().tolist()
check(
    ramp=[float(beta_warmup(step, T, target)) for T in (length, 100 + longer) for step in range(40)]
    + [float(beta_warmup(step, longer)) for step in range(40)],
    rtol=1e-4,
    hint="Steps 0 to 39 of a short and a long warm-up to a beta above 2, then of a short one to beta = 1. The first "
    "step has 0, step T the full beta, and no step after it more than that.",
)
check(
    no_warmup=[float(beta_warmup(step, 0, target * (1 + step))) for step in range(4)],
    rtol=1e-4,
    hint="warmup = 0: the full beta at every step, step 0 included. An error: a division by zero.",
)

# %% check="beta_loss" points=1
# The loss of a batch and its gradients.


class Toy:
    """A small model with the interface of task 1."""

    def __init__(self, D, K, scale=0.6):
        shapes = [(D, K), (K,), (D, K), (K,), (K, D), (D,)]
        self.parameters = [(scale * fresh(*shape)).requires_grad_() for shape in shapes]

    def encode(self, x):
        a, b, c, d, _, _ = self.parameters
        return torch.tanh(x @ a + b), x @ c + d - 0.5

    def decode(self, z):
        _, _, _, _, e, f = self.parameters
        return 3 * torch.tanh(z) @ e + f


network, x, eps = Toy(9, 3), (fresh(5, 9) > 0).float(), fresh(5, 3)
check(
    loss=torch.stack([torch.as_tensor(vae_loss(network, x, eps, *beta)) for beta in ((), (0.0,), (0.4,), (3.0,))]),
    rtol=1e-4,
    hint="Without beta, and for beta = 0, 0.4 and 3: four scalars, nats an image, positive here. Five times too large: "
    "summed over the images. Nine times too small: averaged over the pixels too. Negative: the loss is minimised.",
)
pull = torch.autograd.grad(vae_loss(network, x, eps, 2.0), network.parameters, materialize_grads=True)
check(
    gradients=torch.cat([slope.flatten() for slope in pull]),
    rtol=1e-3,
    atol=1e-4,
    hint="The gradients of the loss for beta = 2 in all parameters. An error: the loss is a tensor that autograd "
    "follows, not a float.",
)

# %% [markdown]
# **Look.** Train it: 784 pixels, 200 hidden units, codes of 10 numbers, less than half a minute. The curve is the
# negative ELBO, at first with a KL that costs nothing. Then the promise of the beginning: decode points of the *prior*.


# %%
def train_vae(K, steps, beta=1.0, warmup=0):
    """A VAE trained on the 9,000 digits, dynamic binarisation. Returns (model, history)."""
    torch.manual_seed(0)
    model, coin, count = VAE(784, 200, K), torch.Generator().manual_seed(1), itertools.count()

    def loss_of(batch):
        noise = torch.randn(len(batch), K, generator=coin)
        return vae_loss(model, binarise(batch, generator=coin), noise, beta_warmup(next(count), warmup, beta))

    order = torch.Generator().manual_seed(2)
    return model, fit(loss_of, model, train, steps=steps, batch_size=100, lr=3e-3, generator=order)


vae, history = train_vae(10, steps=1800, warmup=300)
noise = torch.randn(1000, 10, generator=torch.Generator().manual_seed(3))
with torch.no_grad():
    mu_held_out, logvar_held_out = vae.encode(x_held_out)
    bound_held_out = elbo(vae, x_held_out, noise).mean().item()
    price = kl_to_prior(mu_held_out, logvar_held_out).mean().item()
    samples = vae.decode(noise[:48]).sigmoid()
print(f"held out, dynamic binarisation: ELBO {bound_held_out:.1f} nats a digit")
print(f"that is reconstruction {bound_held_out + price:.1f} and KL {price:.1f}")
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3), width_ratios=[1, 1.25])
left.plot(torch.tensor(history.loss).unfold(0, 20, 20).mean(1).repeat_interleave(20), color=MODEL)
left.axvline(300, color="k", lw=1, ls=":")
left.text(330, 190, "end of the warm-up")
left.set(xlabel="step", ylabel="$-\\mathrm{ELBO}_\\beta$, nats a digit", ylim=(90, 210))
show_images(samples.view(-1, 28, 28), columns=8, ax=right, title="decoded from the prior")
plt.show()

# %% [markdown]
# Most of them are digits or nearly so. They are also soft: what is shown is the probability of each pixel, and a
# decoder that is unsure where a stroke goes makes it wide and pale.
#
# ## 6 A tighter bound
# **4 points · 20 minutes · hard**
#
# How far below $\ln p(x)$ is the ELBO? One can come closer by spending more draws. With $z_1, \dots, z_k$ from
# $q(z \mid x)$, the **weights** $w_i = p(x \mid z_i)\, p(z_i) / q(z_i \mid x)$ have the expectation $p(x)$, each of
# them, and so has their average. With (3), everything that the normal densities have in common cancels:
# $$\ln w_i = \ln p(x \mid z_i) + \tfrac12 \sum_{j=1}^K \bigl(\varepsilon_{ij}^2 + \ell_j - z_{ij}^2\bigr) \tag{10}$$
# Burda, Grosse and Salakhutdinov (2016) take the logarithm of the average, which is a lower bound in expectation, and
# never gets worse with $k$:
# $$\hat{\mathcal L}_k(x) = \ln \frac1k \sum_{i=1}^k w_i, \qquad \mathcal L_k = \mathbb E[\hat{\mathcal L}_k],
# \qquad \mathcal L_1 \le \mathcal L_2 \le \dots \le \ln p(x) \tag{11}$$
# $\hat{\mathcal L}_1 = \ln w_1$ is the ELBO again, with the KL estimated from the one draw and not in closed form:
# another number for the same noise, the same expectation. The average of the *logarithms* would stay there for every
# $k$.
#
# The trap: $\ln w$ of a digit is about $-100$, of a photograph $-10^4$, and $e^{-104}$ is zero in float32.
#
# <details><summary>Hint 1: (10) from the densities</summary>
#
# $\ln p(z) = \sum_j -\tfrac12 z_j^2 - \tfrac12 \ln 2\pi$ and $\ln q(z \mid x) = \sum_j -\tfrac12 \varepsilon_j^2 -
# \tfrac12 \ell_j - \tfrac12 \ln 2\pi$, since $(z_j - \mu_j)/\sigma_j = \varepsilon_j$. You may also let
# `torch.distributions.Normal` do it.
#
# </details>
#
# <details><summary>Hint 2: the shapes</summary>
#
# `encode` runs once on the B images; from `reparameterise` on everything has the axis of the k draws in front.
# `decode`, `log_bernoulli` and a sum over the last axis do not mind.
#
# </details>
#
# <details><summary>Hint 3: the average without overflow</summary>
#
# Pull the largest weight out of the sum: $\ln \sum_i e^{a_i} = m + \ln \sum_i e^{a_i - m}$ with $m = \max_i a_i$. One
# function of PyTorch does it, and $\ln \frac1k$ is a number to subtract.
#
# </details>


# %% task="importance_bound" points=4 minutes=20
def log_weights(model, x, eps):
    """ln w of k draws for each image, eq. (10), in nats.

    model: as in `elbo`; decode also takes (k, B, K). x: (B, D) float, 0 or 1. eps: (k, B, K), standard normal noise.
    Returns (k, B), differentiable. The check compares the average weight with p(x).
    """
    # BEGIN SOLUTION
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2  # (10)
    # END SOLUTION


def importance_bound(log_w):
    """The bound of eq. (11) from k weights an image. log_w: (k, B) float, any real numbers. Returns (B,), in nats.

    The check tries k = 1, logarithms near -1000 and +1000, and asks for the gradient.
    """
    # BEGIN SOLUTION
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))  # (11)
    # END SOLUTION


# %% check="importance_bound" points=2
# Logarithms of weights for given noise, their gradients, and their average beside p(x).


class Toy:
    """A small model with the interface of task 1."""

    def __init__(self, D, K, scale=0.6):
        shapes = [(D, K), (K,), (D, K), (K,), (K, D), (D,)]
        self.parameters = [(scale * fresh(*shape)).requires_grad_() for shape in shapes]

    def encode(self, x):
        a, b, c, d, _, _ = self.parameters
        return torch.tanh(x @ a + b), x @ c + d - 0.5

    def decode(self, z):
        _, _, _, _, e, f = self.parameters
        return 3 * torch.tanh(z) @ e + f


network, x, eps = Toy(9, 3), (fresh(4, 9) > 0).float(), fresh(5, 4, 3)
check(
    weights=log_weights(network, x, eps),
    rtol=1e-4,
    atol=1e-5,
    hint="Five draws for each of four images: shape (5, 4). ln p(x|z) + ln p(z) - ln q(z|x), each summed over its last "
    "axis. Differences that depend on the image only: the closed KL in place of this draw's, or logvar forgotten.",
)
check(
    one_draw=log_weights(network, x[:3], eps[:1, :3]),
    rtol=1e-4,
    atol=1e-5,
    hint="k = 1: shape (1, 3), the axis of the draws stays.",
)
pull = (log_weights(network, x, eps) * fresh(5, 4)).sum()
pull = torch.autograd.grad(pull, network.parameters, materialize_grads=True)
check(
    gradients=torch.cat([slope.flatten() for slope in pull]),
    rtol=1e-3,
    atol=1e-4,
    hint="Gradients of all parameters. The encoder's alone are wrong: z, or the density of q, is cut off from mu and "
    "logvar by detach or no_grad.",
)
every = ((torch.arange(16)[:, None] >> torch.arange(4)) % 2).float()  # all images of 4 pixels
network = Toy(4, 1, 0.3)
even = torch.special.ndtri((torch.arange(500) + 0.5) / 500)  # evenly spread noise
check(
    all_probability=torch.as_tensor(log_weights(network, every, even.view(500, 1, 1).expand(500, 16, 1)))
    .exp()
    .mean(0)
    .cumsum(0),
    rtol=1e-3,
    hint="The average weight of each of the 16 images of 4 pixels is its probability, so the last of these sums is 1. "
    "Far from it: a term has the wrong sign or is missing.",
)

# %% check="importance_bound" points=2
# The logarithm of an average, of ordinary and of extreme weights, and its gradient.
log_w = 3 * fresh(7, 5)
check(
    bound=importance_bound(log_w),
    rtol=1e-4,
    atol=1e-5,
    hint="Seven draws, five images: shape (5,). Shape (7,): averaged over the images. Too high by ln 7: the sum of the "
    "weights, not their average. Too low: that is the average of the logarithms.",
)
check(
    extreme=importance_bound(torch.cat([fresh(6, 4) - 1000, 100 * fresh(6, 4), fresh(6, 4) + 1000], dim=1)),
    rtol=1e-5,
    atol=1e-3,
    hint="Logarithms near -1000, between -300 and 300, and near 1000. inf: exp of one of them is 0 or infinite. Pull "
    "the largest out first; that of each image, not that of all.",
)
check(
    one_draw=importance_bound(log_w[:1]),
    rtol=1e-4,
    atol=1e-5,
    hint="k = 1: the bound is the weight's logarithm itself, shape (5,).",
)
log_w = (fresh(6, 4) - 200).requires_grad_()
check(
    gradient=torch.autograd.grad((importance_bound(log_w) * fresh(4)).sum(), log_w)[0],
    rtol=1e-4,
    hint="The gradient gives every draw its share of the weights, w_i / sum w. The same for all: not a logarithm of an "
    "average. nan or an error: 0 divided by 0, or cut off from autograd.",
)

# %% [markdown]
# **Look.** The trained model on 200 held-out digits with up to 500 draws each. Every point of the curve is $\mathcal
# L_k$ from the same 500 weights, cut in groups of $k$.

# %%
some, rows = x_held_out[:200], torch.Generator().manual_seed(4)
with torch.no_grad():
    log_w_some = torch.cat([log_weights(vae, some, torch.randn(50, 200, 10, generator=rows)) for _ in range(10)])
    closed = torch.stack([elbo(vae, some, torch.randn(200, 10, generator=rows)) for _ in range(50)]).mean().item()
draws = [1, 2, 5, 10, 25, 50, 125, 250, 500]
curve = [torch.stack([importance_bound(group) for group in log_w_some.split(k)]).mean().item() for k in draws]
print("200 held-out digits, dynamic binarisation, nats a digit:")
print(f"ELBO {closed:.1f}, bound with 500 draws {curve[-1]:.1f}")
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.semilogx(draws, curve, "o-", color=MODEL, label="importance bound $\\mathcal{L}_k$")
left.axhline(closed, color="k", lw=1.2, ls=":", label="ELBO, KL in closed form")
left.set(xlabel="draws $k$", ylabel="nats a digit", title="never worse with more draws")
left.legend(loc="lower right", bbox_to_anchor=(1, 0.08))
shares = log_w_some[:, :3].softmax(0).sort(0, descending=True).values.cumsum(0)
for n, colour in enumerate((DATA, "C2", "C3")):
    right.semilogx(torch.arange(1, 501), shares[:, n], color=colour, label=f"digit {n + 1}")
right.set(xlabel="draws, the heaviest first", ylabel="share of the weight", ylim=(0, 1.02), title="who carries it?")
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# Some nats are gained, most of them by the first dozens of draws. They say nothing new about digits: the model is the
# same, only less of its likelihood is given away. On the right is the reason why it goes so slowly: of 500 draws one
# may carry most of the sum, and a dozen carry about half of it or more, since the bubble and the true posterior agree
# badly in ten dimensions.
#
# ## 7 From one image to another
# **3 points · 14 minutes · easy**
#
# If the bubbles fill the space, a straight line between two codes should lead through images that are images
# all the way. From $P$ pairs of codes make $P$ paths of $n \ge 2$ points each, **both ends included**:
# $$z^{(i)} = (1 - t_i)\, z_0 + t_i\, z_1, \qquad t_i = \frac{i}{n-1}, \quad i = 0, \dots, n - 1 \tag{12}$$
# and for two batches of images take the path between the *means* of their bubbles and decode it,
# $$\hat x^{(i)} = \sigma\bigl(a(z^{(i)})\bigr), \qquad z_0 = \mu(x_0), \quad z_1 = \mu(x_1). \tag{13}$$
#
# <details><summary>Hint 1: the shapes</summary>
#
# A new axis for the steps between pairs and numbers: `z0[:, None]` is (P, 1, K), and `t` of shape (n, 1) meets it to
# give (P, n, K).
#
# </details>
#
# <details><summary>Hint 2: decoding</summary>
#
# `decode` takes any axes before the last, so all paths can be decoded at once. It returns logits.
#
# </details>


# %% task="interpolate" points=3 minutes=14
def interpolate(z0, z1, n):
    """Straight paths between pairs of codes, eq. (12). z0, z1: (P, K) float. n: int >= 2. Returns (P, n, K).

    Row p begins with z0[p] and ends with z1[p].
    """
    # BEGIN SOLUTION
    t = torch.linspace(0, 1, n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]  # (12)
    # END SOLUTION


def decode_path(model, x0, x1, n):
    """What lies between pairs of images, eq. (13). model: as in `elbo`. x0, x1: (P, D) float in [0, 1].

    Returns (P, n, D): the probabilities that pixels are white along each path, between the means, without noise.
    """
    # BEGIN SOLUTION
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()  # (13)
    # END SOLUTION


# %% check="interpolate" points=2
# Paths between pairs of codes.
z0, z1 = fresh(3, 4), fresh(3, 4)
check(
    paths=interpolate(z0, z1, 6),
    hint="Three pairs, six points each: shape (3, 6, 4). Shape (6, 3, 4): the pairs come first. The last point falls "
    "short of z1: t runs to n - 1, both ends included. Turned round: t = 0 is z0.",
)
check(
    ends_only=interpolate(z0, z1, 2),
    hint="n = 2: nothing but the two ends, in order, and the same z0 and z1 as before.",
)
check(
    one_pair=interpolate(z0[:1], z1[:1], 11),
    hint="A single pair, eleven points: shape (1, 11, 4).",
)
check(
    square=interpolate(fresh(4, 4), fresh(4, 4), 4),
    hint="Four pairs, four points, four numbers: nothing tells the axes apart here but their order. Right elsewhere "
    "and wrong here: t was put along the pairs or along the numbers.",
)

# %% check="interpolate" points=1
# Decoded paths between pairs of images.


class Toy:
    """A small model with the interface of task 1."""

    def __init__(self, D, K, scale=0.6):
        shapes = [(D, K), (K,), (D, K), (K,), (K, D), (D,)]
        self.parameters = [(scale * fresh(*shape)).requires_grad_() for shape in shapes]

    def encode(self, x):
        a, b, c, d, _, _ = self.parameters
        return torch.tanh(x @ a + b), x @ c + d - 0.5

    def decode(self, z):
        _, _, _, _, e, f = self.parameters
        return 3 * torch.tanh(z) @ e + f


network, x = Toy(9, 3), fresh(2, 4, 9).sigmoid()
check(
    images=decode_path(network, x[0], x[1], 5),
    rtol=1e-4,
    hint="Four pairs of images of 9 pixels, five points: shape (4, 5, 9), all between 0 and 1. Negative numbers: "
    "logits. Right at the ends and wrong between: the line is straight in the codes, not in the pixels or the "
    "logits. Wrong at the ends too: the means of the bubbles, not a draw from them and not logvar.",
)
check(
    to_itself=decode_path(network, x[0, :1], x[0, :1], 3),
    rtol=1e-4,
    hint="From an image to itself: three times its reconstruction, which is not the image.",
)

# %% [markdown]
# **Look.** Three pairs of held-out digits. The upper row of each mixes the pixels, the lower row the codes. At both
# ends the upper row shows the digits themselves, the lower their reconstructions.

# %%
first, second = held_out[[10, 1, 19]].float() / 255, held_out[[20, 11, 5]].float() / 255
with torch.no_grad():
    by_pixel, by_code = interpolate(first, second, 10), decode_path(vae, first, second, 10)
rows_in_turn = torch.stack([by_pixel, by_code], dim=1).view(-1, 28, 28)
show_images(rows_in_turn, columns=10, zoom=2.2, title="pixels mixed, codes mixed, in turn")
plt.show()

# %% [markdown]
# Two transparencies laid over each other above; below, strokes that move, open and close. Not every reconstruction is
# read as the digit that it came from, ten numbers and a few seconds of training being what they are. In the middle the
# lower row may be a third digit: the line passes through a bubble that belongs to somebody else.
#
# ## 8 Which dimensions are alive?
# **2 points · 10 minutes · easy**
#
# A dimension whose bubble is the prior for every image costs nothing and says nothing: it has collapsed. Its mean does
# not move, whatever image the encoder looks at, and that is how Burda, Grosse and Salakhutdinov (2016) detect it: unit
# $j$ is **active** if the variance of its mean over the data is more than a hundredth,
# $$A_j = \operatorname{Var}_x\bigl(\mu_j(x)\bigr), \qquad \text{unit } j \text{ is active where } A_j > 0.01 \tag{14}$$
# A second view: how many nats does each unit cost, on average over the images? With (4) for one dimension,
# $$\mathrm{KL}_j = \frac1N \sum_{n=1}^N \tfrac12\bigl(\mu_{nj}^2 + e^{\ell_{nj}} - 1 - \ell_{nj}\bigr) \tag{15}$$
#
# <details><summary>Hint 1: the axes</summary>
#
# Images are axis 0, units axis 1. A verdict for each unit needs a variance over the images.
#
# </details>
#
# <details><summary>Hint 2: the traps</summary>
#
# A mean that sits at 5 for every image does not move: its square is large and its variance is zero. And with means like
# that, "mean of the squares minus square of the mean" loses all its digits in float32; `torch.var` does not.
#
# </details>


# %% task="active_units" points=2 minutes=10
def active_units(mu, threshold=0.01):
    """Which units move with the image, eq. (14).

    mu: (N, K) float, the posterior means of N images. threshold: float. Returns (K,) bool.
    The check tries other thresholds, and means that are far from zero without moving.
    """
    # BEGIN SOLUTION
    return mu.var(dim=0) > threshold  # (14)
    # END SOLUTION


def unit_kl(mu, logvar):
    """The price of every unit in nats, averaged over the images, eq. (15). mu, logvar: (N, K) float. Returns (K,)."""
    # BEGIN SOLUTION
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2  # (15)
    # END SOLUTION


# %% check="active_units" points=1
# Which of forty units move, near and far from zero, by several thresholds.
base = fresh(300, 40)
base = (base - base.mean(0)) / base.std(0)
power = fresh(40)
power = power.sign() * (0.1 + power.abs())
moving = base * 0.1 * 10 ** (power / 2)  # variances from far below to far above 0.01, none of them very near
check(
    moving=torch.as_tensor(active_units(moving)).double(),
    hint="Forty units, 300 images: shape (40,), bool. Too many: compare the variance, not the standard deviation, with "
    "the threshold. Too few: the variance of each unit over the images.",
)
check(
    far_from_zero=torch.cat(
        [
            torch.as_tensor(active_units(moving * scale + 1000 * fresh(40), threshold=scale**2 / 100)).double()
            for scale in (1, 3)
        ]
        + [torch.as_tensor(active_units(moving * (fresh(40) > 0), threshold=0.0)).double()]
    ),
    hint="The same units, each moved to somewhere else, and other thresholds, at last 0. A mean far from zero that "
    "does not move is not active, nor is, with threshold 0, one that is always 0. Random verdicts: mean of squares "
    "minus square of means, which float32 cannot do here.",
)

# %% check="active_units" points=1
# What every unit costs.
mu, logvar = fresh(9, 6) * fresh(6), fresh(9, 6)
price = torch.as_tensor(unit_kl(mu, logvar))
check(
    price=price,
    rtol=1e-4,
    hint="Nine images, six units: shape (6,). Shape (9,): that is the price of an image. Nine times too large: the "
    "average over the images, not the sum.",
)
check(
    collapsed=unit_kl(mu * torch.tensor([0.0, 1, 0, 1, 0, 1]), logvar * torch.tensor([0.0, 1, 1, 0, 0, 1])),
    rtol=1e-4,
    hint="The first and the fifth unit are the prior for every image: they cost nothing, and nothing here is negative. "
    "All of it is too large by the same number: the 1 is missing.",
)

# %% [markdown]
# **Look.** Three models of codes of 10 numbers with three prices, each trained for a few seconds. Bars: nats a unit
# on a logarithmic scale, the dearest first, the active ones in orange, the dead in grey. Below, what each makes of the
# prior.

# %%
fig, axes = plt.subplots(2, 3, figsize=(8, 4.3), height_ratios=[1, 0.85])
for (top, bottom), beta in zip(axes.T, (0.1, 1.0, 12.0), strict=True):
    one_of_three, _ = train_vae(10, steps=600, beta=beta, warmup=100)
    with torch.no_grad():
        mu_units, logvar_units = one_of_three.encode(x_held_out)
        shown = one_of_three.decode(noise[:24]).sigmoid()
        spent, alive = unit_kl(mu_units, logvar_units), active_units(mu_units)
        kept = elbo(one_of_three, x_held_out, noise)
    order = spent.argsort(descending=True)
    top.bar(range(1, 11), spent[order], color=[MODEL if alive[j] else "C6" for j in order])
    top.set(title=f"$\\beta$ = {beta:g}: {int(alive.sum())} of 10 active", ylim=(1e-3, 20), yscale="log", xticks=[])
    show_images(shown.view(-1, 28, 28), columns=6, ax=bottom).set_anchor("N")
    print(f"beta {beta:g}: ELBO (beta = 1) {kept.mean():.0f} nats a held-out digit, KL {spent.sum():.1f}")
axes[0, 0].set_ylabel("nats a unit")
plt.show()

# %% [markdown]
# Cheap codes are full of information, and the prior misses the places where the images are. At the other end some units
# are given up, the others say little, and what is drawn is blurred. In between the ELBO is best, as it must be if
# training has done its work. Which of the three samples best is a question for the eye, and another one.
#
# ## What next
# The progress line under the last check shows your points; `grade check labs/08_autoencoders_vae.ipynb` in a terminal
# runs the notebook from top to bottom and lists what the badges would say.
#
# **Beyond, without points**
# 1. Minimise `-importance_bound(log_weights(...)).mean()` with $k = 10$ in place of the ELBO (an importance weighted
#    autoencoder). Compare bounds with 500 draws after equal *time*. How many units are active?
# 2. Train with codes of two numbers and decode a grid of `torch.special.ndtri` of evenly spaced numbers in 0..1: the
#    manifold of the digits on a page.
# 3. Use (6) on grey pixels. The number you get looks like a likelihood; exponentiate it and average over a fine grid of
#    grey values of one pixel: a density on 0..1 would give 1.
# 4. Estimate the gradient of the reconstruction term of (5) in $\mu$ by the score function, $\nabla_\mu \ln q(z \mid x)
#    \cdot \ln p(x \mid z)$, without any reparameterisation. How many draws does it take to be as sure as (3) is with
#    one?
# 5. Train a linear classifier on 100 means with labels, and one on the same 100 images.
