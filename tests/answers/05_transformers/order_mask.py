# %% [markdown]
# Answers to the task order_mask. One check of 2 points with four values.

# %% wrong="order_compared" points=0.5 why="compares the order, not the ranks: its inverse"
def order_mask(order, *, itself=True):
    return order[None, :] <= order[:, None] if itself else order[None, :] < order[:, None]


# %% wrong="transposed" points=0 why="i and j swapped: sees what comes later"
def order_mask(order, *, itself=True):
    rank = order.argsort()
    return rank[:, None] <= rank[None, :] if itself else rank[:, None] < rank[None, :]


# %% wrong="always_causal" points=0 why="the triangle of the natural order, whatever the order"
def order_mask(order, *, itself=True):
    return torch.ones(len(order), len(order), dtype=torch.bool).tril(0 if itself else -1)


# %% wrong="rows_permuted_only" points=0 why="the triangle with its rows in the order, its columns not"
def order_mask(order, *, itself=True):
    return torch.ones(len(order), len(order), dtype=torch.bool).tril(0 if itself else -1)[order.argsort()]


# %% wrong="itself_ignored" points=1 why="a position always sees itself"
def order_mask(order, *, itself=True):
    rank = order.argsort()
    return rank[None, :] <= rank[:, None]


# %% wrong="itself_swapped" points=0 why="< and <= the wrong way round"
def order_mask(order, *, itself=True):
    rank = order.argsort()
    return rank[None, :] < rank[:, None] if itself else rank[None, :] <= rank[:, None]


# %% wrong="as_numbers" points=0 why="1 and 0 in place of True and False"
def order_mask(order, *, itself=True):
    rank = order.argsort()
    return (rank[None, :] <= rank[:, None] if itself else rank[None, :] < rank[:, None]).float()


# %% wrong="true_is_forbidden" points=0 why="the opposite convention"
def order_mask(order, *, itself=True):
    rank = order.argsort()
    return rank[None, :] > rank[:, None] if itself else rank[None, :] >= rank[:, None]


# %% wrong="previous_only" points=0 why="only the one generated just before, not all"
def order_mask(order, *, itself=True):
    rank = order.argsort()
    step = rank[:, None] - rank[None, :]
    return (step == 1) | ((step == 0) & itself)


# %% wrong="twice_inverted" points=0.5 why="argsort of argsort is the order itself again"
def order_mask(order, *, itself=True):
    rank = order.argsort().argsort()
    return rank[None, :] <= rank[:, None] if itself else rank[None, :] < rank[:, None]


# %% right="loop" why="walks along the order and remembers who is there"
def order_mask(order, *, itself=True):
    n = len(order)
    mask = torch.zeros(n, n, dtype=torch.bool)
    there = []
    for position in order.tolist():
        mask[position, there] = True
        mask[position, position] = itself
        there.append(position)
    return mask


# %% right="triangle_permuted" why="the triangle with rows and columns by rank"
def order_mask(order, *, itself=True):
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    triangle = torch.ones(len(order), len(order)).tril(diagonal=0 if itself else -1).bool()
    return triangle[rank][:, rank]


# %% right="permutation_matrix" why="P^T L P with a permutation matrix"
def order_mask(order, *, itself=True):
    P = torch.eye(len(order))[order]  # row t is one-hot at order[t]
    L = torch.tril(torch.ones(len(order), len(order)))
    if not itself:
        L = L - torch.eye(len(order))
    return (P.T @ L @ P) > 0.5


# %% right="comprehension" why="nested lists, and the place of each position by index"
def order_mask(order, *, itself=True):
    places = [order.tolist().index(i) for i in range(len(order))]
    return torch.tensor([[b < a or (itself and a == b) for b in places] for a in places])


# %% right="complement" why="not born later; the diagonal taken out afterwards"
def order_mask(order, *, itself=True):
    rank = torch.argsort(order)
    mask = torch.logical_not(rank.unsqueeze(0).gt(rank.unsqueeze(1)))
    return mask if itself else mask & ~torch.eye(len(order), dtype=torch.bool)
