# %% [markdown]
# Answers to the task causal_conv1d. One check of 2 points with four values, one of 1 point with one.

# %% wrong="same_padding" points=0 why="pads half on each side: every output sees the future"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(x, weight, bias, dilation=dilation, padding=(weight.shape[-1] - 1) * dilation // 2)


# %% wrong="no_padding" points=0 why="the output is shorter than the input"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(x, weight, bias, dilation=dilation)


# %% wrong="padded_on_the_right" points=0 why="anticausal: output t sees the inputs from t on"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, (0, (weight.shape[-1] - 1) * dilation)), weight, bias, dilation=dilation)


# %% wrong="both_sides_not_cut" points=0 why="padding= on both sides and the end never cut off"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(x, weight, bias, dilation=dilation, padding=(weight.shape[-1] - 1) * dilation)


# %% wrong="cut_at_the_front" points=0 why="pads both sides and then drops the beginning instead of the end"
def causal_conv1d(x, weight, bias, dilation=1):
    reach = (weight.shape[-1] - 1) * dilation
    return F.conv1d(x, weight, bias, dilation=dilation, padding=reach)[:, :, reach:]


# %% wrong="dilation_ignored" points=0.5 why="right for dilation 1 only"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, (weight.shape[-1] - 1, 0)), weight, bias)


# %% wrong="padding_without_dilation" points=0.5 why="the filter is dilated and the padding is not"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, (weight.shape[-1] - 1, 0)), weight, bias, dilation=dilation)


# %% wrong="k_times_d" points=0 why="pads k d in place of (k-1) d: one step too many"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, (weight.shape[-1] * dilation, 0)), weight, bias, dilation=dilation)


# %% wrong="shifted_by_one" points=0 why="strictly causal: output t sees the inputs before t only"
def causal_conv1d(x, weight, bias, dilation=1):
    x = F.pad(x, ((weight.shape[-1] - 1) * dilation + 1, 0))[:, :, :-1]
    return F.conv1d(x, weight, bias, dilation=dilation)


# %% wrong="flipped_filter" points=0 why="a convolution of the textbooks: the first tap meets the present"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, ((weight.shape[-1] - 1) * dilation, 0)), weight.flip(2), bias, dilation=dilation)


# %% wrong="bias_forgotten" points=1 why="right wherever the bias is zero"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, ((weight.shape[-1] - 1) * dilation, 0)), weight, dilation=dilation)


# %% wrong="edge_repeated" points=0 why="repeats the first value before the beginning in place of zeros"
def causal_conv1d(x, weight, bias, dilation=1):
    x = F.pad(x, ((weight.shape[-1] - 1) * dilation, 0), mode="replicate")
    return F.conv1d(x, weight, bias, dilation=dilation)


# %% wrong="stride_for_dilation" points=0.5 why="the dilation is passed as a stride"
def causal_conv1d(x, weight, bias, dilation=1):
    return F.conv1d(F.pad(x, ((weight.shape[-1] - 1) * dilation, 0)), weight, bias, stride=dilation)


# %% right="pad_both_cut_the_end" why="padding= on both sides, then the first T outputs"
def causal_conv1d(x, weight, bias, dilation=1):
    reach = (weight.shape[-1] - 1) * dilation
    return F.conv1d(x, weight, bias, dilation=dilation, padding=reach)[:, :, : x.shape[2]]


# %% right="sum_over_taps" why="adds up shifted copies of the sequence, one a tap, in float64"
def causal_conv1d(x, weight, bias, dilation=1):
    B, C, T = x.shape
    k = weight.shape[2]
    y = bias.double()[:, None].expand(B, -1, T).clone()
    for j in range(k):
        back = (k - 1 - j) * dilation
        if back < T:
            y[:, :, back:] += weight[:, :, j].double() @ x[:, :, : T - back].double()
    return y


# %% right="loops" why="eq. (1) as it stands, in numpy"
def causal_conv1d(x, weight, bias, dilation=1):
    import numpy as np

    x, weight, bias = (np.asarray(t.detach(), dtype=np.float64) for t in (x, weight, bias))
    (B, _, T), (C_out, _, k) = x.shape, weight.shape
    y = np.zeros((B, C_out, T))
    for t in range(T):
        y[:, :, t] = bias
        for j in range(k):
            s = t - (k - 1 - j) * dilation
            if s >= 0:
                y[:, :, t] += x[:, :, s] @ weight[:, :, j].T
    return y


# %% right="as_a_layer" why="makes an nn.Conv1d and fills it"
def causal_conv1d(x, weight, bias, dilation=1):
    c_out, c_in, k = weight.shape
    layer = nn.Conv1d(c_in, c_out, k, dilation=dilation)
    layer.weight.data, layer.bias.data = weight, bias
    return layer(torch.cat([torch.zeros(len(x), c_in, (k - 1) * dilation), x], dim=2))


# %% right="gathered" why="an index table of the inputs of every tap, and einsum"
def causal_conv1d(x, weight, bias, dilation=1):
    T, k = x.shape[2], weight.shape[2]
    when = torch.arange(T)[:, None] - dilation * torch.arange(k - 1, -1, -1)  # (T, k)
    taps = x[:, :, when.clamp(min=0)] * (when >= 0)  # (B, C_in, T, k)
    return torch.einsum("bctk,ock->bot", taps, weight) + bias[:, None]
