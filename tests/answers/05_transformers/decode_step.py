# %% [markdown]
# Answers to the task decode_step. One check of 2 points (first_token, step_by_step, keys, values), one of 1 point
# (given_cache, two_ways_on).


# %% wrong="position_always_zero" points=1 why="every token believes that it is the first"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="position_one_too_high" points=1 why="counts itself"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2] + 1])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="position_from_heads" points=1 why="takes the number of heads for the length of the cache"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[1]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="no_positions" points=1 why="nothing is turned"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="query_not_turned" points=1.5 why="turns the new key only"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    k = rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="turns_the_whole_cache_again" points=1 why="the keys of the cache are turned already"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q = rotary(q, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    k = rotary(k, torch.arange(k.shape[2]))
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="new_one_first" points=1.5 why="puts the new key and value before the old ones"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([k, cache[0]], dim=2), torch.cat([v, cache[1]], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="does_not_see_itself" points=1 why="looks at the cache only, and enters it afterwards"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is None:
        found = torch.zeros_like(v)
    else:
        found, _ = attention(q, *cache)
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="looks_at_itself_only" points=1.5 why="attends to the new key, and only stores the rest"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    found, _ = attention(q, k, v)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="cache_does_not_grow" points=1 why="returns the new key and value alone"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    K, V = (k, v) if cache is None else (torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2))
    found, _ = attention(q, K, V)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="values_and_keys_swapped" points=1 why="returns (values, keys)"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (v, k)


# %% wrong="norm_forgotten" points=0 why="projects x itself"
def decode_step(x, cache, p, heads):
    normed = x[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="residual_forgotten" points=1 why="the first half replaces x"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="no_feed_forward" points=1 why="the second half is missing"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return x, (k, v)


# %% wrong="normed_cached" points=1.5 why="caches the normalised inputs in place of keys and values"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, torch.cat([v[:, :, :-1], split_heads(normed, heads)], dim=2))


# %% wrong="written_into_the_cache" points=2 why="replaces the oldest entry of the caller's cache in place to save memory"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is not None:
        new_k, new_v = k, v
        k, v = torch.cat([cache[0], new_k], dim=2), torch.cat([cache[1], new_v], dim=2)
        cache[0][:, :, -1:], cache[1][:, :, -1:] = new_k, new_v
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% wrong="one_global_cache" points=2 why="keeps the cache outside, and so cannot go on in two ways"
KEPT = {}


def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    q, k, v = (split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv"))
    here = torch.tensor([0 if cache is None else cache[0].shape[2]])
    q, k = rotary(q, here), rotary(k, here)
    if cache is None:
        KEPT.clear()
    else:
        cache = KEPT.get(heads, cache)
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    KEPT[heads] = (k, v)
    found, _ = attention(q, k, v)
    x = x + merge_heads(found)[:, 0] @ p["Wo"]
    return feed_forward(x, p), (k, v)


# %% right="views_by_hand" why="no helper for the heads; a list grows and is returned as tensors"
def decode_step(x, cache, p, heads):
    B, D = x.shape
    h = F.layer_norm(x, (D,), p["gain1"], p["bias1"])
    q, k, v = (h @ p[name] for name in ("Wq", "Wk", "Wv"))
    q, k, v = (z.view(B, heads, 1, D // heads) for z in (q, k, v))
    keys, values = ([], []) if cache is None else ([cache[0]], [cache[1]])
    at = torch.tensor([sum(part.shape[2] for part in keys)])
    keys.append(rotary(k, at))
    values.append(v)
    keys, values = torch.cat(keys, 2), torch.cat(values, 2)
    out = attention(rotary(q, at), keys, values)[0].reshape(B, D)
    return feed_forward(x + out @ p["Wo"], p), (keys, values)


# %% right="empty_cache" why="None stands for an empty cache; einsum for the look-up"
def decode_step(x, cache, p, heads):
    B, D = x.shape
    if cache is None:
        cache = (torch.zeros(B, heads, 0, D // heads), torch.zeros(B, heads, 0, D // heads))
    t = cache[0].size(2)
    h = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"]).unsqueeze(1)
    q = rotary(split_heads(h @ p["Wq"], heads), torch.full((1,), t))
    k = torch.cat((cache[0], rotary(split_heads(h @ p["Wk"], heads), torch.full((1,), t))), dim=-2)
    v = torch.cat((cache[1], split_heads(h @ p["Wv"], heads)), dim=-2)
    w = torch.einsum("bhqd,bhkd->bhqk", q, k).div(math.sqrt(D // heads)).softmax(-1)
    o = torch.einsum("bhqk,bhkd->bqhd", w, v).reshape(B, D)
    return feed_forward(x + o @ p["Wo"], p), (k, v)


# %% right="copied_into_a_longer_one" why="new tensors, filled by index, in float64; a list comes back"
def decode_step(x, cache, p, heads):
    B, D = x.shape
    t = 0 if cache is None else cache[0].shape[2]
    keys = torch.empty(B, heads, t + 1, D // heads, dtype=torch.float64)
    values = torch.empty_like(keys)
    if cache is not None:
        keys[:, :, :t], values[:, :, :t] = cache[0], cache[1]
    h = F.layer_norm(x, (D,), p["gain1"], p["bias1"])[:, None]
    keys[:, :, t:] = rotary(split_heads(h @ p["Wk"], heads), torch.tensor([float(t)]))
    values[:, :, t:] = split_heads(h @ p["Wv"], heads)
    q = rotary(split_heads(h @ p["Wq"], heads), torch.tensor([float(t)])).double()
    out = merge_heads(attention(q, keys, values)[0])[:, 0].float()
    return feed_forward(x + out @ p["Wo"], p), [keys.float(), values.float()]


# %% right="library_attention" why="PyTorch's own attention for the one query"
def decode_step(x, cache, p, heads):
    normed = F.layer_norm(x, x.shape[-1:], p["gain1"], p["bias1"])[:, None]
    here = torch.arange(1) + (0 if cache is None else cache[1].shape[-2])
    q, k, v = [split_heads(normed @ p[name], heads) for name in ("Wq", "Wk", "Wv")]
    k = rotary(k, here)
    if cache is not None:
        k, v = (torch.cat(pair, dim=2) for pair in zip(cache, (k, v)))
    found = F.scaled_dot_product_attention(rotary(q, here), k, v)
    return feed_forward(x + (merge_heads(found) @ p["Wo"]).squeeze(1), p), (k, v)
