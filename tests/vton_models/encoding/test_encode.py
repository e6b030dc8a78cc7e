"""Shards with what frozen networks make of their records."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import finished, small_shards
from support.helpers import rows as stored_rows
from support.locking import held_elsewhere

from pipelines import validate
from schemas import fields
from schemas.cli.flags import UsageError
from schemas.finished.rewriting import Rewriting
from schemas.folders import atomic, open_folder

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from vton_models import catvton  # noqa: E402
from vton_models.commands import encode  # noqa: E402
from vton_models.networks import latents  # noqa: E402
from vton_models.networks.diffusion_model import DiffusionModel  # noqa: E402
from vton_models.reading import decoding  # noqa: E402
from vton_models.system import Purpose  # noqa: E402

RANDOM = ("--weights", "random", "--tiny")
COLUMNS = ("latents_person_image", "latents_masked_person_image", "latents_garment_image")


def change(number: int, row: dict[str, Any]) -> None:
    """Record 1 has no mask, record 5 a damaged garment; all say where the person comes from."""
    if number == 1:
        row["agnostic_mask"] = None
    if number == 5:
        row["garment_image"] = {"bytes": row["garment_image"]["bytes"][:-200], "path": "x.png"}
    row["provenance"] = [
        {"column": "person_image", "origin": "dataset", "annotator": None, "digest": "d", "note": None}
    ]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shards.write(tmp_path_factory.mktemp("small") / "shards", 8, change)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, the last line of stdout, stderr."""
    code = encode.main(["catvton", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]), captured.err


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """Mean and std by the tiny VAE's own interface, of the pictures as training sees them."""
    model = catvton.build(catvton.Config.tiny())
    photos = ("person_image", "garment_image")
    record = {name: decoding.decode_image(row[name]["bytes"], model.config.decode_size) for name in photos}
    record["agnostic_mask"] = decoding.decode_mask(row["agnostic_mask"]["bytes"], model.config.decode_size)
    prepared = model.prepare(Purpose.VALIDATION)(record)
    person, garment = (prepared[name].float() / 127.5 - 1 for name in ("person", "garment"))
    masked = person * (prepared["mask"] < 128)
    with torch.no_grad():
        posteriors = [model.vae.encode(one[None]).latent_dist for one in (person, masked, garment)]
    return {
        name: torch.cat([one.mean, one.std]).numpy().astype(np.float16)
        for name, one in zip(COLUMNS, posteriors, strict=True)
    }


