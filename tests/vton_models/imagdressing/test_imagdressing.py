"""IMAGDressing beyond its fixture: counts, preparation, dropout, the steps of training by formula, passes, learning."""

import pickle
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from diffusers import UNet2DConditionModel  # noqa: E402
from support.encoded import stored  # noqa: E402
from support.model_records import batch, example  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import imagdressing  # noqa: E402
from vton_models.imagdressing import Config, prepare  # noqa: E402
from vton_models.imagdressing.model import IMAGDressing  # noqa: E402
from vton_models.imagdressing.sampling import Sampling  # noqa: E402
from vton_models.networks import attention, diffusion, memory, stable_diffusion, weights  # noqa: E402
from vton_models.system import Purpose  # noqa: E402

BASE_FUSION = {"image_branch": False, "hybrid_attention": False}
ABLATIONS = ({}, {"hybrid_attention": False}, {"image_branch": False}, BASE_FUSION)
NO_DROPOUT = {"image_dropout": 0.0, "text_dropout": 0.0, "both_dropout": 0.0}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(**changes: Any) -> IMAGDressing:
    return imagdressing.build(Config.tiny(**changes))


def prepared(model: IMAGDressing, *seeds: int) -> dict[str, Any]:
    return batch(model.prepare(Purpose.TRAINING), [example(seed) for seed in seeds])


def entering(network: Any) -> list[torch.Tensor]:
    """What enters the network: a list that each pass adds to."""
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    return seen


# Counts


def test_full_size_counts() -> None:
    with torch.device("meta"):
        model = imagdressing.build(Config())
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in model.networks.items()}
    assert count == {
        "unet": 859_520_964, "garment_unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480,
        "image_encoder": 632_076_800, "projection": 29_918_208, "garment_attention": 24_780_800,
    }  # fmt: skip
    assert sum(count.values()) == imagdressing.ABOUT.parameters
    trained, unused = model.trainable(), model.unused()
    assert sum(p.numel() for p in trained.values()) == imagdressing.ABOUT.trainable == 914_219_972
    assert len(unused) == 24 and sum(trained[name].numel() for name in unused) == 2_454_404
    assert {name.partition(".")[0] for name in trained} == {"garment_unet", "projection", "garment_attention"}
    pairs = model.networks["garment_attention"].numbered("ref")
    assert len(pairs) == 32 and set(pairs) >= {"0.to_k_ref.weight", "30.to_v_ref.weight"}


@pytest.mark.parametrize("changes", ABLATIONS)
def test_an_ablation_has_no_more_networks_than_it_needs(changes: dict[str, bool]) -> None:
    model = tiny(**changes)
    image, hybrid = changes.get("image_branch", True), changes.get("hybrid_attention", True)
    assert {"image_encoder", "projection"} <= model.networks.keys() if image else "projection" not in model.networks
    assert ("garment_attention" in model.networks) == hybrid
    model.loss(prepared(model, 1, 2), seeded(0)).backward()
    without = {name for name, p in model.trainable().items() if p.grad is None or not p.grad.any()}
    assert without == model.unused()
    assert model.sample(prepared(model, 1), Sampling(2), seeded(0)).isfinite().all()


# Preparation


@pytest.mark.parametrize("size", [(120, 72), (200, 60), (90, 64)])
def test_training_crops_at_random_and_validation_in_the_middle(size: tuple[int, int]) -> None:
    """Either photo by itself; the shorter side fills the crop, so chance moves it along the other."""
    model = tiny()
    marks = np.zeros((*size, 3), np.uint8)
    marks[:] = np.linspace(0, 255, size[0]).astype(np.uint8)[:, None, None]  # a row says where it comes from
    record = example(1) | {"person_image": marks, "garment_image": marks}
    tops = {"person": set(), "garment": set()}
    for seed in range(20):
        made = model.prepare(Purpose.TRAINING)(record, seeded(seed))
        for name, found in tops.items():
            assert made[name].shape == (3, 64, 48)
            found.add(int(made[name][0, 0, 0]))
    assert all(len(found) > 1 for found in tops.values())
    middle = model.prepare(Purpose.VALIDATION)(record, seeded(0))["person"][0].float().mean()
    assert abs(float(middle) - 127.5) < 3
    scaled = prepare.covering(size, (64, 48))
    assert min(scaled) == 48 and scaled[0] == 48 * size[0] // size[1]


