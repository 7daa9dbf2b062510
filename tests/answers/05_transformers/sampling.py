# %% [markdown]
# Answers to the task sampling. One check of 2 points with five values (truncate), one of 1 point with five (sample_next).


# %% wrong="crossing_token_lost" points=1.2 why="keeps what is below p: the token that crosses it is dropped"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (kept.cumsum(dim=-1) <= p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="at_most_p" points=2.6 why="goes on where the sum is exactly p"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before <= p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="not_divided" points=1.2 why="what is left is not divided by its sum"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
    if p is not None:
        kept = kept * (kept.cumsum(dim=-1) - kept < p)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="left_in_sorted_order" points=0.4 why="not put back where they came from"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return kept


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="gathered_back" points=0.4 why="gather where scatter is meant: the permutation, not its inverse"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return kept.gather(-1, order)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="smallest_kept" points=0.6 why="sorted the wrong way: keeps the least probable"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=False, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="threshold" points=2.4 why="keeps all that are as probable as the k-th: ties make it more than k"
def truncate(probs, *, k=None, p=None):
    if k is not None:
        kth = probs.topk(min(k, probs.shape[-1])).values[..., -1:]
        probs = probs * (probs >= kth)
        probs = probs / probs.sum(dim=-1, keepdim=True)
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="last_of_the_ties" points=2.4 why="flips an ascending sort: of equal ones the higher index comes first"
def truncate(probs, *, k=None, p=None):
    kept, order = (z.flip(-1) for z in probs.sort(dim=-1, stable=True))
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="unstable_sort" points=2.6 why="a sort that leaves equal ones in any order"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="nucleus_first" points=2.4 why="top-p before top-k"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if p is not None:
        kept = kept * (kept.cumsum(dim=-1) - kept < p)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
    kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="share_as_threshold" points=1.2 why="keeps every token with a probability of at least p of the largest: another rule (min-p)"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        kept = kept * (kept >= p * kept[..., :1])
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="k_too_large_fails" points=1 why="topk with more than there are"
def truncate(probs, *, k=None, p=None):
    values, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        order = order[..., : probs.shape[-1]]
        probs.topk(k)
        values = values * (torch.arange(values.shape[-1]) < k)
        values = values / values.sum(-1, keepdim=True)
    if p is not None:
        values = values * (values.cumsum(-1) - values < p)
        values = values / values.sum(-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, values)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="two_axes_only" points=2.6 why="loops over the rows of a matrix"
def truncate(probs, *, k=None, p=None):
    out = torch.zeros_like(probs)
    for i in range(len(probs)):
        values, order = probs[i].sort(descending=True, stable=True)
        if k is not None:
            values = values * (torch.arange(len(values)) < k)
            values = values / values.sum()
        if p is not None:
            values = values * (values.cumsum(0) - values < p)
        out[i, order] = values / values.sum()
    return out


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="in_place" points=1 why="zeros written into the caller's probabilities"
def truncate(probs, *, k=None, p=None):
    order = probs.argsort(dim=-1, descending=True, stable=True)
    rank = order.argsort(dim=-1)
    if k is not None:
        probs[rank >= k] = 0
        probs /= probs.sum(-1, keepdim=True)
    if p is not None:
        sorted_probs = probs.gather(-1, order)
        before = (sorted_probs.cumsum(-1) - sorted_probs).gather(-1, rank)
        probs[before >= p] = 0
        probs /= probs.sum(-1, keepdim=True)
    return probs


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="wrong_side" points=2.8 why="the wrong side of the search: u at the end of a tile stays in it"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None])[:, 0]


# %% wrong="sums_end_below_one" points=2.8 why="cumulative sums that rounding leaves below 1"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf * (1 - 2**-20), u[:, None], right=True)[:, 0]


# %% wrong="temperature_multiplied" points=2.6 why="multiplies the logits by T"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits * temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="temperature_last" points=2.8 why="truncates at T = 1, and sharpens afterwards"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = (truncate(logits.softmax(dim=-1), k=k, p=p).log() / temperature).softmax(dim=-1).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="probabilities_divided" points=2.6 why="divides the probabilities by T, which normalising undoes"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = (truncate(logits.softmax(dim=-1), k=k, p=p) / temperature).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="zero_divides" points=2.8 why="T = 0 is not treated apart"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="knobs_not_passed_on" points=2.4 why="k and p are ignored"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1)).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="drawn_in_sorted_order" points=2.4 why="returns the rank, not the token"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).sort(dim=-1, descending=True).values.cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u[:, None], right=True)[:, 0]


