"""The strict loader and the precedence of settings."""

from __future__ import annotations

import pickle
import string
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos import config, settings
from vos.errors import ConfigError, OutputError, Parameter, UsageError
from vos.model import registry
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.file import read_nano_config
from vos.model.options import ModelOptions
from vos.settings import Settings
from vos_cli.console.errors import message


@dataclass(frozen=True, slots=True)
class Head:
    width: int
    kind: Literal["conv", "linear"] = "conv"


@dataclass(frozen=True, slots=True)
class Net:
    name: str
    rate: float = 0.5
    stages: tuple[int, int, int] = (1, 2, 3)
    pools: tuple[int, ...] = ()
    head: Head | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    is_open: bool = False
    folder: Path | None = None
    tags: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError(f"rate {self.rate} is below 0")


def test_every_supported_type():
    data = {
        "name": "n",
        "rate": 2,
        "stages": [4, 5, 6],
        "pools": [2, 4, 8, 16],
        "head": {"width": 3, "kind": "linear"},
        "sizes": {"a": 1},
        "is_open": True,
        "folder": "/x",
        "tags": ["t"],
    }
    expected = Net(
        "n", 2.0, (4, 5, 6), (2, 4, 8, 16), Head(3, "linear"), {"a": 1}, True, Path("/x"), ["t"]
    )
    loaded = config.from_mapping(Net, data)
    assert loaded == expected
    assert type(loaded.rate) is float


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"nmae": "n"}, r"unknown key 'nmae' \(did you mean 'name'"),
        ({"zzz": 1}, "unknown key 'zzz'; valid keys: name, rate"),
        ({}, "missing key 'name'"),
        ({"name": 3}, "name: 3 is not text"),
        ({"name": "n", "rate": "fast"}, "rate: 'fast' is not a number"),
        ({"name": "n", "rate": True}, "rate: True is not a number"),
        ({"name": "n", "stages": [1, 2]}, "has 2 items, not 3"),
        ({"name": "n", "stages": [1, 2, "x"]}, r"stages\[2\]: 'x' is not a whole number"),
        ({"name": "n", "stages": 3}, "stages: 3 is not a list"),
        ({"name": "n", "head": {"width": 1, "kind": "lineer"}}, "did you mean 'linear'"),
        ({"name": "n", "head": {"widht": 1}}, r"head: unknown key 'widht' \(did you mean 'width'"),
        ({"name": "n", "head": 5}, "head: 5 is not a mapping or null"),
        ({"name": "n", "sizes": {"a": "b"}}, "sizes.a: 'b' is not a whole number"),
        ({"name": "n", "is_open": 1}, "is_open: 1 is not true or false"),
        ({"name": "n", "rate": -1}, "rate -1.0 is below 0"),
        (["name"], "is not a mapping of keys"),
    ],
)
def test_wrong_data_names_the_place(data: object, words: str):
    with pytest.raises(ConfigError, match=words) as caught:
        config.from_mapping(Net, data, where="x.yaml")
    assert str(caught.value).startswith("x.yaml")
    assert caught.value.exit_code == 2


@given(st.text(string.ascii_lowercase, min_size=1, max_size=12))
def test_no_unknown_key_slips_through(key: str):
    known = {f.name for f in fields(Net)}
    if key not in known:
        with pytest.raises(ConfigError, match="unknown key"):
            config.from_mapping(Net, {"name": "n", key: 1})


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "+.1e-2", "1.e-3"])
def test_exponents_are_numbers(text: str, tmp_path: Path):
    path = tmp_path / "net.yaml"
    path.write_text(f"name: 1e3x\nrate: {text}\n")
    assert config.load_yaml(Net, path) == Net("1e3x", 1e-3)


def test_yaml_files(tmp_path: Path):
    path = tmp_path / "net.yaml"
    path.write_text("name: n\nrate: 1.5\n")
    assert config.load_yaml(Net, path) == Net("n", 1.5)
    path.write_text("name: [n\n")
    with pytest.raises(ConfigError, match="not valid YAML") as caught:
        config.load_yaml(Net, path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load_yaml(Net, tmp_path / "none.yaml")
    path.write_text("")
    with pytest.raises(ConfigError, match="missing key 'name'"):
        config.load_yaml(Net, path)


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "vos"
    package.mkdir()
    monkeypatch.setattr(config, "_PACKAGE", package)
    config.presets_dir.cache_clear()
    yield package
    config.presets_dir.cache_clear()


def _write_preset(folder: Path, name: str) -> None:
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "small.yaml").write_text(f"name: {name}\n")


def test_presets_of_a_wheel_come_before_the_repository(presets: Path):
    _write_preset(presets.parent / "configs", "repository")
    assert config.load_preset(Net, "model", "small").name == "repository"
    config.presets_dir.cache_clear()
    _write_preset(presets / "presets", "wheel")
    assert config.load_preset(Net, "model", "small").name == "wheel"
    assert config.preset_names("model") == ["small"]


def test_unknown_preset(presets: Path):
    _write_preset(presets / "presets", "x")
    for name in ("smal", "../model/small"):
        with pytest.raises(ConfigError, match=r"no such model preset.*there are: small"):
            config.preset_path("model", name)


def test_damaged_installation(presets: Path):
    with pytest.raises(ConfigError, match="reinstall vos"):
        config.presets_dir()


def test_the_shipped_model_preset_is_the_embedded_model():
    config.presets_dir.cache_clear()
    shipped = read_nano_config(registry.resolve("nano").path)
    assert config.load_preset(NanoConfig, "model", "nano") == shipped


