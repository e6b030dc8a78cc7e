"""CatVTON's files: bases in diffusers' layout, published attention files, and its own."""

import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from safetensors.torch import save_file  # noqa: E402
from support.model_records import batch, example  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from schemas.folders import atomic  # noqa: E402
from vton_models import catvton  # noqa: E402
from vton_models.catvton import Config, official  # noqa: E402
from vton_models.networks import digests, weights  # noqa: E402
from vton_models.system import Purpose  # noqa: E402


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return catvton.build(Config.tiny(**changes))


def prepared(model, *seeds):
    return batch(model.prepare(Purpose.TRAINING), [example(seed) for seed in seeds])


@pytest.fixture
def base(tmp_path):
    model = tiny()
    with torch.no_grad():
        for parameter in model.parameters().values():
            parameter.mul_(1.01)
    model.save_base(tmp_path / "base")
    return tmp_path / "base"


def test_a_base_brings_its_own_configuration(base):
    with torch.device("meta"):
        model = catvton.build(Config(height=64, width=64))
    model.load_base(base)
    assert model.config.unet["block_out_channels"] == (32, 32) and model.base["path"] == str(base)
    assert torch.allclose(model.unet.conv_in.weight, tiny().unet.conv_in.weight * 1.01)
    assert len(model.trainable()) == 4 * 5 and model.base["digest"].startswith("sha256:")
    assert model.loss(prepared(model, 1), seeded(0)).isfinite()
    again = catvton.build(model.config)
    assert digests.of_networks(again.networks) != model.base["digest"], "the configuration alone gives random weights"


def test_a_base_of_the_other_kind_is_refused(base):
    model = tiny(mask_free=True)
    with pytest.raises(UsageError, match="9 input channels; allowed are 8"):
        model.load_base(base)
    with pytest.raises(UsageError, match="nowhere doesn't exist"):
        model.load_base(base / "nowhere")
    with pytest.raises(UsageError, match="unet/unet holds no config.json"):
        model.load_base(base / "unet")
    assert model.config == Config.tiny(mask_free=True)


def test_official_attention_round_trip_after_a_step_at_rate_zero(tmp_path):
    model = tiny()
    model.save_official(tmp_path / "before")
    optimizer = torch.optim.AdamW(model.trainable().values(), lr=0.0)
    model.loss(prepared(model, 1), seeded(0)).backward()
    optimizer.step()
    model.save_official(tmp_path / "after")
    before, after = (tmp_path / name / "attention" / "model.safetensors" for name in ("before", "after"))
    assert before.read_bytes() == after.read_bytes() and weights.metadata(after) == {"format": "pt"}
    tensors = weights.read(after)
    suffixes = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
    assert set(tensors) == {f"{8 * k}.{suffix}" for k in range(4) for suffix in suffixes}
    weights.write(after, {name: tensor.half() + 1 for name, tensor in tensors.items()})
    model.load_official(tmp_path / "after")
    mid = model.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.weight
    assert torch.equal(mid, (tensors["24.to_q.weight"].half() + 1).float())


def test_official_layout_at_full_size():
    with torch.device("meta"):
        model = catvton.build(Config())
    numbered = official.numbered_attention(model.unet)
    assert len(numbered) == 80 and sum(p.numel() for p in numbered.values()) == 49_574_080
    assert {int(name.split(".")[0]) for name in numbered} == set(range(0, 128, 8))
    widths = [320] * 2 + [640] * 2 + [1280] * 5 + [640] * 3 + [320] * 3 + [1280]
    assert [numbered[f"{8 * k}.to_q.weight"].shape[0] for k in range(16)] == widths
    assert set(map(id, numbered.values())) == set(map(id, model.trainable().values()))


def test_official_files_are_found_and_checked(tmp_path):
    model = tiny()
    for name in ("mix-48k-1024", "vitonhd-16k-512"):
        model.save_official(tmp_path / name)
    with pytest.raises(UsageError, match="holds mix-48k-1024, vitonhd-16k-512; name one"):
        model.load_official(tmp_path)
    model.load_official(tmp_path / "mix-48k-1024")
    file = tmp_path / "mix-48k-1024" / "attention" / "model.safetensors"
    model.load_official(file)
    tensors = weights.read(file)
    del tensors["8.to_q.weight"]
    weights.write(file, tensors | {"7.to_q.weight": torch.ones(1)})
    with pytest.raises(ValueError, match="1 keys missing, 1 unexpected, as missing '8.to_q.weight'"):
        model.load_official(file)
    save_file(tensors, file)
    with pytest.raises(ValueError, match="metadata"):
        model.load_official(file)
    with pytest.raises(UsageError, match="no such file or folder"):
        model.load_official(tmp_path / "nowhere")


@pytest.mark.parametrize("trainable", ["transformer", "unet"])
def test_official_unet_folder_round_trip(tmp_path, trainable):
    model, other = tiny(trainable=trainable), tiny(trainable=trainable)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(1)
    model.save_official(tmp_path / "made")
    other.load_official(tmp_path / "made")
    assert all(torch.equal(p, other.trainable()[name]) for name, p in model.trainable().items())


def test_own_files_belong_to_their_base_and_model(tmp_path, base):
    model = tiny()
    model.load_base(base)
    model.save(tmp_path / "run", {"steps": 3})
    noted = weights.read_json(tmp_path / "run" / "config.json")
    assert noted["model"] == "catvton" and noted["steps"] == 3 and noted["base"]["path"] == str(base)
    assert weights.config_from_json(Config, noted["config"]) == model.config
    with pytest.raises(UsageError, match="was trained from base sha256"):
        tiny().load(tmp_path / "run")
    atomic.write_json(tmp_path / "run" / "config.json", noted | {"model": "anydoor"})
    with pytest.raises(UsageError, match="holds model 'anydoor'; allowed is 'catvton'"):
        model.load(tmp_path / "run")


def test_text_comes_from_the_base(tmp_path):
    from transformers import CLIPTokenizer

    made = tiny(text_cross_attention=True)
    made.save_base(tmp_path / "words")
    again = tiny(text_cross_attention=True)
    again.load_base(tmp_path / "words")
    assert again.prepare(Purpose.TRAINING) == made.prepare(Purpose.TRAINING) and again.networks.keys() == {
        "unet",
        "vae",
        "text_encoder",
    }
    letters = [letter + end for letter in "aderst" for end in ("", "</w>")]
    vocabulary = {word: place for place, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    shutil.rmtree(tmp_path / "words" / "tokenizer")
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(tmp_path / "words" / "tokenizer")
    again.load_base(tmp_path / "words")
    ids = again.prepare(Purpose.RECORDS)(example(1) | {"caption": "red"})["input_ids"].tolist()
    start, end = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]
    assert ids == [start, vocabulary["r"], vocabulary["e"], vocabulary["d</w>"], *[end] * 8]
    assert again.prepare(Purpose.RECORDS)(example(1) | {"caption": None})["input_ids"].tolist() == [start, *[end] * 11]
    shutil.rmtree(tmp_path / "words" / "tokenizer")
    with pytest.raises(UsageError, match="can't be loaded as a CLIP tokenizer"):
        again.load_base(tmp_path / "words")
