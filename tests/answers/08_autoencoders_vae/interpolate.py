# %% [markdown]
# Answers to the task interpolate. One check of 2 points with four values (paths, ends_only, one_pair, square), one of 1
# point with two (images, to_itself).


# %% wrong="last_end_missing" points=0.5 why="t = i / n: the last point falls short"
def interpolate(z0, z1, n):
    t = (torch.arange(n) / n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="ends_excluded" points=0.5 why="n points strictly between the ends"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n + 2)[1:-1, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="one_point_too_many" points=0 why="n steps are n + 1 points"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n + 1)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="turned_round" points=0.5 why="begins with z1"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return t * z0[:, None] + (1 - t) * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="steps_first" points=0 why="(n, P, K); for four of each the shape says nothing"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None, None]
    return (1 - t) * z0 + t * z1


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="reshaped" points=1 why="(n, P, K) viewed as (P, n, K), which shuffles the points unless there is one pair"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None, None]
    return ((1 - t) * z0 + t * z1).view(len(z0), n, -1)


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="first_pair_only" points=1 why="one path, the same for all pairs"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return ((1 - t) * z0[:1] + t * z1[:1]).expand(len(z0), n, -1)


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="on_the_sphere" points=0.5 why="goes round the origin; two points are only the ends"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return torch.cos(t * math.pi / 2) * z0[:, None] + torch.sin(t * math.pi / 2) * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% wrong="logits" points=2 why="forgets the sigmoid"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[0], model.encode(x1)[0]
    return model.decode(interpolate(z0, z1, n))


# %% wrong="pixels_mixed" points=2.5 why="mixes the two reconstructions, pixel by pixel"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    ends = [model.decode(model.encode(x)[0]).sigmoid() for x in (x0, x1)]
    return interpolate(*ends, n)


# %% wrong="encoded_mixtures" points=2.5 why="mixes the images and encodes the mixtures"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    return model.decode(model.encode(interpolate(x0, x1, n))[0]).sigmoid()


# %% wrong="a_draw" points=2 why="draws the ends from their bubbles"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    ends = [reparameterise(*model.encode(x), torch.randn(model.encode(x)[0].shape)) for x in (x0, x1)]
    return model.decode(interpolate(*ends, n)).sigmoid()


# %% wrong="logvar_too" points=2 why="the path between the log-variances"
def interpolate(z0, z1, n):
    t = torch.linspace(0, 1, n)[:, None]
    return (1 - t) * z0[:, None] + t * z1[:, None]


def decode_path(model, x0, x1, n):
    z0, z1 = model.encode(x0)[1], model.encode(x1)[1]
    return model.decode(interpolate(z0, z1, n)).sigmoid()


# %% right="lerp" why="torch.lerp, one step at a time"
def interpolate(z0, z1, n):
    return torch.stack([torch.lerp(z0, z1, i / (n - 1)) for i in range(n)], dim=1)


def decode_path(model, x0, x1, n):
    mu = model.encode(torch.cat([x0, x1]))[0]
    return torch.sigmoid(model.decode(interpolate(mu[: len(x0)], mu[len(x0) :], n)))


# %% right="loops" why="every point alone, decoded one path at a time"
def interpolate(z0, z1, n):
    paths = torch.empty(len(z0), n, z0.shape[1])
    for p in range(len(z0)):
        for i in range(n):
            paths[p, i] = z0[p] + (z1[p] - z0[p]) * i / (n - 1)
    return paths


def decode_path(model, x0, x1, n):
    with torch.no_grad():
        paths = interpolate(model.encode(x0)[0], model.encode(x1)[0], n)
        return torch.stack([1 / (1 + torch.exp(-model.decode(path))) for path in paths])


# %% right="numpy_linspace" why="numpy makes all the steps, in float64"
def interpolate(z0, z1, n):
    import numpy as np

    return torch.from_numpy(np.linspace(z0.detach().numpy(), z1.detach().numpy(), n, axis=1, dtype=np.float64))


def decode_path(model, x0, x1, n):
    z = interpolate(model.encode(x0)[0], model.encode(x1)[0], n).float()
    flat = model.decode(z.reshape(-1, z.shape[-1])).sigmoid()
    return flat.view(len(x0), n, -1)


# %% right="einsum" why="a table of weights and einsum"
def interpolate(z0, z1, n):
    t = torch.arange(n) / (n - 1)
    return torch.einsum("en,epk->pnk", torch.stack([1 - t, t]), torch.stack([z0, z1]))


def decode_path(model, x0, x1, n):
    (z0, _), (z1, _) = model.encode(x0), model.encode(x1)
    return model.decode(interpolate(z0, z1, n)).double().sigmoid()
