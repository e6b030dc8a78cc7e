"""A server of the page on loopback, with every system on tiny random networks and shards to take records from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import small_shards
from support.helpers import draw

from vton_models.app import offers, server
from vton_models.commands import app


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of a person and a garment, a mask, and what is no picture."""
    folder = tmp_path_factory.mktemp("files")
    Image.fromarray(draw(1)["person"]).save(folder / "me.png")
    Image.fromarray(draw(2)["garment"]).save(folder / "shirt.png")
    mask = np.zeros((128, 96), np.uint8)
    mask[30:80, 20:70] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.fixture(scope="package")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What stands behind the page."""
    pytest.importorskip("gradio")
    shards = small_shards.write(tmp_path_factory.mktemp("small") / "shards", 3)
    asked = app.Flags(tiny=True, shards=str(shards), port=0, device="cpu")
    with server.temporary() as folder:
        yield app.handlers_of(asked, offers.of("", (), True, ("--device=cpu",)), folder)


@pytest.fixture(scope="package")
def address(handlers: Any) -> Iterator[str]:
    """Of the server."""
    from vton_models.app import page

    blocks = page.build(handlers, app.notes(app.Flags(tiny=True)))
    try:
        yield server.launch(blocks, server.Place("127.0.0.1", 0, 1))
    finally:
        blocks.close(verbose=False)
