// The maps are in window.MAPS; what needs no page comes first, so that a test can run it alone.
const WORDS = { C: "CONVERGED", D: "DIVERGED", U: "UNDECIDED", N: "NONFINITE" };
const COLORS = { C: "#56B4E9", D: "#D55E00", U: "#F0E442", N: "#444444" };

// The number of a cell in C order over all axes, from its place on each of them.
const cellOf = (map, places) => Object.values(map.axes).reduce((cell, values, k) => cell * values.length + places[k], 0);

// The numbers of a cell: lr, the start, the constants of the problem, hyperparameters, state rows.
const numbersOf = (map, places) => {
  const lengths = Object.values(map.axes).map((values) => values.length), found = {};
  for (const [name, { axes, values }] of Object.entries(map.run.values)) {
    found[name] = values[axes.reduce((place, k) => place * lengths[k] + places[k], 0)];
  }
  return found;
};

// The loop of the suite around the rules of a map, as one function: it takes the numbers `at` from after `done` updates to
// after `stop`, and returns false where x is no longer finite.  Names are those of arguments, so they are identifiers.
const LOOPS = new Map();
const loopOf = (map) => {
  if (LOOPS.has(map)) return LOOPS.get(map);
  const { gradient, step, factor, rows, box } = map.run;
  const own = ["g", "t", "index", "x", "lr"], rules = [gradient, step, factor];
  const names = [...new Set(rules.flatMap((one) => one.arguments))].filter((name) => !own.includes(name));
  const call = (what, one) => `${what}(${one.arguments.map((name) => `$${name}`).join(", ")})`;
  const kept = rows.map((row, k) => [row, k + 1]).filter(([row]) => names.includes(row));
  const text = `"use strict";
    const gradient = ${gradient.text}, step = ${step.text}, factor = ${factor.text};
    return (at, done, stop) => {
      let $x = at.x, ${names.map((name) => `$${name} = at.${name}`).concat("$g = 0", "$lr = 0").join(", ")};
      for (; done < stop; done += 1) {
        const $t = done + 1, $index = done % at.size;
        $g = ${call("gradient", gradient)}[0];
        $lr = at.lr * ${call("factor", factor)}[0];
        const next = ${call("step", step)};
        if (!Number.isFinite(next[0])) return false;
        $x = ${box ? `Math.min(Math.max(next[0], ${box[0]}), ${box[1]})` : "next[0]"};
        ${kept.map(([row, k]) => `$${row} = next[${k}];`).join(" ")}
      }
      at.x = $x; ${kept.map(([row]) => `at.${row} = $${row};`).join(" ")}
      return true;
    };`;
  LOOPS.set(map, Function("_rint", "_copysign", "_mod", text)(_rint, _copysign, _mod));
  return LOOPS.get(map);
};

// The path of a cell: x after given numbers of updates, as far as it is finite.
const pathOf = (map, places, stops) => {
  const advance = loopOf(map), at = numbersOf(map, places), out = [];
  let done = 0;
  for (const stop of stops) {
    if (!advance(at, done, stop)) break;
    done = stop;
    out.push(at.x);
  }
  return out;
};

// Numbers of updates up to `steps` that are spread evenly on a logarithmic axis.
const stopsOf = (steps, most = 600) => {
  const found = new Set([0, steps]);
  for (let k = 0; k < most; k += 1) found.add(Math.round(steps ** (k / (most - 1))));
  return [...found].sort((a, b) => a - b);
};

globalThis.explorer = { cellOf, numbersOf, pathOf, stopsOf };

