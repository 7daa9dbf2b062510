# %% [markdown]
# Answers to the task logistic_log_prob. Checks: 1 point (cumulative, minus_integral_of_density), 2 points (left_tail, right_tail,
# wide_curves, far_end_bins), 1 point (gradient_in_mu, gradient_in_log_s): 0.5 a value.

# %% wrong="difference_of_sigmoids" points=1 why="eq. (6) as it stands: -inf in the tails, noise for wide curves, nan gradients"
def logistic_log_prob(x, mu, log_s, K):
    s = log_s.exp()
    upper = torch.where(x == K - 1, 1.0, torch.sigmoid((x + 0.5 - mu) / s))
    lower = torch.where(x == 0, 0.0, torch.sigmoid((x - 0.5 - mu) / s))
    return (upper - lower).log()


# %% wrong="clamped" points=1 why="a clamped probability is finite but wrong, and has no gradient"
def logistic_log_prob(x, mu, log_s, K):
    s = log_s.exp()
    upper = torch.where(x == K - 1, 1.0, torch.sigmoid((x + 0.5 - mu) / s))
    lower = torch.where(x == 0, 0.0, torch.sigmoid((x - 0.5 - mu) / s))
    return (upper - lower).clamp(min=1e-12).log()


# %% wrong="float64_difference" points=1.5 why="float64 only moves the cliff further out"
def logistic_log_prob(x, mu, log_s, K):
    mu, s = mu.double(), log_s.double().exp()
    upper = torch.where(x == K - 1, 1.0, torch.sigmoid((x + 0.5 - mu) / s))
    lower = torch.where(x == 0, 0.0, torch.sigmoid((x - 0.5 - mu) / s))
    return (upper - lower).log()


# %% wrong="closed_ends" points=2 why="the end bins are as narrow as the others: probabilities sum to less than 1"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    F = torch.nn.functional
    return F.logsigmoid(a) + F.logsigmoid(-b) + torch.log(-torch.expm1(-inverse_s))


# %% wrong="upper_end_closed" points=2 why="x == K never happens: only the lower end is open"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    first, last = torch.nn.functional.logsigmoid(a), torch.nn.functional.logsigmoid(-b)
    between = first + last + torch.log(-torch.expm1(-inverse_s))
    return torch.where(x == 0, first, torch.where(x == K, last, between))


# %% wrong="edges_at_integers" points=0.5 why="the bin of k reaches from k to k + 1"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    a, b = (x + 1 - mu) * inverse_s, (x - mu) * inverse_s
    first, last = torch.nn.functional.logsigmoid(a), torch.nn.functional.logsigmoid(-b)
    between = first + last + torch.log(-torch.expm1(-inverse_s))
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% wrong="log_scale_as_scale" points=0 why="divides by log_s"
def logistic_log_prob(x, mu, log_s, K):
    a, b = (x + 0.5 - mu) / log_s, (x - 0.5 - mu) / log_s
    first, last = torch.nn.functional.logsigmoid(a), torch.nn.functional.logsigmoid(-b)
    between = first + last + torch.log(-torch.expm1(-1 / log_s))
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% wrong="times_scale" points=0 why="multiplies by s where it should divide"
def logistic_log_prob(x, mu, log_s, K):
    s = torch.exp(log_s)
    a, b = (x + 0.5 - mu) * s, (x - 0.5 - mu) * s
    first, last = torch.nn.functional.logsigmoid(a), torch.nn.functional.logsigmoid(-b)
    between = first + last + torch.log(-torch.expm1(-s))
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% wrong="density" points=0.5 why="the density at x in place of the mass of its bin; as good only where curves are wide"
def logistic_log_prob(x, mu, log_s, K):
    z = (x - mu) * torch.exp(-log_s)
    return torch.nn.functional.logsigmoid(z) + torch.nn.functional.logsigmoid(-z) - log_s


# %% wrong="pixel_cnn_trick" points=2 why="PixelCNN++'s code: the density at the middle where the difference is small, wrong for narrow curves"
def logistic_log_prob(x, mu, log_s, K):
    F = torch.nn.functional
    inverse_s = torch.exp(-log_s)
    a, b, z = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s, (x - mu) * inverse_s
    delta = torch.sigmoid(a) - torch.sigmoid(b)
    middle = z - log_s - 2 * F.softplus(z)
    between = torch.where(delta > 1e-5, delta.clamp(min=1e-12).log(), middle)
    return torch.where(x == 0, a - F.softplus(a), torch.where(x == K - 1, -F.softplus(b), between))


# %% wrong="nan_behind_where" points=3 why="the values are right, but a branch that is not chosen makes the gradient nan"
def logistic_log_prob(x, mu, log_s, K):
    F = torch.nn.functional
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    delta = torch.sigmoid(a) - torch.sigmoid(b)
    between = F.logsigmoid(a) + F.logsigmoid(-b) + torch.log(-torch.expm1(-inverse_s))
    between = torch.where(delta > 0.3, delta.log(), between)
    return torch.where(x == 0, F.logsigmoid(a), torch.where(x == K - 1, F.logsigmoid(-b), between))


