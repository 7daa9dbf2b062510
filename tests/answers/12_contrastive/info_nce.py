# %% [markdown]
# Answers to the task info_nce. One check of 2 points with four values (loss, share, cold, nearly_empty), one of 1 point
# with one (gradients).


# %% wrong="gradient_into_keys" points=2 why="the keys are differentiated: both encoders are trained"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="gradient_into_queue" points=2 why="the queue gets a gradient"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0)
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="query_detached" points=2 why="detaches the query and lets the key learn"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1).detach(), F.normalize(k, dim=1), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="positive_not_below" points=0.5 why="the positive is missing in the denominator"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits[:, 1:].logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="batch_keys_are_negatives" points=0.5 why="the other keys of the batch are negatives too"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    others = (q @ k.T).masked_fill(torch.eye(len(q), dtype=torch.bool), -math.inf)
    logits = torch.cat([positive[:, None], negative, others], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="target_is_the_row" points=0.5 why="class i for query i, as in a loss without a queue"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = F.cross_entropy(logits, torch.arange(len(q)) % logits.shape[1])
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="target_is_the_last" points=0.5 why="the positive stands first and the last class is called right"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, -1]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="queue_by_rows" points=0 why="normalises the rows of the queue, whose keys are its columns"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=1).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="queue_not_normalised" points=0 why="takes the queue as it is"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), queue.detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="nothing_normalised" points=0 why="inner products"
def info_nce(q, k, queue, tau):
    k, n = k.detach(), queue.detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="temperature_on_negatives_only" points=0.5 why="the positive is not divided by tau"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative / tau], dim=1)
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="no_temperature" points=0.5 why="bare cosines"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1)
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="exp_first" points=2.5 why="exponentials first: overflows"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = -(logits[:, 0].exp() / logits.exp().sum(1)).log().mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="sum" points=0.5 why="the sum over queries"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).sum()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="sigmoids" points=0.5 why="a classifier of positive against negative for each key by itself"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (F.softplus(-logits[:, 0]) + F.softplus(logits[:, 1:]).sum(1)).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="mean_over_negatives" points=1 why="the mean of the exponentials of the negatives"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None] / tau, negative / tau - math.log(max(1, n.shape[1]))], dim=1)
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean()
    return loss, share


# %% wrong="share_against_the_mean" points=2 why="a win is to beat the average negative"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive > negative.mean(1)).float().mean()
    return loss, share


# %% wrong="share_of_pairs" points=2 why="the share of negatives that are beaten"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).float().mean()
    return loss, share


# %% wrong="share_in_percent" points=2 why="per cent"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().mean() * 100
    return loss, share


# %% wrong="count_of_wins" points=2 why="a count"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive[:, None] > negative).all(1).float().sum()
    return loss, share


# %% wrong="max_of_nothing" points=2.5 why="asks for the largest of no negatives"
def info_nce(q, k, queue, tau):
    q, k, n = F.normalize(q, dim=1), F.normalize(k, dim=1).detach(), F.normalize(queue, dim=0).detach()
    positive, negative = torch.einsum("bd,bd->b", q, k), torch.einsum("bd,dk->bk", q, n)
    logits = torch.cat([positive[:, None], negative], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    share = (positive > negative.max(1).values).float().mean()
    return loss, share


# %% right="one_cross_entropy" why="cosine_similarity and F.cross_entropy; argmax says who wins"
def info_nce(q, k, queue, tau):
    keys = torch.cat([k[:, None], queue.T[None].expand(len(q), -1, -1)], dim=1).data
    logits = F.cosine_similarity(q[:, None], keys, dim=2) / tau
    loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64))
    return loss, (logits.argmax(1) == 0).sum() / len(q)


# %% right="query_by_query" why="a loop in float64"
def info_nce(q, k, queue, tau):
    losses, wins = [], 0
    with torch.no_grad():
        keys, negatives = (F.normalize(a.double(), dim=1) for a in (k, queue.T))
    for one, key in zip(q.double(), keys, strict=True):
        one = one / one.norm()
        s = torch.cat([(one @ key)[None], negatives @ one]) / tau
        losses.append(-torch.log_softmax(s, 0)[0])
        wins += all(float(x) < float(s[0]) for x in s[1:])
    return sum(losses) / len(losses), wins / len(q)


# %% right="softplus" why="ln(1 + sum of e^(negative - positive)) by logaddexp"
def info_nce(q, k, queue, tau):
    with torch.no_grad():
        k, n = k / k.norm(dim=1, keepdim=True), queue / queue.norm(dim=0, keepdim=True)
    q = q / q.norm(dim=1, keepdim=True)
    gap = (q @ n - (q * k).sum(1, keepdim=True)) / tau
    if gap.shape[1] == 0:
        return 0 * q.sum(), 1.0
    loss = F.softplus(gap.logsumexp(1)).mean()
    return loss, float((gap.amax(1) < 0).float().mean())


# %% right="positive_last" why="the positive as the last class, all keys in one table with a mask"
def info_nce(q, k, queue, tau):
    B, K = len(q), queue.shape[1]
    keys = torch.cat([queue, k.T], dim=1).detach()
    s = F.normalize(q) @ (keys / keys.norm(dim=0)) / tau
    foreign = torch.cat([torch.zeros(B, K), 1 - torch.eye(B)], dim=1).bool()
    s = s.masked_fill(foreign, -torch.inf)
    target = K + torch.arange(B)
    return F.cross_entropy(s, target), torch.mean((s.argmax(1) == target).double())
