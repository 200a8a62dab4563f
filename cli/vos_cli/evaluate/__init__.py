"""How a data set is tracked, before it is scored or handed in."""
