"""What the page of a run shows of a stage: its report, its pictures, the way to its curves."""

import json
import os
import re
from pathlib import Path

from facenn.steps.project import MLFLOW_PAGE
from flows.pictures import data_uri
from flows.stages import Meta

SIZE = 900_000  # characters of an artifact: larger ones load slowly and fill the server's database
TEXT = 200_000  # of them, for a report


class Shown:
    """The files that a stage shows, as they were before it ran: of those, only what it wrote anew is shown.

    DVC takes the results of an earlier run away only when it gets as far as running the command.
    """

    def __init__(self, meta: Meta) -> None:
        self._meta = meta
        self._before = {path: _signature(path) for path in meta.shown}

    def markdown(self, outcome: str) -> str | None:
        """The files that were written since, below a sentence about the outcome; None for a stage that shows none."""
        meta = self._meta
        if not meta.shown:
            return None
        parts = [outcome]
        pictures = [path for path in meta.pictures if self._is_new(path)]
        if meta.mlflow_run is not None and self._is_new(meta.mlflow_run):
            parts.append(_mlflow(meta.mlflow_run))
        if meta.report is not None and self._is_new(meta.report):
            parts.append(_report(meta.report))
        elif meta.report is not None:
            parts.append(f"This run wrote no `{meta.report}`.")
        each = (SIZE - TEXT) // max(1, len(pictures))
        parts += [f"![{path.stem}]({data_uri(path, limit=each)})" for path in pictures]
        return "\n\n".join(parts) + "\n"

    def _is_new(self, path: Path) -> bool:
        return path.is_file() and _signature(path) != self._before[path]


def artifact_key(name: str) -> str:
    """The key of a stage's artifacts: Prefect takes small letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def _signature(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written again, even with what it said before."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _report(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace").rstrip()
    if len(text) <= TEXT:
        return text
    return f"{text[:TEXT].rpartition(chr(10))[0]}\n\nThe rest is in `{path.resolve()}`."


def _mlflow(path: Path) -> str:
    """A link into MLflow where it has pages, else the id of the run."""
    run = str(json.loads(path.read_text(encoding="utf-8"))["mlflow_run"])
    server = os.environ.get(MLFLOW_PAGE) or os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http://", "https://")):
        return f"[All curves in MLflow]({server.rstrip('/')}/#/runs/{run})"
    return f"MLflow run `{run}`"
