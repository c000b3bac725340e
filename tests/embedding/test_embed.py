"""`embed` against plain PyTorch, and independent of how the faces are dealt out."""

import copy
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import HandNet, Snapshot, TinyNet, embedded_by_hand, prepared_by_hand, synthetic_faces, unit_rows

import prefiqs
from prefiqs.embedding import embedder as extract
from prefiqs.embedding.embedder import Embedder, batches, write_embeddings
from prefiqs.embedding.engines import torch_engine
from prefiqs.embedding.vectors import normalise
from prefiqs.errors import InputError
from prefiqs.models.face_model import InputSpec

POOL = synthetic_faces(12)
EXPECTED = embedded_by_hand(TinyNet(), POOL)


def test_rows_are_those_of_eager_pytorch(tiny, faces):
    embedded = prefiqs.embed(tiny, faces)
    assert (embedded.dtype, embedded.shape) == (np.float32, (len(faces), 8))
    np.testing.assert_allclose(embedded, embedded_by_hand(tiny, faces), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-6)


def test_sface_is_that_of_eager_pytorch(sface, orl):
    """The bound is far below the drift at ratio 0.1, which is of the order of 0.01."""
    images = orl.images[::40]
    assert np.abs(prefiqs.embed(sface, images, device="cpu") - embedded_by_hand(sface, images)).max() <= 1e-5


@settings(max_examples=25)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=20), st.integers(1, 9))
def test_batch_size_order_and_company_do_not_matter(chosen, batch_size):
    """Any choice of faces, repeated ones too, in any order and any batches: each row is that of its face."""
    embedded = prefiqs.embed(TinyNet(), POOL[chosen], batch_size)
    np.testing.assert_allclose(embedded, EXPECTED[chosen], atol=1e-6)


def test_copies_of_a_face_get_one_embedding(tiny, faces):
    """Bit for bit, also in the last batch, which is filled up."""
    embedded = prefiqs.embed(tiny, faces[[3] * 7], batch_size=4)
    np.testing.assert_array_equal(embedded, embedded[[0] * 7])


def test_iterators_lists_and_memory_maps(tiny, faces, tmp_path):
    expected = prefiqs.embed(tiny, faces, 5)
    np.save(tmp_path / "faces.npy", faces)
    for same in (iter(faces), (face for face in faces), list(faces), np.load(tmp_path / "faces.npy", mmap_mode="r")):
        np.testing.assert_array_equal(prefiqs.embed(tiny, same, 5), expected)


def test_a_list_of_networks_equals_one_at_a_time(tiny, faces):
    bgr = TinyNet(1, InputSpec("bgr", mean=100, std=50))  # prepared in another way
    pruned = prefiqs.prune(tiny, 0.5, "structured")
    together = prefiqs.embed([tiny, bgr, pruned], iter(faces), 5)
    for model, embedded in zip((tiny, bgr, pruned), together, strict=True):
        np.testing.assert_array_equal(embedded, prefiqs.embed(model, faces, 5))
    assert [type(prefiqs.embed(models, faces)) for models in ([tiny], tiny)] == [list, np.ndarray]


def test_flip_test_adds_the_mirrored_face(tiny, faces):
    def raw(images):
        with torch.no_grad():
            return tiny(torch.from_numpy(prepared_by_hand(images))).numpy()

    expected = unit_rows(raw(faces) + raw(faces[:, :, ::-1]))
    np.testing.assert_allclose(prefiqs.embed(tiny, faces, 5, flip_test=True), expected, atol=1e-6)
    np.testing.assert_allclose(prefiqs.embed(tiny, faces[:, :, ::-1], 5, flip_test=True), expected, atol=1e-6)
    assert np.abs(prefiqs.embed(tiny, faces) - expected).max() > 0.01


def test_flip_test_of_several_networks(tiny, faces):
    models = [tiny, TinyNet(1)]
    for model, embedded in zip(models, prefiqs.embed(models, faces, flip_test=True), strict=True):
        np.testing.assert_array_equal(embedded, prefiqs.embed(model, faces, flip_test=True))


