import logging
import shlex
import sys
from pathlib import Path

import pytest

from facenn.errors import MissingFileError
from flows.pipeline import StageError, pipeline, stage_graph

# raised inside DVC's own look at its graph
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")

WRITES_B = "from pathlib import Path; print('told'); Path('b').write_text(Path('a').read_text() + 'b')"
FAILS = "import sys; print('half way'); sys.exit('no luck')"


def stage(name: str, code: str, deps: str = "", outs: str = "") -> str:
    """One stage of a dvc.yaml that runs a line of Python."""
    return (f"  {name}:\n    cmd: {shlex.quote(sys.executable)} -c {shlex.quote(code)}\n"
            f"    deps: [{deps}]\n    outs: [{outs}]\n")


def define(project: Path, *stages: str) -> None:
    (project / "dvc.yaml").write_text("stages:\n" + "".join(stages))


def test_stage_graph_is_that_of_dvc_without_tracked_files(project: Path) -> None:
    from dvc.repo import Repo

    (project / "a").write_text("a")
    with Repo(str(project)) as repo:
        repo.add("a")
    define(project, stage("last", "", deps="b, c", outs="d"), stage("middle", "", deps="b", outs="c"),
           stage("first", "", deps="a", outs="b"))
    assert stage_graph() == {"first": [], "middle": ["first"], "last": ["first", "middle"]}


def test_stage_graph_of_this_project_trains_on_validated_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    graph = stage_graph()
    assert graph["train"] == ["render", "validate"]
    assert "train" in graph["fit"]


def test_pipeline_without_dvc_yaml_names_the_file(project: Path) -> None:
    with pytest.raises(MissingFileError, match=r"expected the definition .*dvc\.yaml, found no file"):
        pipeline.fn()


def test_pipeline_runs_stages_in_dvcs_order_and_passes_on_what_they_say(
        project: Path, prefect_server: None, caplog: pytest.LogCaptureFixture) -> None:
    define(project, stage("second", WRITES_B, deps="a", outs="b"),
           stage("first", "from pathlib import Path; Path('a').write_text('a')", outs="a"))
    with caplog.at_level(logging.INFO, logger="prefect.task_runs"):
        assert pipeline() == {"first": "Completed", "second": "Completed"}
    assert (project / "b").read_text() == "ab"
    assert "told" in caplog.messages
    assert pipeline() == {"first": "Cached", "second": "Cached"}


def test_pipeline_with_a_failing_stage_does_not_run_what_depends_on_it(project: Path, prefect_server: None) -> None:
    define(project, stage("bad", FAILS, outs="a"), stage("after", WRITES_B, deps="a", outs="b"),
           stage("apart", "open('c', 'w').close()", outs="c"))
    with pytest.raises(StageError, match=r"^bad: no luck \(not run: after\)$"):
        pipeline()
    assert not (project / "b").exists()
    assert (project / "c").exists()
