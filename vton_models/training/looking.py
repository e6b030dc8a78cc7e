"""What a run leaves to look at: the losses' curve, pictures over time, and the page that shows both."""

import sys
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from schemas.folders import atomic
from vton_models.networks import sheets
from vton_models.system import About, Model
from vton_models.training import curve, run_page
from vton_models.training.run_folder import Run
from vton_models.training.validation import Pictures


@dataclass(frozen=True)
class Looking:
    """Keeps the page of a run up to date; only the first process writes."""

    run: Run
    about: About
    accelerator: Accelerator
    model: Model
    pictures: Pictures

    def start(self) -> None:
        """A page of a run that has just begun, to be opened while it goes on."""
        if self.accelerator.is_main_process:
            run_page.write(self.run, self.about)

    def __call__(self, step: int, pictures_due: bool) -> None:
        """While training; all processes wait for the pictures."""
        if self.accelerator.is_main_process:
            if pictures_due:
                self.pictures.write(self.accelerator, self.model, step, self.run.sheet(step))
            run_page.write(self.run, self.about)
        self.accelerator.wait_for_everyone()

    def end(self, step: int) -> None:
        """Curve, results of the trained model, and the page; by the first process, when the weights are saved."""
        losses = curve.draw(self.run.entries())
        if losses is not None:
            atomic.write(self.run.curve, sheets.png(losses))
        try:
            if self.pictures.count:
                self.pictures.write(self.accelerator, self.model, step, self.run.samples)
        except torch.OutOfMemoryError:
            print(
                f"{self.run.samples}: out of memory; `sample --weights {self.run.path}` may do with less",
                file=sys.stderr,
            )
        run_page.write(self.run, self.about)
