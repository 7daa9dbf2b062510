# %% [markdown]
# Answers to the task merge_pair. One check of 1 point (counts, runs_and_short), one of 1 point with four values.

# %% wrong="every_other_pair" points=1 why="counts the pairs at even places only"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens[::2], tokens[1::2]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged


# %% wrong="counts_without_overlap" points=1 why="in a a a the pair (a, a) is counted once"
def count_pairs(tokens):
    counts, last = {}, None
    for i, pair in enumerate(zip(tokens, tokens[1:])):
        if pair == last and pair[0] == pair[1]:
            last = None
            continue
        counts[pair] = counts.get(pair, 0) + 1
        last = pair
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged


# %% wrong="pairs_without_order" points=1 why="(a, b) and (b, a) counted together"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        pair = tuple(sorted(pair))
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged


# %% wrong="last_pair_not_counted" points=1 why="the loop ends one pair too early"
def count_pairs(tokens):
    counts = {}
    for i in range(len(tokens) - 2):
        pair = (tokens[i], tokens[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged


# %% wrong="shares" points=1 why="relative frequencies in place of counts"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1 / len(tokens)
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged


# %% wrong="overlapping_merges" points=1.75 why="looks at every place: a a a becomes X X"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    hits = [tuple(tokens[i : i + 2]) == tuple(pair) for i in range(len(tokens))]
    merged = []
    for i, token in enumerate(tokens):
        if hits[i]:
            merged.append(new)
        elif i == 0 or not hits[i - 1]:
            merged.append(token)
    return merged


# %% wrong="from_the_right" points=1.75 why="merges from right to left: a a a becomes a X"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], len(tokens)
    while i > 0:
        hit = i > 1 and tuple(tokens[i - 2 : i]) == tuple(pair)
        merged.insert(0, new if hit else tokens[i - 1])
        i -= 2 if hit else 1
    return merged


# %% wrong="last_token_lost" points=1.25 why="ends before the last token, which has no right neighbour"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    merged, i = [], 0
    while i < len(tokens) - 1:
        hit = (tokens[i], tokens[i + 1]) == tuple(pair)
        merged.append(new if hit else tokens[i])
        i += 2 if hit else 1
    return merged


# %% wrong="does_not_skip" points=1 why="the right half of a merged pair stays"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    return [new if tuple(tokens[i : i + 2]) == tuple(pair) else token for i, token in enumerate(tokens)]


# %% wrong="first_hit_only" points=1.25 why="merges one place and stops"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    for i in range(len(tokens) - 1):
        if tuple(tokens[i : i + 2]) == tuple(pair):
            return tokens[:i] + [new] + tokens[i + 2 :]
    return tokens


# %% wrong="in_place" points=1.75 why="merges in the caller's list"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    i = 0
    while i < len(tokens) - 1:
        if (tokens[i], tokens[i + 1]) == tuple(pair):
            tokens[i : i + 2] = [new]
        i += 1
    return tokens


# %% wrong="digits_replaced" points=1.75 why="tokens as text: replaces digits, and cannot tell 10 from 1 0"
def count_pairs(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge_pair(tokens, pair, new):
    text = "".join(str(token) for token in tokens)
    return [int(letter) for letter in text.replace(f"{pair[0]}{pair[1]}", str(new))]


# %% right="counter" why="collections.Counter, and a look back at what was written last"
def count_pairs(tokens):
    from collections import Counter

    return Counter(zip(tokens[:-1], tokens[1:]))


def merge_pair(tokens, pair, new):
    merged, open_left = [], False  # open_left: the last one written is an unused left half
    for token in tokens:
        if open_left and token == pair[1]:
            merged[-1] = new
            open_left = False
        else:
            merged.append(token)
            open_left = token == pair[0]
    return merged


# %% right="defaultdict_and_iterator" why="a defaultdict, and an iterator that is moved on after a hit"
def count_pairs(tokens):
    from collections import defaultdict

    counts = defaultdict(int)
    for i in range(1, len(tokens)):
        counts[tokens[i - 1], tokens[i]] += 1
    return counts


def merge_pair(tokens, pair, new):
    left, right = pair
    merged, places = [], iter(range(len(tokens)))
    for i in places:
        if i + 1 < len(tokens) and tokens[i] == left and tokens[i + 1] == right:
            merged.append(new)
            next(places)
        else:
            merged.append(tokens[i])
    return merged


# %% right="characters" why="tokens as characters of a string, which replaces from the left"
def count_pairs(tokens):
    pairs = [(tokens[i], tokens[i + 1]) for i in range(len(tokens) - 1)]
    return {pair: pairs.count(pair) for pair in set(pairs)}


def merge_pair(tokens, pair, new):
    text = "".join(chr(token) for token in tokens)
    return [ord(letter) for letter in text.replace(chr(pair[0]) + chr(pair[1]), chr(new))]


# %% right="numpy_counts" why="pairs as numbers in numpy; merging by recursion on the first hit"
def count_pairs(tokens):
    import numpy as np

    if len(tokens) < 2:
        return {}
    x = np.array(tokens)
    pairs, counts = np.unique(np.stack([x[:-1], x[1:]], axis=1), axis=0, return_counts=True)
    return {(int(a), int(b)): int(n) for (a, b), n in zip(pairs, counts)}


def merge_pair(tokens, pair, new):
    rest, merged = list(tokens), []
    while rest:
        if rest[:2] == list(pair):
            merged, rest = merged + [new], rest[2:]
        else:
            merged, rest = merged + rest[:1], rest[1:]
    return merged
