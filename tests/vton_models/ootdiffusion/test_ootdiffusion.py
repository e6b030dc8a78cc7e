"""OOTDiffusion beyond its fixture: counts, texts, dropout, guidance, repainting, weights, and learning one pair."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.model_records import batch, example  # noqa: E402
from torch import Tensor  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import ootdiffusion  # noqa: E402
from vton_models.networks import diffusion, garment_network, latents, memory, stable_diffusion, weights  # noqa: E402
from vton_models.ootdiffusion import PRESETS, Config, prepare  # noqa: E402
from vton_models.ootdiffusion.sampling import Sampling  # noqa: E402
from vton_models.system import Purpose  # noqa: E402


def seeded(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def tiny(**changes: Any) -> Any:
    return ootdiffusion.build(Config.tiny(**changes))


def prepared(model: Any, *seeds: int, **columns: Any) -> dict[str, Tensor]:
    return batch(model.prepare(Purpose.TRAINING), [example(seed) | columns for seed in seeds])


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny()


def entering(network: Any, index: int = 0) -> list[Any]:
    """What enters the network: a list that each pass adds to."""
    seen: list[Any] = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[index]))
    return seen


# Counts


def test_full_size_counts() -> None:
    with torch.device("meta"):
        model = ootdiffusion.build(Config())
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in model.networks.items()}
    assert count == {
        "unet": 859_532_484,
        "garment_unet": 859_520_964,
        "vae": 83_653_863,
        "text_encoder": 123_060_480,
        "image_encoder": 303_966_208,
    }
    assert [len(model.networks[name].state_dict()) for name in ("unet", "garment_unet")] == [686, 686]
    trained = model.trainable()
    assert sum(count.values()) == ootdiffusion.ABOUT.parameters
    assert sum(p.numel() for p in trained.values()) == ootdiffusion.ABOUT.trainable
    unused = model.unused()
    assert len(unused) == 26 and sum(trained[name].numel() for name in unused) == 2_455_044
    assert all(name.startswith(("garment_unet.conv_", "garment_unet.up_blocks.3.attentions.2.")) for name in unused)


def test_sizes_and_presets() -> None:
    for name, size, batch_size in (("vitonhd", 512, 64), ("vitonhd", 1024, 16), ("dresscode", 1024, 16)):
        preset = PRESETS[f"{name}-{size}"]
        assert (preset.height, preset.width) == (size, size * 3 // 4)
        assert (preset.steps, preset.global_batch_size, preset.learning_rate) == (36_000, batch_size, 5e-5)
        assert preset.model == {"model_type": "hd" if name == "vitonhd" else "dc"}
    assert len(PRESETS) == 4
    with pytest.raises(UsageError, match="nearest is 1024x768"):
        Config(width=760).check_size()
    with pytest.raises(UsageError, match="model_type 'fullbody'; allowed are hd, dc"):
        Config(model_type="fullbody")
    with pytest.raises(UsageError, match=r"garment_dropout 1\.5; allowed is 0 to 1"):
        Config(garment_dropout=1.5)


# Preparation


class Pieces:
    """Two pieces of a word, as CLIP's tokenizer makes of "upperbody"."""

    def __call__(self, text: str) -> list[int]:
        pieces = {"": [], "upperbody": [22465, 2361], "lowerbody": [32578, 2361], "dress": [2595]}[text]
        return [49406, *pieces, *[49407] * (76 - len(pieces))]

    def save_pretrained(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("model_type", "category", "ids"),
    [
        ("hd", "upper_body", [49406, 49407]),
        ("hd", "dresses", [49406, 49407]),
        ("dc", "upper_body", [49406, 22465, 49407]),
        ("dc", "lower_body", [49406, 32578, 49407]),
        ("dc", "dresses", [49406, 2595, 49407]),
    ],
)
def test_texts(model_type: str, category: str, ids: list[int]) -> None:
    call = Config.tiny(model_type=model_type).prepare(Purpose.RECORDS, Pieces())
    assert call(example(1) | {"category": category})["input_ids"].tolist() == ids


