# %% [markdown]
# Answers to the task ista. One check of 2 points with four values (one_step, from_zero, many_prices, start_kept), one
# of 1 point with two (downhill, at_right_angles).


# %% wrong="threshold_not_scaled" points=0.5 why="thresholds by lam: solves the problem with the price lam L"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam)
    return z


# %% wrong="step_not_scaled" points=0.5 why="a gradient step of 1, not of 1/L"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x), lam / L)
    return z


# %% wrong="uphill" points=0 why="adds the gradient"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = soft_threshold(z + D.T @ (D @ z - x) / L, lam / L)
    return z


# %% wrong="start_ignored" points=2 why="always begins at zero"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1])
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam / L)
    return z


# %% wrong="starts_at_the_correlations" points=1.5 why="begins at D^T x where nothing was given"
def ista(x, D, lam, *, L, steps, z=None):
    z = D.T @ x if z is None else z
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam / L)
    return z


# %% wrong="start_changed" points=2.5 why="steps in place, on the caller's start"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z -= D.T @ (D @ z - x) / L
        z.copy_(soft_threshold(z, lam / L))
    return z


# %% wrong="frobenius" points=0 why="its own step from the squared Frobenius norm, not the L given"
def ista(x, D, lam, *, L, steps, z=None):
    z, L = torch.zeros(D.shape[1], x.shape[1]) if z is None else z, D.square().sum()
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam / L)
    return z


# %% wrong="shrink_first" points=0 why="thresholds before the gradient step: the code is not sparse"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = soft_threshold(z, lam / L)
        z = z - D.T @ (D @ z - x) / L
    return z


# %% wrong="subgradient" points=0 why="the slope of the price in the gradient, without any threshold"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = z - (D.T @ (D @ z - x) + lam * z.sign()) / L
    return z


# %% wrong="one_step_more" points=0.5 why="range(steps + 1)"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps + 1):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam / L)
    return z


# %% wrong="threshold_only_once" points=1 why="gradient steps, and a single threshold at the end"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    for _ in range(steps):
        z = z - D.T @ (D @ z - x) / L
    return soft_threshold(z, lam / L) if steps else z


# %% wrong="momentum" points=1 why="FISTA: not the steps that were asked for"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1]) if z is None else z
    y, t = z, 1.0
    for _ in range(steps):
        new = soft_threshold(y - D.T @ (D @ y - x) / L, lam / L)
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
        y, z, t = new + (t - 1) / t_new * (new - z), new, t_new
    return z


# %% wrong="price_as_a_number" points=2.5 why="one price for all: the mean of those given"
def ista(x, D, lam, *, L, steps, z=None):
    z, lam = torch.zeros(D.shape[1], x.shape[1]) if z is None else z, float(torch.as_tensor(lam).mean())
    for _ in range(steps):
        z = soft_threshold(z - D.T @ (D @ z - x) / L, lam / L)
    return z


# %% right="multiplied_out" why="the Gram matrix and D^T x once, as in eq. (9)"
def ista(x, D, lam, *, L, steps, z=None):
    S, Wx = torch.eye(D.shape[1]) - D.T @ D / L, D.T @ x / L
    z = torch.zeros_like(Wx) if z is None else z
    for _ in range(steps):
        z = soft_threshold(S @ z + Wx, lam / L)
    return z


# %% right="signal_by_signal" why="a loop over the columns, with a threshold of its own"
def ista(x, D, lam, *, L, steps, z=None):
    m, B = D.shape[1], x.shape[1]
    price = torch.as_tensor(lam, dtype=x.dtype).expand(m, B)
    out = torch.zeros(m, B, dtype=x.dtype)
    for b in range(B):
        code = torch.zeros(m, dtype=x.dtype) if z is None else z[:, b].clone()
        for _ in range(steps):
            u = code + D.t().mv(x[:, b] - D.mv(code)) / L
            code = u.sign() * (u.abs() - price[:, b] / L).clamp(min=0)
        out[:, b] = code
    return out


# %% right="autograd" why="the gradient by autograd"
def ista(x, D, lam, *, L, steps, z=None):
    z = torch.zeros(D.shape[1], x.shape[1], dtype=D.dtype) if z is None else z
    for _ in range(steps):
        leaf = z.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((x - D @ leaf).square().sum() / 2, leaf)
        z = soft_threshold(z - gradient / L, lam / L)
    return z


# %% right="numpy64" why="numpy, in float64"
def ista(x, D, lam, *, L, steps, z=None):
    import numpy as np

    x, D = x.double().numpy(), D.double().numpy()
    lam = lam.double().numpy() if isinstance(lam, torch.Tensor) else lam
    z = np.zeros((D.shape[1], x.shape[1])) if z is None else z.double().numpy()
    for _ in range(steps):
        u = z - D.T @ (D @ z - x) / L
        z = np.sign(u) * np.maximum(np.abs(u) - lam / L, 0)
    return torch.from_numpy(z)


# %% right="recursion" why="calls itself"
def ista(x, D, lam, *, L, steps, z=None):
    if z is None:
        z = torch.zeros((D.shape[-1], x.shape[-1])).to(x)
    if steps == 0:
        return z
    pull = torch.einsum("nm,nb->mb", D, x - torch.einsum("nm,mb->nb", D, z))
    return ista(x, D, lam, L=L, steps=steps - 1, z=soft_threshold(z + pull / L, lam / L))
