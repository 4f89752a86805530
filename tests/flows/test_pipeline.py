import logging
import os
import shlex
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

import flows.pipeline
from facenn.errors import ConfigError, MissingFileError, StageError
from flows.pipeline import pipeline

# raised inside DVC's own look at its graph
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon raise:DeprecationWarning")

WRITES_A = "from pathlib import Path; Path('a').write_text('a')"
WRITES_B = "from pathlib import Path; print('told'); Path('b').write_text(Path('a').read_text() + 'b')"
FAILS = "import sys; print('half way'); sys.exit('no luck')"
DIES_ONCE = """
import os
from pathlib import Path
tries = Path('{name}.tries')
tries.write_text(tries.read_text() + 'x' if tries.exists() else 'x')
if tries.read_text() == 'x':
    print('half way', flush=True)
    {death}
Path('{name}').touch()
"""
MEETS = """
import sys, time
from pathlib import Path
Path('{mine}').touch()
latest = time.monotonic() + 60
while not Path('{other}').exists():
    if time.monotonic() > latest:
        sys.exit('alone')
    time.sleep(0.05)
"""
WORKS_ALONE = """
import time
from pathlib import Path
Path('busy').mkdir()  # fails where somebody else is at work
time.sleep(0.5)
Path('busy').rmdir()
Path('{out}').touch()
"""
REPORTS = """
import sys
from pathlib import Path
Path('reports').mkdir()
Path('reports/found.md').write_text('row 3 is nan')
sys.exit(Path('a').read_text())
"""


def stage(name: str, code: str, deps: str = "", outs: str = "", meta: str = "") -> str:
    """One stage of a dvc.yaml that runs some Python."""
    script = Path(f"{name}.py")
    script.write_text(code)
    return (f"  {name}:\n    cmd: {shlex.quote(sys.executable)} {script}\n"
            f"    deps: [{deps}]\n    outs: [{outs}]\n    meta: {{{meta}}}\n")


def define(project: Path, *stages: str) -> None:
    (project / "dvc.yaml").write_text("stages:\n" + "".join(stages))


