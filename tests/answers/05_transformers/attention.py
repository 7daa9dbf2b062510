# %% [markdown]
# Answers to the task attention. Two checks of 2 points with four values each: without masks, and with them.

# %% wrong="no_scale" points=0 why="the scores are not divided by sqrt(d)"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="divided_by_d" points=0 why="d in place of its root"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.shape[-1]
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="scaled_by_values" points=0 why="the width of the values in the scale"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(v.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="softmax_over_queries" points=0 why="the columns add up to 1, not the rows"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-2)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="nan_in_empty_rows" points=2.5 why="a softmax over -inf only"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


# %% wrong="uniform_in_empty_rows" points=2.5 why="who may look at nothing looks at everything"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    return weights @ v, weights


# %% wrong="output_mended_only" points=2.5 why="the nan is replaced in the output, not in the weights, and its gradient stays nan"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return torch.nan_to_num(weights @ v), weights


# %% wrong="masked_after_the_softmax" points=2 why="the weights that are left do not add up to 1"
def attention(q, k, v, mask=None):
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="scores_times_mask" points=2 why="a forbidden score of 0 is as good as any"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores * mask
    weights = scores.softmax(-1)
    return weights @ v, weights


# %% wrong="fill_too_weak" points=2 why="-5 leaves the forbidden keys a share, and the rows do not add up to 1 without it"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -5.0)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask.any(-1, keepdim=True)
    return weights @ v, weights


# %% wrong="exponentials_overflow" points=3.5 why="exponentiates scores of several hundred"
def attention(q, k, v, mask=None):
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).exp()
    if mask is not None:
        weights = weights * mask
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)
    return weights @ v, weights


# %% wrong="four_axes_only" points=2.5 why="exchanges axes 2 and 3 by number"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="in_place" points=1.5 why="scales the caller's queries, and again with every call"
def attention(q, k, v, mask=None):
    q /= math.sqrt(q.shape[-1])
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


# %% wrong="gradient_cut" points=3 why="empty rows are treated without gradients"
def attention(q, k, v, mask=None):
    with torch.no_grad():
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        if mask is not None:
            weights = weights * mask
    return weights @ v, weights


# %% wrong="swapped_results" points=0 why="returns (weights, output)"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    return weights, weights @ v


# %% wrong="mask_read_backwards" points=2 why="True read as forbidden"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * ~mask
    return weights @ v, weights


# %% right="einsum_float64" why="einsum in float64, -inf only in rows that are not empty"
def attention(q, k, v, mask=None):
    scores = torch.einsum("...id,...jd->...ij", q.double(), k.double()) / q.shape[-1] ** 0.5
    if mask is not None:
        empty = ~mask.any(-1, keepdim=True)
        scores = scores.masked_fill(~mask & ~empty, -math.inf)
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights.masked_fill(empty, 0)
    output = torch.einsum("...ij,...je->...ie", weights, v.double())
    return output.to(q.dtype), weights.to(q.dtype)


# %% right="by_hand" why="largest score taken off, exponentials, sum, and a division that never is by 0"
def attention(q, k, v, mask=None):
    scores = torch.matmul(q, k.mT) * q.shape[-1] ** -0.5
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    top = torch.where(mask, scores, -1e30).amax(-1, keepdim=True)
    parts = torch.where(mask, (scores - top).clamp(max=0).exp(), 0.0)
    total = parts.sum(-1, keepdim=True)
    weights = parts / torch.where(total > 0, total, 1.0)
    return torch.matmul(weights, v), weights


# %% right="loop_over_queries" why="one query at a time, over the keys that it may see"
def attention(q, k, v, mask=None):
    n, m, e = q.shape[-2], k.shape[-2], v.shape[-1]
    lead = q.shape[:-2]
    allowed = torch.ones(*lead, n, m, dtype=torch.bool) if mask is None else mask.expand(*lead, n, m)
    q, k, v, allowed = (x.reshape(-1, *x.shape[-2:]) for x in (q, k, v, allowed))
    outputs, weights = [], []
    for Q, K, V, A in zip(q, k, v, allowed):
        for query, seen in zip(Q, A):
            places = seen.nonzero()[:, 0]
            if len(places) == 0:
                outputs.append(v.new_zeros(e))
                weights.append(v.new_zeros(m))
                continue
            w = (K[places] @ query / math.sqrt(len(query))).softmax(0)
            weights.append(v.new_zeros(m).index_put((places,), w))
            outputs.append(w @ V[places])
    return torch.stack(outputs).reshape(*lead, n, e), torch.stack(weights).reshape(*lead, n, m)


# %% right="mask_added" why="the mask as a large negative number that is added; the query scaled in place of the scores"
def attention(q, k, v, mask=None):
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    if mask is None:
        weights = F.softmax(scores, dim=-1)
    else:
        scores = scores + torch.where(mask, 0.0, -1e9)
        weights = F.softmax(scores, dim=-1) * mask.any(dim=-1, keepdim=True).float()
    return torch.matmul(weights, v), weights


# %% right="safe_rows" why="empty rows see everything first, and are set to 0 afterwards"
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-1, -2) / math.sqrt(k.size(-1))
    if mask is not None:
        alive = mask.any(dim=-1, keepdim=True)
        scores = torch.where(mask | ~alive, scores, float("-inf"))
    weights = torch.exp(torch.log_softmax(scores, dim=-1))
    if mask is not None:
        weights = torch.where(alive, weights, torch.zeros(()))
    return weights @ v, weights


# %% right="nan_replaced" why="-inf, and 0 in place of nan in the weights: finite, and so are the gradients"
def attention(q, k, v, mask=None):
    scores = torch.einsum("...id,...jd->...ij", q, k) * q.shape[-1] ** -0.5
    if mask is None:
        weights = scores.softmax(-1)
    else:
        weights = scores.masked_fill(~mask, -math.inf).softmax(-1).masked_fill(~mask, 0.0)
    return torch.einsum("...ij,...je->...ie", weights, v), weights
