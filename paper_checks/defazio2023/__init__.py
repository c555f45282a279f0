"""Defazio, Cutkosky, Mehta, Mishchenko 2023, "Optimal Linear Decay Learning Rate Schedules and Further
Refinements"."""
