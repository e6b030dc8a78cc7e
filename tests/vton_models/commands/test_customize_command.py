"""`customize`: one pair as a shard, trained by the one loop; what isn't trained stays as it was started from."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.model_records import example  # noqa: E402

import annotators  # noqa: E402
import vton_models  # noqa: E402
from schemas import codecs, labels  # noqa: E402
from schemas.cli.flags import UsageError  # noqa: E402
from vton_models.commands import customize, sample  # noqa: E402
from vton_models.reading.dataset import ShardDataset  # noqa: E402
from vton_models.training import loading  # noqa: E402


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    """Files by their flags."""
    record = example(1)
    mask = np.zeros((96, 72), np.uint8)
    mask[30:70, 20:50] = 255
    pictures = {
        "person": record["person_image"],
        "garment": record["garment_image"],
        "densepose": record["densepose_image"],
        "mask": mask,
    }
    for name, picture in pictures.items():
        (tmp_path / f"{name}.png").write_bytes(codecs.encode_png(picture))
    return {f"--{name}": str(tmp_path / f"{name}.png") for name in pictures}


def line(photos: dict[str, str], *more: str) -> list[str]:
    return ["idm_vton", *(word for pair in photos.items() for word in pair), *more]


def held_out(model: Any, pair: Path) -> float:
    """The loss on noise that training never sees."""
    from vton_models.reading import view
    from vton_models.reading.catalogue import catalogue
    from vton_models.system import Purpose

    seen = view.view(model.config.reads("tryon"), catalogue([str(pair)], None, None, None))
    prepare = view.Viewed(seen, model.prepare(Purpose.VALIDATION))
    dataset = ShardDataset(str(pair), seen.columns, shuffle=False, rank=0, world_size=1, batch_size=1, prepare=prepare)
    (batch,) = dataset
    with torch.no_grad():
        losses = [
            float(model.loss(batch, torch.Generator().manual_seed(10**6), timesteps=torch.tensor([timestep])))
            for timestep in range(60, 1000, 125)
        ]
    return sum(losses)


def test_a_pair_is_learnt_by_the_chosen_layers_alone(photos: dict[str, str], tmp_path: Path) -> None:
    random = ("--weights", "random", "--tiny", "--device", "cpu", "--output", str(tmp_path / "run"))
    settings = ("--steps", "40", "--learning-rate", "1e-2", "--garment-caption", "Long Sleeve T-shirts")
    assert customize.main(line(photos, *random, *settings)) == 0
    described = json.loads((tmp_path / "run" / "config.json").read_text())
    assert described["training"]["optimizer"] == "adam" and described["training"]["global_batch_size"] == 1
    assert described["config"]["trainable"] == "attention_ip" and described["data"][0]["dataset"] == "customize"
    (record,) = ShardDataset(str(tmp_path / "run" / "pair"), shuffle=False, rank=0, world_size=1)
    assert record["garment_caption"] == "Long Sleeve T-shirts" and record["category"] == "upper_body"
    assert np.array_equal(record["agnostic_mask"], codecs.decode_mask(Path(photos["--mask"]).read_bytes()))
    _, trained, _ = loading.load(tmp_path / "run")
    _, before, _ = loading.load(tmp_path / "run")
    before.load_base(tmp_path / "run" / "base")
    after = {name: parameter.detach() for name, parameter in trained.parameters().items()}
    changed = {name for name, p in before.parameters().items() if not torch.equal(p, after[name])}
    assert changed and changed <= set(trained.trainable())
    assert all(re.search(r"^unet\.up_blocks\..*\.attn[12]\.|^ip_adapter\.ip_adapter\.", name) for name in changed)
    pair = tmp_path / "run" / "pair"
    assert held_out(trained, pair) < 0.95 * held_out(before, pair)


def test_a_run_that_trained_more_lies_beneath(photos: dict[str, str], tmp_path: Path) -> None:
    """Its frozen part too: of the customised run nothing is the base's that the first one had changed."""
    small = ("--device", "cpu", "--steps", "2", "--learning-rate", "1e-2")
    first = ("--weights", "random", "--tiny", "--layers", "decoder", "--output", str(tmp_path / "first"))
    assert customize.main(line(photos, *first, *small)) == 0
    second = ("--weights", str(tmp_path / "first"), "--layers", "attention", "--output", str(tmp_path / "second"))
    assert customize.main(line(photos, *second, *small)) == 0
    models = [loading.load(tmp_path / name)[1] for name in ("first", "second")]
    parameters = [model.parameters() for model in models]
    trained = models[1].trainable().keys()
    assert trained < models[0].trainable().keys()
    for name, parameter in parameters[0].items():
        assert torch.equal(parameter, parameters[1][name]) == (name not in trained), name
    assert models[0].digest() != models[1].digest()


