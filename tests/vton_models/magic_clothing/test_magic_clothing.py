"""Magic Clothing beyond its fixture: counts, dropout, branches of guidance, variants, and learning one pair."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.model_records import batch, example  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import magic_clothing  # noqa: E402
from vton_models.magic_clothing import Config  # noqa: E402
from vton_models.magic_clothing.model import MagicClothing  # noqa: E402
from vton_models.magic_clothing.sampling import NEGATIVE, Sampling  # noqa: E402
from vton_models.networks import diffusion, garment_network, memory  # noqa: E402
from vton_models.system import INIT_IMAGE, PROMPT, Purpose  # noqa: E402


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(**changes: Any) -> MagicClothing:
    return magic_clothing.build(Config.tiny(**changes))


def prepared(model: MagicClothing, *seeds: int, **more: Any) -> dict[str, torch.Tensor]:
    return batch(model.prepare(Purpose.TRAINING), [example(seed) | more for seed in seeds])


def passes(network: Any) -> list[dict[str, Any]]:
    """What enters the network: a list that each pass adds to."""
    seen: list[dict[str, Any]] = []

    def hook(module: Any, inputs: Any, keywords: Any) -> None:
        states = keywords["encoder_hidden_states"]
        seen.append({"latents": inputs[0].clone(), "timestep": inputs[1], "states": states.clone()})

    network.register_forward_pre_hook(hook, with_kwargs=True)
    return seen


# Counts


@pytest.mark.parametrize("changes", [{}, {"fusion": "hybrid"}, {"inpainting": True}])
def test_full_size_counts(changes: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = magic_clothing.build(Config(**changes))
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in model.networks.items()}
    assert count["garment_unet"] == 859_520_964 and len(list(model.garment_unet.parameters())) == 686
    assert (count["vae"], count["text_encoder"]) == (83_653_863, 123_060_480)
    further = count.get("key_values", 0)
    assert sum(p.numel() for p in model.trainable().values()) == 859_520_964 + further
    assert further == (24_780_800 if changes.get("fusion") else 0)
    unused = [model.trainable()[name] for name in model.unused()]
    assert (len(unused), sum(p.numel() for p in unused)) == (24, 2_454_404)
    if not changes:
        assert sum(count.values()) == magic_clothing.ABOUT.parameters
        assert magic_clothing.ABOUT.trainable == 859_520_964


def test_the_preset_is_the_papers() -> None:
    preset = magic_clothing.PRESETS["vitonhd"]
    assert (preset.height, preset.width, preset.steps, preset.global_batch_size) == (768, 576, 100_000, 16)
    assert (preset.learning_rate, preset.lr_schedule, preset.optimizer) == (5e-5, None, None)
    assert (Config().height, Config().width) == (768, 576)


# Training


def test_loss_by_formula() -> None:
    """With stock diffusers calls, drawn in the documented order; one draw drops garment, text or both."""
    model = tiny(garment_dropout=0.3, text_dropout=0.3, both_dropout=0.3)
    given, generator = prepared(model, *range(8)), seeded(5)
    with torch.no_grad():
        posterior = model.vae.encode(given["person"] / 127.5 - 1).latent_dist
        clean = (posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)) * 0.18215
        drawn = torch.rand(8, generator=generator)
        steps = torch.randint(0, 1000, (8,), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        no_garment = (drawn < 0.3) | ((drawn >= 0.6) & (drawn < 0.9))
        no_text = (drawn >= 0.3) & (drawn < 0.9)
        assert {(bool(g), bool(t)) for g, t in zip(no_garment, no_text, strict=True)} >= {
            *((True, False), (False, True), (True, True))
        }
        grey = (given["garment"] / 127.5 - 1) * (given["garment_mask"] >= 128)
        garment = model.vae.encode(grey).latent_dist.mode() * 0.18215
        assert model.tokenizer is not None
        empty = torch.tensor([model.tokenizer("")] * 8)
        ids = torch.where(no_text.view(-1, 1), empty, given["input_ids"])
        states, null = (model.networks["text_encoder"](input_ids=one).last_hidden_state for one in (ids, empty))
        features = model.garment_features(garment, null)
        features = {name: torch.where(no_garment.view(-1, 1, 1), 0.0, one) for name, one in features.items()}
        alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)[steps].view(-1, 1, 1, 1)
        noisy = alphas**0.5 * clean + (1 - alphas) ** 0.5 * noise
        condition = {"encoder_hidden_states": states, **garment_network.entries(features)}
        expected = F.mse_loss(model.predict(noisy, steps, condition), noise)
    assert torch.allclose(model.loss(given, seeded(5)), expected, rtol=1e-4)


def test_five_percent_of_each() -> None:
    model = tiny()
    garment, text = model._kept(20_000, seeded(0))
    dropped = Counter(zip(garment.tolist(), text.tolist(), strict=True))
    for which, share in {(0, 1): 0.05, (1, 0): 0.05, (0, 0): 0.05, (1, 1): 0.85}.items():
        assert dropped[which] / 20_000 == pytest.approx(share, abs=0.006)


def test_a_batch_without_garments_still_reaches_every_parameter() -> None:
    """By zeros, so that no process waits for gradients that another one doesn't have."""
    model = tiny(garment_dropout=1.0, text_dropout=0.0, both_dropout=0.0)
    model.loss(prepared(model, 1, 2), seeded(0)).backward()
    for name, parameter in model.trainable().items():
        assert (parameter.grad is None) == (name in model.unused())
        assert parameter.grad is None or not parameter.grad.any()


