# %% [markdown]
# Answers to the task multi_head. One check of 1 point (split, merged), one of 2 points with four values.

# %% wrong="reshaped_not_moved" points=0 why="reshapes straight to (B, heads, n, d): positions and heads mixed"
def split_heads(x, heads):
    B, n, D = x.shape
    return x.reshape(B, heads, n, D // heads)


def merge_heads(x):
    B, heads, n, d = x.shape
    return x.reshape(B, n, heads * d)


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="merge_reshaped_only" points=0.5 why="splits well, but merges without moving the axis back"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    B, heads, n, d = x.shape
    return x.reshape(B, n, heads * d)


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="heads_interleaved" points=0 why="head h gets every h-th column, (d h) in place of (h d)"
def split_heads(x, heads):
    return rearrange(x, "b n (d h) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (d h)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="matrices_transposed" points=1 why="x @ W.T, as nn.Linear stores its matrix"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(F.linear(x, W), heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return F.linear(merge_heads(attention(q, k, v, mask)[0]), Wo)


# %% wrong="no_output_matrix" points=1 why="the heads are not mixed at the end"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q, k, v, mask)[0])


# %% wrong="mask_forgotten" points=2 why="the mask is not passed on"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q, k, v)[0]) @ Wo


# %% wrong="positions_forgotten" points=2.5 why="queries and keys are not turned"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="always_positions" points=1.5 why="turns by 0, 1, 2, ... where no positions are given"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    positions = torch.arange(x.shape[1]) if positions is None else positions
    q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="turned_before_the_split" points=2.5 why="the speeds run over the whole width, not over each head"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    q, k, v = (split_heads(z, heads) for z in (q, k, v))
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="values_turned" points=2.5 why="turns the values too"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    parts = [split_heads(x @ W, heads) for W in (Wq, Wk, Wv)]
    if positions is not None:
        parts = [rotary(part, positions) for part in parts]
    return merge_heads(attention(*parts, mask)[0]) @ Wo


# %% wrong="keys_not_turned" points=2.5 why="turns the queries only: scores depend on the absolute position"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q = rotary(q, positions)
    return merge_heads(attention(q, k, v, mask)[0]) @ Wo


# %% wrong="scaled_by_the_whole_width" points=1 why="divides the scores by sqrt(D), not by sqrt(D / heads)"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return merge_heads(attention(q / math.sqrt(heads), k, v, mask)[0]) @ Wo


# %% wrong="one_head" points=1 why="attention over the whole width, whatever the number of heads"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return attention(q, k, v, mask)[0] @ Wo


# %% wrong="heads_added" points=1 why="adds what the heads found, each through the same rows of Wo"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = (split_heads(x @ W, heads) for W in (Wq, Wk, Wv))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    found = attention(q, k, v, mask)[0].sum(1)
    return found @ Wo[: found.shape[-1]]


# %% right="views" why="view and transpose"
def split_heads(x, heads):
    B, n, D = x.shape
    return x.view(B, n, heads, D // heads).transpose(1, 2)


def merge_heads(x):
    B, heads, n, d = x.shape
    return x.transpose(1, 2).contiguous().view(B, n, heads * d)


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    q, k, v = split_heads(x @ Wq, heads), split_heads(x @ Wk, heads), split_heads(x @ Wv, heads)
    if positions is not None:
        q = rotary(q, positions)
        k = rotary(k, positions)
    out, _ = attention(q, k, v, mask)
    return torch.matmul(merge_heads(out), Wo)


# %% right="loop_over_heads" why="one head at a time, with its columns of the matrices and its rows of Wo"
def split_heads(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


def merge_heads(x):
    return torch.cat(x.unbind(1), dim=-1)


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    d = x.shape[-1] // heads
    y = torch.zeros_like(x)
    for h in range(heads):
        mine = slice(h * d, (h + 1) * d)
        q, k, v = x @ Wq[:, mine], x @ Wk[:, mine], x @ Wv[:, mine]
        if positions is not None:
            q, k = rotary(q, positions), rotary(k, positions)
        y = y + attention(q, k, v, mask)[0] @ Wo[mine]
    return y


# %% right="einsum" why="the matrices split, not the vectors"
def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).permute(0, 2, 1, 3)


def merge_heads(x):
    return x.permute(0, 2, 1, 3).flatten(2)


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    D = x.shape[-1]
    q, k, v = (
        torch.einsum("bnD,Dhd->bhnd", x, W.reshape(D, heads, D // heads)) for W in (Wq, Wk, Wv)
    )
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    return torch.einsum("bhnd,hdD->bnD", attention(q, k, v, mask)[0], Wo.reshape(heads, D // heads, D))


# %% right="one_product" why="one product for queries, keys and values, heads as part of the batch, in float64"
def split_heads(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge_heads(x):
    return rearrange(x, "b h n d -> b n (h d)")


def multi_head(x, Wq, Wk, Wv, Wo, heads, *, mask=None, positions=None):
    B = x.shape[0]
    q, k, v = (x.double() @ torch.cat([Wq, Wk, Wv], dim=1).double()).chunk(3, dim=-1)
    q, k, v = (rearrange(z, "b n (h d) -> (b h) n d", h=heads) for z in (q, k, v))
    if positions is not None:
        q, k = rotary(q, positions), rotary(k, positions)
    out, _ = attention(q, k, v, mask)
    return (rearrange(out, "(b h) n d -> b n (h d)", b=B) @ Wo.double()).float()
