"""The stage train-translator: a Translator learns to tell the engine's parameters from pictures."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facenn.arrays import Floats, Log, Progress, Rows
from facenn.config import TrainTranslatorConfig
from facenn.files import replace_text
from facenn.making.examples import Examples, examples_folder, load_examples
from facenn.networks.checkpoints import schema_difference
from facenn.networks.translator import TranslatorNetwork, load_translator_network, save_translator
from facenn.perception.features import FeatureReader
from facenn.report.curves import write_losses_csv
from facenn.steps.project import Project, experiment_tags
from facenn.steps.provenance import source_tags
from facenn.steps.registry import model_name, schema_digest, shipped
from facenn.tracking import CHAMPION, Registered, fetch, mark, registered, training_run
from facenn.translating import TranslatorMeasures, held_out, measure_translator, told_traits
from facenn.translating import train_translator as run_training

MODEL_FILE, RECORD_FILE, CURVE_FILE = "translator.safetensors", "translator.json", "translator.csv"
NETWORK = "translator"
TOLD = 0  # seed of the errors in what is told of sex and age, the same for all trainings


@dataclass(frozen=True)
class TrainedTranslator:
    """What a training came to.

    Attributes:
        mlflow_run: id of its MLflow run.
        model_version: in the registry.
        measures: on the people that it did not learn from.
        verdict: whether it is the champion from now on, as a sentence.
    """

    mlflow_run: str
    model_version: str
    measures: TranslatorMeasures
    verdict: str


@dataclass(frozen=True)
class _Seen:
    """Features and parameters of some of the examples."""

    features: Mapping[str, Floats]
    examples: Examples
    learned: Rows
    held_out: Rows

    @classmethod
    def of(cls, examples: Examples) -> "_Seen":
        reader = FeatureReader.of(examples.reference)
        out = held_out(np.arange(len(examples.vectors)))
        traits = told_traits(examples.vectors, examples.schema, np.random.default_rng(TOLD))
        return cls(reader.read(examples.seen, traits), examples, np.flatnonzero(examples.shown & ~out),
                   np.flatnonzero(examples.shown & out))

    def take(self, rows: Rows) -> dict[str, Floats]:
        return {kind: values[rows] for kind, values in self.features.items()}

    def measure(self, network: TranslatorNetwork) -> TranslatorMeasures:
        return measure_translator(network, self.take(self.held_out), self.examples.vectors[self.held_out],
                                  self.examples.schema)


def train_translator(config: TrainTranslatorConfig, out: Path, *, project: Project, progress: Progress, log: Log
                     ) -> TrainedTranslator:
    """Teach a Translator to tell the engine's parameters from what frozen networks see in its pictures.

    Draws the examples that are not there yet, writes ``translator.safetensors``, ``translator.csv`` (the curve) and
    ``translator.json`` (the MLflow run and the measures) into ``out``, registers the Translator as its character's,
    and makes it champion if its mean error on held-out people is lower than the champion's.

    Args:
        config: of the training.
        out: result folder.
        project: where the frozen networks, the examples and the registry are.
        progress: called with how many people are drawn, if any has to be.
        log: called with the number of finished epochs and the loss.
    """
    folder = examples_folder(project.examples, config.character, seed=config.seed)
    examples = load_examples(folder, config.character, project.pretrained.resolve(), count=config.count,
                             seed=config.seed, workers=config.workers, progress=progress)
    seen, schema, curve = _Seen.of(examples), examples.schema, list[float]()
    settings = {**config.model_dump(), "examples": folder.name, "learned_from": len(seen.learned)}
    tags = {**source_tags(folder), "mlflow.source.name": "facenn train-translator", **experiment_tags()}
    name = f"{config.character}-{config.count}x{config.epochs}"
    with training_run(project.tracking, NETWORK, settings, name=name, tags=tags) as run:
        def both(epoch: int, figures: Mapping[str, float]) -> None:
            run.log(epoch, figures)
            curve.append(figures["train/loss"])
            log(epoch, figures)

        network = run_training(
            seen.take(seen.learned), examples.vectors[seen.learned], schema, reference=examples.reference,
            frame=examples.seen.points[seen.learned].mean(0), epochs=config.epochs, batch_size=config.batch_size,
            rate=config.rate, seed=config.seed, log=both)
        measures = seen.measure(network)
        run.log(config.epochs, {f"held_out/{name}": value for name, value in measures.figures().items()})
        save_translator(out / MODEL_FILE, network, schema, notes={
            "card": card(config, measures), "mlflow_run": run.run_id, "examples": folder.name, "licence": "MIT"})
        version = run.register(
            out / MODEL_FILE, name=model_name(config.character, NETWORK), description=card(config, measures),
            tags={"character": config.character, "schema": schema_digest(schema), "run": run.run_id,
                  "count": str(config.count), "epochs": str(config.epochs)})
    write_losses_csv(out / CURVE_FILE, {"step": [float(i + 1) for i in range(len(curve))], "loss": curve})
    verdict = _contest(measures, seen, version, run.run_id, project, promote=config.promote)
    replace_text(out / RECORD_FILE, json.dumps({
        "mlflow_run": run.run_id, "model_version": version, "measures": asdict(measures)}, indent=1) + "\n")
    return TrainedTranslator(run.run_id, version, measures, verdict)


def card(config: TrainTranslatorConfig, measures: TranslatorMeasures) -> str:
    """What people should know of a Translator: what it learned from, what it is good for, what it is not."""
    figures = measures.figures()
    return (
        f"Translator of the character {config.character}: from what frozen networks see in a portrait to all "
        f"parameters at once. Learned from {config.count:,} pictures of random people that the embedded engine drew "
        f"(seed {config.seed}), without a photo of any person. On {measures.examples} people that it did not learn "
        f"from it tells {figures['explained']:.0%} of the variance of a slider in the mean (error "
        f"{figures['error']:.3f}). Not for telling who somebody is, nor their sex, age or origin: its guesses of these "
        "are means over random drawn people, and wrong on some.")


def _contest(measures: TranslatorMeasures, seen: _Seen, version: str, run_id: str, project: Project, *, promote: bool
             ) -> str:
    """Compare a Translator with the champion of its character, and make the better one champion."""
    character = seen.examples.schema.character
    known = registered(project.tracking, model_name(character, NETWORK))
    own = next(model for model in known if (model.version, model.run_id) == (version, run_id))
    better, verdict = _compared(measures, seen, [m for m in known if CHAMPION in m.aliases], project)
    if better and not promote:
        return f"{verdict}; nothing changed, as train_translator.promote is off"
    if better:
        mark(project.tracking, own, {"verdict": verdict}, alias=CHAMPION)
    return verdict


def _compared(measures: TranslatorMeasures, seen: _Seen, reigning: list[Registered], project: Project
              ) -> tuple[bool, str]:
    """Whether a Translator is better than the champion, which is the registry's, or else the shipped one; and why."""
    schema = seen.examples.schema
    file = shipped(schema.character, project.pretrained, NETWORK)
    if not reigning and not file.is_file():
        return True, f"the first champion of {schema.character}"
    name = str(reigning[0]) if reigning else file.name
    champion, theirs = load_translator_network(
        fetch(project.tracking, reigning[0], project.fetched) if reigning else file)
    if difference := schema_difference(schema, theirs):
        return True, f"no champion yet for this schema: {name} cannot be compared, {difference}"
    if {kind: values.shape[1] for kind, values in seen.features.items()} != {
            kind: size for kind, (size, _) in champion.kinds.items()}:
        return True, f"no champion yet for these networks: {name} reads other features"
    ours, other = (found.figures()["error"] for found in (measures, seen.measure(champion)))
    if ours < other:
        return True, f"better than the champion {name}: error {ours:.4f} against {other:.4f}"
    return False, f"the champion {name} stays: error {ours:.4f} against {other:.4f}"
