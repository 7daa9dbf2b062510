# %% [markdown]
# Answers to the task centre. One check of 1 point (centred), one of 1 point (result_and_argument).
# FILL IN: at least five mistakes that students make and three right answers unlike ours, each with its reason.

# %% wrong="mean_of_everything" points=0 why="one number for all columns"
def centre(x):
    return x - x.mean()


# %% wrong="mean_of_each_row" points=0 why="the mean over the wrong axis"
def centre(x):
    return x - x.mean(1, keepdim=True)


# %% wrong="added" points=0 why="the sign"
def centre(x):
    return x + x.mean(0)


# %% wrong="n_less_one" points=0 why="divides by n - 1, as for a variance"
def centre(x):
    return x - x.sum(0) / (len(x) - 1)


# %% wrong="in_place" points=1 why="the result is right, but the caller's x has changed"
def centre(x):
    x -= x.mean(0)
    return x


# %% right="column_by_column" why="a loop"
def centre(x):
    return torch.stack([column - sum(column) / len(column) for column in x.T], 1)


# %% right="projection" why="the matrix I - 11'/n, in float64"
def centre(x):
    n = len(x)
    return (torch.eye(n, dtype=torch.float64) - 1 / n) @ x.double()


# %% right="copied_first" why="in place, on a copy"
def centre(x):
    y = x.clone()
    y -= y.mean(dim=0, keepdim=True)
    return y
