# %% [markdown]
# Answers to the task fit_mixture. One check of 1 point (one_logistic, nll_one_hump), one of 3 points (nll_two_humps,
# cumulative_two_humps, nll_three_humps).

# %% wrong="wrong_sign" points=0 why="climbs the negative log-likelihood"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = (p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% wrong="gradients_pile_up" points=0 why="no zero_grad(): every step adds to the gradients of all earlier ones"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% wrong="no_step" points=0 why="computes gradients and never uses them"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = torch.linspace(0, K - 1, M + 2)[1:-1].clone()
    params = [t.requires_grad_() for t in (torch.zeros(M), mu, torch.zeros(M))]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(50):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
    return tuple(t.detach() for t in params)


# %% wrong="step_too_small" points=0 why="300 steps of 0.001 move a mean by 0.3 at most"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = torch.linspace(0, K - 1, M + 2)[1:-1].clone()
    params = [t.requires_grad_() for t in (torch.zeros(M), mu, torch.zeros(M))]
    optimiser = torch.optim.Adam(params, lr=0.001)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% wrong="all_start_together" points=1 why="components that start at the same place stay together; fine for M = 1"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    params = [torch.zeros(M), x.float().mean().repeat(M), x.float().std().log().repeat(M)]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(500):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% wrong="frequencies_forgotten" points=0 why="every value counts alike, whether it occurs or not"
def fit_mixture(x, M, K):
    values = torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -mixture_log_prob(values, *params, K).mean()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% wrong="scale_returned" points=0 why="returns s where log_s is asked for"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    logits, mu, log_s = (t.detach() for t in params)
    return logits, mu, log_s.exp()


# %% wrong="weights_returned" points=1 why="returns softmax(logits) where logits are asked for; the same for M = 1"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    logits, mu, log_s = (t.detach() for t in params)
    return logits.softmax(0), mu, log_s


# %% wrong="scale_not_trained" points=0 why="the scales stay at 1: log_s is not among the parameters"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M).requires_grad_()
    logits, log_s = torch.zeros(M, requires_grad=True), torch.zeros(M)
    optimiser = torch.optim.Adam([logits, mu], lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, logits, mu, log_s, K)).sum()
        loss.backward()
        optimiser.step()
    return logits.detach(), mu.detach(), log_s


# %% wrong="weights_not_trained" points=1 why="the weights stay equal; fine for M = 1"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M).requires_grad_()
    log_s = torch.full((M,), math.log(x.float().std() / M)).requires_grad_()
    logits = torch.zeros(M)
    optimiser = torch.optim.Adam([mu, log_s], lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, logits, mu, log_s, K)).sum()
        loss.backward()
        optimiser.step()
    return logits, mu.detach(), log_s.detach()


# %% wrong="leaf_lost" points=0 why="mu = mu - lr * grad makes a new tensor that keeps no gradient: an error at the second step"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M).requires_grad_()
    log_s = torch.zeros(M, requires_grad=True)
    logits = torch.zeros(M, requires_grad=True)
    for _ in range(300):
        loss = -(p * mixture_log_prob(values, logits, mu, log_s, K)).sum()
        loss.backward()
        mu = mu - 0.1 * mu.grad
        log_s = log_s - 0.1 * log_s.grad
        logits = logits - 0.1 * logits.grad
    return logits.detach(), mu.detach(), log_s.detach()


# %% wrong="copies_returned" points=0 why="the optimiser trains clones, the untrained tensors are returned"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    start = [torch.zeros(M), torch.linspace(0, K - 1, M + 2)[1:-1], torch.zeros(M)]
    params = [t.clone().requires_grad_() for t in start]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    return tuple(start)


# %% wrong="rescaled_data" points=0 why="trains on x / K and returns mu and log_s in those units"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        optimiser.step()
    logits, mu, log_s = (t.detach() for t in params)
    return logits, mu / K, log_s - math.log(K)


# %% wrong="moments_of_parts" points=0 why="no training: splits the sorted data into M equal parts and takes deviations for scales"
def fit_mixture(x, M, K):
    parts = x.float().sort().values.chunk(M)
    mu = torch.stack([part.mean() for part in parts])
    return torch.zeros(M), mu, torch.stack([part.std().clamp(min=0.3) for part in parts]).log()


