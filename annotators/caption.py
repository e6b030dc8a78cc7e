"""Captions of person and garment by image-to-text models: BLIP (arXiv:2201.12086), BLIP-2 (2301.12597), chat models.

Any model that transformers loads with AutoModelForImageTextToText serves. One whose processor has a chat template is
asked a question; every other one goes on from a prompt, as BLIP does, and the prompt is taken off again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from annotators.common.batching import Staged
from annotators.networks import transformers_models
from schemas import fields
from schemas.cli.options import option, runtime

READS = ("person_image",)
MAY_READ = ("garment_image",)
FIELDS = (
    fields.text("caption"),
    fields.text("garment_caption"),
    fields.table("captions", text=pa.string(), model=pa.string()),
)

PERSON_QUESTION = "Describe in one short sentence what this person wears."
GARMENT_QUESTION = "Name this garment in one short phrase: sleeve length, neckline, type, colour, pattern."
LONGEST_CAPTION = 70  # CLIP tokens; Stable Diffusion's text encoders read 75
LONGEST_REPEAT = 6  # words
_PROBES = ((40, 30), (30, 50))  # pictures that show whether a processor's words depend on them


@dataclass(frozen=True)
class Config:
    """Raises ValueError for no model, one named twice, and counts below 1."""

    model_id: str = option(
        "Salesforce/blip-image-captioning-base",
        "hub ids or folders, separated by commas: each adds to captions, the first makes caption and garment_caption",
    )
    person_prompt: str = option("", "words that the caption of a person goes on from (not chat models)")
    garment_prompt: str = option("a photography of a", "words that the caption of a garment goes on from")
    person_question: str = option(PERSON_QUESTION, "what chat models are asked about a person")
    garment_question: str = option(GARMENT_QUESTION, "what chat models are asked about a garment")
    max_new_tokens: int = option(40, "longest caption, in the model's own tokens")
    num_beams: int = option(3, "beams of the search; 1 is greedy")
    device: str = runtime("cpu", "cpu, cuda, cuda:N or mps")
    dtype: str = runtime("auto", "auto (float32, on CUDA half precision), float32, float16 or bfloat16")
    batch_size: int = runtime(16, "images at once")
    weights_dir: str = runtime("", "folder that holds the models")

    def __post_init__(self) -> None:
        models = self.models()
        if not all(models) or len(set(models)) < len(models):
            raise ValueError(f"model_id {self.model_id!r}; allowed are different models, separated by commas")
        for name in ("max_new_tokens", "num_beams", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}; allowed is 1 or more")

    def models(self) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.model_id.split(","))

    def weights(self) -> tuple[str, ...]:
        return self.models()

    def build(self) -> "Captioner":
        return Captioner(self)


@dataclass(frozen=True)
class Prepared:
    """Of some records: for every model the people, for the first one the garments, and whose these are."""

    people: list[Any]
    garments: Any
    places: list[int]
    count: int


class Captioner(Staged[Prepared, tuple[list[str], str]]):
    """{"caption": str, "garment_caption": str, "captions": [{"text", "model"}]} per record; decoding is greedy or by
    beams, never sampled.

    Images are uint8 [h w 3] RGB of any sizes. A text is null where there is no garment image, or a model found no
    words. Raises weights.MissingWeights, and ValueError for a device or a model that can't be used.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.models = [ImageToText(name, config) for name in config.models()]

    @property
    def accelerated(self) -> bool:
        return self.models[0].accelerated

    def prepare(self, records: Sequence[dict[str, Any]]) -> Prepared:
        people = [record["person_image"] for record in records]
        places = [place for place, record in enumerate(records) if record.get("garment_image") is not None]
        garments = [records[place]["garment_image"] for place in places]
        own, shared = self.config, Pictures(people)
        return Prepared(
            [model.prepare(shared, own.person_prompt, own.person_question) for model in self.models],
            self.models[0].prepare(Pictures(garments), own.garment_prompt, own.garment_question),
            places,
            len(records),
        )

    def compute(self, prepared: Prepared) -> list[tuple[list[str], str]]:
        """The models' texts about every person, and the first one's about the garment."""
        people = [model.compute(one) for model, one in zip(self.models, prepared.people, strict=True)]
        garments = dict(zip(prepared.places, self.models[0].compute(prepared.garments), strict=True))
        return [([texts[place] for texts in people], garments.get(place, "")) for place in range(prepared.count)]

    def finish(self, record: dict[str, Any], computed: tuple[list[str], str]) -> dict[str, Any]:
        own, (people, garment) = self.config, computed
        captions = [
            {"text": text, "model": model.name}
            for model, words in zip(self.models, people, strict=True)
            if (text := model.tidied(words, own.person_prompt))
        ]
        return {
            "caption": captions[0]["text"] if captions else None,
            "garment_caption": self.models[0].tidied(garment, own.garment_prompt) or None,
            "captions": captions,
        }