def test_what_is_read_of_records() -> None:
    for model_type in ("hd", "dc"):
        reads = Config.tiny(model_type=model_type).reads("tryon")
        assert ("category" in reads.needed) == (model_type == "dc")
        assert (reads.mask_recipe, reads.mask_options) == ("ootdiffusion", {"model_type": model_type})
    with pytest.raises(UsageError, match="kind 'object_pair'"):
        Config().reads("object_pair")


def test_pictures_are_stretched_bicubic_and_masks_nearest() -> None:
    from PIL import Image

    record = example(1, 100, 90)
    tensors = Config.tiny().prepare(Purpose.PHOTOS)(record)
    person = np.asarray(Image.fromarray(record["person_image"]).resize((48, 64), Image.Resampling.BICUBIC))
    mask = np.asarray(Image.fromarray(record["agnostic_mask"]).resize((48, 64), Image.Resampling.NEAREST)) > 0
    assert np.array_equal(tensors["person"].permute(1, 2, 0), person)
    assert np.array_equal(tensors["mask"][0] == 255, mask) and set(tensors["mask"].unique().tolist()) == {0, 255}
    assert np.array_equal(tensors["masked_person"].permute(1, 2, 0), np.where(mask[..., None], 127, person))
    assert tensors["garment_view"].shape == (3, 32, 32)


# Training


def test_a_dropped_garment_is_zeros_that_pass_the_garment_network() -> None:
    model = tiny(garment_dropout=0.5)
    given, garments, states = prepared(model, *range(8)), entering(model.garment_unet), entering(model.unet, 1)
    states = []
    model.garment_unet.register_forward_pre_hook(
        lambda module, inputs, words: states.append(words["encoder_hidden_states"]), with_kwargs=True
    )
    model.loss(given, seeded(1))
    dropped = [not item.any() for item in garments[0]]
    assert len(garments) == 1 and 0 < sum(dropped) < 8
    kept = model.garment_latents(given)
    assert all(torch.equal(item, kept[place]) for place, item in enumerate(garments[0]) if not dropped[place])
    assert torch.equal(states[0], model.states(given)), "what CLIP sees of the garment stays"


@pytest.mark.parametrize(("dropout", "zeros"), [(0.0, 0), (1.0, 4)])
def test_dropout_of_none_and_all(dropout: float, zeros: int) -> None:
    model = tiny(garment_dropout=dropout)
    garments = entering(model.garment_unet)
    model.loss(prepared(model, 1, 2, 3, 4), seeded(0))
    assert sum(not item.any() for item in garments[0]) == zeros


def test_loss_by_formula(model: Any) -> None:
    """‖ε − ε_θ([z_t ‖ E(x_m)], t, ω(E(g), ψ), ψ)‖², conditions unscaled, with stock calls in the documented order."""
    given, generator = prepared(model, 1, 2, 3), seeded(5)
    posterior = model.vae.encode(given["person"].float() / 127.5 - 1).latent_dist
    clean = (posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)) * 0.18215
    keep = (torch.rand(3, generator=generator) >= 0.1).float().view(-1, 1, 1, 1)
    steps = torch.randint(0, 1000, (3,), generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    shown, garment = (
        model.vae.encode(given[name].float() / 127.5 - 1).latent_dist.mode() for name in ("masked_person", "garment")
    )
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)[steps].view(-1, 1, 1, 1)
    noisy = alphas**0.5 * clean + (1 - alphas) ** 0.5 * noise
    states = model.states(given)
    condition = garment_network.entries(model.garment_features(garment * keep, states))
    model_pred = model.predict(noisy, steps, {"channels": shown, "encoder_hidden_states": states, **condition})
    assert torch.allclose(model.loss(given, seeded(5)), ((model_pred - noise) ** 2).mean(), rtol=1e-4)


