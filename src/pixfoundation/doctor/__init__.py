"""Whether this machine gives right numbers: what `pixfoundation doctor` looks at."""

from pixfoundation.doctor.findings import Diagnosis, Finding, Status

__all__ = ["Diagnosis", "Finding", "Status"]
