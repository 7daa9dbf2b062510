# %% [markdown]
# Answers to the task fit_histogram.

# %% wrong="counts" points=0 why="returns counts, not shares"
def fit_histogram(x, K):
    return torch.bincount(x, minlength=K)


# %% wrong="no_minlength" points=0 why="the answer ends at the largest value in the data"
def fit_histogram(x, K):
    return torch.bincount(x) / len(x)


# %% wrong="divided_by_K" points=0 why="averages over the values instead of the observations"
def fit_histogram(x, K):
    return torch.bincount(x, minlength=K) / K


# %% wrong="integer_division" points=0 why="// cuts every share to 0"
def fit_histogram(x, K):
    return (torch.bincount(x, minlength=K) // len(x)).float()


# %% wrong="softmax_of_counts" points=0 why="a softmax makes any numbers sum to 1, but not to shares"
def fit_histogram(x, K):
    return torch.bincount(x, minlength=K).float().softmax(0)


# %% wrong="default_range" points=0 why="histc takes the range of the data when it is not told another"
def fit_histogram(x, K):
    return torch.histc(x.float(), bins=K) / len(x)


# %% right="odd_edges" why="K bins between 0 and K-1: the edges are odd, yet each holds one whole number"
def fit_histogram(x, K):
    return torch.histc(x.float(), bins=K, min=0, max=K - 1) / len(x)


# %% wrong="density_of_numpy" points=0 why="np.histogram with K edges has K-1 bins and joins the last two"
def fit_histogram(x, K):
    import numpy as np

    p, _ = np.histogram(x.numpy(), bins=np.arange(K), density=True)
    return torch.from_numpy(p).float()


# %% wrong="log_probabilities" points=0 why="returns logarithms"
def fit_histogram(x, K):
    return (torch.bincount(x, minlength=K) / len(x)).log()


# %% wrong="only_values_that_occur" points=0 why="unique drops the values that nobody observed"
def fit_histogram(x, K):
    _, counts = torch.unique(x, return_counts=True)
    return counts / len(x)


# %% wrong="compressed_then_padded" points=0 why="values that occur slide to the front, padding goes to the back"
def fit_histogram(x, K):
    _, counts = torch.unique(x, return_counts=True)
    return torch.cat([counts, torch.zeros(K - len(counts))]) / len(x)


# %% wrong="distinct_values_counted_once" points=0 why="assignment through an index writes each value once"
def fit_histogram(x, K):
    counts = torch.zeros(K)
    counts[x] += 1
    return counts / counts.sum()


# %% wrong="global_size" points=0 why="uses the notebook's BINS and not the argument K"
def fit_histogram(x, K):
    return torch.bincount(x, minlength=BINS) / len(x)


# %% wrong="peak_is_one" points=0 why="divides by the largest count, as for a plot"
def fit_histogram(x, K):
    counts = torch.bincount(x, minlength=K)
    return counts / counts.max()


# %% wrong="starts_at_one" points=0 why="off by one: counts the values 1..K"
def fit_histogram(x, K):
    return torch.stack([(x == k + 1).float().mean() for k in range(K)])


# %% wrong="forgets_to_return" points=0 why="computes the answer and keeps it"
def fit_histogram(x, K):
    p = torch.bincount(x, minlength=K) / len(x)


# %% right="loop" why="counts one observation at a time"
def fit_histogram(x, K):
    p = torch.zeros(K)
    for value in x:
        p[value] += 1
    return p / p.sum()


# %% right="compare_and_average" why="a table of comparisons, averaged over the data"
def fit_histogram(x, K):
    return (x[:, None] == torch.arange(K)).double().mean(0)


# %% right="one_hot" why="the mean of one-hot vectors"
def fit_histogram(x, K):
    return torch.nn.functional.one_hot(x, K).float().mean(dim=0)


# %% right="numpy_array" why="numpy counts, and a numpy array comes back"
def fit_histogram(x, K):
    import numpy as np

    return np.bincount(x.numpy(), minlength=K) / x.numel()


# %% right="half_integer_edges" why="histc with the right edges"
def fit_histogram(x, K):
    counts = torch.histc(x.float(), bins=K, min=-0.5, max=K - 0.5)
    return counts / counts.sum()


# %% right="list_of_floats" why="collections.Counter, and a plain list comes back"
def fit_histogram(x, K):
    from collections import Counter

    counts = Counter(x.tolist())
    return [counts[k] / len(x) for k in range(K)]


# %% right="scatter_add" why="adds 1/n at each place"
def fit_histogram(x, K):
    return torch.zeros(K).scatter_add(0, x, torch.full((len(x),), 1 / len(x)))
