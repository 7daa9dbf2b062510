# %% [markdown]
# Answers to the task memory_bank. One check of 2 points with four values (updated, several, negatives, every_other).


# %% wrong="weights_swapped" points=1 why="w for the new vector"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        mixed = (1 - w) * self.rows[index] + w * F.normalize(z.detach(), dim=1)
        self.rows[index] = F.normalize(mixed, dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="not_normalised_again" points=1 why="the mixture is shorter than 1"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        self.rows[index] = w * self.rows[index] + (1 - w) * F.normalize(z.detach(), dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="z_not_normalised" points=1 why="a long z counts more"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        self.rows[index] = F.normalize(w * self.rows[index] + (1 - w) * z.detach(), dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="overwritten" points=1 why="no memory: the new vector replaces the old"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        self.rows[index] = F.normalize(z.detach(), dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="indexed_twice" points=1 why="writes into a copy: rows[index] is a new tensor"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        rows = self.rows[index]
        rows.mul_(w).add_((1 - w) * F.normalize(z.detach(), dim=1))
        rows.div_(rows.norm(dim=1, keepdim=True))

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="first_rows" points=1 why="writes into the first B rows"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        B = len(index)
        self.rows[:B] = F.normalize(w * self.rows[:B] + (1 - w) * F.normalize(z.detach(), dim=1), dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="everything_decays" points=1 why="all rows get shorter, also those of images that did not come by"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        self.rows.mul_(w)
        self.rows[index] = F.normalize(self.rows[index] + (1 - w) * F.normalize(z.detach(), dim=1), dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="gradient_in_the_bank" points=1.5 why="keeps the history of z"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        mixed = w * self.rows[index] + (1 - w) * F.normalize(z, dim=1)
        self.rows[index] = F.normalize(mixed, dim=1)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="a_new_bank" points=1.5 why="the tensor that was given stays as it was"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        rows = self.rows.clone()
        rows[index] = F.normalize(w * rows[index] + (1 - w) * F.normalize(z.detach(), dim=1), dim=1)
        self.rows = rows

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="wrong_axis" points=1 why="brings columns to length 1"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        mixed = w * self.rows[index] + (1 - w) * F.normalize(z.detach(), dim=1)
        self.rows[index] = F.normalize(mixed, dim=0)

    def negatives(self, index, a):
        j = torch.floor(a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j < index[:, None], j, j + 1)]


# %% wrong="itself_too" points=1 why="draws from all n, itself included"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        return self.rows[(a * len(self.rows)).long()]


# %% wrong="moved_on_by_one" points=1 why="moves on by one where it meets itself: the next image comes twice as often"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        j = (a * len(self.rows)).long()
        return self.rows[torch.where(j == index[:, None], (j + 1) % len(self.rows), j)]


# %% wrong="strictly_after" points=1 why="moves on only after its own place, and finds itself"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        j = (a * (len(self.rows) - 1)).long()
        return self.rows[j + (j > index[:, None])]


# %% wrong="never_the_last" points=1 why="draws from n - 1 and moves on only at its own place: the last image is never a negative"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        j = (a * (len(self.rows) - 1)).long()
        return self.rows[torch.where(j == index[:, None], len(self.rows) - 2, j)]


# %% wrong="rounded" points=1.5 why="rounds in place of floor"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        j = (a * (len(self.rows) - 2)).round().long()
        return self.rows[j + (j >= index[:, None])]


# %% wrong="counted_from_itself" points=1 why="counts the others from its own place on, round the end"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        n = len(self.rows)
        j = (a * (n - 1)).long()
        return self.rows[(index[:, None] + 1 + j) % n]


# %% wrong="batch_left_out" points=1.5 why="leaves out all images of the batch"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        others = torch.tensor([i for i in range(len(self.rows)) if i not in index.tolist()])
        return self.rows[others[(a * len(others)).long()]]


# %% wrong="same_for_all" points=1.5 why="the first image's negatives for the whole batch"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        j = (a[:1] * (len(self.rows) - 1)).long().expand(len(a), -1)
        return self.rows[j + (j >= index[:, None])]


# %% wrong="numbers_not_rows" points=1 why="returns the places in the bank"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        u = z.detach() / z.detach().norm(dim=1, keepdim=True)
        mixed = w * self.rows[index] + (1 - w) * u
        self.rows[index] = mixed / mixed.norm(dim=1, keepdim=True)

    def negatives(self, index, a):
        j = (a * (len(self.rows) - 1)).long()
        return j + (j >= index[:, None])


# %% right="image_by_image" why="loops, with a list of the others"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        with torch.no_grad():
            for i, one in zip(index.tolist(), z, strict=True):
                mixed = w * self.rows[i] + (1 - w) * one / one.norm()
                self.rows[i] = mixed / mixed.norm()

    def negatives(self, index, a):
        n, result = len(self.rows), []
        for i, row in zip(index.tolist(), a.tolist(), strict=True):
            others = [other for other in range(n) if other != i]
            result.append(torch.stack([self.rows[others[int(x * (n - 1))]] for x in row]))
        return torch.stack(result)


# %% right="index_copy" why="lerp and index_copy_, a table of others"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        mixed = torch.lerp(F.normalize(z.data, dim=-1), self.rows.index_select(0, index), w)
        self.rows.index_copy_(0, index, F.normalize(mixed, dim=-1))

    def negatives(self, index, a):
        n = len(self.rows)
        others = torch.arange(n).expand(n, n)[~torch.eye(n, dtype=torch.bool)].view(n, n - 1)
        return F.embedding(others[index].gather(1, (a * (n - 1)).floor().long()), self.rows)


# %% right="float64" why="computes in float64 and writes back"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        rows, u = self.rows[index].double(), z.detach().double()
        mixed = w * rows + (1 - w) * u / u.square().sum(1, keepdim=True).sqrt()
        self.rows[index] = (mixed / mixed.square().sum(1, keepdim=True).sqrt()).float()

    def negatives(self, index, a):
        n = self.rows.shape[0]
        j = torch.div(a * (n - 1), 1, rounding_mode="floor").to(torch.int64)
        j += (j >= index.view(-1, 1)).to(torch.int64)
        return self.rows[j.flatten()].view(*a.shape, -1)


# %% right="through_the_norms" why="adds in place, divides all rows by their lengths, which changes only those that moved"
class MemoryBank:
    def __init__(self, rows):
        self.rows = rows

    def update(self, index, z, w):
        self.rows[index] *= w
        self.rows.index_add_(0, index, (1 - w) * F.normalize(z.detach(), dim=1))
        self.rows[index] = F.normalize(self.rows[index])

    def negatives(self, index, a):
        edges = torch.arange(1, len(self.rows) - 1) / (len(self.rows) - 1)
        j = torch.bucketize(a, edges, right=True)
        return self.rows.take_along_dim((j + (j >= index[:, None])).flatten()[:, None], dim=0).unflatten(0, a.shape)
