"""Which network is whose: names in MLflow's registry, the choice of the one that a fit uses, fits as runs."""

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facenn.config import EMBEDDED, FitConfig
from facenn.errors import MissingFileError
from facenn.schema import ParameterSchema
from facenn.steps.project import Project
from facenn.tracking import CHAMPION, Registered, fetch, log_run, model_names, registered

if TYPE_CHECKING:  # its module loads the networks
    from facenn.steps.fit import FitReport

FITS = "fits"  # the experiment
DRAWN = ("parameters.json", "engine.png", "imitator.png", "losses.png")  # what a fit made; no byte of the photo
SHOWING = ("photo.png", "report.html")  # what shows the photo


def model_name(character: str, network: str = "imitator") -> str:
    """The registered model of a character, ``imitator-<character>`` or ``translator-<character>``.

    MLflow refuses some signs in names, its pages others, and a name here is part of file names: anything but letters,
    digits, ``_``, ``.`` and ``-`` becomes its bytes, such as ``~20``, so that two characters never share a model.
    """
    return f"{network}-" + re.sub(r"[^\w.-]", lambda sign: "".join(f"~{b:02x}" for b in sign[0].encode()), character)


def characters(tracking: str) -> list[str]:
    """Whose parameters can be fitted: the characters that come along, and those of registered models.

    Args:
        tracking: MLflow's tracking URI.
    """
    prefix = model_name("")
    known = {_unescaped(name.removeprefix(prefix)) for name in model_names(tracking) if name.startswith(prefix)}
    return [*EMBEDDED, *sorted(known.difference(EMBEDDED))]


def schema_digest(schema: ParameterSchema) -> str:
    """A short name of the meaning of a vector: the same exactly when two schemas take each other's parameters."""
    meaning = "\n".join([schema.character, str(schema.version), *schema.columns])
    return hashlib.sha256(meaning.encode()).hexdigest()[:12]


def shipped(character: str, pretrained: Path, network: str = "imitator") -> Path:
    """Where the network that comes with the project is, for a character that has one."""
    return pretrained / f"{model_name(character, network)}.safetensors"


def choose_model(wanted: str, character: str, project: Project, network: str = "imitator") -> Path:
    """The file of the network of that alias, version or path.

    Args:
        wanted: an alias such as ``champion`` or ``candidate``, a version such as ``3``, or the path of a file, which
            has a slash, ends with ``.safetensors`` or exists. The champion is the registry's, or else the shipped one.
        character: whose registered models an alias or a version means.
        project: where the registry, the shipped networks and copies out of the registry are. A local store without
            a database costs nothing to ask.
        network: ``imitator`` or ``translator``.

    Raises:
        MissingFileError: no such file, alias or version; the message says what there is.
        ConfigError: no answer at the address of the tracking store.
    """
    path = Path(wanted)
    if "/" in wanted or path.suffix == ".safetensors" or path.is_file():
        if not path.is_file():
            article = "an Imitator" if network == "imitator" else "a Translator"
            raise MissingFileError(f"expected {article} at {path}, found no file")
        return path
    name = model_name(character, network)
    known = registered(project.tracking, name)
    for model in known:
        if wanted == model.version or wanted in model.aliases:
            return fetch(project.tracking, model, project.fetched)
    file = shipped(character, project.pretrained, network)
    if wanted == CHAMPION and file.is_file():
        return file
    more = f", and no {file}" if wanted == CHAMPION else f"; the shipped champion is {file}" if file.is_file() else ""
    raise MissingFileError(f"expected {wanted} of {name} in {project.tracking}, found {_inventory(known)}{more}")


def log_fit(report: "FitReport", config: FitConfig, *, tracking: str, model: str, with_photo: bool,
            parent: str | None = None) -> str:
    """Log a fit, which is in its result folder, as an MLflow run of the experiment ``fits``.

    The run has the options and the model as parameters; losses by step, likeness, seconds and drawn pictures as
    metrics; ``parameters.json``, ``engine.png``, ``imitator.png`` and ``losses.png`` as artifacts. The photo, its name
    and where it lies stay out of it, hashed ones too: who has a photo could look its hash up. What stays is that the
    engine's picture resembles the person.

    Args:
        report: of the fit.
        config: of the fit.
        tracking: MLflow's tracking URI.
        model: which network was used, or what did without.
        with_photo: keep the aligned photo, the report that shows it, and the photo's name too.
        parent: id of the run under which it is shown.

    Returns:
        The run's id.
    """
    files = [report.folder / name for name in (*DRAWN, *(SHOWING if with_photo else ()))]
    return log_run(tracking, FITS, {**config.flat(), "model": model}, name=report.photo if with_photo else None,
                   points=_points(report), files=[file for file in files if file.is_file()],
                   tags={"photo": report.photo} if with_photo else {}, parent=parent)


def log_fits(reports: Sequence["FitReport"], config: FitConfig, *, tracking: str, model: str, with_photo: bool) -> str:
    """Log fits as runs under one that has their means, or a single one as it is; see ``log_fit``.

    Returns:
        The id of the run above the others, or of the only one.
    """
    if len(reports) == 1:
        return log_fit(reports[0], config, tracking=tracking, model=model, with_photo=with_photo)
    from facenn.networks.recognition import REPORTED

    likenesses = [report.likeness for report in reports if report.likeness is not None]
    sums = {name: sum(alike.distances[name] for alike in likenesses) for name in REPORTED}
    parent = log_run(
        tracking, FITS, {**config.flat(), "model": model, "photos": len(reports)}, name=f"{len(reports)} photos",
        points=[(f"likeness/{network}", total / len(likenesses), 0) for network, total in sums.items() if likenesses])
    for report in reports:
        log_fit(report, config, tracking=tracking, model=model, with_photo=with_photo, parent=parent)
    return parent


def _unescaped(name: str) -> str:
    return re.sub(r"(~[0-9a-f]{2})+", lambda signs: bytes.fromhex(signs[0].replace("~", "")).decode(), name)


def _inventory(known: Sequence[Registered]) -> str:
    """What there is, for an error: the versions and their aliases."""
    listed = [model.version + (f" ({', '.join(model.aliases)})" if model.aliases else "") for model in known]
    return f"the versions {', '.join(listed)}" if listed else "none registered"


def _points(report: "FitReport") -> Iterator[tuple[str, float, int]]:
    """The curves and figures of a fit: name, value, step."""
    with (report.folder / "losses.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            step = int(float(row.pop("step")))
            yield from ((f"loss/{name}", float(value), step) for name, value in row.items() if value)
    measures = json.loads((report.folder / "measures.json").read_text(encoding="utf-8"))
    yield "seconds", report.seconds, 0
    yield "pictures_drawn", float(measures["pictures_drawn"]), 0
    if report.likeness is not None:
        yield from ((f"likeness/{name}", distance, 0) for name, distance in report.likeness.distances.items())
