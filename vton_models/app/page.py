"""The page: what stands on it, and its endpoints, which `gradio_client` reaches by name."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from vton_models.app import orders
from vton_models.app.handlers import CANVAS, Handlers
from vton_models.app.offers import Offer
from vton_models.sampling import photo_masks

TITLE = "Virtual try-on"
CSS = """
.gradio-container {max-width: 1400px !important}
.notes p {margin: 0.2em 0}
.heading h1 {margin: 0.2em 0}
.hint {padding: 0.6em 0.8em}
"""
_PAINT = "#ff00ff"
_RUNS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "runs"}  # one model, one run at a time
_PUBLIC: dict[str, Any] = {"api_visibility": "public"}
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def build(handlers: Handlers, notes: Sequence[str]) -> gr.Blocks:
    """The page with everything on it wired up; `notes` stand under its title."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown(f"# {TITLE}", elem_classes="heading")
        gr.Markdown("\n\n".join(notes), elem_classes="notes")
        parts = _Parts(handlers)
        parts.wire()
    return blocks


class _Parts:
    """The components by name, in the order in which they stand."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.first = handlers, handlers.offers[0]
        self.labels = [(label, key) for key, label in handlers.models().items()]
        self.model = gr.Dropdown(self.labels, value=self.first.key, label="System and weights", filterable=False)
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                self._pictures()
            with gr.Column(min_width=300):
                self._mask()
                self._words()
            with gr.Column(min_width=300):
                self._settings()
                self._results()
        self._hidden()

    def _pictures(self) -> None:
        if self.handlers.shards is not None:
            ids = self.handlers.shards.ids
            with gr.Accordion("Take from the shards", open=True):
                self.person_record = gr.Dropdown(ids, value=None, label="Person of record")
                self.garment_record = gr.Dropdown(ids, value=None, label="Garment of record")
        self.person = _picture("Person")
        self.garment = _picture("Garment")
        self.garment_mask = _picture("Mask of the garment, white (optional)")
        self.densepose = _picture("DensePose of the photo (optional)")

    def _mask(self) -> None:
        with gr.Group() as self.mask_group:
            self.hint = gr.Markdown(elem_classes="hint")
            self.editor = gr.ImageEditor(
                label="Mask",
                type="numpy",
                sources=(),
                transforms=(),
                layers=False,
                canvas_size=(CANVAS, CANVAS),
                brush=gr.Brush(colors=[_PAINT], default_color=_PAINT, color_mode="fixed", default_size=24),
                buttons=["fullscreen"],
                format="png",
                height=420,
                placeholder="A photo that is put in appears here.",
            )
            with gr.Row():
                self.mask_type = gr.Dropdown(
                    ["upper"], value="upper", label="Kind of mask", min_width=120, allow_custom_value=True
                )
                self.draw = gr.Button("Draw the mask", min_width=120)
        self.box = gr.Textbox(label="Box where the object goes", placeholder="x0,y0,x1,y1 in pixels of the scene")
        self.shape = gr.Radio(list(orders.SHAPES), value=orders.BOX, label="The object fills")

    def _words(self) -> None:
        self.prompt = gr.Textbox(label="Prompt: who is to be seen", placeholder="the system's own, if empty")
        self.caption = gr.Textbox(label="What the garment is (optional)", placeholder="Long Sleeve T-shirt")

    def _settings(self) -> None:
        with gr.Accordion("Settings", open=False):
            self.steps = gr.Textbox(label="Denoising steps (empty: the system's)")
            self.guidance = gr.Textbox(label="Guidance scale (empty: the system's)")
            self.seed = gr.Number(0, label="Seed", precision=0, minimum=0)
            self.further = gr.Textbox(label="Further settings", placeholder="name=value, name=value")
            self.paste_back = gr.Checkbox(False, label="Paste back into the photo at its own size")
        with gr.Accordion("Compare side by side", open=False):
            self.others = gr.Dropdown(self.labels, value=[], multiselect=True, label="Further systems")
            self.guidances = gr.Textbox(label="Further guidance scales", placeholder="1, 2.5, 5")
            self.seeds = gr.Textbox(label="Further seeds", placeholder="1, 2, 3")
        self.mark = gr.Checkbox(True, label="Mark results in the corner as AI-generated")
        with gr.Row():
            self.run = gr.Button("Run", variant="primary", min_width=120)
            self.cancel = gr.Button("Cancel", variant="stop", min_width=120)

    def _results(self) -> None:
        self.gallery = gr.Gallery(
            label="Results, generated by a model", columns=2, object_fit="contain", height=420, format="png",
            buttons=["download", "fullscreen"], interactive=False,
        )  # fmt: skip
        self.told = gr.Markdown("")
        self.files = gr.File(label="Download", file_count="multiple", interactive=False)

    def _hidden(self) -> None:
        """What only endpoints take and give; the page has its editor and its gallery."""
        with gr.Row(visible=False):
            self.mask_file = gr.Image(type="filepath", image_mode=None, label="mask")
            self.result = gr.File(label="result")
            self.status = gr.Textbox(label="status")
            self.models = gr.JSON(label="models")
            self.endpoint = gr.Button("endpoints")

    def wire(self) -> None:
        """Everything that happens, and every endpoint."""
        self._wire_page()
        self._wire_endpoints()

    def _wire_page(self) -> None:
        handlers = self.handlers
        self._show_fields()
        self.person.upload(handlers.canvas, self.person, self.editor, **_PRIVATE)
        self.person.clear(lambda: None, None, self.editor, **_PRIVATE)
        if handlers.shards is not None:
            person, garment = [self.person, self.densepose, self.editor], [self.garment, self.garment_mask]
            self.person_record.input(handlers.person_of, self.person_record, person, **_PRIVATE)
            self.garment_record.input(handlers.garment_of, self.garment_record, garment, **_PRIVATE)
        drawn = [self.model, self.person, self.mask_type]
        self.draw.click(handlers.drawn_canvas, drawn, self.editor, **_RUNS, **_PRIVATE)
        ordered = [self.model, self.person, self.garment, self.editor, self.mask_type, self.garment_mask]
        ordered += [self.densepose, self.box, self.shape, self.prompt, self.caption, self.steps, self.guidance]
        ordered += [self.seed, self.further, self.paste_back, self.mark, self.others, self.guidances, self.seeds]
        shown = [self.gallery, self.files, self.told]
        self.run.click(handlers.compare, ordered, shown, show_progress_on=self.gallery, **_RUNS, **_PRIVATE)
        self.cancel.click(handlers.cancel, None, self.told, queue=False, api_name="page_cancel", **_PRIVATE)

    def _show_fields(self) -> None:
        """Shows what the system reads, at the start and whenever another one is chosen."""
        fields = [self.person, self.garment, self.garment_mask, self.densepose, self.mask_group, self.mask_type]
        fields += [self.draw, self.box, self.shape, self.prompt, self.caption, self.paste_back, self.hint]

        def show(key: str) -> list[Any]:
            return list(visible(self.handlers.offer(key)))

        for component, update in zip(fields, visible(self.first), strict=True):
            for name, value in update.items():
                if name != "__type__":
                    setattr(component, name, value)
        self.model.change(show, self.model, fields, show_progress="hidden", **_PRIVATE)

    def _wire_endpoints(self) -> None:
        handlers, model, result = self.handlers, self.model, self.result
        settings = [self.steps, self.guidance, self.seed, self.further]
        on_a_person = [model, self.person, self.garment, self.mask_file, self.mask_type, self.densepose, self.caption]
        on_a_person += [*settings, self.paste_back, self.mark]
        into_a_scene = [model, self.person, self.garment, self.garment_mask, self.mask_file, self.box]
        alone = [model, self.garment, self.garment_mask, self.prompt]
        click = self.endpoint.click
        click(handlers.try_on, on_a_person, result, api_name="try_on", **_RUNS, **_PUBLIC)
        click(handlers.place, [*into_a_scene, *settings, self.mark], result, api_name="place", **_RUNS, **_PUBLIC)
        wished = [*alone, *settings, self.mark]
        click(handlers.garment_to_person, wished, result, api_name="garment_to_person", **_RUNS, **_PUBLIC)
        drawn = [model, self.person, self.mask_type]
        click(handlers.draw_mask, drawn, result, api_name="draw_mask", **_RUNS, **_PUBLIC)
        click(handlers.models, None, self.models, api_name="models", queue=False, **_PUBLIC)
        click(handlers.cancel, None, self.status, api_name="cancel", queue=False, **_PUBLIC)


def _picture(label: str) -> gr.Image:
    """A place for a picture, which stays the file that was put in."""
    return gr.Image(
        type="filepath", image_mode=None, label=label, sources=["upload", "clipboard"], height=260, buttons=[]
    )


def visible(offer: Offer) -> tuple[dict[str, Any], ...]:
    """What of the page a system reads, in the order of the fields."""
    placed, texts = offer.task == "placement", offer.task == "garment_to_person"
    reads = offer.config.reads("tryon")
    worn = not placed and not texts
    types = list(photo_masks.regions(reads.mask_recipe)) if worn and reads.mask_recipe else []
    hint = "Paint what is repainted. Nothing painted: annotators draw the mask of the chosen kind."
    if placed:
        hint = "Paint where the object goes, or type the corners of its box below."
    return (
        gr.update(visible=not texts, label="Scene" if placed else "Person"),
        gr.update(label="Object" if placed else "Garment"),
        gr.update(
            visible=placed or (texts and offer.reads("garment_mask")),
            label=f"Mask of the {'object' if placed else 'garment'}, white (optional)",
        ),
        gr.update(visible=worn and offer.reads("densepose_image")),
        gr.update(visible=not texts),
        gr.update(visible=bool(types), choices=[(kind, kind) for kind in types], value=types[0] if types else ""),
        gr.update(visible=bool(types)),
        gr.update(visible=placed),
        gr.update(visible=placed),
        gr.update(visible=texts),
        gr.update(visible=worn and "garment_caption" in reads.optional),
        gr.update(visible=worn),
        gr.update(value=hint),
    )
