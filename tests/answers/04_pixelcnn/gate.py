# %% [markdown]
# Answers to the task gate. One check of 2 points with four values.

# %% wrong="halves_swapped" points=0 why="the sigmoid on the first half"
def gate(h):
    b, a = h.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


# %% wrong="every_other_channel" points=0 why="even channels are a, odd ones b"
def gate(h):
    return torch.tanh(h[:, ::2]) * torch.sigmoid(h[:, 1::2])


# %% wrong="last_axis" points=0 why="splits columns in place of channels"
def gate(h):
    a, b = h.chunk(2, dim=-1)
    return torch.tanh(a) * torch.sigmoid(b)


# %% wrong="third_from_the_end" points=1 why="finds the channels from the end: right for images only"
def gate(h):
    a, b = h.chunk(2, dim=-3 if h.ndim > 2 else 1)
    return torch.tanh(a) * torch.sigmoid(b)


# %% wrong="glu" points=0 why="the gated linear unit has no tanh"
def gate(h):
    return F.glu(h, dim=1)


# %% wrong="two_tanh" points=0 why="tanh on both halves: the gate can turn the sign round"
def gate(h):
    a, b = h.chunk(2, dim=1)
    return torch.tanh(a) * torch.tanh(b)


# %% wrong="added" points=0 why="a sum is no gate"
def gate(h):
    a, b = h.chunk(2, dim=1)
    return torch.tanh(a) + torch.sigmoid(b)


# %% wrong="softmax_gate" points=0 why="the gates of all channels compete"
def gate(h):
    a, b = h.chunk(2, dim=1)
    return torch.tanh(a) * torch.softmax(b, dim=1)


# %% wrong="sigmoid_by_exp" points=1.5 why="e^b / (1 + e^b) is nan for b = 100"
def gate(h):
    a, b = h.chunk(2, dim=1)
    return torch.tanh(a) * torch.exp(b) / (1 + torch.exp(b))


# %% wrong="in_place" points=0.5 why="the in-place functions overwrite the caller's h"
def gate(h):
    a, b = h.chunk(2, dim=1)
    return a.tanh_() * b.sigmoid_()


# %% wrong="all_channels_back" points=0 why="tanh and sigmoid of everything"
def gate(h):
    return torch.tanh(h) * torch.sigmoid(h)


# %% wrong="float64" points=1.5 why="float64 comes back, and the next layer does not take it"
def gate(h):
    C = h.shape[1] // 2
    return h[:, :C].double().tanh() * h[:, C:].double().sigmoid()


# %% right="slices" why="h[:, :C] and h[:, C:], computed in float64"
def gate(h):
    C = h.shape[1] // 2
    return (h[:, :C].double().tanh() * h[:, C:].double().sigmoid()).to(h.dtype)


# %% right="tanh_for_the_sigmoid" why="sigmoid(b) = (1 + tanh(b/2)) / 2"
def gate(h):
    a, b = torch.tensor_split(h, 2, dim=1)
    return a.tanh() * (1 + (b / 2).tanh()) / 2


# %% right="glu_of_tanh" why="the gated linear unit with tanh applied to its first half before"
def gate(h):
    C = h.shape[1] // 2
    return F.glu(torch.cat([h[:, :C].tanh(), h[:, C:]], dim=1), dim=1)


# %% right="exponentials" why="both functions written out with exponentials that do not overflow"
def gate(h):
    C = h.shape[1] // 2
    a, b = h[:, :C], h[:, C:]
    t, e = torch.exp(-2 * a.abs()), torch.exp(-b.abs())
    return a.sign() * (1 - t) / (1 + t) * torch.where(b < 0, e, 1) / (1 + e)


# %% right="channel_loop" why="one channel at a time"
def gate(h):
    C = h.shape[1] // 2
    return torch.stack([torch.tanh(h[:, c]) * torch.sigmoid(h[:, C + c]) for c in range(C)], dim=1)
