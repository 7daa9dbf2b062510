# ---
# jupyter:
#   course:
#     title: "12 Contrastive methods"
#     summary: "make two views of an image agree, keep everything else apart, and see what was learnt"
#     minutes: 125
# ---

# %% [markdown]
# # Lab 12: What belongs together
# Nobody says what is in a picture. All that is known is that two distorted copies of it, two **views**, still show the
# same thing. A network is trained to give them nearly the same vector, and to give other images other vectors. That is
# all of contrastive learning. The code is short, and most of its mistakes are silent: a loss that counts a view as its
# own negative still falls, a queue that overwrites the wrong end still fills, a probe that looks at the test set still
# prints a percentage. You write the parts, and the checks look at the places where it goes wrong.
#
# **Afterwards you can** distort a whole batch of images in one call on whatever device it lives; write the NT-Xent loss
# for views in any order; tell a collapsed representation from a good one without labels; keep thousands of negatives in
# a queue and a slow second encoder that fills it; keep a memory of every image; and judge a frozen network by a linear
# probe that has not seen the test set.
#
# **Needs** lecture 12, `autograd`, a little linear algebra. No GPU. About two hours, 9 tasks, 24 points. Tasks 1, 2, 3,
# 4, 5, 6, 8 and 9 stand alone; 7 uses 4, 5 and 6. The pictures use what came before: 1 from task 2 on, 2 from task 3
# on, 3 in task 7, 7 in task 9.
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
import math
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from utils.data import digits
from utils.plot import DATA, MODEL, show_images, use_style
from utils.train import progress

use_style()

# %% [markdown]
# ## The data and the network
# Digits without their labels, which stay in the drawer until task 8. The encoder $f$ is three convolutions and an
# average over each quarter of the image, $h = f(x)$ has 256 numbers (`net.body`). A small head $g$ makes $z = g(h)$ of
# it (`net.head`), which only the loss sees. All of it runs in seconds on a laptop.

# %%
images, labels = digits()
digit_x = images[:, None].float() / 255  # (10000, 1, 28, 28) in 0..1


class Encoder(nn.Module):
    """h = f(x): (B, 1, 28, 28) -> (B, 256) by `body`, and z = g(h): (B, 256) -> (B, 32) by `head`."""

    def __init__(self):
        super().__init__()
        layers = []
        for a, b in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, x):
        return self.head(self.body(x))


print(sum(parameter.numel() for parameter in Encoder().parameters()), "parameters")
show_images(digit_x[:20, 0], columns=20, zoom=1.4)
plt.show()

# %% [markdown]
# ## 1 Views of a whole batch
# **4 points · 22 minutes · medium**
#
# The views decide what is learnt: whatever differs between two views of an image, the network learns to ignore.
# Turning, scaling and shifting by a little, and a hole in the picture, leave a digit what it was. Each image gets its
# own amounts, and all are moved **in one call on the device where they live**, because a loop over images would take
# longer than the network.
#
# Put the origin in the middle of the image, $x$ to the right and $y$ *down*. A piece of ink at $p$ shall move to
# $$p' = s\,R\,p + t, \qquad R = \begin{pmatrix} \cos\alpha & \sin\alpha \\ -\sin\alpha & \cos\alpha \end{pmatrix}
# \tag{1}$$
# with a scale $s$, a turn by $\alpha$ (to the left as one sees it, since $y$ points down), and a shift $t$ in pixels.
# `F.affine_grid(theta, size, align_corners=False)` and `F.grid_sample(images, grid, align_corners=False)` do the rest.
# Two things to know about them. They ask the **opposite** question: `theta`, a matrix $(2, 3)$ for each image, says for
# each pixel of the *result* where in the *given* image to look. And they measure lengths in half image sizes: the image
# reaches from $-1$ to $1$ in both directions.
#
# The hole is a box that is set to 0. It may stick out of the image, and then only what is inside it counts.
#
# <details><summary>Hint 1: the idea</summary>
#
# Solve (1) for $p$: first undo the shift, then the turn, then the scale. $R^{-1} = R^\top$. What multiplies $p'$ fills
# the first two columns of `theta`; what is left over fills the third. A shift of one pixel is $2/H$ in the units of the
# grid.
#
# </details>
#
# <details><summary>Hint 2: the matrix</summary>
#
# With $c = \cos\alpha / s$ and $d = \sin\alpha / s$ the rows of `theta` begin $(c, -d)$ and $(d, c)$, and the third
# column is minus that $2 \times 2$ matrix times $2t/H$. `torch.stack` twice makes (B, 2, 3) of numbers (B,) and creates
# nothing on another device or in another precision.
#
# </details>
#
# <details><summary>Hint 3: the hole</summary>
#
# Row numbers (H,) compared with top (B, 1) say which rows are in the box: (B, H). The same for columns: (B, W). A pixel
# is in the box if both its row and its column are: one `[:, :, None]`, one `[:, None, :]`, and `&`.
#
# </details>


# %% task="augment" points=4 minutes=22
def warp(images, angle, scale, shift):
    """Turn, scale and shift every image by its own amounts, eq. (1), bilinear, with zeros outside.

    images: (B, 1, H, H) float32 or float64. angle: (B,) radians. scale: (B,) above 0; 2 is twice as large. shift:
    (B, 2) pixels, to the right and down. These have the dtype and the device of images.
    Returns (B, 1, H, H) of that dtype on that device; every tensor that you create must live there too.
    """
    # BEGIN SOLUTION
    c, d = angle.cos() / scale, angle.sin() / scale  # (B,)
    back = torch.stack([torch.stack([c, -d], dim=1), torch.stack([d, c], dim=1)], dim=1)  # (B, 2, 2), R^T / s
    offset = -back @ (2 * shift / images.shape[-1])[:, :, None]  # (B, 2, 1)
    grid = F.affine_grid(torch.cat([back, offset], dim=2), images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)  # (1)
    # END SOLUTION


def erase(images, corner, size):
    """Set one box in every image to 0. Returns a new tensor; images stay as they are.

    images: (B, 1, H, W) float. corner: (B, 2) int64, row and column of the box's first pixel, perhaps negative or
    beyond the image. size: (B, 2) int64, its height and width, perhaps 0. Tensors that you create live with images.
    """
    # BEGIN SOLUTION
    inside = []
    for axis, n in enumerate(images.shape[2:]):
        place = torch.arange(n, device=images.device)
        first = corner[:, axis, None]  # (B, 1)
        inside.append((place >= first) & (place < first + size[:, axis, None]))  # (B, n)
    hole = inside[0][:, :, None] & inside[1][:, None, :]  # (B, H, W)
    return images.masked_fill(hole[:, None], 0.0)
    # END SOLUTION


# %% check="augment" points=3
# Turned, scaled and shifted images, one thing at a time and together; then in float64, with nothing made elsewhere.
B, H = 5, 9
x, no_turn, no_scale, no_shift = fresh(B, 1, H, H), torch.zeros(B), torch.ones(B), torch.zeros(B, 2)
angle, shift = fresh(B), 2 * fresh(B, 2)
scale = ((0.2 + 0.4 * fresh(B).abs()) * torch.tensor([1, -1, 1, -1, -1])).exp()  # larger, and smaller
check(
    turned=torch.stack([warp(x, no_turn + math.pi / 2, no_scale, no_shift), warp(x, angle, no_scale, no_shift)]),
    atol=1e-4,
    hint="A quarter turn to the left, then five other angles. Turned the other way: theta leads from the result back "
    "to the given image. All by one angle: each image has its own.",
)
check(
    scaled=warp(x, no_turn, scale, no_shift),
    atol=1e-4,
    hint="Scales around 1 without a turn. Smaller where it should be larger: theta contains 1/s.",
)
check(
    shifted=torch.stack([warp(x, no_turn, no_scale, shift.round()), warp(x, no_turn, no_scale, shift)]),
    atol=1e-4,
    hint="Whole pixels, then fractions, to the right and down. The other way: the grid asks where to look. Half as "
    "far, or a little less than asked: an image of H pixels is 2 units wide. Right and down exchanged?",
)
check(
    together=warp(x, angle, scale, shift),
    atol=1e-4,
    hint="Everything at once. One at a time right and this wrong: the shift comes last in (1), so it is undone first "
    "and must be turned and scaled back too.",
)


