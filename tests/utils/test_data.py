"""utils.data: the shipped sets exactly, and `fetch` against a server on this machine that misbehaves in every way."""

import gzip
import hashlib
import http.server
import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from utils import data

SHARED = Path(os.environ.get("COURSE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")

SYSTEM = data.SYSTEM

# ---------------------------------------------------------------- what ships


def test_the_shipped_digits_are_the_shipped_file_in_another_order():
    images, labels = data.digits()
    assert (images.shape, images.dtype) == ((10_000, 28, 28), torch.uint8)
    assert (labels.shape, labels.dtype) == ((10_000,), torch.int64)
    with np.load(Path(data.__file__).with_name("mnist10k.npz")) as shipped:
        pairs = [
            sorted(map(bytes, np.c_[x.reshape(10_000, -1), y]))
            for x, y in ((shipped["images"], shipped["labels"]), (images.numpy(), labels.numpy().astype(np.uint8)))
        ]
    assert pairs[0] == pairs[1]


def test_the_order_of_the_digits_never_changes():
    images, labels = data.digits()
    assert hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest() == (
        "68b75d3d3e3cfa54d2c0c5e828d23823a5035b2af3b72de7768279cc7128e444"
    )


def test_a_few_digits_are_the_first_of_all_and_of_every_class():
    images, labels = data.digits(1000)
    assert torch.equal(images, data.digits()[0][:1000])
    counts = labels.bincount(minlength=10)
    assert len(labels) == 1000
    assert 70 < counts.min() <= counts.max() < 130


@pytest.mark.parametrize("n", [0, 10_001, "all"])
def test_an_impossible_number_of_digits_is_quoted(n):
    with pytest.raises(ValueError, match=f"or be 'full'; got {n!r}"):
        data.digits(n)


def test_natural_images_are_a_temple_under_the_sky_and_a_red_flower():
    china, flower = data.natural_images()
    assert (china.shape, china.dtype) == (flower.shape, flower.dtype) == ((427, 640, 3), torch.uint8)
    sky, petals = china[:100].float().mean((0, 1)), flower[200:250, 300:350].float().mean((0, 1))
    assert sky.min() > 150
    assert petals.argmax() == 0


def test_the_manual_is_a_long_english_text_in_a_fixed_order():
    text = data.manual_text()
    assert text == data.manual_text()
    assert len(text) > 300_000
    assert text.count("the ") > 3000
    assert text.index('The "assert" statement') < text.index('The "while" statement') < text.index('The "yield"')


def test_patches_for_training_and_for_the_test_share_no_pixel(monkeypatch):
    H, W = 427, 640
    place = torch.arange(H * W, dtype=torch.int32).view(H, W)
    photos = [torch.stack([place // 65536, place // 256 % 256, place % 256], -1).byte() + 8 * i for i in (0, 1)]
    monkeypatch.setattr(data, "natural_images", lambda: photos)
    seen = {}
    for split in ("train", "test"):
        patches = data.natural_patches(3_000, 16, split=split, generator=torch.Generator().manual_seed(1))
        assert (patches.shape, patches.dtype) == ((3_000, 16, 16, 3), torch.uint8)
        r, g, b = patches.int().unbind(-1)
        at = (r % 8 * 65536 + (g - 8 * (r // 8)) % 256 * 256 + (b - 8 * (r // 8)) % 256).long()  # (n, 16, 16)
        assert (at[:, 1:] - at[:, :-1] == W).all(), "rows of a patch are rows of a photograph"
        assert (at[:, :, 1:] - at[:, :, :-1] == 1).all()
        seen[split] = at % W
        assert sorted((r // 8).unique().tolist()) == [0, 1], "both photographs are used"
    assert (seen["train"].min(), seen["train"].max()) == (0, 479)
    assert (seen["test"].min(), seen["test"].max()) == (480, 639)


@pytest.mark.parametrize(
    ("size", "split", "says"), [(161, "train", "got 161"), (0, "train", "got 0"), (8, "all", "'all'")]
)
def test_an_impossible_patch_is_quoted(size, split, says):
    with pytest.raises(ValueError, match=says):
        data.natural_patches(2, size, split=split)


def test_dynamic_binarisation_has_the_grey_level_as_its_mean_and_follows_the_generator():
    images = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).expand(20_000, 4)
    coin = torch.Generator().manual_seed(1)
    first = data.binarise(images, generator=coin)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert first.dtype == torch.float32
    torch.testing.assert_close(first.mean(0), torch.tensor([0, 0.2, 0.8, 1]), atol=0.012, rtol=0)
    assert (first != data.binarise(images, generator=coin)).any()
    assert torch.equal(first, data.binarise(images, generator=torch.Generator().manual_seed(1)))


def test_thresholds_and_wrong_ways_to_binarise():
    images = torch.tensor([[0, 127, 128, 255]], dtype=torch.uint8)
    assert data.binarise(images, how="threshold").tolist() == [[0, 0, 1, 1]]
    with pytest.raises(ValueError, match="'fixed'"):
        data.binarise(images, how="fixed")
    with pytest.raises(TypeError, match="float32"):
        data.binarise(images / 255)


# ---------------------------------------------------------------- fetch

FILE = gzip.compress(bytes(range(256)) * 64, mtime=0)[:-8] + os.urandom(60_000)  # large enough to be cut in half
NAME = "set/file.gz"


class Mirror(http.server.BaseHTTPRequestHandler):
    """Behaves as the first part of the path says."""

    def do_GET(self):
        behaviour = self.path.split("/")[1]
        self.server.asked.append(behaviour)
        body = {"corrupt": FILE[:-1] + b"x", "page": b"<html>Please log in</html>"}.get(behaviour, FILE)
        if behaviour == "stall":
            self.server.over.wait()
            return
        self.send_response(503 if behaviour == "busy" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour in ("half", "half_stall"):
            self.wfile.write(body[: len(body) // 2])
            if behaviour == "half_stall":
                self.server.over.wait()
            return  # closes the connection
        self.wfile.write(body)

    def log_message(self, *args):
        pass


BAD = ["corrupt", "page", "busy", "stall", "half", "half_stall", "gone"]


@pytest.fixture
def net(monkeypatch, tmp_path):
    """A server on loopback, an empty cache, and no way out to any other machine."""
    connect = socket.socket.connect

    def loopback_only(self, address):
        assert self.family == getattr(socket, "AF_UNIX", None) or address[0] in ("127.0.0.1", "::1"), address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", loopback_only)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    monkeypatch.setattr(data, "SYSTEM", tmp_path / "system")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads, server.block_on_close = True, False
    server.asked, server.over = [], threading.Event()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]  # free again after this block: refuses connections

    def mirrors(*behaviours):
        port = {"gone": nobody}
        urls = tuple(f"http://127.0.0.1:{port.get(b, server.server_port)}/{b}/file.gz" for b in behaviours)
        monkeypatch.setitem(data.FILES, NAME, data.File((hashlib.sha256(FILE).hexdigest(),), urls))
        return server

    yield mirrors
    server.over.set()
    server.shutdown()
    server.server_close()


def fetch():
    return data.fetch(NAME, timeout=(0.5, 0.3))


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_file_is_downloaded_once_into_the_cache(net, tmp_path):
    server = net("good")
    path = fetch()
    assert path == tmp_path / "cache" / NAME
    assert path.read_bytes() == FILE
    assert fetch() == path
    assert server.asked == ["good"]
    assert files(tmp_path) == [f"cache/{NAME}"]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_mirror_is_left_for_the_next(net, tmp_path, bad):
    server = net(bad, "good", "unasked")
    assert fetch().read_bytes() == FILE
    assert server.asked == ([] if bad == "gone" else [bad]) + ["good"]
    assert files(tmp_path) == [f"cache/{NAME}"]


def test_the_last_of_many_mirrors_is_reached(net, tmp_path):
    net(*BAD, "good")
    assert fetch().read_bytes() == FILE
    assert files(tmp_path) == [f"cache/{NAME}"]


def test_when_every_mirror_fails_the_error_names_all_that_was_tried_and_nothing_is_left(net, tmp_path):
    net(*BAD)
    with pytest.raises(FileNotFoundError) as error:
        fetch()
    message = str(error.value)
    assert all(f"/{bad}/file.gz: " in message for bad in BAD)
    assert f"{tmp_path / 'cache' / NAME}: not there" in message
    assert "corrupt/file.gz: sent something else" in message
    assert "503" in message
    assert "refused" in message
    assert message.count("timed out") == 2
    assert max(map(len, message.splitlines())) < 300
    assert "$COURSE_DATA" in message
    assert files(tmp_path) == []


def test_a_stalled_mirror_costs_its_time_out_and_no_more(net):
    import time

    net("stall", "good")
    start = time.perf_counter()
    fetch()
    assert time.perf_counter() - start < 3


def test_a_damaged_cached_file_is_replaced(net, tmp_path):
    server = net("good")
    path = tmp_path / "cache" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(FILE[:1000])
    assert fetch().read_bytes() == FILE
    assert server.asked == ["good"]


@pytest.mark.parametrize("where", [NAME, "file.gz"])
def test_course_data_wins_without_any_traffic(net, tmp_path, monkeypatch, where):
    server = net("good")
    mine = tmp_path / "mine" / where
    mine.parent.mkdir(parents=True)
    mine.write_bytes(FILE)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "mine"))
    assert fetch() == mine
    assert server.asked == []
    assert files(tmp_path) == [f"mine/{where}"]


def test_a_namesake_in_course_data_is_not_taken_and_not_touched(net, tmp_path, monkeypatch):
    server = net("good")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file.gz").write_bytes(b"another set's file of the same name")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "mine"))
    assert fetch() == tmp_path / "cache" / NAME
    assert server.asked == ["good"]
    assert (tmp_path / "mine" / "file.gz").read_bytes() == b"another set's file of the same name"


def test_a_system_package_is_used_too_and_may_be_packed_differently(net, tmp_path, monkeypatch):
    server = net("good")
    packed = b"packed by Debian"
    hashes = (*data.FILES[NAME].sha256, hashlib.sha256(packed).hexdigest())
    monkeypatch.setitem(data.FILES, NAME, data.FILES[NAME]._replace(sha256=hashes))
    (tmp_path / "system" / "set").mkdir(parents=True)
    (tmp_path / "system" / NAME).write_bytes(packed)
    assert fetch() == tmp_path / "system" / NAME
    assert server.asked == []


def test_a_course_data_that_is_no_folder_is_quoted(net, monkeypatch):
    net("good")
    monkeypatch.setenv("COURSE_DATA", "/no/such/folder")
    with pytest.raises(ValueError, match=r"\$COURSE_DATA names '/no/such/folder'"):
        fetch()


def test_a_cache_that_cannot_be_made_is_said(net, tmp_path, monkeypatch):
    net("good")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(FileNotFoundError, match=r"(NotADirectory|FileExists)Error.*cache"):
        fetch()


def test_an_unknown_name_is_quoted_with_the_known_ones():
    with pytest.raises(KeyError, match=r"nmist.*tinyshakespeare\.txt"):
        data.fetch("nmist")


# ---------------------------------------------------------------- sets that are fetched


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def tiny(net, monkeypatch, tmp_path):
    """MNIST's and Fashion-MNIST's files with 5 images each, in a $COURSE_DATA."""
    folder = tmp_path / "mine"
    for name in [name for name in data.FILES if "ubyte" in name]:
        images = np.arange(5 * 28 * 28, dtype=np.uint8).reshape(5, 28, 28) // (1 + ("fashion" in name))
        raw = idx(images if "images" in name else np.arange(5, dtype=np.uint8))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
        monkeypatch.setitem(data.FILES, name, data.File((hashlib.sha256(raw).hexdigest(),), ()))
    monkeypatch.setenv("COURSE_DATA", str(folder))


@pytest.mark.parametrize(
    "load", [data.digits_test, data.fashion_mnist, lambda: data.fashion_mnist("test"), lambda: data.digits("full")]
)
def test_fetched_sets_keep_image_and_label_together(tiny, load):
    images, labels = load()
    assert (images.shape, images.dtype, labels.dtype) == ((5, 28, 28), torch.uint8, torch.int64)
    assert sorted(labels.tolist()) == list(range(5))
    assert labels.tolist() != list(range(5))
    if load is data.digits_test:
        in_order = data._read_idx(data.fetch("mnist/t10k-images-idx3-ubyte.gz"))
        assert np.array_equal(images, in_order[labels])


def test_an_unknown_split_is_quoted():
    with pytest.raises(ValueError, match="'train' or 'test', got 'valid'"):
        data.fashion_mnist("valid")


@pytest.fixture
def offline(net, monkeypatch):
    """Every mirror of every file refuses the connection."""
    net("gone")
    [url] = data.FILES[NAME].urls
    for name, file in list(data.FILES.items()):
        monkeypatch.setitem(data.FILES, name, file._replace(urls=(url,)))


def test_full_digits_fall_back_to_what_ships_and_say_so(offline):
    with pytest.warns(UserWarning, match=r"train-images[^$]*Connection[^$]*\$COURSE_DATA[^$]*digits that ship"):
        images, labels = data.digits("full")
    assert torch.equal(images, data.digits()[0])
    assert len(labels) == 10_000


def test_without_the_official_test_set_a_part_of_the_training_digits_is_held_out(offline):
    (images, labels), (test_images, test_labels), where = data.digits_split()
    assert "held out" in where
    assert "checkpoints have seen these" in where
    assert len(images) == len(labels) == 9_000
    assert torch.equal(torch.cat([images, test_images]), data.digits()[0])
    assert torch.equal(torch.cat([labels, test_labels]), data.digits()[1])


def test_without_shakespeare_the_manual_is_the_text_and_is_named(offline):
    text, name = data.course_text()
    assert text == data.manual_text()
    assert "manual" in name


def test_course_offline_keeps_every_mirror_unasked(net, monkeypatch):
    server = net("good")
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="COURSE_OFFLINE is set"):
        fetch()
    assert server.asked == []


@pytest.mark.parametrize("load", [data.digits_test, data.fashion_mnist, data.tiny_shakespeare])
def test_what_does_not_ship_names_what_was_tried(offline, load):
    with pytest.raises(
        FileNotFoundError, match=r"no copy of .* could be had. Tried:\n(  /.*: not there\n)+  http://127"
    ):
        load()


def test_shipped_data_needs_neither_network_nor_cache(offline, tmp_path):
    data.digits(), data.natural_images(), data.manual_text()
    assert files(tmp_path) == []


def test_every_registered_hash_is_one_and_every_mirror_a_url():
    for file in data.FILES.values():
        assert all(len(h) == 64 and int(h, 16) for h in file.sha256)
        assert len(file.urls) >= 2
        assert all(url.startswith(("https://", "http://")) for url in file.urls)


@pytest.mark.skipif(not (SHARED / "t10k-images-idx3-ubyte.gz").is_file(), reason="MNIST's test set is not at hand")
def test_the_official_test_set_is_read_and_mixed(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(SHARED))
    images, labels = data.digits_test()
    assert images.shape == (10_000, 28, 28)
    assert labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    first, second = (images[half].float().mean() for half in (slice(5000), slice(5000, None)))
    assert abs(first - second) < 1  # the official halves differ by more: two groups of writers
    assert len({x.tobytes() for x in images.numpy()} & {x.tobytes() for x in data.digits()[0].numpy()}) == 0


@pytest.mark.skipif(not (SHARED / "tinyshakespeare.txt").is_file(), reason="Tiny Shakespeare is not at hand")
def test_tiny_shakespeare_is_whole(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(SHARED))
    text = data.tiny_shakespeare()
    assert len(text) == 1_115_394
    assert text.startswith("First Citizen:\nBefore we proceed")


@pytest.mark.skipif(not (data.SYSTEM / "fashion-mnist").is_dir(), reason="dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist_is_read(net, monkeypatch):
    monkeypatch.setattr(data, "SYSTEM", SYSTEM)
    images, labels = data.fashion_mnist()
    assert images.shape == (60_000, 28, 28)
    assert labels.bincount().tolist() == [6000] * 10
    assert data.fashion_mnist("test")[1].bincount().tolist() == [1000] * 10