def test_flat_pictures_are_padded_by_their_border_and_garments_by_white() -> None:
    record = example(1) | {name: np.full((48, 72, 3), 90, np.uint8) for name in ("person_image", "garment_image")}
    made = tiny().prepare(Purpose.VALIDATION)(record)
    assert (made["person"] == 90).all() and made["person"].shape == (3, 64, 48)
    rows = made["garment"][0].float().mean(dim=1)
    assert (rows[[0, -1]] == 255).all() and (rows[[28, 36]] == 90).all()
    assert made["clip_garment"].max() == 90, "CLIP sees the photo as it is"


def test_to_sample_from_a_garment_is_stretched_and_nobody_is_read() -> None:
    record = {"garment_image": example(1, 60, 60)["garment_image"], "caption": "a red shirt"}
    for purpose in (Purpose.RECORDS, Purpose.PHOTOS):
        made = tiny().prepare(purpose)(record)
        assert "person" not in made and made["garment"].shape == (3, 64, 48)
        bounded = prepare.bounded(record["garment_image"], (64, 48), 8)
        assert np.array_equal(made["garment"].permute(1, 2, 0), prepare.resized(bounded, (64, 48)))
    given = tiny().prepare(Purpose.PHOTOS)(record | {"prompt": "a tall man", "init_image": example(2)["person_image"]})
    assert given["init_image"].shape == (3, 64, 48) and given["input_ids"].tolist() == tiny().tokenizer("a tall man")
    assert prepare.bounded(np.zeros((2000, 60, 3), np.uint8), (640, 512), 64).shape == (640, 64, 3)


def test_one_of_several_captions_is_drawn() -> None:
    texts = [{"text": text, "model": None} for text in ("red", "blue", "", "long")]
    record = example(1) | {"caption": "red", "captions": texts}
    drawn = {prepare.caption(record, seeded(seed)) for seed in range(30)}
    assert drawn == {"red", "blue", "long"}
    assert prepare.caption(record, None) == "red" and prepare.caption(record | {"caption": None}, None) == "red"
    assert prepare.caption({"captions": None}, seeded(0)) == "" == prepare.caption({}, None)
    model = tiny()
    ids = {tuple(model.prepare(Purpose.TRAINING)(record, seeded(seed))["input_ids"].tolist()) for seed in range(30)}
    assert ids == {tuple(model.tokenizer(text)) for text in drawn}
    plain = model.prepare(Purpose.VALIDATION)(record, seeded(1))["input_ids"]
    assert plain.tolist() == model.tokenizer("red")


def test_prepare_pickles_without_the_networks() -> None:
    assert len(pickle.dumps(tiny().prepare(Purpose.TRAINING))) < 1000


# Training


def test_dropout_by_one_draw() -> None:
    model = tiny()
    image, text = model.dropped(40_000, seeded(0))
    shares = [float(one.float().mean()) for one in (image & ~text, text & ~image, image & text)]
    assert all(abs(share - 0.05) < 0.005 for share in shares)
    drawn = torch.rand(40_000, generator=seeded(0))
    assert torch.equal(image, (drawn < 0.05) | ((drawn >= 0.1) & (drawn < 0.15)))
    assert torch.equal(text, (drawn >= 0.05) & (drawn < 0.15))