# %% wrong="own_dice" points=2.2 why="draws with the global generator, whatever u is"
def truncate(probs, *, k=None, p=None):
    kept, order = probs.sort(dim=-1, descending=True, stable=True)
    if k is not None:
        kept = kept * (torch.arange(kept.shape[-1]) < k)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    if p is not None:
        before = kept.cumsum(dim=-1) - kept
        kept = kept * (before < p)
        kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probs).scatter(-1, order, kept)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.argmax(dim=-1)
    cdf = truncate((logits / temperature).softmax(dim=-1), k=k, p=p).cumsum(dim=-1)
    return torch.searchsorted(cdf / cdf[:, -1:], torch.rand(len(u), 1), right=True)[:, 0]


# %% right="ranks_and_gather" why="ranks by a double argsort; the sum before each token gathered back; a count in place of the search"
def truncate(probs, *, k=None, p=None):
    order = probs.argsort(dim=-1, descending=True, stable=True)
    rank = order.argsort(dim=-1)
    if k is not None:
        probs = torch.where(rank < k, probs, 0.0)
        probs = probs / probs.sum(-1, keepdim=True)
    if p is not None:
        descending = probs.gather(-1, order)
        reached = F.pad(descending.cumsum(-1), (1, 0))[..., :-1] >= p
        probs = probs.masked_fill(reached.gather(-1, rank), 0)
    return probs / probs.sum(-1, keepdim=True)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return (logits == logits.max(1, keepdim=True).values).int().argmax(1)
    cdf = truncate(F.softmax(logits / temperature, dim=1), k=k, p=p).double().cumsum(1)
    return (cdf / cdf[:, -1:] <= u[:, None].double()).sum(1)


# %% right="loop" why="row by row, in Python numbers"
def truncate(probs, *, k=None, p=None):
    rows = []
    for row in probs.reshape(-1, probs.shape[-1]).tolist():
        order = sorted(range(len(row)), key=lambda i: (-row[i], i))
        chosen = order if k is None else order[:k]
        total = sum(row[i] for i in chosen)
        kept, reached = [], 0.0
        for i in chosen:
            if p is not None and kept and reached >= p:
                break
            kept.append(i)
            reached += row[i] / total
        mass = sum(row[i] for i in kept)
        rows.append([row[i] / mass if i in kept else 0.0 for i in range(len(row))])
    return torch.tensor(rows).reshape(probs.shape)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    tokens = []
    for row, number in zip(logits, u.tolist()):
        if temperature == 0:
            tokens.append(row.tolist().index(max(row.tolist())))
            continue
        probs = truncate((row / temperature).double().softmax(0), k=k, p=p).tolist()
        last = max(i for i, q in enumerate(probs) if q > 0)
        total = 0.0
        for i, q in enumerate(probs):
            total += q
            if number < total or i == last:
                tokens.append(i)
                break
    return torch.tensor(tokens)


# %% right="numpy" why="numpy arrays come back"
def truncate(probs, *, k=None, p=None):
    import numpy as np

    probs = probs.numpy().astype(np.float64)
    order = np.argsort(-probs, axis=-1, kind="stable")
    kept = np.take_along_axis(probs, order, -1)
    if k is not None:
        kept[..., k:] = 0
        kept /= kept.sum(-1, keepdims=True)
    if p is not None:
        kept[np.cumsum(kept, -1) - kept >= p] = 0
        kept /= kept.sum(-1, keepdims=True)
    out = np.zeros_like(probs)
    np.put_along_axis(out, order, kept, -1)
    return out


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    import numpy as np

    if temperature == 0:
        return np.argmax(logits.numpy(), axis=1)
    cdf = np.cumsum(truncate(torch.softmax(logits / temperature, 1), k=k, p=p), axis=1)
    cdf /= cdf[:, -1:]
    return np.array([np.searchsorted(row, number, side="right") for row, number in zip(cdf, u.numpy())])


# %% right="infinite_logits" why="cuts off logarithms and lets a softmax normalise"
def truncate(probs, *, k=None, p=None):
    logits = probs.log()
    if k is not None:
        best = torch.sort(probs, dim=-1, descending=True, stable=True).indices[..., :k]
        logits = torch.full_like(logits, -math.inf).scatter(-1, best, logits.gather(-1, best))
    if p is not None:
        values, order = torch.sort(logits.softmax(-1), dim=-1, descending=True, stable=True)
        n = 1 + (values.cumsum(-1)[..., :-1] < p).sum(-1, keepdim=True)  # as many as it takes
        outside = (torch.arange(values.shape[-1]) >= n).expand(values.shape)
        logits = logits.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), -math.inf)
    return logits.softmax(-1)


def sample_next(logits, u, *, temperature=1.0, k=None, p=None):
    if temperature == 0:
        return logits.max(dim=1).indices
    probs = truncate(torch.softmax(logits / temperature, dim=1), k=k, p=p)
    cdf = probs.cumsum(1)
    last = torch.where(probs > 0, torch.arange(probs.shape[1]), 0).max(1).values
    return torch.minimum((cdf <= u[:, None]).sum(1), last)
