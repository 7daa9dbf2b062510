# %% [markdown]
# Answers to the task net_log_prob. One check of 2 points (cumulative, log_prob), one of 1 point (nothing_given,
# with_evidence).

# %% wrong="probability_of_ones_only" points=0 why="a 0 should bring the factor 1 - p, and brings none"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, torch.ones(())).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="zeros_and_ones_swapped" points=0 why="takes the tables for P(x_i = 0)"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 0, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="parents_sorted" points=0 why="sorts the parents, so the axes of the table are mixed up"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in sorted(parents[i], reverse=True))]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="parents_as_children" points=0 why="looks up the table with the variable's own value"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, i] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="bits" points=0 why="logarithms to the base 2"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log2()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="probability_returned" points=0 why="returns P(x), not its logarithm; net_query then exponentiates it"
def net_log_prob(x, parents, tables):
    total = torch.ones(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total * torch.where(x[:, i] == 1, p, 1 - p)
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="small_number_added" points=2 why="clamped, so that the impossible becomes unlikely"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).clamp(min=1e-6).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="zero_times_minus_infinity" points=2 why="x ln p + (1 - x) ln(1 - p) is nan where p is 0 or 1"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + x[:, i] * p.log() + (1 - x[:, i]) * (1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="not_normalised" points=2.5 why="P(x_i = 1 and what is given), not divided by the probability of what is given"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum()


# %% wrong="only_given_ones" points=2.5 why="a given 0 is not used as evidence"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        if value:
            p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% wrong="asked_for_a_zero" points=2 why="gives P(x_i = 0 | given)"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        p = p * (x[:, j] == value)
    return p[x[:, i] == 0].sum() / p.sum()


# %% wrong="states_counted" points=2 why="adds log-probabilities up, not probabilities"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    keep = torch.ones(len(x), dtype=torch.bool)
    for j, value in given.items():
        keep &= x[:, j] == value
    p = net_log_prob(x, parents, tables)
    return p[keep & (x[:, i] == 1)].sum() / p[keep].sum()


# %% wrong="given_evidence_of_causes_only" points=2.5 why="uses what is known of variables with lower numbers only"
def net_log_prob(x, parents, tables):
    total = torch.zeros(len(x))
    for i, table in enumerate(tables):
        p = table[tuple(x[:, j] for j in parents[i])]
        total = total + torch.where(x[:, i] == 1, p, 1 - p).log()
    return total


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    for j, value in given.items():
        if j < i:
            p = p * (x[:, j] == value)
    return p[x[:, i] == 1].sum() / p.sum()


# %% right="row_by_row" why="plain loops over rows and variables with Python numbers"
def net_log_prob(x, parents, tables):
    totals = []
    for row in x.tolist():
        total = 0.0
        for i, table in enumerate(tables):
            for j in parents[i]:
                table = table[row[j]]
            p = float(table) if row[i] else 1 - float(table)
            total += math.log(p) if p > 0 else -math.inf
        totals.append(total)
    return torch.tensor(totals)


def net_query(i, given, parents, tables):
    import itertools

    one = both = 0.0
    for state in itertools.product((0, 1), repeat=len(tables)):
        if all(state[j] == value for j, value in given.items()):
            p = math.exp(float(net_log_prob(torch.tensor([state]), parents, tables)))
            both += p
            one += p * state[i]
    return one / both


# %% right="flat_tables_in_float64" why="the row of a table as a binary number, in float64, numpy comes back"
def net_log_prob(x, parents, tables):
    import numpy as np

    x = x.numpy()
    total = np.zeros(len(x))
    for i, (pa, table) in enumerate(zip(parents, tables)):
        row = np.zeros(len(x), dtype=int)
        for j in pa:
            row = 2 * row + x[:, j]
        p = table.numpy().astype(float).reshape(-1)[row]
        with np.errstate(divide="ignore"):
            total += np.log(np.where(x[:, i], p, 1 - p))
    return total


def net_query(i, given, parents, tables):
    n = len(tables)
    x = (torch.arange(2**n)[:, None] >> torch.arange(n)) % 2
    for j, value in given.items():
        x = x[x[:, j] == value]
    p = torch.as_tensor(net_log_prob(x, parents, tables)).exp()
    return float(p @ x[:, i].double() / p.sum())


# %% right="logsumexp" why="stays in logarithms; fixes the given variables in place of multiplying by 0"
def net_log_prob(x, parents, tables):
    factors = []
    for i, table in enumerate(tables):
        both = torch.stack([1 - table, table], dim=-1).log()
        factors.append(both[(*(x[:, j] for j in parents[i]), x[:, i])])
    return torch.stack(factors).sum(0)


def net_query(i, given, parents, tables):
    free = [[given[j]] if j in given else [0, 1] for j in range(len(tables))]
    x = torch.cartesian_prod(*[torch.tensor(values) for values in free])
    log_p = net_log_prob(x, parents, tables)
    return (log_p[x[:, i] == 1].logsumexp(0) - log_p.logsumexp(0)).exp()


# %% right="difference_of_bits" why="x p + (1 - x)(1 - p) picks the factor; the product first, one logarithm at the end"
def net_log_prob(x, parents, tables):
    product = torch.ones(len(x), dtype=torch.float64)
    for i, table in enumerate(tables):
        p = table.double()[tuple(x[:, j] for j in parents[i])]
        product *= x[:, i] * p + (1 - x[:, i]) * (1 - p)
    return product.log()


def net_query(i, given, parents, tables):
    x = torch.cartesian_prod(*[torch.arange(2)] * len(tables))
    p = net_log_prob(x, parents, tables).exp()
    keep = torch.ones(len(x))
    for j, value in given.items():
        keep = keep * (x[:, j] == value)
    return (p * keep * x[:, i]).sum() / (p * keep).sum()
