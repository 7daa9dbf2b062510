# %% [markdown]
# Answers to the task kkt_residual. One check of 2 points with four values (any_code, nothing_in_use, many_prices,
# minima), one of 1 point with two (highest_price, around_it).


# %% wrong="equality_everywhere" points=0.5 why="asks atoms that are not in use for equality too"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return (c - lam * z.sign()).abs().amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="wrong_sign" points=1.5 why="the gradient in place of the correlation, with the sign of the correlation"
def kkt_residual(x, D, z, lam):
    c = D.T @ (D @ z - x)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="sizes_only" points=1.5 why="compares sizes: an atom of the wrong sign goes through"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c.abs() - lam).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="only_the_others" points=1.5 why="looks at the atoms that are not in use, and at the others as if they were not"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return (c.abs() - lam).clamp(min=0).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="only_those_in_use" points=1 why="forgets the atoms that should have been bought"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, torch.zeros_like(z), (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="not_clamped" points=2 why="atoms far below the price count as negative violations"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, c.abs() - lam, (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="summed" points=0.5 why="the sum of the violations"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).sum(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="over_the_batch" points=0.5 why="the largest over everything: one number"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).max()


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="small_is_zero" points=2.5 why="counts codes below 1e-3 as not in use"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    unused = z.abs() < 1e-3
    return torch.where(unused, c.abs(), (c - lam * z.sign()).abs() + 0 * lam).sub(lam * unused).clamp(min=0).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="price_times_code" points=1.5 why="lam z in place of lam sign(z): ridge regression"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="residual_forgotten" points=1.5 why="the correlations with the signal, not with what is left of it"
def kkt_residual(x, D, z, lam):
    c = D.T @ x
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().amax(0)


# %% wrong="no_absolute_value" points=2 why="the price from the largest positive correlation"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).amax(0)


# %% wrong="one_price_for_all" points=2 why="one highest price for the whole batch"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (D.T @ x).abs().max().expand(x.shape[1])


# %% wrong="cosines" points=2 why="divides by the atoms' lengths"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    return torch.where(z == 0, (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()).amax(0)


def lambda_max(x, D):
    return (F.normalize(D, dim=0).T @ x).abs().amax(0)


# %% right="distance_to_the_subgradient" why="the distance of c to the interval of allowed values"
def kkt_residual(x, D, z, lam):
    c = D.T @ (x - D @ z)
    low = torch.where(z > 0, lam, -lam * torch.ones_like(z))
    high = torch.where(z < 0, -lam, lam * torch.ones_like(z))
    return torch.maximum((low - c).clamp(min=0), (c - high).clamp(min=0)).max(dim=0).values


def lambda_max(x, D):
    return torch.linalg.vector_norm(D.T @ x, ord=math.inf, dim=0)


# %% right="loops" why="signal by signal, atom by atom"
def kkt_residual(x, D, z, lam):
    lam, worst = torch.as_tensor(lam, dtype=z.dtype).expand_as(z), []
    for b in range(z.shape[1]):
        residue, most = x[:, b] - D @ z[:, b], 0.0
        for j in range(z.shape[0]):
            c, price, code = float(D[:, j] @ residue), float(lam[j, b]), float(z[j, b])
            if code > 0:
                violation = abs(c - price)
            elif code < 0:
                violation = abs(c + price)
            else:
                violation = max(abs(c) - price, 0.0)
            most = max(most, violation)
        worst.append(most)
    return torch.tensor(worst)


def lambda_max(x, D):
    return torch.tensor([max(abs(float(d @ signal)) for d in D.T) for signal in x.T])


# %% right="numpy64" why="numpy, in float64"
def kkt_residual(x, D, z, lam):
    import numpy as np

    x, D, z = x.double().numpy(), D.double().numpy(), z.double().numpy()
    lam = lam.numpy() if isinstance(lam, torch.Tensor) else lam
    c = np.einsum("nm,nb->mb", D, x - D @ z)
    return np.where(z != 0, np.abs(c - lam * np.sign(z)), np.maximum(np.abs(c) - lam, 0)).max(axis=0)


def lambda_max(x, D):
    import numpy as np

    return np.abs(np.einsum("nm,nb->mb", D, x)).max(axis=0)


# %% right="masks" why="two masked tables, and one minus sign less"
def kkt_residual(x, D, z, lam):
    gradient = D.T @ (D @ z - x)
    active = z.ne(0).to(z.dtype)
    first = active * (gradient + lam * z.sign()).abs()
    second = (1 - active) * F.relu(gradient.abs() - lam)
    return torch.cat([first, second]).amax(0)


def lambda_max(x, D):
    return torch.einsum("nb,nm->bm", x, D).abs().amax(1)


# %% right="through_the_threshold" why="where nothing is in use the threshold of c itself"
def kkt_residual(x, D, z, lam):
    c = D.T @ x - (D.T @ D) @ z
    shrunk = c.sign() * (c.abs() - lam).clamp(min=0)
    return torch.where(z == 0, shrunk, c - lam * z.sign()).abs().amax(dim=0)


def lambda_max(x, D):
    c = D.T @ x
    return torch.maximum(c.amax(0), -c.amin(0))