def elsewhere(x):
    with torch.device("meta"):  # what is created without device=... is unusable here
        return warp(x, angle.double(), scale.double(), shift.double())


check(
    device=elsewhere(x.double()),
    atol=1e-4,
    hint="The same in float64 and on a device that is not the default one. An error about meta tensors or devices: "
    "you create a tensor without saying where. An error about Float and Double: with a precision of its own.",
)

# %% check="augment" points=1
# Boxes inside, across every edge, empty and larger than the image; and the images afterwards.
B = 12
x, corner = fresh(B, 1, 6, 8), torch.randint(-3, 7, (B, 2), generator=fresh_generator())
size = torch.randint(0, 5, (B, 2), generator=fresh_generator())
corner[:4] = torch.tensor([[1, 2], [-2, 3], [4, -2], [-1, -1]])
size[:4] = torch.tensor([[3, 4], [3, 2], [9, 4], [20, 20]])


def elsewhere(x):
    with torch.device("meta"):  # what is created without device=... is unusable here
        return erase(x, corner, size)


check(
    erased=elsewhere(x.clone()),
    hint="The box starts at row corner[b, 0] and column corner[b, 1] and has size[b, 0] rows and size[b, 1] columns. "
    "A negative corner: what is outside is lost, it does not come back at the other end. An error about meta tensors: "
    "you create a tensor without saying where.",
)
kept = x.clone()
result = erase(kept, corner, size)
check(
    unchanged=torch.stack([kept, torch.as_tensor(result)]),
    hint="If erased passes: the images that were given have holes after the call, so work on a copy.",
)

# %% [markdown]
# **Look.** One random view function for the whole lab, made of your two. The first row shows digits, those below are
# views of the digit above them. Would you still call each column one thing?


# %%
def random_views(x, coin):
    """One view of every image, all different. x: (B, 1, 28, 28) in 0..1, coin: a torch.Generator. Returns the same."""

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(len(x), *shape, generator=coin)

    moved = warp(x, uniform(-0.3, 0.3), uniform(0.85, 1.15), uniform(-2, 2, 2))
    corner = torch.randint(-2, 24, (len(x), 2), generator=coin)
    return erase(moved, corner, torch.randint(4, 9, (len(x), 2), generator=coin))


coin, some = torch.Generator().manual_seed(0), digit_x[:14]
rows = torch.cat([some, *(random_views(some, coin) for _ in range(3))])
show_images(rows[:, 0], columns=14, zoom=1.9)
plt.show()
seconds = []
for batches in (digit_x[:1000].split(1000), digit_x[:1000].split(1)):
    start = time.perf_counter()
    for batch in batches:
        random_views(batch, coin)
    seconds.append(time.perf_counter() - start)
print(f"1,000 views in one batch: {1e3 * seconds[0]:.0f} ms; one image at a time: {1e3 * seconds[1]:.0f} ms")

# %% [markdown]
# ## 2 The NT-Xent loss
# **3 points · 14 minutes · medium**
#
# Two views of each of $B$ images make $N = 2B$ vectors $z_1, \dots, z_N$. Each view $i$ is asked: which of the
# *other* $N - 1$ is your partner $p(i)$, the second view of the same image? The answer is a softmax over cosines,
# divided by a temperature $\tau$:
# $$s_{ij} = \frac{z_i^\top z_j}{\|z_i\|\,\|z_j\|}, \qquad L = -\frac1N \sum_{i=1}^{N} \ln
# \frac{\exp(s_{i p(i)} / \tau)}{\sum_{j \neq i} \exp(s_{ij} / \tau)} \tag{2}$$
# It is nothing but a classification with $N - 1$ classes. The lecture keeps the partner of view $i$ at $i \pm B$. Other
# code lets partners stand side by side, and mixing the two up is a mistake that one can train with for days. Here it
# cannot happen: `owner` says which image each view was made from, and the views may stand in any order.
#
# A cosine is between $-1$ and 1, so without $\tau$ no partner could ever win clearly. With $\tau = 0.01$ the exponents
# reach 100, and $e^{100}$ is no float32.
#
# <details><summary>Hint 1: the idea</summary>
#
# One table (N, N) of cosines over $\tau$. The only thing that must not take part is a view itself, on the diagonal:
# what logit has a probability of exactly 0? Then each row is one classification and `F.cross_entropy` does not
# overflow.
#
# </details>
#
# <details><summary>Hint 2: who is the partner</summary>
#
# `owner[:, None] == owner` is True for the partner and for the view itself. Take the diagonal away and one True a row
# is left; `argmax` of it (as whole numbers) says where.
#
# </details>


# %% task="nt_xent" points=3 minutes=14
def nt_xent(z, owner, tau):
    """The NT-Xent loss of eq. (2) in nats, the mean over all views.

    z: (N, d) float32, of any length but 0. owner: (N,) int64, the image of each view: every number in it occurs exactly
    twice, in any order. tau: float above 0; the check goes down to 0.005. Returns a tensor with one number, through
    which gradients flow into z at all its places.
    """
    # BEGIN SOLUTION
    u = F.normalize(z, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, -math.inf)  # (N, N)
    partner = ((owner[:, None] == owner) & ~itself).int().argmax(dim=1)  # (N,)
    return F.cross_entropy(logits, partner)  # (2)
    # END SOLUTION


# %% check="nt_xent" points=2
# The loss for views in three orders, and for a temperature so low that e^(s/tau) overflows.


def number(value):
    return torch.as_tensor(value).detach().item()


B = 6
z = fresh(2 * B, 5) * (fresh(2 * B, 1)).exp()
shuffled = torch.randperm(2 * B, generator=fresh_generator())
side_by_side, halves = torch.arange(B).repeat_interleave(2), torch.arange(B).repeat(2)
check(
    halves=[number(nt_xent(z, halves, 0.5)), number(nt_xent(z, halves, 0.2))],
    rtol=1e-4,
    hint="Partners B places apart. The cosine needs rows of length 1; then / tau. Too large by a factor N or 2: a sum, "
    "or a mean over images. Lower, or too high by a little at tau 0.5: does a view see itself, or not its partner?",
)
check(
    side_by_side=[number(nt_xent(z, side_by_side, 0.5)), number(nt_xent(z, 3 * side_by_side + 5, 0.2))],
    rtol=1e-4,
    hint="Partners next to each other. owner says who belongs together; its numbers need not be 0..B-1.",
)
check(
    any_order=[number(nt_xent(z, (side_by_side * 7 % 13)[shuffled], tau)) for tau in (0.1, 0.5, 2.0)],
    rtol=1e-4,
    hint="Views in an arbitrary order: the partner of each has to be looked up in owner.",
)
check(
    cold=[number(nt_xent(z, halves, 0.005)), number(nt_xent(torch.cat([z[:B], z[:B] + 0.01]), halves, 0.008))],
    rtol=1e-3,
    atol=1e-4,
    hint="tau of 0.005 and 0.008. If the values above fail, mend them first. inf or nan: exp overflowed. Use the "
    "logits: logsumexp, log_softmax or cross_entropy.",
)

# %% check="nt_xent" points=1
# The gradient, and the loss where everything has collapsed to one direction.


def number(value):
    return torch.as_tensor(value).detach().item()