# Sampling


@pytest.mark.parametrize(
    ("settings", "changes", "count"),
    [
        ({}, {}, 3),
        ({"guidance": "independent"}, {}, 3),
        ({"guidance": "single"}, {}, 2),
        ({"guidance_scale": 1.0}, {}, 1),
        ({"guidance": "single", "guidance_scale": 0.5}, {}, 1),
        ({}, {"inpainting": True}, 2),
        ({"garment_guidance_scale": 1.0}, {"inpainting": True}, 1),
        ({}, {"fusion": "hybrid"}, 3),
    ],
)
def test_the_garment_network_runs_once_for_a_picture(
    settings: dict[str, Any], changes: dict[str, Any], count: int
) -> None:
    """At timestep 0 with the text "", whatever is written; the denoiser in one batch of its branches."""
    model = tiny(**changes)
    given = prepared(model, 1, 2)
    garment, denoiser = passes(model.garment_unet), passes(model.unet)
    model.sample(given, Sampling(num_inference_steps=3, **settings), seeded(0))
    assert [len(one["latents"]) for one in garment] == [2] and garment[0]["timestep"] == 0
    assert torch.equal(garment[0]["states"], model._null_states(2))
    assert [len(one["latents"]) for one in denoiser] == [2 * count] * 3


def test_what_each_branch_sees() -> None:
    model = tiny()
    given = prepared(model, 1)
    negative, positive = model._text(NEGATIVE, 1), model._states(given)
    expected = {
        "joint": [(negative, False), (negative, True), (positive, True)],
        "independent": [(negative, False), (positive, False), (negative, True)],
        "single": [(negative, False), (positive, True)],
    }
    for guidance, branches in expected.items():
        found = model.conditions(given, diffusion.Noises(seeded(0)), Sampling(guidance=guidance)).branches
        assert len(found) == len(branches)
        for condition, (states, garment) in zip(found, branches, strict=True):
            assert torch.equal(condition["encoder_hidden_states"], states)
            features = garment_network.features_of(condition)
            assert len(features) == 4 and all(bool(one.any()) == garment for one in features.values())


@pytest.mark.parametrize("guidance", ["joint", "independent"])
def test_the_scales_weigh_the_branches(guidance: str) -> None:
    """7.5 and 2.5 joint: 7.5 of both, -5.0 of the garment, -1.5 of nothing."""
    model = tiny()
    names = ["nothing", "garment", "both"] if guidance == "joint" else ["nothing", "text", "garment"]
    weights = [-1.5, -5.0, 7.5] if guidance == "joint" else [-9.0, 7.5, 2.5]
    for name, weight in zip(names, weights, strict=True):
        one = torch.tensor([float(other == name) for other in names])
        branches = diffusion.Branches(lambda *_, one=one: one, [{}] * 3)
        assert model.guided(branches, Sampling(guidance=guidance))(torch.zeros(1), 0).item() == weight


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_equal_full(mode: str) -> None:
    model, settings = tiny(), Sampling(num_inference_steps=3)
    given = prepared(model, 1, 2)
    full = model.sample(given, settings, seeded(0))
    memory.apply_memory(model, mode)
    model.to("cpu")
    assert torch.allclose(model.sample(given, settings, seeded(0)), full, atol=1e-4)


