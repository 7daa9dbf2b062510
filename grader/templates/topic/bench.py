"""TITLE: FILL IN what is measured, and beside which peer."""

import torch
from common import alternate, from_lecture, row


def rows():
    (mean,) = from_lecture("NN_topic", "mean")
    x = torch.randn(10_000, 100, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mean(x), x.mean(0), atol=1e-6), "the same mean, to rounding"
    times = alternate(lambda: mean(x), lambda: x.mean(0))
    yield row("NN-mean", "FILL IN: mean of 10,000 points / torch's own", *times, target="FILL IN")
