# %% [markdown]
# Answers to the task frechet_distance. One check of 2 points with five values (one_dimension, both_ways,
# same_covariance, diagonal, singular), one of 1 point with four (sets, few, moved, far_from_zero).


# %% wrong="roots_of_the_entries" points=0.8 why="takes the root of each entry of the product"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    cross = (C1 @ C2).abs().sqrt().trace()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="no_root" points=0 why="the trace of the product in place of the trace of its root"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * (C1 @ C2).trace()


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="factor_two_forgotten" points=0 why="subtracts the last trace once"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="not_squared" points=0 why="the root of the distance"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return ((m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross).clamp(min=0).sqrt()


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="length_not_squared" points=0.8 why="the length of the difference of the means, not its square"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).norm() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="not_clamped" points=1.85 why="the root of a number a little below zero is nan"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="float32" points=1.45 why="roots of rounding errors of float32 add up"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.float() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="divided_by_n" points=2 why="the covariance of the maximum-likelihood fit"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    C_real, C_fake = f_real.T.cov(correction=0), f_fake.T.cov(correction=0)
    return gaussian_frechet(f_real.mean(0), C_real, f_fake.mean(0), C_fake)


# %% wrong="samples_for_variables" points=2 why="torch.cov of f, not of f.T: an (n, n) table"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.cov(), f_fake.mean(0), f_fake.cov())


# %% wrong="means_not_subtracted" points=2 why="second moments in place of covariances"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh(C1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C2 @ root).clamp(min=0).sqrt().sum()
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    C_real, C_fake = f_real.T @ f_real / (len(f_real) - 1), f_fake.T @ f_fake / (len(f_fake) - 1)
    return gaussian_frechet(f_real.mean(0), C_real, f_fake.mean(0), C_fake)


# %% wrong="diagonals_only" points=1.45 why="compares the standard deviations of the features and forgets correlations"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    return (m1 - m2).square().sum() + (C1.diag().sqrt() - C2.diag().sqrt()).square().sum()


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="roots_subtracted" points=1.45 why="the Frobenius distance of the two roots: right only if they commute"
def gaussian_frechet(m1, C1, m2, C2):
    def root(C):
        values, vectors = torch.linalg.eigh(C.double())
        return (vectors * values.clamp(min=0).sqrt()) @ vectors.T

    return (m1 - m2).double().square().sum() + (root(C1) - root(C2)).square().sum()


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% wrong="cholesky" points=0 why="regularises by 1e-2 so that the Cholesky factor exists"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.double() for a in (m1, C1, m2, C2))
    eye = 1e-2 * torch.eye(len(m1), dtype=torch.float64)
    A, B = torch.linalg.cholesky(C1 + eye), torch.linalg.cholesky(C2 + eye)
    return (m1 - m2).square().sum() + C1.trace() + C2.trace() - 2 * torch.linalg.svdvals(A.T @ B).sum()


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    return gaussian_frechet(f_real.mean(0), f_real.T.cov(), f_fake.mean(0), f_fake.T.cov())


# %% right="nuclear_norm" why="the last trace as the sum of the singular values of a product of roots"
def root_of(C):
    values, vectors = torch.linalg.eigh(C.double())
    return vectors * values.clamp(min=0).sqrt()


def gaussian_frechet(m1, C1, m2, C2):
    cross = torch.linalg.matrix_norm(root_of(C1).T @ root_of(C2), ord="nuc")
    return float(((m1.double() - m2.double()) ** 2).sum() + C1.double().trace() + C2.double().trace() - 2 * cross)


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    a, b = f_real - f_real.mean(0), f_fake - f_fake.mean(0)
    C_real, C_fake = a.T @ a / (len(a) - 1), b.T @ b / (len(b) - 1)
    return gaussian_frechet(f_real.mean(0), C_real, f_fake.mean(0), C_fake)


# %% right="eigenvalues_of_the_product" why="C1 C2 has the same eigenvalues, without any root of a matrix"
def gaussian_frechet(m1, C1, m2, C2):
    import numpy as np

    m1, C1, m2, C2 = (np.asarray(a, dtype=np.float64) for a in (m1, C1, m2, C2))
    values = np.linalg.eigvals(C1 @ C2).real
    return ((m1 - m2) ** 2).sum() + np.trace(C1 + C2) - 2 * np.sqrt(values.clip(min=0)).sum()


def frechet_distance(f_real, f_fake):
    import numpy as np

    f_real, f_fake = (np.asarray(f, dtype=np.float64) for f in (f_real, f_fake))
    C_real, C_fake = (np.atleast_2d(np.cov(f, rowvar=False)) for f in (f_real, f_fake))
    return gaussian_frechet(f_real.mean(axis=0), C_real, f_fake.mean(axis=0), C_fake)


# %% right="singular_values_of_the_data" why="roots by svd; sets go through products of the centred data"
def gaussian_frechet(m1, C1, m2, C2):
    U, S, _ = torch.linalg.svd(C1.double())
    root = U @ S.sqrt().diag() @ U.T
    inner = root @ C2.double() @ root
    cross = torch.linalg.eigvalsh((inner + inner.T) / 2).relu().sqrt().sum()
    return (m1.double() - m2.double()).pow(2).sum() + torch.trace(C1.double() + C2.double()) - 2 * cross


def frechet_distance(f_real, f_fake):
    f_real, f_fake = f_real.double(), f_fake.double()
    a = (f_real - f_real.mean(0)) / math.sqrt(len(f_real) - 1)
    b = (f_fake - f_fake.mean(0)) / math.sqrt(len(f_fake) - 1)
    between = (f_real.mean(0) - f_fake.mean(0)).square().sum()
    return between + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()


# %% right="root_of_the_other" why="takes the root of the second covariance; the covariance by loops over samples"
def gaussian_frechet(m1, C1, m2, C2):
    m1, C1, m2, C2 = (a.to(torch.float64) for a in (m1, C1, m2, C2))
    values, vectors = torch.linalg.eigh((C2 + C2.T) / 2)
    root = vectors @ torch.diag(torch.sqrt(torch.relu(values))) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ C1 @ root).clamp(min=0).sqrt()
    return torch.dot(m1 - m2, m1 - m2) + (C1.diag() + C2.diag()).sum() - 2 * cross.sum()


def frechet_distance(f_real, f_fake):
    moments = []
    for f in (f_real.double(), f_fake.double()):
        m, C = f.sum(0) / len(f), 0
        for row in f:
            C = C + torch.outer(row - m, row - m)
        moments += [m, C / (len(f) - 1)]
    return gaussian_frechet(*moments).item()
