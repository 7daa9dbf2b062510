# %% [markdown]
# Answers to the task alternating_step. Two checks of 2 points: five values (loss, D_moved, old_gradients, G_untouched,
# penalty) and four (loss, G_moved, old_gradients, three_rounds).


# %% wrong="no_detach" points=3.6 why="the discriminator's step writes gradients into the generator"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z)))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="detached_in_both" points=2.5 why="detaches the fakes in the generator's step too: G learns nothing"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z).detach()))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="no_zero_grad" points=2.6 why="gradients pile up from step to step, and from player to player"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="cleared_at_the_end" points=2.6 why="clears its own gradients after the step: what the other player leaves counts"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


# %% wrong="zeroed_before_the_step" points=0.9 why="zero_grad between backward and step: nobody moves"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    loss.backward()
    optimiser.zero_grad()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    loss.backward()
    optimiser.zero_grad()
    optimiser.step()
    return loss.item()


# %% wrong="saturating" points=2 why="the generator plays the game as written, with the saturating loss"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss_saturating(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="penalty_ignored" points=3.6 why="the penalty is never added"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="penalty_after_backward" points=3.6 why="the penalty is in the loss that is returned, not in the gradient"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if penalty is not None:
        loss = loss + penalty(D, x)
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="penalty_on_fakes" points=3.6 why="the penalty sees what G made, not the real batch"
def d_step(G, D, optimiser, x, z, penalty=None):
    fake = G(z).detach()
    loss = d_loss(D(x), D(fake))
    if penalty is not None:
        loss = loss + penalty(D, fake)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="D_frozen_for_good" points=3.5 why="freezes D for the generator's step and never thaws it"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    for parameter in D.parameters():
        parameter.requires_grad_(False)
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="D_without_gradient" points=2 why="no_grad around D cuts the way back to the generator"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    fake = G(z)
    with torch.no_grad():
        logits = D(fake)
    loss = g_loss(logits)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="uphill" points=0 why="minimises minus the discriminator's loss"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = -d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = -g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="real_and_fake_swapped" points=1.5 why="fakes first: D learns to call them real"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(G(z).detach()), D(x))
    if penalty is not None:
        loss = loss + penalty(D, x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="everything_cleared" points=3.2 why="the discriminator's step clears the generator's gradients as well"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    G.zero_grad()
    D.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    G.zero_grad()
    D.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="loss_after_the_step" points=2.7 why="returns the loss after the step"
def d_step(G, D, optimiser, x, z, penalty=None):
    def loss_now():
        loss = d_loss(D(x), D(G(z).detach()))
        return loss if penalty is None else loss + penalty(D, x)

    optimiser.zero_grad()
    loss_now().backward()
    optimiser.step()
    return loss_now().item()


def g_step(G, D, optimiser, z):
    optimiser.zero_grad()
    g_loss(D(G(z))).backward()
    optimiser.step()
    return g_loss(D(G(z))).item()


# %% wrong="own_descent" points=3.5 why="plain descent by hand, whatever optimiser was given"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z).detach()))
    if penalty is not None:
        loss = loss + penalty(D, x)
    gradients = torch.autograd.grad(loss, list(D.parameters()))
    for parameter, gradient in zip(D.parameters(), gradients, strict=True):
        parameter.data -= optimiser.param_groups[0]["lr"] * gradient
    return loss.item()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    gradients = torch.autograd.grad(loss, list(G.parameters()))
    for parameter, gradient in zip(G.parameters(), gradients, strict=True):
        parameter.data -= optimiser.param_groups[0]["lr"] * gradient
    return loss.item()


# %% right="no_grad_and_frozen" why="G without a graph; D frozen during the generator's step and thawed after it"
def d_step(G, D, optimiser, x, z, penalty=None):
    optimiser.zero_grad()
    with torch.no_grad():
        fake = G(z)
    loss = d_loss(D(x), D(fake)) + (0 if penalty is None else penalty(D, x))
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def g_step(G, D, optimiser, z):
    D.requires_grad_(False)
    optimiser.zero_grad()
    loss = g_loss(D(G(z)))
    loss.backward()
    optimiser.step()
    D.requires_grad_(True)
    return float(loss.detach())


# %% right="gradients_taken" why="takes the gradients by autograd.grad and hands them to the optimiser"
def d_step(G, D, optimiser, x, z, penalty=None):
    loss = d_loss(D(x), D(G(z)))
    if penalty is not None:
        loss = loss + penalty(D, x)
    parameters = list(D.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
    return loss.detach()


def g_step(G, D, optimiser, z):
    loss = g_loss(D(G(z)))
    parameters = list(G.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
    return loss.detach()


# %% right="one_pass" why="real and fake points in one batch; several backward calls that add up"
def d_step(G, D, optimiser, x, z, penalty=None):
    optimiser.zero_grad(set_to_none=False)
    real, fake = D(torch.cat([x, G(z).detach()])).split([len(x), len(z)])
    parts = [F.softplus(-real).mean() + F.softplus(fake).mean()]
    if penalty is not None:
        parts.append(penalty(D, x))
    for part in parts:
        part.backward()
    optimiser.step()
    return sum(part.item() for part in parts)


def g_step(G, D, optimiser, z):
    for parameter in G.parameters():
        parameter.grad = None
    loss = F.softplus(-D(G(z))).mean()
    loss.backward()
    for parameter in D.parameters():
        parameter.grad = None
    optimiser.step()
    return loss.item()


# %% right="closures" why="optimiser.step with a closure; backward told which inputs it is for"
def d_step(G, D, optimiser, x, z, penalty=None):
    fake = G(z).data

    def closure():
        optimiser.zero_grad()
        loss = d_loss(D(x), D(fake))
        if penalty:
            loss += penalty(D, x)
        loss.backward(inputs=list(D.parameters()))
        return loss

    return optimiser.step(closure).item()


def g_step(G, D, optimiser, z):
    def closure():
        optimiser.zero_grad()
        loss = g_loss(D(G(z)))
        loss.backward(inputs=list(G.parameters()))
        return loss

    return optimiser.step(closure).item()


# %% right="chain_rule_by_hand" why="stops at the fakes and goes on from there by a second backward"
def d_step(G, D, optimiser, x, z, penalty=None):
    fake = G(z).detach().clone()
    loss = d_loss(D(x), D(fake))
    if penalty is not None:
        loss = loss + penalty(D, x)
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    loss.backward()
    optimiser.step()
    return loss.item()


def g_step(G, D, optimiser, z):
    fake = G(z)
    leaf = fake.detach().requires_grad_()
    loss = g_loss(D(leaf))
    (pull,) = torch.autograd.grad(loss, leaf)
    optimiser.zero_grad()
    fake.backward(pull)
    optimiser.step()
    return loss.item()
