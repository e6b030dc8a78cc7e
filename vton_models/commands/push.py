"""Uploads a finished run to the Hugging Face hub as a model: weights, config and a card with lineage and licences.

What the repository holds already isn't sent again. The login is HF_TOKEN or that of `hf auth login`. A run goes only
where the licences of its data, its base and the weights that it began with are known to allow it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import vton_models
from annotators.common import hub
from schemas.cli import flags
from schemas.cli.flags import UsageError, flag, positional
from schemas.hub import licences, repositories, uploading
from vton_models.training.run_folder import Run

PROG = "python -m vton_models push"
EXAMPLES = """\
  python -m vton_models push output/train hf://me/tryon-model --private
  python -m vton_models push output/train hf://my-lab/tryon-model --i-have-rights"""


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    run: str = positional(help="folder of a training run", metavar="RUN")
    repository: str = positional(help="the model; it is made if it isn't there", metavar="hf://OWNER/NAME")
    private: bool = flag(False, help="seen by its owner only")
    i_have_rights: bool = flag(False, help="send what a licence of its lineage doesn't let everybody pass on")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 all is there, 1 the hub can't be reached or refuses. Raises UsageError."""
    own = flags.parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    repository = repositories.parse(own.repository, repositories.MODEL)
    run = Run(own.run)
    description = run.described()
    if description is None or description["model"] not in vton_models.names():
        raise UsageError(f"{own.run} is no training run (no config.json of one); allowed is the folder of a run")
    from vton_models.sharing import card, files, origins

    about = vton_models.load(description["model"]).ABOUT
    lineage = origins.of_run(run, description, about)
    for origin in lineage:
        licences.check(origin.licence, origin.name, own.i_have_rights)
    uploading.check_login()
    text = run.card.read_text(encoding="utf-8") if run.card.is_file() else f"# {description['model']}\n"
    readme = card.render(text, description["model"], str(repository), lineage, list(origins.places(description)))
    uploads = files.of_run(run, readme)
    return uploading.command(
        PROG,
        repository,
        uploads,
        {"licences": [origin.licence.id for origin in lineage]},
        private=own.private,
        endpoint=hub.endpoint(),
        owned=files.is_owned,
    )
