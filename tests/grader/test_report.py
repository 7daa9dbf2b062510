"""The report as an instructor and a student open it: in a browser, from the disk, with nothing else to load."""

import csv
import io
import json
import math
import os
import random
import re
import shutil
from types import SimpleNamespace

import pytest

from grader import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
HOSTILE = (
    "eve</title></style></script><script>document.title='owned';alert(1)</script><img src=x onerror=alert(2)>"
    "<style>*{display:none}</style><link rel=stylesheet href=https://example.org/x.css><base href=https://example.org/>"
    "<form action=https://example.org/><iframe srcdoc='<script>alert(3)</script>'></iframe><svg onload=alert(4)>"
    "\"' onfocus=alert(5) autofocus x=\"{{ 7 * 7 }}{% raw %}<!--\x1b[2J\x1b]8;;https://example.org\x07\x00\u202egpj.exe\u2066"
)
ANSWERS = {
    "histogram": [
        (2.0, "    counts = torch.bincount(x, minlength=K)\n    return counts / len(x)", None),
        (2.0, "    return torch.bincount(x, minlength=K).float() / x.numel()", None),
        (1.0, "    p = torch.zeros(K)\n    for v in x:\n        p[v] += 1\n    return p / K  # per bin", [0.1, 0.2, 0.05]),
        (0.0, "    return torch.bincount(x) / len(x)", "IndexError: index {n} is out of bounds for dimension 0 with size 4"),
    ],
    "mixture_log_prob": [
        (3.0, "    log_w = logits.log_softmax(0)\n    z = (x[:, None] - mu) * torch.exp(-log_s)\n    parts = -z - log_s - 2"
              " * torch.nn.functional.softplus(-z)\n    return torch.logsumexp(log_w + parts, dim=1)", None),
        (3.0, "    total = 0\n    for k in range(len(mu)):\n        s = log_s[k].exp()\n        z = (x - mu[k]) / s\n        density ="
              " torch.exp(-z) / (s * (1 + torch.exp(-z)) ** 2)\n        total = total + logits.softmax(0)[k] * density\n"
              "    return total.log()", None),
        (1.5, "    w = logits.exp()\n    z = (x[:, None] - mu) / log_s.exp()\n    p = torch.sigmoid(z) * (1 - torch.sigmoid(z))"
              " / log_s.exp()\n    return (w * p).sum(1).log()", [float("nan"), -3.25, -7.5, 12.0]),
        (0.0, "    z = (x - mu) / log_s\n    return torch.logsumexp(z, 0", "SyntaxError: '(' was never closed (line {n})"),
    ],
    "elbo": [
        (4.0, "    q = torch.distributions.Normal(mu, logvar.mul(0.5).exp())\n    p = torch.distributions.Normal(0.0, 1.0)\n    kl"
              " = torch.distributions.kl_divergence(q, p).sum(1)\n    return (log_px - kl).mean()", None),
        (4.0, "    kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)\n    per_image = log_px - kl.sum(dim=1)\n    return"
              " torch.mean(per_image)", None),
        (2.0, "    kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)\n    bound = log_px.mean() + kl.mean()\n    assert"
              " bound.ndim == 0\n    return bound", [-88.25]),
        (0.0, "    raise NotImplementedError('elbo')", "NotImplementedError: elbo"),
    ],
}  # fmt: skip
HINTS = {
    "histogram": "Added up, the probabilities end at 1. Ends at 400: counts, not yet shares.",
    "mixture_log_prob": "-inf far out? Stay in logarithms until the end.",
    "elbo": "Which sign has the divergence, and is it a sum over dimensions?",
}


