# %% [markdown]
# Answers to the task lista_network. One check of 2 points with four values (untrained, weights, other_weights, slopes).


# %% wrong="identity_forgotten" points=1 why="S = -D^T D / L: the old code is lost"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(-D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="threshold_not_scaled" points=1 why="thresholds of lam, not of lam / L"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="input_only_once" points=0.5 why="W x enters the first layer only"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(self.S @ z, theta[:, None])
        return z


# %% wrong="one_threshold_for_all_layers" points=1 why="uses the first thresholds in every layer"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, self.theta[0][:, None])
        return z


# %% wrong="thresholds_along_the_batch" points=1 why="adds the thresholds along the batch: right while they are all equal and B = m"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta)
        return z


# %% wrong="no_threshold_at_first" points=0.5 why="the first code is W x itself"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = Wx
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="a_layer_too_few" points=0 why="T thresholds: the first code does not count as one"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((max(layers, 1), m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="not_parameters" points=1 why="plain tensors: nothing to learn"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = D.T / L
        self.S = torch.eye(m) - D.T @ D / L
        self.theta = torch.full((layers + 1, m), lam / L)

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="shares_memory" points=1.5 why="W is a view of D where L = 1 makes the division needless"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T if L == 1 else D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="detached" points=1.5 why="the code is detached between layers: S learns from the last one only"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z.detach(), theta[:, None])
        return z


# %% wrong="thresholds_as_data" points=1.5 why="uses .data of the thresholds: they never learn"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta.data[0][:, None])
        for theta in self.theta.data[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="transposed_S" points=1 why="z^T S: the same as long as S is symmetric, as it is at the start"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S.T @ z, theta[:, None])
        return z


# %% wrong="thresholds_backwards" points=1 why="the last thresholds first"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[-1][:, None])
        for theta in self.theta.flip(0)[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="sum_in_place_of_difference" points=1 why="S = I + D^T D / L"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) + D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% wrong="no_L" points=1 why="W = D^T and S = I - D^T D: a step of 1"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T.clone())
        self.S = nn.Parameter(torch.eye(m) - D.T @ D)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = soft_threshold(Wx, self.theta[0][:, None])
        for theta in self.theta[1:]:
            z = soft_threshold(Wx + self.S @ z, theta[:, None])
        return z


# %% right="rows" why="codes as rows inside, by F.linear"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        x = x.T
        z = soft_threshold(F.linear(x, self.W), self.theta[0])
        for t in range(1, len(self.theta)):
            z = soft_threshold(F.linear(x, self.W) + F.linear(z, self.S), self.theta[t])
        return z.T


# %% right="one_loop" why="begins with a code of zeros"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W @ x
        z = torch.zeros_like(Wx)
        for theta in self.theta:
            u = Wx + self.S @ z
            z = F.relu(u - theta.unsqueeze(1)) - F.relu(-u - theta.unsqueeze(1))
        return z


# %% right="register" why="register_parameter, the identity by fill_diagonal, computed in float64"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m, D = D.shape[1], D.detach().double()
        S = -(D.T @ D) / L
        S.diagonal().add_(1)
        self.register_parameter("W", nn.Parameter((D.T / L).float()))
        self.register_parameter("S", nn.Parameter(S.float()))
        self.register_parameter("theta", nn.Parameter(torch.ones(layers + 1, m) * (lam / L)))

    def forward(self, x):
        b = torch.einsum("mn,nb->mb", self.W, x)
        z = soft_threshold(b, self.theta[0].view(-1, 1))
        for theta in self.theta.unbind(0)[1:]:
            z = soft_threshold(b + torch.einsum("jk,kb->jb", self.S, z), theta.view(-1, 1))
        return z


# %% right="recursive" why="a layer calls the one before it"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        self.layers = layers
        self.W = nn.Parameter(D.t().clone().div(L))
        self.S = nn.Parameter(torch.eye(D.size(1)).sub(D.t().mm(D), alpha=1 / L))
        self.theta = nn.Parameter(torch.empty(layers + 1, D.size(1)).fill_(lam / L))

    def forward(self, x):
        return self.layer(x, self.layers)

    def layer(self, x, t):
        u = self.W @ x if t == 0 else self.W @ x + self.S @ self.layer(x, t - 1)
        return soft_threshold(u, self.theta[t][:, None])


# %% right="addmm" why="one fused product a layer"
class LISTA(nn.Module):
    def __init__(self, D, lam, L, layers):
        super().__init__()
        m = D.shape[1]
        self.W = nn.Parameter(D.T / L)
        self.S = nn.Parameter(torch.eye(m) - D.T @ D / L)
        self.theta = nn.Parameter(torch.full((layers + 1, m), lam / L))

    def forward(self, x):
        Wx = self.W.mm(x)
        theta = self.theta[..., None]
        z = soft_threshold(Wx, theta[0])
        for t in range(1, theta.shape[0]):
            z = soft_threshold(torch.addmm(Wx, self.S, z), theta[t])
        return z
