# %% [markdown]
# Answers to the task importance_bound. Two checks of 2 points with four values each: (weights, one_draw, gradients,
# all_probability), (bound, extreme, one_draw, gradient).


# %% wrong="closed_kl" points=2 why="the closed KL in place of this draw's: weights whose average is not p(x)"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - kl_to_prior(mu, logvar)


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% wrong="logvar_forgotten" points=2 why="the density of q without its normaliser"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps**2 - z**2).sum(-1) / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% wrong="prior_only" points=2 why="p(x|z) p(z) without the division by q"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - (z**2 + math.log(2 * math.pi)).sum(-1) / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% wrong="reconstruction_only" points=2 why="p(x|z) alone, as if the codes were drawn from the prior"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    return log_bernoulli(model.decode(reparameterise(mu, logvar, eps)), x)


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% wrong="upside_down" points=2 why="q over p"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - (eps**2 + logvar - z**2).sum(-1) / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% wrong="mean_of_logarithms" points=2.5 why="the average of the logarithms: the ELBO again"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return log_w.mean(0)


# %% wrong="sum_of_weights" points=3 why="forgets to divide by k; the gradient and k = 1 do not mind"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0)


# %% wrong="over_the_images" points=2 why="averages over the images, not over the draws"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=1) - math.log(log_w.shape[1])


# %% wrong="exp_first" points=3 why="exponential, average, logarithm: -1000 becomes zero; -200 too"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return log_w.exp().mean(0).log()


# %% wrong="one_maximum_for_all" points=3.5 why="pulls the largest weight of all images out: the other images vanish"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    m = log_w.max()
    return m + (log_w - m).exp().mean(0).log()


# %% wrong="small_number_added" points=3 why="a small number inside the logarithm: finite, and wrong"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return (log_w.exp().mean(0) + 1e-30).log()


# %% wrong="clamped" points=3.5 why="logarithms cut off at -300 and 80, in float64"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return log_w.double().clamp(-300, 80).exp().mean(0).log()


# %% wrong="largest_weight" points=2.5 why="only the largest weight"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return log_w.max(0).values


# %% wrong="all_axes_summed" points=2 why="adds up the densities of all images"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar - z.square()).sum((1, 2))[:, None] / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% wrong="encoder_detached" points=3.5 why="the density of q is computed without gradient"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + (eps.square() + logvar.detach() - z.square()).sum(-1) / 2


def importance_bound(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


# %% right="densities" why="torch.distributions writes the three terms"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    z = q.loc + q.scale * eps
    pixels = torch.distributions.Bernoulli(logits=model.decode(z)).log_prob(x)
    return pixels.sum(-1) + p.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)


def importance_bound(log_w):
    k = log_w.shape[0]
    return torch.logsumexp(log_w - math.log(k), 0)


# %% right="draw_by_draw" why="one draw after the other, and the average built up with logaddexp"
def log_weights(model, x, eps):
    mu, logvar = model.encode(x)
    rows = []
    for noise in eps:
        z = mu + torch.exp(0.5 * logvar) * noise
        log_p = -0.5 * (z**2).sum(1)
        log_q = -0.5 * (((z - mu) / torch.exp(0.5 * logvar)) ** 2 + logvar).sum(1)
        rows.append(log_bernoulli(model.decode(z), x) + log_p - log_q)
    return torch.stack(rows)


def importance_bound(log_w):
    total = log_w[0]
    for row in log_w[1:]:
        total = torch.logaddexp(total, row)
    return total - math.log(len(log_w))


# %% right="largest_pulled_out" why="the largest weight of each image pulled out by hand, in float64"
def log_weights(model, x, eps):
    k = len(eps)
    mu, logvar = (t.unsqueeze(0).expand(k, -1, -1) for t in model.encode(x))
    z = reparameterise(mu, logvar, eps)
    kl = (z.double() ** 2 - eps.double() ** 2 - logvar.double()).sum(2) / 2
    return log_bernoulli(model.decode(z), x.expand(k, -1, -1)) - kl


def importance_bound(log_w):
    log_w = log_w.double()
    m = log_w.amax(0).detach()
    return m + torch.log(torch.exp(log_w - m).sum(0) / len(log_w))


# %% right="flat_batch" why="k B images in one batch, reshaped at the end; log_softmax for the average"
def log_weights(model, x, eps):
    k, B, K = eps.shape
    mu, logvar = model.encode(x.repeat(k, 1))
    noise = eps.reshape(k * B, K)
    z = reparameterise(mu, logvar, noise)
    log_w = log_bernoulli(model.decode(z), x.repeat(k, 1)) + 0.5 * (noise**2 - z**2 + logvar).sum(1)
    return log_w.view(k, B)


def importance_bound(log_w):
    return (log_w - log_w.log_softmax(0)).mean(0) - math.log(len(log_w))
