# %% [markdown]
# Answers to the task complete_images. One check of 2 points with four values (top_given, scattered, none_given,
# ties).


# %% wrong="in_place" points=1 why="writes to the image of the caller"
def complete_images(model, x, known, u):
    pass
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                drawn = (u[:, :, i, j] < p).float()
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], drawn)
    return x


# %% wrong="mask_turned_round" points=0 why="redraws what is known and keeps what is missing"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                drawn = (u[:, :, i, j] < p).float()
                x[:, :, i, j] = torch.where(known[:, :, i, j], drawn, x[:, :, i, j])
    return x


# %% wrong="given_not_shown" points=1 why="the model never sees the given pixels; they are pasted in at the end"
def complete_images(model, x, known, u):
    drawn = torch.zeros_like(x)
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                drawn[:, :, i, j] = (u[:, :, i, j] < model(drawn)[:, :, i, j].sigmoid()).float()
    return torch.where(known, x, drawn)


# %% wrong="one_pass" points=0.5 why="draws all missing pixels from one pass"
def complete_images(model, x, known, u):
    with torch.no_grad():
        drawn = (u < model(torch.where(known, x, 0.0)).sigmoid()).float()
    return torch.where(known, x, drawn)


# %% wrong="truth_shown" points=0.5 why="one pass over the whole image: the missing pixels are shown to the model"
def complete_images(model, x, known, u):
    with torch.no_grad():
        drawn = (u < model(x).sigmoid()).float()
    return torch.where(known, x, drawn)


# %% wrong="first_mask_for_all" points=1 why="the first image says what is known"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                if not known[0, 0, i, j]:
                    x[:, :, i, j] = (u[:, :, i, j] < p).float()
    return x


# %% wrong="only_where_all_are_missing" points=1 why="draws a pixel only where no image knows it"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                if not known[:, :, i, j].any():
                    x[:, :, i, j] = (u[:, :, i, j] < p).float()
    return x


# %% wrong="known_forgotten" points=0.5 why="draws everything"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                x[:, :, i, j] = (u[:, :, i, j] < p).float()
    return x


# %% wrong="nothing_drawn" points=0 why="blackens what is missing and stops there"
def complete_images(model, x, known, u):
    return torch.where(known, x, 0.0)


# %% wrong="most_likely" points=0 why="fills in the more likely value"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], (p > 0.5).float())
    return x


# %% wrong="probabilities" points=0 why="fills in the probability: grey pixels"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], p)
    return x


# %% wrong="column_by_column" points=0.5 why="columns outside, rows inside"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for j in range(x.shape[3]):
            for i in range(x.shape[2]):
                drawn = (u[:, :, i, j] < model(x)[:, :, i, j].sigmoid()).float()
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], drawn)
    return x


# %% wrong="above_p" points=0 why="1 where u is above p"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                drawn = (u[:, :, i, j] > p).float()
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], drawn)
    return x


# %% wrong="ties_included" points=1.5 why="u <= p"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                drawn = (u[:, :, i, j] <= p).float()
                x[:, :, i, j] = torch.where(known[:, :, i, j], x[:, :, i, j], drawn)
    return x


# %% wrong="black_pixels_are_missing" points=0.5 why="takes what is black for missing"
def complete_images(model, x, known, u):
    x = x.clone()
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                drawn = (u[:, :, i, j] < p).float()
                x[:, :, i, j] = torch.maximum(x[:, :, i, j] * known[:, :, i, j], drawn)
    return x


# %% right="drawn_then_pasted_at_each_step" why="draws from scratch and pastes the given pixels over after every pixel"
def complete_images(model, x, known, u):
    y = torch.zeros_like(x)
    with torch.no_grad():
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                y[:, :, i, j] = (u[:, :, i, j] < model(y)[:, :, i, j].sigmoid()).to(x.dtype)
                y[:, :, i, j] = torch.where(known, x, y)[:, :, i, j]
    return y


# %% right="again_until_nothing_changes" why="all missing pixels from the current logits until the images stay"
def complete_images(model, x, known, u):
    y = torch.where(known, x, 0.5)
    while True:
        with torch.no_grad():
            new = torch.where(known, x, (u < model(y).sigmoid()).to(x.dtype))
        if torch.equal(new, y):
            return y
        y = new


# %% right="uniforms_overruled" why="known pixels get uniform numbers that leave them no choice, and task 8 does the rest"
def complete_images(model, x, known, u):
    u = torch.where(known, torch.where(x > 0.5, -1.0, 2.0), u)
    return sample_images(model, u)


# %% right="image_by_image" why="one image at a time, missing pixels only, in numpy"
def complete_images(model, x, known, u):
    import numpy as np

    done = x.numpy().copy()
    for n in range(len(done)):
        for i, j in np.argwhere(~known[n, 0].numpy()):
            logit = model(torch.from_numpy(done[n : n + 1]))[0, 0, i, j]
            done[n, 0, i, j] = float(u[n, 0, i, j]) < float(torch.sigmoid(logit))
    return torch.from_numpy(done)


# %% right="arithmetic" why="keeps by multiplication, over a flat index"
def complete_images(model, x, known, u):
    keep, y = known.double(), x.double() * known
    for n in range(x[0].numel()):
        i, j = divmod(n, x.shape[3])
        drawn = (u[:, :, i, j] < torch.sigmoid(model(y.float()).detach()[:, :, i, j])).double()
        y[:, :, i, j] = keep[:, :, i, j] * x[:, :, i, j] + (1 - keep[:, :, i, j]) * drawn
    return y
