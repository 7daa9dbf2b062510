# ---
# jupyter:
#   course:
#     title: "NN TITLE"
#     summary: "FILL IN: what is built, in one line"
#     minutes: 120
# ---

# %% [markdown]
# # Lab NN: TITLE
# FILL IN: what you build here and why.
#
# **Afterwards you can** FILL IN.
#
# **Needs** lecture NN. No GPU. About FILL IN minutes, 1 task, 2 points.
#
# **How it works.** Replace the line `raise NotImplementedError(...)` of a task, run the cell, then run the check below
# it: its badge shows pass or fail for each value, the shape and a hint. The grade is computed later in the same way
# with *other* inputs.

# %%
import torch

points = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor([1.0, 0.5])

# %% [markdown]
# ## 1 Centre the data
# **2 points · 10 minutes · easy**
#
# FILL IN: the idea in two sentences, then the equation.
# $$y_i = x_i - \frac{1}{n}\sum_{j=1}^{n} x_j \tag{1}$$
#
# <details><summary>Hint 1: the idea</summary>
#
# FILL IN. Each column has a mean of its own.
#
# </details>
#
# <details><summary>Hint 2: the shape</summary>
#
# FILL IN. `x.mean(0)` has shape (d,) and is subtracted from every row.
#
# </details>


# %% task="centre" points=2 minutes=10
def centre(x):
    """The points x with their mean taken away, eq. (1). x: (n, d) float. Returns (n, d); x stays as it was."""
    # BEGIN SOLUTION
    return x - x.mean(0)  # (1)
    # END SOLUTION


# %% check="centre" points=1
check(centred=centre(fresh(7, 3)), hint="One mean for each column, over the rows.")

# %% check="centre" points=1
# A function that changes what it was given surprises its caller.
x = fresh(6, 2)
y = centre(x)
check(result_and_argument=x + y, hint="Right above, wrong here: is x changed in place?")

# %% [markdown]
# **Look.** FILL IN: show what the task made, and read it in one sentence.

# %%
print("mean before:", points.mean(0), "after:", centre(points).mean(0))
