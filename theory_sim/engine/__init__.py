"""From nouns to numbers: lanes, the lane loop, chunks, the store and the labelled grid."""
