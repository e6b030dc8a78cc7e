"""A record with every column that a model may read, and batches of prepared ones."""

from typing import Any

import numpy as np
import torch

from schemas import fields, kinds

torch.set_num_threads(1)  # tiny networks gain nothing from more, and a busy machine makes threads wait for each other


def example(seed: int, height: int = 96, width: int = 72) -> dict[str, Any]:
    """Random blocks of colour, masks and words; pictures of one size, all different for every seed."""
    generator = np.random.default_rng(seed)
    makers = {
        "image": lambda: _blocks(generator, height, width, 3, 256),
        "mask": lambda: _blocks(generator, height, width, 1, 2)[..., 0] * np.uint8(255),
        "label_map": lambda: _blocks(generator, height, width, 1, 20)[..., 0],
        "text": lambda: " ".join(generator.choice(["red", "blue", "shirt", "with", "long", "sleeves"], 4)),
    }
    columns = {name: fields.kind(field) for name, field in kinds.TRYON.fields.items()}
    record = {name: makers[kind]() for name, kind in columns.items() if kind in makers}
    for name in ("garment_mask", "worn_garment_mask"):  # a garment is in one piece
        record[name] = np.zeros((height, width), np.uint8)
        record[name][height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 255
    points = generator.uniform(0, 1, (25, 3)).astype(np.float32) * (width, height, 1)
    return record | {"category": "upper_body", "paired": True, "keypoints": points.astype(np.float32)}


def viewed(model: Any, record: dict[str, Any]) -> dict[str, Any]:
    """A try-on record under the names by which a system's `prepare` sees it."""
    return record | {name: record[column] for name, column in model.config.reads("tryon").view.items()}


def awake(model: Any) -> Any:
    """The model with small numbers in trained layers that begin as zeros, which let nothing pass before a step."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.trainable().values():
            if not parameter.any():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def _blocks(generator: np.random.Generator, height: int, width: int, channels: int, top: int) -> np.ndarray:
    coarse = generator.integers(0, top, (height // 8, width // 8, channels), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1))


def batch(prepare: Any, records: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Prepared records stacked, as the reader collates them."""
    prepared = [prepare(one, torch.Generator().manual_seed(place)) for place, one in enumerate(records)]
    return {name: torch.stack([one[name] for one in prepared]) for name in prepared[0]}