class Pictures:
    """Photos uint8 [h w 3] RGB, and the same as Pillow's pictures for processors that want them, converted once."""

    def __init__(self, photos: Sequence[np.ndarray]) -> None:
        self.photos = photos

    @cached_property
    def converted(self) -> list[Image.Image]:
        return [Image.fromarray(photo) for photo in self.photos]


class ImageToText:
    """One model: pictures in, texts out; `tidied` makes captions of these."""

    def __init__(self, model_id: str, config: Config) -> None:
        from annotators.networks import devices, photo_steps

        self.name = Path(model_id).name if Path(model_id).is_absolute() else model_id  # no machine's paths in the data
        self.loaded = transformers_models.load(
            model_id,
            "AutoModelForImageTextToText",
            weights_dir=config.weights_dir,
            device=config.device,
            dtype=config.dtype,
        )
        self.decoding = {"do_sample": False, "num_beams": config.num_beams, "max_new_tokens": config.max_new_tokens}
        self.is_chat = bool(getattr(self.loaded.processor, "chat_template", None))
        self.accelerated = devices.accelerated(self.loaded.device)
        self.steps = photo_steps.of_processor(self.loaded.processor.image_processor, self.accelerated)
        self._words: dict[str, dict[str, Any] | None] = {}
        self._prepare_tokenizer()
        self._drop_sampling()

    def prepare(self, pictures: Pictures, prompt: str, question: str) -> Mapping[str, Any] | None:
        """A processor's tensors, or {"sent": photos on their way, …}; None without pictures."""
        from annotators.networks import photo_steps

        if not pictures.photos:
            return None
        if self.is_chat:
            return self._question(pictures.converted, question)
        words = self._prompt_words(prompt)
        if words is None:
            return self._prompt(pictures.converted, prompt)
        rows = {name: row.repeat(len(pictures.photos), 1) for name, row in words.items()}
        return {"sent": photo_steps.pack(self.steps, pictures.photos, self.loaded.device)} | rows

    def compute(self, prepared: Mapping[str, Any] | None) -> list[str]:
        """A text per picture, "" where the model found no words."""
        from annotators.networks import photo_steps

        if prepared is None:
            return []
        encoded = dict(prepared)
        with self.loaded.inference():
            if "sent" in encoded:
                sent = encoded.pop("sent")
                encoded = {"pixel_values": photo_steps.unpack(self.steps, sent, self.loaded.device)} | encoded
            inputs = self.loaded.inputs(encoded)
            asked = inputs["input_ids"].clone() if "input_ids" in inputs else None  # BLIP writes into its input
            sequences = self.loaded.model.generate(**inputs, **self.decoding)
        texts: list[str] = self.loaded.processor.batch_decode(
            without_prompt(sequences, asked), skip_special_tokens=True
        )
        return texts

    def tidied(self, text: str, prompt: str) -> str:
        return tidy(text, "" if self.is_chat else prompt)

    def _prompt_words(self, prompt: str) -> dict[str, Any] | None:
        """The prompt's tensors [1 n] beside the pixels; None where a processor makes them of the pictures, or has
        steps of its own for these.
        """
        if prompt not in self._words:
            self._words[prompt] = self._words_alone(prompt)
        return self._words[prompt]

    def _words_alone(self, prompt: str) -> dict[str, Any] | None:
        from annotators.networks import photo_steps

        if isinstance(self.steps, photo_steps.Whole):
            return None
        encoded = [dict(self._prompt([np.zeros((*size, 3), np.uint8)], prompt)) for size in _PROBES]
        words = [{name: value for name, value in one.items() if name != "pixel_values"} for one in encoded]
        if any(set(one) - {"input_ids", "attention_mask"} for one in words):
            return None
        same = all(words[0][name].equal(words[1][name]) for name in words[0])
        return words[0] if same else None

    def _prompt(self, pictures: Sequence[Image.Image | np.ndarray], prompt: str) -> Any:
        """The same words for every picture, so that a plain model's batch needs no padding."""
        words = {"text": [prompt] * len(pictures)} if prompt else {}
        return self.loaded.processor(images=list(pictures), return_tensors="pt", **words)

    def _question(self, pictures: Sequence[Image.Image], question: str) -> Any:
        conversations = [
            [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": question}]}]
            for picture in pictures
        ]
        return self.loaded.processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    def _prepare_tokenizer(self) -> None:
        """Padding on the left, where a decoder doesn't take it for the end of the prompt."""
        tokenizer = self.loaded.processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

    def _drop_sampling(self) -> None:
        """Chat models ship settings for sampling, which decoding without it would warn about on every call."""
        settings = getattr(self.loaded.model, "generation_config", None)
        for name in ("temperature", "top_p", "top_k"):
            if settings is not None:
                setattr(settings, name, None)


def without_prompt(sequences: Any, asked: Any | None) -> Any:
    """Token ids [b n] without the ids [b m] that were asked, where the model gives them back in front."""
    if asked is None or sequences.shape[1] < asked.shape[1]:
        return sequences
    width = asked.shape[1]
    return sequences[:, width:] if bool((sequences[:, :width] == asked).all()) else sequences


def tidy(text: str, prompt: str = "") -> str:
    """One line without the prompt in front, without stuttering, of at most 70 CLIP tokens or so."""
    return cut(collapse_repeats(strip_prompt(" ".join(text.split()), prompt)))


def strip_prompt(text: str, prompt: str) -> str:
    """Without `prompt` in front, whatever its case and spacing: tokenizers change both."""
    pieces = re.findall(r"\w+|[^\w\s]", prompt)
    if not pieces:
        return text
    prompt_match = re.match(r"\s*" + r"\s*".join(map(re.escape, pieces)) + r"(?!\w)\s*", text, re.IGNORECASE)
    return text[prompt_match.end() :] if prompt_match else text


def collapse_repeats(text: str) -> str:
    """Words, and phrases of up to six words, that come several times in a row, once: "a a a shirt" is "a shirt"."""
    words = text.split()
    while (shorter := _collapse_once(words)) != words:
        words = shorter
    return " ".join(words)


def _collapse_once(words: list[str]) -> list[str]:
    for length in range(1, LONGEST_REPEAT + 1):
        kept: list[str] = []
        for word in words:
            kept.append(word)
            if len(kept) >= 2 * length and _same(kept[-length:], kept[-2 * length : -length]):
                del kept[-2 * length : -length]  # the later copy carries the punctuation that follows
        words = kept
    return words


def _same(a: list[str], b: list[str]) -> bool:
    def plain(words: list[str]) -> list[str]:
        return [word.casefold().strip(".,;:!?") or word for word in words]

    return plain(a) == plain(b)


def cut(text: str, limit: int = LONGEST_CAPTION) -> str:
    """The first words of `text`, of at most `limit` CLIP tokens by `clip_tokens`."""
    words, total = text.split(), 0
    for place, word in enumerate(words):
        total += clip_tokens(word)
        if total > limit:
            return " ".join(words[:place]).rstrip(" ,;:-")
    return " ".join(words)


def clip_tokens(text: str) -> int:
    """About how many tokens CLIP's tokenizer makes of `text`, without start and end.

    Counted by its splitting rule (letters, single digits, runs of signs), with a further token per eight letters of
    a word. Not by the tokenizer itself, even where it is there: captions must not depend on what else a machine has.
    """
    letters = re.findall(r"[^\W\d_]+", text)
    others = re.findall(r"\d|(?:[^\w\s]|_)+", text)
    return sum(1 + (len(word) - 1) // 8 for word in letters) + len(others)
