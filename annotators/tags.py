"""Garment tags in IDM-VTON's eleven fields, by zero-shot classification with CLIP (arXiv:2103.00020).

The words are those of `annotators.common.vocabulary`. Colours come from CLIP too, not from the pixels: a mean colour
mixes garment, print and shadow, and "Wine" or "Khaki" are words before they are coordinates. The sleeve length also
counts how much of the arms is bare, where somebody is seen wearing the very garment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from annotators.common import vocabulary
from annotators.functional import coverage
from annotators.networks import transformers_models
from schemas import fields
from schemas.cli.options import option, runtime

READS = ("garment_image",)
MAY_READ = ("parse", "keypoints", "paired")
HINTS = ("category",)
FIELDS = (fields.table("tags", name=pa.string(), value=pa.string()),)

# How much the word from the arms is believed, the rest being shared by the other words: CLIP outweighs it only when
# it is sure, as parsers do label tight sleeves as arms (VITON-HD 07445) and CLIP doesn't see the garment worn.
ARMS_TRUST = 0.75
TEXTS_AT_ONCE = 64


@dataclass(frozen=True)
class Config:
    """Raises ValueError for a threshold outside 0–1 and a batch below 1."""

    model_id: str = option("openai/clip-vit-large-patch14", "hub id or folder of a CLIP or SigLIP model")
    threshold: float = option(0.3, "least probability of a value within its field; below it the field is null")
    device: str = runtime("cpu", "cpu, cuda, cuda:N or mps")
    dtype: str = runtime("auto", "auto (float32, on CUDA half precision), float32, float16 or bfloat16")
    batch_size: int = runtime(16, "images at once")
    weights_dir: str = runtime("", "folder that holds the model")

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold {self.threshold}; allowed is 0 to 1")
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size}; allowed is 1 or more")

    def weights(self) -> tuple[str, ...]:
        return (self.model_id,)

    def build(self) -> "Tagger":
        return Tagger(self)


class Tagger:
    """Raises weights.MissingWeights, and ValueError for a device or a model that can't be used."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.encoder = Encoder(config)
        self.meanings = {field.name: self.encoder.meanings(field) for field in vocabulary.FIELDS}

    def __call__(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """{"tags": [{"name", "value"} × 11]} per record, in the order of the tag files; an uncertain value is None.

        `garment_image` is uint8 [h w 3] RGB of any size, in whole: it is padded to a square, since CLIP's own crop
        would take collar and hem away.
        """
        embedded = self.encoder.pictures([square(record["garment_image"]) for record in records])
        scores = {name: self.encoder.scores(embedded, meanings) for name, meanings in self.meanings.items()}
        return [
            {"tags": self._tags({name: rows[place] for name, rows in scores.items()}, record)}
            for place, record in enumerate(records)
        ]

    def _tags(self, scores: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> list[dict[str, str | None]]:
        words = {field.name: distribution(field, scores[field.name]) for field in vocabulary.FIELDS}
        words["item"], category = items_of_category(words["item"], vocabulary.known_category(record))
        bare = sleeve_seen(record)
        if bare is not None:
            words["sleeveLength"] = believe(words["sleeveLength"], bare, ARMS_TRUST)
        return [
            {"name": field.name, "value": self._choose(words[field.name]) if category in field.categories else None}
            for field in vocabulary.FIELDS
        ]

    def _choose(self, words: Mapping[str | None, float]) -> str | None:
        best = max(words, key=lambda word: words[word])  # of equals the first
        return best if words[best] >= self.config.threshold else None


class Encoder:
    """CLIP's two halves: unit vectors float32 [n d] of pictures and of phrases."""

    def __init__(self, config: Config) -> None:
        self.loaded = transformers_models.load(
            config.model_id, "AutoModel", weights_dir=config.weights_dir, device=config.device, dtype=config.dtype
        )
        for part in ("get_text_features", "get_image_features", "logit_scale"):
            if not hasattr(self.loaded.model, part):
                raise ValueError(f"{config.model_id} is a {type(self.loaded.model).__name__}; allowed are CLIP, SigLIP")
        self.scale = float(self.loaded.model.logit_scale.detach().exp())
        # SigLIP was trained on padded texts; for CLIP, which reads up to the end mark, padding changes nothing.
        self.padding = "max_length" if "siglip" in self.loaded.model.config.model_type else True

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        encoded = self.loaded.processor.image_processor(images=list(pictures), return_tensors="pt")
        return self._embed(self.loaded.model.get_image_features, encoded)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        tokenizer, model = self.loaded.processor.tokenizer, self.loaded.model
        embedded = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = list(texts[start : start + TEXTS_AT_ONCE])
            encoded = tokenizer(some, padding=self.padding, truncation=True, return_tensors="pt")
            embedded.append(self._embed(model.get_text_features, encoded))
        return np.concatenate(embedded)

    def meanings(self, field: vocabulary.Field) -> np.ndarray:
        """float32 [phrases d]: each phrase's mean over the field's prompts, as CLIP's authors average prompts."""
        phrases = [phrase for _, phrase in field.phrases()]
        embedded = self.texts([sentence for phrase in phrases for sentence in field.sentences(phrase)])
        return unit(embedded.reshape(len(phrases), len(field.prompts), -1).mean(axis=1))

    def scores(self, pictures: np.ndarray, meanings: np.ndarray) -> np.ndarray:
        """float32 [pictures phrases]: what the model would take the softmax of."""
        return self.scale * pictures @ meanings.T

    def _embed(self, features: Any, encoded: Mapping[str, Any]) -> np.ndarray:
        with self.loaded.inference():
            outputs = features(**self.loaded.inputs(encoded))
        vectors = getattr(outputs, "pooler_output", outputs)  # a bare tensor before transformers 5
        return unit(vectors.float().cpu().numpy())


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows [n d] divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def square(image: np.ndarray) -> Image.Image:
    """uint8 [h w 3] RGB in the middle of a square picture of its border's median colour."""
    height, width = image.shape[:2]
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    side = max(height, width)
    canvas = Image.new("RGB", (side, side), tuple(int(value) for value in np.median(border, axis=0)))
    canvas.paste(Image.fromarray(image), ((side - width) // 2, (side - height) // 2))
    return canvas


def distribution(field: vocabulary.Field, scores: np.ndarray) -> dict[str | None, float]:
    """Value → probability, from scores [phrases]: their softmax, phrases for one value taken together."""
    powers = np.exp((scores - scores.max()).astype(np.float64))
    words: dict[str | None, float] = {}
    for (value, _), share in zip(field.phrases(), powers / powers.sum(), strict=True):
        words[value] = words.get(value, 0.0) + float(share)
    return words


def items_of_category(
    words: Mapping[str | None, float], category: str | None
) -> tuple[dict[str | None, float], vocabulary.Category]:
    """The items of the record's category, their probabilities scaled to 1; without a category, of the likeliest item's.

    Raises ValueError for a category that isn't one of the three.
    """
    if category is None:
        likeliest = max(words, key=lambda word: words[word])
        return dict(words), vocabulary.category_of(str(likeliest))
    if category not in vocabulary.ITEMS_BY_CATEGORY:
        raise ValueError(f"category {category!r}; allowed are {', '.join(vocabulary.ITEMS_BY_CATEGORY)}")
    known = vocabulary.Category(category)
    return normalised({word: words[word] for word in vocabulary.ITEMS_BY_CATEGORY[known]}), known


def sleeve_seen(record: Mapping[str, Any]) -> str | None:
    """The sleeve length by the bare part of the arms, where the person is known to wear this very garment."""
    parse, keypoints = record.get("parse"), record.get("keypoints")
    if not record.get("paired") or parse is None or keypoints is None:
        return None
    return coverage.sleeve_length(coverage.arm_coverage(parse, keypoints))


def believe(words: Mapping[str | None, float], seen: str, trust: float) -> dict[str | None, float]:
    """Probabilities after another measurement said `seen`, which is right with probability `trust` (Bayes' rule)."""
    others = (1 - trust) / (len(words) - 1)
    return normalised({word: share * (trust if word == seen else others) for word, share in words.items()})


def normalised(words: Mapping[str | None, float]) -> dict[str | None, float]:
    """Divided by their sum; equal shares where all are 0."""
    total = sum(words.values())
    return {word: share / total if total else 1 / len(words) for word, share in words.items()}
