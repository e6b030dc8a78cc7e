"""Captions to token ids and CLIP states."""

import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.cli.flags import UsageError, one_line
from schemas.folders import atomic
from vton_models.networks import weights
from vton_models.system import Tokenizer

WORDS = "words.json"
_ONE_AT_A_TIME = threading.Lock()  # a fast tokenizer changes its own truncation and padding while it is called


@dataclass(frozen=True)
class WordTokenizer:
    """Stands in for CLIP's tokenizer beside random weights: a word's id is its CRC-32 within the vocabulary."""

    vocabulary: int
    length: int

    def __call__(self, text: str) -> list[int]:
        """`length` ids: start, words, end, and the end again as padding; the two highest ids are start and end."""
        start, end = self.vocabulary - 2, self.vocabulary - 1
        words = [zlib.crc32(word.encode()) % start for word in text.lower().split()]
        return [start, *words[: self.length - 2], *[end] * max(1, self.length - 1 - len(words))]

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / WORDS, asdict(self), sort_keys=False)


@dataclass(frozen=True)
class ClipTokenizer:
    """CLIP's own, cut and padded to `length` ids."""

    tokenizer: Any
    length: int

    def __call__(self, text: str) -> list[int]:
        with _ONE_AT_A_TIME:
            return self.tokenizer(text, padding="max_length", max_length=self.length, truncation=True).input_ids

    def save_pretrained(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)


OwnTokenizer = WordTokenizer | ClipTokenizer  # that of one text encoder


@dataclass(frozen=True)
class Tokenizers:
    """Those of several text encoders that read the same text: the ids of each, one after another."""

    each: tuple[Tokenizer, ...]

    def __call__(self, text: str) -> list[int]:
        return [number for tokenizer in self.each for number in tokenizer(text)]


def together(tokenizers: Iterable[Tokenizer]) -> Tokenizer | None:
    """One for all of them; None where there are none."""
    each = tuple(tokenizers)
    return Tokenizers(each) if len(each) > 1 else next(iter(each), None)


def load_tokenizer(folder: Path, length: int) -> OwnTokenizer:
    """From a base's `tokenizer` folder, CLIP's or a stand-in's; raises UsageError when it isn't one."""
    from transformers import CLIPTokenizer

    if (folder / WORDS).is_file():
        return WordTokenizer(**weights.read_json(folder / WORDS))
    try:
        return ClipTokenizer(CLIPTokenizer.from_pretrained(str(folder), local_files_only=True), length)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder}: can't be loaded as a CLIP tokenizer: {one_line(error)}") from error


def random_tokenizer(arguments: Mapping[str, Any]) -> OwnTokenizer:
    """The stand-in beside a random text encoder of these arguments."""
    return WordTokenizer(arguments["vocab_size"], arguments["max_position_embeddings"])


def cut(tokenizer: Tokenizer, text: str, length: int) -> list[int]:
    """The ids of a text as if the encoder took no more than `length`: the last of them is the end's."""
    ids = tokenizer(text)
    return [*ids[: length - 1], ids[-1]]


@torch.no_grad()
def encode(text_encoder: Any, input_ids: Tensor) -> Tensor:
    """int64 [b n] → float32 states [b n c] after the last normalisation; stored states are taken as they are."""
    if input_ids.is_floating_point():
        return input_ids.float()
    return text_encoder(input_ids=input_ids).last_hidden_state.float()


@torch.no_grad()
def encode_twice(text_encoders: Sequence[Any], input_ids: Tensor) -> tuple[Tensor, Tensor]:
    """SDXL's two encoders: states float32 [b n c + c'] before their last layers, and the second one's pooled [b c''].

    `input_ids` int64 [b 2n] are those of both, one after the other.
    """
    halves = input_ids.chunk(2, dim=1)
    outputs = [
        encoder(input_ids=ids, output_hidden_states=True) for encoder, ids in zip(text_encoders, halves, strict=True)
    ]
    states = torch.cat([output.hidden_states[-2].float() for output in outputs], dim=-1)
    return states, outputs[-1].text_embeds.float()
