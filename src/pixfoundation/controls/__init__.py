"""Controls: the whole pipeline of a run again, with what it should depend on taken away."""
