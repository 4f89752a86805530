from pathlib import Path

import pytest
from pydantic import ValidationError

from facenn.config import (
    EMBEDDED,
    EngineFitConfig,
    FitConfig,
    ImitatorFitConfig,
    Params,
    RenderConfig,
    TrainConfig,
    load_params,
    options_of,
)
from facenn.errors import ConfigError, MissingFileError


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_load_params_reads_every_section(tmp_path: Path) -> None:
    params = load_params(write(tmp_path, """
        render: {character: classic, count: 7, labels: true}
        validate: {min_rows: 5}
        train: {peak: 2e-3, precision: fp32, resolution: 64}
        evaluate: {recovered: 0}
        fit: {imitator: {steps: 3}, lock: [nose.hump=0.3, skin.tone]}
    """))
    assert params.render == RenderConfig(character="classic", count=7, labels=True)
    assert params.validate_.min_rows == 5
    assert (params.train.peak, params.train.precision, params.train.resolution) == (0.002, "fp32", 64)
    assert params.evaluate.recovered == 0
    assert (params.fit.imitator.steps, params.fit.lock) == (3, ("nose.hump=0.3", "skin.tone"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_load_params_of_an_empty_file_are_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_params(write(tmp_path, text)) == Params()


@pytest.mark.parametrize(("text", "message"), [
    ("rendr: {}", "rendr: Extra inputs are not permitted"),
    ("render: {cout: 3}", r"render\.cout: Extra inputs are not permitted"),
    ("render: {count: 0}", r"render\.count: .*greater than or equal to 1, got 0"),
    ("render: {count: 1.5}", r"render\.count: .*, got 1.5"),
    ("render: {count: many}", r"render\.count: .*, got 'many'"),
    ("render: {seed: -1}", r"render\.seed"),
    ("validate: {min_rows: 0}", r"validate\.min_rows"),
    ("validate_: {min_rows: 3}", "validate_: Extra inputs are not permitted"),
    ("train: {batch_size: 1}", r"train\.batch_size"),
    ("train: {validation: 1.0}", r"train\.validation"),
    ("train: {resolution: 100}", r"train\.resolution"),
    ("train: {precision: fp16}", r"train\.precision"),
    ("train: {peak: .inf}", r"train\.peak"),
    ("train: {peak: .nan}", r"train\.peak"),
    ("fit: {imitator: {prior: -1}}", r"fit\.imitator\.prior"),
    ("fit: {steps: 70}", r"fit\.steps: Extra inputs"),
    ("fit: {lock: nose.hump=0.3}", r"fit\.lock: .*valid tuple"),
    ("fit: {imitator: {prior: -1, rate: 0}}", r"\(and 1 more\)"),
    ("train:", r"train: .*valid dictionary"),
    ("- 1", "expected sections, got list"),
    ("train: {", "expected YAML"),
])
def test_load_params_refuses(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        load_params(write(tmp_path, text))
    assert "params.yaml: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_load_params_refuses_what_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected YAML"):
        load_params(path)


def test_load_params_says_that_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="found no file"):
        load_params(tmp_path / "params.yaml")


def test_with_section_replaces_what_is_given_and_keeps_the_rest() -> None:
    base = Params(fit=FitConfig(imitator=ImitatorFitConfig(steps=9, prior=0.5)), train=TrainConfig(steps=3))
    changed = base.with_section("fit", {"rate": 0.1, "prior": None, "engine_prior": 0.2, "seed": 4})
    assert changed.fit == FitConfig(imitator=ImitatorFitConfig(steps=9, prior=0.5, rate=0.1),
                                    engine=EngineFitConfig(prior=0.2), seed=4)
    assert changed.train == base.train
    assert base.fit == FitConfig(imitator=ImitatorFitConfig(steps=9, prior=0.5))


def test_options_of_a_fit_have_names_of_their_own() -> None:
    options = options_of(FitConfig)
    assert options["steps"].path == ("imitator", "steps")
    assert (options["prior"].path, options["engine_prior"].path) == (("imitator", "prior"), ("engine", "prior"))
    assert {".".join(option.path) for option in options.values()} == FitConfig().flat().keys()


def test_section_goes_by_the_names_of_the_file() -> None:
    params = Params().with_section("validate", {"min_rows": 3})
    assert params.section("validate") == params.validate_
    assert params.validate_.min_rows == 3


@pytest.mark.parametrize(("values", "message"), [
    ({"steps": 0}, "options: steps: .*, got 0"), ({"step": 1}, "options: step: Extra inputs"),
])
def test_with_section_checks_again(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Params().with_section("train", values)


def test_sections_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RenderConfig().count = 3  # type: ignore[misc]


def test_decisive_options_of_a_fit_are_those_its_method_looks_at() -> None:
    imitator, engine = FitConfig(method="imitator").decisive(), FitConfig(method="engine").decisive()
    assert imitator.keys() & engine.keys() == {"method", "lock", "seed"}
    assert imitator["imitator"].keys() == ImitatorFitConfig.model_fields.keys() - {"batch"}
    assert engine["engine"].keys() == EngineFitConfig.model_fields.keys() - {"workers"}
    assert engine.keys() - imitator.keys() == {"character", "engine"}


def test_a_fit_begins_with_the_network_of_its_method_and_takes_as_many_photos_as_it_can() -> None:
    imitator, engine, translate = (FitConfig(method=method, engine=EngineFitConfig(workers=3, rounds=5),
                                             imitator=ImitatorFitConfig(batch=7, steps=9))
                                   for method in ("imitator", "engine", "translate"))
    assert [config.network for config in (imitator, engine, translate)] == ["imitator", "translator", "translator"]
    assert [config.total for config in (imitator, engine, translate)] == [9, 5, 1]
    assert (imitator.batch, engine.batch) == (7, 3)
    assert FitConfig().method == "engine"


def test_weights_of_a_fit_on_the_engine_are_those_of_its_terms() -> None:
    from facenn.fitting.engine.residuals import Weights

    assert Weights(**EngineFitConfig().model_dump(exclude={"rounds", "workers"})) == Weights()


def test_every_weight_of_a_fit_through_an_imitator_is_an_option() -> None:
    from facenn.fitting.imitator.objective import Weights

    assert set(Weights._fields) <= ImitatorFitConfig.model_fields.keys()


def test_every_option_explains_itself() -> None:
    for name, section in Params.model_fields.items():
        assert section.default is not None
        for option, found in options_of(type(section.default)).items():
            assert found.field.description, f"{name}.{option}"


def test_embedded_characters_are_those_of_the_engine() -> None:
    from facenn.engine.characters import CHARACTERS

    assert set(EMBEDDED) == set(CHARACTERS)
