# %% [markdown]
# Answers to the task made_masks. One check of 1 point (input_mask, output_mask), one of 2 points
# (between_first_and_second, paths).

# %% wrong="strict_everywhere" points=0.5 why="strict between hidden layers and at the input, too: connections lost"
def made_masks(order, degrees):
    m = [order, *degrees, order]
    return [(b[:, None] > a).float() for a, b in pairwise(m)]


# %% wrong="nowhere_strict" points=1.5 why=">= at the output: every pixel sees itself"
def made_masks(order, degrees):
    m = [order, *degrees, order]
    return [(b[:, None] >= a).float() for a, b in pairwise(m)]


# %% wrong="strict_at_the_input" points=1 why="> at the input and >= at the output: autoregressive, but not eq. (3)"
def made_masks(order, degrees):
    m = [order, *degrees]
    first = [(degrees[0][:, None] > order).float()]
    inner = [(b[:, None] >= a).float() for a, b in pairwise(degrees)]
    return first + inner + [(order[:, None] >= degrees[-1]).float()]


# %% wrong="order_is_the_list_of_pixels" points=1 why="uses the inverse permutation"
def made_masks(order, degrees):
    place = order.argsort()
    m = [place, *degrees]
    return [(b[:, None] >= a).float() for a, b in pairwise(m)] + [(place[:, None] > m[-1]).float()]


# %% wrong="order_ignored_at_the_output" points=1.5 why="the output units stand in raster order"
def made_masks(order, degrees):
    m = [order, *degrees]
    last = (torch.arange(len(order))[:, None] > m[-1]).float()
    return [(b[:, None] >= a).float() for a, b in pairwise(m)] + [last]


# %% wrong="raster_only" points=1 why="ignores the order"
def made_masks(order, degrees):
    place = torch.arange(len(order))
    m = [place, *degrees]
    return [(b[:, None] >= a).float() for a, b in pairwise(m)] + [(place[:, None] > m[-1]).float()]


# %% wrong="transposed" points=0 why="(inputs, outputs), as in the formula x W"
def made_masks(order, degrees):
    m = [order, *degrees]
    return [(a[:, None] <= b).float() for a, b in pairwise(m)] + [(m[-1][:, None] < order).float()]


# %% wrong="the_other_way_round" points=0 why="the comparisons point backwards: pixels see later ones"
def made_masks(order, degrees):
    m = [order, *degrees]
    return [(b[:, None] <= a).float() for a, b in pairwise(m)] + [(order[:, None] < m[-1]).float()]


# %% wrong="places_from_one" points=1 why="adds 1 to the places but not to the degrees"
def made_masks(order, degrees):
    m = [order + 1, *degrees]
    return [(b[:, None] >= a).float() for a, b in pairwise(m)] + [(order[:, None] + 1 > m[-1]).float()]


# %% wrong="hidden_layers_strict" points=1 why="strict between hidden layers: nothing wrong is seen, but connections are lost"
def made_masks(order, degrees):
    first = [(degrees[0][:, None] >= order).float()]
    inner = [(b[:, None] > a).float() for a, b in pairwise(degrees)]
    return first + inner + [(order[:, None] > degrees[-1]).float()]


# %% wrong="hidden_layers_open" points=1 why="no mask between hidden layers: pixels see themselves and later ones"
def made_masks(order, degrees):
    first = [(degrees[0][:, None] >= order).float()]
    inner = [torch.ones(len(b), len(a)) for a, b in pairwise(degrees)]
    return first + inner + [(order[:, None] > degrees[-1]).float()]


# %% wrong="output_from_first_layer" points=2 why="the output mask made from the first hidden layer: wrong from two layers on"
def made_masks(order, degrees):
    m = [order, *degrees]
    return [(b[:, None] >= a).float() for a, b in pairwise(m)] + [(order[:, None] > degrees[0]).float()]


# %% wrong="list_extended_in_place" points=1 why="inserts the order into the caller's list, then runs one pair too far"
def made_masks(order, degrees):
    degrees.insert(0, order)
    degrees.append(order)
    return [(b[:, None] >= a).float() for a, b in pairwise(degrees)][:-2] + [(order[:, None] > degrees[-1]).float()]


# %% wrong="booleans" points=0 why="a layer cannot multiply with them"
def made_masks(order, degrees):
    m = [order, *degrees]
    return [b[:, None] >= a for a, b in pairwise(m)] + [order[:, None] > m[-1]]


# %% right="loops" why="one entry at a time"
def made_masks(order, degrees):
    places = order.tolist()
    m = [places] + [d.tolist() for d in degrees]
    masks = []
    for sender, receiver in zip(m[:-1], m[1:]):
        mask = torch.zeros(len(receiver), len(sender))
        for k in range(len(receiver)):
            for j in range(len(sender)):
                if receiver[k] >= sender[j]:
                    mask[k, j] = 1
        masks.append(mask)
    last = torch.zeros(len(places), len(m[-1]))
    for i, place in enumerate(places):
        for k, degree in enumerate(m[-1]):
            last[i, k] = float(degree < place)
    return masks + [last]


# %% right="numpy_outer" why="numpy's outer comparison"
def made_masks(order, degrees):
    import numpy as np

    m = [t.numpy() for t in (order, *degrees)]
    masks = [np.greater_equal.outer(b, a) for a, b in zip(m, m[1:])] + [np.greater.outer(m[0], m[-1])]
    return [torch.from_numpy(mask.astype(np.float32)) for mask in masks]


# %% right="less_than_next_place" why="> d written as >= d + 1; a tuple comes back"
def made_masks(order, degrees):
    layers = (order, *degrees, order - 1)
    return tuple((b.unsqueeze(1) >= a.unsqueeze(0)).to(torch.float32) for a, b in zip(layers[:-1], layers[1:]))


# %% right="counted_from_one" why="places and degrees from 1, as in the paper"
def made_masks(order, degrees):
    m = [order + 1] + [d + 1 for d in degrees]
    masks = []
    for l in range(1, len(m)):
        masks.append(torch.where(m[l].view(-1, 1) < m[l - 1].view(1, -1), 0.0, 1.0))
    masks.append(torch.where(m[0].view(-1, 1) <= m[-1].view(1, -1), 0.0, 1.0))
    return masks


# %% right="triangle_indexed" why="a triangle of ones, its rows and columns picked by degrees"
def made_masks(order, degrees):
    D = len(order)
    may = torch.ones(D, D).tril()
    m = [order, *degrees]
    masks = [may[m[l]][:, m[l - 1]] for l in range(1, len(m))]
    return masks + [torch.ones(D, D).tril(-1)[order][:, m[-1]]]
