# %% [markdown]
# Answers to the task linear_probe. One check of 2 points with four values (strong, weak, uneven, dead_unit), one of 1
# point with two (one_at_a_time, other_company).


# %% wrong="not_standardised" points=0 why="features as they come"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = h_train, h_test
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="test_statistics" points=0 why="standardises the test set with its own mean and deviation"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - h_test.mean(0)) / h_test.std(0, correction=0)
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="both_together" points=0 why="mean and deviation of training and test set together"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    both = torch.cat([h_train, h_test])
    mean, std = both.mean(0), both.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="test_not_standardised" points=0 why="standardises the training set only"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, h_test
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="centred_only" points=0 why="forgets the deviation"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std = torch.ones_like(std)
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="rows_not_features" points=0 why="brings each example to mean 0 and variance 1, not each feature"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = ((h - h.mean(1, keepdim=True)) / h.std(1, keepdim=True) for h in (h_train, h_test))
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="zero_by_zero" points=2.5 why="nan at a dead unit"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="dead_unit_divided_by_little" points=2.5 why="1e-8 added to the deviation, and W not started at 0"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std = std + 1e-8
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = (0.01 * torch.randn(classes, a.shape[1], dtype=torch.float64)).requires_grad_()
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="no_penalty" points=0 why="lambda ignored"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train)
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="half_forgotten" points=0 why="lambda, not lambda / 2"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="mean_of_squares" points=0 why="the mean of the squares"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).mean()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="sum_over_examples" points=0 why="the sum of the losses: the penalty is n times too weak"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train, reduction="sum") + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="offsets_penalised" points=0 why="penalises b as well"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * ((W**2).sum() + (c**2).sum())
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="absolute_values" points=0 why="an L1 penalty"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam * W.abs().sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="no_offsets" points=0 why="no b"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T, dim=1).detach()


# %% wrong="twenty_steps" points=0 why="stops after LBFGS's default of 20 steps without a line search"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], lr=0.1)

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="some_descent" points=0 why="thirty steps of gradient descent: not at the minimum"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([W, c], lr=0.1)

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    for _ in range(30):
        optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="logits" points=0 why="returns logits"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return (b @ W.T + c).detach()


# %% wrong="softmax_over_examples" points=0 why="the softmax over the wrong axis"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=0).detach()


# %% wrong="classes_of_the_labels" points=2.5 why="as many classes as the training labels show"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    classes = int(y_train.max()) + 1
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    std[std == 0] = math.inf
    a, b = (h_train - mean) / std, (h_test - mean) / std
    W = torch.zeros(classes, a.shape[1], dtype=torch.float64, requires_grad=True)
    c = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, c], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        J = F.cross_entropy(a @ W.T + c, y_train) + lam / 2 * (W**2).sum()
        J.backward()
        return J

    optimiser.step(closure)
    return torch.softmax(b @ W.T + c, dim=1).detach()


# %% wrong="least_squares" points=0 why="a ridge regression on one-hot labels"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    mean, std = h_train.mean(0), h_train.std(0).clamp(min=1e-8)
    a, b = (h_train - mean) / std, (h_test - mean) / std
    targets = F.one_hot(y_train, classes).float()
    W = torch.linalg.solve(a.T @ a / len(a) + lam * torch.eye(a.shape[1]), a.T @ targets / len(a))
    return (b @ W + targets.mean(0)).softmax(1)


# %% wrong="nearest_mean" points=0 why="distances to the mean of each class"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    mean, std = h_train.mean(0), h_train.std(0).clamp(min=1e-8)
    a, b = (h_train - mean) / std, (h_test - mean) / std
    centres = torch.stack([a[y_train == k].sum(0) / max(1, (y_train == k).sum()) for k in range(classes)])
    return (-torch.cdist(b, centres).square() / 2).softmax(1)


# %% right="newton" why="Newton's method with the full Hessian"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    h_train, h_test = h_train.detach().double(), h_test.detach().double()
    mean, std = h_train.mean(0), h_train.std(0, correction=0)
    alive = std > 0
    a, b = ((h[:, alive] - mean[alive]) / std[alive] for h in (h_train, h_test))
    a, b = (torch.cat([h, torch.ones(len(h), 1, dtype=h.dtype)], dim=1) for h in (a, b))
    d = a.shape[1]
    penalty = torch.full((d,), float(lam), dtype=a.dtype)
    penalty[-1] = 1e-9

    def J(w):
        w = w.view(classes, d)
        return F.cross_entropy(a @ w.T, y_train) + (penalty * w**2).sum() / 2

    w = torch.zeros(classes * d, dtype=a.dtype)
    for _ in range(60):
        gradient = torch.func.grad(J)(w)
        p = (a @ w.view(classes, d).T).softmax(1)
        cover = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        hessian = torch.einsum("nij,na,nb->iajb", cover, a, a).reshape(classes * d, classes * d) / len(a)
        step = torch.linalg.solve(
            hessian + penalty.repeat(classes).diag() + 1e-9 * torch.eye(len(w)).double(), gradient
        )
        size = 1.0
        while J(w - size * step) > J(w) - 1e-4 * size * gradient @ step and size > 1e-6:
            size /= 2
        w = w - size * step
    return (b @ w.view(classes, d).T).softmax(1)


# %% right="scikit_learn" why="LogisticRegression with C = 1 / (n lambda) on features of StandardScaler"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    alive = h_train.numpy().std(0) > 0
    a, b = (h.numpy().astype(np.float64)[:, alive] for h in (h_train, h_test))
    scaler = StandardScaler().fit(a)
    model = LogisticRegression(C=1 / (len(a) * lam), tol=1e-8, max_iter=5000).fit(scaler.transform(a), y_train.numpy())
    result = np.zeros((len(b), classes))
    result[:, model.classes_] = model.predict_proba(scaler.transform(b))
    return result


# %% right="fast_gradient" why="Nesterov's method with the safe step"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    a, b = h_train.double(), h_test.double()
    mean, std = a.mean(0), a.var(0, unbiased=False).sqrt()
    a, b = (torch.where(std > 0, (h - mean) / std, torch.zeros_like(h)) for h in (a, b))
    onehot, n, d = F.one_hot(y_train, classes).double(), len(a), a.shape[1]
    a, b = (torch.cat([h, h.new_ones(len(h), 1)], 1) for h in (a, b))
    shrink = torch.tensor([lam] * d + [0.0], dtype=torch.float64)
    step = 1 / (torch.linalg.eigvalsh(a.T @ a / n)[-1] / 2 + lam)
    W = V = torch.zeros(classes, d + 1, dtype=torch.float64)
    for t in range(1500):
        gradient = ((a @ V.T).softmax(1) - onehot).T @ a / n + shrink * V
        W, old = V - step * gradient, W
        V = W + t / (t + 3) * (W - old)
    return (b @ W.T).softmax(1)


# %% right="adam_then_lbfgs" why="a Linear layer, random start, LBFGS in rounds, float32 throughout"
def linear_probe(h_train, y_train, h_test, lam, classes=10):
    mean, std = h_train.mean(0), h_train.std(0, unbiased=False)
    alive = (std > 0).float()
    a, b = ((h - mean) / (std + 1 - alive) * alive for h in (h_train, h_test))
    layer = nn.Linear(a.shape[1], classes)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=100, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def closure():
        layer.zero_grad()
        J = F.nll_loss(layer(a).log_softmax(1), y_train) + 0.5 * lam * layer.weight.pow(2).sum()
        J.backward()
        return J

    for _ in range(4):
        optimiser.step(closure)
    with torch.no_grad():
        return layer(b).softmax(-1)