def test_new_shards(capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, line, told = run(capsys, *RANDOM, "--shards", shards, "--output", out, "--max-reject-rate", 0.2)
    assert (code, line["records"], line["encoded"], line["rejects"]) == (0, 7, 6, 1)
    assert "1 of 7 records lacks one of person_image, agnostic_mask, garment_image" in told
    before = {row["record_id"]: row for row in stored_rows(shards)}
    manifest = json.loads((out / "manifest.json").read_text())
    digest = catvton.build(catvton.Config.tiny()).base["networks"]["vae"]["digest"].removeprefix("sha256:")
    for row in stored_rows(out):
        old, without_mask = before[row["record_id"]], row["record_id"].endswith("1")
        for column in set(old) - {"provenance"}:
            assert row[column] == old[column], f"{column} is as it was stored"
        assert row["provenance"][:1] == old["provenance"]
        origins = {entry["column"]: entry for entry in row["provenance"][1:]}
        if without_mask:
            assert not origins and all(row[column] is None for column in COLUMNS)
            continue
        assert tuple(origins) == COLUMNS
        entry = {"origin": "annotator", "annotator": "catvton/vae", "digest": digest, "note": "height 64, width 48"}
        assert all(origins[column] == {"column": column, **entry} for column in COLUMNS)
        for column, values in expected(row).items():
            stored = np.load(io.BytesIO(row[column]["bytes"]))
            assert stored.dtype == np.float16 and stored.shape == (2, 4, 16, 12)
            np.testing.assert_allclose(stored.astype(float), values.astype(float), rtol=2e-3, atol=1e-5)
    rejected = pq.read_table(out / "rejects.parquet").to_pylist()
    assert [(row["record_id"], row["stage"], row["error"]) for row in rejected] == [
        ("small/train/00005", "read", "undecodable")
    ]
    assert manifest["annotators"]["catvton/vae"]["weights_sha256"] == digest and manifest["licence"] == "CC0-1.0"
    assert manifest["columns"][COLUMNS[0]]["origins"] == {"annotator": 6}
    assert str(tmp_path) not in (out / "manifest.json").read_text() + (out / "config.json").read_text()
    assert digest in (out / "README.md").read_text()
    assert validate.validate(open_folder(str(out))).problems == []
    again = run(capsys, *RANDOM, "--shards", shards, "--output", out, "--max-reject-rate", 0.2)
    assert (again[0], again[1]["skipped_shards"]) == (0, 1)
    assert run(capsys, *RANDOM, "--shards", shards, "--output", out)[0] == 3, "more rejects than a tenth"


def test_the_schema_tells_what_they_are_made_of_and_by(capsys: Any, shards: Path, tmp_path: Path) -> None:
    run(capsys, *RANDOM, "--shards", shards, "--output", tmp_path / "out")
    schema = pq.read_schema(next((tmp_path / "out").glob("train-*.parquet")))
    assert tuple(schema.names[-3:]) == COLUMNS and all(fields.is_tensor(schema.field(name)) for name in COLUMNS)
    assert fields.sources(schema.field("latents_masked_person_image")) == ("person_image", "agnostic_mask")
    made = json.loads(fields.maker(schema.field("latents_garment_image")))
    assert (made["model"], made["network"], made["height"], made["width"]) == ("catvton", "vae", 64, 48)


def test_captions_and_mask_free(capsys: Any, tmp_path: Path) -> None:
    rows = [small_shards.row(number) for number in range(3)]
    more = [{"caption": None if n else "a red shirt", "source_person_image": rows[n]["person_image"]} for n in range(3)]
    folder = finished.write(tmp_path / "shards", [row | two for row, two in zip(rows, more, strict=True)])
    words = (*RANDOM, "--mask-free", "--text-cross-attention", "--shards", folder, "--output", tmp_path / "out")
    assert run(capsys, *words)[0] == 0
    rows = stored_rows(tmp_path / "out")
    assert all(row["latents_source_person_image"]["bytes"] == row["latents_person_image"]["bytes"] for row in rows)
    model = catvton.build(catvton.Config.tiny(mask_free=True, text_cross_attention=True))
    for row, caption in zip(rows, ("a red shirt", "", ""), strict=True):
        ids = torch.tensor([model.tokenizer(caption)])
        states = model.networks["text_encoder"](input_ids=ids).last_hidden_state[0].detach().numpy()
        stored = np.load(io.BytesIO(row["text_embeddings"]["bytes"]))
        np.testing.assert_allclose(stored.astype(float), states.astype(float), rtol=2e-3, atol=2e-3)


def test_some_networks_alone(capsys: Any, tmp_path: Path) -> None:
    """Of a system that crops photos at random, what training can read."""
    folder = finished.write(tmp_path / "shards", [small_shards.row(number) for number in range(2)])
    words = ["imagdressing", *RANDOM, "--shards", str(folder), "--output", str(tmp_path / "out")]
    assert encode.main([*words, "--networks", "image_encoder"]) == 0
    row = stored_rows(tmp_path / "out")[0]
    assert [name for name in row if name.startswith(("latents", "clip", "text"))] == ["clip_tokens_garment_image"]
    assert np.load(io.BytesIO(row["clip_tokens_garment_image"]["bytes"])).shape == (17, 16)
    with pytest.raises(UsageError, match="holds another folder of encoded shards"):
        encode.main(words)


def dying_write(after: int) -> Callable[..., Any]:
    """`Rewriting.write`, which dies in the middle of the shard after so many."""
    real, count = Rewriting.write, [0]

    def write(self: Rewriting, name: str, split: str, change: Any) -> Any:
        count[0] += 1
        if count[0] <= after:
            return real(self, name, split, change)

        def broken(rows: Any, rejects: Any) -> Any:
            for number, row in enumerate(change(rows, rejects)):
                if number:
                    raise KeyboardInterrupt
                yield row

        return real(self, name, split, broken)

    return write


def test_killed_and_started_again(capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished.write(tmp_path / "shards", [small_shards.row(number) for number in range(5)])
    words = (*RANDOM, "--shards", folder, "--batch-size", 2, "--output")
    run(capsys, *words, tmp_path / "whole")
    for after in (0, 1):
        monkeypatch.setattr(Rewriting, "write", dying_write(after))
        with pytest.raises(KeyboardInterrupt):
            run(capsys, *words, tmp_path / "killed")
        monkeypatch.undo()
        assert not (tmp_path / "killed/manifest.json").exists(), "readers refuse it as unfinished"
    monkeypatch.setattr(atomic, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(capsys, *words, tmp_path / "killed")
    monkeypatch.undo()
    _, line, _ = run(capsys, *words, tmp_path / "killed")
    assert line["skipped_shards"] >= 1 and tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_other_settings_are_other_shards(capsys: Any, shards: Path, tmp_path: Path) -> None:
    words = (*RANDOM, "--shards", shards, "--output", tmp_path / "out")
    run(capsys, *words)
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds another folder of encoded shards"):
        run(capsys, *words, "--height", 128, "--width", 96)
    assert run(capsys, *words, "--height", 128, "--width", 96, "--overwrite")[1]["skipped_shards"] == 0
    row = stored_rows(tmp_path / "out")[0]
    assert np.load(io.BytesIO(row[COLUMNS[0]]["bytes"])).shape == (2, 4, 32, 24)
    assert (tmp_path / "out/mine.txt").read_text() == "mine"
    again = (*RANDOM, "--shards", tmp_path / "out", "--output", tmp_path / "again")
    run(capsys, *again)
    once_more = stored_rows(tmp_path / "again")[0]
    assert np.load(io.BytesIO(once_more[COLUMNS[0]]["bytes"])).shape == (2, 4, 16, 12), "encoded anew"
    assert [entry["column"] for entry in once_more["provenance"]] == ["person_image", *COLUMNS]


def test_what_is_not_finite_is_a_reject(
    capsys: Any, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DiffusionModel.encoded

    def spoilt(self: Any, batch: Any, encodes: Any) -> Any:
        results = real(self, batch, encodes)
        results["latents_garment_image"][0] *= torch.inf
        return results

    monkeypatch.setattr(DiffusionModel, "encoded", spoilt)
    words = (*RANDOM, "--shards", shards, "--output", tmp_path / "out", "--max-reject-rate", 1, "--batch-size", 8)
    assert run(capsys, *words)[1]["rejects"] == 2
    rejected = pq.read_table(tmp_path / "out/rejects.parquet").to_pylist()
    assert [(row["stage"], row["error"]) for row in rejected] == [("encode", "not_finite"), ("read", "undecodable")]


def test_no_memory_is_one_line(capsys: Any, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(latents, "posterior", full)
    assert encode.main(["catvton", *RANDOM, "--shards", str(shards), "--output", str(tmp_path / "out")]) == 1
    assert "a batch of 3 is out of memory; try a smaller --batch-size" in capsys.readouterr().err


def test_one_process_at_a_time(capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path) -> None:
    refused = pytest.raises(UsageError, match="another process is encoding there; allowed is another --output")
    with held_elsewhere("vton_models.encoding.encoding", tmp_path / "out", "encoding"), refused:
        run(capsys, *RANDOM, "--shards", shards, "--output", tmp_path / "out")
    assert run(capsys, *RANDOM, "--shards", shards, "--output", tmp_path / "out", "--max-reject-rate", 1)[0] == 0
    assert not list((tmp_path / "out").glob("*.lock"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "out"), "--shards is missing"),
        (("--shards", "absent"), "can't list absent"),
        (("--shards", "SHARDS", "--output", "SHARDS"), "is the folder that is read"),
        (("--shards", "SHARDS", "--mask-free"), "lacks source_person_image"),
        (("--shards", "SHARDS", "--split", "test"), "has no split 'test'"),
        (("--shards", "SHARDS", "--networks", "vea"), "--networks 'vea'; allowed are vae"),
        (("--shards", "SHARDS", "--memory", "low"), "--memory low rounds the networks"),
        (("--shards", "SHARDS", "--batch-size", "0"), "--batch-size 0; allowed is at least 1"),
        (("--shards", "SHARDS", "--max-reject-rate", "2"), "--max-reject-rate 2.0; allowed are 0 to 1"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], message: str, shards: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(shards) if word == "SHARDS" else word for word in arguments]
    with pytest.raises(UsageError) as error:
        encode.main(["catvton", *RANDOM, *words])
    assert message in str(error.value) and list(tmp_path.iterdir()) == []
