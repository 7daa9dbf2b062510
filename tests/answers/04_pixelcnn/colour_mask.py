# %% [markdown]
# Answers to the task colour_mask. One check of 2 points with four values (first_layer, later_layer, centre_A, centre_B),
# one of 1 point with one.

# %% wrong="interleaved" points=0 why="channels 0, 1, 2, 3, ... are red, green, blue, red, ..."
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] % 3, torch.arange(c_in) % 3
    mask[:, :, k // 2, k // 2] = (g_in < g_out + (kind == "B")).float()
    return mask


# %% wrong="transposed_groups" points=0 why="the table of groups has inputs for rows, outputs for columns"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in
    mask[:, :, k // 2, k // 2] = (g_out < g_in + (kind == "B")).float()
    return mask


# %% wrong="channels_swapped" points=0 why="(c_in, c_out, k, k): right where the two are equal"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_in, c_out, 1, 1)
    g_out, g_in = torch.arange(c_in)[:, None] * 3 // c_in, torch.arange(c_out) * 3 // c_out
    mask[:, :, k // 2, k // 2] = (g_in < g_out + (kind == "B")).float()
    return mask


# %% wrong="always_B" points=1 why="the own group is visible in the first layer too"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in
    mask[:, :, k // 2, k // 2] = (g_in <= g_out).float()
    return mask


# %% wrong="always_A" points=1 why="no layer sees its own group: red loses everything it knew"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in
    mask[:, :, k // 2, k // 2] = (g_in < g_out).float()
    return mask


# %% wrong="no_colours" points=0 why="the mask of task 3 for all pairs: colours of one pixel do not see each other"
def colour_mask(c_out, c_in, k, kind):
    return conv_mask(k, kind).repeat(c_out, c_in, 1, 1)


# %% wrong="groups_everywhere" points=1 why="red sees only red, also at the pixels before"
def colour_mask(c_out, c_in, k, kind):
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in
    groups = (g_in < g_out + (kind == "B")).float()
    return conv_mask(k, "B") * groups[:, :, None, None]


# %% wrong="groups_of_three" points=0 why="c // 3 makes groups of three channels, not three groups"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] // 3, torch.arange(c_in) // 3
    mask[:, :, k // 2, k // 2] = (g_in < g_out + (kind == "B")).float()
    return mask


# %% wrong="groups_of_the_outputs" points=1 why="inputs divided by the width of the outputs"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_out
    mask[:, :, k // 2, k // 2] = (g_in < g_out + (kind == "B")).float()
    return mask


# %% wrong="blue_first" points=0 why="the order of the colours turned round"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in
    mask[:, :, k // 2, k // 2] = (g_in > g_out - (kind == "B")).float()
    return mask


# %% wrong="single_channels" points=0 why="an order of the channels in place of the groups"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").repeat(c_out, c_in, 1, 1)
    mask[:, :, k // 2, k // 2] = torch.ones(c_out, c_in).tril(0 if kind == "B" else -1)
    return mask


# %% wrong="expanded" points=0 why="expand() shares one mask: writing the centre is an error, or writes it for all"
def colour_mask(c_out, c_in, k, kind):
    mask = conv_mask(k, "A").expand(c_out, c_in, k, k)
    g_out, g_in = torch.arange(c_out)[:, None] * 3 // c_out, torch.arange(c_in) * 3 // c_in
    mask[:, :, k // 2, k // 2] = (g_in < g_out + (kind == "B")).float()
    return mask


# %% right="loops" why="all pairs of channels and all places, one by one"
def colour_mask(c_out, c_in, k, kind):
    mask, m = torch.zeros(c_out, c_in, k, k), k // 2
    for o in range(c_out):
        for i in range(c_in):
            g_o, g_i = o // (c_out // 3), i // (c_in // 3)
            for r in range(k):
                for s in range(k):
                    if (r, s) < (m, m):
                        mask[o, i, r, s] = 1
                    elif (r, s) == (m, m):
                        mask[o, i, r, s] = g_i <= g_o if kind == "B" else g_i < g_o
    return mask


# %% right="kronecker" why="a 3 x 3 table blown up to blocks"
def colour_mask(c_out, c_in, k, kind):
    table = torch.ones(3, 3, dtype=torch.float64).tril(0 if kind == "B" else -1)
    centre = torch.kron(table, torch.ones(c_out // 3, c_in // 3, dtype=torch.float64))
    at_centre = torch.zeros(k, k, dtype=torch.float64)
    at_centre[k // 2, k // 2] = 1
    before = (torch.arange(k * k) < k * k // 2).view(k, k)
    return before + centre[:, :, None, None] * at_centre


# %% right="blocks_filled" why="starts with B minus nothing and clears the blocks of the centre"
def colour_mask(c_out, c_in, k, kind):
    o, i, m = c_out // 3, c_in // 3, k // 2
    mask = torch.ones(c_out, c_in, k, k)
    mask[:, :, m + 1 :] = 0
    mask[:, :, m, m + 1 :] = 0
    for g in range(3):
        first = g if kind == "A" else g + 1
        mask[g * o : (g + 1) * o, first * i :, m, m] = 0
    return mask


# %% right="one_number" why="pixel and colour numbered together, in numpy; a mask of bool comes back"
def colour_mask(c_out, c_in, k, kind):
    import numpy as np

    pixel = np.arange(k * k).reshape(k, k) - k * k // 2
    out = np.repeat(np.arange(3), c_out // 3)[:, None, None, None]
    rank = 3 * pixel + np.repeat(np.arange(3), c_in // 3)[None, :, None, None]
    return torch.from_numpy(rank <= out if kind == "B" else rank < out)
