from pathlib import Path

import pytest

from facenn.errors import ConfigError, MissingFileError
from flows.stages import Meta, Stage, read_stages, select

# raised inside DVC's own look at its graph
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[2]
CHAIN = {name: Stage(name, needs, Meta()) for name, needs in {
    "first": (), "middle": ("first",), "last": ("middle",), "apart": ()}.items()}


def define(project: Path, meta: str) -> None:
    (project / "dvc.yaml").write_text(f"stages:\n  one:\n    cmd: 'true'\n    meta: {meta}\n")


def test_stages_are_those_of_dvc_without_tracked_files(project: Path) -> None:
    from dvc.repo import Repo

    (project / "a").write_text("a")
    with Repo(str(project)) as repo:
        repo.add("a")
    (project / "dvc.yaml").write_text("""stages:
  last: {cmd: 'true', deps: [b, c], outs: [d]}
  middle: {cmd: 'true', deps: [b], outs: [c]}
  first: {cmd: 'true', deps: [a], outs: [b]}
""")
    assert {name: stage.needs for name, stage in read_stages().items()} == {
        "first": (), "middle": ("first",), "last": ("first", "middle")}


def test_stages_carry_what_dvc_yaml_says_about_running_them(project: Path) -> None:
    define(project, "{gpu: true, report: a/b.md}")
    assert read_stages()["one"].meta == Meta(gpu=True, report=Path("a/b.md"))


@pytest.mark.parametrize(("meta", "complaint"), [
    ("{gpus: true}", "gpus: Extra inputs are not permitted, got True"),
    ("{gpu: perhaps}", "gpu: Input should be a valid boolean.*, got 'perhaps'")])
def test_stages_with_a_wrong_meta_are_refused_by_its_key(project: Path, meta: str, complaint: str) -> None:
    define(project, meta)
    with pytest.raises(ConfigError, match=rf"^dvc\.yaml: stages\.one\.meta\.{complaint}"):
        read_stages()


def test_stages_without_dvc_yaml_name_the_file(project: Path) -> None:
    with pytest.raises(MissingFileError, match=r"expected the definition .*dvc\.yaml, found no file"):
        read_stages()


def test_stages_of_this_project_train_on_validated_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    stages = read_stages()
    assert stages["train"].needs == ("render", "validate")
    assert "train" in stages["fit"].needs
    assert {name for name, stage in stages.items() if stage.meta.gpu} == {"train", "evaluate", "fit"}
    assert {name for name, stage in stages.items() if stage.meta.resumable} == {"render", "train", "train-translator"}


def test_stages_of_this_project_show_files_of_their_own_results(monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.repo import Repo

    monkeypatch.chdir(ROOT)
    with Repo(".") as repo:
        outs = {stage.addressing: [out.def_path for out in stage.outs] for stage in repo.index.stages if stage.cmd}
    shown = {name: stage.meta.shown for name, stage in read_stages().items()}
    assert any(shown.values())
    assert [path for name, paths in shown.items() for path in paths
            if not any(path.is_relative_to(out) for out in outs[name])] == []


def test_select_keeps_targets_and_what_they_need() -> None:
    assert set(select(CHAIN, ["middle"])) == {"first", "middle"}
    assert select(CHAIN, []) == CHAIN


def test_select_refuses_a_target_that_is_no_stage_and_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"^targets: expected stages out of apart, first, last, middle, got train$"):
        select(CHAIN, ["middle", "train"])
