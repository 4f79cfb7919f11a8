"""UniPixel: answers and masks together, on Qwen2.5-VL with SAM 2.1."""
