"""Every step of maintenance by its name: a step is one module here, and one line in this list."""

from maintenance.steps import (
    analyse,
    compact,
    measure,
    migrate,
    offload,
    restore,
    rotate,
    shard,
    tier,
    verify,
)
from maintenance.steps.base import Step

_ALL: tuple[Step, ...] = (
    rotate.STEP,
    tier.STEP,
    offload.STEP,
    restore.STEP,
    analyse.STEP,
    compact.STEP,
    measure.STEP,
    migrate.STEP,
    shard.STEP,
    verify.STEP,
)

STEPS: dict[str, Step] = {step.name: step for step in _ALL}
