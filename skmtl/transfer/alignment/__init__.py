"""Transformers that bring the features of all tasks to those of a target."""

from skmtl.transfer.alignment.coral import CORAL
from skmtl.transfer.alignment.subspace import SubspaceAlignment
from skmtl.transfer.alignment.tca import TransferComponentAnalysis

__all__ = ["CORAL", "SubspaceAlignment", "TransferComponentAnalysis"]