def test_only_clips_picture_and_the_text_are_dropped() -> None:
    """Zero pixels go through CLIP and the projection; the garment's latents always reach its network."""
    model = tiny(image_dropout=0.0, text_dropout=0.0, both_dropout=1.0)
    given = prepared(model, 1, 2)
    clip: list[torch.Tensor] = []
    model.networks["image_encoder"].register_forward_pre_hook(
        lambda module, inputs, keywords: clip.append(keywords["pixel_values"]), with_kwargs=True
    )
    texts: list[torch.Tensor] = []
    model.networks["text_encoder"].register_forward_pre_hook(
        lambda module, inputs, keywords: texts.append(keywords["input_ids"]), with_kwargs=True
    )
    garments, passes = entering(model.garment_unet), entering(model.unet)
    model.loss(given, seeded(0))
    assert not clip[0].any() and clip[0].shape == (2, 3, 32, 32)
    assert texts[0].tolist() == [model.tokenizer("")] * 2
    assert len(garments) == len(passes) == 1 and garments[0].abs().mean() > 0
    plain = tiny(**NO_DROPOUT)
    kept = entering(plain.garment_unet)
    plain.loss(given, seeded(0))
    assert torch.equal(kept[0], garments[0])


@pytest.mark.parametrize(
    "changes", [{}, {"noise_offset": 0.0}, {"min_snr": 5.0}, {"zero_terminal_snr": True, "min_snr": 5.0}]
)
def test_loss_by_formula(changes: dict[str, Any]) -> None:
    """ε is offset noise and the target; draws in the documented order, worked with stock calls."""
    model = tiny(**NO_DROPOUT, **changes)
    given, generator = prepared(model, 1, 2, 3), seeded(5)

    def encode(images: torch.Tensor) -> torch.Tensor:
        posterior = model.vae.encode(images.float() / 127.5 - 1).latent_dist
        return (posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)) * 0.18215

    with torch.no_grad():
        person, garment = encode(given["person"]), encode(given["garment"])
    torch.rand(3, generator=generator)
    steps = torch.randint(0, 1000, (3,), generator=generator)
    noise = torch.randn(person.shape, generator=generator)
    noise = noise + model.config.noise_offset * torch.randn(3, 4, 1, 1, generator=generator)
    roots = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0).sqrt()
    if model.config.zero_terminal_snr:
        roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    signal = roots[steps].float().view(3, 1, 1, 1)
    noisy = signal * person + (1 - signal**2).sqrt() * noise
    with torch.no_grad():
        tokens = model.tokens(model.clip_states(given))
        states = model.networks["text_encoder"](input_ids=given["input_ids"]).last_hidden_state
        features = model.garment_features(garment, tokens)
        error = (model.predict(noisy, steps, model.condition(states, features)) - noise).square().mean(dim=(1, 2, 3))
    snr = (signal**2 / (1 - signal**2)).flatten()
    share = (snr.clamp(max=5.0) / snr) if model.config.min_snr else torch.ones(3)
    with torch.no_grad():
        assert torch.allclose(model.loss(given, seeded(5)), (error * share).mean(), rtol=1e-3)


@pytest.mark.parametrize("dropped", ["image_dropout", "text_dropout", "both_dropout"])
def test_dropout_of_what_was_encoded_is_dropout_of_what_is_seen(dropped: str) -> None:
    """Zeros go through CLIP's tower, and an empty text through its encoder, for the items that are to be without."""
    model = tiny(**(NO_DROPOUT | {dropped: 0.5}))
    records = [example(seed) for seed in range(1, 7)]
    pictures, encoded = batch(model.prepare(Purpose.VALIDATION), records), stored(model, records)
    nothing = encoded | {"clip_garment": encoded["clip_garment"] * 0}
    on_pictures, on_stored, on_nothing = (
        float(model.loss(given, seeded(3)).detach()) for given in (pictures, encoded, nothing)
    )
    assert abs(on_stored - on_pictures) < 2**-14 * on_pictures
    assert abs(on_nothing - on_pictures) > 2**-14 * on_pictures, "it would be noticed"


