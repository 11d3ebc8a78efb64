"""Records: canonical bytes, writing whole or not at all, and what a reader is told."""

import errno
import hashlib
import json
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.records import ledgers

EPOCHS = json.loads((Path(__file__).parent / "schema_cases/epochs/valid/one_epoch.json").read_text("utf-8"))


def test_keys_are_sorted_at_every_depth():
    assert (
        records.dumps({"b": {"d": 1, "c": 2}, "a": 3})
        == '{\n  "a": 3,\n  "b": {\n    "c": 2,\n    "d": 1\n  }\n}\n'
    )


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (1 / 3, 0.333333333),
        (2 / 3, 0.666666667),
        (123456.7891234, 123456.789),
        (1.00000000049e-7, 1e-7),
        (0.1 + 0.2, 0.3),
    ],
)
def test_floats_keep_nine_significant_digits(value, rounded):
    assert records.canonical(value) == rounded


def test_integers_keep_all_their_digits():
    assert records.dumps(12345678901234567890) == "12345678901234567890\n"


@pytest.mark.parametrize("zero", [-0.0, [-0.0], {"a": -0.0}])
def test_negative_zero_is_written_as_zero(zero):
    assert "-" not in records.dumps(zero)


def test_whole_float_stays_a_float():  # 1.0 and 1 would be other bytes for the same run
    assert records.dumps(1.0) == "1.0\n"


def test_true_stays_true():  # bool is an int in Python
    assert records.dumps(True) == "true\n"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_number_that_is_not_finite_is_refused(number):
    with pytest.raises(ValueError, match=f"{number} is not a finite number"):
        records.dumps({"dice": [0.5, number]})


def test_tuple_is_written_as_list():
    assert records.dumps({"spacing_mm": (1.0, (2,))}) == records.dumps({"spacing_mm": [1.0, [2]]})


def test_key_that_is_not_text_is_refused():  # json would write 1 as "1"
    with pytest.raises(ValueError, match="keys must be strings"):
        records.dumps({"labels": {1: "anterior"}})


def test_text_is_written_in_utf8_not_escaped():
    assert records.dumps("Köln") == '"Köln"\n'


def test_canonical_text_is_a_fixed_point():
    text = records.dumps({"a": 1 / 3, "b": (-0.0, 1e-300, 1e300)})
    assert records.dumps(json.loads(text)) == text


def test_digest_is_the_sha256_of_the_canonical_text():
    assert records.digest({"b": 1, "a": 2}) == hashlib.sha256(b'{\n  "a": 2,\n  "b": 1\n}\n').hexdigest()


