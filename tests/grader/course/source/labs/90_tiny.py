# ---
# jupyter:
#   course:
#     title: "90 Tiny"
#     summary: three one-line tasks for the tests of the grader
#     minutes: 3
# ---

# %% [markdown]
# # 90 Tiny
# A lab that runs in a moment.

# %%
import torch

SCALE = 2.0

# %% [markdown]
# ## Double
# Two times every number.

# %% task="double" points=3 minutes=1
def double(x):
    """Two times x. x: (n,) float32. Returns (n,)."""
    # BEGIN SOLUTION
    answer = SCALE * x
    return answer
    # END SOLUTION

# %% check="double" points=1
check(doubled=double(fresh(5)), hint="half or double?")

# %% check="double" points=2
x = fresh(7)
check(ratio=double(x) / x, linear=double(x + 1) - double(x), hint="a constant added?")

# %% [markdown]
# ## Total

# %% task="total" points=2 minutes=1
def total(x):
    """Sum of the doubled numbers; calls double."""
    # BEGIN SOLUTION
    return double(x).sum()
    # END SOLUTION

# %% check="total" points=2
check(total=total(fresh(10)), hint="is it the sum?")

# %% [markdown]
# ## Draw

# %% task="draw" points=1 minutes=1
def draw(n, *, generator=None):
    """n numbers, uniform in [0, 1)."""
    # BEGIN SOLUTION
    return torch.rand(n, generator=generator)
    # END SOLUTION

# %% check="draw" points=1
u = draw(4000, generator=fresh_generator())
check(histogram=torch.histc(u, 4, 0, 1) / 4000, atol=0.05)
