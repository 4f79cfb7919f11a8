"""The architecture that LISA and GLaMM share: CLIP, a projector, Llama, `[SEG]` and SAM."""
