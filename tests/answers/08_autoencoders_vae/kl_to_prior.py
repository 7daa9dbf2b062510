# %% [markdown]
# Answers to the task kl_to_prior. One check of 1 point with two values (spring, well), one of 2 points with four
# (minus_the_integral, kl, more_axes, gradients).


# %% wrong="mean_over_units" points=0.5 why="the mean over the dimensions: right where there is only one"
def kl_terms(mu, logvar):
    return mu.square().mean(-1) / 2, (logvar.exp() - 1 - logvar).mean(-1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="over_the_images" points=0.5 why="sums over the batch; the gradients of the total do not mind"
def kl_terms(mu, logvar):
    return mu.square().sum(0) / 2, (logvar.exp() - 1 - logvar).sum(0) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="second_axis" points=2.5 why="axis 1, which is the last only for two axes"
def kl_terms(mu, logvar):
    return mu.square().sum(1) / 2, (logvar.exp() - 1 - logvar).sum(1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="no_half" points=0 why="the factor 1/2 forgotten"
def kl_terms(mu, logvar):
    return mu.square().sum(-1), (logvar.exp() - 1 - logvar).sum(-1)


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="sign" points=0 why="the negative KL, as it stands in the ELBO"
def kl_terms(mu, logvar):
    return -mu.square().sum(-1) / 2, (1 + logvar - logvar.exp()).sum(-1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="logvar_is_log_sigma" points=0.5 why="takes the logarithm of the variance for that of the standard deviation"
def kl_terms(mu, logvar):
    return mu.square().sum(-1) / 2, ((2 * logvar).exp() - 1 - 2 * logvar).sum(-1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="the_other_way_round" points=1 why="KL(p || q)"
def kl_terms(mu, logvar):
    return mu.square().sum(-1) / 2, (logvar.exp() - 1 - logvar).sum(-1) / 2


def kl_to_prior(mu, logvar):
    return ((1 + mu.square()) * torch.exp(-logvar) - 1 + logvar).sum(-1) / 2


# %% wrong="without_the_one" points=1 why="the gradients are right, the values are too high by K / 2"
def kl_terms(mu, logvar):
    return mu.square().sum(-1) / 2, (logvar.exp() - logvar).sum(-1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="one_number" points=0.5 why="adds up the whole batch; the gradients do not mind"
def kl_terms(mu, logvar):
    return mu.square().sum() / 2, (logvar.exp() - 1 - logvar).sum() / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="bits" points=0 why="divided by ln 2"
def kl_terms(mu, logvar):
    return mu.square().sum(-1) / math.log(4), (logvar.exp() - 1 - logvar).sum(-1) / math.log(4)


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="swapped" points=2 why="well first, spring second: their sum is right"
def kl_terms(mu, logvar):
    return (logvar.exp() - 1 - logvar).sum(-1) / 2, mu.square().sum(-1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% wrong="sigma_for_variance" points=0.5 why="the standard deviation where the variance belongs"
def kl_terms(mu, logvar):
    return mu.square().sum(-1) / 2, ((logvar / 2).exp() - 1 - logvar).sum(-1) / 2


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return spring + well


# %% right="the_usual_line" why="the line that stands in most programs, with its minus in front"
def kl_terms(mu, logvar):
    return 0.5 * torch.sum(mu**2, dim=-1), -0.5 * torch.sum(1 + logvar - logvar.exp(), dim=-1)


def kl_to_prior(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=-1)


# %% right="distributions" why="torch.distributions knows it; the parts from two of its calls"
def kl_to_prior(mu, logvar):
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(torch.zeros(()), torch.ones(()))).sum(-1)


def kl_terms(mu, logvar):
    zero = torch.zeros_like(mu)
    return kl_to_prior(mu, zero), kl_to_prior(zero, logvar)


# %% right="loops" why="one dimension after the other, in float64"
def kl_terms(mu, logvar):
    spring, well = 0.0, 0.0
    for m, v in zip(mu.double().unbind(-1), logvar.double().unbind(-1), strict=True):
        spring = spring + m * m / 2
        well = well + (torch.expm1(v) - v) / 2
    return spring, well


def kl_to_prior(mu, logvar):
    return torch.stack(kl_terms(mu, logvar)).sum(0)


# %% right="einsum" why="einsum and a standard deviation on the way"
def kl_terms(mu, logvar):
    sigma = logvar.mul(0.5).exp()
    K = mu.shape[-1]
    spring = torch.einsum("...k,...k->...", mu, mu) / 2
    well = torch.einsum("...k,...k->...", sigma, sigma) / 2 - K / 2 - sigma.log().sum(-1)
    return [spring, well]


def kl_to_prior(mu, logvar):
    spring, well = kl_terms(mu, logvar)
    return torch.add(spring, well)
