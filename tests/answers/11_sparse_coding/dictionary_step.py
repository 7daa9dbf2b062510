# %% [markdown]
# Answers to the task dictionary_step. One check of 2 points with four values (one_pass, short_atoms, unused,
# arguments_kept), one of 1 point with two (nonnegative, error_falls).


# %% wrong="all_at_once" points=0 why="every atom from the old dictionary: two atoms repair the same error twice"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, old, D = z @ z.T, x @ z.T, D, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = old[:, j] + (B[:, j] - old @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="always_length_one" points=0.5 why="stretches short atoms to length 1"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1e-9)
    return D


# %% wrong="no_projection" points=0.5 why="the atoms may grow"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            D[:, j] = u.clamp(min=0) if nonnegative else u
    return D


# %% wrong="projected_at_the_end" points=0.5 why="one projection after the pass: later atoms have seen atoms that are too long"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            D[:, j] = u.clamp(min=0) if nonnegative else u
    return D / D.norm(dim=0).clamp(min=1)


# %% wrong="length_before_zeros" points=2.5 why="shortens first and removes negative numbers then: too short"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            u = u / u.norm().clamp(min=1)
            D[:, j] = u.clamp(min=0) if nonnegative else u
    return D


# %% wrong="absolute_values" points=2.5 why="turns negative numbers round"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            u = u.abs() if nonnegative else u
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="always_nonnegative" points=0.5 why="removes negative numbers whether asked to or not"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = (D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]).clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="unused_atoms_divided_by_zero" points=2.5 why="nan for atoms that no code uses"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
        if nonnegative:
            u = u.clamp(min=0)
        D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="argument_changed" points=2.5 why="writes into the dictionary that was given"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B = z @ z.T, x @ z.T
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="itself_not_added" points=0 why="forgets d_j: the step alone, not the atom after it"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="not_divided" points=0 why="a gradient step of 1: not divided by A_jj"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + B[:, j] - D @ A[:, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="least_squares" points=0 why="all atoms at once by least squares, shortened afterwards"
def dictionary_step(x, D, z, *, nonnegative=False):
    U = torch.linalg.lstsq(z.T, x.T, driver="gelsd").solution.T
    U = U.clamp(min=0) if nonnegative else U
    used = z.square().sum(1) > 0
    return torch.where(used, U / U.norm(dim=0).clamp(min=1), D)


# %% wrong="squared_length" points=0.5 why="divides by the squared length"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1]):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.square().sum().clamp(min=1)
    return D


# %% wrong="last_atom_forgotten" points=0 why="range(m - 1)"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in range(D.shape[1] - 1):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% wrong="backwards" points=0 why="from the last atom to the first"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in reversed(range(D.shape[1])):
        if A[j, j] > 0:
            u = D[:, j] + (B[:, j] - D @ A[:, j]) / A[j, j]
            if nonnegative:
                u = u.clamp(min=0)
            D[:, j] = u / u.norm().clamp(min=1)
    return D


# %% right="residual" why="K-SVD's way: what the other atoms leave, times the code of this one"
def dictionary_step(x, D, z, *, nonnegative=False):
    D = D.clone()
    for j in range(D.shape[1]):
        weight = z[j].square().sum()
        if weight == 0:
            continue
        left = x - D @ z + torch.outer(D[:, j], z[j])
        u = left @ z[j] / weight
        u = F.relu(u) if nonnegative else u
        D[:, j] = u / max(1.0, float(u.norm()))
    return D


# %% right="residual_kept" why="carries the residual along from atom to atom, in float64"
def dictionary_step(x, D, z, *, nonnegative=False):
    kind, D, z = D.dtype, D.double().clone(), z.double()
    left = x.double() - D @ z
    for j, code in enumerate(z):
        weight = float(code @ code)
        if weight > 0:
            old = D[:, j].clone()
            u = old + left @ code / weight
            if nonnegative:
                u[u < 0] = 0
            D[:, j] = u if u.norm() <= 1 else u / u.norm()
            left -= torch.outer(D[:, j] - old, code)
    return D.to(kind)


# %% right="numpy" why="numpy, atoms as rows"
def dictionary_step(x, D, z, *, nonnegative=False):
    import numpy as np

    X, atoms, Z = x.numpy().T, D.numpy().T.copy(), z.numpy()
    A, B = Z @ Z.T, Z @ X
    for j in range(len(atoms)):
        if A[j, j] != 0:
            others = A[j] @ atoms - A[j, j] * atoms[j]
            u = (B[j] - others) / A[j, j]
            if nonnegative:
                u = np.maximum(u, 0)
            atoms[j] = u / max(np.linalg.norm(u), 1)
    return torch.from_numpy(atoms.T.copy())


# %% right="list_of_atoms" why="a list of columns, stacked at the end"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, atoms = torch.einsum("jb,kb->jk", z, z), torch.einsum("nb,jb->nj", x, z), list(D.unbind(1))
    for j in range(len(atoms)):
        if A[j, j].item() > 0.0:
            now = torch.stack(atoms, dim=1)
            u = atoms[j] + (B[:, j] - (now * A[j]).sum(1)) / A[j, j]
            u = torch.clamp_min(u, 0) if nonnegative else u
            length = torch.linalg.vector_norm(u)
            atoms[j] = u / length if length > 1 else u
    return torch.stack(atoms, dim=1)


# %% right="renorm" why="torch's renorm shortens what is too long"
def dictionary_step(x, D, z, *, nonnegative=False):
    A, B, D = z @ z.T, x @ z.T, D.clone()
    for j in A.diag().nonzero().flatten().tolist():
        u = D[:, j] - (D @ A[:, j] - B[:, j]) / A[j, j]
        u = u.clamp(min=0) if nonnegative else u
        D[:, j] = u[None].renorm(2, 0, 1.0)[0]
    return D
