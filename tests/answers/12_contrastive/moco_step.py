# %% [markdown]
# Answers to the task moco_step. One check of 2 points with four values (loss, query_encoder, key_encoder, queue), one of
# 1 point with two (old_gradients, four_steps).


# %% wrong="pushed_first" points=0.5 why="the new keys are in the queue before the loss: the positive is a negative as well"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    queue.push(k)
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    return float(loss.detach())


# %% wrong="never_pushed" points=2 why="the queue stays as it is"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    return float(loss.detach())


# %% wrong="queries_pushed" points=2 why="pushes the queries"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    q = query_encoder(x_q)
    loss = info_nce(q, k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(F.normalize(q, dim=1))
    return float(loss.detach())


# %% wrong="keys_not_normalised" points=2 why="pushes keys of any length"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = key_encoder(x_k).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="keys_made_again" points=2 why="pushes keys made after the key encoder has moved"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(F.normalize(key_encoder(x_k), dim=1).detach())
    return float(loss.detach())


# %% wrong="views_exchanged" points=0 why="each encoder gets the other's view"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_q), dim=1).detach()
    loss = info_nce(query_encoder(x_k), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="one_encoder" points=0 why="keys from the query encoder"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(query_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="same_view" points=0 why="query and key from the same view"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_q), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="momentum_before_the_step" points=1.5 why="the key encoder follows the query encoder before its step"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    momentum_update(key_encoder, query_encoder, m)
    optimiser.step()
    queue.push(k)
    return float(loss.detach())


# %% wrong="momentum_at_the_start" points=0 why="the key encoder moves before it makes the keys"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    momentum_update(key_encoder, query_encoder, m)
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    queue.push(k)
    return float(loss.detach())


# %% wrong="momentum_swapped" points=1.5 why="hands over 1 - m"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, 1 - m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="encoders_swapped" points=1 why="the query encoder follows the key encoder"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(query_encoder, key_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="no_momentum_update" points=1.5 why="the key encoder never moves"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    queue.push(k)
    return float(loss.detach())


# %% wrong="no_zero_grad" points=2 why="gradients pile up"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="zeroed_before_the_step" points=1 why="zero_grad between backward and step"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    loss.backward()
    optimiser.zero_grad()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="cleared_at_the_end" points=2.5 why="clears after the step, not before"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="no_step" points=1 why="forgets the optimiser's step"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="key_gradients_cleared" points=2 why="clears the key encoder's gradients"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    query_encoder.zero_grad()
    key_encoder.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="gradient_into_the_key_encoder" points=2.5 why="a loss of its own, through which the key encoder learns too"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1)
    q = F.normalize(query_encoder(x_q), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.keys()], dim=1) / tau
    loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="whole_buffer" points=0.5 why="all columns as negatives, empty ones too"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.columns, tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="no_temperature" points=0.5 why="tau of 1"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), 1.0)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="loss_after_the_step" points=2 why="returns the loss after the step"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    with torch.no_grad():
        loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="both_directions" points=0.5 why="adds the loss with the views exchanged"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    other = F.normalize(key_encoder(x_q), dim=1).detach()
    loss = (loss + info_nce(query_encoder(x_k), other, queue.keys(), tau)[0]) / 2
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% wrong="own_descent" points=2.5 why="plain descent by hand, whatever the optimiser"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    k = F.normalize(key_encoder(x_k), dim=1).detach()
    loss = info_nce(query_encoder(x_q), k, queue.keys(), tau)[0]
    gradients = torch.autograd.grad(loss, list(query_encoder.parameters()))
    for parameter, gradient in zip(query_encoder.parameters(), gradients, strict=True):
        parameter.data -= optimiser.param_groups[0]["lr"] * gradient
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return float(loss.detach())


# %% right="gradients_taken" why="autograd.grad, handed to the optimiser; the key encoder in inference mode"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    with torch.inference_mode():
        k = key_encoder(x_k)
    k = k.clone()
    k = k / k.norm(dim=1, keepdim=True)
    loss, share = info_nce(query_encoder(x_q), k, queue.keys().clone(), tau)
    parameters = list(query_encoder.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
    queue.push(k)
    momentum_update(key_encoder, query_encoder, m)
    return loss


# %% right="closure" why="optimiser.step with a closure, keys kept as they come and normalised when pushed"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    keys, negatives = key_encoder(x_k).data, queue.keys().clone()

    def closure():
        optimiser.zero_grad(set_to_none=False)
        loss = info_nce(query_encoder(x_q), keys, negatives, tau)[0]
        loss.backward(inputs=list(query_encoder.parameters()))
        return loss

    value = optimiser.step(closure)
    queue.push(F.normalize(keys))
    momentum_update(key_encoder, query_encoder, m)
    return value.item()


# %% right="own_loss" why="the loss written out; parameters of the key encoder frozen meanwhile"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    key_encoder.requires_grad_(False)
    k = F.normalize(key_encoder(x_k), dim=1)
    key_encoder.requires_grad_(True)
    q = F.normalize(query_encoder(x_q), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.keys()], dim=1) / tau
    loss = (logits.logsumexp(1) - logits[:, 0]).mean()
    for parameter in query_encoder.parameters():
        parameter.grad = None
    loss.backward()
    optimiser.step()
    momentum_update(key_encoder, query_encoder, m)
    queue.push(k)
    return loss.item()


# %% right="a_copy_makes_the_keys" why="keys from a copy of the key encoder; what follows in another order"
def moco_step(query_encoder, key_encoder, optimiser, queue, x_q, x_k, tau, m):
    q = query_encoder(x_q)
    k = F.normalize(copy.deepcopy(key_encoder)(x_k).detach(), dim=-1)
    optimiser.zero_grad()
    loss = info_nce(q, k, queue.keys(), tau)[0]
    loss.backward()
    optimiser.step()
    queue.push(k)
    momentum_update(key_encoder, query_encoder, m)
    return loss.detach().numpy()
