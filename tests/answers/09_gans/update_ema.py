# %% [markdown]
# Answers to the task update_ema. One check of 2 points with four values (one_update, three_updates, model_kept, buffers).


# %% wrong="weights_swapped" points=0 why="decay and 1 - decay exchanged: the average is nearly the player"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mean.lerp_(new, decay) if mean.is_floating_point() else mean.copy_(new)


# %% wrong="parameters_only" points=1.5 why="forgets the buffers of normalisation layers"
def update_ema(average, model, decay):
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)


# %% wrong="buffers_copied" points=1.5 why="copies the running means in place of averaging them"
def update_ema(average, model, decay):
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
        for mean, new in zip(average.buffers(), model.buffers(), strict=True):
            mean.copy_(new)


# %% wrong="new_tensors" points=0 why="computes the average and never writes it back"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mean = decay * mean + (1 - decay) * new


# %% wrong="copied" points=0 why="copies the player: no average at all"
def update_ema(average, model, decay):
    average.load_state_dict(model.state_dict())


# %% wrong="shared_storage" points=0.5 why="makes the average's tensors the player's own"
def update_ema(average, model, decay):
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        new.data.copy_(decay * mean.data + (1 - decay) * new.data)
        mean.data = new.data
    for mean, new in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(mean.lerp(new, 1 - decay) if mean.is_floating_point() else new)


# %% wrong="model_overwritten" points=0 why="writes the average into the player"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        new.lerp_(mean, decay) if mean.is_floating_point() else new.copy_(mean)


# %% wrong="no_no_grad" points=0 why="changes leaves that require gradients in place, which autograd forbids"
def update_ema(average, model, decay):
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.mul_(decay).add_((1 - decay) * new)


# %% wrong="one_half" points=0 why="not scaled by 1 - decay: the average grows"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mean.mul_(decay).add_(new) if mean.is_floating_point() else mean.copy_(new)


# %% wrong="constant_decay" points=0.5 why="0.9 typed in"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mean.lerp_(new, 0.1) if mean.is_floating_point() else mean.copy_(new)


# %% wrong="counts_averaged" points=1.5 why="averages whole numbers too"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mean.copy_(decay * mean + (1 - decay) * new)


# %% wrong="weights_not_biases" points=0 why="averages matrices only and leaves vectors behind"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.ndim > 1:
            mean.lerp_(new, 1 - decay)


# %% right="by_name" why="parameters and buffers by name, under no_grad"
def update_ema(average, model, decay):
    with torch.no_grad():
        new = dict(model.named_parameters()) | dict(model.named_buffers())
        for name, mean in [*average.named_parameters(), *average.named_buffers()]:
            if torch.is_floating_point(mean):
                mean.mul_(decay).add_(new[name], alpha=1 - decay)
            else:
                mean.copy_(new[name])


# %% right="load_state_dict" why="builds a new state and loads it"
def update_ema(average, model, decay):
    old, new = average.state_dict(), model.state_dict()
    state = {
        name: decay * old[name] + (1 - decay) * new[name] if new[name].dtype.is_floating_point else new[name].clone()
        for name in old
    }
    average.load_state_dict(state)


# %% right="data" why="through .data, in float64"
def update_ema(average, model, decay):
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.data = (decay * mean.data.double() + (1 - decay) * new.data.double()).float()
    for mean, new in zip(average.buffers(), model.buffers(), strict=True):
        mean.data = mean.data + (1 - decay) * (new - mean.data) if mean.is_floating_point() else new.data.clone()


# %% right="in_numpy" why="writes through numpy views of the same memory"
def update_ema(average, model, decay):
    for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mean, new = mean.numpy(), new.numpy()
        mean[...] = decay * mean + (1 - decay) * new if mean.dtype.kind == "f" else new


# %% right="foreach" why="torch's multi-tensor functions for the floating ones"
def update_ema(average, model, decay):
    pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    means, news = zip(*((a, b) for a, b in pairs if a.is_floating_point()), strict=True)
    torch._foreach_lerp_(list(means), list(news), 1 - decay)
    for a, b in pairs:
        if not a.is_floating_point():
            a.fill_(b.item()) if a.ndim == 0 else a.copy_(b)
