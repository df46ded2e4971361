"""What the simulated engine imitates: a model on a device, as a handful of numbers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from folkmoot.complaint import BadInput, did_you_mean
from folkmoot.documents import Document, read


class Profile(Document):
    """A model on a device. The formula that these numbers go into stands at the top of ``simulated.yaml``."""

    overhead_ms: float = Field(ge=0)
    overhead_us_per_sequence: float = Field(ge=0)
    weights_gb: float = Field(gt=0)
    gflop_per_token: float = Field(ge=0)
    kv_kib_per_token: float = Field(ge=0)
    bandwidth_tb_s: float = Field(gt=0)
    tflops: float = Field(gt=0)
    max_num_seqs: int = Field(ge=1)
    max_num_batched_tokens: int = Field(ge=1)
    kv_tokens: int = Field(ge=1)
    context: int = Field(ge=2)
    reply_median: int = Field(ge=1)
    reply_sigma: float = Field(ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Profile:
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                "max_num_batched_tokens must be at least max_num_seqs: every sequence gets a token per step"
            )
        if self.kv_tokens < self.context:
            raise ValueError("kv_tokens must be at least context: one sequence of full length must fit")
        return self


class _Profiles(Document):
    profiles: dict[str, Profile]


def load_profile(profile: str | Path) -> Profile:
    """One of the shipped profiles by name, or a YAML file (a path, or a name with ``.yaml``) with one profile's fields.

    Raises:
        BadInput: There is no such profile, or the file does not fit.
    """
    if isinstance(profile, Path) or profile.endswith((".yaml", ".yml")):
        return read(Path(profile), Profile)
    known = read(Path(__file__).with_name("simulated.yaml"), _Profiles).profiles
    if profile not in known:
        raise BadInput(f"simulated engine: no profile {profile!r}; {did_you_mean(profile, known)}")
    return known[profile]
