"""Builds for an accelerator: reading, decoding and annotators overlap, and what is written stays the same."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.helpers import Dataset, Result, digests
from support.tiny_models import save_blip, save_clip, save_segformer

import annotators
from annotators import parsing
from annotators.common import registry
from annotators.networks import devices
from pipelines.building import models, unit
from pipelines.building.overlap import emptied, made_ahead
from schemas.threads import mapped

Command = Callable[..., Result]


def test_one_is_made_while_the_one_before_is_used() -> None:
    seen: list[int] = []
    second = threading.Event()

    def numbers() -> Iterator[int]:
        for n in range(5):
            seen.append(n)
            if n == 1:
                second.set()
            yield n

    for n in made_ahead(numbers()):
        assert n > 0 or second.wait(10)
        assert max(seen) <= n + 1
    assert seen == list(range(5))
    assert list(made_ahead([])) == []


def test_failures_come_where_they_belong() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    items = made_ahead(failing())
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)
    results = mapped(lambda n: 1 // n, [1, 2, 0, 4], 2, lambda result: 9)
    assert [next(results), next(results)] == [(1, 1), (2, 0)]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize(("room", "most"), [(9, 3), (2, 2), (0, 1)])
def test_results_come_in_order_and_no_more_than_fit_are_made_ahead(room: int, most: int) -> None:
    made: list[int] = []

    def work(n: int) -> int:
        made.append(n)
        return n * n

    for n, square in mapped(work, range(20), 3, lambda result: room):
        assert square == n * n
        assert max(made) <= n + (3 if n < 3 else most) + 1  # the first are made before anything is known of them
    assert sorted(made) == list(range(20))


def test_a_list_is_emptied_in_its_order() -> None:
    items = [1, 2, 3]
    taken = emptied(items)
    assert next(taken) == 1 and len(items) == 2
    assert list(taken) == [2, 3] and items == []


def test_only_annotators_that_do_not_touch_each_others_columns_run_at_once() -> None:
    names = ("caption", "pose", "densepose", "parsing", "agnostic", "garment_mask", "caption_tags", "quality")
    groups = registry.independent([(name, annotators.config(name)) for name in names])
    assert [[name for name, _ in group] for group in groups] == [
        ["caption", "pose"], ["densepose", "parsing"], ["agnostic", "garment_mask"], ["caption_tags", "quality"],
    ]  # fmt: skip
    assert registry.independent([]) == []


def test_an_annotator_without_weights_needs_no_accelerator() -> None:
    assert registry.accelerated(annotators.config("parsing", device="cuda:1"))
    assert not registry.accelerated(annotators.config("parsing", device="cpu"))
    assert not registry.accelerated(annotators.config("garment_mask", device="cuda"))
    assert not registry.accelerated(annotators.config("quality"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    save_segformer(folder / "mattmdjaga/segformer_b2_clothes")
    save_blip(folder / "Salesforce/blip-image-captioning-base")
    save_clip(folder / "openai/clip-vit-large-patch14")
    return folder


@pytest.fixture
def arguments(dataset: Dataset, weights: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """Three units; a photo that is none, one that the parser refuses, annotators with and without a network."""
    (dataset.root / "test/image/00001_00.jpg").write_bytes(b"no picture")
    finish = parsing.HumanParser.finish

    def refusing(self: parsing.HumanParser, entry: dict[str, Any], computed: Any) -> dict[str, Any]:
        if "00003" in entry["record_id"]:
            raise ValueError("nobody found")
        return finish(self, entry, computed)

    monkeypatch.setattr(parsing.HumanParser, "finish", refusing)
    chosen = "parsing,caption,tags,agnostic,quality"
    recomputed = "parse,agnostic_mask"
    return (
        "--input", dataset.root, "--weights", weights, "--annotators", chosen, "--recompute", recomputed,
        "--shard-size", 2, "--max-reject-rate", 1,
    )  # fmt: skip


def test_what_overlaps_writes_the_same_bytes(
    command: Command, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = command("pipelines.build_vitonhd", *arguments, "--output", tmp_path / "plain")
    assert plain.code == 0, plain.stderr
    monkeypatch.setattr(registry, "accelerated", lambda config: bool(registry.needs_weights(config)))
    used: list[str] = []
    monkeypatch.setattr(unit, "made_ahead", lambda items: used.append("ahead") or made_ahead(items))
    monkeypatch.setattr(unit, "mapped", lambda *rest: used.append("mapped") or mapped(*rest))
    overlapped = command("pipelines.build_vitonhd", *arguments, "--output", tmp_path / "overlapped")
    assert overlapped.code == 0, overlapped.stderr
    assert set(used) == {"ahead", "mapped"}
    assert digests(tmp_path / "overlapped") == digests(tmp_path / "plain")
    assert overlapped.json["rejects"] == plain.json["rejects"] >= 2


def test_the_accelerators_path_builds_every_record(
    command: Command, arguments: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "accelerated", lambda config: bool(registry.needs_weights(config)))
    monkeypatch.setattr(devices, "accelerated", lambda device: True)
    monkeypatch.setattr(models, "_built", {})
    result = command("pipelines.build_vitonhd", *arguments, "--output", tmp_path / "out")
    assert result.code == 0, result.stderr
    assert result.json["records"] and result.json["records"] + result.json["rejects"] == 6
    assert command("pipelines.validate", tmp_path / "out").code == 0
