"""What the neural annotators take at their real sizes; random weights serve for speed.

  python benchmarks/neural.py speed --device cuda      photos/s one by one and in batches, use of the GPU, its memory
  python benchmarks/neural.py host                     CPU ms a photo outside the network, as laid out for either device
  python benchmarks/neural.py build --device cuda      `build_photos` with every annotator, records/s (--tiny: on a CPU)
  python benchmarks/neural.py densepose                our DensePose against detectron2, where that is installed

Photos come from VTON_DATA (default ../shared/data), MediaPipe's models from VTON_MODELS (default ../shared/models).
Weights are drawn once into a temporary folder.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

Record = dict[str, Any]


def _data() -> Path:
    return Path(os.environ.get("VTON_DATA", ROOT.parent / "shared/data"))


def photos(count: int) -> list[np.ndarray]:
    files = sorted((_data() / "vitonhd_mini/test/image").glob("*.jpg"))
    return [np.asarray(Image.open(files[i % len(files)]).convert("RGB")) for i in range(count)]


def save_segformer_b2(folder: Path) -> None:
    from support.tiny_models import SEGFORMER
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessorPil

    names = dict(enumerate(SEGFORMER))
    config = SegformerConfig(
        hidden_sizes=[64, 128, 320, 512], depths=[3, 4, 6, 3], decoder_hidden_size=768, id2label=names,
        label2id={name: number for number, name in names.items()},
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessorPil().save_pretrained(folder)


def save_blip_base(folder: Path) -> None:
    """BLIP's real size, with the small vocabulary of the tests."""
    from support.tiny_models import save_blip
    from transformers import BlipConfig, BlipForConditionalGeneration

    save_blip(folder)
    small = BlipConfig.from_pretrained(folder)
    text = {**BlipConfig().text_config.to_dict(), "vocab_size": small.text_config.vocab_size}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id"):
        text[name] = getattr(small.text_config, name)
    config = BlipConfig(text_config=text, vision_config=BlipConfig().vision_config.to_dict() | {"image_size": 384})
    BlipForConditionalGeneration(config).save_pretrained(folder)
    save_real_processors(blip=folder)


def save_real_processors(**folders: Path) -> None:
    """The image processors of the published models, over those of tiny ones."""
    from transformers import BlipProcessor, SegformerImageProcessorPil
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    for name, folder in folders.items():
        if name == "segformer":
            SegformerImageProcessorPil().save_pretrained(folder)
        else:
            tokenizer = BlipProcessor.from_pretrained(folder).tokenizer
            BlipProcessor(BlipImageProcessorPil(), tokenizer).save_pretrained(folder)


def tiny_weights() -> Path:
    """Tiny networks behind the real ones' image processors, and DensePose as it is: for what the host has to do."""
    from support.tiny_models import save_blip, save_densepose, save_segformer

    folder = save_densepose(Path(tempfile.mkdtemp(prefix="vton-weights-")))
    segformer, blip = folder / "mattmdjaga/segformer_b2_clothes", folder / "Salesforce/blip-image-captioning-base"
    save_segformer(segformer)
    save_blip(blip)
    save_real_processors(segformer=segformer, blip=blip)
    return folder


def weights() -> Path:
    from support.tiny_models import save_densepose

    folder = save_densepose(Path(tempfile.mkdtemp(prefix="vton-weights-")))
    save_segformer_b2(folder / "mattmdjaga/segformer_b2_clothes")
    save_blip_base(folder / "Salesforce/blip-image-captioning-base")
    return folder


def seconds(run: Callable[[], Any], device: str, rounds: int) -> float:
    import torch

    times = []
    for _ in range(rounds + 1):  # the first round warms up
        began = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


class Gpu:
    """How busy the GPU is while inside, and the most memory torch took; nothing without one, or without its library."""

    def __init__(self, device: str) -> None:
        self.present = device.startswith("cuda")
        self.busy: list[int] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        import torch

        if self.present:
            torch.cuda.reset_peak_memory_stats()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.present:
            self._stop.set()
            self._thread.join()

    def _watch(self) -> None:
        import torch

        while not self._stop.wait(0.1):
            try:
                self.busy.append(torch.cuda.utilization())  # by pynvml
            except (ModuleNotFoundError, RuntimeError, ImportError):
                self.busy += _asked_of_nvidia_smi()

    def __str__(self) -> str:
        import torch

        if not self.present:
            return "no GPU"
        use = f"{statistics.mean(self.busy):.0f} % busy" if self.busy else "use unknown"
        return f"{use}, peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"


