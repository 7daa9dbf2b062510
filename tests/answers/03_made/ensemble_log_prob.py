# %% [markdown]
# Answers to the task ensemble_log_prob. One check of 1 point (cumulative), one of 1 point (far_from_all).

# %% wrong="logits_averaged" points=0 why="the published mistake: every pixel is predicted with the help of orders that have seen it"
def ensemble_log_prob(model, x, orders):
    logits = torch.stack([model(x, order) for order in orders]).mean(0)
    return -nll_nats(logits, x)


# %% wrong="probabilities_of_pixels_averaged" points=0 why="the same mistake with probabilities"
def ensemble_log_prob(model, x, orders):
    p = torch.stack([model(x, order).sigmoid() for order in orders]).mean(0)
    return (x * p.clamp(1e-30, 1 - 1e-7).log() + (1 - x) * (1 - p).clamp(min=1e-30).log()).sum(1)


# %% wrong="log_probs_averaged" points=0 why="a geometric mean: its sum is below 1"
def ensemble_log_prob(model, x, orders):
    return torch.stack([-nll_nats(model(x, order), x) for order in orders]).mean(0)


# %% wrong="sum_not_mean" points=0 why="forgets ln M: the probabilities sum to M"
def ensemble_log_prob(model, x, orders):
    return torch.stack([-nll_nats(model(x, order), x) for order in orders]).logsumexp(0)


# %% wrong="exponentiated" points=1 why="e^-3000 is 0, and its logarithm -inf"
def ensemble_log_prob(model, x, orders):
    return torch.stack([(-nll_nats(model(x, order), x)).exp() for order in orders]).mean(0).log()


# %% wrong="exponentiated_in_float64" points=1 why="float64 moves the cliff to e^-745"
def ensemble_log_prob(model, x, orders):
    return torch.stack([(-nll_nats(model(x, order), x).double()).exp() for order in orders]).mean(0).log()


# %% wrong="small_number_added" points=1 why="everything below 1e-30 is 1e-30"
def ensemble_log_prob(model, x, orders):
    return (torch.stack([(-nll_nats(model(x, order), x)).exp() for order in orders]).mean(0) + 1e-30).log()


# %% wrong="best_member" points=0 why="the best order of each image: not normalised"
def ensemble_log_prob(model, x, orders):
    return torch.stack([-nll_nats(model(x, order), x) for order in orders]).amax(0)


# %% wrong="best_member_less_log_m" points=0 why="the bound of eq. (9) in place of the average"
def ensemble_log_prob(model, x, orders):
    return torch.stack([-nll_nats(model(x, order), x) for order in orders]).amax(0) - math.log(len(orders))


# %% wrong="over_the_images" points=0 why="averages over the images of each order"
def ensemble_log_prob(model, x, orders):
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders])
    return log_p.logsumexp(1) - math.log(len(x))


# %% wrong="divided_by_m" points=0 why="divides the logarithm by M"
def ensemble_log_prob(model, x, orders):
    return torch.stack([-nll_nats(model(x, order), x) for order in orders]).logsumexp(0) / len(orders)


# %% wrong="nll_returned" points=0 why="the sign of a loss"
def ensemble_log_prob(model, x, orders):
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders])
    return math.log(len(orders)) - log_p.logsumexp(0)


# %% wrong="nll_into_logsumexp" points=0 why="logsumexp of the NLLs: the worst order counts most"
def ensemble_log_prob(model, x, orders):
    nats = torch.stack([nll_nats(model(x, order), x) for order in orders])
    return math.log(len(orders)) - nats.logsumexp(0)


# %% wrong="log_d_for_log_m" points=0 why="subtracts the logarithm of the number of pixels"
def ensemble_log_prob(model, x, orders):
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders])
    return log_p.logsumexp(0) - math.log(orders.shape[1])


# %% wrong="largest_of_the_batch" points=1 why="subtracts the largest of all images before it exponentiates, and clamps"
def ensemble_log_prob(model, x, orders):
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders])
    top = log_p.max()
    return (log_p - top).exp().mean(0).log() + top


# %% right="largest_taken_out" why="the largest of each image subtracted by hand"
def ensemble_log_prob(model, x, orders):
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders])
    top = log_p.max(0).values
    return (log_p - top).exp().mean(0).log() + top


# %% right="one_order_after_the_other" why="a running logaddexp"
def ensemble_log_prob(model, x, orders):
    total = torch.full((len(x),), -math.inf)
    for order in orders:
        total = torch.logaddexp(total, -nll_nats(model(x, order), x) - math.log(len(orders)))
    return total


# %% right="softmax_trick" why="a weighted sum of differences, through log_softmax"
def ensemble_log_prob(model, x, orders):
    log_p = torch.stack([-nll_nats(model(x, order), x) for order in orders], dim=1)
    return (log_p - log_p.log_softmax(1))[:, 0] - math.log(log_p.shape[1])


# %% right="mixture_of_torch" why="float64 and scipy's way of writing it, in numpy"
def ensemble_log_prob(model, x, orders):
    import numpy as np

    log_p = np.stack([-nll_nats(model(x, order), x).double().detach().numpy() for order in orders])
    return np.logaddexp.reduce(log_p, axis=0) - np.log(len(orders))


# %% right="image_by_image" why="loops over images and orders"
def ensemble_log_prob(model, x, orders):
    out = []
    for row in x:
        log_p = torch.cat([-nll_nats(model(row[None], order), row[None]) for order in orders])
        out.append(torch.logsumexp(log_p - math.log(len(orders)), dim=0))
    return torch.stack(out)