def test_training_is_on_plain_betas_unless_asked_and_sampling_always() -> None:
    assert imagdressing.Config().zero_terminal_snr is False
    plain, published = tiny(), tiny(zero_terminal_snr=True)
    assert plain.alphas[-1] > 0.004 and published.alphas[-1] == 0
    for model in (plain, published):
        scheduler = model.scheduler(Sampling(50))
        assert scheduler.alphas_cumprod[-1] > 0.004 and scheduler.timesteps.tolist() == list(range(981, 0, -20))


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_train_alike(mode: str) -> None:
    plain, saving = tiny(), tiny()
    memory.apply_memory(saving, mode, training=True)
    for model in (plain, saving):
        model.to("cpu").loss(prepared(model, 1, 2), seeded(0)).backward()
    for unet in (saving.garment_unet, saving.unet):  # the frozen one too: gradients pass it
        assert unet.is_gradient_checkpointing == (mode != "full")
    for name, parameter in plain.trainable().items():
        other = saving.trainable()[name].grad
        assert name in plain.unused() or torch.allclose(parameter.grad, other, rtol=1e-3, atol=1e-5), name


# Sampling


@pytest.mark.parametrize("changes", ABLATIONS)
@pytest.mark.parametrize("sequential", [False, True])
def test_the_garment_network_is_called_once_per_picture(changes: dict[str, bool], sequential: bool) -> None:
    model = tiny(**changes)
    garments, passes = entering(model.garment_unet), entering(model.unet)
    model.sample(prepared(model, 1, 2), Sampling(3), seeded(0), sequential_guidance=sequential)
    assert [len(one) for one in garments] == [2] and [len(one) for one in passes] == [2] * 6
    model.sample(prepared(model, 1), Sampling(3, guidance_scale=1.0), seeded(0))
    assert len(garments) == 2 and len(passes) == 9, "without guidance one branch"


def test_the_negative_branch_is_the_base_with_its_text_alone() -> None:
    model = tiny()
    given = prepared(model, 1)
    first, second = model.conditions(given, diffusion.Noises(seeded(0)), Sampling(2)).branches
    assert set(first) == {"encoder_hidden_states"} < set(second)
    stock = weights.random(UNet2DConditionModel, stable_diffusion.TINY_UNET)
    noisy, negative = torch.randn(1, 4, 16, 12, generator=seeded(1)), first["encoder_hidden_states"]
    text = "bare, naked, nude, undressed, monochrome, lowres, bad anatomy, worst quality, low quality"
    assert torch.equal(negative, model.states(torch.tensor([model.tokenizer(text)])))
    with torch.no_grad():
        assert torch.equal(model.predict(noisy, 7, first), stock(noisy, 7, encoder_hidden_states=negative).sample)


def test_without_strength_it_is_stock_stable_diffusion_to_the_bit() -> None:
    """λ 0 in every step; and at λ 1, to begin with, a whole second term is added."""
    model = tiny()
    given = prepared(model, 1)
    noisy = torch.randn(1, 4, 16, 12, generator=seeded(1))
    stock = weights.random(UNet2DConditionModel, stable_diffusion.TINY_UNET)
    for scale, same in ((0.0, True), (1.0, False)):
        both = model.conditions(given, diffusion.Noises(seeded(0)), Sampling(2, image_scale=scale)).branches[1]
        with torch.no_grad():
            plain = stock(noisy, 7, encoder_hidden_states=both["encoder_hidden_states"]).sample
            assert torch.equal(model.predict(noisy, 7, both), plain) == same


def test_no_noise_is_drawn_for_the_garment() -> None:
    model = tiny()
    drawn: list[str] = []

    class Counting(diffusion.Noises):
        def __call__(self, name: str, shape: Any, device: Any) -> torch.Tensor:
            drawn.append(name)
            return super().__call__(name, shape, device)

    model.conditions(prepared(model, 1), Counting(seeded(0)), Sampling(2))
    assert drawn == []


