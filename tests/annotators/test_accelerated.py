"""What runs on an accelerator, here with a CPU in its place: the same code path, and the values of the plain one."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.tiny_models import save_blip, save_schp, save_segformer

from annotators import caption, parsing, person_mask
from annotators.common import batching
from annotators.networks import devices, photo_steps, resampling
from schemas import labels

pytestmark = pytest.mark.usefixtures("no_machine_weights")

SIZES = ((96, 72), (64, 64), (96, 72), (50, 91), (96, 72))


def photo(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def cpu_as_accelerator(monkeypatch):
    monkeypatch.setattr(devices, "accelerated", lambda device: True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_segformer(folder / parsing.SEGFORMER)
    save_segformer(folder / parsing.FASHN, [label.name.lower() for label in labels.Fashn])
    save_schp(folder, 20, "schp_lip", 1)
    save_schp(folder, 18, "schp_atr", 2)
    save_blip(folder / "Salesforce/blip-image-captioning-base")
    return str(folder)


# Resizing


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6), st.tuples(*[st.integers(1, 90)] * 4), st.sampled_from(sorted(resampling.FILTERS)),
    st.booleans(),
)  # fmt: skip
def test_resizing_is_pillows_to_the_bit(seed, sizes, resample, extreme):
    height, width, new_height, new_width = sizes
    picture = photo(height, width, seed)
    picture = np.where(picture > 127, 255, 0).astype(np.uint8) if extreme else picture
    ours = resampling.resize(torch.from_numpy(picture)[None], new_height, new_width, resample)[0].numpy()
    pillows = Image.fromarray(picture).resize((new_width, new_height), Image.Resampling(resample))
    np.testing.assert_array_equal(ours, np.asarray(pillows))


def test_photos_are_resized_together_as_alone():
    pictures = np.stack([photo(40, 30, seed) for seed in range(3)])
    together = resampling.resize(torch.from_numpy(pictures), 51, 17, Image.Resampling.BICUBIC)
    for picture, resized in zip(pictures, together, strict=True):
        np.testing.assert_array_equal(resized, Image.fromarray(picture).resize((17, 51), Image.Resampling.BICUBIC))


# A processor taken apart


def processors():
    from transformers import SegformerImageProcessorPil
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    size = {"height": 32, "width": 48}
    return {
        "segformer": (SegformerImageProcessorPil(size=size), photo_steps.Stretched),
        "blip": (BlipImageProcessorPil(size=size), photo_steps.Stretched),
        "not normalised": (BlipImageProcessorPil(size=size, do_normalize=False), photo_steps.Stretched),
        "nearest": (SegformerImageProcessorPil(size=size, resample=0), photo_steps.Tabled),
        "cropped": (CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size), photo_steps.Whole),
        "aspect kept": (SegformerImageProcessorPil(size={"shortest_edge": 32}), photo_steps.Whole),
        "not resized": (SegformerImageProcessorPil(do_resize=False), photo_steps.Whole),
    }


@pytest.mark.parametrize("name", processors())
def test_a_processor_taken_apart_gives_its_own_pixels(name):
    processor, on_accelerator = processors()[name]
    for resize_on_device, kind in ((True, on_accelerator), (False, None)):
        steps = photo_steps.of_processor(processor, resize_on_device)
        assert kind is None or type(steps) is kind
        for picture in (photo(70, 51), photo(20, 90, 1), photo(32, 48, 2)):
            whole = processor(images=picture, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
            sent = photo_steps.pack(steps, [picture], torch.device("cpu"))
            assert photo_steps.unpack(steps, sent, torch.device("cpu")).equal(whole)


def test_photos_come_back_in_their_order():
    steps = photo_steps.of_processor(processors()["blip"][0], True)
    pictures = [photo(*size, seed) for seed, size in enumerate(SIZES)]
    sent = photo_steps.pack(steps, pictures, torch.device("cpu"))
    assert [numbers for numbers, _ in sent] == [[0, 2, 4], [1], [3]]
    alone = [photo_steps.pack(steps, [picture], torch.device("cpu")) for picture in pictures]
    expected = torch.cat([photo_steps.unpack(steps, one, torch.device("cpu")) for one in alone])
    assert photo_steps.unpack(steps, sent, torch.device("cpu")).equal(expected)


@pytest.mark.parametrize("picture", [photo(9, 9)[..., 0], photo(9, 9).astype(np.float32), np.dstack([photo(9, 9)] * 2)])
def test_other_arrays_are_refused(picture):
    with pytest.raises(ValueError, match="expected uint8"):
        steps = photo_steps.Stretched(4, 4, Image.Resampling.BILINEAR, np.zeros((3, 256), np.float32))
        photo_steps.unpack(steps, photo_steps.pack(steps, [picture], torch.device("cpu")), torch.device("cpu"))


# Batches and threads


class Doubler(batching.Staged):
    """Doubles `n`; says in which order its steps ran, and refuses what it is told to."""

    accelerated = True

    def __init__(self, bad=(), most=99):
        self.bad, self.most, self.sizes, self.computing = bad, most, [], threading.Lock()

    def prepare(self, records):
        return [record["n"] for record in records]

    def compute(self, prepared):
        assert self.computing.acquire(blocking=False), "two batches at once on one device"
        try:
            self.sizes.append(len(prepared))
            if len(prepared) > self.most:
                raise MemoryError("too many")
            if set(prepared) & set(self.bad):
                raise ValueError("a bad photo")
            return [2 * n for n in prepared]
        finally:
            self.computing.release()

    def finish(self, record, computed):
        if computed == 6:
            raise KeyError("six")
        return {"doubled": computed}


def test_batches_are_cut_by_pixels():
    small, large = {"person_image": np.empty((512, 768, 0))}, {"person_image": np.empty((2048, 3072, 0))}

    def lengths(records):
        return [len(batch) for batch in batching.by_pixels(records, 2)]

    assert lengths([small] * 20) == [8, 8, 4]
    assert lengths([large, large, small, large]) == [1, 1, 1, 1]
    assert lengths([small, small, large, small]) == [2, 1, 1]
    assert lengths([{"n": 1}] * 9) == [8, 1]
    assert lengths([]) == []


@pytest.mark.parametrize("count", [0, 1, 7, 60])
def test_results_come_in_order_whatever_fails(count):
    doubler = Doubler(bad=(5, 17))
    results = batching.run(doubler, [{"n": n} for n in range(count)], 2)
    assert len(results) == count
    for n, result in enumerate(results):
        if n in (5, 17):
            assert isinstance(result, ValueError)
        elif n == 3:
            assert isinstance(result, KeyError)
        else:
            assert result == {"doubled": 2 * n}


def test_a_batch_that_does_not_fit_is_halved():
    doubler = Doubler(most=3)
    results = batching.run(doubler, [{"n": n} for n in range(10, 18)], 2)
    assert results == [{"doubled": 2 * n} for n in range(10, 18)] and doubler.sizes == [8, 4, 2, 2, 4, 2, 2]


def test_workers_that_share_an_annotator_take_turns():
    doubler = Doubler()
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(batching.run, doubler, [{"n": n} for n in range(100, 116)], 1) for _ in range(4)]
    assert all(future.result() == [{"doubled": 2 * n} for n in range(100, 116)] for future in work)


def test_the_next_batch_is_prepared_while_one_is_computed():
    started, seen = threading.Event(), []

    class Waiting(Doubler):
        def prepare(self, records):
            if records[0]["n"] == 104:
                started.set()
            return super().prepare(records)

        def compute(self, prepared):
            seen.append(started.wait(10))
            return super().compute(prepared)

    batching.run(Waiting(), [{"n": n} for n in range(100, 112)], 1)
    assert seen == [True] * 3


# Annotators


def configurations(folder):
    return {
        "segformer": parsing.Config(weights_dir=folder, atr=True),
        "fashn": parsing.Config(backend="fashn", weights_dir=folder),
        "schp": parsing.Config(backend="schp", weights_dir=folder, lip=True),
        "person_mask": person_mask.Config(backend="transformers", weights_dir=folder),
        "caption": caption.Config(weights_dir=folder, garment_prompt="a photography of", max_new_tokens=8),
    }


def records():
    found = []
    for seed, (size, boxed) in enumerate(zip(SIZES, itertools.cycle((False, True)), strict=False)):
        coarse = Image.fromarray(photo(6, 5, seed)).resize(size[::-1], Image.Resampling.NEAREST)
        box = {"person_box": np.array([5, 5, size[1] - 9, size[0] - 4], np.float32)} if boxed else {}
        found.append({"person_image": np.asarray(coarse), "garment_image": photo(40, 40 + seed, seed)} | box)
    found[3]["garment_image"] = None
    return found


@pytest.mark.parametrize("name", configurations(""))
def test_an_accelerator_gives_what_the_cpu_gives(folder, monkeypatch, name):
    config = configurations(folder)[name]
    plain = batching.run(config.build(), records(), config.batch_size)
    monkeypatch.setattr(devices, "accelerated", lambda device: True)
    together = batching.run(config.build(), records(), config.batch_size)
    assert len(plain) == len(together)
    for one, other in zip(plain, together, strict=True):
        assert one.keys() == other.keys()
        for column, value in one.items():
            if isinstance(value, np.ndarray):
                # A batch's sums differ in the last bit, which moves a border by a pixel here and there.
                assert value.shape == other[column].shape and (value == other[column]).mean() > 0.998
            else:
                assert value == other[column]


def test_results_leave_the_device_once(cpu_as_accelerator):
    tensors = [torch.from_numpy(photo(*size, seed)) for seed, size in enumerate(SIZES)]
    fetched = devices.fetch(tensors)
    for tensor, array in zip(tensors, fetched, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)
        assert array.base is None and array.flags.writeable
    assert devices.fetch([]) == []