def test_prompts_change_the_picture() -> None:
    model = tiny()
    plain, negative = Sampling(num_inference_steps=2), Sampling(num_inference_steps=2, negative_prompt="hat")
    pictures = [
        model.sample(prepared(model, 1, **{PROMPT: words}), settings, seeded(0))
        for words, settings in (("red", plain), ("red", plain), ("blue shirt", plain), ("red", negative))
    ]
    assert torch.equal(pictures[0], pictures[1])
    assert not any(torch.allclose(pictures[0], other, atol=1e-3) for other in pictures[2:])


# From a picture


@pytest.mark.parametrize("changes", [{}, {"inpainting": True}])
def test_full_strength_equals_text_to_image_to_the_bit(changes: dict[str, Any]) -> None:
    model = tiny(**changes)
    picture = example(9)["person_image"]
    plain, begun = prepared(model, 1, 2), prepared(model, 1, 2, **{INIT_IMAGE: picture})
    generators = [[seeded(3), seeded(4)] for _ in range(3)]
    whole = Sampling(num_inference_steps=4)
    half = Sampling(num_inference_steps=4, strength=0.5)
    reference = model.sample(plain, whole, generators[0])
    assert torch.equal(reference, model.sample(begun, whole, generators[1]))
    assert not torch.allclose(reference, model.sample(begun, half, generators[2]), atol=1e-3)


def test_less_strength_begins_later_with_the_noised_picture() -> None:
    model, settings = tiny(), Sampling(num_inference_steps=10, strength=0.3)
    given = prepared(model, 1, **{INIT_IMAGE: example(9)["person_image"]})
    noise = {"init": torch.randn(1, 4, 16, 12, generator=seeded(1)), "init_image": torch.zeros(1, 4, 16, 12)}
    seen = passes(model.unet)
    model.sample(given, settings, seeded(0), noises=noise)
    scheduler = model.scheduler(settings)
    assert [int(one["timestep"]) for one in seen] == scheduler.timesteps[7:].tolist()
    scheduler.set_begin_index(7)
    clean = model.encode(given["init_image"], None)
    expected = scheduler.add_noise(clean, noise["init"], scheduler.timesteps[7:8])
    assert torch.allclose(seen[0]["latents"][:1], expected, atol=1e-5)


# Variants


def test_without_a_garment_hybrid_attention_is_the_stock_denoiser() -> None:
    """Zero features add exactly nothing there; joined to keys and values they weigh in the softmax."""
    for fusion in magic_clothing.config.FUSIONS:
        model = tiny(fusion=fusion)
        with torch.no_grad():
            states, noisy = model._null_states(1), torch.randn(1, 4, 16, 12, generator=seeded(2))
            null = garment_network.null(model.features(noisy))
            stock = model.predict(noisy, 500, {"encoder_hidden_states": states})
            without = model.predict(noisy, 500, {"encoder_hidden_states": states, **garment_network.entries(null)})
        assert torch.allclose(stock, without, atol=1e-6) == (fusion == "hybrid")


def test_hybrid_keys_and_values_begin_as_the_denoisers(tmp_path: Any) -> None:
    tiny().save_base(tmp_path)
    model = tiny(fusion="hybrid")
    model.load_base(tmp_path)
    first = model.networks["key_values"][0]
    own = model.unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1")
    assert torch.equal(first.to_k.weight, own.to_k.weight) and torch.equal(first.to_v.weight, own.to_v.weight)
    model.loss(prepared(model, 1, 2), seeded(0)).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.networks["key_values"].parameters())


def test_an_inpainting_base_sees_the_masked_person_and_no_text() -> None:
    model = tiny(inpainting=True)
    given, seen = prepared(model, 1), passes(model.unet)
    assert model.loss(given, seeded(0)).isfinite()
    first = model.sample(given, Sampling(num_inference_steps=2), seeded(0))
    other = given | {"input_ids": given["input_ids"].flip(1)}
    assert torch.equal(first, model.sample(other, Sampling(num_inference_steps=2), seeded(0)))
    assert all(torch.equal(one["states"], model._null_states(len(one["states"]))) for one in seen)
    channels = seen[1]["latents"]
    assert channels.shape == (2, 9, 16, 12) and torch.equal(
        channels[:, 4:5], model.latent_mask(given["mask"]).expand(2, -1, -1, -1)
    )
    shown = model.encode(model.masked(given["person"], given["mask"]), None)
    assert torch.allclose(channels[:1, 5:], shown, atol=1e-6)
    assert model.config.reads("tryon").needed == ("person_image", "garment_image", "garment_mask", "agnostic_mask")


