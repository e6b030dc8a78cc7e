"""What a person asks for on the page, and how that is said to `sample`."""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from schemas.cli.flags import UsageError
from vton_models.app.offers import Offer

MOST = 12  # results of one order
SHAPES = ("the box around what is painted", "the painted shape")
BOX, SHAPE = SHAPES


@dataclass(frozen=True)
class Order:
    """Pictures are paths of files on this machine, "" where there is none; None of a number is the system's default.

    `settings` are further ones of the system's sampling, "name=value" with commas between.
    """

    offer: Offer
    person: str = ""
    garment: str = ""
    mask: str = ""
    mask_type: str = ""
    garment_mask: str = ""
    densepose: str = ""
    box: str = ""
    shape: str = BOX
    prompt: str = ""
    caption: str = ""
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    settings: str = ""
    paste_back: bool = False

    @property
    def told(self) -> str:
        """What tells it from others of its comparison."""
        guidance = [] if self.guidance is None else [f"guidance {self.guidance:g}"]
        return ", ".join([self.offer.label, f"seed {self.seed}", *guidance])


def arguments(order: Order) -> list[str]:
    """The command line of `sample`, without its output. Raises UsageError for what is missing."""
    return [order.offer.name, *order.offer.arguments, *_of_task(order), *_of_sampling(order)]


def _of_task(order: Order) -> Iterator[str]:
    task = order.offer.task
    if task == "garment_to_person":
        yield f"--garment={_needed(order.garment, 'garment')}"
        yield from _words(garment_mask=order.garment_mask, prompt=order.prompt)
    elif task == "placement":
        yield f"--scene={_needed(order.person, 'scene')}"
        yield f"--reference={_needed(order.garment, 'object')}"
        yield from _words(reference_mask=order.garment_mask, box=order.box)
        if not order.box:
            yield f"--mask={_needed(order.mask, 'place', 'type a box, or paint where the object goes')}"
            yield from ["--shape-control"] if order.shape == SHAPE else []
    else:
        yield from _of_try_on(order)


def _of_try_on(order: Order) -> Iterator[str]:
    yield f"--person={_needed(order.person, 'person')}"
    yield f"--garment={_needed(order.garment, 'garment')}"
    reads_masks = order.offer.reads("agnostic_mask")
    yield from _words(
        mask=order.mask,
        mask_type="" if order.mask or not reads_masks else order.mask_type,
        densepose=order.densepose if order.offer.reads("densepose_image") else "",
        garment_caption=order.caption,
    )
    yield from ["--paste-back"] if order.paste_back else []


def _of_sampling(order: Order) -> Iterator[str]:
    known = {item.name for item in dataclasses.fields(order.offer.config.sampling)}
    chosen = {"num_inference_steps": order.steps, "guidance_scale": order.guidance}
    values = {name: f"{value:g}" for name, value in chosen.items() if value is not None and name in known}
    for word in filter(None, (word.strip() for word in order.settings.split(","))):
        name, told, value = (part.strip() for part in word.partition("="))
        if not told or name not in known:
            names = ", ".join(sorted(known))
            raise UsageError(f"setting {word!r}; allowed are NAME=VALUE, of {order.offer.name} {names}")
        values[name] = value
    yield f"--seed={order.seed}"
    yield from _words(**values)


def _words(**flags: str) -> Iterator[str]:
    yield from (f"--{name.replace('_', '-')}={value}" for name, value in flags.items() if value)


def _needed(file: str, what: str, how: str = "") -> str:
    if not file:
        raise UsageError(f"no {what}: {how or f'put in a picture of the {what}'}")
    return file


def varied(order: Order, offers: tuple[Offer, ...], guidances: str, seeds: str) -> list[Order]:
    """The order with every further system, guidance and seed, each once, its own first. Raises UsageError."""
    all_offers = dict.fromkeys((order.offer.key, *(offer.key for offer in offers)))
    by_key = {offer.key: offer for offer in (order.offer, *offers)}
    all_guidances = dict.fromkeys((order.guidance, *_numbers("guidance", guidances)))
    all_seeds = dict.fromkeys((order.seed, *(int(number) for number in _numbers("seed", seeds))))
    combined = list(itertools.product(all_offers, all_guidances, all_seeds))
    if len(combined) > MOST:
        raise UsageError(f"{len(combined)} results are asked for; allowed are at most {MOST} at once")
    return [replace(order, offer=by_key[key], guidance=scale, seed=seed) for key, scale, seed in combined]


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise UsageError(f"{name} {text!r}; allowed are numbers with commas between") from None
