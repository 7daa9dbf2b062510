# %% [markdown]
# Answers to the task sample_images. One check of 2 points with four values (images, other_shape, one_column, ties).


# %% wrong="all_at_once" points=0.5 why="one pass of the model: every pixel drawn as if all before it were black"
def sample_images(model, u):
    with torch.no_grad():
        return (u < model(torch.zeros_like(u)).sigmoid()).float()


# %% wrong="one_pass_a_row" points=1 why="runs the model once for each row"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            p = model(x)[:, :, i].sigmoid()
            x[:, :, i] = (u[:, :, i] < p).float()
    return x


# %% wrong="column_by_column" points=1 why="columns outside, rows inside"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for j in range(u.shape[3]):
            for i in range(u.shape[2]):
                x[:, :, i, j] = (u[:, :, i, j] < model(x)[:, :, i, j].sigmoid()).float()
    return x


# %% wrong="backwards" points=0.5 why="starts at the last pixel"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in reversed(range(u.shape[2])):
            for j in reversed(range(u.shape[3])):
                x[:, :, i, j] = (u[:, :, i, j] < model(x)[:, :, i, j].sigmoid()).float()
    return x


# %% wrong="above_p" points=0 why="1 where u is above p: black and white swapped"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = (u[:, :, i, j] > model(x)[:, :, i, j].sigmoid()).float()
    return x


# %% wrong="ties_included" points=1.5 why="u <= p"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = (u[:, :, i, j] <= model(x)[:, :, i, j].sigmoid()).float()
    return x


# %% wrong="no_sigmoid" points=0 why="compares u with the logit"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = (u[:, :, i, j] < model(x)[:, :, i, j]).float()
    return x


# %% wrong="most_likely" points=0 why="the more likely value, whatever u says"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = (model(x)[:, :, i, j].sigmoid() > 0.5).float()
    return x


# %% wrong="own_dice" points=0 why="draws numbers of its own"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = torch.bernoulli(model(x)[:, :, i, j].sigmoid())
    return x


# %% wrong="probabilities_fed_back" points=0 why="puts the probability in place of the pixel"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = model(x)[:, :, i, j].sigmoid()
    return x


# %% wrong="probabilities_for_the_model" points=0.5 why="draws at the end from what was computed from probabilities"
def sample_images(model, u):
    p = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                p[:, :, i, j] = model(p)[:, :, i, j].sigmoid()
    return (u < p).float()


# %% wrong="square_images" points=0 why="as many columns as rows"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[2]):
                x[:, :, i, j] = (u[:, :, i, j] < model(x)[:, :, i, j].sigmoid()).float()
    return x


# %% wrong="last_column_forgotten" points=0 why="stops a column too early"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3] - 1):
                x[:, :, i, j] = (u[:, :, i, j] < model(x)[:, :, i, j].sigmoid()).float()
    return x


# %% wrong="writes_into_u" points=1.5 why="draws the image over the numbers of the caller"
def sample_images(model, u):
    x = u
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                p = model(x)[:, :, i, j].sigmoid()
                x[:, :, i, j] = (u[:, :, i, j] < p).float()
    return x


# %% wrong="first_image_for_all" points=0.5 why="the first image decides for the batch"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        for i in range(u.shape[2]):
            for j in range(u.shape[3]):
                x[:, :, i, j] = (u[:, :, i, j] < model(x)[:1, :, i, j].sigmoid()).float()
    return x


# %% right="again_until_nothing_changes" why="draws all pixels from the current logits until the image stays: the first wrong pixel moves on each time"
def sample_images(model, u):
    x = torch.zeros_like(u)
    with torch.no_grad():
        while True:
            new = (u < model(x).sigmoid()).to(u.dtype)
            if torch.equal(new, x):
                return x
            x = new


# %% right="flat" why="one loop over the pixels, from random noise, in float64"
def sample_images(model, u):
    x = torch.rand_like(u)
    for n in range(u[0].numel()):
        p = torch.sigmoid(model(x).detach().double()).flatten(1)[:, n]
        x.view(len(u), -1)[:, n] = (u.flatten(1)[:, n] < p).to(x.dtype)
    return x


# %% right="image_by_image" why="every image on its own, in numpy"
def sample_images(model, u):
    import numpy as np

    images = []
    for one in u.numpy():
        x = np.zeros_like(one)[None]
        for i in range(one.shape[1]):
            for j in range(one.shape[2]):
                logit = float(model(torch.from_numpy(x))[0, 0, i, j])
                p = 1 / (1 + math.exp(-min(max(logit, -700.0), 700.0)))
                x[0, 0, i, j] = one[0, i, j] < p
        images.append(x[0])
    return np.stack(images)


# %% right="ones_kept" why="starts from white and clears what is not drawn"
def sample_images(model, u):
    x = torch.ones_like(u)
    B, _, H, W = u.shape
    with torch.inference_mode():
        for i, j in torch.cartesian_prod(torch.arange(H), torch.arange(W)).tolist():
            drawn = torch.ge(u[:, 0, i, j], torch.sigmoid(model(x)[:, 0, i, j]))
            x[drawn, 0, i, j] = 0
    return x
