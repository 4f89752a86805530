"""The Great Expectations suite of a renders folder, built from its ParameterSchema.

One scan makes a manifest of the folder: per face its parameters and what was measured of its picture.
Great Expectations judges that table, and nothing else decides whether a folder is fit to train on.
"""

import hashlib
import io
import json
import shutil
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageStat, UnidentifiedImageError

from facenn.errors import ValidationError
from facenn.exchange.renders import NAME_COLUMN, RendersFolder
from facenn.files import replace_text
from facenn.images import SIDE
from facenn.schema import ParameterSchema

if TYPE_CHECKING:
    import pandas as pd

BLANK_DEVIATION = 2.0  # of 255, in the channel that varies most; what JPEG leaves of one colour is far below
LISTED = 20  # faces that a failure lists
NAMED = 3  # of all of them, those that the error names
THE_TABLE = "the table"


@dataclass(frozen=True)
class Offender:
    """A face, or "the table" as a whole, and the value that an expectation refuses."""

    face: str
    value: str


@dataclass(frozen=True)
class Failure:
    """An expectation that does not hold.

    Attributes:
        expectation: its type in Great Expectations.
        subject: the parameter, choice or property of a picture that it is about.
        expected: what should hold, in words.
        count: how many faces fail it; 0 if the table as a whole does.
        offenders: the first of them.
    """

    expectation: str
    subject: str
    expected: str
    count: int
    offenders: tuple[Offender, ...]


@dataclass(frozen=True)
class ValidationReport:
    """What ``validate`` found.

    Attributes:
        rows: faces in the folder.
        expectations: how many were evaluated.
        failures: those that do not hold, in the order of the suite.
        seconds: what scanning and judging took.
    """

    rows: int
    expectations: int
    failures: tuple[Failure, ...]
    seconds: float


def validate(folder: Path, out: Path, *, min_rows: int, side: int = SIDE) -> ValidationReport:
    """Judge a renders folder and write ``validation.json``, ``validation.md`` and ``data_docs/`` to ``out``.

    Args:
        folder: renders folder.
        out: where the findings will stand; those of an earlier run are replaced.
        min_rows: faces that it needs to have.
        side: width and height of every picture.

    Returns:
        The report, if every expectation holds.

    Raises:
        MissingFileError, SchemaError, FormatError: a folder that ``RendersFolder.open`` refuses.
        ValidationError: an expectation that does not hold; raised after the findings are written.
    """
    started = time.perf_counter()
    for findings in (out / "validation.json", out / "validation.md"):
        findings.unlink(missing_ok=True)  # a folder that is refused has none
    renders = RendersFolder.open(folder)
    evaluated, failures = judge(
        scan(renders), renders.schema, min_rows=min_rows, side=side, docs=out / "data_docs"
    )
    report = ValidationReport(len(renders), evaluated, failures, time.perf_counter() - started)
    _write(out, renders.schema, report)
    if failures:
        first = [f"{o.face}: {f.subject} is {o.value}, expected {f.expected}"
                 for f in failures for o in f.offenders]
        raise ValidationError(f"{folder}: {len(failures)} of {evaluated} expectations failed; "
                              f"{'; '.join(first[:NAMED])}; see {out / 'validation.md'}")
    return report


def scan(renders: RendersFolder) -> "pd.DataFrame":
    """The manifest of a folder: per face its name, its parameters, and what was measured of its picture.

    Every picture is decoded to its last byte; JPEGs at half their size, which is quicker and finds as much.

    Returns:
        (N rows) ``name``, the columns of the schema, ``picture exists``, ``decodes``, ``width``, ``height``,
        ``mode``, ``deviation`` and ``sha1``; empty where an earlier property leaves nothing to measure.
    """
    import pandas as pd

    with ThreadPoolExecutor() as pool:
        measured = list(pool.map(_measure, [renders.image_path(i) for i in range(len(renders))]))
    parameters = pd.DataFrame(renders.parameters, columns=list(renders.schema.columns))
    parameters.insert(0, NAME_COLUMN, pd.Series(renders.names, dtype=object))
    pictures = pd.DataFrame([asdict(p) for p in measured], columns=list(_PICTURE_TYPES))
    return pd.concat([parameters, pictures.astype(_PICTURE_TYPES).add_prefix("picture ")], axis=1)


