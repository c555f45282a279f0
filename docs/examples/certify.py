"""A proved cell: the drift of Adam enclosed in a ball, not measured in a run."""

from counterexamples.drift.certificate import SCOPE, certify

for beta2 in ("0.98", "0.99"):
    cell = certify("0.9", beta2, n=20, C=20)
    print(f"beta1 = 0.9, beta2 = {beta2}: {cell.verdict}, D = {cell.drift}")
print("proved", SCOPE)
