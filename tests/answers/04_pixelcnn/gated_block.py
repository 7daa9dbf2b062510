# %% [markdown]
# Answers to the task gated_block. One check of 2 points with four values (vertical, horizontal, smallest, larger), one of
# 2 points with four (vertical_knows, handed_over, horizontal_knows, image_seen).


# %% wrong="no_shift" points=1.5 why="hands the vertical stack over without the shift: h sees the future of its row"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(a)
        return gate(a), h + self.out(gate(b))


# %% wrong="shift_upwards" points=1.5 why="the shift goes the wrong way: h sees the row below"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, -1, 1)))
        return gate(a), h + self.out(gate(b))


# %% wrong="shift_sideways" points=1.5 why="shifts by a column in place of a row"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (1, -1)))
        return gate(a), h + self.out(gate(b))


# %% wrong="rolled" points=1.5 why="torch.roll brings the last row back in at the top"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(a.roll(1, dims=2))
        return gate(a), h + self.out(gate(b))


# %% wrong="shifted_twice" points=1.5 why="two rows further up in place of one: a row is missed"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 2, -2)))
        return gate(a), h + self.out(gate(b))


# %% wrong="padded_below" points=1 why="the zeros of the vertical stack stand below: it sees the rows to come"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, 0, self.m)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        return gate(a), h + self.out(gate(b))


# %% wrong="padded_right" points=2 why="the zeros of the horizontal stack stand on the right: it sees pixels to come"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (0, self.m))) + self.down(F.pad(a, (0, 0, 1, -1)))
        return gate(a), h + self.out(gate(b))


# %% wrong="vertical_residual" points=2.5 why="a residual connection in the vertical stack too"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        return v + gate(a), h + self.out(gate(b))


# %% wrong="no_residual" points=2.5 why="h is not added at the end"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        return gate(a), self.out(gate(b))


# %% wrong="gate_before_handing_over" points=2.5 why="hands over the gated features, twice"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(torch.cat([gate(a)] * 2, dim=1), (0, 0, 1, -1)))
        return gate(a), h + self.out(gate(b))


# %% wrong="nothing_handed_over" points=1.5 why="the horizontal stack never hears of the rows above"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0)))
        return gate(a), h + self.out(gate(b))


# %% wrong="outputs_swapped" points=0 why="returns h first"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        return h + self.out(gate(b)), gate(a)


# %% wrong="no_gate" points=2 why="tanh of the first half only"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        a, b = torch.tanh(a).chunk(2, dim=1)[0], torch.tanh(b).chunk(2, dim=1)[0]
        return a, h + self.out(b)


# %% wrong="residual_before_the_last_layer" points=2.5 why="adds h before the 1 x 1 convolution"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        return gate(a), self.out(h + gate(b))


# %% wrong="h_overwritten" points=2.0 why="adds to h in place"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        b = self.horizontal(F.pad(h, (self.m, 0))) + self.down(F.pad(a, (0, 0, 1, -1)))
        h += self.out(gate(b))
        return gate(a), h


# %% right="zero_rows_by_cat" why="zeros put on with torch.cat, slices in place of negative pads"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        B, C, H, W = v.shape
        top, side, left = v.new_zeros(B, C, self.m, W), v.new_zeros(B, C, H + self.m, self.m), v.new_zeros(B, C, H, self.m)
        a = self.vertical(torch.cat([side, torch.cat([top, v], dim=2), side], dim=3))
        above = torch.cat([torch.zeros_like(a[:, :, :1]), a[:, :, :-1]], dim=2)
        b = self.horizontal(torch.cat([left, h], dim=3)) + self.down(above)
        return gate(a), h + self.out(gate(b))


# %% right="shift_after_the_1x1" why="the 1 x 1 convolution first and the shift after it: without a bias the same"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        a = self.vertical(F.pad(v, (self.m, self.m, self.m, 0)))
        handed = F.pad(self.down(a)[:, :, :-1], (0, 0, 1, 0))
        b = handed + self.horizontal(F.pad(h, (self.m, 0)))
        return gate(a), self.out(gate(b)) + h


# %% right="padded_all_round" why="convolutions that pad on both sides, the surplus cut off, the gate written out"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        H, W = v.shape[2:]
        a = F.conv2d(v, self.vertical.weight, self.vertical.bias, padding=(self.m, self.m))[:, :, :H]
        b = F.conv2d(h, self.horizontal.weight, self.horizontal.bias, padding=(0, self.m))[:, :, :, :W]
        b[:, :, 1:] += self.down(a)[:, :, :-1]
        C = v.shape[1]
        v = torch.tanh(a[:, :C]) * torch.sigmoid(a[:, C:])
        return v, h + self.out(torch.tanh(b[:, :C]) * torch.sigmoid(b[:, C:]))


# %% right="one_row_at_a_time" why="row after row: the handing over needs no shift then"
class GatedBlock(nn.Module):
    def __init__(self, channels, k):
        super().__init__()
        self.m = (k - 1) // 2
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.m + 1, k))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.m + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v, h):
        H = v.shape[2]
        padded, left = F.pad(v, (self.m, self.m, self.m, 0)), F.pad(h, (self.m, 0))
        rows_v, rows_h, handed = [], [], 0
        for i in range(H):
            b = self.horizontal(left[:, :, i : i + 1]) + handed
            rows_h.append(h[:, :, i : i + 1] + self.out(gate(b)))
            a = self.vertical(padded[:, :, i : i + self.m + 1])
            rows_v.append(gate(a))
            handed = self.down(a)
        return torch.cat(rows_v, dim=2), torch.cat(rows_h, dim=2)
