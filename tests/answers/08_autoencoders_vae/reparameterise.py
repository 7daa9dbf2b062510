# %% [markdown]
# Answers to the task reparameterise. One check of 2 points with four values (z, several_draws, gradient_mu,
# gradient_logvar).


# %% wrong="variance_for_sigma" points=0.5 why="exp(logvar) in place of its root"
def reparameterise(mu, logvar, eps):
    return mu + torch.exp(logvar) * eps


# %% wrong="logvar_for_sigma" points=0.5 why="the logarithm itself as the standard deviation"
def reparameterise(mu, logvar, eps):
    return mu + logvar * eps


# %% wrong="logarithm_of_sigma" points=0.5 why="takes the root of the logarithm's absolute value"
def reparameterise(mu, logvar, eps):
    return mu + logvar.abs().sqrt() * eps


# %% wrong="own_noise" points=0.5 why="draws its own noise"
def reparameterise(mu, logvar, eps):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


# %% wrong="drawn_by_torch" points=0 why="torch.normal, through which no gradient passes"
def reparameterise(mu, logvar, eps):
    return torch.normal(mu, torch.exp(0.5 * logvar))


# %% wrong="sigma_detached" points=1.5 why="the width is cut off from its gradient"
def reparameterise(mu, logvar, eps):
    return mu + torch.exp(0.5 * logvar.detach()) * eps


# %% wrong="no_grad" points=1 why="computed where autograd does not look"
def reparameterise(mu, logvar, eps):
    with torch.no_grad():
        z = mu + torch.exp(0.5 * logvar) * eps
    return z + 0 * eps.clone().requires_grad_()


# %% wrong="half_outside" points=0 why="half of the exponential, not the exponential of a half; mu scaled as well"
def reparameterise(mu, logvar, eps):
    return 0.5 * (mu + torch.exp(logvar) * eps)


# %% wrong="in_place" points=0.5 why="adds to mu itself: the next call starts somewhere else, and autograd objects"
def reparameterise(mu, logvar, eps):
    if eps.ndim > mu.ndim:
        return mu + torch.exp(0.5 * logvar) * eps
    return mu.add_(torch.exp(0.5 * logvar) * eps)


# %% wrong="minus" points=1 why="subtracts the noise: the same distribution, another draw than asked for"
def reparameterise(mu, logvar, eps):
    return mu - torch.exp(0.5 * logvar) * eps if eps.ndim == 2 else mu + torch.exp(0.5 * logvar) * eps


# %% wrong="width_clamped" points=0.5 why="never narrower than the prior"
def reparameterise(mu, logvar, eps):
    return mu + torch.exp(0.5 * logvar.clamp(min=0)) * eps


# %% wrong="one_draw_only" points=1.5 why="the first of several draws for all of them"
def reparameterise(mu, logvar, eps):
    eps = eps[:1].expand_as(eps) if eps.ndim == 3 else eps
    return mu + torch.exp(0.5 * logvar) * eps


# %% right="root_of_the_variance" why="the root of the variance"
def reparameterise(mu, logvar, eps):
    return mu + logvar.exp().sqrt() * eps


# %% right="addcmul" why="one fused operation"
def reparameterise(mu, logvar, eps):
    return torch.addcmul(mu.expand_as(eps), (logvar / 2).exp().expand_as(eps), eps)


# %% right="power" why="a power of e, every number alone"
def reparameterise(mu, logvar, eps):
    shape = eps.shape
    m, s = mu.expand(shape).reshape(-1), logvar.expand(shape).reshape(-1)
    z = [a + math.e ** (b * 0.5) * e for a, b, e in zip(m, s, eps.reshape(-1), strict=True)]
    return torch.stack(z).view(shape)


# %% right="distribution" why="the inverse transform of torch.distributions, in float64 and back"
def reparameterise(mu, logvar, eps):
    q = torch.distributions.Normal(mu.double(), (0.5 * logvar.double()).exp())
    return (q.loc + q.scale * eps.double()).to(mu.dtype)