def artifacts(key: str) -> list[str]:
    """The texts of the artifacts of a key, the newest first."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
                                      sort=ArtifactSort.CREATED_DESC)
    return [str(artifact.data) for artifact in found]


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.pipeline, "RETRY_DELAYS", (0.0, 0.0))


def test_pipeline_without_dvc_yaml_names_the_file(project: Path) -> None:
    with pytest.raises(MissingFileError, match=r"expected the definition .*dvc\.yaml, found no file"):
        pipeline.fn()


def test_pipeline_runs_stages_in_dvcs_order_and_passes_on_what_they_say(
        project: Path, prefect_server: None, caplog: pytest.LogCaptureFixture) -> None:
    define(project, stage("second", WRITES_B, deps="a", outs="b"), stage("first", WRITES_A, outs="a"))
    with caplog.at_level(logging.INFO, logger="prefect.task_runs"):
        assert pipeline() == {"first": "Completed", "second": "Completed"}
    assert (project / "b").read_text() == "ab"
    assert "told" in caplog.messages
    assert pipeline() == {"first": "Cached", "second": "Cached"}


def test_pipeline_runs_targets_with_what_they_need_and_forces_them_alone(project: Path, prefect_server: None) -> None:
    define(project, stage("first", WRITES_A, outs="a"), stage("second", WRITES_B, deps="a", outs="b"),
           stage("apart", FAILS, outs="c"))
    assert pipeline(targets=["second"]) == {"first": "Completed", "second": "Completed"}
    assert pipeline(targets=["second"], force=True) == {"first": "Cached", "second": "Completed"}


def test_pipeline_refuses_an_unknown_target_before_anything_runs(project: Path) -> None:
    define(project, stage("first", WRITES_A, outs="a"))
    with pytest.raises(ConfigError, match="expected stages out of first, got fist"):
        pipeline.fn(targets=["first", "fist"])


def test_pipeline_form_explains_every_parameter() -> None:
    assert all(field["description"] for field in pipeline.parameters.properties.values())


def test_pipeline_with_a_failing_stage_does_not_run_what_depends_on_it(project: Path, prefect_server: None) -> None:
    define(project, stage("bad", FAILS, outs="a", meta="resumable: true"),
           stage("after", WRITES_B, deps="a", outs="b"), stage("apart", "open('c', 'w').close()", outs="c"))
    with pytest.raises(StageError, match=r"^bad: no luck \(not run: after\)$"):
        pipeline()
    assert not (project / "b").exists()
    assert (project / "c").exists()


def test_pipeline_tries_a_killed_stage_again_that_continues(
        project: Path, prefect_server: None, no_delay: None, caplog: pytest.LogCaptureFixture) -> None:
    deaths = {"itself": "os.kill(os.getpid(), 9)", "starter": "os.kill(os.getppid(), 9)",
              "worker": "os._exit(os.EX_TEMPFAIL)"}
    define(project, *(stage(name, DIES_ONCE.format(name=name, death=death), outs=name, meta="resumable: true")
                      for name, death in deaths.items()))
    with caplog.at_level(logging.INFO, logger="prefect.task_runs"):
        assert set(pipeline().values()) == {"Completed"}
    assert [(project / f"{name}.tries").read_text() for name in deaths] == ["xx", "xx", "xx"]
    assert "itself: killed by SIGKILL, perhaps because memory ran out; its last line: half way" in caplog.text
    assert "Retry 1/2 will start" in caplog.text


def test_pipeline_tries_no_stage_again_that_would_fail_again(
        project: Path, prefect_server: None, no_delay: None) -> None:
    define(project, *(stage(name, DIES_ONCE.format(name=name, death=death), outs=name, meta=meta)
                      for name, death, meta in [("anew", "os.kill(os.getpid(), 9)", ""),
                                                ("crash", "os.kill(os.getpid(), 11)", "resumable: true"),
                                                ("refused", "os._exit(2)", "resumable: true")]))
    with pytest.raises(StageError, match=r"^anew: killed by SIGKILL, .*; its last line: half way; "
                                         r"crash: killed by SIGSEGV; its last line: half way; refused: half way$"):
        pipeline()
    assert [path.read_text() for path in project.glob("*.tries")] == ["x", "x", "x"]


def test_pipeline_runs_independent_stages_at_the_same_time(project: Path, prefect_server: None) -> None:
    define(project, stage("left", MEETS.format(mine="l", other="r"), outs="l"),
           stage("right", MEETS.format(mine="r", other="l"), outs="r", meta="gpu: true"))
    assert Counter(pipeline().values()) == {"Completed": 2}


def test_pipeline_runs_one_stage_at_a_time_on_the_gpu(
        project: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACENN_DEVICE", raising=False)
    define(project, *(stage(name, WORKS_ALONE.format(out=name), outs=name, meta="gpu: true") for name in "xy"))
    assert Counter(pipeline().values()) == {"Completed": 2}


def test_pipeline_shows_the_report_of_a_stage_that_fails_and_of_one_that_does_not(
        project: Path, prefect_server: None) -> None:
    define(project, stage("checks", REPORTS, deps="a", outs="reports", meta="report: reports/found.md"))
    (project / "a").write_text("refused")
    with pytest.raises(StageError, match=r"^checks: refused$"):
        pipeline()
    assert artifacts("checks") == ["**checks: refused**\n\nrow 3 is nan\n"]
    (project / "checks.py").write_text(REPORTS.replace("sys.exit", "print"))
    pipeline()
    assert artifacts("checks")[0] == "```text\nrefused\n```\n\nrow 3 is nan\n"


def test_pipeline_shows_no_report_of_an_earlier_run(project: Path, prefect_server: None) -> None:
    define(project, stage("stale", REPORTS, deps="a", outs="reports", meta="report: reports/found.md"))
    (project / "reports").mkdir()
    (project / "reports" / "found.md").write_text("all hold")
    with pytest.raises(StageError, match=r"^stale: .*No such file"):
        pipeline()
    assert artifacts("stale")[0].endswith("This run wrote no `reports/found.md`.\n")


def test_pipeline_ends_its_commands_when_it_is_interrupted(
        project: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    define(project, stage("long", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)",
                          outs="a", meta="resumable: true"))

    def interrupted(_futures: object) -> None:
        while not (project / "pid").exists() or not (project / "pid").read_text():
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(flows.pipeline, "wait", interrupted)
    with pytest.raises(BaseException):  # noqa: B017  as Prefect has it
        pipeline()
    with pytest.raises(ProcessLookupError):
        os.kill(int((project / "pid").read_text()), signal.SIG_DFL)
