"""Methods that no rule of a lane can say, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """What a method does, what the toys of this suite say of it, and where it is.

    Parameters
    ----------
    paper : str
        Key of its paper.
    does : str
        The step, and what it was made for.
    supports : str
        What was seen here, when it helps and when it does not, and what was not looked at.
    code : str
        Where it is written, as ``module.name``.
    claims : tuple of str
        Ids of the claims that test what is said.
    """

    paper: str
    does: str
    supports: str
    code: str
    claims: tuple[str, ...]
