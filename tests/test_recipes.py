"""The shipped recipes: each loads for its tasks, names encoders that are known, and says what its source says."""

from pathlib import Path

import pytest
import yaml
from accelerate.commands.config import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from transformers import AutoConfig

from qakit.config import TrainConfig, TrickSettings
from qakit.config.files import load_config
from qakit.modeling.loading import bundled_folder
from qakit.runs.dry_run import dry_run, known_config
from qakit.tasks import registry
from tests.runs.test_labelled import write_data

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FILES = sorted(file for file in CONFIGS.rglob("*.yaml") if "accelerate" not in file.parts)
CARDS = [file for file in FILES if file.parent.name == "cards"]
LABELS = [file for file in FILES if file.parent.name in ("intent", "slots")]
RECIPES = [file for file in FILES if file not in [*CARDS, *LABELS] and file.name != "tricks.yaml"]
SEED = [file for file in RECIPES if file.parent.name == "seed"]
TASKS = ("select", "qa")
SMALL = [f"model.{name}" for name in ("num_hidden_layers=1", "hidden_size=24", "intermediate_size=24")]
LAUNCHES = sorted((CONFIGS / "accelerate").rglob("*.yaml"))  # not ours, but accelerate's

ROBERTA, LERT = "hfl/chinese-roberta-wwm-ext", "hfl/chinese-lert-base"
MACBERT_LARGE, LERT_LARGE = "hfl/chinese-macbert-large", "hfl/chinese-lert-large"
# Of both stages: the models, the accumulation, the epochs, the schedules; and the public score.
ROWS = [
    (("bert-base-chinese", "bert-base-chinese"), (2, 2), (3, 1), ("linear", "linear"), 0.74231),
    ((ROBERTA, ROBERTA), (2, 2), (3, 3), ("linear", "linear"), 0.76401),
    ((ROBERTA, ROBERTA), (2, 2), (3, 3), ("linear", "cosine"), 0.783),
    ((ROBERTA, ROBERTA), (2, 2), (3, 20), ("linear", "cosine"), 0.77215),
    ((ROBERTA, ROBERTA), (2, 2), (3, 20), ("linear", "linear"), 0.7613),
    ((ROBERTA, "hfl/chinese-pert-base"), (2, 8), (3, 10), ("linear", "linear"), 0.76672),
    ((ROBERTA, LERT), (2, 8), (3, 10), ("linear", "cosine"), 0.79023),
    ((ROBERTA, LERT), (2, 8), (3, 10), ("linear", "linear"), 0.79023),
    ((ROBERTA, LERT), (2, 8), (3, 15), ("linear", "linear"), 0.79023),
    ((ROBERTA, LERT), (2, 8), (3, 20), ("linear", "linear"), 0.78119),
    ((ROBERTA, LERT), (2, 8), (5, 10), ("linear", "linear"), 0.78661),
    ((ROBERTA, LERT_LARGE), (2, 8), (3, 6), ("linear", "linear"), 0.79475),
    (("hfl/chinese-roberta-wwm-ext-large", LERT_LARGE), (8, 8), (2, 6), ("linear", "linear"), 0.79385),
    (("hfl/chinese-macbert-base", LERT_LARGE), (8, 8), (6, 6), ("linear", "linear"), 0.79927),
    ((MACBERT_LARGE, LERT_LARGE), (8, 8), (2, 6), ("linear", "linear"), 0.80831),
    ((MACBERT_LARGE, LERT_LARGE), (8, 64), (2, 10), ("linear", "linear"), 0.80289),
]


def load(task: str, *files: Path) -> TrainConfig:
    return load_config(TrainConfig, files, section=task, flags={"out": "run", "data.train": ["train.json"]})


def name_of(file: Path) -> str:
    return file.relative_to(CONFIGS).as_posix()


def test_the_recipes_are_all_there():
    assert (len(FILES), len(CARDS), len(RECIPES), len(SEED), len(LABELS)) == (44, 4, 30, 16, 9)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("file", RECIPES, ids=name_of)
def test_a_recipe_loads_and_its_encoder_is_known(file: Path, task: str):
    config = load(task, file)
    folder = bundled_folder(config.model.name)
    known = AutoConfig.from_pretrained(folder) if folder else known_config(config.model.name)
    if config.model.from_scratch:
        assert config.model.name in ("bert", "roformer")
    else:
        assert known.max_position_embeddings >= config.windows.max_length


