"""UniGR (RGA3): reasoning and referring segmentation on Qwen2.5-VL with SAM 2."""
