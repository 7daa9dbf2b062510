# %% [markdown]
# Answers to the task momentum_update. One check of 2 points with four values (one_update, three_updates, query_kept,
# buffers).


# %% wrong="swapped" points=0 why="m and 1 - m exchanged: the key encoder is nearly the query encoder"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow.data = (1 - m) * slow.data + m * fast.data


# %% wrong="arguments_swapped" points=0 why="the query encoder follows the key encoder"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        fast.data = m * fast.data + (1 - m) * slow.data


# %% wrong="loop_variable" points=0 why="assigns to the loop variable"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow = m * slow.data + (1 - m) * fast.data


# %% wrong="buffers_too" points=1.5 why="averages the running statistics as well"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.state_dict().values(), query_encoder.state_dict().values(), strict=True):
        slow.lerp_(fast, 1 - m) if slow.is_floating_point() else slow.copy_(fast)


# %% wrong="buffers_copied" points=1.5 why="copies the running statistics"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow.data = m * slow.data + (1 - m) * fast.data
    for slow, fast in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
        slow.copy_(fast)


# %% wrong="copy" points=0 why="a copy: m is forgotten"
def momentum_update(key_encoder, query_encoder, m):
    with torch.no_grad():
        for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
            slow.copy_(fast)


# %% wrong="everything_loaded" points=0 why="loads the state of the query encoder"
def momentum_update(key_encoder, query_encoder, m):
    key_encoder.load_state_dict(query_encoder.state_dict())


# %% wrong="no_no_grad" points=0 why="in-place on leaves that require gradients"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow.mul_(m).add_((1 - m) * fast)


# %% wrong="sum_of_both" points=0 why="adds without weighing the query encoder"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow.data = m * slow.data + fast.data


# %% wrong="velocity" points=0 why="the momentum of an optimiser: steps by the difference and keeps all of the old"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow.data = slow.data + m * (fast.data - slow.data)


# %% wrong="shared_storage" points=0.5 why="makes both encoders one"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        fast.data.lerp_(slow.data, m)
        slow.data = fast.data


# %% wrong="weights_only" points=0 why="forgets the biases and the normalisation layer"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        if slow.dim() > 1:
            slow.data = m * slow.data + (1 - m) * fast.data


# %% wrong="first_layer_only" points=0 why="stops after the first layer"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder[0].parameters(), query_encoder[0].parameters(), strict=True):
        slow.data = m * slow.data + (1 - m) * fast.data


# %% wrong="deep_copy" points=0 why="binds a local name to a new module"
def momentum_update(key_encoder, query_encoder, m):
    old, key_encoder = key_encoder, copy.deepcopy(query_encoder)
    for slow, before in zip(key_encoder.parameters(), old.parameters(), strict=True):
        slow.data.lerp_(before.data, m)


# %% right="foreach" why="all parameters in one call"
def momentum_update(key_encoder, query_encoder, m):
    with torch.no_grad():
        slow, fast = list(key_encoder.parameters()), list(query_encoder.parameters())
        torch._foreach_mul_(slow, m)
        torch._foreach_add_(slow, fast, alpha=1 - m)


# %% right="by_name" why="looks the partners up by name, in float64"
@torch.no_grad()
def momentum_update(key_encoder, query_encoder, m):
    fast = dict(query_encoder.named_parameters())
    for name, slow in key_encoder.named_parameters():
        slow.copy_(m * slow.double() + (1 - m) * fast[name].double())


# %% right="vector" why="all parameters as one long vector"
def momentum_update(key_encoder, query_encoder, m):
    from torch.nn.utils import parameters_to_vector, vector_to_parameters

    slow, fast = (parameters_to_vector(e.parameters()).detach() for e in (key_encoder, query_encoder))
    vector_to_parameters(slow + (1 - m) * (fast - slow), key_encoder.parameters())


# %% right="new_data" why="gives each parameter new data"
def momentum_update(key_encoder, query_encoder, m):
    for slow, fast in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        slow.data = m * slow.data + (1 - m) * fast.data


# %% right="load_mixed_state" why="loads a state dict of mixed parameters and its own buffers"
def momentum_update(key_encoder, query_encoder, m):
    state, names = key_encoder.state_dict(), [name for name, _ in key_encoder.named_parameters()]
    new = query_encoder.state_dict()
    mixed = {name: torch.lerp(state[name], new[name], 1 - m) for name in names}
    key_encoder.load_state_dict(state | mixed)
