"""Sparse coding: iterations and seconds to the optimum, dictionaries, learned encoders, Gabor fits, convolutions."""

import functools
import itertools
import math
import time
import warnings

import numpy as np
import torch
from common import alternate, cpu_seconds, from_lecture, peer_packages, row
from torch import nn

from utils.data import digits_split
from utils.train import checkpoint, save_checkpoint

STEM = "11_sparse_coding"
NAMES = """energy ista fista lipschitz kkt_residual duality_gap whitened_patches whitened_images
learn_dictionary Dictionary fit_gabor LISTA train_lista PSD psd_codes ConvEncoder conv_reconstruct transfer
conv_fista conv_energy conv_lipschitz positive_fista patch_features linear_probe"""
(
    energy,
    ista,
    fista,
    lipschitz,
    kkt_residual,
    duality_gap,
    whitened_patches,
    whitened_images,
    learn_dictionary,
    Dictionary,
    fit_gabor,
    LISTA,
    train_lista,
    PSD,
    psd_codes,
    ConvEncoder,
    conv_reconstruct,
    transfer,
    conv_fista,
    conv_energy,
    conv_lipschitz,
    positive_fista,
    patch_features,
    linear_probe,
) = from_lecture(STEM, *NAMES.split())
LAM, CLOSE = 0.5, 1e-3
CONV_FILTERS, CONV_SIZE = (1, 2, 4, 8, 16, 64), 9
LISTA_SIZE, LISTA_ATOMS = 5, 100


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- inference: iterations


@functools.cache
def problem():
    """(training patches, 2,000 held-out patches, dictionary): 10 x 10, whitened, 100 atoms, float32."""
    x = whitened_patches(50_000, 10, generator=seeded(0))
    held = whitened_patches(2_000, 10, split="test", generator=seeded(1))
    return x, held, learn_dictionary(x, 100, LAM, steps=400, batch_size=256, generator=seeded(2))


@functools.cache
def optimum(steps=4_000):
    """(codes, mean energy) of the held-out patches in float64, certified by the duality gap."""
    _, held, D = problem()
    held, D = held.double(), D.double()
    z = fista(held, D, LAM, steps=steps)
    best, gap = energy(held, D, z, LAM).mean().item(), duality_gap(held, D, z, LAM)
    assert gap.max() < 1e-6 * best, f"the duality gap certifies the optimum, got {gap.max():.1e}"
    return z, best, gap.max().item()


class Reached(Exception):
    """Raised to leave a loop from inside its `watch`."""


def suboptimality(z):
    """Mean energy of codes z of the held-out patches over the least one, less 1; in float64."""
    _, held, D = problem()
    return energy(held.double(), D.double(), z.double(), LAM).mean().item() / optimum()[1] - 1


def iterations(method, x, D, *, L=None, cap=2_000):
    """Steps until the mean energy is within CLOSE of the optimum, and the energies so far; cap + 1 if never."""
    energies = []

    def watch(k, z):
        energies.append(energy(x, D, z, LAM).mean().item())
        if energies[-1] <= (1 + CLOSE) * optimum()[1]:
            raise Reached

    try:
        method(x, D, LAM, steps=cap, L=L, watch=watch)
    except Reached:
        return len(energies), energies
    return cap + 1, energies


def to_optimality(method, x, D, *, chunk=250, cap=40):
    """Runs of `chunk` steps, each from the last one's result, until the KKT residual is at most 1e-6."""
    z, count = None, 0
    while count < cap * chunk:
        z, count = method(x, D, LAM, steps=chunk, z=z), count + chunk
        residual = kkt_residual(x, D, z, LAM).max().item()
        if residual <= 1e-6:
            break
    return residual, count