def _asked_of_nvidia_smi() -> list[int]:
    words = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=5).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [int(word) for word in said[:1] if word.isdigit()]


NAMES = ("parsing", "caption", "densepose")


def speed(device: str, count: int, rounds: int) -> None:
    """One by one, and in batches as builds run them; the same batches again are the control."""
    import annotators
    from annotators.common import batching

    folder = weights()
    records = [{"person_image": photo} for photo in photos(count)]
    print("| annotator | one by one, photos/s | in batches | control | CPU ms a photo, all threads | GPU |")
    print("|---|---|---|---|---|---|")
    for name in NAMES:
        config = annotators.config(name, weights_dir=str(folder), device=device)
        annotator = config.build()

        def batches(annotator: Any = annotator, size: int = config.batch_size) -> None:
            batching.run(annotator, records, size)

        singly = [[record] for record in records]
        single = seconds(lambda run=annotator, singly=singly: [run(one) for one in singly], device, rounds)
        with Gpu(device) as gpu:
            began = time.process_time()
            batched = seconds(batches, device, rounds)
            spent = (time.process_time() - began) / (rounds + 1) / count
        again = seconds(batches, device, rounds)
        rates = " | ".join(f"{count / value:.1f}" for value in (single, batched))
        print(f"| {name} | {rates} | {batched / again:.2f} | {1000 * spent:.1f} | {gpu} |", flush=True)


def host(count: int, rounds: int) -> None:
    """thread_time of everything before and after the network, whose results stand in by what VITON-HD ships."""
    import torch

    import annotators
    from annotators.networks import devices

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder = tiny_weights()
    people = photos(count)
    records = [{"person_image": photo, "person_box": _middle(photo)} for photo in people]
    print("| annotator | laid out for | before, ms a photo | after | together | control |")
    print("|---|---|---|---|---|---|")
    for layout in ("cpu", "accelerator"):
        devices.accelerated = lambda device, layout=layout: layout != "cpu"
        for name in NAMES:
            annotator = annotators.config(name, weights_dir=str(folder)).build()
            computed = _computed(name, layout, count)
            before, control = (_thread_ms(lambda a=annotator: a.prepare(records), rounds) / count for _ in range(2))
            pairs = list(zip(records, computed, strict=True))
            after = _thread_ms(lambda a=annotator, pairs=pairs: [a.finish(*pair) for pair in pairs], rounds) / count
            print(
                f"| {name} | {layout} | {before:.1f} | {after:.1f} | {before + after:.1f} | {control / before:.2f} |",
                flush=True,
            )


