# %% [markdown]
# Answers to the task inpaint. Three checks of 1 point: (some_given, all_or_none_given), (changes,
# nothing_or_everything_given), (frequencies).

# %% wrong="clamped_in_the_old_order" points=1.5 why="keeps the given pixels but samples in the old order: earlier pixels do not see later given ones"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    x = x.clone()
    with torch.no_grad():
        for i in order.argsort():
            if not given[i]:
                x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="model_not_told" points=1.5 why="takes the pixels in the new order but asks the model for the old one"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    x = x.clone()
    with torch.no_grad():
        for i in given_first(order, given).argsort()[given.sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="list_of_pixels" points=0 why="one argsort: the list of pixels in place of their places"
def given_first(order, given):
    return (order + len(order) * ~given).argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="missing_first" points=1 why="moves the missing pixels to the front"
def given_first(order, given):
    return (order + len(order) * given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="no_ranks" points=2 why="places above D - 1, which the order of the pixels survives"
def given_first(order, given):
    return order + len(order) * ~given


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="groups_in_raster_order" points=0 why="given first, but within the groups in raster order"
def given_first(order, given):
    pixels = torch.cat([given.nonzero()[:, 0], (~given).nonzero()[:, 0]])
    return pixels.argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="in_place" points=2 why="draws into the caller's images"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order = given_first(order, given)
    if x.stride(0) == 0:
        x = x.contiguous()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="given_redrawn" points=1 why="draws the given pixels, too"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort():
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="given_put_back_at_the_end" points=1.5 why="samples freely, then pastes the given pixels over"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order = given_first(order, given)
    return torch.where(given, x, sample(model, order, u))


# %% wrong="one_pass" points=1 why="all missing pixels from one pass: they do not see each other"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order = given_first(order, given)
    with torch.no_grad():
        p = model(torch.where(given, x, 0), order).sigmoid()
    return torch.where(given, x, (u < p).float())


# %% wrong="likeliest" points=1 why="the likelier value in place of a draw"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            x[:, i] = (model(x, order)[:, i] > 0).float()
    return x


# %% wrong="given_are_missing" points=1 why="completes the given pixels from the missing ones"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, ~given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[(~given).sum() :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="zeros_for_the_given" points=1.5 why="forgets to hand the given pixels to the model"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, done = given_first(order, given), torch.zeros_like(x)
    with torch.no_grad():
        for i in order.argsort()[given.sum() :]:
            done[:, i] = (u[:, i] < model(done, order)[:, i].sigmoid()).float()
    return torch.where(given, x, done)


# %% wrong="one_given_pixel_redrawn" points=1 why="starts one pixel too early"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort()[max(0, int(given.sum()) - 1) :]:
            x[:, i] = (u[:, i] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% wrong="u_by_place" points=2 why="uses u of the place, not of the pixel: the right distribution, another completion"
def given_first(order, given):
    return (order + len(order) * ~given).argsort().argsort()


def inpaint(model, x, given, order, u):
    order, x = given_first(order, given), x.clone()
    with torch.no_grad():
        for place, i in enumerate(order.argsort()):
            if not given[i]:
                x[:, i] = (u[:, place] < model(x, order)[:, i].sigmoid()).float()
    return x


# %% right="two_lists" why="lists of pixels, joined, then inverted; zeros at missing pixels"
def given_first(order, given):
    pixels = order.argsort().tolist()
    pixels = [i for i in pixels if given[i]] + [i for i in pixels if not given[i]]
    new = torch.empty_like(order)
    for place, i in enumerate(pixels):
        new[i] = place
    return new


def inpaint(model, x, given, order, u):
    new = given_first(order, given)
    x = torch.where(given, x, torch.zeros_like(x))
    for place in range(int(given.sum()), len(order)):
        i = int((new == place).nonzero())
        x[:, i] = (u[:, i] < torch.sigmoid(model(x, new)[:, i]).detach()).float()
    return x


# %% right="counted" why="a place is the number of pixels that come before"
def given_first(order, given):
    key = torch.where(given, order, order + 10_000)
    return (key[None, :] < key[:, None]).sum(1)


def inpaint(model, x, given, order, u):
    order, done = given_first(order, given), x.clone()
    with torch.no_grad():
        for i in order.argsort():
            if not bool(given[i]):
                done[:, i] = (model(done, order)[:, i].sigmoid() > u[:, i]).float()
    return done


# %% right="certain_u_for_the_given" why="samples all pixels with u that leave the given ones no choice"
def given_first(order, given):
    return torch.argsort(torch.argsort(order - len(order) * given.long()))


def inpaint(model, x, given, order, u):
    forced = torch.where(given, torch.where(x > 0, 1e-30, 1 - 2**-24), u)
    return sample(model, given_first(order, given), forced)


# %% right="numpy_lexsort" why="numpy sorts by two keys; noise at missing pixels; an array comes back"
def given_first(order, given):
    import numpy as np

    pixels = np.lexsort((order.numpy(), ~given.numpy()))
    new = np.empty(len(pixels), dtype=np.int64)
    new[pixels] = np.arange(len(pixels))
    return torch.from_numpy(new)


def inpaint(model, x, given, order, u):
    new = given_first(order, given)
    x = torch.where(given, x, torch.bernoulli(torch.full_like(x, 0.5)))
    for _ in range(int((~given).sum())):
        x = torch.where(given, x, (u < model(x, new).sigmoid()).float())
    return x.detach().numpy()
