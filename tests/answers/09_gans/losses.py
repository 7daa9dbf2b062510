# %% [markdown]
# Answers to the task losses. One check of 2 points with four values (discriminator, saturating, non_saturating, far),
# one of 1 point with two (slopes_of_G, slopes_of_D).


# %% wrong="sigmoid_then_log" points=1.5 why="the sigmoid of a logit of some hundreds is 0 or 1, and its logarithm is lost"
def d_loss(real, fake):
    return -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(fake)).log().mean()


def g_loss_saturating(fake):
    return (1 - torch.sigmoid(fake)).log().mean()


def g_loss(fake):
    return -torch.sigmoid(fake).log().mean()


# %% wrong="binary_cross_entropy" points=1.5 why="cross-entropy of probabilities: the logarithm is cut off at -100"
def d_loss(real, fake):
    real, fake = real.sigmoid(), fake.sigmoid()
    on_real = F.binary_cross_entropy(real, torch.ones_like(real))
    return on_real + F.binary_cross_entropy(fake, torch.zeros_like(fake))


def g_loss_saturating(fake):
    fake = fake.sigmoid()
    return -F.binary_cross_entropy(fake, torch.zeros_like(fake))


def g_loss(fake):
    fake = fake.sigmoid()
    return F.binary_cross_entropy(fake, torch.ones_like(fake))


# %% wrong="small_number_added" points=1.5 why="1e-8 inside the logarithm keeps it finite and wrong"
def d_loss(real, fake):
    return -(real.sigmoid() + 1e-8).log().mean() - (1 - fake.sigmoid() + 1e-8).log().mean()


def g_loss_saturating(fake):
    return (1 - fake.sigmoid() + 1e-8).log().mean()


def g_loss(fake):
    return -(fake.sigmoid() + 1e-8).log().mean()


# %% wrong="one_mean_for_both" points=1.5 why="the mean over real and fake together: about half of the loss"
def d_loss(real, fake):
    logits = torch.cat([real.flatten(), fake.flatten()])
    labels = torch.cat([torch.ones(real.numel()), torch.zeros(fake.numel())])
    return F.binary_cross_entropy_with_logits(logits, labels)


def g_loss_saturating(fake):
    return -F.softplus(fake).mean()


def g_loss(fake):
    return F.softplus(-fake).mean()


# %% wrong="labels_swapped" points=0 why="calls real data fake, and the other way round"
def d_loss(real, fake):
    return F.softplus(real).mean() + F.softplus(-fake).mean()


def g_loss_saturating(fake):
    return -F.softplus(-fake).mean()


def g_loss(fake):
    return F.softplus(fake).mean()


# %% wrong="saturating_without_minus" points=1.5 why="the generator helps the discriminator to win"
def d_loss(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def g_loss_saturating(fake):
    return F.softplus(fake).mean()


def g_loss(fake):
    return F.softplus(-fake).mean()


# %% wrong="the_two_swapped" points=1 why="saturating and non-saturating exchanged"
def d_loss(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def g_loss_saturating(fake):
    return F.softplus(-fake).mean()


def g_loss(fake):
    return -F.softplus(fake).mean()


# %% wrong="sums" points=0 why="sums over the batch in place of means"
def d_loss(real, fake):
    return F.softplus(-real).sum() + F.softplus(fake).sum()


def g_loss_saturating(fake):
    return -F.softplus(fake).sum()


def g_loss(fake):
    return F.softplus(-fake).sum()


# %% wrong="bits" points=0 why="base two"
def d_loss(real, fake):
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / math.log(2)


def g_loss_saturating(fake):
    return -F.softplus(fake).mean() / math.log(2)


def g_loss(fake):
    return F.softplus(-fake).mean() / math.log(2)


# %% wrong="numbers_without_gradient" points=2 why="returns floats: nothing can be learned from them"
def d_loss(real, fake):
    return (F.softplus(-real).mean() + F.softplus(fake).mean()).item()


def g_loss_saturating(fake):
    return -F.softplus(fake).mean().item()


def g_loss(fake):
    return F.softplus(-fake).mean().item()


# %% wrong="only_the_fakes" points=1.5 why="the discriminator is never shown what is real"
def d_loss(real, fake):
    return F.softplus(fake).mean()


def g_loss_saturating(fake):
    return -F.softplus(fake).mean()


def g_loss(fake):
    return F.softplus(-fake).mean()


# %% wrong="clamped_logits" points=1.5 why="clamps the logits to be safe: wrong far out, and no gradient there"
def d_loss(real, fake):
    return F.softplus(-real.clamp(-30, 30)).mean() + F.softplus(fake.clamp(-30, 30)).mean()


def g_loss_saturating(fake):
    return -F.softplus(fake.clamp(-30, 30)).mean()


def g_loss(fake):
    return F.softplus(-fake.clamp(-30, 30)).mean()


# %% wrong="paired" points=0.5 why="subtracts real from fake logits, which have to be equally many: a relativistic loss"
def d_loss(real, fake):
    return F.softplus(fake.flatten() - real.flatten()).mean()


def g_loss_saturating(fake):
    return -F.softplus(fake).mean()


def g_loss(fake):
    return F.softplus(-fake).mean()


# %% right="with_logits" why="binary cross-entropy from logits, with labels"
def d_loss(real, fake):
    on_real = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return on_real + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def g_loss_saturating(fake):
    return -F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def g_loss(fake):
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


# %% right="logsigmoid" why="the logarithm of the sigmoid as one function"
def d_loss(real, fake):
    return -(F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean())


def g_loss_saturating(fake):
    return F.logsigmoid(-fake).mean()


def g_loss(fake):
    return -F.logsigmoid(fake).mean()


# %% right="logaddexp" why="ln(e^0 + e^a), in float64"
def surprise(a):
    a = a.double().flatten()
    return torch.logaddexp(torch.zeros_like(a), a).sum() / a.numel()


def d_loss(real, fake):
    return surprise(-real) + surprise(fake)


def g_loss_saturating(fake):
    return -surprise(fake)


def g_loss(fake):
    return surprise(-fake)


# %% right="by_hand" why="max(a, 0) + log1p(exp(-|a|)), and one logit at a time"
def surprise(a):
    return sum(one.clamp(min=0) + torch.log1p(torch.exp(-one.abs())) for one in a.reshape(-1)) / a.numel()


def d_loss(real, fake):
    return surprise(-1 * real) + surprise(fake)


def g_loss_saturating(fake):
    return 0 - surprise(fake)


def g_loss(fake):
    return surprise(-1 * fake)


# %% right="two_classes" why="a softmax over the logits (0, l) and cross_entropy with class labels"
def two_classes(logits, label):
    logits = logits.reshape(-1)
    pairs = torch.stack([torch.zeros_like(logits), logits], dim=1)
    return F.cross_entropy(pairs, torch.full((len(logits),), label))


def d_loss(real, fake):
    return two_classes(real, 1) + two_classes(fake, 0)


def g_loss_saturating(fake):
    return -two_classes(fake, 0)


def g_loss(fake):
    return two_classes(fake, 1)
