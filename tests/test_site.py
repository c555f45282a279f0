"""The report: what it says, what it links to, what it escapes, what it weighs."""

import html.parser
import json
import re
import shlex
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import shi
from counterexamples.drift import critical_beta2, drift
from tests.site import HOSTILE, hostile_claim, hostile_figure, made_up, written
from theory_sim.app import catalogue, errata
from theory_sim.app.report import Site, explorer, prose
from theory_sim.app.report.pages import claim_path, figure_path, slug
from theory_sim.nouns.papers import PAPERS

Tag = tuple[str, dict[str, str]]


class Reader(html.parser.HTMLParser):
    """What a browser finds in a page: its tags, its text, the text inside of each tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def site() -> Site:
    return made_up(hostile=True)


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(site, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, Reader]:
    return {
        path.relative_to(folder).as_posix(): Reader(path.read_text())
        for path in sorted(folder.rglob("*.html"))
    }


def test_every_noun_has_its_page(site: Site, pages: dict[str, Reader]) -> None:
    expected = {
        "index.html",
        "claims.html",
        "figures.html",
        "optimizers.html",
        "theorems.html",
        "errata.html",
        "mutants.html",
        "explorer.html",
    }
    expected |= {f"papers/{key}.html" for key in site.papers}
    expected |= {figure_path(figure.name) for figure in site.figures}
    expected |= {f"optimizers/{key}.html" for key in site.optimizers}
    expected |= {f"theorems/{id}.html" for id in site.theorems}
    assert pages.keys() == expected


def test_every_link_inside_resolves(folder: Path, pages: dict[str, Reader]) -> None:
    places = {path: {attributes.get("id") for _, attributes in page.tags} for path, page in pages.items()}
    for path, page in pages.items():
        links = [attributes.get("href", attributes.get("src", "")) for _, attributes in page.tags]
        for link in links:
            if not link or link.startswith(("https://", "data:")):
                continue
            target, anchor = urldefrag(link)
            target = unquote(target).partition("?")[0]
            file = ((folder / path).parent / target).resolve() if target else folder / path
            assert file.is_file(), (path, link)
            if anchor and file.suffix == ".html":
                assert unquote(anchor) in places[file.relative_to(folder.resolve()).as_posix()], (path, link)


def test_every_address_of_the_search_index_resolves(
    folder: Path, pages: dict[str, Reader], site: Site
) -> None:
    text = (folder / "assets/search.js").read_text()
    rows = json.loads(text.removeprefix("window.SEARCH=").removesuffix(";\n"))
    nouns = (site.papers, site.optimizers, site.records, site.theorems, site.figures, errata.errata())
    assert len(rows) == sum(map(len, nouns))
    for _, name, address, _, _ in rows:
        path, anchor = urldefrag(address)
        assert path in pages, name
        assert not anchor or anchor in {attributes.get("id") for _, attributes in pages[path].tags}, name


def test_the_errata_are_a_file_and_a_page_with_formulas(folder: Path) -> None:
    assert json.loads((folder / "errata.json").read_text()) == errata.document()
    page = (folder / "errata.html").read_text()
    assert '<a href="errata.json">' in page
    assert "D^2/(2(1-beta1))" in str(errata.document())  # printed so in the list, and set as a formula
    assert "D^2" not in page
    assert "beta1" not in page


def test_nothing_is_fetched(folder: Path, pages: dict[str, Reader]) -> None:
    fetched = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
    for path, page in pages.items():
        for tag, attributes in page.tags:
            address = attributes.get(fetched.get(tag, ""), "")
            assert not re.match(r"(https?:)?//", address), (path, address)
    assert not re.search(r"url\(|@import", (folder / "assets/site.css").read_text())
    for script in ("site.js", "explorer.js"):
        assert not re.search(r"fetch\(|XMLHttpRequest|https?:", (folder / "assets" / script).read_text())
    outside = {a["href"] for page in pages.values() for a in page.all("a") if a["href"].startswith("http")}
    known = {f"https://arxiv.org/abs/{one.arxiv}" for one in PAPERS.values()} | {
        one.url for one in PAPERS.values()
    }
    assert outside <= known


def test_whatever_a_user_names_is_text(pages: dict[str, Reader], site: Site) -> None:
    claim, figure = hostile_claim(), hostile_figure()
    for path, page in pages.items():
        scripts = page.all("script")
        more = ["plotly-cartesian.min", "maps", "explorer"] if path == "explorer.html" else []
        assert [Path(one["src"]).name for one in scripts] == [f"{name}.js" for name in ("site", *more)], path
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes), path
        assert not page.all("b")
        assert all(one["src"] != "x" for one in page.all("img"))
    paper, own = pages["papers/reddi2018.html"], pages[figure_path(figure.name)]
    assert claim.id in paper.text
    assert figure.name in own.text
    assert claim_path(site.records[claim.id]).partition("#")[2] in {a.get("id") for a in paper.all("article")}
    # What is copied from the page is one word of a shell, whatever is in it.
    for page, said in (
        (paper, f"theory-sim check {shlex.quote(claim.id)}"),
        (own, f"theory-sim figure {shlex.quote(figure.name)}"),
    ):
        assert f"{said} --tier quick" in {one.get("data-copy") for one in page.all("button")}
    # The sentence with its formulas set: every character of the markup is there to be read.
    assert "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;" in paper.text
    assert "<b>2</b> in the end" in paper.text
    assert any("onerror" in one["alt"] for one in own.all("img"))  # the label of a curve


def test_a_reader_without_eyes_or_mouse_can_use_it(pages: dict[str, Reader]) -> None:
    for path, page in pages.items():
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("main")) == len(page.all("h1")) == 1, path
        assert page.all("a")[0] == {"class": "skip", "href": "#main"}
        assert all(one.get("alt", "").startswith("Figure ") for one in page.all("img")), path
        assert all(one.get("scope") in {"row", "col"} for one in page.all("th")), path
        labelled = {one["for"] for one in page.all("label")}
        assert {one["id"] for one in page.all("input") + page.all("select")} <= labelled
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert all(b <= a + 1 for a, b in pairwise(levels)), path


def test_the_first_page_says_what_does_not_pass_and_how_it_was_made(
    site: Site, pages: dict[str, Reader]
) -> None:
    index = pages["index.html"]
    counts = site.counts(list(site.records.values()))
    assert counts["UNJUDGED"] == 1
    tiles = re.findall(r"(\d+)\s*[✓✗?–]\s*([A-Z]+)", index.text)
    assert {status: int(n) for n, status in tiles[:4]} == {
        s: counts[s] for s in ("PASS", "FAIL", "UNDECIDED", "UNJUDGED")
    }
    links = [one["href"] for one in index.all("a")]
    for record in (one for one in site.records.values() if one["status"] != "PASS"):
        assert links.count(claim_path(record)) == 2  # in the list and in the matrix
    assert all(claim_path(record) in links for record in site.records.values())
    for words in ("2026-01-02 03:04 UTC", "61.5 s", "Quick tier", "numba", "read in the paper"):
        assert words in index.text
    assert index.text.index(site.open[0]["id"]) < index.text.index("Each mark is one claim")


def test_a_claim_shows_its_evidence(site: Site, pages: dict[str, Reader]) -> None:
    page = pages["papers/zhang2022.html"].text
    assert "theory-sim check zhang2022.Z1a --tier quick" in page
    assert "def " in page  # the source of its check
    assert "@inproceedings{zhang2022" in page
    assert "paper_checks/zhang2022/claims.py, line" in page
    assert "zhang2022.phase" in page
    alt = pages["figures/phase.html"].all("img")[0]["alt"]
    assert alt == "Figure phase. a; gap against t; lines: “Adam”"


def test_the_same_evidence_gives_the_same_pages_fast(site: Site, folder: Path, tmp_path: Path) -> None:
    later = {**site.document, "date": "2031-11-12 13:14 UTC", "seconds": 5.0}
    begin = time.process_time()
    other = written(replace(site, document=later), tmp_path / "again")
    assert time.process_time() - begin < 5.0  # 2 s on one core; the rest is for a slower one
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".html", ".js", ".css"}:
            text = path.read_text().replace("2026-01-02 03:04 UTC", later["date"]).replace("61.5 s", "5.0 s")
            assert (other / path.relative_to(folder)).read_text() == text, path.name


def test_pages_are_light(folder: Path) -> None:
    sizes = {
        path: path.stat().st_size for path in folder.rglob("*") if path.suffix in {".html", ".js", ".css"}
    }
    # Beside the pictures, which take as much again: 1.5 MB for the explorer's plots, the rest grows with the claims.
    assert sum(sizes.values()) < 2e6 + 20_000 * len(catalogue.claims())
    # What a phone loads first has a line for every claim.
    assert sizes[folder / "index.html"] < 600 * len(catalogue.claims())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("beta2 <= 1/(1+C^2)", "<var>β</var><sub>2</sub> ≤ 1/(1+C<sup>2</sup>)"),
        ("lr t^-1/2 and x^2/2", "lr t<sup>−1/2</sup> and x<sup>2</sup>/2"),
        ("V_{t-1} of beta1_t", "<var>V</var><sub>t-1</sub> of <var>β</var><sub>1,t</sub>"),
        ("(a/b)^age ||g||", "(a/b)<sup>age</sup> ‖g‖"),
        ("`x^2` <b>", "<code>x^2</code> &lt;b&gt;"),
        ("optim/beta1.py, snake_case, 1e-05", "optim/beta1.py, snake_case, 1e-05"),
        ("sqrt(1 - beta**t) -> 0", "√(1 − <var>β</var><sup>t</sup>) → 0"),
    ],
)
def test_formulas_in_sentences(text: str, shown: str) -> None:
    assert str(prose.prose(text)) == shown


def test_bounds_keep_the_order_in_which_they_are_written() -> None:
    found = re.sub(r"<[^>]*>", "", str(prose.formula("2*small*(ratio - n + 1)/n")))
    assert found == "2small(ratio−n+1)n"
    assert "<msqrt>" in prose.formula("sqrt(beta2)")
    assert "<mfenced" not in prose.formula("floor(n/2)")  # which browsers no longer set


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (r"$-\log_{10}(1-\beta_2)$", "- log_10(1-β_2)"),
        (r"$\beta_1=\sqrt{\beta_2}$", "β_1=√β_2"),
        (r"$\|x-x_*\|_\infty$ (open)", "‖x-x_*‖_∞ (open)"),
        (r"$(2,\ 1)$, $\propto\eta$", "(2, 1), ∝ η"),
    ],
)
def test_labels_are_read_aloud_without_tex(label: str, said: str) -> None:
    assert prose.label(label) == said


def test_names_become_addresses_that_do_not_collide() -> None:
    assert slug("reddi2018.R1a") == "reddi2018.R1a"
    assert slug("a b") != slug("a/b")
    assert re.fullmatch(r"[\w.-]+", slug(HOSTILE))


def test_maps_are_sweeps_over_two_long_axes(site: Site) -> None:
    sweep, grid = site.maps[1]
    seeds, wide = (
        replace(sweep, seeds=2, name="seeds"),
        replace(sweep, axes={**sweep.axes, "a": [1.0, 1.1, 1.2, 1.3, 1.4]}, name="a"),
    )
    line = replace(sweep, axes={"beta2": sweep.axes["beta2"]}, name="line")
    quick = replace(sweep, quick={"axes": {"beta1": [0.0, 0.5], "beta2": [0.1, 0.9]}}, name="quick")
    found = explorer.chosen({one.name: one for one in (sweep, seeds, wide, line, quick)}, "quick")
    assert [one.name for one in found] == ["test.map"]
    shown = explorer.record(sweep, grid)
    assert shown["selectors"] == ["n"]
    assert (shown["horizontal"], shown["vertical"]) == ("beta1", "beta2")
    assert shown["verdicts"] == "".join(str(one)[0] for one in grid.verdict.values.ravel())
    # D of n = 10, C = 10 in the cell beta1 = .3, beta2 = .95 and of n = 5, C = 5 there.
    for key, n in (("0", 5), ("1", 10)):
        assert shown["drift"][key][3 * 9 + 8] == pytest.approx(drift(0.3, 0.95, n, float(n)), rel=1e-3)
    assert shown["cycle"] == {"0": [5, 5.0], "1": [10, 10.0]}
    reshuffled = replace(sweep, order="reshuffled")
    assert explorer.record(reshuffled, grid)["run"] is None  # its order is drawn


def test_the_curve_of_rmsprop_is_where_its_drift_vanishes() -> None:
    sweep = ts.Sweep(
        replace(shi.periodic(4), name="shi.periodic, v_0 = 1"),
        ts.rmsprop(0.1),
        {"C": range(3, 11), "beta2": np.linspace(0.1, 0.9, 8)},
        steps=1,
        name="curve",
    )
    shown = explorer.record(sweep, sweep.run())
    assert shown["curve"][0] == [*range(3, 11)]
    for C, beta2 in zip(*shown["curve"], strict=True):
        # beta1 = 0, slopes (C, -1, ..., -1): the root is a fine cell of 3 % of 1 - beta2 below this number at most.
        (root,) = critical_beta2(0.0, n=C, C=float(C))
        assert root <= beta2 <= 1.0 - (1.0 - root) * 0.97
    assert shown["drift"][""][8 * 2 + 3] == pytest.approx(
        drift(0.0, sweep.axes["beta2"][3], 5, 5.0), rel=1e-3
    )
