"""The straightforward script for a study's work, as one would write it without this package.

For each model of the study: load the base, tune it with `transformers.Trainer`, let it answer each
data set with `generate` in file order, score the answers with pycocoevalcap. It knows nothing of
`revolion`; `study.py` writes its tasks and compares. One process, torch's own number of threads.

    python bench/plain.py TASKS.json ANSWERS.jsonl

A model's answers are given by the study's tuned weights, not by those that it has just tuned here
in an order of its own, so that both sides answer, and score, with the same models.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    Trainer,
    TrainingArguments,
)

SECONDS: dict[str, float] = defaultdict(float)


def main() -> None:
    """Do every model's work and print the seconds of each stage as JSON."""
    tasks = json.loads(Path(sys.argv[1]).read_text())
    parts = {name: json.loads(Path(file).read_text()) for name, file in tasks["parts"].items()}
    meteor = Meteor()
    with Path(sys.argv[2]).open("w") as file:
        for task in tasks["models"]:
            model, processor = timed("load", load, tasks["base"])
            samples = [parts[part][place] for part, place in task["samples"]]
            timed("tune", tune, model, processor, samples, task)
            with torch.no_grad():
                model.load_state_dict(load_file(task["weights"]), strict=False)
            for part in task["asked"]:
                questions = timed("answer", answer, model, processor, parts[part], tasks)
                timed("score", score, questions, meteor)
                for question in questions:
                    del question["messages"], question["images"]
                    row = {"model": task["name"], "part": part, **question}
                    file.write(json.dumps(row) + "\n")
    print(json.dumps(SECONDS))


def timed(stage: str, work: Any, *arguments: Any) -> Any:
    """What the work gives; its seconds are added to the stage's."""
    started = time.perf_counter()
    result = work(*arguments)
    SECONDS[stage] += time.perf_counter() - started
    return result


def load(base: str) -> tuple[Any, Any]:
    """The base model and its processor."""
    return AutoModelForImageTextToText.from_pretrained(base), AutoProcessor.from_pretrained(base)


def as_messages(sample: dict[str, Any], upto: int | None = None) -> list[dict[str, Any]]:
    """The conversation, or what comes before the answer of turn ``upto``."""
    messages = []
    for number, (instruction, response) in enumerate(sample["turns"]):
        content: list[dict[str, Any]] = [{"type": "image"}] * instruction.count("<image>")
        content.append({"type": "text", "text": instruction.replace("<image>", "").strip()})
        messages.append({"role": "user", "content": content})
        if number == upto:
            return messages
        content = [{"type": "text", "text": response}]
        messages.append({"role": "assistant", "content": content})
    return messages


def tensors(processor: Any, conversations: Any, images: Any, **options: Any) -> Any:
    """The processor's tensors of a batch; every image is opened here."""
    texts = [processor.apply_chat_template(one, **options) for one in conversations]
    opened = [[Image.open(path).convert("RGB") for path in paths] for paths in images]
    return processor(text=texts, images=opened, padding=True, return_tensors="pt")


def tune(model: Any, processor: Any, samples: list[Any], task: dict[str, Any]) -> None:
    """Tune the model's projector, or all of it, on the samples."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = task["trainable"] == "all" or "multi_modal_projector" in name
    processor.tokenizer.padding_side = "right"
    begin, end = processor.tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])

    def collate(rows: list[Any]) -> Any:
        batch = tensors(processor, map(as_messages, rows), [row["images"] for row in rows])
        labels = torch.full_like(batch["input_ids"], -100)
        for row, ids in enumerate(batch["input_ids"].tolist()):
            inside = False
            for place, token in enumerate(ids):
                if inside:
                    labels[row, place] = token
                inside = token == begin or (inside and token != end)
        return {**batch, "labels": labels}

    settings = TrainingArguments(
        output_dir="unused",
        max_steps=task["steps"],
        per_device_train_batch_size=task["batch_size"],
        learning_rate=task["learning_rate"],
        lr_scheduler_type=task["schedule"],
        warmup_steps=task["warmup_steps"],
        max_grad_norm=task["max_grad_norm"],
        weight_decay=task["weight_decay"],
        seed=task["seed"],
        use_cpu=True,
        save_strategy="no",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
    )
    Trainer(model=model, args=settings, train_dataset=samples, data_collator=collate).train()
    model.eval()


def answer(
    model: Any, processor: Any, samples: list[Any], tasks: dict[str, Any]
) -> list[dict[str, Any]]:
    """Every turn as a question with its reference history, answered in file order."""
    processor.tokenizer.padding_side = "left"
    questions = []
    for sample in samples:
        for turn, (_, response) in enumerate(sample["turns"]):
            question = {"uid": sample["uid"], "turn": turn, "reference": response}
            question["messages"] = as_messages(sample, upto=turn)
            questions.append(question | {"images": sample["images"]})
    size = tasks["batch_size"]
    for start in range(0, len(questions), size):
        some = questions[start : start + size]
        conversations, images = [q["messages"] for q in some], [q["images"] for q in some]
        inputs = tensors(processor, conversations, images, add_generation_prompt=True)
        longest = tasks["max_new_tokens"]
        output = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
        said = output[:, inputs["input_ids"].shape[1] :]
        texts = processor.batch_decode(said, skip_special_tokens=True)
        for question, text in zip(some, texts, strict=True):
            question["answer"] = text.strip()
    return questions


def score(questions: list[dict[str, Any]], meteor: Meteor) -> None:
    """Put the six metrics into each question."""
    tokenizer = PTBTokenizer()
    texts = {
        name: tokenizer.tokenize({i: [{"caption": q[name]}] for i, q in enumerate(questions)})
        for name in ("reference", "answer")
    }
    pairs = texts["reference"], texts["answer"]
    _, bleu = Bleu(4).compute_score(*pairs, verbose=0)
    _, meteors = meteor.compute_score(*pairs)
    _, rouge = Rouge().compute_score(*pairs)
    names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l")
    for question, values in zip(questions, zip(*bleu, meteors, rouge, strict=True), strict=True):
        question |= dict(zip(names, map(float, values), strict=True))


if __name__ == "__main__":
    main()