@pytest.mark.parametrize("file", LABELS, ids=name_of)
def test_a_recipe_of_intents_or_slots_makes_its_first_steps(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    task = file.parent.name
    data = write_data(tmp_path, task)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    flags = {"out": tmp_path / "run", "data.train": [data / "train.json"]}
    config = load_config(TrainConfig, [file], section=task, flags=flags)
    if not (config.model.is_untrained):
        assert known_config(config.model.name).max_position_embeddings >= config.windows.max_length
        config = load_config(TrainConfig, [file], section=task, flags=flags, overrides=SMALL)  # else it takes a minute
    assert dry_run(registry.TASKS[task], config, steps=1).steps_made == 1
    assert config.windows.max_length == 128


def test_the_recipes_of_the_seed_table_of_intents_and_slots_are_its_rows():
    for task in ("intent", "slots"):
        training = load(task, CONFIGS / task / "bert.yaml").training
        assert (training.learning_rate, training.batch_size, training.epochs) == (1e-5, 32, 8)
    for task, name, size in (("intent", "lstm", 256), ("slots", "gru", 512)):
        model = load(task, CONFIGS / task / f"{name}.yaml").model
        assert model.name == name
        assert (model.overrides["num_hidden_layers"], model.overrides["hidden_size"]) == (2, size)


@pytest.mark.parametrize("file", RECIPES, ids=name_of)
def test_all_that_a_recipe_says_is_used_by_a_task(file: Path):
    parts = {part for part in yaml.safe_load(file.read_text(encoding="utf-8")) if part not in TrainConfig.model_fields}
    assert parts in (set(), set(TASKS))


@pytest.mark.parametrize(
    ("file", "row"), list(zip(SEED, ROWS, strict=True)), ids=lambda value: getattr(value, "stem", "")
)
def test_a_recipe_of_the_seed_study_is_its_row(
    file: Path, row: tuple[tuple[str, str], tuple[int, int], tuple[int, int], tuple[str, str], float]
):
    models, accumulation, epochs, schedules, score = row
    head = file.read_text(encoding="utf-8").splitlines()[:2]
    assert head[0].startswith(f"# Row {ROWS.index(row) + 1} of the seed study")
    assert head[1] == f"# Its public score: {score}."
    for number, task in enumerate(TASKS):
        config = load(task, file)
        assert config.model.name == models[number]
        assert config.windows.max_length == 512
        training = config.training
        assert (training.learning_rate, training.batch_size, training.warmup) == (3e-5, 1, 0)
        assert (training.accumulation, training.epochs) == (accumulation[number], epochs[number])
        assert training.schedule == schedules[number]


@pytest.mark.parametrize("card", CARDS, ids=name_of)
@pytest.mark.parametrize("file", RECIPES, ids=name_of)
def test_a_card_leaves_what_a_recipe_learns_alone(file: Path, card: Path):
    for task in TASKS:
        plain, layered = load(task, file), load(task, file, card)
        assert layered.training.precision == "bf16"
        changes = {"precision": plain.training.precision, "gradient_checkpointing": False}
        restored = layered.training.model_copy(update=changes)
        assert layered.model_copy(update={"training": restored, "inference": plain.inference}) == plain


def test_the_file_of_tricks_names_all_of_them_switched_off():
    tricks = yaml.safe_load((CONFIGS / "tricks.yaml").read_text(encoding="utf-8"))["tricks"]
    assert list(tricks) == list(TrickSettings.model_fields)
    assert TrickSettings.model_validate(tricks) == TrickSettings()


def test_the_page_on_recipes_names_every_file():
    page = (CONFIGS.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    unnamed = [file for file in [*RECIPES, *LABELS] if file.stem not in page]
    assert unnamed == []


def test_accelerate_reads_the_files_for_it():
    kinds = {file.stem: load_config_from_file(str(file)).distributed_type.value for file in LAUNCHES}
    assert kinds == {"ddp": "MULTI_GPU", "deepspeed": "DEEPSPEED", "fsdp": "FSDP"}


@pytest.mark.parametrize("file", LAUNCHES, ids=name_of)
def test_a_file_for_accelerate_leaves_precision_to_qakit_and_names_what_there_is(file: Path):
    config = load_config_from_file(str(file))
    assert (config.num_processes, config.num_machines, config.use_cpu) == (2, 1, False)
    assert config.mixed_precision == "no"
    assert set(config.dynamo_config.values()) <= {"NO"}
    options = vars(launch_command_parser().parse_args(["script"]))
    assert {*config.fsdp_config, *config.deepspeed_config} <= options.keys()
