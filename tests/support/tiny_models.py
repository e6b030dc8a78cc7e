"""Random weights of small or real architectures, saved as the hub or the authors lay them out."""

import string
from pathlib import Path
from typing import Any

import numpy as np

from schemas import labels

SEGFORMER = [label.name.capitalize().replace("_", "-") for label in labels.Atr if label != labels.Atr.NECK]
WORDS = [
    "a", "photography", "of", "red", "blue", "shirt", "with", "long", "sleeves",
    "woman", "wearing", "the", "in", "and", "dress", "black", "white",
]  # fmt: skip
VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8, "initializer_range": 0.5,
}  # fmt: skip
SIZE = {"height": 32, "width": 32}


def save_segformer(folder: Path, names=SEGFORMER, seed=0) -> Path:
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessorPil

    torch.manual_seed(seed)
    config = SegformerConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    model = SegformerForSemanticSegmentation(config)
    torch.nn.init.normal_(model.decode_head.classifier.weight)
    model.save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def shake(model, scale=0.5):
    """Random weights large enough for the picture to matter to the words."""
    import torch

    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    return model


def save_blip(folder):
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizerFast(vocab={word: place for place, word in enumerate(words)})
    text = {
        "vocab_size": len(words) + 2, "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 32,
        "projection_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64,
        "bos_token_id": len(words), "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip  # as in BLIP's own files, the start token lies outside the tokenizer's words
    config = BlipConfig(text_config=text, vision_config=VISION, projection_dim=16)
    shake(BlipForConditionalGeneration(config)).save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size=SIZE), tokenizer).save_pretrained(folder)


def save_clip(folder, width=16):
    """Towers that aren't trained, over a vocabulary of letters: every prompt has a vector of its own."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    words = ["<pad>", "<unk>", "<start>", "<end>", *string.ascii_letters, *string.digits, *" .,-'"]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing("<start> $A <end>", None, [("<start>", 2), ("<end>", 3)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<start>", eos_token="<end>",
        model_max_length=77,
    )  # fmt: skip
    tower = {"hidden_size": width, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": len(words), "max_position_embeddings": 77, "bos_token_id": 2, "eos_token_id": 3}
    vision = tower | {"image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width))
    generator = torch.Generator().manual_seed(11)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.data = 0.6 * torch.randn(parameter.shape, generator=generator)
        if name == "logit_scale":
            parameter.data.fill_(3.0)
    model.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPProcessor(CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size), fast).save_pretrained(folder)


def save_densepose(folder: Path) -> Path:
    """R_50_FPN_s1x with random weights, in which every box is surely a person."""
    import torch
    from safetensors.torch import save_file

    from annotators.networks.densepose_rcnn.network import DensePoseRcnn

    torch.manual_seed(3)
    state = {name: value.contiguous() for name, value in DensePoseRcnn().state_dict().items()}
    state["roi_heads.box_predictor.cls_score.bias"] = torch.tensor([20.0, -20.0])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model_final_162be9.safetensors")
    return folder


ACE2P = {"stem": (4, 4, 8), "planes": (4, 4, 8, 8), "blocks": (1, 1, 2, 1), "context": 8, "decoder": 8, "skip": 4}
ACE2P |= {"edge": 4, "fusion": 8}


def tiny_ace2p(classes: int, seed: int) -> Any:
    """Random, with logits that vary enough over the picture for many classes to win somewhere."""
    import torch
    from torch import nn

    from annotators.networks import ace2p

    torch.manual_seed(seed)
    network = ace2p.ACE2P(ace2p.Widths(classes=classes, **ACE2P)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.3, 0.6)
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=1.5 / np.sqrt(module.weight[0].numel()))
    return network


def save_schp(folder: Path, classes: int, name: str, seed: int) -> Any:
    """As SCHP's training writes it: `module.` keys, without counters, beside other things."""
    import torch

    from annotators.common import weights

    network = tiny_ace2p(classes, seed)
    state = {f"module.{key}": value for key, value in network.state_dict().items() if "num_batches" not in key}
    torch.save({"epoch": 3, "state_dict": state, "cycle_n": 1}, folder / weights.TABLE[name].files[0])
    return network


def tiny_u2net_widths() -> Any:
    from annotators.networks import u2net

    whole = u2net.Widths()
    encoders = tuple((depth, 2, 4, dilated) for depth, _, _, dilated in whole.encoders)
    return u2net.Widths(encoders=encoders, decoders=tuple((d, 2, 4, dilated) for d, _, _, dilated in whole.decoders))


def tiny_u2net() -> Any:
    """Random weights whose four classes all win somewhere."""
    import torch
    from torch import nn

    from annotators.networks import u2net

    torch.manual_seed(1)
    network = u2net.U2Net(tiny_u2net_widths()).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=1.5 / np.sqrt(module.weight[0].numel()))
    return network


def save_u2net(folder: Path) -> None:
    import torch

    torch.save({f"module.{key}": value for key, value in tiny_u2net().state_dict().items()}, folder / "cloth_segm.pth")


def save_openpose(folder: Path) -> None:
    """A body model of 1/16 of the widths, which is nowhere sure enough to see a joint."""
    import torch

    from annotators.networks import openpose

    torch.manual_seed(0)
    model = openpose.BodyModel(divisor=16)
    model.get_parameter("Mconv7_stage6_L2.bias").data -= 1
    torch.save(model.state_dict(), folder / "body_pose_model.pth")
