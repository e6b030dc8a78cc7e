"""IP-Adapter-Plus (arXiv:2308.06721): an image's tokens as a second context of every cross-attention.

The adapter is a network of its own, whose parameters have the names of the published files. Its tokens travel behind
the text's in `encoder_hidden_states`; the processor of each cross-attention takes them off again.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from vton_models.networks import attention
from vton_models.networks.resampler import Resampler


class ImagePrompt:
    """Cross-attention to text, and the same queries' attention to image tokens through keys and values of their own.

    The last `count` tokens of the context are the image's. Both answers pass the layer's own output projection.
    """

    def __init__(self, count: int, pair: nn.ModuleDict) -> None:
        self.count, self.pair = count, pair  # its layers are looked up anew, as they may have got adapters

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        text, image = encoder_hidden_states[:, : -self.count], encoder_hidden_states[:, -self.count :]
        query = attn.to_q(hidden_states)
        mixed = attention.mix(query, attn.to_k(text), attn.to_v(text), attn.heads)
        mixed = mixed + attention.mix(query, self.pair["to_k_ip"](image), self.pair["to_v_ip"](image), attn.heads)
        return attn.to_out[1](attn.to_out[0](mixed))


class ImagePromptAdapter(nn.Module):
    """The Resampler, and keys and values for cross-attentions of these widths, in the order of `attention.blocks`.

    Published files number the attentions of both kinds, so that the cross-attentions are 1, 3, 5, …
    """

    def __init__(self, widths: Sequence[int], **resampler: int) -> None:
        super().__init__()
        self.config = {"widths": tuple(widths), **resampler}
        self.image_proj = Resampler(**resampler)
        context = resampler["output_dim"]
        pairs = ({name: nn.Linear(context, width, bias=False) for name in ("to_k_ip", "to_v_ip")} for width in widths)
        self.ip_adapter = nn.ModuleDict({str(number(place)): nn.ModuleDict(pair) for place, pair in enumerate(pairs)})

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [b n c] of an image encoder → the image prompt [b m c']."""
        prompt: Tensor = self.image_proj(tokens)
        return prompt

    def attach(self, unet: Any) -> None:
        """Every cross-attention of the U-Net reads the image prompt; other attentions keep their processors."""
        count = self.image_proj.latents.shape[1]
        pairs: dict[str, Any] = dict(zip(attention.blocks(unet), self.ip_adapter.values(), strict=True))
        attention.set_processors(unet, "attn2", lambda block: ImagePrompt(count, pairs[block]))

    def in_unet(self, blocks: Iterable[str]) -> dict[str, Tensor]:
        """The parameters by the names that they have in a U-Net's published file; blocks as `attention.blocks`."""
        named: dict[str, Tensor] = {f"encoder_hid_proj.{key}": one for key, one in self.image_proj.named_parameters()}
        for block, pair in zip(blocks, self.ip_adapter.values(), strict=True):
            named |= {f"{block}.attn2.processor.{key}": one for key, one in pair.named_parameters()}
        return named


def number(place: int) -> int:
    """Under which number published files have the cross-attention of the transformer block at this place."""
    return 2 * place + 1
