"""What a killed run needs to go on: parameters, optimiser, averages and counters, as safetensors and JSON.

`checkpoints/step-00001000/` holds `weights.safetensors` (name → float32 parameter), `optimizer.safetensors`
(of AdamW `exp_avg/NAME`, `exp_avg_sq/NAME`, `step/NAME`), `ema.safetensors` where averages are kept, and `state.json`:
the counters, and the digests of the counters and the other files, by which damage is noticed.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from schemas.cli.flags import UsageError
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
    """Writes `folder/step-N`, whole or not at all, and removes later ones and all but the newest `keep`.

    A later one is there when it is damaged, so that the run went on from an earlier one.
    """
    path = folder / f"step-{counters.step:08d}"
    with atomic.new_folder(path) as unfinished:
        save_file(_stored(parameters), unfinished / WEIGHTS)
        save_file(_stored(_flat(parameters, optimizer)), unfinished / OPTIMIZER)
        if ema is not None:
            save_file(_stored(ema.averages), unfinished / EMA)
        files = {file.name: _sha256(file) for file in sorted(unfinished.iterdir())}
        atomic.write_json(unfinished / STATE, _state(asdict(counters), files))
    steps = existing(folder)
    place = steps.index(path) + 1
    for other in (*steps[: max(0, place - keep)], *steps[place:]):
        atomic.remove_folder(other)
    return path


def restore(
    path: Path, parameters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer, ema: Ema | None
) -> Progress:
    """Puts a checkpoint's values into parameters, optimiser and averages, in place."""
    load_weights(path / WEIGHTS, parameters)
    _load_optimizer(path / OPTIMIZER, parameters, optimizer)
    counters = progress(path)
    if ema is not None:
        ema.load(load_file(path / EMA), counters.ema_updates)
    return counters


def progress(path: Path) -> Progress:
    """The counters of a whole checkpoint."""
    return Progress(**json.loads((path / STATE).read_bytes())["progress"])


@torch.no_grad()
def load_weights(path: Path, parameters: Mapping[str, torch.Tensor]) -> None:
    """Raises ValueError naming the first tensor that the file lacks or has too many."""
    stored = load_file(path)
    for name in sorted(set(stored) ^ set(parameters)):
        raise ValueError(f"{path.name} {'lacks' if name in parameters else 'has the unknown'} tensor {name}")
    for name, parameter in parameters.items():
        parameter.copy_(stored[name])


def existing(folder: Path) -> list[Path]:
    """Checkpoints that were written, whole or damaged since, oldest first."""
    return [path for path in _folders(folder) if (path / STATE).is_file()]


def newest(folder: Path) -> Path | None:
    """The newest whole checkpoint; None where none was written yet. A line on stderr tells of damaged ones after it.

    Raises UsageError where all are damaged.
    """
    damaged: list[str] = []
    for path in reversed(_folders(folder)):
        damage = damage_of(path)
        if not damage:
            if damaged:
                _tell(f"{'; '.join(damaged)}: going on from {path.name}")
            return path
        damaged.append(f"{path} is damaged, {damage}")
    if damaged:
        raise UsageError(f"{'; '.join(damaged)}; allowed is a run with a whole checkpoint, or another --output")
    return None


def check(path: Path) -> None:
    """Raises UsageError for a checkpoint that isn't whole."""
    damage = damage_of(path)
    if damage:
        raise UsageError(f"{path} is damaged, {damage}; allowed is another checkpoint of the run")


def damage_of(path: Path) -> str:
    """What is wrong with a checkpoint, by its digests; empty for a whole one."""
    try:
        stamps = tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(path.iterdir()))
    except OSError as error:
        return (error.strerror or "unreadable").lower()
    return _damage(path, stamps)


@cache
def _damage(path: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Hashed once as long as the files' `stamps` stay: a run asks several times, of some GB."""
    try:
        state = json.loads((path / STATE).read_bytes())
        counters, files = state["progress"], state["files"]
        if _state(counters, files) != state:
            return f"{STATE} has another digest than it notes"
        Progress(**counters)
        for name in (WEIGHTS, OPTIMIZER, *files):
            if _sha256(path / name) != files.get(name):
                return f"{name} has another digest than {STATE} notes"
    except OSError as error:
        return f"{Path(error.filename or path).name}: {(error.strerror or 'unreadable').lower()}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{STATE} is unreadable"
    return ""


@cache
def _tell(line: str) -> None:
    """Once, by one process."""
    if os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr)


def _state(counters: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """The content of state.json."""
    digest = hashlib.sha256(json.dumps([counters, files], sort_keys=True).encode()).hexdigest()
    return {"progress": counters, "files": files, "sha256": digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folders(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of)


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
