# %% [markdown]
# Answers to the task made. One check of 2 points (one_hidden_layer, two_hidden_layers), one of 1 point (cumulative,
# found_by_parameters).

# %% wrong="relu_after_the_last" points=0 why="no logit is ever negative"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        for layer, mask in zip(self.layers, made_masks(order, self.degrees)):
            x = layer(x, mask).relu()
        return x - 0.5


# %% wrong="no_relu" points=0.5 why="a product of matrices: one linear layer; with all numbers positive a ReLU makes no difference"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        for layer, mask in zip(self.layers, made_masks(order, self.degrees)):
            x = layer(x, mask)
        return x


# %% wrong="sigmoid_at_the_end" points=0 why="returns probabilities in place of logits"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        *masks, last = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, last).sigmoid()


# %% wrong="tanh" points=0 why="another activation than the one asked for"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        *masks, last = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).tanh()
        return self.layers[-1](x, last)


# %% wrong="raster_masks" points=0.5 why="masks made once for the raster order: the order is ignored"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))
        self.masks = made_masks(torch.arange(D), self.degrees)

    def forward(self, x, order):
        for layer, mask in zip(self.layers[:-1], self.masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, self.masks[-1])


# %% wrong="first_order_kept" points=2.5 why="masks made at the first call and kept for all later orders"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))
        self.masks = None

    def forward(self, x, order):
        if self.masks is None:
            self.masks = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers[:-1], self.masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, self.masks[-1])


# %% wrong="inverse_order" points=0.5 why="hands the list of pixels to made_masks, not their places"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        *masks, last = made_masks(order.argsort(), self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, last)


# %% wrong="inputs_put_in_order" points=0 why="permutes the inputs and leaves the outputs permuted"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        x = x[:, order.argsort()]
        *masks, last = made_masks(torch.arange(x.shape[1]), self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, last) + 0.1 * x.sum(1, keepdim=True) * 0 - 0.01 * order


# %% wrong="residual" points=0 why="adds the input to the logits: every pixel sees itself"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        h, (*masks, last) = x, made_masks(order, self.degrees)
        for layer, mask in zip(self.layers, masks):
            h = layer(h, mask).relu()
        return self.layers[-1](h, last) + x


# %% wrong="no_mask_at_the_output" points=0 why="the last layer is an ordinary one"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        *masks, last = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, torch.ones_like(last))


# %% wrong="one_hidden_layer_only" points=2 why="uses the first hidden width alone"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(hidden[0], D)]
        self.layers = nn.ModuleList([MaskedLinear(D, hidden[0]), MaskedLinear(hidden[0], D)])

    def forward(self, x, order):
        first, last = made_masks(order, self.degrees)
        return self.layers[1](self.layers[0](x, first).relu(), last)


# %% wrong="plain_list" points=2.5 why="layers in a list: parameters() finds nothing, an optimiser would train nothing"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = [MaskedLinear(a, b) for a, b in pairwise(sizes)]

    def forward(self, x, order):
        *masks, last = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, last)


# %% wrong="degrees_sorted" points=0.5 why="sorted degrees are other degrees: the weights mean something else"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D).sort().values for H in hidden]
        sizes = [D, *hidden, D]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in pairwise(sizes))

    def forward(self, x, order):
        *masks, last = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers, masks):
            x = layer(x, mask).relu()
        return self.layers[-1](x, last)


# %% right="written_out" why="weights times masks by hand, in a loop over numbers of layers"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = []
        layers, width = [], D
        for H in hidden:
            self.degrees.append(even_degrees(H, D))
            layers.append(MaskedLinear(width, H))
            width = H
        layers.append(MaskedLinear(width, D))
        self.layers = nn.ModuleList(layers)

    def forward(self, x, order):
        masks, h = made_masks(order, self.degrees), x
        for l in range(len(self.layers)):
            h = h @ (self.layers[l].weight * masks[l]).t() + self.layers[l].bias
            if l + 1 < len(self.layers):
                h = torch.clamp(h, min=0)
        return h


# %% right="pixels_put_in_order_and_back" why="works in the order of places and undoes it at the end"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.degrees = [even_degrees(H, D) for H in hidden]
        self.layers = nn.ModuleList(MaskedLinear(a, b) for a, b in zip([D, *hidden], [*hidden, D]))
        self.masks = made_masks(torch.arange(D), self.degrees)

    def forward(self, x, order):
        pixels = order.argsort()
        first, last = self.layers[0], self.layers[-1]
        h = F.relu(x[:, pixels] @ (first.weight[:, pixels] * self.masks[0]).T + first.bias)
        for layer, mask in zip(self.layers[1:-1], self.masks[1:-1]):
            h = F.relu(layer(h, mask))
        logits = h @ (last.weight[pixels] * self.masks[-1]).T + last.bias[pixels]
        return logits[:, order]


# %% right="buffers" why="degrees as buffers beside the list; ReLU as a module"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        for l, H in enumerate(hidden):
            self.register_buffer(f"degrees_{l}", even_degrees(H, D))
        self.depth, self.act = len(hidden), nn.ReLU()
        self.layers = nn.ModuleList([MaskedLinear(a, b) for a, b in pairwise((D, *hidden, D))])

    @property
    def degrees(self):
        return [getattr(self, f"degrees_{l}") for l in range(self.depth)]

    def forward(self, x, order):
        masks = made_masks(order, self.degrees)
        for layer, mask in zip(self.layers[: self.depth], masks):
            x = self.act(layer(x, mask))
        return self.layers[self.depth](x, masks[self.depth])


# %% right="recursive" why="a layer is the ReLU of the layer before"
class MADE(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        sizes = (D,) + tuple(hidden) + (D,)
        self.degrees = list(map(lambda H: even_degrees(H, D), hidden))
        self.layers = nn.ModuleList()
        for n_in, n_out in zip(sizes, sizes[1:]):
            self.layers.append(MaskedLinear(n_in, n_out))

    def forward(self, x, order):
        masks = made_masks(order, self.degrees)

        def at(l):
            below = x if l == 0 else torch.relu(at(l - 1))
            return self.layers[l](below, masks[l])

        return at(len(masks) - 1)
