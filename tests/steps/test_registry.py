import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from facenn.config import EMBEDDED, FitConfig, ImitatorFitConfig
from facenn.engine.characters import character
from facenn.errors import ConfigError, MissingFileError
from facenn.evaluation import Likeness
from facenn.networks.checkpoints import load_imitator
from facenn.schema import Choice, ParameterSchema, Slider
from facenn.steps.fit import FitReport
from facenn.steps.project import Project
from facenn.steps.registry import characters, choose_model, log_fits, model_name, schema_digest, shipped
from facenn.tracking import local_store, mark, registered, training_run

NOWHERE = Path("nowhere")
SHIPPED = Path(__file__).resolve().parents[2] / "data" / "pretrained"


def project(tracking: str = "sqlite:////nowhere.db", pretrained: Path = NOWHERE, state: Path = NOWHERE) -> Project:
    return Project(pretrained, state, tracking)


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def register(tracking: str, character: str, file: Path, weights: bytes) -> None:
    file.write_bytes(weights)
    with training_run(tracking, "imitator", {}) as run:
        run.register(file, name=model_name(character))


@pytest.fixture(scope="module")
def elf(tracking: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A character with two registered versions; the first is the champion."""
    file = tmp_path_factory.mktemp("elf") / "imitator.safetensors"
    for weights in (b"first", b"second"):
        register(tracking, "elf", file, weights)
    mark(tracking, registered(tracking, "imitator-elf")[0], {}, alias="champion")
    return "elf"


def test_characters_are_those_that_come_along_and_those_of_registered_models(tracking: str, tmp_path: Path) -> None:
    register(tracking, "night elf", tmp_path / "imitator.safetensors", b"weights")
    found = characters(tracking)
    assert found[:2] == ["portrait", "classic"]
    assert "night elf" in found[2:]
    assert characters(local_store(tmp_path)) == found[:2]


@pytest.fixture
def result(tmp_path: Path) -> FitReport:
    """The result folder of a fit of anna.jpg."""
    folder = tmp_path / "runs" / "anna"
    folder.mkdir(parents=True)
    for name in ("parameters.json", "engine.png", "imitator.png", "losses.png", "photo.png", "report.html"):
        (folder / name).write_text(name)
    (folder / "losses.csv").write_text("step,identity,total\n1,0.5,1.5\n2,0.25,1.0\n")
    (folder / "measures.json").write_text(json.dumps({"pictures_drawn": 7}))
    return FitReport("anna.jpg", folder, Likeness({"sface": 0.5, "dlib": 0.75}), 12.5)


@pytest.mark.parametrize(("wanted", "weights"), [("champion", b"first"), ("1", b"first"), ("candidate", b"second"),
                                                 ("2", b"second")])
def test_choice_finds_an_alias_and_a_version(tracking: str, elf: str, tmp_path: Path, wanted: str, weights: bytes
                                             ) -> None:
    chosen = choose_model(wanted, elf, project(tracking, state=tmp_path))
    assert chosen.read_bytes() == weights
    assert chosen.stem == f"imitator-elf-{1 if weights == b'first' else 2}"  # what a report calls it


def test_choice_prefers_the_registrys_champion_to_the_shipped_one(tracking: str, elf: str, tmp_path: Path) -> None:
    (tmp_path / "imitator-elf.safetensors").write_bytes(b"shipped")
    chosen = choose_model("champion", elf, project(tracking, tmp_path, tmp_path / "state"))
    assert chosen.read_bytes() == b"first"


def test_choice_takes_the_shipped_champion_where_none_is_registered(tracking: str, tmp_path: Path) -> None:
    register(tracking, "dwarf", tmp_path / "imitator.safetensors", b"only a candidate")
    (tmp_path / "imitator-dwarf.safetensors").write_bytes(b"shipped")
    for store in (tracking, local_store(tmp_path / "new")):
        assert choose_model("champion", "dwarf", project(store, tmp_path)).read_bytes() == b"shipped"


def test_choice_takes_files_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "model.safetensors"):
        Path(name).write_bytes(b"weights")
    for wanted in ("plain", "model.safetensors", "./plain", str(tmp_path / "plain")):
        assert choose_model(wanted, "elf", project()) == Path(wanted)


@pytest.mark.parametrize("wanted", ["models/imitator.safetensors", "imitator.safetensors", "./champion"])
def test_choice_refuses_a_file_that_is_not_there(wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"expected an Imitator at .*, found no file"):
        choose_model(wanted, "elf", project())


@pytest.mark.parametrize("wanted", ["7", "best", "Champion"])
def test_choice_says_what_there_is(tracking: str, elf: str, wanted: str) -> None:
    with pytest.raises(MissingFileError) as error:
        choose_model(wanted, elf, project(tracking))
    assert str(error.value) == (f"expected {wanted} of imitator-elf in {tracking}, "
                                "found the versions 1 (champion), 2 (candidate)")


def test_choice_without_any_champion_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError) as error:
        choose_model("champion", "orc", project(local_store(tmp_path)))
    assert str(error.value).endswith("found none registered, and no nowhere/imitator-orc.safetensors")


def test_choice_refuses_a_database_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mlflow.db").touch()
    with pytest.raises(ConfigError, match="absolute"):
        choose_model("champion", "elf", project("sqlite:///mlflow.db"))


def test_model_names_are_those_that_the_registry_takes(tracking: str, tmp_path: Path) -> None:
    characters = ["portrait", "Élodie_2", "elf/female", "elf:female", "dark elf", "it's 50% \"orc\"", "../up", ".", "",
                  "a~20b", "a b"]
    names = [model_name(character) for character in characters]
    assert names[:3] == ["imitator-portrait", "imitator-Élodie_2", "imitator-elf~2ffemale"]
    assert len(set(names)) == len(names)
    for other in ("it's 50% \"orc\"", "../up"):
        register(tracking, other, tmp_path / "imitator.safetensors", other.encode())
        chosen = choose_model("candidate", other, project(tracking, state=tmp_path))
        assert chosen.read_bytes() == other.encode()
        assert chosen.parents[1] == tmp_path / "models"


def test_schema_digest_tells_meanings_apart_and_not_texts() -> None:
    def schema(character: str = "toy", version: int = 1, name: str = "nose", tooltip: str = "",
               options: tuple[str, ...] = ("a", "b")) -> ParameterSchema:
        return ParameterSchema(character, version, (Slider(name, "face", "Nose", tooltip=tooltip),),
                               (Choice("hair", "head", "Hair", options, "a"),))

    assert schema_digest(schema()) == schema_digest(schema(tooltip="how long it is"))
    others = [schema("other"), schema(version=2), schema(name="chin"), schema(options=("a", "c"))]
    assert len({schema_digest(s) for s in (schema(), *others)}) == 5


def test_logged_fit_has_its_course_and_figures_but_nothing_of_the_photo(tracking: str, result: FitReport) -> None:
    config = FitConfig(imitator=ImitatorFitConfig(steps=2))
    run_id = log_fits([result], config, tracking=tracking, model="imitator-elf-1", with_photo=False)
    run = client(tracking).get_run(run_id)
    assert run.data.params == {**{k: str(v) for k, v in config.flat().items()}, "model": "imitator-elf-1"}
    assert run.data.metrics == {"loss/identity": 0.25, "loss/total": 1.0, "likeness/dlib": 0.75,
                                "likeness/sface": 0.5, "seconds": 12.5, "pictures_drawn": 7}
    points = client(tracking).get_metric_history(run_id, "loss/identity")
    assert [(point.step, point.value) for point in points] == [(1, 0.5), (2, 0.25)]
    assert {file.path for file in client(tracking).list_artifacts(run_id)} == {
        "parameters.json", "engine.png", "imitator.png", "losses.png"}
    assert "anna" not in json.dumps(run.to_dictionary())


def test_logged_fit_shows_the_photo_on_request(tracking: str, result: FitReport) -> None:
    run_id = log_fits([result], FitConfig(), tracking=tracking, model="imitator-elf-1", with_photo=True)
    assert {"photo.png", "report.html"} < {file.path for file in client(tracking).list_artifacts(run_id)}
    run = client(tracking).get_run(run_id)
    assert (run.info.run_name, run.data.tags["photo"]) == ("anna.jpg", "anna.jpg")


def test_logged_fits_of_a_folder_stand_under_one_run_with_their_means(tracking: str, result: FitReport) -> None:
    (result.folder / "engine.png").unlink()
    faceless = FitReport("wall.jpg", result.folder, None, 1.0)
    other = FitReport("bert.jpg", result.folder, Likeness({"sface": 0.25, "dlib": 0.25}), 1.0)
    above = log_fits([result, faceless, other], FitConfig(), tracking=tracking, model="m", with_photo=False)
    run = client(tracking).get_run(above)
    assert run.info.run_name == "3 photos"
    assert run.data.metrics == {"likeness/dlib": 0.5, "likeness/sface": 0.375}
    nested = client(tracking).search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{above}'")
    assert sorted(r.data.metrics.get("likeness/dlib", -1) for r in nested) == [-1, 0.25, 0.75]


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_character_has_a_shipped_champion_that_the_readme_knows(name: str) -> None:
    file = shipped(name, SHIPPED)
    imitator, _ = load_imitator(file, expect=character(name).schema)
    assert imitator.resolution == 512 and imitator.frame.any()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"| `{file.name}` | {file.stat().st_size} | `{digest}` |" in (SHIPPED / "README.md").read_text()