def test_a_base_of_the_other_kind_is_refused(tmp_path: Any) -> None:
    tiny().save_base(tmp_path)
    with pytest.raises(UsageError, match="4 input channels; unet takes 9"):
        tiny(inpainting=True).load_base(tmp_path)


# Reading


def test_the_garment_lies_on_mid_grey_whatever_its_background() -> None:
    model, record = tiny(), example(1, 120, 80)
    given = batch(model.prepare(Purpose.PHOTOS), [record])
    on_white = np.where(record["garment_mask"][..., None] == 0, np.uint8(255), record["garment_image"])
    white = batch(model.prepare(Purpose.PHOTOS), [record | {"garment_image": on_white}])
    assert given["garment"].shape == (1, 3, 64, 48), "stretched straight to the size"
    kept = given["garment_mask"] >= 128
    inside = F.max_pool2d((~kept).float(), 9, 1, 4) == 0  # LANCZOS looks around
    assert torch.equal(given["garment"] * inside, white["garment"] * inside)
    seen = model.prepare(Purpose.PHOTOS).seen({name: value[0] for name, value in given.items()})
    assert (seen["garment"][:, ~kept[0, 0]] == 128).all()


def test_a_prompt_goes_before_the_caption() -> None:
    model = tiny()
    prepare = model.prepare(Purpose.RECORDS)
    assert model.tokenizer is not None
    for more, words in (
        ({"caption": "red"}, "red"),
        ({"caption": "red", PROMPT: "blue"}, "blue"),
        ({"caption": None}, ""),
    ):
        assert prepare(example(1) | more)["input_ids"].tolist() == model.tokenizer(words)


def test_a_garment_alone_is_enough_to_sample() -> None:
    model = tiny()
    record = {name: example(1)[name] for name in ("garment_image", "garment_mask")}
    given = batch(model.prepare(Purpose.PHOTOS), [record])
    assert model.sample(given, Sampling(num_inference_steps=1), seeded(0)).shape == (1, 3, 64, 48)


# Settings


def test_defaults_of_sampling() -> None:
    paper = Sampling()
    assert (paper.num_inference_steps, paper.guidance_scale, paper.garment_guidance_scale) == (20, 7.5, 2.5)
    assert Sampling(guidance="single").guidance_scale == 2.5, "of the weights of 512 pixels"
    assert Sampling(guidance="single", guidance_scale=1.5).guidance_scale == 1.5
    assert paper.negative_prompt == "monochrome, lowres, bad anatomy, worst quality, low quality"
    assert paper.prompt("") == "a photography of a model, best quality, high quality"
    assert paper.prompt("a man") == "a man, best quality, high quality"
    assert Sampling(quality_prompt="").prompt("a man") == "a man"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Config(fusion="sum"), "fusion 'sum'; allowed are concatenation, hybrid"),
        (lambda: Config(garment_dropout=1.5), "garment-dropout 1.5"),
        (lambda: Config(garment_dropout=0.5, text_dropout=0.5, both_dropout=0.5), "both-dropout 1.5"),
        (lambda: Sampling(guidance="none"), "guidance none; allowed are joint, independent, single"),
        (lambda: Sampling(guidance_scale=-1.0), "guidance-scale -1.0"),
        (lambda: Sampling(strength=0.01), "strength 0.01"),
        (lambda: Config(width=570).check_size(), "nearest is 768x576"),
    ],
)
def test_settings_are_checked(build: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()


# Learning


def test_one_pair_is_learnt() -> None:
    """On noise that training never sees, by the garment network alone: the denoiser is frozen and random."""
    model = tiny(garment_dropout=0.0, text_dropout=0.0, both_dropout=0.0)
    frozen = {name: p.clone() for name, p in model.parameters().items() if not p.requires_grad}
    given = prepared(model, 1, 1)

    def held_out() -> float:
        quarters = torch.arange(8).view(4, 2) * 125 + 60
        with torch.no_grad():
            return sum(float(model.loss(given, seeded(10**6), timesteps=steps)) for steps in quarters)

    before = held_out()
    trained = [p for name, p in model.trainable().items() if name not in model.unused()]
    optimizer = torch.optim.AdamW(trained, lr=3e-2)
    for step in range(80):
        optimizer.zero_grad()
        model.loss(given, seeded(step)).backward()
        optimizer.step()
    assert before / held_out() >= 1.1
    assert all(torch.equal(model.parameters()[name], value) for name, value in frozen.items())