# %% wrong="sum_and_a_large_step" points=0 why="plain descent on the sum over all observations: a step 2,000 times too large"
def fit_mixture(x, M, K):
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.SGD(params, lr=0.5)
    for _ in range(100):
        optimiser.zero_grad()
        loss = -mixture_log_prob(x, *params, K).sum()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% wrong="probabilities_in_the_loss" points=0 why="maximises the mean probability, not the mean log-probability"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    for _ in range(600):
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K).exp()).sum()
        loss.backward()
        optimiser.step()
    return tuple(t.detach() for t in params)


# %% right="all_the_data" why="the loss as a mean over the observations, evenly spaced start, more steps"
def fit_mixture(x, M, K):
    lo, hi = x.min().item(), x.max().item()
    mu = (lo + (hi - lo) * (torch.arange(M) + 1) / (M + 1)).requires_grad_()
    log_s = torch.full((M,), 1.0, requires_grad=True)
    logits = torch.zeros(M, requires_grad=True)
    optimiser = torch.optim.Adam([mu, log_s, logits], lr=0.08)
    for _ in range(500):
        loss = -mixture_log_prob(x, logits, mu, log_s, K).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return logits.detach(), mu.detach(), log_s.detach()


# %% right="lbfgs" why="second-order steps on the counts"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K).double() / len(x), torch.arange(K)
    mu = x.double().quantile(((torch.arange(M) + 0.5) / M).double())
    params = [torch.zeros(M).double(), mu, torch.full((M,), math.log(x.double().std() / M)).double()]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.LBFGS(params, max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return tuple(t.detach().float() for t in params)


# %% right="plain_descent" why="written-out gradient steps with momentum, under no_grad; gradients left attached"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    speed = [torch.zeros(M) for _ in params]
    for _ in range(1500):
        loss = -(p * mixture_log_prob(values, *params, K)).sum()
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            for t, v, g in zip(params, speed, grads):
                v.mul_(0.9).sub_(0.5 * g)
                t.add_(v)
    return tuple(params)


# %% right="best_of_restarts" why="random starts in the data, the best by training likelihood kept, components in another order"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    best = None
    for _ in range(6):
        mu = x[torch.randint(len(x), (M,))].float() + torch.randn(M)
        params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
        params = [t.requires_grad_() for t in params]
        optimiser = torch.optim.Adam(params, lr=0.2)
        for _ in range(150):
            optimiser.zero_grad()
            loss = -(p * mixture_log_prob(values, *params, K)).sum()
            loss.backward()
            optimiser.step()
        if best is None or loss.item() < best[0]:
            best = loss.item(), [t.detach().flip(0) for t in params]
    return best[1]


# %% right="mini_batches" why="stochastic gradients with a falling step"
def fit_mixture(x, M, K):
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.Adam(params, lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 800)
    for _ in range(800):
        batch = x[torch.randint(len(x), (256,))]
        optimiser.zero_grad()
        loss = -mixture_log_prob(batch, *params, K).mean()
        loss.backward()
        optimiser.step()
        schedule.step()
    return tuple(t.detach() for t in params)


# %% right="weights_on_the_simplex" why="trains the weights as free numbers, returns their logarithms as logits"
def fit_mixture(x, M, K):
    p, values = torch.bincount(x, minlength=K) / len(x), torch.arange(K)
    mu = x.float().quantile((torch.arange(M) + 0.5) / M)
    params = [torch.zeros(M), mu / 8, torch.full((M,), math.log(x.float().std() / M))]
    params = [t.requires_grad_() for t in params]
    optimiser = torch.optim.AdamW(params, lr=0.03, weight_decay=0)
    for _ in range(800):
        optimiser.zero_grad()
        (-(p * mixture_log_prob(values, params[0], 8 * params[1], params[2], K)).sum()).backward()
        optimiser.step()
    logits, mu, log_s = (t.detach() for t in params)
    return logits.softmax(0).log(), 8 * mu, log_s
