# %% [markdown]
# Answers to the task optimal_discriminator. One check of 2 points with four values (best_logits, best_logits_with_gaps,
# any_discriminator, best_discriminator), one of 1 point with two (divergence, with_zeros).


# %% wrong="zeros_forgotten" points=1.5 why="the formulas as they stand: nan wherever a probability is zero"
def optimal_logits(p, q):
    return p.log() - q.log()


def game_loss(logits, p, q):
    return (p * F.softplus(-logits) + q * F.softplus(logits)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return (p * (p / m).log() + q * (q / m).log()).sum() / 2


# %% wrong="small_number_added" points=2 why="1e-12 everywhere: finite logits where they are infinite"
def optimal_logits(p, q):
    return (p + 1e-12).log() - (q + 1e-12).log()


def game_loss(logits, p, q):
    d = logits.sigmoid()
    return -(p * (d + 1e-12).log() + q * (1 - d + 1e-12).log()).sum()


def js_divergence(p, q):
    p, q = p + 1e-12, q + 1e-12
    m = (p + q) / 2
    return (p * (p / m).log() + q * (q / m).log()).sum() / 2


# %% wrong="probabilities" points=2 why="returns p / (p + q), not the logit"
def optimal_logits(p, q):
    return torch.where(p + q > 0, p / (p + q), 0.5)


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return (on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return (torch.xlogy(p, p) + torch.xlogy(q, q)).sum() / 2 - torch.xlogy(m, m).sum()


# %% wrong="roles_swapped" points=1 why="takes q for the data"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, q.log() - p.log())


def game_loss(logits, p, q):
    on_real = torch.where(q > 0, q * F.softplus(-logits), 0.0)
    return (on_real + torch.where(p > 0, p * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return (torch.xlogy(q, q) + torch.xlogy(p, p)).sum() / 2 - torch.xlogy(m, m).sum()


# %% wrong="value_for_loss" points=2 why="the value that D maximises, with the other sign"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log())


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return -(on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return (torch.xlogy(p, p) + torch.xlogy(q, q)).sum() / 2 - torch.xlogy(m, m).sum()


# %% wrong="mean_over_values" points=1 why="a mean over the K values, although p and q already weigh"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log())


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return (on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).mean()


def js_divergence(p, q):
    m = (p + q) / 2
    return ((torch.xlogy(p, p) + torch.xlogy(q, q)) / 2 - torch.xlogy(m, m)).mean()


# %% wrong="no_halves" points=2 why="the divergence without its two halves"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log())


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return (on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return (torch.xlogy(p, p) - torch.xlogy(p, m) + torch.xlogy(q, q) - torch.xlogy(q, m)).sum()


# %% wrong="bits" points=2 why="divergence in bits: 1 for distributions that never meet"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log())


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return (on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return ((torch.xlogy(p, p) + torch.xlogy(q, q)).sum() / 2 - torch.xlogy(m, m).sum()) / math.log(2)


# %% wrong="symmetrised_kl" points=2 why="the mean of KL(p, q) and KL(q, p), without the mixture m"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log())


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return (on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    return (torch.xlogy(p, p) - torch.xlogy(p, q) + torch.xlogy(q, q) - torch.xlogy(q, p)).sum() / 2


# %% wrong="directions_reversed" points=2 why="KL from the mixture to each, in place of from each to the mixture"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log())


def game_loss(logits, p, q):
    on_real = torch.where(p > 0, p * F.softplus(-logits), 0.0)
    return (on_real + torch.where(q > 0, q * F.softplus(logits), 0.0)).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return (2 * torch.xlogy(m, m) - torch.xlogy(m, p) - torch.xlogy(m, q)).sum() / 2


# %% wrong="nan_to_num" points=2.5 why="repairs infinities together with nan: the best logits become large and finite"
def optimal_logits(p, q):
    return (p.log() - q.log()).nan_to_num()


def game_loss(logits, p, q):
    return ((p * F.softplus(-logits)).nan_to_num() + (q * F.softplus(logits)).nan_to_num()).sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return ((p * (p / m).log()).nan_to_num() + (q * (q / m).log()).nan_to_num()).sum() / 2


# %% wrong="clamped" points=2 why="logits clamped to 20: neither inf, nor the right loss"
def optimal_logits(p, q):
    return torch.where(p == q, 0.0, p.log() - q.log()).clamp(-20, 20)


def game_loss(logits, p, q):
    logits = logits.clamp(-20, 20)
    return (p * F.softplus(-logits) + q * F.softplus(logits)).sum()


def js_divergence(p, q):
    m = ((p + q) / 2).clamp(min=1e-30)
    return (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum() / 2


# %% right="loops" why="value by value, in Python's floats"
def optimal_logits(p, q):
    logits = []
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        if a == 0 or b == 0:
            logits.append(0.0 if a == b else math.inf if b == 0 else -math.inf)
        else:
            logits.append(math.log(a) - math.log(b))
    return torch.tensor(logits)


def game_loss(logits, p, q):
    total = 0.0
    for a, b, logit in zip(p.tolist(), q.tolist(), logits.double(), strict=True):
        if a > 0:
            total += a * float(F.softplus(-logit))
        if b > 0:
            total += b * float(F.softplus(logit))
    return total


def js_divergence(p, q):
    total = 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        m = (a + b) / 2
        total += sum(one / 2 * math.log(one / m) for one in (a, b) if one > 0)
    return total


# %% right="masked_and_from_the_value" why="works on the values that occur, and gets the divergence from the game's value"
def optimal_logits(p, q):
    logits, seen = torch.zeros_like(p), (p + q) > 0
    logits[seen] = (p[seen] / q[seen]).log()
    return logits


def game_loss(logits, p, q):
    real, fake = p > 0, q > 0
    return -(p[real] @ F.logsigmoid(logits[real]) + q[fake] @ F.logsigmoid(-logits[fake]))


def js_divergence(p, q):
    p, q = p.double(), q.double()
    return (math.log(4) - game_loss(optimal_logits(p, q), p, q)) / 2


# %% right="kl_div" why="both halves stacked, and torch's kl_div, in float64"
def optimal_logits(p, q):
    logs = torch.stack([p, q]).double().log()
    return torch.where(p + q > 0, logs[0] - logs[1], torch.zeros_like(logs[0]))


def game_loss(logits, p, q):
    weights, costs = torch.stack([p, q]), F.softplus(torch.stack([-logits, logits]))
    return (weights * costs.masked_fill(weights == 0, 0)).sum()


def js_divergence(p, q):
    m = ((p + q) / 2).double().clamp(min=1e-300).log()
    return (F.kl_div(m, p.double(), reduction="sum") + F.kl_div(m, q.double(), reduction="sum")) / 2


# %% right="numpy_entropies" why="scipy's xlogy and entropies, in numpy"
def optimal_logits(p, q):
    import numpy as np

    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(p) - np.log(q)
    logits[(p == 0) & (q == 0)] = 0
    return logits


def game_loss(logits, p, q):
    import numpy as np

    logits, p, q = (np.asarray(a, dtype=np.float64) for a in (logits, p, q))
    real, fake = p > 0, q > 0
    return (p[real] * np.logaddexp(0, -logits[real])).sum() + (q[fake] * np.logaddexp(0, logits[fake])).sum()


def js_divergence(p, q):
    import numpy as np

    def entropy(a):
        a = a[a > 0]
        return -(a * np.log(a)).sum()

    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


# %% right="nan_only" why="repairs nan, and only nan"
def optimal_logits(p, q):
    return (p.log() - q.log()).nan_to_num(nan=0.0, posinf=math.inf, neginf=-math.inf)


def game_loss(logits, p, q):
    costs = torch.cat([p * F.softplus(-logits), q * F.softplus(logits)])
    return costs[~costs.isnan()].sum()


def js_divergence(p, q):
    m = (p + q) / 2
    return torch.nansum(torch.cat([p * (p / m).log(), q * (q / m).log()])) / 2
