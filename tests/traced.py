"""The least that is verified: two requirements, one by tests and one by a criterion, with all that stands
behind them."""

import json
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.design import controls, negative_controls, requirements, reviews
from radiotrace.evidence.trace import matrix, tests
from radiotrace.records import merkle

CASES = Path(__file__).resolve().parent / "schema_cases"
OF_SOFTWARE = frozenset({"SRS-UI-1", "NC-UI-1"})  # what the tests show; all else is the study's
RUN_ID, PART, OTHER_PART, OTHER = "a" * 64, "c" * 64, "e" * 64, "0" * 64
STATUS, REASON = "tests/test_stage.py::test_status", "tests/test_stage.py::test_reason"
SUMMARY = {"mean": 0.9, "ci95_low": 0.88, "ci95_high": 0.92, "n_subjects": 40, "n_undefined": 0}


def example(name: str):
    return json.loads((CASES / f"{name}.json").read_text("utf-8"))


def outcome(passed: int = 1, **others) -> dict:
    """What came of the cases of a test; those that neither passed nor failed nor were skipped are in
    `cases` alone."""
    found = {"passed": passed, "failed": 0, "skipped": 0} | others
    return {"cases": sum(found.values())} | found


def opening(cases_sha256: str = PART, n_cases: int = 49, run_id: str = RUN_ID) -> dict:
    return {
        "run_id": run_id,
        "cases_sha256": cases_sha256,
        "n_cases": n_cases,
        "stage": "evaluate",
        "metrics_sha256": OTHER,
        "what_for": "accuracy",
    }


def one_hazard() -> dict:
    """A risk file with one hazard, whose risk is acceptable while both of its controls are effective:
    RC-15 by SRS-SEG-1, RC-2 by a phrase."""
    risks = example("risks/valid/two_hazards")
    risks["controls"][0]["id"] = "RC-15"
    del risks["hazards"][1]
    risks["hazards"][0] |= {"controls": ["RC-15", "RC-2"], "new_risks": []}
    return risks


class Project:
    """What the stage evidence reads, as plain values that a test may change; all is verified until it does.

    Attributes:
        written: of controls.load.
        known: of tests.declared. found: the record 'tests'. now: of tests.tree, as the files are.
        outcomes: the record 'negative_control_outcomes'.
        metrics: the record 'metrics'. opened: lines of the ledger of the test part. texts: of the files that
            inform users.
    """

    def __init__(self):
        required = example("requirements/valid/performance_and_test")
        for one in required["requirements"]:
            one["status"] = "approved"
        faults = {
            one["id"]: one
            for one in example("negative_controls/valid/code_and_predictions")["negative_controls"]
        }
        self.written = controls.Design(
            folders={controls.SOFTWARE: Path("software/design"), controls.STUDY: Path("design")},
            requirements=required,
            negative_controls=faults,
            reviews=[],
            intended_use={},
            statistical_plan={},
            dataset_card={},
            risks=one_hazard(),
            anomalies={"anomalies": []},
            pccp={"modifications": []},
            compliance=[],
            weighed={},
            of_software=OF_SOFTWARE,
            software_sha256="5" * 64,
        )
        self.known = {
            name: {"source_sha256": "d" * 64, "verifies": ["SRS-UI-1"]} for name in (STATUS, REASON)
        }
        self.now = {
            "radiotrace/pipeline/stage.py": "1" * 64,
            "tests/test_stage.py": "2" * 64,
            "tests/phantoms.py": "3" * 64,
        }
        code, own = (
            {path: digest for path, digest in self.now.items() if path.startswith("tests/") is wanted}
            for wanted in (False, True)
        )
        self.found = {
            "whole": True,
            "code_tree_sha256": merkle.root(code),
            "test_tree_sha256": merkle.root(own),
            "files": dict(self.now),
            "tests": {name: entry | outcome() for name, entry in self.known.items()},
        }
        self.metrics = {"run_id": RUN_ID, "part": "test", "excluded": [], "dice": {"anterior": dict(SUMMARY)}}
        self.opened = [opening()]
        self.texts = {"README.md": "It is not for diagnosis."}
        self.outcomes = {
            "controls": {
                name: {
                    "control_sha256": records.digest(control),
                    "seen_sha256": self.seen(name),
                    "requirements": {
                        one["id"]: {"verdict": "red", "red": ["seen to fail"], "kind": "assertion"}
                        for one in negative_controls.users(name, required)
                    },
                }
                for name, control in faults.items()
            }
        }
        self.review(n_openings=0)

    def requirement(self, name: str) -> dict:
        return next(one for one in self.written.requirements["requirements"] if one["id"] == name)

    def seen(self, control_id: str) -> str:
        """What an outcome of a control stands on."""
        control = self.written.negative_controls[control_id]
        return negative_controls.seen_sha256(control, self.written.requirements, self.now, self.known, RUN_ID)

    def review(self, n_openings: int | None = None) -> None:
        """Reviews everything as it is, after so many openings."""
        n_openings = len(self.opened) if n_openings is None else n_openings
        self.written.reviews.extend(
            reviews.line(name, content, n_openings) for name, content in controls.items(self.written).items()
        )

    def acceptance(self) -> dict:
        return requirements.acceptance(
            self.written.requirements, self.metrics, self.written.reviews, self.opened, PART
        )

    def traced(self, misfits=()) -> dict:
        """The record 'traceability'."""
        then, broken = self.found["files"], tests.contradictions(self.found)
        words = {
            path: "gone" if path not in self.now else "new" if path not in then else "changed"
            for path in then.keys() | self.now.keys()
            if then.get(path) != self.now.get(path)
        }
        lines = sorted([*(f"{path}: {word} since the tests ran" for path, word in words.items()), *broken])
        stale = {name.split("::")[0]: lines for name in self.known} if lines else {}
        return matrix.matrix(
            self.written, self.found, self.outcomes, self.acceptance(), self.known, stale, self.texts, misfits
        )

    def reasons(self, name: str) -> list[str]:
        """Why a requirement is not verified."""
        return self.traced()["requirements"][name]["reasons"]
