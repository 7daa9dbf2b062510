"""A small GPT beside nanoGPT's CPU recipe at equal CPU time; generation with a KV cache; fused attention."""

import functools
import math
import time

import torch
from common import alternate, cpu_seconds, from_lecture, row
from torch import nn
from torch.nn import functional as F

from utils.data import tiny_shakespeare
from utils.train import save_checkpoint

STEM = "05_transformers"
CPU_SECONDS = 180
OURS = {"D": 96, "layers": 4, "heads": 4, "length": 128}
BATCH = 12


@functools.cache
def text():
    """Tiny Shakespeare as codes (N,) int64, and where the validation tenth starts."""
    writing = tiny_shakespeare()
    code_of = {letter: code for code, letter in enumerate(sorted(set(writing)))}
    return torch.tensor([code_of[letter] for letter in writing]), int(0.9 * len(writing))


class HalfLinear(nn.Linear):
    """A linear layer whose product is taken in bfloat16; weights, gradients and all that is added stay in float32."""

    def forward(self, x):
        bias = None if self.bias is None else self.bias.bfloat16()
        return F.linear(x.bfloat16(), self.weight.bfloat16(), bias).float()


def spend(seconds, loss_of, model, optimizer, set_speed, *, length, batch, clip=None):
    """Train for so many seconds of CPU time; set_speed(share, step) before each step. Returns the number of steps."""
    codes, held_out = text()
    generator, start, step = torch.Generator().manual_seed(2), time.process_time(), 0
    while (share := (time.process_time() - start) / seconds) < 1:
        first = torch.randint(held_out - length, (batch, 1), generator=generator)
        set_speed(share, step)
        loss = loss_of(codes[first + torch.arange(length + 1)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        step += 1
    return step


@functools.cache
def ours(seconds):
    """The lecture's GPT and Muon. Returns (model in float32, steps)."""
    GPT, Muon = from_lecture(STEM, "GPT", "Muon")
    torch.manual_seed(1)
    model = GPT(65, **OURS, positions="rotary")
    nn.init.normal_(model.embed.weight, std=0.02)
    for block in model.blocks:  # every block begins by adding nothing
        nn.init.zeros_(block.attend.out.weight)
        nn.init.zeros_(block.mlp[2].weight)
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = HalfLinear
    optimizer = Muon(model, lr=0.03, dtype=torch.bfloat16)

    def set_speed(share, step):
        optimizer.share = share

    def loss_of(tokens):
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    steps = spend(seconds, loss_of, model, optimizer, set_speed, length=OURS["length"], batch=BATCH)
    for module in model.modules():
        if type(module) is HalfLinear:
            module.__class__ = nn.Linear
    return model, steps


class NanoGPT(nn.Module):
    """A plain GPT-2 as nanoGPT's recipe for CPUs describes it: 4 layers, 4 heads, 128 wide, context 64, no biases."""

    def __init__(self, vocab=65, D=128, layers=4, heads=4, length=64):
        super().__init__()
        self.length, self.heads = length, heads
        self.embed, self.place = nn.Embedding(vocab, D), nn.Embedding(length, D)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            maps = {"qkv": (D, 3 * D), "out": (D, D), "up": (D, 4 * D), "down": (4 * D, D)}
            layer = nn.ModuleDict({name: nn.Linear(*shape, bias=False) for name, shape in maps.items()})
            layer["norm1"], layer["norm2"] = nn.LayerNorm(D, bias=False), nn.LayerNorm(D, bias=False)
            self.layers.append(layer)
        self.norm = nn.LayerNorm(D, bias=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if "out" in name or "down" in name else 0.02)

    def forward(self, tokens):
        B, n = tokens.shape
        x = self.embed(tokens) + self.place.weight[:n]
        for layer in self.layers:
            q, k, v = layer["qkv"](layer["norm1"](x)).view(B, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + layer["out"](y.transpose(1, 2).reshape(B, n, -1))
            x = x + layer["down"](F.gelu(layer["up"](layer["norm2"](x))))
        return self.norm(x) @ self.embed.weight.T  # the embedding is also the output layer


@functools.cache
def nano_gpt(seconds):
    """nanoGPT's recipe: AdamW 1e-3 -> 1e-4 by a cosine after 100 steps of warm-up, batch 12. Returns (model, steps)."""
    torch.manual_seed(1)
    model = NanoGPT()
    matrices, vectors = ([p for p in model.parameters() if (p.ndim == 2) == wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))

    def set_speed(share, step):
        lr = 1e-4 + 9e-4 * 0.5 * (1 + math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 100)

    def loss_of(tokens):
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    return model, spend(seconds, loss_of, model, optimizer, set_speed, length=64, batch=12, clip=1.0)


def text_row(seconds=CPU_SECONDS):
    (score,) = from_lecture(STEM, "score")
    codes, held_out = text()
    (model, steps), (peer, peer_steps) = ours(seconds), nano_gpt(seconds)
    # agreement: both models see one text, and neither sees the future
    for net in (model, peer):
        window = codes[None, held_out : held_out + 64]
        changed = torch.cat([window[:, :40], (window[:, 40:] + 1) % 65], 1)
        with torch.no_grad():
            assert torch.allclose(net(window)[:, :40], net(changed)[:, :40], atol=1e-5)
    assert len(codes) - held_out == 111_540
    losses = [score(net, codes, held_out, len(codes)) for net in (model, peer)]
    sizes = [sum(p.numel() for p in net.parameters()) for net in (model, peer)]
    o = OURS
    what = (
        f"GPT on Tiny Shakespeare's first 90 %, {seconds} s of one CPU core each, all 111,540 characters of the rest "
        f"scored after half a context or more: the lecture's GPT ({o['layers']} layers, {o['heads']} heads, "
        f"{o['D']} wide, rotary, context {o['length']}, batch {BATCH}; Muon for the blocks' matrices, Adam for the "
        f"rest, products in bfloat16; {sizes[0]:,} parameters, {steps:,} steps) / nanoGPT's CPU recipe (4 "
        f"layers, 4 heads, 128 wide, context 64, batch 12, AdamW, float32; {sizes[1]:,} parameters, "
        f"{peer_steps:,} steps)"
    )
    return row("05-gpt-nll", what, *losses, target="<= 1.80", limit="", unit="nats/character")


@torch.no_grad()
def full_forward(model, tokens, n):
    """Greedy generation as nanoGPT does it: the whole context (cropped) through the model for each token."""
    for _ in range(n):
        states = model.hidden(tokens[:, -model.length :])
        logits = model.head(model.norm(states[-1][:, -1]))  # the output layer for the last place only
        tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
    return tokens


def cache_rows(L=784):
    GPT, generate = from_lecture(STEM, "GPT", "generate")
    torch.manual_seed(3)
    model = GPT(65, 128, 4, 4, L + 1)
    nn.init.normal_(model.head.weight, std=0.5)
    for B, repeats, target in ((1, 3, 12), (8, 1, 35)):
        start = torch.randint(65, (B, 1), generator=torch.Generator().manual_seed(4))
        assert torch.equal(generate(model, start, 100), full_forward(model, start, 100)), "the same tokens"
        ours, tokens = cpu_seconds(functools.partial(generate, model, start, L), 5)
        peer, same = cpu_seconds(functools.partial(full_forward, model, start, L), repeats)
        assert torch.equal(tokens, same), "the same tokens"
        what = (
            f"{L} greedy tokens, 4 layers, 128 wide, B = {B}: KV cache / full pass for each, identical tokens, CPU time"
        )
        yield row(f"05-kv-{B}", what, ours, peer, target=target, limit=f"(L+1)/2 = {(L + 1) / 2:g} by operations")


def attention_row(T=2048):
    attention, causal_mask = from_lecture(STEM, "attention", "causal_mask")
    generator, mask = torch.Generator().manual_seed(5), causal_mask(T)
    leaves = [torch.randn(1, 4, T, 32, generator=generator).requires_grad_() for _ in range(3)]
    direction = torch.randn(1, 4, T, 32, generator=generator)

    def fused():
        y = F.scaled_dot_product_attention(*leaves, is_causal=True)
        return y, *torch.autograd.grad(y, leaves, direction)

    def masked_softmax():
        q, k, v = leaves
        y = (q @ k.mT / math.sqrt(32)).masked_fill(~mask, -math.inf).softmax(-1) @ v
        return y, *torch.autograd.grad(y, leaves, direction)

    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(fused(), masked_softmax(), strict=True))
    assert torch.allclose(attention(*leaves, mask)[0], fused()[0], atol=1e-5)
    what = f"causal attention forward and backward, T = {T}, 4 heads of 32: fused / masked softmax, same gradients"
    return row("05-sdpa", what, *alternate(fused, masked_softmax, 9), target=6)


def rows():
    torch.set_num_threads(1)
    yield attention_row()
    yield from cache_rows()
    yield text_row()


def checkpoints():
    torch.set_num_threads(1)
    (score,) = from_lecture(STEM, "score")
    codes, held_out = text()
    model, steps = ours(CPU_SECONDS)
    loss = score(model, codes, held_out, len(codes))
    facts = {"held_out_nats_per_character": f"{loss:.4f}", "cpu_seconds": CPU_SECONDS, "steps": steps}
    save_checkpoint("05_gpt", model.half(), trained_by="bench/05_transformers.py", **facts)
