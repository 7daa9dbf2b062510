# %% [markdown]
# Answers to the task train_lista. One check of 2 points with four values (losses, weights, two_rates, old_gradients).


# %% wrong="mean_of_everything" points=0 why="a mean over the atoms too: losses and gradients m times too small"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="sum_of_everything" points=0 why="a sum over the batch: gradients grow with it"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="not_squared" points=0 why="the distance, not its square"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).norm(dim=0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="constant_rate" points=0.5 why="the learning rate never falls"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="falls_after_rounds" points=0.5 why="the rate falls after every round, not after every batch"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - (k * epochs // len(batches)) / epochs)
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="compounded" points=0.5 why="each rate from the last one, not from the first"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    losses = []
    for k, (signals, codes) in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] *= 1 - k / len(batches)
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="one_rate_for_all" points=1.5 why="gives every group the first one's rate"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rates[0] * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="falls_too_early" points=0 why="1 - (k + 1) / K: the last batch changes nothing, a single one never does"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - (k + 1) / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="no_zero_grad" points=0 why="gradients pile up"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="zeroed_at_the_end" points=1.5 why="clears after the step: what stood there before the first counts"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    return losses


# %% wrong="never_steps" points=0 why="forgets optimiser.step()"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        losses.append(loss.item())
    return losses


# %% wrong="last_batch_dropped" points=0 why="whole batches only"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    full = range(x.shape[1] // batch_size)
    pieces = [slice(i * batch_size, (i + 1) * batch_size) for i in full]
    batches = [(x[:, piece], z_star[:, piece]) for piece in pieces] * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="one_round" points=0.5 why="ignores epochs"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True))
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="loss_after_the_step" points=1.5 why="the loss of each batch after its step"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append((model(signals) - codes).square().sum(0).mean().item())
    return losses


# %% wrong="mean_of_rounds" points=1.5 why="one loss a round, the mean of its batches"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return torch.tensor(losses).view(epochs, -1).mean(1)


# %% wrong="rows" points=0 why="cuts the batches along the first axis"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    batches = list(zip(x.split(batch_size), z_star.split(batch_size), strict=False)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% wrong="shuffled" points=0.5 why="its own order: the losses are of other batches"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    order = torch.randperm(x.shape[1])
    x, z_star = x[:, order], z_star[:, order]
    batches = list(zip(x.split(batch_size, dim=1), z_star.split(batch_size, dim=1), strict=True)) * epochs
    rates, losses = [group["lr"] for group in optimiser.param_groups], []
    for k, (signals, codes) in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - k / len(batches))
        loss = (model(signals) - codes).square().sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% right="lambda_lr" why="torch's scheduler, moved on after each batch"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    starts, losses = range(0, x.shape[1], batch_size), []
    total = epochs * len(starts)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 1 - k / total)
    for _ in range(epochs):
        for start in starts:
            error = model(x[:, start : start + batch_size]) - z_star[:, start : start + batch_size]
            loss = (error**2).sum() / error.shape[1]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            scheduler.step()
            losses.append(float(loss))
    return losses


# %% right="mse" why="mse_loss by signal, gradients cleared by hand"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    count = math.ceil(x.shape[1] / batch_size)
    first = {id(group): group["lr"] for group in optimiser.param_groups}
    losses = torch.zeros(epochs * count)
    for k in range(epochs * count):
        piece = slice(k % count * batch_size, (k % count + 1) * batch_size)
        for parameter in model.parameters():
            parameter.grad = None
        wanted = z_star[:, piece]
        loss = F.mse_loss(model(x[:, piece]), wanted, reduction="sum") / wanted.shape[1]
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = first[id(group)] * (epochs * count - k) / (epochs * count)
        optimiser.step()
        losses[k] = loss.detach()
    return losses


# %% right="gradients_taken" why="autograd.grad, written into .grad; the rates are put back at the end"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    rates = [group["lr"] for group in optimiser.param_groups]
    chunks = list(torch.arange(x.shape[1]).split(batch_size))
    losses, K = [], epochs * len(chunks)
    for k in range(K):
        chosen = chunks[k % len(chunks)]
        loss = torch.stack([(model(x[:, [i]]) - z_star[:, [i]]).pow(2).sum() for i in chosen]).mean()
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = slope
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate - rate * k / K
        optimiser.step()
        losses += [loss.item()]
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate
    return losses


# %% right="linear_lr" why="LinearLR, and a DataLoader-like dataset of columns"
def train_lista(model, optimiser, x, z_star, *, epochs, batch_size):
    pairs = torch.utils.data.TensorDataset(x.T, z_star.T)
    loader = torch.utils.data.DataLoader(pairs, batch_size=batch_size)
    fall = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, epochs * len(loader))
    losses = []
    for _ in range(epochs):
        for signals, codes in loader:
            loss = (model(signals.T).T - codes).square().sum(1).mean(0)
            optimiser.zero_grad(set_to_none=False)
            loss.backward()
            optimiser.step()
            fall.step()
            losses.append(loss.item())
    return losses
