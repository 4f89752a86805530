"""The page of a fit: what it shows, what it refuses, and what it never does."""

import base64
import hashlib
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facenn.errors import FormatError, SchemaError, TrainingError
from facenn.report.page import write_report
from facenn.report.parameters import DEFINING
from facenn.report.summary import FitSummary, Measure, distance_measure
from facenn.schema import Choice, ParameterSchema, Slider

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;</title></style>"
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """The tags, attributes and text of a page; refuses tags that do not nest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.script = ""
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.script += data
        elif self.open[-1:] != ["style"]:
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def judged(distance: float) -> Measure:
    return distance_measure(distance, title="dlib", metric="euclidean", judge=True, usual=(0.43, 0.77), same_person=0.6)


def pulled(distance: float) -> Measure:
    return distance_measure(distance, title="SFace", metric="cosine", judge=False, usual=(0.29, 0.87))


def picture(*, side: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    ramp = np.linspace(0, 200, side, dtype=np.float32)
    grey = ramp[:, None] * 0.5 + ramp[None, :] * 0.5
    return np.stack([grey, grey * 0.8, grey * 0.6 + 10 * seed], -1).astype(np.uint8)


def face(text: str = "") -> FitSummary:
    """A fit of eleven sliders and two choices; ``text`` joins every text that the page shows."""
    sliders = (*(Slider(f"s{i}{text}", f"Nose{text}", f"Label {i}{text}") for i in range(10)),
               Slider("smile", "Expression", "Smile", neutral=0, two_sided=False))
    choices = (Choice(f"hair{text}", f"Hair{text}", f"Hair style{text}",
                      (f"bald{text}", f"bob{text}", "buzz"), "buzz"),
               Choice("beard", "Hair", "Beard", (f"none{text}", f"full{text}"), f"none{text}"))
    schema = ParameterSchema(f"Ada{text}", 3, sliders, choices)
    vector = schema.neutral()
    vector[:10] += np.linspace(0.05, 0.5, 10, dtype=np.float32) * np.where(np.arange(10) % 2, 1, -1)
    vector[10] = 0.25
    return FitSummary(
        schema=schema, vector=schema.project(vector), photo=picture(), engine=picture(seed=1),
        imitator=picture(side=32), measures=(judged(0.525), pulled(0.241)),
        losses={"step": [0, 10, 20], f"total{text}": [1.0, 0.5, 0.4], "prior": [0.0, 0.01, 0.02]},
        photo_name=f"ada.jpg{text}", model=f"imitator 3{text}", seconds=41.27, steps=1200, seed=7,
        photo_credit=f"public domain{text}",
        option_scores={f"hair{text}": {f"bald{text}": 0.1, f"bob{text}": 0.2, "buzz": 0.7}})


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "result" / "report.html"
    write_report(path, face())
    return path


def test_write_report_needs_nothing_from_the_network(page_path: Path) -> None:
    page, source = Page(page_path), page_path.read_text(encoding="utf-8")
    without_pictures = re.sub(r'base64,[^"]+', "", source)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<iframe|<form", without_pictures)
    sources = [attributes["src"] for attributes in page.all("img")]
    assert len(sources) == 4
    assert all(str(source).startswith("data:image/") for source in sources)


def test_write_report_lets_only_its_own_script_run(page_path: Path) -> None:
    page = Page(page_path)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    own = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert re.findall(r"'sha256-([^']+)'", policy) == [own]
    assert "default-src 'none'" in policy
    assert len(page.all("script")) == 1


def test_write_report_shows_hostile_text_as_text(tmp_path: Path) -> None:
    harmless, hostile = tmp_path / "harmless.html", tmp_path / "hostile.html"
    write_report(harmless, face("x"))
    evil = face(EVIL)
    write_report(hostile, replace(evil, measures=(Measure(EVIL, 1.0, EVIL, 2.0), pulled(0.2))))
    expected, page = Page(harmless), Page(hostile)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in expected.tags]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    for shown in ("ada.jpg", "public domain", "Label 3", "Nose", "Hair style", "bob", "none", "full",
                  "imitator 3", "Ada"):
        assert f"{shown}{EVIL}" in page.text
    assert page.text.count(EVIL) >= 20
    assert any(f"total{EVIL}" in str(a["alt"]) for a in page.all("img"))


def test_write_report_survives_a_file_name_that_is_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, replace(face(), photo_name=b"ada\xff.jpg".decode("utf-8", "surrogateescape")))
    assert "ada?.jpg" in Page(path).text


def test_write_report_tells_every_fact(page_path: Path) -> None:
    text = " ".join(Page(page_path).text.split())
    for fact in ("ada.jpg", "Ada (schema 3)", "imitator 3", "1,200", "41.3 s", "public domain",
                 "sent nowhere", "contains the photo"):
        assert fact in text


def test_write_report_leaves_out_the_credit_that_nobody_gave(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, replace(face(), photo_credit=None))
    assert "Photo:" not in Page(path).text


def test_write_report_describes_every_picture_and_has_one_title(page_path: Path) -> None:
    page = Page(page_path)
    assert len({attributes["alt"] for attributes in page.all("img")}) == 4
    assert all(attributes["alt"] for attributes in page.all("img"))
    assert "total from 1 to 0.4" in str(page.all("img")[-1]["alt"])
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("html") == [{"lang": "en"}]


def test_write_report_embeds_the_pictures_it_was_given(page_path: Path) -> None:
    summary = face()
    assert summary.engine is not None
    assert summary.imitator is not None
    pictures = (summary.photo, summary.engine, summary.imitator)
    for attributes, given in zip(Page(page_path).all("img"), pictures, strict=False):
        data = base64.b64decode(str(attributes["src"]).split(",")[1])
        shown = np.asarray(Image.open(io.BytesIO(data)))
        assert shown.shape == given.shape
        assert np.abs(shown.astype(int) - given).mean() < 2


def test_write_report_shows_the_imitators_picture_where_the_game_cannot_be_asked(tmp_path: Path) -> None:
    path, summary = tmp_path / "report.html", replace(face(), engine=None)
    write_report(path, summary)
    page = Page(path)
    assert summary.imitator is not None
    assert [attributes.get("id") for attributes in page.all("figure")] == ["photo", "fitted"]
    shown = page.all("img")[1]
    assert shown["alt"] == "The fitted face as the Imitator draws it"
    assert shown["width"] == str(summary.imitator.shape[1])
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(shown["src"]).split(",")[1]))))
    assert np.abs(decoded.astype(int) - summary.imitator).mean() < 2


def test_write_report_speaks_of_no_imitator_where_the_engine_itself_was_fitted(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, replace(face(), imitator=None))
    page = Page(path)
    assert [attributes.get("id") for attributes in page.all("figure")] == ["photo", "fitted"]
    assert page.all("img")[1]["alt"] == "The fitted face as the engine draws it"
    assert "Imitator" not in page.text


def test_write_report_refuses_a_face_without_any_picture(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="expected the engine's or the Imitator's picture"):
        write_report(tmp_path / "report.html", replace(face(), engine=None, imitator=None))


def test_write_report_claims_no_picture_of_a_game_that_drew_none(page_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, replace(face(), engine=None))
    text, drawn = (" ".join(Page(page).text.split()) for page in (path, page_path))
    caption = "Imitator's picture: the game's own picture comes from loading model.bytes there."
    assert caption in text
    assert caption not in drawn
    assert "Distances between the photo and the Imitator's picture; lower is more alike." in text
    assert "Distances between the photo and the engine's picture; lower is more alike." in drawn
    assert "ngine" not in text
    assert "ngine" in drawn


def test_write_report_lays_the_photo_over_the_picture_with_and_without_an_engine(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    for summary in (face(), replace(face(), engine=None)):
        write_report(path, summary)
        page, source = Page(path), path.read_text(encoding="utf-8")
        fitted = source[source.index('<figure id="fitted">'):]
        fitted = fitted[:fitted.index("</figure>")]
        assert fitted.count('class="stage"') == fitted.count("<label") == fitted.count("<img") == 1
        assert all(f'id="{name}"' in source for name in re.findall(r"#(\w+) (?:label|img)", page.script))


def test_write_report_draws_bars_from_neutral_or_from_zero(tmp_path: Path) -> None:
    schema = ParameterSchema("Ada", 1, (
        Slider("right", "A", "Right"), Slider("left", "A", "Left", neutral=0.4),
        Slider("one", "A", "One", neutral=0, two_sided=False)))
    path = tmp_path / "report.html"
    write_report(path, replace(face(), schema=schema, vector=np.array([0.75, 0.125, 0.25], np.float32),
                               option_scores={}))
    bars = [a["style"] for a in Page(path).all("span") if a.get("class") == "track"]
    assert bars[-3:] == ["--low:50.00%;--high:75.00%;--tick:50.00%",
                         "--low:12.50%;--high:40.00%;--tick:40.00%",
                         "--low:0.00%;--high:25.00%;--tick:0.00%"]


def test_write_report_lists_the_furthest_sliders_first(page_path: Path) -> None:
    source = page_path.read_text(encoding="utf-8")
    listed = source[source.index('id="defining"'): source.index('id="likeness"')]
    assert re.findall(r"Label (\d)", listed) == ["9", "8", "7", "6", "5", "4", "3", "2"][:DEFINING]
    assert re.findall(r'class="number">([^<]+)', listed)[:2] == ["+1.00", "−0.90"]
    assert re.findall(r"<dd>(\w+)", listed) == ["buzz", "none"]


def test_write_report_says_when_nothing_defines_a_face(tmp_path: Path) -> None:
    neutral = replace(face(), vector=face().schema.neutral())
    write_report(tmp_path / "report.html", neutral)
    assert "Every slider is at its neutral position" in Page(tmp_path / "report.html").text


def test_write_report_ranks_options_and_names_those_not_taken(page_path: Path) -> None:
    source = page_path.read_text(encoding="utf-8")
    hair = source[source.index('class="choices"'):]
    assert re.findall(r"<li><span>(\w+)</span>", hair)[:3] == ["buzz", "bob", "bald"]
    assert "70.0%" in hair
    assert "Beard: <b>none</b>" in hair
    assert "Not taken: full" in hair


def test_distance_measure_says_what_is_known_of_the_network() -> None:
    assert judged(0.5) == Measure(
        "dlib L2 distance", 0.5, "The judge: the recognition network dlib, which took no part in the fit. Lower is "
        "better; below 0.6 dlib calls it the same person. Two photos of one person usually lie near 0.43, photos of "
        "strangers near 0.77.", reference=0.6, independent=True)
    assert pulled(0.3) == Measure(
        "SFace cosine distance", 0.3, "How differently the recognition network SFace sees the photo and the picture: "
        "0 is the same face, 1 is an unrelated one. The fit pulled this number down, so it flatters the result. Two "
        "photos of one person usually lie near 0.29, photos of strangers near 0.87.")
    unknown = distance_measure(0.5, title="Other", metric="euclidean", judge=True)
    assert unknown.explanation.endswith("Lower is better.") and unknown.reference is None


def test_write_report_says_who_judged_and_which_side_of_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, replace(face(), measures=(judged(0.599), judged(0.6), pulled(0.2))))
    text = " ".join(Page(path).text.split())
    assert re.findall(r"(?:not )?below 0\.6(?= The judge)", text) == ["below 0.6", "not below 0.6"]
    assert text.count("not used by the fit") == 2
    assert "used by the fit 0.200 How differently" in text


def test_write_report_is_the_same_page_twice(page_path: Path, tmp_path: Path) -> None:
    write_report(tmp_path / "again.html", face())
    assert (tmp_path / "again.html").read_bytes() == page_path.read_bytes()


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"vector": np.full(16, 0.5, np.float32)}, SchemaError, "one-hot"),
    ({"vector": np.zeros((1, 16), np.float32)}, SchemaError, "expected one projected face"),
    ({"vector": np.zeros(3, np.float32)}, SchemaError, "expected 16 parameters"),
    ({"option_scores": {"nose": {"a": 0.5}}}, SchemaError, "'nose'"),
    ({"option_scores": {"beard": {"goatee": 0.5}}}, SchemaError, "goatee"),
    ({"option_scores": {"beard": {"full": 1.5}}}, SchemaError, "1.5"),
    ({"measures": (Measure("judge", float("nan"), ""),)}, TrainingError, "judge is nan"),
    ({"photo": np.zeros((8, 8, 3), np.float32)}, FormatError, "picture photo"),
    ({"engine": np.zeros((8, 8), np.uint8)}, FormatError, "picture engine"),
    ({"imitator": np.zeros((0, 8, 3), np.uint8)}, FormatError, "picture imitator"),
    ({"engine": None, "imitator": np.zeros((8, 8, 4), np.uint8)}, FormatError, "picture imitator"),
    ({"losses": {}}, FormatError, "expected a loss"),
])
def test_write_report_refuses_what_does_not_fit_and_keeps_the_old_page(
    page_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    before = page_path.read_bytes()
    with pytest.raises(error, match=message):
        write_report(page_path, replace(face(), **change))  # type: ignore[arg-type]
    assert page_path.read_bytes() == before
    assert list(page_path.parent.iterdir()) == [page_path]


def test_importing_the_report_leaves_heavy_libraries_alone() -> None:
    code = ("import facenn.report.page, facenn.report.sheet, sys; "
            "print(sorted({'matplotlib', 'torch'} & sys.modules.keys()))")
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_write_report_shows_choices_whose_labels_are_the_same(tmp_path: Path) -> None:
    choices = (Choice("hair.style", "Hair", "Style", ("bald", "bob"), "bob"),
               Choice("beard.style", "Beard", "Style", ("none", "full"), "full"))
    schema = ParameterSchema("twins", 1, (Slider("a", "A", "A"),), choices)
    tile = np.zeros((8, 8, 3), np.uint8)
    write_report(tmp_path / "page.html", FitSummary(
        schema=schema, vector=schema.neutral(), photo=tile, engine=tile, imitator=tile, measures=(),
        losses={"step": [1.0], "total": [0.5]}, photo_name="photo.jpg", model="m", seconds=1.0, steps=1, seed=0))
    chosen = (tmp_path / "page.html").read_text().split('class="chosen"')[1].split("</dl>")[0]
    assert "bob" in chosen
    assert "full" in chosen
