"""UniPC (Zhao 2023, arXiv:2302.04867) of order 2 by B2(h): diffusers' schedule, with its coefficients as plain numbers.

diffusers' own steps solve their equations on the device of the latents, for whose answer the host waits in every step.
"""

from math import expm1, inf, log
from typing import Any

from diffusers import UniPCMultistepScheduler
from torch import Tensor

ORDER = 2


class UniPC(UniPCMultistepScheduler):
    """Predicts clean latents x₀; λ = log(α/σ), and h is how far λ rises in a step."""

    step_index: int
    model_outputs: list[Tensor]
    sigmas: Tensor

    def multistep_uni_p_bh_update(self, model_output: Tensor, *_: Any, sample: Tensor, order: int, **__: Any) -> Tensor:
        """UniP-`order`: the latents of the next step."""
        half = (0.5,) if order == ORDER else ()
        return self._advanced(sample, self.step_index, half, None, 0.0)

    def multistep_uni_c_bh_update(
        self, this_model_output: Tensor, *_: Any, last_sample: Tensor, this_sample: Tensor, order: int, **__: Any
    ) -> Tensor:
        """UniC-`order`: this step's latents again, from those before and what is predicted now."""
        before = self.step_index - 1
        if order < ORDER:
            return self._advanced(last_sample, before, (), this_model_output, 0.5)
        hh = self._lambda(before) - self._lambda(before + 1)
        ratio = self._ratio(before)
        first = (expm1(hh) / hh - 1) / hh  # φ₂, and then φ₃, times h: what the two rows of the system equal
        rows = (first * hh / expm1(hh), 2 * (first - 0.5) / expm1(hh))
        earlier = (rows[0] - rows[1]) / (1 - ratio)
        return self._advanced(last_sample, before, (earlier,), this_model_output, rows[0] - earlier)

    def _advanced(
        self, latents: Tensor, index: int, earlier: tuple[float, ...], now: Tensor | None, share: float
    ) -> Tensor:
        """From step `index` to the next: x₀ as it was there, and `earlier` and `share` of its two differences."""
        (_, sigma_before), (alpha, sigma) = self._levels(index), self._levels(index + 1)
        rise = alpha * expm1(self._lambda(index) - self._lambda(index + 1))
        clean = self.model_outputs[-1]
        advanced = sigma / sigma_before * latents - rise * clean
        for weight in earlier:
            advanced = advanced - rise * weight / self._ratio(index) * (self.model_outputs[-2] - clean)
        return advanced if now is None else advanced - rise * share * (now - clean)

    def _levels(self, index: int) -> tuple[float, float]:
        """(α, σ) of a step."""
        sigma = float(self.sigmas[index])
        alpha = (sigma**2 + 1) ** -0.5
        return alpha, sigma * alpha

    def _lambda(self, index: int) -> float:
        sigma = float(self.sigmas[index])
        return -log(sigma) if sigma else inf

    def _ratio(self, index: int) -> float:
        """How far λ was a step earlier, in units of h; below 0."""
        now = self._lambda(index)
        return (self._lambda(index - 1) - now) / (self._lambda(index + 1) - now)
