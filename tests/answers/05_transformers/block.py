# %% [markdown]
# Answers to the task block. One check of 1 point (alone, talking), one of 2 points (values, beginnings, one_position,
# who_feels_whom).

# %% wrong="post_norm" points=0 why="normalises the sums, not what goes into the halves"
def feed_forward(x, p):
    return F.layer_norm(x + F.gelu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], x.shape[-1:], p["gain2"], p["bias2"])


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(x, *matrices, heads, mask=order_mask(here), positions=here)
    return feed_forward(F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"]), p)


# %% wrong="no_residual" points=0 why="replaces in place of adding"
def feed_forward(x, p):
    return F.gelu(F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"]) @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    return feed_forward(multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here), p)


# %% wrong="residual_of_the_normed" points=0 why="adds to the normalised copy, not to x"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return normed + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    return feed_forward(x + multi_head(x, *matrices, heads, mask=order_mask(here), positions=here), p)


# %% wrong="no_mask" points=1 why="sees the future"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, positions=torch.arange(x.shape[1]))
    return feed_forward(x, p)


# %% wrong="mask_transposed" points=1 why="sees the future and not the past"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(here.flip(0)), positions=here)
    return feed_forward(x, p)


# %% wrong="no_positions" points=1 why="queries and keys are not turned"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(torch.arange(x.shape[1])))
    return feed_forward(x, p)


# %% wrong="relu" points=0.5 why="another nonlinearity"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.relu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)
    return feed_forward(x, p)


# %% wrong="one_norm_for_both" points=0.5 why="the first norm's gain and bias in the second half too"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)
    return feed_forward(x, p)


# %% wrong="parallel_halves" points=1 why="the second half looks at the block's input, not at the sum"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    return feed_forward(x, p) + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)


# %% wrong="halves_swapped" points=1 why="thinks first, talks afterwards"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    x = feed_forward(x, p)
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    return x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)


# %% wrong="norm_over_positions" points=0.5 why="mean and variance over the positions: the future leaks through them"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    centred = x - x.mean(1, keepdim=True)
    normed = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * p["gain1"] + p["bias1"]
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)
    return feed_forward(x, p)


# %% wrong="mean_not_taken_off" points=0 why="divides by the root mean square only"
def _norm(x, gain, bias):
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain + bias


def feed_forward(x, p):
    return x + F.gelu(_norm(x, p["gain2"], p["bias2"]) @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    normed = _norm(x, p["gain1"], p["bias1"])
    return feed_forward(x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here), p)


# %% wrong="gains_forgotten" points=0 why="normalises without gain and bias"
def feed_forward(x, p):
    return x + F.gelu(F.layer_norm(x, x.shape[-1:]) @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(F.layer_norm(x, x.shape[-1:]), *matrices, heads, mask=order_mask(here), positions=here)
    return feed_forward(x, p)


# %% wrong="feed_forward_without_its_residual" points=2.5 why="the block adds it, feed_forward alone does not: not its contract"
def feed_forward(x, p):
    return F.gelu(F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"]) @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=order_mask(here), positions=here)
    return x + feed_forward(x, p)


# %% wrong="does_not_see_itself" points=0.5 why="the strict mask: a position looks at the ones before it only"
def feed_forward(x, p):
    normed = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"])
    return x + F.gelu(normed @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    matrices = (p[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    x = x + multi_head(normed, *matrices, heads, mask=here[None, :] < here[:, None], positions=here)
    return feed_forward(x, p)


# %% right="tanh_gelu" why="the tanh form of gelu, the triangle by tril"
def feed_forward(x, p):
    normed = F.layer_norm(x, (x.shape[-1],), p["gain2"], p["bias2"])
    return x + (F.gelu(normed @ p["W1"] + p["b1"], approximate="tanh") @ p["W2"] + p["b2"])


def block(x, p, heads):
    n = x.shape[1]
    causal = torch.tril(torch.ones(n, n, dtype=torch.bool))
    normed = F.layer_norm(x, (x.shape[-1],), p["gain1"], p["bias1"])
    x = x + multi_head(
        normed, p["Wq"], p["Wk"], p["Wv"], p["Wo"], heads, mask=causal, positions=torch.arange(n)
    )
    return feed_forward(x, p)


# %% right="norm_by_hand" why="layer norm and gelu from their definitions, in float64"
def _norm(x, gain, bias):
    mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(var + 1e-5) * gain + bias


def feed_forward(x, p):
    h = _norm(x.double(), p["gain2"], p["bias2"]) @ p["W1"].double() + p["b1"]
    h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
    return (x + h @ p["W2"].double() + p["b2"]).float()


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = _norm(x, p["gain1"], p["bias1"])
    talk = multi_head(normed, p["Wq"], p["Wk"], p["Wv"], p["Wo"], heads, mask=here[None] <= here[:, None], positions=here)
    return feed_forward(x + talk, p)


# %% right="one_position_at_a_time" why="attention for each prefix without a mask; feed_forward by addmm, row by row"
def feed_forward(x, p):
    rows = F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"]).reshape(-1, x.shape[-1])
    h = F.gelu(torch.addmm(p["b1"], rows, p["W1"]))
    return torch.addmm(p["b2"], h, p["W2"]).reshape(x.shape) + x


def block(x, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    outs = []
    for t in range(x.shape[1]):
        past = normed[:, : t + 1]
        y = multi_head(past, p["Wq"], p["Wk"], p["Wv"], p["Wo"], heads, positions=torch.arange(t + 1))
        outs.append(feed_forward(x[:, t] + y[:, -1], p))
    return torch.stack(outs, dim=1)


# %% right="positions_moved" why="rotary positions from 5 on: only differences matter, so the output is the same"
def feed_forward(x, p):
    h = F.linear(F.layer_norm(x, x.shape[-1:], p["gain2"], p["bias2"]), p["W1"].T, p["b1"])
    return x + F.linear(F.gelu(h), p["W2"].T, p["b2"])


def block(x, p, heads):
    here = torch.arange(x.shape[1])
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])
    found = multi_head(
        normed, *[p[name] for name in ("Wq", "Wk", "Wv", "Wo")], heads, mask=order_mask(here), positions=here + 5
    )
    return feed_forward(x + found, p)