B = 5
z, owner = fresh(2 * B, 4).requires_grad_(), torch.arange(B).repeat(2)[torch.randperm(10, generator=fresh_generator())]
check(
    gradient=torch.autograd.grad(nt_xent(z, owner, 0.3), z)[0],
    rtol=1e-3,
    atol=1e-5,
    hint="With respect to z, through every place where z occurs, the lengths included. Half of it missing: something "
    "was detached. An error: z was changed in place, or the loss is a plain number.",
)
collapsed = [fresh(1, 4) * fresh(n, 1).abs() for n in (4, 6, 2 * int(fresh(1).abs() * 10 + 4))]
check(
    collapsed=[number(nt_xent(z, torch.arange(len(z) // 2).repeat(2), 0.4)) for z in collapsed],
    rtol=1e-4,
    hint="All views in one direction: every other view is an equally good partner, and there are N - 1 of them.",
)

# %% [markdown]
# **Look.** Training with your loss: 256 views a step, Adam, about ten seconds. On the right cosines among 2 x 12 views
# of digits that it has not been trained on, before and after. The two thin diagonals beside the thick one are the
# partners.

# %%
BATCH, TAU = 128, 0.3
train_x, held_x = digit_x[:6000], digit_x[8000:]
pairs = torch.arange(BATCH).repeat(2)


def learner(net, steps):
    """Adam with a learning rate that rises to 0.003 and falls to 0 again: (optimiser, schedule)."""
    optimiser = torch.optim.Adam(net.parameters())
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)


def train(net, loss, steps, *, every=20):
    """Train on pairs of views with loss(z), z (2 BATCH, 32), partners BATCH places apart.

    Returns (values of the loss, {step: z of 512 held-out digits}).
    """
    coin, values, history = torch.Generator().manual_seed(0), [], {}
    optimiser, schedule = learner(net, steps)
    for step in progress(range(steps + 1), stoppable=True):
        if step % every == 0:
            with torch.no_grad():
                history[step] = net.eval()(held_x[:512])
        if step == steps:
            break
        batch = train_x[torch.randint(len(train_x), (BATCH,), generator=coin)]
        value = loss(net.train()(torch.cat([random_views(batch, coin), random_views(batch, coin)])))
        net.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        values.append(value.item())
    return values, history


torch.manual_seed(0)
untrained, start = Encoder().eval(), time.perf_counter()
simclr = copy.deepcopy(untrained)
values, history = train(simclr, lambda z: nt_xent(z, pairs, TAU), 240)
print(f"{time.perf_counter() - start:.0f} s; loss {values[0]:.2f} -> {sum(values[-20:]) / 20:.2f} nats,", end=" ")
print(f"ln(2B - 1) = {math.log(2 * BATCH - 1):.2f}")
coin = torch.Generator().manual_seed(1)
two = torch.cat([random_views(held_x[:12], coin), random_views(held_x[:12], coin)])
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.1), gridspec_kw={"width_ratios": [1.25, 1, 1]})
axes[0].plot(values, color=MODEL, lw=1)
axes[0].axhline(math.log(2 * BATCH - 1), color="k", ls=":", lw=1)
axes[0].text(240, math.log(2 * BATCH - 1) - 0.05, "collapse: ln(2B - 1)", ha="right", va="top")
axes[0].set(xlabel="step", ylabel="NT-Xent (nats)", title="training")
for ax, net, name in ((axes[1], untrained, "before"), (axes[2], simclr, "after")):
    with torch.no_grad():
        z = net(two)
    picture = ax.imshow(F.cosine_similarity(z[:, None], z, dim=2), vmin=-1, vmax=1, cmap="RdBu_r")
    ax.set(title=name, xlabel="view", ylabel="view")
    ax.grid(False)
fig.colorbar(picture, ax=axes[2], label="cosine")
plt.show()

# %% [markdown]
# An untrained network says nearly the same about every image. Wherever two views of one digit agree and others do not,
# something has been learnt; digits of the same kind agree too, though nobody has asked for that.
#
# ## 3 Has it collapsed?
# **2 points · 12 minutes · easy**
#
# A network that gives every image the same vector makes all views agree. It has learnt nothing, and a loss that only
# rewards agreement calls it perfect. So look at the vectors themselves. Bring $n$ of them to length 1, $u_i = z_i /
# \|z_i\|$, with mean $\bar u$, and ask three questions.
#
# **Do they differ at all?** The root of their total variance is the **spread**. It is 0 where all agree and 1 at most:
# $$S = \sqrt{\frac1n \sum_{i=1}^{n} \|u_i - \bar u\|^2} \tag{3}$$
# **In how many directions?** Vectors can differ, and all along one line. Let $\lambda_1, \dots, \lambda_d \ge 0$ be the
# eigenvalues of their covariance (divided by $n$), and $p_k = \lambda_k / \sum_l \lambda_l$. The **effective rank** is
# the number of directions that an even distribution of the same entropy would use:
# $$r = \exp\Bigl(-\sum_k p_k \ln p_k\Bigr), \qquad 0 \ln 0 = 0 \tag{4}$$
# Where $S < 10^{-3}$ there is nothing left to count but rounding, and the rank is 0. (The lecture's effective rank
# takes the singular values, the roots of these, in place of the eigenvalues; its ranks are larger.)
#
# **Do they fill the sphere?** The **uniformity** of Wang and Isola, the lower the better:
# $$U = \ln \frac{1}{n(n-1)} \sum_{i \neq j} e^{-2 \|u_i - u_j\|^2} \tag{5}$$
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# Centre $u$. Its covariance is `c.T @ c / n`, and `torch.linalg.eigvalsh` has its eigenvalues, some of them perhaps a
# hair below 0. `torch.xlogy(p, p)` is $p \ln p$ with the right value at 0. `F.pdist(u)` has the distances of all pairs
# $i < j$, which is enough for a mean over $i \ne j$.
#
# </details>


# %% task="collapse_report" points=2 minutes=12
def collapse_report(z):
    """Spread (3), effective rank (4) and uniformity (5) of n vectors: three numbers that need no labels.

    z: (n, d) float32 with n >= 2, of any length but 0; d may be larger than n. Returns (spread, rank, uniformity),
    numbers: 0..1, 0 or 1..d, -8..0.
    """
    # BEGIN SOLUTION
    u = F.normalize(z, dim=1)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()  # (3)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(u)).clamp(min=0)  # (d,)
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else 0.0  # (4)
    uniformity = torch.exp(-2 * F.pdist(u).square()).mean().log()  # (5)
    return float(spread), float(rank), float(uniformity)
    # END SOLUTION


# %% check="collapse_report" points=2
# Clouds of every shape: round, flat, off-centre, few vectors in many dimensions, and nearly or wholly collapsed.


def clouds():
    stretch = torch.tensor([3.0, 2, 1, 0.3, 0.1, 0.01])
    yield fresh(40, 6)
    yield fresh(40, 6) * stretch
    yield (fresh(40, 6) + 3 * fresh(6)) * (0.5 * fresh(40, 1)).exp()
    yield fresh(5, 12) * torch.linspace(0.1, 3, 12)
    yield 2 + 0.1 * fresh(30, 6) * stretch
    yield fresh(9, 1) * fresh(1, 4)


results = torch.tensor([[float(number) for number in collapse_report(z)] for z in clouds()])  # (6, 3)
check(
    spread=results[:, 0],
    rtol=1e-3,
    hint="The root of the mean squared distance of the unit vectors from their mean: one number, at most 1. A little "
    "too high: var and std divide by n - 1. A mean over coordinates is d times too small before the root. Rows of "
    "length 1 first.",
)
check(
    rank=results[:, 1],
    rtol=1e-3,
    atol=1e-3,
    hint="exp of the entropy, in nats, of the eigenvalues divided by their sum. Too large: singular values in place of "
    "eigenvalues, their squares. Off by one where the cloud is off-centre: subtract the mean. nan: 0 ln 0.",
)
check(
    uniformity=results[:, 2],
    rtol=1e-3,
    atol=1e-4,
    hint="The logarithm of the mean, over pairs of different vectors. A bit too high: the n pairs of a vector with "
    "itself are in it. The mean of the logarithms is something else. Squared distances, times 2.",
)
one = fresh(1, 6)
one = one / one.norm()
nearly = [one.expand(10, 6), one * fresh(20, 1).abs().add(0.1)]
nearly += [one + noise * fresh(20, 6) for noise in (1e-6, 3e-4, 7e-4, 3e-2)]
check(
    collapsed=torch.tensor([[float(number) for number in collapse_report(z)] for z in nearly]),
    rtol=1e-2,
    atol=2e-3,
    hint="Six clouds that are nearly a single direction, two of them up to rounding; four have a spread below 1e-3 and "
    "so a rank of 0, two have a little more. nan, or a rank where there is none: eigenvalues of rounding errors.",
)

# %% [markdown]
# **Look.** Training with NT-Xent, as in task 2. At step 240 the loss is exchanged for one that only pulls partners
# together, $1 - s_{i p(i)}$ on average. No label is needed to draw this.


# %%
def only_pull(z):
    return (1 - F.cosine_similarity(*z.chunk(2))).mean()


pull_values, pull_history = train(copy.deepcopy(simclr), only_pull, 120, every=10)
curves = {"NT-Xent": (history, 0, MODEL), "only pull": (pull_history, 240, "C3")}
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.8))
for name, (snapshots, first, color) in curves.items():
    reports = torch.tensor([collapse_report(z) for z in snapshots.values()])  # (snapshots, 3)
    for ax, curve in zip(axes, reports.T, strict=True):
        ax.plot([first + step for step in snapshots], curve, color=color, label=name)
    print(f"{name:10s} at the end: spread {reports[-1, 0]:.3f}, rank {reports[-1, 1]:.1f}, U {reports[-1, 2]:.2f}")
