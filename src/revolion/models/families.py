"""What families of models do that their own transformers classes don't tell.

Everything else about a family comes from its config, model, processor and chat template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from revolion.errors import ModelError

LANGUAGE = re.compile(r"(^|\.)(language|text)_model\.")
"""Finds the name of what belongs to the language model."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    ``projector`` are the names of the modules and parameters between the vision tower and the
    language model, ``images`` the least and the most that a conversation may have. ``template`` is
    the chat template of a family whose checkpoints bring none, in the words of its own training.
    A ``prefix`` family reads its whole prompt before the one response, in both directions.
    """

    projector: tuple[str, ...]
    images: tuple[int, float] = (0, float("inf"))
    template: str | None = None
    prefix: bool = False


def _template(user: str, assistant: str, image: str = "") -> str:
    """A template that puts the texts of a message, `said`, into the words of its role.

    ``image`` stands before everything else, once for each image.
    """
    return (
        "{%- for message in messages -%}{%- for part in message['content'] -%}"
        f"{{%- if part['type'] == 'image' -%}}{{{{- '{image}' -}}}}{{%- endif -%}}"
        "{%- endfor -%}{%- endfor -%}"
        "{%- for message in messages -%}"
        "{%- set texts = message['content'] | selectattr('type', 'equalto', 'text') -%}"
        "{%- set said = texts | map(attribute='text') | join(' ') -%}"
        "{%- if message['role'] == 'assistant' -%}"
        f"{{{{- {assistant} -}}}}"
        "{%- else -%}"
        "{%- if not loop.first -%}{{- '\n' -}}{%- endif -%}"
        f"{{{{- {user} if message['role'] == 'user' else said -}}}}"
        "{%- endif -%}{%- endfor -%}"
    )


_QFORMER = ("qformer", "query_tokens", "language_projection")
_LLAVA = ("multi_modal_projector", "image_newline")

FAMILIES: dict[str, Family] = {
    "llava": Family(_LLAVA[:1]),
    "llava_next": Family(_LLAVA),
    "llava_onevision": Family(_LLAVA),
    # Their processors put the tokens of one image before each text.
    "blip-2": Family(
        _QFORMER, (1, 1), _template("'Question: ' + said + ' Answer:'", "' ' + said + eos_token")
    ),
    "instructblip": Family(_QFORMER, (1, 1), _template("said", "' ' + said + eos_token")),
    "idefics3": Family(("connector",)),
    "smolvlm": Family(("connector",)),
    "qwen2_vl": Family(("visual.merger",)),
    "qwen2_5_vl": Family(("visual.merger",)),
    "qwen3_vl": Family(("visual.merger", "visual.deepstack_merger_list")),
    # Its processor adds the line break after the prompt.
    "paligemma": Family(
        _LLAVA[:1], (1, float("inf")), _template("said", "said", "<image>"), prefix=True
    ),
    "gemma3": Family(_LLAVA[:1]),
    "internvl": Family(_LLAVA[:1]),
    "bridge": Family(("projector",)),
}
"""Model type -> what is particular about it."""


def check(model_type: str, images: int, turns: int) -> None:
    """Raise ModelError for a conversation of a form that the family can't be shown."""
    family = FAMILIES.get(model_type, Family(()))
    least, most = family.images
    if not least <= images <= most:
        wanted = "exactly one image" if most == 1 else "at least one image"
        raise ModelError(
            f"a conversation has {images} images, but a model of type '{model_type}' needs"
            f" {wanted}; leave out the data sets that have others, or take another base"
        )
    if family.prefix and turns > 1:
        raise ModelError(
            f"a conversation has {turns} turns, but a model of type '{model_type}' knows one"
            " question and its answer; leave out the data sets that have more, or take another base"
        )
