"""What answers an order: the model that it asks for, loaded once, and one run of `sample` into a folder of its own."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.cli.flags import UsageError
from vton_models.app import marking, orders
from vton_models.app.offers import Offer
from vton_models.app.orders import Order
from vton_models.sampling import requests, sample_flags
from vton_models.sampling.requests import Request

if TYPE_CHECKING:
    from torch import Tensor

    from vton_models.app.safety import SafetyChecker
    from vton_models.sampling.loop import Results
    from vton_models.system import Model

PROG = "python -m vton_models app"
OnStep = Callable[[int, int], None]  # (steps that are done, steps of all)


class Stopped(Exception):
    """A person ended the run."""


@dataclass(frozen=True)
class Result:
    """The file of a picture, what it was made with, and what there is to say of its inputs."""

    path: Path
    caption: str
    told: str


@dataclass
class Studio:
    """Holds one model at a time; runs follow each other. Results lie in folders under `folder`."""

    folder: Path
    further: tuple[str, ...] = ()  # arguments of `sample` that every order of photos has
    safety: "SafetyChecker | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loaded: "tuple[Offer, Model, str] | None" = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def run(self, order: Order, mark: bool, on_step: OnStep) -> Result:
        """Raises UsageError for what is missing or wrong, and what `on_step` raises."""
        with self._lock:
            folder = self.folder / "results" / f"{next(self._numbers):06d}"
            line = [*orders.arguments(order), *self._of_photos(order), f"--output={folder}"]
            request = requests.read(line, prog=PROG, description="", examples="")
            model, digest = self._model(order.offer, request)
            return self._sampled(request, model, digest, mark, on_step, order.told)

    def _of_photos(self, order: Order) -> tuple[str, ...]:
        return self.further if order.offer.task != "garment_to_person" else ()

    def _model(self, offer: Offer, request: Request) -> "tuple[Model, str]":
        if self._loaded is None or self._loaded[0].key != offer.key:
            self._loaded = None  # two may not fit beside each other
            self._loaded = (offer, *sample_flags.build(request.weights))
        return self._loaded[1:]

    def _sampled(
        self, request: Request, model: "Model", digest: str, mark: bool, on_step: OnStep, caption: str
    ) -> Result:
        from vton_models.sampling import loop, outputs

        steps = request.sampling.num_inference_steps

        def watch(index: int, noisy: "Tensor") -> None:
            on_step(min(index + 1, steps), steps)

        sampler = loop.Sampler(model, loop.Settings(request.flags.seed, request.sampling), watch)
        outputs.samples_folder(request.folder).begin(requests.describe(request, sampler, digest), False)
        try:
            results = requests.make(request, sampler, digest, marking.marked if mark else None)
        except loop.SamplingError as error:
            raise UsageError(str(error)) from None
        return Result(self._shown(request, results), caption, request.inputs.told)

    def _shown(self, request: Request, results: "Results") -> Path:
        """The last result's file. Raises UsageError where there is none, or none that may be shown."""
        from vton_models.sampling import photos

        if not results.done:
            raise UsageError(results.rejects[0]["message"] if results.rejects else "no result")
        path = request.folder / results.done[-1].file
        if self.safety is not None and not self.safety(photos.read(str(path), "result")):
            path.unlink()
            raise UsageError("the safety checker withholds this result")
        return path
