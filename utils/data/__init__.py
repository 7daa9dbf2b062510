"""The course's data as tensors: what ships needs no network, and nothing is downloaded before you ask for it.

    images, labels = digits()            # (10000, 28, 28) uint8 in 0..255, (10000,) int64 in 0..9

Shipped: 10,000 MNIST digits, natural images, the Python manual. By `fetch`, each file known by its SHA-256:
MNIST, Fashion-MNIST, Tiny Shakespeare, looked for in $COURSE_DATA, then in the cache, then, unless $COURSE_OFFLINE
is set, at the mirrors.
"""

import gzip
import hashlib
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

# ---------------------------------------------------------------- what ships


def digits(n=10_000):
    """MNIST training digits in a fixed random order: (images (n, 28, 28) uint8 in 0..255, labels (n,) int64 in 0..9).

    n: up to 10,000 from the shipped file (the first 10,000 of MNIST), so digits(1000) is the start of digits().
    n="full" asks for all 60,000 (11 MB by `fetch`); where no mirror delivers it warns and returns the shipped 10,000.
    """
    if n == "full":
        try:
            return _idx_pair("mnist", "train")
        except FileNotFoundError as error:
            warnings.warn(f"{error}\nFalling back to the 10,000 digits that ship with the course.", stacklevel=2)
            n = 10_000
    if isinstance(n, str) or not 1 <= n <= 10_000:
        raise ValueError(f"digits(n): n must lie in 1..10000, which ship, or be 'full'; got {n!r}")
    with np.load(Path(__file__).with_name("mnist10k.npz")) as shipped:
        images, labels = _shuffled(shipped["images"], shipped["labels"])
    return images[:n], labels[:n]