def test_learns_one_pair() -> None:
    """At least fivefold on noise that it hasn't seen."""
    torch.manual_seed(0)
    model = tiny(garment_dropout=0.0)
    given = {name: value.repeat_interleave(4, dim=0) for name, value in prepared(model, 1).items()}
    frozen = {name: p.clone() for name, p in model.parameters().items() if not p.requires_grad}
    held_out = [seeded(1000 + number) for number in range(8)]

    def error() -> float:
        with torch.no_grad():
            return float(np.mean([float(model.loss(given, one.manual_seed(one.initial_seed()))) for one in held_out]))

    before = error()
    optimizer = torch.optim.AdamW(list(model.trainable().values()), lr=4e-3)
    for step in range(60):
        optimizer.zero_grad()
        model.loss(given, seeded(step)).backward()
        optimizer.step()
    assert error() * 5 <= before
    parameters = model.parameters()
    assert all(torch.equal(parameters[name], value) for name, value in frozen.items())


# Sampling


@pytest.mark.parametrize(("scale", "branches"), [(0.0, 1), (0.99, 1), (1.0, 2), (2.0, 2)])
def test_one_pass_of_the_garment_network_for_a_picture(model: Any, scale: float, branches: int) -> None:
    """Garment and zeros in one batch, whatever the steps; guidance is on from 1."""
    given, garments, passes = prepared(model, 1, 2), entering(model.garment_unet), entering(model.unet)
    model.sample(given, Sampling(5, scale), seeded(0))
    assert len(garments) == 1 and len(garments[0]) == 2 * branches and len(passes) == 5
    latent = model.garment_latents(given)
    assert torch.equal(garments[0][:2], latent) and not garments[0][2:].any()
    assert all(len(one) == 2 * branches for one in passes)
    cond, *uncond = model.conditions(given, diffusion.Noises(seeded(0)), Sampling(5, scale)).branches
    assert len(uncond) == branches - 1
    for other in uncond:
        null = garment_network.features_of(other)
        assert torch.equal(other["encoder_hidden_states"], cond["encoder_hidden_states"])
        assert all(tokens.any() for tokens in null.values()), "features of zeros, not zero features"


def test_guidance_of_one_is_none_at_double_cost(model: Any) -> None:
    given = prepared(model, 1)
    one, none = (model.sample(given, Sampling(3, scale), seeded(4)) for scale in (1.0, 0.0))
    assert torch.allclose(one, none, atol=1e-4)
    two = model.sample(given, Sampling(3, 2.0), seeded(4))
    apart = model.sample(given, Sampling(3, 2.0), seeded(4), sequential_guidance=True)
    assert torch.allclose(two, apart, atol=1e-4) and not torch.allclose(two, none, atol=1e-3)


def test_outside_the_mask_the_person_stays(model: Any) -> None:
    """After each step at the next step's noise, which is always the first one; clean after the last."""
    given, after = prepared(model, 1), []
    noise = torch.randn(1, 4, 16, 12, generator=seeded(0))
    settings = Sampling(4, 2.0)
    model.sample(given, settings, seeded(0), noises={"init": noise}, on_step=lambda index, noisy: after.append(noisy))
    person, mask = model.encode(given["person"], None), model.latent_mask(given["mask"])
    timesteps = model.scheduler(settings).timesteps
    outside = (mask == 0).expand_as(person)
    assert outside.any() and not outside.all()
    for noisy, timestep in zip(after, [*timesteps[1:], None], strict=True):
        known = person
        if timestep is not None:
            known = diffusion.add_noise(model.alphas, person, noise, timestep[None])
        assert torch.allclose(noisy[outside], known[outside], atol=0.02), "timesteps are rounded, σ isn't"
        assert not torch.allclose(noisy[~outside], known[~outside], atol=0.1)
    assert torch.equal(after[-1][outside], person[outside])


