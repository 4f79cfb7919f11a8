"""A run as a dataset of the Hugging Face hub, and its result on the page of a model."""