# %% wrong="detached" points=3 why="numpy in between: right values, and no gradient at all"
def logistic_log_prob(x, mu, log_s, K):
    import numpy as np

    mu, s, x = mu.detach().double().numpy(), np.exp(log_s.detach().double().numpy()), x.numpy()
    a, b = (x + 0.5 - mu) / s, (x - 0.5 - mu) / s
    first, last = -np.logaddexp(0, -a), -np.logaddexp(0, b)
    between = first + last + np.log(-np.expm1(-1 / s))
    return torch.from_numpy(np.where(x == 0, first, np.where(x == K - 1, last, between)))


# %% wrong="probabilities" points=0 why="returns the probability, not its logarithm"
def logistic_log_prob(x, mu, log_s, K):
    s = log_s.exp()
    upper = torch.where(x == K - 1, 1.0, torch.sigmoid((x + 0.5 - mu) / s))
    lower = torch.where(x == 0, 0.0, torch.sigmoid((x - 0.5 - mu) / s))
    return upper - lower


# %% wrong="factor_forgotten" points=1 why="sigma(a) sigma(-b) without the factor 1 - exp(-1/s); it matters less for narrow curves"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    first = torch.nn.functional.logsigmoid((x + 0.5 - mu) * inverse_s)
    last = torch.nn.functional.logsigmoid(-(x - 0.5 - mu) * inverse_s)
    return torch.where(x == 0, first, torch.where(x == K - 1, last, first + last))


# %% wrong="exp_in_place_of_expm1" points=3.5 why="1 - exp(-1/s) loses its digits for wide curves"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    first, last = torch.nn.functional.logsigmoid(a), torch.nn.functional.logsigmoid(-b)
    between = first + last + torch.log(1 - torch.exp(-inverse_s))
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% wrong="log_of_sigmoid" points=1.5 why="the right product, with sigmoid(z).log() in place of logsigmoid(z)"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    first, last = torch.sigmoid(a).log(), torch.sigmoid(-b).log()
    between = first + last + torch.log(-torch.expm1(-inverse_s))
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% right="softplus" why="the same identity with softplus, edges masked by adding terms"
def logistic_log_prob(x, mu, log_s, K):
    softplus = torch.nn.functional.softplus
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    inner = ((x > 0) & (x < K - 1)) * torch.log(-torch.expm1(-inverse_s))
    return inner - (x < K - 1) * softplus(-a) - (x > 0) * softplus(b)


# %% right="hyperbolic" why="log sinh(h) - log(cosh(h) + cosh(z)) with z = (x - mu) / s and h = 1 / 2s, as a logsumexp"
def logistic_log_prob(x, mu, log_s, K):
    inverse_s = torch.exp(-log_s)
    z, h = (x - mu) * inverse_s, inverse_s / 2
    zero = torch.zeros_like(z)
    between = torch.log(-torch.expm1(-2 * h)) - torch.logsumexp(
        torch.stack([zero, zero - 2 * h, z - h, -z - h]), dim=0
    )
    first, last = -torch.logaddexp(zero, -(z + h)), -torch.logaddexp(zero, z - h)
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% right="mirrored_float64" why="folds the right half onto the left, then a stable log of a difference, in float64"
def logistic_log_prob(x, mu, log_s, K):
    F = torch.nn.functional
    mu, inverse_s = mu.double(), torch.exp(-log_s.double())
    d = (x - mu).abs()
    big, small = F.logsigmoid((0.5 - d) * inverse_s), F.logsigmoid((-0.5 - d) * inverse_s)
    between = big + torch.log(-torch.expm1(small - big))
    first, last = F.logsigmoid((0.5 - mu) * inverse_s), F.logsigmoid((mu - K + 1.5) * inverse_s)
    x, first, last = x + 0 * d.long(), first + 0 * d, last + 0 * d
    return torch.where(x == 0, first, torch.where(x == K - 1, last, between))


# %% right="masks" why="each of the three kinds of bin filled in through a mask, with its own formula"
def logistic_log_prob(x, mu, log_s, K):
    log_sigma = torch.nn.functional.logsigmoid
    k, m, s = torch.broadcast_tensors(x, mu, log_s.exp())
    out = torch.zeros(k.shape)
    low, high = k == 0, k == K - 1
    mid = ~(low | high)
    out[low] = log_sigma((0.5 - m[low]) / s[low])
    out[high] = log_sigma((m[high] - (K - 1.5)) / s[high])
    k, m, s = k[mid], m[mid], s[mid]
    out[mid] = log_sigma((k + 0.5 - m) / s) + log_sigma((m - k + 0.5) / s) + (-torch.expm1(-1 / s)).log()
    return out


# %% right="open_edges" why="moves the outer edges to infinity instead of choosing between formulas"
def logistic_log_prob(x, mu, log_s, K):
    F = torch.nn.functional
    inverse_s = torch.exp(-log_s)
    a, b = (x + 0.5 - mu) * inverse_s, (x - 0.5 - mu) * inverse_s
    a, b = a.masked_fill(x == K - 1, 1e30), b.masked_fill(x == 0, -1e30)
    width = (x == 0) | (x == K - 1)
    factor = torch.where(width, torch.zeros_like(a), torch.log(-torch.expm1(-inverse_s)) + 0 * a.clamp(-1, 1))
    return F.logsigmoid(a) + F.logsigmoid(-b) + factor
