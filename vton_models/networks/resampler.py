"""IP-Adapter-Plus's Resampler (arXiv:2308.06721): image tokens in, a few learned queries' answers out.

Parameters have the names of the published `image_proj`, so its files load as they are.
"""

import torch
from torch import Tensor, nn

from vton_models.networks import attention


class PerceiverAttention(nn.Module):
    """Queries of latents [b q dim]; keys and values of image tokens [b n dim] followed by the latents themselves."""

    def __init__(self, dim: int, dim_head: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim_head * heads, bias=False)
        self.to_kv = nn.Linear(dim, 2 * dim_head * heads, bias=False)
        self.to_out = nn.Linear(dim_head * heads, dim, bias=False)

    def forward(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """[b q dim], not yet added to the latents."""
        latents = self.norm2(latents)
        key, value = self.to_kv(torch.cat([self.norm1(tokens), latents], dim=1)).chunk(2, dim=-1)
        return self.to_out(attention.mix(self.to_q(latents), key, value, self.heads))


class Resampler(nn.Module):
    """Tokens [b n embedding_dim] of an image encoder → [b num_queries output_dim]."""

    def __init__(
        self,
        dim: int = 1024,
        depth: int = 4,
        dim_head: int = 64,
        heads: int = 12,
        num_queries: int = 16,
        embedding_dim: int = 1280,
        output_dim: int = 768,
        ff_mult: int = 4,
    ) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, num_queries, dim) / dim**0.5)
        self.proj_in = nn.Linear(embedding_dim, dim)
        self.proj_out = nn.Linear(dim, output_dim)
        self.norm_out = nn.LayerNorm(output_dim)
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(dim, dim_head, heads), feed_forward(dim, ff_mult)]) for _ in range(depth)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens are taken in the dtype of the parameters."""
        tokens = self.proj_in(tokens.to(self.latents.dtype))
        latents = self.latents.expand(len(tokens), -1, -1)
        for layer in self.layers:
            attend, feed = layer.children()
            latents = attend(tokens, latents) + latents
            latents = feed(latents) + latents
        return self.norm_out(self.proj_out(latents))


def feed_forward(dim: int, mult: int) -> nn.Sequential:
    """Normalisation, exact GELU between two projections without bias."""
    inner = nn.Linear(dim, dim * mult, bias=False), nn.GELU(), nn.Linear(dim * mult, dim, bias=False)
    return nn.Sequential(nn.LayerNorm(dim), *inner)
