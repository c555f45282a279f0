"""Pages that are made of the suite's own lists: the gallery of figures, the reference, the errata."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import theory_sim as ts
from theory_sim.app import catalogue
from theory_sim.app import errata as errors

HERE = Path(__file__).parent
MODULES = {
    "Oracles and certificates": (
        "counterexamples.drift",
        "counterexamples.drift.certificate",
        "counterexamples.drift.certified_map",
        "counterexamples.drift.map_check",
    ),
    "Evidence": (
        "theory_sim.plot",
        "theory_sim.nouns.claim",
        "theory_sim.nouns.theorem",
        "theory_sim.evidence.trial",
        "theory_sim.evidence.smoothness",
        "theory_sim.evidence.rates",
        "theory_sim.evidence.last_iterate",
        "theory_sim.evidence.cases",
    ),
    "Rules": ("theory_sim.rules.language", "theory_sim.nouns.noise", "theory_sim.nouns.family"),
    "Problems": (
        "counterexamples.reddi",
        "counterexamples.shi",
        "counterexamples.zhang",
        "counterexamples.sequences",
        "counterexamples.smooth",
        "counterexamples.generalized_smooth",
        "counterexamples.clipping",
        "counterexamples.sign",
        "counterexamples.quantized",
        "counterexamples.averaged",
        "counterexamples.bilevel",
        "counterexamples.cycles",
        "counterexamples.estimators",
        "counterexamples.federated",
        "counterexamples.finetuning",
        "counterexamples.gossip",
        "counterexamples.layers",
        "counterexamples.linear",
        "counterexamples.lipschitz",
        "counterexamples.lowrank",
        "counterexamples.methods",
        "counterexamples.newton",
        "counterexamples.noisy_well",
        "counterexamples.nonsmooth",
        "counterexamples.normalization",
        "counterexamples.objectives",
        "counterexamples.pdhg",
        "counterexamples.perceptron",
        "counterexamples.power_law",
        "counterexamples.preconditioning",
        "counterexamples.quadratics",
        "counterexamples.separable",
        "counterexamples.spectra",
        "counterexamples.spectral",
        "counterexamples.twopoint",
        "counterexamples.zeroth_order",
        "counterexamples.zoo",
    ),
    "Compressors, randomness, exact arithmetic": (
        "theory_sim.compressors",
        "theory_sim.random",
        "theory_sim.exact",
    ),
    "torch": ("theory_sim.torch_bridge", "theory_sim.wire.ddp"),
}


def plain(text: str) -> str:
    """Return text that reStructuredText shows as it stands."""
    return re.sub(r"([\\*|`_])", r"\\\1", text)


def bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show the bars of absolute values in docstrings, outside ``literals``."""
    for i, line in enumerate(lines):
        parts = line.split("``")
        lines[i] = "``".join(p if k % 2 else p.replace("|", r"\|") for k, p in enumerate(parts))


def title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def gallery() -> dict[str, str]:
    """A page for each figure, with its caption, its claims, its command and the code that draws it."""
    pages, cards = {}, []
    for name, figure in catalogue.figures().items():
        source = Path(inspect.getfile(figure.draw)).relative_to(HERE.parent)
        picture = HERE / "_pictures" / f"{name}.png"
        text = title(name) + f"{plain(figure.caption)}\n\n"
        if picture.is_file():
            text += f".. image:: /_pictures/{name}.png\n   :alt: {plain(figure.caption)}\n\n"
            cards.append(
                f".. image:: /_pictures/{name}.png\n   :target: {name}.html\n   :width: 45%\n   :alt: {name}\n\n"
            )
        if figure.claims:
            text += f"Claims that it shows: {', '.join(f'``{one}``' for one in figure.claims)}.\n\n"
        text += f".. code-block:: console\n\n   $ theory-sim figure {name} --tier quick\n\n"
        text += f".. literalinclude:: /../{source}\n   :caption: {source}\n"
        pages[f"gallery/{name}"] = text
    index = title("Gallery") + "Every figure of the suite, with the code that draws it.\n\n" + "".join(cards)
    index += ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in catalogue.figures())
    return {"gallery/index": index, **pages}


def public(module: Any) -> list[str]:
    """The names that a module offers: its ``__all__``, or what it defines and does not hide."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if callable(getattr(module, name))]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value) or hasattr(value, "__wrapped__"))
        and getattr(value, "__module__", "") == module.__name__
    ]


def methods() -> str:
    """What is known of the methods that no constructor makes, by the names of their papers."""
    text = title("Methods without a constructor")
    text += "Recursions of their own, which no lane can run, and what their toys support.\n\n"
    for name, one in catalogue.methods().items():
        text += title(name, "-") + f"{plain(str(catalogue.papers()[one.paper]))}\n\n"
        text += f"{plain(one.does)}\n\n{plain(one.supports)}\n\n"
        text += f"Code: ``{one.code}``; claims: {', '.join(f'``{id}``' for id in one.claims)}.\n\n"
    return text


def reference() -> dict[str, str]:
    """The reference of every public name, by module."""
    names = [name for name in ts.__all__ if callable(getattr(ts, name))]
    nouns = [name for name in names if inspect.isclass(getattr(ts, name))]
    pages = {
        "reference/nouns": title("Nouns")
        + "".join(f".. autoclass:: theory_sim.{name}\n   :members:\n\n" for name in nouns),
        "reference/functions": title("Functions and constructors")
        + "".join(f".. autofunction:: theory_sim.{name}\n\n" for name in names if name not in nouns),
        "reference/methods": methods(),
    }
    for heading, modules in MODULES.items():
        text = title(heading)
        for module in modules:
            found = catalogue.import_module(module)
            text += title(module, "-") + f"{plain((inspect.getdoc(found) or '').split(chr(10) * 2)[0])}\n\n"
            for name in (
                name for name in public(found) if getattr(ts, name, None) is not getattr(found, name)
            ):
                kind = "autoclass" if inspect.isclass(getattr(found, name)) else "autofunction"
                text += f".. {kind}:: {module}.{name}\n" + (
                    "   :members:\n\n" if kind == "autoclass" else "\n"
                )
        pages[f"reference/{heading.split()[0].rstrip(',').lower()}"] = text
    index = title("Reference") + "Every public name, with shapes, units, errors and sources.\n\n"
    index += ".. toctree::\n   :maxdepth: 1\n\n"
    index += "".join(f"   {page.removeprefix('reference/')}\n" for page in pages)
    return {"reference/index": index, **pages}


def errata() -> dict[str, str]:
    """The errata, by paper."""
    known = errors.document()
    text = title("Errata") + f"{plain(known['about'])}\n\nVersion {known['version']}.\n\n"
    for one in errors.errata():
        text += title(plain(f"{one.id}: {one.subject}"), "-")
        text += f"{plain(one.where)} ({one.severity}: {errors.SEVERITY[one.severity]}; "
        text += f"{errors.BASIS[one.basis]})\n\n"
        for name in ("printed", "right", "evidence"):
            text += f"{name.capitalize()}\n   {plain(getattr(one, name))}\n\n"
        shown = ", ".join(f"``{name}`` ({status})" for name, status in one.claims.items())
        text += f"Claims\n   {shown}\n\n" if shown else ""
    return {"errata": text}


def write(app: Any) -> None:
    """Write the pages where they differ from what is there."""
    for page, text in {**gallery(), **reference(), **errata()}.items():
        path = HERE / f"{page}.rst"
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", bars, priority=900)  # after numpydoc
    return {"parallel_read_safe": True}
