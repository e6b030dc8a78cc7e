"""Uploads finished shards to the Hugging Face hub as a data set, with a card: pictures, columns, sizes, licence.

What the repository holds already isn't sent again, so that a push that was stopped goes on when it is started again.
The login is HF_TOKEN or that of `hf auth login`. Shards whose source forbids that pictures be passed on, or isn't
known to allow it, aren't sent; a manifest states a licence of its own as `"licence": "CC BY 4.0"`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from annotators.common import hub
from pipelines.reporting.finished import NEEDED
from pipelines.sharing import files
from schemas.cli.flags import flag, parse, positional, run
from schemas.finished import manifest as manifests
from schemas.folders import open_folder
from schemas.hub import licences, repositories, uploading

PROG = "python -m pipelines.push"
EXAMPLES = """\
  python -m pipelines.push output/demo hf://datasets/me/try-on --private
  python -m pipelines.push shards hf://datasets/my-lab/our-photos --private --i-have-rights"""


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    repository: str = positional(help="the data set; it is made if it isn't there", metavar="hf://datasets/OWNER/NAME")
    private: bool = flag(False, help="seen by its owner only")
    i_have_rights: bool = flag(False, help="send what the source's licence doesn't let everybody pass on")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 all is there, 1 the hub can't be reached or refuses. Raises UsageError."""
    flags = parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    repository = repositories.parse(flags.repository, repositories.DATASET)
    folder = open_folder(flags.shards)
    manifest = manifests.read(folder, NEEDED)
    licence = licences.of_build(manifest.content)
    licences.check(licence, str(manifest.content["dataset"]), flags.i_have_rights)
    uploading.check_login()
    uploads = files.of_build(folder, manifest, licence)
    return uploading.command(
        PROG,
        repository,
        uploads,
        {"licence": licence.name or "unknown"},
        private=flags.private,
        endpoint=hub.endpoint(),
        owned=files.is_owned,
    )


if __name__ == "__main__":
    run(main, PROG)