def _middle(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    return np.array([0.15 * width, 0.02 * height, 0.85 * width, 0.98 * height], np.float32)


def _computed(name: str, layout: str, count: int) -> list[Any]:
    """What a network would have said of the photos, at the border to `finish`."""
    from annotators import densepose as annotator
    from annotators.functional import densepose
    from schemas import labels

    if name == "caption":
        return [(["a woman in a red dress with long sleeves"], "")] * count
    if name == "parsing":
        maps = [labels.crosswalk(np.asarray(picture), "cihp", "atr") for picture in _shipped("image-parse-v3", count)]
        return [np.where(atr == labels.Atr.NECK, np.uint8(labels.Atr.FACE), atr) for atr in maps]
    drawn = [np.asarray(picture.convert("RGB")) for picture in _shipped("image-densepose", count)]
    iuvs = [np.ascontiguousarray(np.repeat(densepose.decode(picture)[..., None], 3, axis=2)) for picture in drawn]
    pictures = drawn if layout == "accelerator" else [None] * count
    return [annotator.Person(iuv, picture) for iuv, picture in zip(iuvs, pictures, strict=True)]


def _shipped(name: str, count: int) -> list[Image.Image]:
    files = sorted((_data() / "vitonhd_mini/test" / name).iterdir())
    return [Image.open(files[i % len(files)]) for i in range(count)]


def _thread_ms(run: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        began = time.thread_time()
        run()
        times.append(time.thread_time() - began)
    return 1000 * statistics.median(times[1:])


def build(device: str, count: int, tiny: bool) -> None:
    """Own photos, everything computed: pose, parsing, DensePose and captions by their networks."""
    from support.tiny_models import save_blip, save_densepose, save_segformer

    if tiny:
        folder = save_densepose(Path(tempfile.mkdtemp(prefix="vton-weights-")))
        save_segformer(folder / "mattmdjaga/segformer_b2_clothes")
        save_blip(folder / "Salesforce/blip-image-captioning-base")
    else:
        folder = weights()
    models = Path(os.environ.get("VTON_MODELS", ROOT.parent / "shared/models"))
    for path in models.glob("*.task"):
        shutil.copy(path, folder)
    people, garments = (_photo_folder(kind, count) for kind in ("image", "cloth"))
    chosen = "parsing,pose,densepose,caption,garment_mask,agnostic,high_frequency,quality"
    if tiny:
        chosen = chosen.replace("densepose,", "")  # its network has one size, which takes a CPU seconds a photo
    words = [sys.executable, "-m", "pipelines.build_photos", "--persons", people, "--garments", garments]
    words += ["--weights", folder, "--annotators", chosen, "--device", device, "--max-reject-rate", "1"]
    words += ["--output", Path(tempfile.mkdtemp(prefix="vton-build-")) / "out"]
    with Gpu(device) as gpu:
        began, before = time.perf_counter(), _children_seconds()
        done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True)
        wall, spent = time.perf_counter() - began, _children_seconds() - before
    print(done.stderr, file=sys.stderr)
    if done.returncode:
        raise SystemExit(done.returncode)
    print("| records | records/s, start included | CPU s a record | GPU |")
    print("|---|---|---|---|")
    print(f"| {count} | {count / wall:.2f} | {spent / count:.2f} | {gpu} |")


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _photo_folder(kind: str, count: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"vton-{kind}-"))
    files = sorted((_data() / "vitonhd_mini/test" / kind).glob("*.jpg"))
    for number in range(count):
        shutil.copy(files[number % len(files)], folder / f"{number:05d}.jpg")
    return folder


def densepose(device: str, count: int, rounds: int) -> None:
    """≤ 1.0 on a CPU. Rounds alternate; the same code twice is the control."""
    import torch

    import annotators
    from annotators.networks import detectron2_densepose
    from annotators.networks.densepose_rcnn import network

    # One person a photo for both, as in the datasets: random weights see one in every box.
    detectron2_densepose.CHOICE_OF = network.CHOICE_OF = 1
    torch.set_num_threads(2)
    folder = _with_pickle(weights())
    records = [{"person_image": photo} for photo in photos(count)]
    ours = annotators.config("densepose", weights_dir=str(folder), device=device).build()
    theirs = annotators.config("densepose", backend="detectron2", weights_dir=str(folder), device=device).build()
    cases = {"ours": ours, "detectron2": theirs, "ours again (control)": ours}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, run in cases.items():
            times[name].append(seconds(lambda run=run: run(records), device, 1) / count)
    for name, values in times.items():
        ratio = statistics.median(values) / statistics.median(times["detectron2"])
        print(f"{name:22s} {statistics.median(values):6.2f} s per photo, {ratio:.2f} x detectron2", flush=True)


def _with_pickle(folder: Path) -> Path:
    """detectron2 reads the pickle; both backends shall read the same file."""
    import pickle

    from safetensors.torch import load_file

    path = folder / "model_final_162be9.safetensors"
    state = {name: value.numpy() for name, value in load_file(path).items()}
    (folder / "model_final_162be9.pkl").write_bytes(pickle.dumps({"model": state, "__author__": "random"}))
    path.unlink()
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("speed", "host", "build", "densepose"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="for build: tiny networks, and no DensePose")
    flags = parser.parse_args()
    cases: dict[str, Callable[[], None]] = {
        "speed": lambda: speed(flags.device, flags.photos, flags.rounds),
        "host": lambda: host(flags.photos, flags.rounds),
        "build": lambda: build(flags.device, flags.photos, flags.tiny),
        "densepose": lambda: densepose(flags.device, flags.photos, flags.rounds),
    }
    cases[flags.case]()


if __name__ == "__main__":
    main()
