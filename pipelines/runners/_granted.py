"""Which GPU an engine gave to this process, and that no other task slot loads models onto it.

torch numbers the GPUs that `CUDA_VISIBLE_DEVICES` lists, from 0: so `cuda` is always the one that was granted. Dask's
CUDA workers set that variable themselves, Spark names an address to each task.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from typing import TextIO

PATIENCE = 10.0  # seconds in which a process that was killed lets go of its GPU
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_slots_are_processes = False
_claimed: dict[str, TextIO] = {}  # GPU → its lock, held until this process ends


def grant(addresses: Sequence[str]) -> None:
    """Says, before any model is loaded, that task slots are processes, and which GPUs this one was given, if any."""
    global _slots_are_processes
    _slots_are_processes = True
    if not addresses:
        return
    visible = _visible()
    if visible and not set(addresses) <= set(visible):  # a container's own numbers
        addresses = [visible[int(each)] for each in addresses if each.isdigit() and int(each) < len(visible)]
    if addresses:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts, which engines ask
        os.environ[_VISIBLE] = ",".join(addresses)


def claim(device: str) -> None:
    """Of a model that is about to be loaded onto `device`: one copy per GPU, not per task slot.

    Raises ValueError where another slot's process has loaded models there.
    """
    kind, _, number = device.partition(":")
    if not _slots_are_processes or kind != "cuda":
        return
    visible, index = _visible(), int(number or 0)
    gpu = visible[index] if index < len(visible) else str(index)
    if gpu not in _claimed:
        _claimed[gpu] = _locked(gpu)


def _visible() -> list[str]:
    return [each.strip() for each in os.environ.get(_VISIBLE, "").split(",") if each.strip()]


def _locked(gpu: str) -> TextIO:
    file = open(f"{tempfile.gettempdir()}/vton-{os.getuid()}-gpu-{gpu}.lock", "w")  # noqa: SIM115
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            file.close()
            raise ValueError(
                f"another task has its models on GPU {gpu}; give each a GPU of its own, as"
                " --spark_conf spark.executor.resource.gpu.amount=1 --spark_conf spark.task.resource.gpu.amount=1 do"
            ) from None
