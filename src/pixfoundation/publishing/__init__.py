"""A run as a data set of the Hugging Face hub, and its result on the page of a model."""
