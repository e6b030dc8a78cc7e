"""The shared base of diffusion systems, by a system that differs from CatVTON where the next ones do.

Two U-Nets (OOTDiffusion's shape): the garment's is passed once and remembered before `norm1`; conditions are unscaled
modes; guidance is on at scale 1; the loss is plain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from vton_models.networks import diffusion, garment_network, latents, memory, sizes, stable_diffusion  # noqa: E402
from vton_models.networks.components import Network  # noqa: E402
from vton_models.networks.diffusion_model import Conditions  # noqa: E402
from vton_models.networks.garment_network import GarmentNetworkModel  # noqa: E402


@dataclass(frozen=True)
class Config:
    height: int = 32
    width: int = 32
    unet: dict[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> dict[str, Network]:
        tiny = stable_diffusion.TINY_UNET
        return {
            "unet": stable_diffusion.unet(tiny | {"in_channels": 8} | self.unet, (".",)),
            "garment_unet": stable_diffusion.unet(tiny, (".",), published="unet"),
            "vae": stable_diffusion.vae(stable_diffusion.TINY_VAE),
        }

    @property
    def scheduler_arguments(self) -> dict[str, Any]:
        return stable_diffusion.SCHEDULER

    def check_size(self) -> None:
        unit = sizes.units(self.networks["vae"].arguments, self.networks["unet"].arguments)[1]
        sizes.check("two", self.height, self.width, (unit, unit))


@dataclass(frozen=True)
class Settings:
    num_inference_steps: int = 2
    guidance_scale: float = 1.0
    eta: float = 0.0


class TwoNets(GarmentNetworkModel):
    name = "two"
    pre_norm = True

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        clean = self.encode(seen["person"], noises, "person")
        drawn = diffusion.uniform_timesteps(len(clean), len(self.alphas), generator)
        noise = noises("noise", clean.shape, self.device)
        noisy = diffusion.add_noise(self.alphas, clean, noise, drawn)
        features = self.garment_features(self._garment(seen), _states(len(clean)))
        return F.mse_loss(self.predict(noisy, drawn, self._condition(seen, features)), noise)

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Settings) -> Conditions:
        garment = self._garment(seen)
        garments = torch.cat([torch.zeros_like(garment), garment])
        both = self.garment_features(garments, _states(len(garments)))
        halves = ({block: tokens.chunk(2)[half] for block, tokens in both.items()} for half in (0, 1))
        return Conditions([self._condition(seen, features) for features in halves], garment.shape)

    def _garment(self, seen: Mapping[str, Tensor]) -> Tensor:
        return self.encode(seen["garment"], None, scaled=False)

    def _condition(self, seen: Mapping[str, Tensor], features: garment_network.Features) -> diffusion.Condition:
        person = self.encode(self.masked(seen["person"], seen["mask"]), None, scaled=False)
        states = _states(len(person))
        return {"channels": person, "encoder_hidden_states": states, **garment_network.entries(features)}

    def load_official(self, path: str | Path) -> None:
        """Nothing is published."""

    def save_official(self, path: str | Path) -> None:
        """Nothing is published."""


def _states(items: int) -> Tensor:
    return torch.zeros(items, 2, 16)


@pytest.fixture
def model() -> TwoNets:
    return TwoNets(Config())


def batch(*seeds: int) -> dict[str, Tensor]:
    def draw(seed: int, channels: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 256, (channels, 32, 32), generator=generator, dtype=torch.uint8)

    names = {"person": (0, 3), "garment": (100, 3), "mask": (200, 1)}
    return {name: torch.stack([draw(seed + more, n) for seed in seeds]) for name, (more, n) in names.items()}


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_both_networks_are_trained_and_come_from_one_published_one(model: TwoNets, tmp_path: Path) -> None:
    model.loss(batch(1, 2), torch.Generator().manual_seed(0)).backward()
    for name in ("unet", "garment_unet"):
        assert any(p.grad is not None and p.grad.any() for p in model.networks[name].parameters()), name
    assert not any(parameter.requires_grad for parameter in model.vae.parameters())
    model.save_base(tmp_path / "own")
    published = tmp_path / "published"
    published.mkdir()
    (tmp_path / "own/garment_unet").rename(published / "unet")
    (tmp_path / "own/vae").rename(published / "vae")
    again = TwoNets(Config())
    again.load_base(f"{published},unet={tmp_path / 'own'}")
    assert torch.equal(again.sample(batch(3), Settings(), seeded(3)), model.sample(batch(3), Settings(), seeded(3)))


def test_guidance_is_the_systems_and_a_batch_equals_singles(model: TwoNets) -> None:
    together = model.sample(batch(1, 2), Settings(), seeded(1, 2))
    for place, seed in enumerate((1, 2)):
        alone = model.sample(batch(seed), Settings(), seeded(seed), sequential_guidance=True)
        assert torch.allclose(together[place : place + 1], alone, atol=1e-4)
    seen: list[Tensor] = []
    model.sample(batch(1), Settings(3), seeded(1), on_step=lambda index, noisy: seen.append(noisy))
    assert [one.shape for one in seen] == [(1, 4, 8, 8)] * 3


def test_encoding_is_scaled_or_not_and_of_a_draw_or_the_mode(model: TwoNets) -> None:
    person, scale = batch(1)["person"], stable_diffusion.VAE["scaling_factor"]
    mean = model.vae.encode(latents.to_pixels(person)).latent_dist.mean
    assert torch.allclose(model.encode(person, None, scaled=False), mean, atol=1e-6)
    assert torch.allclose(model.encode(person, None), mean * scale, atol=1e-6)
    fixed = diffusion.Noises(seeded(0)[0], {"x": torch.zeros(1, 4, 8, 8)})
    assert torch.allclose(model.encode(person, fixed, "x"), mean * scale, atol=1e-6)


def test_networks_that_work_together_are_there_together(model: TwoNets, monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[tuple[str, ...]] = []
    real: Callable[..., Any] = memory.at_work
    monkeypatch.setattr(memory, "at_work", lambda model, *names: (lent.append(names), real(model, *names))[1])
    model.sample(batch(1), Settings(), seeded(1))
    assert lent == [("garment_unet",), ("unet",), ("vae",)]


def test_the_garment_network_is_passed_once_for_all_branches_and_steps(model: TwoNets) -> None:
    passes: list[int] = []
    model.garment_unet.register_forward_hook(lambda module, entering, output: passes.append(len(entering[0])))
    model.sample(batch(1, 2, 3), Settings(4), seeded(1, 2, 3), sequential_guidance=True)
    assert passes == [6], "one batch of the garments and zeros"


def test_what_is_unused_gets_no_gradient_and_all_else_does(model: TwoNets) -> None:
    model.loss(batch(1), torch.Generator().manual_seed(0)).backward()
    without = {name for name, parameter in model.trainable().items() if parameter.grad is None}
    assert without == model.unused() and any(name.startswith("garment_unet.conv_out") for name in without)


def test_features_travel_in_conditions_and_can_be_null_or_scaled() -> None:
    features = {"a": torch.ones(2, 3, 4), "b": torch.full((2, 1, 4), 2.0)}
    condition = {"channels": None, **garment_network.entries(features)}
    assert garment_network.features_of(condition) == features
    assert all(not tokens.any() for tokens in garment_network.null(features).values())
    kept = garment_network.scaled(features, torch.tensor([1.0, 0.0]))
    assert all(torch.equal(kept[name][0], features[name][0]) and not kept[name][1].any() for name in features)


def test_the_size_follows_from_the_networks() -> None:
    Config().check_size()
    with pytest.raises(ValueError, match="multiples of 8"):
        Config(height=36).check_size()


def test_an_outer_loan_of_networks_outlives_an_inner_one(model: TwoNets) -> None:
    """To the device "meta", as there is no accelerator; what comes back are the tensors that left."""
    unet, own = model.unet, dict(model.unet.named_parameters())
    model.offload, model.device = True, torch.device("meta")
    with memory.at_work(model, "unet"):
        with memory.at_work(model, "unet", "vae"):
            assert unet.device.type == model.vae.device.type == "meta"
        assert unet.device.type == "meta" and model.vae.device.type == "cpu"
        assert {name for name, one in unet.named_parameters() if one.requires_grad} == set(own)
    assert all(own[name] is one for name, one in unet.named_parameters())
