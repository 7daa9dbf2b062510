"""Counting beside gradient descent, fitting counts beside fitting readings: the same likelihood, how much sooner?"""

import torch
from common import alternate, from_lecture, row

STEM = "01_histograms_logistics"
NAMES = "K read_sensor count nll_counts fit_histogram mixture_log_probs train start trainable fit_counts"


def rows():
    K, read_sensor, count, nll_counts, fit_histogram, mixture_log_probs, train, start, trainable, fit_counts = (
        from_lecture(STEM, *NAMES.split())
    )
    torch.set_num_threads(1)
    x = read_sensor(8_000, generator=torch.Generator().manual_seed(1))
    counts = count(x)

    def by_counting():
        return fit_histogram(count(x)).log()

    def by_descent():
        """A softmax of K free numbers, 20 epochs of Adam: how a histogram is fitted as if it were a network."""
        logits, generator = torch.zeros(K, requires_grad=True), torch.Generator().manual_seed(2)
        optimizer = torch.optim.Adam([logits], lr=0.1)
        for _ in range(20):
            for rows in torch.randperm(len(x), generator=generator).split(250):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits.expand(len(rows), K), x[rows]).backward()
                optimizer.step()
        return logits.detach().double().log_softmax(0)

    exact, trained = nll_counts(by_counting(), counts), nll_counts(by_descent(), counts)
    assert 0 <= trained - exact < 0.01, "the same likelihood to 0.01 nat"
    yield row("01-histogram", "histogram: counting / 20 epochs of Adam", *alternate(by_counting, by_descent), target=10)

    def on_counts():
        return fit_counts(counts, 4)

    def on_readings():
        theta = trainable(start(counts, 4))
        train(theta, x, epochs=50, generator=torch.Generator().manual_seed(3))
        return [t.detach() for t in theta]

    ours, theirs = (nll_counts(mixture_log_probs(f(), K), counts) for f in (on_counts, on_readings))
    assert ours <= theirs, "L-BFGS on counts is not behind"
    assert theirs - ours < 0.005, "and mini-batches come near"
    what = "mixture of 4: L-BFGS on counts / Adam on mini-batches, 50 epochs"
    yield row("01-mixture", what, *alternate(on_counts, on_readings), target=10)
