# %% [markdown]
# Answers to the task sample_fast. One check of 1 point (samples), one of 2 points (samples_times_excess).

# %% wrong="a_pass_a_pixel" points=1 why="the sampler of task 6"
def sample_fast(model, order, u):
    return sample(model, order, u)


# %% wrong="all_logits_every_time" points=1 why="updates a, but computes the whole output layer for each pixel"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in order.argsort():
            logits = a.relu() @ V.T + model.layers[1].bias
            x[:, i] = (u[:, i] < logits[:, i].sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% wrong="hidden_layer_every_time" points=1 why="one row of the output layer, but the whole hidden layer for each pixel"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            a = x @ W.T + model.layers[0].bias
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
    return x


# %% wrong="masks_forgotten" points=0 why="the update and the output without masks: pixels hear of units that they may not"
def sample_fast(model, order, u):
    W, V = model.layers[0].weight, model.layers[1].weight
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% wrong="hidden_bias_forgotten" points=0 why="starts from zero"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = torch.zeros(len(u), len(W))
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% wrong="output_bias_forgotten" points=0 why="no bias at the output"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a.relu() @ V[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% wrong="relu_on_the_state" points=0 why="keeps the activations and adds to them: what was cut off does not come back"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        h = model.layers[0].bias.repeat(len(u), 1).relu()
        for i in order.argsort():
            x[:, i] = (u[:, i] < (h @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            h = (h + x[:, i, None] * W[:, i]).relu()
    return x


# %% wrong="no_relu" points=0 why="forgets the ReLU"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% wrong="raster_order" points=0 why="walks in raster order"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in range(u.shape[1]):
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% wrong="bias_added_each_time" points=0 why="adds the bias with every pixel"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i] + model.layers[0].bias
    return x


# %% wrong="sums_up_what_it_has" points=0 why="adds x @ W of all pixels so far, so early pixels count many times"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.repeat(len(u), 1)
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a = a + x @ W.T
    return x


# %% wrong="bias_of_the_model_changed" points=0 why="updates the model's bias in place, one state for all images"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = model.layers[0].bias.data
        for i in order.argsort():
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + model.layers[1].bias[i]).sigmoid()).float()
            a += x[0, i] * W[:, i]
    return x


# %% wrong="masked_in_the_loop" points=1 why="makes and applies the masks again for each pixel"
def sample_fast(model, order, u):
    hidden, out = model.layers
    x = torch.zeros_like(u)
    with torch.no_grad():
        a = hidden.bias.repeat(len(u), 1)
        for i in order.argsort():
            M, N = made_masks(order, model.degrees)
            W, V = hidden.weight * M, out.weight * N
            x[:, i] = (u[:, i] < (a.relu() @ V[i] + out.bias[i]).sigmoid()).float()
            a += x[:, i, None] * W[:, i]
    return x


# %% right="weighted_sum_with_gradients" why="a new state each time, gradients left on, elementwise products"
def sample_fast(model, order, u):
    M, N = made_masks(order, model.degrees)
    W, V = model.layers[0].weight * M, model.layers[1].weight * N
    state = model.layers[0].bias[None, :].expand(len(u), -1)
    columns = {}
    for i in order.argsort().tolist():
        logit = (torch.clamp(state, min=0) * V[i]).sum(1) + model.layers[1].bias[i]
        columns[i] = (u[:, i] < torch.sigmoid(logit)).float()
        state = torch.addcmul(state, columns[i][:, None], W[:, i][None])
    return torch.stack([columns[i] for i in range(len(order))], dim=1)


# %% right="units_that_may_listen" why="column and row masked by the degrees, without made_masks"
def sample_fast(model, order, u):
    (first, last), (degree,) = model.layers, model.degrees
    W, V, x = first.weight.detach().t(), last.weight.detach(), torch.zeros_like(u)
    a = first.bias.detach() + torch.zeros(len(u), 1)
    for place, i in enumerate(order.argsort()):
        h = torch.relu(a) * (degree < place)
        x[:, i] = (u[:, i] < (h @ V[i] + last.bias[i].detach()).sigmoid()).float()
        a = a + torch.outer(x[:, i], W[i] * (degree >= place))
    return x


# %% right="numpy" why="numpy, in float64"
def sample_fast(model, order, u):
    import numpy as np

    M, N = (m.double().numpy() for m in made_masks(order, model.degrees))
    W, b, V, c = (p.detach().double().numpy() for p in model.parameters())
    W, V, u = W * M, V * N, u.double().numpy()
    a, x = np.tile(b, (len(u), 1)), np.zeros_like(u)
    for i in np.argsort(order.numpy()):
        x[:, i] = u[:, i] < 1 / (1 + np.exp(-(np.maximum(a, 0) @ V[i] + c[i])))
        a += np.outer(x[:, i], W[:, i])
    return torch.from_numpy(x)


# %% right="in_order_of_places" why="weights sorted by place first, the pixels put back at the end; float64"
def sample_fast(model, order, u):
    pixels = order.argsort()
    M, N = made_masks(order, model.degrees)
    with torch.no_grad():
        W = (model.layers[0].weight * M)[:, pixels].double().T.contiguous()
        V = (model.layers[1].weight * N)[pixels].double()
        c, v = model.layers[1].bias[pixels].double(), torch.logit(u.double())[:, pixels]
        a = model.layers[0].bias.double().repeat(len(u), 1)
        x = torch.empty(len(order), len(u), dtype=torch.float64)
        for place in range(len(order)):
            torch.lt(v[:, place], torch.addmv(c[place], a.relu(), V[place]), out=(bit := torch.empty(len(u), dtype=torch.bool)))
            x[place] = bit
            a[bit] += W[place]
        return x.T[:, order].float()