def test_raw_embeddings_keep_their_length(tiny, faces):
    with torch.no_grad():
        expected = tiny(torch.from_numpy(prepared_by_hand(faces))).numpy()
    np.testing.assert_allclose(Embedder([tiny])(faces)[0], expected, atol=1e-5)
    mirrored = Embedder([tiny, (tiny, "mirrored")])(faces)
    np.testing.assert_allclose(mirrored[0], expected, atol=1e-5)
    np.testing.assert_allclose(mirrored[1], Embedder([tiny])(faces[:, :, ::-1])[0], atol=1e-6)


def test_no_faces(tiny):
    for none in (np.empty((0, 112, 112, 3), np.uint8), iter([])):
        plain, flipped = prefiqs.embed(tiny, none), prefiqs.embed([tiny], none, flip_test=True)
        assert (plain.shape, plain.dtype, flipped[0].shape) == ((0, 8), np.float32, (0, 8))


def test_a_silenced_network_gives_zeros_and_no_nan(faces):
    assert prefiqs.embed(HandNet([[0.0] * 3] * 2), faces).tolist() == [[0, 0]] * len(faces)


def test_normalise_by_hand():
    rows = normalise(np.array([[3, 4], [0, 0], [-5, 0], [1e-30, 0]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [-1, 0], [1, 0]], atol=1e-7)
    assert rows.dtype == np.float32


def test_networks_and_faces_are_left_as_they_were(tiny, faces):
    pruned, images = prefiqs.prune(tiny, 0.4), faces.copy()
    before = Snapshot(tiny, pruned)
    prefiqs.embed([tiny, pruned], images, flip_test=True)
    before.assert_unchanged()
    np.testing.assert_array_equal(images, faces)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_batch_sizes_that_do_not_exist(tiny, faces, batch_size):
    for images in (faces, iter(faces)):
        with pytest.raises(InputError, match=f"The batch size must be at least 1, not {batch_size}"):
            prefiqs.embed(tiny, images, batch_size)


@pytest.mark.parametrize("odd", [np.zeros((100, 112, 3), np.uint8), np.zeros((112, 112, 3), np.float32)])
def test_one_wrong_face_among_right_ones(tiny, faces, odd):
    with pytest.raises(InputError, match="Aligned faces must be RGB"):
        prefiqs.embed(tiny, iter([faces[0], odd]))


def test_faces_that_are_not_aligned(tiny):
    with pytest.raises(InputError, match="not uint8 4×64×64×3. Align photos first with prefiqs.align"):
        prefiqs.embed(tiny, np.zeros((4, 64, 64, 3), np.uint8))


def test_batches_are_read_when_they_are_needed(faces):
    read = []
    stream = batches((read.append(i) or face for i, face in enumerate(faces)), 4)
    np.testing.assert_array_equal(next(stream), faces[:4])
    assert read == [0, 1, 2, 3]
    assert [len(batch) for batch in stream] == [4, 4]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_missing_cuda_device(tiny, faces):
    for device in ("cuda", "cuda:1"):
        with pytest.raises(InputError, match=f"There is no device {device}: PyTorch sees no CUDA GPUs; use"):
            prefiqs.embed(tiny, faces, device=device)


@pytest.mark.parametrize("device", ["mps", "meta", "gpu", "cuda:", "cuda:a", "CPU", ""])
def test_devices_that_cannot_be_used(tiny, faces, device):
    with pytest.raises(InputError, match=f"Unknown device '{device}'; choose auto, cpu, cuda, or cuda:N"):
        prefiqs.embed(tiny, faces, device=device)
    with pytest.raises(InputError, match=f"Unknown device '{device}'"):
        prefiqs.score(faces, "norm", tiny, device=device)
    with pytest.raises(InputError, match=f"Unknown device '{device}'"):
        prefiqs.load_model("sface", device=device)


def test_a_bar_only_if_asked_for(tiny, faces, capsys):
    prefiqs.embed(tiny, faces)
    prefiqs.score(faces, "norm", tiny)
    assert capsys.readouterr().err == ""
    prefiqs.embed(tiny, iter(faces), progress=True)
    assert "12face" in capsys.readouterr().err
    prefiqs.score(faces, "norm", tiny, progress=True)
    assert "12/12" in capsys.readouterr().err


def test_views_that_do_not_exist(tiny, faces):
    with pytest.raises(InputError, match="""Unknown view 'upside down' of the faces; choose "plain" or "mirrored\""""):
        Embedder([(tiny, "upside down")])(faces)


def test_a_network_in_several_jobs_is_compiled_once(tiny, faces, monkeypatch):
    seen, original = [], extract.model_engines
    monkeypatch.setattr(extract, "model_engines", lambda models, *rest: seen.extend(models) or original(models, *rest))
    *_, again = Embedder([tiny, TinyNet(1), (tiny, "mirrored")])(faces)
    assert len(seen) == 2
    np.testing.assert_array_equal(again, Embedder([tiny])(faces[:, :, ::-1])[0])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_is_near(tiny, faces, precision):
    """How near depends on the processor, which may have no instructions for it."""
    exact = embedded_by_hand(tiny, faces)
    np.testing.assert_allclose(prefiqs.embed(tiny, faces, device="cpu", precision=precision), exact, atol=0.03)
    prepared = tiny.prepare(faces)
    (coarse,) = torch_engine(tiny, precision)(prepared)
    assert coarse.dtype == np.float32
    assert 1e-5 < np.abs(unit_rows(coarse) - exact).max() < 0.03  # in PyTorch it is emulated where it must be


def test_precision_is_of_one_call(tiny, faces):
    def broken(_):
        assert settings() == ("tf32", "tf32")
        raise RuntimeError("out of memory")

    def settings():
        return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision

    before = settings()
    with pytest.raises(RuntimeError, match="out of memory"):
        torch_engine(broken, "tf32")(tiny.prepare(faces))
    torch_engine(lambda x: x if settings() == ("ieee", "ieee") else None)(tiny.prepare(faces))
    assert settings() == before


@pytest.mark.parametrize(
    ("precision", "words"),
    [("int8", "Unknown precision 'int8'; choose one of fp32, tf32, bf16, fp16"), ("tf32", "on a CPU choose one of")],
)
def test_precisions_that_do_not_exist(tiny, faces, precision, words):
    with pytest.raises(InputError, match=words):
        prefiqs.embed(tiny, faces, device="cpu", precision=precision)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_the_cpu(tiny, sface, faces, orl, orl_embeddings):
    """One list holds a network on the GPU and a finished graph, which stays on the CPU."""
    np.testing.assert_allclose(
        prefiqs.embed(copy.deepcopy(tiny), faces, device="cuda"), embedded_by_hand(tiny, faces), atol=1e-5
    )
    names = ["sface", "mobilefacenet-512"]
    for name, embedded in zip(names, prefiqs.embed(names, orl.images, 16, device="cuda"), strict=True):
        np.testing.assert_allclose(embedded, orl_embeddings[name], atol=1e-5)
    for precision in ("tf32", "bf16", "fp16"):
        coarse = prefiqs.embed("sface", orl.images[:64], device="cuda", precision=precision)
        assert 1e-6 < np.abs(coarse - orl_embeddings["sface"][:64]).max() < 0.03


def test_embeddings_written_batch_by_batch_are_those_in_memory(tiny, faces, tmp_path):
    jobs = [(tiny, "plain"), TinyNet(1), (tiny, "mirrored")]
    paths = [tmp_path / f"{name}.npy" for name in "abc"]
    write_embeddings(jobs, iter(faces), len(faces), paths, 5)
    for path, expected in zip(paths, Embedder(jobs, 5)(faces), strict=True):
        np.testing.assert_array_equal(np.load(path), expected)


def test_a_few_networks_are_held_at_once(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "NETWORKS_AT_ONCE", 2)
    paths, alive, most = [tmp_path / f"{i}.npy" for i in range(7)], weakref.WeakSet(), []

    def networks():
        for seed in range(7):
            alive.add(network := TinyNet(seed))
            most.append(len(alive))
            yield network

    write_embeddings(networks(), faces, len(faces), paths, 5)
    assert max(most) <= 3
    for path, expected in zip(paths, Embedder([TinyNet(i) for i in range(7)], 5)(faces), strict=True):
        np.testing.assert_array_equal(np.load(path), expected)


def test_a_run_that_fails_leaves_the_files_that_were_there(tiny, faces, tmp_path):
    path = tmp_path / "e.npy"
    path.write_bytes(b"earlier")

    def broken():
        yield from faces[:7]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_embeddings([tiny], broken(), len(faces), [path], 4)
    with pytest.raises(InputError, match="e.npy should have 12 rows, but 7 were written"):
        write_embeddings([tiny], iter(faces[:7]), len(faces), [path], 4)
    assert path.read_bytes() == b"earlier"
