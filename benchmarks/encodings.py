"""What storing the frozen networks' results saves in a training step: on pictures and on what was encoded, in turn.

    python -m benchmarks.encodings catvton --tiny --rounds 20
    python -m benchmarks.encodings catvton --height 512 --width 384

Random weights and pictures, a batch without a reader; the ratio is of medians. Encoding itself is timed, too.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import vton_models
from schemas import tensors
from vton_models.system import EncodingConfig, Purpose

Batch = dict[str, Any]


def build(arguments: argparse.Namespace) -> Any:
    """The model, on its device."""
    config = vton_models.load(arguments.model).Config
    size = {name: getattr(arguments, name) for name in ("height", "width") if getattr(arguments, name)}
    model = vton_models.load(arguments.model).build((config.tiny if arguments.tiny else config)(**size))
    return model.to(arguments.device)


def pictures(model: Any, items: int) -> Batch:
    """Random pictures, prepared."""
    generator = torch.Generator().manual_seed(0)
    shape = (model.config.height, model.config.width)
    record: dict[str, Any] = {"caption": ""}
    for name in model.config.reads("tryon").needed:
        picture = torch.randint(0, 256, (*shape, 3), generator=generator, dtype=torch.uint8).numpy()
        record[name] = picture[..., 0] // 128 * 255 if name == "agnostic_mask" else picture
    prepared = model.prepare(Purpose.VALIDATION)(record)
    return {name: torch.stack([value] * items) for name, value in prepared.items()}


def encoded(model: Any, batch: Batch) -> tuple[Batch, float]:
    """The batch with what can be read in training of stored results in place of pictures, and seconds to encode it."""
    encodes = {name: one for name, one in model.config.encodes("tryon").items() if not one.augmented}
    start = time.perf_counter()
    results = model.encoded(batch, encodes)
    seconds = time.perf_counter() - start
    stored = {column: torch.stack([_rounded(value) for value in values]) for column, values in results.items()}
    replaced = {column: one.tensor for each in encodes.values() for column, one in each.columns.items()}
    return batch | {replaced[column]: value for column, value in stored.items()}, seconds


def _rounded(value: torch.Tensor) -> torch.Tensor:
    """As shards hold it."""
    return torch.from_numpy(tensors.decode(tensors.encode(value.numpy())))


def step(model: Any, batch: Batch, optimizer: torch.optim.Optimizer, device: str) -> Callable[[], None]:
    def run() -> None:
        model.loss(batch, torch.Generator(device).manual_seed(0)).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    return run


def seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    able = [name for name in vton_models.names() if issubclass(vton_models.load(name).Config, EncodingConfig)]
    parser.add_argument("model", choices=able)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--height", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    model = build(arguments)
    optimizer = torch.optim.AdamW(model.trainable().values(), lr=1e-5)
    plain = pictures(model, arguments.batch_size)
    stored, encoding = encoded(model, plain)
    steps = [step(model, batch, optimizer, arguments.device) for batch in (plain, stored)]
    for _ in range(arguments.warm_up):
        for one in steps:
            one()
    times = [[seconds(one) for one in steps] for _ in range(arguments.rounds)]
    on_pictures, on_stored = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{arguments.model} {model.config.height}x{model.config.width}, batch {arguments.batch_size}")
    print(f"  encoding once {encoding:.3f} s")
    print(f"  a step on pictures {on_pictures:.3f} s, on what is stored {on_stored:.3f} s")
    print(f"  ratio {on_pictures / on_stored:.2f}")


if __name__ == "__main__":
    main()
