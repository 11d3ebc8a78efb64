"""Volumes: no voxel moves in the world, no file is half read, no free text travels on."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import volumes
from tests import phantoms

# Direction cosines of the voxel axes in the LPS world, as columns.
RAS = np.diag([-1.0, -1.0, 1.0])
LPI = np.diag([1.0, 1.0, -1.0])
# permuted and flipped: x to P, y to I, z to R
PIR = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
OBLIQUE = np.array(phantoms.rotation(10)).reshape(3, 3)
# about z, then about x
TILTED = OBLIQUE @ np.array([[1, 0, 0], [0, np.cos(0.2), -np.sin(0.2)], [0, np.sin(0.2), np.cos(0.2)]])
DIRECTIONS = {
    "RAS": RAS,
    "LPI": LPI,
    "PIR": PIR,
    "oblique": OBLIQUE,
    "oblique PIR": OBLIQUE @ PIR,
    "tilted RAS": TILTED @ RAS,
}
every_direction = pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
HALF = tuple(spacing / 2 for spacing in phantoms.SPACING_XYZ)


def placed(array_zyx, direction) -> sitk.Image:
    return phantoms.volume(array_zyx, direction=tuple(np.ravel(direction)))


def marked(index_xyz, direction) -> sitk.Image:
    """Zeros with 42.5 at one voxel."""
    array = np.zeros(phantoms.SIZE_XYZ[::-1], np.float32)
    array[index_xyz[::-1]] = 42.5
    return placed(array, direction)


def corner(volume, index_xyz) -> np.ndarray:
    """World point of a continuous index; (-0.5, -0.5, -0.5) is the outer corner of the first voxel."""
    return np.array(volume.TransformContinuousIndexToPhysicalPoint([float(value) for value in index_xyz]))


def extent_corners(volume) -> np.ndarray:
    first, last = np.full(3, -0.5), np.array(volume.GetSize()) - 0.5
    return np.array([corner(volume, first), corner(volume, last)])


def noise(direction=RAS) -> sitk.Image:
    return placed(np.random.default_rng(5).normal(size=phantoms.SIZE_XYZ[::-1]).astype(np.float32), direction)


# Orientation


@pytest.mark.requirement("SRS-DATA-7")
@every_direction
def test_canonical_leaves_a_marked_voxel_where_it_is_in_the_world(direction):
    before = marked((3, 17, 2), direction)
    after = volumes.canonical(before, "LPS", None, False)
    found = np.argwhere(volumes.array_zyx(after) == 42.5)
    assert len(found) == 1
    assert np.allclose(corner(after, found[0][::-1]), corner(before, (3, 17, 2)), rtol=0, atol=1e-9)


@every_direction
# 10 and 11 degrees of obliqueness: cosines over 0.96
def test_canonical_points_the_axes_to_left_posterior_superior(direction):
    turned = volumes.canonical(marked((0, 0, 0), direction), "LPS", None, False)
    assert (np.diag(np.reshape(turned.GetDirection(), (3, 3))) > 0.96).all()


def test_canonical_points_the_axes_where_it_is_told():  # R, A, S are -1, -1, +1 in the LPS world
    turned = volumes.canonical(marked((0, 0, 0), PIR), "RAS", None, False)
    assert np.allclose(np.reshape(turned.GetDirection(), (3, 3)), RAS)


@pytest.mark.requirement("SRS-DATA-7")
# PIR: x is P, y is I, z is R, so that LPS takes z, x, y
def test_canonical_permutes_size_and_spacing_together():
    turned = volumes.canonical(marked((0, 0, 0), PIR), "LPS", None, False)
    assert (turned.GetSize(), turned.GetSpacing()) == ((14, 18, 22), (1.7, 0.9, 1.1))


@pytest.mark.requirement("SRS-DATA-7")
@every_direction
def test_onto_the_original_grid_undoes_canonical(direction):
    before = noise(direction)
    back = volumes.onto(volumes.canonical(before, "LPS", None, False), volumes.grid(before))
    assert np.allclose(volumes.array_zyx(back), volumes.array_zyx(before), rtol=0, atol=1e-5)


def test_onto_a_larger_grid_takes_the_nearest_value():
    small = placed(np.full((4, 5, 6), 7.5, np.float32), RAS)
    onto = volumes.onto(small, volumes.grid(noise(OBLIQUE)))
    assert np.unique(volumes.array_zyx(onto)).tolist() == [7.5]


# Resampling


@every_direction
def test_resampling_to_half_the_spacing_keeps_both_outer_corners(direction):
    before = noise(direction)
    turned = volumes.canonical(before, "LPS", None, False)
    halved = tuple(value / 2 for value in turned.GetSpacing())
    after = volumes.canonical(before, "LPS", halved, False)
    assert np.allclose(extent_corners(after), extent_corners(turned), rtol=0, atol=1e-9)


@pytest.mark.requirement("SRS-DATA-7")
def test_resampling_keeps_the_centre_of_the_volume_in_the_world():
    before = noise(OBLIQUE)
    after = volumes.canonical(before, "LPS", HALF, False)
    assert np.allclose(
        extent_corners(after).mean(axis=0), extent_corners(before).mean(axis=0), rtol=0, atol=1e-9
    )


def test_resampling_that_does_not_divide_keeps_the_first_corner_and_the_last_within_half_a_voxel():
    before, spacing = noise(OBLIQUE), np.array([1.0, 0.7, 1.3])
    after = volumes.canonical(before, "LPS", spacing.tolist(), False)
    first, last = extent_corners(after) - extent_corners(before)
    assert np.abs(first).max() < 1e-9
    assert (np.abs(OBLIQUE.T @ last) <= spacing / 2 + 1e-9).all()


def test_resampling_rounds_the_size():  # 16.2, 24.2 and 23.8 mm at 1 mm, 1 mm and 1.2 mm
    assert volumes.canonical(noise(OBLIQUE), "LPS", (1.0, 1.0, 1.2), False).GetSize() == (16, 24, 20)


def test_resampling_never_gives_an_axis_without_a_voxel():
    assert volumes.canonical(noise(OBLIQUE), "LPS", (1.0, 1.0, 60.0), False).GetSize() == (16, 24, 1)


# linear interpolation is exact for a linear function
def test_resampling_reproduces_a_linear_ramp_of_the_world():
    before = noise(TILTED)
    weights = np.array([2.0, -3.0, 0.5])

    def ramp(volume):
        indices = np.indices(volume.GetSize(), dtype=float).reshape(3, -1)
        points = np.array(volume.GetOrigin())[:, None] + (
            np.reshape(volume.GetDirection(), (3, 3)) @ (indices * np.array(volume.GetSpacing())[:, None])
        )
        return (weights @ points).reshape(volume.GetSize()).transpose(2, 1, 0)

    after = volumes.canonical(placed(ramp(before).astype(np.float32), TILTED), "LPS", (0.8, 1.3, 1.1), False)
    inner = (slice(2, -2),) * 3  # at the border there is nothing to interpolate with
    assert np.allclose(volumes.array_zyx(after)[inner], ramp(after)[inner], rtol=0, atol=1e-3)


def test_resampling_an_integer_image_keeps_fractions():  # between 0 and 1, at a quarter of the way
    array = np.zeros((4, 4, 8), np.int16)
    array[:, :, 4:] = 1
    after = volumes.canonical(
        phantoms.volume(array, direction=tuple(np.ravel(np.eye(3)))), "LPS", (0.45, 1.1, 1.7), False
    )
    assert np.allclose(np.unique(volumes.array_zyx(after)), [0, 0.25, 0.75, 1])


@pytest.mark.parametrize("value", phantoms.BOXES_XYZ)
# weight of the corner: 0.75³ = 0.42 < 0.5; 120·8 - 8
def test_a_box_at_half_the_spacing_loses_its_eight_corners_only(value):
    after = volumes.canonical(placed(phantoms.label_array(), OBLIQUE), "LPS", HALF, True)
    assert (volumes.array_zyx(after) == value).sum() == 952


@pytest.mark.parametrize("value", phantoms.BOXES_XYZ)
def test_a_resampled_box_keeps_its_volume_within_half_a_voxel_at_each_face(value):
    spacing = np.array([1.0, 1.0, 1.2])
    after = volumes.canonical(placed(phantoms.label_array(), OBLIQUE), "LPS", spacing.tolist(), True)
    edges = np.array([stop - start for start, stop in phantoms.BOXES_XYZ[value]]) * phantoms.SPACING_XYZ
    volume_mm3 = (volumes.array_zyx(after) == value).sum() * spacing.prod()
    assert (edges - spacing).prod() < volume_mm3 < (edges + spacing).prod()


def test_resampled_label_maps_hold_no_label_between_two():  # an average of 1 and 3 would be 2
    array = np.zeros(phantoms.SIZE_XYZ[::-1], np.uint8)
    array[3:10, 4:10, 4:12], array[3:10, 10:16, 4:12] = 1, 3
    after = volumes.array_zyx(volumes.canonical(placed(array, OBLIQUE), "LPS", (0.7, 0.8, 0.6), True))
    assert np.unique(after).tolist() == [0, 1, 3]


def test_resampled_label_maps_keep_their_pixel_type():
    after = volumes.canonical(placed(phantoms.label_array(), OBLIQUE), "LPS", HALF, True)
    assert after.GetPixelID() == sitk.sitkUInt8


def test_a_spacing_that_is_there_already_changes_no_value():
    before = noise(OBLIQUE)
    after = volumes.canonical(before, "LPS", phantoms.SPACING_XYZ, False)
    assert np.array_equal(volumes.array_zyx(after), volumes.array_zyx(before))


# Arrays


def test_arrays_are_z_y_x():
    assert volumes.array_zyx(marked((3, 17, 2), RAS))[2, 17, 3] == 42.5


@pytest.mark.requirement("SRS-DATA-7")
def test_to_zyx_turns_the_order():
    assert volumes.to_zyx([18, 22, 14]) == (14, 22, 18)


def test_from_array_takes_the_grid_of_the_other():
    like = noise(TILTED)
    assert volumes.grid(volumes.from_array(phantoms.label_array(), like)) == volumes.grid(like)


def test_from_array_refuses_an_array_in_x_y_z():
    with pytest.raises(ValueError, match=r"\(18, 22, 14\) \(z y x\) on a grid of \(18, 22, 14\) \(x y z\)"):
        volumes.from_array(np.zeros(phantoms.SIZE_XYZ, np.uint8), noise())


# Grids


def test_grid_gives_the_header_in_x_y_z():
    assert volumes.grid(phantoms.volume(phantoms.label_array(), direction=tuple(np.ravel(PIR)))) == {
        "size_voxels": [18, 22, 14],
        "spacing_mm": [0.9, 1.1, 1.7],
        "origin_mm": [-31.5, 12.25, 77.0],
        "direction": np.ravel(PIR).tolist(),
    }


def grid(**changes) -> dict:
    return {
        "size_voxels": [18, 22, 14],
        "spacing_mm": [0.9, 1.1, 1.7],
        "origin_mm": [-31.5, 12.25, 77.0],
        "direction": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
    } | changes


@pytest.mark.requirement("SRS-DATA-3")
def test_equal_grids_have_no_fault():
    assert volumes.grid_faults(grid(), grid(), 0, 0) == []


@pytest.mark.requirement("SRS-DATA-3")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size_voxels", [18, 22, 15]),
        ("spacing_mm", [0.9, 1.102, 1.7]),
        ("origin_mm", [-31.5, 12.25, 77.002]),
        ("direction", [1.0, 0.0002, 0, 0, 1, 0, 0, 0, 1]),
    ],
)
def test_each_difference_of_two_grids_has_its_name(name, value):
    assert [fault[0] for fault in volumes.grid_faults(grid(), grid(**{name: value}), 0.001, 0.0001)] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spacing_mm", [0.9, 1.1009, 1.7]),
        ("origin_mm", [-31.5, 12.25, 77.0009]),
        ("direction", [1.0, 0.00009, 0, 0, 1, 0, 0, 0, 1]),
    ],
)
def test_a_difference_within_the_tolerance_is_no_fault(name, value):
    assert volumes.grid_faults(grid(), grid(**{name: value}), 0.001, 0.0001) == []


def test_a_difference_of_exactly_the_tolerance_is_no_fault():  # 0.25 is exact in binary
    assert volumes.grid_faults(grid(), grid(origin_mm=[-31.25, 12.25, 77.0]), 0.25, 0) == []


def test_a_grid_fault_shows_both_values_in_x_y_z():
    faults = volumes.grid_faults(grid(), grid(spacing_mm=[0.9, 1.1, 1.8]), 0.001, 0.0001)
    assert faults == [("spacing_mm", "0.9 1.1 1.7", "0.9 1.1 1.8")]


@pytest.mark.requirement("SRS-DATA-3")
def test_all_differences_of_two_grids_are_named_at_once():
    other = grid(
        size_voxels=[1, 2, 3],
        spacing_mm=[1, 1, 1],
        origin_mm=[0, 0, 0],
        direction=[-1, 0, 0, 0, 1, 0, 0, 0, 1],
    )
    assert [fault[0] for fault in volumes.grid_faults(grid(), other, 0.001, 0.0001)] == [
        "size_voxels",
        "spacing_mm",
        "origin_mm",
        "direction",
    ]


# Files


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
def test_a_written_volume_reads_back_on_its_grid(tmp_path, ending):  # NIfTI keeps its grid in float32
    before = noise(TILTED @ PIR)
    volumes.write(before, tmp_path / f"volume.{ending}")
    after = volumes.read(tmp_path / f"volume.{ending}")
    assert volumes.grid_faults(volumes.grid(before), volumes.grid(after), 1e-5, 1e-6) == []
    assert np.array_equal(volumes.array_zyx(after), volumes.array_zyx(before))


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("one.nii.gz", "two.nii.gz"):
        volumes.write(noise(), tmp_path / name)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


# the format's own writer is given another folder
def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    def write(volume, path, **options):
        real(volume, path, **options)
        seen.append((tmp_path / "volume.nii.gz").exists())

    real, seen = sitk.WriteImage, []
    monkeypatch.setattr(volumes.sitk, "WriteImage", write)
    volumes.write(noise(), tmp_path / "volume.nii.gz")
    assert seen == [False]
    assert [path.name for path in tmp_path.iterdir()] == ["volume.nii.gz"]


def test_a_write_that_fails_keeps_the_earlier_file_and_nothing_else(tmp_path, monkeypatch):
    def fail(volume, path, **options):
        Path(path).write_bytes(b"half")
        raise RuntimeError("no room")

    (tmp_path / "volume.nii.gz").write_bytes(b"earlier")
    monkeypatch.setattr(volumes.sitk, "WriteImage", fail)
    with pytest.raises(OSError, match="cannot write"):
        volumes.write(noise(), tmp_path / "volume.nii.gz")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"volume.nii.gz": b"earlier"}


@pytest.mark.requirement("SRS-DATA-6")
def test_write_leaves_free_text_behind(tmp_path):
    volume = noise()
    for key in ("descrip", "aux_file", "intent_name", "ITK_FileNotes", "0010|0010"):
        volume.SetMetaData(key, "DOE^JANE")
    volumes.write(volume, tmp_path / "volume.nii.gz")
    assert b"DOE" not in gzip.decompress((tmp_path / "volume.nii.gz").read_bytes())


def test_write_leaves_the_volume_that_it_was_given_as_it_was(tmp_path):
    volume = noise()
    volume.SetMetaData("descrip", "FSL5.0")
    volumes.write(volume, tmp_path / "volume.nii.gz")
    assert volume.GetMetaData("descrip") == "FSL5.0"


def test_read_says_that_a_file_is_missing(tmp_path):
    with pytest.raises(volumes.VolumeError, match=r"^no such file$"):
        volumes.read(tmp_path / "volume.nii.gz")


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
def test_read_refuses_garbage(tmp_path, ending):
    (tmp_path / f"volume.{ending}").write_bytes(b"garbage" * 100)
    with pytest.raises(volumes.VolumeError, match=r"damaged or of an unknown format \(700 bytes\)"):
        volumes.read(tmp_path / f"volume.{ending}")


def test_read_refuses_an_empty_file(tmp_path):
    (tmp_path / "volume.nii.gz").touch()
    with pytest.raises(volumes.VolumeError, match=r"0 bytes"):
        volumes.read(tmp_path / "volume.nii.gz")


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
# ITK fills what is missing of a NIfTI with zeros
def test_a_cut_file_is_refused(tmp_path, ending, share):
    volumes.write(noise(), tmp_path / f"whole.{ending}")
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    (tmp_path / f"volume.{ending}").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(volumes.VolumeError):
        volumes.read(tmp_path / f"volume.{ending}")


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("ending", ["nii.gz", "nii"])
def test_a_file_without_its_last_byte_is_refused(tmp_path, ending):
    volumes.write(noise(), tmp_path / f"volume.{ending}")
    (tmp_path / f"volume.{ending}").write_bytes((tmp_path / f"volume.{ending}").read_bytes()[:-1])
    with pytest.raises(volumes.VolumeError):
        volumes.read(tmp_path / f"volume.{ending}")


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_flipped_byte_of_compressed_data_is_refused(tmp_path, place):
    volumes.write(noise(), tmp_path / "volume.nii.gz")
    damaged = bytearray((tmp_path / "volume.nii.gz").read_bytes())
    damaged[int(len(damaged) * place)] ^= 0xFF
    (tmp_path / "volume.nii.gz").write_bytes(damaged)
    with pytest.raises(volumes.VolumeError):
        volumes.read(tmp_path / "volume.nii.gz")


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
def test_a_whole_file_of_finite_values_is_no_finding(tmp_path, ending):
    volumes.write(noise(), tmp_path / f"volume.{ending}")
    assert volumes.open_file(tmp_path / f"volume.{ending}")[0].n_non_finite == 0


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("ending", ["nii.gz", "nii"])
def test_values_that_are_not_finite_are_counted_in_the_file(tmp_path, ending):  # ITK reads them as 0
    array = volumes.array_zyx(noise())
    array[3, 5, 7:10] = np.nan, np.inf, -np.inf
    volumes.write(phantoms.volume(array), tmp_path / f"volume.{ending}")
    assert volumes.open_file(tmp_path / f"volume.{ending}")[0].n_non_finite == 3


def test_integers_are_finite(tmp_path):
    volumes.write(phantoms.volume(phantoms.label_array()), tmp_path / "volume.nii.gz")
    assert volumes.open_file(tmp_path / "volume.nii.gz")[0].n_non_finite == 0


def test_read_canonical_returns_a_file_of_the_recorded_bytes(tmp_path):
    volumes.write(noise(), tmp_path / "volume.nii.gz")
    found = volumes.read_canonical(tmp_path / "volume.nii.gz", records.sha256(tmp_path / "volume.nii.gz"))
    assert np.array_equal(volumes.array_zyx(found), volumes.array_zyx(noise()))


def test_read_canonical_refuses_a_changed_file(tmp_path):
    volumes.write(noise(), tmp_path / "volume.nii.gz")
    recorded = records.sha256(tmp_path / "volume.nii.gz")
    volumes.write(noise(LPI), tmp_path / "volume.nii.gz")
    with pytest.raises(StageError, match=rf"was changed after ingest\n.*expected {recorded}"):
        volumes.read_canonical(tmp_path / "volume.nii.gz", recorded)


def test_read_canonical_says_that_a_file_is_missing(tmp_path):
    with pytest.raises(StageError, match=r"volume.nii.gz is missing"):
        volumes.read_canonical(tmp_path / "volume.nii.gz", "0" * 64)


# Resampling to the edge


@pytest.mark.requirement("SRS-DATA-7")
@pytest.mark.parametrize("size", [34, 35, 36, 37])
@pytest.mark.parametrize("is_label_map", [True, False])
# 35 x 1 mm: 17.5 planes of 2 mm, rounded up to 18
def test_a_resampled_volume_has_no_value_that_was_not_there(size, is_label_map):
    array = (np.arange(size**3).reshape(size, size, size) % 3 + 1).astype(np.uint8)
    volume = phantoms.volume(array, (1, 1, 1), direction=phantoms.rotation(0))
    after = volumes.array_zyx(volumes.canonical(volume, "LPS", (2, 2, 2), is_label_map))
    assert after.min() >= 1
    assert after.max() <= 3


@pytest.mark.requirement("SRS-DATA-7")
def test_a_label_in_the_last_plane_stays_where_the_size_is_rounded_up():
    array = np.zeros((35, 35, 35), np.uint8)
    array[-2:] = 4
    after = volumes.array_zyx(
        volumes.canonical(
            phantoms.volume(array, (1, 1, 1), direction=phantoms.rotation(0)), "LPS", (2, 2, 2), True
        )
    )
    assert (after[-1] == 4).all()


@pytest.mark.parametrize(("spacing", "wanted"), [((1e6, 1e6, 1e6), 1), ((1, 1, 1), 1e-4)])
def test_a_resampling_that_no_memory_holds_is_refused_before_it_begins(spacing, wanted):
    volume = phantoms.volume(np.zeros((14, 22, 18), np.uint8), spacing)
    with pytest.raises(volumes.VolumeError, match="more than is ever read"):
        volumes.canonical(volume, "LPS", (wanted,) * 3, is_label_map=False)
