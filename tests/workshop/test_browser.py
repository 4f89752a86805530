"""What a user does in the browser: fit a photo from the form, compare two trainings.

``FACENN_SCREENSHOTS=docs pytest tests/workshop`` renews the pictures of the README.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from facenn.tracking import local_store, training_run
from facenn.workshop.servers import Addresses

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 180_000  # milliseconds for what takes a second on a quiet machine
SHOTS = os.environ.get("FACENN_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    command = next((found for name in NAMES if (found := shutil.which(name))), None)
    if command is None:
        pytest.skip("no Chromium is installed; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to work for root, as whom tests often run in containers.
        started = playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 960})
    opened.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield opened
    opened.close()


def field(page: Page, label: str) -> Locator:
    """The input below a label of Prefect's form."""
    named = f"span[contains(@class, 'schema-form-property__label') and normalize-space() = '{label}']"
    return page.locator(f"//{named}/ancestor::div[contains(concat(' ', @class, ' '), ' schema-form-property ')][1]"
                        "//*[self::input or self::textarea]").first


def keep(page: Page, name: str) -> None:
    """A picture for the README, where one is wanted."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def test_form_fits_a_photo_and_shows_the_face(workshop: Addresses, workshop_project: Path, page: Page) -> None:
    page.goto(workshop.form)
    field(page, "photo").fill("data/photos/astronaut.jpg")
    field(page, "name (Optional)").fill("from-the-form")
    keep(page, "form")
    field_of_name = page.get_by_text("Run Name").locator("xpath=following::input[1]")
    field_of_name.fill("astronaut")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("scheduled to start").first).to_be_visible()
    page.goto(f"{workshop.prefect}/runs")
    page.get_by_role("link", name="astronaut").first.click()
    expect(page.get_by_text("Completed").first).to_be_visible()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_role("heading", name="fit-photo").or_(page.get_by_text("Face of astronaut.jpg")).first.click()
    picture = page.get_by_alt_text("engine picture")
    expect(picture).to_be_visible()
    assert picture.evaluate("shown => shown.naturalWidth") == 300
    keep(page, "fit")
    assert (workshop_project / "runs/from-the-form/report.html").is_file()


def test_form_refuses_a_value_out_of_bounds_without_a_run(workshop: Addresses, page: Page) -> None:
    page.goto(workshop.form)
    field(page, "Rate (Optional)").fill("7")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text(re.compile("maximum|less than or equal")).first).to_be_visible()
    assert page.url == workshop.form


def test_pages_load_their_data_under_the_other_name_of_this_machine(workshop: Addresses, page: Page) -> None:
    page.goto(f"{workshop.prefect.replace('127.0.0.1', 'localhost')}/deployments")
    expect(page.get_by_text("fit-folder").first).to_be_visible()
    page.goto(workshop.mlflow.replace("127.0.0.1", "localhost"))
    expect(page.get_by_text("Default", exact=True).first).to_be_visible()


def test_mlflow_compares_two_trainings(workshop: Addresses, workshop_project: Path, page: Page) -> None:
    store = local_store(workshop_project / ".facenn/mlflow")
    runs = []
    for rate in (0.001, 0.004):
        with training_run(store, "compared", {"peak": rate}, name=f"peak-{rate}") as run:
            for step in range(1, 31):
                run.log(step, {"train/error": 0.05 + rate / step, "train/rate": rate * (1 - step / 30) ** 2})
            run.show(30, np.full((64, 64, 3), 128, np.uint8))
        runs.append(run.run_id)
    experiment = page.request.get(
        f"{workshop.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=compared").json()["experiment"]
    page.goto(f"{workshop.mlflow}/#/compare-runs?runs={quote(json.dumps(runs))}"
              f"&experiments={quote(json.dumps([experiment['experiment_id']]))}")
    for shown in ("0.001", "0.004"):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()
    expect(page.get_by_text("train/error").first).to_be_visible()
    keep(page, "compare")
