# %% [markdown]
# Answers to the task receptive_field. One check of 2 points with four values (positive_weights, at_the_edges,
# both_signs, what_cancels), one of 1 point with two (inside, ends).


# %% wrong="positive_only" points=2 why="looks for gradients above zero"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads > 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="outputs_added_up" points=2.5 why="adds up the output channels, which may cancel"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(model(x)[0, :, i, j].sum(), x)
    return (grad[0] != 0).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="inputs_added_up" points=2.5 why="adds up the input channels before it compares with zero"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads.sum(1) != 0).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="first_channel" points=2.5 why="looks at the first output channel only"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(model(x)[0, 0, i, j], x)
    return grad[0].ne(0).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="gradients_pile_up" points=1.5 why="the gradient is kept in the x of the caller and grows from call to call"
def receptive_field(model, x, i, j):
    x.requires_grad_()
    for y in model(x)[0, :, i, j]:
        y.backward(retain_graph=True)
    return (x.grad[0] != 0).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="transposed" points=1 why="row and column swapped at the output"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, j, i]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="whole_image" points=1 why="differentiates the sum over all outputs"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    model(x).pow(2).sum().backward()
    return (x.grad[0] != 0).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="magnitudes" points=1 why="returns the size of the gradient and not where it is"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return grads.abs().flatten(0, 1).sum(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="all_channels_needed" points=2 why="a pixel counts only if all channels see it"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).all(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="large_gradients" points=1 why="a threshold throws weak connections away"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads.abs() > 0.5).flatten(0, 1).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="channels_kept" points=1 why="a map for each input channel"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float(seen[before].float().mean()) if before.any() else 1.0


# %% wrong="share_of_the_image" points=2 why="divides by all pixels of the image"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    before = torch.arange(H * W).view(H, W) < i * W + j
    return float((seen & before).float().mean())


# %% wrong="everything_seen_counts" points=2 why="counts pixels that must not be seen"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    H, W = seen.shape
    return float(seen.sum()) / max(i * W + j, 1)


# %% wrong="itself_included" points=2 why="counts the pixel itself as allowed"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    return float(seen.flatten()[: i * seen.shape[1] + j + 1].float().mean())


# %% wrong="upper_left_rectangle" points=2 why="takes the rows above up to column j only"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    part = seen[: i + 1, : j + 1].flatten()[:-1]
    return float(part.float().mean()) if len(part) else 1.0


# %% wrong="rows_for_columns" points=2 why="numbers the pixels with the number of rows"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    before = seen.flatten()[: i * seen.shape[0] + j]
    return float(before.float().mean()) if len(before) else 1.0


# %% wrong="nan_at_the_beginning" points=2.5 why="the mean of nothing is nan"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    return float(seen.flatten()[: i * seen.shape[1] + j].float().mean())


# %% wrong="nothing_at_the_beginning" points=2.5 why="zero for the first pixel, which misses nothing"
def receptive_field(model, x, i, j):
    x = x.detach().clone().requires_grad_()
    grads = torch.cat([torch.autograd.grad(y, x, retain_graph=True)[0] for y in model(x)[0, :, i, j]])
    return (grads != 0).flatten(0, 1).any(0)


def coverage(seen, i, j):
    n = i * seen.shape[1] + j
    return float(seen.flatten()[:n].sum()) / max(n, 1)


# %% right="backward_channel_by_channel" why="backward() on a new copy for every channel; coverage by a loop"
def receptive_field(model, x, i, j):
    seen = torch.zeros(x.shape[2:], dtype=torch.bool)
    for c in range(model(x).shape[1]):
        copy = x.detach().clone().requires_grad_()
        model(copy)[0, c, i, j].backward()
        seen |= (copy.grad[0].abs() > 0).any(0)
    return seen


def coverage(seen, i, j):
    hits = total = 0
    for r in range(seen.shape[0]):
        for s in range(seen.shape[1]):
            if (r, s) < (i, j):
                total += 1
                hits += int(seen[r, s])
    return hits / total if total else 1.0


# %% right="jacobian" why="the whole Jacobian from torch.autograd.functional"
def receptive_field(model, x, i, j):
    J = torch.autograd.functional.jacobian(lambda x: model(x)[0, :, i, j], x)  # (C', 1, C, H, W)
    return J.abs().amax(dim=(0, 1, 2)) > 0


def coverage(seen, i, j):
    before = seen.flatten()[: i * seen.shape[1] + j].double()
    return before.mean() if before.numel() else torch.tensor(1.0)


# %% right="norm_of_the_gradients" why="squares before it adds, and numpy"
def receptive_field(model, x, i, j):
    import numpy as np

    x = torch.tensor(x.numpy(), requires_grad=True)
    total = np.zeros(x.shape[2:])
    for y in model(x)[0, :, i, j].unbind():
        x.grad = None
        y.backward(retain_graph=True)
        total += (x.grad[0].double().numpy() ** 2).sum(0)
    return total > 0


def coverage(seen, i, j):
    rows, row = seen[:i], seen[i, :j]
    n = rows.numel() + row.numel()
    return 1.0 if n == 0 else (int(rows.sum()) + int(row.sum())) / n


# %% right="forward_mode" why="one tangent per input channel and pixel, all pushed through by jvp"
def receptive_field(model, x, i, j):
    seen = torch.zeros(x.shape, dtype=torch.bool)
    for n in range(x.numel()):
        tangent = torch.zeros_like(x)
        tangent.view(-1)[n] = 1
        _, change = torch.func.jvp(model, (x.detach(),), (tangent,))
        seen.view(-1)[n] = bool((change[0, :, i, j] != 0).any())
    return seen[0].any(0)


def coverage(seen, i, j):
    r, s = torch.meshgrid(torch.arange(seen.shape[0]), torch.arange(seen.shape[1]), indexing="ij")
    before = (r < i) | ((r == i) & (s < j))
    if i + j == 0:
        return 1
    return ((seen & before).sum() / before.sum()).item()