for ax, title in zip(axes, ("spread S", "effective rank r (of 32)", "uniformity U"), strict=True):
    ax.set(xlabel="step", title=title)
axes[0].set_ylim(0, 1.02)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()
print(f"loss of the one that only pulls: {pull_values[0]:.3f} -> {pull_values[-1]:.4f}")

# %% [markdown]
# The loss that only pulls falls to nearly nothing, and so do the differences between images. The rank alone would
# mislead: it is highest for the untrained network, whose vectors nearly agree, because what little differs may still
# differ in many directions. The spread tells this collapse. The rank tells the other kind, where vectors differ, but
# along a line or two; you meet it in task 7.
#
# ## 4 InfoNCE against a queue
# **3 points · 14 minutes · medium**
#
# In (2) the negatives are the other images of the batch, so many negatives need a large batch. MoCo takes them from
# elsewhere: a **queue** of keys, vectors of earlier images, computed long ago and never differentiated. A query $q_i$
# (one view) has its positive key $k_i$ (the other view), and all queries share the negatives $n_1, \dots, n_K$:
# $$\ell_{i0} = \frac{\cos(q_i, k_i)}{\tau}, \quad \ell_{ij} = \frac{\cos(q_i, n_j)}{\tau}, \qquad
# L = -\frac1B \sum_{i=1}^{B} \ln \frac{e^{\ell_{i0}}}{e^{\ell_{i0}} + \sum_{j=1}^{K} e^{\ell_{ij}}} \tag{6}$$
# The other positives $k_{i'}$ of the batch are *not* negatives here. Keys are targets: **the gradient goes into $q$
# only**. Return also how often the positive wins, the share of queries with $\ell_{i0}$ above every $\ell_{ij}$: it
# says more than a loss about how far training has come. The queue has keys as **columns**, as in the paper's own
# pseudo-code (in the lecture they are rows).
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# The positive logit of query $i$ is one number, a product of two rows: (B, 1). The negatives are one matrix product:
# (B, K). Side by side they are a classification with K + 1 classes whose right answer is always class 0.
#
# </details>
#
# <details><summary>Hint 2: normalising and stopping</summary>
#
# Rows of q and k are normalised over `dim=1`, columns of the queue over `dim=0`. `.detach()` has the numbers without
# the history.
#
# </details>


# %% task="info_nce" points=3 minutes=14
def info_nce(q, k, queue, tau):
    """InfoNCE of eq. (6) in nats, and the share of queries whose positive beats all negatives.

    q, k: (B, d) float32, of any length but 0; row i of k is the positive of row i of q. queue: (d, K) float32,
    columns of any length but 0, and K may be 0. tau: float, down to 0.005.
    Returns (loss, share): a tensor with one number, through which gradients flow into q and nowhere else; a number
    0..1, which is 1 where K is 0.
    """
    # BEGIN SOLUTION
    q, k, negatives = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=0)
    positive = (q * k).sum(1, keepdim=True)  # (B, 1)
    logits = torch.cat([positive, q @ negatives], dim=1) / tau  # (B, K + 1)
    first = torch.zeros(len(q), dtype=torch.long, device=q.device)
    wins = (positive > q @ negatives).all(dim=1)  # (B,)
    return F.cross_entropy(logits, first), wins.float().mean().item()  # (6)
    # END SOLUTION


# %% check="info_nce" points=2
# Loss and share of wins for several sizes of the queue, a low temperature, and an empty queue.


def number(value):
    return torch.as_tensor(value).detach().item()


B, d = 9, 6
q, queue = fresh(B, d) * fresh(B, 1).exp(), fresh(d, 40) * fresh(40).exp()
k = (q + 0.8 * q.norm(dim=1, keepdim=True) * fresh(B, d)) * fresh(B, 1).exp()
results = [info_nce(q, k, queue[:, :K], tau) for K, tau in ((40, 0.5), (40, 0.1), (7, 0.2), (3, 1.0))]
check(
    loss=[number(loss) for loss, share in results],
    rtol=1e-4,
    hint="K of 40, 40, 7, 3. Rows of q and k and columns of the queue get length 1. Too high: are the other keys of "
    "the batch among the negatives? Too low: is the positive missing in the denominator? And / tau.",
)
check(
    share=[number(share) for loss, share in results],
    hint="How many of nine queries have a positive above all their negatives, divided by nine; tau changes nothing. "
    "Compare with every negative, not with their mean.",
)
check(
    cold=[number(info_nce(q, k, queue, tau)[0]) for tau in (0.005, 0.1)],
    rtol=1e-3,
    atol=1e-4,
    hint="tau of 0.005 and 0.1. If the loss above fails, mend it first. inf or nan: exp overflowed.",
)
empty = [info_nce(q[:3], k[:3], queue[:, :K], 0.3) for K in (0, 1)]
check(
    nearly_empty=[number(value) for pair in empty for value in pair],
    rtol=1e-4,
    hint="Before anything has been stored there is one class, the loss is 0 and the share 1; then with one negative. "
    "The number of negatives comes from the queue's shape.",
)

# %% check="info_nce" points=1
# Where the gradient goes.
B, d = 4, 5
q, k, queue = (a.requires_grad_() for a in (fresh(B, d), fresh(B, d), fresh(d, 11)))
slopes = torch.autograd.grad(info_nce(q, k, queue, 0.3)[0], [q, k, queue], materialize_grads=True, retain_graph=True)
check(
    gradients=torch.cat([slope.flatten() for slope in slopes]),
    rtol=1e-3,
    atol=1e-5,
    hint="The derivatives with respect to q, k and the queue, one after the other: 0 for k and for the queue, both are "
    "keys, and keys are targets. An encoder of keys that is trained by this loss is no longer a slow copy of the other "
    "one. An error: the loss has no gradient at all.",
)

# %% [markdown]
# **Look.** The trained network of task 2 on held-out digits: the query is one view, the key another, the negatives are
# other digits. The more negatives, the harder it is to win. $\ln(K + 1) - L$ is how much better than guessing the
# network knows which image a view came from; on average it stays below what can be known at all, and always below
# $\ln(K + 1)$.

# %%
coin, sizes = torch.Generator().manual_seed(2), (1, 4, 16, 64, 256, 1024)
with torch.no_grad():
    keys, others = (simclr(random_views(x, coin)) for x in (held_x[:256], held_x[256:1280]))
    query = simclr(random_views(held_x[:256], coin))
results = [info_nce(query, keys, others[:K].T, 0.1) for K in sizes]
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.9))
left.plot(sizes, [math.log(K + 1) for K in sizes], "k:", lw=1.2, label="$\\ln(K + 1)$")
gain = [math.log(K + 1) - float(loss) for K, (loss, _) in zip(sizes, results, strict=True)]
left.plot(sizes, gain, color=MODEL, marker="o", label="$\\ln(K + 1) - L$")
left.set(xscale="log", xlabel="negatives K", ylabel="nats")
left.legend()
right.plot(sizes, [share for _, share in results], color=MODEL, marker="o", label="trained")
right.plot(sizes, [1 / (K + 1) for K in sizes], "k:", lw=1.2, label="guessing")
right.set(xscale="log", xlabel="negatives K", ylabel="share of wins", ylim=(0, 1.02))
right.legend()
plt.show()

