"""The job that Dataflow would get, translated here and submitted nowhere."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import apache_beam as beam
import pytest
from support.servers import ROOT

pytest.importorskip("google.cloud.dataflow", reason="the extra [gcp] is absent")

from pipelines.runners import dataflow, direct
from pipelines.runners._totals import Totals

OPTIONS = dataflow.Options("our-project", "europe-west4", "gs://bucket/temp", "europe-docker.pkg.dev/p/r/worker:1")
BOOT = '["/opt/apache/beam/boot"]'
STEPS = ["units", "spread", "build", "sum", "report"]


def job(number: int) -> Totals:
    return Totals(1, number)


def test_the_job_is_one_straight_line_in_our_container() -> None:
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
    from apache_beam.runners.dataflow.internal import apiclient

    words = [*OPTIONS.words(), "--dry_run=True", "--no_auth", "--max_num_workers=7", "--machine_type=n2-standard-4"]
    runner = DataflowRunner()
    result = direct.quietly_imported().submit(job, range(1000), runner, words)
    proto = runner.proto_pipeline
    (root,) = proto.root_transform_ids
    names = [proto.components.transforms[name].unique_name for name in proto.components.transforms[root].subtransforms]
    assert names == STEPS
    images = {environment.payload for environment in proto.components.environments.values()}
    assert len(images) == 1 and OPTIONS.sdk_container_image.encode() in images.pop()
    assert proto.ByteSize() < 100_000, "numbers travel, nothing else"
    cloud = result.job.options.view_as(GoogleCloudOptions)
    assert (cloud.project, cloud.region) == ("our-project", "europe-west4")
    assert str(cloud.staging_location).startswith("gs://bucket/temp/")
    sent = str(apiclient.Environment([], result.job.options, "8", "gs://bucket/temp/pipeline", proto).proto)
    assert "worker:1" in sent and "n2-standard-4" in sent and "max_num_workers: 7" in sent


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_the_container_has_the_beam_that_submits(name: str) -> None:
    """And what a build imports; both files belong to the installed package."""
    text = (Path(dataflow.__file__).parent / "worker" / name).read_text()
    assert f"ARG BEAM={beam.__version__}\n" in text and f"ENTRYPOINT {BOOT}" in text
    for package in ("schemas", "annotators", "pipelines", "vton_models"):
        assert f"COPY {package} {package}\n" in text
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["pipelines"]
    assert any(fnmatch(f"runners/worker/{name}", pattern) for pattern in declared)
