"""What lies beyond one process and its lanes: messages, other people's optimizers, networks; needs extras."""