# %% [markdown]
# ## 5 The queue
# **2 points · 13 minutes · medium**
#
# The queue holds the last $K$ keys and forgets the oldest. Shifting everything along at each step would copy the whole
# queue for a few new keys, so it is a **ring**: a buffer that is allocated once, and a rule where key number $t$,
# counted from 0 since the beginning, is written:
# $$\text{column}(t) = t \bmod K \tag{7}$$
# A batch may reach beyond the last column; then the rest goes to the first ones. A batch may even be longer than the
# ring; then only its last $K$ keys survive, each in its own place. At first the ring is not full, and columns that
# nobody has written must not serve as negatives.
#
# <details><summary>Hint 1: the idea</summary>
#
# The numbers of the new keys are `total`, `total + 1`, ... Take them modulo $K$ and you have all columns at once, with
# the wrap-around done. Two keys must never be written to one column in the same assignment, because then nobody knows
# which of them stays.
#
# </details>


# %% task="ring_buffer" points=2 minutes=13
class Queue:
    """The last `size` keys, as columns of a ring buffer, eq. (7).

    columns: (d, size) float32, allocated once and written in place.  total: how many keys were ever pushed.
    """

    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        """Store the rows of keys (B, d), oldest first, as they are. B: any number, also 0 and more than size.

        Keeps numbers only: no gradient, and no change when `keys` is changed later. Writes into `columns` itself.
        """
        # BEGIN SOLUTION
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = keys.detach()[-size:].T  # (7)
        self.total += len(keys)
        # END SOLUTION

    def keys(self):
        """The columns written so far, (d, min(total, size)), in the order of the buffer."""
        # BEGIN SOLUTION
        return self.columns[:, : self.total]
        # END SOLUTION


# %% check="ring_buffer" points=2
# Filling, wrapping around, batches of every length, and what happens to the buffer and to the keys that were given.


def pushed(size, *lengths):
    queue, seen = Queue(3, size), []
    for B in lengths:
        queue.push(fresh(B, 3))
        seen += [torch.as_tensor(queue.keys()).clone().flatten(), torch.tensor([float(queue.total)])]
    return torch.cat([*seen, queue.columns.flatten()])


check(
    filling=pushed(7, 2, 3),
    hint="Two keys, then three, in a ring of seven; after each push keys() and total, and at the end the columns. "
    "keys() has only what was written, (3, 2) and then (3, 5). Columns and rows exchanged?",
)
check(
    wrapping=pushed(7, 4, 4, 4, 3, 7, 2),
    hint="Batches that do not divide the ring. Key number t lies in column t mod 7: a batch that reaches the end goes "
    "on at column 0, in its own order. Restarting at 0, or dropping the rest of the batch, loses keys.",
)
check(
    long_batches=pushed(5, 12, 0, 3, 5, 11, 23, 1),
    hint="Batches longer than the ring, and an empty one. The last five keys survive, and each still lies in the "
    "column of its number. total counts all of them.",
)
queue, batch = Queue(3, 5), fresh(4, 3)
buffer, leaf = queue.columns, batch.clone().requires_grad_()
queue.push(leaf)
queue.push(batch)
batch.mul_(0.0)
check(
    numbers_only=torch.cat([buffer.flatten(), queue.columns.flatten() * (2 if queue.columns.requires_grad else 1)]),
    hint="A reference to the buffer that was taken before the pushes, and the columns, after the given keys were set "
    "to 0 and with a gradient asked for in the first batch. Zeros: a new tensor, or a view of the keys, was stored.",
)

# %% [markdown]
# **Look.** A ring of 24 columns and batches of 5. Each row is the buffer after one push; the colour says how many
# pushes ago a key was written.

# %%
ring, ages = Queue(1, 24), []
for push in range(12):
    ring.push(torch.full((5, 1), float(push)))
    age = torch.full((24,), math.nan)
    age[: min(ring.total, 24)] = push - ring.keys()[0]
    ages.append(age)
fig, ax = plt.subplots(figsize=(7.5, 3.2))
picture = ax.imshow(torch.stack(ages), cmap="viridis_r", aspect="auto")
ax.set(xlabel="column of the ring", ylabel="push", yticks=range(0, 12, 2))
ax.grid(False)
fig.colorbar(picture, ax=ax, label="age (pushes)", ticks=range(5))
plt.show()

# %% [markdown]
# ## 6 The slow encoder
# **2 points · 7 minutes · easy**
#
# The keys in the queue were made by earlier versions of a network. If it changed quickly, old and new keys would not be
# comparable. So queries and keys have an encoder each, of the same shape. The query encoder with weights $\theta_q$
# learns; the key encoder's weights $\theta_k$ follow it slowly and are never differentiated:
# $$\theta_k \leftarrow m\,\theta_k + (1 - m)\,\theta_q \tag{8}$$
# with $m$ close to 1. This is what is called momentum in MoCo. Only the **parameters** follow. The running mean and
# variance of normalisation layers are buffers; the key encoder sees data of its own and keeps its own.
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# Walk over the `parameters()` of both at once, inside `torch.no_grad()`, and change each in place: `mul_`, `add_`,
# `lerp_` or `copy_`. Assigning to the loop variable changes nothing.
#
# </details>


# %% task="momentum_update" points=2 minutes=7
def momentum_update(key_encoder, query_encoder, m):
    """One step of eq. (8), in place, for all parameters of key_encoder and nothing else.

    key_encoder, query_encoder: modules of one class; parameters may or may not require gradients. m: float, 0..1; 1
    leaves the key encoder as it is. Buffers of both, and the query encoder, stay as they are.
    """
    # BEGIN SOLUTION
    with torch.no_grad():  # leaves that require gradients are changed in place
        for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
            slow.lerp_(fast, 1 - m)  # (8)
    # END SOLUTION


# %% check="momentum_update" points=2
# One and three updates, the query encoder beside it, and the buffers.


def network():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    for parameter in module.parameters():
        parameter.data.copy_(fresh(*parameter.shape))
    module[1].running_mean.copy_(fresh(4))
    return module


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


slow, fast = network(), network()
momentum_update(slow, fast, 0.9)
check(
    one_update=flat(slow),
    hint="m = 0.9: nine tenths stay. Nearly the query encoder: m and 1 - m are swapped. Unchanged: an assignment to "
    "the loop variable is lost.",
)
for m in (0.5, 0.75):
    for parameter in fast.parameters():
        parameter.data.add_(fresh(*parameter.shape))
    momentum_update(slow, fast, m)
check(
    three_updates=flat(slow),
    query_kept=torch.cat([flat(fast), flat(slow)]),
    hint="Between the updates the query encoder moved, in place. One update right and this wrong: the two share their "
    "storage, or the query encoder was changed.",
)
momentum_update(slow, fast, 0.3)
check(
    buffers=torch.cat([*(buffer.double().flatten() for buffer in (*slow.buffers(), *fast.buffers())), flat(slow)]),
    hint="Running mean, variance and count of both encoders, and the parameters. state_dict() names buffers too; they "
    "are not to be averaged here.",
)

# %% [markdown]
# ## 7 One step of MoCo
# **3 points · 14 minutes · medium**
#
# Put together what you have (or what the solution has, when this is graded). One step, in this order:
#
# 1. queries from the query encoder, keys from the key encoder; **no gradient runs into the key encoder**;
# 2. the loss (6) against the queue **as it is now**, that is, before the new keys are in it: otherwise each query's
#    positive would also be one of its negatives (the lecture's MoCo pushes first and finds the positive *in* the queue;
#    here it stands beside it);
# 3. one step of the optimiser, which knows the parameters of the query encoder only;
# 4. the key encoder follows the query encoder as it is **after** that step, by (8);
# 5. the keys of step 1, brought to length 1, enter the queue.
#
# <details><summary>Hint 1: the shape of the code</summary>
#
# Five lines or so that call `info_nce`, `momentum_update`, `queue.push` and `queue.keys`, and the three usual calls of
# a training step. As always, `backward()` adds to what stands in `.grad`. The loss returned is the one before the step.
#
# </details>


