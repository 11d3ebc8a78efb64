"""intensities: what images are normalised by whose values have a unit."""

import numpy as np
import pytest

from radiotrace.errors import StageError
from radiotrace.imaging import channels
from radiotrace.imaging.image import Grid, Image
from radiotrace.inference import intensity
from radiotrace.records.preprocessing import Intensities
from radiotrace.segmentation import dataset, intensities

CT = channels.named("CT")
T2, ADC = channels.named("T2"), channels.named("ADC")
GRID = Grid((4, 4, 4), (1.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1))


class Entry:
    """In the place of an entry of the record 'dataset'."""

    def __init__(self, case_id, values_czyx, label_zyx):
        self.case_id, self.values_czyx, self.label_zyx = case_id, values_czyx, label_zyx


@pytest.fixture(autouse=True)
def entries_without_files(monkeypatch):
    def read_volumes(_folder, entry, declared):
        return Image(entry.values_czyx, tuple(declared), GRID), entry.label_zyx

    monkeypatch.setattr(dataset, "read_volumes", read_volumes)


def entry(case_id: str, *organ: float, ground: float = -1000.0, labelled: bool = True) -> Entry:
    """A case: the ground, and an organ of these values, one a channel."""
    label_zyx = np.zeros((4, 4, 4), np.uint8)
    label_zyx[1:3] = int(labelled)
    values = np.stack([np.where(label_zyx > 0, value, ground) for value in organ])
    return Entry(case_id, values.astype(np.float32), label_zyx)


def found(entries, declared=(CT,), by="labels", percentiles=(0, 100)):
    return intensities.of_labels("", entries, declared, by, percentiles)


def test_they_are_those_of_the_labelled_voxels_alone():
    assert found([entry("a", 40.0), entry("b", 60.0)]) == [Intensities(40, 60, 50, 10)]


def test_every_case_weighs_as_much_however_large_its_organ():
    small = entry("b", 60.0)
    small.label_zyx[:] = 0
    small.label_zyx[0, 0, 0] = 1
    small.values_czyx[:, 0, 0, 0] = 60
    assert found([entry("a", 40.0), small])[0].mean == 50


def test_percentiles_are_of_the_labelled_voxels():
    many = [entry(f"case_{value}", float(value)) for value in range(101)]
    (of_ct,) = found(many, percentiles=(10, 90))
    assert (of_ct.low, of_ct.high) == pytest.approx((10, 90), abs=1)


def test_a_channel_that_is_normalised_by_each_image_has_none():
    pair = [entry("a", 40.0, 1.0), entry("b", 60.0, 2.0)]
    assert found(pair, (T2, ADC), by="image") == [None, None]
    of_t2, of_adc = found(pair, (T2, ADC), by={"T2": "image", "ADC": "labels"})
    assert (of_t2, of_adc) == (None, Intensities(1, 2, 1.5, 0.5))


def test_a_case_without_a_label_says_nothing():
    assert found([entry("a", 40.0), entry("b", 60.0), entry("c", 99.0, labelled=False)]) == [
        Intensities(40, 60, 50, 10)
    ]


@pytest.mark.parametrize(
    "entries", [[entry("a", 7.0)], [entry("a", 7.0, labelled=False)]], ids=["one", "none"]
)
def test_what_does_not_vary_cannot_be_normalised_by(entries):
    with pytest.raises(StageError) as error:
        found(entries)
    assert "in all labelled voxels" in error.value.findings[0]


def test_an_image_is_clipped_shifted_and_scaled_by_them():
    values = np.array([[[-1000.0, 40.0, 50.0, 60.0, 3000.0]]], np.float32)
    normalised = intensity.normalise(values, (0, 100), Intensities(40, 60, 50, 10))
    assert normalised.tolist() == [[[-1, -1, 0, 1, 1]]]


def test_channels_keep_them_through_a_record():
    (channel,) = channels.normalised((CT,), (0.5, 99.5), [Intensities(1, 2, 1.5, 0.25)])
    assert channels.Channel.of(channel.record()) == channel