def row(task, number, points, most, wrong=None, *, about="Compares with a direct count."):
    """The row of one check. wrong: None, an error's message, or the numbers that were published instead."""
    name = {"histogram": "probabilities", "mixture_log_prob": "far_tails", "elbo": "bound"}.get(task, "total")
    numbers = wrong if isinstance(wrong, list) else None
    value = {"name": name, "right": points == most, "message": "2 of 3 numbers differ, by up to 0.25", "hint": HINTS.get(task, ""),
             "got": [3], "expected": [3]}  # fmt: skip
    if numbers:
        value["sample"] = [number if math.isfinite(number) else str(number) for number in numbers]
    verdict = "error" if isinstance(wrong, str) else "pass" if points == most else "partial" if points else "fail"
    return {"task": task, "check": f"{task}-{number}", "points": points, "max": most, "verdict": verdict, "graded": "own",
            "message": wrong if isinstance(wrong, str) else "", "values": [] if isinstance(wrong, str) else [value],
            "seconds": 0.1, "about": about}  # fmt: skip


def entry(student, rows, **more):
    return {"student": student, "file": f"{student}.ipynb", "status": "graded", "points": sum(r["points"] for r in rows),
            "max": sum(r["max"] for r in rows), "seconds": 1.0, "notes": [], "seed": 7, "sandbox": "bwrap", "checks": rows,
            "code": {}, **more}  # fmt: skip


def stub(task):
    return f'# task: {task}\ndef {task}(x):\n    """What it does. x: (n,)."""\n    raise NotImplementedError("{task}")'


def code(task, body):
    return f'# task: {task}\ndef {task}(x):\n    """What it does. x: (n,)."""\n{body}'


def made_up_class(many=40):
    """A class of students who chose their answers by lot; the last two handed in one text with other names."""
    draw = random.Random(3)
    names = ["Ada", "Bruno", "Chidi", "Dilara", "Emeka", "Farah", "Grace", "Hugo", "Ines", "Jonas", "Kiran", "Lena", "Mo", "Nils"]
    entries = []
    for n in range(many):
        rows, written = [], {}
        for task, answers in ANSWERS.items():
            points, body, wrong = draw.choices(answers, (8, 6, 4, 2))[0]
            most = answers[0][0]
            if isinstance(wrong, str):
                wrong = wrong.format(n=draw.randrange(5, 90))
            rows += [row(task, 1, min(points, most / 2), most / 2), row(task, 2, max(0.0, points - most / 2), most / 2, wrong)]
            body = re.sub(r"\b(z|kl|total|counts)\b", rf"\g<1>_{n}", body)
            for _ in range(draw.randrange(9)):
                at = draw.choice(["print(x.{}({}))", "y = {1} * x.{0}()", "assert x.{} > {}", "x = x.{}() + {}"])
                body = f"    {at.format(draw.choice(['mean', 'sum', 'std', 'max']), draw.randrange(9))}\n{body}"
            written[task] = code(task, body) if "NotImpl" not in body else stub(task)
        name = f"{names[n % len(names)]} {chr(65 + n // len(names))}."
        extra = {"attempts": 1 + n % 3, "late": {"days": 2, "penalty": 0.5} if n % 11 == 5 else None, "manual": []}
        entries.append(entry(name, rows, code=written, raw_points=sum(r["points"] for r in rows), **extra))
        entries[-1]["points"] -= extra["late"]["penalty"] if extra["late"] else 0.0
    entries[-1]["code"] = {task: text.replace("x", "data") for task, text in entries[-2]["code"].items()}
    entries[5]["manual"] = [{"task": "elbo", "points": 3.5, "comment": "The idea is right; the sign is a slip.", "author": "kim"}]
    entries[9].update(status="corrupt", notes=["not a notebook: Expecting value: line 1 column 1 (char 0)"], points=0.0, code={})
    for each in entries[9]["checks"]:
        each.update(points=0.0, verdict="missing", values=[], message="")
    return grades_of(entries)


def grades_of(entries):
    return {"schema": 1, "lab": "03_mixtures", "seed": 7, "sandbox": "bwrap+landlock", "submissions": entries}


def master():
    return SimpleNamespace(
        tasks={task: code(task, answers[0][1] + "  # SOLUTION") for task, answers in ANSWERS.items()},
        stubs={task: stub(task) for task in ANSWERS},
    )
