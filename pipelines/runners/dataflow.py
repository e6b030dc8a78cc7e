"""Google Cloud Dataflow: Beam's runner, with a container that has this package (the Dockerfiles in `worker/`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.runners import _portable, _reaching
from pipelines.runners._portable import check
from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError, flag

NAMES = ("DataflowRunner",)
REMOTE = True
NEEDED = ("project", "region", "temp_location", "sdk_container_image")
UNAUTHORISED = "--no_auth"  # Beam's flag for a job that isn't submitted

__all__ = ["NAMES", "REMOTE", "Options", "check", "ready", "run"]


@dataclass(frozen=True)
class Options:
    """Whose cloud, where, and what a worker runs; Beam's names, all of them needed."""

    project: str | None = flag(None, help="project of Google Cloud that pays", metavar="ID")
    region: str | None = flag(None, help="where the workers run, such as europe-west4", metavar="REGION")
    temp_location: str | None = flag(None, help="for what the job stages", metavar="gs://BUCKET/PATH")
    sdk_container_image: str | None = flag(None, help="image with this package (docs/scaling.md)", metavar="IMAGE")

    def words(self) -> list[str]:
        """As Beam reads them. The container holds Beam, so that none is staged."""
        return [*_portable.words(self), "--sdk_location=container"]


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where a needed flag, the extra or a login is missing."""
    missing = [f"--{name}" for name in NEEDED if not getattr(options, name)]
    if missing:
        raise UsageError(f"--runner DataflowRunner needs {', '.join(missing)}; see docs/scaling.md")
    if not str(options.temp_location).startswith("gs://"):
        raise UsageError(f"--temp_location {options.temp_location!r}; allowed is gs://BUCKET/PATH")
    _reaching.need(NAMES[0], "google.cloud.dataflow", "gcp")
    if not any(word.startswith(UNAUTHORISED) for word in rest):
        _logged_in()


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers; `rest` are Beam's own flags."""
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

    from pipelines.runners import direct

    totals: Totals = direct.quietly_imported().run(job, numbers, DataflowRunner(), [*rest, *options.words()])
    return totals


def _logged_in() -> None:
    import google.auth

    try:
        google.auth.default()
    except google.auth.exceptions.DefaultCredentialsError:
        raise UsageError(
            "--runner DataflowRunner finds no login of Google Cloud: `gcloud auth application-default login`, or"
            " $GOOGLE_APPLICATION_CREDENTIALS with a service account's key"
        ) from None
