# %% [markdown]
# Answers to the task r1_penalty. One check of 2 points with four values (points, images, known, gradients_kept), one of 1
# point with two (second_derivative, after_a_step).


# %% wrong="half_forgotten" points=0 why="twice the penalty"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()


# %% wrong="mean_of_the_outputs" points=0 why="differentiates the mean of D: every gradient is B times too small"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).mean(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean() / 2


# %% wrong="mean_over_coordinates" points=0 why="a mean over everything, coordinates included"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.square().mean() / 2


# %% wrong="sum_over_the_batch" points=0 why="a sum over the samples in place of a mean"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.square().sum() / 2


# %% wrong="no_create_graph" points=2 why="a number without a history: the penalty changes nothing"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x)
    return gradient.flatten(1).square().sum(1).mean() / 2


# %% wrong="norm_not_squared" points=0 why="the length of the gradient, not its square"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).norm(dim=1).mean() / 2


# %% wrong="distance_from_one" points=0 why="the penalty of the Wasserstein GAN, (|g| - 1)^2"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean() / 2


# %% wrong="gradient_of_the_probability" points=0 why="differentiates sigmoid(D): flat where D is sure"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sigmoid().sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean() / 2


# %% wrong="only_axis_one" points=2.5 why="adds over axis 1 only: right for points, wrong for images"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.square().sum(1).mean() / 2


# %% wrong="backward" points=2 why="takes the gradient by backward(), which writes into D's .grad"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    D(x).sum().backward(create_graph=True)
    return x.grad.flatten(1).square().sum(1).mean() / 2


# %% wrong="mean_gradient_squared" points=0 why="squares the mean of the gradients: opposite slopes cancel"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).mean(0).square().sum() / 2


# %% wrong="with_respect_to_the_weights" points=0 why="the gradient of the parameters, not of the data"
def r1_penalty(D, x):
    gradients = torch.autograd.grad(D(x).mean(), list(D.parameters()), create_graph=True)
    return sum(gradient.square().sum() for gradient in gradients) / 2


# %% wrong="points_only" points=1.5 why="sums over the last axis and indexes a column: points and (B, 1) only"
def r1_penalty(D, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x)[:, 0].sum(), x, create_graph=True)
    return (gradient**2).sum(-1).mean() / 2


# %% right="one_by_one" why="a gradient for each sample, in a loop"
def r1_penalty(D, x):
    squares = []
    for one in x:
        leaf = one[None].detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(D(leaf).reshape(()), leaf, create_graph=True)
        squares.append((gradient**2).sum())
    return 0.5 * sum(squares) / len(squares)


# %% right="requires_grad_in_place" why="asks the batch itself for a gradient; norms and squares"
def r1_penalty(D, x):
    x.requires_grad_(True)
    logits = D(x)
    gradient = torch.autograd.grad(
        outputs=logits, inputs=x, grad_outputs=torch.ones_like(logits), create_graph=True, retain_graph=True
    )[0]
    return 0.5 * (gradient.reshape(len(x), -1).norm(2, dim=1) ** 2).mean()


# %% right="torch_func" why="per-sample gradients by vmap"
def r1_penalty(D, x):
    slope = torch.func.vmap(torch.func.grad(lambda one: D(one[None]).reshape(())))
    return torch.einsum("bi,bi->", slope(x).flatten(1), slope(x).flatten(1)) / (2 * len(x))


# %% right="jacobian_vector" why="autograd.functional.jacobian of the sum"
def r1_penalty(D, x):
    gradient = torch.autograd.functional.jacobian(lambda batch: D(batch).sum(), x, create_graph=True)
    return gradient.pow(2).sum() / x.shape[0] * 0.5


# %% right="in_two_halves" why="the batch in two parts, weighted by their sizes"
def r1_penalty(D, x):
    total = 0.0
    for part in (x[: len(x) // 2], x[len(x) // 2 :]):
        part = part.clone().detach().requires_grad_()
        (gradient,) = torch.autograd.grad(D(part).sum(), part, create_graph=True)
        total = total + gradient.square().sum()
    return total / (2 * len(x))
