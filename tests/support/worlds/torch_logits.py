# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.13.0", "transformers==5.23.0", "safetensors"]
# ///
"""Results of transformers 5 with torch: uv run --script tests/support/worlds/torch_logits.py TASK.json ANSWER.json.

The task is a list of texts for each folder. For each folder, the answer has the token ids and logits of each text, the
label of a pipeline without options (null if the text is too long), and the warnings of transformers.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import torch
import transformers

heard: list[str] = []


class Ear(logging.Handler):
    """Keeps what is logged."""

    def emit(self, record):
        """Keep the record's message."""
        heard.append(record.getMessage())


def answer(folder, texts):
    """Return the results of the model in `folder`."""
    heard.clear()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    encoded = [tokenizer(text, truncation=True, return_tensors="pt") for text in texts]
    with torch.inference_mode():
        logits = [model(**inputs).logits[0].tolist() for inputs in encoded]
    classify = transformers.pipeline("text-classification", model=folder)
    warned = list(heard)
    longest = tokenizer.model_max_length
    return {
        "ids": [inputs["input_ids"][0].tolist() for inputs in encoded],
        "logits": logits,
        "pipeline": [
            classify(text)[0]["label"] if len(tokenizer(text)["input_ids"]) <= longest else None for text in texts
        ],
        "warned": warned,
    }


if __name__ == "__main__":
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").addHandler(Ear(logging.WARNING))
    warnings.showwarning = lambda message, *_, **__: heard.append(str(message))
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    found = {"transformers": transformers.__version__, "torch": torch.__version__}
    found["models"] = {folder: answer(folder, texts) for folder, texts in task.items()}
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