def iteration_rows(cap=2_000):
    _, held, D = problem()
    held, D = held.double(), D.double()
    z, best, gap = optimum()
    active, L, frobenius = (z != 0).sum(1).double().mean().item(), lipschitz(D), D.square().sum().item()
    for id, method, target in (("11-ista", ista, 80), ("11-fista", fista, 25)):
        steps, energies = iterations(method, held, D)
        slow, _ = iterations(method, held, D, L=frobenius, cap=cap)
        residual, taken = to_optimality(method, held, D)
        assert residual <= 1e-6, f"KKT residual of {method.__name__} after {taken} steps: {residual:.1e}"
        rises = max(after - before for before, after in itertools.pairwise(energies))
        if method is ista:
            assert rises <= 1e-12 * best, f"ISTA's energy never rises, got {rises:.1e}"
        what = (
            f"{method.__name__.upper()}: steps to {CLOSE:g} above the least mean energy ({best:.4f}, duality gap of "
            f"the worst patch {gap:.0e}) of 2,000 held-out 10 x 10 patches whitened by Olshausen and Field's filter, "
            f"100 atoms learned on the training part, lambda {LAM}, {active:.1f} of 100 coefficients not 0, float64; "
            f"step 1/L, L = {L:.2f} / the common step 1/|D|_F^2 = 1/{frobenius:.0f}"
            f"{f' (not there after {cap:,})' if slow > cap else ''}; "
            f"{'the energy never rises; ' if method is ista else ''}KKT residual {residual:.0e} after {taken:,} steps"
        )
        yield row(id, what, steps, slow, target=f"<= {target}", unit="steps")


# ---------------------------------------------------------------- inference: seconds


def fewest(run, start=1, stop=200):
    """The least whole number k for which the codes run(k) are within CLOSE of the optimum."""
    return next(k for k in range(start, stop) if suboptimality(run(k)) <= CLOSE)


def time_rows():
    from sklearn.decomposition import sparse_encode

    peer_packages()
    import spams

    _, held, D = problem()
    x, atoms = held.numpy(), np.ascontiguousarray(D.T.numpy())
    columns, wide = np.asfortranarray(x.T), np.asfortranarray(D.numpy())
    k = fewest(lambda k: fista(held, D, LAM, steps=k))

    def ours():
        return fista(held, D, LAM, steps=k)

    def lars():
        return sparse_encode(x, atoms, algorithm="lasso_lars", alpha=LAM)

    def descent(sweeps):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it has not converged: that is what we ask of it
            return sparse_encode(x, atoms, algorithm="lasso_cd", alpha=LAM, max_iter=sweeps)

    def compiled():
        return spams.lasso(columns, D=wide, lambda1=LAM, mode=2, numThreads=1).toarray().T

    sweeps = fewest(lambda sweeps: torch.from_numpy(descent(sweeps)))
    about = f"codes of 2,000 held-out 10 x 10 patches, 100 atoms, lambda {LAM}, one thread: FISTA, {k} steps, float32"
    about += f" ({suboptimality(ours()):.1e} above the least mean energy)"
    for id, name, peer, target, repeats in (
        ("11-fista-cd", f"scikit-learn's coordinate descent, {sweeps} sweeps", lambda: descent(sweeps), 5, 5),
        ("11-fista-spams", "spams's LARS in C++", compiled, 2, 9),
        ("11-fista-lars", "scikit-learn's LARS", lars, 50, 3),
    ):
        above = suboptimality(torch.from_numpy(np.ascontiguousarray(peer())))
        assert above <= CLOSE, f"{name}: {above:.1e}"
        mine, its = alternate(ours, peer, repeats)
        yield row(id, f"{about} / {name} ({above:.1e})", mine, its, target=f">= {target}")


# ---------------------------------------------------------------- learning a dictionary


