"""Field types shared by the families: references, ratios, money, steps of a life cycle.

References are pseudonyms or technical names, never a person's name, ID card, telephone number or plate in clear.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Ref = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
"""A technical name: device, site, gate, tenant …"""

PersonRef = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
"""A pseudonym of a person."""

ShortText = Annotated[str, Field(min_length=1, max_length=200)]
RatioValue = Annotated[float, Field(ge=0.0, le=1.0)]
MoneyCny = Annotated[float, Field(ge=0.0, le=10_000_000.0)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Change = Literal["registered", "changed", "retired"]
CaseStep = Literal["reported", "dispatched", "accepted", "handled", "verified", "closed", "rated"]
Verdict = Literal["true", "false", "ignored"]
SilenceKind = Literal["silence", "maintenance", "power_cut"]