const start = () => {
  const find = (id) => document.getElementById(id);
  const form = find("explorer"), boxes = find("e-axes"), said = find("e-said");
  const short = (value) => (value === null ? "not finite" : String(Number(value.toPrecision(6))));
  let map, places;

  const shades = () => {
    const style = getComputedStyle(document.body);
    return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: style.fontFamily, size: 13, color: style.color } };
  };
  const OPTIONS = { displayModeBar: false, responsive: true };
  const axisStyle = (title, more = {}) => {
    const line = getComputedStyle(document.documentElement).getPropertyValue("--grid") || "#8884";
    return { title: { text: title }, gridcolor: "rgba(128,128,128,.25)", zeroline: false, linecolor: line, automargin: true, ...more };
  };
  const names = () => Object.keys(map.axes);
  const place = (name) => places[names().indexOf(name)];
  const key = () => map.selectors.map(place).join(",");

  const curveOf = () => {
    if (map.curve) return map.curve;
    const cycle = map.cycle?.[key()];
    return cycle && window.CURVES.find((one) => one.cycle[0] === cycle[0] && one.cycle[1] === cycle[1]).line;
  };

  // Where cells crowd towards beta = 1, the axis is that of -log10(1 - beta).
  const TICKS = [0, 0.5, 0.8, 0.9, 0.99, 0.999, 0.9999, 0.99999];
  const scaleOf = (name) => {
    const values = map.axes[name], gaps = values.slice(1).map((value, k) => value - values[k]), last = values.at(-1);
    const crowded = name.startsWith("beta") && last > 0.9 && last < 1 && values[0] >= 0 && Math.max(...gaps) > 3 * Math.min(...gaps);
    const of = crowded ? (value) => (value === null || value >= 1 ? null : -Math.log10(1 - value)) : (value) => value;
    const at = values.map(of), half = (at.at(-1) - at[0]) / (at.length - 1) / 2;
    const shown = TICKS.filter((one) => one <= 1 - (1 - last) / 3);
    return { of, at, range: [at[0] - half, at.at(-1) + half], ticks: crowded ? { tickvals: shown.map(of), ticktext: shown.map(String) } : {} };
  };

  const heat = () => {
    const scales = [scaleOf(map.horizontal), scaleOf(map.vertical)];
    const x = map.axes[map.horizontal], y = map.axes[map.vertical], ix = names().indexOf(map.horizontal), iy = names().indexOf(map.vertical);
    const letters = "CDUN", z = [], text = [], hover = [];
    const transposed = ix < iy; // of the drift, which is in the order of the axes
    y.forEach((_, j) => {
      z.push([]); text.push([]); hover.push([]);
      x.forEach((_, i) => {
        const there = [...places];
        there[ix] = i; there[iy] = j;
        const cell = cellOf(map, there), code = map.verdicts[cell];
        const drift = map.drift?.[key()]?.[transposed ? i * y.length + j : j * x.length + i];
        z[j].push(letters.indexOf(code));
        text[j].push(code);
        hover[j].push([
          `${map.horizontal} = ${short(x[i])}, ${map.vertical} = ${short(y[j])}`, `<b>${WORDS[code]}</b>`,
          drift === undefined ? "" : `drift D = ${short(drift)}`,
          map.decides[cell] ? `would be decided by about ${short(map.decides[cell])} steps` : "",
        ].filter(Boolean).join("<br>"));
      });
    });
    const scale = [...letters].flatMap((letter, k) => [[k / 4, COLORS[letter]], [(k + 1) / 4, COLORS[letter]]]);
    const few = x.length * y.length <= 200;
    const traces = [{
      type: "heatmap", x: scales[0].at, y: scales[1].at, z, zmin: -0.5, zmax: 3.5, colorscale: scale, showscale: false, xgap: 1, ygap: 1, opacity: 0.85,
      text, texttemplate: few ? "%{text}" : "", textfont: { color: "#1c1e21" }, customdata: hover, hovertemplate: "%{customdata}<extra></extra>",
    }];
    const curve = curveOf(), ink = shades().font.color;
    if (curve) traces.push({ type: "scatter", mode: "lines", x: curve[0].map(scales[0].of), y: curve[1].map(scales[1].of), connectgaps: false, hoverinfo: "skip", line: { color: ink, width: 2.5 } });
    traces.push({ type: "scatter", mode: "markers", x: [scales[0].at[place(map.horizontal)]], y: [scales[1].at[place(map.vertical)]], hoverinfo: "skip", marker: { symbol: "circle-open", size: 17, color: ink, line: { width: 2.5 } } });
    const layout = { ...shades(), showlegend: false, margin: { l: 56, r: 12, t: 8, b: 48 }, height: 430, xaxis: axisStyle(map.horizontal, { range: scales[0].range, showgrid: false, ...scales[0].ticks }), yaxis: axisStyle(map.vertical, { range: scales[1].range, showgrid: false, ...scales[1].ticks }) };
    Plotly.react("e-heat", traces, layout, OPTIONS);
    const used = [...letters].filter((letter) => map.verdicts.includes(letter));
    find("e-legend").textContent = `${used.map((letter) => `${letter} ${WORDS[letter]}`).join(", ")}.${curve ? " Line: where Adam's exact drift D vanishes, for vanishing steps." : ""}`;
  };

  const path = () => {
    const code = map.verdicts[cellOf(map, places)], end = map.end[cellOf(map, places)];
    const at = names().map((name, k) => `${name} = ${short(map.axes[name][places[k]])}`).join(", ");
    const decided = map.decides[cellOf(map, places)];
    const verdict = `${at}: ${WORDS[code]} after ${map.steps.toLocaleString("en")} steps${decided ? `, would be decided by about ${short(decided)} steps` : ""}.`;
    find("e-path").hidden = !map.run;
    if (!map.run) {
      said.textContent = `${verdict} It ends at x = ${short(end)}. Its path is not computed here: it needs random numbers, or a kernel that is no rule.`;
      return;
    }
    const stops = stopsOf(map.steps), x = pathOf(map, places, stops);
    Plotly.react("e-path", [{ type: "scatter", mode: "lines", x: stops.slice(1, x.length), y: x.slice(1), line: { color: COLORS.C, width: 2 }, hovertemplate: "step %{x}<br>x = %{y:.6g}<extra></extra>" }], { ...shades(), margin: { l: 64, r: 12, t: 8, b: 48 }, height: 430, xaxis: axisStyle("step t", { type: "log" }), yaxis: axisStyle("x") }, OPTIONS);
    said.textContent = `${verdict} Computed here, x ends at ${x.length < stops.length ? "no finite number" : short(x.at(-1))}; the suite has ${short(end)}.`;
    if (Math.abs(x.at(-1) - end) > 1e-9 * Math.max(1, Math.abs(end))) {
      said.textContent += " Powers may differ in the last place between a browser and the suite, and an unstable path magnifies that.";
    }
    said.dataset.x = x.at(-1);
    said.dataset.end = end;
  };

  const draw = (address) => {
    heat();
    path();
    const state = new URLSearchParams({ map: map.name, ...Object.fromEntries(names().map((name, k) => [name, map.axes[name][places[k]]])) });
    if (address) try { history.replaceState(null, "", `?${state}`); } catch { /* no permalink */ }
  };

  const choose = (name, wanted = {}) => {
    map = window.MAPS.find((one) => one.name === name) ?? window.MAPS[0];
    form.elements.map.value = map.name;
    const nearest = (values, value) => values.reduce((best, one, k) => (Math.abs(one - value) < Math.abs(values[best] - value) ? k : best), 0);
    places = names().map((axis) => (axis in wanted ? nearest(map.axes[axis], Number(wanted[axis])) : map.selectors.includes(axis) ? 0 : Math.floor(map.axes[axis].length / 2)));
    boxes.replaceChildren(...names().map((axis, k) => {
      const row = document.createElement("p"), label = document.createElement("label"), select = document.createElement("select");
      label.textContent = axis;
      select.id = `e-axis-${k}`;
      label.htmlFor = select.id;
      map.axes[axis].forEach((value, i) => select.add(new Option(short(value), i)));
      select.value = places[k];
      select.addEventListener("change", () => { places[k] = Number(select.value); draw(true); });
      row.append(label, select);
      return row;
    }));
    find("e-about").textContent = `${map.optimizer} on ${map.problem}, ${map.order}, ${map.steps.toLocaleString("en")} steps.`;
  };

  const given = Object.fromEntries(new URLSearchParams(location.search));
  choose(given.map, given);
  draw(false);
  find("e-heat").on("plotly_click", ({ points }) => {
    const [one] = points;
    if (one.data.type !== "heatmap") return;
    [[map.horizontal, one.pointIndex[1]], [map.vertical, one.pointIndex[0]]].forEach(([axis, i]) => {
      const k = names().indexOf(axis);
      places[k] = i;
      find(`e-axis-${k}`).value = i;
    });
    draw(true);
  });
  form.elements.map.addEventListener("change", () => { choose(form.elements.map.value); draw(true); });
  form.addEventListener("submit", (event) => event.preventDefault());
  new MutationObserver(() => draw(false)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
};
if (globalThis.document && window.MAPS.length) start();