# --- settings: flag > environment > vos.toml > default ---


def test_precedence(tmp_path: Path):
    assert settings.resolve({}, {}, tmp_path).model == "auto"
    (tmp_path / "vos.toml").write_text('model = "nano"\ndevice = "cpu"\nsave = ["stats"]\n')
    from_file = settings.resolve({}, {}, tmp_path)
    assert (from_file.model, from_file.device, from_file.save) == ("nano", "cpu", ("stats",))
    environ = {"VOS_MODEL": "sam2.1-tiny", "VOS_SAVE": "masks, overlay", "VOS_DEVICE": ""}
    from_env = settings.resolve({"model": None}, environ, tmp_path)
    assert (from_env.model, from_env.device) == ("sam2.1-tiny", "cpu")
    assert from_env.save == ("masks", "overlay")
    assert settings.resolve({"model": "x.pt"}, environ, tmp_path).model == "x.pt"


def test_numbers_and_switches_come_from_the_environment_too():
    environ = {"VOS_SIZE": "512", "VOS_POOL_MEMORY": "2", "VOS_EXACT": "1"}
    chosen = settings.resolve({}, environ, Path("/nonexistent"))
    assert (chosen.size, chosen.pool_memory, chosen.exact) == (512, 2, True)


def test_config_file_can_be_named(tmp_path: Path):
    path = tmp_path / "other.toml"
    path.write_text('policy = "fifo"\ndtype = "bfloat16"\n')
    assert settings.resolve({}, {"VOS_CONFIG": str(path)}, tmp_path).dtype == "bfloat16"
    with pytest.raises(ConfigError, match="correct VOS_CONFIG"):
        settings.resolve({}, {"VOS_CONFIG": str(tmp_path / "none")}, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('modle = "x"', r"unknown key 'modle' \(did you mean 'model'"),
        ('dtype = "float64"', "'float64' is not one of auto"),
        ("model = 3", "3 is not text"),
        ("model =", "not valid TOML"),
    ],
)
def test_wrong_toml(text: str, words: str, tmp_path: Path):
    (tmp_path / "vos.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        settings.resolve({}, {}, tmp_path)


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({"decoder": "ffmpeg"}, {}, "^decoder: 'ffmpeg' is not one of"),
        ({"device": "tpu"}, {}, "^device: 'tpu' is not one of auto, cpu, cuda"),
        ({"device": "cuda:"}, {}, "^device: 'cuda:'"),
        ({}, {"VOS_PROGRESS": "loud"}, "^VOS_PROGRESS: 'loud' is not one of"),
        ({"size": 500}, {}, "^size: 500 is no side of a model's input"),
        ({}, {"VOS_SIZE": "big"}, "^VOS_SIZE: 'big' is no side"),
        ({"pool_memory": 0}, {}, "^pool_memory: 0 is no whole number above zero"),
        ({}, {"VOS_POOL_MEMORY": "half"}, "^VOS_POOL_MEMORY: 'half'"),
        ({}, {"VOS_EXACT": "perhaps"}, "^VOS_EXACT: 'perhaps'"),
    ],
)
def test_the_error_names_the_source(flags: dict[str, object], environ: dict[str, str], words: str):
    with pytest.raises(ConfigError, match=words):
        settings.resolve(flags, environ, Path("/nonexistent"))


def test_an_error_names_the_parameter_and_whoever_shows_it_spells_it():
    with pytest.raises(ConfigError) as caught:
        settings.resolve({"pool_memory": 0}, {}, Path("/nonexistent"))
    said = "is no whole number above zero"
    assert str(caught.value) == f"pool_memory: 0 {said}"
    assert message(caught.value) == f"--pool-memory: 0 {said}"
    error = UsageError(Parameter("pool_memory", 2), ": never with ", Parameter("exact"))
    assert str(error) == "pool_memory=2: never with exact"
    assert message(error) == "--pool-memory 2: never with --exact"
    assert message(OutputError("choose another ", Parameter("output"))) == "choose another -o"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_lag_is_for_a_policy_whose_masks_change_later():
    nowhere = Path("/nonexistent")
    chosen = settings.resolve({"policy": "long"}, {"VOS_LAG": "16"}, nowhere)
    assert (chosen.policy, chosen.lag) == ("long", 16)
    with pytest.raises(UsageError) as caught:
        settings.resolve({"lag": 16, "policy": "dam"}, {}, nowhere)
    assert message(caught.value) == (
        "--lag 16: with policy dam waiting changes nothing; add --policy long, or leave --lag out"
    )
    for wrong in (-1, 65, "soon"):
        with pytest.raises(ConfigError, match="no number of frames from 0 to 64"):
            settings.resolve({"lag": wrong, "policy": "long"}, {}, nowhere)


def test_what_older_manifests_do_not_have_is_recorded_only_if_set():
    older = ModelOptions(policy="visible").as_parameters()
    assert "lag" not in older
    assert "lag" not in ModelOptions.recorded_types()
    assert ModelOptions(policy="long", lag=3).with_parameters(older) == ModelOptions(
        policy="visible"
    )
    newer = ModelOptions(policy="long", lag=3).as_parameters()
    assert ModelOptions().with_parameters(newer) == ModelOptions(policy="long", lag=3)
    with pytest.raises(ConfigError, match="lag: 'x' is no number"):
        ModelOptions().with_parameters({**newer, "lag": "x"})


def test_defaults_are_valid():
    for item in fields(Settings):
        settings.resolve({item.name: getattr(Settings(), item.name)}, {}, Path("/nonexistent"))
