"""What a killed run needs to go on: parameters, optimiser, averages and counters, as safetensors and JSON.

`checkpoints/step-00001000/` holds `weights.safetensors` (name → float32 parameter), `optimizer.safetensors`
(of AdamW `exp_avg/NAME`, `exp_avg_sq/NAME`, `step/NAME`), `ema.safetensors` where averages are kept, and `state.json`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from schemas.folders import atomic
from vton_models.training.ema import Ema

WEIGHTS, OPTIMIZER, EMA, STATE = "weights.safetensors", "optimizer.safetensors", "ema.safetensors", "state.json"
_NUMBER = "#"  # ends the names of an optimiser's items that are plain numbers
_EXACT = {int: torch.int64, float: torch.float64}
_NAME = re.compile(r"step-(\d+)")


@dataclass
class Progress:
    """The counters of a run."""

    step: int = 0  # finished optimizer steps, skipped ones included
    loss: float | None = None  # of the last step that was not skipped
    skipped: int = 0
    streak: list[list[str]] = field(default_factory=list)  # record ids of the skipped steps in a row, step by step
    ema_updates: int = 0
    scaler: dict[str, float] | None = None  # of fp16's gradient scaling
    reader: dict[str, Any] = field(default_factory=dict)

    def took(self, loss: float) -> None:
        self.step, self.loss, self.streak = self.step + 1, loss, []

    def skip(self, record_ids: list[str]) -> None:
        self.step, self.skipped, self.streak = self.step + 1, self.skipped + 1, [*self.streak, record_ids]


def save(
    folder: Path,
    parameters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    ema: Ema | None,
    counters: Progress,
    keep: int,
) -> Path:
    """Writes `folder/step-N`, whole or not at all, and removes all but the newest `keep`."""
    path = folder / f"step-{counters.step:08d}"
    with atomic.new_folder(path) as made:
        save_file(_stored(parameters), made / WEIGHTS)
        save_file(_stored(_flat(parameters, optimizer)), made / OPTIMIZER)
        if ema is not None:
            save_file(_stored(ema.averages), made / EMA)
        atomic.write_json(made / STATE, asdict(counters))
    for old in existing(folder)[:-keep]:
        atomic.remove_folder(old)
    return path


def restore(
    path: Path, parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer, ema: Ema | None
) -> Progress:
    """Puts a checkpoint's values into parameters, optimiser and averages, in place."""
    load_weights(path / WEIGHTS, parameters)
    _load_optimizer(path / OPTIMIZER, parameters, optimizer)
    found = progress(path)
    if ema is not None:
        ema.load(load_file(path / EMA), found.ema_updates)
    return found


def progress(path: Path) -> Progress:
    """The counters of a checkpoint."""
    return Progress(**json.loads((path / STATE).read_bytes()))


@torch.no_grad()
def load_weights(path: Path, parameters: Mapping[str, torch.Tensor]) -> None:
    """Raises ValueError naming the first tensor that the file lacks or has too many."""
    stored = load_file(path)
    for name in sorted(set(stored) ^ set(parameters)):
        raise ValueError(f"{path.name} {'lacks' if name in parameters else 'has the unknown'} tensor {name}")
    for name, parameter in parameters.items():
        parameter.copy_(stored[name])


def existing(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and (path / STATE).is_file()]
    return sorted(found, key=step_of)


def newest(folder: Path) -> Path | None:
    found = existing(folder)
    return found[-1] if found else None


def step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _stored(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def _flat(parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Parameters that never had a gradient have no state. Plain numbers become tensors, marked by their item's name."""
    flat = {}
    for name, parameter in parameters.items():
        for item, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, torch.Tensor):
                flat[f"{item}/{name}"] = value
            else:
                flat[f"{item}{_NUMBER}/{name}"] = torch.tensor(value, dtype=_EXACT[type(value)])
    return flat


def _load_optimizer(path: Path, parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    index = {name: number for number, name in enumerate(parameters)}
    states: dict[int, dict[str, torch.Tensor | float]] = {}
    for key, value in load_file(path).items():
        item, _, name = key.partition("/")
        is_number = item.endswith(_NUMBER)
        states.setdefault(index[name], {})[item.removesuffix(_NUMBER)] = value.item() if is_number else value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
