"""Byte-pair encoding: counts kept up to date beside counting again, and beside a library. Trains 05_igpt and 05_icl."""

import itertools
import json
import math
import os
import time
from collections import Counter

import torch
from common import alternate, cpu_seconds, from_lecture, row
from torch import nn
from torch.nn import functional as F

from utils.data import digits_split, natural_patches, tiny_shakespeare
from utils.train import save_checkpoint

STEM = "05_transformers"
NAMES, ICL_NAMES = "GPT nll kmeans tint image_tokens", "GPT prompts value_logits SYMBOLS SHOTS"
MERGES, TIMED = 1_024, 32


def count_all_again(chunks, alphabet, merges):
    """The plain peer: before every merge, count all pairs of the whole text; then rewrite the whole text.

    chunks: the words of the text, in order. One flat list of ids with -1 between words, which no pair may cross.
    Returns the merges as pairs of ids.
    """
    ids, rules = {sign: i for i, sign in enumerate(alphabet)}, []
    flat = [i for chunk in chunks for i in (*(ids[sign] for sign in chunk), -1)]
    for new in range(len(ids), len(ids) + merges):
        counts = Counter(pair for pair in itertools.pairwise(flat) if -1 not in pair)
        a, b = min(counts, key=lambda pair: (-counts[pair], pair))
        rules.append((a, b))
        merged, i = [], 0
        while i < len(flat):
            if flat[i] == a and i + 1 < len(flat) and flat[i + 1] == b:
                merged.append(new)
                i += 2
            else:
                merged.append(flat[i])
                i += 1
        flat = merged
    return rules


def rows():
    os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"  # before the library starts
    import re

    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    PATTERN, train_bpe = from_lecture(STEM, "PATTERN", "train_bpe")
    text = tiny_shakespeare()
    alphabet = sorted(set(text))

    def ours():
        return train_bpe(text, MERGES)

    def library():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
        trainer = trainers.BpeTrainer(vocab_size=len(alphabet) + MERGES, show_progress=False)
        tokenizer.train_from_iterator(pieces, trainer)
        return tokenizer

    # The library is given the text in pieces of 1,000 words, which it takes faster than one long string.
    words = re.findall(PATTERN, text)
    pieces = ["".join(words[i : i + 1_000]) for i in range(0, len(words), 1_000)]
    vocab, rules = ours()
    theirs = json.loads(library().to_str())["model"]["merges"]
    assert [tuple(pair) for pair in theirs] == [(vocab[a], vocab[b]) for a, b in rules], "the same merges, in order"
    assert len(rules) == MERGES
    what = f"BPE, {MERGES:,} merges on Tiny Shakespeare, same merges: Python / tokenizers (Rust, 1 thread)"
    yield row("05-bpe-library", what, *alternate(ours, library), target=0.3)

    naive_seconds, naive = cpu_seconds(lambda: count_all_again(words, alphabet, TIMED), repeats=1)
    assert naive == list(rules)[:TIMED], "the same first merges"
    seconds, _ = cpu_seconds(ours)
    what = f"BPE, {MERGES:,} merges on Tiny Shakespeare: ours / counting all again for each ({TIMED} timed, scaled)"
    yield row("05-bpe", what, seconds, naive_seconds * MERGES / TIMED, target=100)


def checkpoints():
    torch.set_num_threads(1)
    image_gpt()
    in_context()


def image_gpt(seconds=400, batch_size=16, lr=3e-3):
    """05_igpt: a GPT on tinted digits, 16 colours; new tints every epoch, for `seconds` of CPU time."""
    GPT, nll, kmeans, tint, image_tokens = from_lecture(STEM, *NAMES.split())
    generator = torch.Generator().manual_seed(9)
    colours = natural_patches(2_000, 4, generator=generator).flatten(0, 2).float() / 255
    palette, _ = kmeans(colours, 16, generator=generator)
    (images, _), (test, _), where = digits_split()
    test = image_tokens(tint(test[:1000], colours, generator=torch.Generator().manual_seed(10)), palette)
    torch.manual_seed(0)
    model = GPT(17, 64, 4, 4, 197)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=0.05, fused=True)
    start, seen, curve, recent, order = time.process_time(), 0, [], [], []
    while (used := (time.process_time() - start) / seconds) < 1:
        order = order or list(torch.randperm(len(images), generator=generator).split(batch_size))
        x = image_tokens(tint(images[order.pop()], colours, generator=generator), palette)
        for group in optimizer.param_groups:
            group["lr"] = lr * min(used / 0.02 + 0.01, 0.5 * (1 + math.cos(math.pi * used)) + 0.01)
        loss = nll(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += len(x)
        recent.append(loss.item() / math.log(2))
        if len(recent) == 100:
            curve.append((seen, round(sum(recent) / 100, 4)))
            recent.clear()
    with torch.no_grad():
        bits = sum(nll(model(part), part).item() for part in test.split(100)) / 10 / math.log(2)
    print(f"05_igpt: {seen:,} images in {seconds} s of CPU; {bits:.3f} bits per pixel on {where}")
    save_checkpoint(
        "05_igpt",
        model.half(),  # two bytes a weight: half the file
        palette=json.dumps([[round(c, 5) for c in colour] for colour in palette.tolist()]),
        curve=json.dumps(curve),
        seen=seen,
        cpu_seconds=seconds,
        bits_per_pixel=round(bits, 4),
    )


def in_context(steps=4_000, batch_size=64, lr=1e-2):
    """05_icl: a GPT on prompts that each hide a map of their own; the loss is taken at the values only."""
    GPT, prompts, value_logits, SYMBOLS, SHOTS = from_lecture(STEM, *ICL_NAMES.split())
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = GPT(2 * SYMBOLS, 32, 2, 4, 2 * SHOTS, "rotary")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    start, curve, recent = time.process_time(), [], []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * min((step + 1) / 50, 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)
        tokens = prompts(batch_size, generator=generator)
        loss = F.cross_entropy(value_logits(model, tokens).flatten(0, 1), (tokens[:, 1::2] - SYMBOLS).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent.append(loss.item())
        if len(recent) == 50:
            curve.append((step + 1, round(sum(recent) / 50, 4)))
            recent.clear()
    seconds = time.process_time() - start
    print(f"05_icl: {steps:,} steps, {seconds:.0f} s of CPU; {curve[-1][1]:.3f} nats a value at the end")
    save_checkpoint("05_icl", model, curve=json.dumps(curve), steps=steps, cpu_seconds=round(seconds))