def test_published_weights_stay_beneath_what_is_trained_of_them(photos: dict[str, str], tmp_path: Path) -> None:
    system = vton_models.load("idm_vton")
    published = system.build(system.Config.tiny())
    published.save_base(tmp_path / "base")
    with torch.no_grad():
        for parameter in published.trainable().values():
            parameter.mul_(1.5)
    published.save_official(tmp_path / "official")
    start = ("--weights", f"base:{tmp_path / 'base'}", "--official", str(tmp_path / "official"))
    small = ("--height", "64", "--width", "64", "--device", "cpu", "--steps", "1", "--layers", "attention")
    assert customize.main(line(photos, *start, *small, "--output", str(tmp_path / "run"))) == 0
    _, model, _ = loading.load(tmp_path / "run")
    for name, parameter in published.parameters().items():
        assert torch.equal(parameter, model.parameters()[name]) or name in model.trainable(), name


def test_without_a_garment_the_worn_one_is_cut_out(
    photos: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del photos["--garment"]
    parse = np.zeros((96, 72), np.uint8)
    parse[30:60, 20:50] = labels.Cihp.UPPER_CLOTHES
    annotate = annotators.annotate

    def parsed(records: list[dict[str, Any]], want: tuple[str, ...], **settings: Any) -> list[dict[str, Any]]:
        if want == ("parse",):
            return [record | {"parse": parse} for record in records]
        return annotate(records, want, **settings)

    monkeypatch.setattr(annotators, "annotate", parsed)
    monkeypatch.setattr("vton_models.sampling.photo_masks.missing", lambda configs, column: [])
    words = line(photos, "--weights", "random", "--tiny", "--output", str(tmp_path / "run"), "--device", "cpu")
    flags = customize.Flags(person=photos["--person"], weights="random")
    cut = customize.cut_out(codecs.decode_image(Path(photos["--person"]).read_bytes()), flags, "cpu")
    assert customize.main([*words, "--steps", "1"]) == 0
    (record,) = ShardDataset(str(tmp_path / "run" / "pair"), shuffle=False, rank=0, world_size=1)
    person = record["person_image"]
    assert np.array_equal(record["garment_image"], cut) and (cut == 255).all(axis=2).any()
    worn = ~(cut == 255).all(axis=2)
    assert worn.any() and {tuple(colour) for colour in cut[worn]} <= {tuple(c) for c in person.reshape(-1, 3)}


@pytest.mark.parametrize(
    "more, message",
    [
        (("--layers", "all"), "--layers all; allowed are attention_ip, attention, attentions, decoder"),
        (("--trainable", "decoder"), "--trainable beside customize, where --layers says it"),
        (("--official", "x"), "--official stands beside --weights base:PATH"),
        (("--category", "hats"), "hats"),
    ],
)
def test_wrong_lines(photos: dict[str, str], tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    with pytest.raises((UsageError, SystemExit), match=None if message == "hats" else re.escape(message)):
        customize.main(line(photos, "--weights", str(tmp_path), "--output", str(tmp_path / "run"), *more))
    assert not (tmp_path / "run").exists()


def test_other_systems_say_that_they_cannot(photos: dict[str, str], tmp_path: Path) -> None:
    words = line(photos, "--weights", "random", "--tiny", "--output", str(tmp_path / "run"))
    with pytest.raises(UsageError, match="catvton can't be customised"):
        customize.main(["catvton", *words[1:]])


def test_a_strangers_pair_is_not_replaced(photos: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run" / "pair").mkdir(parents=True)
    (tmp_path / "run" / "pair" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="was not made by `customize`"):
        customize.main(line(photos, "--weights", "random", "--tiny", "--output", str(tmp_path / "run")))
    assert (tmp_path / "run" / "pair" / "mine.txt").read_text() == "mine"


def test_photos_are_sampled_with_their_densepose_picture(photos: dict[str, str], tmp_path: Path) -> None:
    weights = ("--weights", "random", "--tiny", "--device", "cpu", "--num-inference-steps", "2")
    assert sample.main(line(photos, *weights, "--output", str(tmp_path / "samples"))) == 0
    described = json.loads((tmp_path / "samples" / "config.json").read_text())
    assert set(described["photos"]["columns"]) == {"densepose_image"}
    without = {flag: path for flag, path in photos.items() if flag != "--densepose"}
    with pytest.raises(UsageError, match="needs a densepose_image.*--densepose FILE.*annotators fetch"):
        sample.main(line(without, *weights, "--output", str(tmp_path / "other"), "--annotator-weights", str(tmp_path)))
    with pytest.raises(UsageError, match="--densepose .*: this system reads no densepose_image"):
        sample.main(["catvton", *line(photos, *weights, "--output", str(tmp_path / "more"))[1:]])
