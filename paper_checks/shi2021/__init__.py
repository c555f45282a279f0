"""Shi, Li, Hong, Sun 2021, "RMSProp converges with proper hyper-parameter"."""