def natural_images():
    """The two photographs that scikit-learn ships, a temple and a flower: list of (427, 640, 3) uint8 RGB."""
    from importlib.util import find_spec

    from PIL import Image

    found = find_spec("sklearn")  # only its folder: importing scikit-learn would take a second
    if found is None:
        raise ImportError("natural_images() reads scikit-learn's sample images: pip install scikit-learn")
    folder = Path(found.origin).parent / "datasets" / "images"
    photos = [Image.open(folder / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]
    return [torch.from_numpy(np.array(photo)) for photo in photos]


def natural_patches(n, size, *, split="train", generator=None):
    """Random square patches of the two photographs: (n, size, size, 3) uint8 RGB.

    split: "train" cuts from the left three quarters of each photograph, "test" from the right quarter, so the two
    share no pixel.  size: 1..160.  generator: draws the places.
    """
    if split not in ("train", "test"):
        raise ValueError(f"natural_patches(split=...) must be 'train' or 'test', got {split!r}")
    if not 1 <= size <= 160:
        raise ValueError(f"natural_patches(n, size): size must lie in 1..160, got {size!r}")
    photos = torch.stack(natural_images())  # (2, 427, 640, 3)
    _, H, W, _ = photos.shape
    left, right = (0, W * 3 // 4) if split == "train" else (W * 3 // 4, W)
    which = torch.randint(2, (n,), generator=generator)
    top = torch.randint(H - size + 1, (n,), generator=generator)
    at = torch.randint(left, right - size + 1, (n,), generator=generator)
    inside = torch.arange(size)
    return photos[which[:, None, None], (top[:, None] + inside)[:, :, None], (at[:, None] + inside)[:, None, :]]


def binarise(images, *, how="dynamic", generator=None):
    """Black and white images: float32 in {0, 1}, the shape of `images`, which are uint8 in 0..255.

    how="dynamic": each pixel is 1 with probability value/255, drawn anew at each call (Burda et al. 2016, section 5.1).
    how="threshold": 1 above 127.  The two give likelihoods that cannot be compared: say which with every number.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"binarise(images): expected uint8 in 0..255, got {images.dtype}")
    if how == "threshold":
        return (images > 127).float()
    if how != "dynamic":
        raise ValueError(f"binarise(how=...) must be 'dynamic' or 'threshold', got {how!r}")
    drawn_on = images.device if generator is None else generator.device
    u = torch.rand(images.shape, generator=generator, device=drawn_on).to(images.device)
    return (u * 255 < images).float()


def manual_text():
    """The Python language manual as plain text, its topics in alphabetical order.

    It comes with every Python, about half a million characters, and differs a little between Python versions.
    """
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"


# ---------------------------------------------------------------- what is fetched


def digits_test():
    """MNIST's official test set in a fixed random order: (images (10000, 28, 28) uint8, labels (10000,) int64).

    The order matters: the official file has one group of writers first, then another.
    Raises FileNotFoundError, naming what was tried, where the set is not at hand and cannot be downloaded.
    """
    return _idx_pair("mnist", "t10k")


def digits_split():
    """What to learn from and what to judge by: ((images, labels), (images, labels), the name of the second).

    The 10,000 shipped digits and MNIST's official test set.  Where that is not at hand and cannot be downloaded, the
    last 1,000 of the shipped digits are held out and the other 9,000 are to learn from: the name says which it is, and
    that the checkpoints in the repository, trained on all 10,000, know them.
    """
    images, labels = digits()
    try:
        return (images, labels), digits_test(), "MNIST's official test set"
    except FileNotFoundError:
        held = (images[9000:], labels[9000:])
        where = "1,000 shipped digits held out (no official test set at hand; the stored checkpoints have seen these)"
        return (images[:9000], labels[:9000]), held, where


def fashion_mnist(split="train"):
    """Fashion-MNIST in a fixed random order: (images (n, 28, 28) uint8 in 0..255, labels (n,) int64 in 0..9).

    split: "train" (n = 60,000; 26 MB by `fetch`) or "test" (10,000).  Debian's dataset-fashion-mnist serves too.
    """
    if split not in ("train", "test"):
        raise ValueError(f"fashion_mnist(split) must be 'train' or 'test', got {split!r}")
    return _idx_pair("fashion-mnist", "train" if split == "train" else "t10k")


def tiny_shakespeare():
    """Karpathy's Tiny Shakespeare: one str of 1,115,394 ASCII characters."""
    return fetch("tinyshakespeare.txt").read_bytes().decode("ascii")


def course_text():
    """Text to model, and its name: Tiny Shakespeare where it is at hand or can be downloaded, else the manual."""
    try:
        return tiny_shakespeare(), "Tiny Shakespeare"
    except FileNotFoundError:
        return manual_text(), "the Python manual (Tiny Shakespeare is not at hand)"


class File(NamedTuple):
    """A file to fetch: the SHA-256 of each accepted copy (the mirrors serve the first), and the mirrors in order."""

    sha256: tuple
    urls: tuple


_MNIST = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
_FASHION = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "https://cdn.jsdelivr.net/gh/karpathy/char-rnn@master/data/tinyshakespeare/input.txt",
)


def _files(folder, mirrors, **sha256):
    """{"folder/train-images-idx3-ubyte.gz": File, ...} from train_images="<sha256> <sha256 of another packing>", ..."""
    names = {key: f"{key.replace('_', '-')}-idx{3 if 'images' in key else 1}-ubyte.gz" for key in sha256}
    return {
        f"{folder}/{names[key]}": File(tuple(sha256[key].split()), tuple(m + names[key] for m in mirrors))
        for key in sha256
    }


FILES = {
    **_files(
        "mnist",
        _MNIST,
        train_images="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        train_labels="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        t10k_images="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        t10k_labels="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    # Fashion-MNIST's second hash: Debian's copy, the same bytes without the name in the gzip header.
    **_files(
        "fashion-mnist",
        _FASHION,
        train_images="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84 "
        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        train_labels="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845 "
        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        t10k_images="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073 "
        "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        t10k_labels="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5 "
        "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    ),
    "tinyshakespeare.txt": File(("86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",), _SHAKESPEARE),
}
SYSTEM = Path("/usr/share/datasets")  # where Debian's data packages go


def fetch(name, *, timeout=(5, 20)):
    """The path of a verified copy of FILES[name]: from $COURSE_DATA, Debian's packages, the cache, else a mirror.

    timeout: seconds to wait for a mirror to (connect, send something) before the next one is tried.
    A copy whose SHA-256 is not the known one is never returned, and a download gets its name only after that check.
    Raises KeyError for an unknown name, ValueError for a $COURSE_DATA that is no folder, FileNotFoundError, with
    everything that was tried, when no copy could be had.
    """
    if name not in FILES:
        raise KeyError(f"fetch({name!r}): unknown; it knows {', '.join(FILES)}")
    file, cache, tried = FILES[name], cache_folder(), []
    for path in _places(name, cache):
        if not path.is_file():
            tried.append(f"{path}: not there")
        elif (sha256 := _sha256(path)) in file.sha256:
            return path
        else:
            tried.append(f"{path}: other contents, SHA-256 {sha256[:8]}..., expected {file.sha256[0][:8]}...")
    if os.environ.get("COURSE_OFFLINE"):
        tried.append("no mirror: $COURSE_OFFLINE is set")
    for url in () if os.environ.get("COURSE_OFFLINE") else file.urls:
        try:
            return _download(url, cache / name, file.sha256[0], timeout)
        except ValueError:  # pooch's word for a wrong hash
            tried.append(f"{url}: sent something else, its SHA-256 is wrong")
        except OSError as error:  # what requests raises, and a cache folder that cannot be written
            tried.append(f"{url}: {_root(error)}")
    raise FileNotFoundError(
        f"no copy of {name} could be had. Tried:\n  "
        + "\n  ".join(tried)
        + "\nPut the file into a folder and name that folder in $COURSE_DATA to work offline."
    )


def cache_folder():
    """Where downloads are kept: $COURSE_CACHE, else the user's cache folder.  Nothing else is ever written."""
    if os.environ.get("COURSE_CACHE"):
        return Path(os.environ["COURSE_CACHE"]).expanduser()
    import pooch

    return Path(pooch.os_cache("deep-generative-course"))


def _places(name, cache):
    """Paths to look at before any download, in order.  In $COURSE_DATA sub-folders are optional: the hash decides."""
    places = [SYSTEM / name, cache / name]
    if os.environ.get("COURSE_DATA"):
        folder = Path(os.environ["COURSE_DATA"]).expanduser()
        if not folder.is_dir():
            raise ValueError(f"$COURSE_DATA names {str(folder)!r}, which is not a folder")
        places = list(dict.fromkeys([folder / name, folder / Path(name).name])) + places
    return places


def _download(url, path, sha256, timeout):
    """Have pooch fetch url into path: into a temporary file beside it, renamed once its SHA-256 is right."""
    import pooch

    get = pooch.HTTPDownloader(timeout=timeout, chunk_size=1 << 14)
    return Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=path.name, path=path.parent, downloader=get))


def _root(error):
    """What lies at the bottom of requests' error around urllib3's error around the socket's, in one short line."""
    while inner := [e for e in (getattr(error, "reason", None), *error.args) if isinstance(e, Exception)]:
        error = inner[0]
    return f"{type(error).__name__}: {str(error)[:150]}"


def _sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _read_idx(path):
    """An array in the IDX format of MNIST: two zero bytes, 8 for uint8, the number of axes, their sizes, the values."""
    raw = gzip.decompress(Path(path).read_bytes())
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def _idx_pair(folder, split):
    """(images, labels) of one split of MNIST or Fashion-MNIST, shuffled."""
    images, labels = (_read_idx(fetch(f"{folder}/{split}-{kind}-ubyte.gz")) for kind in ("images-idx3", "labels-idx1"))
    return _shuffled(images, labels)


def _shuffled(images, labels):
    """Both in one fixed random order, as tensors.  RandomState, since NumPy promises never to change its stream."""
    order = np.random.RandomState(0).permutation(len(labels))
    return torch.from_numpy(images[order]), torch.from_numpy(labels[order].astype(np.int64))
