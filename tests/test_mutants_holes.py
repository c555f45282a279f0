"""What no other test noticed when mutants were planted."""

from counterexamples import reddi
from paper_checks.reddi2018 import theorems as reddi2018
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.theorem import Answer


def test_theorem_3_is_about_an_iterate_that_is_not_confined() -> None:
    trial = put_on_trial(reddi2018.THEOREM_3, reddi.stochastic(320.0, delta=1.0), run=False)
    assert [str(row.condition) for row in trial.assessment.failed] == ["the iterate is not confined"]
    assert trial.applies is Answer.FAILS