def test_concatenated_features_have_no_strength() -> None:
    model = tiny(**BASE_FUSION)
    with pytest.raises(UsageError, match=r"--image-scale 0.5 without hybrid attention; allowed is 1"):
        model.sample(prepared(model, 1), Sampling(1, image_scale=0.5), seeded(0))


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_equal_full(mode: str) -> None:
    model = tiny()
    given = prepared(model, 1, 2)
    full = model.sample(given, Sampling(3), seeded(0))
    memory.apply_memory(model, mode)
    assert torch.allclose(model.to("cpu").sample(given, Sampling(3), seeded(0)), full, atol=1e-4)
    assert set(model.denoisers) == {"unet", "garment_attention"}


def test_low_precision_weights_sample() -> None:
    model = tiny().to("cpu", torch.bfloat16)
    image = model.sample(prepared(model, 1), Sampling(2), seeded(0))
    assert image.dtype == torch.float32 and image.isfinite().all()


def test_a_picture_to_begin_with_is_noised_by_the_schedule_of_sampling() -> None:
    given = prepared(tiny(), 1)
    given["init_image"] = given["person"]
    found = [
        tiny(zero_terminal_snr=published).sample(given, Sampling(4, strength=strength), seeded(0))
        for published in (False, True)
        for strength in (0.5, 1.0)
    ]
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    del given["init_image"]
    assert torch.equal(found[1], tiny().sample(given, Sampling(4), seeded(0))), "at strength 1 nothing of it is read"


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_dropout": 1.5}, "image_dropout 1.5; allowed is 0 to 1"),
        ({"text_dropout": 0.6, "both_dropout": 0.6}, "is more than 1"),
        ({"noise_offset": -1.0}, "noise_offset -1.0; allowed is 0 or more"),
        ({"min_snr": float("inf")}, "min_snr inf"),
        ({"flat_pictures": "crop"}, "flat_pictures 'crop'; allowed are pad, filter"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Config(**changes)


def test_sizes_the_network_cannot_hold() -> None:
    with pytest.raises(UsageError, match="nearest is 640x512"):
        imagdressing.build(Config(height=650))


def test_presets_are_the_papers_recipe() -> None:
    paper = imagdressing.PRESETS["igpair"]
    assert (paper.height, paper.width, paper.steps, paper.global_batch_size) == (640, 512, 200_000, 50)
    assert (paper.learning_rate, paper.lr_schedule, paper.lr_warmup_steps) == (5e-5, "constant_with_warmup", 2000)
    assert paper.model == {} and paper.weight_decay == 0.01
    assert imagdressing.PRESETS["igpair-base"].model == BASE_FUSION
    assert Sampling() == Sampling(50, 7.5, 1.0, 0.0, 1.0)
    assert Sampling().prompt("") == "A beautiful woman, best quality, high quality"
    assert Sampling(quality_prompt="").prompt("a man") == "a man"


# Learning


def test_one_pair_is_learnt() -> None:
    """Loss on noise that training never sees; over a frozen random denoiser a garment network reaches about 1.2."""
    model = tiny(**NO_DROPOUT)
    frozen = {name: p.clone() for name, p in model.parameters().items() if not p.requires_grad}
    given = prepared(model, 1, 1)

    def held_out() -> float:
        quarters = torch.arange(8).view(4, 2) * 125 + 60
        with torch.no_grad():
            return sum(float(model.loss(given, seeded(10**6), timesteps=steps)) for steps in quarters)

    before = held_out()
    trained = [p for name, p in model.trainable().items() if name not in model.unused()]
    optimizer = torch.optim.AdamW(trained, lr=5e-3)
    for step in range(60):
        optimizer.zero_grad()
        model.loss(given, seeded(step)).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    assert before / held_out() >= 1.1
    assert all(torch.equal(model.parameters()[name], value) for name, value in frozen.items())
    assert attention.SCALE in model.recalled
