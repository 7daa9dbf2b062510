# %% [markdown]
# Answers to the task masked_conv. One check of 1 point with two values (mask_A, mask_B), one of 2 points with four
# (any_mask, mask_per_channel, impulses, after_a_step).

# %% wrong="kinds_swapped" points=1 why="A shows the centre and B hides it"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "A")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="transposed" points=1 why="columns before rows"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[:, : k // 2] = 1
    mask[: k // 2 + (kind == "B"), k // 2] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="lower_triangle" points=1 why="a triangle is not the raster order"
def conv_mask(k, kind):
    return torch.ones(k, k).tril(0 if kind == "B" else -1)


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="only_the_upper_left" points=1 why="forgets the right half of the rows above"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2 + 1, : k // 2 + 1] = 1
    if kind == "A":
        mask[k // 2, k // 2] = 0
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="rest_of_the_row" points=1 why="everything to the right of the centre stays visible"
def conv_mask(k, kind):
    mask = torch.ones(k, k)
    mask[k // 2 + 1 :] = 0
    if kind == "A":
        mask[k // 2, k // 2] = 0
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="always_A" points=2 why="does not look at the kind: two layers lose the left neighbour"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask.view(-1)[: k * k // 2] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="masked_once" points=1 why="multiplies the initial weights and never again"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.weight.data *= mask

    def forward(self, x):
        return super().forward(x)


# %% wrong="mask_after_the_convolution" points=1 why="masks the image under the filter's name"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, padding=self.padding) * self.mask.mean()


# %% wrong="bias_forgotten" points=1.5 why="right wherever the bias drops out of a difference"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, padding=self.padding)


# %% wrong="square_padding" points=2.5 why="the number of columns pads rows too: right for square filters"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=kw // 2)
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="padding_forgotten" points=1 why="the image shrinks with every layer"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        super().__init__(c_in, c_out, mask.shape[-2:])
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% wrong="padding_in_the_constructor_only" points=1 why="F.conv2d does not know the padding of the layer"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        super().__init__(c_in, c_out, mask.shape[-2:], padding="same")
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias)


# %% wrong="no_gradient" points=2.5 why="the product is formed outside autograd: the weights never learn"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, (self.weight * self.mask).detach(), self.bias, padding=self.padding)


# %% wrong="mask_rebuilt_as_A" points=1.5 why="ignores the mask that it is given"
def conv_mask(k, kind):
    mask = torch.zeros(k, k)
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        before = torch.zeros(kh, kw)
        before.view(-1)[: kh * kw // 2] = 1
        self.register_buffer("mask", before)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


# %% right="weights_overwritten" why="multiplies the weights themselves at every call, as many implementations do"
def conv_mask(k, kind):
    mask = torch.ones(k, k)
    mask[k // 2, k // 2 + (kind == "B") :] = 0
    mask[k // 2 + 1 :] = 0
    return mask


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        kh, kw = mask.shape[-2:]
        super().__init__(c_in, c_out, (kh, kw), padding=(kh // 2, kw // 2))
        self.register_buffer("mask", mask.clone())

    def forward(self, x):
        self.weight.data *= self.mask
        return super().forward(x)


# %% right="counted_in_raster_order" why="numbers the weights, compares with the centre; the layer is no nn.Conv2d"
def conv_mask(k, kind):
    number = torch.arange(k * k).view(k, k)
    return (number <= k * k // 2 - (kind == "A")).double()


class MaskedConv2d(nn.Module):
    def __init__(self, c_in, c_out, mask):
        super().__init__()
        self.keep = mask.float()
        kh, kw = mask.shape[-2:]
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kh, kw) / (c_in * kh * kw) ** 0.5)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.keep, self.bias, padding="same")


# %% right="loops_and_unfold" why="the mask in plain Python as a list of lists, the convolution as a product of matrices"
def conv_mask(k, kind):
    m = k // 2
    return torch.tensor(
        [[float((r, s) < (m, m) or ((r, s) == (m, m) and kind == "B")) for s in range(k)] for r in range(k)]
    )


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        super().__init__(c_in, c_out, tuple(mask.shape[-2:]))
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        B, _, H, W = x.shape
        kh, kw = self.kernel_size
        patches = F.unfold(x, (kh, kw), padding=(kh // 2, kw // 2))  # (B, c_in kh kw, H W)
        weight = (self.weight * self.mask).flatten(1)
        return (weight @ patches + self.bias[:, None]).view(B, -1, H, W)


# %% right="where" why="masked weights replaced by zeros, and an explicit F.pad"
def conv_mask(k, kind):
    mask = torch.zeros(k * k)
    mask[: (k * k) // 2 + (1 if kind == "B" else 0)] = 1
    return mask.reshape(k, k)


class MaskedConv2d(nn.Conv2d):
    def __init__(self, c_in, c_out, mask):
        super().__init__(c_in, c_out, mask.shape[-2:])
        self.register_buffer("mask", mask.bool())

    def forward(self, x):
        h, w = self.mask.shape[-2] // 2, self.mask.shape[-1] // 2
        return F.conv2d(F.pad(x, (w, w, h, h)), torch.where(self.mask, self.weight, 0), self.bias)
