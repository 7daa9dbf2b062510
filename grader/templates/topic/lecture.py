# ---
# jupyter:
#   course:
#     title: "NN TITLE"
#     summary: "FILL IN: one line for the map of topics"
#     minutes: 100
# ---

# %% [markdown]
# # NN TITLE
#
# **The question.** FILL IN: one paragraph that ends in the question of this lecture. The skeleton asks a small one:
# which place stands best for many points?
#
# **After this lecture you can** FILL IN: three outcomes.
#
# **It needs** FILL IN: earlier lectures. **It takes** FILL IN minutes to read and play with, seconds on a laptop's CPU.

# %% [markdown]
# | symbol | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | (n, d) | n points of d coordinates |
# | $c$ | `c` | (d,) | their centre |

# %%
import matplotlib.pyplot as plt
import torch

from utils.plot import DATA, MODEL, use_style
from utils.train import budget, budget_name, record
from utils.widgets import explore

use_style()
torch.set_num_threads(budget(smoke=1, cpu=1, gpu=4))
n = budget(smoke=100, cpu=1_000, gpu=1_000)
print(f"budget: {budget_name()}")

# %% [markdown]
# ## 1 FILL IN: a section asks one question
# The centre of some points is the place whose squared distances to all of them add up to the least:
# $$c = \frac{1}{n}\sum_{i=1}^{n} x_i \tag{1}$$

# %%
def mean(x):
    """The centre of the points x, eq. (1). x: (n, d). Returns (d,)."""
    return x.sum(0) / len(x)                                                                      # (1)

# %% [markdown]
# **Check.** Moving the centre in any of 100 directions can only hurt. FILL IN: a figure follows, and says what to see.

# %%
generator = torch.Generator().manual_seed(0)
x = torch.randn(n, 2, generator=generator) + torch.tensor([1.0, 0.5])
c = mean(x)
cost = (x - c).pow(2).sum()
moved = [(x - c - 0.1 * torch.randn(2, generator=generator)).pow(2).sum() for _ in range(100)]
assert all(m > cost for m in moved)
print(f"{len(moved)} other places tried, none is better than the mean")

fig, ax = plt.subplots(figsize=(5, 4))
ax.scatter(*x.T, s=8, color=DATA, label="data")
ax.scatter(*c, s=80, color=MODEL, marker="x", label="their mean")
ax.set(xlabel="$x_1$", ylabel="$x_2$", title="The mean is in the middle")
ax.legend()
plt.show()

# %% [markdown]
# FILL IN: a sentence that reads the figure. **Play** with one thing: how far the mean of few points is from that of
# many.

# %%
def few(points=20):
    some = mean(x[:points])
    fig, ax = plt.subplots(figsize=(5, 4))
    ax.scatter(*x[:points].T, s=8, color=DATA, label=f"{points} points")
    ax.scatter(*some, s=80, color=MODEL, marker="x", label="their mean")
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 5), ylim=(-3, 4))
    ax.set_title(f"{(some - c).norm():.2f} from the mean of all")
    ax.legend()
    return fig


explore(few, points=(5, 100))

# %% [markdown]
# ## Results
# FILL IN: what the numbers say, beside the previous method's and the paper's (`paper=`, `source=`).

# %%
record(mean_squared_distance=(cost / n).item(), unit="per point")

# %% [markdown]
# ## Takeaways
#
# - FILL IN: three to seven sentences to remember.
#
# ## Exercises
#
# 1. FILL IN: a question that goes beyond the lab.
#
# ## References
#
# - FILL IN, in this form: M. Germain, K. Gregor, I. Murray, H. Larochelle (2015). MADE: masked autoencoder for
#   distribution estimation. *ICML*. [arXiv:1502.03509](https://arxiv.org/abs/1502.03509).
