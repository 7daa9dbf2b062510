# %% [markdown]
# Answers to the task beta_loss. Two checks of 1 point with two values each: (ramp, no_warmup), (loss, gradients).


# %% wrong="starts_at_one" points=1.5 why="counts the steps from 1: the ramp is one step early"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, (step + 1) / warmup) if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="one_step_late" points=1 why="divides by T + 1; no warm-up is then a warm-up of one step"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / (warmup + 1))


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="no_end" points=1.5 why="the ramp goes on for ever"
def beta_warmup(step, warmup, beta=1.0):
    return beta * step / warmup if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="divides_by_zero" points=1.5 why="forgets that T may be 0"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup)


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="step_not_ramp" points=1.5 why="zero up to T and beta afterwards"
def beta_warmup(step, warmup, beta=1.0):
    return beta if step >= warmup else 0.0


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="stops_at_one" points=1 why="min(beta, t / T): reaches any beta below 1 too early, and one above never in time"
def beta_warmup(step, warmup, beta=1.0):
    return min(beta, step / warmup) if warmup else min(beta, 1.0)


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="nothing_without_warmup" points=1.5 why="beta = 0 for ever where T is 0"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup) if warmup else 0.0


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean()


# %% wrong="summed" points=1 why="the sum over the images"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup) if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).sum()


# %% wrong="bound_minimised" points=1 why="the sign: minimises the bound"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup) if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return elbo(model, x, eps, beta).mean()


# %% wrong="beta_not_passed_on" points=1 why="forgets to hand beta on"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup) if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps).mean()


# %% wrong="a_float" points=1.5 why="the right number, cut off from autograd"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup) if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean().item()


# %% wrong="per_pixel" points=1 why="divided by the number of pixels too"
def beta_warmup(step, warmup, beta=1.0):
    return beta * min(1.0, step / warmup) if warmup else beta


def vae_loss(model, x, eps, beta=1.0):
    return -elbo(model, x, eps, beta).mean() / x.shape[1]


# %% right="cases" why="three cases; the loss from its parts, each averaged"
def beta_warmup(step, warmup, beta=1.0):
    if step >= warmup:
        return beta
    return beta * step / warmup


def vae_loss(model, x, eps, beta=1.0):
    mu, logvar = model.encode(x)
    reconstruction = log_bernoulli(model.decode(reparameterise(mu, logvar, eps)), x)
    return beta * kl_to_prior(mu, logvar).mean() - reconstruction.mean()


# %% right="numpy_interp" why="numpy interpolates between the ends; a sum divided by the number of images"
def beta_warmup(step, warmup, beta=1.0):
    import numpy as np

    return float(np.interp(step, [0, warmup], [0, beta])) if warmup > 0 else float(beta)


def vae_loss(model, x, eps, beta=1.0):
    return elbo(model, x, eps, beta).sum() / -len(x)


# %% right="tensor" why="a 0-d tensor for the weight; a loop over the images"
def beta_warmup(step, warmup, beta=1.0):
    return (
        beta * (torch.tensor(float(step)) / max(warmup, 1e-9)).clamp(max=1.0)
        if step
        else torch.tensor(0.0 if warmup else beta)
    )


def vae_loss(model, x, eps, beta=1.0):
    loss = 0.0
    for b in range(len(x)):
        loss = loss - elbo(model, x[b : b + 1], eps[b : b + 1], beta)[0] / len(x)
    return loss


# %% right="slope_and_offset" why="ELBO and KL put together: -ELBO(1) + (beta - 1) KL"
def beta_warmup(step, warmup, beta=1.0):
    missing = max(0, warmup - step) / max(warmup, 1)
    return beta - beta * missing


def vae_loss(model, x, eps, beta=1.0):
    extra = (beta - 1) * kl_to_prior(*model.encode(x))
    return torch.mean(extra - elbo(model, x, eps))
