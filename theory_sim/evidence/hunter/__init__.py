"""The counterexample hunter: the smallest problem of a declared class on which an optimizer provably fails."""