def judge(
    manifest: "pd.DataFrame", schema: ParameterSchema, *, min_rows: int, side: int, docs: Path | None = None
) -> tuple[int, tuple[Failure, ...]]:
    """Let Great Expectations judge a manifest.

    Args:
        manifest: one row per face, as ``scan`` makes it.
        schema: what the parameters mean.
        min_rows: rows that the manifest needs to have.
        side: width and height of every picture.
        docs: folder to write Data Docs to, in place of what it held; None for no Data Docs.

    Returns:
        How many expectations were evaluated, and those that do not hold in the order of the suite.
    """
    gx = _great_expectations()
    base = gx.data_context.types.base
    sites = {}
    if docs is not None:
        shutil.rmtree(docs, ignore_errors=True)
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())}
        sites["renders"] = {"class_name": "SiteBuilder", "store_backend": store}
    context = gx.get_context(mode="ephemeral", project_config=base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        data_docs_sites=sites,
        analytics_enabled=False,
        progress_bars=base.ProgressBarsConfig(globally=False),
    ))
    asset = context.data_sources.add_pandas("renders").add_dataframe_asset("manifest")
    result = context.validation_definitions.add(gx.ValidationDefinition(
        name="renders",
        data=asset.add_batch_definition_whole_dataframe("all faces"),
        suite=context.suites.add(gx.ExpectationSuite(
            name="renders", expectations=_suite(schema, min_rows=min_rows, side=side),
        )),
    )).run(
        batch_parameters={"dataframe": manifest},
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": LISTED,
                       "unexpected_index_column_names": [NAME_COLUMN]},
    )
    context.build_data_docs()
    failed: list[dict[str, Any]] = [r.to_json_dict() for r in result.results if not r.success]
    failed.sort(key=lambda r: int(r["expectation_config"]["meta"]["place"]))
    return len(result.results), tuple(_failure(r) for r in failed)


@dataclass(frozen=True)
class _Picture:
    """What was measured of one picture; None where an earlier property leaves nothing to measure."""

    exists: bool
    decodes: bool | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    deviation: float | None = None
    sha1: str | None = None


_PICTURE_TYPES = {  # columns of a manifest; nullable where a picture may leave nothing to measure
    "exists": "bool", "decodes": "object", "width": "Int64", "height": "Int64", "mode": "object",
    "deviation": "float64", "sha1": "object",
}


