# %% [markdown]
# Answers to the task nll. One check of 1 point (nats, sure_and_wrong), one of 1 point (twelve_pixels, three_pixels).

# %% wrong="mean_over_pixels" points=0 why="the default of the library: the mean, of everything"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / math.log(2)


# %% wrong="mean_for_sum" points=1 why="nats per pixel in place of per image; bits per dimension are right"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").mean(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / math.log(2)


# %% wrong="wrong_sign" points=0 why="the log-likelihood"
def nll_nats(logits, x):
    return torch.where(x == 1, F.logsigmoid(logits), F.logsigmoid(-logits)).sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="log_of_sigmoid" points=1.5 why="infinite where the sigmoid is 0 or 1 in float32"
def nll_nats(logits, x):
    p = logits.sigmoid()
    return -torch.where(x == 1, p, 1 - p).log().sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="clamped_by_the_library" points=1.5 why="binary_cross_entropy cuts logarithms off at -100"
def nll_nats(logits, x):
    return F.binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="small_number_added" points=1.5 why="an epsilon inside the logarithm"
def nll_nats(logits, x):
    p = logits.sigmoid()
    return -(x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="only_the_ones" points=0 why="forgets the term of the zeros"
def nll_nats(logits, x):
    return -(x * F.logsigmoid(logits)).sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="x_and_logits_swapped" points=0 why="x taken for the logits"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(x, logits, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="summed_over_images" points=0 why="the sum over axis 0: one number a pixel"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(0)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (x.shape[1] * math.log(2))


# %% wrong="times_ln_2" points=1 why="multiplies by ln 2: a nat has more bits than one"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) * math.log(2) / x.shape[1]


# %% wrong="nats_per_dim" points=1 why="forgets ln 2"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / x.shape[1]


# %% wrong="divided_by_images" points=1 why="divides by the number of images"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (len(x) * math.log(2))


# %% wrong="always_196" points=1 why="the size of this lab's digits in place of that of x"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) / (196 * math.log(2))


# %% wrong="mean_over_images" points=1 why="one number for the whole batch"
def nll_nats(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def bits_per_dim(logits, x):
    return (nll_nats(logits, x) / (x.shape[1] * math.log(2))).mean()


# %% right="softplus" why="softplus of the logit with the wrong sign"
def nll_nats(logits, x):
    return F.softplus((1 - 2 * x) * logits).sum(dim=-1)


def bits_per_dim(logits, x):
    return F.softplus((1 - 2 * x) * logits).mean(dim=-1) / math.log(2)


# %% right="bernoulli" why="torch.distributions"
def nll_nats(logits, x):
    return -torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(1)


def bits_per_dim(logits, x):
    return nll_nats(logits, x) * math.log2(math.e) / x[0].numel()


# %% right="softplus_minus_xl" why="ln(1 + e^l) - x l, in float64"
def nll_nats(logits, x):
    logits, x = logits.double(), x.double()
    return (torch.logaddexp(torch.zeros_like(logits), logits) - x * logits).sum(1)


def bits_per_dim(logits, x):
    n, D = x.shape
    return nll_nats(logits, x) / math.log(2) / D


# %% right="image_by_image" why="a loop over images and logsigmoid"
def nll_nats(logits, x):
    return torch.stack(
        [-F.logsigmoid(l[row == 1]).sum() - F.logsigmoid(-l[row == 0]).sum() for l, row in zip(logits, x)]
    )


def bits_per_dim(logits, x):
    return torch.stack([nats / (len(row) * math.log(2)) for nats, row in zip(nll_nats(logits, x), x)])
