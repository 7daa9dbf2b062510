# %% [markdown]
# Answers to the task collapse_report. One check of 2 points with four values (spread, rank, uniformity, collapsed).


# %% wrong="not_normalised" points=0 why="works on z itself"
def collapse_report(z):
    u = z
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="standardised_columns" points=0 why="brings each coordinate to length 1, not each vector"
def collapse_report(z):
    u = z / z.norm(dim=0, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="mean_over_coordinates" points=1 why="the root of the mean variance of a coordinate"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="variance" points=1 why="the spread without the root"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-6 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="divided_by_n_minus_one" points=1.5 why="the unbiased variance"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).sum().div(len(z) - 1).sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="spread_of_z" points=1 why="spread of the vectors before they are brought to length 1"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = (z - z.mean(0)).square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="singular_values" points=1 why="the entropy of singular values: a rank too high"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred)
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="not_centred" points=1 why="the rank of u, in which the mean is a direction"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(u).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="rank_in_bits" points=1 why="entropy in bits under exp"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum() / math.log(2)) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="entropy_not_rank" points=1 why="forgets exp"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = -torch.xlogy(p, p).sum() if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="matrix_rank" points=1 why="counts directions above rounding, however thin"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.linalg.matrix_rank(centred).float() if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="participation_ratio" points=1 why="one over the sum of squares: another measure"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = 1 / p.square().sum() if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="zero_log_zero" points=1.5 why="nan as soon as an eigenvalue is 0"
def collapse_report(z):
    u = F.normalize(z, dim=1)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.eigvalsh(centred.T @ centred / len(u))
    p = values / values.sum()
    rank = torch.exp(-(p * p.log()).sum()) if spread >= 1e-3 else 0.0
    return spread, rank, torch.exp(-2 * F.pdist(u).square()).mean().log()


# %% wrong="rank_of_rounding" points=1.5 why="no rule for a collapsed cloud: counts rounding errors"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum())
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="pairs_with_itself" points=1.5 why="a vector and itself are a pair too"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square())
    uniformity = close.mean().log()
    return spread, rank, uniformity


# %% wrong="diagonal_zero_but_counted" points=1 why="divides by n squared"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / len(z) ** 2).log()
    return spread, rank, uniformity


# %% wrong="distance_not_squared" points=1 why="the distance, not its square"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u)).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="mean_of_logs" points=1.5 why="the mean of the logarithms: mean squared distance"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = -2 * F.pdist(u).square().mean()
    return spread, rank, uniformity


# %% wrong="no_two" points=1 why="exp(-d^2)"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity


# %% wrong="no_log" points=1 why="forgets the logarithm"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = close.sum() / (len(z) * (len(z) - 1))
    return spread, rank, uniformity


# %% wrong="order" points=0.5 why="rank first"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.svdvals(centred).square()
    p = values / values.sum()
    rank = torch.exp(-torch.xlogy(p, p).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return rank, spread, uniformity


# %% right="numpy" why="numpy, float64, with the spread from the length of the mean"
def collapse_report(z):
    import numpy as np

    u = z.numpy().astype(np.float64)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    spread = np.sqrt(max(0.0, 1 - (u.mean(0) ** 2).sum()))
    rank = 0.0
    if spread >= 1e-3:
        p = np.linalg.eigvalsh(np.cov(u.T, bias=True))
        p = p[p > 1e-12] / p.sum()
        rank = np.exp(-(p * np.log(p)).sum())
    i, j = np.triu_indices(len(u), 1)
    return spread, rank, np.log(np.exp(-2 * ((u[i] - u[j]) ** 2).sum(1)).mean())


# %% right="std_and_logsumexp" why="standard deviations of the columns, a Categorical's entropy, logsumexp of cosines"
def collapse_report(z):
    n, u = len(z), F.normalize(z.double(), dim=1)
    spread = u.std(0, correction=0).norm()
    values = torch.linalg.svdvals(u - u.mean(0)) ** 2
    rank = 0.0 if spread < 1e-3 else torch.distributions.Categorical(values / values.sum()).entropy().exp()
    off = ~torch.eye(n, dtype=torch.bool)
    uniformity = (4 * (u @ u.T)[off] - 4).logsumexp(0) - math.log(n * (n - 1))
    return float(spread), float(rank), float(uniformity)


# %% right="pairs_by_loop" why="pairs in Python, the covariance by torch.cov, half the mean squared distance as variance"
def collapse_report(z):
    u = [row / row.norm() for row in z.double()]
    squares = [float((a - b).square().sum()) for i, a in enumerate(u) for b in u[:i]]
    spread = math.sqrt(sum(squares)) / len(u)
    rank = 0.0
    if spread >= 1e-3:
        values = torch.linalg.eigvalsh(torch.cov(torch.stack(u).T, correction=0)).tolist()
        p = [value / sum(values) for value in values if value > 1e-14]
        rank = math.exp(-sum(x * math.log(x) for x in p))
    uniformity = math.log(sum(math.exp(-2 * s) for s in squares) / len(squares))
    return torch.tensor([spread, rank, uniformity])


# %% right="gram" why="eigenvalues of the (n, n) table of inner products, which are the same"
def collapse_report(z):
    u = z / z.norm(dim=1, keepdim=True)
    centred = u - u.mean(0)
    spread = centred.square().sum(1).mean().sqrt()
    values = torch.linalg.eigvalsh(centred @ centred.T).clamp(min=0)
    p = values / values.sum()
    rank = torch.exp(-(p * p.clamp(min=1e-30).log()).sum()) if spread >= 1e-3 else torch.tensor(0.0)
    close = torch.exp(-2 * torch.cdist(u, u).square()).fill_diagonal_(0.0)
    uniformity = (close.sum() / (len(z) * (len(z) - 1))).log()
    return spread, rank, uniformity
