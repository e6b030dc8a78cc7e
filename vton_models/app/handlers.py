"""What the page does when somebody presses something: orders run, masks drawn, records put in."""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from schemas import codecs
from schemas.cli.flags import UsageError, one_line
from vton_models.app import orders, shard_pictures
from vton_models.app.offers import Offer
from vton_models.app.orders import Order
from vton_models.app.shard_pictures import ShardPictures
from vton_models.app.studio import Result, Stopped, Studio
from vton_models.sampling import photo_masks, photos

CANVAS = 800  # pixels of a side of the editor
_ON_THE_PAGE = {
    "--garment-mask FILE": "a mask of the garment",
    "--reference-mask FILE": "a mask of the object",
    "--densepose FILE": "a DensePose picture",
    "--mask FILE": "painting it",
}


@dataclass
class Handlers:
    """The handlers of one server; `stops` holds an event per session whose run may be ended."""

    studio: Studio
    offers: Sequence[Offer]
    shards: ShardPictures | None = None
    annotator_weights: str = ""
    device: str = "cpu"
    stops: dict[str, threading.Event] = field(default_factory=dict)

    def offer(self, key: str | None) -> Offer:
        """Raises a message for the person where nothing has the key."""
        known = {offer.key: offer for offer in self.offers}
        if key not in known:
            raise _message(f"model {key!r}; allowed are {', '.join(known)}")
        return known[key]

    def results(self, all_orders: Sequence[Order], mark: bool, progress: Any, session: str) -> list[Result]:
        """One after the other, until the session's person ends it; at least one, or a message for that person."""
        stop = self.stops[session] = threading.Event()
        results, failures = list[Result](), list[str]()
        for place, order in enumerate(all_orders):

            def on_step(done: int, steps: int, place: int = place) -> None:
                if stop.is_set():
                    raise Stopped
                progress((place + done / steps) / len(all_orders), desc=f"step {done} of {steps}")

            progress(place / len(all_orders), desc=f"preparing {order.offer.name}")
            try:
                results.append(self.studio.run(order, mark, on_step))
            except UsageError as error:
                failures.append(_told(error))
            except Stopped:
                failures.append("cancelled")
                break
        if not results:
            raise _message("; ".join(dict.fromkeys(failures)))
        for failure in dict.fromkeys(failures):
            gr.Warning(failure)
        return results

    def one(self, order: Order, mark: bool, progress: Any, request: gr.Request) -> str:
        """The file of a single result."""
        return str(self.results([order], mark, progress, _session(request))[0].path)

    def try_on(
        self,
        model: str,
        person: str | None,
        garment: str | None,
        mask: str | None,
        mask_type: str,
        densepose: str | None,
        garment_caption: str,
        steps: str | None,
        guidance_scale: str | None,
        seed: float | None,
        settings: str,
        paste_back: bool,
        mark: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # how Gradio hands it in
    ) -> str:
        """Puts a garment on a person. White of the mask is repainted; without one an annotator draws it."""
        files = {"person": person, "garment": garment, "mask": mask, "densepose": densepose}
        words = {"mask_type": mask_type, "caption": garment_caption, "paste_back": paste_back}
        order = _order(self.offer(model), files, words, steps, guidance_scale, seed, settings)
        return self.one(order, mark, progress, request)

    def place(
        self,
        model: str,
        scene: str | None,
        reference: str | None,
        reference_mask: str | None,
        mask: str | None,
        box: str,
        steps: str | None,
        guidance_scale: str | None,
        seed: float | None,
        settings: str,
        mark: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> str:
        """Puts an object into a scene, at a box X0,Y0,X1,Y1 in pixels, or at the white of a mask."""
        files = {"person": scene, "garment": reference, "garment_mask": reference_mask, "mask": mask}
        order = _order(self.offer(model), files, {"box": box}, steps, guidance_scale, seed, settings)
        return self.one(order, mark, progress, request)

    def garment_to_person(
        self,
        model: str,
        garment: str | None,
        garment_mask: str | None,
        prompt: str,
        steps: str | None,
        guidance_scale: str | None,
        seed: float | None,
        settings: str,
        mark: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> str:
        """Shows a garment on a person whom the prompt tells."""
        files = {"garment": garment, "garment_mask": garment_mask}
        order = _order(self.offer(model), files, {"prompt": prompt}, steps, guidance_scale, seed, settings)
        return self.one(order, mark, progress, request)

    def compare(
        self,
        model: str,
        person: str | None,
        garment: str | None,
        editor: dict[str, Any] | None,
        mask_type: str,
        garment_mask: str | None,
        densepose: str | None,
        box: str,
        shape: str,
        prompt: str,
        caption: str,
        steps: str | None,
        guidance: str | None,
        seed: float | None,
        settings: str,
        paste_back: bool,
        mark: bool,
        others: list[str],
        guidances: str | None,
        seeds: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[list[tuple[str, str]], list[str], str]:
        """What the page's own button does: one result, or several side by side."""
        files = {"person": person, "garment": garment, "garment_mask": garment_mask, "densepose": densepose}
        files["mask"] = self._painted(editor, person, _session(request))
        words = {"mask_type": mask_type, "box": box, "shape": shape, "prompt": prompt, "caption": caption}
        order = _order(self.offer(model), files, words | {"paste_back": paste_back}, steps, guidance, seed, settings)
        try:
            wanted = orders.varied(order, tuple(map(self.offer, others or ())), guidances or "", seeds or "")
        except UsageError as error:
            raise _message(_told(error)) from None
        results = self.results(wanted, mark, progress, _session(request))
        told = "\n\n".join(dict.fromkeys(_plain(result.told) for result in results if result.told))
        return [(str(one.path), one.caption) for one in results], [str(one.path) for one in results], told

    def cancel(self, request: gr.Request) -> str:
        """Ends the run of this session after its next step."""
        stop = self.stops.get(_session(request))
        if stop is not None:
            stop.set()
        return "cancelling after this step" if stop else "nothing is running"

    def models(self) -> dict[str, str]:
        """What may be chosen as a model, and what each is."""
        return {offer.key: offer.label for offer in self.offers}

    def draw_mask(self, model: str, person: str | None, mask_type: str) -> str:
        """A mask as the annotators draw it: white is what the system repaints."""
        reads = self.offer(model).config.reads("tryon")
        try:
            if not person:
                raise UsageError("no person: put in a photo first")
            drawing = photo_masks.of(reads, self.annotator_weights, self.device, "painting it")
            drawing.check()
            known = photo_masks.regions(reads.mask_recipe)
            if mask_type not in known:
                raise UsageError(f"mask type {mask_type!r}; allowed are {', '.join(known)}")
            mask = drawing.draw(photos.read(person, "person"), (mask_type,)).masks[mask_type]
        except UsageError as error:
            raise _message(_told(error)) from None
        return str(self._file("masks", "drawn", codecs.encode_mask(mask)))

    def canvas(self, person: str | None, mask: str | None = None) -> dict[str, Any] | None:
        """What the editor shows of a photo: itself on the square of its canvas, with a mask over it."""
        if not person:
            return None
        try:
            photo = photos.read(person, "photo")
            layers = [] if not mask else [_layer(codecs.decode_mask(Path(mask).read_bytes()), photo.shape)]
        except (UsageError, codecs.CodecError) as error:
            raise _message(_told(error)) from None
        return {"background": _on_canvas(photo, photo.shape, 128), "layers": layers, "composite": None}

    def drawn_canvas(self, model: str, person: str | None, mask_type: str) -> dict[str, Any] | None:
        """The editor with a drawn mask over the photo."""
        return self.canvas(person, self.draw_mask(model, person, mask_type))

    def person_of(self, record_id: str | None) -> tuple[str | None, str | None, dict[str, Any] | None]:
        """Photo, DensePose and editor of a record."""
        files = self._of_record(record_id, shard_pictures.PERSON)
        return files["person"], files["densepose"], self.canvas(files["person"], files["mask"])

    def garment_of(self, record_id: str | None) -> tuple[str | None, str | None]:
        """A record's garment and its mask."""
        files = self._of_record(record_id, shard_pictures.GARMENT)
        return files["garment"], files["garment_mask"]

    def _of_record(self, record_id: str | None, slots: Mapping[str, tuple[str, ...]]) -> dict[str, str | None]:
        if self.shards is None or not record_id:
            return dict.fromkeys(slots)
        try:
            files = self.shards.write(record_id, slots, self.studio.folder / "records")
        except UsageError as error:
            raise _message(_told(error)) from None
        return {slot: file or None for slot, file in files.items()}

    def _painted(self, editor: dict[str, Any] | None, person: str | None, session: str) -> str:
        """The file of what is painted in the editor; "" where nothing is."""
        layers = [layer for layer in (editor or {}).get("layers") or () if layer is not None and layer.ndim == 3]
        if not layers or not person:
            return ""
        try:
            x, y, width, height = _place(photos.read(person, "photo").shape)
        except UsageError as error:
            raise _message(_told(error)) from None
        painted = np.maximum.reduce([layer[y : y + height, x : x + width, -1] for layer in layers]) > 0
        if not painted.any():
            return ""
        mask = np.where(painted, np.uint8(255), np.uint8(0))
        return str(self._file("masks", re.sub(r"\W", "", session) or "page", codecs.encode_mask(mask)))

    def _file(self, folder: str, stem: str, data: bytes) -> Path:
        path = self.studio.folder / folder / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


def _order(
    offer: Offer,
    files: dict[str, str | None],
    words: dict[str, Any],
    steps: str | None,
    guidance: str | None,
    seed: float | None,
    settings: str,
) -> Order:
    """Raises a message for numbers that are none; an empty field stands for the system's own."""
    try:
        whole = int(steps) if steps and steps.strip() else None
        scale = float(guidance) if guidance and guidance.strip() else None
    except ValueError:
        raise _message(f"steps {steps!r}, guidance {guidance!r}; allowed are numbers, or nothing") from None
    pictures: dict[str, Any] = {name: path or "" for name, path in files.items()}
    words = {name: value or "" if value is None else value for name, value in words.items()}
    return Order(offer, **pictures, **words, steps=whole, guidance=scale, seed=int(seed or 0), settings=settings or "")


def _session(request: gr.Request) -> str:
    return str(getattr(request, "session_hash", "") or "")


def _message(text: str) -> gr.Error:
    """What Gradio shows to the person, and tells no log of."""
    return gr.Error(text, print_exception=False, title="Nothing came out")


def _told(error: Exception) -> str:
    return _plain(one_line(error))


def _plain(text: str) -> str:
    """A line of `sample` for the page: the page's ways on, and of files only their names."""
    for flag, words in _ON_THE_PAGE.items():
        text = text.replace(flag, words)
    return re.sub(r"(?:/[^/\s:;,]+)+/([^/\s:;,]+)", r"\1", text)


def _place(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x, y, width and height of a photo [h w …] in the middle of the canvas."""
    scale = CANVAS / max(shape[:2])
    height, width = (max(1, round(side * scale)) for side in shape[:2])
    return (CANVAS - width) // 2, (CANVAS - height) // 2, width, height


def _on_canvas(picture: np.ndarray, shape: tuple[int, ...], around: int) -> np.ndarray:
    """A picture, at the place of a photo [h w …]; Gradio's editor lays layers of any other size elsewhere."""
    x, y, width, height = _place(shape)
    method = Image.Resampling.NEAREST if picture.ndim == 2 else Image.Resampling.LANCZOS
    canvas = np.full((CANVAS, CANVAS, *picture.shape[2:]), around, np.uint8)
    canvas[y : y + height, x : x + width] = np.asarray(Image.fromarray(picture).resize((width, height), method))
    return canvas


def _layer(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Paint uint8 [CANVAS CANVAS 4] where a mask of a photo is set."""
    layer = np.zeros((CANVAS, CANVAS, 4), np.uint8)
    layer[_on_canvas(mask, shape, 0) > 0] = (255, 0, 255, 255)
    return layer
