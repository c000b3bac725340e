"""What a user of `prefiqs evaluate` may set."""

from dataclasses import dataclass

from prefiqs.errors import InputError
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.inputs import check_choice

RANDOM_ORDERS = 10


@dataclass(frozen=True)
class Settings(EdcProtocol):
    """How curves are drawn, areas taken, and intervals made.

    resamples: of the bootstrap; 0 = no intervals and no verdict on methods, as with fewer than ten people; None =
        1,000, but 100 above a million pairs. resample_unit: "people" or "pairs", for the areas.
    seed: of all draws. target_fnmrs: for which the lowest rejection threshold is sought, each in (0, 1).
    """

    resamples: int | None = None
    resample_unit: str = "people"
    seed: int = 0
    target_fnmrs: tuple[float, ...] = (0.05,)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.resample_unit, "resample_unit", ("people", "pairs"))
        if self.resamples is not None and self.resamples < 0:
            raise InputError(f"The number of bootstrap resamples cannot be {self.resamples}; 0 means no intervals.")
        for target in self.target_fnmrs:
            if not 0 < target < 1:
                raise InputError(f"The target FNMR must be above 0 and below 1, not {target}; 0.05 is usual.")
