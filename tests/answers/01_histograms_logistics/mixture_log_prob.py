# %% [markdown]
# Answers to the task mixture_log_prob. One check of 1 point (cumulative, log_prob), one of 2 points (far_from_all, rare_component).

# %% wrong="weights_not_normalised" points=0 why="exp(logit) is taken as the weight"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logits + logistic_log_prob(x[:, None], mu, log_s, K), dim=1)


# %% wrong="weights_not_in_logs" points=0 why="adds the weights to the log-probabilities: their logarithm is missing"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logits.softmax(0) + logistic_log_prob(x[:, None], mu, log_s, K), dim=1)


# %% wrong="mean_of_logs" points=0 why="the weighted mean of the log-probabilities in place of the log of the mean"
def mixture_log_prob(x, logits, mu, log_s, K):
    return (logits.softmax(0) * logistic_log_prob(x[:, None], mu, log_s, K)).sum(1)


# %% wrong="weights_forgotten" points=0 why="all components count alike"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logistic_log_prob(x[:, None], mu, log_s, K), dim=1) - math.log(len(mu))


# %% wrong="exponentiated_one_by_one" points=1 why="log(sum(pi * exp(log P))): -inf far from all components"
def mixture_log_prob(x, logits, mu, log_s, K):
    return (logits.softmax(0) * logistic_log_prob(x[:, None], mu, log_s, K).exp()).sum(1).log()


# %% wrong="clamped_sum" points=1 why="the same with a clamp: finite and wrong"
def mixture_log_prob(x, logits, mu, log_s, K):
    p = (logits.softmax(0) * logistic_log_prob(x[:, None], mu, log_s, K).exp()).sum(1)
    return p.clamp(min=1e-30).log()


# %% wrong="log_of_softmax" points=2 why="softmax(...).log(): a weight of e^-130 becomes 0"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logits.softmax(0).log() + logistic_log_prob(x[:, None], mu, log_s, K), dim=1)


# %% wrong="float64_exponentials" points=2 why="float64 exponentials reach e^-130, not e^-1000"
def mixture_log_prob(x, logits, mu, log_s, K):
    log_p = logistic_log_prob(x[:, None], mu, log_s, K).double()
    return (logits.double().softmax(0) * log_p.exp()).sum(1).log()


# %% wrong="wrong_dim" points=0 why="sums over the data: one number a component"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logits.log_softmax(0) + logistic_log_prob(x[:, None], mu, log_s, K), dim=0)


# %% wrong="softmax_over_data" points=0 why="normalises over x what has to be normalised over components"
def mixture_log_prob(x, logits, mu, log_s, K):
    joint = logits + logistic_log_prob(x[:, None], mu, log_s, K)
    return torch.logsumexp(joint.log_softmax(0), dim=1)


# %% wrong="posterior" points=0 why="normalises every row: that is P(j | x), and its sum is 1"
def mixture_log_prob(x, logits, mu, log_s, K):
    joint = logits.log_softmax(0) + logistic_log_prob(x[:, None], mu, log_s, K)
    return torch.logsumexp(joint.log_softmax(1), dim=1)


# %% wrong="nearest_component" points=0 why="the largest term in place of the sum"
def mixture_log_prob(x, logits, mu, log_s, K):
    return (logits.log_softmax(0) + logistic_log_prob(x[:, None], mu, log_s, K)).max(1).values


# %% wrong="mean_over_data" points=0 why="returns one number, the mean"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logits.log_softmax(0) + logistic_log_prob(x[:, None], mu, log_s, K), dim=1).mean()


# %% wrong="no_column" points=0 why="x stays (n,) and meets (m,) instead of (n, 1)"
def mixture_log_prob(x, logits, mu, log_s, K):
    return torch.logsumexp(logits.log_softmax(0) + logistic_log_prob(x, mu, log_s, K), dim=-1)


# %% wrong="one_mean_curve" points=0 why="averages the parameters in place of the curves"
def mixture_log_prob(x, logits, mu, log_s, K):
    weights = logits.softmax(0)
    return logistic_log_prob(x, (weights * mu).sum(), (weights * log_s).sum(), K)


# %% wrong="negative" points=0 why="returns the negative log-probability"
def mixture_log_prob(x, logits, mu, log_s, K):
    return -torch.logsumexp(logits.log_softmax(0) + logistic_log_prob(x[:, None], mu, log_s, K), dim=1)


# %% right="loop_of_logaddexp" why="adds one component after the other in logarithms"
def mixture_log_prob(x, logits, mu, log_s, K):
    total = torch.full(x.shape, -math.inf)
    for j in range(len(mu)):
        log_weight = logits[j] - torch.logsumexp(logits, 0)
        total = torch.logaddexp(total, log_weight + logistic_log_prob(x, mu[j], log_s[j], K))
    return total


# %% right="largest_taken_out" why="subtracts the largest term by hand"
def mixture_log_prob(x, logits, mu, log_s, K):
    terms = logits + logistic_log_prob(x[:, None], mu, log_s, K)
    top = terms.max(1, keepdim=True).values
    return (top + (terms - top).exp().sum(1, keepdim=True).log()).squeeze(1) - logits.logsumexp(0)


# %% right="float64" why="the same in float64, components first"
def mixture_log_prob(x, logits, mu, log_s, K):
    log_p = logistic_log_prob(x[None, :], mu[:, None], log_s[:, None], K).double()
    return (log_p + logits.double().log_softmax(0)[:, None]).logsumexp(0)


# %% right="stacked_list" why="a list comprehension over the components, stacked; weights with the logarithm written out"
def mixture_log_prob(x, logits, mu, log_s, K):
    log_weights = logits - logits.max()
    log_weights = log_weights - log_weights.exp().sum().log()
    parts = [w + logistic_log_prob(x, m, ell, K) for w, m, ell in zip(log_weights, mu, log_s)]
    return torch.stack(parts).logsumexp(dim=0)


# %% right="torch_distributions" why="log-weights from PyTorch's Categorical"
def mixture_log_prob(x, logits, mu, log_s, K):
    weights = torch.distributions.Categorical(logits=logits)
    return torch.logsumexp(weights.logits + logistic_log_prob(x[:, None], mu, log_s, K), dim=-1)
