"""AnyDoor's published files: one state dict of all networks by the names of ali-vilab/AnyDoor, and the schedule.

The large file is PyTorch Lightning's, in float32 and with its optimizer; the pruned one has float16. Networks lie under
`model.diffusion_model.`, `control_model.`, `first_stage_model.`, `cond_stage_model.model.` and `.projector.`; thirteen
bare names are tables of the noise schedule, which is computed here.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.networks import ldm_keys, weights

if TYPE_CHECKING:
    from vton_models.anydoor.model import AnyDoor

FILE = "anydoor.ckpt"
ENDINGS = (".ckpt", ".pth", ".pt", ".bin", ".safetensors")
_PREFIXES = {
    "unet": "model.diffusion_model.",
    "controlnet": "control_model.",
    "vae": "first_stage_model.",
    "image_encoder": "cond_stage_model.model.",
    "projector": "cond_stage_model.projector.",
}
_CONVOLUTIONS = re.compile(r"first_stage_model\.(en|de)coder\.mid\.attn_1\.(q|k|v|proj_out)\.weight")
_DINOV2 = (  # transformers' names → facebookresearch/dinov2's
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.down_proj\.", ".mlp.w3."),
    (r"^layernorm\.", "norm."),
)
_JOINED = (  # parts of a published tensor, one below the other
    (".attn.qkv.", (".attention.q_proj.", ".attention.k_proj.", ".attention.v_proj.")),
    (".mlp.w12.", (".mlp.gate_proj.", ".mlp.up_proj.")),
)
_SCHEDULE = (
    *("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod"),
    *("log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod"),
    *("posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2"),
    "logvar",
)

Layout = dict[str, tuple[str, ...]]  # published key → our "NETWORK.NAME", several where they are joined there


def layout(networks: Mapping[str, nn.Module]) -> Layout:
    """Where every tensor of the networks lies in a published file."""
    keys: Layout = {}
    for network, prefix in _PREFIXES.items():
        names = list(networks[network].state_dict())
        for ours, theirs in _renaming(network, names).items():
            place = f"{prefix}{theirs}"
            keys[place] = (*keys.get(place, ()), f"{network}.{ours}")
    return keys


def _renaming(network: str, names: Iterable[str]) -> dict[str, str]:
    """Our names of one network → published ones; parts of a joined one come in their order."""
    if network in ("unet", "controlnet"):
        return ldm_keys.unet(names)
    if network == "vae":
        return ldm_keys.vae(names)
    if network == "projector":
        return {name: name for name in names}
    return {name: _dinov2(name) for name in sorted(names, key=_place_among_parts)}


def _dinov2(name: str) -> str:
    for pattern, replacement in _DINOV2:
        name = re.sub(pattern, replacement, name)
    for joined, parts in _JOINED:
        for part in parts:
            name = name.replace(part, joined)
    return name


def _place_among_parts(name: str) -> int:
    return next((place for _, parts in _JOINED for place, part in enumerate(parts) if part in name), 0)


def tensors(networks: Mapping[str, nn.Module], published: Mapping[str, Tensor], source: object) -> dict[str, Tensor]:
    """ "NETWORK.NAME" → tensor, of all networks.

    Raises ValueError when a key is missing, when there is one that is neither a network's nor of the schedule, and when
    a shape isn't the network's.
    """
    keys, own = layout(networks), _own(networks)
    missing, unexpected = sorted(keys.keys() - published.keys()), sorted(published.keys() - keys.keys() - {*_SCHEDULE})
    if missing or unexpected:
        example = f"missing {missing[0]!r}" if missing else f"unexpected {unexpected[0]!r}"
        raise ValueError(f"{source}: {len(missing)} keys missing, {len(unexpected)} unexpected, as {example}")
    split: dict[str, Tensor] = {}
    for key, names in keys.items():
        tensor = published[key][..., 0, 0] if _CONVOLUTIONS.fullmatch(key) else published[key]
        allowed = [sum(own[name].shape[0] for name in names), *own[names[0]].shape[1:]]
        if list(tensor.shape) != allowed:
            raise ValueError(f"{source}: {key} is {list(tensor.shape)}; allowed is {allowed}")
        split |= dict(zip(names, tensor.chunk(len(names)), strict=True))
    return split


def state_dict(networks: Mapping[str, nn.Module], scheduler: Mapping[str, Any]) -> dict[str, Tensor]:
    """All networks by their published keys, and the schedule, as ali-vilab/AnyDoor loads them."""
    own, published = _own(networks), schedule(scheduler)
    for key, names in layout(networks).items():
        tensor = torch.cat([own[name].detach().cpu() for name in names])
        published[key] = tensor[..., None, None] if _CONVOLUTIONS.fullmatch(key) else tensor
    return published


def schedule(arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """The published tables of DDPM (arXiv:2006.11239), float32, by their names; `logvar` is 0."""
    start, end = (arguments[name] ** 0.5 for name in ("beta_start", "beta_end"))
    betas = torch.linspace(start, end, arguments["num_train_timesteps"], dtype=torch.float64) ** 2  # "scaled_linear"
    alphas = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), alphas[:-1]])
    variance = betas * (1 - before) / (1 - alphas)
    values = (
        *(betas, alphas, before, alphas.sqrt(), (1 - alphas).sqrt()),
        *((1 - alphas).log(), (1 / alphas).sqrt(), (1 / alphas - 1).sqrt()),
        *(variance, variance.clamp(min=1e-20).log()),
        *(betas * before.sqrt() / (1 - alphas), (1 - before) * (1 - betas).sqrt() / (1 - alphas)),
        torch.zeros_like(betas),
    )
    return {name: value.float() for name, value in zip(_SCHEDULE, values, strict=True)}


def assign(model: "AnyDoor", file: Path) -> None:
    """What is trained, and the networks that no base has, from a file. Raises ValueError as `tensors` does."""
    published = tensors(model.networks, weights.read(file), file)
    derived = [name for name, network in model.config.networks.items() if network.derived]
    targets = model.trainable() | {
        name: parameter
        for name, parameter in model.parameters().items()
        if name.partition(".")[0] in derived and not name.startswith("controlnet.conv_in.")
    }
    weights.assign(targets, {name: published[name] for name in targets}, file)


def assign_all(model: "AnyDoor", file: Path) -> None:
    """All networks from a file, those that have shapes only included. Raises ValueError as `tensors` does."""
    published = tensors(model.networks, weights.read(file), file)
    for name, network in model.networks.items():
        trained = {key: value.requires_grad for key, value in network.named_parameters()}
        if any(value.is_meta for value in network.parameters()):
            network.to_empty(device="cpu")
        own = network.state_dict()
        weights.assign(own, {key: published[f"{name}.{key}"] for key in own}, file)
        for key, value in network.named_parameters():
            value.requires_grad_(trained[key])


def write(model: "AnyDoor", file: Path) -> None:
    """A file as `assign` and ali-vilab/AnyDoor read it, in float32."""
    published = state_dict(model.networks, model.config.scheduler_arguments)
    if file.suffix == ".safetensors":
        weights.write(file, published)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.new_path(file) as temporary:
        torch.save({"state_dict": published}, temporary)


def file_of(path: Path) -> Path:
    """The file itself, or the only one in a folder. Raises UsageError."""
    if path.is_file():
        return path
    files = sorted(one for one in path.iterdir() if one.suffix in ENDINGS) if path.is_dir() else []
    if len(files) != 1:
        listed = ", ".join(one.name for one in files) or "none"
        raise UsageError(f"{path}: files of AnyDoor's weights are {listed}; allowed is one ({', '.join(ENDINGS)})")
    return files[0]


def target(path: Path) -> Path:
    """Where `save_official` writes: the file, if `path` names one, or its place in the folder."""
    return path if path.suffix in ENDINGS else path / FILE


def _own(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{network}.{name}": tensor for network in _PREFIXES for name, tensor in networks[network].state_dict().items()
    }