@pytest.mark.parametrize("steps", [1, 44, 45, 60, 100])
def test_any_number_of_steps(model: Any, steps: int) -> None:
    """From 45 on Karras's timesteps repeat, where upstream ends."""
    scheduler = model.scheduler(Sampling(steps))
    assert (len(scheduler.timesteps.unique()) < steps) == (steps >= 45)
    picture = model.sample(prepared(model, 1), Sampling(steps, 0.0), seeded(0))
    assert picture.isfinite().all()


def test_the_published_schedule(model: Any) -> None:
    """As measured with the release's scheduler_config.json."""
    scheduler = model.scheduler(Sampling(20))
    published = "999 962 921 876 827 772 710 640 561 474 380 285 197 123 69 35 15 6 2 0"
    assert scheduler.timesteps.tolist() == [int(word) for word in published.split()]
    assert scheduler.sigmas[0] == pytest.approx(14.6146, abs=1e-4)
    assert scheduler.sigmas[-1] == scheduler.sigmas[-2] == pytest.approx(0.02917, abs=1e-5)
    assert (Sampling().num_inference_steps, Sampling().guidance_scale) == (20, 2.0)


def test_memory_modes_give_the_same(model: Any) -> None:
    other, given = tiny(), prepared(model, 1)
    memory.apply_memory(other, "medium")
    assert torch.allclose(
        model.sample(given, Sampling(2), seeded(0)), other.sample(given, Sampling(2), seeded(0)), atol=1e-4
    )


# Weights


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base as SD 1.5's: one U-Net of four channels for both."""
    folder, whole = tmp_path_factory.mktemp("narrow"), tiny()
    whole.save_base(folder / "base")
    for name in ("unet", "garment_unet"):
        for path in (folder / "base" / name).iterdir():
            path.unlink()
        (folder / "base" / name).rmdir()
    unet = weights.random(type(whole.unet), stable_diffusion.TINY_UNET)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(0.01)
    unet.save_pretrained(folder / "base" / "unet")
    return folder / "base"


def test_a_base_of_four_channels_is_widened_by_zeros(narrow: Path, tmp_path: Path) -> None:
    model = tiny()
    model.load_base(narrow)
    stored = weights.read(narrow / "unet" / "diffusion_pytorch_model.safetensors")["conv_in.weight"]
    conv = model.unet.conv_in.weight
    assert conv.shape[1] == 8 and torch.equal(conv[:, :4], stored) and not conv[:, 4:].any()
    assert torch.equal(model.garment_unet.conv_in.weight, stored)
    model.loss(prepared(model, 1), seeded(0)).backward()
    assert conv.grad is not None and conv.grad[:, 4:].any(), "what is new learns"
    model.save(tmp_path / "own")
    model.save_base(tmp_path / "whole")
    again = tiny()
    again.load_base(tmp_path / "whole")
    assert torch.equal(again.unet.conv_in.weight, conv), "eight channels are taken as they are"
    again.load_base(narrow)
    again.load(tmp_path / "own")
    assert pickle.loads(pickle.dumps(again.config)).networks["unet"].arguments["in_channels"] == 8


def test_other_numbers_of_channels_are_refused(tmp_path: Path) -> None:
    model = tiny()
    model.save_base(tmp_path / "base")
    unet = weights.random(type(model.unet), stable_diffusion.TINY_UNET | {"in_channels": 9})
    unet.save_pretrained(tmp_path / "nine")
    with pytest.raises(UsageError, match="9 input channels; unet takes 4 or 8"):
        model.load_base(f"{tmp_path / 'base'},unet={tmp_path / 'nine'}")
    with pytest.raises(UsageError, match="8 input channels; garment_unet takes 4"):
        model.load_base(f"{tmp_path / 'base'},garment_unet={tmp_path / 'base' / 'unet'}")


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Path]:
    """Both releases, as on the hub."""
    for number, model_type in enumerate(("hd", "dc")):
        model = tiny(model_type=model_type)
        with torch.no_grad():
            model.unet.conv_out.bias.fill_(number)
        model.save_official(tmp_path / "checkpoints" / "ootd" / f"ootd_{model_type}" / "checkpoint-36000")
    yield tmp_path / "checkpoints"


