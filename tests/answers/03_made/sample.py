# %% [markdown]
# Answers to the task sample. One check of 2 points (raster_order, another_order), one of 1 point (frequencies).

# %% wrong="raster_always" points=1 why="takes the pixels in raster order, whatever the order"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[1]):
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="order_is_the_list_of_pixels" points=1 why="walks through order, which holds places"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="backwards" points=0 why="from the last pixel to the first"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort(descending=True):
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="all_at_once" points=0 why="one call of the model for all pixels"
def sample(model, order, u):
    with torch.no_grad():
        return (u < model(torch.zeros_like(u), order).sigmoid()).float()


# %% wrong="u_by_place" points=2 why="uses u of the place, not of the pixel: the right distribution, another sample"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for place, i in enumerate(order.argsort()):
            x[:, i] = (u[:, place] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="own_randomness" points=1 why="draws its own random numbers"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = torch.bernoulli(model(x, order)[:, i].sigmoid())
    return x


# %% wrong="greater" points=0 why="1 where u is above the probability"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (u[:, i] > model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="logit_for_probability" points=0 why="compares u with the logit"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (u[:, i] < model(x, order)[:, i]).float()
    return x


# %% wrong="rounded" points=0 why="the likelier value, without any randomness"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (model(x, order)[:, i] > 0).float()
    return x


# %% wrong="probabilities_fed_back" points=0 why="fills in probabilities and draws at the end"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = model(x, order)[:, i].sigmoid()
    return (u < x).float()


# %% wrong="model_asked_in_raster_order" points=1 why="walks in the order but asks the model for another one"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (u[:, i] < model(x, torch.arange(len(order)))[:, i].sigmoid()).float()
    return x


# %% wrong="last_pixel_forgotten" points=0 why="stops one pixel early"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort()[:-1]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="pixels_returned_by_place" points=1 why="column p of the result is the pixel at place p"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x[:, order.argsort()]


# %% wrong="same_image_for_all" points=0 why="takes the decision of the first image for all"
def sample(model, order, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (u[0, i] < model(x, order)[0, i].sigmoid()).float()
    return x


# %% right="all_pixels_again" why="draws all pixels at each step and keeps the drawn ones as they settle, place by place"
def sample(model, order, u):
    x = torch.zeros_like(u)
    for _ in range(u.shape[1]):
        x = (u < model(x, order).sigmoid()).float()
    return x.detach()


# %% right="noise_first" why="starts from noise: what is not drawn yet does not matter"
def sample(model, order, u):
    x = torch.bernoulli(torch.full_like(u, 0.5))
    for place in range(len(order)):
        i = int((order == place).nonzero())
        p = torch.sigmoid(model(x, order)[:, i]).detach()
        x[:, i] = torch.where(u[:, i] < p, 1.0, 0.0)
    return x


# %% right="logit_of_u" why="compares logits: ln(u / (1 - u)) < logit"
def sample(model, order, u):
    threshold = torch.log(u) - torch.log1p(-u)
    x = torch.full_like(u, 0.5)
    for i in sorted(range(len(order)), key=lambda i: int(order[i])):
        x[:, i] = threshold[:, i].lt(model(x, order)[:, i].detach()).to(x.dtype)
    return x


# %% right="image_by_image" why="one image after the other, for a few"
def sample(model, order, u):
    import numpy as np

    rows = []
    for chunk in u.split(1 if len(u) < 100 else len(u)):
        x = torch.zeros_like(chunk)
        for i in np.argsort(order.numpy()):
            x[:, i] = (model(x, order)[:, i].sigmoid().detach() > chunk[:, i]).float()
        rows.append(x)
    return torch.cat(rows)
