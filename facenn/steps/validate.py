"""The stage validate: renders judged by their schema, before anything learns from them."""

from pathlib import Path

from facenn.config import ValidateConfig
from facenn.expectations import ValidationReport
from facenn.expectations import validate as judge_folder


def validate(config: ValidateConfig, renders: Path, out: Path) -> ValidationReport:
    """Judge a renders folder by its schema; writes validation.json, validation.md and data_docs/ into ``out``.

    Raises:
        ValidationError: what the renders are not, after the reports are written.
    """
    return judge_folder(renders, out, min_rows=config.min_rows)
