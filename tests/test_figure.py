"""Figures: files, data, determinism."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import theory_sim as ts
from counterexamples import zhang
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Claim, at_most

SWEEP = ts.Sweep(
    zhang.piecewise(5),
    ts.adam(0.1, eps=0.0, bias_correction=False),
    {"beta2": [0.1, 0.9]},
    steps=200,
    name="test.beta2",
    quick={"steps": 20},
)


def draw(axes: Any, grids: Sequence[xr.Dataset]) -> None:
    axes[0].plot(grids[0].beta2, grids[0].x_final[:, 0], label="end")
    axes[0].plot([0, 1], [0, 0])
    axes[0].set(title="a title", xlabel="$t$")


def features(grids: Sequence[xr.Dataset]) -> Mapping[str, float]:
    return {"end": grids[0].x_final[0, 0].item()}


FIGURE = ts.Figure("test", "A caption <with> markup.", (1, 2), (4.0, 2.0), (SWEEP,), draw, features)
CLAIM = Claim(
    "reddi2018.T", "here & there", "x < 1", "upper", lambda grids, tier: at_most(len(grids), 1), (SWEEP,)
)


def test_a_figure_is_pictures_and_data(tmp_path: Path) -> None:
    runs = Runs("quick")
    png, svg, data, grid = runs.draw(FIGURE, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()
    content = json.loads(data.read_text())
    assert content["features"] == {"end": runs.grid(SWEEP).x_final[0, 0].item()}
    assert [curve["label"] for curve in content["curves"]] == ["end"]
    assert content["panels"] == [
        {"title": "(a) a title", "x": "$t$", "y": ""},
        {"title": "(b)", "x": "", "y": ""},
    ]
    with xr.open_dataset(grid, engine="scipy") as stored:
        assert np.array_equal(stored.x_final, runs.grid(SWEEP).x_final)


@pytest.mark.parametrize("returned", [{"end": "far"}, {"end": None}, 3])
def test_features_that_are_no_numbers_are_refused_in_a_sentence(returned: Any, tmp_path: Path) -> None:
    figure = ts.Figure(
        "odd", "A caption.", (1, 1), (2.0, 2.0), (), lambda axes, grids: None, lambda grids: returned
    )
    with pytest.raises(
        ValueError, match=r"The features of figure odd are .*; return a dict of numbers by name"
    ):
        figure.save([], tmp_path)


def test_the_grids_of_a_figure_are_left_out_on_request(tmp_path: Path) -> None:
    files = Runs("quick").draw(FIGURE, tmp_path, data=False)
    assert [path.name for path in files] == ["test.png", "test.svg", "test.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)


def test_a_picture_of_256_colours_looks_the_same(tmp_path: Path) -> None:
    from PIL import Image

    png, *_ = Runs("quick").draw(FIGURE, tmp_path)
    with Image.open(png) as picture:
        assert picture.mode == "P"
        shown = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    counts = {
        tuple(color): int(n) for color, n in zip(*np.unique(shown, axis=0, return_counts=True), strict=True)
    }
    assert max(counts, key=lambda color: counts[color]) == (255, 255, 255)
    # The line is drawn in the first colour of the palette, #0072B2, to within an 8-bit step or two of each channel.
    assert (
        min(max(abs(int(a) - b) for a, b in zip(color, (0x00, 0x72, 0xB2), strict=True)) for color in counts)
        <= 2
    )


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    runs = Runs("quick")
    first, second = (runs.draw(FIGURE, tmp_path / name) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_sweep_is_run_once_for_claims_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs("quick", tmp_path / "store")
    count = 0
    original = ts.Sweep.run

    def counted(self: ts.Sweep, *args: Any, **kwargs: Any) -> xr.Dataset:
        nonlocal count
        count += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(ts.Sweep, "run", counted)
    runs.check(CLAIM)
    runs.draw(FIGURE, tmp_path)
    assert count == 1


def test_a_figure_is_laid_out_once_and_drawn_once_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure as Canvas
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    calls: list[str] = []
    for owner, name in ((ConstrainedLayoutEngine, "execute"), (Canvas, "draw")):
        original = getattr(owner, name)

        def counted(*args: Any, name: str = name, original: Any = original) -> Any:
            calls.append(name)
            return original(*args)

        monkeypatch.setattr(owner, name, counted)
    Runs("quick").draw(FIGURE, tmp_path)
    assert calls == ["execute", "draw", "draw"]


def test_white_stays_white_and_light_grey_stays_apart(tmp_path: Path) -> None:
    from PIL import Image

    def shades(axes: Any, grids: Sequence[xr.Dataset]) -> None:
        axes[0].imshow(np.linspace(0.0, 1.0, 500)[None], aspect="auto")  # a map of colours and black text
        axes[1].set_facecolor("0.94")

    figure = ts.Figure("shades", "", (1, 2), (4.0, 2.0), (), shades, lambda _: {})
    png, *_ = figure.save([], tmp_path)
    with Image.open(png) as picture:
        colours = picture.convert("RGB")
        assert colours.getpixel((1, 1)) == (255, 255, 255)
        # Inside the right panel, at 200 dots an inch; .94 * 255 = 240, and 8 levels off are still apart from white.
        assert colours.getpixel((640, 200)) == pytest.approx((240, 240, 240), abs=8)
