"""Finding the optimizer that somebody puts on trial: by a name, in a file, or as an object."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from theory_sim.app import catalogue
from theory_sim.evidence.bout import Contender, Native, limited
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import checks

_EXTRAS = {"torch": "torch", "jax": "optax", "optax": "optax", "pytorch_optimizer": "zoo"}
_MODULE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)(?::(.*))?")
_FILE = re.compile(r"(.+\.py):([A-Za-z_]\w*)(?::(.*))?")
_FOLDERS: set[Path] = set()  # of files that were tried
_WAY = "an optimizer is a torch.optim class or factory (params, lr), or a transformation of optax or its factory (learning_rate)"


def contender(optimizer: Any) -> Contender:
    """Return what a name, a class, a factory or an `Optimizer` puts on trial.

    Raises
    ------
    ValueError
        If it is no optimizer.
    """
    if not isinstance(optimizer, str):
        return _made(optimizer, _called(optimizer))
    in_file, in_module = _FILE.fullmatch(optimizer), _MODULE.fullmatch(optimizer)
    first = optimizer.partition(":")[0]
    if first in catalogue.optimizers() or not (in_file or in_module):
        if first not in catalogue.optimizers() and ("." in first or "/" in first):
            raise ValueError(
                f"{optimizer!r} names no optimizer; write a module or a file, a colon and a name: torch.optim:Adam, "
                "path/to/file.py:make."
            )
        own = catalogue.arguments(optimizer.partition(":")[2], first)
        if "lr" in own:
            raise ValueError(f"The audit sets lr itself; leave it out of {optimizer!r}, and use --lr for it.")
        return Native(catalogue.build_optimizer(optimizer), optimizer)
    match = in_file or in_module
    assert match is not None
    place, name, text = match.groups()
    found = _file(Path(place)) if in_file else _module(place)
    known = [one for one in dir(found) if not one.startswith("_")]
    checks.known(f"name in {place}", name, known)
    made = getattr(found, name)
    given = catalogue.arguments(text or "")
    for one in {"lr", "learning_rate"} & given.keys():
        raise ValueError(f"The audit sets {one} itself; leave it out of {optimizer!r}, and use --lr for it.")
    return _made(made, optimizer, given)


def _called(made: Any) -> str:
    """Return what a card calls an object: one of ours without its lr, which the audit sets."""
    if isinstance(made, Optimizer):
        return Native(made, made.name).settings
    if isinstance(made, partial):
        given = [*map(repr, made.args), *(f"{name}={value!r}" for name, value in made.keywords.items())]
        return f"{_called(made.func)}({', '.join(given)})"
    return getattr(made, "__name__", "") or type(made).__name__


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        way = f'pip install "theory-sim[{extra}]"' if extra else "check its name, or install it"
        raise ValueError(f"No module {error.name} can be imported; {way}.") from error
    except Exception as error:
        raise ValueError(
            f"{name} cannot be imported: {type(error).__name__}: {checks.sentence(error)}"
        ) from error


def _file(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"There is no file {path}; give path/to/file.py:make.")
    spec = importlib.util.spec_from_file_location(f"_file_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up; the name shadows no other module
    _look_in(path.resolve().parent)
    try:
        with limited("build"):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} cannot be run: {type(error).__name__}: {checks.sentence(error)}") from error
    return module


def _look_in(folder: Path) -> None:
    """Let a file import its neighbours, as a script can, and not those of the files that were tried before.

    Its folder stays first among the places of modules, for a factory may import when it is called.
    """
    for name, known in list(sys.modules.items()):
        file = getattr(known, "__file__", None)
        elsewhere = file is not None and Path(file).parent in _FOLDERS - {folder}
        if elsewhere and not name.startswith("_file_") and (folder / f"{name}.py").is_file():
            del sys.modules[name]
    sys.path[:] = [str(folder), *(one for one in sys.path if one != str(folder))]
    _FOLDERS.add(folder)


def _made(made: Any, name: str, given: Mapping[str, Any] | None = None) -> Contender:
    """Return a contender from an object: one of ours, or a factory of torch or optax, told by its arguments."""
    given = given or {}
    if isinstance(made, Optimizer):
        return Native(made.replace(**given) if given else made, name)
    if hasattr(made, "update") and hasattr(made, "init") and type(made).__module__.startswith("optax"):
        from theory_sim.wire.optax_audit import OptaxContender, multiplied

        if given:
            raise ValueError(
                f"{name} is made already, so it takes no arguments; give the factory that makes it."
            )
        return OptaxContender(multiplied(made, name), name, "made already: lr multiplies its steps")
    if not callable(made):
        raise ValueError(f"{name} is {checks.article(type(made).__name__)}, no optimizer: {_WAY}.")
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        raise ValueError(f"{name} tells no arguments, so it is no optimizer: {_WAY}.") from None
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for one in given:
            checks.known(f"argument of {name.partition(':')[2].partition(':')[0]}", one, parameters)
    whole = partial(made, **given)
    if inspect.isclass(made) and not any(one.__module__.startswith("torch.optim") for one in made.__mro__):
        raise ValueError(f"{name} is a class, and no torch.optim.Optimizer: {_WAY}.")
    if inspect.isclass(made) or "params" in parameters:
        try:
            from theory_sim.wire.torch_audit import TorchContender
        except ImportError as error:
            raise ValueError(str(error)) from error
        with limited("build"):
            return TorchContender(whole, name)
    if "learning_rate" in parameters:
        try:
            from theory_sim.wire.optax_audit import OptaxContender
        except ImportError as error:
            raise ValueError(str(error)) from error
        with limited("build"):
            return OptaxContender(whole, name)
    if all(one.default is not one.empty or one.name in given for one in parameters.values()):
        try:
            with limited("build"):
                found = whole()
        except Exception as error:
            raise ValueError(f"{name} raised {type(error).__name__}: {checks.sentence(error)}") from error
        if isinstance(found, Optimizer):
            return Native(found, name)
    raise ValueError(f"{name} takes ({', '.join(parameters)}), and is no optimizer: {_WAY}.")
