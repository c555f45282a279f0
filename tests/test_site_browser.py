"""The report in a headless Chromium, opened from disk: what no parser sees."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import made_up, written

playwright = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

WIDTHS = (1440, 820, 390)
KINDS = (
    *(
        "index.html",
        "claims.html",
        "figures.html",
        "optimizers.html",
        "theorems.html",
        "mutants.html",
        "explorer.html",
    ),
    *(
        "papers/zhang2020clipping.html",
        "figures/phase.html",
        "optimizers/adam.html",
        "theorems/reddi2018.thm2.html",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(made_up(hostile=True), tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        # Without a sandbox only as root, as in a container, where Chromium refuses to start with one.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu", *flags])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, request):
    """A page that fails the test for any error in its console and any request that leaves the disk."""
    width = getattr(request, "param", 1440)
    context = browser.new_context(viewport={"width": width, "height": 900})
    opened, wrong = context.new_page(), []
    opened.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: wrong.append("a script of a name ran") or dialog.dismiss())
    opened.on(
        "request", lambda one: None if one.url.startswith(("file:", "data:")) else wrong.append(one.url)
    )
    yield opened
    context.close()
    assert wrong == []


@pytest.mark.parametrize("page", WIDTHS, indirect=True)
def test_no_page_scrolls_sideways(page, folder: Path) -> None:
    paths = [folder / kind for kind in KINDS] + sorted((folder / "figures").glob("*alert*.html"))
    for path in paths:
        page.goto(path.as_uri())
        wide, width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= width, path.name


def test_the_first_page_is_usable_within_a_second(page, folder: Path) -> None:
    page.goto((folder / "index.html").as_uri())
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert 0.0 < loaded < 1000.0


def test_search_finds_and_the_keyboard_goes_there(page, folder: Path) -> None:
    page.goto((folder / "optimizers/adam.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("zhang2022.Z1a")
    page.locator("#results a").first.wait_for()
    assert page.locator("#results a").count() == 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/papers/zhang2022.html#zhang2022.Z1a")
    assert page.locator("article:target h3").inner_text().split()[2] == "zhang2022.Z1a"
    page.locator("#search").fill("clipping gradient explodes nothing of this kind")
    page.get_by_text("Nothing found").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#results").is_hidden()


def test_claims_are_filtered_and_the_selection_is_in_the_address(page, folder: Path) -> None:
    page.goto(f"{(folder / 'claims.html').as_uri()}?status=UNDECIDED&paper=zhang2022")
    rows = page.locator("#claims tbody tr:visible")
    expected = page.locator("#claims tbody tr[data-status=UNDECIDED][data-paper=zhang2022]").count()
    assert rows.count() == expected > 0
    page.locator("#f-paper").select_option("")
    page.locator("#f-text").fill("AMSGrad")
    page.wait_for_function("location.search === '?text=AMSGrad&status=UNDECIDED'")
    assert all("amsgrad" in text.lower() for text in rows.all_inner_texts())
    page.get_by_role("button", name="Show all").click()
    assert rows.count() == page.locator("#claims tbody tr").count()


def test_the_theme_is_that_of_the_system_or_the_one_chosen(page, folder: Path) -> None:
    shade = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.goto((folder / "index.html").as_uri())
    dark = page.evaluate(shade)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(shade) == "rgb(255, 255, 255)" != dark
    button = page.get_by_role("button", name="Theme: auto")
    button.click()
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(shade) == dark
    page.emulate_media(media="print")
    assert page.evaluate(shade) == "rgb(255, 255, 255)"
    assert page.locator("header.top").is_hidden()


def test_the_first_stop_of_the_keyboard_skips_to_the_content(page, folder: Path) -> None:
    page.goto((folder / "claims.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_explorer_computes_the_path_of_a_cell_by_the_rules(page, folder: Path) -> None:
    said = page.locator("#e-said")
    page.goto(f"{(folder / 'explorer.html').as_uri()}?map=test.map&n=10&beta1=0.7&beta2=0.1")
    page.locator("#e-path .scatterlayer").wait_for()
    assert "n = 10, beta1 = 0.7, beta2 = 0.1: DIVERGED after 2,000 steps" in said.inner_text()
    for _ in range(2):
        ends = [said.get_attribute(f"data-{name}") for name in ("x", "end")]
        assert abs(float(ends[0]) - float(ends[1])) <= 1e-9 * max(1.0, abs(float(ends[1])))
        box = page.locator("#e-heat .nsewdrag").bounding_box()
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.1 * box["height"])
        page.locator("#e-heat .hoverlayer").get_by_text("drift D").wait_for()
        page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.1 * box["height"])
        page.wait_for_function("new URLSearchParams(location.search).get('beta2') > 0.9")
    assert "UNDECIDED after 2,000 steps, would be decided by about" in said.inner_text()
    chosen = page.url
    page.get_by_label("beta1").select_option("0")
    page.wait_for_function("new URLSearchParams(location.search).get('beta1') === '0'")
    page.goto(chosen)  # the address alone shows the cell again
    assert said.inner_text().startswith("n = 10, beta1 = 0.2, beta2 = 0.95")
    page.locator("#e-map").select_option(index=0)
    page.wait_for_function("!location.search.includes('test.map')")
