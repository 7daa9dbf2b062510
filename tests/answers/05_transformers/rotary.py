# %% [markdown]
# Answers to the task rotary. One check of 2 points with four values.

# %% wrong="neighbours" points=0.5 why="pairs column 2c with column 2c + 1, another published convention"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)


# %% wrong="interleaved_at_the_end" points=1 why="splits in halves, but puts the results back alternating"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    a, b = x.chunk(2, -1)
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)


# %% wrong="clockwise" points=0 why="turns the other way: inner products are right, the vectors are not"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() + b * angle.sin(), b * angle.cos() - a * angle.sin()], -1)


# %% wrong="no_rotation" points=0 why="both signs are +: not a rotation"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() + b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="speeds_too_slow" points=0.5 why="-c/d in the exponent where it is -2c/d"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(d // 2) / d)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="speeds_reversed" points=0.5 why="the slow pair first"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(0, d, 2).flip(0) / d)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="counts_itself" points=1 why="0, 1, 2, ... whatever the positions are"
def rotary(x, positions):
    d = x.shape[-1]
    angle = torch.arange(x.shape[-2])[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="positions_from_one" points=0.5 why="adds one to every position"
def rotary(x, positions):
    d = x.shape[-1]
    angle = (positions[:, None] + 1) * 10000 ** (-torch.arange(0, d, 2) / d)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="one_speed" points=0.5 why="all pairs turn alike"
def rotary(x, positions):
    angle = positions[:, None].float()
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="added" points=0 why="sinusoids added in place of turning: the embedding of the first transformer"
def rotary(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    return x + torch.cat([angle.sin(), angle.cos()], -1)


# %% wrong="whole_positions_only" points=1 why="looks whole positions up in a table"
def rotary(x, positions):
    d = x.shape[-1]
    table = torch.arange(1000)[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)
    angle = table[positions.long().clamp(min=0)]
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


# %% wrong="in_place" points=0 why="overwrites the first half before the second one is computed"
def rotary(x, positions):
    half = x.shape[-1] // 2
    angle = positions[:, None] * 10000 ** (-torch.arange(half) / half)
    out = x.clone()
    out[..., :half] = out[..., :half] * angle.cos() - out[..., half:] * angle.sin()
    out[..., half:] = out[..., :half] * angle.sin() + out[..., half:] * angle.cos()
    return out


# %% right="complex" why="a pair is a complex number, a turn a multiplication; in float64"
def rotary(x, positions):
    half = x.shape[-1] // 2
    angle = positions.double()[:, None] * 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    z = torch.complex(x[..., :half].double(), x[..., half:].double()) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], dim=-1).to(x.dtype)


# %% right="matrices" why="a rotation matrix for every position and pair"
def rotary(x, positions):
    d = x.shape[-1]
    angle = torch.outer(positions.float(), torch.exp(-torch.arange(0, d, 2) * (math.log(10000) / d)))
    R = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).reshape(*angle.shape, 2, 2)
    pairs = rearrange(x, "... n (two c) -> ... n c two", two=2)
    return rearrange(torch.einsum("ncij,...ncj->...nci", R, pairs), "... n c two -> ... n (two c)")


# %% right="swapped_copy" why="x cos + (the halves swapped, with a sign) sin"
def rotary(x, positions):
    d = x.shape[-1]
    angle = (positions.unsqueeze(-1) / 10000 ** (torch.arange(0, d, 2) / d)).repeat(1, 2)
    swapped = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], dim=-1)
    return x * torch.cos(angle) + swapped * torch.sin(angle)


# %% right="loop" why="pair by pair, into a copy"
def rotary(x, positions):
    half, y = x.shape[-1] // 2, x.clone()
    for c in range(half):
        angle = positions * 10000 ** (-c / half)
        y[..., c] = x[..., c] * torch.cos(angle) - x[..., c + half] * torch.sin(angle)
        y[..., c + half] = x[..., c] * torch.sin(angle) + x[..., c + half] * torch.cos(angle)
    return y
