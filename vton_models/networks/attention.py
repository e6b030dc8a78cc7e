"""Attention processors: skip, remember, recall, hybrid. They change stock U-Nets by `set_attn_processor`; no forks.

A garment network remembers the tokens [b n c] that enter its self-attentions; the denoiser recalls them as further
keys and values: its queries see [own tokens, garment tokens]. In hybrid attention it sees them beside its own, through
keys and values that are trained. The two share a dict, transformer block → tokens, that the caller owns: `clear()` it
before each pass of the garment network, and put the batch's branches together in it.
"""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Store = MutableMapping[str, Tensor]  # transformer block, as "mid_block.attentions.0.transformer_blocks.0" → [b n c]


SCALE = "scale"  # in a store beside the blocks: λ of each item [b], where it isn't 1


class Skip:
    """Attention that gives back its input: what `norm2` left, which the block still adds (CatVTON).

    The block's `h + norm2(h)` stays as in CatVTON; removing the module instead would drop it.
    """

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        return hidden_states


class Remember:
    """Stock self-attention that keeps what enters it, the output of `norm1` (IDM-VTON, Magic Clothing, IMAGDressing).

    The first pass since the store was cleared counts: gradient checkpointing runs a block again in the backward pass.
    """

    def __init__(self, store: Store, block: str) -> None:
        self.store, self.block = store, block

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        self.store.setdefault(self.block, hidden_states)
        return attend(attn, hidden_states, hidden_states)


class Recall:
    """Self-attention over [own tokens, remembered tokens]; stock where the store has none for the block.

    `norm` is applied to remembered tokens (OOTDiffusion: the reader's own `norm1`). Queries come from own tokens only,
    which equals, at half the cost, attention over the joined sequence with the second half thrown away.
    """

    def __init__(self, store: Store, block: str, norm: nn.Module | None = None) -> None:
        self.store, self.block, self.norm = store, block, norm

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        remembered = self.store.get(self.block)
        if remembered is None:
            return attend(attn, hidden_states, hidden_states)
        remembered = remembered.to(hidden_states.dtype)
        if self.norm is not None:
            remembered = self.norm(remembered)
        return attend(attn, hidden_states, torch.cat([hidden_states, remembered], dim=1))


class KeyValue(nn.Module):
    """W'_k and W'_v of one self-attention, without bias."""

    to_k: nn.Linear
    to_v: nn.Linear

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_k, self.to_v = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of [b m c]."""
        tokens = tokens.to(self.to_k.weight.dtype)
        return self.to_k(tokens), self.to_v(tokens)


class KeyValues(nn.ModuleList):
    """A network of its own: keys and values of remembered tokens for every self-attention, in the order of `blocks`.

    IMAGDressing trains it, and Magic Clothing's `stable_ckpt`. `stable_diffusion.self_attention_widths` gives the
    widths for a U-Net's arguments.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(map(KeyValue, widths))

    def pairs(self) -> list[KeyValue]:
        """One per self-attention."""
        return [pair for pair in self if isinstance(pair, KeyValue)]

    @torch.no_grad()
    def begin_as(self, unet: Any) -> None:
        """Every W' becomes the W of the U-Net's own self-attention, where training starts."""
        for block, own in zip(blocks(unet), self.pairs(), strict=True):
            attn = unet.get_submodule(f"{block}.attn1")
            own.to_k.weight.copy_(attn.to_k.weight)
            own.to_v.weight.copy_(attn.to_v.weight)

    def numbered(self, ending: str) -> dict[str, Tensor]:
        """The weights by published keys, as "0.to_k_ref.weight", which count a U-Net's attentions of both kinds."""
        return {
            f"{2 * place}.{side}_{ending}.weight": own.get_parameter(f"{side}.weight")
            for place, own in enumerate(self.pairs())
            for side in ("to_k", "to_v")
        }


