# %% [markdown]
# Answers to the task smooth_histogram. One check of 1 point (cumulative, few_data), one of 2 points (nll, impossible_value).

# %% wrong="denominator_n" points=0 why="the pretended observations are missing from the denominator"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / len(x)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="denominator_n_plus_alpha" points=0 why="n + alpha in place of n + alpha K"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="alpha_added_to_shares" points=0 why="adds alpha to the shares and normalises: the strength then grows with n"
def smooth_histogram(x, K, alpha):
    p = torch.bincount(x, minlength=K) / max(len(x), 1) + alpha
    return p / p.sum()


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="empty_bins_only" points=0 why="gives alpha only to values that were not seen"
def smooth_histogram(x, K, alpha):
    counts = torch.bincount(x, minlength=K).float()
    counts[counts == 0] = alpha
    return counts / counts.sum()


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="mixed_with_uniform" points=0 why="(1 - alpha) p + alpha / K: another smoothing"
def smooth_histogram(x, K, alpha):
    return (1 - alpha) * torch.bincount(x, minlength=K) / max(len(x), 1) + alpha / K


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="scored_on_training" points=1 why="judges on the data that were fitted"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_train].log().mean() for alpha in alphas])


# %% wrong="fitted_on_validation" points=1 why="fits on the data that should judge"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_valid, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="fitted_on_both" points=1 why="fits on training and validation data together"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    everything = torch.cat([x_train, x_valid])
    return torch.stack([-smooth_histogram(everything, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="log_of_the_mean" points=1 why="logarithm of the mean probability in place of the mean logarithm"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].mean().log() for alpha in alphas])


# %% wrong="sum" points=1 why="the sum over the validation set in place of the mean"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().sum() for alpha in alphas])


# %% wrong="bits" points=1 why="base 2 where nats are asked for"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log2().mean() for alpha in alphas])


# %% wrong="small_number_in_the_log" points=2 why="1e-8 hides that a value is impossible"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-(smooth_histogram(x_train, K, alpha)[x_valid] + 1e-8).log().mean() for alpha in alphas])


# %% wrong="log_likelihood" points=1 why="the sign: a log-likelihood, to be made large"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])


# %% wrong="counts_remember" points=1 why="the same counts grow by every alpha in turn"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    counts, scores = torch.bincount(x_train, minlength=K).float(), []
    for alpha in alphas:
        counts += alpha
        scores.append(-(counts / counts.sum())[x_valid].log().mean())
    return torch.stack(scores)


# %% wrong="sorts_alphas" points=2 why="returns the scores in the order of sorted strengths; right where they came sorted"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in sorted(alphas)])


# %% wrong="best_only" points=1 why="returns the best strength in place of all scores"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    scores = torch.stack([-smooth_histogram(x_train, K, alpha)[x_valid].log().mean() for alpha in alphas])
    return alphas[int(scores.argmin())]


# %% right="formula" why="eq. (4) as it stands"
def smooth_histogram(x, K, alpha):
    return (torch.bincount(x, minlength=K) + alpha) / (len(x) + alpha * K)


def heldout_nll(x_train, x_valid, K, alphas):
    scores = torch.empty(len(alphas))
    for i, alpha in enumerate(alphas):
        scores[i] = -torch.log(smooth_histogram(x_train, K, alpha))[x_valid].mean()
    return scores


# %% right="all_alphas_at_once" why="broadcasts over the strengths and weights log-probabilities with validation counts"
def smooth_histogram(x, K, alpha):
    counts = torch.bincount(x, minlength=K).double() + alpha
    return counts / counts.sum()


def heldout_nll(x_train, x_valid, K, alphas):
    alpha = torch.as_tensor(alphas, dtype=torch.float64)[:, None]
    p = (torch.bincount(x_train, minlength=K) + alpha) / (len(x_train) + alpha * K)
    seen = torch.bincount(x_valid, minlength=K).double()
    return -torch.xlogy(seen, p).sum(1) / len(x_valid)


# %% right="pretended_data" why="Python loops and dictionaries, floats"
def smooth_histogram(x, K, alpha):
    counts = {k: alpha for k in range(K)}
    for value in x.tolist():
        counts[value] += 1
    total = sum(counts.values())
    return torch.tensor([counts[k] / total for k in range(K)])


def heldout_nll(x_train, x_valid, K, alphas):
    scores = []
    for alpha in alphas:
        p = smooth_histogram(x_train, K, alpha).tolist()
        logs = [math.log(p[value]) if p[value] > 0 else -math.inf for value in x_valid.tolist()]
        scores.append(-sum(logs) / len(logs))
    return scores


# %% right="numpy" why="numpy throughout"
def smooth_histogram(x, K, alpha):
    import numpy as np

    counts = np.bincount(x.numpy(), minlength=K) + alpha
    return counts / counts.sum()


def heldout_nll(x_train, x_valid, K, alphas):
    import numpy as np

    with np.errstate(divide="ignore"):
        return np.array([-np.log(smooth_histogram(x_train, K, a))[x_valid.numpy()].mean() for a in alphas])


# %% right="mixed_by_the_right_share" why="as a blend of shares and uniform with weight n / (n + alpha K)"
def smooth_histogram(x, K, alpha):
    n = len(x)
    if n == 0:
        return torch.ones(K) / K
    trust = n / (n + alpha * K)
    return trust * torch.bincount(x, minlength=K) / n + (1 - trust) / K


def heldout_nll(x_train, x_valid, K, alphas):
    return torch.stack(
        [torch.nn.functional.nll_loss(smooth_histogram(x_train, K, a).log().expand(len(x_valid), K), x_valid) for a in alphas]
    )
