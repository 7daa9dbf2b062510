# %% [markdown]
# Answers to the task fista. One check of 2 points with four values (first_step, more_steps, other_prices, start_kept),
# one of 1 point with two (images, energies).


# %% wrong="no_momentum" points=0.5 why="ISTA"
def fista(gradient, shrink, z, *, L, steps):
    for _ in range(steps):
        z = shrink(z - gradient(z) / L, 1 / L)
    return z


# %% wrong="gradient_at_z" points=0.5 why="the gradient at the code, the step from the extrapolated point"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(z) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% wrong="step_from_z" points=0.5 why="the gradient at the extrapolated point, the step from the code"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(z - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% wrong="old_code_overwritten" points=0.5 why="the difference of the new code and itself: no momentum after all"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z = shrink(y - gradient(y) / L, 1 / L)
        t_new = (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z + (t - 1) / t_new * (z - z)
        t = t_new
    return z


# %% wrong="returns_the_point" points=0 why="returns y, which is not sparse and not even allowed"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t_new - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return y


# %% wrong="momentum_grows" points=0.5 why="t_{k+1} - 1 in the numerator"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t_new - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% wrong="four_t" points=0.5 why="1 + 4 t under the root: the square is missing"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% wrong="t_never_moves" points=0.5 why="forgets to carry t on: the momentum is always 0"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z = z_new
    return z


# %% wrong="k_over_k_plus_three" points=0.5 why="another known momentum, not the one of eq. (5)"
def fista(gradient, shrink, z, *, L, steps):
    y = z
    for k in range(steps):
        z_new = shrink(y - gradient(y) / L, 1 / L)
        y = z_new + k / (k + 3) * (z_new - z)
        z = z_new
    return z


# %% wrong="heavy_ball" points=0.5 why="a constant momentum of 0.9"
def fista(gradient, shrink, z, *, L, steps):
    y = z
    for _ in range(steps):
        z_new = shrink(y - gradient(y) / L, 1 / L)
        y = z_new + 0.9 * (z_new - z)
        z = z_new
    return z


# %% wrong="shrink_by_one" points=0.5 why="gives the shrinkage a step of 1"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, 1), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% wrong="shrink_by_L" points=0.5 why="gives the shrinkage L in place of 1/L"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps):
        z_new, t_new = shrink(y - gradient(y) / L, L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% wrong="shrink_after_the_momentum" points=0.5 why="gradient step and momentum, and the shrinkage on what comes out"
def fista(gradient, shrink, z, *, L, steps):
    y, u, t = z, z, 1.0
    for _ in range(steps):
        u_new, t_new = y - gradient(y) / L, (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = shrink(u_new + (t - 1) / t_new * (u_new - u), 1 / L)
        u, t = u_new, t_new
    return y


# %% wrong="start_changed" points=2.5 why="steps in place, and z and y are one tensor at the start"
def fista(gradient, shrink, z, *, L, steps):
    y, t, old = z, 1.0, z.clone()
    for _ in range(steps):
        y -= gradient(y) / L
        new, t_new = shrink(y, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = new + (t - 1) / t_new * (new - old)
        old, t = new, t_new
    return old


# %% wrong="one_step_more" points=0 why="range(steps + 1)"
def fista(gradient, shrink, z, *, L, steps):
    y, t = z, 1.0
    for _ in range(steps + 1):
        z_new, t_new = shrink(y - gradient(y) / L, 1 / L), (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = z_new + (t - 1) / t_new * (z_new - z)
        z, t = z_new, t_new
    return z


# %% right="point_first" why="extrapolates at the beginning of a step, as in another common form"
def fista(gradient, shrink, z, *, L, steps):
    before, t_before, t = z, 1.0, 1.0
    for k in range(steps):
        y = z if k == 0 else z + (t_before - 1) / t * (z - before)
        before, z = z, shrink(y - gradient(y) / L, 1 / L)
        t_before, t = t, (1 + (1 + 4 * t * t) ** 0.5) / 2
    return z


# %% right="all_times_first" why="all t before the loop, the point as a lerp"
def fista(gradient, shrink, z, *, L, steps):
    times = [1.0]
    for _ in range(steps):
        times.append(0.5 + (0.25 + times[-1] ** 2) ** 0.5)
    y = z.clone()
    for t, t_next in zip(times, times[1:], strict=False):
        new = shrink(torch.add(y, gradient(y), alpha=-1 / L), 1 / L)
        y = torch.lerp(z, new, 1 + (t - 1) / t_next)
        z = new
    return z


# %% right="auxiliary_sequence" why="Nesterov's second sequence u = z_k + t_{k+1} (z_{k+1} - z_k)"
def fista(gradient, shrink, z, *, L, steps):
    u, t, step = z, 1.0, 1.0 / L
    for _ in range(steps):
        y = (1 - 1 / t) * z + u / t
        new = shrink(y - step * gradient(y), step)
        u = z + t * (new - z)
        z, t = new, (1 + math.sqrt(1 + 4 * t * t)) / 2
    return z


# %% right="list_of_codes" why="keeps all codes in a list"
def fista(gradient, shrink, z, *, L, steps):
    codes, points, t = [z], [z], [1.0]
    for k in range(steps):
        codes.append(shrink(points[k] - gradient(points[k]) / L, 1 / L))
        t.append((1 + math.sqrt(1 + 4 * t[k] ** 2)) / 2)
        points.append(codes[k + 1] + (t[k] - 1) / t[k + 1] * (codes[k + 1] - codes[k]))
    return codes[-1]


# %% right="tensor_times" why="t as a tensor, L as a tensor, under no_grad"
def fista(gradient, shrink, z, *, L, steps):
    L, t, y = torch.tensor(L, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64), z
    with torch.no_grad():
        for _ in range(steps):
            new = shrink(y - gradient(y) / L.item(), (1 / L).item())
            t_new = (1 + (1 + 4 * t.square()).sqrt()) / 2
            y = new + ((t - 1) / t_new).item() * (new - z)
            z, t = new, t_new
    return z