def test_sha256_of_abc(tmp_path):  # FIPS 180-2, appendix B.1
    (tmp_path / "abc").write_bytes(b"abc")
    assert (
        records.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_record_that_was_written_is_read_back(tmp_path):
    records.write(tmp_path / "build/epochs.json", EPOCHS, "epochs")  # the folder is made too
    assert records.read(tmp_path / "build/epochs.json", "epochs") == EPOCHS


def test_writing_twice_gives_the_same_bytes(tmp_path):
    records.write(tmp_path / "one.json", EPOCHS, "epochs")
    records.write(tmp_path / "two.json", dict(reversed(EPOCHS.items())), "epochs")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_writing_a_record_that_breaks_its_schema_names_every_fault(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"epochs.json breaks .*'run_id' is a required property.*; epochs: "
        r"\[\]",
    ):
        records.write(tmp_path / "epochs.json", {"epochs": []}, "epochs")


def test_record_that_breaks_its_schema_does_not_touch_the_file(tmp_path):
    (tmp_path / "epochs.json").write_bytes(b"old")
    with pytest.raises(ValueError, match="breaks"):
        records.write(tmp_path / "epochs.json", {}, "epochs")
    assert (tmp_path / "epochs.json").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failure_while_writing_leaves_the_old_file_alone(tmp_path, monkeypatch, call):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "metrics.json").write_bytes(b"old")
    monkeypatch.setattr(records.os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        records.write_bytes(tmp_path / "metrics.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"metrics.json": b"old"}


def test_missing_record_is_named_with_the_way_out(tmp_path):
    with pytest.raises(StageError) as caught:
        records.read(tmp_path / "train.json", "train")
    assert caught.value.headline == f"{tmp_path / 'train.json'} is missing"
    assert "dvc repro" in caught.value.way_out


@pytest.mark.parametrize("content", [b'{"run_id": ', b"", b"\xff\xfe"], ids=["cut_off", "empty", "not_utf8"])
def test_file_that_is_not_json_is_named(tmp_path, content):
    (tmp_path / "train.json").write_bytes(content)
    with pytest.raises(StageError, match=r"train.json is not JSON: .*\n.*dvc checkout"):
        records.read(tmp_path / "train.json", "train")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constant_that_json_does_not_know_is_refused(tmp_path, constant):  # Python's reader would take it
    (tmp_path / "epochs.json").write_text(f'{{"epochs": [{{"train_loss": {constant}}}]}}')
    with pytest.raises(StageError, match=f"is not JSON: {constant} is not a finite number"):
        records.read(tmp_path / "epochs.json", "epochs")


def test_reader_lists_every_fault_of_a_record(tmp_path):
    broken = {"run_id": "short", "epochs": [EPOCHS["epochs"][0] | {"epoch": 0, "seconds": 3}]}
    (tmp_path / "epochs.json").write_text(json.dumps(broken))
    with pytest.raises(StageError, match=r"breaks schemas/epochs.schema.json") as caught:
        records.read(tmp_path / "epochs.json", "epochs")
    assert [line.split(": ")[0] for line in caught.value.findings] == [
        "epochs[0]",
        "epochs[0].epoch",
        "run_id",
    ]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
# a range does not catch NaN: it is not less than anything
def test_number_that_is_not_finite_is_a_fault(number):
    faults = records.faults(EPOCHS | {"epochs": [EPOCHS["epochs"][0] | {"train_loss": number}]}, "epochs")
    assert [fault.split(": ")[0] for fault in faults] == ["epochs[0].train_loss"]


def test_number_too_large_for_a_float_is_refused(tmp_path):  # json reads 1e400 as infinity
    text = records.dumps(EPOCHS).replace('"train_loss": 0.412', '"train_loss": 1e400')
    (tmp_path / "epochs.json").write_text(text)
    with pytest.raises(StageError, match=r"epochs\.json breaks"):
        records.read(tmp_path / "epochs.json", "epochs")


@pytest.mark.parametrize("text", ['{"run_id": "a", "run_id": "b"}', '{"epochs": [{"epoch": 1, "epoch": 1}]}'])
def test_key_that_stands_twice_is_refused(tmp_path, text):  # readers take one or the other
    (tmp_path / "epochs.json").write_text(text)
    with pytest.raises(StageError, match=r"is not JSON: '(run_id|epoch)' stands twice"):
        records.read(tmp_path / "epochs.json", "epochs")


def test_planted_link_under_the_temporary_name_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "train.json.partial").symlink_to(tmp_path / "mine")
    records.write_bytes(tmp_path / "train.json", b"{}")
    assert ((tmp_path / "mine").read_text(), (tmp_path / "train.json").read_text()) == ("kept", "{}")
    assert not (tmp_path / "train.json").is_symlink()


def test_key_that_stands_twice_in_a_line_of_a_ledger_is_refused(tmp_path):
    (tmp_path / "test_openings.jsonl").write_text('{"run_id": "a", "run_id": "b"}\n')
    with pytest.raises(StageError, match="line 1: no JSON: 'run_id' stands twice"):
        ledgers.read(tmp_path / "test_openings.jsonl", "opening")


@pytest.mark.parametrize(
    ("text", "said"),
    [("[" * 100_000, "nested too deeply"), ('{"a": "\\ud800"}', "a lone surrogate")],
)
def test_text_that_no_reader_could_use_is_no_json(tmp_path, text, said):
    (tmp_path / "epochs.json").write_text(text)
    with pytest.raises(StageError, match=f"is not JSON: .*{said}"):
        records.read(tmp_path / "epochs.json", "epochs")


def test_both_halves_of_a_character_are_one():
    assert records.parse(r'"\ud83e\uddea"') == "\N{TEST TUBE}"


def test_folder_in_the_place_of_a_record_is_named(tmp_path):
    with pytest.raises(StageError, match="is a folder, expected a file"):
        records.read(tmp_path, "epochs")


def test_ledger_that_is_no_text_is_broken(tmp_path):
    (tmp_path / "reviews.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(StageError, match="line 1: no JSON") as caught:
        ledgers.read(tmp_path / "reviews.jsonl", "review")
    assert "is broken" in caught.value.headline


def test_no_pattern_lets_a_line_break_at_the_end_pass():
    def patterns(node):
        if isinstance(node, dict):
            yield from [node["pattern"]] if isinstance(node.get("pattern"), str) else []
            yield from (pattern for value in node.values() for pattern in patterns(value))
        elif isinstance(node, list):
            yield from (pattern for value in node for pattern in patterns(value))

    case = {"case_id": "a", "subject_id": "b", "voxels_sha256": "0" * 64}
    accepted = {"labels": {"0": "ground", "1": "a"}, "excluded": [], "cases": [case]}
    assert records.faults(accepted, "accepted") == []
    for key in ("case_id", "voxels_sha256"):
        broken = accepted | {"cases": [case | {key: f"{case[key]}\n"}]}
        assert [fault.split(":")[0] for fault in records.faults(broken, "accepted")] == [f"cases[0].{key}"]
    ended = {
        pattern
        for path in records.SCHEMAS.glob("*.json")
        for pattern in patterns(json.loads(path.read_text()))
    }
    assert [
        pattern for pattern in sorted(ended) if pattern.endswith("$") and not records.END.search(pattern)
    ] == []
