# %% [markdown]
# Answers to the task nt_xent. One check of 2 points with four values (halves, side_by_side, any_order, cold), one of 1
# point with two (gradient, collapsed).


# %% wrong="diagonal_kept" points=0 why="a view is its own negative, and the hardest of all"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = u @ u.T / tau
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="diagonal_zero" points=0.5 why="sets the diagonal to 0: a logit of 0 is not a probability of 0"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, 0.0)
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="diagonal_minus_one" points=0.5 why="fills the diagonal with -1, as far as a cosine goes, which still counts"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, -1.0)
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="partner_B_apart" points=1.5 why="believes that partners are always B places apart"
def nt_xent(z, owner, tau):
    u, N = F.normalize(z, dim=1), len(z)
    logits = (u @ u.T / tau).masked_fill(torch.eye(N, dtype=torch.bool), -math.inf)
    return F.cross_entropy(logits, torch.arange(N).roll(N // 2))


# %% wrong="partner_next_door" points=1 why="believes that partners always stand side by side"
def nt_xent(z, owner, tau):
    u, N = F.normalize(z, dim=1), len(z)
    logits = (u @ u.T / tau).masked_fill(torch.eye(N, dtype=torch.bool), -math.inf)
    return F.cross_entropy(logits, torch.arange(N) ^ 1)


# %% wrong="owner_as_class" points=0 why="takes the number of the image for the place of the partner"
def nt_xent(z, owner, tau):
    u, N = F.normalize(z, dim=1), len(z)
    logits = (u @ u.T / tau).masked_fill(torch.eye(N, dtype=torch.bool), -math.inf)
    return F.cross_entropy(logits, owner % N)


# %% wrong="not_normalised" points=0 why="inner products in place of cosines"
def nt_xent(z, owner, tau):
    u = z
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="wrong_axis" points=0 why="brings columns to length 1, over the batch"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=0, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="norm_of_everything" points=0 why="divides by the norm of the whole table"
def nt_xent(z, owner, tau):
    u = z / z.norm()
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="no_temperature" points=0.5 why="cross-entropy of the bare cosines"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="times_tau" points=0.5 why="multiplies by the temperature"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T * tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="partner_left_out_below" points=0 why="leaves the partner out of the denominator"
def nt_xent(z, owner, tau):
    u = F.normalize(z, dim=1)
    same = owner[:, None] == owner
    logits = u @ u.T / tau
    positive = logits[same & ~torch.eye(len(z), dtype=torch.bool)]
    return (logits.masked_fill(same, -math.inf).logsumexp(1) - positive).mean()


# %% wrong="one_direction" points=0.5 why="asks the first view of each image only"
def nt_xent(z, owner, tau):
    order = owner.argsort(stable=True)
    u = F.normalize(z, dim=1)[order]
    logits = (u @ u.T / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
    return F.cross_entropy(logits[0::2], torch.arange(1, len(z), 2))


# %% wrong="across_only" points=0 why="negatives from the other half only, as between pictures and captions"
def nt_xent(z, owner, tau):
    u = F.normalize(z, dim=1)[owner.argsort(stable=True)]
    logits = u[0::2] @ u[1::2].T / tau
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


# %% wrong="sum" points=0 why="the sum over views"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].sum()


# %% wrong="mean_over_images" points=0 why="divides by the number of images: twice the mean over views"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].sum() * 2 / len(z)


# %% wrong="exp_first" points=2.5 why="exponentials and then their logarithm: overflows at low temperatures"
def nt_xent(z, owner, tau):
    u = F.normalize(z, dim=1)
    same, itself = owner[:, None] == owner, torch.eye(len(z), dtype=torch.bool)
    weight = torch.exp(u @ u.T / tau).masked_fill(itself, 0.0)
    return -torch.log(weight[same & ~itself] / weight.sum(1)).mean()


# %% wrong="small_number_in_the_log" points=0 why="adds 0.001 inside the logarithm of a softmax"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -(logits.softmax(dim=1)[same & ~itself] + 1e-3).log().mean()


# %% wrong="softmax_twice" points=0 why="cross_entropy of probabilities"
def nt_xent(z, owner, tau):
    u = F.normalize(z, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool)
    partner = ((owner[:, None] == owner) & ~itself).float().argmax(1)
    return F.cross_entropy((u @ u.T / tau).masked_fill(itself, -math.inf).softmax(1), partner)


# %% wrong="bits" points=0 why="base two"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean() / math.log(2)


# %% wrong="lengths_without_gradient" points=2.5 why="treats the lengths as constants"
def nt_xent(z, owner, tau):
    u = z / z.detach().norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="one_side_detached" points=2.5 why="the views that are compared with get no gradient"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T.detach() / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean()


# %% wrong="a_plain_number" points=2 why="returns a float: nothing can be learnt from it"
def nt_xent(z, owner, tau):
    u = z / z.norm(dim=1, keepdim=True)
    same = owner[:, None] == owner[None, :]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (u @ u.T / tau).masked_fill(itself, float("-inf"))
    return -logits.log_softmax(dim=1)[same & ~itself].mean().item()


# %% right="view_by_view" why="a loop over views, in float64, with logsumexp"
def nt_xent(z, owner, tau):
    u, losses = F.normalize(z.double(), dim=1), []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        (partner,) = [j for j in others if owner[j] == owner[i]]
        s = torch.stack([u[i] @ u[j] / tau for j in others])
        losses.append(s.logsumexp(0) - u[i] @ u[partner] / tau)
    return torch.stack(losses).mean()


# %% right="sorted_first" why="sorts the views by owner, so that partners stand side by side"
def nt_xent(z, owner, tau):
    u = F.normalize(z[owner.argsort()], dim=1)
    logits = torch.einsum("id,jd->ij", u, u) / tau
    logits = logits - 1e9 * torch.eye(len(z))
    return F.nll_loss(logits.log_softmax(1), torch.arange(len(z)) ^ 1, reduction="sum") / len(z)


# %% right="diagonal_taken_out" why="N - 1 columns: the diagonal is cut out of the table"
def nt_xent(z, owner, tau):
    N = len(z)
    s = F.cosine_similarity(z[:, None], z[None], dim=2) / tau
    off = ~torch.eye(N, dtype=torch.bool)
    others, same = s[off].view(N, N - 1), (owner[:, None] == owner)[off].view(N, N - 1)
    return (others.logsumexp(1) - (others * same).sum(1)).mean()


# %% right="two_halves" why="brings the views into two halves and builds the table in blocks"
def nt_xent(z, owner, tau):
    order = torch.argsort(owner, stable=True)
    a, b = F.normalize(z[order[0::2]]), F.normalize(z[order[1::2]])
    B = len(a)
    big = torch.full((B,), 1e9).diag()
    ab = a @ b.T / tau
    rows = torch.cat([torch.cat([ab, a @ a.T / tau - big], 1), torch.cat([ab.T, b @ b.T / tau - big], 1)])
    return F.cross_entropy(rows, torch.arange(B).repeat(2))


# %% right="shifted_exponentials" why="subtracts the largest possible logit, 1/tau, before exp, and uses distances"
def nt_xent(z, owner, tau):
    u = F.normalize(z.double(), dim=1)
    s = 1 - (u[:, None] - u).square().sum(2) / 2
    itself = torch.eye(len(z), dtype=torch.float64)
    top = (s - 2 * itself).amax(1, keepdim=True).detach()
    total = (((s - top) / tau).exp() * (1 - itself)).sum(1)
    positive = ((owner[:, None] == owner).double() - itself).mul(s - top).sum(1) / tau
    return (total.log() - positive).mean()
