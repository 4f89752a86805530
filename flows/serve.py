"""Serves both flows from the folder it is started in: ``python -m flows.serve``, beside a Prefect server."""

import sys

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from facenn.config import load_params
from facenn.errors import ConfigError, FacennError
from flows.fitting import fit_photo
from flows.pipeline import pipeline


def main() -> None:
    """Serve until interrupted; an error that the user can mend is one line and exit code 2."""
    try:
        both = deployments()
        if not PREFECT_API_URL.value():
            raise ConfigError("expected the address of a Prefect server in PREFECT_API_URL, such as "
                              "http://127.0.0.1:4200/api of `prefect server start`, got none")
    except FacennError as error:
        print(f"flows: {error}", file=sys.stderr)  # noqa: T201  an end of the program, as in the command line
        sys.exit(2)
    serve(*both)


def deployments() -> tuple[RunnerDeployment, RunnerDeployment]:
    """Both flows, one run of each at a time; the form starts from the fit section of params.yaml.

    Raises:
        MissingFileError: no params.yaml in the folder.
        ConfigError: a params.yaml that is refused.
    """
    config = load_params().fit.model_dump()
    module = EntrypointType.MODULE_PATH  # a run imports the flow by its name, wherever the code is installed
    fit = RunnerDeployment.from_flow(fit_photo, "local", parameters={"config": config}, concurrency_limit=1,
                                     entrypoint_type=module)
    whole = RunnerDeployment.from_flow(pipeline, "local", concurrency_limit=1, entrypoint_type=module)
    return fit, whole


if __name__ == "__main__":
    main()