def _measure(path: Path) -> _Picture:
    if not path.is_file():
        return _Picture(exists=False)
    data = path.read_bytes()
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            picture.draft(None, (width // 2, height // 2))
            picture.load()
            deviation = max(ImageStat.Stat(picture).stddev) if picture.mode == "RGB" else None
            return _Picture(True, True, width, height, picture.mode, deviation, sha1)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return _Picture(exists=True, decodes=False, sha1=sha1)


def _great_expectations() -> Any:  # its re-exports are implicit, which strict typing does not follow
    """The library; version 1.24 itself imports two standard modules that Python 3.11 calls deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
        import great_expectations
    return great_expectations


def _suite(schema: ParameterSchema, *, min_rows: int, side: int) -> list[Any]:
    """The expectations; the meta of each says what it is about, what should hold, and its place."""
    gxe = _great_expectations().expectations
    rules: list[tuple[str, str, Any]] = [
        ("rows", f"at least {min_rows}", gxe.ExpectTableRowCountToBeBetween(min_value=min_rows)),
        ("name", "a name of its own", gxe.ExpectColumnValuesToBeUnique(column=NAME_COLUMN)),
    ]
    for name in schema.columns:
        rules.append((name, "a number", gxe.ExpectColumnValuesToNotBeNull(column=name)))
    for slider in schema.sliders:
        rules.append((slider.name, "a number in [0, 1]",
                      gxe.ExpectColumnValuesToBeBetween(column=slider.name, min_value=0, max_value=1)))
    for choice in schema.choices:
        options = [f"{choice.name}:{option}" for option in choice.options]
        rules += [(o, "0 or 1", gxe.ExpectColumnValuesToBeInSet(column=o, value_set=[0, 1])) for o in options]
        rules.append((choice.name, "exactly one option",
                      gxe.ExpectMulticolumnSumToEqual(column_list=options, sum_total=1)))
    rules += _picture_rules(side)
    for place, (subject, expected, expectation) in enumerate(rules):
        expectation.meta = {"place": place, "subject": subject, "expected": expected}
    return [expectation for _, _, expectation in rules]


def _picture_rules(side: int) -> list[tuple[str, str, Any]]:
    gxe = _great_expectations().expectations
    wanted: list[tuple[str, str, bool | int | str]] = [
        ("picture exists", "True", True),
        ("picture decodes", "True", True),
        ("picture width", f"{side} pixels", side),
        ("picture height", f"{side} pixels", side),
        ("picture mode", "RGB", "RGB"),
    ]
    return [
        *((column, words, gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[value]))
          for column, words, value in wanted),
        ("picture deviation", f"a picture that is not blank, {BLANK_DEVIATION:g} or more",
         gxe.ExpectColumnValuesToBeBetween(column="picture deviation", min_value=BLANK_DEVIATION)),
        ("picture sha1", "a picture of its own", gxe.ExpectColumnValuesToBeUnique(column="picture sha1")),
    ]


def _failure(found: dict[str, Any]) -> Failure:
    meta, result = found["expectation_config"]["meta"], found["result"]
    if "unexpected_count" in result:
        rows = result["partial_unexpected_index_list"]
        offenders = [Offender(row.get(NAME_COLUMN), _shown(row)) for row in rows]
    elif "observed_value" in result:
        offenders = [Offender(THE_TABLE, str(result["observed_value"]))]
    else:
        offenders = [Offender(THE_TABLE, f"not to be judged: {found['exception_info']}")]
    return Failure(found["expectation_config"]["type"], meta["subject"], meta["expected"],
                   result.get("unexpected_count", 0), tuple(offenders))


def _shown(row: dict[str, Any]) -> str:
    values = [value for column, value in row.items() if column != NAME_COLUMN] or [row[NAME_COLUMN]]
    texts = ("missing" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in values)
    return " + ".join(texts)


def _write(out: Path, schema: ParameterSchema, report: ValidationReport) -> None:
    findings = {"character": schema.character, "version": schema.version, "passed": not report.failures,
                "rows": report.rows, "expectations": report.expectations,
                "failures": [asdict(f) for f in report.failures]}
    replace_text(out / "validation.json", json.dumps(findings, indent=1) + "\n")
    verdict = f"{len(report.failures)} failed" if report.failures else "all hold"
    lines = [f"# Renders of {schema.character}, version {schema.version}", "",
             f"{report.rows} faces, {report.expectations} expectations: {verdict}."]
    for failure in report.failures:
        extent = f"{failure.count} of {report.rows} faces" if failure.count else THE_TABLE
        lines += ["", f"## {failure.subject}: expected {failure.expected}", "",
                  f"`{failure.expectation}`, {extent}", "",
                  "| face | value |", "|---|---|",
                  *(f"| {o.face} | {o.value} |" for o in failure.offenders)]
        if failure.count > len(failure.offenders):
            lines.append(f"| and {failure.count - len(failure.offenders)} more | |")
    replace_text(out / "validation.md", "\n".join(lines) + "\n")
