# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.13.0", "transformers==5.23.0", "safetensors"]
# ///
"""What transformers 5 with torch makes of models: uv run --script tests/worlds/torch_logits.py TASK.json ANSWER.json.

The task is ``{"folders": [...], "texts": [...]}``. The answer has for each folder the token ids and logits of each text,
the label that a pipeline without any option gives to those that fit, and what transformers warned of.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

heard = []


class Ear(logging.Handler):
    """Keeps what is logged at the level of a warning."""

    def emit(self, record):
        """Keep the record."""
        heard.append(record.getMessage())


def main(task, answer):
    """Answer `task`."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").addHandler(Ear(logging.WARNING))
    warnings.showwarning = lambda message, *_, **__: heard.append(str(message))
    asked = json.loads(Path(task).read_text(encoding="utf-8"))
    found = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "models": {}}
    for folder in asked["folders"]:
        heard.clear()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
        encoded = [tokenizer(text, truncation=True, return_tensors="pt") for text in asked["texts"]]
        with torch.inference_mode():
            logits = [model(**inputs).logits[0].tolist() for inputs in encoded]
        classify = transformers.pipeline("text-classification", model=folder)
        warned = list(heard)
        longest = tokenizer.model_max_length
        found["models"][folder] = {
            "ids": [inputs["input_ids"][0].tolist() for inputs in encoded],
            "logits": logits,
            "pipeline": [
                classify(text)[0]["label"] if len(tokenizer(text)["input_ids"]) <= longest else None
                for text in asked["texts"]
            ],
            "warned": warned,
        }
    Path(answer).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
