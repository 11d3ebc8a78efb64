"""The lock of distribution files: what is taken from pip's report, and whether it fits the pins."""

import pytest

from radiotrace import records
from radiotrace.evidence.formats import wheels
from tests import bills

REPORT = {
    "install": [
        {
            "metadata": {"name": "Ruamel.Yaml", "version": "0.19.1"},
            "download_info": {
                "url": "https://somewhere.example/simple/ruamel_yaml-0.19.1-py3-none-any.whl#x",
                "archive_info": {"hashes": {"sha256": "b" * 64}},
            },
        },
        {
            "metadata": {"name": "torch", "version": "2.13.0+cpu"},
            "download_info": {
                "url": "file:///somewhere/torch-2.13.0%2Bcpu-cp311.whl",
                "archive_info": {"hashes": {"sha256": "c" * 64}},
            },
        },
    ]
}


def test_lock_keeps_name_version_and_hash_of_the_file_and_not_its_place():
    found = wheels.lock(REPORT, ["ruamel.yaml", "torch"])
    assert found == {
        "wheels": {
            "ruamel.yaml": {
                "version": "0.19.1",
                "file": "ruamel_yaml-0.19.1-py3-none-any.whl",
                "sha256": "b" * 64,
            },
            "torch": {"version": "2.13.0+cpu", "file": "torch-2.13.0+cpu-cp311.whl", "sha256": "c" * 64},
        }
    }
    assert records.faults(found, "wheels") == []


def test_a_pin_that_the_report_lacks_is_an_error():
    with pytest.raises(KeyError):
        wheels.lock(REPORT, ["numpy"])


@pytest.mark.parametrize(
    ("pins", "faults"),
    [
        ({"torch": "2.13.0", "ruamel.yaml": "0.19.1"}, []),
        ({"torch": "2.14.0", "ruamel.yaml": "0.19.1"}, ["torch: locked 2.13.0+cpu, pinned 2.14.0"]),
        ({"torch": "2.13.0", "ruamel.yaml": "0.19.1", "numpy": "2.0"}, ["numpy: locked nothing, pinned 2.0"]),
        ({"torch": "2.13.0"}, ["ruamel.yaml: locked 0.19.1, not pinned"]),
    ],
    ids=["fits", "version", "missing", "more"],
)
def test_a_lock_that_does_not_fit_the_pins_is_found_out(pins, faults):
    assert wheels.faults(wheels.lock(REPORT, ["ruamel.yaml", "torch"]), pins) == faults


def test_lock_of_this_repository_fits_its_pins():  # else: python -m radiotrace.evidence.formats.wheels
    assert records.faults(bills.wheels(), "wheels") == []
    assert (
        wheels.faults(
            bills.wheels(),
            {name: version for pins in bills.pins().values() for name, version in pins.items()},
        )
        == []
    )
