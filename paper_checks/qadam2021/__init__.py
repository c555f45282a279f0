"""QAdam of Chen, Shen, Huang, Liu 2021: constants of its quantizers, bias and floor, error feedback."""
