# %% [markdown]
# Answers to the task power_iteration. One check of 2 points with four values (few_steps, many_steps, any_shape,
# start_kept).


# %% wrong="never_scaled" points=1.5 why="scales only at the end: after many steps v is infinite"
def power_iteration(apply, v, steps):
    for _ in range(steps):
        v = apply(v)
    return (v * apply(v)).sum() / (v * v).sum()


# %% wrong="singular_value" points=0 why="the root: the largest singular value of D"
def power_iteration(apply, v, steps):
    for _ in range(steps):
        v = apply(v)
        v = v / v.norm()
    return ((v * apply(v)).sum() / v.square().sum()).sqrt()


# %% wrong="length_of_the_product" points=0.5 why="|M v| in place of <v, M v>: the same in the limit only"
def power_iteration(apply, v, steps):
    v = v / v.norm()
    for _ in range(steps):
        v = apply(v)
        v = v / v.norm()
    return apply(v).norm()


# %% wrong="start_not_scaled" points=1 why="forgets the denominator: wrong before the first step"
def power_iteration(apply, v, steps):
    for _ in range(steps):
        v = apply(v)
        v = v / v.norm()
    return (v * apply(v)).sum()


# %% wrong="one_step_too_few" points=0.5 why="range(1, steps)"
def power_iteration(apply, v, steps):
    for _ in range(1, steps):
        v = apply(v)
        v = v / v.norm()
    return (v * apply(v)).sum() / v.square().sum()


# %% wrong="one_step_too_many" points=0.5 why="the last product is used for the direction too"
def power_iteration(apply, v, steps):
    for _ in range(steps + 1):
        v = apply(v)
        v = v / v.norm()
    return (v * apply(v)).sum() / v.square().sum()


# %% wrong="changed_in_place" points=1.5 why="scales in place what apply returned, which may be the start itself"
def power_iteration(apply, v, steps):
    for _ in range(steps):
        v = apply(v)
        v /= v.norm()
    return (v * apply(v)).sum() / v.square().sum()


# %% wrong="scaled_by_the_largest_of_all" points=0.5 why="the scale factor as the estimate: it is the eigenvalue only in the limit"
def power_iteration(apply, v, steps):
    scale = v.abs().max()
    for _ in range(steps + 1):
        v = apply(v / scale)
        scale = v.abs().max()
    return scale


# %% wrong="one_axis" points=1.5 why="the length along the first axis: right for vectors only"
def power_iteration(apply, v, steps):
    for _ in range(steps):
        v = apply(v)
        v = v / v.norm(dim=0)
    return (v * apply(v)).sum() / v.square().sum()


# %% wrong="its_own_start" points=0.5 why="starts from random numbers, not from what was given"
def power_iteration(apply, v, steps):
    v = torch.randn(v.shape)
    for _ in range(steps):
        v = apply(v)
        v = v / v.norm()
    return (v * apply(v)).sum() / v.square().sum()


# %% right="scaled_by_its_square" why="divides by the squared length: the size goes to and fro, and stays bounded"
def power_iteration(apply, v, steps):
    for _ in range(steps):
        v = apply(v)
        v = v / v.square().sum()
    return (v * apply(v)).sum() / v.square().sum()


# %% wrong="a_copy_of_the_matrix" points=1 why="writes the matrix down and takes it as a matrix: only for vectors"
def power_iteration(apply, v, steps):
    M = torch.stack([apply(e) for e in torch.eye(len(v))], dim=1)
    for _ in range(steps):
        v = M @ v
        v = v / v.norm()
    return v @ M @ v / (v @ v)


# %% right="flattened" why="float64, over flat vectors"
def power_iteration(apply, v, steps):
    shape = v.shape
    v = v.flatten()

    def M(w):
        return apply(w.view(shape)).flatten()

    for _ in range(steps):
        w = M(v)
        v = w / torch.dot(w, w).sqrt()
    return (torch.dot(v, M(v)) / torch.dot(v, v)).item()


# %% right="scaled_by_the_largest" why="scales by the largest number in place of the length"
def power_iteration(apply, v, steps):
    v = v.clone()
    for _ in range(steps):
        v = apply(v)
        v = v / v.abs().max()
    w = apply(v)
    return float((v * w).sum()) / float((v * v).sum())


# %% right="scaled_first" why="the start is scaled too, and each product is used twice"
def power_iteration(apply, v, steps):
    v = F.normalize(v.flatten(), dim=0).view_as(v)
    w = apply(v)
    for _ in range(steps):
        v = w / torch.linalg.vector_norm(w)
        w = apply(v)
    return torch.sum(v * w)


# %% right="recursion" why="calls itself"
def power_iteration(apply, v, steps):
    product = apply(v)
    if steps == 0:
        return (product * v).mean() / (v * v).mean()
    return power_iteration(apply, product / product.square().sum().sqrt(), steps - 1)


# %% right="numpy_sums" why="sums by numpy, the products by apply"
def power_iteration(apply, v, steps):
    import numpy as np

    for _ in range(steps):
        v = apply(v)
        v = v / float(np.linalg.norm(v.numpy()))
    w, v = apply(v).double().numpy(), v.double().numpy()
    return np.vdot(v, w) / np.vdot(v, v)
