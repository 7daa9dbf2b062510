# %% [markdown]
# Answers to the task kl_bits. Four values of 0.5 points: positive, certain, zeros_in_p, zeros_in_q.

# %% wrong="natural_logarithm" points=0 why="nats, not bits"
def kl_bits(p, q):
    return torch.where(p > 0, p * (p / q).log(), 0).sum()


# %% wrong="reversed" points=0 why="KL(q || p)"
def kl_bits(p, q):
    return torch.where(q > 0, q * (q / p).log2(), 0).sum()


# %% wrong="mean" points=0 why="the mean over the values in place of the sum"
def kl_bits(p, q):
    return torch.where(p > 0, p * (p / q).log2(), 0).mean()


# %% wrong="zero_times_log_zero" points=0.5 why="0 * log 0 is nan; also spoils zeros_in_q, where p has a zero"
def kl_bits(p, q):
    return (p * (p / q).log2()).sum()


# %% wrong="small_number_added" points=1.5 why="1e-12 hides that q cannot code a value"
def kl_bits(p, q):
    return (p * ((p + 1e-12) / (q + 1e-12)).log2()).sum()


# %% wrong="clamped_in_place" points=1.5 why="clamp_ alters the caller's p and q and hides the infinite cost"
def kl_bits(p, q):
    p.clamp_(min=1e-12)
    q.clamp_(min=1e-12)
    return (p * (p / q).log2()).sum()


# %% wrong="leaves_out_impossible" points=1.5 why="drops the values that q calls impossible"
def kl_bits(p, q):
    keep = (p > 0) & (q > 0)
    return (p[keep] * (p[keep] / q[keep]).log2()).sum()


# %% wrong="nan_to_num" points=1.5 why="nan_to_num makes the infinite cost a large finite number too"
def kl_bits(p, q):
    return (p * (p / q).log2()).nan_to_num().sum()


# %% wrong="nansum_of_difference" points=1.5 why="log p - log q; nansum is right for 0 log 0, but inf is cut off"
def kl_bits(p, q):
    return (p * (p.log2() - q.log2().clamp(min=-1000))).nansum()


# %% wrong="cross_entropy" points=0.5 why="the cost under q without taking off what the best code costs; right where p is certain"
def kl_bits(p, q):
    return -torch.where(p > 0, p * q.log2(), 0).sum()


# %% wrong="entropy_difference" points=0 why="the difference of two entropies"
def kl_bits(p, q):
    return torch.special.entr(q).sum() / math.log(2) - torch.special.entr(p).sum() / math.log(2)


# %% wrong="negative" points=0 why="the sign: q over p"
def kl_bits(p, q):
    return torch.where(p > 0, p * (q / p).log2(), 0).sum()


# %% wrong="kl_div_the_wrong_way" points=0 why="F.kl_div takes the model first, and in logarithms; here in nats and averaged"
def kl_bits(p, q):
    return torch.nn.functional.kl_div(p.log(), q)


# %% wrong="average_over_q" points=0 why="weights with q"
def kl_bits(p, q):
    return torch.where(p > 0, q * (p / q).log2(), 0).sum()


# %% wrong="absolute_values" points=0.5 why="takes every term as a cost, also those that are a gain"
def kl_bits(p, q):
    return torch.where(p > 0, p * (p / q).log2(), 0).abs().sum()


# %% right="loop" why="Python floats, one value at a time"
def kl_bits(p, q):
    total = 0.0
    for a, b in zip(p.tolist(), q.tolist()):
        if a > 0:
            total += a * math.log2(a / b) if b > 0 else math.inf
    return total


# %% right="masked" why="only the terms with p > 0"
def kl_bits(p, q):
    keep = p > 0
    return (p[keep] * (p[keep].log2() - q[keep].log2())).sum()


# %% right="cross_entropy_minus_entropy" why="cost under q less the cost of the best code, with xlogy in float64"
def kl_bits(p, q):
    p, q = p.double(), q.double()
    return (torch.xlogy(p, p).sum() - torch.xlogy(p, q).sum()) / math.log(2)


# %% right="torch_distributions" why="PyTorch's own divergence, turned into bits"
def kl_bits(p, q):
    from torch.distributions import Categorical, kl_divergence

    return kl_divergence(Categorical(p), Categorical(q)) / math.log(2)


# %% wrong="kl_div_of_torch" points=1.5 why="F.kl_div the right way round, but it gives nan where p and q are both 0"
def kl_bits(p, q):
    return torch.nn.functional.kl_div(q.log(), p, reduction="sum") / math.log(2)


# %% right="numpy" why="numpy, with nansum for the terms 0 log 0"
def kl_bits(p, q):
    import numpy as np

    p, q = p.numpy().astype(float), q.numpy().astype(float)
    with np.errstate(all="ignore"):
        terms = p * np.log2(p / q)
    return np.where(p == 0, 0.0, terms).sum()


# %% right="one_element" why="clones before it writes; shape (1,)"
def kl_bits(p, q):
    ratio = (p / q).clone()
    ratio[p == 0] = 1.0
    return (p * ratio.log2()).sum(0, keepdim=True)
