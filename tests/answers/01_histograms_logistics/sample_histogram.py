# %% [markdown]
# Answers to the task sample_histogram. One check of 2 points with four values, one of 1 point with two.

# %% wrong="left_side" points=2.5 why="the wrong side of the search: u at the end of a tile stays in it"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="strictly_greater_count" points=2.5 why="counts the ends below u where those at u belong too"
def inverse_cdf(probs, u):
    c = probs.cumsum(0) / probs.sum()
    return (u[:, None] > c).sum(1)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="no_end" points=2 why="u above the last cumulative sum becomes the value K"
def inverse_cdf(probs, u):
    return torch.searchsorted(probs.cumsum(0), u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="clamped_to_last" points=2.5 why="cuts off at K-1, a value that may have probability 0"
def inverse_cdf(probs, u):
    return torch.searchsorted(probs.cumsum(0), u, right=True).clamp(max=len(probs) - 1)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="left_and_clamped" points=2 why="both: the wrong side, and cut off at K-1"
def inverse_cdf(probs, u):
    return torch.searchsorted(probs.cumsum(0), u).clamp(max=len(probs) - 1)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="leading_zero" points=0.5 why="a 0 put before the cumulative sums shifts every index by one"
def inverse_cdf(probs, u):
    c = torch.cat([torch.zeros(1), probs.cumsum(0)])
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="one_too_low" points=0.5 why="takes the tile before the one found"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True) - 1


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="searches_the_probabilities" points=0 why="forgot the cumulative sum"
def inverse_cdf(probs, u):
    return torch.searchsorted(probs, u, right=True).clamp(max=len(probs) - 1)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="sorted_first" points=0.5 why="sorts the probabilities and so forgets whose they are"
def inverse_cdf(probs, u):
    c = probs.sort(descending=True).values.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="in_place" points=1 why="cumsum_ overwrites the caller's probabilities"
def inverse_cdf(probs, u):
    c = probs.cumsum_(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="one_u_for_all" points=2 why="a single uniform number serves all n draws"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(1, generator=generator).expand(n).contiguous())


# %% wrong="generator_forgotten" points=2.5 why="draws from the global generator"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n))


# %% wrong="seeds_inside" points=2.5 why="seeds the generator in the function: every call gives the same draws"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    generator = generator or torch.Generator()
    generator.manual_seed(0)
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% wrong="normal_noise" points=2 why="randn is not uniform"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True).clamp(max=len(probs) - 1)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.randn(n, generator=generator))


# %% wrong="evenly_spaced" points=2.5 why="a grid of u has the right frequencies but is not random"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.arange(n) / n)


# %% wrong="only_the_inversion" points=2 why="the second function is still to do"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    raise NotImplementedError("sample_histogram")


# %% right="loop" why="walks along the tiles for every u, backwards from the last value that can occur"
def inverse_cdf(probs, u):
    weights, out = probs.tolist(), []
    last = max(k for k, w in enumerate(weights) if w > 0)
    for number in u.tolist():
        total = 0.0
        for k, w in enumerate(weights):
            total += w
            if number < total:
                out.append(k)
                break
        else:
            out.append(last)
    return torch.tensor(out)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% right="count_the_ends" why="eq. (2) as a count of the ends at or below u, in float64"
def inverse_cdf(probs, u):
    c = probs.double().cumsum(0)
    c = c / c[-1]
    return (c <= u.double()[:, None]).sum(1)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, dtype=torch.float64, generator=generator))


# %% right="bucketize_last_possible" why="bucketize, and a cut at the last value with positive probability"
def inverse_cdf(probs, u):
    last = int(probs.nonzero().max())
    return torch.bucketize(u, probs.cumsum(0), right=True).clamp(max=last)


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% right="numpy" why="numpy searches"
def inverse_cdf(probs, u):
    import numpy as np

    c = np.cumsum(probs.numpy().astype(np.float64))
    c /= c[-1]
    return torch.from_numpy(np.searchsorted(c, u.numpy().astype(np.float64), side="right"))


def sample_histogram(probs, n, *, generator=None):
    return inverse_cdf(probs, torch.rand(n, generator=generator))


# %% right="drawn_one_by_one_backwards" why="other draws in another order: 1 - u, one at a time"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    c[c >= c[-1]] = 1.0
    return torch.searchsorted(c, u, right=True)


def sample_histogram(probs, n, *, generator=None):
    u = torch.stack([1 - torch.rand((), generator=generator) for _ in range(n)])
    return inverse_cdf(probs, u.clamp(max=1 - 2**-24)).flip(0)


# %% right="multinomial_for_the_draws" why="PyTorch's own sampler in the second function"
def inverse_cdf(probs, u):
    c = probs.cumsum(0)
    return torch.searchsorted(c / c[-1], u, right=True)


def sample_histogram(probs, n, *, generator=None):
    return torch.multinomial(probs, n, replacement=True, generator=generator)


# %% right="numpy_array_back" why="numpy arrays come back, seeded from the generator"
def inverse_cdf(probs, u):
    import numpy as np

    c = probs.cumsum(0)
    return np.searchsorted((c / c[-1]).numpy(), u.numpy(), side="right")


def sample_histogram(probs, n, *, generator=None):
    import numpy as np

    seed = int(torch.randint(2**31, (), generator=generator))
    return inverse_cdf(probs, torch.from_numpy(np.random.default_rng(seed).random(n, dtype=np.float32)))
