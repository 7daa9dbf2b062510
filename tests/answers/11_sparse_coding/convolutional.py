# %% [markdown]
# Answers to the task convolutional. One check of 2 points with four values (stamps, images, transpose, products), one
# of 1 point with two (one_step, maps_kept).


# %% wrong="not_flipped" points=0.5 why="slides the filters over padded maps without flipping: every stamp stands on its head"
def conv_reconstruct(maps, filters):
    h, w = filters.shape[2:]
    return F.conv2d(maps, filters.transpose(0, 1), padding=(h - 1, w - 1))


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="flipped_twice" points=0.5 why="conv_transpose2d of flipped filters"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters.flip(2, 3))


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="flipped_along_one_axis" points=0.5 why="flips rows and leaves columns"
def conv_reconstruct(maps, filters):
    h, w = filters.shape[2:]
    return F.conv2d(maps, filters.flip(2).transpose(0, 1), padding=(h - 1, w - 1))


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="same_size" points=0.5 why="pads by half a filter: the image has the size of the maps"
def conv_reconstruct(maps, filters):
    return F.conv2d(maps, filters.flip(2, 3).transpose(0, 1), padding="same")


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="transposed_flip" points=0.5 why="exchanges the axes of the filters, h and w, in place of flipping them"
def conv_reconstruct(maps, filters):
    h, w = filters.shape[2:]
    turned = filters.transpose(0, 1).flatten(2).flip(2).view(filters.shape[1], len(filters), h, w).flip(3)
    return F.conv2d(maps, turned, padding=(h - 1, w - 1))


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="adjoint_flipped" points=1 why="a true convolution where the transpose slides without flipping"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters.flip(2, 3))


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="adjoint_normalised" points=1 why="divides by the filters' length: no transpose any more"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters / filters.flatten(1).norm(dim=1)[:, None, None, None])


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="colours_averaged" points=0.5 why="takes the mean over colours and copies it"
def conv_reconstruct(maps, filters):
    one = F.conv_transpose2d(maps, filters.mean(1, keepdim=True))
    return one.expand(-1, filters.shape[1], -1, -1)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="first_image_only" points=0.5 why="the first image of the batch for all"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps[:1], filters).expand(len(maps), -1, -1, -1)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% wrong="step_uphill" points=2 why="adds the gradient"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps + conv_adjoint(error, filters) / L, lam / L)


# %% wrong="threshold_not_scaled" points=2 why="thresholds by lam"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam)


# %% wrong="gradient_not_scaled" points=2 why="a gradient step of 1"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters), lam / L)


# %% wrong="in_place" points=2.5 why="writes the new maps over the old ones"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    maps -= conv_adjoint(conv_reconstruct(maps, filters) - images, filters) / L
    return soft_threshold(maps, lam / L)


# %% wrong="no_threshold" points=2 why="gradient descent: nothing becomes zero"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    return maps - conv_adjoint(conv_reconstruct(maps, filters) - images, filters) / L


# %% wrong="positive_only" points=2 why="maps without negative numbers, which nobody asked for"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return F.relu(maps - conv_adjoint(error, filters) / L - lam / L)


# %% right="padded_and_flipped" why="slides flipped filters over padded maps"
def conv_reconstruct(maps, filters):
    h, w = filters.shape[2:]
    return F.conv2d(maps, filters.flip(2, 3).transpose(0, 1), padding=(h - 1, w - 1))


def conv_adjoint(images, filters):
    return F.conv2d(images, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% right="stamping" why="adds a stamp for each place, and cuts out a window for each"
def conv_reconstruct(maps, filters):
    B, K, H, W = maps.shape
    _, C, h, w = filters.shape
    images = torch.zeros(B, C, H + h - 1, W + w - 1)
    for i in range(H):
        for j in range(W):
            images[:, :, i : i + h, j : j + w] += torch.einsum("bk,kchw->bchw", maps[:, :, i, j], filters)
    return images


def conv_adjoint(images, filters):
    h, w = filters.shape[2:]
    windows = images.unfold(2, h, 1).unfold(3, w, 1)
    return torch.einsum("bcijhw,kchw->bkij", windows, filters)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)


# %% right="fourier" why="products of spectra, the conjugate for the transpose, in float64"
def conv_reconstruct(maps, filters):
    size = [a + b - 1 for a, b in zip(maps.shape[2:], filters.shape[2:], strict=True)]
    spectra = torch.fft.rfft2(maps.double(), s=size), torch.fft.rfft2(filters.double(), s=size)
    return torch.fft.irfft2(torch.einsum("bkpq,kcpq->bcpq", *spectra), s=size)


def conv_adjoint(images, filters):
    size = images.shape[2:]
    spectra = torch.fft.rfft2(images.double(), s=size), torch.fft.rfft2(filters.double(), s=size).conj()
    full = torch.fft.irfft2(torch.einsum("bcpq,kcpq->bkpq", *spectra), s=size)
    return full[:, :, : size[0] - filters.shape[2] + 1, : size[1] - filters.shape[3] + 1].float()


def conv_step(images, maps, filters, lam, L):
    pull = conv_adjoint(images - conv_reconstruct(maps, filters), filters)
    return soft_threshold(maps + pull / L, lam / L)


# %% right="autograd" why="the transpose and the step as gradients"
def conv_reconstruct(maps, filters):
    return F.conv_transpose2d(maps, filters)


def conv_adjoint(images, filters):
    B, _, H, W = images.shape
    maps = torch.zeros(B, len(filters), H - filters.shape[2] + 1, W - filters.shape[3] + 1, requires_grad=True)
    return torch.autograd.grad((images * F.conv_transpose2d(maps, filters)).sum(), maps)[0]


def conv_step(images, maps, filters, lam, L):
    leaf = maps.clone().requires_grad_()
    smooth = (images - conv_reconstruct(leaf, filters)).square().sum() / 2
    u = maps - torch.autograd.grad(smooth, leaf)[0] / L
    return u.sign() * F.relu(u.abs() - lam / L)


# %% right="patches" why="fold and unfold: a dictionary of patches"
def conv_reconstruct(maps, filters):
    h, w = filters.shape[2:]
    size = (maps.shape[2] + h - 1, maps.shape[3] + w - 1)
    return F.fold(filters.flatten(1).T @ maps.flatten(2), size, (h, w))


def conv_adjoint(images, filters):
    h, w = filters.shape[2:]
    H, W = images.shape[2:]
    return (filters.flatten(1) @ F.unfold(images, (h, w))).view(len(images), -1, H - h + 1, W - w + 1)


def conv_step(images, maps, filters, lam, L):
    error = conv_reconstruct(maps, filters) - images
    return soft_threshold(maps - conv_adjoint(error, filters) / L, lam / L)
