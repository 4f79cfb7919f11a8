"""Sa2VA: a stock vision-language model, a head on the states at `[SEG]`, and SAM 2.

Read the modules in this order:

- `network`: the model as functions of tensors, stage by stage.
- `generation`: answers with the states at `[SEG]`, and with attention if it is wanted.
- `reading`: the same for answers that somebody else wrote.
- `intern_prompts` and `tiles`: how the InternVL variants see image and question.
- `qwen_prompts` and `qwen_pixels`: how the Qwen-VL variants do.
- `tokens`, `templates`: text and its marks.
- `settings`, `key_map`, `checkpoint`: the published files; their code is never run.
- `adapter`: the model as the rest of the package uses it.

Source: bytedance/Sa2VA, projects/sa2va/hf (arXiv 2501.04001).
"""
