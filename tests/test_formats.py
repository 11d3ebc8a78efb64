"""Data set layouts: both give the same data set, and every fault is named, all at once.

No image is opened, so the files are empty.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import formats
from tests import phantoms

IDS = ["phantom_00", "phantom_01", "phantom_02"]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def msd(tmp_path):
    """Three cases in the MSD layout."""
    folder = tmp_path / "msd"
    touch(folder, *(f"{kind}/{one}.nii.gz" for kind in ("imagesTr", "labelsTr") for one in IDS))
    phantoms.write_tables(folder, IDS)
    return folder


@pytest.fixture
def nnunet(tmp_path, msd):
    """The same three cases in the nnU-Net v2 layout."""
    folder = tmp_path / "nnunet"
    touch(folder, *(f"imagesTr/{one}_0000.nii.gz" for one in IDS), *(f"labelsTr/{one}.nii.gz" for one in IDS))
    (folder / "cases.csv").write_bytes((msd / "cases.csv").read_bytes())
    (folder / "dataset.json").write_text(
        json.dumps(
            {
                "name": "phantoms",
                "release": "1.0",
                "licence": "CC0",
                "reference": "made by code",
                "channel_names": {"0": "MRI"},
                "labels": {"background": 0, "anterior": 1, "posterior": 2},
                "numTraining": 3,
                "file_ending": ".nii.gz",
            }
        )
    )
    return folder


def declare(folder: Path, **changes) -> Path:
    """Changes dataset.json; None takes a key away."""
    path = folder / "dataset.json"
    declared = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in declared.items() if value is not None}))
    return folder


def entry(name: str, label: str = "") -> dict:
    return {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{label or name}.nii.gz"}


def table(folder: Path, *lines: str) -> Path:
    (folder / "cases.csv").write_text("".join(f"{line}\n" for line in lines))
    return folder


def faults(folder: Path) -> list[str]:
    with pytest.raises(StageError) as error:
        formats.read_dataset(folder)
    assert error.value.way_out == formats.WAY_OUT
    return error.value.findings


def headline(folder: Path) -> str:
    with pytest.raises(StageError) as error:
        formats.read_dataset(folder)
    return error.value.headline


# What is read


def test_both_layouts_give_the_same_data_set(msd, nnunet):  # nnU-Net's image names end in the channel
    found, expected = formats.read_dataset(nnunet), formats.read_dataset(msd)
    assert (
        replace(
            found,
            cases=[
                replace(case, images=tuple(path.replace("_0000", "") for path in case.images))
                for case in found.cases
            ],
        )
        == expected
    )


def test_msd_paths_are_relative_and_plain(msd):
    case = formats.read_dataset(msd).cases[0]
    assert (case.case_id, case.images, case.label_map) == (
        "phantom_00",
        ("imagesTr/phantom_00.nii.gz",),
        "labelsTr/phantom_00.nii.gz",
    )


def test_nnunet_paths_name_the_channel_of_the_image(nnunet):
    case = formats.read_dataset(nnunet).cases[2]
    assert (case.case_id, case.images, case.label_map) == (
        "phantom_02",
        ("imagesTr/phantom_02_0000.nii.gz",),
        "labelsTr/phantom_02.nii.gz",
    )


def test_cases_are_sorted_by_id(msd):
    declare(msd, training=[entry(one) for one in reversed(IDS)])
    assert [case.case_id for case in formats.read_dataset(msd).cases] == IDS


def test_an_msd_image_may_have_a_label_map_of_another_name(msd):
    (msd / "labelsTr/phantom_00.nii.gz").rename(msd / "labelsTr/drawn.nii.gz")
    declare(msd, training=[entry("phantom_00", "drawn"), *map(entry, IDS[1:])])
    assert formats.read_dataset(msd).cases[0].label_map == "labelsTr/drawn.nii.gz"


def test_labels_are_sorted_by_value_and_not_as_text(nnunet):  # as text, 10 would come before 2
    names = {**{f"label {value}": value for value in reversed(range(1, 12))}, "background": 0}
    assert list(formats.read_dataset(declare(nnunet, labels=names)).labels.items()) == [
        ("0", "background"),
        *((str(value), f"label {value}") for value in range(1, 12)),
    ]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"licence": None, "license": "MIT"}, "licence"),
        ({"release": None, "version": "2"}, "version"),
        ({"reference": None, "citation": "a paper"}, "citation"),
        ({"description": "boxes"}, "description"),
    ],
)
def test_identity_takes_either_spelling(msd, keys, name):
    assert formats.read_dataset(declare(msd, **keys)).identity[name] == next(
        value for value in keys.values() if value
    )


def test_identity_is_null_where_the_data_set_says_nothing(msd):
    declare(msd, name=None, release=None, licence=None, reference=None, modality=None)
    assert set(formats.read_dataset(msd).identity.values()) == {None}


def test_modality_may_be_plain_text(msd):
    assert formats.read_dataset(declare(msd, modality="MRI")).identity["modality"] == "MRI"


def test_further_columns_of_cases_csv_are_attributes(msd):
    table(
        msd,
        "site,case_id,subject_id,age",
        "north,phantom_00,s0,70",
        ",phantom_01,s1,",
        '"a, b",phantom_02,s2,0',
    )
    assert [case.attributes for case in formats.read_dataset(msd).cases] == [
        {"site": "north", "age": "70"},
        {},
        {"site": "a, b", "age": "0"},
    ]


def test_subjects_come_from_cases_csv(msd):  # write_tables gives case 1 the subject of case 0
    assert [case.subject_id for case in formats.read_dataset(msd).cases] == [
        "subject_00",
        "subject_00",
        "subject_02",
    ]


@pytest.mark.parametrize(
    ("before", "newline"),
    [(b"\xef\xbb\xbf", b"\n"), (b"", b"\r\n"), (b"\xef\xbb\xbf", b"\r\n")],
    ids=["byte order mark", "CRLF", "both, as a spreadsheet writes"],
)
def test_cases_csv_may_come_from_a_spreadsheet(msd, before, newline):
    expected = formats.read_dataset(msd)
    text = (msd / "cases.csv").read_bytes()
    (msd / "cases.csv").write_bytes(before + text.replace(b"\n", newline))
    assert formats.read_dataset(msd) == expected


# dataset.json


def test_a_missing_dataset_json_is_named(msd):
    (msd / "dataset.json").unlink()
    assert headline(msd).endswith("dataset.json is missing")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe"], ids=["empty", "cut off", "not UTF-8"])
def test_a_dataset_json_that_is_not_json_is_named(msd, text):
    (msd / "dataset.json").write_bytes(text)
    assert "dataset.json is not JSON" in headline(msd)


def test_a_dataset_json_that_is_a_list_is_refused(msd):
    (msd / "dataset.json").write_text("[]")
    assert headline(msd).endswith("found list, expected an object")


@pytest.mark.parametrize("training", [[], "phantom_00", {}, 3])
def test_no_case_is_not_all_cases(msd, training):
    table(msd, "case_id,subject_id")
    assert headline(declare(msd, training=training)) == f"0 cases in {msd}/"


def test_an_empty_nnunet_folder_has_0_cases(nnunet):
    table(nnunet, "case_id,subject_id")
    for path in [*nnunet.glob("imagesTr/*"), *nnunet.glob("labelsTr/*")]:
        path.unlink()
    assert headline(nnunet) == f"0 cases in {nnunet}/"


def test_a_data_set_of_neither_layout_is_refused(nnunet):
    assert "dataset.json: neither 'training' (MSD) nor 'file_ending' (nnU-Net) is there" in faults(
        declare(nnunet, file_ending=None)
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "2": "posterior"},
        {"1": "anterior", "2": "posterior"},
        {"0": "background"},
        {},
        [],
        None,
        "anterior",
        {"0": "background", "1": "same", "2": "same"},
        {"0": "background", "1": ""},
        {"0": "background", "-1": "below"},
        {"background": 0, "posterior": 2},
        {"background": 0, "left": 1, "right": 1},
        {"background": 0, "whole": [1, 2]},
        {"background": "none"},
    ],
    ids=[
        "gap",
        "no background",
        "background only",
        "empty",
        "list",
        "missing",
        "text",
        "one name twice",
        "no name",
        "negative",
        "gap by name",
        "one value twice",
        "regions",
        "no value",
    ],
)
def test_labels_that_are_not_0_1_2_with_a_name_each_are_refused(msd, labels):
    assert [fault[:20] for fault in faults(declare(msd, labels=labels))] == ["dataset.json: labels"]


@pytest.mark.parametrize(
    "broken", ["imagesTr/phantom_00.nii.gz", {}, {"image": "a.nii.gz"}, {"image": 1, "label": 2}, None]
)
def test_an_entry_without_image_and_label_is_named_by_its_number(msd, broken):
    assert f"dataset.json: training[1]: found {broken!r}, expected an image and a label" in faults(
        declare(msd, training=[entry(IDS[0]), broken, entry(IDS[2])])
    )


def test_a_case_listed_twice_is_named(msd):
    assert faults(declare(msd, training=[*map(entry, IDS), entry(IDS[1])])) == [
        "phantom_01: listed twice in dataset.json"
    ]


def test_an_image_in_two_formats_is_one_case_listed_twice(msd):
    touch(msd, "imagesTr/phantom_01.nrrd")
    second = {"image": "imagesTr/phantom_01.nrrd", "label": "labelsTr/phantom_01.nii.gz"}
    assert faults(declare(msd, training=[*map(entry, IDS), second])) == [
        "phantom_01: listed twice in dataset.json"
    ]


@pytest.mark.parametrize("case_id", ["phantom 03", "-03", "phäntom", "a+b"])
def test_a_case_id_that_is_no_plain_name_is_refused(msd, case_id):
    touch(msd, f"imagesTr/{case_id}.nii.gz", f"labelsTr/{case_id}.nii.gz")
    declare(msd, training=[*map(entry, IDS), entry(case_id)])
    table(msd, "case_id,subject_id", *(f"{one},{one}" for one in [*IDS, case_id]))
    assert faults(msd) == [f"{case_id!r}: a case id has letters, digits, '.', '_' and '-' only"]


# Paths


def test_a_missing_image_and_a_missing_label_map_are_both_named(msd):
    (msd / "imagesTr/phantom_01.nii.gz").unlink()
    (msd / "labelsTr/phantom_02.nii.gz").unlink()
    assert faults(msd) == [
        "phantom_01: imagesTr/phantom_01.nii.gz is missing",
        "phantom_02: labelsTr/phantom_02.nii.gz is missing",
    ]


def test_an_nnunet_image_without_label_map_is_named(nnunet):
    (nnunet / "labelsTr/phantom_01.nii.gz").unlink()
    assert faults(nnunet) == ["phantom_01: labelsTr/phantom_01.nii.gz is missing"]


def test_an_nnunet_label_map_without_image_is_named(nnunet):
    (nnunet / "imagesTr/phantom_01_0000.nii.gz").unlink()
    assert faults(nnunet) == ["phantom_01: imagesTr/phantom_01_0000.nii.gz is missing"]


@pytest.mark.requirement("SRS-DATA-8")
def test_a_channel_that_is_not_declared_is_refused(nnunet):
    touch(nnunet, "imagesTr/phantom_01_0001.nii.gz")
    assert faults(nnunet) == [
        "imagesTr/: 1 files, such as phantom_01_0001.nii.gz, are of a channel that is not declared: "
        'dataset.json has 1. Name each in channel_names ({"0": "T2", "1": "ADC"}), or take the files away'
    ]


@pytest.fixture
def two_channels(nnunet):
    touch(nnunet, *(f"imagesTr/{name}_0001.nii.gz" for name in IDS))
    return declare(nnunet, channel_names={"1": "ADC", "0": "T2"})


@pytest.mark.requirement("SRS-DATA-8")
def test_channels_of_nnunet_are_in_the_order_of_their_numbers(two_channels):
    found = formats.read_dataset(two_channels)
    assert [(one.name, one.modality) for one in found.channels] == [("T2", "MRI"), ("ADC", "MRI")]
    assert found.cases[0].images == (
        "imagesTr/phantom_00_0000.nii.gz",
        "imagesTr/phantom_00_0001.nii.gz",
    )
    assert found.identity["modality"] == "T2, ADC"


@pytest.mark.requirement("SRS-DATA-8")
def test_a_missing_channel_is_named(two_channels):
    (two_channels / "imagesTr/phantom_01_0001.nii.gz").unlink()
    assert faults(two_channels) == ["phantom_01: imagesTr/phantom_01_0001.nii.gz is missing"]


def test_ten_channels_come_before_the_eleventh(nnunet):  # as text, 10 would come before 9
    touch(nnunet, *(f"imagesTr/{name}_{number:04d}.nii.gz" for name in IDS for number in range(1, 11)))
    declare(nnunet, channel_names={str(number): f"b{number}" for number in range(11)})
    assert [one.name for one in formats.read_dataset(nnunet).channels][9:] == ["b9", "b10"]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ({"0": "T2", "1": "t2"}, "channels 0 and 1 have one name, but for its spelling: 'T2'"),
        ({"0": "T2", "1": "../x"}, "channel 1 is '../x'; a name begins with a letter or digit"),
        ({"0": "T2", "1": "T1,c"}, "channel 1 is 'T1,c'; a name begins with a letter or digit"),
        ({"0": "T2", "2": "ADC"}, "channels: found the numbers 0, 2, expected 0 to 1"),
        ({str(number): f"b{number}" for number in range(17)}, "17 channels are declared; at most 16"),
    ],
)
def test_names_of_channels_must_tell_them_apart(nnunet, names, fault):
    count = len(names)
    touch(nnunet, *(f"imagesTr/{name}_{number:04d}.nii.gz" for name in IDS for number in range(1, count)))
    (found,) = faults(declare(nnunet, channel_names=names))
    assert found.startswith(f"dataset.json: {fault}")


def test_a_folder_is_no_image(msd):
    (msd / "imagesTr/phantom_01.nii.gz").unlink()
    (msd / "imagesTr/phantom_01.nii.gz").mkdir()
    assert faults(msd) == [
        "imagesTr/phantom_01.nii.gz: folders, not files. "
        "A folder of DICOM files becomes one file with 'python -m radiotrace from-dicom'"
    ]


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize("way", ["../outside", "imagesTr/../../outside", "absolute"])
def test_a_path_out_of_the_data_folder_is_refused_though_the_file_is_there(msd, way):
    touch(msd.parent, "outside/phantom_00.nii.gz")
    way = str(msd.parent / "outside") if way == "absolute" else way
    declare(
        msd,
        training=[
            {"image": f"{way}/phantom_00.nii.gz", "label": "labelsTr/phantom_00.nii.gz"},
            *map(entry, IDS[1:]),
        ],
    )
    assert faults(msd) == [f"phantom_00: {way}/phantom_00.nii.gz leaves the data folder"]


@pytest.mark.requirement("SRS-SEC-1")
def test_an_absolute_path_is_refused_even_if_it_points_inside(msd):
    declare(
        msd,
        training=[
            {"image": str(msd / "imagesTr/phantom_00.nii.gz"), "label": "labelsTr/phantom_00.nii.gz"},
            *map(entry, IDS[1:]),
        ],
    )
    assert len(faults(msd)) == 1


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize("what", ["imagesTr/phantom_00.nii.gz", "imagesTr"], ids=["file", "folder"])
def test_a_link_out_of_the_data_folder_is_refused(msd, what):
    (msd / what).rename(msd.parent / "outside")
    (msd / what).symlink_to(msd.parent / "outside")
    assert "phantom_00: imagesTr/phantom_00.nii.gz leaves the data folder" in faults(msd)


def test_a_link_inside_the_data_folder_is_read(msd):
    (msd / "imagesTr/phantom_00.nii.gz").rename(msd / "imagesTr/original.nii.gz")
    (msd / "imagesTr/phantom_00.nii.gz").symlink_to("original.nii.gz")
    assert [case.case_id for case in formats.read_dataset(msd).cases] == IDS


def test_a_data_folder_may_be_a_link_itself(msd, tmp_path):
    (tmp_path / "data").symlink_to(msd)
    assert formats.read_dataset(tmp_path / "data") == formats.read_dataset(msd)


@pytest.mark.parametrize("path", ["imagesTr/\ud800.nii.gz", "imagesTr/\0.nii.gz", "imagesTr/a\nb.nii.gz"])
def test_a_path_that_no_file_can_have_is_refused_without_traceback(msd, path):
    declare(msd, training=[{"image": "imagesTr/phantom_00.nii.gz", "label": path}, *map(entry, IDS[1:])])
    (fault,) = faults(msd)
    assert fault == f"phantom_00: {path!r} holds ':', a backslash, or characters that are not seen"


def test_a_path_that_is_too_long_for_any_file_is_missing(msd):
    declare(
        msd,
        training=[
            {"image": "imagesTr/phantom_00.nii.gz", "label": f"labelsTr/{'x' * 300}.nii.gz"},
            *map(entry, IDS[1:]),
        ],
    )
    assert faults(msd) == [f"phantom_00: labelsTr/{'x' * 300}.nii.gz is missing"]


@pytest.mark.parametrize(
    "image",
    ["imagesTr/../imagesTr/phantom_00.nii.gz", "images:Tr/phantom_00.nii.gz", "images\\Tr/phantom_00.nii.gz"],
)
# the pattern of paths in schemas/dataset.schema.json
def test_a_path_that_no_record_may_hold_is_refused(msd, image):
    touch(msd, image)
    declare(msd, training=[{"image": image, "label": "labelsTr/phantom_00.nii.gz"}, *map(entry, IDS[1:])])
    assert [fault.split(":")[0] for fault in faults(msd)] == ["phantom_00"]


# cases.csv


def test_a_missing_cases_csv_is_the_only_fault(msd):
    (msd / "cases.csv").unlink()
    assert [fault[:18] for fault in faults(msd)] == ["cases.csv: missing"]


@pytest.mark.parametrize(
    ("first", "missing"),
    [
        ("case_id,patient", "subject_id"),
        ("id,subject_id", "case_id"),
        ("Case_ID,Subject_ID", "case_id, subject_id"),
    ],
)
def test_a_missing_column_is_named_with_what_was_found(msd, first, missing):
    table(msd, first, "phantom_00,s0")
    assert faults(msd) == [f"cases.csv: column {missing} missing; found {', '.join(first.split(','))}"]


def test_an_empty_cases_csv_has_no_column(msd):
    table(msd)
    assert faults(msd) == ["cases.csv: column case_id, subject_id missing; found none"]


def test_a_case_that_stands_twice_in_cases_csv_is_named(msd):
    table(msd, "case_id,subject_id", *(f"{one},{one}" for one in [*IDS, "phantom_01"]))
    assert faults(msd) == ["phantom_01: stands twice in cases.csv"]


@pytest.mark.parametrize("subject", ["", "  ", "\t"])
def test_a_blank_subject_is_named(msd, subject):
    table(msd, "case_id,subject_id", "phantom_00,s0", f"phantom_01,{subject}", "phantom_02,s2")
    assert faults(msd) == ["phantom_01: no subject_id in cases.csv"]


def test_a_case_without_row_is_named(msd):
    table(msd, "case_id,subject_id", "phantom_00,s0", "phantom_02,s2")
    assert faults(msd) == ["phantom_01: not in cases.csv, so that its subject is unknown"]


def test_a_row_without_case_is_named(msd):
    table(msd, "case_id,subject_id", *(f"{one},{one}" for one in [*IDS, "phantom_03"]))
    assert faults(msd) == ["phantom_03: in cases.csv, but not in dataset.json"]


@pytest.mark.parametrize("row", ["phantom_01,s1,north,more", "phantom_01,s1"])
def test_a_row_of_another_length_is_named_by_its_line(msd, row):
    table(msd, "case_id,subject_id,site", "phantom_00,s0,north", row, "phantom_02,s2,north")
    assert "cases.csv line 3: found another number of columns than in the first line" in faults(msd)


def test_a_row_that_ends_before_its_case_id_is_a_fault_beside_others(msd):
    table(msd, "subject_id,case_id", "s0,phantom_00", "s1", "s2,phantom_02", "s3,phantom_03")
    assert "phantom_03: in cases.csv, but not in dataset.json" in faults(msd)


@pytest.mark.parametrize(
    "text",
    [b'case_id,subject_id\n"phantom_00,s0\n', b"case_id,subject_id\nphantom_00,M\xfcller\n"],
    ids=["open quote", "not UTF-8"],
)
def test_a_cases_csv_that_cannot_be_read_is_named(msd, text):
    (msd / "cases.csv").write_bytes(text)
    assert [fault[:10] for fault in faults(msd)] == ["cases.csv:"]


# All at once


def test_faults_of_labels_files_and_rows_come_together(msd):
    declare(msd, labels={"1": "anterior"}, training=[*map(entry, IDS), entry(IDS[0]), {}])
    (msd / "imagesTr/phantom_01.nii.gz").unlink()
    table(msd, "case_id,subject_id", "phantom_00,s0", "phantom_01,", "phantom_07,s7")
    expected = [
        "dataset.json: labels: found",
        "phantom_00: listed twice in dataset.json",
        "dataset.json: training[4]: found {}",
        "phantom_01: no subject_id in cases.csv",
        "phantom_01: imagesTr/phantom_01.nii.gz is missing",
        "phantom_02: not in cases.csv",
        "phantom_07: in cases.csv",
    ]
    assert [fault[: len(start)] for fault, start in zip(faults(msd), expected, strict=True)] == expected


def test_the_headline_counts_the_faults(msd):
    (msd / "imagesTr/phantom_01.nii.gz").unlink()
    (msd / "labelsTr/phantom_01.nii.gz").unlink()
    assert headline(msd) == f"2 faults in {msd}/dataset.json and {msd}/cases.csv"


# What strangers handed in


def test_a_byte_order_mark_is_accepted_in_dataset_json_too(msd):
    expected = formats.read_dataset(msd)
    (msd / "dataset.json").write_bytes(b"\xef\xbb\xbf" + (msd / "dataset.json").read_bytes())
    assert formats.read_dataset(msd) == expected


def test_a_key_that_stands_twice_in_dataset_json_is_named(msd):
    text = (msd / "dataset.json").read_text()
    (msd / "dataset.json").write_text(
        text.replace('"labels": {', '"labels": {"0": "background", "1": "liver"}, "labels": {"1": "x", ', 1)
    )
    with pytest.raises(StageError) as error:
        formats.read_dataset(msd)
    assert "stand twice" in error.value.headline
    assert error.value.findings == ["1", "labels"]


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_a_dataset_json_of_a_hundred_thousand_brackets_is_refused_without_traceback(msd, bracket):
    (msd / "dataset.json").write_text(bracket * 100_000)
    assert "nested too deeply" in headline(msd)


@pytest.mark.parametrize("labels", [{"0": "liver", "1": "background"}, {"liver": 0, "background": 1}])
def test_labels_that_are_mixed_up_are_refused(msd, labels):
    assert "0 is 'liver', expected background" in faults(declare(msd, labels=labels))[0]


def test_the_label_ignore_of_nnunet_is_refused_with_the_reason(nnunet):
    (fault,) = faults(declare(nnunet, labels={"background": 0, "organ": 1, "ignore": 2}))
    assert "2 is 'ignore', which marks voxels that nobody labelled" in fault


def test_regions_of_nnunet_are_refused_with_the_reason(nnunet):
    (fault,) = faults(declare(nnunet, labels={"background": 0, "whole": [1, 2], "core": 2}))
    assert "regions of several values (nnU-Net) are not supported" in fault


@pytest.mark.parametrize(
    "name",
    [
        "left/right",
        "a\\b",
        "$x$",
        "..",
        ".hidden",
        "_x",
        " ",
        "a\x1b[31m",
        "a\nb",
        "a\u202eb",
        "a:b",
        "a*",
        "x" * 65,
        "<b>",
    ],
)
def test_a_label_name_that_no_file_or_figure_can_have_is_refused_with_what_is_allowed(msd, name):
    found = faults(declare(msd, labels={"0": "background", "1": "organ", "2": name}))
    assert len(found) == 1
    assert "a name begins with a letter or digit" in found[0] or "each with a name of its own" in found[0]


@pytest.mark.parametrize(
    "name", ["Großhirn (links)", "hippocampus_ant-1", "GTV+5mm", "L. atrium, 2", "3rd ventricle"]
)
def test_ordinary_label_names_are_read(msd, name):
    assert formats.read_dataset(declare(msd, labels={"0": "background", "1": name})).labels["1"] == name


@pytest.mark.parametrize(
    "pair",
    [("Organ", "organ"), ("M\u00fcller", "Mu\u0308ller"), ("\uff21", "A")],
    ids=["case", "NFC and NFD", "width"],
)
def test_label_names_that_differ_in_spelling_only_are_refused(msd, pair):
    (fault,) = faults(declare(msd, labels={"0": "background", "1": pair[0], "2": pair[1]}))
    assert "one name" in fault or "a name of its own" in fault


@pytest.mark.parametrize("value", ["1.9", "true", "1e999", "null"])
def test_a_label_value_that_is_no_whole_number_is_refused_and_never_rounded(nnunet, value):  # 1.9 was 1
    text = (nnunet / "dataset.json").read_text().replace('"anterior": 1', f'"anterior": {value}')
    (nnunet / "dataset.json").write_text(text)
    (fault,) = faults(nnunet)
    assert fault.startswith("dataset.json: labels: found {'background': 0, 'anterior': ")


def test_a_label_without_a_name_is_refused(msd):  # it was a structure of the name None
    (fault,) = faults(declare(msd, labels={"0": "background", "1": "anterior", "2": None}))
    assert fault.startswith("dataset.json: labels: found ")


def test_a_label_of_the_name_of_the_mean_is_refused(msd):
    assert (
        "a word of the records" in faults(declare(msd, labels={"0": "background", "1": "mean_of_labels"}))[0]
    )


@pytest.mark.parametrize("modality", [{"0": "T1", "1": "T2"}, ["T1", "T2"]])
def test_two_modalities_that_are_declared_are_one_fault_with_what_to_do(msd, modality):
    (fault,) = faults(declare(msd, modality=modality))
    assert fault.startswith(
        "dataset.json: 2 modalities are declared (T1, T2), which MSD has in one 4-D file a case; it is not "
        "read. Write each channel as a file of its own in nnU-Net's layout"
    )


def test_nnunet_images_without_a_channel_are_one_fault(nnunet):
    for name in IDS:
        (nnunet / f"imagesTr/{name}_0000.nii.gz").rename(nnunet / f"imagesTr/{name}.nii.gz")
    assert "imagesTr/: 3 files, such as phantom_00.nii.gz, do not end in _0000.nii.gz" in faults(nnunet)[0]


def test_nnunet_files_of_another_ending_than_declared_are_named(nnunet):
    for path in [*nnunet.glob("imagesTr/*"), *nnunet.glob("labelsTr/*")]:
        path.rename(path.with_name(path.name.replace(".nii.gz", ".nrrd")))
    assert (
        "imagesTr/ has 3 files, such as phantom_00_0000.nrrd, none of which ends in .nii.gz (file_ending)"
        in faults(nnunet)
    )


def test_nnunet_of_pictures_is_one_fault(nnunet):
    table(nnunet, "case_id,subject_id")
    (fault,) = faults(declare(nnunet, file_ending=".png"))
    assert fault.startswith("dataset.json: file_ending '.png': a picture, one slice each. Make 3-D volumes")


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (".png", "a picture, one slice each"),
        (".hdr", "a pair .hdr and .img"),
        (".dcm", "radiotrace from-dicom"),
        (".mgz", "mri_convert"),
        (".xyz", "files that end in .xyz"),
    ],
)
def test_images_of_a_format_that_is_not_read_are_one_fault_with_what_to_do(msd, ending, words):
    touch(msd, *(f"imagesTr/{name}{ending}" for name in IDS))
    declare(
        msd,
        training=[{"image": f"imagesTr/{name}{ending}", "label": f"labelsTr/{name}.nii.gz"} for name in IDS],
    )
    table(msd, "case_id,subject_id", *(f"{name}{ending},{name}" for name in IDS))
    (fault,) = faults(msd)
    assert fault.startswith(f"imagesTr/phantom_00{ending} and 2 more: ")
    assert words in fault


def test_folders_of_dicom_files_are_one_fault(msd):
    for name in IDS:
        (msd / "imagesTr" / name).mkdir()
    declare(msd, training=[{"image": f"imagesTr/{name}", "label": f"labelsTr/{name}.nii.gz"} for name in IDS])
    (fault,) = faults(msd)
    assert fault.startswith("imagesTr/phantom_00 and 2 more: folders, not files. A folder of DICOM files")


def test_a_data_set_one_folder_too_deep_is_one_fault_with_what_to_move(tmp_path, msd):
    (tmp_path / "data").mkdir()
    msd.rename(tmp_path / "data/Task04")
    with pytest.raises(StageError) as error:
        formats.read_dataset(tmp_path / "data")
    assert "the data set lies too deep" in error.value.headline
    assert error.value.way_out.startswith(f"Move what is in {tmp_path}/data/Task04/ to {tmp_path}/data/")


def test_files_one_folder_too_deep_are_one_fault(msd):
    (msd / "Task04").mkdir()
    for kind in ("imagesTr", "labelsTr"):
        (msd / kind).rename(msd / "Task04" / kind)
    (fault,) = faults(msd)
    assert fault.startswith("all 6 files are missing, but")


def test_a_folder_of_dicom_without_dataset_json_is_named(tmp_path):
    (tmp_path / "series").mkdir()
    (tmp_path / "series/IM0001").write_bytes(bytes(128) + b"DICM" + bytes(100))
    with pytest.raises(StageError) as error:
        formats.read_dataset(tmp_path)
    assert "a DICOM file" in error.value.headline
    assert "radiotrace from-dicom" in error.value.way_out


@pytest.mark.parametrize("cases", [IDS[:1], IDS], ids=["one", "all"])
def test_an_image_that_is_its_own_label_map_is_one_fault(msd, cases):
    declare(
        msd,
        training=[
            entry(name) | ({"label": f"imagesTr/{name}.nii.gz"} if name in cases else {}) for name in IDS
        ],
    )
    (fault,) = faults(msd)
    assert fault.startswith(
        "dataset.json: imagesTr/phantom_00.nii.gz is the image of phantom_00 and the label map of phantom_00"
    )


@pytest.mark.parametrize(
    ("file", "case_id"),
    [("x.nii.nii.gz", "x.nii"), ("a.img.nii.gz", "a.img"), ("a.hdr.nii", "a.hdr"), ("B.NII.GZ", "B")],
)
def test_a_case_id_is_the_name_without_the_ending_of_its_format(msd, file, case_id):
    touch(msd, f"imagesTr/{file}", f"labelsTr/{file}")
    declare(msd, training=[{"image": f"imagesTr/{file}", "label": f"labelsTr/{file}"}])
    table(msd, "case_id,subject_id", f"{case_id},s")
    assert [case.case_id for case in formats.read_dataset(msd).cases] == [case_id]


@pytest.mark.parametrize(("length", "ok"), [(128, True), (129, False), (220, False)])
def test_a_case_id_that_is_too_long_for_the_names_of_files_is_refused_with_the_limit(msd, length, ok):
    name = "x" * length
    touch(msd, f"imagesTr/{name}.nii.gz", f"labelsTr/{name}.nii.gz")
    declare(msd, training=[entry(name)])
    table(msd, "case_id,subject_id", f"{name},s")
    if ok:
        assert len(formats.read_dataset(msd).cases) == 1
    else:
        assert faults(msd) == [
            f"{name}: a case id of {length} characters; at most 128, because files are named after it"
        ]


def test_case_ids_that_differ_in_capitals_only_are_refused(msd):
    touch(msd, "imagesTr/Phantom_00.nii.gz", "labelsTr/Phantom_00.nii.gz")
    declare(msd, training=[*map(entry, IDS), entry("Phantom_00")])
    table(msd, "case_id,subject_id", *(f"{name},{name}" for name in [*IDS, "Phantom_00"]))
    assert faults(msd) == ["Phantom_00 and phantom_00: case ids that differ in capitals only"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "a\x1b]0;b"),
        ("licence", {"name": "MIT"}),
        ("reference", "\ud800"),
        ("modality", "MR\x1b[31m"),
    ],
)
def test_an_identity_that_no_page_can_show_is_refused(msd, key, value):
    assert len(faults(declare(msd, **{key: value}))) == 1


def test_surplus_rows_are_listed_up_to_a_hundred(msd):
    table(
        msd,
        "case_id,subject_id",
        *(f"{name},{name}" for name in IDS),
        *(f"more_{number:06d},s" for number in range(100_000)),
    )
    with pytest.raises(StageError) as error:
        formats.read_dataset(msd)
    lines = str(error.value).splitlines()
    assert len(lines) == 103  # headline, 100 of them, "and N more", the way out
    assert lines[-2] == "  and 99900 more"


def test_the_bytes_that_were_read_are_hashed(msd):
    expected = {name: records.sha256(msd / name) for name in ("dataset.json", "cases.csv")}
    assert formats.read_dataset(msd).tables_sha256 == expected


# Links


def cached(msd, cache, name: str, at: str) -> None:
    """Puts a file into a cache, and a link in its place, as `dvc config cache.type symlink` does."""
    place = cache / at
    place.parent.mkdir(parents=True, exist_ok=True)
    (msd / name).rename(place)
    (msd / name).symlink_to(place)


AT = "files/md5/0a/" + "b" * 30


@pytest.fixture
def project_with_links(msd, tmp_path):
    from radiotrace.imaging import links

    links._cache.cache_clear()
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("")
    yield tmp_path
    links._cache.cache_clear()


def test_a_link_into_the_cache_of_dvc_is_data(msd, project_with_links):
    cached(msd, project_with_links / ".dvc/cache", "imagesTr/phantom_00.nii.gz", AT)
    assert [case.case_id for case in formats.read_dataset(msd).cases] == IDS


@pytest.mark.parametrize("named", ["absolute", "../elsewhere"])
@pytest.mark.parametrize("file", ["config", "config.local"])
def test_a_link_into_a_cache_that_is_configured_elsewhere_is_data(
    msd, project_with_links, tmp_path, file, named
):
    cache = tmp_path / "elsewhere"
    (project_with_links / ".dvc" / file).write_text(
        f"[cache]\n    dir = {cache if named == 'absolute' else named}\n    type = symlink\n"
    )
    cached(msd, cache, "imagesTr/phantom_00.nii.gz", AT)
    assert [case.case_id for case in formats.read_dataset(msd).cases] == IDS


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize("at", ["config", "files/md5/0a/short", "files/md5/../../secret", "tmp/" + "b" * 30])
def test_a_link_to_anything_else_near_the_cache_leaves_the_data_folder(msd, project_with_links, at):
    cached(msd, project_with_links / ".dvc/cache", "imagesTr/phantom_00.nii.gz", at)
    assert faults(msd) == ["phantom_00: imagesTr/phantom_00.nii.gz leaves the data folder"]


@pytest.mark.requirement("SRS-SEC-1")
def test_a_link_into_a_folder_that_looks_like_a_cache_leaves_the_data_folder(
    msd, project_with_links, tmp_path
):
    cached(msd, tmp_path / "no_cache", "imagesTr/phantom_00.nii.gz", AT)
    assert faults(msd) == ["phantom_00: imagesTr/phantom_00.nii.gz leaves the data folder"]


def test_more_labels_than_a_label_map_holds_are_one_fault(msd):
    assert faults(
        declare(msd, labels={"0": "background", **{str(value): f"l{value}" for value in range(1, 257)}})
    ) == ["dataset.json: labels: found 257, expected at most 256, background included"]


def test_hidden_files_of_macos_are_one_fault_a_folder(nnunet):
    touch(nnunet, *(f"imagesTr/._{name}_0000.nii.gz" for name in IDS))
    (fault,) = faults(nnunet)
    assert (
        fault
        == "imagesTr/ has 3 hidden files, such as ._phantom_00_0000.nii.gz, as macOS leaves them behind. "
        "Remove them"
    )


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("imagesTr/a\0b.nii.gz", "characters that are not seen"),
        ("/etc/passwd.nii.gz", "leaves the data folder"),
        ("imagesTr/=cmd|x.nii.gz", "a case id has letters"),
        ("imagesTr/gone.nii.gz", "is missing"),
    ],
)
def test_names_of_files_are_looked_at_before_a_study_is_made_of_them(msd, image, said):
    declared = json.loads((msd / "dataset.json").read_text())
    declared["training"][0]["image"] = image
    (msd / "dataset.json").write_text(json.dumps(declared))
    with pytest.raises(StageError) as caught:
        formats.read_declaration(msd)
    assert [fault for fault in caught.value.findings if said in fault]


def test_number_of_a_channel_has_digits_of_ascii_and_few(nnunet):
    declared = json.loads((nnunet / "dataset.json").read_text())
    declared["channel_names"] = {"9" * 5000: "T1"}
    (nnunet / "dataset.json").write_text(json.dumps(declared))
    assert formats.read_dataset(nnunet).identity["modality"] == "T1"
    assert formats.CHANNEL_NUMBER.search("case_\u0660\u0660\u0660\u0661") is None
