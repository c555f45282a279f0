"""Somebody else's optimizer on trial: a class of torch.optim, beside SGD, Adam and AMSGrad."""

import theory_sim as ts

card = ts.audit("torch.optim:NAdam:betas=(0.5,0.9)", "shi.periodic", steps=10_000)
for row in card.rows:
    print(f"{row.problem}: {row.verdict}, ends at {row.x_final}")
for name, rows in card.controls.items():
    print(f"  {name}: {', '.join(row.verdict for row in rows)}")
print(card.conclusion)
