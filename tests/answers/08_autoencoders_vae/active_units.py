# %% [markdown]
# Answers to the task active_units. Two checks of 1 point with two values each: (moving, far_from_zero), (price,
# collapsed).


# %% wrong="standard_deviation" points=1 why="compares the standard deviation with the threshold"
def active_units(mu, threshold=0.01):
    return mu.std(dim=0) > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="second_moment" points=1.5 why="the mean of the squares: a mean far from zero counts as moving"
def active_units(mu, threshold=0.01):
    return mu.square().mean(0) > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="difference_of_squares" points=1.5 why="mean of squares minus square of the mean, in float32"
def active_units(mu, threshold=0.01):
    return mu.square().mean(0) - mu.mean(0).square() > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="over_the_units" points=1 why="the variance over the units of each image"
def active_units(mu, threshold=0.01):
    return mu.var(dim=1) > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="a_count" points=1 why="how many, not which"
def active_units(mu, threshold=0.01):
    return (mu.var(dim=0) > threshold).sum()


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="dead_ones" points=1 why="true for what does not move"
def active_units(mu, threshold=0.01):
    return mu.var(dim=0) < threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="threshold_ignored" points=1.5 why="0.01 whatever is asked for"
def active_units(mu, threshold=0.01):
    return mu.var(dim=0) > 0.01


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="ties_included" points=1.5 why="at least the threshold: with threshold 0 everything is active"
def active_units(mu, threshold=0.01):
    return mu.var(dim=0) >= threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="size_of_the_mean" points=1 why="the average size in place of the variance"
def active_units(mu, threshold=0.01):
    return mu.abs().mean(0) > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).mean(0) / 2


# %% wrong="price_of_an_image" points=1 why="the KL of each image"
def active_units(mu, threshold=0.01):
    return mu.var(dim=0) > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).sum(1) / 2


# %% wrong="summed_over_images" points=1 why="the sum over the images"
def active_units(mu, threshold=0.01):
    return mu.var(dim=0) > threshold


def unit_kl(mu, logvar):
    return (mu.square() + logvar.exp() - 1 - logvar).sum(0) / 2


# %% wrong="average_bubble" points=1 why="the price of the average bubble, not the average price"
def active_units(mu, threshold=0.01):
    return mu.var(dim=0) > threshold


def unit_kl(mu, logvar):
    mu, logvar = mu.mean(0), logvar.mean(0)
    return (mu.square() + logvar.exp() - 1 - logvar) / 2


# %% right="numpy" why="numpy's variance with N below, in float64"
def active_units(mu, threshold=0.01):
    import numpy as np

    return np.var(mu.detach().numpy().astype(np.float64), axis=0).__gt__(threshold)


def unit_kl(mu, logvar):
    mu, logvar = mu.double(), logvar.double()
    return 0.5 * torch.mean(mu**2 + torch.expm1(logvar) - logvar, dim=0)


# %% right="centred_first" why="subtracts the mean, then the mean of the squares"
def active_units(mu, threshold=0.01):
    centred = mu - mu.mean(0, keepdim=True)
    return (centred**2).mean(0).gt(threshold)


def unit_kl(mu, logvar):
    return kl_to_prior(mu[..., None], logvar[..., None]).mean(0)


# %% right="unit_by_unit" why="a loop over the units"
def active_units(mu, threshold=0.01):
    return torch.tensor([bool(torch.var(column, correction=0) > threshold) for column in mu.unbind(1)])


def unit_kl(mu, logvar):
    price = [kl_to_prior(mu[:, j : j + 1], logvar[:, j : j + 1]).sum() / len(mu) for j in range(mu.shape[1])]
    return torch.stack(price)


# %% right="root" why="standard deviation against the root of the threshold; torch.distributions for the price"
def active_units(mu, threshold=0.01):
    return torch.std(mu.double(), dim=0) > math.sqrt(threshold)


def unit_kl(mu, logvar):
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).mean(0)
