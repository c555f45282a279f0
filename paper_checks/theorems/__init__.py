"""Theorems that several papers share, one topic per file, and the conditions and symbols that theorems have in common."""