# %% task="moco_step" points=3 minutes=14
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    """One step of MoCo as above, with `info_nce`, `Queue` and `momentum_update` of tasks 4 to 6. Returns the loss.

    query_encoder, key_encoder: (B, ...) -> (B, d). optimiser: of the query encoder's parameters. queue: a Queue of
    keys of length 1. x_q, x_k: (B, ...) two views of the same images. tau, m: floats. Returns a float, the loss before
    the step. What stands in .grad of the query encoder before the call has no effect; .grad of the key encoder's
    parameters stays as it is.
    """
    # BEGIN SOLUTION
    with torch.no_grad():  # keys are targets
        k = F.normalize(key_encoder(x_k), dim=1)  # (B, d)
    loss, _ = info_nce(query_encoder(x_q), k, queue.keys(), tau)  # (6)
    optimiser.zero_grad()  # whatever an earlier step has left
    loss.backward()
    optimiser.step()  # the query encoder learns
    momentum_update(key_encoder, query_encoder, m)  # (8), the key encoder follows
    queue.push(k)  # last: a positive must not be a negative as well
    return loss.item()
    # END SOLUTION


# %% check="moco_step" points=2
# One step by plain gradient descent: the loss, where both encoders went, and what is in the queue.


def flat(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def encoder():
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    for parameter in network.parameters():
        parameter.data.copy_(0.7 * fresh(*parameter.shape))
    return network


f_q, f_k, queue, x = encoder(), encoder(), Queue(3, 12), fresh(5, 4)
queue.push(F.normalize(fresh(9, 3)))
loss = moco_step(f_q, f_k, torch.optim.SGD(f_q.parameters(), lr=0.3), queue, x, x + 0.3 * fresh(5, 4), 0.2, 0.8)
check(
    loss=float(loss),
    hint="Five images, nine keys in the queue. Too high: are the new keys already among the negatives? Too low: views "
    "exchanged, or the loss after the step?",
    rtol=1e-4,
)
check(
    query_encoder=flat(f_q),
    hint="Its 51 parameters after one step of gradient descent. If the loss is right: zero_grad, backward, step, in "
    "this order? Does the optimiser that was given do the step?",
    rtol=1e-4,
)
check(
    key_encoder=flat(f_k),
    hint="It follows the query encoder as it is after its step. Unchanged or equal to the query encoder: which is the "
    "first argument of momentum_update?",
    rtol=1e-4,
)
check(
    queue=torch.cat([queue.columns.flatten(), torch.tensor([float(queue.total)])]),
    hint="The columns and total. What enters are the keys, not the queries, of length 1, made by the key encoder "
    "before it moved; five keys after nine in a ring of twelve.",
    rtol=1e-4,
)

# %% check="moco_step" points=1
# Old gradients, gradients of the key encoder, and four steps in a row from an empty queue.


def flat(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def encoder():
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    for parameter in network.parameters():
        parameter.data.copy_(0.7 * fresh(*parameter.shape))
    return network


f_q, f_k, queue, x = encoder(), encoder(), Queue(3, 12), fresh(5, 4)
for parameter in (*f_q.parameters(), *f_k.parameters()):
    parameter.grad = fresh(*parameter.shape)
queue.push(F.normalize(fresh(9, 3)))
moco_step(f_q, f_k, torch.optim.SGD(f_q.parameters(), lr=0.3), queue, x, x + 0.3 * fresh(5, 4), 0.2, 0.8)
check(
    old_gradients=torch.cat([flat(f_q), flat(f_k), *(parameter.grad.flatten() for parameter in f_k.parameters())]),
    rtol=1e-4,
    hint="Before the step something stood in every .grad. For the query encoder it must have no effect; for the key "
    "encoder it must still stand there, for nothing runs into it and nobody steps with it.",
)
f_q, f_k, queue = encoder(), encoder(), Queue(3, 12)
optimiser = torch.optim.SGD(f_q.parameters(), lr=0.1, momentum=0.5)
losses = [
    float(moco_step(f_q, f_k, optimiser, queue, x, x + 0.3 * fresh(5, 4), 0.2, 0.6)) for x in fresh(4, 5, 4).unbind(0)
]
check(
    four_steps=torch.cat([torch.tensor(losses), flat(f_q), flat(f_k), queue.columns.flatten()]),
    rtol=1e-3,
    atol=1e-4,
    hint="Losses, both encoders and the queue after four steps with momentum in the optimiser. The first loss is 0: "
    "nothing is in the queue yet.",
)

# %% [markdown]
# **Look.** MoCo on digits with a queue of 1,024 keys, for three values of $m$. How stale is a key? Half-way through,
# each key of the queue is computed once more, from the same view, by the key encoder as it is now. Does it still
# recognise itself: is the new vector nearer to its own stored one than to the other 127 of its batch? Your
# `collapse_report` judges what came out. About 20 seconds.


# %%
def recognised(f_k, queue, seen):
    """Share of stored keys that the key encoder of today tells from their batch, by age in steps.

    seen: the views (BATCH, 1, 28, 28) of the batches that fill the queue, oldest first.
    """
    f_k, size = copy.deepcopy(f_k), len(seen) * BATCH  # a copy: the running statistics of f_k stay as they are
    columns = torch.arange(queue.total - size, queue.total) % size
    stored = queue.columns.T[columns].view(len(seen), BATCH, -1)
    with torch.no_grad():
        similar = torch.stack([f_k(x) for x in seen]) @ stored.mT  # (batches, BATCH, BATCH)
    return (similar.argmax(dim=2) == torch.arange(BATCH)).float().mean(dim=1).flip(0)


def train_moco(m, steps=160, size=1024):
    """MoCo on the training digits. Returns (query encoder, losses, `recognised` half-way)."""
    coin, queue, losses, seen = torch.Generator().manual_seed(0), Queue(32, size), [], []
    f_q, f_k = copy.deepcopy(untrained).train(), copy.deepcopy(untrained).train()
    optimiser, schedule = learner(f_q, steps)
    for step in progress(range(steps)):
        batch = train_x[torch.randint(len(train_x), (BATCH,), generator=coin)]
        x_q, x_k = random_views(batch, coin), random_views(batch, coin)
        losses.append(moco_step(f_q, f_k, optimiser, queue, x_q, x_k, 0.2, m))
        schedule.step()
        seen = [*seen, x_k][-size // BATCH :]
        if step == steps // 2:
            halfway = recognised(f_k, queue, seen)
    return f_q.eval(), losses, halfway


fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.1))
for m, color in ((0.0, "C3"), (0.9, "C4"), (0.99, MODEL)):
    moco, losses, halfway = train_moco(m)
    left.plot(range(9, len(losses)), torch.tensor(losses).unfold(0, 10, 1).mean(1), color=color, label=f"m = {m:g}")
    right.plot(100 * halfway, color=color, marker="o")
    with torch.no_grad():
        spread, rank, uniformity = collapse_report(moco(held_x[:512]))
    print(f"m = {m:<5g} loss at the end {sum(losses[-20:]) / 20:.2f} nats, spread {spread:.2f}, rank {rank:.1f}")
left.axhline(math.log(1025), color="k", ls=":", lw=1)
left.set(xlabel="step", ylabel="InfoNCE (nats), mean of 10", title="training")
right.axhline(100 / BATCH, color="k", ls=":", lw=1)
right.set(xlabel="age of a key (steps)", ylabel="recognised (%)", title="keys after half of the steps", ylim=(0, 104))
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# The dotted line is $\ln(K + 1)$, where the positive is no easier to find than any other key. Without momentum the
# network runs away from its own keys, the loss climbs to the dotted line, and in the end all vectors are nearly one.
# With $m = 0.9$ it is the same at a slower pace: the older keys are, the fewer are recognised, and the vectors end
# close to a line. On the right the dotted line is guessing, 1 in 128: for $m = 0$ everything has collapsed by then.
# With $m = 0.99$ old keys stay good opponents. (A short run at a high learning rate makes the difference large. How
# large $m$ has to be depends on how fast the network moves: in the lecture it was trained already, and $m = 0.9$ was
# nearly enough.)
#
#
# ## 8 A memory of every image
# **2 points · 12 minutes · medium**
#
# Before queues there was the **memory bank**, and PIRL uses one: a vector $m_i$ of length 1 for each image of the data
# set, a moving average of what the network said about image $i$ whenever it came by,
# $$m_i \leftarrow \frac{w\, m_i + (1 - w)\, u_i}{\| w\, m_i + (1 - w)\, u_i \|}, \qquad u_i = \frac{z_i}{\|z_i\|}
# \tag{9}$$
# Negatives for image $i$ are $K$ rows of the bank, drawn at random, and never row $i$ itself, which is the positive. To
# draw one of the $n - 1$ others without trying again and again, take a uniform $a$ from $[0, 1)$, let
# $j = \lfloor a\,(n - 1) \rfloor$, and use the $j$-th of the **others**, counted from 0 in the order of the bank.
#
# <details><summary>Hint 1: the others without a list of them</summary>
#
# With $n = 5$ and $i = 2$ the others are 0, 1, 3, 4. Below $i$, for $j < i$, the $j$-th other is row $j$; from $i$ on
# it is row $j + 1$. That is a comparison, and a comparison can be added to a number.
#
# </details>


# %% task="memory_bank" points=2 minutes=12
class MemoryBank:
    """A vector of length 1 for each of n images: rows (n, d), float32, written in place."""

    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        """Eq. (9) for the images `index` of a batch, in place.

        index: (B,) int64, all different. z: (B, d), of any length but 0, perhaps with a gradient, which stays out of
        the bank. w: float, 0..1. All other rows stay as they are.
        """
        # BEGIN SOLUTION
        u = F.normalize(z.detach(), dim=1)
        self.rows[index] = F.normalize(w * self.rows[index] + (1 - w) * u, dim=1)  # (9)
        # END SOLUTION

    def negatives(self, index, a):
        """K rows of other images for each image of a batch, as above. index: (B,). a: (B, K) uniform. (B, K, d)."""
        # BEGIN SOLUTION
        j = (a * (len(self.rows) - 1)).long()  # (B, K), which of the others
        return self.rows[j + (j >= index[:, None])]
        # END SOLUTION


# %% check="memory_bank" points=2
# One batch and several, the rows that did not come by, and the negatives of every image.
n, d = 9, 4
start = F.normalize(fresh(n, d))
rows = start.clone()
bank, index = MemoryBank(rows), torch.randperm(n, generator=fresh_generator())[:5]
bank.update(index, 3 * fresh(5, d), 0.7)
check(
    updated=torch.cat([torch.as_tensor(bank.rows), rows]),
    rtol=1e-4,
    hint="All nine rows after five of them came by, and the tensor that the bank was given. z gets length 1 before it "
    "is mixed, the mixture again after; 0.7 of the old stays. Written into the tensor itself.",
)
for w in (0.5, 0.2, 1.0):
    index = torch.randperm(n, generator=fresh_generator())[:4]
    bank.update(index, fresh(4, d).requires_grad_() * 5, w)
check(
    several=torch.as_tensor(bank.rows) * (2 if bank.rows.requires_grad else 1),
    rtol=1e-4,
    hint="After three more batches, with a z that has a gradient. One batch right and this wrong: is the gradient "
    "kept out, and do the rows have length 1 again after each update?",
)
bank, a = MemoryBank(start), torch.rand(4, 6, generator=fresh_generator())
check(
    negatives=bank.negatives(torch.tensor([0, 3, n - 1, 5]), a),
    hint="Shape (4, 6, 4). With image 3 of 9 and a = 0.4: floor(3.2) = 3, and the others 0, 1, 2, 4, ... have number 4 "
    "at place 3. floor(a n), and moving on only where it happens to be i, makes one of the others twice as likely.",
)
places = torch.arange(n - 1).add(0.5) / (n - 1)
check(
    every_other=torch.stack([torch.as_tensor(bank.negatives(torch.tensor([i]), places[None]))[0] for i in range(n)]),
    hint="For each image a that leads to each of the eight others once. An image must not find itself, and it must "
    "find the last one.",
)

# %% [markdown]
# **Look.** The bank of the network of task 2, filled with one view of each of 3,000 digits that it was trained on and
# updated with two more. A memory of every image is also an index. A new view of a digit is the query: left the view,
# then its nearest neighbours among the pixels of the other digits, then among the rows of the bank. Here labels are
# used for the first time, to pick the five rows and for the percentage.

# %%
coin, shown = torch.Generator().manual_seed(3), digit_x[:3000]
with torch.no_grad():
    bank = MemoryBank(F.normalize(simclr(random_views(shown, coin))))
    for _ in range(2):
        for index in torch.randperm(3000, generator=coin).split(500):
            bank.update(index, simclr(random_views(shown[index], coin)), 0.5)
    query = random_views(shown[:400], coin)
    similar = {
        "pixels": F.normalize(query.flatten(1)) @ F.normalize(shown.flatten(1)).mT,
        "bank": F.normalize(simclr(query)) @ bank.rows.mT,
    }
fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), gridspec_kw={"width_ratios": [1, 7, 7]})
picked = torch.tensor([int((labels[:400] == digit).nonzero()[1]) for digit in (2, 4, 5, 7, 9)])
show_images(query[picked, 0], columns=1, ax=axes[0], title="view")
for ax, (name, cosines) in zip(axes[1:], similar.items(), strict=True):
    near = cosines.fill_diagonal_(-1).topk(7).indices  # (400, 7), the digit itself left out
    show_images(shown[near[picked].flatten(), 0], columns=7, ax=ax, title=f"nearest, {name}")
    right = (labels[near] == labels[:400, None]).float().mean()
    print(f"{name:7s} {right:.1%} of the seven nearest show the same digit as the view (400 views)")
