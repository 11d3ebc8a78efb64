"""SUV by body weight: the factor from a value of a PET file, with its slope applied, to g/mL.

Source: the vendor-neutral pseudo-code of QIBA (https://qibawiki.rsna.org, "Standardized Uptake Value"), and
what was measured on headers of several vendors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from radiotrace.imaging.dicom.headers import Pet

Units = Literal["BQML", "CNTS", "GML"]
DecayedTo = Literal["series", "acquisition", "injection", "none"]
CORRECTIONS = ("DECY", "ATTN")
DELAY_MAX = timedelta(hours=12)  # from injection to scan; beyond it, a day was added wrongly
DATE_UNKNOWN = "20000101"


@dataclass(frozen=True)
class Factor:
    """What values are multiplied by, and how that came about.

    Attributes:
        factor: g/mL for one unit of the file.
        units: of the file.
        decayed_to: the time that activities stand for: series, acquisition, injection, or none where the
            file says SUV itself.
        is_next_day: whether a day was added, because the scan begins before midnight's injection by clock.
    """

    factor: float
    units: Units
    decayed_to: DecayedTo
    is_next_day: bool = False


def of_series(pets: Sequence[Pet]) -> Factor:
    """The factor of one series.

    Args:
        pets: of its files, at least one.

    Raises:
        ValueError: names everything that is missing, contradicts, or is not known.
    """
    first = pets[0]
    faults = []
    if first.units not in ("BQML", "CNTS", "GML"):
        faults.append(f"Units: found {_said(first.units)}, expected BQML, GML, or CNTS of Philips")
    alike = (
        "units",
        "decay_correction",
        "weight_kg",
        "dose_bq",
        "half_life_s",
        "start_time",
        "start_datetime",
    )
    faults += [
        f"{name} differs between files of the series, expected one value"
        for name in (*alike, "philips_suv", "philips_bqml")
        if len({getattr(pet, name) for pet in pets}) > 1
    ]
    missing = [
        name
        for name in CORRECTIONS
        if first.units != "GML" and any(name not in pet.corrected for pet in pets)
    ]
    faults += [f"CorrectedImage: {name} is missing" for name in missing]
    if faults:
        raise ValueError("; ".join(faults))
    if first.units == "GML":
        return Factor(1.0, "GML", "none")
    if first.units == "CNTS" and _is_there(first.philips_suv):
        return Factor(float(first.philips_suv or 0), "CNTS", "none")
    if first.units == "CNTS" and not _is_there(first.philips_bqml):
        raise ValueError("Units: found CNTS without the factors of Philips, expected BQML")
    if first.units == "CNTS":
        return _by_weight(pets, "CNTS", float(first.philips_bqml or 0))
    return _by_weight(pets, "BQML", 1.0)


def _by_weight(pets: Sequence[Pet], units: Units, to_bqml: float) -> Factor:
    first = pets[0]
    faults = [
        f"{name}: found none or 0"
        for name, value in (
            ("PatientWeight", first.weight_kg),
            ("RadionuclideTotalDose", first.dose_bq),
            ("RadionuclideHalfLife", first.half_life_s),
        )
        if not _is_there(value)
    ]
    if first.decay_correction not in ("START", "ADMIN"):
        faults.append(f"DecayCorrection: found {_said(first.decay_correction)}, expected START or ADMIN")
    if faults:
        raise ValueError("; ".join(faults))
    grams, dose = float(first.weight_kg or 0) * 1000, float(first.dose_bq or 0)
    if first.decay_correction == "ADMIN":
        return Factor(to_bqml * grams / dose, units, "injection")
    half_life = float(first.half_life_s or 1)
    reference, name = _reference(pets, half_life)
    injected = _time("", first.start_datetime) or _time(reference.strftime("%Y%m%d"), first.start_time)
    if injected is None:
        raise ValueError("RadiopharmaceuticalStartTime: found none that is a time")
    delay, is_next_day = reference - injected, False
    if delay < timedelta(0) and not first.start_datetime:
        delay, is_next_day = delay + timedelta(days=1), True
    if not timedelta(0) <= delay <= DELAY_MAX:
        raise ValueError(
            f"found {delay.total_seconds() / 3600:.3g} h from injection to scan, expected 0 to "
            f"{DELAY_MAX.total_seconds() / 3600:g}"
        )
    left = dose * 2 ** (-delay.total_seconds() / half_life)
    return Factor(to_bqml * grams / left, units, name, is_next_day)


def _reference(pets: Sequence[Pet], half_life: float) -> tuple[datetime, DecayedTo]:
    """The time to which activities were decayed: that of the series; where that is later than the earliest
    acquisition, as of a series that was made afterwards, what the frames say of themselves."""
    series = _time(pets[0].series_date or DATE_UNKNOWN, pets[0].series_time)
    acquired = []
    for pet in pets:
        # as the date of the series, where one lacks the other
        time = _time(pet.acquisition_date or pet.series_date or DATE_UNKNOWN, pet.acquisition_time)
        if time is not None:
            acquired.append((time, pet))
    if series is None and not acquired:
        raise ValueError("SeriesTime and AcquisitionTime: found none that is a time")
    if series is not None and (not acquired or series <= min(time for time, _ in acquired)):
        return series, "series"
    earliest, pet = min(acquired, key=lambda pair: pair[0])
    if pet.frame_reference_ms is None or not _is_there(pet.duration_ms):
        return earliest, "acquisition"
    rate = math.log(2) / half_life
    decayed = rate * float(pet.duration_ms or 0) / 1000
    offset = math.log(decayed / -math.expm1(-decayed)) / rate  # where the mean rate of the frame occurs
    return earliest + timedelta(seconds=offset - pet.frame_reference_ms / 1000), "acquisition"


def _time(date: str, time: str) -> datetime | None:
    """A date and a time of DICOM, or a date-time in `time`; None where they are none.

    Offsets from UTC are not looked at: all times of a file have the same.
    """
    if not time:
        return None  # a date alone would be midnight
    text = f"{date}{time}".split("+")[0].split("-")[0].strip()
    whole, _, fraction = text.partition(".")
    try:
        found = datetime.strptime(whole.ljust(14, "0")[:14], "%Y%m%d%H%M%S")
        return found + timedelta(seconds=float(f"0.{fraction}")) if fraction else found
    except ValueError:
        return None


def _is_there(value: float | None) -> bool:
    return value is not None and value > 0


def _said(word: str) -> str:
    """A code word of a header, so far as it is one."""
    return (word if word.isalnum() and len(word) <= 16 else "another word") if word else "nothing"
