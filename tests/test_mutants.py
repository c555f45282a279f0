"""The list of mutants fits the code: every one is planted in exactly one place and runs tests and claims that exist."""

from collections import Counter
from functools import cache

import pytest

from tests import mutants
from theory_sim.app import catalogue

MUTANTS = mutants.mutants()


@cache
def words(file: str) -> str:
    return (mutants.ROOT / file).read_text()


@pytest.mark.parametrize("file", sorted({one.file for one in MUTANTS}))
def test_every_bug_has_its_place(file: str) -> None:
    for one in (one for one in MUTANTS if one.file == file):
        assert one.planted != words(file), one.name
        compile(one.planted, one.file, "exec")


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(one.name for one in MUTANTS).items() if count > 1] == []


def test_what_must_notice_exists() -> None:
    for one in MUTANTS:
        assert {*one.claims, *one.blind} <= catalogue.claims().keys(), one.name
        for argument in one.tests:
            assert not argument.startswith("tests/") or (mutants.ROOT / argument.split("::")[0]).exists(), (
                one.name
            )


def test_what_survives_has_a_reason() -> None:
    for one in MUTANTS:
        assert bool(one.survives_because) == bool(one.blind or not one.tests), one.name


def test_a_tenth_is_of_many_kinds() -> None:
    assert len(MUTANTS) >= 150
    assert len({one.file for one in mutants.tenth(MUTANTS)}) >= 12