plt.show()

# %% [markdown]
# ## 9 The linear probe
# **3 points · 19 minutes · medium**
#
# What is a representation worth? Freeze it, take labelled examples, and fit the simplest classifier that there is on
# $h$: a softmax of a linear function. Features come in all sizes, so first bring each to mean 0 and variance 1, with
# the mean $\mu_j$ and the standard deviation $\sigma_j$ (divided by $n$, not by torch's default $n - 1$, and with
# nothing added to it, unlike in the lecture's code) **of the training examples**, $\tilde h_{ij} = (h_{ij} - \mu_j) /
# \sigma_j$. Then minimise, over the matrix $W$ and the offsets $b$,
# $$J(W, b) = -\frac1n \sum_{i=1}^{n} \ln \operatorname{softmax}(W \tilde h_i + b)_{y_i} + \frac{\lambda}{2} \sum_{cj}
# W_{cj}^2 \tag{10}$$
# $J$ is convex, so there is one best prediction, whatever way leads to it; go all the way. The penalty is on $W$ only:
# how frequent a class is need not be shrunk. With few labels it matters a great deal, and it is chosen on training
# examples held back for that, never on the test set.
#
# A test example is standardised with the *training* mean and deviation. Using its own, or those of the test set, is a
# leak, and for a single test example it is 0/0. A unit that is 0 for every training example (a dead ReLU) has $\sigma_j
# = 0$; it shall count for nothing, also where a test example has some other value there.
#
# <details><summary>Hint 1: the way down</summary>
#
# `torch.optim.LBFGS([W, b], max_iter=..., line_search_fn="strong_wolfe")` minimises such a function in some dozen
# steps: define `closure()`, which clears the gradients, computes $J$, calls `backward` and returns it, and hand it to
# `step`. Give it a small `tolerance_grad` and start at zero. float64 costs little here and lets it go further.
#
# </details>
#
# <details><summary>Hint 2: dead units</summary>
#
# Where $\sigma_j = 0$ multiply by 0 instead of dividing: `torch.where(std > 0, 1 / std, 0.0)`.
#
# </details>


