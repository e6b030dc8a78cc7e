"""Images per second of the neural annotators at their real sizes; random weights serve for speed.

  python benchmarks/neural.py speed --device cuda      each annotator: one by one, and in its batches
  python benchmarks/neural.py densepose                our DensePose against detectron2, where that is installed

Photos come from VTON_DATA (default ../shared/data). Weights are drawn once into a temporary folder.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

Record = dict[str, Any]


def photos(count: int) -> list[np.ndarray]:
    folder = Path(os.environ.get("VTON_DATA", ROOT.parent / "shared/data")) / "vitonhd_mini/test/image"
    files = sorted(folder.glob("*.jpg"))
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
    vision = {**BlipConfig().vision_config.to_dict(), "image_size": small.vision_config.image_size}
    BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)


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


def speed(device: str, count: int, rounds: int) -> None:
    import torch

    import annotators

    folder = weights()
    records = [{"person_image": photo} for photo in photos(count)]
    for name in ("parsing", "caption", "densepose"):
        made = annotators.config(name, weights_dir=str(folder), device=device)
        run = made.build()
        size = made.batch_size
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        single = seconds(lambda run=run: [run([record]) for record in records], device, rounds)
        batches = [records[i : i + size] for i in range(0, count, size)]
        batched = seconds(lambda run=run, batches=batches: [run(batch) for batch in batches], device, rounds)
        peak = torch.cuda.max_memory_allocated() / 2**30 if device.startswith("cuda") else float("nan")
        rates = (
            f"one by one {count / single:7.2f}/s, batches of {size} {count / batched:7.2f}/s ({single / batched:.2f} x)"
        )
        print(f"{name:10s} {rates}, peak {peak:.1f} GiB", flush=True)


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
    parser.add_argument("case", choices=("speed", "densepose"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    {"speed": speed, "densepose": densepose}[given.case](given.device, given.photos, given.rounds)


if __name__ == "__main__":
    main()
