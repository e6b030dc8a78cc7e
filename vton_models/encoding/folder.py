"""What stands beside encoded shards and is their own: the encoders among the annotators, and the card."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.finished import card
from schemas.finished.rewriting import Told
from schemas.messages import counted
from vton_models.encoding.encoding import Encoding
from vton_models.system import About

LIBRARIES = ("numpy", "pillow", "opencv-python", "pyarrow", "torch", "diffusers")


def told(config: Mapping[str, Any], about: About, encoding: Encoding) -> Told:
    """For the manifest and the card; `config` is everything that the new shards depend on."""
    annotators = {
        encoder.name: {
            "settings": dict(encoding.encodes[network].settings),
            "weights_sha256": encoder.digest.removeprefix("sha256:"),
            "licences": [about.base],
        }
        for network, encoder in encoding.encoders.items()
    }
    return Told(
        command="encode",
        configuration=config,
        annotators=annotators,
        libraries=LIBRARIES,
        left_out=(),
        card=lambda manifest: "\n".join(_card(manifest, encoding)) + "\n",
    )


def _card(manifest: Mapping[str, Any], encoding: Encoding) -> Iterator[str]:
    """README.md with the header that Hugging Face `datasets` reads."""
    counts, package, config = manifest["counts"], manifest["package"], manifest["configuration"]
    name = f"{manifest['dataset']}, encoded"
    yield from card.header(name, ["virtual-try-on"], list(counts["records_by_split"]), config["format"])
    yield from (f"# {card.words(name)}", "")
    sha256 = manifest["source_build"]["manifest_sha256"]
    yield (
        f"{counted(counts['records'], 'record')} in {counted(len(manifest['shards']), 'shard')}, with what frozen"
        f" networks of {config['model']} make of them: float16 arrays in .npy files. All other columns are those of"
        f" the shards that it was made from (manifest sha256 `{sha256}`)."
    )
    yield ""
    yield "| column | network | weights | of |"
    yield "|---|---|---|---|"
    for network, encodes in encoding.encodes.items():
        for column, one in encodes.columns.items():
            sources = ", ".join(f"`{source}`" for source in one.sources)
            yield f"| `{column}` | {network} | `{encoding.encoders[network].digest}` | {sources} |"
    yield ""
    yield f"Made by `vton_models encode` of {package['name']} {package['version']}; rejects: `rejects.parquet`."
    yield ""
    yield "The licence of the source dataset governs its pictures, and what is encoded of them."
