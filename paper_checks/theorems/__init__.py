"""Theorems that several papers share, one topic per file, and conditions and symbols in common."""
