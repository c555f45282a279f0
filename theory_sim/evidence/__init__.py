"""What a claim may call: rates, smoothness, worst cases, sequences, theorems on trial."""