class Hybrid:
    """Self-attention and, beside it, attention to remembered tokens (IMAGDressing, arXiv:2407.12705).

    W_o(softmax(QKᵀ/√d)V + λ softmax(QK'ᵀ/√d)V'): only K' and V' aren't the layer's own. Where λ is 0, or the store has
    none for the block, it is stock to the bit.
    """

    def __init__(self, store: Store, block: str, key_value: KeyValue) -> None:
        self.store, self.block, self.key_value = store, block, key_value

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        mixed = mix(query, key, value, attn.heads)
        remembered = self.store.get(self.block)
        if remembered is not None:
            key, value = (x.to(query.dtype) for x in self.key_value(remembered))
            further = mix(query, key, value, attn.heads)
            scale = self.store.get(SCALE)
            mixed = mixed + (further if scale is None else scale.to(further).view(-1, 1, 1) * further)
        return attn.to_out[1](attn.to_out[0](mixed))


def attend(attn: Any, hidden_states: Tensor, context: Tensor) -> Tensor:
    """A diffusers `Attention`: queries of [b n c], keys and values of `context` [b m c'] → [b n c]."""
    query, key, value = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
    return attn.to_out[1](attn.to_out[0](mix(query, key, value, attn.heads)))


def mix(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """softmax(QKᵀ/√d)V by heads: [b n c], [b m c], [b m c] → [b n c], not yet projected."""
    query, key, value = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def blocks(unet: Any) -> list[str]:
    """Names of the transformer blocks in the order down, up, mid, in which published files number them."""
    names = [name.removesuffix(".attn1") for name, _ in unet.named_modules() if name.endswith(".attn1")]
    return sorted(names, key=lambda name: ("down", "up", "mid").index(name.split("_")[0]))  # stable within each


def behind_features(unet: Any, before_norm: bool = False) -> list[str]:
    """Names of the parameters that no remembered tokens depend on: what runs after the last of them was taken.

    Only those of the blocks' own `norm1` depend on whether tokens are taken before or after it.
    """
    last = [name for name in blocks(unet) if not name.startswith("mid")][-1]
    transformer = last.partition(".transformer_blocks.")[0]
    behind = ("conv_norm_out.", "conv_out.", f"{transformer}.proj_out.", f"{last}.")
    names = [name for name, _ in unet.named_parameters() if name.startswith(behind)]
    return names if before_norm else [name for name in names if not name.startswith(f"{last}.norm1.")]


def set_processors(unet: Any, attention: str, make: Callable[[str], Any]) -> None:
    """Gives every `attention` ("attn1" or "attn2") the processor that `make` returns for its block's name."""
    chosen = {
        name: make(name.removesuffix(f".{attention}.processor")) if name.endswith(f".{attention}.processor") else old
        for name, old in unet.attn_processors.items()
    }
    unet.set_attn_processor(chosen)


def skip_cross_attention(unet: Any) -> None:
    """The U-Net then runs with `encoder_hidden_states=None`; the weights of attn2 stay but are inert."""
    set_processors(unet, "attn2", lambda block: Skip())


def remember(unet: Any, store: Store) -> None:
    """Every self-attention keeps its input tokens, after `norm1`."""
    set_processors(unet, "attn1", lambda block: Remember(store, block))


def remember_before_norm(unet: Any, store: Store) -> list[Any]:
    """Every block keeps its input tokens, before `norm1` (OOTDiffusion); returns the hooks' handles."""

    def keep(block: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            store.setdefault(block, inputs[0])

        return hook

    return [unet.get_submodule(f"{block}.norm1").register_forward_pre_hook(keep(block)) for block in blocks(unet)]


def recall(unet: Any, store: Store, own_norm: bool = False) -> None:
    """Every self-attention reads the store; with `own_norm` it normalises what it finds by its block's `norm1`."""

    def make(block: str) -> Recall:
        return Recall(store, block, unet.get_submodule(f"{block}.norm1") if own_norm else None)

    set_processors(unet, "attn1", make)


def recall_beside(unet: Any, store: Store, key_values: KeyValues) -> None:
    """Every self-attention reads the store through its own pair of `key_values`: hybrid attention."""
    pairs = dict(zip(blocks(unet), key_values.pairs(), strict=True))
    set_processors(unet, "attn1", lambda block: Hybrid(store, block, pairs[block]))
