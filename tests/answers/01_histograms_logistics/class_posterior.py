# %% [markdown]
# Answers to the task class_posterior. One check of 1 point (cumulative, strong_smoothing), one of 2 points (posterior,
# unlikely_data).

# %% wrong="prior_forgotten" points=1 why="normalises the likelihoods alone"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return log_likelihood.softmax(1)


# %% wrong="exponentiated_first" points=2 why="exp(-5000) is 0, and 0 / 0 is nan"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    joint = log_likelihood.exp() * prior
    return joint / joint.sum(1, keepdim=True)


# %% wrong="normalised_over_data" points=1 why="columns sum to 1, not rows"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(0)


# %% wrong="prior_not_in_logs" points=1 why="adds the prior to logarithms"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior).softmax(1)


# %% wrong="prior_afterwards" points=1 why="multiplies by the prior after normalising: rows no longer sum to 1"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return log_likelihood.softmax(1) * prior


# %% wrong="log_posterior" points=1 why="returns the logarithm"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).log_softmax(1)


# %% wrong="softmax_of_probabilities" points=1 why="a softmax of probabilities instead of log-probabilities"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return (log_likelihood.exp() * prior).softmax(1)


# %% wrong="decision" points=1 why="1 for the best class, 0 for the others"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    best = (log_likelihood + prior.log()).argmax(1)
    return torch.nn.functional.one_hot(best, len(prior)).float()


# %% wrong="largest_over_everything" points=2 why="subtracts the largest of the whole table: rows far below it vanish"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)])


def class_posterior(log_likelihood, prior):
    joint = (log_likelihood - log_likelihood.max()).exp() * prior
    return joint / joint.sum(1, keepdim=True)


# %% wrong="normalised_jointly" points=2 why="the whole table sums to 1: that is P(x, y)"
def fit_conditional(x, y, K, C, alpha):
    counts = torch.stack([torch.bincount(x[y == c], minlength=K) for c in range(C)]) + alpha
    return counts / counts.sum()


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% wrong="normalised_over_classes" points=2 why="every column sums to 1: that is P(y | x)"
def fit_conditional(x, y, K, C, alpha):
    counts = torch.stack([torch.bincount(x[y == c], minlength=K) for c in range(C)]) + alpha
    return counts / counts.sum(0)


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% wrong="transposed" points=2 why="returns (K, C)"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in range(C)], dim=1)


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% wrong="classes_that_occur" points=2 why="rows only for the classes in the data"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([smooth_histogram(x[y == c], K, alpha) for c in y.unique()])


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% wrong="not_smoothed" points=2 why="0 / 0 for a class without examples"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([torch.bincount(x[y == c], minlength=K) / (y == c).sum() for c in range(C)])


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% wrong="divided_by_all" points=2 why="the number of all observations in place of the class's own"
def fit_conditional(x, y, K, C, alpha):
    return torch.stack([(torch.bincount(x[y == c], minlength=K) + alpha) / (len(x) + alpha * K) for c in range(C)])


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% wrong="same_for_all" points=2 why="every class gets the histogram of all data"
def fit_conditional(x, y, K, C, alpha):
    return smooth_histogram(x, K, alpha).repeat(C, 1)


def class_posterior(log_likelihood, prior):
    return (log_likelihood + prior.log()).softmax(1)


# %% right="joint_codes" why="counts pairs (y, x) with one bincount; subtracts the logarithm of the sum"
def fit_conditional(x, y, K, C, alpha):
    counts = torch.bincount(y * K + x, minlength=C * K).reshape(C, K) + alpha
    return counts / counts.sum(1, keepdim=True)


def class_posterior(log_likelihood, prior):
    joint = log_likelihood + torch.log(prior)
    return torch.exp(joint - torch.logsumexp(joint, dim=1, keepdim=True))


# %% right="loop" why="Python loops, largest term taken out by hand"
def fit_conditional(x, y, K, C, alpha):
    table = torch.full((C, K), float(alpha), dtype=torch.float64)
    for c in range(C):
        for k in range(K):
            table[c, k] += ((x == k) & (y == c)).sum()
        table[c] /= table[c].sum()
    return table


def class_posterior(log_likelihood, prior):
    rows = []
    for row in log_likelihood.tolist():
        top = max(v for v, p in zip(row, prior.tolist()) if p > 0)
        weights = [p * math.exp(min(v - top, 700)) if p > 0 else 0.0 for v, p in zip(row, prior.tolist())]
        rows.append([w / sum(weights) for w in weights])
    return torch.tensor(rows)


# %% right="numpy" why="numpy in float64, arrays come back"
def fit_conditional(x, y, K, C, alpha):
    import numpy as np

    counts = np.full((C, K), float(alpha))
    np.add.at(counts, (y.numpy(), x.numpy()), 1)
    return counts / counts.sum(1, keepdims=True)


def class_posterior(log_likelihood, prior):
    import numpy as np

    log_likelihood, prior = log_likelihood.numpy().astype(float), prior.numpy().astype(float)
    joint = prior * np.exp(log_likelihood - log_likelihood.max(1, keepdims=True))
    return joint / joint.sum(1, keepdims=True)


# %% right="odds" why="one over the sum of the odds against the class"
def fit_conditional(x, y, K, C, alpha):
    one_hot_y, one_hot_x = (y[:, None] == torch.arange(C)).float(), (x[:, None] == torch.arange(K)).float()
    counts = one_hot_y.T @ one_hot_x + alpha
    return counts / counts.sum(dim=1)[:, None]


def class_posterior(log_likelihood, prior):
    difference = log_likelihood[:, None, :] - log_likelihood[:, :, None]
    odds_against = (difference.double().exp() * prior).sum(2)
    return prior / odds_against
