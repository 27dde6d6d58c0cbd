# /// script
# requires-python = ">=3.11"
# dependencies = ["accelerate>=1.10", "torch==2.13.0", "transformers==5.23.0"]
# ///
"""transformers' Trainer on torch, for `benchmarks.training`, which runs it: SHAPE THREADS, and `go` by standard input.

SHAPE is JSON: the model's configuration, rows and tokens of a batch, and steps of a round. After each round the time of
its steps is printed, and the next one waits for `go`. uv makes an environment for this script, since it needs torch.
"""

import json
import sys
import tempfile
import time
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


class Batches(torch.utils.data.Dataset):
    """Padded batches, made before training."""

    def __init__(self, shape: dict[str, Any]) -> None:
        """Draw them."""
        torch.manual_seed(0)
        size = shape["rows"], shape["length"]
        self.batches = [
            {
                "input_ids": torch.randint(5, shape["config"]["vocab_size"], size),
                "attention_mask": torch.ones(size, dtype=torch.int64),
                "labels": torch.randint(0, shape["classes"], size[:1]),
            }
            for _ in range(shape["batches"])
        ]

    def __len__(self) -> int:
        """Return more than are ever asked for."""
        return 1_000_000

    def __getitem__(self, number: int) -> Any:
        """Return a batch."""
        return self.batches[number % len(self.batches)]


class InBatches(Trainer):
    """Takes the batches as they are."""

    def get_train_dataloader(self) -> Any:
        """Return the batches."""
        return torch.utils.data.DataLoader(self.train_dataset, batch_size=None)


def now() -> tuple[float, float]:
    """Return the time, and this process's time of the processor, in seconds."""
    return time.perf_counter(), time.process_time()


class Clock(TrainerCallback):
    """Prints the time of each round, and waits for the next one."""

    def __init__(self, steps: int) -> None:
        """Start with the first step."""
        self.steps, self.done, self.start = steps, 0, now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """End a round."""
        self.done += 1
        if self.done % self.steps == 0:
            print("round", *(end - start for end, start in zip(now(), self.start, strict=True)), flush=True)
            sys.stdin.readline()
            self.start = now()


def main(shape: dict[str, Any], threads: int) -> None:
    """Train until the process is ended."""
    torch.set_num_threads(threads)
    config = AutoConfig.for_model(**shape["config"], num_labels=shape["classes"])
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, max_steps=1_000_000, learning_rate=1e-4, weight_decay=0.01, max_grad_norm=1.0, use_cpu=True,
            optim="adamw_torch", report_to="none", logging_strategy="no", save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        model = AutoModelForSequenceClassification.from_config(config)
        InBatches(model, settings, train_dataset=Batches(shape), callbacks=[Clock(shape["steps"])]).train()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), int(sys.argv[2]))
