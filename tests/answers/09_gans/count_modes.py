# %% [markdown]
# Answers to the task count_modes. One check of 2 points with four values (modes, share, kl, together), one of 1 point
# with two (collapsed, nothing_good).


# %% wrong="one_sigma" points=0 why="within one standard deviation"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="all_samples_are_good" points=1 why="gives every sample to its nearest centre, however far it is"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    counts = torch.bincount(nearest, minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), (distance < 3 * sigma).float().mean(), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="every_near_centre" points=1.5 why="a sample near two centres counts for both"
def count_modes(samples, centres, sigma):
    distance = torch.cdist(samples, centres)
    near = distance < 3 * sigma
    counts = near.sum(0)
    if counts.sum() == 0:
        return 0, 0.0, math.inf
    q, found = counts / counts.sum(), distance.argmin(1)[near.any(1)].unique()
    return len(found), counts.sum() / len(samples), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="shares_of_all_samples" points=1 why="q does not add up to 1: divided by all samples"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / len(samples)
    return (counts > 0).sum(), good.float().mean(), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="kl_turned_round" points=1 why="KL from uniform to q: infinite as soon as a mode is missing"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), -(q * len(centres)).log().mean()


# %% wrong="zero_times_log_zero" points=1 why="nan as soon as a mode is missing"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), (q * (q * len(centres)).log()).sum()


# %% wrong="modes_found_for_K" points=1 why="compares with the uniform distribution over the modes that were found"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q, found = counts / counts.sum(), (counts > 0).sum()
    return found, good.float().mean(), torch.xlogy(q, q * found).sum()


# %% wrong="bits" points=1 why="base two"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    kl = torch.xlogy(q, q * len(centres)).sum() / math.log(2)
    return (counts > 0).sum(), good.float().mean(), kl


# %% wrong="entropy" points=1 why="the entropy of q in place of its distance from uniform"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), -torch.xlogy(q, q).sum()


# %% wrong="squared_distance" points=0 why="compares the squared distance with 3 sigma"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).square().min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="each_coordinate" points=0 why="three sigma in each coordinate: a square, not a circle"
def count_modes(samples, centres, sigma):
    nearest = torch.cdist(samples, centres).argmin(dim=1)
    good = ((samples - centres[nearest]).abs() < 3 * sigma).all(dim=1)
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="no_minlength" points=1 why="K is the number of the last mode that was visited"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good])
    q = counts / counts.sum()
    return (counts > 0).sum(), good.float().mean(), torch.xlogy(q, q * len(counts)).sum()


# %% wrong="fair_share_needed" points=1.5 why="a mode is found only with half of its fair share"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0, 0.0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return (q > 0.5 / len(centres)).sum(), good.float().mean(), torch.xlogy(q, q * len(centres)).sum()


# %% wrong="order_of_results" points=0.5 why="share first, then the modes"
def count_modes(samples, centres, sigma):
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance < 3 * sigma
    if not good.any():
        return 0.0, 0, math.inf
    counts = torch.bincount(nearest[good], minlength=len(centres))
    q = counts / counts.sum()
    return good.float().mean(), (counts > 0).sum(), torch.xlogy(q, q * len(centres)).sum()


# %% right="loops" why="sample by sample, in Python"
def count_modes(samples, centres, sigma):
    counts = [0] * len(centres)
    for x in samples.tolist():
        distances = [math.dist(x, centre) for centre in centres.tolist()]
        if min(distances) <= 3 * sigma:
            counts[distances.index(min(distances))] += 1
    good = sum(counts)
    if good == 0:
        return 0, 0.0, math.inf
    shares = [n / good for n in counts if n > 0]
    return len(shares), good / len(samples), sum(q * math.log(q * len(centres)) for q in shares)


# %% right="numpy" why="broadcasting, and the entropy taken from ln K"
def count_modes(samples, centres, sigma):
    import numpy as np

    x, c = np.asarray(samples, dtype=np.float64), np.asarray(centres, dtype=np.float64)
    squares = ((x[:, None] - c[None]) ** 2).sum(-1)
    good = squares.min(1) < 9 * sigma**2
    _, counts = np.unique(squares.argmin(1)[good], return_counts=True)
    if len(counts) == 0:
        return 0, 0.0, np.inf
    q = counts / counts.sum()
    return len(counts), good.mean(), np.log(len(c)) + (q * np.log(q)).sum()


# %% right="one_hot" why="a table of ones, and torch's kl_div"
def count_modes(samples, centres, sigma):
    distance = torch.cdist(samples.double(), centres.double())
    belongs = F.one_hot(distance.argmin(1), len(centres)) * (distance.amin(1, keepdim=True) <= 3 * sigma)
    counts = belongs.sum(0).double()
    share = counts.sum() / len(samples)
    if share == 0:
        return torch.tensor(0), share, torch.tensor(math.inf)
    uniform = torch.full_like(counts, -math.log(len(centres)))
    return torch.count_nonzero(counts), share, F.kl_div(uniform, counts / counts.sum(), reduction="sum")


# %% right="mode_by_mode" why="walks over the centres, as an array of three numbers"
def count_modes(samples, centres, sigma):
    table = torch.cdist(samples, centres, compute_mode="donot_use_mm_for_euclid_dist")
    nearest, found, good, kl = table.argmin(1), 0, 0, 0.0
    total = int((table.amin(1) < 3 * sigma).sum())
    for k in range(len(centres)):
        n = int(((nearest == k) & (table[:, k] < 3 * sigma)).sum())
        if n:
            found, good, kl = found + 1, good + n, kl + n / total * math.log(len(centres) * n / total)
    return torch.tensor([found, good / len(samples), kl if total else math.inf], dtype=torch.float64)
