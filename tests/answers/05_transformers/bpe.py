# %% [markdown]
# Answers to the task bpe. Two checks of 1 point with four values each: learning; encoding and decoding.


# %% wrong="first_of_the_ties" points=1.25 why="max over the dictionary: the pair that occurred first wins a tie"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = max(counts, key=counts.get, default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="largest_of_the_ties" points=1.25 why="max of (count, pair): the largest pair wins a tie"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="right_token_first" points=1.25 why="ties by the right token before the left one"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair[::-1]), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="rarest_pair" points=1.25 why="the minimum without the minus sign"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="merges_single_pairs" points=1.5 why="goes on while there is any pair at all"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if not counts:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="stops_at_two" points=1.75 why="a pair that occurs twice is not merged"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) <= 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="counted_once" points=1.25 why="counts once and takes the most frequent pairs of the raw text"
def bpe_train(tokens, merges, first):
    counts = count_pairs(tokens)
    ranked = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return [pair for pair in ranked if counts[pair] > 1][:merges]


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="numbers_from_one_later" points=0.25 why="the first merge makes the token first + 1"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs) + 1)
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k + 1)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k + 1] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="one_new_token_for_all" points=1.25 why="every merge makes the token first"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first)
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="one_merge_too_many" points=1.5 why="counts the merges from 0 to merges inclusive"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) <= merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="empty_text_fails" points=1.75 why="the best pair of no pairs"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="longest_first" points=1.75 why="encodes by the longest token that fits, from left to right"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    spelling = {(token,): token for token in range(first)}
    letters = [(token,) for token in range(first)]
    for k, (left, right) in enumerate(pairs):
        letters.append(letters[left] + letters[right])
        spelling.setdefault(letters[-1], first + k)
    longest, out, i = max(map(len, letters)), [], 0
    while i < len(tokens):
        size = next(n for n in range(min(longest, len(tokens) - i), 0, -1) if tuple(tokens[i : i + n]) in spelling)
        out.append(spelling[tuple(tokens[i : i + size])])
        i += size
    return out


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="latest_first" points=1.75 why="applies the merges from the last to the first"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in reversed(list(enumerate(pairs))):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="learns_anew" points=1.5 why="learns merges on the new text in place of applying the old ones"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(bpe_train(tokens, len(pairs), first)):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[left] + spelling[right]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="opened_once" points=1.5 why="opens each token once: merges of merges are left"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    return [part for token in tokens for part in ([token] if token < first else pairs[token - first])]


# %% wrong="oldest_opened_first" points=1.5 why="opens the oldest kind first, once each"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = [part for token in tokens for part in (pair if token == first + k else (token,))]
    return tokens


# %% wrong="parts_swapped" points=1.5 why="spells the right part first"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = {token: [token] for token in range(first)}
    for k, (left, right) in enumerate(pairs):
        spelling[first + k] = spelling[right] + spelling[left]
    return [letter for token in tokens for letter in spelling[token]]


# %% wrong="decode_forgotten" points=1.25 why="only two of the three"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    raise NotImplementedError("bpe")


# %% right="counter_ranked" why="a list of all pairs, sorted; encodes by the lowest rank that is there; decodes with a stack"
def bpe_train(tokens, merges, first):
    learnt, text = [], list(tokens)
    for k in range(merges):
        ranked = sorted((-count, pair) for pair, count in count_pairs(text).items())
        if not ranked or ranked[0][0] > -2:
            return learnt
        learnt.append(ranked[0][1])
        text = merge_pair(text, ranked[0][1], first + k)
    return learnt


def bpe_encode(tokens, pairs, first):
    rank = {tuple(pair): k for k, pair in enumerate(pairs)}
    tokens = list(tokens)
    while True:
        there = [rank[pair] for pair in zip(tokens, tokens[1:]) if pair in rank]
        if not there:
            return tokens
        tokens = merge_pair(tokens, pairs[min(there)], first + min(there))


def bpe_decode(tokens, pairs, first):
    stack, out = list(tokens)[::-1], []
    while stack:
        token = stack.pop()
        if token < first:
            out.append(token)
        else:
            left, right = pairs[token - first]
            stack += [right, left]
    return out


# %% right="youngest_opened_first" why="opens the youngest kind everywhere, then the next"
def bpe_train(tokens, merges, first):
    pairs = []
    while len(pairs) < merges:
        counts = count_pairs(tokens)
        best = max(sorted(counts), key=counts.get, default=None)
        if counts.get(best, 0) < 2:
            break
        tokens = merge_pair(tokens, best, first + len(pairs))
        pairs.append(best)
    return pairs


def bpe_encode(tokens, pairs, first):
    for k, pair in enumerate(pairs):
        tokens = merge_pair(tokens, pair, first + k)
    return tokens


def bpe_decode(tokens, pairs, first):
    for k in range(len(pairs) - 1, -1, -1):
        tokens = [part for token in tokens for part in (pairs[k] if token == first + k else (token,))]
    return list(tokens)


# %% right="recursion" why="decodes by recursion; ties by a minimum over the most frequent"
def bpe_train(tokens, merges, first):
    counts = count_pairs(tokens)
    most = max(counts.values(), default=0)
    if merges == 0 or most < 2:
        return []
    best = min(pair for pair, count in counts.items() if count == most)
    # the rest of the merges see a larger alphabet
    return [best, *bpe_train(merge_pair(tokens, best, first), merges - 1, first + 1)]


def bpe_encode(tokens, pairs, first):
    if not pairs:
        return list(tokens)
    return bpe_encode(merge_pair(tokens, pairs[0], first), pairs[1:], first + 1)


def bpe_decode(tokens, pairs, first):
    def opened(token):
        return [token] if token < first else opened(pairs[token - first][0]) + opened(pairs[token - first][1])

    return sum((opened(token) for token in tokens), [])


# %% right="pairs_as_lists" why="learnt pairs are lists, and spellings are tuples"
def bpe_train(tokens, merges, first):
    learnt = []
    for new in range(first, first + merges):
        counts = count_pairs(tokens)
        if not counts or max(counts.values()) == 1:
            break
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1]))[0][0]
        learnt.append(list(best))
        tokens = merge_pair(tokens, tuple(best), new)
    return learnt


def bpe_encode(tokens, pairs, first):
    new = first
    for left, right in pairs:
        tokens = merge_pair(tokens, (left, right), new)
        new += 1
    return tokens


def bpe_decode(tokens, pairs, first):
    spelling = [(token,) for token in range(first)]
    for left, right in pairs:
        spelling.append(spelling[left] + spelling[right])
    out = []
    for token in tokens:
        out.extend(spelling[token])
    return out
