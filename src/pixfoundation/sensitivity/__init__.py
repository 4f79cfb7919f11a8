"""How much answers and masks move when only the wording or the view of an image does."""
