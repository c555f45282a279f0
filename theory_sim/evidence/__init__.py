"""What a claim may call: rates, smoothness, worst cases, counterexamples, sequences, theorems on trial."""
