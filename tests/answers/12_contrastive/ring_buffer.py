# %% [markdown]
# Answers to the task ring_buffer. One check of 2 points with four values (filling, wrapping, long_batches,
# numbers_only).


# %% wrong="no_wrap" points=0.5 why="writes a slice and forgets that the ring ends"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        at = self.total % self.columns.shape[1]
        self.columns[:, at : at + len(keys)] = keys.detach().T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="rest_is_dropped" points=0.5 why="cuts the batch off at the last column"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        at = self.total % size
        n = min(len(keys), size - at)
        self.columns[:, at : at + n] = keys.detach()[:n].T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="starts_over" points=0.5 why="a batch that does not fit starts again at column 0"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        at = self.total % size
        if at + len(keys) > size:
            at = 0
        kept = keys.detach()[-size:]
        self.columns[:, at : at + len(kept)] = kept.T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="shifted_along" points=0 why="moves everything along and puts the new ones at the end"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        everything = torch.cat([self.columns, keys.detach().T], dim=1)
        self.columns.copy_(everything[:, -size:])
        self.total += len(keys)

    def keys(self):
        return self.columns[:, -min(self.total, self.columns.shape[1]) :]


# %% wrong="new_tensor" points=1.5 why="makes a new buffer at each push"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        columns = self.columns.clone()
        for t, key in enumerate(keys.detach(), self.total):
            columns[:, t % size] = key
        self.columns = columns
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="gradient_kept" points=1.5 why="keeps the history of the keys"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = keys[-size:].T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="first_of_a_long_batch" points=1.5 why="of a long batch the first keys stay, not the last"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + min(len(keys), size))
        self.columns[:, numbers % size] = keys.detach()[:size].T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="long_batch_from_zero" points=1.5 why="the last keys of a long batch, but not in their own columns"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        kept = keys.detach()[-size:]
        numbers = torch.arange(self.total, self.total + len(kept))
        self.columns[:, numbers % size] = kept.T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="total_stays_in_the_ring" points=1 why="total is the pointer, modulo the size"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        for key in keys.detach():
            self.columns[:, self.total] = key
            self.total = (self.total + 1) % size

    def keys(self):
        return self.columns[:, : self.total]


# %% wrong="all_columns" points=1 why="keys() returns columns that nobody has written"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = keys.detach()[-size:].T
        self.total += len(keys)

    def keys(self):
        return self.columns


# %% wrong="cut_at_the_pointer" points=1 why="keys() cuts at the pointer, also when the ring is full"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = keys.detach()[-size:].T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : self.total % self.columns.shape[1] or self.columns.shape[1]]


# %% wrong="rows" points=0.5 why="keys() returns keys as rows"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = keys.detach()[-size:].T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : self.total].T


# %% wrong="oldest_first" points=1 why="keys() turns the ring so that the oldest comes first"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = keys.detach()[-size:].T
        self.total += len(keys)

    def keys(self):
        size = self.columns.shape[1]
        return self.columns[:, : self.total] if self.total < size else self.columns.roll(-(self.total % size), dims=1)


# %% wrong="normalises" points=0 why="brings the keys to length 1, which nobody asked for"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        numbers = torch.arange(self.total, self.total + len(keys))[-size:]
        self.columns[:, numbers % size] = F.normalize(keys.detach(), dim=1)[-size:].T
        self.total += len(keys)

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="off_by_one" points=0 why="counts from 1"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        for key in keys.detach():
            self.total += 1
            self.columns[:, self.total % size] = key

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="total_of_pushes" points=0 why="total counts batches"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        for i, key in enumerate(keys.detach()):
            self.columns[:, (self.total + i) % size] = key
        self.total += 1

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="reversed" points=0 why="the newest key of a batch first"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        for key in keys.detach().flip(0):
            self.columns[:, self.total % size] = key
            self.total += 1

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% wrong="list_of_keys" points=0 why="keeps a list of keys in place of a buffer, views of what was given"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        self.kept = [*getattr(self, "kept", []), *keys.detach()][-self.columns.shape[1] :]
        self.total += len(keys)
        self.columns = torch.stack(self.kept, dim=1)

    def keys(self):
        return self.columns


# %% right="key_by_key" why="a loop over keys"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        for key in keys.tolist():
            self.columns[:, self.total % self.columns.shape[1]] = torch.tensor(key)
            self.total += 1

    def keys(self):
        n = min(self.total, self.columns.shape[1])
        return self.columns[:, :n].clone()


# %% right="two_slices" why="the part up to the end of the ring, then the rest, by recursion for long batches"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size = self.columns.shape[1]
        at = self.total % size
        n = min(size - at, len(keys))
        if n == 0:
            return
        with torch.no_grad():
            self.columns[:, at : at + n] = keys[:n].T
        self.total += n
        self.push(keys[n:])

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% right="index_copy" why="index_copy_ of the survivors"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size, B = self.columns.shape[1], len(keys)
        start = max(0, B - size)
        where = (self.total + torch.arange(start, B)).remainder(size)
        self.columns.index_copy_(1, where, keys.data[start:].t().contiguous())
        self.total = self.total + B

    def keys(self):
        return self.columns if self.total >= self.columns.shape[1] else self.columns.narrow(1, 0, self.total)


# %% right="rolled_twice" why="turns the ring to the pointer, appends, and turns it back"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        size, at = self.columns.shape[1], self.total % self.columns.shape[1]
        unrolled = torch.cat([self.columns.roll(-at, 1), keys.detach().T], dim=1)[:, -size:]
        self.total += len(keys)
        self.columns.copy_(unrolled.roll(self.total % size, 1))

    def keys(self):
        return self.columns[:, : min(self.total, self.columns.shape[1])]


# %% right="numpy_view" why="writes through numpy into the same memory"
class Queue:
    def __init__(self, d, size):
        self.columns, self.total = torch.zeros(d, size), 0

    def push(self, keys):
        import numpy as np

        memory, size = self.columns.numpy(), self.columns.shape[1]
        for i, key in enumerate(keys.detach().numpy().astype(np.float32)):
            memory[:, (self.total + i) % size] = key
        self.total += keys.shape[0]

    def keys(self):
        return self.columns.index_select(1, torch.arange(min(self.total, self.columns.shape[1])))