# %% task="linear_probe" points=3 minutes=19
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    """Probabilities of the test examples under the softmax regression that minimises eq. (10) on the training examples.

    h_train: (n, d), h_test: (n_test, d) float32, frozen features. y_train: (n,) int64 in 0..classes-1; a class may be
    missing. lam: float above 0. Returns (n_test, classes) probabilities, right to about 0.001: go to the minimum.
    """
    # BEGIN SOLUTION
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    scale = torch.where(std > 0, 1 / std, 0.0)  # a dead unit counts for nothing
    h_train, h_test = (h_train - mean) * scale, (h_test - mean) * scale
    W, b = h_train.new_zeros(classes, h_train.shape[1]), h_train.new_zeros(classes)
    optimiser = torch.optim.LBFGS(
        [W.requires_grad_(), b.requires_grad_()],
        max_iter=500,
        tolerance_grad=1e-6,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()  # L-BFGS calls this several times a step
        J = F.cross_entropy(h_train @ W.T + b, y_train) + lam / 2 * W.square().sum()  # (10)
        J.backward()
        return J

    optimiser.step(closure)
    return (h_test @ W.T + b).softmax(dim=1).detach().float()
    # END SOLUTION


# %% check="linear_probe" points=2
# Predictions for features of very different sizes, a strong and a weak penalty, uneven classes and a dead unit.


def blobs(n, classes, d=5):
    y = torch.arange(n) % (classes + 1) % classes  # class 0 twice as often
    return (1.2 * fresh(classes, d)[y] + fresh(n, d)) * torch.logspace(-2, 2, d) + 30 * fresh(d), y


h, y = blobs(60, 3)
train, test = h[:40], h[40:]
check(
    strong=linear_probe(train, y[:40], test, 0.3, 3),
    atol=3e-3,
    hint="lambda of 0.3, 40 examples, class 0 twice as frequent, features of size 0.01 to 100. Standardise first; "
    "lambda / 2 times the sum of squares, added to the mean (not the sum) over examples; probabilities, not logits. "
    "Off by less than about 0.02: torch's std divides by n - 1, and nothing may be added to sigma.",
)
check(
    weak=linear_probe(train, y[:40], test, 0.01, 3),
    atol=3e-3,
    hint="lambda of 0.01. Strong right and this wrong: not yet at the minimum.",
)
rare = torch.cat([torch.arange(30)[y[:30] == 0], torch.arange(30, 40)])
check(
    uneven=linear_probe(train[rare], y[:40][rare], test, 1.0, 4),
    atol=3e-3,
    hint="Classes of different frequency, one of four missing. Too even: b is penalised as well. Without any example "
    "the missing class has a probability of about 0.",
)
dead = torch.cat([train, torch.zeros(40, 2)], dim=1), torch.cat([test, 20 + fresh(20, 2)], dim=1)
check(
    dead_unit=linear_probe(dead[0], y[:40], dead[1], 0.1, 3),
    atol=3e-3,
    hint="Two more features, 0 in all training examples and about 20 in the test examples. nan: 0/0. A small number "
    "added to sigma makes 20 enormous; if W is not exactly 0 there, it decides everything.",
)

# %% check="linear_probe" points=1
# One test example at a time, and another test set beside the same examples.


def blobs(n, classes, d=5):
    y = torch.arange(n) % (classes + 1) % classes  # class 0 twice as often
    return (1.2 * fresh(classes, d)[y] + fresh(n, d)) * torch.logspace(-2, 2, d) + 30 * fresh(d), y


h, y = blobs(20, 4)
train, test = h[:12], h[12:]
check(
    one_at_a_time=torch.cat([torch.as_tensor(linear_probe(train, y[:12], one[None], 0.1, 4)) for one in test[:4]]),
    atol=3e-3,
    hint="A test set of one example. nan, or 1/4 for everything: it was standardised with its own mean. Only the "
    "training set's mean and deviation may be used.",
)
check(
    other_company=torch.as_tensor(linear_probe(train, y[:12], torch.cat([test, 5 * h + 100]), 0.1, 4))[:8],
    atol=3e-3,
    hint="The first eight of a test set whose others are far away: what else is tested must not matter.",
)

# %% [markdown]
# **Look.** Labels at last. Four frozen representations of digits: the pixels (averaged over 2 x 2), the untrained
# network, the network of task 2 (240 steps), and the last MoCo of task 7 (160 steps). The probe sees 60 (1%), 600 (10%)
# or 6,000 labels, and the score is on 2,000 other digits; bars for 1% and 10% are means of three draws of the labels,
# with their standard deviation. There the strength is chosen on a fifth of the labels; with all of them it is 0.01,
# fixed beforehand. About 15 seconds.


# %%
def accuracy(h, y, h_test, y_test):
    """Share of right predictions, the strength chosen on a fifth of the training examples."""
    cut = len(h) * 4 // 5

    def right(lam, h, y, h_test, y_test):
        return (linear_probe(h, y, h_test, lam).argmax(1) == y_test).float().mean().item()

    strengths = (0.03, 0.1, 1.0)
    best = max(strengths, key=lambda lam: right(lam, h[:cut], y[:cut], h[cut:], y[cut:])) if len(h) < 2000 else 0.01
    return right(best, h, y, h_test, y_test)


start, table = time.perf_counter(), {}
with torch.no_grad():
    features = {"pixels": F.avg_pool2d(digit_x, 2).flatten(1)}
    for name, net in (("untrained", untrained), ("NT-Xent", simclr), ("MoCo", moco)):
        features[name] = net.body(digit_x)
for name, h in features.items():
    for n in (60, 600, 6000):
        coins = [torch.Generator().manual_seed(seed) for seed in range(3 if n < 6000 else 1)]
        draws = [torch.randperm(6000, generator=coin)[:n] for coin in coins]
        scores = [accuracy(h[draw], labels[draw], h[8000:], labels[8000:]) for draw in draws]
        table[name, n] = 100 * torch.tensor(scores)
fig, ax = plt.subplots(figsize=(8, 3))
for k, (name, color) in enumerate(zip(features, (DATA, "0.6", MODEL, "C2"), strict=True)):
    found = [table[name, n] for n in (60, 600, 6000)]
    height, spread = [right.mean() for right in found], [right.std(correction=0) for right in found]
    ax.bar([i + 0.2 * k for i in range(3)], height, 0.18, yerr=spread, ecolor="0.3", color=color, label=name)
ax.set(xticks=[0.3, 1.3, 2.3], xticklabels=["1% labels", "10%", "all"], ylabel="% right", ylim=(30, 100))
fig.legend(loc="outside right upper")
ax.grid(axis="x", visible=False)
plt.show()
for name in features:
    told = [f"{table[name, n].mean():6.1f} ± {table[name, n].std(correction=0):.1f} %" for n in (60, 600)]
    print(f"{name:10s}" + "".join(told) + f"{table[name, 6000].item():8.1f} %")
print(f"{time.perf_counter() - start:.0f} s")

# %% [markdown]
# Two bars to compare with, and neither may be left out: the pixels, and the untrained network, whose convolutions with
# random weights and averages know something about images too (read in this way it stays below the pixels; the lecture
# shows how much the read-out decides). What is above both has been learnt from images alone. (The axis starts at 30.
# Some seconds of training and a small network: the lecture goes further.)
#
#
# ## What next
# The progress line under the last check shows your points; `grade check labs/12_contrastive.ipynb` in a terminal runs
# the notebook from top to bottom and lists what the badges would say.
#
# **Beyond, without points**
# 1. Leave the turn, the scale, the shift or the hole out of `random_views`, train again and look at the probe. Which
#    one is missed most?
# 2. Probe $z$ in place of $h$ (`net.head(net.body(x))`). Why is the head thrown away?
# 3. Train with $\tau$ of 0.05, 0.3 and 2. What do spread, rank and uniformity say, and what does the probe?
# 4. Let the key encoder be trained by the loss as well (no detach), or push the new keys before the loss. Does the loss
#    tell you? Does the probe?
# 5. PIRL: the query is a shuffled jigsaw of the image, the positive is the image's row of the bank. Write such a loss
#    (the lecture's is another one) with `MemoryBank.negatives` and `info_nce`, one image at a time, and then for the
#    batch at once.
