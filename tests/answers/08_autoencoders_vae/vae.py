# %% [markdown]
# Answers to the task vae. One check of 1 point with two values (mu, logvar), one of 2 points with four (logits,
# many_codes, defaults, gradients). `defaults` reads the encoder's logvar and the decoder.


# %% wrong="halves_swapped" points=1.5 why="logvar first, mu second; their sum in the check of the gradients does not mind"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        logvar, mu = self.encoder(x).chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z):
        return self.decoder(z)


# %% wrong="every_other_output" points=1 why="even outputs for mu, odd ones for logvar"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        h = self.encoder(x)
        return h[:, ::2], h[:, 1::2]

    def decode(self, z):
        return self.decoder(z)


# %% wrong="probabilities" points=1 why="a sigmoid at the end of decode"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))


# %% wrong="relu_at_the_end" points=0 why="a ReLU after the last layer too, on both sides"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D), nn.ReLU())

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z)


# %% wrong="tanh_inside" points=0 why="tanh in place of the ReLU"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.Tanh(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.Tanh(), nn.Linear(H, D))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z)


# %% wrong="no_hidden_activation" points=0 why="two linear layers in a row, with nothing between them"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.Identity(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.Identity(), nn.Linear(H, D))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z)


# %% wrong="code_too_narrow" points=0 why="the encoder ends in K outputs, which leaves K / 2 for the mean"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z)


# %% wrong="variance" points=1.5 why="returns the variance, not its logarithm"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        mu, logvar = self.encoder(x).chunk(2, dim=-1)
        return mu, logvar.exp()

    def decode(self, z):
        return self.decoder(z)


# %% wrong="two_vectors_in_one" points=1 why="encode returns one tensor of 2K numbers: unpacking it takes rows"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)


# %% wrong="flattened_codes" points=2.5 why="decode takes all axes before the last for one"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z.reshape(-1, z.shape[-1]))


# %% wrong="detached" points=2.5 why="encode cuts the gradient"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        mu, logvar = self.encoder(x).detach().chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z):
        return self.decoder(z)


# %% wrong="sizes_typed_in" points=0 why="784, 400 and 20 whatever is asked for"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z)


# %% right="slices" why="slices of the last axis"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.K = K
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        h = self.encoder(x)
        return h[..., : self.K], h[..., self.K :]

    def decode(self, z):
        return self.decoder(z)


# %% right="layers_by_hand" why="calls the layers one by one, with its own ReLU"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(), nn.Linear(H, D))

    def encode(self, x):
        h = self.encoder[0](x).clamp(min=0)
        h = F.linear(h, self.encoder[2].weight, self.encoder[2].bias)
        return h.view(len(x), 2, -1).unbind(1)

    def decode(self, z):
        flat = z.flatten(0, -2)
        hidden = torch.maximum(self.decoder[0](flat), torch.zeros(()))
        return self.decoder[2](hidden).view(*z.shape[:-1], -1)


# %% right="named_layers" why="an ordered dictionary of layers, with a dropout that lets everything pass"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        from collections import OrderedDict

        super().__init__()

        def network(n_in, n_out):
            layers = {"0": nn.Linear(n_in, H), "1": nn.ReLU(), "2": nn.Linear(H, n_out), "3": nn.Dropout(0.0)}
            return nn.Sequential(OrderedDict(layers))

        self.encoder, self.decoder = network(D, 2 * K), network(K, D)

    def encode(self, x):
        return list(torch.tensor_split(self.encoder(x), 2, dim=1))

    def decode(self, z):
        return self.decoder.forward(z)


# %% right="initialised_otherwise" why="its own initial weights, small biases, ReLU in place"
class VAE(nn.Module):
    def __init__(self, D=784, H=400, K=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(inplace=True), nn.Linear(H, 2 * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.ReLU(inplace=True), nn.Linear(H, D))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def encode(self, x):
        mu, logvar = torch.split(self.encoder(x), self.encoder[2].out_features // 2, dim=-1)
        return mu, logvar

    def decode(self, z):
        return self.decoder(z)
