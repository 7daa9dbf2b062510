# %% [markdown]
# Answers to the task image_nll. Two checks of 1 point: one with one value (cumulative), one with two (far, bits).


# %% wrong="mean_over_pixels" points=0.5 why="the mean over the pixels in place of the sum"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).mean(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="one_number" points=0.5 why="the default reduction: one number for the whole batch"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x) * x[0].numel()


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="batch_summed" points=0.5 why="sums over the images too"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="sign" points=0.5 why="the log-likelihood itself"
def image_nll(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="white_pixels_only" points=0.5 why="forgets the term of the black pixels"
def image_nll(logits, x):
    return -(x * F.logsigmoid(logits)).flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="sigmoid_then_log" points=1.5 why="the logarithm of a sigmoid that has become 0 or 1"
def image_nll(logits, x):
    p = torch.sigmoid(logits)
    return -(x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="cross_entropy_of_probabilities" points=1.5 why="binary_cross_entropy cuts its logarithms off at -100"
def image_nll(logits, x):
    return F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="small_number_added" points=1.5 why="a small number inside the logarithm hides how wrong the model was"
def image_nll(logits, x):
    p = torch.sigmoid(logits)
    return -(x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="sigmoid_twice" points=0.5 why="hands probabilities to the function that wants logits"
def image_nll(logits, x):
    p = torch.sigmoid(logits)
    return F.binary_cross_entropy_with_logits(p, x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="bits" points=0.5 why="answers in bits"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1) / math.log(2)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="one_row_left_over" points=0.5 why="sums over the columns only"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(3)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="arguments_swapped" points=0.5 why="the image as the logits"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(x, torch.sigmoid(logits), reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / (pixels * math.log(2))


# %% wrong="nats_per_dim" points=1.5 why="forgets the ln 2"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / pixels


# %% wrong="multiplied_by_ln_2" points=1.5 why="a nat is 1.44 bits, not 0.69"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll * math.log(2) / pixels


# %% wrong="bits_per_image" points=1.5 why="forgets the number of pixels"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll / math.log(2)


# %% wrong="averaged" points=1.5 why="one number for all images"
def image_nll(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def bits_per_dim(nll, pixels):
    return nll.mean() / (pixels * math.log(2))


# %% right="softplus" why="-ln p(x) = softplus(-l) for white and softplus(l) for black"
def image_nll(logits, x):
    return F.softplus((1 - 2 * x) * logits).sum(dim=(1, 2, 3))


def bits_per_dim(nll, pixels):
    return nll / pixels * math.log2(math.e)


# %% right="distribution" why="torch.distributions knows the Bernoulli"
def image_nll(logits, x):
    return -torch.distributions.Bernoulli(logits=logits.double()).log_prob(x.double()).sum(dim=(1, 2, 3))


def bits_per_dim(nll, pixels):
    return torch.as_tensor(nll).double() * 1.4426950408889634 / pixels


# %% right="logsigmoid" why="eq. (11) with two logsigmoids, einsum over the pixels"
def image_nll(logits, x):
    return -torch.einsum("bchw,bchw->b", x, F.logsigmoid(logits)) - torch.einsum(
        "bchw,bchw->b", 1 - x, F.logsigmoid(-logits)
    )


def bits_per_dim(nll, pixels):
    return torch.stack([one / math.log(2) / pixels for one in nll])


# %% right="numpy_loop" why="image by image, logaddexp of numpy, a list comes back"
def image_nll(logits, x):
    import numpy as np

    answer = []
    for l, one in zip(logits.detach().double().numpy(), x.numpy()):
        answer.append(float(np.where(one > 0.5, np.logaddexp(0, -l), np.logaddexp(0, l)).sum()))
    return torch.tensor(answer)


def bits_per_dim(nll, pixels):
    return [float(one) / (pixels * math.log(2)) for one in nll]