def dictionary_rows(steps=157, batch_size=256, atoms=100):
    """The same batches from the same first atoms: ours, then scikit-learn's learner with either of its solvers."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    x, held, _ = problem()
    first = x[torch.randperm(len(x), generator=seeded(3))[:atoms]].T.contiguous()
    first /= first.norm(dim=0).clamp(min=1e-6)
    draw = seeded(4)
    batches = [x[torch.randint(len(x), (batch_size,), generator=draw)].numpy() for _ in range(steps)]

    def ours():
        return learn_dictionary(x, atoms, LAM, steps=steps, batch_size=batch_size, generator=seeded(4), D=first.clone())

    def peer(solver):
        learner = MiniBatchDictionaryLearning(
            atoms, alpha=LAM, batch_size=batch_size, fit_algorithm=solver, dict_init=first.T.numpy(), random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its coordinate descent says that it has not converged
            for batch in batches:
                learner.partial_fit(batch)
        return torch.from_numpy(learner.components_.T.astype(np.float32))

    def objective(D):
        assert D.norm(dim=0).max() <= 1 + 1e-5, "atoms lie in the unit ball"
        return energy(held, D, fista(held, D, LAM, steps=1_000), LAM).mean().item()

    seconds, D = cpu_seconds(ours, repeats=3)
    learned = {}
    for solver in ("cd", "lars"):
        theirs_seconds, theirs = cpu_seconds(lambda solver=solver: peer(solver), repeats=1)
        learned[solver] = theirs_seconds, objective(theirs)
    solver = min(learned, key=lambda name: learned[name][0])
    theirs, lowest = learned[solver][0], min(value for _, value in learned.values())
    mine = objective(D)
    what = (
        f"dictionary of {atoms} atoms from the same {steps} batches of {batch_size} whitened 10 x 10 patches and the "
        f"same first atoms, lambda {LAM}, one thread: mini-batch FISTA (30 steps) and block-coordinate update, A and B "
        f"forgetting / scikit-learn's MiniBatchDictionaryLearning"
    )
    beside = ", ".join(f"{name} {taken:.1f} s to {value:.3f}" for name, (taken, value) in learned.items())
    of = f"{what}; mean energy of 2,000 held-out patches, exact codes; the lower of its solvers ({beside})"
    yield row("11-dictionary", of, mine, lowest, target="<= 0.97 x peer", unit="mean energy")
    what += f"; CPU time, the faster of its solvers ({beside})"
    yield row("11-dictionary-time", what, seconds, theirs, target="<= 0.2 x peer")


# ---------------------------------------------------------------- Gabor functions


def gabor_row(size=12, atoms=144, steps=400):
    x = whitened_patches(50_000, size, generator=seeded(0))
    seconds, D = cpu_seconds(
        lambda: learn_dictionary(x, atoms, LAM, steps=steps, batch_size=256, generator=seeded(1)), repeats=1
    )
    pca = torch.linalg.eigh(((x - x.mean(0)).T @ (x - x.mean(0))).double())[1].flip(1).float()
    noise = torch.randn(size * size, atoms, generator=seeded(2))
    fits = {name: fit_gabor(a.T, size)[1] for name, a in (("learned", D), ("PCA", pca), ("random", noise))}
    share = ", ".join(f"{name} {100 * (R2 > 0.8).double().mean().item():.0f}" for name, R2 in fits.items())
    learned, axes, chance = (fits[name].median().item() for name in ("learned", "PCA", "random"))
    what = (
        f"share of an atom that its best Gabor function leaves unexplained, 1 - R^2, median of {atoms} atoms learned "
        f"from whitened {size} x {size} patches ({steps} batches of 256, lambda {LAM}, {seconds:.1f} CPU-seconds) / of "
        f"the {size * size} principal axes; R^2: learned {learned:.2f}, PCA {axes:.2f}, random {chance:.2f}; atoms "
        f"with R^2 above 0.8, in %: {share}"
    )
    return row("11-gabor", what, 1 - learned, 1 - axes, target="<= 0.3 (R^2 >= 0.7)", limit=0, unit="1 - R^2")


# ---------------------------------------------------------------- convolutional codes


def conv_nets():
    return nn.ModuleDict({str(K): ConvEncoder(K, CONV_SIZE) for K in CONV_FILTERS})


def random_places(images, size, n, generator):
    """n random places of a size x size window in images (N, H, W): a list of (image, top, left)."""
    N, H, W = images.shape
    highs = (N, H - size + 1, W - size + 1)
    return torch.stack([torch.randint(high, (n,), generator=generator) for high in highs], 1).tolist()


def train_conv(images, K, size, lam, *, steps, batch_size, crop, generator, iterations=30, lr=0.05):
    """Learn convolutional decoder and encoder filters from random crops of images (N, H, W): a ConvEncoder.

    Each step: maps by conv_fista, one projected Adam step of the decoder on what is left unexplained, one Adam step of
    the encoder towards the maps.
    """
    net = ConvEncoder(K, size).to(images.device)
    seeds = torch.stack(
        [images[i, a : a + size, b : b + size] for i, a, b in random_places(images, size, K, generator)]
    )
    with torch.no_grad():
        net.decoder.copy_(seeds / seeds.flatten(1).norm(dim=1).clamp(min=1e-6)[:, None, None])
        net.encoder.copy_(net.decoder)
    optimizer = torch.optim.Adam(
        [
            {"params": [net.decoder], "lr": lr},
            {"params": [net.encoder], "lr": lr / 10},
            {"params": [net.theta, net.gain], "lr": lr / 5},
        ]
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        places = random_places(images, crop, batch_size, generator)
        batch = torch.stack([images[i, top : top + crop, left : left + crop] for i, top, left in places])
        predicted = net(batch)
        maps = conv_fista(batch, net.decoder.detach(), lam, steps=iterations)
        miss = batch - conv_reconstruct(maps, net.decoder)
        loss = 0.5 * miss.square().sum() / batch_size + (predicted - maps).square().sum() / batch_size
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            net.decoder /= net.decoder.flatten(1).norm(dim=1).clamp(min=1e-6)[:, None, None]
    return net


def train_conv_nets():
    images, nets, begun = whitened_images(), conv_nets(), time.process_time()
    for K in CONV_FILTERS:
        torch.manual_seed(K)
        steps = CONV_STEPS if K < 64 else CONV_STEPS_64
        nets[str(K)] = train_conv(images, K, CONV_SIZE, LAM, steps=steps, batch_size=4, crop=48, generator=seeded(K))
        print(f"  {K} filters: {time.process_time() - begun:.0f} CPU-seconds so far", flush=True)
    facts = dict(lam=LAM, size=CONV_SIZE, filters=CONV_FILTERS, steps=CONV_STEPS, steps_64=CONV_STEPS_64)
    save_checkpoint("11_conv", nets, **facts, cpu_seconds=f"{time.process_time() - begun:.0f}")


CONV_STEPS, CONV_STEPS_64 = 400, 250
CSC_SIDE = 256


def conv_bound(image, filters, maps):
    """A lower bound of the least energy, from the residual scaled until no filter matches it by more than LAM."""
    r = image - conv_reconstruct(maps, filters)
    matches = torch.fft.irfft2(transfer(filters, image.shape).conj() * torch.fft.rfft2(r), s=image.shape)
    nu = r * min(1.0, LAM / matches.abs().max().item())
    return ((image * nu).sum() - nu.square().sum() / 2).item()


def csc_row():
    """Seconds to the same energy: ours, and sporco's FISTA and ADMM on the same circular problem."""
    peer_packages()
    import sporco.fft
    from sporco.admm.cbpdn import ConvBPDN as Admm
    from sporco.pgm.cbpdn import ConvBPDN as Pgm

    sporco.fft.pyfftw_threads = 1
    nets = conv_nets()
    checkpoint("11_conv", nets)
    filters = nets["16"].decoder.detach()
    image = whitened_images()[0, :CSC_SIDE, :CSC_SIDE].contiguous()
    L = conv_lipschitz(filters, image.shape)
    z = conv_fista(image, filters, LAM, steps=4_000).double()
    best = conv_energy(image.double(), filters.double(), z, LAM).item()
    gap = best - conv_bound(image.double(), filters.double(), z)
    assert gap < CLOSE / 4 * best, f"the duality gap certifies the optimum, got {gap:.1e} of {best:.1e}"
    goal = (1 + CLOSE) * best

    def until(run):
        """The least number of steps k for which `watch` sees the goal."""
        count = []

        def watch(maps):
            count.append(conv_energy(image, filters, maps, LAM).item())
            if count[-1] <= goal:
                raise Reached

        try:
            run(watch)
        except Reached:
            return len(count)
        raise AssertionError(f"not at {goal} after {len(count)} steps: {count[-1]}")

    steps = until(lambda watch: conv_fista(image, filters, LAM, steps=2_000, watch=lambda k, z: watch(z)))
    atoms, signal = filters.permute(1, 2, 0).numpy().copy(), image.numpy()

    def sporco_run(method, options, steps, watch=None):
        fixed = {"Verbose": False, "FastSolve": True, "MaxMainIter": steps, "RelStopTol": 0.0, "DataType": np.float32}
        if watch is not None:  # its filters start at the origin, ours have their middle there
            shift = -(CONV_SIZE // 2)

            def callback(solver):
                maps = torch.from_numpy(np.ascontiguousarray(solver.getcoef().squeeze().transpose(2, 0, 1)))
                watch(maps.roll((-shift, -shift), (1, 2)))

            fixed["Callback"] = callback
        solver = method(atoms, signal, LAM, method.Options({**options, **fixed}), dimK=0)
        solver.solve()
        return solver

    fixed = {"AutoRho": {"Enabled": False}}
    settings = {
        "FISTA": (Pgm, {"L": L}),
        "ADMM": (Admm, {}),
        "ADMM with rho 5": (Admm, {"rho": 5.0, **fixed}),
    }
    runs, once = {}, {}
    for name, (method, options) in settings.items():
        k = until(lambda watch, method=method, options=options: sporco_run(method, options, 1_000, watch))
        runs[name] = functools.partial(sporco_run, method, options, k)
        begun = time.perf_counter()
        runs[name]()
        once[name] = time.perf_counter() - begun, k
    name = min(once, key=lambda name: once[name][0])
    mine, theirs = alternate(lambda: conv_fista(image, filters, LAM, steps=steps), runs[name], 3)
    beside = ", ".join(f"{name} {k} steps {seconds:.2f} s" for name, (seconds, k) in once.items())
    what = (
        f"convolutional codes of a {CSC_SIDE} x {CSC_SIDE} whitened photograph, 16 learned filters of {CONV_SIZE} x "
        f"{CONV_SIZE}, lambda {LAM}, circular, float32, one thread, to {CLOSE:g} above the least energy "
        f"({best:.1f}, duality gap {gap:.1g}): FISTA with real FFTs, {steps} steps / sporco 0.2.2, the fastest of "
        f"{beside}"
    )
    return row("11-csc", what, mine, theirs, target=">= 1")


# ---------------------------------------------------------------- LISTA

LISTA_LAYERS = {0: 3_000, 1: 16_000, 3: 8_000, 7: 5_000}  # layers: steps of training
LISTA_BATCH, LISTA_PATCHES = 500, 240_000


def turned(x, size, generator):
    """Patches (N, size*size) turned and mirrored in all eight ways, a part of them in each, in random order."""
    made = []
    for way, part in enumerate(x.view(-1, size, size).chunk(8)):
        part = part.flip(1) if way & 1 else part
        part = part.flip(2) if way & 2 else part
        made.append((part.mT if way & 4 else part).flatten(1))
    return torch.cat(made)[torch.randperm(len(x), generator=generator)]


def lista_nets(D):
    """The encoders of the checkpoint: LISTA of 0, 1, 3, 7 layers (each layer its own weights), PSD, the dictionary."""
    n, m = D.shape
    nets = {str(T): LISTA(D, LAM, T, tied=False) for T in LISTA_LAYERS}
    return nn.ModuleDict({**nets, "psd": PSD(n, m), "dictionary": Dictionary(n, m)})


def train_psd(x, D, lam, *, steps, batch_size, generator, alpha=0.5, lr=3e-3, iterations=15):
    """PSD's encoder for a given dictionary D (n, m): codes that stay near its prediction, then a step towards them."""
    net = PSD(*D.shape).to(x.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        batch = x[torch.randint(len(x), (batch_size,), generator=generator).to(x.device)]
        predicted = net(batch)
        z = psd_codes(batch, D, lam, predicted.detach(), alpha, steps=iterations)
        loss = (predicted - z).square().sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return net


def train_lista_nets():
    """Codes of turned training patches whose contrast is varied, then each encoder regresses them."""
    begun, size = time.process_time(), LISTA_SIZE
    x = turned(whitened_patches(LISTA_PATCHES, size, generator=seeded(0)), size, seeded(1))
    D = learn_dictionary(x, LISTA_ATOMS, LAM, steps=300, batch_size=256, generator=seeded(2))
    x = x * torch.exp(1.4 * torch.rand(len(x), 1, generator=seeded(3)) - 0.35)  # contrast times 0.7 to 2.9
    z = torch.cat([fista(part, D, LAM, steps=200) for part in x.split(1_000)])
    torch.manual_seed(0)
    nets = lista_nets(D)
    nets["dictionary"].D.data.copy_(D)
    for T, steps in LISTA_LAYERS.items():
        train_lista(nets[str(T)], x, z, steps=steps, batch_size=LISTA_BATCH, generator=seeded(4), lr=3e-3)
        print(f"  LISTA, {T} layers: {time.process_time() - begun:.0f} CPU-seconds so far", flush=True)
    psd = train_psd(x, D, LAM, steps=3_000, batch_size=256, generator=seeded(5))
    nets["psd"].load_state_dict(psd.state_dict())
    steps = ", ".join(f"{steps} with {T} layers" for T, steps in LISTA_LAYERS.items())
    facts = dict(lam=LAM, size=size, atoms=LISTA_ATOMS, patches=LISTA_PATCHES, steps=steps, batch_size=LISTA_BATCH)
    save_checkpoint("11_lista", nets, **facts, cpu_seconds=f"{time.process_time() - begun:.0f}")


def lista_complete(steps=3_000, patches=80_000):
    """The same with as many atoms as pixels, in words: errors of 1 and 3 layers, and FISTA's steps to as little."""
    _, held, D = problem()
    x = turned(whitened_patches(patches, 10, generator=seeded(0)), 10, seeded(1))
    x = x * torch.exp(1.4 * torch.rand(len(x), 1, generator=seeded(3)) - 0.35)
    z = torch.cat([fista(part, D, LAM, steps=100) for part in x.split(1_000)])
    best, said = optimum()[0], []
    after = [(fista(held, D, LAM, steps=k) - best).square().sum(1).mean().item() for k in range(1, 31)]
    for T in (1, 3):
        net = LISTA(D, LAM, T, tied=False)
        train_lista(net, x, z, steps=steps, batch_size=LISTA_BATCH, generator=seeded(4), lr=3e-3)
        with torch.no_grad():
            mine = (net(held) - best).square().sum(1).mean().item()
        equal = next(k for k, error in enumerate(after, 1) if error <= mine)
        said.append(f"{T} layer{'s' * (T > 1)} {mine:.2f}, FISTA needs {equal}")
    return f"complete instead, 100 atoms of 10 x 10 patches, L = {lipschitz(D):.1f}, {steps:,} steps: {'; '.join(said)}"


@torch.no_grad()
def lista_rows():
    with torch.enable_grad():
        complete = lista_complete()
    n = LISTA_SIZE**2
    nets = lista_nets(torch.eye(n, LISTA_ATOMS))
    facts = checkpoint("11_lista", nets)
    D = nets["dictionary"].D.detach()
    x = whitened_patches(2_000, LISTA_SIZE, split="test", generator=seeded(10))
    best = fista(x.double(), D.double(), LAM, steps=6_000)
    gap = duality_gap(x.double(), D.double(), best, LAM).max().item()
    assert gap < 1e-5, f"the duality gap certifies the codes, got {gap:.1e}"

    def error(z):
        return (z.double() - best).square().sum(1).mean().item()

    after = {k: error(fista(x, D, LAM, steps=k)) for k in range(1, 61)}
    about = (
        f"mean |z - z*|^2 of 2,000 held-out {LISTA_SIZE} x {LISTA_SIZE} whitened patches (mean |z*|^2 "
        f"{best.square().sum(1).mean():.2f}), {LISTA_ATOMS} atoms ({LISTA_ATOMS / n:g} times overcomplete, L = "
        f"{lipschitz(D):.1f}), lambda {LAM}"
    )
    how = (
        f"each layer its own weights, regressed on the codes of {int(facts['patches']):,} training patches, turned and "
        f"mirrored and of varied contrast, float32"
    )
    for T, k in ((1, 8), (3, 15)):
        mine = error(nets[str(T)](x))
        equal = next(k for k in after if after[k] <= mine)
        steps = LISTA_LAYERS[T]
        what = f"{about}: LISTA, {T} layer{'s' * (T > 1)} after the first threshold, {how}, {steps:,} steps of "
        what += f"{LISTA_BATCH} / FISTA after {k} steps; FISTA needs {equal} to do as well as LISTA; {complete}"
        yield row(f"11-lista-{T}", what, mine, after[k], target="<= peer", unit="|z - z*|^2")

    L, timed = lipschitz(D), {}
    for T in LISTA_LAYERS:
        mine = error(nets[str(T)](x))
        equal = next(k for k in after if after[k] <= mine)
        mine_seconds, _ = cpu_seconds(lambda T=T: nets[str(T)](x), repeats=41)
        fista_seconds, _ = cpu_seconds(lambda k=equal: fista(x, D, LAM, steps=k, L=L), repeats=41)
        timed[T] = mine_seconds, fista_seconds, equal, mine
    T = 1
    each = ", ".join(f"{T} layers {b / a:.1f}x ({mine:.2f}, FISTA {k})" for T, (a, b, k, mine) in timed.items())
    what = (
        f"{about}: CPU-seconds to code all, one thread, LISTA with {T} layer / FISTA (L given) with the fewest steps "
    )
    what += f"of no greater error ({timed[T][2]}); all (error, steps of FISTA): {each}"
    yield row("11-lista-speed", what, timed[T][0], timed[T][1], target=">= 5")


# ---------------------------------------------------------------- strokes, and codes as features


def train_strokes(atoms=256, lam=0.3, steps=400):
    """Non-negative codes and atoms of whole digits, as the lecture's section on strokes has them."""
    (images, _), (test, _), where = digits_split()
    x, begun = images.flatten(1) / 255, time.process_time()
    D = torch.rand(784, atoms, generator=seeded(0)) * x.std(0)[:, None]
    D = learn_dictionary(
        x,
        atoms,
        lam,
        steps=steps,
        batch_size=128,
        generator=seeded(0),
        iterations=20,
        D=D / D.norm(dim=0),
        infer=positive_fista,
        positive=True,
    )
    held = test[:1_000].flatten(1) / 255
    value = energy(held, D, positive_fista(held, D, lam, steps=300), lam).mean().item()
    kept = Dictionary(784, atoms)
    kept.D.data.copy_(D)
    facts = dict(lam=lam, steps=steps, energy=f"{value:.3f}", held_out=f"1,000 digits of {where}")
    save_checkpoint("11_strokes", kept, **facts, cpu_seconds=f"{time.process_time() - begun:.0f}")


def digit_features(images, test_images, *, size=7, atoms=64, lam=0.3):
    """{name: (features of images, of test_images)}: pixels, codes of patches (learned, random atoms), of strokes."""
    x, test = images / 255, test_images / 255
    patches = torch.nn.functional.unfold(x[:2_000, None], size, stride=3).transpose(1, 2).flatten(0, 1)
    patches = patches - patches.mean(1, keepdim=True)
    patches = patches[patches.norm(dim=1) > 0.5]
    learned = learn_dictionary(patches, atoms, lam, steps=400, batch_size=256, generator=seeded(0))
    noise = torch.randn(size * size, atoms, generator=seeded(1))
    made = {"pixels": (x.flatten(1), test.flatten(1))}
    for name, D in (("learned", learned), ("random", noise / noise.norm(dim=0))):
        made[name] = tuple(patch_features(part, D, lam, size) for part in (x, test))
    strokes = Dictionary(784, 256)
    facts = checkpoint("11_strokes", strokes)
    D, lam = strokes.D.detach(), float(facts["lam"])
    made["strokes"] = tuple(positive_fista(part.flatten(1), D, lam, steps=40) for part in (x, test))
    return made


def feature_rows(subsets=5, decays=(1e-5, 1e-4, 1e-3, 1e-2)):
    (images, labels), (test_images, test_labels), where = digits_split()
    made = digit_features(images, test_images)
    chooser = torch.arange(len(labels) - 2_000, len(labels))  # digits that no subset holds: they choose the decay
    for count in (100, 1_000):
        wrong = {}
        for name, (train, test) in made.items():
            drawn = [balanced(labels[:-2_000], count, seeded(s)) for s in range(subsets)]
            trial = train[drawn[0]], labels[drawn[0]], train[chooser], labels[chooser]
            decay = max(decays, key=lambda d, trial=trial: linear_probe(*trial, decay=d))
            wrong[name] = [
                100 * (1 - linear_probe(train[rows], labels[rows], test, test_labels, decay=decay)) for rows in drawn
            ]
        mean = {name: sum(each) / len(each) for name, each in wrong.items()}
        spread = f"{min(wrong['learned']):.1f}-{max(wrong['learned']):.1f}"
        what = (
            f"{count:,} labels ({count // 10} a class), {subsets} subsets, % wrong on {where} (mean; {spread} over the "
            f"subsets) of a linear probe on sparse codes of 7 x 7 patches, 64 learned atoms, lambda 0.3, "
            f"pooled 4 x 4, {made['learned'][0].shape[1]:,} features, decay chosen on 2,000 other digits / on pixels; "
            f"random atoms {mean['random']:.1f}, codes of 256 whole-digit strokes {mean['strokes']:.1f}"
        )
        yield row(f"11-features-{count}", what, mean["learned"], mean["pixels"], target="< peer", unit="% wrong")


def balanced(labels, count, generator):
    """count // 10 rows of each class, drawn without replacement."""
    order = torch.randperm(len(labels), generator=generator)
    return torch.cat([order[labels[order] == c][: count // 10] for c in range(10)])


# ---------------------------------------------------------------- all of it


def checkpoints():
    torch.set_num_threads(1)
    for train in (train_conv_nets, train_lista_nets, train_strokes):
        train()


def rows():
    torch.set_num_threads(1)
    yield gabor_row()
    yield from lista_rows()
    yield from time_rows()
    yield from dictionary_rows()
    yield csc_row()
    yield from iteration_rows()
    yield from feature_rows()
