"""Serves the flows in the current folder to a Prefect server: ``python -m flows.serve``.

With ``--pool NAME`` the flows are entered for a work pool instead, whose workers run them.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from prefect import serve
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.callables import ParameterSchema

from facenn.config import load_params
from facenn.errors import ConfigError, FacennError
from facenn.steps.project import Project
from facenn.steps.registry import characters
from flows.fit_folder import fit_folder
from flows.fit_photo import fit_photo
from flows.limits import prepare_gpu_limit
from flows.pipeline import pipeline
from flows.recovery import resume_killed_runs

NAME = "local"
PHOTOS = Path("data/photos")
PHOTO = PHOTOS / "astronaut.jpg"  # fills the form, so that a first click shows a fit


class ClosedSchema(ParameterSchema):
    """A schema of parameters that refuses those it does not know, before there is a run."""

    additionalProperties: bool = False  # noqa: N815  JSON schema's own name


def main() -> None:
    """Serve until interrupted; an error that the user can mend is one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("--pool", help="Enter the flows for this work pool and end")
    pool = parser.parse_args().pool
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # of the runs: threads that spin starve what runs beside them
    try:
        offered = deployments(pool)
        if not PREFECT_API_URL.value():
            raise ConfigError("expected the address of a Prefect server in PREFECT_API_URL, such as "
                              "http://127.0.0.1:4200/api of `facenn up`, got none")
        if pool:
            prepare_gpu_limit()
            enter(offered, pool)
            return
        with get_client(sync_client=True) as client:
            for run in resume_killed_runs(client):
                print(f"continues: the run {run}, whose process was killed")  # noqa: T201  the program's output
        prepare_gpu_limit()  # after that, since a slot of a run that counts as running stays taken
    except FacennError as error:
        print(f"flows: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    serve(*offered)


def deployments(pool: str | None = None) -> list[RunnerDeployment]:
    """The flows as they are offered, one run of each at a time; forms start from the fit section of params.yaml.

    Args:
        pool: work pool whose workers run them, each in a clone at the path of the current folder; None for
            this process, where one run of each flow goes on at a time.

    Raises:
        MissingFileError: no params.yaml in the folder.
        ConfigError: a params.yaml that is refused.
    """
    config = load_params().fit.model_dump(mode="json")
    known = characters(Project.here().tracking)
    return [_deployment(fit_photo, {"photo": str(PHOTO), "config": config}, known, pool),
            _deployment(fit_folder, {"photos": str(PHOTOS), "config": config}, known, pool),
            _deployment(pipeline, {}, known, pool)]


def enter(offered: list[RunnerDeployment], pool: str) -> None:
    """Enter deployments for a work pool.

    Raises:
        ConfigError: the server has no such pool.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            raise ConfigError(f"expected the work pool {pool}, found none; "
                              f"prefect work-pool create {pool} --type process makes one") from None
    for deployment in offered:
        deployment.apply(work_pool_name=pool)
        print(f"entered {deployment.full_name} for the work pool {pool}")  # noqa: T201


def _deployment(run: Flow[..., Any], parameters: dict[str, Any], known: list[str],
                pool: str | None) -> RunnerDeployment:
    # Imported by its name, wherever the code is installed; its paths are relative to the folder it works in.
    made = RunnerDeployment.from_flow(
        run, pool or NAME, parameters=parameters, concurrency_limit=None if pool else 1, work_pool_name=pool,
        job_variables={"working_dir": str(Path.cwd())} if pool else None, entrypoint_type=EntrypointType.MODULE_PATH)
    schema = ClosedSchema(**run.parameters.model_dump(exclude_unset=True), additionalProperties=False)
    if "FitConfig" in schema.definitions:
        schema.definitions["FitConfig"]["properties"]["character"]["enum"] = known
    made._parameter_openapi_schema = schema
    return made


if __name__ == "__main__":
    main()
