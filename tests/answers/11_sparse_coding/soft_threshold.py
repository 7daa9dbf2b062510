# %% [markdown]
# Answers to the task soft_threshold. One check of 2 points with four values (shrunk, many_prices, slopes,
# arguments_kept), one of 1 point with two (energies, prices).


# %% wrong="hard_threshold" points=1 why="keeps what is large as it is: the price is not paid"
def soft_threshold(u, theta):
    return torch.where(u.abs() > theta, u, 0.0)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="relu_only" points=1 why="the positive side alone"
def soft_threshold(u, theta):
    return (u - theta).clamp(min=0)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="the_part_cut_off" points=1 why="returns what has to be subtracted: u clamped to the threshold"
def soft_threshold(u, theta):
    return torch.maximum(torch.minimum(u, u * 0 + theta), u * 0 - theta)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="not_set_to_zero" points=1 why="subtracts the threshold and never stops at zero: small numbers change sign"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="in_place" points=2.5 why="writes into its argument: autograd objects, and the caller's u is gone"
def soft_threshold(u, theta):
    sign = u.sign()
    return u.abs_().sub_(theta).clamp_(min=0).mul_(sign)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="detached" points=2.5 why="leaves torch's graph: no slopes"
def soft_threshold(u, theta):
    with torch.no_grad():
        return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="softshrink" points=1.5 why="the library's function: one number for all, and no slope for it"
def soft_threshold(u, theta):
    return F.softshrink(u, float(theta))


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="threshold_as_data" points=2.5 why="turns the threshold into a constant: a network could not learn it"
def soft_threshold(u, theta):
    theta = torch.as_tensor(theta).detach()
    return F.relu(u - theta) - F.relu(-u - theta)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="divided_by_itself" points=1 why="u (1 - theta / |u|) without its maximum with 0"
def soft_threshold(u, theta):
    return u * (1 - theta / u.abs())


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) / 2 + (lam * z.abs()).sum(0)


# %% wrong="half_forgotten" points=2 why="the squared error without its half"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(0) + (lam * z.abs()).sum(0)


# %% wrong="means" points=2 why="means over a signal where the energy has sums"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    return (x - D @ z).square().mean(0) / 2 + (lam * z.abs()).mean(0)


# %% wrong="one_number" points=2 why="one energy for the whole batch"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum() / 2 + (lam * z.abs()).sum()


# %% wrong="price_after_the_sum" points=2.5 why="multiplies the sum of the sizes by the price: wrong with a price an atom"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    price = lam if isinstance(lam, (int, float)) else lam.mean(0)
    return (x - D @ z).square().sum(0) / 2 + price * z.abs().sum(0)


# %% wrong="wrong_axis" points=2 why="sums over the batch"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    return (x - D @ z).square().sum(1).sum() / 2 + (lam * z.abs()).sum(1)


# %% wrong="squared_price" points=2 why="a price on the squares: ridge regression"
def soft_threshold(u, theta):
    return u.sign() * (u.abs() - theta).clamp(min=0)


def energy(x, D, z, lam):
    return ((x - D @ z) ** 2).sum(0) / 2 + (lam * z**2).sum(0)


# %% right="two_relus" why="one ReLU for each side, and the energy by einsum in float64"
def soft_threshold(u, theta):
    return F.relu(u - theta) - F.relu(-u - theta)


def energy(x, D, z, lam):
    error = (x - torch.einsum("nm,mb->nb", D, z)).double()
    price = (torch.as_tensor(lam) * z.abs()).double()
    return 0.5 * torch.einsum("nb,nb->b", error, error) + price.sum(dim=0)


# %% right="three_cases" why="where, and signal by signal"
def soft_threshold(u, theta):
    return torch.where(u > theta, u - theta, torch.where(u < -theta, u + theta, torch.zeros_like(u)))


def energy(x, D, z, lam):
    lam = torch.as_tensor(lam).expand(z.shape)
    found = [
        0.5 * ((x[:, b] - D @ z[:, b]) ** 2).sum() + torch.dot(lam[:, b].float(), z[:, b].abs())
        for b in range(x.shape[1])
    ]
    return torch.stack(found)


# %% right="clamped_part_subtracted" why="u less u clamped, and the L1 norm of z times its price"
def soft_threshold(u, theta):
    return u - u.clamp(min=-theta, max=theta)


def energy(x, D, z, lam):
    return torch.linalg.vector_norm(x - D @ z, dim=0).pow(2).div(2) + torch.linalg.vector_norm(z * lam, ord=1, dim=0)


# %% right="mask" why="a mask times the shifted value"
def soft_threshold(u, theta):
    keep = (torch.abs(u) > theta).to(u.dtype)
    return keep * (u - theta * torch.sign(u))


def energy(x, D, z, lam):
    residual = D @ z - x
    return (residual * residual).sum(0).mul(0.5).add((torch.abs(z) * lam).sum(0))


# %% right="numpy_energy" why="the energy in numpy"
def soft_threshold(u, theta):
    return torch.sign(u) * torch.maximum(u.abs() - theta, torch.tensor(0.0))


def energy(x, D, z, lam):
    x, D, z, lam = (a.double().numpy() if isinstance(a, torch.Tensor) else a for a in (x, D, z, lam))
    return 0.5 * ((x - D @ z) ** 2).sum(axis=0) + (lam * abs(z)).sum(axis=0)