@pytest.mark.parametrize(("model_type", "bias"), [("hd", 0.0), ("dc", 1.0)])
def test_published_folders(released: Path, model_type: str, bias: float) -> None:
    """The checkpoint's, and each around it; their classes are upstream's own."""
    whole = released / "ootd" / f"ootd_{model_type}" / "checkpoint-36000"
    for folder in (whole, whole.parent, released / "ootd", released):
        model = tiny(model_type=model_type)
        model.load_official(folder)
        assert (model.unet.conv_out.bias == bias).all()
    for name, class_name in (("unet_garm", "UNetGarm2DConditionModel"), ("unet_vton", "UNetVton2DConditionModel")):
        config = json.loads((whole / name / "config.json").read_text())
        assert config["_class_name"] == class_name
        assert {path.name for path in (whole / name).iterdir()} == {
            "config.json",
            "diffusion_pytorch_model.safetensors",
        }


def test_folders_that_are_no_release(released: Path, tmp_path: Path) -> None:
    model = tiny()
    with pytest.raises(UsageError, match="no folder with unet_vton and unet_garm"):
        model.load_official(tmp_path / "nothing")
    model.save_official(released / "ootd" / "ootd_hd" / "checkpoint-9")
    with pytest.raises(UsageError, match="holds checkpoint-36000, checkpoint-9; name one"):
        model.load_official(released)
    other = tiny(unet=stable_diffusion.TINY_UNET | {"block_out_channels": (32, 64)})
    with pytest.raises(ValueError, match="unet_vton"):
        other.load_official(released / "ootd" / "ootd_hd" / "checkpoint-9")


def test_latents_of_conditions_are_unscaled(model: Any) -> None:
    given = prepared(model, 1)
    for name, made in (("garment", model.garment_latents(given)), ("masked_person", model.shown_latents(given))):
        assert torch.equal(made, model.vae.encode(latents.to_pixels(given[name])).latent_dist.mode())


# Photos


def test_a_photo_s_category_is_that_of_the_mask_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a mask's file it says what the garment is, to weights that are told."""
    from PIL import Image

    from vton_models.commands import sample

    record, asked = example(1), []
    for name in ("person_image", "garment_image", "agnostic_mask"):
        Image.fromarray(record[name]).save(tmp_path / f"{name}.png")
    plain = prepare.Prepare.__call__
    monkeypatch.setattr(
        prepare.Prepare,
        "__call__",
        lambda self, given, generator=None: asked.append(given["category"]) or plain(self, given, generator),
    )
    files = [
        f"--{flag}={tmp_path / name}.png" for flag, name in (("person", "person_image"), ("garment", "garment_image"))
    ]
    shared = ["ootdiffusion", "--weights=random", "--tiny", "--num-inference-steps=1", *files]
    mask = f"--mask={tmp_path / 'agnostic_mask.png'}"
    for number, (mask_type, category) in enumerate((("lower", "lower_body"), ("overall", "dresses"))):
        line = [*shared, "--model-type=dc", mask, f"--mask-type={mask_type}", f"--output={tmp_path / str(number)}"]
        assert sample.main(line) == 0 and asked[-1] == category
    assert sample.main([*shared, "--model-type=dc", mask, f"--output={tmp_path / 'plain'}"]) == 0
    assert asked[-1] == "upper_body"
    with pytest.raises(UsageError, match="--mask beside --mask-type"):
        sample.main([*shared, mask, "--mask-type=lower", f"--output={tmp_path / 'hd'}"])
    with pytest.raises(UsageError, match="--mask-type sleeve; allowed are upper, lower, overall"):
        sample.main([*shared, "--model-type=dc", mask, "--mask-type=sleeve", f"--output={tmp_path / 'no'}"])
