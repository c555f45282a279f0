"""The smallest counterexample to an optimizer, found and certified."""

import theory_sim as ts

found = ts.hunt("adam:beta1=0,beta2=0.1", max_period=3)
for hit in found.front:
    print(f"period {hit.period}: {hit.gradients}, drift {hit.drift}")

print("AMSGrad has none:", ts.hunt("amsgrad").why_none)
