# %% [markdown]
# Answers to the task elbo. One check of 2 points with four values (cumulative, far, several_codes, gradient), one of 3
# points with six (per_image, one_image, other_beta, gradients, nothing_to_tell, gap).


# %% wrong="mean_over_pixels" points=0 why="the mean over the pixels in place of the sum"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).mean(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="sign" points=0 why="the cross-entropy, which is the negative of what is asked for"
def log_bernoulli(logits, x):
    return (F.softplus(logits) - x * logits).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="sigmoid_then_log" points=4 why="the logarithm of a sigmoid that has become 0 or 1"
def log_bernoulli(logits, x):
    p = torch.sigmoid(logits)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="cut_at_100" points=4 why="binary_cross_entropy cuts its logarithms off at -100, its gradient too"
def log_bernoulli(logits, x):
    return -F.binary_cross_entropy(logits.sigmoid(), x.expand_as(logits), reduction="none").sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="logits_clamped" points=4 why="logits cut off at 10, so that nothing overflows"
def log_bernoulli(logits, x):
    logits = logits.clamp(-10, 10)
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="no_broadcasting" points=4.5 why="insists on logits and images of one shape"
def log_bernoulli(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="white_pixels_only" points=0 why="forgets the term of the black pixels"
def log_bernoulli(logits, x):
    return (x * F.logsigmoid(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="kl_added" points=2.5 why="adds the KL: no bound, but where it is zero"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) + beta * kl_to_prior(mu, logvar)


# %% wrong="beta_ignored" points=4 why="right for beta = 1"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return log_bernoulli(model.decode(z), x) - kl_to_prior(mu, logvar)


# %% wrong="beta_on_the_wrong_term" points=4 why="weighs the reconstruction"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return beta * log_bernoulli(model.decode(z), x) - kl_to_prior(mu, logvar)


# %% wrong="mean_decoded" points=2.5 why="decodes the mean: an autoencoder with a penalty, no bound"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    return log_bernoulli(model.decode(mu), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="noise_decoded" points=2.5 why="decodes the noise itself, a sample of the prior"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    return log_bernoulli(model.decode(eps), x) - beta * kl_to_prior(mu, logvar)


# %% wrong="averaged" points=2.5 why="the mean over the images: right for a batch of one"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    return (log_bernoulli(model.decode(z), x) - beta * kl_to_prior(mu, logvar)).mean(0, keepdim=True)


# %% wrong="encoder_cut_off" points=4.5 why="the KL is computed without gradient"
def log_bernoulli(logits, x):
    return (x * logits - F.softplus(logits)).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    z = reparameterise(mu, logvar, eps)
    with torch.no_grad():
        kl = kl_to_prior(mu, logvar)
    return log_bernoulli(model.decode(z), x) - beta * kl


# %% right="cross_entropy" why="PyTorch's cross-entropy of logits, and the KL from torch.distributions"
def log_bernoulli(logits, x):
    logits, x = torch.broadcast_tensors(logits, x)
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    sigma = (logvar / 2).exp()
    q, p = torch.distributions.Normal(mu, sigma), torch.distributions.Normal(torch.zeros_like(mu), 1.0)
    kl = torch.distributions.kl_divergence(q, p).sum(1)
    return log_bernoulli(model.decode(mu + sigma * eps), x) - beta * kl


# %% right="two_logsigmoids" why="logsigmoid of both signs"
def log_bernoulli(logits, x):
    return torch.sum(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits), dim=-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    reconstruction = log_bernoulli(model.decode(reparameterise(mu, logvar, eps)), x)
    return torch.add(reconstruction, kl_to_prior(mu, logvar), alpha=-beta)


# %% right="image_by_image" why="a loop over the images; the sign of a pixel decides which sigmoid"
def log_bernoulli(logits, x):
    return -F.softplus(torch.where(x > 0.5, -logits, logits).double()).sum(-1)


def elbo(model, x, eps, beta=1.0):
    bounds = []
    for b in range(len(x)):
        mu, logvar = model.encode(x[b : b + 1])
        logits = model.decode(reparameterise(mu, logvar, eps[b : b + 1]))
        bounds.append(log_bernoulli(logits, x[b : b + 1]) - beta * kl_to_prior(mu, logvar))
    return torch.cat(bounds)


# %% right="distribution" why="torch.distributions.Bernoulli scores the pixels; spring and well one by one"
def log_bernoulli(logits, x):
    return torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(x).sum(-1)


def elbo(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    bound = log_bernoulli(model.decode(reparameterise(mu, logvar, eps)), x)
    for term in kl_terms(mu, logvar):
        bound = bound - beta * term
    return bound
