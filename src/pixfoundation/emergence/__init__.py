"""When grounding emerges: where in an answer, and with which concept, the best mask appears."""
